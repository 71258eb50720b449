"""A tiny world to break: two parts with defects, a recipe that needs no model, and a way to compare two atlases."""

import gzip
import hashlib
import json
import random
from pathlib import Path
from typing import Any

import vidatlas
from vidatlas import Atlas, Options, Recipe
from vidatlas.recipes.yaml_text import parse_set

UNPROMISED = {"atlas.json", "inputs.json", "timings.json", "progress.json", "report.html", "README.md", "lock"}
"""Files that hold the inputs' paths or how long it took; folders below hold seconds and marks of work in progress."""
UNPROMISED_FOLDERS = {"receipts", "logs", "attempts"}
ENCODER = "encoder={kind: hashing, dim: 8}"
SETTINGS = [
    ENCODER,
    "source.shard_rows=12",
    "reduce.pca.components=2",
    "reduce.lexical.buckets=256",
    "reduce.clusters.k=2",
    "reduce.quality.silhouette_rows=20",
    "reduce.quality.stability_seeds=0",
    "reduce.clusters.starts=1",
    "reduce.clusters.init=k-means++",
]
BROKEN = [b"", b'{"display_id": "cut', b"[1, 2]", b'{"title": "no id"}', b'{"display_id": "mute"}', b'{"a": "\xe9"}']


def line(number: int, rng: random.Random) -> bytes:
    """Return one usable row; its id follows from its number."""
    group = rng.choice([["Music"], "Games", None])
    tags = ",".join(rng.sample(["cat", "dog", "bird", "lego", "été", "東京"], 3))
    row = {"display_id": f"v{number}", "categories": group, "title": f"title {number} {rng.random()}", "tags": tags}
    return json.dumps(row).encode()


def recipe(**overrides: Any) -> Recipe:
    """Return the demo recipe with the hashing encoder and everything small; ``__`` in a key stands for a dot."""
    changes = dict(parse_set(setting) for setting in SETTINGS)
    return vidatlas.load_recipe("demo", changes | {key.replace("__", "."): value for key, value in overrides.items()})


class World:
    """Hold two parts, plain and gzipped, with duplicates within and across them and every kind of reject."""

    def __init__(self, folder: Path, rows: int = 24) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        rng = random.Random(7)
        first = [line(number, rng) for number in range(rows)]
        second = [line(number, rng) for number in range(rows - 3, 2 * rows - 6)]
        plain, packed = folder / "one.jsonl", folder / "two.jsonl.gz"
        plain.write_bytes(b"\n".join([*first, *BROKEN[:3], line(1, rng)]))
        packed.write_bytes(gzip.compress(b"\n".join([*BROKEN[3:], *second]) + b"\n", mtime=0))
        self.folder, self.inputs = folder, [str(plain), str(packed)]

    recipe = staticmethod(recipe)
    broken = BROKEN

    def run(self, atlas: Path, runner: Any = "serial", made_by: Recipe | None = None, **options: Any) -> Atlas:
        """Run everything into a folder."""
        chosen = Options(**{"runner": runner, "max_rejects": 0.5, **options})
        return vidatlas.run(made_by or recipe(), self.inputs, str(atlas), chosen)

    def arguments(self, verb: str, atlas: Path, *more: str, runner: str = "serial") -> list[str]:
        """Return a command line that does with the tiny world what ``run`` does."""
        settings = [part for setting in SETTINGS for part in ("--set", setting)]
        chosen = [] if verb == "plan" else ["--runner", runner]
        return [verb, "demo", *self.inputs, str(atlas), *settings, "--max-rejects", "0.5", *chosen, *more]

    @staticmethod
    def hashes(atlas: Path) -> dict[str, str]:
        """Return the SHA-256 of every file that is promised to be the same bytes every time."""
        found = {}
        for path in sorted(file for file in atlas.rglob("*") if file.is_file()):
            name = path.relative_to(atlas)
            hidden = str(name) in UNPROMISED or name.parts[0] in UNPROMISED_FOLDERS or path.name.startswith(".tmp-")
            hidden |= path.suffix == ".part"  # rows on their way into a search index
            if not hidden:
                found[str(name)] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found

    @staticmethod
    def leftovers(atlas: Path) -> list[str]:
        """Return what an unfinished run may leave: temporary files, the lock, marks of attempts, parts of an index.

        The lock's own temporary files do not count: another run may be trying for the lock at this moment.
        """
        inside = [file for file in atlas.rglob("*") if file.is_file() and not file.name.endswith("-lock")]
        return [
            str(file)
            for file in inside
            if file.name.startswith(".tmp-")
            or file.name == "lock"
            or file.suffix == ".part"
            or file.parent.name == "attempts"
        ]
