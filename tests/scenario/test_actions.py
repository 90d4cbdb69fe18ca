#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Actions of the charms, on real servers behind the pods. How the engine runs them: actions_test.py."""
import json
import signal
import subprocess

from lib import s3
from lib.drift import lines
from lib.operations import call, run
from lib.operations import done as ended
from lib.runner import Skip, main, test
from lib.services import MINIO, MYSQL, ask, endpoint, root_password, sql
from lib.world import Answer, Trouble, until


def results(world, operation):
    return call(world, "POST", f"operations/{operation}/results")["results"]


def opens(world, password):
    return ask(world, "SELECT 1", password=password)[0] == 0


@test("get-password shows what opens the database, and get-minio-credentials what opens the bucket")
def _(world):
    operation = run(world, MYSQL, "get-password")
    if ended(world, operation)["results"] != {"username": "root", "password": "(secret)"}:
        raise Trouble("a viewer sees the password")
    if not opens(world, results(world, operation)["password"]):
        raise Trouble("the password opens nothing")
    operation = run(world, "mlflow-server", "get-minio-credentials")
    ended(world, operation)
    keys = results(world, operation)
    code, text = s3.call(endpoint(world), keys["access-key"], keys["secret-access-key"], "GET", "/mlflow")
    if code != 200:
        raise Trouble(f"the keys of {MINIO} open nothing: {code} {text}")


@test("set-password changes it on the server and in all places, restarts nothing and calls nothing drift")
def _(world):
    before, old, since = lines(world), root_password(world), sql(world, "SHOW STATUS LIKE 'Uptime'").split()[-1]
    pod = world.cluster.kube.get("pods", world.cluster.model, f"{MYSQL}-0")["metadata"]["uid"]
    operation = run(world, MYSQL, "set-password")
    done = ended(world, operation)
    if [line["text"] for line in done["log"]] != ["the server takes the new password"]:
        raise Trouble(f"its log: {done['log']}")
    new = root_password(world)
    if new == old or not opens(world, new) or opens(world, old):
        raise Trouble("the password was not changed in both places")
    ended(world, run(world, MYSQL, "set-password", password="of-the-operators-own"))
    if root_password(world) != "of-the-operators-own" or not opens(world, "of-the-operators-own"):
        raise Trouble("the password that was given is not in use")
    world.wait_active()
    if world.cluster.kube.get("pods", world.cluster.model, f"{MYSQL}-0")["metadata"]["uid"] != pod:
        raise Trouble("the server's pod is another one")
    if int(sql(world, "SHOW STATUS LIKE 'Uptime'").split()[-1]) < int(since):
        raise Trouble("the server was restarted")
    if lines(world) != before:
        raise Trouble(f"called drift: {lines(world)}")


@test("a password that somebody else changed is told, and what is known is kept")
def _(world):
    known = root_password(world)
    # From inside only: the daemon comes from there too.
    sql(world, "SET GLOBAL wait_timeout = 28800")
    for user in sql(world, "SELECT CONCAT(QUOTE(User), '@', QUOTE(Host)) FROM mysql.user WHERE User = 'root' AND Host <> 'localhost'").splitlines():
        sql(world, f"ALTER USER {user} IDENTIFIED BY 'of-somebody-else'")
    operation = run(world, MYSQL, "set-password")
    done = ended(world, operation, "failed")
    if "neither the password that was known nor the new one" not in done["message"]:
        raise Trouble(done["message"])
    if root_password(world) != known:
        raise Trouble("the known password is not in use again")
    for user in ("'root'@'127.%'", "'root'@'127.0.0.1'"):
        ask(world, f"ALTER USER IF EXISTS {user} IDENTIFIED BY '{known}'", password="of-somebody-else")
    if not opens(world, known):
        raise Trouble("the test left another password behind")
    world.wait_active()


@test("the daemon killed in the middle of set-password, again and again: it ends the same")
def _(world):
    for turn in range(1, 6):
        old, operation = root_password(world), run(world, MYSQL, "set-password")
        until(lambda at=turn, number=operation: len(call(world, "GET", f"operations/{number}")["turns"]) >= min(at, 5), "its turn")
        world.daemon.process.send_signal(signal.SIGKILL)
        world.daemon.process.wait()
        world.daemon.start()
        ended(world, operation)
        new = root_password(world)
        if new == old or not opens(world, new) or opens(world, old):
            raise Trouble(f"killed after turn {turn}: the password is not the new one in both places")
    world.wait_active()


# ---- by the command line, with a charm of the tests


def acting(world):
    world.ctl("deploy", "acting", "a").ok()


def number_of(answer):
    return int(answer.out.split()[-1])


def as_login(world, login, *words):
    """mooringctl of a person who logged in as LOGIN."""
    script = f'echo {login} > /proc/self/loginuid && exec "$0" "$@"'
    done = subprocess.run(["sh", "-c", script, str(world.programs.ctl), *map(str, words)], text=True, capture_output=True, check=False,
                          env=world.environment())
    if "loginuid" in done.stderr:
        raise Skip("who tests may not say who logged in")
    return Answer(list(words), done.returncode, done.stdout, done.stderr)


@test("an on-call user lists actions, gets a password and sets another")
def _(world):
    world.ctl("actions", MYSQL).ok().says("get-password", "set-password")
    world.ctl("actions", MYSQL, "--schema").ok().says("secret-results:", "minLength: 8")
    answer = world.ctl("run", MYSQL, "get-password").ok()
    if not opens(world, yaml_line(answer.out, "password")):
        raise Trouble("the password opens nothing")
    world.ctl("run", MYSQL, "set-password", "password=@-", "--reason", "an exercise", stdin="given-by-a-person\n").ok()
    if not opens(world, "given-by-a-person"):
        raise Trouble("the password is another one")
    listed = json.loads(world.ctl("operations", "--apps", MYSQL, "--actions", "set-password", "--limit", 1, "--format", "json").ok().out)
    last = listed["operations"][0]
    if last["reason"] != "an exercise":
        raise Trouble(f"no reason: {last}")
    shown = world.ctl("show-operation", last["id"]).ok().says("completed", "an exercise", 'password: "(secret)"', "sql at")
    if "given-by-a-person" in shown.out:
        raise Trouble("the password is shown")
    world.wait_active()


def yaml_line(text, name):
    return next(line.split(": ", 1)[1] for line in text.splitlines() if line.startswith(f"{name}: "))


@test("what is mistyped is refused with the nearest name, and nothing is queued", shares=acting)
def _(world):
    world.ctl("run", "a", "rezise", "count=1").refused('did you mean "resize"?', code=1)
    world.ctl("run", "a", "resize", "cuont=1").refused('did you mean "count"?', code=1)
    world.ctl("run", "a", "resize", "count=many").refused("parameter count", code=1)
    world.ctl("run", "a", "resize", "count").refused("a parameter is NAME=VALUE", code=2)
    world.ctl("run", "a/x", "resize", "count=1").refused("is no unit of a", code=1)
    world.ctl("run", "a/7", "resize", "count=1").refused("a has no unit 7", code=1)
    world.ctl("show-operation", "first").refused("operations have numbers", code=2)
    world.ctl("operations", "--status", "complete").refused("did you mean completed", code=2)
    if json.loads(world.ctl("operations", "--format", "json").ok().out)["operations"]:
        raise Trouble("something was queued")


@test("run waits and prints the result; a failure says what, in which state things are, and what next", shares=acting)
def _(world):
    answer = world.ctl("run", "a", "resize", "--params", world.file("p.yaml", "count: 1\n"), "count=3").ok()
    if answer.out != "count: '3'\n" and answer.out != 'count: "3"\n':
        raise Trouble(f"its result: {answer.out!r}")
    world.ctl("run", "a", "fail").refused("it cannot be done: give-up", "swept", "mooringctl show-operation", code=1)
    failed = number_of(world.ctl("run", "a", "fail", "--background").ok())
    world.ctl("show-operation", failed, "--watch").refused("it cannot be done: give-up", code=1)
    world.ctl("run", "a", "show", "--format", "json").ok().says('"status":"completed"')


@test("a run that takes longer than --wait goes on, and is cancelled by its number", shares=acting)
def _(world):
    world.ctl("run", "a", "wait", "seconds=600", "--wait", "1s").refused("it goes on", code=5)
    number = json.loads(world.ctl("operations", "--status", "running", "--format", "json").ok().out)["operations"][0]["id"]
    waiting = number_of(world.ctl("run", "a", "resize", "count=1", "--background").ok())
    world.ctl("show-operation", waiting).ok().says(f"operation {number} of a, which runs")
    world.ctl("cancel-task", number).ok()
    world.ctl("show-operation", number, "--wait", "1m").refused("cancelled", code=1)
    world.ctl("show-operation", waiting, "--wait", "1m").ok()
    world.ctl("cancel-task", waiting).refused("has ended: completed", code=1)


@test("what destroys waits for a second person: not who asked, not under sudo, but another login", shares=acting)
def _(world):
    asked = as_login(world, 1001, "run", "a", "destroy")
    asked.refused("mooringctl approve", code=3)
    number = json.loads(world.ctl("operations", "--actions", "destroy", "--format", "json").ok().out)["operations"][0]["id"]
    as_login(world, 1001, "approve", number).refused("may not approve it", code=1)
    world.ctl("show-operation", number).ok().says("waits for a second person's approval")
    as_login(world, 1002, "approve", number, "--reason", "agreed").ok()
    world.ctl("show-operation", number, "--wait", "1m").ok()
    world.ctl("show-operation", number).ok().says("Asked by     uid 1001 (", "Approved by  uid 1002 (")
    world.ctl("operations", "--actions", "destroy").ok().says("approved by ")


@test("a freeze refuses and holds actions but for those that say --during-freeze", shares=acting)
def _(world):
    world.ctl("freeze", "--reason", "an exercise").ok()
    try:
        world.ctl("run", "a", "resize", "count=2").refused("frozen", code=1)
        world.ctl("run", "a", "show", "--during-freeze").ok()
    finally:
        world.ctl("unfreeze").ok()
    world.ctl("run", "a", "resize", "count=1").ok()


@test("an action that is due is run by its schedule, and is listed until it is dropped", shares=acting)
def _(world):
    world.ctl("run", "a", "show", "--schedule", "99 * * * *").refused("minute", code=1)
    world.ctl("run", "a", "show", "--schedule", "30 2 * * *", "--timezone", "Europe/Berlin", "--jitter", "10m").ok()
    world.ctl("run", "a", "show", "--at", "1s", "--reason", "soon").ok()
    world.wait_for("the run that was due", lambda: "soon" in world.ctl("operations", "--actions", "show", "--format", "json").ok().out)
    left = json.loads(world.ctl("schedules", "--format", "json").ok().out)["schedules"]
    world.ctl("schedules").ok().says("30 2 * * * Europe/Berlin")
    for schedule in left:
        world.ctl("remove-schedule", schedule["id"]).ok()
    if json.loads(world.ctl("schedules", "--format", "json").ok().out)["schedules"]:
        raise Trouble("it is still there")


if __name__ == "__main__":
    main()
