"""How the embedding job scales with processors, and what Ray costs beside a plain loop.

Run python -m benchmarks.scaling. The bundled sample, repeated under other ids, is embedded with the hashing encoder,
which needs no model: little work a shard, so that what Ray costs shows. Each way runs in a process of its own, pinned
to its CPUs with everything it starts, and the ways take turns. Two sizes of input tell what starting costs (Ray, its
actors) from what each further video costs.
"""

from __future__ import annotations

import argparse
import gzip
import json
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

import vidatlas
from benchmarks.machine import machine

WAYS = {"serial, 1 CPU": ("serial", 1), "Ray, 1 CPU": ("ray", 1), "Ray, 2 CPUs": ("ray", 2)}
BASE = "serial, 1 CPU"
SMALLER = 6
"""The small input has this part of the rows of the large one."""


def write_input(file: Path, rows: int) -> None:
    """Write so many invented videos, the sample's again and again, each time under other ids."""
    lines = gzip.decompress(vidatlas.sample_path().read_bytes()).splitlines()
    videos = [video for line in lines if (video := _usable(line))]
    with gzip.open(file, "wb", compresslevel=1) as out:
        for row in range(rows):
            video = videos[row % len(videos)]
            out.write(json.dumps(video | {"display_id": f"v{row}"}).encode() + b"\n")


def _usable(line: bytes) -> dict[str, Any] | None:
    try:
        video = json.loads(line)
    except ValueError:
        return None
    return video if isinstance(video, dict) and isinstance(video.get("title"), str) else None


def measure(way: str, videos: str, shard_rows: int) -> float:
    """Embed in this process on so many CPUs; return the seconds, planning left out."""
    runner, cpus = WAYS[way]
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cpus])
    changes = {"encoder": {"kind": "hashing", "dim": 512}, "source.shard_rows": shard_rows}
    recipe = vidatlas.load_recipe("demo", changes)
    with tempfile.TemporaryDirectory() as scratch:
        vidatlas.plan(recipe, videos, f"{scratch}/atlas", vidatlas.Options(runner="serial", max_rejects=1))
        started = time.perf_counter()
        options = vidatlas.Options(runner=runner, max_rejects=1)  # type: ignore[arg-type]
        vidatlas.embed(recipe, videos, f"{scratch}/atlas", options)
        return time.perf_counter() - started


def main() -> None:
    """Take turns and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=480_000)
    parser.add_argument("--shard-rows", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--videos", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(measure(options.way, options.videos, options.shard_rows))
        return
    print(machine(), f"\n\n{options.rows:,} videos, shards of {options.shard_rows:,}, {options.rounds} rounds\n")
    sizes = (options.rows // SMALLER, options.rows)
    with tempfile.TemporaryDirectory() as scratch:
        for rows in sizes:
            write_input(Path(scratch) / f"{rows}.jsonl.gz", rows)
        found = [
            {way: _Line(*(_apart(way, Path(scratch) / f"{rows}.jsonl.gz", options) for rows in sizes)) for way in WAYS}
            for _ in range(options.rounds)
        ]
    show(found, options.rows)


@dataclass(frozen=True, slots=True)
class _Line:
    """Hold the seconds for a small and a large input: what starting costs, and what the rest of the rows does."""

    small: float
    large: float

    @property
    def rest(self) -> float:
        return self.large - self.small

    @property
    def start(self) -> float:
        return self.small - self.rest / (SMALLER - 1)


def _apart(way: str, videos: Path, options: argparse.Namespace) -> float:
    command = [sys.executable, "-m", "benchmarks.scaling", "--way", way, "--videos", str(videos)]
    command += ["--shard-rows", str(options.shard_rows)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    return float(done.stdout.splitlines()[-1])


def show(rounds: list[dict[str, _Line]], rows: int) -> None:
    """Print a table of medians; ratios are taken within each round."""
    further = rows - rows // SMALLER
    print("| way | whole, s | start, s | videos/s after it | speed beside the plain loop: median (range) |")
    print("|---|---|---|---|---|")
    for way in WAYS:
        whole, start, rest = (
            median(getattr(found[way], key) for found in rounds) for key in ("large", "start", "rest")
        )
        ratios = [found[BASE].rest / found[way].rest for found in rounds]
        spread = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"| {way} | {whole:.1f} | {start:.1f} | {further / rest:,.0f} | {spread} |")
    doubled = [found["Ray, 1 CPU"].rest / found["Ray, 2 CPUs"].rest for found in rounds]
    print(f"\nRay on 2 CPUs beside 1: {median(doubled):.2f} times ({min(doubled):.2f} to {max(doubled):.2f})")


if __name__ == "__main__":
    main()
