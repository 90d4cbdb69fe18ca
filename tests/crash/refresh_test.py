#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Refreshes through deaths of the daemon: refresh_test.py BUILD

A good refresh and its rollback, every life of which ends after its first commit (what it commits gets it on, or nothing), and the same
with two; then a bad one, which must pause at the canary through all of that and never go on. Each must end as one without a
death: the same stage, every pod of the wanted content, one check of the charm's for each canary, and nothing that the daemon did in the ledger of drift."""
import json
import sys
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scenario"))
from lib.sim import Sim  # noqa: E402
from lib.world import Trouble, World, until  # noqa: E402

LIVES_MAX = 300
GOOD, BAD, FIRST = "registry.example/pause:2", "registry.example/bad:1", "registry.example/pause:1"


class Lives:
    """A world whose daemon dies after each N commits, 0: never, from begin() on."""

    def __init__(self, build):
        self.world = World(build, Sim)
        self.daemon = self.world.daemon
        self.daemon.test_charms = ["staged"]
        self.daemon.options = ["--refresh-gate-period=200ms"]
        self.world.programs.mooringd = self.world.programs.build / "tests/crash/mooringd-crash"
        self.commits = self.deaths = 0

    def __enter__(self):
        self.world.__enter__()
        self.live()
        self.world.cluster.make_known(self.world)
        self.world.ctl("deploy", "staged").ok()
        self.world.wait_active()
        return self

    def __exit__(self, *_):
        self.world.close()

    def live(self):
        self.daemon.environment["MOORING_DIE_AFTER"] = str(self.commits or sys.maxsize)
        self.daemon.spawn()
        until(lambda: self.is_dead() or self.answers(), "an answer of mooringd", pause=0.005)

    def is_dead(self):
        code = self.daemon.process.poll()
        if code not in (None, -9):
            raise Trouble(f"mooringd ended with {code}:\n{self.daemon.tail(40)}")
        return code is not None

    def answers(self):
        try:
            return self.daemon.answers()
        except Trouble:         # it died while it was asked
            return False

    def begin(self, commits):
        self.daemon.stop()
        self.commits = commits
        self.live()

    def end(self):
        if not self.is_dead():
            self.daemon.kill()
        self.commits = 0
        self.live()

    def revive(self):
        if self.is_dead():
            self.deaths += 1
            if self.deaths > LIVES_MAX:
                raise Trouble(f"not over after {LIVES_MAX} lives:\n{self.daemon.tail(40)}")
            self.live()

    def row(self):
        rows = self.daemon.rows("SELECT stage, paused FROM refresh")
        return rows[0] if rows else (None, None)

    def ask(self, stages, *words):
        """Until the row says that it was taken."""
        while self.row()[0] not in stages:
            self.revive()
            self.world.ctl(*words)

    def until_row(self, what, question):
        def there():
            self.revive()
            return question(self.row())
        until(there, what, seconds=240)

    def images(self):
        found = {}
        for pod in self.world.cluster.kube.list("pods", self.world.cluster.model):
            if "deletionTimestamp" not in pod["metadata"]:
                found[pod["metadata"]["name"]] = pod["spec"]["containers"][0]["image"]
        return found

    def check(self, when, wanted):
        self.end()
        self.world.wait_for("all to be seen", lambda: self.answers() and self.world.ctl("status").code == 0)
        found = sorted(self.images().values())
        if found != sorted(wanted):
            raise Trouble(f"{when}: pods have {found}, wanted {sorted(wanted)}")
        # A daemon that died between an apply that gave fields up and its row cannot tell that the defaults in their place are its own.
        drift = [line for line in json.loads(self.world.ctl("drift", "--format", "json").ok().out)["drift"]
                 if not line["action"].endswith("with a change of ours")]
        if drift:
            raise Trouble(f"{when}: drift that nobody made: {drift}")


def good(lives, commits):
    lives.begin(commits)
    lives.ask(("canary", "rest", "done"), "refresh", "staged", "--resource", f"image={GOOD}")
    lives.until_row("the refresh to be over", lambda row: row[0] == "done")
    lives.end()
    lives.world.wait_active()
    lives.check(f"a good refresh, lives of {commits} commits", [GOOD] * 6)
    lives.begin(commits)
    lives.ask(("rollback", "rolled-back"), "rollback", "staged", "--accept-data-loss")
    lives.until_row("the rollback to be over", lambda row: row[0] == "rolled-back")
    lives.end()
    lives.world.wait_active()
    lives.check(f"a rollback, lives of {commits} commits", [FIRST] * 6)


def bad(lives, commits):
    lives.world.cluster.ctl("fail-pods", f"image={BAD}", "ImagePullBackOff")
    lives.begin(commits)
    lives.ask(("canary",), "refresh", "staged", "--resource", f"image={BAD}")
    lives.until_row("the refresh to pause", lambda row: row == ("canary", row[1]) and row[1])
    lives.end()
    lives.world.wait_status("staged", "blocked", "is paused in its canary")
    # The StatefulSet has its canary in the place of its last pod, the Deployment beside its own.
    lives.check(f"a bad refresh, lives of {commits} commits", [FIRST] * 5 + [BAD] * 2)
    lives.world.ctl("rollback", "staged", "--accept-data-loss").ok()
    lives.world.wait_active()
    lives.check("the rollback of it", [FIRST] * 6)


def main():
    begin = time.monotonic()
    try:
        with Lives(sys.argv[1]) as lives:
            for commits in (1, 2):
                good(lives, commits)
            bad(lives, 1)
            checks = lives.daemon.rows("SELECT status, count(*) FROM operation GROUP BY status")
            if checks != [("completed", 2)]:
                raise Trouble(f"checks of two good canaries: {checks}")
    except Trouble as trouble:
        print(f"FAILED refresh: {trouble}")
        return 1
    print(f"ok refresh: {lives.deaths} deaths, {time.monotonic() - begin:.1f} s")
    return 0


if __name__ == "__main__":
    sys.exit(main())
