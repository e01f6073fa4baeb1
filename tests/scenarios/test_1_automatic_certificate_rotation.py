"""Document 1, "Enable automatic certificate rotation in a Batch pool", in its order; each step names the sentence it shows."""
import json
import pathlib
import re
import unittest

from vaultyard import BUILD, Site, wait_for

DATA = pathlib.Path(__file__).parent / "data"
STORE = "/var/lib/waagent/Microsoft.Azure.KeyVault"
STATUS = "/var/lib/waagent/Microsoft.Azure.KeyVault.KeyVaultForLinux-1.0.1363.13/status"


class Document1(unittest.TestCase):
    """The steps share one site and run in the order of their numbers."""

    @classmethod
    def setUpClass(cls):
        cls.site = Site(nodes=True).start()
        cls.vy = staticmethod(cls.site.vy)

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def on_node(self, *command, node=0, code=0):
        nodes = self.vy("batch", "node", "list", "--account-name", "doc1", "--pool-id", "test2")
        done = self.site.run([BUILD / "vy", "batch", "node", "exec", "--account-name", "doc1", "--pool-id", "test2", "--node-id", nodes[node]["id"], "--", *command],
                             env=self.site.vy_env(), code=code)
        return done.stdout

    def test_01_create_a_user_assigned_identity(self):
        """"create your user-assigned managed identity in the same tenant ... Be sure to note the Client ID"; it "does not need to be in the same resource group or even in the same subscription"."""
        other = self.vy("account", "subscription", "create", "-n", "identities")
        self.vy("group", "create", "-n", "ACR", "-l", "local", "--subscription", other["id"])
        self.vy("group", "create", "-n", "batch", "-l", "local")
        identity = self.vy("identity", "create", "-g", "ACR", "-n", "testumaforpools", "--subscription", "identities")
        self.assertTrue(identity["id"].startswith(f"/subscriptions/{other['id']}/"))
        self.assertNotEqual(other["id"], self.site.admin["subscriptionId"])
        self.assertRegex(identity["clientId"], r"^[0-9a-f-]{36}$")
        self.assertEqual(identity["tenantId"], self.site.admin["tenantId"])
        type(self).identity = identity

    def test_02_create_your_certificate(self):
        """"be sure to set Lifetime Action Type to automatically renew, and specify the number of days"; "make note of its Secret Identifier"."""
        self.vy("keyvault", "create", "-n", "testkvwestus2s", "-g", "batch", "-l", "local")
        policy = {"issuerParameters": {"name": "Self"}, "x509CertificateProperties": {"subject": "CN=auth.example.com", "validityInMonths": 12},
                  "keyProperties": {"exportable": True, "keyType": "RSA", "keySize": 2048, "reuseKey": False}, "secretProperties": {"contentType": "application/x-pkcs12"},
                  "lifetimeActions": [{"trigger": {"daysBeforeExpiry": 90}, "action": {"actionType": "AutoRenew"}}]}
        path = self.site.base / "policy.json"
        path.write_text(json.dumps(policy))
        self.vy("keyvault", "certificate", "create", "--vault-name", "testkvwestus2s", "-n", "authcertforumatesting", "--policy", f"@{path}")
        certificate = self.vy("keyvault", "certificate", "show", "--vault-name", "testkvwestus2s", "-n", "authcertforumatesting")
        action = certificate["policy"]["lifetimeActions"][0]
        self.assertEqual((action["trigger"]["daysBeforeExpiry"], action["action"]["actionType"]), (90, "AutoRenew"))
        self.assertRegex(certificate["sid"], rf"^https://testkvwestus2s\.vault\.vaultyard\.localhost:{self.site.port}/secrets/authcertforumatesting/[0-9a-f]{{32}}$")
        type(self).sid = certificate["sid"]

    def test_03_add_an_access_policy(self):
        """"assign a Key Vault access policy that allows your user-assigned managed identity to access secrets and certificates"."""
        vault = self.vy("keyvault", "set-policy", "-n", "testkvwestus2s", "--object-id", self.identity["principalId"],
                        "--secret-permissions", "get", "list", "--certificate-permissions", "get", "list")
        granted = [policy for policy in vault["properties"]["accessPolicies"] if policy["objectId"] == self.identity["principalId"]]
        self.assertEqual(sorted(granted[0]["permissions"]["secrets"]), ["get", "list"])

    def test_03b_what_the_portal_does_works_through_its_requests(self):
        """"create-a-user-assigned-managed-identity", "quick-create-portal" and "assign-access-policy-portal": the requests behind those pages."""
        group = f"{self.site.subscription}/resourceGroups/batch/providers"
        made = self.site.arm("PUT", f"{group}/Microsoft.ManagedIdentity/userAssignedIdentities/portal-made", {"location": "local"}, api="2018-11-30")
        self.assertEqual(made.status, 201, made)
        vault = {"location": "local", "properties": {"tenantId": self.site.admin["tenantId"], "sku": {"family": "A", "name": "standard"}, "enableRbacAuthorization": False,
                 "accessPolicies": [{"tenantId": self.site.admin["tenantId"], "objectId": self.site.admin_object_id(), "permissions": {"certificates": ["all"], "secrets": ["get"]}}]}}
        self.assertIn(self.site.arm("PUT", f"{group}/Microsoft.KeyVault/vaults/portal-vault-1", vault, api="2022-07-01").status, (200, 201))
        policy = {"issuer": {"name": "Self"}, "x509_props": {"subject": "CN=portal.example.com", "validity_months": 12}, "key_props": {"kty": "RSA", "key_size": 2048, "exportable": True},
                  "lifetime_actions": [{"trigger": {"days_before_expiry": 60}, "action": {"action_type": "AutoRenew"}}]}
        token = self.site.token(self.site.vault_resource)
        url = self.site.vault_url("portal-vault-1", "/certificates/portal-cert")
        self.assertEqual(self.site.call("POST", f"{url}/create?api-version=7.4", {"policy": policy}, token).status, 202)
        shown = wait_for("the certificate is made", lambda: (lambda a: a.json if a.status == 200 and "sid" in a.json else None)(self.site.call("GET", f"{url}?api-version=7.4", token=token)))
        self.assertEqual(shown["policy"]["lifetime_actions"], policy["lifetime_actions"])
        grant = {"properties": {"accessPolicies": [{"tenantId": self.site.admin["tenantId"], "objectId": made.json["properties"]["principalId"],
                                                    "permissions": {"secrets": ["get", "list"], "certificates": ["get", "list"]}}]}}
        added = self.site.arm("PUT", f"{group}/Microsoft.KeyVault/vaults/portal-vault-1/accessPolicies/add", grant, api="2022-07-01")
        self.assertIn(added.status, (200, 201), added)
        bad = json.loads(json.dumps(grant).replace('"get"', '"gett"'))
        self.assertEqual(self.site.arm("PUT", f"{group}/Microsoft.KeyVault/vaults/portal-vault-1/accessPolicies/add", bad, api="2022-07-01").status, 400)

    def body(self):
        """The document's body, byte for byte but for what its text says to replace."""
        text = (DATA / "1-pool.json").read_text()
        for example, ours in (("https://testkvwestus2s.vault.azure.net/secrets/authcertforumatesting/8f5f3f491afd48cb99286ba2aacd39af", self.sid),
                              ("b9f6dd56-d2d6-4967-99d7-8062d56fd84c", self.identity["clientId"]),
                              ("/subscriptions/042998e4-36dc-4b7d-8ce3-a7a2c4877d33/resourceGroups/ACR/providers/Microsoft.ManagedIdentity/userAssignedIdentities/testumaforpools",
                               self.identity["id"])):
            self.assertIn(example, text)
            text = text.replace(example, ours)
        return text

    def put(self, text, pool="test2", token=None):
        path = f"{self.site.subscription}/resourceGroups/batch/providers/Microsoft.Batch/batchAccounts/doc1/pools/{pool}"
        return self.site.arm("PUT", path, text, api="2021-01-01", token=token, headers={"Content-Type": "application/json"})

    def test_04_bad_input_to_the_pool_is_refused_and_makes_nothing(self):
        self.vy("batch", "account", "create", "-n", "doc1", "-g", "batch", "-l", "local")
        good = self.body()
        cases = (("malformed", good[:-20], 400, ""), ("unknown identity", good.replace("/testumaforpools", "/nobody"), 400, "nobody"),
                 ("misspelt property", good.replace('"vmSize"', '"vmSise"'), 400, "vmSi"), ("unknown size", good.replace("STANDARD_DS2_V2", "STANDARD_NONE"), 400, "STANDARD_NONE"),
                 ("windows", good.replace("batch.node.ubuntu 18.04", "batch.node.windows amd64"), (400, 501), "indows"),
                 ("unknown extension", good.replace("KeyVaultForLinux", "SomethingElse"), (400, 501), "SomethingElse"))
        for name, text, status, word in cases:
            with self.subTest(name):
                answer = self.put(text)
                self.assertIn(answer.status, status if isinstance(status, tuple) else (status,), answer)
                self.assertIn(word, answer.json["error"]["message"])
        self.assertEqual(self.vy("batch", "pool", "list", "--account-name", "doc1"), [])

    def test_05_who_may_not_assign_the_identity_may_not_use_it(self):
        principal = self.site.principal("pool-maker")
        self.vy("role", "assignment", "create", "--assignee", principal["appId"], "--role", "Contributor", "--scope", f"{self.site.subscription}/resourceGroups/batch")
        theirs = self.site.token(client_id=principal["appId"], secret=principal["password"])
        answer = self.put(self.body(), token=theirs)
        self.assertEqual((answer.status, answer.json["error"]["code"]), (403, "LinkedAuthorizationFailed"), answer)
        self.assertEqual(self.vy("batch", "pool", "list", "--account-name", "doc1"), [])
        self.vy("role", "assignment", "create", "--assignee", principal["appId"], "--role", "Managed Identity Operator", "--scope", self.identity["id"])
        empty = self.body().replace('"targetDedicatedNodes": 1', '"targetDedicatedNodes": 0').replace('"name": "test2"', '"name": "theirs"')
        self.assertEqual(self.put(empty, pool="theirs", token=theirs).status, 200)
        self.vy("batch", "pool", "delete", "--account-name", "doc1", "--pool-id", "theirs", "--yes")
        wait_for("it is gone", lambda: self.vy("batch", "pool", "list", "--account-name", "doc1") == [])

    def test_06_create_a_batch_pool(self):
        """"The following example uses the Batch Management REST API to create a pool." """
        answer = self.put(self.body())
        self.assertEqual(answer.status, 200, answer)
        pool = answer.json
        self.assertEqual((pool["name"], pool["type"], pool["identity"]["type"]), ("test2", "Microsoft.Batch/batchAccounts/pools", "UserAssigned"))
        settings = pool["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"]["extensions"][0]["settings"]
        self.assertEqual(settings["secretsManagementSettings"]["pollingIntervalInS"], "300")
        self.assertNotIn("protectedSettings", pool["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"]["extensions"][0])
        wait_for("the node is idle", lambda: [n for n in self.vy("batch", "node", "list", "--account-name", "doc1", "--pool-id", "test2") if n["state"] == "idle"])

    def test_07_validate_the_certificate(self):
        """"log in to the compute node. You should see output similar to the following"."""
        self.assertRegex(self.on_node("hostname").strip(), r"^[0-9a-f]{32}[0-9]{6}$")
        status = json.loads(self.on_node("sh", "-c", f"cd {STATUS} && cat 1.status"))
        self.assertEqual(len(status), 1)
        inner = status[0]["status"]
        self.assertEqual((inner["code"], inner["operation"], inner["status"], status[0]["version"]), (0, "Service start.", "success", "1.0"))
        self.assertRegex(inner["formattedMessage"]["message"], r"^Successfully started Key Vault extension service\. \d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")
        self.assertRegex(status[0]["timestampUTC"], r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")

    def test_08_the_certificate_lies_on_the_node_for_root_alone(self):
        link = f"{STORE}/testkvwestus2s.authcertforumatesting"
        version = self.sid.rsplit("/", 1)[1]
        target = self.on_node("readlink", link).strip()
        self.assertRegex(target, rf"^{re.escape(link)}\.{version}\.\d{{10}}\.\d{{10}}\.PEM$")
        self.assertEqual(self.on_node("stat", "-c", "%a %u", target).strip(), "600 0")
        self.assertEqual(self.on_node("stat", "-c", "%a %u", STORE).strip(), "700 0")
        text = self.on_node("cat", target)
        self.assertLess(text.index("BEGIN CERTIFICATE"), text.index("BEGIN PRIVATE KEY"))
        self.on_node("sh", "-c", f"setpriv --reuid 60001 --regid 60001 --clear-groups cat {link}", code=1)
        self.on_node("sh", "-c", f'test "$(openssl x509 -in {link} -noout -pubkey)" = "$(openssl pkey -in {link} -pubout)"')

    def test_09_the_instance_view_says_so_too(self):
        node = self.vy("batch", "node", "list", "--account-name", "doc1", "--pool-id", "test2")[0]
        account = self.vy("batch", "account", "show", "-n", "doc1", "-g", "batch")
        token = self.site.token(f"https://{self.site.admin['batchDnsSuffix']}")
        url = f"https://{account['accountEndpoint']}/pools/test2/nodes/{node['id']}/extensions/KVExtensions?api-version=2022-10-01.16.0"
        answer = self.site.call("GET", url, token=token)
        self.assertEqual(answer.status, 200, answer)
        self.assertEqual(answer.json["vmExtension"]["type"], "KeyVaultForLinux")
        self.assertEqual(answer.json["instanceView"]["statuses"][0]["code"], "ProvisioningState/succeeded")
        self.assertIsInstance(answer.json["vmExtension"]["settings"], str)

    def test_10_it_will_automatically_be_renewed(self):
        """"You can create a Batch pool with a certificate that will automatically be renewed." """
        link = f"{STORE}/testkvwestus2s.authcertforumatesting"
        before = self.on_node("openssl", "x509", "-in", link, "-noout", "-serial")
        self.vy("dev", "clock", "advance", "300d")
        after = wait_for("the new version is on the node", lambda: (lambda now: now if now != before else None)(self.on_node("openssl", "x509", "-in", link, "-noout", "-serial")))
        versions = self.vy("keyvault", "certificate", "list-versions", "--vault-name", "testkvwestus2s", "-n", "authcertforumatesting")
        self.assertEqual(len(versions), 2)
        self.assertNotEqual(before, after)
        self.on_node("sh", "-c", f'test "$(openssl x509 -in {link} -noout -pubkey)" = "$(openssl pkey -in {link} -pubout)"')
        self.assertEqual(len(self.on_node("sh", "-c", f"ls {STORE}/*.PEM").split()), 2)

    def test_11_the_identity_answers_on_the_node_and_nothing_else(self):
        url = "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01&resource=" + self.site.vault_resource
        reply = json.loads(self.on_node("curl", "-s", "-H", "Metadata: true", url))
        self.assertEqual((reply["client_id"], reply["token_type"]), (self.identity["clientId"], "Bearer"))
        self.assertIsInstance(reply["expires_in"], str)
        self.assertEqual(self.on_node("curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", url), "400")
        refused = json.loads(self.on_node("curl", "-s", "-H", "Metadata: true", url + "&client_id=00000000-0000-4000-8000-000000000000"))
        self.assertEqual(refused, {"error": "invalid_request", "error_description": "Identity not found"})

    def test_12_deleting_the_pool_takes_its_nodes(self):
        self.vy("batch", "pool", "delete", "--account-name", "doc1", "--pool-id", "test2", "--yes")
        wait_for("the pool is gone", lambda: self.vy("batch", "pool", "list", "--account-name", "doc1") == [])
        self.assertEqual([p.name for p in (self.site.dir / "host" / "nodes").iterdir()] if (self.site.dir / "host" / "nodes").exists() else [], [])


if __name__ == "__main__":
    unittest.main()
