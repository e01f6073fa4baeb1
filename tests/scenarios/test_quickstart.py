"""scripts/quickstart --once does the main job and leaves no process, mount, control group, namespace or file behind."""
import os
import pathlib
import subprocess
import unittest

from vaultyard import wait_for

ALONE = True        # it looks for what is left on the whole machine

ROOT = pathlib.Path(__file__).resolve().parents[2]


def traces():
    """What of Vaultyard the machine holds: processes that are not merely unreaped, mounts, control groups, run directories, temporary homes."""
    found = set()
    for entry in pathlib.Path("/proc").iterdir():
        try:
            if entry.name.isdigit() and "vaultyard" in os.path.basename((entry / "cmdline").read_bytes().split(b"\0")[0].decode()):
                found.add(f"process {entry.name}")
        except OSError:
            continue
    found |= {f"mount {line.split()[1]}" for line in pathlib.Path("/proc/mounts").read_text().splitlines() if "vaultyard" in line}
    found |= {f"group {path}" for path in pathlib.Path("/sys/fs/cgroup").glob("**/vaultyard-*")}
    found |= {f"run {path}" for path in pathlib.Path("/run").glob("vaultyard-*")}
    return found | {f"home {path}" for path in pathlib.Path("/tmp").glob("vaultyard-quickstart-*")}


class Quickstart(unittest.TestCase):
    def test_once_shows_a_renewal_and_leaves_nothing(self):
        before = traces()
        done = subprocess.run([ROOT / "scripts" / "quickstart", "--once"], capture_output=True, text=True, timeout=900)
        self.assertEqual(done.returncode, 0, done.stdout[-4000:] + done.stderr[-4000:])
        shown = done.stdout.split("before:")[1]
        serials = [line.split("serial=")[1].split()[0] for line in shown.splitlines() if "serial=" in line]
        self.assertEqual(len(serials), 2)
        self.assertNotEqual(serials[0], serials[1])
        wait_for("nothing is left", lambda: not (traces() - before))


if __name__ == "__main__":
    unittest.main()
