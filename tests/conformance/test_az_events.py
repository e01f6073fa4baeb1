"""The unmodified az: subscriptions to the events of a vault, and its diagnostic settings."""
import pathlib
import tempfile
import unittest

from az import Az
from vaultyard import Site, wait_for
from webhook import Receiver, make_ca

STORE = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/logs/providers/Microsoft.Storage/storageAccounts/auditlogs"


class AzEvents(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="vaultyard-test-")
        cls.base = pathlib.Path(cls.folder.name)
        cls.base.chmod(0o777)
        ca, chain, key = make_ca(cls.base)
        cls.receiver = Receiver(chain, key)
        cls.site = Site(serve_args=["--webhook-ca", ca, "--audit-logs", cls.base]).start()
        cls.az = Az(cls.site)
        cls.az.login()
        cls.az("group", "create", "-n", "azg", "-l", "local")
        cls.vault = cls.az("keyvault", "create", "-n", "az-events", "-g", "azg", "-l", "local", "--enable-rbac-authorization", "false")["id"]

    @classmethod
    def tearDownClass(cls):
        cls.site.close()
        cls.receiver.close()
        cls.folder.cleanup()

    def test_az_subscribes_to_the_events_of_a_vault(self):
        event = lambda verb, *more, **how: self.az("eventgrid", "event-subscription", verb, "--source-resource-id", self.vault, *more, **how)
        made = event("create", "-n", "hook", "--endpoint", self.receiver.url + "/az?code=1", "--event-delivery-schema", "cloudeventschemav1_0",
                     "--included-event-types", "Microsoft.KeyVault.SecretNewVersionCreated", "--subject-begins-with", "az-")
        self.assertEqual((made["provisioningState"], made["destination"]["endpointType"]), ("Succeeded", "WebHook"))
        self.assertEqual(event("show", "-n", "hook")["destination"]["endpointBaseUrl"], self.receiver.url + "/az")
        self.assertEqual(made["retryPolicy"], {"eventTimeToLiveInMinutes": 1440, "maxDeliveryAttempts": 30})
        self.az("keyvault", "secret", "set", "--vault-name", "az-events", "-n", "az-one", "--value", "v")
        self.receiver.wait("the event of az's secret", lambda path, headers, got: path == "/az?code=1" and got["subject"] == "az-one")
        self.assertEqual(event("show", "-n", "hook", "--include-full-endpoint-url", "true")["destination"]["endpointUrl"], self.receiver.url + "/az?code=1")
        self.assertEqual([one["name"] for one in event("list")], ["hook"])
        self.assertEqual(event("update", "-n", "hook", "--subject-begins-with", "other-")["destination"]["endpointType"], "WebHook")
        self.assertEqual(event("show", "-n", "hook")["filter"]["subjectBeginsWith"], "other-")
        event("delete", "-n", "hook")
        self.assertEqual(event("list"), [])
        self.receiver.origin = None
        self.assertIn("handshake failed", event("create", "-n", "refused", "--endpoint", self.receiver.url + "/none", "--event-delivery-schema", "cloudeventschemav1_0", code=1))

    def test_az_sends_the_audit_log_to_files(self):
        made = self.az("monitor", "diagnostic-settings", "create", "-n", "audit", "--resource", self.vault, "--storage-account", STORE, "--logs", '[{"category":"AuditEvent","enabled":true}]')
        self.assertEqual(made["logs"][0]["category"], "AuditEvent")
        self.assertEqual([one["name"] for one in self.az("monitor", "diagnostic-settings", "list", "--resource", self.vault)], ["audit"])
        self.assertEqual([one["name"] for one in self.az("monitor", "diagnostic-settings", "categories", "list", "--resource", self.vault)["value"]], ["AuditEvent"])
        self.az("keyvault", "secret", "set", "--vault-name", "az-events", "-n", "logged", "--value", "v")
        wait_for("the record is in a file", lambda: any("/secrets/logged" in path.read_text() for path in self.base.glob("auditlogs/**/PT1H.json")))
        self.az("monitor", "diagnostic-settings", "delete", "-n", "audit", "--resource", self.vault)
        self.assertEqual(self.az("monitor", "diagnostic-settings", "list", "--resource", self.vault), [])


if __name__ == "__main__":
    unittest.main()
