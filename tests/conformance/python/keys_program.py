"""Everything that azure-keyvault-keys can do; each algorithm by the vault against the same one by the client itself, both ways."""
import base64
import datetime
import hashlib
import hmac
import os

from azure.keyvault.keys import JsonWebKey, KeyClient, KeyReleasePolicy, KeyRotationLifetimeAction, KeyRotationPolicy, KeyRotationPolicyAction
from azure.keyvault.keys.crypto import CryptographyClient, EncryptionAlgorithm, KeyWrapAlgorithm, SignatureAlgorithm
from cryptography.hazmat.primitives import hashes, keywrap
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from record import Recorder, credential, finish, refused, watch

watch(KeyClient, CryptographyClient)
who = credential()
client = KeyClient(os.environ["VAULT_URL"], who, transport=Recorder())
seen = {}


def remote(key):
    """The vault does it all, as for a caller who may not get keys."""
    crypto = CryptographyClient(key.id, who, transport=Recorder())
    crypto._keys_get_forbidden = True
    return crypto


def number(value, length=None):
    return value.to_bytes(length or (value.bit_length() + 7) // 8, "big")


def rsa_jwk(size):
    private = rsa.generate_private_key(public_exponent=65537, key_size=size).private_numbers()
    public = private.public_numbers
    return JsonWebKey(kty="RSA", key_ops=["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"], n=number(public.n), e=number(public.e), d=number(private.d),
                      p=number(private.p), q=number(private.q), dp=number(private.dmp1), dq=number(private.dmq1), qi=number(private.iqmp))


def ec_jwk(crv, curve, width):
    private = ec.generate_private_key(curve).private_numbers()
    public = private.public_numbers
    return JsonWebKey(kty="EC", crv=crv, key_ops=["sign", "verify"], x=number(public.x, width), y=number(public.y, width), d=number(private.private_value, width))


class Crossing:
    """A key of the vault, used there and by the client itself."""

    def __init__(self, vault, own):
        self.vault, self.own = vault, own

    def encryption(self, name, **iv):
        algorithm = EncryptionAlgorithm(name)
        sealed = self.vault.encrypt(algorithm, plain, **iv)
        assert self.own.decrypt(algorithm, sealed.ciphertext, **({"iv": sealed.iv} if sealed.iv else {})).plaintext == plain, name
        assert self.vault.decrypt(algorithm, self.own.encrypt(algorithm, plain, **iv).ciphertext, **iv).plaintext == plain, name
        crossed.append(name)

    def wrapping(self, name):
        algorithm = KeyWrapAlgorithm(name)
        assert self.own.unwrap_key(algorithm, self.vault.wrap_key(algorithm, plain).encrypted_key).key == plain, name
        assert self.vault.unwrap_key(algorithm, self.own.wrap_key(algorithm, plain).encrypted_key).key == plain, name
        crossed.append(name)

    def signing(self, name, digest):
        algorithm, digest = SignatureAlgorithm(name), digest(plain).digest()
        assert self.own.verify(algorithm, digest, self.vault.sign(algorithm, digest).signature).is_valid, name
        signature = self.own.sign(algorithm, digest).signature
        assert self.vault.verify(algorithm, digest, signature).is_valid, name
        assert not self.vault.verify(algorithm, digest[::-1], signature).is_valid, name
        crossed.append(name)


# Made and looked at.
when = datetime.datetime(2035, 1, 2, 3, 4, 5, tzinfo=datetime.timezone.utc)
made = client.create_rsa_key("py-rsa", size=3072, expires_on=when, not_before=when - datetime.timedelta(days=9999), tags={"a": "b"}, key_operations=["sign", "verify"])
seen["made"] = [made.name, made.key_type.value, len(made.key.n), made.properties.tags, made.properties.expires_on == when, made.properties.enabled, made.key_operations,
                made.properties.exportable]
seen["sizes"] = [len(client.create_rsa_key("py-sizes", size=size).key.n) for size in (2048, 3072, 4096)]
seen["curves"] = [client.create_ec_key("py-curves", curve=curve).key.crv.value for curve in ("P-256", "P-384", "P-521", "P-256K")]
seen["oct"] = [client.create_oct_key("py-oct", size=size).key_type.value for size in (128, 192, 256)]
seen["oct shows nothing"] = client.get_key("py-oct").key.k is None
seen["versions"] = len(list(client.list_properties_of_key_versions("py-sizes")))
updated = client.update_key_properties("py-rsa", enabled=False, tags={"c": "d"}, key_operations=["verify"])
seen["updated"] = [updated.properties.enabled, updated.properties.tags, updated.key_operations]
seen["disabled"] = refused(remote(made).sign, SignatureAlgorithm.rs256, hashlib.sha256(b"x").digest())
seen["missing"] = refused(client.get_key, "none")
seen["bad name"] = refused(client.create_rsa_key, "bad_name")
seen["bad size"] = refused(client.create_rsa_key, "bad", size=1024)

# Each algorithm: by the vault and by the client, each opening or checking what the other made.
plain = b"sixteen bytes!!!" * 2
crossed = []
for size in (2048, 3072, 4096):
    jwk = rsa_jwk(size)
    both = Crossing(remote(client.import_key(f"py-import-{size}", jwk)), CryptographyClient.from_jwk(jwk))
    for name in ("RSA1_5", "RSA-OAEP", "RSA-OAEP-256"):
        both.encryption(name)
        both.wrapping(name)
    for bits in ("256", "384", "512"):
        both.signing("RS" + bits, getattr(hashlib, "sha" + bits))
        both.signing("PS" + bits, getattr(hashlib, "sha" + bits))
for crv, curve, width, name, digest in (("P-256", ec.SECP256R1(), 32, "ES256", hashlib.sha256), ("P-384", ec.SECP384R1(), 48, "ES384", hashlib.sha384),
                                        ("P-521", ec.SECP521R1(), 66, "ES512", hashlib.sha512), ("P-256K", ec.SECP256K1(), 32, "ES256K", hashlib.sha256)):
    jwk = ec_jwk(crv, curve, width)
    Crossing(remote(client.import_key(f"py-{crv}", jwk)), CryptographyClient.from_jwk(jwk)).signing(name, digest)
for bits in (128, 192, 256):
    jwk = JsonWebKey(kty="oct", key_ops=["encrypt", "decrypt", "wrapKey", "unwrapKey"], k=os.urandom(bits // 8))
    vault, iv = remote(client.import_key(f"py-aes-{bits}", jwk)), os.urandom(16)
    both = Crossing(vault, CryptographyClient.from_jwk(jwk))
    both.wrapping(f"A{bits}KW")
    both.encryption(f"A{bits}CBCPAD", iv=iv)
    for name, wrap, value in (("CKM_AES_KEY_WRAP", keywrap.aes_key_wrap, plain), ("CKM_AES_KEY_WRAP_PAD", keywrap.aes_key_wrap_with_padding, plain[:21])):
        wrapped = vault.wrap_key(KeyWrapAlgorithm(name), value).encrypted_key
        assert wrapped == wrap(jwk.k, value) and vault.unwrap_key(KeyWrapAlgorithm(name), wrapped).key == value
        crossed.append(name)

    # The client has no plain CBC and no GCM of its own.
    cbc, gcm, name = Cipher(algorithms.AES(jwk.k), modes.CBC(iv)), AESGCM(jwk.k), EncryptionAlgorithm(f"A{bits}CBC")
    encryptor = cbc.encryptor()
    assert vault.encrypt(name, plain, iv=iv).ciphertext == encryptor.update(plain) + encryptor.finalize()
    assert vault.decrypt(name, vault.encrypt(name, plain, iv=iv).ciphertext, iv=iv).plaintext == plain
    name = EncryptionAlgorithm(f"A{bits}GCM")
    sealed = vault.encrypt(name, plain, additional_authenticated_data=b"aad")
    assert gcm.decrypt(sealed.iv, sealed.ciphertext + sealed.tag, b"aad") == plain
    outside = gcm.encrypt(iv[:12], plain, b"aad")
    assert vault.decrypt(name, outside[:-16], iv=iv[:12], authentication_tag=outside[-16:], additional_authenticated_data=b"aad").plaintext == plain
    seen["changed"] = refused(vault.decrypt, name, outside[:-16], iv=iv[:12], authentication_tag=outside[-16:], additional_authenticated_data=b"other")
    crossed += [f"A{bits}CBC", f"A{bits}GCM"]

# The vault's key in the form that the package cryptography has for keys.
crypto = client.get_cryptography_client("py-import-2048")
private, public, oaep = crypto.create_rsa_private_key(), crypto.create_rsa_public_key(), padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
public.verify(private.sign(plain, padding.PKCS1v15(), hashes.SHA256()), plain, padding.PKCS1v15(), hashes.SHA256())
assert private.decrypt(public.encrypt(plain, oaep), oaep) == plain and private.key_size == 2048
assert [crypto.key_id, crypto.vault_url] == [client.get_key("py-import-2048").id, os.environ["VAULT_URL"]]
mac_key = os.urandom(32)
mac = remote(client.import_key("py-mac", JsonWebKey(kty="oct", key_ops=["sign", "verify"], k=mac_key)))
for bits in ("256", "384", "512"):
    name, digest = SignatureAlgorithm("HS" + bits), getattr(hashlib, "sha" + bits)(plain).digest()
    signature = mac.sign(name, digest).signature
    assert signature == hmac.digest(mac_key, digest, "sha" + bits)
    assert mac.verify(name, digest, signature).is_valid and not mac.verify(name, digest, signature[::-1]).is_valid
    crossed.append("HS" + bits)
seen["crossed"] = sorted(set(crossed))

# One answer, whatever is wrong with what is to be opened. 1 and n - 1 open to themselves: no chance makes them well padded.
opens = client.get_key("py-import-2048")
sized, modulus = remote(opens), int.from_bytes(opens.key.n, "big")
wrong = [bytes(256), number(1, 256), number(modulus - 1, 256), bytes(255), b"", bytes(257)]

answers = {algorithm: {str(refused(sized.decrypt, EncryptionAlgorithm(algorithm), value)) for value in wrong} for algorithm in ("RSA1_5", "RSA-OAEP", "RSA-OAEP-256")}
seen["oracle"] = sorted({answer for of_one in answers.values() for answer in of_one})
seen["wrong digest"] = refused(sized.sign, SignatureAlgorithm.rs256, b"short")
seen["wrong operation"] = refused(remote(client.get_key("py-P-256")).sign, SignatureAlgorithm.es384, hashlib.sha384(b"x").digest())

# Rotation.
before = client.get_key("py-P-384")
rotated = client.rotate_key("py-P-384")
seen["rotated"] = [rotated.properties.version != before.properties.version, rotated.key.crv.value]
policy = client.update_key_rotation_policy("py-P-384", KeyRotationPolicy(), lifetime_actions=[
    KeyRotationLifetimeAction(KeyRotationPolicyAction.rotate, time_after_create="P60D"), KeyRotationLifetimeAction(KeyRotationPolicyAction.notify, time_before_expiry="P30D")],
    expires_in="P90D")
seen["policy"] = [policy.expires_in, sorted(str(action.action.value).lower() for action in policy.lifetime_actions), policy.created_on is not None]
seen["policy again"] = client.get_key_rotation_policy("py-P-384").expires_in
seen["policy refused"] = refused(client.update_key_rotation_policy, "py-P-384", KeyRotationPolicy(), expires_in="P1D")

# Random bytes; release: the token and who may open what comes are the test's.
party = KeyReleasePolicy(os.environ["POLICY"].encode())
seen["released"] = {"py-release": base64.b64encode(client.create_key("py-release", "EC", curve="P-521", exportable=True, release_policy=party).key.x).decode()}
client.import_key("py-release-oct", JsonWebKey(kty="oct", k=bytes(range(24))), exportable=True, release_policy=party)
seen["releases"] = [client.release_key(name, os.environ["ATTESTATION"], **how).value for name in ("py-release", "py-release-oct") for how in ({}, {"nonce": "n"})]
seen["attestation"] = client.get_key_attestation("py-release").properties.attestation
seen["random"] = [len(client.get_random_bytes(count)) for count in (1, 32, 128)]
rules = b'{"version":"1.0.0","anyOf":[{"authority":"https://attest.example/","allOf":[{"claim":"c","equals":"v"}]}]}'
exportable = client.create_ec_key("py-exportable", exportable=True, release_policy=KeyReleasePolicy(rules, immutable=True))
seen["exportable"] = [exportable.properties.exportable, exportable.properties.release_policy.immutable, exportable.properties.release_policy.encoded_policy == rules]
seen["no attestation"] = refused(client.release_key, "py-exportable", "no.to.ken")
seen["not exportable"] = refused(client.release_key, "py-P-256", "no.to.ken")
seen["immutable"] = refused(client.update_key_properties, "py-exportable", release_policy=KeyReleasePolicy(rules, immutable=False))
seen["no policy"] = refused(client.create_ec_key, "py-none", exportable=True)

# Kept, lost, found.
backup = client.backup_key("py-P-256")
seen["taken"] = refused(client.restore_key_backup, backup)
deleted = client.begin_delete_key("py-P-256").result()
seen["deleted"] = [deleted.name, deleted.recovery_id.endswith("/deletedkeys/py-P-256"), deleted.scheduled_purge_date > deleted.deleted_date]
seen["deleted name"] = refused(client.create_ec_key, "py-P-256")
seen["deleted list"] = [item.name for item in client.list_deleted_keys()]
seen["recovered"] = client.begin_recover_deleted_key("py-P-256").result().name
client.begin_delete_key("py-P-256").result()
seen["got deleted"] = client.get_deleted_key("py-P-256").name
client.purge_deleted_key("py-P-256")
seen["purged"] = refused(client.get_deleted_key, "py-P-256")
seen["restored"] = client.restore_key_backup(backup).name
seen["tampered"] = refused(client.restore_key_backup, backup[:60] + bytes([backup[60] ^ 1]) + backup[61:])
for _ in range(129):
    client.create_ec_key("py-many")
seen["many versions"] = len({item.version for item in client.list_properties_of_key_versions("py-many")})
seen["pages"] = [len(list(page)) for page in client.list_properties_of_key_versions("py-many", max_page_size=25).by_page()]
seen["names"] = sorted(item.name for item in client.list_properties_of_keys())
sized.close()
assert client.vault_url == os.environ["VAULT_URL"]
client.close()
finish(seen)
