"""Which pods are real: the table of known images.

The last component of an image's name decides (docker.io/library/mysql:8.0@sha256:… is "mysql"), so a
rewritten registry changes nothing.  The annotation peers.mooring.test/run-by: kwok on a pod takes it
out again, for tests that want a thousand of them."""
import re

RUN_BY = "peers.mooring.test/run-by"
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
