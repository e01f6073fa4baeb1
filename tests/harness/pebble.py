"""pebble.py: a real ACME server (Debian's pebble) with a DNS of its own, on free ports, for tests: it asks every name at 127.0.0.1."""
import json
import os
import socket
import ssl
import subprocess
import urllib.request

from ports import free_ports
from vaultyard import wait_for


def answers(port):
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


class Pebble:
    """binding: {key id: MAC key in base64url} makes external account binding required. bad_nonces: how many of a hundred good nonces it refuses."""

    def __init__(self, folder, binding=None, bad_nonces=30):
        self.folder, self.bad_nonces = folder, bad_nonces
        self.port, self.manage, self.http, self.dns_manage, self.dns, tls = free_ports(6)
        self.directory = f"https://localhost:{self.port}/dir"
        self.ca = folder / "pebble-ca.pem"
        key = folder / "pebble-key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost,IP:127.0.0.1", "-keyout", str(key), "-out", str(self.ca)], check=True, capture_output=True)
        self.settings = folder / "pebble.json"
        self.settings.write_text(json.dumps({"pebble": {
            "listenAddress": f"127.0.0.1:{self.port}", "managementListenAddress": f"127.0.0.1:{self.manage}", "certificate": str(self.ca), "privateKey": str(key),
            "httpPort": self.http, "tlsPort": tls, "ocspResponderURL": "", "externalAccountBindingRequired": bool(binding), "externalAccountMACKeys": binding or {}}}))
        self.log = open(folder / "pebble.log", "ab")
        self.names = subprocess.Popen(["pebble-challtestsrv", "-dns01", f"127.0.0.1:{self.dns}", "-management", f"127.0.0.1:{self.dns_manage}", "-http01", "", "-https01", "",
                                       "-tlsalpn01", "", "-defaultIPv6", ""], stdout=self.log, stderr=self.log)
        self.server = None
        wait_for("the DNS of the ACME server", lambda: answers(self.dns_manage))
        self.start()

    def start(self):
        """One that was stopped has forgotten every account and order, and has another root."""
        environment = dict(os.environ, PEBBLE_VA_NOSLEEP="1", PEBBLE_WFE_NONCEREJECT=str(self.bad_nonces), PEBBLE_AUTHZREUSE="0")
        self.server = subprocess.Popen(["pebble", "-config", str(self.settings), "-dnsserver", f"127.0.0.1:{self.dns}", "-strict"], stdout=self.log, stderr=self.log, env=environment)
        wait_for("the ACME server", lambda: answers(self.port) and answers(self.manage))

    def stop(self):
        self.server.terminate()
        self.server.wait(10)

    def close(self):
        self.stop()
        self.names.terminate()
        self.names.wait(10)
        self.log.close()

    def root(self):
        with urllib.request.urlopen(f"https://localhost:{self.manage}/roots/0", context=ssl.create_default_context(cafile=str(self.ca)), timeout=20) as answer:
            return answer.read().decode()

    def tell(self, what, **body):
        """To the DNS: add_a(host, addresses), clear_a(host)."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.dns_manage}/{what}", json.dumps(body).encode(), method="POST")
        with urllib.request.urlopen(request, timeout=20) as answer:
            return answer.read()
