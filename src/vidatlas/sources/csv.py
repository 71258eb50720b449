"""CSV and similar formats: rows that may span lines, cells by column name, read as leniently as Python's csv does.

This module finds where each row ends, so that shards can be byte ranges; Python's csv parses the cells, and decides
whether a quoted cell is open at the end of a line.
"""

from __future__ import annotations

import csv
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache
from itertools import chain
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, BaseModel, BeforeValidator, Field, model_validator

from vidatlas.errors import InputError, UsageError
from vidatlas.sources.content.encoding import check_encoding
from vidatlas.sources.jsonl import parse_line
from vidatlas.sources.lines import MAX_LINE, universal_lines
from vidatlas.types import Reason

NAMELESS = re.compile(r"Unnamed: \d+")
"""What a column without a name is called, as pandas does: by its position, from 0."""
SEP = re.compile(rb'"?sep=((?:(?![0-9A-Za-z"\\])[!-~\t ]){1,8}?)"?[\r\n]*')
"""The line with which Excel names the delimiter of a file: no letter, digit, quote or escape character."""
_STAND_IN = "\U000f0000"
"""Stands for a delimiter of several characters, which Python's csv does not know."""
# The limit of 131,072 characters would reject a transcript in a cell; rows are limited to 16 MiB here.
csv.field_size_limit(max(csv.field_size_limit(), 2 * MAX_LINE))


def _signs(value: str) -> str:
    if not value or not value.isascii() or "\r" in value or "\n" in value:
        raise ValueError("must be ASCII characters, and no line break")
    return value


def _one_sign(value: str) -> str:
    if len(value) != 1:
        raise ValueError("must be one ASCII character, and no line break")
    return _signs(value)


def _tab(value: Any) -> Any:
    r"""Read ``\t``, as a shell passes it, as a tab."""
    return "\t" if value == "\\t" else value


def _delimiter(value: str) -> str:
    if value.isalnum():
        raise ValueError(r"must not be letters or digits; a tab needs quotes: --set 'source.format.delimiter=\t'")
    return _signs(value)


Sign = Annotated[str, AfterValidator(_one_sign)]


class CsvSpec(BaseModel, frozen=True, extra="forbid"):
    """Describe a CSV dialect; a tab as delimiter reads TSV."""

    kind: Literal["csv"] = "csv"
    delimiter: Annotated[str, BeforeValidator(_tab), AfterValidator(_delimiter)] = ","
    """One or more characters, such as ``::``; a first line ``sep=;`` of a file names its own."""
    quote: Sign | None = '"'
    """Quoted cells may hold delimiters and line breaks, and the quote itself when doubled; null: no quoting."""
    escape: Sign | None = None
    """The character, mostly a backslash, behind which a quote, a delimiter or a line break is literal."""
    trim: bool = False
    """Remove blanks around cells and column names."""
    skip: Annotated[int, Field(ge=0)] = 0
    """Lines to skip at the top of each file."""
    strict: bool = False
    """Reject rows with text behind a closing quote, rows of delimiters alone, and rows of another width even if the
    cells in excess are empty."""
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
        if (self.quote and self.quote in self.delimiter) or (self.escape and self.escape in self.delimiter):
            raise ValueError("the delimiter contains the quote or the escape character")
        if self.escape and self.escape == self.quote:
            raise ValueError("escape and quote are the same character; a doubled quote needs no escape")
        if self.trim and self.delimiter.isspace() and self.delimiter != "\t":
            raise ValueError("trim would remove a delimiter that is a blank")
        return self

    def start(
        self, chunks: Iterable[bytes], observe: Callable[[bytes], object]
    ) -> tuple[CsvSpec, tuple[str, ...], Iterator[bytes | None]]:
        """Read the top of a CSV file; return its own dialect, its column names, and its rows as ``split`` yields them.

        Raises:
            InputError: the header cannot be read, or lists a column twice.
            UsageError: the file holds JSON lines.
        """
        lines: Iterator[tuple[bytes, bool]] = universal_lines(chunks)
        for _ in range(self.skip):
            observe(next(lines, (b"", False))[0])
        first, long = next(lines, (b"", False))
        form = self._of_file(first)
        if form is self:
            lines = chain([(first, long)] if first else [], lines)
        else:
            observe(first)
        rows = form._rows(lines, observe)
        names = form._names(next(rows, None) if self.header else None)
        return form, names, rows

    def _of_file(self, line: bytes) -> CsvSpec:
        """Return the dialect that a line ``sep=…`` names; this one if it is none."""
        found = SEP.fullmatch(line)
        if not found or found[1].decode() in (self.quote, self.escape):
            return self
        return self.model_copy(update={"delimiter": found[1].decode()})

    def _names(self, header: bytes | None) -> tuple[str, ...]:
        if self.columns:
            return self.columns
        if header and isinstance(parse_line(header), dict):
            raise UsageError("the header cannot be read: this looks like JSON lines: add --set source.format=jsonlines")
        found = self.cells(header) if header else ()
        remedy = "Fix the file, or give the column names with --set source.format.columns=[…]"
        if isinstance(found, Reason):
            raise InputError(f"the header cannot be read: {found.meaning}. {remedy}.")
        names = tuple(name if name.strip() else f"Unnamed: {at}" for at, name in enumerate(found))
        repeated = [name for name in names if names.count(name) > 1]
        if repeated:
            raise InputError(f"the header lists the column {repeated[0]!r} twice. {remedy}.")
        return names

    def split(self, chunks: Iterable[bytes], observe: Callable[[bytes], object]) -> Iterator[bytes | None]:
        """Yield each CSV row without its line end; None for one longer than 16 MiB, after which a new row starts.

        Blank lines, and unless ``strict`` lines of delimiters alone, are no rows: they are observed with the row before
        them. A quote that no later line closes is part
        of a row that ends with its line.

        Args:
            chunks: the bytes, split anywhere, starting at the start of a row.
            observe: called with every byte of a row, line ends included, just before it is yielded.
        """
        return self._rows(universal_lines(chunks), observe)

    def _rows(self, lines: Iterable[tuple[bytes, bool]], observe: Callable[[bytes], object]) -> Iterator[bytes | None]:
        held: list[bytes] = []  # a row, and the blank lines behind it
        data, long, blanks = b"", False, self._blanks()
        for data, long in _Joined(self, lines):
            if held and (long or data.lstrip(blanks)):
                yield from _end(held, blanks, observe)
                held = []
            if not long:
                held.append(data)
                continue
            observe(data)
            if data.endswith((b"\n", b"\r")):
                yield None
        yield from _end(held, blanks, observe)
        if long and not data.endswith((b"\n", b"\r")):
            yield None

    def _blanks(self) -> bytes:
        """Return the characters of blank lines; spreadsheets leave rows of delimiters alone."""
        delimiter, blanks = self.delimiter.encode(), b" \t\r\n\f\v"
        if len(delimiter) > 1:
            return blanks
        return blanks.translate(None, delimiter) if self.strict else blanks + delimiter

    def is_open(self, line: bytes, opened: bool) -> bool:
        """Tell whether a quoted cell is open behind a line, given whether one was open before it.

        Python's csv decides. It gets the bytes as Latin-1: of a character outside ASCII, no byte is a sign.
        """
        text = f"{self.quote if opened else ''}{line.decode('latin-1')}"
        reader = csv.reader((self._single(text), ""), self._dialect(strict=False))
        try:
            next(reader)
        except csv.Error:
            return False
        return reader.line_num > 1

    def _single(self, text: str) -> str:
        return text if len(self.delimiter) == 1 else text.replace(self.delimiter, _STAND_IN)

    def _dialect(self, strict: bool) -> Any:
        return _dialect(self.delimiter, self.quote, self.escape, self.trim, strict)

    def decode(self, row: bytes, names: tuple[str, ...]) -> dict[str, Any] | Reason:
        """Return the cells of a CSV row by column name, or why it is invalid."""
        cells = self.cells(row)
        if isinstance(cells, Reason):
            return cells
        if len(cells) != len(names) and not self._fits(cells, names):
            return Reason.WRONG_WIDTH
        return dict(zip(names, cells, strict=False))

    def _fits(self, cells: list[str], names: tuple[str, ...]) -> bool:
        """Tell whether a row lacks only nameless columns, and has only empty cells in excess."""
        lacking, excess = names[len(cells) :], cells[len(names) :]
        return not self.strict and all(map(NAMELESS.fullmatch, lacking)) and not any(map(str.strip, excess))

    def cells(self, row: bytes) -> list[str] | Reason:
        """Return the cells of a row, or why it is invalid."""
        try:
            text = row.decode(self.encoding)
        except UnicodeDecodeError:
            return Reason.INVALID_UTF8
        reader = csv.reader((self._single(text), ""), self._dialect(self.strict))
        try:
            cells = next(reader)
        except csv.Error:
            return Reason.INVALID_CSV
        # The second, empty line was asked for only if a quote is open.
        if reader.line_num > 1 or (len(self.delimiter) > 1 and _STAND_IN in text):
            return Reason.INVALID_CSV
        if len(self.delimiter) > 1:
            cells = [cell.replace(_STAND_IN, self.delimiter) for cell in cells]
        return [cell.strip() for cell in cells] if self.trim else cells


def _end(held: list[bytes], blanks: bytes, observe: Callable[[bytes], object]) -> Iterator[bytes]:
    """Observe a row and the blank lines behind it, then yield the row; the first line is blank at the top of a file."""
    if held:
        observe(b"".join(held))
        if held[0].lstrip(blanks):
            yield held[0].rstrip(b"\r\n")


class _Joined:
    """Join the lines of CSV rows: yield the bytes of each row, and whether they are a piece of a line too long.

    Where a quote stays open to the end, or for more than 16 MiB, its line alone is a row, and the lines behind it are
    read again: those that are known to leave a quote open. Each line is thus parsed at most twice.
    """

    def __init__(self, form: CsvSpec, lines: Iterable[tuple[bytes, bool]]) -> None:
        self._form = form
        self._lines = iter(_unescaped(lines, form.escape.encode()) if form.escape else lines)
        self._open: deque[bytes] = deque()
        self._size = 0

    def __iter__(self) -> Iterator[tuple[bytes, bool]]:
        sign = self._form.quote.encode() if self._form.quote else None
        while True:
            if self._open:
                data, long = self._open.popleft(), False
                self._size -= len(data)
            else:
                data, long = next(self._lines, (b"", False))
                if not data:
                    return
            if not long and sign and sign in data and self._form.is_open(data, False):
                data = self._whole(data, sign)
            yield data, long

    def _whole(self, first: bytes, sign: bytes) -> bytes:
        """Return all lines of a row whose first line leaves a quote open; the first alone if no line closes it."""
        while len(first) + self._size <= MAX_LINE:
            data, long = next(self._lines, (b"", False))
            if long:
                self._lines = chain([(data, long)], self._lines)
            if long or not data:
                return first
            if sign in data and not self._form.is_open(data, True):
                row = b"".join([first, *self._open, data])
                self._open.clear()
                self._size = 0
                return row
            self._open.append(data)
            self._size += len(data)
        return first


def _unescaped(lines: Iterable[tuple[bytes, bool]], escape: bytes) -> Iterator[tuple[bytes, bool]]:
    """Join lines whose line end is escaped with the next one."""
    held: list[bytes] = []
    size = 0
    for data, long in lines:
        body = data[:-1] if data.endswith((b"\n", b"\r")) else data
        escapes = 0 if long else len(body) - len(body.rstrip(escape))
        size += len(data)
        if long and held:
            yield b"".join(held), False
        if long:
            yield data, True
        elif escapes % 2 and size <= MAX_LINE:
            held.append(data)
            continue
        else:
            yield b"".join([*held, data]), False
        held, size = [], 0
    if held:
        yield b"".join(held), False


@lru_cache(maxsize=32)
def _dialect(delimiter: str, quote: str | None, escape: str | None, trim: bool, strict: bool) -> Any:
    return csv.reader(
        (),
        delimiter=delimiter if len(delimiter) == 1 else _STAND_IN,
        quotechar=quote,
        escapechar=escape,
        skipinitialspace=trim,
        quoting=csv.QUOTE_MINIMAL if quote else csv.QUOTE_NONE,
        strict=strict,
    ).dialect
