"""pools.py: what tests of real nodes share: a group, a vault with a certificate, an identity that may read it, an account, pools."""
import json
import pathlib
import re
import subprocess

from vaultyard import BUILD, wait_for

DOCUMENT = pathlib.Path(__file__).resolve().parents[1] / "scenarios" / "data" / "1-pool.json"
STORE = "/var/lib/waagent/Microsoft.Azure.KeyVault"


def document_body():
    """The pool of document 1, without its trailing comma."""
    return json.loads(re.sub(r",(\s*[}\]])", r"\1", DOCUMENT.read_text()))


def without_initial_sync(body):
    settings = body["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"]["extensions"][0]["settings"]
    settings["secretsManagementSettings"]["requireInitialSync"] = False


class PoolMaker:
    """On a started Site(nodes=True): one group `g`, vault, account and identity; pools by request."""

    def __init__(self, site, vault, account, account_options=()):
        self.site, self.vault, self.account = site, vault, account
        self.vy = site.vy
        self.vy("group", "create", "-n", "g", "-l", "local")
        self.identity = self.vy("identity", "create", "-g", "g", "-n", "pool-id")
        self.vy("keyvault", "create", "-n", vault, "-g", "g", "-l", "local")
        self.vy("keyvault", "set-policy", "-n", vault, "--object-id", self.identity["principalId"], "--secret-permissions", "get", "list")
        self.vy("batch", "account", "create", "-n", account, "-g", "g", "-l", "local", *account_options)

    def certificate(self, name, days_before_expiry=30):
        policy = {"issuerParameters": {"name": "Self"}, "x509CertificateProperties": {"subject": f"CN={name}.example", "validityInMonths": 12},
                  "keyProperties": {"keyType": "EC", "curve": "P-256", "exportable": True}, "secretProperties": {"contentType": "application/x-pem-file"},
                  "lifetimeActions": [{"trigger": {"daysBeforeExpiry": days_before_expiry}, "action": {"actionType": "AutoRenew"}}]}
        self.vy("keyvault", "certificate", "create", "--vault-name", self.vault, "-n", name, "--policy", json.dumps(policy))
        return self.vy("keyvault", "certificate", "show", "--vault-name", self.vault, "-n", name)["sid"]

    def put(self, pool, observed, nodes=1, change=None):
        """PUT of a pool that observes these secret identifiers; change(body) may alter it first."""
        body = document_body()
        body["identity"]["userAssignedIdentities"] = {self.identity["id"]: {}}
        body["properties"]["scaleSettings"]["fixedScale"]["targetDedicatedNodes"] = nodes
        settings = body["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"]["extensions"][0]["settings"]
        settings["secretsManagementSettings"]["observedCertificates"] = observed
        settings["authenticationSettings"]["msiClientId"] = self.identity["clientId"]
        if change:
            change(body)
        path = f"{self.site.subscription}/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/{self.account}/pools/{pool}"
        return self.site.arm("PUT", path, body, api="2021-01-01")

    def nodes(self, pool):
        return self.vy("batch", "node", "list", "--account-name", self.account, "--pool-id", pool)

    def wait_state(self, pool, state, count=1, timeout=60):
        return wait_for(f"{count} nodes of {pool} are {state}", lambda: (lambda found: found if len(found) == count else None)(
            [node for node in self.nodes(pool) if node["state"] == state]), timeout)

    def run(self, pool, node, *command):
        """The finished vy that ran a command on the node."""
        return subprocess.run([BUILD / "vy", "batch", "node", "exec", "--account-name", self.account, "--pool-id", pool, "--node-id", node, "--", *command],
                              env=self.site.vy_env(), capture_output=True, text=True, timeout=120)

    def extension(self, pool, node):
        endpoint = self.vy("batch", "account", "show", "-n", self.account, "-g", "g")["accountEndpoint"]
        answer = self.site.call("GET", f"https://{endpoint}/pools/{pool}/nodes/{node}/extensions/KVExtensions?api-version=2022-10-01.16.0",
                                token=self.site.token(f"https://{self.site.admin['batchDnsSuffix']}"))
        assert answer.status == 200, answer
        return (answer.json["instanceView"]["statuses"] or [{"code": "", "level": "", "message": ""}])[0]      # none yet
