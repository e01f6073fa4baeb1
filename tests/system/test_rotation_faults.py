"""kill -9 of serve, host, node agent and certificate agent at random moments while certificates rotate: nothing is lost, everything heals."""
import base64
import contextlib
import json
import os
import pathlib
import random
import signal
import subprocess
import time
import unittest

from pools import STORE, PoolMaker
from vaultyard import Site, wait_for

ROUNDS = 12 if os.environ.get("VAULTYARD_LONG") else 4
SEED = int(os.environ.get("VAULTYARD_SEED", random.SystemRandom().randrange(1 << 32)))


def processes_of(site):
    """pid -> command line, of the processes that belong to this site's nodes and host, as the machine sees them."""
    found = {}
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            line = (entry / "cmdline").read_bytes().decode(errors="replace").split("\0")
            group = (entry / "cgroup").read_text()
        except OSError:
            continue
        if site.instance[:8] in group or str(site.dir) in line:
            found[int(entry.name)] = line
    return found


def kill(*pids):
    """One of several hosts may have ended by itself: another one had the lock."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)


class Faults(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.site = Site(nodes=True).start()
        cls.site.instance = json.loads((cls.site.dir / "instance.json").read_text())["instanceId"]
        cls.pools = PoolMaker(cls.site, "kv-faults", "faults")
        assert cls.pools.put("p", [cls.pools.certificate("web")], nodes=2).status == 200
        cls.node_ids = [node["id"] for node in cls.pools.wait_state("p", "idle", 2)]

    def setUp(self):
        if not self.site.server:                              # a test that failed may have left it so: the others' claims are their own
            self.site.start()
        wait_for("every part runs", lambda: {"node agent", "certificate agent", "host", "keeper", "node"} <= set(self.victims()))

    @classmethod
    def tearDownClass(cls):
        print(f"  seed {SEED}")
        cls.site.close()

    def serial_on(self, node):
        done = self.pools.run("p", node, "sh", "-c", f'f={STORE}/kv-faults.web; test "$(openssl x509 -in $f -noout -pubkey)" = "$(openssl pkey -in $f -pubout)" && '
                                                     'openssl x509 -in $f -noout -serial')
        return done.stdout.strip() if done.returncode == 0 else None

    def newest_serial(self):
        cer = self.site.vy("keyvault", "certificate", "show", "--vault-name", "kv-faults", "-n", "web")["cer"]
        return subprocess.run(["openssl", "x509", "-inform", "DER", "-noout", "-serial"], input=base64.b64decode(cer), capture_output=True, check=True).stdout.decode().strip()

    def victims(self):
        """One pid of each kind that is running now."""
        kinds = {}
        for pid, line in processes_of(self.site).items():
            program, rest = os.path.basename(line[0]), line[1:]
            if program == "vaultyard-node" and "agent" in rest:
                kinds.setdefault("node agent", []).append(pid)
            elif program == "vaultyard-node" and "init" in rest:
                kinds.setdefault("node", []).append(pid)
            elif program == "vaultyard-certs":
                kinds.setdefault("certificate agent", []).append(pid)
            elif program == "vaultyard" and "host" in rest:
                kinds.setdefault("keeper" if "--keep" in rest else "host", []).append(pid)
        return kinds

    def test_every_part_may_die_at_any_moment(self):
        chance = random.Random(SEED)
        versions = len(self.site.vy("keyvault", "certificate", "list-versions", "--vault-name", "kv-faults", "-n", "web"))
        for number in range(ROUNDS):
            self.site.vy("dev", "clock", "advance", "340d")
            for kind in chance.sample(["serve", "host", "node agent", "certificate agent"], 3):
                time.sleep(chance.random() * 0.3)              # the moment is what is random; what follows waits for events
                if kind == "serve":
                    self.site.kill()
                    self.site.start()
                    continue
                kill(*self.victims().get(kind, [])[:1])
            versions += 1
            wait_for("the version of this year", lambda: len(self.site.vy("keyvault", "certificate", "list-versions", "--vault-name", "kv-faults", "-n", "web")) == versions)
            newest = self.newest_serial()
            for node in self.node_ids:
                wait_for(f"round {number}: node {node} has the newest version", lambda: self.serial_on(node) == newest, timeout=90)
        self.assertEqual(sorted(node["id"] for node in self.pools.wait_state("p", "idle", 2)), sorted(self.node_ids))
        wait_for("a host is there again", lambda: self.victims().get("host"))

    def test_host_and_server_killed_together_come_back_together(self):
        """The host's keeper starts it again 0.2 s later, about when the new server looks for one."""
        for number in range(10):
            kill(*wait_for("a host", lambda: self.victims().get("host")))
            self.site.kill()
            time.sleep(0.14 + number * 0.01)                  # the moment is what is tried
            self.site.start()
        wait_for("a host", lambda: self.victims().get("host"))

    def test_host_and_keeper_killed_together_come_back_without_a_new_server(self):
        """As by `pkill -9 -f "vaultyard host"`, or a machine short of memory: no node could be started any more until somebody started the server again."""
        for _ in range(2):
            wait_for("a host and its keeper", lambda: {"host", "keeper"} <= set(self.victims()))
            gone = self.victims()
            kill(*gone["keeper"], *gone["host"])
            kill(gone["node"][0])                             # which only a host can start again
            wait_for("another host with a keeper", lambda: {"host", "keeper"} <= set(self.victims()) and not set(gone["host"]) & set(self.victims().get("host", [])))
            self.assertEqual(sorted(node["id"] for node in self.pools.wait_state("p", "idle", 2)), sorted(self.node_ids))
            wait_for("both nodes", lambda: len(self.victims().get("node", [])) == 2)

    def test_a_host_that_was_told_to_end_stays_away(self):
        """Who stops it means it: `vaultyard clean` does."""
        os.kill(self.victims()["host"][0], signal.SIGTERM)
        wait_for("neither host nor keeper", lambda: not {"host", "keeper"} & set(self.victims()))
        time.sleep(4)                                         # longer than the guard leaves to keepers
        self.assertFalse({"host", "keeper"} & set(self.victims()))
        self.site.stop()
        wait_for("the guard ends soon after serve did", lambda: not [line for line in processes_of(self.site).values() if "host-guard" in line])
        self.site.start()
        wait_for("a host", lambda: self.victims().get("host"))


if __name__ == "__main__":
    unittest.main()
