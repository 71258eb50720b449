"""Ids that come again are counted where they first stand, however memory is bounded."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from vidatlas.pipeline.plan.duplicates import repeats
from vidatlas.pipeline.plan.survey import IDS

COUNTED = ["part", "row", "count"]


def table(ids: list[str], uses: list[int] | None = None) -> pa.Table:
    digests = [hashlib.blake2b(key.encode(), digest_size=16).digest() for key in ids]
    high = [int.from_bytes(digest[:8], "big") for digest in digests]
    low = [int.from_bytes(digest[8:], "big") for digest in digests]
    found = pa.table([range(len(ids)), high, low], schema=IDS)
    return found if uses is None else found.append_column("use", pa.array(uses, pa.uint64()))


def cut(whole: pa.Table, rows: int) -> Callable[[], list[pa.Table]]:
    """Return a function that returns a table in pieces of so many rows."""
    return lambda: [whole.slice(at, rows) for at in range(0, max(len(whole), 1), rows)]


@settings(max_examples=25)
@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=10), min_size=1, max_size=3), st.integers(1, 8))
def test_counts_stand_at_the_first_row_of_each_repeated_id(parts: list[list[str]], piece: int) -> None:
    counts, seen = Counter(key for part in parts for key in part), set()
    expected = []
    for ids in parts:
        expected.append([])
        for row, key in enumerate(ids):
            expected[-1] += [(row, counts[key])] if key not in seen and counts[key] > 1 else []
            seen.add(key)
    found = repeats([cut(table(ids), piece) for ids in parts])
    first = found[~found["later"]]
    assert [
        list(zip(first["row"][first["part"] == part], first["count"][first["part"] == part], strict=True))
        for part in range(len(parts))
    ] == expected


@settings(max_examples=25)
@given(
    st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=10), min_size=1, max_size=3),
    st.integers(1, 8),
)
def test_rows_of_one_use_count_once(parts: list[list[tuple[str, int]]], piece: int) -> None:
    pairs = [pair for part in parts for pair in part]
    tables = [table([key for key, _ in part], [use << 60 for _, use in part]) for part in parts]
    found = repeats([cut(part, piece) for part in tables])
    plain = repeats([cut(part.drop(["use"]), 100) for part in tables])
    assert found[["part", "row", "later"]].equals(plain[["part", "row", "later"]])
    first = found[~found["later"]]
    counted = {parts[part][row][0]: count for part, row, count in first[COUNTED].itertuples(index=False)}
    rows, named = Counter(key for key, _ in pairs), Counter(key for key, use in {*pairs} if use)
    unnamed = Counter(key for key, use in pairs if not use)
    assert counted == {key: named[key] + unnamed[key] for key in rows if rows[key] > 1}


@settings(max_examples=25)
@given(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 2)), max_size=10), st.integers(1, 8))
def test_rows_with_another_title_than_the_first_are_told(rows: list[tuple[str, int]], piece: int) -> None:
    one = table([key for key, _ in rows]).append_column("title", pa.array([title for _, title in rows], pa.uint16()))
    found = repeats([cut(one, piece)])
    first: dict[str, int] = {}
    expected = [at for at, (key, title) in enumerate(rows) if first.setdefault(key, title) not in (0, title) and title]
    assert found["row"][found["retitled"]].tolist() == expected
