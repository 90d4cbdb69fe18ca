#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""What the way to the API server, and the server, can do to the daemon: each time it says what it cannot see, and afterwards the cluster is as
declared, with as many writes as there was damage."""
import re
import signal
import sys
import urllib.parse

from lib.drift import lines, repaired
from lib.runner import main, test
from lib.world import DEADLINE, ROOT, Trouble

sys.path.insert(0, str(ROOT / "tests" / "support"))
from proxy import Proxy, garbage, truncated  # noqa: E402


def faults(world):
    """A daemon that reaches its cluster through a proxy."""
    url = urllib.parse.urlsplit(world.cluster.kube.url)
    world.proxy = Proxy((url.hostname, url.port))
    text = world.cluster.kubeconfig.read_text().replace(f"{url.hostname}:{url.port}", f"{url.hostname}:{world.proxy.port}")
    if str(world.proxy.port) not in text:
        raise Trouble(f"the kubeconfig does not name {url.netloc}")
    through = world.file("through-proxy.kubeconfig", text)
    through.chmod(0o600)
    world.ctl("update-cluster", world.cluster.name, "--kubeconfig", through).ok()
    world.ctl("deploy", "minio", "store").ok()


def settled(world):
    world.wait_active()
    world.wait_for("nothing left to do", lambda: world.ctl("plan", "--exit-code").code == 0)


def damage(world, value):
    world.cluster.kube.edit("services", world.cluster.model, "store", "/spec/ports/0/targetPort", value, "person")


def damage_beside(world, value):
    """The same, not as a request."""
    world.cluster.ctl("edit", "service", world.cluster.model, "store", "/spec/ports/0/targetPort", value, "--manager", "person")


def mended(world, before, writes, *, most=1):
    """The damage is a line that is repaired, and at most MOST writes were made: no storm."""
    repaired(world, before, f"Service {world.cluster.model}/store", "targetPort", "person")
    settled(world)
    made = world.cluster.writes() - writes
    if not 1 <= made <= most:
        raise Trouble(f"{made} writes for one damage, at most {most}")


def shows_loss(world, *parts):
    """Nothing is called active, clusters says why, and every answer has the time of what it rests on."""
    world.wait_status("store", "unknown", "last seen active", seconds=2 * DEADLINE)
    world.ctl("clusters").ok().says("unreachable", *parts)


@test("connections that are reset, all at once and again and again, cost no drift and no storm", shares=faults)
def _(world):
    settled(world)
    before, writes = lines(world), world.cluster.writes()
    for _ in range(5):
        world.proxy.cut()
    world.proxy.mode = "refuse"
    world.proxy.cut()
    damage(world, 4711)
    shows_loss(world)
    world.proxy.mode = "pass"
    mended(world, before, writes)


@test("a route that drops everything and ends nothing is noticed in 75 s, and what changed meanwhile is put right", shares=faults,
      seldom="the proxy is the same before the simulator")
def _(world):
    settled(world)
    before, writes = lines(world), world.cluster.writes()
    world.proxy.mode = "hole"
    damage(world, 4712)
    try:
        shows_loss(world, "silent")
    finally:
        world.proxy.cut()
        world.proxy.mode = "pass"
    mended(world, before, writes)


@test("connections that the server ends are made anew, and what changed meanwhile is put right", shares=faults)
def _(world):
    settled(world)
    before, writes = lines(world), world.cluster.writes()
    world.proxy.end()
    damage(world, 4713)
    mended(world, before, writes)


@test("answers that come in drips are waited for", shares=faults)
def _(world):
    settled(world)
    before, writes = lines(world), world.cluster.writes()
    world.proxy.mode = "drip"
    world.proxy.cut()                   # so that all is listed anew, slowly
    damage(world, 4714)
    try:
        mended(world, before, writes)
    finally:
        world.proxy.mode = "pass"


@test("garbage and half an answer are believed by nobody", shares=faults, real="TLS notices before the daemon")
def _(world):
    settled(world)
    before, writes = lines(world), world.cluster.writes()
    for spoil in (garbage, truncated):
        world.proxy.spoil(*[spoil] * 6)
        world.proxy.cut()
        world.wait_for("the spoiled answers to be gone", lambda: not world.proxy.spoiled)
        settled(world)
    if set(lines(world)) - set(before) or world.cluster.writes() != writes:
        raise Trouble(f"garbage was taken for drift: {world.cluster.writes() - writes} writes")
    damage(world, 4715)
    mended(world, before, writes)


@test("a server that says 429 is asked again when it says so, and one that forgets its history is listed again", shares=faults,
      real="the simulator refuses and forgets at a word")
def _(world):
    settled(world)
    before, writes = lines(world), world.cluster.writes()
    world.cluster.ctl("fault", "429", "--count", 3, "--method", "PATCH")
    damage_beside(world, 4716)
    mended(world, before, writes, most=4)
    before, writes = lines(world), world.cluster.writes()
    world.cluster.ctl("compact")
    world.cluster.ctl("fault", "410", "--count", 2, "--path", "/services", "--method", "GET")
    damage_beside(world, 4717)
    try:
        mended(world, before, writes)
    finally:
        world.cluster.ctl("clear")


@test("a daemon that was stopped for a while goes on where the world is now", shares=faults)
def _(world):
    settled(world)
    before, writes = lines(world), world.cluster.writes()
    world.daemon.process.send_signal(signal.SIGSTOP)
    try:
        damage(world, 4718)
        world.cluster.kube.merge("services", world.cluster.model, "store", {"metadata": {"annotations": {"example.org/meanwhile": "yes"}}})
        world.proxy.cut()
    finally:
        world.daemon.process.send_signal(signal.SIGCONT)
    mended(world, before, writes)


@test("a daemon that comes back after everything was changed puts each right once", shares=faults)
def _(world):
    settled(world)
    kube, model = world.cluster.kube, world.cluster.model
    before, writes = lines(world), world.cluster.writes()
    world.daemon.stop()
    plurals = {"Service": "services", "Secret": "secrets", "StatefulSet.apps": "statefulsets", "ConfigMap": "configmaps",
               "ServiceAccount": "serviceaccounts"}
    objects = [(kind, path.split("/")[1]) for kind, path in world.daemon.rows("SELECT type, path FROM resource") if kind in plurals]
    for kind, name in objects:
        kube.merge(plurals[kind], model, name, {"metadata": {"labels": {"mooring.dev/application": "somebody"}}})
    world.daemon.start()
    for kind, name in objects:
        repaired(world, before, f"{kind} {model}/{name}", "mooring.dev/application")
    settled(world)
    if world.cluster.writes() != writes + len(objects):
        raise Trouble(f"{world.cluster.writes() - writes} writes for {len(objects)} damaged objects")


@test("an etcd that was restored to an older state, whether its versions go back or are bumped, is brought to what is wanted now", shares=faults)
def _(world):
    for port, bump in enumerate(world.cluster.BUMPS, 9009):
        settled(world)
        old = world.cluster.saved()
        settled(world)
        world.ctl("config", "store", f"port={port}").ok()
        settled(world)
        service = world.cluster.kube.get("services", world.cluster.model, "store")
        before = lines(world)
        world.cluster.put_back(old, bump)

        def there():
            found = world.cluster.kube.get("services", world.cluster.model, "store")
            return found and found["spec"]["ports"] == service["spec"]["ports"]
        world.wait_for("what is wanted now", there)
        repaired(world, before, f"Service {world.cluster.model}/store", "spec.ports")
        settled(world)
        world.ctl("config", "store", "--reset", "port").ok()


@test("a client certificate that ends while the daemon runs is told as that, and a new login is enough", shares=faults,
      sim="the simulator looks at no client certificate")
def _(world):
    settled(world)
    good = world.folder / "through-proxy.kubeconfig"
    world.ctl("update-cluster", world.cluster.name, "--kubeconfig", world.cluster.short_login(world, good, 15)).ok()
    settled(world)
    shows_loss(world, "the client certificate expired at", "update-cluster")
    before, writes = lines(world), world.cluster.writes()
    damage(world, 4720)
    world.ctl("update-cluster", world.cluster.name, "--kubeconfig", good).ok()
    mended(world, before, writes)


@test("an API server that stands behind this one and does not answer costs its own kinds only", shares=faults,
      sim="no other server stands behind the simulator")
def _(world):
    path = "/apis/apiregistration.k8s.io/v1/apiservices"
    world.cluster.kube.must("POST", path, {
        "metadata": {"name": "v1.nobody.example.org"},
        "spec": {"group": "nobody.example.org", "version": "v1", "groupPriorityMinimum": 100, "versionPriority": 100,
                 "insecureSkipTLSVerify": True, "service": {"name": "nobody", "namespace": "default"}}})
    try:
        world.daemon.stop()
        world.daemon.start()                # which discovers all kinds anew
        settled(world)
        before, writes = lines(world), world.cluster.writes()
        damage(world, 4721)
        mended(world, before, writes)
    finally:
        world.cluster.kube.must("DELETE", f"{path}/v1.nobody.example.org")


@test("a token that is withdrawn while the daemon runs is told, and a new one by update-cluster is enough", shares=faults)
def _(world):
    settled(world)
    name, good = world.cluster.name, world.folder / "through-proxy.kubeconfig"
    bad = world.file("bad.kubeconfig", re.sub(r'(token"?: *)"?[^"\s,}]+"?', r'\1"withdrawn"', good.read_text()))
    bad.chmod(0o600)
    before, writes = lines(world), world.cluster.writes()
    world.ctl("update-cluster", name, "--kubeconfig", bad).ok()
    shows_loss(world, "401")
    damage(world, 4719)
    world.ctl("update-cluster", name, "--kubeconfig", good).ok()
    mended(world, before, writes)


if __name__ == "__main__":
    main()
