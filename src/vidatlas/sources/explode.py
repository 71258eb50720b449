"""One row becomes a record for each term in one of its cells."""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field

from vidatlas.cells import read_list
from vidatlas.types import Reason

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
