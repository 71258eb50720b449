"""Sizes, terms and exemplars of shards merge to those of the whole."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from random import Random
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from vidatlas.clustering.quality import Silhouette
from vidatlas.naming.names import NamingSpec
from vidatlas.naming.sample import draw
from vidatlas.pipeline.reduce.subcategories import STRETCH, SUBCATEGORIES, Tally, subcategory_table, tally
from vidatlas.sources.fields import RecordSpec

NAMING = NamingSpec(exemplars=2, sample=8)
Row = dict[str, Any]


def rows(count: int, seed: int = 0) -> list[Row]:
    rng = Random(seed)
    words = ["piano", "guitar", "castle", "dragon"]
    return [
        {
            "id": f"id{number}",
            "group": rng.choice(["Games", "Music"]),
            "author": f"channel {number % 5}" if number % 3 else None,
            "title": f"{rng.choice(words)} {rng.choice(words)} {number // 3}" if number % 7 else None,
            "tags": rng.sample(words, 2),
            "subcategory": rng.randrange(3),
            "distance": rng.randrange(1_000) / 8,
        }
        for number in range(count)
    ]


def tallied(data: list[Row], spec: RecordSpec, naming: NamingSpec = NAMING) -> dict[str, Tally]:
    table = pa.table({name: [row[name] for row in data] for name in spec.stored() if name not in spec.columns})
    assigned = pa.table(
        {
            "in_group": [row["group"] for row in data],
            "subcategory": [row["subcategory"] for row in data],
            "distance": [row["distance"] for row in data],
        }
    )
    return tally(table, assigned, spec, naming)


def merged(found: list[Mapping[str, Tally]]) -> dict[str, Tally]:
    total: dict[str, Tally] = {}
    for tallies in found:
        for group, one in tallies.items():
            total[group] = total[group].merge(one) if group in total else one
    return total


def test_a_tally_counts_what_a_loop_counts(spec: RecordSpec) -> None:
    data = rows(50)
    found = tallied(data, spec)
    for group, one in found.items():
        inside = [row for row in data if row["group"] == group]
        assert one.sizes == Counter(row["subcategory"] for row in inside)
        for label in one.sizes:
            mine = [row for row in inside if row["subcategory"] == label]
            assert one.distances[label] == pytest.approx(sum(row["distance"] for row in mine))
            nearest = sorted((row["distance"], row["id"], row["title"] or "") for row in mine)
            assert one.exemplars[label] == nearest[: 4 * NAMING.exemplars]
            drawn = [
                draw(
                    row["id"], row["author"] or "", [row["title"]] if row["title"] else [], row["tags"], row["distance"]
                )
                for row in mine
            ]
            assert one.sample[label] == sorted(drawn)[: NAMING.sample]


def test_a_stretch_of_rows_stands_in_for_an_author_that_is_not_known(spec: RecordSpec) -> None:
    data = [{**row, "author": None, "group": "g", "subcategory": 0} for row in rows(STRETCH + 2)]
    unnamed = spec.model_copy(update={"author": None})
    sampled = NamingSpec(sample=1_000)
    for found in (tallied(data, spec, sampled), tallied(data, unnamed, sampled)):
        authors = Counter(video.author for video in found["g"].sample[0])
        assert sorted(authors.values()) == [2, STRETCH]


def test_rows_without_author_among_others_with_one_are_of_one_author(spec: RecordSpec) -> None:
    data = [
        {**row, "author": "known" if at == 3 else None, "group": "g", "subcategory": 0}
        for at, row in enumerate(rows(9))
    ]
    authors = Counter(video.author for video in tallied(data, spec, NamingSpec(sample=99))["g"].sample[0])
    assert sorted(authors.values()) == [1, 8]


def test_shards_merge_to_the_whole(spec: RecordSpec) -> None:
    data = [{**row, "author": row["author"] or "channel"} for row in rows(90)]
    whole = tallied(data, spec)
    parts = [tallied(data[at : at + 30], spec) for at in (0, 30, 60)]
    assert merged(parts) == whole
    assert merged(parts[::-1]) == whole


def test_the_table_adds_up_and_lists_the_nearest(spec: RecordSpec) -> None:
    data = rows(80)
    table = subcategory_table(merged([tallied(data, spec)]), {"Games": Silhouette(0.5, {0: 0.25}, 9)}, NAMING)
    assert table.schema == SUBCATEGORIES
    found = table.to_pylist()
    assert [(row["group"], row["subcategory"]) for row in found] == [
        (g, n) for g in ("Games", "Music") for n in range(3)
    ]
    assert sum(row["size"] for row in found) == 80
    for group in ("Games", "Music"):
        siblings = [row for row in found if row["group"] == group]
        assert sum(row["share"] for row in siblings) == pytest.approx(1)
        assert len({row["name"] for row in siblings}) == 3
    for row in found:
        mine = [one for one in data if (one["group"], one["subcategory"]) == (row["group"], row["subcategory"])]
        assert row["mean_distance"] == pytest.approx(np.mean([one["distance"] for one in mine]), rel=1e-6)
        assert row["exemplars"][0] == min(mine, key=lambda one: (one["distance"], one["id"]))["id"]
        assert row["scores"] == sorted(row["scores"], reverse=True)
    assert [row["silhouette"] for row in found] == [0.25, None, None, None, None, None]


def test_exemplars_do_not_repeat_a_title(spec: RecordSpec) -> None:
    titles = ["Same", "same ", "SAME", "Other", "Third"]
    data = [
        {
            "id": str(at),
            "group": "g",
            "author": "a",
            "title": title,
            "tags": [],
            "subcategory": 0,
            "distance": float(at),
        }
        for at, title in enumerate(titles)
    ]
    (row,) = subcategory_table(tallied(data, spec), {}, NAMING).to_pylist()
    assert (row["exemplars"], row["exemplar_titles"]) == (["0", "3"], ["Same", "Other"])


def test_no_exemplars_are_listed_where_none_are_wanted(spec: RecordSpec) -> None:
    naming = NamingSpec(exemplars=0)
    tallies = tallied(rows(10), spec, naming)
    found = subcategory_table(tallies, {}, naming).to_pylist()
    assert [row["exemplars"] for row in found] == [[]] * sum(len(one.sizes) for one in tallies.values()) != []


def test_names_come_from_the_terms_and_are_the_same_whoever_counts(spec: RecordSpec) -> None:
    tallies = tallied(rows(80), spec)
    table = subcategory_table(tallies, {}, NAMING)
    assert subcategory_table(tallies, {}, NAMING, lambda *args: iter(list(map(*args)))) == table
    for row in table.to_pylist():
        assert set(row["name"].removeprefix("mixed: ").split(" · ")) <= {*row["terms"], "mixed"}
