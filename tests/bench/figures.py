"""figures.py: reading a process's costs and printing medians; for all parts of scripts/bench."""
import pathlib
import re
import statistics


def memory_kib(pid, field):
    return int(re.search(rf"{field}:\s+(\d+)", pathlib.Path(f"/proc/{pid}/status").read_text()).group(1))


def cpu_s(pid):
    fields = pathlib.Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / 100


def say(name, values, unit):
    print(f"  {name:60} median {statistics.median(values):10.1f} {unit:6} (min {min(values):.1f}, max {max(values):.1f}, {len(values)} rounds)", flush=True)
