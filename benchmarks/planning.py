"""Planning: seconds for many small files, and rows per second of one large gzip, beside another checkout.

Run python -m benchmarks.planning. Files of invented videos are planned in a plain loop, each time in a process of its
own. ``--other SRC`` names the ``src`` folder of another checkout; then both take turns, and ratios of CPU seconds are
printed, which other work on the machine disturbs less than times.
"""

from __future__ import annotations

import argparse
import gzip
import os
import subprocess
import sys
import tempfile
from pathlib import Path
from statistics import median

from benchmarks.machine import machine
from benchmarks.scaling import write_input

ONE = """
import sys, time, vidatlas
recipe = vidatlas.load_recipe("demo")
inputs, atlas = sys.argv[2:], sys.argv[1]
seconds, cpu = time.perf_counter(), time.process_time()
vidatlas.plan(recipe, inputs, atlas, vidatlas.Options(runner="serial", max_rejects=1))
print(time.perf_counter() - seconds, time.process_time() - cpu)
"""
ROWS = 30
"""Rows of a small file."""
OURS = str(Path(__file__).parents[1] / "src")


def planned(source: str, inputs: list[str]) -> tuple[float, float]:
    """Plan inputs with the package in a folder; return seconds, and CPU seconds."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-c", ONE, f"{scratch}/atlas", *inputs]
        done = subprocess.run(command, env={**os.environ, "PYTHONPATH": source}, check=True, capture_output=True)
    seconds, cpu = map(float, done.stdout.split())
    return seconds, cpu


def small_files(folder: str, count: int) -> list[str]:
    """Write so many files of 30 videos, each under ids of its own; return them."""
    whole = Path(folder) / "all.gz"
    write_input(whole, ROWS * count)
    lines = gzip.decompress(whole.read_bytes()).splitlines(keepends=True)
    names = [f"{folder}/{number}.jsonl" for number in range(count)]
    for number, name in enumerate(names):
        Path(name).write_bytes(b"".join(lines[ROWS * number : ROWS * (number + 1)]))
    return names


def main() -> None:
    """Print the seconds for small files, and the ratio for a large one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planning", description=__doc__)
    parser.add_argument("--files", type=int, nargs="*", default=[300, 1_200, 2_400])
    parser.add_argument("--rows", type=int, default=60_000, help="rows of the large gzip; 0: leave it out")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--other", help="the src folder of another checkout")
    chosen = parser.parse_args()
    sources = {"here": OURS, **({"other": chosen.other} if chosen.other else {})}
    print(machine(), f"\n\n| files of {ROWS} rows | checkout | seconds | ms per file |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for count in chosen.files:
            names = small_files(folder, count)
            found = [[planned(source, names)[0] for source in sources.values()] for _ in range(chosen.repeats)]
            for name, seconds in zip(sources, map(median, zip(*found, strict=True)), strict=True):
                print(f"| {count:,} | {name} | {seconds:.1f} | {1_000 * seconds / count:.1f} |")
        if not chosen.rows:
            return
        large = f"{folder}/large.jsonl.gz"
        write_input(Path(large), chosen.rows)
        found = [[planned(source, [large])[1] for source in sources.values()] for _ in range(chosen.repeats)]
    print(f"\n{chosen.rows:,} rows in one gzip: {median(times[0] for times in found):.2f} CPU seconds", end="")
    if chosen.other:
        ratios = sorted(mine / other for mine, other in found)
        print(f", {median(ratios):.2f} times the other's ({ratios[0]:.2f} to {ratios[-1]:.2f})", end="")
    print(".")


if __name__ == "__main__":
    main()
