"""nodes_site.py: a data directory as `vaultyard init` makes it and a host process on it, without a server. Needs root and runc or crun."""
import atexit
import contextlib
import glob
import json
import os
import pathlib
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
# A copy: users without rights run it too, and the build may be in a folder that nobody else enters.
PROBE_DIR = tempfile.mkdtemp(prefix="vaultyard-probe-")
atexit.register(shutil.rmtree, PROBE_DIR)
os.chmod(PROBE_DIR, 0o755)
PROBE = shutil.copy(pathlib.Path(os.environ.get("VAULTYARD_BUILD", ROOT / "build")) / "tests" / "system" / "host_probe", PROBE_DIR)
SERVICE_UID = 64999                     # no user of the machine: the service has rights by number only
RUNTIME = shutil.which("runc", path="/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin") or shutil.which("crun")
SIZE = "STANDARD_A0"                    # 1 core, 768 MiB
if os.geteuid() != 0 or not RUNTIME:
    sys.exit("this test makes containers: run it as root on a machine with runc or crun")
NODE_COMMAND = ["/bin/sh", "-c", "trap 'exit 0' TERM; while :; do sleep 3600 & wait; done"]


def host_name(number):
    return "74773db5fe1b42ab9a4b6cf679d929da%06d" % number


def wait_until(claim, what, seconds=60):
    """For what gives no event of its own: the kernel's bookkeeping after a process has ended."""
    end = time.monotonic() + seconds
    while not claim():
        if time.monotonic() > end:
            raise AssertionError("not within %d s: %s" % (seconds, what))
        time.sleep(0.005)


class Site:
    """A data directory as `vaultyard init` makes it, and the host process on it."""

    def __init__(self):
        self.top = tempfile.mkdtemp(prefix="vaultyard-nodes-")
        os.chmod(self.top, 0o755)
        self.dir = os.path.join(self.top, "data")
        self.bin = os.path.join(self.top, "bin")
        self.instance = "%032x" % random.getrandbits(128)
        self.state = "/run/vaultyard-" + self.instance[:8]
        for path, uid in ((self.dir, 0), (self.bin, 0), (self.dir + "/store", SERVICE_UID), (self.dir + "/run", SERVICE_UID), (self.dir + "/run/site", SERVICE_UID)):
            os.mkdir(path)
            os.chmod(path, 0o700 if path.endswith("/store") else 0o755)
            os.chown(path, uid, uid)
        self.write(self.dir + "/instance.json", json.dumps({
            "version": 1, "instanceId": self.instance, "domain": "vaultyard.localhost", "port": 8443, "uid": SERVICE_UID, "gid": SERVICE_UID}))
        self.write(self.dir + "/ca.pem", "-----BEGIN CERTIFICATE-----\nthe site's own\n-----END CERTIFICATE-----\n")
        self.write(self.dir + "/store/database", "secret")
        self.write(self.bin + "/vaultyard-node", "#!/bin/sh\necho agent\n")
        os.chmod(self.bin + "/vaultyard-node", 0o755)
        self.host = None

    @staticmethod
    def write(path, text):
        with open(path, "w") as file:
            file.write(text)
        os.chmod(path, 0o644)

    def host_start(self):
        with open(self.top + "/host.log", "a+") as log:
            self.host = subprocess.Popen([PROBE, "host", self.dir, self.bin] + NODE_COMMAND, stdout=subprocess.PIPE, stderr=log, text=True)
            line = self.host.stdout.readline()
            if not line.startswith("ready "):
                log.seek(0)
                raise AssertionError("the host did not start: " + line + log.read())

    def host_end(self, number):
        if self.host:
            self.host.send_signal(number)
            code = self.host.wait(60)
            self.host.stdout.close()
            self.host = None
            return code
        return None

    def ask(self, *words, uid=SERVICE_UID, gid=SERVICE_UID):
        return subprocess.run([PROBE] + [str(word) for word in words], user=uid, group=gid, extra_groups=[], capture_output=True, text=True, timeout=120)

    def must(self, *words, **more):
        done = self.ask(*words, **more)
        if done.returncode:
            raise AssertionError("%s: %s" % (words[0], done.stderr))
        return done.stdout

    def start(self, node, number=1, size=SIZE, join='{"joinToken":"t1"}'):
        self.must("start", self.dir, node, host_name(number), size, join)

    def list(self):
        return json.loads(self.must("list", self.dir))

    def clean(self):
        return self.must("clean", self.dir, uid=0, gid=0)

    def inside(self, node, script):
        """A command as root of the node, with the rights that its first process has."""
        return subprocess.run([RUNTIME, "--root", self.state + "/runc", "exec", node, "/bin/sh", "-c", script], capture_output=True, text=True, timeout=60,
                              stdin=subprocess.DEVNULL)

    def says(self, node, script):
        done = self.inside(node, script)
        if done.returncode:
            raise AssertionError("%s: %s" % (script, done.stderr))
        return done.stdout.strip()

    def pid(self, node):
        with open("%s/host/nodes/%s/pid" % (self.dir, node)) as file:
            return int(file.read())

    def groups(self):
        return glob.glob("/sys/fs/cgroup/**/vaultyard-%s" % self.instance[:8], recursive=True)

    def node_groups(self, node):
        return glob.glob("/sys/fs/cgroup/**/vaultyard-%s/%s" % (self.instance[:8], node), recursive=True)

    def processes(self):
        found = []
        for path in glob.glob("/proc/[0-9]*/cgroup"):
            with contextlib.suppress(OSError):
                with open(path) as file:
                    if "/vaultyard-" + self.instance[:8] not in file.read():
                        continue
                with open(path.replace("/cgroup", "/stat")) as file:
                    if file.read().rpartition(")")[2].split()[0] != "Z":        # ended; the machine's first process has not asked yet
                        found.append(int(path.split("/")[2]))
        return found

    def mounts(self):
        with open("/proc/self/mountinfo") as file:
            return [line for line in file if self.top in line or self.state in line]

    def remove(self):
        self.host_end(signal.SIGTERM)
        self.clean()
        shutil.rmtree(self.top)


class NodesTest(unittest.TestCase):
    def setUp(self):
        self.site = Site()
        self.addCleanup(self.site.remove)
