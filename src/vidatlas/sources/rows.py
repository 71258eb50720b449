"""Rows of a part: a format, and what is made of each row, one record or one per term."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from vidatlas.sources.cells import read_list
from vidatlas.sources.csv import CsvSpec
from vidatlas.sources.jsonl import JsonLinesSpec
from vidatlas.types import Reason

Format = JsonLinesSpec | CsvSpec


@dataclass(frozen=True, slots=True)
class RowSpec:
    """Read rows from a part's bytes."""

    format: Format
    explode: ExplodeSpec | None = None

    def inside(self, container: str) -> RowSpec:
        """Return how rows are read out of a container: those of Parquet are JSON lines, whatever the recipe reads."""
        return replace(self, format=JsonLinesSpec()) if container == "parquet" else self

    def read(self, raw: bytes | None, names: tuple[str, ...]) -> list[dict[str, Any] | Reason]:
        """Return what is read of one raw row, or why it cannot be: one row, or with ``explode`` one or more."""
        return self.spread(self.decode(raw, names))

    def decode(self, raw: bytes | None, names: tuple[str, ...]) -> dict[str, Any] | Reason:
        """Return one raw row by column, or why it cannot be read."""
        return Reason.LINE_TOO_LONG if raw is None else self.format.decode(raw, names)

    def spread(self, row: dict[str, Any] | Reason) -> list[dict[str, Any] | Reason]:
        """Return the rows that one row stands for."""
        return [row] if isinstance(row, Reason) or self.explode is None else self.explode.rows(row)

    def required(self, columns: Iterable[str]) -> list[str]:
        """Return which columns the input must have, of those that a recipe names."""
        if self.explode is None:
            return list(columns)
        return [self.explode.column, *(column for column in columns if column != TERM)]


JSON_LINES = RowSpec(JsonLinesSpec())

TERM = "term"
"""The column that exploding adds."""


class ExplodeSpec(BaseModel):
    """Say which column's terms become records of their own.

    What is read are then terms, and read = kept + rejected + duplicates holds of them: the first one with an id is
    kept, later ones are its duplicates, which ``record.count`` counts. A row without any term is one reject.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    separator: Annotated[str, Field(min_length=1)] = ","
    """Where a cell is split that is no list."""
    key: str = "word"
    """Of a list of objects, the key that holds the term."""
    stop: tuple[str, ...] = ()
    """Terms that are left out, in lower case."""

    def rows(self, row: dict[str, Any]) -> list[dict[str, Any] | Reason]:
        """Return the row once for each term, in the column ``term``: stripped, without #, in lower case."""
        texts = read_list(row.get(self.column), self.separator, self.key)
        if texts is None:
            return [Reason.INVALID_FIELD]
        terms = [term for text in texts if (term := text.lstrip("#").strip().lower())]
        return [Reason.EXCLUDED if term in self.stop else {**row, TERM: term} for term in terms] or [Reason.NO_TERMS]
