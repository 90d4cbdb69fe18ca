#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What doctor finds in a world that is well, and in one in which something was broken on purpose."""
import json
import os
import signal
from concurrent.futures import ThreadPoolExecutor

from lib.runner import main, test
from lib.world import Trouble

WARNINGS, ERRORS = 8, 1
CODES = {"ok": 0, "warning": WARNINGS, "error": ERRORS}


def doctor(world, *words):
    """(exit code, findings), without the disk of the machine that the tests run on: the unit tests judge disks."""
    done = world.ctl("doctor", "--format", "json", *words)
    if not done.out:
        raise Trouble(f"doctor says nothing: {done.err}")
    findings = json.loads(done.out)["findings"]
    expect(worst(findings), done.code)
    findings = [f for f in findings if f["id"] != "disk-space"]
    return worst(findings), findings


def worst(findings):
    """The exit code that the findings make."""
    return next((CODES[s] for s in ("error", "warning") if any(f["severity"] == s for f in findings)), 0)


def ids(findings):
    return {f["id"] for f in findings if f["severity"] != "ok"}


def keep_volumes(world):
    """Volumes of the world stay when their claims go."""
    for volume in world.cluster.kube.list("persistentvolumes"):
        if volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete":
            world.cluster.kube.edit("persistentvolumes", "", volume["metadata"]["name"], "/spec/persistentVolumeReclaimPolicy", "Retain")


def expect(wanted, found):
    if wanted != found:
        raise Trouble(f"wanted {wanted}, found {found}")


@test("volumes that are deleted with their claims are warned of, with the command that keeps them; then nothing is wrong",
      real="the volumes of the peers are folders of their harness")
def _(world):
    world.wait_active()
    code, findings = doctor(world)
    expect((WARNINGS, {"volume-reclaim"}), (code, ids(findings)))
    claims = world.cluster.kube.list("persistentvolumeclaims", world.cluster.model)
    expect({f"{world.cluster.model}/{claim['metadata']['name']}" for claim in claims}, {f["subject"] for f in findings})
    if not all("Retain" in f["next"] and f["runbook"] == "docs/runbooks/doctor.md#volume-reclaim" for f in findings):
        raise Trouble(f"no next step: {findings}")
    keep_volumes(world)
    expect((0, []), doctor(world))


@test("with --all what is well is told too, the versions, the rights and how each target is spoken to", real="knows the simulator's answers")
def _(world):
    keep_volumes(world)
    code, findings = doctor(world, "--all")
    expect(0, code)
    expect({"ok"}, {f["severity"] for f in findings})
    told = {f["id"]: f["text"] for f in findings}
    for known, text in (("permission-missing", "no right is missing"), ("watch-lost", "alive"), ("version", "Kubernetes v1.34"),
                        ("backup", "there is no backup"), ("could-not-look", "everything was looked at")):
        if text not in told.get(known, ""):
            raise Trouble(f"{known} says {told.get(known)}")
    expect(3, len([f for f in findings if f["id"] == "tls-mode"]))
    world.ctl("doctor", "--all").says("ok version: cluster sim: it runs Kubernetes")


@test("a key that others can read and a folder that others can write are errors, with what to type")
def _(world):
    key, mode = world.daemon.state / "key", world.daemon.state.stat().st_mode
    key.chmod(0o640)
    world.daemon.state.chmod(mode | 0o020)
    try:
        code, findings = doctor(world)
        expect(ERRORS, code)
        if not {"key", "state-folder"} <= ids(findings):
            raise Trouble(f"found {findings}")
        world.ctl("doctor").refused(code=ERRORS)
        if f"next: chmod 600 {key}" not in world.ctl("doctor").out:
            raise Trouble(world.ctl("doctor").out)
    finally:
        key.chmod(0o600)
        os.chmod(world.daemon.state, mode)
    if {"key", "state-folder"} & ids(doctor(world)[1]):
        raise Trouble("they are well again, and doctor does not say so")


@test("a cluster that does not answer is an error, and that it could not be looked into is told")
def _(world):
    world.wait_active()
    world.cluster.server_down()
    try:
        world.wait_for("the loss", lambda: "unreachable" in world.ctl("clusters").out)
        code, findings = doctor(world)
        expect(ERRORS, code)
        if not {"unreachable", "could-not-look"} <= ids(findings):
            raise Trouble(f"found {findings}")
        if not any(f["since"] for f in findings if f["id"] == "unreachable"):
            raise Trouble("not told since when")
    finally:
        world.cluster.server_up()
    world.wait_active()


@test("a cluster that falls silent while it is asked is told as that, and a daemon that stops meanwhile stops",
      real="the simulator falls silent at a word")
def _(world):
    world.wait_active()
    world.cluster.process.send_signal(signal.SIGSTOP)
    try:
        found = [f["text"] for f in doctor(world)[1] if f["id"] in ("could-not-look", "unreachable")]
        with ThreadPoolExecutor(1) as pool:
            asking = pool.submit(world.ctl, "doctor")
            expect(0, world.daemon.stop())
            if asking.result().code != ERRORS:
                raise Trouble("doctor was answered by a daemon that stopped")
    finally:
        world.cluster.process.send_signal(signal.SIGCONT)
    world.daemon.start()
    world.wait_active()
    if not found:
        raise Trouble("nothing is said of a silent cluster")


@test("questions that are refused are told, not passed over", real="the simulator refuses at a word")
def _(world):
    world.wait_active()
    world.cluster.ctl("fault", "403", "--path", "/persistentvolumes", "--method", "GET")
    world.cluster.ctl("fault", "403", "--path", "/selfsubjectrulesreviews", "--method", "POST")
    try:
        blind = [f["text"] for f in doctor(world)[1] if f["id"] == "could-not-look"]
    finally:
        world.cluster.permit()
    if not any("volumes" in text and "403" in text for text in blind) or not any("rights" in text and "403" in text for text in blind):
        raise Trouble(f"found {blind}")


@test("an image that cannot be pulled is told with the image, the reason and since when, also while it is tried again", real="the simulator's registry fails at a word")
def _(world):
    world.wait_active()
    since = set()
    for reason in ("ErrImagePull", "ImagePullBackOff"):
        world.cluster.ctl("fail-pods", "mlflow-server-*", reason)

        def told(reason=reason):
            return [f for f in doctor(world)[1] if f["id"] == "image-pull" and f["text"].startswith(reason)]
        world.wait_for(f"{reason} to be told", told)
        found = told()[0]
        if "image" not in found["text"] or "not found" not in found["text"] or "kubectl -n" not in found["next"] or found["severity"] != "warning":
            raise Trouble(f"it says {found}")
        since.add(found["since"])
    world.cluster.ctl("clear")
    world.wait_active()
    if len(since) != 1:
        raise Trouble(f"a pull that is tried again began anew: {since}")
    if any(f["id"] == "image-pull" for f in doctor(world)[1]):
        raise Trouble("the pod runs, and doctor does not say so")


@test("a right that was taken away is named with its verb and resource", sim="the simulator allows everything")
def _(world):
    world.wait_active()
    world.cluster.forbid("delete", "services")
    try:
        def missing():
            return [f["text"] for f in doctor(world)[1] if f["id"] == "permission-missing"]
        world.wait_for("the missing right", lambda: any("may not delete services" in text for text in missing()))
    finally:
        world.cluster.permit()
    world.wait_for("it to be back", lambda: not any("services" in text for text in missing()))


if __name__ == "__main__":
    main()
