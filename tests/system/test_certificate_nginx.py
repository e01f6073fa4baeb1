"""A real nginx serves TLS from the files of the certificate agent while certificates rotate and clients connect all the time."""
import base64
import hashlib
import json
import os
import signal
import socket
import ssl
import statistics
import subprocess
import threading
import time
import unittest

from metadata import Metadata
from ports import free_port
from vaultyard import BUILD, Site, wait_for

ALONE = True        # it measures

NGINX = "/usr/sbin/nginx"
ROTATIONS, CLIENTS = 6, 3
POLICY = {"issuerParameters": {"name": "Self"}, "x509CertificateProperties": {"subject": "CN=nginx.example", "validityInMonths": 12},
          "keyProperties": {"keyType": "EC", "curve": "P-256", "exportable": True}, "secretProperties": {"contentType": "application/x-pem-file"}}
CONFIG = """
daemon off; master_process on; worker_processes 2; pid {dir}/nginx.pid; error_log {dir}/error.log notice; {user}
events {{ worker_connections 256; }}
http {{
  access_log off;
  server {{
    listen 127.0.0.1:{port} ssl;
    ssl_certificate {store}/kv-nginx.web.d/fullchain.pem;
    ssl_certificate_key {store}/kv-nginx.web.d/key.pem;
    location / {{ return 200 "ok"; }}
  }}
}}
"""


class Clients:
    """Threads that do nothing but shake hands, each time over a new connection."""

    def __init__(self, port):
        self.port, self.done, self.failures, self.handshakes, self.seen = port, False, [], 0, {}
        self.context = ssl.create_default_context()
        self.context.check_hostname, self.context.verify_mode = False, ssl.CERT_NONE      # which certificate it is, is looked at below
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run) for _ in range(CLIENTS)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.done:
            try:
                with socket.create_connection(("127.0.0.1", self.port), timeout=10) as plain, self.context.wrap_socket(plain) as secure:
                    thumbprint = hashlib.sha1(secure.getpeercert(binary_form=True)).hexdigest().upper()
                    secure.sendall(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
                    good = secure.recv(4096).startswith(b"HTTP/1.1 200")
                with self.lock:
                    self.handshakes += 1
                    self.seen.setdefault(thumbprint, time.monotonic())
                    if not good:
                        self.failures.append("no 200")
            except OSError as error:
                with self.lock:
                    self.failures.append(repr(error))

    def stop(self):
        self.done = True
        for thread in self.threads:
            thread.join()


class Nginx(unittest.TestCase):
    def test_no_handshake_fails_while_certificates_rotate(self):
        site = Site().start()
        self.addCleanup(site.close)
        site.vy("group", "create", "-n", "g", "-l", "local")
        site.vy("keyvault", "create", "-n", "kv-nginx", "-g", "g", "-l", "local")
        principal = site.principal("nginx")
        site.vy("keyvault", "set-policy", "-n", "kv-nginx", "--object-id", principal["id"], "--secret-permissions", "get")
        metadata = Metadata(site, principal)
        self.addCleanup(metadata.close)

        def rotate():
            """Asks for a new version; its thumbprint when it is there."""
            site.vy("keyvault", "certificate", "create", "--vault-name", "kv-nginx", "-n", "web", "--policy", json.dumps(POLICY))
            made = site.vy("keyvault", "certificate", "show", "--vault-name", "kv-nginx", "-n", "web")
            return thumbprint_of(made["x509Thumbprint"])

        first = rotate()
        place = site.base / "nginx"
        place.mkdir()
        port = free_port()
        config = place / "nginx.conf"
        config.write_text(CONFIG.format(dir=place, store=place / "store", port=port, user="user root;" if os.geteuid() == 0 else ""))
        (place / "settings.json").write_text(json.dumps({
            "secretsManagementSettings": {"certificateStoreLocation": str(place / "store"), "observedCertificates": [site.vault_url("kv-nginx", "/secrets/web")]},
            "authenticationSettings": {"msiEndpoint": metadata.endpoint},
            "vaultyard": {"caFile": str(site.dir / "ca.pem"), "files": ["fullchain", "key"],
                          "hook": {"command": f"test ! -s {place}/nginx.pid || {NGINX} -p {place} -c {config} -s reload", "timeoutSeconds": 20}}}))
        log = open(place / "log", "ab")
        self.addCleanup(log.close)
        agent = subprocess.Popen([str(BUILD / "vaultyard-certs"), "--settings", str(place / "settings.json"), "--status", str(place / "1.status")], stderr=log)
        self.addCleanup(self.end, agent)
        wait_for("the first certificate", lambda: (place / "store" / "kv-nginx.web.d" / "key.pem").exists())
        wait_for("it listens", lambda: "certs.listening" in (place / "log").read_text())
        nginx = subprocess.Popen([NGINX, "-p", str(place), "-c", str(config)], stderr=log)
        self.addCleanup(self.end, nginx)
        wait_for("nginx", lambda: socket.socket().connect_ex(("127.0.0.1", port)) == 0)

        clients = Clients(port)
        self.addCleanup(clients.stop)
        wait_for("the first certificate is served", lambda: first in clients.seen)
        took = []
        for _ in range(ROTATIONS):
            thumbprint = rotate()
            made_at = time.monotonic()
            served_at = wait_for("the next certificate is served", lambda: clients.seen.get(thumbprint), timeout=30)
            took.append(served_at - made_at)
        clients.stop()
        print(f"  nginx: {clients.handshakes} handshakes, {len(clients.failures)} failed, {ROTATIONS} rotations; served after the renewal was seen: "
              f"median {statistics.median(took) * 1000:.0f} ms, slowest {max(took) * 1000:.0f} ms", flush=True)
        self.assertEqual(clients.failures, [])
        self.assertGreater(clients.handshakes, 20 * ROTATIONS)
        self.assertLess(statistics.median(took), 1.0)

    @staticmethod
    def end(process):
        process.send_signal(signal.SIGTERM)
        process.wait(20)


def thumbprint_of(x5t):
    """az prints hex; the wire has base64url."""
    return x5t.upper() if len(x5t) == 40 else base64.urlsafe_b64decode(x5t + "=" * (-len(x5t) % 4)).hex().upper()


if __name__ == "__main__":
    unittest.main()
