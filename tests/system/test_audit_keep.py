"""serve --audit-keep: old audit records go, the rest still verifies, and what was done by hand is found."""
import contextlib
import http.client
import json
import pathlib
import re
import shutil
import sqlite3
import subprocess
import tempfile
import threading
import unittest

from vaultyard import BUILD, Site, wait_for

API = "api-version=7.4"
KEEP = ["--audit-keep", "PT2S"]
SETTINGS = "/providers/Microsoft.Insights/diagnosticSettings/all"
STORE = "/subscriptions/00000000-0000-0000-0000-000000000001/resourceGroups/logs/providers/Microsoft.Storage/storageAccounts/kept"


class AuditKeep(unittest.TestCase):
    def site(self, vault, *serve_args):
        site = Site(serve_args=serve_args).start()
        self.addCleanup(site.close)
        site.vy("group", "create", "-n", "g", "-l", "local")
        self.vault_id = site.vy("keyvault", "create", "-n", vault, "-g", "g", "-l", "local")["id"]
        self.vault = vault
        return site

    def secret(self, site, method, name, body=None):
        return site.call(method, site.vault_url(self.vault, f"/secrets/{name}?{API}"), body, site.token(site.vault_resource))

    def both(self, site, names):
        for name in names:
            self.assertEqual(self.secret(site, "PUT", name, {"value": "v"}).status, 200)
            self.assertEqual(self.secret(site, "GET", name).status, 200)

    def log(self, site):
        return site.log_tail(1 << 30)

    def trimmed(self, site):
        """How many records of writes and of reads were removed by now, as the log tells."""
        found = re.findall(r"audit\.trimmed writes=(\d+) reads=(\d+)", self.log(site))
        return sum(int(w) for w, r in found), sum(int(r) for w, r in found)

    def verify(self, site, code=0):
        done = site.run([BUILD / "vaultyard", "audit", "verify", "--data-dir", site.dir], code=code)
        return done.stdout + done.stderr

    def database(self, site, *statements):
        """Statements against the store of a server that does not run; the rows of the last one."""
        path = site.dir / "store" / "vaultyard.db"
        with contextlib.closing(sqlite3.connect(path)) as database:
            rows = [list(database.execute(statement)) for statement in statements][-1]
            database.commit()
        owner = (site.dir / "store").stat()
        for name in ("", "-wal", "-shm"):
            with contextlib.suppress(FileNotFoundError):
                shutil.chown(str(path) + name, owner.st_uid, owner.st_gid)
        return rows

    def files(self, site):
        return sorted((site.dir / "store" / "audit").glob("reads-*.log"))

    def test_old_records_go_and_verify_says_what_went_and_until_when(self):
        site = self.site("kv-goes", *KEEP)
        self.both(site, [f"s{number}" for number in range(20)])
        wait_for("20 writes and 20 reads are trimmed", lambda: all(count >= 20 for count in self.trimmed(site)))
        self.assertEqual(self.secret(site, "GET", "s7").json["value"], "v")
        site.stop()
        said = self.verify(site)
        self.assertIn("the chain is sound", said)
        writes = re.search(r"writes: records 1 to (\d+), made until (20\S+Z), were trimmed by --audit-keep, the last of them at (20\S+Z); write (\d+) tells", said)
        reads = re.search(r"reads: records 1 to (\d+), made until (20\S+Z), were trimmed", said)
        self.assertGreaterEqual(int(writes[1]), 20)
        self.assertGreaterEqual(int(reads[1]), 20)
        self.assertLess(writes[2], writes[3])
        [[told]] = self.database(site, f"SELECT record FROM audit_record WHERE number = {writes[4]}")
        told = json.loads(told)
        self.assertEqual(told["operationName"], "AuditTrimmed")
        self.assertIn(f"writes 1 to {writes[1]} ", told["resultDescription"])
        self.assertIn(f"reads 1 to {reads[1]} ", told["resultDescription"])
        [[first]] = self.database(site, "SELECT MIN(number) FROM audit_record")
        self.assertEqual(first, int(writes[1]) + 1)

        # With the option away nothing more goes, and the base points go on proving.
        site.serve_args.clear()
        site.tokens.clear()
        site.start()
        self.both(site, ["later"])
        site.stop()
        self.assertIn(f"records 1 to {writes[1]}, made", self.verify(site))

    def test_without_the_option_nothing_goes(self):
        site = self.site("kv-stays")
        self.both(site, ["a"])
        site.stop()
        self.assertNotIn("trimmed", self.verify(site))
        self.assertEqual(self.database(site, "SELECT MIN(number) FROM audit_record"), [(1,)])

    def test_kill_9_while_records_go_leaves_what_verifies(self):
        site = self.site("kv-killed", "--audit-keep", "PT1S")
        for round in range(5):
            before, stop, made = len(re.findall("audit.trimmed", self.log(site))), threading.Event(), []

            def work():
                while not stop.is_set():
                    with contextlib.suppress(OSError, http.client.HTTPException):        # the server is killed meanwhile
                        made.append(self.secret(site, "PUT", f"k-{round}-{len(made)}", {"value": "v"}).status)
                        self.secret(site, "GET", f"k-{round}-0")

            site.token(site.vault_resource)
            thread = threading.Thread(target=work)
            thread.start()
            try:
                wait_for("records went", lambda: len(re.findall("audit.trimmed", self.log(site))) > before + 1, pause=0.001)
            finally:
                site.kill()
                stop.set()
                thread.join()
            self.assertIn("the chain is sound", self.verify(site))
            site.tokens.clear()
            site.start()
        site.stop()
        self.assertIn("were trimmed", self.verify(site))

    def test_what_diagnostic_settings_wait_for_stays_until_it_is_delivered(self):
        folder = tempfile.TemporaryDirectory(prefix="vaultyard-test-")
        self.addCleanup(folder.cleanup)
        logs = pathlib.Path(folder.name)
        logs.chmod(0o777)                                                # the service user writes here
        site = self.site("kv-held", "--audit-keep", "PT1S", "--audit-logs", logs)
        body = {"properties": {"storageAccountId": STORE, "logs": [{"category": "AuditEvent", "enabled": True}]}}
        self.assertEqual(site.arm("PUT", self.vault_id + SETTINGS, body, api="2021-05-01-preview").status, 200)
        site.stop()
        site.tokens.clear()

        # Nobody delivers: nothing goes, however old.
        site.serve_args[:] = ["--audit-keep", "PT1S"]
        site.start()
        self.both(site, [f"h{number}" for number in range(10)])
        held = self.log(site).count("audit.trim_held")
        wait_for("older records are held", lambda: self.log(site).count("audit.trim_held") > held + 3)
        site.stop()
        self.assertIn("the chain is sound", self.verify(site))
        self.assertEqual(self.database(site, "SELECT COUNT(*) FROM audit_record WHERE record LIKE '%SecretSet%'"), [(10,)])
        site.tokens.clear()

        # Now they are delivered, and then they go.
        site.serve_args[:] = ["--audit-keep", "PT1S", "--audit-logs", logs]
        removed = self.trimmed(site)
        site.start()
        wait_for("they go", lambda: all(now >= before + 10 for now, before in zip(self.trimmed(site), removed)))
        delivered = "".join(path.read_text() for path in logs.glob("kept/**/PT1H.json"))
        for operation in ("SecretSet", "SecretGet"):
            names = {json.loads(line)["properties"]["id"].split("/")[4] for line in delivered.splitlines() if json.loads(line)["operationName"] == operation}
            self.assertLessEqual({f"h{number}" for number in range(10)}, names)
        site.stop()
        self.assertIn("the chain is sound", self.verify(site))

    def test_a_cut_by_hand_and_a_base_point_put_back_are_found(self):
        site = self.site("kv-hand", *KEEP)
        self.both(site, [f"s{number}" for number in range(5)])
        wait_for("a first cut", lambda: all(count >= 5 for count in self.trimmed(site)))
        site.stop()
        self.database(site, "CREATE TABLE old_base AS SELECT * FROM audit_base")
        site.tokens.clear()
        removed = self.trimmed(site)
        site.start()
        self.both(site, [f"t{number}" for number in range(5)])
        wait_for("a second cut", lambda: all(now >= before + 5 for now, before in zip(self.trimmed(site), removed)))
        site.serve_args.clear()
        site.stop()
        site.tokens.clear()
        site.start()
        self.both(site, ["kept"])
        site.stop()
        self.assertIn("the chain is sound", self.verify(site))
        kept = site.base / "kept-store"
        shutil.copytree(site.dir / "store", kept)
        [[base]] = self.database(site, "SELECT number FROM audit_base WHERE stream = 'writes'")
        cases = (("base point is missing", "DELETE FROM audit_base WHERE stream = 'reads'"), ("are missing", "DELETE FROM audit_base"),
                 ("not genuine", f"UPDATE audit_base SET number = {base + 1}, mac = (SELECT mac FROM audit_record WHERE number = {base + 1}) WHERE stream = 'writes'"),
                 ("of an older cut", "UPDATE audit_base SET (number, mac, until_ms, cut_ms, count, noted, seal) = (SELECT number, mac, until_ms, cut_ms, count, noted, seal FROM old_base WHERE stream = 'reads') WHERE stream = 'reads'"),
                 ("missing", "REPLACE INTO audit_base SELECT * FROM old_base"),
                 (f"records {base + 1} to {base + 1} are missing", f"DELETE FROM audit_record WHERE number = {base + 1}"))
        for words, statement in cases:
            with self.subTest(words):
                self.database(site, statement)
                self.assertIn(words, self.verify(site, 1))
            self.put_back(site, kept)
        (site.dir / "store" / "audit" / "reads.log").unlink()
        for path in self.files(site):
            path.unlink()
        self.assertRegex(self.verify(site, 1), r"reads: records \d+ to \d+ are missing at the end")

    def put_back(self, site, kept):
        store = site.dir / "store"
        owner = store.stat()
        shutil.rmtree(store / "audit")
        for path in store.glob("vaultyard.db-*"):
            path.unlink()
        shutil.copytree(kept, store, dirs_exist_ok=True)
        for path in [store, *store.rglob("*")]:
            shutil.chown(path, owner.st_uid, owner.st_gid)
        self.assertIn("the chain is sound", self.verify(site))

    def test_a_time_that_is_too_short_is_refused_before_anything_is_opened(self):
        for arguments, words in ((["--audit-keep", "3h"], "a day at least"), (["--dev", "--audit-keep", "0s"], "no time"), (["--audit-keep", "soon"], "such as 90d"),
                                 (["--audit-keep", "P3M"], "such as 90d"), (["--audit-keep"], "needs a value"), (["--audit-keep", "1d", "--audit-keep", "2d"], "too often")):
            with self.subTest(arguments), tempfile.TemporaryDirectory() as empty:
                site_dir = pathlib.Path(empty) / "none"
                done = subprocess.run([BUILD / "vaultyard", "serve", "--data-dir", site_dir, *arguments], capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertIn(words, done.stderr)


if __name__ == "__main__":
    unittest.main()
