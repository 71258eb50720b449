"""The linear probe: predict known labels from vectors, the records' own or the classes of another atlas."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, cast

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from vidatlas.encoders.mix import distinct_texts
from vidatlas.encoders.sentence import SentenceSpec
from vidatlas.errors import InputError
from vidatlas.pipeline.embed.rows import titles_of
from vidatlas.pipeline.embed.vectors import mixed_fields
from vidatlas.pipeline.reduce.assignments import read_assignments
from vidatlas.pipeline.reduce.lexical import choose_rows
from vidatlas.probe import Probed, ProbeSpec, probe
from vidatlas.recipe import Recipe, recipe_of
from vidatlas.storage import store as layout
from vidatlas.storage.json_files import ProbeFacts
from vidatlas.storage.store import PREDICTIONS, Files, Store
from vidatlas.storage.tables import SealedShard, matrix, read_embeddings, sealed_shards
from vidatlas.types import Floats

if TYPE_CHECKING:
    from vidatlas.encoders.transformer.tuning import Tuner


def probe_labels(store: Store, recipe: Recipe, counted: list[tuple[SealedShard, int]]) -> tuple[Files, ProbeFacts]:
    """Probe the vectors of an atlas whose recipe has ``reduce.probe``; write what was told of each record.

    Raises:
        InputError: no record has a label.
    """
    spec = recipe.reduce.probe
    assert spec
    chosen = choose_rows(counted, spec.fit_rows, spec.seed)
    fields = recipe.record.embedded() if spec.tune else ()
    columns = list(dict.fromkeys(["id", "group", recipe.record.title, "labels", "embedding", *fields]))
    table = pa.concat_tables([read_embeddings(store, *shard, columns).take(rows) for shard, rows in chosen])
    classes = known_classes(spec)
    known = [_known(labels, classes, spec) for labels in table["labels"].to_pylist()]
    kept = np.flatnonzero([bool(labels) for labels in known])
    if not len(kept):
        raise InputError(
            f"{store.url}: no record has a label that reduce.probe could tell. Check record.labels and reduce.probe."
        )
    names = sorted({label for labels in known for label in labels})
    truth = np.array([[label in known[row] for label in names] for row in kept])
    table = table.take(kept)
    groups = np.unique(table["group"].to_numpy(zero_copy_only=False).astype(str), return_inverse=True)[1]
    vectors: Floats = matrix(table["embedding"]).astype(np.float32)
    found = probe(vectors, truth, groups, spec, _tuner(table, recipe, spec.seed) if spec.tune else None)
    told = _told(table, [known[row] for row in kept], names, found)
    return store.put_table(PREDICTIONS, told), cast(ProbeFacts, found.facts)


def _tuner(table: pa.Table, recipe: Recipe, seed: int) -> Tuner:
    """Return what tunes the recipe's encoder on some records: their fields are mixed by weight."""
    from vidatlas.encoders.transformer.tuning import LAYERS, Tuner

    assert isinstance(recipe.encoder, SentenceSpec)
    texts, weights = distinct_texts(mixed_fields(table, recipe.record))
    last = recipe.encoder.last_layers(LAYERS, texts)
    return Tuner(last, sum(weights[1:], start=weights[0]), recipe.mix.normalize, seed)


def _known(labels: list[str] | None, classes: Mapping[str, tuple[str, ...]] | None, spec: ProbeSpec) -> tuple[str, ...]:
    if classes is None:
        return tuple(labels or ())
    return tuple(name for label in labels or () for name in classes.get(_key(label, spec), ()))


def _key(label: str, spec: ProbeSpec) -> str:
    return label.strip().casefold() if spec.by == "title" else label


def _told(table: pa.Table, known: list[tuple[str, ...]], names: list[str], found: Probed) -> pa.Table:
    told = [[names[label] for label in row] for row in found.told.tolist()]
    columns = {"labels": pa.array(list(map(list, known))), "told": pa.array(told, pa.list_(pa.string()))}
    return pa.table({"id": table["id"], "group": table["group"], **columns})


def classes_digest(spec: ProbeSpec | None) -> str | None:
    """Return what tells the other atlas's classes from earlier ones; None where a recipe names no other atlas.

    Raises:
        UsageError: the other atlas is not there, or not reduced yet.
    """
    return Store(spec.classes).stage("reduce")["digest"] if spec and spec.classes else None


def known_classes(spec: ProbeSpec) -> dict[str, tuple[str, ...]] | None:
    """Return by id or title of each record of the other atlas that counts the names of its classes, the largest first.

    None where the recipe names no other atlas. Of several records with one title one counts.

    Raises:
        UsageError: the other atlas is not there, or not reduced yet.
        InputError: it has no classes.
    """
    if spec.classes is None:
        return None
    store = Store(spec.classes)
    files = store.stage("reduce")["files"]
    names = store.table(layout.SUBCATEGORIES, store.listed(files, layout.SUBCATEGORIES))
    named = dict(zip(names["subcategory"].to_pylist(), names["name"].to_pylist(), strict=True))
    placed = _placed(store, spec)
    if "classes" not in placed.column_names:
        raise InputError(f"{spec.classes} has no classes. Make it with reduce.clusterer=axes.")
    # What has no number in any dimension has no class: nobody rated it.
    placed = placed.filter(pc.is_valid(placed["classes"]))
    rows = placed.sort_by([("subcategory", "ascending"), ("value", "descending")]).to_pylist()
    seen: dict[int, int] = {}
    found: dict[str, tuple[str, ...]] = {}
    for row in rows:
        rank = seen[row["subcategory"]] = seen.get(row["subcategory"], 0) + 1
        if (spec.most_each and rank > spec.most_each) or set(row["classes"]) & set(spec.without):
            continue
        classes = tuple(f"{label} {named.get(label, '')}".strip() for label in row["classes"])
        found.setdefault(_key(row["key"], spec), classes)
    return found


def _placed(store: Store, spec: ProbeSpec) -> pa.Table:
    """Return an atlas's assignments, and as ``key`` what its records are known by."""
    reduced, tables = store.stage("reduce"), []
    column = "id" if spec.by == "id" else recipe_of(store).record.title
    for shard, facts in sealed_shards(store.stage("embed")):
        table = read_assignments(store, shard, reduced)
        keys = read_embeddings(store, shard, facts, [column])
        tables.append(table.append_column("key", pa.array(titles_of(keys, column, np.arange(len(keys))))))
    return pa.concat_tables(tables)
