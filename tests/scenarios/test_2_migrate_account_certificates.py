"""Document 2, "Migrate Batch account certificates to Azure Key Vault", in its order; each step names the sentence it shows."""
import base64
import json
import unittest

from accountcerts import Certificate, DataPlane, pool_body
from azurite import Azurite
from tasks import Account, sh
from vaultyard import BUILD, Site, wait_for

STORE = "/var/lib/waagent/Microsoft.Azure.KeyVault"
BATCH = "ddbf3205-c6bd-46ae-8127-60eb93363864"


class Document2(unittest.TestCase):
    """The steps share one site and run in the order of their numbers."""

    @classmethod
    def setUpClass(cls):
        cls.store = Azurite()
        cls.addClassCleanup(cls.store.close)
        cls.site = Site(nodes=True, serve_args=["--node-egress-allow", f"127.0.0.1:{cls.store.port}"]).start()
        cls.addClassCleanup(cls.site.close)
        cls.vy = staticmethod(cls.site.vy)
        cls.work = Account(cls.site, "doc2")
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

    def ran(self, task, line, job="nightly", **more):
        """(exit code, standard output) of a task."""
        self.work.task(job, task, line, **more)
        done = self.work.wait_task(job, task)
        return done["executionInfo"].get("exitCode"), self.work.output(done["nodeInfo"]["poolId"], job, task)

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
        self.work.job("nightly", "work")
        self.assertIn(f"sha1-{self.certificate.thumbprint}.pfx", self.ran("before", sh("ls $AZ_BATCH_CERTIFICATES_DIR"))[1])
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

    def test_04b_the_variable_is_no_longer_defined(self):
        """"for Linux pools, the environment variable $AZ_BATCH_CERTIFICATES_DIR will no longer be defined and populated": on nodes that start after the end."""
        before = self.call("GET", "/pools/work/nodes").json["value"][0]
        self.assertEqual(self.call("POST", f"/pools/work/nodes/{before['id']}/reboot", {}).status, 202)
        wait_for("it started again", lambda: (lambda now: now["state"] == "idle" and now["lastBootTime"] != before["lastBootTime"])(self.call("GET", "/pools/work/nodes").json["value"][0]))
        self.assertEqual(self.ran("after", sh("env | grep CERTIFICATES_DIR")), (1, ""))

    # -- the alternative

    def test_05_a_vault_to_move_to(self):
        """"Azure Key Vault is a fully managed Azure service that provides controlled access"; "You also can set Key Vault to autorenew certificates"."""
        self.vy("keyvault", "create", "-n", "doc2-vault", "-g", "g", "-l", "local", "--enable-rbac-authorization", "false")

    def test_06_what_would_be_done(self):
        """"The alternative is to use the Azure Key Vault VM Extension and a user-assigned managed identity on the pool": the plan, which changes nothing."""
        before = (self.call("GET", "/pools").body, self.vy("keyvault", "certificate", "list", "--vault-name", "doc2-vault"), self.vy("identity", "list"))
        steps = self.migration("plan", "--pfx", str(self.certificate.pfx), "--password", "pw")
        self.assertEqual([s["phase"] for s in steps], ["import", "import", "identity", "access", "clone", "clone", "note"] + ["drain"] * 3 + ["switch"] * 3 + ["delete"])
        self.assertEqual({s["state"] for s in steps if s["phase"] != "note"}, {"to do"})
        self.assertEqual((self.call("GET", "/pools").body, self.vy("keyvault", "certificate", "list", "--vault-name", "doc2-vault"), self.vy("identity", "list")), before)
        self.assertIn("needs you", [s["state"] for s in self.migration("plan")])                            # the service never gives a private key back
        self.assertIn(self.certificate.thumbprint, self.migration("migrate", "--yes", code=1).stderr)
        self.assertIn("password", self.migration("migrate", "--yes", "--pfx", str(self.certificate.pfx), "--password", "wrong", code=1).stderr)

    def test_07_the_new_pool(self):
        """"to securely access and install certificates on your Batch pools": cloned, and its node has them."""
        self.work.task("nightly", "runs", sh("sleep 3; echo $AZ_BATCH_POOL_ID"))
        self.work.wait_task("nightly", "runs", "running")
        self.work.task("nightly", "queued", sh("echo $AZ_BATCH_POOL_ID"))
        self.migration("migrate", "--yes", "--pfx", str(self.certificate.pfx), "--password", "pw", "--keep-pools")
        for task, pool in (("runs", "work"), ("queued", "work-kv")):                                        # what ran ended where it was; what waited runs on the new pool
            done = self.work.wait_task("nightly", task)
            self.assertEqual((done["executionInfo"]["exitCode"], done["executionInfo"]["requeueCount"]), (0, 0))
            self.assertEqual(self.work.output(pool, "nightly", task), f"{pool}\n")
        self.assertEqual(sorted(p["id"] for p in self.call("GET", "/pools").json["value"]), ["work", "work-kv"])
        node = self.wait_idle("work-kv")
        view = self.call("GET", f"/pools/work-kv/nodes/{node['id']}/extensions/KVExtensions").json
        self.assertEqual(view["instanceView"]["statuses"][0]["code"], "ProvisioningState/succeeded")
        self.assertNotIn("certificateReferences", node)
        shown = self.on_node("work-kv", "openssl", "x509", "-in", self.link(self.certificate), "-noout", "-fingerprint", "-sha1")
        self.assertEqual(shown.strip().split("=")[1].replace(":", "").lower(), self.certificate.thumbprint)
        job = self.work.get("nightly")
        self.assertEqual((job["state"], job["poolInfo"]["poolId"]), ("active", "work-kv"))                   # drained and moved, with its pool still there
        type(self).script = next(s["script"] for s in self.migration("plan") if s["phase"] == "note")

    # -- FAQs

    def test_08_cloud_service_configuration_pools(self):
        """"Do CloudServiceConfiguration pools support Azure Key Vault VM extension and managed identity on pools? No." They are retired as well."""
        self.refused(self.call("POST", "/pools", {"id": "cloud", "vmSize": "small", "targetDedicatedNodes": 0, "cloudServiceConfiguration": {"osFamily": "5"}}), 400, "InvalidPropertyValue")
        body = {"properties": {"vmSize": "small", "deploymentConfiguration": {"cloudServiceConfiguration": {"osFamily": "5"}}, "scaleSettings": {"fixedScale": {"targetDedicatedNodes": 0}}}}
        self.refused(self.site.arm("PUT", f"{self.account}/pools/cloud", body, api="2021-01-01"), 400, "InvalidPropertyValue")
        self.assertEqual(self.call("GET", "/pools/cloud").status, 404)

    def pool_with(self, account, vault, certificate, identity, pool, extension="KeyVaultForLinux", agent="batch.node.ubuntu 18.04", interval="300", nodes=0, **more):
        settings = {"secretsManagementSettings": {"pollingIntervalInS": interval, "certificateStoreLocation": STORE, "requireInitialSync": True,
                                                  "observedCertificates": [f"{self.site.vault_url(vault)}/secrets/{certificate}"]},
                    "authenticationSettings": {"msiEndpoint": "http://169.254.169.254/metadata/identity", "msiClientId": identity["clientId"]}}
        machine = {"imageReference": {"publisher": "canonical", "offer": "ubuntuserver", "sku": "18.04-lts", "version": "latest"}, "nodeAgentSkuId": agent,
                   "extensions": [{"name": "KVExtensions", "publisher": "Microsoft.Azure.KeyVault", "type": extension, "typeHandlerVersion": "3.0", "autoUpgradeMinorVersion": True, "settings": settings}]}
        body = {"properties": {"vmSize": "STANDARD_DS2_V2", "deploymentConfiguration": {"virtualMachineConfiguration": machine}, "scaleSettings": {"fixedScale": {"targetDedicatedNodes": nodes}}, **more},
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
        """"specify the certificateStoreLocation, which is an absolute path to where the certificate are stored ... with only superuser (root) privileges. You need to make sure that
        your tasks run elevated to access these certificates by default"."""
        self.assertEqual(self.on_node("work-kv", "stat", "-c", "%a %u", STORE).strip(), "700 0")
        read = sh(f"openssl x509 -noout -subject -in {self.link(self.certificate)}")
        for scope in ("pool", "task"):
            elevated = {"autoUser": {"scope": scope, "elevationLevel": "admin"}}
            self.assertEqual(self.ran(f"elevated-{scope}", read, userIdentity=elevated)[0], 0)
            self.assertEqual(self.ran(f"plain-{scope}", read, userIdentity={"autoUser": {"scope": scope, "elevationLevel": "nonadmin"}}), (1, ""))

    def start_task(self, then=""):
        """The script that the plan has for a start task, as one."""
        script = base64.b64encode((self.script + then).encode()).decode()
        return {"commandLine": f'/bin/sh -c "echo {script} | base64 -d | sh"', "waitForSuccess": True, "userIdentity": {"autoUser": {"scope": "Pool", "elevationLevel": "Admin"}}}

    def test_13_copied_to_where_tasks_may_read(self):
        """"copy the certificates to an accessible directly and/or adjust certificate files with proper file modes. You can run such commands as part of an elevated start task";
        "task-level nonadmin autouser ... a custom process that exports the required certificate into a commonly accessible store": the script that the plan has for that."""
        self.store.make_container("files")
        self.store.put("files", "public.cer", self.public.cer.read_bytes())
        start = dict(self.start_task("cp public.cer $AZ_BATCH_NODE_SHARED_DIR/by-blob.cer; chmod 644 $AZ_BATCH_NODE_SHARED_DIR/by-blob.cer\n"),
                     resourceFiles=[{"httpUrl": self.store.sas("files", "public.cer", "r"), "filePath": "public.cer"}])
        identity = self.vy("identity", "show", "-n", "doc2-certificates", "-g", "g")
        made = self.pool_with(self.account, "doc2-vault", self.name(self.certificate), identity, "started", nodes=1, startTask=start)
        self.assertEqual(made.status, 200, made)
        self.wait_idle("started")
        self.work.job("started", "started")
        path = f"$AZ_BATCH_NODE_SHARED_DIR/certs/sha1-{self.certificate.thumbprint}.pfx"
        plain = {"autoUser": {"scope": "task", "elevationLevel": "nonadmin"}}
        self.assertEqual(self.ran("copied", sh(f"openssl pkcs12 -in {path} -passin file:{path}.pw -nodes -out /dev/null"), job="started", userIdentity=plain)[0], 0)
        self.assertEqual(self.ran("not-copied", sh(f"cat {self.link(self.certificate)}"), job="started", userIdentity=plain), (1, ""))

    def test_14_cer_files(self):
        """"Use Key Vault secrets with appropriate access privileges for the associated User-assigned Managed Identity and fetch the .cer file as part of your start task ...
        Alternatively, store the .cer file as an Azure Storage Blob and reference as a Batch resource file in your start task"."""
        wanted = base64.b64encode(self.public.cer.read_bytes()).decode()
        for task, path in (("by-secret", f"certs/sha1-{self.public.thumbprint}.cer"), ("by-blob", "by-blob.cer")):
            self.assertEqual(self.ran(task, sh(f"base64 -w0 $AZ_BATCH_NODE_SHARED_DIR/{path}"), job="started"), (0, wanted))

    def test_14b_a_start_task_that_fails_is_shown(self):
        """A start task that cannot fetch its file, or whose script fails, keeps its node from taking tasks, and says why."""
        identity = self.vy("identity", "show", "-n", "doc2-certificates", "-g", "g")
        missing = dict(self.start_task(), resourceFiles=[{"httpUrl": self.store.sas("files", "absent.cer", "r"), "filePath": "public.cer"}])
        self.assertEqual(self.pool_with(self.account, "doc2-vault", self.name(self.certificate), identity, "failing", nodes=1, startTask=missing).status, 200)
        node = wait_for("its start task failed", lambda: next((n for n in self.call("GET", "/pools/failing/nodes").json["value"] if n["state"] == "starttaskfailed"), None))
        self.assertEqual(node["startTaskInfo"]["failureInfo"]["code"], "BlobNotFound", node)
        self.vy("batch", "pool", "delete", "--account-name", "doc2", "--pool-id", "failing", "--yes")
        wait_for("that pool is gone", lambda: self.call("GET", "/pools/failing").status == 404)

    def test_15_the_old_pool_goes_and_nothing_is_left_to_do(self):
        """"We recommend that you migrate ... before that date": to the end, and again."""
        self.migration("migrate", "--yes", "--delete-certificates")
        self.assertEqual(sorted(p["id"] for p in self.call("GET", "/pools").json["value"]), ["fixed", "started", "work-kv"])
        self.assertEqual(self.call("GET", "/certificates").json["value"], [])
        self.assertEqual([s for s in self.migration("migrate", "--yes") if s["state"] not in ("done", "note")], [])
        self.assertEqual(self.ran("in-the-end", sh("echo $AZ_BATCH_POOL_ID")), (0, "work-kv\n"))


if __name__ == "__main__":
    unittest.main()
