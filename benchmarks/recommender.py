"""Do recommendations stay in the query's category? By title, by picture, by both, and by chance.

Make the atlas first (here with the packaged encoder, which needs no model hub):

    vidatlas run youtube-recommender videos.jsonl ATLAS --set record.image.folder=IMAGES \
        --set 'encoder={kind: sentence, model: "packaged:all-MiniLM-L6-v2"}'
    python -m benchmarks.recommender --atlas ATLAS --images IMAGES
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path

import numpy as np

import vidatlas
from benchmarks.machine import machine
from vidatlas.pipeline.explore.suggest import Modality

K = 10
_METHODS: tuple[Modality, ...] = ("text", "image", "hybrid")


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--atlas", required=True)
    parser.add_argument("--images", required=True, type=Path)
    parser.add_argument("--suffix", default=".jpg")
    parser.add_argument("--queries", type=int, default=200)
    parser.add_argument("--examples", type=int, default=0, help="print so many queries with what is recommended")
    chosen = parser.parse_args()
    atlas = vidatlas.open_atlas(chosen.atlas)
    videos = atlas.videos()
    groups = dict(zip(videos["id"], videos["group"], strict=True))
    random = np.random.default_rng(0)
    queries = videos.iloc[random.choice(len(videos), min(chosen.queries, len(videos)), replace=False)]

    def by(method: Modality) -> Callable[[str, str], list[str]]:
        def ask(video: str, title: str) -> list[str]:
            found = atlas.recommend(chosen.images / f"{video}{chosen.suffix}", title, K + 1, method)
            return [suggestion.id for suggestion in found if suggestion.id != video][:K]

        return ask

    def chance(video: str, title: str) -> list[str]:
        return [str(other) for other in random.choice(videos["id"], K + 1, replace=False) if other != video][:K]

    print(machine())
    print(f"\n{len(videos):,} videos, {len(queries)} queries, each video's own title and picture; itself left out\n")
    print("| method | share of the top 10 in the query's category | mean of the categories |\n|---|---|---|")
    for name, ask in [*((method, by(method)) for method in _METHODS), ("random", chance)]:
        shares = {
            row.id: np.mean([groups[other] == row.group for other in ask(row.id, row.title)])
            for row in queries.itertuples()
        }
        each = [np.mean([shares[row.id] for row in inside.itertuples()]) for _, inside in queries.groupby("group")]
        print(f"| {name} | {np.mean(list(shares.values())):.3f} | {np.mean(each):.3f} |", flush=True)
    for row in queries.head(chosen.examples).itertuples():
        print(f"\n{row.title} [{row.group}]")
        for method in _METHODS:
            found = atlas.recommend(chosen.images / f"{row.id}{chosen.suffix}", row.title, 4, method)
            for suggestion in [suggestion for suggestion in found if suggestion.id != row.id][:3]:
                print(f"  {method:6} {suggestion.title} [{suggestion.group}]: {', '.join(suggestion.reasons)}")


if __name__ == "__main__":
    main()
