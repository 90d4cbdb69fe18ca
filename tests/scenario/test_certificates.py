#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Certificates in use: what mooringctl says of them, and a webhook that serves one while it and its CA are replaced.

On real peers the API server asks the webhook, a process of its own, for each of MOORING_TEST_ADMISSIONS (600) objects, with a new TLS connection
each time; it reads the files that a kubelet would have written from its Secret, some seconds late. None may be refused."""
import base64
import http.client
import itertools
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import urllib.parse
from contextlib import contextmanager
from pathlib import Path

from lib import cert_manager, operations
from lib.runner import main, shared, test
from lib.world import Trouble

PLATFORM = Path(__file__).parent / "lib" / "platform_stand_in.py"
ADMISSIONS = int(os.environ.get("MOORING_TEST_ADMISSIONS", "600"))
WRITERS = 4
OVERLAP = "8s"          # longer than the kubelet's delay
DELAY_S = 3
BEGIN = "-----BEGIN CERTIFICATE-----"


def certified(world):
    world.ctl("model-config", f"ca-overlap={OVERLAP}").ok()
    world.ctl("deploy", "certified", "hook").ok()


def certs(world, *words):
    return json.loads(world.ctl("certs", "--format", "json", *words).ok().out)


def secret(world, name="hook-0"):
    data = world.cluster.kube.get("secrets", world.cluster.model, name)["data"]
    return {name: base64.b64decode(value).decode() for name, value in data.items()}


def one(world, kind):
    return [c for c in certs(world)["certificates"] if c["kind"] == kind]


@test("certs lists what the model, its CA and the daemon have, and --expiring what ends soon", shares=certified)
def _(world):
    lines = world.ctl("certs").ok().out.splitlines()
    if not lines[0].startswith("Name") or not [line for line in lines if line.startswith("hook/tls-0") and "mooring" in line]:
        raise Trouble("\n".join(lines))
    kinds = {c["kind"] for c in certs(world)["certificates"]}
    if not {"application", "ca"} <= kinds:
        raise Trouble(f"only {kinds}")
    if [c for c in certs(world, "--expiring", "30d")["certificates"] if c["kind"] != "daemon"]:
        raise Trouble("90 days are within 30")
    if not [c for c in certs(world, "--expiring", "100d")["certificates"] if c["kind"] == "application"]:
        raise Trouble("90 days are not within 100")
    world.ctl("certs", "--expiring", "soon").refused("30d", code=2)


@test("rotate-certificate issues anew, and says so in the audit", shares=certified)
def _(world):
    before = secret(world)["tls.crt"]
    world.ctl("rotate-certificate", "hook", "nothing").refused("no certificate nothing")
    world.ctl("rotate-certificate", "hook").ok()
    world.wait_for("another certificate", lambda: secret(world)["tls.crt"] != before)
    if "rotate-certificate" not in world.ctl("audit", "--what", "rotate-certificate").ok().out:
        raise Trouble("it is not in the audit")
    world.wait_active()


# ---- issued by somebody else

def served_by(world, name, issuer):
    """Until the Secret NAME has a certificate of ISSUER; its text."""
    def there():
        if not world.cluster.kube.get("secrets", world.cluster.model, name):        # it was deployed just now
            return None
        pem = secret(world, name)["tls.crt"]
        said = subprocess.run(["openssl", "x509", "-noout", "-issuer"], input=pem, capture_output=True, text=True, check=True).stdout
        return pem if said.strip() == f"issuer=CN = {issuer}" else None
    return world.wait_for(f"{name} to be issued by {issuer}", there)


def verify(world, name):
    """Its certificate is of its key, and its bundle verifies it."""
    data = secret(world, name)
    for part, text in data.items():
        (world.folder / part).write_text(text)
    for words in (["verify", "-purpose", "sslserver", "-CAfile", world.folder / "ca.crt", world.folder / "tls.crt"],
                  ["x509", "-noout", "-checkhost", f"{name}.{world.cluster.model}.svc", "-in", world.folder / "tls.crt"]):
        done = subprocess.run(["openssl", *map(str, words)], capture_output=True, text=True, check=False)
        if done.returncode or "does NOT match" in done.stdout:
            raise Trouble(f"openssl {words[0]}: {done.stdout}{done.stderr}")
    keys = {subprocess.run(["openssl", *words], capture_output=True, text=True, check=True).stdout for words in (
        ["x509", "-noout", "-pubkey", "-in", world.folder / "tls.crt"], ["pkey", "-pubout", "-in", world.folder / "tls.key"])}
    if len(keys) != 1:
        raise Trouble("the certificate is of another key")


def requests(world):
    return {r["metadata"]["name"]: r for r in world.cluster.kube.list(cert_manager.PLURAL, world.cluster.model)}


def another_request(world, before):
    """Until there is one beside those of BEFORE, and none of them."""
    return world.wait_for("another request", lambda: (now := requests(world)) and not before & now.keys() and list(now.values())[0])


@test("an issuer of cert-manager's signs what an application asks for; what it denies or cannot sign is told, and is asked for anew", shares=certified)
def _(world):
    cert_manager.define(world, Path(shared()) / "upstream" / "cert-manager.yaml")
    issuer = cert_manager.Issuer(world, "ours")
    try:
        world.ctl("deploy", "cert-manager-issuer", "issuer").ok()
        world.wait_status("issuer", "blocked", "issuer-name")
        world.ctl("config", "issuer", "issuer-name=ours", "issuer-kind=ClusterIssuer", "duration=720h").ok()
        world.ctl("deploy", "certified", "web").ok()
        world.ctl("integrate", "web", "issuer").ok()
        world.wait_status("issuer", "waiting", "the request of web", "takes its time")
        (name, first), = requests(world).items()
        if first["spec"]["issuerRef"] != {"name": "ours", "kind": "ClusterIssuer", "group": "cert-manager.io"} or first["spec"]["duration"] != "720h":
            raise Trouble(f"it asks for {first['spec']}")
        issuer.answer = "sign"
        pem = served_by(world, "web-0", "ours")
        world.wait_active()
        verify(world, "web-0")
        if requests(world).keys() != {name}:
            raise Trouble("the request did not stay")
        for answer, said in (("Denied", "denied"), ("InvalidRequest", "cannot sign")):
            before, issuer.answer = requests(world).keys(), answer
            world.ctl("rotate-certificate", "web").ok()
            another_request(world, before)
            world.wait_status("issuer", "blocked", said, f"the {answer} of a policy", "rotate-certificate web")
            if secret(world, "web-0")["tls.crt"] != pem:
                raise Trouble("what is served changed")
        before, issuer.answer = requests(world).keys(), "sign"
        world.ctl("rotate-certificate", "web").ok()
        another_request(world, before)
        world.wait_for("the next certificate", lambda: secret(world, "web-0")["tls.crt"] != pem)
        world.wait_active()
        verify(world, "web-0")
    finally:
        for app in ("web", "issuer"):
            world.ctl("remove-application", app)
        world.wait_for("the requests to go", lambda: not requests(world))
        issuer.stop()


# ---- a webhook that is asked all the time

class Kubelet(threading.Thread):
    """Writes the Secret into a folder, late, both files at once as a kubelet does."""

    def __init__(self, world, folder, app):
        super().__init__(daemon=True)
        self.world, self.folder, self.end, self.turn = world, Path(folder), threading.Event(), itertools.count()
        self.name = f"{app}-0"
        self.folder.mkdir()
        self.write(secret(world, self.name))

    def write(self, data):
        new = self.folder / f"..{next(self.turn)}"
        new.mkdir()
        for name, text in data.items():
            (new / name).write_text(text)
        link = self.folder / "..new"
        link.symlink_to(new.name)
        link.rename(self.folder / "data")
        self.written = data["tls.crt"]

    def run(self):
        while not self.end.wait(DELAY_S):
            data = secret(self.world, self.name)
            if data["tls.crt"] != self.written:
                self.write(data)


class Writer(threading.Thread):
    """Creates objects that the webhook has to admit, without keeping them."""

    def __init__(self, world, count):
        super().__init__(daemon=True)
        self.world, self.count, self.end, self.refused = world, count, threading.Event(), []
        self.address = urllib.parse.urlsplit(world.cluster.kube.url)

    def run(self):
        kube, path = self.world.cluster.kube, f"/api/v1/namespaces/{self.world.cluster.model}/configmaps?dryRun=All"
        body = json.dumps({"metadata": {"generateName": "admitted-", "labels": {"certified": "yes"}}})
        connection = http.client.HTTPSConnection(self.address.hostname, self.address.port, context=kube.context, timeout=30)
        while not self.end.is_set():
            connection.request("POST", path, body, {"Content-Type": "application/json"})
            answer = connection.getresponse()
            text = answer.read()
            next(self.count)
            if answer.status != 201 or b"example.org/injected" not in text:
                self.refused.append(f"{answer.status} {text.decode(errors='replace')[:300]}")


@contextmanager
def webhook(world, app="hook"):
    folder = world.folder / f"kubelet-{app}"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    kubelet = Kubelet(world, folder, app)
    process = subprocess.Popen([sys.executable, PLATFORM, "certified", str(port), str(folder / "data")], stdout=subprocess.PIPE)
    try:
        process.stdout.readline()
        kubelet.start()
        world.ctl("config", app, f"webhook=https://127.0.0.1:{port}/").ok()
        world.wait_for("the webhook's configuration", lambda: configuration(world, app))
        world.wait_active()
        world.wait_for("the webhook to be asked", lambda: admitted(world))
        yield port
    finally:
        kubelet.end.set()
        process.kill()
        process.wait()
        world.ctl("config", app, "--reset", "webhook")
        world.wait_for("the end of the webhook's configuration", lambda: not configuration(world, app))


def configuration(world, app):
    return world.cluster.kube.get("mutatingwebhookconfigurations", "", f"{world.cluster.model}-{app}")


def admitted(world):
    """The API server asked the webhook, and believed it."""
    code, answer = world.cluster.kube.call("POST", f"/api/v1/namespaces/{world.cluster.model}/configmaps?dryRun=All",
                                           {"metadata": {"generateName": "one-", "labels": {"certified": "yes"}}})
    return code == 201 and "example.org/injected" in json.dumps(answer)


def served(port):
    return ssl.get_server_certificate(("127.0.0.1", port))


def first(pem):
    return BEGIN + pem.split(BEGIN)[1]


def renew(world, port):
    before = served(port)
    world.ctl("rotate-certificate", "hook").ok()
    world.wait_for("the webhook to serve another certificate", lambda: served(port).split() != before.split(), 60)


@test("a webhook is asked all the time while its certificate is renewed three times and its CA replaced: no object is refused", shares=certified,
      sim="the simulator calls no webhooks")
def _(world):
    count = itertools.count()
    with webhook(world) as port:
        writers = [Writer(world, count) for _ in range(WRITERS)]
        for writer in writers:
            writer.start()
        try:
            for _ in range(3):
                renew(world, port)
            old = one(world, "ca")[0]["serial"]
            world.ctl("rotate-ca").ok()
            world.wait_for("the new CA alone", lambda: [c["serial"] for c in one(world, "ca") if c["state"] != "old"] != [old]
                           and len(one(world, "ca")) == 1, 180)
            world.wait_active()
            asked = world.wait_for("enough admissions", lambda: n if (n := next(count)) >= ADMISSIONS else None, 1200)
        finally:
            for writer in writers:
                writer.end.set()
            for writer in writers:
                writer.join(60)
        hook = configuration(world, "hook")
    bundle = base64.b64decode(hook["webhooks"][0]["clientConfig"]["caBundle"]).decode()
    if bundle.count(BEGIN) != 1 or bundle != secret(world)["ca.crt"]:
        raise Trouble("the webhook's caBundle is not the new CA alone")
    refused = [line for writer in writers for line in writer.refused]
    print(f"    {asked} admissions, {len(refused)} refused", flush=True)
    if refused or any(writer.is_alive() for writer in writers):
        raise Trouble("\n".join(refused[:5]) or "a writer hangs")


@test("self-signed-certificates issues what a webhook serves: the API server believes it before, while and after its authority is replaced", shares=certified,
      sim="the simulator calls no webhooks")
def _(world):
    def believed_until(what, condition):
        def there():
            if not admitted(world):
                raise Trouble(f"refused while waiting for {what}")
            return condition()
        return world.wait_for(what, there, 180)

    world.ctl("deploy", "self-signed-certificates", "signer", "--config", "ca-common-name=our CA").ok()
    world.ctl("deploy", "certified", "web").ok()
    world.ctl("integrate", "web", "signer").ok()
    try:
        pem = served_by(world, "web-0", "our CA")
        world.wait_active()
        verify(world, "web-0")
        with webhook(world, "web") as port:
            old = secret(world, "web-0")["ca.crt"]
            operations.done(world, operations.run(world, "signer", "rotate-private-key"))
            believed_until("both authorities in the bundle", lambda: secret(world, "web-0")["ca.crt"].count(BEGIN) == 2)
            if secret(world, "web-0")["tls.crt"] != pem:
                raise Trouble("signed by the new one before it is known")
            believed_until("what the new one signed", lambda: served(port).split() != pem.split())
            believed_until("the new one alone", lambda: (ca := secret(world, "web-0")["ca.crt"]).count(BEGIN) == 1 and ca != old)
            world.wait_active()
            verify(world, "web-0")
    finally:
        for app in ("web", "signer"):
            world.ctl("remove-application", app)


if __name__ == "__main__":
    main()
