#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A primary and its replica, with MySQL's own servers behind the pods: copied, switched, failed over, fenced, scaled in again, and of another version (both
images of such a test are run by the same one, which their tags only claim to be others)."""
from lib import data
from lib.backups import TABLES, Gate, backup, create, fill, harm, restore, sums
from lib.mysql_client import Refused, login
from lib.operations import approved, done, failed, kill, run, show
from lib.runner import Skip, main, test
from lib.services import MYSQL, root_password
from lib.upgrades import is_open, later, log_of, option
from lib.world import Trouble, until

ONLY = "there the servers are MariaDB's, which have no such replicas"
SECOND = f"{MYSQL}-unit-1"
PODS = (f"{MYSQL}-0", f"{SECOND}-0")
ROWS = "SELECT GROUP_CONCAT(what ORDER BY id) FROM shop.orders"


def replicated(world):
    """One server, with something in it, then two."""
    if not data.MYSQL:
        raise Skip("with MySQL's own servers only (--mysql)")
    world.ctl("deploy", "mysql-k8s", MYSQL, "--config", "profile=testing", "--trust").ok()
    world.wait_status(MYSQL, "active")
    world.wait_for("the server", lambda: ask(world, 0, "SELECT 1")[0] == 0)
    sql(world, 0, "CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY AUTO_INCREMENT, what TEXT)")
    write(world, 0, "before")
    world.ctl("scale-application", MYSQL, "2").ok()
    world.wait_status(MYSQL, "active", f"{MYSQL}/0 is the primary", f"{MYSQL}/1 replicates")


def ask(world, unit, statement):
    pod = PODS[unit]
    return world.cluster.execute(pod, ["mariadb", "--no-defaults", "--protocol=tcp", f"--host={world.cluster.inside(pod, 3306)}", "--user=root",
                                       f"--password={root_password(world)}", "--connect-timeout=5", "--batch", "--skip-column-names",
                                       f"--execute={statement}"])


def sql(world, unit, statement):
    code, out, err = ask(world, unit, statement)
    if code:
        raise Trouble(f"{PODS[unit]}: {statement}: {err}")
    return out.strip()


def write(world, unit, what):
    sql(world, unit, f"INSERT INTO shop.orders (what) VALUES ('{what}')")


def has(world, unit, what):
    return sql(world, unit, f"SELECT COUNT(*) FROM shop.orders WHERE what = '{what}'") == "1"


def reaches(world, unit, what):
    world.wait_for(f"{what!r} at unit {unit}", lambda: has(world, unit, what))


def writable(world, unit):
    return sql(world, unit, "SELECT @@GLOBAL.super_read_only") == "0"


def leads_to(world):
    return world.cluster.kube.get("services", world.cluster.model, f"{MYSQL}-primary")["spec"]["selector"]["app.kubernetes.io/name"]


def on(world, unit, action, **params):
    return world.ctl("run", f"{MYSQL}/{unit}", action, *[f"{k}={v}" for k, v in params.items()], "--wait", "3m")


def primary_is(world, unit):
    """Alone writable, and where the Service leads."""
    if [writable(world, n) for n in (0, 1)] != [n == unit for n in (0, 1)]:
        raise Trouble(f"writable: {[writable(world, n) for n in (0, 1)]}, and the primary should be {unit}")
    if leads_to(world) != (MYSQL, SECOND)[unit]:
        raise Trouble(f"the Service leads to {leads_to(world)}")


@test("scaled to two, the new server is a copy and follows; a switch loses nothing and moves the Service; back, and scaled in", shares=replicated, real=ONLY)
def _(world):
    if not has(world, 1, "before"):
        raise Trouble("the copy lacks what was there before")
    write(world, 0, "after")
    reaches(world, 1, "after")
    primary_is(world, 0)
    on(world, 1, "promote-to-primary").ok()
    primary_is(world, 1)
    write(world, 1, "switched")
    reaches(world, 0, "switched")
    world.ctl("scale-application", MYSQL, "1")
    world.wait_status(MYSQL, "blocked", "promote-to-primary on another unit first")
    primary_is(world, 1)
    world.ctl("scale-application", MYSQL, "2").ok()
    world.wait_status(MYSQL, "active", f"{MYSQL}/1 is the primary")
    on(world, 0, "promote-to-primary").ok()
    primary_is(world, 0)
    world.ctl("scale-application", MYSQL, "1").ok()
    world.wait_for("one pod", lambda: not world.cluster.kube.get("pods", world.cluster.model, PODS[1]))
    world.wait_status(MYSQL, "active")
    write(world, 0, "alone")
    if not writable(world, 0):
        raise Trouble("it is read-only")
    world.ctl("scale-application", MYSQL, "2").ok()
    world.wait_status(MYSQL, "active", f"{MYSQL}/1 replicates")
    reaches(world, 1, "alone")


@test("replication that was stopped goes on, a replica that was opened is closed, and a server that starts is read-only until it is known what it is", shares=replicated,
      real=ONLY)
def _(world):
    sql(world, 1, "STOP REPLICA")
    write(world, 0, "meanwhile")
    reaches(world, 1, "meanwhile")
    sql(world, 1, "SET GLOBAL super_read_only = OFF")
    world.wait_for("the replica to be closed", lambda: not writable(world, 1))
    kill(world)
    for unit in (0, 1):
        world.cluster.data.kill(PODS[unit])
        world.wait_for("the server", lambda n=unit: ask(world, n, "SELECT 1")[0] == 0)
    if writable(world, 0) or writable(world, 1):
        raise Trouble("a server that starts takes writes")
    world.daemon.start()
    world.wait_for("the primary to be open", lambda: writable(world, 0))
    write(world, 0, "opened")
    reaches(world, 1, "opened")
    primary_is(world, 0)


def hold(world, unit):
    """The server is dead, and stays so."""
    world.cluster.data.held.add(PODS[unit])
    world.cluster.data.kill(PODS[unit])


@test("the primary is dead: fail-over; it comes back read-only and set aside; what only it had is named, and dropped when a second person says so",
      shares=replicated, real=ONLY)
def _(world):
    world.wait_status(MYSQL, "active", f"{MYSQL}/0 is the primary", f"{MYSQL}/1 replicates")
    failed(world, approved(world, MYSQL, "fail-over", unit=f"{MYSQL}/1"), "answers: run promote-to-primary")
    write(world, 0, "both")
    reaches(world, 1, "both")
    kill(world)                         # nobody starts it again
    sql(world, 1, "STOP REPLICA IO_THREAD")
    write(world, 0, "lost")
    hold(world, 0)
    world.daemon.start()
    if on(world, 1, "promote-to-primary").code == 0:
        raise Trouble("it was promoted, and the primary is dead")
    failed(world, approved(world, MYSQL, "fail-over", unit=f"{MYSQL}/1"), "its pod is ready: it may be taking writes")
    found = done(world, approved(world, MYSQL, "fail-over", unit=f"{MYSQL}/1", force=True))["results"]
    if found["set-aside"] != f"{MYSQL}/0" or not writable(world, 1):
        raise Trouble(f"{found}")
    world.wait_for("the Service to move", lambda: leads_to(world) == SECOND)
    write(world, 1, "alive")
    world.cluster.data.held.clear()
    world.wait_for("the one before", lambda: ask(world, 0, "SELECT 1")[0] == 0)
    primary_is(world, 1)
    world.wait_status(MYSQL, "waiting", f"{MYSQL}/0 is set aside")
    on(world, 0, "rejoin-replica").refused("has transactions that the primary lacks")
    done(world, approved(world, MYSQL, "replace-replica", unit=f"{MYSQL}/0"))
    world.wait_status(MYSQL, "active", f"{MYSQL}/0 replicates", f"{MYSQL}/1 is the primary")
    reaches(world, 0, "alive")
    if has(world, 0, "lost"):
        raise Trouble("it has what no other has")
    primary_is(world, 1)
    on(world, 0, "get-cluster-status").ok().says("replica, 0 s behind, read-only", "primary, takes writes")
    hold(world, 1)
    done(world, approved(world, MYSQL, "fail-over", unit=f"{MYSQL}/0", force=True))
    world.cluster.data.held.clear()
    world.wait_for("the one before", lambda: ask(world, 1, "SELECT 1")[0] == 0)
    on(world, 1, "rejoin-replica").ok()
    world.wait_for("the Service to move", lambda: leads_to(world) == MYSQL)
    primary_is(world, 0)


def pair(world):
    if not data.MYSQL:
        raise Skip("with MySQL's own servers only (--mysql)")
    backup(world)
    sql(world, 0, "CREATE DATABASE shop; CREATE TABLE shop.orders (id INT PRIMARY KEY AUTO_INCREMENT, what TEXT)")
    world.ctl("scale-application", MYSQL, "2").ok()
    both_run(world)


def both_run(world):
    world.wait_status(MYSQL, "active", f"{MYSQL}/0 is the primary", f"{MYSQL}/1 replicates", seconds=180)      # what failed for long is tried once a minute
    primary_is(world, 0)


def images(world):
    found = [world.cluster.kube.get("statefulsets", world.cluster.model, name) for name in (MYSQL, SECOND)]
    return [one["spec"]["template"]["spec"]["containers"][0]["image"] for one in found]


def rows(world, unit):
    return sql(world, unit, ROWS)


def same_rows(world):
    world.wait_for("the replica to have what the primary has", lambda: ask(world, 1, ROWS)[:2] == (0, rows(world, 0) + "\n"))


@test("a restore of a primary: nobody writes until it is whole, and its replica does what it does", shares=pair, real=ONLY)
def _(world):
    fill(world)
    write(world, 0, "kept")
    before, made = sums(world), create(world)
    harm(world)
    sql(world, 0, "DELETE FROM shop.orders")
    gate = Gate(world, "mysql", before=True)
    try:
        operation = restore(world, **{"backup-id": made["backup-id"], "force": True})
        gate.wait()
        world.cluster.data.kill(PODS[0])                # it starts closed to everybody, and is opened to its administrator only
        gate.open()
        world.wait_for("the server", lambda: ask(world, 0, "SELECT 1")[0] == 0)
        if sql(world, 0, "SELECT @@GLOBAL.read_only") != "1":
            raise Trouble("clients write while it is restored")
    finally:
        gate.remove()
    done(world, operation)
    if sums(world) != before or not has(world, 0, "kept"):
        raise Trouble("not restored as it was")
    both_run(world)
    is_open(world)
    same_rows(world)
    tables = "CHECKSUM TABLE " + ", ".join(TABLES)
    world.wait_for("the replica to have the tables", lambda: ask(world, 1, tables)[1] == ask(world, 0, tables)[1])


@test("the replica goes first while clients write, then the primary, closed until it has passed; rollback gives both back what was before", shares=pair, real=ONLY)
def _(world):
    fill(world)
    write(world, 0, "before")
    kept = rows(world, 0)
    before, was, new = sums(world), images(world), later(world)
    world.cluster.data.held.add(PODS[1])
    operation = run(world, MYSQL, "upgrade", image=new, watch=1)
    try:
        world.wait_for("the replica's turn", lambda: images(world) == [was[0], new])
        write(world, 0, "meanwhile")
    finally:
        world.cluster.data.held.clear()
    made = done(world, operation)["results"]
    if images(world) != [new, new] or sums(world) != before or option(world, "units-ahead"):
        raise Trouble(f"{images(world)} {made} {option(world, 'units-ahead')}")
    both_run(world)
    is_open(world)
    write(world, 0, "after")
    same_rows(world)
    told = done(world, approved(world, MYSQL, "rollback", force=True))["results"]
    if images(world) != was or sums(world) != before or int(told["transactions-lost"]) < 1 or rows(world, 0) != f"{kept},meanwhile":
        raise Trouble(f"{images(world)} {told} {rows(world, 0)}")
    both_run(world)
    is_open(world)
    same_rows(world)
    write(world, 0, "again")
    same_rows(world)


@test("a replica that does not come up is taken back, in the end as a copy in a folder of its own; the primary was not touched", shares=pair, real=ONLY)
def _(world):
    write(world, 0, "kept")
    was, folder = images(world), option(world, "unit-folders")
    world.cluster.data.held.add(PODS[1])
    operation = run(world, MYSQL, "upgrade", image=later(world), wait=5)
    try:
        world.wait_for("an empty folder", lambda: option(world, "unit-folders") != folder, 180)
        if ask(world, 0, "INSERT INTO shop.orders (what) VALUES ('meanwhile')")[0]:
            raise Trouble("the primary takes no writes")
    finally:
        world.cluster.data.held.clear()
    failed(world, operation, f"{MYSQL}/1 did not come up and replicate")
    if images(world) != was or option(world, "units-ahead") or option(world, "maintenance") != "false":
        raise Trouble(f"{images(world)} {option(world, 'units-ahead')}\n{log_of(world, operation)}")
    both_run(world)
    same_rows(world)


@test("a primary that does not come up is back with all its rows, and the replica after it", shares=pair, real=ONLY)
def _(world):
    fill(world)
    write(world, 0, "more")
    before, was, new = sums(world), images(world), later(world)
    operation = run(world, MYSQL, "upgrade", image=new, wait=20, watch=1)
    try:
        world.wait_for("the primary's turn", lambda: option(world, "maintenance") == "true")
        world.cluster.data.held.add(PODS[0])
        world.wait_for("the new primary", lambda: images(world)[0] == new)
        world.wait_for("the old one", lambda: images(world)[0] != new)
    finally:
        world.cluster.data.held.clear()
    failed(world, operation, "the new server did not come up")
    if images(world) != was or sums(world) != before or option(world, "units-ahead"):
        raise Trouble(f"{images(world)} {show(world, operation)}")
    is_open(world)
    both_run(world)
    same_rows(world)


@test("a primary that comes up in neither version leaves its replica what it has: fail-over to that, on the later version, and back", shares=pair, real=ONLY)
def _(world):
    write(world, 0, "kept")
    kept, was, new = rows(world, 0), images(world), later(world)
    folder = option(world, "data-folder")
    operation = run(world, MYSQL, "upgrade", image=new, wait=5, watch=1)
    try:
        world.wait_for("the primary's turn", lambda: option(world, "maintenance") == "true")
        world.cluster.data.held.add(PODS[0])
        failed(world, operation, "the new server did not come up")
        if option(world, "data-folder") != folder or option(world, "units-aside") or images(world) != [was[0], new]:
            raise Trouble(f"{images(world)}\n{log_of(world, operation)}")
        if not any("the primary comes up in neither version" in line for line in log_of(world, operation)):
            raise Trouble(f"{log_of(world, operation)}")
        done(world, approved(world, MYSQL, "fail-over", unit=f"{MYSQL}/1", force=True))
        write(world, 1, "after")
    finally:
        world.cluster.data.held.clear()
    world.wait_status(MYSQL, "waiting", f"{MYSQL}/0 is set aside")
    world.wait_for("the one before", lambda: ask(world, 0, "SELECT 1")[0] == 0)
    if images(world) != [new, new] or option(world, "maintenance") != "false" or option(world, "units-ahead"):
        raise Trouble(f"{images(world)} {option(world, 'units-ahead')}")
    primary_is(world, 1)
    on(world, 0, "rejoin-replica").ok()
    world.wait_status(MYSQL, "active", f"{MYSQL}/0 replicates")
    on(world, 0, "promote-to-primary").ok()
    both_run(world)
    if rows(world, 0) != f"{kept},after":
        raise Trouble(rows(world, 0))
    same_rows(world)


@test("a replica that does not start is replaced: in another folder, as a copy; a server that was not alone once stays closed while it is half restored",
      shares=pair, real=ONLY)
def _(world):
    write(world, 0, "kept")
    hold(world, 1)
    operation = approved(world, MYSQL, "replace-replica", unit=f"{MYSQL}/1")
    try:
        world.wait_for("another folder", lambda: option(world, "unit-folders").startswith("1:data-"), 120)
    finally:
        world.cluster.data.held.clear()
    done(world, operation)
    both_run(world)
    same_rows(world)
    if option(world, "unit-folders").removeprefix("1:") not in sql(world, 1, "SELECT @@GLOBAL.datadir"):
        raise Trouble("its data are not where the option says")
    world.ctl("config", MYSQL, "maintenance=true").ok()
    world.ctl("scale-application", MYSQL, "1").ok()
    world.wait_for("the replica to go", lambda: not world.cluster.kube.get("statefulsets", world.cluster.model, SECOND))
    world.cluster.data.kill(PODS[0])
    world.wait_for("the server", lambda: ask(world, 0, "SELECT @@GLOBAL.read_only, @@GLOBAL.super_read_only")[:2] == (0, "1\t0\n"))
    world.ctl("scale-application", MYSQL, "2").ok()
    world.wait_status(MYSQL, "maintenance", "read-only")
    if sql(world, 0, "SELECT @@GLOBAL.read_only") != "1":
        raise Trouble("clients write to what is half")
    world.ctl("config", MYSQL, "--reset", "maintenance").ok()
    both_run(world)
    same_rows(world)


if __name__ == "__main__":
    main()
