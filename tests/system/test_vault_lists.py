"""Every list of a vault in pages, their links, and what is deleted: kept for its days whoever wants it gone, then gone by the clock."""
import base64
import unittest
import urllib.parse

from vaultyard import Site, wait_for

API = "api-version=7.4"
SELF = {"policy": {"issuer": {"name": "Self"}, "x509_props": {"subject": "CN=listed"}, "key_props": {"kty": "EC"}}}
KINDS = ("secrets", "keys", "certificates")
COUNT = 5


class Lists(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site().start()
        cls.site.vy("group", "create", "-n", "g", "-l", "local")
        for name, more in (("kv-lists", ()), ("kv-other", ()), ("kv-kept", ("--retention-days", "7", "--enable-purge-protection", "true"))):
            cls.site.vy("keyvault", "create", "-n", name, "-g", "g", "-l", "local", *more)

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def call(self, method, path, body=None, vault="kv-lists", status=200):
        url = path if path.startswith("https://") else self.site.vault_url(vault, path + ("&" if "?" in path else "?") + API)
        answer = self.site.call(method, url, body, self.site.token(self.site.vault_resource))
        self.assertEqual(answer.status, status, answer)
        return answer.json if answer.body else None

    def make(self, kind, name, vault="kv-lists"):
        if kind == "secrets":
            self.call("PUT", f"/secrets/{name}", {"value": "v"}, vault)
        elif kind == "keys":
            self.call("POST", f"/keys/{name}/create", {"kty": "EC"}, vault)
        else:
            self.call("POST", f"/certificates/{name}/create", SELF, vault, 202)
            wait_for(f"{name} to be made", lambda: self.call("GET", f"/certificates/{name}/pending", vault=vault)["status"] == "completed")

    def pages(self, path, vault="kv-lists"):
        """[the ids of each page]; each link leads to the same list of the same vault, under the name that the site gives it."""
        found, url = [], path
        while url:
            page = self.call("GET", url, vault=vault)
            found.append([item.get("id") or item["kid"] for item in page["value"]])
            url = page["nextLink"]
            if url:
                self.assertTrue(url.startswith(self.site.vault_url(vault, path.split("?")[0] + "?")), url)
                self.assertEqual(urllib.parse.parse_qs(urllib.parse.urlsplit(url).query)["maxresults"], ["2"])
        return found

    def test_1_every_list_comes_whole_and_once(self):
        lists = []
        for kind in KINDS:
            for number in range(COUNT):
                self.make(kind, f"one-{kind}-{number}")
                self.make(kind, f"versions-of-{kind}")
                self.make(kind, f"gone-{kind}-{number}")
            for number in range(COUNT):
                self.call("DELETE", f"/{kind}/gone-{kind}-{number}")
            lists += [(f"/{kind}", f"one-{kind}-"), (f"/{kind}/versions-of-{kind}/versions", "versions-of-"), (f"/deleted{kind}", f"gone-{kind}-")]
        for number in range(COUNT):
            self.call("PUT", f"/certificates/issuers/issuer-{number}", {"provider": "DigiCert"})
        for path, wanted in [*lists, ("/certificates/issuers", "issuer-")]:
            with self.subTest(path):
                pages = self.pages(f"{path}?maxresults=2")
                self.assertTrue(all(len(page) == 2 for page in pages[:-1]), pages)
                ids = [one for page in pages for one in page]
                self.assertEqual(len(set(ids)), len(ids))
                self.assertEqual(sum(f"/{wanted}" in one for one in ids), COUNT)
                self.assertEqual(self.pages(path), [ids])                 # 25 when nobody says how many

    def test_2_a_link_outlives_the_server_and_opens_its_own_vault_alone(self):
        self.make("secrets", "one-elsewhere", "kv-other")
        link = self.call("GET", "/secrets?maxresults=2")["nextLink"]
        before = self.call("GET", link)["value"]
        self.site.stop()
        self.site.start(listen=(f"127.0.0.1:{self.site.port}",))
        self.assertEqual(self.call("GET", link)["value"], before)
        there = self.call("GET", link.replace("kv-lists", "kv-other"))["value"]
        self.assertTrue(all(item["id"].startswith(self.site.vault_url("kv-other")) for item in there))
        self.assertEqual([item for item in self.call("GET", link.replace("/secrets?", "/keys?"))["value"] if "/secrets/" in item["kid"]], [])
        self.assertEqual(self.site.call("GET", link).status, 401)

    def test_3_numbers_and_marks_that_are_none_are_refused(self):
        for path in ("/secrets", "/secrets/versions-of-secrets/versions", "/deletedsecrets", "/keys", "/keys/versions-of-keys/versions", "/deletedkeys", "/certificates",
                     "/certificates/versions-of-certificates/versions", "/deletedcertificates", "/certificates/issuers"):
            for query, says in (("maxresults=0", "maxresults"), ("maxresults=26", "maxresults"), ("maxresults=-1", "maxresults"), ("maxresults=two", "maxresults"), ("$skiptoken=%25%25", "skiptoken")):
                with self.subTest(f"{path}?{query}"):
                    error = self.call("GET", f"{path}?{query}", status=400)["error"]
                    self.assertEqual(error["code"], "BadParameter")
                    self.assertIn(says, error["message"])

    def test_4_a_mark_of_ones_own_making_shows_nothing_that_is_not_listed(self):
        mark = base64.urlsafe_b64encode(b"zzzz").decode().rstrip("=")
        self.assertEqual(self.call("GET", f"/secrets?$skiptoken={mark}")["value"], [])

    def test_5_what_a_certificate_owns_says_so(self):
        item = next(item for item in self.call("GET", "/secrets")["value"] if "/one-certificates-" in item["id"])
        shown = self.call("GET", urllib.parse.urlsplit(item["id"]).path)
        self.assertEqual((item["managed"], shown["managed"], "kid" in item), (True, True, False))
        self.assertEqual(shown["kid"], shown["id"].replace("/secrets/", "/keys/"))
        self.assertTrue(next(item for item in self.call("GET", "/keys")["value"] if "/one-certificates-" in item["kid"])["managed"])

    def test_6_what_was_deleted_is_kept_for_its_days_and_then_goes_by_the_clock(self):
        names = {kind: f"kept-{kind}" for kind in KINDS}
        for kind, name in names.items():
            self.make(kind, name, "kv-kept")
        for kind, name in names.items():
            gone = self.call("DELETE", f"/{kind}/{name}", vault="kv-kept")
            self.assertEqual((gone["scheduledPurgeDate"] - gone["deletedDate"], gone["attributes"]["recoveryLevel"]), (7 * 86400, "CustomizedRecoverable"))
            self.assertEqual(self.call("DELETE", f"/deleted{kind}/{name}", vault="kv-kept", status=403)["error"]["code"], "Forbidden")
        self.site.vy("dev", "clock", "advance", "6d")
        for kind, name in names.items():
            self.assertIn(name, self.call("GET", f"/deleted{kind}/{name}", vault="kv-kept")["recoveryId"])
        self.call("POST", f"/certificates/{names['certificates']}/create", SELF, "kv-kept", 409)
        self.site.vy("dev", "clock", "advance", "2d")
        for kind, name in names.items():
            wait_for(f"{name} to go", lambda: self.site.call("GET", self.site.vault_url("kv-kept", f"/deleted{kind}/{name}?{API}"), token=self.site.token(self.site.vault_resource)).status == 404)
            self.make(kind, name, "kv-kept")                                # its name is free again

    def test_7_a_vault_goes_likewise(self):
        self.site.vy("keyvault", "delete", "-n", "kv-kept")
        self.assertIn("purge", self.site.vy("keyvault", "purge", "-n", "kv-kept", code=1).stderr.lower())
        self.site.vy("dev", "clock", "advance", "6d")
        self.assertEqual([vault["name"] for vault in self.site.vy("keyvault", "list-deleted")], ["kv-kept"])
        self.assertFalse(self.site.vy("keyvault", "check-name", "-n", "kv-kept")["nameAvailable"])
        self.site.vy("dev", "clock", "advance", "2d")
        wait_for("the vault to go", lambda: self.site.vy("keyvault", "list-deleted") == [])
        self.assertTrue(self.site.vy("keyvault", "check-name", "-n", "kv-kept")["nameAvailable"])


if __name__ == "__main__":
    unittest.main()
