#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Metrics on a TCP address: who is let in, to what, and what is refused at the start."""
import http.client
import re
import signal
import socket
import ssl
import subprocess
import threading
import urllib.error
import urllib.request

from lib import metrics
from lib.authority import Authority
from lib.runner import main, test
from lib.world import DEADLINE, Trouble, end

TOKEN = "a-token-of-the-tests"


def place(world, number=-1):
    """Where the daemon says that it serves them, by its log."""
    def said():
        found = re.findall(r"metrics are served at (\S+)", world.daemon.log.read_text())
        return found[number] if found else None
    return world.wait_for("the address", said)


def token_file(world, text=TOKEN, mode=0o600):
    path = world.file("token", text + "\n")
    path.chmod(mode)
    return path


def tls(authority, pair=None):
    context = ssl.create_default_context(cafile=authority.certificate)
    if pair:
        context.load_cert_chain(*pair)
    return context


def ask(url, token=None, context=None, method="GET", body=None):
    """(status, headers, text)."""
    headers = {"Authorization": f"Bearer {token}"} if token else {}
    request = urllib.request.Request(url, headers=headers, method=method, data=body)
    opener = urllib.request.build_opener(urllib.request.HTTPSHandler(context=context), urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=DEADLINE) as answer:
            return answer.status, answer.headers, answer.read().decode()
    except urllib.error.HTTPError as refused:
        with refused:
            return refused.code, refused.headers, refused.read().decode()


def expect(wanted, found):
    if wanted != found:
        raise Trouble(f"wanted {wanted}, found {found}")


def refused_start(world, *words, says):
    done = subprocess.run(world.daemon.argv(*words), text=True, capture_output=True, check=False, timeout=DEADLINE)
    if not done.returncode or says not in done.stderr:
        raise Trouble(f"{words} ended with {done.returncode}, and does not say {says!r}:\n{done.stderr}")
    if (world.folder / "state" / "model.db").exists():
        raise Trouble(f"{words} left a state behind")


def begin(world, *words):
    world.daemon.start(*map(str, words))
    world.cluster.make_known(world)
    return place(world)


@test("on loopback the token is enough, and without it nobody is let in", fresh="bare")
def _(world):
    url = begin(world, "--metrics-address", "127.0.0.1:0", "--metrics-token-file", token_file(world))
    expect("http", url.split(":")[0])
    status, headers, text = ask(url, TOKEN)
    expect(200, status)
    expect("text/plain; version=0.0.4; charset=utf-8", headers["Content-Type"])
    expect([1], metrics.Series(text).values("mooring_target_up", provider="kubernetes"))
    for token in (None, "", TOKEN[:-1], TOKEN + "x", "Basic " + TOKEN):
        status, headers, text = ask(url, token)
        expect((401, "Bearer"), (status, headers["WWW-Authenticate"]))
        if "mooring_" in text:
            raise Trouble("a stranger is told something")
    before, here, after = metrics.read(world).names(), metrics.Series(ask(url, TOKEN)[2]).names(), metrics.read(world).names()
    if before - here or here - after:                       # a family comes with its first sample, also between two readings
        raise Trouble(f"not on the address: {before - here}; not on the socket: {here - after}")
    now = metrics.Series(ask(url, TOKEN)[2])
    expect([5], now.values("mooring_metrics_requests_total", result="unauthorized"))
    expect([3], now.values("mooring_metrics_requests_total", result="answered"))


@test("nothing but metrics is served there, and nothing but reading them", fresh="bare")
def _(world):
    url = begin(world, "--metrics-address", "127.0.0.1:0", "--metrics-token-file", token_file(world))
    base = url.removesuffix("/metrics")
    for path in ("/", "/v1/metrics", "/v1/info", "/v1/models", "/v1/log", "/metrics/", "/%6detrics/..", "//metrics"):
        expect(404, ask(base + path, TOKEN)[0])
    for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS"):
        expect(405, ask(url, TOKEN, method=method, body=b"x" if method == "POST" else None)[0])
    expect(401, ask(base + "/v1/models")[0])
    expect((200, ""), ask(url, TOKEN, method="HEAD")[::2])
    expect(200, ask(url, TOKEN)[0])


@test("with TLS: the token, or a client certificate of the authority for clients, and no other", fresh="bare")
def _(world):
    ours, clients, others = (Authority(world.folder / name, name) for name in ("ours", "clients", "others"))
    certificate, key = ours.issue("server", "serverAuth")
    url = begin(world, "--metrics-address", "127.0.0.1:0", "--metrics-certificate", certificate, "--metrics-key", key,
                "--metrics-token-file", token_file(world), "--metrics-client-ca", clients.certificate)
    expect("https", url.split(":")[0])
    expect(200, ask(url, TOKEN, tls(ours))[0])
    expect(401, ask(url, None, tls(ours))[0])
    expect(200, ask(url, None, tls(ours, clients.issue("prometheus", "clientAuth")))[0])
    expect(401, ask(url, None, tls(ours, clients.issue("a-server", "serverAuth")))[0])
    expect(401, ask(url, None, tls(ours, others.issue("stranger", "clientAuth")))[0])
    try:
        ask(url.replace("https", "http"), TOKEN)
        raise Trouble("it answers without TLS")
    except (http.client.HTTPException, OSError):
        pass
    expires = metrics.read(world).total("mooring_metrics_certificate_expiry_timestamp_seconds")
    expect(True, 86400 < expires - metrics.read(world).total("process_start_time_seconds") < 3 * 86400)


@test("a reload takes a new certificate and token; a mistake leaves both as they were", fresh="bare")
def _(world):
    first, second = (Authority(world.folder / name, name) for name in ("first", "second"))
    certificate, key = (world.folder / name for name in ("shown.pem", "shown.key"))

    def show(pair):
        for path, source in zip((certificate, key), pair):
            path.write_bytes(source.read_bytes())
            path.chmod(0o600)

    def reload(says):
        seen = world.daemon.log.read_text().count(says)
        world.daemon.process.send_signal(signal.SIGHUP)
        world.wait_for(says, lambda: world.daemon.log.read_text().count(says) > seen)
        world.daemon.api("GET", "/v1/info")     # asked after the reload was handled
    show(first.issue("one", "serverAuth"))
    token = token_file(world)
    url = begin(world, "--metrics-address", "127.0.0.1:0", "--metrics-certificate", certificate, "--metrics-key", key,
                "--metrics-token-file", token)
    expect(200, ask(url, TOKEN, tls(first))[0])
    show(second.issue("two", "serverAuth"))
    token.write_text("another-token-of-the-tests")
    reload("options read again")
    world.wait_for("the new certificate", lambda: trusts(url, second))
    expect(401, ask(url, TOKEN, tls(second))[0])
    expect(200, ask(url, "another-token-of-the-tests", tls(second))[0])
    key.write_bytes(first.issue("three", "serverAuth")[1].read_bytes())
    reload("metrics are served as before")
    expect(200, ask(url, "another-token-of-the-tests", tls(second))[0])


def trusts(url, authority):
    try:
        return ask(url, "x", tls(authority))[0] == 401
    except OSError:
        return False


@test("what would be open to others is refused at the start, in words", fresh="bare")
def _(world):
    world.daemon.offer_charms()
    authority = Authority(world.folder / "ca")
    certificate, key = authority.issue("server", "serverAuth")
    other = authority.issue("other", "serverAuth")[1]
    token = token_file(world)
    pair = ["--metrics-certificate", str(certificate), "--metrics-key", str(key)]
    everywhere, here = ["--metrics-address", "0.0.0.0:0"], ["--metrics-address", "127.0.0.1:0"]
    lets_in = ["--metrics-token-file", str(token)]
    refused_start(world, *everywhere, *lets_in, says="is no loopback address")
    refused_start(world, "--metrics-address", "[::]:0", *lets_in, says="is no loopback address")
    refused_start(world, *everywhere, *pair, says="lets nobody in")
    refused_start(world, *here, says="lets nobody in")
    refused_start(world, *here, *pair[:2], *lets_in, says="belong together")
    refused_start(world, *here, "--metrics-client-ca", str(authority.certificate), says="needs TLS")
    refused_start(world, *everywhere, *pair[:2], "--metrics-key", str(other), *lets_in, says="server.pem with")
    refused_start(world, *everywhere, *pair, "--metrics-client-ca", str(key), says="server.key")
    for place_text in ("localhost:9478", "127.0.0.1", "127.0.0.1:99999", "::1:9478", "[::1]"):
        refused_start(world, "--metrics-address", place_text, *lets_in, says="wanted is ADDRESS:PORT")
    token.chmod(0o644)
    refused_start(world, *here, *lets_in, says="is open to all users")
    token.chmod(0o600)
    key.chmod(0o644)
    refused_start(world, *everywhere, *pair, *lets_in, says="is open to all users")
    token.write_text("short\n")
    refused_start(world, *here, *lets_in, says="16 characters")
    token.unlink()
    refused_start(world, *here, *lets_in, says="No such file")


@test("who only connects holds nobody up, and the daemon stops with scrapes under way", fresh="bare")
def _(world):
    url = begin(world, "--metrics-address", "127.0.0.1:0", "--metrics-token-file", token_file(world))
    port = int(re.search(r":(\d+)/", url)[1])
    idle = [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
    expect(200, ask(url, TOKEN)[0])
    for connection in idle:
        connection.sendall(f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
    world.daemon.process.send_signal(signal.SIGSTOP)
    idle += [socket.create_connection(("127.0.0.1", port)) for _ in range(4)]
    for connection in idle[4:]:
        connection.sendall(f"GET /metrics HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer {TOKEN}\r\n\r\n".encode())
    world.daemon.process.send_signal(signal.SIGTERM)    # both are found at once
    world.daemon.process.send_signal(signal.SIGCONT)
    expect(0, end(world.daemon.process))
    for connection in idle:
        connection.close()


@test("reloads among many scrapes end some of them, and nothing else", fresh="bare")
def _(world):
    url = begin(world, "--metrics-address", "127.0.0.1:0", "--metrics-token-file", token_file(world))
    over, answered = threading.Event(), []

    def scrape():
        while not over.is_set():
            try:
                answered.append(ask(url, TOKEN)[0])
            except (OSError, http.client.HTTPException):    # its listener was ended
                pass
    threads = [threading.Thread(target=scrape) for _ in range(6)]
    for thread in threads:
        thread.start()
    try:
        for _ in range(30):
            before = len(answered)
            world.wait_for("a scrape", lambda: len(answered) > before)     # noqa: B023
            world.daemon.process.send_signal(signal.SIGHUP)
            if not world.daemon.answers():
                raise Trouble("the daemon does not answer on its socket")
    finally:
        over.set()
        for thread in threads:
            thread.join()
    expect(set(), set(answered) - {200, 503})
    expect(200, ask(url, TOKEN)[0])
    expect(0, end(world.daemon.process))


if __name__ == "__main__":
    main()
