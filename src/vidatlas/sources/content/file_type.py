"""The type of a file that holds no rows: say what it is and what to do, in place of rejecting every line of it."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

import orjson

from vidatlas.errors import InputError
from vidatlas.types import Json

_UNPACK = "Unpack it, and name the files in it"
_CONVERT = "Write its table as CSV, JSON lines or Parquet"
_SIGNATURES = (
    (0, b"PK\x03\x04", "a zip archive", _UNPACK),
    (0, b"PK\x05\x06", "an empty zip archive", _UNPACK),
    (0, b"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (0, b"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (0, b"\x1f\x8b", "gzip data", "Unpack it once more (gunzip)"),
    (0, b"\x28\xb5\x2f\xfd", "zstd data", "Unpack it once more (unzstd)"),
    (0, b"BZh91AY&SY", "bzip2 data", "Unpack it once more (bunzip2)"),
    (0, b"\xfd7zXZ\x00", "xz data", "Unpack it once more (unxz)"),
    (0, b"\x04\x22\x4d\x18", "LZ4 data", "Unpack it (unlz4), or compress it with gzip or zstd"),
    (0, b"LZIP\x01", "lzip data", "Unpack it (lzip -d), or compress it with gzip or zstd"),
    (0, b"\x1f\x9d", "data of the old compress program", "Unpack it (uncompress)"),
    (0, b"PAR1", "Parquet data", "Unpack it once"),
    (0, b"ARROW1\x00\x00", "Arrow data", "Unpack it once"),
    (0, b"FEA1\x00", "a Feather file of version 1", "Write it again with pyarrow.feather, which writes version 2"),
    (0, b"SQLite format 3\x00", "an SQLite database", "Write the table as CSV: sqlite3 -header -csv FILE 'select …'"),
    (0, b"%PDF-", "a PDF document", _CONVERT),
    (0, b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word document", "Save the sheet as CSV (UTF-8)"),
    (0, b"\x89HDF\r\n\x1a\n", "an HDF5 file", _CONVERT),
    (0, b"\x93NUMPY", "a NumPy array", _CONVERT),
    (0, b"Obj\x01", "an Avro file", _CONVERT),
    (0, b"\x80\x04\x95", "a Python pickle, which could run code", "Write its table as Parquet where it was made"),
    (0, b"\x80\x05\x95", "a Python pickle, which could run code", "Write its table as Parquet where it was made"),
    (0, b"\x89PNG\r\n\x1a\n", "an image (PNG)", _CONVERT),
    (0, b"\xff\xd8\xff", "an image (JPEG)", _CONVERT),
    (
        0,
        b"version https://git-lfs.github.com/spec/",
        "a Git LFS pointer, which stands for the file",
        "Run: git lfs pull",
    ),
    (257, b"ustar", "a tar archive", _UNPACK),
    (8, b"DUCK", "a DuckDB database", _CONVERT),
)
"""Where a signature stands, the bytes, what they tell, what to do."""
_OFFICE = (
    (None, b"xl/", "an Excel workbook", "Save the sheet as CSV (UTF-8)"),
    (None, b"word/", "a Word document", _CONVERT),
)
"""Names within a zip archive."""
_PATTERNS = (
    (
        re.compile(rb"\s*+(?:<!--(?:(?!-->).)*+-->\s*+)*+<(?:!doctype\s+html|html|head|body)\b", re.I | re.S),
        "a web page (HTML)",
        "Download the file again: the server sent a page in place of it",
    ),
    (
        re.compile(rb"\s*+<\?xml\b", re.I),
        "an XML document",
        f"{_CONVERT}, or download it again if a server sent an error",
    ),
)
_BLOCK = 512
_MARKUP = 4096
"""Bytes within which a page of markup tells itself apart."""
_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*+"|[{}\[\]]', re.DOTALL)
_OBJECT = re.compile(r"\s*+(?:null\s*+,\s*+)*+\{")
"""An object as the first item of a list that is not null."""
_COMPRESSED = ("gzip", "zstd", "bzip2", "xz")


def refuse(head: bytes, container: str) -> None:
    """Raise InputError where the content of a file is no table of rows; the caller adds the file.

    Args:
        head: its first bytes, unpacked, as UTF-8 where an encoding was detected.
        container: what it was unpacked from.
    """
    found = _file_type(head)
    if found is None:
        return
    what, remedy = found
    within = f" within {container}" if container in _COMPRESSED else ""
    raise InputError(f"this is {what}{within}, not a table of rows. {remedy}.")


def _file_type(head: bytes) -> tuple[str, str] | None:
    """Return what a content is, and what to do with it; None where it may be a table."""
    for at, signature, what, remedy in (*_OFFICE, *_SIGNATURES):
        if at is None:
            found = head.startswith(b"PK\x03\x04") and signature in head
        else:
            # Text may hold the same letters further on, but no zeros.
            found = head[at : at + len(signature)] == signature and (not at or b"\0" in head[:_BLOCK])
        if found:
            return what, remedy
    return next(((what, remedy) for pattern, what, remedy in _PATTERNS if pattern.match(head[:_MARKUP])), None)


def json_setting(head: bytes) -> str | None:
    """Return what the start of a text read as JSON lines is, if it is a JSON document, and the setting that reads it.

    Args:
        head: the first bytes of the text.
    """
    text = head.decode("utf-8", "ignore").lstrip()
    first, _, rest = text.partition("\n")
    following = rest.lstrip().partition("\n")[0]
    row = _parsed(first)
    if isinstance(row, dict) or text[:1] not in ("[", "{"):
        return None
    if _joined(first) and not isinstance(_parsed(following), dict):
        return "these are JSON objects without line breaks between them: add --set source.format=json"
    if isinstance(row, list):
        # One line among others may be an array by mistake; then the others are objects.
        whole = bool(row) and isinstance(row[0], dict) and not isinstance(_parsed(following), dict)
    else:
        whole = _goes_on(text, len(first) + 1 + len(following))
    if not whole:
        return None
    if text[0] == "[":
        return "this is one JSON array, not one object per line: add --set source.format=json"
    under = records_under(head)
    more = f", or, if its records are those under {under}, {records_setting(under)}" if under else ""
    return f"this is one JSON object over several lines, not one per line: add --set source.format=json{more}"


def records_under(head: bytes) -> str | None:
    """Return the dotted key of the first list of objects within the object that a text starts with; None if none."""
    return next((key for key, _ in _lists(head.decode("utf-8", "ignore"))), None)


def records_key(row: Json, names_record: Callable[[Json], bool]) -> str | None:
    """Return the dotted key under which an object holds records; None if it is a record itself, or nested too deeply.

    Args:
        row: the object.
        names_record: tells whether an object looks like a record, by its keys.
    """
    try:
        text = orjson.dumps(row).decode()
    except orjson.JSONEncodeError:  # it reads more levels than it writes
        return None
    firsts = ((key, json.JSONDecoder().raw_decode(text, at)[0]) for key, at in _lists(text))
    return next((key for key, first in firsts if names_record(first)), None)


def _lists(text: str) -> Iterator[tuple[str, int]]:
    """Yield the dotted key of each list of objects within the object that a text starts with, and where its first is.

    Writers leave null where a video is private.
    """
    keys: list[str | None] = []
    last = ""
    for found in _TOKEN.finditer(text):
        sign = found[0]
        if sign == "{":
            keys.append(last)
        elif sign == "[":
            if keys and None not in keys and (first := _OBJECT.match(text, found.end())):
                yield ".".join([*filter(None, keys[1:]), last]), first.end() - 1
            keys.append(None)
        elif sign[0] == '"':
            last = sign[1:-1]
        else:
            keys = keys[:-1]
            if not keys:
                return


def records_setting(key: str) -> str:
    """Return the settings that read the records under a key of a JSON document."""
    return f"--set source.format.kind=json --set source.format.records={key}"


def _parsed(line: str) -> Any:
    try:
        return orjson.loads(line)
    except orjson.JSONDecodeError:
        return None


def _joined(line: str) -> bool:
    """Tell whether a line holds a whole object and the start of another."""
    try:
        _, end = json.JSONDecoder().raw_decode(line)
    except (json.JSONDecodeError, RecursionError):
        return False
    return line[0] == "{" and line[end:].lstrip().startswith("{")


def _goes_on(text: str, least: int) -> bool:
    """Tell whether a text is JSON over more than so many characters; it may be cut off."""
    try:
        _, end = json.JSONDecoder().raw_decode(text)
    except json.JSONDecodeError as error:
        return error.pos > least
    except RecursionError:
        return False
    return end > text.find("\n") >= 0
