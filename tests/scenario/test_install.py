#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""`meson install` with a DESTDIR: what is where, and that it runs from there. test_install.py --build DIR --source DIR"""
import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

from lib.world import CHARMS, ROOT, Daemon, Programs, Trouble

TESTS = []


def test(title):
    def keep(function):
        TESTS.append((title, function))
        return function
    return keep


def output(*argv):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False, timeout=60)
    if done.returncode:
        raise Trouble(f"{' '.join(map(str, argv))} ended with {done.returncode}: {done.stderr}")
    return done.stdout


class Tree:
    def __init__(self, build):
        self.folder = Path(tempfile.mkdtemp(prefix="mooring-install-"))
        self.folder.chmod(0o755)
        options = json.loads(output("meson", "introspect", "--buildoptions", build))
        prefix = next(o["value"] for o in options if o["name"] == "prefix")
        done = subprocess.run(["meson", "install", "-C", build, "--no-rebuild", "--quiet"], capture_output=True, text=True,
                              check=False, env=os.environ | {"DESTDIR": str(self.folder / "dest")})
        if done.returncode:
            raise Trouble(f"meson install: {done.stdout}{done.stderr}")
        self.prefix, self.root = Path(prefix), self.folder / "dest" / prefix.lstrip("/")

    def has(self, *paths):
        for path in paths:
            if not (self.root / path).exists():
                there = "\n".join(str(p.relative_to(self.root)) for p in sorted(self.root.rglob("*")) if p.is_file())
                raise Trouble(f"no {path} in\n{there}")


@test("daemon, command line and worker are there and say their version")
def _(tree):
    tree.has("sbin/mooringd", "bin/mooringctl", "bin/mooring-charm")
    version = output(tree.root / "sbin" / "mooringd", "--version").split()
    if version[0] != "mooringd":
        raise Trouble(f"mooringd --version says {version}")
    output(tree.root / "bin" / "mooringctl", "help")
    # Where the installed daemon looks for its worker and charms: a name that is built in.
    binary = (tree.root / "sbin" / "mooringd").read_bytes()
    for path in (tree.prefix / "bin" / "mooring-charm", tree.prefix / "lib" / "mooring" / "charms"):
        if str(path).encode() not in binary:
            raise Trouble(f"mooringd does not look into {path}")


@test("the unit starts the installed daemon; its user, groups and folders are declared")
def _(tree):
    tree.has("lib/systemd/system/mooringd.service", "lib/sysusers.d/mooring.conf", "lib/tmpfiles.d/mooring.conf")
    unit = (tree.root / "lib/systemd/system/mooringd.service").read_text()
    if f"ExecStart={tree.prefix}/sbin/mooringd\n" not in unit:
        raise Trouble("the unit starts something else:\n" + unit)
    for call in ("landlock_create_ruleset", "landlock_add_rule", "landlock_restrict_self"):
        if call not in unit:
            raise Trouble(f"the unit's filter lacks {call}: no worker would start")
    users = (tree.root / "lib/sysusers.d/mooring.conf").read_text()
    for name in ("u mooring ", "g mooring-viewer", "g mooring-operator", "g mooring-admin"):
        if name not in users:
            raise Trouble(f"sysusers lacks {name}")


@test("man pages and completion are there")
def _(tree):
    tree.has("share/man/man1/mooringctl.1", "share/man/man8/mooringd.8", "share/man/man8/mooring-charm.8")
    if not list((tree.root / "share/bash-completion/completions").glob("mooringctl*")):
        raise Trouble("no bash completion")
    if ".TH" not in (tree.root / "share/man/man1/mooringctl.1").read_text():
        raise Trouble("mooringctl.1 is no man page")


@test("the installed daemon serves and offers the installed charms")
def _(tree):
    for name in CHARMS:
        parts = [f"{name}.so", "charm.yaml", "README.md"] + ["objects"] * (ROOT / "charms" / name / "objects").is_dir()
        tree.has(*(f"lib/mooring/charms/{name}/{part}" for part in parts))
    programs = Programs(tree.root)
    programs.mooringd, programs.worker = tree.root / "sbin" / "mooringd", tree.root / "bin" / "mooring-charm"
    (tree.folder / "log").mkdir()
    daemon = Daemon(tree.folder, programs)
    daemon.charms = tree.root / "lib" / "mooring" / "charms"
    try:
        daemon.start()
        text = output(tree.root / "bin" / "mooringctl", "charms", "--socket", daemon.socket)
    finally:
        daemon.stop()
    for name in CHARMS:
        if name not in text:
            raise Trouble(f"charm {name} is not offered:\n{text}\n{daemon.tail()}")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    tree, failed = None, 0
    try:
        tree = Tree(parser.parse_args().build)
        for number, (title, function) in enumerate(TESTS, 1):
            try:
                function(tree)
                print(f"ok {number} - {title}")
            except (Trouble, OSError) as trouble:
                failed += 1
                print(f"not ok {number} - {title}\n  {trouble}")
    except Trouble as trouble:
        failed = len(TESTS)
        print(trouble)
    finally:
        if tree:
            shutil.rmtree(tree.folder, ignore_errors=True)
    print(f"{len(TESTS) - failed} passed, {failed} failed")
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
