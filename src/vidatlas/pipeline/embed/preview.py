"""The preview before a run: input, the exact texts that will be encoded, encoder, time and disk."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from vidatlas.encoders.mix import distinct_texts
from vidatlas.encoders.transformer.cost import Inspection
from vidatlas.errors import UnavailableError
from vidatlas.pipeline.embed.rows import kept, read_shard
from vidatlas.pipeline.embed.vectors import mixed_fields
from vidatlas.pipeline.plan.shards import load_shards
from vidatlas.recipe import Recipe
from vidatlas.storage import store as layout
from vidatlas.storage.store import Store
from vidatlas.types import Json

_GEMM = 1024
_MOST_SAMPLED = 2_000


@dataclass(frozen=True, slots=True)
class Preview:
    """Hold the preview's facts.

    Attributes:
        counts: rows read, kept, rejected, duplicate.
        input_bytes: size of all parts as they lie on disk.
        fill: per field, the share of usable rows that have it and its mean number of texts.
        examples: up to three records with the exact texts that will be encoded, per field.
        encoder: dimensions and cost of the model.
        shards: shards in all, and how many have a receipt already.
        disk_bytes: what the atlas will take, about.
        free_bytes: what its disk has free, None where there is no limit.
        compute_seconds: what encoding the rest will take one CPU of this machine, about; None where unknown.
    """

    counts: Mapping[str, Any]
    input_bytes: int
    fill: Mapping[str, tuple[float, float]]
    examples: tuple[Json, ...]
    encoder: Inspection
    shards: tuple[int, int]
    disk_bytes: int
    free_bytes: int | None
    compute_seconds: float | None


def preview(recipe: Recipe, atlas: str) -> Preview:
    """Return the preview of a run, from a committed plan and the model's files.

    Raises:
        UsageError: the model is absent or unusable.
        UnavailableError: the atlas cannot fit on its disk.
    """
    store = Store(atlas)
    entry = store.stage("plan")
    facts = [store.read_json(layout.plan_files(part)[0]) for part in entry["parts"]]
    inspection = recipe.encoder.inspect()
    done = entry["shards"] if "embed" in store.manifest()["stages"] else len(store.receipts())
    disk, free = _disk(recipe, facts, entry["counts"]["kept"], inspection.dim), store.folder.free_bytes()
    if free is not None and done == 0 and disk > free:
        raise UnavailableError(
            f"the atlas will take about {disk / 1e9:.1f} GB, and {store.folder.url} has {free / 1e9:.1f} GB free. "
            "Choose a folder on a larger disk, or fewer rows with --limit."
        )
    return Preview(
        counts=entry["counts"],
        input_bytes=sum(fact["bytes"] for fact in facts),
        fill=_fill(recipe, facts),
        examples=tuple(_exact(recipe, example) for fact in facts for example in fact["examples"])[:3],
        encoder=inspection,
        shards=(entry["shards"], done),
        disk_bytes=disk,
        free_bytes=free,
        compute_seconds=_compute_seconds(recipe, store, inspection, entry["shards"] - done),
    )


def _fill(recipe: Recipe, facts: list[Json]) -> dict[str, tuple[float, float]]:
    rows = max(1, sum(sum(fact["groups"].values()) for fact in facts))
    found: dict[str, Counter[str]] = {name: Counter() for name in recipe.record.fields}
    for fact in facts:
        for name, count in found.items():
            count.update(fact["fields"][name])
    return {name: (count["present"] / rows, count["texts"] / max(1, count["present"])) for name, count in found.items()}


def _exact(recipe: Recipe, example: Json) -> Json:
    cut = {
        name: [text[: field.max_chars] for text in example["texts"][name]]
        for name, field in recipe.record.embedded().items()
    }
    return {"id": example["id"], "group": example["group"], "texts": cut}


def _disk(recipe: Recipe, facts: list[Json], kept_rows: int, dim: int) -> int:
    """Estimate the atlas's size: vectors hardly compress, texts by half, ids not at all."""
    texts = sum(field["chars"] for fact in facts for field in fact["fields"].values())
    wanted, lexical = recipe.reduce.pca.components, recipe.reduce.lexical
    components = min(dim, wanted if isinstance(wanted, int) else dim) + (lexical.components if lexical else 0)
    return int(kept_rows * (2 * dim + 4 * components + 80) + 0.5 * texts)


def _compute_seconds(recipe: Recipe, store: Store, inspection: Inspection, left: int) -> float | None:
    """Estimate the CPU seconds left from the first shard's distinct tokens and a matrix product timed here."""
    if not left or inspection.flops_per_token is None:
        return None
    shard = load_shards(store)[0]
    records = kept(read_shard(shard, recipe.record, recipe.rows))
    texts = distinct_texts(mixed_fields(records, recipe.record))[0]
    sample = texts[:: max(1, len(texts) // _MOST_SAMPLED)]
    tokens = inspection.count_tokens(sample) * len(texts) / max(1, len(sample))
    return float(left * tokens * inspection.flops_per_token / _flops_per_second())


def _flops_per_second() -> float:
    """Time a float32 matrix product on one thread."""
    from vidatlas.threads import one_thread

    left = np.ones((_GEMM, _GEMM), np.float32)
    with one_thread():
        left @ left
        started = time.perf_counter()
        left @ left
    return 2 * _GEMM**3 / (time.perf_counter() - started)
