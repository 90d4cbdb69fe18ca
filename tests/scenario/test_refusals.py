#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input: a clear error, and nothing is lost or half done."""
import json
import os
import re

from lib.runner import main, test
from lib.world import Trouble


def bundle(world, text, *parts):
    """A bundle of TEXT is refused with all PARTS, and nothing of it is there afterwards."""
    path = world.file("bad.yaml", text)
    before = world.ctl("export-bundle").ok().out
    world.ctl("deploy", path).refused(*parts, code=1)
    if world.ctl("export-bundle").ok().out != before:
        raise Trouble("a refused bundle changed the model")


HEAD = "bundle: kubernetes\napplications:\n"


@test("broken YAML is refused with file and line")
def _(world):
    bundle(world, HEAD + "  a: {charm: minio\n  b: [\n", "bad.yaml")


@test("an unknown key, a wrong option and a relation to nothing are told at once, each with its line")
def _(world):
    bundle(world, HEAD + "  store:\n    charm: minio\n    chanel: x\n    options:\n      port: many\nrelations:\n- [store, nobody]\n",
           "bad.yaml:5", "chanel", "bad.yaml:7", "port", "store", "nobody")


@test("a name that Kubernetes would refuse is refused")
def _(world):
    bundle(world, HEAD + "  Store_1:\n    charm: minio\n", "Store_1")


@test("an application that is there twice is refused")
def _(world):
    bundle(world, HEAD + "  one:\n    charm: minio\n  one:\n    charm: minio\n", "one")


@test("a machine bundle is refused by name")
def _(world):
    bundle(world, "series: jammy\nmachines:\n  '0': {}\napplications:\n  a:\n    charm: minio\n    to: ['0']\n", "machine")


@test("a million laughs are an error in no time")
def _(world):
    text = "a: &a [x,x,x,x,x,x,x,x,x,x]\n" + "".join(
        f"{chr(98 + i)}: &{chr(98 + i)} [{','.join(['*' + chr(97 + i)] * 10)}]\n" for i in range(12))
    bundle(world, text, "bad.yaml")


@test("a channel that no installed revision serves names those that are")
def _(world):
    world.ctl("deploy", "minio", "other", "--channel", "1.0/stable").refused("minio", "ckf-1.10/stable", code=1)


@test("a kubeconfig that names no cluster, or files that are not there, is refused")
def _(world):
    empty = world.file("empty.kubeconfig", "apiVersion: v1\nkind: Config\nclusters: []\n")
    world.ctl("add-cluster", "none", "--kubeconfig", empty).refused(code=1)
    missing = world.file("missing.kubeconfig", json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "c",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1", "certificate-authority": "/nonexistent/ca.crt"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {"token": "x"}}]}))
    world.ctl("add-cluster", "none", "--kubeconfig", missing).refused("/nonexistent/ca.crt", code=1)
    world.ctl("add-cluster", "none", "--kubeconfig", "/nonexistent/config").refused("/nonexistent/config", code=1)


@test("a cluster that cannot be reached is taken, and says so with its reason", fresh=True)
def _(world):
    path = world.file("away.kubeconfig", json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [{"name": "c", "cluster": {"server": "http://127.0.0.1:1"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": {"token": "x"}}]}))
    world.ctl("add-cluster", "away", "--kubeconfig", path).ok()
    world.wait_for("away to be unreachable",
                   lambda: re.search(r"^away .*unreachable.*refused", world.ctl("clusters").out, re.M))


@test("a wrong token is told, and update-cluster puts it right", fresh=True, real="the daemon's ServiceAccount cannot be given another token by a word")
def _(world):
    good = world.cluster.kubeconfig.read_text()
    bad = world.file("bad.kubeconfig", re.sub(r"token: \S+", "token: wrong", good))
    world.ctl("update-cluster", "sim", "--kubeconfig", bad).ok()
    world.wait_for("sim to say 401", lambda: re.search(r"^sim .*(401|[Uu]nauthori[sz]ed)", world.ctl("clusters").out, re.M))
    world.ctl("update-cluster", "sim", "--kubeconfig", world.cluster.kubeconfig).ok()
    world.wait_for("sim to be reached", lambda: not re.search(r"401|nreachable|nauthori", world.ctl("clusters").out))


@test("a namespace and an object that are not ours are not touched until they are taken over and adopted by name", fresh="bare")
def _(world):
    kube, model = world.cluster.kube, world.cluster.model
    kube.create("namespaces", "", {"metadata": {"name": model}})
    world.daemon.start()
    world.cluster.make_known(world)
    kube.create("services", model, {"metadata": {"name": "mlflow-server"}, "spec": {"ports": [{"name": "old", "port": 7777}]}})

    def touched():
        found = kube.get("services", model, "mlflow-server")
        return found["spec"]["ports"][0]["port"] != 7777 or "mooring.dev/application" in found["metadata"].get("labels", {})
    world.ctl("deploy", "mlflow-server", "--channel", "2.22/stable").ok()
    world.wait_status("mlflow-server", "blocked", f"Namespace {model}", "not ours", "take-over-model")
    if kube.get("serviceaccounts", model, "mlflow-server") or touched():
        raise Trouble("something was written to a namespace that is not ours")
    world.ctl("take-over-model", model).ok()
    world.wait_status("mlflow-server", "blocked", "mlflow-server", "adopt")
    if touched():
        raise Trouble("a Service that is not ours was written to")
    world.ctl("adopt", "mlflow-server", "service/mlflow-server").ok()
    world.wait_for("the Service to be ours", touched)


@test("the admin API refuses what is too large, unknown or no JSON, and goes on")
def _(world):
    def refused(code, *call, **more):
        found, text = world.daemon.api(*call, **more)
        if found != code:
            raise Trouble(f"{call[:2]} answered {found}, wanted {code}: {text[:300]}")
    refused(404, "GET", "/v1/nothing")
    refused(405, "PUT", "/v1/info")
    refused(400, "POST", "/v1/models", {"name": "x", "colour": "red"})
    refused(400, "POST", "/v1/models", b"{\"name\": \"\xff\xfe\"}")
    refused(400, "POST", "/v1/models", b"{\"name\": ")
    try:
        refused(413, "POST", "/v1/models", b" " * (80 << 20))
    except (ConnectionError, OSError):
        pass                    # it may hang up on us while we still send
    world.ctl("status").ok()


@test("a command that is nearly right is answered with the right one")
def _(world):
    world.ctl("statsu").refused("status", code=2)
    world.ctl("status", "--formt", "json").refused("format", code=2)
    world.ctl("deploy").refused(code=2)


@test("no daemon: the socket is named, and what to do")
def _(world):
    world.ctl("status", "--socket", os.path.join(world.folder, "nobody.sock")).refused("nobody.sock", code=1)


if __name__ == "__main__":
    main()
