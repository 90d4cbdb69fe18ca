"""A minimal WebSocket client for exec and port-forward through the API server; for the tests.

Raw on purpose: what a controller in C has to send and will get is visible here byte by byte.
"""
import base64
import json
import os
import socket
import ssl
import struct
from urllib.parse import quote

STDIN, STDOUT, STDERR, STATUS, CLOSE = 0, 1, 2, 3, 255
BINARY, CLOSING, PING, PONG = 2, 8, 9, 10


class WebSocket:
    """One upgraded connection."""

    def __init__(self, host, port, tls, path, protocol):
        plain = socket.create_connection((host, port), 10)
        self.socket = tls.wrap_socket(plain, server_hostname=host)
        self.rest = b""
        key = base64.b64encode(os.urandom(16)).decode()
        self.socket.sendall((f"GET {path} HTTP/1.1\r\nHost: {host}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                             f"Sec-WebSocket-Key: {key}\r\nSec-WebSocket-Version: 13\r\n"
                             f"Sec-WebSocket-Protocol: {protocol}\r\n\r\n").encode())
        while b"\r\n\r\n" not in self.rest:
            self.fill()
        head, self.rest = self.rest.split(b"\r\n\r\n", 1)
        if b" 101 " not in head.split(b"\r\n")[0]:
            raise ConnectionError(head.decode() + self.rest.decode(errors="replace"))

    def fill(self):
        data = self.socket.recv(65536)
        if not data:
            raise ConnectionError("the server closed the connection")
        self.rest += data

    def take(self, count):
        while len(self.rest) < count:
            self.fill()
        data, self.rest = self.rest[:count], self.rest[count:]
        return data

    def send(self, channel, data, kind=BINARY):
        payload = bytes([channel]) + data if kind == BINARY else data
        mask = os.urandom(4)
        size = len(payload)
        head = bytes([0x80 | kind]) + (bytes([0x80 | size]) if size < 126 else
                                       bytes([0x80 | 126]) + struct.pack(">H", size))
        self.socket.sendall(head + mask + bytes(b ^ mask[i % 4] for i, b in enumerate(payload)))

    def receive(self):
        """(channel, data) of the next message, or None at the end."""
        while True:
            first, second = self.take(2)
            size = second & 127
            if size == 126:
                size = struct.unpack(">H", self.take(2))[0]
            elif size == 127:
                size = struct.unpack(">Q", self.take(8))[0]
            payload = self.take(size)
            if first & 15 == PING:
                self.send(0, payload, PONG)
            elif first & 15 == CLOSING:
                return None
            elif payload:
                return payload[0], payload[1:]

    def close(self):
        self.socket.close()


def context(ca, cert, key):
    tls = ssl.create_default_context(cafile=str(ca))
    tls.load_cert_chain(str(cert), str(key))
    return tls


def execute(connect, namespace, pod, argv, feed=None):
    """Run a command in a pod: (exit code, stdout, stderr).  `connect(path, protocol)` opens."""
    words = "&".join(f"command={quote(w, safe='')}" for w in argv)
    path = (f"/api/v1/namespaces/{namespace}/pods/{pod}/exec?{words}&stdout=true&stderr=true"
            + ("&stdin=true" if feed is not None else ""))
    ws = connect(path, "v5.channel.k8s.io")
    if feed is not None:
        ws.send(STDIN, feed)
        ws.send(CLOSE, bytes([STDIN]))
    found = {STDOUT: b"", STDERR: b"", STATUS: b""}
    while True:
        try:
            message = ws.receive()
        except ConnectionError:
            break
        if message is None:
            break
        found[message[0]] = found.get(message[0], b"") + message[1]
        if message[0] == STATUS:
            break
    ws.close()
    return exit_code(json.loads(found[STATUS] or b"{}")), found[STDOUT], found[STDERR]


def exit_code(status):
    if status.get("status") == "Success":
        return 0
    for cause in (status.get("details") or {}).get("causes") or ():
        if cause.get("reason") == "ExitCode":
            return int(cause["message"])
    return -1


def forward(connect, namespace, pod, port):
    """A port-forward: the open WebSocket; channel 0 carries data, channel 1 an error."""
    ws = connect(f"/api/v1/namespaces/{namespace}/pods/{pod}/portforward?ports={port}", "v4.channel.k8s.io")
    for _ in range(2):
        channel, data = ws.receive()
        if struct.unpack("<H", data)[0] != port:
            raise ConnectionError(f"channel {channel} names port {data!r}")
    return ws
