"""The unmodified Python clients of Key Vault; every answer they get is held against the table of the published contract."""
import base64
import json
import os
import subprocess
import unittest

from attestation import Authority
from contract import Contract
from pyclients import HOME, PROGRAMS, install
from vaultyard import Answer, Site

# What recorded answers of the real service have beyond its published contract.
RECORDED = ["X509CertificateProperties.basic_constraints", "CertificateItem.subject", "DeletedCertificateItem.subject", "CertificateBundle.pending"]


# What is sent as it is has no operation of its own.
UNCALLED_KEYS = ["CryptographyClient.send_request", "KeyClient.send_request"]


class Python(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        install()
        cls.site = Site()
        cls.authority = Authority(cls.site.base / "attestation")
        cls.site.serve_args = ["--attestation-ca", str(cls.authority.ca)]
        cls.site.start()
        cls.site.vy("group", "create", "-n", "py", "-l", "local")
        cls.contract = Contract("keyvault", "7.5", own_paths=[r"/changes$", r".*/attestation$"], may_be_null=["nextLink"], also=RECORDED)

    @classmethod
    def tearDownClass(cls):
        cls.authority.close()
        cls.site.close()

    def program(self, name, vault):
        admin = self.site.admin
        environment = dict(os.environ, REQUESTS_CA_BUNDLE=str(self.site.dir / "ca.pem"), AUTHORITY_HOST=admin["authorityHost"], TENANT_ID=admin["tenantId"],
                           CLIENT_ID=admin["clientId"], CLIENT_SECRET=admin["clientSecret"], VAULT_URL=self.site.vault_url(vault), POLICY=json.dumps(self.authority.policy()), ATTESTATION=self.authority.token())
        done = subprocess.run([HOME / "bin" / "python", PROGRAMS / name], env=environment, capture_output=True, text=True, timeout=300)
        self.assertEqual(done.returncode, 0, done.stderr + self.site.log_tail())
        result = json.loads(done.stdout)
        wrong = [text for method, path, *answer in result["answers"] for text in self.contract.check(method, path, Answer(*answer))]
        self.assertEqual(sorted(set(wrong)), [])
        return result["seen"]

    def test_secrets(self):
        self.site.vy("keyvault", "create", "-n", "py-secrets", "-g", "py", "-l", "local")
        seen = self.program("secrets_program.py", "py-secrets")
        self.assertEqual(seen, {
            "made": ["py-secret", "one", "text/plain", {"a": "b"}, True, True], "versions": ["one", "two"], "updated": ["text/x", False],
            "disabled": [403, "Forbidden", "SecretDisabled"], "listed": 30, "pages": [20, 11], "missing": [404, "SecretNotFound", None],
            "bad name": [400, "BadParameter", None], "too large": [400, "BadParameter", "SecretTooLarge"], "too many tags": [400, "BadParameter", None],
            "taken": [409, "Conflict", None], "deleted": ["py-secret", True, True], "deleted name": [409, "Conflict", "ObjectIsDeletedButRecoverable"],
            "deleted list": ["py-secret"], "recovered": "py-secret", "got deleted": "py-secret", "purged": [404, "SecretNotFound", None],
            "restored": "py-secret", "restored value": "two", "tampered": [400, "BadParameter", None], "uncalled": ["SecretClient.send_request"]})

    def test_certificates(self):
        self.site.vy("keyvault", "create", "-n", "py-certs", "-g", "py", "-l", "local")
        seen = self.program("certificates_program.py", "py-certs")
        self.assertEqual(seen, {
            "made": ["py-cert", "CN=py.example", "EC", ["py.example", "www.py.example"], {"a": "b"}, True], "subject": "subject=CN = py.example", "versions": 2,
            "policy": [5, "CN=changed"], "disabled": False, "version": True,
            "operation": ["inProgress", "Pending certificate created. Please Perform Merge to complete the request."], "second create": [409, "Forbidden", None],
            "merge of another key": [400, "BadParameter", None], "merged": "py-csr", "after merge": "completed", "imported": "py-import",
            "wrong password": [400, "BadParameter", None], "cancelled": True, "operation deleted": "py-cancel",
            "no operation": [404, "PendingCertificateNotFound", None], "names": ["py-cert", "py-csr", "py-import"],
            "with pending": ["py-cancel", "py-cert", "py-csr", "py-import"], "contacts": ["a@example.com", "b@example.com"], "contacts deleted": 2,
            "no contacts": [404, "ContactsNotFound", None], "issuer": ["py-issuer", "DigiCert", "acc", "a@example.com", True], "issuer updated": False,
            "issuer again": "acc", "issuers": ["py-issuer"], "issuer deleted": "py-issuer", "no issuer": [404, "CertificateIssuerNotFound", None],
            "deleted": ["py-cert", True], "deleted list": ["py-cert"], "recovered": "py-cert", "got deleted": "py-cert", "purged": [404, "CertificateNotFound", None], "restored": "py-cert",
            "uncalled": ["CertificateClient.send_request"]})

    def test_keys(self):
        self.site.vy("keyvault", "create", "-n", "py-keys", "-g", "py", "-l", "local")
        seen = self.program("keys_program.py", "py-keys")
        x, releases = base64.b64decode(seen.pop("released")["py-release"]), [self.authority.opened(value) for value in seen.pop("releases")]
        public = self.authority.openssl("pkey", "-inform", "DER", "-pubout", "-outform", "DER", input=releases[0]).stdout
        self.assertEqual((public[-132:-66], releases[0], releases[2:]), (x, releases[1], [bytes(range(24))] * 2))        # the point's x, then y
        self.assertEqual(seen, {
            "made": ["py-rsa", "RSA", 384, {"a": "b"}, True, True, ["sign", "verify"], False], "sizes": [256, 384, 512], "curves": ["P-256", "P-384", "P-521", "P-256K"],
            "oct": ["oct"] * 3, "oct shows nothing": True, "versions": 3, "updated": [False, {"c": "d"}, ["verify"]], "disabled": [403, "Forbidden", "KeyDisabled"],
            "missing": [404, "KeyNotFound", None], "bad name": [400, "BadParameter", None], "bad size": [400, "BadParameter", None],
            "crossed": sorted(["CKM_AES_KEY_WRAP", "CKM_AES_KEY_WRAP_PAD", "RSA1_5", "RSA-OAEP", "RSA-OAEP-256", "ES256", "ES384", "ES512", "ES256K"] + [family + bits for family in ("RS", "PS", "HS") for bits in ("256", "384", "512")]
                              + [f"A{bits}{mode}" for bits in (128, 192, 256) for mode in ("KW", "CBC", "CBCPAD", "GCM")]),
            "changed": [400, "BadParameter", None], "oracle": ["[400, 'BadParameter', None]"], "wrong digest": [400, "BadParameter", None],
            "wrong operation": [400, "BadParameter", None], "rotated": [True, "P-384"], "policy": ["P90D", ["notify", "rotate"], True], "policy again": "P90D",
            "policy refused": [400, "BadParameter", None], "random": [1, 32, 128], "exportable": [True, True, True], "no attestation": [400, "BadParameter", None],
            "not exportable": [403, "Forbidden", "ForbiddenByPolicy"], "immutable": [403, "Forbidden", "ForbiddenByPolicy"], "no policy": [400, "BadParameter", None],
            "taken": [409, "Conflict", None], "deleted": ["py-P-256", True, True], "deleted name": [409, "Conflict", "ObjectIsDeletedButRecoverable"],
            "deleted list": ["py-P-256"], "recovered": "py-P-256", "got deleted": "py-P-256", "purged": [404, "KeyNotFound", None], "restored": "py-P-256",
            "tampered": [400, "BadParameter", None], "many versions": 129, "pages": [25, 25, 25, 25, 25, 4],
            "names": ["py-P-256", "py-P-256K", "py-P-384", "py-P-521", "py-aes-128", "py-aes-192", "py-aes-256", "py-curves", "py-exportable", "py-import-2048",
                      "py-import-3072", "py-import-4096", "py-mac", "py-many", "py-oct", "py-release", "py-release-oct", "py-rsa", "py-sizes"],
            "attestation": None, "uncalled": UNCALLED_KEYS})

    def test_resource_manager_answers_by_its_contract(self):
        contract = Contract("keyvault-arm", "2023-07-01", may_be_null=["nextLink"])
        wrong = []
        group = f"{self.site.subscription}/resourceGroups/py/providers/Microsoft.KeyVault"
        provider = f"{self.site.subscription}/providers/Microsoft.KeyVault"
        policy = {"tenantId": self.site.admin["tenantId"], "objectId": self.site.admin_object_id(), "permissions": {"secrets": ["get"]}}
        vault = {"location": "local", "tags": {"a": "b"}, "properties": {
            "tenantId": self.site.admin["tenantId"], "sku": {"family": "A", "name": "premium"}, "accessPolicies": [policy], "enabledForDeployment": True,
            "softDeleteRetentionInDays": 7, "networkAcls": {"defaultAction": "Allow", "ipRules": [{"value": "10.0.0.0/8"}]}}}

        def step(method, path, body=None, status=200):
            answer = self.site.arm(method, path, body, api="2023-07-01")
            self.assertEqual(answer.status, status, answer)
            wrong.extend(contract.check(method, path, answer))

        step("POST", f"{provider}/checkNameAvailability", {"name": "py-arm", "type": "Microsoft.KeyVault/vaults"})
        step("PUT", f"{group}/vaults/py-arm", vault, 201)
        step("POST", f"{provider}/checkNameAvailability", {"name": "py-arm", "type": "Microsoft.KeyVault/vaults"})
        step("PUT", f"{group}/vaults/py-arm", vault)
        step("PATCH", f"{group}/vaults/py-arm", {"properties": {"enabledForDiskEncryption": True}})
        step("GET", f"{group}/vaults/py-arm")
        step("GET", f"{group}/vaults?$top=1")
        step("GET", f"{provider}/vaults")
        step("PUT", f"{group}/vaults/py-arm/accessPolicies/add", {"properties": {"accessPolicies": [policy]}})
        step("PUT", f"{group}/vaults/py-arm/secrets/s", {"properties": {"value": "v", "contentType": "t", "attributes": {"enabled": True, "exp": 1900000000}}}, 201)
        step("PATCH", f"{group}/vaults/py-arm/secrets/s", {"tags": {"a": "b"}})
        step("GET", f"{group}/vaults/py-arm/secrets/s")
        step("GET", f"{group}/vaults/py-arm/secrets")
        key = {"tags": {"a": "b"}, "properties": {"kty": "RSA", "keyOps": ["sign", "verify"], "attributes": {"exp": 1900000000}, "rotationPolicy": {
            "attributes": {"expiryTime": "P90D"}, "lifetimeActions": [{"trigger": {"timeBeforeExpiry": "P30D"}, "action": {"type": "rotate"}}]}}}
        step("PUT", f"{group}/vaults/py-arm/keys/k", key)
        step("PUT", f"{group}/vaults/py-arm/keys/k", {"properties": {"kty": "EC"}})
        step("GET", f"{group}/vaults/py-arm/keys/k")
        step("GET", f"{group}/vaults/py-arm/keys")
        step("GET", f"{group}/vaults/py-arm/keys/k/versions")
        version = self.site.arm("GET", f"{group}/vaults/py-arm/keys/k/versions", api="2023-07-01").json["value"][0]["name"]
        step("GET", f"{group}/vaults/py-arm/keys/k/versions/{version}")
        step("GET", f"{group}/vaults/py-arm/keys/none", status=404)
        step("GET", f"{group}/vaults/py-arm/privateEndpointConnections")
        step("GET", f"{group}/vaults/py-none", status=404)
        step("DELETE", f"{group}/vaults/py-arm")
        step("DELETE", f"{group}/vaults/py-arm", status=204)
        step("GET", f"{provider}/deletedVaults")
        step("GET", f"{provider}/locations/local/deletedVaults/py-arm")
        step("POST", f"{provider}/locations/local/deletedVaults/py-arm/purge")
        self.assertEqual(sorted(set(wrong)), [])


if __name__ == "__main__":
    unittest.main()
