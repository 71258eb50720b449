"""The text of an input file: its content, converted to UTF-8 and to lines of rows where it is not that already.

A conversion changes offsets, so each notes marks: places at which it can start again. The reader of a shard seeks to
the last mark before the shard and converts from there.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from itertools import chain
from operator import attrgetter

from vidatlas.sources.content.encoding import START, detect_encoding, to_utf8
from vidatlas.sources.content.file_type import refuse
from vidatlas.sources.content.json_document import record_lines
from vidatlas.sources.rows import Format
from vidatlas.types import Mark

HEAD = 64 << 10
"""Bytes from which a file's type and encoding are detected."""
ROWS = frozenset({"parquet", "arrow"})
"""Containers of rows, not of text."""


def stages(form: Format, encoding: str) -> list[tuple[Callable[..., Iterator[bytes]], Mark]]:
    """Return the conversions of a text in their order, each with its first mark; most files need none."""
    found: list[tuple[Callable[..., Iterator[bytes]], Mark]] = []
    if encoding:
        found.append((partial(to_utf8, encoding=encoding), Mark(0, 0, START)))
    if form.kind == "json":
        found.append((partial(record_lines, records=form.records), Mark(0, 0, "")))
    return found


class Text:
    """Convert an input file's content from its start, and note where later readers can start.

    Attributes:
        encoding: what the text is converted from; "" if it is used as it is.
        head: its first bytes, as UTF-8.
    """

    def __init__(self, content: Iterator[bytes], container: str, form: Format) -> None:
        """Read the first bytes of the content.

        Raises:
            InputError: they are those of a file that holds no rows; the caller adds the file.
        """
        self._content, read = content, b""
        while len(read) < HEAD and (chunk := next(content, None)) is not None:
            read += chunk
        self._read = read
        self.encoding, self.head = "", b""
        if container not in ROWS:
            self.encoding = detect_encoding(read, getattr(form, "encoding", "utf-8"))
            self.head = b"".join(to_utf8([read[:HEAD]], self.encoding, START)) if self.encoding else read[:HEAD]
            refuse(self.head if self.encoding else read, container)
        self._stages = stages(form, self.encoding)
        self._marks = [[first] for _, first in self._stages]

    def chunks(self) -> Iterator[bytes]:
        """Yield the converted text."""
        chunks: Iterator[bytes] = chain([self._read], self._content)
        for (convert, first), marks in zip(self._stages, self._marks, strict=True):
            chunks = convert(chunks, state=first.state, on_mark=marks.append)
        return chunks

    def start_of(self, offset: int) -> tuple[int, tuple[Mark, ...]]:
        """Return where to start for an offset in the converted text: that in the content, and a mark per conversion."""
        found: list[Mark] = []
        for marks in reversed(self._marks):
            mark = marks[bisect_right(marks, offset, key=attrgetter("to")) - 1]
            found.insert(0, mark)
            offset = mark.at
        return offset, tuple(found)


def convert_from(
    chunks: Iterator[bytes], start: int, marks: Sequence[Mark], form: Format, encoding: str
) -> tuple[Iterator[bytes], int]:
    """Return the converted text from the last of the marks on, and its offset there.

    Args:
        chunks: the content.
        start: its offset in the whole content.
        marks: one per conversion, as ``Text.start_of`` returned them.
        form: the format of the rows.
        encoding: that of ``Text``.
    """
    for (convert, _), mark in zip(stages(form, encoding), marks, strict=True):
        chunks = convert(_without(chunks, mark.at - start), state=mark.state)
        start = mark.to
    return chunks, start


def _without(chunks: Iterable[bytes], skip: int) -> Iterator[bytes]:
    for chunk in chunks:
        piece = chunk[skip:] if skip else chunk
        skip = max(0, skip - len(chunk))
        if piece:
            yield piece
