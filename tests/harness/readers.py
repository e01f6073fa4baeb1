"""readers.py: reads certificates on nodes' disks as programs there do, again and again while they rotate, and notes what was seen when."""
import ctypes
import errno
import os
import re
import ssl
import struct
import tempfile
import threading
import time

RESOLVE_IN_ROOT, SYS_OPENAT2 = 0x10, 437             # linux/openat2.h; the number is the same on x86-64 and arm64
libc = ctypes.CDLL(None, use_errno=True)
KEY, CERT = b"-----BEGIN PRIVATE KEY-----", b"-----BEGIN CERTIFICATE-----"


def open_inside(root_fd, path, flags=os.O_RDONLY):
    """open() as a process whose root directory is root_fd would do it: absolute links stay inside."""
    how = struct.pack("QQQ", flags | os.O_CLOEXEC, 0, RESOLVE_IN_ROOT)
    fd = libc.syscall(SYS_OPENAT2, root_fd, os.fsencode(path), how, len(how))
    if fd < 0:
        raise OSError(ctypes.get_errno(), os.strerror(ctypes.get_errno()), path)
    return fd


def whole(fd):
    with open(fd, "rb") as file:
        return file.read()


def mismatch(text):
    """Why this PEM text is not a certificate with the key that belongs to it; None: it is."""
    if text.count(KEY) != 1 or CERT not in text or not text.endswith(b"-----\n"):
        return f"torn: {len(text)} bytes that end with {text[-30:]!r}"
    with tempfile.NamedTemporaryFile() as file:
        file.write(text)
        file.flush()
        try:
            ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(file.name)        # refuses a key of another certificate
        except ssl.SSLError as error:
            return str(error)
    return None


class Readers(threading.Thread):
    """One reader of each node: `names` below `store`, of which those that end with ".d" are directories with fullchain.pem and key.pem.
    Runs until stop(), which raises what went wrong in the reading itself. seen[(node, name)] is a list of (monotonic time, version); torn a list of sentences."""

    def __init__(self, roots, store, names):
        super().__init__(daemon=True)
        self.roots = {node: os.open(root, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC) for node, root in roots.items()}
        self.store, self.names = store, names
        self.seen = {(node, name): [] for node in roots for name in names}
        self.torn, self.reads, self.good, self.ended = [], 0, set(), threading.Event()
        self.failure = None

    def stop(self):
        self.ended.set()
        self.join()
        for fd in self.roots.values():
            os.close(fd)
        if self.failure:
            raise self.failure

    def text_of(self, root, name):
        if not name.endswith(".d"):
            return whole(open_inside(root, f"{self.store}/{name}"))
        directory = open_inside(root, f"{self.store}/{name}", os.O_RDONLY | os.O_DIRECTORY)
        try:                                         # the link once, then what it led to: as the documentation tells readers
            return whole(os.open("fullchain.pem", os.O_RDONLY, dir_fd=directory)) + whole(os.open("key.pem", os.O_RDONLY, dir_fd=directory))
        finally:
            os.close(directory)

    def version_of(self, root, name):
        """From the name that the link leads to: <vault>.<name>.<version>.<not before>.<not after>."""
        link = open_inside(root, f"{self.store}/{name}", os.O_PATH | os.O_NOFOLLOW)
        try:
            return re.search(r"\.([0-9a-f]{32})\.\d+\.\d+(\.PEM)?$", os.readlink("", dir_fd=link)).group(1)
        finally:
            os.close(link)

    def look(self, node, name):
        root, seen = self.roots[node], self.seen[node, name]
        version, text = self.version_of(root, name), self.text_of(root, name)
        self.reads += 1
        if not seen or seen[-1][1] != version:
            seen.append((time.monotonic(), version))
        if text not in self.good:
            why = mismatch(text)
            if why:
                self.torn.append(f"{node}: {name}: {why}")
            self.good.add(text)

    def run(self):
        try:
            while not self.ended.is_set():
                for node, name in self.seen:
                    try:
                        self.look(node, name)
                    except OSError as error:         # a link without its file is torn as well
                        self.torn.append(f"{node}: {name}: {errno.errorcode[error.errno]} {error.filename}")
                self.ended.wait(0.005)
        except Exception as error:
            self.failure = error
