# SPDX-License-Identifier: Apache-2.0
"""What a person does inside a database or an object store, as its administrator: behind the simulator's pods and in real ones.

    sql(world, "DROP USER …")               the statement's answer, as text
    store(world, "PUT", "/mlflow/a", b"…")  (code, body) of a signed request

Both go past Mooring: the first from inside the pod, where the administrator may log in, the second to the pod's address.
"""
import base64
import hashlib
import hmac
import urllib.error
import urllib.request
from datetime import datetime, timezone

from .world import Trouble

MYSQL, MINIO = "mlflow-mysql", "mlflow-minio"
REGION = "us-east-1"
SECONDS = 30


def secret(world, name):
    """The Secret's values, opened."""
    found = world.cluster.kube.get("secrets", world.cluster.model, name)
    if not found:
        raise Trouble(f"there is no Secret {name}")
    return {key: base64.b64decode(value).decode() for key, value in found["data"].items()}


def root_password(world):
    return secret(world, f"{MYSQL}-root")["root-password"]


def ask(world, statement, user="root", password=None):
    """(exit code, output, errors) of the client."""
    pod = f"{MYSQL}-0"
    argv = ["mariadb", "--no-defaults", "--protocol=tcp", f"--host={world.cluster.inside(pod, 3306)}", f"--user={user}",
            f"--password={root_password(world) if password is None else password}", f"--connect-timeout={SECONDS}",
            "--batch", "--skip-column-names", f"--execute={statement}"]
    return world.cluster.execute(pod, argv)


def sql(world, statement, user="root", password=None):
    code, out, err = ask(world, statement, user, password)
    if code:
        raise Trouble(f"{statement}: {err}")
    return out.strip()


def relation_user(world):
    """Name of the one user that a relation has."""
    return sql(world, "SELECT User FROM mysql.user WHERE User LIKE 'relation-%'")


def endpoint(world):
    return f"http://{world.cluster.address(f'{MINIO}-0', 9000)}:9000"


def signed(keys, method, host, path, body):
    """Headers of AWS signature version 4."""
    now = datetime.now(timezone.utc).strftime("%Y%m%dT%H%M%SZ")
    scope = f"{now[:8]}/{REGION}/s3/aws4_request"
    headers = {"host": host, "x-amz-content-sha256": hashlib.sha256(body).hexdigest(), "x-amz-date": now}
    names = ";".join(headers)
    request = "\n".join([method, path, "", *(f"{name}:{value}" for name, value in headers.items()), "", names,
                         headers["x-amz-content-sha256"]])
    text = "\n".join(["AWS4-HMAC-SHA256", now, scope, hashlib.sha256(request.encode()).hexdigest()])
    key = f"AWS4{keys['secret-key']}".encode()
    for word in [*scope.split("/"), text]:
        key = hmac.digest(key, word.encode(), "sha256")
    return headers | {"Authorization": f"AWS4-HMAC-SHA256 Credential={keys['access-key']}/{scope}, SignedHeaders={names}, Signature={key.hex()}"}


def store(world, method, path, body=b""):
    """One S3 request of the administrator's; PATH needs no escaping."""
    url = endpoint(world)
    headers = signed(secret(world, f"{MINIO}-root"), method, url.split("://")[1], path, body)
    try:
        with urllib.request.urlopen(urllib.request.Request(url + path, body or None, headers, method=method), timeout=SECONDS) as answer:
            return answer.status, answer.read().decode(errors="replace")
    except urllib.error.HTTPError as error:
        return error.code, error.read().decode(errors="replace")


def must(world, method, path, body=b""):
    code, text = store(world, method, path, body)
    if code >= 300:
        raise Trouble(f"{method} {path}: {code} {text}")
    return text


def seen_filled(world, kind, path):
    """Until the daemon has seen that there is something in it."""
    def seen():
        return world.daemon.rows("SELECT 1 FROM resource WHERE type = ? AND path = ? AND initialised_at IS NOT NULL", kind, path)
    world.wait_for(f"{kind} {path} to be seen filled", seen)
