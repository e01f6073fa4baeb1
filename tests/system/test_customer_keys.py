"""Accounts under a customer's key, with real nodes: what lies on disk, what is lost with the key and what comes back, and kills in between."""
import base64
import contextlib
import datetime
import json
import pathlib
import random
import re
import sqlite3
import subprocess
import threading
import time
import unittest

from atrest import Copy
from pools import PoolMaker
from vaultyard import BUILD, Site, wait_for

CHECK_S = 1                             # --key-check
NODE_UNUSABLE = 7                       # in the table batch_node
TASK_ACTIVE = 1                         # in the table batch_task
API_DATA, API_ARM = "2022-10-01.16.0", "2023-11-01"
PERMISSIONS = ("get", "wrapKey", "unwrapKey")


class Customer:
    """On a started Site: the vault `cmkvault` with purge protection, accounts of PoolMaker's group `g` under its keys."""

    def __init__(self, site, account, nodes=False):
        self.site, self.account = site, account
        if nodes:
            self.pools = PoolMaker(site, f"kv-{account}", account, account_options=("--identity", "SystemAssigned"))
        else:
            site.vy("group", "create", "-n", "g", "-l", "local")
            site.vy("batch", "account", "create", "-n", account, "-g", "g", "-l", "local", "--identity", "SystemAssigned")
        site.vy("keyvault", "create", "-n", "cmkvault", "-g", "g", "-l", "local", "--enable-purge-protection", "true")
        self.grant()

    def grant(self, *permissions):
        self.site.vy("keyvault", "set-policy", "-n", "cmkvault", "--object-id", self.account, "--key-permissions", *(permissions or PERMISSIONS))

    def key(self, name):
        return self.site.vy("keyvault", "key", "create", "--vault-name", "cmkvault", "-n", name, "--ops", "wrapKey", "unwrapKey")["key"]["kid"]

    def set(self, kid):
        return self.site.vy("batch", "account", "set", "-n", self.account, "-g", "g", "--encryption-key-source", "Microsoft.KeyVault", "--encryption-key-identifier", kid)

    def unset(self):
        return self.site.vy("batch", "account", "set", "-n", self.account, "-g", "g", "--encryption-key-source", "Microsoft.Batch")

    def access(self):
        return self.site.vy("batch", "account", "show", "-n", self.account, "-g", "g", "--query", "encryption.keyAccess")

    def wait(self, state):
        return wait_for(f"access to the key is {state}", lambda: (lambda access: access if access["state"] == state else None)(self.access()))

    def stored(self, query, *values):
        """From the live database: states and times stand there in clear."""
        with contextlib.closing(sqlite3.connect(f"file:{self.site.dir}/store/vaultyard.db?mode=ro", uri=True, timeout=30)) as database:
            return database.execute(query, values).fetchall()

    @property
    def arm_path(self):
        return f"{self.site.subscription}/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/{self.account}"

    def data(self, method, path, body=None, account=None, api=API_DATA):
        endpoint = f"https://{account or self.account}.local.{self.site.admin['batchDnsSuffix']}"
        return self.site.call(method, f"{endpoint}{path}?api-version={api}", body, self.site.token(f"https://{self.site.admin['batchDnsSuffix']}"))


def plain_pool(body, **more):
    """Without extensions: nothing to wait for but the node itself."""
    body["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"].pop("extensions")
    body["properties"].update(more)


def metrics(site):
    """{(name, account or None): value} of /metrics."""
    answer = site.call("GET", f"https://vaultyard.localhost:{site.port}/metrics", token=site.token())
    assert answer.status == 200, answer
    lines = [re.fullmatch(r'vaultyard_batch_account_key_(\w+?)(?:\{account="(\w+)"\})? ([0-9.]+)', line) for line in answer.body.splitlines() if not line.startswith("#")]
    return {(match[1], match[2]): float(match[3]) for match in lines}


def seconds(text):
    return datetime.datetime.fromisoformat(re.sub(r"\.(\d{6})\d*Z$", r".\1+00:00", text)).timestamp()


def certificate(base, name, password):
    """A .pfx of this subject: (base64, thumbprint)."""
    folder = base / name
    folder.mkdir()
    run = lambda *words: subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True).stdout
    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "key.pem", "-out", "cert.pem", "-days", "30", "-subj", f"/CN={name}")
    run("pkcs12", "-export", "-inkey", "key.pem", "-in", "cert.pem", "-out", "cert.pfx", "-passout", f"pass:{password}")
    thumbprint = run("x509", "-in", "cert.pem", "-noout", "-fingerprint", "-sha1").decode().split("=")[1].strip().replace(":", "").lower()
    return base64.b64encode((folder / "cert.pfx").read_bytes()).decode(), thumbprint


class AtRest(unittest.TestCase):
    """A copy of everything on disk, the root key and every scope key but that vault's: nothing of the account can be read. The account next to it,
    whose key is the service's, is read all the same, so the reading is known to work."""

    def setUp(self):
        self.site = Site(nodes=True, serve_args=["--key-check", str(CHECK_S)]).start()
        self.addCleanup(self.site.close)

    def plant(self, customer, account, word):
        """Everything that people write into an account: what must not be found is {kind: marker}."""
        marker = lambda kind: f"{word}-{kind}-{random.getrandbits(64):016x}"
        made = {kind: marker(kind) for kind in ("displayname", "metadata", "metavalue", "subject", "password", "nodepool")}
        pool = {"id": "p", "vmSize": "STANDARD_A0", "targetDedicatedNodes": 0, "displayName": made["displayname"],
                "metadata": [{"name": made["metadata"], "value": made["metavalue"]}],
                "virtualMachineConfiguration": {"imageReference": {"publisher": "canonical", "offer": "ubuntuserver", "sku": "18.04-lts"}, "nodeAgentSKUId": "batch.node.ubuntu 18.04"}}
        answer = customer.data("POST", "/pools", pool, account)
        self.assertEqual(answer.status, 201, answer)
        data, thumbprint = certificate(self.site.base, made["subject"], made["password"])
        answer = customer.data("POST", "/certificates", {"thumbprint": thumbprint, "thumbprintAlgorithm": "sha1", "data": data, "certificateFormat": "pfx", "password": made["password"]}, account)
        self.assertEqual(answer.status, 201, answer)
        made["data"] = data[40:80]
        made.update({kind: marker(kind) for kind in ("jobname", "jobmeta", "jobenv", "taskname", "taskline", "taskenv", "taskfile", "reason")})
        job = {"id": "j", "poolInfo": {"poolId": "p"}, "displayName": made["jobname"], "metadata": [{"name": "m", "value": made["jobmeta"]}],
               "commonEnvironmentSettings": [{"name": "A", "value": made["jobenv"]}]}
        task = {"id": "t", "displayName": made["taskname"], "commandLine": f"echo {made['taskline']}", "environmentSettings": [{"name": "B", "value": made["taskenv"]}],
                "resourceFiles": [{"httpUrl": "https://example.org/a", "filePath": made["taskfile"]}]}
        for path, body, status in (("/jobs", job, 201), ("/jobs/j/tasks", task, 201), ("/jobs", dict(job, id="ended"), 201), ("/jobs/ended/terminate", {"terminateReason": made["reason"]}, 202)):
            answer = customer.data("POST", path, body, account)
            self.assertEqual(answer.status, status, answer)
        return made

    def run_commands(self, customer, made, word):
        """A command line and what it wrote, on a real node of the account."""
        made["commandline"], made["output"] = (f"{word}-{kind}-{random.getrandbits(64):016x}" for kind in ("commandline", "output"))
        answer = customer.pools.put("n", [], change=lambda body: plain_pool(body, displayName=made["nodepool"]))
        self.assertEqual(answer.status, 200, answer)
        node = customer.pools.wait_state("n", "idle")[0]["id"]
        done = customer.pools.run("n", node, "sh", "-c", f"echo {made['output'][:8]}''{made['output'][8:]} # {made['commandline']}")
        self.assertEqual(done.stdout.strip(), made["output"])

    def test_nothing_is_readable_without_that_vaults_key(self):
        site, customer = self.site, Customer(self.site, "sealedone", nodes=True)
        site.vy("batch", "account", "create", "-n", "plainone", "-g", "g", "-l", "local")
        before = self.plant(customer, "sealedone", "before")
        plain = self.plant(customer, "plainone", "plain")
        ids = dict(customer.stored("SELECT name, id FROM batch_account"))
        scope = f"batch:{ids['sealedone']}"
        by_root = customer.stored("SELECT wrapped FROM scope_key WHERE scope = ?", scope)[0][0]
        customer.set(customer.key("one"))
        self.run_commands(customer, before, "after")
        wrapped = [row[0] for row in customer.stored("SELECT wrapped FROM batch_encryption WHERE wrapped IS NOT NULL")]
        wait_for("the wrapping before has left the files", lambda: customer.stored("SELECT scrub FROM batch_encryption WHERE identifier IS NOT NULL") == [(0,)])
        site.kill()
        copy = Copy(site, "stolen")

        vault_scope = [scope for scope, in copy.rows("SELECT DISTINCT scope FROM scope_key WHERE scope LIKE 'vault:%'")]
        keyvault = {name: f"vault:{number}" for name, number in copy.rows("SELECT name_key, id FROM kv_vault")}["cmkvault"]
        self.assertIn(keyvault, vault_scope)
        stolen = copy.scope_keys(but=(keyvault,))
        self.assertIn(f"batch:{ids['plainone']}", [scope for scope, _ in stolen.values()])
        self.assertNotIn(scope, [scope for scope, _ in stolen.values()])                    # the root key does not open it
        for kind, marker in before.items():
            with self.subTest(kind):
                self.assertEqual(copy.clear(marker.encode()), [])
                self.assertEqual(copy.opened(marker.encode(), stolen), [])
        with self.subTest("the wrapping before"):
            self.assertEqual([name for name, content in copy.files.items() if by_root in content], [])
        with self.subTest("what is documented as clear is clear"):
            self.assertTrue([name for name, content in copy.files.items() if wrapped[0] in content])

        # The same reading finds the same things of the account beside it, so it would have found them.
        for kind in ("displayname", "metadata", "metavalue", "password", "jobname", "jobmeta", "jobenv", "taskname", "taskline", "taskenv", "taskfile", "reason"):
            with self.subTest(f"the other account's {kind}"):
                self.assertEqual(copy.clear(plain[kind].encode()), [])
                self.assertTrue(copy.opened(plain[kind].encode(), stolen))

        # And whoever has that vault's key as well has it all: the server itself, on its own disk.
        site.start()
        customer.wait("Available")
        wait_for("the account is open", lambda: customer.data("GET", "/pools/p").status == 200)
        self.assertEqual(customer.data("GET", "/pools/p").json["displayName"], before["displayname"])

    def test_without_that_vaults_scope_key_the_server_cannot_open_it_either(self):
        site, customer = self.site, Customer(self.site, "sealedtwo", nodes=False)
        made = self.plant(customer, "sealedtwo", "two")
        customer.set(customer.key("one"))
        site.kill()
        with contextlib.closing(sqlite3.connect(site.dir / "store" / "vaultyard.db")) as database:
            number = database.execute("SELECT id FROM kv_vault WHERE name_key = 'cmkvault'").fetchone()[0]
            database.execute("DELETE FROM scope_key WHERE scope = ?", (f"vault:{number}",))
            database.commit()
        site.start()
        for _ in range(20):
            answer = customer.data("GET", "/pools/p")
            self.assertIn(answer.status, (403, 503), answer)
            self.assertNotIn(made["displayname"], answer.body)


class AccessLost(unittest.TestCase):
    """One site, one pool, one node: the key is taken away in each way, and given back."""

    @classmethod
    def setUpClass(cls):
        cls.site = Site(nodes=True, serve_args=["--key-check", str(CHECK_S)])
        listed = cls.site.run([BUILD / "vaultyard", "routes", "--data-dir", cls.site.dir, "--tabs"]).stdout
        cls.routes = [line.split("\t") for line in listed.splitlines()]
        cls.site.start()
        cls.vy = staticmethod(cls.site.vy)
        cls.customer = Customer(cls.site, "lostone", nodes=True)
        cls.kid = cls.customer.key("k")
        cls.customer.set(cls.kid)
        assert cls.customer.pools.put("p", [], change=plain_pool).status == 200
        cls.node = cls.customer.pools.wait_state("p", "idle")[0]["id"]

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def boot(self):
        return self.customer.pools.run("p", self.node, "stat", "-c", "%Z", "/proc/1").stdout.strip()

    def state(self):
        return self.customer.stored("SELECT state, lease_until_ms FROM batch_node")[0]

    def wait_lost(self):
        """The account, its node and /metrics say so."""
        access = self.customer.wait("Lost")
        wait_for("the node is unusable", lambda: self.state()[0] == NODE_UNUSABLE)
        seen = metrics(self.site)
        self.assertEqual((seen["available", "lostone"], ("restored_timestamp_seconds", "lostone") in seen), (0, False))
        self.assertAlmostEqual(seen["lost_timestamp_seconds", "lostone"], seconds(access["lostAt"]), delta=0.01)
        self.assertNotIn("restoredAt", access)
        return access

    def wait_back(self, boot):
        """Within the minute that is promised; the same machine, the same data."""
        begun = time.monotonic()
        access = self.customer.wait("Available")
        self.customer.pools.wait_state("p", "idle", timeout=60)
        self.assertLess(time.monotonic() - begun, 60)
        self.assertEqual(self.boot(), boot)
        seen = metrics(self.site)
        self.assertEqual((seen["available", "lostone"], seen["check_period_seconds", None], seen["documented_return_seconds", None]), (1, CHECK_S, 600))
        self.assertAlmostEqual(seen["restored_timestamp_seconds", "lostone"], seconds(access["restoredAt"]), delta=0.01)
        self.assertGreater(seen["restored_timestamp_seconds", "lostone"], seen["lost_timestamp_seconds", "lostone"])
        self.assertEqual((access["checkPeriodSeconds"], access["documentedReturnSeconds"]), (CHECK_S, 600))
        self.assertEqual(self.customer.data("GET", "/pools/p").json["id"], "p")

    def ways(self):
        key = ("--vault-name", "cmkvault", "-n", "k")
        policy = lambda *permissions: lambda: self.customer.grant(*permissions)
        return {
            "disabled": (lambda: self.vy("keyvault", "key", "set-attributes", "--id", self.kid, "--enabled", "false"),
                         lambda: self.vy("keyvault", "key", "set-attributes", "--id", self.kid, "--enabled", "true"), "disabled key"),
            "unwrapKey no longer permitted": (lambda: self.vy("keyvault", "key", "set-attributes", "--id", self.kid, "--ops", "wrapKey"),
                        lambda: self.vy("keyvault", "key", "set-attributes", "--id", self.kid, "--ops", "wrapKey", "unwrapKey"), "unwrapKey"),
            "deleted": (lambda: self.vy("keyvault", "key", "delete", *key), lambda: self.vy("keyvault", "key", "recover", *key), "not found"),
            "policy removed": (lambda: self.vy("keyvault", "delete-policy", "-n", "cmkvault", "--object-id", "lostone"), policy(), "does not have keys unwrapKey permission"),
            "unwrap taken away": (policy("get", "wrapKey"), policy(), "does not have keys unwrapKey permission"),
            "vault deleted": (lambda: self.vy("keyvault", "delete", "-n", "cmkvault"), lambda: self.vy("keyvault", "recover", "-n", "cmkvault"), "was deleted"),
        }

    def test_1_each_way_to_lose_the_key_and_back(self):
        boot = self.boot()
        for name, (take, give, word) in self.ways().items():
            with self.subTest(name):
                take()
                self.assertIn(word, self.wait_lost()["reason"])
                if name == "disabled":
                    lease = self.state()[1]
                    wait_for("the lease goes on", lambda: self.state()[1] > lease)
                give()
                self.wait_back(boot)

    def test_2_every_call_is_refused_but_reading_and_deleting_the_account(self):
        pfx, thumbprint = certificate(self.site.base, "walk", "secret")
        self.vy("keyvault", "key", "set-attributes", "--id", self.kid, "--enabled", "false")
        self.addCleanup(self.vy, "keyvault", "key", "set-attributes", "--id", self.kid, "--enabled", "true")
        self.wait_lost()
        data = [(row[1], row[2]) for row in self.routes if row[0] == "batch" and row[4] == "yes"]
        arm = [(row[1], row[2]) for row in self.routes if "/batchAccounts/{accountName}" in row[2] and row[4] == "yes"]
        fixed = {"subscriptionId": self.site.admin["subscriptionId"], "resourceGroupName": "g", "accountName": "lostone", "poolId": "p", "poolName": "p", "nodeId": self.node, "certificateName": f"SHA1-{thumbprint}"}
        fill = lambda path: re.sub(r"\{([^}]+)\}", lambda match: fixed.get(match[1], "x"), path)
        self.assertGreater(len(data), 20)
        for method, path in data:
            with self.subTest(f"{method} {path}"):
                body = {} if method in ("POST", "PUT", "PATCH") else None
                answers = [self.customer.data(method, fill(path), body, api=api) for api in (API_DATA, "2024-07-01.20.0")]
                answer = answers[1] if answers[0].status in (400, 404) else answers[0]       # a row holds for some api-versions
                self.assertEqual(answer.status, 403, answer)
                if method == "HEAD":                         # has no body to say it in
                    continue
                self.assertIn("AccountIsDisabled", answer.body)
                self.assertIn(f"/keys/k/{self.kid[-32:]}", answer.body)
                self.assertIn("Recover or enable the key", answer.body)
        self.assertGreater(len(arm), 8)
        bodies = {"/regenerateKeys": {"keyName": "Primary"}, "/certificates/{certificateName}": {"properties": {"data": pfx, "password": "secret"}}, "/{accountName}": {"location": "local"}}
        for method, path in arm:
            if path.endswith("{accountName}") and method in ("GET", "DELETE"):
                continue
            with self.subTest(f"{method} {path}"):
                body = next((body for end, body in bodies.items() if path.endswith(end)), {}) if method in ("POST", "PUT", "PATCH") else None
                answer = self.site.arm(method, fill(path), body, api="2021-01-01")
                self.assertEqual(answer.status, 403, answer)
                self.assertIn("AccountIsDisabled", answer.body)
        self.assertEqual(self.site.arm("GET", self.customer.arm_path, api=API_ARM).json["properties"]["encryption"]["keyAccess"]["state"], "Lost")
        listed = self.site.arm("GET", f"{self.site.subscription}/providers/Microsoft.Batch/batchAccounts", api=API_ARM).json["value"]
        self.assertEqual([account["name"] for account in listed], ["lostone"])
        self.vy("keyvault", "key", "set-attributes", "--id", self.kid, "--enabled", "true")
        self.wait_back(self.boot_after())

    def boot_after(self):
        """The node's first process, as soon as it may be asked again."""
        return wait_for("the node answers", self.boot)

    def test_3_the_server_is_restarted_while_access_is_lost(self):
        boot = self.boot()
        self.vy("keyvault", "key", "delete", "--vault-name", "cmkvault", "-n", "k")
        lost = self.wait_lost()["lostAt"]
        for end in (self.site.stop, self.site.kill):
            with self.subTest(end.__name__):
                end()
                self.site.start()
                self.assertEqual(self.wait_lost()["lostAt"], lost)
                self.assertEqual(self.customer.data("GET", "/pools").status, 403)
        self.vy("keyvault", "key", "recover", "--vault-name", "cmkvault", "-n", "k")
        self.wait_back(boot)

    def test_4_the_key_is_lost_while_the_server_is_down(self):
        boot = self.boot()
        self.vy("keyvault", "key", "set-attributes", "--id", self.kid, "--enabled", "false")
        self.site.kill()                                     # perhaps before the key was tried, perhaps after
        self.site.start()
        self.wait_lost()
        self.vy("keyvault", "key", "set-attributes", "--id", self.kid, "--enabled", "true")
        self.wait_back(boot)

    def test_5_restarts_with_the_key_at_hand_leave_everything_running(self):
        boot = self.boot()
        for end in (self.site.stop, self.site.kill):
            end()
            self.site.start()
            wait_for("the account answers", lambda: self.customer.data("GET", "/pools/p").status == 200)
            self.assertEqual(self.boot_after(), boot)
            self.assertEqual(self.customer.access()["state"], "Available")

    def processes(self, word):
        """pids of the machine, in containers or not, whose command line has the word."""
        found = []
        for entry in pathlib.Path("/proc").iterdir():
            with contextlib.suppress(OSError):
                if entry.name.isdigit() and word.encode() in (entry / "cmdline").read_bytes():
                    found.append(int(entry.name))
        return found

    def test_5_tasks_stop_are_requeued_and_run_again(self):
        """The first runs when the key is lost; two wait behind it. None is lost, none runs twice at once, those that had not begun run once."""
        customer, word = self.customer, f"task{random.getrandbits(48):012x}"
        line = lambda name, then: f"/bin/sh -c 'echo {name} >> $AZ_BATCH_NODE_SHARED_DIR/{word}; {then}'"
        self.assertEqual(customer.data("POST", "/jobs", {"id": "j", "poolInfo": {"poolId": "p"}}).status, 201)
        waits = f"while ! test -e $AZ_BATCH_NODE_SHARED_DIR/{word}-go; do sleep 0.1; done"
        for name, then in (("first", waits), ("second", "true"), ("third", "true")):
            answer = customer.data("POST", "/jobs/j/tasks", {"id": name, "commandLine": line(name, then)})
            self.assertEqual(answer.status, 201, answer)
        task = lambda name: customer.data("GET", f"/jobs/j/tasks/{name}").json
        wait_for("the first task runs", lambda: task("first")["state"] == "running" and self.processes(word))
        boot = self.boot()
        self.vy("keyvault", "key", "set-attributes", "--id", self.kid, "--enabled", "false")
        self.addCleanup(self.vy, "keyvault", "key", "set-attributes", "--id", self.kid, "--enabled", "true")
        self.wait_lost()
        wait_for("its process has ended", lambda: not self.processes(word))
        wait_for("it is queued again", lambda: customer.stored("SELECT state FROM batch_task WHERE task_key = 'first'") == [(TASK_ACTIVE,)])
        self.assertEqual(customer.stored("SELECT COUNT(*) FROM batch_task WHERE state = ?", TASK_ACTIVE), [(3,)])
        self.vy("keyvault", "key", "set-attributes", "--id", self.kid, "--enabled", "true")
        begun = time.monotonic()
        customer.wait("Available")
        wait_for("a task runs again", lambda: self.processes(word) or task("second")["state"] == "completed")
        self.assertLess(time.monotonic() - begun, 60)
        self.assertEqual(wait_for("the node answers", self.boot), boot)
        shared = "/mnt/batch/tasks/shared"
        customer.pools.run("p", self.node, "touch", f"{shared}/{word}-go")
        for name in ("first", "second", "third"):
            wait_for(f"{name} is completed", lambda: task(name)["state"] == "completed")
            self.assertEqual((task(name)["executionInfo"]["result"], task(name)["executionInfo"]["exitCode"]), ("success", 0))
        marks = customer.pools.run("p", self.node, "cat", f"{shared}/{word}").stdout.split()
        self.assertEqual((marks.count("first"), marks.count("second"), marks.count("third")), (2, 1, 1))
        self.assertEqual(task("first")["executionInfo"]["requeueCount"], 0)      # counts what users ask for: a removed node, a disabled job

    def test_6_new_version_different_key_back_to_the_service(self):
        boot = self.boot()
        sealed = self.customer.stored("SELECT body FROM batch_pool")
        newer = self.customer.key("k")
        for kid in (newer, self.customer.key("other"), self.customer.key("other")[:-33], newer):
            with self.subTest(kid):
                self.customer.set(kid)
                self.assertEqual(self.customer.access()["state"], "Available")
                self.assertEqual(self.customer.stored("SELECT body FROM batch_pool"), sealed)       # no data was moved
                self.assertEqual(self.boot(), boot)
        self.customer.set(self.customer.key("other")[:-33])
        newest = self.customer.key("other")
        wait_for("the newest version is followed", lambda: self.customer.access()["currentKeyIdentifier"] == newest)
        self.vy("keyvault", "key", "delete", "--vault-name", "cmkvault", "-n", "k")
        unwrapped = self.customer.access()["lastUnwrapped"]
        wait_for("it was tried again", lambda: self.customer.access()["lastUnwrapped"] > unwrapped)
        self.assertEqual((self.customer.access()["state"], self.boot()), ("Available", boot))
        self.customer.unset()
        self.vy("keyvault", "delete", "-n", "cmkvault")
        self.assertEqual(self.customer.stored("SELECT body FROM batch_pool"), sealed)
        self.assertEqual(self.boot(), boot)
        self.assertEqual([key for key in metrics(self.site) if key[1]], [])


class Followed(unittest.TestCase):
    def test_versions_that_a_rotation_policy_makes_are_followed(self):
        with Site(serve_args=["--key-check", str(CHECK_S)]) as site:
            customer = Customer(site, "followed")
            kid = customer.key("k")
            customer.set(kid[:-33])
            policy = {"lifetimeActions": [{"trigger": {"timeAfterCreate": "P30D"}, "action": {"type": "Rotate"}}], "attributes": {"expiryTime": "P90D"}}
            site.vy("keyvault", "key", "rotation-policy", "update", "--vault-name", "cmkvault", "-n", "k", "--value", json.dumps(policy))
            self.assertEqual(customer.access()["currentKeyIdentifier"], kid)
            site.vy("dev", "clock", "advance", "31d")
            wait_for("the key is rotated", lambda: len(site.vy("keyvault", "key", "list-versions", "--vault-name", "cmkvault", "-n", "k")) == 2)
            newest = site.vy("keyvault", "key", "show", "--vault-name", "cmkvault", "-n", "k")["key"]["kid"]
            self.assertNotEqual(newest, kid)
            wait_for("its new version wraps", lambda: customer.access()["currentKeyIdentifier"] == newest)
            self.assertEqual(customer.access()["state"], "Available")


class Kills(unittest.TestCase):
    def test_a_kill_during_set_leaves_the_old_key_or_the_new_one(self):
        with Site(serve_args=["--key-check", str(CHECK_S)]) as site:
            customer = Customer(site, "killed")
            body = {"id": "p", "vmSize": "STANDARD_A0", "targetDedicatedNodes": 0, "displayName": "kept",
                    "virtualMachineConfiguration": {"imageReference": {"publisher": "canonical", "offer": "ubuntuserver", "sku": "18.04-lts"}, "nodeAgentSKUId": "batch.node.ubuntu 18.04"}}
            self.assertEqual(customer.data("POST", "/pools", body).status, 201)
            kids = [customer.key("a"), customer.key("b"), None]
            now, ends = None, set()
            for turn in range(12):
                wanted = kids[turn % 3]
                properties = {"keySource": "Microsoft.KeyVault", "keyVaultProperties": {"keyIdentifier": wanted}} if wanted else {"keySource": "Microsoft.Batch"}
                token = site.token()

                def ask():
                    with contextlib.suppress(OSError, ValueError):
                        site.call("PATCH", f"{site.management}{customer.arm_path}?api-version={API_ARM}", {"properties": {"encryption": properties}}, token)

                asking = threading.Thread(target=ask)
                asking.start()
                time.sleep(random.uniform(0, 0.04))          # any moment: before, during or after
                site.kill()
                asking.join()
                site.start()
                encryption = site.vy("batch", "account", "show", "-n", "killed", "-g", "g", "--query", "encryption")
                has = encryption.get("keyVaultProperties", {}).get("keyIdentifier")
                self.assertIn(has, (now, wanted))
                wait_for("the account is open", lambda: customer.data("GET", "/pools/p").status == 200)
                self.assertEqual(customer.data("GET", "/pools/p").json["displayName"], "kept")
                ends.add(has == wanted)
                now = has
            print(f"  (a set that was killed was carried out: {sorted(ends)})", flush=True)


if __name__ == "__main__":
    unittest.main()
