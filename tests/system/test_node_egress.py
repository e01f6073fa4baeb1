"""The way out of a local node: what a process in it reaches through the server, and what never."""
import http.server
import os
import socket
import sys
import threading
import unittest

from pools import PoolMaker
from vaultyard import BUILD, Site, wait_for

SOCKET = "socks5h://localhost/run/vaultyard/site/egress.sock"
PORT = "socks5h://127.0.0.1:29877"
CURL_PROXY_REFUSED = 97                              # CURLE_PROXY, with the proxy's reason in the text
if os.geteuid() != 0:
    sys.exit("this test makes containers: run it as root")


class Hello(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(b"hello from outside")

    def log_message(self, *_):
        pass


def serve_hello():
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Hello)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    return server


class Egress(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.open, cls.closed = serve_hello(), serve_hello()
        cls.site = Site(nodes=True, serve_args=["--node-egress-allow", f"127.0.0.1:{cls.open.server_port}"]).start()
        cls.pools = PoolMaker(cls.site, "kv-egress", "egressacct")
        answer = cls.pools.put("p", [], change=lambda body: body["properties"]["deploymentConfiguration"]["virtualMachineConfiguration"].pop("extensions"))
        assert answer.status == 200, answer
        cls.node = cls.pools.wait_state("p", "idle")[0]["id"]

    @classmethod
    def tearDownClass(cls):
        cls.site.close()
        for server in (cls.open, cls.closed):
            server.shutdown()
            server.server_close()

    def curl(self, url, proxy=SOCKET):
        return self.pools.run("p", self.node, "curl", "-sS", "--max-time", "20", "--proxy", proxy, url)

    def refused(self, url):
        done = self.curl(url)
        self.assertEqual((done.returncode, done.stdout), (CURL_PROXY_REFUSED, ""), (url, done.stderr))

    def test_an_allowed_port_is_reached_on_the_socket_and_on_the_nodes_loopback(self):
        for proxy in (SOCKET, PORT):
            for host in ("127.0.0.1", "localhost"):
                done = self.curl(f"http://{host}:{self.open.server_port}/", proxy)
                self.assertEqual((done.returncode, done.stdout), (0, "hello from outside"), done.stderr)
        wait_for("a line about it", lambda: any("egress.closed" in line and f"node={self.node}" in line for line in self.site.log_tail(200000).splitlines()))

    def test_other_ports_of_the_server_and_its_addresses_are_not(self):
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
            try:
                probe.connect(("192.0.2.1", 9))      # sends nothing: only asks which address would be used
                own = [probe.getsockname()[0]]
            except OSError:
                own = []                             # a machine without a network has none but loopback
        for host in ["127.0.0.1", "localhost", "[::1]", "0.0.0.0", "[::ffff:127.0.0.1]", *own]:
            self.refused(f"http://{host}:{self.closed.server_port}/")
        self.assertIn("why=loopback", self.site.log_tail(200000))

    def test_the_metadata_address_of_the_servers_machine_is_not_and_the_nodes_own_is(self):
        for host in ("169.254.169.254", "[::ffff:169.254.169.254]", "[fe80::1]", "[fd00:ec2::254]"):
            self.refused(f"http://{host}/metadata/instance?api-version=2021-02-01")
        own = self.pools.run("p", self.node, "curl", "-s", "-o", "/dev/null", "-w", "%{http_code}", "-H", "Metadata: true", "http://169.254.169.254/metadata/identity/oauth2/token?api-version=2018-02-01")
        self.assertEqual((own.returncode, own.stdout), (0, "400"), own.stderr)      # no resource was named

    def test_nothing_leads_out_beside_it(self):
        done = self.pools.run("p", self.node, "curl", "-sS", "--max-time", "10", "--noproxy", "*", f"http://127.0.0.1:{self.open.server_port}/")
        self.assertEqual(done.returncode, 7, done.stderr)            # the node's own loopback, where nobody listens

    def test_a_restarted_server_carries_on_and_off_is_off(self):
        self.site.stop()
        self.site.serve_args = ["--node-egress", "off"]
        self.site.start(listen=(f"127.0.0.1:{self.site.port}", f"[::1]:{self.site.port}"))
        try:
            self.assertFalse((self.site.dir / "run" / "site" / "egress.sock").exists())
            self.assertNotEqual(self.curl(f"http://127.0.0.1:{self.open.server_port}/").returncode, 0)
        finally:
            self.site.stop()
            self.site.serve_args = ["--node-egress-allow", f"127.0.0.1:{self.open.server_port}"]
            self.site.start(listen=(f"127.0.0.1:{self.site.port}", f"[::1]:{self.site.port}"))
        self.assertEqual(self.curl(f"http://127.0.0.1:{self.open.server_port}/").stdout, "hello from outside")

    def test_settings_that_are_none_are_refused(self):
        for wrong, said in ((["--node-egress", "maybe"], "none of on, rules, off"), (["--node-egress-allow", "localhost:80"], "'localhost:80'"),
                            (["--node-egress-allow", "10.0.0.1/8"], "beyond the network"), (["--node-egress", "off", "--node-egress-allow", "127.0.0.1:1"], "contradict")):
            done = self.site.run([BUILD / "vaultyard", "serve", "--data-dir", self.site.dir, *wrong], code=2)
            self.assertIn(said, done.stderr)


if __name__ == "__main__":
    unittest.main()
