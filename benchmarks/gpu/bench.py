"""The bench is what every step is given: device, sizes, and a checkpoint and videos that are made once."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, TypeVar
from unittest.mock import patch

import numpy as np

from benchmarks.checkpoints import clip_tokenizer, random_clip, random_tower
from benchmarks.parity import first_lines
from benchmarks.videos import Videos, tokenized
from tools.sample.generate import DEFAULT_SEED, generate
from vidatlas.encoders.clip import ClipSpec
from vidatlas.pipeline.embed.rows import kept, read_shard
from vidatlas.pipeline.plan.part import PlanSpec, plan_part
from vidatlas.pipeline.plan.shards import descriptors
from vidatlas.recipe import Recipe, load_recipe
from vidatlas.sample import sample_path

T = TypeVar("T")
FUSED, GATHERED, PLAIN = "tree, fused attention", "tree, gathered attention", "plain engine"
ENGINES = (FUSED, GATHERED, PLAIN)
YOUNIVERSE = 72_900_000


@dataclass(frozen=True)
class Options:
    """Say what a run measures on, and how much of it."""

    device: str
    quick: bool
    scratch: Path
    data: Path | None = None
    videos: int | None = None
    seconds: float | None = None
    threads: int = 1
    euros: float = 2.5


class Bench:
    """Hold what steps share; what is made for them is kept in the scratch folder, for the next process too."""

    def __init__(self, options: Options) -> None:
        self.options, self.device, self.quick = options, options.device, options.quick
        self.rounds = 2 if options.quick else 5
        self._tables: dict[int, Any] = {}

    def pick(self, cuda: T, cpu: T, quick: T) -> T:
        """Return the size that suits this run."""
        return quick if self.quick else cuda if self.device == "cuda" else cpu

    @property
    def seconds(self) -> float:
        """Return for how long each way is watched in each round."""
        return self.options.seconds or self.pick(0.3, 1.0, 0.05)

    def made(self, name: str, make: Callable[[Path], object]) -> Path:
        """Return a file or folder of the scratch folder, made if it is not there, whole or not at all."""
        path, temporary = self.options.scratch / name, self.options.scratch / f".{name}"
        if not path.exists():
            make(temporary)
            temporary.rename(path)
        return path

    @cached_property
    def checkpoint(self) -> Path:
        """Return CLIP ViT-L/14's text tower with seeded random weights; a small one in a quick run."""
        return self.made("clip", self._write_checkpoint)

    def _write_checkpoint(self, folder: Path) -> None:
        data = self.options.data
        if data and not self.quick:
            random_clip(folder, data / "clip-tokenizer")
        else:
            random_tower(folder, clip_tokenizer(self.texts(3_000)), self.quick)

    @cached_property
    def videos_file(self) -> Path:
        """Return the videos of the run, one JSON object a line: real ones, or the sample's and more like them."""
        return self.made("videos.jsonl", lambda path: path.write_bytes(b"".join(self._lines())))

    @property
    def videos(self) -> int:
        """Return how many videos the run's shard has."""
        return self.options.videos or self.pick(10_000, 300, 60)

    def _lines(self) -> list[bytes]:
        if self.options.data:
            return first_lines(self.options.data / "youtube" / "videos.jsonl.gz", self.videos)
        lines, seed = first_lines(sample_path(), self.videos), DEFAULT_SEED
        while len(lines) < self.videos:
            seed += 1
            lines += [line.raw + b"\n" for line in generate(seed)]
        return lines[: self.videos]

    @property
    def source(self) -> str:
        """Say which videos and tokens these are."""
        if self.options.data:
            tokens = "pieces learned from the bundled sample" if self.quick else "CLIP's vocabulary"
            return f"real videos, consecutive; {tokens}"
        return "invented videos: the bundled sample and more of its vocabulary; tokens are pieces learned from them"

    def texts(self, videos: int) -> list[str]:
        """Return the distinct titles and tags of the sample's first videos."""
        found = set()
        for raw in first_lines(sample_path(), videos):
            try:
                row = json.loads(raw)
                found |= {row["title"], *(tag.strip() for tag in row["tags"].split(","))}
            except (ValueError, KeyError, AttributeError, TypeError):
                continue  # the sample holds broken lines on purpose
        return sorted(text for text in found if isinstance(text, str) and text)

    def table(self, videos: int | None = None) -> Any:
        """Return the shard of the run's first videos, as a worker is given it: an Arrow table of rows."""
        count = min(videos or self.videos, self.videos)
        if count not in self._tables:
            self._tables[count] = self._read(count)
        return self._tables[count]

    def _read(self, count: int) -> Any:
        record, url = self.recipe(PLAIN).record, str(self.videos_file)
        part = plan_part(url, PlanSpec(record, count, count), lambda rows, at: None)
        shard = next(iter(descriptors(part.facts, part.shards, url, np.array([], np.int64))))
        return read_shard(shard, record)

    def pairs(self, table: Any) -> list[tuple[str, str]]:
        """Return title and tags of the records of a shard, as the notebook had them."""
        rows = kept(table).select(["title", "tags"]).to_pylist()
        return [("".join(row["title"] or ()), ",".join(row["tags"] or ())) for row in rows]

    @cached_property
    def tokens(self) -> Videos:
        """Return the run's videos and their tokens."""
        rows = kept(self.table()).select(["title", "tags"]).to_pylist()
        return tokenized([row["title"] or [] for row in rows], [row["tags"] or [] for row in rows], self.checkpoint)

    def recipe(self, engine: str, dtype: str = "auto", **encoder: Any) -> Recipe:
        """Return the recipe youniverse on the run's checkpoint."""
        changes = {"model": str(self.checkpoint), "revision": None, "dtype": dtype, **encoder}
        changes["engine"] = "plain" if engine == PLAIN else "tree"
        return load_recipe("youniverse", {f"encoder.{key}": value for key, value in changes.items()})

    def encoder(self, engine: str, dtype: str = "auto", **more: Any) -> Any:
        """Return that recipe's encoder, loaded as the job loads it."""
        spec = self.recipe(engine, dtype, **more).encoder
        assert isinstance(spec, ClipSpec)
        with attention_of(engine):
            return spec.load(self.options.threads)

    def lacks(self, engine: str, dtype: str = "auto") -> str:
        """Say why an engine or a precision cannot run on this device; nothing where it can."""
        if self.device == "cuda":
            return ""
        if engine == FUSED:
            return "not on this device: the kernel needs CUDA"
        return "not on this device: float16 is for GPUs" if dtype == "float16" else ""

    @cached_property
    def cores(self) -> int:
        """Return on how many cores this process may run."""
        return len(os.sched_getaffinity(0))


@contextmanager
def attention_of(engine: str) -> Iterator[None]:
    """Let towers that are loaded inside gather ancestors where that is measured; else leave them their choice."""
    from vidatlas.encoders.prefix_tree.gathered import GatheredAttention

    if engine != GATHERED:
        yield
        return
    with patch(
        "vidatlas.encoders.prefix_tree.tower.choose_attention", lambda device, size: ("tree", GatheredAttention)
    ):
        yield
