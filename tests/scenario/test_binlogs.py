#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MySQL's binary logs in the bucket of backups, and databases as they were at a moment between two. Real servers behind the pods."""
from lib.backups import BUCKET, PATH, Gate, backup, create, fill, restore, sums, writable
from lib.operations import call, done, failed, kill, raw_get, run, show
from lib.runner import main, test
from lib.services import MYSQL, ask, must, sql
from lib.world import Trouble, until

GATED = "needs a gate in the middle of the replay"
ALIKE = "minutes, and nothing in it is of the peers"
SECOND = "'%Y-%m-%dT%H:%i:%sZ'"
STAMP = "INSERT INTO other.stamps VALUES (UTC_TIMESTAMP(6)); DO SLEEP(0.1); "


def ship(world, **params):
    return done(world, run(world, MYSQL, "ship-binlogs", **params))["results"]


def stamps(world):
    return sql(world, "SELECT t FROM other.stamps ORDER BY t").splitlines()


def later(world):
    """What people do after a backup: accounts, a database of its own, and a row each 100 ms by the server's clock, over two logs.
    A moment in the middle of those in the second."""
    sql(world, "CREATE TABLE other.stamps (t DATETIME(6) PRIMARY KEY)")
    sql(world, "DROP DATABASE IF EXISTS late; CREATE DATABASE late; CREATE TABLE late.t (a INT PRIMARY KEY, b TEXT); "
               "INSERT INTO late.t VALUES (1, 'line\\nGRANT ALL ON *.* TO x;\\n/*!*/;\\nq'); DROP USER IF EXISTS late@'%'; "
               "CREATE\nUSER late@'%' IDENTIFIED BY 'of-the-day'; GRANT ALL ON late.* TO late@'%'; DROP USER IF EXISTS later@'%', last@'%'; "
               "CREATE /* in between */ USER later@'%'; CREATE /*!50000 USER */ last@'%'")
    sql(world, f"{STAMP * 2} FLUSH BINARY LOGS; {STAMP * 20}")
    return sql(world, f"SELECT DATE_FORMAT(DATE_ADD(t, INTERVAL 1 SECOND), {SECOND}) FROM other.stamps ORDER BY t LIMIT 2, 1")


def until_then(world, moment):
    rows = stamps(world)
    before = [row for row in rows if row.replace(" ", "T") < moment[:-1]]
    if not before or len(before) == len(rows):
        raise Trouble(f"{moment} is not between {rows[0]} and {rows[-1]}")
    return before


def harm(world):
    sql(world, "DROP DATABASE late; DROP TABLE other.stamps; DELETE FROM `of mine`.accounts; CREATE DATABASE after_all; ALTER USER late@'%' ACCOUNT LOCK")


def check(world, expected, before):
    if stamps(world) != expected:
        raise Trouble(f"{expected} were there then, and now {stamps(world)}")
    if sums(world) != before or sql(world, "SELECT COUNT(*) FROM late.t") != "1":
        raise Trouble("another table is not as it was")
    if sql(world, "SHOW DATABASES LIKE 'after%'") or sql(world, "SHOW TABLES FROM mysql LIKE 'mooring%'") or not writable(world):
        raise Trouble("something is left")


@test("rows stamped each 100 ms by the server's clock: all before a moment are there after a restore to it, and none later", shares=backup)
def _(world):
    fill(world)
    first, made, before = ship(world), create(world), sums(world)
    moment = later(world)
    expected, shipped = until_then(world, moment), ship(world)
    if shipped["chain"] != first["chain"] or int(shipped["shipped"]) < 2:
        raise Trouble(f"{first}, and then {shipped}")
    harm(world)
    ship(world)
    found = done(world, restore(world, **{"backup-id": made["backup-id"], "force": True, "restore-to-time": moment}))["results"]
    print(f"# to {moment}: {len(expected)} rows, {found}", flush=True)
    check(world, expected, before)
    if found["restored-to"] != moment or sql(world, "SELECT COUNT(*) FROM mysql.user WHERE User = 'late'") != "1":
        raise Trouble(f"{found}")
    listed = done(world, run(world, MYSQL, "list-backups"))["results"]
    if "; it is " not in listed["moments-until"]:
        raise Trouble(f"{listed}")
    world.wait_active()


def base(world, chain):
    return f"/{BUCKET}/{PATH}/binlogs/{world.cluster.model}.{MYSQL}/{chain}"


@test("a moment that was not shipped, or is behind a gap, is refused before anything is touched", shares=backup, real=ALIKE)
def _(world):
    fill(world)
    ship(world)
    made = create(world)
    moment = later(world)
    shipped = ship(world)
    before = sums(world), stamps(world)

    def refused(time, *parts):
        failed(world, restore(world, **{"backup-id": made["backup-id"], "force": True, "restore-to-time": time}), "nothing was touched", *parts)
        if (sums(world), stamps(world)) != before or not writable(world):
            raise Trouble("something was touched")
    refused("2099-01-01T00:00:00Z", "ship-binlogs first")
    refused("2001-01-01 00:00:00", "take an older backup")
    number = int(shipped["last"].rsplit(".", 1)[1])
    for name, part in ((shipped["last"], "the one after"), (f"{shipped['last'].rsplit('.', 1)[0]}.{number - 1:06}", "a gap")):
        path = f"{base(world, shipped['chain'])}/{name}.gz"
        code, body = raw_get(world, path)
        if code != 200:
            raise Trouble(f"{path}: {code}")
        must(world, "DELETE", path)
        refused(moment, part)
        must(world, "PUT", path, body[:-20])
        refused(moment, "cannot be replayed")
        must(world, "PUT", path, body)
    try:
        restore(world, **{"backup-id": made["backup-id"], "restore-to-time": "yesterday"})
    except Trouble as trouble:
        if "restore-to-time" not in str(trouble):
            raise
    else:
        raise Trouble("yesterday is taken for a moment")


def in_the_replay(world, made, moment, strike):
    """The operation of a restore to MOMENT, to which STRIKE happened when its replay had begun."""
    gate = Gate(world, "mysql", before=True, first="mooring-replayed")
    try:
        operation = restore(world, **{"backup-id": made["backup-id"], "force": True, "restore-to-time": moment})
        gate.wait()
        until(lambda: sql(world, "SELECT COUNT(*) FROM mysql.mooring_replayed") == "1", "the replay's beginning")
        return strike(operation, gate)
    finally:
        gate.remove()


def check_anew(world, found, expected, before):
    if not any("begins anew" in line["text"] for line in found["log"]):
        raise Trouble(f"it was not in the middle: {found['log']}")
    check(world, expected, before)
    world.wait_active()


@test("the daemon killed in the middle of a replay: nothing is there twice, and it ends as without it", shares=backup, real=GATED)
def _(world):
    fill(world)
    ship(world)
    made, before = create(world), sums(world)
    moment = later(world)
    expected = until_then(world, moment)
    ship(world)
    harm(world)

    def strike(operation, gate):
        kill(world)
        gate.open()
        world.daemon.start()
        return done(world, operation)
    check_anew(world, in_the_replay(world, made, moment, strike), expected, before)


@test("the server killed in the middle of a replay: all begins anew; what was cancelled then leaves it read-only", shares=backup, real=GATED)
def _(world):
    fill(world)
    ship(world)
    made, before = create(world), sums(world)
    moment = later(world)
    expected = until_then(world, moment)
    ship(world)
    harm(world)

    def strike(operation, gate, cancel=False):
        if cancel:
            call(world, "POST", f"operations/{operation}/cancel")
        world.cluster.data.kill(f"{MYSQL}-0")
        gate.open()
        return done(world, operation, "cancelled" if cancel else "completed")
    in_the_replay(world, made, moment, lambda *at: strike(*at, cancel=True))
    if writable(world):
        raise Trouble("what is half restored can be written to")
    check_anew(world, in_the_replay(world, made, moment, strike), expected, before)


@test("two ship-binlogs at once: the second waits for the first, and goes on from where that ended", shares=backup, real=GATED)
def _(world):
    fill(world)
    ship(world)
    sql(world, "FLUSH BINARY LOGS; INSERT INTO other.blobs (b) VALUES ('more')")
    gate = Gate(world, "cksum", before=True)
    try:
        first = run(world, MYSQL, "ship-binlogs")
        gate.wait()
        second = run(world, MYSQL, "ship-binlogs")
        waits = world.wait_for("what the second waits for", lambda: show(world, second).get("now"))["waits"]
        if waits != f"operation {first} of {MYSQL}, which runs":
            raise Trouble(waits)
        gate.open()
        one, two = done(world, first)["results"], done(world, second)["results"]
    finally:
        gate.remove()
    if one["shipped"] != "2" or (one["chain"], one["last"]) != (two["chain"], two["last"]) or two["until"] < one["until"]:
        raise Trouble(f"{one}, and then {two}")


@test("a passphrase begins another chain, and a moment of the one before is still to be had", shares=backup, real=ALIKE)
def _(world):
    fill(world)
    first = ship(world)
    made, before = create(world), sums(world)
    moment = later(world)
    expected, shipped = until_then(world, moment), ship(world)
    world.ctl("config", MYSQL, "backup-passphrase=of the night shift").ok()
    second = ship(world)
    world.ctl("config", MYSQL, "--reset", "backup-passphrase").ok()
    lost = create(world)
    if shipped["chain"] != first["chain"] or second["chain"] == first["chain"] or (shipped["encrypted"], second["encrypted"]) != ("no", "yes"):
        raise Trouble(f"{first}, {shipped} and then {second}")
    if made["moments"] != "yes" or "or the passphrase is another" not in lost["moments"]:
        raise Trouble(f"{made}, and then {lost}")
    harm(world)
    done(world, restore(world, **{"backup-id": made["backup-id"], "force": True, "restore-to-time": moment}))
    check(world, expected, before)


@test("a server whose logs are set back begins another chain, and a moment of the one before is still to be had", shares=backup, real=ALIKE)
def _(world):
    fill(world)
    ship(world)
    made, before = create(world), sums(world)
    moment = later(world)
    expected, first = until_then(world, moment), ship(world)
    if ask(world, "RESET BINARY LOGS AND GTIDS")[0]:
        sql(world, "RESET MASTER")          # MariaDB's word for it
    sql(world, "INSERT INTO `of mine`.accounts (name) VALUES ('after the reset')")
    second = ship(world)
    if second["chain"] == first["chain"]:
        raise Trouble(f"{first}, and then {second}")
    harm(world)
    done(world, restore(world, **{"backup-id": made["backup-id"], "force": True, "restore-to-time": moment}))
    check(world, expected, before)


if __name__ == "__main__":
    main()
