#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A plan says what would be done and what the server would say of it; apply does just that, or names what moved."""
import contextlib
import json

from lib.drift import lines
from lib.runner import main, test
from lib.world import Trouble

DEPLOYMENT = "Deployment.apps mlflow/mlflow-server"


def plan_of(world, *command):
    """(name, the whole answer) of what COMMAND would do."""
    answer = json.loads(world.ctl("plan", *command, "--format", "json").ok().out)
    return answer["plan-id"], answer


def port(world):
    found = world.cluster.kube.get("deployments", "mlflow", "mlflow-server")
    return found["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"]


def line_of(answer, name):
    return next(line for line in answer.get("changes", answer.get("plan")) if f"{line.get('type')} {line.get('path')}" == name)


@test("a plan of a change names fields as the server would store them, and apply does it, once")
def _(world):
    shown = world.ctl("plan", "config", "mlflow-server", "mlflow_port=5071").ok().says(
        f"would change {DEPLOYMENT}", "containerPort: 5000 → 5071", "mooringctl apply")
    name = shown.out.rsplit("mooringctl apply ", 1)[1].split()[0]
    if port(world) != 5000:
        raise Trouble("a plan changed something")
    world.ctl("apply", name, "--dry-run").ok().says(f"would change {DEPLOYMENT}")
    if port(world) != 5000:
        raise Trouble("apply --dry-run changed something")
    world.ctl("apply", name).ok()
    world.wait_for("the port", lambda: port(world) == 5071)
    world.wait_active()
    world.ctl("audit", "--what", "config").ok()
    row = json.loads(world.ctl("audit", "--what", "config", "--format", "json").ok().out)["audit"][0]
    if name not in row["route"]:
        raise Trouble(f"the audit does not say which plan it was: {row}")
    world.ctl("apply", name).refused("no plan", name, code=1)
    name, _ = plan_of(world, "config", "mlflow-server", "--reset", "mlflow_port")
    world.ctl("apply", name).ok()
    world.wait_for("the old port", lambda: port(world) == 5000)
    world.wait_active()


@test("apply refuses when the model moved, and says who moved it")
def _(world):
    name, _ = plan_of(world, "scale-application", "mlflow-server", "2")
    world.ctl("config", "mlflow-server", "mlflow_port=5072").ok()
    world.wait_for("the port", lambda: port(world) == 5072)
    world.wait_active()
    world.ctl("apply", name).refused(f"plan {name} does not hold any more", DEPLOYMENT, "other now", "since then: config mlflow/mlflow-server by", code=1)
    world.ctl("config", "mlflow-server", "--reset", "mlflow_port").ok()
    world.wait_for("the old port", lambda: port(world) == 5000)
    world.wait_active()
    world.ctl("apply", name).ok()           # as it was again: it holds
    world.wait_for("two units", lambda: world.ctl("status").out.count("mlflow-server/") == 2)
    world.ctl("scale-application", "mlflow-server", "1").ok()
    world.wait_for("one unit", lambda: world.ctl("status").out.count("mlflow-server/") == 1)
    world.wait_active()


@test("apply refuses when an object was changed outside, and names it and by whom")
def _(world):
    kube = world.cluster.kube
    world.ctl("pause", "mlflow-server", "--reason", "so that nothing is put right").ok()
    name, _ = plan_of(world, "config", "mlflow-server", "mlflow_port=5073")
    kube.edit("deployments", "mlflow", "mlflow-server", "/spec/replicas", 3)
    world.wait_for("it to be seen", lambda: "was changed" in world.ctl("plan").out)
    world.ctl("apply", name).refused(DEPLOYMENT, "what is there is other now", code=1)
    world.ctl("unpause", "mlflow-server").ok()
    world.wait_for("it to be put right", lambda: kube.get("deployments", "mlflow", "mlflow-server")["spec"]["replicas"] == 1)
    world.wait_active()


@test("what a pause keeps back is in the plan with what differs, and apply lets go just that")
def _(world):
    kube = world.cluster.kube
    world.ctl("plan", "--exit-code").ok()
    world.ctl("pause", "--reason", "maintenance").ok()
    kube.edit("deployments", "mlflow", "mlflow-server", "/spec/replicas", 3)
    kube.delete("services", "mlflow", "mlflow-minio")
    world.wait_for("both to be seen", lambda: all(text in world.ctl("plan").out for text in (DEPLOYMENT, "Service mlflow/mlflow-minio")))
    world.ctl("plan").ok()
    world.ctl("plan", "--exit-code").refused(code=9)
    name, answer = plan_of(world, "mlflow-server")
    line = line_of(answer, DEPLOYMENT)
    if line["do"] != "repair" or line["server"] != "accepts" or {"field": "spec.replicas", "from": 3, "to": 1} not in line["fields"]:
        raise Trouble(f"the plan does not say what differs: {line}")
    world.ctl("apply", name).ok()
    world.wait_for("replicas", lambda: kube.get("deployments", "mlflow", "mlflow-server")["spec"]["replicas"] == 1)
    if kube.get("services", "mlflow", "mlflow-minio"):
        raise Trouble("what was not in the plan was made as well")
    kube.edit("deployments", "mlflow", "mlflow-server", "/spec/replicas", 3)
    world.wait_for("it to be seen", lambda: DEPLOYMENT in world.ctl("plan").out)
    before = lines(world)
    world.ctl("unpause").ok()
    world.wait_active()
    if not before:
        raise Trouble("nothing was told")


@test("what a rule only tells is put right by apply, this once")
def _(world):
    kube = world.cluster.kube
    world.ctl("drift", "policy", "set", "--mode", "report", "--object", "deployment/mlflow-server", "--reason", "look first").ok()
    kube.edit("deployments", "mlflow", "mlflow-server", "/spec/replicas", 3)
    world.wait_for("it to be told", lambda: "told only" in world.ctl("plan").out)
    name, _ = plan_of(world)
    world.ctl("apply", name).ok()
    world.wait_for("replicas", lambda: kube.get("deployments", "mlflow", "mlflow-server")["spec"]["replicas"] == 1)
    kube.edit("deployments", "mlflow", "mlflow-server", "/spec/replicas", 3)
    world.wait_for("it to be told again", lambda: "told only" in world.ctl("plan").out)
    world.ctl("drift", "policy", "unset", "--object", "deployment/mlflow-server").ok()
    world.wait_for("replicas", lambda: kube.get("deployments", "mlflow", "mlflow-server")["spec"]["replicas"] == 1)
    world.wait_active()


@test("a plan that nobody knows, and one of another model, are refused")
def _(world):
    world.ctl("apply", "nosuch").refused("no plan nosuch", code=1)


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
