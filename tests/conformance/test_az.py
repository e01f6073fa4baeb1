"""The unmodified az (from the Python package index): sign in, groups, vaults, secrets, certificates, identities, Batch accounts, the directory."""
import base64
import hashlib
import json
import subprocess
import unittest

from az import Az as Command
from vaultyard import Site


class Az(unittest.TestCase):
    """The steps share one sign-in and run in the order of their numbers."""

    @classmethod
    def setUpClass(cls):
        cls.site = Site().start()
        cls.az = Command(cls.site)

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def test_01_a_wrong_secret_is_refused_in_the_service_words(self):
        said = self.az("login", "--service-principal", "-u", self.site.admin["clientId"], "-p", "wrong", "--tenant", self.site.admin["tenantId"], code=1)
        self.assertIn("AADSTS7000215", said)

    def test_02_login_and_account(self):
        accounts = self.az.login()
        self.assertEqual([account["id"] for account in accounts], [self.site.admin["subscriptionId"]])
        self.assertEqual(self.az("account", "show")["tenantId"], self.site.admin["tenantId"])

    def test_02b_several_subscriptions(self):
        other = self.site.vy("account", "subscription", "create", "-n", "az-second", "-d", "Az second")
        self.assertEqual({account["id"] for account in self.az("account", "list", "--refresh")}, {self.site.admin["subscriptionId"], other["id"]})
        self.az("account", "set", "--subscription", "Az second")
        self.assertEqual(self.az("account", "show")["id"], other["id"])
        self.az("group", "create", "-n", "azother", "-l", "local")
        self.az("account", "set", "-s", self.site.admin["subscriptionId"])
        self.assertFalse(self.az("group", "exists", "-n", "azother"))
        self.assertTrue(self.az("group", "exists", "-n", "azother", "--subscription", other["id"]))

    def test_03_groups(self):
        self.assertEqual(self.az("group", "create", "-n", "azg", "-l", "West US 2")["location"], "westus2")
        self.assertTrue(self.az("group", "exists", "-n", "azg"))
        self.assertFalse(self.az("group", "exists", "-n", "other"))

    def test_04_a_vault_gives_its_maker_a_policy(self):
        vault = self.az("keyvault", "create", "-n", "az-vault-1", "-g", "azg", "-l", "local", "--enable-rbac-authorization", "false")
        self.assertEqual(vault["properties"]["vaultUri"].rstrip("/"), self.site.vault_url("az-vault-1"))
        self.assertEqual(len(vault["properties"]["accessPolicies"]), 1)
        self.assertEqual([item["name"] for item in self.az("keyvault", "list")], ["az-vault-1"])

    def test_05_secrets(self):
        self.az("keyvault", "secret", "set", "--vault-name", "az-vault-1", "-n", "s1", "--value", "hello")
        self.assertEqual(self.az("keyvault", "secret", "show", "--vault-name", "az-vault-1", "-n", "s1")["value"], "hello")
        self.assertEqual([item["name"] for item in self.az("keyvault", "secret", "list", "--vault-name", "az-vault-1")], ["s1"])
        self.assertIn("SecretNotFound", self.az("keyvault", "secret", "show", "--vault-name", "az-vault-1", "-n", "none", code=3))
        self.assertIn("/deletedsecrets/s1", self.az("keyvault", "secret", "delete", "--vault-name", "az-vault-1", "-n", "s1")["recoveryId"])
        self.assertIn("ObjectIsDeletedButRecoverable", self.az("keyvault", "secret", "set", "--vault-name", "az-vault-1", "-n", "s1", "--value", "again", code=1))

    def test_06_certificates(self):
        policy = self.site.base / "policy.json"
        policy.write_text(json.dumps(self.az("keyvault", "certificate", "get-default-policy")))
        operation = self.az("keyvault", "certificate", "create", "--vault-name", "az-vault-1", "-n", "c1", "-p", f"@{policy}")
        self.assertEqual(operation["status"], "completed")
        shown = self.az("keyvault", "certificate", "show", "--vault-name", "az-vault-1", "-n", "c1")
        self.assertTrue(shown["sid"].startswith(self.site.vault_url("az-vault-1") + "/secrets/c1/"))
        changed = json.loads(policy.read_text())
        changed["lifetimeActions"] = [{"action": {"actionType": "AutoRenew"}, "trigger": {"daysBeforeExpiry": 33}}]
        policy.write_text(json.dumps(changed))
        self.az("keyvault", "certificate", "create", "--vault-name", "az-vault-1", "-n", "c2", "-p", f"@{policy}")
        self.assertEqual(self.az("keyvault", "certificate", "show", "--vault-name", "az-vault-1", "-n", "c2")["policy"]["lifetimeActions"][0]["trigger"]["daysBeforeExpiry"], 33)
        policy.write_text(json.dumps(changed).replace("33", "44"))
        self.az("keyvault", "certificate", "set-attributes", "--vault-name", "az-vault-1", "-n", "c2", "--policy", f"@{policy}")
        self.assertEqual(self.az("keyvault", "certificate", "show", "--vault-name", "az-vault-1", "-n", "c2")["policy"]["lifetimeActions"][0]["trigger"]["daysBeforeExpiry"], 44)
        target = self.site.base / "c1.pem"
        self.az("keyvault", "certificate", "download", "--vault-name", "az-vault-1", "-n", "c1", "-f", str(target))
        self.assertIn("CERTIFICATE", target.read_text())

    def test_06b_keys(self):
        made = self.az("keyvault", "key", "create", "--vault-name", "az-vault-1", "-n", "k1", "--kty", "EC", "--curve", "P-384")
        pem = self.site.base / "key.pem"
        subprocess.run(["openssl", "genrsa", "-out", pem, "2048"], check=True, capture_output=True)
        imported = self.az("keyvault", "key", "import", "--vault-name", "az-vault-1", "-n", "k2", "--pem-file", str(pem), "--ops", "wrapKey", "unwrapKey")
        self.assertEqual((imported["key"]["kty"], sorted(imported["key"]["keyOps"])), ("RSA", ["unwrapKey", "wrapKey"]))
        rotated = self.az("keyvault", "key", "rotate", "--vault-name", "az-vault-1", "-n", "k1")
        self.assertNotEqual(rotated["key"]["kid"], made["key"]["kid"])
        policy = {"lifetimeActions": [{"trigger": {"timeAfterCreate": "P90D"}, "action": {"type": "Rotate"}}], "attributes": {"expiryTime": "P1Y"}}
        self.az("keyvault", "key", "rotation-policy", "update", "--vault-name", "az-vault-1", "-n", "k1", "--value", json.dumps(policy))
        shown = self.az("keyvault", "key", "rotation-policy", "show", "--vault-name", "az-vault-1", "-n", "k1")
        self.assertEqual((shown["expiresIn"], shown["lifetimeActions"][0]["timeAfterCreate"]), ("P1Y", "P90D"))
        secret = self.az("keyvault", "key", "encrypt", "--vault-name", "az-vault-1", "-n", "k2", "--algorithm", "RSA-OAEP-256", "--value", "abc", "--data-type", "plaintext", code=1)
        self.assertIn("Forbidden", secret)                   # its operations do not name encrypt

    def test_06c_what_keys_do(self):
        """Each answer is held against vy's to the same words, where az and vy are asked alike."""
        vault, work = ["--vault-name", "az-vault-1"], self.site.base
        digest = base64.b64encode(hashlib.sha256(b"abc").digest()).decode()
        self.az("keyvault", "key", "create", *vault, "-n", "k3", "--size", "3072")
        sealed = self.az("keyvault", "key", "encrypt", *vault, "-n", "k3", "-a", "RSA-OAEP-256", "--value", "abc", "--data-type", "plaintext")
        for program in (self.az, self.site.vy):
            self.assertEqual(program("keyvault", "key", "decrypt", *vault, "-n", "k3", "-a", "RSA-OAEP-256", "--value", sealed["result"], "--data-type", "plaintext")["result"], "abc")
        own = self.site.vy("keyvault", "key", "encrypt", *vault, "-n", "k3", "-a", "RSA-OAEP-256", "--value", "abc", "--data-type", "plaintext")
        self.assertEqual(sorted(own), sorted(sealed))
        signed, own = (program("keyvault", "key", "sign", *vault, "-n", "k3", "-a", "RS256", "--digest", digest) for program in (self.az, self.site.vy))
        self.assertEqual(own, signed)
        for program in (self.az, self.site.vy):
            checked = program("keyvault", "key", "verify", *vault, "-n", "k3", "-a", "RS256", "--digest", digest, "--signature", signed["signature"])
            self.assertEqual((checked["isValid"], sorted(checked)), (True, ["algorithm", "isValid", "keyId"]))
        for program, name in ((self.az, "az"), (self.site.vy, "vy")):
            program("keyvault", "key", "download", *vault, "-n", "k3", "-f", str(work / f"{name}.pub"))
            program("keyvault", "key", "backup", *vault, "-n", "k3", "-f", str(work / f"{name}.backup"))
        self.assertEqual((work / "az.pub").read_text(), (work / "vy.pub").read_text())
        self.az("keyvault", "key", "delete", *vault, "-n", "k3")
        self.assertEqual([key["name"] for key in self.az("keyvault", "key", "list-deleted", *vault)], ["k3"])
        self.az("keyvault", "key", "purge", *vault, "-n", "k3")
        self.az("keyvault", "key", "restore", *vault, "-f", str(work / "vy.backup"))          # each takes what the other wrote
        self.az("keyvault", "key", "delete", *vault, "-n", "k3")
        self.az("keyvault", "key", "recover", *vault, "-n", "k3")
        self.assertEqual(self.az("keyvault", "key", "get-policy-template"), self.site.vy("keyvault", "key", "get-policy-template"))
        self.az("keyvault", "key", "set-attributes", *vault, "-n", "k3", "--enabled", "false")
        self.assertIn("disabled", self.az("keyvault", "key", "sign", *vault, "-n", "k3", "-a", "RS256", "--digest", digest, code=1))
        policy = work / "release.json"
        policy.write_text('{"version":"1.0.0","anyOf":[{"authority":"https://attest.example/","allOf":[{"claim":"c","equals":"v"}]}]}')
        exportable = self.az("keyvault", "key", "create", *vault, "-n", "k4", "--kty", "EC", "--exportable", "true", "--policy", str(policy))
        self.assertTrue(exportable["attributes"]["exportable"])

    def test_07_identities_and_who_may_read(self):
        identity = self.az("identity", "create", "-g", "azg", "-n", "id1")
        vault = self.az("keyvault", "set-policy", "-n", "az-vault-1", "--object-id", identity["principalId"], "--secret-permissions", "get", "list")
        self.assertEqual(len(vault["properties"]["accessPolicies"]), 2)

    def test_08_batch_accounts(self):
        account = self.az("batch", "account", "create", "-n", "azbatch1", "-g", "azg", "-l", "local")
        self.assertEqual(account["provisioningState"], "Succeeded")
        self.az("batch", "account", "login", "-n", "azbatch1", "-g", "azg")
        self.assertEqual(self.az("batch", "pool", "list"), [])

    def test_08b_an_account_of_user_subscription_mode(self):
        self.az("keyvault", "create", "-n", "az-user-kv", "-g", "azg", "-l", "local", "--enable-rbac-authorization", "false")
        self.assertIn("InvalidKeyVaultReference", self.az("batch", "account", "create", "-n", "azuser1", "-g", "azg", "-l", "local", "--keyvault", "az-user-kv", code=1))
        self.az("keyvault", "set-policy", "-n", "az-user-kv", "--spn", "ddbf3205-c6bd-46ae-8127-60eb93363864", "--secret-permissions", "all")
        account = self.az("batch", "account", "create", "-n", "azuser1", "-g", "azg", "-l", "local", "--keyvault", "az-user-kv")
        self.assertEqual(account["poolAllocationMode"], "UserSubscription")
        self.assertIn("InvalidRestAPIForAccountSetting", self.az("batch", "account", "keys", "list", "-n", "azuser1", "-g", "azg", code=1))
        self.az("batch", "account", "login", "-n", "azuser1", "-g", "azg")
        self.assertEqual(self.az("batch", "pool", "list"), [])
        self.az("keyvault", "delete", "-n", "az-user-kv")

    def test_09_the_directory_and_roles(self):
        principal = self.az("ad", "sp", "create-for-rbac", "--name", "azsp")
        scope = f"{self.site.subscription}/resourceGroups/azg"
        self.az("role", "assignment", "create", "--assignee", principal["appId"], "--role", "Reader", "--scope", scope)
        found = self.az("role", "assignment", "list", "--assignee", principal["appId"], "--scope", scope)
        self.assertEqual([item["roleDefinitionName"] for item in found], ["Reader"])

    def test_10_a_vault_of_roles_is_what_az_makes_by_itself(self):
        vault = self.az("keyvault", "create", "-n", "az-vault-2", "-g", "azg", "-l", "local")
        self.assertTrue(vault["properties"]["enableRbacAuthorization"])
        self.assertIn("ForbiddenByRbac", self.az("keyvault", "secret", "set", "--vault-name", "az-vault-2", "-n", "s2", "--value", "v", code=1))
        self.assertIn("Cannot set policies", self.az("keyvault", "set-policy", "-n", "az-vault-2", "--spn", self.site.admin["clientId"], "--secret-permissions", "get", code=1))
        role = ("--role", "Key Vault Secrets Officer", "--assignee", self.site.admin["clientId"], "--scope", vault["id"])
        self.az("role", "assignment", "create", *role)
        self.az("keyvault", "secret", "set", "--vault-name", "az-vault-2", "-n", "s2", "--value", "by role")
        self.assertEqual(self.az("keyvault", "secret", "show", "--vault-name", "az-vault-2", "-n", "s2")["value"], "by role")
        self.assertIn("keys/create/action", self.az("keyvault", "key", "create", "--vault-name", "az-vault-2", "-n", "k2", code=1))
        self.az("role", "assignment", "create", "--role", "Key Vault Crypto Officer", "--assignee", self.site.admin["clientId"], "--scope", f"{vault['id']}/keys/k2")
        self.az("keyvault", "key", "create", "--vault-name", "az-vault-2", "-n", "k2")
        self.az("role", "assignment", "delete", *role)
        self.assertIn("ForbiddenByRbac", self.az("keyvault", "secret", "show", "--vault-name", "az-vault-2", "-n", "s2", code=1))

    def test_11_network_rules(self):
        vault = ("-n", "az-vault-1", "-g", "azg")
        self.az("keyvault", "network-rule", "add", *vault, "--ip-address", "203.0.113.4", "198.51.100.0/24")
        self.az("keyvault", "update", *vault, "--default-action", "Deny")
        self.assertIn("ForbiddenByFirewall", self.az("keyvault", "secret", "list", "--vault-name", "az-vault-1", code=1))
        self.az("keyvault", "network-rule", "remove", *vault, "--ip-address", "203.0.113.4")
        self.assertEqual([rule["value"] for rule in self.az("keyvault", "network-rule", "list", *vault)["ipRules"]], ["198.51.100.0/24"])
        self.az("keyvault", "network-rule", "add", *vault, "--ip-address", "127.0.0.0/8", "::1")
        self.az("keyvault", "secret", "list", "--vault-name", "az-vault-1")
        self.az("keyvault", "update", *vault, "--public-network-access", "Disabled")
        self.assertIn("ForbiddenByConnection", self.az("keyvault", "secret", "list", "--vault-name", "az-vault-1", code=1))

    def test_12_backup_issuers_contacts_and_recovery(self):
        self.az("keyvault", "create", "-n", "az-vault-3", "-g", "azg", "-l", "local", "--enable-rbac-authorization", "false", "--retention-days", "7")
        vault = ("--vault-name", "az-vault-3")
        saved = self.site.base / "secret.backup"
        self.az("keyvault", "secret", "set", *vault, "-n", "s", "--value", "kept", "--tags", "a=b", "--expires", "2030-01-02T03:04:05Z")
        self.az("keyvault", "secret", "backup", *vault, "-n", "s", "-f", str(saved))
        self.assertIn("Conflict", self.az("keyvault", "secret", "restore", *vault, "-f", str(saved), code=1))
        self.az("keyvault", "secret", "delete", *vault, "-n", "s")
        self.az("keyvault", "secret", "recover", *vault, "-n", "s")
        self.az("keyvault", "secret", "delete", *vault, "-n", "s")
        self.assertEqual([item["name"] for item in self.az("keyvault", "secret", "list-deleted", *vault)], ["s"])
        self.az("keyvault", "secret", "purge", *vault, "-n", "s")
        self.assertEqual(self.az("keyvault", "secret", "restore", *vault, "-f", str(saved))["attributes"]["expires"], "2030-01-02T03:04:05+00:00")
        self.assertFalse(self.az("keyvault", "secret", "set-attributes", *vault, "-n", "s", "--enabled", "false")["attributes"]["enabled"])

        self.az("keyvault", "certificate", "contact", "add", *vault, "--email", "a@example.com", "--name", "A", "--phone", "1")
        self.assertEqual([item["emailAddress"] for item in self.az("keyvault", "certificate", "contact", "list", *vault)["contactList"]], ["a@example.com"])
        self.az("keyvault", "certificate", "contact", "delete", *vault, "--email", "a@example.com")
        self.az("keyvault", "certificate", "issuer", "create", *vault, "--issuer-name", "team", "--provider-name", "VaultyardCA", "--account-id", "CN=Team CA")
        self.assertEqual(self.az("keyvault", "certificate", "issuer", "show", *vault, "--issuer-name", "team")["provider"], "VaultyardCA")
        self.az("keyvault", "certificate", "issuer", "admin", "add", *vault, "--issuer-name", "team", "--email", "b@example.com")
        self.assertEqual(len(self.az("keyvault", "certificate", "issuer", "admin", "list", *vault, "--issuer-name", "team")), 1)
        policy = self.az("keyvault", "certificate", "get-default-policy")
        policy["issuerParameters"]["name"] = "team"
        (self.site.base / "team.json").write_text(json.dumps(policy))
        self.assertEqual(self.az("keyvault", "certificate", "create", *vault, "-n", "c", "-p", f"@{self.site.base / 'team.json'}")["status"], "completed")
        saved = self.site.base / "certificate.backup"
        self.az("keyvault", "certificate", "backup", *vault, "-n", "c", "-f", str(saved))
        self.az("keyvault", "certificate", "delete", *vault, "-n", "c")
        self.az("keyvault", "certificate", "purge", *vault, "-n", "c")
        self.assertEqual(self.az("keyvault", "certificate", "restore", *vault, "-f", str(saved))["policy"]["issuerParameters"]["name"], "team")
        self.assertEqual(len(self.az("keyvault", "certificate", "issuer", "list", *vault)), 1)
        self.az("keyvault", "certificate", "issuer", "delete", *vault, "--issuer-name", "team")

        self.az("keyvault", "delete", "-n", "az-vault-3")
        self.assertIn("az-vault-3", [item["name"] for item in self.az("keyvault", "list-deleted", "--resource-type", "vault")])
        self.assertEqual(self.az("keyvault", "show-deleted", "-n", "az-vault-3")["name"], "az-vault-3")
        self.az("keyvault", "recover", "-n", "az-vault-3")
        self.assertEqual([item["name"] for item in self.az("keyvault", "secret", "list", *vault)], ["s"])
        self.az("keyvault", "delete", "-n", "az-vault-3")
        self.az("keyvault", "purge", "-n", "az-vault-3")
        self.assertNotIn("az-vault-3", [item["name"] for item in self.az("keyvault", "list-deleted", "--resource-type", "vault")])

    def test_90_deleting(self):
        self.az("keyvault", "delete", "-n", "az-vault-1")
        self.az("keyvault", "delete", "-n", "az-vault-2")
        self.assertEqual(self.az("keyvault", "list"), [])
        self.az("group", "delete", "-n", "azg", "--yes")
        self.assertFalse(self.az("group", "exists", "-n", "azg"))


if __name__ == "__main__":
    unittest.main()
