"""What ships with the certificate agent: the schema, the example settings, the Debian package."""
import copy
import json
import os
import pathlib
import shutil
import subprocess
import tempfile
import unittest

from vaultyard import BUILD

ROOT = pathlib.Path(__file__).resolve().parents[2]
EXAMPLES = sorted((ROOT / "packaging" / "examples").glob("*.json"))
SCHEMA = ROOT / "packaging" / "certs" / "settings.schema.json"

# The distribution's Python has the module; the one that runs the tests may be another.
VALIDATE = """
import json, sys, jsonschema
schema, documents = json.load(sys.stdin)
jsonschema.Draft7Validator.check_schema(schema)
print(json.dumps([[error.message for error in jsonschema.Draft7Validator(schema).iter_errors(document)] for document in documents]))
"""


def faults(documents):
    done = subprocess.run(["/usr/bin/python3", "-c", VALIDATE], input=json.dumps([json.loads(SCHEMA.read_text()), documents]), capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def check(settings):
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(settings, file)
        file.flush()
        return subprocess.run([str(BUILD / "vaultyard-certs"), "check", file.name], capture_output=True, text=True, timeout=20)


class Settings(unittest.TestCase):
    def test_examples_are_usable_without_a_note(self):
        self.assertGreaterEqual({path.stem for path in EXAMPLES}, {"nginx", "haproxy", "postfix", "postgresql", "systemd"})
        for path in EXAMPLES:
            done = check(json.loads(path.read_text()))
            self.assertEqual(done.returncode, 0, f"{path}: {done.stdout}")
            self.assertNotIn("\nnote ", done.stdout, path)
            self.assertTrue(json.loads(path.read_text())["vaultyard"].get("hook") or path.stem == "application")
            command = json.loads(path.read_text())["vaultyard"].get("hook", {}).get("command")
            if isinstance(command, str):
                subprocess.run(["sh", "-n", "-c", command], check=True)

    def test_the_schema_takes_what_the_agent_takes(self):
        sample = json.loads(EXAMPLES[0].read_text())
        windows = copy.deepcopy(sample)
        windows["secretsManagementSettings"]["observedCertificates"] = [
            {"url": "https://contoso.vault.azure.net:443/secrets/web/0123456789abcdef", "certificateStoreLocation": "LocalMachine", "keyExportable": True, "accounts": ["Network Service"]}]
        windows["secretsManagementSettings"].update(linkOnRenewal="false", certificateStoreName="MY", pollingIntervalInS=300)
        everything = copy.deepcopy(sample)
        everything["secretsManagementSettings"]["aclEnabled"] = True
        everything["secretsManagementSettings"]["observedCertificates"] = [
            {"url": "https://contoso.vault.azure.net/secrets/web", "acls": [{"user": "www-data"}, {"group": "ssl"}], "vaultyard": {"pinVersion": False, "keepVersions": 5, "mode": "640"}}]
        everything["vaultyard"] = {"push": False, "cleanUp": True, "jitterSeconds": 0, "proxy": "http://p:3128", "caFile": "/ca", "initialSyncBackoffMs": 5, "files": ["pkcs12"],
                                   "pkcs12PasswordFile": "/p", "hook": {"command": "true"}, "metrics": {"listen": "[::1]:9477", "file": "/var/lib/node_exporter/certs.prom"}, "signIn": {"workloadIdentity": True, "tenantId": "t", "clientId": "c", "federatedTokenFile": "/f"}}
        documents = [*(json.loads(path.read_text()) for path in EXAMPLES), windows, everything]
        for document, wrong in zip(documents, faults(documents)):
            self.assertEqual(wrong, [], document)
            self.assertEqual(check(document).returncode, 0, document)

    def test_the_schema_refuses_what_is_misspelt_or_misplaced(self):
        good = {"secretsManagementSettings": {"observedCertificates": ["https://v.vault.azure.net/secrets/a"]}, "authenticationSettings": {"msiClientId": "c"}, "vaultyard": {}}
        wrong = []
        for place, value in (("secretsManagementSetting", {}), ("secretsManagementSettings.pollingInterval", "5"), ("secretsManagementSettings.pollingIntervalInS", "soon"),
                             ("secretsManagementSettings.authenticationSettings", {}), ("secretsManagementSettings.observedCertificates", ["https://v.vault.azure.net/certificates/a"]),
                             ("secretsManagementSettings.observedCertificates", [{"url": "https://v.vault.azure.net/secrets/a", "customSymlinkName": "x"}]),
                             ("secretsManagementSettings.observedCertificates", [{"certificateStoreLocation": "/x"}]), ("authenticationSettings.msiClientID", "c"),
                             ("msiClientId", "c"), ("vaultyard.hooks", {}), ("vaultyard.hook", {"command": ["nginx"]}), ("vaultyard.hook", {"timeoutSeconds": 5}),
                             ("vaultyard.files", ["pfx"]), ("vaultyard.keepVersions", 1), ("vaultyard.signIn", {"clientSecret": "inline"}),
                             ("vaultyard.signIn", {"clientSecretFile": "/a", "clientCertificateFile": "/b"}), ("vaultyard.metrics", {"listen": "localhost:9477"}), ("vaultyard.metrics", {"port": 9477}), ("vaultyard.cleanUp", "yes"), ("vaultyard.mode", "rw-r-----")):
            document = copy.deepcopy(good)
            *way, last = place.split(".")
            at = document
            for step in way:
                at = at[step]
            at[last] = value
            wrong.append(document)
        self.assertEqual(faults([good]), [[]])
        for document, found in zip(wrong, faults(wrong)):
            self.assertTrue(found, document)


class Package(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.base = pathlib.Path(tempfile.mkdtemp(prefix="vaultyard-package-"))
        done = subprocess.run([str(ROOT / "scripts" / "package"), str(cls.base / "dist")], env=dict(os.environ, VAULTYARD_BUILD=str(BUILD)), capture_output=True, text=True, timeout=300)
        if done.returncode:
            raise AssertionError(f"{done.stdout}{done.stderr}")
        cls.deb = done.stdout.strip().splitlines()[-1]

    @classmethod
    def tearDownClass(cls):
        shutil.rmtree(cls.base)

    def dpkg(self, *arguments):
        """dpkg over a root of the test's own: this machine stays as it is."""
        root = self.base / "root"
        admin = root / "var" / "lib" / "dpkg"
        for name in ("info", "updates", "triggers"):
            (admin / name).mkdir(parents=True, exist_ok=True)
        for name in ("status", "available"):
            (admin / name).touch()
        return subprocess.run(["dpkg", f"--root={root}", f"--log={self.base}/dpkg.log", "--force-not-root", "--force-script-chrootless", "--force-depends", *arguments], capture_output=True, text=True,
                              timeout=120, check=True).stdout

    def test_lintian_has_nothing_to_say(self):
        # A release build is fortified; a debug or sanitizer build, which the tests also run on, is not. Our overrides name tags that newer releases dropped.
        done = subprocess.run(["lintian", "--allow-root", "--fail-on", "error,warning,info", "--display-info", "--tag-display-limit", "0",
                               "--suppress-tags", "hardening-no-fortify-functions,alien-tag", self.deb], capture_output=True, text=True, timeout=300)
        self.assertEqual((done.returncode, done.stdout.strip()), (0, ""), done.stderr)

    def test_it_installs_runs_and_goes_without_a_trace(self):
        self.dpkg("--install", self.deb)
        root = self.base / "root"
        listed = [line for line in self.dpkg("--listfiles", "vaultyard-certs").splitlines() if (root / line.lstrip("/")).is_file()]
        for wanted in ("/usr/bin/vaultyard-certs", "/lib/systemd/system/vaultyard-certs.service", "/usr/share/man/man8/vaultyard-certs.8.gz",
                       "/usr/share/bash-completion/completions/vaultyard-certs", "/usr/share/doc/vaultyard-certs/examples/nginx.json", "/usr/share/vaultyard-certs/settings.schema.json"):
            self.assertIn(wanted, listed)
        program = root / "usr/bin/vaultyard-certs"
        self.assertTrue(subprocess.run([str(program), "--version"], capture_output=True, text=True, check=True).stdout.startswith("vaultyard-certs "))
        subprocess.run([str(program), "check", str(root / "usr/share/doc/vaultyard-certs/examples/nginx.json")], check=True, capture_output=True)
        offered = subprocess.run(["bash", "-c", f". {root}/usr/share/bash-completion/completions/vaultyard-certs; COMP_WORDS=(vaultyard-certs --d); COMP_CWORD=1; _vaultyard_certs; echo ${{COMPREPLY[@]}}"],
                                 capture_output=True, text=True, check=True).stdout.split()
        self.assertEqual(offered, ["--dry-run"])
        self.dpkg("--remove", "vaultyard-certs")
        self.assertEqual([line for line in listed if (root / line.lstrip("/")).exists()], [])
        self.dpkg("--purge", "vaultyard-certs") if "vaultyard-certs" in (root / "var/lib/dpkg/status").read_text() else None
        self.assertFalse((root / "etc" / "vaultyard-certs").exists())

    def test_the_unit_is_sound_and_shut_in(self):
        self.dpkg("--install", self.deb)
        unit = self.base / "root" / "lib/systemd/system/vaultyard-certs.service"
        text = unit.read_text().replace("/usr/bin/vaultyard-certs", str(self.base / "root/usr/bin/vaultyard-certs"))
        (self.base / "vaultyard-certs.service").write_text(text)
        verified = subprocess.run(["systemd-analyze", "verify", "--man=no", str(self.base / "vaultyard-certs.service")], capture_output=True, text=True, timeout=60)
        self.assertEqual((verified.returncode, verified.stderr.strip()), (0, ""))
        # 0: nothing is exposed, 10: everything. Owners of files and hooks of other users cost some.
        rated = subprocess.run(["systemd-analyze", "security", "--offline=true", "--threshold=35", str(unit)], capture_output=True, text=True, timeout=60)
        self.assertEqual(rated.returncode, 0, rated.stdout[-300:])
        self.assertIn("ExecReload=", text)

    def test_no_example_writes_where_the_unit_may_not(self):
        for path in EXAMPLES:
            self.assertNotRegex(json.dumps(json.loads(path.read_text())["vaultyard"].get("hook", {})), r"[>] ?/(etc|usr|boot|home)/", path)

    def test_every_option_is_in_the_manual_and_completed(self):
        usage = subprocess.run([str(BUILD / "vaultyard-certs"), "--help"], capture_output=True, text=True).stdout
        manual = (ROOT / "packaging/certs/vaultyard-certs.8").read_text().replace("\\-", "-")
        completion = (ROOT / "packaging/certs/vaultyard-certs.bash").read_text()
        options = {word.strip("[]|.,") for word in usage.split() if word.startswith("--") or word.startswith("[--")}
        self.assertGreater(len(options), 6)
        for option in options:
            self.assertIn(option, manual)
            self.assertIn(option, completion)


if __name__ == "__main__":
    unittest.main()
