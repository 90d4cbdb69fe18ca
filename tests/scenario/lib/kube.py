# SPDX-License-Identifier: Apache-2.0
"""A small client of a Kubernetes API server: what a person does with kubectl, for tests on both kinds of cluster."""
import http.client
import json
import ssl
import urllib.error
import urllib.request

PATHS = {                       # plural → the prefix of its path
        "pods": "/api/v1", "events": "/api/v1", "services": "/api/v1", "secrets": "/api/v1", "configmaps": "/api/v1", "serviceaccounts": "/api/v1",
        "persistentvolumes": "/api/v1", "persistentvolumeclaims": "/api/v1", "namespaces": "/api/v1", "deployments": "/apis/apps/v1",
        "statefulsets": "/apis/apps/v1", "clusterroles": "/apis/rbac.authorization.k8s.io/v1",
        "clusterrolebindings": "/apis/rbac.authorization.k8s.io/v1", "roles": "/apis/rbac.authorization.k8s.io/v1",
        "rolebindings": "/apis/rbac.authorization.k8s.io/v1", "jobs": "/apis/batch/v1", "networkpolicies": "/apis/networking.k8s.io/v1",
        "horizontalpodautoscalers": "/apis/autoscaling/v2", "customresourcedefinitions": "/apis/apiextensions.k8s.io/v1",
        "validatingwebhookconfigurations": "/apis/admissionregistration.k8s.io/v1",
        "mutatingwebhookconfigurations": "/apis/admissionregistration.k8s.io/v1", "things": "/apis/kinds.example.org/v1",
}


class Kube:
    def __init__(self, url, token=None, ca=None, cert=None, key=None):
        self.url, self.token = url, token
        self.sent = 0                   # writing requests
        self.context = None
        if url.startswith("https"):
            self.context = ssl.create_default_context(cafile=ca)
            if cert:
                self.context.load_cert_chain(cert, key)

    def call(self, method, path, body=None, kind="application/json", manager="kubectl-edit"):
        """(code, object). The user agent is the writer's name where fieldManager does not give one."""
        headers = {"Accept": "application/json", "User-Agent": f"{manager}/1"}
        if self.token:
            headers["Authorization"] = f"Bearer {self.token}"
        if body is not None:
            headers["Content-Type"] = kind
        data = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        self.sent += method != "GET"
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30, context=self.context) as answer:
                return answer.status, json.loads(answer.read() or b"null")
        except urllib.error.HTTPError as error:
            text = error.read().decode(errors="replace")
            try:
                return error.code, json.loads(text)
            except ValueError:
                return error.code, {"message": text}
        except (urllib.error.URLError, http.client.HTTPException, OSError) as error:
            return 0, {"message": str(error)}

    @staticmethod
    def path(plural, namespace, name=""):
        middle = f"/namespaces/{namespace}" if namespace else ""
        return f"{PATHS[plural]}{middle}/{plural}" + (f"/{name}" if name else "")

    def get(self, plural, namespace, name):
        """The object, or None."""
        code, found = self.call("GET", self.path(plural, namespace, name))
        return found if code == 200 else None

    def list(self, plural, namespace=""):
        code, found = self.call("GET", self.path(plural, namespace))
        return found["items"] if code == 200 else []

    def must(self, method, path, *more, **named):
        code, found = self.call(method, path, *more, **named)
        if not 200 <= code < 300:
            raise RuntimeError(f"{method} {path}: {code} {found.get('message')}")
        return found

    def create(self, plural, namespace, body):
        return self.must("POST", self.path(plural, namespace), body)

    def merge(self, plural, namespace, name, patch, manager="kubectl-edit"):
        return self.must("PATCH", self.path(plural, namespace, name) + f"?fieldManager={manager}", patch,
                         "application/merge-patch+json")

    def edit(self, plural, namespace, name, pointer, value, manager="kubectl-edit", how="replace"):
        """Sets one field, as `kubectl edit` does; HOW "add" and "remove" do that."""
        return self.must("PATCH", self.path(plural, namespace, name) + f"?fieldManager={manager}",
                         [{"op": how, "path": pointer, "value": value}], "application/json-patch+json")

    def apply(self, plural, namespace, name, body, manager):
        """By force, as `kubectl apply --server-side --force-conflicts` does."""
        return self.must("PATCH", self.path(plural, namespace, name) + f"?fieldManager={manager}&force=true", body,
                         "application/apply-patch+yaml")

    def delete(self, plural, namespace, name):
        return self.must("DELETE", self.path(plural, namespace, name), {"propagationPolicy": "Background"})
