# SPDX-License-Identifier: Apache-2.0
"""A mooringd of one's own, for tests and benches that drive it from outside: starts it, asks its admin API, reads its
tables and its memory. Waits are for a state, with a generous deadline."""
import base64
import http.client
import json
import os
import re
import signal
import socket
import sqlite3
import subprocess
import time
import urllib.request
from pathlib import Path

DEADLINE = 120


class Failed(Exception):
    """What a test has to complain about."""


class Connection(http.client.HTTPConnection):
    def __init__(self, path, timeout=DEADLINE):
        super().__init__("localhost", timeout=timeout)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


def until(question, what, seconds=DEADLINE, pause=0.02):
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        answer = question()
        if answer:
            return answer
        time.sleep(pause)
    raise Failed(f"waited {seconds} s in vain for {what}")


def kubeconfig(path):
    """A kubeconfig of one cluster and one user with contents or files beside it, as the API takes it. Reads only what
    the simulator and the peers write."""
    text = Path(path).read_text()

    def value(key):
        found = re.search(rf"^\s*-?\s*{key}:\s*(\S+)\s*$", text, re.M)
        return found[1].strip('"') if found else None

    def material(key):
        data = value(key + "-data")
        if data:
            return base64.b64decode(data).decode()
        name = value(key)
        return (Path(path).parent / name).read_text() if name else None

    config = {"server": value("server")}
    credential = {"ca": material("certificate-authority"), "cert": material("client-certificate"),
                  "key": material("client-key"), "token": value("token")}
    return config, {k: v for k, v in credential.items() if v}


class Sim:
    def __init__(self, program, folder):
        self.program, self.folder = program, Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.kubeconfig = self.folder / "kubeconfig"
        self.log = open(self.folder / "sim.log", "ab")
        self.process = subprocess.Popen([program, "--kubeconfig", str(self.kubeconfig), "--control",
                                         str(self.folder / "control")], stdout=self.log, stderr=self.log)
        until(lambda: self.kubeconfig.exists() and self.kubeconfig.stat().st_size, "the simulator")
        config, credential = kubeconfig(self.kubeconfig)
        self.server, self.token = config["server"], credential.get("token", "")

    def get(self, path):
        request = urllib.request.Request(self.server + path, headers={"Authorization": f"Bearer {self.token}"})
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)

    def patch(self, path, body):
        return self.send("PATCH", path, body, "application/merge-patch+json")

    def post(self, path, body):
        return self.send("POST", path, body, "application/json")

    def send(self, method, path, body, kind):
        request = urllib.request.Request(self.server + path, data=json.dumps(body).encode(), method=method,
                                         headers={"Authorization": f"Bearer {self.token}",
                                                  "Content-Type": kind})
        with urllib.request.urlopen(request, timeout=30) as reply:
            return json.load(reply)

    def stop(self):
        self.process.terminate()
        self.process.wait()
        self.log.close()


class Daemon:
    """One mooringd on a state folder, started as often as one likes."""

    def __init__(self, folder, build, charm_dirs, options=(), prefix=(), env=None):
        self.folder, self.build = Path(folder), Path(build)
        self.state = self.folder / "state"
        self.socket = str(self.folder / "sock")
        self.log_path = self.folder / "mooringd.log"
        sanitized = b"__asan_init" in (self.build / "daemon/mooringd").read_bytes()
        self.arguments = [*prefix, str(self.build / "daemon/mooringd"), "--state-dir", str(self.state), "--socket",
                          self.socket, "--worker", str(self.build / "daemon/charm/worker/mooring-charm"), *options]
        for folder_of_charms in charm_dirs:
            self.arguments += ["--charm-dir", str(folder_of_charms)]
        if sanitized:
            self.arguments.append("--sandbox=false")
        self.environment = {**os.environ, **(env or {})}
        self.process = None
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state.mkdir(mode=0o700, exist_ok=True)

    def start(self, wait=True):
        self.log = open(self.log_path, "ab")
        self.process = subprocess.Popen(self.arguments, stdin=subprocess.DEVNULL, stdout=self.log, stderr=self.log,
                                        env=self.environment)
        if wait:
            until(self.answers, "an answer of mooringd", pause=0.005)

    def answers(self):
        if self.process.poll() is not None:
            raise Failed(f"mooringd ended with {self.process.returncode}:\n{self.log_tail()}")
        try:
            return self.call("GET", "/v1/info")
        except (OSError, http.client.HTTPException):
            return None

    def log_tail(self, lines=15):
        return "\n".join(self.log_path.read_text(errors="replace").splitlines()[-lines:])

    def stop(self, how=signal.SIGTERM, allowed=(0,)):
        if not self.process:
            return None
        self.process.send_signal(how)
        code = self.process.wait(DEADLINE)
        self.process = None
        self.log.close()
        if how == signal.SIGTERM and code not in allowed:
            raise Failed(f"mooringd ended with {code}:\n{self.log_tail()}")
        return code

    def kill(self):
        return self.stop(signal.SIGKILL)

    # ---- the admin API

    def call(self, method, path, body=None, connection=None, headers=()):
        c = connection or Connection(self.socket)
        c.request(method, path, None if body is None else json.dumps(body), {"Content-Type": "application/json"} | dict(headers))
        reply = c.getresponse()
        text = reply.read()
        if connection is None:
            c.close()
        if reply.status >= 300:
            raise Failed(f"{method} {path}: {reply.status} {text.decode(errors='replace')[:2000]}")
        try:
            return json.loads(text)
        except ValueError:                      # metrics, YAML, lines of a stream
            return text.decode()

    def add_cluster(self, name, path):
        config, credential = kubeconfig(path)
        return self.call("POST", "/v1/clusters", {"name": name, "config": config, "credential": credential})

    def add_model(self, name, cluster):
        return self.call("POST", "/v1/models", {"name": name, "cluster": cluster})

    def deploy(self, model, charm, application=None, **options):
        body = {"charm": charm, "application": application or charm, "options": options}
        return self.call("POST", f"/v1/models/{model}/applications", body)

    def set_config(self, model, application, connection=None, **options):
        return self.call("PATCH", f"/v1/models/{model}/applications/{application}/config", {"set": options}, connection)

    # ---- what its tables say

    def query(self, sql, *arguments):
        """Rows of model.db, read beside the daemon."""
        db = sqlite3.connect(f"file:{self.state}/model.db?mode=ro", uri=True, timeout=10)
        try:
            return db.execute(sql, arguments).fetchall()
        finally:
            db.close()

    def in_place(self):
        """How many resources have what is wanted, and how many there are."""
        return self.query("SELECT coalesce(sum(applied_generation = wanted_generation AND baseline IS NOT NULL "
                          "AND life = 'alive'), 0), count(*) FROM resource")[0]

    def wait_in_place(self, count, seconds=DEADLINE):
        """Until at least COUNT resources are there and all are in place; the monotonic time when it was seen. A look
        reads the whole table, with the processors that the daemon and its server need: it looks seldom while much is
        missing, and often at the end."""
        began = now = time.monotonic()
        while now < began + seconds:
            try:
                good, all_of = self.in_place()
            except sqlite3.OperationalError:
                good, all_of = 0, count
            now = time.monotonic()
            if good == all_of and all_of >= count:
                return now
            rest = (now - began) * (max(all_of, count) - good) / max(good, 1)
            time.sleep(min(0.5, max(0.01, rest / 3)))
        open_ones = self.query("SELECT type, path, state, reason FROM resource WHERE applied_generation <> wanted_generation "
                               "LIMIT 3")
        raise Failed(f"waited {seconds} s in vain for {count} resources in place: {self.in_place()} {open_ones}\n"
                     f"{self.log_tail()}")

    # ---- its processes

    def processes(self):
        """The daemon and its workers."""
        found, waiting = [], [self.process.pid]
        while waiting:
            pid = waiting.pop()
            found.append(pid)
            for task in Path(f"/proc/{pid}/task").glob("*/children"):
                try:
                    waiting += [int(child) for child in task.read_text().split()]
                except OSError:
                    pass
        return found

    def memory(self):
        """(PSS of all, RssAnon of the daemon, highest RSS of the daemon), in MB."""
        pss = 0
        for pid in self.processes():
            try:
                pss += int(re.search(r"^Pss:\s+(\d+)", Path(f"/proc/{pid}/smaps_rollup").read_text(), re.M)[1])
            except (OSError, TypeError):
                pass
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        anon, peak = (int(re.search(rf"^{key}:\s+(\d+)", status, re.M)[1]) for key in ("RssAnon", "VmHWM"))
        return pss / 1024, anon / 1024, peak / 1024

    def cpu_seconds(self, of="stat"):
        """Of all threads; OF task/PID/stat: of that one."""
        fields = Path(f"/proc/{self.process.pid}/{of}").read_text().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def loop_seconds(self):
        return self.cpu_seconds(f"task/{self.process.pid}/stat")
