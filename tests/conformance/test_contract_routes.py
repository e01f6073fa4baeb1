"""Each operation of the services' own descriptions has its row in the route table, built or refused with 501; and what Microsoft.KeyVault says of its operations."""
import json
import pathlib
import re
import unittest

from contract import Contract
from vaultyard import BUILD, Site

TABLES = pathlib.Path(__file__).parent / "contracts"
PLANES = {"batch": "batch", "keyvault": "keyvault", "keyvault-arm": "management"}
# managedHsm.json and keysManagedHsm.json of 2023-07-01, whose operations have two models of a refusal, so they fit into no table.
HSM = "/subscriptions/S/resourceGroups/G/providers/Microsoft.KeyVault/managedHSMs"
HSM_SUB = "/subscriptions/S/providers/Microsoft.KeyVault"
MANAGED_HSM = (
    (f"{HSM_SUB}/managedHSMs", "GET"), (f"{HSM_SUB}/deletedManagedHSMs", "GET"), (f"{HSM_SUB}/checkMhsmNameAvailability", "POST"),
    (f"{HSM_SUB}/locations/L/deletedManagedHSMs/N", "GET"), (f"{HSM_SUB}/locations/L/deletedManagedHSMs/N/purge", "POST"),
    (HSM, "GET"), (f"{HSM}/N", "GET PUT PATCH DELETE"), (f"{HSM}/N/regions", "GET"), (f"{HSM}/N/privateLinkResources", "GET"), (f"{HSM}/N/privateEndpointConnections", "GET"),
    (f"{HSM}/N/privateEndpointConnections/C", "GET PUT DELETE"), (f"{HSM}/N/keys", "GET"), (f"{HSM}/N/keys/K", "GET PUT"), (f"{HSM}/N/keys/K/versions", "GET"),
    (f"{HSM}/N/keys/K/versions/V", "GET"),
)


def pattern(template):
    """A row of `vaultyard routes` as a regular expression."""
    parts = []
    for part in template.strip("/").split("/"):
        if part.endswith("...}"):
            parts.append("(/[^/]+)+")
        elif re.fullmatch(r"\{[^}]*\?\}", part):
            parts.append("(/[^/]*)?")
        else:
            parts.append("/" + re.sub(r"\\\{.*?\\\}", "[^/]+", re.escape(part)))
    return re.compile("".join(parts), re.IGNORECASE)


class ContractRoutes(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site()
        cls.addClassCleanup(cls.site.close)
        listed = cls.site.run([BUILD / "vaultyard", "routes", "--data-dir", cls.site.dir, "--tabs"]).stdout
        cls.rows = [(plane, method, pattern(path)) for plane, method, path, *_ in (line.split("\t") for line in listed.splitlines())]
        cls.site.start()

    def has_row(self, plane, method, path):
        """A HEAD request takes a GET row."""
        asked = re.sub(r"\{[^}]*\}", "x", path).rstrip("/")
        return any(plane == of and how in (method, "GET" if method == "HEAD" else method) and known.fullmatch(asked) for of, how, known in self.rows)

    def test_each_operation_of_the_contracts_has_a_row(self):
        for name, plane in PLANES.items():
            for version, table in json.loads((TABLES / f"{name}.json").read_text()).items():
                without = {operation for operation, fact in table["operations"].items() if not self.has_row(plane, fact["method"], fact["path"])}
                self.assertEqual(without, set(), f"{name} {version}")

    def test_each_operation_of_managed_hsms_has_a_row(self):
        for path, methods in MANAGED_HSM:
            for method in methods.split():
                self.assertTrue(self.has_row("management", method, path), f"{method} {path}")

    def test_what_is_not_built_says_so(self):
        group = f"{self.site.subscription}/resourceGroups/g"
        self.site.vy("group", "create", "-n", "g", "-l", "local")
        answer = self.site.arm("GET", f"{group}/providers/Microsoft.KeyVault/managedHSMs/h", api="2023-07-01")
        self.assertEqual((answer.status, answer.json["error"]["code"]), (501, "NotImplemented"))
        self.site.vy("keyvault", "create", "-n", "no-storage", "-g", "g", "-l", "local", "--enable-rbac-authorization", "true")
        vault = lambda: self.site.call("GET", self.site.vault_url("no-storage", "/storage?api-version=7.4"), token=self.site.token(self.site.vault_resource))
        self.assertEqual(vault().status, 403)
        self.site.vy("role", "assignment", "create", "--role", "Key Vault Administrator", "--assignee", self.site.admin["clientId"], "--scope", f"{group}/providers/Microsoft.KeyVault/vaults/no-storage")
        self.assertEqual(vault().status, 501)

    def test_every_table_is_looked_at(self):
        self.assertEqual({path.stem for path in TABLES.glob("*.json")}, set(PLANES))

    def test_the_operations_of_key_vault(self):
        contract = Contract("keyvault-arm", "2023-07-01")
        answer = self.site.arm("GET", "/providers/Microsoft.KeyVault/operations", api="2023-07-01", token=self.nobody())
        contract.answer(answer, "Operations_List")
        names = {operation["name"] for operation in answer.json["value"]}
        self.assertLessEqual({"Microsoft.KeyVault/vaults/read", "Microsoft.KeyVault/vaults/deploy/action", "Microsoft.KeyVault/vaults/secrets/getSecret/action"}, names)
        self.assertTrue(all(name.startswith("Microsoft.KeyVault/") for name in names))
        self.assertEqual({operation["display"]["provider"] for operation in answer.json["value"]}, {"Microsoft Key Vault"})
        self.assertEqual(self.site.arm("GET", "/providers/Microsoft.Unheard/operations").json["error"]["code"], "InvalidResourceNamespace")
        self.assertEqual(self.site.call("GET", f"{self.site.management}/providers/Microsoft.KeyVault/operations?api-version=2023-07-01").status, 401)

    def test_the_operations_of_all_providers(self):
        listed = self.site.arm("GET", "/providers/Microsoft.Authorization/providerOperations", api="2022-04-01").json["value"]
        one = self.site.arm("GET", "/providers/Microsoft.Authorization/providerOperations/microsoft.batch", api="2022-04-01").json
        self.assertIn(one, listed)
        jobs = next(kind for kind in one["resourceTypes"] if kind["name"] == "batchAccounts/jobs")
        self.assertEqual({(operation["name"].rsplit("/", 1)[1], operation["isDataAction"]) for operation in jobs["operations"]}, {("read", True), ("write", True), ("delete", True)})
        self.assertIn("Microsoft.Batch/register/action", [operation["name"] for operation in one["operations"]])
        self.assertEqual(self.site.arm("GET", "/providers/Microsoft.Authorization/providerOperations/Microsoft.Unheard", api="2022-04-01").status, 404)

    def nobody(self):
        who = self.site.principal("nobody")
        return self.site.token(client_id=who["appId"], secret=who["password"])


if __name__ == "__main__":
    unittest.main()
