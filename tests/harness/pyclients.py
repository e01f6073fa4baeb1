"""pyclients.py: the unmodified Python clients of Key Vault, from the Python package index, and where the programs that use them are."""
import hashlib
import pathlib
import subprocess

from once import CACHE, one_at_a_time

PROGRAMS = pathlib.Path(__file__).resolve().parents[1] / "conformance" / "python"
HOME = CACHE / "python-keyvault"


def install():
    """A virtual environment with the clients, made once for each list of versions; afterwards nothing is asked of the network."""
    wanted = hashlib.sha256((PROGRAMS / "requirements.txt").read_bytes()).hexdigest()
    stamp = HOME / "installed-for"
    with one_at_a_time(HOME.name):
        if not stamp.exists() or stamp.read_text() != wanted:
            print("  installing azure-keyvault-*", flush=True)
            subprocess.run(["python3", "-m", "venv", "--clear", HOME], check=True)
            subprocess.run([HOME / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", "-r", PROGRAMS / "requirements.txt"], check=True)
            stamp.write_text(wanted)
