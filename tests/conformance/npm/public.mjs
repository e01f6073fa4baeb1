// A program with the hosts of the public cloud built in: nothing here says where the site is. Prints one JSON line: what it saw.
import { ClientSecretCredential } from "@azure/identity";
import { SecretClient } from "@azure/keyvault-secrets";
import { BatchManagementClient } from "@azure/arm-batch";

const { TENANT_ID, CLIENT_ID, CLIENT_SECRET, SUBSCRIPTION_ID, VAULT } = process.env;
const credential = new ClientSecretCredential(TENANT_ID, CLIENT_ID, CLIENT_SECRET);
const secrets = new SecretClient(`https://${VAULT}.vault.azure.net`, credential);
const set = await secrets.setSecret("public", "hello");
const accounts = [];
for await (const account of new BatchManagementClient(credential, SUBSCRIPTION_ID).batchAccountOperations.list()) accounts.push(account.accountEndpoint);
console.log(JSON.stringify({ id: set.properties.id, value: (await secrets.getSecret("public")).value, accounts }));
