"""What sampling allocations costs a Python worker, beside the tools that people use for it.

    python3 benches/alloc-sampler/run.py LIBRARY [pairs=7] [jobs=1500] [PYTHON=python3]

LIBRARY is the sampler as `plimsoll run` leaves it below ~/.local/state/plimsoll/agent/native-*/. Each pair runs the worker
plain and in one other way, in a random order, for the same work; printed is the median of CPU(with) / CPU(plain), its
range, and what the sampler itself says that samples took. PYTHON needs memray installed for its line. CPU time, not
wall time: a busy machine stretches the latter.
"""
import glob
import os
import random
import statistics
import struct
import subprocess
import sys
import tempfile

HERE = os.path.dirname(os.path.abspath(__file__))
WORKER = os.path.join(HERE, "worker.py")


def cpu_seconds(python, way, library, jobs, folder):
    environment = dict(os.environ)
    command = [python, WORKER, str(jobs)]
    if way == "sampler":
        environment.update(LD_PRELOAD=library, PLIMSOLL_ALLOC_DIR=folder, PLIMSOLL_ALLOC_SCOPE="python")
    elif way == "tracemalloc":
        command[1:1] = ["-X", "tracemalloc=10"]
    elif way == "memray":
        command[1:1] = ["-m", "memray", "run", "-q", "-f", "--native", "-o", os.path.join(folder, "memray.bin")]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    return float(run.stdout.split()[-1])


def own_account(folder):
    """Seconds and samples that the tables tell."""
    seconds, samples = 0.0, 0
    for path in glob.glob(os.path.join(folder, "*.table")):
        with open(path, "rb") as file:
            header = file.read(48)
        nanoseconds, sampled = struct.unpack_from("<QQ", header, 32)
        seconds, samples = seconds + nanoseconds / 1e9, samples + sampled
        os.unlink(path)
    return seconds, samples


def measure(python, way, library, pairs, jobs):
    ratios, account = [], (0.0, 0)
    with tempfile.TemporaryDirectory() as folder:
        for _ in range(pairs):
            order = [("with", way), ("plain", "plain")]
            random.shuffle(order)
            spent = {name: cpu_seconds(python, each, library, jobs, folder) for name, each in order}
            ratios.append(spent["with"] / spent["plain"])
            account = own_account(folder)
    line = f"{way:12} {statistics.median(ratios):.3f} x CPU  ({min(ratios):.3f} to {max(ratios):.3f}, {pairs} pairs)"
    if way == "sampler":
        line += f"; {account[1]} samples took {account[0]:.3f} s, start-up included"
    print(line, flush=True)


def main():
    library = os.path.abspath(sys.argv[1])
    pairs = int(sys.argv[2]) if len(sys.argv) > 2 else 7
    jobs = int(sys.argv[3]) if len(sys.argv) > 3 else 1500
    python = sys.argv[4] if len(sys.argv) > 4 else sys.executable
    measure(python, "plain", library, pairs, jobs)
    measure(python, "sampler", library, pairs, jobs)
    few = max(2, pairs // 3)
    measure(python, "tracemalloc", library, few, jobs // 5)
    if subprocess.run([python, "-c", "import memray"], capture_output=True).returncode == 0:
        measure(python, "memray", library, few, jobs // 5)


main()
