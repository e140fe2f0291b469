"""Allocation-heavy jobs of a fixed amount of work; prints the CPU seconds that they took, imports left out."""
import json
import re
import sys
import time


def parse(i):
    return json.loads(json.dumps([{"id": i, "name": f"user-{j}", "tags": ["a", "b", str(j)]} for j in range(200)]))


def text(i):
    words = re.findall(r"\w+", "the quick brown fox %d jumps over the lazy dog " % i * 60)
    return {word: len(word) for word in words}


def records(i):
    rows = [dict(zip(("a", "b", "c"), (j, j * 1.5, str(j)))) for j in range(400)]
    rows.sort(key=lambda row: row["c"])
    return bytearray(100_000), rows


def main(jobs):
    kept = []
    for i in range(200):
        kept.append((parse(i), text(i)))
    began = time.process_time()
    for i in range(jobs):
        kept[i % len(kept)] = (parse(i), text(i), records(i))
    print(time.process_time() - began)


main(int(sys.argv[1]))
