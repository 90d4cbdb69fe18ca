#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every action of the real charms, with what it stands on killed in the middle: charms_test.py BUILD [ACTION or APPLICATION:ACTION]...

The MLflow bundle with an s3-integrator and a bucket for backups, one for copies and one for pairs, on real servers behind the simulator's pods. Which actions there are is asked of the daemon, so
that one that a charm gains is killed too. Each is run once without a kill, which tells what there is in the end, and then with

commit      the daemon gone after its Nth commit, and
before      before its Nth: what a step asked for was done, and nobody noted that
worker      the charm's workers, stopped at the Nth turn and then killed: inside of a step
pod         the database server, at the Nth turn
store       the object store, at the Nth turn (only with MOORING_CRASH_ALL)
api         the API server, at the Nth turn: its connections break, and it is away for a moment

It has to end as it did, with the same databases, users, rows, passwords, objects in the bucket and secrets, and nothing made twice. A sample of the points: of each
action one commit, one before a commit, and one turn, at which each action has another of the rest killed; MOORING_CRASH_ALL=1 takes every one."""
import itertools
import json
import os
import re
import signal
import sys
import time
from http.client import HTTPException
from pathlib import Path

sys.dont_write_bytecode = True
for folder in ("scenario", "crash"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / folder))
from lib import backups, operations, person  # noqa: E402
from lib.runner import Skip  # noqa: E402
from lib.services import MINIO, MYSQL, ask, root_password, sql, store  # noqa: E402
from lib.world import Trouble, until  # noqa: E402
from mlflow_test import Deployment  # noqa: E402
import test_minio as copies  # noqa: E402
import test_mlflow as pairs  # noqa: E402
import test_mysql_upgrade as versions  # noqa: E402

ALL = bool(os.environ.get("MOORING_CRASH_ALL"))
SAMPLE = {"MOORING_DIE_AFTER": (3,), "MOORING_DIE_BEFORE": (4,)}       # of an action of two commits or more: the last may be none of it
GIVEN = {"rotate-relation-credentials": {"quiet": 1, "watch": 0}, "drop-relation-user": {"now": True, "force": True}}    # else it would take a day
GIVEN["upgrade"] = {"watch": 1}                                 # of MySQL; that of MLflow has none
UPGRADED = ("check-rollback", "rollback")                      # these need an upgrade before
SELDOM = ("check-rollback", "pre-upgrade-check", "rollback")    # of MySQL: steps of upgrade again, or half a minute for each kill
ALIKE = ("check-rollback", "create-backup", "list-backups", "rollback", "verify-backup")       # of mlflow-server: steps of restore and upgrade again
LOCKED = ("drop-relation-user", "unlock-relation-user")         # these need a user that is locked
REPLICAS = ("fail-over", "get-cluster-status", "promote-to-primary", "rejoin-replica", "replace-replica")     # of MySQL: here are MariaDB's servers, one each
MANY = 100              # commits of one action: more means that it never comes to rest
# A log is shipped again under its name, and a server that was killed begins another one.
OBJECT = re.compile("<Key>(?![^<]*/binlogs/)")
LIVE = ("pending", "running")
MADE = ("secret", "secret_revision", "operation", "audit WHERE what = 'run' AND outcome = 'done'", "resource", "want", "schedule")


class Kills(Deployment):
    """A deployment whose daemon dies, and that is asked until it answers."""

    def __init__(self, build):
        super().__init__(build)
        # Hundreds of rotations in a few minutes: each lets go of a user and a grant.
        self.daemon.options = ["--poll-period", "2s", "--limit-delete-most", "100000"]
        self.requests = 0

    def start(self, **die):
        for name in ("MOORING_DIE_AFTER", "MOORING_DIE_BEFORE"):
            self.daemon.environment.pop(name, None)
        self.daemon.environment |= {name: str(number) for name, number in die.items()}
        self.daemon.spawn()

    def alive(self):
        """It answers; the dead one is started again, and then does not die."""
        if self.is_dead():
            self.deaths += 1
            self.start()
        try:
            return self.daemon.answers()
        except Trouble:         # it died while it was asked
            return False

    def send(self, method, path, body=None, by=None):
        """Until it is answered: the same request under the same key. BY: who logged in."""
        self.requests += 1
        key = {"Idempotency-Key": f"kills-{self.requests}"}
        path = f"/v1/models/{self.world.cluster.model}/{path}"
        while True:
            until(self.alive, "an answer of mooringd", seconds=120, pause=0.01)
            try:
                code, text = person.call(self.world, by, method, path, body, key) if by else self.daemon.api(method, path, body, key)
            except (OSError, HTTPException, RuntimeError):      # it died while it was asked
                continue
            if code >= 300:
                raise Trouble(f"{method} {path}: {code} {text}")
            return json.loads(text)

    def show(self, operation):
        return self.send("GET", f"operations/{operation}")

    def status(self):
        return self.send("GET", "status")["applications"]

    def settled(self):
        return all(a["settled"] and not a.get("actions") and a["application-status"]["current"] == "active" for a in self.status().values())

    def rest(self):
        self.world.wait_for("rest", self.settled, 180)

    def actions(self):
        """(application, action, what charm.yaml says of it)"""
        for app in sorted(set(self.status()) - {copies.S3, pairs.S3}):      # of one charm with the other
            for name, action in sorted(self.send("GET", f"applications/{app}/actions")["actions"].items()):
                yield app, name, action

    def made(self):
        return [self.daemon.rows(f"SELECT count(*) FROM {what}")[0][0] for what in MADE]


def sums(world):
    return backups.sums(world).splitlines() + sql(world, "CHECKSUM TABLE mlflow.runs, mlflow.model_versions, mlflow.alembic_version").splitlines()


class Run:
    """One action, from what is there before it to what is there in the end."""

    def __init__(self, kills, app, name, action):
        self.kills, self.world = kills, kills.world
        self.app, self.name, self.action = app, name, action
        self.operation = None

    def __str__(self):
        return f"{self.name} of {self.app}"

    def known(self):
        return {"access-key": lambda: operations.keys(self.world)["access-key"], "secret-key": lambda: operations.keys(self.world)["secret-key"],
                 "backup-id": lambda: self.kills.pair if self.app == pairs.SERVER else self.kills.backup, "force": lambda: True,
                 "image": self.another_image}

    def another_image(self):
        if self.app == MYSQL:
            return versions.later(self.world, 2 if versions.image(self.world) == versions.later(self.world) else 1)
        return pairs.NEXT if pairs.image(self.world) == pairs.OTHER else pairs.OTHER

    def given(self):
        return GIVEN.get(self.name, {}) if self.name != "upgrade" or self.app == MYSQL else {}

    def params(self):
        """What it cannot be run without."""
        known = self.known()
        needed = self.action["params"].get("required", []) + (["force"] if self.action["destructive"] else [])
        if set(needed) - set(known):
            raise Trouble(f"{self}: this test does not know its parameters {set(needed) - set(known)}")
        moment = {"restore-to-time": "latest"} if (self.app, self.name) == (MYSQL, "restore") else {}         # with all that a plain one does
        return self.given() | moment | {name: known[name]() for name in needed}

    def prepare(self):
        """What it works on, with a daemon that nobody kills."""
        if self.name in UPGRADED and not self.world.ctl("config", self.app, "upgraded-from").ok().out.strip():
            path = f"applications/{self.app}/actions/upgrade"
            watch = GIVEN["upgrade"] if self.app == MYSQL else {}
            operation = self.kills.send("POST", path, {"params": {"image": self.another_image()} | watch})["operation"]
            self.world.wait_for("an upgrade", lambda: self.kills.show(operation)["status"] == "completed", 180)
            self.kills.rest()
        if self.name in LOCKED:
            operation = self.kills.send("POST", f"applications/{self.app}/actions/rotate-relation-credentials", {"params": {"quiet": 0}})["operation"]
            self.world.wait_for("a locked user", lambda: self.kills.show(operation)["status"] == "completed", 180)
            self.kills.rest()
        return self

    def begin(self):
        path = f"applications/{self.app}/actions/{self.name}"
        if not self.action["destructive"]:
            self.operation = self.kills.send("POST", path, {"params": self.params()})["operation"]
            return
        self.operation = self.kills.send("POST", path, {"params": self.params()}, by=operations.ASKED)["operation"]
        self.kills.send("POST", f"operations/{self.operation}/approve", by=operations.APPROVED)

    def turns(self):
        return len(self.kills.show(self.operation)["turns"])

    def ended(self):
        found = self.kills.show(self.operation)
        return found if found["status"] not in LIVE else None

    def end(self):
        return self.world.wait_for(f"the end of {self}", self.ended, 180)

    def listing(self, bucket=backups.BUCKET):
        try:
            code, text = store(self.world, "GET", f"/{bucket}")
        except OSError:         # it starts again
            return None
        return text if code == 200 else None

    def outside(self):
        """All that an action may make, where that is counted or compared."""
        listed = self.world.wait_for("the object store", self.listing)
        copied = "".join(self.world.wait_for("the copies", lambda b=bucket: self.listing(b)) for bucket in (copies.COPIES, pairs.BUCKET))
        users = sql(self.world, "SELECT User, Host FROM mysql.user ORDER BY 1, 2")
        return {"users": re.sub(r"relation-(\d+)-\d+_", r"relation-\1-N_", users).splitlines(),         # each rotation has a user more
                "databases": sql(self.world, "SHOW DATABASES").splitlines(), "rows": sums(self.world),
                "writable": backups.writable(self.world), "objects": len(OBJECT.findall(listed)) + copied.count("<Key>")}

    def outcome(self, found, before, password):
        after, now = self.outside(), self.kills.made()
        new = root_password(self.world)
        return {"status": found["status"], "message": found["message"], "results": sorted(found["results"]),
                "open turns": [t["seq"] for t in found["turns"] if not t["outcome"]], "turns": [t["seq"] for t in found["turns"]],
                "made": [b - a for a, b in zip(before["made"], now)], "objects": after["objects"] - before["objects"],
                "password": (new != password, ask(self.world, "SELECT 1", password=new)[0], ask(self.world, "SELECT 1", password=password)[0] == 0),
                **{name: after[name] for name in ("users", "databases", "rows", "writable")}}

    def whole(self, act=None):
        """The outcome; ACT(self) is called once it runs."""
        if self.action["destructive"]:
            (pairs if self.app == pairs.SERVER else backups).harm(self.world)
        if self.name == "mirror-buckets":
            copies.forget(self.world)
        before, password = self.outside() | {"made": self.kills.made()}, root_password(self.world)
        self.begin()
        if act:
            act(self)
        found = self.end()
        self.kills.rest()
        result = self.outcome(found, before, password)
        if self.action["destructive"]:          # what it is to give back
            result["rows"] = result["rows"] == self.kills.rows
        if self.name == "rotate-root-key":      # which the backups go by
            for app in (backups.S3, copies.S3, pairs.S3):
                keys = {"params": operations.keys(self.world)}
                operation = self.kills.send("POST", f"applications/{app}/actions/sync-s3-credentials", keys)["operation"]
                self.world.wait_for(f"the keys of {app}", lambda o=operation: self.kills.show(o)["status"] == "completed", 180)
            self.kills.rest()
        return result


# ---- what is killed

def wait_turn(run, number):
    until(lambda: run.ended() or run.turns() >= number, f"turn {number} of {run}", seconds=120, pause=0.005)


def children(pid):
    found = []
    for task in Path(f"/proc/{pid}/task").glob("*/children"):
        found += [int(child) for child in task.read_text().split()]
    return found


def signal_all(pids, number):
    for pid in pids:
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass


def kill_workers(run, number):
    """Stopped before the turn's answer comes, so that the step's next call finds them so, and then killed."""
    wait_turn(run, number)
    workers = children(run.kills.daemon.process.pid)
    signal_all(workers, signal.SIGSTOP)
    until(lambda: run.ended() or all(t["outcome"] for t in run.kills.show(run.operation)["turns"][:number]), f"the end of turn {number}", seconds=120)
    signal_all(workers, signal.SIGKILL)


def kill_pod(run, number):
    wait_turn(run, number)
    before = root_password(run.world)
    run.world.cluster.data.kill(f"{MYSQL}-0")

    def there():                # with the password of before, or the one that set-password has made meanwhile
        return any(ask(run.world, "SELECT 1", password=p)[0] == 0 for p in (before, root_password(run.world)))
    until(there, "the database server", seconds=120)


def kill_store(run, number):
    wait_turn(run, number)
    run.world.cluster.data.kill(f"{MINIO}-0")


def kill_api(run, number):
    wait_turn(run, number)
    run.world.cluster.server_down()
    run.world.cluster.server_up()


AT_TURNS = {"worker": kill_workers, "pod": kill_pod, "api": kill_api} | ({"store": kill_store} if ALL else {})


def compare(run, when, wanted, found):
    # A new server that goes away before it has passed its gate has not passed it.
    if run.app == MYSQL and run.name == "upgrade" and when.startswith("pod") and found["status"] == "failed":
        wanted = {name: wanted[name] for name in ("users", "databases", "rows", "writable")}
    differ = [f"{name}: {found[name]}, without a kill: {wanted[name]}" for name in wanted
              if found[name] != wanted[name] and not (name == "turns" and len(found[name]) >= len(set(found[name])))]
    if differ:
        last = json.dumps(run.kills.show(run.operation), indent=1)
        raise Trouble(f"{run}, {when}:\n  " + "\n  ".join(differ) + f"\n{last}")


def commits(kills, app, name, action, wanted):
    """Killed after, and before, each commit. Returns how often it died."""
    died = 0
    for how in ("MOORING_DIE_AFTER", "MOORING_DIE_BEFORE"):
        points = range(1, MANY) if ALL else SAMPLE[how]
        for number in points:
            run = Run(kills, app, name, action).prepare()
            kills.daemon.stop()
            kills.deaths = 0
            kills.start(**{how: number})
            compare(run, f"{how} {number}", wanted, run.whole())
            died += kills.deaths
            if not kills.deaths:
                break
    return died


def at_turns(kills, app, name, action, wanted):
    turns, done = len(wanted["turns"]), 0
    for what, kill in AT_TURNS.items() if ALL else [next(kills.sorts)] if turns else []:
        for number in range(1, turns + 1) if ALL else [(turns + 1) // 2] if turns else []:
            run = Run(kills, app, name, action).prepare()
            compare(run, f"{what} killed at turn {number}", wanted, run.whole(lambda r, n=number, k=kill: k(r, n)))
            done += 1
    return done


def one(kills, app, name, action):
    begin = time.monotonic()
    wanted = Run(kills, app, name, action).prepare().whole()
    if wanted["objects"]:       # a verdict is written over the one before
        wanted = Run(kills, app, name, action).prepare().whole()
    if wanted["status"] != "completed" or wanted["open turns"] or wanted["rows"] is False:
        raise Trouble(f"{name} of {app}: {wanted}")
    died = commits(kills, app, name, action, wanted)
    killed = at_turns(kills, app, name, action, wanted)
    print(f"ok {name} of {app}: {len(wanted['turns'])} turns; the daemon died {died} times, {killed} other kills, the same each time "
          f"({time.monotonic() - begin:.1f} s)", flush=True)


def prepare(kills):
    world = kills.world
    kills.start()
    until(kills.alive, "the daemon's socket", seconds=120)
    world.cluster.make_known(world)
    backups.backup(world)
    backups.fill(world)
    copies.relate_copies(world)
    copies.put(world)
    pairs.relate(world)
    pairs.prepare(world)
    pairs.log_run(world, "kept")
    kills.pair = pairs.create(world)["backup-id"]
    operations.done(world, operations.run(world, MYSQL, "ship-binlogs"))         # for the backup's place in them
    kills.backup = backups.create(world)["backup-id"]
    sql(world, "INSERT INTO `of mine`.accounts (name, d) VALUES ('after the backup', 1)")         # which only the logs have
    operations.done(world, operations.run(world, MYSQL, "ship-binlogs"))
    kills.rows = sums(world)
    kills.sorts = itertools.cycle(AT_TURNS.items())
    kills.rest()


def main():
    failed = passed = 0
    with Kills(sys.argv[1]) as kills:
        prepare(kills)
        for app, name, action in list(kills.actions()):
            if sys.argv[2:] and not {name, f"{app}:{name}"} & set(sys.argv[2:]) or not (ALL or sys.argv[2:]) and name in {pairs.SERVER: ALIKE, MYSQL: SELDOM}.get(app, ()):
                continue
            try:
                if app == MYSQL and name in REPLICAS:
                    raise Skip("replicas_test.py kills it, on two of MySQL's own servers")
                if action["destructive"] and person.call(kills.world, operations.ASKED, "GET", "/v1/info") is None:
                    raise Skip("nobody can be said to have logged in here")
                one(kills, app, name, action)
                passed += 1
            except Skip as why:
                print(f"ok {name} of {app} # SKIP {why}", flush=True)
            except Trouble as trouble:
                failed += 1
                print(f"FAILED {trouble}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
