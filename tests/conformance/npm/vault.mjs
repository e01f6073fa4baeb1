// What a program written for Azure does with a vault, by the unmodified SDKs. Prints one JSON line: what it saw.
import { ClientSecretCredential, EnvironmentCredential } from "@azure/identity";
import { SecretClient } from "@azure/keyvault-secrets";
import { CertificateClient } from "@azure/keyvault-certificates";

const { VAULT_URL, AUTHORITY_HOST, TENANT_ID, CLIENT_ID, CLIENT_SECRET } = process.env;
const credential = new ClientSecretCredential(TENANT_ID, CLIENT_ID, CLIENT_SECRET, { authorityHost: AUTHORITY_HOST, disableInstanceDiscovery: true });
const seen = {};

const secrets = new SecretClient(VAULT_URL, credential);
const set = await secrets.setSecret("npm-secret", "value one", { contentType: "text/plain", tags: { made: "by npm" } });
seen.set = { name: set.name, version: set.properties.version, vaultUrl: set.properties.vaultUrl };
await secrets.setSecret("npm-secret", "value two");
seen.latest = (await secrets.getSecret("npm-secret")).value;
seen.first = (await secrets.getSecret("npm-secret", { version: set.properties.version })).value;
const updated = await secrets.updateSecretProperties("npm-secret", set.properties.version, { enabled: false, tags: { now: "disabled" } });
seen.updated = { enabled: updated.enabled, tags: updated.tags };
seen.versions = 0;
for await (const _ of secrets.listPropertiesOfSecretVersions("npm-secret")) seen.versions++;
seen.names = [];
for await (const page of secrets.listPropertiesOfSecrets().byPage({ maxPageSize: 2 })) seen.names.push(...page.map((item) => item.name));
try {
  await secrets.getSecret("npm-none");
} catch (error) {
  seen.missing = { statusCode: error.statusCode, code: error.code };
}
const deletion = await secrets.beginDeleteSecret("npm-secret");
const deleted = await deletion.pollUntilDone();
seen.deleted = { recoveryId: deleted.recoveryId, scheduled: deleted.scheduledPurgeDate instanceof Date };
try {
  await secrets.setSecret("npm-secret", "again");
} catch (error) {
  seen.reused = { statusCode: error.statusCode, code: error.code };
}

const certificates = new CertificateClient(VAULT_URL, credential);
const poller = await certificates.beginCreateCertificate("npm-cert", { issuerName: "Self", subject: "CN=npm.example", validityInMonths: 6 }, { intervalInMs: 50 });
const certificate = await poller.pollUntilDone();
seen.certificate = { name: certificate.name, subject: certificate.policy.subject, cer: certificate.cer.length > 300, keyId: certificate.keyId, secretId: certificate.secretId };
seen.certificateSecret = (await secrets.getSecret("npm-cert")).properties.contentType;
await certificates.updateCertificatePolicy("npm-cert", { issuerName: "Self", subject: "CN=npm.example", lifetimeActions: [{ action: "AutoRenew", daysBeforeExpiry: 30 }] });
seen.policy = (await certificates.getCertificatePolicy("npm-cert")).lifetimeActions;
seen.certificateVersions = 0;
for await (const _ of certificates.listPropertiesOfCertificateVersions("npm-cert")) seen.certificateVersions++;
const certificateDeletion = await certificates.beginDeleteCertificate("npm-cert", { intervalInMs: 50 });
seen.certificateDeleted = (await certificateDeletion.pollUntilDone()).name;

// The way without a code change: environment variables and the tenant "adfs".
process.env.AZURE_AUTHORITY_HOST = AUTHORITY_HOST;
process.env.AZURE_TENANT_ID = "adfs";
process.env.AZURE_CLIENT_ID = CLIENT_ID;
process.env.AZURE_CLIENT_SECRET = CLIENT_SECRET;
const fromEnvironment = new SecretClient(VAULT_URL, new EnvironmentCredential());
seen.fromEnvironment = (await fromEnvironment.setSecret("npm-env", "x")).value;

try {
  await new SecretClient(VAULT_URL, new ClientSecretCredential(TENANT_ID, CLIENT_ID, "wrong", { authorityHost: AUTHORITY_HOST, disableInstanceDiscovery: true })).getSecret("npm-env");
} catch (error) {
  seen.wrongSecret = /AADSTS7000215/.test(error.message);
}
console.log(JSON.stringify(seen));
