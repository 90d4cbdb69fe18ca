# SPDX-License-Identifier: Apache-2.0
"""A certificate authority in a folder, for servers and clients on loopback."""
import subprocess


class Authority:
    def __init__(self, folder, name="test authority"):
        self.folder = folder
        folder.mkdir()
        self.key, self.certificate = self.new_key("ca"), folder / "ca.pem"
        self.run("req", "-x509", "-new", "-key", self.key, "-subj", f"/CN={name}", "-days", "60", "-out", self.certificate)

    def run(self, *words):
        subprocess.run(["openssl", *map(str, words)], check=True, capture_output=True)

    def new_key(self, name):
        path = self.folder / f"{name}.key"
        self.run("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", path)
        path.chmod(0o600)
        return path

    def issue(self, name, use, days=2, hosts="IP:127.0.0.1"):
        """(certificate, key) for 127.0.0.1; USE: serverAuth or clientAuth."""
        key, request, extensions = self.new_key(name), self.folder / f"{name}.csr", self.folder / f"{name}.ext"
        certificate = self.folder / f"{name}.pem"
        extensions.write_text(f"subjectAltName={hosts}\nextendedKeyUsage={use}\n")
        self.run("req", "-new", "-key", key, "-subj", f"/CN={name}", "-out", request)
        self.run("x509", "-req", "-in", request, "-CA", self.certificate, "-CAkey", self.key, "-CAcreateserial",
                 "-days", days, "-extfile", extensions, "-out", certificate)
        return certificate, key
