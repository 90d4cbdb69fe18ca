"""tools/peers: the commands, each a few lines above the modules that do the work."""
import argparse
import asyncio
import json
import os
import shlex
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

from . import build, netns, paths, services, supervisor
from .cluster import Cluster

TOOL = Path(__file__).resolve().parents[3] / "tools" / "peers"
HOLDER_SECONDS = 15
DOWN_SECONDS = 10
SKIPPED = 77                            # what meson counts as skipped
KEPT = {"log", "audit.log"}             # what `down` leaves: the traces; all else is secrets and data


def holder(folder):
    """The note about who holds DIR, or None when nobody does."""
    try:
        note = json.loads((Path(folder) / "holder").read_text(encoding="ascii"))
        alive = os.readlink(f"/proc/{note['holder']}/ns/net") == note["net"]
    except (OSError, ValueError):
        return None
    return note if alive else None


def must_hold(folder):
    note = holder(folder)
    if not note:
        raise RuntimeError(f"no peers are up in {folder}: tools/peers up {folder}")
    return note


# ---- up ----

def start_holder(folder, while_pid):
    log = open(folder / "log" / "supervisor.log", "ab")
    argv = [sys.executable, str(TOOL), "_hold", str(folder)]
    if while_pid:
        argv += ["--while-pid", str(while_pid)]
    with log:
        subprocess.Popen(argv, stdin=subprocess.DEVNULL, stdout=log, stderr=log, start_new_session=True)
    deadline = time.monotonic() + HOLDER_SECONDS
    while not (folder / "control").exists() or not holder(folder):
        if time.monotonic() > deadline:
            raise RuntimeError(f"the namespaces did not come up: see {folder}/log/supervisor.log")
        time.sleep(0.01)
    return holder(folder)


def write_env(folder, values):
    """DIR/env: what a shell sources, in the order in which it was found out."""
    lines = [f"export {name}={shlex.quote(str(value))}" for name, value in values.items()]
    path = folder / "env"
    path.touch(mode=0o600)
    path.write_text("\n".join(lines) + "\n")


def env_values(folder, note, options):
    values = {"PEERS_DIR": folder, "PEERS_PID": note["holder"], "PEERS_LOG": folder / "log",
              "PEERS_ADDRESS": netns.HOST_ADDRESS}
    if not options["services_only"]:
        etc = folder / "etc"
        values |= {"KUBECONFIG": etc / "admin.kubeconfig", "PEERS_API": f"https://{netns.HOST_ADDRESS}:6443",
                   "PEERS_CA": folder / "pki" / "ca.crt", "PEERS_ADMIN_CERT": folder / "pki" / "admin.crt",
                   "PEERS_ADMIN_KEY": folder / "pki" / "admin.key", "PEERS_AUDIT_LOG": folder / "audit.log",
                   "PEERS_VOLUMES": folder / "volumes"}
    return values


def command_up(args):
    folder = Path(args.dir).absolute()
    if holder(folder):
        raise RuntimeError(f"peers are up in {folder} already: tools/peers down {folder}")
    began = time.monotonic()
    clear(folder)
    (folder / "log").mkdir(parents=True, exist_ok=True)
    os.chmod(folder, 0o711)             # other users' processes (postgres) go through it; files are closed
    options = {name: value for name, value in vars(args).items() if name not in ("run", "dir")}
    (folder / "options").write_text(json.dumps(options))
    note = start_holder(folder, args.while_pid)
    try:
        values = env_values(folder, note, options)
        cluster = None if args.services_only else Cluster(folder, options)
        if cluster:
            cluster.write_files()
        netns.enter(note["holder"])
        data = services.Services(folder, ["mysql"] if args.mysql else []) if args.services_only or args.data else None
        if cluster:
            cluster.start()
        if data:
            values |= data.start()
        write_env(folder, values)
    except BaseException:
        end(note)
        raise
    print(f"up after {time.monotonic() - began:.1f} s; . {folder}/env", file=sys.stderr)
    return 0


# ---- down ----

def clear(folder, keep=()):
    """What a run left in DIR, but for what is to be kept; nothing when it was never ours."""
    strange = {e.name for e in folder.iterdir()} - KEPT if folder.exists() else set()
    if strange and "options" not in strange:
        raise RuntimeError(f"{folder} holds something else than peers")
    for entry in folder.iterdir() if folder.exists() else ():
        if entry.name in keep:
            continue
        if entry.is_dir() and not entry.is_symlink():
            shutil.rmtree(entry, ignore_errors=True)
        else:
            entry.unlink(missing_ok=True)


def end(note):
    """Kill pid 1 of the peers' pid namespace, then what `run` started beside it; wait for both."""
    for pid in (note["init"], note["holder"]):
        kill_quietly(pid)
    deadline = time.monotonic() + DOWN_SECONDS
    while True:
        left = [pid for pid in netns.inside(note["net"]) if pid != os.getpid()]
        if not left:
            return
        if time.monotonic() > deadline:
            raise RuntimeError(f"still there after {DOWN_SECONDS} s: pids {left}")
        for pid in left:
            kill_quietly(pid)
        time.sleep(0.02)


def kill_quietly(pid):
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        pass


def command_down(args):
    folder = Path(args.dir).absolute()
    note = holder(folder)
    if note:
        end(note)
    clear(folder, KEPT)
    return 0


# ---- in between ----

def command_run(args):
    """Becomes the command: same pid, same descriptors, its exit code."""
    if not args.command:
        raise RuntimeError("run: which command?")
    note = must_hold(args.dir)
    here = os.getcwd()
    netns.enter(note["holder"])
    try:
        os.chdir(here)          # joining a mount namespace goes to its root
    except OSError:
        pass
    command = args.command[1:] if args.command[0] == "--" else args.command
    try:
        os.execvp(command[0], command)
    except OSError as error:
        print(f"{command[0]}: {error.strerror}", file=sys.stderr)
        return 127 if isinstance(error, FileNotFoundError) else 126


def command_env(args):
    must_hold(args.dir)
    print((Path(args.dir) / "env").read_text(), end="")
    return 0


def command_status(args):
    note = must_hold(args.dir)
    known = machine_pids(note)
    states = supervisor.ask(args.dir, do="status")
    for state in states:
        state["pid"] = known.get(state["pid"]) if state["running"] else None
    if args.json:
        print(json.dumps(states, indent=1))
        return 0
    for state in states:
        word = f"running  pid {state['pid']}" if state["running"] else f"stopped  exit code {state['code']}"
        print(f"{state['name']:<26}{word}, since {time.time() - state['since']:.0f} s")
    return 0


def command_component(args):
    """start, stop, kill (SIGKILL), restart: returns when it is done and, for the API server, serving."""
    note = must_hold(args.dir)
    supervisor.ask(args.dir, do=args.what, name=args.name)
    if args.what in ("start", "restart") and args.name in ("kube-apiserver", "etcd"):
        folder = Path(args.dir).absolute()
        cluster = Cluster(folder, json.loads((folder / "options").read_text()))
        netns.enter(note["holder"])
        states = {s["name"]: s for s in supervisor.ask(folder, do="status")}
        if states["kube-apiserver"]["running"] and states["etcd"]["running"]:
            asyncio.run(cluster.until_ready(cluster.api()))
            wake(folder, states)
    return 0


def wake(folder, states):
    """Whoever was refused meanwhile waits up to a minute before it tries again; begun anew it looks at once.

    A controller manager that was still starting its controllers when the API server went has ended itself.
    The node lifecycle controller, when it sees no leases for so long, says that all nodes and their pods are not ready."""
    for name in ("kube-controller-manager", "kube-scheduler", "kwok"):
        if states[name]["wanted"]:
            for what in ("kill", "start"):
                supervisor.ask(folder, do=what, name=name)


def pod_states(folder):
    """What podd notes of each real pod: (namespace/name, note)."""
    for path in sorted((Path(folder) / "run" / "state").glob("*/*.json")):
        try:
            yield f"{path.parent.name}/{path.stem}", json.loads(path.read_text(encoding="utf-8"))
        except (OSError, ValueError):
            continue                    # gone meanwhile


def machine_pids(note):
    """The cluster's pid → the machine's, for all that runs in its pid namespace: the family of its pid 1."""
    numbers, parents = {}, {}
    for entry in filter(str.isdigit, os.listdir("/proc")):
        try:
            status = Path(f"/proc/{entry}/status").read_text(encoding="ascii", errors="replace")
        except OSError:
            continue
        fields = dict(line.split(":", 1) for line in status.splitlines() if ":" in line)
        numbers[int(entry)] = fields["NSpid"].split()
        parents[int(entry)] = int(fields["PPid"])

    def ours(pid):
        while pid and pid != note["init"]:
            pid = parents.get(pid)
        return bool(pid)
    return {int(inner[1]): pid for pid, inner in numbers.items() if len(inner) > 1 and ours(pid)}


def command_pods(args):
    """Real pods, their addresses and the pids of their containers."""
    note = must_hold(args.dir)
    known = machine_pids(note)
    for name, state in pod_states(args.dir):
        for container, one in state["containers"].items():
            print(f"{name}\t{container}\t{state['address']}\tpid {known.get(one['pid'])}")
    return 0


def command_kill_pod(args):
    """A signal to pid 1 of a container: from outside, so that SIGKILL and unhandled ones work too."""
    note = must_hold(args.dir)
    state = dict(pod_states(args.dir)).get(args.pod)
    if not state or not state["containers"]:
        raise RuntimeError(f"no real pod {args.pod} is running: tools/peers pods {args.dir}")
    container = args.container or next(iter(state["containers"]))
    if container not in state["containers"]:
        raise RuntimeError(f"no container {container} is running in {args.pod}")
    number = int(args.signal) if args.signal.isdigit() else signal.Signals["SIG" + args.signal.removeprefix("SIG")]
    os.kill(machine_pids(note)[state["containers"][container]["pid"]], number)
    return 0


def command_build(args):
    return build.build(args.later)


def command_check(args):
    why = paths.missing(["mysql"] if args.mysql else [])
    if not why:
        return 0
    print(f"skipped: {why}", flush=True)
    return 1 if os.environ.get("CI") else SKIPPED


def command_hold(args):
    return supervisor.hold(args.dir, args.while_pid)


# ---- arguments ----

def add_up(commands):
    up = commands.add_parser("up", help="start everything in DIR")
    up.add_argument("dir", metavar="DIR")
    up.add_argument("--nodes", type=int, default=3, help="how many nodes (3: amd64 system, amd64, arm64, …)")
    up.add_argument("--services-only", action="store_true", help="MariaDB, PostgreSQL and MinIO, no cluster")
    up.add_argument("--data", action="store_true", help="the same three beside the cluster")
    up.add_argument("--mysql", action="store_true", help="with one of these two: MySQL too")
    up.add_argument("--goaway-chance", type=float, help="the API server's own: 0 to 0.02")
    up.add_argument("--apiserver-arg", action="append", metavar="ARG", help="one more for kube-apiserver")
    up.add_argument("--no-podd", action="store_true", help="no real processes: every pod is kwok's")
    up.add_argument("--secret-refresh", type=float, default=60, metavar="SECONDS",
                    help="how late mounted Secrets and ConfigMaps follow (60)")
    up.add_argument("--crash-backoff", type=float, default=10, metavar="SECONDS",
                    help="the first CrashLoopBackOff wait (10); doubles up to 300")
    up.add_argument("--grace-max", type=float, default=3600, metavar="SECONDS",
                    help="the longest that a pod is waited for when it is deleted, whatever it asks for (3600)")
    up.add_argument("--while-pid", type=int, metavar="PID", help="end with this process")
    up.set_defaults(run=command_up)


def parser():
    top = argparse.ArgumentParser(prog="tools/peers", description="Real peers on one machine.")
    commands = top.add_subparsers(required=True, metavar="COMMAND")
    command = commands.add_parser("build", help="build and install them, once")
    command.add_argument("--later", action="store_true", help="also what only tests by hand need: a newer MLflow")
    command.set_defaults(run=command_build)
    check = commands.add_parser("check", help="whether they can be started here; if not, says why and ends with 77, in CI with 1")
    check.add_argument("--mysql", action="store_true", help="MySQL too")
    check.set_defaults(run=command_check)
    add_up(commands)
    for name, function, text in (("down", command_down, "end everything; logs stay"),
                                 ("env", command_env, "print shell export lines")):
        command = commands.add_parser(name, help=text)
        command.add_argument("dir", metavar="DIR")
        command.set_defaults(run=function)
    status = commands.add_parser("status", help="components and how they are")
    status.add_argument("dir", metavar="DIR")
    status.add_argument("--json", action="store_true")
    status.set_defaults(run=command_status)
    run = commands.add_parser("run", help="run a command inside the network")
    run.add_argument("dir", metavar="DIR")
    run.add_argument("command", nargs=argparse.REMAINDER, metavar="COMMAND…")
    run.set_defaults(run=command_run)
    pods = commands.add_parser("pods", help="pods that are real processes, with their pids")
    pods.add_argument("dir", metavar="DIR")
    pods.set_defaults(run=command_pods)
    kill = commands.add_parser("kill-pod", help="send a signal to a container's first process")
    kill.add_argument("dir", metavar="DIR")
    kill.add_argument("pod", metavar="NAMESPACE/POD")
    kill.add_argument("--container")
    kill.add_argument("--signal", default="KILL")
    kill.set_defaults(run=command_kill_pod)
    for what in ("start", "stop", "kill", "restart"):
        one = commands.add_parser(what, help=f"{what} one component")
        one.add_argument("dir", metavar="DIR")
        one.add_argument("name", metavar="NAME")
        one.set_defaults(run=command_component, what=what)
    hold = commands.add_parser("_hold")
    hold.add_argument("dir")
    hold.add_argument("--while-pid", type=int)
    hold.set_defaults(run=command_hold)
    return top


def main(argv):
    args = parser().parse_args(argv)
    try:
        return args.run(args)
    except (RuntimeError, LookupError, OSError) as error:
        print(f"peers: {error}", file=sys.stderr)
        return 1
