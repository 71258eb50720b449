"""Ids that come again are counted where they first stand, however memory is bounded."""

from __future__ import annotations

import hashlib
from collections import Counter

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from vidatlas.pipeline.plan.duplicates import repeats
from vidatlas.pipeline.plan.survey import IDS


def table(ids: list[str], uses: list[int] | None = None) -> pa.Table:
    digests = [hashlib.blake2b(key.encode(), digest_size=16).digest() for key in ids]
    high = [int.from_bytes(digest[:8], "big") for digest in digests]
    low = [int.from_bytes(digest[8:], "big") for digest in digests]
    found = pa.table([range(len(ids)), high, low], schema=IDS)
    return found if uses is None else found.append_column("use", pa.array(uses, pa.uint64()))


@settings(max_examples=60, deadline=None)
@given(st.lists(st.lists(st.sampled_from("abcdef"), max_size=10), min_size=1, max_size=3), st.integers(1, 8))
def test_counts_stand_at_the_first_row_of_each_repeated_id(parts: list[list[str]], bucket_rows: int) -> None:
    counts, seen = Counter(key for part in parts for key in part), set()
    expected = []
    for ids in parts:
        expected.append([])
        for row, key in enumerate(ids):
            expected[-1] += [(row, counts[key])] if key not in seen and counts[key] > 1 else []
            seen.add(key)
    found = repeats([table(ids) for ids in parts], bucket_rows)
    assert [list(zip(part.first.tolist(), part.counts.tolist(), strict=True)) for part in found] == expected


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.lists(st.tuples(st.sampled_from("abc"), st.integers(0, 3)), max_size=10), min_size=1, max_size=3),
    st.integers(1, 8),
)
def test_rows_of_one_use_count_once(parts: list[list[tuple[str, int]]], bucket_rows: int) -> None:
    pairs = [pair for part in parts for pair in part]
    tables = [table([key for key, _ in part], [use << 60 for _, use in part]) for part in parts]
    found = repeats(tables, bucket_rows)
    plain = repeats([part.drop(["use"]) for part in tables])
    assert [each.rows.tolist() for each in found] == [each.rows.tolist() for each in plain]
    counted = {
        part[row][0]: count
        for part, each in zip(parts, found, strict=True)
        for row, count in zip(each.first.tolist(), each.counts.tolist(), strict=True)
    }
    rows, named = Counter(key for key, _ in pairs), Counter(key for key, use in {*pairs} if use)
    unnamed = Counter(key for key, use in pairs if not use)
    assert counted == {key: named[key] + unnamed[key] for key in rows if rows[key] > 1}
