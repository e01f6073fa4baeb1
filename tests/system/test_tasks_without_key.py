"""Tasks of an account under a customer's key: stopped and taken back when the key is lost, run again when it is back, none lost, none twice at once."""
import pathlib
import unittest

from tasks import ROOT, Account, sh
from vaultyard import Site, wait_for


class TasksWithoutKey(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site(nodes=True, serve_args=["--key-check", "1"]).start()
        cls.vy = staticmethod(cls.site.vy)
        cls.account = Account(cls.site, "sealed", "--identity", "SystemAssigned")
        cls.vy("keyvault", "create", "-n", "cmkvault", "-g", "g", "-l", "local", "--enable-purge-protection", "true")
        cls.vy("keyvault", "set-policy", "-n", "cmkvault", "--object-id", "sealed", "--key-permissions", "get", "wrapKey", "unwrapKey")
        kid = cls.vy("keyvault", "key", "create", "--vault-name", "cmkvault", "-n", "k", "--ops", "wrapKey", "unwrapKey")["key"]["kid"]
        cls.vy("batch", "account", "set", "-n", "sealed", "-g", "g", "--encryption-key-source", "Microsoft.KeyVault", "--encryption-key-identifier", kid)
        cls.account.pool("p", 1, startTask={"commandLine": sh("echo x >> starts"), "waitForSuccess": True})
        cls.node = cls.account.wait_nodes("p", "idle")[0]["id"]
        cls.account.job("j", "p", jobPreparationTask={"commandLine": "true"})

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def enable(self, enabled):
        self.vy("keyvault", "key", "set-attributes", "--vault-name", "cmkvault", "-n", "k", "--enabled", str(enabled).lower())

    def processes(self, word):
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and self.node in (entry / "cgroup").read_text() and word in (entry / "cmdline").read_text():
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    def lose(self, task):
        self.enable(False)
        wait_for("the account is shut", lambda: self.account.call("GET", "/jobs/j").status == 403)
        wait_for("nothing of it runs", lambda: not self.processes(f"hold-{task}"))
        self.assertTrue(self.processes("vaultyard-node"))                    # the node stays

    def regain(self, task):
        self.enable(True)
        wait_for("the task runs again", lambda: self.account.call("GET", "/jobs/j").status == 200 and self.account.get("j", task)["state"] == "running" and
                 len(self.processes(f"hold-{task}")) > 0)
        pathlib.Path(f"/proc/{min(self.processes('init'))}/root{ROOT}/shared/{task}").touch()
        info = self.account.wait_task("j", task)["executionInfo"]
        self.assertEqual((info["exitCode"], info["retryCount"], info["requeueCount"]), (5, 0, 0))
        self.assertEqual(self.account.output("p", "j", task), "began\n")

    def hold(self, task):
        self.account.task("j", task, sh(f"echo began; while ! test -e {ROOT}/shared/{task}; do sleep 0.1; done; exit 5 # hold-{task}"))
        wait_for("it runs", lambda: self.processes(f"hold-{task}"))

    def test_lost_and_back(self):
        self.hold("t")
        self.lose("t")
        self.regain("t")
        self.assertEqual(self.account.file("p", self.node, "startup/wd/starts"), "x\n")        # its machine did not start again

    def test_the_server_restarts_meanwhile(self):
        self.hold("u")
        self.lose("u")
        self.site.kill()
        self.site.start()
        self.regain("u")

    def test_what_was_asked_before_the_loss_is_done(self):
        self.hold("v")
        self.account.ok("POST", "/jobs/j/tasks/v/terminate")
        self.lose("v")
        self.enable(True)
        wait_for("it is completed", lambda: self.account.call("GET", "/jobs/j").status == 200 and self.account.get("j", "v")["state"] == "completed")
        self.account.task("j", "after", "true")
        self.assertEqual(self.account.wait_task("j", "after")["executionInfo"]["result"], "success")


if __name__ == "__main__":
    unittest.main()
