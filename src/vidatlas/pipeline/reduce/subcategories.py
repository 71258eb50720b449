"""Subcategories: their sizes, terms and exemplars, tallied shard by shard and merged in a fixed order."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from vidatlas.clustering.quality import Silhouette
from vidatlas.naming.names import Map, Member, Name, NamingSpec, name_by_members, name_groups
from vidatlas.naming.sample import Drawn, core_distance, draw, merge
from vidatlas.sources.fields import RecordSpec

Exemplar = tuple[float, str, str]
"""What they are ranked by (distance to the centroid, or of axes the number itself, negative), id, title."""
STRETCH = 50
"""Rows of a shard that count as one author where none of them names any: a crawl goes channel by channel."""


@dataclass(frozen=True, slots=True)
class Tally:
    """Hold, per subcategory of one group: its rows, their summed distances, a sample of them, the nearest of them."""

    spec: NamingSpec
    sizes: Counter[int]
    distances: dict[int, float]
    sample: dict[int, list[Drawn]]
    exemplars: dict[int, list[Exemplar]]
    members: dict[int, list[Member]]

    def merge(self, other: Tally) -> Tally:
        """Return the tally of both sets of rows; what is kept of a subcategory has a bounded size."""
        labels = sorted({*self.sizes, *other.sizes})
        sample = {
            label: merge(self.sample.get(label, []), other.sample.get(label, []), self.spec.sample) for label in labels
        }
        # Titles repeat, so more exemplars are kept than are shown.
        exemplars = {
            label: heapq.nsmallest(
                4 * self.spec.exemplars, self.exemplars.get(label, []) + other.exemplars.get(label, [])
            )
            for label in labels
        }
        distances = {label: self.distances.get(label, 0.0) + other.distances.get(label, 0.0) for label in labels}
        members = {
            label: heapq.nsmallest(self.spec.terms, self.members.get(label, []) + other.members.get(label, []))
            for label in labels
        }
        return Tally(self.spec, self.sizes + other.sizes, distances, sample, exemplars, members)


def tally(table: pa.Table, assigned: pa.Table, record: RecordSpec, spec: NamingSpec) -> dict[str, Tally]:
    """Return the tally of each group in one shard.

    Args:
        table: the shard's ids, authors if the recipe names them, and texts.
        assigned: group, subcategory and distance of each row, and its value where rows are ranked by that.
        record: which fields hold running text and which hold lists of tags.
        spec: how many rows are kept for names and as exemplars.
    """
    columns = text_columns(table, record)
    ids, titles = columns["id"], columns[record.title]
    labels, distances = assigned["subcategory"].to_pylist(), assigned["distance"].to_pylist()
    ranks = [-value for value in assigned["value"].to_pylist()] if "value" in assigned.column_names else distances
    counts = columns.get("count") or [1] * len(ids)
    further = list(zip(*(columns[name] for name in record.shown), strict=True)) or [()] * len(ids)
    groups = assigned["in_group"].to_pylist()
    tallies: dict[str, Tally] = {}
    for row, drawn in enumerate(drawn_of(columns, record, range(len(ids)), ranks)):
        found = tallies.setdefault(groups[row], Tally(spec, Counter(), {}, {}, {}, {}))
        label = labels[row]
        found.sizes[label] += 1
        found.distances[label] = found.distances.get(label, 0.0) + distances[row]
        found.sample.setdefault(label, []).append(drawn)
        shown = title_of(titles[row])
        found.members.setdefault(label, []).append((-counts[row], shown))
        line = " · ".join([shown, *filter(None, further[row])])
        found.exemplars.setdefault(label, []).append((ranks[row], ids[row], line))
    empty = Tally(spec, Counter(), {}, {}, {}, {})
    return {group: found.merge(empty) for group, found in tallies.items()}


def text_columns(table: pa.Table, record: RecordSpec) -> dict[str, list[Any]]:
    """Return what names are made of, in a shard of embeddings: ids, authors and counts if there are any, and texts."""
    return {name: table[name].to_pylist() for name in text_names(record)}


def text_names(record: RecordSpec) -> list[str]:
    """Return the columns of embeddings that ``text_columns`` reads."""
    return [name for name in record.stored() if name not in record.columns]


def drawn_of(
    columns: Mapping[str, list[Any]], record: RecordSpec, rows: Iterable[int], ranks: Sequence[float] | None = None
) -> Iterator[Drawn]:
    """Yield some rows of a shard as a sample for naming holds them; all are of the core where none is ranked."""
    authors = _authors(columns["id"], columns.get("author"))
    running = [name for name, field in record.fields.items() if not field.separator]
    lists = [name for name, field in record.fields.items() if field.separator]
    for row in rows:
        words = [columns[name][row] for name in running if columns[name][row]]
        tags = [tag for name in lists for tag in columns[name][row]]
        yield draw(columns["id"][row], authors[row], words, tags, ranks[row] if ranks else 0.0)


def title_of(value: str | list[str] | None) -> str:
    """Return a title as text: its parts in one line where the field has several."""
    return value if isinstance(value, str) else ", ".join(value or [])


def _authors(ids: list[str], named: list[str | None] | None) -> list[str]:
    """Return who published each row: its author; one for all unknown ones among known ones; else its stretch."""
    named = named or [None] * len(ids)
    authors: list[str] = []
    for start in range(0, len(ids), STRETCH):
        stretch = named[start : start + STRETCH]
        unknown = "" if any(stretch) else ids[start]
        authors += [author or unknown for author in stretch]
    return authors


def subcategory_table(
    tallies: Mapping[str, Tally], silhouettes: Mapping[str, Silhouette], spec: NamingSpec, each: Map = map
) -> pa.Table:
    """Return one row per subcategory: group, number, name, size, share, terms, exemplars, silhouette, mean distance.

    Args:
        tallies: what each group's subcategories are made of.
        silhouettes: of the groups where they were measured.
        spec: how names are chosen.
        each: maps a function over the groups, here or on a cluster.
    """
    rows: list[dict[str, Any]] = []
    for group, names in names_of(tallies, spec, each).items():
        found, measured = tallies[group], silhouettes.get(group)
        for label in sorted(found.sizes):
            rows.append(_row(group, label, names[label], found))
            rows[-1]["silhouette"] = measured.by_cluster.get(label) if measured else None
            rows[-1]["exemplars"], rows[-1]["exemplar_titles"] = _distinct(found.exemplars[label], spec.exemplars)
    return pa.Table.from_pylist(rows, schema=SUBCATEGORIES)


def names_of(tallies: Mapping[str, Tally], spec: NamingSpec, each: Map = map) -> dict[str, dict[int, Name]]:
    """Return the names of each group's clusters by number, from their samples or from their most frequent records."""
    if spec.by == "members":
        return {group: name_by_members(found.members, spec) for group, found in sorted(tallies.items())}
    samples = {
        group: {label: (found.sample[label], found.sizes[label]) for label in sorted(found.sizes)}
        for group, found in sorted(tallies.items())
    }
    return name_groups(samples, spec, each)


def figures_of(name: Name, size: int, total: int) -> dict[str, Any]:
    """Return name, size and terms of a cluster of a group of so many videos; see ``FIGURES``."""
    return {
        "name": name.text,
        "size": size,
        "share": size / total,
        "terms": list(name.terms),
        "scores": list(name.scores),
        "coherence": name.coherence,
        "coverage": name.coverage,
    }


def _row(group: str, label: int, name: Name, found: Tally) -> dict[str, Any]:
    size = found.sizes[label]
    return {
        "group": group,
        "subcategory": label,
        **figures_of(name, size, found.sizes.total()),
        "core_distance": max(core_distance(found.sample[label]), 0.0),
        "mean_distance": float(np.float32(found.distances[label] / size)),
    }


def _distinct(exemplars: list[Exemplar], limit: int) -> tuple[list[str], list[str]]:
    """Return ids and titles of the nearest exemplars, each title once."""
    chosen: dict[str, str] = {}
    for _, key, title in exemplars:
        chosen.setdefault(title.casefold().strip(), key)
    titles = {key: title for _, key, title in exemplars}
    ids = list(chosen.values())[:limit]
    return ids, [titles[key] for key in ids]


FIGURES = (
    ("name", pa.string()),
    ("size", pa.int64()),
    ("share", pa.float64()),
    ("terms", pa.list_(pa.string())),
    ("scores", pa.list_(pa.float64())),
    ("coherence", pa.float64()),
    ("coverage", pa.float64()),  # share of its videos that have a term of the name
)
SUBCATEGORIES = pa.schema(
    [
        ("group", pa.string()),
        ("subcategory", pa.int32()),
        *FIGURES,
        ("core_distance", pa.float32()),  # videos farther from the centroid are not of its core
        ("mean_distance", pa.float32()),
        ("silhouette", pa.float64()),
        ("exemplars", pa.list_(pa.string())),
        ("exemplar_titles", pa.list_(pa.string())),
    ]
)
