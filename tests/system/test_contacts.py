"""EmailContacts: at its trigger the vault's contacts get one mail for each version, by a real relay with TLS and a password; without a relay an event tells."""
import json
import subprocess
import unittest

from mailbox import Mailbox
from vaultyard import BUILD, Site, wait_for

API = "?api-version=7.4"


class Contacts(unittest.TestCase):
    def site_with(self, *options):
        site = Site(serve_args=options)
        self.addCleanup(site.close)
        return site

    def begin(self, site, contacts=("ops@example.com", "zo\u00eb@example.com")):
        site.start()
        site.vy("group", "create", "-n", "mail", "-l", "local")
        site.vy("keyvault", "create", "-n", "mail-vault", "-g", "mail", "-l", "local")
        if contacts:
            self.vault(site, "PUT", "/certificates/contacts", {"contacts": [{"email": address} for address in contacts]})

    def vault(self, site, method, path, body=None, status=200):
        answer = site.call(method, site.vault_url("mail-vault", path + API), body, site.token(site.vault_resource))
        self.assertEqual(answer.status, status, answer)
        return answer.json if answer.body else None

    def create(self, site, name, *actions):
        policy = {"issuer": {"name": "Self"}, "key_props": {"kty": "EC"}, "x509_props": {"subject": f"CN={name}.example", "validity_months": 12},
                  "lifetime_actions": [{"trigger": trigger, "action": {"action_type": action}} for action, trigger in actions]}
        self.vault(site, "POST", f"/certificates/{name}/create", {"policy": policy}, status=202)
        wait_for("the certificate", lambda: self.vault(site, "GET", f"/certificates/{name}/pending")["status"] == "completed")

    def mailbox(self, site, **more):
        box = Mailbox(site.base, **more)
        self.addCleanup(box.close)
        return box

    def options(self, site, box, tls):
        site.serve_args = ["--smtp-relay", f"localhost:{box.port}", "--smtp-from", "vault@example.org", "--smtp-tls", tls, "--smtp-ca-file", box.ca]
        if box.password:
            password = site.base / "smtp-password"
            password.write_text(box.password + "\n")
            password.chmod(0o644)                    # the server's user reads it
            site.serve_args += ["--smtp-user", "vault", "--smtp-password-file", password]

    def test_contacts_are_told_once_for_each_version(self):
        site = self.site_with()
        box = self.mailbox(site, password="s3cret words", refuses=["ops@example.com"])
        self.options(site, box, "starttls")
        self.begin(site)
        self.create(site, "told", ("EmailContacts", {"days_before_expiry": 30}), ("AutoRenew", {"days_before_expiry": 10}))
        self.create(site, "silent", ("AutoRenew", {"days_before_expiry": 10}))
        self.assertEqual(box.messages, [])
        site.vy("dev", "clock", "advance", "340d")
        box.wait("a mail", lambda box: box.messages)
        sender, recipients, message = box.messages[0]
        self.assertEqual((sender, recipients), ("vault@example.org", ["zo\u00eb@example.com"]))       # who is refused does not cost the others theirs
        self.assertRegex(message["Subject"], r"^Certificate told of vault mail-vault expires on \d{4}-\d\d-\d\d$")
        self.assertIn("CN=told.example", message.get_content())
        self.assertIn(self.vault(site, "GET", "/certificates/told")["id"], message.get_content())
        site.kill()                                  # what was told stays told
        site.start(listen=(f"127.0.0.1:{site.port}", f"[::1]:{site.port}"))
        # A changed action counts for the current certificate at once: silent has 25 days left.
        self.vault(site, "PATCH", "/certificates/silent/policy", {"lifetime_actions": [{"trigger": {"days_before_expiry": 60}, "action": {"action_type": "EmailContacts"}}]})
        box.wait("the other mail", lambda box: len(box.messages) == 2)
        self.assertIn("silent", box.messages[1][2]["Subject"])
        site.vy("dev", "clock", "advance", "20d")
        wait_for("told renews", lambda: len(self.vault(site, "GET", "/certificates/told/versions")["value"]) == 2)
        self.assertEqual(len(box.messages), 2)
        site.vy("dev", "clock", "advance", "345d")
        box.wait("a mail about the next version", lambda box: len(box.messages) == 3)
        self.assertIn("told", box.messages[2][2]["Subject"])
        self.assertNotEqual(box.messages[2][2]["Message-ID"], box.messages[0][2]["Message-ID"])

    def test_relay_that_is_down_gets_it_later(self):
        site = self.site_with()
        box = self.mailbox(site, tls="implicit", is_down=True)
        self.options(site, box, "implicit")
        self.begin(site, ["ops@example.com"])
        self.create(site, "late", ("EmailContacts", {"lifetime_percentage": 50}))
        site.vy("dev", "clock", "advance", "200d")
        box.wait("an attempt", lambda box: box.attempts >= 2)
        box.is_down = False
        box.wait("the mail", lambda box: box.messages)
        self.assertEqual(box.messages[0][1], ["ops@example.com"])

    def test_no_mail_goes_out_without_the_tls_that_was_asked_for(self):
        site = self.site_with()
        box = self.mailbox(site, tls="off")
        self.options(site, box, "starttls")
        self.begin(site, ["ops@example.com"])
        self.create(site, "kept", ("EmailContacts", {"lifetime_percentage": 50}))
        site.vy("dev", "clock", "advance", "200d")
        box.wait("attempts", lambda box: box.attempts >= 2)
        self.assertEqual(box.messages, [])

    def test_without_a_relay_the_log_tells(self):
        site = self.site_with()
        self.begin(site)
        self.create(site, "logged", ("EmailContacts", {"lifetime_percentage": 50}))
        site.vy("dev", "clock", "advance", "200d")
        wait_for("a line of the log", lambda: "certificate.contacts_not_mailed" in site.log_tail(200000))

    def test_options_that_contradict_each_other_are_refused(self):
        site = self.site_with()
        for options, word in (
                (["--smtp-from", "a@b.example"], "--smtp-relay"), (["--smtp-relay", "mail.example"], "HOST:PORT"), (["--smtp-relay", "mail.example:25"], "--smtp-from"),
                (["--smtp-relay", "mail.example:25", "--smtp-from", "nobody"], "--smtp-from"),
                (["--smtp-relay", "mail.example:25", "--smtp-from", "a@b.example", "--smtp-tls", "maybe"], "--smtp-tls"),
                (["--smtp-relay", "mail.example:25", "--smtp-from", "a@b.example", "--smtp-user", "u"], "--smtp-password-file"),
                (["--smtp-relay", "mail.example:25", "--smtp-from", "a@b.example", "--smtp-tls", "off", "--smtp-user", "u", "--smtp-password-file", "/dev/null"], "in the clear"),
                (["--acme-hook", "/bin/true"], "--acme-directory"), (["--acme-directory", "http://x.example", "--acme-hook", "/bin/true"], "https"),
                (["--acme-directory", "https://x.example"], "--acme-http-listen"), (["--acme-directory", "https://x.example", "--acme-hook", "true"], "absolute")):
            done = subprocess.run([BUILD / "vaultyard", "serve", "--data-dir", site.dir, *options], capture_output=True, text=True, timeout=60)
            self.assertEqual(done.returncode, 2, options)
            self.assertIn(word, done.stderr, json.dumps(options))


if __name__ == "__main__":
    unittest.main()
