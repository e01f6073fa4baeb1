"""Issuers of provider ACME against a real ACME server: names proved by http-01 and dns-01, renewal by the clock, refusals, kills."""
import base64
import os
import re
import subprocess
import unittest

from pebble import Pebble
from vaultyard import Site, wait_for

API = "?api-version=7.4"
HOOK = """#!/bin/sh
# present|cleanup dns-01 NAME RECORD VALUE: a record of the test's DNS. It waits while a file says so.
set -eu
echo "$1 $2 $3 $4" >>"{folder}/hook.log"
[ ! -e "{folder}/broken" ] || {{ echo "the zone is locked" >&2; exit 3; }}
while [ "$1" = present ] && [ -e "{folder}/hold" ]; do sleep 0.05; done
case $1 in
present) curl --silent --show-error --fail -d "{{\\"host\\":\\"$4.\\",\\"value\\":\\"$5\\"}}" http://127.0.0.1:{port}/set-txt ;;
cleanup) curl --silent --show-error --fail -d "{{\\"host\\":\\"$4.\\"}}" http://127.0.0.1:{port}/clear-txt ;;
esac
"""


def openssl(*arguments, input=None):
    done = subprocess.run(["openssl", *arguments], input=input, capture_output=True)
    assert done.returncode == 0, (arguments, done.stdout, done.stderr)
    return done.stdout.decode()


class Acme(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site()
        cls.pebble = Pebble(cls.site.base)
        cls.scratch = cls.site.base / "hook"
        cls.scratch.mkdir()
        cls.scratch.chmod(0o777)                     # the hook runs as the server's user
        hook = cls.site.base / "hook.sh"
        hook.write_text(HOOK.format(folder=cls.scratch, port=cls.pebble.dns_manage))
        hook.chmod(0o755)
        cls.site.serve_args = ["--acme-directory", cls.pebble.directory, "--acme-ca-file", cls.pebble.ca, "--acme-http-listen", f"127.0.0.1:{cls.pebble.http}", "--acme-hook", hook]
        cls.site.start()
        cls.site.vy("group", "create", "-n", "acme", "-l", "local")
        cls.site.vy("keyvault", "create", "-n", "acme-vault", "-g", "acme", "-l", "local")
        for kind in ("http-01", "dns-01"):
            cls.vault(cls, "PUT", f"/certificates/issuers/{kind}", {"provider": "ACME", "org_details": {"id": kind, "admin_details": [{"email": "ops@example.com"}]}})

    @classmethod
    def tearDownClass(cls):
        cls.pebble.close()
        cls.site.close()

    def vault(self, method, path, body=None, status=200):
        answer = self.site.call(method, self.site.vault_url("acme-vault", path + API), body, self.site.token(self.site.vault_resource))
        assert answer.status == status, answer
        return answer.json if answer.body else None

    def create(self, name, issuer, names, **more):
        policy = {"issuer": {"name": issuer}, "key_props": {"kty": "EC", "crv": "P-256"}, "secret_props": {"contentType": "application/x-pem-file"},
                  "x509_props": {"subject": f"CN={names[0]}", "sans": {"dns_names": names[1:]}}, **more}
        return self.vault("POST", f"/certificates/{name}/create", {"policy": policy, "tags": {"of": name}}, status=202)

    def ended(self, name):
        return wait_for(f"the end of {name}", lambda: next((o for o in [self.vault("GET", f"/certificates/{name}/pending")] if o["status"] != "inProgress"), None))

    def completed(self, name):
        operation = self.ended(name)
        self.assertEqual(operation["status"], "completed", operation)
        return self.vault("GET", f"/certificates/{name}")

    def versions(self, name):
        return [item["id"] for item in self.vault("GET", f"/certificates/{name}/versions")["value"]]

    def hooked(self):
        log = self.scratch / "hook.log"
        return log.read_text().splitlines() if log.exists() else []

    def check_chain(self, name, host):
        """The secret serves as it is: its chain leads to the ACME server's root, in order, and its key is the leaf's."""
        bundle = self.vault("GET", f"/secrets/{name}")["value"]
        parts = re.findall(r"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", bundle, re.S)
        self.assertEqual(len(parts), 2)
        root, between, leaf = (self.site.base / part for part in ("root.pem", "between.pem", "leaf.pem"))
        root.write_text(self.pebble.root()), between.write_text(parts[1]), leaf.write_text(parts[0])
        self.assertIn(": OK", openssl("verify", "-purpose", "sslserver", "-verify_hostname", host, "-CAfile", str(root), "-untrusted", str(between), str(leaf)))
        self.assertEqual(openssl("x509", "-noout", "-pubkey", input=parts[0].encode()), openssl("pkey", "-pubout", input=bundle.encode()))

    def test_http_01(self):
        operation = self.create("web", "http-01", ["web.acme.example", "www.acme.example"])
        self.assertEqual((operation["status"], operation["issuer"]["name"]), ("inProgress", "http-01"))
        request = openssl("req", "-inform", "DER", "-noout", "-text", input=base64.b64decode(operation["csr"]))
        self.assertIn("DNS:www.acme.example, DNS:web.acme.example", request)
        bundle = self.completed("web")
        self.assertTrue(bundle["attributes"]["enabled"])
        self.assertEqual(bundle["tags"], {"of": "web"})
        self.check_chain("web", "www.acme.example")
        self.check_chain("web", "web.acme.example")

    def test_dns_01_and_a_wildcard(self):
        self.create("all", "dns-01", ["all.example.net", "*.all.example.net"])
        self.completed("all")
        self.check_chain("all", "below.all.example.net")
        calls = wait_for("the records are taken back", lambda: next((calls for calls in [self.hooked()] if sum("cleanup dns-01 all." in call for call in calls) >= 2), None))
        self.assertIn("present dns-01 all.example.net _acme-challenge.all.example.net", calls)

    def test_renewal_by_the_clock(self):
        actions = [{"trigger": {"days_before_expiry": 20}, "action": {"action_type": "AutoRenew"}}]
        self.create("renewed", "http-01", ["renewed.acme.example"], lifetime_actions=actions)
        first = self.completed("renewed")
        left = first["attributes"]["exp"] - first["attributes"]["nbf"]
        self.site.vy("dev", "clock", "advance", f"{left // 86400 - 15}d")
        wait_for("a second version", lambda: len(self.versions("renewed")) == 2)
        second = self.completed("renewed")
        self.assertNotEqual(first["id"], second["id"])
        self.assertEqual(second["tags"], {"of": "renewed"})
        self.assertTrue(second["attributes"]["enabled"])
        self.check_chain("renewed", "renewed.acme.example")
        # By the shifted clock the new one is due as well, since the ACME server dates it by the real one: that must not become a storm.
        self.create("after", "http-01", ["after.acme.example"])
        self.completed("after")
        self.assertEqual(len(self.versions("renewed")), 2)

    def test_a_name_that_cannot_be_proved_fails_with_the_reason(self):
        self.pebble.tell("add-a", host="elsewhere.acme.example", addresses=["127.0.0.2"])
        self.create("elsewhere", "http-01", ["elsewhere.acme.example"])
        operation = self.ended("elsewhere")
        self.assertEqual(operation["status"], "failed")
        self.assertEqual(operation["error"]["code"], "CertificateRequestFailed")
        self.assertRegex(operation["error"]["message"], r"does not believe in the name elsewhere\.acme\.example \(http-01\): .*connection refused")
        self.assertFalse(self.vault("GET", "/certificates/elsewhere")["attributes"]["enabled"])
        self.pebble.tell("clear-a", host="elsewhere.acme.example")
        self.create("elsewhere", "http-01", ["elsewhere.acme.example"])
        self.completed("elsewhere")

    def test_a_kill_in_the_middle_loses_nothing(self):
        hold = self.scratch / "hold"
        hold.touch()
        before = len(self.hooked())
        operation = self.create("killed", "dns-01", ["killed.example.net"])
        wait_for("the hook runs", lambda: "present dns-01 killed.example.net _acme-challenge.killed.example.net" in self.hooked()[before:])
        self.site.kill()
        hold.unlink()
        self.site.start(listen=(f"127.0.0.1:{self.site.port}", f"[::1]:{self.site.port}"))
        self.assertEqual(self.vault("GET", "/certificates/killed/pending")["request_id"], operation["request_id"])
        self.completed("killed")
        self.check_chain("killed", "killed.example.net")
        wait_for("the record is taken back", lambda: any("cleanup dns-01 killed.example.net" in call for call in self.hooked()[before:]))
        self.assertEqual(len(self.versions("killed")), 1)

    def test_a_hook_that_fails_is_repeated_and_seen(self):
        broken = self.scratch / "broken"
        broken.touch()
        self.create("repaired", "dns-01", ["repaired.example.net"])
        details = wait_for("the trouble is told", lambda: next((o["status_details"] for o in [self.vault("GET", "/certificates/repaired/pending")] if "hook" in o["status_details"]), None))
        self.assertIn("the zone is locked", details)
        broken.unlink()
        self.completed("repaired")

    def test_an_acme_server_that_lost_its_memory_is_told_again(self):
        self.create("before-loss", "http-01", ["before-loss.acme.example"])
        self.completed("before-loss")
        self.pebble.stop()
        self.create("after-loss", "http-01", ["after-loss.acme.example"])
        wait_for("the trouble is told", lambda: "localhost" in self.vault("GET", "/certificates/after-loss/pending")["status_details"])
        self.pebble.start()
        self.completed("after-loss")
        self.check_chain("after-loss", "after-loss.acme.example")

    def test_a_cancelled_order_takes_its_answers_back(self):
        hold = self.scratch / "hold"
        hold.touch()
        before = len(self.hooked())
        self.create("cancelled", "dns-01", ["cancelled.example.net"])
        wait_for("the hook runs", lambda: any("present dns-01 cancelled.example.net" in call for call in self.hooked()[before:]))
        operation = self.vault("PATCH", "/certificates/cancelled/pending", {"cancellation_requested": True})
        self.assertTrue(operation["cancellation_requested"])
        hold.unlink()
        wait_for("the record is taken back", lambda: any("cleanup dns-01 cancelled.example.net" in call for call in self.hooked()[before:]))
        self.assertEqual(self.ended("cancelled")["status"], "cancelled")
        self.assertFalse(self.vault("GET", "/certificates/cancelled")["attributes"]["enabled"])

    def test_only_challenges_are_served_without_tls(self):
        for path, status in (("/.well-known/acme-challenge/none", 404), ("/certificates", 404), ("/", 404)):
            done = subprocess.run(["curl", "--silent", "-o", os.devnull, "-w", "%{http_code}", f"http://127.0.0.1:{self.pebble.http}{path}"], capture_output=True, text=True)
            self.assertEqual(done.stdout, str(status), path)


class Bound(unittest.TestCase):
    """An ACME server that takes accounts of its customers alone (RFC 8555 section 7.3.4)."""

    def test_external_account_binding(self):
        key = base64.urlsafe_b64encode(bytes(range(48))).decode().rstrip("=")
        site = Site()
        pebble = Pebble(site.base, binding={"customer-1": key})
        try:
            site.serve_args = ["--acme-directory", pebble.directory, "--acme-ca-file", pebble.ca, "--acme-http-listen", f"127.0.0.1:{pebble.http}"]
            site.start()
            site.vy("group", "create", "-n", "acme", "-l", "local")
            site.vy("keyvault", "create", "-n", "bound", "-g", "acme", "-l", "local")

            def vault(method, path, body=None):
                return site.call(method, site.vault_url("bound", path + API), body, site.token(site.vault_resource))

            def outcome(binding):
                credentials = {"account_id": pebble.directory, **({"pwd": binding} if binding else {})}
                self.assertEqual(vault("PUT", "/certificates/issuers/shop", {"provider": "ACME", "credentials": credentials}).status, 200)
                policy = {"issuer": {"name": "shop"}, "key_props": {"kty": "EC"}, "x509_props": {"subject": "CN=bound.acme.example"}}
                self.assertEqual(vault("POST", "/certificates/bound/create", {"policy": policy}).status, 202)
                return wait_for("the end", lambda: next((o for o in [vault("GET", "/certificates/bound/pending").json] if o["status"] != "inProgress"), None))

            refused = outcome(None)
            self.assertEqual(refused["status"], "failed")
            self.assertIn("xternal", refused["error"]["message"])
            self.assertEqual(outcome("customer-1:" + key[::-1])["status"], "failed")
            self.assertEqual(outcome("customer-1:" + key)["status"], "completed")
        finally:
            pebble.close()
            site.close()


if __name__ == "__main__":
    unittest.main()
