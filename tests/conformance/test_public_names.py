"""A site that serves the public cloud's names on port 443, in a network where those names lead to it: programs with hard-wired hosts
run unchanged, and so do its nodes. The network is this test's own: a network namespace, and a hosts file in a mount namespace."""
import ctypes
import json
import os
import pathlib
import subprocess
import tempfile
import unittest

import az
import npm
from pools import PoolMaker
from vaultyard import Site

CLONE_NEWNS, CLONE_NEWNET, MS_REC, MS_PRIVATE, MS_BIND = 0x20000, 0x40000000, 0x4000, 0x40000, 0x1000
HOSTS = ["login.microsoftonline.com", "management.azure.com", "graph.microsoft.com", "kv-public.vault.azure.net", "pubacct.local.batch.azure.com",
         "corp.example", "management.corp.example", "kv-public.vault.corp.example", "login.corp.example"]
libc = ctypes.CDLL(None, use_errno=True)


def must(code, what):
    if code != 0:
        raise OSError(ctypes.get_errno(), what)


def network_of_our_own():
    """For this process and all that it starts: no way out, and these names are the loopback."""
    must(libc.unshare(CLONE_NEWNS | CLONE_NEWNET), "unshare")
    must(libc.mount(b"none", b"/", None, MS_REC | MS_PRIVATE, None), "mount")
    hosts = tempfile.NamedTemporaryFile("w", prefix="vaultyard-hosts-", delete=False)
    with hosts:
        hosts.write("127.0.0.1 localhost\n::1 localhost\n" + "".join(f"127.0.0.1 {name}\n" for name in HOSTS))
    os.chmod(hosts.name, 0o644)
    must(libc.mount(hosts.name.encode(), b"/etc/hosts", None, MS_BIND, None), "mount hosts")
    os.unlink(hosts.name)
    subprocess.run(["ip", "link", "set", "lo", "up"], check=True)


class PublicNames(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        npm.install(npm.CLIENTS)
        az.install()                                     # whatever is fetched is fetched before
        network_of_our_own()
        cls.site = Site(nodes=True, init_args=["--domain", "corp.example", "--public-names"]).start(listen=("127.0.0.1:443",))
        cls.pools = PoolMaker(cls.site, "kv-public", "pubacct")

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def test_the_profile_has_the_public_names(self):
        names = {name: self.site.admin[name] for name in ("authorityHost", "resourceManager", "graph", "vaultDnsSuffix", "batchDnsSuffix")}
        self.assertEqual(names, {"authorityHost": "https://login.microsoftonline.com", "resourceManager": "https://management.azure.com",
                                 "graph": "https://graph.microsoft.com", "vaultDnsSuffix": "vault.azure.net", "batchDnsSuffix": "batch.azure.com"})

    def test_an_sdk_program_without_any_setting_runs(self):
        admin = self.site.admin
        environment = dict(os.environ, NODE_EXTRA_CA_CERTS=str(self.site.dir / "ca.pem"), TENANT_ID=admin["tenantId"], CLIENT_ID=admin["clientId"],
                           CLIENT_SECRET=admin["clientSecret"], SUBSCRIPTION_ID=admin["subscriptionId"], VAULT="kv-public")
        done = subprocess.run(["node", "public.mjs"], cwd=npm.CLIENTS, env=environment, capture_output=True, text=True, timeout=120)
        self.assertEqual(done.returncode, 0, done.stderr + self.site.log_tail())
        seen = json.loads(done.stdout.splitlines()[-1])
        self.assertRegex(seen["id"], r"^https://kv-public\.vault\.azure\.net/secrets/public/[0-9a-f]{32}$")
        self.assertEqual((seen["value"], seen["accounts"]), ("hello", ["pubacct.local.batch.azure.com"]))

    def test_az_believes_it_is_in_the_public_cloud(self):
        run = az.Az(self.site)
        del run.env["ARM_CLOUD_METADATA_URL"]
        run.login()
        self.assertEqual(run("cloud", "show")["name"], "AzureCloud")
        run("keyvault", "secret", "set", "--vault-name", "kv-public", "-n", "by-az", "--value", "one")
        shown = run("keyvault", "secret", "show", "--id", "https://kv-public.vault.azure.net/secrets/by-az")
        self.assertEqual(shown["value"], "one")
        self.assertEqual(run("batch", "account", "show", "-n", "pubacct", "-g", "g")["accountEndpoint"], "pubacct.local.batch.azure.com")
        made = run("ad", "sp", "create-for-rbac", "--name", "by-az")
        self.assertEqual(made["tenant"], self.site.admin["tenantId"])

    def test_both_names_answer_and_no_others(self):
        token = self.site.token(self.site.vault_resource)
        for host in ("kv-public.vault.azure.net", "kv-public.vault.corp.example"):
            answer = self.site.call("GET", f"https://{host}/secrets?api-version=7.4", token=token)
            self.assertEqual(answer.status, 200, answer)
        answer = self.site.call("GET", "https://kv-public.vault.azure.net/secrets?api-version=7.4")
        self.assertIn('resource="https://vault.azure.net"', answer.headers["WWW-Authenticate"])
        self.assertIn(f'authorization="https://login.microsoftonline.com/{self.site.admin["tenantId"]}"', answer.headers["WWW-Authenticate"])

    def test_a_node_finds_the_vault_by_its_public_name(self):
        secret = self.pools.certificate("web")
        self.assertTrue(secret.startswith("https://kv-public.vault.azure.net/secrets/web/"), secret)
        answer = self.pools.put("p", [secret])
        self.assertEqual(answer.status, 200, answer)
        node = self.pools.wait_state("p", "idle")[0]["id"]
        link = self.pools.run("p", node, "readlink", "/var/lib/waagent/Microsoft.Azure.KeyVault/kv-public.web")
        self.assertEqual(link.returncode, 0, link)
        for name, code in (("kv-public.vault.azure.net", 0), ("any.corp.example", 0), ("example.org", 2)):
            seen = self.pools.run("p", node, "getent", "ahostsv4", name)
            self.assertEqual(seen.returncode, code, (name, seen.stdout, seen.stderr))
            if code == 0:
                self.assertTrue(seen.stdout.startswith("127.0.0.1 "), seen.stdout)

    def test_names_that_would_not_work_make_no_site(self):
        for arguments, word in ((["--name", "vault"], "PART=HOST"), (["--name", "vault=corp.example", "--domain", "corp.example"], "overlaps"),
                                (["--public-names", "--name", "vault=keys.example.org"], "two names"), (["--name", "nodes=n.example.org"], "no part")):
            with tempfile.TemporaryDirectory() as base:
                place = pathlib.Path(base) / "site"
                done = subprocess.run([str(pathlib.Path(os.environ["VAULTYARD_BUILD"]) / "vaultyard"), "init", "--data-dir", place, *arguments], capture_output=True, text=True)
                self.assertEqual(done.returncode, 2, done)
                self.assertIn(word, done.stderr)
                self.assertFalse(place.exists())
