// Certificates of an account by the unmodified clients of both planes, and a sign-in with one. Prints one JSON line: what it saw.
import { readFileSync } from "node:fs";
import { ClientCertificateCredential, ClientSecretCredential } from "@azure/identity";
import { BatchManagementClient } from "@azure/arm-batch";
import { BatchServiceClient } from "@azure/batch";
import { SecretClient } from "@azure/keyvault-secrets";

const { RESOURCE_MANAGER, BATCH_URL, SUBSCRIPTION_ID, AUTHORITY_HOST, TENANT_ID, CLIENT_ID, CLIENT_SECRET, VAULT_URL, APP_ID, PEM_FILE, PFX_FILE, CER_FILE, THUMBPRINT, CER_THUMBPRINT } = process.env;
const options = { authorityHost: AUTHORITY_HOST, disableInstanceDiscovery: true };
const credential = new ClientSecretCredential(TENANT_ID, CLIENT_ID, CLIENT_SECRET, options);
const token = await credential.getToken(`${RESOURCE_MANAGER}/.default`);
const signer = { signRequest: async (request) => { request.headers.set("authorization", `Bearer ${token.token}`); return request; } };
const batch = new BatchServiceClient(signer, BATCH_URL);
const seen = {};
const refusal = async (work) => {
  try {
    await work();
  } catch (error) {
    return { statusCode: error.statusCode, code: error.body?.code ?? error.code };
  }
  return null;
};

// The data plane.
const pfx = readFileSync(PFX_FILE).toString("base64");
seen.wrong = await refusal(() => batch.certificate.add({ thumbprint: THUMBPRINT, thumbprintAlgorithm: "sha1", data: pfx, certificateFormat: "pfx", password: "wrong" }));
await batch.certificate.add({ thumbprint: THUMBPRINT, thumbprintAlgorithm: "sha1", data: pfx, certificateFormat: "pfx", password: "pw" });
seen.again = await refusal(() => batch.certificate.add({ thumbprint: THUMBPRINT, thumbprintAlgorithm: "sha1", data: pfx, certificateFormat: "pfx", password: "pw" }));
const got = await batch.certificate.get("sha1", THUMBPRINT);
seen.got = { thumbprint: got.thumbprint, state: got.state, publicData: typeof got.publicData };
seen.listed = (await batch.certificate.list()).map((item) => item.thumbprint);
seen.notFailed = await refusal(() => batch.certificate.cancelDeletion("sha1", THUMBPRINT));

// Resource Manager.
const management = new BatchManagementClient(credential, SUBSCRIPTION_ID, { endpoint: RESOURCE_MANAGER, credentialScopes: [`${RESOURCE_MANAGER}/.default`] });
const made = await management.certificateOperations.create("npm-certs", "npmcerts", `SHA1-${CER_THUMBPRINT}`, { format: "Cer", data: readFileSync(CER_FILE).toString("base64"), thumbprint: CER_THUMBPRINT, thumbprintAlgorithm: "sha1" });
seen.made = { format: made.format, state: made.provisioningState };
seen.byManagement = [];
for await (const item of management.certificateOperations.listByBatchAccount("npm-certs", "npmcerts")) seen.byManagement.push(item.thumbprint.toLowerCase());
await management.certificateOperations.beginDeleteAndWait("npm-certs", "npmcerts", `SHA1-${CER_THUMBPRINT}`);
await batch.certificate.deleteMethod("sha1", THUMBPRINT);

// Signed in with a certificate, as tasks do.
const secrets = new SecretClient(VAULT_URL, new ClientCertificateCredential(TENANT_ID, APP_ID, PEM_FILE, options), { disableChallengeResourceVerification: true });
seen.secret = (await secrets.getSecret("batchAdminPass")).value;
seen.stranger = (await refusal(() => new SecretClient(VAULT_URL, new ClientCertificateCredential(TENANT_ID, CLIENT_ID, PEM_FILE, options), { disableChallengeResourceVerification: true }).getSecret("batchAdminPass"))) !== null;
console.log(JSON.stringify(seen));
