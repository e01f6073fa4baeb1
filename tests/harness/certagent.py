"""certagent.py: the certificate agent as a program of its own on this machine, with a metadata address of the test's, against a Site with one vault."""
import json
import os
import pathlib
import signal
import socket
import subprocess
import unittest

from metadata import Metadata
from vaultyard import BUILD, Site

POLICY = {"issuerParameters": {"name": "Self"}, "x509CertificateProperties": {"subject": "CN=agent.example", "validityInMonths": 12},
          "keyProperties": {"keyType": "EC", "curve": "P-256", "exportable": True}, "secretProperties": {"contentType": "application/x-pem-file"}}


class Agent:
    def __init__(self, site, metadata, name, observed, own=None, poll="3600", more=()):
        self.dir = site.base / name
        self.dir.mkdir()
        self.store = self.dir / "store"
        settings = {"secretsManagementSettings": {"pollingIntervalInS": poll, "certificateStoreLocation": str(self.store), "observedCertificates": observed},
                    "authenticationSettings": {"msiEndpoint": metadata.endpoint},
                    "vaultyard": dict({"caFile": str(site.dir / "ca.pem")}, **(own or {}))}
        (self.dir / "settings.json").write_text(json.dumps(settings))
        self.command = [BUILD / "vaultyard-certs", "--settings", self.dir / "settings.json", "--status", self.dir / "1.status", *more]
        self.process = None

    def start(self, **environment):
        with open(self.dir / "log", "ab") as log:
            self.process = subprocess.Popen([str(part) for part in self.command], stderr=log, env=dict(os.environ, **environment))
        return self

    def once(self, *more):
        return subprocess.run([str(part) for part in [*self.command, *(more or ["--once"])]], capture_output=True, text=True, timeout=120)

    def stop(self):
        if self.process:
            self.process.send_signal(signal.SIGTERM)
            code = self.process.wait(60)
            self.process = None
            return code
        return 0

    def log(self):
        return (self.dir / "log").read_text()

    def status(self):
        return json.loads((self.dir / "1.status").read_text())[0]["status"]

    def state(self):
        """What it knows; before it has written that, nothing."""
        if not (self.dir / "state.json").exists():
            return {"certificates": [], "vaultsListenedTo": 0}
        return json.loads((self.dir / "state.json").read_text())

    def change(self, **members):
        """The settings file, replaced whole: members of secretsManagementSettings, and vaultyard's in `own`."""
        text = json.loads((self.dir / "settings.json").read_text())
        text["vaultyard"].update(members.pop("own", {}))
        text["secretsManagementSettings"].update(members)
        (self.dir / "settings.new").write_text(json.dumps(text))
        os.replace(self.dir / "settings.new", self.dir / "settings.json")

    def own(self, **members):
        self.change(own=members)

    def tasks(self):
        return list(pathlib.Path(f"/proc/{self.process.pid}/task").iterdir())

    def switches(self):
        """How often its threads went to sleep, which is how often they had been woken."""
        lines = [line for task in self.tasks() for line in (task / "status").read_text().splitlines()]
        return sum(int(line.split()[1]) for line in lines if line.startswith("voluntary_ctxt_switches"))

    def memory(self):
        """{VmRSS, RssAnon} in KiB."""
        lines = pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines()
        return {line.split(":")[0]: int(line.split()[1]) for line in lines if line.startswith(("VmRSS", "RssAnon"))}


class AgentCase(unittest.TestCase):
    """A vault `kv-agent`, a principal whom metadata gives tokens for, agents by request."""

    @classmethod
    def setUpClass(cls):
        cls.site = Site().start()
        cls.vy = cls.site.vy
        cls.vy("group", "create", "-n", "g", "-l", "local")
        cls.vy("keyvault", "create", "-n", "kv-agent", "-g", "g", "-l", "local")
        cls.principal = cls.site.principal("agent")
        cls.metadata = Metadata(cls.site, cls.principal)
        cls.allow()

    @classmethod
    def tearDownClass(cls):
        cls.metadata.close()
        cls.site.close()

    @classmethod
    def allow(cls, *permissions):
        cls.vy("keyvault", "set-policy", "-n", "kv-agent", "--object-id", cls.principal["id"], "--secret-permissions", *(permissions or ["get"]))

    def certificate(self, name):
        """A new version, there when this returns; answers its secret's base URL and its version."""
        self.vy("keyvault", "certificate", "create", "--vault-name", "kv-agent", "-n", name, "--policy", json.dumps(POLICY))
        sid = self.vy("keyvault", "certificate", "show", "--vault-name", "kv-agent", "-n", name)["sid"]
        return sid.rsplit("/", 1)

    def agent(self, name, observed, **more):
        agent = Agent(self.site, self.metadata, f"{self.id().rsplit('.', 1)[1][5:40]}-{name}", observed, **more)
        self.addCleanup(agent.stop)
        return agent

    def has(self, agent, name, version):
        link = agent.store / f"kv-agent.{name}"
        return link.is_symlink() and f".{version}." in os.readlink(link)

    def scrape(self, port, request=b"GET /metrics HTTP/1.1\r\nHost: a\r\n\r\n"):
        with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
            connection.sendall(request)
            head, _, body = b"".join(iter(lambda: connection.recv(65536), b"")).partition(b"\r\n\r\n")
        return int(head.split()[1]), body.decode()
