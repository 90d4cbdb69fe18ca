#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""A plan says what would be done and what the server would say of it; apply does just that, or names what moved."""
import contextlib
import json

from lib.drift import lines
from lib.runner import SIMULATED, main, test
from lib.world import Trouble

DEPLOYMENT = "Deployment.apps mlflow/mlflow-server"


def known(world, *words):
    """What `plan WORDS` says once all of it can be known: what changes outside may be planned anew for a moment."""
    return world.wait_for("a plan that is known", lambda: (done := world.ctl("plan", *words)).code != 4 and done)


def plan_of(world, *command):
    """(name, the whole answer) of what COMMAND would do."""
    answer = json.loads(known(world, *command, "--format", "json").ok().out)
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


@test("plans of a relation have the objects of both sides with what the server says of them, and apply does them")
def _(world):
    kube, login = world.cluster.kube, "Secret mlflow/mlflow-server-object-storage"
    name, answer = plan_of(world, "remove-relation", "mlflow-server", "mlflow-minio")
    if line_of(answer, login)["do"] != "remove" or not any(line.get("type") == "user" and line["application"] == "mlflow-minio"
                                                           for line in answer["changes"]):
        raise Trouble(f"the plan does not say what of both sides goes: {answer}")
    if not kube.get("secrets", "mlflow", "mlflow-server-object-storage"):
        raise Trouble("a plan removed something")
    world.ctl("apply", name).ok()
    world.wait_status("mlflow-server", "waiting", "object-storage")
    name, answer = plan_of(world, "integrate", "mlflow-server", "mlflow-minio")
    made = {line["type"]: line for line in answer["changes"] if line.get("do") == "make"}
    if not {"user", "policy"} <= made.keys() or made["user"]["server-why"] != "it holds a secret that is not made yet":
        raise Trouble(f"the plan does not say what the other side makes: {answer}")
    world.ctl("apply", name).ok()
    world.wait_active()
    if not kube.get("secrets", "mlflow", "mlflow-server-object-storage"):
        raise Trouble("apply did not do it")


@test("a plan of a removal has what the others do in answer, and does nothing")
def _(world):
    kube = world.cluster.kube
    name, answer = plan_of(world, "remove-application", "mlflow-minio")
    if line_of(answer, "Secret mlflow/mlflow-server-object-storage")["do"] != "remove":
        raise Trouble(f"the plan does not say what mlflow-server lets go: {answer}")
    if line_of(answer, "StatefulSet.apps mlflow/mlflow-minio")["do"] != "remove":
        raise Trouble(f"the plan does not say what goes with mlflow-minio: {answer}")
    if "mlflow-minio" not in world.apps() or not kube.get("secrets", "mlflow", "mlflow-server-object-storage"):
        raise Trouble("a plan removed something")


@test("a plan of a model's removal names what goes with each application, and apply refuses when one is there no more")
def _(world):
    name, answer = plan_of(world, "remove-model", "mlflow")
    gone = {f"{line['type']} {line['path']}": line["application"] for line in answer["changes"] if line.get("do") == "remove"}
    for what, whose in ((DEPLOYMENT, "mlflow-server"), ("StatefulSet.apps mlflow/mlflow-minio", "mlflow-minio"),
                        ("StatefulSet.apps mlflow/mlflow-mysql", "mlflow-mysql")):
        if gone.get(what) != whose:
            raise Trouble(f"the plan does not say that {what} goes: {answer}")
    if any("PersistentVolumeClaim" in what for what in gone):
        raise Trouble(f"the plan removes data that is kept: {answer}")
    world.ctl("config", "mlflow-server", "mlflow_port=5074").ok()
    world.ctl("apply", name).refused(DEPLOYMENT, "what is there is other now", code=1)
    world.ctl("config", "mlflow-server", "--reset", "mlflow_port").ok()
    world.wait_active()


@test("a plan of another image has the objects that use it, and apply does them")
def _(world):
    name, answer = plan_of(world, "attach-resource", "mlflow-server", "oci-image=mooring.test/another/mlflow:2")
    if line_of(answer, DEPLOYMENT)["do"] != "change":
        raise Trouble(f"the plan does not say what has another image: {answer}")

    def image():
        found = world.cluster.kube.get("deployments", "mlflow", "mlflow-server")
        return found["spec"]["template"]["spec"]["containers"][0]["image"]
    before = image()
    if "another" in before:
        raise Trouble("a plan changed something")
    world.ctl("apply", name).ok()
    world.wait_for("the other image", lambda: image() == "mooring.test/another/mlflow:2")
    world.ctl("attach-resource", "mlflow-server", f"oci-image={before}").ok()
    world.wait_for("the one of before", lambda: image() == before)
    world.wait_active()


@test("plans of a deploy have the objects of what is not there yet, as the server would take them, and make nothing")
def _(world):
    kube = world.cluster.kube
    for words in (("minio", "another"), (world.file("another.yaml", "bundle: kubernetes\napplications:\n  another: {charm: minio, scale: 1}\n"),)):
        name, answer = plan_of(world, "deploy", *words)
        said = {f"{line['type']} {line['path']}": line for line in answer["changes"] if line["change"] == "object"}
        if said["StatefulSet.apps mlflow/another"]["server"] != "accepts" or said["Service mlflow/another"]["server"] != "accepts":
            raise Trouble(f"the server was not asked: {said}")
    if "another" in world.apps() or kube.get("services", "mlflow", "another"):
        raise Trouble("a plan made something")
    world.ctl("apply", name).ok()
    world.wait_status("another", "active")
    world.ctl("remove-application", "another", "--destroy-storage", "--no-prompt").ok()
    world.wait_for("it to go", lambda: "another" not in world.apps())
    world.wait_active()


@test("apply refuses when the model moved, and says who moved it", seldom=SIMULATED)
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


@test("plan of a command's name alone says what the command needs")
def _(world):
    world.ctl("plan", "config").refused("config is a command too", "plan config APPLICATION", code=1)


@test("apply does not write over what somebody set since, also where nothing outside tells")
def _(world):
    world.ctl("pause", "mlflow-server", "--reason", "looking").ok()
    name, _ = plan_of(world, "config", "mlflow-server", "mlflow_port=5073")
    rule, _ = plan_of(world, "drift", "policy", "set", "--mode", "off", "--kind", "Service", "--reason", "mine")
    world.ctl("config", "mlflow-server", "mlflow_port=5074").ok()
    world.ctl("drift", "policy", "set", "--mode", "report", "--kind", "Service", "--reason", "bob's").ok()
    for plan in (name, rule):
        world.ctl("apply", plan).refused(f"plan {plan} does not hold any more", "not what it was then", code=1)
    world.ctl("drift", "policy", "unset", "--kind", "Service").ok()
    world.ctl("config", "mlflow-server", "--reset", "mlflow_port").ok()
    world.ctl("unpause", "mlflow-server").ok()
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
    known(world).ok()
    known(world, "--exit-code").refused(code=9)
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


def bulk(world, count):
    """The bulk charm with so many ConfigMaps, and mlflow's object store beside it."""
    world.daemon.test_charms = ("bulk",)
    world.daemon.start()
    world.cluster.make_known(world)
    world.ctl("deploy", "bulk", "--config", f"count={count}").ok()
    world.ctl("deploy", "minio", "mlflow-minio").ok()
    world.wait_status("bulk", "active")
    world.wait_status("mlflow-minio", "active")


def maps(world):
    return sum(item["metadata"]["name"].startswith("bulk-") for item in world.cluster.kube.list("configmaps", world.cluster.model))


@test("a plan beyond the limits freezes the model, says which plan, and apply goes on with just that one", fresh="bare")
def _(world):
    bulk(world, 6)
    kube, model = world.cluster.kube, world.cluster.model
    world.ctl("config", "bulk", "count=1").ok()
    world.wait_status("bulk", "blocked", "deletes 5 of 6", "mooringctl apply")
    name = world.apps()["bulk"][1].split("mooringctl apply ", 1)[1].split()[0]
    world.ctl("status").ok().says("frozen", "mooring", name)
    world.ctl("doctor").says("freeze", name)
    world.ctl("audit", "--what", "freeze").ok().says("deletes 5 of 6")
    kube.delete("services", model, "mlflow-minio")              # nothing of the model is written meanwhile
    world.wait_for("the plan to be known", lambda: world.ctl("plan").code == 0 and "Service" in world.ctl("plan").out)
    world.ctl("plan").says("plan bulk", "delete ConfigMap", "Service", "mooringctl apply")
    world.ctl("config", "bulk", "count=6").refused("frozen by mooring", code=1)
    world.ctl("apply", name, "--dry-run").ok().says("would apply the plan", "would delete ConfigMap")
    if maps(world) != 6 or kube.get("services", model, "mlflow-minio"):
        raise Trouble("a frozen model was written")
    world.ctl("apply", name).ok()
    world.wait_for("five to go", lambda: maps(world) == 1)
    world.wait_for("the Service", lambda: kube.get("services", model, "mlflow-minio"))
    world.wait_active()
    if "frozen" in world.ctl("status").out:
        raise Trouble("the freeze stayed")
    world.ctl("apply", name).refused("no plan", code=1)


@test("who saw the plan of a command and applies it meets no limit; a freeze that is ended leaves the plan held", fresh="bare")
def _(world):
    bulk(world, 6)
    name, answer = plan_of(world, "config", "bulk", "count=1")
    if not any("let go 5 of the 6 objects" in line["text"] for line in answer["changes"]):
        raise Trouble(f"the plan does not say how much it is: {answer}")
    world.ctl("apply", name).ok()
    world.wait_for("five to go", lambda: maps(world) == 1)
    world.wait_active()
    if json.loads(world.ctl("audit", "--what", "freeze", "--format", "json").ok().out)["audit"]:
        raise Trouble("what was agreed to froze the model")
    world.ctl("model-config", "limit-delete-free=10").ok()
    world.ctl("model-config", "limit-delete-free=many").refused("a number", code=1)
    world.ctl("config", "bulk", "count=6").ok()
    world.wait_for("six", lambda: maps(world) == 6)
    world.ctl("config", "bulk", "count=1").ok()                 # 5 are no longer too many
    world.wait_for("five to go", lambda: maps(world) == 1)
    world.ctl("config", "bulk", "count=0").ok()                 # an empty plan is, whatever the limits
    world.wait_status("bulk", "blocked", "deletes 1 of 1")
    world.ctl("unfreeze", "--reason", "I look after it").ok()
    world.ctl("config", "bulk", "count=1").ok()
    world.wait_status("bulk", "active")
    if maps(world) != 1:
        raise Trouble("what was held went all the same")


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        main()
