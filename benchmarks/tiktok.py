"""How many hashtags do TikTok's users have, what becomes of them, and how clear are their clusters?

Run python -m benchmarks.tiktok --data FOLDER --cache FOLDER (see benchmarks/README.md): the recipe tiktok-hashtags as
it stands, on each table on its own, and on all four with all users together.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import vidatlas
from benchmarks.machine import machine

SERIAL = vidatlas.Options(runner="serial")
TOGETHER = {"record.id": "term", "record.group": None}


def line(name: str, inputs: list[Path], place: Path, changes: dict[str, Any]) -> str:
    """Return the line of one atlas."""
    atlas = vidatlas.run(vidatlas.load_recipe("tiktok-hashtags", changes), inputs, place, SERIAL)
    counts, found, quality = atlas.counts, atlas.subcategories(), atlas.metrics["overall"]
    users = found["group"].nunique()
    rejects = counts["rejects"]
    figures = [
        counts["read"],
        counts["kept"],
        counts["duplicates"],
        rejects.get("excluded", 0),
        rejects.get("no_terms", 0),
    ]
    shown = " | ".join(f"{figure:,}" for figure in (*figures, users, len(found)))
    small = f"{(found['size'] == 1).mean():.0%}"
    return f"| {name} | {shown} | {small} | {quality['silhouette']:.3f} | {quality['stability']:.2f} |"


def lines(data: Path, cache: Path) -> Iterator[str]:
    """Yield the lines of the table."""
    yield (
        "| table | read | distinct, kept | later uses | stop words | videos without | groups | clusters | of one word "
        "| silhouette | stability |"
    )
    yield "|---|" + "---|" * 10
    tables = sorted(data.glob("*.csv"))
    for file in tables:
        yield line(file.stem, [file], cache / f"tiktok-{file.stem}", {})
    yield line("all four, all users together", tables, cache / "tiktok-together", TOGETHER)


def main() -> None:
    """Run the recipe into the cache and print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--cache", type=Path, required=True)
    arguments = parser.parse_args()
    print(f"{machine()}\n")
    print("\n".join(lines(arguments.data / "tiktok", arguments.cache)))


if __name__ == "__main__":
    main()
