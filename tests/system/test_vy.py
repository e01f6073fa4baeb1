"""vy: sign-in, exit codes, output, refusals, and files that are its user's alone."""
import json
import os
import stat
import unittest

from vaultyard import BUILD, Site


class Vy(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site().start()
        cls.site.vy("group", "create", "-n", "g", "-l", "West US 2")
        cls.site.vy("keyvault", "create", "-n", "kv-vy", "-g", "g")
        cls.tester = cls.site.principal("vy-tester")

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def signed_in(self, name):
        """The environment of somebody without VY_ADMIN, whose files lie in a directory of their own."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("VY_")}
        return dict(environment, VY_CONFIG_DIR=str(self.site.base / name), HOME="/nonexistent")

    def vy_as(self, name, *arguments, code=0):
        return self.site.run([BUILD / "vy", *arguments], code=code, env=self.signed_in(name))

    def login(self, name, *more, code=0, password=None):
        return self.vy_as(name, "login", "--service-principal", "-u", self.tester["appId"], "-p", password or self.tester["password"],
                          "--tenant", self.site.admin["tenantId"], "--authority", self.site.admin["authorityHost"], "--ca-file", self.site.dir / "ca.pem", *more, code=code)

    def test_nobody_signed_in_is_told_how_to(self):
        done = self.vy_as("nobody", "group", "list", code=1)
        self.assertIn("vy login --admin-file", done.stderr)
        self.assertEqual(done.stdout, "")

    def test_wrong_usage_is_2_and_asks_no_server(self):
        for words, says in ((["group", "create"], "--name"), (["keyvault", "secret", "set", "--vault-name", "v", "-n", "s"], "--value or --file"),
                            (["grup", "list"], "Did you mean 'group'?"), (["group", "list", "-o", "xml"], "json, jsonc, table, tsv, none"),
                            (["group", "list", "--query", "[?name"], "--query: the query is malformed at column 7"), (["group", "list", "--query", "lenght(@)"], "unknown function lenght()"),
                            (["group", "delete", "-n", "g"], "--yes"), (["batch", "pool", "show", "--pool-id", "p"], "--account-name"),
                            (["keyvault", "secret", "show", "--id", "https://vault.example.com/secrets/a"], "signed in"), (["batch", "node", "exec", "--account-name", "a", "--pool-id", "p", "--node-id", "n"], "'--'")):
            with self.subTest(words):
                done = self.vy_as("nobody", *words, code=None)
                self.assertEqual(done.returncode, 1 if says == "signed in" else 2, done.stderr)
                self.assertIn(says, done.stderr)

    def test_what_is_not_there_is_3(self):
        for words in (["group", "show", "-n", "nope"], ["keyvault", "show", "-n", "nope"], ["keyvault", "secret", "show", "--vault-name", "kv-vy", "-n", "nope"],
                      ["ad", "sp", "show", "--id", "nope"], ["batch", "account", "show", "-n", "nope", "-g", "g"]):
            with self.subTest(words):
                self.assertIn("vy: error:", self.site.vy(*words, code=3).stderr)

    def test_tokens_go_to_this_site_only(self):
        for words in (["keyvault", "secret", "show", "--id", "https://kv-vy.vault.example.com/secrets/a"],
                      ["keyvault", "secret", "show", "--id", f"https://evil.example.com/.{self.site.admin['vaultDnsSuffix']}/secrets/a"],
                      ["batch", "pool", "list", "--account-endpoint", "https://a.b.batch.example.com"], ["rest", "--url", "https://example.com/"],
                      ["rest", "--url", f"https://example.com/x.{self.site.admin['vaultDnsSuffix']}"],
                      ["rest", "--url", "https://kv-vy.vault.vaultyard.localhost.example.com/"],
                      ["rest", "--url", f"https://example.com\\@kv-vy.{self.site.admin['vaultDnsSuffix']}/secrets"],
                      ["keyvault", "secret", "show", "--id", f"https://a@kv-vy.{self.site.admin['vaultDnsSuffix']}/secrets/a"]):
            with self.subTest(words):
                self.site.vy(*words, code=2)

    def test_json_is_the_output_where_no_terminal_is(self):
        self.assertEqual(self.site.vy("group", "show", "-n", "g")["location"], "westus2")
        table = self.site.run([BUILD / "vy", "group", "show", "-n", "g", "-o", "table"], env=self.site.vy_env()).stdout.splitlines()
        self.assertEqual(table[0].split(), ["Name", "Location", "State"])
        self.assertEqual(table[2].split(), ["g", "westus2", "Succeeded"])
        self.assertIsNone(self.site.vy("group", "show", "-n", "g", "-o", "none"))

    def printed(self, *words):
        return self.site.run([BUILD / "vy", *words], env=self.site.vy_env()).stdout

    def test_a_query_picks_from_the_result(self):
        self.assertEqual(self.printed("group", "list", "--query", "[?name=='g'].{Name: name, Where: location} | [0]", "-o", "tsv"), "g\twestus2\n")
        self.assertEqual(self.printed("group", "show", "-n", "g", "--query", "[name, properties.provisioningState]"), '[\n  "g",\n  "Succeeded"\n]\n')
        self.assertEqual(self.printed("group", "show", "-n", "g", "--query", "absent"), "")
        self.assertEqual(self.printed("group", "list", "--query", "[?name=='g'].{Name: name, Where: location}", "-o", "table").split(), ["Name", "Where", "----", "-------", "g", "westus2"])
        self.site.vy("batch", "account", "create", "-n", "vyquery", "-g", "g", "--identity", "SystemAssigned")
        identity = self.site.vy("batch", "account", "show", "-n", "vyquery", "-g", "g", "--query", "identity")
        self.assertEqual(identity["type"], "SystemAssigned")
        self.assertEqual(self.printed("batch", "account", "show", "-n", "vyquery", "-g", "g", "--query", "identity.principalId", "-o", "tsv").strip(), identity["principalId"])
        self.site.vy("batch", "account", "delete", "-n", "vyquery", "--yes")

    def test_a_bad_query_stops_the_command_before_it_does_anything(self):
        self.site.vy("group", "create", "-n", "never-made", "-l", "westus2", "--query", "[?", code=2)
        self.site.vy("group", "show", "-n", "never-made", code=3)
        self.assertIn("sum() takes an array of numbers", self.site.vy("group", "show", "-n", "g", "--query", "sum(name)", code=1).stderr)

    def test_a_secret_goes_in_by_standard_input_and_comes_out_unchanged(self):
        value = "line one\nline two \u00e4 \"quoted\"\n"
        self.site.vy("keyvault", "secret", "set", "--vault-name", "kv-vy", "-n", "by-stdin", "--value", "-", "--expires", "2040-01-01", "--tags", "a=b", input=value)
        shown = self.site.vy("keyvault", "secret", "show", "--vault-name", "kv-vy", "-n", "by-stdin")
        self.assertEqual(shown["value"], value)
        self.assertEqual(shown["attributes"]["expires"], "2040-01-01T00:00:00+00:00")
        self.assertEqual(shown["tags"], {"a": "b", "file-encoding": "utf-8"})
        again = self.site.vy("keyvault", "secret", "show", "--id", shown["id"])
        self.assertEqual(again["value"], value)

    def test_a_policy_is_for_one_principal_and_leaves_the_others(self):
        before = self.site.vy("keyvault", "show", "-n", "kv-vy")["properties"]["accessPolicies"]
        self.site.vy("keyvault", "set-policy", "-n", "kv-vy", "--spn", self.tester["appId"], "--secret-permissions", "get", "list", "--key-permissions", "get")
        policies = self.site.vy("keyvault", "set-policy", "-n", "kv-vy", "--spn", self.tester["appId"], "--secret-permissions", "get")["properties"]["accessPolicies"]
        own = [policy for policy in policies if policy["objectId"] == self.tester["id"]]
        self.assertEqual(len(own), 1)
        self.assertEqual(own[0]["permissions"]["secrets"], ["get"])
        self.assertEqual(own[0]["permissions"]["keys"], ["get"])         # not named, so as it was
        self.assertEqual([policy for policy in policies if policy["objectId"] != self.tester["id"]], before)
        self.assertEqual(self.site.vy("keyvault", "delete-policy", "-n", "kv-vy", "--spn", self.tester["appId"])["properties"]["accessPolicies"], before)
        self.site.vy("keyvault", "delete-policy", "-n", "kv-vy", "--spn", self.tester["appId"], code=3)
        self.assertIn("kv-vy", self.site.vy("keyvault", "create", "-n", "kv-vy", "-g", "g", code=1).stderr)

    def test_a_sign_in_shows_what_its_roles_allow_and_ends_with_logout(self):
        self.assertIn("AADSTS7000215", self.login("tester", code=1, password="wrong-password").stderr)
        self.assertIn("No subscriptions found", self.login("tester", code=1).stderr)
        self.assertFalse((self.site.base / "tester" / "profile.json").exists())
        self.site.vy("role", "assignment", "create", "--assignee", self.tester["appId"], "--role", "Reader", "-g", "g")
        account = json.loads(self.login("tester").stdout)[0]
        self.assertEqual(account["id"], self.site.admin["subscriptionId"])
        directory = self.site.base / "tester"
        self.assertEqual(stat.S_IMODE(directory.stat().st_mode), 0o700)
        for name in ("profile.json", "tokens.json"):
            self.assertEqual(stat.S_IMODE((directory / name).stat().st_mode), 0o600, name)
        self.assertEqual([group["name"] for group in json.loads(self.vy_as("tester", "group", "list").stdout)], ["g"])
        refused = self.vy_as("tester", "group", "create", "-n", "mine", code=1)
        self.assertIn("AuthorizationFailed", refused.stderr)
        self.assertIn("vy role assignment create", refused.stderr)
        self.assertIn("set-policy", self.vy_as("tester", "keyvault", "secret", "list", "--vault-name", "kv-vy", code=1).stderr)
        self.site.vy("role", "assignment", "delete", "--assignee", self.tester["appId"], "-g", "g")
        self.site.vy("role", "assignment", "delete", "--assignee", self.tester["appId"], "-g", "g", code=3)
        self.vy_as("tester", "group", "show", "-n", "g", code=1)
        self.vy_as("tester", "logout")
        self.assertEqual(list(directory.iterdir()), [])

    def test_an_untrusted_site_is_not_told_the_secret(self):
        done = self.vy_as("untrusting", "login", "--service-principal", "-u", self.tester["appId"], "-p", self.tester["password"],
                          "--tenant", self.site.admin["tenantId"], "--authority", self.site.admin["authorityHost"], code=1)
        self.assertIn("--ca-file", done.stderr)
        self.assertFalse((self.site.base / "untrusting").exists())

    def test_accounts_are_made_as_the_document_spells_it(self):
        account = self.site.vy("batch", "account", "create", "-n", "vydoc", "-g", "g", "--locations", "regionName=West US 2", "--identity", "SystemAssigned")
        self.assertEqual((account["location"], account["identity"]["type"]), ("westus2", "SystemAssigned"))
        self.assertTrue(account["identity"]["principalId"])
        self.assertEqual(self.site.vy("batch", "pool", "list", "--account-endpoint", account["accountEndpoint"]), [])
        self.site.vy("batch", "account", "delete", "-n", "vydoc", "--yes")
        self.site.vy("batch", "account", "show", "-n", "vydoc", code=3)

    def test_the_clock_moves_forward_only(self):
        offset = self.site.vy("dev", "clock", "show")["offsetMs"]
        self.assertEqual(self.site.vy("dev", "clock", "advance", "36h")["offsetMs"], offset + 36 * 3600 * 1000)
        self.assertIn("300d", self.site.vy("dev", "clock", "advance", "yesterday", code=1).stderr)

    def test_a_server_that_is_away_is_named(self):
        profile = self.site.base / "away.json"
        profile.write_text(json.dumps(dict(self.site.admin, resourceManager="https://management.vaultyard.localhost:1", authorityHost="https://login.vaultyard.localhost:1")))
        done = self.site.vy("group", "list", code=1, admin=profile)
        self.assertIn("login.vaultyard.localhost", done.stderr)
        self.assertIn("vaultyard serve", done.stderr)
