#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Another version of MySQL: what is looked at before, a backup, writers kept out until the new server has passed, and the ways back. Real servers behind
the pods; both images of a test are run by the same version, which their tags only claim to be others."""
import json

from lib.backups import TABLES, Gate, backup, fill, sums, writable
from lib.operations import approved, done, failed, run
from lib.runner import main, test
from lib.services import MYSQL, ask, root_password, seen_filled, sql
from lib.upgrades import is_open, later, log_of, option, version
from lib.world import Trouble


def image(world):
    return world.cluster.kube.get("statefulsets", world.cluster.model, MYSQL)["spec"]["template"]["spec"]["containers"][0]["image"]


def check(world, **params):
    found = done(world, run(world, MYSQL, "pre-upgrade-check", **params))["results"]
    return found, {one["check"] for one in json.loads(found["findings"])}


@test("pre-upgrade-check tells what stands in the way as findings, and touches nothing", shares=backup)
def _(world):
    fill(world)
    before, was = sums(world), image(world)
    found, names = check(world, image=later(world))
    if found["result"] != "ok" or found["errors"] != "0" or "verified" not in names:
        raise Trouble(f"{found}")
    major, minor, patch = version(world)
    older = f"docker.io/library/mysql:{major}.{minor}.{patch - 1}-of-a-test"
    failed(world, run(world, MYSQL, "pre-upgrade-check", image=older), "Pre-upgrade check failed. Cannot upgrade", "is older than")
    failed(world, run(world, MYSQL, "upgrade", image=older), "is older than", "nothing was touched")
    failed(world, run(world, MYSQL, "upgrade", image="docker.io/library/mysql:latest"), "says no version")
    failed(world, run(world, MYSQL, "pre-upgrade-check", image=was), "is what runs already")
    if sums(world) != before or image(world) != was or not writable(world):
        raise Trouble("something was touched")


@test("a prepared XA transaction stands in the way of an upgrade, and is named", shares=backup)
def _(world):
    fill(world)
    sql(world, "XA START 'of-a-test'; INSERT INTO other.blobs (b) VALUES ('x'); XA END 'of-a-test'; XA PREPARE 'of-a-test'")
    try:
        failed(world, run(world, MYSQL, "upgrade", image=later(world)), "xa: prepared XA transactions", "of-a-test", "nothing was touched")
    finally:
        sql(world, "XA ROLLBACK 'of-a-test'")
    is_open(world)


@test("upgrade keeps writers out until the new server has passed; rollback says what it loses, and gives back all of before", shares=backup)
def _(world):
    fill(world)
    sql(world, "CREATE TABLE IF NOT EXISTS mlflow.kept (a INT PRIMARY KEY)")
    seen_filled(world, "database", "mlflow")           # from now on it would be lost, if it were gone
    before, was, new = sums(world), image(world), later(world)
    operation = run(world, MYSQL, "upgrade", image=new, watch=1)
    made = done(world, operation)["results"]
    if image(world) != new or sums(world) != before or int(made["tables-compared"]) < len(TABLES):
        raise Trouble(f"{image(world)} {made}")
    is_open(world)
    world.wait_status(MYSQL, "active", new)
    told = done(world, run(world, MYSQL, "check-rollback"))["results"]
    counted = int(told["transactions"])
    for _ in range(5):
        sql(world, "INSERT INTO other.blobs (b) VALUES ('after the upgrade')")
    told = done(world, run(world, MYSQL, "check-rollback"))["results"]
    if int(told["transactions"]) != counted + 5 or told["backup-id"] != made["rollback-to"] or told["image"] != was:
        raise Trouble(f"{counted}: {told}")
    failed(world, approved(world, MYSQL, "rollback"), f"{counted + 5} transactions since", "nothing was touched")
    if image(world) != new or not writable(world):
        raise Trouble("something was touched")
    found = done(world, approved(world, MYSQL, "rollback", force=True))["results"]
    if image(world) != was or sums(world) != before or int(found["transactions-lost"]) < counted + 5:
        raise Trouble(f"{image(world)} {found}\n{before}\n{sums(world)}")
    is_open(world)
    if ask(world, "SELECT 1", password=root_password(world))[0]:
        raise Trouble("root cannot log in")
    failed(world, approved(world, MYSQL, "rollback"), "there is no upgrade to go back from")


@test("a new server that does not come up: the old one goes on with its data, and nothing is lost", shares=backup, real="pods fail when they are told to on the simulator")
def _(world):
    fill(world)
    before, was, folder = sums(world), image(world), option(world, "data-folder")
    gate = Gate(world, "mysqldump", before=False)        # the image comes when it is asked for its version, and not later
    try:
        operation = run(world, MYSQL, "upgrade", image=later(world), wait=5)
        gate.wait()
        if writable(world):
            raise Trouble("writers are let in")
        world.cluster.ctl("fail-pods", "image=*-of-a-test", "ImagePullBackOff")
        gate.open()
        failed(world, operation, "the new server did not come up")
    finally:
        gate.remove()
        world.cluster.ctl("clear")
    if image(world) != was or sums(world) != before or option(world, "data-folder") != folder:
        raise Trouble(f"{image(world)}\n{log_of(world, operation)}")
    is_open(world)


if __name__ == "__main__":
    main()
