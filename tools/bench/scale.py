# SPDX-License-Identifier: Apache-2.0
"""The figures of 10,000 objects and of days: a burst, a fight, standing still. As benches.py: one function a figure."""
import collections
import json
import os
import re
import signal
import subprocess
import threading
import time
from datetime import datetime
from functools import partial

from benches import converge, edit_each, edit_each_floor, in_place, repair, restart, settled
from world import Failed, medians, until, verdict

OBJECTS, BURST, OTHERS = 10000, 1000, 100
FIGHT_SECONDS = STEADY_SECONDS = 600


class Beside:
    """Calls STEP again and again beside what is measured, each PERIOD seconds."""

    def __init__(self, step, period):
        self.step, self.period, self.ends, self.count = step, period, threading.Event(), 0
        self.thread = threading.Thread(target=self.run, daemon=True)

    def run(self):
        while not self.ends.wait(self.period):
            self.step(self.count)
            self.count += 1

    def __enter__(self):
        self.thread.start()
        return self

    def __exit__(self, *why):
        self.ends.set()
        self.thread.join()


# ---- many edits at once

def damage(item):
    item["data"]["salt"] = "edited-at-once"


def edited_asleep(w, namespace, count, pid):
    """COUNT objects are edited while PID sleeps; the seconds from its waking to the last answer of a repair."""
    os.kill(pid, signal.SIGSTOP)
    try:
        w.floor("apply", 16, bodies=w.bodies(namespace, count, damage), manager="kubectl-edit")
        offset, start = w.audit_offset(), time.time()
    finally:
        os.kill(pid, signal.SIGCONT)
    done = until(lambda: len(found := w.writes_since(offset, namespace, "")) >= count and found, f"{count} repairs", pause=0.5)
    last = max(e["stageTimestamp"] for e in done)
    return datetime.fromisoformat(last.replace("Z", "+00:00")).timestamp() - start


def burst(w):
    count, edits, rows = w.number(OBJECTS), w.number(BURST), []
    d, model = in_place(w, count)
    floor_space = w.make_namespace()
    w.floor("apply", 8, bodies=w.bodies(floor_space, edits))
    for _ in range(w.rounds):
        fixer = w.floor_started("repair", w.watch_url(floor_space), bodies=w.bodies(floor_space, edits))
        time.sleep(1)                           # until its watch stands
        floor = edits / edited_asleep(w, floor_space, edits, fixer.pid)
        fixer.terminate()
        fixer.wait()
        rate = edits / edited_asleep(w, model, edits, d.process.pid)
        rows.append((rate, floor, rate / floor))
        print(f"   {rate:.0f}/s, floor {floor:.0f}/s", flush=True)
    w.drop(d, model)
    w.empty(floor_space)
    rate, floor, ratio = medians(rows)
    return verdict(ratio >= 0.85, f"{edits} of {count} objects edited at once: {rate:.0f}/s repaired, floor {floor:.0f}/s: "
                   f"{ratio:.0%} (target 85 %)")


# ---- two writers of one field

def fight(w):
    """The last object's field is written again each half second, whatever we write; meanwhile others are edited once."""
    count, others = w.number(OBJECTS), w.number(OTHERS)
    seconds = w.number(FIGHT_SECONDS)
    d, model = in_place(w, count)
    floor_space = w.make_namespace()
    w.floor("apply", 8, bodies=w.bodies(floor_space, others))
    floor50, floor99 = edit_each_floor(w, floor_space, others, "alone", 2)
    fought = w.templates[-1]["metadata"]["name"]
    path = f"/api/v1/namespaces/{model}/configmaps/{fought}?fieldManager=other-controller"

    def flip(_):
        w.kubectl("PATCH", path, {"data": {"salt": "theirs"}}, content="application/merge-patch+json")
    offset, end = w.audit_offset(), time.monotonic() + seconds
    with Beside(flip, 0.5) as writer:
        time.sleep(min(30, seconds / 4))        # the fight is on
        p50, p99 = edit_each(w, model, others, "beside", 2)
        time.sleep(max(0, end - time.monotonic()))
    ours = [e for e in w.writes_since(offset, model) if e["objectRef"]["name"] == fought]
    w.drop(d, model)
    w.empty(floor_space)
    print(f"   the other wrote {writer.count} times in {seconds} s", flush=True)
    ok = verdict(len(ours) <= 10, f"a fight of {seconds} s: {len(ours)} writes of ours on that field (target 10)")
    ok = verdict(p50 <= 1.5 * floor50, f"{others} other edits meanwhile: p50 {p50:.1f} ms, floor {floor50:.1f} ms: "
                 f"{p50 / floor50:.2f}x (target 1.5x)") and ok
    return verdict(p99 - floor99 <= 20, f"p99 {p99:.1f} ms, floor {floor99:.1f} ms: +{p99 - floor99:.1f} ms (target +20 ms)") and ok


# ---- very many

def memory_100k(w):
    """On the simulator: five applications, for one has at most 20,000."""
    count, apps, model = w.number(20000), "abcde", w.name("bench")
    sim = w.sim()
    d = w.daemon("--log-level", "warning", sim=True)
    d.add_cluster("sim", sim.kubeconfig)
    d.add_model(model, "sim")
    began = time.monotonic()
    for letter in apps:
        d.deploy(model, "bulk", f"bulk-{letter}", count=count, size=200)
    d.wait_in_place(len(apps) * count + 1, 1200)
    took = time.monotonic() - began
    peak = settled(d, w.number(120))
    pss, anon, high = d.memory()
    w.drop(d)
    print(f"   in place after {took:.0f} s, peak PSS since {peak:.1f} MB, highest RSS {high:.1f} MB", flush=True)
    return verdict(pss <= 150, f"memory with {len(apps) * count} ConfigMaps {pss:.1f} MB (target 150 MB)")


# ---- what is not ours

PODS = 20000


def pod(name, namespace):
    return {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "namespace": namespace},
            "spec": {"containers": [{"name": "main", "image": "foreign"}]}}


def make_pod(w, namespace):
    """A server that has seen no pod since its start sends no bookmarks for pods; no cluster is like that."""
    where = f"/api/v1/namespaces/{namespace}"
    until(lambda: w.kubectl("GET", f"{where}/serviceaccounts/default", check=False).get("kind") == "ServiceAccount", "the service account")
    w.kubectl("POST", f"{where}/pods", pod("foreign", namespace))


def received(w, d):
    """Bytes that came over the daemon's connections to the server, by the kernel's count."""
    told = subprocess.run([*w.inside, "ss", "-tniHOp"], stdout=subprocess.PIPE, text=True, check=True).stdout
    counts = [re.search(r"bytes_received:(\d+)", line) for line in told.splitlines() if f"pid={d.process.pid}," in line]
    if not counts:
        raise Failed(f"no connection of process {d.process.pid} in what ss tells")
    return sum(int(count[1]) for count in counts if count)


def foreign_pods(w):
    """The daemon watches what has its labels; a cluster is full of other pods that come and go."""
    count, pods = w.number(OBJECTS), w.number(PODS)
    foreign = w.make_namespace("foreign")
    make_pod(w, foreign)
    d, model = in_place(w, count)
    listing = len(json.dumps(w.kubectl("GET", w.list_url(model)), separators=(",", ":")))
    settled(d, 5)
    before, memory = received(w, d), d.memory()[0]
    path = f"/api/v1/namespaces/{foreign}/pods"
    w.floor("apply", 16, bodies="".join(f"{path}/p-{i}\t{json.dumps(pod(f'p-{i}', foreign), separators=(',', ':'))}\n" for i in range(pods)))
    until(lambda: w.kubectl("DELETE", path, check=False) and not w.kubectl("GET", f"{path}?limit=1")["items"], "the end of the pods", pause=1)
    more, grown = received(w, d) - before, d.memory()[0] - memory
    w.drop(d, model)
    w.empty(foreign)
    print(f"   the daemon's memory: {grown:+.1f} MB", flush=True)
    return verdict(more < listing / 100, f"{pods} pods of others made and deleted: {more} bytes more, {more / listing:.2%} of the "
                   f"{listing} that its watches brought of {count} objects (target 1 %)")


# ---- nothing to do

LOOK = "GET and LIST"


def kind_of_read(event):
    uri = event["requestURI"].split("?")[0]
    if event["verb"] == "watch":
        return "watch renewals"
    if uri.endswith("/namespaces/kube-system"):
        return "who it is, each 20 s"
    if uri.count("/") <= 3 and not event.get("objectRef", {}).get("resource"):
        return "discovery"
    return LOOK


def steady(w):
    """Heartbeats of the nodes and ten writes a second by others on what is not ours go on."""
    count, seconds = w.number(OBJECTS), w.number(STEADY_SECONDS)
    foreign = w.make_namespace("foreign")
    make_pod(w, foreign)
    d, model = in_place(w, count)

    def write(n):
        w.floor("apply", 1, bodies=w.bodies(foreign, 10, lambda item: item["data"].update(salt=f"turn-{n}")))
    write("first")
    time.sleep(5)                               # what follows from the deploy is over
    offset, cpu = w.audit_offset(), d.cpu_seconds()
    with Beside(write, 1) as writer:
        time.sleep(seconds)
    cpu = d.cpu_seconds() - cpu
    asked = w.reads_since(offset)
    reads = [f"{e['verb']} {e['requestURI']}" for e in asked if kind_of_read(e) == LOOK]
    apart = collections.Counter(kind_of_read(e) for e in asked if kind_of_read(e) != LOOK)
    w.drop(d, model)
    w.empty(foreign)
    print(f"   {writer.count * 10} foreign writes; " + ", ".join(f"{what}: {n}" for what, n in sorted(apart.items())), flush=True)
    ok = verdict(not reads, f"{seconds} s of {count} objects: {len(reads)} GET and LIST (target 0) {', '.join(reads[:5])}")
    most = 1.2 * seconds / STEADY_SECONDS
    return verdict(cpu <= most, f"{cpu:.2f} s of CPU (target {most:.2f} s)") and ok


TABLE = {"converge-10k": partial(converge, objects=OBJECTS, least=0.9), "repair-10k": partial(repair, objects=OBJECTS, most=1.5),
         "restart-10k": partial(restart, objects=OBJECTS), "burst": burst, "fight": fight, "steady": steady,
         "memory-100k": memory_100k, "foreign-pods": foreign_pods}
