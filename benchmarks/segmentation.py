"""Do names cover more of the videos when Chinese, Japanese and Thai are split into words?

Run python -m benchmarks.segmentation --data FOLDER --cache FOLDER (see benchmarks/README.md): an atlas of ``topics`` of
titles in these scripts, each a category of its own, reduced without segmentation, with it for names alone (the
clusters stay), and with it for lexical components too.
"""

from __future__ import annotations

import argparse
import gzip
import json
import random
import re
from pathlib import Path
from unittest import mock

import vidatlas
from benchmarks.machine import machine

SCRIPTS = {"Japanese": "[\u3041-\u30ff]", "Chinese": "[\u3400-\u9fff]", "Thai": "[\u0e01-\u0e4f]"}
"""What the titles hold, the first that fits: Chinese ones have no kana."""
WAYS = {
    "unsplit": ("naming.terms", "decomposition.lexical"),
    "split in names": ("decomposition.lexical",),
    "split in names and lexical components": (),
}
"""Modules that do not split."""
SERIAL = vidatlas.Options(runner="serial")


def draw(file: Path, each: int, seed: int) -> list[str]:
    """Return so many videos of each script as lines of JSON, drawn by seed, with the script for a category."""
    found: dict[str, list[str]] = {name: [] for name in SCRIPTS}
    with gzip.open(file, "rt", encoding="utf-8") as lines:
        for line in lines:
            row = json.loads(line)
            script = next((name for name, signs in SCRIPTS.items() if re.search(signs, row.get("title") or "")), None)
            if script:
                found[script].append(json.dumps({**row, "categories": script}) + "\n")
    drawn = random.Random(seed)
    return [line for inside in found.values() for line in drawn.sample(inside, each)]


def coverage(atlas: Path, way: str) -> list[str]:
    """Reduce an atlas in one way; return the coverage of the names of each script, weighed by videos."""
    with mock.patch("vidatlas.pipeline.reduce.reduce.segmenter", lambda: way):
        patches = [mock.patch(f"vidatlas.{module}.segmented", lambda text: text) for module in WAYS[way]]
        for patch in patches:
            patch.start()
        vidatlas.reduce(atlas, {"reduce.quality.stability_seeds": 0}, SERIAL)
        for patch in patches:
            patch.stop()
    frame = vidatlas.open_atlas(atlas).subcategories()
    covered = (frame["coverage"] * frame["size"]).groupby(frame["group"]).sum()
    return [f"{covered[name] / frame.loc[frame['group'] == name, 'size'].sum():.3f}" for name in SCRIPTS]


def main() -> None:
    """Make the atlas, reduce it in each way, and print a table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    parser.add_argument("--each", type=int, default=2_000, help="videos of each script")
    parser.add_argument("--seed", type=int, default=0)
    options = parser.parse_args()
    options.cache.mkdir(parents=True, exist_ok=True)
    part, atlas = options.cache / "unspaced.jsonl", options.cache / "unspaced"
    part.write_text("".join(draw(options.data / "youtube/videos.jsonl.gz", options.each, options.seed)), "utf-8")
    vidatlas.embed("topics", str(part), atlas, SERIAL)
    print(f"{machine()} · {options.each:,} videos of each script\n")
    print(f"| words | {' | '.join(SCRIPTS)} |\n{'|---' * (len(SCRIPTS) + 1)}|")
    for way in WAYS:
        print(f"| {way} | {' | '.join(coverage(atlas, way))} |", flush=True)


if __name__ == "__main__":
    main()
