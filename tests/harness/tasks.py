"""tasks.py: what tests of jobs and tasks share: an account, pools of real nodes, and its data plane over plain HTTP."""
import base64

from vaultyard import wait_for

API = "2022-10-01.16.0"
ROOT = "/mnt/batch/tasks"
LEASE_S, GRACE_S = 30, 5


def sh(script):
    return f"/bin/sh -c '{script}'" if "'" not in script else "/bin/sh -c \"" + script.replace("\\", "\\\\").replace('"', '\\"') + '"'


class Account:
    """Account `name` in group `g` of a started Site(nodes=True)."""

    def __init__(self, site, name, *options):
        self.site, self.name = site, name
        site.vy("group", "create", "-n", "g", "-l", "local")
        site.vy("batch", "account", "create", "-n", name, "-g", "g", "-l", "local", *options)
        self.show = lambda: site.vy("batch", "account", "show", "-n", name, "-g", "g")

    def call(self, method, path, body=None, **headers):
        mark = "&" if "?" in path else "?"
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        if body is not None:
            headers["Content-Type"] = "application/json; odata=minimalmetadata"
        suffix = self.site.admin["batchDnsSuffix"]
        return self.site.call(method, f"https://{self.name}.{self.site.admin['location']}.{suffix}{path}{mark}api-version={API}", body,
                              token=self.site.token(f"https://{suffix}"), headers=headers)

    def ok(self, method, path, body=None, **headers):
        answer = self.call(method, path, body, **headers)
        if answer.status >= 300:
            raise AssertionError(f"{method} {path}: {answer}")
        return answer.json if answer.body else None

    # -- pools and nodes

    def pool(self, pool, nodes=1, **more):
        self.ok("POST", "/pools", {"id": pool, "vmSize": "STANDARD_A1", "targetDedicatedNodes": nodes, "virtualMachineConfiguration": {
            "imageReference": {"publisher": "canonical", "offer": "ubuntuserver", "sku": "18.04-lts"}, "nodeAgentSKUId": "batch.node.ubuntu 18.04"}, **more})

    def nodes(self, pool):
        return self.ok("GET", f"/pools/{pool}/nodes")["value"]

    def wait_nodes(self, pool, state, count=1, timeout=90):
        def there():
            found = [node for node in self.nodes(pool) if node["state"] == state]
            return found if len(found) == count else None
        return wait_for(f"{count} nodes of {pool} are {state}", there, timeout)

    def exec(self, pool, node, script, code=0):
        done = self.ok("POST", f"/pools/{pool}/nodes/{node}/exec", {"argv": ["sh", "-c", script]})
        if done["exitCode"] != code:
            raise AssertionError(f"{script}: {done}")
        return base64.b64decode(done["stdout"]).decode()

    def file(self, pool, node, path):
        return self.exec(pool, node, f"cat {ROOT}/{path}")

    # -- jobs and tasks

    def job(self, job, pool, **more):
        self.ok("POST", "/jobs", {"id": job, "poolInfo": {"poolId": pool}, **more})

    def task(self, job, task, line, **more):
        self.ok("POST", f"/jobs/{job}/tasks", {"id": task, "commandLine": line, **more})

    def get(self, job, task=None):
        return self.ok("GET", f"/jobs/{job}/tasks/{task}" if task else f"/jobs/{job}")

    def wait_job(self, job, state, timeout=60):
        return wait_for(f"job {job} is {state}", lambda: (lambda it: it if it["state"] == state else None)(self.get(job)), timeout)

    def wait_task(self, job, task, state="completed", timeout=60):
        return wait_for(f"task {task} of {job} is {state}", lambda: (lambda it: it if it["state"] == state else None)(self.get(job, task)), timeout)

    def output(self, pool, job, task, name="stdout.txt"):
        """A file of a task that has or had a node, as the node has it."""
        return self.file(pool, self.get(job, task)["nodeInfo"]["nodeId"], f"workitems/{job}/job-1/{task}/{name}")
