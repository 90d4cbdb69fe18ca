#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Where the values of secrets must not be: secrets_test.py BUILD SIM

Deploys a charm with a generated secret and a secret option; then looks for each value of the run (also the cluster's token
and the key file) in the state folder, the logs, the API's answers and events, the command lines and environments of the
daemon and its workers, all memory of the workers and of the daemon (which holds its token and its key for as long as it runs), and what
a core of the daemon holds: none is written when it aborts, and one that root forces by a debugger has what /proc/PID/coredump_filter
lets through but for what is marked DONTDUMP. It may be in the cluster's Secret and nowhere else. Needs the right to read the memory of its children."""
import base64
import json
import os
import re
import resource
import signal
import sys
import tempfile
import time
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from mooringd import Daemon, Failed, Sim, until  # noqa: E402

OPTION = "Zx8-the-operators-own-api-key-Qv31"
HELD = ("the cluster's token", "the key")   # each request needs the one, each secret the other
CHUNK = 1 << 24
RESERVED = 1 << 32      # larger areas are address space that a sanitizer keeps for notes about bytes, terabytes of it


def forms(value):
    """A value as it may stand in a file or in memory."""
    plain = value.encode()
    return {"plain": plain, "base64": base64.b64encode(plain).rstrip(b"="), "hex": plain.hex().encode()}


def in_core(pid, flags, inode, name):
    """Whether the kernel's and the debuggers' rules put a mapping into a core (core(5))."""
    bits = int(Path(f"/proc/{pid}/coredump_filter").read_text(), 16)
    anonymous = inode == 0 or name == "[heap]"
    return bits >> ((1 if flags[3] == "s" else 0) + (0 if anonymous else 2)) & 1


def areas(pid, dumped_only):
    """(start, end, name) of readable memory; DUMPED_ONLY leaves out what no core holds."""
    found, area = [], None
    for line in Path(f"/proc/{pid}/smaps").read_text().splitlines():
        head = re.match(r"([0-9a-f]+)-([0-9a-f]+) (\S+) \S+ \S+ (\d+)\s*(.*)", line)
        if head:
            area = (int(head[1], 16), int(head[2], 16), head[3], head[5], int(head[4]))
        elif line.startswith("VmFlags:") and area and area[2].startswith("r") and area[3] not in ("[vvar]", "[vsyscall]"):
            if area[1] - area[0] > RESERVED:
                continue
            if not dumped_only or (" dd" not in line and in_core(pid, area[2], area[4], area[3])):
                found.append((area[0], area[1], area[3]))
    return found


def memory_holds(pid, needles, dumped_only):
    """(name of area, what) of each find."""
    finds = []
    with open(f"/proc/{pid}/mem", "rb", buffering=0) as mem:
        for start, end, name in areas(pid, dumped_only):
            at, tail = start, b""
            while at < end:
                try:
                    mem.seek(at)
                    data = mem.read(min(CHUNK, end - at))
                except (OSError, ValueError, OverflowError):
                    break
                if not data:
                    break
                finds += [(name or "anonymous", what) for what, needle in needles.items() if needle in tail + data]
                at, tail = at + len(data), data[-200:]
    return finds


class Search:
    def __init__(self, values):
        self.needles = {f"{name} ({form})": text for name, value in values.items() for form, text in forms(value).items()}
        self.finds, self.places = [], 0

    def look(self, where, data, leave_out=()):
        self.places += 1
        self.finds += [f"{where} holds {what}" for what, needle in self.needles.items()
                       if needle in data and not what.startswith(leave_out or "\0")]

    def folder(self, folder, leave_out):
        for path in sorted(Path(folder).rglob("*")):
            if path.is_file():
                self.look(path, path.read_bytes(), leave_out.get(path.name, ()))

    def process(self, pid, role, dumped_only):
        for name in ("cmdline", "environ"):
            self.look(f"{role}'s {name}", Path(f"/proc/{pid}/{name}").read_bytes())
        self.places += 1
        for area, what in sorted(set(memory_holds(pid, self.needles, dumped_only))):
            self.finds.append(f"{role}'s memory {area} holds {what}")


def deploy(d, sim):
    d.start()
    d.add_cluster("sim", sim.kubeconfig)
    d.add_model("m", "sim")
    d.deploy("m", "sealed", count=3, **{"api-key": OPTION})
    d.wait_in_place(5)


def edit(sim):
    """Drift in the Secret: found values must not reach the ledger either."""
    sim.patch("/api/v1/namespaces/m/secrets/sealed?fieldManager=someone",
              {"data": {"password": base64.b64encode(b"an-edit-of-the-password-2718281828").decode()}})


def cluster_values(sim):
    return {k: base64.b64decode(v).decode() for k, v in sim.get("/api/v1/namespaces/m/secrets/sealed")["data"].items()}


def answers(d):
    """What a viewer can read."""
    paths = ["/v1/info", "/v1/clusters", "/v1/targets", "/v1/metrics", "/v1/log?follow=false&replay=true&tail=1000", "/v1/models/m/status",
             "/v1/models/m/bundle", "/v1/models/m/drift", "/v1/models/m/resources", "/v1/models/m/secrets",
             "/v1/models/m/applications/sealed", "/v1/models/m/applications/sealed/config", "/v1/models/m/plan",
             "/v1/models/m/history", "/v1/models/m/drift/1", "/v1/models/m/why?subject=sealed"]
    for path in paths:
        try:
            yield path, json.dumps(d.call("GET", path)).encode()
        except Failed as e:
            if ": 404 " not in str(e) and ": 400 " not in str(e):
                raise
            yield path, str(e).encode()


def abort(d, search):
    """A crash where cores are wanted: there is none, or nothing in it."""
    d.process.send_signal(signal.SIGABRT)
    d.process.wait(30)
    d.process = None
    for core in Path(d.folder).glob("*core*"):
        search.look(core, core.read_bytes())


def run(build, sim_program, folder):
    sim = Sim(sim_program, folder / "sim")
    resource.setrlimit(resource.RLIMIT_CORE, (resource.getrlimit(resource.RLIMIT_CORE)[1],) * 2)
    d = Daemon(folder / "d", build, [build / "tests/charm"], ["--log-level", "debug"],
               prefix=["env", "-C", str(folder / "d")])       # where a core would be
    try:
        deploy(d, sim)
        values = cluster_values(sim)
        if values["api-key"] != OPTION or values["url"] != f"http://admin:{values['password']}@localhost":
            raise Failed("the cluster's Secret is not what the charm wants")
        edit(sim)
        until(lambda: cluster_values(sim) == values, "the repair of the Secret")
        until(lambda: d.query("SELECT 1 FROM drift WHERE outcome = 'repaired'"), "the line in the ledger")
        time.sleep(0.5)                         # until the last buffers of the repair are given back
        key = (d.state / "key").read_bytes()
        search = Search({"the generated secret": values["password"], "the secret option": OPTION, "what was found instead":
                         "an-edit-of-the-password-2718281828", "the cluster's token": sim.token})
        search.needles["the key"] = key.strip() if len(key) > 40 else key
        search.folder(d.state, {"key": "the key"})
        search.look("the log", d.log_path.read_bytes())
        for path, text in answers(d):
            search.look(path, text)
        daemon, *workers = d.processes()
        if not workers:
            raise Failed("no worker is alive to be looked into")
        for pid in workers:
            if not memory_holds(pid, {"the charm's name": b"sealed"}, dumped_only=False):
                raise Failed("a worker's memory does not even hold its charm's name: was it read at all?")
            search.process(pid, "a worker", dumped_only=False)
        search.process(daemon, "a core of the daemon", dumped_only=True)
        passing = {what: needle for what, needle in search.needles.items() if not what.startswith(HELD)}
        search.finds += [f"the daemon's memory {area} holds {what}" for area, what in memory_holds(daemon, passing, dumped_only=False)]
        revealed = [s for s in d.call("GET", "/v1/models/m/secrets")["secrets"]]
        if len(revealed) != 2:
            raise Failed(f"{len(revealed)} secrets are listed, not 2")
        abort(d, search)
        search.look("the log", d.log_path.read_bytes())
        search.folder(d.state, {"key": "the key"})
        if search.finds:
            raise Failed("\n  ".join([f"{len(search.finds)} finds:", *search.finds]))
        return search.places
    finally:
        if d.process:
            d.kill()
        sim.stop()


def main():
    build, sim_program = Path(sys.argv[1]), sys.argv[2]
    if os.geteuid() != 0 and Path("/proc/sys/kernel/yama/ptrace_scope").exists():
        print("skipped: only root may read the memory of a daemon that forbids it")
        return 77
    with tempfile.TemporaryDirectory(prefix="mooring-secrets-") as folder:
        try:
            places = run(build, sim_program, Path(folder))
        except Failed as e:
            print(f"FAILED: {e}")
            return 1
    print(f"ok: no secret in any of {places} places")
    return 0


sys.exit(main())
