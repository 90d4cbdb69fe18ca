"""The holder of one DIR: two processes that everything else hangs on.

The outer one keeps the namespaces that `tools/peers run` enters (the machine's pids, the cluster's
network and hosts file).  The inner one is pid 1 of a pid namespace with all components and pods in
it: when it goes, the kernel takes every descendant along, however it was started, so nothing can be
left over.  It starts and stops components as asked on DIR/control: one line of JSON each way.

A component that ends by itself is not started again: a test shall see what happened.
"""
import json
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from . import netns

STOP_SECONDS = 5                # SIGTERM, this long, SIGKILL
PEERS = Path(__file__).resolve().parent.parent


class Component:
    """One background program: how it is started, and how it is doing."""

    def __init__(self, asked):
        self.name = asked["name"]
        self.argv = asked["argv"]
        self.env = asked.get("env") or {}
        self.uid = asked.get("uid")
        self.patience = asked.get("patience", STOP_SECONDS)
        self.process = None
        self.wanted = True              # not stopped by anybody: when it does not run, it died
        self.since = time.time()

    def start(self, folder):
        self.wanted = True
        log = open(folder / "log" / f"{self.name}.log", "ab")
        with log:
            self.process = subprocess.Popen(
                self.argv, env=dict(os.environ, **self.env), cwd=PEERS, stdin=subprocess.DEVNULL, stdout=log,
                stderr=log, start_new_session=True, preexec_fn=lambda: become(self.uid))
        self.since = time.time()

    def stop(self, number=signal.SIGTERM):
        self.wanted = False
        if self.process is None or self.process.poll() is not None:
            return
        self.process.send_signal(number)
        try:
            self.process.wait(self.patience)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        self.since = time.time()

    def state(self):
        code = self.process.poll() if self.process else None
        running = bool(self.process) and code is None
        return {"name": self.name, "running": running, "wanted": self.wanted, "code": code, "since": self.since,
                "pid": self.process.pid if running else None}


def become(uid):
    """Another user, for programs that refuse root; without other users a namespace that says so."""
    if uid is None:
        return
    if netns.is_root():
        os.setgroups([])
        os.setresgid(uid, uid, uid)
        os.setresuid(uid, uid, uid)
    else:
        netns.unshare_user(uid)


class Supervisor:
    """pid 1: answers on the control socket, reaps what is orphaned."""

    def __init__(self, folder, while_pid):
        self.folder = folder
        self.components = {}
        self.watched = while_pid
        self.commands = {"add": self.add, "start": self.start, "stop": self.stop, "restart": self.restart,
                         "kill": self.kill, "status": self.status}

    def named(self, asked):
        if asked["name"] not in self.components:
            raise LookupError(f"no component {asked['name']}: there are {', '.join(self.components)}")
        return self.components[asked["name"]]

    def add(self, asked):
        component = Component(asked)
        component.start(self.folder)
        self.components[component.name] = component
        return component.state()

    def start(self, asked):
        component = self.named(asked)
        if component.process.poll() is not None:
            component.start(self.folder)
        return component.state()

    def stop(self, asked):
        self.named(asked).stop()
        return self.named(asked).state()

    def kill(self, asked):
        self.named(asked).stop(signal.SIGKILL)
        return self.named(asked).state()

    def restart(self, asked):
        self.stop(asked)
        return self.start(asked)

    def status(self, _):
        return [c.state() for c in self.components.values()]

    def reap(self):
        """Orphans come to pid 1.  Our own children are left to Popen, which must learn their codes."""
        own = {c.process.pid for c in self.components.values() if c.process}
        while True:
            try:
                info = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if info is None:
                return
            if info.si_pid in own:
                for component in self.components.values():
                    if component.process and component.process.pid == info.si_pid:
                        component.process.poll()
            else:
                os.waitpid(info.si_pid, os.WNOHANG)

    def answer(self, connection):
        with connection:
            try:
                asked = json.loads(connection.makefile("r").readline())
                said = {"ok": self.commands[asked["do"]](asked)}
            except (ValueError, KeyError, LookupError, OSError) as error:
                said = {"error": str(error)}
            try:
                connection.sendall(json.dumps(said).encode() + b"\n")
            except OSError:
                pass

    def serve(self):
        wake_in, wake_out = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        signal.set_wakeup_fd(wake_out, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, lambda *_: None)
        signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
        with socket.socket(socket.AF_UNIX) as listener:
            listener.bind(control_path(self.folder))
            listener.listen(16)
            ready = [listener, wake_in] + ([self.watched] if self.watched is not None else [])
            while True:
                readable, _, _ = select.select(ready, [], [])
                if self.watched in readable:
                    sys.exit(0)
                if wake_in in readable:
                    os.read(wake_in, 512)
                self.reap()
                if listener in readable:
                    self.answer(listener.accept()[0])


def control_path(folder):
    """A unix socket's path has at most 107 bytes; DIR may be longer, so it goes by way of /proc."""
    handle = os.open(folder, os.O_PATH | os.O_DIRECTORY)
    return f"/proc/self/fd/{handle}/control"


def ask(folder, **asked):
    """The other end: one question to the supervisor of DIR."""
    with socket.socket(socket.AF_UNIX) as connection:
        connection.connect(control_path(folder))
        connection.sendall(json.dumps(asked).encode() + b"\n")
        said = json.loads(connection.makefile("r").readline() or '{"error": "no answer"}')
    if "error" in said:
        raise RuntimeError(said["error"])
    return said["ok"]


def hold(folder, while_pid=None):
    """The body of `tools/peers _hold DIR`: never returns while the peers are up."""
    folder = Path(folder)
    watched = os.pidfd_open(while_pid) if while_pid else None
    hosts = folder / "hosts"
    hosts.write_text(netns.HOSTS_HEAD, encoding="ascii")
    netns.make(hosts)
    child = os.fork()
    if child:
        note = {"holder": os.getpid(), "init": child, "net": os.readlink("/proc/self/ns/net")}
        made = folder / ".holder"
        made.write_text(json.dumps(note), encoding="ascii")
        made.rename(folder / "holder")
        os.waitpid(child, 0)
        return 0
    netns.die_with_parent()
    netns.network(lambda argv, **more: subprocess.run(argv, check=True, **more))
    netns.unshare(netns.NEWNS)
    netns.mount("proc", "/proc", "proc", netns.MS_NOSUID | netns.MS_NODEV | netns.MS_NOEXEC)
    Supervisor(folder, watched).serve()
    return 0
