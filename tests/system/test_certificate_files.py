"""vy makecert and vy pvk2pfx: the command lines of the document on access to vaults with a certificate, their prompts, and files that OpenSSL reads."""
import json
import os
import pathlib
import shlex
import stat
import subprocess
import tempfile
import unittest

from terminal import Terminal
from vaultyard import BUILD

MAKECERT = 'makecert -sv batchcertificate.pvk -n "cn=batch.cert.mydomain.org" batchcertificate.cer -b 09/23/2019 -e 09/23/2019 -r -pe -a sha256 -len 2048'
PVK2PFX = "pvk2pfx -pvk batchcertificate.pvk -spc batchcertificate.cer -pfx batchcertificate.pfx -po"
NEW_KEY, OLD_KEY, NEW_PFX, AGAIN = "Password for the new key batchcertificate.pvk (empty: none): ", "Password of batchcertificate.pvk: ", "Password for batchcertificate.pfx: ", "The same again: "
RC4 = ["-provider", "default", "-provider", "legacy"]


class CertificateFiles(unittest.TestCase):
    def setUp(self):
        self.temporary = tempfile.TemporaryDirectory(prefix="vaultyard-test-")
        self.addCleanup(self.temporary.cleanup)
        self.dir = pathlib.Path(self.temporary.name)

    def on_terminal(self, line, *answers, code=0, more=()):
        with Terminal([BUILD / "vy", *shlex.split(line), *more], cwd=self.dir) as terminal:
            for question, answer in answers:
                terminal.answer(question, answer)
            return terminal.end(code)

    def without_terminal(self, line, code=0):
        done = subprocess.run([BUILD / "vy", *shlex.split(line)], cwd=self.dir, capture_output=True, text=True, start_new_session=True, stdin=subprocess.DEVNULL, timeout=60)
        self.assertEqual(done.returncode, code, done.stderr)
        return done

    def openssl(self, *arguments, code=0):
        done = subprocess.run(["openssl", *arguments], cwd=self.dir, capture_output=True, text=True, stdin=subprocess.DEVNULL, timeout=60)
        self.assertEqual(done.returncode, code, done.stderr)
        return done.stdout + done.stderr

    def files(self):
        return sorted(path.name for path in self.dir.iterdir())

    def make(self, line=MAKECERT, password="key word"):
        return self.on_terminal(line, (NEW_KEY, password), (AGAIN, password))

    def test_the_lines_of_the_document_make_files_that_openssl_reads(self):
        seen = self.make()
        self.assertIn("warning: the certificate ends at 2019-09-23T00:00:00Z, which is not after its start", seen)
        self.assertNotIn("key word", seen)
        seen = self.on_terminal(PVK2PFX, (OLD_KEY, "key word"), (NEW_PFX, "pfx word"), (AGAIN, "pfx word"))
        self.assertNotIn("word\r", seen)
        self.assertEqual(self.files(), ["batchcertificate.cer", "batchcertificate.pfx", "batchcertificate.pvk"])
        self.assertEqual([stat.S_IMODE((self.dir / name).stat().st_mode) for name in self.files()], [0o644, 0o600, 0o600])

        shown = self.openssl("x509", "-inform", "DER", "-in", "batchcertificate.cer", "-noout", "-subject", "-issuer", "-dates", "-text")
        for text in ("subject=CN = batch.cert.mydomain.org", "issuer=CN = batch.cert.mydomain.org", "notBefore=Sep 23 00:00:00 2019 GMT", "notAfter=Sep 23 00:00:00 2019 GMT",
                     "sha256WithRSAEncryption", "Public-Key: (2048 bit)"):
            self.assertIn(text, shown)
        of_cert = self.openssl("x509", "-inform", "DER", "-in", "batchcertificate.cer", "-noout", "-pubkey")
        of_pvk = self.openssl("rsa", "-inform", "PVK", "-in", "batchcertificate.pvk", "-passin", "pass:key word", *RC4, "-pubout")
        of_pfx = self.openssl("pkcs12", "-in", "batchcertificate.pfx", "-passin", "pass:pfx word", "-nocerts", "-nodes")
        (self.dir / "key.pem").write_text(of_pfx)
        self.assertIn(of_cert, of_pvk)
        self.assertIn(of_cert, self.openssl("pkey", "-in", "key.pem", "-pubout"))
        self.assertIn("Mac verify error", self.openssl("pkcs12", "-in", "batchcertificate.pfx", "-passin", "pass:key word", "-nodes", code=1))
        (self.dir / "cert.pem").write_text(self.openssl("pkcs12", "-in", "batchcertificate.pfx", "-passin", "pass:pfx word", "-nokeys"))
        self.assertEqual(self.openssl("x509", "-in", "cert.pem", "-noout", "-fingerprint"), self.openssl("x509", "-inform", "DER", "-in", "batchcertificate.cer", "-noout", "-fingerprint"))

    def test_the_result_tells_the_thumbprint(self):
        self.make(MAKECERT.replace("-b 09/23/2019 -e 09/23/2019", "-e 1/2/2038"), "")
        result = json.loads(self.without_terminal("pvk2pfx -pvk batchcertificate.pvk -spc batchcertificate.cer -pfx a.pfx").stdout)
        fingerprint = self.openssl("x509", "-inform", "DER", "-in", "batchcertificate.cer", "-noout", "-fingerprint", "-sha1").strip().split("=")[1].replace(":", "")
        self.assertEqual((result["thumbprint"], result["pfx"], result["certificates"], result["subject"]), (fingerprint, "a.pfx", 1, "CN=batch.cert.mydomain.org"))
        self.assertIn("notAfter=Jan  2 00:00:00 2038 GMT", self.openssl("x509", "-inform", "DER", "-in", "batchcertificate.cer", "-noout", "-dates"))

    def test_by_default_the_certificate_is_valid_from_now_to_the_end_of_2039(self):
        self.assertNotIn("warning", self.make("makecert -sv batchcertificate.pvk -n CN=x batchcertificate.cer -r", ""))
        shown = self.openssl("x509", "-inform", "DER", "-in", "batchcertificate.cer", "-noout", "-dates", "-checkend", "0", "-text")
        self.assertIn("notAfter=Dec 31 23:59:59 2039 GMT", shown)
        self.assertIn("sha256WithRSAEncryption", shown)
        self.assertIn("Public-Key: (2048 bit)", shown)

    def test_a_key_without_password_is_plain_and_asks_for_none(self):
        self.make(password="")
        self.openssl("rsa", "-inform", "PVK", "-in", "batchcertificate.pvk", "-noout", "-check")
        done = self.without_terminal("pvk2pfx -pvk batchcertificate.pvk -spc batchcertificate.cer -pfx a.pfx")
        self.assertIn("a.pfx has no password", done.stderr)
        self.openssl("pkcs12", "-in", "a.pfx", "-passin", "pass:", "-nodes")

    def test_passwords_on_the_line_need_no_terminal(self):
        self.make()
        self.without_terminal("pvk2pfx -pvk batchcertificate.pvk -pi 'key word' -spc batchcertificate.cer -pfx a.pfx -po 'other word'")
        self.openssl("pkcs12", "-in", "a.pfx", "-passin", "pass:other word", "-nodes")
        self.without_terminal("pvk2pfx -pvk batchcertificate.pvk -pi 'key word' -spc batchcertificate.cer -pfx b.pfx")
        self.openssl("pkcs12", "-in", "b.pfx", "-passin", "pass:key word", "-nodes")       # without -po the key's
        self.without_terminal("pvk2pfx -pvk batchcertificate.pvk -pi 'key word' -spc batchcertificate.cer -pfx c.pfx -po ''")
        self.openssl("pkcs12", "-in", "c.pfx", "-passin", "pass:", "-nodes")

    def test_without_a_terminal_nothing_is_made(self):
        self.assertIn("no terminal to ask for a password", self.without_terminal(MAKECERT, 1).stderr)
        self.assertEqual(self.files(), [])
        self.make()
        for line in (PVK2PFX, PVK2PFX + " -pi 'key word'", PVK2PFX.replace(" -po", " -pi"), PVK2PFX.replace(" -po", " -po x")):
            self.assertIn("no terminal to ask for a password", self.without_terminal(line, 1).stderr, line)
        self.assertEqual(self.files(), ["batchcertificate.cer", "batchcertificate.pvk"])

    def test_wrong_passwords_make_nothing(self):
        self.assertIn("differed 3 times", self.on_terminal(MAKECERT, *[(NEW_KEY, "a"), (AGAIN, "b")], ("not the same.\r\n" + NEW_KEY, "a"), (AGAIN, "b"), (NEW_KEY, "a"), (AGAIN, "b"), code=1))
        self.assertEqual(self.files(), [])
        self.make()
        self.assertIn("batchcertificate.pvk: the password", self.on_terminal(PVK2PFX, (OLD_KEY, "wrong"), code=1))
        self.assertIn("batchcertificate.pvk: the password", self.without_terminal(PVK2PFX + " x -pi wrong", 1).stderr)
        self.assertIn("differed 3 times", self.on_terminal(PVK2PFX, (OLD_KEY, "key word"), *[(NEW_PFX, "a"), (AGAIN, "b")] * 3, code=1))
        self.assertEqual(self.files(), ["batchcertificate.cer", "batchcertificate.pvk"])

    def test_a_pfx_is_overwritten_only_with_f(self):
        self.make(password="")
        (self.dir / "batchcertificate.pfx").write_text("mine")
        refused = self.without_terminal(PVK2PFX, 1)                                         # before it asks for anything
        self.assertIn("batchcertificate.pfx exists already; -f overwrites it", refused.stderr)
        self.assertEqual((self.dir / "batchcertificate.pfx").read_text(), "mine")
        self.on_terminal(PVK2PFX + " -f", (NEW_PFX, "new"), (AGAIN, "new"))
        self.openssl("pkcs12", "-in", "batchcertificate.pfx", "-passin", "pass:new", "-nodes")
        self.assertEqual(stat.S_IMODE((self.dir / "batchcertificate.pfx").stat().st_mode), 0o600)
        for line in ("pvk2pfx -pvk batchcertificate.pvk -spc batchcertificate.cer -pfx batchcertificate.pvk -f", "pvk2pfx -pvk batchcertificate.pvk -spc batchcertificate.cer -pfx ./batchcertificate.cer -f"):
            self.assertIn("is one of the files to read", self.without_terminal(line, 2).stderr)

    def test_a_key_that_exists_is_used_and_never_overwritten(self):
        self.make()
        key = (self.dir / "batchcertificate.pvk").read_bytes()
        renewed = MAKECERT.replace("batchcertificate.cer", "renewed.cer").replace("cn=batch.cert", "cn=renewed")
        self.assertIn("using the key in batchcertificate.pvk", self.on_terminal(renewed, (OLD_KEY, "key word")))
        self.assertEqual((self.dir / "batchcertificate.pvk").read_bytes(), key)
        self.assertEqual(*[self.openssl("x509", "-inform", "DER", "-in", name, "-noout", "-pubkey") for name in ("batchcertificate.cer", "renewed.cer")])
        self.assertIn("the key in batchcertificate.pvk has 2048 bits", self.on_terminal(renewed.replace("2048", "4096"), (OLD_KEY, "key word"), code=2))
        self.assertIn("the password", self.on_terminal(renewed, (OLD_KEY, "wrong"), code=1))
        (self.dir / "other.pvk").write_text("no key")
        self.assertIn("other.pvk: ", self.without_terminal(MAKECERT.replace("batchcertificate.pvk", "other.pvk"), 1).stderr)
        self.assertEqual((self.dir / "other.pvk").read_text(), "no key")

    def test_if_the_certificate_cannot_be_written_no_key_is_left(self):
        self.on_terminal(MAKECERT.replace("batchcertificate.cer", "absent/batchcertificate.cer"), (NEW_KEY, ""), (AGAIN, ""), code=1)
        self.assertEqual(self.files(), [])

    def test_the_certificate_must_be_the_keys_and_may_lie_among_others(self):
        self.make(password="")
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "foreign.key", "-out", "foreign.pem", "-subj", "/CN=foreign", "-days", "1")
        self.assertIn("no certificate in foreign.pem belongs to the key in batchcertificate.pvk", self.without_terminal("pvk2pfx -pvk batchcertificate.pvk -spc foreign.pem -pfx a.pfx", 1).stderr)
        self.openssl("x509", "-inform", "DER", "-in", "batchcertificate.cer", "-out", "own.pem")
        self.openssl("crl2pkcs7", "-nocrl", "-certfile", "foreign.pem", "-certfile", "own.pem", "-outform", "DER", "-out", "both.spc")
        result = json.loads(self.without_terminal("pvk2pfx -pvk batchcertificate.pvk -spc both.spc -pfx a.pfx -po p").stdout)
        self.assertEqual((result["subject"], result["certificates"]), ("CN=batch.cert.mydomain.org", 2))
        self.assertIn("CN = foreign", self.openssl("pkcs12", "-in", "a.pfx", "-passin", "pass:p", "-nokeys"))
        for name, content in (("empty", b""), ("text", b"hello"), ("cut.cer", (self.dir / "batchcertificate.cer").read_bytes()[:-1])):
            (self.dir / name).write_bytes(content)
            self.assertIn(f"{name}: ", self.without_terminal(f"pvk2pfx -pvk batchcertificate.pvk -spc {name} -pfx b.pfx", 1).stderr)
        self.without_terminal("pvk2pfx -pvk absent.pvk -spc batchcertificate.cer -pfx b.pfx", 3)
        self.without_terminal("pvk2pfx -pvk batchcertificate.pvk -spc absent.cer -pfx b.pfx", 3)
        self.without_terminal("pvk2pfx -pvk batchcertificate.cer -spc batchcertificate.cer -pfx b.pfx", 1)
        self.assertNotIn("b.pfx", self.files())

    def test_files_made_by_openssl_are_read(self):
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "k.pem", "-out", "c.pem", "-subj", "/CN=elsewhere", "-days", "30")
        self.openssl("rsa", "-in", "k.pem", "-outform", "PVK", "-out", "plain.pvk", "-pvk-none")
        self.openssl("rsa", "-in", "k.pem", "-outform", "PVK", "-out", "strong.pvk", "-pvk-strong", "-passout", "pass:strong", *RC4)
        self.openssl("rsa", "-in", "k.pem", "-outform", "PVK", "-out", "weak.pvk", "-pvk-weak", "-passout", "pass:weak", *RC4)
        for name, password in (("plain", ""), ("strong", "strong"), ("weak", "weak")):
            self.without_terminal(f"pvk2pfx -pvk {name}.pvk -pi '{password}' -spc c.pem -pfx {name}.pfx -po p")
            (self.dir / "out.pem").write_text(self.openssl("pkcs12", "-in", f"{name}.pfx", "-passin", "pass:p", "-nodes"))
            self.assertEqual(self.openssl("pkey", "-in", "out.pem", "-pubout"), self.openssl("pkey", "-in", "k.pem", "-pubout"))

    def test_other_flags_and_bad_values_are_refused_by_name(self):
        base = "makecert -sv k.pvk -n CN=x c.cer -r"
        for line, says in ((base + " -ss my", "-ss: certificate stores"), (base + " -sr localMachine", "-sr: certificate stores"), (base + " -sky exchange", "-sky: "), (base + " -is root", "-is: certificates signed by another"),
                           (base + " -ic ca.cer -iv ca.pvk", "-iv: certificates signed by another"), (base + " -eku 1.3.6.1.5.5.7.3.2", "-eku: "), (base + " -cy authority", "-cy: "), (base + " -m 12", "-m: "),
                           (base + " -# 17", "-#: "), (base + " -nscp", "-nscp: "), (base + " -quiet", "unrecognized argument: -quiet"), ("makecert -n CN=x c.cer -r", "-sv FILE.pvk is needed"),
                           ("makecert -sv k.pvk c.cer -r", "-n NAME is needed"), ("makecert -sv k.pvk -n CN=x c.cer", "-r is needed"), ("makecert -sv k.pvk -n CN=x -r", "FILE.cer"), (base + " -a sha1", "-a: signatures with sha1"),
                           (base + " -a MD5", "-a: signatures with MD5"), (base + " -a rot13", "-a: 'rot13'"), (base + " -len 1024", "-len: '1024'"), (base + " -len 2047", "-len: '2047'"), (base + " -len many", "-len: 'many'"),
                           (base + " -b 2019-09-23", "-b: '2019-09-23'"), (base + " -b 13/01/2030", "-b: '13/01/2030'"), (base + " -e 02/30/2030", "-e: '02/30/2030'"), (base + " -e 02/29/2031", "-e: '02/29/2031'"),
                           (base + " -e 1/1/30", "-e: '1/1/30'"), (base + " -e 1/1/2030/1", "-e: "), (base + " -b ''", "-b is empty"), ("makecert -sv k.pvk -n x c.cer -r", "-n: "), ("makecert -sv k.pvk -n NOPE=x c.cer -r", "-n: "),
                           ("makecert -sv same -n CN=x same -r", "cannot both be same"), ("pvk2pfx -pvk a.pvk -spc a.cer", "--pfx"), ("pvk2pfx -spc a.cer -pfx a.pfx", "--pvk"), ("pvk2pfx -pvk a.pvk -spc a.cer -pfx a.pfx -f now", "now")):
            with self.subTest(line):
                self.assertIn(says, self.without_terminal(line, 2).stderr)
        self.assertEqual(self.files(), [])

    def test_no_server_and_no_sign_in_is_needed(self):
        environment = {"PATH": os.environ["PATH"], "HOME": "/nonexistent"}
        with Terminal([BUILD / "vy", *shlex.split(MAKECERT)], cwd=self.dir, env=environment) as terminal:
            terminal.answer(NEW_KEY, "")
            terminal.answer(AGAIN, "")
            terminal.end()
        self.assertEqual(self.files(), ["batchcertificate.cer", "batchcertificate.pvk"])


if __name__ == "__main__":
    unittest.main()
