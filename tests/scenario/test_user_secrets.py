#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Secrets that people add: granted, taken by an option, given another value while somebody has the old one, and shown nowhere."""
import base64
import json
import sqlite3
import time
from contextlib import closing

from lib.runner import main, test
from lib.world import Trouble

FIRST, SECOND, THIRD = "first-Kw7-of-the-team", "second-Kw7-of-the-team", "third-Kw7-of-the-team"
VALUES = (FIRST, SECOND, THIRD)


def sealed(world):
    """An application with an option of type secret, which ends in a Secret."""
    world.ctl("deploy", "sealed", "--config", "count=1").ok()


def outside(world):
    """What the cluster's Secret has."""
    data = world.cluster.kube.get("secrets", world.cluster.model, "sealed").get("data", {})
    return base64.b64decode(data.get("api-key", "")).decode()


def outside_is(world, value):
    world.wait_for(f"the Secret to hold {value}", lambda: outside(world) == value)


def shown(world, name, *words):
    return json.loads(world.ctl("show-secret", name, "--format", "json", *words).ok().out)


def revisions(world, name):
    """{number: [what has it]}"""
    return {r["revision"]: [use["what"] for use in r["used-by"]] for r in shown(world, name, "--revisions")["revisions"]}


@test("a secret is taken by an option once it is granted; until then the application is blocked with what to do", shares=sealed)
def _(world):
    added = world.ctl("add-secret", "team", "api-key#file=-", "--info", "of the team", stdin=FIRST + "\n").ok()
    if not added.out.startswith("secret:") or len(added.out.split()) != 1:
        raise Trouble(f"add-secret prints {added.out!r}, not its ID")
    world.ctl("config", "sealed", "api-key=secret:team").ok()
    world.wait_status("sealed", "blocked", "option api-key takes secret team", "mooringctl grant-secret team sealed")
    world.ctl("doctor").refused("option api-key takes secret team", "next: mooringctl grant-secret team sealed")
    if outside(world) == FIRST:
        raise Trouble("it was written without a grant")
    world.ctl("grant-secret", "team", "sealed").ok()
    outside_is(world, FIRST)
    world.wait_active()
    world.ctl("config", "sealed", "api-key").says("secret:team#api-key")
    world.ctl("secrets").says("team", "(model)", "api-key")
    if "secret:team#api-key" not in world.ctl("export-bundle").ok().out:
        raise Trouble("an exported bundle does not say which secret it takes")


@test("its ID does what its name does, and a secret, a key or a value that does not fit is refused", shares=sealed)
def _(world):
    number = shown(world, "team")["id"]
    if shown(world, f"secret:{number}")["name"] != "team":
        raise Trouble("its ID is another one")
    world.ctl("config", "sealed", "api-key=secret:nobody").refused('no secret "nobody"', "add-secret", code=1)
    world.ctl("config", "sealed", "api-key=secret:team#other").refused('secret team has no key "other": it has api-key', code=1)
    world.ctl("add-secret", "team", "api-key=x").refused("there is a secret team already", "update-secret", code=1)
    world.ctl("add-secret", "other", "K=x").refused('key "K"', "lower-case", code=1)
    world.ctl("add-secret", "other").refused("at least one KEY=VALUE", code=1)
    world.ctl("add-secret", "other", "api-key").refused("there is no terminal to ask at", "api-key#file=", code=1)
    world.ctl("update-secret", "team", "other=x").refused("option api-key of sealed takes key api-key", code=1)


@test("a new value is taken at once; while a pause holds it up the revision before stays, and then it goes", shares=sealed)
def _(world):
    world.ctl("pause", "sealed", "--reason", "a test").ok()
    world.ctl("update-secret", "team", "--file", world.file("team.yaml", f"api-key: {SECOND}\n")).ok()
    world.wait_for("the plan to take it", lambda: len(revisions(world, "team").get(2, [])) == 1)
    if revisions(world, "team") != {1: revisions(world, "team")[2], 2: revisions(world, "team")[2]} or outside(world) != FIRST:
        raise Trouble(f"who has what while it is paused: {revisions(world, 'team')}, outside {outside(world)}")
    world.ctl("remove-secret", "team", "--revision", "1").refused("revision 1 of secret team is in use: Secret", "of sealed", code=1)
    if shown(world, "team", "--reveal", "--revision", "1")["content"] != {"api-key": FIRST}:
        raise Trouble("the revision before does not open")
    world.ctl("unpause", "sealed").ok()
    outside_is(world, SECOND)
    world.wait_for("the revision before to go", lambda: set(revisions(world, "team")) == {2})
    world.ctl("show-secret", "team", "--reveal", "--revision", "1").refused("has no revision 1", code=1)


@test("a restart takes nothing back and writes nothing", shares=sealed)
def _(world):
    world.daemon.kill()
    world.daemon.start()
    world.wait_active()
    world.ctl("update-secret", "team", "api-key#file=-", stdin=THIRD).ok()
    outside_is(world, THIRD)
    if shown(world, "team", "--reveal")["content"] != {"api-key": THIRD}:
        raise Trouble("another value is shown than the one that was given")


@test("one that is in use is not removed, and who uses it is named; revoked, its application is blocked", shares=sealed)
def _(world):
    world.ctl("remove-secret", "team").refused("secret team is in use", "option api-key of sealed", code=1)
    said = world.ctl("revoke-secret", "team", "sealed").ok()
    if "blocked until its option api-key takes something else" not in said.err:
        raise Trouble(f"revoke-secret does not say what comes of it: {said.err}")
    world.wait_status("sealed", "blocked", "grant-secret team sealed")
    if outside(world) != THIRD:
        raise Trouble("what was outside did not stay")
    world.ctl("config", "sealed", "--reset", "api-key").ok()
    world.wait_for("the Secret to be without it", lambda: outside(world) == "")
    world.wait_active()
    world.ctl("remove-secret", "team").ok()
    world.ctl("show-secret", "team").refused("no secret team", code=1)


@test("a secret of a charm's that was due for a new value while the daemon was off gets it at the start", shares=sealed)
def _(world):
    def password():
        return base64.b64decode(world.cluster.kube.get("secrets", world.cluster.model, "sealed")["data"]["password"]).decode()

    before = shown(world, "sealed/admin/password")
    if before["rotate"] != "monthly" or not before["rotates"]:
        raise Trouble(f"it does not say when it is rotated: {before}")
    old = password()
    world.daemon.stop()
    with closing(sqlite3.connect(world.daemon.state / "model.db")) as db:
        db.execute("UPDATE secret SET rotate_at = 1 WHERE field = 'password'")
        db.commit()
    world.daemon.start()
    world.wait_for("another password outside", lambda: password() != old)
    world.wait_for("the one before to go", lambda: len(shown(world, "sealed/admin/password", "--revisions")["revisions"]) == 1)
    if shown(world, "sealed/admin/password")["rotates"] <= time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()):
        raise Trouble("it would be rotated again at once")
    world.ctl("audit").says("rotate-secret")


@test("one that expires soon is told by doctor, and what is given anew is not", shares=sealed)
def _(world):
    world.ctl("add-secret", "ends", "pass-word#file=-", "--expire", "240h", stdin=FIRST).ok()
    finding = world.ctl("doctor").out
    if "secret-expires" not in finding or "update-secret ends" not in finding:
        raise Trouble(f"doctor does not remind:\n{finding}")
    world.ctl("update-secret", "ends", "--expire", "never").ok()
    if "secret-expires" in world.ctl("doctor").out:
        raise Trouble("doctor reminds of what does not expire")
    world.ctl("remove-secret", "ends").ok()


@test("another key seals the store while the daemon runs, through a kill at any time, and the old one is gone", shares=sealed)
def _(world):
    key = world.daemon.state / "key"
    world.ctl("add-secret", "kept", "pass-word#file=-", stdin=FIRST).ok()
    for pause in (0, 0.1, 3):
        old = key.read_bytes()[:32]
        if world.daemon.api("POST", "/v1/key/rotate")[0] != 200:
            raise Trouble("the key is not rotated")
        if key.read_bytes()[32:] != old:
            raise Trouble("the old key is not beside the new one")
        time.sleep(pause)           # how far it is by then is any place: each has to do
        world.daemon.kill()
        world.daemon.start()
        if shown(world, "kept", "--reveal")["content"] != {"pass-word": FIRST}:
            raise Trouble(f"killed after {pause} s, the store does not open")
        world.wait_for("the old key to go", lambda: len(key.read_bytes()) == 32)
        if old in key.read_bytes():
            raise Trouble("the old key stayed")
    world.ctl("rotate-key").ok().says("idle")
    if "Key " not in world.ctl("rotate-key", "--status").ok().out or len(key.read_bytes()) != 32:
        raise Trouble("rotate-key does not wait for its end")
    world.daemon.kill()
    world.daemon.start()
    if shown(world, "kept", "--reveal")["content"] != {"pass-word": FIRST}:
        raise Trouble("the store does not open with the new key alone")
    world.ctl("audit", "verify").ok()
    world.ctl("remove-secret", "kept").ok()
    world.wait_active()
    if world.ctl("plan", "--exit-code").code:
        raise Trouble("something is to be written after a rotation of the key")


@test("no value of it stands in the audit, in the log, in the state folder, in status or in events", shares=sealed)
def _(world):
    places = {"audit": world.ctl("audit", "--format", "json").ok().out, "status": world.ctl("status", "--format", "json").ok().out,
              "drift": world.ctl("drift", "--format", "json").ok().out, "the log": world.daemon.log.read_text()}
    for path in world.daemon.state.rglob("*"):
        if path.is_file():
            places[str(path)] = path.read_bytes().decode(errors="replace")
    for place, text in places.items():
        for value in VALUES:
            if value in text:
                raise Trouble(f"{place} holds {value}")
    if "add-secret" not in places["audit"] or "(secret)" not in places["audit"]:
        raise Trouble("the audit does not have that there was one")


main()
