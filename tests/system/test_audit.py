"""One record for each data-plane operation, and `vaultyard audit verify` notices what was changed, removed, reordered or cut off."""
import contextlib
import json
import shutil
import sqlite3
import unittest

from vaultyard import BUILD, Site


class Audit(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site().start()
        cls.site.vy("group", "create", "-n", "g", "-l", "local")
        cls.site.vy("keyvault", "create", "-n", "kv-audit", "-g", "g", "-l", "local")
        for number in range(5):
            cls.site.vy("keyvault", "secret", "set", "--vault-name", "kv-audit", "-n", f"s{number}", "--value", "not-to-be-found-in-any-log")
            cls.site.vy("keyvault", "secret", "show", "--vault-name", "kv-audit", "-n", f"s{number}")
        cls.site.call("GET", cls.site.vault_url("kv-audit", "/secrets/s1?api-version=7.4"))
        cls.site.kill()                                  # nothing that was answered may be missing
        cls.kept = cls.site.base / "kept"
        shutil.copytree(cls.site.dir / "store", cls.kept)

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def setUp(self):
        """The store as the killed server left it, owned as it was."""
        store = self.site.dir / "store"
        for path in sorted(store.rglob("*"), reverse=True):
            path.unlink() if not path.is_dir() else path.rmdir()
        owner = store.stat()
        shutil.copytree(self.kept, store, dirs_exist_ok=True)
        for path in [store, *store.rglob("*")]:
            shutil.chown(path, owner.st_uid, owner.st_gid)

    def verify(self, code):
        done = self.site.run([BUILD / "vaultyard", "audit", "verify", "--data-dir", self.site.dir], code=code)
        return done.stdout + done.stderr

    def reads(self):
        return self.site.dir / "store" / "audit" / "reads.log"

    def records(self):
        lines = [json.loads(line) for line in self.reads().read_text().splitlines()]
        with contextlib.closing(sqlite3.connect(self.site.dir / "store" / "vaultyard.db")) as database:
            writes = [row for row in database.execute("SELECT * FROM audit_record")]
        return lines, writes

    def test_an_untouched_chain_is_sound_after_kill_9(self):
        self.assertIn("the chain is sound", self.verify(0))

    def test_each_operation_has_a_record_and_none_holds_a_value_or_a_token(self):
        lines, writes = self.records()
        text = json.dumps(lines) + repr(writes)
        self.assertEqual((text.count("SecretGet"), text.count("SecretSet")), (5, 5), text)
        self.assertIn('"operationName": "Authentication"', text)        # the call without a token
        self.assertNotIn("not-to-be-found-in-any-log", text)
        self.assertNotIn("eyJ", text)

    def test_a_changed_record_of_a_read_is_found(self):
        text = self.reads().read_text()
        self.assertIn("s3", text)
        self.reads().write_text(text.replace("s3", "s4", 1))
        self.assertTrue(self.verify(1))

    def test_a_removed_record_of_a_read_is_found(self):
        lines = self.reads().read_text().splitlines(keepends=True)
        self.reads().write_text("".join(lines[:1] + lines[2:]))
        self.assertTrue(self.verify(1))

    def test_exchanged_records_of_reads_are_found(self):
        lines = self.reads().read_text().splitlines(keepends=True)
        lines[0], lines[1] = lines[1], lines[0]
        self.reads().write_text("".join(lines))
        self.assertTrue(self.verify(1))

    def edit(self, statement):
        path = self.site.dir / "store" / "vaultyard.db"
        with contextlib.closing(sqlite3.connect(path)) as database:
            changed = database.execute(statement).rowcount
            database.commit()
        self.assertGreater(changed, 0, statement)
        owner = self.reads().stat()
        for name in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                shutil.chown(str(path) + name, owner.st_uid, owner.st_gid)

    def test_a_removed_record_of_a_write_is_found(self):
        self.edit("DELETE FROM audit_record WHERE rowid = (SELECT rowid FROM audit_record LIMIT 1 OFFSET 2)")
        self.assertTrue(self.verify(1))

    def test_the_last_record_of_a_write_cut_off_is_found(self):
        self.edit("DELETE FROM audit_record WHERE rowid = (SELECT MAX(rowid) FROM audit_record)")
        self.assertTrue(self.verify(1))


if __name__ == "__main__":
    unittest.main()
