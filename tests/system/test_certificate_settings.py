"""The certificate agent's settings file changes while it runs: what is new applies, what is bad does not, what is gone is cleaned up when asked to."""
import json
import os
import signal
import socket
import stat
import subprocess
import unittest

from certagent import AgentCase
from vaultyard import BUILD, wait_for


class CertificateSettings(AgentCase):
    def started(self, *urls, **more):
        agent = self.agent("a", list(urls), **more).start()
        self.settled(agent, len(urls))
        return agent

    @staticmethod
    def settled(agent, count):
        """The state file tells of so many certificates that are current, with the settings that the file has."""
        def is_so():
            state = agent.state() if (agent.dir / "state.json").exists() else {"certificates": []}
            return len(state["certificates"]) == count and all(c["isCurrent"] for c in state["certificates"]) and not state.get("settingsError")
        wait_for(f"{count} current certificates", is_so)

    def test_a_certificate_that_is_added_comes_at_once_by_the_same_process(self):
        (one, _), (two, version) = self.certificate("added-one"), self.certificate("added-two")
        agent = self.started(one)
        pid, started = agent.state()["pid"], agent.state()["started"]
        link = os.lstat(agent.store / "kv-agent.added-one").st_mtime_ns
        agent.change(observedCertificates=[one, two])
        wait_for("the other certificate", lambda: self.has(agent, "added-two", version))
        self.settled(agent, 2)
        self.assertEqual((agent.state()["pid"], agent.state()["started"]), (pid, started))
        self.assertGreater(agent.state()["settingsRead"], "2026")
        self.assertEqual(os.lstat(agent.store / "kv-agent.added-one").st_mtime_ns, link)       # what stays is not written again
        wait_for("it listens by the new settings", lambda: agent.state()["vaultsListenedTo"] == 1)
        _, version = self.certificate("added-two")
        wait_for("its next version, by push", lambda: self.has(agent, "added-two", version))

    def test_settings_that_cannot_be_used_leave_the_former_at_work_and_say_so(self):
        url, version = self.certificate("kept")
        agent = self.started(url)
        good = (agent.dir / "settings.json").read_text()
        for bad, says in (("{", "former stay"), (good.replace("/secrets/", "/certificates/"), "secret identifier"), (json.dumps(dict(json.loads(good), vaultyard={"hok": 1})), "hok"),
                          (good.replace('"3600"', '"soon"'), "pollingIntervalInS")):
            with self.subTest(says):
                (agent.dir / "settings.json").write_text(bad)
                wait_for("the reason", lambda: says in (agent.state().get("settingsError") or ""))
                wait_for("the status", lambda: agent.status()["status"] == "warning" and says in agent.status()["formattedMessage"]["message"])
                self.assertIn("certs.settings_refused", agent.log())
                shown = subprocess.run([str(BUILD / "vaultyard-certs"), "status", str(agent.dir / "state.json")], capture_output=True, text=True)
                self.assertEqual(shown.returncode, 1)
                self.assertIn("SETTINGS: what the file says now is not used", shown.stdout)
        wait_for("it listens", lambda: agent.state()["vaultsListenedTo"] == 1)
        _, version = self.certificate("kept")
        wait_for("rotation goes on", lambda: self.has(agent, "kept", version))
        (agent.dir / "settings.json").write_text(good)
        wait_for("all is well", lambda: agent.status()["status"] == "success" and agent.state().get("settingsError") is None)

    def test_sighup_reads_what_is_the_same_again_and_misses_a_file_that_is_gone(self):
        url, _ = self.certificate("hup")
        notes = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.addCleanup(notes.close)
        agent = self.agent("a", [url])
        notes.bind(str(agent.dir / "notify"))
        notes.settimeout(60)
        agent.start(NOTIFY_SOCKET=str(agent.dir / "notify"))
        self.settled(agent, 1)
        self.assertTrue(notes.recv(1000).startswith(b"READY=1"))
        agent.process.send_signal(signal.SIGHUP)
        self.assertTrue(notes.recv(1000).startswith(b"RELOADING=1\nMONOTONIC_USEC="))
        self.assertTrue(notes.recv(1000).startswith(b"READY=1"))
        self.assertEqual(agent.log().count("certs.settings_applied"), 1)
        (agent.dir / "settings.json").rename(agent.dir / "aside")
        agent.process.send_signal(signal.SIGHUP)
        wait_for("the reason", lambda: "does not exist" in (agent.state().get("settingsError") or ""))
        wait_for("the status", lambda: agent.status()["status"] == "warning")
        (agent.dir / "aside").rename(agent.dir / "settings.json")
        wait_for("all is well", lambda: agent.state().get("settingsError") is None)

    def test_a_file_behind_a_link_is_read_again(self):
        """As Kubernetes keeps a ConfigMap: the settings are a link into a directory that a link is moved to."""
        (one, _), (two, version) = self.certificate("link-one"), self.certificate("link-two")
        agent = self.agent("a", [one])
        text = json.loads((agent.dir / "settings.json").read_text())
        (agent.dir / "settings.json").unlink()
        for name, list_ in (("..1", [one]), ("..2", [one, two])):
            (agent.dir / name).mkdir()
            text["secretsManagementSettings"]["observedCertificates"] = list_
            (agent.dir / name / "settings.json").write_text(json.dumps(text))
        (agent.dir / "..data").symlink_to("..1")
        (agent.dir / "settings.json").symlink_to("..data/settings.json")
        agent.start()
        self.settled(agent, 1)
        (agent.dir / "..tmp").symlink_to("..2")
        os.replace(agent.dir / "..tmp", agent.dir / "..data")
        wait_for("the other certificate", lambda: self.has(agent, "link-two", version))

    def test_mode_and_readers_apply_to_what_is_there_also_after_a_restart(self):
        url, version = self.certificate("mode")
        agent = self.started(url)
        link = agent.store / "kv-agent.mode"

        def mode():
            return stat.S_IMODE(link.stat().st_mode)
        self.assertEqual(mode(), 0o600)
        agent.own(mode="0640")
        wait_for("the new mode", lambda: mode() == 0o640)
        agent.own(mode="0600")
        wait_for("the former mode", lambda: mode() == 0o600)
        if os.geteuid() == 0:
            agent.change(aclEnabled=True, observedCertificates=[{"url": url, "acls": [{"user": "daemon"}]}])
            wait_for("the reader", lambda: os.listxattr(link) == ["system.posix_acl_access"])
        self.settled(agent, 1)
        agent.stop()
        agent.change(aclEnabled=False, observedCertificates=[url])
        agent.own(mode="0400")
        self.assertEqual(agent.once().returncode, 0)
        self.assertEqual((mode(), os.listxattr(link)), (0o400, []))
        before = link.stat().st_mtime_ns
        self.assertEqual(agent.once().returncode, 0)
        self.assertEqual(link.stat().st_mtime_ns, before)

    def test_what_is_no_longer_observed_stays_unless_clean_up_is_asked_for(self):
        (one, _), (two, version), (three, _) = (self.certificate(f"gone-{n}") for n in ("one", "two", "three"))
        agent = self.started(one, two)
        agent.change(observedCertificates=[one])
        self.settled(agent, 1)
        self.assertTrue(self.has(agent, "gone-two", version))
        agent.change(observedCertificates=[one, two], own={"cleanUp": True})
        self.settled(agent, 2)
        agent.change(observedCertificates=[one])
        wait_for("its link and file are gone", lambda: not any("gone-two" in name for name in os.listdir(agent.store)))
        self.assertTrue((agent.store / "kv-agent.gone-one").exists())
        # What was taken out while no agent ran goes too, but not before what replaces it is there.
        agent.stop()
        self.allow("list")
        self.addCleanup(self.allow)
        agent.change(observedCertificates=[three])
        self.assertEqual(agent.once().returncode, 1)
        self.assertTrue((agent.store / "kv-agent.gone-one").exists())
        self.assertEqual([c["link"] for c in agent.state()["leaving"]], ["kv-agent.gone-one"])
        self.allow()
        self.assertIn(f"{agent.store}/kv-agent.gone-one would be removed", agent.once("--dry-run").stdout)
        self.assertTrue((agent.store / "kv-agent.gone-one").exists())
        self.assertEqual(agent.once().returncode, 0)
        self.assertEqual({name.split(".")[1] for name in os.listdir(agent.store)}, {"gone-three"})
        self.assertNotIn("leaving", agent.state())

    def test_hook_metrics_and_files_follow_the_settings(self):
        url, version = self.certificate("follow")
        agent = self.started(url)
        ran = agent.dir / "ran"
        agent.own(hook={"command": f"echo run >> {ran}"}, files=["key", "fullchain"], metrics={"listen": f"unix:{agent.dir}/m.sock"}, cleanUp=True)
        wait_for("the files", lambda: (agent.store / "kv-agent.follow.d" / "key.pem").exists())
        wait_for("the hook", lambda: ran.exists() and ran.read_text() == "run\n")
        wait_for("the former link is gone", lambda: not os.path.lexists(agent.store / "kv-agent.follow"))
        wait_for("the socket", lambda: (agent.dir / "m.sock").exists())
        agent.own(metrics=None, hook=None)
        wait_for("no socket", lambda: not (agent.dir / "m.sock").exists())
        wait_for("it listens", lambda: agent.state()["vaultsListenedTo"] == 1)
        _, version = self.certificate("follow")
        wait_for("the next version", lambda: f".{version}." in os.readlink(agent.store / "kv-agent.follow.d"))
        self.settled(agent, 1)
        self.assertEqual(ran.read_text(), "run\n")


if __name__ == "__main__":
    unittest.main()
