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


def expired(folder):
    """Paths of a certificate for 127.0.0.1 that ended in 2020, and of its key. It has signed itself."""
    folder.mkdir()
    key, request, certificate, config = (folder / name for name in ("key.pem", "request.pem", "certificate.pem", "config"))
    config.write_text(CONFIG.replace("{folder}", str(folder)))
    (folder / "index").touch()
    (folder / "serial").write_text("01\n")
    for words in (["req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", request,
                   "-subj", "/CN=expired", "-config", config],
                  ["ca", "-batch", "-selfsign", "-config", config, "-keyfile", key, "-in", request, "-out", certificate, "-notext",
                   "-startdate", "20200101000000Z", "-enddate", "20200201000000Z"]):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)
    return certificate, key


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
