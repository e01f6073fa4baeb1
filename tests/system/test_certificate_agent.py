"""The certificate agent as a program of its own on this machine, with a metadata address of the test's: push, its fall-back, files, hook."""
import json
import os
import select
import signal
import socket
import statistics
import subprocess
import threading
import time
import unittest

from certagent import AgentCase
from vaultyard import BUILD, wait_for

ALONE = True        # it measures

ROUNDS = int(os.environ.get("VAULTYARD_PUSH_ROUNDS", "10"))


class CertificateAgent(AgentCase):
    def wait_until_idle(self, agent, seconds=2.5):
        """Until it has not run for so long: what it waits for is no pause between tries, of which the first ones are shorter."""
        last = [agent.switches(), time.monotonic()]

        def is_idle():
            now = agent.switches()
            if now != last[0]:
                last[:] = [now, time.monotonic()]
            return time.monotonic() - last[1] > seconds
        wait_for("it is idle", is_idle)

    def test_a_new_version_reaches_the_disk_by_push(self):
        url, version = self.certificate("push")
        agent = self.agent("a", [url]).start()
        wait_for("the first version", lambda: self.has(agent, "push", version))
        wait_for("it listens", lambda: "certs.listening" in agent.log())
        took = []
        for _ in range(ROUNDS):
            done = {}

            def watch(old=os.readlink(agent.store / "kv-agent.push")):
                while os.readlink(agent.store / "kv-agent.push") == old and "stop" not in done:
                    time.sleep(0.001)
                done["at"] = time.monotonic()
            watcher = threading.Thread(target=watch)
            watcher.start()
            begun = time.monotonic()
            _, version = self.certificate("push")
            made = time.monotonic()
            watcher.join(10)
            done["stop"] = True
            self.assertTrue(self.has(agent, "push", version), agent.log())
            took.append(done["at"] - begun)
            self.assertLess(done["at"] - made, 2.0)
        memory = agent.memory()
        print(f"  push: from asking for a new version to the file on disk: median {statistics.median(took) * 1000:.0f} ms, slowest {max(took) * 1000:.0f} ms, {ROUNDS} rounds; "
              f"agent RssAnon {memory['RssAnon']} KiB, VmRSS {memory['VmRSS']} KiB", flush=True)
        self.assertLess(statistics.median(took), 2.0)
        if "asan" not in str(BUILD):
            self.assertLess(memory["RssAnon"], 5 * 1024)
        self.assertEqual(agent.stop(), 0)

    def test_what_changed_while_the_server_was_away_comes_when_it_is_back(self):
        url, version = self.certificate("away")
        agent = self.agent("a", [url]).start()
        wait_for("the first version", lambda: self.has(agent, "away", version))
        wait_for("it listens", lambda: "certs.listening" in agent.log())
        port = self.site.port
        os.kill(agent.process.pid, signal.SIGSTOP)           # it learns of nothing itself until the server has been away and is back
        _, version = self.certificate("away")
        self.site.kill()
        self.site.start(listen=(f"127.0.0.1:{port}", f"[::1]:{port}"))
        os.kill(agent.process.pid, signal.SIGCONT)
        wait_for("the version made meanwhile", lambda: self.has(agent, "away", version), timeout=30)

    def test_without_permission_it_says_who_lacks_what_and_heals_by_itself(self):
        url, version = self.certificate("closed")
        self.allow("list")
        agent = self.agent("a", [url], poll="50").start()
        wait_for("the reason", lambda: (agent.dir / "1.status").exists() and "may not get the secret 'closed'" in agent.status()["formattedMessage"]["message"])
        self.assertEqual(agent.once().returncode, 1)
        self.allow("get")
        wait_for("the certificate", lambda: self.has(agent, "closed", version), timeout=30)

    def test_a_permission_given_back_reaches_who_waits_for_it_by_push(self):
        url, version = self.certificate("given")
        agent = self.agent("a", [url]).start()
        self.addCleanup(self.allow)
        wait_for("it listens", lambda: self.has(agent, "given", version) and "certs.listening" in agent.log())
        took = []
        for interruptions in range(1, 4):
            self.allow("list")
            wait_for("it was told at once that it may not hear any more", lambda: agent.log().count("certs.feed_interrupted") == interruptions)
            _, version = self.certificate("given")
            self.wait_until_idle(agent)
            begun = time.monotonic()
            self.allow()
            wait_for("the version that it could not have until now", lambda: self.has(agent, "given", version), timeout=10, pause=0.002)
            took.append(time.monotonic() - begun)
        print(f"  permission given to file on disk: median {statistics.median(took) * 1000:.0f} ms, slowest {max(took) * 1000:.0f} ms", flush=True)
        self.assertLess(max(took), 1.5)
        self.assertNotIn("certs.sync_failed", agent.log())       # it did not have to ask for the secret to learn that

    def test_a_vault_that_does_not_answer_holds_up_nobody_else(self):
        url, version = self.certificate("quick")
        with socket.create_server(("127.0.0.1", 0)) as hung:                # takes connections and says nothing
            dead = f"https://hung.localhost:{hung.getsockname()[1]}/secrets/"
            agent = self.agent("a", [dead + "a", dead + "b", url], own={"initialSyncBackoffMs": 60000}).start()
            wait_for("the other vault's certificate", lambda: self.has(agent, "quick", version), timeout=8)      # connecting is given 10 s
            _, version = self.certificate("quick")
            wait_for("its next version", lambda: self.has(agent, "quick", version), timeout=8)

            def state():
                return json.loads((agent.dir / "state.json").read_text())["certificates"]

            # The second may still be asked for.
            wait_for("the reason", lambda: any("could not be reached in time" in (c.get("lastError") or "") for c in state()[:2]), timeout=60)
            wait_for("the status", lambda: agent.status()["status"] == "warning", timeout=30)
            self.assertEqual([c["isCurrent"] for c in state()], [False, False, True])

    def test_the_initial_sync_is_tried_25_times_and_then_fails_but_goes_on(self):
        url, version = self.certificate("late")
        self.vy("keyvault", "set-policy", "-n", "kv-agent", "--object-id", self.principal["id"], "--secret-permissions", "list")
        self.addCleanup(self.allow)
        agent = self.agent("a", [url], poll="50", own={"initialSyncBackoffMs": 1})
        text = json.loads((agent.dir / "settings.json").read_text())
        text["secretsManagementSettings"]["requireInitialSync"] = True
        (agent.dir / "settings.json").write_text(json.dumps(text))
        notes = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(notes.close)
        notes.bind(str(agent.dir / "notify"))
        notes.settimeout(60)
        agent.start(NOTIFY_SOCKET=str(agent.dir / "notify"))
        wait_for("a first word", lambda: (agent.dir / "1.status").exists())
        self.assertEqual(agent.status()["status"], "transitioning")
        wait_for("the end of the tries", lambda: agent.status()["status"] == "error")
        self.assertEqual(agent.log().count("certs.sync_failed"), 25)
        self.assertNotIn("READY=1", "".join(self.waiting(notes)))
        self.allow()
        wait_for("it goes on", lambda: agent.status()["status"] == "success", timeout=30)
        self.assertTrue(self.has(agent, "late", version))
        self.assertIn("READY=1", notes.recv(1000).decode())

    @staticmethod
    def waiting(notes):
        while select.select([notes], [], [], 0)[0]:
            yield notes.recv(1000).decode()

    def test_a_version_that_is_disabled_is_told_at_once_and_what_is_here_stays(self):
        url, version = self.certificate("switched")
        agent = self.agent("a", [url]).start()
        wait_for("the first version", lambda: self.has(agent, "switched", version))
        wait_for("it listens", lambda: "certs.listening" in agent.log())
        self.vy("keyvault", "certificate", "set-attributes", "--vault-name", "kv-agent", "-n", "switched", "--enabled", "false")
        wait_for("the reason", lambda: agent.status()["status"] == "warning", timeout=20)
        self.assertIn("is disabled; enable it", agent.status()["formattedMessage"]["message"])
        self.assertTrue(self.has(agent, "switched", version))
        self.vy("keyvault", "certificate", "set-attributes", "--vault-name", "kv-agent", "-n", "switched", "--enabled", "true")
        wait_for("all is well", lambda: agent.status()["status"] == "success", timeout=20)

    def served_at(self, agent):
        wait_for("its metrics are served", lambda: (agent.dir / "state.json").exists() and agent.state().get("metricsServedAt"))
        return int(agent.state()["metricsServedAt"].rsplit(":", 1)[1])

    def test_prometheus_reads_the_same_by_http_as_in_the_file(self):
        url, version = self.certificate("metrics")
        agent = self.agent("a", [url])
        agent.own(metrics={"listen": "127.0.0.1:0", "file": str(agent.dir / "certs.prom")})
        agent.start()
        port = self.served_at(agent)
        wait_for("it listens", lambda: agent.state()["vaultsListenedTo"] == 1)
        status, text = self.scrape(port)
        of_certificates = [[line for line in of.splitlines() if not line.startswith("process_")] for of in (text, (agent.dir / "certs.prom").read_text())]
        self.assertEqual((status, of_certificates[0]), (200, of_certificates[1]))
        self.assertIn('vaultyard_certs_current{vault="kv-agent",name="metrics",link="kv-agent.metrics"} 1', text)
        self.assertEqual(self.scrape(port, b"GET /state HTTP/1.1\r\nHost: a\r\n\r\n")[0], 404)
        self.assertEqual(self.scrape(port, b"DELETE /metrics HTTP/1.1\r\nHost: a\r\n\r\n")[0], 405)

    def test_a_client_that_says_nothing_and_one_that_floods_delay_no_rotation(self):
        url, version = self.certificate("slow")
        agent = self.agent("a", [url], own={"metrics": {"listen": "127.0.0.1:0"}}).start()
        port = self.served_at(agent)
        wait_for("it listens", lambda: agent.state()["vaultsListenedTo"] == 1)
        with socket.create_connection(("127.0.0.1", port)) as silent, socket.create_connection(("127.0.0.1", port)) as flood:
            silent.sendall(b"GET /met")
            flood.settimeout(0.2)
            done = threading.Event()

            def pour():
                while not done.is_set():
                    try:
                        flood.sendall(b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n" * 100)
                    except OSError:
                        return
            thread = threading.Thread(target=pour)
            thread.start()
            begun = time.monotonic()
            _, version = self.certificate("slow")
            wait_for("the next version", lambda: self.has(agent, "slow", version), timeout=4)          # less than a client is given
            self.assertLess(time.monotonic() - begun, 5)
            done.set()
            thread.join()
            self.assertEqual(self.scrape(port)[0], 200)

    def test_an_address_that_is_taken_stops_nothing_and_a_bad_one_is_refused(self):
        url, version = self.certificate("taken")
        with socket.create_server(("127.0.0.1", 0)) as other:
            agent = self.agent("a", [url], own={"metrics": {"listen": f"127.0.0.1:{other.getsockname()[1]}"}}).start()
            wait_for("the certificate", lambda: self.has(agent, "taken", version))
            wait_for("the reason", lambda: "the address is taken" in agent.log())
            self.assertIsNone(agent.process.poll())
        agent.stop()
        agent.own(metrics={"listen": "localhost:9477"})
        checked = subprocess.run([str(BUILD / "vaultyard-certs"), "check", str(agent.dir / "settings.json")], capture_output=True, text=True)
        self.assertEqual(checked.returncode, 2)
        self.assertIn("vaultyard.metrics.listen: 'localhost:9477' must be an address and a port", checked.stdout)
        self.assertEqual(agent.once().returncode, 2)

    def test_dry_run_writes_nothing(self):
        url, version = self.certificate("dry")
        agent = self.agent("a", [url])
        done = agent.once("--dry-run")
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn(f"version {version} would replace nothing", done.stdout)
        self.assertFalse(agent.store.exists() or (agent.dir / "1.status").exists())
        self.assertEqual(agent.once().returncode, 0)
        self.assertIn("is there", agent.once("--dry-run").stdout)

    def test_separate_files_are_of_one_version_and_belong_together(self):
        url, version = self.certificate("files")
        own = {"files": ["pem", "cert", "chain", "fullchain", "key", "pkcs12"], "mode": "0640"}
        agent = self.agent("a", [url], own=own)
        self.assertEqual(agent.once().returncode, 0)
        directory = agent.store / "kv-agent.files.d"
        self.assertIn(f".{version}.", os.readlink(directory))
        self.assertEqual(sorted(path.name for path in directory.iterdir()), ["cert.p12", "cert.pem", "chain.pem", "fullchain.pem", "key.pem"])
        public = [subprocess.run(["openssl", *what], capture_output=True, text=True, check=True).stdout
                  for what in (["x509", "-in", directory / "cert.pem", "-noout", "-pubkey"], ["pkey", "-in", directory / "key.pem", "-pubout"],
                               ["pkey", "-in", agent.store / "kv-agent.files", "-pubout"])]
        self.assertEqual(len(set(public)), 1)
        p12 = subprocess.run(["openssl", "pkcs12", "-in", directory / "cert.p12", "-passin", "pass:", "-nokeys"], capture_output=True, text=True)
        self.assertIn("BEGIN CERTIFICATE", p12.stdout, p12.stderr)
        self.assertEqual({oct((directory / name).stat().st_mode & 0o777) for name in os.listdir(directory)}, {"0o640"})

    def test_the_hook_runs_once_after_changes_and_again_until_it_succeeds(self):
        urls = [self.certificate(name)[0] for name in ("hook-a", "hook-b")]
        ran = self.site.base / "hook-ran"
        own = {"hook": {"command": f"echo run >> {ran}; echo \"$VAULTYARD_CHANGED\" | sort; test -e {ran}.good", "timeoutSeconds": 20}}
        agent = self.agent("a", urls, own=own)
        self.assertEqual(agent.once().returncode, 1)                       # certificates are there; the hook failed
        state = json.loads((agent.dir / "state.json").read_text())
        self.assertEqual([c["isCurrent"] for c in state["certificates"]], [True, True])
        self.assertEqual((state["hook"]["result"], state["hook"]["pending"]), ("exit 1", True))
        self.assertEqual(state["hook"]["output"].split(), [str(agent.store / "kv-agent.hook-a"), str(agent.store / "kv-agent.hook-b")])
        self.assertEqual(ran.read_text(), "run\n")                         # once for both
        (self.site.base / "hook-ran.good").touch()
        agent.start()                                                      # nothing changes any more, but the hook is still owed
        wait_for("the hook succeeded", lambda: json.loads((agent.dir / "state.json").read_text())["hook"]["succeeded"])
        wait_for("it listens", lambda: json.loads((agent.dir / "state.json").read_text())["vaultsListenedTo"] == 1)
        wait_for("both were looked at", lambda: all(c["isCurrent"] for c in json.loads((agent.dir / "state.json").read_text())["certificates"]))
        self.assertEqual(ran.read_text(), "run\nrun\n")
        shown = self.site.run([BUILD / "vaultyard-certs", "status", agent.dir / "state.json"])
        self.assertIn("hook exit 0", shown.stdout)
        self.assertEqual(shown.stdout.count("current  "), 2)
        _, version = self.certificate("hook-a")
        wait_for("the new version", lambda: self.has(agent, "hook-a", version))
        wait_for("its hook", lambda: ran.read_text() == "run\n" * 3)
        agent.process.kill()
        agent.process.wait()
        self.assertIn("DOES NOT RUN", self.site.run([BUILD / "vaultyard-certs", "status", agent.dir / "state.json"], code=1).stdout)

    def test_a_directory_that_cannot_be_written_keeps_the_old_and_says_so(self):
        url, version = self.certificate("readonly")
        agent = self.agent("a", [url], poll="50").start()
        wait_for("the first version", lambda: self.has(agent, "readonly", version))
        wait_for("it listens", lambda: "certs.listening" in agent.log())
        immutable = subprocess.run(["mount", "--bind", "-o", "ro", agent.store, agent.store], capture_output=True) if os.geteuid() == 0 else None
        if immutable is None or immutable.returncode != 0:
            agent.stop()
            (agent.store / "kv-agent.readonly").unlink()
            (agent.store / "kv-agent.readonly").mkdir()                    # the other way in which a link cannot move
            self.assertEqual(agent.once().returncode, 1)
            self.assertIn("cannot move the link", agent.status()["formattedMessage"]["message"])
            return
        try:
            _, newer = self.certificate("readonly")
            wait_for("the reason", lambda: "Read-only file system" in agent.status()["formattedMessage"]["message"])
            self.assertTrue(self.has(agent, "readonly", version))
        finally:
            subprocess.run(["umount", agent.store], check=True)
        wait_for("the newer version", lambda: self.has(agent, "readonly", newer), timeout=30)
        wait_for("all is well", lambda: agent.status()["status"] == "success")


if __name__ == "__main__":
    unittest.main()
