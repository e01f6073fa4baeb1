"""bench.py [NAME...]: figures of this build on this machine; medians of several rounds, ratios against a floor of the same round."""
import re
import subprocess
import sys
import time

from figures import cpu_s, memory_kib, say
from fleet import fleet
from keyvault import keyvault
from pools import STORE, PoolMaker
from vaultyard import Site

ROUNDS = 5


def start():
    """From the start of the process to its ready line, on a directory that holds a site; then what it holds when idle."""
    site = Site()
    ready, rss, anon = [], [], []
    try:
        for _ in range(ROUNDS):
            site.start()
            ready.append(site.ready_s * 1000)
            rss.append(memory_kib(site.server.pid, "VmRSS") / 1024)
            anon.append(memory_kib(site.server.pid, "RssAnon") / 1024)
            site.stop()
    finally:
        site.close()
    say("cold start to ready", ready, "ms")
    say("idle, resident", rss, "MiB")
    say("idle, anonymous", anon, "MiB")


def load(site, url, token=None, seconds=3):
    """(requests a second, server CPU microseconds a request) over 32 kept connections."""
    command = ["wrk", "-t1", "-c32", f"-d{seconds}s", url] + (["-H", f"Authorization: Bearer {token}"] if token else [])
    before = cpu_s(site.server.pid)
    text = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    used = cpu_s(site.server.pid) - before
    requests = int(re.search(r"(\d+) requests in", text).group(1))
    bad = re.search(r"Non-2xx or 3xx responses: (\d+)", text)
    if bad or not requests:
        raise AssertionError(f"{url}: {text}")
    return requests / seconds, used / requests * 1e6


def serve():
    """A secret read (token, policy, store, unsealing, audit) against the cheapest answer of the same server over the same TLS."""
    with Site() as site:
        site.vy("group", "create", "-n", "g", "-l", "local")
        site.vy("keyvault", "create", "-n", "kv-bench", "-g", "g", "-l", "local")
        site.vy("keyvault", "secret", "set", "--vault-name", "kv-bench", "-n", "s", "--value", "x" * 400)
        token = site.token(site.vault_resource)
        floor_rate, floor_cpu, rate, cpu, ratio = [], [], [], [], []
        for _ in range(ROUNDS):
            floor = load(site, f"https://vaultyard.localhost:{site.port}/healthz")
            get = load(site, site.vault_url("kv-bench", "/secrets/s?api-version=7.4"), token)
            for values, value in ((floor_rate, floor[0]), (floor_cpu, floor[1]), (rate, get[0]), (cpu, get[1]), (ratio, get[1] / floor[1])):
                values.append(value)
        say("floor: /healthz", floor_rate, "1/s")
        say("floor: server CPU a request", floor_cpu, "us")
        say("secret get", rate, "1/s")
        say("secret get: server CPU a request", cpu, "us")
        say("secret get: CPU against the floor", ratio, "x")


def with_pool_maker():
    site = Site(nodes=True).start()
    pools = PoolMaker(site, "kv-bench", "bench")
    return site, pools, pools.certificate("web")


def nodes():
    """From the pool's PUT to its node being idle with the certificate on disk (requireInitialSync), against one process in namespaces of its own."""
    site, pools, secret = with_pool_maker()
    took, floor = [], []
    try:
        for number in range(ROUNDS):
            begun = time.monotonic()
            subprocess.run(["unshare", "--user", "--pid", "--fork", "--net", "--mount", "--uts", "--ipc", "true"], check=True)
            floor.append((time.monotonic() - begun) * 1000)
            begun = time.monotonic()
            assert pools.put(f"p{number}", [secret]).status == 200
            pools.wait_state(f"p{number}", "idle")
            took.append((time.monotonic() - begun) * 1000)
    finally:
        site.close()
    say("floor: a process in namespaces", floor, "ms")
    say("pool PUT to idle node with its certificate", took, "ms")


def rotation():
    """From the clock's move, which makes the renewal due, to the new certificate being seen on the node; then fleets of agents at one vault."""
    site, pools, secret = with_pool_maker()
    took = []
    try:
        assert pools.put("p", [secret]).status == 200
        node = pools.wait_state("p", "idle")[0]["id"]
        link = lambda: pools.run("p", node, "readlink", f"{STORE}/kv-bench.web").stdout
        for _ in range(ROUNDS):
            before, begun = link(), time.monotonic()
            site.vy("dev", "clock", "advance", "340d")
            while link() == before:
                pass
            took.append((time.monotonic() - begun) * 1000)
    finally:
        site.close()
    say("clock moved to new certificate seen on the node", took, "ms")
    fleet()


PARTS = {"start": start, "serve": serve, "keyvault": keyvault, "nodes": nodes, "rotation": rotation}
names = sys.argv[1:] or list(PARTS)
unknown = [name for name in names if name not in PARTS]
if unknown:
    sys.exit(f"bench: no such part: {' '.join(unknown)}; there are: {' '.join(PARTS)}")
for part in names:
    print(f"== {part}: {PARTS[part].__doc__}", flush=True)
    PARTS[part]()
