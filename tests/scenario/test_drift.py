#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What others change in the cluster is put right, and is a line in `drift`."""
import json

from lib.drift import lines, repaired
from lib.runner import main, test

IMAGE = "/spec/template/spec/containers/0/image"


@test("an edited field is put back, and drift says what was wanted, what was found and who wrote it")
def _(world):
    kube, before = world.cluster.kube, lines(world)
    right = kube.get("deployments", "mlflow", "mlflow-server")
    kube.edit("deployments", "mlflow", "mlflow-server", IMAGE, "docker.io/library/busybox:1")
    repaired(world, before, "image", "busybox:1", "charmedkubeflow/mlflow", "kubectl-edit", "mlflow-server")
    found = kube.get("deployments", "mlflow", "mlflow-server")
    assert_equal(found["spec"]["template"]["spec"]["containers"][0]["image"],
                 right["spec"]["template"]["spec"]["containers"][0]["image"])
    world.wait_active()


@test("a container renamed by hand goes, and ours comes back alone")
def _(world):
    kube, before = world.cluster.kube, lines(world)
    right = containers(kube)
    kube.edit("deployments", "mlflow", "mlflow-server", "/spec/template/spec/containers/0/name", "renamed")
    repaired(world, before, "containers[name=mlflow-server]", "containers[name=renamed]", "kubectl-edit",
               "took over items of kubectl-edit")
    assert_equal(containers(kube), right)
    world.wait_active()


@test("a Service's port that got another number by hand is the wanted one again, and the only one")
def _(world):
    kube, before = world.cluster.kube, lines(world)
    right = ports(kube)
    kube.edit("services", "mlflow", "mlflow-minio", "/spec/ports/0/port", 4711)
    repaired(world, before, "Service mlflow/mlflow-minio", "port=4711", "kubectl-edit", "took over items of kubectl-edit")
    assert_equal(ports(kube), right)
    world.wait_active()


@test("a deleted Service comes back, and nobody is named for it")
def _(world):
    kube, before = world.cluster.kube, lines(world)
    kube.delete("services", "mlflow", "mlflow-minio")
    repaired(world, before, "Service mlflow/mlflow-minio", "deleted", "not recorded")
    if not kube.get("services", "mlflow", "mlflow-minio"):
        raise RuntimeError("drift says repaired, and there is no Service")


@test("where the API server's audit log is given, drift names the user, of deletions too", fresh=True,
      sim="the simulator keeps no audit log")
def _(world):
    world.daemon.stop()
    world.daemon.options += ["--audit-log", f"{world.cluster.name}={world.cluster.audit_log()}"]
    world.daemon.start()
    world.ctl("deploy", "minio", "store").ok()
    world.wait_active()
    kube, model = world.cluster.kube, world.cluster.model
    for damage, who in ((lambda: kube.delete("services", model, "store"), "not recorded"),
                        (lambda: kube.edit("services", model, "store", "/spec/ports/0/targetPort", 4711), "kubectl-edit")):
        before = lines(world)
        damage()
        repaired(world, before, f"Service {model}/store", who)
        number = max(lines(world))
        world.wait_for("the user", lambda n=number: "kubernetes-admin" in world.ctl("drift", "show", n).out)
        world.ctl("drift", "show", number).ok().says("User", "kubernetes-admin, by the audit log of the API server")
    if not json.loads(world.ctl("drift", "--who", "kubernetes-admin", "--format", "json").ok().out)["drift"]:
        raise RuntimeError("drift --who finds no line by its user")


@test("a label that was taken away comes back")
def _(world):
    kube, before = world.cluster.kube, lines(world)
    label = "app.kubernetes.io/managed-by"
    kube.merge("configmaps", "mlflow", "mlflow-mysql-config", {"metadata": {"labels": {label: None}}})
    repaired(world, before, "ConfigMap mlflow/mlflow-mysql-config")
    assert_equal(kube.get("configmaps", "mlflow", "mlflow-mysql-config")["metadata"]["labels"].get(label), "mooring")


@test("a deleted Deployment comes back and runs again")
def _(world):
    before = lines(world)
    world.cluster.kube.delete("deployments", "mlflow", "mlflow-server")
    repaired(world, before, "Deployment.apps mlflow/mlflow-server", "deleted")
    world.wait_active()


@test("drift is filtered by application, kind, writer and time, and counted")
def _(world):
    kube, before = world.cluster.kube, lines(world)
    kube.edit("deployments", "mlflow", "mlflow-server", IMAGE, "docker.io/library/busybox:9")
    text = repaired(world, before, "busybox:9")
    for part in ("- ", "+ docker.io/library/busybox:9", "(by kubectl-edit)"):
        if part not in text:
            raise RuntimeError(f"drift show does not say {part!r}: {text}")
    mine = ["drift", "--app", "mlflow-server", "--kind", "deployment", "--who", "kubectl-edit", "--since", "1h", "--format", "json"]
    found = json.loads(world.ctl(*mine).ok().out)["drift"]
    if not found or any(l["who"] != "kubectl-edit" or l["type"] != "Deployment.apps" or l["application"] != "mlflow-server" for l in found):
        raise RuntimeError(f"the filter gives {found}")
    assert_equal(json.loads(world.ctl("drift", "--who", "nobody", "--format", "json").ok().out)["drift"], [])
    world.ctl("drift", "--kind", "Foo").refused("nothing of kind Foo drifted, and no object has it", code=1)
    stats = json.loads(world.ctl("drift", "stats", "--app", "mlflow-server", "--format", "json").ok().out)["stats"]
    if not any(s["type"] == "Deployment.apps" and s["who"] == "kubectl-edit" and s["repaired"] >= 1 for s in stats):
        raise RuntimeError(f"drift stats gives {stats}")
    world.ctl("drift", "stats").ok().says("kubectl-edit", "Slowest")
    world.wait_active()


@test("a Secret that was overwritten is put back, and no value of it is shown")
def _(world):
    kube, before = world.cluster.kube, lines(world)
    right = kube.get("secrets", "mlflow", "mlflow-mysql-root")["data"]
    kube.merge("secrets", "mlflow", "mlflow-mysql-root", {"data": {"root-password": "d3Jvbmctd3Jvbmc="}})
    text = repaired(world, before, "Secret mlflow/mlflow-mysql-root")
    for word in ("d3Jvbmctd3Jvbmc", "wrong-wrong", right["root-password"]):
        if word in text:
            raise RuntimeError(f"drift shows {word}")
    assert_equal(kube.get("secrets", "mlflow", "mlflow-mysql-root")["data"], right)
    world.wait_active()


@test("fields that others add are left alone")
def _(world):
    kube, before = world.cluster.kube, lines(world)
    kube.merge("services", "mlflow", "mlflow-server", {"metadata": {"annotations": {"example.org/note": "mine"}}})
    kube.delete("services", "mlflow", "mlflow-minio")           # what is put right comes after what was seen before it
    repaired(world, before, "Service mlflow/mlflow-minio")
    assert_equal(kube.get("services", "mlflow", "mlflow-server")["metadata"]["annotations"].get("example.org/note"), "mine")
    assert_equal([line for number, line in lines(world).items() if number not in before and "mlflow-server" in json.dumps(line)], [])
    kube.merge("services", "mlflow", "mlflow-server", {"metadata": {"annotations": {"example.org/note": None}}})


@test("while paused nothing is written outside, and unpause puts right what was found meanwhile")
def _(world):
    kube, before = world.cluster.kube, lines(world)
    world.ctl("pause", "mlflow-server", "--reason", "a look at the disk").ok()
    kube.delete("services", "mlflow", "mlflow-server")
    world.wait_for("the open line", lambda: any(n not in before for n in lines(world)))
    world.wait_status("mlflow-server", "waiting", "a look at the disk")
    world.ctl("plan", "--exit-code").refused(code=9).says("Service mlflow/mlflow-server")
    kube.delete("services", "mlflow", "mlflow-minio")           # others are not paused
    repaired(world, before, "Service mlflow/mlflow-minio")
    if kube.get("services", "mlflow", "mlflow-server"):
        raise RuntimeError("the Service of a paused application was made")
    world.ctl("unpause", "mlflow-server").ok()
    repaired(world, before, "Service mlflow/mlflow-server", "deleted")
    world.wait_active()
    world.ctl("plan", "--exit-code").ok()


def containers(kube):
    spec = kube.get("deployments", "mlflow", "mlflow-server")["spec"]["template"]["spec"]
    return [(c["name"], c["image"]) for c in spec["containers"]]


def ports(kube):
    return sorted((p["name"], p["port"]) for p in kube.get("services", "mlflow", "mlflow-minio")["spec"]["ports"])


def assert_equal(found, wanted):
    if found != wanted:
        raise RuntimeError(f"is {found!r}, wanted {wanted!r}")


if __name__ == "__main__":
    main()
