"""webhook.py: a receiver of events over HTTPS, with a CA of its own, that does what a test tells it."""
import http.server
import json
import pathlib
import ssl
import subprocess
import threading


def make_ca(folder):
    """(CA certificate, server chain and key) for 127.0.0.1, in PEM files."""
    folder = pathlib.Path(folder)
    run = lambda *arguments: subprocess.run(["openssl", *arguments], cwd=folder, check=True, capture_output=True)
    run("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=hook ca", "-keyout", "hook-ca.key", "-out", "hook-ca.pem")
    run("req", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-subj", "/CN=hook", "-keyout", "hook.key", "-out", "hook.csr")
    (folder / "hook.ext").write_text("subjectAltName=IP:127.0.0.1,DNS:localhost\n")
    run("x509", "-req", "-in", "hook.csr", "-CA", "hook-ca.pem", "-CAkey", "hook-ca.key", "-days", "2", "-extfile", "hook.ext", "-out", "hook.crt")
    (folder / "hook-ca.pem").chmod(0o644)                   # the service user reads it
    return folder / "hook-ca.pem", folder / "hook.crt", folder / "hook.key"


class Receiver:
    """`events` and `asked` grow; `answer(path, event)` says the status of a delivery; `origin` is what OPTIONS allows (None: nothing)."""

    def __init__(self, chain, key):
        self.events, self.asked, self.origin, self.answer = [], [], "*", lambda path, event: 200
        self.changed = threading.Condition()
        receiver = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *arguments):
                pass

            def reply(self, status, headers=()):
                self.send_response(status)
                for name, value in headers:
                    self.send_header(name, value)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def do_OPTIONS(self):
                with receiver.changed:
                    receiver.asked.append((self.path, dict(self.headers)))
                    receiver.changed.notify_all()
                self.reply(200, [("WebHook-Allowed-Origin", receiver.origin), ("Allow", "POST")] if receiver.origin else [("Allow", "GET")])

            def do_POST(self):
                event = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
                with receiver.changed:
                    receiver.events.append((self.path, dict(self.headers), event))
                    receiver.changed.notify_all()
                self.reply(receiver.answer(self.path, event))

        class Server(http.server.ThreadingHTTPServer):
            daemon_threads = True

            def handle_error(self, request, address):
                pass                                         # a server that is killed breaks its connections

        self.server = Server(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(chain, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.url = f"https://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def wait(self, what, condition, timeout=60):
        """The first event (path, headers, event) for which condition(path, headers, event) holds."""
        found = lambda: next((one for one in self.events if condition(*one)), None)
        with self.changed:
            if not self.changed.wait_for(found, timeout):
                raise AssertionError(f"{what}: no such event within {timeout} s; there were {[event['type'] + ' ' + str(event['subject']) for _, _, event in self.events]}")
            return found()

    def of(self, path, subject=None):
        with self.changed:
            return [event for at, _, event in self.events if at == path and subject in (None, event["subject"])]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()
