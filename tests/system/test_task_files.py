"""Files of tasks through the files API while they run and afterwards, by HTTP and by vy; what a node shows of its tasks; all of it held against the service's description."""
import hashlib
import unittest

from contract import Contract
from tasks import API, Account, sh
from vaultyard import Site, wait_for

CONTRACT = Contract("batch", API)


class TaskFiles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site(nodes=True).start()
        cls.account = Account(cls.site, "taskfiles")
        cls.account.pool("p", startTask={"commandLine": sh("echo ready > $AZ_BATCH_NODE_SHARED_DIR/ready"), "waitForSuccess": True})
        cls.node = cls.account.wait_nodes("p", "idle")[0]["id"]
        cls.account.ok("POST", "/jobs", {"id": "Files", "poolInfo": {"poolId": "p"}})

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def call(self, method, rest, **headers):
        return self.account.call(method, f"/jobs/Files/tasks/{rest}", **headers)

    def vy(self, *words, **more):
        return self.site.vy("batch", "task", *words, "--account-name", "taskfiles", "--job-id", "Files", **more)

    def add(self, task, script, **more):
        self.account.ok("POST", "/jobs/Files/tasks", {"id": task, "commandLine": sh(script), **more})

    def task(self, task):
        return CONTRACT.answer(self.call("GET", task), "Task_Get").json

    def node_now(self):
        return CONTRACT.answer(self.account.call("GET", f"/pools/p/nodes/{self.node}"), "ComputeNode_Get").json

    def completed(self, task):
        return wait_for(f"{task} is completed", lambda: (lambda now: now if now["state"] == "completed" else None)(self.task(task)))

    def refused(self, answer, status, code):
        return CONTRACT.error(answer, status, code)

    def test_read_while_it_runs(self):
        self.add("Runs", "echo first; while ! test -e go; do sleep 0.1; done; echo second")
        wait_for("the first line is there", lambda: self.call("GET", "Runs/files/stdout.txt").body == "first\n")
        seen = self.task("Runs")
        self.assertEqual((seen["state"], seen["nodeInfo"]["nodeId"], seen["nodeInfo"]["poolId"]), ("running", self.node, "p"))
        self.assertEqual(seen["nodeInfo"]["taskRootDirectory"], "workitems/Files/job-1/Runs")
        self.assertNotIn("exitCode", seen["executionInfo"])
        self.refused(self.call("GET", "Runs/files/stdout.txt", ocp_range="bytes=6-"), 416, "InvalidRange")
        node = self.node_now()
        self.assertEqual((node["runningTasksCount"], node["recentTasks"][0]["taskId"], node["recentTasks"][0]["taskState"]), (1, "Runs", "running"))
        self.assertEqual(node["recentTasks"][0]["taskUrl"], seen["url"])
        self.account.exec("p", self.node, "touch /mnt/batch/tasks/workitems/Files/job-1/Runs/wd/go")
        seen = self.completed("Runs")
        self.assertEqual((seen["executionInfo"]["exitCode"], seen["executionInfo"]["result"]), (0, "success"))
        self.assertEqual(self.call("GET", "Runs/files/stdout.txt", ocp_range="bytes=6-").body, "second\n")

    def test_listed_described_and_deleted(self):
        self.add("Makes", "mkdir -p out/deep && echo one > out/one.txt && echo two > out/deep/two.json && echo oops >&2")
        self.completed("Makes")
        files = CONTRACT.answer(self.call("GET", "Makes/files?recursive=true"), "File_ListFromTask").json["value"]
        self.assertEqual([item["name"] for item in files], ["stderr.txt", "stdout.txt", "wd", "wd/out", "wd/out/deep", "wd/out/deep/two.json", "wd/out/one.txt"])
        self.assertTrue(files[6]["url"].endswith("/jobs/Files/tasks/Makes/files/wd/out/one.txt"))
        self.assertEqual([item["name"] for item in self.call("GET", "Makes/files").json["value"]], ["stderr.txt", "stdout.txt", "wd"])
        self.assertEqual([item["name"] for item in self.call("GET", "Makes/files?recursive=true&$filter=startswith(name,'wd/out/deep')").json["value"]], ["wd/out/deep", "wd/out/deep/two.json"])
        page = self.call("GET", "Makes/files?recursive=true&maxresults=5").json
        rest = self.site.call("GET", page["odata.nextLink"], token=self.site.token(f"https://{self.site.admin['batchDnsSuffix']}")).json
        self.assertEqual(([item["name"] for item in page["value"] + rest["value"]], "odata.nextLink" in rest), ([item["name"] for item in files], False))
        head = CONTRACT.answer(self.call("HEAD", "Makes/files/wd%2Fout%2Fone.txt"), "File_GetPropertiesFromTask")
        self.assertEqual((head.headers["Content-Length"], head.headers["ocp-batch-file-isdirectory"], head.headers["Content-Type"]), ("4", "false", "text/plain"))
        self.assertEqual(CONTRACT.answer(self.call("GET", "Makes/files/stderr.txt"), "File_GetFromTask").body, "oops\n")
        self.refused(self.call("DELETE", "Makes/files/wd/out"), 409, "ResourceTypeMismatch")
        CONTRACT.answer(self.call("DELETE", "Makes/files/wd/out/one.txt"), "File_DeleteFromTask")
        self.refused(self.call("GET", "Makes/files/wd/out/one.txt"), 404, "FileNotFound")
        self.assertEqual(self.call("DELETE", "Makes/files/wd/out?recursive=true").status, 200)
        self.assertEqual([item["name"] for item in self.call("GET", "Makes/files?recursive=true").json["value"]], ["stderr.txt", "stdout.txt", "wd"])

    def test_only_below_the_tasks_own_directory(self):
        self.add("Sly", "ln -s /etc/shadow shadow; ln -s ../../Runs/stdout.txt other; echo x > x")
        self.completed("Sly")
        self.refused(self.call("GET", "Sly/files/wd/shadow"), 404, "FileNotFound")
        self.refused(self.call("GET", "Sly/files/../Runs/stdout.txt"), 400, "InvalidInput")
        self.refused(self.call("GET", "Sly/files/..%2FRuns%2Fstdout.txt"), 400, "InvalidInput")
        self.refused(self.call("GET", "Sly/files/%2Fetc%2Fpasswd"), 400, "InvalidUri")
        self.refused(self.call("DELETE", "Sly/files/wd%2F..%2F..%2FRuns?recursive=true"), 400, "InvalidInput")

    def test_large_and_by_vy(self):
        self.add("Large", "head -c 9000001 /dev/urandom > large && sha256sum large")
        self.completed("Large")
        told = self.call("GET", "Large/files/stdout.txt").body.split()[0]
        self.vy("file", "download", "--task-id", "Large", "--file-path", "wd/large", "--destination", str(self.site.base / "large"))
        self.assertEqual(hashlib.sha256((self.site.base / "large").read_bytes()).hexdigest(), told)
        self.assertEqual(self.vy("file", "show", "--task-id", "Large", "--file-path", "wd/large")["contentLength"], 9000001)
        self.assertIn("wd/large", [item["name"] for item in self.vy("file", "list", "--task-id", "Large", "--recursive")])
        self.vy("file", "delete", "--task-id", "Large", "--file-path", "wd/large", "--yes")
        self.assertIn("(FileNotFound)", self.vy("file", "download", "--task-id", "Large", "--file-path", "wd/large", "--destination", str(self.site.base / "again"), code=3).stderr)
        self.assertIn("there is no file", self.vy("file", "show", "--task-id", "Large", "--file-path", "wd/large", code=3).stderr)
        table = self.site.run([*self.words(), "task", "list", "--account-name", "taskfiles", "--job-id", "Files", "-o", "table"], env=self.site.vy_env()).stdout
        self.assertRegex(table, r"Id\s+State\s+Result\s+ExitCode\s+Node\s+CommandLine")
        self.assertRegex(table, r"Large\s+completed\s+success\s+0\s+" + self.node)

    @staticmethod
    def words():
        from vaultyard import BUILD
        return [BUILD / "vy", "batch"]

    def test_what_has_no_files(self):
        self.account.ok("POST", "/jobs/Files/tasks", {"id": "waits", "commandLine": "true", "requiredSlots": 2})       # more than the node has
        self.refused(self.call("GET", "waits/files"), 409, "TaskFilesUnavailable")
        self.refused(self.call("GET", "waits/files/stdout.txt"), 409, "TaskFilesUnavailable")
        self.refused(self.call("GET", "none/files/stdout.txt"), 404, "TaskNotFound")
        self.refused(self.account.call("GET", "/jobs/none/tasks/none/files"), 404, "JobNotFound")
        nobody = self.site.principal("files-nobody")
        token = self.site.token(f"https://{self.site.admin['batchDnsSuffix']}", nobody["appId"], nobody["password"])
        self.refused(self.site.call("GET", f"https://{self.account.show()['accountEndpoint']}/jobs/Files/tasks/waits/files?api-version={API}", token=token), 403, "InsufficientAccountPermissions")

    def test_the_start_tasks_own(self):
        node = self.node_now()
        self.assertEqual((node["startTaskInfo"]["state"], node["startTaskInfo"]["exitCode"], node["startTaskInfo"]["result"]), ("completed", 0, "success"))
        self.assertTrue(node["startTask"]["waitForSuccess"])
        self.assertEqual(self.account.call("GET", f"/pools/p/nodes/{self.node}/files/shared/ready").body, "ready\n")
        self.assertEqual(self.account.call("GET", f"/pools/p/nodes/{self.node}/files/startup/stderr.txt").body, "")

    def test_zz_files_outlive_a_reboot(self):
        self.add("Before", "echo kept")
        self.completed("Before")
        where = ("batch", "node", "reboot", "--account-name", "taskfiles", "--pool-id", "p", "--node-id", self.node)
        self.assertIn("(InvalidPropertyValue)", self.site.vy(*where, "--node-reboot-option", "gently", code=1).stderr)
        before = self.account.ok("GET", f"/pools/p/nodes/{self.node}")["lastBootTime"]
        self.site.vy(*where, "--node-reboot-option", "terminate")
        wait_for("the node has started again and is idle", lambda: (lambda node: node["state"] == "idle" and node["lastBootTime"] != before)(self.account.ok("GET", f"/pools/p/nodes/{self.node}")), 90)
        self.assertEqual(self.call("GET", "Before/files/stdout.txt").body, "kept\n")


if __name__ == "__main__":
    unittest.main()
