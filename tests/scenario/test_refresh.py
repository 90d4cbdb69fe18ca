#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Refreshes in stages: canary, gate, rest; what pauses them; resume, rollback, all of them."""
import json
from contextlib import contextmanager

from lib.operations import kill
from lib.runner import main, test
from lib.world import Trouble

SERVER = "mlflow-server"
GOOD = "docker.io/charmedkubeflow/mlflow:2.22.0-next"
BAD = "docker.io/charmedkubeflow/mysql:not-mlflow"      # has no program "mlflow"


def equal(found, wanted, what):
    if found != wanted:
        raise Trouble(f"{what}: {found!r}, wanted {wanted!r}")


def restart(world, *more):
    usual = [o for o in world.daemon.options if not o.startswith("--refresh-")]
    world.daemon.stop()
    world.daemon.options = [*usual, *more]
    world.daemon.start()


@contextmanager
def gate(world, period):
    """The daemon with this refresh-gate-period; without one after."""
    usual = list(world.daemon.options)
    restart(world, f"--refresh-gate-period={period}")
    try:
        yield
    finally:
        restart(world, *[o for o in usual if o.startswith("--refresh-")])


def pods(world, prefix):
    """Name → (image, ready) of the pods that are not leaving."""
    found = {}
    for pod in world.cluster.kube.list("pods", world.cluster.model):
        name, meta = pod["metadata"]["name"], pod["metadata"]
        if name.startswith(prefix) and "deletionTimestamp" not in meta:
            ready = any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", []))
            found[name] = (pod["spec"]["containers"][0]["image"], ready)
    return found


def images(world, prefix, ready=True):
    return sorted(image for image, is_ready in pods(world, prefix).values() if is_ready or not ready)


def deployment(world, name):
    return world.cluster.kube.get("deployments", world.cluster.model, name)["spec"]


def stage(world, app):
    return json.loads(world.ctl("show-application", app, "--format", "json").ok().out)[app].get("refresh", {})


@test("a refresh with another image brings one pod first, and the others when that was well")
def _(world):
    world.ctl("scale-application", SERVER, "3").ok()
    world.wait_active()
    old = images(world, SERVER)[0]
    usual = deployment(world, SERVER)
    with gate(world, "1h"):
        world.ctl("refresh", SERVER, "--resource", f"oci-image={GOOD}", "--dry-run").ok().says(
            f"would use {GOOD}", "would change Deployment.apps", old)
        world.ctl("refresh", SERVER, "--resource", f"oci-image={GOOD}").ok()
        world.wait_status(SERVER, "maintenance", "the canary is well")
        equal(images(world, SERVER), sorted([old] * 3 + [GOOD]), "pods in the canary")
        equal(stage(world, SERVER)["stage"], "canary", "stage")
        world.ctl("refresh", SERVER).refused("under way", code=1)
        before = len(world.ctl("drift").ok().out)
        world.cluster.kube.edit("deployments", world.cluster.model, SERVER, "/spec/minReadySeconds", 0)
        world.wait_for("the hold to be put back", lambda: deployment(world, SERVER).get("minReadySeconds", 0) > 1000000)
        world.wait_for("its line", lambda: len(world.ctl("drift").ok().out) > before)
        world.wait_status(SERVER, "maintenance", "the canary is well")
    world.wait_active()
    equal(images(world, SERVER), [GOOD] * 3, "pods in the end")
    equal(stage(world, SERVER)["stage"], "done", "stage")
    now = deployment(world, SERVER)
    equal({k: now.get(k) for k in ("strategy", "minReadySeconds", "progressDeadlineSeconds", "paused")},
          {k: usual.get(k) for k in ("strategy", "minReadySeconds", "progressDeadlineSeconds", "paused")}, "what was held")
    world.ctl("audit", "--what", "refresh").ok().says("refresh")
    world.ctl("rollback", SERVER, "--wait", "5m").ok()
    world.wait_active()
    equal(images(world, SERVER), [old] * 3, "pods after the way back")
    world.ctl("rollback", SERVER).refused("rolled back already", code=1)
    world.ctl("resume", SERVER).refused("is over", code=1)


@test("a bad image pauses at the canary and says why, the other pods serve, and rollback brings the old state back")
def _(world):
    world.ctl("scale-application", SERVER, "3").ok()
    world.wait_active()
    old = images(world, SERVER)[0]
    if not world.cluster.real:
        world.cluster.ctl("fail-pods", f"image={BAD}", "ImagePullBackOff")
    world.ctl("refresh", SERVER, "--resource", f"oci-image={BAD}", "--wait", "5m").refused("paused", "unit mlflow-server/", code=3)
    world.wait_status(SERVER, "blocked", "is paused in its canary", "mooringctl resume")
    equal(images(world, SERVER), [old] * 3, "pods that serve")
    world.ctl("why", SERVER).ok().says("is paused in its canary")
    world.ctl("doctor").refused("refresh-paused", SERVER)
    world.ctl("refresh", SERVER).refused("a refresh is paused", code=1)
    world.ctl("audit", "--app", SERVER).ok().says("paused")
    if "refresh: " not in world.daemon.log.read_text():
        raise Trouble("the log says nothing of it")
    world.ctl("resume", SERVER, "--wait", "5m").refused("paused", code=3)
    equal(images(world, SERVER), [old] * 3, "pods that serve after resume")
    world.ctl("rollback", SERVER, "--wait", "5m").ok()
    world.wait_active()
    equal(images(world, SERVER, ready=False), [old] * 3, "pods in the end")
    if not world.cluster.real:
        world.cluster.ctl("clear")
    world.ctl("scale-application", SERVER, "1").ok()
    world.wait_active()


def change(world, old, new):
    """Another content of the charm staged is on offer, in whose objects OLD is NEW."""
    for name in ("set.yaml", "web.yaml"):
        file = world.daemon.charms / "staged" / "objects" / name
        file.write_text(file.read_text().replace(old, new))


@test("a rollback leaves what actions have set since, and waits for an action that runs", fresh=True)
def _(world):
    def count():
        return json.loads(world.ctl("config", "acting", "--format", "json").ok().out)["settings"]["count"]["value"]

    def running():
        found = json.loads(world.ctl("operations", "--status", "running", "--format", "json").ok().out)["operations"]
        return [o["id"] for o in found]
    world.ctl("deploy", "acting", "--config", "count=2").ok()
    world.wait_active()
    file = world.daemon.charms / "acting" / "objects" / "configmap.yaml"
    file.write_text(file.read_text() + "# another content\n")
    world.ctl("refresh", "acting", "--wait", "2m").ok()
    world.ctl("run", "acting", "resize", "count=5", "--wait", "1m").ok()
    world.ctl("run", "acting", "wait", "seconds=3600", "--background").ok()
    world.wait_for("it to run", running)
    for command in ("refresh", "rollback"):
        world.ctl(command, "acting").refused("its action wait runs", "cancel-task", code=1)
    world.ctl("cancel-task", str(running()[0])).ok()
    world.wait_for("it to end", lambda: not running())
    world.ctl("rollback", "acting", "--wait", "2m").ok()
    equal(count(), 5, "what an action set, after the way back")


@test("of a StatefulSet the highest ordinal is the canary, and what a rollback cannot bring back is said before it", fresh=True)
def _(world):
    kube, model = world.cluster.kube, world.cluster.model

    def colours():
        found = {pod["metadata"]["name"]: pod["metadata"]["annotations"]["example.org/colour"]
                 for pod in kube.list("pods", model) if pod["metadata"]["name"] in ("staged-0", "staged-1", "staged-2")}
        return [found.get(f"staged-{i}") for i in range(3)]

    def partition():
        return kube.get("statefulsets", model, "staged")["spec"]["updateStrategy"].get("rollingUpdate", {}).get("partition", 0)
    world.ctl("deploy", "staged").ok()
    world.wait_active()
    change(world, "example.org/colour: ${config.colour}", "example.org/colour: blue")
    said = world.ctl("refresh", "staged", "--dry-run").ok()
    if "the format of its files (data is lost)" not in said.err or "revision 9" in said.err:
        raise Trouble(f"a dry run says of the way back: {said.err}")
    with gate(world, "1h"):
        world.ctl("refresh", "staged").ok()
        world.wait_status("staged", "maintenance", "the canary is well")
        equal((colours(), partition()), (["red", "red", "blue"], 2), "pods in the canary")
        kube.merge("statefulsets", model, "staged", {"spec": {"updateStrategy": {"rollingUpdate": {"partition": 0}}}})
        world.wait_for("the partition to be put back", lambda: partition() == 2)
        world.ctl("freeze", "staged", "--reason", "month-end").ok()
        world.ctl("rollback", "staged", "--accept-data-loss").refused("month-end", code=1)
    world.wait_status("staged", "maintenance", "frozen by")
    equal(colours()[0], "red", "a pod of the rest under a freeze")
    world.ctl("unfreeze", "staged").ok()
    world.wait_active()
    equal((colours(), partition()), (["blue"] * 3, 0), "pods in the end")
    world.ctl("rollback", "staged", "--wait", "2m").refused("--accept-data-loss", code=1)
    equal(colours(), ["blue"] * 3, "pods after a refusal")
    world.ctl("rollback", "staged", "--accept-data-loss", "--wait", "2m").ok()
    world.wait_active()
    equal(colours(), ["red"] * 3, "pods after the way back")
    world.wait_status("staged", "active", "upgrade available")
    world.ctl("refresh", "staged", "--path", world.daemon.charms / "minio").refused("the application's is staged", code=1)
    own = world.folder / "own"
    (world.daemon.charms / "staged").rename(own)
    own.chmod(0o777)
    world.ctl("refresh", "staged", "--path", own).refused("others can write to", code=1)
    own.chmod(0o755)
    world.ctl("refresh", "staged", "--path", own, "--wait", "2m").ok()
    world.wait_active()
    equal(colours(), ["blue"] * 3, "pods of the charm of a folder")


@test("what the charm's own check says of the canary decides, and a failed one pauses", fresh=True)
def _(world):
    world.ctl("deploy", "staged", "--config", "sound=false").ok()
    world.wait_active()
    world.ctl("refresh", "staged", "--resource", "image=registry.example/pause:2", "--wait", "2m").refused(
        "its check verify", "the canary answers with nonsense", code=3)
    equal(sorted(image for image, _ in pods(world, "staged").values()), ["registry.example/pause:1"] * 5 + ["registry.example/pause:2"] * 2, "pods")
    world.ctl("config", "staged", "sound=true").ok()
    world.ctl("resume", "staged", "--wait", "2m").ok()
    world.wait_active()
    equal(images(world, "staged"), ["registry.example/pause:2"] * 6, "pods in the end")
    world.ctl("operations").ok().says("failed", "completed", "verify")
    world.ctl("rollback", "staged", "--accept-data-loss", "--wait", "2m").ok()
    equal(images(world, "staged"), ["registry.example/pause:1"] * 6, "pods after the way back")
    world.ctl("config", "staged").ok().says("false")        # as it was before the refresh


def tells(said, part):
    """Beside its output: what people read."""
    if part not in said.err:
        raise Trouble(f"it does not say {part!r}: {said.err}")


def three(world):
    """web needs store and db; another content of each charm is on offer."""
    for words in (("minio", "store"), ("mysql-k8s", "db"), ("mlflow-server", "web")):
        world.ctl("deploy", *words).ok()
    world.ctl("integrate", "web:object-storage", "store:object-storage").ok()
    world.ctl("integrate", "web:relational-db", "db:database").ok()
    world.wait_active()
    tells(world.ctl("refresh", "--all").ok(), "nothing to change")
    for name in ("minio", "mysql-k8s", "mlflow-server"):
        file = next(f for f in (world.daemon.charms / name / "objects").glob("*.yaml") if f.name in ("statefulset.yaml", "deployment.yaml"))
        file.write_text(file.read_text().replace("      annotations:\n", "      annotations:\n        example.org/new: there\n", 1))
    world.wait_status("web", "active", "upgrade available")


def order(world):
    shown = json.loads(world.ctl("show-refresh", "--format", "json").ok().out)
    return {a["application"]: a["state"] for a in shown["applications"]}


def renewed(world):
    """The applications whose pods are of the other content."""
    return sorted({pod["metadata"]["name"].split("-")[0] for pod in world.cluster.kube.list("pods", world.cluster.model)
                   if "deletionTimestamp" not in pod["metadata"] and "example.org/new" in pod["metadata"].get("annotations", {})})


@test("refresh --all goes from who provides to who requires, also over kill -9, waits with the first that pauses, and goes back the other way",
      fresh=True, real="the order is the same, and takes minutes there")
def _(world):
    world.ctl("show-refresh").refused("no refresh --all was ordered", code=1)
    three(world)
    said = world.ctl("refresh", "--all", "--dry-run").ok()
    equal([line.split(" for ")[-1] for line in said.out.splitlines() if "use charm" in line], ["db", "store", "web"], "order")
    world.ctl("freeze", "web", "--reason", "month-end").ok()
    world.ctl("refresh", "--all").refused("web is frozen", "month-end", code=1)
    world.ctl("unfreeze", "web").ok()
    equal(renewed(world), [], "refreshed after a refusal")
    with gate(world, "1h"):
        world.ctl("refresh", "--all").ok()
        world.wait_status("db", "maintenance", "the canary is well")
        equal(order(world), {"db": "going", "store": "waiting", "web": "waiting"}, "the order")
        world.ctl("refresh", "--all").refused("a refresh --all is under way", code=1)
        world.ctl("status").ok().says("refresh --all: 0 of 3 are over, at db")
        equal(renewed(world), ["db"], "refreshed")
        world.cluster.ctl("fail-pods", "web-*", "CrashLoopBackOff")
        world.wait_for("web to fail", lambda: not any(ready for _, ready in pods(world, "web-").values()))
        kill(world)
        world.daemon.options = [o for o in world.daemon.options if not o.startswith("--refresh-gate-period")] + ["--refresh-gate-period=0s"]
        world.daemon.start()
        world.wait_for("web's turn", lambda: order(world)["web"] == "going")
        equal(order(world), {"db": "done", "store": "done", "web": "going"}, "the order")
        world.wait_status("web", "blocked", "is paused in its canary")
    world.ctl("status").ok().says("at web, waits for a person")
    world.ctl("audit", "--what", "refresh").ok().says("refresh --all")
    world.cluster.ctl("clear")
    world.ctl("resume", "--all", "--wait", "2m").ok()
    equal((order(world), renewed(world)), ({"db": "done", "store": "done", "web": "done"}, ["db", "store", "web"]), "in the end")
    said = world.ctl("rollback", "--all", "--wait", "2m").ok()
    equal([line.split()[1] for line in said.err.splitlines() if line.startswith("bring ")], ["web", "store", "db"], "the way back")
    equal((set(order(world).values()), renewed(world)), ({"rolled-back"}, []), "after it")


@test("refresh --all waits for the action of an application whose turn it is, also over kill -9, and begins it when that ends", fresh=True,
      real="rows only")
def _(world):
    def running():
        found = json.loads(world.ctl("operations", "--status", "running", "--format", "json").ok().out)["operations"]
        return [o["id"] for o in found]
    world.ctl("deploy", "staged").ok()
    world.ctl("deploy", "acting", "zed").ok()
    world.wait_active()
    for name in ("staged/objects/set.yaml", "acting/objects/configmap.yaml"):
        file = world.daemon.charms / name
        file.write_text(file.read_text() + "# another content\n")
    for name in ("staged", "zed"):
        world.wait_status(name, "active", "upgrade available")
    with gate(world, "1h"):
        world.ctl("refresh", "--all").ok()
        world.wait_status("staged", "maintenance", "the canary is well")
        equal(order(world), {"staged": "going", "zed": "waiting"}, "the order")
        world.ctl("run", "zed", "wait", "seconds=3600", "--background").ok()
        world.wait_for("it to run", running)
    world.wait_for("staged's end", lambda: order(world)["staged"] == "done")
    equal(order(world), {"staged": "done", "zed": "waiting"}, "the order while the action runs")
    tells(world.ctl("show-refresh").ok(), "waits: application zed: its action wait runs")
    world.ctl("status").ok().says("refresh --all: 1 of 2 are over, waits: application zed")
    kill(world)
    world.daemon.start()
    world.wait_for("it to run", running)
    equal(order(world), {"staged": "done", "zed": "waiting"}, "the order after kill -9")
    tells(world.ctl("resume", "--all").ok(), "begins by itself when this is over: application zed: its action wait runs")
    world.ctl("cancel-task", str(running()[0])).ok()
    world.wait_for("its end", lambda: order(world) == {"staged": "done", "zed": "done"})
    tells(world.ctl("show-refresh").ok(), "done, ordered by")


@test("cancel-refresh ends an order after what is under way, and what is brought back by hand stops it", fresh=True,
      real="rows only")
def _(world):
    three(world)
    with gate(world, "1h"):
        world.ctl("refresh", "--all").ok()
        world.wait_status("db", "maintenance", "the canary is well")
        world.ctl("rollback", "db", "--wait", "1m").ok()
        tells(world.ctl("show-refresh").ok(), "db was brought back by a person")
        world.ctl("resume", "--all").ok()
        world.wait_status("store", "maintenance", "the canary is well")
        tells(world.ctl("cancel-refresh").ok(), "none of the 1 applications")
        world.ctl("resume", "--all").refused("is over: cancelled", code=1)
        equal(order(world), {"db": "rolled-back", "store": "going", "web": "cancelled"}, "the order")
    world.wait_active()
    equal(renewed(world), ["store"], "refreshed")


if __name__ == "__main__":
    main()
