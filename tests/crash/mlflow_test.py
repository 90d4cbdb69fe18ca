#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The MLflow bundle deployed through deaths of the daemon: mlflow_test.py BUILD commits|instants

commits   First one deployment whose every life ends after its first commit, one after two, one after three, one after five: a
          life commits what gets it on, or nothing. Then deployments with one death, each after another commit:
          a sample, evenly spread; MOORING_CRASH_ALL=1 takes every commit.
instants  killed at 50 random instants, several in one deployment; MOORING_SEED repeats a run.

The simulator's MySQL and MinIO pods are real servers (tests/scenario/lib/data.py). In the end each deployment must have the same
objects, databases, users, grants, buckets, policies and rows as one without a death; every password opens what it is for,
and has one revision; and nothing that the daemon did itself is in the ledger of drift."""
import os
import random
import sys
import time
from http.client import HTTPException
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scenario"))
from lib.runner import BUNDLE  # noqa: E402
from lib.sim import Sim  # noqa: E402
from lib.world import Trouble, World, until  # noqa: E402
from mlflow_outcome import difference, outcome, seen, settled  # noqa: E402

CHAINS = (1, 2, 3, 5)              # commits in each life of one deployment
LIVES_MAX = 400                 # of one deployment: far more than it has commits
SAMPLES = 6
INSTANTS = (17, 17, 16)         # deaths in each deployment, whose servers take seconds to start
LOG_LINES = 60                  # of each program, when a deployment fails
LIFE_MAX = 1.0                  # seconds; most of what a deployment does between its waits is within


class Deployment:
    """A world, and a person who asks again for what was not acknowledged."""

    def __init__(self, build):
        self.world = World(build, Sim)
        self.daemon = self.world.daemon
        self.world.programs.mooringd = self.world.programs.build / "tests/crash/mooringd-crash"
        self.counter = self.world.folder / "commits"
        self.daemon.environment["MOORING_COMMITS"] = str(self.counter)
        self.deaths = 0

    def __enter__(self):
        self.world.__enter__()
        return self

    def __exit__(self, trouble, *_):
        for log in sorted((self.world.folder / "log").glob("*.log")) if trouble else []:
            tail = log.read_text(errors="replace").splitlines()[-LOG_LINES:]
            print(f"---- {log.name}", *tail, sep="\n", flush=True)
        self.world.close()

    def live(self, commits):
        """Starts the daemon; it dies after that many COMMITS (0: not at all)."""
        self.daemon.environment["MOORING_DIE_AFTER"] = str(commits or sys.maxsize)
        self.daemon.spawn()

    def is_dead(self):
        code = self.daemon.process.poll()
        if code not in (None, -9):
            raise Trouble(f"mooringd ended with {code}:\n{self.daemon.tail(40)}")
        return code is not None

    def revive(self, lives):
        """The next of LIVES, when the last is over."""
        if self.is_dead():
            self.deaths += 1
            if self.deaths > LIVES_MAX:
                raise Trouble(f"not in place after {LIVES_MAX} lives:\n{self.world.ctl('status').out}{self.daemon.tail(40)}")
            self.live(next(lives))

    def ask(self, lives, path, name, *words):
        """Until it is acknowledged, or NAME stands at PATH: who got no answer looks first, because a refusal is a commit too."""
        while True:
            self.revive(lives)
            until(lambda: self.is_dead() or self.answers(), "an answer of mooringd", pause=0.005)
            if self.shows(path, name):
                return
            said = self.world.ctl(*words)
            if said.code == 0:
                return
            until(self.is_dead, f"the end of a daemon that said: {said.err}", seconds=10)

    def answers(self):
        try:
            return self.daemon.answers()
        except Trouble:         # it died while it was asked
            return False

    def shows(self, path, name):
        try:
            return f'"{name}"' in self.daemon.api("GET", path)[1]
        except (OSError, HTTPException):        # it died while it was asked
            return False

    def deploy(self, lives):
        cluster = self.world.cluster
        self.live(next(lives))
        self.ask(lives, "/v1/clusters", cluster.name, "add-cluster", cluster.name, "--kubeconfig", cluster.kubeconfig)
        self.ask(lives, "/v1/models", cluster.model, "add-model", cluster.model, "--cluster", cluster.name)
        self.ask(lives, f"/v1/models/{cluster.model}/status", "mlflow-server", "deploy", BUNDLE)

    def settle(self, lives):
        def done():
            if self.world.cluster.trouble():
                raise Trouble(f"data plane: {self.world.cluster.trouble()}")
            self.revive(lives)
            return settled(self.daemon)
        self.world.wait_for("the bundle to be in place", done, seconds=300)

    def rest(self):
        """The end: one more life without a death ahead, that looks at everything again; and what is there."""
        self.daemon.kill()
        self.live(0)
        self.wait_seen()
        found = outcome(self.world)
        if self.daemon.stop():
            raise Trouble(f"mooringd ended with {self.daemon.process.returncode}:\n{self.daemon.tail(40)}")
        return found

    def wait_seen(self):
        self.world.wait_for("all to be seen in place", lambda: self.answers() and seen(self.world))

    def commits(self):
        return int(self.counter.read_text())


def ever(number):
    while True:
        yield number


def once(number):
    yield number
    yield from ever(0)


def compare(when, wanted, found):
    lines = difference(wanted, found)
    if lines:
        raise Trouble(f"{when}: the outcome differs from that of a deployment without a death:\n  " + "\n  ".join(lines))


def deployed(build, when, lives, wanted):
    """One whole deployment. Returns how often it died."""
    begin = time.monotonic()
    try:
        with Deployment(build) as d:
            d.deploy(lives)
            d.settle(lives)
            compare(when, wanted, d.rest())
            print(f"{when}: {d.deaths} deaths, {time.monotonic() - begin:.1f} s", flush=True)
            return d.deaths
    except Trouble as trouble:
        raise Trouble(f"{when}: {trouble}") from trouble


def without_a_death(build):
    with Deployment(build) as d:
        d.deploy(ever(0))
        d.settle(ever(0))
        commits, found = d.commits(), d.rest()
        d.counter.unlink()
        d.live(0)
        d.wait_seen()
        if d.counter.exists():
            raise Trouble(f"a start on which nothing has changed made {d.commits()} commits:\n{d.daemon.tail(40)}")
        return found, commits


def sample(commits):
    if os.environ.get("MOORING_CRASH_ALL"):
        return list(range(1, commits + 1))
    return sorted({1 + round(i * (commits - 1) / (SAMPLES - 1)) for i in range(SAMPLES)})


def after_commits(build):
    wanted, commits = without_a_death(build)
    chosen = sample(commits)
    print(f"{commits} commits without a death; single deaths after {', '.join(map(str, chosen))}", flush=True)
    deaths = sum(deployed(build, f"every life of {n} commits", ever(n), wanted) for n in CHAINS)
    deaths += sum(deployed(build, f"killed after commit {n}", once(n), wanted) for n in chosen)
    return f"{deaths} deaths after commits"


def killed_at_instants(d, chance, deaths):
    d.deploy(ever(0))
    for _ in range(deaths):
        time.sleep(chance.random() * LIFE_MAX)          # the instant, not a wait for anything
        d.daemon.kill()
        d.live(0)
    d.settle(iter(()))
    return d.rest()


def at_instants(build):
    seed = int(os.environ.get("MOORING_SEED", random.randrange(1 << 30)))
    chance = random.Random(seed)
    wanted, _ = without_a_death(build)
    for run, deaths in enumerate(INSTANTS, 1):
        when = f"seed {seed}, deployment {run}"
        try:
            with Deployment(build) as d:
                compare(when, wanted, killed_at_instants(d, chance, deaths))
        except Trouble as trouble:
            raise Trouble(f"{when}: {trouble}") from trouble
    return f"{sum(INSTANTS)} deaths at random instants of {len(INSTANTS)} deployments, seed {seed}"


def main():
    build, what = sys.argv[1:]
    try:
        said = {"commits": after_commits, "instants": at_instants}[what](build)
    except Trouble as trouble:
        print(f"FAILED {what}: {trouble}")
        return 1
    print(f"ok {what}: {said}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
