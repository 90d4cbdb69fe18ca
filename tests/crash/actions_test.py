#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The daemon killed after each commit of an action: actions_test.py BUILD SIM

For each action of the charm `acting` that changes something: run once without a kill, which tells what there is in the end; then with a daemon that is killed
after its first commit, after its second, and so on until it lives to the end; started again, and waited for. Each time it has to end as it did, with the same
outside, what each step asked for in the journal once and in the same order, each line of the log once, and nothing made twice."""
import base64
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from mooringd import Daemon, Failed, Sim, until  # noqa: E402

MODEL = "/v1/models/m"
ACTIONS = {     # name → parameters; PASSWORD is random where it is not given
    "rotate": {},
    "rotate given": {"password": "correct-horse-battery"},
    "resize": {"count": 3, "pause": 1},
    "fail": {"how": "give-up"},
    "fail looked-at": {"how": "looked-at"},
    "fail cleanup": {"how": "cleanup"},
}
MANY = 60               # commits of one action: more means that it never comes to rest


class Run:
    """One daemon and one simulator, on which one action is run."""

    def __init__(self, build, sim, folder):
        self.sim = Sim(sim, folder / "sim")
        self.daemon = Daemon(folder / "d", build, [Path(build) / "tests/charm"], ["--log-level", "info"])
        self.daemon.arguments[0] = str(Path(build) / "tests/crash/mooringd-crash")
        self.daemon.start()
        self.daemon.add_cluster("sim", self.sim.kubeconfig)
        self.daemon.add_model("m", "sim")
        self.daemon.deploy("m", "acting", "a", count=1)
        self.daemon.wait_in_place(3)
        self.deaths = 0

    def restart(self, die_after=0):
        """Dies by itself after so many commits from its start on."""
        if self.daemon.process:
            self.daemon.stop()
        self.daemon.environment.pop("MOORING_DIE_AFTER", None)
        if die_after:
            self.daemon.environment["MOORING_DIE_AFTER"] = str(die_after)
        self.daemon.start(wait=False)
        until(self.alive, "an answer", pause=0.005)

    def alive(self):
        self.revive()
        try:
            return self.daemon.call("GET", "/v1/info")
        except OSError:
            return None

    def revive(self):
        d = self.daemon
        if d.process.poll() is None:
            return
        if d.process.returncode != -9:
            raise Failed(f"mooringd ended with {d.process.returncode}:\n{d.log_tail()}")
        d.process = None
        self.deaths += 1
        d.environment.pop("MOORING_DIE_AFTER", None)
        d.start()

    def ask(self, method, path, body=None, key=None):
        """Until it is answered: the same request under the same key."""
        while True:
            self.revive()
            try:
                return self.call(method, path, body, key)
            except OSError:
                until(lambda: self.daemon.process.poll() is not None or self.answers(), "an end or an answer", pause=0.005)

    def answers(self):
        try:
            return self.daemon.call("GET", "/v1/info")
        except OSError:
            return None

    def call(self, method, path, body, key):
        return self.daemon.call(method, path, body, headers={"Idempotency-Key": key} if key else {})

    def run(self, action, params, key):
        operation = self.ask("POST", f"{MODEL}/applications/a/actions/{action}", {"params": params}, key)["operation"]

        def ended():
            found = self.ask("GET", f"{MODEL}/operations/{operation}")
            return found if found["status"] not in ("pending", "running") else None
        found = until(ended, f"the end of {action}: {self.daemon.log_tail()}", 60)
        until(self.settled, "rest", 60)
        return found

    def settled(self):
        status = self.ask("GET", f"{MODEL}/status?application=a")["applications"]["a"]
        return status.get("settled") and not status.get("actions")

    def counts(self):
        """How much there is of what an action may make."""
        return [self.daemon.query(f"SELECT count(*) FROM {what}")[0][0] for what in
                ("secret", "secret_revision", "operation", "audit WHERE what = 'run' AND outcome = 'done'", "resource", "want")]

    def outcome(self, found, before):
        """What has to be the same in the end."""
        names = [i["metadata"]["name"] for i in self.sim.get("/api/v1/namespaces/m/configmaps")["items"]]
        password = self.sim.get("/api/v1/namespaces/m/secrets/a")["data"]["password"]
        shown = self.ask("POST", f"{MODEL}/operations/{found['id']}/results")["results"]
        return {"status": found["status"], "message": found["message"], "log": [line["text"] for line in found["log"]],
                "turns": [(t["step"], t["ask"]["kind"], t["outcome"], t["error"]) for t in found["turns"]],
                "results": sorted(found["results"]), "objects": sorted(n for n in names if n.startswith("a-")),
                "in place": shown.get("password") in (None, base64.b64decode(password).decode()),
                "made": [now - was for now, was in zip(self.counts(), before)]}

    def stop(self):
        if self.daemon.process:
            self.daemon.stop(allowed=(0, -9))
        self.sim.stop()


def one(r, action, params, number, die_after):
    """(outcome, deaths) of one run."""
    r.deaths = 0
    r.daemon.set_config("m", "a", count=1)
    r.daemon.wait_in_place(3)
    until(r.settled, "rest", 60)
    before = r.counts()
    r.restart(die_after)
    found = r.run(action, params, f"run-{number}")
    return r.outcome(found, before), r.deaths


def every_commit(r, name, params):
    action = name.split()[0]
    wanted, _ = one(r, action, params, 0, 0)
    died = 0
    for after in range(1, MANY):
        found, deaths = one(r, action, params, after, after)
        if found != wanted:
            raise Failed(f"{name}, killed after commit {after}:\n  {found}\nwithout a kill:\n  {wanted}")
        died += deaths
        if not deaths:
            return died
    raise Failed(f"{name}: {MANY} commits, and no end")


def main():
    build, sim = sys.argv[1:3]
    failed = 0
    for name, params in ACTIONS.items():
        with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="mooring-actions-") as folder:
            r = Run(build, sim, Path(folder))
            try:
                print(f"ok {name}: killed {every_commit(r, name, params)} times, the same each time", flush=True)
            except Failed as e:
                failed += 1
                print(f"FAILED {e}", flush=True)
            r.stop()
    print(f"{len(ACTIONS) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
