"""Rows of an input file: their format, columns out of nested values and of the file's own path, one record per term."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field, replace
from typing import Annotated, Any
from urllib.parse import unquote

from pydantic import BaseModel, Field

from vidatlas.errors import UsageError
from vidatlas.sources.cells import is_cut
from vidatlas.sources.content.json_document import JsonSpec
from vidatlas.sources.csv import CsvSpec
from vidatlas.sources.jsonl import JsonLinesSpec
from vidatlas.sources.paths import Path, with_nested
from vidatlas.sources.values.missing import MISSING, is_missing
from vidatlas.sources.values.texts import texts_in
from vidatlas.types import Reason

Format = JsonLinesSpec | JsonSpec | CsvSpec
Row = dict[str, Any]
HIVE = "hive"
"""The ``source.path`` that takes the columns from folders named ``column=value``."""
_NULL = "__HIVE_DEFAULT_PARTITION__"
_PLACE = re.compile(r"\{([^{}/]+)\}")


@dataclass(frozen=True, slots=True)
class RowSpec:
    """Read rows from the bytes of an input file."""

    format: Format
    explode: ExplodeSpec | None = None
    path: str | None = None
    """The pattern of ``source.path``."""
    nested: tuple[Path, ...] = ()
    """Nested values that become columns."""
    given: dict[str, str | None] = field(default_factory=dict)
    """Columns out of the path of a file."""
    missing: frozenset[str] = frozenset(MISSING)
    """Cells and items of cells that stand for nothing, where ``explode`` splits them."""
    vector: str | None = None
    """The column of given vectors, if any: other columns of vectors are skipped in Parquet."""

    def inside(self, container: str, encoding: str = "") -> RowSpec:
        """Return how rows are read from a container: those of Parquet and Arrow are JSON lines, always.

        Args:
            container: what ``detect`` returned.
            encoding: what the text is converted to UTF-8 from; "" if it is not.
        """
        if container in ("parquet", "arrow"):
            return replace(self, format=JsonLinesSpec())
        if encoding and isinstance(self.format, CsvSpec):
            return replace(self, format=self.format.model_copy(update={"encoding": "utf-8"}))
        return self

    def at(self, url: str, delimiter: str = "") -> RowSpec:
        """Return how the rows of a file are read: with the columns of its path, and its own delimiter if it names one.

        Raises:
            UsageError: the path does not fit the pattern of ``source.path``.
        """
        form = self.format
        if delimiter and isinstance(form, CsvSpec):
            form = form.model_copy(update={"delimiter": delimiter})
        return replace(self, format=form, given=path_columns(url, self.path) if self.path else {})

    def start(
        self, chunks: Iterable[bytes], observe: Callable[[bytes], object]
    ) -> tuple[RowSpec, tuple[str, ...], Iterator[bytes | None]]:
        """Read the top of a file; return how its rows are read, the names of its columns, and its raw rows."""
        if not isinstance(self.format, CsvSpec):
            return self, (), self.format.split(chunks, observe)
        form, names, rows = self.format.start(chunks, observe)
        return replace(self, format=form), names, rows

    def read(self, raw: bytes | None, names: tuple[str, ...]) -> list[Row | Reason]:
        """Return the rows read from one raw row, or why it is invalid: one row, or with ``explode`` one or more."""
        return self.spread(self.decode(raw, names))

    def decode(self, raw: bytes | None, names: tuple[str, ...]) -> Row | Reason:
        """Return one raw row by column name, with the columns of its nested values and of its file's path.

        Raises:
            UsageError: a column of the path is in the file too.
        """
        row = Reason.LINE_TOO_LONG if raw is None else self.format.decode(raw, names)
        if isinstance(row, Reason):
            return row
        if self.given:
            both = self.given.keys() & row.keys()
            if both:
                raise UsageError(
                    f"the column {min(both)!r} is in the file and in source.path: call it otherwise there."
                )
            row = {**row, **self.given}
        return with_nested(row, self.nested) if self.nested else row

    def spread(self, row: Row | Reason) -> list[Row | Reason]:
        """Return the rows that one row expands to."""
        return [row] if isinstance(row, Reason) or self.explode is None else self.explode.rows(row, self.missing)

    def required(self, columns: Iterable[str]) -> list[str]:
        """Return the columns that rows must have, out of those that a recipe names."""
        named = [*columns, self.vector] if self.vector is not None else list(columns)
        if self.explode is None:
            return named
        return [self.explode.column, *(column for column in named if column != TERM)]


JSON_LINES = RowSpec(JsonLinesSpec())

TERM = "term"
"""The column that ``explode`` adds."""


def check_path(pattern: str | None) -> str | None:
    """Return a pattern of ``source.path``.

    Raises:
        ValueError: it names no column, or one twice.
    """
    names = _PLACE.findall(pattern or "")
    if pattern not in (None, HIVE) and not names:
        raise ValueError("must be 'hive', or a pattern that names columns in braces, such as '{country}videos.csv'")
    if len(set(names)) < len(names):
        raise ValueError("names a column twice")
    return pattern


def path_columns(url: str, pattern: str) -> dict[str, str | None]:
    """Return the columns that a pattern finds in the path of a file; None stands for Hive's null.

    A pattern is compared with as many of the path's last steps as it has.

    Raises:
        UsageError: the path does not fit.
    """
    steps = url.rstrip("/").split("/")
    if pattern == HIVE:
        pairs = [step.partition("=") for step in steps[:-1] if not step.startswith("=") and "=" in step]
        if not pairs:
            raise UsageError(f"{url}: no folder is named column=value, as source.path=hive says.")
        return {unquote(key): None if value == _NULL else unquote(value) for key, _, value in pairs}
    texts = _PLACE.split(pattern)
    parts = ["([^/]+?)" if at % 2 else re.escape(text) for at, text in enumerate(texts)]
    wanted = "/".join(steps[-(pattern.count("/") + 1) :])
    found = re.fullmatch("".join(parts), wanted)
    if not found:
        raise UsageError(f"{url} does not fit source.path: {pattern!r}. Write the pattern as the files are called.")
    return dict(zip(texts[1::2], found.groups(), strict=True))


class ExplodeSpec(BaseModel, frozen=True, extra="forbid"):
    """Choose the column whose terms become rows, and so records, of their own.

    Counts are then of terms, and read = kept + rejected + duplicates holds for them: the first one with an id is
    kept, later ones are its duplicates, which ``record.count`` counts. A row without any term is one reject.
    """

    column: str
    separator: Annotated[str, Field(min_length=1)] = ","
    """What splits a cell that is not a list."""
    key: str = "word"
    """For a list of objects, the key that holds the term."""
    stop: tuple[str, ...] = ()
    """Terms to exclude, in lower case."""

    def rows(self, row: Row, missing: frozenset[str]) -> list[Row | Reason]:
        """Return one row per term, in the column ``term``: stripped, without #, in lower case."""
        cell = row.get(self.column)
        if is_missing(cell, missing):
            return [Reason.NO_TERMS]
        texts = None if is_cut(cell) else texts_in(cell, self.separator, self.key)
        if texts is None:
            return [Reason.INVALID_FIELD]
        terms = [term for text in texts if text not in missing and (term := text.lstrip("#").strip().lower())]
        return [Reason.EXCLUDED if term in self.stop else {**row, TERM: term} for term in terms] or [Reason.NO_TERMS]
