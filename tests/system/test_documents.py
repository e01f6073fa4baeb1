"""Documents that are made from the program are true of it."""
import os
import pathlib
import subprocess
import unittest

from vaultyard import BUILD

ROOT = pathlib.Path(__file__).resolve().parents[2]


class Documents(unittest.TestCase):
    def test_the_compatibility_page_is_that_of_the_route_table(self):
        done = subprocess.run([ROOT / "scripts" / "compatibility", "--check"], env=dict(os.environ, VAULTYARD_BUILD=str(BUILD)), capture_output=True, text=True)
        self.assertEqual(done.returncode, 0, done.stdout[-3000:] + done.stderr)


if __name__ == "__main__":
    unittest.main()
