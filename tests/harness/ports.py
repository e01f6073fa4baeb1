"""ports.py: a port for a program that must be told one. Those that the kernel gives away are drawn below the range from which it does, so nobody gets one meanwhile."""
import pathlib
import random
import socket

LOWEST = 10000
RANGE = pathlib.Path("/proc/sys/net/ipv4/ip_local_port_range")


def is_free(port):
    """For TCP and UDP, on the loopback and everywhere."""
    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM):
        with socket.socket(socket.AF_INET, kind) as probe:
            try:
                probe.bind(("0.0.0.0", port))
            except OSError:
                return False
    return True


def free_ports(count):
    """So many that differ, drawn by chance: two tests at a time do not take the same ones."""
    end = max(int(RANGE.read_text().split()[0]), LOWEST + 1000)
    found = []
    for port in random.SystemRandom().sample(range(LOWEST, end), 1000):
        if is_free(port):
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError(f"there are no {count} free ports from {LOWEST} to {end - 1}")


def free_port():
    return free_ports(1)[0]
