"""Diagnostic settings of vaults: the audit log in files, where the service would put them."""
import json
import os
import pathlib
import tempfile
import unittest

from vaultyard import Site, wait_for

API = "api-version=7.4"
SETTINGS = "/providers/Microsoft.Insights/diagnosticSettings"
STORE = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/logs/providers/Microsoft.Storage/storageAccounts/"


class Diagnostics(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory(prefix="vaultyard-test-")
        cls.logs = pathlib.Path(cls.folder.name)
        cls.logs.chmod(0o777)                                    # the service user writes here
        cls.site = Site(serve_args=["--audit-logs", cls.logs]).start()
        cls.site.vy("group", "create", "-n", "g", "-l", "local")
        cls.ids = {name: cls.site.vy("keyvault", "create", "-n", name, "-g", "g", "-l", "local")["id"] for name in ("kv-logged", "kv-quiet", "kv-killed", "kv-refused")}

    @classmethod
    def tearDownClass(cls):
        cls.site.close()
        cls.folder.cleanup()

    def put(self, vault, name="all", token=None, **properties):
        wanted = {"storageAccountId": STORE + "auditlogs", "logs": [{"category": "AuditEvent", "enabled": True}], **properties}
        return self.site.arm("PUT", f"{self.ids[vault]}{SETTINGS}/{name}", {"properties": {k: v for k, v in wanted.items() if v is not None}}, api="2021-05-01-preview", token=token)

    def vault(self, method, name, path, body=None):
        return self.site.call(method, self.site.vault_url(name, f"{path}?{API}"), body, self.site.token(self.site.vault_resource))

    def records(self, vault, account="auditlogs"):
        found = []
        for path in sorted(self.logs.glob(f"{account}/insights-logs-auditevent/resourceId=/**/PT1H.json")):
            if f"/VAULTS/{vault.upper()}/" in str(path):
                found += [json.loads(line) for line in path.read_text().splitlines()]
        return found

    def test_reads_writes_and_refusals_are_in_the_file_of_their_hour(self):
        made = self.put("kv-logged")
        self.assertEqual(made.status, 200, made)
        self.assertEqual(made.json["properties"]["logs"][0]["category"], "AuditEvent")
        self.vault("PUT", "kv-logged", "/secrets/written", {"value": "do-not-log"})
        self.vault("GET", "kv-logged", "/secrets/written")
        self.vault("GET", "kv-logged", "/secrets/none")
        self.vault("PUT", "kv-quiet", "/secrets/unlogged", {"value": "v"})
        wanted = {("SecretSet", 200), ("SecretGet", 200), ("SecretGet", 404)}
        of = lambda: {(one["operationName"], one["properties"]["httpStatusCode"]) for one in self.records("kv-logged")}
        wait_for("the records are in the files", lambda: wanted <= of())
        one = next(one for one in self.records("kv-logged") if one["operationName"] == "SecretSet")
        self.assertEqual((one["resourceId"].lower(), one["category"]), (self.ids["kv-logged"].lower(), "AuditEvent"))
        [path] = {path for path in self.logs.glob("auditlogs/**/PT1H.json") if "KV-LOGGED" in str(path) and "SecretSet" in path.read_text()}
        time = one["time"]
        self.assertTrue(str(path).endswith(f"resourceId={self.ids['kv-logged'].upper()}/y={time[:4]}/m={time[5:7]}/d={time[8:10]}/h={time[11:13]}/m=00/PT1H.json"), path)
        self.assertEqual(self.records("kv-quiet"), [])
        self.assertNotIn("do-not-log", path.read_text())

    def test_a_setting_is_listed_changed_and_deleted(self):
        self.assertEqual(self.put("kv-quiet", "first", storageAccountId=STORE + "one").status, 200)
        self.assertEqual(self.put("kv-quiet", "first", storageAccountId=STORE + "two").status, 200)
        url = self.ids["kv-quiet"] + SETTINGS
        self.assertEqual(self.site.arm("GET", f"{url}/FIRST", api="2021-05-01-preview").json["properties"]["storageAccountId"], STORE + "two")
        self.assertEqual([one["name"] for one in self.site.arm("GET", url, api="2021-05-01-preview").json["value"]], ["first"])
        self.assertEqual([one["name"] for one in self.site.arm("GET", url + "Categories", api="2021-05-01-preview").json["value"]], ["AuditEvent"])
        self.assertEqual([self.site.arm("DELETE", f"{url}/first", api="2021-05-01-preview").status for _ in range(2)], [200, 204])
        self.assertEqual(self.site.arm("GET", f"{url}/first", api="2021-05-01-preview").status, 404)

    def test_a_kill_loses_no_record(self):
        self.assertEqual(self.put("kv-killed").status, 200)
        for number in range(40):
            self.vault("PUT", "kv-killed", f"/secrets/k-{number}", {"value": "v"})
        self.site.kill()
        self.site.tokens.clear()
        self.site.start()
        self.vault("PUT", "kv-killed", "/secrets/after", {"value": "v"})
        wanted = {f"k-{number}" for number in range(40)} | {"after"}
        names = lambda: {one["properties"]["id"].split("/secrets/")[1].split("/")[0] for one in self.records("kv-killed") if one["operationName"] == "SecretSet"}
        wait_for("all are in the files", lambda: wanted <= names())

    def test_what_cannot_be_done_is_refused_and_nothing_is_kept(self):
        nobody = self.site.principal("diagnostics-nobody")
        stranger = self.site.token(client_id=nobody["appId"], secret=nobody["password"])
        cases = ((dict(storageAccountId=None), 400, "storageAccountId"), (dict(storageAccountId=STORE + "../etc"), 400, "storageAccountId"), (dict(storageAccountId=STORE + "Upper"), 400, "storageAccountId"),
                 (dict(workspaceId="/subscriptions/x"), 501, "workspaceId"), (dict(eventHubAuthorizationRuleId="/x"), 501, "eventHub"),
                 (dict(logs=[{"category": "Other", "enabled": True}]), 400, "AuditEvent"), (dict(logs=[{"category": "AuditEvent", "enabled": False}]), 400, "AuditEvent"),
                 (dict(logs=[{"category": "AuditEvent", "enabled": True, "retentionPolicy": {"enabled": True, "days": 3}}]), 501, "retentionPolicy"),
                 (dict(metrics=[{"category": "AllMetrics", "enabled": True}]), 501, "metrics"))
        for properties, status, word in cases:
            with self.subTest(str(properties)):
                answer = self.put("kv-refused", **properties)
                self.assertEqual(answer.status, status, answer)
                self.assertIn(word, answer.json["error"]["message"])
        self.assertEqual(self.put("kv-refused", token=stranger).status, 403)
        self.assertEqual(self.site.arm("GET", self.ids["kv-refused"] + SETTINGS, api="2021-05-01-preview").json["value"], [])
        with Site() as plain:
            plain.vy("group", "create", "-n", "g", "-l", "local")
            vault = plain.vy("keyvault", "create", "-n", "kv-plain", "-g", "g", "-l", "local")["id"]
            answer = plain.arm("PUT", f"{vault}{SETTINGS}/all", {"properties": {"storageAccountId": STORE + "a11", "logs": [{"categoryGroup": "audit", "enabled": True}]}}, api="2021-05-01-preview")
            self.assertEqual(answer.status, 501, answer)
            self.assertIn("--audit-logs", answer.json["error"]["message"])


if __name__ == "__main__":
    unittest.main()
