"""An issuer of provider VaultyardCA as relying parties see it: openssl builds the chain, finds the revocation list by the certificate, and follows it."""
import base64
import json
import re
import subprocess
import unittest
import urllib.parse

from vaultyard import Site, wait_for

API = "?api-version=7.4"


def openssl(*arguments, input=None, code=0):
    done = subprocess.run(["openssl", *arguments], input=input, capture_output=True)
    assert done.returncode == code, (arguments, done.returncode, done.stdout, done.stderr)
    return (done.stdout + done.stderr).decode(errors="replace")


class PrivateAuthority(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site().start()
        cls.site.vy("group", "create", "-n", "ca", "-l", "local")
        cls.site.vy("keyvault", "create", "-n", "ca-vault", "-g", "ca", "-l", "local")

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def vault(self, method, path, body=None, status=200):
        answer = self.site.call(method, self.site.vault_url("ca-vault", path + API), body, self.site.token(self.site.vault_resource))
        self.assertEqual(answer.status, status, answer)
        return answer.json if answer.body else None

    def download(self, url, name):
        """What everybody may read, without a token, by a client of its own."""
        path = self.site.base / name
        subprocess.run(["curl", "--silent", "--fail", "--cacert", str(self.site.dir / "ca.pem"), "-o", str(path), url], check=True)
        return path

    def test_chain_and_revocation_list_hold(self):
        self.vault("PUT", "/certificates/issuers/team", {"provider": "VaultyardCA", "credentials": {"account_id": "CN=Team CA, O=Example"}})
        policy = {"issuer": {"name": "team"}, "secret_props": {"contentType": "application/x-pem-file"}, "key_props": {"kty": "RSA", "key_size": 2048},
                  "x509_props": {"subject": "CN=service.example", "sans": {"dns_names": ["service.example"]}, "validity_months": 3}}
        self.vault("POST", "/certificates/service/create", {"policy": policy}, status=202)
        wait_for("the certificate", lambda: self.vault("GET", "/certificates/service/pending")["status"] == "completed")
        leaf = self.site.base / "leaf.pem"
        leaf.write_text(openssl("x509", "-inform", "DER", input=base64.b64decode(self.vault("GET", "/certificates/service")["cer"])))
        root = self.site.base / "root.pem"
        root.write_text(openssl("x509", "-inform", "DER", "-in", str(self.download(self.site.vault_url("ca-vault", "/ca/team" + API), "root.der"))))
        self.assertIn(": OK", openssl("verify", "-x509_strict", "-purpose", "sslserver", "-verify_hostname", "service.example", "-CAfile", str(root), str(leaf)))

        point = re.search(r"URI:(https://\S+)", openssl("x509", "-noout", "-ext", "crlDistributionPoints", "-in", str(leaf))).group(1)

        def checked(code):
            crl = self.site.base / "team.crl"
            crl.write_text(openssl("crl", "-inform", "DER", "-in", str(self.download(point, "team.der"))))
            self.assertIn("verify OK", openssl("crl", "-noout", "-in", str(crl), "-CAfile", str(root)))
            return openssl("verify", "-crl_check", "-CAfile", str(root), "-CRLfile", str(crl), str(leaf), code=code)

        self.assertIn(": OK", checked(0))
        self.vault("PATCH", "/certificates/service/", {"attributes": {"enabled": False}})
        self.assertIn("certificate revoked", checked(2))
        self.vault("PATCH", "/certificates/service/", {"attributes": {"enabled": True}})
        self.assertIn(": OK", checked(0))

        # A server that uses what the vault gives: the secret holds key, leaf and authority in the order of the chain.
        bundle = self.vault("GET", "/secrets/service")["value"]
        subjects = [openssl("x509", "-noout", "-subject", input=part.encode()) for part in re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", bundle, re.S)]
        self.assertEqual([subject.strip() for subject in subjects], ["subject=CN = service.example", "subject=CN = Team CA, O = Example"])

    def test_openssl_asks_how_a_certificate_stands(self):
        self.vault("PUT", "/certificates/issuers/asked", {"provider": "VaultyardCA", "credentials": {"account_id": "CN=Asked CA"}})
        policy = {"issuer": {"name": "asked"}, "key_props": {"kty": "EC", "crv": "P-256"}, "x509_props": {"subject": "CN=asked.example", "validity_months": 3}}
        self.vault("POST", "/certificates/asked/create", {"policy": policy}, status=202)
        wait_for("the certificate", lambda: self.vault("GET", "/certificates/asked/pending")["status"] == "completed")
        leaf, ca = self.site.base / "asked.pem", self.site.base / "asked-ca.pem"
        leaf.write_text(openssl("x509", "-inform", "DER", input=base64.b64decode(self.vault("GET", "/certificates/asked")["cer"])))
        access = openssl("x509", "-noout", "-ext", "authorityInfoAccess", "-in", str(leaf))
        url, issuer = re.search(r"OCSP - URI:(\S+)", access).group(1), re.search(r"CA Issuers - URI:(\S+)", access).group(1)
        ca.write_text(openssl("x509", "-inform", "DER", "-in", str(self.download(issuer, "asked-ca.der"))))

        def verdict(method, *which):
            """What openssl makes of the answer to its own question, sent as RFC 6960 appendix A has it."""
            question, answer = self.site.base / "question", self.site.base / "answer"
            openssl("ocsp", "-issuer", str(ca), *which, "-reqout", str(question))
            send = ["--data-binary", f"@{question}", "-H", "Content-Type: application/ocsp-request", url]
            if method == "GET":
                send = [url + "/" + urllib.parse.quote(base64.b64encode(question.read_bytes()), safe="")]
            subprocess.run(["curl", "--silent", "--fail", "--cacert", str(self.site.dir / "ca.pem"), "-o", str(answer), *send], check=True)
            said = openssl("ocsp", "-issuer", str(ca), "-CAfile", str(ca), "-reqin", str(question), "-respin", str(answer))
            self.assertRegex(said, r"^Response verify OK\n$")                       # and the nonce is the question's
            signer = openssl("ocsp", "-respin", str(answer), "-noverify", "-resp_text")
            self.assertRegex(signer, r"Subject: CN ?= ?OCSP responder of asked(?s:.*)OCSP Signing(?s:.*)OCSP No Check")
            return re.search(r"^\S+: (good|revoked|unknown)", openssl("ocsp", "-issuer", str(ca), *which, "-no_nonce", "-CAfile", str(ca), "-respin", str(answer)), re.M).group(1)

        for method in ("POST", "GET"):
            self.assertEqual(verdict(method, "-cert", str(leaf)), "good")
            self.assertEqual(verdict(method, "-sha256", "-serial", "0x1234"), "unknown")
        self.vault("PATCH", "/certificates/asked/", {"attributes": {"enabled": False}})
        self.assertEqual(verdict("POST", "-cert", str(leaf)), "revoked")
        self.vault("PATCH", "/certificates/asked/", {"attributes": {"enabled": True}})
        self.assertEqual(verdict("GET", "-cert", str(leaf)), "good")
        self.vault("DELETE", "/certificates/asked")
        self.assertEqual(verdict("POST", "-cert", str(leaf)), "revoked")
        self.vault("DELETE", "/deletedcertificates/asked", status=204)
        self.assertEqual(verdict("GET", "-cert", str(leaf)), "revoked")

    def test_nothing_of_the_authority_leaks(self):
        self.vault("PUT", "/certificates/issuers/quiet", {"provider": "VaultyardCA", "credentials": {"account_id": "quiet ca", "pwd": "never shown"}})
        self.assertNotIn("never shown", json.dumps(self.vault("GET", "/certificates/issuers/quiet")))
        for path in (self.site.dir / "store").glob("vaultyard.db*"):
            self.assertNotIn(b"never shown", path.read_bytes())


if __name__ == "__main__":
    unittest.main()
