#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Charms that come, change and go while the daemon runs, and options that it reads again."""
import json
import os
import shutil
import signal

from lib.runner import SIMULATED, main, test
from lib.world import Trouble, until


def pinned(world, app):
    return json.loads(world.ctl("show-application", app, "--format", "json").ok().out)[app]["charm-sha256"]


@test("an application whose charm is installed later runs by itself", seldom=SIMULATED, fresh=True)
def _(world):
    away = world.folder / "away"
    os.rename(world.daemon.charms / "minio", away)
    world.ctl("deploy", "minio", "store").refused("no charm module", "--force takes it all the same", code=1)
    world.ctl("deploy", "minio", "store", "--force").ok()
    world.wait_status("store", "blocked", "no charm module")
    os.rename(away, world.daemon.charms / "minio")
    world.wait_status("store", "active")
    broken = world.daemon.charms / "broken"
    broken.mkdir()
    (broken / "charm.yaml").write_text("name: broken\n")
    said = f"charm-scan: charm folder {broken} is refused: "
    world.wait_for("the log to name a folder that cannot be used", lambda: said in world.daemon.log.read_text())


@test("status says that another content of a charm is on offer, and refresh goes over to it and back", fresh=True)
def _(world):
    world.ctl("deploy", "minio", "store").ok()
    world.wait_active()
    before, service = pinned(world, "store"), world.daemon.charms / "minio" / "objects" / "service.yaml"
    old = service.read_text()
    service.write_text(old + "# another content\n")
    world.wait_status("store", "active", "upgrade available")
    said = world.ctl("refresh", "store", "--dry-run").ok()
    if "would change no object" not in said.out + said.err:
        raise Trouble(f"a comment in a template changes an object: {said.out + said.err!r}")
    service.write_text(old.replace("metadata:", "metadata:\n  annotations: {example.org/new: there}", 1))
    said = world.ctl("refresh", "store", "--dry-run").ok()
    if "change Service" not in said.out + said.err or "change StatefulSet" in said.out + said.err:
        raise Trouble(f"refresh does not say which objects would change: {said.out + said.err!r}")
    service.write_text(old + "# another content\n")
    if pinned(world, "store") != before:
        raise Trouble("a dry run changed the charm")
    world.ctl("refresh", "store", "--revision", "99").refused("no revision 99", code=1)
    world.ctl("refresh", "nobody").refused("nobody", code=1)
    world.ctl("refresh", "store").ok()
    world.wait_active()
    if pinned(world, "store") == before or "upgrade available" in world.ctl("status").out:
        raise Trouble("the application has the old content still")
    said = world.ctl("refresh", "store").ok()
    if "already" not in said.out + said.err:
        raise Trouble(f"a refresh to what it has says {said.out + said.err!r}")
    service.write_text(old)
    world.ctl("refresh", "store").ok()
    if pinned(world, "store") != before:
        raise Trouble("the way back leads elsewhere")
    world.wait_active()


def patched(world, name, change):
    """Another content of a charm whose module is CHANGEd (bytes in, bytes out); puts the old one back with no CHANGE."""
    module = world.daemon.charms / name / f"{name}.so"
    old = module.read_bytes()
    new = change(old)
    if new == old:
        raise Trouble(f"{module} is not changed")
    fresh = module.with_suffix(".new")
    fresh.write_bytes(new)
    fresh.chmod(0o644)
    os.rename(fresh, module)
    return lambda: module.write_bytes(old)


def symbol_of(data, name):
    """Where in an ELF file the entry of a dynamic symbol lies, and where its value does."""
    word, half, long = (lambda at, size=size: int.from_bytes(data[at:at + size], "little") for size in (4, 2, 8))
    sections = [long(0x28) + i * half(0x3a) for i in range(half(0x3c))]
    dynsym = next(s for s in sections if word(s + 4) == 11)
    names = long(sections[word(dynsym + 40)] + 24)
    for entry in range(long(dynsym + 24), long(dynsym + 24) + long(dynsym + 32), 24):
        at = names + word(entry)
        if data[at:at + len(name) + 1] == name + b"\0":
            value = long(entry + 8)
            loads = [long(0x20) + i * half(0x36) for i in range(half(0x38))]
            head = next(h for h in loads if word(h) == 1 and long(h + 16) <= value < long(h + 16) + long(h + 32))
            return entry, long(head + 8) + value - long(head + 16)
    raise Trouble(f"no symbol {name}")


def other_abi(data):
    _, at = symbol_of(data, b"charm")
    return data[:at] + (99).to_bytes(4, "little") + data[at + 4:]


def no_symbol(data):
    # the entry gets the name "harm": the text itself may be the end of a longer name too, where the linker merges them
    entry, _ = symbol_of(data, b"charm")
    name = int.from_bytes(data[entry:entry + 4], "little") + 1
    return data[:entry] + name.to_bytes(4, "little") + data[entry + 4:]


@test("refresh refuses a module of another ABI, without its symbol, or that is none, before anything is changed", fresh=True)
def _(world):
    world.ctl("deploy", "minio", "store").ok()
    world.wait_active()
    before = pinned(world, "store")
    for change, said in ((other_abi, "built for ABI 99, this is ABI 1: build it again"),
                         (no_symbol, 'exports no symbol "charm"'),
                         (lambda data: b"not an ELF file", "cannot be loaded"), (lambda data: data[:4096], "ended without a word")):
        restore = patched(world, "minio", change)
        for words in ((), ("--dry-run",)):
            world.ctl("refresh", "store", *words).refused("the module in", "does not load", said, code=1)
        restore()
    if pinned(world, "store") != before:
        raise Trouble("a refused refresh changed the content")
    world.ctl("config", "store", "port=9002").ok()
    world.wait_active()


@test("refresh --dry-run asks both contents with the same view, and tells what else their plans differ in", fresh=True)
def _(world):
    world.ctl("deploy", "sealed").ok()
    world.wait_active()
    patched(world, "sealed", lambda data: data.replace(b"admin\0", b"owner\0"))
    secret = world.daemon.charms / "sealed" / "objects" / "secret.yaml"
    secret.write_text(secret.read_text().replace("secret.admin.", "secret.owner."))
    said = world.ctl("refresh", "sealed", "--dry-run").ok()
    for part in ("ask for a new secret owner/password", "ask no more for the secret admin/password", "change Secret"):
        if part not in said.out + said.err:
            raise Trouble(f"it does not say {part!r}: {said.out + said.err}")
    world.ctl("show-secret", "sealed/admin/password").ok()
    world.ctl("refresh", "sealed").ok()
    world.wait_active()
    world.ctl("show-secret", "sealed/owner/password").ok()


@test("copies of charms that no application is pinned to go with the next start, the others stay", fresh=True,
      real="it is the daemon's own folder")
def _(world):
    world.ctl("deploy", "minio", "store").ok()
    world.wait_active()
    copies = world.daemon.state / "charms"
    used, unused, young = copies / pinned(world, "store"), copies / ("ab" * 32), copies / ("cd" * 32)
    world.daemon.stop()
    for copy in (unused, young):
        shutil.copytree(used, copy)
    for copy in (used, unused):
        os.utime(copy, (1000000000, 1000000000))
    world.daemon.start()
    until(lambda: not unused.exists(), "the end of a copy that nobody is pinned to")
    if not used.exists() or not young.exists():
        raise Trouble(f"removed what is in use, or may be soon: {sorted(copies.iterdir())}")
    world.ctl("config", "store", "port=9002").ok()
    world.wait_active()


@test("SIGHUP reads the options again that may change, names the others, and a broken file changes nothing", fresh=True)
def _(world):
    config = world.file("mooringd.yaml", "log-level: notice\n")
    world.daemon.stop()
    world.daemon.options = ["--config", str(config)]
    world.daemon.start()

    def reload(text, *said):
        config.write_text(text)
        at = len(world.daemon.log.read_text())
        world.daemon.process.send_signal(signal.SIGHUP)
        world.wait_for(f"the log to say {said}", lambda: all(part in world.daemon.log.read_text()[at:] for part in said))
    reload("log-level: debug\noperations: 7\n", "log-level", "operations (needs a restart)")
    reload("log-levle: debug\n", "nothing is changed", "log-levle")
    reload("exec-plugin: [relative/path]\n", "nothing is changed", "exec-plugin: must be an absolute path")
    reload("token-folder: [/nonexistent]\nviewer-group: nosuchgroup\n", "token-folder: /nonexistent: No such file", 'no group "nosuchgroup"')
    reload("log-level: notice\noperations: 7\n", "log-level")
    world.ctl("whoami").ok()


if __name__ == "__main__":
    main()
