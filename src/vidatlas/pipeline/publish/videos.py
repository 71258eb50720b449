"""Videos of a page, gathered from a shard: ids, titles, words of tags, links and typed columns of some rows."""

from __future__ import annotations

import re
from collections.abc import Iterable
from string import Formatter
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from vidatlas.pipeline.embed.rows import notes_of, titles_of
from vidatlas.sources.fields import RecordSpec
from vidatlas.sources.values.links import link_of, names_in
from vidatlas.views.text import clean, fold, shown
from vidatlas.views.videos import Column, ColumnKind, Videos

MOST_WORDS = 100
"""Characters of a video's further words: a page is to stay light, and the first tags say most."""
_LONGEST_VALUE = 80
_CHANNEL_ID = re.compile(r"UC[\w-]{22}")
"""Says nothing to a reader, and pages are to be light."""


def columns_of(record: RecordSpec) -> list[str]:
    """Return the columns of an embeddings table that ``videos_of`` needs."""
    author = ["author"] if record.author and "channel" not in record.columns else []
    return list(dict.fromkeys(["id", *record.fields, *record.shown, *record.columns, *author]))


def videos_of(record: RecordSpec, table: pa.Table, rows: NDArray[np.int64]) -> Videos:
    """Return what pages show of some rows of a shard of embeddings."""
    found = table.take(pa.array(rows))
    every = np.arange(len(rows))
    ids, titles = found["id"].to_pylist(), titles_of(found, record.title, every)
    columns = [_column(name, found[name]) for name in record.columns]
    if "author" in found.column_names:
        columns.append(_column("channel", found["author"]))
    address, links = _addresses(record.url, found)
    return Videos(
        tuple(map(clean, ids)),
        tuple(titles),
        tuple(notes_of(found, record.shown, every)),
        _words(record, found, titles),
        tuple(columns),
        address,
        links,
    )


def _column(name: str, cells: pa.ChunkedArray) -> Column:
    kind: ColumnKind = "number"
    values: list[Any]
    if pa.types.is_date(cells.type) or pa.types.is_timestamp(cells.type):
        kind, values = "date", cells.cast(pa.date32()).cast(pa.int32()).to_pylist()
    elif pa.types.is_integer(cells.type):
        values = cells.to_pylist()
    elif pa.types.is_floating(cells.type):
        values = [None if value is None else _short(value) for value in cells.to_pylist()]
    else:
        kind = "text"
        texts = pc.cast(cells, pa.string()).to_pylist()
        values = [None if not text or _CHANNEL_ID.fullmatch(text) else shown(text, _LONGEST_VALUE) for text in texts]
    return Column(name, "duration" if kind == "number" and name == "duration" else kind, tuple(values))


def _short(value: float) -> float | int | None:
    """Return a number with at most seven digits; None if it is none."""
    if not np.isfinite(value):
        return None
    return int(value) if value.is_integer() and abs(value) < 2**53 else float(f"{value:.7g}")


def _addresses(template: str | None, found: pa.Table) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the texts around the id of every link, or, if links hold more than the id, the links."""
    if template is None:
        return (), ()
    names = names_in(template)
    if set(names) == {"id"}:
        pieces = [""]
        for literal, name, _, _ in Formatter().parse(template):
            pieces[-1] += literal
            if name is not None:
                pieces.append("")
        return tuple(pieces), ()
    return (), tuple(link_of(template, row) for row in found.select(list(dict.fromkeys(names))).to_pylist())


def _words(record: RecordSpec, found: pa.Table, titles: list[str]) -> tuple[str, ...]:
    others = [name for name in record.fields if name != record.title]
    if not others:
        return ()
    columns = [found[name].to_pylist() for name in others]
    return tuple(
        _further(title, (text for cell in cells for text in _texts(cell)))
        for title, *cells in zip(titles, *columns, strict=True)
    )


def _texts(cell: Any) -> Iterable[str]:
    return cell if isinstance(cell, list) else [cell] if cell else []


def _further(title: str, texts: Iterable[str]) -> str:
    """Return the words of some texts that a title lacks, each once, up to a limit."""
    known, words, room = fold(clean(title)), dict[str, None](), MOST_WORDS
    for text in texts:
        for word in fold(clean(text)).split():
            if word in known or word in words:
                continue
            room -= len(word) + 1
            if room < 0:
                return " ".join(words)
            words[word] = None
    return " ".join(words)
