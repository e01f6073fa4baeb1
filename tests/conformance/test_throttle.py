"""Throttling as the service has it: the unmodified Python and npm clients wait out a 429 by themselves."""
import json
import os
import subprocess
import unittest

import npm
from contract import Contract
from pyclients import HOME, PROGRAMS, install
from vaultyard import Answer, Site


class Throttle(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        install()
        npm.install(npm.CLIENTS)
        cls.site = Site(serve_args=["--throttle", "on"]).start()
        cls.site.vy("group", "create", "-n", "g", "-l", "local")
        cls.contract = Contract("keyvault", "7.5", may_be_null=["nextLink"])

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def environment(self, vault):
        self.site.vy("keyvault", "create", "-n", vault, "-g", "g", "-l", "local")
        admin = self.site.admin
        return dict(os.environ, REQUESTS_CA_BUNDLE=str(self.site.dir / "ca.pem"), NODE_EXTRA_CA_CERTS=str(self.site.dir / "ca.pem"), AUTHORITY_HOST=admin["authorityHost"],
                    TENANT_ID=admin["tenantId"], CLIENT_ID=admin["clientId"], CLIENT_SECRET=admin["clientSecret"], VAULT_URL=self.site.vault_url(vault))

    def test_the_python_client_waits_it_out(self):
        done = subprocess.run([HOME / "bin" / "python", PROGRAMS / "throttle_program.py"], env=self.environment("kv-slow-py"), capture_output=True, text=True, timeout=170)
        self.assertEqual(done.returncode, 0, done.stderr)
        result = json.loads(done.stdout)
        self.assertEqual({name: result["seen"][name] for name in ("made", "refused", "waits")}, {"made": 24, "refused": True, "waits": True})
        self.assertEqual([text for method, path, *answer in result["answers"] for text in self.contract.check(method, path, Answer(*answer))], [])

    def test_the_npm_client_waits_it_out(self):
        done = subprocess.run(["node", "throttle.mjs"], cwd=npm.CLIENTS, env=self.environment("kv-slow-npm"), capture_output=True, text=True, timeout=170)
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertEqual(json.loads(done.stdout.splitlines()[-1]), {"made": 24, "refused": True, "waits": True})

    def test_the_21st_key_is_refused_in_the_services_words(self):
        self.site.vy("keyvault", "create", "-n", "kv-slow", "-g", "g", "-l", "local")
        token = self.site.token(self.site.vault_resource)
        call = lambda method, path, body=None: self.site.call(method, self.site.vault_url("kv-slow", f"{path}?api-version=7.4"), body, token)
        answers = [call("POST", f"/keys/k{number}/create", {"kty": "EC"}) for number in range(21)]
        self.assertEqual([answer.status for answer in answers], [200] * 20 + [429])
        self.assertEqual(answers[-1].json["error"]["code"], "Throttled")
        self.assertIn("VaultRequestTypeLimitReached", answers[-1].json["error"]["message"])
        self.assertTrue(1 <= int(answers[-1].headers["Retry-After"]) <= 10)
        self.assertEqual(call("GET", "/keys/k20").status, 404)                         # nothing was made
        self.assertEqual(call("PUT", "/secrets/s", {"value": "v"}).status, 200)       # another class has room


if __name__ == "__main__":
    unittest.main()
