"""Vaults that decide by roles, end to end: certificates on a node and an account under a customer's key, with the role, without it, and with it again."""
import unittest

from pools import STORE, PoolMaker, without_initial_sync
from vaultyard import Site, wait_for


class RoleVaults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site(nodes=True, serve_args=["--key-check", "1"]).start()
        cls.addClassCleanup(cls.site.close)
        cls.pools = PoolMaker(cls.site, "kv-policies", "roles", account_options=("--identity", "SystemAssigned"))
        cls.scope = cls.site.vy("keyvault", "create", "-n", "kv-roles", "-g", "g", "-l", "local", "--enable-rbac-authorization", "true", "--enable-purge-protection", "true")["id"]
        cls.pools.vault = "kv-roles"
        for role in ("Key Vault Certificates Officer", "Key Vault Crypto Officer"):
            cls.role("create", role, cls.site.admin["clientId"])

    @classmethod
    def role(cls, verb, role, principal, scope=None):
        return cls.site.vy("role", "assignment", verb, "--role", role, "--assignee", principal, "--scope", scope or cls.scope)

    def access(self):
        return self.site.vy("batch", "account", "show", "-n", "roles", "-g", "g", "--query", "encryption.keyAccess.state")

    def test_an_account_lives_under_a_key_that_a_role_opens(self):
        role = "Key Vault Crypto Service Encryption User"
        account = self.site.vy("batch", "account", "show", "-n", "roles", "-g", "g")["identity"]["principalId"]
        kid = self.site.vy("keyvault", "key", "create", "--vault-name", "kv-roles", "-n", "cmk", "--ops", "wrapKey", "unwrapKey")["key"]["kid"]
        words = ("batch", "account", "set", "-n", "roles", "-g", "g", "--encryption-key-source", "Microsoft.KeyVault", "--encryption-key-identifier", kid)
        self.assertIn("role", self.site.vy(*words, code=1).stderr)
        self.role("create", role, account)
        self.site.vy(*words)
        self.role("delete", role, account)
        wait_for("the key is out of reach", lambda: self.access() == "Lost")
        self.role("create", role, account)
        wait_for("the key is back", lambda: self.access() == "Available")

    def test_a_node_reads_its_certificate_by_a_role_on_that_secret_alone(self):
        sid = self.pools.certificate("web").rsplit("/", 1)[0]
        self.pools.certificate("other")
        self.role("create", "Key Vault Secrets User", self.pools.identity["principalId"], f"{self.scope}/secrets/web")
        self.assertEqual(self.pools.put("p", [sid]).status, 200)
        node = self.pools.wait_state("p", "idle")[0]["id"]
        done = self.pools.run("p", node, "sh", "-c", f"openssl x509 -in {STORE}/kv-roles.web -noout -subject")
        self.assertEqual(done.stdout.strip(), "subject=CN = web.example")

    def test_without_a_role_the_extension_says_which_command_gives_it(self):
        sid = self.pools.certificate("closed").rsplit("/", 1)[0]
        self.assertEqual(self.pools.put("q", [sid], change=without_initial_sync).status, 200)
        node = self.pools.wait_state("q", "idle")[0]["id"]
        status = wait_for("the extension says so", lambda: (lambda s: s if "role assignment create" in s["message"] else None)(self.pools.extension("q", node)))
        self.assertIn(self.pools.identity["clientId"], status["message"])
        self.role("create", "Key Vault Secrets User", self.pools.identity["principalId"], f"{self.scope}/secrets/closed")
        wait_for("the certificate is there", lambda: self.pools.run("q", node, "test", "-L", f"{STORE}/kv-roles.closed").returncode == 0, timeout=90)


if __name__ == "__main__":
    unittest.main()
