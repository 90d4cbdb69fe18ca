#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Actions from the API to their end: actions_test.py BUILD SIM

The charm `acting` has one of each sort. What is run, what it tells, what is kept of it, and what is refused."""
import base64
import contextlib
import grp
import json
import os
import pwd
import signal
import sqlite3
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from mooringd import Daemon, Failed, Sim, until  # noqa: E402
from lib import person  # noqa: E402
from operations import LIVE, MODEL, Operations, same  # noqa: E402

GROUP = 1                                       # one that every machine has: of the operators here


class World(Operations):
    def __init__(self, build, sim, folder):
        self.sim = Sim(sim, Path(folder) / "sim")
        self.daemon = Daemon(Path(folder) / "d", build, [Path(build) / "tests/charm"], ["--log-level", "info", "--operator-group", grp.getgrgid(GROUP).gr_name])
        self.daemon.start()
        self.daemon.add_cluster("sim", self.sim.kubeconfig)
        self.daemon.add_model("m", "sim")
        for name in ("a", "b"):
            self.daemon.deploy("m", "acting", name, count=1)
        self.daemon.wait_in_place(5)

    def run(self, action, application="a", **body):
        return super().run(action, application, **body)

    @contextlib.contextmanager
    def as_operator(self):
        """The socket sees a user who is in the operators' group."""
        os.setegid(GROUP)
        os.seteuid(65534)
        try:
            yield
        finally:
            os.seteuid(0)
            os.setegid(0)

    def change(self, sql, *arguments):
        """A row, as if time had gone by."""
        self.daemon.stop()
        with contextlib.closing(sqlite3.connect(Path(self.daemon.state) / "model.db")) as rows, rows:
            rows.execute(sql, arguments)
        self.daemon.start()

    def password(self, application="a"):
        data = self.sim.get(f"/api/v1/namespaces/m/secrets/{application}")["data"]
        return base64.b64decode(data["password"]).decode()

    def stop(self):
        self.daemon.stop()
        self.sim.stop()


def actions_are_listed_with_their_schemas(w):
    listed = w.call("GET", f"{MODEL}/applications/a/actions")["actions"]
    same(sorted(listed), ["destroy", "fail", "resize", "rotate", "show", "wait"], "the actions")
    same(listed["resize"]["params"]["required"], ["count"], "what resize needs")
    same(listed["destroy"]["destructive"], True, "destroy")
    same(listed["destroy"]["deadline"], "5m", "its deadline")


def an_action_is_run_to_its_end(w):
    operation = w.run("resize", params={"count": "3"})
    o = w.end(operation)
    same((o["status"], o["message"], o["results"]), ("completed", "", {"count": "3"}), "resize")
    same([t["ask"]["kind"] for t in o["turns"]], ["config", "ready"], "what it asked for")
    same([t["outcome"] for t in o["turns"]], ["done", "done"], "how that ended")
    same([line["text"] for line in o["log"]], ["forgotten: a note"], "its log")
    same((o["now"], o["steps"]), (None, ["rest", "set", "see"]), "what it is at")
    names = [m["metadata"]["name"] for m in w.sim.get("/api/v1/namespaces/m/configmaps")["items"]]
    same([n for n in names if n.startswith("a-")], ["a-0", "a-1", "a-2"], "what is outside")
    listed = w.call("GET", f"{MODEL}/operations?application=a")["operations"]
    same([(x["id"], x["action"]) for x in listed], [(operation, "resize")], "the list")
    row = w.call("GET", "/v1/audit?what=run")["audit"][0]["id"]
    same(w.call("GET", f"/v1/audit/{row}")["after"]["a"]["resize"], {"count": 3, "pause": 0}, "the audit")


def a_password_is_rotated_and_shown_to_whom_may_see_it(w):
    before = w.password()
    o = w.end(w.run("rotate"))
    same(o["status"], "completed", f"rotate {o}")
    after = w.password()
    same(after != before and len(after) == 32, True, "another password")
    same(o["results"], {"password": "(secret)"}, "what everybody sees")
    shown = w.call("POST", f"{MODEL}/operations/{o['id']}/results")
    same(shown["results"], {"password": after}, "what an operator asks for")
    same(w.call("GET", "/v1/audit?what=show-results")["audit"][0]["outcome"], "done", "that it is kept")
    same("{{secret" in json.dumps(o), False, "a token in the answer")


def a_password_that_is_given_is_in_no_row(w):
    given = "correct-horse-battery"
    o = w.end(w.run("rotate", params={"password": given}))
    same((o["status"], w.password()), ("completed", given), "rotate")
    same(o["params"], {"password": "(secret)"}, "its parameters")
    for file in Path(w.daemon.state).glob("model.db*"):
        same(given.encode() in file.read_bytes(), False, f"the password in {file.name}")
    same(w.daemon.query("SELECT count(*) FROM secret WHERE purpose = 'param'")[0][0], 0, "secrets of parameters that are left")


def what_fails_is_cleaned_up_and_told(w):
    cases = {"give-up": ("failed", "step middle: it cannot be done: give-up"),
             "refused": ("failed", "step middle: refused: what is to be used is no secret"),
             "looked-at": ("completed", ""),
             "garbage": ("failed", "step (first): charm acting: step middle asks for nothing"),
             "cleanup": ("failed", "cleaning up: step clean: the broom is broken")}
    for how, (status, message) in cases.items():
        o = w.end(w.run("fail", params={"how": how}))
        same((o["status"], o["message"][:len(message)]), (status, message), how)
        same([line["text"] for line in o["log"]], ["cleaned up", "swept"], f"{how}: its log")


def a_charm_that_crashes_fails_its_action_and_nothing_else(w):
    o = w.end(w.run("fail", params={"how": "crash"}))
    same((o["status"], "crashed" in o["message"]), ("failed", True), o["message"])
    same([line["text"] for line in o["log"]], ["cleaned up", "swept"], "its log")
    same(w.end(w.run("show"))["status"], "completed", "the next one")


def what_is_wrong_is_refused_before_it_is_queued(w):
    path = f"{MODEL}/applications/a/actions"
    for text, url, body in (("did you mean \\\"rotate\\\"?", f"{path}/rotat", {}),
                            ("parameter count: is needed: how many", f"{path}/resize", {}),
                            ("did you mean \\\"count\\\"?", f"{path}/resize", {"params": {"cuont": 1}}),
                            ("parameter count: must be at most 100, is 101", f"{path}/resize", {"params": {"count": 101}}),
                            ("parameter password: must have at least 8 letters", f"{path}/rotate", {"params": {"password": "x"}}),
                            ("a secret's token is not taken here", f"{path}/rotate",
                             {"params": {"password": "{{secret:aaaaaaaaaaaaaaaaaaaaaaaaaa:1:plain}}"}}),
                            ("is no unit of a", f"{path}/show", {"unit": "b/0"}),
                            ("no application", f"{MODEL}/applications/aa/actions/show", {}),
                            ("has no operation 4711", f"{MODEL}/operations/4711/cancel", None)):
        w.refused(text, "POST", url, body)
    same(w.call("POST", f"{path}/resize?dry-run=true", {"params": {"count": 2}})["changes"][0]["change"], "run", "a dry run")
    same([o["status"] for o in w.call("GET", f"{MODEL}/operations?status=pending")["operations"]], [], "what waits")


def one_at_a_time_and_who_waits_can_be_cancelled(w):
    first = w.run("resize", params={"count": 1, "pause": 600})
    until(lambda: w.show(first)["now"] and w.show(first)["now"]["waits"], "its wait")
    second, beside, other = w.run("resize", params={"count": 5}), w.run("show"), w.run("resize", "b", params={"count": 2})
    same(w.end(beside)["status"], "completed", "what is parallel")
    same(w.end(other)["status"], "completed", "another application")
    same(w.show(second)["status"], "pending", "the second of the same")
    same(w.show(second)["now"]["waits"], f"operation {first} of a, which runs", "what that waits for")
    status = w.call("GET", f"{MODEL}/status?application=a")
    same(status["applications"]["a"]["actions"], ["resize"], "what the status tells of it")
    w.call("POST", f"{MODEL}/operations/{second}/cancel")
    same(w.show(second)["status"], "cancelled", "the second")
    w.call("POST", f"{MODEL}/operations/{first}/cancel")
    o = w.end(first)
    same((o["status"], o["message"][:12], o["log"][-1]["text"]), ("cancelled", "cancelled by", "forgotten: nothing"), "the first")
    w.refused("has ended: completed", "POST", f"{MODEL}/operations/{w.end(w.run('show'))['id']}/approve")


def an_operator_runs_what_the_charm_or_an_admin_allows(w):
    if os.geteuid():
        print("   who tests is not root, and can be nobody else")
        return
    listed = w.call("GET", f"{MODEL}/applications/a/actions")["actions"]
    same((listed["show"]["role"], listed["rotate"]["role"]), ("operator", "admin"), "what the charm says")
    told = w.end(w.run("rotate"))["id"]
    with w.as_operator():
        same(w.end(w.run("show"))["status"], "completed", "what the charm allows")
        w.refused("rotate of a needs the role admin", "POST", f"{MODEL}/applications/a/actions/rotate", {})
        w.refused("rotate of a needs the role admin", "POST", f"{MODEL}/operations/{told}/results")
        w.refused("needs the role admin", "POST", f"{MODEL}/applications/a/actions/rotate/grant")
    row = next(r for r in w.call("GET", "/v1/audit?what=run")["audit"] if r["outcome"] == "refused")
    same((row["what"], row["role"], row["application"]), ("run", "operator", "a"), "the refusal in the audit")
    w.call("POST", f"{MODEL}/applications/a/actions/rotate/grant")
    with w.as_operator():
        o = w.end(w.run("rotate"))
        same(o["status"], "completed", "what an admin allows")
        same(w.call("POST", f"{MODEL}/operations/{o['id']}/results")["results"], {"password": w.password()}, "its result")
        number = schedule(w, "rotate", "a", at="1s")
        w.end(until(lambda: next((o["id"] for o in w.call("GET", f"{MODEL}/operations?action=rotate")["operations"]
                                  if o["asked-by"].startswith(f"schedule {number} of")), None), "the run that was scheduled"))
        number = schedule(w, "rotate", "a", at="1h")
    w.call("POST", f"{MODEL}/applications/a/actions/rotate/revoke")
    w.change("UPDATE schedule SET run_at = 1, missed = 'run' WHERE id = ?", number)
    until(lambda: scheduled(w, number)["not-run"], "why the schedule was not run")
    same("rotate of a needs the role admin" in scheduled(w, number)["not-run"], True, "a schedule of what was allowed")
    w.call("DELETE", f"{MODEL}/schedules/{number}")
    with w.as_operator():
        w.refused("rotate of a needs the role admin", "POST", f"{MODEL}/applications/a/actions/rotate", {})
    said = w.call("GET", f"{MODEL}/applications/a/actions")["actions"]["rotate"]["permission"]
    same(said["by"].startswith("uid 0"), True, "who said so")


def groups_run_one_at_a_time_across_applications(w):
    a, b = w.run("wait", "a", params={"seconds": 600}), w.run("wait", "b", params={"seconds": 0})
    until(lambda: w.show(a)["status"] == "running", "the first")
    same(w.end(w.run("show", "b"))["status"], "completed", "something beside it")
    same(w.show(b)["status"], "pending", "the other of the group")
    w.call("POST", f"{MODEL}/operations/{a}/cancel")
    same((w.end(a)["status"], w.end(b)["status"]), ("cancelled", "completed"), "both")


def a_freeze_holds_what_does_not_say_that_it_may(w):
    held = w.run("resize", params={"count": 1, "pause": 1})
    w.call("POST", f"{MODEL}/freeze", {"reason": "a test"})
    w.refused("is frozen by", "POST", f"{MODEL}/applications/a/actions/show", {})
    free = w.run("show", "b", **{"during-freeze": True})
    same(w.end(free)["status"], "completed", "what may run")
    until(lambda: "which is frozen by" in ((w.show(held)["now"] or {}).get("waits") or ""), "why it is held")
    w.call("POST", f"{MODEL}/unfreeze")
    same(w.end(held)["status"], "completed", "what was held")


def called(uid):
    names = [user.pw_name for user in pwd.getpwall() if user.pw_uid == uid]
    return f"uid {uid} ({names[0] if names else '?'})"


def destroy_by(w, login):
    """The number of what somebody who logged in asked for; None: nobody can be played here."""
    answer = person.call(w, login, "POST", f"{MODEL}/applications/a/actions/destroy", {})
    return answer and json.loads(answer[1])["operation"]


def a_second_person_approves_what_destroys(w):
    if Path("/proc/self/loginuid").read_text(encoding="ascii") == "4294967295":
        w.refused("Log in to this machine as yourself", "POST", f"{MODEL}/applications/a/actions/destroy", {})
        w.refused("Log in to this machine as yourself", "POST", f"{MODEL}/applications/a/actions/destroy/schedules", {"at": "1h"})
    operation = destroy_by(w, 1001)
    if operation is None:
        return
    w.refused("a second person has to", "POST", f"{MODEL}/operations/{operation}/approve")
    same(w.show(operation)["now"]["waits"], "a second person's approval", "what it waits for")
    same((w.show(operation)["approval"], w.show(operation)["asked-by"], w.show(operation)["asked-login"]),
         ("wanted", f"{called(1001)} as {called(os.getuid())}", 1001), "who asked for it")
    same(w.end(w.run("show"))["status"], "completed", "what is parallel passes it")
    same(w.end(w.run("resize", params={"count": 1}))["status"], "completed", "what is not passes it too")
    same(person.call(w, 1002, "POST", f"{MODEL}/operations/{operation}/approve", {})[0], 200, "that another login approves")
    same((w.end(operation)["status"], w.show(operation)["approved-by"]), ("completed", f"{called(1002)} as {called(os.getuid())}"), "in the end")


def what_nobody_approves_ends(w):
    operation = destroy_by(w, 1001)
    if operation is None:
        return
    w.change("UPDATE operation SET enqueued_at = enqueued_at - 8 * 86400000 WHERE id = ?", operation)
    same((w.end(operation)["status"], w.show(operation)["message"]), ("cancelled", "nobody approved it within 7 days"), "a week later")


def a_worker_that_is_killed_is_another_one_at_the_next_step(w):
    operation = w.run("resize", params={"count": 2, "pause": 1})
    until(lambda: w.show(operation)["turns"], "its first turn")
    for worker in w.daemon.processes()[1:]:
        os.kill(worker, signal.SIGKILL)
    o = w.end(operation)
    same((o["status"], o["results"]), ("completed", {"count": "2"}), f"after its worker was killed: {o['message']}")


def it_goes_on_after_a_restart(w):
    operation = w.run("resize", params={"count": 4, "pause": 2})
    until(lambda: w.show(operation)["turns"], "its first turn")
    asked = w.show(operation)["turns"][0]["asked"]
    w.daemon.kill()
    w.daemon.start()
    o = w.end(operation)
    same((o["status"], o["results"], o["turns"][0]["asked"]), ("completed", {"count": "4"}, asked), "after a kill")


def schedule(w, action, application="b", **body):
    return w.call("POST", f"{MODEL}/applications/{application}/actions/{action}/schedules", body)["schedule"]


def scheduled(w, number):
    return next((s for s in w.call("GET", f"{MODEL}/schedules")["schedules"] if s["id"] == number), None)


def what_is_scheduled_is_run_at_its_time_by_who_asked(w):
    number = schedule(w, "resize", params={"count": 2}, at="1s")
    same(scheduled(w, number)["cron"], None, "what is for once")
    until(lambda: not scheduled(w, number), "its run")
    found = w.call("GET", f"{MODEL}/operations?application=b&action=resize")["operations"][0]
    same(found["asked-by"][:12 + len(str(number))], f"schedule {number} of", "who asked for it")
    same(w.end(found["id"])["status"], "completed", "its run")
    number = schedule(w, "show", cron="*/5 2 * * mon-fri", zone="Europe/Berlin", jitter="10m", overlap="queue")
    found = scheduled(w, number)
    same((found["cron"], found["jitter"], found["last"], found["not-run"]), ("*/5 2 * * mon-fri", "10m", None, ""), "a cron")
    w.call("DELETE", f"{MODEL}/schedules/{number}")
    same(scheduled(w, number), None, "what was dropped")
    for text, body in (("either once (at), or again and again (cron)", {}),
                       ("never comes", {"cron": "0 0 30 feb *"}),
                       ("is over already", {"at": "2020-01-01T00:00:00Z"}),
                       ("missed: must be skip or run", {"at": "1h", "missed": "perhaps"}),
                       ("there is no parameter count", {"at": "1h", "params": {"count": 1}})):
        w.refused(text, "POST", f"{MODEL}/applications/b/actions/show/schedules", body)
    w.refused("a schedule keeps no secrets", "POST", f"{MODEL}/applications/b/actions/rotate/schedules",
              {"at": "1h", "params": {"password": "of-the-operators"}})


def what_a_schedule_could_not_run_is_told(w):
    w.call("POST", f"{MODEL}/freeze", {"reason": "a test"})
    number = schedule(w, "resize", params={"count": 1}, at="1s")
    until(lambda: scheduled(w, number)["not-run"], "why it was not run")
    found = scheduled(w, number)
    same(("frozen by" in found["not-run"], found["next"], found["operation"]), (True, None, None), f"a schedule under a freeze: {found}")
    w.call("POST", f"{MODEL}/unfreeze")
    same([o["id"] for o in w.call("GET", f"{MODEL}/operations?application=a")["operations"] if o["status"] in LIVE], [], "what it left")
    w.call("DELETE", f"{MODEL}/schedules/{number}")


def an_application_that_goes_takes_what_waits_along(w):
    running = w.run("resize", "b", params={"count": 1, "pause": 600})
    until(lambda: w.show(running)["status"] == "running", "it runs")
    waiting = w.run("resize", "b", params={"count": 1})
    schedule(w, "show", cron="0 3 * * *")
    w.call("DELETE", f"{MODEL}/applications/b?destroy-storage=true")
    same(w.end(waiting)["status"], "cancelled", "what waits")
    until(lambda: not w.call("GET", f"{MODEL}/schedules")["schedules"], "its schedules to go")
    w.call("POST", f"{MODEL}/operations/{running}/cancel")
    same(w.end(running)["status"] in ("cancelled", "aborted"), True, "what ran")
    w.refused("", "POST", f"{MODEL}/applications/b/actions/show", {})


def main():
    build, sim = sys.argv[1:3]
    tests = [f for f in globals().values() if hasattr(f, "__code__") and f.__code__.co_varnames[:f.__code__.co_argcount] == ("w",)]
    failed = 0
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="mooring-actions-") as folder:
        os.chmod(folder, 0o755)                 # another user asks, too
        w = World(build, sim, folder)
        for test in tests:
            title = test.__name__.replace("_", " ")
            try:
                test(w)
                print(f"ok {title}", flush=True)
            except Failed as e:
                failed += 1
                print(f"FAILED {title}: {e}", flush=True)
                break
        if failed:
            print(w.daemon.log_tail(30))
        w.stop()
    print(f"{len(tests) - failed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
