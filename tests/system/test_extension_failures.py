"""What a node says when its certificates cannot be brought: a vault that is not there, a permission that is missing, settings that are wrong."""
import json
import unittest

from pools import STORE, PoolMaker, without_initial_sync
from vaultyard import Site, wait_for


def quick(body):
    """25 tries in about a second."""
    settings = body["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"]["extensions"][0]["settings"]
    settings["vaultyard"] = {"initialSyncBackoffMs": 1}


class ExtensionFailures(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site(nodes=True).start()
        cls.pools = PoolMaker(cls.site, "kv-ext", "extfail")
        cls.good = cls.pools.certificate("good")
        cls.absent = cls.good.replace("kv-ext", "kv-absent")

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def test_a_vault_that_does_not_exist_leaves_the_node_up_and_is_said(self):
        self.assertEqual(self.pools.put("p-stays", [self.absent, self.good], change=without_initial_sync).status, 200)
        node = self.pools.wait_state("p-stays", "idle")[0]["id"]
        status = wait_for("the extension says so", lambda: (lambda s: s if "kv-absent" in s["message"] else None)(self.pools.extension("p-stays", node)))
        self.assertEqual((status["code"], status["level"]), ("ProvisioningState/succeeded", "Warning"))
        # Vaults do not wait for each other, so what is said of one may come before the other's certificate.
        wait_for("the good one is there", lambda: self.pools.run("p-stays", node, "test", "-e", f"{STORE}/kv-ext.good").returncode == 0)

    def test_with_require_initial_sync_the_node_becomes_unusable_with_the_reason(self):
        self.assertEqual(self.pools.put("p-needs", [self.absent], change=quick).status, 200)
        node = self.pools.wait_state("p-needs", "unusable", timeout=120)[0]
        self.assertIn("kv-absent", json.dumps(node["errors"]))
        status = self.pools.extension("p-needs", node["id"])
        self.assertEqual((status["code"].split("/")[:2], status["level"]), (["ProvisioningState", "failed"], "Error"))

    def test_a_missing_permission_names_identity_and_cure_and_heals_when_given(self):
        self.site.vy("keyvault", "create", "-n", "kv-closed", "-g", "g", "-l", "local")
        self.site.vy("keyvault", "secret", "set", "--vault-name", "kv-closed", "-n", "plain", "--value", "x")
        closed = self.good.replace("kv-ext", "kv-closed").replace("/good/", "/plain/")
        self.assertEqual(self.pools.put("p-closed", [closed], change=without_initial_sync).status, 200)
        node = self.pools.wait_state("p-closed", "idle")[0]["id"]
        status = wait_for("the extension says so", lambda: (lambda s: s if "may not get" in s["message"] else None)(self.pools.extension("p-closed", node)))
        self.assertIn(self.pools.identity["clientId"], status["message"])
        self.assertIn("set-policy", status["message"])
        self.site.vy("keyvault", "set-policy", "-n", "kv-closed", "--object-id", self.pools.identity["principalId"], "--secret-permissions", "get")
        wait_for("it is a secret, but no certificate", lambda: "no certificate" in self.pools.extension("p-closed", node)["message"], timeout=90)

    def test_an_extension_that_observes_nothing_is_in_sync(self):
        self.assertEqual(self.pools.put("p-nothing", [], change=quick).status, 200)
        node = self.pools.wait_state("p-nothing", "idle")[0]["id"]
        self.assertEqual(self.pools.extension("p-nothing", node)["code"], "ProvisioningState/succeeded")

    def test_settings_that_cannot_be_read_are_said(self):
        def broken(body):
            without_initial_sync(body)
            body["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"]["extensions"][0]["settings"]["secretsManagementSettings"]["pollingIntervalInS"] = "soon"
        answer = self.pools.put("p-broken", [self.good], change=broken)
        self.assertEqual(answer.status, 200, answer)
        node = self.pools.wait_state("p-broken", "idle")[0]["id"]
        status = wait_for("the extension says so", lambda: (lambda s: s if "pollingIntervalInS" in s["message"] else None)(self.pools.extension("p-broken", node)))
        self.assertEqual(status["level"], "Error")

    def test_two_identities_need_a_selector(self):
        second = self.site.vy("identity", "create", "-g", "g", "-n", "second-id")
        def two(body):
            without_initial_sync(body)
            body["identity"]["userAssignedIdentities"][second["id"]] = {}
        self.assertEqual(self.pools.put("p-two", [self.good], change=two).status, 200)
        node = self.pools.wait_state("p-two", "idle")[0]["id"]
        url = f"http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource={self.site.vault_resource}"
        ask = lambda more: json.loads(self.pools.run("p-two", node, "curl", "-s", "-H", "Metadata: true", url + more).stdout)
        self.assertEqual(ask(""), {"error": "invalid_request", "error_description": "Identity not found"})
        for selector in (f"&client_id={second['clientId']}", f"&object_id={second['principalId']}", f"&msi_res_id={second['id']}"):
            with self.subTest(selector):
                self.assertEqual(ask(selector)["client_id"], second["clientId"])


if __name__ == "__main__":
    unittest.main()
