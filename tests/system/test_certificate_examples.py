"""The example settings as they ship, but for names and places, each with its real service: after a renewal the service serves the new certificate."""
import hashlib
import json
import os
import pathlib
import pwd
import socket
import ssl
import struct
import subprocess
import unittest

from certagent import AgentCase
from ports import free_port
from vaultyard import BUILD, wait_for

EXAMPLES = pathlib.Path(__file__).resolve().parents[2] / "packaging" / "examples"
POSTGRESQL = sorted(pathlib.Path("/usr/lib/postgresql").glob("*/bin/postgres"))[-1].parent


def served(port, before=None):
    """The SHA-1 of the certificate at a port; `before` speaks first and answers whether TLS may begin."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE                    # which one it is, is what is asked
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=10) as plain:
            if before and not before(plain):
                return None
            with context.wrap_socket(plain) as secure:
                return hashlib.sha1(secure.getpeercert(binary_form=True)).hexdigest().upper()
    except OSError:
        return None


def postgresql_starts_tls(plain):
    plain.sendall(struct.pack("!II", 8, 80877103))                                        # SSLRequest, "Frontend/Backend Protocol"
    return plain.recv(1) == b"S"


class CertificateExamples(AgentCase):
    def start(self, example, place, service, more, program=None):
        """The agent by the example; `more` is put behind the hook's first word, or that replaced, so that it finds the test's own service."""
        url, _ = self.certificate("web")
        text = (EXAMPLES / f"{example}.json").read_text().replace("https://contoso.vault.azure.net/secrets/web", url).replace("/var/lib/certificates", str(place / "certificates"))
        settings = json.loads(text)
        settings["authenticationSettings"] = {"msiEndpoint": self.metadata.endpoint}
        settings["vaultyard"]["caFile"] = str(self.site.dir / "ca.pem")
        settings["vaultyard"]["hook"]["command"][1:1] = more
        settings["vaultyard"]["hook"]["command"][0] = program or settings["vaultyard"]["hook"]["command"][0]
        (place / "settings.json").write_text(json.dumps(settings))
        log = open(place / "log", "ab")
        self.addCleanup(log.close)
        agent = subprocess.Popen([str(BUILD / "vaultyard-certs"), "--settings", str(place / "settings.json"), "--status", str(place / "1.status")], stderr=log)
        self.addCleanup(self.end, agent)
        wait_for("the certificate", lambda: any(path.exists() for path in self.chains(place)))
        running = subprocess.Popen([str(part) for part in service], stdout=log, stderr=log, **({"user": "postgres", "group": "postgres", "extra_groups": []} if example == "postgresql" else {}))
        self.addCleanup(self.end, running)
        return place

    @staticmethod
    def chains(place):
        """Where the leaf stands first: in a directory of separate files, or in the one that has the key too."""
        return place / "certificates" / "kv-agent.web.d" / "fullchain.pem", place / "certificates" / "kv-agent.web"

    @staticmethod
    def end(process):
        process.terminate()
        process.wait(30)

    def rotates(self, place, port, before=None):
        def state():
            return json.loads((place / "state.json").read_text())

        def another():
            now = served(port, before)
            return now if now != first else None
        first = wait_for("the first certificate is served", lambda: served(port, before))
        wait_for("it listens", lambda: (place / "state.json").exists() and state()["vaultsListenedTo"] == 1)
        for _ in range(2):
            self.certificate("web")
            wanted = wait_for("the new one is served", another)
            [pem] = [path.read_text() for path in self.chains(place) if path.exists()]
            self.assertEqual(wanted, hashlib.sha1(ssl.PEM_cert_to_DER_cert(pem[:pem.index("-----END CERTIFICATE-----") + 25])).hexdigest().upper())
            wait_for("the hook is told to have succeeded", lambda: state()["hook"]["succeeded"] and not state()["hook"]["pending"])
            first = wanted

    def test_postgresql_serves_the_renewed_certificate(self):
        place, port, user = self.site.base / "postgresql", free_port(), pwd.getpwnam("postgres")
        data = place / "data"
        place.mkdir()
        data.mkdir()
        os.chown(data, user.pw_uid, user.pw_gid)
        subprocess.run([str(POSTGRESQL / "initdb"), "-D", str(data), "-A", "peer", "-U", "postgres"], check=True, capture_output=True, user="postgres", group="postgres", extra_groups=[], cwd="/")
        link = place / "certificates" / "kv-agent.web.d"
        (data / "postgresql.auto.conf").write_text(f"listen_addresses = '127.0.0.1'\nport = {port}\nunix_socket_directories = '{data}'\nssl = on\nssl_cert_file = '{link}/fullchain.pem'\n"
                                                   f"ssl_key_file = '{link}/key.pem'\nfsync = off\n")
        os.chown(data / "postgresql.auto.conf", user.pw_uid, user.pw_gid)
        self.start("postgresql", place, [POSTGRESQL / "postgres", "-D", data], ["-h", str(data), "-p", str(port)])
        self.assertEqual((link / "key.pem").stat().st_uid, user.pw_uid)
        self.rotates(place, port, postgresql_starts_tls)

    def test_haproxy_serves_the_renewed_certificate(self):
        place, port = self.site.base / "haproxy", free_port()
        place.mkdir()
        (place / "haproxy.cfg").write_text(f"defaults\n mode http\n timeout connect 5s\n timeout client 5s\n timeout server 5s\nfrontend web\n"
                                           f" bind 127.0.0.1:{port} ssl crt {place}/certificates/kv-agent.web\n http-request return status 200\n")
        systemctl = place / "systemctl"                                                   # for this machine's: it does what haproxy.service has as ExecReload
        systemctl.write_text(f'#!/bin/sh\ntest "$*" = "reload haproxy.service" && haproxy -W -f {place}/haproxy.cfg -c -q && kill -USR2 "$(cat {place}/pid)"\n')
        systemctl.chmod(0o755)
        self.start("haproxy", place, ["/usr/sbin/haproxy", "-W", "-f", place / "haproxy.cfg", "-p", place / "pid"], [], str(systemctl))
        self.rotates(place, port)

    def test_nginx_serves_the_renewed_certificate(self):
        place, port = self.site.base / "nginx", free_port()
        place.mkdir()
        link = place / "certificates" / "kv-agent.web.d"
        (place / "nginx.conf").write_text(f"daemon off; user root; pid {place}/nginx.pid; error_log {place}/error.log;\nevents {{}}\nhttp {{ access_log off; server {{ listen 127.0.0.1:{port} ssl;"
                                          f" ssl_certificate {link}/fullchain.pem; ssl_certificate_key {link}/key.pem; location / {{ return 200; }} }} }}\n")
        self.start("nginx", place, ["/usr/sbin/nginx", "-p", place, "-c", place / "nginx.conf"], ["-p", str(place), "-c", str(place / "nginx.conf")])
        self.rotates(place, port)


if __name__ == "__main__":
    unittest.main()
