#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Another release of the daemon takes the place of the one that runs: tried on a copy, forward in one transaction, back until it
is confirmed; and the release before goes on where the other cannot."""
import itertools
import json
import os
import shutil
import sqlite3
import subprocess
import threading
from contextlib import closing, contextmanager

from lib.runner import main, test
from lib.stores import Minio
from lib.world import Trouble, remove, until

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

    def install(self, release, sql=None, fails=False, dies=None):
        fresh = self.program.with_suffix(".dpkg-new")
        shutil.copyfile(self.releases[release], fresh)
        fresh.chmod(0o755)
        for suffix, text in ((".sql", sql), (".fails", "" if fails else None), (".dies", dies)):
            path = self.program.with_name(self.program.name + suffix)
            path.unlink(missing_ok=True)
            if text is not None:
                path.write_text(str(text))
        os.rename(fresh, self.program)

    def upgrade(self, *words):
        return self.world.ctl("upgrade-controller", "--passphrase-file", self.world.folder / "passphrase", *words)

    def version(self, path="model.db"):
        with closing(sqlite3.connect(f"file:{self.world.daemon.state}/{path}?mode=ro", uri=True)) as db:
            return db.execute("PRAGMA user_version").fetchone()[0]

    def is_whole(self):
        with closing(sqlite3.connect(f"file:{self.world.daemon.state}/model.db?mode=ro", uri=True)) as db:
            tables = {name for name, in db.execute("SELECT name FROM sqlite_master")}
            equal("integrity", db.execute("PRAGMA integrity_check").fetchall(), [("ok",)])
        equal("the table of the next release", "next_release" in tables, self.version() == self.schema + 1)

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


@contextmanager
def started_again(daemon):
    """As systemd does it for Restart=on-failure; how each ended."""
    ends, over = [], threading.Event()

    def watch():
        while not over.wait(0.05):
            if daemon.process.poll():
                ends.append(daemon.process.returncode)
                daemon.spawn()
    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield ends
    finally:
        over.set()
        thread.join()


@test("a release that crashes at each start, in its migration or after it, gives the place back by itself, and another one is tried anew",
      fresh=True, real="it is about the daemon's own programs")
def _(world):
    m, kept = Machine(world), world.daemon.state / "release-before"
    m.install("next")
    m.upgrade().ok()
    equal("the release before is kept", sorted(p.name for p in kept.iterdir()), ["mooring-charm", "mooringd", "starts"])
    world.daemon.stop()             # nothing waits for a confirmation
    equal("the release before is kept", kept.exists(), False)
    m.install("this")
    world.daemon.start()
    for count, (dies, schema) in enumerate(((2, m.schema), (0, m.schema + 1)), 3):
        m.install("next", ADDS, dies=dies)
        with started_again(world.daemon) as ends:
            m.upgrade().refused("was started 3 times", "serves again", code=1)
        equal("its starts", ends, [-9] * 3)
        m.is_whole()
        for _ in range(2):          # and after a restart, which starts what is installed
            equal("the release before knows", (m.shown()["known"], m.version(), m.shown()["program"]), (m.schema, schema, str(m.program)))
            world.ctl("config", "sealed", f"count={count}").ok()        # by workers of its own release
            world.wait_active()
            world.ctl("doctor").says("was started 3 times")
            world.ctl("upgrade-controller", "--confirm").refused("nothing to stay with", code=1)
            equal("its end", world.daemon.stop(), 0)
            world.daemon.start()
    m.install("next", ADDS)
    m.upgrade().ok()
    equal("the schema", (m.shown()["known"], m.shown()["failed"]), (m.schema + 1, None))
    before = (kept / "starts").read_text()
    another = subprocess.run(world.daemon.argv(), capture_output=True, text=True, env=os.environ | world.daemon.environment)
    equal("a second daemon beside it", another.returncode, 1)
    equal("what is kept, and counted", (sorted(p.name for p in kept.iterdir()), (kept / "starts").read_text()),
          (["mooring-charm", "mooringd", "starts"], before))
    for _ in range(4):              # who ends it as it should be has not seen it fail
        world.daemon.stop()
        world.daemon.start()
    equal("the release", m.shown()["failed"], None)
    world.ctl("upgrade-controller", "--confirm").ok()
    equal("the release before is kept", kept.exists(), False)


@test("killed at each step of its migration it leaves the state of before or the new one, whole, and goes on at the next start",
      fresh=True, real="it is about the daemon's own programs")
def _(world):
    m = Machine(world)
    daemon, old = world.daemon, world.folder / "old-state"
    daemon.stop()
    shutil.copytree(daemon.state, old)
    seen = []
    for dies in itertools.count(1):
        remove(daemon.state)
        shutil.copytree(old, daemon.state)
        m.install("next", ADDS, dies=dies)
        daemon.spawn()
        if not until(lambda: daemon.process.poll() or daemon.answers(), "its death, or an answer") < 0:
            break
        seen.append(m.version() - m.schema)
        m.is_whole()
        m.install("next", ADDS)
        daemon.start()
        equal("the schema", m.version(), m.schema + 1)
        world.ctl("config", "sealed").ok().says("2")
        daemon.stop()
    if len(seen) < len(ADDS.splitlines()) + 2:
        raise Trouble(f"it died {len(seen)} times: its migration has more steps")
    world.wait_active()


if __name__ == "__main__":
    main()
