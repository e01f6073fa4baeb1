// A pool by the unmodified management and data-plane clients. Prints one JSON line: what it saw.
import { ClientSecretCredential } from "@azure/identity";
import { BatchManagementClient } from "@azure/arm-batch";
import { BatchServiceClient } from "@azure/batch";

const { RESOURCE_MANAGER, BATCH_URL, SUBSCRIPTION_ID, AUTHORITY_HOST, TENANT_ID, CLIENT_ID, CLIENT_SECRET, IDENTITY_ID } = process.env;
const credential = new ClientSecretCredential(TENANT_ID, CLIENT_ID, CLIENT_SECRET, { authorityHost: AUTHORITY_HOST, disableInstanceDiscovery: true });
const seen = {};

const management = new BatchManagementClient(credential, SUBSCRIPTION_ID, { endpoint: RESOURCE_MANAGER, credentialScopes: [`${RESOURCE_MANAGER}/.default`] });
const account = await management.batchAccountOperations.beginCreateAndWait("npm", "npmbatch", { location: "local" });
seen.account = { name: account.name, state: account.provisioningState, endpoint: account.accountEndpoint };
const keys = await management.batchAccountOperations.getKeys("npm", "npmbatch");
seen.keys = [keys.primary.length, keys.secondary.length];
const pool = await management.poolOperations.create("npm", "npmbatch", "npm-pool", {
  vmSize: "STANDARD_A1_V2",
  deploymentConfiguration: { virtualMachineConfiguration: { imageReference: { publisher: "canonical", offer: "0001-com-ubuntu-server-jammy", sku: "22_04-lts", version: "latest" }, nodeAgentSkuId: "batch.node.ubuntu 22.04" } },
  scaleSettings: { fixedScale: { targetDedicatedNodes: 0 } },
  identity: { type: "UserAssigned", userAssignedIdentities: { [IDENTITY_ID]: {} } },
});
seen.pool = { name: pool.name, vmSize: pool.vmSize, identity: pool.identity.type, principal: Object.values(pool.identity.userAssignedIdentities)[0].principalId };
seen.pools = [];
for await (const item of management.poolOperations.listByBatchAccount("npm", "npmbatch")) seen.pools.push(item.name);
try {
  await management.poolOperations.get("npm", "npmbatch", "none");
} catch (error) {
  seen.missing = { statusCode: error.statusCode, code: error.code };
}

// The data-plane client asks for the management audience whatever the URL; the plane takes it.
const token = await credential.getToken(`${RESOURCE_MANAGER}/.default`);
const signer = { signRequest: async (request) => { request.headers.set("authorization", `Bearer ${token.token}`); return request; } };
const batch = new BatchServiceClient(signer, BATCH_URL ?? `https://${account.accountEndpoint}`);
seen.dataPools = (await batch.pool.list()).map((item) => ({ id: item.id, state: item.state }));
seen.dataPool = (await batch.pool.get("npm-pool")).allocationState;
seen.nodes = (await batch.computeNode.list("npm-pool")).length;
try {
  await batch.pool.get("none");
} catch (error) {
  seen.dataMissing = { statusCode: error.statusCode, code: error.body?.code ?? error.code };
}
await management.poolOperations.beginDeleteAndWait("npm", "npmbatch", "npm-pool");
await management.batchAccountOperations.beginDeleteAndWait("npm", "npmbatch");
seen.accounts = [];
for await (const item of management.batchAccountOperations.listByResourceGroup("npm")) seen.accounts.push(item.name);
console.log(JSON.stringify(seen));
