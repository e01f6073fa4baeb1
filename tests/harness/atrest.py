"""atrest.py: whoever holds a copy of the data directory and some of its keys: what can be read there? Written from docs/data-at-rest.md, without our code."""
import base64
import contextlib
import ctypes
import ctypes.util
import hashlib
import hmac
import pathlib
import shutil
import sqlite3

CRYPTO = ctypes.CDLL(ctypes.util.find_library("crypto"))
for name, result, arguments in (("EVP_CIPHER_CTX_new", ctypes.c_void_p, []), ("EVP_CIPHER_CTX_free", None, [ctypes.c_void_p]), ("EVP_aes_256_ctr", ctypes.c_void_p, []),
                                ("EVP_DecryptInit_ex", ctypes.c_int, [ctypes.c_void_p] * 3 + [ctypes.c_char_p] * 2),
                                ("EVP_DecryptUpdate", ctypes.c_int, [ctypes.c_void_p, ctypes.c_char_p, ctypes.POINTER(ctypes.c_int), ctypes.c_char_p, ctypes.c_int])):
    getattr(CRYPTO, name).restype, getattr(CRYPTO, name).argtypes = result, arguments

NONCE, TAG = 12, 16


def gcm_without_tag(key, nonce, ciphertext):
    """What AES-256-GCM encrypted, not authenticated: a thief does not mind (NIST SP 800-38D section 7.1: the first counter is nonce || 2)."""
    context, plain, size = CRYPTO.EVP_CIPHER_CTX_new(), ctypes.create_string_buffer(len(ciphertext) + 16), ctypes.c_int()
    assert CRYPTO.EVP_DecryptInit_ex(context, CRYPTO.EVP_aes_256_ctr(), None, key, nonce + b"\0\0\0\2") == 1
    assert CRYPTO.EVP_DecryptUpdate(context, plain, ctypes.byref(size), ciphertext, len(ciphertext)) == 1
    CRYPTO.EVP_CIPHER_CTX_free(context)
    return plain.raw[:size.value]


class Copy:
    """A copy of everything that a stopped (or killed) server left on its disk but the nodes' own disks, beside the log that it wrote."""

    def __init__(self, site, name):
        self.place = site.base / name
        shutil.copytree(site.dir, self.place, ignore=lambda folder, names: ["host"] if pathlib.Path(folder) == site.dir else [name for name in names if name.endswith(".sock")])
        shutil.copy(site.base / "serve.log", self.place / "serve.log")
        self.files = {str(path.relative_to(self.place)): path.read_bytes() for path in sorted(self.place.rglob("*")) if path.is_file()}
        self.root = (self.place / "store" / "root.key").read_bytes()[len(b"vyroot1\n"):]
        self.wrap_key = hmac.new(self.root, b"vaultyard root key 1: wrap", hashlib.sha256).digest()

    def rows(self, query, *values):
        with contextlib.closing(sqlite3.connect(self.place / "store" / "vaultyard.db")) as database:
            return database.execute(query, values).fetchall()

    def scope_keys(self, but=()):
        """Every scope's key that the root key opens, without those of the scopes in `but`: {id: (scope, key)}."""
        found = {}
        for number, scope, wrapped_by, wrapped in self.rows("SELECT id, scope, wrapped_by, wrapped FROM scope_key"):
            if wrapped_by == "root" and scope not in but:
                found[number] = (scope, gcm_without_tag(self.wrap_key, wrapped[:NONCE], wrapped[NONCE:-TAG]))
        return found

    def clear(self, marker):
        """The files in which the marker stands: as it is, in UTF-16, in hex, or in base64 at any offset."""
        forms = [marker, marker.decode().encode("utf-16-le"), marker.hex().encode(), marker.hex().upper().encode()]
        for shift in range(3):
            forms.append(base64.b64encode(b"\0" * shift + marker)[4 if shift else 0:-4])     # what does not depend on its neighbours
        return [name for name, content in self.files.items() if any(form in content for form in forms)]

    def opened(self, marker, keys):
        """Where one of the keys brings the marker out: sealed columns, and sealed bytes anywhere in the files, free pages and old log frames as well."""
        found = []
        for table, in self.rows("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%'"):
            for row in self.rows(f'SELECT * FROM "{table}"'):
                for value in row:
                    if isinstance(value, bytes) and len(value) > 9 + NONCE + TAG and self.any_key(value, marker, keys):
                        found.append(table)
        for name, content in self.files.items():
            for number, (scope, key) in keys.items():
                header, at = b"\x01" + (number % 2**64).to_bytes(8, "big"), -1
                while (at := content.find(header, at + 1)) >= 0:
                    if marker in gcm_without_tag(key, content[at + 9:at + 9 + NONCE], content[at + 9 + NONCE:at + 65536]):
                        found.append(f"{name} at {at}")
        return found

    def any_key(self, value, marker, keys):
        """Any key at all, also one that the value does not name, and the value with or without the header of a sealed one."""
        candidates = [key for _, key in keys.values()] + [self.wrap_key, self.root]
        return any(marker in gcm_without_tag(key, value[start:start + NONCE], value[start + NONCE:]) for key in candidates for start in (9, 0))
