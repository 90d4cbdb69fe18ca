# SPDX-License-Identifier: Apache-2.0
"""Streams of actions beside the same bytes piped by hand."""
import base64
import json
import subprocess
import threading
import time

from world import medians, until, verdict

SIZE = 2 << 30
LEAST, GROWTH = 0.8, 32         # of the hand pipe's rate; MB over idle
LIVE = ("pending", "running")
BUCKET, ROWS, AT_ONCE = "backups", 2_000_000, 200_000   # each row is a good kilobyte of the dump
# As a busy table is: a quarter that no compression helps, the rest words that repeat.
FILL = ("INSERT INTO big.ledger (digest, words) SELECT CONCAT({}), REPEAT('paid in full and nothing else of note; ', 20) FROM seq_1_to_{};")
BACKUP_BUNDLE = """bundle: kubernetes
applications:
  store: {{charm: minio, channel: ckf-1.10/stable, scale: 1}}
  db: {{charm: mysql-k8s, channel: 8.0/stable, scale: 1, options: {{profile: testing}}}}
  keys:
    charm: s3-integrator
    scale: 1
    options: {{endpoint: 'http://store.{model}.svc.cluster.local:9000', bucket: {bucket}, path: /dumps/}}
relations:
- [keys:s3-credentials, db:s3-parameters]
"""


class Highest(threading.Thread):
    """The daemon's most anonymous memory while it runs, in MB."""

    def __init__(self, d):
        super().__init__(daemon=True)
        self.d, self.most, self.over = d, 0, threading.Event()

    def run(self):
        while not self.over.wait(0.05):
            self.most = max(self.most, self.d.memory()[1])

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()


def command(size):
    return ["sh", "-c", f"yes 0123456789abcdefghijklmnopqrstuvwxyz | head -c {size}"]


def by_hand(w, model, pod, size):
    """MB/s of kubectl exec into a file."""
    path = w.folder / "by-hand"
    begun = time.monotonic()
    with open(path, "wb") as out:
        subprocess.run([*w.inside, "kubectl", "--kubeconfig", w.env["KUBECONFIG"], "exec", "-n", model, pod, "--", *command(size)],
                       stdout=out, check=True)
    seconds = time.monotonic() - begun
    assert path.stat().st_size == size
    path.unlink()
    return size / 1e6 / seconds


def by_action(d, model, pod, size):
    """MB/s of the same as a stream, and how much the daemon grew."""
    what = {"from": {"pod": pod, "argv": command(size)}, "to": {"file": "dump"}}
    idle, begun = d.memory()[1], time.monotonic()
    with Highest(d) as highest:
        operation = d.call("POST", f"/v1/models/{model}/applications/r/actions/ask",
                           {"params": {"verb": "stream", "what": json.dumps(what)}})["operation"]
        o = until(lambda: (lambda o: o["status"] not in LIVE and o)(d.call("GET", f"/v1/models/{model}/operations/{operation}")),
                  "the end of the stream", 600)
    seconds = time.monotonic() - begun
    assert o["results"].get("outcome") == "done", o
    assert json.loads(o["results"]["answer"])["bytes"] == size
    return size / 1e6 / seconds, highest.most - idle


def stream(w):
    size = w.number(SIZE)
    d, model = w.daemon("--log-level", "warning"), w.name("bench")
    w.ready(d, model)
    d.deploy(model, "reaching", "r")
    pod = "r-0"
    until(lambda: subprocess.run([*w.inside, "kubectl", "--kubeconfig", w.env["KUBECONFIG"], "exec", "-n", model, pod, "--", "true"],
                                 capture_output=True, check=False).returncode == 0, "the pod to take commands")
    until(lambda: pod in json.dumps(d.call("GET", f"/v1/models/{model}/status")), "the pod to be a unit")
    rows = []
    for _ in range(w.rounds):
        hand = by_hand(w, model, pod, size)
        rows.append((hand, *by_action(d, model, pod, size)))
        print(f"   {rows[-1][1]:.0f} MB/s, by hand {hand:.0f} MB/s, grew by {rows[-1][2]:.1f} MB", flush=True)
    hand, rate, _ = medians(rows)
    growth = max(row[2] for row in rows)
    w.drop(d, model)
    ok = verdict(rate >= LEAST * hand, f"a stream of {size / 1e9:.1f} GB {rate:.0f} MB/s, kubectl exec by hand {hand:.0f} MB/s: "
                 f"{rate / hand:.0%} (target {LEAST:.0%})")
    return verdict(growth <= GROWTH, f"the daemon grew by {growth:.1f} MB (target {GROWTH} MB)") and ok


# ---- a backup of MySQL


def run(d, model, app, action, seconds=600, **params):
    """The operation, when it has ended well."""
    path = f"/v1/models/{model}"
    operation = d.call("POST", f"{path}/applications/{app}/actions/{action}", {"params": params})["operation"]
    o = until(lambda: (lambda o: o["status"] not in LIVE and o)(d.call("GET", f"{path}/operations/{operation}")),
              f"the end of {action}", seconds, pause=0.2)
    assert o["status"] == "completed", o
    return int(operation)


def secret(w, model, name):
    data = w.kubectl("GET", f"/api/v1/namespaces/{model}/secrets/{name}")["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def active(d, *apps):
    until(lambda: {name for name, in d.query("SELECT name FROM application WHERE status = 'active'")} >= set(apps),
          f"{', '.join(apps)} to be active", 300, pause=0.2)


def make_bucket(w, model):
    """By a signed request of the administrator's; his keys."""
    keys = secret(w, model, "store-root")
    pod = w.kubectl("GET", f"/api/v1/namespaces/{model}/pods/store-0")["status"]["podIP"]
    subprocess.run([*w.inside, "curl", "-sS", "--fail-with-body", "--aws-sigv4", "aws:amz:us-east-1:s3", "--user",
                    f"{keys['access-key']}:{keys['secret-key']}", "-X", "PUT", f"http://{pod}:9000/{BUCKET}"], check=True)
    return {name: keys[name] for name in ("access-key", "secret-key")}


def kubectl_exec(w, model, argv, **how):
    return subprocess.run([*w.inside, "kubectl", "--kubeconfig", w.env["KUBECONFIG"], "exec", "-i", "-n", model, "db-0", "-c", "mysql",
                           "--", *argv], check=True, **how)


def fill(w, model, rows):
    script = 'read -r MYSQL_PWD; export MYSQL_PWD; exec mariadb --no-defaults --protocol=tcp --host="${MYSQL_HOST:-127.0.0.1}" --user=root'
    digests = ", ".join(["MD5(RAND())"] * 8)
    lines = ["CREATE DATABASE big;", "CREATE TABLE big.ledger (id BIGINT AUTO_INCREMENT PRIMARY KEY, digest VARCHAR(300), words TEXT);"]
    lines += ["USE big;"] + [FILL.format(digests, AT_ONCE)] * (rows // AT_ONCE)
    kubectl_exec(w, model, ["sh", "-c", script], input="\n".join([secret(w, model, "db-root")["root-password"], *lines, ""]), text=True)


def backup_store(w, d):
    """The model: MySQL with ROWS rows in it, and a bucket to put backups into."""
    model = w.name("bench")
    w.ready(d, model)
    text = BACKUP_BUNDLE.format(model=model, bucket=BUCKET)
    d.call("POST", f"/v1/models/{model}/deploy", {"sources": [{"name": "bundle", "text": text}]})
    active(d, "store", "db")
    run(d, model, "keys", "sync-s3-credentials", **make_bucket(w, model))
    active(d, "store", "db", "keys")
    fill(w, model, w.number(ROWS))
    return model


def backup(d, model):
    """What the step that dumps asked for, plain bytes, MB/s of that step alone, and how much the daemon grew."""
    idle = d.memory()[1]
    with Highest(d) as highest:
        operation = run(d, model, "db", "create-backup")
    ask, told, ms = d.query("SELECT ask, told, ended_at - asked_at FROM operation_turn WHERE operation_id = ? AND step = 'dump'", operation)[0]
    size = json.loads(told)["plain-bytes"]
    return json.loads(ask)["ask"], size, size / 1e3 / ms, highest.most - idle


def dump_by_hand(w, model, ask, size):
    """MB/s of the very command, through kubectl exec and gzip as it packs into a file."""
    path, password = w.folder / "by-hand.gz", secret(w, model, "db-root")["root-password"]
    begun = time.monotonic()
    with open(path, "wb") as out, subprocess.Popen(["gzip", "-1"], stdin=subprocess.PIPE, stdout=out) as gzip:
        kubectl_exec(w, model, ask["from"]["argv"], input=f"{password}\n".encode(), stdout=gzip.stdin)
        gzip.stdin.close()
        gzip.wait()
    seconds = time.monotonic() - begun
    plain = int(subprocess.run(f"zcat {path} | wc -c", shell=True, check=True, capture_output=True, text=True).stdout)
    assert abs(plain - size) < size / 1000, (plain, size)
    path.unlink()
    return size / 1e6 / seconds


def backup_stream(w):
    """create-backup of mysql-k8s into a bucket: gzip, and checksums of both sides, beside the same dump by hand into a file."""
    d, rows = w.daemon("--log-level", "warning", charm_dirs=[w.build / "charms"]), []
    model = backup_store(w, d)
    for _ in range(w.rounds):
        ask, size, rate, growth = backup(d, model)
        rows.append((dump_by_hand(w, model, ask, size), rate, growth))
        print(f"   {size / 1e9:.2f} GB: {rate:.0f} MB/s, by hand {rows[-1][0]:.0f} MB/s, grew by {growth:.1f} MB", flush=True)
    w.drop(d, model)
    hand, rate, _ = medians(rows)
    growth = max(row[2] for row in rows)
    ok = verdict(rate >= LEAST * hand, f"a backup of {size / 1e9:.1f} GB of MySQL {rate:.0f} MB/s, the same dump by hand through kubectl "
                 f"exec and gzip {hand:.0f} MB/s: {rate / hand:.0%} (target {LEAST:.0%})")
    return verdict(growth <= GROWTH, f"the daemon grew by {growth:.1f} MB (target {GROWTH} MB)") and ok


TABLE = {"stream": stream, "backup-stream": backup_stream}
