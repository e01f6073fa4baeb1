"""The vault's data plane on the wire: the challenge, secrets, certificates, refusals."""
import base64
import subprocess
import unittest

from vaultyard import Site, wait_for

API = "api-version=7.4"


class Vault(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site().start()
        cls.site.vy("group", "create", "-n", "g", "-l", "local")
        cls.site.vy("keyvault", "create", "-n", "kv-one", "-g", "g", "-l", "local")
        cls.vault = cls.site.vault_url("kv-one")
        cls.token = cls.site.token(cls.site.vault_resource)

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def call(self, method, path, body=None, token=True, headers=None):
        separator = "&" if "?" in path else "?"
        return self.site.call(method, f"{self.vault}{path}{separator}{API}", body, self.token if token is True else token, headers)

    def error(self, answer):
        found = answer.json["error"]
        return answer.status, found["code"], (found.get("innererror") or {}).get("code")

    def test_the_challenge_comes_first_for_every_method_and_path(self):
        for method, path in (("GET", "/secrets/none"), ("PUT", "/secrets/none"), ("POST", "/certificates/none/create"), ("GET", "/nowhere"), ("PATCH", "/secrets/a/b")):
            with self.subTest(f"{method} {path}"):
                answer = self.call(method, path, "" if method != "GET" else None, token=None)
                self.assertEqual(answer.status, 401)
                tenant, port = self.site.admin["tenantId"], self.site.port
                self.assertEqual(answer.headers["WWW-Authenticate"], f'Bearer authorization="https://login.vaultyard.localhost:{port}/{tenant}", '
                                                                     f'resource="https://vault.vaultyard.localhost:{port}"')
                self.assertEqual(answer.json["error"]["code"], "Unauthorized")
                self.assertIn("AKV10000", answer.json["error"]["message"])

    def test_a_secret_lives(self):
        first = self.call("PUT", "/secrets/living", {"value": "one", "contentType": "text/plain", "tags": {"a": "b"}})
        self.assertEqual(first.status, 200, first)
        self.assertRegex(first.json["id"], rf"^{self.vault}/secrets/living/[0-9a-f]{{32}}$")
        second = self.call("PUT", "/secrets/living", {"value": "two"}).json
        self.assertEqual(self.call("GET", "/secrets/living").json["value"], "two")
        self.assertEqual(self.call("GET", "/secrets/living/").json["id"], second["id"])
        old = first.json["id"].rsplit("/", 1)[1]
        self.assertEqual(self.call("GET", f"/secrets/living/{old}").json["value"], "one")
        self.assertEqual(len(self.call("GET", "/secrets/living/versions").json["value"]), 2)
        self.assertIn(f"{self.vault}/secrets/living", [item["id"] for item in self.call("GET", "/secrets").json["value"]])
        patched = self.call("PATCH", f"/secrets/living/{old}", {"attributes": {"enabled": False}})
        self.assertEqual(patched.status, 200, patched)
        self.assertEqual(patched.json["tags"], {"a": "b"})
        self.assertEqual(self.error(self.call("GET", f"/secrets/living/{old}")), (403, "Forbidden", "SecretDisabled"))
        deleted = self.call("DELETE", "/secrets/living")
        self.assertEqual(deleted.status, 200, deleted)
        self.assertEqual(deleted.json["recoveryId"], f"{self.vault}/deletedsecrets/living")
        self.assertEqual(deleted.json["scheduledPurgeDate"] - deleted.json["deletedDate"], 90 * 86400)
        self.assertEqual(self.error(self.call("GET", "/secrets/living"))[:2], (404, "SecretNotFound"))
        self.assertEqual(self.error(self.call("PUT", "/secrets/living", {"value": "again"})), (409, "Conflict", "ObjectIsDeletedButRecoverable"))

    def test_pages_of_secrets_hold_everything_once(self):
        for number in range(30):
            self.assertEqual(self.call("PUT", f"/secrets/page-{number:02}", {"value": "x"}).status, 200)
        seen, url = [], f"{self.vault}/secrets?{API}&maxresults=7"
        while url:
            page = self.site.call("GET", url, token=self.token).json
            self.assertLessEqual(len(page["value"]), 7)
            seen += [item["id"].rsplit("/", 1)[1] for item in page["value"]]
            url = page["nextLink"]
        self.assertEqual(len(seen), len(set(seen)))
        self.assertTrue({f"page-{number:02}" for number in range(30)} <= set(seen))

    def test_bad_input_is_named_and_changes_nothing(self):
        cases = (("PUT", "/secrets/bad_name", {"value": "x"}, 400, "BadParameter"), ("PUT", "/secrets/" + "n" * 128, {"value": "x"}, 400, "BadParameter"),
                 ("PUT", "/secrets/big", {"value": "x" * 25601}, 400, "BadParameter"), ("PUT", "/secrets/none", {}, 400, "BadParameter"),
                 ("PUT", "/secrets/none", "{", 400, "BadParameter"), ("PUT", "/secrets/none", {"value": 1}, 400, "BadParameter"),
                 ("PUT", "/secrets/none", '{"value":"a","value":"b"}', 400, "BadParameter"), ("PUT", "/secrets/none", {"value": "x", "tags": {"a": 1}}, 400, "BadParameter"),
                 ("PUT", "/secrets/none", {"value": "x", "tags": {str(n): "v" for n in range(16)}}, 400, "BadParameter"),
                 ("GET", "/secrets/none", None, 404, "SecretNotFound"), ("GET", "/secrets?maxresults=26", None, 400, "BadParameter"),
                 ("POST", "/certificates/c/create", {"policy": {"x509_props": {"subject": "no equals"}, "issuer": {"name": "Self"}}}, 400, "BadParameter"),
                 ("POST", "/certificates/c/create", {"policy": {"issuer": {"name": "Self"}}}, 400, "BadParameter"),
                 ("GET", "/certificates/none", None, 404, "CertificateNotFound"), ("GET", "/certificates/none/pending", None, 404, "PendingCertificateNotFound"))
        for method, path, body, status, code in cases:
            with self.subTest(f"{method} {path[:40]} {str(body)[:60]}"):
                answer = self.call(method, path, body, headers={"Content-Type": "application/json"} if body else None)
                self.assertEqual(self.error(answer)[:2], (status, code), answer)
                self.assertTrue(answer.json["error"]["message"])
        self.assertEqual(self.call("GET", "/secrets/none").status, 404)

    def test_api_version_is_needed(self):
        answer = self.site.call("GET", f"{self.vault}/secrets", token=self.token)
        self.assertEqual(self.error(answer)[:2], (400, "BadParameter"))

    def test_only_who_has_the_permission_reads(self):
        self.call("PUT", "/secrets/guarded", {"value": "x"})
        principal = self.site.principal("reader")
        token = self.site.token(self.site.vault_resource, principal["appId"], principal["password"])
        refused = self.call("GET", "/secrets/guarded", token=token)
        self.assertEqual(self.error(refused), (403, "Forbidden", "AccessDenied"))
        self.assertIn(principal["appId"], refused.json["error"]["message"])
        self.site.vy("keyvault", "set-policy", "-n", "kv-one", "--object-id", principal["id"], "--secret-permissions", "get")
        self.assertEqual(self.call("GET", "/secrets/guarded", token=token).status, 200)
        self.assertEqual(self.error(self.call("PUT", "/secrets/guarded", {"value": "y"}, token=token)), (403, "Forbidden", "AccessDenied"))
        self.assertEqual(self.error(self.call("GET", "/secrets", token=token)), (403, "Forbidden", "AccessDenied"))

    def test_a_wrong_audience_is_said(self):
        answer = self.call("GET", "/secrets", token=self.site.token())
        self.assertEqual(answer.status, 401)
        self.assertIn("AKV10022", answer.json["error"]["message"])

    def make_certificate(self, name, content_type):
        policy = {"issuer": {"name": "Self"}, "key_props": {}, "secret_props": {"contentType": content_type}, "x509_props": {"subject": "CN=x.example", "sans": {"dns_names": ["x.example"]}}}
        begun = self.call("POST", f"/certificates/{name}/create", {"policy": policy})
        self.assertEqual(begun.status, 202, begun)
        self.assertIn(f"/certificates/{name}/pending", begun.headers["Location"])
        done = wait_for("the certificate is made", lambda: (lambda op: op if op["status"] == "completed" else None)(self.call("GET", f"/certificates/{name}/pending").json))
        self.assertEqual(done["target"], f"{self.vault}/certificates/{name}")
        return self.call("GET", f"/certificates/{name}").json

    def openssl(self, *arguments, input):
        return subprocess.run(["openssl", *arguments], input=input, capture_output=True, check=True).stdout

    def test_a_certificate_comes_with_its_secret_and_key(self):
        certificate = self.make_certificate("as-pem", "application/x-pem-file")
        version = certificate["id"].rsplit("/", 1)[1]
        self.assertEqual((certificate["sid"], certificate["kid"]), (f"{self.vault}/secrets/as-pem/{version}", f"{self.vault}/keys/as-pem/{version}"))
        der = base64.b64decode(certificate["cer"])
        self.assertIn(b"CN = x.example", self.openssl("x509", "-inform", "DER", "-noout", "-subject", input=der))
        digest = subprocess.run(["openssl", "sha1", "-binary"], input=der, capture_output=True, check=True).stdout
        self.assertEqual(base64.urlsafe_b64decode(certificate["x5t"] + "=="), digest)
        secret = self.call("GET", "/secrets/as-pem").json
        self.assertTrue(secret["managed"])
        self.assertEqual(secret["kid"], certificate["kid"])
        self.assertEqual(self.openssl("pkey", "-pubout", input=secret["value"].encode()), self.openssl("x509", "-noout", "-pubkey", input=secret["value"].encode()))
        key = self.call("GET", f"/keys/as-pem/{version}").json
        self.assertEqual((key["key"]["kty"], key["key"]["kid"], key["managed"]), ("RSA", certificate["kid"], True))
        modulus = base64.urlsafe_b64decode(key["key"]["n"] + "==").hex().upper()
        self.assertIn(modulus, self.openssl("x509", "-inform", "DER", "-noout", "-modulus", input=der).decode())
        self.assertEqual(self.error(self.call("PUT", "/secrets/as-pem", {"value": "x"}))[0], 409)

    def test_a_pkcs12_secret_opens_without_a_password(self):
        self.make_certificate("as-pfx", "application/x-pkcs12")
        pfx = base64.b64decode(self.call("GET", "/secrets/as-pfx").json["value"])
        opened = self.openssl("pkcs12", "-nodes", "-passin", "pass:", input=pfx)
        self.assertIn(b"BEGIN PRIVATE KEY", opened)
        self.assertIn(b"BEGIN CERTIFICATE", opened)

    def test_renewal_follows_the_clock_once_a_due_time(self):
        self.make_certificate("renewing", "application/x-pem-file")
        answer = self.call("PATCH", "/certificates/renewing/policy", {"lifetime_actions": [{"trigger": {"days_before_expiry": 60}, "action": {"action_type": "AutoRenew"}}]})
        self.assertEqual(answer.status, 200, answer)
        count = lambda: len(self.call("GET", "/certificates/renewing/versions").json["value"])
        self.site.vy("dev", "clock", "advance", "330d")
        wait_for("a second version", lambda: count() == 2)
        self.assertEqual(self.call("GET", "/certificates/renewing").json["id"], self.call("GET", "/secrets/renewing").json["id"].replace("/secrets/", "/certificates/"))

    def test_vaults_are_refused_honestly(self):
        path = f"{self.site.subscription}/resourceGroups/g/providers/Microsoft.KeyVault/vaults/"
        good = {"location": "local", "properties": {"tenantId": self.site.admin["tenantId"], "sku": {"family": "A", "name": "standard"}, "accessPolicies": []}}
        for name in ("a", "1abc", "has--two", "has_under", "x" * 25):
            with self.subTest(name):
                answer = self.site.arm("PUT", path + name, good, api="2022-07-01")
                self.assertEqual((answer.status, answer.json["error"]["code"]), (400, "VaultNameNotValid"), answer)
        self.site.vy("group", "create", "-n", "g2", "-l", "local")
        taken = self.site.arm("PUT", path.replace("/g/", "/g2/") + "KV-ONE", good, api="2022-07-01")
        self.assertEqual((taken.status, taken.json["error"]["code"]), (409, "VaultAlreadyExists"), taken)
        foreign = dict(good, properties=dict(good["properties"], tenantId="00000000-0000-4000-8000-000000000000"))
        self.assertEqual(self.site.arm("PUT", path + "kv-foreign", foreign, api="2022-07-01").status, 400)


if __name__ == "__main__":
    unittest.main()
