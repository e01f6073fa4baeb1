"""Objects are whole: 64 clients on one name, and kill -9 in the middle of every kind of write, in vaults and of vaults (the seed of the kills is printed)."""
import base64
import hashlib
import http.client
import json
import os
import random
import ssl
import subprocess
import tempfile
import threading
import time
import unittest
import urllib.parse
import uuid

from vaultyard import BUILD, Site, wait_for

API = "api-version=7.4"


def payload(author, number):
    """A value that tells whether it is whole, and the tags and content type that belong to it."""
    text = f"{author}/{number}/" + "x" * random.Random(f"{author}/{number}").randrange(10, 6000)
    value = text + "/" + hashlib.sha256(text.encode()).hexdigest()
    return {"value": value, "contentType": value[-16:], "tags": {"a": value[-8:], "b": value[-8:]}}


def is_whole(bundle):
    text, _, mark = bundle["value"].rpartition("/")
    return hashlib.sha256(text.encode()).hexdigest() == mark and bundle["contentType"] == mark[-16:] and bundle["tags"]["a"] == bundle["tags"]["b"]


class Client:
    """One connection that is kept: to a vault, or with None to Resource Manager, whose paths come with their api-version."""

    def __init__(self, site, vault):
        parts = urllib.parse.urlsplit(site.vault_url(vault) if vault else site.management)
        self.connection = http.client.HTTPSConnection(parts.hostname, parts.port or 443, context=site.context(), timeout=60)
        self.token = site.token(site.vault_resource if vault else None)

    def __call__(self, method, path, body=None):
        if "api-version=" not in path:
            path += ("&" if "?" in path else "?") + API
        self.connection.request(method, path, json.dumps(body) if body is not None else None,
                                {"Authorization": f"Bearer {self.token}", **({"Content-Type": "application/json"} if body is not None else {})})
        answer = self.connection.getresponse()
        text = answer.read().decode()
        return answer.status, json.loads(text) if text else None

    def pages(self, path):
        items, at = [], path
        while at:
            status, page = self("GET", at)
            assert status == 200, page
            items += page["value"]
            at = page["nextLink"] and urllib.parse.urlsplit(page["nextLink"])
            at = at and f"{at.path}?{'&'.join(part for part in at.query.split('&') if not part.startswith('api-version'))}"
        return items


class Together(unittest.TestCase):
    CLIENTS, WRITES, READS = 64, 6, 12

    @classmethod
    def setUpClass(cls):
        cls.site = Site().start()
        cls.site.vy("group", "create", "-n", "g", "-l", "local")
        cls.site.vy("keyvault", "create", "-n", "kv-together", "-g", "g", "-l", "local")
        cls.site.token(cls.site.vault_resource)

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def test_64_clients_on_one_name_never_see_half_of_anything(self):
        wrong, ids, barrier = [], [], threading.Barrier(self.CLIENTS)
        first = Client(self.site, "kv-together")
        self.assertEqual(first("PUT", "/secrets/one", payload("first", 0))[0], 200)

        def read(client, path):
            status, bundle = client("GET", path)
            if status != 200 or not is_whole(bundle):
                wrong.append((path, status, str(bundle)[:200]))
            return bundle

        def write(client, author):
            for number in range(self.WRITES):
                sent = payload(author, number)
                status, made = client("PUT", "/secrets/one", sent)
                if status != 200:
                    wrong.append(("PUT", status, made))
                    return
                ids.append(made["id"])
                again = read(client, urllib.parse.urlsplit(made["id"]).path)
                if again["value"] != sent["value"]:
                    wrong.append(("another value", made["id"]))
                client("PATCH", urllib.parse.urlsplit(made["id"]).path, {"tags": {"a": f"{author}-{number}", "b": f"{author}-{number}"}})

        def work(author):
            try:
                client = Client(self.site, "kv-together")
                barrier.wait(60)
                if author % 2:
                    write(client, author)
                else:
                    for number in range(self.READS):
                        read(client, "/secrets/one")
            except Exception as error:              # a thread that dies would else go unseen
                wrong.append((author, repr(error)))
        threads = [threading.Thread(target=work, args=(author,)) for author in range(self.CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        self.assertEqual(wrong[:3], [])
        listed = [item["id"] for item in first.pages("/secrets/one/versions")]
        self.assertEqual(len(ids), self.CLIENTS // 2 * self.WRITES)
        self.assertEqual(len(listed), len(ids) + 1)
        self.assertEqual(set(ids) - set(listed), set())

    def together(self, work):
        """Runs work(client, number) for 64 clients at once; what they found wrong."""
        wrong, barrier = [], threading.Barrier(self.CLIENTS)

        def run(number):
            try:
                client = Client(self.site, "kv-together")
                barrier.wait(60)
                wrong.extend(work(client, number) or [])
            except Exception as error:              # a thread that dies would else go unseen
                wrong.append((number, repr(error)))
        threads = [threading.Thread(target=run, args=(number,)) for number in range(self.CLIENTS)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(300)
        return wrong

    def test_64_clients_on_one_key_always_have_both_halves_of_a_version(self):
        first, made = Client(self.site, "kv-together"), []
        self.assertEqual(first("POST", "/keys/one/create", {"kty": "EC"})[0], 200)

        def work(client, number):
            for turn in range(3):
                if number % 4 == 0:
                    status, key = client("POST", "/keys/one/create", {"kty": "EC"})
                    made.append(status)
                status, shown = client("GET", "/keys/one")
                status, signed = client("POST", "/keys/one//sign", {"alg": "ES256", "value": "A" * 43})
                if status != 200:
                    return [(status, signed)]
                at = urllib.parse.urlsplit(signed["kid"]).path
                status, verified = client("POST", f"{at}/verify", {"alg": "ES256", "digest": "A" * 43, "value": signed["value"]})
                again = client("GET", urllib.parse.urlsplit(shown["key"]["kid"]).path)[1]
                if (status, verified) != (200, {"value": True}) or again["key"] != shown["key"]:
                    return [(status, verified, shown, again)]
        self.assertEqual(self.together(work)[:3], [])
        self.assertEqual(set(made), {200})
        self.assertEqual(len(first.pages("/keys/one/versions")), 1 + len(made))

    def test_64_clients_that_ask_for_one_certificate_get_one_version_for_each_answer(self):
        first, taken = Client(self.site, "kv-together"), []
        policy = {"policy": {"issuer": {"name": "Self"}, "key_props": {"kty": "EC"}, "secret_props": {"contentType": "application/x-pem-file"}, "x509_props": {"subject": "CN=one"}}}

        def work(client, number):
            for turn in range(3):
                status, operation = client("POST", "/certificates/asked/create", policy)
                if status not in (202, 409) or (status == 409 and "inProgress" not in operation["error"]["message"]):
                    return [(status, operation)]
                taken.extend([number] if status == 202 else [])
                status, shown = client("GET", "/certificates/asked")
                if "cer" not in shown:
                    continue                            # the first one is still being made
                version = shown["id"].rsplit("/", 1)[1]
                status, secret = client("GET", f"/secrets/asked/{version}")
                blocks = ssl.PEM_cert_to_DER_cert(secret["value"][secret["value"].index("-----BEGIN CERTIFICATE"):])
                if status != 200 or base64.b64decode(shown["cer"]) != blocks or secret["kid"] != shown["kid"]:
                    return [(status, shown, secret)]
        self.assertEqual(self.together(work)[:3], [])
        wait_for("the last is made", lambda: first("GET", "/certificates/asked/pending")[1]["status"] == "completed")
        versions = {plural: sorted(item["kid" if plural == "keys" else "id"].rsplit("/", 1)[1] for item in first.pages(f"/{plural}/asked/versions"))
                    for plural in ("certificates", "keys", "secrets")}
        self.assertEqual(len(versions["certificates"]), len(taken))
        self.assertTrue(versions["certificates"] == versions["keys"] == versions["secrets"], versions)

    def test_more_than_128_versions_are_listed_whole_and_once(self):
        client = Client(self.site, "kv-together")
        made = [client("PUT", "/secrets/many", {"value": str(number)})[1]["id"] for number in range(150)]
        listed = client.pages("/secrets/many/versions?maxresults=25")
        self.assertEqual(sorted(item["id"] for item in listed), sorted(made))
        self.assertNotIn("value", listed[0])

    def test_64_clients_that_delete_and_recover_leave_one_state(self):
        client = Client(self.site, "kv-together")
        client("PUT", "/secrets/flip", payload("flip", 0))
        allowed = {("DELETE", 200), ("DELETE", 404), ("POST", 200), ("POST", 404), ("GET", 200), ("GET", 404)}
        seen, lock = set(), threading.Lock()

        def work(author):
            own = Client(self.site, "kv-together")
            for method, path in (("DELETE", "/secrets/flip"), ("GET", "/secrets/flip"), ("POST", "/deletedsecrets/flip/recover"), ("GET", "/secrets/flip")):
                status, bundle = own(method, path, {} if method == "POST" else None)
                with lock:
                    seen.add((method, status) if status != 200 or method != "GET" or is_whole(bundle) else (method, "torn"))
        threads = [threading.Thread(target=work, args=(author,)) for author in range(64)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(120)
        self.assertEqual(seen - allowed, set())
        live, deleted = client("GET", "/secrets/flip")[0], client("GET", "/deletedsecrets/flip")[0]
        self.assertEqual(sorted((live, deleted)), [200, 404])


class Gone(Exception):
    """The server was killed under a request: what it asked for may have happened or not."""


class Worker:
    """Does writes of one kind on names of its own, and knows what each must be: `sure` was acknowledged, `maybe` was asked for last."""
    ABSENT, VAULT = ("absent", ()), "kv-kills"

    def __init__(self, kills, number, random):
        self.kills, self.random, self.number, self.steps = kills, random, number, 0
        self.names = [f"{self.KIND}-{number}-{index}" for index in range(3)]
        self.sure = {name: self.ABSENT for name in self.names}
        self.maybe, self.blobs, self.count, self.client = {}, {}, 0, None

    def ask(self, method, path, body=None, status=200):
        try:
            if not self.client:
                self.client = Client(self.kills.site, self.VAULT)
            found, answer = self.client(method, path, body)
        except (OSError, http.client.HTTPException) as error:
            self.client = None
            raise Gone from error
        if found == 503:                             # it stops; what was asked was not begun
            raise Gone
        if found not in (status if isinstance(status, tuple) else (status,)):
            raise AssertionError(f"{method} {path}: {found} {answer}")
        return answer

    def change(self, name, to, method, path, body=None, status=200):
        self.maybe[name] = to
        answer = self.ask(method, path, body, status)
        self.sure[name] = self.maybe.pop(name)
        return answer

    def step(self):
        name = self.random.choice(self.names)
        where, versions = self.sure[name]
        plural, deleted = self.PLURAL, f"/deleted{self.PLURAL}/{name}"
        if where == "absent" and name in self.blobs and self.random.random() < 0.5:
            blob, was = self.blobs[name]
            self.change(name, ("live", was), "POST", f"/{plural}/restore", {"value": blob})
        elif where == "absent" or (where == "live" and len(versions) < 4 and self.random.random() < 0.5):
            self.count += 1
            self.add(name, versions)
        elif where == "deleted":
            if self.random.random() < 0.5:
                self.change(name, ("live", versions), "POST", f"{deleted}/recover", {})
            else:
                self.change(name, self.ABSENT, "DELETE", deleted, status=204)
        elif self.random.random() < 0.5:
            self.blobs[name] = (self.ask("POST", f"/{plural}/{name}/backup", {})["value"], versions)
        else:
            self.change(name, ("deleted", versions), "DELETE", f"/{plural}/{name}")

    def run(self):
        try:
            while not self.kills.over.is_set():
                self.step()
                self.steps += 1
        except Gone:
            pass
        except Exception as error:
            self.kills.wrong.append(f"{self.KIND} {self.number}: {error!r}")

    def look(self, client, name):
        """What it is now; raises when it is not whole."""
        live, deleted = client("GET", f"/{self.PLURAL}/{name}"), client("GET", f"/deleted{self.PLURAL}/{name}")
        assert (live[0], deleted[0]) in ((200, 404), (404, 200), (404, 404)), (name, live, deleted)
        if live[0] == 200:
            return "live", self.versions(client, name, live[1])
        return ("deleted", None) if deleted[0] == 200 else self.ABSENT

    def check(self, client):
        for name in self.names:
            may_be = [self.sure[name]] + ([self.maybe[name]] if name in self.maybe else [])
            found = self.look(client, name)
            fitting = [state for state in may_be if state[0] == found[0] and (found[1] is None or self.same(state[1], found[1]))]
            assert fitting, f"{name} is {found}, and may be {may_be}"
            self.sure[name] = fitting[-1] if len(fitting) == 1 or found[1] is None else (found[0], found[1])
            self.maybe.pop(name, None)

    def same(self, wanted, found):
        return len(wanted) == len(found)


class Secrets(Worker):
    KIND, PLURAL = "secret", "secrets"

    def add(self, name, versions):
        sent = payload(name, self.count)
        self.change(name, ("live", versions + (sent["value"],)), "PUT", f"/secrets/{name}", sent)

    def versions(self, client, name, current):
        assert is_whole(current), current
        values = []
        for item in client.pages(f"/secrets/{name}/versions"):
            status, bundle = client("GET", urllib.parse.urlsplit(item["id"]).path)
            assert status == 200 and is_whole(bundle), (item, status, bundle)
            values.append(bundle["value"])
        assert current["value"] in values
        return tuple(values)

    def same(self, wanted, found):
        return sorted(wanted) == sorted(found)


class Keys(Worker):
    KIND, PLURAL = "key", "keys"

    def add(self, name, versions):
        self.change(name, ("live", versions + (self.count,)), "POST", f"/keys/{name}/create", {"kty": "EC"})

    def versions(self, client, name, current):
        items = client.pages(f"/keys/{name}/versions")
        for item in items:
            status, made = client("POST", urllib.parse.urlsplit(item["kid"]).path + "/sign", {"alg": "ES256", "value": "A" * 43})
            assert status == 200, (item, made)
        assert current["key"]["kid"] in [item["kid"] for item in items]
        return tuple(range(len(items)))


class Certificates(Worker):
    KIND, PLURAL = "cert", "certificates"

    def add(self, name, versions):
        self.change(name, ("live", versions + (self.count,)), "POST", f"/certificates/{name}/import",
                    {"value": self.kills.pem, "policy": {"secret_props": {"contentType": "application/x-pem-file"}}})

    def versions(self, client, name, current):
        of = lambda plural, member: sorted(item[member].rsplit("/", 1)[1] for item in client.pages(f"/{plural}/{name}/versions"))
        ids = of("certificates", "id")
        assert ids == of("secrets", "id") == of("keys", "kid"), f"{name}: certificate, secret and key have not the same versions"
        status, secret = client("GET", f"/secrets/{name}")
        assert status == 200 and secret["kid"] == current["kid"] and "PRIVATE KEY" in secret["value"] and "BEGIN CERTIFICATE" in secret["value"], secret
        return tuple(range(len(ids)))

    def look(self, client, name):
        state = super().look(client, name)
        wanted = {"live": (200, 404), "deleted": (404, 200), "absent": (404, 404)}[state[0]]
        for plural in ("secrets", "keys"):
            found = client("GET", f"/{plural}/{name}")[0], client("GET", f"/deleted{plural}/{name}")[0]
            assert found == wanted, f"{name}: the certificate is {state[0]}, of its {plural} GET says {found}"
        return state


class Document(Worker):
    """Of which there is one a name, replaced as a whole: each of its parts bears the same mark."""

    def write(self, name, method="PUT"):
        self.count += 1
        mark = f"m{self.number}n{self.names.index(name)}c{self.count}"
        self.change(name, ("live", (mark,)), method, self.path(name), self.document(name, mark), (200, 201))

    def step(self):
        name = self.random.choice(self.names)
        if self.sure[name] == self.ABSENT or self.random.random() < 0.6:
            self.write(name)
        else:
            self.change(name, self.ABSENT, "DELETE", self.path(name))

    def look(self, client, name):
        status, found = client("GET", self.path(name))
        assert status in (200, 404), (name, status, found)
        return ("live", self.mark(found)) if status == 200 else self.ABSENT

    def mark(self, found):
        marks = set(self.marks(found))
        assert len(marks) == 1, f"parts of {marks} in {found}"
        return tuple(marks)

    def same(self, wanted, found):
        return wanted == found


class Issuers(Document):
    KIND = "issuer"

    def path(self, name):
        return f"/certificates/issuers/{name}"

    def document(self, name, mark):
        return {"provider": "DigiCert", "credentials": {"account_id": mark, "pwd": mark}, "org_details": {"id": mark, "admin_details": [{"email": f"{mark}@example.com"}]}}

    def marks(self, found):
        return found["credentials"]["account_id"], found["org_details"]["id"], found["org_details"]["admin_details"][0]["email"].split("@")[0]


class Contacts(Document):
    KIND = "contact"

    def __init__(self, *arguments):
        super().__init__(*arguments)
        del self.names[1:]                           # a vault has one list

    def path(self, name):
        return "/certificates/contacts"

    def document(self, name, mark):
        return {"contacts": [{"email": f"{mark}@{host}.example.com", "name": mark} for host in "abcdef"]}

    def marks(self, found):
        assert len(found["contacts"]) == 6, found
        return [contact["email"].split("@")[0] for contact in found["contacts"]] + [contact["name"] for contact in found["contacts"]]


class Vaults(Document):
    """Made, replaced, changed in part, deleted, recovered and purged; a vault that is there answers its own clients."""
    KIND, VAULT = "vault", None

    def path(self, name):
        return f"{self.kills.group}/providers/Microsoft.KeyVault/vaults/{name}?api-version=2022-07-01"

    def deleted(self, name, verb=""):
        return f"{self.kills.site.subscription}/providers/Microsoft.KeyVault/locations/local/deletedVaults/{name}{verb}?api-version=2022-07-01"

    def document(self, name, mark):
        tenant = self.kills.site.admin["tenantId"]
        policies = [{"tenantId": tenant, "objectId": who, "permissions": {"secrets": ["list"]}} for who in (self.kills.admin_id, str(uuid.uuid5(uuid.NAMESPACE_DNS, mark)))]
        return {"location": "local", "tags": {"a": mark, "b": mark}, "properties": {"tenantId": tenant, "sku": {"family": "A", "name": "standard"}, "accessPolicies": policies}}

    def step(self):
        name = self.random.choice(self.names)
        where, mark = self.sure[name]
        if where == "absent":
            self.write(name)
        elif where == "live" and self.random.random() < 0.7:
            self.write(name, self.random.choice(("PUT", "PATCH")))
        elif where == "live":
            self.change(name, ("deleted", mark), "DELETE", self.path(name))
        elif self.random.random() < 0.6:
            self.change(name, ("live", mark), "PUT", self.path(name), {"location": "local", "properties": {**self.document(name, "")["properties"], "createMode": "recover"}})
        else:
            self.change(name, self.ABSENT, "POST", self.deleted(name, "/purge"))

    def look(self, client, name):
        (status, live), (other, deleted) = client("GET", self.path(name)), client("GET", self.deleted(name))
        assert (status, other) in ((200, 404), (404, 200), (404, 404)), (name, live, deleted)
        if status == 200:
            assert Client(self.kills.site, name)("GET", "/secrets")[0] == 200, name
            return "live", self.mark(live)
        return ("deleted", self.mark(deleted)) if other == 200 else self.ABSENT

    def marks(self, found):
        tags = found["properties"].get("tags") or found["tags"]
        for policy in found["properties"].get("accessPolicies", [])[1:]:
            assert policy["objectId"] == str(uuid.uuid5(uuid.NAMESPACE_DNS, tags["a"])), found
        return tags.values()


class Assignments(Document):
    KIND, VAULT, ROLE = "assignment", None, "4633458b-17de-408a-b874-0445c86b69e6"

    def path(self, name, rest=None):
        rest = rest or f"/{uuid.uuid5(uuid.NAMESPACE_DNS, name)}?"
        return f"{self.kills.vault}/secrets/{name}/providers/Microsoft.Authorization/roleAssignments{rest}api-version=2022-04-01"

    def document(self, name, mark):
        role = f"{self.kills.site.subscription}/providers/Microsoft.Authorization/roleDefinitions/{self.ROLE}"
        return {"properties": {"roleDefinitionId": role, "principalId": self.kills.admin_id, "principalType": "ServicePrincipal", "description": mark}}

    def marks(self, found):
        properties = found["properties"]
        assert properties["roleDefinitionId"].endswith(self.ROLE) and properties["principalId"] == self.kills.admin_id, found
        return [properties["description"]]

    def look(self, client, name):
        state = super().look(client, name)
        listed = [one for one in client("GET", self.path(name, "?$filter=atScope()&"))[1]["value"] if one["properties"]["scope"].endswith(name)]
        assert [self.mark(one) for one in listed] == ([state[1]] if state[0] == "live" else []), (state, listed)
        return state


class Definitions(Document):
    KIND, VAULT = "definition", None

    def path(self, name):
        return f"{self.kills.site.subscription}/providers/Microsoft.Authorization/roleDefinitions/{uuid.uuid5(uuid.NAMESPACE_DNS, name)}?api-version=2022-04-01"

    def document(self, name, mark):
        return {"properties": {"roleName": f"role {mark}", "description": mark, "type": "CustomRole", "assignableScopes": [self.kills.site.subscription],
                               "permissions": [{"actions": ["Microsoft.KeyVault/vaults/read"], "notActions": [], "dataActions": [], "notDataActions": []}]}}

    def marks(self, found):
        properties = found["properties"]
        assert properties["permissions"][0]["actions"] == ["Microsoft.KeyVault/vaults/read"] and properties["assignableScopes"] == [self.kills.site.subscription], found
        return properties["roleName"].removeprefix("role "), properties["description"]


class Settings(Document):
    KIND, VAULT = "setting", None

    def path(self, name):
        return f"{self.kills.vault}/providers/Microsoft.Insights/diagnosticSettings/{name}?api-version=2021-05-01-preview"

    def document(self, name, mark):
        account = f"{self.kills.site.subscription}/resourceGroups/logs/providers/Microsoft.Storage/storageAccounts/{mark}"
        return {"properties": {"storageAccountId": account, "logs": [{"category": "AuditEvent", "enabled": True}]}}

    def marks(self, found):
        assert found["properties"]["logs"][0]["enabled"] is True, found
        return [found["properties"]["storageAccountId"].rsplit("/", 1)[1]]


class Kills(unittest.TestCase):
    ROUNDS = int(os.environ.get("VAULTYARD_KILLS", "8"))
    KINDS = (Secrets, Keys, Certificates) * 3 + (Vaults, Vaults, Issuers, Contacts, Assignments, Definitions, Settings)

    def setUp(self):
        self.seed = int(os.environ.get("VAULTYARD_SEED", random.SystemRandom().randrange(1 << 32)))
        print(f"  seed {self.seed} (VAULTYARD_SEED repeats it), {self.ROUNDS} kills", flush=True)
        logs = tempfile.TemporaryDirectory(prefix="vaultyard-test-")
        self.addCleanup(logs.cleanup)
        os.chmod(logs.name, 0o777)                   # the service user writes there
        self.site = Site(serve_args=["--audit-logs", logs.name]).start()
        self.addCleanup(self.site.close)
        self.group = self.site.vy("group", "create", "-n", "g", "-l", "local")["id"]
        self.vault = self.site.vy("keyvault", "create", "-n", "kv-kills", "-g", "g", "-l", "local")["id"]
        self.admin_id = self.site.admin_object_id()
        with tempfile.TemporaryDirectory(prefix="vaultyard-test-") as folder:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90", "-subj", "/CN=kills.example",
                            "-keyout", f"{folder}/key", "-out", f"{folder}/cert"], check=True, capture_output=True)
            self.pem = open(f"{folder}/key").read() + open(f"{folder}/cert").read()
        self.wrong = []

    def test_kill_during_any_write_leaves_each_object_whole_old_or_new(self):
        chance = random.Random(self.seed)
        workers = [kind(self, number, random.Random(f"{self.seed}/{number}")) for number, kind in enumerate(self.KINDS)]
        for _ in range(self.ROUNDS):
            self.over = threading.Event()
            self.site.tokens.clear()
            self.site.token(self.site.vault_resource)
            self.site.token()
            done = [worker.steps for worker in workers]
            threads = [threading.Thread(target=worker.run) for worker in workers]
            for thread in threads:
                thread.start()
            wait_for("each has written", lambda: self.wrong or all(worker.steps > before for worker, before in zip(workers, done)))
            time.sleep(chance.uniform(0, 1.2))               # when the kill comes is chance, which is the point
            self.site.kill()
            self.over.set()
            for thread in threads:
                thread.join(60)
            self.assertEqual(self.wrong, [])
            self.site.start()
            self.site.tokens.clear()
            clients = {vault: Client(self.site, vault) for vault in ("kv-kills", None)}
            for worker in workers:
                worker.client = None
                worker.check(clients[worker.VAULT])
        self.site.stop()
        self.site.run([BUILD / "vaultyard", "audit", "verify", "--data-dir", self.site.dir])


if __name__ == "__main__":
    unittest.main()
