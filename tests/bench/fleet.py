"""fleet.py: many certificate agents at one vault. The agents are light clients on one thread that speak the agents' protocol: one kept connection
each, parked on the change feed, and a GET of the secret when it answers."""
import asyncio
import json
import os
import resource
import ssl
import statistics
import time

from figures import cpu_s, memory_kib, say
from vaultyard import Site

ROUNDS, IDLE_S = 7, 5
POLICY = {"issuerParameters": {"name": "Self"}, "x509CertificateProperties": {"subject": "CN=fleet.example", "validityInMonths": 12},
          "keyProperties": {"keyType": "EC", "curve": "P-256", "exportable": True}, "secretProperties": {"contentType": "application/x-pem-file"}}


class Light:
    def __init__(self, fleet):
        self.fleet, self.cursor, self.got = fleet, None, None

    async def get(self, path):
        self.writer.write(f"GET {path} HTTP/1.1\r\nHost: {self.fleet.host}\r\nAuthorization: Bearer {self.fleet.token}\r\n\r\n".encode())
        head = await self.reader.readuntil(b"\r\n\r\n")
        size = int(head.lower().split(b"content-length:")[1].split(b"\r\n")[0])
        body = json.loads(await self.reader.readexactly(size))
        if not head.startswith(b"HTTP/1.1 200"):
            raise AssertionError(f"{path}: {head!r} {body}")
        return body

    async def begin(self):
        self.reader, self.writer = await asyncio.open_connection("127.0.0.1", self.fleet.port, ssl=self.fleet.context, server_hostname=self.fleet.host.split(":")[0])
        self.cursor = (await self.get("/changes?api-version=7.4"))["cursor"]
        await self.get("/secrets/web?api-version=7.4")
        self.parked = asyncio.create_task(self.listen())

    async def listen(self):
        while True:
            answer = await self.get(f"/changes?api-version=7.4&wait=55&after={self.cursor}")
            self.cursor = answer["cursor"]
            if answer["value"]:
                self.got = ((await self.get("/secrets/web?api-version=7.4"))["id"], time.monotonic())

    def end(self):
        self.parked.cancel()
        self.writer.transport.abort()


class Fleet:
    def __init__(self, site):
        self.site = site
        self.host = site.vault_url("kv-fleet").split("://")[1]
        self.port = site.port
        self.token = site.token(site.vault_resource)
        self.context = site.context()
        self.agents = []

    async def grow(self, count):
        """At most 64 begin at once, so that none waits in the server's backlog."""
        turns = asyncio.Semaphore(64)

        async def begin(agent):
            async with turns:
                await agent.begin()
        more = [Light(self) for _ in range(count - len(self.agents))]
        await asyncio.gather(*(begin(agent) for agent in more))
        self.agents += more

    def renew(self):
        """Asks for a new version; its id and when it was seen in the vault."""
        self.site.vy("keyvault", "certificate", "create", "--vault-name", "kv-fleet", "-n", "web", "--policy", json.dumps(POLICY))
        return self.site.vy("keyvault", "certificate", "show", "--vault-name", "kv-fleet", "-n", "web")["sid"]

    async def rotate(self):
        """Of one new version: seconds from asking for it until each agent had it, sorted; CPU seconds of the server; CPU seconds of the agents."""
        for agent in self.agents:
            agent.got = None
        server_s, agents_s, begun = cpu_s(self.site.server.pid), time.process_time(), time.monotonic()
        sid = await asyncio.to_thread(self.renew)
        while not all(agent.got for agent in self.agents):
            for agent in self.agents:
                if agent.parked.done():
                    agent.parked.result()
            await asyncio.sleep(0.01)
        assert all(agent.got[0] == sid for agent in self.agents)
        return sorted(agent.got[1] - begun for agent in self.agents), cpu_s(self.site.server.pid) - server_s, time.process_time() - agents_s

    async def look(self):
        """CPU microseconds of the server for one GET of an unchanged secret, asked once by each agent."""
        before = cpu_s(self.site.server.pid)
        fresh = [Light(self) for _ in range(32)]
        for agent in fresh:
            agent.reader, agent.writer = await asyncio.open_connection("127.0.0.1", self.port, ssl=self.context, server_hostname=self.host.split(":")[0])
        before = cpu_s(self.site.server.pid)

        async def polls(agent):
            for _ in range(max(len(self.agents), 1000) // len(fresh)):
                await agent.get("/secrets/web?api-version=7.4")
        await asyncio.gather(*(polls(agent) for agent in fresh))
        used = cpu_s(self.site.server.pid) - before
        for agent in fresh:
            agent.writer.transport.abort()
        return used / (max(len(self.agents), 1000) // len(fresh) * len(fresh)) * 1e6


async def measure(site):
    fleet = Fleet(site)
    print(f"  other work on this machine: load {os.getloadavg()[0]:.1f} on {os.cpu_count()} cores, which the times (not the CPU) below have to share", flush=True)
    empty_kib = memory_kib(site.server.pid, "RssAnon")
    for count in (1, 100, 1000, 5000):
        await fleet.grow(count)
        if count <= 1000:
            rounds = [await fleet.rotate() for _ in range(ROUNDS)]
            say(f"{count} agents: new version asked for to had, median agent", [statistics.median(took) * 1000 for took, _, _ in rounds], "ms")
            say(f"{count} agents: the same, last agent", [took[-1] * 1000 for took, _, _ in rounds], "ms")
            say(f"{count} agents: the same, CPU of server", [server * 1000 for _, server, _ in rounds], "ms")
            say(f"{count} agents: the same, CPU of agents (all in one process)", [agents * 1000 for _, _, agents in rounds], "ms")
        if count >= 1000:
            before = cpu_s(site.server.pid)
            await asyncio.sleep(IDLE_S)
            say(f"{count} parked: server CPU", [(cpu_s(site.server.pid) - before) / IDLE_S * 100], "%")
            say(f"{count} parked: anonymous memory over none parked, each", [(memory_kib(site.server.pid, "RssAnon") - empty_kib) / count], "KiB")
    say("a poll without change: server CPU", [await fleet.look() for _ in range(ROUNDS)], "us")
    for agent in fleet.agents:
        agent.end()


def fleet():
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(hard, 65536) if hard > 0 else 65536, hard))
    with Site() as site:
        site.vy("group", "create", "-n", "g", "-l", "local")
        site.vy("keyvault", "create", "-n", "kv-fleet", "-g", "g", "-l", "local")
        site.vy("keyvault", "certificate", "create", "--vault-name", "kv-fleet", "-n", "web", "--policy", json.dumps(POLICY))
        asyncio.run(measure(site))
