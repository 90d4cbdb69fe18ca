#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Rules say what is done about drift: told only, left alone, repaired later, or left to another writer."""
import contextlib
import json

from lib.drift import lines, repaired
from lib.runner import main, test

SERVER = "deployment/mlflow-server"
IMAGE = "/spec/template/spec/containers/0/image"


def image(kube):
    return kube.get("deployments", "mlflow", "mlflow-server")["spec"]["template"]["spec"]["containers"][0]["image"]


def labels(kube, name):
    return kube.get("configmaps", "mlflow", name)["metadata"]["labels"]


def decides(world, *what):
    return json.loads(world.ctl("drift", "policy", *what, "--format", "json").ok().out)["decides"]


def told(world, before, *parts):
    """A line that came since BEFORE and stays open."""
    return repaired(world, before, *parts, outcome="open")


def after_repair_of_another(world):
    """What is put right after this was seen after all that was changed before it."""
    before = lines(world)
    world.cluster.kube.delete("services", "mlflow", "mlflow-minio")
    repaired(world, before, "Service mlflow/mlflow-minio")


@test("mode report: a change is told and stays; other fields of the object are put right, and unset repairs it")
def _(world):
    kube, before = world.cluster.kube, lines(world)
    config = "mlflow-mysql-config"
    key = sorted(kube.get("configmaps", "mlflow", config)["data"])[0]
    right = kube.get("configmaps", "mlflow", config)["data"][key]
    world.ctl("drift", "policy", "set", "--mode", "report", "--object", f"configmap/{config}", "--field", "data",
              "--reason", "the database team edits it").ok()
    kube.merge("configmaps", "mlflow", config, {"data": {key: "other"}})
    told(world, before, f"ConfigMap mlflow/{config}", "other", "report")
    before = lines(world)
    kube.merge("configmaps", "mlflow", config, {"metadata": {"labels": {"app.kubernetes.io/managed-by": "me"}}})
    repaired(world, before, f"ConfigMap mlflow/{config}", "managed-by")
    if kube.get("configmaps", "mlflow", config)["data"][key] != "other":
        raise RuntimeError("what is only told was written by the repair of another field")
    world.ctl("why", f"configmap/{config}").ok().says("is only told", "the database team edits it")
    world.wait_for("status says so", lambda: "is only told" in world.ctl("status").out)
    world.ctl("wait", "mlflow-mysql", "--for", "drift=0", "--timeout", "1ms").refused("1 of its objects differ", code=5)
    before = lines(world)
    world.ctl("drift", "policy", "unset", "--object", f"configmap/{config}", "--field", "data").ok()
    world.wait_for("status says it no more", lambda: "is only told" not in world.ctl("status").out)
    world.wait_for("the right value", lambda: kube.get("configmaps", "mlflow", config)["data"][key] == right)
    world.ctl("wait", "mlflow-mysql", "--for", "drift=0").ok()
    if any(line["outcome"] == "open" for line in lines(world).values()):
        raise RuntimeError("wait found no drift, and a line is open")


@test("mode off: nothing is told and nothing is done, until a narrower rule says otherwise")
def _(world):
    kube, before = world.cluster.kube, lines(world)
    world.ctl("drift", "policy", "set", "--mode", "off", "--kind", "Service", "--reason", "the mesh writes them").ok()
    kube.delete("services", "mlflow", "mlflow-server")
    config = kube.get("configmaps", "mlflow", "mlflow-mysql-config")
    kube.delete("configmaps", "mlflow", "mlflow-mysql-config")          # seen after the Service
    repaired(world, before, "ConfigMap mlflow/mlflow-mysql-config", "deleted")
    world.wait_for("why says so", lambda: "mode off" in world.ctl("why", "service/mlflow-server").out)
    if kube.get("services", "mlflow", "mlflow-server") or not config:
        raise RuntimeError("a Service was made again though its kind's mode is off")
    if [line for n, line in lines(world).items() if n not in before and line["type"] == "Service"]:
        raise RuntimeError("mode off told of it")
    before = lines(world)
    world.ctl("drift", "policy", "set", "--mode", "repair", "--object", "service/mlflow-server", "--reason", "but this one").ok()
    repaired(world, before, "Service mlflow/mlflow-server", "deleted")
    assert_equal(decides(world, "service/mlflow-server")["mode"], "repair")
    assert_equal(decides(world, "service/mlflow-minio")["mode"], "off")
    world.ctl("drift", "policy", "unset", "--object", "service/mlflow-server").ok()
    world.ctl("drift", "policy", "unset", "--kind", "Service").ok()
    world.wait_active()


@test("a field that was handed over is left to its writer, also when the object is written for something else; taken over it is ours again")
def _(world):
    kube, before = world.cluster.kube, lines(world)
    right = image(kube)
    world.ctl("drift", "hand-over", SERVER, "spec.template.spec.containers[name=mlflow-server].image", "--to", "kubectl-edit",
              "--reason", "a fix is tried").ok()
    world.wait_for("that it is not ours", lambda: not owns_image(kube))     # else what we write then undoes the edits unseen
    kube.edit("deployments", "mlflow", "mlflow-server", IMAGE, "docker.io/library/busybox:1")
    kube.merge("deployments", "mlflow", "mlflow-server", {"metadata": {"labels": {"app.kubernetes.io/managed-by": "me"}}})
    repaired(world, before, "Deployment.apps mlflow/mlflow-server", "managed-by")
    assert_equal(image(kube), "docker.io/library/busybox:1")
    if any("busybox" in json.dumps(line) for n, line in lines(world).items() if n not in before):
        raise RuntimeError("what was handed over was told as drift")
    world.ctl("drift", "policy").ok().says("left to kubectl-edit", "a fix is tried")
    world.ctl("drift", "take-over", SERVER, "spec.template.spec.containers[name=mlflow-server].image").ok()
    world.wait_for("our image", lambda: image(kube) == right)
    assert_equal(json.loads(world.ctl("drift", "policy", "--format", "json").ok().out)["rules"], [])
    world.wait_active()


@test("a field that was handed over before anybody else wrote it keeps its value, and we do not own it any more")
def _(world):
    kube = world.cluster.kube
    before = kube.get("deployments", "mlflow", "mlflow-server")["spec"]["replicas"]
    world.ctl("drift", "hand-over", SERVER, "spec.replicas", "--to", "hpa", "--reason", "it scales").ok()
    world.wait_for("that it is not ours", lambda: not owns_replicas(kube))
    assert_equal(kube.get("deployments", "mlflow", "mlflow-server")["spec"]["replicas"], before)
    known = lines(world)
    kube.merge("deployments", "mlflow", "mlflow-server", {"spec": {"replicas": before + 1}})
    after_repair_of_another(world)
    assert_equal(kube.get("deployments", "mlflow", "mlflow-server")["spec"]["replicas"], before + 1)
    if [line for n, line in lines(world).items() if n not in known and "replicas" in json.dumps(line)]:
        raise RuntimeError("what was handed over was told as drift")
    world.ctl("drift", "take-over", SERVER, "spec.replicas").ok()
    world.wait_for("ours again", lambda: owns_replicas(kube))
    assert_equal(kube.get("deployments", "mlflow", "mlflow-server")["spec"]["replicas"], before)
    world.wait_active()


@test("a change of ours that goes only into a field that is left to another is said not to be written, until the field is ours again")
def _(world):
    kube, config = world.cluster.kube, "mlflow-mysql-config"

    def said(shown, *parts):
        for part in parts:
            if part not in shown.err:
                raise RuntimeError(f"{part!r} is not said:\n{shown.err}")

    said(world.ctl("drift", "hand-over", f"configmap/{config}", "data", "--to", "nobody-we-saw", "--reason", "theirs").ok(),
         "under the name nobody-we-saw so far")
    option = "experimental-max-connections"
    for more in (["--dry-run"], []):
        said(world.ctl("config", "mlflow-mysql", f"{option}=77", *more).ok(),
             f"data of ConfigMap mlflow/{config} is not written", "left to nobody-we-saw", "theirs")
    says = f"ConfigMap mlflow/{config}: what was changed last is not written: data is left to others by a rule"
    world.wait_for("status says so", lambda: says in world.ctl("status").out)
    world.daemon.kill()
    world.daemon.start()
    world.wait_for("and says so after a restart", lambda: says in world.ctl("status").out)
    if "77" in json.dumps(kube.get("configmaps", "mlflow", config)["data"]):
        raise RuntimeError("what was handed over was written")
    world.ctl("drift", "take-over", f"configmap/{config}", "data").ok()
    world.wait_for("the value", lambda: "77" in json.dumps(kube.get("configmaps", "mlflow", config)["data"]))
    world.wait_for("status says it no more", lambda: "is not written" not in world.ctl("status").out)
    world.ctl("config", "mlflow-mysql", "--reset", option).ok()
    world.wait_active()


@test("what is only told and leaves no pod running is not active, whoever wants it so")
def _(world):
    kube = world.cluster.kube
    world.ctl("drift", "policy", "set", "--mode", "report", "--object", SERVER, "--reason", "looking").ok()
    kube.merge("deployments", "mlflow", "mlflow-server", {"spec": {"replicas": 0}})
    world.wait_status("mlflow-server", "waiting", "0 of 1 units are ready", "spec.replicas was changed to 0 and is only told")
    world.ctl("wait", "mlflow-server", "--timeout", "1ms").refused(code=5)
    world.ctl("drift", "policy", "unset", "--object", SERVER).ok()
    world.wait_active()


@test("outside of its window a repair waits, says until when, and is done when the window is taken away")
def _(world):
    kube, before = world.cluster.kube, lines(world)
    right = image(kube)
    world.ctl("drift", "policy", "set", "--mode", "repair", "--app", "mlflow-server", "--window", "0 3 29 2 *", "--length", "1m",
              "--zone", "Europe/Berlin", "--reason", "only at night").ok()
    kube.edit("deployments", "mlflow", "mlflow-server", IMAGE, "docker.io/library/busybox:2")
    told(world, before, "busybox:2", "wait")
    world.ctl("why", SERVER).ok().says("waits for its repair window, next at ")
    assert_equal(image(kube), "docker.io/library/busybox:2")
    world.daemon.stop()
    world.daemon.start()                                        # the same line stands, and is not told again
    world.wait_for("why says so", lambda: "waits for its repair window" in world.ctl("why", SERVER).out)
    assert_equal(len([n for n in lines(world) if n not in before]), 1)
    world.ctl("drift", "policy", "unset", "--app", "mlflow-server").ok()
    world.wait_for("the right image", lambda: image(kube) == right)
    repaired(world, before, "busybox:2")
    world.wait_active()


@test("a rule that cannot be is refused, and says what is wrong with it")
def _(world):
    def refused(text, *how):
        world.ctl("drift", "policy", "set", *how, "--reason", "x").refused(text)
    refused("mode is off, report, repair or ignore", "--mode", "on")
    refused("ignore is for a field", "--mode", "ignore")
    refused("has not the five fields", "--mode", "repair", "--window", "0 2", "--length", "1h")
    refused("never comes", "--mode", "repair", "--window", "0 0 30 2 *", "--length", "1h")
    refused("no time zone", "--mode", "repair", "--window", "0 2 * * *", "--zone", "Europe/Nowhere", "--length", "1h")
    refused("a window needs its length", "--mode", "repair", "--window", "0 2 * * *")
    refused("mode off repairs nothing", "--mode", "off", "--window", "0 2 * * *", "--length", "1h")
    refused("is over already", "--mode", "off", "--until", "2001-01-01T00:00:00Z")
    refused("has no object", "--mode", "off", "--object", "service/nobody")
    refused("is no field", "--mode", "report", "--object", SERVER, "--field", "spec..x")
    world.ctl("drift", "policy").ok()
    for kind, known in (("Deploymnt", False), ("deployment", True)):
        done = world.ctl("drift", "policy", "set", "--mode", "off", "--kind", kind, "--reason", "x", "--dry-run").ok()
        if ("no object of model" in done.out + done.err) == known:
            raise RuntimeError(f"--kind {kind}: {done.out}{done.err}")


@test("a rule ends by itself, and the audit says that the loop ended it")
def _(world):
    world.ctl("drift", "policy", "set", "--mode", "off", "--app", "mlflow-minio", "--until", "1s", "--reason", "a moment").ok()
    world.wait_for("its end", lambda: not json.loads(world.ctl("drift", "policy", "--format", "json").ok().out)["rules"])
    world.ctl("audit", "--what", "end-policy").ok().says("end-policy")


@test("a freeze keeps the loop from writing and people from changing, says whose it is, and ends by itself with its repairs done")
def _(world):
    kube, before = world.cluster.kube, lines(world)
    world.ctl("freeze", "mlflow-server", "--until", "1h", "--reason", "month-end closing").ok()
    kube.delete("services", "mlflow", "mlflow-server")
    told(world, before, "Service mlflow/mlflow-server", "deleted")
    world.wait_status("mlflow-server", "waiting", "month-end closing")
    world.ctl("status").ok().says("frozen by", "month-end closing")
    for command in (["scale-application", "mlflow-server", "2"], ["remove-application", "mlflow-server", "--no-prompt"], ["remove-relation", "mlflow-server", "mlflow-minio"],
                    ["remove-model", "mlflow", "--no-prompt"]):
        world.ctl(*command).refused("is frozen by", "month-end closing")
    world.ctl("scale-application", "mlflow-server", "2", "--dry-run").ok()
    world.ctl("freeze", "mlflow-server", "--reason", "another").refused("frozen already by", "month-end closing")
    world.ctl("doctor").says("frozen for")
    world.wait_for("the plan to say so", lambda: "put right after the freeze" in world.ctl("plan").out)
    plan = world.ctl("plan").ok()
    if "mooringctl apply" in plan.out or "unfreeze" not in plan.err:
        raise RuntimeError(f"a plan of what is frozen is offered: {plan.out}{plan.err}")
    before_minio = lines(world)
    kube.delete("services", "mlflow", "mlflow-minio")                   # others are not frozen
    repaired(world, before_minio, "Service mlflow/mlflow-minio")
    if kube.get("services", "mlflow", "mlflow-server"):
        raise RuntimeError("a frozen application was repaired")
    world.daemon.stop()
    world.daemon.start()
    world.wait_for("the freeze after a restart", lambda: "frozen by" in world.ctl("status").out)
    if kube.get("services", "mlflow", "mlflow-server"):
        raise RuntimeError("a frozen application was repaired at the start")
    world.ctl("unfreeze", "mlflow-server").ok()
    world.ctl("freeze", "--until", "2s", "--reason", "a moment").ok()
    repaired(world, before, "Service mlflow/mlflow-server", "deleted")
    world.wait_for("its end", lambda: "its time is over" in world.ctl("audit", "--what", "unfreeze").out)
    world.wait_active()


@test("an object that is paused is left alone while the rest of its application is repaired")
def _(world):
    kube, before = world.cluster.kube, lines(world)
    world.ctl("pause", "--object", "service/mlflow-server", "--reason", "a trace runs", "--until", "1h").ok()
    kube.delete("services", "mlflow", "mlflow-server")
    told(world, before, "Service mlflow/mlflow-server", "deleted")
    world.ctl("status").ok().says("Service mlflow/mlflow-server paused by", "a trace runs")
    kube.merge("deployments", "mlflow", "mlflow-server", {"metadata": {"labels": {"app.kubernetes.io/managed-by": "me"}}})
    repaired(world, before, "Deployment.apps mlflow/mlflow-server", "managed-by")
    if kube.get("services", "mlflow", "mlflow-server"):
        raise RuntimeError("an object that is paused was made again")
    world.ctl("unpause", "--object", "service/mlflow-server").ok()
    repaired(world, before, "Service mlflow/mlflow-server", "deleted")
    world.wait_active()


@test("a pause of an application with an end is over by itself: what was found meanwhile is put right, and the audit says why")
def _(world):
    kube, before = world.cluster.kube, lines(world)
    world.ctl("pause", "mlflow-server", "--reason", "disk swap", "--until", "1h").ok()
    world.ctl("pause", "mlflow-server", "--reason", "disk swap").refused("paused already by", "disk swap (until ")
    world.ctl("pause", "--reason", "me too", "--until", "tomorrow").refused("is no time")
    world.ctl("freeze", "--reason", "closing").ok()
    world.ctl("doctor").says("ends-in-freeze", "the pause by", "disk swap", "while model mlflow is frozen without an end")
    world.ctl("unfreeze").ok()
    world.ctl("unpause", "mlflow-server").ok()
    world.ctl("pause", "mlflow-server", "--reason", "disk swap", "--until", "2s").ok()
    kube.delete("services", "mlflow", "mlflow-server")
    repaired(world, before, "Service mlflow/mlflow-server", "deleted")
    world.wait_for("its end", lambda: "its time is over" in world.ctl("audit", "--what", "unpause").out)
    world.wait_active()


FIGHT = ["--fight-count", "3", "--fight-delay", "3s", "--fight-delay-max", "3s"]


def fought(world, edit, is_right, rounds):
    """The other writer answers each repair of ours."""
    for _ in range(rounds):
        edit()
        world.wait_for("the repair", is_right)


@test("a field that somebody changes again and again is put right more slowly and never given up, all else at once; status, why and doctor name the writer")
def _(world):
    kube, right = world.cluster.kube, image(world.cluster.kube)
    with options(world, FIGHT):
        before = lines(world)
        fought(world, lambda: kube.edit("deployments", "mlflow", "mlflow-server", IMAGE, "docker.io/library/busybox:3"),
               lambda: image(kube) == right, 2)
        kube.edit("deployments", "mlflow", "mlflow-server", IMAGE, "docker.io/library/busybox:4")
        told(world, before, "busybox:4", "wait")
        world.ctl("why", SERVER).ok().says("kubectl-edit changed", "3 times", "put right again at ")
        says = 'image was changed to "docker.io/library/busybox:4": kubectl-edit changed '
        world.wait_for("status", lambda: says in world.ctl("status").out and "put right again at " in world.ctl("status").out)
        world.ctl("doctor").says("fight", "hand-over")
        known = lines(world)
        kube.merge("deployments", "mlflow", "mlflow-server", {"metadata": {"labels": {"app.kubernetes.io/managed-by": "me"}}})
        repaired(world, known, "Deployment.apps mlflow/mlflow-server", "managed-by")
        world.daemon.kill()
        world.daemon.start()                                    # and remembers it
        world.wait_for("why", lambda: "kubectl-edit changed" in world.ctl("why", SERVER).out)
        world.wait_for("the repair, in its time", lambda: image(kube) == right)
        world.wait_for("that status says nothing of what is right", lambda: "kubectl-edit" not in world.ctl("status").out)
        world.ctl("drift", "hand-over", SERVER, "spec.template.spec.containers[name=mlflow-server].image", "--to", "kubectl-edit",
                  "--reason", "they know better").ok()
        world.wait_for("the end of it", lambda: "kubectl-edit" not in world.ctl("status").out)
        world.ctl("drift", "take-over", SERVER, "spec.template.spec.containers[name=mlflow-server].image").ok()
        world.wait_for("our image", lambda: image(kube) == right)
    world.wait_active()


@test("a field that is changed again and again under another name each time is put right more slowly too")
def _(world):
    kube, right = world.cluster.kube, image(world.cluster.kube)
    with options(world, FIGHT):
        before = lines(world)
        for number in range(3):
            kube.edit("deployments", "mlflow", "mlflow-server", IMAGE, f"docker.io/library/busybox:{number}", f"build-{number}")
            if number < 2:
                world.wait_for("the repair", lambda: image(kube) == right)
        told(world, before, "busybox:2", "build-2", "wait")
        world.ctl("why", SERVER).ok().says("several writers changed", " times in ", "put right again at ")   # with those of the test before, where that was just now
        world.ctl("doctor").says("several writers changed")
        world.wait_for("the repair, in its time", lambda: image(kube) == right)
    world.wait_active()


@test("a Secret that somebody changes again and again is put right at once each time, and is an alert")
def _(world):
    kube = world.cluster.kube
    right = kube.get("secrets", "mlflow", "mlflow-mysql-root")["data"]
    with options(world, FIGHT[:2] + ["--fight-delay", "1h", "--fight-delay-max", "1h"]):
        fought(world, lambda: kube.merge("secrets", "mlflow", "mlflow-mysql-root", {"data": {"root-password": "d3Jvbmctd3Jvbmc="}}),
               lambda: kube.get("secrets", "mlflow", "mlflow-mysql-root")["data"] == right, 5)
        world.ctl("doctor").says("fight-guarded")
    world.wait_active()


@test("our own rollouts are no fight, however many")
def _(world):
    kube = world.cluster.kube
    before = world.daemon.rows("SELECT * FROM fight")
    with options(world, FIGHT):
        for replicas in ("2", "1", "2", "1"):
            world.ctl("scale-application", "mlflow-server", replicas).ok()
            world.wait_for("the rollout", lambda: str(kube.get("deployments", "mlflow", "mlflow-server")["spec"]["replicas"]) == replicas)
        world.wait_active()
        if world.daemon.rows("SELECT * FROM fight") != before:
            raise RuntimeError("our own changes were taken for somebody else's")


@contextlib.contextmanager
def options(world, more):
    """The daemon with options of its own."""
    usual = list(world.daemon.options)
    world.daemon.stop()
    world.daemon.options = usual + more
    world.daemon.start()
    try:
        yield
    finally:
        world.daemon.stop()
        world.daemon.options = usual
        world.daemon.start()


def our_fields(kube):
    for entry in kube.get("deployments", "mlflow", "mlflow-server")["metadata"]["managedFields"]:
        if entry["manager"] == "mooring" and not entry.get("subresource"):
            return entry["fieldsV1"].get("f:spec", {})
    return {}


def owns_replicas(kube):
    return "f:replicas" in our_fields(kube)


def owns_image(kube):
    return '"f:image"' in json.dumps(our_fields(kube))


def assert_equal(found, wanted):
    if found != wanted:
        raise RuntimeError(f"is {found!r}, wanted {wanted!r}")


if __name__ == "__main__":
    main()
