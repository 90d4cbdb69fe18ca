#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Backups of the controller in object stores: MinIO for s3://, Azurite for azblob://."""
import json
import os
import sqlite3
import time
from contextlib import closing

from lib.runner import main, test
from lib.stores import Azurite, Minio, metadata
from lib.world import Trouble

LARGE = 17 << 20        # more than two parts of an upload
PASSPHRASE = "a long passphrase, kept apart"


def key(world):
    return "--passphrase-file", world.folder / "passphrase"


def begin(world, store):
    path = world.file("passphrase", PASSPHRASE + "\n")
    path.chmod(0o600)
    world.daemon.options += [*map(str, store.options()), "--backup-key-file", str(path), "--backup-dir", store.place]
    world.daemon.start()
    world.cluster.make_known(world)
    world.ctl("deploy", "sealed", "--config", "count=2").ok()
    world.wait_active()


def make_large(world):
    """What is in use is in a backup: here a file that cannot be compressed."""
    folder = world.daemon.state / "resources"
    folder.mkdir(exist_ok=True)
    (folder / "large").write_bytes(os.urandom(LARGE))


def nothing_stays(world, state):
    left = [p.name for p in state.iterdir()] if state.exists() else []
    aside = [p.name for p in world.daemon.state.iterdir() if "sealed" in p.name or "fetched" in p.name or ".part" in p.name]
    if left or aside:
        raise Trouble(f"what was refused leaves {left} {aside}")


def made_and_read(world, store):
    """Made there, listed, verified, and what is there is one sealed object. Its name."""
    made = world.ctl("backup", "create").ok().out.strip()
    name = made.removeprefix(store.place + "/")
    if store.names() != [name] or not name.startswith("mooring-mooring-") or not store.read(name).startswith(b"mooring sealed 1"):
        raise Trouble(f"{made}; there is {store.names()}")
    world.ctl("backup", "verify", made).ok().says(made, "each opens", "as they were written", "each whole")
    world.ctl("backup", "list").ok().says(made)
    world.ctl("backup", "list", "--to", store.place.rpartition("/")[0]).ok()
    world.ctl("backup", "create", made).refused("is there already", code=1)
    own = f"{store.place}/own.backup"
    if world.ctl("backup", "create", own).ok().out.strip() != own:
        raise Trouble("it has another name than the one that was given")
    return name


def refused(world, store, name):
    """Cut off, changed, with another passphrase, not there: nothing is touched."""
    state, data = world.folder / "refused-state", store.read(name)
    wrong = world.file("wrong", "another passphrase than that")
    wrong.chmod(0o600)
    at = len(data) // 2
    store.write("cut", data[:-1])
    store.write("changed", data[:at] + bytes([data[at] ^ 1]) + data[at + 1:])
    cases = (("cut", "changed or cut off", key(world)), ("changed", "or it was changed", key(world)), ("nowhere", "", key(world)),
             (name, "the key is not the one that it was sealed with", ("--passphrase-file", wrong)))
    for which, text, words in cases:
        place = f"{store.place}/{which}"
        world.ctl("backup", "restore", place, "--config", "/dev/null", "--state-dir", state, *words, *store.restore_options()).refused(place, text, code=1)
        nothing_stays(world, state)
    world.ctl("backup", "verify", f"{store.place}/changed", *key(world)).refused("or it was changed", code=1)
    nothing_stays(world, state)
    world.ctl("backup", "restore", f"{store.place}/{name}", "--config", "/dev/null", "--state-dir", state, *key(world)).refused("no credentials", code=1)


def gone_meanwhile(world, store, name):
    """The bucket goes in the middle of a download and of an upload."""
    state = world.folder / "refused-state"
    make_large(world)
    made = world.ctl("backup", "create").ok().out.strip()
    store.before(2, "GET", store.drop)
    world.ctl("backup", "restore", made, "--config", "/dev/null", "--state-dir", state, *key(world), *store.restore_options()).refused(made, code=1)
    nothing_stays(world, state)
    store.make()
    store.before(2, "PUT", store.drop)
    world.ctl("backup", "create").refused(store.place, code=1)
    nothing_stays(world, state)
    world.ctl("backup", "list").ok()
    store.make()
    if store.names():
        raise Trouble(f"the upload that was broken off left {store.names()}")
    world.ctl("status").ok()


def scheduled(world, store):
    """One that was due while the daemon was off is made at its start, and the oldest of ours go: no file of anybody else's."""
    others = ["mooring-mooring-ffffffff-20200101T000000Z.backup", "mooring-notes.backup", "zebra.backup"]
    for name in others:
        store.write(name, b"somebody's")
    old = world.ctl("backup", "create").ok().out.strip()
    world.ctl("backup", "schedule", "30 2 * * *", "--keep", "1", "--to", store.place).ok()
    world.daemon.stop()
    with closing(sqlite3.connect(world.daemon.state / "model.db")) as db:
        for name, member in (("backup-made", "at"), ("backup-schedule", "since")):
            db.execute(f"UPDATE setting SET value = json_set(value, '$.{member}', json_extract(value, '$.{member}') - 172800000) WHERE name = ?", (name,))
        db.commit()
    world.daemon.start()
    world.wait_for("the old one to go", lambda: old.rpartition("/")[2] not in store.names())
    names = store.names()
    if [name for name in names if name in others] != others or len(names) != len(others) + 1:
        raise Trouble(f"there is {names}")
    world.ctl("backup", "list").ok()
    world.ctl("backup", "schedule", "off").ok()


def restored(world, store):
    """On another machine, from the store alone."""
    made = world.ctl("backup", "create").ok().out.strip()
    world.daemon.stop()
    world.daemon.state.rename(world.folder / "old-state")
    world.ctl("backup", "restore", made, "--config", "/dev/null", "--state-dir", world.daemon.state, *key(world), *store.restore_options()).ok().says(made)
    world.daemon.start()
    world.wait_for("confirm-restore to be taken", lambda: world.ctl("confirm-restore").code == 0)
    world.wait_active()


def whole(world, kind):
    with kind(world.folder / "store") as store:
        begin(world, store)
        name = made_and_read(world, store)
        refused(world, store, name)
        gone_meanwhile(world, store, name)
        scheduled(world, store)
        restored(world, store)


@test("backups in S3: made, verified, restored; what was changed, or goes in the middle, is refused", fresh="bare", real="the cluster does not matter")
def _(world):
    whole(world, Minio)


@test("backups in Azure Blob Storage: the same, and read by Azure's own client", fresh="bare", real="the cluster does not matter")
def _(world):
    whole(world, Azurite)


@test("a shared access signature is enough for Azure; credentials that do not fit are told apart", fresh="bare", real="the cluster does not matter")
def _(world):
    with Azurite(world.folder / "store") as store:
        begin(world, store)
        file = store.credentials()
        file.write_text(store.words(f"SharedAccessSignature={store.client('sas')}"))
        made = world.ctl("backup", "create").ok().out.strip()
        world.ctl("backup", "verify", made).ok()
        for words, text in ((f"AccountName=other;AccountKey={store.key}", "is of the account other"), ("AccountKey=***;", "not base64"),
                            ("AccountName=mooringtest", "needs AccountKey=")):
            file.write_text(words)
            world.ctl("backup", "create").refused(text, code=1)
        file.chmod(0o644)
        world.ctl("backup", "create").refused("can be read by others", "chmod 600", code=1)
        world.ctl("backup", "create", "s3://backups/x").refused("backup-s3-credentials-file", code=1)
        world.ctl("backup", "create", "--to", "gs://backups").refused("s3://BUCKET/PATH", code=1)
        text = world.ctl("audit", "--format", "json").out + world.daemon.log.read_text(errors="replace")
        if store.key in text or "sig=" in text:
            raise Trouble("a credential is in the audit or the log")


def by_identity(world, store, service):
    """All that is done with backups, let in by tokens alone."""
    store.credentials().write_text(store.words(f"Authentication=ManagedIdentity;IdentityEndpoint={service.address}"))
    made = world.ctl("backup", "create").ok().out.strip()
    if len(service.asked) != 2 or "resource=https%3A%2F%2Fstorage.azure.com%2F" not in service.asked[0]:
        raise Trouble(f"the metadata service was asked {service.asked}")
    world.ctl("backup", "verify", made).ok()
    world.ctl("backup", "list").ok().says(made)
    world.ctl("backup", "schedule", "30 2 * * *", "--keep", "1", "--to", store.place).ok()
    world.ctl("backup", "schedule", "off").ok()
    make_large(world)
    return world.ctl("backup", "create").ok().out.strip()


@test("a managed identity is enough for Azure, and its token is in no file", fresh="bare", real="the cluster does not matter")
def _(world):
    with Azurite(world.folder / "store") as store:
        begin(world, store)
        token, wrong = ({"access_token": store.token(*audience), "expires_on": str(int(time.time()) + 3600), "token_type": "Bearer"}
                        for audience in ((), ("https://management.azure.com/",)))
        with metadata((410, "{}"), (200, json.dumps(token))) as service:
            made = by_identity(world, store, service)
            service.answers = [(200, json.dumps(wrong))]
            world.ctl("backup", "create").refused(store.place, code=1)
            service.answers = [(400, '{"error": "invalid_request", "error_description": "Identity not found"}')]
            world.ctl("backup", "create").refused("Identity not found", "assign an identity", code=1)
            service.answers = [(200, json.dumps(token))]
            state = world.folder / "restored-state"
            world.ctl("backup", "restore", made, "--config", "/dev/null", "--state-dir", state, *key(world), "--azure-credentials-file", store.folder / "credentials",
                      "--ca-file", store.authority.certificate).ok().says(made)
        text = world.ctl("audit", "--format", "json").out + world.daemon.log.read_text(errors="replace")
        if token["access_token"] in text or "Bearer" in text:
            raise Trouble("a token is in the audit or the log")


if __name__ == "__main__":
    main()
