#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MLflow, day 2: runs and artifacts backed up as a pair, restored, upgraded with their schema, and rolled back. Real servers behind the pods; on real
peers MLflow's own server and client."""
import re
import subprocess
from pathlib import Path

from lib import data
from lib.operations import approved, done, failed, keep_in, kill, run, show
from lib.runner import BUNDLE, Skip, main, test
from lib.services import MINIO, MYSQL, endpoint, must, secret, sql
from lib.world import Trouble
from lib.real import paths

SERVER, S3, BUCKET, PATH = "mlflow-server", "s3-of-pairs", "pairs", "nightly/mlflow"
OTHER, NEXT = "docker.io/charmedkubeflow/mlflow:2.22.1-of-a-test", "docker.io/charmedkubeflow/mlflow:2.22.2-of-a-test"
OLD_SCHEMA = "4465047574b1"         # two migrations before that of MLflow 2.22
HEAD = "0584bdc529eb"
ALIKE = "seconds, and nothing in it is of the peers"


def pairs(world):
    """The bundle, and a bucket of its MinIO as the place for backups of mlflow-server."""
    if not world.cluster.real and not data.find_minio():
        raise Skip("no MinIO: tools/peers build")
    world.ctl("deploy", BUNDLE).ok()
    world.wait_active()
    relate(world)
    prepare(world)


def relate(world):
    keep_in(world, f"{SERVER}:s3-parameters", S3, BUCKET, PATH)
    world.wait_active()


# ---- what MLflow has: by itself on real peers, else rows and objects as it makes them

TABLES = ("CREATE TABLE mlflow.alembic_version (version_num VARCHAR(32) PRIMARY KEY)",
          "CREATE TABLE mlflow.experiments (experiment_id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(256), artifact_location VARCHAR(256))",
          "CREATE TABLE mlflow.runs (run_uuid VARCHAR(32) PRIMARY KEY, experiment_id INT, start_time BIGINT, artifact_uri VARCHAR(200), "
          "FOREIGN KEY (experiment_id) REFERENCES mlflow.experiments (experiment_id))",
          "CREATE TABLE mlflow.model_versions (name VARCHAR(256), version INT, creation_time BIGINT, PRIMARY KEY (name, version))")


def prepare(world):
    if world.cluster.real:
        return
    sql(world, "; ".join(TABLES))
    sql(world, f"INSERT INTO mlflow.alembic_version VALUES ('{OLD_SCHEMA}'); "
               "INSERT INTO mlflow.experiments VALUES (1, 'first', 's3://mlflow/1')")


LOG_RUN = """
import mlflow, sys
mlflow.set_experiment("pairs")
with mlflow.start_run() as run:
    mlflow.log_metric("m", 1.5)
    mlflow.log_text(sys.argv[1], "notes/a b+c.txt")
print("run", run.info.run_id)
"""
READ_RUN = """
import mlflow, sys
print("read", mlflow.get_run(sys.argv[1]).data.metrics["m"], mlflow.artifacts.load_text(f"runs:/{sys.argv[1]}/notes/a b+c.txt"))
"""


def client(world, script, *words):
    """What MLflow's Python client prints behind its first word."""
    pod = next(pod for pod in world.cluster.kube.list("pods", world.cluster.model)
               if re.match(f"{SERVER}-[0-9a-f]+-", pod["metadata"]["name"]) and "deletionTimestamp" not in pod["metadata"])
    env = secret(world, f"{SERVER}-object-storage") | {
        "MLFLOW_TRACKING_URI": f"http://{pod['status']['podIP']}:5000", "MLFLOW_S3_ENDPOINT_URL": f"http://{endpoint(world)}",
        "PATH": "/usr/bin:/bin", "HOME": str(world.folder)}
    ended = subprocess.run([world.cluster.mlflow_python(), "-c", script, *words], capture_output=True, text=True, check=False, timeout=300, env=env)
    found = re.search("^(run|read) (.*)$", ended.stdout, re.M)
    if ended.returncode or not found:
        raise Trouble(f"the client failed:\n{ended.stderr}{ended.stdout}")
    return found[2]


def log_run(world, text):
    """A run with an artifact; its id."""
    if world.cluster.real:
        return client(world, LOG_RUN, text)
    name = sql(world, "SELECT REPLACE(UUID(), '-', '')")
    must(world, "PUT", f"/mlflow/1/{name}/artifacts/notes/a b+c.txt", text.encode())
    sql(world, f"INSERT INTO mlflow.runs VALUES ('{name}', 1, ROUND(UNIX_TIMESTAMP(NOW(3)) * 1000), 's3://mlflow/1/{name}/artifacts')")
    return name


def read_run(world, name):
    """Its artifact, by way of the database."""
    if world.cluster.real:
        return client(world, READ_RUN, name).split(" ", 1)[1]
    uri = sql(world, f"SELECT artifact_uri FROM mlflow.runs WHERE run_uuid = '{name}'")
    return must(world, "GET", f"/{uri.removeprefix('s3://')}/notes/a b+c.txt") if uri else None


def artifacts(world, bucket="mlflow", within=""):
    return [key for key in re.findall("<Key>([^<]*)</Key>", must(world, "GET", f"/{bucket}")) if within in key]


def harm(world):
    """What people do: the pair is the only copy then."""
    sql(world, "SET FOREIGN_KEY_CHECKS = 0; DELETE FROM mlflow.runs; DROP TABLE mlflow.model_versions; CREATE TABLE mlflow.later (a INT)")
    for key in artifacts(world):
        must(world, "DELETE", f"/mlflow/{key}")


def schema(world):
    return sql(world, "SELECT version_num FROM mlflow.alembic_version")


def image(world):
    found = world.cluster.kube.get("deployments", world.cluster.model, SERVER)
    return found["spec"]["template"]["spec"]["containers"][0]["image"]


def replicas(world):
    return world.cluster.kube.get("deployments", world.cluster.model, SERVER)["spec"]["replicas"]


def create(world, **params):
    return done(world, run(world, SERVER, "create-backup", **params))["results"]


def restore(world, name, **params):
    return approved(world, SERVER, "restore", **{"backup-id": name, **params})


def nothing_aside(world):
    if world.cluster.kube.get("statefulsets", world.cluster.model, f"{SERVER}-backup") or replicas(world) != 1:
        raise Trouble("the client's pod stays, or the server is stopped")


def listed(world, column=2):
    text = done(world, run(world, SERVER, "list-backups"))["results"]["backups"]
    return {row.split(" | ")[0].strip(): row.split(" | ")[column].strip() for row in text.splitlines()[1:]}


@test("runs and artifacts in, a pair, both deleted, restored: each run has its artifact, and a second pair copies what is new", shares=pairs)
def _(world):
    first = log_run(world, "kept for good")
    made = create(world)
    second = log_run(world, "new")
    again = create(world)
    if (int(made["artifacts"]), int(again["artifacts"]), int(again["copied"])) != (int(made["copied"]), int(made["artifacts"]) + 1, 1):
        raise Trouble(f"{made}, {again}")
    if listed(world) != {made["backup-id"]: "finished", again["backup-id"]: "finished"}:
        raise Trouble(f"{listed(world)}")
    found = done(world, run(world, SERVER, "verify-backup"))["results"]
    if (found["backup-id"], found["artifacts"]) != (again["backup-id"], again["artifacts"]):
        raise Trouble(f"{found}")
    harm(world)
    ended = done(world, restore(world, again["backup-id"], force=True))
    if read_run(world, first) != "kept for good" or read_run(world, second) != "new" or int(ended["results"]["artifacts-copied"]) != int(again["artifacts"]):
        raise Trouble(f"not as it was: {ended}")
    if sql(world, "SHOW TABLES FROM mlflow LIKE 'later'") or not sql(world, "SHOW TABLES FROM mlflow LIKE 'model_versions'"):
        raise Trouble("its tables are not those of the pair")
    nothing_aside(world)
    world.wait_active()


@test("a pair of which a copy is gone, or another, or whose list was changed: found, and not restored", shares=pairs, real=ALIKE)
def _(world):
    name = log_run(world, "to be lost")
    made = create(world)["backup-id"]
    key = next(key for key in artifacts(world, BUCKET, name))
    where, what = f"/{BUCKET}/{key}", b"to be lost"
    lists = f"/{BUCKET}/{PATH}/{made}/artifacts-0001"
    text = must(world, "GET", lists)
    for damage in (lambda: must(world, "DELETE", where), lambda: must(world, "PUT", where, b"to be LOST"),
                   lambda: must(world, "PUT", lists, text.replace("artifacts", "artefacts").encode()), lambda: must(world, "DELETE", lists)):
        damage()
        failed(world, run(world, SERVER, "verify-backup", **{"backup-id": made}), "is no good")
        failed(world, restore(world, made, force=True), "cannot be restored", "nothing was touched")
        must(world, "PUT", where, what)
        must(world, "PUT", lists, text.encode())
    done(world, run(world, SERVER, "verify-backup", **{"backup-id": made}))
    if not listed(world, 3)[made].startswith("2"):
        raise Trouble(f"{listed(world, 3)}")
    nothing_aside(world)


@test("a restore onto a database in use is refused without force, and says what is lost; an unknown pair, and one of another bucket, are refused", shares=pairs, real=ALIKE)
def _(world):
    made = create(world)["backup-id"]
    name = log_run(world, "after the backup")
    failed(world, restore(world, made), "in use:", "1 runs and 0 model versions are of after", "force=true", "nothing was touched")
    failed(world, restore(world, made[:-2] + "zz", force=True), "there is no", f"the nearest is {made}")
    if read_run(world, name) != "after the backup":
        raise Trouble("something was touched")
    world.ctl("config", SERVER, "default_artifact_root=another").ok()
    world.wait_active()
    failed(world, restore(world, made, force=True), "artifacts of the bucket mlflow, and here it is another", "nothing was touched")
    world.ctl("config", SERVER, "default_artifact_root=mlflow").ok()
    world.wait_active()
    nothing_aside(world)


@test("the daemon killed at each turn of a restore: it ends as without it", shares=pairs, real=ALIKE)
def _(world):
    name = log_run(world, "through a death")
    made = create(world, passphrase="only the night shift knows")["backup-id"]
    failed(world, restore(world, made, force=True), "passphrase is needed", "nothing was touched")
    harm(world)
    operation = restore(world, made, force=True, passphrase="only the night shift knows")
    for turn in (4, 7, 9):
        world.wait_for(f"turn {turn}", lambda at=turn: len(show(world, operation)["turns"]) >= at or show(world, operation)["status"] == "completed")
        kill(world)
        world.daemon.start()
    done(world, operation)
    if read_run(world, name) != "through a death":
        raise Trouble("not as it was")
    nothing_aside(world)
    world.wait_active()


@test("retention: copies that no pair names any more go with the pairs; a list that cannot be read keeps them all", shares=pairs, real=ALIKE)
def _(world):
    gone, kept = log_run(world, "in the old pair only"), log_run(world, "in both")
    old = create(world)["backup-id"]
    for key in artifacts(world, within=gone):
        must(world, "DELETE", f"/mlflow/{key}")
    world.ctl("config", SERVER, "backup-retention-count=1").ok()
    odd = f"/{BUCKET}/{PATH}/2020-01-01T00:00:00Z-aaaaaaaa/artifacts-0001"
    must(world, "PUT", odd, b"no list")
    told = create(world)
    if "is no list of objects" not in told["not-pruned"] or old in listed(world) or not artifacts(world, BUCKET, gone):
        raise Trouble(f"{told}, {listed(world)}")
    must(world, "DELETE", odd)
    told = create(world)
    if int(told["copies-deleted"]) < 1 or "not-pruned" in told or artifacts(world, BUCKET, gone) or not artifacts(world, BUCKET, kept):
        raise Trouble(f"{told}: {artifacts(world, BUCKET)}")
    done(world, run(world, SERVER, "verify-backup", **{"backup-id": told["backup-id"]}))
    if create(world)["copies-deleted"] != "0":
        raise Trouble("copies that are needed were deleted")
    world.ctl("config", SERVER, "--reset", "backup-retention-count").ok()


# ---- upgrade

def begin_server(world, **changes):
    """(exit code, last words) of what a pod of the server runs, with MLflow of the peers and a server that only says so."""
    python, folder = paths.mlflow_python(), world.folder / "begin"
    if not Path(python).exists():
        raise Skip("no MLflow: tools/peers build")
    folder.mkdir(exist_ok=True)
    (folder / "mlflow").write_text("#!/bin/sh\necho it runs: $*\n")
    (folder / "mlflow").chmod(0o755)
    words = folder / "last-words"
    words.write_text("")
    _, option, script, *rest = world.cluster.kube.get("deployments", world.cluster.model, SERVER)["spec"]["template"]["spec"]["containers"][0]["command"]
    for was, now in {"/dev/termination-log": str(words), **changes}.items():
        script = script.replace(was, now)
    uri = secret(world, f"{SERVER}-database")["MLFLOW_BACKEND_STORE_URI"]
    uri = re.sub("@[^/]*/", f"@{world.cluster.address(f'{MYSQL}-0', 3306)}:3306/", uri)
    ended = subprocess.run([python, option, script, *rest], capture_output=True, text=True, check=False, timeout=120,
                           env={"PATH": f"{folder}:/usr/bin:/bin", "MLFLOW_BACKEND_STORE_URI": uri})
    return ended.returncode, words.read_text() or ended.stdout


@test("a pod of the server begins on a schema of its own version, and on none; on another it ends and says what to run", shares=pairs,
      real="its pods do it there")
def _(world):
    sql(world, f"UPDATE mlflow.alembic_version SET version_num = '{HEAD}'")
    if begin_server(world) != (0, "it runs: server\n"):
        raise Trouble(f"{begin_server(world)}")
    sql(world, f"UPDATE mlflow.alembic_version SET version_num = '{OLD_SCHEMA}'")
    code, words = begin_server(world)
    if code != 1 or words != f"the database has the schema {OLD_SCHEMA}, and this MLflow wants {HEAD}: mooringctl run {SERVER} upgrade image={image(world)}":
        raise Trouble(f"{code}: {words}")
    code, words = begin_server(world, **{"TRIES = 30": "TRIES = 1", "port=uri.port": "port=1 + 0 * uri.port"})
    if code != 1 or "the database does not answer" not in words:
        raise Trouble(f"{code}: {words}")
    sql(world, "RENAME TABLE mlflow.alembic_version TO mlflow.aside")
    try:
        if begin_server(world) != (0, "it runs: server\n"):
            raise Trouble(f"{begin_server(world)}")
    finally:
        sql(world, "RENAME TABLE mlflow.aside TO mlflow.alembic_version")


def roll_back(world, was, kept, lost):
    """All of before is given back, and nothing else: the image and schema of WAS, the run of KEPT with its text, not the run LOST."""
    done(world, approved(world, SERVER, "rollback", force=True))
    if (image(world), schema(world), read_run(world, kept[0])) != (*was, kept[1]):
        raise Trouble(f"{image(world)} {schema(world)} {read_run(world, kept[0])}, not {was} {kept}")
    if sql(world, f"SELECT COUNT(*) FROM mlflow.runs WHERE run_uuid = '{lost}'") != "0":
        raise Trouble("what came after is still there")
    nothing_aside(world)
    world.wait_active()


NEWER = "docker.io/charmedkubeflow/mlflow:3.17.2-of-a-test"


@test("a refresh to a newer MLflow pauses at its canary and says what to run; upgrade migrates to it, and rollback goes back", shares=pairs,
      sim="what a server does with a schema is its own")
def _(world):
    python = paths.mlflow_python(NEWER)
    if not Path(python).exists():
        raise Skip("no newer MLflow: tools/peers build --later")
    first, before, was = log_run(world, "by the older one"), schema(world), image(world)
    wanted = subprocess.run([python, "-c", "from mlflow.store.db.utils import _get_latest_schema_revision as r; print(r())"], capture_output=True,
                            text=True, check=True).stdout.strip()
    world.ctl("refresh", SERVER, "--resource", f"oci-image={NEWER}", "--wait", "5m").refused("paused", f"wants {wanted}", f"upgrade image={NEWER}", code=3)
    if schema(world) != before or read_run(world, first) != "by the older one":
        raise Trouble(f"{schema(world)}: something was touched")
    failed(world, run(world, SERVER, "upgrade", image=NEWER), "is what is wanted already, and does not run")
    world.ctl("rollback", SERVER, "--wait", "5m").ok()
    world.wait_active()
    made = done(world, run(world, SERVER, "upgrade", image=NEWER))["results"]
    if (made["schema-before"], made["schema"], schema(world), image(world)) != (before, wanted, wanted, NEWER):
        raise Trouble(f"{made} {schema(world)} {image(world)}")
    second = log_run(world, "by the newer one")
    if (read_run(world, first), read_run(world, second)) != ("by the older one", "by the newer one"):
        raise Trouble("its runs are not those of before")
    roll_back(world, (was, before), (first, "by the older one"), second)


def set_back(world):
    """The schema of a version before; real MLflow migrates it again."""
    if world.cluster.real:
        sql(world, "ALTER TABLE mlflow.tags MODIFY value VARCHAR(5000)")
    sql(world, f"UPDATE mlflow.alembic_version SET version_num = '{OLD_SCHEMA}'")


@test("upgrade migrates the schema in a Job before the new server runs; rollback says what it loses and gives back all of before", shares=pairs)
def _(world):
    set_back(world)
    failed(world, run(world, SERVER, "upgrade", image=image(world)), "is what runs already")
    made = done(world, run(world, SERVER, "upgrade", image=OTHER))["results"]
    if image(world) != OTHER or made["schema-before"] != OLD_SCHEMA or made["image"] != OTHER:
        raise Trouble(f"{image(world)} {made}")
    wide = "SELECT character_maximum_length FROM information_schema.columns WHERE table_schema = 'mlflow' AND table_name = 'tags' AND column_name = 'value'"
    if world.cluster.real and (made["schema"], schema(world), sql(world, wide)) != (HEAD, HEAD, "8000"):
        raise Trouble(f"not migrated: {made}, {schema(world)}, {sql(world, wide)}")
    world.wait_status(SERVER, "active", OTHER)
    nothing_aside(world)
    if world.cluster.kube.list("jobs", world.cluster.model):
        raise Trouble("the Job stays")
    kept, before = log_run(world, "before the upgrade"), schema(world)
    made = done(world, run(world, SERVER, "upgrade", image=NEXT))["results"]
    lost = log_run(world, "after the upgrade")
    told = done(world, run(world, SERVER, "check-rollback"))["results"]
    if (told["backup-id"], told["image"]) != (made["rollback-to"], OTHER) or "1 runs and 0 model versions are of after" not in told["would-be-lost"]:
        raise Trouble(f"{told}")
    sql(world, "RENAME TABLE mlflow.alembic_version TO mlflow.aside")
    try:
        failed(world, restore(world, made["rollback-to"], force=True), f"is of {OTHER}, of before the upgrade to {NEXT}", "rollback force=true", "nothing was touched")
    finally:
        sql(world, "RENAME TABLE mlflow.aside TO mlflow.alembic_version")
    if not world.cluster.real:
        failed(world, approved(world, SERVER, "rollback"), "1 runs and 0 model versions are of after", "nothing was touched")
    roll_back(world, (OTHER, before), (kept, "before the upgrade"), lost)


@test("a migration that fails: the schema of before is read back, and the old server starts", shares=pairs, real="the simulator's Jobs fail when they are told to")
def _(world):
    before, was, name = image(world), schema(world), log_run(world, "through a failure")
    world.cluster.ctl("fail-pods", "migrate-*", "Failed")
    try:
        operation = run(world, SERVER, "upgrade", image=NEXT)
        failed(world, operation, "the migration failed")
    finally:
        world.cluster.ctl("clear")
    if "the schema of before is read back" not in [line["text"] for line in show(world, operation)["log"]]:
        raise Trouble(f"{show(world, operation)}")
    if image(world) != before or schema(world) != was or read_run(world, name) != "through a failure":
        raise Trouble(f"{image(world)} {schema(world)}")
    nothing_aside(world)
    world.wait_active()


@test("the place of backups is gone when a cancelled migration is to be read back: the server stays stopped, and restore makes it whole", shares=pairs,
      real="the simulator's Jobs wait when they are told to")
def _(world):
    was, name = schema(world), log_run(world, "through a cancel")
    world.cluster.ctl("fail-pods", "migrate-*", "ImagePullBackOff")
    try:
        operation = run(world, SERVER, "upgrade", image=NEXT)
        world.wait_for("the migration", lambda: world.cluster.kube.list("jobs", world.cluster.model))
        world.ctl("remove-relation", f"{SERVER}:s3-parameters", f"{S3}:s3-credentials").ok()
        world.ctl("cancel-task", operation).ok()
        ended = done(world, operation, "cancelled")
    finally:
        world.cluster.ctl("clear")
    if "cleaning up: step back: Missing relation" not in ended["message"] or replicas(world) != 0:
        raise Trouble(f"{ended}: {replicas(world)} replicas")
    pair = ended["results"]["backup-id"]
    world.wait_status(SERVER, "blocked", "restored in part", f"restore backup-id={pair} force=true")
    world.ctl("integrate", f"{S3}:s3-credentials", f"{SERVER}:s3-parameters").ok()
    world.wait_for("the place of backups", lambda: show(world, run(world, SERVER, "list-backups")))
    done(world, restore(world, pair, force=True))
    if schema(world) != was or read_run(world, name) != "through a cancel":
        raise Trouble(f"{schema(world)}")
    nothing_aside(world)
    world.wait_active()


# ---- relations

@test("one relation removed: the Secret of the other stays, and the server runs on", shares=pairs, real=ALIKE)
def _(world):
    uid = world.cluster.kube.get("deployments", world.cluster.model, SERVER)["metadata"]["uid"]
    for other, gone, stays in ((f"{MINIO}:object-storage", "object-storage", "database"), ("mlflow-mysql:database", "database", "object-storage")):
        before = secret(world, f"{SERVER}-{stays}")
        endpoint_of = "object-storage" if gone == "object-storage" else "relational-db"
        world.ctl("remove-relation", f"{SERVER}:{endpoint_of}", other).ok()
        world.wait_for(f"the Secret of {gone} to go", lambda name=gone: not world.cluster.kube.get("secrets", world.cluster.model, f"{SERVER}-{name}"))
        if secret(world, f"{SERVER}-{stays}") != before or replicas(world) != 1:
            raise Trouble(f"without {gone}, that of {stays} is another")
        world.ctl("integrate", f"{SERVER}:{endpoint_of}", other).ok()
        world.wait_active()
    if world.cluster.kube.get("deployments", world.cluster.model, SERVER)["metadata"]["uid"] != uid:
        raise Trouble("it was made anew")


@test("without a place for backups it is said what is missing", real=ALIKE)
def _(world):
    failed(world, run(world, SERVER, "create-backup"), "Missing relation with S3 integrator charm")
    failed(world, approved(world, SERVER, "rollback"), "there is no upgrade to go back from")


if __name__ == "__main__":
    main()
