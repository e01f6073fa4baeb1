"""Certificates of a Batch account, from upload to the node and back: the server alone, then real nodes. Needs root for the second."""
import base64
import json
import sqlite3
import unittest

from accountcerts import Certificate, DataPlane, pool_body
from vaultyard import BUILD, Site, wait_for

FEATURE = "/providers/Vaultyard.Batch/certificateFeature"
KEPT = "/run/vaultyard/certificates.json"


def code(answer):
    return answer.status, (answer.json.get("code") or answer.json["error"]["code"])


class Base(unittest.TestCase):
    nodes = False

    @classmethod
    def setUpClass(cls):
        cls.site = Site(nodes=cls.nodes).start()
        cls.addClassCleanup(cls.site.close)
        cls.vy = staticmethod(cls.site.vy)
        cls.vy("group", "create", "-n", "g", "-l", "local")
        cls.vy("batch", "account", "create", "-n", "certs", "-g", "g", "-l", "local")
        cls.plane = DataPlane(cls.site, "g", "certs")
        cls.call = staticmethod(cls.plane.call)

    @classmethod
    def made(cls, name, **how):
        return Certificate(cls.site.base, name, **how)

    def added(self, name):
        certificate = self.made(name)
        self.assertEqual(self.call("POST", "/certificates", certificate.body()).status, 201)
        return certificate

    def state(self, certificate):
        answer = self.call("GET", certificate.path())
        return answer.json["state"] if answer.status == 200 else answer.status

    def wait_state(self, certificate, state):
        wait_for(f"the certificate is {state}", lambda: self.state(certificate) == state)

    def set_feature(self, state, date=None):
        answer = self.site.arm("PUT", FEATURE, {"properties": {"state": state, **({"retirementDate": date} if date else {})}})
        self.assertEqual(answer.status, 200, answer)


class Upload(Base):
    def test_a_pfx_with_its_password_is_listed_and_never_given_back(self):
        certificate = self.added("good")
        answer = self.call("GET", certificate.path())
        self.assertEqual((answer.status, answer.json["state"], answer.json["thumbprint"]), (200, "active", certificate.thumbprint))
        self.assertEqual(base64.b64decode(answer.json["publicData"]), certificate.cer.read_bytes())
        listed = self.call("GET", "/certificates").json["value"]
        self.assertIn(certificate.thumbprint, [item["thumbprint"] for item in listed])
        for text in (answer.body, json.dumps(listed)):
            self.assertNotIn("password", text)
            self.assertNotIn(base64.b64encode(certificate.pfx.read_bytes()).decode()[:64], text)
        shown = self.site.arm("GET", f"{self.site.subscription}/resourceGroups/g/providers/Microsoft.Batch/batchAccounts/certs/certificates/SHA1-{certificate.thumbprint.upper()}",
                              api="2023-05-01")
        self.assertEqual((shown.status, shown.json["properties"]["provisioningState"], shown.json["properties"]["format"]), (200, "Succeeded", "Pfx"))

    def test_a_cer_comes_without_a_password(self):
        certificate = self.made("public")
        self.assertEqual(code(self.call("POST", "/certificates", certificate.cer_body(password="x"))), (400, "InvalidPropertyValue"))
        self.assertEqual(self.call("POST", "/certificates", certificate.cer_body()).status, 201)
        self.assertEqual(self.state(certificate), "active")

    def test_what_is_wrong_is_named_and_changes_nothing(self):
        certificate, other = self.made("wrong"), self.made("other")
        cases = (("a wrong password", certificate.body(password="wrong"), "password"), ("no password", certificate.body(password=None), "password"),
                 ("another thumbprint", certificate.body(thumbprint=other.thumbprint), "thumbprint"), ("no thumbprint at all", certificate.body(thumbprint="xyz"), "thumbprint"),
                 ("another algorithm", certificate.body(thumbprintAlgorithm="sha256"), "thumbprintAlgorithm"), ("bad base64", certificate.body(data="%%%"), "data"),
                 ("no certificate", certificate.body(data=base64.b64encode(b"hello").decode()), "data"), ("a .pfx as .cer", certificate.body(certificateFormat="cer", password=None), "data"),
                 ("a .cer as .pfx", certificate.cer_body(certificateFormat="pfx", password="pw"), "data"), ("another format", certificate.body(certificateFormat="p7b"), "certificateFormat"),
                 ("more than 10 KB", certificate.body(data=base64.b64encode(bytes(11 * 1024)).decode()), "data"), ("a misspelt property", certificate.body(passwort="pw"), "passwort"))
        before = self.call("GET", "/certificates").json["value"]
        for name, body, field in cases:
            with self.subTest(name):
                answer = self.call("POST", "/certificates", body)
                self.assertEqual(answer.status, 400, answer)
                self.assertIn(field, answer.body)
        self.assertEqual(self.call("GET", "/certificates").json["value"], before)

    def test_the_same_again_is_a_conflict(self):
        certificate = self.added("twice")
        self.assertEqual(code(self.call("POST", "/certificates", certificate.body())), (409, "CertificateExists"))

    def test_one_that_nobody_uses_is_deleted(self):
        certificate = self.added("unused")
        self.assertEqual(self.call("DELETE", certificate.path()).status, 202)
        self.wait_state(certificate, 404)
        self.assertEqual(code(self.call("DELETE", certificate.path())), (404, "CertificateNotFound"))
        self.assertEqual(code(self.call("POST", certificate.path("/canceldelete"))), (404, "CertificateNotFound"))

    def test_one_that_a_pool_names_is_not_and_its_deletion_can_be_cancelled(self):
        certificate = self.added("used")
        self.assertEqual(code(self.call("POST", certificate.path("/canceldelete"))), (409, "CertificateStateActive"))
        self.assertEqual(self.call("POST", "/pools", pool_body("holder", [certificate.reference()], nodes=0)).status, 201)
        self.assertEqual(self.call("DELETE", certificate.path()).status, 202)
        self.wait_state(certificate, "deletefailed")
        error = self.call("GET", certificate.path()).json["deleteCertificateError"]
        self.assertEqual((error["code"], error["values"]), ("PoolsReferencingCertificate", [{"name": "Pools", "value": "holder"}]))
        self.assertEqual(code(self.call("POST", "/pools", pool_body("another", [certificate.reference()], nodes=0))), (409, "InvalidCertificateReferences"))
        self.assertEqual(self.call("POST", certificate.path("/canceldelete")).status, 204)
        self.assertEqual(self.state(certificate), "active")
        self.assertEqual(self.call("DELETE", "/pools/holder").status, 202)
        wait_for("the pool is gone", lambda: self.call("GET", "/pools/holder").status == 404)
        self.assertEqual(self.call("DELETE", certificate.path()).status, 202)
        self.wait_state(certificate, 404)

    def test_references_come_by_add_patch_and_update_properties(self):
        first, second, missing = self.added("first"), self.added("second"), self.made("missing")
        self.assertEqual(code(self.call("POST", "/pools", pool_body("refs", [missing.reference()], nodes=0))), (409, "InvalidCertificateReferences"))
        bad = (("visibility", first.reference("everybody")), ("storeLocation", first.reference(storeLocation="somewhere")),
               ("thumbprintAlgorithm", first.reference(thumbprintAlgorithm="md5")), ("storeNam", first.reference(storeNam="My")))
        for field, reference in bad:
            answer = self.call("POST", "/pools", pool_body("refs", [reference], nodes=0))
            self.assertEqual(answer.status, 400, answer)
            self.assertIn(field, answer.body)
        self.assertEqual(self.call("GET", "/pools/refs").status, 404)
        self.assertEqual(self.call("POST", "/pools", pool_body("refs", [first.reference("task", storeLocation="localmachine")], nodes=0)).status, 201)

        def shown():
            return [(item["thumbprint"], item["storeLocation"], item["storeName"], item["visibility"]) for item in self.call("GET", "/pools/refs").json.get("certificateReferences", [])]
        self.assertEqual(shown(), [(first.thumbprint, "localmachine", "My", ["task"])])
        self.assertEqual(code(self.call("PATCH", "/pools/refs", {"certificateReferences": [missing.reference()]})), (409, "InvalidCertificateReferences"))
        self.assertEqual(self.call("PATCH", "/pools/refs", {"certificateReferences": [second.reference()]}).status, 200)
        self.assertEqual(shown(), [(second.thumbprint, "currentuser", "My", ["starttask", "task", "remoteuser"])])
        self.assertEqual(self.call("PATCH", "/pools/refs", {"metadata": [{"name": "a", "value": "b"}]}).status, 200)
        self.assertEqual(len(shown()), 1)                            # PATCH leaves what it does not name
        self.assertEqual(code(self.call("POST", "/pools/refs/updateproperties", {"metadata": []})), (400, "MissingRequiredProperty"))
        empty = {"certificateReferences": [], "applicationPackageReferences": [], "metadata": []}
        self.assertEqual(self.call("POST", "/pools/refs/updateproperties", empty | {"certificateReferences": [first.reference("starttask")]}).status, 204)
        self.assertEqual(shown(), [(first.thumbprint, "currentuser", "My", ["starttask"])])
        self.assertEqual(self.call("POST", "/pools/refs/updateproperties", empty).status, 204)
        self.assertEqual(shown(), [])
        self.assertEqual(self.call("DELETE", first.path()).status, 202)
        self.wait_state(first, 404)

    def test_who_may_only_read_adds_and_deletes_nothing(self):
        certificate = self.added("guarded")
        reader = self.site.principal("certificate-reader")
        self.vy("role", "assignment", "create", "--assignee", reader["appId"], "--role", "Reader", "--scope", f"{self.site.subscription}/resourceGroups/g")
        token = self.site.token(f"https://{self.site.admin['batchDnsSuffix']}", reader["appId"], reader["password"])
        self.assertEqual(self.call("GET", certificate.path(), token=token).status, 200)
        self.assertEqual(self.call("DELETE", certificate.path(), token=token).status, 403)
        self.assertEqual(self.call("POST", "/certificates", self.made("stranger").body(), token=token).status, 403)
        self.assertEqual(self.state(certificate), "active")

    def test_the_store_and_the_logs_hold_neither_key_nor_password(self):
        certificate = self.made("sealed", password="a-password-nobody-else-has")
        self.assertEqual(self.call("POST", "/certificates", certificate.body()).status, 201)
        self.site.call("POST", f"https://{self.plane.endpoint}/certificates?api-version=2023-05-01.17.0", certificate.body(thumbprint="00" * 20))      # a refused one, too
        self.site.kill()
        self.site.start()
        type(self).plane = DataPlane(self.site, "g", "certs")
        type(self).call = staticmethod(self.plane.call)
        self.assertEqual(self.state(certificate), "active")
        pfx = certificate.pfx.read_bytes()
        parts = (b"a-password-nobody-else-has", pfx[100:140], base64.b64encode(pfx)[132:180])
        files = [path for path in self.site.dir.rglob("*") if path.is_file()] + [self.site.base / "serve.log"]
        self.assertGreater(len(files), 3)
        for path in files:
            content = path.read_bytes()
            for part in parts:
                self.assertNotIn(part, content, path)


class Retirement(Base):
    """The feature's life: each test sets the state that it is about."""

    def test_1_a_new_site_is_retiring_and_says_so(self):
        answer = self.site.arm("GET", FEATURE)
        self.assertEqual((answer.status, answer.json["properties"]["state"]), (200, "retiring"))
        certificate = self.made("late")
        added = self.call("POST", "/certificates", certificate.body())
        self.assertEqual(added.status, 201)
        self.assertIn("retired", added.headers["azure-deprecating"])
        self.assertIn("batch.certificates_retiring", self.site.log_tail())
        pool = self.call("POST", "/pools", pool_body("late", [certificate.reference()], nodes=0))
        self.assertEqual(pool.status, 201)
        self.assertIn("azure-deprecating", pool.headers)
        self.assertNotIn("azure-deprecating", self.call("POST", "/pools", pool_body("none", [], nodes=0)).headers)
        type(self).late = certificate

    def test_2_enabled_says_nothing(self):
        self.set_feature("enabled")
        self.assertNotIn("azure-deprecating", self.call("GET", "/certificates").headers)

    def test_3_only_an_owner_sets_it_and_only_to_what_there_is(self):
        stranger = self.site.principal("feature-setter")
        self.vy("role", "assignment", "create", "--assignee", stranger["appId"], "--role", "Contributor", "--scope", self.site.subscription)
        token = self.site.token(client_id=stranger["appId"], secret=stranger["password"])
        self.assertEqual(self.site.arm("PUT", FEATURE, {"properties": {"state": "retired"}}, token=token).status, 403)
        self.assertEqual(self.site.arm("GET", FEATURE, token=token).status, 200)
        for properties in ({"state": "gone"}, {}, {"state": "retired", "retirementDate": "soon"}, {"state": "retired", "date": "2030-01-01T00:00:00Z"}):
            self.assertEqual(self.site.arm("PUT", FEATURE, {"properties": properties}).status, 400, properties)
        self.assertEqual(self.site.arm("GET", FEATURE).json["properties"], {"state": "enabled"})

    def test_4_retired_refuses_what_is_new_and_shows_what_is_there(self):
        certificate, other = self.late, self.made("too-late")
        self.set_feature("retired")
        refused = (self.call("POST", "/certificates", other.body()), self.call("POST", "/pools", pool_body("new", [certificate.reference()], nodes=0)),
                   self.call("PATCH", "/pools/late", {"certificateReferences": []}), self.call("PATCH", "/pools/none", {"certificateReferences": [certificate.reference()]}),
                   self.call("POST", "/pools/late/updateproperties", {"certificateReferences": [], "applicationPackageReferences": [], "metadata": []}))
        for answer in refused:
            self.assertEqual(code(answer), (400, "CertificateRetired"), answer)
        self.assertEqual(self.call("GET", certificate.path()).json["state"], "active")
        self.assertEqual([item["thumbprint"] for item in self.call("GET", "/certificates").json["value"]], [certificate.thumbprint])
        self.assertEqual(self.call("GET", "/pools/late").json["certificateReferences"][0]["thumbprint"], certificate.thumbprint)
        self.assertIn(certificate.thumbprint, self.call("GET", "/pools").body)
        self.assertEqual(self.call("PATCH", "/pools/late", {"metadata": [{"name": "a", "value": "b"}]}).status, 200)      # what is no reference may change
        self.assertEqual(self.call("POST", "/pools", pool_body("new", [], nodes=0)).status, 201)
        self.assertEqual(self.call("DELETE", "/pools/late").status, 202)
        wait_for("the pool is gone", lambda: self.call("GET", "/pools/late").status == 404)
        self.assertEqual(self.call("DELETE", certificate.path()).status, 202)
        self.wait_state(certificate, 404)

    def test_5_a_date_retires_them_when_it_comes(self):
        self.set_feature("retiring", "2050-01-01T00:00:00Z")
        self.assertIn("2050-01-01", self.call("GET", "/certificates").headers["azure-deprecating"])
        self.assertEqual(self.call("POST", "/certificates", self.made("before").body()).status, 201)
        self.vy("dev", "clock", "advance", "10000d")
        self.assertEqual(self.site.arm("GET", FEATURE).json["properties"]["state"], "retired")
        self.assertEqual(code(self.call("POST", "/certificates", self.made("after").body())), (400, "CertificateRetired"))


class ByCommand(Base):
    """vy batch certificate, in the words of az from when it had them."""

    def vyc(self, *arguments, code=0, input=None):
        return self.site.run([BUILD / "vy", "batch", "certificate", *arguments, "--account-name", "certs"], code=code, input=input, env=self.site.vy_env())

    def test_1_create_list_show_and_delete(self):
        certificate = self.made("command")
        done = self.vyc("create", "--certificate-file", str(certificate.pfx), "--password", "pw", "--thumbprint", certificate.thumbprint.upper())
        shown = json.loads(done.stdout)
        self.assertEqual((shown["thumbprint"], shown["state"]), (certificate.thumbprint, "active"))
        self.assertIn("warning: Batch account certificates are being retired", done.stderr)
        self.assertEqual(done.stderr.count("warning:"), 1)
        self.assertEqual([item["thumbprint"] for item in json.loads(self.vyc("list").stdout)], [certificate.thumbprint])
        self.assertEqual(json.loads(self.vyc("list", "--filter", "state eq 'deletefailed'").stdout), [])
        self.assertEqual(json.loads(self.vyc("show", "--thumbprint", certificate.thumbprint).stdout)["publicData"], base64.b64encode(certificate.cer.read_bytes()).decode())
        self.vyc("delete", "--thumbprint", certificate.thumbprint, "--yes")
        self.wait_state(certificate, 404)
        self.assertIn("CertificateNotFound", self.vyc("show", "--thumbprint", certificate.thumbprint, code=3).stderr)

    def test_2_the_password_comes_from_a_file_or_standard_input_and_the_thumbprint_from_the_file(self):
        for name, given, text in (("c-file", None, None), ("c-stdin", "-", "pw\n"), ("c-empty", "", None)):
            certificate = self.made(name, password="" if name == "c-empty" else "pw")
            (self.site.base / "password").write_text("pw\n")
            given = f"@{self.site.base}/password" if given is None else given
            self.vyc("create", "--certificate-file", str(certificate.pfx), "--password", given, input=text)
            self.assertEqual(self.state(certificate), "active")
        certificate = self.made("c-public")
        self.vyc("create", "--certificate-file", str(certificate.cer))
        self.assertEqual(self.state(certificate), "active")
        certificate = self.made("c-pem")
        self.vyc("create", "--certificate-file", str(certificate.pem))
        self.assertEqual(self.state(certificate), "active")

    def test_3_bad_input_is_said_and_nothing_is_sent(self):
        certificate, other = self.made("c-bad"), self.made("c-other")
        (self.site.base / "hello").write_text("hello")
        both = self.site.base / "both.pem"
        both.write_text(certificate.key.read_text() + certificate.pem.read_text())
        cases = ((["--certificate-file", str(certificate.pfx), "--password", "wrong"], 1, "password"), (["--certificate-file", str(certificate.pfx)], 1, "terminal"),
                 (["--certificate-file", str(certificate.cer), "--password", "x"], 2, "has no password"), (["--certificate-file", str(self.site.base / "hello"), "--password", "x"], 1, "hello"),
                 (["--certificate-file", str(both)], 1, "openssl pkcs12"), (["--certificate-file", "/absent"], 3, "/absent"), ([], 2, "--certificate-file"),
                 (["--certificate-file", str(certificate.pfx), "--password", "pw", "--thumbprint", other.thumbprint], 1, "thumbprint"))
        before = self.call("GET", "/certificates").json["value"]
        for arguments, exit_code, word in cases:
            with self.subTest(arguments):
                done = self.site.run(["setsid", BUILD / "vy", "batch", "certificate", "create", "--account-name", "certs", *arguments], code=exit_code, env=self.site.vy_env())
                self.assertIn(word, done.stderr)
        self.assertEqual(self.call("GET", "/certificates").json["value"], before)

    def test_4_a_failed_deletion_is_cancelled_and_pools_are_changed(self):
        certificate = self.added("c-used")
        document = self.site.base / "pool.json"
        document.write_text(json.dumps(pool_body("cli", [], nodes=0)))
        self.vy("batch", "pool", "create", "--account-name", "certs", "--json-file", str(document))
        pool = self.vy("batch", "pool", "set", "--account-name", "certs", "--pool-id", "cli", "--certificate-references", certificate.thumbprint)
        self.assertEqual([item["thumbprint"] for item in pool["certificateReferences"]], [certificate.thumbprint])
        for cancel in (("cancel-delete",), ("delete", "--abort")):
            self.vyc("delete", "--thumbprint", certificate.thumbprint, "--yes")
            self.wait_state(certificate, "deletefailed")
            self.assertEqual(json.loads(self.vyc(*cancel, "--thumbprint", certificate.thumbprint).stdout)["state"], "active")
        self.assertIn("CertificateStateActive", self.vyc("cancel-delete", "--thumbprint", certificate.thumbprint, code=1).stderr)
        document.write_text(json.dumps({"certificateReferences": [certificate.reference("task")], "applicationPackageReferences": [], "metadata": []}))
        self.assertEqual(self.vy("batch", "pool", "reset", "--account-name", "certs", "--pool-id", "cli", "--json-file", str(document))["certificateReferences"][0]["visibility"], ["task"])
        self.assertNotIn("certificateReferences", self.vy("batch", "pool", "set", "--account-name", "certs", "--pool-id", "cli", "--certificate-references", ""))
        self.vy("batch", "pool", "set", "--account-name", "certs", "--pool-id", "cli", code=2)

    def test_5_the_feature_is_shown_and_set(self):
        shown = self.vy("batch", "certificate", "feature", "show")
        self.assertEqual(shown["state"], "retiring")
        self.assertEqual(self.vy("batch", "certificate", "feature", "set", "--retirement-date", "2060-01-31")["retirementDate"][:20], "2060-01-31T00:00:00.")
        self.assertIn("2060-01-31", self.vyc("list").stderr)
        self.assertEqual(self.vy("batch", "certificate", "feature", "set", "--state", "enabled")["state"], "enabled")
        self.assertEqual(self.vyc("list").stderr, "")
        for wrong, exit_code in ((["--state", "gone"], 1), ([], 2), (["--retirement-date", "soon"], 2)):
            self.vy("batch", "certificate", "feature", "set", *wrong, code=exit_code)
        stranger = self.site.principal("cli-feature")
        self.vy("batch", "certificate", "feature", "set", "--state", "retired", code=1, admin=self.site.profile_of(stranger, "stranger"))
        self.assertEqual(self.vy("batch", "certificate", "feature", "set", "--state", "retired")["state"], "retired")
        certificate = self.made("c-late")
        self.assertIn("CertificateRetired", self.vyc("create", "--certificate-file", str(certificate.pfx), "--password", "pw", code=1).stderr)


class OnNodes(Base):
    nodes = True

    def run_on(self, pool, *command, want=0):
        done = self.site.run([BUILD / "vy", "batch", "node", "exec", "--account-name", "certs", "--pool-id", pool, "--node-id", self.node(pool)["id"], "--", *command],
                             env=self.site.vy_env(), code=want)
        return done.stdout

    def node(self, pool):
        return self.call("GET", f"/pools/{pool}/nodes").json["value"][0]

    def wait_idle(self, pool):
        wait_for(f"the node of {pool} is idle", lambda: (lambda found: found and found[0]["state"] == "idle")(self.call("GET", f"/pools/{pool}/nodes").json["value"]))

    def reboot(self, pool):
        before = self.node(pool)
        self.assertEqual(self.call("POST", f"/pools/{pool}/nodes/{before['id']}/reboot", {}).status, 202)
        wait_for("it started again", lambda: (lambda now: now["state"] == "idle" and now["lastBootTime"] != before["lastBootTime"])(self.node(pool)))

    def kept(self, pool):
        return [(item["thumbprint"], item["visibility"]) for item in json.loads(self.run_on(pool, "cat", KEPT))]

    def given(self):
        """How often certificates left the server, by its audit."""
        store = sqlite3.connect(f"file:{self.site.dir}/store/vaultyard.db?mode=ro", uri=True)
        try:
            return store.execute("SELECT COUNT(*) FROM audit_record WHERE record LIKE '%NodeCertificatesGet%'").fetchone()[0]
        finally:
            store.close()

    def test_1_a_new_node_has_what_its_pool_names_and_no_more(self):
        first, second, third = self.added("n-first"), self.added("n-second"), self.added("n-third")
        self.assertEqual(self.call("POST", "/pools", pool_body("p", [first.reference("task"), second.reference("starttask", "remoteuser")])).status, 201)
        self.wait_idle("p")
        self.assertEqual(sorted(self.kept("p")), sorted([(first.thumbprint, ["task"]), (second.thumbprint, ["starttask", "remoteuser"])]))
        self.assertEqual(self.run_on("p", "stat", "-c", "%a %u %g", KEPT).strip(), "600 0 0")
        self.run_on("p", "setpriv", "--reuid", "1000", "--regid", "1001", "--clear-groups", "cat", KEPT, want=1)
        self.assertEqual(sorted(item["thumbprint"] for item in self.node("p")["certificateReferences"]), sorted([first.thumbprint, second.thumbprint]))
        self.assertEqual(self.given(), 1)
        type(self).first, type(self).second, type(self).third = first, second, third

    def test_2_another_list_reaches_the_node_when_it_starts_again(self):
        self.assertEqual(self.call("PATCH", "/pools/p", {"certificateReferences": [self.third.reference("task")]}).status, 200)
        self.assertEqual(len(self.kept("p")), 2)
        self.assertEqual(self.call("DELETE", self.first.path()).status, 202)
        self.wait_state(self.first, "deletefailed")                   # no pool names it, but the node has it still
        self.assertEqual(self.call("GET", self.first.path()).json["deleteCertificateError"]["code"], "NodesReferencingCertificate")
        self.reboot("p")
        self.assertEqual(self.kept("p"), [(self.third.thumbprint, ["task"])])
        self.assertEqual(self.given(), 2)
        self.assertEqual(self.call("DELETE", self.first.path()).status, 202)
        self.wait_state(self.first, 404)

    def test_3_the_server_may_be_killed_without_giving_them_again(self):
        before = self.run_on("p", "stat", "-c", "%i %Y", KEPT)
        self.site.kill()
        self.site.start()
        type(self).plane = DataPlane(self.site, "g", "certs")
        type(self).call = staticmethod(self.plane.call)
        self.vy("dev", "clock", "advance", "1s")                      # the node renews its lease at once and is told
        wait_for("a lease was renewed", lambda: self.run_on("p", "cat", "/run/vaultyard/clock").strip() == "1000")
        self.assertEqual(self.run_on("p", "stat", "-c", "%i %Y", KEPT), before)
        self.assertEqual(self.given(), 2)
        self.assertEqual([item["thumbprint"] for item in self.node("p")["certificateReferences"]], [self.third.thumbprint])

    def test_4_once_retired_nodes_that_run_keep_them_and_those_that_start_get_none(self):
        self.set_feature("retired")
        self.assertEqual(self.kept("p"), [(self.third.thumbprint, ["task"])])
        self.assertEqual(self.call("POST", "/pools/p/resize", {"targetDedicatedNodes": 2}).status, 202)
        nodes = wait_for("two nodes are idle", lambda: (lambda found: found if [node["state"] for node in found] == ["idle", "idle"] else None)(
            self.call("GET", "/pools/p/nodes").json["value"]))
        self.assertEqual(sorted(len(node.get("certificateReferences", [])) for node in nodes), [0, 1])
        old = [node for node in nodes if node.get("certificateReferences")][0]
        self.assertEqual(self.call("POST", f"/pools/p/nodes/{old['id']}/reboot", {}).status, 202)
        wait_for("it started again", lambda: (lambda now: now["state"] == "idle" and now["lastBootTime"] != old["lastBootTime"] and not now.get("certificateReferences"))(
            self.call("GET", f"/pools/p/nodes/{old['id']}").json))
        self.assertEqual(self.call("GET", "/pools/p").json["certificateReferences"][0]["thumbprint"], self.third.thumbprint)


class InTasks(Base):
    """Who finds what on a real node: one certificate for each kind of account."""
    nodes = True
    LOOK = "id -un; cd $AZ_BATCH_CERTIFICATES_DIR || exit 1; pwd; stat -c \\\"%n %a %U\\\" . *"

    def file_of(self, directory, name="stdout.txt", pool="seen"):
        node = self.call("GET", f"/pools/{pool}/nodes").json["value"][0]["id"]
        return self.call("GET", f"/pools/{pool}/nodes/{node}/files/{directory}/{name}")

    def run_task(self, task, command, **more):
        """Standard output of a task that ended well."""
        answer = self.call("POST", "/jobs/j/tasks", {"id": task, "commandLine": f'/bin/sh -c "{command}"', **more})
        self.assertEqual(answer.status, 201, answer)
        done = wait_for(f"{task} is completed", lambda: (lambda it: it if it["state"] == "completed" else None)(self.call("GET", f"/jobs/j/tasks/{task}").json))
        out, err = (self.file_of(f"workitems/j/job-1/{task}", f"{stream}.txt").body for stream in ("stdout", "stderr"))
        self.assertEqual(done["executionInfo"]["exitCode"], 0, out + err)
        return out

    def assert_found(self, out, user, directory, *certificates):
        """What LOOK printed: these certificates and no others, for this user alone."""
        files = sorted(f"sha1-{certificate.thumbprint}.{end}" for certificate in certificates for end in ("pfx", "pfx.pw"))
        self.assertEqual(out.split("\n")[:-1], [user, f"/mnt/batch/tasks/{directory}/certs", f". 500 {user}", *(f"{name} 400 {user}" for name in files)])

    def test_1_a_start_task_finds_its_own(self):
        kinds = {kind: self.added(f"t-{kind}") for kind in ("starttask", "task", "remoteuser")}
        body = pool_body("seen", [certificate.reference(kind) for kind, certificate in kinds.items()],
                         userAccounts=[{"name": "alice", "password": "pw-of-Alice-1", "elevationLevel": "nonAdmin"}],
                         startTask={"commandLine": f'/bin/sh -c "{self.LOOK}"', "waitForSuccess": True, "userIdentity": {"autoUser": {"scope": "pool", "elevationLevel": "nonadmin"}}})
        answer = self.call("POST", "/pools", body)
        self.assertEqual(answer.status, 201, answer)
        wait_for("the node is idle", lambda: [node["state"] for node in self.call("GET", "/pools/seen/nodes").json["value"]] == ["idle"])
        self.assert_found(self.file_of("startup").body, "_azbatch", "startup", kinds["starttask"])
        self.assertEqual(self.file_of("startup", f"certs/sha1-{kinds['starttask'].thumbprint}.pfx").status, 404)
        self.assertEqual(self.call("POST", "/jobs", {"id": "j", "poolInfo": {"poolId": "seen"}}).status, 201)
        type(self).kinds = kinds

    def test_2_tasks_find_theirs_whoever_they_run_as(self):
        identities = (("own", {"autoUser": {"scope": "task", "elevationLevel": "nonadmin"}}, None), ("pool", {"autoUser": {"scope": "pool", "elevationLevel": "nonadmin"}}, "_azbatch"),
                      ("admin", {"autoUser": {"scope": "pool", "elevationLevel": "admin"}}, "root"), ("named", {"username": "alice"}, "alice"))
        for task, identity, user in identities:
            with self.subTest(task):
                out = self.run_task(task, self.LOOK, userIdentity=identity)
                self.assert_found(out, user or out.split("\n")[0], f"workitems/j/job-1/{task}", self.kinds["task"])
        self.run_task("gone", "for d in own pool admin named; do test -d ../../$d/wd && ! test -e ../../$d/certs || exit 1; done", userIdentity={"autoUser": {"scope": "pool", "elevationLevel": "admin"}})

    def test_3_people_find_theirs_at_home_and_nobody_else_does(self):
        thumbprint = self.kinds["remoteuser"].thumbprint
        look = "cd /home/alice/certs && stat -c \\\"%n %a %U\\\" . *"
        root = {"autoUser": {"scope": "pool", "elevationLevel": "admin"}}
        self.assertEqual(self.run_task("home", look, userIdentity=root).split("\n")[:-1], [". 500 alice", f"sha1-{thumbprint}.pfx 400 alice", f"sha1-{thumbprint}.pfx.pw 400 alice"])
        self.run_task("other", f"! cat /home/alice/certs/sha1-{thumbprint}.pfx && ! cat {KEPT}")

    def test_4_without_references_there_is_no_variable_after_the_next_start(self):
        start = {"commandLine": "/bin/sh -c 'test -z ${AZ_BATCH_CERTIFICATES_DIR+x} && ! test -e /home/alice/certs'", "waitForSuccess": True,
                 "userIdentity": {"autoUser": {"scope": "pool", "elevationLevel": "admin"}}}
        self.assertEqual(self.call("PATCH", "/pools/seen", {"certificateReferences": [], "startTask": start}).status, 200)
        self.run_task("still", "test -d $AZ_BATCH_CERTIFICATES_DIR")
        before = self.call("GET", "/pools/seen/nodes").json["value"][0]
        self.assertEqual(self.call("POST", f"/pools/seen/nodes/{before['id']}/reboot", {}).status, 202)
        wait_for("it started again", lambda: (lambda now: now["state"] == "idle" and now["lastBootTime"] != before["lastBootTime"])(self.call("GET", "/pools/seen/nodes").json["value"][0]))
        self.run_task("none", "test -z ${AZ_BATCH_CERTIFICATES_DIR+x} && ! test -e $AZ_BATCH_TASK_DIR/certs")
