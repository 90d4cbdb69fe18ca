#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Ways in which data was lost, or taken for lost: each of them by the commands and the mishaps that lead there."""
import json
from types import SimpleNamespace

from lib.runner import main, test
from lib.sim import Sim
from lib.world import Trouble

CLAIM = "data-mlflow-mysql-0"
CLAIMS = "persistentvolumeclaims"
# As large as the charm wants it: a claim that no pod has bound yet cannot be enlarged.
SPEC = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}


def uid(world, name=CLAIM):
    found = world.cluster.kube.get(CLAIMS, world.cluster.model, name)
    return found["metadata"]["uid"] if found else None


def remove(world, app, *words):
    world.ctl("remove-application", app, *words).ok()
    world.wait_for(f"{app} to be gone", lambda: app not in world.apps())


def deploy_mysql(world, *words):
    world.ctl("deploy", "mysql-k8s", "mlflow-mysql", "--channel", "8.0/stable", *words).ok()


def detached(world):
    """A MySQL that ran, was removed, and left its claim; the claim's uid."""
    deploy_mysql(world)
    world.wait_status("mlflow-mysql", "active")
    before = uid(world)
    remove(world, "mlflow-mysql")
    return before


@test("storage that was attached and never written to is kept when its application is removed again", fresh=True)
def _(world):
    before = detached(world)
    world.ctl("pause", "--reason", "nothing is written meanwhile").ok()
    deploy_mysql(world, "--attach-storage")
    world.ctl("remove-application", "mlflow-mysql").ok()
    world.ctl("unpause").ok()
    world.wait_for("mlflow-mysql to be gone", lambda: "mlflow-mysql" not in world.apps())
    if uid(world) != before:
        raise Trouble("the claim went with an application that had never used it")
    world.ctl("storage").ok().says(CLAIM, "detached")
    deploy_mysql(world, "--attach-storage")
    world.wait_status("mlflow-mysql", "active")
    if uid(world) != before:
        raise Trouble("attach-storage did not use the claim that was there")


@test("a claim that was deleted while it was detached is lost, and not begun again", fresh=True)
def _(world):
    detached(world)
    world.cluster.kube.delete(CLAIMS, world.cluster.model, CLAIM)
    world.wait_for("the claim to go", lambda: not uid(world))
    deploy_mysql(world, "--attach-storage")
    world.wait_status("mlflow-mysql", "blocked", CLAIM, "accept-data-loss")
    if uid(world):
        raise Trouble("the claim was made again without consent")
    world.ctl("accept-data-loss", "mlflow-mysql").ok()
    world.wait_status("mlflow-mysql", "active")


@test("kept storage is watched: gone it is lost in storage, drift, plan and doctor, and not told to be kept", fresh=True)
def _(world):
    detached(world)
    world.cluster.kube.delete(CLAIMS, world.cluster.model, CLAIM)
    world.wait_for("the loss to be seen", lambda: "is gone, and held data since" in world.ctl("storage").ok().out)
    world.ctl("storage").ok().says(CLAIM, "lost")
    world.wait_for("its line of drift", lambda: "data lost" in world.ctl("drift").ok().out)
    world.ctl("plan").refused(CLAIM, "is gone, and held data since", code=4)
    world.ctl("doctor").refused("data-lost", CLAIM)
    world.ctl("destroy-storage", "mlflow-mysql", "--dry-run").ok().says("forget", CLAIM, "lost already")
    world.ctl("remove-model", world.cluster.model, "--no-prompt").ok()
    world.wait_for("the model to say so", lambda: "its storage is kept, 1 of it lost" in world.ctl("models").ok().out)


@test("a claim that was restored without our labels is found, and accepted as it is", fresh=True)
def _(world):
    deploy_mysql(world)
    world.wait_status("mlflow-mysql", "active")
    kube = world.cluster.kube
    kube.delete("statefulsets", world.cluster.model, "mlflow-mysql")
    kube.delete(CLAIMS, world.cluster.model, CLAIM)
    world.wait_status("mlflow-mysql", "blocked", CLAIM, "is gone, and held data since")
    kube.create(CLAIMS, world.cluster.model,
                {"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": CLAIM}, "spec": SPEC})
    restored = uid(world)
    world.wait_status("mlflow-mysql", "blocked", "another one of that name is there since", restored, "deletes nothing")
    world.ctl("storage").ok().says("lost", restored, "takes it as it is, deletes nothing")
    world.wait_for("the command to know", lambda: restored in world.ctl("accept-data-loss", "mlflow-mysql", "--dry-run").ok().out)
    world.ctl("accept-data-loss", "mlflow-mysql", "--dry-run").ok().says("as it is", "nothing is deleted")
    world.ctl("accept-data-loss", "mlflow-mysql").ok()
    world.wait_status("mlflow-mysql", "active")
    if uid(world) != restored:
        raise Trouble("the restored claim was not taken as it is")


def errors(world):
    return {f["id"]: f for f in json.loads(world.ctl("doctor", "--format", "json").out)["findings"] if f["severity"] == "error"}


@test("a claim that is deleted under a running server is an error with the way out; on its kept volume, or empty, the application goes on", fresh=True,
      real="pods of the peers end when their helper says so")
def _(world):
    kube, model = world.cluster.kube, world.cluster.model
    deploy_mysql(world)
    world.wait_status("mlflow-mysql", "active")
    for kept in (False, True):
        volume = kube.get(CLAIMS, model, CLAIM)["spec"]["volumeName"]
        kube.delete(CLAIMS, model, CLAIM)
        world.wait_status("mlflow-mysql", "blocked", "it is being deleted, waiting for finalizer kubernetes.io/pvc-protection, since", "Retain")
        found = errors(world)["data-leaving"]
        if volume not in found["next"] or "Retain" not in found["next"] or not found["since"]:
            raise Trouble(f"no way to keep the volume: {found}")
        world.ctl("why", "mlflow-mysql").ok().says("what to do", "make a backup now", "MooringDataLost.md")
        if kept:
            kube.edit("persistentvolumes", "", volume, "/spec/persistentVolumeReclaimPolicy", "Retain")
            if "stays" not in errors(world)["data-leaving"]["text"]:
                raise Trouble(f"the volume is kept, and doctor says {errors(world)}")
        kube.delete("pods", model, "mlflow-mysql-0")
        world.wait_status("mlflow-mysql", "blocked", CLAIM, "is gone, and held data since")
        world.ctl("why", "mlflow-mysql").ok().says("what to do", "accept-data-loss mlflow-mysql", "MooringDataLost.md")
        if (f"{volume} is still there" in errors(world)["data-lost"]["text"]) != kept:
            raise Trouble(f"of the volume doctor says {errors(world)}")
        if kept:
            kube.create(CLAIMS, model, {"metadata": {"name": CLAIM}, "spec": SPEC | {"volumeName": volume}})
            world.wait_status("mlflow-mysql", "blocked", "another one of that name is there since", uid(world))
        world.ctl("accept-data-loss", "mlflow-mysql").ok()
        world.wait_status("mlflow-mysql", "active")
        if (kube.get(CLAIMS, model, CLAIM)["spec"]["volumeName"] == volume) != kept:
            raise Trouble("another volume is used than was meant")


@test("another claim under the name of a detached one is not taken for it", fresh=True)
def _(world):
    detached(world)
    kube = world.cluster.kube
    body = {key: value for key, value in kube.get(CLAIMS, world.cluster.model, CLAIM).items() if key in ("apiVersion", "kind", "spec")}
    body["metadata"] = {"name": CLAIM}
    body["spec"].pop("volumeName", None)
    kube.delete(CLAIMS, world.cluster.model, CLAIM)
    world.wait_for("the claim to go", lambda: not uid(world))
    kube.create(CLAIMS, world.cluster.model, body)
    deploy_mysql(world, "--attach-storage")
    world.wait_status("mlflow-mysql", "blocked", CLAIM, "accept-data-loss")
    if "mooring.dev/application" in kube.get(CLAIMS, world.cluster.model, CLAIM)["metadata"].get("labels", {}):
        raise Trouble("it was written to")


@test("a paused model destroys no storage until it goes on", fresh=True)
def _(world):
    before = detached(world)
    world.ctl("pause", "--reason", "nothing is written meanwhile").ok()
    world.ctl("destroy-storage", "mlflow-mysql").ok()
    world.daemon.stop()
    world.daemon.start()
    world.wait_for("the pause to hold it", lambda: "paused" in world.ctl("plan").out)
    if uid(world) != before:
        raise Trouble("the claim was deleted while the model was paused")
    world.ctl("unpause").ok()
    world.wait_for("the claim to go", lambda: not uid(world))


@test("a claim that lost its label while nobody watched is not taken for lost", fresh=True)
def _(world):
    deploy_mysql(world)
    world.wait_status("mlflow-mysql", "active")
    before = uid(world)
    world.daemon.stop()
    label = "app.kubernetes.io/managed-by"
    world.cluster.kube.merge(CLAIMS, world.cluster.model, CLAIM, {"metadata": {"labels": {label: None}}})
    world.daemon.start()
    world.wait_for("the label to come back",
                   lambda: world.cluster.kube.get(CLAIMS, world.cluster.model, CLAIM)["metadata"]["labels"].get(label) == "mooring")
    world.wait_status("mlflow-mysql", "active")
    if uid(world) != before or "lost" in world.daemon.log.read_text():
        raise Trouble("an intact claim was called lost")


@test("an adopted claim outlives all that is done to its application", fresh=True)
def _(world):
    kube = world.cluster.kube
    world.wait_for("the namespace", lambda: kube.get("namespaces", "", world.cluster.model))
    kube.create(CLAIMS, world.cluster.model, {"metadata": {"name": CLAIM}, "spec": SPEC})
    deploy_mysql(world)
    world.wait_status("mlflow-mysql", "blocked", "adopt mlflow-mysql persistentvolumeclaim/" + CLAIM)
    world.adopt("mlflow-mysql", "persistentvolumeclaim/" + CLAIM)
    world.wait_status("mlflow-mysql", "active")
    before = uid(world)
    remove(world, "mlflow-mysql")
    deploy_mysql(world, "--attach-storage")
    world.wait_status("mlflow-mysql", "active")
    remove(world, "mlflow-mysql", "--destroy-storage")
    world.ctl("leftovers").ok().says(CLAIM, "adopted")
    if uid(world) != before:
        raise Trouble("an adopted claim was deleted")


@test("destroy-storage forgets what was adopted, and lists it as left over", fresh=True)
def _(world):
    kube = world.cluster.kube
    world.wait_for("the namespace", lambda: kube.get("namespaces", "", world.cluster.model))
    kube.create(CLAIMS, world.cluster.model, {"metadata": {"name": CLAIM}, "spec": SPEC})
    deploy_mysql(world)
    world.wait_status("mlflow-mysql", "blocked", "adopt")
    world.adopt("mlflow-mysql", "persistentvolumeclaim/" + CLAIM)
    world.wait_status("mlflow-mysql", "active")
    before = uid(world)
    remove(world, "mlflow-mysql")
    if "left in place" not in world.ctl("destroy-storage", "mlflow-mysql").ok().err:
        raise Trouble("destroy-storage does not say that the claim stays")
    world.ctl("leftovers").ok().says(CLAIM, "adopted")
    if uid(world) != before:
        raise Trouble("an adopted claim was deleted")


def with_charms(world, *names):
    world.daemon.test_charms = names
    world.daemon.start()
    world.cluster.make_known(world)


def configmaps(cluster, model):
    return [item["metadata"]["name"] for item in cluster.kube.list("configmaps", model) if item["metadata"]["name"].startswith("bulk-")]


@test("a plan without anything, of a charm that had something, is held", fresh="bare")
def _(world):
    with_charms(world, "bulk")
    world.ctl("deploy", "bulk", "--config", "count=2").ok()
    world.wait_status("bulk", "active")
    world.ctl("config", "bulk", "count=0").ok()
    world.wait_status("bulk", "blocked", "deletes 2 of 2", "mooringctl apply")
    plan = world.apps()["bulk"][1].split("mooringctl apply ", 1)[1].split()[0]
    world.ctl("apply", plan, "--dry-run").ok().says("would apply the plan", *(
        f"would delete ConfigMap {world.cluster.model}/{name}" for name in configmaps(world.cluster, world.cluster.model)))
    if len(configmaps(world.cluster, world.cluster.model)) != 2:
        raise Trouble("an empty plan deleted what was there")
    world.ctl("apply", plan).ok()
    world.wait_for("both to go", lambda: not configmaps(world.cluster, world.cluster.model))


@test("the namespace of a model is nobody's want", fresh="bare")
def _(world):
    with_charms(world, "upstream")
    world.ctl("add-model", "second", "--cluster", world.cluster.name).ok()
    world.wait_for("its namespace", lambda: world.cluster.kube.get("namespaces", "", "second"))
    before = world.cluster.kube.get("namespaces", "", "second")["metadata"]["labels"]
    manifest = world.file("manifest.yaml", "apiVersion: v1\nkind: Namespace\nmetadata:\n  name: second\n")
    world.ctl("deploy", "upstream").ok()
    world.ctl("attach-resource", "upstream", f"manifest={manifest}").ok()
    world.wait_status("upstream", "blocked", "Namespace second", "owned by model second")
    world.ctl("remove-application", "upstream").ok()
    world.wait_for("upstream to be gone", lambda: "upstream" not in world.apps())
    found = world.cluster.kube.get("namespaces", "", "second")
    if not found or found["metadata"]["labels"] != before:
        raise Trouble("an application took over the namespace of a model")


def other_cluster(world):
    """A second one, without anything in it."""
    folder = world.folder / "other"
    (folder / "log").mkdir(parents=True)
    other = Sim(SimpleNamespace(programs=world.programs, folder=folder))
    other.serve()
    return other


@test("another cluster under the old name is neither written to nor believed until rebind-cluster accepts it", fresh="bare",
      real="the peers have one cluster")
def _(world):
    with_charms(world, "bulk")
    for app in ("bulk", "bulk-b"):
        world.ctl("deploy", "bulk", app, "--config", "count=2").ok()
        world.wait_status(app, "active")
    other = other_cluster(world)
    before = other.writes()
    try:
        world.ctl("update-cluster", "sim", "--kubeconfig", other.kubeconfig).ok()
        world.wait_status("bulk", "blocked", "another outside", "rebind-cluster sim")
        world.ctl("remove-application", "bulk-b").ok()
        world.wait_for("the removal to be held", lambda: "another outside" in world.ctl("plan").out)
        if other.writes() != before:
            raise Trouble("something was written to another cluster")
        world.ctl("update-cluster", "sim", "--kubeconfig", world.cluster.kubeconfig).ok()
        world.wait_for("bulk-b to be gone", lambda: "bulk-b" not in world.apps())
        world.wait_status("bulk", "active")
        if len(configmaps(world.cluster, world.cluster.model)) != 2 or world.ctl("drift").out.count("deleted"):
            raise Trouble("what the other cluster does not have was believed to be gone")
        world.ctl("update-cluster", "sim", "--kubeconfig", other.kubeconfig).ok()
        world.wait_status("bulk", "blocked", "another outside")
        world.ctl("rebind-cluster", "sim").ok()
        world.wait_status("bulk", "active")
        if len(configmaps(other, world.cluster.model)) != 2:
            raise Trouble("the accepted cluster has nothing in it")
        world.daemon.stop()
        world.daemon.start()
        world.ctl("update-cluster", "sim", "--kubeconfig", world.cluster.kubeconfig).ok()
        world.wait_status("bulk", "blocked", "another outside")
    finally:
        other.stop()


if __name__ == "__main__":
    main()
