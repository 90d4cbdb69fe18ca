# SPDX-License-Identifier: Apache-2.0
"""A client of MySQL and MariaDB, small enough to log in hundreds of times a second: login(address, user, password, database) opens a session, asks SELECT 1 and
ends it; Refused is the server's answer. mysql_native_password, and caching_sha2_password over TLS."""
import hashlib
import socket
import ssl
import struct

SSL, PLUGINS, SECURE, PROTOCOL, WITH_DB, LONG = 1 << 11, 1 << 19, 1 << 15, 1 << 9, 1 << 3, 1
SECONDS = 20


class Refused(Exception):
    """The server's own error: args are its number and its text."""


def native(password, salt):
    once = hashlib.sha1(password).digest()
    return bytes(a ^ b for a, b in zip(once, hashlib.sha1(salt + hashlib.sha1(once).digest()).digest()))


def sha2(password, salt):
    once = hashlib.sha256(password).digest()
    return bytes(a ^ b for a, b in zip(once, hashlib.sha256(hashlib.sha256(once).digest() + salt).digest()))


class Session:
    def __init__(self, address, trust=None):
        self.socket, self.sequence, self.trust = socket.create_connection(address, SECONDS), 0, trust

    def read(self, count):
        data = b""
        while len(data) < count:
            more = self.socket.recv(count - len(data))
            if not more:
                raise ConnectionError("the server ended the connection")
            data += more
        return data

    def receive(self):
        head = self.read(4)
        self.sequence = head[3] + 1
        packet = self.read(int.from_bytes(head[:3], "little"))
        if packet[:1] == b"\xff":
            raise Refused(int.from_bytes(packet[1:3], "little"), packet[3:].decode(errors="replace"))
        return packet

    def send(self, packet):
        self.socket.sendall(len(packet).to_bytes(3, "little") + bytes([self.sequence % 256]) + packet)
        self.sequence += 1

    def greet(self):
        """(salt, what the server can do)"""
        packet = self.receive()
        at = packet.index(b"\0", 1) + 5
        can = int.from_bytes(packet[at + 9:at + 11], "little") | int.from_bytes(packet[at + 14:at + 16], "little") << 16
        return packet[at:at + 8] + packet[at + 27:at + 39], can

    def protect(self, flags):
        self.send(struct.pack("<IIB23x", flags, 1 << 24, 45))
        context = ssl.create_default_context(cadata=self.trust[0] if self.trust else None)
        if not self.trust:
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        self.socket = context.wrap_socket(self.socket, server_hostname=self.trust[1] if self.trust else None)

    def authenticate(self, user, password, database):
        salt, can = self.greet()
        if self.trust and not can & SSL:
            raise ConnectionError("the server offers no TLS")
        flags = LONG | PROTOCOL | SECURE | PLUGINS | WITH_DB | (can & SSL)
        if can & SSL:
            self.protect(flags)
        plugin = b"caching_sha2_password" if can & SSL else b"mysql_native_password"
        proof = (sha2 if can & SSL else native)(password, salt)
        self.send(struct.pack("<IIB23x", flags, 1 << 24, 45) + user + b"\0" + bytes([len(proof)]) + proof + database + b"\0" + plugin + b"\0")
        while True:
            packet = self.receive()
            if packet[0] == 0:
                return
            if packet[0] == 0xfe:       # by another plugin
                plugin, salt = packet[1:].split(b"\0", 1)
                self.send((native if plugin == b"mysql_native_password" else sha2)(password, salt[:20]))
            elif packet == b"\x01\x04":
                self.send(password + b"\0")

    def ask(self, statement):
        self.sequence = 0
        self.send(b"\x03" + statement)
        ends = 0
        self.receive()
        while ends < 2:
            ends += self.receive()[:1] == b"\xfe"

    def close(self):
        try:
            self.sequence = 0
            self.send(b"\x01")
        except OSError:         # it failed before: that is told, not this
            pass
        finally:
            self.socket.close()


def login(address, user, password, database, then=lambda: None, trust=None):
    """TRUST: (CA as PEM, the server's name): it must show a certificate of those."""
    session = Session(address, trust)
    try:
        session.authenticate(user.encode(), password.encode(), database.encode())
        session.ask(b"SELECT 1")
        then()
    finally:
        session.close()
