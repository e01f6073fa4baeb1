"""Document 5, "Securely access Key Vault with Batch", in its order; each step names the sentence it shows."""
import base64
import datetime
import hashlib
import json
import os
import shlex
import subprocess
import unittest

from accountcerts import DataPlane, pool_body
from az import Az
from terminal import Terminal
from vaultyard import BUILD, Site, wait_for

MAKECERT = 'makecert -sv batchcertificate.pvk -n "cn=batch.cert.mydomain.org" batchcertificate.cer -b 09/23/2019 -e 09/23/2019 -r -pe -a sha256 -len 2048'
PVK2PFX = "pvk2pfx -pvk batchcertificate.pvk -spc batchcertificate.cer -pfx batchcertificate.pfx -po"
NEW_KEY, OLD_KEY = "Password for the new key batchcertificate.pvk (empty: none): ", "Password of batchcertificate.pvk: "
NEW_PFX, AGAIN = "Password for batchcertificate.pfx: ", "The same again: "
URL = "https://batch.mydomain.com"
SECRET = "the administrator's password, of which nobody else knows"

# What a task runs: with the certificate that lies on the node it signs in, then "access KeyVault as you normally would".
SCRIPT = r"""
set -eu
cd "$AZ_BATCH_CERTIFICATES_DIR"
/opt/vaultyard/bin/vy login --service-principal -u "$APP_ID" --tenant "$TENANT_ID" --authority "$AUTHORITY" --ca-file /etc/vaultyard/ca.pem \
    --certificate "sha1-$THUMBPRINT.pfx" --password "@sha1-$THUMBPRINT.pfx.pw" --allow-no-subscriptions >/dev/null
adminPassword=$(/opt/vaultyard/bin/vy keyvault secret show --vault-name BatchVault --name batchAdminPass --query value -o tsv)
printf '%s' "$adminPassword" | sha256sum
"""
# The same with nothing but openssl and curl: any image has them, any language can do it.
PLAIN = r"""
set -eu
cd "$AZ_BATCH_TASK_WORKING_DIR"
pfx=$AZ_BATCH_CERTIFICATES_DIR/sha1-$THUMBPRINT.pfx
umask 077
openssl pkcs12 -in "$pfx" -passin "file:$pfx.pw" -nodes -out both.pem
b64() { openssl base64 -A | tr '+/' '-_' | tr -d '='; }
x5t=$(openssl x509 -in both.pem -outform DER | openssl dgst -sha1 -binary | b64)
now=$(date +%s)
header=$(printf '{"alg":"RS256","typ":"JWT","x5t":"%s"}' "$x5t" | b64)
claims=$(printf '{"aud":"%s/%s/oauth2/v2.0/token","iss":"%s","sub":"%s","jti":"%s","nbf":%d,"exp":%d}' "$AUTHORITY" "$TENANT_ID" "$APP_ID" "$APP_ID" "$(cat /proc/sys/kernel/random/uuid)" \
    "$now" $((now + 300)) | b64)
signature=$(printf '%s.%s' "$header" "$claims" | openssl dgst -sha256 -sign both.pem | b64)
token=$(curl -sS --fail-with-body "$AUTHORITY/$TENANT_ID/oauth2/v2.0/token" -d grant_type=client_credentials -d "client_id=$APP_ID" --data-urlencode "scope=$VAULT_RESOURCE/.default" \
    -d client_assertion_type=urn:ietf:params:oauth:client-assertion-type:jwt-bearer -d "client_assertion=$header.$claims.$signature" | sed 's/.*"access_token":"\([^"]*\)".*/\1/')
curl -sS --fail-with-body -H "Authorization: Bearer $token" "$VAULT_URL/secrets/batchAdminPass?api-version=7.4" | sed 's/.*"value":"\([^"]*\)".*/\1/' | tr -d '\n' | sha256sum
rm both.pem
"""


def day(offset):
    return datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(days=offset)


class Document5(unittest.TestCase):
    """The steps share one site and run in the order of their numbers."""

    @classmethod
    def setUpClass(cls):
        cls.site = Site(nodes=True).start()
        cls.addClassCleanup(cls.site.close)
        cls.vy = staticmethod(cls.site.vy)
        cls.files = cls.site.base / "files"
        cls.files.mkdir()
        # "To authenticate to Azure Key Vault from a Batch node, you need": a directory, a Batch account, and the vault with the secret that scripts want.
        cls.vy("group", "create", "-n", "doc5", "-l", "local")
        cls.vy("batch", "account", "create", "-n", "doc5", "-g", "doc5", "-l", "local")
        cls.vy("keyvault", "create", "-n", "BatchVault", "-g", "doc5", "-l", "local")
        cls.vy("keyvault", "secret", "set", "--vault-name", "BatchVault", "-n", "batchAdminPass", "--value", SECRET)
        cls.plane = DataPlane(cls.site, "doc5", "doc5")
        cls.az = Az(cls.site)
        cls.az.login()

    # -- helpers

    def on_terminal(self, line, *answers, code=0, more=(), directory=None):
        with Terminal([BUILD / "vy", *shlex.split(line), *more], cwd=directory or self.files, env=self.site.vy_env()) as terminal:
            for question, answer in answers:
                terminal.answer(question, answer)
            return terminal.end(code)

    def openssl(self, *arguments):
        return subprocess.run(["openssl", *arguments], cwd=self.files, check=True, capture_output=True, text=True).stdout

    def signed_in(self, code=0):
        """vy signs in with the certificate, as the service principal; its home is its own."""
        home = self.site.base / "batch-home"
        home.mkdir(exist_ok=True)
        environment = {name: value for name, value in os.environ.items() if not name.startswith("VY_")} | {"HOME": str(home)}
        login = self.site.run([BUILD / "vy", "login", "--service-principal", "-u", self.app["appId"], "--tenant", self.site.admin["tenantId"], "--authority", self.site.admin["authorityHost"],
                               "--ca-file", self.site.dir / "ca.pem", "--certificate", self.files / "batchcertificate.pfx", "--password", "pfx word", "--allow-no-subscriptions"],
                              code=code, env=environment)
        return login, environment

    def secret_of(self, environment, *more, code=0):
        return self.site.run([BUILD / "vy", "keyvault", "secret", "show", "--vault-name", "BatchVault", "--name", "batchAdminPass", *more], code=code, env=environment)

    # -- "Obtain a certificate"

    def test_01_use_makecert_to_create_self_signed_certificate_files(self):
        """"use the makecert tool to create self-signed certificate files called batchcertificate.cer and batchcertificate.pvk"."""
        literal = self.site.base / "literal"
        literal.mkdir()
        seen = self.on_terminal(MAKECERT, (NEW_KEY, "key word"), (AGAIN, "key word"), directory=literal)
        self.assertIn("warning: the certificate ends at 2019-09-23T00:00:00Z, which is not after its start", seen)
        self.assertEqual(sorted(path.name for path in literal.iterdir()), ["batchcertificate.cer", "batchcertificate.pvk"])
        # The dates of today, with which one can sign in.
        self.on_terminal(MAKECERT.replace("09/23/2019 -e 09/23/2019", f"{day(-1):%m/%d/%Y} -e {day(365):%m/%d/%Y}"), (NEW_KEY, "key word"), (AGAIN, "key word"))
        self.assertIn("CN = batch.cert.mydomain.org", self.openssl("x509", "-inform", "DER", "-in", "batchcertificate.cer", "-noout", "-subject", "-checkend", "0"))
        for line in ("makecert -sv other.pvk -n nothing other.cer -r", "makecert -sv other.pvk -n CN=x other.cer -r -b 13/45/2026", "makecert -sv other.pvk -n CN=x other.cer -r -len 512"):
            self.on_terminal(line, code=2)
        self.assertEqual(sorted(path.name for path in self.files.iterdir()), ["batchcertificate.cer", "batchcertificate.pvk"])

    def test_02_use_pvk2pfx_to_convert_them_to_a_single_pfx(self):
        """"Use the pvk2pfx tool to convert the .cer and .pvk files created by makecert to a single .pfx file." """
        self.assertIn("password", self.on_terminal(PVK2PFX, (OLD_KEY, "wrong word"), code=1))
        self.assertFalse((self.files / "batchcertificate.pfx").exists())
        seen = self.on_terminal(PVK2PFX, (OLD_KEY, "key word"), (NEW_PFX, "pfx word"), (AGAIN, "pfx word"))
        self.assertNotIn("word\r", seen)
        self.openssl("pkcs12", "-in", "batchcertificate.pfx", "-passin", "pass:pfx word", "-nodes", "-out", "both.pem")
        der = (self.files / "batchcertificate.cer").read_bytes()
        type(self).thumbprint, type(self).cred_value = hashlib.sha1(der).hexdigest(), base64.b64encode(der).decode()

    # -- "Create a service principal"

    def application(self, *dates, code=0, key=None, name="Batch Key Vault Access", uri=URL):
        return self.vy("ad", "app", "create", "--display-name", name, "--web-home-page-url", uri, "--identifier-uris", uri, "--key-value", key or self.cred_value,
                       "--start-date", dates[0], "--end-date", dates[1], code=code)

    def test_03_create_an_application_that_uses_this_certificate(self):
        """"Create a new AAD application that uses this certificate"; "Set this to the expiration date of the certificate"."""
        self.assertIn("endDateTime is in the past", self.application("2020-02-10", "2021-02-10", code=1).stderr)       # the document's own dates
        now, later = f"{day(-1):%Y-%m-%d}", f"{day(300):%Y-%m-%d}"
        self.assertIn("no certificate", self.application(now, later, key=base64.b64encode(b"no certificate").decode(), code=1).stderr)
        self.application("10th of February", later, code=2)
        self.assertEqual(self.vy("ad", "app", "list", "--display-name", "Batch Key Vault Access"), [])
        type(self).app = self.application(now, later)
        self.assertEqual((self.app["displayName"], self.app["identifierUris"], self.app["web"]["homePageUrl"]), ("Batch Key Vault Access", [URL], URL))
        credential = self.vy("ad", "app", "credential", "list", "--id", URL, "--cert")[0]
        self.assertEqual((credential["startDateTime"][:10], credential["endDateTime"][:10]), (now, later))
        self.assertIn("identifierUris", self.vy("ad", "app", "create", "--display-name", "Another", "--identifier-uris", URL, code=1).stderr)       # a name belongs to one
        # The request of New-AzureRmADApplication, and one with a misspelt property.
        body = {"displayName": "By request", "keyCredential": [{"key": self.cred_value}]}
        refused = self.site.call("POST", f"{self.site.admin['graph']}/v1.0/applications", body, token=self.site.token(self.site.admin["graph"]))
        self.assertEqual(refused.status, 400, refused)
        self.assertIn("keyCredential", refused.json["error"]["message"])

    def test_04_create_a_service_principal_that_uses_this_application(self):
        """"Create new AAD service principal that uses this application"; it "must be in the same Azure AD tenant as the Key Vault"."""
        type(self).principal = self.vy("ad", "sp", "create", "--id", self.app["appId"])
        self.assertEqual(sorted(self.principal["servicePrincipalNames"]), sorted([self.app["appId"], URL]))
        self.vy("ad", "sp", "create", "--id", self.app["appId"], code=1)
        self.vy("ad", "sp", "create", "--id", "https://nobody.example", code=3)
        vault = self.vy("keyvault", "show", "--name", "BatchVault")
        self.assertEqual(vault["properties"]["tenantId"], self.site.admin["tenantId"])

    def test_05_the_same_by_az(self):
        later = f"{day(300):%Y-%m-%d}"
        app = self.az("ad", "app", "create", "--display-name", "By az", "--identifier-uris", "https://az.mydomain.com", "--web-home-page-url", "https://az.mydomain.com",
                      "--key-value", self.cred_value, "--start-date", f"{day(-1):%Y-%m-%d}", "--end-date", later)
        principal = self.az("ad", "sp", "create", "--id", app["appId"])
        self.assertIn("https://az.mydomain.com", principal["servicePrincipalNames"])
        type(self).az_app = app

    # -- "Grant rights to Key Vault"

    def policies(self):
        return [(policy["objectId"], policy["permissions"].get("secrets")) for policy in self.vy("keyvault", "show", "--name", "BatchVault")["properties"]["accessPolicies"]]

    def test_06_the_principal_needs_permission_to_retrieve_the_secrets(self):
        """"Permission can be granted either through the Azure portal or with the PowerShell command below": by service principal name."""
        _, environment = self.signed_in()
        self.assertIn("Forbidden", self.secret_of(environment, code=1).stderr)
        before = self.policies()
        self.vy("keyvault", "set-policy", "--name", "BatchVault", "--spn", "\"" + URL, "--secret-permissions", "Get", code=3)       # the document's line has a quote too many
        self.vy("keyvault", "set-policy", "--name", "BatchVault", "--spn", "https://nobody.example", "--secret-permissions", "Get", code=3)
        self.vy("keyvault", "set-policy", "--name", "BatchVault", "--spn", URL, "--secret-permissions", "Gett", code=1)
        self.assertEqual(self.policies(), before)
        self.vy("keyvault", "set-policy", "--name", "BatchVault", "--spn", URL, "--secret-permissions", "Get")
        self.assertEqual([permissions for principal, permissions in self.policies() if principal == self.principal["id"]], [["Get"]])
        self.assertEqual(json.loads(self.secret_of(environment).stdout)["value"], SECRET)
        self.az("keyvault", "set-policy", "-n", "batchvault", "--spn", "https://az.mydomain.com", "--secret-permissions", "get")       # names of vaults have no case

    def test_07_it_may_retrieve_secrets_and_nothing_else(self):
        _, environment = self.signed_in()
        for command in (("list",), ("set", "-n", "new", "--value", "x"), ("delete", "-n", "batchAdminPass")):
            self.assertIn("Forbidden", self.site.run([BUILD / "vy", "keyvault", "secret", command[0], "--vault-name", "BatchVault", *command[1:]], code=1, env=environment).stderr)
        stranger = self.site.principal("stranger")
        token = self.site.token(self.site.vault_resource, stranger["appId"], stranger["password"])
        answer = self.site.call("GET", self.site.vault_url("batchvault", "/secrets/batchAdminPass?api-version=7.4"), token=token)
        self.assertEqual(answer.status, 403, answer)

    # -- "Assign a certificate to a Batch account"

    def upload(self, *more, answers=(("Password of batchcertificate.pfx: ", "pfx word"),), code=0):
        return self.on_terminal("batch certificate create --account-name doc5 --certificate-file batchcertificate.pfx", *answers, more=more, code=code)

    def test_08_upload_the_pfx_and_supply_the_password(self):
        """"Upload the .pfx file ... and supply the password. Once complete, the certificate is added to the list and you can verify the thumbprint." """
        (self.files / "none.pfx").write_text("this is no certificate")
        self.assertIn("password", self.upload(answers=(("Password of batchcertificate.pfx: ", "wrong word"),), code=1))
        self.assertIn("none.pfx", self.on_terminal("batch certificate create --account-name doc5 --certificate-file none.pfx --password x", code=1))
        self.assertIn("is not the thumbprint of the certificate", self.upload("--thumbprint", "00" * 20, code=1))
        good = {"thumbprint": self.thumbprint, "thumbprintAlgorithm": "sha1", "data": base64.b64encode((self.files / "batchcertificate.pfx").read_bytes()).decode(), "password": "pfx word"}
        for change, word in (({"password": "wrong"}, "password"), ({"thumbprint": "00" * 20}, "thumbprint"), ({"data": "aGVsbG8="}, "data"), ({"thumbPrint": "x"}, "thumbPrint")):
            answer = self.plane.call("POST", "/certificates", good | change)
            self.assertEqual(answer.status, 400, answer)
            self.assertIn(word, answer.body)
        self.assertEqual(self.vy("batch", "certificate", "list", "--account-name", "doc5"), [])
        seen = self.upload()
        self.assertIn("being retired", seen)                          # as documents 2 and 3 announce
        self.assertNotIn("pfx word", seen)
        listed = self.vy("batch", "certificate", "list", "--account-name", "doc5")
        self.assertEqual([(item["thumbprint"], item["state"]) for item in listed], [(self.thumbprint, "active")])
        shown = self.site.arm("GET", f"{self.site.subscription}/resourceGroups/doc5/providers/Microsoft.Batch/batchAccounts/doc5/certificates/SHA1-{self.thumbprint.upper()}", api="2023-05-01")
        self.assertEqual(shown.json["properties"]["thumbprint"].lower(), self.thumbprint)       # what the portal's page asks for
        self.assertEqual((self.plane.call("POST", "/certificates", good).status, self.plane.call("POST", "/certificates", good).json["code"]), (409, "CertificateExists"))

    def references(self, pool):
        return [[item["thumbprint"] for item in node.get("certificateReferences", [])] for node in self.plane.call("GET", f"/pools/{pool}/nodes").json["value"]]

    def wait_idle(self, pool, count):
        wait_for(f"{count} nodes of {pool} are idle", lambda: [node["state"] for node in self.plane.call("GET", f"/pools/{pool}/nodes").json["value"]] == ["idle"] * count)

    def test_09_the_certificate_is_loaded_on_all_nodes_in_the_pool(self):
        """"assign the certificate ... ensure you select LocalMachine for the store location. The certificate is loaded on all Batch nodes in the pool." """
        reference = {"thumbprint": self.thumbprint, "thumbprintAlgorithm": "sha1", "storeLocation": "LocalMachine", "visibility": ["task"]}
        document = self.files / "pool.json"
        for change, status in (({"storeLocation": "Anywhere"}, "storeLocation"), ({"thumbprint": "00" * 20}, "InvalidCertificateReferences"), ({"storelocation": "LocalMachine"}, "storelocation")):
            document.write_text(json.dumps(pool_body("doc5pool", [reference | change])))
            self.assertIn(status, self.vy("batch", "pool", "create", "--account-name", "doc5", "--json-file", str(document), code=1).stderr)
        document.write_text(json.dumps(pool_body("doc5pool", [reference], nodes=2)))
        pool = self.vy("batch", "pool", "create", "--account-name", "doc5", "--json-file", str(document))
        self.assertEqual(pool["certificateReferences"][0]["storeLocation"], "localmachine")
        self.wait_idle("doc5pool", 2)
        self.assertEqual(self.references("doc5pool"), [[self.thumbprint]] * 2)

    def test_10_a_pool_that_is_there_gets_it_with_its_next_start(self):
        """"Create a Batch pool, then go to the certificate tab in the pool and assign the certificate you created. The certificate is now on all Batch nodes." """
        document = self.files / "pool.json"
        document.write_text(json.dumps(pool_body("earlier", [])))
        self.vy("batch", "pool", "create", "--account-name", "doc5", "--json-file", str(document))
        self.wait_idle("earlier", 1)
        self.vy("batch", "pool", "set", "--account-name", "doc5", "--pool-id", "earlier", "--certificate-references", self.thumbprint)
        self.assertEqual(self.references("earlier"), [[]])
        node = self.plane.call("GET", "/pools/earlier/nodes").json["value"][0]
        self.assertEqual(self.plane.call("POST", f"/pools/earlier/nodes/{node['id']}/reboot", {}).status, 202)
        wait_for("the node has it", lambda: self.references("earlier") == [[self.thumbprint]])
        self.wait_idle("earlier", 1)
        self.assertEqual(self.vy("batch", "certificate", "delete", "--account-name", "doc5", "--thumbprint", self.thumbprint, "--yes"), None)
        wait_for("it is in use", lambda: self.vy("batch", "certificate", "show", "--account-name", "doc5", "--thumbprint", self.thumbprint)["state"] == "deletefailed")
        self.vy("batch", "certificate", "cancel-delete", "--account-name", "doc5", "--thumbprint", self.thumbprint)

    # -- "Install Azure PowerShell", "Access Key Vault"

    def task(self, name, script, **more):
        """The finished task and what it printed."""
        settings = {"APP_ID": self.app["appId"], "TENANT_ID": self.site.admin["tenantId"], "AUTHORITY": self.site.admin["authorityHost"], "THUMBPRINT": self.thumbprint,
                    "VAULT_RESOURCE": self.site.vault_resource, "VAULT_URL": self.site.vault_url("batchvault"), "SCRIPT": script}
        body = {"id": name, "commandLine": '/bin/sh -c "printf %s \\"$SCRIPT\\" | /bin/sh"', "environmentSettings": [{"name": key, "value": value} for key, value in settings.items()], **more}
        answer = self.plane.call("POST", "/jobs/doc5job/tasks", body)
        self.assertEqual(answer.status, 201, answer)
        done = wait_for(f"{name} is completed", lambda: (lambda task: task if task["state"] == "completed" else None)(self.plane.call("GET", f"/jobs/doc5job/tasks/{name}").json))
        return done["executionInfo"], [self.file_of(done, f"{stream}.txt").body for stream in ("stdout", "stderr")]

    def file_of(self, task, name):
        """A file of a finished task, from its node."""
        info = task["nodeInfo"]
        return self.plane.call("GET", f"/pools/{info['poolId']}/nodes/{info['nodeId']}/files/{info['taskRootDirectory'].removeprefix('/mnt/batch/tasks/')}/{name}")

    def test_11_a_script_in_a_task_authenticates_with_the_certificate(self):
        """"all you need is for your script to authenticate against Azure AD using the certificate ... Once authenticated, access KeyVault as you normally would." """
        answer = self.plane.call("POST", "/jobs", {"id": "doc5job", "poolInfo": {"poolId": "doc5pool"}})
        self.assertEqual(answer.status, 201, answer)
        digest = hashlib.sha256(SECRET.encode()).hexdigest()
        for name, script in (("by-vy", SCRIPT), ("by-curl", PLAIN)):
            with self.subTest(name):
                info, (out, err) = self.task(name, script)
                self.assertEqual((info["exitCode"], out.split()[:1]), (0, [digest]), err)

    def test_12_it_lies_there_for_the_tasks_own_account_and_as_long_as_the_task_runs(self):
        look = 'id -u; stat -c "%a %u" $AZ_BATCH_CERTIFICATES_DIR $AZ_BATCH_CERTIFICATES_DIR/sha1-$THUMBPRINT.pfx $AZ_BATCH_CERTIFICATES_DIR/sha1-$THUMBPRINT.pfx.pw; echo $AZ_BATCH_CERTIFICATES_DIR'
        info, (out, err) = self.task("look", look)
        user, *modes, directory = out.split("\n")[:5]
        self.assertEqual((info["exitCode"], modes), (0, [f"500 {user}", f"400 {user}", f"400 {user}"]), err)
        self.assertTrue(directory.endswith("/workitems/doc5job/job-1/look/certs"), directory)
        task = self.plane.call("GET", "/jobs/doc5job/tasks/look").json
        self.assertEqual(self.file_of(task, "stdout.txt").status, 200)
        self.assertEqual(self.file_of(task, f"certs/sha1-{self.thumbprint}.pfx").status, 404)

    def test_13_a_start_task_prepares_what_scripts_need(self):
        """"bundle up the Azure PowerShell .msi file with your Batch files, and then call the installer as the first part of your Batch startup script"."""
        body = pool_body("prepared", [{"thumbprint": self.thumbprint, "thumbprintAlgorithm": "sha1", "visibility": ["starttask"]}],
                         startTask={"commandLine": '/bin/sh -c "cp /opt/vaultyard/bin/vy $AZ_BATCH_NODE_SHARED_DIR/vy && ls $AZ_BATCH_CERTIFICATES_DIR"', "waitForSuccess": True,
                                    "userIdentity": {"autoUser": {"scope": "pool", "elevationLevel": "admin"}}})
        answer = self.plane.call("POST", "/pools", body)
        self.assertEqual(answer.status, 201, answer)
        self.wait_idle("prepared", 1)
        node = self.plane.call("GET", "/pools/prepared/nodes").json["value"][0]
        self.assertEqual(node["startTaskInfo"]["exitCode"], 0, node)
        self.assertIn(f"sha1-{self.thumbprint}.pfx", self.plane.call("GET", f"/pools/prepared/nodes/{node['id']}/files/startup/stdout.txt").body)
        self.assertEqual(self.plane.call("POST", "/jobs", {"id": "prepared", "poolInfo": {"poolId": "prepared"}}).status, 201)
        command = '/bin/sh -c "$AZ_BATCH_NODE_SHARED_DIR/vy version && echo certificates: ${AZ_BATCH_CERTIFICATES_DIR-none}"'
        self.assertEqual(self.plane.call("POST", "/jobs/prepared/tasks", {"id": "t", "commandLine": command}).status, 201)
        wait_for("the task is completed", lambda: self.plane.call("GET", "/jobs/prepared/tasks/t").json["state"] == "completed")
        self.assertIn("certificates: none", self.file_of(self.plane.call("GET", "/jobs/prepared/tasks/t").json, "stdout.txt").body)       # its visibility is the start task's alone

    def test_14_the_same_sign_in_by_az(self):
        """Add-AzureRmAccount -ServicePrincipal -CertificateThumbprint -ApplicationId; Get-AzureKeyVaultSecret -VaultName BatchVault -Name batchAdminPass."""
        self.az("login", "--service-principal", "-u", self.az_app["appId"], "--certificate", str(self.files / "both.pem"), "--tenant", self.site.admin["tenantId"], "--allow-no-subscriptions")
        self.assertEqual(self.az("keyvault", "secret", "show", "--vault-name", "BatchVault", "--name", "batchAdminPass")["value"], SECRET)
        self.az.login()

    def test_15_expired_not_yet_valid_and_removed_credentials_are_refused(self):
        """The credential's own validity decides, and nothing after its removal."""
        login = self.signed_in()[0]
        self.assertEqual(login.returncode, 0)
        self.vy("ad", "app", "credential", "reset", "--id", URL, "--cert", str(self.files / "batchcertificate.cer"), "--start-date", f"{day(2):%Y-%m-%d}", "--end-date", f"{day(300):%Y-%m-%d}")
        self.assertIn("not valid yet", self.signed_in(code=1)[0].stderr)
        end = f"{datetime.datetime.now(datetime.timezone.utc) + datetime.timedelta(seconds=3):%Y-%m-%dT%H:%M:%SZ}"
        credentials = self.vy("ad", "app", "credential", "reset", "--id", URL, "--cert", str(self.files / "batchcertificate.cer"), "--start-date", f"{day(-1):%Y-%m-%d}", "--end-date", end)
        self.assertEqual(len(credentials), 1)
        wait_for("the credential has expired", lambda: "expired" in self.signed_in(code=None)[0].stderr)
        key = self.vy("ad", "app", "credential", "reset", "--id", URL, "--cert", str(self.files / "batchcertificate.cer"))[0]["keyId"]
        self.signed_in()
        self.vy("ad", "app", "credential", "delete", "--id", URL, "--cert", "--key-id", key)
        self.assertIn("AADSTS700027", self.signed_in(code=1)[0].stderr)
        self.vy("ad", "app", "credential", "delete", "--id", URL, "--cert", "--key-id", key, code=3)
        info, _ = self.task("refused", SCRIPT)
        self.assertNotEqual(info["exitCode"], 0)

    def test_16_nothing_of_it_was_written_where_it_does_not_belong(self):
        pfx = (self.files / "batchcertificate.pfx").read_bytes()
        self.site.stop()
        for path in [path for name in ("store", "run") for path in (self.site.dir / name).rglob("*") if path.is_file()] + [self.site.base / "serve.log"]:
            content = path.read_bytes()
            for part in (b"pfx word", pfx[100:140], SECRET.encode()):
                self.assertNotIn(part, content, path)
        self.site.start()
