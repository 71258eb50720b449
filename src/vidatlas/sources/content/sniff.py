"""The format of an input file, detected from its first bytes: JSON, or a dialect of CSV with its encoding."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from itertools import islice

from vidatlas.sources.content.encoding import START, detect_encoding, guess_encoding, to_utf8
from vidatlas.sources.content.file_type import json_setting
from vidatlas.sources.csv import NAMELESS, SEP, CsvSpec
from vidatlas.sources.lines import universal_lines
from vidatlas.sources.values.columns import kind_of
from vidatlas.sources.values.roles import is_known, is_title
from vidatlas.types import Json, Reason

_DELIMITERS = (",", "\t", ";", "|", "::")
_ROWS = 200
"""Rows of a table that are compared."""
_TOP = 20
"""Lines at the top of a table that may stand before its header."""
_FITS = 0.9
"""Share of the rows that must have one width."""
NO_DELIMITER = "\x1f"
"""ASCII's unit separator: a delimiter that texts do not hold."""
_LONGEST_TITLE = 300
_FEWEST_TITLES = 5
_MOST = 0.7
"""Share of the titles without a header that must have several words."""
_SENTENCE = 5
"""Words from which a cell is no name of a column, unless other columns say so."""
_TORN = re.compile(r'(?:^|[\t|]|::)"[^"\t|]*"[^"\t|:\r\n]', re.MULTILINE)
"""A cell that begins with a quoted word and goes on: there the quote is a character like any other."""
_ADDRESS = re.compile(r"[a-z]+://", re.IGNORECASE)


def detect_json(head: bytes) -> Json | None:
    """Return the ``source.format`` of a text that is JSON, without the key of its records; None if it is none."""
    text = head.removeprefix(b"\xef\xbb\xbf").lstrip()
    if text[:1] not in (b"{", b"["):
        return None
    # One line alone may be a document too, and be one in the next file.
    document = json_setting(text) or text[:1] == b"[" or b"\n" not in text.strip()
    return {"kind": "json" if document else "jsonlines"}


def detect_csv(content: bytes, given: Json) -> Json | None:
    """Return the ``source.format`` of a text that is a table; None where no delimiter gives rows of one width.

    Args:
        content: the text from its start; it may be cut off.
        given: keys of the format that the user chose.

    Raises:
        UsageError: the encoding cannot be decided.
    """
    text, lines, form = _start(content, given)
    named = SEP.fullmatch(lines[0]) if lines else None
    wanted = [str(given["delimiter"])] if "delimiter" in given else [named[1].decode()] if named else list(_DELIMITERS)
    tried = [_dialect(sign, lines[1:] if named else lines, text, given) for sign in wanted]
    # Then the wider table wins: a comma in each title gives two columns, the tab three.
    fits, width, dialect = max(
        tried, key=lambda found: (found[0] >= _FITS and found[1] > 1, "skip" not in found[2], found[1], found[0])
    )
    if (width < 2 or fits < _FITS) and "kind" not in given:
        return None
    if named and "skip" in dialect and "skip" not in given:
        # The line sep= is one of those to skip, so its delimiter has to be said.
        dialect["skip"] += 1
    elif named and "delimiter" not in given:
        dialect.pop("delimiter", None)
    return {**form, **dialect, **given}


def detect_titles(content: bytes, given: Json) -> Json | None:
    """Return the ``source.format`` of a text with a title per line; None where it probably has none."""
    _, lines, form = _start(content, given)
    texts = [text for line in lines if (text := line.decode("utf-8", "replace").strip())]
    named = bool(texts) and is_title(texts[0])
    titles = texts[1:] if named else texts
    # Markdown and wrapped prose have blank lines and rulers; ids and tags are single words.
    words = sum(len(title.split()) > 1 or not title.isascii() for title in titles)
    gaps = len(lines) - len(texts) > 0.1 * len(lines)
    if len(set(titles)) < 2 or gaps or _are_cells(texts) or max(map(len, titles)) > _LONGEST_TITLE:
        return None
    if not named and (len(titles) < _FEWEST_TITLES or words < _MOST * len(titles)):
        return None
    quoted = [text for text in texts if text.startswith('"')]
    whole = bool(quoted) and all(len(text) > 1 and text.endswith('"') for text in quoted)
    own: Json = {"delimiter": NO_DELIMITER, **({} if whole else {"quote": None})}
    return {**form, **own, **({} if named else {"header": False, "columns": ["title"]}), **given}


def _are_cells(texts: list[str]) -> bool:
    """Tell whether lines are probably rows of a table that cannot be read, by its names or by equally many cells."""
    named = any(sum(map(is_known, texts[0].split(sign))) > 1 for sign in _DELIMITERS)
    widths = [[text.count(sign) + 1 for text in texts] for sign in _DELIMITERS]
    return named or any(_mode(found) > 2 and _share(found) >= _FITS for found in widths)


def _start(content: bytes, given: Json) -> tuple[str, list[bytes], Json]:
    """Return a text, its first lines as UTF-8, and the start of its ``source.format``: the encoding."""
    marked = bool(detect_encoding(content))
    encoding = str(given.get("encoding") or ("utf-8" if marked else guess_encoding(content)))
    name = detect_encoding(content, encoding) or encoding
    text = b"".join(to_utf8([content], name, START)).decode("utf-8", "replace").removeprefix("\ufeff")
    # A character of two bytes must not become one of another meaning: every reader gets UTF-8.
    lines = [line for line, _ in islice(universal_lines([text.encode()]), 4 * _ROWS)]
    return text, lines, {"kind": "csv", **({} if encoding == "utf-8" else {"encoding": encoding})}


def _dialect(delimiter: str, lines: list[bytes], text: str, given: Json) -> tuple[float, int, Json]:
    """Return how well a delimiter fits (the share of rows of one width), the width, and the keys of the dialect."""
    own: Json = {key: given[key] for key in ("quote", "escape", "trim", "strict") if key in given}
    best: Json = {} if delimiter == "," else {"delimiter": delimiter}
    if delimiter == "::" or (delimiter != "," and _TORN.search(text)):
        best["quote"] = None
    best |= own
    variants = [best]
    plain = CsvSpec(**best)
    top = _preamble(plain, lines, _mode(map(len, _rows(plain, lines))))
    if "trim" not in own and _has_blanks(lines[top:], delimiter):
        variants = [{**best, "trim": True}, *variants]
    if "escape" not in own and best.get("quote", '"') and '\\"' in text:
        variants.append({**best, "escape": "\\"})
    read = [(found, _rows(CsvSpec(**found), lines)) for found in variants]
    best, first = max(read, key=lambda found: _share(map(len, found[1])))
    form, width = CsvSpec(**best), _mode(map(len, first))
    filled = _filled(first, width)
    # Some tools write a delimiter behind every row but the header: the empty cells are no columns.
    width = next((len(row) for row in first[:_TOP] if filled <= len(row) < width), width)
    skip = int(given.get("skip", _preamble(form, lines, width)))
    rows = [row if any(row[width:]) else row[:width] for row in _rows(form, lines[skip:])]
    # The names of the columns are as many as the cells of the rows below.
    if not rows or len(rows[0]) != width:
        return 0.0, 0, best
    return _share(map(len, rows)), width, {**best, **({"skip": skip} if skip else {}), **_header(rows, given)}


def _has_blanks(lines: list[bytes], delimiter: str) -> bool:
    """Tell whether there are blanks around the names of the first line."""
    cells = lines[0].decode().strip().split(delimiter) if lines else []
    return len(cells) > 1 and sum(cell != cell.strip() for cell in cells) > len(cells) / 3


def _rows(form: CsvSpec, lines: Iterable[bytes]) -> list[list[str]]:
    """Return the cells of the first rows that can be parsed."""
    found = (form.cells(row) for row in form.split(lines, len) if row is not None)
    return list(islice((cells for cells in found if isinstance(cells, list)), _ROWS))


def _filled(rows: list[list[str]], width: int) -> int:
    """Return how many columns are left of a width without those at the end that are empty in every such row."""
    return max((at + 1 for row in rows if len(row) == width for at, cell in enumerate(row) if cell.strip()), default=0)


def _mode(widths: Iterable[int]) -> int:
    return max(Counter(widths).items(), key=lambda found: (found[1], found[0]), default=(0, 0))[0]


def _share(widths: Iterable[int]) -> float:
    """Return the share of the rows that have the commonest width; the last row may be cut off."""
    found = list(widths)
    whole = found[:-1] if len(found) > 2 else found
    return sum(width == _mode(whole) for width in whole) / len(whole) if whole else 0.0


def _preamble(form: CsvSpec, lines: list[bytes], width: int) -> int:
    """Return how many lines stand before the header: comments, and those with far fewer cells than the rows."""
    tops = [form.cells(line.rstrip(b"\r\n")) for line in lines[:_TOP]]
    for at, cells in enumerate(tops):
        if not isinstance(cells, list):
            return 0
        if not _is_above(cells, tops[at + 1 :], width):
            # In a list of titles, any may have a comma; two columns need a name that is known.
            return at if width > 2 or any(map(is_known, cells)) or lines[0].startswith(b"#") else 0
    return 0


def _is_above(cells: list[str], below: list[list[str] | Reason], width: int) -> bool:
    """Tell whether a line is a comment or a title above the header, given its cells and the lines below it."""
    if cells and cells[0].startswith("#"):
        names = [cells[0].lstrip("#"), *cells[1:]]
        following = next(iter(below), None)
        more = isinstance(following, list) and any(map(is_known, following))
        return more or len(cells) != width or not any(map(is_known, names))
    # A spreadsheet fills up the line of a title with delimiters.
    filled = [cell for cell in cells if cell.strip()]
    narrow = len(cells) < width or len(filled) < 2 < width
    # R writes no name above the names of rows: such a header is narrower too.
    return narrow and not (any(map(is_known, filled)) and (len(filled) > 1 or len(cells) == width))


def _header(rows: list[list[str]], given: Json) -> Json:
    """Return the keys for a table whose first row names no columns; none where it does."""
    first, below = rows[0], rows[1:]
    names = [name for cell in first if (name := cell.strip()) and not NAMELESS.fullmatch(name)]
    # Above a column of numbers stands a name; where there is none, no name is a number or an address.
    counted = [at for at in range(len(first)) if below and all(_is_value(row[at]) for row in below if len(row) > at)]
    short = any(map(is_known, names)) or all(len(name.split()) < _SENTENCE for name in names)
    named = any(not _is_value(first[at]) for at in counted) if counted else short and not any(map(_is_value, names))
    if "header" in given or "columns" in given or (named and names):
        return {}
    return {"header": False, "columns": [f"column_{at}" for at in range(1, len(first) + 1)]}


def _is_value(cell: str) -> bool:
    """Tell whether a cell is a number, a date or an address, and so no name of a column."""
    return kind_of(cell) not in ("text", "") or bool(_ADDRESS.match(cell))
