#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Who wrote what and why is in `audit`, and whatever is done to that record is found by `audit verify`."""
import json
import os
import re
import sqlite3
from contextlib import closing

from lib.runner import main, test
from lib.world import Trouble, until

TAMPERED = 7


def audit(world, *words):
    return json.loads(world.ctl("audit", "--format", "json", "--max", "10000", *words).ok().out)["audit"]


def the_only(rows, what):
    if len(rows) != 1:
        raise Trouble(f"wanted one row {what}: {rows}")
    return rows[0]


def equal(found, wanted, what):
    if found != wanted:
        raise Trouble(f"{what} is {found!r}, wanted {wanted!r}")


def heads(world):
    """What the daemon told its log."""
    return re.findall(r"audit-head: audit up to row \d+: (\d+:[0-9a-f]{64})", world.daemon.log.read_text())


def edit(world, sql):
    with closing(sqlite3.connect(world.daemon.state / "model.db", timeout=60)) as db, db:
        db.execute(sql)


def settled(world):
    """The daemon stands, and has written all that it had to."""
    world.daemon.stop()
    return heads(world)[-1]


@test("who deployed, scaled and set options, from which program, why, before and after")
def _(world):
    world.ctl("config", "mlflow-server", "mlflow_port=5001", "--reason", "ticket 4711: the port is taken").ok()
    world.ctl("config", "mlflow-server", "--reset", "mlflow_port").ok()
    back, there = audit(world, "--app", "mlflow-server", "--what", "config", "--who", str(os.geteuid()))[:2]
    equal(there["why"], "ticket 4711: the port is taken", "why")
    equal(there["command"], "mooringctl", "the command")
    equal(there["uid"], os.geteuid(), "uid")
    equal(there["role"], "admin", "role")
    equal(there["outcome"], "done", "outcome")
    equal(there["after"], {"mlflow-server": {"option mlflow_port": 5001}}, "after")
    equal(back["before"], there["after"], "before")
    world.ctl("audit", "show", str(there["id"])).ok().says("ticket 4711", "mooringctl, pid", "5001")
    world.ctl("audit", "--who", str(os.geteuid()), "--since", "1h").ok().says("deploy", "config", "done")
    world.wait_active()


@test("what the loop wrote is there, an object a row, with whose it is and how it ended")
def _(world):
    rows = [r for r in audit(world, "--who", "loop") if r["subject"] == "Deployment.apps mlflow/mlflow-server"]
    first = rows[-1]
    equal((first["kind"], first["what"], first["outcome"]), ("loop", "apply", "done"), "the first write")
    equal((first["model"], first["application"]), ("mlflow", "mlflow-server"), "whose it is")
    equal(first["after"].get("created"), True, "created")


@test("the repair of a drift names its line in the ledger", real="the audit's row is the same there")
def _(world):
    world.cluster.kube.delete("services", "mlflow", "mlflow-minio")
    row = world.wait_for("the repair", lambda: next((r for r in audit(world, "--who", "loop", "--what", "mlflow-minio")
                                                    if r["subject"] == "Service mlflow/mlflow-minio" and
                                                    r["why"].startswith("drift ")), None))
    world.ctl("drift", "show", row["why"].split()[1]).ok().says("Service mlflow/mlflow-minio")
    world.wait_active()


@test("a refused change is there with its reason, a trial is not")
def _(world):
    before = len(audit(world, "--what", "remove-application"))
    world.ctl("remove-application", "nobody", "--reason", "cleaning up").refused("nobody", code=1)
    world.ctl("remove-application", "mlflow-server", "--dry-run").ok()
    rows = audit(world, "--what", "remove-application")
    equal(len(rows), before + 1, "rows")
    equal((rows[0]["outcome"], rows[0]["why"]), ("refused", "cleaning up"), "the refusal")
    if "nobody" not in rows[0]["message"]:
        raise Trouble(f"it does not say why: {rows[0]}")


@test("refresh has one row, and its trial none")
def _(world):
    before = len(audit(world, "--what", "refresh"))
    world.ctl("refresh", "mlflow-server", "--dry-run").ok()
    equal(len(audit(world, "--what", "refresh")), before, "rows after a trial")
    world.ctl("refresh", "mlflow-server").ok()
    equal(len(audit(world, "--what", "refresh")), before + 1, "rows")


@test("after wait what a removed relation opened is closed, and each removal has its end in the audit")
def _(world):
    def ended():
        return [r["subject"] for r in audit(world, "--who", "loop", "--what", "remove") if r["outcome"] == "done"]

    before = ended()
    world.ctl("remove-relation", "mlflow-server", "mlflow-mysql").ok()
    world.ctl("wait", "mlflow-mysql", "--timeout", "2m").ok()
    rows = ended()[:-len(before) or None]
    for kind in ("grant ", "user "):
        if not any(s.startswith(kind) for s in rows):
            raise Trouble(f"no {kind} was removed before wait ended: {rows}")
    world.ctl("integrate", "mlflow-server", "mlflow-mysql").ok()
    world.wait_active()


@test("what was shown of a secret is in the audit, and its value is not")
def _(world):
    secret = json.loads(world.ctl("secrets", "--format", "json").ok().out)["secrets"][0]["id"]
    value = world.ctl("show-secret", secret, "--reveal", "--reason", "the pager").ok().out.strip()
    row = audit(world, "--what", "show-secret")[0]
    equal((row["outcome"], row["why"]), ("done", "the pager"), "the row")
    if secret not in row["subject"] or len(value) < 8:
        raise Trouble(f"which one? {row}")
    if value in json.dumps(audit(world)) or value.encode() in (world.daemon.state / "model.db").read_bytes():
        raise Trouble("the value of the secret is in the state folder")


@test("permissions lists actions and roles")
def _(world):
    world.ctl("permissions").ok().says("pause", "operator", "remove-model", "admin")


@test("verify: intact, and so after a restart and a kill; heads of the log fit", fresh=True, real="it is the daemon's own folder")
def _(world):
    world.ctl("model-config", "image-registry=registry.example:5000").ok()
    world.ctl("audit", "verify").ok().says("are intact")
    world.daemon.stop()
    world.daemon.start()
    world.ctl("model-config", "image-registry=registry.example:5001").ok()
    world.daemon.kill()
    world.daemon.start()
    given = [word for head in heads(world) for word in ("--head", head)]
    if len(given) < 2:
        raise Trouble("no head in the log")
    world.ctl("audit", "verify", *given).ok().says("are intact")
    rows = audit(world)
    equal([r["id"] for r in rows], list(range(len(rows), 0, -1)), "numbers")


@test("verify: a row that is changed, removed, or cut off the end is named, and ends with a code of its own", fresh=True,
      real="it is the daemon's own folder")
def _(world):
    for port in range(5000, 5010):
        world.ctl("model-config", f"image-registry=registry.example:{port}").ok()
    head = settled(world)
    number = int(head.split(":")[0])
    copy = world.folder / "model.db.whole"
    whole = (world.daemon.state / "model.db").read_bytes()
    copy.write_bytes(whole)

    def after(sql, row, *parts, given=()):
        edit(world, sql)
        world.daemon.start()
        world.ctl("audit", "verify", *given).refused(f"{row}", *parts, code=TAMPERED)
        world.daemon.stop()
        for name in ("model.db-wal", "model.db-shm"):
            (world.daemon.state / name).unlink(missing_ok=True)
        (world.daemon.state / "model.db").write_bytes(whole)

    after("UPDATE audit SET became = replace(became, '5003', '6003') WHERE became LIKE '%5003%'",
          the_only([r for r in world.daemon.rows("SELECT id FROM audit WHERE became LIKE '%5003%' ORDER BY id LIMIT 1")], "of 5003")[0],
          "is not what was written")
    after("DELETE FROM audit WHERE id = 5", 5, "rows 5 to 5 are missing")
    after("DELETE FROM audit WHERE id < 3", 1, "rows 1 to 2 are missing")
    # The daemon goes on after the cut as if nothing had been there: only the head tells it.
    after(f"DELETE FROM audit WHERE id > {number - 4}", number, given=("--head", head))
    world.daemon.start()
    world.ctl("audit", "verify", "--head", head).ok().says("are intact")


@test("the options cut the oldest rows, and what is left is intact", fresh=True, real="it is the daemon's own folder")
def _(world):
    world.daemon.stop()
    world.daemon.start("--audit-rows", "2000")
    for number in range(3100):
        code, text = world.daemon.api("PATCH", f"/v1/models/{world.cluster.model}/config",
                                      {"set": {"image-registry": f"registry.example:{5000 + number % 7}"}})
        if code != 200:
            raise Trouble(text)
    until(lambda: world.daemon.rows("SELECT count(*) FROM audit WHERE kind = 'cut'")[0][0], "the cut")
    world.ctl("audit", "verify").ok().says("are intact")
    if world.daemon.rows("SELECT min(id) FROM audit")[0][0] == 1:
        raise Trouble("nothing was cut")


if __name__ == "__main__":
    main()
