"""Resource files of a node agent from a blob service: signatures, identities, whole containers, and what is said when they do not come."""
import base64
import json
import os
import subprocess
import time
import unittest

from azurite import Azurite
from vaultyard import BUILD

ISSUER = "https://login.test.localhost/"


def token(audience="https://storage.azure.com/", lives_s=3600):
    """As Azurite's basic check wants one: shape, times, issuer and audience; it verifies no signature."""
    now = int(time.time())
    claims = {"aud": audience, "iss": ISSUER + "t/", "iat": now - 60, "nbf": now - 60, "exp": now + lives_s, "oid": "o", "tid": "t"}
    parts = [{"alg": "RS256", "typ": "JWT"}, claims]
    return ".".join([base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts] + ["c2ln"])


class Resources(unittest.TestCase):
    def run_task(self, command, files, ca=None, bearer=None):
        """(report, stdout) of a task with these resource files; ca: trusted like the node's own authorities."""
        more = f',"resourceFiles":{json.dumps(files)}'
        call = [str(BUILD / "tests" / "system" / "node_probe"), command, more]
        if ca:                                           # in a mount namespace of its own the system's bundle is this one
            call = ["unshare", "-m", "sh", "-c", 'mount --bind "$0" /etc/ssl/certs/ca-certificates.crt && exec "$@"', str(ca), *call]
        done = subprocess.run(call, capture_output=True, text=True, timeout=120, env=dict(os.environ, NODE_PROBE_TOKEN=bearer or "none"))
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        said = json.loads(done.stdout)
        return said["end"], said["stdout"]

    def succeeds(self, command, files, stdout, **more):
        end, out = self.run_task(command, files, **more)
        self.assertEqual((end.get("exitCode"), out), (0, stdout), end)

    def fails(self, files, category, code, **more):
        end, _ = self.run_task("true", files, **more)
        self.assertNotIn("exitCode", end)
        self.assertEqual((end["failure"]["category"], end["failure"]["code"]), (category, code), end)
        self.assertNotIn("sig=", json.dumps(end))
        return end["failure"]


class BySignature(Resources):
    @classmethod
    def setUpClass(cls):
        cls.store = Azurite()
        cls.store.make_container("input")
        for name, content in (("run.sh", "#!/bin/sh\necho it runs\n"), ("data/a b&c.txt", "first\n"), ("data/ü/deep.txt", "second\n"), ("data.txt", "third\n"), ("big", b"x" * 20_000_000)):
            cls.store.put("input", name, content)

    @classmethod
    def tearDownClass(cls):
        cls.store.close()

    def test_a_blob_by_its_signature(self):
        self.succeeds("./bin/run.sh", [{"url": self.store.sas("input", "run.sh", "r"), "filePath": "bin/run.sh", "fileMode": "0755"}], "it runs\n")
        self.succeeds("/bin/sh -c 'wc -c < big'", [{"url": self.store.sas("input", "big", "r"), "filePath": "big"}], "20000000\n")

    def test_a_container_or_its_blobs_with_a_prefix(self):
        everything = [{"containerUrl": self.store.sas("input"), "blobPrefix": "data"}]
        self.succeeds("/bin/sh -c 'cat \"data/a b&c.txt\" data/ü/deep.txt data.txt; ls'", everything, "first\nsecond\nthird\ndata\ndata.txt\n")
        self.succeeds("/bin/sh -c 'cat to/data/ü/deep.txt; stat -c %a to/data/ü/deep.txt; ls to'", [{"containerUrl": self.store.sas("input"), "blobPrefix": "data/", "filePath": "to", "fileMode": "0640"}],
                      "second\n640\ndata\n")
        self.succeeds("/bin/sh -c 'ls | wc -l'", [{"containerUrl": self.store.sas("input"), "blobPrefix": "nothing"}], "0\n")

    def test_more_blobs_than_one_page_has(self):
        self.store.make_container("many")
        for number in range(1003):
            self.store.put("many", f"{number:04}", str(number))
        self.succeeds("/bin/sh -c 'ls | wc -l; cat 0000 1002'", [{"containerUrl": self.store.sas("many")}], "1003\n01002")

    def test_what_is_missing_or_denied_is_told(self):
        failure = self.fails([{"url": self.store.sas("input", "missing", "r"), "filePath": "x"}], "usererror", "BlobNotFound")
        self.assertIn({"name": "BlobSource", "value": self.store.blob_url("input", "missing")}, failure["details"])
        self.fails([{"containerUrl": self.store.sas("missing")}], "usererror", "BlobNotFound")
        self.fails([{"url": self.store.blob_url("input", "run.sh"), "filePath": "x"}], "usererror", "BlobAccessDenied")
        self.fails([{"url": self.store.sas("input", "run.sh", "r").replace("sig=", "sig=AA"), "filePath": "x"}], "usererror", "BlobAccessDenied")
        self.fails([{"url": self.store.sas("input", "run.sh", "r", hours=-1), "filePath": "x"}], "usererror", "BlobAccessDenied")
        self.fails([{"url": self.store.sas("input", "run.sh", "w"), "filePath": "x"}], "usererror", "BlobAccessDenied")
        self.fails([{"containerUrl": self.store.sas("input", permissions="r")}], "usererror", "BlobAccessDenied")


class ByIdentity(Resources):
    @classmethod
    def setUpClass(cls):
        cls.store = Azurite(issuer=ISSUER)
        cls.store.make_container("input")
        cls.store.put("input", "data/x", "by identity\n")

    @classmethod
    def tearDownClass(cls):
        cls.store.close()

    def files(self, client="client-1", **more):
        return [dict({"identity": {"clientId": client}}, **more)]

    def test_a_blob_and_a_container_by_the_pools_identity_over_https(self):
        self.succeeds("cat x", self.files(url=self.store.blob_url("input", "data/x"), filePath="x"), "by identity\n", ca=self.store.ca, bearer=token())
        self.succeeds("cat data/x", self.files(containerUrl=self.store.blob_url("input")), "by identity\n", ca=self.store.ca, bearer=token())

    def test_a_token_for_something_else_or_none_is_denied(self):
        one = self.files(url=self.store.blob_url("input", "data/x"), filePath="x")
        self.fails(one, "usererror", "BlobAccessDenied", ca=self.store.ca, bearer=token(audience="https://vault.azure.net"))
        self.fails(one, "usererror", "BlobAccessDenied", ca=self.store.ca, bearer=token(lives_s=-30))
        self.fails(self.files(client="client-2", url=self.store.blob_url("input", "data/x"), filePath="x"), "usererror", "BlobAccessDenied", ca=self.store.ca, bearer=token())

    def test_a_server_that_nobody_vouches_for_gets_no_token(self):
        failure = self.fails(self.files(url=self.store.blob_url("input", "data/x"), filePath="x"), "servererror", "BlobDownloadMiscError", bearer=token())
        self.assertIn("not trusted", failure["message"])


if __name__ == "__main__":
    unittest.main()
