"""An unmodified az makes, shows, changes, assigns and deletes custom roles, and lists the operations that they are made of."""
import json
import unittest

from az import Az
from vaultyard import Site

READ_SECRET = "Microsoft.KeyVault/vaults/secrets/getSecret/action"


class AzRoles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site().start()
        cls.addClassCleanup(cls.site.close)
        cls.az = Az(cls.site)
        cls.az.login()
        cls.site.vy("group", "create", "-n", "g", "-l", "local")
        cls.group = f"{cls.site.subscription}/resourceGroups/g"

    def file(self, name, role):
        path = self.site.base / name
        path.write_text(json.dumps(role))
        return str(path)

    def test_create_list_show_update_assign_delete(self):
        role = {"Name": "Az reads secrets", "IsCustom": True, "Description": "From az", "Actions": ["Microsoft.KeyVault/vaults/*/read"], "NotActions": [],
                "DataActions": [READ_SECRET], "NotDataActions": [], "AssignableScopes": [self.site.subscription]}
        made = self.az("role", "definition", "create", "--role-definition", self.file("role.json", role))
        self.assertEqual((made["roleName"], made["roleType"], made["permissions"][0]["dataActions"]), ("Az reads secrets", "CustomRole", [READ_SECRET]))
        listed = self.az("role", "definition", "list", "--name", "Az reads secrets", "--custom-role-only", "true")
        self.assertEqual([item["id"] for item in listed], [made["id"]])
        self.assertEqual(self.az("role", "definition", "show", "--id", made["id"])["roleName"], "Az reads secrets")
        self.assertEqual(self.az("role", "definition", "show", "--scope", self.site.subscription, "--name", made["name"])["id"], made["id"])

        role.update(id=made["id"], roleName="Az reads secrets", Description="Changed by az", NotDataActions=["Microsoft.KeyVault/vaults/secrets/readMetadata/action"])
        role.pop("Name")
        changed = self.az("role", "definition", "update", "--role-definition", json.dumps(role))
        self.assertEqual((changed["description"], changed["name"]), ("Changed by az", made["name"]))

        who = self.site.principal("az-reads")
        given = self.az("role", "assignment", "create", "--role", "Az reads secrets", "--assignee-object-id", who["id"], "--assignee-principal-type", "ServicePrincipal", "--scope", self.group)
        self.assertEqual(given["roleDefinitionId"], made["id"])
        shown = self.az("role", "assignment", "list", "--scope", self.group, "--assignee", who["appId"])
        self.assertEqual([item["roleDefinitionName"] for item in shown], ["Az reads secrets"])
        self.assertIn("RoleDefinitionHasAssignments", self.az("role", "definition", "delete", "--name", "Az reads secrets", code=1))
        self.az("role", "assignment", "delete", "--ids", given["id"])
        self.az("role", "definition", "delete", "--name", "Az reads secrets")
        self.assertEqual(self.az("role", "definition", "list", "--name", "Az reads secrets"), [])

    def test_a_role_of_a_group_is_found_there(self):
        self.az("role", "definition", "create", "--role-definition", json.dumps({"Name": "Of g", "Actions": ["*/read"], "AssignableScopes": [self.group]}))
        self.assertEqual(self.az("role", "definition", "list", "--name", "Of g"), [])
        self.assertEqual([item["roleName"] for item in self.az("role", "definition", "list", "--name", "Of g", "--scope", self.group)], ["Of g"])
        self.az("role", "definition", "delete", "--name", "Of g", "--resource-group", "g")

    def test_refusals_reach_the_user(self):
        for role, code in (({"Name": "Reader", "Actions": ["*/read"]}, "RoleDefinitionWithSameNameExists"), ({"Name": "x", "Actions": ["Microsoft.KeyVault/vaults/raed"]}, "InvalidActionOrNotAction"),
                           ({"Name": "x", "DataActions": ["Microsoft.KeyVault/vaults/read"]}, "InvalidDataActionOrNotDataAction")):
            self.assertIn(code, self.az("role", "definition", "create", "--role-definition", json.dumps(dict(role, AssignableScopes=[self.site.subscription])), code=1))

    def test_operations_to_make_roles_of(self):
        shown = self.az("provider", "operation", "show", "--namespace", "Microsoft.KeyVault")
        secrets = next(kind for kind in shown["resourceTypes"] if kind["name"] == "vaults/secrets")
        self.assertIn((READ_SECRET, True), [(operation["name"], operation["isDataAction"]) for operation in secrets["operations"]])
        self.assertLessEqual({"Microsoft.KeyVault", "Microsoft.Batch"}, {item["name"] for item in self.az("provider", "operation", "list")})


if __name__ == "__main__":
    unittest.main()
