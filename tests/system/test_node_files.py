"""Files of real nodes through the files API and vy: listed, described, read in parts, streamed when they are large, deleted; links lead nowhere outside."""
import hashlib
import unittest

from pools import PoolMaker
from vaultyard import Site

API = "2022-10-01.16.0"
ROOT = "/mnt/batch/tasks"


class NodeFiles(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site(nodes=True).start()
        cls.pools = PoolMaker(cls.site, "kv-files", "files")
        assert cls.pools.put("p", [cls.pools.certificate("web")]).status == 200
        cls.node = cls.pools.wait_state("p", "idle")[0]["id"]
        cls.endpoint = cls.site.vy("batch", "account", "show", "-n", "files", "-g", "g")["accountEndpoint"]
        cls.sh("mkdir -p shared/deep/er && echo hello > shared/hello.txt && chmod 640 shared/hello.txt && echo x > 'shared/deep/er/a b' && ln -s /etc/shadow shared/out")

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    @classmethod
    def sh(cls, script):
        done = cls.pools.run("p", cls.node, "sh", "-c", f"cd {ROOT} && {script}")
        assert done.returncode == 0, done.stderr
        return done.stdout

    def call(self, method, rest, **headers):
        mark = "&" if "?" in rest else "?"
        return self.site.call(method, f"https://{self.endpoint}/pools/p/nodes/{self.node}/files{rest}{mark}api-version={API}",
                              token=self.site.token(f"https://{self.site.admin['batchDnsSuffix']}"), headers={name.replace("_", "-"): value for name, value in headers.items()})

    def vy(self, *words, **more):
        return self.site.vy("batch", "node", "file", *words, "--account-name", "files", "--pool-id", "p", "--node-id", self.node, **more)

    def refused(self, answer, status, code):
        self.assertEqual((answer.status, answer.json["code"]), (status, code), answer)

    def test_listed(self):
        names = {item["name"]: item for item in self.vy("list", "--recursive")}
        self.assertEqual(names["shared/hello.txt"]["properties"]["contentLength"], 6)
        self.assertEqual(names["shared/hello.txt"]["properties"]["fileMode"], "0100640")
        self.assertTrue(names["shared/deep"]["isDirectory"])
        self.assertIn("shared/deep/er/a b", names)
        self.assertNotIn("/", "".join(item["name"] for item in self.vy("list")))
        self.assertEqual([item["name"] for item in self.vy("list", "--recursive", "--filter", "startswith(name,'shared/deep/er/')")], ["shared/deep/er/a b"])

    def test_described_and_read(self):
        shown = self.vy("show", "--file-path", "shared/hello.txt")
        self.assertEqual((shown["contentLength"], shown["isDirectory"], shown["contentType"], shown["fileMode"]), (6, False, "text/plain", "0100640"))
        self.assertTrue(self.vy("show", "--file-path", "shared/deep")["isDirectory"])
        self.assertEqual(self.call("GET", "/shared/hello.txt").body, "hello\n")
        self.assertEqual(self.call("GET", "/shared%2Fdeep%2Fer%2Fa%20b").body, "x\n")
        self.assertEqual(self.call("GET", "/shared/hello.txt", ocp_range="bytes=1-2").body, "el")
        answer = self.call("GET", "/shared/hello.txt", Range="bytes=4-")
        self.assertEqual((answer.status, answer.body, answer.headers["Content-Range"]), (206, "o\n", "bytes 4-5/6"))
        self.refused(self.call("GET", "/shared/hello.txt", ocp_range="bytes=6-"), 416, "InvalidRange")
        self.refused(self.call("GET", "/shared/hello.txt", ocp_range="six"), 400, "InvalidHeaderValue")

    def test_a_large_file_is_downloaded_whole(self):
        self.sh("head -c 20000003 /dev/urandom > shared/large")
        told = self.sh("sha256sum shared/large").split()[0]
        self.vy("download", "--file-path", "shared/large", "--destination", str(self.site.base))
        self.assertEqual(hashlib.sha256((self.site.base / "large").read_bytes()).hexdigest(), told)
        self.assertFalse((self.site.base / "large.part").exists())
        self.sh("rm shared/large")

    def test_a_file_that_grows_is_read_up_to_its_size_then(self):
        self.sh("{ (while :; do echo line; sleep 0.05; done) > shared/growing 2>/dev/null & echo $! > shared/pid; sleep 0.3; }")
        first = self.call("GET", "/shared/growing").body
        self.sh("sleep 0.3")
        more = self.call("GET", "/shared/growing", ocp_range=f"bytes={len(first)}-").body
        self.sh("kill $(cat shared/pid)")
        self.assertTrue(first.startswith("line\n") and set(more.split()) == {"line"}, (first, more))

    def test_links_lead_nowhere_outside(self):
        self.refused(self.call("GET", "/shared/out"), 404, "FileNotFound")
        self.refused(self.call("GET", "/../../../etc/shadow"), 400, "InvalidInput")
        self.refused(self.call("GET", "/..%2F..%2F..%2Fetc%2Fshadow"), 400, "InvalidInput")

    def test_deleted(self):
        self.sh("mkdir -p shared/gone/sub && echo x > shared/gone/sub/file")
        self.refused(self.call("DELETE", "/shared/gone"), 409, "ResourceTypeMismatch")
        self.vy("delete", "--file-path", "shared/gone/sub/file", "--yes")
        self.assertIn("(FileNotFound)", self.vy("delete", "--file-path", "shared/gone/sub/file", "--yes", code=3).stderr)
        self.vy("delete", "--file-path", "shared/gone", "--recursive", "--yes")
        self.assertNotIn("shared/gone", [item["name"] for item in self.vy("list", "--recursive")])

    def test_refused(self):
        self.assertIn("(ResourceTypeMismatch)", self.vy("download", "--file-path", "shared", "--destination", str(self.site.base / "none"), code=1).stderr)
        self.assertFalse((self.site.base / "none").exists() or (self.site.base / "none.part").exists())
        self.assertIn("(FileNotFound)", self.vy("download", "--file-path", "none", "--destination", str(self.site.base / "none"), code=3).stderr)
        self.refused(self.call("GET", "?recursive=perhaps"), 400, "InvalidQueryParameterValue")
        self.refused(self.call("GET", "?$filter=contentLength%20eq%201"), 400, "InvalidQueryParameterValue")
        nobody = self.site.principal("files-nobody")
        token = self.site.token(f"https://{self.site.admin['batchDnsSuffix']}", nobody["appId"], nobody["password"])
        answer = self.site.call("GET", f"https://{self.endpoint}/pools/p/nodes/{self.node}/files/shared/hello.txt?api-version={API}", token=token)
        self.refused(answer, 403, "InsufficientAccountPermissions")


if __name__ == "__main__":
    unittest.main()
