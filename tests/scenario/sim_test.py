#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""mooring-sim over HTTP, as a client sees it: sim_test.py PATH-OF-MOORING-SIM [TEST]...

Each test starts in a namespace of its own. Waits are for a state, with a generous deadline, never for a time.
Ends with "N passed, N failed".
"""
import base64
import http.client
import json
import os
import signal
import socket
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

DEADLINE = 20
APPLY = "application/apply-patch+yaml"
MERGE = "application/merge-patch+json"
CRDS = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
TOKEN = "mooring-sim-token"


class Failed(Exception):
    """A test's own complaint."""


def equal(is_, wanted, detail=""):
    if is_ != wanted:
        raise Failed(f"is {is_!r}, wanted {wanted!r} {detail}")


def until(question, what, seconds=DEADLINE):
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        answer = question()
        if answer:
            return answer
        time.sleep(0.01)
    raise Failed(f"waited in vain for {what}")


class Sim:
    """One running simulator."""

    def __init__(self, program, folder, *options):
        self.program, self.folder, self.options = program, folder, options
        self.control = os.path.join(folder, "control")
        self.start()

    def start(self):
        path = os.path.join(self.folder, "address")
        if os.path.exists(path):
            os.unlink(path)
        self.process = subprocess.Popen([self.program, "--address-file", path, "--control", self.control,
                                         "--pod-start", "0", *self.options], stdout=subprocess.DEVNULL)
        until(lambda: os.path.exists(path), "the address")
        with open(path, encoding="utf-8") as f:
            self.address = f.read()

    def stop(self):
        self.process.send_signal(signal.SIGTERM)
        return self.process.wait(DEADLINE)

    def ctl(self, *words):
        done = subprocess.run([self.program, "ctl", "--control", self.control, *words], text=True,
                              capture_output=True, check=False, timeout=DEADLINE)
        equal(done.returncode, 0, done.stderr)
        return done.stdout.strip()

    def open(self, method, path, body=None, kind="application/json", token=TOKEN, accept="application/json"):
        headers = {"User-Agent": "test/1", "Accept": accept}
        data = None
        if token:
            headers["Authorization"] = f"Bearer {token}"
        if body is not None:
            data = body if isinstance(body, bytes) else json.dumps(body).encode()
            headers["Content-Type"] = kind
        request = urllib.request.Request(f"http://{self.address}{path}", data, headers, method=method)
        return urllib.request.urlopen(request, timeout=DEADLINE)

    def __call__(self, method, path, body=None, kind="application/json", want=None, **more):
        try:
            answer = self.open(method, path, body, kind, **more)
        except urllib.error.HTTPError as e:
            answer = e
        text = answer.read().decode()
        try:
            value = json.loads(text)
        except ValueError:
            value = text
        if want is not None:
            equal(answer.status, want, text[:500])
        return value

    def apply(self, path, body, manager="mooring", force=True, want=None):
        query = f"?fieldManager={manager}&force={'true' if force else 'false'}"
        return self("PATCH", path + query, body, APPLY, want=want)

    def watch(self, path, **query):
        query = {"watch": "1", "allowWatchBookmarks": "true", "timeoutSeconds": "60", **query}
        text = "&".join(f"{k}={v}" for k, v in query.items())
        return Watch(self.open("GET", f"{path}?{text}"))

    def version(self, path):
        return self("GET", path)["metadata"]["resourceVersion"]


class Watch:
    """Events of a stream, read by a thread."""

    def __init__(self, answer):
        self.events, self.ended = [], False
        self.answer = answer
        threading.Thread(target=self.read, daemon=True).start()

    def read(self):
        try:
            for line in self.answer:
                self.events.append(json.loads(line))
        except (OSError, ValueError, http.client.HTTPException):
            pass                            # broken off: an end as well
        self.ended = True

    def seen(self):
        return [(e["type"], e["object"]["metadata"].get("name")) for e in list(self.events)
                if e["type"] not in ("BOOKMARK", "ERROR")]

    def wait_for(self, kind, name):
        until(lambda: (kind, name) in self.seen(), f"{kind} {name}")


def config_map(name, **data):
    return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name}, "data": data}


def deployment(name, image="nginx:1", replicas=2):
    return {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": name},
            "spec": {"replicas": replicas, "selector": {"matchLabels": {"app": name}},
                     "template": {"metadata": {"labels": {"app": name}},
                                  "spec": {"containers": [{"name": "c", "image": image}]}}}}


def namespaced(sim, name):
    core, apps = f"/api/v1/namespaces/{name}", f"/apis/apps/v1/namespaces/{name}"
    sim.apply(core, {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    until(lambda: sim("GET", core + "/serviceaccounts/default").get("kind") == "ServiceAccount", "service account")
    return core, apps


def condition(value, kind):
    return next((c["status"] for c in value.get("status", {}).get("conditions") or [] if c["type"] == kind), None)


def containers(sim, core):
    return [s for p in sim("GET", core + "/pods")["items"] for s in p["status"].get("containerStatuses", [])]


# --- the tests; the first line of text is the name

def test_token(sim, core, apps):
    """without the token, or with another, the answer is 401; health and version need none"""
    sim("GET", core + "/configmaps", token=None, want=401)
    equal(sim("GET", core + "/configmaps", token="x")["reason"], "Unauthorized")
    sim("GET", "/version", token=None, want=200)
    equal(sim("GET", "/readyz", token=None), "ok")


def test_lifecycle(sim, core, apps):
    """an object is created, read, changed with its version, listed by label and deleted"""
    made = sim("POST", core + "/configmaps", config_map("a", x="1"), want=201)
    sim("POST", core + "/configmaps", config_map("a", x="1"), want=409)
    made["data"]["x"] = "2"
    changed = sim("PUT", core + "/configmaps/a", made, want=200)
    equal(sim("PUT", core + "/configmaps/a", made, want=409)["reason"], "Conflict")
    equal(int(changed["metadata"]["resourceVersion"]) > int(made["metadata"]["resourceVersion"]), True)
    sim("PATCH", core + "/configmaps/a", {"metadata": {"labels": {"l": "v"}}}, MERGE, want=200)
    for selector, count in (("l%3Dv", 1), ("l!%3Dv,l", 0), ("l+in+(v,w)", 1), ("!l,nope", 0)):
        listed = sim("GET", f"{core}/configmaps?labelSelector={selector}", want=200)
        equal(len(listed["items"]), count, selector)
    sim("DELETE", core + "/configmaps/a", want=200)
    sim("GET", core + "/configmaps/a", want=404)


def test_pages(sim, core, apps):
    """a list comes in pages, and a page token expires with the history"""
    for i in range(5):
        sim("POST", core + "/secrets", {"metadata": {"name": f"s{i}"}}, want=201)
    first = sim("GET", core + "/secrets?limit=2", want=200)
    token = first["metadata"]["continue"]
    equal([i["metadata"]["name"] for i in first["items"]], ["s0", "s1"])
    second = sim("GET", f"{core}/secrets?limit=2&continue={token}", want=200)
    equal([i["metadata"]["name"] for i in second["items"]], ["s2", "s3"])
    sim("POST", core + "/secrets", {"metadata": {"name": "s9"}})
    sim.ctl("compact")
    equal(sim("GET", f"{core}/secrets?limit=2&continue={token}", want=410)["reason"], "Expired")


def test_apply(sim, core, apps):
    """apply conflicts name manager and field, force takes over, an equal apply changes nothing"""
    first = sim.apply(core + "/configmaps/a", config_map("a", x="1"), want=201)
    again = sim.apply(core + "/configmaps/a", config_map("a", x="1"), want=200)
    equal(again["metadata"]["resourceVersion"], first["metadata"]["resourceVersion"])
    conflict = sim.apply(core + "/configmaps/a", config_map("a", x="2"), "other", False, want=409)
    equal(conflict["details"]["causes"], [{"reason": "FieldManagerConflict", "field": ".data.x",
                                           "message": 'conflict with "mooring"'}])
    forced = sim.apply(core + "/configmaps/a", config_map("a", x="2"), "other", True, want=200)
    equal([m["manager"] for m in forced["metadata"]["managedFields"]], ["other"])


def test_edited_key(sim, core, apps):
    """a Service port edited by hand leaves two entries of one name: 422"""
    service = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "s"},
               "spec": {"selector": {"a": "b"}, "ports": [{"name": "http", "port": 80}]}}
    sim.apply(core + "/services/s", service, want=201)
    sim.ctl("edit", "service", core.split("/")[-1], "s", "/spec/ports/0/port", "81", "--manager", "someone")
    refused = sim.apply(core + "/services/s", service, want=422)
    equal(refused["details"]["causes"][0]["message"], 'Duplicate value: "http"')


def test_dry_run(sim, core, apps):
    """a dry run answers what would be, and leaves things as they are"""
    sim("POST", core + "/configmaps?dryRun=All", config_map("a"), want=201)
    sim("GET", core + "/configmaps/a", want=404)


def test_update_managers(sim, core, apps):
    """of many updating managers the oldest are merged"""
    sim("POST", core + "/configmaps", config_map("a"), want=201)
    for i in range(14):
        sim("PATCH", f"{core}/configmaps/a?fieldManager=m{i}", {"data": {f"k{i}": "v"}}, MERGE, want=200)
    managers = [m["manager"] for m in sim("GET", core + "/configmaps/a")["metadata"]["managedFields"]]
    equal((len(managers), "ancient-changes" in managers), (10, True))


def test_watch(sim, core, apps):
    """a watch tells what changes, and that an object left its selector"""
    version = sim.version(core + "/configmaps")
    every = sim.watch(core + "/configmaps", resourceVersion=version)
    some = sim.watch(core + "/configmaps", resourceVersion=version, labelSelector="l%3Dv")
    labelled = config_map("a", x="1")
    labelled["metadata"]["labels"] = {"l": "v"}
    sim.apply(core + "/configmaps/a", labelled)
    every.wait_for("ADDED", "a")
    some.wait_for("ADDED", "a")
    sim.apply(core + "/configmaps/a", config_map("a", x="1"))
    every.wait_for("MODIFIED", "a")
    some.wait_for("DELETED", "a")
    sim("DELETE", core + "/configmaps/a")
    every.wait_for("DELETED", "a")
    equal(some.seen(), [("ADDED", "a"), ("DELETED", "a")])


def test_watch_history(sim, core, apps):
    """a watch from a version gets what came after it; one that streams the list ends it with a bookmark"""
    version = sim.version(core + "/configmaps")
    sim.apply(core + "/configmaps/a", config_map("a"))
    sim.watch(core + "/configmaps", resourceVersion=version).wait_for("ADDED", "a")
    listed = sim.watch(core + "/configmaps", sendInitialEvents="true", resourceVersionMatch="NotOlderThan")
    until(lambda: [e for e in listed.events if e["type"] == "BOOKMARK" and
                   e["object"]["metadata"].get("annotations") == {"k8s.io/initial-events-end": "true"}], "bookmark")


def test_watch_expiry(sim, core, apps):
    """history that is forgotten ends open watches with 410 inside the stream, and later ones at once"""
    version = sim.version(core + "/configmaps")
    early = sim.watch(core + "/configmaps", resourceVersion=version)
    sim.apply(core + "/configmaps/a", config_map("a"))
    early.wait_for("ADDED", "a")
    sim.ctl("compact")
    until(lambda: early.ended, "the end of the stream")
    equal((early.events[-1]["type"], early.events[-1]["object"]["code"]), ("ERROR", 410))
    late = sim.watch(core + "/configmaps", resourceVersion=version)
    until(lambda: late.ended, "the end of the stream")
    equal(late.events[0]["object"]["reason"], "Expired")


def test_rollout(sim, core, apps):
    """a Deployment becomes available, and a new image replaces its pods"""
    sim.apply(apps + "/deployments/web", deployment("web"), want=201)
    until(lambda: condition(sim("GET", apps + "/deployments/web"), "Available") == "True", "availability")
    before = {p["metadata"]["name"] for p in sim("GET", core + "/pods")["items"]}
    sim.apply(apps + "/deployments/web", deployment("web", "nginx:2"), want=200)

    def rolled():
        s = sim("GET", apps + "/deployments/web")["status"]
        return (s.get("observedGeneration"), s.get("updatedReplicas"), s.get("replicas"),
                s.get("readyReplicas")) == (2, 2, 2, 2)
    until(rolled, "the rollout")
    until(lambda: not before & {p["metadata"]["name"] for p in sim("GET", core + "/pods")["items"]}, "old pods to go")


def test_failing_pods(sim, core, apps):
    """pods fail as asked, and recover when the fault is cleared"""
    sim.ctl("fail-pods", "bad-*", "ImagePullBackOff")
    sim.apply(apps + "/deployments/bad", deployment("bad", replicas=1))
    until(lambda: [s["state"].get("waiting", {}).get("reason") for s in containers(sim, core)] == ["ImagePullBackOff"],
          "a waiting container")
    until(lambda: condition(sim("GET", apps + "/deployments/bad"), "Available") == "False", "unavailability")
    sim.ctl("clear")
    until(lambda: sim("GET", apps + "/deployments/bad")["status"].get("readyReplicas") == 1, "recovery")


def test_missing_secret(sim, core, apps):
    """a pod waits for the Secret that its environment names, starts when it comes, and runs on without it"""
    wanted = deployment("db", replicas=1)
    wanted["spec"]["template"]["spec"]["containers"][0]["env"] = [
        {"name": "P", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}]
    sim.apply(apps + "/deployments/db", wanted)
    until(lambda: [s["state"].get("waiting") for s in containers(sim, core)] ==
          [{"reason": "CreateContainerConfigError", "message": 'secret "s" not found'}], "the message")
    sim("POST", core + "/secrets", {"metadata": {"name": "s"}, "stringData": {"k": "v"}}, want=201)
    until(lambda: sim("GET", apps + "/deployments/db")["status"].get("readyReplicas") == 1, "the pod")
    sim("DELETE", core + "/secrets/s")
    wanted["spec"]["replicas"] = 2
    sim.apply(apps + "/deployments/db", wanted)
    until(lambda: sorted("waiting" if "waiting" in s["state"] else "running" for s in containers(sim, core)) == ["running", "waiting"],
          "the second one to wait, beside the first one that runs")


def test_stateful_set(sim, core, apps):
    """a StatefulSet gets pods in order, each with a claim that outlives it"""
    wanted = {"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "db"},
              "spec": {"replicas": 2, "serviceName": "db", "selector": {"matchLabels": {"app": "db"}},
                       "template": {"metadata": {"labels": {"app": "db"}}, "spec": {"containers": [
                           {"name": "c", "image": "x", "volumeMounts": [{"name": "data", "mountPath": "/d"}]}]}},
                       "volumeClaimTemplates": [{"metadata": {"name": "data"}, "spec": {
                           "accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Gi"}}}}]}}
    sim.apply(apps + "/statefulsets/db", wanted, want=201)
    until(lambda: sim("GET", apps + "/statefulsets/db")["status"].get("readyReplicas") == 2, "two pods")
    equal(sim("GET", core + "/persistentvolumeclaims/data-db-1", want=200)["status"]["phase"], "Bound")
    wanted["spec"]["template"]["spec"]["containers"][0]["image"] = "y"
    sim.apply(apps + "/statefulsets/db", wanted, want=200)
    until(lambda: (s := sim("GET", apps + "/statefulsets/db")["status"])["currentRevision"] == s["updateRevision"] and
          s["observedGeneration"] == 2 and s.get("readyReplicas") == 2, "the rollout")
    wanted["spec"]["serviceName"] = "other"
    refused = sim.apply(apps + "/statefulsets/db", wanted, want=422)
    equal("updates to statefulset spec for fields other than" in refused["message"], True)
    sim("DELETE", apps + "/statefulsets/db", want=200)
    until(lambda: not sim("GET", core + "/pods")["items"], "no pods")
    sim("GET", core + "/persistentvolumeclaims/data-db-1", want=200)


def test_job(sim, core, apps):
    """a Job completes, and fails after its retries when its pods fail"""
    jobs = core.replace("/api/v1", "/apis/batch/v1") + "/jobs"
    sim.ctl("fail-pods", "bad-*", "Failed")
    for name in ("good", "bad"):
        sim.apply(f"{jobs}/{name}", {"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": name},
                                     "spec": {"backoffLimit": 1, "template": {"spec": {
                                         "restartPolicy": "Never", "containers": [{"name": "c", "image": "x"}]}}}})
    until(lambda: condition(sim("GET", jobs + "/good"), "Complete") == "True", "completion")
    until(lambda: condition(sim("GET", jobs + "/bad"), "Failed") == "True", "failure")
    equal(sim("GET", jobs + "/bad")["status"]["failed"], 2)


def test_daemon_set(sim, core, apps):
    """a DaemonSet has a pod on each node that fits"""
    wanted = deployment("agent")
    wanted["kind"] = "DaemonSet"
    del wanted["spec"]["replicas"]
    wanted["spec"]["template"]["spec"]["nodeSelector"] = {"kubernetes.io/arch": "amd64"}
    sim.apply(apps + "/daemonsets/agent", wanted, want=201)
    until(lambda: sim("GET", apps + "/daemonsets/agent")["status"].get("numberReady") == 2, "two pods")


def test_endpoints(sim, core, apps):
    """a Service's endpoints are the ready pods that it selects"""
    sim.apply(core + "/services/web", {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "web"}, "spec": {
        "selector": {"app": "web"}, "ports": [{"port": 80, "targetPort": 8080}]}}, want=201)
    sim.apply(apps + "/deployments/web", deployment("web"))

    def addresses():
        subsets = sim("GET", core + "/endpoints/web").get("subsets") or [{}]
        return len(subsets[0].get("addresses", [])) == 2 and subsets[0]["ports"][0]["port"] == 8080
    until(addresses, "two addresses")


def test_namespace(sim, core, apps):
    """a namespace that is deleted takes its contents along, and waits for finalizers"""
    held = config_map("held")
    held["metadata"]["finalizers"] = ["example.com/hold"]
    sim("POST", core + "/configmaps", held, want=201)
    sim.apply(apps + "/deployments/web", deployment("web"))
    equal(sim("DELETE", core, want=200)["status"]["phase"], "Terminating")
    until(lambda: len(sim("GET", core + "/configmaps")["items"]) == 1, "the rest to go")
    refused = sim("POST", core + "/configmaps", config_map("late"), want=403)
    equal(refused["details"]["causes"][0]["reason"], "NamespaceTerminating")
    sim("PATCH", core + "/configmaps/held", {"metadata": {"finalizers": None}}, MERGE, want=200)
    until(lambda: sim("GET", core).get("code") == 404, "the namespace to go")


def test_owners(sim, core, apps):
    """what an object owns goes with it, in the background, in the foreground, or stays as an orphan"""
    for policy in ("Background", "Foreground", "Orphan"):
        owner = sim("POST", core + "/configmaps", config_map("owner"), want=201)
        child = config_map("child")
        child["metadata"]["ownerReferences"] = [{"apiVersion": "v1", "kind": "ConfigMap", "name": "owner",
                                                 "uid": owner["metadata"]["uid"], "blockOwnerDeletion": True}]
        sim("POST", core + "/configmaps", child, want=201)
        sim("DELETE", core + "/configmaps/owner", {"kind": "DeleteOptions", "apiVersion": "v1",
                                                   "propagationPolicy": policy})
        until(lambda: sim("GET", core + "/configmaps/owner").get("code") == 404, "the owner to go")
        if policy == "Orphan":
            equal(sim("GET", core + "/configmaps/child", want=200)["metadata"].get("ownerReferences"), None)
        else:
            until(lambda: sim("GET", core + "/configmaps/child").get("code") == 404, "the child to go")


def test_crd(sim, core, apps):
    """a CRD is served once established, checks its objects, and takes them along when it goes"""
    sim.apply(CRDS + "/foos.example.com", {
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition",
        "metadata": {"name": "foos.example.com"},
        "spec": {"group": "example.com", "scope": "Namespaced", "names": {"kind": "Foo", "plural": "foos"},
                 "versions": [{"name": "v1", "served": True, "storage": True, "schema": {"openAPIV3Schema": {
                     "type": "object", "properties": {"spec": {"type": "object", "required": ["n"], "properties": {
                         "n": {"type": "integer", "minimum": 1}}}}}}}]}}, want=201)
    until(lambda: condition(sim("GET", CRDS + "/foos.example.com"), "Established") == "True", "Established")
    until(lambda: "resources" in sim("GET", "/apis/example.com/v1"), "discovery")
    foos = core.replace("/api/v1", "/apis/example.com/v1") + "/foos"
    foo = {"apiVersion": "example.com/v1", "kind": "Foo", "metadata": {"name": "f"}, "spec": {"n": 0}}
    equal(sim.apply(foos + "/f", foo, want=422)["details"]["causes"][0]["field"], "spec.n")
    foo["spec"]["n"] = 2
    sim.apply(foos + "/f", foo, want=201)
    sim("DELETE", CRDS + "/foos.example.com", want=200)
    until(lambda: sim("GET", CRDS + "/foos.example.com").get("code") == 404, "the CRD to go")
    until(lambda: sim("GET", foos) == "404 page not found\n", "the kind to go")


def test_discovery(sim, core, apps):
    """discovery answers in the aggregated form when asked for it, and in the old one otherwise"""
    aggregated = sim("GET", "/apis", accept="application/json;g=apidiscovery.k8s.io;v=v2;as=APIGroupDiscoveryList")
    equal(aggregated["kind"], "APIGroupDiscoveryList")
    equal({g["metadata"]["name"] for g in aggregated["items"]}, {g["name"] for g in sim("GET", "/apis")["groups"]})
    equal("deployments" in [r["name"] for r in sim("GET", "/apis/apps/v1")["resources"]], True)


def test_request_faults(sim, core, apps):
    """asked-for answers come as often as asked for, on the asked-for paths"""
    sim.ctl("fault", "429", "--count", "2", "--path", "configmaps")
    sim("GET", core + "/secrets", want=200)
    sim("GET", core + "/configmaps", want=429)
    sim("GET", core + "/configmaps", want=429)
    sim("GET", core + "/configmaps", want=200)
    sim.ctl("fault", "reset", "--count", "1")
    try:
        sim("GET", core + "/configmaps")
        raise Failed("the connection was not reset")
    except (OSError, http.client.HTTPException):
        pass
    sim.ctl("latency", "300ms")
    began = time.monotonic()
    sim("GET", core + "/configmaps", want=200)
    sim.ctl("clear")
    equal(time.monotonic() - began >= 0.3, True)


def test_silence(sim, core, apps):
    """a silent watch says nothing, and what it missed comes when the silence ends"""
    quiet = sim.watch(core + "/configmaps", resourceVersion=sim.version(core + "/configmaps"))
    sim.ctl("fault", "silence")
    sim.apply(core + "/configmaps/a", config_map("a"))
    sim("GET", core + "/configmaps/a", want=200)
    equal(quiet.seen(), [])
    sim.ctl("clear")
    quiet.wait_for("ADDED", "a")


def test_stale_reads(sim, core, apps):
    """stale reads answer what was, until cleared"""
    sim.apply(core + "/configmaps/a", config_map("a", x="1"))
    sim.ctl("stale-reads")
    sim.apply(core + "/configmaps/a", config_map("a", x="2"))
    equal(sim("GET", core + "/configmaps/a")["data"]["x"], "1")
    sim.ctl("clear")
    equal(sim("GET", core + "/configmaps/a")["data"]["x"], "2")


def test_broken_watches(sim, core, apps):
    """a watch whose connection breaks ends, and its client may be gone without harm"""
    first = sim.watch(core + "/configmaps", resourceVersion=sim.version(core + "/configmaps"))
    until(lambda: json.loads(sim.ctl("stats"))["open_watches"] >= 1, "an open watch")
    sim.ctl("drop-watches")
    until(lambda: first.ended, "the end of the stream")
    gone = sim.open("GET", core + "/configmaps?watch=1&resourceVersion=" + sim.version(core + "/configmaps"))
    gone.close()
    until(lambda: json.loads(sim.ctl("stats"))["open_watches"] == 0, "no open watch")


def test_large_body(sim, core, apps):
    """a body of more than 3 MiB is refused"""
    sim("POST", core + "/configmaps", b" " * (3 * 1024 * 1024 + 1), want=413)


def receive(conn, n):
    data = b""
    while len(data) < n:
        more = conn.recv(n - len(data))
        if not more:
            raise Failed("the connection ended")
        data += more
    return data


def frame(conn):
    return receive(conn, receive(conn, 2)[1] & 127)        # only short ones come here


def send_frame(conn, payload):
    mask = b"abcd"
    conn.sendall(bytes([0x82, 0x80 | len(payload)]) + mask + bytes(c ^ mask[i % 4] for i, c in enumerate(payload)))


def pod_of(sim, core, server):
    """A pod whose port 3306 leads to SERVER."""
    sim.ctl("forward", core.split("/")[-1], "fwd", "3306", f"127.0.0.1:{server.getsockname()[1]}")
    sim("POST", core + "/pods", {"metadata": {"name": "fwd"}, "spec": {"containers": [{"name": "c", "image": "x"}]}},
        want=201)


def forward(sim, core):
    """A WebSocket to port 3306 of that pod, open."""
    host, port = sim.address.split(":")
    conn = socket.create_connection((host, int(port)), timeout=DEADLINE)
    key = base64.b64encode(b"0123456789abcdef").decode()
    conn.sendall((f"GET {core}/pods/fwd/portforward?ports=3306 HTTP/1.1\r\nHost: x\r\nConnection: Upgrade\r\n"
                  f"Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
                  f"Sec-WebSocket-Protocol: v4.channel.k8s.io\r\nAuthorization: Bearer {TOKEN}\r\n\r\n").encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        head += receive(conn, 1)
    equal(head.split(b"\r\n", maxsplit=1)[0], b"HTTP/1.1 101 Switching Protocols")
    equal([frame(conn), frame(conn)], [b"\x00" + struct.pack("<H", 3306), b"\x01" + struct.pack("<H", 3306)])
    return conn


def test_port_forward(sim, core, apps):
    """a pod's port leads to an address of this machine, both ways"""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE)
        pod_of(sim, core, server)
        with forward(sim, core) as conn:
            inner, _ = server.accept()
            with inner:
                inner.sendall(b"greeting")
                equal(frame(conn), b"\x00greeting")
                send_frame(conn, b"\x00hello")
                equal(receive(inner, 5), b"hello")
            equal(frame(conn)[:2], struct.pack(">H", 1000))


def test_last_words(sim, core, apps):
    """what a pod says before it closes comes before the close, also when its client still sends"""
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(DEADLINE)
        pod_of(sim, core, server)
        for read in (True, False):
            with forward(sim, core) as conn:
                inner, _ = server.accept()
                inner.sendall(b"greeting")
                equal(frame(conn), b"\x00greeting")
                os.kill(sim.process.pid, signal.SIGSTOP)        # it finds all of what follows at once
                try:
                    send_frame(conn, b"\x00password")
                    inner.sendall(b"refused")
                    if read:
                        inner.shutdown(socket.SHUT_RDWR)
                    else:
                        # An end by reset, as when the server has not read what was sent to it.
                        inner.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                    inner.close()
                finally:
                    os.kill(sim.process.pid, signal.SIGCONT)
                equal(frame(conn), b"\x00refused", f"read {read}")
                equal(frame(conn)[:2], struct.pack(">H", 1000))


def test_forward_refused(sim, core, apps):
    """a port where nothing listens is said on the error channel, then closed"""
    with socket.create_server(("127.0.0.1", 0)) as server:
        pod_of(sim, core, server)
    with forward(sim, core) as conn:
        equal(frame(conn), b"\x01an error occurred forwarding 3306 -> 3306: Connection refused")
        equal(frame(conn)[:2], struct.pack(">H", 1000))


def test_restart(sim, core, apps):
    """with --state a restart keeps objects, and watches of before are expired"""
    sim.apply(core + "/configmaps/a", config_map("a", x="1"), want=201)
    version = sim.version(core + "/configmaps")
    before = sim("GET", core + "/configmaps/a")
    uid = sim("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"]
    equal(sim.stop(), 0)
    sim.start()
    equal(sim("GET", core + "/configmaps/a", want=200), before)
    equal(sim("GET", "/api/v1/namespaces/kube-system")["metadata"]["uid"], uid)
    late = sim.watch(core + "/configmaps", resourceVersion=str(int(version) - 1))
    until(lambda: late.ended, "the end of the stream")
    equal(late.events[0]["object"]["code"], 410)


def main():
    program, only = os.path.abspath(sys.argv[1]), sys.argv[2:]
    passed = failed = 0
    with tempfile.TemporaryDirectory() as folder:
        sim = Sim(program, folder, "--state", os.path.join(folder, "state"))
        for name, test in list(globals().items()):
            if not name.startswith("test_") or (only and name not in only):
                continue
            try:
                sim.ctl("clear")
                test(sim, *namespaced(sim, name.replace("_", "-")))
                print(f"ok   {test.__doc__}", flush=True)
                passed += 1
            except (Failed, KeyError, IndexError, OSError, TypeError, AttributeError) as e:
                print(f"FAIL {name}: {test.__doc__}: {type(e).__name__} {e}", flush=True)
                failed += 1
        if sim.stop() != 0:
            print("FAIL the simulator ended with an error")
            failed += 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
