# SPDX-License-Identifier: Apache-2.0
"""What tests of MySQL's backups share: a world with a bucket for them, something to back up, and a gate in the middle of it."""
import shutil

from . import data
from .operations import approved, done, keep_in, run
from .runner import BUNDLE, Skip
from .services import MINIO, MYSQL, sql
from .world import until

S3, BUCKET, PATH = "s3-integrator", "backups", "nightly/mysql"
TABLES = ("`of mine`.`accounts`", "`of mine`.`odd ``name`", "other.blobs")


def backup(world):
    """The bundle, and a bucket of its MinIO as the place for backups."""
    if not world.cluster.real and not data.find_minio():
        raise Skip("no MinIO: tools/peers build")
    world.ctl("deploy", BUNDLE).ok()
    world.wait_status(MINIO, "active")
    keep_in(world, MYSQL, S3, BUCKET, PATH)
    world.wait_active()


def restore(world, app=MYSQL, **params):
    return approved(world, app, "restore", **params)


def fill(world):
    sql(world, "DROP DATABASE IF EXISTS `of mine`; DROP DATABASE IF EXISTS other; CREATE DATABASE `of mine`; CREATE DATABASE other")
    sql(world, "CREATE TABLE `of mine`.accounts (id INT PRIMARY KEY AUTO_INCREMENT, name TEXT, d DOUBLE)")
    sql(world, "INSERT INTO `of mine`.accounts (name, d) VALUES ('Zoë', 0.1), ('line\\nbreak \\\\ quote \\'', 1e300), (NULL, NULL)")
    for _ in range(8):
        sql(world, "INSERT INTO `of mine`.accounts (name, d) SELECT CONCAT(name, id), RAND() FROM `of mine`.accounts")
    sql(world, "CREATE TABLE `of mine`.`odd ``name` (a INT PRIMARY KEY) SELECT id AS a FROM `of mine`.accounts")
    sql(world, "CREATE TABLE other.blobs (id INT PRIMARY KEY AUTO_INCREMENT, b LONGBLOB)")
    for _ in range(4):
        sql(world, "INSERT INTO other.blobs (b) VALUES (RANDOM_BYTES(1024)), (UNHEX('000A0D1A5C27'))")
    sql(world, "CREATE VIEW other.seen AS SELECT id FROM other.blobs")


def sums(world, app=MYSQL):
    return sql(world, f"CHECKSUM TABLE {', '.join(TABLES)}", application=app)


def create(world, **params):
    return done(world, run(world, MYSQL, "create-backup", **params))["results"]


def harm(world):
    """What people do to databases; the backup is the only copy then."""
    sql(world, "DELETE FROM `of mine`.accounts WHERE id < 100")
    sql(world, "DROP TABLE other.blobs")
    sql(world, "CREATE TABLE other.later (a INT)")


def writable(world):
    return sql(world, "SELECT @@global.read_only") == "0"


class Gate:
    """A program in the pod that stops in the middle, until open(): the simulator's only. FIRST: after its first line, if that has this word."""

    def __init__(self, world, program, before, first=None):
        real, self.wrapper = shutil.which(program, path=world.cluster.data.path), world.cluster.data.in_the_way / program
        self.closed, self.reached = (world.cluster.data.folder / name for name in ("closed", "reached"))
        self.reached.unlink(missing_ok=True)
        self.closed.touch()
        wait = f"touch '{self.reached}'; while [ -e '{self.closed}' ]; do sleep 0.05; done"
        body = f"'{real}' \"$@\" | {{ head -c 3000; {wait}; cat; }}"
        if before:
            body = f"{{ head -c 3000; {wait}; cat; }} | '{real}' \"$@\""
        if first:
            body = (f"IFS= read -r line; {{ printf '%s\\n' \"$line\"; case $line in *{first}*) {wait};; esac; cat; }} | '{real}' \"$@\"")
        self.wrapper.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        self.wrapper.chmod(0o755)

    def wait(self):
        until(self.reached.exists, "the middle")

    def open(self):
        self.closed.unlink(missing_ok=True)

    def remove(self):
        self.open()
        self.wrapper.unlink(missing_ok=True)
