// More keys than a vault makes in ten seconds: the client waits as it is told and all of them get made. Prints one JSON line: what it saw.
import { ClientSecretCredential } from "@azure/identity";
import { KeyClient } from "@azure/keyvault-keys";

const { VAULT_URL, AUTHORITY_HOST, TENANT_ID, CLIENT_ID, CLIENT_SECRET } = process.env;
const credential = new ClientSecretCredential(TENANT_ID, CLIENT_ID, CLIENT_SECRET, { authorityHost: AUTHORITY_HOST, disableInstanceDiscovery: true });
const refused = [];
const watch = {
  name: "watch",
  sendRequest: async (request, next) => {
    const answer = await next(request);
    if (answer.status === 429) refused.push(Number(answer.headers.get("retry-after")));
    return answer;
  },
};
const client = new KeyClient(VAULT_URL, credential, { additionalPolicies: [{ policy: watch, position: "perRetry" }] });
const names = new Set();
for (let number = 0; number < 24; number++) names.add((await client.createEcKey(`npm-${number}`)).name);
console.log(JSON.stringify({ made: names.size, refused: refused.length > 0, waits: refused.every((seconds) => seconds >= 1 && seconds <= 10) }));
