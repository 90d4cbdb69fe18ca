"""A certificate authority of one's own, by the openssl program: elliptic keys, a day's life.

A day, because nothing here outlives a test; backdating is not needed on one machine.
"""
import subprocess
import tempfile
from pathlib import Path

DAYS = "2"
PAST = ("20200101000000Z", "20200201000000Z")


def _openssl(*words, feed=None):
    done = subprocess.run(["openssl", *map(str, words)], input=feed, capture_output=True, check=False)
    if done.returncode:
        raise RuntimeError(f"openssl {words[0]}: {done.stderr.decode(errors='replace')}")


class Authority:
    """One CA in a folder: NAME.crt and NAME.key, and what it signs beside it."""

    def __init__(self, folder, name):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.crt = self.folder / f"{name}.crt"
        self.key = self.folder / f"{name}.key"
        if not self.crt.exists():
            _openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                     "-days", DAYS, "-subj", f"/CN=peers-{name}", "-keyout", self.key, "-out", self.crt,
                     "-addext", "keyUsage=critical,digitalSignature,keyCertSign,cRLSign")

    def sign(self, name, common, groups=(), hosts=(), expired=False):
        """A certificate for both ends of TLS: client by its subject, server by `hosts`."""
        crt, key = self.folder / f"{name}.crt", self.folder / f"{name}.key"
        if crt.exists():
            return crt, key
        subject = "".join(f"/O={g}" for g in groups) + f"/CN={common}"
        extensions = ["basicConstraints=CA:FALSE", "extendedKeyUsage=serverAuth,clientAuth"]
        if hosts:
            extensions.append("subjectAltName=" + ",".join(_alternative(h) for h in hosts))
        extra = self.folder / f"{name}.ext"
        extra.write_text("\n".join(extensions) + "\n")
        request = self.folder / f"{name}.csr"
        _openssl("req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes",
                 "-subj", subject, "-keyout", key, "-out", request)
        if expired:
            self.sign_in_the_past(request, extra, crt)
        else:
            _openssl("x509", "-req", "-in", request, "-CA", self.crt, "-CAkey", self.key, "-CAcreateserial",
                     "-days", DAYS, "-extfile", extra, "-out", crt)
        request.unlink()
        extra.unlink()
        return crt, key

    def sign_in_the_past(self, request, extra, crt):
        """`openssl x509` takes dates only from version 3.4 on; `openssl ca` always did, and wants files for it."""
        with tempfile.TemporaryDirectory() as scratch:
            (Path(scratch) / "index").touch()
            config = Path(scratch) / "config"
            config.write_text(f"[ca]\ndefault_ca = own\n[own]\ndatabase = {scratch}/index\nnew_certs_dir = {scratch}\nrand_serial = yes\n"
                              "default_md = sha256\npolicy = any\n[any]\ncommonName = supplied\norganizationName = optional\n")
            _openssl("ca", "-batch", "-config", config, "-cert", self.crt, "-keyfile", self.key, "-in", request, "-out", crt, "-notext",
                     "-extfile", extra, "-startdate", PAST[0], "-enddate", PAST[1])


def _alternative(host):
    return f"IP:{host}" if host.replace(".", "").isdigit() else f"DNS:{host}"


def signing_key(folder, name):
    """A bare key pair (service account tokens): NAME.key and NAME.pub."""
    key, pub = Path(folder) / f"{name}.key", Path(folder) / f"{name}.pub"
    if not key.exists():
        _openssl("genrsa", "-out", key, "2048")
        _openssl("rsa", "-in", key, "-pubout", "-out", pub)
    return key, pub
