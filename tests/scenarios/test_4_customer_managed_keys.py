"""Document 4, "Configure customer-managed keys for your Azure Batch account", in its order; each step names the sentence it shows."""
import contextlib
import json
import pathlib
import random
import sqlite3
import subprocess
import unittest

from az import Az
from vaultyard import BUILD, Site, wait_for

CHECK_S = 1                             # --key-check: how soon a lost key is noticed, and one that is back
NODE_UNUSABLE, TASK_ACTIVE = 7, 1        # in the tables batch_node and batch_task
MARK = f"document4-{random.getrandbits(64):016x}"
GUID = r"^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$"

# The document's blocks, as they are. What stands in braces the reader replaces.
NAMES = r"""
resourceGroupName='myResourceGroup'
accountName='mybatchaccount'
"""
CREATE = r"""
az batch account create \
    -n $accountName \
    -g $resourceGroupName \
    --locations regionName='West US 2' \
    --identity 'SystemAssigned'
"""
SHOW = r"""
az batch account show \
    -n $accountName \
    -g $resourceGroupName \
    --query identity
"""
ENABLE = r"""
az batch account set \
    -n $accountName \
    -g $resourceGroupName \
    --encryption_key_source Microsoft.KeyVault \
    --encryption_key_identifier {YourKeyIdentifier} 
"""
NEW_VERSION = r"""
az batch account set \
    -n $accountName \
    -g $resourceGroupName \
    --encryption_key_identifier {YourKeyIdentifierWithNewVersion} 
"""
OTHER_KEY = r"""
az batch account set \
    -n $accountName \
    -g $resourceGroupName \
    --encryption_key_identifier {YourNewKeyIdentifier} 
"""
# The same in the spelling that az has now, for the blocks that its parser does not take.
CREATE_NOW = CREATE.replace("--locations regionName='West US 2'", "--location 'West US 2'").replace("--identity 'SystemAssigned'", "--mi-system-assigned true")


def now(block):
    return block.replace("--encryption_key_", "--encryption-key-")


def with_source(block):
    return block.replace("--encryption-key-identifier", "--encryption-key-source Microsoft.KeyVault --encryption-key-identifier")


def filled(block, key):
    """The block with the key identifier where the document has braces."""
    return block[:block.index("{")] + key + block[block.index("}") + 1:]


class Block:
    """Runs blocks of the document in a shell, where `az` is what `command` says."""

    def __init__(self, command, env):
        self.command, self.env = command, env

    def __call__(self, block, code=0):
        script = f'az() {{ {self.command} "$@"; }}\n{NAMES}{block}'
        done = subprocess.run(["bash", "-c", script], env=self.env, capture_output=True, text=True, timeout=170)
        assert done.returncode == code, f"{script}\nended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        return done.stderr if code else json.loads(done.stdout) if done.stdout.strip() else None


class Document4(unittest.TestCase):
    """The steps share one site and run in the order of their numbers."""

    @classmethod
    def setUpClass(cls):
        cls.site = Site(nodes=True, serve_args=["--key-check", str(CHECK_S)]).start()
        cls.vy = staticmethod(cls.site.vy)
        cls.block = Block(BUILD / "vy", cls.site.vy_env())
        cls.vy("group", "create", "-n", "myResourceGroup", "-l", "West US 2")

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    # -- what the steps look at

    def account(self, query=None):
        return self.vy("batch", "account", "show", "-n", "mybatchaccount", "-g", "myResourceGroup", *(["--query", query] if query else []))

    def access(self):
        return self.account("encryption.keyAccess")

    def wait_access(self, state):
        return wait_for(f"access to the key is {state}", lambda: (lambda access: access if access["state"] == state else None)(self.access()))

    def key(self, name, *more, vault="cmkvault"):
        """A new version of a key as the document asks for it; its identifier."""
        return self.vy("keyvault", "key", "create", "--vault-name", vault, "-n", name, *(more or ("--kty", "RSA", "--size", "2048", "--ops", "wrapKey", "unwrapKey")))["key"]["kid"]

    def refused(self, block, *words):
        """The block is refused with these words, and the account is what it was."""
        before = self.account()
        said = self.block(block, code=1)
        for word in words:
            self.assertIn(word, said)
        after = self.account()
        for account in (before, after):
            account["encryption"].get("keyAccess", {}).pop("lastUnwrapped", None)       # moves by itself
        self.assertEqual(after, before)

    def nodes(self):
        return self.vy("batch", "node", "list", "--account-name", "mybatchaccount", "--pool-id", "p")

    def task(self, task):
        return self.vy("batch", "task", "show", "--account-name", "mybatchaccount", "--job-id", "j", "--task-id", task)

    def processes(self):
        """Shells that run the first task's command line, on this machine and so in its node."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and MARK.encode() in (entry / "cmdline").read_bytes():
                    found.append(entry.name)
        return found

    def arm_path(self, more=""):
        return f"{self.site.subscription}/resourceGroups/myResourceGroup/providers/Microsoft.Batch/batchAccounts/mybatchaccount{more}"

    def data(self, method, path, body=None):
        endpoint = self.account("accountEndpoint")
        return self.site.call(method, f"https://{endpoint}{path}?api-version=2022-10-01.16.0", body, self.site.token(f"https://{self.site.admin['batchDnsSuffix']}"))

    # -- Create a Batch Account with System-assigned Managed Identity

    def test_01_bad_input_to_the_first_block_makes_no_account(self):
        for name, block, code, word in (("identity", CREATE.replace("SystemAssigned", "SystemAsigned"), 2, "SystemAsigned"), ("location", CREATE.replace("West US 2", "West/US"), 1, "ocation"),
                                        ("name", CREATE.replace("$accountName", "My_Account"), 1, "accountName"), ("option", CREATE.replace("--identity", "--idntity"), 2, "--identity"),
                                        ("group", CREATE.replace("$resourceGroupName", "noSuchGroup"), 3, "noSuchGroup")):
            with self.subTest(name):
                self.assertIn(word, self.block(block, code=code))
        self.assertEqual(self.vy("batch", "account", "list"), [])

    def test_02_create_with_a_system_assigned_identity(self):
        """"When you create a new Batch Acount, Specify `SystemAssigned` under the `--identity` parameter." """
        account = self.block(CREATE)
        self.assertEqual((account["name"], account["location"], account["identity"]["type"]), ("mybatchaccount", "westus2", "SystemAssigned"))
        self.assertTrue(account["accountEndpoint"].startswith("mybatchaccount.westus2.batch."))
        self.assertEqual(account["encryption"], {"keySource": "Microsoft.Batch"})            # "By default Azure Batch uses platform-managed keys"

    def test_03_note_down_the_principal_id(self):
        """"you could verify that system-assigned managed identity has been enabled on this account. Please also note down the `PrincipalId`." """
        identity = self.block(SHOW)
        self.assertEqual((identity["type"], identity["tenantId"]), ("SystemAssigned", self.site.admin["tenantId"]))
        self.assertRegex(identity["principalId"], GUID)                                     # "a unique GUID in Identity Principal Id field"
        type(self).principal = identity["principalId"]

    # -- Configure your Azure Key Vault instance

    def test_04_soft_delete_and_purge_protection(self):
        """"please make sure you check two properties: Soft Delete and Purge Protection"."""
        vault = self.vy("keyvault", "create", "-n", "cmkvault", "-g", "myResourceGroup", "-l", "West US 2", "--enable-purge-protection", "true")
        self.assertEqual((vault["properties"]["enableSoftDelete"], vault["properties"]["enablePurgeProtection"]), (True, True))
        path = f"{self.site.subscription}/resourceGroups/myResourceGroup/providers/Microsoft.KeyVault/vaults/cmkvault"
        answer = self.site.arm("PATCH", path, {"properties": {"enablePurgeProtection": False}}, api="2022-07-01")
        self.assertEqual(answer.status, 400, answer)                                        # once on, it cannot be turned off
        self.assertIn("urge", answer.json["error"]["message"])

    def test_05_add_an_access_policy(self):
        """"Under the Key Permissions, select Get, Wrap and Unwrap. In the Select Principal, fill in the `principalId` ... or the name of the batch account." """
        self.vy("keyvault", "set-policy", "-n", "cmkvault", "--object-id", "mybatchacount", "--key-permissions", "get", "wrapKey", "unwrapKey", code=3)       # misspelt
        self.vy("keyvault", "set-policy", "-n", "cmkvault", "--object-id", self.principal, "--key-permissions", "get", "wrap", "unwrap", code=1)
        before = self.vy("keyvault", "show", "-n", "cmkvault")["properties"]["accessPolicies"]
        self.assertEqual([policy for policy in before if policy["objectId"] == self.principal], [])
        for named in (self.principal, "mybatchaccount"):
            vault = self.vy("keyvault", "set-policy", "-n", "cmkvault", "--object-id", named, "--key-permissions", "get", "wrapKey", "unwrapKey")
            granted = [policy for policy in vault["properties"]["accessPolicies"] if policy["objectId"] == self.principal]
            self.assertEqual([sorted(policy["permissions"]["keys"]) for policy in granted], [["get", "unwrapKey", "wrapKey"]])
            self.vy("keyvault", "delete-policy", "-n", "cmkvault", "--object-id", named)

    def test_06_generate_a_key(self):
        """"Select the Key Type to be `RSA` and Key Size to be `2048`"; "copy the Key Identifier"; "under Permitted Operations, Wrap Key and Unwrap Key is checked"."""
        for name, more, word in (("size", ("--kty", "RSA", "--size", "1024"), "1024"), ("type", ("--kty", "RSX"), "RSX"), ("operation", ("--ops", "wrap"), "key_ops"), ("name", (), "k_1")):
            with self.subTest(name):
                done = self.vy("keyvault", "key", "create", "--vault-name", "cmkvault", "-n", "k_1" if name == "name" else "bad", *more, code=1)
                self.assertIn(word, done.stderr)
        self.assertEqual(self.vy("keyvault", "key", "list", "--vault-name", "cmkvault"), [])
        type(self).kid = self.key("batchkey")
        shown = self.vy("keyvault", "key", "show", "--id", self.kid)["key"]
        self.assertEqual((shown["kid"], shown["kty"], shown["keyOps"]), (self.kid, "RSA", ["wrapKey", "unwrapKey"]))
        self.assertRegex(self.kid, rf"^https://cmkvault\.vault\.vaultyard\.localhost:{self.site.port}/keys/batchkey/[0-9a-f]{{32}}$")

    # -- Enable customer-managed keys on Azure Batch Account

    def test_07_refused_without_access(self):
        """"After the Batch account is created with system-assigned managed identity and the access to Key Vault is granted": not before."""
        self.refused(filled(ENABLE, self.kid), "KeyVaultAccessDenied", "get, wrapKey and unwrapKey")
        for missing in ("get", "wrapKey", "unwrapKey"):
            with self.subTest(missing):
                granted = [permission for permission in ("get", "wrapKey", "unwrapKey") if permission != missing]
                self.vy("keyvault", "set-policy", "-n", "cmkvault", "--object-id", self.principal, "--key-permissions", *granted)
                self.refused(filled(ENABLE, self.kid), "KeyVaultAccessDenied", missing)
        self.vy("keyvault", "set-policy", "-n", "cmkvault", "--object-id", "mybatchaccount", "--key-permissions", "get", "wrapKey", "unwrapKey")

    def test_08_refused_with_a_reason(self):
        self.vy("keyvault", "create", "-n", "purgeable", "-g", "myResourceGroup", "-l", "West US 2")
        self.vy("keyvault", "set-policy", "-n", "purgeable", "--object-id", "mybatchaccount", "--key-permissions", "get", "wrapKey", "unwrapKey")
        disabled = self.key("off")
        self.vy("keyvault", "key", "set-attributes", "--id", disabled, "--enabled", "false")
        self.vy("keyvault", "secret", "set", "--vault-name", "cmkvault", "-n", "s", "--value", "x")
        cases = (("not RSA", self.key("curve", "--kty", "EC", "--curve", "P-256"), "RSA"), ("no wrap", self.key("signs", "--ops", "sign", "verify"), "wrapKey"),
                 ("no unwrap", self.key("wraps", "--ops", "wrapKey"), "unwrapKey"), ("disabled", disabled, "enable it"),
                 ("no purge protection", self.key("batchkey", vault="purgeable"), "purge protection"),
                 ("wrong tenant", "https://theirs.vault.azure.net/keys/batchkey/0123456789abcdef0123456789abcdef", "of this tenant"),
                 ("no such key", self.kid.replace("batchkey", "nokey"), "nokey"), ("no such version", self.kid[:-32] + "0" * 32, "not found"),
                 ("no such vault", self.kid.replace("cmkvault", "novault"), "novault"), ("a secret", self.site.vault_url("cmkvault", "/secrets/s"), "another kind of object"),
                 ("no URL", "batchkey", "no key in a vault"), ("a version cut off", self.kid[:-1], "version"))
        for name, identifier, word in cases:
            with self.subTest(name):
                self.refused(filled(ENABLE, identifier), word)
        with self.subTest("a misspelt source"):
            self.refused(filled(ENABLE, self.kid).replace("Microsoft.KeyVault", "Microsoft.Keyvalt"), "Microsoft.Batch or Microsoft.KeyVault")
        with self.subTest("a misspelt property"):
            answer = self.site.arm("PATCH", self.arm_path(), {"properties": {"encryption": {"keySource": "Microsoft.KeyVault", "keyVaultProperties": {"keyIdentifer": self.kid}}}}, api="2023-11-01")
            self.assertEqual(answer.status, 400, answer)
            self.assertIn("keyIdentifer", answer.json["error"]["message"])
        with self.subTest("a source without a key"):
            answer = self.site.arm("PATCH", self.arm_path(), {"properties": {"encryption": {"keySource": "Microsoft.KeyVault"}}}, api="2023-11-01")
            self.assertEqual((answer.status, "keyIdentifier" in answer.json["error"]["message"]), (400, True), answer)
        self.refused(filled(NEW_VERSION, self.kid), "keySource")                            # an identifier alone does not enable
        self.vy("keyvault", "delete", "-n", "purgeable")

    def test_09_enable(self):
        """"update the batch account with the `{Key Identifier}` URL ... Also set encryption_key_source as `Microsoft.KeyVault`"."""
        account = self.block(filled(ENABLE, self.kid))
        self.assertEqual((account["encryption"]["keySource"], account["encryption"]["keyVaultProperties"]["keyIdentifier"]), ("Microsoft.KeyVault", self.kid))
        self.assertEqual(self.access()["state"], "Available")
        body = {"id": "p", "vmSize": "STANDARD_A0", "targetDedicatedNodes": 1, "virtualMachineConfiguration": {
            "imageReference": {"publisher": "canonical", "offer": "ubuntuserver", "sku": "18.04-lts"}, "nodeAgentSKUId": "batch.node.ubuntu 18.04"}}
        path = self.site.base / "pool.json"
        path.write_text(json.dumps(body))
        self.vy("batch", "pool", "create", "--account-name", "mybatchaccount", "--json-file", path)
        wait_for("the node is idle", lambda: [node for node in self.nodes() if node["state"] == "idle"])

    # -- Update the customer-managed key version

    def test_10_update_the_version(self):
        """"When you create a new version of a key, update the Batch account to use the new version." """
        newer = self.key("batchkey")
        self.assertNotEqual(newer, self.kid)
        self.refused(filled(NEW_VERSION, newer[:-32] + "f" * 32), "not found")
        account = self.block(filled(NEW_VERSION, newer))
        self.assertEqual((account["encryption"]["keySource"], account["encryption"]["keyVaultProperties"]["keyIdentifier"]), ("Microsoft.KeyVault", newer))
        self.assertEqual(self.access()["currentKeyIdentifier"], newer)
        self.vy("keyvault", "key", "set-attributes", "--id", self.kid, "--enabled", "false")           # the old version may be taken away
        self.assert_goes_on()
        type(self).kid = newer

    def assert_goes_on(self):
        """The key was tried again after now, the account answers and its node is there."""
        seen = self.access()["lastUnwrapped"]
        wait_for("the key is tried again", lambda: self.access()["lastUnwrapped"] > seen)
        self.assertEqual((self.access()["state"], [pool["id"] for pool in self.vy("batch", "pool", "list", "--account-name", "mybatchaccount")]), ("Available", ["p"]))
        self.assertEqual([node["state"] for node in self.nodes()], ["idle"])

    # -- Use a different key for Azure Batch encryption

    def test_11_use_a_different_key(self):
        """"Enter the URI for the new key." """
        other = self.key("otherkey")
        account = self.block(filled(OTHER_KEY, other))
        self.assertEqual(account["encryption"]["keyVaultProperties"]["keyIdentifier"], other)
        self.vy("keyvault", "key", "delete", "--vault-name", "cmkvault", "-n", "batchkey")            # the old key may be taken away
        self.assert_goes_on()
        type(self).kid = other

    # -- Frequently asked questions

    def test_12_existing_accounts(self):
        """"Are customer-managed keys supported for existing Azure Batch accounts? No. ... only supported for new Azure Batch accounts." """
        self.vy("batch", "account", "create", "-n", "oldaccount", "-g", "myResourceGroup", "-l", "West US 2")
        set_key = ("batch", "account", "set", "-n", "oldaccount", "-g", "myResourceGroup", "--encryption_key_source", "Microsoft.KeyVault", "--encryption_key_identifier", self.kid)
        self.assertIn("created with an identity", self.vy(*set_key, code=1).stderr)
        self.vy("batch", "account", "identity", "assign", "-n", "oldaccount", "-g", "myResourceGroup", "--system-assigned")       # an identity afterwards makes it no new account
        self.vy("keyvault", "set-policy", "-n", "cmkvault", "--object-id", "oldaccount", "--key-permissions", "get", "wrapKey", "unwrapKey")
        self.assertIn("created with an identity", self.vy(*set_key, code=1).stderr)
        self.assertEqual(self.vy("batch", "account", "show", "-n", "oldaccount")["encryption"], {"keySource": "Microsoft.Batch"})
        self.vy("batch", "account", "delete", "-n", "oldaccount", "-g", "myResourceGroup", "--yes")

    def test_13_how_can_i_rotate_my_keys(self):
        """"Customer managed keys are not automatically rotated by Azure Batch. To rotate the customer key, update the Key Identifier that the account is associated with." """
        newer = self.key("otherkey")
        self.assert_goes_on()
        self.assertEqual(self.access()["currentKeyIdentifier"], self.kid)                   # an identifier with a version stays what it is
        versionless = newer[:-33]
        account = self.block(filled(NEW_VERSION, versionless))                                # one without is followed (text of 2023)
        self.assertEqual(account["encryption"]["keyVaultProperties"]["keyIdentifier"], versionless)
        self.assertEqual(self.access()["currentKeyIdentifier"], newer)
        newest = self.key("otherkey")
        wait_for("the newest version is followed", lambda: self.access()["currentKeyIdentifier"] == newest)
        for kid in (self.kid, newer):
            self.vy("keyvault", "key", "set-attributes", "--id", kid, "--enabled", "false")
        self.assert_goes_on()
        type(self).kid = newest

    def test_14_what_is_allowed_after_a_key_was_revoked(self):
        """"What operations are available after a customer-managed key is revoked? The only operation allowed is account deletion"."""
        self.vy("batch", "job", "create", "--account-name", "mybatchaccount", "--id", "j", "--pool-id", "p")
        for task, line in (("long", f"/bin/sh -c 'echo {MARK}; sleep 600 || true'"), ("next", "/bin/sh -c 'true'")):
            self.vy("batch", "task", "create", "--account-name", "mybatchaccount", "--job-id", "j", "--task-id", task, "--command-line", line)
        wait_for("the task runs", lambda: self.task("long")["state"] == "running" and self.processes())
        self.vy("keyvault", "key", "delete", "--vault-name", "cmkvault", "-n", "otherkey")
        access = self.wait_access("Lost")
        self.assertIn("lostAt", access)
        self.assertNotIn("restoredAt", access)
        calls = [self.data("GET", "/pools"), self.data("POST", "/pools", {"id": "q", "vmSize": "STANDARD_A0"}), self.data("DELETE", "/pools/p"), self.data("GET", "/pools/p/nodes"),
                 self.data("GET", "/jobs"), self.site.arm("GET", self.arm_path("/pools"), api="2021-01-01"), self.site.arm("PUT", self.arm_path("/pools/q"), {"properties": {}}, api="2021-01-01"),
                 self.site.arm("POST", self.arm_path("/listKeys"), api="2021-01-01"), self.site.arm("POST", self.arm_path("/regenerateKeys"), {"keyName": "Primary"}, api="2021-01-01"),
                 self.site.arm("PATCH", self.arm_path(), {"tags": {"a": "b"}}, api="2021-01-01"),
                 self.site.arm("PATCH", self.arm_path(), {"properties": {"encryption": {"keySource": "Microsoft.Batch"}}}, api="2021-01-01")]
        for number, answer in enumerate(calls):
            with self.subTest(number):
                self.assertEqual(answer.status, 403, answer)
                self.assertIn("AccountIsDisabled", answer.body)
                self.assertIn("/keys/otherkey", answer.body)
                self.assertIn("Recover or enable the key", answer.body)
        self.assertEqual(self.account("provisioningState"), "Succeeded")                    # it can be read in Resource Manager; deletion is step 19

    def test_15_what_happens_to_my_resources(self):
        """"Any pools that are running ... will continue to run. However, the nodes will transition into an unavailable state"."""
        self.assertEqual(len(list((self.site.dir / "host" / "nodes").iterdir())), 1)       # the machine is there all the while
        wait_for("tasks stop running", lambda: not self.processes())
        wait_for("and are requeued", lambda: self.stored("SELECT state FROM batch_task") == [(TASK_ACTIVE,), (TASK_ACTIVE,)])
        # Everybody is refused, so only the database, where states are in clear, can be asked. Step 16 sees the node come back.
        state = lambda: self.stored("SELECT state, lease_until_ms FROM batch_node")[0]
        wait_for("the node is unusable", lambda: state()[0] == NODE_UNUSABLE)
        lease = state()[1]
        wait_for("its lease goes on", lambda: state()[1] > lease)

    def stored(self, query):
        with contextlib.closing(sqlite3.connect(f"file:{self.site.dir}/store/vaultyard.db?mode=ro", uri=True, timeout=30)) as database:
            return database.execute(query).fetchall()

    def test_16_restore_access(self):
        """"Since purge protection and soft delete are enabled, you could restore the existing keys." """
        self.assertIn("purge protection", self.vy("keyvault", "key", "purge", "--vault-name", "cmkvault", "-n", "otherkey", code=1).stderr)
        self.assertIn("nokey", self.vy("keyvault", "key", "recover", "--vault-name", "cmkvault", "-n", "nokey", code=3).stderr)
        self.vy("keyvault", "key", "recover", "--vault-name", "cmkvault", "-n", "otherkey")
        access = self.wait_access("Available")
        self.assertGreater(access["restoredAt"], access["lostAt"])
        # "Once access is restored, nodes will become available again and tasks will be restarted."
        wait_for("the task runs again", lambda: self.task("long")["state"] == "running" and self.processes())
        self.site.run([BUILD / "vy", "batch", "node", "exec", "--account-name", "mybatchaccount", "--pool-id", "p", "--node-id", self.nodes()[0]["id"], "--", "pkill", "sleep"], env=self.site.vy_env())
        for task in ("long", "next"):
            wait_for("both tasks are completed", lambda: self.task(task)["state"] == "completed")
            self.assertEqual(self.task(task)["executionInfo"]["result"].lower(), "success")
        self.vy("batch", "job", "delete", "--account-name", "mybatchaccount", "--job-id", "j", "--yes")
        wait_for("the node is idle", lambda: [node for node in self.nodes() if node["state"] == "idle"])

    def test_17_the_vault_recovered(self):
        """"Please see Recover an Azure Key Vault." """
        self.vy("keyvault", "delete", "-n", "cmkvault")
        self.wait_access("Lost")
        self.assertEqual([vault["name"] for vault in self.vy("keyvault", "list-deleted") if vault["name"] == "cmkvault"], ["cmkvault"])
        self.assertIn("purge protection", self.vy("keyvault", "purge", "-n", "cmkvault", code=1).stderr)
        self.vy("keyvault", "recover", "-n", "cmkvault")
        self.wait_access("Available")
        wait_for("the node is idle", lambda: [node for node in self.nodes() if node["state"] == "idle"])

    def test_18_can_i_disable_customer_managed_keys(self):
        """"You can set the encryption type of the Batch Account back to "Microsoft managed key" at any time. Following this you are free to delete or change the key." """
        account = self.vy("batch", "account", "set", "-n", "mybatchaccount", "-g", "myResourceGroup", "--encryption_key_source", "Microsoft.Batch")
        self.assertEqual(account["encryption"], {"keySource": "Microsoft.Batch"})
        self.vy("keyvault", "key", "delete", "--vault-name", "cmkvault", "-n", "otherkey")
        self.vy("keyvault", "delete-policy", "-n", "cmkvault", "--object-id", "mybatchaccount")
        self.assertEqual(([node["state"] for node in self.nodes()], [pool["id"] for pool in self.vy("batch", "pool", "list", "--account-name", "mybatchaccount")]), (["idle"], ["p"]))

    def test_19_deleting_needs_no_key(self):
        """"The only operation allowed is account deletion if Batch loses access to the customer-managed key." """
        self.vy("keyvault", "set-policy", "-n", "cmkvault", "--object-id", "mybatchaccount", "--key-permissions", "get", "wrapKey", "unwrapKey")
        last = self.key("lastkey")
        self.block(filled(ENABLE, last))
        self.vy("keyvault", "delete-policy", "-n", "cmkvault", "--object-id", "mybatchaccount")
        self.wait_access("Lost")
        self.vy("batch", "account", "delete", "-n", "mybatchaccount", "-g", "myResourceGroup", "--yes")
        self.assertEqual(self.vy("batch", "account", "list"), [])
        wait_for("its nodes are gone", lambda: not list((self.site.dir / "host" / "nodes").iterdir()))


class Document4WithAz(unittest.TestCase):
    """The blocks again, by the unmodified az: as they are where its parser takes them, else in its spelling of today."""

    @classmethod
    def setUpClass(cls):
        cls.site = Site(serve_args=["--key-check", str(CHECK_S)]).start()
        cls.az = Az(cls.site)
        cls.az.login()
        cls.block = Block("command az", cls.az.env)
        cls.az("group", "create", "-n", "myResourceGroup", "-l", "West US 2")

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def test_01_create_and_show(self):
        self.block(CREATE, code=2)
        account = self.block(CREATE_NOW)
        self.assertEqual((account["location"], account["identity"]["type"]), ("westus2", "SystemAssigned"))
        identity = self.block(SHOW)
        self.assertRegex(identity["principalId"], GUID)
        type(self).principal = identity["principalId"]

    def test_02_vault_policy_and_key(self):
        self.az("keyvault", "create", "-n", "azcmk", "-g", "myResourceGroup", "-l", "West US 2", "--enable-purge-protection", "true", "--enable-rbac-authorization", "false")
        self.az("keyvault", "set-policy", "-n", "azcmk", "--object-id", self.principal, "--key-permissions", "get", "wrapKey", "unwrapKey")
        key = self.az("keyvault", "key", "create", "--vault-name", "azcmk", "-n", "batchkey", "--kty", "RSA", "--size", "2048", "--ops", "wrapKey", "unwrapKey")
        self.assertEqual(sorted(key["key"]["keyOps"]), ["unwrapKey", "wrapKey"])
        type(self).kid = key["key"]["kid"]

    def test_03_enable_update_and_use_another(self):
        self.block(filled(ENABLE, self.kid), code=2)
        account = self.block(filled(now(ENABLE), self.kid))
        self.assertEqual((account["encryption"]["keySource"], account["encryption"]["keyVaultProperties"]["keyIdentifier"]), ("Microsoft.KeyVault", self.kid))
        newer = self.az("keyvault", "key", "create", "--vault-name", "azcmk", "-n", "batchkey", "--ops", "wrapKey", "unwrapKey")["key"]["kid"]
        # Without the source az takes the line and sends no key at all (its update_account), so the source is given as well.
        self.assertEqual(self.block(filled(now(NEW_VERSION), newer))["encryption"]["keyVaultProperties"]["keyIdentifier"], self.kid)
        self.assertEqual(self.block(filled(with_source(now(NEW_VERSION)), newer))["encryption"]["keyVaultProperties"]["keyIdentifier"], newer)
        curve = self.az("keyvault", "key", "create", "--vault-name", "azcmk", "-n", "curve", "--kty", "EC")["key"]["kid"]
        self.assertIn("InvalidEncryptionKey", self.block(filled(with_source(now(OTHER_KEY)), curve), code=1))
        other = self.az("keyvault", "key", "create", "--vault-name", "azcmk", "-n", "otherkey")["key"]["kid"]
        self.assertEqual(self.block(filled(with_source(now(OTHER_KEY)), other))["encryption"]["keyVaultProperties"]["keyIdentifier"], other)

    def test_04_lost_and_recovered(self):
        """az keyvault key delete | recover, and what az says meanwhile."""
        self.az("keyvault", "key", "delete", "--vault-name", "azcmk", "-n", "otherkey")
        access = lambda: self.site.vy("batch", "account", "show", "-n", "mybatchaccount")["encryption"]["keyAccess"]["state"]
        wait_for("the key is lost", lambda: access() == "Lost")
        self.assertIn("AccountIsDisabled", self.az("batch", "account", "keys", "list", "-n", "mybatchaccount", "-g", "myResourceGroup", code=1))
        self.assertEqual(self.block(SHOW)["principalId"], self.principal)
        self.az("keyvault", "key", "recover", "--vault-name", "azcmk", "-n", "otherkey")
        wait_for("the key is back", lambda: access() == "Available")
        self.assertIn("primary", self.az("batch", "account", "keys", "list", "-n", "mybatchaccount", "-g", "myResourceGroup"))

    def test_05_back_to_microsoft_batch_and_deleted(self):
        account = self.az("batch", "account", "set", "-n", "mybatchaccount", "-g", "myResourceGroup", "--encryption-key-source", "Microsoft.Batch")
        self.assertEqual(account["encryption"]["keySource"], "Microsoft.Batch")
        self.az("batch", "account", "delete", "-n", "mybatchaccount", "-g", "myResourceGroup", "--yes")
        self.assertEqual(self.az("batch", "account", "list"), [])


if __name__ == "__main__":
    unittest.main()
