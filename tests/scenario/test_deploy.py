#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Bundles go in, converge, and come out as they were."""
import os
import re

from lib.runner import BUNDLE, Skip, main, shared, test
from lib.world import Trouble

KUBEFLOW = "upstream/bundle-kubeflow-1.11.yaml"
MADE = ("mysql-k8s", "minio", "mlflow-server")          # the charms that are there


@test("Juju's MLflow bundle becomes active, and status has Juju's sections and columns")
def _(world):
    text = world.ctl("status", "--relations", "--storage").ok().out
    for head in (r"^Model +Controller +Cloud/Region +Version +Timestamp", r"^App +Version +Status +Scale +Charm +Channel +Rev",
                 r"^Unit +Workload +Agent +Address", r"^Integration provider +Requirer +Interface +Type"):
        if not re.search(head, text, re.M):
            raise Trouble(f"no line like {head}:\n{text}")
    wrong = {app: how for app, how in world.apps(text).items() if how[0] != "active"}
    if wrong or len(world.apps(text)) != 3:
        raise Trouble(f"not active: {wrong}\n{text}")


@test("the same bundle again changes nothing, and writes nothing")
def _(world):
    before = world.cluster.writes()
    world.ctl("deploy", BUNDLE).ok()
    world.ctl("diff-bundle", BUNDLE).ok()
    world.ctl("plan", "--exit-code").ok()
    if world.cluster.writes() != before:
        raise Trouble(f"{world.cluster.writes() - before} writes to the cluster")


@test("export-bundle gives back a bundle that differs in nothing")
def _(world):
    exported = world.file("exported.yaml", world.ctl("export-bundle").ok().out)
    world.ctl("diff-bundle", exported).ok()
    world.ctl("deploy", exported, "--dry-run").ok()


@test("a bundle deployed again leaves what actions have set since, and says so", fresh=True)
def _(world):
    bundle = world.file("acting.yaml", "bundle: kubernetes\napplications:\n  acting: {charm: acting, scale: 1, options: {count: 2}}\n")
    world.ctl("deploy", bundle).ok()
    world.wait_active()
    world.ctl("run", "acting", "resize", "count=5", "--wait", "1m").ok()
    again = world.ctl("deploy", bundle).ok()
    if "option count is 5, as its actions set it, and stays so" not in again.err + again.out:
        raise Trouble(f"deploying again says {again.out}{again.err}")
    world.ctl("config", "acting", "count").ok().says("5")
    world.ctl("diff-bundle", bundle).ok()
    if "count" in world.ctl("export-bundle").ok().out:
        raise Trouble("what an action set is exported")
    world.ctl("config", "acting", "count=3").ok()
    world.ctl("config", "acting", "count").ok().says("3")


@test("a dry run says what would be done and does nothing", fresh=True)
def _(world):
    said = world.ctl("deploy", BUNDLE, "--dry-run").ok()
    for app in ("mlflow-minio", "mlflow-mysql", "mlflow-server"):
        if app not in said.out + said.err:
            raise Trouble(f"the dry run does not name {app}")
    if world.apps():
        raise Trouble("the dry run made applications")


@test("an overlay changes what it names", fresh=True)
def _(world):
    overlay = world.file("overlay.yaml", "applications:\n  mlflow-server:\n    options:\n      mlflow_port: 5050\n")
    world.ctl("deploy", BUNDLE, "--overlay", overlay).ok()
    world.ctl("config", "mlflow-server", "mlflow_port").ok().says("5050")


@test("all of Charmed Kubeflow 1.11 is taken; what has no charm says so and holds up nothing else; it is exported equal", fresh=True)
def _(world):
    bundle = os.path.join(shared(), KUBEFLOW)
    if not os.path.exists(bundle):
        raise Skip(f"no {bundle}")
    world.ctl("deploy", bundle).ok()
    world.wait_for("kfp-db, katib-db and minio to be active",
                   lambda: all(world.apps()[app][0] == "active" for app in ("kfp-db", "katib-db", "minio")), 120)
    apps = world.apps()
    if len(apps) != 37:
        raise Trouble(f"{len(apps)} applications, wanted 37")
    for app, (word, message) in apps.items():
        if app not in ("kfp-db", "katib-db", "minio") and (word != "blocked" or "no charm module" not in message):
            raise Trouble(f"{app} is {word}: {message}")
    text = world.ctl("status", "--relations").ok().out
    relations = [line for line in text.split("Integration provider")[1].splitlines()[1:] if line.strip() and " peer" not in line]
    if len(relations) != 35:
        raise Trouble(f"{len(relations)} relations, wanted 35:\n" + "\n".join(relations))
    exported = world.file("exported.yaml", world.ctl("export-bundle").ok().out)
    world.ctl("diff-bundle", exported).ok()
    world.ctl("diff-bundle", bundle).ok()


if __name__ == "__main__":
    main()
