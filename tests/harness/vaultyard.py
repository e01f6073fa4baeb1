"""vaultyard.py: a Vaultyard of a test's own: init, serve on a free port, vy, HTTP, kill and restart, and no trace afterwards."""
import base64
import http.client
import json
import os
import pathlib
import select
import shutil
import signal
import ssl
import subprocess
import tempfile
import time
import urllib.parse

BUILD = pathlib.Path(os.environ.get("VAULTYARD_BUILD", pathlib.Path(__file__).resolve().parents[2] / "build"))


class Failed(AssertionError):
    """A command ended with an exit code that was not expected."""


def wait_for(what, condition, timeout=60.0, pause=0.05):
    """Polls a condition until it answers something true, and answers that; fails after the timeout with its name."""
    deadline = time.monotonic() + timeout
    while True:
        value = condition()
        if value:
            return value
        if time.monotonic() > deadline:
            raise AssertionError(f"{what}: did not come true within {timeout} s")
        select.select([], [], [], pause)


class Answer:
    def __init__(self, status, headers, body):
        self.status, self.headers, self.body = status, headers, body

    @property
    def json(self):
        return json.loads(self.body)

    def __repr__(self):
        return f"<{self.status} {self.body[:600]!r}>"


class Site:
    """with Site() as site: ...   Options: dev (clock may be shifted), nodes (a privileged host process: needs root)."""

    def __init__(self, dev=True, nodes=False, init_args=(), serve_args=()):
        self.dev, self.nodes, self.serve_args = dev, nodes, list(serve_args)
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="vaultyard-test-"))
        self.base.chmod(0o755)                       # the service user walks through it
        self.dir = self.base / "data"
        self.server = None
        self.log = open(self.base / "serve.log", "ab")
        self.tokens = {}
        self.run([BUILD / "vaultyard", "init", "--data-dir", self.dir, *init_args])
        self.admin = json.loads((self.dir / "admin.json").read_text())

    # -- processes

    def run(self, command, code=0, input=None, env=None):
        done = subprocess.run([str(part) for part in command], input=input, capture_output=True, text=True, env=env, timeout=180)
        if code is not None and done.returncode != code:
            raise Failed(f"{' '.join(str(part) for part in command)}\nended with {done.returncode}, not {code}\n{done.stdout}\n{done.stderr}\n{self.log_tail()}")
        return done

    def start(self, *more, listen=("127.0.0.1:0", "[::1]:0")):
        command = [BUILD / "vaultyard", "serve", "--data-dir", self.dir]
        for place in listen:
            command += ["--listen", place]
        command += ["--dev"] if self.dev else []
        command += [] if self.nodes else ["--no-host"]
        begun = time.monotonic()
        self.server = subprocess.Popen([str(part) for part in [*command, *self.serve_args, *more]], stdout=subprocess.PIPE, stderr=self.log, text=True)
        line = self.server.stdout.readline()
        self.ready_s = time.monotonic() - begun
        if not line.startswith("ready https://"):
            code = self.server.wait(60)
            self.server.stdout.close()
            self.server = None
            raise AssertionError(f"serve said {line!r} and ended with {code}\n{self.log_tail()}")
        self.management = line.split()[1]
        self.port = urllib.parse.urlsplit(self.management).port or 443
        self.admin = json.loads((self.dir / "admin.json").read_text())
        return self

    def stop(self):
        """SIGTERM; answers the exit code."""
        if self.server and self.server.poll() is None:
            self.server.send_signal(signal.SIGTERM)
            self.server.wait(60)
        code = self.server.returncode if self.server else 0
        if self.server:
            self.server.stdout.close()
        self.server = None
        return code

    def kill(self):
        """kill -9."""
        self.server.kill()
        self.server.wait(60)
        self.server.stdout.close()
        self.server = None

    def log_tail(self, size=4000):
        self.log.flush()
        return (self.base / "serve.log").read_bytes()[-size:].decode(errors="replace")

    def __enter__(self):
        return self.start()

    def __exit__(self, kind, value, trace):
        if kind is not None:
            print(self.log_tail(), flush=True)
        self.close()

    def close(self):
        code = self.stop()
        if self.nodes:
            self.run([BUILD / "vaultyard", "clean", "--data-dir", self.dir])
        tail = self.log_tail(16000) if code else ""
        self.log.close()
        shutil.rmtree(self.base)
        if code:                                     # a leak or a crash at the end is a failure as well
            raise AssertionError(f"serve ended with {code}\n{tail}")

    # -- vy

    def vy_env(self, admin=None):
        environment = {k: v for k, v in os.environ.items() if not k.startswith("VY_")}
        return dict(environment, VY_ADMIN=str(admin or self.dir / "admin.json"), HOME=str(self.base))

    def vy(self, *arguments, code=0, input=None, admin=None):
        """Runs vy; answers its JSON (None when it prints nothing), or the finished process when a failure was expected."""
        done = self.run([BUILD / "vy", *arguments], code=code, input=input, env=self.vy_env(admin))
        if code != 0:
            return done
        return json.loads(done.stdout) if done.stdout.strip() else None

    # -- HTTP

    def context(self):
        return ssl.create_default_context(cafile=str(self.dir / "ca.pem"))

    def call(self, method, url, body=None, token=None, headers=None):
        """One request over TLS, checked against the site's CA; body: bytes, str, or something to write as JSON."""
        parts = urllib.parse.urlsplit(url)
        connection = http.client.HTTPSConnection(parts.hostname, parts.port or 443, context=self.context(), timeout=90)
        send = dict(headers or {})
        if body is not None and not isinstance(body, (bytes, str)):
            body = json.dumps(body)
            send.setdefault("Content-Type", "application/json")
        if token:
            send["Authorization"] = f"Bearer {token}"
        try:
            connection.request(method, parts.path + ("?" + parts.query if parts.query else ""), body=body, headers=send)
            answer = connection.getresponse()
            return Answer(answer.status, answer.headers, answer.read().decode())
        finally:
            connection.close()

    def login_url(self, path):
        return f"{self.admin['authorityHost']}{path}"

    def token(self, resource=None, client_id=None, secret=None, path=None):
        """A token by client credentials; kept, so that tests may ask as often as they like."""
        resource = resource or self.admin["resourceManager"]
        client_id, secret = client_id or self.admin["clientId"], secret or self.admin["clientSecret"]
        key = (resource, client_id, secret, path)
        if key not in self.tokens:
            form = urllib.parse.urlencode({"grant_type": "client_credentials", "client_id": client_id, "client_secret": secret, "scope": resource + "/.default"})
            answer = self.call("POST", self.login_url(path or f"/{self.admin['tenantId']}/oauth2/v2.0/token"), form, headers={"Content-Type": "application/x-www-form-urlencoded"})
            if answer.status != 200:
                raise AssertionError(f"no token: {answer}")
            self.tokens[key] = answer.json["access_token"]
        return self.tokens[key]

    @property
    def vault_resource(self):
        return f"https://{self.admin['vaultDnsSuffix']}"

    def vault_url(self, name, path=""):
        return f"https://{name}.{self.admin['vaultDnsSuffix']}{path}"

    def arm(self, method, path, body=None, api="2021-04-01", token=None, headers=None):
        separator = "&" if "?" in path else "?"
        return self.call(method, f"{self.management}{path}{separator}api-version={api}", body, token or self.token(), headers)

    @property
    def subscription(self):
        return f"/subscriptions/{self.admin['subscriptionId']}"

    def admin_object_id(self):
        return claims(self.token())["oid"]

    def principal(self, name):
        """A service principal without any right: {appId, password, id}."""
        return self.vy("ad", "sp", "create", "--name", name)

    def profile_of(self, principal, name):
        """An admin.json for another principal, for vy."""
        path = self.base / f"{name}.json"
        path.write_text(json.dumps(dict(self.admin, clientId=principal["appId"], clientSecret=principal["password"])))
        return path


def claims(token):
    """The claims of a JWT, not verified: for looking at, never for deciding."""
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


