"""Which pods are real: the table of known images.

The last component of an image's name decides (docker.io/library/mysql:8.0@sha256:… is "mysql"), so a
rewritten registry changes nothing.  The annotation peers.mooring.test/run-by: kwok on a pod takes it
out again, for tests that want a thousand of them."""
import re
from pathlib import Path

from . import paths

RUN_BY = "peers.mooring.test/run-by"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
CACHE_INSIDE = "/opt/.peers"
GENERIC = "mooring.test/process"        # a program of this machine: command and args as they are
KNOWN = {
    "mysql": "mysql", "mariadb": "mysql", "charmed-mysql": "mysql",
    "minio": "minio",
    "mlflow": "mlflow",
    "postgres": "postgres", "postgresql": "postgres", "charmed-postgresql": "postgres",
}
# one expression for podd and for kwok's jq: RE2, Python and Oniguruma read it alike
PATTERN = f"^({re.escape(GENERIC)}[^/]*|(.*/)?({'|'.join(KNOWN)})([:@].*)?)$"
_known = re.compile(PATTERN)


def kind(image):
    """The name of the image's program ("mysql", …, "process"), or None."""
    if not _known.match(image):
        return None
    if image.startswith(GENERIC):
        return "process"
    return KNOWN[re.split("[:@]", image.rsplit("/", 1)[-1])[0]]


def is_real(pod):
    """Is this pod podd's?  One known image in it is enough."""
    if (pod["metadata"].get("annotations") or {}).get(RUN_BY) == "kwok":
        return False
    return any(kind(c.get("image", "")) for c in pod["spec"]["containers"])


def kwok_excludes():
    """is_real, said in jq for kwok's stages."""
    wanted = PATTERN.replace("\\", "\\\\")
    return [{"key": f'select((.metadata.annotations["{RUN_BY}"] // "") != "kwok") | '
                    f'.spec.containers.[].image | select(test("{wanted}"))', "operator": "DoesNotExist"}]


class Image:
    """What a container finds of its image besides /usr: programs, folders, users, defaults.

    `shims` are laid over the bin folders; `folders` are (path, owner, mode); `files` are (file beside
    the shims, path in the container)."""

    def __init__(self, name, cmd, users=(), folders=(), files=(), env=()):
        self.name = name
        here = Path(__file__).resolve().parent / "images.d" / name
        self.shims = str(here / "bin") if here.is_dir() else None
        self.entrypoint = ["docker-entrypoint.sh"] if (here / "bin" / "docker-entrypoint.sh").exists() else []
        self.cmd = list(cmd)
        self.users = dict(users)
        self.folders = list(folders)
        self.files = [(str(here / source), target) for source, target in files]
        self.env = dict({"PATH": PATH}, **dict(env))


IMAGES = {
    "mysql": Image("mysql", ["mysqld"], {"mysql": 999}, [
        ("/var/lib/mysql", 999, 0o1777), ("/run/mysqld", 999, 0o1777), ("/var/lib/mysql-files", 999, 0o750),
        ("/etc/mysql/conf.d", 0, 0o755), ("/docker-entrypoint-initdb.d", 0, 0o755)],
        [("my.cnf", "/etc/my.cnf")], {"MYSQL_MAJOR": "8.0", "MYSQL_VERSION": "8.0.36-1.el8"}),
    "minio": Image("minio", ["minio"], {}, [("/data", 0, 0o755)], env={
        "MINIO_ROOT_USER_FILE": "access_key", "MINIO_ROOT_PASSWORD_FILE": "secret_key",
        "MINIO_UPDATE_MINISIGN_PUBKEY": "", "MINIO_CONFIG_ENV_FILE": "config.env"}),
    # One worker process instead of the program's four: most of a start is importing, once in each.
    "mlflow": Image("mlflow", ["python3"], {"ubuntu": 584792}, [("/mlflow", 584792, 0o755)], env={"MLFLOW_WORKERS": "1"}),
    "postgres": Image("postgres", ["postgres"], {"postgres": 999}, [
        ("/var/lib/postgresql/data", 999, 0o1777), ("/run/postgresql", 999, 0o3777),
        ("/docker-entrypoint-initdb.d", 0, 0o755)], env={"PGDATA": "/var/lib/postgresql/data", "PG_MAJOR": "15"}),
    "process": Image("process", []),
}


def inside(program):
    """A program of the cache, by its path in a container: where no pod's volume can hide it."""
    cache = str(paths.cache())
    return CACHE_INSIDE + program[len(cache):] if program.startswith(cache + "/") else program


def image_env(image, name):
    """The environment of the image that has this NAME in full, with where its programs really are."""
    env = dict(image.env)
    if image.name == "minio":
        env["PEERS_PROGRAM"] = inside(paths.program("minio"))
    if image.name == "mlflow":
        env["PEERS_PROGRAM"] = inside(paths.mlflow_python(name))
    if image.name == "postgres":
        env["PEERS_PROGRAM"] = str(Path(paths.postgres("postgres")).parent)
    return env
