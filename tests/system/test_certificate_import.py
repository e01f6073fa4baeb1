"""Certificates made elsewhere come into a vault: PFX with and without a password, PEM in any order; each bad file is explained and changes nothing.
And the policies of certificates: lifetime actions through files, as vy and az write them."""
import base64
import json
import re
import subprocess
import unittest

from vaultyard import BUILD, Site

VAULT = "import-vault"


class Import(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site().start()
        cls.vy = staticmethod(cls.site.vy)
        cls.base = cls.site.base
        cls.vy("group", "create", "-n", "g", "-l", "local")
        cls.vy("keyvault", "create", "-n", VAULT, "-g", "g", "-l", "local", "--enable-rbac-authorization", "false")
        cls.make_files()

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    @classmethod
    def openssl(cls, *arguments):
        subprocess.run(["openssl", *[str(a) for a in arguments]], check=True, capture_output=True, cwd=cls.base)

    @classmethod
    def make_files(cls):
        """A root, an issuer and a leaf; another key; an expired certificate."""
        ext = cls.base / "ca.ext"
        ext.write_text("basicConstraints=critical,CA:TRUE\nkeyUsage=keyCertSign\n")
        cls.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "root.key", "-out", "root.pem", "-subj", "/CN=Test root", "-days", "900", "-addext", "keyUsage=keyCertSign")
        for name, issuer, extra in (("middle", "root", ["-extfile", "ca.ext"]), ("leaf", "middle", [])):
            cls.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.csr", "-subj", f"/CN={name}.example.org")
            cls.openssl("x509", "-req", "-in", f"{name}.csr", "-CA", f"{issuer}.pem", "-CAkey", f"{issuer}.key", "-CAcreateserial", "-days", "400", "-out", f"{name}.pem", *extra)
        (cls.base / "chain.pem").write_text("".join((cls.base / f"{n}.pem").read_text() for n in ("root", "middle")))
        cls.openssl("pkcs12", "-export", "-in", "leaf.pem", "-inkey", "leaf.key", "-certfile", "chain.pem", "-out", "with.pfx", "-passout", "pass:opensesame")
        cls.openssl("pkcs12", "-export", "-in", "leaf.pem", "-inkey", "leaf.key", "-out", "without.pfx", "-passout", "pass:")
        cls.openssl("pkcs12", "-export", "-in", "leaf.pem", "-nokeys", "-out", "nokey.pfx", "-passout", "pass:opensesame")
        cls.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", "old.key", "-out", "old.csr", "-subj", "/CN=old")
        cls.openssl("x509", "-req", "-in", "old.csr", "-signkey", "old.key", "-days", "-1", "-out", "old.pem")
        cls.openssl("pkcs12", "-export", "-in", "old.pem", "-inkey", "old.key", "-out", "old.pfx", "-passout", "pass:")
        text = {n: (cls.base / n).read_text() for n in ("leaf.pem", "leaf.key", "root.pem", "middle.pem", "middle.key")}
        (cls.base / "mixed.pem").write_text(text["root.pem"] + text["leaf.key"] + text["middle.pem"] + text["leaf.pem"])
        (cls.base / "mismatch.pem").write_text(text["leaf.pem"] + text["middle.key"])
        (cls.base / "two-keys.pem").write_text(text["leaf.pem"] + text["leaf.key"] + text["middle.key"])
        (cls.base / "cert-only.pem").write_text(text["leaf.pem"])
        (cls.base / "broken.pfx").write_bytes((cls.base / "with.pfx").read_bytes()[:300])
        (cls.base / "page.pfx").write_text("<html>\n" + text["leaf.pem"])
        (cls.base / "empty.pfx").write_bytes(b"")

    def import_(self, name, file, *more, code=0):
        return self.vy("keyvault", "certificate", "import", "--vault-name", VAULT, "-n", name, "-f", str(self.base / file), *more, code=code)

    def thumbprint(self, file):
        shown = subprocess.run(["openssl", "x509", "-in", str(self.base / file), "-noout", "-fingerprint", "-sha1"], check=True, capture_output=True, text=True).stdout
        return shown.strip().split("=")[1].replace(":", "")

    def secret(self, name):
        return self.vy("keyvault", "secret", "show", "--vault-name", VAULT, "-n", name)

    def test_a_pfx_with_its_password(self):
        done = self.import_("pfx1", "with.pfx", "--password", "opensesame")
        self.assertEqual(done["x509ThumbprintHex"], self.thumbprint("leaf.pem"))
        self.assertEqual(done["policy"]["secretProperties"]["contentType"], "application/x-pkcs12")
        self.assertTrue(done["policy"]["keyProperties"]["exportable"])
        (self.base / "back.pfx").write_bytes(base64.b64decode(self.secret("pfx1")["value"]))
        shown = subprocess.run(["openssl", "pkcs12", "-in", str(self.base / "back.pfx"), "-passin", "pass:", "-nodes"], check=True, capture_output=True, text=True).stdout
        self.assertEqual(shown.count("BEGIN CERTIFICATE"), 3)
        self.assertEqual(shown.count("BEGIN PRIVATE KEY"), 1)

    def test_a_password_from_a_file_or_standard_input(self):
        (self.base / "word").write_text("opensesame\n")
        self.import_("pfx2", "with.pfx", "--password", f"@{self.base / 'word'}")
        self.vy("keyvault", "certificate", "import", "--vault-name", VAULT, "-n", "pfx3", "-f", str(self.base / "with.pfx"), "--password", "-", input="opensesame\n")
        self.assertEqual(len(self.vy("keyvault", "certificate", "list-versions", "--vault-name", VAULT, "-n", "pfx3")), 1)

    def test_a_pfx_without_a_password_and_again_as_the_next_version(self):
        self.import_("plain", "without.pfx")
        self.import_("plain", "with.pfx", "--password", "opensesame")
        self.assertEqual(len(self.vy("keyvault", "certificate", "list-versions", "--vault-name", VAULT, "-n", "plain")), 2)

    def test_pem_in_any_order_keeps_its_chain(self):
        done = self.import_("pem1", "mixed.pem", "--tags", "a=b")
        self.assertEqual(done["x509ThumbprintHex"], self.thumbprint("leaf.pem"))
        self.assertEqual(done["tags"], {"a": "b"})
        value = self.secret("pem1")["value"]
        self.assertEqual(value.count("BEGIN CERTIFICATE"), 3)
        self.assertEqual(self.secret("pem1")["contentType"], "application/x-pem-file")

    def test_pem_as_text_and_in_base64_over_the_wire(self):
        text = (self.base / "mixed.pem").read_text()
        for name, value in (("raw", text), ("b64", base64.b64encode(text.encode()).decode())):
            answer = self.site.call("POST", self.site.vault_url(VAULT, f"/certificates/wire-{name}/import?api-version=7.4"), {"value": value}, self.site.token(self.site.vault_resource))
            self.assertEqual(answer.status, 200, answer)

    def subjects(self, value, content_type):
        """Of the certificates in a secret's value, in their order."""
        if content_type == "application/x-pkcs12":
            (self.base / "order.pfx").write_bytes(base64.b64decode(value))
            value = subprocess.run(["openssl", "pkcs12", "-in", "order.pfx", "-passin", "pass:", "-nodes"], cwd=self.base, check=True, capture_output=True, text=True).stdout
        blocks = re.findall(r"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", value, re.S)
        shown = [subprocess.run(["openssl", "x509", "-noout", "-subject", "-nameopt", "multiline,-align"], input=block, check=True, capture_output=True, text=True).stdout for block in blocks]
        return [text.rsplit("commonName = ", 1)[1].strip() for text in shown]

    def wire(self, method, path, body=None, version="2025-07-01", status=200):
        answer = self.site.call(method, self.site.vault_url(VAULT, f"{path}?api-version={version}"), body, self.site.token(self.site.vault_resource))
        self.assertEqual(answer.status, status, answer)
        return answer.json

    def test_the_order_of_a_chain_is_kept_on_wish(self):
        """preserveCertOrder, which came with 7.6: without it the leaf comes first, then its issuers."""
        ordered, came = ["leaf.example.org", "middle.example.org", "Test root"], ["Test root", "middle.example.org", "leaf.example.org"]
        text = (self.base / "mixed.pem").read_text()
        leaf = base64.b64encode(self.der("leaf.pem")).decode()
        for number, (version, keeps, content_type, expected) in enumerate((("2025-07-01", True, "application/x-pem-file", came), ("7.6", True, "application/x-pkcs12", came),
                                                                           ("2025-07-01", False, "application/x-pkcs12", ordered), ("2025-07-01", None, "application/x-pem-file", ordered),
                                                                           ("7.5", True, "application/x-pem-file", ordered))):
            with self.subTest(version=version, keeps=keeps, content_type=content_type):
                body = {"value": text, "policy": {"secret_props": {"contentType": content_type}}} | ({} if keeps is None else {"preserveCertOrder": keeps})
                made = self.wire("POST", f"/certificates/order-{number}/import", body, version)
                self.assertEqual((made["cer"], made.get("preserveCertOrder")), (leaf, True if expected is came else None))
                self.assertEqual(self.wire("GET", f"/certificates/order-{number}/").get("preserveCertOrder"), True if expected is came else None)
                secret = self.wire("GET", f"/secrets/order-{number}/")
                self.assertEqual(self.subjects(secret["value"], content_type), expected)
                told = self.site.call("GET", self.site.vault_url(VAULT, f"/secrets/order-{number}/?api-version=2025-07-01&outContentType=application/x-pem-file"),
                                      token=self.site.token(self.site.vault_resource)).json
                self.assertEqual(self.subjects(told["value"], "application/x-pem-file"), expected)
        self.assertIn("preserveCertOrder", self.wire("POST", "/certificates/order-bad/import", {"value": text, "preserveCertOrder": "yes"}, status=400)["error"]["message"])
        self.wire("GET", "/certificates/order-bad/", status=404)

    def test_a_merge_keeps_the_order_that_its_creation_asked_for(self):
        policy = {"issuer": {"name": "Unknown"}, "x509_props": {"subject": "CN=merged"}, "secret_props": {"contentType": "application/x-pem-file"}}
        for name, more, expected in (("merge-kept", {"preserveCertOrder": True}, ["Test root", "merged"]), ("merge-usual", {}, ["merged", "Test root"])):
            operation = self.wire("POST", f"/certificates/{name}/create", {"policy": policy, **more}, status=202)
            self.assertEqual(operation.get("preserveCertOrder"), more.get("preserveCertOrder"))
            (self.base / "merge.csr").write_bytes(base64.b64decode(operation["csr"]))
            self.openssl("x509", "-req", "-inform", "DER", "-in", "merge.csr", "-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-days", "9", "-out", "merged.pem")
            chain = [base64.b64encode(self.der(file)).decode() for file in ("root.pem", "merged.pem")]
            made = self.wire("POST", f"/certificates/{name}/pending/merge", {"x5c": chain}, status=201)
            self.assertEqual((made["cer"], made.get("preserveCertOrder")), (chain[1], more.get("preserveCertOrder")))
            self.assertEqual(self.subjects(self.wire("GET", f"/secrets/{name}/")["value"], "application/x-pem-file"), expected)

    def der(self, file):
        return subprocess.run(["openssl", "x509", "-in", file, "-outform", "DER"], cwd=self.base, check=True, capture_output=True).stdout

    def test_a_policy_and_attributes_go_with_it(self):
        policy = {"keyProperties": {"exportable": False, "keyType": "RSA", "keySize": 2048, "reuseKey": False}, "secretProperties": {"contentType": "application/x-pkcs12"},
                  "issuerParameters": {"name": "Self"}, "lifetimeActions": [{"trigger": {"lifetimePercentage": 80}, "action": {"actionType": "AutoRenew"}}]}
        (self.base / "import-policy.json").write_text(json.dumps(policy))
        done = self.import_("own", "without.pfx", "-p", f"@{self.base / 'import-policy.json'}", "--disabled")
        self.assertFalse(done["attributes"]["enabled"])
        self.assertFalse(done["policy"]["keyProperties"]["exportable"])
        self.assertEqual(done["policy"]["lifetimeActions"][0]["trigger"], {"lifetimePercentage": 80})

    def test_a_bad_file_is_explained_before_anything_is_sent(self):
        for file, more, says in (("with.pfx", ("--password", "wrong"), "password"), ("broken.pfx", ("--password", "opensesame"), "broken.pfx"), ("empty.pfx", (), "is empty"),
                                 ("page.pfx", (), "PEM text behind"), ("nokey.pfx", ("--password", "opensesame"), "no private key"), ("old.pfx", (), "expired"),
                                 ("mismatch.pem", (), "belongs to its private key"), ("cert-only.pem", (), "no private key"), ("two-keys.pem", (), "more than one private key"),
                                 ("absent.pfx", (), "absent.pfx")):
            with self.subTest(file):
                done = self.import_("bad", file, *more, code=None)
                self.assertNotEqual(done.returncode, 0)
                self.assertIn(says, done.stderr)
        self.vy("keyvault", "certificate", "show", "--vault-name", VAULT, "-n", "bad", code=3)

    def test_a_password_is_not_asked_for_without_a_terminal(self):
        done = subprocess.run([str(BUILD / "vy"), "keyvault", "certificate", "import", "--vault-name", VAULT, "-n", "bad", "-f", str(self.base / "with.pfx")],
                              env=self.site.vy_env(), stdin=subprocess.DEVNULL, capture_output=True, text=True, start_new_session=True, timeout=60)
        self.assertEqual(done.returncode, 1)
        self.assertIn("terminal", done.stderr)

    def test_the_server_refuses_bad_files_itself(self):
        token = self.site.token(self.site.vault_resource)
        raw = {name: base64.b64encode((self.base / name).read_bytes()).decode() for name in ("with.pfx", "old.pfx", "mismatch.pem", "nokey.pfx", "broken.pfx")}
        for body in ({"value": raw["with.pfx"], "pwd": "wrong"}, {"value": raw["old.pfx"]}, {"value": raw["mismatch.pem"]}, {"value": raw["nokey.pfx"], "pwd": "opensesame"},
                     {"value": raw["broken.pfx"]}, {"value": "***"}, {"valu": "x"}, {"value": raw["with.pfx"], "pwd": "opensesame", "policy": {"key_props": {"kty": "banana"}}}):
            with self.subTest(body=str(body)[:60]):
                answer = self.site.call("POST", self.site.vault_url(VAULT, "/certificates/bad/import?api-version=7.4"), body, token)
                self.assertEqual(answer.status, 400, answer)
        self.vy("keyvault", "certificate", "show", "--vault-name", VAULT, "-n", "bad", code=3)

    # -- policies

    def policy_file(self, name, **trigger):
        policy = self.vy("keyvault", "certificate", "get-default-policy")
        policy["lifetimeActions"] = [{"action": {"actionType": trigger.pop("action", "AutoRenew")}, "trigger": trigger}]
        path = self.base / f"{name}.json"
        path.write_text(json.dumps(policy))
        return f"@{path}"

    def actions(self, name):
        return self.vy("keyvault", "certificate", "show", "--vault-name", VAULT, "-n", name)["policy"]["lifetimeActions"]

    def test_lifetime_action_and_days_from_a_file(self):
        for name, flag, trigger in (("days", "--policy", {"daysBeforeExpiry": 45}), ("percent", "-p", {"lifetimePercentage": 60})):
            self.vy("keyvault", "certificate", "create", "--vault-name", VAULT, "-n", name, flag, self.policy_file(name, **trigger))
            self.assertEqual(self.actions(name), [{"action": {"actionType": "AutoRenew"}, "trigger": trigger}])
        self.vy("keyvault", "certificate", "create", "--vault-name", VAULT, "-n", "mail", "-p", self.policy_file("mail", action="EmailContacts", daysBeforeExpiry=10))
        self.assertEqual(self.actions("mail")[0]["action"]["actionType"], "EmailContacts")

    def test_they_are_changed_later_and_count_at_once(self):
        self.vy("keyvault", "certificate", "create", "--vault-name", VAULT, "-n", "later", "-p", self.policy_file("later", daysBeforeExpiry=30))
        self.vy("keyvault", "certificate", "set-attributes", "--vault-name", VAULT, "-n", "later", "--policy", self.policy_file("later2", daysBeforeExpiry=120))
        self.assertEqual(self.actions("later")[0]["trigger"], {"daysBeforeExpiry": 120})
        (self.base / "only.json").write_text(json.dumps({"lifetimeActions": [{"action": {"actionType": "AutoRenew"}, "trigger": {"lifetimePercentage": 50}}]}))
        self.vy("keyvault", "certificate", "set-attributes", "--vault-name", VAULT, "-n", "later", "--policy", f"@{self.base / 'only.json'}")
        self.assertEqual(self.actions("later")[0]["trigger"], {"lifetimePercentage": 50})
        self.assertEqual(self.vy("keyvault", "certificate", "show", "--vault-name", VAULT, "-n", "later")["policy"]["keyProperties"]["keySize"], 2048)

    def test_triggers_that_cannot_be_are_refused_and_change_nothing(self):
        self.vy("keyvault", "certificate", "create", "--vault-name", VAULT, "-n", "firm", "-p", self.policy_file("firm", daysBeforeExpiry=30))
        for trigger in ({"daysBeforeExpiry": 0}, {"daysBeforeExpiry": 400}, {"lifetimePercentage": 100}, {"lifetimePercentage": 0}, {"daysBeforeExpiry": 5, "lifetimePercentage": 5}, {}):
            with self.subTest(trigger):
                done = self.vy("keyvault", "certificate", "set-attributes", "--vault-name", VAULT, "-n", "firm", "--policy", self.policy_file("bad", **trigger), code=1)
                self.assertIn("BadParameter", done.stderr)
        done = self.vy("keyvault", "certificate", "set-attributes", "--vault-name", VAULT, "-n", "firm", "--policy", self.policy_file("bad", action="Renew", daysBeforeExpiry=5), code=1)
        self.assertIn("BadParameter", done.stderr)
        self.vy("keyvault", "certificate", "set-attributes", "--vault-name", VAULT, "-n", "firm", "--policy", "@/nonexistent/policy.json", code=2)
        self.assertEqual(self.actions("firm")[0]["trigger"], {"daysBeforeExpiry": 30})


if __name__ == "__main__":
    unittest.main()
