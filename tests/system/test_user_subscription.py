"""Accounts of pool allocation mode UserSubscription: a vault at creation, tokens only, nodes as everywhere."""
import json
import unittest

from vaultyard import Site

BATCH = "ddbf3205-c6bd-46ae-8127-60eb93363864"


class UserSubscription(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site().start()
        cls.vy = staticmethod(cls.site.vy)
        cls.vy("group", "create", "-n", "g", "-l", "local")
        cls.vault("user-kv", "--enable-rbac-authorization", "false")
        cls.grant("user-kv")

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    @classmethod
    def vault(cls, name, *more):
        return cls.vy("keyvault", "create", "-n", name, "-g", "g", *more, *([] if "-l" in more else ["-l", "local"]))

    @classmethod
    def grant(cls, name, *permissions):
        cls.vy("keyvault", "set-policy", "-n", name, "--spn", BATCH, "--secret-permissions", *(permissions or ("get", "list", "set", "delete", "recover")))

    def account(self, name):
        return f"{self.site.subscription}/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/{name}"

    def put(self, name, **properties):
        return self.site.arm("PUT", self.account(name), {"location": "local", "properties": properties}, api="2023-11-01")

    def reference(self, vault="user-kv"):
        return {"id": f"{self.site.subscription}/resourceGroups/g/providers/Microsoft.KeyVault/vaults/{vault}", "url": self.site.vault_url(vault, "/")}

    def refused(self, answer, status, code, word=""):
        self.assertEqual((answer.status, answer.json["error"]["code"]), (status, code), answer)
        self.assertIn(word, answer.json["error"]["message"])

    def test_the_service_has_its_principal_in_the_tenant(self):
        found = self.vy("ad", "sp", "show", "--id", BATCH)
        self.assertEqual((found["appId"], found["displayName"]), (BATCH, "Microsoft Azure Batch"))

    def test_it_is_made_with_its_vault_and_shows_it(self):
        made = self.vy("batch", "account", "create", "-n", "user1", "-g", "g", "-l", "local", "--keyvault", "user-kv")
        self.assertEqual(made["poolAllocationMode"], "UserSubscription")
        self.assertEqual(made["keyVaultReference"], self.reference())
        self.assertNotIn("dedicatedCoreQuota", made)
        self.assertEqual(made["allowedAuthenticationModes"], ["AAD", "TaskAuthenticationToken"])
        again = self.vy("batch", "account", "create", "-n", "user1", "-g", "g", "-l", "local", "--keyvault", self.reference()["id"])
        self.assertEqual(again["keyVaultReference"], self.reference())
        self.assertEqual(self.vy("batch", "account", "show", "-n", "user1", "-g", "g")["poolAllocationMode"], "UserSubscription")

    def test_it_takes_tokens_and_no_keys(self):
        account = self.vy("batch", "account", "create", "-n", "user2", "-g", "g", "-l", "local", "--keyvault", "user-kv")
        self.refused(self.site.arm("POST", self.account("user2") + "/listKeys", "", api="2023-11-01"), 400, "InvalidRestAPIForAccountSetting")
        self.assertEqual(self.vy("batch", "pool", "list", "--account-name", "user2"), [])
        answer = self.site.call("GET", f"https://{account['accountEndpoint']}/pools?api-version=2022-10-01.16.0", headers={"Authorization": "SharedKey user2:AAAA", "ocp-date": "x"})
        self.assertIn(answer.status, (401, 403))
        changed = self.site.arm("PATCH", self.account("user2"), {"properties": {"allowedAuthenticationModes": ["SharedKey", "AAD"]}}, api="2023-11-01")
        self.refused(changed, 400, "InvalidPropertyValue", "SharedKey")

    def test_without_a_vault_it_is_refused(self):
        self.refused(self.put("none", poolAllocationMode="UserSubscription"), 400, "MissingRequiredProperty", "keyVaultReference")
        self.refused(self.put("none", keyVaultReference=self.reference()), 400, "InvalidPropertyValue")
        self.vy("batch", "account", "create", "-n", "none", "-g", "g", "-l", "local", "--keyvault", "no-such-vault", code=3)
        self.refused(self.put("none", poolAllocationMode="UserSubscription", keyVaultReference=self.reference("no-such-vault")), 400, "InvalidKeyVaultReference", "could not be found")
        wrong = dict(self.reference(), url="https://elsewhere.vault.azure.net/")
        self.refused(self.put("none", poolAllocationMode="UserSubscription", keyVaultReference=wrong), 400, "InvalidKeyVaultReference", "address")
        other = dict(self.reference(), id=self.account("user1"))
        self.refused(self.put("none", poolAllocationMode="UserSubscription", keyVaultReference=other), 400, "InvalidKeyVaultReference", "not the resource id of a key vault")
        self.vy("batch", "account", "show", "-n", "none", "-g", "g", code=3)

    def test_a_vault_elsewhere_or_closed_to_the_service_is_refused(self):
        self.vault("far-kv", "-l", "faraway", "--enable-rbac-authorization", "false")
        self.grant("far-kv")
        self.assertIn("InvalidKeyVaultReference", self.vy("batch", "account", "create", "-n", "none", "-g", "g", "-l", "local", "--keyvault", "far-kv", code=1).stderr)
        self.vault("closed-kv", "--enable-rbac-authorization", "false")
        for permissions, lacks in (((), "list"), (("list",), "get"), (("list", "get"), "set"), (("list", "get", "set"), "delete")):
            if permissions:
                self.grant("closed-kv", *permissions)
            done = self.vy("batch", "account", "create", "-n", "none", "-g", "g", "-l", "local", "--keyvault", "closed-kv", code=1)
            self.assertIn("InvalidKeyVaultReference", done.stderr)
            self.assertIn("does not have the Batch Service in access policies", done.stderr)
            self.assertIn(f"permission {lacks}", done.stderr)
        self.vy("batch", "account", "show", "-n", "none", "-g", "g", code=3)
        self.assertEqual(self.vy("keyvault", "secret", "list", "--vault-name", "closed-kv"), [])

    def test_the_mode_and_the_vault_stay(self):
        self.vy("batch", "account", "create", "-n", "user3", "-g", "g", "-l", "local", "--keyvault", "user-kv")
        self.vy("batch", "account", "create", "-n", "plain", "-g", "g", "-l", "local")
        self.refused(self.put("plain", poolAllocationMode="UserSubscription", keyVaultReference=self.reference()), 400, "InvalidPropertyValue", "cannot be changed")
        self.refused(self.put("user3", poolAllocationMode="BatchService"), 400, "InvalidPropertyValue", "cannot be changed")
        self.vault("second-kv", "--enable-rbac-authorization", "false")
        self.refused(self.put("user3", poolAllocationMode="UserSubscription", keyVaultReference=self.reference("second-kv")), 400, "InvalidPropertyValue", "cannot be changed")
        self.vy("batch", "account", "set", "-n", "user3", "-g", "g", "--tags", "a=b")
        shown = self.vy("batch", "account", "show", "-n", "user3", "-g", "g")
        self.assertEqual((shown["poolAllocationMode"], shown["keyVaultReference"], shown["tags"]), ("UserSubscription", self.reference(), {"a": "b"}))


if __name__ == "__main__":
    unittest.main()
