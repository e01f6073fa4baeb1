"""one.py FILE: runs the unittest cases of one file, a line each, and ends with a RESULT line for run.py."""
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

    def broken(self, test, err):
        self.bad.append(str(test))
        self.say(test, "FAILED", "\n" + self._exc_info_to_string(err, test) if isinstance(test, unittest.TestCase) else f"\n{err[1]!r}")

    def addError(self, test, err):
        self.begun = getattr(self, "begun", time.monotonic())
        self.broken(test, err)

    addFailure = broken

    def addSubTest(self, test, subtest, err):
        if err is not None:
            self.broken(subtest, err)

    def addSkip(self, test, reason):
        self.bad.append(f"{test} (skipped: {reason})")       # a test that cannot run has not passed
        self.say(test, "SKIP")


os.umask(0o022)                                              # others read what tests write: the service's user, nodes, servers that drop their rights
path = sys.argv[1]
spec = importlib.util.spec_from_file_location("tests_of_this_file", path)
module = importlib.util.module_from_spec(spec)
spec.loader.exec_module(module)
result = Lines()
unittest.defaultTestLoader.loadTestsFromModule(module).run(result)
print("RESULT " + json.dumps({"passed": result.passed, "failed": result.bad}))
