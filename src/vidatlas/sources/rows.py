"""How the bytes of a part become rows: a format, and what is made of each row."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import Any

from vidatlas.sources.explode import TERM, ExplodeSpec
from vidatlas.sources.jsonlines import JsonLinesSpec
from vidatlas.sources.tables import CsvSpec
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
