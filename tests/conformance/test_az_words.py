"""Each command and option of the current `az keyvault` is one of vy, or is listed in docs/vy-keyvault.md with the reason. What both do with files and encodings."""
import json
import os
import pathlib
import re
import subprocess
import unittest

import az
from vaultyard import BUILD, Site

HERE = pathlib.Path(__file__).resolve().parent


def absent():
    """From the table of the page: commands that are not there, and options as {name: commands, or () for all}."""
    text = (HERE.parents[1] / "docs" / "vy-keyvault.md").read_text()
    table = text[text.index("## What az has and vy has not"):]
    commands, options = [], {}
    for row in re.findall(r"^\| (`.*?) \| .+ \|$", table, re.M):
        of = re.split(r" of (?=`keyvault)", row)
        names = re.findall(r"`(.+?)`", of[0])
        if names[0].startswith("keyvault"):
            commands += names
        else:
            where = tuple(re.findall(r"`(.+?)`", of[1])) if len(of) > 1 else ()
            for name in names:
                options[name] = options.get(name, ()) + where
    return commands, options


def words_of_vy(command):
    """The options that its help shows; None: there is no such command."""
    done = subprocess.run([BUILD / "vy", *command.split(), "--help"], capture_output=True, text=True, timeout=60)
    if done.returncode != 0 or not done.stdout.startswith("Command"):
        return None
    lines = [re.match(r" {4}((?:--?[\w-]+ )+)", line) for line in done.stdout.splitlines()]
    return {name for line in lines if line for name in line.group(1).split()}


def lost(of_az, of_vy, path=""):
    """What az says and vy says not, or otherwise; what is empty counts as not said."""
    if isinstance(of_az, dict) and isinstance(of_vy, dict):
        return [text for key, value in of_az.items() for text in lost(value, of_vy.get(key), f"{path}.{key}")]
    if isinstance(of_az, dict) and of_vy is None:
        return lost(of_az, {}, path)
    if isinstance(of_az, list) and isinstance(of_vy, list) and len(of_az) == len(of_vy):
        return [text for number, pair in enumerate(zip(of_az, of_vy)) for text in lost(*pair, f"{path}[{number}]")]
    return [] if of_az in (None, "", [], {}) or (of_az == 0 and of_az is not False) or of_az == of_vy else [f"{path}: az says {of_az!r}, vy {of_vy!r}"]


class AzWords(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site().start()
        cls.az = az.Az(cls.site)
        cls.tree = json.loads(subprocess.run([az.HOME / "bin" / "python", "-P", HERE / "az_tree.py"], env=cls.az.env, capture_output=True, text=True, check=True, timeout=120).stdout)

    @classmethod
    def tearDownClass(cls):
        cls.site.close()

    def test_1_the_tree_of_az_was_read_whole(self):
        self.assertGreater(len(self.tree), 100)
        self.assertIn("--vault-name", self.tree["keyvault secret set"])
        self.assertIn("--set", self.tree["keyvault update"])

    def test_2_every_command_and_option_is_there_or_listed(self):
        commands, options = absent()
        missing = []
        for command, names in self.tree.items():
            if any((command + " ").startswith(one + " ") for one in commands):
                continue
            have = words_of_vy(command)
            if have is None:
                missing.append(command)
                continue
            missing += [f"{command} {name}" for name in names if name not in have and not (name in options and (not options[name] or command in options[name]))]
        self.assertEqual(missing, [])

    def test_3_what_is_listed_is_azs_and_not_vys(self):
        commands, options = absent()
        for one in commands:
            with self.subTest(one):
                found = [command for command in self.tree if (command + " ").startswith(one + " ")]
                self.assertTrue(found, "az has no such command any more")
                self.assertEqual([command for command in found if words_of_vy(command) is not None], [])
        for name, where in options.items():
            for command in where or [next(command for command in self.tree if name in self.tree[command] and words_of_vy(command))]:
                with self.subTest(f"{command} {name}"):
                    self.assertIn(name, self.tree[command])
                    self.assertNotIn(name, words_of_vy(command))

    def test_4_each_reads_what_the_other_wrote(self):
        """Secrets made of files, in every encoding: the same value, tag and file, whichever program wrote it and whichever reads it."""
        self.az.login()
        self.site.vy("group", "create", "-n", "words", "-l", "local")
        self.site.vy("keyvault", "create", "-n", "az-words", "-g", "words", "-l", "local")
        folder, vault = self.site.base, ["--vault-name", "az-words"]
        binary, text = bytes(range(256)), "Grüße\n".encode()
        programs = {"az": self.az, "vy": self.site.vy}
        for encoding, content in (("base64", binary), ("hex", binary), ("utf-8", text), ("utf-16le", text), ("utf-16be", text), ("ascii", b"plain\n")):
            source = folder / f"source-{encoding}"
            source.write_bytes(content)
            made = {name: program("keyvault", "secret", "set", *vault, "-n", f"{name}-{encoding}", "--file", str(source), "--encoding", encoding) for name, program in programs.items()}
            with self.subTest(encoding):
                self.assertEqual(made["vy"]["value"], made["az"]["value"])
                self.assertEqual((made["vy"]["tags"], made["az"]["tags"]), ({"file-encoding": encoding},) * 2)
                reader, writer = ("az", "vy") if encoding in ("base64", "utf-16le") else ("vy", "az")
                target = folder / f"target-{encoding}"
                programs[reader]("keyvault", "secret", "download", *vault, "-n", f"{writer}-{encoding}", "-f", str(target))
                self.assertEqual(target.read_bytes(), content)

    def test_5_policies_and_lists_are_the_same(self):
        vault = ["--vault-name", "az-words"]
        self.site.vy("keyvault", "certificate", "create", *vault, "-n", "managed", "-p", json.dumps(self.site.vy("keyvault", "certificate", "get-default-policy")), "--validity", "24")
        for words in (["certificate", "get-default-policy"], ["certificate", "get-default-policy", "--scaffold"], ["secret", "list", *vault], ["secret", "list", *vault, "--include-managed"],
                      ["secret", "list", "--id", self.site.vault_url("az-words") + "/", "--maxresults", "2"], ["key", "list", *vault], ["list-deleted", "--resource-type", "hsm"]):
            with self.subTest(words):
                of_az, of_vy = self.az("keyvault", *words), self.site.vy("keyvault", *words)
                if isinstance(of_az, list):
                    of_az, of_vy = ([item["name"] for item in items] for items in (of_az, of_vy))
                self.assertEqual(of_vy, of_az)
        self.assertEqual(self.az("keyvault", "certificate", "show", *vault, "-n", "managed")["policy"]["x509CertificateProperties"]["validityInMonths"], 24)

    def test_5b_results_say_the_same(self):
        vault, vy = ["--vault-name", "az-words"], self.site.vy
        vy("keyvault", "secret", "set", *vault, "-n", "shown", "--value", "v", "--expires", "2035-01-02", "--tags", "a=b")
        for name, more in (("rsa", ["--tags", "a=b", "--ops", "sign", "verify"]), ("ec", ["--kty", "EC", "--not-before", "2020-01-02"]), ("gone", [])):
            vy("keyvault", "key", "create", *vault, "-n", name, *more)
        vy("keyvault", "key", "delete", *vault, "-n", "gone")
        policy = {"lifetimeActions": [{"trigger": {"timeAfterCreate": "P90D"}, "action": {"type": "Rotate"}}], "attributes": {"expiryTime": "P1Y"}}
        vy("keyvault", "key", "rotation-policy", "update", *vault, "-n", "rsa", "--value", json.dumps(policy))
        vy("keyvault", "certificate", "issuer", "create", *vault, "--issuer-name", "i", "--provider-name", "DigiCert", "--account-id", "acc", "--admin-email", "a@example.com")
        for words in (["secret", "show", *vault, "-n", "shown"], ["secret", "list", *vault], ["key", "show", *vault, "-n", "rsa"], ["key", "show", *vault, "-n", "ec"],
                      ["key", "list", *vault], ["key", "show-deleted", *vault, "-n", "gone"], ["key", "rotation-policy", "show", *vault, "-n", "rsa"], ["certificate", "show", *vault, "-n", "managed"],
                      ["certificate", "list-versions", *vault, "-n", "managed"], ["certificate", "pending", "show", *vault, "-n", "managed"],
                      ["certificate", "issuer", "show", *vault, "--issuer-name", "i"]):
            with self.subTest(words):
                self.assertEqual(lost(self.az("keyvault", *words), vy("keyvault", *words)), [])

    def test_6_a_vault_changed_by_path_is_the_same(self):
        for name, program in (("az", self.az), ("vy", self.site.vy)):
            self.site.vy("keyvault", "create", "-n", f"words-{name}", "-g", "words", "-l", "local", "--no-self-perms")
            program("keyvault", "update", "-n", f"words-{name}", "-g", "words", "--set", "properties.enabledForDeployment=true", "tags.a=b", "--set", "tags.c=d", "--remove", "tags.a",
                    "--default-action", "Deny", "--add", "properties.networkAcls.ipRules", "value=203.0.113.7")
        shown = [self.site.vy("keyvault", "show", "-n", f"words-{name}") for name in ("az", "vy")]
        self.assertEqual(shown[0]["tags"], {"c": "d"})
        self.assertEqual(shown[0]["properties"]["networkAcls"], {"bypass": "AzureServices", "defaultAction": "Deny", "ipRules": [{"value": "203.0.113.7/32"}], "virtualNetworkRules": []})
        for one in shown:
            one["properties"].pop("vaultUri")
        self.assertEqual(shown[1]["properties"], shown[0]["properties"])
        self.assertEqual(shown[1]["tags"], shown[0]["tags"])


if __name__ == "__main__":
    unittest.main()
