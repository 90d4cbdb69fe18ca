#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Another release of the daemon takes the place of the one that runs: tried on a copy, forward in one transaction, back until it
is confirmed; and the release before goes on where the other cannot."""
import json
import os
import shutil
import sqlite3
from contextlib import closing

from lib.runner import main, test
from lib.stores import Minio
from lib.world import Trouble

ADDS = "CREATE TABLE next_release (id INTEGER PRIMARY KEY) STRICT\nALTER TABLE application ADD COLUMN next_word TEXT NOT NULL DEFAULT ''\n"
TAKES = "-- reader: {next}\nCREATE TABLE next_release (id INTEGER PRIMARY KEY) STRICT\n"
BREAKS = "CREATE TABLE next_release (id INTEGER PRIMARY KEY) STRICT\nINSERT INTO nowhere (id) VALUES (1)\n"


class Machine:
    """Where the daemon is installed, as a package would do it: files are replaced while it runs."""

    def __init__(self, world):
        self.world, self.build = world, world.programs.build
        self.program = world.folder / "bin" / "mooringd"
        self.releases = {"this": self.build / "daemon" / "mooringd", "next": self.build / "tests" / "scenario" / "mooringd-next"}
        self.program.parent.mkdir()
        world.daemon.stop()
        self.install("this")
        world.programs.mooringd = self.program
        world.daemon.start()
        world.file("passphrase", "a long passphrase, kept apart\n").chmod(0o600)
        world.ctl("deploy", "sealed", "--config", "count=2").ok()
        world.wait_active()
        self.schema = self.version()

    def install(self, release, sql=None, fails=False):
        fresh = self.program.with_suffix(".dpkg-new")
        shutil.copyfile(self.releases[release], fresh)
        fresh.chmod(0o755)
        for suffix, text in ((".sql", sql), (".fails", "" if fails else None)):
            path = self.program.with_name(self.program.name + suffix)
            path.unlink(missing_ok=True)
            if text is not None:
                path.write_text(text)
        os.rename(fresh, self.program)

    def upgrade(self, *words):
        return self.world.ctl("upgrade-controller", "--passphrase-file", self.world.folder / "passphrase", *words)

    def version(self, path="model.db"):
        with closing(sqlite3.connect(f"file:{self.world.daemon.state}/{path}?mode=ro", uri=True)) as db:
            return db.execute("PRAGMA user_version").fetchone()[0]

    def shown(self):
        return json.loads(self.world.daemon.api("GET", "/v1/upgrade")[1])


def equal(what, found, wanted):
    if found != wanted:
        raise Trouble(f"{what}: {found!r}, not {wanted!r}")


@test("the next release takes over in the same process; the one before comes back with all that was written, until it is confirmed",
      fresh=True, real="it is about the daemon's own programs")
def _(world):
    m = Machine(world)
    state, pid, writes = world.daemon.state, world.daemon.process.pid, world.cluster.writes()
    m.upgrade().refused("is the release that runs", "install the other one first", code=1)
    m.install("next", ADDS)
    world.ctl("upgrade-controller").refused("backup-key-file", "--passphrase-file", code=1)

    m.upgrade("--dry-run").ok().says(f"schema {m.schema + 1}", f"schema {m.schema}", "the release before works on the same store")
    left = [p.name for p in state.iterdir() if "part" in p.name or "before" in p.name]
    equal("a dry run leaves", (left, m.version(), m.shown()["failed"]), ([], m.schema, None))

    said = m.upgrade("--to", world.folder).ok()
    said.says("is", str(world.folder))
    if "not confirmed" not in said.err:
        raise Trouble(f"it does not say that a confirmation is due: {said.err}")
    equal("schemas", (m.version(), m.version("before-upgrade/model.db")), (m.schema + 1, m.schema))
    equal("the process", json.loads(world.daemon.api("GET", "/v1/info")[1])["pid"], pid)
    world.ctl("config", "sealed", "count=3").ok()
    world.wait_active()

    m.install("this")
    m.upgrade().ok()
    equal("the release before knows", (m.shown()["known"], m.shown()["schema"]), (m.schema, m.schema + 1))
    world.ctl("config", "sealed").ok().says("3")
    world.ctl("deploy", "sealed", "second").ok()
    world.wait_active()
    world.ctl("remove-application", "second", "--no-prompt").ok()
    world.ctl("upgrade-controller", "--confirm").refused("this is the release of before", code=1)

    m.install("next", ADDS)
    m.upgrade().ok()
    world.ctl("upgrade-controller", "--confirm", "--dry-run").ok()
    world.ctl("upgrade-controller", "--confirm").ok()
    equal("what waits for a confirmation", m.shown()["unconfirmed"], None)
    world.ctl("audit").ok().says("upgrade-controller", "upgrade-confirm")
    m.install("this")
    m.upgrade().refused("cannot take over, and nothing was changed", "was confirmed", code=1)
    world.ctl("config", "sealed").ok().says("3")
    m.install("next", ADDS)
    world.daemon.stop()
    world.daemon.start()
    if (state / "before-upgrade").exists():
        raise Trouble("the copy of before stays after the confirmation")
    world.wait_active()


@test("what cannot be migrated is refused before it begins, and where the next release cannot start the one before serves again",
      fresh=True, real="it is about the daemon's own programs")
def _(world):
    with Minio(world.folder / "store") as store:
        world.daemon.options += map(str, store.options())
        refused(world, store)


def refused(world, store):
    m = Machine(world)
    m.install("next", BREAKS)
    m.upgrade().refused("cannot take over, and nothing was changed", "migration next-release.sql", code=1)
    m.install("next", TAKES.format(next=m.schema + 1))
    m.upgrade("--dry-run").refused("cannot work any more on what", "--force", code=1)
    equal("the schema", m.version(), m.schema)
    m.install("next", ADDS, fails=True)
    m.upgrade("--to", "azblob://account/backups").refused("azblob://account/backups/mooring-", "backup-azure-credentials-file", code=1)
    m.upgrade("--to", store.place).refused("could not start", "serves again", "what it needs is not on this machine", code=1)
    equal("backups made before", [name.startswith("mooring-mooring-") for name in store.names()], [True])
    equal("the release before knows", (m.shown()["known"], m.version()), (m.schema, m.schema + 1))
    world.ctl("config", "sealed", "count=3").ok()       # by workers of its own release
    world.wait_active()


if __name__ == "__main__":
    main()
