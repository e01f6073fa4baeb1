"""Jobs and tasks on the data plane, in both api generations that the SDKs use, each answer held against the service's own description; and all that is refused.

There are no nodes here: tasks wait. What runs is in test_task_files.py and the tests of tasks."""
import unittest

from contract import Contract
from vaultyard import Site, wait_for

VERSIONS = ("2022-10-01.16.0", "2024-07-01.20.0")


class JobsApi(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site().start()
        cls.site.vy("group", "create", "-n", "g", "-l", "local")
        cls.endpoint = cls.site.vy("batch", "account", "create", "-n", "jobsapi", "-g", "g", "-l", "local")["accountEndpoint"]
        cls.resource = f"https://{cls.site.admin['batchDnsSuffix']}"

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def call(self, version, method, path, body=None, **headers):
        mark = "&" if "?" in path else "?"
        given = {name.replace("_", "-"): value for name, value in headers.items()}
        if method in ("POST", "PUT", "PATCH") and body is None:
            given["Content-Length"] = "0"
        return self.site.call(method, f"https://{self.endpoint}{path}{mark}api-version={version}", body, self.site.token(self.resource), given)

    def each(self):
        for version in VERSIONS:
            with self.subTest(version):
                yield Contract("batch", version), lambda *words, version=version, **more: self.call(version, *words, **more), "v" + version[2:4]

    def test_a_jobs_life(self):
        for contract, call, tag in self.each():
            job = {"id": f"{tag}-Life", "displayName": "A life", "priority": 5, "poolInfo": {"poolId": "none"}, "constraints": {"maxWallClockTime": "P1D", "maxTaskRetryCount": 1},
                   "jobPreparationTask": {"commandLine": "true", "constraints": {"maxTaskRetryCount": 2}}, "jobReleaseTask": {"commandLine": "true", "maxWallClockTime": "PT10M"},
                   "commonEnvironmentSettings": [{"name": "A", "value": "1"}], "metadata": [{"name": "m", "value": "n"}], "onAllTasksComplete": "noaction"}
            path = f"/jobs/{tag}-Life"
            contract.answer(call("POST", "/jobs", job), "Job_Add")
            seen = contract.answer(call("GET", path), "Job_Get").json
            for name in ("id", "displayName", "priority", "poolInfo", "metadata", "commonEnvironmentSettings"):
                self.assertEqual(seen[name], job[name])
            self.assertNotIn("stats", seen)
            self.assertNotIn("previousState", seen)
            contract.answer(call("PATCH", path, {"priority": 9}), "Job_Patch")
            contract.answer(call("PUT", path, {"poolInfo": {"poolId": "none"}, "priority": 3}), "Job_Update")
            self.assertNotIn("metadata", call("GET", path).json)
            contract.answer(call("POST", path + "/disable", {"disableTasks": "terminate"}), "Job_Disable")
            wait_for("the job is disabled", lambda: call("GET", path).json["state"] == "disabled")
            contract.answer(call("POST", path + "/enable"), "Job_Enable")
            contract.answer(call("GET", path + "/taskcounts"), "Job_GetTaskCounts")
            contract.answer(call("GET", path + "/jobpreparationandreleasetaskstatus"), "Job_ListPreparationAndReleaseTaskStatus")
            contract.answer(call("POST", path + "/terminate", {"terminateReason": "seen enough"}), "Job_Terminate")
            wait_for("the job is completed", lambda: call("GET", path).json["state"] == "completed")
            seen = contract.answer(call("GET", path), "Job_Get").json
            self.assertEqual((seen["previousState"], seen["executionInfo"]["terminateReason"]), ("terminating", "seen enough"))
            contract.answer(call("DELETE", path), "Job_Delete")
            wait_for("the job is gone", lambda: call("GET", path).status == 404)

    def test_a_tasks_life(self):
        for contract, call, tag in self.each():
            contract.answer(call("POST", "/jobs", {"id": f"{tag}-tasks", "poolInfo": {"poolId": "none"}}), "Job_Add")
            path = f"/jobs/{tag}-tasks"
            task = {"id": "One", "displayName": "First", "commandLine": "/bin/sh -c 'echo hello'", "environmentSettings": [{"name": "A", "value": "1"}], "requiredSlots": 1,
                    "resourceFiles": [{"httpUrl": "https://example.org/a", "filePath": "in/a", "fileMode": "0750"}],
                    "constraints": {"maxTaskRetryCount": 2, "retentionTime": "PT2H", "maxWallClockTime": "PT5M"}, "userIdentity": {"autoUser": {"scope": "pool", "elevationLevel": "admin"}}}
            added = contract.answer(call("POST", path + "/tasks", task), "Task_Add")
            self.assertEqual(added.headers["Location"], f"https://{self.endpoint}{path}/tasks/One")
            seen = contract.answer(call("GET", path + "/tasks/ONE"), "Task_Get").json
            for name in task:
                self.assertEqual(seen[name], task[name])
            self.assertEqual(seen["executionInfo"], {"retryCount": 0, "requeueCount": 0})
            contract.answer(call("PUT", path + "/tasks/One", {"constraints": {"maxTaskRetryCount": 0}}), "Task_Update")
            many = {"value": [{"id": f"n{n}", "commandLine": "true"} for n in range(99)] + [task]}
            many = contract.answer(call("POST", path + "/addtaskcollection", many), "Task_AddCollection").json["value"]
            self.assertEqual([item["status"] for item in many], ["success"] * 99 + ["clienterror"])
            self.assertEqual(many[99]["error"]["code"], "TaskExists")
            page = contract.answer(call("GET", path + "/tasks?maxresults=70"), "Task_List").json
            self.assertEqual(len(page["value"]), 70)
            rest = self.site.call("GET", page["odata.nextLink"], token=self.site.token(self.resource)).json
            self.assertEqual((len(rest["value"]), "odata.nextLink" in rest), (30, False))
            chosen = call("GET", path + "/tasks?$filter=state%20eq%20'active'%20and%20startswith(id,'n1')&$select=id").json["value"]
            self.assertEqual([sorted(item) for item in chosen], [["id"]] * 11)
            contract.answer(call("GET", path + "/tasks/One/subtasksinfo"), "Task_ListSubtasks")
            contract.answer(call("POST", path + "/tasks/One/terminate"), "Task_Terminate")
            seen = contract.answer(call("GET", path + "/tasks/One"), "Task_Get").json
            self.assertEqual((seen["state"], seen["executionInfo"]["result"], seen["executionInfo"]["failureInfo"]["code"]), ("completed", "failure", "TaskEnded"))
            self.assertEqual(call("GET", path + "/taskcounts").json["taskCounts"], {"active": 99, "running": 0, "completed": 1, "succeeded": 0, "failed": 1})
            contract.answer(call("POST", path + "/tasks/One/reactivate"), "Task_Reactivate")
            contract.answer(call("DELETE", path + "/tasks/One"), "Task_Delete")
            contract.error(call("GET", path + "/tasks/One"), 404, "TaskNotFound")
            contract.answer(call("DELETE", path), "Job_Delete")

    def test_what_is_refused_names_the_reason(self):
        job, task = {"id": "bad", "poolInfo": {"poolId": "none"}}, {"id": "t", "commandLine": "true"}
        bodies = [
            ("/jobs", {}, 400, "MissingRequiredProperty"), ("/jobs", {**job, "id": "a/b"}, 400, "InvalidPropertyValue"), ("/jobs", {**job, "id": "x" * 65}, 400, "InvalidPropertyValue"),
            ("/jobs", {"id": "bad"}, 400, "MissingRequiredProperty"), ("/jobs", {**job, "Priority": 1}, 400, "InvalidRequestBody"), ("/jobs", {**job, "priority": 1001}, 400, "InvalidPropertyValue"),
            ("/jobs", {**job, "priority": "1.5"}, 400, "InvalidPropertyValue"), ("/jobs", {**job, "jobReleaseTask": {"commandLine": "true"}}, 400, "InvalidPropertyValue"),
            ("/jobs", {**job, "constraints": {"maxWallClockTime": 5}}, 400, "InvalidPropertyValue"), ("/jobs", {**job, "usesTaskDependencies": True}, 501, "NotImplemented"),
            ("/jobs", "{", 400, "InvalidInput"), ("/jobs/here/tasks", {}, 400, "MissingRequiredProperty"), ("/jobs/here/tasks", {**task, "commandLine": ""}, 400, "InvalidPropertyValue"),
            ("/jobs/here/tasks", {**task, "commandline": "x"}, 400, "InvalidRequestBody"), ("/jobs/here/tasks", {**task, "requiredSlots": 0}, 400, "InvalidPropertyValue"),
            ("/jobs/here/tasks", {**task, "resourceFiles": [{"httpUrl": "https://a/b", "filePath": "../b"}]}, 400, "InvalidPropertyValue"),
            ("/jobs/here/tasks", {**task, "dependsOn": {"taskIds": ["a"]}}, 501, "NotImplemented"), ("/jobs/here/tasks", {**task, "outputFiles": [{"filePattern": "*"}]}, 501, "NotImplemented"),
            ("/jobs/none/tasks", task, 404, "JobNotFound"), ("/jobs/here/addtaskcollection", {"value": []}, 400, "InvalidPropertyValue"),
            ("/jobs/here/addtaskcollection", {"value": [{"id": f"n{n}", "commandLine": "true"} for n in range(101)]}, 400, "InvalidPropertyValue"),
            ("/jobs/here/addtaskcollection", {"tasks": []}, 400, "InvalidRequestBody"), ("/jobs/here/disable", {"disableTasks": "later"}, 400, "InvalidPropertyValue"),
            ("/jobs/here/terminate", {"reason": "x"}, 400, "InvalidRequestBody"), ("/jobs/none/terminate", {}, 404, "JobNotFound"), ("/jobs/here/enable", None, 409, "OperationInvalidForCurrentState"),
            ("/jobs/here/tasks/none/terminate", None, 404, "TaskNotFound"), ("/jobs/here/tasks/waits/reactivate", None, 409, "TaskNotCompleted"),
        ]
        reads = [("/jobs/none", 404, "JobNotFound"), ("/jobs/here/tasks/none", 404, "TaskNotFound"), ("/jobs/none/tasks", 404, "JobNotFound"), ("/jobs/here?$expand=stats", 501, "NotImplemented"),
                 ("/jobs?$filter=size%20eq%201", 400, "InvalidQueryParameterValue"), ("/jobs?$filter=state%20is%201", 400, "InvalidQueryParameterValue"), ("/jobs?maxresults=0", 400, "OutOfRangeQueryParameterValue"),
                 ("/jobs?timeout=0", 400, "OutOfRangeQueryParameterValue"), ("/jobs/here/jobpreparationandreleasetaskstatus", 409, "JobPreparationTaskNotSpecified"),
                 ("/jobs/here/tasks/waits/files", 409, "TaskFilesUnavailable"), ("/jobs/here/tasks/waits/files/stdout.txt", 409, "TaskFilesUnavailable")]
        for contract, call, tag in self.each():
            if tag == "v22":
                call("POST", "/jobs", {"id": "here", "poolInfo": {"poolId": "none"}})
                call("POST", "/jobs/here/tasks", {"id": "waits", "commandLine": "true"})
            before = (call("GET", "/jobs/here").json, call("GET", "/jobs/here/tasks").json)
            for path, body, status, code in bodies:
                with self.subTest(path, body=str(body)[:60]):
                    contract.error(call("POST", path, body), status, code)
            for path, status, code in reads:
                with self.subTest(path):
                    contract.error(call("GET", path), status, code)
            contract.error(call("PATCH", "/jobs/here", {"displayName": "new"}), 400, "InvalidRequestBody")
            contract.error(call("PUT", "/jobs/here", {"priority": 1}), 400, "MissingRequiredProperty")
            contract.error(call("PATCH", "/jobs/here", {"poolInfo": {"poolId": "other"}}), 409, "OperationInvalidForCurrentState")
            contract.error(call("PUT", "/jobs/here/tasks/waits", {"commandLine": "false"}), 400, "InvalidRequestBody")
            contract.error(call("PATCH", "/jobs/here", {"priority": 1}, If_Match="0x8D0"), 412, "ConditionNotMet")
            contract.error(call("DELETE", "/jobs/here/tasks/waits", If_Match="0x8D0"), 412, "ConditionNotMet")
            self.assertEqual((call("GET", "/jobs/here").json, call("GET", "/jobs/here/tasks").json), before)

    def test_a_body_over_a_mebibyte_is_refused(self):
        for contract, call, tag in self.each():
            answer = call("POST", "/jobs", {"id": "large", "poolInfo": {"poolId": "none"}, "metadata": [{"name": "m", "value": "x" * 1048576}]})
            contract.error(answer, 413, "RequestBodyTooLarge")

    def test_jobs_and_tasks_survive_a_kill(self):
        version = VERSIONS[0]
        self.call(version, "POST", "/jobs", {"id": "kept", "poolInfo": {"poolId": "none"}})
        self.call(version, "POST", "/jobs/kept/addtaskcollection", {"value": [{"id": f"n{n}", "commandLine": "true"} for n in range(100)]})
        before = self.call(version, "GET", "/jobs/kept/tasks").json["value"]
        self.site.kill()
        self.site.start()
        type(self).endpoint = self.site.vy("batch", "account", "show", "-n", "jobsapi", "-g", "g")["accountEndpoint"]
        after = self.call(version, "GET", "/jobs/kept/tasks").json["value"]
        self.assertEqual([(item["id"], item["eTag"], item["state"]) for item in after], [(item["id"], item["eTag"], item["state"]) for item in before])

    def test_by_vy(self):
        def vy(*words, **more):
            return self.site.vy("batch", *words, "--account-name", "jobsapi", **more)
        self.assertEqual(vy("job", "create", "--id", "vy", "--pool-id", "none", "--priority", "-7", "--metadata", "a=b=c")["metadata"], [{"name": "a", "value": "b=c"}])
        self.assertEqual(vy("job", "set", "--job-id", "vy", "--job-max-task-retry-count", "4")["constraints"]["maxTaskRetryCount"], 4)
        task = vy("task", "create", "--job-id", "vy", "--task-id", "t", "--command-line", "/bin/true", "--environment-settings", "A=1", "B=x=y", "--retention-time", "PT1H")
        self.assertEqual((task["environmentSettings"][1], task["constraints"]["retentionTime"]), ({"name": "B", "value": "x=y"}, "PT1H"))
        file = self.site.base / "tasks.json"
        file.write_text('[{"id": "m1", "commandLine": "true"}, {"id": "m2", "commandLine": "true"},]')
        self.assertEqual([item["status"] for item in vy("task", "create", "--job-id", "vy", "--json-file", str(file))], ["success", "success"])
        self.assertIn("2 of 2 tasks were not added; 'm1': (TaskExists)", vy("task", "create", "--job-id", "vy", "--json-file", str(file), code=1).stderr)
        self.assertEqual([item["id"] for item in vy("task", "list", "--job-id", "vy", "--filter", "startswith(id,'m')")], ["m1", "m2"])
        vy("task", "stop", "--job-id", "vy", "--task-id", "m1")
        self.assertEqual(vy("job", "task-counts", "show", "--job-id", "vy")["taskCounts"]["failed"], 1)
        vy("task", "reactivate", "--job-id", "vy", "--task-id", "m1")
        vy("task", "delete", "--job-id", "vy", "--task-id", "m1", "--yes")
        self.assertIn("(TaskNotFound)", vy("task", "show", "--job-id", "vy", "--task-id", "m1", code=3).stderr)
        self.assertIn("(JobPreparationTaskNotSpecified)", vy("job", "prep-release-status", "list", "--job-id", "vy", code=1).stderr)
        self.assertIn("(TaskFilesUnavailable)", vy("task", "file", "list", "--job-id", "vy", "--task-id", "t", code=1).stderr)
        self.assertIn("give --id and --pool-id", vy("job", "create", "--id", "x", code=2).stderr)
        self.assertIn("is no whole number", vy("job", "create", "--id", "x", "--pool-id", "p", "--priority", "high", code=2).stderr)
        vy("job", "disable", "--job-id", "vy")
        wait_for("the job is disabled", lambda: vy("job", "show", "--job-id", "vy")["state"] == "disabled")
        vy("job", "enable", "--job-id", "vy")
        vy("job", "stop", "--job-id", "vy", "--terminate-reason", "by vy")
        wait_for("the job is completed", lambda: vy("job", "show", "--job-id", "vy")["state"] == "completed")
        self.assertEqual([item["id"] for item in vy("job", "list", "--filter", "startswith(id,'vy')", "--select", "id")], ["vy"])
        vy("job", "delete", "--job-id", "vy", "--yes")
        wait_for("the job is gone", lambda: self.site.run([*self.words(), "show", "--job-id", "vy", "--account-name", "jobsapi"], code=None, env=self.site.vy_env()).returncode == 3)

    @staticmethod
    def words():
        from vaultyard import BUILD
        return [BUILD / "vy", "batch", "job"]


if __name__ == "__main__":
    unittest.main()
