#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The controller's own backup: made while it runs, refused when it is not what was made, restored on a fresh machine,
where the controller watches and writes nothing until a person says so."""
import base64
import json

from lib.runner import main, test
from lib.world import Trouble, remove

PASSPHRASE = "a long passphrase, kept apart"


def sealed(world):
    """An application with a Secret."""
    world.file("passphrase", PASSPHRASE + "\n").chmod(0o600)
    world.ctl("deploy", "sealed", "--config", "count=2").ok()


def key(world):
    return "--passphrase-file", world.folder / "passphrase"


def backup(world, name):
    """A new backup, verified; its path."""
    path = world.folder / name
    path.unlink(missing_ok=True)
    made = world.ctl("backup", "create", path, *key(world)).ok()
    if made.out.strip() != str(path):
        raise Trouble(f"backup create prints {made.out!r}, not its file")
    world.ctl("backup", "verify", path, *key(world)).ok().says("each opens", "as they were written", "each whole")
    return path


def restore(world, path, *words):
    return world.ctl("backup", "restore", path, "--config", "/dev/null", "--state-dir", world.daemon.state, *key(world), *words)


def confirm(world):
    """When the cluster's Secrets can be read."""
    world.wait_for("confirm-restore to be taken", lambda: world.ctl("confirm-restore").code == 0)


def doctor(world, check):
    """What doctor says of CHECK, also when it is well."""
    found = json.loads(world.ctl("doctor", "--all", "--format", "json").out)["findings"]
    return [f["severity"] + ": " + f["text"] for f in found if f["id"] == check]


@test("a backup is made while it runs, verified, listed, and known to doctor", shares=sealed)
def _(world):
    if not any("no backup" in text for text in doctor(world, "backup")):
        raise Trouble(f"doctor before the first one: {doctor(world, 'backup')}")
    path = backup(world, "first.backup")
    if path.stat().st_mode & 0o777 != 0o600:
        raise Trouble("others can read it")
    if not any(text.startswith("ok: the newest backup that was verified is") for text in doctor(world, "backup")):
        raise Trouble(f"doctor after a verification: {doctor(world, 'backup')}")
    (world.folder / "to").mkdir(exist_ok=True)
    other = world.ctl("backup", "create", "--to", world.folder / "to", *key(world)).ok().out.strip()
    if not other.startswith(f"{world.folder}/to/mooring-mooring-2"):
        raise Trouble(f"--to made {other}")
    shown = world.ctl("backup", "list").ok()
    if f"newest that was verified: {path}" not in shown.err:
        raise Trouble(f"backup list: {shown.err}")
    world.ctl("audit", "--what", "backup").ok().says("backup-create", "backup-verify")
    if PASSPHRASE in world.ctl("audit", "--format", "json").out + world.daemon.log.read_text(errors="replace"):
        raise Trouble("the passphrase is in the audit or the log")


@test("no key, a weak one, and a file that is there are refused with what to do", shares=sealed)
def _(world):
    path = world.folder / "refused.backup"
    world.ctl("backup", "create", path).refused("backup-key-file", "--passphrase-file", code=1)
    world.ctl("backup", "create", path, "--passphrase-file", "-", stdin="short\n").refused("needs 12 at least", code=1)
    path.write_text("somebody's own " * 10)
    world.ctl("backup", "create", path, *key(world)).refused("is there already", code=1)
    world.ctl("backup", "verify", path, *key(world)).refused("was not sealed by Mooring", code=1)
    world.ctl("backup", "verify", world.folder / "nowhere", *key(world)).refused("No such file", code=1)
    world.ctl("backup", "mend", path).refused("create, list, verify, restore or schedule", code=2)


@test("a wrong passphrase, a file that is cut off or changed: refused, and nothing is touched", shares=sealed)
def _(world):
    good = backup(world, "good.backup")
    bad, state = world.folder / "bad.backup", world.folder / "other-state"

    def refused(data, text, words, *how):
        bad.write_bytes(data)
        world.ctl("backup", *how, *words).refused(text, code=1)
        left = [p.name for p in state.iterdir()] if state.exists() else []
        if left:
            raise Trouble(f"{text}: a refused restore leaves {left}")
    verify = "verify", bad
    restored = "restore", bad, "--config", "/dev/null", "--state-dir", state
    data = good.read_bytes()
    wrong = world.file("wrong", "another passphrase than that")
    wrong.chmod(0o600)
    refused(data, "the key is not the one that it was sealed with", ("--passphrase-file", wrong), *verify)
    refused(data, "the key is not the one that it was sealed with", ("--passphrase-file", wrong), *restored)
    refused(data[:-1], "changed or cut off", key(world), *restored)
    at = len(data) // 2
    refused(data[:at] + bytes([data[at] ^ 1]) + data[at + 1:], "or it was changed", key(world), *restored)
    world.ctl("status").ok()


@test("over a controller that runs, or that is there, a restore is refused; --force says what is lost and keeps it", fresh=True)
def _(world):
    sealed(world)
    world.wait_active()
    path = backup(world, "here.backup")
    restore(world, path).refused("in use by process", "stop it first", code=1)
    restore(world, path, "--force").refused("in use by process", code=1)
    world.daemon.stop()
    restore(world, path).refused("1 model with 1 application", "--force", "nothing was changed", code=1)
    said = restore(world, path, "--force").ok()
    if "lost: 1 model with 1 application" not in said.err or "what was there is in" not in said.err:
        raise Trouble(f"--force does not say what is lost: {said.err}")
    world.daemon.start()
    confirm(world)
    world.wait_active()


@test("restored on a fresh machine it watches and plans, and writes nothing before confirm-restore", fresh=True)
def _(world):
    model, kube = world.cluster.model, world.cluster.kube
    sealed(world)
    world.wait_active()
    path = backup(world, "day.backup")
    world.ctl("config", "sealed", "count=3").ok()
    world.wait_active()
    world.daemon.stop()
    old = world.daemon.state.rename(world.folder / "old-state")
    kube.delete("configmaps", model, "sealed-0")
    restore(world, path).ok()
    remove(old)
    before = world.cluster.writes()
    world.daemon.start()
    world.wait_for("status to say that it waits", lambda: "confirm-restore" in world.ctl("status").out)
    world.wait_for("what went to be noticed", lambda: "sealed-0" in world.ctl("plan").out)
    world.ctl("config", "sealed", "count=4").refused("confirm-restore", code=1)
    world.ctl("unfreeze").refused("confirm-restore", code=1)
    world.ctl("freeze", "--reason", "a person's own").ok()
    world.ctl("unfreeze").ok()
    world.daemon.kill()
    world.daemon.start()
    world.wait_for("it to wait after a crash too", lambda: "sealed-0" in world.ctl("plan").out)
    if world.cluster.writes() != before:
        raise Trouble(f"{world.cluster.writes() - before} writes before confirm-restore")
    # It asks the cluster for our rights, which is a POST.
    if not any(text.startswith("error: restored from the backup") for text in doctor(world, "restored")):
        raise Trouble(f"doctor does not say that it waits: {doctor(world, 'restored')}")
    world.ctl("confirm-restore", "--dry-run").ok()
    confirm(world)
    world.wait_for("what went to come back", lambda: kube.get("configmaps", model, "sealed-0"))
    world.wait_active()
    if doctor(world, "restored") != ["ok: it was not restored from a backup"]:
        raise Trouble(f"doctor after confirm-restore: {doctor(world, 'restored')}")
    world.ctl("audit", "--what", "confirm-restore").ok().says("confirm-restore")
    world.ctl("audit", "verify", "--head", "1:" + "0" * 64).refused(code=7)


@test("what was rotated after the backup is taken in before anything is written: no old password goes back", fresh=True)
def _(world):
    model, kube = world.cluster.model, world.cluster.kube
    world.file("passphrase", PASSPHRASE).chmod(0o600)
    world.ctl("deploy", "acting").ok()
    world.wait_active()
    path = backup(world, "day.backup")
    world.ctl("run", "acting", "rotate", "password=rotated-after-it", "--wait", "1m").ok()
    world.wait_active()
    rotated = kube.get("secrets", model, "acting")
    if base64.b64decode(rotated["data"]["password"]) != b"rotated-after-it":
        raise Trouble("it was not rotated")
    world.daemon.stop()
    remove(world.daemon.state)
    restore(world, path).ok()
    world.cluster.server_down()
    world.daemon.start()
    world.ctl("confirm-restore").refused("could not be read", "--force", code=1)
    world.cluster.server_up()
    world.wait_for("the newer password to be found", lambda: "are newer than those of the backup" in world.ctl("confirm-restore").err)
    world.wait_for("it to be in the plans", lambda: world.ctl("confirm-restore").code == 0)
    world.wait_active()
    world.ctl("show-secret", "acting/admin/password", "--reveal").ok().says("rotated-after-it")
    now = kube.get("secrets", model, "acting")
    if now["data"] != rotated["data"] or now["metadata"]["resourceVersion"] != rotated["metadata"]["resourceVersion"]:
        raise Trouble(f"the Secret was written: {now}")


if __name__ == "__main__":
    main()
