# SPDX-License-Identifier: Apache-2.0
"""Actions by the API, from their asking to their end, and what tests of several charms' actions share."""
import json
import signal

from . import person, s3
from .runner import Skip
from .services import MINIO, must, secret
from .world import Trouble

ASKED, APPROVED = 1001, 1002
LIVE = ("pending", "running")


def keys(world):
    return {name: secret(world, f"{MINIO}-root")[name] for name in ("access-key", "secret-key")}


def call(world, method, path, body=None):
    code, text = world.daemon.api(method, f"/v1/models/{world.cluster.model}/{path}", body)
    if code >= 300:
        raise Trouble(f"{method} {path}: {code} {text}")
    return json.loads(text)


def run(world, app, action, **params):
    return call(world, "POST", f"applications/{app}/actions/{action}", {"params": params})["operation"]


def approved(world, app, action, unit=None, **params):
    """The operation, asked for by one person and approved by another."""
    on = {"unit": unit} if unit else {}
    base = f"/v1/models/{world.cluster.model}"
    answer = person.call(world, ASKED, "POST", f"{base}/applications/{app}/actions/{action}", {"params": params} | on)
    if answer is None:
        raise Skip("nobody can be said to have logged in here")
    if answer[0] >= 300:
        raise Trouble(answer[1])
    operation = json.loads(answer[1])["operation"]
    code, text = person.call(world, APPROVED, "POST", f"{base}/operations/{operation}/approve")
    if code >= 300:
        raise Trouble(text)
    return operation


def show(world, operation):
    return call(world, "GET", f"operations/{operation}")


def done(world, operation, status="completed"):
    def end():
        found = show(world, operation)
        return found if found["status"] not in LIVE else None
    found = world.wait_for(f"the end of operation {operation}", end, 180)
    if found["status"] != status:
        raise Trouble(f"operation {operation}: {json.dumps(found, indent=1)}")
    return found


def failed(world, operation, *parts):
    message = done(world, operation, "failed")["message"]
    for part in parts:
        if part not in message:
            raise Trouble(f"does not say {part!r}: {message}")
    return message


def raw_get(world, path):
    """As store(), with the body as it is."""
    pair, address = keys(world), f"{world.cluster.address(f'{MINIO}-0', 9000)}:9000"
    return s3.fetch(address, pair["access-key"], pair["secret-key"], path)


def keep_in(world, consumer, app, bucket, path):
    """A bucket of the bundle's MinIO is the place for what CONSUMER keeps elsewhere, told by the s3-integrator APP."""
    must(world, "PUT", f"/{bucket}")
    world.ctl("deploy", "s3-integrator", app, "--config", f"endpoint=http://{MINIO}.{world.cluster.model}.svc.cluster.local:9000",
              "--config", f"bucket={bucket}", "--config", f"path=/{path}/").ok()
    world.ctl("integrate", f"{app}:s3-credentials", consumer).ok()
    world.wait_status(app, "blocked", "sync-s3-credentials")
    done(world, run(world, app, "sync-s3-credentials", **keys(world)))
    world.wait_status(app, "active")


def kill(world):
    world.daemon.process.send_signal(signal.SIGKILL)
    world.daemon.process.wait()
