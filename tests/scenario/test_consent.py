#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What destroys or gives up data is shown first: on a terminal it is asked for, and everywhere --dry-run shows it."""
import os
import pty
import subprocess

from lib.runner import BUNDLE, main, test
from lib.world import DEADLINE, Trouble

CLAIM = "data-mlflow-mysql-0"


def typed(world, *words, answer):
    """mooringctl on a terminal, where a person types ANSWER: (exit code, what the terminal showed)."""
    master, slave = pty.openpty()
    process = subprocess.Popen([str(world.programs.ctl), *words], stdin=slave, stdout=subprocess.DEVNULL, stderr=slave,
                               env=world.environment())
    os.close(slave)
    os.write(master, f"{answer}\n".encode())
    shown = b""
    while True:
        try:
            part = os.read(master, 4096)
        except OSError:         # Linux says that the other end is closed
            break
        if not part:
            break
        shown += part
    os.close(master)
    return process.wait(DEADLINE), shown.decode()


def must_say(shown, *parts):
    for part in parts:
        if part not in shown:
            raise Trouble(f"{part!r} was not shown:\n{shown}")


def uid(world, claim=CLAIM):
    found = world.cluster.kube.get("persistentvolumeclaims", world.cluster.model, claim)
    return found["metadata"]["uid"] if found else None


@test("on a terminal what destroys is listed and asked for; no means nothing, and scripts are not asked", fresh=True)
def _(world):
    model = world.cluster.model
    world.ctl("deploy", BUNDLE).ok()
    world.wait_active()
    before = world.daemon.rows("SELECT life FROM application")
    volume = f"delete PersistentVolumeClaim {model}/{CLAIM} and the data in it"
    for answer in ("n", "", "mlflow-mysql"):
        code, shown = typed(world, "remove-application", "mlflow-mysql", "--destroy-storage", answer=answer)
        must_say(shown, "remove application mlflow-mysql, with its data", volume, "database mlflow with the server", "Continue [y/N]?",
                 "aborted: nothing was changed")
        if code != 1 or world.daemon.rows("SELECT life FROM application") != before:
            raise Trouble(f"{answer!r} was taken for consent ({code}):\n{shown}")
    code, shown = typed(world, "remove-model", model, answer="y")
    must_say(shown, "its data is kept", f"keep PersistentVolumeClaim {model}/{CLAIM}", "remove ", "more objects: --dry-run names them",
             "enter the name of the model", "aborted")
    if code != 1 or world.daemon.rows("SELECT life FROM model") != [("alive",)]:
        raise Trouble(f"remove-model took y for the model's name:\n{shown}")
    # Who else is hurt is told too: by the end of a relation alone, and with an application.
    for words in (("remove-relation", "mlflow-server", "mlflow-mysql"), ("remove-application", "mlflow-mysql", "--destroy-storage")):
        world.ctl(*words, "--dry-run").ok().says("mlflow-server:relational-db", "both are planned without it", "take away user relation-",
                                                 f"take away Secret {model}/mlflow-server-database of mlflow-server")
    world.ctl("remove-application", "mlflow-server", "--destroy-storage", "--dry-run").ok().says("which holds no data", "other objects")
    # Nothing is destroyed: nothing is asked.
    code, shown = typed(world, "remove-application", "mlflow-server", "--dry-run", answer="n")
    if code or "Continue" in shown:
        raise Trouble(f"a dry run asked:\n{shown}")
    code, shown = typed(world, "remove-application", "mlflow-mysql", "--destroy-storage", answer="y")
    if code:
        raise Trouble(f"y is no consent:\n{shown}")
    world.wait_for("mlflow-mysql to be gone", lambda: "mlflow-mysql" not in world.apps() and not uid(world))
    code, shown = typed(world, "remove-model", model, "--destroy-storage", "--no-prompt", answer="n")
    if code or "enter the name" in shown:
        raise Trouble(f"--no-prompt asked:\n{shown}")


@test("every way on past a block shows with --dry-run what it would do, and does nothing", fresh=True)
def _(world):
    model, kube = world.cluster.model, world.cluster.kube
    world.ctl("deploy", "mysql-k8s", "mlflow-mysql", "--channel", "8.0/stable").ok()
    world.wait_status("mlflow-mysql", "active")
    before = uid(world)
    kube.delete("persistentvolumeclaims", model, CLAIM)
    kube.delete("statefulsets", model, "mlflow-mysql")
    world.wait_status("mlflow-mysql", "blocked", "accept-data-loss mlflow-mysql")
    world.ctl("accept-data-loss", "mlflow-mysql", "--dry-run").ok().says(f"would begin anew with PersistentVolumeClaim {model}/{CLAIM}")
    if world.daemon.rows("SELECT count(*) FROM resource WHERE accepted_loss") != [(0,)]:
        raise Trouble("--dry-run accepted the loss")
    code, shown = typed(world, "accept-data-loss", "mlflow-mysql", answer="n")
    must_say(shown, "begin anew with", "Continue [y/N]?", "aborted")
    world.ctl("accept-data-loss", "mlflow-mysql").ok()
    world.wait_status("mlflow-mysql", "active")
    if uid(world) == before:
        raise Trouble("no new claim")
    world.ctl("rebind-cluster", world.cluster.name, "--dry-run").refused("nothing to rebind", code=1)
    world.ctl("take-over-model", model, "--dry-run").refused("nothing to take over", code=1)
    world.ctl("adopt", "mlflow-mysql", "--dry-run").refused("not blocked", code=1)
    if code != 1:
        raise Trouble("a question that was answered with no did not fail")


@test("adopt --dry-run names what it would take over", fresh=True)
def _(world):
    kube, model = world.cluster.kube, world.cluster.model
    world.ctl("deploy", "minio").ok()
    world.wait_status("minio", "active")
    world.ctl("remove-application", "minio", "--destroy-storage").ok()
    world.wait_for("minio to be gone", lambda: "minio" not in world.apps())
    kube.create("services", model, {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "minio"},
                                    "spec": {"ports": [{"name": "other", "port": 1}]}})
    world.ctl("deploy", "minio").ok()
    world.wait_status("minio", "blocked", "adopt minio")
    world.adopt("minio", "--dry-run")
    world.ctl("adopt", "minio", "--dry-run").ok().says(f"would adopt Service {model}/minio")     # it is still to be adopted
    world.adopt("minio")
    world.wait_status("minio", "active")


@test("who ends a pause is told, and asked, about data whose destruction only that pause holds up; so is who asks for it, and status says it", fresh=True)
def _(world):
    model, claim = world.cluster.model, "data-store-0"
    subject = f"persistentvolumeclaim/{claim}"
    gone = f"delete PersistentVolumeClaim {model}/{claim} and the data in it, as "
    world.ctl("deploy", "minio", "store").ok()
    world.wait_active()
    world.ctl("pause", "store", "--reason", "alice: copying", "--until", "2h").ok()
    shown = world.ctl("remove-application", "store", "--destroy-storage", "--dry-run").ok()
    must_say(shown.err, f"{model}/{claim} is paused by ", "alice: copying (until ")
    world.ctl("unpause", "store").ok()
    world.ctl("pause", "--object", subject, "--reason", "alice: copying", "--dry-run").ok().says("would pause", "alice: copying")
    world.ctl("pause", "--object", subject, "--reason", "alice: copying").ok()
    world.ctl("drift", "policy", "set", "--mode", "off", "--object", subject, "--reason", "hers").ok()
    shown = world.ctl("remove-application", "store", "--destroy-storage", "--dry-run").ok()
    must_say(shown.err, f"{model}/{claim} is paused by ", "alice: copying: it is deleted when that ends")
    before = uid(world, claim)
    world.ctl("remove-application", "store", "--destroy-storage").ok()
    world.wait_status("store", "maintenance", f"{model}/{claim} and the data in it are deleted when what holds that up ends", "alice: copying")
    shown = world.ctl("unpause", "--object", subject, "--dry-run").ok().says("would go on with", "would " + gone)
    must_say(shown.err, "`remove-application store` first")
    code, shown = typed(world, "unpause", "--object", subject, answer="n")
    must_say(shown, gone, "Continue [y/N]?", "aborted: nothing was changed")
    if code != 1 or uid(world, claim) != before:
        raise Trouble(f"n was taken for consent ({code}):\n{shown}")
    world.ctl("remove-application", "store").ok()
    world.wait_for("what is kept", lambda: "detached" in world.ctl("storage").ok().out)
    if "nothing of it was made yet" in world.ctl("storage").out:
        raise Trouble("storage has a second row of what is detached")
    code, shown = typed(world, "unpause", "--object", subject, answer="n")
    if code or "Continue" in shown:
        raise Trouble(f"asked, though nothing is destroyed ({code}):\n{shown}")
    world.ctl("wait", "store", "--for", "gone").ok()
    world.ctl("drift", "policy", "unset", "--object", subject).ok()      # rules and pauses of what is gone can be ended
    world.ctl("drift", "policy", "unset", "--object", subject).refused("there is no rule")
    must_say(world.ctl("wait", "store", "--for", "gone").ok().err, "there is no application store")
    world.ctl("pause", "--reason", "night").ok()
    world.ctl("destroy-storage", "store").ok()
    world.ctl("unpause", "--dry-run").ok().says("would " + gone + "destroy-storage said")
    if uid(world, claim) != before:
        raise Trouble("the claim is another one")
    must_say(world.ctl("unpause", "-y").ok().err, gone)
    world.wait_for("the end of the claim", lambda: uid(world, claim) is None)


@test("model-config --dry-run says what it would do, and does nothing")
def _(world):
    world.ctl("model-config", "image-registry=registry.example", "--dry-run").ok().says("would ", "image-registry")
    if "registry.example" in world.ctl("model-config").ok().out:
        raise Trouble("a dry run set an option of the model")


if __name__ == "__main__":
    main()
