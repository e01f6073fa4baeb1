"""softhsm.py: a SoftHSM2 token of a test's own, as the hardware module of a Site: Site(serve_args=SoftHsm().serve_args())."""
import base64
import glob
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import tempfile

from vaultyard import wait_for

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
PIN, OFFICER_PIN = "471147", "81508150"


class SoftHsm:
    """One token that the service user owns. SOFTHSM2_CONF is set for this process and those it starts."""

    def __init__(self, label="site"):
        self.label = label
        self.base = pathlib.Path(tempfile.mkdtemp(prefix="vaultyard-softhsm-"))
        self.base.chmod(0o755)
        self.conf = self.base / "softhsm2.conf"
        (self.base / "tokens").mkdir(0o700)
        self.conf.write_text(f"directories.tokendir = {self.base}/tokens\nobjectstore.backend = file\nlog.level = ERROR\n")
        os.environ["SOFTHSM2_CONF"] = str(self.conf)
        subprocess.run(["softhsm2-util", "--init-token", "--free", "--label", label, "--pin", PIN, "--so-pin", OFFICER_PIN], check=True, capture_output=True)
        if os.geteuid() == 0:
            for path in [self.base / "tokens", *(self.base / "tokens").rglob("*")]:
                shutil.chown(path, "vaultyard", "vaultyard")
        self.pin_file = self.base / "pin"
        self.write_pin(PIN)

    def write_pin(self, pin, mode=0o600):
        self.pin_file.write_text(pin + "\n")
        self.pin_file.chmod(mode)

    def serve_args(self, module=MODULE):
        return ["--hsm-module", module, "--hsm-token", self.label, "--hsm-pin-file", str(self.pin_file)]

    def list(self, kind):
        """What pkcs11-tool (OpenSC) sees, logged in: a text for each object of this kind ("privkey", "pubkey", "secrkey"). Without what SoftHSM2 leaves when
        its process is killed while it makes an object: that has neither identifier nor key yet (docs/hsm.md)."""
        done = subprocess.run(["pkcs11-tool", "--module", MODULE, "--token-label", self.label, "--login", "--pin", PIN, "--list-objects", "--type", kind],
                              check=True, capture_output=True, text=True)
        return [part for part in re.split(r"(?=^(?:Private|Public|Secret) Key Object)", done.stdout, flags=re.M) if "Key Object" in part and re.search(r"^  ID:", part, flags=re.M)]

    @staticmethod
    def transfer(target_pk8, kid, kek_pem):
        """A transfer blob by openssl alone, as docs/hsm.md says: PKCS#8 DER wrapped for a key exchange key."""
        def openssl(*arguments, input=None):
            return subprocess.run(["openssl", *[str(part) for part in arguments]], input=input, capture_output=True, check=True).stdout

        aes = openssl("rand", "32")
        first = openssl("pkeyutl", "-encrypt", "-pubin", "-inkey", kek_pem, "-pkeyopt", "rsa_padding_mode:oaep", input=aes)
        second = openssl("enc", "-id-aes256-wrap-pad", "-iv", "A65959A6", "-K", aes.hex(), input=target_pk8)
        return json.dumps({"schema_version": "1.0.0", "header": {"kid": kid, "alg": "dir", "enc": "CKM_RSA_AES_KEY_WRAP"},
                           "ciphertext": base64.urlsafe_b64encode(first + second).rstrip(b"=").decode(), "generator": "openssl"})

    def close(self):
        shutil.rmtree(self.base)


class RemoteHsm(SoftHsm):
    """The token in a process of its own: `p11-kit server` with SoftHSM2, which serve reaches through p11-kit's client module as a vendor's network device. It
    can be pulled and put back. p11-kit passes some mechanisms and not others; 0.24 none of AES but AES-ECB, so there it is a token that wraps no keys."""

    def __init__(self, label="site"):
        super().__init__(label)
        [self.client] = glob.glob("/usr/lib/*/pkcs11/p11-kit-client.so")
        self.folder, self.server = self.base / "run", None
        self.folder.mkdir(0o700)
        shutil.chown(self.folder, "vaultyard", "vaultyard")
        self.socket = self.folder / "socket"
        os.environ["P11_KIT_SERVER_ADDRESS"] = f"unix:path={self.socket}"
        self.plug()

    def serve_args(self, module=None):
        return super().serve_args(module or self.client)

    def mechanisms(self):
        """Their names as pkcs11-tool has them, of those that p11-kit passes."""
        done = subprocess.run(["pkcs11-tool", "--module", self.client, "--token-label", self.label, "--list-mechanisms"], check=True, capture_output=True, text=True)
        return {line.split(",")[0].strip() for line in done.stdout.splitlines()}

    def plug(self):
        self.server = subprocess.Popen(["setpriv", "--reuid", "vaultyard", "--regid", "vaultyard", "--clear-groups", "p11-kit", "server", "--foreground", "--provider", MODULE,
                                        "--name", str(self.socket), f"pkcs11:token={self.label}"], start_new_session=True, stdout=subprocess.DEVNULL)

        def answers():
            with socket.socket(socket.AF_UNIX) as probe:
                return probe.connect_ex(str(self.socket)) == 0
        wait_for("the token's process", answers)

    def unplug(self):
        """kill -9 of it and of what it forked for each connection: all are of its session."""
        os.killpg(self.server.pid, signal.SIGKILL)
        self.server.wait(10)
        self.socket.unlink(missing_ok=True)

    def close(self):
        if self.server.poll() is None:
            self.unplug()
        del os.environ["P11_KIT_SERVER_ADDRESS"]
        super().close()
