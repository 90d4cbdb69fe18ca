# SPDX-License-Identifier: Apache-2.0
"""One function a figure: prints its numbers, says whether the target was reached. TABLE is the list."""
import subprocess
import time
from collections import Counter

from world import medians, percentile, until, verdict

IN_FLIGHT = (1, 8, 16, 32)


# ---- first convergence

def converge_daemon(w, count):
    d = w.daemon("--log-level", "warning")
    model = w.name("bench")
    w.ready(d, model)
    cpu = d.cpu_seconds()
    d.deploy(model, "bulk", count=count, size=2048)
    start = time.monotonic()
    seconds = d.wait_in_place(count + 1) - start
    cpu = d.cpu_seconds() - cpu
    if not w.templates:
        w.learn(model)
    w.drop(d, model)
    return count / seconds, cpu


def converge_floor(w, count):
    """The rate with each number in flight."""
    rates = []
    for in_flight in IN_FLIGHT:
        namespace = w.make_namespace()
        rates.append(count / float(w.floor("apply", in_flight, bodies=w.bodies(namespace, count))))
        w.empty(namespace)
    return rates


def converge(w, objects=2000, least=0.8):
    """The floor is the best of the medians: the median of each round's best would be that of its luckiest."""
    count = w.number(objects)
    converge_daemon(w, count)                   # warms up, and teaches the floor its bodies
    floors, rows = [], []
    for _ in range(w.rounds):
        floors.append(converge_floor(w, count))
        rows.append(converge_daemon(w, count))
        print(f"   {rows[-1][0]:.0f}/s, daemon's CPU {rows[-1][1]:.2f} s; floor " +
              ", ".join(f"{rate:.0f}/s" for rate in floors[-1]), flush=True)
    rate, cpu = medians(rows)
    floor, in_flight = max(zip(medians(floors), IN_FLIGHT))
    return verdict(rate >= least * floor, f"first convergence of {count} ConfigMaps {rate:.0f}/s, floor {floor:.0f}/s with "
                   f"{in_flight} in flight: {rate / floor:.0%} (target {least:.0%}); daemon's CPU {cpu:.2f} s")


# ---- edit to repair

def in_place(w, count):
    """A daemon with COUNT ConfigMaps in place, and its model; the floor knows them."""
    d, model = w.daemon("--log-level", "warning"), w.name("bench")
    w.ready(d, model)
    d.deploy(model, "bulk", count=count, size=2048)
    d.wait_in_place(count + 1)
    w.learn(model)
    return d, model


def edit_each(w, namespace, edits, mark, per_second=20):
    """p50 and p99 from edit to repaired, in ms."""
    out = w.floor("edit", w.watch_url(namespace), per_second, mark, bodies=w.bodies(namespace, edits))
    us = [int(x) for x in out.split()]
    return percentile(us, 0.5) / 1e3, percentile(us, 0.99) / 1e3


def edit_each_floor(w, namespace, edits, mark, per_second=20):
    fixer = w.floor_started("repair", w.watch_url(namespace), bodies=w.bodies(namespace))
    try:
        return edit_each(w, namespace, edits, mark, per_second)
    finally:
        fixer.terminate()
        fixer.wait()


def repair(w, objects=2000, most=2):
    count, edits, rows = w.number(objects), w.number(1000), []
    d, model = in_place(w, count)
    floor_space = w.make_namespace()
    w.floor("apply", 8, bodies=w.bodies(floor_space))
    for i in range(w.rounds):
        floor = edit_each_floor(w, floor_space, edits, i)
        mine = edit_each(w, model, edits, i)
        rows.append((*mine, *floor, mine[0] / floor[0], mine[1] - floor[1]))
        print(f"   p50 {mine[0]:.1f} p99 {mine[1]:.1f} ms, floor p50 {floor[0]:.1f} p99 {floor[1]:.1f} ms", flush=True)
    lines = until(lambda: (n := d.query("SELECT count(*) FROM drift")[0][0]) == edits * w.rounds and n, "the ledger")
    w.drop(d, model)
    w.empty(floor_space)
    p50, p99, floor50, floor99, ratio, more = medians(rows)
    ok = verdict(ratio <= most, f"edit to repaired, {edits} edits of {count} objects: p50 {p50:.1f} ms, floor {floor50:.1f} "
                 f"ms: {ratio:.2f}x (target {most}x)")
    return verdict(more <= 20, f"p99 {p99:.1f} ms, floor {floor99:.1f} ms: +{more:.1f} ms (target +20 ms); {lines} lines in "
                   "the ledger") and ok


# ---- memory

def settled(d, seconds):
    end, peak = time.monotonic() + seconds, 0
    while time.monotonic() < end:
        peak = max(peak, d.memory()[0])
        time.sleep(0.2)
    return peak


def memory_bundle(w):
    """PSS with the MLflow bundle active, its three workers there."""
    d = w.daemon("--log-level", "warning", charm_dirs=[w.build / "charms"])
    model = w.name("bench")
    w.ready(d, model)
    d.call("POST", f"/v1/models/{model}/deploy", {"sources": [{"name": "bundle", "text":
           (w.root / "examples/bundle-mlflow.yaml").read_text()}]})
    until(lambda: d.query("SELECT count(*) FROM application WHERE status = 'active'")[0][0] == 3, "the bundle to be active")
    peak = settled(d, 20 if w.quick else 120)
    pss, anon, high = d.memory()
    print(f"   MLflow bundle: peak PSS {peak:.1f} MB, RssAnon {anon:.1f} MB, highest RSS {high:.1f} MB, "
          f"{len(d.processes()) - 1} workers", flush=True)
    w.drop(d, model)
    return pss


def memory(w):
    count = w.number(10000)
    d = w.daemon("--log-level", "warning")
    model = w.name("bench")
    w.ready(d, model)
    start = d.memory()[0]
    d.deploy(model, "bulk", count=count, size=2048)
    peak = 0
    while True:
        peak = max(peak, d.memory()[0])
        good, all_of = d.in_place()
        if good == all_of and all_of > count:
            break
        time.sleep(0.2)
    at_once = d.memory()[0]
    cpu, began = d.cpu_seconds(), time.monotonic()
    peak = max(peak, settled(d, 20 if w.quick else 120))
    idle = (d.cpu_seconds() - cpu) / (time.monotonic() - began)
    pss, anon, high = d.memory()
    workers = len(d.processes()) - 1
    w.drop(d, model)
    bundle = memory_bundle(w)
    print(f"   empty {start:.1f} MB, peak PSS {peak:.1f} MB (daemon's highest RSS {high:.1f}), when converged {at_once:.1f} MB, "
          f"RssAnon {anon:.1f} MB, {workers} workers, idle CPU {idle:.2%} of a core", flush=True)
    ok = verdict(pss <= 60, f"memory with {count} ConfigMaps {pss:.1f} MB (target 60 MB)")
    return verdict(bundle <= 25, f"memory with the MLflow bundle {bundle:.1f} MB (target 25 MB)") and ok


# ---- restart

def change_some(w, model, count):
    def change(item):
        item["data"]["salt"] = "changed-while-away"
    w.floor("apply", 8, bodies=w.bodies(model, count, change), manager="kubectl-edit")


def listing_seconds(w, model):
    args = ["curl", "-sS", "-o", "/dev/null", "-w", "%{time_total}", "--cacert", w.env["PEERS_CA"], "--cert",
            w.env["PEERS_ADMIN_CERT"], "--key", w.env["PEERS_ADMIN_KEY"], w.env["PEERS_API"] + w.list_url(model)]
    return float(subprocess.run(w.inside + args, check=True, capture_output=True, text=True).stdout)


def restart_floor(w, model, changed):
    """The least a restart can take: one listing, then the writes, by the floor program."""
    namespace = w.make_namespace()
    bodies = w.bodies(namespace, changed)
    w.floor("apply", 8, bodies=bodies)
    seconds = min(float(w.floor("apply", n, bodies=w.bodies(namespace, changed, lambda item: item["data"].update(salt=str(n)))))
                  for n in IN_FLIGHT)
    w.empty(namespace)
    return listing_seconds(w, model), seconds


def restart_once(w, d, model, changed):
    d.stop()
    change_some(w, model, changed)
    offset, known = w.audit_offset(), d.query("SELECT coalesce(max(id), 0) FROM drift")[0][0]
    d.start()
    answered = time.time()
    wall = float((d.folder / "started").read_text())
    answers = answered - wall
    until(lambda: d.query("SELECT count(*) FROM drift WHERE id > ? AND outcome = 'repaired'", known)[0][0] >= changed,
          f"{changed} repairs", pause=0.01)
    converged = d.query("SELECT max(repaired_at) FROM drift")[0][0] / 1000 - wall
    time.sleep(2)                               # nothing more may be written
    written = {e["objectRef"]["name"] for e in w.writes_since(offset, model)}
    wanted = {t["metadata"]["name"] for t in w.templates[:changed]}
    writes = len(w.writes_since(offset, model))
    if written != wanted or writes != changed:
        print(f"   wrote {writes}, not wanted: {sorted(written - wanted)[:5]}, missing {len(wanted - written)}", flush=True)
    return answers, converged, written == wanted and writes == changed


def restart(w, objects=2000):
    count, changed = w.number(objects), w.number(100)
    rows, exact = [], True
    d, model = in_place(w, count)
    for _ in range(w.rounds):
        listing, writes = restart_floor(w, model, changed)
        answers, converged, good = restart_once(w, d, model, changed)
        exact &= good
        rows.append((answers, converged, listing, writes, converged / listing, converged / (listing + writes)))
        print(f"   answers after {answers * 1e3:.0f} ms, converged after {converged * 1e3:.0f} ms, a listing takes "
              f"{listing * 1e3:.0f} ms, the floor's {changed} writes {writes * 1e3:.0f} ms", flush=True)
    w.drop(d, model)
    answers, converged, listing, writes, ratio, to_floor = medians(rows)
    print(f"   converged in {to_floor:.1f}x a listing and the floor's {changed} writes", flush=True)
    ok = verdict(answers <= 0.3, f"restart with {count} objects answers after {answers * 1e3:.0f} ms (target 300 ms)")
    ok = verdict(exact, f"exactly the {changed} changed objects were written") and ok
    return verdict(ratio <= 2, f"converged after {converged * 1e3:.0f} ms, one listing {listing * 1e3:.0f} ms: {ratio:.1f}x "
                   "(target 2x)") and ok


# ---- commands

def commands(w):
    rows = []
    for _ in range(w.rounds):
        d = w.daemon("--log-level", "warning", binary="tools/bench/mooringd-slow-disk", env={"BENCH_SYNC_US": "2000"})
        model = w.name("bench")
        w.ready(d, model)
        d.deploy(model, "bulk", count=1, size=100)
        d.wait_in_place(2)
        out = subprocess.run([w.build / "tools/bench/commands", d.socket, f"/v1/models/{model}/applications/bulk/config", "8",
                              "1" if w.quick else "5"], check=True, capture_output=True, text=True).stdout
        rows.append([float(x) for x in out.split()])
        print(f"   {rows[-1][0]:.0f}/s, p50 {rows[-1][1]:.1f} ms, p99 {rows[-1][2]:.1f} ms", flush=True)
        w.drop(d, model)
    rate, p50, p99 = medians(rows)
    return verdict(rate >= 2000, f"config changes by 8 clients, syncs of 2 ms: {rate:.0f}/s, p50 {p50:.1f} ms, p99 {p99:.1f} ms "
                   "(target 2,000/s)")


# ---- certificates

PER_APPLICATION = 50
LATER = 1 / 20                  # of a life: the most that one is due after two thirds of it


def issue_all(w, d, model, apps):
    """COUNT certificates, and when each is due."""
    began = time.monotonic()
    for app in apps:
        d.deploy(model, "certified", app, count=PER_APPLICATION)
    d.wait_in_place(len(apps) * (PER_APPLICATION + 1) + 1, 900)
    return time.monotonic() - began


def renew_all(w, d, model, apps):
    """All of them by command: seconds until the last Secret has the new one, and those that any was late by."""
    began, since = time.monotonic(), d.query("SELECT max(issued_at) FROM certificate")[0][0]
    for app in apps:
        d.call("POST", f"/v1/models/{model}/applications/{app}/certificates/rotate")
    until(lambda: d.query("SELECT count(*) FROM certificate WHERE issued_at <= ? OR planned_revision < revision", since)[0][0] == 0,
          "all to be issued anew", 900, pause=0.05)
    d.wait_in_place(len(apps) * (PER_APPLICATION + 1) + 1, 900)
    return time.monotonic() - began


def certificates(w):
    """As many as are due in the same hour because they were issued in the same minute: they are spread, and quick when forced."""
    count = w.number(5000)
    apps = [f"hook{i}" for i in range(max(1, count // PER_APPLICATION))]
    count, rates = len(apps) * PER_APPLICATION, []
    d, model = w.daemon("--log-level", "warning"), w.name("bench")
    w.ready(d, model)
    issued = issue_all(w, d, model, apps)
    life, late = d.query("SELECT min(ends_at - issued_at), max((renew_at - issued_at) * 1.0 / (ends_at - issued_at)) FROM certificate")[0]
    busiest, = d.query("SELECT max(n) FROM (SELECT count(*) AS n FROM certificate GROUP BY renew_at / 3600000)")[0]
    for _ in range(w.rounds):
        rates.append((count / renew_all(w, d, model, apps),))
        print(f"   {rates[-1][0]:.0f}/s", flush=True)
    w.drop(d, model)
    rate, = medians(rates)
    even = count / (life * LATER / 3600e3)      # an hour, over all of the jitter
    print(f"   issued at {count / issued:.0f}/s, with a life of {life / 86400e3:.0f} days", flush=True)
    ok = verdict(busiest <= 2 * even + 10, f"{busiest} of them are due in the busiest hour, {even:.1f} were even (target twice that and ten)")
    ok = verdict(late <= 2 / 3 + LATER, f"the last is due at {late:.3f} of its life (target two thirds and a twentieth)") and ok
    return verdict(rate >= 200, f"{count} certificates renewed by command, all in their Secrets: {rate:.0f}/s (target 200/s)") and ok


# ---- handlers

def attach_manifest(w, d, model):
    """The largest manifest that is at hand: every object of it is applied, or parked where its kind is not served."""
    found = [p / "shared/upstream/kserve.yaml" for p in w.root.parents]     # of a worktree too
    path = next((p for p in found if p.exists()), None)
    if not path:
        print("   no ../shared/upstream/kserve.yaml here: without it", flush=True)
        return
    d.deploy(model, "upstream")
    d.call("PUT", f"/v1/models/{model}/applications/upstream/resources", {"resource": "manifest", "text": path.read_text()})
    count = "SELECT count(*) FROM resource WHERE type LIKE 'CustomResourceDefinition%'"
    until(lambda: d.query(count)[0][0] and not d.query(count + " AND applied_generation = 0")[0][0], "the manifest's CRDs")


LISTINGS = ("plan", "resources", "status", "applications/bulk", "why?subject=bulk")


def look_at_all(d, model):
    """What people ask while much goes on; a listing of thousands in its pages."""
    for path in LISTINGS:
        after = 0
        while after is not None:
            cursor = f"?after={after}" if after else ""
            after = d.call("GET", f"/v1/models/{model}/{path}{cursor}").get("next")


def many_wants(w, d):
    """A bundle with 10,000 wants: deployed, changed, and asked about all the while it converges; then a restart."""
    model, count = w.name("bench"), w.number(10000)
    w.ready(d, model)
    text = f"bundle: kubernetes\napplications:\n  bulk:\n    charm: bulk\n    options: {{count: {count}, size: 200}}\n"
    known = d.in_place()[1]
    d.call("POST", f"/v1/models/{model}/deploy", {"sources": [{"name": "bundle", "text": text}]})
    until(lambda: d.in_place()[1] >= known + count, "the wants to be planned")
    d.set_config(model, "bulk", size=210)
    while len(set(d.in_place())) > 1:
        look_at_all(d, model)
        time.sleep(0.2)                         # real-time threads get 95 % of a second, then they stand still
    w.take_slow(d)
    d.stop()
    d.start()
    look_at_all(d, model)
    until(lambda: not d.call("GET", f"/v1/models/{model}/plan")["unknown"], "all to be seen again", pause=0.5)
    return model


def handlers_once(w):
    """A day of the daemon with nothing in its way: convergence, edits, a restart with changes, a manifest of 1.5 MB; then
    a bundle with 10,000 wants, asked about all the while. Returns who was at work for longer than 5 ms, how often."""
    count = w.number(2000)
    w.slow.clear()
    w.looped = 0
    w.empty_cluster()
    d = w.daemon("--log-level", "warning", alone=True)
    model = w.name("bench")
    w.ready(d, model)
    d.deploy(model, "bulk", count=count, size=2048)
    d.wait_in_place(count + 1)
    w.learn(model)
    w.floor("edit", w.watch_url(model), 20, 0, bodies=w.bodies(model, w.number(200)))
    w.take_slow(d)
    restart_once(w, d, model, w.number(100))
    attach_manifest(w, d, model)
    w.drop(d, model)
    d = w.daemon("--log-level", "warning", alone=True)
    w.drop(d, many_wants(w, d))
    return Counter({name: n for (name, cause), n in w.slow.items() if cause == "work"})


def handlers(w):
    """A machine that is slow for 10 ms makes any handler long, by the clock of its thread too: what is ours comes back in
    each round. Beside them how often a loop that only adds up was made as long."""
    rounds = []
    for _ in range(w.rounds):
        worked = handlers_once(w)
        noise = subprocess.run(["chrt", "-f", "10", w.build / "tools/bench/noise", f"{w.looped:.1f}", "5"], check=True,
                               capture_output=True, text=True).stdout.split()
        waited = Counter({name: n for (name, cause), n in w.slow.items() if cause == "wait"})
        print(f"   at work for more than 5 ms in {w.looped:.0f} s of loop: {counted(worked)}; stood still: {counted(waited)}; "
              f"of {noise[2]} pieces of 2 ms that only add up: {noise[0]}, the longest {noise[3]} ms", flush=True)
        rounds.append(worked)
    often = {name: sum(name in worked for worked in rounds) for name in set().union(*rounds)}
    ours = Counter({name: n for name, n in often.items() if n * 2 > len(rounds)})
    rarely = Counter(often) - ours
    return verdict(not ours, f"at work for more than 5 ms in most of {len(rounds)} rounds: {counted(ours)} (target: nobody); in "
                   f"fewer: {counted(rarely)}")


def counted(names):
    return ", ".join(f"{name} {n}" for name, n in names.most_common()) or "nobody"


# ---- plan

def plan(w):
    """mlflow-server's plan through the worker, beside the same work in one process: plan-bench.c says how."""
    charms, view = w.build / "charms", w.root / "charms/mlflow-server/tests/related-ready.view.json"
    views = [view] if view.exists() else sorted((w.root / "charms/mlflow-server/tests").glob("*.view.json"))
    if not views or not (charms / "mlflow-server").is_dir():
        return verdict(False, "mlflow-server is not in this build")
    best = max(views, key=lambda path: path.stat().st_size)     # the one with both relations set
    done = subprocess.run([w.build / "tools/bench/plan-bench", "--charm-dir", charms, "--charm", "mlflow-server", "--view",
                           best, "--worker", w.build / "daemon/charm/worker/mooring-charm", "--rounds", str(w.rounds),
                           "--seconds", "1" if w.quick else "3"], capture_output=True, text=True)
    print("   " + f"{best.name}: {done.stdout.strip() or done.stderr.strip()}".replace("\n", "\n   "), flush=True)
    return done.returncode == 0


TABLE = {"converge": converge, "repair": repair, "restart": restart, "commands": commands, "memory": memory, "plan": plan,
         "handlers": handlers, "certificates": certificates}
