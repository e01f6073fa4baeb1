"""The unmodified az: jobs, tasks that run on a real node, and their files, each command as its own parser has it."""
import json
import unittest

from az import Az as Command
from tasks import Account
from vaultyard import Site, wait_for


class AzJobs(unittest.TestCase):
    """The steps share one sign-in and run in the order of their numbers."""

    @classmethod
    def setUpClass(cls):
        cls.site = Site(nodes=True).start()
        cls.account = Account(cls.site, "azjobs")
        cls.account.pool("p")
        cls.az = Command(cls.site)
        cls.az.login()
        cls.az("batch", "account", "login", "-n", "azjobs", "-g", "g")
        cls.node = cls.account.wait_nodes("p", "idle")[0]["id"]

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def test_01_jobs(self):
        self.az("batch", "job", "create", "--id", "azjob", "--pool-id", "p", "--priority", "3", "--metadata", "a=b")        # a number as text: az 2.91 sends it so
        self.assertIn("JobExists", self.az("batch", "job", "create", "--id", "azjob", "--pool-id", "p", code=1))
        self.assertEqual(self.az("batch", "job", "show", "--job-id", "azjob")["priority"], 3)
        self.assertEqual([item["id"] for item in self.az("batch", "job", "list", "--filter", "state eq 'active'")], ["azjob"])
        self.az("batch", "job", "set", "--job-id", "azjob", "--priority", "7")
        self.assertEqual(self.az("batch", "job", "show", "--job-id", "azjob", "--select", "id,priority")["priority"], 7)
        self.assertIn("JobNotFound", self.az("batch", "job", "show", "--job-id", "none", code=3))

    def test_02_tasks(self):
        self.az("batch", "task", "create", "--job-id", "azjob", "--task-id", "one", "--command-line", "/bin/sh -c 'echo $GREETING; mkdir sub; echo x > sub/file'",
                "--environment-settings", "GREETING=hello")
        done = wait_for("the task is completed", lambda: (lambda task: task if task["state"] == "completed" else None)(self.az("batch", "task", "show", "--job-id", "azjob", "--task-id", "one")), 120)
        self.assertEqual((done["executionInfo"]["exitCode"], done["executionInfo"]["result"]), (0, "success"))
        file = self.site.base / "tasks.json"
        file.write_text(json.dumps([{"id": f"many{n}", "commandLine": "/bin/sh -c 'exit 4'"} for n in range(3)]))
        self.az("batch", "task", "create", "--job-id", "azjob", "--json-file", str(file))
        self.assertEqual(sorted(item["id"] for item in self.az("batch", "task", "list", "--job-id", "azjob")), ["many0", "many1", "many2", "one"])
        wait_for("all are completed", lambda: self.az("batch", "job", "task-counts", "show", "--job-id", "azjob")["taskCounts"]["completed"] == 4, 120)
        self.assertEqual(self.az("batch", "job", "task-counts", "show", "--job-id", "azjob")["taskCounts"]["failed"], 3)
        self.az("batch", "task", "reactivate", "--job-id", "azjob", "--task-id", "many0")
        self.assertIn("TaskSucceeded", self.az("batch", "task", "reactivate", "--job-id", "azjob", "--task-id", "one", code=1))
        self.az("batch", "task", "delete", "--job-id", "azjob", "--task-id", "many2", "--yes")
        self.assertIn("TaskNotFound", self.az("batch", "task", "show", "--job-id", "azjob", "--task-id", "many2", code=3))

    def test_03_files(self):
        of_task = ("--job-id", "azjob", "--task-id", "one")
        self.assertEqual(sorted(item["name"] for item in self.az("batch", "task", "file", "list", *of_task, "--recursive")), ["stderr.txt", "stdout.txt", "wd", "wd/sub", "wd/sub/file"])
        target = self.site.base / "out.txt"
        self.az("batch", "task", "file", "download", *of_task, "--file-path", "stdout.txt", "--destination", str(target))
        self.assertEqual(target.read_text(), "hello\n")
        # `az batch task file show` of 2.91 falls over its own answer object, whatever the server says
        self.az("batch", "task", "file", "delete", *of_task, "--file-path", "wd/sub", "--recursive", "--yes")
        self.assertIn("FileNotFound", self.az("batch", "task", "file", "delete", *of_task, "--file-path", "wd/sub", "--yes", code=3))
        of_node = ("--pool-id", "p", "--node-id", self.node)
        self.assertIn("workitems", [item["name"] for item in self.az("batch", "node", "file", "list", *of_node)])
        again = self.site.base / "again.txt"
        self.az("batch", "node", "file", "download", *of_node, "--file-path", "workitems/azjob/job-1/one/stdout.txt", "--destination", str(again))
        self.assertEqual(again.read_text(), "hello\n")

    def test_04_the_end(self):
        self.az("batch", "job", "disable", "--job-id", "azjob", "--disable-tasks", "requeue")
        wait_for("it is disabled", lambda: self.account.get("azjob")["state"] == "disabled")
        self.az("batch", "job", "enable", "--job-id", "azjob")
        self.az("batch", "job", "stop", "--job-id", "azjob", "--terminate-reason", "by az")
        wait_for("it is completed", lambda: self.account.get("azjob")["state"] == "completed")
        self.assertEqual(self.az("batch", "job", "show", "--job-id", "azjob")["executionInfo"]["terminateReason"], "by az")
        self.az("batch", "job", "delete", "--job-id", "azjob", "--yes")
        wait_for("it is gone", lambda: self.account.call("GET", "/jobs/azjob").status == 404)


if __name__ == "__main__":
    unittest.main()
