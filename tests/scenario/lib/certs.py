# SPDX-License-Identifier: Apache-2.0
"""Certificates that are no longer valid, and a server that shows one."""
import http.server
import ssl
import subprocess
import threading
from contextlib import contextmanager

CONFIG = """[ca]
default_ca = own
[own]
database = {folder}/index
serial = {folder}/serial
new_certs_dir = {folder}
default_md = sha256
policy = any
x509_extensions = names
[any]
commonName = supplied
[names]
subjectAltName = IP:127.0.0.1
[req]
distinguished_name = any
"""


def make(folder, name, begin, end, ca=None):
    """Paths of a certificate of NAME for 127.0.0.1, valid between two times ("20200101000000Z"), and of its key. CA: (certificate, key)
    of who signs it, or it signs itself."""
    folder.mkdir()
    key, request, certificate, config = (folder / name for name in ("key.pem", "request.pem", "certificate.pem", "config"))
    config.write_text(CONFIG.replace("{folder}", str(folder)))
    (folder / "index").touch()
    (folder / "serial").write_text("01\n")
    signer = ["-cert", ca[0], "-keyfile", ca[1]] if ca else ["-selfsign", "-keyfile", key]
    for words in (["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request,
                   "-subj", f"/CN={name}", "-config", config],
                  ["ca", "-batch", *signer, "-config", config, "-in", request, "-out", certificate, "-notext",
                   "-startdate", begin, "-enddate", end]):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
    return certificate, key


def expired(folder):
    """One that ended in 2020. It has signed itself."""
    return make(folder, "expired", "20200101000000Z", "20200201000000Z")


@contextmanager
def serving(certificate, key):
    """An HTTPS server of that certificate; its port."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)
    server.handle_error = lambda *_: None          # clients that do not trust it hang up
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield server.server_address[1]
    finally:
        server.shutdown()
        server.server_close()
