"""The preview before a run: input, the exact texts that will be encoded, encoder, time and disk."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa
from rich.filesize import decimal

from vidatlas.encoders.languages import Languages
from vidatlas.encoders.mix import distinct_texts
from vidatlas.encoders.transformer.cost import Inspection
from vidatlas.errors import UnavailableError
from vidatlas.pipeline.embed.rows import kept, read_shard, titles_of
from vidatlas.pipeline.embed.vectors import mixed_fields
from vidatlas.pipeline.plan.shards import load_shards
from vidatlas.recipe import Recipe
from vidatlas.sources.values.scripts import LATIN, count_scripts
from vidatlas.storage import store as layout
from vidatlas.storage.json_files import Example, PartFacts
from vidatlas.storage.manifest import PlanCounts
from vidatlas.storage.store import Store

_GEMM = 1024
_MOST_SAMPLED = 2_000
_FOREIGN = 0.02
"""Share of titles in scripts that English is not written in, from which on it is said."""
_NAMED = 3


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
        warning: that the encoder does not know the languages of the titles, as far as their scripts tell; or empty.
    """

    counts: PlanCounts
    input_bytes: int
    fill: Mapping[str, tuple[float, float]]
    examples: tuple[Example, ...]
    encoder: Inspection
    shards: tuple[int, int]
    disk_bytes: int
    free_bytes: int | None
    compute_seconds: float | None
    warning: str = ""


def preview(recipe: Recipe, atlas: str) -> Preview:
    """Return the preview of a run, from a committed plan and the model's files.

    Raises:
        UsageError: the model is absent or unusable.
        UnavailableError: the atlas cannot fit on its disk.
    """
    store = Store(atlas)
    entry = store.stage("plan")
    facts = [store.read_json(layout.plan_files(part)[0], PartFacts) for part in entry["parts"]]
    inspection = recipe.encoder.inspect()
    if "vectors" in entry:
        inspection = replace(inspection, dim=entry["vectors"]["dim"])
    done = entry["shards"] if "embed" in store.manifest()["stages"] else len(store.receipts())
    disk, free = _disk(recipe, facts, entry["counts"]["kept"], inspection.dim), store.folder.free_bytes()
    if free is not None and done == 0 and disk > free:
        raise UnavailableError(
            f"the atlas will take about {decimal(disk)}, and {store.folder.url} has {decimal(free)} free. "
            "Choose a folder on a larger disk, or fewer rows with --limit."
        )
    left, known = entry["shards"] - done, recipe.encoder.languages
    needed = left and (known == "English only" or inspection.flops_per_token is not None)
    records = kept(read_shard(load_shards(store)[0], recipe.record, recipe.rows)) if needed else None
    return Preview(
        counts=entry["counts"],
        input_bytes=sum(fact["bytes"] for fact in facts),
        fill=_fill(recipe, facts),
        examples=tuple(_exact(recipe, example) for fact in facts for example in fact["examples"])[:3],
        encoder=inspection,
        shards=(entry["shards"], done),
        disk_bytes=disk,
        free_bytes=free,
        compute_seconds=_compute_seconds(recipe, records, inspection, left),
        warning=language_words(known, _scripts(recipe, records)),
    )


def language_words(known: Languages, scripts: Counter[str]) -> str:
    """Return a warning where an encoder of English meets titles in other scripts; or an empty text.

    Args:
        known: what the encoder knows.
        scripts: number of titles by script. What is written in Latin letters need not be English, so that the share
            is a lower bound.
    """
    titles = sum(scripts.values())
    foreign = [(name, count) for name, count in scripts.most_common() if name != LATIN]
    share = sum(count for _, count in foreign) / max(titles, 1)
    if known != "English only" or share < _FOREIGN:
        return ""
    named = ", ".join(f"{name} {count / titles:.1%}" for name, count in foreign[:_NAMED])
    return (
        f"At least {share:.1%} of the titles are not in English ({named}), and the encoder knows English only: it may "
        "group these by script instead of topic. Use one that knows their languages: --set encoder.kind=universal "
        "(sixteen languages), or --set encoder.kind=sentence --set encoder.model=… with a multilingual model."
    )


def _scripts(recipe: Recipe, records: pa.Table | None) -> Counter[str]:
    """Return the scripts of the first shard's titles."""
    if records is None:
        return Counter()
    return count_scripts(titles_of(records, recipe.record.title, np.arange(records.num_rows)))


def _fill(recipe: Recipe, facts: list[PartFacts]) -> dict[str, tuple[float, float]]:
    rows = max(1, sum(sum(fact["groups"].values()) for fact in facts))
    found: dict[str, Counter[str]] = {name: Counter() for name in recipe.record.fields}
    for fact in facts:
        for name, count in found.items():
            found_here = fact["fields"][name]
            count.update({"present": found_here["present"], "texts": found_here["texts"]})
    return {name: (count["present"] / rows, count["texts"] / max(1, count["present"])) for name, count in found.items()}


def _exact(recipe: Recipe, example: Example) -> Example:
    cut = {
        name: [text[: field.max_chars] for text in example["texts"][name]]
        for name, field in (recipe.record.embedded() or recipe.record.fields).items()
    }
    return {"id": example["id"], "group": example["group"], "texts": cut}


def _disk(recipe: Recipe, facts: list[PartFacts], kept_rows: int, dim: int) -> int:
    """Estimate the atlas's size: vectors hardly compress, texts by half, ids not at all."""
    texts = sum(field["chars"] for fact in facts for field in fact["fields"].values())
    wanted, lexical = recipe.reduce.pca.components, recipe.reduce.lexical
    components = min(dim, wanted if isinstance(wanted, int) else dim) + (lexical.components if lexical else 0)
    return int(kept_rows * (2 * dim + 4 * components + 80) + 0.5 * texts)


def _compute_seconds(recipe: Recipe, records: pa.Table | None, inspection: Inspection, left: int) -> float | None:
    """Estimate the CPU seconds left from the first shard's distinct tokens and a matrix product timed here."""
    if records is None or inspection.flops_per_token is None:
        return None
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
