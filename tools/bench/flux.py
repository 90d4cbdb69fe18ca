# SPDX-License-Identifier: Apache-2.0
"""Flux's kustomize-controller alone: without source-controller. A small HTTP server has the artifact, and a GitRepository whose
status names it is what source-controller would have left."""
import hashlib
import json
import re
import subprocess
import sys
import tarfile
import time

from world import Failed, until

SERVER, HEALTH = "127.0.0.1:18080", "127.0.0.1:19440"
SOURCES, KUSTOMIZE = "/apis/source.toolkit.fluxcd.io/v1", "/apis/kustomize.toolkit.fluxcd.io/v1"
SHOWN = ("concurrent", "concurrent-ssa", "kube-api-qps", "kube-api-burst")
OPTIONS = ({}, {"concurrent": 16, "concurrent-ssa": 16, "kube-api-qps": 1000, "kube-api-burst": 1000})


def settings(binary, options):
    """What counts for its speed: as given, or the default as its help says."""
    words = subprocess.run([binary, "--help"], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False).stdout \
        if binary.exists() else ""
    defaults = dict(re.findall(r"^\s+--(\S+) .*\(default ([^)]*)\)$", words, re.M))
    return ("its defaults: " if not options else "") + ", ".join(
        f"--{name}={options.get(name, defaults.get(name, '?'))}" for name in SHOWN)


class Flux:
    """The controller on its CRDs, up and idle; what it needed goes with it."""

    def __init__(self, w, pins, options):
        self.w, self.options, self.binary = w, options, pins["kustomize-controller"].folder / "kustomize-controller"
        self.crds = [path for name in ("kustomize-crds", "source-crds") for path in sorted((pins[name].folder / "crds").glob("*.yaml"))]
        self.folder = w.folder / w.name("flux")
        self.folder.mkdir()
        self.process, self.server, self.kustomization = None, None, None

    def __enter__(self):
        for path in self.crds:
            self.w.kubectl("PATCH", f"{crd_path(path)}?fieldManager=bench&force=true", path.read_text(), "application/apply-patch+yaml")
        until(lambda: all(self.w.kubectl("GET", f"{base}/{kind}", check=False).get("items") is not None for base, kind in
                          ((SOURCES, "gitrepositories"), (KUSTOMIZE, "kustomizations"))), "Flux's CRDs to be served", pause=0.2)
        host, port = SERVER.split(":")
        self.server = self.start("server", [sys.executable, "-m", "http.server", "--bind", host, port, "--directory", self.folder])
        self.process = self.start("controller", [self.binary, "--metrics-addr=0", f"--health-addr={HEALTH}",
                                                 *(f"--{name}={value}" for name, value in self.options.items())])
        for url in (f"http://{SERVER}/", f"http://{HEALTH}/readyz"):
            until(lambda url=url: self.goes_on() and not subprocess.run([*self.w.inside, "curl", "-sSf", "-o", "/dev/null", url],
                                                                        capture_output=True, check=False).returncode, url, pause=0.2)
        return self

    def __exit__(self, *why):
        if self.kustomization:                  # its finalizer would hold the CRD
            self.w.kubectl("DELETE", self.kustomization, check=False)
            self.w.kubectl("PATCH", self.kustomization, {"metadata": {"finalizers": None}}, "application/merge-patch+json", check=False)
        for program in (self.process, self.server):
            program.terminate()
            program.wait()
        for path in self.crds:
            self.w.kubectl("DELETE", crd_path(path), check=False)

    def start(self, name, arguments):
        with open(self.folder / f"{name}.log", "wb") as log:
            program = subprocess.Popen([*self.w.inside, *map(str, arguments)], stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                       env={**self.w.floor_env, "KUBECONFIG": self.w.env["KUBECONFIG"], "RUNTIME_NAMESPACE": "default",
                                            "TMPDIR": str(self.folder)})
        self.w.programs.append(program)
        return program

    def apply(self, namespace, path):
        """The source with FILE in it, then the Kustomization; when that was asked for."""
        archive = self.folder / "artifact.tar.gz"
        with tarfile.open(archive, "w:gz") as tar:
            tar.add(path, path.name)
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        source = f"{SOURCES}/namespaces/{namespace}/gitrepositories"
        self.w.kubectl("POST", source, {"apiVersion": SOURCES[6:], "kind": "GitRepository", "metadata": {"name": "bench"},
                                        "spec": {"interval": "1h", "url": "https://git.example.org/bench"}})
        revision = "main@sha1:" + "0" * 40
        self.w.kubectl("PATCH", f"{source}/bench/status", {"status": {
            "observedGeneration": 1, "artifact": {
                "path": archive.name, "url": f"http://{SERVER}/{archive.name}", "revision": revision, "lastUpdateTime": now,
                "digest": "sha256:" + hashlib.sha256(archive.read_bytes()).hexdigest(), "size": archive.stat().st_size},
            "conditions": [{"type": "Ready", "status": "True", "reason": "Succeeded", "message": "", "lastTransitionTime": now,
                            "observedGeneration": 1}]}}, "application/merge-patch+json")
        self.kustomization = f"{KUSTOMIZE}/namespaces/{namespace}/kustomizations/bench"
        began = time.time()
        self.w.kubectl("POST", self.kustomization.rpartition("/")[0], {
            "apiVersion": KUSTOMIZE[6:], "kind": "Kustomization", "metadata": {"name": "bench"}, "spec": {
                "interval": "1h", "timeout": "1h", "path": "./", "prune": False,
                "sourceRef": {"kind": "GitRepository", "name": "bench"}}})
        return began

    def goes_on(self):
        """True; or what it ended with, or the failure that it reports."""
        if self.process.poll() is not None:
            raise Failed(f"kustomize-controller ended: {(self.folder / 'controller.log').read_text()[-2000:]}")
        conditions = self.w.kubectl("GET", self.kustomization)["status"].get("conditions", []) if self.kustomization else []
        bad = [c for c in conditions if c["type"] == "Ready" and c["status"] == "False"]
        if bad:
            raise Failed(f"Flux: {json.dumps(bad)}")
        return True


def crd_path(path):
    """controller-gen names the file GROUP_PLURAL.yaml, and the CRD PLURAL.GROUP."""
    group, plural = path.stem.split("_")
    return f"/apis/apiextensions.k8s.io/v1/customresourcedefinitions/{plural}.{group}"
