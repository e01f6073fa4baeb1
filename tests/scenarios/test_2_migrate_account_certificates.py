"""Document 2, "Migrate Batch account certificates to Azure Key Vault", in its order; each step names the sentence it shows."""
import base64
import json
import unittest

from accountcerts import Certificate, DataPlane, pool_body
from vaultyard import BUILD, Site, wait_for

STORE = "/var/lib/waagent/Microsoft.Azure.KeyVault"
BATCH = "ddbf3205-c6bd-46ae-8127-60eb93363864"
NOBODY = ("setpriv", "--reuid", "60001", "--regid", "60001", "--clear-groups")


class Document2(unittest.TestCase):
    """The steps share one site and run in the order of their numbers."""

    @classmethod
    def setUpClass(cls):
        cls.site = Site(nodes=True).start()
        cls.addClassCleanup(cls.site.close)
        cls.vy = staticmethod(cls.site.vy)
        cls.vy("group", "create", "-n", "g", "-l", "local")
        cls.vy("batch", "account", "create", "-n", "doc2", "-g", "g", "-l", "local")
        cls.plane = DataPlane(cls.site, "g", "doc2")
        cls.certificate = Certificate(cls.site.base, "service")
        cls.public = Certificate(cls.site.base, "public")
        cls.account = f"{cls.site.subscription}/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/doc2"

    # -- what the steps look at

    def call(self, method, path, body=None):
        return self.plane.call(method, path, body)

    def refused(self, answer, status, code):
        self.assertEqual((answer.status, answer.json.get("code") or answer.json["error"]["code"]), (status, code), answer)

    def wait_idle(self, pool):
        return wait_for(f"the node of {pool} is idle", lambda: (lambda found: found[0] if found and found[0]["state"] == "idle" else None)(self.call("GET", f"/pools/{pool}/nodes").json["value"]))

    def on_node(self, pool, *command, code=0):
        node = self.call("GET", f"/pools/{pool}/nodes").json["value"][0]["id"]
        return self.site.run([BUILD / "vy", "batch", "node", "exec", "--account-name", "doc2", "--pool-id", pool, "--node-id", node, "--", *command], env=self.site.vy_env(), code=code).stdout

    def migration(self, command, *more, code=0):
        return self.vy("batch", "account", "certificates", command, "-n", "doc2", "-g", "g", "--vault-name", "doc2-vault", *more, code=code)

    def name(self, certificate):
        return f"batch-{certificate.thumbprint}"

    def link(self, certificate):
        return f"{STORE}/doc2-vault.{self.name(certificate)}"

    def feature(self, state):
        self.vy("batch", "certificate", "feature", "set", "--state", state)

    # -- about the feature

    def test_01_two_ways_to_manage_certificates(self):
        """"You can add certificates to a Batch account or you can use the Azure Key Vault VM extension": the first, while it lasts."""
        self.assertEqual(self.call("POST", "/certificates", self.certificate.body()).status, 201)
        self.assertEqual(self.call("POST", "/certificates", self.public.cer_body()).status, 201)
        added = self.call("POST", "/pools", pool_body("work", [self.certificate.reference("starttask", "task"), self.public.reference("task")]))
        self.assertEqual(added.status, 201, added)
        self.assertIn("azure-deprecating", added.headers)
        self.wait_idle("work")
        self.refused(self.call("POST", "/certificates", self.certificate.body(password="wrong", thumbprint=self.public.thumbprint)), 400, "InvalidPropertyValue")

    # -- feature end of support

    def test_02_it_ends(self):
        """"you'll no longer be able to add certificates to a Batch account or link these certificates to Batch pools"."""
        self.feature("retired")
        late = Certificate(self.site.base, "late")
        self.refused(self.call("POST", "/certificates", late.body()), 400, "CertificateRetired")
        self.refused(self.call("POST", "/pools", pool_body("late", [self.certificate.reference("task")], nodes=0)), 400, "CertificateRetired")
        self.assertEqual([p["id"] for p in self.call("GET", "/pools").json["value"]], ["work"])

    def test_03_references_are_not_updated_any_more(self):
        """"the functionality it extends to Batch pools via CertificateReference to Add Pool, Patch Pool, Update Properties": "may not behave as expected such as updating"."""
        self.refused(self.call("PATCH", "/pools/work", {"certificateReferences": []}), 400, "CertificateRetired")
        self.refused(self.call("POST", "/pools/work/updateproperties", {"certificateReferences": [], "applicationPackageReferences": [], "metadata": []}), 400, "CertificateRetired")
        self.assertEqual(self.call("PATCH", "/pools/work", {"metadata": [{"name": "team", "value": "a"}]}).status, 200)

    def test_04_they_are_still_shown(self):
        """"the corresponding references on Get and List Pool APIs": which a migration reads."""
        thumbprints = [self.certificate.thumbprint, self.public.thumbprint]
        self.assertEqual([r["thumbprint"] for r in self.call("GET", "/pools/work").json["certificateReferences"]], thumbprints)
        self.assertEqual([r["thumbprint"] for r in self.call("GET", "/pools").json["value"][0]["certificateReferences"]], thumbprints)
        self.assertEqual(sorted(c["thumbprint"] for c in self.call("GET", "/certificates").json["value"]), sorted(thumbprints))

    # -- the alternative

    def test_05_a_vault_to_move_to(self):
        """"Azure Key Vault is a fully managed Azure service that provides controlled access"; "You also can set Key Vault to autorenew certificates"."""
        self.vy("keyvault", "create", "-n", "doc2-vault", "-g", "g", "-l", "local", "--enable-rbac-authorization", "false")

    def test_06_what_would_be_done(self):
        """"The alternative is to use the Azure Key Vault VM Extension and a user-assigned managed identity on the pool": the plan, which changes nothing."""
        before = (self.call("GET", "/pools").body, self.vy("keyvault", "certificate", "list", "--vault-name", "doc2-vault"), self.vy("identity", "list"))
        steps = self.migration("plan", "--pfx", str(self.certificate.pfx), "--password", "pw")
        self.assertEqual([s["phase"] for s in steps], ["import", "import", "identity", "access", "clone", "clone", "note", "delete"])
        self.assertEqual({s["state"] for s in steps if s["phase"] != "note"}, {"to do"})
        self.assertEqual((self.call("GET", "/pools").body, self.vy("keyvault", "certificate", "list", "--vault-name", "doc2-vault"), self.vy("identity", "list")), before)
        self.assertIn("needs you", [s["state"] for s in self.migration("plan")])                            # the service never gives a private key back
        self.assertIn(self.certificate.thumbprint, self.migration("migrate", "--yes", code=1).stderr)
        self.assertIn("password", self.migration("migrate", "--yes", "--pfx", str(self.certificate.pfx), "--password", "wrong", code=1).stderr)

    def test_07_the_new_pool(self):
        """"to securely access and install certificates on your Batch pools": cloned, and its node has them."""
        self.migration("migrate", "--yes", "--pfx", str(self.certificate.pfx), "--password", "pw", "--keep-pools")
        self.assertEqual(sorted(p["id"] for p in self.call("GET", "/pools").json["value"]), ["work", "work-kv"])
        node = self.wait_idle("work-kv")
        view = self.call("GET", f"/pools/work-kv/nodes/{node['id']}/extensions/KVExtensions").json
        self.assertEqual(view["instanceView"]["statuses"][0]["code"], "ProvisioningState/succeeded")
        self.assertNotIn("certificateReferences", node)
        shown = self.on_node("work-kv", "openssl", "x509", "-in", self.link(self.certificate), "-noout", "-fingerprint", "-sha1")
        self.assertEqual(shown.strip().split("=")[1].replace(":", "").lower(), self.certificate.thumbprint)
        type(self).script = next(s["script"] for s in self.migration("plan") if s["phase"] == "note")

    # -- FAQs

    def test_08_cloud_service_configuration_pools(self):
        """"Do CloudServiceConfiguration pools support Azure Key Vault VM extension and managed identity on pools? No." They are retired as well."""
        self.refused(self.call("POST", "/pools", {"id": "cloud", "vmSize": "small", "targetDedicatedNodes": 0, "cloudServiceConfiguration": {"osFamily": "5"}}), 400, "InvalidPropertyValue")
        body = {"properties": {"vmSize": "small", "deploymentConfiguration": {"cloudServiceConfiguration": {"osFamily": "5"}}, "scaleSettings": {"fixedScale": {"targetDedicatedNodes": 0}}}}
        self.refused(self.site.arm("PUT", f"{self.account}/pools/cloud", body, api="2021-01-01"), 400, "InvalidPropertyValue")
        self.assertEqual(self.call("GET", "/pools/cloud").status, 404)

    def pool_with(self, account, vault, certificate, identity, pool, extension="KeyVaultForLinux", agent="batch.node.ubuntu 18.04", interval="300", nodes=0):
        settings = {"secretsManagementSettings": {"pollingIntervalInS": interval, "certificateStoreLocation": STORE, "requireInitialSync": True,
                                                  "observedCertificates": [f"{self.site.vault_url(vault)}/secrets/{certificate}"]},
                    "authenticationSettings": {"msiEndpoint": "http://169.254.169.254/metadata/identity", "msiClientId": identity["clientId"]}}
        machine = {"imageReference": {"publisher": "canonical", "offer": "ubuntuserver", "sku": "18.04-lts", "version": "latest"}, "nodeAgentSkuId": agent,
                   "extensions": [{"name": "KVExtensions", "publisher": "Microsoft.Azure.KeyVault", "type": extension, "typeHandlerVersion": "3.0", "autoUpgradeMinorVersion": True, "settings": settings}]}
        body = {"properties": {"vmSize": "STANDARD_DS2_V2", "deploymentConfiguration": {"virtualMachineConfiguration": machine}, "scaleSettings": {"fixedScale": {"targetDedicatedNodes": nodes}}},
                "identity": {"type": "UserAssigned", "userAssignedIdentities": {identity["id"]: {}}}}
        return self.site.arm("PUT", f"{account}/pools/{pool}", body, api="2023-11-01")

    def test_09_user_subscription_accounts(self):
        """"You may use the same Key Vault as specified with your Batch account as for use with your pools, but your Key Vault used for certificates ... may be entirely separate." """
        self.vy("keyvault", "create", "-n", "doc2-account", "-g", "g", "-l", "local", "--enable-rbac-authorization", "false")
        self.vy("keyvault", "set-policy", "-n", "doc2-account", "--spn", BATCH, "--secret-permissions", "get", "list", "set", "delete", "recover")
        self.vy("batch", "account", "create", "-n", "doc2user", "-g", "g", "-l", "local", "--keyvault", "doc2-account")
        identity = self.vy("identity", "create", "-n", "doc2-user", "-g", "g")
        policy = self.site.base / "policy.json"
        policy.write_text(json.dumps(self.vy("keyvault", "certificate", "get-default-policy")))
        plane = DataPlane(self.site, "g", "doc2user")
        for vault in ("doc2-account", "doc2-vault"):
            self.vy("keyvault", "set-policy", "-n", vault, "--object-id", identity["principalId"], "--secret-permissions", "get", "list")
            self.vy("keyvault", "certificate", "create", "--vault-name", vault, "-n", "pool-cert", "--policy", f"@{policy}")
            made = self.pool_with(self.account.replace("doc2", "doc2user"), vault, "pool-cert", identity, f"from-{vault}", nodes=1)
            self.assertEqual(made.status, 200, made)
            node = wait_for("its node is idle", lambda: (lambda found: found[0] if found and found[0]["state"] == "idle" else None)(plane.call("GET", f"/pools/from-{vault}/nodes").json["value"]))
            view = plane.call("GET", f"/pools/from-{vault}/nodes/{node['id']}/extensions/KVExtensions").json
            self.assertEqual(view["instanceView"]["statuses"][0]["code"], "ProvisioningState/succeeded")
            self.vy("batch", "pool", "delete", "--account-name", "doc2user", "--pool-id", f"from-{vault}", "--yes")

    def test_10_linux_and_windows_pools(self):
        """"Are both Linux and Windows Batch pools supported with the Key Vault VM extension?" Here Linux alone: Windows is refused and says so (docs/COMPATIBILITY.md)."""
        identity = self.vy("identity", "show", "-n", "doc2-certificates", "-g", "g")
        self.refused(self.pool_with(self.account, "doc2-vault", "x", identity, "windows", agent="batch.node.windows amd64"), 501, "NotImplemented")
        self.refused(self.pool_with(self.account, "doc2-vault", "x", identity, "windows", extension="KeyVaultForWindows"), 501, "NotImplemented")
        self.assertEqual(self.call("GET", "/pools/windows").status, 404)

    def test_11_existing_pools_are_not_updated(self):
        """"Can you update existing pools with a Key Vault VM extension? No, these properties aren't updateable on the pool. You need to recreate pools." """
        identity = self.vy("identity", "show", "-n", "doc2-certificates", "-g", "g")
        self.assertEqual(self.pool_with(self.account, "doc2-vault", "x", identity, "fixed").status, 200)
        self.assertEqual(self.pool_with(self.account, "doc2-vault", "x", identity, "fixed").status, 200)            # the same again is no change
        before = self.site.arm("GET", f"{self.account}/pools/fixed", api="2023-11-01").json
        self.refused(self.pool_with(self.account, "doc2-vault", "x", identity, "fixed", interval="600"), 400, "PropertyCannotBeUpdated")
        self.refused(self.pool_with(self.account, "doc2-vault", "y", identity, "fixed"), 400, "PropertyCannotBeUpdated")
        changed = {"properties": {"deploymentConfiguration": json.loads(json.dumps(before["properties"]["deploymentConfiguration"]).replace('"300"', '"600"'))}}
        self.refused(self.site.arm("PATCH", f"{self.account}/pools/fixed", changed, api="2023-11-01"), 400, "PropertyCannotBeUpdated")
        machine = before["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"]
        self.refused(self.call("PATCH", "/pools/fixed", {"virtualMachineConfiguration": machine}), 400, "InvalidRequestBody")
        self.refused(self.call("POST", "/pools/fixed/updateproperties", {"certificateReferences": [], "applicationPackageReferences": [], "metadata": [], "virtualMachineConfiguration": machine}),
                     400, "InvalidRequestBody")
        self.assertEqual(self.site.arm("GET", f"{self.account}/pools/fixed", api="2023-11-01").json, before)

    def test_12_where_the_certificates_are(self):
        """"specify the certificateStoreLocation, which is an absolute path to where the certificate are stored ... with only superuser (root) privileges"."""
        self.assertEqual(self.on_node("work-kv", "stat", "-c", "%a %u", STORE).strip(), "700 0")
        self.on_node("work-kv", "cat", self.link(self.certificate))
        self.on_node("work-kv", *NOBODY, "cat", self.link(self.certificate), code=1)

    def run_start_script(self):
        self.on_node("work-kv", "env", "AZ_BATCH_NODE_SHARED_DIR=/tmp/shared", "sh", "-c", self.script)

    def test_13_copied_to_where_tasks_may_read(self):
        """"copy the certificates to an accessible directly and/or adjust certificate files with proper file modes. You can run such commands as part of an elevated start task";
        "a custom process that exports the required certificate into a commonly accessible store or ACLs appropriately": the script that the plan has for that."""
        self.run_start_script()
        base = f"/tmp/shared/certs/sha1-{self.certificate.thumbprint.upper()}"
        self.on_node("work-kv", *NOBODY, "openssl", "pkcs12", "-in", f"{base}.pfx", "-passin", f"file:{base}.pfx.pw", "-nodes", "-out", "/dev/null")
        self.on_node("work-kv", *NOBODY, "cat", self.link(self.certificate), code=1)

    def test_14_cer_files(self):
        """"Use Key Vault secrets with appropriate access privileges for the associated User-assigned Managed Identity and fetch the .cer file as part of your start task"."""
        path = f"/tmp/shared/certs/sha1-{self.public.thumbprint.upper()}.cer"
        self.assertEqual(base64.b64decode(self.on_node("work-kv", *NOBODY, "base64", "-w0", path)), self.public.cer.read_bytes())

    def test_15_the_old_pool_goes_and_nothing_is_left_to_do(self):
        """"We recommend that you migrate ... before that date": to the end, and again."""
        self.migration("migrate", "--yes", "--delete-certificates")
        self.assertEqual(sorted(p["id"] for p in self.call("GET", "/pools").json["value"]), ["fixed", "work-kv"])
        self.assertEqual(self.call("GET", "/certificates").json["value"], [])
        self.assertEqual([s for s in self.migration("migrate", "--yes") if s["state"] not in ("done", "note")], [])
        self.wait_idle("work-kv")


if __name__ == "__main__":
    unittest.main()
