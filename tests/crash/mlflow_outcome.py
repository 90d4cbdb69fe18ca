# SPDX-License-Identifier: Apache-2.0
"""What a deployment of the MLflow bundle left behind, so that two can be compared: the cluster's objects, the database server, the
object store, and the rows of model.db that stand for things outside.

What differs between any two deployments is replaced by its meaning: generated passwords by their labels, uids, hashes and random parts of
names by a word. Times and versions are left out."""
import base64
import json
import os
import re
import sqlite3
import subprocess
from urllib.parse import unquote, urlsplit

from lib.world import Trouble

TABLES = ("secret", "secret_revision", "secret_grant", "application", "application_storage", "model", "target", "resource", "want",
          "edge", "relation", "relation_side", "relation_data", "unit", "detached", "leftover", "drift")
DROPPED = {"resourceVersion", "creationTimestamp", "time", "startTime", "startedAt", "lastTransitionTime", "lastUpdateTime",
           "lastProbeTime", "lastHeartbeatTime", "renewTime", "clusterIP", "clusterIPs", "podIP", "podIPs", "hostIP", "nodePort", "nodeName"}
RANDOM = ((r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}", "UID"), (r"\b[0-9a-f]{16,64}\b", "HASH"),
          (r"\b10\.244\.\d+\.\d+\b", "POD-IP"))
SYSTEM_DATABASES = {"information_schema", "mysql", "performance_schema", "sys"}


def query(daemon, sql):
    db = sqlite3.connect(f"file:{daemon.state}/model.db?mode=ro", uri=True, timeout=10)
    try:
        return db.execute(sql).fetchall()
    finally:
        db.close()


def settled(daemon):
    """All applications are active, and every resource is as it is wanted."""
    try:
        words = {word for word, in query(daemon, "SELECT status FROM application")}
        open_ones = query(daemon, "SELECT 1 FROM resource WHERE applied_generation <> wanted_generation OR baseline IS NULL "
                          "OR life <> 'alive'")
    except sqlite3.OperationalError:            # a state folder half made
        return False
    return words == {"active"} and not open_ones


def seen(world):
    """The daemon itself has seen every resource in place and has nothing left to do: rows may be those of an earlier life."""
    model = f"/v1/models/{world.cluster.model}"
    (code, resources), (also, status) = (world.daemon.api("GET", f"{model}/{what}") for what in ("resources", "status"))
    if (code, also) != (200, 200):
        return False
    applications = json.loads(status)["applications"].values()
    return all(r["state"] == "ready" for r in json.loads(resources)["resources"]) and all(
        a["settled"] and a["application-status"]["current"] == "active" for a in applications)


# ---- the cluster

def values_of(world):
    """Generated value, and the id that a Secret's revisions are told by → its label."""
    names = {}
    for s in json.loads(world.ctl("secrets", "--format", "json").ok().out)["secrets"]:
        value = json.loads(world.ctl("show-secret", s["id"], "--reveal", "--format", "json").ok().out)["value"]
        name = f"value of {s['owner']}/{s['label']}/{s['field']}"
        if value in names:
            raise Trouble(f"{names[value]} and {name} are the same")
        names[value] = name
        names[s["id"].removeprefix("secret:")] = f"secret {s['owner']}/{s['label']}"
    return names


def listable(kube):
    """(path, kind) of everything that can be listed."""
    groups = kube.must("GET", "/apis")["groups"]
    for path in ["/api/v1", *(f"/apis/{group['preferredVersion']['groupVersion']}" for group in groups)]:
        for kind in kube.must("GET", path)["resources"]:
            if "list" in kind["verbs"] and "/" not in kind["name"]:
                yield f"{path}/{kind['name']}", kind["kind"]


class Words:
    """Words that differ between any two deployments, and what they mean."""

    def __init__(self, items, values):
        self.words = dict(values)
        for item in items:
            labels = item["metadata"].get("labels", {})
            for name in ("pod-template-hash", "controller-revision-hash"):
                if name in labels:
                    self.words[labels[name]] = name
        for item in items:
            prefix = item["metadata"].get("generateName")
            if prefix:
                self.words[item["metadata"]["name"]] = f"{prefix}RANDOM"

    def hide(self, text):
        for word in sorted(self.words, key=len, reverse=True):
            text = text.replace(word, self.words[word])
        for pattern, word in RANDOM:
            text = re.sub(pattern, word, text)
        return text

    def hide_all(self, value):
        if isinstance(value, dict):
            return {self.hide(k): self.hide_all(v) for k, v in sorted(value.items()) if k not in DROPPED}
        if isinstance(value, list):
            return [self.hide_all(v) for v in value]
        return self.hide(value) if isinstance(value, str) else value


def opened(item):
    """A Secret with its values as text."""
    if item.get("data") and item["kind"] == "Secret":
        item["data"] = {k: base64.b64decode(v).decode() for k, v in item["data"].items()}
    return item


def objects(world, values):
    kube, found = world.cluster.kube, {}
    items = [opened(item | {"kind": kind}) for path, kind in listable(kube) for item in kube.must("GET", path)["items"]]
    words = Words(items, values)
    for item in map(words.hide_all, items):
        name = f"{item['kind']} {item['metadata'].get('namespace', '')}/{item['metadata']['name']}"
        found.setdefault(name, []).append(item)
    return {name: sorted(same, key=json.dumps) for name, same in found.items()}


# ---- the servers

def run(argv, config):
    """Output of a client that reads CONFIG, with the password, from its input."""
    done = subprocess.run(argv, input=config, text=True, capture_output=True, check=False, timeout=60)
    if done.returncode:
        raise Trouble(f"{argv[0]} ended with {done.returncode}: {done.stderr}{done.stdout}")
    return done.stdout.splitlines()


def sql(address, user, password, *statements):
    client = ["mariadb", "--defaults-file=/dev/stdin", "--batch", "--skip-column-names", "--host", address, "--port", "3306", "--user", user]
    return run([*client, "--execute", "; ".join(statements)], f"[client]\npassword={password}\n")


def database(world, address):
    """Databases, users with their grants; and the relation's password lets its user in."""
    root = world.cluster.data.secret("mlflow", "mlflow-mysql-root")["root-password"]
    names = [n for n in sql(address, "root", root, "SHOW DATABASES") if n not in SYSTEM_DATABASES]
    users = sorted(sql(address, "root", root, "SELECT CONCAT(QUOTE(user), '@', QUOTE(host)) FROM mysql.user WHERE user <> 'mariadb.sys'"))
    grants = [re.sub(r"PASSWORD '[^']*'", "PASSWORD", line) for user in users if user != "''@''"
              for line in sql(address, "root", root, f"SHOW GRANTS FOR {user}")]
    told = urlsplit(world.cluster.data.secret("mlflow", "mlflow-server-database")["MLFLOW_BACKEND_STORE_URI"])
    own = sql(address, unquote(told.username), unquote(told.password), "SELECT CURRENT_USER()", f"USE `{told.path[1:]}`", "SELECT DATABASE()")
    return {"databases": names, "users": users, "grants": grants, "logged in": own}


def store_files(folder):
    """Names of buckets, users, policies out of MinIO's own files, or out of the stand-in's."""
    state = folder / "state.json"
    if state.exists():
        return {kind: sorted(names) for kind, names in json.loads(state.read_text()).items()}
    iam = folder / ".minio.sys/config/iam"
    return {"buckets": sorted(p.name for p in folder.iterdir() if not p.name.startswith(".")),
            "users": sorted(os.listdir(iam / "users")), "policies": sorted(os.listdir(iam / "policies")),
            "attached": sorted(os.listdir(iam / "policydb/users"))}


def store(world, address, folder):
    told = world.cluster.data.secret("mlflow", "mlflow-server-object-storage")
    config = f"user = \"{told['AWS_ACCESS_KEY_ID']}:{told['AWS_SECRET_ACCESS_KEY']}\"\n"
    listed = run(["curl", "--silent", "--show-error", "--fail", "--config", "-", "--aws-sigv4", "aws:amz:us-east-1:s3", "--output", "/dev/null",
                  "--write-out", "%{http_code}\n", f"http://{address}:9000/mlflow?list-type=2"], config)
    return store_files(folder) | {"listing of the bucket": listed}


def servers(world):
    data = world.cluster.data
    address = {name: data.leads["mlflow", f"{name}-0", port] for name, port in (("mlflow-mysql", 3306), ("mlflow-minio", 9000))}
    claims = {c["metadata"]["name"]: c["metadata"]["uid"] for c in world.cluster.kube.list("persistentvolumeclaims", "mlflow")}
    folders = sorted(p.name for p in data.folder.iterdir() if p.is_dir())
    if folders != sorted(claims.values()):
        raise Trouble(f"data of {len(folders)} volumes for the claims {claims}")
    return {"database": database(world, address["mlflow-mysql"]),
            "store": store(world, address["mlflow-minio"], data.folder / claims["data-mlflow-minio-0"])}


# ---- all of it

def outcome(world):
    rows = {f"rows of {t}": query(world.daemon, f"SELECT count(*) FROM {t}")[0][0] for t in TABLES}
    rows["resources"] = sorted(query(world.daemon, "SELECT type, path, state, reason, keep, made FROM resource"))
    rows["drift"] = query(world.daemon, "SELECT type, path, fields FROM drift")
    return flat({"cluster": objects(world, values_of(world)), "server": servers(world), "store": rows}, "")


def flat(value, at):
    """{path: leaf}, for lines that say where two differ."""
    if isinstance(value, dict) and value:
        return {k: v for key, one in value.items() for k, v in flat(one, f"{at}/{key}").items()}
    if isinstance(value, (list, tuple)) and value:
        return {k: v for i, one in enumerate(value) for k, v in flat(one, f"{at}/{i}").items()}
    return {at: value}


def difference(wanted, found):
    return [f"{at}: {found.get(at, 'not there')}, should be {wanted.get(at, 'not there')}"
            for at in sorted(wanted.keys() | found.keys()) if wanted.get(at, "not there") != found.get(at, "not there")][:40]
