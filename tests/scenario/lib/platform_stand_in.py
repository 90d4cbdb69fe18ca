#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What runs in clusters beside us, as processes of their own.

  platform_stand_in.py webhook CERTIFICATE KEY         a mutating webhook: prints its port, then answers until it is killed
  platform_stand_in.py certified PORT FOLDER           the same with tls.crt and tls.key of FOLDER, read anew for each connection; each has one request
  platform_stand_in.py scaler URL PATH TURNS [CA CERTIFICATE KEY]      an autoscaler of the Deployment PATH: so many writes of its scale

The webhook does to each Deployment what those of platforms do: another registry, a container beside ours, an annotation.
"""
import base64
import http.server
import json
import os
import ssl
import sys

OURS, MIRROR = "registry.example/", "mirror.example/"


def changes(deployment):
    """A JSON patch."""
    containers = deployment["spec"]["template"]["spec"]["containers"] if deployment["kind"] == "Deployment" else []
    for i, container in enumerate(containers):
        if container["image"].startswith(OURS):
            yield {"op": "replace", "path": f"/spec/template/spec/containers/{i}/image", "value": MIRROR + container["image"].removeprefix(OURS)}
    if containers and all(container["name"] != "injected" for container in containers):
        yield {"op": "add", "path": "/spec/template/spec/containers/-", "value": {"name": "injected", "image": MIRROR + "proxy:1"}}
    if "annotations" not in deployment["metadata"]:
        yield {"op": "add", "path": "/metadata/annotations", "value": {}}
    yield {"op": "add", "path": "/metadata/annotations/example.org~1injected", "value": "yes"}


class Webhook(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        review = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        patch = list(changes(review["request"]["object"]))
        body = json.dumps({"apiVersion": review["apiVersion"], "kind": review["kind"], "response": {
            "uid": review["request"]["uid"], "allowed": True, "patchType": "JSONPatch",
            "patch": base64.b64encode(json.dumps(patch).encode()).decode()}}).encode()
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


def webhook(certificate, key):
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Webhook)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    print(server.server_address[1], flush=True)
    server.serve_forever()


class Certified(Webhook):
    """For any object: an annotation. Each connection is of one request, so that each checks the certificate."""

    def end_headers(self):
        self.send_header("Connection", "close")
        super().end_headers()


class Renewing(http.server.ThreadingHTTPServer):
    request_queue_size = 128
    folder = None

    def process_request_thread(self, request, client_address):
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        folder = os.path.realpath(self.folder)          # both files of one time
        context.load_cert_chain(f"{folder}/tls.crt", f"{folder}/tls.key")
        try:
            request = context.wrap_socket(request, server_side=True)
        except OSError:
            return self.shutdown_request(request)       # who only looks
        super().process_request_thread(request, client_address)


def certified(port, folder):
    Renewing.folder = folder
    server = Renewing(("127.0.0.1", int(port)), Certified)
    print("ready", flush=True)
    server.serve_forever()


def scaler(url, path, turns, *tls):
    from kube import Kube       # beside this file
    kube = Kube(url, None, *tls)
    for turn in range(int(turns)):
        kube.must("PATCH", f"{path}/scale?fieldManager=kube-controller-manager", {"spec": {"replicas": 1 + turn % 3}},
                  "application/merge-patch+json", manager="kube-controller-manager")


if __name__ == "__main__":
    {"webhook": webhook, "certified": certified, "scaler": scaler}[sys.argv[1]](*sys.argv[2:])
