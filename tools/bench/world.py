# SPDX-License-Identifier: Apache-2.0
"""What the benches stand on: peers, daemons, the floor program, and sums."""
import json
import os
import re
import shlex
import shutil
import statistics
import subprocess
import time
import urllib.parse
from collections import Counter

from mooringd import Daemon, Failed, Sim, until

# What the manifest of `handlers` leaves outside of namespaces: of another controller, it would not be touched.
CLUSTER_WIDE = ("apis/apiextensions.k8s.io/v1/customresourcedefinitions",
                "apis/admissionregistration.k8s.io/v1/validatingwebhookconfigurations",
                "apis/admissionregistration.k8s.io/v1/mutatingwebhookconfigurations",
                "apis/rbac.authorization.k8s.io/v1/clusterroles", "apis/rbac.authorization.k8s.io/v1/clusterrolebindings")
DROPPED = ("uid", "resourceVersion", "creationTimestamp", "managedFields", "generation")


def peers_env(folder):
    """DIR/env as a dictionary."""
    values = {}
    for line in (folder / "env").read_text().splitlines():
        name, value = line.removeprefix("export ").split("=", 1)
        values[name] = "".join(shlex.split(value))
    return values


def percentile(values, share):
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(len(ordered) * share))]


class World:
    def __init__(self, root, build, peers, folder, rounds, quick):
        self.root, self.build, self.peers, self.folder = root, build, peers, folder
        self.rounds, self.quick = rounds, quick
        self.env = peers_env(peers)
        self.inside = [str(root / "tools/peers"), "run", str(peers)]
        self.floor_env = {**os.environ, "FLOOR_SERVER": self.env["PEERS_API"], "FLOOR_CA": self.env["PEERS_CA"],
                          "FLOOR_CERT": self.env["PEERS_ADMIN_CERT"], "FLOOR_KEY": self.env["PEERS_ADMIN_KEY"]}
        self.daemons, self.programs, self.sims, self.serial = [], [], [], 0
        self.stamp = f"{int(time.time()) % 1000000}"
        self.slow = Counter()           # (handler, cause) above the limit, of the daemons dropped
        self.looped = 0.0               # seconds that their loops ran
        self.templates = None

    def number(self, n):
        return n // 10 if self.quick else n

    def name(self, what):
        self.serial += 1
        return f"{what}-{self.stamp}-{self.serial}"

    def end(self):
        for sim in self.sims:
            sim.stop()
        for program in self.programs:
            if program.poll() is None:
                program.terminate()
                program.wait()
        for d in self.daemons:
            if d.process:
                d.kill()

    # ---- the cluster

    def kubectl(self, method, path, body=None, content="application/json", check=True):
        """One plain request, by curl inside the network; BODY is an object or text."""
        args = ["curl", "-sS", "--fail-with-body", "-X", method, "--cacert", self.env["PEERS_CA"], "--cert",
                self.env["PEERS_ADMIN_CERT"], "--key", self.env["PEERS_ADMIN_KEY"], self.env["PEERS_API"] + path]
        if body is not None:
            args += ["-H", f"Content-Type: {content}", "--data-binary", "@-"]
        done = subprocess.run(self.inside + args, input=body if isinstance(body, str) else json.dumps(body), text=True,
                              capture_output=True)
        if done.returncode and check:
            raise Failed(f"{method} {path}: {done.stderr} {done.stdout[:500]}")
        return json.loads(done.stdout) if done.stdout.startswith("{") else {}

    def make_namespace(self, what="floor"):
        name = self.name(what)
        self.kubectl("POST", "/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
        return name

    def empty(self, namespace):
        """Until it is gone: the server's work on that is not to be in what is measured next."""
        self.kubectl("DELETE", f"/api/v1/namespaces/{namespace}/configmaps", check=False)
        self.kubectl("DELETE", f"/api/v1/namespaces/{namespace}", check=False)
        until(lambda: self.kubectl("GET", f"/api/v1/namespaces/{namespace}", check=False).get("kind") != "Namespace",
              f"the end of {namespace}", pause=0.5)

    def empty_cluster(self):
        """What daemons of before put outside of namespaces."""
        for kind in CLUSTER_WIDE:
            url = f"/{kind}?labelSelector=app.kubernetes.io%2Fmanaged-by%3Dmooring"
            self.kubectl("DELETE", url, check=False)
            until(lambda url=url: not self.kubectl("GET", url).get("items"), f"the end of {kind}", pause=0.2)

    def list_url(self, namespace):
        selector = urllib.parse.quote("app.kubernetes.io/managed-by=mooring", safe="")
        return f"/api/v1/namespaces/{namespace}/configmaps?labelSelector={selector}"

    def watch_url(self, namespace):
        version = self.kubectl("GET", self.list_url(namespace) + "&limit=1")["metadata"]["resourceVersion"]
        return f"{self.list_url(namespace)}&watch=1&resourceVersion={version}&timeoutSeconds=3000"

    # ---- the floor

    def learn(self, namespace):
        """What the daemon applies, from what it applied."""
        items = self.kubectl("GET", self.list_url(namespace))["items"]
        self.templates = []
        for item in items:
            for key in DROPPED:
                item["metadata"].pop(key, None)
            self.templates.append({"apiVersion": "v1", "kind": "ConfigMap", **item})

    def bodies(self, namespace, count=None, change=None):
        """Lines for the floor program: the same objects in NAMESPACE."""
        lines = []
        for item in self.templates[:count]:
            item = json.loads(json.dumps(item))
            item["metadata"]["namespace"] = namespace
            if change:
                change(item)
            name = item["metadata"]["name"]
            lines.append(f"/api/v1/namespaces/{namespace}/configmaps/{name}\t{json.dumps(item, separators=(',', ':'))}\n")
        return "".join(lines)

    def floor(self, *args, bodies="", manager="floor"):
        done = subprocess.run(self.inside + [str(self.build / "tools/bench/floor"), *map(str, args)], input=bodies, text=True,
                              capture_output=True, env={**self.floor_env, "FLOOR_MANAGER": manager})
        if done.returncode:
            raise Failed(f"floor {args[0]}: {done.stderr[-2000:]}")
        return done.stdout

    def floor_started(self, *args, bodies=""):
        program = subprocess.Popen(self.inside + [str(self.build / "tools/bench/floor"), *map(str, args)],
                                   stdin=subprocess.PIPE, stdout=subprocess.DEVNULL, text=True, env=self.floor_env)
        program.stdin.write(bodies)
        program.stdin.close()
        self.programs.append(program)
        return program

    # ---- the daemon

    def daemon(self, *options, binary=None, charm_dirs=(), env=None, alone=False, sim=False):
        """ALONE: nothing else of the machine interrupts it, so that what a handler took is its own time. SIM: it is for the
        simulator, which is not where the peers are."""
        folder = self.folder / self.name("daemon")
        folder.mkdir()
        # The time of the exec itself: what brings a program into the network takes longer than the daemon does.
        prefix = [*([] if sim else self.inside), "sh", "-c", 'date +%s.%N >"$0"; exec "$@"', str(folder / "started")]
        prefix += ["chrt", "-f", "10"] if alone else []
        d = Daemon(folder, self.build, [self.build / "tests/charm", *charm_dirs], options, prefix, env)
        if binary:
            d.arguments[len(prefix)] = str(self.build / binary)
        self.daemons.append(d)
        d.start()
        return d

    def ready(self, d, model):
        """A cluster and a model whose namespace is there: what comes before a deploy."""
        d.add_cluster("peers", self.env["KUBECONFIG"])
        d.add_model(model, "peers")
        d.wait_in_place(1)

    def sim(self):
        self.sims.append(Sim(self.build / "tools/mooring-sim/mooring-sim", self.folder / self.name("sim")))
        return self.sims[-1]

    def take_slow(self, d):
        """Keeps what the daemon counted of handlers above the limit."""
        for line in d.call("GET", "/v1/metrics").splitlines():
            found = re.match(r'mooring_slow_handlers_total\{handler="([^"]*)",cause="([^"]*)"\} (\d+)', line)
            if found:
                self.slow[found[1], found[2]] += int(found[3])
        self.looped += d.loop_seconds()

    def drop(self, d, model=None):
        self.take_slow(d)
        lines = [line for line in d.log_path.read_text(errors="replace").splitlines() if "held the loop" in line]
        if lines:
            print("   " + "\n   ".join(lines[-10:]), flush=True)
        d.stop()
        self.daemons.remove(d)
        shutil.rmtree(d.folder, ignore_errors=True)
        if model:
            self.empty(model)

    def audit_offset(self):
        return os.path.getsize(self.env["PEERS_AUDIT_LOG"])

    def audit_since(self, offset, user_agent):
        """Audit lines of requests by USER_AGENT."""
        with open(self.env["PEERS_AUDIT_LOG"], "rb") as f:
            f.seek(offset)
            whole = f.read().rpartition(b"\n")[0]       # the last line may be in the making
        events = [json.loads(line) for line in whole.splitlines()]
        return [e for e in events if user_agent in e.get("userAgent", "")]

    def writes_since(self, offset, namespace, user_agent="mooring"):
        """Those that are finished writes in NAMESPACE."""
        return [e for e in self.audit_since(offset, user_agent) if e["stage"] == "ResponseComplete" and
                e.get("objectRef", {}).get("namespace") == namespace and e["verb"] in ("create", "update", "patch", "delete")]

    def reads_since(self, offset, user_agent="mooring"):
        """Those that are reads, once each: a watch when it began."""
        return [e for e in self.audit_since(offset, user_agent) if e["verb"] in ("get", "list", "watch") and
                e["stage"] == ("ResponseStarted" if e["verb"] == "watch" else "ResponseComplete")]


def medians(rows):
    return [statistics.median(column) for column in zip(*rows)]


def verdict(ok, text):
    print(f"   {'reached' if ok else 'MISSED'}: {text}", flush=True)
    return ok


__all__ = ["World", "percentile", "medians", "verdict", "until", "Failed"]
