# SPDX-License-Identifier: Apache-2.0
"""The controller's own backup: how much the daemon grows while it makes one of a large state and streams it to a store."""
import contextlib
import json
import os
import sqlite3
import sys
import time

from mooringd import Connection
from streams import GROWTH, Highest
from world import verdict

sys.path.append(os.path.join(os.path.dirname(__file__), "..", "..", "tests", "scenario"))
from lib.stores import Azurite, Minio  # noqa: E402

SIZE = 2 << 30                  # of the state: a ledger, and for the rest a file of an application's
ROWS, FIELDS = 100_000, 2500    # of the ledger, as many as it keeps; bytes of each row that no compression helps, in hex
SECONDS = 1800                  # one backup, or one verification
LEDGER = ("INSERT INTO drift (model_id, application, resource_id, type, path, fields, who, seen_at, action, outcome, before) "
          "VALUES (1, 'app', 1, 'ConfigMap', 'm/c', ?, 'kubectl', ?, 'repair', 'repaired', 0)")


def fill(d, rows, size):
    """With the daemon stopped. Bytes of the state."""
    now = int(time.time() * 1000)
    with contextlib.closing(sqlite3.connect(d.state / "model.db")) as db:
        db.executemany(LEDGER, ((json.dumps([{"field": "data.x", "found": os.urandom(FIELDS).hex()}]), now) for _ in range(rows)))
        db.commit()
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    store = (d.state / "model.db").stat().st_size
    folder = d.state / "resources"
    folder.mkdir(exist_ok=True)
    with open(folder / "large", "wb") as out:
        for _ in range(max(0, size - store) >> 20):
            out.write(os.urandom(1 << 20))
    return store + (folder / "large").stat().st_size


def grows(d, url, **body):
    """What the API answers, and by how many MB the daemon grew meanwhile."""
    idle = d.memory()[1]
    with contextlib.closing(Connection(d.socket, SECONDS)) as connection, Highest(d) as highest:
        return d.call("POST", url, body, connection), highest.most - idle


def backup_to(w, kind, d):
    begun = time.monotonic()
    made, growth = grows(d, "/v1/backups", folder=kind.place)
    seconds = time.monotonic() - begun
    _, verifying = grows(d, "/v1/backups/verify", path=made["file"])
    print(f"   {kind.place}: {made['size'] / 1e9:.2f} GB in {seconds:.0f} s, grew by {growth:.1f} MB; while it was verified, by {verifying:.1f} MB",
          flush=True)
    return max(growth, verifying)


def controller_backup(w):
    key = w.folder / "passphrase"
    key.write_text("a long passphrase, kept apart\n")
    key.chmod(0o600)
    ok = True
    for kind in (Minio, Azurite):
        with kind(w.folder / w.name("store")) as store:
            d = w.daemon(*map(str, store.options()), "--backup-key-file", str(key), "--log-level", "warning", sim=True)
            d.add_cluster("sim", w.sim().kubeconfig)
            d.add_model(w.name("bench"), "sim")
            d.stop()
            size = fill(d, w.number(ROWS), w.number(SIZE))
            d.start()
            growth = max(backup_to(w, store, d) for _ in range(w.rounds))
            w.drop(d)
        ok = verdict(growth <= GROWTH, f"a backup of a state of {size / 1e9:.2f} GB to {store.place}: the daemon grew by {growth:.1f} MB "
                     f"(target {GROWTH} MB)") and ok
    return ok


TABLE = {"controller-backup": controller_backup}
