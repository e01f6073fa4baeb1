"""The certificate agent signed in as an application, with a secret and with a certificate, at the real login plane."""
import base64
import hashlib
import json
import subprocess
import unittest

from vaultyard import BUILD, Site

POLICY = {"issuerParameters": {"name": "Self"}, "x509CertificateProperties": {"subject": "CN=signin.example", "validityInMonths": 12},
          "keyProperties": {"keyType": "EC", "curve": "P-256", "exportable": True}, "secretProperties": {"contentType": "application/x-pem-file"}}


class SignIn(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site().start()
        cls.vy = cls.site.vy
        cls.vy("group", "create", "-n", "g", "-l", "local")
        cls.vy("keyvault", "create", "-n", "kv-signin", "-g", "g", "-l", "local")
        cls.vy("keyvault", "certificate", "create", "--vault-name", "kv-signin", "-n", "web", "--policy", json.dumps(POLICY))
        cls.principal = cls.site.principal("robot")
        cls.vy("keyvault", "set-policy", "-n", "kv-signin", "--object-id", cls.principal["id"], "--secret-permissions", "get")

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def once(self, name, sign_in):
        """One round of an agent that signs in so; (exit code, the status' message, whether the certificate is there)."""
        place = self.site.base / name
        place.mkdir()
        how = dict({"tenantId": self.site.admin["tenantId"], "clientId": self.principal["appId"], "authorityHost": self.site.admin["authorityHost"]}, **sign_in)
        (place / "settings.json").write_text(json.dumps({
            "secretsManagementSettings": {"certificateStoreLocation": str(place / "store"), "observedCertificates": [self.site.vault_url("kv-signin", "/secrets/web")]},
            "vaultyard": {"caFile": str(self.site.dir / "ca.pem"), "signIn": how}}))
        done = subprocess.run([str(BUILD / "vaultyard-certs"), "--settings", str(place / "settings.json"), "--status", str(place / "1.status"), "--once"],
                              capture_output=True, text=True, timeout=60)
        message = json.loads((place / "1.status").read_text())[0]["status"]["formattedMessage"]["message"]
        return done.returncode, message, (place / "store" / "kv-signin.web").exists()

    def test_with_a_secret_file(self):
        (self.site.base / "secret").write_text(self.principal["password"] + "\n")
        self.assertEqual(self.once("secret-good", {"clientSecretFile": str(self.site.base / "secret")})[0::2], (0, True))
        (self.site.base / "wrong").write_text("wrong")
        code, message, there = self.once("secret-wrong", {"clientSecretFile": str(self.site.base / "wrong")})
        self.assertEqual((code, there), (1, False))
        for part in (self.principal["appId"], str(self.site.base / "wrong"), "credential reset", "401"):
            self.assertIn(part, message)

    def test_with_a_certificate(self):
        pem = self.site.base / "client.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", str(pem) + ".key", "-out", str(pem) + ".crt", "-days", "30", "-subj", "/CN=robot"],
                       check=True, capture_output=True)
        certificate = (pem.parent / "client.pem.crt").read_text()
        pem.write_text((pem.parent / "client.pem.key").read_text() + certificate)
        code, message, there = self.once("cert-unknown", {"clientCertificateFile": str(pem)})
        self.assertEqual((code, there), (1, False))
        self.assertIn("not registered", message)
        der = base64.b64decode("".join(certificate.splitlines()[1:-1]))
        graph = f"https://graph.{self.site.admin['authorityHost'].split('://login.')[1]}/v1.0/applications(appId='{self.principal['appId']}')"
        token = self.site.token(self.site.admin.get("graph", graph.split("/v1.0")[0]))
        there = self.site.call("GET", graph, token=token).json
        change = self.site.call("PATCH", graph.split("(")[0] + "/" + there["id"], {"keyCredentials": [{
            "type": "AsymmetricX509Cert", "usage": "Verify", "key": base64.b64encode(der).decode(),
            "customKeyIdentifier": hashlib.sha1(der).hexdigest().upper()}]}, token=token)
        self.assertEqual(change.status, 204, change)
        code, message, there = self.once("cert-good", {"clientCertificateFile": str(pem)})
        self.assertEqual((code, there), (0, True), message)


if __name__ == "__main__":
    unittest.main()
