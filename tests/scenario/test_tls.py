#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""MySQL over TLS: the server's certificate, its renewal and its CA's, with a real database behind the pod.

On real peers the clients are pods too: half have what they were told in their environment and roll with it, half read mounted files. They connect 50 times a second
while credentials are rotated, the certificate is renewed three times and the CA is replaced, until there were MOORING_TEST_CONNECTIONS (500). None may fail."""
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

DB, CLIENTS = "db", "dial"
CONNECTIONS = int(os.environ.get("MOORING_TEST_CONNECTIONS", "500"))
OVERLAP = "20s"         # longer than the kubelet's delay and a rollout; 10 minutes by default
QUIET = 10              # seconds; longer than the kubelet's delay
PERIOD_MS = 80          # of each of four pods: 50 a second
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


def enter(world):
    """As a client does who believes only what it was told."""
    credentials, trust = told(world)
    login(address(world), *credentials, trust=trust)


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


def replace_ca(world):
    def authorities():
        return [c["serial"] for c in json.loads(world.ctl("certs", "--format", "json").ok().out)["certificates"] if c["kind"] == "ca" and c["state"] != "old"]
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
    try:
        login(address(world), *told(world)[0], trust=(told(world)[1][0], "db-primary.elsewhere.svc.cluster.local"))
    except ssl.SSLCertVerificationError:
        return
    raise Trouble("it is believed under any name")


@test("a renewed certificate is shown without a restart, and so is one by another CA", shares=served)
def _(world):
    renew(world)
    enter(world)
    replace_ca(world)


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


@test("pods connect all the time while credentials, certificate and CA are replaced: no connection fails", shares=served, sim="the simulator's pods run nothing")
def _(world):
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="mooring-dialled-") as out:
        Path(out).chmod(0o777)
        program = world.file("program", dialler.program())
        world.wait_for("the CA at the relation", lambda: told(world)[1][0])
        world.ctl("config", CLIENTS, f"program=@{program}", f"out={out}", f"period-ms={PERIOD_MS}").ok()
        world.wait_active()
        world.wait_for("connections", lambda: dialler.counted(out)[0] > 50)
        print(f"    before: {dialler.counted(out)[0]} connections, {len(dialler.counted(out)[1])} failed", flush=True)
        operation = run(world, DB, "rotate-relation-credentials", quiet=QUIET, watch=0)
        done(world, operation)
        print(f"    credentials rotated: {dialler.counted(out)[0]} connections, {len(dialler.counted(out)[1])} failed", flush=True)
        for _ in range(3):
            renew(world)
        print(f"    renewed three times: {dialler.counted(out)[0]} connections, {len(dialler.counted(out)[1])} failed", flush=True)
        replace_ca(world)
        print(f"    CA replaced: {dialler.counted(out)[0]} connections, {len(dialler.counted(out)[1])} failed", flush=True)
        world.wait_for("enough connections", lambda: dialler.counted(out)[0] >= CONNECTIONS, 1200)
        connections, failed = dialler.counted(out)
        world.ctl("remove-application", CLIENTS).ok()
    print(f"    {connections} connections, {len(failed)} failed", flush=True)
    if failed:
        raise Trouble("\n".join(failed[:10]))


if __name__ == "__main__":
    main()
