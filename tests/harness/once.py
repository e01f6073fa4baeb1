"""once.py: what tests need installed is installed by one of them, while the others that need it wait."""
import contextlib
import fcntl
import pathlib

CACHE = pathlib.Path(__file__).resolve().parents[2] / ".cache"


@contextlib.contextmanager
def one_at_a_time(name):
    CACHE.mkdir(exist_ok=True)
    with open(CACHE / f"{name}.lock", "a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
