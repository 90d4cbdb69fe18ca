# SPDX-License-Identifier: Apache-2.0
"""The daemon's first convergence beside that of programs of others: the same ConfigMaps into a fresh namespace of the same API
server, one after the other. Only the daemon against the floor has a target (benches.converge).

The time of kubectl and the applier is from their exec to their last write, the daemon's from the deploy, and Flux's from the
creation of the Kustomization, with the controller and its caches up before. Requests an object: all that the API server's audit
log has of that namespace. Memory is the highest PSS that was seen and the highest RSS (VmHWM) of one process; CPU is
of all processes. What cannot be built is left out, with the reason."""
import os
import re
import subprocess
import sys
import threading
import time
from datetime import datetime
from functools import partial
from pathlib import Path

import flux
from benches import IN_FLIGHT
from world import Failed, medians, until, verdict

sys.path.append(str(Path(__file__).resolve().parents[2] / "tests" / "peers"))
from harness import build, paths  # noqa: E402

HERE = Path(__file__).resolve().parent
WORKERS = {1: ", its defaults: no client limits (QPS 20, burst 30 until 0.20)", 16: ", no client limits"}
MOST_SECONDS = 3600
TICKS = 100                                     # of /proc/PID/stat, on every Linux


class Watched:
    """Looks at processes until it is left: their memory at its highest, and the CPU time that they took."""

    def __init__(self, pids):
        self.pids, self.pss, self.rss, self.first, self.last = pids, 0, 0, {}, {}
        self.ends = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.look()
        self.first = dict(self.last)

    def look(self):
        pss = 0
        for pid in self.pids():
            folder = Path(f"/proc/{pid}")
            try:
                self.last[pid] = cpu_seconds((folder / "stat").read_text())
                self.rss = max(self.rss, kilobytes(folder / "status", "VmHWM"))
                pss += kilobytes(folder / "smaps_rollup", "Pss")
            except (OSError, TypeError):        # it has ended, or is about to
                pass
        self.pss = max(self.pss, pss)

    def run(self):
        while not self.ends.wait(0.1):
            self.look()

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *why):
        self.ends.set()
        self.thread.join()
        self.look()

    def cost(self):
        """Megabytes of PSS, of RSS, and seconds of CPU."""
        return self.pss / 1024, self.rss / 1024, sum(self.last.values()) - sum(self.first.values())


def cpu_seconds(stat):
    fields = stat.rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / TICKS


def kilobytes(path, key):
    return int(re.search(rf"^{key}:\s+(\d+)", path.read_text(), re.M)[1])


class Namespace:
    """A fresh one, and what the API server did in it, by its audit log."""

    def __init__(self, w, name=None):
        self.w, self.name, self.offset = w, name or w.make_namespace("beside"), w.audit_offset()

    def events(self):
        return [e for e in self.w.audit_since(self.offset, "") if e["stage"] == "ResponseComplete" and
                e.get("objectRef", {}).get("namespace") == self.name and "curl" not in e.get("userAgent", "") and
                e["objectRef"].get("resource") == "configmaps"]

    def full(self, count):
        """COUNT and kube-root-ca.crt; how many remain is not told where a label is asked for."""
        reply = self.w.kubectl("GET", f"/api/v1/namespaces/{self.name}/configmaps?limit=1")
        return len(reply["items"]) + reply["metadata"].get("remainingItemCount", 0) == count + 1

    def row(self, count, began, watched, ended=None):
        """What a run comes to, BEGAN on time.time()'s clock; it ends with its last write, or ENDED. The namespace goes."""
        events = until(lambda: len(created(e := self.events())) >= count and e, "the audit log", pause=0.5)
        ended = ended or max(datetime.fromisoformat(e["stageTimestamp"].replace("Z", "+00:00")).timestamp() for e in created(events))
        self.w.empty(self.name)
        return count / (ended - began), *watched.cost(), len(events) / count


def created(events):
    return [e for e in events if e["verb"] == "patch" and e["responseStatus"]["code"] == 201 and "dryRun" not in e["requestURI"]]


def program(w, arguments, bodies, count):
    """One that ends by itself: objects a second, PSS, RSS, CPU and requests an object."""
    space = Namespace(w)
    note, said = w.folder / w.name("started"), w.folder / "said"
    script = 'cat /proc/$$/stat >"$0"; date +%s.%N >>"$0"; exec "$@"'      # of the exec: what comes before it is not its own
    with open(bodies(space.name), "rb") as given, open(said, "wb") as out:
        process = subprocess.Popen([*w.inside, "sh", "-c", script, str(note), *map(str, arguments)], stdin=given, stdout=out, stderr=out,
                                   env={**w.floor_env, "FLOOR_MANAGER": "floor", "KUBECONFIG": w.env["KUBECONFIG"],
                                        "KUBECACHEDIR": str(w.folder)})
    w.programs.append(process)
    stat, began = until(lambda: note.exists() and note.read_text().count("\n") == 2 and note.read_text().splitlines(), "the exec",
                        pause=0.001)
    with Watched(lambda: [process.pid]) as watched:
        os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)           # its CPU time can still be read then
    watched.first = {process.pid: cpu_seconds(stat)}
    if process.wait() or not space.full(count):
        raise Failed(f"{arguments[0]} ended with {process.returncode}, not all objects there: {said.read_text()[-1000:]}")
    return space.row(count, float(began), watched)


# ---- who takes part: each gives its row

def mooring(w, count):
    d, model = w.daemon("--log-level", "warning"), w.name("bench")
    w.ready(d, model)
    space = Namespace(w, model)
    with Watched(d.processes) as watched:
        began = time.time()
        d.deploy(model, "bulk", count=count, size=2048)
        d.wait_in_place(count + 1)
        ended = time.time()
    if not w.templates:
        w.learn(model)
    w.drop(d)
    return space.row(count, began, watched, ended)


def lines_file(w, count, namespace):
    path = w.folder / "bodies"
    path.write_text(w.bodies(namespace, count))
    return path


def list_file(w, count, namespace):
    """The same objects as kubectl and Flux take them: documents of one file."""
    path = w.folder / "objects.yaml"
    path.write_text("".join("---\n" + line.split("\t", 1)[1] for line in w.bodies(namespace, count).splitlines(True)))
    return path


def floor(w, count):
    return max(program(w, [w.build / "tools/bench/floor", "apply", n], partial(lines_file, w, count), count)
               for n in IN_FLIGHT)


def kubectl(binary, w, count):
    return program(w, [binary, "apply", "--server-side", "-f", w.folder / "objects.yaml"], partial(list_file, w, count), count)


def applier(binary, workers, w, count):
    return program(w, [binary, "-workers", workers], partial(lines_file, w, count), count)


def kustomize(pins, options, w, count):
    space = Namespace(w)
    with flux.Flux(w, pins, options) as f, Watched(lambda: [f.process.pid]) as watched:
        began = f.apply(space.name, list_file(w, count, space.name))
        until(lambda: f.goes_on() and space.full(count), "Flux", MOST_SECONDS, 1)
    return space.row(count, began, watched)


OURS = (mooring, floor)


# ---- the bench

def ours(w):
    """The daemon with its version and the setting that counts here, as it says itself."""
    version, words = (subprocess.run([w.build / "daemon/mooringd", option], stdout=subprocess.PIPE, text=True, check=True).stdout
                      for option in ("--version", "--help"))
    at_once = re.search(r"--operations=N.*?default (\d+)", words, re.DOTALL)[1]
    return f"{version.strip()}, its defaults: --operations={at_once}"


def participants(w):
    """(Name with version and settings, what measures it), for what could be built."""
    pins = paths.pins_of(HERE / "versions", HERE)
    if not all(pin.folder.exists() for pin in pins.values()):
        print("   builds what is not in the cache yet, for the first time: all of it takes about a quarter of an hour on 2 idle cores", flush=True)
    missing = build.build_more(pins)
    binary = {name: pin.folder / name for name, pin in pins.items()}
    rows = [(ours(w), (), mooring),
            (f"the floor, best of {', '.join(map(str, IN_FLIGHT))} in flight", (), floor),
            (f"kubectl {pins['kubectl'].version} apply --server-side -f FILE, its defaults: one object after the other", ("kubectl",),
             partial(kubectl, binary["kubectl"]))]
    for workers, why in WORKERS.items():
        rows.append((f"controller-runtime {pins['applier'].version}, MaxConcurrentReconciles {workers}{why}", ("applier",),
                     partial(applier, binary["applier"], workers)))
    for options in flux.OPTIONS:
        what = f"Flux's kustomize-controller {pins['kustomize-controller'].version}, "
        rows.append((what + flux.settings(binary["kustomize-controller"], options),
                     ("kustomize-controller", "kustomize-crds", "source-crds"), partial(kustomize, pins, options)))
    for name, needs, _ in rows:
        for need in set(needs) & set(missing):
            print(f"   skipped: {name}: {need} was not built: {missing[need].strip().splitlines()[-1]}", flush=True)
    return [(name, measure) for name, needs, measure in rows if not set(needs) & set(missing)]


def line(rate, pss, rss, cpu, requests):
    return f"{rate:6.0f}/s, PSS {pss:5.1f} MB, RSS {rss:5.1f} MB, CPU {cpu:6.2f} s, {requests:.2f} requests an object"


def beside(w, objects=2000, least=0.8):
    count, rows = w.number(objects), participants(w)
    mooring(w, count)                           # warms up, and teaches the others its objects
    found = {name: [] for name, _ in rows}
    for _ in range(w.rounds):
        for name, measure in rows:
            try:
                found[name].append(measure(w, count))
                print(f"   {line(*found[name][-1])}: {name}", flush=True)
            except Failed as failure:
                if measure in OURS:
                    raise
                print(f"   left out this round: {name}: {failure}", flush=True)
    ours, bare = (medians(found[name])[0] for name, measure in rows if measure in OURS)
    print(f"   medians of {w.rounds}, first convergence of {count} ConfigMaps; the daemon's rate to each one's:", flush=True)
    for name, each in ((name, each) for name, each in found.items() if each):
        middle = medians(each)
        print(f"   {line(*middle)}, {ours / middle[0]:5.2f}x: {name}", flush=True)
    return verdict(ours >= least * bare, f"first convergence of {count} ConfigMaps {ours:.0f}/s, floor {bare:.0f}/s: "
                   f"{ours / bare:.0%} (target {least:.0%})")


TABLE = {"beside": beside, "beside-10k": partial(beside, objects=10000, least=0.9)}
