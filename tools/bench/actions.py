# SPDX-License-Identifier: Apache-2.0
"""Actions by the thousand on the real API server, and the repair of drift beside them."""
import statistics
import threading

from benches import in_place
from mooringd import Connection
from world import percentile, until, verdict

APPLICATIONS, EACH = 50, 20
OBJECTS = 2000                  # of the application that is edited: each once in a while, else it were a fight
EDITS, PER_SECOND = 20, 40      # of one go: short, for only those beside the actions count
IDLE_GOES = 10                  # a round
# Of the action `rotate` of tests/charm/acting: another password is made, put in use, and in its Secret; each is asked for and
# stands in the journal before and after.
STEPS = 3
LEAST, SPREAD, BESIDE = 200, 1.5, 2


class Edits:
    """Edits ever other objects of NAMESPACE; MS are the times until each was put right."""

    def __init__(self, w, namespace):
        self.w, self.namespace, self.lines, self.at = w, namespace, w.bodies(namespace).splitlines(True), 0

    def go(self):
        """One go's times in ms."""
        if self.at + EDITS > len(self.lines):
            self.at = 0
        bodies = "".join(self.lines[self.at:self.at + EDITS])
        self.at += EDITS
        out = self.w.floor("edit", self.w.watch_url(self.namespace), PER_SECOND, self.w.name("by"), bodies=bodies)
        return [int(us) / 1e3 for us in out.split()]


class Beside(threading.Thread):
    """Go after go until it is left: MS of those that were over by then, and of the first."""

    def __init__(self, edits):
        super().__init__(daemon=True)
        self.edits, self.ms, self.failed, self.over = edits, [], None, threading.Event()

    def run(self):
        try:
            while not self.over.is_set():
                ms = self.edits.go()
                if not (self.ms and self.over.is_set()):
                    self.ms += ms
        except Exception as failure:            # told by who waits for it
            self.failed = failure

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *_):
        self.over.set()
        self.join()
        if self.failed:
            raise self.failed


def ended_after(d, newest):
    """Seconds until the last step of each application was over, from the first step of all on."""
    first = d.query("SELECT min(started_at) FROM operation WHERE id > ?", newest)[0][0]
    rows = d.query("SELECT max(ended_at) FROM operation WHERE id > ? GROUP BY application", newest)
    return [(ended - first) / 1e3 for ended, in rows]


def thousand(d, model, apps, each, edits):
    """Queued one after the other, an application's second after each one's first, by one client as fast as it can. Steps a
    second from the first that began to the end of the last, the seconds of the median and of the last application, and what
    edits beside them took."""
    newest = d.query("SELECT coalesce(max(id), 0) FROM operation")[0][0]
    client = Connection(d.socket)
    with Beside(edits) as beside:
        for app in apps * each:
            d.call("POST", f"/v1/models/{model}/applications/{app}/actions/rotate", {"params": {}}, client)
        until(lambda: not d.query("SELECT count(*) FROM operation WHERE live = 1")[0][0], "the end of all actions", 600, pause=0.2)
    client.close()
    ends = d.query("SELECT status, count(*) FROM operation WHERE id > ? GROUP BY status", newest)
    assert ends == [("completed", len(apps) * each)], ends
    seconds = ended_after(d, newest)
    return len(apps) * each * STEPS / max(seconds), statistics.median(seconds), max(seconds), beside.ms


def actions(w):
    apps, each = [f"acting{i}" for i in range(APPLICATIONS)], w.number(EACH)
    d, edited = in_place(w, w.number(OBJECTS))
    model, edits = w.name("acting"), Edits(w, edited)
    d.add_model(model, "peers")
    for app in apps:
        d.deploy(model, "acting", app)
    d.wait_in_place(w.number(OBJECTS) + 2 * len(apps) + 2)
    rows, idle, busy = [], [], []
    for _ in range(w.rounds):
        idle += [ms for _ in range(IDLE_GOES) for ms in edits.go()]
        rate, median, last, beside = thousand(d, model, apps, each, edits)
        rows.append((rate, last / median))
        busy += beside
        print(f"   {rate:.0f} steps/s; the applications' last steps after {median:.1f} s in the median, {last:.1f} s at the latest; "
              f"{len(beside)} edits beside: p50 {percentile(beside, 0.5):.1f} ms, p99 {percentile(beside, 0.99):.1f} ms", flush=True)
    w.drop(d, edited)
    w.empty(model)
    rate, late = statistics.median(row[0] for row in rows), max(row[1] for row in rows)
    alone99, busy99 = percentile(idle, 0.99), percentile(busy, 0.99)
    ok = verdict(rate >= LEAST, f"{len(apps) * each} queued actions of {STEPS} steps on {len(apps)} applications: {rate:.0f} steps/s "
                 f"(target {LEAST}/s)")
    ok = verdict(late <= SPREAD, f"the last application's last step at {late:.2f}x the median in the worst round (target {SPREAD}x)") and ok
    return verdict(busy99 <= BESIDE * alone99, f"repair of drift meanwhile: p99 {busy99:.1f} ms of {len(busy)} edits, idle {alone99:.1f} ms of "
                   f"{len(idle)}: {busy99 / alone99:.2f}x (target {BESIDE}x)") and ok


TABLE = {"actions": actions}
