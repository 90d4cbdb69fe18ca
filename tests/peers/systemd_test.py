#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""The unit under a systemd that is process 1: systemd_test.py BUILD

Makes a release build beside BUILD (the unit's filters and sanitizers exclude each other), installs it into a machine of
machine.py as docs/operating.md says, and does there what that page says: start, groups and roles, reload, the key as a credential,
backup and restore, another release, a full disk, a cluster that is gone for good. Where no such machine can be made it is skipped with the reason, which
CI calls a failure."""
import itertools
import json
import os
import shutil
import signal
import sqlite3
import subprocess
import sys
import traceback
from contextlib import closing
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parent))
from machine import Impossible, Machine, Trouble, until  # noqa: E402

ROOT = Path(__file__).resolve().parents[2]
SKIPPED = 77
EXPOSURE_MAX = 20               # tenths of what systemd-analyze calls the exposure; 0 is none, 96 a service without any line
TESTS = []


def test(title):
    def keep(function):
        TESTS.append((title, function))
        return function
    return keep


# ---- a release build, and what of it is installed

def release(build):
    folder = build / "release"          # of what a compiler can do to it nothing is looked at here: the least takes a minute less
    if not (folder / "build.ninja").exists():
        output("meson", "setup", folder, ROOT, "--buildtype=release", "--optimization=1", "--prefix=/usr", "--sysconfdir=/etc")
    output("ninja", "-C", folder, "build.ninja")        # an older folder knows older targets
    targets = json.loads(output("meson", "introspect", "--targets", folder))
    wanted = [path for t in targets if t["installed"] or t["name"] in ("mooring-sim", "mooringd-next") for path in t["filename"]]
    output("ninja", "-C", folder, *(os.path.relpath(path, folder) for path in wanted))
    return folder


def output(*argv):
    done = subprocess.run([str(a) for a in argv], capture_output=True, text=True, check=False)
    if done.returncode:
        raise Trouble(f"{' '.join(map(str, argv))} ended with {done.returncode}:\n{done.stdout[-3000:]}{done.stderr[-3000:]}")
    return done.stdout


def install(folder, machine):
    for path in ("var/lib/mooring", "etc/mooring"):
        shutil.rmtree(machine.root / path, ignore_errors=True)
    output("meson", "install", "-C", folder, "--no-rebuild", "--destdir", machine.root)
    shutil.copy(folder / "tools/mooring-sim/mooring-sim", machine.root / "usr/bin")
    shutil.copy(folder / "tests/scenario/mooringd-next", machine.root / "root/next")
    shutil.copy(machine.root / "usr/sbin/mooringd", machine.root / "root/this")
    shutil.copy(ROOT / "examples/bundle-mlflow.yaml", machine.root / "root/bundle.yaml")
    for command in ("systemd-sysusers", "systemd-tmpfiles --create", "systemctl daemon-reload", "systemctl enable --now mooringd"):
        machine.run(*command.split()).ok()


# ---- words

def show(m, name):
    return m.run("systemctl", "show", "--property", name, "--value", "mooringd").ok().out.strip()


def pid(m):
    return int(show(m, "MainPID"))


def events(m, name):
    """Entries of the journal with that MOORING_EVENT."""
    lines = m.run("journalctl", "--unit", "mooringd", "--output", "json", f"MOORING_EVENT={name}").ok().out.splitlines()
    return [json.loads(line) for line in lines]


def drop_in(m, text):
    """What `systemctl edit mooringd` would write; "" takes it away."""
    folder = m.root / "etc/systemd/system/mooringd.service.d"
    shutil.rmtree(folder, ignore_errors=True)
    if text:
        folder.mkdir(parents=True)
        (folder / "override.conf").write_text(f"[Service]\n{text}\n")
    m.run("systemctl", "daemon-reload").ok()


def serves(m):
    return m.run("mooringctl", "version").code == 0 and show(m, "ActiveState") == "active"


def restarted(m, before):
    until(lambda: serves(m) and pid(m) not in (0, before), "systemd to start the daemon again")


def nothing_to_do(m, application):
    """Until the cluster has what the daemon wants for it. (The database cannot be reached here.)"""
    until(lambda: m.run("mooringctl", "--model", "mlflow", "plan", application, "--exit-code").code == 0, "the plan to be empty")


# ---- tests

@test("the unit starts the daemon as the user mooring, and is active when the daemon serves")
def _(m):
    if (show(m, "Type"), show(m, "ActiveState"), show(m, "UnitFileState")) != ("notify", "active", "enabled"):
        raise Trouble("it is not enabled, or active before it says that it is ready")
    m.run("mooringctl", "whoami").ok().says("root", "admin")
    status = m.run("cat", f"/proc/{pid(m)}/status").ok().out
    uid = m.run("id", "--user", "mooring").ok().out.strip()
    for line in (f"Uid:\t{uid}\t{uid}\t{uid}\t{uid}", "NoNewPrivs:\t1", "CapEff:\t0000000000000000", "Seccomp:\t2"):
        if line not in status:
            raise Trouble(f"no {line!r} in the daemon's status:\n{status}")
    found = m.run("stat", "--format", "%n %U %G %a", "/var/lib/mooring", "/var/lib/mooring/key", "/var/lib/mooring/model.db",
                  "/run/mooring/admin.sock", "/etc/mooring/mooringd.yaml").ok().out.splitlines()
    wanted = ["/var/lib/mooring mooring mooring 700", "/var/lib/mooring/key mooring mooring 600", "/var/lib/mooring/model.db mooring mooring 600"]
    if found[:3] != wanted or not found[4].startswith("/etc/mooring/mooringd.yaml root root"):
        raise Trouble(f"owners and modes are {found}")
    if len(events(m, "ready")) != 1 or "PRIORITY" not in events(m, "ready")[0]:
        raise Trouble("the journal has no line ready with fields")


@test("under the unit's filters charms are planned in their sandbox and the cluster is reached")
def _(m):
    m.spawn("--unit=simulator", "mooring-sim", "--kubeconfig", "/root/kubeconfig", "--state", "/root/sim.state")
    until(lambda: (m.root / "root/kubeconfig").exists(), "the simulator")
    m.run("mooringctl", "add-cluster", "sim", "--kubeconfig", "/root/kubeconfig").ok()
    m.run("mooringctl", "add-model", "mlflow", "--cluster", "sim").ok()
    m.run("mooringctl", "deploy", "/root/bundle.yaml").ok()

    def there():
        rows = json.loads(m.run("mooringctl", "resources", "--format", "json").ok().out)["resources"]
        return sum(r["type"] == "StatefulSet.apps" and r["ready"] for r in rows) == 2
    until(there, "both StatefulSets to be ready")

    def filters(process):
        status = m.run("cat", f"/proc/{process}/status").ok().out
        return int(status.split("Seccomp_filters:\t")[1].split()[0])
    for worker in m.run("pgrep", "--parent", pid(m)).ok().out.split():
        if filters(worker) <= filters(pid(m)):
            raise Trouble(f"worker {worker} has no filter of its own")


@test("who is in no group is refused; each group may do what its role says")
def _(m):
    for name, group in (("nobodys", None), ("alice", "mooring-viewer"), ("bob", "mooring-operator"), ("carol", "mooring-admin")):
        m.run("useradd", "--no-create-home", name).ok()
        if group:
            m.run("usermod", "-aG", group, name).ok()

    def ask(name, *words):
        return m.run("runuser", "--user", name, "--", "mooringctl", "--model", "mlflow", *words)
    ask("nobodys", "status").refused()
    ask("alice", "status").ok()
    ask("alice", "whoami").ok().says("viewer")
    ask("alice", "pause", "mlflow-server", "--reason", "test").refused("operator")
    ask("bob", "pause", "mlflow-server", "--reason", "test").ok()
    ask("bob", "unpause", "mlflow-server").ok()
    ask("bob", "config", "mlflow-server", "mlflow_port=5050").refused("admin")
    ask("carol", "config", "mlflow-server", "mlflow_port=5050").ok()
    ask("carol", "secrets").ok()


@test("reload reads the options again; a file with a mistake changes nothing")
def _(m):
    before, file = pid(m), m.root / "etc/mooring/mooringd.yaml"
    text = file.read_text()

    def reload(more, level, *words):
        known = len(events(m, "reload"))
        file.write_text(text + more)
        m.run("systemctl", "reload", "mooringd").ok()
        until(lambda: len(events(m, "reload")) > known, "the line reload")
        line = events(m, "reload")[-1]
        if line["PRIORITY"] != level or not all(word in line["MESSAGE"] for word in words):
            raise Trouble(f"reload said: {line['PRIORITY']} {line['MESSAGE']}")
    reload("log-level: debug\npoll-period: 20s\n", "5", "log-level", "poll-period", "restart")
    reload("log-levle: debug\n", "3", "nothing is changed", "log-levle")
    reload("", "5", "log-level")
    if pid(m) != before or not serves(m):
        raise Trouble("it is another daemon, or serves no more")


@test("the unit leaves little that an attacker could reach")
def _(m):
    exposure = m.run("systemd-analyze", "security", "--no-pager", f"--threshold={EXPOSURE_MAX}", "mooringd").ok().out
    print("#", exposure.splitlines()[-1])


@test("killed, it starts again where it was; there is never a core")
def _(m):
    for number in ("SIGKILL", "SIGABRT"):
        before = pid(m)
        m.run("systemctl", "kill", "--signal", number, "--kill-whom", "main", "mooringd").ok()
        restarted(m, before)
    m.run("mooringctl", "status", "--model", "mlflow").ok().says("mlflow-server")
    limit = [line.split()[-3:-1] for line in m.run("cat", f"/proc/{pid(m)}/limits").ok().out.splitlines() if line.startswith("Max core file")]
    if limit != [["0", "0"]]:
        raise Trouble(f"its core may have {limit} bytes")


@test("a daemon that hangs is ended by the watchdog and starts again")
def _(m):
    drop_in(m, "WatchdogSec=2\nTimeoutAbortSec=1")      # the unit's half a minute is long for a test
    m.run("systemctl", "restart", "mooringd").ok()
    before = pid(m)
    m.run("kill", "-STOP", before).ok()
    restarted(m, before)
    m.run("journalctl", "--unit", "mooringd").ok().says("Watchdog timeout")
    drop_in(m, "")
    m.run("systemctl", "restart", "mooringd").ok()


@test("the audit is compared with the heads that the journal has of this unit, and a cut tail is found by them")
def _(m):
    m.run("mooringctl", "model-config", "--model", "mlflow", "image-registry=registry.example", "--reason", "a trial").ok()
    m.run("mooringctl", "model-config", "--model", "mlflow", "--reset", "image-registry").ok()
    m.run("systemctl", "restart", "mooringd").ok()      # its end and its start tell a head
    good = m.run("mooringctl", "audit", "verify").ok()
    if "compared with" not in good.err or "no head" in good.err:
        raise Trouble(f"it was compared with nothing: {good.err}")
    state = m.root / "var/lib/mooring/model.db"
    m.run("systemctl", "stop", "mooringd").ok()
    whole = state.read_bytes()
    with closing(sqlite3.connect(state)) as db, db:
        db.execute("DELETE FROM audit WHERE id > (SELECT max(id) - 2 FROM audit)")
    m.run("chown", "mooring:", "/var/lib/mooring/model.db").ok()
    m.run("systemctl", "start", "mooringd").ok()
    cut = m.run("mooringctl", "audit", "verify")
    if cut.code != 7:
        raise Trouble(f"rows were cut off the end, and verify ended with {cut.code}: {cut.out}{cut.err}")
    m.run("systemctl", "stop", "mooringd").ok()
    for name in ("model.db-wal", "model.db-shm"):
        (state.parent / name).unlink(missing_ok=True)
    state.write_bytes(whole)
    m.run("systemctl", "start", "mooringd").ok()


def revealed(m):
    """The value of a secret, which only opens with the right key."""
    secret = json.loads(m.run("mooringctl", "secrets", "--model", "mlflow", "--format", "json").ok().out)["secrets"][0]["id"]
    return m.run("mooringctl", "show-secret", secret, "--model", "mlflow", "--reveal").ok().out


@test("the key as a systemd credential, plain or encrypted, apart from the state folder")
def _(m):
    value, key = revealed(m), "/var/lib/mooring/key"
    m.run("mkdir", "--parents", "--mode=700", "/etc/credstore.encrypted").ok()
    m.run("systemd-creds", "encrypt", "--name=mooring-key", key, "/etc/credstore.encrypted/mooring-key").ok()
    m.run("mv", key, "/root/key").ok()
    for line in ("LoadCredential=mooring-key:/root/key", "LoadCredentialEncrypted=mooring-key"):
        drop_in(m, line)
        m.run("systemctl", "restart", "mooringd").ok()
        if revealed(m) != value:
            raise Trouble(f"{line}: the secret has another value")
        if (m.root / key[1:]).exists():
            raise Trouble(f"{line}: a key was made beside the credential")


def rotated(m, first, second):
    """Starts with both keys in the credential; over when all is sealed with the first, which is enough from then on."""
    known = len(events(m, "key"))
    (m.root / "root/both").write_bytes(first + second)
    drop_in(m, "LoadCredential=mooring-key:/root/both")
    m.run("systemctl", "restart", "mooringd").ok()
    until(lambda: any("all is sealed with the first key" in e["MESSAGE"] for e in events(m, "key")[known:]), "all to be sealed anew")


@test("a new key before the old one in the credential: all is sealed with it, and then it opens all by itself")
def _(m):
    value, old, new = revealed(m), (m.root / "root/key").read_bytes(), os.urandom(32)
    rotated(m, new, old)
    (m.root / "root/new").write_bytes(new)
    drop_in(m, "LoadCredential=mooring-key:/root/new")
    m.run("systemctl", "restart", "mooringd").ok()
    if revealed(m) != value:
        raise Trouble("the secret has another value")
    rotated(m, old, new)
    drop_in(m, "LoadCredentialEncrypted=mooring-key")
    m.run("systemctl", "restart", "mooringd").ok()
    if revealed(m) != value:
        raise Trouble("the secret has another value after the way back")


@test("without its key, or with another one, it refuses to start and changes nothing; with it, all is there")
def _(m):
    m.run("systemctl", "stop", "mooringd").ok()
    before = m.run("sha256sum", "/var/lib/mooring/model.db").ok().out
    (m.root / "root/other").write_bytes(os.urandom(32))
    for line in ("", "LoadCredential=mooring-key:/root/other"):
        known = len(events(m, "start"))
        drop_in(m, line)
        m.run("systemctl", "start", "mooringd").refused()
        m.run("systemctl", "stop", "mooringd").ok()
        m.run("systemctl", "reset-failed", "mooringd").ok()
        said = [e["MESSAGE"] for e in events(m, "start")][known:]
        if not said or "key" not in said[0]:
            raise Trouble(f"{line}: it does not say why: {said}")
        if m.run("sha256sum", "/var/lib/mooring/model.db").ok().out != before or (m.root / "var/lib/mooring/key").exists():
            raise Trouble(f"{line}: the state folder was changed")
    drop_in(m, "LoadCredentialEncrypted=mooring-key")
    m.run("systemctl", "start", "mooringd").ok()
    m.run("mooringctl", "status", "--model", "mlflow").ok().says("mlflow-server")


@test("a backup that was made while it ran, restored: what was commanded since is gone, what was there before is there")
def _(m):
    def port():
        return m.run("mooringctl", "--model", "mlflow", "config", "mlflow-server", "mlflow_port").ok().out.strip()
    before, value = port(), revealed(m)
    m.run("sqlite3", "/var/lib/mooring/model.db", ".backup /root/model.db").ok()
    m.run("mooringctl", "--model", "mlflow", "config", "mlflow-server", "mlflow_port=5999").ok()
    m.run("systemctl", "stop", "mooringd").ok()
    m.run("sh", "-c", "rm -f /var/lib/mooring/model.db-wal /var/lib/mooring/model.db-shm").ok()
    m.run("cp", "/root/model.db", "/var/lib/mooring/model.db").ok()
    m.run("systemctl", "start", "mooringd").ok()
    if (port(), revealed(m)) != (before, value):
        raise Trouble(f"the port is {port()}, was {before}; or the secret has another value")
    nothing_to_do(m, "mlflow-server")


def replace(m, release, dies=None):
    """As a package does it: the daemon runs on. The next release has one migration more (tests/scenario/next-release.c)."""
    program = m.root / "usr/sbin/mooringd"
    (m.root / "usr/sbin/mooringd.sql").write_text("CREATE TABLE next_release (id INTEGER PRIMARY KEY) STRICT\n")
    (m.root / "usr/sbin/mooringd.dies").unlink(missing_ok=True)
    if dies is not None:
        (m.root / "usr/sbin/mooringd.dies").write_text(str(dies))
    fresh = program.with_suffix(".dpkg-new")
    shutil.copy(m.root / "root" / release, fresh)
    fresh.chmod(0o755)
    os.rename(fresh, program)


def upgrade(m):
    return m.run("mooringctl", "upgrade-controller", "--passphrase-file", "/root/passphrase")


def upgrade_json(m):
    return json.loads(m.run("curl", "--silent", "--unix-socket", "/run/mooring/admin.sock", "http://mooring/v1/upgrade").ok().out)


@test("another release takes over under the unit: the same process, watched as before; one that crashes gives its place back")
def _(m):
    m.run("systemctl", "stop", "mooringd").ok()
    m.run("cp", "--archive", "/var/lib/mooring", "/root/before").ok()
    drop_in(m, "LoadCredentialEncrypted=mooring-key\nWatchdogSec=5\nTimeoutAbortSec=1")
    m.run("systemctl", "reset-failed", "mooringd")
    m.run("systemctl", "start", "mooringd").ok()
    (m.root / "root/passphrase").write_text("a long passphrase, kept apart\n")
    (m.root / "root/passphrase").chmod(0o600)
    value, before, watchdog = revealed(m), pid(m), show(m, "WatchdogUSec")
    replace(m, "next")
    upgrade(m).ok()
    taken = upgrade_json(m)
    if (pid(m), show(m, "NRestarts"), show(m, "ActiveState"), revealed(m)) != (before, "0", "active", value) or taken["known"] != taken["schema"]:
        raise Trouble(f"it is another process, or not the next release: {pid(m)}, was {before}; {taken}")
    status = m.run("cat", f"/proc/{before}/status").ok().out
    if "NoNewPrivs:\t1" not in status or "CapEff:\t0000000000000000" not in status or "Seccomp:\t2" not in status:
        raise Trouble(f"it runs without the unit's filters:\n{status}")
    until(lambda: show(m, "WatchdogUSec") == watchdog, "the watchdog to be as before")
    m.run("kill", "-STOP", before).ok()
    restarted(m, before)
    m.run("systemctl", "reset-failed", "mooringd")

    replace(m, "next", dies=0)
    upgrade(m).refused("was started 3 times", "serves again")
    given = m.run("readlink", f"/proc/{pid(m)}/exe").ok().out.strip()
    if given != "/var/lib/mooring/release-before/mooringd" or show(m, "ActiveState") != "active" or revealed(m) != value:
        raise Trouble(f"{given} runs, {show(m, 'ActiveState')}")
    nothing_to_do(m, "mlflow-server")               # which its workers plan
    m.run("systemctl", "stop", "mooringd").ok()
    replace(m, "this")
    m.run("rm", "--recursive", "/var/lib/mooring").ok()
    m.run("mv", "/root/before", "/var/lib/mooring").ok()
    drop_in(m, "LoadCredentialEncrypted=mooring-key")
    m.run("systemctl", "reset-failed", "mooringd")
    m.run("systemctl", "start", "mooringd").ok()


@test("a full disk: commands are refused with the reason, watching goes on; with room it writes again by itself")
def _(m):
    m.run("systemctl", "stop", "mooringd").ok()
    m.run("cp", "--archive", "/var/lib/mooring", "/root/state").ok()
    m.run("mount", "-t", "tmpfs", "-o", "size=8M", "tmpfs", "/var/lib/mooring").ok()
    m.run("cp", "--archive", "/root/state/.", "/var/lib/mooring").ok()
    m.run("systemctl", "start", "mooringd").ok()
    m.run("sh", "-c", "cat /dev/zero > /var/lib/mooring/filler; true")

    def change(number):
        return m.run("mooringctl", "--model", "mlflow", "config", "mlflow-server", f"mlflow_port={number}")
    numbers = itertools.count(5051)
    until(lambda: change(next(numbers)).code, "a command to be refused")
    change(next(numbers)).refused("disk")
    m.run("mooringctl", "--model", "mlflow", "status").ok().says("mlflow-server")
    if not events(m, "read-only"):
        raise Trouble("the journal does not say read-only")
    m.run("systemctl", "restart", "mooringd").ok()          # also where somebody starts it again
    m.run("mooringctl", "--model", "mlflow", "status").ok().says("mlflow-server")
    until(lambda: change(next(numbers)).code, "a command to be refused again: its end gave the room of the log back")
    change(next(numbers)).refused("disk")
    m.run("rm", "/var/lib/mooring/filler").ok()
    until(lambda: change(6061).code == 0, "a command to be taken again")
    until(lambda: events(m, "writable"), "the journal to say writable")
    m.run("mooringctl", "--model", "mlflow", "config", "mlflow-server", "mlflow_port").ok().says("6061")


@test("a cluster that is gone for good: its model and it are removed by --force, and only so")
def _(m):
    m.run("systemctl", "stop", "simulator").ok()
    until(lambda: "cannot be read" in m.run("mooringctl", "status", "--model", "mlflow").out, "status to say so")
    m.run("mooringctl", "remove-cluster", "sim").refused("mlflow")
    m.run("mooringctl", "remove-model", "mlflow", "--force").ok()
    until(lambda: "mlflow" not in m.run("mooringctl", "models").out, "the model to be gone")
    m.run("mooringctl", "remove-cluster", "sim", "--force").ok()
    until(lambda: "sim" not in m.run("mooringctl", "clusters").out, "the cluster to be gone")


def main():
    build = Path(sys.argv[1]).resolve()
    signal.signal(signal.SIGTERM, lambda *_: sys.exit("ended by a signal"))     # and the machine with it
    try:
        with Machine() as machine:
            folder = release(build)
            machine.boot()
            install(folder, machine)
            return run(machine)
    except Impossible as why:
        print(f"skipped: {why}")
        return SKIPPED


def run(machine):
    print(f"1..{len(TESTS)}")
    for number, (title, function) in enumerate(TESTS, 1):
        try:
            function(machine)
        except (Trouble, OSError, LookupError, ValueError) as trouble:
            text = str(trouble) if isinstance(trouble, Trouble) else traceback.format_exc()
            print(f"not ok {number} - {title}\n{text}")
            print(machine.run("journalctl", "--no-pager", "--lines", "60").out)
            return 1            # the next one stands on this one
        print(f"ok {number} - {title}", flush=True)
    return 0


sys.exit(main())
