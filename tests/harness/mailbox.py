"""mailbox.py: a mail server (RFC 5321) of a test's own: STARTTLS, implicit TLS or none, AUTH PLAIN, refusals as told. What it takes is in .messages."""
import base64
import email
import email.policy
import socket
import ssl
import subprocess
import threading


class Mailbox:
    """password: only with AUTH PLAIN of the user "vault". refuses: addresses that get 550. is_down: everything gets 421 until it is set to False."""

    def __init__(self, folder, tls="starttls", password=None, refuses=(), is_down=False):
        self.tls, self.password, self.refuses, self.is_down = tls, password, set(refuses), is_down
        self.messages, self.attempts, self.changed = [], 0, threading.Condition()
        self.ca, key = folder / "mail-ca.pem", folder / "mail-key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=localhost",
                        "-addext", "subjectAltName=DNS:localhost", "-keyout", str(key), "-out", str(self.ca)], check=True, capture_output=True)
        self.ca.chmod(0o644)
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(self.ca, key)
        self.socket = socket.create_server(("127.0.0.1", 0))
        self.port = self.socket.getsockname()[1]
        self.thread = threading.Thread(target=self.serve)
        self.thread.start()

    def close(self):
        self.socket.shutdown(socket.SHUT_RDWR)
        self.thread.join(20)
        self.socket.close()

    def serve(self):
        while True:
            try:
                connection, _ = self.socket.accept()
            except OSError:
                return
            try:
                with connection:
                    self.talk(connection)
            except OSError:
                pass                                 # the client went away, or no TLS came about

    def talk(self, connection):
        connection.settimeout(60)
        if self.tls == "implicit":
            connection = self.context.wrap_socket(connection, server_side=True)
        secure, signed_in, sender, recipients = self.tls == "implicit", False, None, []
        lines = connection.makefile("rb")

        def say(text):
            connection.sendall(text.encode() + b"\r\n")

        with self.changed:
            self.attempts += 1
            self.changed.notify_all()
        if self.is_down:
            return say("421 later")
        say("220 localhost")
        while line := lines.readline():
            line = line.decode().rstrip("\r\n")
            verb = line.split(" ")[0].upper()
            if verb in ("EHLO", "HELO"):
                offers = ["localhost"] + (["STARTTLS"] if self.tls == "starttls" and not secure else []) + (["AUTH PLAIN"] if self.password and (secure or self.tls == "off") else [])
                for at, offer in enumerate(offers):
                    say(f"250{' ' if at + 1 == len(offers) else '-'}{offer}")
            elif verb == "STARTTLS" and self.tls == "starttls":
                say("220 go on")
                connection, secure = self.context.wrap_socket(connection, server_side=True), True
                lines = connection.makefile("rb")
            elif verb == "AUTH":
                given = line.split(" ")[2] if len(line.split(" ")) > 2 else (say("334 "), lines.readline().decode().strip())[1]
                signed_in = base64.b64decode(given) == b"\0vault\0" + (self.password or "").encode()
                say("235 welcome" if signed_in else "535 who are you?")
            elif verb == "MAIL":
                bad = (self.tls != "off" and not secure) or (self.password and not signed_in)
                sender = line.split("<")[1].split(">")[0]
                say("530 not like this" if bad else "250 ok")
            elif verb == "RCPT":
                address = line.split("<")[1].split(">")[0]
                refused = address in self.refuses
                recipients += [] if refused else [address]
                say("550 nobody of that name" if refused else "250 ok")
            elif verb == "DATA":
                say("354 go on")
                content = b""
                while (part := lines.readline()) not in (b".\r\n", b""):
                    content += part[1:] if part.startswith(b"..") else part
                if not part:
                    return                           # it went away in the middle: nothing was taken
                with self.changed:
                    self.messages.append((sender, recipients, email.message_from_bytes(content, policy=email.policy.default)))
                    self.changed.notify_all()
                say("250 taken")
                recipients = []
            elif verb == "QUIT":
                return say("221 bye")
            else:
                say("250 ok")

    def wait(self, what, condition, timeout=60):
        with self.changed:
            assert self.changed.wait_for(lambda: condition(self), timeout), f"{what}: did not come true within {timeout} s"
