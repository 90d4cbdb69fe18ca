# SPDX-License-Identifier: Apache-2.0
"""A machine with systemd as process 1, for tests: the root of this one, copy on write, booted by systemd-nspawn.

Nothing written inside is ever seen outside, and the network inside has loopback alone. Needs root and overlayfs."""
import os
import shutil
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "scenario"))
from lib.world import Answer, Trouble, end, until  # noqa: E402

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Impossible(Exception):
    """No such machine can be had here; the text says why."""


def call(*argv):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Impossible(f"{' '.join(map(str, argv))}: {done.stderr.strip()}")


class Machine:
    """with Machine() as m: m.root is its root folder; m.boot() starts it; m.run("systemctl", …) runs inside."""

    def __init__(self):
        self.base = self.process = self.leader = None

    def __enter__(self):
        if os.geteuid():
            raise Impossible("only root may make a machine")
        if not shutil.which("systemd-nspawn"):
            raise Impossible("no systemd-nspawn: tools/setup test")
        self.base = Path(tempfile.mkdtemp(prefix="mooring-machine-", dir="/var/tmp"))
        try:
            self.mount()
        except BaseException:
            self.__exit__()
            raise
        return self

    def mount(self):
        upper, self.root = self.base / "upper", self.base / "root"
        upper.mkdir()
        self.root.mkdir()
        call("mount", "-t", "tmpfs", "tmpfs", upper)
        (upper / "u").mkdir()
        (upper / "w").mkdir()
        call("mount", "-t", "overlay", "overlay", "-o", f"lowerdir=/,upperdir={upper}/u,workdir={upper}/w", self.root)
        for enabled in (self.root / "etc/systemd/system").glob("*.wants/*"):
            enabled.unlink()            # the machine's own services stay out of it

    def boot(self):
        # Where there is no systemd outside, nobody could make a scope for it.
        scope = [] if Path("/run/systemd/system").exists() else ["--keep-unit"]
        # Calls that nspawn keeps from containers, and a machine's systemd does not.
        calls = "--system-call-filter=landlock_create_ruleset landlock_add_rule landlock_restrict_self seccomp"
        with open(self.base / "console", "wb") as console:
            self.process = subprocess.Popen(
                ["systemd-nspawn", "--quiet", "--register=no", *scope, calls, "--private-network", "-D", str(self.root), "--boot",
                 "systemd.unit=basic.target"], stdin=subprocess.DEVNULL, stdout=console, stderr=console)
        until(self.is_up, "the machine to boot")

    def is_up(self):
        if self.process.poll() is not None:
            raise Impossible(f"systemd-nspawn ended with {self.process.returncode}:\n{(self.base / 'console').read_text(errors='replace')}")
        self.leader = self.leader or self.find_leader()
        return self.leader and self.run("systemctl", "is-active", "basic.target").code == 0

    def find_leader(self):
        """Process 1 of the machine, by its number outside."""
        waiting = [self.process.pid]
        while waiting:
            pid = waiting.pop()
            try:
                status = Path(f"/proc/{pid}/status").read_text()
                if "NSpid:\t" in status and status.split("NSpid:\t")[1].split("\n")[0].split()[1:] == ["1"]:
                    return pid
                waiting += map(int, Path(f"/proc/{pid}/task/{pid}/children").read_text().split())
            except OSError:
                pass
        return None

    def run(self, *argv, stdin="", seconds=120):
        """A command inside, as root."""
        argv = [str(a) for a in argv]
        try:
            done = subprocess.run(["nsenter", "--target", str(self.leader), "--all", "--", *argv], input=stdin, text=True, errors="replace",
                                  capture_output=True, check=False, timeout=seconds, env={"PATH": PATH, "HOME": "/root", "LANG": "C.UTF-8"})
        except subprocess.TimeoutExpired:
            raise Trouble(f"{' '.join(argv)} did not end within {seconds} s") from None
        return Answer(argv, done.returncode, done.stdout, done.stderr)

    def spawn(self, *argv):
        """A program inside that runs until the machine ends."""
        return self.run("systemd-run", "--quiet", "--collect", *argv).ok()

    def __exit__(self, *_):
        if self.process and self.process.poll() is None:
            if self.leader:
                self.run("systemctl", "poweroff", "--force")
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                end(self.process, signal.SIGKILL)
        for mounted in ("root", "upper"):
            subprocess.run(["umount", "--lazy", str(self.base / mounted)], capture_output=True, check=False)
        shutil.rmtree(self.base, ignore_errors=True)
