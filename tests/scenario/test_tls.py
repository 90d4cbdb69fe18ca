#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MySQL over TLS: the server's certificate, its renewal and its CA's, with a real database behind the pod.

On real peers the clients are pods too: half have what they were told in their environment and roll with it, half read mounted files. They connect 50 times a second
while credentials are rotated, the certificate is renewed three times and the CA is replaced, again and again until there were MOORING_TEST_CONNECTIONS (500).
None may fail. In the end the CA is replaced without an overlap, while the files are read as late as kubelets bring them (LATE): then some have to fail, else the
clients would not notice what this is about. With the kubelet of the peers alone nothing does: the environment's rollout and the server's own files take longer."""
import base64
import json
import os
import ssl
import tempfile
from pathlib import Path

from lib import dialler
from lib.mysql_client import Refused, Session, login
from lib.operations import done, run
from lib.runner import main, test
from lib.services import sql
from lib.world import Trouble

DB, CLIENTS, ISSUER = "db", "dial", "authority"
CONNECTIONS = int(os.environ.get("MOORING_TEST_CONNECTIONS", "500"))
OVERLAP = "20s"         # longer than the kubelet's delay and a rollout; 10 minutes by default
QUIET = 10              # seconds; longer than the kubelet's delay
PERIOD_MS = 80          # of each of four pods: 50 a second
LATE_MS = 45000         # files, in the end: longer than a rollout and the server's delay
OUT = "dialled"


def served(world):
    world.ctl("model-config", f"ca-overlap={OVERLAP if world.cluster.real else '0s'}").ok()
    world.ctl("deploy", "mysql-k8s", DB, "--channel", "8.0/stable", "--config", "profile=testing", "--config", "tls=model").ok()
    world.ctl("deploy", "dialling", CLIENTS).ok()
    world.ctl("integrate", CLIENTS, DB).ok()


def secret(world, name):
    data = world.cluster.kube.get("secrets", world.cluster.model, name)["data"]
    return {key: base64.b64decode(value).decode() for key, value in data.items()}


def told(world):
    """What the relation was told, in the order that login has."""
    known = secret(world, f"{CLIENTS}-database")
    return (known["USERNAME"], known["PASSWORD"], known["DATABASE"]), (known["CA"], known["ENDPOINT"].rsplit(":", 1)[0])


def address(world):
    return world.cluster.address(f"{DB}-0", 3306), 3306


def enter(world, known=None):
    """As a client does who believes only what it was told, or what it has read of that: KNOWN."""
    credentials, trust = known or told(world)
    login(address(world), *credentials, trust=trust if trust[0] else None)


def refused(world, known):
    try:
        enter(world, known)
    except ssl.SSLCertVerificationError:
        return True
    return False


def shown(world):
    """The certificate that the server shows."""
    session = Session(address(world))
    try:
        _, can = session.greet()
        if not can & 1 << 11:
            return None
        session.protect(1 << 11 | 1 << 9 | 1 << 15)
        return ssl.DER_cert_to_PEM_cert(session.socket.getpeercert(True))
    finally:
        session.socket.close()


def modes(world):
    """How the daemon reaches the server, by the name of the target."""
    return {name: json.loads(config)["tls"]["mode"] for name, config in world.daemon.rows("SELECT label, config FROM target WHERE provider = 'sql'")}


def uptime(world):
    return int(sql(world, "SHOW GLOBAL STATUS LIKE 'Uptime'", application=DB).split()[1])


def renew(world):
    before, up = shown(world), uptime(world)
    world.ctl("rotate-certificate", DB).ok()
    world.wait_for("the server to show another certificate", lambda: shown(world).split() != before.split(), 60)
    world.wait_active()
    if uptime(world) < up:
        raise Trouble("the server was restarted")


def certs(world):
    return json.loads(world.ctl("certs", "--format", "json").ok().out)


def replace_ca(world):
    def authorities():
        return [c["serial"] for c in certs(world)["certificates"] if c["kind"] == "ca" and c["state"] != "old"]
    old, up = authorities(), uptime(world)
    world.ctl("rotate-ca").ok()
    world.wait_for("the new CA alone", lambda: authorities() != old and told(world)[1][0].count("BEGIN CERT") == 1, 300)
    world.wait_active()
    enter(world)
    if uptime(world) < up:
        raise Trouble("the server was restarted")


@test("with a certificate the server shows it, the relation is told its CA, and the daemon believes no other", shares=served)
def _(world):
    world.wait_for("the CA at the relation", lambda: told(world)[1][0])
    world.wait_active()
    enter(world)
    if shown(world).split() != secret(world, f"{DB}-tls")["tls.crt"].split():
        raise Trouble("the server shows another certificate")
    if modes(world) != {"server": "verify-ca", "tls": "plain"}:
        raise Trouble(f"the daemon reaches it by {modes(world)}")
    if not refused(world, (told(world)[0], (told(world)[1][0], "db-primary.elsewhere.svc.cluster.local"))):
        raise Trouble("it is believed under any name")


@test("a renewed certificate is shown without a restart, and so is one by another CA", shares=served)
def _(world):
    renew(world)
    enter(world)
    replace_ca(world)


@test("who reads late is let in while both CAs overlap, and is refused when they do not", shares=served)
def _(world):
    def overlaps():
        return "ca-overlap" in (certs(world)["ca-waits-for"] or "")

    def renewed(before):
        return shown(world).split() != before.split()
    try:
        for overlap in (True, False):
            world.ctl("model-config", f"ca-overlap={'1h' if overlap else '0s'}").ok()
            late, before = told(world), shown(world)
            world.ctl("rotate-ca").ok()
            if overlap:
                world.wait_for("the overlap", overlaps)
                if renewed(before):
                    raise Trouble("the new CA issues before all have it")
                enter(world, late)
                late = told(world)
                world.ctl("model-config", "ca-overlap=0s").ok()
            world.wait_for("a certificate by the new CA", lambda cert=before: renewed(cert), 60)
            if refused(world, late) == overlap:
                raise Trouble("who knows both is refused" if overlap else "who knows the old one alone is let in")
            world.wait_for("the new CA alone", lambda: told(world)[1][0].count("BEGIN CERT") == 1 and not certs(world)["ca-waits-for"], 60)
            world.wait_active()
            enter(world)
    finally:
        world.ctl("model-config", f"ca-overlap={OVERLAP if world.cluster.real else '0s'}").ok()


@test("issued over a relation: MySQL shows it to who believes that CA, also the next one, without a restart; TLS goes with the relation", shares=served)
def _(world):
    def alone(before):
        ca = told(world)[1][0]
        return ca.count("BEGIN CERT") == 1 and ca != before

    world.ctl("config", DB, "tls=relation", "tls-required=false").ok()
    world.wait_for("the end of TLS", lambda: not told(world)[1][0])
    world.wait_active()
    world.ctl("deploy", "self-signed-certificates", ISSUER, "--config", "ca-common-name=our CA").ok()
    world.ctl("integrate", f"{DB}:certificates", ISSUER).ok()
    world.wait_for("its CA at the relation", lambda: told(world)[1][0])
    world.wait_active()
    ca, up = done(world, run(world, ISSUER, "get-ca-certificate"))["results"]["ca-certificate"], uptime(world)
    if told(world)[1][0] != ca or modes(world) != {"server": "verify-ca", "tls": "plain"}:
        raise Trouble(f"another CA, or the daemon does not believe it: {modes(world)}")
    enter(world)
    renew(world)
    enter(world)
    done(world, run(world, ISSUER, "rotate-private-key"))
    world.wait_for("the issuer's new CA alone", lambda: alone(ca), 300)
    world.wait_active()
    enter(world)
    if not refused(world, (told(world)[0], (ca, told(world)[1][1]))) or uptime(world) < up:
        raise Trouble("the CA before is still believed, or the server was restarted")
    world.ctl("remove-relation", f"{DB}:certificates", ISSUER).ok()
    world.wait_for("the end of TLS", lambda: not told(world)[1][0])
    world.wait_active()
    enter(world)
    if modes(world) != {"server": "plain"} or world.cluster.kube.get("secrets", world.cluster.model, f"{DB}-tls"):
        raise Trouble(f"left: {modes(world)}")
    world.ctl("config", DB, "tls=model").ok()
    world.wait_for("the model's CA at the relation", lambda: told(world)[1][0])
    world.ctl("remove-application", ISSUER).ok()
    world.wait_active()


@test("a client without TLS is refused once tls-required says so, and TLS goes with its certificate", shares=served, real="its clients run in the next test")
def _(world):
    world.ctl("config", DB, "tls-required=true").ok()
    world.wait_for("the server's configuration", lambda: "require_secure_transport = ON" in json.dumps(
        world.cluster.kube.get("configmaps", world.cluster.model, f"{DB}-config")["data"]))
    world.ctl("config", DB, "tls=relation").ok()
    world.wait_status(DB, "blocked", "tls-required")
    world.ctl("config", DB, "tls-required=false").ok()
    world.wait_for("the end of TLS", lambda: not told(world)[1][0])
    world.wait_active()
    if modes(world) != {"server": "plain"} or world.cluster.kube.get("secrets", world.cluster.model, f"{DB}-tls"):
        raise Trouble(f"left: {modes(world)}")


def say(out, what):
    connections, failed = dialler.counted(out)
    print(f"    {what}: {connections} connections, {len(failed)} failed", flush=True)


@test("pods connect all the time while credentials, certificate and CA are replaced: no connection fails", shares=served, sim="the simulator's pods run nothing")
def _(world):
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="mooring-dialled-") as out:
        Path(out).chmod(0o777)
        program = world.file("program", dialler.program())
        world.wait_for("the CA at the relation", lambda: told(world)[1][0])
        world.ctl("config", CLIENTS, f"program=@{program}", f"out={out}", f"period-ms={PERIOD_MS}").ok()
        world.wait_active()
        world.wait_for("connections", lambda: dialler.counted(out)[0] > 50)
        say(out, "before")
        while dialler.counted(out)[0] < CONNECTIONS and not dialler.counted(out)[1]:
            done(world, run(world, DB, "rotate-relation-credentials", quiet=QUIET, watch=0))
            say(out, "credentials rotated")
            for _ in range(3):
                renew(world)
            say(out, "renewed three times")
            replace_ca(world)
            say(out, "CA replaced")
        connections, failed = dialler.counted(out)
        print(f"    {connections} connections, {len(failed)} failed", flush=True)
        if failed:
            raise Trouble("\n".join(failed[:10]))
        world.ctl("model-config", "ca-overlap=0s").ok()
        world.ctl("config", CLIENTS, f"late-ms={LATE_MS}").ok()
        world.wait_active()
        replace_ca(world)
        world.wait_for("those who read late to fail", lambda: dialler.counted(out)[1], 60)
        say(out, "CA replaced without an overlap")
        others = [line for line in dialler.counted(out)[1] if "-files-" not in line or "CertVerificationError" not in line]
        world.ctl("remove-application", CLIENTS).ok()
    if others:
        raise Trouble("\n".join(others[:10]))


if __name__ == "__main__":
    main()
