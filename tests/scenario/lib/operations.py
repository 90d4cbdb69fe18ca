# SPDX-License-Identifier: Apache-2.0
"""Actions by the API: run them, and wait for their end."""
import json

from .world import Trouble

LIVE = ("pending", "running")


def call(world, method, path, body=None):
    code, text = world.daemon.api(method, f"/v1/models/{world.cluster.model}/{path}", body)
    if code >= 300:
        raise Trouble(f"{method} {path}: {code} {text}")
    return json.loads(text)


def run(world, app, action, **params):
    return call(world, "POST", f"applications/{app}/actions/{action}", {"params": params})["operation"]


def ended(world, operation, *statuses):
    """The operation once it has ended, as one of STATUSES."""
    def end():
        found = call(world, "GET", f"operations/{operation}")
        return found if found["status"] not in LIVE else None
    found = world.wait_for(f"the end of operation {operation}", end)
    if found["status"] not in (statuses or ("completed",)):
        raise Trouble(f"operation {operation}: {json.dumps(found, indent=1)}")
    return found
