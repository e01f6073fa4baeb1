"""npm.py: npm packages of the tests, as the lock file beside them says."""
import hashlib
import pathlib
import subprocess

from once import one_at_a_time

CLIENTS = pathlib.Path(__file__).resolve().parents[1] / "conformance" / "npm"      # the unmodified SDKs and the programs that use them


def install(directory):
    """npm ci, once for each lock file; afterwards nothing is asked of the network."""
    lock = hashlib.sha256((directory / "package-lock.json").read_bytes()).hexdigest()
    stamp = directory / "node_modules" / ".installed-for"
    with one_at_a_time(f"npm-{directory.name}"):
        if not stamp.exists() or stamp.read_text() != lock:
            subprocess.run(["npm", "ci", "--no-audit", "--no-fund", "--loglevel=error"], cwd=directory, check=True, stdout=subprocess.DEVNULL)
            stamp.write_text(lock)
