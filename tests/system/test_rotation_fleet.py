"""Twenty nodes, a renewal every few seconds, and server, agents, nodes' network and host killed and cut at random: all converge, and no reader
ever sees half of anything. VAULTYARD_SEED repeats what happened when (not how the machine's scheduler took it); --long takes 10 minutes, not 2."""
import datetime
import http.client
import os
import pathlib
import random
import shutil
import signal
import statistics
import subprocess
import tempfile
import threading
import time
import unittest

from pools import STORE, PoolMaker
from readers import Readers
from vaultyard import Site, wait_for

ALONE = True        # it measures
NOT_SANITIZED = True        # times are those of the release build

NODES, DURATION_S = 20, 600 if os.environ.get("VAULTYARD_LONG") else 120
SEED = int(os.environ.get("VAULTYARD_SEED") or random.SystemRandom().randrange(1 << 32))
# When the last fault is over: a node without a machine is missed when its lease ends (30 s, from the server's last start), host and machine are then tried again
# within 10 s each time, and an agent whose vault was away asks again within 10 s. All of that one after the other, and what the doing takes.
CONVERGE_WITHIN_S = 150
LINKS = {"kv-fleet.web": "web", "kv-fleet.pair.d": "pair"}
NAMES = tuple(LINKS.values())
FAULTS = ("server", "host", "certificate agent", "node agent", "machine", "network")


class Feed(threading.Thread):
    """Reads the vault's change feed through everything: (monotonic time, name, version) of each new version, as it was told."""

    def __init__(self, site, vault):
        super().__init__(daemon=True)
        self.site, self.vault, self.told, self.ended, self.failure = site, vault, [], threading.Event(), None
        self.token = site.token(site.vault_resource)
        self.cursor = self.ask("")["cursor"]

    def ask(self, more):
        answer = self.site.call("GET", self.site.vault_url(self.vault, f"/changes?api-version=7.4{more}"), token=self.token)
        if answer.status != 200:
            raise AssertionError(f"{more}: {answer}")
        return answer.json

    def run(self):
        while not self.ended.is_set():
            try:
                answer = self.ask(f"&wait=2&after={self.cursor}")
            except (OSError, http.client.HTTPException):
                self.ended.wait(0.05)                # the server was killed; the cursor outlives that
                continue
            except AssertionError as error:
                self.failure = error
                return
            self.cursor = answer["cursor"]
            self.told += [(time.monotonic(), change["name"], change["version"]) for change in answer["value"] if change["change"] == "newVersion"]

    def stop(self):
        self.ended.set()
        self.join()
        if self.failure:
            raise self.failure


def times_behind(made, seen):
    """Seconds of each stretch in which a reader did not have the newest version. made, seen: (time, version), in order; they begin with the same."""
    order = {version: number for number, (_, version) in enumerate(made)}
    moments = sorted([(when, 0, order[version]) for when, version in made] + [(when, 1, order[version]) for when, version in seen])
    newest = here = 0
    stretches, since = [], None
    for when, is_seen, number in moments:
        newest, here = (newest, number) if is_seen else (number, here)
        if here != newest and since is None:
            since = when
        if here == newest and since is not None:
            stretches.append(when - since)
            since = None
    return stretches


class Fleet(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        print(f"  seed {SEED}", flush=True)
        cls.site = Site(nodes=True).start()
        cls.addClassCleanup(cls.site.close)
        cls.pools = PoolMaker(cls.site, "kv-fleet", "fleet")
        # Renewed at 46 days of age, so that ten minutes of renewals stay within the hundred years by which the clock may be moved.
        observed = [cls.pools.certificate("web", 320), {"url": cls.pools.certificate("pair", 320), "vaultyard": {"files": ["fullchain", "key"]}}]
        begun = time.monotonic()
        assert cls.pools.put("p", observed, nodes=NODES).status == 200
        cls.node_ids = sorted(node["id"] for node in cls.pools.wait_state("p", "idle", NODES, timeout=180))
        print(f"  {NODES} nodes idle, each with its certificates, after {time.monotonic() - begun:.1f} s", flush=True)

    def pids(self, node, program, word=""):
        """Of the processes of one node, or with node None of the whole site."""
        found = []
        for entry in os.listdir("/proc"):
            try:
                with open(f"/proc/{entry}/cmdline", "rb") as file:
                    line = file.read().decode(errors="replace").split("\0")
                with open(f"/proc/{entry}/cgroup") as file:
                    groups = file.read()
            except (OSError, ValueError):
                continue
            if os.path.basename(line[0]) == program and word in line + [""] and (f"/{node}" in groups if node else str(self.site.dir) in line):
                found.append(int(entry))
        return found

    def kill(self, pids):
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
                self.counts["kills"] += 1
            except ProcessLookupError:
                pass

    def link(self, node, state):
        """Loopback is all the network that a local node has: metadata address, the way to the vault."""
        first = self.pids(node, "vaultyard-node", "init")
        done = first and subprocess.run(["nsenter", "-t", str(first[0]), "-n", "ip", "link", "set", "lo", state], capture_output=True)
        return bool(done) and done.returncode == 0   # not while the machine itself is down

    def fault(self, kind):
        """Begins one; answers when and how it is mended, or None."""
        chance, node = self.chance, self.chance.choice(self.node_ids)
        if kind == "server" and self.site.server:
            self.site.kill()
            self.counts["kills"] += 1
            return time.monotonic() + chance.random() * 3, self.site.start
        if kind == "host":
            self.kill(self.pids(None, "vaultyard", "host"))
        if kind == "certificate agent":
            for node in chance.sample(self.node_ids, chance.randint(1, 5)):
                self.kill(self.pids(node, "vaultyard-certs"))
        if kind == "node agent":
            self.kill(self.pids(node, "vaultyard-node", "agent"))
        if kind == "machine":
            self.kill(self.pids(node, "vaultyard-node", "init"))
        if kind == "network":
            cut = [node for node in chance.sample(self.node_ids, chance.randint(1, NODES // 2)) if self.link(node, "down")]
            self.counts["cuts"] += len(cut)
            return time.monotonic() + 0.5 + chance.random() * 7, lambda: [self.link(node, "up") for node in cut]
        return None

    def renew(self):
        """Answers an object time that lies between the versions before and the new ones. The answer's own time does not: it is told once the new ones were made."""
        self.counts["renewals"] += 1
        told = datetime.datetime.fromisoformat(self.site.vy("dev", "clock", "advance", "50d")["time"][:19])
        return (told - datetime.timedelta(days=1)).isoformat()

    def versions(self, name):
        """(created, version), oldest first."""
        found = self.site.vy("keyvault", "certificate", "list-versions", "--vault-name", "kv-fleet", "-n", name)
        return sorted((version["attributes"]["created"][:19], version["id"].rsplit("/", 1)[1]) for version in found)

    def disturb(self):
        """Renewals and faults until the time is over, then everything is mended."""
        end = time.monotonic() + DURATION_S
        next_renewal, next_fault, mends = 0, 0, []
        while time.monotonic() < end:
            now = time.monotonic()
            for mend in [mend for mend in mends if mend[0] <= now]:
                mends.remove(mend)
                mend[1]()
            if now >= next_renewal and self.site.server:
                self.renew()
                next_renewal = time.monotonic() + 2 + self.chance.random() * 3
            if now >= next_fault:
                kind = self.chance.choice(FAULTS)
                self.kinds.add(kind)
                mends += filter(None, [self.fault(kind)])
                next_fault = time.monotonic() + 0.2 + self.chance.random()
            time.sleep(0.02)                         # when things happen is by chance; what is waited for below is an event
        for _, mend in sorted(mends, key=lambda mend: mend[0]):
            mend()

    @staticmethod
    def behind(readers, newest):
        return [(node, link) for (node, link), seen in readers.seen.items() if not seen or seen[-1][1] != newest[link]]

    def tells(self, node):
        """For who reads of a failure: what runs on the node, and the last that its agents said."""
        root = self.site.dir / "host" / "nodes" / node / "root"
        logs = [path for path in root.glob("var/log/**/*.log") if path.is_file()]
        running = {program: self.pids(node, program) for program in ("vaultyard-node", "vaultyard-certs")}
        return "\n".join([f"{node}: {running}", *(f"{path.name}: {line}" for path in logs for line in path.read_text(errors="replace").splitlines()[-25:])])

    def test_all_converge_and_no_reader_sees_half_of_anything(self):
        self.chance, self.counts, self.kinds = random.Random(SEED), dict.fromkeys(("renewals", "kills", "cuts"), 0), set()
        roots = {node: self.site.dir / "host" / "nodes" / node / "root" for node in self.node_ids}
        feed, readers = Feed(self.site, "kv-fleet"), Readers(roots, STORE, list(LINKS))
        feed.told += [(time.monotonic(), name, version) for name in NAMES for _, version in self.versions(name)]
        feed.start()
        readers.start()
        try:
            self.disturb()
            mended = time.monotonic()
            due = self.renew()
            wait_for("the last renewals", lambda: all(self.versions(name)[-1][0] >= due for name in NAMES))
            newest = {link: self.versions(name)[-1][1] for link, name in LINKS.items()}
            try:
                wait_for("every node has the newest versions", lambda: not self.behind(readers, newest), timeout=CONVERGE_WITHIN_S)
            except AssertionError as late:
                raise AssertionError("\n".join([str(late), *(self.tells(node) for node in sorted({node for node, _ in self.behind(readers, newest)}))])) from None
            converged = max(seen[-1][0] for seen in readers.seen.values()) - mended
        finally:
            readers.stop()
            feed.stop()
        behind = sorted(stretch for (_, link), seen in readers.seen.items()
                        for stretch in times_behind([(when, version) for when, name, version in feed.told if name == LINKS[link]], seen))
        print(f"  {self.counts['renewals']} renewals of 2 certificates on {NODES} nodes in {DURATION_S} s, {self.counts['kills']} kills, {self.counts['cuts']} cuts of a node's network; "
              f"{readers.reads} reads, {len(readers.torn)} torn; a node without the newest version: {len(behind)} times, median {statistics.median(behind):.3f} s, "
              f"nine of ten below {behind[len(behind) * 9 // 10]:.1f} s, longest {behind[-1]:.1f} s; all converged {converged:.1f} s after the last fault", flush=True)
        self.assertEqual(readers.torn, [])
        self.assertEqual(self.kinds, set(FAULTS))
        self.assertGreater(self.counts["renewals"], DURATION_S // 8)
        for name in NAMES:                           # through all restarts each version was told once, in order
            self.assertEqual([version for _, told, version in feed.told if told == name], [version for _, version in self.versions(name)])
        self.assertEqual(sorted(node["id"] for node in self.pools.wait_state("p", "idle", NODES)), self.node_ids)


class ReadersNotice(unittest.TestCase):
    """The reader itself: what would be torn is called so."""

    def setUp(self):
        self.root = pathlib.Path(tempfile.mkdtemp(prefix="vaultyard-readers-"))
        self.addCleanup(shutil.rmtree, self.root)
        (self.root / "store").mkdir()
        for name in "ab":
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", f"/CN={name}", "-keyout", self.root / f"{name}.key",
                            "-out", self.root / f"{name}.crt"], check=True, capture_output=True)
        self.pem = {name: [(self.root / f"{name}.{kind}").read_text() for kind in ("crt", "key")] for name in "ab"}

    def said_of(self, text):
        file = self.root / "store" / f"v.web.{'0' * 32}.1.2.PEM"
        if text is not None:
            file.write_text(text)
        link = self.root / "store" / "v.web"
        link.unlink(missing_ok=True)
        link.symlink_to(f"/store/{file.name}")       # as in a node, whose root is another one
        readers = Readers({"n": self.root}, "/store", ["v.web"])
        readers.start()
        wait_for("a look at it", lambda: readers.reads or readers.torn)
        readers.stop()
        return readers.torn[0] if readers.torn else None

    def test_a_pair_is_good(self):
        self.assertIsNone(self.said_of("".join(self.pem["a"])))

    def test_a_key_of_another_certificate_is_noticed(self):
        self.assertIn("KEY_VALUES_MISMATCH", self.said_of(self.pem["a"][0] + self.pem["b"][1]))

    def test_half_a_file_is_noticed(self):
        self.assertIn("torn", self.said_of("".join(self.pem["a"])[:-40]))
        self.assertIn("torn", self.said_of(self.pem["a"][0]))

    def test_a_link_that_leads_nowhere_is_noticed(self):
        self.assertIn("ENOENT", self.said_of(None))


if __name__ == "__main__":
    unittest.main()
