// Every public method of SecretClient, KeyClient, CryptographyClient and CertificateClient; each algorithm of keys by the vault against the same one by
// the SDK itself, or by Node.js where the SDK has it not. Prints one JSON line: what it saw, and which methods it did not call.
import { strict as assert } from "node:assert";
import { execFileSync } from "node:child_process";
import { createCipheriv, createDecipheriv, createHash, createHmac, createPublicKey, constants, generateKeyPairSync, privateDecrypt, randomBytes, sign, verify } from "node:crypto";
import { readFileSync } from "node:fs";
import { ClientSecretCredential } from "@azure/identity";
import { CertificateClient } from "@azure/keyvault-certificates";
import { CryptographyClient, KeyClient } from "@azure/keyvault-keys";
import { SecretClient } from "@azure/keyvault-secrets";
import { leftOver, watch } from "./watch.mjs";

const { VAULT_URL, AUTHORITY_HOST, TENANT_ID, CLIENT_ID, CLIENT_SECRET, POLICY, ATTESTATION, PARTY_KEY, STRANGER_PEM } = process.env;
const types = (name) => new URL(`node_modules/@azure/${name}.d.ts`, import.meta.url);
watch(SecretClient, types("keyvault-secrets/dist/esm/index"));
watch(KeyClient, types("keyvault-keys/dist/esm/index"));
watch(CryptographyClient, types("keyvault-keys/dist/esm/cryptographyClient"));
watch(CertificateClient, types("keyvault-certificates/dist/esm/index"));

const credential = new ClientSecretCredential(TENANT_ID, CLIENT_ID, CLIENT_SECRET, { authorityHost: AUTHORITY_HOST, disableInstanceDiscovery: true });
const seen = {};
const soon = { intervalInMs: 50 };
const all = async (list) => { const names = []; for await (const item of list) names.push(item.name); return names.sort(); };
const refusal = async (promise) => promise.then(() => assert.fail("it was not refused"), (error) => [error.statusCode, error.code]);
const bytes = (text) => Buffer.from(text, "base64url");
const same = (one, other) => assert.deepEqual(Buffer.from(one), Buffer.from(other));

// ---- secrets

const secrets = new SecretClient(VAULT_URL, credential);
assert.equal(secrets.vaultUrl, VAULT_URL);
const expiresOn = new Date("2035-01-02T03:04:05Z"), notBefore = new Date("2021-01-02T03:04:05Z");
const made = await secrets.setSecret("all-secret", "one", { contentType: "text/plain", tags: { a: "b" }, expiresOn, notBefore, enabled: true });
assert.deepEqual([made.properties.expiresOn, made.properties.notBefore], [expiresOn, notBefore]);
await secrets.setSecret("all-secret", "two");
assert.equal((await secrets.getSecret("all-secret", { version: made.properties.version })).value, "one");
const updated = await secrets.updateSecretProperties("all-secret", made.properties.version, { contentType: "text/x", tags: { c: "d" } });
assert.deepEqual([updated.contentType, updated.tags, updated.expiresOn], ["text/x", { c: "d" }, expiresOn]);
seen.secretVersions = (await all(secrets.listPropertiesOfSecretVersions("all-secret"))).length;
const secretBackup = await secrets.backupSecret("all-secret");
seen.secretTaken = await refusal(secrets.restoreSecretBackup(secretBackup));
await (await secrets.beginDeleteSecret("all-secret", soon)).pollUntilDone();
seen.secretsDeleted = await all(secrets.listDeletedSecrets());
await (await secrets.beginRecoverDeletedSecret("all-secret", soon)).pollUntilDone();
await (await secrets.beginDeleteSecret("all-secret", soon)).pollUntilDone();
assert.equal((await secrets.getDeletedSecret("all-secret")).name, "all-secret");
await secrets.purgeDeletedSecret("all-secret");
seen.secretPurged = await refusal(secrets.getDeletedSecret("all-secret"));
assert.equal((await secrets.restoreSecretBackup(secretBackup)).name, "all-secret");
assert.equal((await secrets.getSecret("all-secret")).value, "two");
assert.deepEqual(await all(secrets.listPropertiesOfSecrets()), ["all-secret"]);
seen.secretTampered = await refusal(secrets.restoreSecretBackup(secretBackup.with(60, secretBackup[60] ^ 1)));

// ---- keys: made, changed, rotated, released

const keys = new KeyClient(VAULT_URL, credential);
assert.equal(keys.vaultUrl, VAULT_URL);
await keys.createKey("all-key", "EC", { curve: "P-384", keyOps: ["sign", "verify"], expiresOn, notBefore, tags: { a: "b" } });
const rotated = await keys.rotateKey("all-key");
assert.equal(rotated.key.crv, "P-384");
seen.keyVersions = (await all(keys.listPropertiesOfKeyVersions("all-key"))).length;
const changed = await keys.updateKeyProperties("all-key", rotated.properties.version, { enabled: false, tags: { c: "d" }, keyOps: ["verify"] });
assert.deepEqual([changed.properties.enabled, changed.properties.tags, changed.keyOperations], [false, { c: "d" }, ["verify"]]);
await keys.updateKeyProperties("all-key", { enabled: true });
const rules = { lifetimeActions: [{ action: "Rotate", timeBeforeExpiry: "P30D" }], expiresIn: "P120D" };
await keys.updateKeyRotationPolicy("all-key", rules);
assert.equal((await keys.getKeyRotationPolicy("all-key")).lifetimeActions[0].timeBeforeExpiry, "P30D");
seen.random = [(await keys.getRandomBytes(1)).length, (await keys.getRandomBytes(128)).length];
seen.randomRefused = await refusal(keys.getRandomBytes(129));
assert.equal((await keys.getKeyAttestation("all-key")).properties.attestation, undefined);        // no key here has one

const keyBackup = await keys.backupKey("all-key");
seen.keyTaken = await refusal(keys.restoreKeyBackup(keyBackup));
await (await keys.beginDeleteKey("all-key", soon)).pollUntilDone();
seen.keysDeleted = await all(keys.listDeletedKeys());
await (await keys.beginRecoverDeletedKey("all-key", soon)).pollUntilDone();
await (await keys.beginDeleteKey("all-key", soon)).pollUntilDone();
assert.equal((await keys.getDeletedKey("all-key")).name, "all-key");
await keys.purgeDeletedKey("all-key");
seen.keyPurged = await refusal(keys.getDeletedKey("all-key"));
assert.equal((await keys.restoreKeyBackup(keyBackup)).properties.version, rotated.properties.version);
assert.equal((await keys.getKeyRotationPolicy("all-key")).expiresIn, "P120D");
seen.keyTampered = await refusal(keys.restoreKeyBackup(keyBackup.with(60, keyBackup[60] ^ 1)));

// What the attested party gets is the key itself.
const releasePolicy = { encodedPolicy: Buffer.from(POLICY), immutable: false };
const opened = ({ value }, enc) => {
  const statement = JSON.parse(bytes(value.split(".")[1])), blob = bytes(JSON.parse(bytes(statement.response.key.key.key_hsm)).ciphertext);
  const oaepHash = { CKM_RSA_AES_KEY_WRAP: "sha1", RSA_AES_KEY_WRAP_256: "sha256", RSA_AES_KEY_WRAP_384: "sha384" }[enc];
  const aes = privateDecrypt({ key: readFileSync(PARTY_KEY), padding: constants.RSA_PKCS1_OAEP_PADDING, oaepHash }, blob.subarray(0, 256));
  const unwrap = createDecipheriv("id-aes256-wrap-pad", aes, Buffer.from("a65959a6", "hex"));
  return Buffer.concat([unwrap.update(blob.subarray(256)), unwrap.final()]);
};
const exportable = await keys.createEcKey("all-release", { curve: "P-256", exportable: true, releasePolicy });
const der = opened(await keys.releaseKey("all-release", ATTESTATION), "CKM_RSA_AES_KEY_WRAP");
assert.equal(createPublicKey({ key: der, format: "der", type: "pkcs8" }).export({ format: "jwk" }).x, Buffer.from(exportable.key.x).toString("base64url"));
const octets = randomBytes(32);
await keys.importKey("all-release-oct", { kty: "oct", k: octets }, { exportable: true, releasePolicy });
for (const algorithm of ["CKM_RSA_AES_KEY_WRAP", "RSA_AES_KEY_WRAP_256", "RSA_AES_KEY_WRAP_384"])
  same(opened(await keys.releaseKey("all-release-oct", ATTESTATION, { algorithm, nonce: "n" }), algorithm), octets);
seen.releaseRefused = [await refusal(keys.releaseKey("all-key", ATTESTATION)), await refusal(keys.releaseKey("all-release", ATTESTATION.slice(0, -8) + "AAAAAAAA")), await refusal(keys.releaseKey("all-release", "no.to.ken"))];
assert.deepEqual([(await keys.createRsaKey("all-made", { keySize: 3072 })).key.n.length, (await keys.createOctKey("all-made", { keySize: 192 })).key.k], [384, undefined]);
seen.noPolicy = await refusal(keys.createOctKey("all-none", { keySize: 256, exportable: true }));

// ---- what keys do: the vault against the SDK, and against Node.js

const crossed = new Set();
const plain = randomBytes(32), operations = ["encrypt", "decrypt", "sign", "verify", "wrapKey", "unwrapKey"];
const hashed = (bits) => createHash(`sha${bits}`).update(plain).digest();
for (const modulusLength of [2048, 3072, 4096]) {
  const pair = generateKeyPairSync("rsa", { modulusLength }), jwk = pair.privateKey.export({ format: "jwk" });
  const key = await keys.importKey(`all-rsa-${modulusLength}`, { kty: "RSA", keyOps: operations, ...Object.fromEntries(["n", "e", "d", "p", "q", "dp", "dq", "qi"].map((name) => [name, bytes(jwk[name])])) });
  const vault = keys.getCryptographyClient(key.name, { keyVersion: key.properties.version }), own = new CryptographyClient({ ...key.key, keyOps: operations });
  assert.deepEqual([vault.keyID, vault.vaultUrl, own.keyID], [key.id, VAULT_URL, key.id]);
  for (const [algorithm, padding, oaepHash] of [["RSA1_5", constants.RSA_PKCS1_PADDING], ["RSA-OAEP", constants.RSA_PKCS1_OAEP_PADDING, "sha1"], ["RSA-OAEP-256", constants.RSA_PKCS1_OAEP_PADDING, "sha256"]]) {
    const open = (sealed) => (algorithm === "RSA1_5" ? null : privateDecrypt({ key: pair.privateKey, padding, oaepHash }, sealed));      // Node.js opens no RSA1_5
    const sealers = algorithm === "RSA-OAEP-256" ? [vault] : [vault, own];                      // nor has the SDK OAEP with SHA-256 of its own
    for (const one of sealers) {
      const { result } = await one.encrypt(algorithm, plain), wrapped = (await one.wrapKey(algorithm, plain)).result;
      same((await vault.decrypt(algorithm, result)).result, plain);
      same((await vault.unwrapKey(algorithm, wrapped)).result, plain);
      if (open(result)) same(open(result), plain);
    }
    crossed.add(algorithm);
  }
  for (const bits of [256, 384, 512]) {
    for (const [algorithm, settings] of [[`RS${bits}`, {}], [`PS${bits}`, { padding: constants.RSA_PKCS1_PSS_PADDING, saltLength: bits / 8 }]]) {
      const signature = (await vault.sign(algorithm, hashed(bits))).result, whole = (await vault.signData(algorithm, plain)).result;
      for (const one of [signature, whole]) {
        assert(verify(`sha${bits}`, plain, { key: pair.publicKey, ...settings }, one), algorithm);
        assert((await vault.verify(algorithm, hashed(bits), one)).result, algorithm);
        if (algorithm.startsWith("RS")) assert((await own.verifyData(algorithm, plain, one)).result, algorithm);         // the SDK takes PS for RS there
      }
      const outside = sign(`sha${bits}`, plain, { key: pair.privateKey, ...settings });
      assert((await vault.verify(algorithm, hashed(bits), outside)).result, algorithm);
      outside[9] ^= 1;
      assert(!(await vault.verify(algorithm, hashed(bits), outside)).result, algorithm);
      crossed.add(algorithm);
    }
  }
}
for (const [crv, namedCurve, algorithm, bits] of [["P-256", "P-256", "ES256", 256], ["P-384", "P-384", "ES384", 384], ["P-521", "P-521", "ES512", 512], ["P-256K", "secp256k1", "ES256K", 256]]) {
  const pair = generateKeyPairSync("ec", { namedCurve }), jwk = pair.privateKey.export({ format: "jwk" }), dsaEncoding = "ieee-p1363";
  const key = await keys.importKey(`all-${crv}`, { kty: "EC", crv, keyOps: operations.slice(2, 4), x: bytes(jwk.x), y: bytes(jwk.y), d: bytes(jwk.d) });
  const vault = new CryptographyClient(key, credential);
  assert(verify(`sha${bits}`, plain, { key: pair.publicKey, dsaEncoding }, (await vault.sign(algorithm, hashed(bits))).result), algorithm);
  assert(verify(`sha${bits}`, plain, { key: pair.publicKey, dsaEncoding }, (await vault.signData(algorithm, plain)).result), algorithm);
  assert((await vault.verifyData(algorithm, plain, sign(`sha${bits}`, plain, { key: pair.privateKey, dsaEncoding }))).result, algorithm);
  crossed.add(algorithm);
}
for (const bits of [128, 192, 256]) {
  const k = randomBytes(bits / 8), iv = randomBytes(16);
  const key = await keys.importKey(`all-aes-${bits}`, { kty: "oct", k, keyOps: ["encrypt", "decrypt", "wrapKey", "unwrapKey"] });
  const vault = new CryptographyClient(key, credential), own = new CryptographyClient({ kty: "oct", k, kid: key.id, keyOps: operations });
  const pad = `A${bits}CBCPAD`, cbc = `A${bits}CBC`, bare = createCipheriv(`aes-${bits}-cbc`, k, iv).setAutoPadding(false);
  const padded = await vault.encrypt({ algorithm: pad, plaintext: plain, iv }), outside = await own.encrypt({ algorithm: pad, plaintext: plain, iv });
  same(padded.result, outside.result);
  same((await own.decrypt({ algorithm: pad, ciphertext: padded.result, iv })).result, plain);
  same((await vault.decrypt({ algorithm: pad, ciphertext: outside.result, iv })).result, plain);
  const unpadded = (await vault.encrypt({ algorithm: cbc, plaintext: plain, iv })).result;
  same(unpadded, Buffer.concat([bare.update(plain), bare.final()]));
  same((await vault.decrypt({ algorithm: cbc, ciphertext: unpadded, iv })).result, plain);
  crossed.add(pad).add(cbc);
  const gcm = `A${bits}GCM`, sealed = await vault.encrypt({ algorithm: gcm, plaintext: plain, additionalAuthenticatedData: Buffer.from("aad") });
  const decipher = createDecipheriv(`aes-${bits}-gcm`, k, sealed.iv).setAAD(Buffer.from("aad")).setAuthTag(sealed.authenticationTag);
  same(Buffer.concat([decipher.update(sealed.result), decipher.final()]), plain);
  const cipher = createCipheriv(`aes-${bits}-gcm`, k, iv.subarray(0, 12)), ciphertext = Buffer.concat([cipher.update(plain), cipher.final()]);
  same((await vault.decrypt({ algorithm: gcm, ciphertext, iv: iv.subarray(0, 12), authenticationTag: cipher.getAuthTag() })).result, plain);
  const kw = `A${bits}KW`, wrapper = createCipheriv(`id-aes${bits}-wrap`, k, Buffer.alloc(8, 0xa6));
  same((await vault.wrapKey(kw, plain)).result, Buffer.concat([wrapper.update(plain), wrapper.final()]));
  same((await vault.unwrapKey(kw, (await vault.wrapKey(kw, plain)).result)).result, plain);
  crossed.add(gcm).add(kw);
}
const mac = randomBytes(32), macKey = await keys.importKey("all-mac", { kty: "oct", k: mac, keyOps: ["sign", "verify"] });
for (const bits of [256, 384, 512]) {
  const vault = new CryptographyClient(macKey, credential), digest = hashed(bits), signature = (await vault.sign(`HS${bits}`, digest)).result;
  same(signature, createHmac(`sha${bits}`, mac).update(digest).digest());
  assert((await vault.verify(`HS${bits}`, digest, signature)).result);
  crossed.add(`HS${bits}`);
}
seen.crossed = [...crossed].sort();
seen.reserved = await refusal(new CryptographyClient(await keys.getKey("all-rsa-2048"), credential).sign("RSNULL", hashed(256)));
seen.keys = (await all(keys.listPropertiesOfKeys())).length;

// ---- certificates

const certificates = new CertificateClient(VAULT_URL, credential);
assert.equal(certificates.vaultUrl, VAULT_URL);
const policy = { issuerName: "Self", subject: "CN=all.example", subjectAlternativeNames: { dnsNames: ["all.example"] }, validityInMonths: 6, keyType: "EC", keyCurveName: "P-256" };
const first = await (await certificates.beginCreateCertificate("all-cert", policy, { ...soon, tags: { a: "b" } })).pollUntilDone();
assert.deepEqual([first.policy.subject, first.properties.tags], ["CN=all.example", { a: "b" }]);
await (await certificates.beginCreateCertificate("all-cert", policy, soon)).pollUntilDone();
seen.certificateVersions = (await all(certificates.listPropertiesOfCertificateVersions("all-cert"))).length;
assert.equal((await certificates.getCertificateVersion("all-cert", first.properties.version)).properties.version, first.properties.version);
assert.notEqual((await certificates.getCertificate("all-cert")).properties.version, first.properties.version);
assert.equal((await certificates.updateCertificateProperties("all-cert", first.properties.version, { enabled: false })).properties.enabled, false);
await certificates.updateCertificatePolicy("all-cert", { ...policy, lifetimeActions: [{ action: "EmailContacts", daysBeforeExpiry: 9 }] });
assert.equal((await certificates.getCertificatePolicy("all-cert")).lifetimeActions[0].daysBeforeExpiry, 9);

const waiting = { ...policy, issuerName: "Unknown", keyType: "RSA", keySize: 2048, keyCurveName: undefined };
await certificates.beginCreateCertificate("all-csr", waiting, soon);
const operation = await certificates.getCertificateOperation("all-csr", soon);
assert.equal(operation.getOperationState().certificateOperation.status, "inProgress");
await operation.cancelOperation();
assert((await certificates.getCertificateOperation("all-csr")).getOperationState().certificateOperation.cancellationRequested);
assert.equal((await certificates.deleteCertificateOperation("all-csr")).name, "all-csr");
await certificates.beginCreateCertificate("all-merge", waiting, soon);
const stranger = new Uint8Array(Buffer.from(readFileSync(STRANGER_PEM, "utf8").match(/CERTIFICATE-----([^-]+)/)[1], "base64"));
seen.mergeRefused = await refusal(certificates.mergeCertificate("all-merge", [stranger]));
const { csr } = (await certificates.getCertificateOperation("all-merge")).getOperationState().certificateOperation;
const signed = execFileSync("openssl", ["x509", "-req", "-inform", "DER", "-CA", STRANGER_PEM, "-CAkey", STRANGER_PEM, "-days", "9", "-outform", "DER"], { input: csr, stdio: "pipe" });
assert.equal((await certificates.mergeCertificate("all-merge", [new Uint8Array(signed)])).name, "all-merge");

const imported = await certificates.importCertificate("all-import", readFileSync(STRANGER_PEM));
assert.equal(imported.policy.contentType, "application/x-pem-file");
await certificates.setContacts([{ email: "a@example.com", name: "A", phone: "1" }]);
assert.deepEqual(await certificates.getContacts(), [{ email: "a@example.com", name: "A", phone: "1" }]);
await certificates.deleteContacts();
seen.noContacts = await refusal(certificates.getContacts());
await certificates.createIssuer("all-issuer", "DigiCert", { accountId: "acc", password: "pwd", organizationId: "org", administratorContacts: [{ firstName: "A", lastName: "B", email: "a@example.com", phone: "1" }] });
assert.equal((await certificates.updateIssuer("all-issuer", { accountId: "other" })).accountId, "other");        // this SDK never sends enabled: false
assert.deepEqual((await certificates.getIssuer("all-issuer")).administratorContacts[0].email, "a@example.com");
seen.issuers = [];
for await (const issuer of certificates.listPropertiesOfIssuers()) seen.issuers.push([issuer.id.split("/").at(-1), issuer.provider]);
await certificates.deleteIssuer("all-issuer");
seen.noIssuer = await refusal(certificates.getIssuer("all-issuer"));

const certificateBackup = await certificates.backupCertificate("all-cert");
await (await certificates.beginDeleteCertificate("all-cert", soon)).pollUntilDone();
seen.certificatesDeleted = await all(certificates.listDeletedCertificates());
await (await certificates.beginRecoverDeletedCertificate("all-cert", soon)).pollUntilDone();
await (await certificates.beginDeleteCertificate("all-cert", soon)).pollUntilDone();
assert.equal((await certificates.getDeletedCertificate("all-cert")).name, "all-cert");
await certificates.purgeDeletedCertificate("all-cert");
seen.certificatePurged = await refusal(certificates.getDeletedCertificate("all-cert"));
assert.equal((await certificates.restoreCertificateBackup(certificateBackup)).name, "all-cert");
seen.certificates = await all(certificates.listPropertiesOfCertificates());
seen.withPending = await all(certificates.listPropertiesOfCertificates({ includePending: true }));

seen.uncalled = leftOver();
console.log(JSON.stringify(seen));
