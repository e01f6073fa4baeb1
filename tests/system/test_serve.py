"""`vaultyard init` and `serve`: directories, ports, privileges, start, end, crash."""
import json
import os
import pathlib
import socket
import ssl
import subprocess
import tempfile
import time
import unittest

from vaultyard import BUILD, Site


def status_of(pid):
    lines = pathlib.Path(f"/proc/{pid}/status").read_text().splitlines()
    return dict(line.split(":", 1) for line in lines)


class Init(unittest.TestCase):
    def test_profile_has_what_clients_need_and_is_private(self):
        site = Site()
        try:
            wanted = {"tenantId", "subscriptionId", "clientId", "clientSecret", "authorityHost", "resourceManager", "graph", "vaultDnsSuffix", "batchDnsSuffix", "location", "caFile"}
            self.assertEqual(set(site.admin), wanted)
            self.assertEqual((site.dir / "admin.json").stat().st_mode & 0o777, 0o600)
            self.assertEqual((site.dir / "store" / "root.key").stat().st_mode & 0o777, 0o600)
        finally:
            site.close()

    def test_a_directory_in_use_is_refused_and_not_touched(self):
        with tempfile.TemporaryDirectory() as base:
            os.chmod(base, 0o755)
            used = pathlib.Path(base) / "used"
            used.mkdir()
            (used / "file").write_text("mine")
            done = subprocess.run([BUILD / "vaultyard", "init", "--data-dir", used], capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn("already in use", done.stderr)
            self.assertEqual([p.name for p in used.iterdir()], ["file"])

    def test_bad_arguments_are_usage_errors(self):
        for arguments in (["init"], ["init", "--data-dir", "/tmp/x", "--port", "70000"], ["init", "--data-dir", "/tmp/x", "--domain", "Bad_Name"],
                          ["init", "--nonsense"], ["nonsense"], []):
            with self.subTest(arguments):
                done = subprocess.run([BUILD / "vaultyard", *arguments], capture_output=True, text=True)
                self.assertEqual(done.returncode, 2, done.stderr)
                self.assertTrue(done.stderr)

    def test_serving_what_init_did_not_make_says_so(self):
        with tempfile.TemporaryDirectory() as base:
            done = subprocess.run([BUILD / "vaultyard", "serve", "--data-dir", base], capture_output=True, text=True)
            self.assertEqual(done.returncode, 1)
            self.assertIn("vaultyard init", done.stderr)


class Serve(unittest.TestCase):
    def test_ready_line_names_the_visible_port_and_the_profile_follows(self):
        with Site() as site:
            self.assertNotEqual(site.port, 8443)
            self.assertEqual(site.admin["resourceManager"], site.management)
            self.assertEqual(site.call("GET", f"https://vaultyard.localhost:{site.port}/readyz").status, 200)

    def test_both_loopbacks_answer_on_one_port(self):
        with Site() as site:
            listening = subprocess.run(["ss", "-Hltn", f"sport = :{site.port}"], capture_output=True, text=True, check=True).stdout
            self.assertIn(f"127.0.0.1:{site.port}", listening)
            self.assertIn(f"[::1]:{site.port}", listening)

    def test_the_event_loops_find_our_epoll_wait(self):
        """What it mends is in tests/unit/http/test_loop.c; here: the program that ships offers it to the libraries it uses."""
        symbols = subprocess.run(["nm", "-D", "--defined-only", BUILD / "vaultyard"], capture_output=True, text=True, check=True).stdout
        self.assertIn(" T epoll_wait\n", symbols)

    def test_a_second_server_on_the_same_directory_is_refused(self):
        with Site() as site:
            second = subprocess.run([BUILD / "vaultyard", "serve", "--data-dir", site.dir, "--no-host", "--listen", "127.0.0.1:0"], capture_output=True, text=True, timeout=30)
            self.assertEqual(second.returncode, 1)
            self.assertIn("in use", second.stderr)
            self.assertEqual(json.loads((site.dir / "admin.json").read_text()), site.admin)      # still where the first one answers
            self.assertEqual(site.vy("account", "show")["id"], site.admin["subscriptionId"])

    def test_sigterm_ends_with_zero_within_five_seconds(self):
        site = Site().start()
        try:
            begun = time.monotonic()
            self.assertEqual(site.stop(), 0)
            self.assertLess(time.monotonic() - begun, 5)
        finally:
            site.close()

    def test_started_as_root_it_runs_as_the_service_user_without_a_way_back(self):
        with Site() as site:
            status = status_of(site.server.pid)
            owner = json.loads((site.dir / "instance.json").read_text())["uid"]
            self.assertEqual(status["Uid"].split(), [str(owner)] * 4)
            self.assertNotEqual(owner, 0)
            self.assertEqual(int(status["CapEff"], 16), 0)
            self.assertEqual(status["NoNewPrivs"].strip(), "1")

    def test_a_restart_keeps_its_port_and_everything_acknowledged_also_after_kill_9(self):
        with Site() as site:
            port = site.port
            for number in range(20):
                self.assertIn(site.arm("PUT", f"{site.subscription}/resourcegroups/g{number}", {"location": "local"}).status, (200, 201))
            site.kill()
            site.start()
            self.assertEqual(site.port, port)
            names = {group["name"] for group in site.arm("GET", f"{site.subscription}/resourcegroups").json["value"]}
            self.assertTrue({f"g{number}" for number in range(20)} <= names)

    def test_tls_speaks_only_for_names_that_exist(self):
        with Site() as site:
            def handshake(name):
                with socket.create_connection(("127.0.0.1", site.port)) as raw, site.context().wrap_socket(raw, server_hostname=name) as tls:
                    return tls.version(), tls.cipher()[0]
            version, cipher = handshake("management.vaultyard.localhost")
            self.assertIn(version, ("TLSv1.2", "TLSv1.3"))
            self.assertTrue("GCM" in cipher or "POLY1305" in cipher, cipher)
            for name in ("no-such-vault.vault.vaultyard.localhost", "example.com", "x.management.vaultyard.localhost"):
                with self.subTest(name), self.assertRaises((ssl.SSLError, ConnectionError)):
                    handshake(name)

    def test_without_dev_the_clock_cannot_be_moved_and_a_moved_one_is_not_served(self):
        with Site(dev=False) as site:
            answer = site.call("POST", f"{site.management}/providers/Vaultyard.Dev/clock/advance?api-version=2021-01-01", {"by": "1d"}, site.token())
            self.assertEqual(answer.status, 404, answer)
            site.stop()
            site.dev = True
            site.start()
            site.vy("dev", "clock", "advance", "1d")
            site.stop()
            site.dev = False
            with self.assertRaisesRegex(AssertionError, "--dev"):
                site.start()
            site.dev = True

    def test_old_tls_is_refused(self):
        with Site() as site:
            done = subprocess.run(["openssl", "s_client", "-connect", f"127.0.0.1:{site.port}", "-servername", "management.vaultyard.localhost", "-tls1_1",
                                   "-cipher", "ALL:@SECLEVEL=0"], stdin=subprocess.DEVNULL, capture_output=True, text=True)
            self.assertNotEqual(done.returncode, 0)


if __name__ == "__main__":
    unittest.main()
