"""Events of vaults: subscriptions by Resource Manager, CloudEvents at a real HTTPS receiver, retries, kills."""
import pathlib
import tempfile
import threading
import time
import unittest

from vaultyard import Site, wait_for
from webhook import Receiver, make_ca

API = "api-version=7.4"
EVENTS = "/providers/Microsoft.EventGrid/eventSubscriptions"


class Events(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="vaultyard-test-")
        pathlib.Path(cls.folder.name).chmod(0o755)
        ca, chain, key = make_ca(cls.folder.name)
        cls.receiver = Receiver(chain, key)
        cls.site = Site(serve_args=["--webhook-ca", ca]).start()
        cls.site.vy("group", "create", "-n", "g", "-l", "local")
        cls.vaults = 0

    @classmethod
    def tearDownClass(cls):
        cls.site.close()
        cls.receiver.close()
        cls.folder.cleanup()

    def setUp(self):
        """A vault and a path of the receiver for each test."""
        type(self).vaults += 1
        self.name = f"kv-events-{self.vaults}"
        self.id = self.site.vy("keyvault", "create", "-n", self.name, "-g", "g", "-l", "local")["id"]
        self.path = f"/{self.name}"
        self.receiver.origin, self.receiver.answer = "*", lambda path, event: 200

    def body(self, path=None, types=None, schema="CloudEventSchemaV1_0", url=None, **more):
        properties = {"destination": {"endpointType": "WebHook", "properties": {"endpointUrl": url or self.receiver.url + (path or self.path)}}, **more}
        if schema:
            properties["eventDeliverySchema"] = schema
        if types:
            properties["filter"] = dict(properties.get("filter", {}), includedEventTypes=types)
        return {"properties": properties}

    def subscribe(self, name="hook", status=201, token=None, **arguments):
        answer = self.site.arm("PUT", f"{self.id}{EVENTS}/{name}", self.body(**arguments), api="2022-06-15", token=token)
        self.assertEqual(answer.status, status, answer)
        return answer.json

    def vault(self, method, path, body=None, status=200):
        separator = "&" if "?" in path else "?"
        answer = self.site.call(method, self.site.vault_url(self.name, f"{path}{separator}{API}"), body, self.site.token(self.site.vault_resource))
        self.assertEqual(answer.status, status, answer)
        return answer.json if answer.body else None

    def wait(self, kind, subject, path=None, count=1):
        path = path or self.path
        wait_for(f"{count} events {kind} of {subject}", lambda: len([e for e in self.receiver.of(path, subject) if e["type"].endswith("." + kind)]) >= count)
        return [one for one in self.receiver.events if one[0] == path and one[2]["subject"] == subject and one[2]["type"].endswith("." + kind)]

    # -- subscriptions

    def test_an_endpoint_is_asked_for_its_consent_before_anything_is_kept(self):
        for origin in (None, "somebody.example"):
            self.receiver.origin = origin
            refused = self.subscribe(status=400)
            self.assertEqual(refused["error"]["code"], "Url validation")
            self.assertIn("WebHook-Allowed-Origin", refused["error"]["message"])
            self.assertEqual(self.site.arm("GET", f"{self.id}{EVENTS}/hook", api="2022-06-15").status, 404)
        path, headers = self.receiver.asked[-1]
        self.assertEqual((path, headers["WebHook-Request-Origin"]), (self.path, "eventgrid.vaultyard.localhost"))
        for origin in ("eventgrid.vaultyard.localhost", "eventgrid.azure.net", "*"):
            self.receiver.origin = origin
            made = self.subscribe(path=self.path + "?code=secret")
        self.assertEqual(made["properties"]["provisioningState"], "Succeeded")
        self.assertEqual(made["properties"]["destination"]["properties"]["endpointBaseUrl"], self.receiver.url + self.path)
        self.assertNotIn("code=secret", str(made))
        self.assertEqual(made["id"].lower(), f"{self.id}{EVENTS}/hook".lower())
        self.assertEqual([one["name"] for one in self.site.arm("GET", f"{self.id}{EVENTS}", api="2022-06-15").json["value"]], ["hook"])
        whole = self.site.arm("POST", f"{self.id}{EVENTS}/hook/getFullUrl", "", api="2022-06-15")
        self.assertEqual(whole.json, {"endpointUrl": self.receiver.url + self.path + "?code=secret"})

    def test_what_cannot_be_served_is_refused_by_name_and_nothing_is_kept(self):
        token = self.site.principal("events-nobody")
        stranger = self.site.token(client_id=token["appId"], secret=token["password"])
        asked = len(self.receiver.asked)
        cases = ((dict(schema="EventGridSchema"), 501, "CloudEventSchemaV1_0"), (dict(schema=None), 501, "CloudEventSchemaV1_0"),
                 (dict(url="http://127.0.0.1/x"), 400, "https"), (dict(url="https://a b/"), 400, "space"),
                 (dict(types=["Microsoft.Storage.BlobCreated"]), 400, "BlobCreated"), (dict(filter={"advancedFilters": [{"key": "a"}]}), 501, "advancedFilters"),
                 (dict(deadLetterDestination={"endpointType": "StorageBlob"}), 501, "deadLetterDestination"),
                 (dict(retryPolicy={"maxDeliveryAttempts": 31}), 400, "maxDeliveryAttempts"), (dict(retryPolicy={"eventTimeToLiveInMinutes": 0}), 400, "eventTimeToLiveInMinutes"))
        for arguments, status, word in cases:
            with self.subTest(str(arguments)):
                self.assertIn(word, self.subscribe(status=status, **arguments)["error"]["message"])
        queue = {"properties": {"destination": {"endpointType": "StorageQueue", "properties": {}}, "eventDeliverySchema": "CloudEventSchemaV1_0"}}
        self.assertEqual(self.site.arm("PUT", f"{self.id}{EVENTS}/hook", queue, api="2022-06-15").status, 501)
        self.assertEqual(self.site.arm("PUT", f"{self.id}{EVENTS}/h_k", self.body(), api="2022-06-15").status, 400)
        self.assertEqual(self.site.arm("PUT", f"{self.id}-none{EVENTS}/hook", self.body(), api="2022-06-15").status, 404)
        self.assertEqual(self.site.arm("PUT", f"{self.site.subscription}/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/x{EVENTS}/hook", self.body(), api="2022-06-15").status, 501)
        for method, path in (("PUT", f"{EVENTS}/hook"), ("DELETE", f"{EVENTS}/hook"), ("GET", EVENTS), ("POST", f"{EVENTS}/hook/getFullUrl")):
            self.assertEqual(self.site.arm(method, self.id + path, self.body() if method == "PUT" else None, api="2022-06-15", token=stranger).status, 403)
        self.assertEqual(self.site.arm("GET", f"{self.id}{EVENTS}", api="2022-06-15").json["value"], [])
        self.assertEqual(len(self.receiver.asked), asked)

    def test_a_receiver_whose_certificate_is_not_trusted_is_refused(self):
        with Site() as other:
            other.vy("group", "create", "-n", "g", "-l", "local")
            vault = other.vy("keyvault", "create", "-n", "kv-trust", "-g", "g", "-l", "local")["id"]
            answer = other.arm("PUT", f"{vault}{EVENTS}/hook", self.body(), api="2022-06-15")
            self.assertEqual((answer.status, answer.json["error"]["code"]), (400, "Url validation"), answer)
            self.assertIn("not trusted", answer.json["error"]["message"])

    def test_vy_subscribes_in_azs_words(self):
        vy = lambda verb, *more, **how: self.site.vy("eventgrid", "event-subscription", verb, "--source-resource-id", self.id, *more, **how)
        made = vy("create", "-n", "by-vy", "--endpoint", self.receiver.url + self.path + "?code=1", "--included-event-types", "Microsoft.KeyVault.SecretNewVersionCreated",
                  "Microsoft.KeyVault.KeyNewVersionCreated", "--subject-begins-with", "a", "--labels", "one", "two", "--max-delivery-attempts", "5", "--event-ttl", "60")
        self.assertEqual(made["properties"]["retryPolicy"], {"maxDeliveryAttempts": 5, "eventTimeToLiveInMinutes": 60})
        self.assertEqual((made["properties"]["labels"], made["properties"]["filter"]["subjectBeginsWith"]), (["one", "two"], "a"))
        self.assertEqual(vy("show", "-n", "by-vy", "--include-full-endpoint-url")["endpointUrl"], self.receiver.url + self.path + "?code=1")
        self.assertEqual(vy("update", "-n", "by-vy", "--subject-begins-with", "b")["properties"]["filter"]["subjectBeginsWith"], "b")
        self.assertEqual([one["name"] for one in vy("list")], ["by-vy"])
        self.receiver.origin = None
        self.assertIn("Webhook validation handshake failed", vy("create", "-n", "other", "--endpoint", self.receiver.url + "/other", code=1).stderr)
        self.assertIn("resource id", self.site.vy("eventgrid", "event-subscription", "list", "--source-resource-id", "kv", code=2).stderr)
        vy("delete", "-n", "by-vy")
        self.assertEqual(vy("list"), [])

    # -- events

    def test_a_new_version_is_an_event_in_cloudevents_form(self):
        self.subscribe()
        secret = self.vault("PUT", "/secrets/Told", {"value": "v", "attributes": {"nbf": 1800000000, "exp": 1999999999}})
        [(_, headers, event)] = self.wait("SecretNewVersionCreated", "Told")
        self.assertEqual(headers["Content-Type"], "application/cloudevents+json; charset=utf-8")
        self.assertEqual((headers["aeg-event-type"], headers["aeg-subscription-name"], headers["aeg-delivery-count"]), ("Notification", "HOOK", "0"))
        self.assertEqual(headers["Origin"], "eventgrid.vaultyard.localhost")
        self.assertEqual(event["specversion"], "1.0")
        self.assertEqual(event["source"], self.id)
        self.assertRegex(event["id"], r"^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$")
        self.assertRegex(event["time"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{7}Z$")
        self.assertEqual(event["data"], {"Id": secret["id"], "VaultName": self.name, "ObjectType": "Secret", "ObjectName": "Told", "Version": secret["id"].rsplit("/", 1)[1],
                                         "NBF": 1800000000, "EXP": 1999999999})
        self.assertNotIn('"v"', str(event))

    def test_keys_certificates_and_policies_have_events_too(self):
        self.subscribe()
        self.vault("POST", "/keys/k/create", {"kty": "EC"})
        self.site.vy("keyvault", "certificate", "create", "--vault-name", self.name, "-n", "c", "--policy",
                     '{"issuerParameters":{"name":"Self"},"keyProperties":{"keyType":"EC","curve":"P-256"},"x509CertificateProperties":{"subject":"CN=c"}}')
        [(_, _, key)] = self.wait("KeyNewVersionCreated", "k")
        self.assertEqual((key["data"]["ObjectType"], key["data"]["NBF"], key["data"]["EXP"]), ("Key", None, None))
        [(_, _, certificate)] = self.wait("CertificateNewVersionCreated", "c")
        self.assertIn("/certificates/c/", certificate["data"]["Id"])
        self.assertIsInstance(certificate["data"]["EXP"], int)
        policy = {"properties": {"accessPolicies": [{"tenantId": self.site.admin["tenantId"], "objectId": "00000000-0000-0000-0000-000000000001", "permissions": {"secrets": ["get"]}}]}}
        self.assertLess(self.site.arm("PUT", f"{self.id}/accessPolicies/add", policy, api="2022-07-01").status, 300)
        [(_, _, changed)] = self.wait("VaultAccessPolicyChanged", self.name)
        self.assertEqual((changed["data"]["Id"], changed["data"]["ObjectType"], changed["data"]["Version"]), (self.id, "Vault", None))

    def test_filters_choose_by_type_and_subject(self):
        self.subscribe("types", path=self.path + "/types", types=["Microsoft.KeyVault.KeyNewVersionCreated"])
        self.subscribe("begins", path=self.path + "/begins", filter={"subjectBeginsWith": "WEB-"})
        self.subscribe("exact", path=self.path + "/exact", filter={"subjectBeginsWith": "WEB-", "isSubjectCaseSensitive": True})
        self.vault("PUT", "/secrets/web-one", {"value": "v"})
        self.vault("PUT", "/secrets/other", {"value": "v"})
        self.vault("PUT", "/secrets/WEB-two", {"value": "v"})
        self.vault("POST", "/keys/k/create", {"kty": "EC"})
        self.wait("KeyNewVersionCreated", "k", self.path + "/types")
        self.wait("SecretNewVersionCreated", "WEB-two", self.path + "/begins")
        self.wait("SecretNewVersionCreated", "web-one", self.path + "/begins")
        self.wait("SecretNewVersionCreated", "WEB-two", self.path + "/exact")
        self.assertEqual({e["subject"] for e in self.receiver.of(self.path + "/types")}, {"k"})
        self.assertEqual({e["subject"] for e in self.receiver.of(self.path + "/begins")}, {"web-one", "WEB-two"})
        self.assertEqual({e["subject"] for e in self.receiver.of(self.path + "/exact")}, {"WEB-two"})
        patched = self.site.arm("PATCH", f"{self.id}{EVENTS}/types", {"filter": {"includedEventTypes": ["Microsoft.KeyVault.SecretNewVersionCreated"]}}, api="2022-06-15")
        self.assertEqual(patched.status, 201, patched)
        self.vault("PUT", "/secrets/patched", {"value": "v"})
        self.wait("SecretNewVersionCreated", "patched", self.path + "/types")

    def test_the_clock_tells_once_before_and_once_at_the_expiry(self):
        self.subscribe(types=["Microsoft.KeyVault.SecretNearExpiry", "Microsoft.KeyVault.SecretExpired"])
        now = int(time.time())
        self.vault("PUT", "/secrets/near", {"value": "v", "attributes": {"exp": now + 10**9}})
        own = self.vault("PUT", "/secrets/soon", {"value": "v", "attributes": {"exp": now + 40 * 86400}})
        self.site.vy("dev", "clock", "advance", "11d")
        [(_, _, near)] = self.wait("SecretNearExpiry", "soon")
        self.assertEqual((near["data"]["Id"], near["data"]["EXP"]), (own["id"], now + 40 * 86400))
        self.assertEqual(len([e for e in self.receiver.of(self.path, "soon")]), 1)
        self.site.vy("dev", "clock", "advance", "30d")
        self.wait("SecretExpired", "soon")
        self.assertEqual([e["type"] for e in self.receiver.of(self.path)], ["Microsoft.KeyVault.SecretNearExpiry", "Microsoft.KeyVault.SecretExpired"])

    # -- trouble

    def test_a_receiver_in_trouble_gets_the_same_event_again(self):
        answers = iter([503, 500])
        self.receiver.answer = lambda path, event: next(answers, 200) if path == self.path else 200
        self.subscribe()
        self.vault("PUT", "/secrets/again", {"value": "v"})
        tries = self.wait("SecretNewVersionCreated", "again", count=3)                # after 10 s and 30 s more
        self.assertEqual(len({event["id"] for _, _, event in tries}), 1)
        self.assertEqual([headers["aeg-delivery-count"] for _, headers, _ in tries], ["0", "1", "2"])

    def test_a_receiver_that_refuses_for_good_is_not_asked_again_and_others_go_on(self):
        self.receiver.answer = lambda path, event: 400 if event["subject"] == "refused" else 200
        self.subscribe()
        self.vault("PUT", "/secrets/refused", {"value": "v"})
        self.vault("PUT", "/secrets/taken", {"value": "v"})
        self.wait("SecretNewVersionCreated", "taken")
        wait_for("the drop is logged", lambda: b"event.dropped" in (self.site.base / "serve.log").read_bytes())
        self.assertEqual(len(self.receiver.of(self.path, "refused")), 1)

    def test_a_kill_in_the_middle_loses_nothing(self):
        held, release = threading.Event(), threading.Event()

        def hold(path, event):
            if path == self.path and not release.is_set():
                held.set()
                release.wait(60)
            return 200
        self.receiver.answer = hold
        self.subscribe()
        names = [f"killed-{number}" for number in range(30)]
        for name in names:
            self.vault("PUT", f"/secrets/{name}", {"value": "v"})
        self.assertTrue(held.wait(60))
        self.site.kill()
        release.set()
        self.site.tokens.clear()
        self.site.start()
        for name in names:
            self.wait("SecretNewVersionCreated", name)
        by_name = {name: {event["id"] for event in self.receiver.of(self.path, name)} for name in names}
        self.assertTrue(all(len(ids) == 1 for ids in by_name.values()), by_name)      # a repeated one has the same id
        self.assertEqual(len(set().union(*by_name.values())), len(names))

    def test_a_dead_receiver_does_not_hold_up_others(self):
        hold = threading.Event()
        self.addCleanup(hold.set)
        self.receiver.answer = lambda path, event: (hold.wait(60), 200)[1] if path == self.path + "/dead" else 200
        self.subscribe("dead", path=self.path + "/dead")
        self.subscribe("live", path=self.path + "/live")
        for number in range(20):
            self.vault("PUT", f"/secrets/s-{number}", {"value": "v"})
        for number in range(20):
            self.wait("SecretNewVersionCreated", f"s-{number}", self.path + "/live")
        self.assertLessEqual(len(self.receiver.of(self.path + "/dead")), 4)

    def test_subscriptions_end_by_themselves_and_with_their_vault(self):
        self.subscribe("one", path=self.path + "/one")
        self.subscribe("two", path=self.path + "/two")
        self.assertEqual(self.site.arm("DELETE", f"{self.id}{EVENTS}/one", api="2022-06-15").status, 200)
        self.assertEqual(self.site.arm("DELETE", f"{self.id}{EVENTS}/one", api="2022-06-15").status, 204)
        self.vault("PUT", "/secrets/after", {"value": "v"})
        self.wait("SecretNewVersionCreated", "after", self.path + "/two")
        self.assertEqual(self.receiver.of(self.path + "/one"), [])
        self.site.vy("keyvault", "delete", "-n", self.name, "-g", "g")
        self.site.vy("keyvault", "recover", "-n", self.name)
        self.assertEqual(self.site.arm("GET", f"{self.id}{EVENTS}", api="2022-06-15").json["value"], [])


if __name__ == "__main__":
    unittest.main()
