"""A small Kubernetes client: asyncio streams, HTTP/1.1, client certificates, list and watch.

Its own, because the helper may need nothing beyond the standard library; asyncio, because one thread
must start all processes (see netns.die_with_parent) while hundreds of probes and watches wait.
"""
import asyncio
import json
import ssl
from urllib.parse import urlsplit

MERGE = "application/merge-patch+json"
STRATEGIC = "application/strategic-merge-patch+json"
IDLE_CONNECTIONS = 8            # kept for the next request: a TLS handshake costs more than the request
WATCH_SECONDS = 300             # the server ends a watch after this; bookmarks make the next one cheap


LOST = OSError, asyncio.IncompleteReadError     # what a request ends with when the server goes meanwhile


class ApiError(Exception):
    """An answer that is not a success, with the server's own words."""

    def __init__(self, status, body):
        self.status = status
        try:
            message = json.loads(body).get("message", "")
        except (ValueError, AttributeError):
            message = body[:300].decode(errors="replace")
        super().__init__(f"{status}: {message}")


class Gone(Exception):
    """A watch whose resourceVersion is too old: list again."""


class Api:
    """One API server and one identity."""

    def __init__(self, server, ca, cert, key, agent):
        parts = urlsplit(server)
        self.host, self.port = parts.hostname, parts.port
        self.tls = ssl.create_default_context(cafile=str(ca))
        self.tls.load_cert_chain(str(cert), str(key))
        self.agent = agent
        self.idle = []

    async def connect(self):
        while self.idle:
            reader, writer = self.idle.pop()
            if not reader.at_eof() and not writer.is_closing():
                return reader, writer, True
            writer.close()
        reader, writer = await asyncio.open_connection(self.host, self.port, ssl=self.tls, limit=1 << 24)
        return reader, writer, False

    async def send(self, writer, method, path, body, kind):
        data = b"" if body is None else json.dumps(body).encode()
        head = (f"{method} {path} HTTP/1.1\r\nHost: {self.host}\r\nUser-Agent: {self.agent}\r\n"
                f"Accept: application/json\r\nContent-Type: {kind}\r\nContent-Length: {len(data)}\r\n\r\n")
        writer.write(head.encode() + data)
        await writer.drain()

    async def request(self, method, path, body=None, kind="application/json"):
        """One request; a connection that the server closed meanwhile is tried once more, fresh."""
        reader, writer, used = await self.connect()
        try:
            await self.send(writer, method, path, body, kind)
            status, headers = await read_head(reader)
        except (ConnectionError, asyncio.IncompleteReadError):
            writer.close()
            if not used:
                raise
            return await self.request(method, path, body, kind)
        data = await read_body(reader, headers)
        if len(self.idle) < IDLE_CONNECTIONS and headers.get("connection") != "close":
            self.idle.append((reader, writer))
        else:
            writer.close()
        if status >= 300:
            raise ApiError(status, data)
        return json.loads(data) if headers.get("content-type", "").startswith("application/json") else data

    async def get(self, path):
        return await self.request("GET", path)

    async def post(self, path, body):
        return await self.request("POST", path, body)

    async def patch(self, path, body, kind=MERGE):
        return await self.request("PATCH", path, body, kind)

    async def delete(self, path, body=None):
        return await self.request("DELETE", path, body)

    async def stream(self, path):
        """The events of one watch, until the server ends it."""
        reader, writer = await asyncio.open_connection(self.host, self.port, ssl=self.tls, limit=1 << 24)
        try:
            await self.send(writer, "GET", path, None, "application/json")
            status, headers = await read_head(reader)
            if status >= 300:
                data = await read_body(reader, headers)
                raise Gone() if status == 410 else ApiError(status, data)
            rest = b""
            async for chunk in read_chunks(reader):
                lines = (rest + chunk).split(b"\n")
                rest = lines.pop()
                for line in lines:
                    yield json.loads(line)
        finally:
            writer.close()


async def read_head(reader):
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    status = int(head[0].split()[1])
    headers = {}
    for line in head[1:]:
        name, _, value = line.partition(":")
        headers[name.strip().lower()] = value.strip().lower()
    return status, headers


async def read_chunks(reader):
    while True:
        size = int((await reader.readline()).split(b";")[0] or b"0", 16)
        chunk = await reader.readexactly(size + 2)
        if size == 0:
            return
        yield chunk[:-2]


async def read_body(reader, headers):
    if headers.get("transfer-encoding") == "chunked":
        return b"".join([chunk async for chunk in read_chunks(reader)])
    return await reader.readexactly(int(headers.get("content-length", "0")))


def key_of(item):
    meta = item["metadata"]
    return meta.get("namespace", ""), meta["name"]


class Informer:
    """All objects of one kind, kept by list and watch; `changed(object, gone)` is told of each change."""

    def __init__(self, api, path, changed):
        self.api = api
        self.path = path
        self.changed = changed
        self.items = {}
        self.version = None
        self.synced = asyncio.Event()

    async def run(self):
        while True:
            try:
                if self.version is None:
                    await self.list()
                await self.watch()
            except Gone:
                self.version = None
            except (OSError, ApiError, asyncio.IncompleteReadError, ValueError, ssl.SSLError):
                await asyncio.sleep(0.5)

    async def list(self):
        said = await self.api.get(self.path)
        before, self.items = self.items, {key_of(item): item for item in said.get("items") or []}
        self.version = said["metadata"]["resourceVersion"]
        for key, item in before.items():
            if key not in self.items:
                self.changed(item, True)
        for item in self.items.values():
            self.changed(item, False)
        self.synced.set()

    async def watch(self):
        mark = "&" if "?" in self.path else "?"
        path = (f"{self.path}{mark}watch=1&allowWatchBookmarks=true&timeoutSeconds={WATCH_SECONDS}"
                f"&resourceVersion={self.version}")
        async for event in self.api.stream(path):
            self.take(event["type"], event["object"])

    def take(self, kind, item):
        if kind == "ERROR":
            raise Gone()
        self.version = item["metadata"]["resourceVersion"]
        if kind == "DELETED":
            self.items.pop(key_of(item), None)
            self.changed(item, True)
        elif kind != "BOOKMARK":
            self.items[key_of(item)] = item
            self.changed(item, False)
