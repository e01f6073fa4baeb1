"""Keys by vy and openssl: each checks what the other made; a key is released to whom a real authority attests; the files that keys travel in."""
import base64
import hashlib
import json
import unittest

from attestation import Authority, b64url
from vaultyard import Site

VAULT = "kv-keys"


def b64(data):
    return base64.b64encode(data).decode()


class Keys(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site()
        cls.work = cls.site.base / "keys"
        cls.authority = Authority(cls.work)
        cls.site.serve_args = ["--attestation-ca", str(cls.authority.ca)]
        cls.site.start()
        cls.site.vy("group", "create", "-n", "g", "-l", "local")
        cls.site.vy("keyvault", "create", "-n", VAULT, "-g", "g")

    @classmethod
    def tearDownClass(cls):
        cls.authority.close()
        cls.site.close()

    def openssl(self, *arguments, **named):
        return self.authority.openssl(*arguments, **named)

    def vy(self, *arguments, **named):
        return self.site.vy("keyvault", "key", *arguments, **named)

    def key(self, verb, name, *arguments):
        return self.vy(verb, "--vault-name", VAULT, "-n", name, *map(str, arguments))

    def download(self, name):
        path = self.work / f"{name}.pub"
        self.key("download", name, "-f", path)
        return path

    def test_openssl_checks_what_the_vault_signs(self):
        digests = {"256": hashlib.sha256(b"abc").digest(), "384": hashlib.sha384(b"abc").digest(), "512": hashlib.sha512(b"abc").digest()}
        self.key("create", "rsa", "--size", "3072")
        public = self.download("rsa")
        for bits, digest in digests.items():
            for family, options in (("RS", ["rsa_padding_mode:pkcs1"]), ("PS", ["rsa_padding_mode:pss", "rsa_pss_saltlen:digest"])):
                signed = self.key("sign", "rsa", "-a", family + bits, "--digest", b64(digest))
                (self.work / "digest").write_bytes(digest)
                (self.work / "signature").write_bytes(base64.b64decode(signed["signature"]))
                checks = [part for option in [f"digest:sha{bits}", *options] for part in ("-pkeyopt", option)]
                self.openssl("pkeyutl", "-verify", "-pubin", "-inkey", public, "-in", "digest", "-sigfile", "signature", *checks)
                self.assertTrue(self.key("verify", "rsa", "-a", family + bits, "--digest", b64(digest), "--signature", signed["signature"])["isValid"])
        self.assertFalse(self.key("verify", "rsa", "-a", "RS256", "--digest", b64(bytes(32)), "--signature", signed["signature"])["isValid"])
        for curve, algorithm, digest in (("P-256", "ES256", digests["256"]), ("P-384", "ES384", digests["384"]), ("P-521", "ES512", digests["512"]), ("P-256K", "ES256K", digests["256"])):
            self.key("create", curve, "--kty", "EC", "--curve", curve)
            public = self.download(curve)
            raw = base64.b64decode(self.key("sign", curve, "-a", algorithm, "--digest", b64(digest))["signature"])
            half = len(raw) // 2
            (self.work / "signature.conf").write_text("asn1=SEQUENCE:s\n[s]\nr=INTEGER:0x%s\ns=INTEGER:0x%s\n" % (raw[:half].hex(), raw[half:].hex()))
            self.openssl("asn1parse", "-genconf", "signature.conf", "-noout", "-out", "signature")
            (self.work / "digest").write_bytes(digest)
            self.openssl("pkeyutl", "-verify", "-pubin", "-inkey", public, "-in", "digest", "-sigfile", "signature")

    def test_the_vault_opens_what_openssl_seals(self):
        for size in ("2048", "4096"):
            self.openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", f"rsa_keygen_bits:{size}", "-aes-256-cbc", "-pass", "pass:secret", "-out", f"own-{size}.pem")
            refused = self.vy("import", "--vault-name", VAULT, "-n", f"own-{size}", "--pem-file", str(self.work / f"own-{size}.pem"), code=2)
            self.assertIn("password is needed", refused.stderr)
            refused = self.vy("import", "--vault-name", VAULT, "-n", f"own-{size}", "--pem-file", str(self.work / f"own-{size}.pem"), "--pem-password", "wrong", code=2)
            self.assertIn("does not open", refused.stderr)
            made = self.key("import", f"own-{size}", "--pem-file", self.work / f"own-{size}.pem", "--pem-password", "secret", "--ops", "decrypt", "encrypt")
            self.assertEqual(made["key"]["keyOps"], ["decrypt", "encrypt"])
            self.openssl("pkey", "-in", f"own-{size}.pem", "-passin", "pass:secret", "-pubout", "-out", f"own-{size}.expected")
            self.assertEqual(self.download(f"own-{size}").read_bytes(), (self.work / f"own-{size}.expected").read_bytes())
            (self.work / "plain").write_bytes(b"attack at dawn")
            for algorithm, options in (("RSA1_5", ["rsa_padding_mode:pkcs1"]), ("RSA-OAEP", ["rsa_padding_mode:oaep"]),
                                       ("RSA-OAEP-256", ["rsa_padding_mode:oaep", "rsa_oaep_md:sha256", "rsa_mgf1_md:sha256"])):
                settings = [part for option in options for part in ("-pkeyopt", option)]
                self.openssl("pkeyutl", "-encrypt", "-pubin", "-inkey", f"own-{size}.expected", "-in", "plain", "-out", "sealed", *settings)
                opened = self.key("decrypt", f"own-{size}", "-a", algorithm, "--value", b64((self.work / "sealed").read_bytes()), "--data-type", "plaintext")
                self.assertEqual(opened["result"], "attack at dawn")
                sealed = self.key("encrypt", f"own-{size}", "-a", algorithm, "--value", "back at you", "--data-type", "plaintext")
                (self.work / "sealed").write_bytes(base64.b64decode(sealed["result"]))
                self.assertEqual(self.openssl("pkeyutl", "-decrypt", "-inkey", f"own-{size}.pem", "-passin", "pass:secret", "-in", "sealed", *settings).stdout, b"back at you")

    def test_symmetric_keys_by_the_command_line(self):
        octets = bytes(range(32))
        (self.work / "oct.jwk").write_text(json.dumps({"kty": "oct", "k": b64url(octets), "kid": "not ours"}))
        made = self.key("import", "aes", "--jwk-file", self.work / "oct.jwk")
        self.assertEqual([made["key"]["kty"], made["key"].get("k")], ["oct", None])
        sealed = self.key("encrypt", "aes", "-a", "A256GCM", "--value", "hello", "--data-type", "plaintext", "--aad", "c0ffee")
        self.assertEqual(sealed["aad"], "c0ffee")
        arguments = ["-a", "A256GCM", "--value", sealed["result"], "--iv", sealed["iv"], "--tag", sealed["tag"]]
        self.assertEqual(self.key("decrypt", "aes", *arguments, "--aad", "c0ffee", "--data-type", "plaintext")["result"], "hello")
        refused = self.vy("decrypt", "--vault-name", VAULT, "-n", "aes", *arguments, "--aad", "c0ffef", code=1)
        self.assertIn("does not decrypt", refused.stderr)
        iv = "000102030405060708090a0b0c0d0e0f"
        sealed = self.key("encrypt", "aes", "-a", "A256CBCPAD", "--value", b64(b"sixteen and more bytes"), "--iv", iv)
        self.assertEqual(self.openssl("enc", "-d", "-aes-256-cbc", "-K", octets.hex(), "-iv", iv, input=base64.b64decode(sealed["result"])).stdout, b"sixteen and more bytes")
        refused = self.vy("download", "--vault-name", VAULT, "-n", "aes", "-f", str(self.work / "aes.pub"), code=1)
        self.assertIn("no public half", refused.stderr)
        for wrong, says in ((["--value", "!"], "base64"), (["--value", "AAAA", "--iv", "xyz"], "hexadecimal"), (["--value", "AAAA", "--data-type", "x"], "neither base64 nor plaintext")):
            self.assertIn(says, self.vy("encrypt", "--vault-name", VAULT, "-n", "aes", "-a", "A256CBC", *wrong, code=2).stderr)

    def test_a_key_travels_in_a_sealed_file(self):
        made = self.key("create", "moving", "--kty", "EC")
        blob = self.work / "moving.backup"
        self.key("backup", "moving", "-f", blob)
        self.assertEqual(blob.stat().st_mode & 0o777, 0o600)
        self.assertIn("is there already", self.vy("backup", "--vault-name", VAULT, "-n", "moving", "-f", str(blob), code=1).stderr)
        self.assertIn("already exists", self.vy("restore", "--vault-name", VAULT, "-f", str(blob), code=1).stderr)
        self.key("delete", "moving")
        self.assertIn("deleted but recoverable", self.vy("restore", "--vault-name", VAULT, "-f", str(blob), code=1).stderr)
        self.assertIn("moving", [item["name"] for item in self.vy("list-deleted", "--vault-name", VAULT)])
        self.key("purge", "moving")
        data = bytearray(blob.read_bytes())
        for place in (0, len(data) // 2, len(data) - 1):
            changed = bytearray(data)
            changed[place] ^= 1
            (self.work / "changed").write_bytes(changed)
            self.assertIn("damaged", self.vy("restore", "--vault-name", VAULT, "-f", str(self.work / "changed"), code=1).stderr)
        self.assertEqual(self.vy("restore", "--vault-name", VAULT, "-f", str(blob))["key"]["kid"], made["key"]["kid"])

    def test_random_bytes_and_the_template(self):
        self.assertEqual(len(base64.b64decode(self.vy("random", "--vault-name", VAULT, "--count", "33")["value"])), 33)
        self.assertIn("1 to 128", self.vy("random", "--vault-name", VAULT, "--count", "129", code=2).stderr)
        self.assertEqual(self.vy("get-policy-template")["version"], "1.0.0")

    def test_a_key_is_released_to_whom_the_authority_attests(self):
        (self.work / "policy.json").write_text(json.dumps(self.authority.policy()))
        made = self.key("create", "released", "--kty", "EC", "--exportable", "true", "--policy", self.work / "policy.json", "--immutable", "true")
        self.assertTrue(made["attributes"]["exportable"] and made["releasePolicy"]["immutable"])
        token = self.site.token(self.site.vault_resource)

        def release(target):
            return self.site.call("POST", self.site.vault_url(VAULT, "/keys/released//release?api-version=7.4"), {"target": target}, token)

        attest = self.authority.token
        answer = release(attest())
        self.assertEqual(answer.status, 200, answer)
        (self.work / "released.der").write_bytes(self.authority.opened(answer.json["value"]))
        self.openssl("pkey", "-inform", "DER", "-in", "released.der", "-pubout", "-out", "released.expected")
        self.assertEqual((self.work / "released.expected").read_bytes(), self.download("released").read_bytes())
        newest = self.site.call("POST", self.site.vault_url(VAULT, "/keys/released/release?api-version=2025-07-01"), {"target": attest()}, token)
        self.assertEqual(newest.status, 200, newest)
        for refused in (attest(signer="stranger"), attest(**{"x-ms-tee": {"type": "other"}}), attest(iss="https://localhost:1"), attest(exp=1)):
            self.assertEqual(release(refused).status, 403)


if __name__ == "__main__":
    unittest.main()
