"""The unmodified npm client of the Batch data plane: jobs, tasks that run on a real node, and their files."""
import json
import os
import subprocess
import unittest

import npm
from pools import PoolMaker
from vaultyard import Site


class NpmJobs(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        npm.install(npm.CLIENTS)
        cls.site = Site(nodes=True).start()
        cls.pools = PoolMaker(cls.site, "kv-npm-jobs", "npmjobs")
        assert cls.pools.put("p", [cls.pools.certificate("web")]).status == 200
        cls.pools.wait_state("p", "idle")

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def test_jobs_tasks_and_files(self):
        admin = self.site.admin
        endpoint = self.site.vy("batch", "account", "show", "-n", "npmjobs", "-g", "g")["accountEndpoint"]
        environment = dict(os.environ, NODE_EXTRA_CA_CERTS=str(self.site.dir / "ca.pem"), AUTHORITY_HOST=admin["authorityHost"], TENANT_ID=admin["tenantId"], POOL="p",
                           CLIENT_ID=admin["clientId"], CLIENT_SECRET=admin["clientSecret"], RESOURCE_MANAGER=admin["resourceManager"], BATCH_URL=f"https://{endpoint}")
        done = subprocess.run(["node", "jobs.mjs"], cwd=npm.CLIENTS, env=environment, capture_output=True, text=True, timeout=240)
        self.assertEqual(done.returncode, 0, done.stderr + self.site.log_tail())
        seen = json.loads(done.stdout.splitlines()[-1])
        self.assertEqual(seen["job"], {"id": "npm-job", "state": "active", "priority": 3, "metadata": [{"name": "a", "value": "b"}], "created": True, "executionPool": "p"})
        self.assertEqual((seen["updated"], seen["jobs"]), (5, ["npm-job"]))
        self.assertEqual(seen["exists"], {"statusCode": 409, "code": "JobExists"})
        self.assertEqual(seen["added"], [["fails", "success", None], ["speaks", "clienterror", "TaskExists"]])
        self.assertEqual(seen["done"], {"result": "success", "exitCode": 0, "pool": "p", "started": True})
        self.assertEqual(seen["failed"], {"result": "failure", "exitCode": 3})
        self.assertEqual((seen["tasks"], seen["subtasks"]), (["fails", "speaks"], 0))
        self.assertEqual((seen["counts"]["completed"], seen["counts"]["succeeded"], seen["counts"]["failed"]), (2, 1, 1))
        self.assertEqual(seen["files"], ["stderr.txt", "stdout.txt", "wd", "wd/sub", "wd/sub/file.txt"])
        self.assertEqual((seen["stdout"], seen["part"], seen["nodeText"]), ("to out\n", "out", "to err\n"))
        self.assertEqual((seen["properties"]["length"], seen["properties"]["isDirectory"], seen["properties"]["created"]), (5, False, True))
        self.assertEqual(seen["afterDelete"]["statusCode"], 404)      # the client does not read the body of an answer that it streams
        self.assertEqual(seen["nodeFiles"], ["workitems"])
        self.assertEqual((seen["succeeded"]["code"], seen["completed"]["code"]), ("TaskSucceeded", "TaskCompleted"))
        self.assertEqual(seen["noTask"], {"statusCode": 404, "code": "TaskNotFound"})
        self.assertEqual((seen["ended"], seen["gone"]), ("by npm", {"statusCode": 404, "code": "JobNotFound"}))


if __name__ == "__main__":
    unittest.main()
