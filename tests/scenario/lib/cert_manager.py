# SPDX-License-Identifier: Apache-2.0
"""What cert-manager does with CertificateRequests, in a thread: approves or denies, signs, and says so in their status.

Its definition is cert-manager's own; the controller is this. One that has a condition Ready with another reason than Pending is never looked at
again, as there."""
import base64
import threading
import time

from .authority import Authority
from .kube import PATHS
from .world import Trouble

PLURAL = "certificaterequests"
PATHS[PLURAL] = "/apis/cert-manager.io/v1"
DEFINITION = f"{PLURAL}.cert-manager.io"


def define(world, manifest):
    """The definition out of MANIFEST, cert-manager's release; where the cluster has none yet."""
    kube = world.cluster.kube
    if not kube.get("customresourcedefinitions", "", DEFINITION):
        text, = (part for part in manifest.read_text().split("\n---\n") if f"\n  name: {DEFINITION}\n" in part)
        kube.must("POST", kube.path("customresourcedefinitions", ""), text.encode(), "application/yaml")
    world.wait_for("the definition to be served", lambda: kube.call("GET", kube.path(PLURAL, world.cluster.model))[0] == 200)


def condition(type_, status, reason, message):
    return {"type": type_, "status": status, "reason": reason, "message": message,
            "lastTransitionTime": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())}


class Issuer(threading.Thread):
    """ANSWER: "sign"; or how a request ends that is not signed: "Denied", "InvalidRequest"; or "wait"."""

    def __init__(self, world, name):
        super().__init__(daemon=True)
        self.kube, self.model, self.name = world.cluster.kube, world.cluster.model, name
        self.authority = Authority(world.folder / f"issuer-{name}", name)
        self.answer, self.end, self.failure = "wait", threading.Event(), None
        self.start()

    def stop(self):
        self.end.set()
        self.join(30)
        if self.failure:
            raise Trouble(f"the issuer: {self.failure}")

    def run(self):
        try:
            while not self.end.wait(0.1):
                for request in self.kube.list(PLURAL, self.model):
                    self.look(request)
        except (OSError, RuntimeError, KeyError) as failure:
            self.failure = failure

    def look(self, request):
        spec, have = request["spec"], request.get("status", {}).get("conditions", [])
        if spec["issuerRef"]["name"] != self.name or any(c["type"] == "Ready" and c["reason"] != "Pending" for c in have):
            return
        if self.answer == "sign":
            self.tell(request, self.signed(request))
        elif self.answer != "wait":
            word = "Denied" if self.answer == "Denied" else "Failed"
            self.tell(request, {"conditions": [condition(self.answer, "True", "Policy", f"the {self.answer} of a policy"),
                                               condition("Ready", "False", word, "it is not signed")]})
        elif not have:
            self.tell(request, {"conditions": [condition("Approved", "True", "cert-manager.io", "approved"),
                                               condition("Ready", "False", "Pending", "the issuer takes its time")]})

    def signed(self, request):
        folder, name = self.authority.folder, request["metadata"]["name"]
        csr, pem, extensions = folder / f"{name}.csr", folder / f"{name}.pem", folder / f"{name}.ext"
        csr.write_bytes(base64.b64decode(request["spec"]["request"]))
        use = ",".join({"server auth": "serverAuth", "client auth": "clientAuth"}[u] for u in request["spec"]["usages"] if u.endswith(" auth"))
        extensions.write_text(f"extendedKeyUsage={use}\n")
        self.authority.run("x509", "-req", "-in", csr, "-CA", self.authority.certificate, "-CAkey", self.authority.key, "-CAcreateserial",
                           "-days", 30, "-copy_extensions", "copy", "-extfile", extensions, "-out", pem)
        return {"certificate": base64.b64encode(pem.read_bytes()).decode(),
                "ca": base64.b64encode(self.authority.certificate.read_bytes()).decode(),
                "conditions": [condition("Approved", "True", "cert-manager.io", "approved"), condition("Ready", "True", "Issued", "it is signed")]}

    def tell(self, request, status):
        path = self.kube.path(PLURAL, self.model, request["metadata"]["name"]) + "/status?fieldManager=cert-manager"
        code, answer = self.kube.call("PATCH", path, {"status": status}, "application/merge-patch+json", manager="cert-manager")
        if code not in (200, 404, 409):          # it may have gone meanwhile
            raise RuntimeError(f"PATCH {path}: {code} {answer.get('message')}")
