"""How the embedding job scales with processors, and what Ray costs beside a plain loop.

Run python -m benchmarks.scaling. The bundled sample, repeated under other ids, is embedded with the hashing encoder,
which needs no model: little work a shard, so that what Ray costs shows. Each way runs in a process of its own, pinned
to its CPUs with everything it starts, and the ways take turns. "Whole" counts the start of Ray and of its actors;
"flowing" is the time from the first receipt to the last, per shard between them.
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
from pathlib import Path
from statistics import median
from typing import Any

import vidatlas
from benchmarks.machine import machine
from vidatlas.types import Event

WAYS = {"serial, 1 CPU": ("serial", 1), "Ray, 1 CPU": ("ray", 1), "Ray, 2 CPUs": ("ray", 2)}
BASE = "serial, 1 CPU"


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


def measure(way: str, videos: str, shard_rows: int) -> dict[str, float]:
    """Embed in this process on so many CPUs; return the seconds in all, and those a shard takes once they flow."""
    runner, cpus = WAYS[way]
    os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cpus])
    changes = {"encoder": {"kind": "hashing", "dim": 512}, "source.shard_rows": shard_rows}
    recipe = vidatlas.load_recipe("demo", changes)
    times: list[float] = []

    def listen(event: Event) -> None:
        if event.stage == "embed" and event.done:
            times.append(time.perf_counter())

    with tempfile.TemporaryDirectory() as scratch:
        vidatlas.plan(recipe, videos, f"{scratch}/atlas", vidatlas.Options(runner="serial", max_rejects=1))
        options = vidatlas.Options(runner=runner, max_rejects=1)  # type: ignore[arg-type]
        started = time.perf_counter()
        vidatlas.embed(recipe, videos, f"{scratch}/atlas", options, listen)
        whole = time.perf_counter() - started
    return {"whole": whole, "flowing": (times[-1] - times[0]) / (len(times) - 1)}


def main() -> None:
    """Take turns and print medians and ratios."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--shard-rows", type=int, default=1_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--way", choices=WAYS, help=argparse.SUPPRESS)
    parser.add_argument("--videos", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.way:
        print(json.dumps(measure(options.way, options.videos, options.shard_rows)))
        return
    print(machine(), f"\n\n{options.rows:,} videos, shards of {options.shard_rows:,}, {options.rounds} rounds\n")
    with tempfile.TemporaryDirectory() as scratch:
        videos = Path(scratch) / "videos.jsonl.gz"
        write_input(videos, options.rows)
        found = [{way: _apart(way, videos, options) for way in WAYS} for _ in range(options.rounds)]
    show(found, options.shard_rows)


def _apart(way: str, videos: Path, options: argparse.Namespace) -> dict[str, float]:
    command = [sys.executable, "-m", "benchmarks.scaling", "--way", way, "--videos", str(videos)]
    command += ["--shard-rows", str(options.shard_rows)]
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    times: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return times


def show(rounds: list[dict[str, dict[str, float]]], shard_rows: int) -> None:
    """Print a table of medians; ratios are taken within each round."""
    print("| way | whole, s | flowing, ms a shard | videos/s flowing | speed beside the plain loop: median (range) |")
    print("|---|---|---|---|---|")
    for way in WAYS:
        whole, flowing = (median(found[way][key] for found in rounds) for key in ("whole", "flowing"))
        ratios = [found[BASE]["flowing"] / found[way]["flowing"] for found in rounds]
        spread = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
        print(f"| {way} | {whole:.1f} | {1000 * flowing:.0f} | {shard_rows / flowing:,.0f} | {spread} |")
    doubled = [found["Ray, 1 CPU"]["flowing"] / found["Ray, 2 CPUs"]["flowing"] for found in rounds]
    print(f"\nRay on 2 CPUs beside 1: {median(doubled):.2f} times ({min(doubled):.2f} to {max(doubled):.2f})")


if __name__ == "__main__":
    main()
