"""The whole job on real videos: how long, how fast, what came out.

Run python -m benchmarks.real_file --data FOLDER, where FOLDER holds youtube/videos.jsonl.gz. The demo recipe runs on
its first videos; twenty subcategories drawn by seed are printed as they are, good or bad.
"""

from __future__ import annotations

import argparse
import random
import tempfile
import time
from pathlib import Path

import vidatlas
from benchmarks.machine import machine

DRAWN = 20
TITLES = 5


def main() -> None:
    """Run the job and print what it did."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--videos", type=int, default=20_000)
    parser.add_argument("--atlas", help="keep the atlas here")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    print(machine(), "\n")
    with tempfile.TemporaryDirectory() as scratch:
        where = options.atlas or f"{scratch}/atlas"
        recipe = vidatlas.load_recipe("demo", {"source.limit": options.videos})
        started = time.perf_counter()
        atlas = vidatlas.run(recipe, str(options.data / "youtube" / "videos.jsonl.gz"), where)
        seconds = time.perf_counter() - started
        report(atlas, vidatlas.status(where), seconds, options.seed)


def report(atlas: vidatlas.Atlas, status: dict[str, object], seconds: float, seed: int) -> None:
    """Print rates, rejects, and some subcategories."""
    counts, embedded, timings = atlas.counts, status["embedded"], status["timings"]
    assert isinstance(embedded, dict)
    assert isinstance(timings, dict)
    print(f"{seconds:.0f} s in all: " + ", ".join(f"{stage} {taken:.0f} s" for stage, taken in timings.items()))
    print(
        f"{counts['read']:,} read = {counts['kept']:,} kept + {counts['rejected']:,} rejected {counts['rejects']} ",
        end="",
    )
    print(f"+ {counts['duplicates']:,} duplicates")
    rate = timings["embed"]
    print(f"embed: {counts['kept'] / rate:.0f} videos/s, {embedded['texts'] / rate:,.0f} texts/s; ", end="")
    print(f"{embedded['texts']:,} texts, {embedded['distinct']:,} encoded, {embedded['tokens']:,} tokens")
    frame = atlas.subcategories()
    groups = frame["group"].nunique()
    variance = atlas.metrics["explained_variance"]["total"]
    print(f"{len(frame)} subcategories in {groups} categories; {variance:.1%} of the variance kept\n")
    rows = sorted(random.Random(seed).sample(range(len(frame)), DRAWN))
    for row in frame.iloc[rows].itertuples():
        print(f"- **{row.group}: {row.name}** ({row.size:,} videos)")
        for title in row.exemplar_titles[:TITLES]:
            print(f"  - {title}")


if __name__ == "__main__":
    main()
