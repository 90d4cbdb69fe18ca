# SPDX-License-Identifier: Apache-2.0
"""A daemon and a cluster in a folder of their own, for tests/scenario and tools/try.

    with World(build, cluster=sim.Sim) as world:
            world.daemon.start()
            world.cluster.make_known(world)
            print(world.ctl("status").out)

World owns the folder and ends what runs in it, in reverse order, whatever happens. The cluster is sim.Sim (the
simulator, with a data plane from data.py) or real.Real (inside `tools/peers run`); both have the same methods.
"""
import http.client
import json
import os
import re
import shutil
import signal
import socket
import sqlite3
import subprocess
import tempfile
import time
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]
DEADLINE = 60           # seconds; far above what anything takes on a loaded machine with sanitizers
CHARMS = ("mysql-k8s", "minio", "mlflow-server", "s3-integrator", "cert-manager-issuer", "self-signed-certificates")


class Trouble(Exception):
    """Something did not do what it must; the text says what, for a person."""


def until(question, what, seconds=DEADLINE, pause=0.05):
    """The first true answer of QUESTION."""
    deadline = time.monotonic() + seconds
    while True:
        answer = question()
        if answer:
            return answer
        if time.monotonic() > deadline:
            raise Trouble(f"waited {seconds} s in vain for {what}")
        time.sleep(pause)


@dataclass
class Answer:
    """What a command printed and how it ended."""
    argv: list
    code: int
    out: str
    err: str

    def ok(self):
        if self.code:
            raise Trouble(f"{' '.join(map(str, self.argv))} ended with {self.code}:\n{self.err}{self.out}")
        return self

    def refused(self, *parts, code=None):
        """It failed, said every one of PARTS, and (CODE) ended so."""
        said = self.err + self.out
        if not self.code or (code is not None and self.code != code):
            raise Trouble(f"{' '.join(map(str, self.argv))} ended with {self.code}, wanted {code or 'a failure'}:\n{said}")
        for part in parts:
            if part not in said:
                raise Trouble(f"{' '.join(map(str, self.argv))} does not say {part!r}:\n{said}")
        return self

    def says(self, *parts):
        for part in parts:
            if part not in self.out:
                raise Trouble(f"{' '.join(map(str, self.argv))} does not say {part!r}:\n{self.err}{self.out}")
        return self


def end(process, number=signal.SIGTERM, seconds=15):
    """Ends a process of ours for certain; its exit code."""
    if process.poll() is None:
        process.send_signal(number)
        try:
            process.wait(seconds)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    return process.returncode


def remove(folder):
    """All of it: pinned charms lie in folders that even their owner may not write in."""
    for path in (folder, *folder.rglob("*")):
        if path.is_dir() and not path.is_symlink():
            path.chmod(0o700)
    shutil.rmtree(folder, ignore_errors=True)


class Programs:
    """Where a build folder, or an installed tree, has its programs."""

    def __init__(self, build):
        self.build = Path(build).resolve()
        self.mooringd = self.build / "daemon" / "mooringd"
        self.worker = self.build / "daemon" / "charm" / "worker" / "mooring-charm"
        self.sim = self.build / "tools" / "mooring-sim" / "mooring-sim"
        self.ctl = self.build / "tools" / "mooringctl" / "mooringctl"
        self.charms = self.build / "charms"
        self.test_charms = self.build / "tests" / "charm"

    def sanitized(self):
        """Sanitizers and the workers' sandbox exclude each other."""
        with open(self.mooringd, "rb") as f:
            return b"__asan_init" in f.read()


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("mooring", timeout=DEADLINE)
        self.path = str(path)

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self.path)


class Daemon:
    """One mooringd, started and stopped at will on the same state folder."""

    def __init__(self, folder, programs, name="daemon"):
        self.folder, self.programs = folder, programs
        self.state, self.socket = folder / "state", folder / "admin.sock"
        self.log = folder / "log" / f"{name}.log"
        self.charms = folder / "charms"
        self.prefix, self.options, self.environment = [], [], {}
        self.offers, self.test_charms = CHARMS, []      # of charms/ and of tests/charm
        self.process = None

    def offer_charms(self):
        """Copies: a checkout may belong to somebody whom a daemon of root's does not trust."""
        if self.charms.exists():
            return
        self.charms.mkdir(mode=0o755)
        for name in self.offers:
            shutil.copytree(self.programs.charms / name, self.charms / name)
        for name in self.test_charms:
            shutil.copytree(self.programs.test_charms / name, self.charms / name)
        for path in (self.charms, *self.charms.rglob("*")):
            path.chmod(0o755 if path.is_dir() else 0o644)
            os.chown(path, os.geteuid(), os.getegid())

    def argv(self, *more):
        sandbox = ["--sandbox=no"] if self.programs.sanitized() else []
        return [*self.prefix, str(self.programs.mooringd), "--config", os.devnull, "--state-dir", str(self.state), "--socket", str(self.socket),
                "--charm-dir", str(self.charms), "--worker", str(self.programs.worker), *sandbox, *self.options, *more]

    def spawn(self, *more):
        self.offer_charms()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen(self.argv(*more), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=os.environ | self.environment)

    def start(self, *more):
        self.spawn(*more)
        until(self.answers, "the daemon's socket")
        return self

    def answers(self):
        if self.process.poll() is not None:
            raise Trouble(f"mooringd ended with {self.process.returncode}:\n{self.tail()}")
        try:
            return self.api("GET", "/v1/info")[0] == 200
        except OSError:
            return False

    def api(self, method, path, body=None, headers=()):
        """One request of the admin API: (code, text). BODY is bytes, or becomes JSON."""
        connection = UnixConnection(self.socket)
        if body is not None and not isinstance(body, bytes):
            body = json.dumps(body).encode()
        try:
            connection.request(method, path, body, {"Content-Type": "application/json"} | dict(headers))
            answer = connection.getresponse()
            return answer.status, answer.read().decode(errors="replace")
        finally:
            connection.close()

    def tail(self, lines=20):
        try:
            return "\n".join(self.log.read_text(errors="replace").splitlines()[-lines:])
        except OSError:
            return ""

    def stop(self):
        """As systemd does it; the exit code."""
        return end(self.process) if self.process else 0

    def kill(self):
        self.process.kill()
        self.process.wait()

    def rows(self, statement, *values):
        """What its state says, read beside it."""
        with closing(sqlite3.connect(f"file:{self.state}/model.db?mode=ro", uri=True, timeout=DEADLINE)) as db:
            return db.execute(statement, values).fetchall()


class World:
    """The folder, its cluster and its daemon."""

    def __init__(self, build, cluster, folder=None, keep=False, model=None):
        self.programs = Programs(build)
        self.folder = Path(folder or tempfile.mkdtemp(prefix="mooring-"))
        self.folder.chmod(0o711)        # a worker of another user goes through it; what is in it is closed
        self.keep = keep
        (self.folder / "log").mkdir(exist_ok=True)
        self.daemon = Daemon(self.folder, self.programs)
        self.cluster = cluster(self)
        self.cluster.model = model or self.cluster.model
        self.patience = DEADLINE * (5 if self.cluster.real else 1)      # a real MLflow takes a minute to start

    def __enter__(self):
        try:
            self.cluster.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_):
        self.close()

    def close(self):
        try:
            self.daemon.stop()
        finally:
            try:
                self.cluster.stop()
            finally:
                if not self.keep:
                    remove(self.folder)

    def environment(self):
        return os.environ | {"MOORING_SOCKET": str(self.daemon.socket), "MOORING_MODEL": self.cluster.model,
                             "PATH": f"{self.programs.ctl.parent}:{self.programs.sim.parent}:{os.environ['PATH']}",
                             "NO_COLOR": "1"}

    def ctl(self, *words, stdin="", seconds=DEADLINE * 2):
        """mooringctl, as a user calls it."""
        argv = [str(self.programs.ctl), *map(str, words)]
        try:
            done = subprocess.run(argv, input=stdin, text=True, errors="replace", capture_output=True, check=False, timeout=seconds,
                                  env=self.environment())
        except subprocess.TimeoutExpired:
            raise Trouble(f"{' '.join(argv)} did not end within {seconds} s") from None
        return Answer(["mooringctl", *words], done.returncode, done.stdout, done.stderr)

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return path

    # ---- what status says

    def apps(self, text=None):
        """Application → (status word, message), as `mooringctl status` prints them."""
        return app_lines(self.ctl("status").ok().out if text is None else text)

    def wait_for(self, what, question, seconds=None):
        try:
            return until(question, what, seconds or self.patience, 0.1)
        except Trouble as trouble:
            status = self.ctl("status").out
            raise Trouble(f"{trouble}\n{status}\n{self.daemon.tail()}") from None

    def wait_status(self, app, word, *parts, seconds=None):
        """Until APP's line has the status WORD and all PARTS in its message."""
        def there():
            status, message = self.apps().get(app, ("", ""))
            return status == word and all(part in message for part in parts)
        return self.wait_for(f"{app} to be {word} {' '.join(parts)}", there, seconds)

    def adopt(self, app, *words):
        """What status says is out of memory; commands overtake its way into the store, where adopt looks."""
        self.wait_for(f"adopt {app} to be taken", lambda: self.ctl("adopt", app, *words).code == 0)

    def wait_active(self, seconds=None):
        seconds = seconds or self.patience
        return self.ctl("wait", "--for", "active", "--timeout", f"{seconds}s", seconds=seconds + 30).ok()


def app_lines(text):
    """The App section of a status, by its columns."""
    found, columns = {}, None
    for line in text.splitlines():
        if line.startswith("App "):
            columns = {name: line.index(name) for name in re.findall(r"\S+", line)}
        elif not line.strip():
            columns = None
        elif columns:
            cut = sorted(columns.values()) + [None]
            at = {name: line[start:cut[cut.index(start) + 1]].strip() for name, start in columns.items()}
            found[at["App"]] = (at["Status"], at.get("Message", ""))
    return found
