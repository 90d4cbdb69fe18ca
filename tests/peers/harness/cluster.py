"""The control plane of one DIR: certificates, configuration files, command lines, first objects.

Everything listens at fixed ports, because each DIR has a network of its own.
"""
import asyncio
import base64
import json
from pathlib import Path

import yaml

from . import certs, images, netns, paths, supervisor
from .kube import Api, ApiError

SERVER = f"https://{netns.HOST_ADDRESS}:6443"
ETCD = "http://127.0.0.1:2379"
KUBELET_PORT = 10250
READY_SECONDS = 60
PROVISIONER = "peers.mooring.test/volume"
SERVER_NAMES = ("kubernetes", "kubernetes.default", "kubernetes.default.svc", "localhost",
                "kubernetes.default.svc.cluster.local", "127.0.0.1", "10.96.0.1", netns.HOST_ADDRESS)
IDENTITIES = {          # file → (common name, groups), as kubeadm names them
    "admin": ("kubernetes-admin", ("system:masters",)),
    "controller-manager": ("system:kube-controller-manager", ()),
    "scheduler": ("system:kube-scheduler", ()),
    "kwok": ("peers-kwok", ("system:masters",)),
    "podd": ("peers-podd", ("system:masters",)),
    "kubelet-client": ("kube-apiserver-kubelet-client", ("system:masters",)),
}
# Write requests, and what the daemon reads; without bodies (they hold secrets) and without the cluster's own heartbeat.
AUDIT_POLICY = {
    "apiVersion": "audit.k8s.io/v1", "kind": "Policy", "omitStages": ["RequestReceived"],
    "rules": [
        {"level": "None", "resources": [{"group": "coordination.k8s.io"}, {"group": "events.k8s.io"},
                                        {"group": "", "resources": ["events"]}]},
        {"level": "Metadata", "verbs": ["create", "update", "patch", "delete", "deletecollection"]},
        {"level": "Metadata", "verbs": ["get", "list", "watch"],
         "users": ["kubernetes-admin", "system:serviceaccount:kube-system:mooring"]},
        {"level": "None"},
    ],
}
# AKS' default class binds at the first consumer and expands; the second does neither.
CLASSES = (("default", "WaitForFirstConsumer", True, True), ("managed-csi", "WaitForFirstConsumer", True, False),
           ("fixed-size", "Immediate", False, False))
# The pools in turn: architecture, agentpool, mode.  The first three nodes have both architectures.
POOLS = (("amd64", "system", "system"), ("amd64", "user", "user"), ("arm64", "arm", "user"))


class Cluster:
    """Paths and options of one DIR."""

    def __init__(self, folder, options):
        self.folder = Path(folder)
        self.options = options
        self.pki = self.folder / "pki"
        self.etc = self.folder / "etc"

    # ---- files ----

    def write_files(self):
        self.etc.mkdir(parents=True, exist_ok=True)
        authority = certs.Authority(self.pki, "ca")
        authority.sign("server", "kube-apiserver", hosts=SERVER_NAMES)
        authority.sign("kubelet", "kubelet", hosts=(netns.HOST_ADDRESS,))
        for name, (common, groups) in IDENTITIES.items():
            self.write_kubeconfig(authority, name, *authority.sign(name, common, groups))
        certs.Authority(self.pki, "front-proxy-ca").sign("front-proxy", "front-proxy-client")
        certs.signing_key(self.pki, "service-account")
        (self.etc / "audit.yaml").write_text(json.dumps(AUDIT_POLICY))
        (self.etc / "kwok.yaml").write_text(kwok_stages(self.options.get("no_podd")))

    def write_kubeconfig(self, authority, name, crt, key):
        def read(path):
            return base64.b64encode(Path(path).read_bytes()).decode()
        config = {
            "apiVersion": "v1", "kind": "Config", "current-context": "peers",
            "clusters": [{"name": "peers", "cluster": {"server": SERVER,
                                                       "certificate-authority-data": read(authority.crt)}}],
            "users": [{"name": name, "user": {"client-certificate-data": read(crt),
                                              "client-key-data": read(key)}}],
            "contexts": [{"name": "peers", "context": {"cluster": "peers", "user": name}}],
        }
        path = self.etc / f"{name}.kubeconfig"
        path.touch(mode=0o600)
        path.write_text(yaml.safe_dump(config))

    # ---- command lines ----

    def etcd(self):
        peer = "http://127.0.0.1:2380"
        return [paths.program("etcd"), "--data-dir", str(self.folder / "etcd"), "--unsafe-no-fsync",
                "--listen-client-urls", ETCD, "--advertise-client-urls", ETCD, "--listen-peer-urls", peer,
                "--initial-advertise-peer-urls", peer, "--initial-cluster", f"default={peer}",
                "--log-level", "warn"]

    def api_server(self):
        pki = self.pki
        argv = [
            paths.program("kube-apiserver"), f"--etcd-servers={ETCD}", "--secure-port=6443",
            f"--advertise-address={netns.HOST_ADDRESS}", f"--tls-cert-file={pki}/server.crt",
            f"--tls-private-key-file={pki}/server.key", f"--client-ca-file={pki}/ca.crt",
            f"--service-account-key-file={pki}/service-account.pub",
            f"--service-account-signing-key-file={pki}/service-account.key",
            "--service-account-issuer=https://kubernetes.default.svc.cluster.local",
            "--authorization-mode=Node,RBAC", "--enable-admission-plugins=NodeRestriction",
            f"--service-cluster-ip-range={netns.SERVICE_NETWORK}", "--allow-privileged=true",
            f"--kubelet-client-certificate={pki}/kubelet-client.crt",
            f"--kubelet-client-key={pki}/kubelet-client.key", "--kubelet-preferred-address-types=InternalIP",
            "--enable-aggregator-routing=true", f"--requestheader-client-ca-file={pki}/front-proxy-ca.crt",
            "--requestheader-allowed-names=front-proxy-client",
            "--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
            "--requestheader-extra-headers-prefix=X-Remote-Extra-",
            f"--proxy-client-cert-file={pki}/front-proxy.crt", f"--proxy-client-key-file={pki}/front-proxy.key",
            f"--audit-policy-file={self.etc}/audit.yaml", f"--audit-log-path={self.folder}/audit.log",
        ]
        if self.options.get("goaway_chance"):
            argv.append(f"--goaway-chance={self.options['goaway_chance']}")
        return argv + list(self.options.get("apiserver_arg") or ())

    def controller_manager(self):
        config = f"{self.etc}/controller-manager.kubeconfig"
        return [paths.program("kube-controller-manager"), f"--kubeconfig={config}",
                f"--authentication-kubeconfig={config}", f"--authorization-kubeconfig={config}",
                f"--root-ca-file={self.pki}/ca.crt", "--use-service-account-credentials", "--leader-elect=false",
                f"--service-account-private-key-file={self.pki}/service-account.key", "--secure-port=0",
                f"--cluster-signing-cert-file={self.pki}/ca.crt",
                f"--cluster-signing-key-file={self.pki}/ca.key"]

    def scheduler(self):
        return [paths.program("kube-scheduler"), f"--kubeconfig={self.etc}/scheduler.kubeconfig",
                "--leader-elect=false", "--secure-port=0"]

    def kwok(self):
        """Its own kubelet server is put aside: the streams program answers for all nodes."""
        return [paths.program("kwok"), f"--kubeconfig={self.etc}/kwok.kubeconfig",
                f"--config={self.etc}/kwok.yaml", "--manage-all-nodes=true", "--node-ip", netns.HOST_ADDRESS,
                "--node-port", str(KUBELET_PORT), "--node-lease-duration-seconds", "20",
                "--server-address", "127.0.0.1:10247",
                "--cidr", netns.ANYIP, "--tls-cert-file", f"{self.pki}/kubelet.crt",
                "--tls-private-key-file", f"{self.pki}/kubelet.key"]

    def streams(self):
        return [paths.program("streams"), f"{self.folder}/run/state", f"{netns.HOST_ADDRESS}:{KUBELET_PORT}",
                f"{self.pki}/kubelet.crt", f"{self.pki}/kubelet.key", f"{self.pki}/ca.crt"]

    def podd(self):
        return ["/usr/bin/python3", "-X", f"pycache_prefix={self.folder}/run/pycache", "-m", "harness.podd",
                str(self.folder)]

    # ---- start ----

    def add(self, name, argv, **more):
        supervisor.ask(self.folder, do="add", name=name, argv=argv, **more)

    def api(self, identity="admin", agent="peers-up"):
        return Api(SERVER, self.pki / "ca.crt", self.pki / f"{identity}.crt", self.pki / f"{identity}.key", agent)

    def start(self):
        """All components; then what a fresh cluster of AKS would hold."""
        self.add("etcd", self.etcd())
        self.add("kube-apiserver", self.api_server(), patience=1)       # open watches hold up its end for a minute
        asyncio.run(self.settle())

    async def settle(self):
        api = self.api()
        await self.until_ready(api)
        self.add("kube-controller-manager", self.controller_manager())
        self.add("kube-scheduler", self.scheduler())
        await self.first_objects(api)
        self.add("kwok", self.kwok())
        self.add("streams", self.streams())
        self.add("podd", self.podd())           # with --no-podd it still makes volumes and the hosts file
        await self.until_usable(api)

    async def until_ready(self, api):
        async def ready():
            return await api.get("/readyz") == b"ok"
        await wait_for(ready, READY_SECONDS, "the API server is not ready: see log/kube-apiserver.log")

    async def first_objects(self, api):
        for name, binding, expands, default in CLASSES:
            await api.post("/apis/storage.k8s.io/v1/storageclasses",
                           storage_class(name, binding, expands, default))
        for number in range(self.options.get("nodes") or 3):
            await api.post("/api/v1/nodes", node(number))

    async def until_usable(self, api):
        """Nodes ready and namespace default with its service account: pods are refused before."""
        async def usable():
            await api.get("/api/v1/namespaces/default/serviceaccounts/default")
            return all(is_ready(item) for item in (await api.get("/api/v1/nodes"))["items"])
        await wait_for(usable, READY_SECONDS, "nodes are not ready: see log/kwok.log")


async def wait_for(check, seconds, failure):
    """Ask again each 50 ms; refusals and errors count as no."""
    deadline = asyncio.get_running_loop().time() + seconds
    while True:
        try:
            if await check():
                return
        except (OSError, ApiError, asyncio.IncompleteReadError):
            pass
        if asyncio.get_running_loop().time() > deadline:
            raise RuntimeError(failure)
        await asyncio.sleep(0.05)


def is_ready(item):
    return any(c["type"] == "Ready" and c["status"] == "True" for c in item["status"].get("conditions", ()))


def kwok_stages(all_pods=False):
    """kwok's own stages; those of pods leave out every pod that podd runs as real processes.

    The choice is made by the image alone (kwok's selectors are jq), so there is no moment in which
    both or neither feel responsible, and no marking step that could lose a race."""
    documents = [ready_again()]
    for path in sorted((paths.pins()["kwok"].folder / "stages").glob("*.yaml")):
        documents += yaml.safe_load_all(path.read_text())
    for stage in documents:
        if stage["spec"]["resourceRef"]["kind"] == "Pod" and not all_pods:
            stage["spec"]["selector"]["matchExpressions"] += images.kwok_excludes()
    return yaml.safe_dump_all(documents)


def ready_again():
    """A stage that kwok lacks: after a node was away its pods are not ready, by the node lifecycle controller; a kubelet takes that back."""
    def condition(kind, status):
        return {"key": f'.status.conditions.[] | select( .type == "{kind}" ) | .status', "operator": "In", "values": [status]}
    return {"apiVersion": "kwok.x-k8s.io/v1alpha1", "kind": "Stage", "metadata": {"name": "pod-ready-again"}, "spec": {
        "resourceRef": {"apiGroup": "v1", "kind": "Pod"},
        "selector": {"matchExpressions": [
            {"key": ".metadata.deletionTimestamp", "operator": "DoesNotExist"},
            {"key": ".status.phase", "operator": "In", "values": ["Running"]},
            condition("ContainersReady", "True"), condition("Ready", "False")]},
        "next": {"statusTemplate": "conditions:\n- lastTransitionTime: {{ Now | Quote }}\n  status: \"True\"\n  type: Ready\n"}}}


def storage_class(name, binding, expands, default):
    return {"metadata": {"name": name, "annotations": {
                "storageclass.kubernetes.io/is-default-class": "true" if default else "false"}},
            "provisioner": PROVISIONER, "reclaimPolicy": "Delete", "volumeBindingMode": binding,
            "allowVolumeExpansion": expands}


def node(number):
    """A node as AKS labels it."""
    arch, pool, mode = POOLS[number % len(POOLS)]
    name = f"aks-{pool}-{number:04d}"
    size = {"cpu": "16", "memory": "64Gi", "pods": "250", "ephemeral-storage": "128Gi"}
    labels = {"kubernetes.io/arch": arch, "kubernetes.io/os": "linux", "kubernetes.io/hostname": name,
              "beta.kubernetes.io/arch": arch, "beta.kubernetes.io/os": "linux", "agentpool": pool,
              "kubernetes.azure.com/agentpool": pool, "kubernetes.azure.com/mode": mode,
              "kubernetes.azure.com/cluster": "peers", "kubernetes.io/role": "agent",
              "node.kubernetes.io/instance-type": "Standard_D16ps_v5" if arch == "arm64" else "Standard_D16s_v5",
              "topology.kubernetes.io/region": "westeurope",
              "topology.kubernetes.io/zone": f"westeurope-{number % 3 + 1}"}
    return {"metadata": {"name": name, "labels": labels},
            "spec": {"providerID": f"azure:///peers/{name}"},
            "status": {"capacity": size, "allocatable": size,
                       "addresses": [{"type": "InternalIP", "address": netns.HOST_ADDRESS},
                                     {"type": "Hostname", "address": name}],
                       "nodeInfo": {"architecture": arch, "operatingSystem": "linux", "machineID": "",
                                    "systemUUID": "", "bootID": "", "kernelVersion": "6.1.0-peers",
                                    "osImage": "peers", "containerRuntimeVersion": "peers://1",
                                    "kubeletVersion": f"v{paths.pins()['kubernetes'].version}",
                                    "kubeProxyVersion": ""}}}
