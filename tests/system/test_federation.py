"""Tokens of other issuers sign in: federated credentials of applications and managed identities, a real OIDC issuer, the agent, and az."""
import json
import os
import socket
import subprocess
import time
import unittest
import urllib.parse

from issuer import AUDIENCE, Issuer, Key
from vaultyard import BUILD, Site, claims

SUBJECT = "system:serviceaccount:web:frontend"
POLICY = {"issuerParameters": {"name": "Self"}, "x509CertificateProperties": {"subject": "CN=federated.example", "validityInMonths": 12},
          "keyProperties": {"keyType": "EC", "curve": "P-256", "exportable": True}, "secretProperties": {"contentType": "application/x-pem-file"}}


class Federation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.issuer = Issuer(path="/tenants/one")
        cls.site = Site(serve_args=["--issuer-ca", str(cls.issuer.ca)]).start()
        cls.vy = cls.site.vy
        cls.vy("group", "create", "-n", "g", "-l", "local")
        cls.vy("keyvault", "create", "-n", "kv-federated", "-g", "g", "-l", "local")
        cls.vy("keyvault", "certificate", "create", "--vault-name", "kv-federated", "-n", "web", "--policy", json.dumps(POLICY))
        cls.graph = "https://graph." + cls.site.admin["authorityHost"].split("://login.")[1]
        cls.graph_token = cls.site.token(cls.site.admin.get("graph", cls.graph))

    @classmethod
    def tearDownClass(cls):
        cls.site.close()
        cls.issuer.close()

    def application(self, name, *credentials):
        """An application with service principal and these federated credentials; what sign-ins need of it."""
        made = self.site.principal(name)
        made["path"] = f"{self.graph}/v1.0/applications/" + self.site.call("GET", f"{self.graph}/v1.0/applications(appId='{made['appId']}')", token=self.graph_token).json["id"]
        for number, credential in enumerate(credentials):
            answer = self.add(made, dict({"name": f"{name}-{number}", "issuer": self.issuer.url, "subject": SUBJECT, "audiences": [AUDIENCE]}, **credential))
            self.assertEqual(answer.status, 201, answer)
        return made

    def add(self, made, body):
        return self.site.call("POST", made["path"] + "/federatedIdentityCredentials", body, token=self.graph_token)

    def sign_in(self, client_id, assertion, **more):
        form = dict({"grant_type": "client_credentials", "client_id": client_id, "client_assertion": assertion, "scope": self.site.vault_resource + "/.default",
                     "client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, **more)
        return self.site.call("POST", self.site.login_url(f"/{self.site.admin['tenantId']}/oauth2/v2.0/token"), urllib.parse.urlencode({k: v for k, v in form.items() if v is not None}),
                              headers={"Content-Type": "application/x-www-form-urlencoded"})

    def refused(self, client_id, assertion, number, status=401, **more):
        answer = self.sign_in(client_id, assertion, **more)
        self.assertEqual((answer.status, answer.json["error_codes"]), (status, [number]), answer)
        self.assertTrue(answer.json["error_description"].startswith(f"AADSTS{number}: "))
        return answer.json["error_description"]

    # -- signing in

    def test_a_token_of_the_issuer_signs_in_with_every_algorithm_it_may_use(self):
        made = self.application("robot", {})
        answer = self.sign_in(made["appId"], self.issuer.token(SUBJECT))
        self.assertEqual(answer.status, 200, answer)
        said = claims(answer.json["access_token"])
        self.assertEqual((said["appid"], said["oid"], said["appidacr"]), (made["appId"], made["id"], "2"))
        elliptic = Key(self.issuer.place, "ES256")
        self.issuer.keys.append(elliptic)
        self.assertEqual(self.sign_in(made["appId"], self.issuer.token(SUBJECT, key=elliptic)).status, 200)             # a key that was not known: asked for again
        self.assertEqual(self.sign_in(made["appId"], self.issuer.token(SUBJECT, header={"kid": None})).status, 200)
        self.assertEqual(self.sign_in(made["appId"], self.issuer.token(SUBJECT, audience=["else", AUDIENCE])).status, 200)
        token = self.issuer.token(SUBJECT)
        self.assertEqual({self.sign_in(made["appId"], token).status for _ in range(3)}, {200})                           # as often as wanted, until it ends

    def test_the_issuer_is_asked_once_for_many_sign_ins(self):
        made = self.application("many", {})
        self.assertEqual(self.sign_in(made["appId"], self.issuer.token(SUBJECT)).status, 200)
        before = len(self.issuer.asked)
        for _ in range(5):
            self.assertEqual(self.sign_in(made["appId"], self.issuer.token(SUBJECT)).status, 200)
        self.assertEqual(len(self.issuer.asked), before)

    def test_what_does_not_match_is_refused_and_nobody_is_asked(self):
        made = self.application("strict", {})
        with socket.create_server(("127.0.0.1", 0)) as listening:
            stranger = f"https://127.0.0.1:{listening.getsockname()[1]}"
            self.assertIn(stranger, self.refused(made["appId"], self.issuer.token(SUBJECT, iss=stranger), 700211))
            listening.setblocking(False)
            with self.assertRaises(BlockingIOError):
                listening.accept()                                                                   # no stranger makes the server call anybody
        self.assertIn("'someone-else'", self.refused(made["appId"], self.issuer.token("someone-else"), 700213))
        self.refused(made["appId"], self.issuer.token(SUBJECT.upper()), 700213)                      # letter by letter
        self.refused(made["appId"], self.issuer.token(None), 700213)
        self.refused(made["appId"], self.issuer.token(SUBJECT, audience="api://other"), 700212)
        self.refused(made["appId"], self.issuer.token(SUBJECT, audience=[]), 700212)
        self.refused(made["appId"], self.issuer.token(SUBJECT, iss=self.issuer.url + "/"), 700211)
        other = self.application("without")
        self.assertIn(other["appId"], self.refused(other["appId"], self.issuer.token(SUBJECT), 70025))
        self.refused("00000000-0000-0000-0000-000000000001", self.issuer.token(SUBJECT), 700016, status=400)
        self.refused(None, self.issuer.token(SUBJECT), 900144, status=400)

    def test_a_bad_signature_or_time_is_refused(self):
        made = self.application("signed", {})
        foreign = Key(self.issuer.place, "RS256")
        self.assertIn("not found", self.refused(made["appId"], self.issuer.token(SUBJECT, key=foreign), 50013))
        self.assertIn("does not hold", self.refused(made["appId"], self.issuer.token(SUBJECT, key=foreign, header={"kid": self.issuer.keys[0].kid}), 50013))
        good = self.issuer.token(SUBJECT)
        head, body, signature = good.split(".")
        self.refused(made["appId"], f"{head}.{body}.{signature[:-6]}AAAAAA", 50013)
        now = int(time.time())
        self.refused(made["appId"], self.issuer.token(SUBJECT, exp=now - 400), 700024)
        self.refused(made["appId"], self.issuer.token(SUBJECT, nbf=now + 400), 700024)
        self.refused(made["appId"], self.issuer.token(SUBJECT, exp=None), 50027, status=400)
        for header in ({"alg": "none"}, {"alg": "HS256"}, {"alg": "RS512"}):
            self.refused(made["appId"], self.issuer.token(SUBJECT, header=header), 50027, status=400)

    def test_an_issuer_that_cannot_vouch_is_named(self):
        other = Issuer(path="/other")
        self.addCleanup(other.close)
        made = self.application("unvouched", {"issuer": other.url})
        self.assertRegex(self.refused(made["appId"], other.token(SUBJECT), 50166, status=400), "(?i)certificate")       # --issuer-ca does not know it
        self.assertEqual(other.asked, [])
        for number, (path, answer, says) in enumerate((
                ("/.well-known/openid-configuration", (302, {"Location": f"{self.issuer.url}/elsewhere"}, b""), "redirects are not followed"),
                ("/.well-known/openid-configuration", (200, {}, json.dumps({"issuer": "https://else.example", "jwks_uri": "https://else.example/keys"}).encode()), "that of 'https://else.example'"),
                ("/.well-known/openid-configuration", (200, {}, b"<html>"), "no JSON object"),
                ("/.well-known/openid-configuration", (200, {}, b" " * 300000), "could not be had"),
                ("/keys", (200, {}, b'{"keys":[]}'), "no key for signatures"), ("/keys", (500, {}, b""), "status 500"))):
            place = f"/bad/{number}"
            url = self.issuer.url.replace("/tenants/one", place)
            good = {"/.well-known/openid-configuration": (200, {}, json.dumps({"issuer": url, "jwks_uri": url + "/keys"}).encode()), "/keys": self.issuer.document("/tenants/one/keys")}
            self.issuer.answers.update({place + name: value for name, value in dict(good, **{path: answer}).items()})
            made = self.application(f"bad-{number}", {"issuer": url})
            self.assertIn(says, self.refused(made["appId"], self.issuer.token(SUBJECT, iss=url), 50166, status=400))
            self.issuer.answers[place + path] = good[path]
            self.assertEqual(self.sign_in(made["appId"], self.issuer.token(SUBJECT, iss=url)).status, 200)               # it heals
        self.assertNotIn("/tenants/one/elsewhere", self.issuer.asked)

    def test_unknown_keys_do_not_make_the_server_ask_for_ever(self):
        place = "/flood"
        url = self.issuer.url.replace("/tenants/one", place)
        self.issuer.answers[place + "/.well-known/openid-configuration"] = (200, {}, json.dumps({"issuer": url, "jwks_uri": url + "/keys"}).encode())
        self.issuer.answers[place + "/keys"] = self.issuer.document("/tenants/one/keys")
        made = self.application("flood", {"issuer": url})
        begun = time.monotonic()
        for number in range(20):
            self.refused(made["appId"], self.issuer.token(SUBJECT, iss=url, header={"kid": f"made-up-{number}"}), 50013)
        self.assertLessEqual(self.issuer.asked.count(place + "/keys"), 5 + (time.monotonic() - begun) / 10 + 1)
        self.assertEqual(self.sign_in(made["appId"], self.issuer.token(SUBJECT, iss=url)).status, 200)

    def test_a_credential_that_is_gone_signs_nobody_in(self):
        made = self.application("gone", {})
        self.assertEqual(self.sign_in(made["appId"], self.issuer.token(SUBJECT)).status, 200)
        self.assertEqual(self.site.call("DELETE", made["path"] + "/federatedIdentityCredentials/gone-0", token=self.graph_token).status, 204)
        self.refused(made["appId"], self.issuer.token(SUBJECT), 70025)

    # -- Graph and Resource Manager

    def test_graph_keeps_them(self):
        made = self.application("kept")
        body = {"name": "kube", "issuer": self.issuer.url, "subject": SUBJECT, "audiences": [AUDIENCE], "description": "of the cluster"}
        answer = self.add(made, body)
        self.assertEqual(answer.status, 201, answer)
        self.assertEqual({name: answer.json[name] for name in body}, body)
        at = made["path"] + "/federatedIdentityCredentials"
        for name in (answer.json["id"], "kube", "KUBE"):
            self.assertEqual(self.site.call("GET", f"{at}/{name}", token=self.graph_token).json["id"], answer.json["id"])
        self.assertEqual(self.site.call("PATCH", f"{at}/kube", {"subject": "other", "description": "changed"}, token=self.graph_token).status, 204)
        shown = self.site.call("GET", at, token=self.graph_token).json["value"]
        self.assertEqual([(one["name"], one["subject"], one["issuer"], one["description"]) for one in shown], [("kube", "other", self.issuer.url, "changed")])
        for change, status, field in (({"name": "a"}, 400, "name"), ({"name": "a b c"}, 400, "name"), ({"name": None}, 400, "name"), ({"issuer": "http://plain.example"}, 400, "issuer"),
                                      ({"issuer": "https://"}, 400, "issuer"), ({"issuer": "https://a@b.example"}, 400, "issuer"), ({"subject": ""}, 400, "subject"), ({"subject": "x" * 601}, 400, "subject"),
                                      ({"audiences": []}, 400, "audiences"), ({"audiences": ["a", "b"]}, 400, "audiences"), ({"audiences": "a"}, 400, "audiences"), ({"description": "x" * 601}, 400, "description"),
                                      ({"claimsMatchingExpression": {"value": "claims['sub'] matches 'x*'", "languageVersion": 1}}, 400, "claimsMatchingExpression"),
                                      ({"name": "KUBE", "subject": "third"}, 409, None), ({"name": "kube2", "subject": "other"}, 409, None)):
            answer = self.add(made, {name: value for name, value in dict(body, **dict({"name": "fresh"}, **change)).items() if value is not None})
            self.assertEqual(answer.status, status, (change, answer))
            self.assertEqual(answer.json["error"].get("target"), field, (change, answer))
        self.assertEqual(self.site.call("PATCH", f"{at}/kube", {"name": "renamed"}, token=self.graph_token).status, 400)
        self.assertEqual(len(self.site.call("GET", at, token=self.graph_token).json["value"]), 1)
        for number in range(19):
            self.assertEqual(self.add(made, dict(body, name=f"more-{number}", subject=f"s{number}")).status, 201)
        self.assertIn("which is the limit", self.add(made, dict(body, name="too-many", subject="s")).json["error"]["message"])
        self.assertEqual(self.site.call("DELETE", f"{at}/none", token=self.graph_token).status, 404)
        robot = self.site.principal("nobody-here")
        token = self.site.token(self.site.admin.get("graph", self.graph), robot["appId"], robot["password"])
        self.assertEqual(self.site.call("POST", at, body, token=token).status, 403)                  # or anybody could become this application
        self.assertEqual(self.site.call("DELETE", f"{at}/kube", token=token).status, 403)

    def test_a_managed_identity_is_signed_in_as_too(self):
        path = f"{self.site.subscription}/resourceGroups/g/providers/Microsoft.ManagedIdentity/userAssignedIdentities/workload"
        made = self.site.arm("PUT", path, {"location": "local"}, api="2023-01-31").json["properties"]
        self.refused(made["clientId"], self.issuer.token(SUBJECT), 70025)
        at = path + "/federatedIdentityCredentials"
        body = {"properties": {"issuer": self.issuer.url, "subject": SUBJECT, "audiences": [AUDIENCE]}}
        answer = self.site.arm("PUT", at + "/kube", body, api="2023-01-31")
        self.assertEqual((answer.status, answer.json["properties"], answer.json["id"]), (201, body["properties"], at + "/kube"), answer)
        self.assertEqual(self.site.arm("PUT", at + "/kube", body, api="2023-01-31").status, 200)
        self.assertEqual([one["name"] for one in self.site.arm("GET", at, api="2023-01-31").json["value"]], ["kube"])
        signed = self.sign_in(made["clientId"], self.issuer.token(SUBJECT))
        self.assertEqual(signed.status, 200, signed)
        said = claims(signed.json["access_token"])
        self.assertEqual((said["oid"], said["xms_mirid"].lower()), (made["principalId"], path.lower()))
        self.assertEqual(self.site.arm("PUT", at + "/again", body, api="2023-01-31").status, 409)
        for wrong, field in (({}, "properties"), ({"properties": {"issuer": "x", "subject": "s", "audiences": ["a"]}}, "issuer"), ({"properties": {"issuer": self.issuer.url, "subject": "s"}}, "audiences")):
            answer = self.site.arm("PUT", at + "/wrong", wrong, api="2023-01-31")
            self.assertEqual(answer.status, 400, answer)
            self.assertIn(field, answer.body)
        self.assertEqual(self.site.arm("GET", at + "/none", api="2023-01-31").status, 404)
        self.assertEqual(self.site.arm("DELETE", at + "/none", api="2023-01-31").status, 204)
        self.assertEqual(self.site.arm("DELETE", at + "/kube", api="2023-01-31").status, 200)
        self.refused(made["clientId"], self.issuer.token(SUBJECT), 70025)
        self.site.arm("PUT", at + "/kube", body, api="2023-01-31")
        self.assertEqual(self.site.arm("DELETE", path, api="2023-01-31").status, 200)                # and its credentials with it
        self.refused(made["clientId"], self.issuer.token(SUBJECT), 700016, status=400)

    # -- unmodified clients

    def test_the_agent_keeps_certificates_by_workload_identity(self):
        made = self.application("agent", {})
        self.vy("keyvault", "set-policy", "-n", "kv-federated", "--object-id", made["id"], "--secret-permissions", "get")
        place = self.site.base / "workload"
        place.mkdir()
        (place / "token").write_text(self.issuer.token(SUBJECT))
        (place / "settings.json").write_text(json.dumps({
            "secretsManagementSettings": {"certificateStoreLocation": str(place / "store"), "observedCertificates": [self.site.vault_url("kv-federated", "/secrets/web")]},
            "vaultyard": {"caFile": str(self.site.dir / "ca.pem"), "signIn": {"workloadIdentity": True}}}))
        environment = dict(os.environ, AZURE_FEDERATED_TOKEN_FILE=str(place / "token"), AZURE_CLIENT_ID=made["appId"], AZURE_TENANT_ID=self.site.admin["tenantId"],
                           AZURE_AUTHORITY_HOST=self.site.admin["authorityHost"] + "/")
        command = [str(BUILD / "vaultyard-certs"), "--settings", str(place / "settings.json"), "--status", str(place / "1.status"), "--once"]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue((place / "store" / "kv-federated.web").exists())
        (place / "token").write_text(self.issuer.token("somebody:else"))
        self.assertEqual(subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment).returncode, 1)
        message = json.loads((place / "1.status").read_text())[0]["status"]["formattedMessage"]["message"]
        for part in ("AADSTS700213", "somebody:else", made["appId"], "az ad app federated-credential create"):
            self.assertIn(part, message)
        self.assertTrue((place / "store" / "kv-federated.web").exists())


if __name__ == "__main__":
    unittest.main()
