"""The failure table of Key Vault, row by row: secrets, vaults and what is common to all (keys and certificates have tests of their own)."""
import base64
import unittest

from vaultyard import Site

API = "api-version=7.4"
DELETED_WORDS = "is currently in a deleted but recoverable state, and its name cannot be reused; in this state, the {} can only be recovered or purged."
VAULTS = "/providers/Microsoft.KeyVault/vaults/"


class Refusals(unittest.TestCase):
    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.site = Site().start()
        cls.site.vy("group", "create", "-n", "g", "-l", "local")
        for name, more in (("kv-rows", ()), ("kv-safe", ("--enable-purge-protection", "true", "--retention-days", "7")), ("kv-roles", ("--enable-rbac-authorization", "true")), ("kv-other", ())):
            cls.site.vy("keyvault", "create", "-n", name, "-g", "g", "-l", "local", *more)
        cls.nobody = cls.site.principal("refused")
        cls.owner = cls.site.token(cls.site.vault_resource)
        cls.stranger = cls.site.token(cls.site.vault_resource, cls.nobody["appId"], cls.nobody["password"])
        for vault in ("kv-rows", "kv-safe", "kv-other"):
            for name in ("live", "off", "gone"):
                cls.call("PUT", f"/secrets/{name}", {"value": name}, vault=vault)
            cls.call("PATCH", "/secrets/off", {"attributes": {"enabled": False}}, vault=vault)
        cls.blob = cls.call("POST", "/secrets/live/backup", {}).json["value"]
        cls.gone_blob = cls.call("POST", "/secrets/gone/backup", {}).json["value"]
        for vault in ("kv-rows", "kv-safe", "kv-other"):
            cls.call("DELETE", "/secrets/gone", vault=vault)
        cls.call("POST", "/certificates/owned/create", {"policy": {"issuer": {"name": "Unknown"}, "x509_props": {"subject": "CN=owned"}}})

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    @classmethod
    def call(cls, method, path, body=None, token=None, vault="kv-rows", api=API):
        separator = "&" if "?" in path else "?"
        return cls.site.call(method, cls.site.vault_url(vault, f"{path}{separator}{api}"), body, cls.owner if token is None else token)

    def everything(self):
        """What the refusals must leave as it is."""
        lists = [self.call("GET", f"/{kind}", vault=vault).body for vault in ("kv-rows", "kv-safe", "kv-other") for kind in ("secrets", "deletedsecrets", "keys", "certificates")]
        versions = [self.call("GET", f"/secrets/{name}/versions").body for name in ("live", "off")]
        vaults = self.site.arm("GET", f"{self.site.subscription}/resourceGroups/g/providers/Microsoft.KeyVault/vaults", api="2022-07-01").json["value"]
        return lists, versions, [(vault["name"], vault["properties"]) for vault in vaults]

    def refuse(self, rows):
        before = self.everything()
        for answer, status, code, inner, word in rows:
            with self.subTest(f"{status} {code} {inner} {word}"):
                got = answer()
                found = got.json
                self.assertEqual((got.status, found["error"]["code"], (found["error"].get("innererror") or {}).get("code")), (status, code, inner), got)
                self.assertIn(word, found["error"]["message"])
        self.assertEqual(self.everything(), before)

    def test_400_what_is_wrong_is_named(self):
        put = lambda body, name="live": lambda: self.call("PUT", f"/secrets/{name}", body)
        self.refuse([
            (put({"value": "x"}, "under_score"), 400, "BadParameter", None, "under_score"),
            (put({"value": "x"}, "n" * 128), 400, "BadParameter", None, "127"),
            (put({"value": "x"}, "d.ot"), 400, "BadParameter", None, "d.ot"),
            (put({}), 400, "BadParameter", None, "value"),
            (put({"value": 7}), 400, "BadParameter", None, "value"),
            (put({"value": "x" * 25601}), 400, "BadParameter", "SecretTooLarge", "25600"),
            (put({"value": "x", "contentType": "c" * 256}), 400, "BadParameter", None, "contentType"),
            (put({"value": "x", "attributes": {"enabled": "yes"}}), 400, "BadParameter", None, "enabled"),
            (put({"value": "x", "attributes": {"exp": "soon"}}), 400, "BadParameter", None, "exp"),
            (put({"value": "x", "attributes": {"nbf": 2000000000, "exp": 1900000000}}), 400, "BadParameter", None, "exp"),
            (put({"value": "x", "tags": {str(n): "v" for n in range(16)}}), 400, "BadParameter", None, "15"),
            (put({"value": "x", "tags": {"t": "v" * 513}}), 400, "BadParameter", None, "512"),
            (put("{not json"), 400, "BadParameter", None, ""),
            (put("[]"), 400, "BadParameter", None, "object"),
            (lambda: self.call("GET", "/secrets", api=""), 400, "BadParameter", None, "api-version"),
            (lambda: self.call("GET", "/secrets?maxresults=0"), 400, "BadParameter", None, "maxresults"),
            (lambda: self.call("GET", "/secrets?maxresults=26"), 400, "BadParameter", None, "maxresults"),
            (lambda: self.call("GET", "/secrets?$skiptoken=nonsense"), 400, "BadParameter", None, "skiptoken"),
            (lambda: self.call("POST", "/secrets/restore", {}), 400, "BadParameter", None, "value"),
            (lambda: self.call("POST", "/secrets/restore", {"value": "AAAA"}), 400, "BadParameter", None, ""),
        ])

    def test_401_says_what_is_wrong_with_the_token(self):
        other = self.site.token()
        self.refuse([
            (lambda: self.call("GET", "/secrets", token=""), 401, "Unauthorized", None, "AKV10000"),
            (lambda: self.call("GET", "/secrets", token="a.b.c"), 401, "Unauthorized", None, "InvalidToken"),
            (lambda: self.call("GET", "/secrets", token=other), 401, "Unauthorized", None, "AKV10022"),
            (lambda: self.call("GET", "/secrets", token=self.owner[:-4] + "AAAA"), 401, "Unauthorized", None, "InvalidToken"),
        ])

    def test_403_who_may_not_and_what_is_off(self):
        role_words = ["Caller:", self.nobody["appId"], "Microsoft.KeyVault/vaults/secrets/getSecret/action", "Assignment: (not found)", "DecisionReason", "Vault: kv-roles;location=local"]
        self.refuse([
            (lambda: self.call("GET", "/secrets/live", token=self.stranger), 403, "Forbidden", "AccessDenied", self.nobody["appId"]),
            (lambda: self.call("PUT", "/secrets/new", {"value": "x"}, token=self.stranger), 403, "Forbidden", "AccessDenied", "secrets set"),
            (lambda: self.call("GET", "/secrets/off"), 403, "Forbidden", "SecretDisabled", "Operation get is not allowed on a disabled secret."),
            *[(lambda: self.call("GET", "/secrets/any", vault="kv-roles", token=self.stranger), 403, "Forbidden", "ForbiddenByRbac", word) for word in role_words],
            (lambda: self.call("DELETE", "/deletedsecrets/gone", vault="kv-safe"), 403, "Forbidden", None, 'Operation "purge" is not allowed because purge protection is enabled'),
            (lambda: self.call("DELETE", "/deletedsecrets/never", vault="kv-safe"), 403, "Forbidden", None, "purge protection"),
        ])

    def test_403_of_the_firewall_comes_before_everything_else(self):
        self.site.vy("keyvault", "create", "-n", "kv-fire", "-g", "g", "-l", "local")
        acls = {"properties": {"networkAcls": {"defaultAction": "Deny", "bypass": "None", "ipRules": [{"value": "203.0.113.0/24"}], "virtualNetworkRules": []}}}
        self.assertEqual(self.site.arm("PATCH", f"{self.site.subscription}/resourceGroups/g{VAULTS}kv-fire", acls, api="2022-07-01").status, 200)
        words = "Client address is not authorized and caller is not a trusted service."
        self.refuse([(lambda: self.call("GET", "/secrets/none", vault="kv-fire"), 403, "Forbidden", "ForbiddenByFirewall", words),
                     (lambda: self.call("GET", "/secrets/none", vault="kv-fire", token=self.stranger), 403, "Forbidden", "ForbiddenByFirewall", words),
                     (lambda: self.call("PUT", "/secrets/none", "{", vault="kv-fire"), 403, "Forbidden", "ForbiddenByFirewall", words)])

    def test_404_in_the_services_words(self):
        recover = "If you recently deleted this secret you may be able to recover it using the correct recovery command."
        version = "0" * 32
        self.refuse([
            (lambda: self.call("GET", "/secrets/none"), 404, "SecretNotFound", None, "A secret with (name/id) none was not found in this key vault. " + recover),
            (lambda: self.call("GET", f"/secrets/live/{version}"), 404, "SecretNotFound", None, f"A secret with (name/id) live/{version} was not found"),
            (lambda: self.call("GET", "/secrets/gone"), 404, "SecretNotFound", None, recover),
            (lambda: self.call("PATCH", "/secrets/none", {"tags": {}}), 404, "SecretNotFound", None, "none"),
            (lambda: self.call("DELETE", "/secrets/none"), 404, "SecretNotFound", None, "none"),
            (lambda: self.call("POST", "/secrets/none/backup", {}), 404, "SecretNotFound", None, "none"),
            (lambda: self.call("GET", "/deletedsecrets/live"), 404, "SecretNotFound", None, "Deleted Secret not found: live"),
            (lambda: self.call("POST", "/deletedsecrets/live/recover", {}), 404, "SecretNotFound", None, "Deleted Secret not found: live"),
            (lambda: self.call("DELETE", "/deletedsecrets/live"), 404, "SecretNotFound", None, "Deleted Secret not found: live"),
        ])

    def test_409_names_that_are_taken(self):
        self.refuse([
            (lambda: self.call("PUT", "/secrets/gone", {"value": "x"}), 409, "Conflict", "ObjectIsDeletedButRecoverable", DELETED_WORDS.format("secret")),
            (lambda: self.call("POST", "/secrets/restore", {"value": self.gone_blob}), 409, "Conflict", "ObjectIsDeletedButRecoverable", "deleted but recoverable"),
            (lambda: self.call("POST", "/secrets/restore", {"value": self.gone_blob}, vault="kv-other"), 409, "Conflict", "ObjectIsDeletedButRecoverable", "deleted but recoverable"),
            (lambda: self.call("POST", "/secrets/restore", {"value": self.blob}), 409, "Conflict", None, "live"),
            (lambda: self.call("POST", "/secrets/restore", {"value": self.blob}, vault="kv-other"), 409, "Conflict", None, "live"),
            (lambda: self.call("PUT", "/secrets/owned", {"value": "x"}), 409, "Conflict", None, "certificate"),
        ])

    def test_a_tampered_backup_is_refused_wherever_it_was_touched(self):
        raw = bytearray(base64.urlsafe_b64decode(self.blob + "=" * (-len(self.blob) % 4)))
        rows = []
        for at in sorted({0, 1, 7, len(raw) // 4, len(raw) // 2, len(raw) - 17, len(raw) - 1}):
            touched = bytearray(raw)
            touched[at] ^= 1
            rows.append(bytes(touched))
        rows += [bytes(raw[:-1]), bytes(raw[:40]), bytes(raw) + b"x", b""]
        self.call("PUT", "/secrets/elsewhere", {"value": "x"}, vault="kv-roles", token=self.owner)
        encode = lambda blob: base64.urlsafe_b64encode(blob).decode().rstrip("=")
        self.refuse([((lambda blob: lambda: self.call("POST", "/secrets/restore", {"value": encode(blob)}, vault="kv-safe"))(blob), 400, "BadParameter", None, "") for blob in rows])
        # Of another kind, and of another site.
        self.refuse([(lambda: self.call("POST", "/keys/restore", {"value": self.blob}), 400, "BadParameter", None, "")])
        with Site() as other:
            other.vy("group", "create", "-n", "g", "-l", "local")
            other.vy("keyvault", "create", "-n", "kv-rows", "-g", "g", "-l", "local")
            answer = other.call("POST", other.vault_url("kv-rows", f"/secrets/restore?{API}"), {"value": self.blob}, other.token(other.vault_resource))
            self.assertEqual((answer.status, answer.json["error"]["code"]), (400, "BadParameter"), answer)

    def test_resource_manager_names_its_refusals(self):
        group = f"{self.site.subscription}/resourceGroups/g"
        self.site.vy("group", "create", "-n", "g2", "-l", "local")
        self.site.vy("keyvault", "create", "-n", "kv-dropped", "-g", "g", "-l", "local", "--enable-purge-protection", "true")
        self.site.vy("keyvault", "delete", "-n", "kv-dropped", "-g", "g")
        good = {"tenantId": self.site.admin["tenantId"], "sku": {"family": "A", "name": "standard"}, "accessPolicies": []}
        make = lambda name, change=(), where=group, location="local": lambda: self.site.arm("PUT", f"{where}{VAULTS}{name}", {"location": location, "properties": {**good, **dict(change)}}, api="2022-07-01")
        patch = lambda name, change: lambda: self.site.arm("PATCH", f"{group}{VAULTS}{name}", {"properties": change}, api="2022-07-01")
        purge = lambda name: lambda: self.site.arm("POST", f"{self.site.subscription}/providers/Microsoft.KeyVault/locations/local/deletedVaults/{name}/purge", "", api="2022-07-01")
        self.refuse([
            (make("x"), 400, "VaultNameNotValid", None, "3-24"),
            (make("has--two"), 400, "VaultNameNotValid", None, "consecutive hyphens"),
            (make("KV-ROWS", where=group.replace("/g", "/g2")), 409, "VaultAlreadyExists", None, "already in use"),
            (make("kv-dropped"), 409, "ConflictError", None, "recover or purge"),
            (make("kv-new", where=f"{self.site.subscription}/resourceGroups/none"), 404, "ResourceGroupNotFound", None, "none"),
            (make("kv-new", {"sku": {"family": "A", "name": "gold"}}), 400, "BadRequest", None, "standard or premium"),
            (make("kv-new", {"sku": {"family": "B", "name": "standard"}}), 400, "BadRequest", None, "family"),
            (make("kv-new", {"tenantId": "00000000-0000-4000-8000-000000000000"}), 400, "BadRequest", None, "tenant"),
            (make("kv-new", {"softDeleteRetentionInDays": 6}), 400, "BadRequest", None, "7"),
            (make("kv-new", {"softDeleteRetentionInDays": 91}), 400, "BadRequest", None, "90"),
            (make("kv-new", {"enableSoftDelete": False}), 400, "BadRequest", None, "SoftDelete"),
            (make("kv-new", {"createMode": "guess"}), 400, "BadRequest", None, "createMode"),
            (make("kv-new", {"networkAcls": {"defaultAction": "Maybe"}}), 400, "BadRequest", None, "defaultAction"),
            (make("kv-new", {"networkAcls": {"ipRules": [{"value": "300.1.1.1"}]}}), 400, "BadRequest", None, "ipRules"),
            (make("kv-new", {"accessPolicies": [{"tenantId": good["tenantId"], "objectId": "00000000-0000-4000-8000-000000000001", "permissions": {"secrets": ["fly"]}}]}), 400, "BadRequest", None, "fly"),
            (make("kv-rows", location="elsewhere"), 409, "InvalidResourceLocation", None, "local"),
            (patch("kv-safe", {"enablePurgeProtection": False}), 400, "BadRequest", None, "enablePurgeProtection"),
            (patch("kv-rows", {"softDeleteRetentionInDays": 30}), 400, "BadRequest", None, "softDeleteRetentionInDays"),
            (patch("kv-none", {"tenantId": good["tenantId"]}), 404, "ResourceNotFound", None, "kv-none"),
            (lambda: self.site.arm("GET", f"{group}{VAULTS}kv-none", api="2022-07-01"), 404, "ResourceNotFound", None, "kv-none"),
            (lambda: self.site.arm("PUT", f"{group}{VAULTS}kv-rows/accessPolicies/swap", {"properties": {"accessPolicies": []}}, api="2022-07-01"), 400, "BadRequest", None, "add, replace or remove"),
            (purge("kv-none"), 404, "DeletedVaultNotFound", None, "kv-none"),
            (purge("kv-dropped"), 400, "MethodNotAllowed", None, "purge protection"),
            (lambda: self.site.arm("GET", f"{group}{VAULTS}kv-rows", api="2022-07-01", token=self.site.token(client_id=self.nobody["appId"], secret=self.nobody["password"])), 403, "AuthorizationFailed", None, self.nobody["id"]),
        ])


if __name__ == "__main__":
    unittest.main()
