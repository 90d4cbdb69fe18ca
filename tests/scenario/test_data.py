#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Data is never begun again silently, and nothing that holds data goes without being named."""
import base64
import json
import shutil

from lib.runner import APPS, BUNDLE, SIMULATED, main, test
from lib.services import ask, seen_filled, sql
from lib.world import Trouble

CLAIM = "data-mlflow-mysql-0"


def uid(world, name=CLAIM):
    found = world.cluster.kube.get("persistentvolumeclaims", "mlflow", name)
    return found["metadata"]["uid"] if found else None


def stored(world, app):
    """What `storage` says of what APP keeps: name → status."""
    said = json.loads(world.ctl("storage", "--format", "json").ok().out)
    parts = [*said["storage"].values(), *said["data"], *said["detached"]]
    return {s.get("name") or f"{s['type']} {s['path']}": s["status"]["current"] for s in parts if s["application"] == app}


def relation_users(world):
    return set(sql(world, "SELECT User FROM mysql.user WHERE User LIKE 'relation-%'").split())


@test("a removed application leaves its volume, and its name is blocked until the volume is attached")
def _(world):
    before, users = uid(world), relation_users(world)
    if not users:
        raise Trouble("no user was made for the relation")
    if (said := stored(world, "mlflow-mysql")) != {"database": "attached", "database mlflow": "attached"}:
        raise Trouble(f"storage says {said}")
    world.ctl("remove-application", "mlflow-mysql").ok()
    world.wait_for("mlflow-mysql to be gone", lambda: "mlflow-mysql" not in world.apps())
    if stored(world, "mlflow-mysql") != {f"PersistentVolumeClaim {world.cluster.model}/{CLAIM}": "detached"}:
        raise Trouble(f"storage says {stored(world, 'mlflow-mysql')}")
    if uid(world) != before:
        raise Trouble("the claim was deleted with the application")
    world.ctl("storage").ok().says(CLAIM, "detached")
    world.ctl("deploy", "mysql-k8s", "mlflow-mysql", "--channel", "8.0/stable").ok()
    world.wait_status("mlflow-mysql", "blocked", "attach-storage", "destroy-storage")
    said = world.ctl("attach-storage", "mlflow-mysql").ok().err
    if not all(f"remove user {user}@%" in said for user in users):
        raise Trouble(f"attach-storage does not name {users}: {said}")
    world.wait_status("mlflow-mysql", "active")
    if uid(world) != before:
        raise Trouble("attach-storage did not use the claim that was there")
    # The earlier relation's user came back in the volume, and nobody wants it.
    world.wait_for("the server to answer", lambda: ask(world, "SELECT 1")[0] == 0)
    world.wait_for("the user of the earlier relation to be dropped", lambda: not users & relation_users(world))
    world.wait_for("its password to go", lambda: not any(user.startswith(f"{label}_") for label in secrets(world) for user in users))
    # With the secrets that open it: a database made under the new application needs the old root password.
    world.ctl("integrate", "mlflow-server", "mlflow-mysql").ok()
    world.wait_active()


def capacity(world):
    return world.cluster.kube.get("persistentvolumeclaims", "mlflow", CLAIM)["status"]["capacity"]["storage"]


@test("set-storage lets a volume grow with its data in it, and back by force only, until its class lets none")
def _(world):
    before = uid(world)
    sql(world, "CREATE TABLE mlflow.kept (a INT)")
    world.ctl("set-storage", "mlflow-mysql", "database=1G").refused("cannot become smaller")
    world.ctl("set-storage", "mlflow-mysql", "databse=20G").refused("database")
    world.ctl("set-storage", "mlflow-mysql", "database").refused("NAME=SIZE")
    if "20" not in world.ctl("set-storage", "mlflow-mysql", "database=20G", "--dry-run").ok().out or capacity(world) == str(20 << 30):
        raise Trouble("the dry run")
    world.ctl("set-storage", "mlflow-mysql", "database=20G").ok()
    world.wait_for("the volume to grow", lambda: capacity(world) in ("20Gi", str(20 << 30)))
    world.wait_active()
    if uid(world) != before or sql(world, "SELECT COUNT(*) FROM mlflow.kept") != "0":
        raise Trouble("it is not the same volume")
    name = world.cluster.kube.get("persistentvolumeclaims", "mlflow", CLAIM)["spec"]["storageClassName"]
    kind = world.cluster.kube.must("GET", f"/apis/storage.k8s.io/v1/storageclasses/{name}")
    world.cluster.kube.must("PATCH", f"/apis/storage.k8s.io/v1/storageclasses/{name}", {"allowVolumeExpansion": False}, kind="application/merge-patch+json")
    try:
        world.ctl("set-storage", "mlflow-mysql", "database=30G").ok()
        world.wait_status("mlflow-mysql", "blocked", "allowVolumeExpansion")
        world.ctl("set-storage", "mlflow-mysql", "database=20G").refused("cannot become smaller")
        world.ctl("set-storage", "mlflow-mysql", "database=20G", "--force").ok()
        world.wait_active()
    finally:
        world.cluster.kube.must("PATCH", f"/apis/storage.k8s.io/v1/storageclasses/{name}",
                                {"allowVolumeExpansion": kind["allowVolumeExpansion"]}, kind="application/merge-patch+json")


@test("the user and the policy of an earlier relation go from a kept object store when it is attached")
def _(world):
    world.ctl("remove-application", "mlflow-minio").ok()
    world.wait_for("mlflow-minio to be gone", lambda: "mlflow-minio" not in world.apps())
    came = {path for (path,) in world.daemon.rows("SELECT type || ' ' || path FROM inherited")}
    if {name.split()[0] for name in came} != {"user", "policy"}:
        raise Trouble(f"kept beside the volume: {came}")
    world.ctl("deploy", "minio", "mlflow-minio", "--channel", "ckf-1.10/stable", "--attach-storage").ok()
    world.wait_status("mlflow-minio", "active")
    world.wait_for("both to be removed", lambda: not world.daemon.rows("SELECT * FROM resource WHERE life = 'dying'"))
    gone = {f"{line['subject']}" for line in json.loads(world.ctl("audit", "--what", "remove", "--format", "json").ok().out)["audit"]}
    if not all(any(name in subject for subject in gone) for name in came):
        raise Trouble(f"the audit tells of {gone}, not of {came}")
    world.ctl("deploy", BUNDLE).ok()
    world.wait_active()


@test("destroy-storage by name lets the application begin anew")
def _(world):
    before = uid(world)
    world.ctl("remove-application", "mlflow-mysql").ok()
    world.wait_for("mlflow-mysql to be gone", lambda: "mlflow-mysql" not in world.apps())
    world.ctl("deploy", "mysql-k8s", "mlflow-mysql", "--channel", "8.0/stable").ok()
    world.wait_status("mlflow-mysql", "blocked", "destroy-storage")
    world.ctl("destroy-storage", "mlflow-mysql").ok()
    world.wait_status("mlflow-mysql", "active")
    after = uid(world)
    if after in (None, before):
        raise Trouble(f"the claim was {before}, and is {after}: {world.apps()}\n{world.daemon.tail()}")
    world.ctl("deploy", BUNDLE).ok()
    world.wait_active()


@test("a deleted claim is not made again: the application and its consumers are blocked until accept-data-loss")
def _(world):
    kube, before = world.cluster.kube, uid(world)
    kube.delete("persistentvolumeclaims", "mlflow", CLAIM)
    world.wait_status("mlflow-mysql", "blocked", CLAIM, "Retain")       # it goes when no pod holds it
    world.wait_for("the line of drift", lambda: "marked for deletion" in world.ctl("drift").out)
    world.ctl("accept-data-loss", "mlflow-mysql").refused("lost no data", code=1)
    kube.delete("statefulsets", "mlflow", "mlflow-mysql")
    world.wait_status("mlflow-mysql", "blocked", f"PersistentVolumeClaim mlflow/{CLAIM} is gone, and held data since 20",
                      ": restore it, or mooringctl accept-data-loss mlflow-mysql")
    world.wait_status("mlflow-server", "blocked", CLAIM)
    if stored(world, "mlflow-mysql")["database"] != "lost":
        raise Trouble(f"storage says {stored(world, 'mlflow-mysql')}")
    world.ctl("storage").ok().says("lost", "is gone, and held data")
    if uid(world):
        raise Trouble("the claim was made again without consent")
    world.ctl("accept-data-loss", "mlflow-mysql").ok()
    world.wait_status("mlflow-mysql", "active")
    if uid(world) in (None, before):
        raise Trouble("no new claim was made")
    world.wait_active()


@test("a deleted namespace hides no loss: all is blocked that held data, and comes back by consent")
def _(world):
    kube = world.cluster.kube
    kube.merge("services", "mlflow", "mlflow-minio", {"metadata": {"finalizers": ["example.com/hold"]}})
    kube.delete("namespaces", "", "mlflow")
    for app in APPS:
        world.wait_status(app, "blocked", "Namespace mlflow", "being deleted", "data in it too")
    world.ctl("status").ok().says("what is wanted is made again when it is gone")
    kube.merge("services", "mlflow", "mlflow-minio", {"metadata": {"finalizers": None}})
    for app in ("mlflow-mysql", "mlflow-minio"):
        world.wait_status(app, "blocked", f"accept-data-loss {app}")
    if uid(world):
        raise Trouble("the claim was made again without consent")
    world.ctl("accept-data-loss", "mlflow-mysql").ok()
    world.ctl("accept-data-loss", "mlflow-minio").ok()
    world.wait_active()


def secrets(world):
    return {name for (name,) in world.daemon.rows("SELECT label FROM secret")}


@test("a removed relation leaves no password of it in the store", fresh=True)
def _(world):
    world.ctl("deploy", BUNDLE).ok()
    world.wait_active()
    lent = {name for name in secrets(world) if name.startswith("relation-")}
    gone = {name for name in lent if name in {label for (label,) in world.daemon.rows(
        "SELECT label FROM secret JOIN application ON application.id = application_id WHERE application.name = 'mlflow-mysql'")}}
    if not gone:
        raise Trouble("no password was made for the relation")
    world.ctl("remove-relation", "mlflow-server", "mlflow-mysql").ok()
    world.wait_for(f"{gone} to be gone", lambda: not gone & secrets(world))
    if world.daemon.rows("SELECT * FROM secret_grant WHERE relation_id NOT IN (SELECT id FROM relation)") or "root" not in secrets(world):
        raise Trouble(f"a grant is left, or too much went: {secrets(world)}")


@test("remove-model takes the namespace that the daemon made, and stays with the storage that is kept until that is destroyed", fresh=True)
def _(world):
    world.ctl("deploy", BUNDLE).ok()
    world.wait_active()
    model = world.cluster.model
    before = uid(world)
    world.ctl("remove-model", model).ok()
    world.wait_for("the applications to go", lambda: "removed" in world.ctl("models").out)
    world.ctl("models").ok().says("storage is kept", f"remove-model {model} --destroy-storage")
    world.ctl("storage").ok().says(CLAIM, "detached")
    world.ctl("secrets").ok().says("root")
    if uid(world) != before:
        raise Trouble("the claim went with the model")
    world.ctl("add-model", model).ok()
    world.ctl("deploy", BUNDLE, "--attach-storage").ok()
    world.wait_active()
    if uid(world) != before:
        raise Trouble("the model that was added again does not use the claim that was kept")
    world.ctl("remove-model", model, "--destroy-storage").ok()
    world.wait_for("the model to go", lambda: model not in world.ctl("models").out)
    world.wait_for("the namespace to go", lambda: not world.cluster.kube.get("namespaces", "", model))
    if secrets(world):
        raise Trouble(f"secrets of the model are left: {secrets(world)}")


def mark_of(world):
    return sql(world, "SELECT ROUTINE_COMMENT FROM information_schema.ROUTINES WHERE ROUTINE_SCHEMA = 'mlflow' AND ROUTINE_NAME = 'mooring_mark'")


@test("what its users build in a lost database does not end the loss, a person does; the very one that is back ends it by itself; "
      "a pause hides none, a missing mark is none, and one consent is enough", seldom=SIMULATED, fresh=True)
def _(world):
    world.ctl("deploy", BUNDLE).ok()
    world.wait_active()
    sql(world, "CREATE TABLE mlflow.t (a INT)")
    seen_filled(world, "database", "mlflow")
    sql(world, "DROP PROCEDURE mlflow.mooring_mark")
    world.wait_for("the mark to be back", lambda: sql(world, "SHOW PROCEDURE STATUS WHERE Name = 'mooring_mark'"))
    world.wait_active()
    world.wait_for("the line of it", lambda: "or our mark on it is gone" in world.ctl("drift").out)
    sql(world, "DROP DATABASE mlflow")
    world.wait_status("mlflow-mysql", "blocked", "is gone, and held data")
    world.ctl("pause", "mlflow-mysql", "--reason", "night").ok()
    world.wait_status("mlflow-mysql", "blocked", "paused", "is gone, and held data")
    world.ctl("unpause", "mlflow-mysql").ok()
    sql(world, "CREATE DATABASE mlflow; CREATE TABLE mlflow.t (a INT)")
    world.wait_status("mlflow-mysql", "blocked", "another one of that name is there, with something in it", "takes it as it is")
    world.wait_status("mlflow-server", "blocked", "accept-data-loss mlflow-mysql")
    world.wait_for("the command to know", lambda: "as it is" in world.ctl("accept-data-loss", "mlflow-mysql", "--dry-run").ok().out)
    world.ctl("accept-data-loss", "mlflow-mysql").ok()
    world.wait_active()
    if sql(world, "SHOW TABLES FROM mlflow") != "t":
        raise Trouble("what was there was not taken as it is")
    world.ctl("drift").ok().says("accepted")
    world.wait_for("our mark on it", lambda: mark_of(world))
    seen_filled(world, "database", "mlflow")
    mark = mark_of(world)
    sql(world, "DROP DATABASE mlflow")
    world.wait_status("mlflow-mysql", "blocked", "is gone, and held data")
    sql(world, f"CREATE DATABASE mlflow; CREATE TABLE mlflow.t (a INT); CREATE PROCEDURE mlflow.mooring_mark() COMMENT '{mark}' BEGIN END")
    world.wait_active()
    world.wait_for("the loss to end as restored", lambda: "restored" in world.ctl("drift").out)
    world.cluster.kube.delete("namespaces", "", world.cluster.model)
    for app in ("mlflow-mysql", "mlflow-minio"):
        world.wait_status(app, "blocked", f"accept-data-loss {app}")
        world.ctl("accept-data-loss", app).ok()
    world.wait_active()
    world.ctl("drift").ok().says("accepted")


def root_secret(world):
    return world.cluster.kube.get("secrets", world.cluster.model, "mlflow-mysql-root")["data"]


def adopt_all(world):
    for app in APPS:
        world.ctl("adopt", app)
    return world.ctl("wait", "--timeout", "2s").code == 0


@test("a controller that lost its state adopts what runs: the only copy of a root password is kept and used", seldom=SIMULATED, fresh=True)
def _(world):
    world.ctl("deploy", BUNDLE).ok()
    world.wait_active()
    before = root_secret(world)
    world.daemon.stop()
    shutil.rmtree(world.daemon.state)
    world.daemon.start()
    world.cluster.make_known(world)
    world.ctl("deploy", BUNDLE).ok()
    world.wait_status("mlflow-mysql", "blocked", "take-over-model")
    world.ctl("take-over-model", world.cluster.model, "--dry-run").ok().says("would take over namespace", "would write there what the 3")
    world.wait_status("mlflow-mysql", "blocked", "take-over-model")
    world.ctl("take-over-model", world.cluster.model).ok()
    world.wait_status("mlflow-minio", "blocked", "of another controller", "mooringctl adopt mlflow-minio")
    world.wait_for("all to be adopted", lambda: adopt_all(world))
    if root_secret(world) != before:
        raise Trouble("the root password in the cluster was written over")
    shown = world.ctl("show-secret", "mlflow-mysql/root/password", "--reveal").ok().out
    if not any(base64.b64decode(value).decode() in shown for value in before.values()):
        raise Trouble("the root password that runs is not ours")
    world.wait_active()
    foreign = "11111111-2222-3333-4444-555555555555"
    world.cluster.kube.merge("namespaces", "", world.cluster.model, {"metadata": {"labels": {"mooring.dev/controller": foreign}}})
    world.wait_status("mlflow-mysql", "blocked", "carries the stamp of another controller", "take-over-model")
    if world.cluster.kube.get("namespaces", "", world.cluster.model)["metadata"]["labels"]["mooring.dev/controller"] != foreign:
        raise Trouble("one take-over was taken for all that come: a second stamp was written over")
    world.ctl("take-over-model", world.cluster.model).ok()
    world.wait_active()


if __name__ == "__main__":
    main()
