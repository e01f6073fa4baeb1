"""The unmodified npm clients against a real server: @azure/identity, keyvault-secrets, keyvault-certificates, arm-batch, batch."""
import json
import os
import subprocess
import unittest

import npm
from accountcerts import Certificate
from attestation import Authority
from vaultyard import Site


class Npm(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        npm.install(npm.CLIENTS)
        cls.site = Site()
        cls.authority = Authority(cls.site.base / "attestation")
        cls.site.serve_args = ["--attestation-ca", str(cls.authority.ca)]
        cls.site.start()
        cls.site.vy("group", "create", "-n", "npm", "-l", "local")

    @classmethod
    def tearDownClass(cls):
        cls.authority.close()
        cls.site.close()

    def node(self, program, **more):
        admin = self.site.admin
        environment = dict(os.environ, NODE_EXTRA_CA_CERTS=str(self.site.dir / "ca.pem"), AUTHORITY_HOST=admin["authorityHost"], TENANT_ID=admin["tenantId"],
                           CLIENT_ID=admin["clientId"], CLIENT_SECRET=admin["clientSecret"], RESOURCE_MANAGER=admin["resourceManager"],
                           SUBSCRIPTION_ID=admin["subscriptionId"], **more)
        done = subprocess.run(["node", program], cwd=npm.CLIENTS, env=environment, capture_output=True, text=True, timeout=170)
        self.assertEqual(done.returncode, 0, done.stderr + self.site.log_tail())
        return json.loads(done.stdout.splitlines()[-1])

    def test_secrets_and_certificates(self):
        self.site.vy("keyvault", "create", "-n", "kv-npm", "-g", "npm", "-l", "local")
        url = self.site.vault_url("kv-npm")
        seen = self.node("vault.mjs", VAULT_URL=url)
        self.assertEqual(seen["set"]["name"], "npm-secret")
        self.assertEqual((seen["latest"], seen["first"], seen["versions"]), ("value two", "value one", 2))
        self.assertEqual(seen["updated"], {"enabled": False, "tags": {"now": "disabled"}})
        self.assertIn("npm-secret", seen["names"])
        self.assertEqual(seen["missing"], {"statusCode": 404, "code": "SecretNotFound"})
        self.assertEqual(seen["deleted"], {"recoveryId": f"{url}/deletedsecrets/npm-secret", "scheduled": True})
        self.assertEqual(seen["reused"], {"statusCode": 409, "code": "Conflict"})
        self.assertEqual((seen["certificate"]["name"], seen["certificate"]["subject"], seen["certificate"]["cer"]), ("npm-cert", "CN=npm.example", True))
        self.assertTrue(seen["certificate"]["secretId"].startswith(f"{url}/secrets/npm-cert/"))
        self.assertEqual(seen["certificateSecret"], "application/x-pkcs12")
        self.assertEqual(seen["policy"], [{"action": "AutoRenew", "daysBeforeExpiry": 30}])
        self.assertEqual((seen["certificateVersions"], seen["certificateDeleted"]), (1, "npm-cert"))
        self.assertEqual(seen["fromEnvironment"], "x")
        self.assertTrue(seen["wrongSecret"])

    def test_keys(self):
        self.site.vy("keyvault", "create", "-n", "kv-npm-keys", "-g", "npm", "-l", "local")
        seen = self.node("keys.mjs", VAULT_URL=self.site.vault_url("kv-npm-keys"))
        self.assertEqual(seen["made"], {"name": "npm-rsa", "type": "RSA", "operations": 6, "tags": {"made": "by npm"}})
        self.assertEqual(seen["ec"], {"curve": "P-521", "operations": ["sign", "verify"]})
        self.assertEqual((seen["signed"], seen["unwrapped"]), (True, "0123456789abcdef"))
        self.assertEqual(seen["imported"], {"type": "RSA", "same": True, "hasPrivate": False})
        self.assertEqual(seen["broken"], {"statusCode": 400, "code": "BadParameter"})
        self.assertEqual(seen["rotated"], {"curve": "P-521", "isNew": True})
        self.assertEqual(seen["policy"], {"actions": [{"action": "Rotate", "timeAfterCreate": "P30D"}, {"action": "Notify", "timeBeforeExpiry": "P30D"}],
                                          "expiresIn": "P90D", "dated": True})
        self.assertEqual((seen["policyRead"], seen["policyUsual"]), ("P90D", [{"action": "Notify", "timeBeforeExpiry": "P30D"}]))
        self.assertEqual(seen["policyRefused"], {"statusCode": 400, "code": "BadParameter"})
        self.assertEqual((seen["deleted"], seen["recovered"]), ("npm-rsa", "npm-rsa"))

    def test_every_method_of_the_clients_of_vaults(self):
        self.site.vy("keyvault", "create", "-n", "kv-npm-all", "-g", "npm", "-l", "local")
        certificate = Certificate(self.site.base, "npm-stranger")
        both = self.site.base / "stranger.pem"
        both.write_text(certificate.key.read_text() + certificate.pem.read_text())
        seen = self.node("methods.mjs", VAULT_URL=self.site.vault_url("kv-npm-all"), POLICY=json.dumps(self.authority.policy()), ATTESTATION=self.authority.token(),
                         PARTY_KEY=str(self.authority.work / "party.key"), STRANGER_PEM=str(both))
        self.assertEqual(seen, {
            "secretVersions": 2, "secretTaken": [409, "Conflict"], "secretsDeleted": ["all-secret"], "secretPurged": [404, "SecretNotFound"], "secretTampered": [400, "BadParameter"],
            "keyVersions": 2, "random": [1, 128], "randomRefused": [400, "BadParameter"], "keyTaken": [409, "Conflict"], "keysDeleted": ["all-key"], "keyPurged": [404, "KeyNotFound"],
            "keyTampered": [400, "BadParameter"], "releaseRefused": [[403, "Forbidden"], [403, "Forbidden"], [400, "BadParameter"]], "noPolicy": [400, "BadParameter"],
            "crossed": sorted(["RSA1_5", "RSA-OAEP", "RSA-OAEP-256", "ES256", "ES384", "ES512", "ES256K"] + [family + bits for family in ("RS", "PS", "HS") for bits in ("256", "384", "512")]
                              + [f"A{bits}{mode}" for bits in (128, 192, 256) for mode in ("KW", "CBC", "CBCPAD", "GCM")]),
            "reserved": [400, "BadParameter"], "keys": 15, "certificateVersions": 2, "mergeRefused": [400, "BadParameter"], "noContacts": [404, "ContactsNotFound"],
            "issuers": [["all-issuer", "DigiCert"]], "noIssuer": [404, "CertificateIssuerNotFound"], "certificatesDeleted": ["all-cert"], "certificatePurged": [404, "CertificateNotFound"],
            "certificates": ["all-cert", "all-import", "all-merge"], "withPending": ["all-cert", "all-csr", "all-import", "all-merge"],
            "uncalled": []})

    def test_batch_accounts_and_pools(self):
        identity = self.site.vy("identity", "create", "-g", "npm", "-n", "npm-id")
        seen = self.node("batch.mjs", IDENTITY_ID=identity["id"])
        self.assertEqual((seen["account"]["name"], seen["account"]["state"]), ("npmbatch", "Succeeded"))
        self.assertEqual(seen["account"]["endpoint"], f"npmbatch.local.batch.vaultyard.localhost:{self.site.port}")
        self.assertEqual(seen["keys"], [88, 88])
        self.assertEqual(seen["pool"], {"name": "npm-pool", "vmSize": "STANDARD_A1_V2", "identity": "UserAssigned", "principal": identity["principalId"]})
        self.assertEqual((seen["pools"], seen["dataPools"], seen["nodes"]), (["npm-pool"], [{"id": "npm-pool", "state": "active"}], 0))
        self.assertEqual(seen["missing"]["statusCode"], 404)
        self.assertEqual(seen["dataMissing"], {"statusCode": 404, "code": "PoolNotFound"})
        self.assertEqual(seen["accounts"], [])

    def test_account_certificates_and_signing_in_with_one(self):
        certificate, public = Certificate(self.site.base, "npm-cert"), Certificate(self.site.base, "npm-public")
        both = self.site.base / "both.pem"
        both.write_text(certificate.key.read_text() + certificate.pem.read_text())
        vy = self.site.vy
        vy("group", "create", "-n", "npm-certs", "-l", "local")
        vy("batch", "account", "create", "-n", "npmcerts", "-g", "npm-certs", "-l", "local")
        vy("keyvault", "create", "-n", "kv-npm-certs", "-g", "npm-certs", "-l", "local")
        vy("keyvault", "secret", "set", "--vault-name", "kv-npm-certs", "-n", "batchAdminPass", "--value", "secret of the task")
        app = vy("ad", "app", "create", "--display-name", "npm certificate", "--cert", str(certificate.cer))
        vy("ad", "sp", "create", "--id", app["appId"])
        vy("keyvault", "set-policy", "-n", "kv-npm-certs", "--spn", app["appId"], "--secret-permissions", "get")
        endpoint = vy("batch", "account", "show", "-n", "npmcerts", "-g", "npm-certs")["accountEndpoint"]
        seen = self.node("certificates.mjs", BATCH_URL=f"https://{endpoint}", VAULT_URL=self.site.vault_url("kv-npm-certs"), APP_ID=app["appId"], PEM_FILE=str(both),
                         PFX_FILE=str(certificate.pfx), CER_FILE=str(public.cer), THUMBPRINT=certificate.thumbprint, CER_THUMBPRINT=public.thumbprint)
        self.assertEqual((seen["wrong"]["statusCode"], seen["again"]), (400, {"statusCode": 409, "code": "CertificateExists"}))
        self.assertEqual(seen["got"], {"thumbprint": certificate.thumbprint, "state": "active", "publicData": "string"})
        self.assertEqual((seen["listed"], seen["notFailed"]["code"]), ([certificate.thumbprint], "CertificateStateActive"))
        self.assertEqual((seen["made"], sorted(seen["byManagement"])), ({"format": "Cer", "state": "Succeeded"}, sorted([certificate.thumbprint, public.thumbprint])))
        self.assertEqual((seen["secret"], seen["stranger"]), ("secret of the task", True))


if __name__ == "__main__":
    unittest.main()
