#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The credentials of a relation are rotated while clients connect without a pause, with a real database behind the pod."""
import json
import signal
import threading
import time
import urllib.parse

from lib.drift import lines
from lib.mysql_client import Refused, login
from lib.operations import LIVE, call, run
from lib.operations import done as ended
from lib.runner import main, test
from lib.services import MYSQL, ask, secret, sql
from lib.world import Trouble, until

CONSUMER = "mlflow-server"
LOCKED = (3118, 4151)           # MySQL's number and MariaDB's
THREADS = 3
ENOUGH = 200                    # connections while it is rotated, that something was tried at all


def credentials(world):
    """User, password and database of the consumer's Secret."""
    url = urllib.parse.urlsplit(secret(world, f"{CONSUMER}-database")["MLFLOW_BACKEND_STORE_URI"])
    return urllib.parse.unquote(url.username), urllib.parse.unquote(url.password), url.path[1:]


def users(world):
    return sql(world, "SELECT User FROM mysql.user WHERE User LIKE 'relation-%' ORDER BY 1").splitlines()


def enter(world, found, then=lambda: None):
    """The number of the server's refusal, or 0."""
    try:
        login((world.cluster.address(f"{MYSQL}-0", 3306), 3306), *found, then=then)
    except Refused as refused:
        return refused.args[0]
    return 0


class Clients:
    """Some threads that log in, one time after the other, with what the consumer's Secret says just then."""

    def __init__(self, world):
        self.world, self.ended, self.begun = world, threading.Event(), time.monotonic()
        self.address = (world.cluster.address(f"{MYSQL}-0", 3306), 3306)
        self.count, self.failed = [0] * THREADS, []
        self.threads = [threading.Thread(target=self.go_on, args=(n,), daemon=True) for n in range(THREADS)]

    def go_on(self, number):
        while not self.ended.is_set():
            try:
                login(self.address, *credentials(self.world))
                self.count[number] += 1
            except (Refused, OSError, Trouble) as trouble:
                self.failed.append(f"{type(trouble).__name__} {trouble}")

    def __enter__(self):
        for thread in self.threads:
            thread.start()
        return self

    def __exit__(self, kind, *_):
        try:
            until(lambda: kind or self.failed or sum(self.count) >= ENOUGH, "some connections")
        finally:
            self.ended.set()
        for thread in self.threads:
            thread.join()
        count, seconds = sum(self.count), time.monotonic() - self.begun
        print(f"# {count} connections, {count / seconds:.0f} a second, {len(self.failed)} failed", flush=True)

    def none_failed(self):
        if self.failed:
            raise Trouble(f"{len(self.failed)} of {sum(self.count)} connections failed: {self.failed[:3]}")


def rotate(world, **params):
    return run(world, MYSQL, "rotate-relation-credentials", **{"quiet": 1, "watch": 0} | params)


def waits(world, operation, text):
    """Until OPERATION says that it waits for TEXT."""
    def says():
        found = call(world, "GET", f"operations/{operation}")
        if found["status"] not in LIVE:
            raise Trouble(f"it does not wait: {json.dumps(found, indent=1)}")
        return text in json.dumps(found["now"] or {})
    world.wait_for(f"{text} in what operation {operation} waits for", says)


def drop(world):
    ended(world, run(world, MYSQL, "drop-relation-user", now=True, force=True))


@test("a relation gets another user while clients connect without a pause: none fails, and nothing is called drift")
def _(world):
    before, known, old = lines(world), users(world), credentials(world)
    with Clients(world) as clients:
        done = ended(world, rotate(world))
        new = credentials(world)
    clients.none_failed()
    if new[:2] == old[:2] or new[0] in known or users(world) != [new[0]]:
        raise Trouble(f"{old[0]} and then {new[0]}; there are {users(world)}")
    if enter(world, old) != 1045 or enter(world, new) != 0:
        raise Trouble("the old user is let in, or the new one is not")
    if done["results"] != {"user": new[0], "locked": old[0], "dropped": old[0]}:
        raise Trouble(f"its result: {done['results']}")
    world.wait_active()
    if lines(world) != before:
        raise Trouble(f"called drift: {lines(world)}")


@test("the old user is locked, unlocked by one command, locked again, and dropped when its time is over")
def _(world):
    old = credentials(world)
    done = ended(world, rotate(world, watch=600))
    new = credentials(world)
    if sorted(users(world)) != sorted([old[0], new[0]]) or enter(world, old) not in LOCKED or enter(world, new):
        raise Trouble(f"{old[0]} is not locked beside {new[0]}: {users(world)}")
    world.wait_status(MYSQL, "active", f"{old[0]}, which {CONSUMER} had, is locked")
    world.ctl("schedules").ok().says("drop-relation-user")
    world.ctl("run", MYSQL, "rotate-relation-credentials").refused("unlock-relation-user", "drop-relation-user now=true", code=1)
    world.ctl("run", MYSQL, "unlock-relation-user").ok().says(f"unlocked: {old[0]}")
    if enter(world, old) or enter(world, new):
        raise Trouble(f"after unlock-relation-user not both let in; {done['results']}")
    again = ended(world, rotate(world, watch=2))["results"]
    if again["user"] != new[0] or again["locked"] != old[0]:
        raise Trouble(f"it did not go on where it was: {again}")
    world.wait_for("the end of the old user", lambda: users(world) == [new[0]])
    world.wait_active()
    if credentials(world) != new or enter(world, new):
        raise Trouble("the relation has other credentials")


@test("a lock that somebody takes away by hand is put back, and a refused login keeps the user from being dropped")
def _(world):
    old = credentials(world)
    ended(world, rotate(world, watch=600))
    sql(world, f"ALTER USER '{old[0]}'@'%' ACCOUNT UNLOCK")
    world.wait_for("the lock", lambda: enter(world, old) in LOCKED)
    world.wait_active()
    world.ctl("run", MYSQL, "drop-relation-user").ok().says("refused: ")
    world.ctl("run", MYSQL, "drop-relation-user", "now=true").refused("so it stays, locked", "force=true", code=1)
    if old[0] not in users(world):
        raise Trouble("it was dropped")
    drop(world)
    if users(world) != [credentials(world)[0]]:
        raise Trouble(f"there are {users(world)}")


@test("a session of the old user is waited for")
def _(world):
    old = credentials(world)
    go_on = threading.Event()
    client = threading.Thread(target=enter, args=(world, old, go_on.wait), daemon=True)
    client.start()
    try:
        world.wait_for("its session", lambda: sql(world, f"SELECT COUNT(*) FROM information_schema.PROCESSLIST WHERE USER = '{old[0]}'") != "0")
        operation = rotate(world)
        world.wait_for("a word about the session", lambda: f"sessions of {old[0]}: 1" in json.dumps(call(world, "GET", f"operations/{operation}")["log"]))
        if enter(world, old) or enter(world, credentials(world)):
            raise Trouble("not both let in while it waits")
    finally:
        go_on.set()
        client.join()
    ended(world, operation)
    if enter(world, old) != 1045:
        raise Trouble("the old user was not dropped")


@test("a consumer that is scaled to 0 is waited for, and both users let in")
def _(world):
    old = credentials(world)
    world.ctl("scale-application", CONSUMER, "0").ok()
    world.wait_status(CONSUMER, "active", "scaled to 0")
    operation = rotate(world)
    waits(world, operation, "is scaled to 0")
    new = credentials(world)
    if new[0] == old[0] or enter(world, old) or enter(world, new):
        raise Trouble("not both let in while it waits")
    world.ctl("scale-application", CONSUMER, "1").ok()
    ended(world, operation)
    if users(world) != [new[0]]:
        raise Trouble(f"there are {users(world)}")


@test("a consumer whose new pods do not come up is waited for, cancelled meanwhile, and gone on with", real="the simulator fails pods by name")
def _(world):
    old = credentials(world)
    world.cluster.ctl("fail-pods", f"{CONSUMER}-*", "ImagePullBackOff")
    operation = rotate(world)
    waits(world, operation, f"{CONSUMER}: ")
    until(lambda: credentials(world)[0] != old[0], "the new user in the Secret")
    world.ctl("cancel-task", operation).ok()
    ended(world, operation, "cancelled")
    if enter(world, old) or enter(world, credentials(world)):
        raise Trouble("not both let in after it was cancelled")
    world.cluster.ctl("clear")
    ended(world, rotate(world))
    world.wait_active()
    if users(world) != [credentials(world)[0]] or enter(world, credentials(world)):
        raise Trouble(f"there are {users(world)}")


@test("the daemon killed in the middle, again and again, while clients connect: none fails, and it ends the same")
def _(world):
    old = credentials(world)
    with Clients(world) as clients:
        operation = rotate(world)
        for turn in (1, 3, 5, 8):
            until(lambda at=turn: len(call(world, "GET", f"operations/{operation}")["turns"]) >= at, f"turn {turn}", seconds=60)
            world.daemon.process.send_signal(signal.SIGKILL)
            world.daemon.process.wait()
            world.daemon.start()
        ended(world, operation)
    clients.none_failed()
    new = credentials(world)
    if users(world) != [new[0]] or enter(world, old) != 1045 or enter(world, new):
        raise Trouble(f"{old[0]} and then {new[0]}; there are {users(world)}")
    world.wait_active()


@test("what cannot be rotated is said")
def _(world):
    world.ctl("run", MYSQL, "rotate-relation-credentials", "relation=nobody").refused('no relation of database is "nobody"', code=1)
    world.ctl("run", MYSQL, "unlock-relation-user").refused("no user of a relation is locked", code=1)
    world.ctl("run", MYSQL, "unlock-relation-user", f"relation={CONSUMER}").refused(f"no user of {CONSUMER} is locked", code=1)
    world.ctl("config", MYSQL, "relation-users=5").refused("relation-users", code=1)
    if ask(world, "SELECT 1")[0]:
        raise Trouble("the database does not answer")


if __name__ == "__main__":
    main()
