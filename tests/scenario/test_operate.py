#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What an operator changes: scale, options, relations."""
import base64

from lib.runner import SIMULATED, main, test
from lib.world import Trouble, remove


@test("a scale that the charm cannot run is refused, with what it can")
def _(world):
    world.ctl("scale-application", "mlflow-minio", "3").refused("mlflow-minio", "0 to 1", code=1)
    world.ctl("scale-application", "mlflow-mysql", "10").refused("mlflow-mysql", "0 to 9", code=1)
    world.ctl("scale-application", "nobody", "1").refused("nobody", code=1)
    world.ctl("scale-application", "mlflow-server", "many").refused("many")
    world.ctl("scale-application", "mlflow-server", "-1").refused("no number of units")


@test("scale 0 ends the pods and says that data is kept; scale 2 runs two")
def _(world):
    world.ctl("scale-application", "mlflow-server", "0").ok()
    world.wait_status("mlflow-server", "active", "scaled to 0")
    world.wait_for("no pod of mlflow-server", lambda: "mlflow-server/" not in world.ctl("status").out)
    world.ctl("scale-application", "mlflow-server", "2").ok()
    world.wait_for("two units", lambda: world.ctl("status").out.count("mlflow-server/") == 2)
    world.wait_active()
    world.ctl("scale-application", "mlflow-server", "1").ok()
    world.wait_for("one unit", lambda: world.ctl("status").out.count("mlflow-server/") == 1)
    world.wait_active()


@test("a changed option rolls the pods, and reset brings the default back")
def _(world):
    def port():
        found = world.cluster.kube.get("deployments", "mlflow", "mlflow-server")
        return found["spec"]["template"]["spec"]["containers"][0]["ports"][0]["containerPort"]
    world.ctl("config", "mlflow-server", "mlflow_port=5001").ok()
    world.wait_for("the port in the Deployment", lambda: port() == 5001)
    world.wait_active()
    world.ctl("config", "mlflow-server").ok().says("5001", "user")
    world.ctl("config", "mlflow-server", "--reset", "mlflow_port").ok()
    world.wait_for("the old port", lambda: port() == 5000)
    world.wait_active()


@test("a dry run names the objects that would be other, and leaves them as they are")
def _(world):
    deployment = "Deployment.apps mlflow/mlflow-server"
    world.ctl("config", "mlflow-server", "mlflow_port=5055", "--dry-run").ok().says(
        "would set option mlflow_port of mlflow-server", f"would change {deployment}", "would change Service mlflow/mlflow-server")
    world.ctl("scale-application", "mlflow-server", "0", "--dry-run").ok().says(f"would change {deployment}")
    world.ctl("constraints", "mlflow-server", "mem=2G", "--dry-run").ok().says(f"would change {deployment}")
    world.ctl("trust", "mlflow-server", "--remove", "--dry-run").ok().says("would change no object")
    world.ctl("config", "mlflow-server", "mlflow_port=5000", "--dry-run").ok().says("would change no object")
    if world.ctl("plan", "--exit-code").ok().out:
        raise Trouble("a dry run left something to do")
    if "5055" in world.ctl("config", "mlflow-server").ok().out:
        raise Trouble("a dry run set the option")


@test("a wait right after a change ends when the change is there, and plan does not say that nothing is to do before", seldom=SIMULATED)
def _(world):
    def env_from():
        return world.cluster.kube.get("deployments", "mlflow", "mlflow-server")["spec"]["template"]["spec"]["containers"][0]
    for scale in (2, 1) if world.cluster.real else (3, 1, 2, 1):       # a real pod takes half a minute to start
        world.ctl("scale-application", "mlflow-server", scale).ok()
        world.ctl("wait", "mlflow-server", "--timeout", f"{world.patience}s", seconds=world.patience + 30).ok()
        line = next(line for line in world.ctl("status").ok().out.splitlines() if line.startswith("mlflow-server "))
        if f" active {scale:>6}" not in line:
            raise Trouble(f"waited for scale {scale}: {line}")
    for port in (5003, 5000):
        world.ctl("config", "mlflow-server", f"mlflow_port={port}").ok()
        plan = world.ctl("plan", "--exit-code")
        if plan.code == 0 and env_from()["ports"][0]["containerPort"] != port:
            raise Trouble(f"nothing to do, and the port is not {port}: {plan.err}")
        world.wait_active()
        if env_from()["ports"][0]["containerPort"] != port:
            raise Trouble(f"active, and the port is not {port}")
    world.ctl("plan", "--exit-code").ok()


@test("names and models that are not there are told at once, and a status word that nobody has is not an empty model")
def _(world):
    world.ctl("status", "mlflow-servr").refused("mlflow-servr", "mlflow-server", code=1)
    world.ctl("wait", "mlflow-servr", "--timeout", "0").refused("mlflow-servr", "mlflow-server", code=1)
    world.ctl("wait", "-m", "nosuch", "--timeout", "0").refused("nosuch", code=1)
    if "empty" in world.ctl("status", "blocked").ok().out:
        raise Trouble("nothing is blocked, and status calls the model empty")


@test("a wrong option is refused with the application, the option and what it wants")
def _(world):
    world.ctl("config", "mlflow-server", "mlflow_port=abc").refused("mlflow-server", "mlflow_port", "abc", code=1)
    world.ctl("config", "mlflow-server", "mlflow_prot=5000").refused("mlflow_prot", code=1)
    world.ctl("config", "mlflow-server", "enable_mlflow_nodeport=perhaps").refused("enable_mlflow_nodeport", code=1)


@test("a removed relation ends, its user and Secret go, and it can be made again; the server runs on meanwhile")
def _(world):
    def deployment():
        return (world.cluster.kube.get("deployments", "mlflow", "mlflow-server") or {"metadata": {"uid": None}})["metadata"]["uid"]

    before = deployment()
    world.ctl("remove-relation", "mlflow-server", "mlflow-minio").ok()
    world.wait_for("the relation to end", lambda: "mlflow-minio:object-storage  " not in world.ctl("status", "--relations").out)
    world.wait_for("mlflow-server to miss it", lambda: world.apps()["mlflow-server"][0] != "active")
    world.wait_for("its Secret to go", lambda: not world.cluster.kube.get("secrets", "mlflow", "mlflow-server-object-storage"))
    world.ctl("remove-relation", "mlflow-server", "mlflow-minio").refused("not related", code=1)
    if not world.cluster.kube.get("secrets", "mlflow", "mlflow-server-database"):
        raise Trouble("the Secret of the relation that stays went too")
    if deployment() != before or world.cluster.kube.get("deployments", "mlflow", "mlflow-server")["status"].get("readyReplicas") != 1:
        raise Trouble("the server went with a relation")
    world.ctl("integrate", "mlflow-server", "mlflow-minio").ok()
    world.wait_active()
    if not before or deployment() != before:
        raise Trouble("the Deployment was made anew")


@test("relations that cannot be are refused with the reason")
def _(world):
    world.ctl("integrate", "mlflow-server", "mlflow-minio").ok()        # once more changes nothing
    world.ctl("integrate", "mlflow-mysql", "mlflow-minio").refused("mlflow-mysql", "mlflow-minio", code=1)
    world.ctl("integrate", "mlflow-server", "nobody").refused("nobody", code=1)
    world.ctl("integrate", "mlflow-server:no-such", "mlflow-minio").refused("no-such", code=1)


@test("a secret is listed without its value, and shown to an admin who asks")
def _(world):
    listed = world.ctl("secrets").ok().says("mlflow-mysql", "root")
    shown = world.ctl("show-secret", "mlflow-mysql/root/password", "--reveal")
    if shown.code:          # by its id, as the first column has it
        row = next(line for line in listed.out.splitlines() if "mlflow-mysql" in line and "root" in line)
        shown = world.ctl("show-secret", row.split()[0], "--reveal").ok()
    value = world.cluster.kube.get("secrets", "mlflow", "mlflow-mysql-root")["data"]["root-password"]
    plain = base64.b64decode(value).decode()
    if plain not in shown.out:
        raise Trouble("the revealed value is not the one in the cluster")
    for place in (listed.out, world.daemon.log.read_text(), world.ctl("status", "--format", "json").out, world.ctl("export-bundle").out):
        if plain in place:
            raise Trouble("the root password is shown where nobody asked for it")


@test("a removal that somebody's finalizer holds up says so in status, why and wait", fresh=True)
def _(world):
    world.ctl("deploy", "minio", "store").ok()
    world.wait_active()
    kube, model = world.cluster.kube, world.cluster.model
    kube.merge("services", model, "store", {"metadata": {"finalizers": ["example.org/hold"]}}, "backup-tool")
    held = "example.org/hold (of backup-tool)"
    world.ctl("remove-application", "store").ok()
    world.wait_status("store", "maintenance", "removing: Service", held)
    world.ctl("why", "store").ok().says(f"Service {model}/store", held)
    world.ctl("wait", "store", "--for", "gone", "--timeout", "1s").refused(held, code=5)
    kube.merge("services", model, "store", {"metadata": {"finalizers": None}})
    world.ctl("wait", "store", "--for", "gone", "--timeout", "60s").ok()


@test("a pinned charm that went from the state folder is taken in again at the start, and by refresh, which says so", fresh=True)
def _(world):
    world.ctl("deploy", "minio", "store").ok()
    world.wait_active()
    charms = world.daemon.state / "charms"

    def lose():
        for folder in charms.iterdir():
            remove(folder)
        if list(charms.iterdir()):
            raise Trouble("the copies are there still")
    world.daemon.stop()
    lose()
    world.daemon.start()
    world.wait_for("its copy", lambda: "charm-missing" not in world.ctl("doctor").out and len(list(charms.iterdir())) == 1)
    world.ctl("config", "store", "port=9500").ok()
    world.wait_active()
    lose()
    said = [world.ctl("refresh", "store").ok().err for _ in range(2)]
    if "in again" not in said[0] or "nothing to change" not in said[1]:
        raise Trouble(f"refresh says {said}")
    if len(list(charms.iterdir())) != 1:
        raise Trouble("refresh has not taken it in")
    world.ctl("config", "store", "port=9600").ok()
    world.wait_active()


if __name__ == "__main__":
    main()
