"""Ten years of 1,000 certificates on 200 machines, with everything that can go wrong, in the simulation beside this file (sim.h says how).

VAULTYARD_ROTATION_SEED chooses the seed. Without it, scripts/test --long draws a new one, which is printed, and to be added to seeds.txt when it
fails; else it is always the same one, so that a run says something of the change it runs for. The seeds there run again with each test, the
machine that failed alone."""
import collections
import os
import pathlib
import random
import resource
import shutil
import subprocess
import tempfile
import time
import unittest

from vaultyard import BUILD

HERE = pathlib.Path(__file__).parent
MACHINES, YEARS, USUAL_SEED = 200, 10, 20261122
WORKERS = os.cpu_count() or 1


def cpu_s():
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def simulate(jobs):
    """Runs (seed, first, count) jobs, WORKERS at a time; the printed lines, or an AssertionError with what broke."""
    base = pathlib.Path(tempfile.mkdtemp(prefix="vaultyard-rotation-", dir="/dev/shm" if os.path.isdir("/dev/shm") else None))
    waiting, running, lines = list(jobs), [], []
    try:
        while waiting or running:
            while waiting and len(running) < WORKERS:
                seed, first, count = waiting.pop(0)
                place = base / f"{seed}-{first}"
                place.mkdir()
                running.append(subprocess.Popen([str(BUILD / "tests" / "rotation" / "rotation_sim"), "--seed", str(seed), "--dir", str(place), "--first", str(first),
                                                 "--count", str(count), "--years", str(YEARS)], stdout=subprocess.PIPE, text=True))
            child = running.pop(0)
            output = child.communicate()[0]
            if child.returncode != 0:
                raise AssertionError(f"{' '.join(child.args)}\nended with {child.returncode}\n{output}")
            lines.append(output.strip())
    finally:
        for child in running:
            child.kill()
            child.communicate()
        shutil.rmtree(base)
    return lines


class Simulation(unittest.TestCase):
    def test_seeds_that_once_failed(self):
        kept = [line.split("#")[0].split() for line in (HERE / "seeds.txt").read_text().splitlines()]
        simulate(sorted({(int(seed), int(machine), 1) for seed, machine in filter(None, kept)}))

    def test_ten_years(self):
        drawn = random.randrange(1, 2**31) if os.environ.get("VAULTYARD_LONG") else USUAL_SEED
        seed = int(os.environ.get("VAULTYARD_ROTATION_SEED") or drawn)
        print(f"  seed {seed}", flush=True)
        begun, spent = time.monotonic(), cpu_s()
        total = collections.Counter()
        for line in simulate([(seed, first, 10) for first in range(0, MACHINES, 10)]):
            words = line.split()
            for name, value in zip(words[::2], map(int, words[1::2])):
                total[name] = max(total[name], value) if name.startswith(("most", "worst", "years")) else total[name] + value
        took, spent = time.monotonic() - begun, cpu_s() - spent
        print("  " + ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in total.items()) + f"; {took:.0f} s, {spent:.0f} s of CPU", flush=True)
        self.assertEqual(total["machines"], MACHINES)
        self.assertGreater(total["kills"], 50 * MACHINES)
        self.assertGreater(total["installs"], 20 * 5 * MACHINES)


if __name__ == "__main__":
    unittest.main()
