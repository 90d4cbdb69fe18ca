# SPDX-License-Identifier: Apache-2.0
"""A cluster of real programs: tools/peers, from inside its network.

enter_or_become() brings the peers up and runs this very program again inside; there Real finds them by their environment. The daemon comes as
a user of its own, with the rights that `mooringctl cluster-role` prints, never as the administrator.
"""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
from pathlib import Path

from . import certs
from .kube import Kube
from .world import ROOT, Trouble, until

sys.path.insert(0, str(ROOT / "tests" / "peers"))
from harness import netns, paths, websocket  # noqa: E402

TOOL = ROOT / "tools" / "peers"
TOLD_LINES = 20
ACCOUNT, HOME = "mooring", "kube-system"        # the ServiceAccount that the daemon uses


def enter_or_become(skip=False):
    """Outside: brings the peers up, runs this program inside, takes them down, and exits as it did. Inside: returns."""
    if os.environ.get("PEERS_DIR"):
        return
    if skip:
        code = subprocess.run([TOOL, "check"], check=False).returncode
        if code:
            sys.exit(code)
    elif paths.missing():
        subprocess.run([TOOL, "build"], check=True)
    folder = Path(tempfile.mkdtemp(prefix="mooring-peers-"))
    folder.chmod(0o711)
    peers = folder / "p"
    try:
        bring_up(peers, sys.stdout if skip else None)
        code = become(peers)
    finally:
        subprocess.run([TOOL, "down", peers], check=False)
        shutil.rmtree(folder, ignore_errors=True)
    sys.exit(code)


def bring_up(peers, out):
    """OUT: where it says that they are up; None: only what went wrong."""
    done = subprocess.run([TOOL, "up", peers, "--while-pid", str(os.getpid()), "--secret-refresh", "5", "--grace-max", "2"],
                          stdout=out, stderr=subprocess.STDOUT if out else subprocess.PIPE, text=True, check=False)
    if done.returncode:
        raise Trouble(f"the peers did not come up:\n{done.stderr or ''}")


def become(peers):
    env = f'. "{peers}/env" && exec "$@"'
    child = subprocess.Popen([TOOL, "run", peers, "sh", "-c", env, "sh", sys.executable, "-B", *sys.argv])
    try:
        return child.wait()
    finally:
        if child.poll() is None:        # told to end: it cleans up while the peers are there
            child.terminate()
            child.wait()


class Real:
    """See world.World."""
    real = True
    name, model = "peers", "mlflow"

    def __init__(self, world):
        self.folder = world.folder
        self.kubeconfig = world.folder / "kubeconfig"
        self.peers = os.environ["PEERS_DIR"]
        if not netns.is_root():
            # An ordinary user is root in the peers' namespaces, where there is nobody else whom workers could run as: a namespace
            # further in, the daemon is an ordinary user again.
            world.daemon.prefix = ["unshare", "--user", "--map-user=65534", "--map-group=65534"]
        self.kube = Kube(os.environ["PEERS_API"], ca=os.environ["PEERS_CA"], cert=os.environ["PEERS_ADMIN_CERT"],
                         key=os.environ["PEERS_ADMIN_KEY"])

    def start(self):
        """A world before this one may have left the namespace, which goes slowly."""
        until(lambda: not self.kube.get("namespaces", "", self.model), f"namespace {self.model} to go", 120)

    def stop(self):
        """The peers serve the next test too, beside what ends here."""
        self.kube.call("DELETE", self.kube.path("namespaces", "", self.model))

    def trouble(self):
        return None

    def told(self):
        """The pods, the warnings, the last that each container said which is not ready, and the last of the log of what runs the pods."""
        found = self.kube.list("pods", self.model)
        pods = [f"pod {pod['metadata']['name']}: {pod['status'].get('phase')} on {pod['spec'].get('nodeName')}, "
                f"made {pod['metadata']['creationTimestamp']}" for pod in found]
        events = {}                         # one that comes again and again is told once, as it came last
        for e in sorted(self.kube.list("events", self.model), key=lambda e: e["lastTimestamp"] or ""):
            if e["type"] == "Warning" or e["reason"] == "Killing":
                events[e["involvedObject"]["name"], e["reason"], e["message"]] = e["lastTimestamp"]
        events = [f"{when} {name}: {reason}: {message}" for (name, reason, message), when in events.items()]
        return "\n".join(pods + events[-TOLD_LINES:] + [line for pod in found for line in self.said(pod)] +
                         self.end_of(Path(self.peers) / "log" / "podd.log"))

    @staticmethod
    def end_of(log):
        return log.read_text(errors="replace").splitlines()[-TOLD_LINES:]

    def said(self, pod):
        if any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions") or ()):
            return []
        about = pod["metadata"]
        logs = sorted((Path(self.peers) / "log" / "pods" / f"{about['namespace']}_{about['name']}_{about['uid']}").glob("*.log"))
        return [f"{log.name}: {line}" for log in logs[-2:] for line in self.end_of(log)]

    # ---- the daemon's own rights

    def make_known(self, world, run=None):
        run = run or (lambda w, *words: w.ctl(*words).ok())
        self.allow(world.ctl("cluster-role").ok().out)
        run(world, "add-cluster", self.name, "--kubeconfig", self.kubeconfig)
        run(world, "add-model", self.model, "--cluster", self.name)

    def allow(self, role):
        """ROLE: the YAML that cluster-role printed, handed on as it is."""
        name = {"metadata": {"name": ACCOUNT}}
        path = self.kube.path("serviceaccounts", HOME)
        self.kube.call("POST", path, name)
        if self.kube.call("POST", self.kube.path("clusterroles", ""), role.encode(), "application/yaml")[0] == 409:
            self.kube.must("PUT", self.kube.path("clusterroles", "", ACCOUNT), role.encode(), "application/yaml")
        self.kube.call("POST", self.kube.path("clusterrolebindings", ""), name | {
            "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ACCOUNT},
            "subjects": [{"kind": "ServiceAccount", "name": ACCOUNT, "namespace": HOME}]})
        token = self.kube.must("POST", f"{path}/{ACCOUNT}/token", {"spec": {"expirationSeconds": 86400}})["status"]["token"]
        self.write_kubeconfig(token)

    def short_login(self, world, base, seconds):
        """The kubeconfig BASE with the daemon's rights by a client certificate that ends in so many seconds."""
        pki, now = Path(self.peers) / "pki", time.time()
        begin, end = (time.strftime("%Y%m%d%H%M%SZ", time.gmtime(now + t)) for t in (-3600, seconds))
        certificate, key = certs.make(world.folder / "short", "short", begin, end, (pki / "ca.crt", pki / "ca.key"))
        self.kube.call("POST", self.kube.path("clusterrolebindings", ""), {
            "metadata": {"name": "short"}, "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": ACCOUNT},
            "subjects": [{"apiGroup": "rbac.authorization.k8s.io", "kind": "User", "name": "short"}]})
        config = json.loads(base.read_text())
        config["users"][0]["user"] = {"client-certificate": str(certificate), "client-key": str(key)}
        path = world.file("short.kubeconfig", json.dumps(config))
        path.chmod(0o600)
        return path

    def write_kubeconfig(self, token):
        cluster = {"server": os.environ["PEERS_API"], "certificate-authority": os.environ["PEERS_CA"]}
        self.kubeconfig.touch(mode=0o600)
        self.kubeconfig.write_text(json.dumps({
            "apiVersion": "v1", "kind": "Config", "current-context": "peers",
            "clusters": [{"name": "peers", "cluster": cluster}], "users": [{"name": ACCOUNT, "user": {"token": token}}],
            "contexts": [{"name": "peers", "context": {"cluster": "peers", "user": ACCOUNT}}]}))

    # ---- inside

    def address(self, pod, port):
        """Where such a port of a pod really is."""
        def there():
            found = self.kube.get("pods", self.model, pod)
            return found and found["status"].get("podIP")
        return until(there, f"an address of {pod}")

    @staticmethod
    def inside(pod, port):
        """The same, for what execute runs."""
        return "127.0.0.1"

    def execute(self, pod, argv):
        """(exit code, output, errors) of a program in a pod, as kubectl exec does it."""
        server = urllib.parse.urlsplit(os.environ["PEERS_API"])
        tls = websocket.context(os.environ["PEERS_CA"], os.environ["PEERS_ADMIN_CERT"], os.environ["PEERS_ADMIN_KEY"])

        def connect(path, protocol):
            return websocket.WebSocket(server.hostname, server.port, tls, path, protocol)
        code, out, err = websocket.execute(connect, self.model, pod, argv)
        return code, out.decode(errors="replace"), err.decode(errors="replace")

    @staticmethod
    def mlflow_python():
        """A Python that has MLflow's client."""
        return paths.mlflow_python()

    def signal_pod(self, pod, number):
        """KILL, STOP, CONT to the first process of a pod."""
        self.peers_tool("kill-pod", f"{self.model}/{pod}", "--signal", number)

    def forbid(self, verb, plural):
        """What the daemon may no longer do, until permit()."""
        path = self.kube.path("clusterroles", "", ACCOUNT)
        role = self.kube.must("GET", path)
        self.role = {"apiVersion": role["apiVersion"], "kind": role["kind"], "metadata": {"name": ACCOUNT}, "rules": role["rules"]}
        rules = [rule | {"resources": [p for p in rule["resources"] if p != plural]} for rule in role["rules"] if plural in rule["resources"]]
        rest = [rule | {"resources": [plural], "verbs": [v for v in rule["verbs"] if v != verb]}
                for rule in role["rules"] if plural in rule["resources"]]
        others = [rule for rule in role["rules"] if plural not in rule["resources"]]
        self.kube.must("PUT", path, self.role | {"rules": [rule for rule in others + rules + rest if rule["resources"] and rule["verbs"]]})

    def permit(self):
        self.kube.must("PUT", self.kube.path("clusterroles", "", ACCOUNT), self.role)

    # ---- damage

    def peers_tool(self, what, *words):
        done = subprocess.run([TOOL, what, self.peers, *words], capture_output=True, text=True, check=False)
        if done.returncode:
            raise Trouble(f"tools/peers {what} {' '.join(words)}: {done.stderr}")

    def server_down(self):
        self.peers_tool("stop", "kube-apiserver")

    def server_up(self):
        self.peers_tool("start", "kube-apiserver")

    BUMPS = 0,                  # etcd's own tool, which raises versions, is not here

    def etcd_down(self):
        self.server_down()
        self.peers_tool("stop", "etcd")

    def etcd_up(self):
        self.peers_tool("start", "etcd")
        self.server_up()

    def saved(self):
        """Its state, for put_back."""
        self.etcd_down()
        folder = self.folder / "etcd"
        shutil.copytree(Path(self.peers) / "etcd", folder)
        self.etcd_up()
        return folder

    def put_back(self, saved, bump):
        """It is SAVED again, once."""
        self.etcd_down()
        shutil.rmtree(Path(self.peers) / "etcd")
        shutil.move(saved, Path(self.peers) / "etcd")
        self.etcd_up()
        self.peers_tool("restart", "podd")      # which watches from versions that are not there yet

    @staticmethod
    def audit_log():
        return os.environ["PEERS_AUDIT_LOG"]

    def writes(self):
        """Writing requests of the daemon's, by the API server's audit log; a dry run and a review of rights write nothing."""
        count = 0
        with open(os.environ["PEERS_AUDIT_LOG"], encoding="utf-8") as f:
            for line in f:
                entry = json.loads(line)
                count += (entry["user"]["username"] == f"system:serviceaccount:{HOME}:{ACCOUNT}" and entry["stage"] == "ResponseComplete"
                          and entry["verb"] in ("create", "update", "patch", "delete", "deletecollection")
                          and "dryRun=" not in entry["requestURI"] and "/authorization.k8s.io/" not in entry["requestURI"])
        return count
