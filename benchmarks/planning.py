"""Planning: seconds for many small files, and rows per second of one large gzip, beside another checkout.

Run python -m benchmarks.planning. Small files of invented videos are planned in a plain loop. One large gzip, generated
or named by ``--large FILE``, is planned with both runners; in the plain loop, finding lines and parsing are also timed
apart. Each time is taken in a process of its own, after Ray has started. ``--other SRC`` names the ``src`` folder of
another checkout; then both take turns, and ratios are printed, which other work on the machine disturbs less.
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

from benchmarks.generate import write
from benchmarks.machine import machine
from benchmarks.scaling import write_input

ONE = """
import sys, time, vidatlas
recipe = vidatlas.load_recipe(sys.argv[1], {"encoder": {"kind": "hashing", "dim": 8}})
runner, atlas, inputs = sys.argv[2], sys.argv[3], sys.argv[4:]
if runner == "ray":
    import ray
    ray.init(address="local", include_dashboard=False, log_to_driver=False)
    # Workers are there, and have imported what tasks need.
    ray.get([ray.remote(vidatlas.load_recipe).remote(sys.argv[1]) for _ in range(8)])
events = []
def note(event):
    events.append((time.perf_counter(), time.process_time(), "found_bytes" in event.facts))
seconds, cpu = time.perf_counter(), time.process_time()
vidatlas.plan(recipe, inputs, atlas, vidatlas.Options(runner=runner, max_rejects=1), note)
ended = time.perf_counter(), time.process_time()
found = [event for event in events if event[2]] or [(seconds, cpu)]
# The whole, finding lines, and what came behind it: seconds and CPU seconds of this process.
print(*(b - a for a, b in zip((seconds, cpu), ended)), *(b - a for a, b in zip(found[0], found[-1][:2])),
      *(b - a for a, b in zip(found[-1], ended)))
"""
ROWS = 30
"""Rows of a small file."""
OURS = str(Path(__file__).parents[1] / "src")


def planned(source: str, runner: str, inputs: list[str], recipe: str = "demo") -> list[float]:
    """Plan inputs with the package in a folder; return what ``ONE`` prints."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-c", ONE, recipe, runner, f"{scratch}/atlas", *inputs]
        done = subprocess.run(command, env={**os.environ, "PYTHONPATH": source}, check=True, capture_output=True)
    return list(map(float, done.stdout.splitlines()[-1].split()))


def small_files(folder: str, count: int) -> list[str]:
    """Write so many files of 30 videos, each under ids of its own; return them."""
    whole = Path(folder) / "all.gz"
    write_input(whole, ROWS * count)
    lines = gzip.decompress(whole.read_bytes()).splitlines(keepends=True)
    names = [f"{folder}/{number}.jsonl" for number in range(count)]
    for number, name in enumerate(names):
        Path(name).write_bytes(b"".join(lines[ROWS * number : ROWS * (number + 1)]))
    return names


def large_file(file: str, rows: int, sources: dict[str, str], repeats: int) -> None:
    """Print how fast each runner of each checkout plans a large gzip, in turn, and what our plan is made of."""
    ways = [(runner, name) for runner in ("serial", "ray") for name in sources]
    found: dict[tuple[str, str], list[list[float]]] = {way: [] for way in ways}
    for _ in range(repeats):
        for runner, name in ways:
            found[runner, name].append(planned(sources[name], runner, [file], "youniverse"))
            print(runner, name, found[runner, name][-1], file=sys.stderr)
    print(f"\n| {rows:,} rows in one gzip | checkout | seconds | rows/s |\n|---|---|---|---|")
    for runner, name in ways:
        seconds = median(times[0] for times in found[runner, name])
        print(f"| {runner} | {name} | {seconds:.1f} | {rows / seconds:,.0f} |")
    lines, lines_cpu, parsing_cpu = (median(times[at] for times in found["serial", "here"]) for at in (2, 3, 5))
    print(f"\nFinding lines: {rows / lines:,.0f} rows/s ({rows / lines_cpu:,.0f} per CPU second). ", end="")
    print(f"Parsing: {rows / parsing_cpu:,.0f} rows per CPU second.")
    for runner in ("serial", "ray") if "other" in sources else ():
        pairs = list(zip(found[runner, "other"], found[runner, "here"], strict=True))
        ratios = sorted(other[0] / mine[0] for other, mine in pairs)
        print(f"{runner}: {median(ratios):.2f} times the other's rows/s ({ratios[0]:.2f} to {ratios[-1]:.2f}).")


def main() -> None:
    """Print the seconds for small files, and the rates of a large one."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.planning", description=__doc__)
    parser.add_argument("--files", type=int, nargs="*", default=[300, 1_200, 2_400])
    parser.add_argument("--rows", type=int, default=200_000, help="rows of the large gzip; 0: leave it out")
    parser.add_argument("--large", help="a gzip of so many rows, made by benchmarks.generate; otherwise one is made")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--other", help="the src folder of another checkout")
    chosen = parser.parse_args()
    sources = {"here": OURS, **({"other": chosen.other} if chosen.other else {})}
    print(machine(), f"\n\n| files of {ROWS} rows | checkout | seconds | ms per file |\n|---|---|---|---|")
    with tempfile.TemporaryDirectory() as folder:
        for count in chosen.files:
            names = small_files(folder, count)
            found = [
                [planned(source, "serial", names)[0] for source in sources.values()] for _ in range(chosen.repeats)
            ]
            for name, seconds in zip(sources, map(median, zip(*found, strict=True)), strict=True):
                print(f"| {count:,} | {name} | {seconds:.1f} | {1_000 * seconds / count:.1f} |")
        if chosen.rows:
            large = chosen.large or f"{folder}/large.jsonl.gz"
            if not chosen.large:
                write(Path(large), chosen.rows)
            large_file(large, chosen.rows, sources, chosen.repeats)


if __name__ == "__main__":
    main()
