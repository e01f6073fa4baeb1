"""Objects are whole: 64 clients on one name, and kill -9 in the middle of every kind of write (the seed of the kills is printed)."""
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
    """One connection that is kept."""

    def __init__(self, site, vault):
        parts = urllib.parse.urlsplit(site.vault_url(vault))
        self.connection = http.client.HTTPSConnection(parts.hostname, parts.port or 443, context=site.context(), timeout=60)
        self.token = site.token(site.vault_resource)

    def __call__(self, method, path, body=None):
        self.connection.request(method, f"{path}{'&' if '?' in path else '?'}{API}", json.dumps(body) if body is not None else None,
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
    ABSENT = ("absent", ())

    def __init__(self, kills, number, random):
        self.kills, self.random, self.number = kills, random, number
        self.names = [f"{self.KIND}-{number}-{index}" for index in range(3)]
        self.sure = {name: self.ABSENT for name in self.names}
        self.maybe, self.blobs, self.count, self.client = {}, {}, 0, None

    def ask(self, method, path, body=None, status=200):
        try:
            if not self.client:
                self.client = Client(self.kills.site, "kv-kills")
            found, answer = self.client(method, path, body)
        except (OSError, http.client.HTTPException) as error:
            self.client = None
            raise Gone from error
        if found == 503:                             # it stops; what was asked was not begun
            raise Gone
        if found != status:
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


class Kills(unittest.TestCase):
    ROUNDS = int(os.environ.get("VAULTYARD_KILLS", "8"))

    def setUp(self):
        self.seed = int(os.environ.get("VAULTYARD_SEED", random.SystemRandom().randrange(1 << 32)))
        print(f"  seed {self.seed} (VAULTYARD_SEED repeats it), {self.ROUNDS} kills", flush=True)
        self.site = Site().start()
        self.addCleanup(self.site.close)
        self.site.vy("group", "create", "-n", "g", "-l", "local")
        self.site.vy("keyvault", "create", "-n", "kv-kills", "-g", "g", "-l", "local")
        with tempfile.TemporaryDirectory(prefix="vaultyard-test-") as folder:
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "90", "-subj", "/CN=kills.example",
                            "-keyout", f"{folder}/key", "-out", f"{folder}/cert"], check=True, capture_output=True)
            self.pem = open(f"{folder}/key").read() + open(f"{folder}/cert").read()
        self.wrong = []

    def test_kill_during_any_write_leaves_each_object_whole_old_or_new(self):
        chance = random.Random(self.seed)
        workers = [kind(self, number, random.Random(f"{self.seed}/{number}")) for number, kind in enumerate((Secrets, Keys, Certificates) * 3)]
        for _ in range(self.ROUNDS):
            self.over = threading.Event()
            self.site.tokens.clear()
            self.site.token(self.site.vault_resource)
            threads = [threading.Thread(target=worker.run) for worker in workers]
            for thread in threads:
                thread.start()
            time.sleep(chance.uniform(0.05, 1.2))            # when the kill comes is chance, which is the point
            self.site.kill()
            self.over.set()
            for thread in threads:
                thread.join(60)
            self.assertEqual(self.wrong, [])
            self.site.start()
            self.site.tokens.clear()
            client = Client(self.site, "kv-kills")
            for worker in workers:
                worker.client = None
                worker.check(client)
        self.assertGreater(sum(worker.count for worker in workers), self.ROUNDS)
        self.site.stop()
        self.site.run([BUILD / "vaultyard", "audit", "verify", "--data-dir", self.site.dir])


if __name__ == "__main__":
    unittest.main()
