"""Certificates whose keys never leave the token, from every issuer that signs: an ACME server, a private authority whose own key is there too; renewed by the clock."""
import base64
import re
import subprocess
import unittest

from pebble import Pebble
from softhsm import SoftHsm
from vaultyard import Site, wait_for

API = "?api-version=7.4"
HALF_A_DAY = 12 * 3600                              # after a certificate begins, and within the day that a revocation list is good for: by the shifted clock


def openssl(*arguments, input=None, code=0):
    done = subprocess.run(["openssl", *[str(part) for part in arguments]], input=input, capture_output=True)
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return (done.stdout + done.stderr).decode(errors="replace")


class HsmCertificates(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hsm = SoftHsm()
        cls.site = Site()
        cls.pebble = Pebble(cls.site.base)
        cls.site.serve_args = [*cls.hsm.serve_args(), "--acme-directory", cls.pebble.directory, "--acme-ca-file", cls.pebble.ca, "--acme-http-listen", f"127.0.0.1:{cls.pebble.http}"]
        cls.site.start()
        cls.site.vy("group", "create", "-n", "g", "-l", "local")
        cls.site.vy("keyvault", "create", "-n", "prem", "-g", "g", "-l", "local", "--sku", "premium")

    @classmethod
    def tearDownClass(cls):
        cls.pebble.close()
        cls.site.close()
        cls.hsm.close()

    def vault(self, method, path, body=None, status=200):
        answer = self.site.call(method, self.site.vault_url("prem", path + API), body, self.site.token(self.site.vault_resource))
        self.assertEqual(answer.status, status, answer)
        return answer.json if answer.body else None

    def completed(self, name):
        operation = wait_for(f"the end of {name}", lambda: next((o for o in [self.vault("GET", f"/certificates/{name}/pending")] if o["status"] != "inProgress"), None))
        self.assertEqual(operation["status"], "completed", operation)
        return self.vault("GET", f"/certificates/{name}")

    def create(self, name, issuer, host, kty):
        policy = {"issuer": {"name": issuer}, "key_props": {"kty": kty}, "secret_props": {"contentType": "application/x-pem-file"}, "x509_props": {"subject": f"CN={host}", "validity_months": 3},
                  "lifetime_actions": [{"trigger": {"days_before_expiry": 20}, "action": {"action_type": "AutoRenew"}}]}
        self.vault("POST", f"/certificates/{name}/create", {"policy": policy}, status=202)
        return self.completed(name)

    def versions(self, name):
        return [item["id"] for item in self.vault("GET", f"/certificates/{name}/versions")["value"]]

    def check(self, name, kty, root):
        """The chain of the secret holds and has no key beside it; the token has the key of the leaf: openssl verifies what it signs."""
        bundle = self.vault("GET", f"/secrets/{name}")["value"]
        self.assertNotIn("PRIVATE KEY", bundle)
        parts = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", bundle, re.S)
        self.assertEqual(len(parts), 2)
        leaf, between, public, digest, signature = (self.site.base / part for part in ("leaf.pem", "between.pem", "public.pem", "digest", "signature"))
        leaf.write_text(parts[0]), between.write_text(parts[1])
        moment = str(self.vault("GET", f"/certificates/{name}")["attributes"]["nbf"] + HALF_A_DAY)
        self.assertIn(": OK", openssl("verify", "-attime", moment, "-CAfile", root, "-untrusted", between, leaf))
        public.write_text(openssl("x509", "-noout", "-pubkey", "-in", leaf))
        self.assertEqual(self.vault("GET", f"/keys/{name}")["key"]["kty"], kty)
        digest.write_bytes(bytes(range(32)))
        value = self.vault("POST", f"/keys/{name}//sign", {"alg": "RS256" if kty == "RSA-HSM" else "ES256", "value": base64.urlsafe_b64encode(bytes(range(32))).rstrip(b"=").decode()})["value"]
        raw = base64.urlsafe_b64decode(value + "==")
        if kty == "EC-HSM":                                  # r || s, each a positive DER integer
            def integer(data):
                data = data.lstrip(b"\0")
                data = b"\0" + data if data[0] & 0x80 else data
                return bytes([2, len(data)]) + data
            body = integer(raw[:32]) + integer(raw[32:])
            raw = bytes([0x30, len(body)]) + body
        signature.write_bytes(raw)
        openssl("pkeyutl", "-verify", "-pubin", "-inkey", public, "-in", digest, "-sigfile", signature, "-pkeyopt", "digest:sha256")
        return leaf

    def renew(self, name):
        before, bundle = len(self.versions(name)), self.vault("GET", f"/certificates/{name}")
        left = bundle["attributes"]["exp"] - bundle["attributes"]["nbf"]
        self.site.vy("dev", "clock", "advance", f"{left // 86400 - 15}d")
        wait_for("another version", lambda: len(self.versions(name)) > before)
        return self.completed(name)

    def test_an_authority_whose_key_is_in_the_token_issues_renews_and_revokes(self):
        for number, (own, kty) in enumerate((("EC-HSM", "RSA-HSM"), ("RSA-HSM", "EC-HSM"))):
            issuer, name = f"team{number}", f"service{number}"
            self.vault("PUT", f"/certificates/issuers/{issuer}", {"provider": "VaultyardCA", "credentials": {"account_id": "CN=Team CA"}, "org_details": {"id": own}})
            first = self.create(name, issuer, "service.example", kty)

            def download(path, kind, into):
                raw = self.site.base / "raw"
                subprocess.run(["curl", "--silent", "--fail", "--cacert", str(self.site.dir / "ca.pem"), "-o", str(raw), self.site.vault_url("prem", path)], check=True)
                into.write_text(openssl(kind, "-inform", "DER", "-in", raw))
                return into
            root = download(f"/ca/{issuer}", "x509", self.site.base / "root.pem")
            self.check(name, kty, root)
            self.site.kill()                                 # the authority is found again, and destroyed by no start
            self.site.tokens.clear()
            self.site.start()
            second = self.renew(name)
            self.assertNotEqual(first["id"], second["id"])
            leaf = self.site.base / "second.pem"
            leaf.write_text(openssl("x509", "-inform", "DER", input=base64.b64decode(second["cer"])))
            moment = str(second["attributes"]["nbf"] + HALF_A_DAY)
            crl = download(f"/crl/{issuer}", "crl", self.site.base / "team.crl")
            self.assertIn("verify OK", openssl("crl", "-noout", "-in", crl, "-CAfile", root))
            self.assertIn(": OK", openssl("verify", "-attime", moment, "-crl_check", "-CAfile", root, "-CRLfile", crl, leaf))
            self.vault("PATCH", f"/certificates/{name}/{second['id'].rsplit('/', 1)[1]}", {"attributes": {"enabled": False}})
            crl = download(f"/crl/{issuer}", "crl", self.site.base / "team.crl")
            self.assertIn("certificate revoked", openssl("verify", "-attime", moment, "-crl_check", "-CAfile", root, "-CRLfile", crl, leaf, code=2))
            self.vault("DELETE", f"/certificates/{name}")
            self.vault("DELETE", f"/deletedcertificates/{name}", status=204)
            self.vault("DELETE", f"/certificates/issuers/{issuer}")
        wait_for("nothing of it in the token", lambda: not any("vaultyard prem" in seen for seen in self.hsm.list("privkey")))

    def test_an_acme_server_certifies_keys_of_the_token(self):
        self.vault("PUT", "/certificates/issuers/acme", {"provider": "ACME", "org_details": {"id": "http-01", "admin_details": [{"email": "ops@example.com"}]}})
        root = self.site.base / "acme-root.pem"
        root.write_text(self.pebble.root())
        names = {"web-ec": "EC-HSM", "web-rsa": "RSA-HSM"}
        for name, kty in names.items():
            self.create(name, "acme", f"{name}.acme.example", kty)
            self.check(name, kty, root)
        self.assertEqual(len(self.hsm.list("privkey")), 2)
        first = self.vault("GET", "/certificates/web-ec")
        second = self.renew("web-ec")
        self.assertNotEqual(first["id"], second["id"])
        self.check("web-ec", "EC-HSM", root)
        for name in names:
            self.vault("DELETE", f"/certificates/{name}")
            self.vault("DELETE", f"/deletedcertificates/{name}", status=204)
        wait_for("nothing of it in the token", lambda: not self.hsm.list("privkey"))
