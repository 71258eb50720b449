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
_TYPES = (
    (rb"PK\x03\x04.*xl/", "an Excel workbook", "Save the sheet as CSV (UTF-8)"),
    (rb"PK\x03\x04.*word/", "a Word document", _CONVERT),
    (rb"PK\x03\x04", "a zip archive", _UNPACK),
    (rb"PK\x05\x06", "an empty zip archive", _UNPACK),
    (rb"7z\xbc\xaf\x27\x1c", "a 7z archive", _UNPACK),
    (rb"Rar!\x1a\x07", "a RAR archive", _UNPACK),
    (rb"\x1f\x8b", "gzip data", "Unpack it once more (gunzip)"),
    (rb"\x28\xb5\x2f\xfd", "zstd data", "Unpack it once more (unzstd)"),
    (rb"BZh91AY&SY", "bzip2 data", "Unpack it once more (bunzip2)"),
    (rb"\xfd7zXZ\x00", "xz data", "Unpack it once more (unxz)"),
    (rb"\x04\x22\x4d\x18", "LZ4 data", "Unpack it (unlz4), or compress it with gzip or zstd"),
    (rb"LZIP\x01", "lzip data", "Unpack it (lzip -d), or compress it with gzip or zstd"),
    (rb"\x1f\x9d", "data of the old compress program", "Unpack it (uncompress)"),
    (rb"PAR1", "Parquet data", "Unpack it once"),
    (rb"ARROW1\x00\x00", "Arrow data", "Unpack it once"),
    (rb"FEA1\x00", "a Feather file of version 1", "Write it again with pyarrow.feather, which writes version 2"),
    (rb"SQLite format 3\x00", "an SQLite database", "Write the table as CSV: sqlite3 -header -csv FILE 'select …'"),
    (rb"%PDF-", "a PDF document", _CONVERT),
    (rb"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1", "an old Excel or Word document", "Save the sheet as CSV (UTF-8)"),
    (rb"\x89HDF\r\n\x1a\n", "an HDF5 file", _CONVERT),
    (rb"\x93NUMPY", "a NumPy array", _CONVERT),
    (rb"Obj\x01", "an Avro file", _CONVERT),
    (rb"\x80[\x04\x05]\x95", "a Python pickle, which could run code", "Write its table as Parquet where it was made"),
    (rb"\x89PNG\r\n\x1a\n", "an image (PNG)", _CONVERT),
    (rb"\xff\xd8\xff", "an image (JPEG)", _CONVERT),
    (
        rb"version https://git-lfs\.github\.com/spec/",
        "a Git LFS pointer, which stands for the file",
        "Run: git lfs pull",
    ),
    (rb"(?=.{0,511}\0).{257}ustar", "a tar archive", _UNPACK),
    (rb"(?=.{0,511}\0).{8}DUCK", "a DuckDB database", _CONVERT),
    (
        rb"\s*+(?:<!--(?:(?!-->).)*+-->\s*+)*+<(?i:!doctype\s+html|html|head|body)\b",
        "a web page (HTML)",
        "Download the file again: the server sent a page in place of it",
    ),
    (rb"\s*+<\?(?i:xml)\b", "an XML document", f"{_CONVERT}, or download it again if a server sent an error"),
)
"""How a content starts, what that tells, what to do; text may have "ustar" or "DUCK" there, but no zeros."""
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
    return next(((what, remedy) for start, what, remedy in _TYPES if re.match(start, head, re.DOTALL)), None)


def json_setting(head: bytes) -> str | None:
    """Return what the start of a text read as JSON lines is, if it is a JSON document, and the setting for that."""
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
    """Return the dotted key under which an object holds records; None if it is a record, or nested too deeply."""
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
