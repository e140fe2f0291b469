"""What a picture of a Python worker costs: prints pause, CPU seconds, bytes, and counts held against the collector's.

    python3 benches/python-picture/run.py [ROWS=1000000] [BALLAST_MB=1700] [PYTHON=python3]

Five objects a row. Build first: cargo build --release -p plimsoll. Nothing is asserted.
"""
import json
import os
import resource
import subprocess
import sys
import tempfile

WORKER = r"""
import collections, gc, sys
rows, ballast = int(sys.argv[1]), int(sys.argv[2])
gc.disable()
class Row:
    __slots__ = ("a", "b")
    def __init__(self, i):
        self.a, self.b = (i, str(i)), i * 3 + 10**6
class Kept:
    def __init__(self, i):
        self.items = [i]
kept = [Kept(i) for i in range(rows // 100)]
keep = [Row(i) for i in range(rows)]
pad = [bytearray(b"x" * (1 << 20)) for _ in range(ballast)]
gc.collect()
counts = collections.Counter(type(o).__qualname__ for o in gc.get_objects())
print(len(keep), counts["Kept"], counts["list"], flush=True)
sys.stdin.readline()
"""


def main():
    rows, ballast, python = (sys.argv[1:] + ["1000000", "1700", "python3"][len(sys.argv) - 1:])[:3]
    built = [path for path in ("target/release/plimsoll", "target/debug/plimsoll") if os.path.exists(path)]
    binary = max(built, key=os.path.getmtime)
    worker = subprocess.Popen([python, "-c", WORKER, rows, ballast], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    try:
        expected = [int(word) for word in worker.stdout.readline().split()]
        with open(f"/proc/{worker.pid}/statm") as statm:
            rss = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
        with tempfile.TemporaryDirectory() as folder:
            path = os.path.join(folder, "worker.pypicture")
            taken = json.loads(subprocess.check_output([binary, "heap", "capture", str(worker.pid), "-o", path, "--json"]))
            used = resource.getrusage(resource.RUSAGE_CHILDREN)
            summary = json.loads(subprocess.check_output([binary, "heap", "summary", path, "--json"]))
        counts = {row["type"]: row["count"] for row in summary["types"]}
        print(f"{binary}, {python}: worker of {rss / 2**20:.0f} MiB resident")
        print(f"pause {taken['pause_seconds'] * 1e3:.1f} ms, {used.ru_utime + used.ru_stime:.2f} CPU-s, peak {used.ru_maxrss / 1024:.0f} MiB")
        print(f"{taken['objects']:,} objects, {taken['references']:,} references, {taken['bytes'] / 2**20:.1f} MiB")
        for name, wanted in zip(("__main__.Row", "__main__.Kept", "list"), expected):
            print(f"{name}: {counts.get(name, 0):,} in the picture, {wanted:,} by the collector")
    finally:
        worker.kill()
        worker.wait()


main()
