"""CSV and similar formats (RFC 4180): rows that may span lines, cells by column name.

This module finds where each row ends, so that shards can be byte ranges; Python's csv parses the cells.
"""

from __future__ import annotations

import csv
import re
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, model_validator

from vidatlas.errors import InputError
from vidatlas.sources.content.encoding import check_encoding
from vidatlas.sources.lines import MAX_LINE, split_lines
from vidatlas.types import Reason


def _one_sign(value: str) -> str:
    if len(value) != 1 or not value.isascii() or value in "\r\n":
        raise ValueError("must be one ASCII character, and no line break")
    return value


Sign = Annotated[str, AfterValidator(_one_sign)]


class CsvSpec(BaseModel):
    """Describe a CSV dialect; a tab as delimiter reads TSV."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["csv"] = "csv"
    delimiter: Sign = ","
    quote: Sign | None = '"'
    """Quoted cells may hold delimiters and line breaks, and the quote itself when doubled; null: no quoting."""
    encoding: Annotated[str, AfterValidator(check_encoding)] = "utf-8"
    """Any text encoding of Python; a byte-order mark in the file outweighs it."""
    header: bool = True
    """Whether the first row names the columns."""
    columns: tuple[str, ...] = ()
    """Column names, in place of the header's or if there is none."""

    @model_validator(mode="after")
    def _named(self) -> CsvSpec:
        if not self.header and not self.columns:
            raise ValueError("a table without a header needs columns: the column names in order")
        if len(set(self.columns)) < len(self.columns):
            raise ValueError("columns lists a column twice")
        if self.delimiter == self.quote:
            raise ValueError("delimiter and quote are the same character")
        return self

    @property
    def has_header(self) -> bool:
        """Tell whether the first row of the CSV is a header."""
        return self.header

    def names(self, header: bytes | None) -> tuple[str, ...]:
        """Return the CSV's column names, in order.

        Raises:
            InputError: the header cannot be read, or lists a column twice.
        """
        if self.columns:
            return self.columns
        found = self._cells(header.removeprefix(b"\xef\xbb\xbf")) if header else ()
        remedy = "Fix the file, or give the column names with --set source.format.columns=[…]"
        if isinstance(found, Reason):
            raise InputError(f"the header cannot be read: {found.meaning}. {remedy}.")
        repeated = [name for name in found if found.count(name) > 1]
        if repeated:
            raise InputError(f"the header lists the column {repeated[0]!r} twice. {remedy}.")
        return tuple(found)

    def split(self, chunks: Iterable[bytes], observe: Callable[[bytes], object]) -> Iterator[bytes | None]:
        """Yield each CSV row without its line end; None for one longer than 16 MiB, after which a new row starts.

        Args:
            chunks: the bytes, split anywhere, starting at the start of a row.
            observe: called with every byte of a row just before it is yielded, or line by line as it is read.
        """
        held: list[bytes] = []
        size, opened = 0, False
        for line in split_lines(chunks, observe):
            size += 0 if line is None else len(line)
            usable = line is not None and size <= MAX_LINE
            opened = usable and self._is_open(line or b"", opened)
            held.append(line or b"")
            if not opened:
                yield b"\n".join(held).removesuffix(b"\r") if usable else None
                held, size = [], 0
        if held:
            yield b"\n".join(held)

    def _is_open(self, line: bytes, opened: bool) -> bool:
        """Tell whether a quoted cell continues after a line; as in Python's csv, a quote inside a cell is literal."""
        if self.quote is None:
            return False
        sign = self.quote.encode()
        if sign not in line:
            return opened
        at, quoted = 0, opened
        while True:
            quoted = quoted or line.startswith(sign, at)
            cell = _patterns(self.delimiter, self.quote)[quoted].match(line, at + (quoted and not opened))
            assert cell
            if quoted and cell["closed"] is None:
                return True
            if not cell["more"]:
                return False
            at, quoted, opened = cell.end(), False, False

    def decode(self, row: bytes, names: tuple[str, ...]) -> dict[str, Any] | Reason:
        """Return the cells of a CSV row by column name, or why it is invalid."""
        cells = self._cells(row)
        if isinstance(cells, Reason):
            return cells
        return dict(zip(names, cells, strict=True)) if len(cells) == len(names) else Reason.WRONG_WIDTH

    def _cells(self, row: bytes) -> list[str] | Reason:
        if not row:
            return Reason.BLANK_LINE
        try:
            text = row.decode(self.encoding)
        except UnicodeDecodeError:
            return Reason.INVALID_UTF8
        quoting: Any = csv.QUOTE_MINIMAL if self.quote else csv.QUOTE_NONE
        style: dict[str, Any] = {"delimiter": self.delimiter, "quotechar": self.quote, "quoting": quoting}
        try:
            return next(csv.reader([text], strict=True, **style))
        except (csv.Error, StopIteration):
            return Reason.INVALID_CSV


@lru_cache(maxsize=8)
def _patterns(delimiter: str, quote: str) -> tuple[re.Pattern[bytes], re.Pattern[bytes]]:
    """Return patterns for a plain cell, and for the inside of a quoted one, up to the delimiter or the end of the line.

    The group "closed" is absent if a quoted cell does not end in the line. The patterns never backtrack: time is linear
    in the length of the line.
    """
    comma, sign = re.escape(delimiter), re.escape(quote)
    until = f"(?P<more>{comma}|\\Z)"
    plain = f"[^{comma}]*+{until}"
    quoted = f"(?:[^{sign}]|{sign}{sign})*+(?:(?P<closed>{sign})[^{comma}]*+)?+{until}"
    return re.compile(plain.encode(), re.DOTALL), re.compile(quoted.encode(), re.DOTALL)
