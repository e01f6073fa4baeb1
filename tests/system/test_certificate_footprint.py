"""What the certificate agent costs while nothing happens: memory, wake-ups, processor time."""
import os
import select
import unittest

from certagent import AgentCase
from vaultyard import BUILD, wait_for

ALONE = True        # it measures

ANON_MAX_KIB = 5 * 1024
QUIET_S = 6.0                           # how long nobody may wake; a park lasts 55 s, a poll period here is an hour
IDLE_SHARE = 0.0001                     # 0.01 % of one processor
PARK_S, POLL_S = 55, 3600
CYCLES = 20
IS_SANITIZED = "asan" in str(BUILD)     # whose runtime has memory and threads of its own


class Footprint(AgentCase):
    def settled(self, name, count=3, more=(), **settings):
        """An agent that keeps so many certificates, after its first round."""
        urls = [self.certificate(f"{name}-{i}")[0] for i in range(count)]
        agent = self.agent("a", urls, own=settings, more=more).start()
        wants = 0 if settings.get("push") is False else 1
        wait_for("it is in order", lambda: (agent.dir / "state.json").exists() and agent.state()["vaultsListenedTo"] == wants and all(c["isCurrent"] for c in agent.state()["certificates"]))
        self.quiet(agent, 1.0)          # the write of that state, and what the kernel still tells of it
        return agent

    def cpu_ns(self, agent):
        return sum(int((task / "schedstat").read_text().split()[0]) for task in agent.tasks())

    def quiet(self, agent, seconds):
        before = agent.switches()
        select.select([], [], [], seconds)
        return agent.switches() - before

    def polls(self, agent):
        return agent.state()["nextPoll"]

    def test_nobody_wakes_while_a_request_is_parked(self):
        agent = self.settled("parked", metrics={"listen": "127.0.0.1:0"})
        self.assertEqual(self.quiet(agent, QUIET_S), 0)

    def test_nobody_wakes_between_polls(self):
        agent = self.settled("polls", push=False, metrics={"listen": f"unix:{self.site.base}/footprint.sock"})
        self.assertEqual(self.quiet(agent, QUIET_S), 0)

    def test_it_has_one_thread(self):
        self.assertEqual(len(self.settled("thread").tasks()), 1)

    def test_memory_stays_below_5_mib_after_rotations_with_a_hook_and_every_kind_of_file(self):
        agent = self.settled("memory", count=10, files=["pem", "cert", "chain", "fullchain", "key", "pkcs12"], hook={"command": "true"}, metrics={"listen": "127.0.0.1:0"})
        for _ in range(5):
            _, version = self.certificate("memory-3")
            wait_for("the next version", lambda: version in os.readlink(agent.store / "kv-agent.memory-3"))
        wait_for("the state tells", lambda: agent.state()["certificates"][3].get("version") == version)
        self.quiet(agent, 1.0)
        memory = agent.memory()
        print(f"  memory with 10 certificates after 5 rotations: RssAnon {memory['RssAnon']} KiB, VmRSS {memory['VmRSS']} KiB", flush=True)
        if not IS_SANITIZED:
            self.assertLess(memory["RssAnon"], ANON_MAX_KIB)
        told = agent.state()["memory"]
        self.assertLess(abs(told["residentBytes"] - memory["VmRSS"] * 1024), 2 << 20)
        self.assertLess(abs(told["anonymousBytes"] - memory["RssAnon"] * 1024), 1 << 20)

    def test_idle_it_takes_less_than_a_ten_thousandth_of_a_processor(self):
        """Between polls and answers nobody wakes (above), so what idling costs is what a poll and a new park cost, over how seldom they are. Both are
        measured in processor time of the kernel's own account, so a busy machine changes nothing."""
        clock = self.site.base / "footprint-clock"
        clock.write_text("0")
        agent = self.settled("cpu", more=("--clock", str(clock)))
        begun = self.cpu_ns(agent)
        for i in range(CYCLES):
            was = self.polls(agent)
            clock.write_text(str((i + 1) * (POLL_S + 1) * 1000))
            wait_for("the poll is over", lambda: self.polls(agent) != was)
        poll_ns = (self.cpu_ns(agent) - begun) / CYCLES
        self.quiet(agent, 0.5)
        begun = self.cpu_ns(agent)
        for _ in range(CYCLES):                              # of others: the answer comes, concerns nobody here, and a request is parked again
            before = agent.switches()
            self.vy("keyvault", "secret", "set", "--vault-name", "kv-agent", "-n", "of-others", "--value", "x")
            wait_for("the answer came", lambda: agent.switches() != before)
            wait_for("a request is parked again", lambda: self.quiet(agent, 0.2) == 0)
        park_ns = (self.cpu_ns(agent) - begun) / CYCLES
        share = poll_ns / 1e9 / POLL_S + park_ns / 1e9 / PARK_S
        print(f"  idle: a poll of 3 certificates {poll_ns / 1e6:.2f} ms of processor time, a new park {park_ns / 1e6:.2f} ms: {share * 100:.4f} % of one processor", flush=True)
        if not IS_SANITIZED:
            self.assertLess(share, IDLE_SHARE)

    def test_the_metrics_tell_memory_and_processor_time(self):
        agent = self.settled("told", metrics={"listen": "127.0.0.1:0"})
        port = int(agent.state()["metricsServedAt"].rsplit(":", 1)[1])
        status, text = self.scrape(port)
        values = {line.split()[0]: float(line.split()[1]) for line in text.splitlines() if line.startswith("process_")}
        memory = agent.memory()
        self.assertEqual(status, 200)
        self.assertLess(abs(values["process_resident_memory_bytes"] - memory["VmRSS"] * 1024), 2 << 20)
        self.assertLess(abs(values["process_anonymous_memory_bytes"] - memory["RssAnon"] * 1024), 1 << 20)
        self.assertGreater(values["process_cpu_seconds_total"], 0)

    def test_the_program_is_small(self):
        """As it is installed: without what a debugger needs."""
        out = self.site.base / "stripped"
        self.site.run(["strip", "-o", out, BUILD / "vaultyard-certs"])
        print(f"  program: {out.stat().st_size / 1024:.0f} KiB", flush=True)
        if not IS_SANITIZED:
            self.assertLess(out.stat().st_size, 512 * 1024)


if __name__ == "__main__":
    unittest.main()
