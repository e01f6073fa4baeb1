"""Every route of the table, asked with no token, a wrong audience, a token of another site, and a principal without any permission.

"No answer without permission": what is not declared public gives 401 or 403, never an answer, whether or not what it names exists."""
import re
import unittest

from vaultyard import BUILD, Site

HOSTS = {"login": "login", "management": "management", "arm": "management", "graph": "graph", "keyvault": "refuse-me.vault", "batch": "refuseme.local.batch",
         "nodes": "nodes", "node": "nodes", "health": ""}
METHODS_WITH_BODY = ("POST", "PUT", "PATCH")


class Refusals(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site()
        listed = cls.site.run([BUILD / "vaultyard", "routes", "--data-dir", cls.site.dir, "--tabs"]).stdout
        cls.routes = [[field[0], field[1], field[2], field[5]] for field in (line.split("\t") for line in listed.splitlines())]
        cls.site.start()
        cls.site.vy("group", "create", "-n", "refuse", "-l", "local")
        cls.site.vy("keyvault", "create", "-n", "refuse-me", "-g", "refuse", "-l", "local")
        cls.site.vy("batch", "account", "create", "-n", "refuseme", "-g", "refuse", "-l", "local")
        cls.nobody = cls.site.principal("nobody")

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def url(self, plane, path, newest):
        fixed = {"subscriptionId": self.site.admin["subscriptionId"], "resourceGroupName": "refuse", "vaultName": "refuse-me", "accountName": "refuseme",
                 "scope...": self.site.subscription.lstrip("/")}
        path = re.sub(r"\{([^}]+)\}", lambda m: fixed.get(m.group(1), "x"), path)
        host = HOSTS[plane]
        api = {"keyvault": ("7.4", "2025-07-01"), "batch": ("2022-10-01.16.0", "2024-07-01.20.0")}.get(plane, ("2021-01-01", "2024-07-01"))[newest]
        return f"https://{host + '.' if host else ''}vaultyard.localhost:{self.site.port}{path}?api-version={api}"

    def guarded(self):
        return [route for route in self.routes if route[3] != "public"]

    def ask(self, route, token):
        """A row holds for some api-versions; the other one answers 400 whoever asks, which says nothing."""
        body = "{}" if route[1] in METHODS_WITH_BODY else None
        answers = [self.site.call(route[1], self.url(route[0], route[2], newest), body, token, {"Content-Type": "application/json"} if body else None) for newest in (0, 1)]
        return answers[1] if answers[0].status == 400 else answers[0]

    def test_the_table_is_not_empty_and_every_plane_is_known(self):
        self.assertGreater(len(self.routes), 100)
        self.assertLessEqual({route[0] for route in self.routes}, set(HOSTS))

    def test_without_a_token(self):
        for route in self.guarded():
            with self.subTest(" ".join(route)):
                self.assertEqual(self.ask(route, None).status, 401)

    def test_with_a_token_for_another_audience(self):
        other = {"keyvault": self.site.admin["graph"]}
        for route in self.guarded():
            audience = other.get(route[0], self.site.vault_resource)
            with self.subTest(" ".join(route)):
                self.assertEqual(self.ask(route, self.site.token(audience)).status, 401)

    def test_with_a_token_of_another_site(self):
        with Site() as other:
            foreign = other.token()
        for route in self.guarded():
            with self.subTest(" ".join(route)):
                self.assertEqual(self.ask(route, foreign).status, 401)

    def test_with_a_principal_without_permission(self):
        audiences = {"keyvault": self.site.vault_resource, "batch": f"https://{self.site.admin['batchDnsSuffix']}", "graph": self.site.admin["graph"]}
        for route in self.guarded():
            if route[3] in ("token", "Directory.Read"):      # the handler filters what its caller may see; a directory is open to its members
                continue
            token = self.site.token(audiences.get(route[0]), client_id=self.nobody["appId"], secret=self.nobody["password"])
            with self.subTest(" ".join(route)):
                wanted = (401,) if route[0] in ("nodes", "node") else (403, 404, 400) if route[3] == "Directory.Change" else (403,)   # Change is decided by the object, and there is none
                self.assertIn(self.ask(route, token).status, wanted)


if __name__ == "__main__":
    unittest.main()
