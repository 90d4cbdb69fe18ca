# SPDX-License-Identifier: Apache-2.0
"""A TCP proxy that goes wrong on demand, between the daemon and an API server.

    proxy = Proxy(("127.0.0.1", 6443))
    proxy.mode = "hole"

It copies bytes and knows nothing of what they say, so that it works for TLS too. Modes hold for connections that stand and for new ones:
pass; hole (takes what it is sent and answers nothing, ends nothing: a dropped route); drip (a few bytes at a time); refuse (new ones are reset).
cut() resets what stands; end() ends it in order, from the server's side; spoil() puts other bytes in the place of the next answers."""
import socket
import struct
import threading
import time

CHUNK = 65536


class Proxy:
    def __init__(self, to):
        self.to, self.mode, self.pairs = to, "pass", set()
        self.spoiled, self.lock = [], threading.Lock()
        self.server = socket.create_server((to[0], 0))      # a name that its certificate has
        self.port = self.server.getsockname()[1]
        threading.Thread(target=self.accept, daemon=True).start()

    def accept(self):
        while True:
            try:
                client, _ = self.server.accept()
            except OSError:
                return
            if self.mode == "refuse":
                reset(client)
                continue
            try:
                server = socket.create_connection(self.to, timeout=10)
            except OSError:
                reset(client)
                continue
            server.settimeout(None)
            pair = (client, server)
            with self.lock:
                self.pairs.add(pair)
            for source, sink, back in ((client, server, False), (server, client, True)):
                threading.Thread(target=self.copy, args=(pair, source, sink, back), daemon=True).start()

    def copy(self, pair, source, sink, back):
        try:
            while data := source.recv(CHUNK):
                while self.mode == "hole":              # kept until the way is there again
                    time.sleep(0.05)
                    if pair not in self.pairs:
                        return
                if back and self.spoiled:
                    data = self.spoil_next(data)
                if self.mode == "drip" and back:
                    for i in range(0, len(data), 512):
                        sink.sendall(data[i:i + 512])
                        time.sleep(0.001)
                else:
                    sink.sendall(data)
        except OSError:
            pass
        self.drop(pair)

    def spoil_next(self, data):
        with self.lock:
            return self.spoiled.pop(0)(data) if self.spoiled else data

    def drop(self, pair):
        with self.lock:
            known = pair in self.pairs
            self.pairs.discard(pair)
        if known:
            for end in pair:
                end_now(end)

    def cut(self):
        """What stands is reset."""
        with self.lock:
            pairs, self.pairs = self.pairs, set()
        for client, server in pairs:
            reset(client)
            end_now(server)

    def end(self):
        """The server ends what stands."""
        with self.lock:
            pairs = list(self.pairs)
        for _, server in pairs:
            try:
                server.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def spoil(self, *ways):
        """The next pieces that the server sends go through these functions, one each."""
        with self.lock:
            self.spoiled.extend(ways)


def end_now(connection):
    """Also where a thread waits for it."""
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()


def reset(connection):
    try:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        pass
    connection.close()


def garbage(data):
    """The head of an answer stays, its body becomes noise of the same length."""
    head, line, body = data.partition(b"\r\n\r\n")
    return head + line + b"\x00{[" * (len(body) // 3) + b"]" * (len(body) % 3) if body else data


def truncated(data):
    """Half of it, as if it were all."""
    head, line, body = data.partition(b"\r\n\r\n")
    return head + line + body[:len(body) // 2] + b" " * (len(body) - len(body) // 2) if body else data
