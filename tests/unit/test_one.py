"""tests/harness/one.py tells everything that is not a passed test: a skip, a failure that was expected, a file without tests."""
import json
import pathlib
import subprocess
import sys
import tempfile
import unittest

ONE = pathlib.Path(__file__).resolve().parents[1] / "harness" / "one.py"


def run(source):
    """(exit code, RESULT, what was printed) of a test file with this text."""
    with tempfile.TemporaryDirectory() as folder:
        path = pathlib.Path(folder) / "test_given.py"
        path.write_text("import unittest\n" + source)
        done = subprocess.run([sys.executable, str(ONE), str(path)], capture_output=True, text=True)
    lines = [line for line in done.stdout.splitlines() if line.startswith("RESULT ")]
    return done.returncode, json.loads(lines[-1][7:]) if lines else None, done.stdout


def case(body, more=""):
    return f"class Given(unittest.TestCase):\n    {more}\n    def test_it(self):\n        {body}\n"


class One(unittest.TestCase):
    def fails(self, source, word):
        code, result, printed = run(source)
        self.assertEqual(1, code, printed)
        self.assertEqual(0, result["passed"])
        self.assertEqual(1, len(result["failed"]), result)
        self.assertIn(word, result["failed"][0])
        self.assertRegex(printed, r"(?m)^  FAILED ")

    def test_what_passes_is_counted(self):
        code, result, printed = run(case("pass"))
        self.assertEqual((0, {"passed": 1, "failed": []}), (code, result))
        self.assertRegex(printed, r"(?m)^  ok     test_it")

    def test_what_fails_is_named(self):
        self.fails(case("self.fail('so')"), "test_it")
        self.fails(case("raise OSError('so')"), "test_it")

    def test_a_skip_is_a_failure(self):
        self.fails(case("self.skipTest('no reason')"), "skipped: no reason")
        self.fails(case("pass", "@unittest.skip('left out')"), "skipped: left out")

    def test_a_class_or_a_file_that_skips_is_a_failure(self):
        self.fails("@unittest.skip('all of it')\n" + case("pass"), "skipped: all of it")
        self.fails(case("pass", "@classmethod\n    def setUpClass(cls): raise unittest.SkipTest('all of it')"), "skipped: all of it")
        self.fails("def setUpModule(): raise unittest.SkipTest('all of it')\n" + case("pass"), "skipped: all of it")

    def test_a_part_that_skips_or_fails_is_a_failure(self):
        self.fails(case("with self.subTest(part=1): self.skipTest('a part')"), "skipped: a part")
        self.fails(case("with self.subTest(part=1): self.fail('a part')"), "part=1")

    def test_what_is_expected_to_fail_is_a_failure_whether_it_does_or_not(self):
        self.fails(case("self.fail('so')", "@unittest.expectedFailure"), "test_it")
        self.fails(case("pass", "@unittest.expectedFailure"), "test_it")

    def test_a_file_without_tests_is_a_failure(self):
        self.fails("pass\n", "no test")

    def test_a_file_that_cannot_be_read_has_no_result(self):
        code, result, _ = run("import no_such_module\n")
        self.assertNotEqual(0, code)
        self.assertIsNone(result)


unittest.main()
