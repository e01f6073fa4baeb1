"""Tasks through the lives of everything around them: start tasks, reboots, resizes, and kill -9 of the server, the agent, a keeper and a machine."""
import json
import os
import pathlib
import signal
import time
import unittest

from tasks import GRACE_S, LEASE_S, ROOT, Account, sh
from vaultyard import Site, wait_for

HOLD = "while ! test -e {0}/shared/{1}; do sleep 0.1; done"


class TaskLives(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site(nodes=True).start()
        cls.group = "vaultyard-" + json.loads((cls.site.dir / "instance.json").read_text())["instanceId"][:8]
        cls.account = Account(cls.site, "lives")

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def setUp(self):
        self.pool = self.id().split(".")[-1][5:].replace("_", "-")[:40]
        self.job = self.pool

    def tearDown(self):
        if self.account.call("GET", f"/pools/{self.pool}").status == 200:
            self.account.call("DELETE", f"/pools/{self.pool}")
        self.account.call("DELETE", f"/jobs/{self.job}")

    def begin(self, nodes=1, state="idle", **more):
        self.account.pool(self.pool, nodes, **more)
        found = self.account.wait_nodes(self.pool, state, nodes)
        self.account.job(self.job, self.pool)
        return [node["id"] for node in found]

    def hold(self, task, mark="go", **more):
        """A task that says when it began and ends with 5 when `mark` is in the node's shared directory."""
        self.account.task(self.job, task, sh("echo began; " + HOLD.format(ROOT, mark) + "; exit 5"), **more)
        wait_for("it began", lambda: self.began(task) == 1)

    def began(self, task):
        shown = self.account.get(self.job, task)
        if shown["state"] != "running":
            return 0
        done = self.account.call("POST", f"/pools/{self.pool}/nodes/{shown['nodeInfo']['nodeId']}/exec", {"argv": ["grep", "-c", "began", f"{ROOT}/workitems/{self.job}/job-1/{task}/stdout.txt"]})
        return 1 if done.status == 200 and done.json["exitCode"] == 0 else 0

    def go(self, node, mark="go"):
        """Also on a node that takes no commands any more."""
        pathlib.Path(f"/proc/{min(self.processes(node, 'init'))}/root{ROOT}/shared/{mark}").touch()

    def done(self, task, timeout=60):
        return self.account.wait_task(self.job, task, timeout=timeout)["executionInfo"]

    def processes(self, node, word):
        """pids of the programs on a node whose command line has the word."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            try:
                if entry.name.isdigit() and self.group in (entry / "cgroup").read_text() and word in (entry / "cmdline").read_text().replace("\0", " ") and node in (entry / "cgroup").read_text():
                    found.append(int(entry.name))
            except OSError:
                continue
        return found

    # -- start tasks

    def test_a_start_task_comes_first(self):
        self.account.pool(self.pool, 1, startTask={"commandLine": sh("echo x >> $AZ_BATCH_NODE_SHARED_DIR/starts; " + HOLD.format(ROOT, "go")), "waitForSuccess": True,
                                                   "userIdentity": {"autoUser": {"elevationLevel": "admin"}}})
        node = self.account.wait_nodes(self.pool, "waitingforstarttask")[0]
        self.assertEqual(node["startTaskInfo"]["state"], "running")
        self.account.job(self.job, self.pool)
        self.account.task(self.job, "t", sh("echo ran"))
        self.assertEqual(self.account.get(self.job, "t")["state"], "active")
        self.go(node["id"])
        self.assertEqual(self.done("t")["result"], "success")
        info = self.account.wait_nodes(self.pool, "idle")[0]["startTaskInfo"]
        self.assertEqual((info["state"], info["exitCode"], info["result"], info["retryCount"]), ("completed", 0, "success", 0))
        self.account.ok("POST", f"/pools/{self.pool}/nodes/{node['id']}/reboot", {})
        wait_for("it ran again", lambda: self.account.exec(self.pool, node["id"], f"cat {ROOT}/shared/starts").count("x") == 2
                 if self.account.nodes(self.pool)[0]["state"] == "idle" else False, 90)

    def test_a_failed_start_task_takes_the_node_away(self):
        self.account.pool(self.pool, 1, startTask={"commandLine": sh("echo x >> tries; exit 3"), "waitForSuccess": True, "maxTaskRetryCount": 2})
        node = self.account.wait_nodes(self.pool, "starttaskfailed")[0]
        info = node["startTaskInfo"]
        self.assertEqual((info["exitCode"], info["result"], info["retryCount"], info["failureInfo"]["code"]), (3, "failure", 2, "FailureExitCode"))
        self.assertEqual(self.account.file(self.pool, node["id"], "startup/wd/tries").split(), ["x"] * 3)
        self.account.job(self.job, self.pool)
        self.account.task(self.job, "t", "true")
        self.assertEqual(self.account.get(self.job, "t")["state"], "active")

    def test_a_start_task_nobody_waits_for(self):
        node, = self.begin(startTask={"commandLine": sh("exit 3"), "waitForSuccess": False})
        wait_for("it failed", lambda: self.account.nodes(self.pool)[0].get("startTaskInfo", {}).get("result") == "failure")
        self.account.task(self.job, "t", "true")
        self.assertEqual(self.done("t")["result"], "success")

    # -- kill and restart

    def test_a_restart_and_a_kill_of_the_server(self):
        node, = self.begin()
        self.hold("t")
        before = self.account.get(self.job, "t")
        self.site.stop()
        self.site.start()
        self.assertEqual(self.account.get(self.job, "t")["state"], "running")
        self.site.kill()
        self.site.start()
        wait_for("the node answers", lambda: self.began("t"))
        self.go(node)
        info = self.done("t")
        self.assertEqual((info["exitCode"], info["retryCount"], info["requeueCount"]), (5, 0, 0))
        self.assertEqual(info["startTime"][:19], before["executionInfo"]["startTime"][:19])
        self.assertEqual(self.account.output(self.pool, self.job, "t"), "began\n")
        self.account.task(self.job, "short", sh("sleep 1; exit 6"))            # ends while nobody listens
        wait_for("it began", lambda: self.account.get(self.job, "short")["state"] == "running")
        self.site.kill()
        wait_for("it ended", lambda: not self.processes(node, "exit 6"))
        self.site.start()
        self.assertEqual(self.done("short")["exitCode"], 6)

    def test_a_kill_of_the_agent_loses_nothing(self):
        node, = self.begin()
        self.hold("t")
        agents = [pid for pid in self.processes(node, "vaultyard-node") if " keep " not in pathlib.Path(f"/proc/{pid}/cmdline").read_text().replace("\0", " ")]
        self.assertTrue(agents)
        os.kill(agents[-1], signal.SIGKILL)
        wait_for("the node answers", lambda: self.began("t"))
        self.go(node)
        info = self.done("t")
        self.assertEqual((info["exitCode"], info["retryCount"], info["requeueCount"]), (5, 0, 0))
        self.assertEqual(self.account.output(self.pool, self.job, "t"), "began\n")

    def test_a_kill_of_a_keeper_runs_the_task_again(self):
        node, = self.begin()
        self.hold("t")
        keeper, = self.processes(node, " keep ")
        os.kill(keeper, signal.SIGKILL)
        wait_for("it is another keeper's", lambda: self.processes(node, " keep ") not in ([], [keeper]))
        wait_for("it began", lambda: self.began("t"))
        self.go(node)
        info = self.done("t")
        self.assertEqual((info["exitCode"], info["retryCount"], info["requeueCount"]), (5, 0, 0))

    def test_a_machine_that_dies_gives_its_tasks_back(self):
        node, = self.begin()
        self.hold("t")
        first = min(self.processes(node, "init"))
        os.kill(first, signal.SIGKILL)
        wait_for("it began anew", lambda: first not in self.processes(node, "init") and self.account.nodes(self.pool)[0]["state"] == "running" and self.began("t"), 120)
        self.go(node)
        info = self.done("t")
        self.assertEqual((info["exitCode"], info["retryCount"], info["requeueCount"]), (5, 0, 0))

    def test_a_silent_node_keeps_its_task_until_its_lease_is_over(self):
        nodes = self.begin(2)
        self.hold("t")
        lost = self.account.get(self.job, "t")["nodeInfo"]["nodeId"]
        other = next(node for node in nodes if node != lost)
        stopped = self.processes(lost, "")
        for pid in stopped:
            os.kill(pid, signal.SIGSTOP)
        begun = time.monotonic()
        try:
            wait_for("it runs elsewhere", lambda: (lambda it: it["state"] == "running" and it["nodeInfo"]["nodeId"] == other)(self.account.get(self.job, "t")), LEASE_S + GRACE_S + 40)
            self.assertGreater(time.monotonic() - begun, LEASE_S * 2 / 3 + GRACE_S - 1)       # the lease had been renewed a third of its length ago at most
            self.assertEqual(next(node["state"] for node in self.account.nodes(self.pool) if node["id"] == lost), "unknown")
        finally:
            for pid in stopped:
                os.kill(pid, signal.SIGCONT)
        wait_for("the lost node's own has ended", lambda: not self.processes(lost, "echo began"))
        wait_for("it is back", lambda: all(node["state"] in ("idle", "running") for node in self.account.nodes(self.pool)))
        self.go(other)
        info = self.done("t")
        self.assertEqual((info["exitCode"], info["retryCount"], info["requeueCount"]), (5, 0, 0))
        self.assertEqual(self.account.get(self.job, "t")["nodeInfo"]["nodeId"], other)

    # -- reboot, resize, removal

    def test_reboot_options(self):
        node, = self.begin(taskSlotsPerNode=2)
        self.hold("requeued")
        self.account.ok("POST", f"/pools/{self.pool}/nodes/{node}/reboot", {"nodeRebootOption": "requeue"})
        wait_for("it began again", lambda: self.began("requeued") and self.account.get(self.job, "requeued")["executionInfo"]["requeueCount"] == 1, 90)
        self.go(node)
        self.assertEqual(self.done("requeued")["exitCode"], 5)
        self.hold("ended", "never")
        self.account.ok("POST", f"/pools/{self.pool}/nodes/{node}/reboot", {"nodeRebootOption": "terminate"})
        self.assertEqual(self.done("ended")["failureInfo"]["code"], "TaskEnded")
        self.account.wait_nodes(self.pool, "idle")
        self.hold("kept", "kept")
        self.account.ok("POST", f"/pools/{self.pool}/nodes/{node}/reboot", {"nodeRebootOption": "taskcompletion"})
        self.account.task(self.job, "later", "true")
        self.assertEqual(self.account.nodes(self.pool)[0]["state"], "rebooting")
        self.go(node, "kept")
        info = self.done("kept")
        self.assertEqual((info["exitCode"], info["requeueCount"]), (5, 0))
        self.assertEqual(self.done("later", 90)["result"], "success")

    def test_a_pool_that_shrinks_and_goes(self):
        node, = self.begin()
        self.hold("t")
        self.account.ok("POST", f"/pools/{self.pool}/removenodes", {"nodeList": [node], "nodeDeallocationOption": "taskcompletion"})
        self.assertEqual(self.account.nodes(self.pool)[0]["state"], "leavingpool")
        self.go(node)
        self.assertEqual(self.done("t")["exitCode"], 5)
        wait_for("the pool is steady", lambda: self.account.ok("GET", f"/pools/{self.pool}")["allocationState"] == "steady")
        self.assertEqual(self.account.nodes(self.pool), [])
        self.account.ok("POST", f"/pools/{self.pool}/resize", {"targetDedicatedNodes": 1})
        self.account.wait_nodes(self.pool, "idle")
        self.hold("u")
        self.account.ok("DELETE", f"/pools/{self.pool}")
        wait_for("the pool is gone", lambda: self.account.call("GET", f"/pools/{self.pool}").status == 404)
        shown = self.account.get(self.job, "u")
        self.assertEqual((shown["state"], shown["executionInfo"]["requeueCount"]), ("active", 1))
        self.account.pool(self.pool, 1)
        wait_for("it runs on the new pool", lambda: self.began("u"), 90)


if __name__ == "__main__":
    unittest.main()
