"""What a subcategory is made of: sizes, terms and exemplars, tallied shard by shard and merged in a fixed order."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from vidatlas.fields import RecordSpec
from vidatlas.naming import NamingSpec, choose_names, most_common, record_terms, score_terms
from vidatlas.quality import Silhouette
from vidatlas.types import Floats

Exemplar = tuple[float, str, str]
"""Distance to the centroid, id, title."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Hold, per subcategory of one group: its rows, their summed distances, their terms, the nearest of them."""

    sizes: Counter[int]
    distances: dict[int, float]
    terms: dict[int, Counter[str]]
    exemplars: dict[int, list[Exemplar]]
    kept: int
    """Exemplars kept for each subcategory; titles repeat, so more than are shown."""

    def merge(self, other: Tally) -> Tally:
        """Return the tally of both sets of rows; counts are pruned to a bounded size."""
        labels = sorted({*self.sizes, *other.sizes})
        terms = {
            label: most_common(self.terms.get(label, Counter()) + other.terms.get(label, Counter())) for label in labels
        }
        exemplars = {
            label: heapq.nsmallest(self.kept, self.exemplars.get(label, []) + other.exemplars.get(label, []))
            for label in labels
        }
        distances = {label: self.distances.get(label, 0.0) + other.distances.get(label, 0.0) for label in labels}
        return Tally(self.sizes + other.sizes, distances, terms, exemplars, self.kept)


class Fit(Protocol):
    """What is needed of a clustered group."""

    @property
    def centroids(self) -> Floats:
        """Centroids [k, components]."""
        ...

    @property
    def silhouette(self) -> Silhouette:
        """Silhouette of the group's sample."""
        ...


def tally(table: pa.Table, assigned: Mapping[str, pa.Array], record: RecordSpec, spec: NamingSpec) -> dict[str, Tally]:
    """Return the tally of each group in one shard.

    Args:
        table: the shard's ids, groups and texts.
        assigned: subcategory and distance of each row.
        record: which fields hold running text and which hold lists of tags.
        spec: how many exemplars will be shown.
    """
    columns = {name: table[name].to_pylist() for name in ("id", "group", *record.fields)}
    labels, distances = assigned["subcategory"].to_pylist(), assigned["distance"].to_pylist()
    titles = columns[record.title]
    kept = 4 * spec.exemplars
    tallies: dict[str, Tally] = {}
    for row in range(table.num_rows):
        found = tallies.setdefault(columns["group"][row], Tally(Counter(), {}, {}, {}, kept))
        label = labels[row]
        found.sizes[label] += 1
        found.distances[label] = found.distances.get(label, 0.0) + distances[row]
        words = [
            columns[name][row] for name, field in record.fields.items() if not field.separator and columns[name][row]
        ]
        phrases = [tag for name, field in record.fields.items() if field.separator for tag in columns[name][row]]
        found.terms.setdefault(label, Counter()).update(record_terms(words, phrases))
        shown = titles[row] if isinstance(titles[row], str) else ", ".join(titles[row] or [])
        found.exemplars.setdefault(label, []).append((distances[row], columns["id"][row], shown))
    empty = Tally(Counter(), {}, {}, {}, kept)
    return {group: found.merge(empty) for group, found in tallies.items()}


def subcategory_table(fits: Mapping[str, Fit], tallies: Mapping[str, Tally], spec: NamingSpec) -> pa.Table:
    """Return one row per subcategory: group, number, name, size, share, terms, exemplars, silhouette, mean distance."""
    rows: list[dict[str, Any]] = []
    for group in sorted(tallies):
        found, fit = tallies[group], fits[group]
        scored = score_terms({label: found.terms.get(label, Counter()) for label in found.sizes}, found.sizes)
        names = choose_names(scored, found.sizes, spec.name_terms)
        for label in sorted(found.sizes):
            rows.append(_row(group, label, names[label], found, scored[label][: spec.terms]) | _quality(fit, label))
            rows[-1]["exemplars"], rows[-1]["exemplar_titles"] = _distinct(found.exemplars[label], spec.exemplars)
    return pa.Table.from_pylist(rows, schema=SUBCATEGORIES)


def _row(group: str, label: int, name: str, found: Tally, terms: list[tuple[str, float]]) -> dict[str, Any]:
    size = found.sizes[label]
    return {
        "group": group,
        "subcategory": label,
        "name": name,
        "size": size,
        "share": size / found.sizes.total(),
        "terms": [term for term, _ in terms],
        "scores": [score for _, score in terms],
        "mean_distance": float(np.float32(found.distances[label] / size)),
    }


def _quality(fit: Fit, label: int) -> dict[str, Any]:
    return {"silhouette": fit.silhouette.by_cluster.get(label)}


def _distinct(exemplars: list[Exemplar], limit: int) -> tuple[list[str], list[str]]:
    """Return ids and titles of the nearest exemplars, each title once."""
    chosen: dict[str, str] = {}
    for _, key, title in exemplars:
        chosen.setdefault(title.casefold().strip(), key)
    titles = {key: title for _, key, title in exemplars}
    ids = list(chosen.values())[:limit]
    return ids, [titles[key] for key in ids]


SUBCATEGORIES = pa.schema(
    [
        ("group", pa.string()),
        ("subcategory", pa.int32()),
        ("name", pa.string()),
        ("size", pa.int64()),
        ("share", pa.float64()),
        ("terms", pa.list_(pa.string())),
        ("scores", pa.list_(pa.float64())),
        ("mean_distance", pa.float32()),
        ("silhouette", pa.float64()),
        ("exemplars", pa.list_(pa.string())),
        ("exemplar_titles", pa.list_(pa.string())),
    ]
)
