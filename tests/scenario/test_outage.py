#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The cluster goes away, the daemon dies, files are lost: what is said meanwhile, and that nothing is done twice."""
import os
import re
import shutil
import signal
import sqlite3
import subprocess
import time

from lib.drift import lines, repaired
from lib.runner import APPS, main, test
from lib.world import DEADLINE, Trouble, until


def settled(world):
    """Active, and nothing left to do: after this no write is due."""
    world.wait_active()
    world.wait_for("nothing left to do", lambda: world.ctl("plan", "--exit-code").code == 0)


@test("while the API server is away nothing is called active, wait does not succeed, and all is active when it is back")
def _(world):
    settled(world)
    before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    world.cluster.server_down()
    try:
        for app in APPS:
            world.wait_status(app, "unknown", "last seen active")
            seen = re.search(r"last seen active (\S+Z)", world.apps()[app][1])[1]
            if seen < before:
                raise Trouble(f"{app}: last seen active {seen}, though it was so until {before}")
        world.ctl("wait", "--timeout", "2s").refused("unknown", code=5)
        world.ctl("clusters").ok().says("unreachable")
        world.ctl("models").ok().says("unreachable", "since", f"cluster {world.cluster.name} cannot be read")
        if "available" in world.ctl("models").out:
            raise Trouble("a model is called available while its cluster cannot be read")
    finally:
        world.cluster.server_up()
    world.wait_active()


@test("an API server that falls silent and ends no connection is noticed, and all is active when it speaks again",
      real="the simulator falls silent at a word")
def _(world):
    settled(world)
    world.cluster.process.send_signal(signal.SIGSTOP)
    try:
        for app in APPS:
            world.wait_status(app, "unknown", "silent", seconds=2 * DEADLINE)
        world.ctl("clusters").ok().says("unreachable", "silent")
        world.ctl("wait", "--timeout", "2s").refused("unknown", code=5)
    finally:
        world.cluster.process.send_signal(signal.SIGCONT)
    world.wait_active(seconds=3 * DEADLINE)


@test("another cluster behind the same address is not written to, and after rebind-cluster it is", fresh=True,
      real="the peers have one cluster")
def _(world):
    world.ctl("deploy", "minio").ok()
    settled(world)
    world.cluster.server_down()
    world.cluster.forget()
    world.cluster.server_up()
    world.wait_status("minio", "blocked", "rebind-cluster")
    kube, model = world.cluster.kube, world.cluster.model
    if kube.list("services", model) or kube.list("statefulsets", model):
        raise Trouble("another cluster was written to")
    world.ctl("rebind-cluster", world.cluster.name, "--dry-run").ok().says("would bind the models", "would look for PersistentVolumeClaim",
                                                                           "would write there what the 1 application")
    world.wait_status("minio", "blocked", "rebind-cluster")
    world.ctl("rebind-cluster", world.cluster.name).ok()
    world.wait_for("the model to be written", lambda: kube.list("services", model))


@test("a daemon that starts while the API server is away says when it was last seen active")
def _(world):
    settled(world)
    before = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
    world.daemon.stop()
    world.cluster.server_down()
    try:
        world.daemon.start()
        for app in APPS:
            world.wait_status(app, "unknown", "last seen active")
        seen = re.search(r"last seen active (\S+Z)", world.apps()[APPS[0]][1])[1]
        if seen < before:
            raise Trouble(f"last seen active {seen}, though it was so at {before}")
        world.daemon.stop()
        world.daemon.start()
        world.wait_for("the same time after another start", lambda: seen in world.apps()[APPS[0]][1])
    finally:
        world.cluster.server_up()
    world.wait_active()


@test("a daemon that was killed starts again, is active, and has written nothing")
def _(world):
    settled(world)
    before = world.cluster.writes()
    world.daemon.kill()
    world.daemon.start()
    settled(world)
    if world.cluster.writes() != before:
        raise Trouble(f"{world.cluster.writes() - before} writes after a restart")


@test("what was damaged while the daemon was down is put right when it starts, and only that is written")
def _(world):
    settled(world)
    before = world.cluster.writes()
    world.daemon.stop()
    world.cluster.kube.merge("configmaps", "mlflow", "mlflow-mysql-config",
                             {"metadata": {"labels": {"app.kubernetes.io/managed-by": "somebody"}}})
    world.daemon.start()
    world.wait_for("the line of drift", lambda: "configmap/mlflow-mysql-config" in world.ctl("drift").out)
    settled(world)
    if world.cluster.writes() != before + 1:
        raise Trouble(f"{world.cluster.writes() - before} writes for one damaged object")


@test("losing cache.db costs no write")
def _(world):
    settled(world)
    before = world.cluster.writes()
    world.daemon.stop()
    for path in world.daemon.state.glob("cache.db*"):
        path.unlink()
    world.daemon.start()
    settled(world)
    if world.cluster.writes() != before:
        raise Trouble(f"{world.cluster.writes() - before} writes after cache.db was lost")


@test("what was changed while cache.db was lost is told as far as the plan says what was wanted")
def _(world):
    settled(world)
    before = lines(world)
    world.daemon.stop()
    for path in world.daemon.state.glob("cache.db*"):
        path.unlink()
    world.cluster.kube.edit("deployments", world.cluster.model, "mlflow-server", "/spec/template/spec/containers/0/image", "old:1", "night-shift")
    world.daemon.start()
    text = repaired(world, before, f"Deployment.apps {world.cluster.model}/mlflow-server", "image  (by night-shift)", '+ old:1')
    if "no baseline was kept" not in text:
        raise Trouble(f"the line does not say what it rests on:\n{text}")
    settled(world)


@test("a Service's port that got another number while cache.db was lost is the wanted one again, and the only one")
def _(world):
    settled(world)
    kube, before = world.cluster.kube, lines(world)

    def ports():
        return sorted((p["name"], p["port"]) for p in kube.get("services", world.cluster.model, "mlflow-minio")["spec"]["ports"])
    right = ports()
    world.daemon.stop()
    for path in world.daemon.state.glob("cache.db*"):
        path.unlink()
    kube.edit("services", world.cluster.model, "mlflow-minio", "/spec/ports/0/port", 1, "night-shift")
    world.daemon.start()
    repaired(world, before, f"Service {world.cluster.model}/mlflow-minio", "took over items of night-shift")
    if ports() != right:
        raise Trouble(f"the ports are {ports()}, wanted {right}")
    settled(world)


@test("a second daemon on the same state folder refuses to start, and the first goes on")
def _(world):
    argv = world.daemon.argv("--socket", str(world.folder / "second.sock"))
    done = subprocess.run(argv, capture_output=True, text=True, check=False, timeout=DEADLINE)
    if done.returncode == 0 or str(world.daemon.state) not in done.stderr:
        raise Trouble(f"it ended with {done.returncode}: {done.stderr}")
    world.ctl("status").ok()


@test("without its key the daemon refuses to start, says which, and with the key again all is there")
def _(world):
    settled(world)
    world.daemon.stop()
    key, kept = world.daemon.state / "key", world.folder / "kept-key"
    shutil.move(key, kept)
    try:
        done = subprocess.run(world.daemon.argv(), capture_output=True, text=True, check=False, timeout=DEADLINE)
        if done.returncode == 0 or "key" not in done.stderr:
            raise Trouble(f"it ended with {done.returncode}: {done.stderr}")
        if key.exists():
            raise Trouble("a new key was made over sealed secrets")
    finally:
        shutil.move(kept, key)
        world.daemon.start()
    settled(world)


def refuses_to_start(world, *parts, options=()):
    done = subprocess.run(world.daemon.argv(*map(str, options)), capture_output=True, text=True, check=False, timeout=DEADLINE)
    if done.returncode == 0 or not all(part in done.stderr for part in parts):
        raise Trouble(f"it ended with {done.returncode}: {done.stderr}")


@test("a start that cannot be leaves no state folder and no key behind")
def _(world):
    state = world.folder / "new-state"
    missing = world.folder / "none" / "mooring-charm"
    refuses_to_start(world, str(missing), "No such file", options=("--state-dir", state, "--socket", state / "sock", "--worker", missing))
    socket = world.folder / "none" / "sock"
    refuses_to_start(world, f"the folder of socket {socket}", options=("--state-dir", state, "--socket", socket))
    if state.exists():
        raise Trouble(f"it made {list(state.iterdir())}")


@test("with another key the daemon refuses to start and seals nothing under it")
def _(world):
    settled(world)
    world.daemon.stop()
    path = world.daemon.state / "key"
    right = path.read_bytes()
    try:
        path.write_bytes(os.urandom(len(right)))
        refuses_to_start(world, "key", "opens nothing")
    finally:
        path.write_bytes(right)
        world.daemon.start()
    settled(world)


@test("a folder that was in use and has lost model.db is not begun anew")
def _(world):
    settled(world)
    world.daemon.stop()
    path, kept = world.daemon.state / "model.db", world.folder / "kept.db"
    shutil.move(path, kept)
    try:
        refuses_to_start(world, "model.db is missing or empty")
        path.touch()
        refuses_to_start(world, "model.db is missing or empty")
    finally:
        shutil.move(kept, path)
        world.daemon.start()
    settled(world)


@test("a state folder of a newer schema is left alone", fresh="bare")
def _(world):
    world.daemon.start()
    world.daemon.stop()

    path = world.daemon.state / "model.db"
    with sqlite3.connect(path) as db:
        db.execute("PRAGMA user_version = 9999")
    done = subprocess.run(world.daemon.argv(), capture_output=True, text=True, check=False, timeout=DEADLINE)
    if done.returncode == 0 or "newer" not in done.stderr:
        raise Trouble(f"it ended with {done.returncode}: {done.stderr}")


@test("no process of the daemon's outlives it", fresh="bare")
def _(world):
    world.daemon.start()
    pid = world.daemon.process.pid
    world.daemon.kill()

    def workers():
        for entry in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{entry}/stat", encoding="ascii", errors="replace") as f:
                    if int(f.read().rsplit(")", 1)[1].split()[1]) == pid:
                        return True
            except OSError:
                continue
        return False
    until(lambda: not workers(), "the workers to end", 10)


if __name__ == "__main__":
    main()
