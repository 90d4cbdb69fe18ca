#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Every kind of drift on objects of many kinds (tests/charm/kinds): what is put right, with its line; what is no drift, without a write."""
import base64
import json
import os
import re
import subprocess
import sys
from contextlib import contextmanager
from pathlib import Path

from lib import certs
from lib.authority import Authority
from lib.drift import lines, repaired
from lib.runner import main, test
from lib.world import Trouble

MARK = "example.org/mark"
CLUSTER_SCOPED = (("validatingwebhookconfigurations", "kinds.example.org"), ("clusterroles", "kinds-gathered"),
                  ("customresourcedefinitions", "things.kinds.example.org"))


def kinds(world):
    """The world of these tests. What an earlier one left in the cluster, outside of its namespace, goes first."""
    for plural, name in CLUSTER_SCOPED:
        if world.cluster.kube.get(plural, "", name):
            world.cluster.kube.delete(plural, "", name)
            world.wait_for(f"{name} to go", lambda p=plural, n=name: not world.cluster.kube.get(p, "", n))
    world.ctl("deploy", "kinds").ok()


def equal(found, wanted):
    if found != wanted:
        raise Trouble(f"is {found!r}, wanted {wanted!r}")


class Object:
    """One object of the charm's."""

    def __init__(self, world, plural, name):
        self.world, self.kube, self.plural, self.name = world, world.cluster.kube, plural, name
        scoped = (plural, name) in CLUSTER_SCOPED
        self.namespace = "" if scoped else world.cluster.model
        self.shown = name if scoped else f"{self.namespace}/{name}"

    def get(self):
        found = self.kube.get(self.plural, self.namespace, self.name)
        if not found:
            raise Trouble(f"there is no {self.plural}/{self.name}")
        return found

    def at(self, pointer):
        found = self.get()
        for part in pointer.strip("/").split("/"):
            part = part.replace("~1", "/").replace("~0", "~")
            found = found[int(part)] if isinstance(found, list) else found.get(part)
        return found

    def path(self):
        return self.kube.path(self.plural, self.namespace, self.name)

    def edit(self, pointer, value=None, how="replace", manager="kubectl-edit"):
        return self.kube.edit(self.plural, self.namespace, self.name, pointer, value, manager, how)

    def merge(self, patch, manager="kubectl-edit"):
        return self.kube.merge(self.plural, self.namespace, self.name, patch, manager)

    def apply(self, body, manager):
        found = self.get()
        head = {"apiVersion": found["apiVersion"], "kind": found["kind"], "metadata": {"name": self.name}}
        return self.kube.apply(self.plural, self.namespace, self.name, head | body, manager)

    def status(self, status):
        """As its controller does it."""
        return self.kube.must("PATCH", self.path() + "/status?fieldManager=kube-controller-manager", {"status": status},
                              "application/merge-patch+json")

    def lines(self, before):
        return [line for number, line in lines(self.world).items() if number not in before and line["path"] == self.shown]

    def healed(self, damage, *said, check=None):
        """DAMAGE is a line that says all of SAID, and afterwards CHECK (a pointer) says what it said before."""
        before, right = lines(self.world), self.at(check) if check else None
        damage()
        text = repaired(self.world, before, self.shown, *said)
        if check:
            equal(self.at(check), right)
        return text

    def no_drift(self, quiet, kept=None, writing=1, writer="kubectl-edit"):
        """QUIET is none: of it and of a label edited after it, only the label is in the ledger, and one write was made. The one comes after
        the other, so what was to be seen of QUIET has been seen. KEPT (a pointer) says afterwards what QUIET left there."""
        before, writes = lines(self.world), self.world.cluster.writes()
        quiet()
        left = self.at(kept) if kept else None
        self.merge({"metadata": {"labels": {MARK: "edited"}}}, writer)
        repaired(self.world, before, self.shown, MARK)
        said = self.lines(before)
        fields = [field.get("field") for line in said for field in line["fields"]]
        if fields != [f'metadata.labels["{MARK}"]']:
            raise Trouble(f"the ledger has {json.dumps(said)}")
        equal(self.at("/metadata/labels/" + MARK.replace("/", "~1")), "kept")
        if self.world.cluster.writes() != writes + writing:
            raise Trouble(f"{self.world.cluster.writes() - writes} writes for one label")
        if kept:
            equal(self.at(kept), left)


# ---- put right: values, maps, lists

@test("a value of a map that was edited, one that was emptied and one that was removed are put back, each with its line", shares=kinds)
def _(world):
    settings = Object(world, "configmaps", "settings")
    settings.healed(lambda: settings.edit("/data/a", "other"), "data.a", "other", "kubectl-edit", check="/data")
    settings.healed(lambda: settings.edit("/data/a", ""), "data.a", check="/data")
    settings.healed(lambda: settings.merge({"data": {"b": None}}), "data.b", "not recorded", check="/data")
    settings.healed(lambda: settings.edit("/data/empty", "filled"), "data.empty", "filled", check="/data")


@test("a number that was zeroed and one that was set null are put back", shares=kinds)
def _(world):
    main_ = Object(world, "deployments", "main")
    grace = "/spec/template/spec/terminationGracePeriodSeconds"
    main_.healed(lambda: main_.edit(grace, 0), "terminationGracePeriodSeconds", "7", check=grace)
    main_.healed(lambda: main_.merge({"spec": {"template": {"spec": {"terminationGracePeriodSeconds": None}}}}),
                 "terminationGracePeriodSeconds", "7", "30", check=grace)
    main_.healed(lambda: main_.edit("/spec/replicas", 0), "spec.replicas", check="/spec/replicas")


@test("an item of a keyed list that was edited and one that was removed are put back, in built-in kinds and in CRDs", shares=kinds)
def _(world):
    main_, thing = Object(world, "deployments", "main"), Object(world, "things", "thing")
    env = "/spec/template/spec/containers/0/env"
    main_.healed(lambda: main_.edit(env + "/1/value", "9"), "env[name=SECOND].value", check=env)
    main_.healed(lambda: main_.edit(env + "/0", how="remove"), "env[name=FIRST]", "not recorded")
    equal({item["name"]: item["value"] for item in main_.at(env)}, {"FIRST": "1", "SECOND": "2"})
    thing.healed(lambda: thing.edit("/spec/parts/0/weight", 7), "parts[id=a].weight", check="/spec/parts")
    thing.healed(lambda: thing.edit("/spec/parts/1", how="remove"), "parts[id=b]")
    equal({item["id"]: item["weight"] for item in thing.at("/spec/parts")}, {"a": 1, "b": 2})


@test("an item more in an atomic list, and one less in a set, are put right", shares=kinds)
def _(world):
    main_, thing = Object(world, "deployments", "main"), Object(world, "things", "thing")
    args = "/spec/template/spec/containers/0/args"
    main_.healed(lambda: main_.edit(args + "/-", "--debug", how="add"), "containers[name=main].args", "--debug", "kubectl-edit", check=args)
    thing.healed(lambda: thing.edit("/spec/words/0", "other"), "spec.words", "other", check="/spec/words")
    thing.healed(lambda: thing.edit("/spec/names/0", how="remove"), "spec.names", check=None)
    equal(sorted(thing.at("/spec/names")), ["x", "z"])


@test("a key of a CRD's list that was edited is ours again, and alone", shares=kinds)
def _(world):
    thing = Object(world, "things", "thing")
    thing.healed(lambda: thing.edit("/spec/parts/0/id", "c"), "parts[id=a]", "parts[id=c]", "took over items of kubectl-edit")
    equal({item["id"]: item["weight"] for item in thing.at("/spec/parts")}, {"a": 1, "b": 2})


@test("a Secret that was written through stringData is put back, and no value of it is shown", shares=kinds)
def _(world):
    login = Object(world, "secrets", "login")
    text = login.healed(lambda: login.merge({"stringData": {"user": "mallory"}}), "data.user", "hidden", check="/data")
    if re.search("mallory|bWFsbG9yeQ|c29tZWJvZHk", text):
        raise Trouble(f"drift shows a value:\n{text}")


# ---- put right: owners

@test("fields that another manager took by force are ours again, and it is named", shares=kinds)
def _(world):
    settings = Object(world, "configmaps", "settings")
    settings.healed(lambda: settings.apply({"data": {"a": "theirs"}}, "other-tool"), "data.a", "theirs", "other-tool", check="/data")


@test("with managedFields cleared an edit is still seen and put right, and clearing alone is no drift", shares=kinds)
def _(world):
    settings, web = Object(world, "configmaps", "settings"), Object(world, "services", "web")
    settings.no_drift(lambda: settings.edit("/metadata/managedFields", [{}]), writing=2)        # and all is ours again
    settings.edit("/metadata/managedFields", [{}])
    settings.healed(lambda: settings.edit("/data/a", "other"), "data.a", check="/data")
    web.edit("/metadata/managedFields", [{}])
    web.healed(lambda: web.edit("/spec/ports/0/port", 4711), "port=4711")
    equal(sorted(port["port"] for port in web.at("/spec/ports")), [80, 9090])


@test("labels by which the object is found, all taken away at once, come back", shares=kinds)
def _(world):
    settings = Object(world, "configmaps", "settings")
    settings.healed(lambda: settings.edit("/metadata/labels", how="remove"), "metadata.labels", "app.kubernetes.io/managed-by",
                    check="/metadata/labels")


@test("what an old kubectl apply declared too is ours alone after the next repair, and what only it declared stays its own", shares=kinds)
def _(world):
    settings = Object(world, "configmaps", "settings")
    settings.apply({"data": {"a": "old", "theirs": "kept"}}, "kubectl")
    settings.healed(lambda: settings.apply({"data": {"a": "older", "b": "2", "theirs": "kept"}}, "kubectl"), "data.a", "kubectl")
    entries = {entry["manager"]: entry["fieldsV1"]["f:data"] for entry in settings.at("/metadata/managedFields") if "f:data" in entry["fieldsV1"]}
    equal(entries["kubectl"], {"f:theirs": {}})
    if not {"f:a", "f:b"} <= set(entries["mooring"]):
        raise Trouble(f"ours is {entries['mooring']}")
    settings.apply({}, "kubectl")


# ---- put right: what others added where only we declare

def added(thing, pointer, value, *said, check, how="add", **more):
    """VALUE, added by somebody, is a line that names him, and goes."""
    return thing.healed(lambda: thing.edit(pointer, value, how=how, **more), *said, check=check)


@test("rules and subjects that somebody added to roles and bindings are drift and go, whatever he calls himself", shares=kinds)
def _(world):
    role, binding = Object(world, "roles", "reader"), Object(world, "rolebindings", "reader")
    rule = {"apiGroups": [""], "resources": ["secrets"], "verbs": ["get"]}
    subject = {"kind": "User", "apiGroup": "rbac.authorization.k8s.io", "name": "mallory"}
    added(role, "/rules/-", rule, "rules", "secrets", "kubectl-edit", check="/rules")
    added(binding, "/subjects", [subject], "subjects", "mallory", "kube-controller-manager", "took over", check="/subjects",
          manager="kube-controller-manager")


@test("what somebody added to a NetworkPolicy goes, also when nobody is recorded as its owner", shares=kinds)
def _(world):
    network = Object(world, "networkpolicies", "main")
    added(network, "/spec/egress", [{}], "spec.egress", "kubectl-edit", check="/spec")
    added(network, "/spec/podSelector/matchLabels/more", "yes", "podSelector", "more", check="/spec")

    def hidden():
        """It opens the policy and then erases that it did."""
        entries = network.at("/metadata/managedFields")
        network.kube.must("PATCH", network.path() + "?fieldManager=intruder", [
            {"op": "add", "path": "/spec/egress", "value": [{}]}], "application/json-patch+json")
        network.edit("/metadata/managedFields", entries)
    before, right = lines(world), network.at("/spec")
    world.ctl("pause", "kinds", "--reason", "somebody hides what he did").ok()
    hidden()
    world.ctl("unpause", "kinds").ok()
    repaired(world, before, network.shown, "spec.egress")
    equal(network.at("/spec"), right)


@test("under a field that the charm calls strict a variable, a host alias and a container that somebody added go", shares=kinds)
def _(world):
    main_ = Object(world, "deployments", "main")
    spec = "/spec/template/spec"
    added(main_, spec + "/containers/0/env/-", {"name": "LD_PRELOAD", "value": "/tmp/x.so"}, "env[name=LD_PRELOAD]", "kubectl-edit",
          check=spec + "/containers/0/env")
    added(main_, spec + "/hostAliases", [{"ip": "10.0.0.1", "hostnames": ["registry.example"]}], "hostAliases", "kubectl-edit", check=spec)
    added(main_, spec + "/containers/-", {"name": "miner", "image": "registry.example/miner:1"}, "containers[name=miner]", "kubectl-edit",
          check=spec + "/containers")
    added(main_, spec + "/containers/0/terminationMessagePolicy", "FallbackToLogsOnError", "terminationMessagePolicy", how="replace", check=None)
    equal(main_.at(spec + "/containers/0/terminationMessagePolicy"), "File")
    main_.no_drift(lambda: main_.edit(spec + "/tolerations", [{"key": "a", "operator": "Exists"}], how="add"), kept=spec + "/tolerations")
    main_.edit(spec + "/tolerations", how="remove")
    world.wait_active()


# ---- put right: whole objects

@test("a CRD that was deleted with its objects comes back with them", shares=kinds)
def _(world):
    before, definition = lines(world), Object(world, "customresourcedefinitions", "things.kinds.example.org")
    world.cluster.kube.delete("customresourcedefinitions", "", definition.name)
    repaired(world, before, definition.shown, "deleted")
    repaired(world, before, f"{world.cluster.model}/thing", "deleted")
    world.wait_active()
    equal(Object(world, "things", "thing").at("/spec/words"), ["one", "two"])


@test("into a CRD that is being deleted nothing is written, so that it can go", shares=kinds)
def _(world):
    kube, thing = world.cluster.kube, Object(world, "things", "thing")
    definition = Object(world, "customresourcedefinitions", "things.kinds.example.org")
    held = definition.at("/metadata/finalizers") or []
    definition.merge({"metadata": {"finalizers": [*held, "example.org/hold"]}})
    kube.delete("customresourcedefinitions", "", definition.name)

    def stays_away():           # what came once more, before the news of the definition did, goes as well
        kube.call("DELETE", thing.path())
        return "its kind is being deleted" in world.ctl("why", "thing/thing").out
    world.wait_for("its object to be waited with", stays_away)
    if kube.get("things", thing.namespace, thing.name):
        raise Trouble("an object was made again under a definition that is going")
    rest = definition.at("/metadata/finalizers")
    definition.merge({"metadata": {"finalizers": [f for f in rest if f != "example.org/hold"] or None}})
    world.wait_active()
    equal(thing.at("/spec/words"), ["one", "two"])


@test("a CRD that gets a field with a default is no drift of its objects, which are repaired as before", shares=kinds)
def _(world):
    thing, before = Object(world, "things", "thing"), lines(world)
    world.ctl("config", "kinds", "definition=new").ok()
    world.wait_for("the default", lambda: "colour" in json.dumps(definition_of(world)))
    world.wait_active()
    thing.healed(lambda: thing.edit("/spec/parts/0/weight", 7), "parts[id=a].weight")
    equal([field["field"] for line in thing.lines(before) for field in line["fields"]], ["spec.parts[id=a].weight"])
    equal(thing.at("/spec/mode"), "fast")
    world.ctl("config", "kinds", "--reset", "definition").ok()
    world.wait_for("the old one", lambda: "colour" not in json.dumps(definition_of(world)))
    thing.healed(lambda: thing.edit("/spec/parts/0/weight", 7), "parts[id=a].weight")
    world.wait_active()


def definition_of(world):
    return Object(world, "customresourcedefinitions", "things.kinds.example.org").at("/spec/versions")


@test("what cannot be changed is blocked and says that it needs recreate, until it is not wanted any more", shares=kinds)
def _(world):
    for option, value, said in (("selector", "two", "Deployment.apps kinds/main"), ("claim", "2Gi", "StatefulSet.apps kinds/store"),
                                ("cluster-ip", "None", "Service kinds/second")):
        world.ctl("config", "kinds", f"{option}={value}").ok()
        world.wait_status("kinds", "blocked", said, "needs recreate")
        world.ctl("config", "kinds", "--reset", option).ok()
        world.wait_active()


def recreate_main(world, *options):
    """While it is tried once more whether it can be changed, it is not blocked, and the command says so."""
    def taken():
        answer = world.ctl("recreate", "kinds", "deployment/main", *options)
        if answer.code and "blocked because it needs recreate" not in answer.err:
            answer.ok()
        return answer if answer.code == 0 else None
    return world.wait_for("the command to be taken", taken)


@test("what cannot be changed is made anew where the operator says so, and only that, and never with its data", shares=kinds)
def _(world):
    main_, store = Object(world, "deployments", "main"), Object(world, "statefulsets", "store")
    uids = main_.at("/metadata/uid"), store.at("/metadata/uid")
    world.ctl("recreate", "kinds", "deployment/main").refused("no deployment/main that is blocked because it needs recreate", code=1)
    world.ctl("config", "kinds", "selector=two").ok()
    world.wait_status("kinds", "blocked", "Deployment.apps kinds/main", "needs recreate", "mooringctl recreate")
    world.ctl("recreate", "kinds", "statefulset/store").refused("needs recreate", code=1)
    recreate_main(world, "--dry-run").says("would delete Deployment.apps", "no pod of it runs")
    equal(main_.at("/metadata/uid"), uids[0])
    recreate_main(world)
    world.wait_for("another Deployment", lambda: (world.cluster.kube.get("deployments", world.cluster.model, "main") or {}).get("metadata", {}).get("uid", uids[0]) != uids[0])
    world.wait_active()
    equal(store.at("/metadata/uid"), uids[1])
    world.ctl("config", "kinds", "--reset", "selector").ok()                 # what was said counts once
    world.wait_status("kinds", "blocked", "Deployment.apps kinds/main", "needs recreate")
    recreate_main(world)
    world.wait_active()


@test("what is made anew is made with all its fields, and what was handed over is given up again", shares=kinds)
def _(world):
    main_ = Object(world, "deployments", "main")
    uid = main_.at("/metadata/uid")

    def declared():
        return [e for e in main_.get()["metadata"]["managedFields"] if e["manager"] == "mooring" and "f:replicas" in e["fieldsV1"].get("f:spec", {})]
    world.ctl("drift", "hand-over", "deployment/main", "spec.replicas", "--to", "hpa", "--reason", "it scales").ok()
    world.wait_for("that replicas are not ours", lambda: not declared())
    main_.edit("/spec/replicas", 3, manager="hpa")
    world.ctl("config", "kinds", "selector=two").ok()
    world.wait_status("kinds", "blocked", "Deployment.apps kinds/main", "needs recreate")
    equal(main_.at("/spec/replicas"), 3)
    recreate_main(world)
    world.wait_for("another Deployment", lambda: (world.cluster.kube.get("deployments", world.cluster.model, "main") or {}).get("metadata", {}).get("uid", uid) != uid)
    world.wait_active()
    equal(main_.at("/spec/replicas"), 1)
    world.wait_for("that replicas are not ours", lambda: not declared())
    world.ctl("drift", "take-over", "deployment/main", "spec.replicas").ok()
    world.wait_for("that replicas are ours", declared)
    world.ctl("config", "kinds", "--reset", "selector").ok()
    world.wait_status("kinds", "blocked", "Deployment.apps kinds/main", "needs recreate")
    recreate_main(world)
    world.wait_active()


@test("what cannot be changed is made anew where the charm says that it may be", shares=kinds)
def _(world):
    job = Object(world, "jobs", "job")
    before = job.at("/metadata/uid")
    world.ctl("config", "kinds", "argument=two").ok()

    def there():
        found = world.cluster.kube.get("jobs", world.cluster.model, "job")
        return found and found["spec"]["template"]["spec"]["containers"][0]["args"] == ["two"]
    world.wait_for("another Job", there)
    if job.at("/metadata/uid") == before:
        raise Trouble("it is the same Job")
    world.wait_active()


@test("an object that is deleted and does not go is waited for, with the finalizer and whose that is, and comes back", shares=kinds)
def _(world):
    settings, before = Object(world, "configmaps", "settings"), lines(world)
    settings.merge({"metadata": {"finalizers": ["example.org/hold"]}}, "backup-tool")
    uid = settings.at("/metadata/uid")
    world.cluster.kube.delete("configmaps", world.cluster.model, "settings")
    world.wait_status("kinds", "waiting", "ConfigMap", "example.org/hold (of backup-tool)")
    settings.edit("/metadata/finalizers", how="remove")
    repaired(world, before, settings.shown)
    world.wait_active()
    if settings.at("/metadata/uid") == uid:
        raise Trouble("it is the same object")


# ---- no drift

@test("how the server writes quantities is no drift", shares=kinds, sim="it keeps quantities as they came")
def _(world):
    main_ = Object(world, "deployments", "main")
    requests = "/spec/template/spec/containers/0/resources/requests"
    equal(main_.at(requests), {"cpu": "100m", "memory": "1Gi"})
    main_.no_drift(lambda: main_.edit(requests, {"cpu": "0.1", "memory": "1048576Ki"}))


@test("what the server filled in and how items are ordered is no drift", shares=kinds)
def _(world):
    main_ = Object(world, "deployments", "main")
    container = "/spec/template/spec/containers/0"
    equal(main_.at(container + "/terminationMessagePolicy"), "File")
    web, store = Object(world, "services", "web"), Object(world, "statefulsets", "store")
    web.no_drift(lambda: web.edit("/spec/ports", list(reversed(web.at("/spec/ports")))))
    web.no_drift(lambda: web.edit("/spec/sessionAffinity", "ClientIP"), kept="/spec/sessionAffinity")
    store.no_drift(lambda: store.edit(container + "/terminationMessagePolicy", "FallbackToLogsOnError"), kept=container)
    world.ctl("plan", "--exit-code").ok()


@test("a status that changes all the time, and what controllers write on the object, is no drift", shares=kinds)
def _(world):
    main_, network = Object(world, "deployments", "main"), Object(world, "networkpolicies", "main")

    def churn():
        for i in range(20):
            main_.status({"conditions": [{"type": "Example", "status": "True", "reason": f"R{i}"}]})
        main_.merge({"metadata": {"annotations": {"deployment.kubernetes.io/revision": "77"}}}, "kube-controller-manager")
    main_.no_drift(churn)
    network.no_drift(lambda: network.merge({"metadata": {"annotations": {"example.org/seen": "yes"}, "finalizers": ["example.org/hold"]}}),
                     kept="/metadata/finalizers")
    network.edit("/metadata/finalizers", how="remove")


@test("replicas that the charm does not declare are the autoscaler's", shares=kinds)
def _(world):
    scaled = Object(world, "deployments", "scaled")
    scaled.no_drift(lambda: scaled.edit("/spec/replicas", 2, manager="kube-controller-manager"), kept="/spec/replicas")
    scaled.edit("/spec/replicas", 1, manager="kube-controller-manager")


@test("the volume that a claim was bound to, and the annotations of the binding, are no drift", shares=kinds)
def _(world):
    volume = Object(world, "persistentvolumeclaims", "volume")
    world.wait_for("a bound claim", lambda: volume.at("/status/phase") == "Bound")
    volume.no_drift(lambda: volume.merge({"metadata": {"annotations": {"pv.kubernetes.io/bind-completed": "yes"}}},
                                         "kube-controller-manager"), kept="/spec/volumeName")


def component(world, object_, changes, manager):
    """What runs inside completes its webhook configuration under its own name, as CHANGES (pointer → value) say; twice, with another value of
    ours in between, so that a repair does not take it back."""
    def complete():
        for pointer, value in changes.items():
            object_.edit(pointer, value, how="add", manager=manager)
    object_.no_drift(complete)
    object_.no_drift(lambda: None)
    equal({pointer: object_.at(pointer) for pointer in changes}, changes)


@test("AKS's admissionsenforcer, istiod, cert-manager's injector and Knative's webhook complete a webhook configuration: no drift, no fight",
      shares=kinds)
def _(world):
    hook = Object(world, "validatingwebhookconfigurations", "kinds.example.org")
    selector = {"matchLabels": {"example.org/nowhere": "yes"},
                "matchExpressions": [{"key": "kubernetes.azure.com/managedby", "operator": "NotIn", "values": ["aks"]}]}
    rule = {"apiGroups": ["kinds.example.org"], "apiVersions": ["v1"], "resources": ["things"], "operations": ["CREATE", "UPDATE"],
            "scope": "Namespaced"}
    component(world, hook, {"/webhooks/0/namespaceSelector": selector}, "admissionsenforcer")
    component(world, hook, {"/webhooks/0/failurePolicy": "Ignore"}, "pilot-discovery")
    component(world, hook, {"/webhooks/0/rules": [rule]}, "webhook")
    certificate, _ = certs.expired(world.folder / "certs")
    bundle = base64.b64encode(certificate.read_bytes()).decode()
    component(world, hook, {"/webhooks/0/clientConfig/caBundle": bundle}, "cert-manager-cainjector")
    hook.healed(lambda: hook.edit("/webhooks/0/timeoutSeconds", 30), "timeoutSeconds", "30", check="/webhooks/0")


PLATFORM = Path(__file__).parent / "lib" / "platform_stand_in.py"


def fights_beside(world, field):
    """What doctor says of fights in Deployments over other fields than the one that the test changes again and again."""
    found = json.loads(world.ctl("doctor", "--format", "json").out)["findings"]
    return [f["text"] for f in found if f["id"].startswith("fight") and "Deployment.apps" in f["text"] and field not in f["text"]]


@contextmanager
def mutating(world):
    """A mutating webhook for Deployments of the model, in a process of its own, which the API server asks."""
    authority = Authority(world.folder / "webhook")
    process = subprocess.Popen([sys.executable, PLATFORM, "webhook", *authority.issue("webhook", "serverAuth")], stdout=subprocess.PIPE)
    try:
        url = f"https://127.0.0.1:{int(process.stdout.readline())}/"
        world.cluster.kube.create("mutatingwebhookconfigurations", "", {
            "apiVersion": "admissionregistration.k8s.io/v1", "kind": "MutatingWebhookConfiguration", "metadata": {"name": "platform.example.org"},
            "webhooks": [{"name": "platform.example.org", "admissionReviewVersions": ["v1"], "sideEffects": "None", "failurePolicy": "Fail",
                          "clientConfig": {"url": url, "caBundle": base64.b64encode(authority.certificate.read_bytes()).decode()},
                          "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": world.cluster.model}},
                          "rules": [{"apiGroups": ["apps"], "apiVersions": ["v1"], "resources": ["deployments"], "operations": ["CREATE", "UPDATE"]}]}]})
        yield
    finally:
        world.cluster.kube.delete("mutatingwebhookconfigurations", "", "platform.example.org")
        process.kill()
        process.wait()


@test("what a mutating webhook makes of our objects is no drift, and no fight: another registry, a container and an annotation more", shares=kinds,
      sim="the simulator calls no webhooks")
def _(world):
    scaled, image = Object(world, "deployments", "scaled"), "/spec/template/spec/containers/0/image"
    ours = scaled.at(image)
    with mutating(world):
        world.wait_for("the webhook to be asked", lambda: scaled.merge({"metadata": {"labels": {MARK: "edited"}}}, "carol")["metadata"]
                       .get("annotations", {}).get("example.org/injected"))
        world.wait_for("the repair", lambda: scaled.at("/metadata/labels")[MARK] == "kept")
        world.wait_active()
        for writer in ("alice", "bob"):         # from now on nobody writes but for the label; of one writer that would be a fight
            scaled.no_drift(lambda: None, kept=image, writer=writer)
        if not scaled.at(image).startswith("mirror.example/") or len(scaled.at("/spec/template/spec/containers")) != 2:
            raise Trouble(f"the webhook was not asked about what we write: {scaled.get()}")
        world.ctl("plan", "--exit-code").ok()
        equal(fights_beside(world, MARK), [])
    scaled.healed(lambda: scaled.merge({"metadata": {"labels": {MARK: "edited"}}}, "dora"), MARK)
    equal(scaled.at(image), ours)
    world.wait_active()


@test("an autoscaler that writes the scale again and again: no drift where replicas are not declared, nor where they were handed over", shares=kinds,
      sim="the simulator takes no merge patch of a scale")
def _(world):
    pki = [os.environ[name] for name in ("PEERS_CA", "PEERS_ADMIN_CERT", "PEERS_ADMIN_KEY")]

    def autoscale(deployment):
        subprocess.run([sys.executable, PLATFORM, "scaler", deployment.kube.url, deployment.path(), "19", *pki], check=True)
    scaled, main_ = Object(world, "deployments", "scaled"), Object(world, "deployments", "main")
    scaled.no_drift(lambda: autoscale(scaled), kept="/spec/replicas", writer="erin")
    world.ctl("drift", "hand-over", "deployment/main", "spec.replicas", "--to", "kube-controller-manager", "--reason", "it scales").ok()
    world.wait_for("that replicas are not ours", lambda: not [
        e for e in main_.get()["metadata"]["managedFields"] if e["manager"] == "mooring" and "f:replicas" in e["fieldsV1"].get("f:spec", {})])
    main_.no_drift(lambda: autoscale(main_), kept="/spec/replicas", writer="erin")
    equal(fights_beside(world, MARK), [])
    world.ctl("drift", "take-over", "deployment/main", "spec.replicas").ok()
    world.wait_active()


@test("data that a component puts into what was declared without any is its own", shares=kinds)
def _(world):
    share = Object(world, "configmaps", "share")
    share.no_drift(lambda: share.merge({"data": {"ca.crt": "text"}}, "component"), kept="/data")


@test("the rules of an aggregated role are its controller's", shares=kinds)
def _(world):
    role = Object(world, "clusterroles", "kinds-gathered")
    rules = [{"apiGroups": [""], "resources": ["pods"], "verbs": ["get"]}]
    role.no_drift(lambda: role.merge({"rules": rules}, "clusterrole-aggregation-controller"))


if __name__ == "__main__":
    main()
