#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The actions of a primary and its replica, killed in the middle: replicas_test.py BUILD [ACTION...]

Two of MySQL's own servers behind the simulator's pods. promote-to-primary goes to and fro; for fail-over the primary is dead, and what comes
back is taken in by rejoin-replica or replace-replica; upgrade goes from one image to another. Killed are

commit      the daemon, gone after its Nth commit, and
before      before its Nth: what a step asked for was done, and nobody noted that
worker      the charm's workers, at the Nth turn
replica     the server that is switched to (or taken in, or the replica of what is upgraded), at the Nth turn
primary     the other one, at the Nth turn (only where it lives)

With the daemon or a worker gone, each ends as without. Where a server goes away, an action may say that it could not; then it is run once more.
In the end one server takes writes and the Service leads there, the other follows, and no row that was acknowledged is missing.
A sample of the points; with an ACTION, each one of it, which takes a quarter of an hour or more."""
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
for folder in ("scenario", "crash"):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1] / folder))
from lib import data, operations, upgrades  # noqa: E402
from lib.services import MYSQL  # noqa: E402
from lib.world import Trouble, until  # noqa: E402
from charms_test import LIVE, MANY, Kills, kill_workers, wait_turn  # noqa: E402
import test_replicas as two  # noqa: E402

APPROVED = ("fail-over", "replace-replica")


class Pair(Kills):
    """The two servers, what was written to them, and what the next action of a name is to live through."""

    def __init__(self, build):
        super().__init__(build)
        self.rows, self.aims, self.died = 0, {}, 0

    def primary(self):
        return (MYSQL, two.SECOND).index(two.leads_to(self.world))

    def write(self):
        """Acknowledged by the primary."""
        two.write(self.world, self.primary(), f"row {self.rows + 1}")
        self.rows += 1

    def is_whole(self):
        try:
            here = [two.writable(self.world, unit) for unit in (0, 1)]
            counts = [two.sql(self.world, unit, "SELECT COUNT(DISTINCT what) FROM shop.orders") for unit in (0, 1)]
        except Trouble:         # a server starts again
            return False
        return here == [unit == self.primary() for unit in (0, 1)] and counts == [str(self.rows + 1)] * 2

    def check(self, primary):
        """One that takes writes, and one that follows and has all rows."""
        self.world.wait_for(f"one primary, and a replica that has {self.rows + 1} rows", self.is_whole, 120)
        if self.primary() != primary:
            raise Trouble(f"the primary is {self.primary()}, not {primary}")
        self.world.wait_status(MYSQL, "active", f"{MYSQL}/{primary} is the primary", f"{MYSQL}/{1 - primary} replicates", seconds=120)

    def wait_for_servers(self):
        for pod in two.PODS:
            if pod not in self.world.cluster.data.held:
                until(lambda p=pod: two.ask(self.world, two.PODS.index(p), "SELECT 1")[0] == 0, f"the server of {pod}", seconds=120)


class Run:
    """One action on one unit."""

    def __init__(self, kills, name, unit, **params):
        self.kills, self.name, self.unit, self.params = kills, name, unit, params
        self.operation = None

    def __str__(self):
        return f"{self.name} of {MYSQL}/{self.unit}"

    def begin(self):
        on = {} if self.name == "upgrade" else {"unit": f"{MYSQL}/{self.unit}"}
        path, body = f"applications/{MYSQL}/actions/{self.name}", {"params": self.params} | on
        asked = operations.ASKED if self.name in APPROVED else None
        self.operation = self.kills.send("POST", path, body, by=asked)["operation"]
        if asked:
            self.kills.send("POST", f"operations/{self.operation}/approve", by=operations.APPROVED)

    def turns(self):
        return len(self.kills.show(self.operation)["turns"])

    def ended(self):
        found = self.kills.show(self.operation)
        return found if found["status"] not in LIVE else None

    def once(self, kill):
        if kill:
            kill.before(self.kills)
        self.begin()
        if kill:
            kill.during(self)
        return self.kills.world.wait_for(f"the end of {self}", self.ended, 180)

    def is_done(self):
        return self.once(None)["status"] == "completed"

    def to_the_end(self):
        """Completed; where a server was killed, perhaps at another try. How many turns it took."""
        kill = self.kills.aims.pop(self.name, None)
        self.kills.deaths = 0
        found = self.once(kill)
        self.kills.died += self.kills.deaths
        if isinstance(kill, Daemon):            # nobody is to die later
            self.kills.daemon.stop()
            self.kills.start()
            until(self.kills.alive, "the daemon's socket", seconds=120)
        if found["status"] != "completed" and not isinstance(kill, Server):
            raise Trouble(f"{self}: {found['status']}: {found['message']}\n{self.kills.world.ctl('status').out}")
        if found["status"] != "completed":
            self.kills.wait_for_servers()
            until(self.is_done, f"{self}, which said at first: {found['message']}", seconds=60, pause=2)
        return len(found["turns"])


# ---- rounds: from a primary and its replica to the same, and the other is the primary. How many turns each action took

def switch(kills):
    primary = kills.primary()
    kills.write()
    turns = Run(kills, "promote-to-primary", 1 - primary).to_the_end()
    kills.write()
    kills.check(1 - primary)
    return {"promote-to-primary": turns}


def lose(kills, back):
    """The primary dies, and BACK takes it in again."""
    primary = kills.primary()
    kills.write()
    kills.check(primary)
    two.hold(kills.world, primary)
    turns = {"fail-over": Run(kills, "fail-over", 1 - primary, force=True).to_the_end()}
    kills.world.wait_for("the Service to move", lambda: kills.primary() == 1 - primary, 60)
    kills.world.wait_for("the new primary to be open", lambda: two.writable(kills.world, 1 - primary), 60)
    kills.write()
    kills.world.cluster.data.held.clear()
    kills.wait_for_servers()
    turns[back] = Run(kills, back, primary).to_the_end()
    kills.write()
    kills.check(1 - primary)
    return turns


def lose_and_rejoin(kills):
    return lose(kills, "rejoin-replica")


def lose_and_replace(kills):
    return lose(kills, "replace-replica")


def change_version(kills):
    """To another image, which says it is a later one than what runs."""
    kills.write()
    if kills.primary() != 0:
        switch(kills)
    new = next(image for image in (upgrades.later(kills.world, more) for more in (1, 2)) if image != two.images(kills.world)[0])
    turns = Run(kills, "upgrade", 1, image=new, watch=1).to_the_end()
    if two.images(kills.world) != [new, new] or upgrades.option(kills.world, "maintenance") != "false":
        raise Trouble(f"{two.images(kills.world)}, not {new}")
    kills.write()
    kills.check(0)
    return {"upgrade": turns}


ACTIONS = {"upgrade": change_version, "promote-to-primary": switch, "fail-over": lose_and_rejoin, "rejoin-replica": lose_and_rejoin, "replace-replica": lose_and_replace}


# ---- what is killed

class Daemon:
    def __init__(self, how, number):
        self.how, self.number = how, number

    def __str__(self):
        return f"{self.how} {self.number}"

    def before(self, kills):
        kills.daemon.stop()
        kills.start(**{self.how: self.number})

    def during(self, run):
        pass


class Worker:
    def __init__(self, number):
        self.number = number

    def __str__(self):
        return f"worker killed at turn {self.number}"

    def before(self, kills):
        pass

    def during(self, run):
        kill_workers(run, self.number)


class Server(Worker):
    """Of the action's unit, or the other one."""

    def __init__(self, number, other):
        super().__init__(number)
        self.other = other

    def __str__(self):
        return f"{'the other' if self.other else 'its'} server killed at turn {self.number}"

    def during(self, run):
        wait_turn(run, self.number)
        run.kills.world.cluster.data.kill(two.PODS[run.unit ^ self.other])


SAMPLE = (
    (switch, {"promote-to-primary": Daemon("MOORING_DIE_AFTER", 5)}),
    (switch, {"promote-to-primary": Daemon("MOORING_DIE_BEFORE", 8)}),
    (switch, {"promote-to-primary": Server(4, False)}),
    (lose_and_rejoin, {"fail-over": Daemon("MOORING_DIE_AFTER", 4), "rejoin-replica": Daemon("MOORING_DIE_BEFORE", 6)}),
    (change_version, {"upgrade": Daemon("MOORING_DIE_AFTER", 30)}),
    (lose_and_replace, {"fail-over": Worker(3), "replace-replica": Daemon("MOORING_DIE_AFTER", 9)}),
)


def killed(kills, turn_over, aims):
    kills.aims = dict(aims)
    said = ", ".join(f"{name} with {kill}" for name, kill in aims.items())
    begun, kills.died = time.monotonic(), 0
    try:
        turn_over(kills)
    except Trouble as trouble:
        raise Trouble(f"{said}: {trouble}") from None
    if any(isinstance(kill, Daemon) for kill in aims.values()) and not kills.died:
        return False
    print(f"ok {said} ({time.monotonic() - begun:.1f} s)", flush=True)
    return True


def sample(kills):
    for turn_over, aims in SAMPLE:
        if not killed(kills, turn_over, aims):
            raise Trouble(f"{aims}: the daemon did not die: so many commits there are no more")
    return len(SAMPLE)


def every_kill(kills, name):
    turns, count = ACTIONS[name](kills)[name], 0
    for how in ("MOORING_DIE_AFTER", "MOORING_DIE_BEFORE"):
        for number in range(1, MANY):
            if not killed(kills, ACTIONS[name], {name: Daemon(how, number)}):
                break
            count += 1
    for number in range(1, turns + 1):
        for kill in [Worker(number), Server(number, False), *([Server(number, True)] if name != "fail-over" else [])]:
            count += killed(kills, ACTIONS[name], {name: kill})
    return count


def prepare(kills):
    world = kills.world
    kills.start()
    until(kills.alive, "the daemon's socket", seconds=120)
    world.cluster.make_known(world)
    two.pair(world)
    two.write(world, 0, "before")
    kills.check(0)


def main():
    passed = failed = 0
    if not data.use_mysql():
        print("skipped: MySQL's own server is not there (tools/peers build)")
        return 77
    for name in sys.argv[2:] or [None]:
        try:
            with Pair(sys.argv[1]) as kills:
                prepare(kills)
                passed += every_kill(kills, name) if name else sample(kills)
        except Trouble as trouble:
            failed += 1
            print(f"FAILED {trouble}", flush=True)
    print(f"{passed} passed, {failed} failed")
    return 1 if failed or not passed else 0


if __name__ == "__main__":
    sys.exit(main())
