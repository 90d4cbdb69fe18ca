#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The show of tools/try, once everything is built: a cluster, the daemon, a bundle, damage, repair, a shell."""
import argparse
import fcntl
import json
import os
import pty
import shutil
import signal
import struct
import subprocess
import sys
import termios
import textwrap
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "tests" / "scenario"))
from lib import data, real, sim  # noqa: E402
from lib.world import Trouble, World, until  # noqa: E402

BUNDLE = "examples/bundle-mlflow.yaml"
CONVERGE = 300          # seconds; seen: 8 on the simulator, 60 on the real peers
FRAME = 0.25            # seconds between two looks at the status
WIDTH = 78              # of what is told in sentences


def say(text):
    print(f"\n\033[1m{text}\033[0m" if sys.stdout.isatty() else f"\n== {text}", flush=True)


def show_command(*words):
    print("$ " + " ".join(map(str, words)), flush=True)


def run_command(world, *words):
    """A command of mooringctl as the user would type it, and what it prints."""
    show_command("mooringctl", *words)
    if sys.stdout.isatty():         # by itself, so that it sees how wide the screen is
        if subprocess.run([world.programs.ctl, *map(str, words)], env=world.environment(), check=False).returncode:
            raise Trouble(f"mooringctl {' '.join(map(str, words))} failed")
        return
    answer = world.ctl(*words).ok()
    text = (answer.out + answer.err).strip()
    if text:
        print(text, flush=True)


def screen_text(world, *words):
    """What a command of mooringctl prints on a terminal as wide as this one."""
    width = shutil.get_terminal_size().columns
    ours, its = pty.openpty()
    fcntl.ioctl(its, termios.TIOCSWINSZ, struct.pack("HHHH", 24, width, 0, 0))
    with subprocess.Popen([world.programs.ctl, *words], stdout=its, stderr=subprocess.DEVNULL, env=world.environment()):
        os.close(its)
        parts = []
        try:
            while part := os.read(ours, 65536):
                parts.append(part)
        except OSError:             # the other end was closed: all is read
            pass
    os.close(ours)
    return b"".join(parts).decode(errors="replace").replace("\r\n", "\n")


class Screen:
    """A status in place on a terminal; elsewhere the lines that changed."""

    def __init__(self):
        self.lines = []

    def draw(self, text):
        lines = text.rstrip("\n").split("\n")
        if lines == self.lines:
            return
        if sys.stdout.isatty():
            width = shutil.get_terminal_size().columns
            up = f"\033[{len(self.lines)}A" if self.lines else ""
            sys.stdout.write(up + "\033[J" + "".join(line[:width] + "\n" for line in lines))
            sys.stdout.flush()
        self.lines = lines

    def done(self):
        if not sys.stdout.isatty():
            print("\n".join(self.lines), flush=True)


def fill_up(world):
    """Status, again and again, until all is active."""
    screen, begin, seen = Screen(), time.monotonic(), {}
    show_command("mooringctl", "status")
    while True:
        text = world.ctl("status").ok().out
        apps = world.apps(text)
        screen.draw(screen_text(world, "status") if sys.stdout.isatty() else text)
        if not sys.stdout.isatty():
            for app, (word, message) in apps.items():
                if seen.get(app) != (word, message):
                    print(f"{time.monotonic() - begin:5.1f} s  {app}: {word}{': ' if message else ''}{message}", flush=True)
            seen = apps
        if apps and all(word == "active" for word, _ in apps.values()):
            screen.done()
            return time.monotonic() - begin
        if time.monotonic() - begin > CONVERGE:
            raise Trouble(f"not all is active after {CONVERGE} s:\n{text}")
        if world.cluster.trouble():
            raise Trouble(str(world.cluster.trouble()))
        time.sleep(FRAME)


def drift_ids(world):
    rows = json.loads(world.ctl("drift", "--format", "json").ok().out)
    rows = rows.get("drift", rows) if isinstance(rows, dict) else rows
    return {row["id"]: row for row in rows}


def damage(world, text, how, healed):
    """Does HOW, waits until HEALED says that it was put right, shows the line of the ledger."""
    before = set(drift_ids(world))
    print(text, flush=True)
    begin = time.monotonic()
    how()
    until(healed, "the repair", pause=0.001)
    took = (time.monotonic() - begin) * 1000
    fresh = until(lambda: [i for i in drift_ids(world) if i not in before], "the line in the drift ledger")
    print(f"  repaired: seen from outside {took:.0f} ms later", flush=True)
    run_command(world, "drift", "show", str(max(fresh)))


def break_things(world):
    kube, model = world.cluster.kube, world.cluster.model
    image = "/spec/template/spec/containers/0/image"

    def image_now():
        found = kube.get("deployments", model, "mlflow-server")
        return found["spec"]["template"]["spec"]["containers"][0]["image"]

    right, old = image_now(), kube.get("services", model, "mlflow-minio")["metadata"]["uid"]
    say("Somebody edits a Deployment by hand")
    damage(world, f"(as by kubectl edit deployment/mlflow-server: {image}: docker.io/library/busybox:1)",
           lambda: kube.edit("deployments", model, "mlflow-server", image, "docker.io/library/busybox:1"), lambda: image_now() == right)
    say("Somebody deletes a Service")

    def back():
        found = kube.get("services", model, "mlflow-minio")
        return found and found["metadata"]["uid"] != old
    damage(world, "(as by kubectl delete service/mlflow-minio)", lambda: kube.delete("services", model, "mlflow-minio"), back)
    say("All of it is in the ledger")
    run_command(world, "drift")


def explain(world):
    """What is real in what follows, and what is not."""
    minio = "a real MinIO" if data.find_minio() else "a stand-in for its calls (`tools/peers build` makes the real one)"
    text = ("The cluster is mooring-sim: an API server's answers, no containers. MySQL's pod leads to a real MariaDB, MinIO's to "
            f"{minio}; MLflow's is only said to run. With --real everything is real.")
    if world.cluster.real:
        text = ("A real kube-apiserver, scheduler and controller manager; MySQL's, MinIO's and MLflow's pods are real processes (MariaDB "
                "in place of MySQL).")
    print(textwrap.fill(text, WIDTH, break_long_words=False, break_on_hyphens=False))


RC = """[ -f ~/.bashrc ] && . ~/.bashrc
PS1='mooring:\\w\\$ '
source <(mooringctl completion)
offer() {       # builds a charm of this tree and offers it to the daemon, which sees it at once
        if ! grep -q "^ *'$1',$" {root}/charms/meson.build; then
                echo "offer NAME: one of" $(sed -n "s/^ *'\\([^']*\\)',$/\\1/p" {root}/charms/meson.build) >&2
                echo "tools/new-charm makes a new one; a folder that was copied into charms/ has to be named in charms/meson.build" >&2
                return 1
        fi
        # Only what the build has to say of this charm: meson's words about the whole tree go to a file.
        ninja -C {build} build.ninja >{build}/offer.log 2>&1 || { tail -n 20 {build}/offer.log >&2; return 1; }
        ninja --quiet -C {build} charms/"$1".staged && rm -rf {charms}/.new && cp -r {build}/charms/"$1" {charms}/.new &&
                chmod -R go-w {charms}/.new && rm -rf {charms}/"$1" && mv {charms}/.new {charms}/"$1" &&
                echo "charms/$1 is offered; now: mooringctl deploy $1, or where it runs mooringctl refresh $1"
}
"""
NO_KUBECTL = """kubectl() { echo 'kubectl does not work with the simulator; mooring-sim ctl help has what does' >&2; return 1; }
"""


def shell(world):
    say("A shell of your own; exit or Ctrl-D ends everything")
    for command, what in (("mooringctl status --relations", ""), ("mooringctl drift", ""), ("mooringctl why deployment/mlflow-server", ""),
                          ("mooringctl help", "or: man mooringctl"), ("offer NAME", "offers charms/NAME here"),
                          *(() if world.cluster.real else (("mooring-sim ctl delete deployment mlflow mlflow-server", ""),
                                                           ("mooring-sim ctl help", "")))):
        print(f"  {command:<56}{what}".rstrip())
    print(f"  the daemon's log: {world.daemon.log}\n  charms on offer:  {world.daemon.charms}", flush=True)
    text = RC.replace("{build}", str(world.programs.build)).replace("{charms}", str(world.daemon.charms)).replace("{root}", str(ROOT))
    rc = world.file("bashrc", text + ("" if world.cluster.real else NO_KUBECTL))
    subprocess.run(["bash", "--rcfile", str(rc), "-i"], env=shell_environment(world), check=False, cwd=ROOT)


def man_pages(world):
    """Where `man` looks: a folder a section."""
    folder = world.folder / "man"
    for page in ("daemon/mooringd.8", "tools/mooringctl/mooringctl.1", "daemon/charm/worker/mooring-charm.8"):
        place = folder / f"man{page[-1]}"
        if (world.programs.build / page).exists():
            place.mkdir(parents=True, exist_ok=True)
            (place / Path(page).name).unlink(missing_ok=True)
            (place / Path(page).name).symlink_to(world.programs.build / page)
    return folder


def shell_environment(world):
    environment = world.environment() | {"MANPATH": f"{man_pages(world)}:"}
    if world.cluster.real:
        environment["KUBECONFIG"] = str(world.cluster.kubeconfig)
    else:
        environment["MOORING_SIM_CONTROL"] = str(world.cluster.control)
    for name in ("NO_COLOR", "MOORING_MODEL"):      # the only model is chosen by itself, and `switch` works
        environment.pop(name)
    return environment


def keep_running(world):
    env = shell_environment(world)
    say("Everything goes on; in another shell:")
    for name in sorted(env):
        if name.startswith("MOORING_") or name in ("KUBECONFIG", "MANPATH"):
            print(f"  export {name}={env[name]}")
    print(f"  export PATH={world.programs.ctl.parent}:{world.programs.sim.parent}:$PATH")
    print("  source <(mooringctl completion)")
    print(f"\nCtrl-C here, or `kill {os.getpid()}`, ends it.", flush=True)
    signal.pause()


def show(world, options):
    explain(world)
    world.daemon.offers = options.charm or world.daemon.offers
    world.daemon.options = ["--dev"]
    say("A cluster and a model")
    world.daemon.start()
    world.cluster.make_known(world, run_command)
    say("Juju's MLflow bundle, as it is")
    run_command(world, "deploy", BUNDLE)
    print(f"\nall active after {fill_up(world):.1f} s", flush=True)
    break_things(world)
    if options.keep:
        keep_running(world)
    elif not options.no_shell:
        shell(world)


def say_starting():
    if "PEERS_DIR" not in os.environ:
        print("starting etcd, kube-apiserver, controller manager, scheduler and kwok … 15 s", flush=True)


def stop(*_):
    raise KeyboardInterrupt


def main():
    parser = argparse.ArgumentParser(prog="tools/try")
    parser.add_argument("--build", required=True)
    parser.add_argument("--no-shell", action="store_true")
    parser.add_argument("--keep", action="store_true")
    parser.add_argument("--charm", action="append", help="name of a charm to offer")
    parser.add_argument("--real", action="store_true")
    options = parser.parse_args()
    os.chdir(ROOT)
    for number in (signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, stop)
    try:
        if options.real:
            say_starting()
            real.enter_or_become()
        with World(options.build, real.Real if options.real else sim.Sim) as world:
            show(world, options)
            print("ending the daemon and the cluster", flush=True)
    except KeyboardInterrupt:
        print()
        return 130
    except Trouble as trouble:
        print(f"\ntools/try: {trouble}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
