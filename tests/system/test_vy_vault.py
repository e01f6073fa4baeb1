"""vy keyvault: secrets as files and backups, deleted ones, vaults changed, network rules."""
import pathlib
import tempfile
import unittest

from terminal import Terminal
from vaultyard import BUILD, Site


class VyVault(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site().start()
        cls.site.vy("group", "create", "-n", "g", "-l", "local")
        for name in ("kv-vy-one", "kv-vy-two"):
            cls.site.vy("keyvault", "create", "-n", name, "-g", "g", "-l", "local")
        cls.folder = tempfile.TemporaryDirectory(prefix="vaultyard-test-")

    @classmethod
    def tearDownClass(cls):
        cls.site.close()
        cls.folder.cleanup()

    def secret(self, *arguments, **how):
        return self.site.vy("keyvault", "secret", *arguments, **how)

    def file(self, name):
        return pathlib.Path(self.folder.name) / name

    def test_a_value_is_downloaded_as_it_is_or_decoded(self):
        self.secret("set", "--vault-name", "kv-vy-one", "-n", "plain", "--value", "line\n")
        self.secret("set", "--vault-name", "kv-vy-one", "-n", "bytes", "--value", "AAEC/w==", "--tags", "file-encoding=base64")
        self.secret("download", "--vault-name", "kv-vy-one", "-n", "plain", "-f", str(self.file("plain")))
        self.assertEqual(self.file("plain").read_text(), "line\n")
        self.assertEqual(self.file("plain").stat().st_mode & 0o777, 0o600)
        self.secret("download", "--vault-name", "kv-vy-one", "-n", "bytes", "-f", str(self.file("bytes")))
        self.assertEqual(self.file("bytes").read_bytes(), bytes([0, 1, 2, 255]))
        self.secret("download", "--vault-name", "kv-vy-one", "-n", "bytes", "-f", str(self.file("text")), "--encoding", "utf-8")
        self.assertEqual(self.file("text").read_text(), "AAEC/w==")

    def test_no_file_is_replaced_and_nothing_bad_is_written(self):
        self.secret("set", "--vault-name", "kv-vy-one", "-n", "kept", "--value", "new")
        self.file("kept").write_text("old")
        said = self.secret("download", "--vault-name", "kv-vy-one", "-n", "kept", "-f", str(self.file("kept")), code=1).stderr
        self.assertIn("nothing was written", said)
        self.assertEqual(self.file("kept").read_text(), "old")
        self.assertIn("base64", self.secret("download", "--vault-name", "kv-vy-one", "-n", "kept", "-f", str(self.file("none")), "-e", "base64", code=1).stderr)
        self.assertIn("none of utf-8", self.secret("download", "--vault-name", "kv-vy-one", "-n", "kept", "-f", str(self.file("none")), "-e", "latin1", code=2).stderr)
        self.assertIn("was not found", self.secret("download", "--vault-name", "kv-vy-one", "-n", "never", "-f", str(self.file("none")), code=3).stderr)
        self.assertFalse(self.file("none").exists())

    def test_a_backup_brings_all_versions_to_another_vault(self):
        for value in ("one", "two"):
            self.secret("set", "--vault-name", "kv-vy-one", "-n", "saved", "--value", value)
        self.secret("backup", "--vault-name", "kv-vy-one", "-n", "saved", "-f", str(self.file("saved.backup")))
        self.assertNotIn(b"two", self.file("saved.backup").read_bytes())
        restored = self.secret("restore", "--vault-name", "kv-vy-two", "-f", str(self.file("saved.backup")))
        self.assertIn("kv-vy-two", restored["id"])
        self.assertEqual(self.secret("show", "--vault-name", "kv-vy-two", "-n", "saved")["value"], "two")
        self.assertEqual(len(self.secret("list-versions", "--vault-name", "kv-vy-two", "-n", "saved")), 2)
        self.assertIn("saved", self.secret("restore", "--vault-name", "kv-vy-two", "-f", str(self.file("saved.backup")), code=1).stderr)
        self.file("bad").write_bytes(b"no backup")
        self.assertIn("BadParameter", self.secret("restore", "--vault-name", "kv-vy-two", "-f", str(self.file("bad")), code=1).stderr)

    def test_a_deleted_secret_is_listed_recovered_and_purged(self):
        self.secret("set", "--vault-name", "kv-vy-one", "-n", "fallen", "--value", "v")
        self.secret("delete", "--vault-name", "kv-vy-one", "-n", "fallen")
        self.assertIn("fallen", [one["name"] for one in self.secret("list-deleted", "--vault-name", "kv-vy-one")])
        self.assertIn("/deletedsecrets/fallen", self.secret("show-deleted", "--vault-name", "kv-vy-one", "-n", "fallen")["recoveryId"])
        self.secret("recover", "--vault-name", "kv-vy-one", "-n", "fallen")
        self.assertEqual(self.secret("show", "--vault-name", "kv-vy-one", "-n", "fallen")["value"], "v")
        self.assertIn("Deleted Secret not found", self.secret("purge", "--vault-name", "kv-vy-one", "-n", "fallen", code=3).stderr)
        self.secret("delete", "--vault-name", "kv-vy-one", "-n", "fallen")
        self.secret("purge", "--vault-name", "kv-vy-one", "-n", "fallen")
        self.assertNotIn("fallen", [one["name"] for one in self.secret("list-deleted", "--vault-name", "kv-vy-one")])

    def test_a_vault_is_changed_and_only_that(self):
        vy = lambda *arguments, **how: self.site.vy("keyvault", *arguments, **how)
        before = vy("show", "-n", "kv-vy-two")["properties"]
        changed = vy("update", "-n", "kv-vy-two", "--enabled-for-deployment", "true", "--default-action", "Deny", "--tags", "a=b")
        self.assertEqual((changed["properties"]["enabledForDeployment"], changed["properties"]["networkAcls"]["defaultAction"], changed["tags"]), (True, "Deny", {"a": "b"}))
        self.assertEqual(changed["properties"]["accessPolicies"], before["accessPolicies"])
        rules = vy("network-rule", "add", "-n", "kv-vy-two", "--ip-address", "203.0.113.7", "198.51.100.0/24")["properties"]["networkAcls"]
        self.assertEqual([rule["value"] for rule in rules["ipRules"]], ["203.0.113.7/32", "198.51.100.0/24"])
        self.assertEqual(rules["defaultAction"], "Deny")
        self.assertIn("Client address is not authorized", self.secret("list", "--vault-name", "kv-vy-two", code=1).stderr)
        vy("network-rule", "add", "-n", "kv-vy-two", "--ip-address", "127.0.0.1")
        vy("network-rule", "remove", "-n", "kv-vy-two", "--ip-address", "203.0.113.7")
        self.assertEqual([rule["value"] for rule in vy("network-rule", "list", "-n", "kv-vy-two")["ipRules"]], ["198.51.100.0/24", "127.0.0.1/32"])
        self.assertIn("no network rule", vy("network-rule", "remove", "-n", "kv-vy-two", "--ip-address", "203.0.113.7", code=3).stderr)
        vy("update", "-n", "kv-vy-two", "--default-action", "Allow")
        self.secret("list", "--vault-name", "kv-vy-two")
        self.assertIn("give what to change", vy("update", "-n", "kv-vy-two", code=2).stderr)

    def test_a_file_is_encoded_and_comes_back_and_bad_ones_are_refused(self):
        self.file("binary").write_bytes(bytes(range(256)))
        vault = ["--vault-name", "kv-vy-one"]
        self.assertEqual(self.secret("set", *vault, "-n", "encoded", "-f", str(self.file("binary")), "-e", "base64")["tags"], {"file-encoding": "base64"})
        self.secret("download", *vault, "-n", "encoded", "-f", str(self.file("again")))
        self.assertEqual(self.file("again").read_bytes(), bytes(range(256)))
        self.secret("download", *vault, "-n", "encoded", "-f", str(self.file("again")), code=1)
        self.secret("set", *vault, "-n", "encoded", "--value", "newer", "--tags", "a=b")
        self.secret("download", *vault, "-n", "encoded", "-f", str(self.file("again")), "--overwrite")
        self.assertEqual(self.file("again").read_text(), "newer")
        for words, says in ((["-f", str(self.file("binary"))], "--encoding base64"), (["-f", str(self.file("binary")), "-e", "ascii"], "--encoding base64"), (["--value", "é", "-e", "ascii"], "not ASCII"),
                            (["--value", "00", "-e", "hex"], "of a --file"), (["--value", "x", "-e", "rot13"], "none of utf-8"), (["-f", "/nowhere/x"], "there is no file")):
            with self.subTest(words):
                self.assertIn(says, self.secret("set", *vault, "-n", "refused", *words, code=2).stderr)
        self.secret("show", *vault, "-n", "refused", code=3)

    def test_lists_take_an_address_and_a_number(self):
        address = self.site.vault_url("kv-vy-two")
        for number in range(3):
            self.secret("set", "--vault-name", "kv-vy-two", "-n", f"listed-{number}", "--value", "v")
        self.assertEqual(len(self.secret("list", "--id", address + "/secrets/any", "--maxresults", "2")), 2)
        self.assertGreaterEqual(len(self.secret("list", "--id", address)), 3)
        self.assertIn("maxresults", self.secret("list", "--id", address, "--maxresults", "26", code=1).stderr)
        self.assertIn("--maxresults", self.secret("list", "--id", address, "--maxresults", "none", code=2).stderr)
        self.assertIn("no vault of this site", self.secret("list", "--id", "https://kv-vy-two.vault.example.com/", code=2).stderr)
        self.assertIn("give one of them", self.secret("list", "--id", address, "--vault-name", "kv-vy-two", code=2).stderr)
        self.assertIn("--vault-name (or --id)", self.secret("list", code=2).stderr)

    def test_a_vault_is_made_with_rules_and_flags(self):
        vy = lambda *arguments, **how: self.site.vy("keyvault", *arguments, **how)
        self.file("acls.json").write_text('{"ip": ["203.0.113.9"]}')
        self.assertIsNone(vy("create", "-n", "kv-vy-rules", "-g", "g", "-l", "local", "--network-acls", f"@{self.file('acls.json')}", "--network-acls-ips", "198.51.100.0/24", "--default-action", "Deny",
                             "--network-acls-vnets", "net/sub", "--enabled-for-deployment", "--enable-rbac-authorization", "false", "--no-wait"))
        made = vy("show", "-n", "kv-vy-rules")["properties"]
        self.assertEqual([rule["value"] for rule in made["networkAcls"]["ipRules"]], ["203.0.113.9/32", "198.51.100.0/24"])
        self.assertTrue(made["networkAcls"]["virtualNetworkRules"][0]["id"].lower().endswith("/resourcegroups/g/providers/microsoft.network/virtualnetworks/net/subnets/sub"))
        self.assertEqual((made["enabledForDeployment"], made["networkAcls"]["defaultAction"], made["enableRbacAuthorization"]), (True, "Deny", False))
        vy("network-rule", "add", "-n", "kv-vy-rules", "--ip-address", "203.0.113.9")                     # is there already: nothing changes
        vy("network-rule", "remove", "-n", "kv-vy-rules", "--subnet", "sub", "--vnet-name", "net")
        rules = vy("network-rule", "list", "-n", "kv-vy-rules")
        self.assertEqual((len(rules["ipRules"]), rules["virtualNetworkRules"]), (2, []))
        self.assertIn("--ip-address or --subnet", vy("network-rule", "add", "-n", "kv-vy-rules", code=2).stderr)
        self.assertIn("no subnet", vy("network-rule", "add", "-n", "kv-vy-rules", "--subnet", "sub", code=2).stderr)
        self.assertIn("--network-acls", vy("create", "-n", "kv-vy-none", "-g", "g", "--network-acls", "{", code=2).stderr)
        person = self.site.admin_object_id()
        both = vy("set-policy", "-n", "kv-vy-rules", "--object-id", person, "--application-id", "11111111-2222-3333-4444-555555555555", "--secret-permissions", "get")["properties"]["accessPolicies"]
        self.assertEqual([policy.get("applicationId") for policy in both], [None, "11111111-2222-3333-4444-555555555555"])
        left = vy("delete-policy", "-n", "kv-vy-rules", "--object-id", person, "--application-id", "11111111-2222-3333-4444-555555555555")["properties"]["accessPolicies"]
        self.assertEqual(left, both[:1])

    def test_waiting_ends_when_it_is_so_and_shows_a_line_meanwhile(self):
        vy = lambda *arguments, **how: self.site.vy("keyvault", *arguments, **how)
        self.assertIsNone(vy("wait", "-n", "kv-vy-one", "--created"))
        self.assertIsNone(vy("wait", "-n", "kv-vy-one", "-g", "g", "--custom", "properties.vaultUri"))
        self.assertIsNone(vy("network-rule", "wait", "-n", "kv-vy-one", "--exists"))
        self.assertIsNone(vy("wait", "-n", "kv-vy-never", "--deleted"))
        vy("wait", "-n", "kv-vy-never", "--updated", code=3)
        self.assertIn("timed out after 1 s", vy("wait", "-n", "kv-vy-never", "--exists", "--interval", "2", "--timeout", "1", code=1).stderr)
        self.assertIn("timed out", vy("wait", "-n", "kv-vy-one", "--custom", "properties.vaultUri=='x'", "--interval", "2", "--timeout", "1", code=1).stderr)
        for words, says in (([], "what to wait for"), (["--exists", "--interval", "0"], "--interval"), (["--custom", "[?"], "--custom")):
            self.assertIn(says, vy("wait", "-n", "kv-vy-one", *words, code=2).stderr)
        command = [BUILD / "vy", "keyvault", "wait", "-n", "kv-vy-later", "--exists", "--interval", "1"]
        with Terminal(command, env=self.site.vy_env()) as shown, Terminal([*command, "--only-show-errors"], env=self.site.vy_env()) as silent:
            shown.wait_for("Waiting ..")
            vy("create", "-n", "kv-vy-later", "-g", "g", "-l", "local")
            self.assertTrue(shown.end().endswith("\r\033[K"))
            self.assertEqual(silent.end(), "")
        done = self.site.run([BUILD / "vy", *command[1:]], env=self.site.vy_env())
        self.assertEqual((done.stdout, done.stderr), ("", ""))

    def test_each_request_is_told_on_wish_without_its_token(self):
        done = self.site.run([BUILD / "vy", "keyvault", "show", "-n", "kv-vy-one", "-g", "g", "--verbose"], env=self.site.vy_env())
        self.assertRegex(done.stderr, r"vy: GET https://.*/vaults/kv-vy-one\?api-version=\S+: 200 after \d+ ms\n")
        self.assertNotIn("eyJ", done.stderr)                 # how each token begins

    def test_a_name_is_checked(self):
        check = lambda name: self.site.vy("keyvault", "check-name", "--name", name)
        self.assertTrue(check("kv-vy-free")["nameAvailable"])
        self.assertEqual((check("kv-vy-one")["nameAvailable"], check("kv-vy-one")["reason"]), (False, "AlreadyExists"))
        self.assertEqual(check("no_name")["reason"], "AccountNameInvalid")


if __name__ == "__main__":
    unittest.main()
