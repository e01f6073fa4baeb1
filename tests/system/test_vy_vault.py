"""vy keyvault: secrets as files and backups, deleted ones, vaults changed, network rules."""
import pathlib
import tempfile
import unittest

from vaultyard import Site


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

    def test_a_name_is_checked(self):
        check = lambda name: self.site.vy("keyvault", "check-name", "--name", name)
        self.assertTrue(check("kv-vy-free")["nameAvailable"])
        self.assertEqual((check("kv-vy-one")["nameAvailable"], check("kv-vy-one")["reason"]), (False, "AlreadyExists"))
        self.assertEqual(check("no_name")["reason"], "AccountNameInvalid")


if __name__ == "__main__":
    unittest.main()
