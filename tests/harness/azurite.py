"""azurite.py: Azurite's blob service on a free loopback port, for tests: containers, blobs, shared access signatures."""
import base64
import datetime
import hashlib
import hmac
import http.client
import os
import pathlib
import re
import select
import shutil
import ssl
import subprocess
import tempfile
import time
import urllib.parse

import npm

HERE = pathlib.Path(__file__).parent / "azurite"
ACCOUNT = "devstoreaccount1"
# The key of the emulator's account, the same everywhere (Azurite's README, "Default Storage Account").
KEY = base64.b64decode("Eby8vdM02xNOcqFlqUwJPLlmEtlCDXJ1OUzFT50uSRZ6IFsuFq2UVErCz4I6tq/K1SZFPTOtr/KBHBeksoGMGw==")
VERSION = "2020-10-02"


def sign(text):
    return base64.b64encode(hmac.new(KEY, text.encode(), hashlib.sha256).digest()).decode()


def time_of(moment):
    return moment.strftime("%Y-%m-%dT%H:%M:%SZ")


class Azurite:
    """with Azurite() as store: ...   issuer: of tokens that it takes; then it speaks HTTPS, with a certificate of its own (store.ca)."""

    def __init__(self, issuer=None):
        npm.install(HERE)
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="vaultyard-azurite-"))
        self.ca, more = None, []
        if issuer:
            self.ca = self.dir / "cert.pem"
            subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-subj", "/CN=Azurite of a test", "-keyout", self.dir / "key.pem",
                            "-out", self.ca, "-addext", "subjectAltName=IP:127.0.0.1,DNS:localhost"], check=True, stderr=subprocess.DEVNULL)
            more = ["--oauth", "basic", "--cert", str(self.ca), "--key", str(self.dir / "key.pem")]
        self.log = open(self.dir / "log", "ab")
        self.process = subprocess.Popen(["node", HERE / "serve.cjs", "--blobHost", "127.0.0.1", "--blobPort", "0", "--inMemoryPersistence", "--disableTelemetry", "--silent", *more],
                                        cwd=self.dir, stdout=subprocess.PIPE, stderr=self.log, env=dict(os.environ, AZURITE_ISSUER=issuer or ""))
        self.port = self.wait_port()
        self.url = f"{'https' if issuer else 'http'}://127.0.0.1:{self.port}/{ACCOUNT}"

    def wait_port(self, timeout=60):
        deadline, said = time.monotonic() + timeout, b""
        while time.monotonic() < deadline:
            if not select.select([self.process.stdout], [], [], 1)[0]:
                continue
            piece = os.read(self.process.stdout.fileno(), 4096)
            said += piece
            found = re.search(rb"successfully listen\w* (?:at|on) https?://[^:]+:(\d+)", said)
            if found:
                return int(found.group(1))
            if not piece:
                break
        self.close()
        raise AssertionError(f"Azurite did not start: {said!r}")

    def close(self):
        self.process.terminate()
        self.process.wait(15)
        self.process.stdout.close()
        self.log.close()
        shutil.rmtree(self.dir)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()

    def call(self, method, path, query=None, body=b"", headers=None):
        """One request with the account's key (Shared Key, REST reference "Authorize with Shared Key"); path is below the account."""
        headers = dict(headers or {}, **{"x-ms-version": VERSION, "x-ms-date": time.strftime("%a, %d %b %Y %H:%M:%S GMT", time.gmtime())})
        quoted = urllib.parse.quote(path)
        resource = f"/{ACCOUNT}/{ACCOUNT}{quoted}" + "".join(f"\n{name}:{value}" for name, value in sorted((query or {}).items()))
        own = "".join(f"{name}:{value}\n" for name, value in sorted(headers.items()))
        length = str(len(body)) if body else ""
        text = "\n".join([method, "", "", length, "", headers.get("content-type", ""), "", "", "", "", "", ""]) + "\n" + own + resource
        target = f"/{ACCOUNT}{quoted}" + ("?" + urllib.parse.urlencode(query) if query else "")
        if self.ca:
            connection = http.client.HTTPSConnection("127.0.0.1", self.port, timeout=60, context=ssl.create_default_context(cafile=str(self.ca)))
        else:
            connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        connection.request(method, target, body=body, headers=dict(headers, Authorization=f"SharedKey {ACCOUNT}:{sign(text)}"))
        answer = connection.getresponse()
        content = answer.read()
        connection.close()
        if answer.status >= 300:
            raise AssertionError(f"{method} {target}: {answer.status} {content[:500]!r}")
        return content

    def make_container(self, name):
        self.call("PUT", f"/{name}", {"restype": "container"})

    def put(self, container, blob, content):
        self.call("PUT", f"/{container}/{blob}", body=content.encode() if isinstance(content, str) else content, headers={"x-ms-blob-type": "BlockBlob"})

    def get(self, container, blob):
        return self.call("GET", f"/{container}/{blob}").decode()

    def blob_url(self, container, blob=None):
        return f"{self.url}/{container}" + (f"/{urllib.parse.quote(blob)}" if blob else "")

    def sas(self, container, blob=None, permissions="rl", hours=1):
        """The URL of a blob or container with a service SAS (REST reference "Create a service SAS")."""
        now = datetime.datetime.now(datetime.timezone.utc)
        start, end = time_of(now - datetime.timedelta(hours=2)), time_of(now + datetime.timedelta(hours=hours))
        resource, version = "b" if blob else "c", "2019-12-12"
        path = f"/blob/{ACCOUNT}/{container}" + (f"/{blob}" if blob else "")
        text = "\n".join([permissions, start, end, path, "", "", "", version, resource, "", "", "", "", "", ""])
        query = urllib.parse.urlencode({"sp": permissions, "st": start, "se": end, "sv": version, "sr": resource, "sig": sign(text)})
        return f"{self.blob_url(container, blob)}?{query}"
