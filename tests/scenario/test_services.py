#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What others do inside the database and the object store is put right too, and what held data is not begun again silently."""
import json
import re
import subprocess
import urllib.request

from lib.drift import lines, repaired
from lib.runner import main, test
from lib.services import ask, endpoint, must, relation_user, root_password, secret, seen_filled, sql
from lib.world import Trouble

BLIND = "the simulator's pods run nothing"


def logs_in(world, user):
    """As mlflow-server does it, by the password that its Secret has."""
    uri = secret(world, "mlflow-server-database")["MLFLOW_BACKEND_STORE_URI"]
    password = uri.split("://", 1)[1].split("@", 1)[0].split(":", 1)[1]
    return ask(world, "SELECT COUNT(*) FROM information_schema.tables WHERE table_schema = 'mlflow'", user, password)[0] == 0


@test("a dropped user is made again with its password and rights")
def _(world):
    before, user = lines(world), relation_user(world)
    sql(world, f"DROP USER '{user}'@'%'")
    repaired(world, before, f"user {user}@%", "deleted", "not recorded")
    repaired(world, before, f"grant {user}@%/mlflow", "not recorded")       # they went with the user
    if not logs_in(world, user):
        raise Trouble("mlflow-server's password does not open the new user")
    world.wait_active()


@test("a right that was revoked is granted again")
def _(world):
    before, user = lines(world), relation_user(world)
    rights = sql(world, f"SHOW GRANTS FOR '{user}'@'%'")
    sql(world, f"REVOKE CREATE, INSERT ON `mlflow`.* FROM '{user}'@'%'")
    repaired(world, before, f"grant {user}@%/mlflow", "privileges[INSERT]", "privileges[CREATE]", "not recorded")
    if sql(world, f"SHOW GRANTS FOR '{user}'@'%'") != rights:
        raise Trouble("the rights are not what they were")


@test("rights on the server's own databases, and on patterns of names, are taken from a relation's user")
def _(world):
    before, user = lines(world), relation_user(world)
    rights = sql(world, f"SHOW GRANTS FOR '{user}'@'%'")
    sql(world, f"GRANT SELECT ON mysql.* TO '{user}'@'%' WITH GRANT OPTION; GRANT UPDATE ON mysql.db TO '{user}'@'%';"
               f"GRANT INSERT ON `other%`.* TO '{user}'@'%'")
    repaired(world, before, f"user {user}@%", "elsewhere", "not recorded")
    found = sql(world, f"SHOW GRANTS FOR '{user}'@'%'")
    if found != rights:
        raise Trouble(f"the rights are not what they were: {found}")
    if not logs_in(world, user):
        raise Trouble("mlflow-server cannot log in any more")


@test("a changed password of a relation's user is put back, and shown nowhere")
def _(world):
    before, user = lines(world), relation_user(world)
    sql(world, f"ALTER USER '{user}'@'%' IDENTIFIED BY 'of-somebody-else'")
    if logs_in(world, user):
        raise Trouble("the password was not changed")
    text = repaired(world, before, f"user {user}@%", "password", "not recorded")
    if "of-somebody-else" in text or not logs_in(world, user):
        raise Trouble(f"the password is not what it was, or drift shows it:\n{text}")


@test("an empty bucket that was deleted is made again")
def _(world):
    before = lines(world)
    must(world, "DELETE", "/mlflow")
    repaired(world, before, "bucket mlflow", "deleted", "not recorded")
    must(world, "GET", "/mlflow")
    world.wait_active()


@test("a lost administrator's password blocks with the way back, and all goes on once it is set back")
def _(world):
    user, right = relation_user(world), root_password(world)
    hosts = sql(world, "SELECT Host FROM mysql.user WHERE User = 'root'").split()

    def change(password):
        return "".join(f"ALTER USER root@'{host}' IDENTIFIED BY '{password}';" for host in hosts)
    sessions = sql(world, "SELECT Id FROM information_schema.processlist WHERE User = 'root' AND Id <> CONNECTION_ID()").split()
    sql(world, change("forgotten") + "".join(f"KILL {number};" for number in sessions))
    try:
        world.wait_status("mlflow-mysql", "blocked", "mlflow/mlflow-mysql-0", "password of user root was changed outside",
                          "set it back", "show-secret --reveal")
        sql(world, f"DROP USER '{user}'@'%'", password="forgotten")     # is not seen: nothing may be claimed of it
        before = lines(world)
    finally:
        sql(world, change(right), password="forgotten")
    repaired(world, before, f"user {user}@%", "deleted")
    repaired(world, before, f"grant {user}@%/mlflow")
    world.wait_active()


def server_pod(world):
    return next(pod for pod in world.cluster.kube.list("pods", "mlflow")
                if pod["metadata"]["name"].startswith("mlflow-server-") and "deletionTimestamp" not in pod["metadata"])


def tracking(world):
    """The address of MLflow's own API."""
    return f"http://{server_pod(world)['status']['podIP']}:5000"


def make_experiment(world, name):
    request = urllib.request.Request(f"{tracking(world)}/api/2.0/mlflow/experiments/create", json.dumps({"name": name}).encode(),
                                     {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return json.loads(answer.read())["experiment_id"]


LOG_ARTIFACT = """
import mlflow, sys
with mlflow.start_run(experiment_id=sys.argv[1]):
    mlflow.log_text("kept for good", "notes/first.txt")
"""


@test("an experiment made by MLflow's API is a row in the database, and an artifact of its Python client is in the bucket", sim=BLIND)
def _(world):
    number = make_experiment(world, "scenario")
    found = sql(world, "SELECT experiment_id, name, artifact_location FROM mlflow.experiments WHERE name = 'scenario'")
    if found.split("\t") != [number, "scenario", f"s3://mlflow/{number}"]:
        raise Trouble(f"in the database: {found!r}, made: {number}")
    client = secret(world, "mlflow-server-object-storage") | {
        "MLFLOW_TRACKING_URI": tracking(world), "MLFLOW_S3_ENDPOINT_URL": f"http://{endpoint(world)}", "PATH": "/usr/bin:/bin", "HOME": str(world.folder)}
    done = subprocess.run([world.cluster.mlflow_python(), "-c", LOG_ARTIFACT, number], capture_output=True, text=True, check=False, timeout=300, env=client)
    if done.returncode:
        raise Trouble(f"the client failed:\n{done.stderr}")
    listed = must(world, "GET", "/mlflow")
    if "notes/first.txt</Key>" not in listed:
        raise Trouble(f"not in the bucket:\n{listed}")


@test("a killed server is no longer active, and is again when it is back", sim=BLIND)
def _(world):
    world.cluster.signal_pod("mlflow-mysql-0", "KILL")
    world.wait_for("mlflow-mysql to be seen down", lambda: left_active(world, "mlflow-mysql"))
    world.wait_active()


@test("a server that stands still and fails its probes is no longer active, and is again when it goes on", sim=BLIND)
def _(world):
    world.cluster.signal_pod("mlflow-minio-0", "STOP")
    try:
        world.wait_for("its pod not to be ready", lambda: not ready(world, "mlflow-minio-0"))
        world.wait_for("mlflow-minio to be seen down", lambda: left_active(world, "mlflow-minio"))
    finally:
        world.cluster.signal_pod("mlflow-minio-0", "CONT")
    world.wait_active()


def ready(world, pod):
    return world.cluster.kube.get("pods", "mlflow", pod)["status"]["containerStatuses"][0]["ready"]


def left_active(world, app):
    return world.apps()[app][0] != "active"


@test("a dropped database is not made again: the application and its consumers are blocked until accept-data-loss")
def _(world):
    sql(world, "CREATE TABLE IF NOT EXISTS mlflow.of_value (n INT)")
    seen_filled(world, "database", "mlflow")
    before = lines(world)
    sql(world, "DROP DATABASE mlflow")
    world.wait_status("mlflow-mysql", "blocked", "database mlflow is gone, and held data since 20",
                      ": restore it, or mooringctl accept-data-loss mlflow-mysql")
    world.wait_status("mlflow-server", "blocked", "database mlflow", "accept-data-loss mlflow-mysql")
    if sql(world, "SHOW DATABASES LIKE 'mlflow'"):
        raise Trouble("the database was made again without consent")
    world.ctl("accept-data-loss", "mlflow-mysql").ok()
    world.wait_active()
    repaired(world, before, "database mlflow", "data lost", outcome="accepted")
    if sql(world, "SHOW DATABASES LIKE 'mlflow'") != "mlflow":
        raise Trouble("no new database was made")


@test("a bucket that went with what was in it is made again empty, and said to be, until accept-data-loss")
def _(world):
    must(world, "PUT", "/mlflow/of-value", b"x")
    seen_filled(world, "bucket", "mlflow")
    for key in re.findall("<Key>([^<]*)</Key>", must(world, "GET", "/mlflow")):
        must(world, "DELETE", f"/mlflow/{key}")
    must(world, "DELETE", "/mlflow")
    world.wait_status("mlflow-minio", "blocked", "bucket mlflow", "held data since 20", "accept-data-loss mlflow-minio")
    world.wait_status("mlflow-server", "blocked", "bucket mlflow", "accept-data-loss mlflow-minio")
    must(world, "GET", "/mlflow")               # it is there again
    world.daemon.kill()
    world.daemon.start()
    world.wait_status("mlflow-minio", "blocked", "bucket mlflow is empty, and held data since 20")
    must(world, "PUT", "/mlflow/the-first-upload", b"x")
    world.wait_status("mlflow-minio", "blocked", "bucket mlflow, which held data since 20", "with something in it")
    world.wait_for("the command to know", lambda: "as it is" in world.ctl("accept-data-loss", "mlflow-minio", "--dry-run").ok().out)
    world.ctl("accept-data-loss", "mlflow-minio").ok()
    world.wait_active()


if __name__ == "__main__":
    main()
