#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Backups of MySQL in a bucket: made, listed, verified, restored, and what goes wrong with them. Real servers behind the pods."""
import json
import re
import shutil

from lib.backups import BUCKET, PATH, S3, TABLES, Gate, backup, create, fill, harm, restore, sums, writable
from lib.operations import call, done, failed, kill, raw_get, run
from lib.runner import main, test
from lib.services import MYSQL, ask, must, sql, store
from lib.world import Trouble

GATED = "needs a gate between the dump and the bucket"
ALIKE = "minutes, and nothing in it is of the peers"


def listed(world, column=2):
    """ID → status, by what list-backups says; column 3: ID → when it was verified."""
    text = done(world, run(world, MYSQL, "list-backups"))["results"]["backups"]
    return {row.split(" | ")[0].strip(): row.split(" | ")[column].strip() for row in text.splitlines()[1:]}


@test("rows in, a backup, rows dropped, restored: every table has the checksum that it had", shares=backup)
def _(world):
    fill(world)
    before = sums(world)
    made = create(world)
    if listed(world).get(made["backup-id"]) != "finished" or made["tables-with-checksum"] != made["tables"]:
        raise Trouble(f"{made}: {listed(world)}")
    if store(world, "GET", f"/{BUCKET}/{PATH}/{made['backup-id']}/metadata")[0] != 200:
        raise Trouble("it does not lie where it was said to")
    harm(world)
    found = done(world, restore(world, **{"backup-id": made["backup-id"], "force": True}))
    if sums(world) != before or sql(world, "SHOW TABLES FROM other LIKE 'later'") or not writable(world):
        raise Trouble(f"{before}\n{sums(world)}")
    if int(sql(world, "SELECT COUNT(*) FROM other.seen")) != 8 or int(found["results"]["tables-compared"]) < len(TABLES):
        raise Trouble(f"the view, or the comparison: {found}")
    world.wait_active()


@test("a backup is restored into a new application, and the old one is as it was", shares=backup)
def _(world):
    fill(world)
    made, before = create(world), sums(world)
    world.ctl("deploy", "mysql-k8s", "anew", "--config", "profile=testing", "--storage", "database=10G").ok()
    world.ctl("integrate", f"{S3}:s3-credentials", "anew:s3-parameters").ok()
    world.wait_status("anew", "active")
    done(world, restore(world, app="anew", **{"backup-id": made["backup-id"]}))
    if sums(world, "anew") != before or sums(world) != before:
        raise Trouble(f"{before}: {sums(world, 'anew')}")
    world.ctl("remove-application", "anew", "--destroy-storage", "--no-prompt").ok()
    world.wait_for("anew to go", lambda: not world.cluster.kube.get("statefulsets", world.cluster.model, "anew"))
    world.wait_active()


@test("a sealed backup opens by its passphrase alone, and without it nothing is touched", shares=backup, real=ALIKE)
def _(world):
    fill(world)
    before, words = sums(world), "only the night shift knows"
    made = create(world, passphrase=words)
    body = store(world, "GET", f"/{BUCKET}/{PATH}/{made['backup-id']}/dump.sql.gz.sealed")
    if body[0] != 200 or "accounts" in body[1] or made["encrypted"] != "yes":
        raise Trouble("it is not sealed")
    failed(world, restore(world, **{"backup-id": made["backup-id"], "force": True}), "passphrase is needed", "nothing was touched")
    failed(world, restore(world, **{"backup-id": made["backup-id"], "force": True, "passphrase": "of the day shift"}),
           "nothing was touched")
    if sums(world) != before or not writable(world):
        raise Trouble("something was touched")
    harm(world)
    done(world, restore(world, **{"backup-id": made["backup-id"], "force": True, "passphrase": words}))
    if sums(world) != before:
        raise Trouble("not restored as it was")
    if words in json.dumps(world.daemon.rows("SELECT * FROM operation_turn"), default=str):
        raise Trouble("the passphrase is in the journal")


@test("a database in use is not restored over without force, and what is there is told", shares=backup, real=ALIKE)
def _(world):
    fill(world)
    made = create(world)
    sql(world, "INSERT INTO `of mine`.accounts (name) VALUES ('after the backup')")
    before = sums(world)
    failed(world, restore(world, **{"backup-id": made["backup-id"]}), "in use:", "force=true", "nothing was touched")
    if sums(world) != before or not writable(world):
        raise Trouble("something was touched")


@test("a backup that is cut off, changed or unknown is refused before anything is touched", shares=backup, real=ALIKE)
def _(world):
    fill(world)
    before, made = sums(world), create(world)
    base = f"/{BUCKET}/{PATH}/{made['backup-id']}"
    code, raw = raw_get(world, f"{base}/dump.sql.gz")
    meta = must(world, "GET", f"{base}/metadata")
    if code != 200:
        raise Trouble(raw)

    def refused(*parts, of=made["backup-id"]):
        failed(world, restore(world, **{"backup-id": of, "force": True}), *parts)
        if sums(world) != before or not writable(world):
            raise Trouble("something was touched")
    must(world, "PUT", f"{base}/dump.sql.gz", raw[:-100])
    refused("nothing was touched")
    must(world, "PUT", f"{base}/dump.sql.gz", raw[:200] + bytes([raw[200] ^ 1]) + raw[201:])
    refused("nothing was touched")
    must(world, "PUT", f"{base}/dump.sql.gz", raw)
    must(world, "PUT", f"{base}/metadata", meta.encode()[:-20])
    refused("cut off", "nothing was touched")
    must(world, "PUT", f"{base}/metadata", meta.encode())
    refused("there is no", f"the nearest is {made['backup-id']}", of=made["backup-id"][:-2] + "_Z")
    for nobodys in ("../secrets", "the newest"):
        try:
            restore(world, **{"backup-id": nobodys})
        except Trouble as trouble:
            if "parameter backup-id" not in str(trouble):
                raise
        else:
            raise Trouble(f"a second person is asked about {nobodys}")
    must(world, "DELETE", f"{base}/metadata")
    if listed(world).get(made["backup-id"]) != "unfinished":
        raise Trouble(f"a dump without metadata: {listed(world)}")
    must(world, "DELETE", f"{base}/dump.sql.gz")


# ---- verified aside

STAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ")


def verify(world, status="completed", **params):
    return done(world, run(world, MYSQL, "verify-backup", **params), status)


def nothing_aside(world):
    if world.cluster.kube.get("statefulsets", world.cluster.model, f"{MYSQL}-scratch"):
        raise Trouble("the scratch server stays")


@test("a backup is verified by a restore aside: when is told and listed, and no server of it stays", shares=backup)
def _(world):
    fill(world)
    made = create(world)
    before = sums(world)
    for words in ({},) if world.cluster.real else ({}, {"backup-id": made["backup-id"]}):
        found = verify(world, **words)["results"]
        if (found["backup-id"], found["tables-compared"]) != (made["backup-id"], made["tables-with-checksum"]) or \
                not STAMP.fullmatch(found["verified-at"]):
            raise Trouble(f"{made}: {found}")
        nothing_aside(world)
    if not STAMP.fullmatch(listed(world, 3)[made["backup-id"]]) or sums(world) != before:
        raise Trouble(f"{made}: {listed(world, 3)}")
    world.wait_active()


@test("a backup that was changed is found to be no good; one that nobody could open is said nothing about", shares=backup, real=ALIKE)
def _(world):
    fill(world)
    made = create(world)
    base = f"/{BUCKET}/{PATH}/{made['backup-id']}"
    meta = must(world, "GET", f"{base}/metadata")
    table = next(line for line in meta.splitlines() if line.startswith("table: ") and line.endswith("\taccounts"))
    must(world, "PUT", f"{base}/metadata", meta.replace(table, f"table: 1\t{table.split(chr(9), 1)[1]}").encode())
    if "is no good" not in verify(world, "failed")["message"] or not listed(world, 3)[made["backup-id"]].startswith("failed 2"):
        raise Trouble(f"not found: {listed(world, 3)}")
    must(world, "PUT", f"{base}/metadata", meta.encode())
    verify(world)
    if not STAMP.fullmatch(listed(world, 3)[made["backup-id"]]):
        raise Trouble("the older verdict stays")
    raw = raw_get(world, f"{base}/dump.sql.gz")[1]
    must(world, "PUT", f"{base}/dump.sql.gz", raw[:200] + bytes([raw[200] ^ 1]) + raw[201:])
    message = verify(world, "failed")["message"]
    if "is no good: it cannot be read back" not in message:
        raise Trouble(message)
    must(world, "PUT", f"{base}/dump.sql.gz", raw)
    sealed = create(world, passphrase="only the night shift knows")
    failed(world, run(world, MYSQL, "verify-backup"), "passphrase is needed")
    failed(world, run(world, MYSQL, "verify-backup", passphrase="of the day shift"), "the passphrase is not the one that it was sealed with")
    if listed(world, 3)[sealed["backup-id"]] != "-":
        raise Trouble(f"a verdict without a look: {listed(world, 3)}")
    base = f"/{BUCKET}/{PATH}/{sealed['backup-id']}/dump.sql.gz.sealed"
    must(world, "PUT", base, raw_get(world, base)[1][:-1])
    failed(world, run(world, MYSQL, "verify-backup", passphrase="of the day shift"), "is no good: it cannot be read back")
    if listed(world)[sealed["backup-id"]] != "failed":
        raise Trouble(f"listed as one that is good: {listed(world)}")
    nothing_aside(world)


@test("the option's passphrase seals what is made without one, and verifies it", shares=backup, real=ALIKE)
def _(world):
    fill(world)
    world.ctl("config", MYSQL, "backup-passphrase=kept where the bucket is not").ok()
    world.wait_active()
    made = create(world)
    if made["encrypted"] != "yes" or verify(world)["results"]["backup-id"] != made["backup-id"]:
        raise Trouble(f"{made}")
    world.ctl("config", MYSQL, "--reset", "backup-passphrase").ok()
    world.wait_active()
    failed(world, run(world, MYSQL, "verify-backup"), "passphrase is needed")


# ---- retention

@test("as many backups are kept as the option says, the newest that was verified too, and another application's", shares=backup, real=ALIKE)
def _(world):
    fill(world)
    for name in listed(world):
        for file in ("metadata", "verified", "verify-failed", "dump.sql.gz", "dump.sql.gz.sealed", f"owner.{world.cluster.model}.{MYSQL}"):
            store(world, "DELETE", f"/{BUCKET}/{PATH}/{name}/{file}")
    foreign = f"/{BUCKET}/{PATH}/2020-01-01T00:00:00Z"
    for file in ("dump.sql.gz", "metadata", f"owner.{world.cluster.model}.another"):
        must(world, "PUT", f"{foreign}/{file}", b"x")
    first = create(world)["backup-id"]
    verify(world)
    second = create(world)["backup-id"]
    world.ctl("config", MYSQL, "backup-retention-count=1").ok()
    third = create(world)
    if sorted(listed(world)) != ["2020-01-01T00:00:00Z", first, third["backup-id"]] or third["pruned"] != "1":
        raise Trouble(f"{first}, {second}, {third}: {listed(world)}")
    world.ctl("config", MYSQL, "--reset", "backup-retention-count").ok()
    world.wait_active()
    for file in ("dump.sql.gz", "metadata", f"owner.{world.cluster.model}.another"):
        must(world, "DELETE", f"{foreign}/{file}")


# ---- in the middle

@test("the daemon killed in the middle of a backup, and of a restore: both end as without it", shares=backup, real=GATED)
def _(world):
    fill(world)
    before, known = sums(world), set(listed(world))
    gate = Gate(world, "mysqldump", before=False)
    try:
        operation = run(world, MYSQL, "create-backup")
        gate.wait()
        kill(world)
        gate.open()
        world.daemon.start()
        made = done(world, operation)["results"]
    finally:
        gate.remove()
    if {name: status for name, status in listed(world).items() if name not in known} != {made["backup-id"]: "finished"}:
        raise Trouble(f"{made}: {listed(world)}")
    harm(world)
    gate = Gate(world, "mysql", before=True)
    try:
        operation = restore(world, **{"backup-id": made["backup-id"], "force": True})
        gate.wait()
        if writable(world):
            raise Trouble("clients write while it is restored")
        kill(world)
        gate.open()
        world.daemon.start()
        done(world, operation)
    finally:
        gate.remove()
    if sums(world) != before or not writable(world):
        raise Trouble("not as it was")
    world.wait_active()


@test("the daemon killed while a backup is verified: it ends as without it", shares=backup, real=GATED)
def _(world):
    fill(world)
    made = create(world)
    gate = Gate(world, "mysql", before=True)
    try:
        operation = run(world, MYSQL, "verify-backup")
        gate.wait()
        kill(world)
        gate.open()
        world.daemon.start()
        found = done(world, operation)["results"]
    finally:
        gate.remove()
    if found["tables-compared"] != made["tables-with-checksum"] or not STAMP.fullmatch(listed(world, 3)[made["backup-id"]]):
        raise Trouble(f"{made}: {found}")
    nothing_aside(world)


@test("the bucket gone in the middle of the dump: told, and nothing is listed", shares=backup, real=GATED)
def _(world):
    fill(world)
    sql(world, "INSERT INTO other.blobs (b) SELECT REPEAT(b, 100) FROM other.blobs")
    folder = next(path for path in world.cluster.data.folder.glob(f"*/{BUCKET}") if path.is_dir())
    gate = Gate(world, "mysqldump", before=False)
    try:
        operation = run(world, MYSQL, "create-backup")
        gate.wait()
        shutil.rmtree(folder)
        gate.open()
        failed(world, operation, "the dump broke off, and there is no backup")
    finally:
        gate.remove()
    failed(world, run(world, MYSQL, "list-backups"), "Failed to retrieve backup ids from S3")
    failed(world, run(world, MYSQL, "create-backup"), "bucket")
    must(world, "PUT", f"/{BUCKET}")
    if listed(world):
        raise Trouble(f"listed: {listed(world)}")
    create(world)


@test("what is written during a backup is in none of its checksums, and a cancelled one leaves nothing", shares=backup, real=GATED)
def _(world):
    fill(world)
    gate = Gate(world, "mysqldump", before=False)
    try:
        operation = run(world, MYSQL, "create-backup")
        gate.wait()
        sql(world, "INSERT INTO other.blobs (b) VALUES ('meanwhile')")
        gate.open()
        found = done(world, operation)
        if int(found["results"]["tables"]) - int(found["results"]["tables-with-checksum"]) != 1:
            raise Trouble(json.dumps(found))
        known = listed(world)
        gate.closed.touch()
        gate.reached.unlink()
        operation = run(world, MYSQL, "create-backup")
        gate.wait()
        call(world, "POST", f"operations/{operation}/cancel")
        gate.open()
        done(world, operation, "cancelled")
    finally:
        gate.remove()
    if listed(world) != known:
        raise Trouble(f"{known}: {listed(world)}")


def cancelled_in_the_middle(world, made):
    """A restore of which the first databases are dropped, cancelled by a person who is told what that leaves."""
    gate = Gate(world, "mysql", before=True)
    try:
        operation = restore(world, **{"backup-id": made["backup-id"], "force": True})
        gate.wait()
        world.ctl("show-operation", str(operation)).ok().says("Half done")
        told = world.ctl("cancel-task", str(operation)).ok()
        if "leaves something half done: the databases" not in told.out + told.err:
            raise Trouble(f"nothing is told of it: {told}")
        gate.open()
        done(world, operation, "cancelled")
    finally:
        gate.remove()
    return operation


@test("a restore cancelled after its first drop is seen until another has ended well, over a restart too", shares=backup, real=GATED)
def _(world):
    fill(world)
    before, made = sums(world), create(world)
    harm(world)
    operation = cancelled_in_the_middle(world, made)
    world.wait_status(MYSQL, "blocked", "restored in part: ")
    world.ctl("show-operation", str(operation)).refused("Leaves", "only another restore makes them whole", code=1)
    kill(world)
    world.daemon.start()
    world.wait_status(MYSQL, "blocked", "restored in part: ")
    again = f"run {MYSQL} restore backup-id={made['backup-id']} force=true"
    world.ctl("doctor").refused("restored in part: ", f"next: mooringctl {again}")
    failed(world, run(world, MYSQL, "create-backup"), "nothing is made of that")
    for server in ("the one that was", "one that was started again"):
        if writable(world):
            raise Trouble(f"clients write into half a database of {server}")
        world.cluster.data.kill(f"{MYSQL}-0")
        world.wait_for("the server", lambda: ask(world, "SELECT 1")[0] == 0)
    done(world, restore(world, **{"backup-id": made["backup-id"], "force": True}))
    world.wait_active()
    world.cluster.data.kill(f"{MYSQL}-0")
    world.wait_for("the server", lambda: ask(world, "SELECT 1")[0] == 0)
    if sums(world) != before or not writable(world) or "restored in part" in world.ctl("doctor").out:
        raise Trouble("not as it was")


@test("without a relation it is said what is missing", real=ALIKE)
def _(world):
    failed(world, run(world, MYSQL, "create-backup"), "Missing relation with S3 integrator charm")
    failed(world, run(world, MYSQL, "list-backups"), "Missing relation with S3 integrator charm")


if __name__ == "__main__":
    main()
