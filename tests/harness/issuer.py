"""issuer.py: an OpenID Connect issuer of a test's own: HTTPS, a discovery document, keys, and tokens signed by openssl."""
import base64
import http.server
import json
import pathlib
import ssl
import subprocess
import tempfile
import threading
import time
import uuid

AUDIENCE = "api://AzureADTokenExchange"


def b64(raw):
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def openssl(*arguments, input=None):
    return subprocess.run(["openssl", *[str(a) for a in arguments]], input=input, capture_output=True, check=True).stdout


class Key:
    def __init__(self, place, alg):
        self.alg, self.kid, self.file = alg, uuid.uuid4().hex, place / f"{uuid.uuid4().hex}.pem"
        openssl("genpkey", "-out", self.file, *(["-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048"] if alg == "RS256" else ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"]))

    def jwk(self):
        if self.alg == "RS256":
            modulus = openssl("rsa", "-in", self.file, "-noout", "-modulus").decode().strip().split("=")[1]
            return {"kty": "RSA", "use": "sig", "alg": "RS256", "kid": self.kid, "n": b64(bytes.fromhex(modulus)), "e": "AQAB"}
        point = openssl("pkey", "-in", self.file, "-pubout", "-outform", "DER")[-64:]
        return {"kty": "EC", "crv": "P-256", "use": "sig", "kid": self.kid, "x": b64(point[:32]), "y": b64(point[32:])}

    def sign(self, text):
        made = openssl("dgst", "-sha256", "-sign", self.file, input=text)
        if self.alg == "RS256":
            return made
        numbers, at = [], 2                                             # SEQUENCE of two INTEGERs -> r || s (RFC 7518 section 3.4)
        for _ in range(2):
            size = made[at + 1]
            numbers.append(int.from_bytes(made[at + 2:at + 2 + size], "big").to_bytes(32, "big"))
            at += 2 + size
        return b"".join(numbers)


class Issuer(http.server.ThreadingHTTPServer):
    """issuer.url, issuer.ca (a file), issuer.token(subject, ...). `answers` may replace what a path answers: (status, headers, body)."""

    def __init__(self, name="issuer.localhost", path=""):
        self.temporary = tempfile.TemporaryDirectory(prefix="vaultyard-issuer-")
        place = pathlib.Path(self.temporary.name)
        self.place, self.asked, self.answers = place, [], {}
        self.ca = place / "ca.pem"
        openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", place / "tls.key", "-out", self.ca, "-days", "2", "-subj", f"/CN={name}", "-addext", f"subjectAltName=DNS:{name},DNS:localhost")
        place.chmod(0o755)
        self.ca.chmod(0o644)
        self.keys = [Key(place, "RS256")]

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                issuer = self.server
                issuer.asked.append(self.path)
                status, headers, body = issuer.answers.get(self.path) or issuer.document(self.path)
                self.send_response(status)
                for pair in headers.items():
                    self.send_header(*pair)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass
        super().__init__(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.ca, place / "tls.key")
        self.socket = context.wrap_socket(self.socket, server_side=True)
        self.path = path
        self.url = f"https://{name}:{self.server_address[1]}{path}"
        threading.Thread(target=self.serve_forever, daemon=True).start()

    def document(self, path):
        if path == f"{self.path}/.well-known/openid-configuration":
            return 200, {"Content-Type": "application/json"}, json.dumps({"issuer": self.url, "jwks_uri": f"{self.url}/keys", "id_token_signing_alg_values_supported": ["RS256"]}).encode()
        if path == f"{self.path}/keys":
            return 200, {"Content-Type": "application/json"}, json.dumps({"keys": [key.jwk() for key in self.keys]}).encode()
        return 404, {}, b""

    def token(self, subject, audience=AUDIENCE, key=None, header=None, **claims):
        key, now = key or self.keys[0], int(time.time())
        head = {"alg": key.alg, "typ": "JWT", "kid": key.kid, **(header or {})}
        body = {"iss": self.url, "sub": subject, "aud": audience, "iat": now, "nbf": now, "exp": now + 600, **claims}
        signed = ".".join(b64(json.dumps({name: value for name, value in part.items() if value is not None}).encode()) for part in (head, body))
        return f"{signed}.{b64(key.sign(signed.encode()))}"

    def rotate(self, alg="RS256"):
        self.keys = [Key(self.place, alg)]
        return self.keys[0]

    def close(self):
        self.shutdown()
        self.server_close()
        self.temporary.cleanup()


