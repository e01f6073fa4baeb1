"""keyvault.py: what a vault costs: requests against floors measured in the same run (a bare TLS loop, openssl, SQLite's commits)."""
import json
import os
import re
import subprocess
import tempfile
import time

from figures import cpu_s, memory_kib, say
from softhsm import SoftHsm
from vaultyard import BUILD, Site

ROUNDS, SECONDS, CONNECTIONS = 3, 3, 64
PACE_MS = 2         # a floor at its own rate never lets the load generator sleep, and waking it is a part of an answer's cost: so also at one pace for all
ROW_BYTES = 600     # a version of a secret of 400 bytes in our table: sealed value and document, names, times
MANY, MORE = 100_000, 1_000_000


def wrk(url, pid, token=None, method="GET", body=None, lua="", connections=CONNECTIONS, seconds=SECONDS):
    """{rate, cpu (us a request), p99 (ms)} of a load on `url` over kept connections; `lua` runs before each request and may change method, path or body."""
    lines = [f"wrk.method = {json.dumps(method)}", "wrk.headers['Content-Type'] = 'application/json'"]
    lines += [f"wrk.headers['Authorization'] = 'Bearer {token}'"] if token else []
    lines += [f"wrk.body = {json.dumps(body)}"] if body else []
    with tempfile.NamedTemporaryFile("w", suffix=".lua") as script:
        script.write("\n".join([*lines, lua]))
        script.flush()
        before = cpu_s(pid)
        text = subprocess.run(["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--latency", "-s", script.name, url], capture_output=True, text=True, check=True).stdout
        used = cpu_s(pid) - before
    requests = int(re.search(r"(\d+) requests in", text).group(1))
    if re.search(r"Non-2xx|Socket errors", text) or not requests:
        raise AssertionError(f"{method} {url}: {text}")
    number, unit = re.search(r"99%\s+([\d.]+)(us|ms|s)", text).groups()
    return {"rate": requests / seconds, "cpu": used / requests * 1e6, "p99": float(number) * {"us": 0.001, "ms": 1, "s": 1000}[unit]}


class Floor:
    """A server that answers as many bytes as a secret's answer has, and does nothing else, with a certificate like ours (EC P-256).
    floor_tls: a bare loop over GnuTLS; floor_mhd: the libraries under our server as they come."""

    def __init__(self, program, base, size):
        certificate, key = base / f"{program}.pem", base / f"{program}.key"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=localhost", "-days", "2",
                        "-keyout", key, "-out", certificate], check=True, capture_output=True)
        self.process = subprocess.Popen([BUILD / "tests/bench" / program, certificate, key, str(size)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.url = f"https://127.0.0.1:{self.process.stdout.readline().split()[1]}/"

    def close(self):
        self.process.stdin.close()
        self.process.wait(10)


def rsa_us():
    """CPU microseconds of one RSA-2048 signature by `openssl speed`, one process a core at once, as the server uses them."""
    command = ["openssl", "speed", "-seconds", "2", "rsa2048"]
    together = [subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True) for _ in range(os.cpu_count())]
    each = [float(re.search(r"rsa\s+2048 bits\s+([\d.]+)s", process.communicate()[0]).group(1)) * 1e6 for process in together]
    return sum(each) / len(each)


def compare(name, floor_name, unit, pairs):
    """pairs: (floor, value) of each round."""
    say(f"floor: {floor_name}", [floor for floor, _ in pairs], unit)
    say(name, [value for _, value in pairs], unit)
    say(f"{name}, against the floor", [value / floor for floor, value in pairs], "x")


def with_vault():
    site = Site().start()
    site.vy("group", "create", "-n", "g", "-l", "local")
    site.vy("keyvault", "create", "-n", "kv-bench", "-g", "g", "-l", "local", "--enable-rbac-authorization", "false")
    return site, site.token(site.vault_resource)


def reads(site, token):
    url = site.vault_url("kv-bench", "/secrets/s?api-version=7.4")
    site.vy("keyvault", "secret", "set", "--vault-name", "kv-bench", "-n", "s", "--value", "x" * 400)
    size = len(site.call("GET", url, token=token).body)
    floors = [Floor(program, site.base, size) for program in ("floor_tls", "floor_mhd")]
    places = [*((floor.url, floor.process.pid) for floor in floors), (url, site.server.pid)]
    found, late, paced = [], [], []
    try:
        for _ in range(ROUNDS):
            loads = [wrk(*place, token) for place in places]                    # the floors get the same bytes, token and all
            found.append([load["cpu"] for load in loads])
            late.append([load["p99"] for load in loads])
            paced.append([wrk(*place, token, lua=f"function delay() return {PACE_MS} end") for place in places])
    finally:
        for floor in floors:
            floor.close()
    compare("secret get: server CPU a request", "libmicrohttpd with a constant answer, CPU a request", "us", [(library, got) for _, library, got in found])
    compare("secret get: server CPU a request", "bare TLS loop, CPU a request", "us", [(least, got) for least, _, got in found])
    compare("secret get at the pace: server CPU a request", "libmicrohttpd at the same pace, CPU a request", "us", [(library["cpu"], got["cpu"]) for _, library, got in paced])
    for number, name in enumerate(("the bare TLS loop", "libmicrohttpd", "secret get")):
        say(f"the pace, {PACE_MS} ms between answer and request: {name}", [loads[number]["rate"] for loads in paced], "1/s")
    say("secret get: 99th percentile", [got for _, _, got in late], "ms")
    say("the same of libmicrohttpd with a constant answer", [library for _, library, _ in late], "ms")
    say("the same of the bare TLS loop", [least for least, _, _ in late], "ms")


def commits(place, *more):
    """[rows a second, CPU microseconds a row]. What the run before has not written yet would be written by this one's commits."""
    os.sync()
    text = subprocess.run([BUILD / "tests/bench/floor_commit", f"{place}/floor{len(more)}.db", str(CONNECTIONS), str(ROW_BYTES), str(SECONDS), *more], capture_output=True, text=True, check=True)
    return [float(figure) for figure in text.stdout.split()]


def writes(site, token):
    names = "local n = 0\nrequest = function() n = n + 1; return wrk.format(nil, '/secrets/w%d-' .. n .. '?api-version=7.4') end"
    found = []
    for number in range(ROUNDS):
        with tempfile.TemporaryDirectory(dir=site.base) as place:
            together, alone = commits(place), commits(place, "one")
        os.sync()
        put = wrk(site.vault_url("kv-bench"), site.server.pid, token, "PUT", json.dumps({"value": "y" * 400}), names.replace("%d", str(number)))
        found.append((together, alone, put))
    compare("secret set, durable, 64 clients", "SQLite group commit, 64 threads that wait for their row", "1/s", [(together[0], put["rate"]) for together, _, put in found])
    compare("secret set, durable, 64 clients", "SQLite alone, 64 rows a commit, nobody waits", "1/s", [(alone[0], put["rate"]) for _, alone, put in found])
    compare("secret set: server CPU a request", "CPU a row of SQLite group commit, 64 threads", "us", [(together[1], put["cpu"]) for together, _, put in found])
    say("secret set: 99th percentile", [put["p99"] for _, _, put in found], "ms")


def signatures(site, token):
    site.vy("keyvault", "key", "create", "--vault-name", "kv-bench", "-n", "k", "--kty", "RSA", "--size", "2048")
    kid = site.call("GET", site.vault_url("kv-bench", "/keys/k?api-version=7.4"), token=token).json["key"]["kid"]
    operation = lambda name, body: site.call("POST", f"{kid}/{name}?api-version=7.4", body, token).json["value"]
    wrapped = operation("wrapkey", {"alg": "RSA-OAEP", "value": "AAECAwQFBgcICQoLDA0ODw"})
    loads = {"sign": {"alg": "RS256", "value": "A" * 43}, "unwrapkey": {"alg": "RSA-OAEP", "value": wrapped}}
    form = f"grant_type=client_credentials&client_id={site.admin['clientId']}&client_secret={site.admin['clientSecret']}&scope={site.vault_resource}/.default"
    token_url = site.login_url(f"/{site.admin['tenantId']}/oauth2/v2.0/token")
    found = {name: [] for name in [*loads, "token"]}
    for _ in range(ROUNDS):
        floor = rsa_us()
        for name, body in loads.items():
            found[name].append((floor, wrk(f"{kid}/{name}?api-version=7.4", site.server.pid, token, "POST", json.dumps(body))["cpu"]))
        issued = wrk(token_url, site.server.pid, None, "POST", form, "wrk.headers['Content-Type'] = 'application/x-www-form-urlencoded'")
        found["token"].append((floor, issued["cpu"]))
    for name, pairs in found.items():
        compare(f"{name}: server CPU a request", "one RSA-2048 signature (openssl speed, one a core)", "us", pairs)
        say(f"{name}: beside the RSA operation", [value - floor for floor, value in pairs], "us")


def hardware():
    """An RS256 signature by a token, which SoftHSM2 stands for: what our sessions and handles cost is what a request takes beside a software key's."""
    hsm = SoftHsm()
    site = Site(serve_args=hsm.serve_args()).start()
    try:
        site.vy("group", "create", "-n", "g", "-l", "local")
        site.vy("keyvault", "create", "-n", "kv-hsm", "-g", "g", "-l", "local", "--sku", "premium", "--enable-rbac-authorization", "false")
        kid = site.vy("keyvault", "key", "create", "--vault-name", "kv-hsm", "-n", "k", "--kty", "RSA-HSM", "--size", "2048")["key"]["kid"]
        token = site.token(site.vault_resource)
        pairs, tails = [], []
        for _ in range(ROUNDS):
            floor = rsa_us()
            load = wrk(f"{kid}/sign?api-version=7.4", site.server.pid, token, "POST", json.dumps({"alg": "RS256", "value": "A" * 43}))
            pairs.append((floor, load["cpu"]))
            tails.append(load["p99"])
        compare("sign with an RSA-HSM key in SoftHSM2: server CPU a request", "one RSA-2048 signature (openssl speed, one a core)", "us", pairs)
        say("sign with an RSA-HSM key: 99th percentile, 64 connections on 16 sessions", tails, "ms")
    finally:
        site.close()
        hsm.close()


def fill(site, token, count):
    """Secrets f1 ... up to about `count`, by as many clients as the writes have; answers how many."""
    names = "local n = 0\nrequest = function() n = n + 1; return wrk.format(nil, '/secrets/f' .. n .. '?api-version=7.4') end"
    done, begun = 0, time.monotonic()
    url = site.vault_url("kv-bench")
    while done < count:                              # each run goes on where the last one was
        start = names.replace("n = 0", f"n = {done}")
        done += int(wrk(url, site.server.pid, token, "PUT", json.dumps({"value": "z" * 100}), start, seconds=5)["rate"] * 5)
    print(f"  {done} secrets in {time.monotonic() - begun:.0f} s", flush=True)
    return done


def many(site, token, count):
    fill(site, token, count)
    listed = [wrk(site.vault_url("kv-bench", "/secrets?api-version=7.4&maxresults=25"), site.server.pid, token, connections=1)["cpu"] / 1000 for _ in range(ROUNDS)]
    say(f"list of 25 among {count}: server CPU", listed, "ms")
    got = [wrk(site.vault_url("kv-bench", "/secrets/f77?api-version=7.4"), site.server.pid, token)["cpu"] for _ in range(ROUNDS)]
    say(f"secret get among {count}: server CPU a request", got, "us")
    ready = []
    for _ in range(ROUNDS):
        site.stop()
        site.start()
        ready.append(site.ready_s * 1000)
    say(f"cold start with {count} secrets", ready, "ms")


def connections(site, token):
    before = memory_kib(site.server.pid, "RssAnon")
    load = subprocess.Popen(["wrk", "-t1", "-c1000", "-d4s", "-H", f"Authorization: Bearer {token}", site.vault_url("kv-bench", "/secrets/s?api-version=7.4")],
                            stdout=subprocess.DEVNULL)
    highest = before
    while load.poll() is None:
        highest = max(highest, memory_kib(site.server.pid, "RssAnon"))
        time.sleep(0.1)
    say("memory a busy connection (of 1,000)", [(highest - before) / 1000], "KiB")


def keyvault():
    """Secrets, keys and tokens against a bare TLS loop, openssl speed and SQLite's group commit. VAULTYARD_LONG=1: also with a million secrets."""
    site, token = with_vault()
    try:
        reads(site, token)
        writes(site, token)
        signatures(site, token)
        connections(site, token)
        many(site, token, MANY)
        if os.environ.get("VAULTYARD_LONG"):
            many(site, token, MORE)
    finally:
        site.close()
    hardware()
