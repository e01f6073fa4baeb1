"""attestation.py: an attestation authority on https://localhost, whose tokens a key's release policy may name, and what an attested party does with what it gets."""
import base64
import http.server
import json
import ssl
import subprocess
import threading
import time


def b64url(data):
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def unb64url(text):
    return base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))


class Authority:
    """Needs an empty directory, world-readable: tls.pem in it is for `serve --attestation-ca`."""

    def __init__(self, directory):
        self.work = directory
        self.work.mkdir(mode=0o755)
        self.work.chmod(0o755)
        self.openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "tls.key", "-out", "tls.pem", "-days", "2",
                     "-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
        self.ca = self.work / "tls.pem"
        self.ca.chmod(0o644)
        for name in ("authority", "party", "stranger"):
            self.openssl("genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", f"{name}.key")
        self._serve({"keys": [dict(self.public_jwk("authority"), kid="k1")]})

    def openssl(self, *arguments, code=0, input=None):
        done = subprocess.run(["openssl", *map(str, arguments)], cwd=self.work, input=input, capture_output=True)
        if code is not None and done.returncode != code:
            raise AssertionError(done.stderr.decode())
        return done

    def _serve(self, keys):
        authority = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self):
                documents = {"/.well-known/openid-configuration": {"jwks_uri": f"https://localhost:{authority.port}/certs"}, "/certs": keys}
                found = documents.get(self.path)
                body = json.dumps(found).encode()
                self.send_response(200 if found else 404)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *arguments):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.work / "tls.pem", self.work / "tls.key")
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True)
        self.port = self.server.server_address[1]
        self.url = f"https://localhost:{self.port}/"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def close(self):
        self.server.shutdown()
        self.server.server_close()

    def public_jwk(self, name):
        text = self.openssl("rsa", "-in", f"{name}.key", "-noout", "-modulus").stdout.decode().strip().removeprefix("Modulus=")
        return {"kty": "RSA", "n": b64url(bytes.fromhex(text)), "e": "AQAB"}

    def policy(self):
        """Release to parties whose token says {"x-ms-tee": {"type": "test"}}, as token() does by itself."""
        return {"version": "1.0.0", "anyOf": [{"authority": self.url, "allOf": [{"claim": "x-ms-tee.type", "equals": "test"}]}]}

    def token(self, signer="authority", **more):
        claims = dict({"iss": self.url.rstrip("/"), "exp": int(time.time()) + 300, "x-ms-tee": {"type": "test"},
                       "x-ms-runtime": {"keys": [dict(self.public_jwk("party"), kid="mine", key_ops=["encrypt"])]}}, **more)
        signed = b64url(json.dumps({"alg": "RS256", "kid": "k1"}).encode()) + "." + b64url(json.dumps(claims).encode())
        signature = self.openssl("dgst", "-sha256", "-sign", f"{signer}.key", input=signed.encode()).stdout
        return f"{signed}.{b64url(signature)}"

    def opened(self, value):
        """What the party gets out of a release: PKCS#8, or the bytes of a symmetric key."""
        statement = json.loads(unb64url(value.split(".")[1]))
        blob = unb64url(json.loads(unb64url(statement["response"]["key"]["key"]["key_hsm"]))["ciphertext"])
        (self.work / "sealed").write_bytes(blob[:256])
        aes = self.openssl("pkeyutl", "-decrypt", "-inkey", "party.key", "-in", "sealed", "-pkeyopt", "rsa_padding_mode:oaep").stdout
        (self.work / "wrapped").write_bytes(blob[256:])
        return self.openssl("enc", "-d", "-id-aes256-wrap-pad", "-K", aes.hex(), "-iv", "a65959a6", "-in", "wrapped").stdout
