"""Jobs and tasks on real nodes: what runs, as whom, with what, how it ends, and what is refused."""
import unittest

from tasks import ROOT, Account, sh
from vaultyard import Site, wait_for


class Tasks(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site(nodes=True).start()
        cls.account = Account(cls.site, "runs")
        cls.account.pool("p", 1, taskSlotsPerNode=4, userAccounts=[
            {"name": "worker", "password": "Pa55-word", "elevationLevel": "nonadmin", "linuxUserConfiguration": {"uid": 5001, "gid": 5001}},
            {"name": "boss", "password": "Pa55-word", "elevationLevel": "admin"}])
        cls.node = cls.account.wait_nodes("p", "idle")[0]["id"]
        cls.account.job("j", "p", commonEnvironmentSettings=[{"name": "COMMON", "value": "from the job"}, {"name": "BOTH", "value": "job"}])

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def run_task(self, task, line, job="j", **more):
        self.account.task(job, task, line, **more)
        return self.account.wait_task(job, task)

    def out(self, task, name="stdout.txt", job="j"):
        return self.account.output("p", job, task, name)

    def test_a_task_runs_and_says_how_it_ended(self):
        done = self.run_task("hello", sh("echo hello; echo oops >&2; pwd"))
        info = done["executionInfo"]
        self.assertEqual((info["exitCode"], info["result"], info["retryCount"], info["requeueCount"]), (0, "success", 0, 0))
        self.assertNotIn("failureInfo", info)
        self.assertLessEqual(info["startTime"], info["endTime"])
        self.assertEqual((done["previousState"], done["nodeInfo"]["nodeId"]), ("running", self.node))
        self.assertEqual(self.out("hello"), f"hello\n{ROOT}/workitems/j/job-1/hello/wd\n")
        self.assertEqual(self.out("hello", "stderr.txt"), "oops\n")
        node = self.account.wait_nodes("p", "idle")[0]
        self.assertEqual(node["runningTasksCount"], 0)

    def test_environment(self):
        self.run_task("env", sh("env"), environmentSettings=[{"name": "BOTH", "value": "task"}, {"name": "OWN", "value": "a b=c"}])
        seen = dict(line.split("=", 1) for line in self.out("env").splitlines())
        self.assertEqual({name: seen[name] for name in ("COMMON", "BOTH", "OWN")}, {"COMMON": "from the job", "BOTH": "task", "OWN": "a b=c"})
        endpoint = self.account.show()["accountEndpoint"]
        self.assertEqual({name: seen["AZ_BATCH_" + name] for name in ("ACCOUNT_NAME", "ACCOUNT_URL", "POOL_ID", "NODE_ID", "JOB_ID", "TASK_ID", "NODE_IS_DEDICATED")},
                         {"ACCOUNT_NAME": "runs", "ACCOUNT_URL": f"https://{endpoint}", "POOL_ID": "p", "NODE_ID": self.node, "JOB_ID": "j", "TASK_ID": "env", "NODE_IS_DEDICATED": "true"})

    def test_users(self):
        users = {"own": None, "pool": {"autoUser": {}}, "pooladmin": {"autoUser": {"scope": "pool", "elevationLevel": "admin"}},
                 "taskadmin": {"autoUser": {"scope": "task", "elevationLevel": "admin"}}, "named": {"username": "worker"}, "boss": {"username": "boss"}}
        self.account.exec("p", self.node, "touch /var/secret && chmod 600 /var/secret")
        for task, identity in users.items():
            self.account.task("j", "user-" + task, sh("id -un; id -u; cat /var/secret && echo reads"), **({"userIdentity": identity} if identity else {}))
        seen = {}
        for task in users:
            done = self.account.wait_task("j", "user-" + task)
            self.assertEqual(done["executionInfo"].get("exitCode"), 1 if task in ("own", "pool", "named") else 0, (task, self.out("user-" + task), self.out("user-" + task, "stderr.txt")))
            seen[task] = self.out("user-" + task).split()
        self.assertTrue(seen["own"][0].startswith("_azbatchtask_"))
        self.assertEqual(seen["pool"][0], "_azbatch")
        self.assertEqual(seen["pooladmin"], ["root", "0", "reads"])
        self.assertEqual(seen["taskadmin"], ["root", "0", "reads"])
        self.assertEqual(seen["named"], ["worker", "5001"])
        self.assertEqual((seen["boss"][0], seen["boss"][2]), ("boss", "reads"))
        gone = self.run_task("user-none", "true", userIdentity={"username": "nobody-here"})
        self.assertEqual((gone["executionInfo"]["result"], gone["executionInfo"]["failureInfo"]["category"]), ("failure", "usererror"))
        shown = self.account.get("j", "user-own")["userIdentity"]
        self.assertEqual(shown, {"autoUser": {"scope": "task", "elevationLevel": "nonadmin"}})

    def test_failures_and_retries(self):
        info = self.run_task("fails", sh("exit 7"))["executionInfo"]
        self.assertEqual((info["exitCode"], info["result"], info["retryCount"], info["failureInfo"]["code"], info["failureInfo"]["category"]), (7, "failure", 0, "FailureExitCode", "usererror"))
        info = self.run_task("retries", sh("echo x >> tries; exit 3"), constraints={"maxTaskRetryCount": 2})["executionInfo"]
        self.assertEqual((info["exitCode"], info["retryCount"]), (3, 2))
        self.assertIn("lastRetryTime", info)
        info = self.run_task("second", sh("test -e tried && exit 0; touch tried; exit 1"), constraints={"maxTaskRetryCount": -1})["executionInfo"]
        self.assertEqual((info["exitCode"], info["result"], info["retryCount"]), (0, "success", 1))
        info = self.run_task("noprogram", "/no/such/program", constraints={"maxTaskRetryCount": 3})["executionInfo"]
        self.assertEqual((info["failureInfo"]["code"], info["retryCount"]), ("CommandProgramNotFound", 0))
        self.assertNotIn("exitCode", info)

    def test_a_task_out_of_time_ends(self):
        info = self.run_task("slow", sh("sleep 600"), constraints={"maxWallClockTime": "PT1S"})["executionInfo"]
        self.assertEqual((info["result"], info["failureInfo"]["code"]), ("failure", "TaskEnded"))

    def test_terminated_and_deleted(self):
        self.account.task("j", "ended", sh("echo begun; sleep 600"))
        wait_for("it began", lambda: "begun" in self.account.call("GET", "/jobs/j/tasks/ended/files/stdout.txt").body)
        self.account.ok("POST", "/jobs/j/tasks/ended/terminate")
        info = self.account.wait_task("j", "ended")["executionInfo"]
        self.assertEqual((info["result"], info["failureInfo"]["code"], info["failureInfo"]["category"]), ("failure", "TaskEnded", "usererror"))
        self.assertEqual(self.account.call("POST", "/jobs/j/tasks/ended/terminate").json["code"], "TaskCompleted")
        self.account.task("j", "removed", sh("sleep 600"))
        self.account.wait_task("j", "removed", "running")
        self.account.ok("DELETE", "/jobs/j/tasks/removed")
        self.assertEqual(self.account.call("GET", "/jobs/j/tasks/removed").status, 404)
        self.account.task("j", "removed", sh("echo again"))          # the id is free at once; it begins when the other has ended
        self.assertEqual(self.account.wait_task("j", "removed")["executionInfo"]["result"], "success")
        self.assertEqual(self.out("removed"), "again\n")

    def test_reactivated(self):
        self.account.task("j", "again", sh("test -e /mnt/batch/tasks/shared/go"), userIdentity={"autoUser": {"elevationLevel": "admin"}})
        self.assertEqual(self.account.wait_task("j", "again")["executionInfo"]["result"], "failure")
        self.account.exec("p", self.node, "touch /mnt/batch/tasks/shared/go")
        self.account.ok("POST", "/jobs/j/tasks/again/reactivate")
        wait_for("it succeeds", lambda: self.account.get("j", "again").get("executionInfo", {}).get("result") == "success")
        self.assertEqual(self.account.call("POST", "/jobs/j/tasks/again/reactivate").json["code"], "TaskSucceeded")

    def test_slots_and_parallel_tasks(self):
        self.account.job("few", "p", maxParallelTasks=2)
        for number in range(3):
            self.account.task("few", f"t{number}", sh("while ! test -e /mnt/batch/tasks/shared/few; do sleep 0.1; done"))
        wait_for("two run", lambda: self.account.ok("GET", "/jobs/few/taskcounts")["taskCounts"]["running"] == 2)
        self.account.task("j", "wide", sh("echo"), requiredSlots=3)
        self.account.task("j", "narrow", sh("echo"), requiredSlots=2)
        self.account.wait_task("j", "narrow")                        # passes the wide one, which does not fit
        self.assertEqual(self.account.get("j", "wide")["state"], "active")
        self.assertEqual(self.account.ok("GET", "/jobs/few/taskcounts")["taskCounts"], {"active": 1, "running": 2, "completed": 0, "succeeded": 0, "failed": 0})
        self.assertEqual(self.account.nodes("p")[0]["state"], "running")
        self.account.exec("p", self.node, "touch /mnt/batch/tasks/shared/few")
        self.account.wait_task("j", "wide")
        for number in range(3):
            self.account.wait_task("few", f"t{number}")

    def test_many_short_tasks(self):
        self.account.job("many", "p", onAllTasksComplete="noaction")
        added = self.account.ok("POST", "/jobs/many/addtaskcollection", {"value": [{"id": f"t{n}", "commandLine": "true"} for n in range(60)]})
        self.assertEqual({item["status"] for item in added["value"]}, {"success"})
        wait_for("all are done", lambda: self.account.ok("GET", "/jobs/many/taskcounts")["taskCounts"]["succeeded"] == 60, timeout=90)

    def test_files_go_with_their_retention_time(self):
        self.run_task("kept", sh("echo kept"), constraints={"retentionTime": "PT1H"})
        self.assertEqual(self.out("kept"), "kept\n")
        self.run_task("gone", sh("echo gone"), constraints={"retentionTime": "PT0S"})
        wait_for("its directory went", lambda: "gone" not in self.account.exec("p", self.node, f"ls {ROOT}/workitems/j/job-1").split())
        self.assertEqual(self.out("kept"), "kept\n")


if __name__ == "__main__":
    unittest.main()
