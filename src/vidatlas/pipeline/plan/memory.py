"""Data in memory (frames, Arrow tables, dicts) as input files: JSON lines in the atlas, so that a run can resume."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain, islice
from os import PathLike, fspath
from typing import Any, Protocol

import numpy as np
import orjson
import pyarrow as pa

from vidatlas.errors import InputError, UsageError
from vidatlas.recipe import Recipe
from vidatlas.sources.jsonl import JsonLinesSpec
from vidatlas.sources.parquet import BATCH, lines_of, plain, readable_columns
from vidatlas.storage.store import Store
from vidatlas.types import Place


class Table(Protocol):
    """A table in memory that gives an Arrow stream: pandas, polars, pyarrow, DuckDB, Hugging Face datasets."""

    def __arrow_c_stream__(self, requested_schema: object | None = None) -> object:
        """Return an Arrow stream, as Arrow's PyCapsule interface defines it."""


Rows = Iterable[Mapping[str, Any]]
Data = Place | Iterable[Place] | Table | Rows
"""Input files, or rows in memory."""
FILE_ROWS = 100_000
"""Rows per file: this bounds the memory that writing takes, and several files are planned in parallel."""
_EXPECTED = "Pass paths, a data frame, an Arrow table, an iterable of dicts, or one split of a dataset"
_NOTHING = ("NaT", "<NA>")
"""How pandas and numpy write a missing time or value."""

Choice = Callable[[pa.Schema], str | None]
"""Chooses the column of vectors to keep."""


def as_files(data: Data, recipe: Recipe, atlas: Place) -> tuple[Recipe, list[str]]:
    """Return the input files that hold some data, and the recipe that reads them.

    Paths are returned as they are, with the recipe unchanged. Rows in memory are written below ``input/`` in the atlas,
    under names made of their content: equal rows give equal files, which are written once.

    Raises:
        UsageError: the data is neither files nor rows.
        InputError: there are no rows.
    """
    urls, written = files_of(data, atlas, lambda schema: recipe.rows.vector)
    if not written:
        return recipe, urls
    source = recipe.source.model_copy(update={"format": JsonLinesSpec()})
    return recipe.model_copy(update={"source": source}), urls


def files_of(data: Data, atlas: Place, vector: Choice) -> tuple[list[str], bool]:
    """Return the input files that hold some data as ``as_files`` does, and whether they were written as JSON lines."""
    found = _paths_or_rows(data, vector)
    return (found, False) if isinstance(found, list) else (_written(found, Store(atlas)), True)


def _paths_or_rows(data: Data, vector: Choice) -> list[str] | Iterator[bytes]:
    """Return paths, or rows as lines of JSON."""
    if isinstance(data, str | PathLike):
        return [fspath(data)]
    tables = _tables(data)
    if tables is not None:
        return (line for table in tables for line in _lines(table, vector(table.schema)))
    if isinstance(data, Mapping) or not isinstance(data, Iterable):
        raise UsageError(f"data of type {type(data).__name__} cannot be read. {_EXPECTED}.")
    rows = iter(data)
    first = next(rows, None)
    if first is None or isinstance(first, str | PathLike):
        return [fspath(place) for place in chain([] if first is None else [first], rows)]  # type: ignore[arg-type]
    if not isinstance(first, Mapping):
        raise UsageError(f"an iterable of {type(first).__name__} cannot be read. {_EXPECTED}.")
    return (_line(row) for row in chain([first], rows))


def _tables(data: Any) -> Iterator[Any] | None:
    """Return Arrow tables or batches of data that holds any, else None."""
    if hasattr(data, "with_format") and hasattr(data, "iter"):
        # Datasets of Hugging Face; their ``data`` ignores what was selected, sorted and filtered.
        batches: Iterator[Any] = data.with_format("arrow").iter(batch_size=BATCH)
        return batches
    if not hasattr(data, "__arrow_c_stream__"):
        return None
    try:
        reader: Iterator[Any] = pa.RecordBatchReader.from_stream(data)
    except (pa.ArrowException, ValueError, TypeError) as error:
        # A series, a column name that stands twice, complex numbers.
        raise UsageError(
            f"the {type(data).__name__} is not a table that can be read ({error}). {_EXPECTED}."
        ) from error
    return reader


def _lines(table: Any, vector: str | None) -> Iterator[bytes]:
    table = table.select(readable_columns(table.schema, vector))
    whole = table if isinstance(table, pa.Table) else pa.Table.from_batches([table])
    for batch in whole.to_batches(BATCH):
        yield from (line + b"\n" for line in lines_of(batch, vector).split(b"\n")[:-1])


def _line(row: Any) -> bytes:
    """Return a row as a line of JSON; what JSON cannot hold becomes text, or a line that is rejected."""
    try:
        line: bytes = orjson.dumps(
            row,
            default=_plain,
            option=orjson.OPT_APPEND_NEWLINE | orjson.OPT_NON_STR_KEYS | orjson.OPT_SERIALIZE_NUMPY,
        )
    except TypeError:
        # Lone surrogates and integers of more than 64 bits.
        return json.dumps(row, default=_plain, skipkeys=True).encode() + b"\n"
    return line


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, set | frozenset):
        # Their own order differs between processes, and equal rows must give equal files.
        return sorted(value, key=repr)
    if isinstance(value, np.timedelta64) and not np.isnat(value):
        value = value.astype("m8[us]").item()
    found = value.tolist() if isinstance(value, np.ndarray) else plain(value)
    return None if found in _NOTHING else found


def _written(lines: Iterator[bytes], store: Store) -> list[str]:
    """Write lines of JSON into the atlas; return where."""
    import zstandard

    urls: list[str] = []
    while frames := list(_frames(islice(lines, FILE_ROWS), zstandard.ZstdCompressor())):
        data = b"".join(frames)
        stem = f"data_{len(urls)}" if urls else "data"
        name = f"input/{hashlib.sha256(data).hexdigest()[:16]}/{stem}.jsonl.zst"
        # A file that is written again is a changed input.
        if store.folder.size(name) != len(data):
            store.put(name, data)
        urls.append(f"{store.folder.url}/{name}")
    if not urls:
        raise InputError("the data has no rows.")
    return urls


def _frames(lines: Iterator[bytes], compressor: Any) -> Iterator[bytes]:
    """Yield a frame for each batch of rows: a reader can start at each."""
    while chunk := b"".join(islice(lines, BATCH)):
        yield compressor.compress(chunk)


def text_table(
    texts: Iterable[str | None], groups: Iterable[Any] | None, vectors: Any, ids: Iterable[Any] | None
) -> pa.Table:
    """Return a table of texts with the columns id, title, and where given group and embedding.

    Raises:
        UsageError: the columns differ in length, ids repeat, or something is no list or no vectors.
    """
    for name, values in {
        "texts": texts,
        "groups": () if groups is None else groups,
        "ids": () if ids is None else ids,
    }.items():
        if isinstance(values, str) or not isinstance(values, Iterable):
            raise UsageError(f"{name} must be a list or column with one value per record, not {type(values).__name__}.")
    titles = list(texts)
    columns: dict[str, Any] = {"id": map(str, range(len(titles))) if ids is None else ids, "title": titles}
    columns |= {} if groups is None else {"group": groups}
    columns = {name: _texts(values) for name, values in columns.items()}
    if vectors is not None:
        columns["embedding"] = _vectors(vectors)
    for name, column in columns.items():
        if len(column) != len(titles):
            raise UsageError(f"there are {len(titles):,} texts, but {len(column):,} of {name}. Pass one per text.")
    found = columns["id"].value_counts() if ids is not None else ()
    twice = next((one["values"] for one in found if one["counts"].as_py() > 1 and one["values"].is_valid), None)
    if twice is not None:
        raise UsageError(f"ids has {twice.as_py()!r} more than once. Each record needs an id of its own.")
    return pa.table(columns)


def _texts(values: Iterable[Any]) -> pa.Array:
    """Return values as text, those that pandas takes for missing as null."""
    cells = list(values)
    try:
        return pa.array(cells, from_pandas=True).cast(pa.string())
    except pa.ArrowException:  # values of several types
        return pa.array([None if cell is None else str(cell) for cell in cells], pa.string())


def _vectors(vectors: Any) -> pa.Array:
    """Return vectors, one per row, as lists of float32; those of other lengths than the first are rejected later."""
    if isinstance(vectors, np.ndarray) and vectors.ndim == 2:
        with np.errstate(over="ignore"):
            flat = np.ascontiguousarray(vectors, np.float32).reshape(-1)
        return pa.FixedSizeListArray.from_arrays(pa.array(flat), vectors.shape[1])
    try:
        rows = [None if row is None else np.asarray(row, np.float32) for row in vectors]
        return pa.array(rows, pa.list_(pa.float32()))
    except (pa.ArrowException, ValueError, TypeError) as error:
        raise UsageError(f"vectors must be numbers of the shape [n, dim], one row per text ({error}).") from error
