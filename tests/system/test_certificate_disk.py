"""The certificate agent against the world: where files lie and who reads them, vaults that go back, disks and networks that refuse."""
import datetime
import http.server
import os
import re
import select
import shutil
import socket
import socketserver
import subprocess
import threading
import time
import unittest

from certagent import AgentCase
from vaultyard import wait_for

assert os.geteuid() == 0, "mounts, owners and other users are tested here: run as root"


class Proxy(socketserver.ThreadingTCPServer):
    """An HTTP proxy that knows CONNECT; `refuses` answers 403 instead."""
    daemon_threads, allow_reuse_address = True, True

    def __init__(self):
        self.asked, self.refuses = [], False

        class Handler(socketserver.StreamRequestHandler):
            def handle(self):
                line = self.rfile.readline().decode()
                while self.rfile.readline() not in (b"\r\n", b""):
                    pass
                self.server.asked.append(line.split()[:2])
                if self.server.refuses:
                    self.wfile.write(b"HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n")
                    return
                port = int(line.split()[1].rsplit(":", 1)[1])
                with socket.create_connection(("127.0.0.1", port)) as there:
                    self.wfile.write(b"HTTP/1.1 200 Connection established\r\n\r\n")
                    while True:
                        ready = select.select([self.connection, there], [], [])[0]
                        for one in ready:
                            piece = one.recv(65536)
                            if not piece:
                                return
                            (there if one is self.connection else self.connection).sendall(piece)
        super().__init__(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.serve_forever, daemon=True).start()


class CertificateDisk(AgentCase):
    def openssl(self, *arguments, input=None):
        return subprocess.run(["openssl", *[str(a) for a in arguments]], input=input, capture_output=True, text=True, check=True).stdout

    def import_pem(self, name, text):
        path = self.site.base / f"{name}.pem"
        path.write_text(text)
        self.vy("keyvault", "certificate", "import", "--vault-name", "kv-agent", "-n", name, "-f", path)
        return self.vy("keyvault", "certificate", "show", "--vault-name", "kv-agent", "-n", name)["sid"].rsplit("/", 1)

    def made(self, subject, days=30, begin=None):
        """PEM of key and certificate of its own making; begin: an offset in days from now."""
        place = self.site.base / f"made-{subject}"
        place.mkdir(exist_ok=True)
        when = datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=begin or 0)
        self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", place / "k.pem", "-out", place / "r.pem", "-subj", f"/CN={subject}")
        (place / "index").write_text("")
        (place / "serial").write_text("%016X" % int.from_bytes(os.urandom(7), "big"))
        (place / "ca.cnf").write_text(f"[ca]\ndefault_ca=d\n[d]\nnew_certs_dir={place}\ndatabase={place}/index\nserial={place}/serial\ndefault_md=sha256\npolicy=p\nx509_extensions=x\n"
                                      "unique_subject=no\n[p]\ncommonName=supplied\n[x]\nextendedKeyUsage=serverAuth\n")
        self.openssl("ca", "-batch", "-selfsign", "-config", place / "ca.cnf", "-keyfile", place / "k.pem", "-in", place / "r.pem", "-out", place / "c.pem", "-notext",
                     "-startdate", when.strftime("%Y%m%d%H%M%SZ"), "-enddate", (when + datetime.timedelta(days=days)).strftime("%Y%m%d%H%M%SZ"))
        return (place / "k.pem").read_text() + (place / "c.pem").read_text()

    # -- settings that show on disk

    def test_each_certificate_lies_where_its_entry_says_under_the_name_it_gives(self):
        (one, first), (two, second) = self.certificate("place-one"), self.certificate("place-two")
        agent = self.agent("a", [one])
        other = agent.dir / "elsewhere" / "deep"
        agent.change(observedCertificates=[one, {"url": two, "certificateStoreLocation": str(other), "customSymbolicLinkName": "site.pem"}])
        self.assertEqual(agent.once().returncode, 0)
        for link, name, version in ((agent.store / "kv-agent.place-one", "place-one", first), (other / "site.pem", "place-two", second)):
            target = os.readlink(link)
            self.assertRegex(target, rf"^{re.escape(str(link.parent))}/kv-agent\.{name}\.{version}\.\d{{10}}\.\d{{10}}\.PEM$")
            self.assertEqual((os.stat(target).st_mode & 0o777, os.stat(target).st_uid, link.parent.stat().st_mode & 0o777), (0o600, 0, 0o700))
            begin, end = (datetime.datetime.fromtimestamp(int(number), datetime.timezone.utc).strftime("%b %e %T %Y GMT") for number in target.split(".")[-3:-1])
            self.assertEqual(self.openssl("x509", "-in", link, "-noout", "-dates"), f"notBefore={begin}\nnotAfter={end}\n")

    def test_a_version_in_the_url_is_followed_unless_it_is_pinned(self):
        url, old = self.certificate("pin")
        _, new = self.certificate("pin")
        agent = self.agent("a", [f"{url}/{old}", {"url": f"{url}/{old}", "customSymbolicLinkName": "held", "certificateStoreLocation": str(self.site.base / "held"), "vaultyard": {"pinVersion": True}}])
        agent.start()
        wait_for("the newest version", lambda: self.has(agent, "pin", new))
        held = self.site.base / "held" / "held"
        wait_for("the pinned version", lambda: held.is_symlink() and f".{old}." in os.readlink(held))
        wait_for("it listens", lambda: agent.state()["vaultsListenedTo"] == 1)
        _, newest = self.certificate("pin")
        wait_for("the next version", lambda: self.has(agent, "pin", newest))
        self.assertIn(f".{old}.", os.readlink(held))

    def test_as_many_versions_stay_as_are_asked_for(self):
        url, version = self.certificate("keep")
        versions = [version]
        agent = self.agent("a", [url], own={"keepVersions": 3})
        self.assertEqual(agent.once().returncode, 0)
        for _ in range(3):
            versions.append(self.certificate("keep")[1])
            self.assertEqual(agent.once().returncode, 0)
        self.assertEqual(sorted(name.split(".")[2] for name in os.listdir(agent.store) if name.endswith(".PEM")), sorted(versions[1:]))

    def test_the_next_poll_is_earlier_by_chance_and_never_later(self):
        url, _ = self.certificate("jitter")
        agent = self.agent("a", [url], poll="3600", own={"jitterSeconds": 600})
        seen = set()
        for _ in range(12):
            self.assertEqual(agent.once().returncode, 0)
            state = agent.state()
            begin, end = (datetime.datetime.fromisoformat(state[name].replace("Z", "+00:00")) for name in ("started", "nextPoll"))
            seen.add((end - begin).total_seconds())
        self.assertTrue(all(3600 - 600 - 1 <= each <= 3600 + 2 for each in seen), seen)
        self.assertGreater(max(seen) - min(seen), 5)                     # the chance that twelve lie so close: below 1e-20

    def test_the_pauses_of_the_initial_sync_grow_by_a_quarter(self):
        url, _ = self.certificate("pauses")
        self.allow("list")
        self.addCleanup(self.allow)
        agent = self.agent("a", [url], own={"initialSyncBackoffMs": 5})
        agent.change(requireInitialSync=True)
        begun = time.monotonic()
        agent.start()
        wait_for("the end of the tries", lambda: (agent.dir / "1.status").exists() and agent.status()["status"] == "error", timeout=120)
        self.assertGreaterEqual(time.monotonic() - begun, sum(5 * 1.25 ** n for n in range(24)) / 1000)      # 4.2 s; without growth it were 0.1 s
        self.assertEqual(agent.log().count("certs.sync_failed"), 25)

    # -- readers

    def test_readers_named_by_acls_read_and_others_do_not(self):
        url, version = self.certificate("acl")
        agent = self.agent("a", [url])
        store = self.site.base / "readable"
        agent.change(aclEnabled=True, observedCertificates=[{"url": url, "certificateStoreLocation": str(store), "acls": [{"user": "daemon"}, {"group": "mail"}]}])
        self.assertEqual(agent.once().returncode, 0, agent.status() if (agent.dir / "1.status").exists() else "")

        def reads(*who):
            return subprocess.run(["setpriv", *who, "--clear-groups", "cat", str(store / "kv-agent.acl")], capture_output=True, text=True).stdout.count("PRIVATE KEY")
        daemon, mail, nobody = (subprocess.run(["id", flag, name], capture_output=True, text=True, check=True).stdout.strip() for flag, name in (("-u", "daemon"), ("-u", "mail"), ("-u", "nobody")))
        group = subprocess.run(["getent", "group", "mail"], capture_output=True, text=True, check=True).stdout.split(":")[2]
        self.assertEqual(reads(f"--reuid={daemon}", "--regid=1"), 2)
        self.assertEqual(reads(f"--reuid={mail}", f"--regid={group}"), 2)
        self.assertEqual(reads(f"--reuid={nobody}", "--regid=65534"), 0)
        self.assertEqual(subprocess.run(["setpriv", f"--reuid={daemon}", "--regid=1", "--clear-groups", "ls", str(store)], capture_output=True).returncode, 2)    # to pass is not to list

    def test_the_hook_runs_as_the_user_of_the_settings(self):
        url, _ = self.certificate("hookuser")
        agent = self.agent("a", [url], own={"hook": {"command": "id -un; id -Gn; pwd; echo err >&2", "user": "daemon"}})
        self.assertEqual(agent.once().returncode, 0)
        self.assertEqual(agent.state()["hook"]["output"].split(), ["daemon", "daemon", "/", "err"])

    # -- what a certificate is made of

    def test_the_file_has_leaf_then_issuers_in_order_then_the_key_whatever_order_was_imported(self):
        place = self.site.base / "chain"
        place.mkdir()
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", place / "root.key", "-out", place / "root.pem", "-subj", "/CN=root", "-days", "90")
        for name, issuer, extension in (("middle", "root", "basicConstraints=critical,CA:TRUE"), ("leaf", "middle", "extendedKeyUsage=serverAuth")):
            (place / "ext").write_text(extension + "\n")
            self.openssl("req", "-newkey", "rsa:2048", "-nodes", "-keyout", place / f"{name}.key", "-out", place / "req.pem", "-subj", f"/CN={name}")
            self.openssl("x509", "-req", "-in", place / "req.pem", "-CA", place / f"{issuer}.pem", "-CAkey", place / f"{issuer}.key", "-out", place / f"{name}.pem", "-days", "60", "-extfile", place / "ext")
        url, version = self.import_pem("chain", "".join((place / name).read_text() for name in ("root.pem", "leaf.key", "middle.pem", "leaf.pem")))
        agent = self.agent("a", [url], own={"files": ["pem", "chain", "fullchain"]})
        self.assertEqual(agent.once().returncode, 0, agent.status() if (agent.dir / "1.status").exists() else "")
        blocks = re.findall(r"-----BEGIN ([A-Z ]+)-----.*?-----END \1-----", (agent.store / "kv-agent.chain").read_text(), re.S)
        self.assertEqual(blocks, ["CERTIFICATE", "CERTIFICATE", "CERTIFICATE", "PRIVATE KEY"])

        def subjects(path):
            certificates = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----", path.read_text(), re.S)
            return [self.openssl("x509", "-noout", "-subject", input=one).strip().split("CN = ")[1] for one in certificates]
        self.assertEqual(subjects(agent.store / "kv-agent.chain"), ["leaf", "middle", "root"])
        self.assertEqual(subjects(agent.store / "kv-agent.chain.d" / "fullchain.pem"), ["leaf", "middle", "root"])
        self.assertEqual(subjects(agent.store / "kv-agent.chain.d" / "chain.pem"), ["middle", "root"])

    # -- vaults that go back

    def test_an_older_certificate_that_was_put_back_on_purpose_is_installed(self):
        older, newer = self.made("older", begin=-5), self.made("newer", begin=-1)
        url, first = self.import_pem("back", newer)
        agent = self.agent("a", [url]).start()
        wait_for("the newer", lambda: self.has(agent, "back", first))
        wait_for("it listens", lambda: agent.state()["vaultsListenedTo"] == 1)
        _, second = self.import_pem("back", older)                       # somebody wants it: the vault still knows the other
        wait_for("the older, by the vault's word", lambda: self.has(agent, "back", second))
        self.assertEqual(self.openssl("x509", "-in", agent.store / "kv-agent.back", "-noout", "-subject").strip(), "subject=CN = older")

    def test_a_vault_that_was_restored_and_forgot_takes_nothing_away(self):
        older, newer = self.made("kept-older", begin=-5), self.made("kept-newer", begin=-1)
        url, first = self.import_pem("forgot", older)
        agent = self.agent("a", [url])
        self.site.stop()
        shutil.copytree(self.site.dir, self.site.base / "copy", ignore=shutil.ignore_patterns("*.sock", "run"))
        port = self.site.port
        again = (f"127.0.0.1:{port}", f"[::1]:{port}")
        self.site.start(listen=again)
        _, second = self.import_pem("forgot", newer)
        self.assertEqual(agent.once().returncode, 0)
        self.assertTrue(self.has(agent, "forgot", second))
        self.site.stop()
        shutil.copytree(self.site.base / "copy", self.site.dir, dirs_exist_ok=True)
        for stale in (self.site.dir / "store").glob("*-wal"):
            if not (self.site.base / "copy" / "store" / stale.name).exists():
                stale.unlink()
        self.site.start(listen=again)
        self.assertEqual(agent.once().returncode, 1)
        self.assertTrue(self.has(agent, "forgot", second))
        self.assertIn("no longer knows version " + second, agent.status()["formattedMessage"]["message"])
        _, third = self.certificate("forgot")                            # newer than both
        self.assertEqual(agent.once().returncode, 0)
        self.assertTrue(self.has(agent, "forgot", third))

    # -- what refuses

    def test_a_full_disk_keeps_the_old_and_heals(self):
        url, version = self.certificate("full")
        agent = self.agent("a", [url], poll="50")
        agent.store.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k,mode=700", "none", agent.store], check=True)
        self.addCleanup(subprocess.run, ["umount", agent.store], check=True)
        agent.start()
        wait_for("the first version", lambda: self.has(agent, "full", version))
        wait_for("it listens", lambda: agent.state()["vaultsListenedTo"] == 1)
        filler = agent.store / "filler"
        with open(filler, "wb", buffering=0) as to:
            try:
                while to.write(b"x" * 512):
                    pass
            except OSError:
                pass
        _, newer = self.certificate("full")
        wait_for("the reason", lambda: "No space left on device" in agent.status()["formattedMessage"]["message"])
        self.assertTrue(self.has(agent, "full", version))
        self.assertIn("PRIVATE KEY", (agent.store / "kv-agent.full").read_text())
        self.assertEqual([name for name in os.listdir(agent.store) if ".tmp" in name], [])
        filler.unlink()
        wait_for("the newer", lambda: self.has(agent, "full", newer), timeout=30)
        agent.stop()

    def test_without_permission_on_the_directory_the_old_stays_and_status_says_it(self):
        url, version = self.certificate("denied")
        agent = self.agent("a", [url])
        self.assertEqual(agent.once().returncode, 0)
        _, newer = self.certificate("denied")
        agent.store.chmod(0o755)
        for path in (agent.dir, agent.dir / "1.status", agent.dir / "state.json", agent.dir / "settings.json", *agent.store.glob("*.PEM")):
            os.chown(path, 65534, 65534)
        program = shutil.copy(agent.command[0], agent.dir)              # the build may be in a folder that nobody else enters
        done = subprocess.run([str(part) for part in [program, *agent.command[1:], "--once"]], capture_output=True, text=True, timeout=60, user=65534, group=65534, extra_groups=[])
        self.assertEqual(done.returncode, 1, done.stderr)
        self.assertIn("Permission denied", agent.status()["formattedMessage"]["message"])
        self.assertIn(str(agent.store), agent.status()["formattedMessage"]["message"])
        self.assertTrue(self.has(agent, "denied", version))
        self.assertEqual(agent.once().returncode, 0)
        self.assertTrue(self.has(agent, "denied", newer))

    def test_vaults_are_reached_through_the_proxy_and_its_refusal_is_told(self):
        url, version = self.certificate("proxy")
        with Proxy() as proxy:
            where = f"http://127.0.0.1:{proxy.server_address[1]}"
            agent = self.agent("a", [url], own={"proxy": where})
            done = agent.once()
            self.assertEqual(done.returncode, 0, done.stderr)
            host = url.split("/")[2]
            self.assertTrue(proxy.asked and all(asked == ["CONNECT", host] for asked in proxy.asked), proxy.asked)     # the metadata address is none of its business
            proxy.refuses = True
            _, newer = self.certificate("proxy")
            self.assertEqual(agent.once().returncode, 1)
            self.assertIn("403", agent.status()["formattedMessage"]["message"])
            self.assertTrue(self.has(agent, "proxy", version))
            proxy.shutdown()
        environment = dict(os.environ, https_proxy="http://127.0.0.1:1", HTTPS_PROXY="http://127.0.0.1:1", ALL_PROXY="http://127.0.0.1:1")
        agent.own(proxy=None)
        program = shutil.copy(agent.command[0], agent.dir)              # the build may be in a folder that nobody else enters
        done = subprocess.run([str(part) for part in [program, *agent.command[1:], "--once"]], capture_output=True, text=True, timeout=60, env=environment)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertTrue(self.has(agent, "proxy", newer))

    def test_a_server_that_the_ca_file_does_not_vouch_for_gets_nothing(self):
        url, version = self.certificate("ca")
        stranger = self.site.base / "stranger.pem"
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null", "-out", stranger, "-subj", "/CN=stranger")
        agent = self.agent("a", [url], own={"caFile": str(stranger)})
        self.assertEqual(agent.once().returncode, 1)
        self.assertRegex(agent.status()["formattedMessage"]["message"], "(?i)certificate")
        self.assertFalse(agent.store.exists())
        self.assertEqual(agent.once("--once", "--ca", self.site.dir / "ca.pem").returncode, 0)           # the command line goes first
        agent.own(caFile="/nonexistent/ca.pem")
        self.assertEqual(agent.once().returncode, 1)

    def test_what_is_logged_reads_as_the_extensions_log(self):
        url, version = self.certificate("log")
        agent = self.agent("a", [url])
        lines = agent.once().stderr.splitlines()
        for line in lines:
            self.assertRegex(line, r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d: (debug|info|warn|error) \[\w+\]\t")
        self.assertTrue(any(f"[CertificateManager]\tretrieved '{url}'; most recent version is '{version}'" in line for line in lines), lines)
        shown = subprocess.run(["sh", "-c", 'JOURNAL_STREAM=$(stat -L -c %d:%i /dev/stderr) exec "$@"', "sh", *[str(part) for part in [*agent.command, "--once"]]], capture_output=True, text=True)
        self.assertTrue(shown.stderr.startswith("<6>2"), shown.stderr)


if __name__ == "__main__":
    unittest.main()
