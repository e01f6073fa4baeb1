"""Document 3, "Migrate access management from Azure Batch certificates to Azure Key Vault", in its order; each step names the sentence it shows."""
import json
import subprocess
import unittest
import urllib.parse

from accountcerts import Certificate, DataPlane, pool_body
from az import Az
from vaultyard import BUILD, Site

# The document's lines, as they are. What stands in angle brackets the reader replaces.
CLI_GROUP = "az group create -name <ResourceGroupName> -l <Location>"
CLI_VAULT = "az keyvault create -name <KeyVaultName> -resource-group <ResourceGroupName> -location <Location>"
BATCH = "ddbf3205-c6bd-46ae-8127-60eb93363864"


def filled(line, **values):
    for name, value in values.items():
        line = line.replace(f"<{name}>", value)
    return line


class Document3(unittest.TestCase):
    """The steps share one site and run in the order of their numbers."""

    @classmethod
    def setUpClass(cls):
        cls.site = Site().start()
        cls.vy = staticmethod(cls.site.vy)
        cls.subscription = cls.site.subscription

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def line(self, text, code=0, admin=None):
        """A line of the document in a shell where `az` is vy."""
        done = subprocess.run(["bash", "-c", f'az() {{ "{BUILD / "vy"}" "$@"; }}\n{text}'], env=self.site.vy_env(admin), capture_output=True, text=True, timeout=170)
        self.assertEqual(done.returncode, code, f"{text}\n{done.stdout}\n{done.stderr}")
        return done.stderr if code else json.loads(done.stdout)

    def who(self, name, role, scope=None):
        """The admin.json of somebody with that role in the subscription."""
        principal = self.site.principal(name)
        self.vy("role", "assignment", "create", "--assignee", principal["appId"], "--role", role, "--scope", scope or self.subscription)
        return self.site.profile_of(principal, name)

    # -- the old way, and its end

    def test_01_a_certificate_at_the_account_level(self):
        """"you can use a certificate at the account level in Azure Batch. You must generate the certificate and upload it manually"; "the certificate must be associated with"."""
        self.vy("group", "create", "-n", "old", "-l", "local")
        self.vy("batch", "account", "create", "-n", "oldway", "-g", "old", "-l", "local")
        type(self).certificate = Certificate(self.site.base, "access")
        type(self).plane = DataPlane(self.site, "old", "oldway")
        added = self.plane.call("POST", "/certificates", self.certificate.body())
        self.assertEqual(added.status, 201, added)
        self.assertEqual(self.plane.call("POST", "/pools", pool_body("with-certificate", [self.certificate.reference("task")], nodes=0)).status, 201)
        self.assertEqual(self.plane.call("POST", "/certificates", self.certificate.body(password="wrong", thumbprint="0" * 40)).status, 400)

    def test_02_it_is_going_to_be_retired(self):
        """"on February 29, 2024, we'll retire the certificate feature": until then it works, and says so."""
        shown = self.vy("batch", "certificate", "feature", "show")
        self.assertEqual(shown["state"], "retiring")
        answer = self.plane.call("GET", "/certificates")
        self.assertIn("azure-deprecating", {name.lower() for name in answer.headers.keys()})

    def test_03_after_it_no_pool_is_created_by_using_a_certificate(self):
        """"After that date, you won't be able to create a pool by using a certificate."; "a certificate in Batch might not work as expected"."""
        self.vy("batch", "certificate", "feature", "set", "--state", "retired")
        refused = self.plane.call("POST", "/pools", pool_body("another", [self.certificate.reference("task")], nodes=0))
        self.assertEqual((refused.status, refused.json["code"]), (400, "CertificateRetired"), refused)
        self.assertEqual(self.plane.call("POST", "/pools", pool_body("without", [], nodes=0)).status, 201)
        pools = {pool["id"]: pool for pool in self.plane.call("GET", "/pools").json["value"]}
        self.assertEqual(set(pools), {"with-certificate", "without"})
        self.assertEqual(pools["with-certificate"]["certificateReferences"][0]["thumbprint"], self.certificate.thumbprint)
        self.vy("batch", "certificate", "feature", "set", "--state", "retiring")

    # -- create a key vault

    def test_04_who_may_create_one(self):
        """"you must have a valid Azure subscription and Owner or Contributor access for Azure Key Vault"."""
        other = self.vy("account", "subscription", "create", "-n", "elsewhere")
        self.vy("group", "create", "-n", "who", "-l", "local")
        for name, role in (("owner", "Owner"), ("contributor", "Contributor")):
            line = filled(CLI_VAULT, KeyVaultName=f"made-by-{name}", ResourceGroupName="who", Location="local")
            made = self.line(line, admin=self.who(name, role))
            self.assertEqual(made["name"], f"made-by-{name}")
        for name, role, scope in (("reader", "Reader", None), ("batch-only", "Azure Batch Account Contributor", None), ("elsewhere-owner", "Owner", f"/subscriptions/{other['id']}")):
            line = filled(CLI_VAULT, KeyVaultName=f"made-by-{name[:9]}", ResourceGroupName="who", Location="local")
            self.assertIn("AuthorizationFailed", self.line(line, code=1, admin=self.who(name, role, scope)))
        self.assertEqual(sorted(vault["name"] for vault in self.vy("keyvault", "list")), ["made-by-contributor", "made-by-owner"])

    def portal(self, method, path, body=None, api="2023-07-01"):
        return self.site.arm(method, f"{self.subscription}{path}", body, api=api)

    def vault_body(self, tier, **properties):
        return {"location": "westus2", "properties": {"tenantId": self.site.admin["tenantId"], "sku": {"family": "A", "name": tier}, "accessPolicies": [],
                "enableRbacAuthorization": False, **properties}}

    def test_05_by_the_portal(self):
        """"Sign in ... Search for key vaults ... select Create. Enter or select your subscription, a resource group name, a key vault name, the pricing tier (Standard or Premium),
        and the region": by the requests behind the pages."""
        self.assertIn(self.site.admin["subscriptionId"], [item["subscriptionId"] for item in self.site.arm("GET", "/subscriptions").json["value"]])
        self.assertEqual(self.portal("PUT", "/resourceGroups/portal", {"location": "West US 2"}, api="2021-04-01").json["location"], "westus2")
        search = "/resources?$filter=" + urllib.parse.quote("resourceType eq 'Microsoft.KeyVault/vaults'")
        before = len(self.portal("GET", search, api="2021-04-01").json["value"])
        free = self.portal("POST", "/providers/Microsoft.KeyVault/checkNameAvailability", {"name": "portal-standard", "type": "Microsoft.KeyVault/vaults"})
        self.assertTrue(free.json["nameAvailable"], free)
        for tier in ("standard", "premium"):
            made = self.portal("PUT", f"/resourceGroups/portal/providers/Microsoft.KeyVault/vaults/portal-{tier}", self.vault_body(tier))
            self.assertIn(made.status, (200, 201), made)
            self.assertEqual(made.json["properties"]["sku"]["name"], tier)
        self.assertEqual(len(self.portal("GET", search, api="2021-04-01").json["value"]), before + 2)
        for tier, properties in (("gold", {}), ("standard", {"tenantId": "00000000-0000-4000-8000-000000000000"}), ("standard", {"softDeleteRetentionInDays": 3})):
            refused = self.portal("PUT", "/resourceGroups/portal/providers/Microsoft.KeyVault/vaults/portal-refused", self.vault_body(tier, **properties))
            self.assertEqual(refused.status, 400, refused)
        self.assertEqual(self.portal("GET", "/resourceGroups/portal/providers/Microsoft.KeyVault/vaults/portal-refused").status, 404)

    def test_06_names_are_unique(self):
        """"Each key vault name must be unique in Azure." """
        taken = self.portal("POST", "/providers/Microsoft.KeyVault/checkNameAvailability", {"name": "Portal-Standard", "type": "Microsoft.KeyVault/vaults"}).json
        self.assertEqual((taken["nameAvailable"], taken["reason"]), (False, "AlreadyExists"))
        other = self.vy("account", "subscription", "create", "-n", "elsewhere")["id"]
        self.vy("group", "create", "-n", "again", "-l", "local", "--subscription", other)
        refused = self.site.arm("PUT", f"/subscriptions/{other}/resourceGroups/again/providers/Microsoft.KeyVault/vaults/portal-standard", self.vault_body("standard"), api="2023-07-01")
        self.assertEqual((refused.status, refused.json["error"]["code"]), (409, "VaultAlreadyExists"), refused)
        for bad in ("a", "1st", "two--hyphens", "end-", "under_score", "x" * 25):
            self.assertFalse(self.portal("POST", "/providers/Microsoft.KeyVault/checkNameAvailability", {"name": bad, "type": "Microsoft.KeyVault/vaults"}).json["nameAvailable"], bad)

    def test_07_go_to_the_vault(self):
        """"Go to the key vault you created. The key vault name and the URI you use to access the vault are shown." """
        shown = self.portal("GET", "/resourceGroups/portal/providers/Microsoft.KeyVault/vaults/portal-standard").json
        self.assertEqual((shown["name"], shown["properties"]["vaultUri"]), ("portal-standard", self.site.vault_url("portal-standard", "/")))
        self.assertEqual(self.site.call("GET", shown["properties"]["vaultUri"] + "secrets?api-version=7.4").status, 401)

    def test_08_by_powershell(self):
        """"Login-AzAccount", "New-AzResourceGroup -Name -Location", "New-AzKeyVault -Name -ResourceGroupName -Location": the requests of each, and its line of vy."""
        token = self.site.token()                                                                       # Login-AzAccount -ServicePrincipal
        self.assertEqual([t["tenantId"] for t in self.site.arm("GET", "/tenants", token=token).json["value"]], [self.site.admin["tenantId"]])
        self.assertEqual(self.portal("GET", "/resourcegroups/ps-group", api="2021-04-01").status, 404)
        made = self.portal("PUT", "/resourcegroups/ps-group", {"location": "westus2"}, api="2021-04-01")
        self.assertEqual((made.status, made.json["properties"]["provisioningState"]), (201, "Succeeded"))
        self.assertEqual(self.portal("GET", "/providers/Microsoft.KeyVault", api="2021-04-01").json["registrationState"], "Registered")
        vault = self.vault_body("Standard", enableSoftDelete=True, softDeleteRetentionInDays=90)
        made = self.portal("PUT", "/resourceGroups/ps-group/providers/Microsoft.KeyVault/vaults/ps-vault", vault, api="2022-11-01")
        self.assertIn(made.status, (200, 201), made)
        self.assertEqual(made.json["location"], "westus2")
        # vy group create -n NAME -l LOCATION; vy keyvault create -n NAME -g GROUP -l LOCATION
        self.assertEqual(self.vy("group", "show", "-n", "ps-group")["location"], "westus2")
        self.assertEqual(self.vy("keyvault", "show", "-n", "ps-vault")["properties"]["sku"]["name"], "standard")

    def test_09_by_the_azure_cli_a_group(self):
        """"az group create -name <ResourceGroupName> -l <Location>" """
        made = self.line(filled(CLI_GROUP, ResourceGroupName="cli-group", Location="westus2"))
        self.assertEqual((made["name"], made["location"]), ("cli-group", "westus2"))

    def test_10_by_the_azure_cli_a_vault(self):
        """"az keyvault create -name <KeyVaultName> -resource-group <ResourceGroupName> -location <Location>": never read as -l with the value "ocation"."""
        line = filled(CLI_VAULT, KeyVaultName="cli-vault", ResourceGroupName="cli-group", Location="westus2")
        made = self.line(line)
        self.assertEqual((made["name"], made["location"], made["resourceGroup"]), ("cli-vault", "westus2", "cli-group"))
        self.assertIn("already", self.line(line, code=1))
        for wrong, says in (("-locatoin westus2", "Did you mean --location?"), ("-lwestus2", "unrecognized"), ("-location", "expected one value"), ("-location ''", "is empty")):
            self.assertIn(says, self.line(f"az keyvault create -name cli-vault2 -resource-group cli-group {wrong}", code=2))
        self.assertIn("ResourceGroupNotFound", self.line(filled(CLI_VAULT, KeyVaultName="cli-vault2", ResourceGroupName="no-such", Location="westus2"), code=3))
        self.vy("keyvault", "show", "-n", "cli-vault2", code=3)

    # -- FAQ

    def test_11_user_subscription_mode(self):
        """"In user subscription mode, you must create the key vault at the time you create the Batch account." """
        account = f"{self.subscription}/resourceGroups/cli-group/providers/Microsoft.Batch/batchAccounts/usermode"
        refused = self.site.arm("PUT", account, {"location": "westus2", "properties": {"poolAllocationMode": "UserSubscription"}}, api="2023-11-01")
        self.assertEqual((refused.status, refused.json["error"]["code"]), (400, "MissingRequiredProperty"), refused)
        self.vy("keyvault", "create", "-n", "user-vault", "-g", "cli-group", "-l", "westus2", "--enable-rbac-authorization", "false")
        self.assertIn("InvalidKeyVaultReference", self.vy("batch", "account", "create", "-n", "usermode", "-g", "cli-group", "-l", "westus2", "--keyvault", "user-vault", code=1).stderr)
        self.vy("keyvault", "set-policy", "-n", "user-vault", "--spn", BATCH, "--secret-permissions", "get", "list", "set", "delete", "recover")
        made = self.vy("batch", "account", "create", "-n", "usermode", "-g", "cli-group", "-l", "westus2", "--keyvault", "user-vault")
        self.assertEqual((made["poolAllocationMode"], made["keyVaultReference"]["url"]), ("UserSubscription", self.site.vault_url("user-vault", "/")))
        self.assertEqual(self.site.arm("POST", f"{account}/listKeys", "", api="2023-11-01").json["error"]["code"], "InvalidRestAPIForAccountSetting")

    def test_12_what_is_in_a_vault_stays_there(self):
        """"You can manage all secrets from one dashboard"; "give authenticated users access": the caller who made the vault, and nobody else."""
        self.vy("keyvault", "create", "-n", "store-vault", "-g", "cli-group", "-l", "westus2", "--enable-rbac-authorization", "false")
        self.vy("keyvault", "secret", "set", "--vault-name", "store-vault", "-n", "access-key", "--value", "s3cret")
        self.assertEqual(self.vy("keyvault", "secret", "show", "--vault-name", "store-vault", "-n", "access-key")["value"], "s3cret")
        stranger = self.who("stranger", "Reader")
        self.assertIn("Forbidden", self.vy("keyvault", "secret", "show", "--vault-name", "store-vault", "-n", "access-key", code=1, admin=stranger).stderr)


class Document3WithAz(unittest.TestCase):
    """The same lines by the unmodified az, where its parser takes them."""

    @classmethod
    def setUpClass(cls):
        cls.site = Site().start()
        cls.az = Az(cls.site)
        cls.az.login()

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def test_01_its_parser_reads_single_dashes_otherwise(self):
        """-name is -n ame to it, so the document's lines are wrong usage there, and change nothing."""
        self.az("group", "create", "-name", "az-group", "-l", "westus2", code=2)
        self.az("keyvault", "create", "-name", "az-kv-1", "-resource-group", "az-group", "-location", "westus2", code=2)
        self.assertEqual(self.az("group", "list"), [])

    def test_02_its_spelling_today(self):
        self.assertEqual(self.az("group", "create", "--name", "az-group", "-l", "westus2")["location"], "westus2")
        for sku in ("standard", "premium"):
            made = self.az("keyvault", "create", "--name", f"az-kv-{sku}", "--resource-group", "az-group", "--location", "westus2", "--sku", sku)
            self.assertEqual((made["name"], made["location"], made["properties"]["sku"]["name"]), (f"az-kv-{sku}", "westus2", sku))
        self.assertIn("already", self.az("keyvault", "create", "--name", "az-kv-standard", "--resource-group", "az-group", "--location", "westus2", code=1))


if __name__ == "__main__":
    unittest.main()
