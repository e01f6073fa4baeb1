"""vy batch account certificates plan and migrate: what is to do, that plan changes nothing, that a broken-off migration goes on."""
import base64
import hashlib
import json
import subprocess
import unittest

from vaultyard import Site, wait_for

ACCOUNT, VAULT = "moving", "moving-vault"


class Migrate(unittest.TestCase):
    """On pools without nodes; those with nodes and tasks are in the scenario of document 2."""

    @classmethod
    def setUpClass(cls):
        cls.site = Site().start()
        cls.vy = staticmethod(cls.site.vy)
        cls.base = cls.site.base
        cls.vy("group", "create", "-n", "g", "-l", "local")
        cls.vy("keyvault", "create", "-n", VAULT, "-g", "g", "-l", "local", "--enable-rbac-authorization", "false")
        cls.vy("keyvault", "create", "-n", "moving-roles", "-g", "g", "-l", "local", "--enable-rbac-authorization", "true")
        cls.vy("role", "assignment", "create", "--assignee", cls.site.admin["clientId"], "--role", "Key Vault Administrator", "--scope", f"{cls.site.subscription}/resourceGroups/g")
        cls.thumbprints = {}
        for name in ("one", "two", "public"):
            cls.make(name)

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    @classmethod
    def make(cls, name):
        run = lambda *a: subprocess.run(["openssl", *a], check=True, capture_output=True, cwd=cls.base)
        run("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", f"{name}.key", "-out", f"{name}.pem", "-subj", f"/CN={name}", "-days", "300")
        run("x509", "-in", f"{name}.pem", "-outform", "DER", "-out", f"{name}.cer")
        run("pkcs12", "-export", "-in", f"{name}.pem", "-inkey", f"{name}.key", "-out", f"{name}.pfx", "-passout", "pass:word")
        cls.thumbprints[name] = hashlib.sha1((cls.base / f"{name}.cer").read_bytes()).hexdigest()

    def data(self, method, account, path, body=None):
        shown = self.vy("batch", "account", "show", "-n", account, "-g", "g")
        token = self.site.token(f"https://{self.site.admin['batchDnsSuffix']}")
        answer = self.site.call(method, f"https://{shown['accountEndpoint']}{path}?api-version=2022-10-01.16.0", body, token, {"Content-Type": "application/json; odata=minimalmetadata"})
        self.assertLess(answer.status, 300, answer)
        return answer

    def reference(self, name, **more):
        return dict({"thumbprint": self.thumbprints[name], "thumbprintAlgorithm": "sha1", "visibility": ["starttask", "task"]}, **more)

    def account(self, name, pools):
        """An account with the three certificates and pools {id: [certificates]}."""
        self.vy("batch", "account", "create", "-n", name, "-g", "g", "-l", "local")
        for certificate in self.thumbprints:
            is_cer = certificate == "public"
            body = {"thumbprint": self.thumbprints[certificate], "thumbprintAlgorithm": "sha1", "certificateFormat": "cer" if is_cer else "pfx",
                    "data": base64.b64encode((self.base / f"{certificate}.{'cer' if is_cer else 'pfx'}").read_bytes()).decode()}
            self.data("POST", name, "/certificates", body if is_cer else dict(body, password="word"))
        for pool, certificates in pools.items():
            self.data("POST", name, "/pools", {"id": pool, "vmSize": "STANDARD_DS2_V2", "targetDedicatedNodes": 0, "metadata": [{"name": "team", "value": "a"}],
                      "virtualMachineConfiguration": {"imageReference": {"publisher": "canonical", "offer": "ubuntuserver", "sku": "18.04-lts", "version": "latest"},
                                                      "nodeAgentSKUId": "batch.node.ubuntu 18.04"}, "certificateReferences": [self.reference(c) for c in certificates]})

    def plan(self, account, *more, code=0, vault=VAULT):
        return self.vy("batch", "account", "certificates", "plan", "-n", account, "-g", "g", "--vault-name", vault, *more, code=code)

    def migrate(self, account, *more, code=0, vault=VAULT):
        return self.vy("batch", "account", "certificates", "migrate", "-n", account, "-g", "g", "--vault-name", vault, *more, code=code)

    def files(self, *names):
        return ("--pfx", *[str(self.base / f"{n}.pfx") for n in names], "--password", "word")

    def vault(self, name):
        self.vy("keyvault", "create", "-n", name, "-g", "g", "-l", "local", "--enable-rbac-authorization", "false")
        return name

    def everything(self, account, vault=VAULT):
        group = f"{self.site.subscription}/resourceGroups/g/providers"
        return [self.site.arm("GET", f"{group}/{rest}", api="2023-01-31").body for rest in
                (f"Microsoft.Batch/batchAccounts/{account}/pools", f"Microsoft.Batch/batchAccounts/{account}/certificates", f"Microsoft.KeyVault/vaults/{vault}",
                 "Microsoft.ManagedIdentity/userAssignedIdentities")] + [json.dumps(self.vy("keyvault", kind, "list", "--vault-name", vault)) for kind in ("certificate", "secret")]

    def test_a_plan_prints_what_would_happen_and_changes_nothing(self):
        self.account("plans", {"p1": ["one", "public"]})
        vault = self.vault("plans-vault")
        before = self.everything("plans", vault)
        steps = self.plan("plans", *self.files("one"), vault=vault)
        self.assertEqual(self.everything("plans", vault), before)
        self.assertEqual([s["phase"] for s in steps], ["import", "import", "identity", "access", "clone", "clone", "note", "delete"])
        self.assertEqual({s["state"] for s in steps if s["phase"] != "note"}, {"to do"})
        text = json.dumps(steps)
        for wanted in ("p1-kv", "KeyVaultForLinux", f"batch-{self.thumbprints['one']}", "migratedFrom", "plans-certificates"):
            self.assertIn(wanted, text)
        self.assertNotIn(base64.b64encode((self.base / "one.pfx").read_bytes()).decode()[:40], text)
        self.assertNotIn('"word"', text)
        pool = next(s for s in steps if s["phase"] == "clone")["request"]
        self.assertEqual(pool["method"], "PUT")
        self.assertNotIn("certificates", pool["body"]["properties"])
        self.assertEqual(pool["body"]["properties"]["vmSize"].upper(), "STANDARD_DS2_V2")

    def test_what_it_needs_is_said_before_anything_changes(self):
        self.account("needy", {"p1": ["one", "two"]})
        vault = self.vault("needy-vault")
        before = self.everything("needy", vault)
        self.assertEqual(sorted(s["state"] for s in self.plan("needy", *self.files("one"), vault=vault) if s["phase"] == "import"), ["needs you", "to do"])
        self.assertIn(self.thumbprints["two"], self.migrate("needy", *self.files("one"), "--yes", vault=vault, code=1).stderr)
        self.assertIn("password", self.migrate("needy", "--pfx", str(self.base / "one.pfx"), "--password", "wrong", "--yes", vault=vault, code=1).stderr)
        self.migrate("needy", *self.files("one", "two"), vault=vault, code=2)                                    # no terminal to ask on, and no --yes
        self.migrate("needy", *self.files("one", "two"), "--yes", vault="no-such-vault", code=3)
        self.migrate("needy", *self.files("one", "two"), "--yes", "--pool-id", "nope", vault=vault, code=3)
        self.migrate("needy", *self.files("one", "two"), "--yes", "--keep-pools", "--delete-certificates", vault=vault, code=2)
        self.migrate("nobody", *self.files("one", "two"), "--yes", code=3)
        self.assertEqual(self.everything("needy", vault), before)

    def test_all_of_it_and_again(self):
        self.account("whole", {"p1": ["one", "public"], "p2": ["one", "two"], "plain": []})
        steps = self.migrate("whole", *self.files("one", "two"), "--yes", "--delete-certificates")
        self.assertEqual({s["state"] for s in steps} - {"done", "note"}, set())
        self.assertEqual(sorted(p["id"] for p in self.vy("batch", "pool", "list", "--account-name", "whole")), ["p1-kv", "p2-kv", "plain"])
        group = f"{self.site.subscription}/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/whole"
        pool = self.site.arm("GET", f"{group}/pools/p2-kv", api="2023-11-01").json
        self.assertFalse(pool["properties"].get("certificates"))
        extension = pool["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"]["extensions"][0]
        identity = self.vy("identity", "show", "-n", "whole-certificates", "-g", "g")
        self.assertEqual(extension["settings"]["authenticationSettings"]["msiClientId"], identity["clientId"])
        self.assertEqual(sorted(extension["settings"]["secretsManagementSettings"]["observedCertificates"]),
                         sorted(f"{self.site.vault_url(VAULT)}/secrets/batch-{self.thumbprints[n]}" for n in ("one", "two")))
        self.assertEqual([i.lower() for i in pool["identity"]["userAssignedIdentities"]], [identity["id"].lower()])
        self.assertIn({"name": "team", "value": "a"}, pool["properties"]["metadata"])
        public = self.vy("keyvault", "secret", "show", "--vault-name", VAULT, "-n", f"batch-{self.thumbprints['public']}")
        self.assertEqual(base64.b64decode(public["value"]), (self.base / "public.cer").read_bytes())
        policies = self.vy("keyvault", "show", "-n", VAULT)["properties"]["accessPolicies"]
        self.assertEqual([sorted(p["permissions"]["secrets"]) for p in policies if p["objectId"] == identity["principalId"]], [["get", "list"]])
        self.assertEqual(self.site.arm("GET", f"{group}/certificates", api="2023-11-01").json["value"], [])
        again = self.migrate("whole", "--yes")
        self.assertEqual([s for s in again if s["state"] not in ("done", "note")], [])

    def test_some_pools_first_and_the_old_ones_kept(self):
        self.account("partly", {"p1": ["one"], "p2": ["one"]})
        self.migrate("partly", *self.files("one"), "--yes", "--pool-id", "p1", "--keep-pools", "--suffix", "new")
        self.assertEqual(sorted(p["id"] for p in self.vy("batch", "pool", "list", "--account-name", "partly")), ["p1", "p1-new", "p2"])
        steps = self.plan("partly", "--suffix", "new")
        self.assertEqual([s["state"] for s in steps if s["phase"] == "clone"], ["done", "done", "to do", "to do"])
        self.migrate("partly", "--yes", "--suffix", "new")                                         # the .pfx is in the vault: not asked for again
        self.assertEqual(sorted(p["id"] for p in self.vy("batch", "pool", "list", "--account-name", "partly")), ["p1-new", "p2-new"])

    def test_broken_off_at_each_step_it_goes_on(self):
        """Each step alone, by requests of the plan itself, then the rest by migrate: as if it had been killed there."""
        self.account("broken", {"p1": ["one"]})
        self.vy("keyvault", "certificate", "import", "--vault-name", VAULT, "-n", f"batch-{self.thumbprints['one']}", "-f", str(self.base / "one.pfx"), "--password", "word")
        for phase in ("identity", "access", "clone"):
            step = next(s for s in self.plan("broken", *self.files("one")) if s["state"] == "to do")
            self.assertEqual(step["phase"], phase)
            request = step["request"]
            answer = self.site.call(request["method"], request["url"], request.get("body"), self.site.token())
            self.assertLess(answer.status, 300, answer)
        left = [s for s in self.plan("broken") if s["state"] not in ("done", "note")]
        self.assertEqual([s["phase"] for s in left], ["delete"])
        self.migrate("broken", "--yes")
        self.assertEqual([p["id"] for p in self.vy("batch", "pool", "list", "--account-name", "broken")], ["p1-kv"])

    def job(self, account, job):
        return self.data("GET", account, f"/jobs/{job}").json

    def test_jobs_move_with_their_pool(self):
        self.account("jobs", {"p1": ["one"], "other": []})
        for job, pool in (("active", "p1"), ("resting", "p1"), ("ended", "p1"), ("elsewhere", "other")):
            self.data("POST", "jobs", "/jobs", {"id": job, "poolInfo": {"poolId": pool}, "metadata": [{"name": "team", "value": "a"}]})
        self.data("POST", "jobs", "/jobs/active/tasks", {"id": "waits", "commandLine": "true"})
        self.data("POST", "jobs", "/jobs/resting/disable", {"disableTasks": "requeue"})
        wait_for("it rests", lambda: self.job("jobs", "resting")["state"] == "disabled")
        self.data("POST", "jobs", "/jobs/ended/terminate", {})
        wait_for("it ended", lambda: self.job("jobs", "ended")["state"] == "completed")
        planned = [(s["phase"], s["what"].split(":")[0]) for s in self.plan("jobs", *self.files("one")) if s["phase"] in ("drain", "switch")]
        self.assertEqual(planned, [("drain", "job active")] * 3 + [("switch", "job active")] * 3 + [("switch", "job resting")])
        self.migrate("jobs", *self.files("one"), "--yes")
        seen = {job: (self.job("jobs", job)["state"], self.job("jobs", job)["poolInfo"]["poolId"], self.job("jobs", job)["metadata"]) for job in ("active", "resting", "ended", "elsewhere")}
        team = [{"name": "team", "value": "a"}]
        self.assertEqual(seen, {"active": ("active", "p1-kv", team), "resting": ("disabled", "p1-kv", team), "ended": ("completed", "p1", team), "elsewhere": ("active", "other", team)})
        self.assertEqual(self.data("GET", "jobs", "/jobs/active/tasks/waits").json["state"], "active")

    def test_a_job_that_was_left_disabled_on_the_way_is_enabled_again(self):
        """Each request of the plan alone up to the middle of the switch, as if migrate had been killed there."""
        self.account("halfway", {"p1": ["one"]})
        self.data("POST", "halfway", "/jobs", {"id": "nightly", "poolInfo": {"poolId": "p1"}})
        self.vy("keyvault", "certificate", "import", "--vault-name", self.vault("halfway-vault"), "-n", f"batch-{self.thumbprints['one']}", "-f", str(self.base / "one.pfx"), "--password", "word")
        for _ in range(6):                                       # identity, access, clone, mark, disable, to the new pool
            step = next(s for s in self.plan("halfway", vault="halfway-vault") if s["state"] == "to do" and "request" in s)
            request, is_batch = step["request"], ".batch." in step["request"]["url"]
            token = self.site.token(f"https://{self.site.admin['batchDnsSuffix']}") if is_batch else self.site.token()
            answer = self.site.call(request["method"], request["url"], request.get("body"), token, {"Content-Type": "application/json; odata=minimalmetadata"})
            self.assertLess(answer.status, 300, answer)
            wait_for("nothing is under way", lambda: not [s for s in self.plan("halfway", vault="halfway-vault") if s["state"] == "waiting"])
        self.assertEqual((self.job("halfway", "nightly")["state"], self.job("halfway", "nightly")["poolInfo"]["poolId"]), ("disabled", "p1-kv"))
        self.migrate("halfway", "--yes", vault="halfway-vault")
        job = self.job("halfway", "nightly")
        self.assertEqual((job["state"], job["poolInfo"]["poolId"], job.get("metadata", [])), ("active", "p1-kv", []))
        self.assertEqual([p["id"] for p in self.vy("batch", "pool", "list", "--account-name", "halfway")], ["p1-kv"])

    def test_pools_that_cannot_be_moved_are_named_first(self):
        self.account("special", {"p1": ["one"]})
        accounts = [{"name": "worker", "password": "Pa55-word", "elevationLevel": "nonadmin"}]
        self.data("POST", "special", "/pools", {"id": "p2", "vmSize": "STANDARD_DS2_V2", "targetDedicatedNodes": 0, "userAccounts": accounts, "certificateReferences": [self.reference("one")],
                  "virtualMachineConfiguration": {"imageReference": {"publisher": "canonical", "offer": "ubuntuserver", "sku": "18.04-lts", "version": "latest"},
                                                  "nodeAgentSKUId": "batch.node.ubuntu 18.04"}})
        self.assertIn("passwords", self.migrate("special", *self.files("one"), "--yes", code=1).stderr)
        self.assertEqual(sorted(p["id"] for p in self.vy("batch", "pool", "list", "--account-name", "special")), ["p1", "p2"])
        self.migrate("special", *self.files("one"), "--yes", "--pool-id", "p1")
        self.assertEqual(sorted(p["id"] for p in self.vy("batch", "pool", "list", "--account-name", "special")), ["p1-kv", "p2"])
        self.migrate("special", *self.files("one"), "--yes", "--pool-id", "p1", "--delete-certificates")         # p2 still has it: it stays
        self.assertIn(self.thumbprints["one"], self.data("GET", "special", "/certificates").body)

    def test_a_name_that_is_taken_is_not_taken_over(self):
        self.account("taken", {"p1": ["one"], "p1-kv": []})
        self.assertIn("--suffix", self.migrate("taken", *self.files("one"), "--yes", code=1).stderr)
        self.assertEqual(sorted(p["id"] for p in self.vy("batch", "pool", "list", "--account-name", "taken")), ["p1", "p1-kv"])

    def test_a_vault_of_roles_gives_a_role(self):
        self.account("roles", {"p1": ["one"]})
        self.migrate("roles", *self.files("one"), "--yes", vault="moving-roles")
        identity = self.vy("identity", "show", "-n", "roles-certificates", "-g", "g")
        given = self.vy("role", "assignment", "list", "--assignee-object-id", identity["principalId"], "--scope",
                        f"{self.site.subscription}/resourceGroups/g/providers/Microsoft.KeyVault/vaults/moving-roles")
        self.assertEqual([g["roleDefinitionName"] for g in given], ["Key Vault Secrets User"])

    def test_who_may_not_is_refused_and_nothing_changes(self):
        self.account("guarded", {"p1": ["one"]})
        vault = self.vault("guarded-vault")
        before = self.everything("guarded", vault)
        who = self.site.principal("watcher")
        self.vy("role", "assignment", "create", "--assignee", who["appId"], "--role", "Reader", "--scope", self.site.subscription)
        theirs = self.site.profile_of(who, "watcher")
        done = self.vy("batch", "account", "certificates", "migrate", "-n", "guarded", "-g", "g", "--vault-name", vault, *self.files("one"), "--yes", admin=theirs, code=1)
        self.assertIn("Forbidden", done.stderr)
        self.assertEqual(self.everything("guarded", vault), before)


if __name__ == "__main__":
    unittest.main()
