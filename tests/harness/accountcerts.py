"""accountcerts.py: what tests of a Batch account's certificates share: files made by openssl, requests of the data plane, a pool that refers to them."""
import base64
import hashlib
import pathlib
import subprocess

DATA_API = "2023-05-01.17.0"
JSON = {"Content-Type": "application/json; odata=minimalmetadata"}


class Certificate:
    """A self-signed certificate with its key, as DER, PEM and .pfx files in a directory."""

    def __init__(self, directory, name, password="pw", days=365):
        self.password, self.stem = password, pathlib.Path(directory) / name
        self.key, self.pem, self.cer, self.pfx = (self.stem.with_suffix(end) for end in (".key", ".pem", ".cer", ".pfx"))
        self.openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}.example", "-days", str(days), "-keyout", self.key, "-out", self.pem)
        self.openssl("x509", "-in", self.pem, "-outform", "DER", "-out", self.cer)
        self.openssl("pkcs12", "-export", "-in", self.pem, "-inkey", self.key, "-passout", f"pass:{password}", "-out", self.pfx)
        self.thumbprint = hashlib.sha1(self.cer.read_bytes()).hexdigest()

    @staticmethod
    def openssl(*arguments):
        return subprocess.run(["openssl", *(str(part) for part in arguments)], check=True, capture_output=True, text=True).stdout

    def body(self, **change):
        """The body of POST /certificates for the .pfx; None takes a member away."""
        body = {"thumbprint": self.thumbprint, "thumbprintAlgorithm": "sha1", "data": base64.b64encode(self.pfx.read_bytes()).decode(),
                "certificateFormat": "pfx", "password": self.password}
        body.update(change)
        return {name: value for name, value in body.items() if value is not None}

    def cer_body(self, **change):
        return self.body(data=base64.b64encode(self.cer.read_bytes()).decode(), certificateFormat="cer", password=None) | change

    def path(self, rest=""):
        return f"/certificates(thumbprintAlgorithm=sha1,thumbprint={self.thumbprint}){rest}"

    def reference(self, *visibility, **more):
        reference = {"thumbprint": self.thumbprint, "thumbprintAlgorithm": "sha1", **more}
        return reference | ({"visibility": list(visibility)} if visibility else {})


class DataPlane:
    """Requests to one account's own address with an Entra token."""

    def __init__(self, site, group, account):
        self.site = site
        self.endpoint = site.vy("batch", "account", "show", "-n", account, "-g", group)["accountEndpoint"]

    def call(self, method, path, body=None, api=DATA_API, token=None):
        separator = "&" if "?" in path else "?"
        return self.site.call(method, f"https://{self.endpoint}{path}{separator}api-version={api}", body, token or self.site.token(f"https://{self.site.admin['batchDnsSuffix']}"),
                              headers=JSON if body is not None else None)


def pool_body(pool, references, nodes=1, **more):
    return {"id": pool, "vmSize": "standard_d2s_v3", "targetDedicatedNodes": nodes, "certificateReferences": references,
            "virtualMachineConfiguration": {"nodeAgentSKUId": "batch.node.ubuntu 22.04",
                                            "imageReference": {"publisher": "canonical", "offer": "0001-com-ubuntu-server-jammy", "sku": "22_04-lts", "version": "latest"}}, **more}
