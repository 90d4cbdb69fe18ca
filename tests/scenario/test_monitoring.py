#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Alert rules and dashboard against a daemon that runs: what they ask for is there. With a real Prometheus where tools/peers has one."""
import json
import os
import re
import socket
import subprocess
import sys
import urllib.parse
import urllib.request
from contextlib import contextmanager

from lib import metrics
from lib.authority import Authority
from lib.drift import lines, repaired
from lib.runner import BUNDLE, Skip, main, test
from lib.world import DEADLINE, ROOT, Trouble, end, until

sys.path[:0] = [str(ROOT / "tests" / "peers"), str(ROOT / "tests" / "monitoring")]
import promql  # noqa: E402
from harness import paths  # noqa: E402

TOKEN = "a-token-of-the-tests"
IMAGE = "/spec/template/spec/containers/0/image"


def program(name):
    try:
        return paths.program(name)
    except LookupError as error:
        if os.environ.get("CI"):
            raise Trouble(str(error)) from None
        raise Skip(str(error)) from None


def free_port():
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return s.getsockname()[1]


def begin(world):
    """A daemon with everything that has series; (port, authority)."""
    authority = Authority(world.folder / "authority")
    certificate, key = authority.issue("server", "serverAuth", days=30)
    token = world.file("token", TOKEN)
    token.chmod(0o600)
    world.daemon.start("--metrics-address", "127.0.0.1:0", "--metrics-certificate", str(certificate), "--metrics-key", str(key),
                       "--metrics-token-file", str(token))
    world.cluster.make_known(world)
    world.ctl("deploy", BUNDLE).ok()
    world.ctl("deploy", "certified", "hook").ok()
    world.wait_active()
    world.ctl("run", "mlflow-mysql", "get-password", "--schedule", "0 0 1 1 *").ok()
    world.ctl("run", "mlflow-mysql", "get-password", "--wait", "1m").ok()
    before = lines(world)
    world.cluster.kube.edit("deployments", world.cluster.model, "mlflow-server", IMAGE, "docker.io/library/busybox:1")
    repaired(world, before, "busybox:1")
    return re.search(r"metrics are served at https://127.0.0.1:(\d+)/", world.daemon.log.read_text())[1], authority


@contextmanager
def prometheus(world, port, authority):
    """One that scrapes the daemon as docs/monitoring/prometheus.yaml says; its address."""
    own = free_port()
    text = (ROOT / "docs" / "monitoring" / "prometheus.yaml").read_text()
    for there, here in (("mooring.rules.yaml", str(promql.RULES)), ("controller.example:9478", f"127.0.0.1:{port}"),
                        ("/etc/prometheus/mooring-ca.pem", str(authority.certificate)),
                        ("/etc/prometheus/mooring-token", str(world.folder / "token"))):
        if there not in text:
            raise Trouble(f"prometheus.yaml does not have {there} any more")
        text = text.replace(there, here)
    config = world.file("prometheus.yaml", text + "\nglobal: {scrape_interval: 1s, evaluation_interval: 1s}\n")
    with open(world.folder / "log" / "prometheus.log", "wb") as log:
        process = subprocess.Popen([program("prometheus"), f"--config.file={config}", f"--storage.tsdb.path={world.folder}/tsdb",
                                    f"--web.listen-address=127.0.0.1:{own}"], stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    try:
        yield f"http://127.0.0.1:{own}"
    finally:
        end(process)


def query(address, expression):
    """The samples that it answers with."""
    url = f"{address}/api/v1/query?query={urllib.parse.quote(expression)}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(url, timeout=DEADLINE) as answer:
            return json.load(answer)["data"]["result"]
    except OSError:
        return []


@test("rules and dashboard ask for series, labels and values that are there", fresh="bare")
def _(world):
    begin(world)
    series = metrics.read(world)
    faults = [f"{name}: {fault}" for name, rule in promql.alerts().items() for fault in promql.unknown(rule["expr"], series)]
    faults += [f"{title}: {fault}" for title, queries in promql.dashboard_queries().items() for q in queries
               for fault in promql.unknown(q, series)]
    if faults:
        raise Trouble("\n".join(faults))


@test("what is asked for and is not there is found", fresh="bare")
def _(world):
    series = metrics.Series('mooring_resources{state="ready"} 1')
    for wrong in ("mooring_no_such_series > 0", 'mooring_resources{colour="red"}', 'mooring_resources{state="no-such"}',
                  "sum by (colour) (mooring_resources)", "vector(1)"):
        if not promql.unknown(wrong, series):
            raise Trouble(f"nothing is said against {wrong}")


@test("promtool finds nothing to say about the names, units and help texts", fresh="bare")
def _(world):
    begin(world)
    done = subprocess.run([program("promtool"), "check", "metrics"], input=metrics.read(world).text, text=True, capture_output=True,
                          check=False, timeout=DEADLINE)
    if done.returncode or done.stdout or done.stderr:
        raise Trouble(done.stdout + done.stderr)


@test("a real Prometheus scrapes with TLS and token, answers every panel, and no alert fires", fresh="bare")
def _(world):
    program("prometheus")
    port, authority = begin(world)
    with prometheus(world, port, authority) as address:
        until(lambda: query(address, 'count_over_time(up{job="mooring"}[5m]) >= 3 and up == 1'), "three scrapes", DEADLINE)
        empty = [f"{title}: {q}" for title, queries in promql.dashboard_queries().items() for q in queries if not query(address, q)]
        if empty:
            raise Trouble("no samples for\n" + "\n".join(empty))
        firing = query(address, 'ALERTS{alertstate="firing",alertname!="MooringSlowHandlers"}')
        if firing:
            raise Trouble(f"firing: {firing}")


if __name__ == "__main__":
    main()
