"""The unmodified az: federated credentials of applications and identities, and signing in with a token of another issuer."""
import json
import unittest

from az import Az
from issuer import AUDIENCE, Issuer
from vaultyard import Site

SUBJECT = "repo:contoso/web:environment:production"


class AzFederation(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.issuer = Issuer()
        cls.site = Site(serve_args=["--issuer-ca", str(cls.issuer.ca)]).start()
        cls.az = Az(cls.site)
        cls.az.login()

    @classmethod
    def tearDownClass(cls):
        cls.site.close()
        cls.issuer.close()

    def test_an_application_signs_in_by_its_federated_credential(self):
        made = self.az("ad", "sp", "create-for-rbac", "--name", "github")
        parameters = {"name": "github-web", "issuer": self.issuer.url, "subject": SUBJECT, "audiences": [AUDIENCE], "description": "deployments"}
        shown = self.az("ad", "app", "federated-credential", "create", "--id", made["appId"], "--parameters", json.dumps(parameters))
        self.assertEqual((shown["name"], shown["subject"]), ("github-web", SUBJECT))
        self.assertEqual([one["name"] for one in self.az("ad", "app", "federated-credential", "list", "--id", made["appId"])], ["github-web"])
        self.az("ad", "app", "federated-credential", "update", "--id", made["appId"], "--federated-credential-id", "github-web",
                "--parameters", json.dumps({"issuer": self.issuer.url, "subject": SUBJECT, "audiences": [AUDIENCE], "description": "changed"}))
        self.assertEqual(self.az("ad", "app", "federated-credential", "show", "--id", made["appId"], "--federated-credential-id", shown["id"])["description"], "changed")
        self.az("role", "assignment", "create", "--assignee", made["appId"], "--role", "Reader", "--scope", self.site.subscription)
        self.addCleanup(self.az.login)
        login = ["login", "--service-principal", "-u", made["appId"], "--tenant", self.site.admin["tenantId"], "--federated-token"]
        self.assertIn("AADSTS700213", self.az(*login, self.issuer.token("repo:contoso/other:environment:production"), code=1))
        self.az(*login, self.issuer.token(SUBJECT))
        self.assertEqual(self.az("account", "show")["user"]["name"], made["appId"])
        self.az("group", "list")
        self.az.login()
        self.az("ad", "app", "federated-credential", "delete", "--id", made["appId"], "--federated-credential-id", "github-web")
        self.az("account", "clear")                                         # it keeps tokens, which last until they end
        self.assertIn("AADSTS70025", self.az(*login, self.issuer.token(SUBJECT), code=1))

    def test_an_identity_takes_federated_credentials(self):
        self.az("group", "create", "-n", "g", "-l", "local")
        made = self.az("identity", "create", "-g", "g", "-n", "workload", "-l", "local")
        created = self.az("identity", "federated-credential", "create", "-g", "g", "--identity-name", "workload", "--name", "kube", "--issuer", self.issuer.url,
                          "--subject", "system:serviceaccount:a:b", "--audiences", AUDIENCE)
        self.assertEqual((created["issuer"], created["subject"], created["audiences"]), (self.issuer.url, "system:serviceaccount:a:b", [AUDIENCE]))
        self.az("identity", "federated-credential", "update", "-g", "g", "--identity-name", "workload", "--name", "kube", "--issuer", self.issuer.url,
                "--subject", "system:serviceaccount:a:c", "--audiences", AUDIENCE)
        self.assertEqual([one["subject"] for one in self.az("identity", "federated-credential", "list", "-g", "g", "--identity-name", "workload")], ["system:serviceaccount:a:c"])
        self.addCleanup(self.az.login)
        self.az("login", "--service-principal", "-u", made["clientId"], "--tenant", self.site.admin["tenantId"], "--allow-no-subscriptions",
                "--federated-token", self.issuer.token("system:serviceaccount:a:c"))
        self.az.login()
        self.az("identity", "federated-credential", "delete", "-g", "g", "--identity-name", "workload", "--name", "kube", "--yes")
        self.assertEqual(self.az("identity", "federated-credential", "list", "-g", "g", "--identity-name", "workload"), [])


if __name__ == "__main__":
    unittest.main()
