"""az.py: the unmodified az, from the Python package index, signed in to a test's site."""
import json
import os
import subprocess

from once import CACHE, one_at_a_time

VERSION = "2.91.0"
HOME = CACHE / f"az-{VERSION}"


def install():
    """A virtual environment with az, made once; afterwards nothing is asked of the network."""
    with one_at_a_time("az"):
        if not (HOME / "installed").exists():
            print(f"  installing az {VERSION}", flush=True)
            subprocess.run(["python3", "-m", "venv", "--clear", HOME], check=True)
            subprocess.run([HOME / "bin" / "pip", "install", "--quiet", "--disable-pip-version-check", f"azure-cli=={VERSION}"], check=True)
            (HOME / "installed").touch()


class Az:
    """az = Az(site); az.login(); az("group", "list") answers the JSON; with code=N what it said to standard error."""

    def __init__(self, site):
        install()
        self.site = site
        config = site.base / "az"
        config.mkdir(exist_ok=True)
        self.env = dict(os.environ, AZURE_CONFIG_DIR=str(config), REQUESTS_CA_BUNDLE=str(site.dir / "ca.pem"), SSL_CERT_FILE=str(site.dir / "ca.pem"),
                        AZURE_CORE_COLLECT_TELEMETRY="no", AZURE_CORE_SURVEY_MESSAGE="no", AZURE_CORE_NO_COLOR="yes",
                        ARM_CLOUD_METADATA_URL=f"{site.management}/metadata/endpoints?api-version=2019-05-01", PATH=f"{HOME / 'bin'}:{os.environ['PATH']}")

    def __call__(self, *arguments, code=0):
        done = subprocess.run([HOME / "bin" / "az", *arguments], env=self.env, capture_output=True, text=True, timeout=170)
        assert done.returncode == code, f"az {' '.join(arguments)}\nended with {done.returncode}\n{done.stdout}\n{done.stderr}"
        if code:
            return done.stderr
        return json.loads(done.stdout) if done.stdout.strip() else None

    def login(self):
        admin = self.site.admin
        return self("login", "--service-principal", "-u", admin["clientId"], "-p", admin["clientSecret"], "--tenant", admin["tenantId"])
