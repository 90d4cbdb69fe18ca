# SPDX-License-Identifier: Apache-2.0
"""Runs the tests of one topic: PROGRAM --build DIR [--real|--mysql] [TEXT]...

    @test("an edited field is put back")
    def _(world): ...

Tests of a file share a world in which the MLflow bundle is active, and leave it so; those marked shares=deploy share one in which that function has
deployed something else, whose model has the function's name. One marked fresh=True gets a world of its own, without the bundle,
in which the model has another name (world.cluster.model), for there is one real cluster. real="why": only the simulator can do this;
sim="why": only the real peers; seldom="why": on them only with
MOORING_SCENARIO_ALL=1, for it takes long, and the simulator shows the same. TEXT: only tests with that in their title. A test that
fails costs the shared world: the next one begins with a new one. The last line is "N passed, N failed, N skipped".
"""
import argparse
import importlib
import os
import signal
import sys
import time
import traceback
from contextlib import contextmanager

from . import data, real, sim
from .world import ROOT, Trouble, World

BUNDLE = ROOT / "examples" / "bundle-mlflow.yaml"
APPS = ("mlflow-minio", "mlflow-mysql", "mlflow-server")
SIMULATED = "half a minute, and the simulator shows the same each time"      # why a test is seldom
TESTS = []
LOG_LINES = 40          # of the daemon's log that are shown with a failure
POLL = "2s"             # how often databases and buckets are looked at; 30 s by default
FIGHT = "100ms"         # how long the repair of a field that is fought over waits: tests damage the same one again and again; 30 s and more by default
GATE = "500ms"          # how long the canary of a refresh is well before the rest follows; 1m by default


class Skip(Exception):
    """This cannot be tested here; the text says why."""


def test(title, **how):
    for place in ("real", "sim", "seldom"):
        if not isinstance(how.get(place, ""), str):
            raise TypeError(f"{title}: {place} must be the reason why it is not for there")

    def keep(function):
        TESTS.append((title, function, how))
        return function
    return keep


def shared():
    """The folder of larger cases that a clone does not have."""
    for path in (os.environ.get("MOORING_SHARED"), ROOT.parent / "shared"):
        if path and os.path.isdir(path):
            return path
    raise Skip("no ../shared and no MOORING_SHARED")


def mlflow(world):
    world.ctl("deploy", BUNDLE).ok()


class Worlds:
    """The shared one, made when it is first wanted, and again when another one was wanted meanwhile."""

    def __init__(self, options):
        self.options, self.common, self.holds, self.count = options, None, None, 0

    def fresh(self, start=True, model=None):
        self.count += 1
        world = World(self.options.build, real.Real if self.options.real else sim.Sim, model=model or f"fresh-{self.count}")
        world.daemon.options = ["--poll-period", POLL, f"--refresh-gate-period={GATE}",
                                f"--fight-delay={FIGHT}", f"--fight-delay-max={FIGHT}"]
        world.daemon.test_charms = ["kinds", "acting", "sealed", "certified", "staged", "dialling"]
        world.__enter__()
        try:
            if start:
                world.daemon.start()
                world.cluster.make_known(world)
        except BaseException:
            world.close()
            raise
        return world

    def deployed(self, deploy):
        if self.common and self.holds is not deploy:
            self.drop()
        if not self.common:
            self.common, self.holds = self.fresh(model=deploy.__name__), deploy
            with told_by(self.common):
                deploy(self.common)
                self.common.wait_active()
        return self.common

    def drop(self):
        if self.common:
            self.common.close()
            self.common = None


@contextmanager
def told_by(world):
    """A failure comes with what the cluster itself says of its pods, and the end of the daemon's log."""
    try:
        yield
    except Trouble as trouble:
        raise Trouble(f"{trouble}\n{world.cluster.told()}\n{world.daemon.tail(LOG_LINES)}") from None


def run(worlds, function, how):
    if "fresh" not in how:
        world = worlds.deployed(how.get("shares", mlflow))
        with told_by(world):
            return function(world)
    world = worlds.fresh(start=how["fresh"] != "bare")
    try:
        with told_by(world):
            return function(world)
    finally:
        world.close()


def why_not(options, how):
    why = how.get("real" if options.real else "sim")
    return why or (how.get("seldom") if options.real and not os.environ.get("MOORING_SCENARIO_ALL") else None)


def one(worlds, number, title, function, how):
    """"ok", "failed" or "skipped"; prints the line."""
    begin, why = time.monotonic(), why_not(worlds.options, how)
    try:
        if why:
            raise Skip(why)
        run(worlds, function, how)
    except Skip as skip:
        print(f"ok {number} - {title} # SKIP {skip}", flush=True)
        return "skipped"
    except (Trouble, RuntimeError, OSError, LookupError, TypeError, ValueError) as trouble:
        print(f"not ok {number} - {title}", flush=True)
        text = str(trouble) if isinstance(trouble, Trouble) else traceback.format_exc()
        print("".join(f"  {line}\n" for line in text.splitlines()), flush=True)
        worlds.drop()
        return "failed"
    print(f"ok {number} - {title} ({time.monotonic() - begin:.1f} s)", flush=True)
    return "passed"


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    parser.add_argument("--real", action="store_true")
    parser.add_argument("--mysql", action="store_true")
    parser.add_argument("--topics", type=lambda text: text.split(","), default=[])
    parser.add_argument("only", nargs="*")
    options = parser.parse_args()
    for topic in options.topics:
        importlib.import_module(f"test_{topic}")                        # which registers its tests, in this order
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))             # what runs is ended on the way out
    if options.mysql and not data.use_mysql():
        sys.exit(77)
    if options.real:
        real.enter_or_become(skip=True)
    worlds, counts = Worlds(options), {"passed": 0, "failed": 0, "skipped": 0}
    chosen = [t for t in TESTS if not options.only or any(text in t[0] for text in options.only)]
    print(f"1..{len(chosen)}")
    try:
        for number, (title, function, how) in enumerate(chosen, 1):
            counts[one(worlds, number, title, function, how)] += 1
    finally:
        worlds.drop()
    print(f"{counts['passed']} passed, {counts['failed']} failed, {counts['skipped']} skipped")
    sys.exit(1 if counts["failed"] or not counts["passed"] else 0)
