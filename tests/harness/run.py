"""run.py SUITE...: runs the suites and ends with "N passed, N failed".

unit, fuzz    meson tests of the release build
sanitizers    the same and tests/system with AddressSanitizer and UndefinedBehaviorSanitizer
rotation, system, scenarios, conformance
              tests/<suite>/test_*.py (unittest), each file in a process of its own, two at a time: mostly they wait. A file that says
              ALONE = True (it measures, or wants the whole machine) runs when no other does; NOT_SANITIZED = True: not among the sanitizers.
"""
import concurrent.futures
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "harness"))
FILE_LIMIT_S = 1800
AT_ONCE = int(os.environ.get("VAULTYARD_TESTS_AT_ONCE", "2"))
failures = []


def meson_suite(build, suite):
    """(passed, failed) of one meson suite in a build directory."""
    subprocess.run(["meson", "test", "-C", build, "--no-rebuild", "--suite", suite, "--print-errorlogs", "-q", "--timeout-multiplier", "4"], cwd=ROOT)
    passed = failed = 0
    for line in (pathlib.Path(build) / "meson-logs" / "testlog.json").read_text().splitlines():
        result = json.loads(line)
        good = result["result"] == "OK"
        passed, failed = passed + good, failed + (not good)
        if not good:
            failures.append(f"{suite}: {result['name']}")
    return passed, failed


def python_file(path, build):
    """(path, what it printed, its result, seconds); a file that dies counts as one failure."""
    begun = time.monotonic()
    environment = dict(os.environ, VAULTYARD_BUILD=str(build), PYTHONPATH=str(ROOT / "tests" / "harness"), PYTHONUNBUFFERED="1")
    report, lines = {"passed": 0, "failed": ["the file did not finish"]}, []
    with tempfile.TemporaryFile("w+", errors="replace") as output:          # a pipe would stay open with whatever a file that dies leaves behind
        child = subprocess.Popen([sys.executable, str(ROOT / "tests" / "harness" / "one.py"), str(path)], env=environment, stdout=output, stderr=subprocess.STDOUT, cwd=ROOT)
        try:
            child.wait(FILE_LIMIT_S)
        except subprocess.TimeoutExpired:
            child.kill()
            child.wait()
        output.seek(0)
        printed = output.read()
    for line in printed.splitlines():
        if line.startswith("RESULT "):
            report = json.loads(line[7:])
        else:
            lines.append(line)
    return path, lines, report, time.monotonic() - begun


def says(path, mark):
    return f"\n{mark} = True" in path.read_text()


def python_suite(suite, build, leaves=None):
    """(passed, failed) of tests/<suite>/test_*.py but those marked with `leaves`."""
    passed = failed = 0
    files = sorted(path for path in (ROOT / "tests" / suite).glob("test_*.py") if not (leaves and says(path, leaves)))
    alone = [path for path in files if says(path, "ALONE")]
    for group, at_once in (([path for path in files if path not in alone], AT_ONCE), (alone, 1)):
        with concurrent.futures.ThreadPoolExecutor(at_once) as pool:
            for path, lines, report, seconds in pool.map(lambda path: python_file(path, build), group):
                passed, failed = passed + report["passed"], failed + len(report["failed"])
                failures.extend(f"{suite}: {path.stem}: {name}" for name in report["failed"])
                print(*lines, f"{suite}/{path.name}: {report['passed']} passed, {len(report['failed'])} failed in {seconds:.1f} s", sep="\n", flush=True)
    return passed, failed


def sanitizers():
    build = ROOT / "build-asan"
    subprocess.run(["scripts/build", str(build), "--buildtype=debug", "-Doptimization=1", "-Dwerror=false",
                    "-Db_sanitize=address,undefined", "-Db_lundef=false"], cwd=ROOT, check=True)      # warnings are the other build's to judge
    os.environ.setdefault("ASAN_OPTIONS", "detect_leaks=1:abort_on_error=1")
    os.environ.setdefault("UBSAN_OPTIONS", "halt_on_error=1:print_stacktrace=1")
    totals = [meson_suite(build, "unit"), meson_suite(build, "fuzz"), python_suite("system", build, "NOT_SANITIZED")]
    return sum(t[0] for t in totals), sum(t[1] for t in totals)


def main():
    build = pathlib.Path(os.environ.get("VAULTYARD_BUILD", ROOT / "build"))
    passed = failed = 0
    for suite in sys.argv[1:]:
        print(f"== {suite}", flush=True)
        begun = time.monotonic()
        if suite in ("unit", "fuzz"):
            result = meson_suite(build, suite)
        elif suite == "sanitizers":
            result = sanitizers()
        elif (ROOT / "tests" / suite).is_dir():
            result = python_suite(suite, build)
        else:
            sys.exit(f"test: there is no suite '{suite}'")
        passed, failed = passed + result[0], failed + result[1]
        print(f"== {suite}: {result[0]} ok, {result[1]} not, {time.monotonic() - begun:.0f} s", flush=True)
    for failure in failures:
        print("FAILED", failure)
    print(f"{passed} passed, {failed} failed")
    sys.exit(1 if failed or not passed else 0)


main()
