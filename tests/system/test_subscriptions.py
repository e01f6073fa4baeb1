"""Several subscriptions in one tenant: made, listed, chosen; groups, roles and identities of each are its own."""
import os
import unittest

from vaultyard import BUILD, Site


class Subscriptions(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site().start()
        cls.vy = staticmethod(cls.site.vy)
        cls.first = cls.site.admin["subscriptionId"]
        cls.second = cls.vy("account", "subscription", "create", "--name", "team-b", "--display-name", "Team B")

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def signed_in(self, *arguments, code=0):
        """As the administrator, but through `vy login` and its stored profile."""
        environment = {k: v for k, v in os.environ.items() if not k.startswith("VY_")}
        done = self.site.run([BUILD / "vy", *arguments], code=code, env=dict(environment, VY_CONFIG_DIR=str(self.site.base / "profile"), HOME="/nonexistent"))
        return done

    def test_it_is_made_once_and_shown(self):
        self.assertEqual((self.second["name"], self.second["state"], self.second["tenantId"]), ("Team B", "Enabled", self.site.admin["tenantId"]))
        self.assertNotEqual(self.second["id"], self.first)
        self.assertEqual(self.vy("account", "subscription", "create", "-n", "team-b", "-d", "Other name")["id"], self.second["id"])
        self.assertEqual({item["id"] for item in self.vy("account", "list", "--all")} & {self.first, self.second["id"]}, {self.first, self.second["id"]})
        self.assertEqual(self.vy("account", "show", "-n", "team b")["id"], self.second["id"])
        self.assertEqual(self.vy("account", "subscription", "show", "--subscription", "Team B")["id"], self.second["id"])
        self.vy("account", "show", "-s", "no such", code=3)
        self.vy("account", "subscription", "create", "-n", "a b", code=1)

    def test_it_is_renamed(self):
        made = self.vy("account", "subscription", "create", "-n", "renamed")
        self.vy("account", "subscription", "rename", "--id", made["id"], "--name", "After")
        self.assertEqual(self.vy("account", "show", "-n", "After")["id"], made["id"])

    def test_one_is_chosen_and_stays_chosen(self):
        self.signed_in("login", "--admin-file", str(self.site.dir / "admin.json"))
        self.signed_in("account", "set", "-n", "Team B")
        self.assertIn(self.second["id"], self.signed_in("account", "show", "--query", "id", "-o", "tsv").stdout)
        self.signed_in("group", "create", "-n", "chosen", "-l", "local")
        self.assertEqual(self.signed_in("group", "exists", "-n", "chosen", "--subscription", self.first).stdout.strip(), "false")
        self.assertEqual(self.signed_in("group", "exists", "-n", "chosen", "--subscription", "Team B").stdout.strip(), "true")
        self.signed_in("account", "set", "--subscription", "nowhere", code=3)
        self.assertIn(self.second["id"], self.signed_in("account", "show", "--query", "id", "-o", "tsv").stdout)

    def test_groups_of_one_name_are_two(self):
        for place, where in ((self.first, "west"), (self.second["id"], "east")):
            self.assertEqual(self.vy("group", "create", "-n", "same", "-l", where, "--subscription", place)["location"], where)
        self.vy("group", "delete", "-n", "same", "--yes", "--subscription", "Team B")
        self.assertTrue(self.vy("group", "exists", "-n", "same"))
        self.assertFalse(self.vy("group", "exists", "-n", "same", "--subscription", "Team B"))

    def test_vault_names_are_unique_across_subscriptions(self):
        for place in (self.first, self.second["id"]):
            self.vy("group", "create", "-n", "vaults", "-l", "local", "--subscription", place)
        self.vy("keyvault", "create", "-n", "one-of-a-kind", "-g", "vaults", "-l", "local")
        self.assertIn("VaultAlreadyExists", self.vy("keyvault", "create", "-n", "one-of-a-kind", "-g", "vaults", "-l", "local", "--subscription", "Team B", code=1).stderr)
        self.assertEqual(self.vy("keyvault", "list", "--subscription", "Team B"), [])

    def test_roles_of_one_say_nothing_in_the_other(self):
        who = self.site.principal("one-sided")
        theirs = self.site.profile_of(who, "one-sided")
        self.vy("role", "assignment", "create", "--assignee", who["appId"], "--role", "Contributor", "--scope", f"/subscriptions/{self.second['id']}")
        self.assertEqual([item["id"] for item in self.vy("account", "list", admin=theirs)], [self.second["id"]])
        self.vy("group", "create", "-n", "theirs", "-l", "local", "--subscription", "Team B", admin=theirs)
        self.assertIn("AuthorizationFailed", self.vy("group", "create", "-n", "theirs", "-l", "local", "--subscription", self.first, admin=theirs, code=1).stderr)
        self.assertIn("UserNotAuthorized", self.vy("account", "subscription", "create", "-n", "more", admin=theirs, code=1).stderr)
        assigned = self.vy("role", "assignment", "list", "--assignee", who["appId"], "--subscription", "Team B")
        self.assertEqual([item["roleDefinitionName"] for item in assigned], ["Contributor"])
        self.assertEqual(self.vy("role", "assignment", "list", "--assignee", who["appId"], "--subscription", self.first), [])

    def test_it_survives_a_crash(self):
        made = self.vy("account", "subscription", "create", "-n", "lasting")
        self.site.kill()
        self.site.start()
        self.assertIn(made["id"], [item["id"] for item in self.vy("account", "list")])


if __name__ == "__main__":
    unittest.main()
