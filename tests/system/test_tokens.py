"""Tokens: who gets one, and what every plane refuses."""
import base64
import json
import unittest
import urllib.parse

from vaultyard import Site, claims


def form(**fields):
    return urllib.parse.urlencode(fields)


FORM = {"Content-Type": "application/x-www-form-urlencoded"}


class Tokens(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site().start()
        cls.admin = cls.site.admin

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def ask(self, path, **fields):
        return self.site.call("POST", self.site.login_url(path), form(**fields), headers=FORM)

    def credentials(self, **more):
        fields = dict(grant_type="client_credentials", client_id=self.admin["clientId"], client_secret=self.admin["clientSecret"],
                      scope=self.admin["resourceManager"] + "/.default")
        fields.update(more)
        return {name: value for name, value in fields.items() if value is not None}

    def test_three_authority_shapes_give_tokens_that_work(self):
        tenant = self.admin["tenantId"]
        for discovery, token in ((f"/{tenant}/v2.0/.well-known/openid-configuration", f"/{tenant}/oauth2/v2.0/token"),
                                 ("/adfs/.well-known/openid-configuration", "/adfs/oauth2/token"),
                                 (f"/adfs/t/{tenant}/.well-known/openid-configuration", f"/adfs/t/{tenant}/oauth2/token")):
            with self.subTest(discovery):
                document = self.site.call("GET", self.site.login_url(discovery)).json
                self.assertEqual(urllib.parse.urlsplit(document["token_endpoint"]).path, token)
                for member in ("token_endpoint", "issuer", "jwks_uri", "authorization_endpoint"):
                    self.assertEqual(urllib.parse.urlsplit(document[member]).port, self.site.port, member)
                self.assertTrue(self.site.call("GET", document["jwks_uri"]).json["keys"])
                answer = self.ask(token, **self.credentials())
                self.assertEqual(answer.status, 200, answer)
                self.assertEqual(answer.json["token_type"], "Bearer")
                self.assertGreater(int(answer.json["expires_in"]), 0)
                self.assertEqual(self.site.arm("GET", "/subscriptions", token=answer.json["access_token"], api="2019-11-01").status, 200)

    def test_claims_are_those_of_real_tokens(self):
        found = claims(self.site.token())
        self.assertEqual(found["tid"], self.admin["tenantId"])
        self.assertEqual(found["appid"], self.admin["clientId"])
        self.assertEqual(found["idtyp"], "app")
        self.assertEqual(found["ver"], "1.0")
        self.assertLessEqual({"aud", "iss", "iat", "nbf", "exp", "oid", "sub", "uti", "idp"}, set(found))

    def test_instance_discovery_supplies_the_port(self):
        answer = self.site.call("GET", self.site.login_url("/common/discovery/instance?api-version=1.1&authorization_endpoint="
                                                           + urllib.parse.quote(f"https://login.vaultyard.localhost/{self.admin['tenantId']}/oauth2/v2.0/authorize")))
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(urllib.parse.urlsplit(answer.json["tenant_discovery_endpoint"]).port, self.site.port)

    def test_refusals_of_the_token_endpoint_have_the_real_codes(self):
        tenant = self.admin["tenantId"]
        cases = (
            (f"/{tenant}/oauth2/v2.0/token", self.credentials(client_secret="wrong"), 401, "invalid_client", "AADSTS7000215"),
            (f"/{tenant}/oauth2/v2.0/token", self.credentials(client_id="00000000-0000-4000-8000-000000000000"), (400, 401), "unauthorized_client", "AADSTS700016"),
            ("/00000000-0000-4000-8000-000000000000/oauth2/v2.0/token", self.credentials(), 400, "invalid_request", "AADSTS90002"),
            (f"/{tenant}/oauth2/v2.0/token", self.credentials(grant_type=None), 400, "invalid_request", "AADSTS900144"),
            (f"/{tenant}/oauth2/v2.0/token", self.credentials(grant_type="password"), 400, "unsupported_grant_type", "AADSTS"),
        )
        for path, fields, status, error, code in cases:
            with self.subTest(code):
                answer = self.ask(path, **fields)
                self.assertIn(answer.status, status if isinstance(status, tuple) else (status,), answer)
                self.assertEqual(answer.json["error"], error, answer)
                self.assertIn(code, answer.json["error_description"])

    def refused_everywhere(self, token):
        """401 on every plane that takes tokens, with its challenge header."""
        for url in (f"{self.site.management}/subscriptions?api-version=2019-11-01", f"{self.admin['graph']}/v1.0/applications"):
            answer = self.site.call("GET", url, token=token)
            self.assertEqual(answer.status, 401, f"{url}: {answer}")
            self.assertIn("Bearer", answer.headers.get("WWW-Authenticate", ""))

    def test_missing_tampered_foreign_and_unsigned_tokens_are_refused(self):
        good = self.site.token()
        header, payload, signature = good.split(".")
        raw = bytearray(base64.urlsafe_b64decode(payload + "=="))
        raw[20] ^= 1
        flipped = base64.urlsafe_b64encode(bytes(raw)).decode().rstrip("=")
        none = base64.urlsafe_b64encode(json.dumps({"alg": "none", "typ": "JWT"}).encode()).decode().rstrip("=")
        last = signature[:-2] + ("AA" if signature[-2:] != "AA" else "BB")
        with Site() as other:
            foreign = other.token(other.admin["resourceManager"])
        for name, token in (("missing", None), ("payload changed", f"{header}.{flipped}.{signature}"), ("signature changed", f"{header}.{payload}.{last}"),
                            ("no signature", f"{none}.{payload}."), ("of another site", foreign), ("no token", "abc"), ("empty", "a.b.c")):
            with self.subTest(name):
                self.refused_everywhere(token)

    def test_a_token_for_another_audience_is_refused(self):
        vault_token = self.site.token(self.site.vault_resource)
        self.refused_everywhere(vault_token)

    def test_a_new_principal_signs_in_and_may_nothing(self):
        principal = self.site.principal("may-nothing")
        token = self.site.token(client_id=principal["appId"], secret=principal["password"])
        self.assertEqual(self.site.arm("GET", "/subscriptions", token=token, api="2019-11-01").json["value"], [])
        answer = self.site.arm("PUT", f"{self.site.subscription}/resourcegroups/x", {"location": "local"}, token=token)
        self.assertEqual((answer.status, answer.json["error"]["code"]), (403, "AuthorizationFailed"))


if __name__ == "__main__":
    unittest.main()
