"""JSON lines (JSONL): one object per line."""

from __future__ import annotations

import json
from codecs import BOM_UTF8
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

import orjson
from pydantic import BaseModel

from vidatlas.sources.lines import split_lines
from vidatlas.types import Reason


class JsonRows(BaseModel, frozen=True, extra="forbid"):
    """Read rows that are, or have become, lines of JSON."""

    def split(self, chunks: Iterable[bytes], observe: Callable[[bytes], object]) -> Iterator[bytes | None]:
        """Yield each line of JSON, as ``split_lines`` does."""
        return split_lines(chunks, observe)

    def decode(self, row: bytes, names: tuple[str, ...]) -> dict[str, Any] | Reason:
        """Return the object of a JSON line, or why it is invalid."""
        return parse_line(row)


class JsonLinesSpec(JsonRows, frozen=True, extra="forbid"):
    """Read JSON lines, one object per line; there are no settings."""

    kind: Literal["jsonlines"] = "jsonlines"


def parse_line(line: bytes) -> dict[str, Any] | Reason:
    """Parse one line of JSON; return its object, or why it is invalid."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        if b"NaN" in line or b"Infinity" in line:
            return _without_nan(line)
        # What tools leave between files that they join: zeros of a filled block, a byte-order mark.
        bare = line.strip(b"\0").removeprefix(BOM_UTF8)
        return parse_line(bare) if bare and bare != line else _why_undecodable(line)
    if row is None:  # in the place of a video that is private or gone
        return Reason.EXCLUDED
    return row if isinstance(row, dict) else Reason.NOT_AN_OBJECT


def _without_nan(line: bytes) -> dict[str, Any] | Reason:
    """Parse a line with NaN or Infinity, which Python's json writes, as null, which pandas writes for them."""
    try:
        row = json.loads(line, parse_constant=lambda name: None)
        return parse_line(orjson.dumps(row))
    except (ValueError, TypeError, RecursionError):
        return _why_undecodable(line)


def _why_undecodable(line: bytes) -> Reason:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return Reason.INVALID_UTF8
    return Reason.INVALID_JSON if text.strip() else Reason.BLANK_LINE
