"""Jobs on real nodes: preparation and release tasks, disabling, terminating, deleting, running out of time, ending by themselves."""
import unittest

from tasks import ROOT, Account, sh
from vaultyard import Site, wait_for

HOLD = sh(f"while ! test -e {ROOT}/shared/$AZ_BATCH_JOB_ID; do sleep 0.1; done")


class Jobs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site(nodes=True).start()
        cls.account = Account(cls.site, "jobs")
        cls.account.pool("p", 1, taskSlotsPerNode=4)
        cls.node = cls.account.wait_nodes("p", "idle")[0]["id"]

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def go(self, job):
        self.account.exec("p", self.node, f"touch {ROOT}/shared/{job}")

    def running(self, job, *tasks):
        for task in tasks:
            self.account.task(job, task, HOLD)
        for task in tasks:
            self.account.wait_task(job, task, "running")

    def test_preparation_and_release(self):
        self.account.job("prepared", "p", jobPreparationTask={"commandLine": sh("echo made > made; sleep 1"), "id": "prep"}, jobReleaseTask={"commandLine": sh("cat $AZ_BATCH_JOB_PREP_WORKING_DIR/made")})
        self.account.task("prepared", "t1", sh("cat $AZ_BATCH_JOB_PREP_WORKING_DIR/made"))
        self.account.task("prepared", "t2", "true")
        wait_for("they wait", lambda: {self.account.get("prepared", t)["state"] for t in ("t1", "t2")} == {"preparing"})
        self.assertEqual(self.account.ok("GET", "/jobs/prepared/taskcounts")["taskCounts"]["running"], 2)
        for task in ("t1", "t2"):
            self.assertEqual(self.account.wait_task("prepared", task)["executionInfo"]["result"], "success")
        self.assertEqual(self.account.output("p", "prepared", "t1"), "made\n")
        self.account.ok("POST", "/jobs/prepared/terminate", {"terminateReason": "enough"})
        done = self.account.wait_job("prepared", "completed")
        self.assertEqual(done["executionInfo"]["terminateReason"], "enough")
        status, = self.account.ok("GET", "/jobs/prepared/jobpreparationandreleasetaskstatus")["value"]
        self.assertEqual((status["nodeId"], status["jobPreparationTaskExecutionInfo"]["result"], status["jobReleaseTaskExecutionInfo"]["result"]), (self.node, "success", "success"))
        self.assertEqual(self.account.file("p", self.node, "workitems/prepared/job-1/jobrelease/stdout.txt"), "made\n")
        self.account.ok("DELETE", "/jobs/prepared")
        wait_for("it is gone", lambda: self.account.call("GET", "/jobs/prepared").status == 404)
        wait_for("its files are gone", lambda: not self.account.exec("p", self.node, f"ls {ROOT}/workitems/prepared/job-1 2>/dev/null || true").split())

    def test_a_failed_preparation_keeps_the_job_from_the_node(self):
        self.account.job("unprepared", "p", jobPreparationTask={"commandLine": sh("exit 4"), "constraints": {"maxTaskRetryCount": 1}})
        self.account.task("unprepared", "t", "true")
        wait_for("it failed", lambda: [s["jobPreparationTaskExecutionInfo"].get("exitCode") for s in self.account.ok("GET", "/jobs/unprepared/jobpreparationandreleasetaskstatus")["value"]] == [4])
        status, = self.account.ok("GET", "/jobs/unprepared/jobpreparationandreleasetaskstatus")["value"]
        self.assertEqual((status["jobPreparationTaskExecutionInfo"]["retryCount"], status["jobPreparationTaskExecutionInfo"]["result"]), (1, "failure"))
        self.assertEqual(self.account.get("unprepared", "t")["state"], "active")
        self.account.ok("POST", "/jobs/unprepared/terminate")
        self.account.wait_job("unprepared", "completed")

    def test_disabled_by_requeue_and_enabled(self):
        self.account.job("dis", "p")
        self.running("dis", "t")
        self.account.ok("POST", "/jobs/dis/disable", {"disableTasks": "requeue"})
        self.account.wait_job("dis", "disabled")
        shown = self.account.get("dis", "t")
        self.assertEqual((shown["state"], shown["executionInfo"]["requeueCount"], shown["executionInfo"]["retryCount"]), ("active", 1, 0))
        self.account.task("dis", "u", "true")
        self.assertEqual(self.account.get("dis", "u")["state"], "active")
        self.account.ok("POST", "/jobs/dis/enable")
        self.go("dis")
        for task in ("t", "u"):
            self.assertEqual(self.account.wait_task("dis", task)["executionInfo"]["result"], "success")
        self.assertEqual(self.account.call("POST", "/jobs/dis/enable").status, 409)

    def test_disabled_by_terminate_and_by_wait(self):
        self.account.job("dis2", "p")
        self.running("dis2", "t")
        self.account.ok("POST", "/jobs/dis2/disable", {"disableTasks": "terminate"})
        self.account.wait_job("dis2", "disabled")
        self.assertEqual(self.account.get("dis2", "t")["executionInfo"]["failureInfo"]["code"], "TaskEnded")
        self.account.ok("POST", "/jobs/dis2/enable")
        self.running("dis2", "u")
        self.account.ok("POST", "/jobs/dis2/disable", {"disableTasks": "wait"})
        self.assertEqual(self.account.get("dis2")["state"], "disabling")
        self.go("dis2")
        self.account.wait_job("dis2", "disabled")
        self.assertEqual(self.account.get("dis2", "u")["executionInfo"]["result"], "success")

    def test_terminated_with_tasks_that_run_and_wait(self):
        self.account.job("term", "p", maxParallelTasks=1)
        self.running("term", "t")
        self.account.task("term", "waits", "true")
        self.account.ok("POST", "/jobs/term/terminate")
        done = self.account.wait_job("term", "completed")
        self.assertEqual((done["executionInfo"]["terminateReason"], done["previousState"]), ("UserTerminate", "terminating"))
        for task in ("t", "waits"):
            shown = self.account.get("term", task)
            self.assertEqual((shown["state"], shown["executionInfo"]["result"], shown["executionInfo"]["failureInfo"]["code"]), ("completed", "failure", "TaskEnded"))
        self.assertEqual(self.account.call("POST", "/jobs/term/tasks", {"id": "late", "commandLine": "true"}).json["code"], "JobCompleted")
        self.assertEqual(self.account.call("POST", "/jobs/term/terminate").json["code"], "JobCompleted")

    def test_deleted_while_tasks_run(self):
        self.account.job("del", "p")
        self.running("del", "t", "u")
        self.account.ok("DELETE", "/jobs/del")
        wait_for("it is gone", lambda: self.account.call("GET", "/jobs/del").status == 404)
        script = "for p in /proc/[0-9]*; do tr '\\0' ' ' <$p/cmdline; echo; done 2>/dev/null | grep -c 'sleep 0[.]1' || true"
        self.assertEqual(self.account.exec("p", self.node, script).strip(), "0")
        self.account.job("del", "p")                                 # its id is free
        self.account.ok("DELETE", "/jobs/del")

    def test_ends_when_all_tasks_are_complete(self):
        self.account.job("all", "p")
        self.account.task("all", "good", "true")
        self.account.task("all", "bad", sh("exit 1"))
        self.account.ok("PATCH", "/jobs/all", {"onAllTasksComplete": "terminatejob"})
        self.assertEqual(self.account.wait_job("all", "completed")["executionInfo"]["terminateReason"], "AllTasksComplete")

    def test_ends_when_its_time_is_over(self):
        self.account.job("brief", "p")
        self.running("brief", "t")                                   # however long that takes
        self.account.ok("PATCH", "/jobs/brief", {"constraints": {"maxWallClockTime": "PT1S"}})
        self.assertEqual(self.account.wait_job("brief", "completed")["executionInfo"]["terminateReason"], "MaxWallClockTimeExpiry")

    def test_priority_decides_who_is_next(self):
        self.account.job("block", "p")
        self.account.task("block", "all", HOLD, requiredSlots=4)
        self.account.wait_task("block", "all", "running")
        self.account.job("low", "p", priority=-10)
        self.account.job("high", "p", priority=10)
        for job in ("low", "high"):
            self.account.task(job, "t", "true", requiredSlots=4)
        self.go("block")
        low, high = self.account.wait_task("low", "t"), self.account.wait_task("high", "t")
        self.assertLess(high["executionInfo"]["endTime"], low["executionInfo"]["startTime"])


if __name__ == "__main__":
    unittest.main()
