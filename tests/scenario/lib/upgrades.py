# SPDX-License-Identifier: Apache-2.0
"""What tests of another version of MySQL share: an image that says it is one, and what the server is after it."""
from .backups import writable
from .operations import show
from .services import MYSQL, sql
from .world import Trouble


def version(world):
    return [int(n) for n in sql(world, "SELECT VERSION()").split("-")[0].split(".")]


def later(world, more=1):
    """An image that says it is a later one; the same server runs it."""
    major, minor, patch = version(world)
    return f"docker.io/library/mysql:{major}.{minor}.{patch + more}-of-a-test"


def option(world, name):
    return world.ctl("config", MYSQL, name).ok().out.strip()


def log_of(world, operation):
    return [line["text"] for line in show(world, operation)["log"]]


def is_open(world):
    if not writable(world) or option(world, "maintenance") != "false":
        raise Trouble(f"not open: {option(world, 'maintenance')}")
    sql(world, "CREATE TABLE other.opened (a INT); DROP TABLE other.opened")
    world.wait_active()
