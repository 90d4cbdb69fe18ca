#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MinIO, day 2: its keys replaced, versions and lifecycle of buckets, and buckets mirrored to another store. Real servers behind the pods."""
import html
import re

from lib import data, operations, s3
from lib.drift import lines, repaired
from lib.runner import BUNDLE, Skip, main, test
from lib.services import MINIO, endpoint, must, secret, store
from lib.world import Trouble

SERVER, S3, COPIES, PATH = "mlflow-server", "s3-of-copies", "copies", "of/mlflow"
CONSUMED = f"{SERVER}-object-storage"       # the consumer's Secret
ALIKE = "nothing in it is of the peers"
NO_PROBES = "only the simulator's pods fail their probes when they are told to"


def real_store(world):
    if not world.cluster.real and not data.find_minio():
        raise Skip("no MinIO: tools/peers build")


def run(world, action, **params):
    return operations.run(world, MINIO, action, **params)


def told(world):
    """The keys that the consumer's Secret has."""
    found = secret(world, CONSUMED)
    return found["AWS_ACCESS_KEY_ID"], found["AWS_SECRET_ACCESS_KEY"]


def opens(world, keys):
    return s3.call(endpoint(world), *keys, "GET", "/mlflow")[0] == 200


def quiet(world, before):
    """Nothing that we did ourselves is told as somebody else's doing."""
    new = lines(world).keys() - before.keys()
    if new:
        raise Trouble("".join(world.ctl("drift", "show", number).out for number in new))


# ---- keys

@test("the root key is replaced: the server is restarted, the old one opens nothing, and nobody is blamed for it")
def _(world):
    real_store(world)
    before, old, consumer = lines(world), secret(world, f"{MINIO}-root"), told(world)
    world.ctl("deploy", "s3-integrator", "holder", "--config", "bucket=mlflow").ok()
    operations.done(world, operations.run(world, "holder", "sync-s3-credentials", **operations.keys(world)))
    found = operations.done(world, run(world, "rotate-root-key"))
    if found["results"].get("still-have-the-old-key") != "holder (option secret-key): mooringctl run holder sync-s3-credentials":
        raise Trouble(f"{found['results']}")
    operations.done(world, operations.run(world, "holder", "sync-s3-credentials", **operations.keys(world)))
    world.ctl("remove-application", "holder").ok()
    new = secret(world, f"{MINIO}-root")
    if new["secret-key"] == old["secret-key"] or found["results"]["access-key"] != old["access-key"]:
        raise Trouble(f"{found}")
    if s3.call(endpoint(world), old["access-key"], old["secret-key"], "GET", "/")[0] != 403:
        raise Trouble("the old key opens the server still")
    if store(world, "GET", "/")[0] != 200 or told(world) != consumer or not opens(world, consumer):
        raise Trouble("the new root key, or the consumer's")
    world.wait_active()
    quiet(world, before)


@test("a root key that was an option is replaced by the one that is given, and the option is reset", real=ALIKE)
def _(world):
    real_store(world)
    world.ctl("config", MINIO, "secret-key=as-an-option").ok()
    world.wait_for("the option's key", lambda: secret(world, f"{MINIO}-root")["secret-key"] == "as-an-option")
    world.wait_active()
    given = "of-the-night-shift"
    operations.done(world, run(world, "rotate-root-key", **{"secret-key": given}))
    if secret(world, f"{MINIO}-root")["secret-key"] != given or store(world, "GET", "/")[0] != 200:
        raise Trouble("not the one that was given")
    if given in str(world.daemon.rows("SELECT * FROM operation_turn")):
        raise Trouble("it is in the journal")
    world.wait_active()


class Client:
    """What the consumer's pods do with the keys that they were started with, again and again."""

    def __init__(self, world):
        self.world, self.keys, self.calls = world, {}, 0

    def look(self):
        pods = [pod for pod in self.world.cluster.kube.list("pods", self.world.cluster.model)
                if pod["metadata"]["name"].startswith(f"{SERVER}-") and "deletionTimestamp" not in pod["metadata"]]
        self.keys = {pod["metadata"]["uid"]: self.keys.get(pod["metadata"]["uid"]) or told(self.world) for pod in pods}
        for name, keys in self.keys.items():
            self.calls += 1
            if not opens(self.world, keys):
                raise Trouble(f"call {self.calls}, of pod {name}: {keys[0]} opens nothing")

    def until_end(self, operation):
        """The operation; the client calls as long as it runs."""
        def end():
            self.look()
            found = operations.show(self.world, operation)
            return found if found["status"] not in operations.LIVE else None
        found = self.world.wait_for(f"the end of operation {operation}", end, 180)
        if found["status"] != "completed":
            raise Trouble(f"{found}")
        return found


@test("a relation's key is replaced while its consumer goes on: no call of it fails, and the old one is gone in the end")
def _(world):
    real_store(world)
    before, old, client = lines(world), told(world), Client(world)
    client.look()
    found = client.until_end(run(world, "rotate-relation-key", application=SERVER))
    client.look()
    new = told(world)
    if new[0] == old[0] or new[1] == old[1] or opens(world, old) or found["results"]["rotated"] != SERVER:
        raise Trouble(f"{old[0]} → {new[0]}: {found}")
    world.wait_active()
    quiet(world, before)
    operations.failed(world, run(world, "rotate-relation-key", application="katib"), "katib has no keys here")


@test("a consumer that is down: both keys stay, that is said, and the next run ends it", real=NO_PROBES)
def _(world):
    real_store(world)
    old, kube = told(world), world.cluster
    kube.ctl("fail-pods", f"{SERVER}-*", "NotReady")
    try:
        operation = run(world, "rotate-relation-key")
        world.wait_for("it to wait for the consumer", lambda: f"{SERVER}:" in ((operations.show(world, operation)["now"] or {}).get("waits") or ""))
        new = world.wait_for("the consumer to be told", lambda: told(world) if told(world) != old else None)
        world.ctl("cancel-task", operation).ok()
        operations.done(world, operation, "cancelled")
        if not opens(world, old) or not opens(world, new):
            raise Trouble("one of the two opens nothing")
        world.wait_for("the status to say it", lambda: f"{SERVER} has two keys" in world.ctl("status").out)
    finally:
        kube.ctl("clear")
    operations.done(world, run(world, "rotate-relation-key"))
    if opens(world, old) or told(world) != new or not opens(world, new):
        raise Trouble("not ended")
    world.wait_active()


# ---- versions and lifecycle

def versioning(world):
    return "".join(re.findall("<Status>([^<]*)<", must(world, "GET", "/mlflow", query="versioning=")))


def rules(world):
    code, text = store(world, "GET", "/mlflow", query="lifecycle=")
    return re.findall("<Rule>.*?</Rule>", text) if code == 200 else []


@test("versions and lifecycle are as the options say, and are put back when somebody changes them")
def _(world):
    real_store(world)
    world.ctl("config", MINIO, "versioning=mlflow", "expire-days=mlflow/tmp/=7", "noncurrent-expire-days=*=30").ok()
    world.wait_for("the rules", lambda: versioning(world) == "Enabled" and len(rules(world)) == 2)
    world.wait_active()
    if "<Days>7</Days>" not in rules(world)[0] or "tmp/" not in rules(world)[0] or "<NoncurrentDays>30<" not in rules(world)[1]:
        raise Trouble(f"{rules(world)}")
    before = lines(world)
    must(world, "PUT", "/mlflow", b"<VersioningConfiguration><Status>Suspended</Status></VersioningConfiguration>", "versioning=")
    repaired(world, before, "bucket mlflow", "versioning", "suspended", "not recorded")
    before = lines(world)
    must(world, "PUT", "/mlflow", b"<LifecycleConfiguration><Rule><ID>x</ID><Status>Enabled</Status><Filter><Prefix></Prefix></Filter>"
                                  b"<Expiration><Days>1</Days></Expiration></Rule></LifecycleConfiguration>", "lifecycle=")
    repaired(world, before, "bucket mlflow", "lifecycle", "not recorded")
    if versioning(world) != "Enabled" or len(rules(world)) != 2:
        raise Trouble(f"{versioning(world)} {rules(world)}")
    world.ctl("config", MINIO, "versioning=", "expire-days=", "noncurrent-expire-days=").ok()
    world.wait_for("no rules", lambda: versioning(world) == "Suspended" and not rules(world))
    world.wait_active()
    world.ctl("config", MINIO, "--reset", "versioning,expire-days,noncurrent-expire-days").ok()
    world.wait_active()


# ---- mirror

def mirrored(world):
    """The bundle, and another bucket as what the other store has."""
    real_store(world)
    world.ctl("deploy", BUNDLE).ok()
    world.wait_status(MINIO, "active")
    relate_copies(world)
    world.wait_active()


def relate_copies(world):
    operations.keep_in(world, f"{MINIO}:s3-parameters", S3, COPIES, PATH)


OBJECTS = {"notes/first.txt": b"kept for good", "empty": b"", "of parts": bytes(range(256)) * 40000,
           "a b+c/ä&ö?=%20\"'": b"odd", "zz": b"last"}


def put(world):
    for key, body in OBJECTS.items():
        must(world, "PUT", f"/mlflow/{key}", body)


def forget(world):
    """All that was copied."""
    for key in re.findall("<Key>([^<]*)<", must(world, "GET", f"/{COPIES}")):
        must(world, "DELETE", f"/{COPIES}/{html.unescape(key)}")


def mirror(world, **params):
    return {name: int(value) for name, value in operations.done(world, run(world, "mirror-buckets", **params))["results"].items()}


def is_mirrored(world, path=PATH):
    for key, body in OBJECTS.items():
        code, found = operations.raw_get(world, f"/{COPIES}/{path}/mlflow/{key}")
        if code != 200 or found != body:
            raise Trouble(f"{key}: {code}, {len(found)} bytes and not {len(body)}")
    if "<Upload>" in must(world, "GET", f"/{COPIES}", query="uploads="):
        raise Trouble("an upload is left")


@test("a bucket is mirrored to another store: all that is there once, then what is new, and what is only there stays", shares=mirrored)
def _(world):
    forget(world)
    put(world)
    size = sum(map(len, OBJECTS.values()))
    if (first := mirror(world)) != {"looked": 5, "same": 0, "copied": 5, "bytes": size, "missed": 0}:
        raise Trouble(f"{first}")
    is_mirrored(world)
    must(world, "PUT", f"/{COPIES}/{PATH}/mlflow/only there", b"x")
    if (second := mirror(world)) != {"looked": 5, "same": 5, "copied": 0, "bytes": 0, "missed": 0}:
        raise Trouble(f"{second}")
    must(world, "PUT", "/mlflow/zz", b"LAST")
    must(world, "DELETE", f"/{COPIES}/{PATH}/mlflow/of parts")
    if (third := mirror(world, buckets="mlflow"))["copied"] != 2 or third["same"] != 3:
        raise Trouble(f"{third}")
    must(world, "PUT", "/mlflow/zz", OBJECTS["zz"])
    mirror(world)
    is_mirrored(world)
    must(world, "GET", f"/{COPIES}/{PATH}/mlflow/only there")


@test("the daemon killed while it mirrors: what was copied is passed over, and all is there in the end", shares=mirrored, real=ALIKE)
def _(world):
    forget(world)
    put(world)
    for number in range(40):
        must(world, "PUT", f"/mlflow/many/{number:03}", b"x" * 1000)
    operation = run(world, "mirror-buckets")
    world.wait_for("a first copy", lambda: f"{PATH}/mlflow/" in must(world, "GET", f"/{COPIES}"))
    operations.kill(world)
    world.daemon.start()
    found = operations.done(world, operation)["results"]
    is_mirrored(world)
    if int(found["looked"]) != 45 or int(found["missed"]) or must(world, "GET", f"/{COPIES}").count("/mlflow/many/") != 40:
        raise Trouble(f"{found}")


@test("a bucket is mirrored to a store that parameters name, with the keys of a secret that was granted; nothing of them stays", shares=mirrored, real=ALIKE)
def _(world):
    put(world)
    keys, before = operations.keys(world), world.ctl("config", MINIO).ok().out
    place = {"endpoint": f"http://{MINIO}.{world.cluster.model}.svc.cluster.local:9000", "bucket": COPIES, "path": "asked", "secret": "secret:far"}
    operations.failed(world, run(world, "mirror-buckets", endpoint=place["endpoint"]), "endpoint, bucket and secret")
    operations.failed(world, run(world, "mirror-buckets", **place), "far")
    world.ctl("add-secret", "far", *(f"{name}={keys[name]}" for name in ("access-key", "secret-key"))).ok()
    world.ctl("grant-secret", "far", MINIO).ok()
    first, second = mirror(world, **place), mirror(world, **place)
    # One whose answer was lost is found there, the same, when it is tried again.
    if first["copied"] < 5 or first["copied"] + first["same"] != first["looked"] or second["same"] != first["looked"]:
        raise Trouble(f"{first} {second}")
    is_mirrored(world, "asked")
    world.wait_active()
    if world.ctl("config", MINIO).ok().out != before:
        raise Trouble(f"options are left: {world.ctl('config', MINIO).out}")
    world.ctl("remove-secret", "far").ok()


@test("a mirror without keys, with wrong ones, and of a bucket that is not there: each is told", shares=mirrored, real=ALIKE)
def _(world):
    put(world)
    operations.failed(world, run(world, "mirror-buckets", buckets="nowhere"), "nowhere", "NoSuchBucket")
    operations.done(world, operations.run(world, S3, "sync-s3-credentials", **{"access-key": "nobody", "secret-key": "nothing-at-all"}))
    operations.failed(world, run(world, "mirror-buckets"), "nobody", "InvalidAccessKeyId")
    operations.done(world, operations.run(world, S3, "sync-s3-credentials", **operations.keys(world)))
    world.wait_active()


if __name__ == "__main__":
    main()
