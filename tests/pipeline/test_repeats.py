"""Ids that come again are counted where they first stand, however memory is bounded."""

from __future__ import annotations

import hashlib
from collections import Counter

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from vidatlas.parts import IDS
from vidatlas.pipeline.repeats import repeats


def table(ids: list[str]) -> pa.Table:
    digests = [hashlib.blake2b(key.encode(), digest_size=16).digest() for key in ids]
    high = [int.from_bytes(digest[:8], "big") for digest in digests]
    low = [int.from_bytes(digest[8:], "big") for digest in digests]
    return pa.table([range(len(ids)), high, low], schema=IDS)


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
