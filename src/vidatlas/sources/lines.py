"""Split a stream of bytes into lines of limited length."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

MAX_LINE = 16 << 20


def split_lines(
    chunks: Iterable[bytes], observe: Callable[[bytes], object], limit: int = MAX_LINE
) -> Iterator[bytes | None]:
    r"""Yield each line without its ``\n``; None for a line longer than ``limit`` bytes, which is never kept in memory.

    Zeros behind the last line are no line: some tools and file systems fill up a block with them.

    Args:
        chunks: the bytes, split anywhere.
        observe: called with every byte of a line (newline included) just before that line is yielded or, if the line
            is too long, piece by piece as it is read.
        limit: longest line in bytes.
    """
    rest, overlong = b"", False
    for chunk in chunks:
        lines = (rest + chunk).split(b"\n")
        rest = lines.pop()
        for line in lines:
            observe(line + b"\n")
            yield None if overlong or len(line) > limit else line
            overlong = False
        if len(rest) > limit:
            observe(rest)
            rest, overlong = b"", overlong or bool(rest.strip(b"\0"))
    if rest:
        observe(rest)
    if overlong or rest.strip(b"\0"):
        yield None if overlong else rest


def universal_lines(chunks: Iterable[bytes], limit: int = MAX_LINE) -> Iterator[tuple[bytes, bool]]:
    r"""Yield each line with its end (``\n``, ``\r\n`` or ``\r``), and whether it is longer than ``limit`` bytes.

    A line that is too long comes in pieces, which are never kept in memory; the last one ends in a line end.
    """
    rest, overlong = b"", False
    for chunk in chunks:
        lines = (rest + chunk).splitlines(keepends=True)
        # A carriage return at the end may be half of a line end.
        rest = b"" if not lines or lines[-1].endswith(b"\n") else lines.pop()
        for line in lines:
            yield line, overlong or len(line) > limit
            overlong = False
        if len(rest) > limit:
            yield rest, True
            rest, overlong = b"", not rest.endswith(b"\r")
    if rest:
        yield rest, overlong


def count_lines(piece: bytes) -> int:
    r"""Return how many lines end in the bytes of a row; a lone ``\r`` ends one only where there is no ``\n``."""
    return piece.count(b"\n") or piece.count(b"\r")
