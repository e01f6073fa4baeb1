// Keys by the unmodified SDK: made, imported, used, rotated, deleted and recovered. Prints one JSON line: what it saw.
import { createHash, generateKeyPairSync } from "node:crypto";
import { ClientSecretCredential } from "@azure/identity";
import { CryptographyClient, KeyClient } from "@azure/keyvault-keys";

const { VAULT_URL, AUTHORITY_HOST, TENANT_ID, CLIENT_ID, CLIENT_SECRET } = process.env;
const credential = new ClientSecretCredential(TENANT_ID, CLIENT_ID, CLIENT_SECRET, { authorityHost: AUTHORITY_HOST, disableInstanceDiscovery: true });
const keys = new KeyClient(VAULT_URL, credential);
const seen = {};

const made = await keys.createRsaKey("npm-rsa", { keySize: 2048, tags: { made: "by npm" } });
seen.made = { name: made.name, type: made.keyType, operations: made.keyOperations.length, tags: made.properties.tags };
const ec = await keys.createEcKey("npm-ec", { curve: "P-521", keyOps: ["sign", "verify"] });
seen.ec = { curve: ec.key.crv, operations: ec.keyOperations };

// What the vault signs holds outside, and what is made outside it opens.
const digest = createHash("sha512").update("abc").digest();
const signer = new CryptographyClient(ec, credential);
const signature = await signer.sign("ES512", digest);
seen.signed = (await signer.verify("ES512", digest, signature.result)).result;
const wrapper = new CryptographyClient(made, credential);
const wrapped = await wrapper.wrapKey("RSA-OAEP-256", Buffer.from("0123456789abcdef"));
seen.unwrapped = Buffer.from((await wrapper.unwrapKey("RSA-OAEP-256", wrapped.result)).result).toString();

const pair = generateKeyPairSync("rsa", { modulusLength: 2048 });
const jwk = pair.privateKey.export({ format: "jwk" });
const bytes = (text) => (text === undefined ? undefined : Buffer.from(text, "base64url"));
const imported = await keys.importKey("npm-import", { kty: "RSA", ...Object.fromEntries(["n", "e", "d", "p", "q", "dp", "dq", "qi"].map((name) => [name, bytes(jwk[name])])) });
seen.imported = { type: imported.keyType, same: Buffer.from(imported.key.n).equals(bytes(jwk.n)), hasPrivate: imported.key.d !== undefined };
try {
  await keys.importKey("npm-broken", { kty: "RSA", n: bytes(jwk.n), e: bytes(jwk.e), d: bytes(jwk.d) });
} catch (error) {
  seen.broken = { statusCode: error.statusCode, code: error.code };
}

const before = await keys.getKey("npm-ec");
const rotated = await keys.rotateKey("npm-ec");
seen.rotated = { curve: rotated.key.crv, isNew: rotated.properties.version !== before.properties.version };
const policy = await keys.updateKeyRotationPolicy("npm-ec", { lifetimeActions: [{ action: "Rotate", timeAfterCreate: "P30D" }, { action: "Notify", timeBeforeExpiry: "P30D" }], expiresIn: "P90D" });
seen.policy = { actions: policy.lifetimeActions, expiresIn: policy.expiresIn, dated: policy.createdOn instanceof Date };
seen.policyRead = (await keys.getKeyRotationPolicy("npm-ec")).expiresIn;
seen.policyUsual = (await keys.getKeyRotationPolicy("npm-rsa")).lifetimeActions;
try {
  await keys.updateKeyRotationPolicy("npm-ec", { lifetimeActions: [{ action: "Rotate", timeAfterCreate: "P1D" }] });
} catch (error) {
  seen.policyRefused = { statusCode: error.statusCode, code: error.code };
}

const deletion = await keys.beginDeleteKey("npm-rsa", { intervalInMs: 50 });
seen.deleted = (await deletion.pollUntilDone()).name;
const recovery = await keys.beginRecoverDeletedKey("npm-rsa", { intervalInMs: 50 });
seen.recovered = (await recovery.pollUntilDone()).name;
console.log(JSON.stringify(seen));
