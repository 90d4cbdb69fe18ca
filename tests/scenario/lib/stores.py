# SPDX-License-Identifier: Apache-2.0
"""Real object stores on loopback, for the controller's own backups: MinIO and Azurite, each behind an HTTPS front of ours that can
do something to the store between two requests.

    with Minio(folder) as store:
            store.options()             what mooringd needs to reach it
            store.place                 "s3://backups/night"
            store.names()               what is in that folder
            store.read(name), .write(name, data), .drop()      past Mooring; drop() removes the bucket with all that is in it
            store.front.before(2, "PUT", store.drop)           before the second such request
"""
import base64
import http.client
import http.server
import json
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from contextlib import contextmanager

from . import s3
from .authority import Authority
from .data import find_minio
from .runner import Skip
from .world import ROOT, Trouble, end, remove, until

sys.path.insert(0, str(ROOT / "tests" / "peers"))
from harness import paths  # noqa: E402

SECONDS = 30


def free_port():
    with socket.create_server(("127.0.0.1", 0)) as s:
        return s.getsockname()[1]


def send(back, body):
    """Who answers before it has read a long body hangs up on it, and the answer may be lost with that: so it is asked first."""
    if not body or isinstance(back, http.client.HTTPSConnection):       # which cannot be looked at without reading
        return back.endheaders(body)
    back.putheader("Expect", "100-continue")
    back.endheaders()
    if back.sock.recv(12, socket.MSG_PEEK | socket.MSG_WAITALL) == b"HTTP/1.1 100":
        back.send(body)
    return None


class Front(http.server.BaseHTTPRequestHandler):
    """Hands each request on as it is."""
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def handle_any(self):
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        self.server.store.meet(self.command)
        back = self.server.store.connect()
        try:
            back.putrequest(self.command, self.path, skip_host=True, skip_accept_encoding=True)
            for name, value in self.headers.items():
                if name.lower() != "expect":
                    back.putheader(name, value)
            send(back, body)
            answer = back.getresponse()
            data = answer.read()
        finally:
            back.close()
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("connection", "transfer-encoding", "content-length", "date", "server"):
                self.send_header(name, value)
        self.send_header("Content-Length", answer.headers.get("Content-Length", "0") if self.command == "HEAD" else str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    do_GET = do_PUT = do_DELETE = do_HEAD = do_POST = handle_any


class Metadata(http.server.BaseHTTPRequestHandler):
    """Azure's metadata service, as far as a managed identity needs it: answers in turn, (status, text); the last goes on."""

    def log_message(self, *_):
        pass

    def do_GET(self):
        self.server.asked.append(self.path)
        status, text = self.server.answers[0]
        del self.server.answers[:len(self.server.answers) > 1]
        if self.headers.get("Metadata") != "true" or not self.path.startswith("/metadata/identity/oauth2/token?"):
            status, text = 400, "{}"
        self.send_response(status)
        self.send_header("Content-Length", str(len(text)))
        self.end_headers()
        self.wfile.write(text.encode())


@contextmanager
def metadata(*answers):
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Metadata)
    server.answers, server.asked, server.daemon_threads = list(answers), [], True
    server.address = f"http://127.0.0.1:{server.server_address[1]}"
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield server
    finally:
        server.shutdown()
        server.server_close()


class Store:
    """What both have. A subclass says how its program is started (argv), and what a person does with it."""
    host = "127.0.0.1"

    def __init__(self, folder):
        self.folder = folder
        folder.mkdir()
        self.authority = Authority(folder / "pki")
        self.port, self.front_port = free_port(), free_port()
        self.meetings = []
        self.process = None

    def __enter__(self):
        certificate, key = self.authority.issue("front", "serverAuth", hosts=self.names_of_front())
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(certificate, key)
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", self.front_port), Front)
        self.server.store, self.server.daemon_threads = self, True
        self.server.handle_error = lambda *_: None              # who was cut off hangs up
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        threading.Thread(target=self.server.serve_forever, daemon=True).start()
        with open(self.folder / "log", "ab") as log:
            self.process = subprocess.Popen(list(map(str, self.argv())), stdin=subprocess.DEVNULL, stdout=log, stderr=log,
                                            env=os.environ | self.environment())
        until(self.listens, f"{type(self).__name__} to listen", SECONDS)
        self.make()
        return self

    def __exit__(self, *_):
        self.server.shutdown()
        self.server.server_close()
        end(self.process)
        remove(self.folder / "data")

    def names_of_front(self):
        return "IP:127.0.0.1"

    def environment(self):
        return {}

    def listens(self):
        try:
            socket.create_connection(("127.0.0.1", self.port), 1).close()
            return True
        except OSError:
            return False

    def before(self, number, method, what):
        """WHAT is done once, before so many requests of METHOD were handed on from now."""
        self.meetings.append([number, method, what])

    def meet(self, method):
        for meeting in list(self.meetings):
            meeting[0] -= meeting[1] == method
            if meeting[0] <= 0:
                self.meetings.remove(meeting)
                meeting[2]()

    def credentials(self):
        path = self.folder / "credentials"
        path.touch(mode=0o600)
        path.write_text(self.words())
        return path

    def options(self):
        return [f"--backup-{self.kind}-credentials-file", self.credentials(), "--backup-ca-file", self.authority.certificate]

    def restore_options(self):
        return [f"--{self.kind}-credentials-file", self.credentials(), "--ca-file", self.authority.certificate]


class Minio(Store):
    kind, place = "s3", "s3://backups/night"
    user, password = "peersadmin", "a-long-password"

    def argv(self):
        if not find_minio():
            raise Skip("no MinIO: tools/peers build")
        return [find_minio(), "server", "--quiet", "--address", f"127.0.0.1:{self.port}", self.folder / "data"]

    def environment(self):
        return {"MINIO_ROOT_USER": self.user, "MINIO_ROOT_PASSWORD": self.password, "MINIO_UPDATE": "off", "MINIO_BROWSER": "off", "HOME": str(self.folder)}

    def words(self):
        return (f"[default]\naws_access_key_id = {self.user}\naws_secret_access_key = {self.password}\nregion = us-east-1\n"
                f"endpoint_url = https://127.0.0.1:{self.front_port}\n")

    def connect(self):
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=SECONDS)

    def call(self, method, path, body=b"", query="", good=(200, 204)):
        code, data = s3.fetch(f"127.0.0.1:{self.port}", self.user, self.password, path, method, body, query)
        if code not in good:
            raise Trouble(f"{method} {path}: {code} {data[:500]}")
        return data

    def make(self):
        until(lambda: s3.fetch(f"127.0.0.1:{self.port}", self.user, self.password, "/backups", "PUT")[0] in (200, 409), "a bucket", SECONDS)

    def names(self):
        text = self.call("GET", "/backups", query="list-type=2&prefix=night%2F").decode()
        return sorted(part.partition("</Key>")[0].removeprefix("night/") for part in text.split("<Key>")[1:])

    def read(self, name):
        return self.call("GET", f"/backups/night/{name}")

    def write(self, name, data):
        self.call("PUT", f"/backups/night/{name}", data)

    def drop(self):
        code, data = s3.fetch(f"127.0.0.1:{self.port}", self.user, self.password, "/backups", "DELETE", more={"x-minio-force-delete": "true"})
        if code != 204:
            raise Trouble(f"the bucket is not deleted: {code} {data[:500]}")


# What a person does with Azure's own client: one JSON list of words in, what it found out.
AZURE_CLIENT = """
import base64, json, sys
from azure.storage.blob import ContainerClient
said = json.load(sys.stdin)
c = ContainerClient.from_connection_string(said["connection"], "backups", connection_verify=said["ca"])
what, name = said["what"], "night/" + said.get("name", "")
if what == "make":
    c.create_container(); found = None
elif what == "drop":
    c.delete_container(); found = None
elif what == "names":
    found = sorted(b.name.removeprefix("night/") for b in c.list_blobs(name_starts_with="night/"))
elif what == "read":
    found = base64.b64encode(c.download_blob(name).readall()).decode()
elif what == "write":
    c.upload_blob(name, base64.b64decode(said["data"])); found = None
elif what == "sas":
    from datetime import datetime, timedelta, timezone
    from azure.storage.blob import generate_container_sas
    found = generate_container_sas(c.account_name, "backups", account_key=said["key"], permission="rcwdl", expiry=datetime.now(timezone.utc) + timedelta(hours=1))
print(json.dumps(found))
"""


class Azurite(Store):
    kind, account = "azure", "mooringtest"
    place = f"azblob://{account}/backups/night"
    key = base64.b64encode(b"a key of sixty-four bytes, as Azure gives them to each account!!").decode()
    host = f"{account}.localhost"

    def argv(self):
        program, self.python = paths.azurite()
        if not os.access(program[0], os.X_OK):
            raise Skip("no Azurite: tools/peers build")
        certificate, key = self.authority.issue("azurite", "serverAuth")
        return [*program, "--blobHost", "127.0.0.1", "--blobPort", self.port, "--location", self.folder / "data", "--cert", certificate, "--key", key,
                "--silent", "--skipApiVersionCheck", "--disableTelemetry", "--oauth", "basic"]

    def environment(self):
        return {"AZURITE_ACCOUNTS": f"{self.account}:{self.key}"}

    def names_of_front(self):
        return f"DNS:{self.host}"

    def words(self, secret=None):
        return f"DefaultEndpointsProtocol=https;AccountName={self.account};{secret or 'AccountKey=' + self.key};" \
               f"BlobEndpoint=https://{self.host}:{self.front_port};\n"

    def connect(self):
        return http.client.HTTPSConnection("127.0.0.1", self.port, timeout=SECONDS, context=ssl.create_default_context(cafile=self.authority.certificate))

    def token(self, audience="https://storage.azure.com/"):
        """What Azurite takes for one of Azure's: it looks at what the token says, and at no signature."""
        now = int(time.time())
        claims = {"aud": audience, "iss": "https://sts.windows.net/00000000-0000-0000-0000-000000000000/", "iat": now - 60, "nbf": now - 60, "exp": now + 3600}
        parts = [json.dumps(part).encode() for part in ({"alg": "RS256", "typ": "JWT"}, claims)] + [b"of nobody"]
        return ".".join(base64.urlsafe_b64encode(part).decode().rstrip("=") for part in parts)

    def client(self, what, **more):
        connection = f"DefaultEndpointsProtocol=https;AccountName={self.account};AccountKey={self.key};" \
                     f"BlobEndpoint=https://127.0.0.1:{self.port}/{self.account};"
        done = subprocess.run([self.python, "-c", AZURE_CLIENT], capture_output=True, text=True, check=False, timeout=SECONDS * 4,
                              input=json.dumps({"connection": connection, "ca": str(self.authority.certificate), "key": self.key, "what": what} | more))
        if done.returncode:
            raise Trouble(f"Azure's client: {what}: {done.stderr[-2000:]}")
        return json.loads(done.stdout)

    def make(self):
        self.client("make")

    def names(self):
        return self.client("names")

    def read(self, name):
        return base64.b64decode(self.client("read", name=name))

    def write(self, name, data):
        self.client("write", name=name, data=base64.b64encode(data).decode())

    def drop(self):
        self.client("drop")
