#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Certificates that a charm asks for, from the plan to the cluster's Secret and back: certificates_test.py BUILD SIM

The charm `certified` puts them into Secrets, and the CA bundle into a ConfigMap. What is in the cluster is checked by openssl."""
import base64
import json
import subprocess
import sys
import tempfile
from pathlib import Path

sys.dont_write_bytecode = True
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "support"))
from mooringd import Daemon, Failed, Sim, until  # noqa: E402

MODEL = "/v1/models/m"
APP = f"{MODEL}/applications/hook"
BEGIN = "-----BEGIN CERTIFICATE-----"


def same(found, wanted, what):
    if found != wanted:
        raise Failed(f"{what}: {found!r}, should be {wanted!r}")


class World:
    def __init__(self, build, sim, folder):
        self.folder = Path(folder)
        self.sim = Sim(sim, self.folder / "sim")
        self.daemon = Daemon(self.folder / "d", build, [Path(build) / "tests/charm", Path(build) / "charms"], ["--log-level", "info"])
        self.daemon.start()
        self.daemon.add_cluster("sim", self.sim.kubeconfig)
        self.daemon.add_model("m", "sim")
        self.config(**{"ca-overlap": "0s"})

    def config(self, **options):
        return self.daemon.call("PATCH", f"{MODEL}/config", {"set": options})

    def secret(self, name="hook-0"):
        data = self.sim.get(f"/api/v1/namespaces/m/secrets/{name}")["data"]
        return {key: base64.b64decode(value).decode() for key, value in data.items()}

    def bundle(self):
        return self.sim.get("/api/v1/namespaces/m/configmaps/hook")["data"]["ca.crt"]

    def certs(self, kind="application"):
        return [c for c in self.daemon.call("GET", f"{MODEL}/certificates")["certificates"] if c["kind"] == kind]

    def openssl(self, *arguments, text=""):
        return subprocess.run(["openssl", *arguments], input=text, capture_output=True, text=True, check=False)

    def verify(self, secret, bundle):
        """That the certificate is of its key, and that who has the bundle believes it."""
        for name in ("tls.crt", "tls.key"):
            (self.folder / name).write_text(secret[name])
        (self.folder / "ca").write_text(bundle)
        done = self.openssl("verify", "-purpose", "sslserver", "-CAfile", self.folder / "ca", "-untrusted", self.folder / "tls.crt", self.folder / "tls.crt")
        same((done.returncode, done.stderr), (0, ""), "openssl verify")
        keys = {self.openssl("x509", "-in", self.folder / "tls.crt", "-noout", "-pubkey").stdout,
                self.openssl("pkey", "-in", self.folder / "tls.key", "-pubout").stdout}
        same(len(keys), 1, "certificate and key")

    def text(self, secret):
        return self.openssl("x509", "-noout", "-text", "-certopt", "no_pubkey,no_sigdump", text=secret["tls.crt"]).stdout

    def delivered(self):
        """The newest certificate is in the cluster, and nothing is under way."""
        def there():
            wanted = self.daemon.query("SELECT serial_number FROM certificate WHERE label = 'tls-0' ORDER BY id LIMIT 1")[0][0]
            return self.openssl("x509", "-noout", "-serial", text=self.secret()["tls.crt"]).stdout.strip() == f"serial={wanted}"
        until(there, "the newest certificate in the cluster")
        self.daemon.wait_in_place(2)

    def stop(self):
        self.daemon.stop()
        self.sim.stop()


def a_charm_gets_a_certificate_that_its_bundle_verifies(w):
    w.daemon.deploy("m", "certified", "hook")
    w.daemon.wait_in_place(2)
    secret = w.secret()
    w.verify(secret, w.bundle())
    same(secret["ca.crt"], w.bundle(), "the bundle in both places")
    text = w.text(secret)
    for part in ("DNS:hook-0.m.svc, IP Address:127.0.0.1", "TLS Web Server Authentication, TLS Web Client Authentication",
                 "CA:FALSE", "Issuer: CN = mooring CA of m"):
        same(part in text, True, f"{part} in {text}")
    same(w.daemon.query("SELECT state, begins_at < ends_at FROM authority"), [("current", 1)], "authorities")


def a_list_says_all_of_it(w):
    one, = w.certs()
    same((one["name"], one["issuer"], one["used-in"], one["renewed-by"], one["days-left"], one["renewals"]),
         ("hook/tls-0", "CN=mooring CA of m", ["Secret m/hook-0"], "mooring", 89, 0), "the certificate")
    ca, = w.certs("ca")
    same((ca["state"], ca["days-left"]), ("current", 3649), "the CA")


def nobody_sees_the_key_of_the_ca(w):
    uri, = w.daemon.query("SELECT uri FROM secret WHERE purpose = 'authority'")[0]
    try:
        w.daemon.call("POST", f"{MODEL}/secrets/{uri}/reveal")
    except Failed as refused:
        same("shown to nobody" in str(refused), True, str(refused))
    else:
        raise Failed("the CA's key was shown")


def a_restart_issues_nothing(w):
    before = w.daemon.query("SELECT serial_number, revision FROM certificate")
    w.daemon.stop()
    w.daemon.start()
    w.delivered()
    same(w.daemon.query("SELECT serial_number, revision FROM certificate"), before, "certificates")


def rotate_certificate_renews_it_and_what_mounts_it(w):
    before, digest = w.secret(), w.sim.get("/api/v1/namespaces/m/configmaps/hook")["metadata"]["annotations"]
    w.daemon.call("POST", f"{APP}/certificates/rotate")
    until(lambda: w.secret()["tls.crt"] != before["tls.crt"], "another certificate in the cluster")
    w.delivered()
    after = w.secret()
    w.verify(after, before["ca.crt"])
    same((after["ca.crt"], after["tls.key"] == before["tls.key"]), (before["ca.crt"], False), "bundle and key")
    until(lambda: w.sim.get("/api/v1/namespaces/m/configmaps/hook")["metadata"]["annotations"] != digest, "another digest")
    same(w.daemon.query("SELECT count(*) FROM drift"), [(0,)], "lines of drift")


def what_was_due_while_the_daemon_was_off_comes_first_thing(w):
    w.daemon.set_config("m", "hook", lifetime=15)
    until(lambda: w.daemon.query("SELECT ends_at - issued_at <= 15000 FROM certificate") == [(1,)], "the short life")
    w.delivered()
    w.daemon.stop()
    serial, renew_at = w.daemon.query("SELECT serial_number, renew_at FROM certificate")[0]
    now = until(lambda: w.daemon.query("SELECT cast(strftime('%s') AS INTEGER) * 1000 > ?", renew_at)[0][0], "the time of its renewal")
    same(now, 1, "the clock")
    w.daemon.start()
    until(lambda: w.daemon.query("SELECT serial_number FROM certificate")[0][0] != serial, "another certificate")
    w.daemon.set_config("m", "hook", lifetime=0)
    until(lambda: w.certs()[0]["days-left"] == 89, "the long life")
    w.delivered()


def the_ca_is_replaced_and_everyone_knows_both_meanwhile(w):
    old, before = w.bundle(), w.secret()
    w.config(**{"ca-overlap": "1h"})
    w.daemon.call("POST", f"{MODEL}/ca/rotate")
    until(lambda: w.bundle().count(BEGIN) == 2, "both in the bundle")
    same(w.secret()["tls.crt"], before["tls.crt"], "issued by the new one before it is known")
    until(lambda: "ca-overlap" in (w.daemon.call("GET", f"{MODEL}/certificates")["ca-waits-for"] or ""), "the wait for programs")
    w.verify(w.secret(), w.bundle())
    w.config(**{"ca-overlap": "0s"})
    until(lambda: [c["state"] for c in w.certs("ca")] == ["current"], "the end of the old one")
    until(lambda: w.bundle().count(BEGIN) == 1, "the new one alone")
    w.delivered()
    same(old == w.bundle(), False, "another CA")
    w.verify(w.secret(), w.bundle())
    same(w.daemon.query("SELECT count(*) FROM secret WHERE purpose = 'authority'"), [(1,)], "keys of CAs")


def a_ca_that_the_operator_signs(w):
    def path(name):
        return str(w.folder / name)
    w.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=our root", "-days", "3000",
              "-keyout", path("root.key"), "-out", path("root.pem"))
    asked = w.daemon.call("POST", f"{MODEL}/ca/request")
    Path(path("ca.csr")).write_text(asked["request"])
    Path(path("ext")).write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=critical,keyCertSign,cRLSign\n")
    w.openssl("x509", "-req", "-in", path("ca.csr"), "-CA", path("root.pem"), "-CAkey", path("root.key"), "-CAcreateserial", "-days", "1000",
              "-extfile", path("ext"), "-out", path("ca.pem"))
    w.daemon.call("PUT", f"{MODEL}/ca", {"certificate": Path(path("ca.pem")).read_text() + Path(path("root.pem")).read_text()})
    until(lambda: [(c["state"], c["issuer"]) for c in w.certs("ca")] == [("current", "CN=our root")], "our CA alone")
    w.delivered()
    until(lambda: w.bundle() == Path(path("root.pem")).read_text(), "the root in the bundle")
    same(w.secret()["tls.crt"].count(BEGIN), 2, "the leaf and the CA that leads to the root")
    w.verify(w.secret(), w.bundle())


def names_of_others_are_refused_and_the_rest_goes_on(w):
    before = w.secret()
    w.daemon.set_config("m", "hook", names="kubernetes.default.svc")
    until(lambda: "namespace default" in (w.daemon.query("SELECT plan_error FROM application")[0][0] or ""), "the refusal")
    same(w.secret(), before, "what is in use")
    w.daemon.set_config("m", "hook", names="")
    until(lambda: not w.daemon.query("SELECT plan_error FROM application")[0][0], "the end of it")


def run(w, app, action, **params):
    operation = w.daemon.call("POST", f"{MODEL}/applications/{app}/actions/{action}", {"params": params})["operation"]

    def ended():
        o = w.daemon.call("GET", f"{MODEL}/operations/{operation}")
        return o if o["status"] not in ("pending", "running") else None
    return until(ended, f"the end of {action}")


def request(w):
    """The one request that waits to be signed."""
    def there():
        found = json.loads(run(w, "manual", "get-outstanding-certificate-requests")["results"]["result"])
        return found[0] if found else None
    found = until(there, "a request")
    same(found["application"], "other", "who asks")
    return found["certificate_signing_request"]


def another_application_issues_it(w):
    def path(name):
        return str(w.folder / name)

    def sign(csr, name):
        Path(path(f"{name}.csr")).write_text(csr)
        w.openssl("x509", "-req", "-in", path(f"{name}.csr"), "-CA", path("root.pem"), "-CAkey", path("root.key"), "-CAcreateserial", "-days", "30",
                  "-copy_extensions", "copyall", "-out", path(f"{name}.pem"))
        return {"certificate": Path(path(f"{name}.pem")).read_text(), "ca-certificate": Path(path("root.pem")).read_text(),
                "certificate-signing-request": csr}
    w.daemon.deploy("m", "manual-tls-certificates", "manual")
    w.daemon.deploy("m", "certified", "other")
    until(lambda: len(w.certs()) == 2, "one of the model's CA")
    w.daemon.wait_in_place(5)
    own = w.secret("other-0")
    w.daemon.call("POST", f"{MODEL}/relations", {"a": "other:certificates", "b": "manual:certificates"})
    csr = request(w)
    same(w.secret("other-0"), own, "what is served while nothing was signed")
    strangers = run(w, "manual", "provide-certificate", **(sign(csr, "other") | {"certificate-signing-request": "of nobody"}))
    same((strangers["status"], "nobody asks" in strangers["message"]), ("failed", True), "a request of nobody")
    same(run(w, "manual", "provide-certificate", **sign(csr, "other"))["status"], "completed", "provide-certificate")
    until(lambda: w.secret("other-0")["tls.crt"] != own["tls.crt"], "what was signed in the cluster")
    signed = w.secret("other-0")
    w.verify(signed, signed["ca.crt"])
    same("Issuer: CN = our root" in w.text(signed), True, "its issuer")
    w.daemon.call("POST", f"{MODEL}/applications/other/certificates/rotate")
    anew = request(w)
    same((anew == csr, w.secret("other-0") == signed), (False, True), "another request, and what is served meanwhile")
    same(run(w, "manual", "provide-certificate", **(sign(csr, "old") | {"certificate-signing-request": anew}))["status"], "completed", "of the old key")
    until(lambda: "of another key" in w.daemon.log_path.read_text(), "the refusal")
    same(w.secret("other-0"), signed, "after what was signed for another key")
    same(run(w, "manual", "provide-certificate", **sign(anew, "anew"))["status"], "completed", "provide-certificate")
    until(lambda: w.secret("other-0")["tls.crt"] != signed["tls.crt"], "the next one")
    w.verify(w.secret("other-0"), signed["ca.crt"])
    for app in ("other", "manual"):
        w.daemon.call("DELETE", f"{MODEL}/applications/{app}")
    until(lambda: w.daemon.query("SELECT name FROM application") == [("hook",)], "their end")


def an_application_signs_with_an_authority_of_its_own(w):
    w.daemon.deploy("m", "self-signed-certificates", "signer", **{"ca-organization": "Ours", "ca-common-name": "our CA"})
    w.daemon.deploy("m", "certified", "other")
    until(lambda: len(w.certs()) >= 2, "one of the model's CA")
    w.daemon.wait_in_place(4)
    w.daemon.call("POST", f"{MODEL}/relations", {"a": "other:certificates", "b": "signer:certificates"})
    until(lambda: "Issuer: CN = our CA, O = Ours" in w.text(w.secret("other-0")), "one of its own CA")
    w.daemon.wait_in_place(3)
    before = w.secret("other-0")
    w.verify(before, before["ca.crt"])
    issued, = json.loads(run(w, "signer", "get-issued-certificates")["results"]["certificates"])
    same((issued["certificate"], issued["ca"]), (before["tls.crt"], before["ca.crt"]), "what it issued")
    same(run(w, "signer", "get-ca-certificate")["results"]["ca-certificate"], before["ca.crt"], "its CA")
    w.config(**{"ca-overlap": "1h"})
    same(run(w, "signer", "rotate-private-key")["status"], "completed", "rotate-private-key")
    until(lambda: w.secret("other-0")["ca.crt"].count(BEGIN) == 2, "both in the bundle")
    same(w.secret("other-0")["tls.crt"], before["tls.crt"], "signed by the new one before it is known")
    until(lambda: "ca-overlap" in (w.daemon.call("GET", f"{MODEL}/certificates")["ca-waits-for"] or ""), "the wait for programs")
    w.verify(w.secret("other-0"), w.secret("other-0")["ca.crt"])
    w.config(**{"ca-overlap": "0s"})
    until(lambda: (ca := w.secret("other-0")["ca.crt"]).count(BEGIN) == 1 and ca != before["ca.crt"], "the new one alone")
    after = w.secret("other-0")
    same((after["tls.key"], after["tls.crt"] == before["tls.crt"]), (before["tls.key"], False), "the key of the request, and what was signed anew")
    w.verify(after, after["ca.crt"])
    same(w.daemon.query("SELECT turning, revision, signs_revision FROM certificate WHERE signs_revision IS NOT NULL"), [(0, 2, 2)], "its CA")
    for app in ("other", "signer"):
        w.daemon.call("DELETE", f"{MODEL}/applications/{app}")
    until(lambda: w.daemon.query("SELECT name FROM application") == [("hook",)], "their end")
    same(w.daemon.query("SELECT count(*) FROM signed"), [(0,)], "what it signed")


def what_no_plan_asks_for_goes(w):
    w.daemon.set_config("m", "hook", count=3)
    until(lambda: len(w.certs()) == 3, "three")
    w.daemon.set_config("m", "hook", count=1)
    until(lambda: len(w.certs()) == 1, "one")
    until(lambda: w.daemon.query("SELECT count(*) FROM secret WHERE purpose = 'certificate'") == [(2,)], "its secrets alone")
    w.daemon.call("DELETE", APP)
    until(lambda: not w.certs(), "none")
    until(lambda: not w.daemon.query("SELECT 1 FROM application"), "the end of the application")
    w.daemon.call("DELETE", MODEL)
    until(lambda: not w.daemon.query("SELECT 1 FROM model"), "the end of the model")
    same(w.daemon.query("SELECT (SELECT count(*) FROM secret), (SELECT count(*) FROM authority)"), [(0, 0)], "what is left")


TESTS = (a_charm_gets_a_certificate_that_its_bundle_verifies, a_list_says_all_of_it, nobody_sees_the_key_of_the_ca, a_restart_issues_nothing,
         rotate_certificate_renews_it_and_what_mounts_it, what_was_due_while_the_daemon_was_off_comes_first_thing,
         the_ca_is_replaced_and_everyone_knows_both_meanwhile, a_ca_that_the_operator_signs, names_of_others_are_refused_and_the_rest_goes_on,
         another_application_issues_it, an_application_signs_with_an_authority_of_its_own, what_no_plan_asks_for_goes)


def main():
    build, sim = sys.argv[1:3]
    with tempfile.TemporaryDirectory(dir="/var/tmp", prefix="certificates-") as folder:
        w = World(build, sim, folder)
        try:
            for test in TESTS:
                test(w)
                print(f"ok {test.__name__}", flush=True)
        except Failed:
            print(w.daemon.log_tail(40), file=sys.stderr)
            raise
        finally:
            w.stop()
    return 0


if __name__ == "__main__":
    sys.exit(main())
