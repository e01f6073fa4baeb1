"""vy keyvault certificate: the life of a certificate, its file forms, bad files explained, issuers, administrators and contacts, in az's words."""
import base64
import subprocess
import unittest

from vaultyard import BUILD, Site


def openssl(*arguments, input=None):
    done = subprocess.run(["openssl", *[str(argument) for argument in arguments]], input=input, capture_output=True)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout.decode()


class Certificates(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site().start()
        cls.site.vy("group", "create", "-n", "vy", "-l", "local")
        cls.site.vy("keyvault", "create", "-n", "vy-vault", "-g", "vy", "-l", "local")
        cls.policy = cls.site.base / "policy.json"
        cls.policy.write_text('{"issuerParameters":{"name":"Self"},"keyProperties":{"keyType":"EC"},"x509CertificateProperties":{"subject":"CN=vy.example"}}')

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def vy(self, *words, code=0, vault=True, input=None):
        more = ["--vault-name", "vy-vault"] if vault else []
        return self.site.vy("keyvault", "certificate", *words, *more, code=code, input=input)

    def refused(self, word, *words):
        done = self.vy(*words, code=None)
        self.assertNotEqual(done.returncode, 0, words)
        self.assertIn(word, done.stderr)

    def make(self, name, *more):
        self.assertEqual(self.vy("create", "-n", name, "-p", f"@{self.policy}", *more)["status"], "completed")

    def test_download_backup_delete_recover_purge_restore(self):
        self.make("life")
        thumbprint = self.vy("show", "-n", "life")["x509ThumbprintHex"]
        pem, der, blob = (self.site.base / name for name in ("life.pem", "life.der", "life.blob"))
        self.vy("download", "-n", "life", "-f", pem)
        self.vy("download", "-n", "life", "-f", der, "-e", "DER")
        for form in (["-in", pem], ["-inform", "DER", "-in", der]):
            self.assertIn(thumbprint, openssl("x509", "-noout", "-fingerprint", "-sha1", *form).replace(":", ""))
        self.refused("there already", "download", "-n", "life", "-f", pem)
        self.refused("neither PEM nor DER", "download", "-n", "life", "-f", "x", "-e", "JSON")
        self.vy("backup", "-n", "life", "-f", blob)
        self.assertEqual(blob.stat().st_mode & 0o777, 0o600)
        self.assertIn("life", self.vy("delete", "-n", "life")["recoveryId"])
        self.assertEqual([item["name"] for item in self.vy("list-deleted")], ["life"])
        self.assertIn("scheduledPurgeDate", self.vy("show-deleted", "-n", "life"))
        self.vy("recover", "-n", "life")
        self.assertEqual(self.vy("show", "-n", "life")["x509ThumbprintHex"], thumbprint)
        self.vy("delete", "-n", "life")
        self.vy("purge", "-n", "life")
        self.refused("not found", "show", "-n", "life")
        self.assertEqual(self.vy("restore", "-f", blob)["x509ThumbprintHex"], thumbprint)
        self.refused("exists", "restore", "-f", blob)

    def test_a_request_is_signed_elsewhere_and_merged(self):
        request, ca, key, leaf, chain = (self.site.base / name for name in ("request.der", "ca.pem", "ca.key", "leaf.pem", "chain.pem"))
        policy = self.policy.read_text().replace("Self", "Unknown")
        operation = self.vy("create", "-n", "merged", "-p", policy)
        self.assertEqual(operation["status"], "inProgress")
        request.write_bytes(base64.b64decode(operation["csr"]))
        openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-out", ca, "-subj", "/CN=Elsewhere", "-days", "9")
        openssl("x509", "-req", "-inform", "DER", "-in", request, "-CA", ca, "-CAkey", key, "-CAcreateserial", "-days", "5", "-out", leaf)
        self.refused("does not match", "pending", "merge", "-n", "merged", "-f", ca)
        chain.write_text(ca.read_text() + leaf.read_text())              # in the wrong order
        self.assertTrue(self.vy("pending", "merge", "-n", "merged", "-f", chain)["attributes"]["enabled"])
        self.assertEqual(self.vy("pending", "show", "-n", "merged")["status"], "completed")
        self.vy("pending", "delete", "-n", "merged")
        self.refused("not found", "pending", "show", "-n", "merged")

    def test_bad_files_are_explained_and_nothing_is_sent(self):
        base = self.site.base
        key, other, cert, between, ca = (base / name for name in ("i.key", "o.key", "i.pem", "b.pem", "root.pem"))
        openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-out", other)
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", base / "root.key", "-out", ca, "-subj", "/CN=Root", "-days", "9")
        openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", key, "-out", base / "i.csr", "-subj", "/CN=imported")
        openssl("x509", "-req", "-in", base / "i.csr", "-CA", ca, "-CAkey", base / "root.key", "-CAcreateserial", "-days", "5", "-out", cert)
        openssl("x509", "-req", "-in", base / "i.csr", "-signkey", key, "-days", "-1", "-out", base / "old.pem")

        def pfx(name, *arguments):
            openssl("pkcs12", "-export", "-out", base / name, "-passout", "pass:right", *arguments)
            return base / name

        def bad(word, path, *more):
            self.refused(word, "import", "-n", "bad", "-f", path, *more)

        good = pfx("good.pfx", "-inkey", key, "-in", cert)
        bad("password of the PFX is wrong", good, "--password", "wrong")
        bad("no private key", pfx("nokey.pfx", "-nokeys", "-in", cert), "--password", "right")
        bad("expired", pfx("old.pfx", "-inkey", key, "-in", base / "old.pem"), "--password", "right")
        (base / "mixed.pem").write_text(other.read_text() + cert.read_text())
        bad("belongs to its private key", base / "mixed.pem")
        (base / "cut.pfx").write_bytes(good.read_bytes()[:700])
        bad("not one whole PFX", base / "cut.pfx", "--password", "right")
        self.refused("not found", "show", "-n", "bad")

        # Files that are good enough are taken, with a word about what will hurt later.
        def noted(name, path):
            return self.site.run([BUILD / "vy", "keyvault", "certificate", "import", "--vault-name", "vy-vault", "-n", name, "-f", path, "--password", "right"], env=self.site.vy_env()).stderr

        self.assertRegex(noted("alone", good), r"CN=Root.* is not in the file")
        legacy = pfx("legacy.pfx", "-inkey", key, "-in", cert, "-certfile", ca, "-legacy", "-certpbe", "PBE-SHA1-RC2-40")
        notes = noted("legacy", legacy)
        self.assertIn("RC2", notes)
        self.assertNotIn("is not in the file", notes)

    def test_issuers_and_their_administrators(self):
        made = self.vy("issuer", "create", "--issuer-name", "team", "--provider-name", "VaultyardCA", "--account-id", "CN=Team CA", "--password", "hidden", "--admin-email", "a@example.com",
                       "--admin-first-name", "A")
        self.assertEqual((made["name"], made["provider"], made["credentials"]["accountId"]), ("team", "VaultyardCA", "CN=Team CA"))
        self.assertNotIn("hidden", str(made))
        self.assertEqual(self.vy("issuer", "admin", "add", "--issuer-name", "team", "--email", "b@example.com", "--phone", "1")["phone"], "1")
        self.refused("already", "issuer", "admin", "add", "--issuer-name", "team", "--email", "B@example.com")
        self.assertEqual([admin["emailAddress"] for admin in self.vy("issuer", "admin", "list", "--issuer-name", "team")], ["a@example.com", "b@example.com"])
        self.vy("issuer", "admin", "delete", "--issuer-name", "team", "--email", "a@example.com")
        self.refused("no administrator", "issuer", "admin", "delete", "--issuer-name", "team", "--email", "a@example.com")
        self.assertEqual([admin["emailAddress"] for admin in self.vy("issuer", "show", "--issuer-name", "team")["organizationDetails"]["adminDetails"]], ["b@example.com"])
        self.assertFalse(self.vy("issuer", "update", "--issuer-name", "team", "--disabled")["attributes"]["enabled"])
        self.assertIn(("team", "VaultyardCA"), [(issuer["name"], issuer["provider"]) for issuer in self.vy("issuer", "list")])
        self.vy("issuer", "delete", "--issuer-name", "team")
        self.refused("not found", "issuer", "show", "--issuer-name", "team")

    def test_contacts(self):
        self.assertEqual(self.vy("contact", "list"), {"contactList": []})
        self.assertEqual(self.vy("contact", "add", "--email", "a@example.com", "--name", "A"), {"contactList": [{"emailAddress": "a@example.com", "name": "A"}]})
        self.vy("contact", "add", "--email", "b@example.com")
        self.refused("already", "contact", "add", "--email", "a@example.com")
        self.refused("e-mail address", "contact", "add", "--email", "nobody")
        self.assertEqual([contact["emailAddress"] for contact in self.vy("contact", "delete", "--email", "a@example.com")["contactList"]], ["b@example.com"])
        self.refused("no contact", "contact", "delete", "--email", "a@example.com")
        self.assertEqual(self.vy("contact", "delete", "--email", "b@example.com"), {"contactList": []})
        self.assertEqual(self.vy("contact", "list"), {"contactList": []})

    def test_creation_waits_and_a_failure_is_an_error(self):
        self.site.vy("keyvault", "certificate", "issuer", "create", "--vault-name", "vy-vault", "--issuer-name", "brief", "--provider-name", "VaultyardCA")
        self.make("by-ca")
        policy = self.policy.read_text().replace("Self", "nowhere")
        self.refused("nowhere", "create", "-n", "none", "-p", policy)
        self.assertNotIn("none", [item["name"] for item in self.vy("list")])


if __name__ == "__main__":
    unittest.main()
