"""Rows of an input file: their format, and whether each row is one record or one record per term."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from vidatlas.sources.cells import read_list
from vidatlas.sources.content.json_document import JsonSpec
from vidatlas.sources.csv import CsvSpec
from vidatlas.sources.jsonl import JsonLinesSpec
from vidatlas.types import Reason

Format = JsonLinesSpec | JsonSpec | CsvSpec


@dataclass(frozen=True, slots=True)
class RowSpec:
    """Read rows from the bytes of an input file."""

    format: Format
    explode: ExplodeSpec | None = None

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

    def read(self, raw: bytes | None, names: tuple[str, ...]) -> list[dict[str, Any] | Reason]:
        """Return the rows read from one raw row, or why it is invalid: one row, or with ``explode`` one or more."""
        return self.spread(self.decode(raw, names))

    def decode(self, raw: bytes | None, names: tuple[str, ...]) -> dict[str, Any] | Reason:
        """Return one raw row by column name, or why it is invalid."""
        return Reason.LINE_TOO_LONG if raw is None else self.format.decode(raw, names)

    def spread(self, row: dict[str, Any] | Reason) -> list[dict[str, Any] | Reason]:
        """Return the rows that one row expands to."""
        return [row] if isinstance(row, Reason) or self.explode is None else self.explode.rows(row)

    def required(self, columns: Iterable[str]) -> list[str]:
        """Return the columns that rows must have, out of those that a recipe names."""
        if self.explode is None:
            return list(columns)
        return [self.explode.column, *(column for column in columns if column != TERM)]


JSON_LINES = RowSpec(JsonLinesSpec())

TERM = "term"
"""The column that ``explode`` adds."""


class ExplodeSpec(BaseModel):
    """Choose the column whose terms become rows, and so records, of their own.

    Counts are then of terms, and read = kept + rejected + duplicates holds for them: the first one with an id is
    kept, later ones are its duplicates, which ``record.count`` counts. A row without any term is one reject.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    separator: Annotated[str, Field(min_length=1)] = ","
    """What splits a cell that is not a list."""
    key: str = "word"
    """For a list of objects, the key that holds the term."""
    stop: tuple[str, ...] = ()
    """Terms to exclude, in lower case."""

    def rows(self, row: dict[str, Any]) -> list[dict[str, Any] | Reason]:
        """Return one row per term, in the column ``term``: stripped, without #, in lower case."""
        texts = read_list(row.get(self.column), self.separator, self.key)
        if texts is None:
            return [Reason.INVALID_FIELD]
        terms = [term for text in texts if (term := text.lstrip("#").strip().lower())]
        return [Reason.EXCLUDED if term in self.stop else {**row, TERM: term} for term in terms] or [Reason.NO_TERMS]
