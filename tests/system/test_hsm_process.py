"""A token in a process of its own (SoftHSM2 behind p11-kit): its keys are never in the server's memory or files, and it may go away and come back."""
import base64
import os
import subprocess
import unittest

from memory import factors_found, resident
from softhsm import RemoteHsm
from vaultyard import Site, wait_for

NOT_SANITIZED = True        # it reads all of the server's memory, of which a sanitizer maps terabytes

API = "?api-version=7.4"
DIGEST = base64.urlsafe_b64encode(bytes(range(32))).rstrip(b"=").decode()


def number(text):
    return int.from_bytes(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)), "big")


class HsmProcess(unittest.TestCase):
    def setUp(self):
        self.assertEqual(os.geteuid(), 0, "reading a server's memory needs root")
        self.hsm = RemoteHsm()
        self.addCleanup(self.hsm.close)
        self.site = Site(serve_args=self.hsm.serve_args())
        self.addCleanup(self.site.close)
        self.site.start()
        self.site.vy("group", "create", "-n", "g", "-l", "local")
        self.site.vy("keyvault", "create", "-n", "prem", "-g", "g", "-l", "local", "--sku", "premium")

    def ask(self, method, path, body=None):
        return self.site.call(method, self.site.vault_url("prem", path + API), body, self.site.token(self.site.vault_resource))

    def call(self, method, path, body=None, status=200):
        answer = self.ask(method, path, body)
        self.assertEqual(answer.status, status, answer)
        return answer.json if answer.body else None

    def use(self, name):
        """Signs, and unwraps what was wrapped, by every way that the token and the server have."""
        for alg in ("RS256", "PS256"):
            signature = self.call("POST", f"/keys/{name}//sign", {"alg": alg, "value": DIGEST})["value"]
            self.assertTrue(self.call("POST", f"/keys/{name}//verify", {"alg": alg, "digest": DIGEST, "value": signature})["value"])
        for alg in ("RSA-OAEP", "RSA-OAEP-256", "RSA1_5"):
            wrapped = self.call("POST", f"/keys/{name}//wrapkey", {"alg": alg, "value": DIGEST})["value"]
            self.assertEqual(self.call("POST", f"/keys/{name}//unwrapkey", {"alg": alg, "value": wrapped})["value"], DIGEST)

    def certificate(self, name, kty):
        policy = {"issuer": {"name": "Self"}, "key_props": {"kty": kty, "key_size": 2048}, "x509_props": {"subject": f"CN={name}"}}
        self.call("POST", f"/certificates/{name}/create", {"policy": policy}, status=202)
        wait_for("the certificate", lambda: self.call("GET", f"/certificates/{name}/pending")["status"] == "completed")

    def test_no_key_of_the_token_is_in_the_servers_memory_or_files(self):
        """Whoever has a number that shares a factor with the modulus has the key. So all of the server's writable memory is searched for one, while it
        uses the keys of the token, and that the search finds what is there is shown by a key in software beside them."""
        moduli = {}
        for name, kty in (("there", "RSA-HSM"), ("here", "RSA")):
            moduli[name] = number(self.call("POST", f"/keys/{name}/create", {"kty": kty, "key_size": 2048})["key"]["n"])
        self.certificate("certified", "RSA-HSM")
        moduli["certified"] = number(self.call("GET", "/keys/certified")["key"]["n"])
        for name in ("there", "here"):
            self.use(name)
        self.call("POST", "/keys/certified//sign", {"alg": "RS256", "value": DIGEST})
        self.assertEqual(len(self.hsm.list("privkey")), 2)
        memory = [data for _, data in resident(self.site.server.pid)]
        found = dict(zip(moduli, factors_found(memory, list(moduli.values()))))
        self.assertEqual(found, {"there": False, "here": True, "certified": False})

        self.site.stop()
        files = [path.read_bytes() for path in sorted(self.site.dir.rglob("*")) if path.is_file()]
        self.assertGreater(sum(len(data) for data in files), 100_000)
        found = dict(zip(moduli, factors_found([*files, self.site.log_tail(1 << 20).encode()], list(moduli.values()))))
        self.assertEqual(found, {"there": False, "here": False, "certified": False})
        # And the same search finds a key that is in a file.
        key = subprocess.run(["openssl", "genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-outform", "DER"], check=True, capture_output=True).stdout
        text = subprocess.run(["openssl", "rsa", "-inform", "DER", "-noout", "-modulus"], input=key, check=True, capture_output=True).stdout.decode()
        self.assertEqual(factors_found([b"\0" * 5001 + key], [int(text.strip().split("=")[1], 16)]), [True])

    def test_a_token_that_goes_away_and_comes_back_needs_no_restart(self):
        self.call("POST", "/keys/r/create", {"kty": "RSA-HSM"})
        self.call("POST", "/keys/e/create", {"kty": "EC-HSM"})
        self.call("POST", "/keys/gone/create", {"kty": "EC-HSM"})
        self.call("POST", "/keys/soft/create", {"kty": "EC"})
        self.use("r")
        wrapped = self.call("POST", "/keys/r//wrapkey", {"alg": "RSA-OAEP", "value": DIGEST})["value"]
        for _ in range(2):
            self.hsm.unplug()
            for path, body in (("/keys/r//sign", {"alg": "RS256", "value": DIGEST}), ("/keys/e//sign", {"alg": "ES256", "value": DIGEST}),
                               ("/keys/r//unwrapkey", {"alg": "RSA-OAEP", "value": wrapped}), ("/keys/new/create", {"kty": "EC-HSM"}), ("/keys/r/rotate", None)):
                answer = self.ask("POST", path, body)
                self.assertEqual((answer.status, answer.json["error"]["code"]), (503, "ServiceUnavailable"), (path, answer))
                self.assertRegex(answer.json["error"]["message"], "token|PKCS#11")
            # What does not need the token goes on: public halves, other keys, secrets, and that a key is deleted.
            self.call("POST", "/keys/r//wrapkey", {"alg": "RSA-OAEP", "value": DIGEST})
            self.call("GET", "/keys/e")
            self.call("GET", "/keys/new", status=404)
            self.call("POST", "/keys/soft//sign", {"alg": "ES256", "value": DIGEST})
            self.call("PUT", "/secrets/s", {"value": "v"})
            self.assertIn("hsm.unreachable", self.site.log_tail(1 << 16))
            self.hsm.plug()
            wait_for("the token's return", lambda: self.ask("POST", "/keys/e//sign", {"alg": "ES256", "value": DIGEST}).status == 200)
            self.use("r")
            self.assertEqual(self.call("POST", "/keys/r//unwrapkey", {"alg": "RSA-OAEP", "value": wrapped})["value"], DIGEST)
            self.call("POST", "/keys/back/create", {"kty": "EC-HSM"})
            self.call("POST", "/keys/back//sign", {"alg": "ES256", "value": DIGEST})
        # Purged while the token is away: destroyed in it when it is back.
        self.hsm.unplug()
        for name in ("gone", "back"):
            self.call("DELETE", f"/keys/{name}")
            self.call("DELETE", f"/deletedkeys/{name}", status=204)
        self.hsm.plug()
        wait_for("the end of what was purged", lambda: len(self.hsm.list("privkey")) == 2, timeout=180)
        self.use("r")

    def test_what_the_token_cannot_do_is_refused_by_name(self):
        """AES block by block is enough to wrap; what else p11-kit does not pass is no mechanism of the token, and is refused as such."""
        self.call("POST", "/keys/sym/create", {"kty": "oct-HSM", "key_size": 256, "key_ops": ["encrypt", "decrypt", "wrapKey", "unwrapKey", "sign", "verify"]})
        wrapped = self.call("POST", "/keys/sym//wrapkey", {"alg": "A256KW", "value": DIGEST})["value"]
        self.assertEqual(self.call("POST", "/keys/sym//unwrapkey", {"alg": "A256KW", "value": wrapped})["value"], DIGEST)
        passed = self.hsm.mechanisms()
        self.assertIn("AES-ECB", passed)
        wraps = bool(passed & {"AES-KEY-WRAP-PAD", "mechtype-0x210A"})
        for path, alg, does in (("encrypt", "A256GCM", "AES-GCM" in passed), ("encrypt", "A256CBCPAD", "AES-CBC-PAD" in passed), ("sign", "HS256", wraps and "SHA256-HMAC" in passed)):
            answer = self.call("POST", f"/keys/sym//{path}", {"alg": alg, "value": DIGEST}, status=200 if does else 400)
            if not does:
                self.assertIn(f"does not do {alg}", answer["error"]["message"])
        answer = self.call("POST", "/keys/sym/backup", status=200 if wraps else 403)
        if not wraps:
            self.assertIn("lets no key out", answer["error"]["message"])
