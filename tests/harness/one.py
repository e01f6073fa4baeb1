"""one.py FILE: runs the unittest cases of one file, a line each, and ends with a RESULT line for run.py; exits with 1 unless all passed.
Whatever has not passed has failed: nothing is skipped, and nothing is expected to fail."""
import importlib.util
import json
import os
import sys
import time
import unittest


class Lines(unittest.TestResult):
    def __init__(self):
        super().__init__()
        self.passed, self.bad = 0, []

    def startTest(self, test):
        super().startTest(test)
        self.begun = time.monotonic()

    def say(self, test, word, detail=""):
        print(f"  {word:6} {test} ({time.monotonic() - self.begun:.1f} s){detail}", flush=True)

    def addSuccess(self, test):
        self.passed += 1
        self.say(test, "ok")

    def failed(self, test, reason=None, detail=""):
        self.begun = getattr(self, "begun", time.monotonic())            # none has begun when a class or the file could not be set up
        self.bad.append(f"{test} ({reason})" if reason else str(test))
        self.say(test, "FAILED", f" {reason}" if reason else detail)

    def broken(self, test, err):
        self.failed(test, detail="\n" + self._exc_info_to_string(err, test) if isinstance(test, unittest.TestCase) else f"\n{err[1]!r}")

    addError = addFailure = broken

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.broken(subtest, err)

    def addSkip(self, test, reason):
        self.failed(test, f"skipped: {reason}")              # a test that cannot run has not passed

    def addExpectedFailure(self, test, err):
        self.failed(test, "expected to fail, which no test may be")

    def addUnexpectedSuccess(self, test):
        self.failed(test, "passed, and was expected to fail")


os.umask(0o022)                                              # others read what tests write: the service's user, nodes, servers that drop their rights
path = sys.argv[1]
spec = importlib.util.spec_from_file_location("tests_of_this_file", path)
module = sys.modules[spec.name] = importlib.util.module_from_spec(spec)      # where unittest looks for setUpModule
spec.loader.exec_module(module)
result = Lines()
unittest.defaultTestLoader.loadTestsFromModule(module).run(result)
if not result.passed and not result.bad:
    result.failed(path, "has no test")
print("RESULT " + json.dumps({"passed": result.passed, "failed": result.bad}))
sys.exit(1 if result.bad else 0)
