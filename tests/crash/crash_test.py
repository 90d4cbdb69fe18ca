#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The daemon killed at every point of a small deployment: crash_test.py BUILD SIM WHAT

WHAT: commits   killed after each committed transaction, from the first of an empty state folder on
      cache     started with cache.db deleted: nothing may be written to the cluster

After each kill it is started again and the person asks again for what was not acknowledged. In the end there are the same
objects, one secret, one value, and nothing twice. Runs against mooring-sim. The MLflow bundle: mlflow_test.py."""
import http.client
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from mooringd import Daemon, Failed, Sim, until  # noqa: E402

COUNT = 25
NEVER_ENDS = 200        # commits of one deployment: far more means that it never comes to rest
API_KEY = "key-of-the-operator-0123456789"


class Person:
    """Someone who deploys and asks again while there is no answer."""

    def __init__(self, daemon, sim):
        self.daemon, self.sim, self.deaths = daemon, sim, 0

    def revive(self):
        """Starts the daemon without a death ahead, when it is gone."""
        d = self.daemon
        if d.process and d.process.poll() is None:
            return
        if d.process:
            if d.process.returncode != -9:
                raise Failed(f"mooringd ended with {d.process.returncode}:\n{d.log_tail()}")
            d.process = None
            self.deaths += 1
        d.environment.pop("MOORING_DIE_AFTER", None)
        d.start()

    def ask(self, question, known):
        """Until it is acknowledged, or refused because it was done before."""
        while True:
            try:
                return question()
            except (OSError, http.client.HTTPException):
                until(lambda: self.daemon.process.poll() is not None, "the end of a daemon that does not answer")
                self.revive()
            except Failed as e:
                if known in str(e):
                    return None
                raise

    def deploy(self):
        d = self.daemon
        self.ask(lambda: d.add_cluster("sim", self.sim.kubeconfig), "already")
        self.ask(lambda: d.add_model("m", "sim"), "already")
        self.ask(lambda: d.deploy("m", "sealed", count=COUNT, **{"api-key": API_KEY}), "already")

    def settle(self):
        """Until all is in place, through whatever deaths are ahead."""
        end = time.monotonic() + 90
        while time.monotonic() < end:
            self.revive()
            try:
                good, all_of = self.daemon.in_place()
                if good == all_of and all_of >= COUNT + 2:
                    return
            except Exception as e:                                      # noqa: BLE001  (a state folder half made)
                if "no such table" not in str(e) and "unable to open" not in str(e) and "locked" not in str(e):
                    raise
            time.sleep(0.02)
        raise Failed(f"did not come to rest: {self.daemon.in_place()}\n{self.daemon.log_tail()}")


def outcome(daemon, sim):
    """What has to be the same after every way through: names and contents, but for identities."""
    objects = {}
    for kind in ("configmaps", "secrets"):
        for item in sim.get(f"/api/v1/namespaces/m/{kind}")["items"]:
            if item["metadata"].get("labels", {}).get("app.kubernetes.io/managed-by") == "mooring":
                objects[f"{kind}/{item['metadata']['name']}"] = sorted(item.get("data", {}))
    return objects


def check(daemon, sim, wanted, when):
    found = outcome(daemon, sim)
    if wanted is not None and found != wanted:
        raise Failed(f"{when}: other objects: {set(found) ^ set(wanted)}")
    for table, count in (("secret", 2), ("secret_revision", 2), ("application", 1), ("model", 1), ("target", 1),
                         ("resource", COUNT + 2), ("want", COUNT + 1)):
        rows = daemon.query(f"SELECT count(*) FROM {table}")[0][0]
        if rows != count:
            raise Failed(f"{when}: {rows} rows in {table}, should be {count}")
    drift = daemon.query("SELECT type, path, fields FROM drift")
    if drift:
        raise Failed(f"{when}: called its own work drift: {drift[:3]}")
    return found


def check_audit(person, objects, when):
    """The chain is whole, what was acknowledged is in it once, and so is what was written outside."""
    daemon = person.daemon
    answer = person.ask(lambda: daemon.call("POST", "/v1/audit/verify", {}), "nothing is known of it")
    if answer["result"] != "intact":
        raise Failed(f"{when}: the audit is not whole: {answer}")
    done = dict(daemon.query("SELECT what, count(*) FROM audit WHERE kind = 'person' AND outcome = 'done' GROUP BY what"))
    if done != {"add-cluster": 1, "add-model": 1, "deploy": 1}:
        raise Failed(f"{when}: acknowledged and in the audit: {done}")
    written = {row[0] for row in daemon.query("SELECT subject FROM audit WHERE kind = 'loop' AND what = 'apply' AND outcome = 'done'")}
    wanted = {f"{'ConfigMap' if name.startswith('configmaps') else 'Secret'} m/{name.split('/')[1]}" for name in objects}
    if not wanted <= written:
        raise Failed(f"{when}: written and not in the audit: {sorted(wanted - written)[:3]}")


class World:
    def __init__(self, build, sim, folder):
        self.build, self.sim_program, self.folder, self.serial = Path(build), sim, Path(folder), 0

    def one(self):
        self.serial += 1
        folder = self.folder / str(self.serial)
        sim = Sim(self.sim_program, folder / "sim")
        d = Daemon(folder / "d", self.build, [self.build / "tests/charm"],
                   ["--log-level", "info"], env={"MOORING_COMMITS": str(folder / "commits")})
        d.arguments[0] = str(self.build / "tests/crash/mooringd-crash")
        return d, sim

    def run(self, die_after, when, wanted):
        """One deployment with a death after that many commits (0: none). Returns what is there, commits, deaths."""
        d, sim = self.one()
        try:
            if die_after:
                d.environment["MOORING_DIE_AFTER"] = str(die_after)
            d.start(wait=False)
            person = Person(d, sim)
            try:
                until(d.answers, "an answer", pause=0.005)
            except Failed:
                person.revive()
            person.deploy()
            person.settle()
            found = check(d, sim, wanted, when)
            check_audit(person, found, when)
            commits = int(Path(d.environment["MOORING_COMMITS"]).read_text())
            if d.stop(allowed=(0, -9)) == -9:           # the last commits were those of the end
                person.deaths += 1
                d.environment.pop("MOORING_DIE_AFTER", None)
                d.start()
                person.settle()
                check_audit(person, check(d, sim, wanted, when), when)
                d.stop()
            return found, commits, person.deaths
        except Failed as e:
            raise Failed(f"{when}: {e}") from e
        finally:
            if d.process:
                d.kill()
            sim.stop()


def commits(world):
    wanted, total, _ = world.run(0, "without a death", None)
    tests = lived = 0
    for n in range(1, NEVER_ENDS):
        _, _, deaths = world.run(n, f"killed after commit {n}", wanted)
        tests += deaths
        lived = 0 if deaths else lived + 1      # what is committed together differs from run to run
        if lived == 3:
            return f"{tests} deaths, one after each commit of a deployment ({total} without a death)"
    raise Failed(f"a deployment of {NEVER_ENDS} commits")


def versions(sim):
    return {f"{kind}/{i['metadata']['name']}": i["metadata"]["resourceVersion"] for kind in ("configmaps", "secrets")
            for i in sim.get(f"/api/v1/namespaces/m/{kind}")["items"]}


def all_seen(d):
    """The daemon has looked at everything since its start and decided that nothing is to be done."""
    return all(r["state"] == "ready" for r in d.call("GET", "/v1/models/m/resources")["resources"])


def cache(world):
    d, sim = world.one()
    try:
        d.start()
        person = Person(d, sim)
        person.deploy()
        person.settle()
        check(d, sim, None, "before")
        before = versions(sim)
        d.stop()
        for path in d.state.glob("cache.db*"):
            path.unlink()
        d.start()
        until(lambda: all_seen(d), "all to be seen in place")
        if versions(sim) != before:
            changed = [k for k, v in versions(sim).items() if before.get(k) != v]
            raise Failed(f"written after cache.db was deleted: {changed[:5]}")
        sim.patch("/api/v1/namespaces/m/configmaps/sealed-0?fieldManager=someone", {"data": {"number": "edited"}})
        until(lambda: sim.get("/api/v1/namespaces/m/configmaps/sealed-0")["data"]["number"] == "0", "the repair")
        person.settle()
        others = {k: v for k, v in versions(sim).items() if before.get(k) != v}
        if list(others) != ["configmaps/sealed-0"]:
            raise Failed(f"written besides the repair: {others}")
        d.stop()
    finally:
        if d.process:
            d.kill()
        sim.stop()
    return "cache.db deleted: nothing written, and an edit is still repaired"


def main():
    build, sim, what = sys.argv[1:]
    with tempfile.TemporaryDirectory(prefix="mooring-crash-") as folder:
        try:
            said = {"commits": commits, "cache": cache}[what](World(build, sim, folder))
        except Failed as e:
            print(f"FAILED {what}: {e}")
            return 1
    print(f"ok {what}: {said}")
    return 0


sys.exit(main())
