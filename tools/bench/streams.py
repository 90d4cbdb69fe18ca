# SPDX-License-Identifier: Apache-2.0
"""Streams of actions beside the same bytes piped by hand."""
import json
import subprocess
import threading
import time

from world import medians, until, verdict

SIZE = 2 << 30
LEAST, GROWTH = 0.8, 32         # of the hand pipe's rate; MB over idle
LIVE = ("pending", "running")


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


TABLE = {"stream": stream}
