"""Lines are the same however the bytes are cut, and never longer than the limit."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidatlas.sources.lines import count_lines, split_lines, universal_lines

LIMIT = 4


def expected(data: bytes, limit: int = LIMIT) -> list[bytes | None]:
    lines = data.split(b"\n")
    if lines[-1] == b"":
        lines.pop()
    return [line if len(line) <= limit else None for line in lines]


def cut(data: bytes, places: list[int]) -> list[bytes]:
    marks = sorted({0, len(data), *(place for place in places if place <= len(data))})
    return [data[low:high] for low, high in pairwise(marks)]


@settings(max_examples=100)
@given(st.text("ab\n", max_size=40).map(str.encode), st.lists(st.integers(0, 40)))
def test_any_cut_gives_the_lines_of_bytes_split_and_every_byte_is_observed(data: bytes, places: list[int]) -> None:
    seen: list[bytes] = []
    assert list(split_lines(cut(data, places), seen.append, LIMIT)) == expected(data)
    assert b"".join(seen) == data


@pytest.mark.parametrize(
    ("data", "lines"),
    [
        (b"", []),
        (b"\n", [b""]),
        (b"\n\n", [b"", b""]),
        (b"one", [b"one"]),
        (b"one\ntwo", [b"one", b"two"]),
        (b"1234\n", [b"1234"]),
        (b"12345\n", [None]),
        (b"12345", [None]),
        (b"12345678901\nab\n", [None, b"ab"]),
        (b"ab\n12345678901", [b"ab", None]),
        (b"a\r\n", [b"a\r"]),
    ],
)
def test_edges(data: bytes, lines: list[bytes | None]) -> None:
    for size in (1, 3, 100):
        chunks = [data[at : at + size] for at in range(0, len(data), size)]
        assert list(split_lines(chunks, lambda piece: None, LIMIT)) == lines


def test_a_line_is_yielded_as_soon_as_it_is_whole_and_observed_just_before() -> None:
    seen: list[bytes] = []

    def chunks() -> Iterator[bytes]:
        yield b"a\nb\nc"
        raise AssertionError("read on too early")

    lines = split_lines(chunks(), seen.append)
    assert (next(lines), seen) == (b"a", [b"a\n"])
    assert (next(lines), seen) == (b"b", [b"a\n", b"b\n"])


def test_the_memory_of_a_line_that_is_too_long_is_not_held() -> None:
    longest = 0

    def observe(piece: bytes) -> None:
        nonlocal longest
        longest = max(longest, len(piece))

    assert list(split_lines((b"x" * 1_000 for _ in range(1_000)), observe, 5_000)) == [None]
    assert longest <= 6_000


@settings(max_examples=200)
@given(st.text("ab\n\r", max_size=40).map(str.encode), st.lists(st.integers(0, 40)))
def test_any_cut_gives_the_lines_of_every_line_end(data: bytes, places: list[int]) -> None:
    found = list(universal_lines(cut(data, places), LIMIT))
    assert b"".join(piece for piece, _ in found) == data
    joined: list[tuple[bytes, bool]] = []
    for piece, long in found:
        inside = joined and joined[-1][1] and not joined[-1][0].endswith((b"\n", b"\r"))
        joined[-1:] = [(joined[-1][0] + piece, long)] if inside else [*joined[-1:], (piece, long)]
    kept = [piece for piece, long in joined if not long]
    assert kept == [line for line in data.splitlines(keepends=True) if line in kept]
    assert all(len(piece) <= LIMIT for piece in kept)
    assert all(len(piece.rstrip(b"\r\n")) >= LIMIT - 1 for piece, long in joined if long)


@pytest.mark.parametrize(
    ("piece", "count"), [(b"a\n", 1), (b"a\r\n", 1), (b"a\r\r\n", 1), (b"a\r", 1), (b"a", 0), (b"a\nb\n", 2)]
)
def test_lines_are_counted_whatever_ends_them(piece: bytes, count: int) -> None:
    assert count_lines(piece) == count
