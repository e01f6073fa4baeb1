// Jobs, tasks and their files by the unmodified data-plane client. Prints one JSON line: what it saw.
import { ClientSecretCredential } from "@azure/identity";
import { BatchServiceClient } from "@azure/batch";

const { RESOURCE_MANAGER, BATCH_URL, AUTHORITY_HOST, TENANT_ID, CLIENT_ID, CLIENT_SECRET, POOL } = process.env;
const credential = new ClientSecretCredential(TENANT_ID, CLIENT_ID, CLIENT_SECRET, { authorityHost: AUTHORITY_HOST, disableInstanceDiscovery: true });
const token = await credential.getToken(`${RESOURCE_MANAGER}/.default`);
const signer = { signRequest: async (request) => { request.headers.set("authorization", `Bearer ${token.token}`); return request; } };
const batch = new BatchServiceClient(signer, BATCH_URL);
const seen = {};

async function refused(promise) {
  try {
    await promise;
  } catch (error) {
    return { statusCode: error.statusCode, code: error.body?.code ?? error.code };
  }
  return "taken";
}

async function until(what, condition) {
  for (const end = Date.now() + 90000; Date.now() < end; await new Promise((resolve) => setTimeout(resolve, 200))) {
    const value = await condition();
    if (value) return value;
  }
  throw new Error(`${what}: did not come true`);
}

async function text(response) {
  const chunks = [];
  for await (const chunk of response.readableStreamBody) chunks.push(chunk);
  return Buffer.concat(chunks).toString();
}

await batch.job.add({ id: "npm-job", displayName: "By npm", poolInfo: { poolId: POOL }, priority: 3, metadata: [{ name: "a", value: "b" }] });
const job = await batch.job.get("npm-job");
seen.job = { id: job.id, state: job.state, priority: job.priority, metadata: job.metadata, created: job.creationTime instanceof Date, executionPool: job.executionInfo.poolId };
await batch.job.patch("npm-job", { priority: 4 });
await batch.job.update("npm-job", { poolInfo: { poolId: POOL }, priority: 5 });
seen.updated = (await batch.job.get("npm-job")).priority;
seen.jobs = (await batch.job.list({ jobListOptions: { filter: "startswith(id,'npm')", maxResults: 10 } })).map((item) => item.id);
seen.exists = await refused(batch.job.add({ id: "NPM-job", poolInfo: { poolId: POOL } }));

await batch.task.add("npm-job", { id: "speaks", commandLine: "/bin/sh -c 'echo to out; echo to err >&2; mkdir sub; echo kept > sub/file.txt'", environmentSettings: [{ name: "A", value: "1" }] });
const added = await batch.task.addCollection("npm-job", [{ id: "fails", commandLine: "/bin/sh -c 'exit 3'" }, { id: "speaks", commandLine: "true" }]);
seen.added = added.value.map((item) => [item.taskId, item.status, item.error?.code ?? null]);
const done = await until("the task is completed", async () => { const task = await batch.task.get("npm-job", "speaks"); return task.state === "completed" && task; });
seen.done = { result: done.executionInfo.result, exitCode: done.executionInfo.exitCode, pool: done.nodeInfo.poolId, started: done.executionInfo.startTime instanceof Date };
const failed = await until("the other one is completed", async () => { const task = await batch.task.get("npm-job", "fails"); return task.state === "completed" && task; });
seen.failed = { result: failed.executionInfo.result, exitCode: failed.executionInfo.exitCode };
seen.tasks = (await batch.task.list("npm-job")).map((item) => item.id).sort();
seen.counts = (await batch.job.getTaskCounts("npm-job")).taskCounts;
seen.subtasks = (await batch.task.listSubtasks("npm-job", "speaks")).value.length;

seen.files = (await batch.file.listFromTask("npm-job", "speaks", { recursive: true })).map((item) => item.name).sort();
seen.stdout = await text(await batch.file.getFromTask("npm-job", "speaks", "stdout.txt"));
seen.part = await text(await batch.file.getFromTask("npm-job", "speaks", "stdout.txt", { fileGetFromTaskOptions: { ocpRange: "bytes=3-5" } }));
const properties = await batch.file.getPropertiesFromTask("npm-job", "speaks", "wd/sub/file.txt");
seen.properties = { length: properties.contentLength, isDirectory: properties.ocpBatchFileIsdirectory, mode: properties.ocpBatchFileMode, created: properties.ocpCreationTime instanceof Date };
await batch.file.deleteFromTask("npm-job", "speaks", "wd/sub", { recursive: true });
seen.afterDelete = await refused(batch.file.getFromTask("npm-job", "speaks", "wd/sub/file.txt"));
const node = done.nodeInfo.nodeId;
seen.nodeFiles = (await batch.file.listFromComputeNode(POOL, node, { fileListFromComputeNodeOptions: { filter: "startswith(name,'workitems')" } })).map((item) => item.name);
seen.nodeText = await text(await batch.file.getFromComputeNode(POOL, node, `${done.nodeInfo.taskRootDirectory}/stderr.txt`));

await batch.task.reactivate("npm-job", "fails");
await until("it has failed again", async () => (await batch.task.get("npm-job", "fails")).state === "completed");
seen.succeeded = await refused(batch.task.reactivate("npm-job", "speaks"));
seen.completed = await refused(batch.task.terminate("npm-job", "speaks"));
await batch.task.deleteMethod("npm-job", "fails");
seen.noTask = await refused(batch.task.get("npm-job", "fails"));
await batch.job.disable("npm-job", "requeue");
await until("the job is disabled", async () => (await batch.job.get("npm-job")).state === "disabled");
await batch.job.enable("npm-job");
await batch.job.terminate("npm-job", { terminateReason: "by npm" });
const ended = await until("the job is completed", async () => { const now = await batch.job.get("npm-job"); return now.state === "completed" && now; });
seen.ended = ended.executionInfo.terminateReason;
await batch.job.deleteMethod("npm-job");
seen.gone = await until("the job is gone", async () => { const answer = await refused(batch.job.get("npm-job")); return answer !== "taken" && answer; });
console.log(JSON.stringify(seen));
