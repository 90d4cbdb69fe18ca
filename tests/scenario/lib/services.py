# SPDX-License-Identifier: Apache-2.0
"""What a person does inside a database or an object store, as its administrator: behind the simulator's pods and in real ones.

    sql(world, "DROP USER …")               the statement's answer, as text
    store(world, "PUT", "/mlflow/a", b"…")  (code, body) of a signed request

Both go past Mooring: the first from inside the pod, where the administrator may log in, the second to the pod's address.
"""
import base64

from . import s3
from .world import Trouble

MYSQL, MINIO = "mlflow-mysql", "mlflow-minio"
SECONDS = 30


def secret(world, name):
    """The Secret's values, opened."""
    found = world.cluster.kube.get("secrets", world.cluster.model, name)
    if not found:
        raise Trouble(f"there is no Secret {name}")
    return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}


def root_password(world, application=MYSQL):
    return secret(world, f"{application}-root")["root-password"]


def ask(world, statement, user="root", password=None, application=MYSQL):
    """(exit code, output, errors) of the client."""
    pod = f"{application}-0"
    argv = ["mariadb", "--no-defaults", "--protocol=tcp", f"--host={world.cluster.inside(pod, 3306)}", f"--user={user}",
            f"--password={root_password(world, application) if password is None else password}", f"--connect-timeout={SECONDS}",
            "--batch", "--skip-column-names", "--comments", f"--execute={statement}"]
    return world.cluster.execute(pod, argv)


def sql(world, statement, user="root", password=None, application=MYSQL):
    code, out, err = ask(world, statement, user, password, application)
    if code:
        raise Trouble(f"{statement}: {err}")
    return out.strip()


def relation_user(world):
    """Name of the one user that a relation has."""
    return sql(world, "SELECT User FROM mysql.user WHERE User LIKE 'relation-%'")


def endpoint(world):
    """HOST:PORT of the object store."""
    return f"{world.cluster.address(f'{MINIO}-0', 9000)}:9000"


def store(world, method, path, body=b"", query=""):
    """One S3 request of the administrator's; PATH needs no escaping."""
    keys = secret(world, f"{MINIO}-root")
    return s3.call(endpoint(world), keys["access-key"], keys["secret-key"], method, path, body, query)


def must(world, method, path, body=b"", query=""):
    code, text = store(world, method, path, body, query)
    if code >= 300:
        raise Trouble(f"{method} {path}: {code} {text}")
    return text


def seen_filled(world, kind, path):
    """Until the daemon has seen that there is something in it."""
    def seen():
        return world.daemon.rows("SELECT 1 FROM resource WHERE type = ? AND path = ? AND initialised_at IS NOT NULL", kind, path)
    world.wait_for(f"{kind} {path} to be seen filled", seen)
