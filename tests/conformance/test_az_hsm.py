"""Premium vaults by the unmodified az: keys in the hardware module, made, used, and brought there as PEM and as a transfer blob."""
import subprocess
import unittest

from az import Az as AzCli
from softhsm import SoftHsm
from vaultyard import Site


def openssl(*arguments, input=None):
    return subprocess.run(["openssl", *[str(part) for part in arguments]], input=input, capture_output=True, check=True).stdout


class AzHsm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.hsm = SoftHsm()
        cls.site = Site(serve_args=cls.hsm.serve_args()).start()
        cls.az = AzCli(cls.site)
        cls.az.login()
        cls.az("group", "create", "-n", "g", "-l", "local")
        cls.az("keyvault", "create", "-n", "hsmvault", "-g", "g", "-l", "local", "--sku", "premium", "--enable-rbac-authorization", "false")

    @classmethod
    def tearDownClass(cls):
        cls.site.close()
        cls.hsm.close()

    def key(self, command, name, *more, code=0):
        return self.az("keyvault", "key", command, "--vault-name", "hsmvault", "-n", name, *more, code=code)

    def test_keys_are_made_and_used(self):
        self.assertEqual(self.key("create", "k", "--kty", "RSA-HSM", "--size", "2048")["key"]["kty"], "RSA-HSM")
        self.assertEqual(self.key("create", "e", "--protection", "hsm", "--kty", "EC", "--curve", "P-256")["key"]["kty"], "EC-HSM")
        self.assertEqual(self.key("create", "sym", "--kty", "oct-HSM", "--size", "256", "--ops", "encrypt", "decrypt")["key"]["kty"], "oct-HSM")
        sealed = self.key("encrypt", "sym", "-a", "A256GCM", "--value", "c2VjcmV0", "--data-type", "base64", "--aad", "0a0b")
        opened = self.key("decrypt", "sym", "-a", "A256GCM", "--value", sealed["result"], "--data-type", "base64", "--aad", "0a0b", "--iv", sealed["iv"], "--tag", sealed["tag"])
        self.assertEqual(opened["result"], "c2VjcmV0")
        wrapped = self.key("encrypt", "k", "-a", "RSA-OAEP-256", "--value", "c2VjcmV0", "--data-type", "base64")["result"]
        self.assertEqual(self.key("decrypt", "k", "-a", "RSA-OAEP-256", "--value", wrapped, "--data-type", "base64")["result"], "c2VjcmV0")

    def test_keys_are_brought_there(self):
        pem = self.site.base / "soft.pem"
        pem.write_bytes(openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"))
        self.assertEqual(self.key("import", "soft", "--pem-file", str(pem), "--protection", "hsm")["key"]["kty"], "RSA-HSM")

        # "Import HSM-protected keys": a key exchange key, its public half downloaded, the blob made where the key is.
        kek = self.key("create", "kek", "--kty", "RSA-HSM", "--size", "4096", "--ops", "import")["key"]
        public, blob = self.site.base / "kek.pem", self.site.base / "transfer.byok"
        self.key("download", "kek", "--file", str(public))
        blob.write_text(self.hsm.transfer(openssl("pkcs8", "-topk8", "-nocrypt", "-outform", "DER", input=pem.read_bytes()), kek["kid"], public))
        sent = self.key("import", "sent", "--byok-file", str(blob))["key"]
        self.assertEqual((sent["kty"], sent["n"]), ("RSA-HSM", self.key("show", "soft")["key"]["n"]))
        ec = openssl("genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256")
        blob.write_text(self.hsm.transfer(openssl("pkcs8", "-topk8", "-nocrypt", "-outform", "DER", input=ec), kek["kid"], public))
        self.assertEqual(self.key("import", "sentec", "--kty", "EC", "--curve", "P-256", "--byok-file", str(blob))["key"]["kty"], "EC-HSM")
        self.assertIn("key_hsm", self.key("import", "other", "--byok-file", str(blob), code=1))      # an EC key is no RSA key
