"""Keys of premium vaults in a PKCS#11 token, on a real server that runs as the service user: openssl checks what the token made."""
import base64
import subprocess
import threading
import unittest

from softhsm import MODULE, PIN, SoftHsm
from vaultyard import BUILD, Site, wait_for

API = "?api-version=7.4"


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def unb64(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


def openssl(*arguments, input=None):
    return subprocess.run(["openssl", *[str(part) for part in arguments]], input=input, capture_output=True, check=True).stdout


class Hsm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hsm = SoftHsm()
        cls.site = Site(serve_args=cls.hsm.serve_args()).start()
        cls.site.vy("group", "create", "-n", "g", "-l", "local")
        cls.site.vy("keyvault", "create", "-n", "prem", "-g", "g", "-l", "local", "--sku", "premium")
        cls.site.vy("keyvault", "create", "-n", "stan", "-g", "g", "-l", "local")

    @classmethod
    def tearDownClass(cls):
        cls.site.close()
        cls.hsm.close()

    def call(self, method, path, body=None, status=200, vault="prem"):
        answer = self.site.call(method, self.site.vault_url(vault, path + API), body, self.site.token(self.site.vault_resource))
        self.assertEqual(answer.status, status, answer)
        return answer.json if answer.body else None

    def purge(self, *names):
        for name in names:
            self.call("DELETE", f"/keys/{name}")
            self.call("DELETE", f"/deletedkeys/{name}", status=204)

    def in_token(self, count):
        wait_for(f"{count} keys in the token", lambda: len(self.hsm.list("privkey")) == count)

    def pem(self, jwk, name):
        """The public key of a bundle, for openssl, by way of DER made here."""
        def number(data):
            data = data.lstrip(b"\0")
            data = b"\0" + data if data[0] & 0x80 else data
            return der(0x02, data)

        def der(tag, data):
            size = len(data)
            head = bytes([size]) if size < 128 else bytes([0x81, size]) if size < 256 else bytes([0x82, size >> 8, size & 255])
            return bytes([tag]) + head + data
        rsa = der(0x30, number(unb64(jwk["n"])) + number(unb64(jwk["e"])))
        spki = der(0x30, bytes.fromhex("300d06092a864886f70d0101010500") + der(0x03, b"\0" + rsa))
        path = self.site.base / name
        path.write_text("-----BEGIN PUBLIC KEY-----\n" + base64.encodebytes(spki).decode() + "-----END PUBLIC KEY-----\n")
        return path

    def test_resource_manager_makes_keys_in_the_token(self):
        group = f"{self.site.subscription}/resourceGroups/g/providers/Microsoft.KeyVault/vaults"
        made = self.site.arm("PUT", f"{group}/prem/keys/by-template", {"properties": {"kty": "RSA-HSM", "keyOps": ["sign", "verify"]}}, api="2023-07-01")
        self.assertEqual((made.status, made.json["properties"]["kty"], made.json["properties"]["keySize"]), (200, "RSA-HSM", 2048), made)
        signature = self.call("POST", "/keys/by-template//sign", {"alg": "RS256", "value": "A" * 43})["value"]
        self.assertTrue(self.call("POST", "/keys/by-template//verify", {"alg": "RS256", "digest": "A" * 43, "value": signature})["value"])
        again = self.site.arm("PUT", f"{group}/prem/keys/by-template", {"properties": {"kty": "EC-HSM"}}, api="2023-07-01")
        self.assertEqual(again.json, made.json)
        refused = self.site.arm("PUT", f"{group}/stan/keys/by-template", {"properties": {"kty": "RSA-HSM"}}, api="2023-07-01")
        self.assertEqual(refused.status, 400, refused)
        exportable = {"kty": "EC-HSM", "attributes": {"exportable": True}, "release_policy": {"data": "e30"}}
        self.assertEqual(self.call("POST", "/keys/leaving/create", exportable, status=400)["error"]["code"], "BadParameter")
        self.purge("by-template")

    def test_openssl_agrees_with_the_token(self):
        jwk = self.call("POST", "/keys/k/create", {"kty": "RSA-HSM"})["key"]
        self.assertEqual(jwk["kty"], "RSA-HSM")
        public, digest = self.pem(jwk, "k.pem"), self.site.base / "digest"
        digest.write_bytes(bytes(range(32)))
        for alg, options in (("RS256", []), ("PS256", ["-pkeyopt", "rsa_padding_mode:pss", "-pkeyopt", "rsa_pss_saltlen:digest"])):
            signature = self.site.base / "signature"
            signature.write_bytes(unb64(self.call("POST", "/keys/k//sign", {"alg": alg, "value": b64(digest.read_bytes())})["value"]))
            openssl("pkeyutl", "-verify", "-pubin", "-inkey", public, "-in", digest, "-sigfile", signature, "-pkeyopt", "digest:sha256", *options)
        for alg, options in (("RSA-OAEP", ["oaep"]), ("RSA-OAEP-256", ["oaep", "-pkeyopt", "rsa_oaep_md:sha256"]), ("RSA1_5", ["pkcs1"])):
            wrapped = openssl("pkeyutl", "-encrypt", "-pubin", "-inkey", public, "-pkeyopt", f"rsa_padding_mode:{options[0]}", *options[1:], input=b"a content key")
            self.assertEqual(unb64(self.call("POST", "/keys/k//unwrapkey", {"alg": alg, "value": b64(wrapped)})["value"]), b"a content key")
        [seen] = self.hsm.list("privkey")
        self.assertIn("vaultyard prem", seen)
        self.assertIn("sensitive", seen)
        self.assertEqual(self.hsm.list("pubkey"), [])
        self.purge("k")
        self.in_token(0)

    def test_many_at_once_share_the_sessions(self):
        self.call("POST", "/keys/many/create", {"kty": "EC-HSM"})
        bad = []

        def work():
            for _ in range(10):
                try:
                    signature = self.call("POST", "/keys/many//sign", {"alg": "ES256", "value": b64(bytes(32))})["value"]
                    self.assertTrue(self.call("POST", "/keys/many//verify", {"alg": "ES256", "digest": b64(bytes(32)), "value": signature})["value"])
                except Exception as error:                   # noqa: BLE001: reported below
                    bad.append(error)
        threads = [threading.Thread(target=work) for _ in range(24)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(bad, [])
        self.purge("many")
        self.in_token(0)

    def test_many_keys_are_made_and_purged_at_once(self):
        """SoftHSM2 does not bear that its objects come and go in several threads; the server lets them take turns, and every client has its key."""
        kinds, bad = ({"kty": "EC-HSM"}, {"kty": "oct-HSM"}), []
        self.site.token(self.site.vault_resource)

        def work(number):
            try:
                for turn in range(2):
                    self.call("POST", f"/keys/at-once-{number}-{turn}/create", kinds[(number + turn) % 2])
                self.purge(f"at-once-{number}-0")
            except Exception as error:                       # noqa: BLE001: reported below
                bad.append(error)
        threads = [threading.Thread(target=work, args=(number,)) for number in range(16)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.assertEqual(bad, [])
        self.in_token(8)
        self.purge(*(f"at-once-{number}-1" for number in range(16)))
        self.in_token(0)

    def test_kill_at_any_moment_leaves_named_keys_alone(self):
        """Clients make and purge keys while the server is killed; what was answered is there and works, and the token has no other."""
        self.call("POST", "/keys/steady/create", {"kty": "EC-HSM"})
        for _ in range(4):
            stop, made, enough = threading.Event(), [], threading.Event()

            def work(number):
                for turn in range(1000):
                    if stop.is_set():
                        return
                    name = f"w{number}-{turn}"
                    try:
                        if self.site.call("POST", self.site.vault_url("prem", f"/keys/{name}/create" + API), {"kty": "EC-HSM"}, token).status == 200:
                            made.append(name)
                        if turn % 2 and self.site.call("DELETE", self.site.vault_url("prem", f"/keys/{name}" + API), token=token).status == 200:
                            self.site.call("DELETE", self.site.vault_url("prem", f"/deletedkeys/{name}" + API), token=token)
                    except OSError:
                        return                               # killed
                    if len(made) > 12:
                        enough.set()
            token = self.site.token(self.site.vault_resource)
            threads = [threading.Thread(target=work, args=(number,)) for number in range(3)]
            for thread in threads:
                thread.start()
            self.assertTrue(enough.wait(60))
            self.site.kill()
            stop.set()
            for thread in threads:
                thread.join()
            self.site.tokens.clear()
            self.site.start()
            live = [item["kid"].rsplit("/", 1)[1] for item in self.all("/keys")]
            deleted = [item["kid"].rsplit("/", 1)[1] for item in self.all("/deletedkeys")]
            for name in made:                                # answered: there, or purged by us; never half
                if name in live:
                    self.call("POST", f"/keys/{name}//sign", {"alg": "ES256", "value": b64(bytes(32))})
            self.in_token(len(live) + len(deleted))
            for name in live:
                if name != "steady":
                    self.purge(name)
            for name in deleted:
                self.call("DELETE", f"/deletedkeys/{name}", status=204)
            self.in_token(1)
        self.call("POST", "/keys/steady//sign", {"alg": "ES256", "value": b64(bytes(32))})
        self.purge("steady")
        self.in_token(0)

    def all(self, path):
        items, url = [], self.site.vault_url("prem", path + API)
        while url:
            answer = self.site.call("GET", url, token=self.site.token(self.site.vault_resource)).json
            items += answer["value"]
            url = answer.get("nextLink")
        return items

    def test_a_key_wrapped_by_openssl_arrives_and_is_in_no_file_of_the_server(self):
        """No way of the server leads to the key: it came wrapped, was opened in the token, and none of its numbers is in a file of the site."""
        kek = self.call("POST", "/keys/kek/create", {"kty": "RSA-HSM", "key_size": 3072, "key_ops": ["import"]})["key"]
        pk8 = openssl("pkcs8", "-topk8", "-nocrypt", "-outform", "DER", input=openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"))
        blob = self.hsm.transfer(pk8, kek["kid"], self.pem(kek, "kek.pem"))
        bundle = self.call("PUT", "/keys/sent", {"key": {"kty": "RSA-HSM", "key_hsm": b64(blob.encode())}})
        self.assertEqual(bundle["key"]["kty"], "RSA-HSM")
        public, digest, signature = self.pem(bundle["key"], "sent.pem"), self.site.base / "d", self.site.base / "s"
        digest.write_bytes(bytes(32))
        signature.write_bytes(unb64(self.call("POST", "/keys/sent//sign", {"alg": "RS256", "value": b64(bytes(32))})["value"]))
        openssl("pkeyutl", "-verify", "-pubin", "-inkey", public, "-in", digest, "-sigfile", signature, "-pkeyopt", "digest:sha256")
        secret = openssl("pkey", "-inform", "DER", "-noout", "-text", input=pk8).decode()
        prime = bytes.fromhex(secret.split("prime1:")[1].split("prime2:")[0].replace(":", "").replace("\n", "").replace(" ", "")).lstrip(b"\0")
        self.site.kill()
        for path in (self.site.dir / "store").rglob("*"):
            if path.is_file():
                self.assertNotIn(prime, path.read_bytes(), path)
        self.assertNotIn(prime.hex(), self.site.log_tail(1 << 20))
        self.site.tokens.clear()
        self.site.start()
        self.purge("sent", "kek")
        self.in_token(0)

    def test_a_wrong_setting_is_refused_at_start(self):
        """Before anything is opened or served, with what is wrong and no PIN in the message."""
        other = Site()
        try:
            def refused(arguments, code, word):
                done = subprocess.run([str(BUILD / "vaultyard"), "serve", "--data-dir", str(other.dir), "--no-host", "--listen", "127.0.0.1:0", *arguments],
                                      capture_output=True, text=True, timeout=60)
                self.assertEqual(done.returncode, code, done.stderr)
                self.assertIn(word, done.stderr)
                self.assertNotIn(PIN, done.stderr)
            good = self.hsm.serve_args()
            refused(good[:4], 2, "--hsm-pin-file is missing")
            refused(good[2:], 2, "--hsm-module is missing")
            refused(self.hsm.serve_args("/nonexistent.so"), 1, "/nonexistent.so")
            refused(self.hsm.serve_args("libm.so.6"), 1, "is no PKCS#11 module")
            self.hsm.write_pin(PIN, 0o644)
            refused(good, 2, "chmod 600")
            self.hsm.write_pin("")
            refused(good, 2, "first line")
            self.hsm.write_pin("111111")
            refused(good, 1, "refuses the PIN (CKR_PIN_INCORRECT)")
            self.hsm.write_pin(PIN)
        finally:
            self.hsm.write_pin(PIN)
            other.close()

    def test_a_token_that_is_absent_is_waited_for(self):
        other = Site(serve_args=["--hsm-module", MODULE, "--hsm-token", "later", "--hsm-pin-file", str(self.hsm.pin_file)])
        with other as site:
            site.vy("group", "create", "-n", "g", "-l", "local")
            site.vy("keyvault", "create", "-n", "prem", "-g", "g", "-l", "local", "--sku", "premium")
            site.vy("keyvault", "secret", "set", "--vault-name", "prem", "-n", "s", "--value", "v")
            refused = site.vy("keyvault", "key", "create", "--vault-name", "prem", "-n", "k", "--kty", "RSA-HSM", code=1)
            self.assertIn("ServiceUnavailable", refused.stderr)
            self.assertIn("hsm.absent", site.log_tail())
            # Initialised meanwhile, by the service user as an administrator would see to it.
            subprocess.run(["setpriv", "--reuid", "vaultyard", "--clear-groups", "softhsm2-util", "--init-token", "--free", "--label", "later", "--pin", PIN, "--so-pin", PIN],
                           check=True, capture_output=True)
            wait_for("the token", lambda: site.vy("keyvault", "key", "create", "--vault-name", "prem", "-n", "k", "--kty", "RSA-HSM", code=None) is not None and
                     site.run([BUILD / "vy", "keyvault", "key", "show", "--vault-name", "prem", "-n", "k"], code=None, env=site.vy_env()).returncode == 0)

    def test_a_standard_vault_refuses_in_the_services_words(self):
        for method, path, body in (("POST", "/keys/x/create", {"kty": "EC-HSM"}), ("PUT", "/keys/x", {"key": {"kty": "RSA-HSM", "key_hsm": "AAAA"}}),
                                   ("POST", "/certificates/x/create", {"policy": {"issuer": {"name": "Self"}, "key_props": {"kty": "RSA-HSM"}, "x509_props": {"subject": "CN=x"}}})):
            answer = self.call(method, path, body, status=400, vault="stan")
            self.assertEqual(answer["error"]["message"], "Hardware key operation not allowed on standard vault")
        self.assertIn("Hardware key operation", self.site.vy("keyvault", "key", "create", "--vault-name", "stan", "-n", "x", "--kty", "RSA-HSM", code=1).stderr)

    def test_a_backup_brings_the_key_back(self):
        self.call("POST", "/keys/saved/create", {"kty": "EC-HSM"})
        blob = self.call("POST", "/keys/saved/backup")
        self.purge("saved")
        self.in_token(0)
        self.call("POST", "/keys/restore", blob)
        self.call("POST", "/keys/saved//sign", {"alg": "ES256", "value": b64(bytes(32))})
        self.purge("saved")
        self.in_token(0)

    def test_vy_brings_keys_into_the_module(self):
        def key(command, name, *more):
            return self.site.vy("keyvault", "key", command, "--vault-name", "prem", "-n", name, *more)

        kek = key("create", "vykek", "--kty", "RSA-HSM", "--size", "3072", "--ops", "import")["key"]
        public, blob, pem = self.site.base / "vykek.pem", self.site.base / "vy.byok", self.site.base / "vy.pem"
        key("download", "vykek", "--file", public)
        pem.write_bytes(openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"))
        blob.write_text(self.hsm.transfer(openssl("pkcs8", "-topk8", "-nocrypt", "-outform", "DER", input=pem.read_bytes()), kek["kid"], public))
        sent, soft = key("import", "vysent", "--byok-file", blob)["key"], key("import", "vysoft", "--pem-file", pem, "--protection", "hsm")["key"]
        self.assertEqual((sent["kty"], soft["kty"], sent["n"]), ("RSA-HSM", "RSA-HSM", soft["n"]))
        self.assertEqual(key("create", "vyec", "--kty", "EC", "--protection", "hsm")["key"]["kty"], "EC-HSM")
        self.purge("vykek", "vysent", "vysoft", "vyec")
        self.in_token(0)
