"""A node's extension handler over the real certificate agent: other settings reach the process that runs. (A pool's extensions cannot be changed, as the
service has it, so the handler is asked by a probe, with what a lease would say.)"""
import json
import os
import pathlib
import subprocess

from certagent import AgentCase
from vaultyard import BUILD, wait_for


class Handler:
    """The handler of one node below a directory, with the extension KVExt."""
    def __init__(self, below):
        (below / "run/vaultyard").mkdir(parents=True)
        self.dir = below / "var/lib/waagent/Microsoft.Azure.KeyVault.KeyVaultForLinux-3.0.1363.13"
        self.log = below / "var/log/azure/Microsoft.Azure.KeyVault.KeyVaultForLinux/akvvm_service.log"
        self.process = subprocess.Popen([str(BUILD / "tests" / "system" / "extension_probe"), str(BUILD), str(below)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def apply(self, settings):
        """One lease; answers the extension's status as the node tells it."""
        self.process.stdin.write(json.dumps([{"name": "KVExt", "publisher": "Microsoft.Azure.KeyVault", "type": "KeyVaultForLinux", "typeHandlerVersion": "3.0",
                                              "settings": settings}]) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())["extensions"][0]["statuses"][0]

    def state(self):
        path = self.dir / "status" / "state.json"
        return json.loads(path.read_text()) if path.exists() else {"certificates": [], "vaultsListenedTo": 0}

    def close(self):
        self.process.stdin.close()
        code = self.process.wait(60)
        self.process.stdout.close()
        return code


class NodeExtension(AgentCase):
    def started(self, *urls):
        """An agent of the machine's as the model of settings and store; the handler's runs by them."""
        model = self.agent("model", list(urls))
        settings = json.loads((model.dir / "settings.json").read_text())
        handler = Handler(pathlib.Path(model.dir) / "node")
        self.addCleanup(handler.close)
        handler.apply(settings)
        wait_for("it has them and listens", lambda: [c["isCurrent"] for c in handler.state()["certificates"]] == [True] * len(urls) and handler.state()["vaultsListenedTo"] == 1)
        return model, settings, handler

    def test_a_certificate_that_is_added_comes_by_the_process_that_runs(self):
        (one, _), (two, version) = self.certificate("node-one"), self.certificate("node-two")
        model, settings, handler = self.started(one)
        pid = handler.state()["pid"]
        link = os.lstat(model.store / "kv-agent.node-one").st_mtime_ns
        settings["secretsManagementSettings"]["observedCertificates"] = [one, two]
        self.assertEqual(handler.apply(settings)["code"], "ProvisioningState/succeeded")       # the node stays what it was
        wait_for("the other certificate", lambda: self.has(model, "node-two", version))
        wait_for("both are told", lambda: len(handler.state()["certificates"]) == 2 and handler.state()["vaultsListenedTo"] == 1)
        self.assertEqual(handler.state()["pid"], pid)
        self.assertEqual(os.lstat(model.store / "kv-agent.node-one").st_mtime_ns, link)
        self.assertEqual(handler.log.read_text().count("certs.listening"), 1)                  # it went on hearing where it was
        _, version = self.certificate("node-one")
        wait_for("its next version, by push", lambda: self.has(model, "node-one", version))
        self.assertEqual(handler.close(), 0)
        self.assertFalse(os.path.exists(f"/proc/{pid}"))

    def test_settings_that_cannot_be_used_leave_the_former_at_work_and_are_told(self):
        url, version = self.certificate("node-kept")
        model, settings, handler = self.started(url)
        pid = handler.state()["pid"]
        good = settings["secretsManagementSettings"]["pollingIntervalInS"]
        settings["secretsManagementSettings"]["pollingIntervalInS"] = "soon"
        handler.apply(settings)
        status = wait_for("the reason", lambda: (lambda s: s if "pollingIntervalInS" in s["message"] else None)(handler.apply(settings)))
        self.assertEqual((status["code"], status["level"]), ("ProvisioningState/succeeded", "Warning"))
        _, version = self.certificate("node-kept")
        wait_for("rotation goes on", lambda: self.has(model, "node-kept", version))
        settings["secretsManagementSettings"]["pollingIntervalInS"] = good
        wait_for("all is well", lambda: handler.apply(settings)["level"] == "Info")
        self.assertEqual(handler.state()["pid"], pid)
