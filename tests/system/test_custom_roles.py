"""Custom roles end to end: made with vy, decided by in a vault (one object alone), in a Batch account and in Resource Manager, changed, in use, and after kill -9."""
import json
import unittest

from vaultyard import BUILD, Site

SECRETS = "Microsoft.KeyVault/vaults/secrets/"


class CustomRoles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site()
        cls.addClassCleanup(cls.site.close)
        cls.routes = cls.site.run([BUILD / "vaultyard", "routes", "--data-dir", cls.site.dir, "--tabs"]).stdout.splitlines()
        cls.site.start()
        cls.vy = staticmethod(cls.site.vy)
        cls.vy("group", "create", "-n", "g", "-l", "local")
        cls.group = f"{cls.site.subscription}/resourceGroups/g"
        cls.vault = cls.vy("keyvault", "create", "-n", "kv-custom", "-g", "g", "-l", "local", "--enable-rbac-authorization", "true")["id"]
        cls.vy("role", "assignment", "create", "--role", "Key Vault Secrets Officer", "--assignee", cls.site.admin["clientId"], "--scope", cls.vault)
        for name in ("one", "two"):
            cls.vy("keyvault", "secret", "set", "--vault-name", "kv-custom", "-n", name, "--value", f"the value of {name}")

    def role(self, name, verb="create", **more):
        scopes = more.pop("AssignableScopes", [self.site.subscription])
        return self.vy("role", "definition", verb, "--role-definition", json.dumps({"Name": name, "Description": "of a test", "AssignableScopes": scopes, **more}))

    def given(self, role, scope, name):
        """A principal with that role at that scope, as an admin.json."""
        who = self.site.principal(name)
        self.vy("role", "assignment", "create", "--role", role, "--assignee", who["appId"], "--scope", scope)
        return self.site.profile_of(who, name)

    def secret(self, name, who, code=0):
        return self.vy("keyvault", "secret", "show", "--vault-name", "kv-custom", "-n", name, admin=who, code=code)

    def test_one_secret_of_a_vault_and_a_change_that_counts_at_once(self):
        self.role("Reads one secret", DataActions=[SECRETS + "getSecret/action"])
        who = self.given("Reads one secret", f"{self.vault}/secrets/one", "reader")
        self.assertEqual(self.secret("one", who)["value"], "the value of one")
        self.assertIn("Forbidden", self.secret("two", who, code=1).stderr)
        self.assertIn("Forbidden", self.vy("keyvault", "secret", "set", "--vault-name", "kv-custom", "-n", "one", "--value", "x", admin=who, code=1).stderr)
        self.role("Reads one secret", "update", DataActions=[SECRETS + "*"], NotDataActions=[SECRETS + "getSecret/action"])
        self.assertIn("Forbidden", self.secret("one", who, code=1).stderr)
        self.vy("keyvault", "secret", "set", "--vault-name", "kv-custom", "-n", "one", "--value", "the value of one", admin=who)

    def test_actions_of_resource_manager_less_those_taken_away(self):
        self.role("Vaults but no deletion", Actions=["Microsoft.KeyVault/*", "Microsoft.Resources/subscriptions/resourceGroups/read"], NotActions=["*/delete"],
                  AssignableScopes=[self.group])
        who = self.given("Vaults but no deletion", self.group, "keeper")
        self.vy("keyvault", "create", "-n", "kv-kept", "-g", "g", "-l", "local", admin=who)
        self.assertIn("AuthorizationFailed", self.vy("keyvault", "delete", "-n", "kv-kept", "-g", "g", admin=who, code=1).stderr)
        self.assertIn("AuthorizationFailed", self.vy("group", "create", "-n", "h", "-l", "local", admin=who, code=1).stderr)
        self.vy("group", "create", "-n", "other", "-l", "local")
        outside = self.vy("role", "assignment", "create", "--role", self.vy("role", "definition", "list", "-n", "Vaults but no deletion", "-g", "g")[0]["id"], "--assignee",
                          self.site.admin["clientId"], "--scope", f"{self.site.subscription}/resourceGroups/other", code=3)
        self.assertIn("there is no role", outside.stderr)                                           # it is not shown where it cannot be assigned

    def test_jobs_of_a_batch_account_are_data_and_pools_are_not(self):
        account = self.vy("batch", "account", "create", "-n", "customroles", "-g", "g", "-l", "local")
        self.role("Submits jobs", DataActions=["Microsoft.Batch/batchAccounts/jobs/*"])
        self.role("Reads pools", Actions=["Microsoft.Batch/batchAccounts/pools/read"])
        self.role("Reads accounts", Actions=["Microsoft.Batch/batchAccounts/read"])
        self.role("Lists keys", Actions=["Microsoft.Batch/batchAccounts/listkeys/action"])
        endpoint = f"https://{account['accountEndpoint']}"
        pool = {"id": "p", "vmSize": "standard_d2s_v3", "virtualMachineConfiguration": {}}
        asked = (("GET", "/jobs", None), ("POST", "/jobs", {"id": "j", "poolInfo": {"poolId": "nowhere"}}), ("GET", "/pools", None), ("POST", "/pools", pool))
        for role, allowed in (("Submits jobs", (True, True, False, False)), ("Reads pools", (False, False, True, False)), ("Reads accounts", (True, False, True, False)),
                              ("Lists keys", (True, True, True, True)), ("Azure Batch Job Submitter", (True, True, True, False)), ("Reader", (True, False, True, False))):
            profile = json.loads(self.given(role, account["id"], role.lower().replace(" ", "-")).read_text())
            token = self.site.token(f"https://{self.site.admin['batchDnsSuffix']}", profile["clientId"], profile["clientSecret"])
            for (method, path, body), may in zip(asked, allowed):
                with self.subTest(f"{role}: {method} {path}"):
                    answer = self.site.call(method, f"{endpoint}{path}?api-version=2024-07-01.20.0", body, token, {"Content-Type": "application/json; odata=minimalmetadata"} if body else None)
                    self.assertEqual(answer.status != 403, may, answer)

    def test_a_role_in_use_stays_and_names_are_given_once(self):
        made = self.role("In use", Actions=["*/read"])
        self.given("In use", self.group, "user")
        self.assertIn("RoleDefinitionHasAssignments", self.vy("role", "definition", "delete", "-n", "In use", code=1).stderr)
        self.vy("role", "assignment", "delete", "--ids", self.vy("role", "assignment", "list", "--role", "In use", "--all")[0]["id"])
        taken = self.vy("role", "definition", "create", "--role-definition", json.dumps({"Name": "IN USE", "AssignableScopes": [self.group]}), code=1)
        self.assertIn("RoleDefinitionWithSameNameExists", taken.stderr)
        self.vy("role", "definition", "delete", "-n", made["name"], "--custom-role-only")
        self.assertIn("there is no role", self.vy("role", "definition", "delete", "-n", "In use", code=3).stderr)
        self.assertIn("RoleDefinitionUpdateNotPermitted", self.vy("role", "definition", "delete", "-n", "Reader", code=1).stderr)
        self.assertIn("InvalidActionOrNotAction", self.vy("role", "definition", "create", "--role-definition",
                      json.dumps({"Name": "x", "Actions": ["Microsoft.KeyVault/vaults/raed"], "AssignableScopes": [self.group]}), code=1).stderr)

    def test_what_list_prints_can_be_given_back(self):
        made = self.role("Round trip", Actions=["*/read"], DataActions=[SECRETS + "readMetadata/action"])
        path = self.site.base / "role.json"
        path.write_text(json.dumps(dict(made, description="changed")))
        self.assertEqual(self.vy("role", "definition", "update", "--role-definition", f"@{path}")["description"], "changed")
        shown = self.vy("role", "definition", "show", "--id", made["id"])
        self.assertEqual((shown["roleName"], shown["roleType"], shown["description"]), ("Round trip", "CustomRole", "changed"))
        self.assertEqual(shown["permissions"], made["permissions"])
        self.assertEqual(self.vy("role", "definition", "show", "-n", "Round trip")["id"], made["id"])
        self.assertEqual([item["roleName"] for item in self.vy("role", "definition", "list", "-n", "round trip")], ["Round trip"])
        self.assertLessEqual({"Round trip"}, {item["roleName"] for item in self.vy("role", "definition", "list", "--custom-role-only", "true")})
        self.vy("role", "definition", "show", code=2)
        self.vy("role", "definition", "show", "-n", "No such", code=3)
        self.vy("role", "definition", "create", "--role-definition", "{}", code=1)
        self.vy("role", "definition", "create", "--role-definition", "nonsense", code=1)

    def test_every_permission_that_is_asked_for_can_be_given(self):
        """The operations that a custom role may name include all that the route table asks for."""
        asked = {line.split("\t")[5] for line in self.routes}
        actions = sorted(action for action in asked if action.startswith("Microsoft."))
        data = [action for action in actions if "/batchAccounts/jobs/" in action or "/batchAccounts/jobSchedules/" in action]
        self.assertGreater(len(actions), 60)
        self.assertGreater(len(data), 4)
        self.role("Everything that is asked", Actions=sorted(set(actions) - set(data)), DataActions=data)

    def test_kill_9_loses_nothing_that_was_answered(self):
        who = None
        for i in range(3):
            made = self.role(f"Lasting {i}", DataActions=[SECRETS + "getSecret/action"])
            who = who or self.given("Lasting 0", self.vault, "lasting")
            self.site.kill()
            self.site.start()
            self.assertEqual(self.vy("role", "definition", "show", "-n", f"Lasting {i}")["id"], made["id"])
        self.assertEqual(self.secret("two", self.site.profile_of(json_principal(who), "lasting"))["value"], "the value of two")
        self.vy("role", "definition", "delete", "-n", "Lasting 2")
        self.site.kill()
        self.site.start()
        self.assertIn("there is no role", self.vy("role", "definition", "show", "-n", "Lasting 2", code=3).stderr)


def json_principal(path):
    """The port changes with each start, the credentials do not."""
    profile = json.loads(path.read_text())
    return {"appId": profile["clientId"], "password": profile["clientSecret"]}


if __name__ == "__main__":
    unittest.main()
