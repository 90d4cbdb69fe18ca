#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bad input: a clear error, and nothing is lost or half done."""
import json
import os
import re
import subprocess
from contextlib import contextmanager

from lib import certs
from lib.runner import Skip, main, test
from lib.world import Trouble


def bundle(world, text, *parts):
    """A bundle of TEXT is refused with all PARTS, and nothing of it is there afterwards."""
    path = world.file("bad.yaml", text)
    before = world.ctl("export-bundle").ok().out
    world.ctl("deploy", path).refused(*parts, code=1)
    if world.ctl("export-bundle").ok().out != before:
        raise Trouble("a refused bundle changed the model")


HEAD = "bundle: kubernetes\napplications:\n"


@test("an option that cannot be is refused when it is given, and nothing changes")
def _(world):
    world.ctl("config", "mlflow-server", "default_artifact_root=My_Bucket").refused(
        "application mlflow-server: option default_artifact_root: wants the name of a bucket", '"My_Bucket"', code=1)
    world.ctl("deploy", "minio", "other", "--config", "access-key=a=b c").refused("application other: option access-key: wants a name")
    world.ctl("config", "mlflow-mysql", "logs_retention_period=soon").refused("wants a number of days, or auto")
    world.wait_active()


@test("broken YAML is refused with file and line")
def _(world):
    bundle(world, HEAD + "  a: {charm: minio\n  b: [\n", "bad.yaml")


@test("an unknown key, a wrong option and a relation to nothing are told at once, each with its line")
def _(world):
    bundle(world, HEAD + "  store:\n    charm: minio\n    chanel: x\n    options:\n      port: many\nrelations:\n- [store, nobody]\n",
           "bad.yaml:5", "chanel", "bad.yaml:7", "application store: option port: wants a whole number", "many", "nobody")


@test("a name that Kubernetes would refuse is refused")
def _(world):
    bundle(world, HEAD + "  Store_1:\n    charm: minio\n", "Store_1")
    world.ctl("deploy", "minio", "Store_1").refused("Store_1", "Kubernetes refuses", code=1)
    world.ctl("add-model", "Lab_1", "--cluster", world.cluster.name).refused("Lab_1", "Kubernetes refuses", code=1)


@test("an application that is there twice is refused")
def _(world):
    bundle(world, HEAD + "  one:\n    charm: minio\n  one:\n    charm: minio\n", "one")


@test("of two that can be related in several ways the ways are named, by a bundle with the line")
def _(world):
    two = "  one:\n    charm: mysql-k8s\n    channel: 8.0/stable\n  two:\n    charm: mysql-k8s\n    channel: 8.0/stable\n"
    ways = "one:replication", "two:replication-offer", "one:replication-offer", "two:replication"
    bundle(world, HEAD + two + "relations:\n- [one, two]\n", "bad.yaml:10", *ways)
    world.ctl("deploy", world.file("two.yaml", HEAD + two)).ok()
    world.ctl("integrate", "one", "two").refused(*ways, code=1)
    for app in ("one", "two"):
        world.ctl("remove-application", app, "--destroy-storage").ok()
    world.wait_for("both to be gone", lambda: not {"one", "two"} & world.apps().keys())


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
    for path in ("/nonexistent/ca.crt", str(world.folder)):
        missing = kubeconfig(world, {"server": "https://127.0.0.1:1", "certificate-authority": path})
        world.ctl("add-cluster", "none", "--kubeconfig", missing).refused(path, code=1)
    world.ctl("add-cluster", "none", "--kubeconfig", "/nonexistent/config").refused("/nonexistent/config", code=1)


def kubeconfig(world, cluster, user=None):
    return world.file("own.kubeconfig", json.dumps({
        "apiVersion": "v1", "kind": "Config", "current-context": "c", "clusters": [{"name": "c", "cluster": cluster}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}], "users": [{"name": "u", "user": user or {"token": "x"}}]}))


def cluster_says(world, name, *parts):
    """Until the line of a cluster has all PARTS."""
    def line():
        found = next((text for text in world.ctl("clusters").out.splitlines() if text.startswith(name + " ")), "")
        return all(part in found for part in parts)
    world.wait_for(f"cluster {name} to say {parts}", line)


@test("an expired certificate is told: of the client at once with its date, of the server as the reason why it cannot be read", fresh=True)
def _(world):
    certificate, key = certs.expired(world.folder / "certs")
    trust = {"certificate-authority": str(certificate)}
    mine = kubeconfig(world, {"server": "https://127.0.0.1:1"} | trust,
                      {"client-certificate": str(certificate), "client-key": str(key)})
    world.ctl("add-cluster", "old", "--kubeconfig", mine).refused("expired at 2020-02-01", code=1)
    with certs.serving(certificate, key) as port:
        world.ctl("add-cluster", "old", "--kubeconfig", kubeconfig(world, {"server": f"https://127.0.0.1:{port}"} | trust)).ok()
        cluster_says(world, "old", "unreachable", "expired", "next try")


@test("a cluster that cannot be reached is taken, and says so with its reason", fresh=True)
def _(world):
    world.ctl("add-cluster", "away", "--kubeconfig", kubeconfig(world, {"server": "http://127.0.0.1:1"})).ok()
    cluster_says(world, "away", "unreachable", "refused", "next try")


@test("a model whose cluster is away says since when, why and when it is tried next, and converges when the cluster is there", fresh=True)
def _(world):
    world.cluster.server_down()
    try:
        world.ctl("deploy", "minio").ok()
        world.wait_for("the note", lambda: re.search(r"cannot be read since \S+, next try \S+: .*refused", world.ctl("status").ok().out))
        world.wait_status("minio", "unknown", "not seen yet")
        world.daemon.stop()             # and after a restart, too
        world.daemon.start()
        world.wait_for("the note", lambda: "cannot be read since" in world.ctl("status").ok().out)
    finally:
        world.cluster.server_up()
    world.wait_active()


@test("a wrong token is told, and update-cluster puts it right", fresh=True)
def _(world):
    name, good = world.cluster.name, world.cluster.kubeconfig.read_text()
    bad = world.file("bad.kubeconfig", re.sub(r'(token"?: *)"?[^"\s,}]+"?', r'\1"wrong"', good))
    world.ctl("update-cluster", name, "--kubeconfig", bad).ok()
    cluster_says(world, name, "unreachable", "401")
    world.ctl("update-cluster", name, "--kubeconfig", world.cluster.kubeconfig).ok()
    cluster_says(world, name, " readable")


@test("a missing right is named by what may not be done to what, and its object is made when the right is given", fresh=True)
def _(world):
    world.cluster.forbid("patch", "services")
    try:
        world.ctl("deploy", "minio", "store").ok()
        world.wait_status("store", "blocked", "Service", "missing right: patch resource \"services\"")
    finally:
        world.cluster.permit()
    world.wait_active()


@test("an object that goes while it may not be read is not called active, and comes back when the right is given", fresh=True)
def _(world):
    world.ctl("deploy", "minio", "store").ok()
    world.wait_active()
    world.cluster.forbid("get", "services")
    try:
        world.cluster.kube.delete("services", world.cluster.model, "store")
        world.wait_status("store", "blocked", "Service", "missing right: get resource \"services\"")
    finally:
        world.cluster.permit()
    world.wait_active()
    if not world.cluster.kube.get("services", world.cluster.model, "store"):
        raise Trouble("it is called active without its Service")


@contextmanager
def small_disk(folder, size):
    folder.mkdir(mode=0o700, exist_ok=True)
    if os.geteuid() or subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size},mode=0700", "small", folder], check=False).returncode:
        raise Skip("no tmpfs can be mounted here: not root, or not allowed")
    try:
        yield
    finally:
        subprocess.run(["umount", folder], check=True)


@test("on a full disk commands are refused with the reason and looking goes on, and with room all goes on by itself", fresh="bare",
      real="the disk is not the cluster's")
def _(world):
    with small_disk(world.daemon.state, "24m"):
        world.daemon.start()
        try:
            full_disk(world)
        finally:
            world.daemon.stop()


def full_disk(world):
    world.cluster.make_known(world)
    world.ctl("deploy", "minio", "store").ok()
    world.wait_active()
    stone = world.daemon.state / "stone"
    with open(stone, "wb", buffering=0) as f:
        try:
            while f.write(b"x" * 4096):
                pass
        except OSError:
            pass                        # not a byte is left
    taken = 0
    while True:                         # what the file system still had in hand
        answer = world.ctl("config", "store", f"port={9100 + taken}")
        if answer.code:
            break
        taken += 1
    answer.refused("disk", code=1)
    world.ctl("status").ok().says("store")
    port = json.loads(world.ctl("config", "store", "--format", "json").ok().out)["settings"]["port"]["value"]
    if port != (9099 + taken if taken else 9000):
        raise Trouble(f"{taken} changes were acknowledged, and port is {port}")
    stone.unlink()
    world.wait_for("room to be seen", lambda: world.ctl("config", "store", "port=9999").code == 0)
    world.wait_active()


def removed_again(world, theirs):
    """A model whose namespace was there before: nothing of it was made, so nothing is waited for."""
    world.cluster.kube.create("namespaces", "", {"metadata": {"name": theirs}})
    world.ctl("add-model", theirs).ok()
    world.wait_for("the refusal", lambda: f"take-over-model {theirs}" in world.ctl("doctor").out)
    world.ctl("remove-model", theirs, "--no-prompt").ok()
    world.wait_for("its end", lambda: theirs not in world.ctl("models").ok().out)
    if not world.cluster.kube.get("namespaces", "", theirs):
        raise Trouble("a namespace that is not ours was deleted")
    world.cluster.kube.delete("namespaces", "", theirs)


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
    removed_again(world, f"{model}-theirs")
    world.ctl("take-over-model", model).ok()
    world.wait_status("mlflow-server", "blocked", "mlflow-server", "adopt")
    if touched():
        raise Trouble("a Service that is not ours was written to")
    world.adopt("mlflow-server", "service/mlflow-server")
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
    world.ctl("show-unit", "mlflow-server").refused("units have names such as", code=1)
    world.ctl("show-unit", "mlflow-server/700").refused("mlflow-server has no unit 700", code=1)
    world.ctl("show-unit", "mlflow-server/00").refused('no unit "mlflow-server/00"', code=1)
    world.ctl("run", "mlflow-server/00", "get-minio-credentials").refused('"mlflow-server/00" is no unit of mlflow-server', code=1)
    world.ctl("drift", "mlflow-srver").refused("no application", code=1)
    world.ctl("show-status-log", "nosuch").refused("no application", code=1)
    world.ctl("debug-log", "--include", "nosuch").refused("no line is about nosuch", code=1)
    world.ctl("deploy", "mlflow-srver").refused('did you mean "mlflow-server"?', "--force", code=1)


@test("no daemon: the socket is named, and what to do")
def _(world):
    world.ctl("status", "--socket", os.path.join(world.folder, "nobody.sock")).refused("nobody.sock", code=1)


if __name__ == "__main__":
    main()
