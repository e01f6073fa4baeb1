"""Resource files through the API on a real node: from Azurite by signature, by the pool's identity, whole containers; what is said when they do not come."""
import http.server
import json
import threading
import unittest

from azurite import Azurite
from pools import document_body
from tasks import Account, sh
from vaultyard import Site


class Redirects(http.server.BaseHTTPRequestHandler):
    """Every request is sent on to Redirects.to."""
    to = ""

    def do_GET(self):
        self.send_response(302)
        self.send_header("Location", self.to)
        self.send_header("Content-Length", "0")
        self.end_headers()

    def log_message(self, *_):
        pass


class ResourceFiles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.store, cls.guarded = Azurite(), Azurite(issuer="https://login.vaultyard.localhost")
        cls.web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Redirects)
        threading.Thread(target=cls.web.serve_forever, daemon=True).start()
        allowed = [f"127.0.0.1:{port}" for port in (cls.store.port, cls.guarded.port, cls.web.server_port)]
        cls.site = Site(nodes=True, serve_args=[part for rule in allowed for part in ("--node-egress-allow", rule)]).start()
        for store in (cls.store, cls.guarded):
            store.make_container("input")
            store.put("input", "run.sh", "#!/bin/sh\necho it runs\n")
            store.put("input", "data/a b.txt", "first\n")
            store.put("input", "data/deep/x", "second\n")
        cls.account = Account(cls.site, "files")
        cls.identity = cls.site.vy("identity", "create", "-g", "g", "-n", "pool-id")
        body = document_body()
        body["identity"]["userAssignedIdentities"] = {cls.identity["id"]: {}}
        body["properties"]["scaleSettings"]["fixedScale"]["targetDedicatedNodes"] = 1
        body["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"].pop("extensions")
        answer = cls.site.arm("PUT", f"{cls.site.subscription}/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/files/pools/p", body, api="2021-01-01")
        assert answer.status == 200, answer
        cls.node = cls.account.wait_nodes("p", "idle")[0]["id"]
        cls.account.exec("p", cls.node, f"cat >> /etc/ssl/certs/ca-certificates.crt <<'END'\n{cls.guarded.ca.read_text()}END")
        cls.account.job("j", "p")

    @classmethod
    def tearDownClass(cls):
        cls.site.close()
        cls.web.shutdown()
        cls.web.server_close()
        for store in (cls.store, cls.guarded):
            store.close()

    def succeeds(self, task, line, files, stdout):
        self.account.task("j", task, line, resourceFiles=files)
        info = self.account.wait_task("j", task)["executionInfo"]
        self.assertEqual((info.get("exitCode"), info["result"]), (0, "success"), info)
        self.assertEqual(self.account.output("p", "j", task), stdout)

    def fails(self, task, files, code, category="usererror"):
        self.account.task("j", task, "touch /tmp/ran-" + task, resourceFiles=files)
        info = self.account.wait_task("j", task)["executionInfo"]
        self.assertNotIn("exitCode", info)
        self.assertEqual((info["result"], info["failureInfo"]["code"], info["failureInfo"]["category"].lower()), ("failure", code, category), info)
        self.assertNotIn("sig=", json.dumps(info["failureInfo"]))
        self.account.exec("p", self.node, f"test ! -e /tmp/ran-{task}")
        return info["failureInfo"]

    def test_blobs_by_signature(self):
        self.succeeds("signed", "./bin/run.sh", [{"httpUrl": self.store.sas("input", "run.sh", "r"), "filePath": "bin/run.sh", "fileMode": "0755"}], "it runs\n")

    def test_a_containers_blobs_with_a_prefix(self):
        self.succeeds("container", sh("cat \"data/a b.txt\" data/deep/x; ls"), [{"storageContainerUrl": self.store.sas("input"), "blobPrefix": "data/"}], "first\nsecond\ndata\n")
        self.succeeds("below", sh("cat in/data/deep/x; stat -c %a in/run.sh"), [{"storageContainerUrl": self.store.sas("input"), "filePath": "in", "fileMode": "0640"}], "second\n640\n")

    def test_blobs_and_containers_by_the_pools_identity(self):
        identity = {"identityReference": {"resourceId": self.identity["id"]}}
        self.succeeds("own-blob", "cat x", [{"httpUrl": self.guarded.blob_url("input", "data/deep/x"), "filePath": "x", **identity}], "second\n")
        self.succeeds("own-container", "cat data/deep/x", [{"storageContainerUrl": self.guarded.blob_url("input"), **identity}], "second\n")
        other = self.site.vy("identity", "create", "-g", "g", "-n", "of-no-pool")
        self.fails("not-own", [{"httpUrl": self.guarded.blob_url("input", "run.sh"), "filePath": "x", "identityReference": {"resourceId": other["id"]}}], "BlobAccessDenied")

    def test_what_is_missing_or_denied(self):
        failure = self.fails("missing", [{"httpUrl": self.store.sas("input", "nothing", "r"), "filePath": "x"}], "BlobNotFound")
        self.assertIn({"name": "FilePath", "value": "x"}, failure["details"])
        self.fails("no-container", [{"storageContainerUrl": self.store.sas("nothing")}], "BlobNotFound")
        self.fails("unsigned", [{"httpUrl": self.store.blob_url("input", "run.sh"), "filePath": "x"}], "BlobAccessDenied")
        self.fails("expired", [{"httpUrl": self.store.sas("input", "run.sh", "r", hours=-1), "filePath": "x"}], "BlobAccessDenied")
        self.fails("no-list", [{"storageContainerUrl": self.store.sas("input", permissions="r")}], "BlobAccessDenied")

    def test_redirects_are_followed_and_judged_anew(self):
        url = f"http://127.0.0.1:{self.web.server_port}/x"
        Redirects.to = self.store.sas("input", "data/deep/x", "r")
        self.succeeds("redirected", "cat x", [{"httpUrl": url, "filePath": "x"}], "second\n")
        Redirects.to = "http://169.254.169.254/metadata/instance?api-version=2021-02-01"
        failure = self.fails("led-astray", [{"httpUrl": url, "filePath": "x"}], "BlobAccessDenied")
        self.assertIn("--node-egress", failure["message"])

    def test_a_start_task_has_them_too(self):
        self.account.pool("started", 1, startTask={"commandLine": sh("cat in/data/deep/x > $AZ_BATCH_NODE_SHARED_DIR/made"), "waitForSuccess": True,
                                                   "resourceFiles": [{"storageContainerUrl": self.store.sas("input"), "filePath": "in"}]})
        node = self.account.wait_nodes("started", "idle")[0]["id"]
        self.assertEqual(self.account.file("started", node, "shared/made"), "second\n")

    def test_files_that_cannot_be_are_refused_and_no_task_is_made(self):
        for file, field in (({"filePath": "x"}, "resourceFiles[0]"), ({"httpUrl": "file:///etc/passwd", "filePath": "x"}, "resourceFiles[0].httpUrl"),
                            ({"httpUrl": "http://a/b"}, "resourceFiles[0].filePath"), ({"httpUrl": "http://a/b", "filePath": "../x"}, "resourceFiles[0].filePath"),
                            ({"httpUrl": "http://a/b", "filePath": "x", "storageContainerUrl": "http://a"}, "resourceFiles[0]"),
                            ({"httpUrl": "http://a/b", "filePath": "x", "blobPrefix": "y"}, "resourceFiles[0].blobPrefix")):
            answer = self.account.call("POST", "/jobs/j/tasks", {"id": "bad", "commandLine": "true", "resourceFiles": [file]})
            self.assertEqual(answer.status, 400, (file, answer))
            self.assertIn(field, answer.body)
        answer = self.account.call("POST", "/jobs/j/tasks", {"id": "bad", "commandLine": "true", "outputFiles": [
            {"filePattern": "*", "destination": {"container": {"containerUrl": "http://a/c"}}, "uploadOptions": {"uploadCondition": "taskSuccess"}}]})
        self.assertEqual(answer.status, 501, answer)
        self.assertEqual(self.account.call("GET", "/jobs/j/tasks/bad").status, 404)


if __name__ == "__main__":
    unittest.main()
