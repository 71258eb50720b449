"""JSON documents, read as JSON lines: an array of records, an object that holds them under a key, or several of these.

Each record becomes one line with the same bytes, so shards, checksums and rejects work as for JSON lines. Python's JSON
parser finds where a record ends. A reader can start at any record whose offset and open brackets are known.
"""

from __future__ import annotations

import codecs
import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict

from vidatlas.errors import InputError
from vidatlas.sources.compression import DamagedError
from vidatlas.sources.jsonl import parse_line
from vidatlas.sources.lines import split_lines
from vidatlas.types import Mark, Reason

MAX_VALUE = 64 << 20
"""Characters of one value, a record or what stands beside the records, from which it is passed on unchecked."""
MOST_OPEN = 64
"""Brackets around a record."""
MARK_EVERY = 256 << 10
"""Bytes between two places at which a reader can start."""
_BATCH = 64 << 10
_SPACE = re.compile("[ \t\r\n\ufeff\0]*")
"""White space, and what tools add in front of a document or behind it."""
_SIGN = re.compile(r'["{}\[\]]')
_ENDED = frozenset('{["')
"""Starts of values whose end can be found without reading all of them."""
_WITHIN_TEXT = re.compile(r'[^"\\]*(?:\\.[^"\\]*)*', re.DOTALL)
_NEAR_END = 16
"""Characters before the end of what has been read in which an error means that more must be read: a cut literal."""
_EXPONENT = len("e-5")
_MOST_KEYS = 20
# Control characters in texts and any number are accepted here: orjson decides about them, row by row.
_DECODER = json.JSONDecoder(strict=False, parse_int=float)


class JsonSpec(BaseModel):
    """Read JSON documents; without ``records``, each object at the top or in an array at the top is a record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: Literal["json"] = "json"
    records: str = ""
    """The key that holds the records, such as ``items``; dotted for nested ones (``data.videos``)."""

    def split(self, chunks: Iterable[bytes], observe: Callable[[bytes], object]) -> Iterator[bytes | None]:
        """Yield each record's line; the chunks are those of ``record_lines``."""
        return split_lines(chunks, observe)

    def decode(self, row: bytes, names: tuple[str, ...]) -> dict[str, Any] | Reason:
        """Return the object of a record's line, or why it is invalid."""
        return parse_line(row)


def record_lines(
    chunks: Iterable[bytes], records: str, state: str, on_mark: Callable[[Mark], object] | None = None
) -> Iterator[bytes]:
    """Yield the records of JSON documents as lines.

    What stands in the place of a record and is no object becomes a line of its own, so that it is a reject; so does an
    object that lacks the key of the records.

    Args:
        chunks: the documents as UTF-8, split anywhere.
        records: the dotted key that holds the records.
        state: the brackets that are open where the chunks start; "" at the start of a document.
        on_mark: called now and then with a place at which a later reader can start.

    Raises:
        DamagedError: it is not JSON, or ends too early.
        InputError: there are objects, but no key of that name in any of them.
    """
    document = _Document(chunks, records, state)
    batch, size, to, marked = [], 0, 0, 0
    try:
        for at, where, line in document.records():
            if on_mark and where is not None and not size and at >= marked:
                on_mark(Mark(at, to, where))
                marked = at + MARK_EVERY
            batch.append(line)
            size, to = size + len(line), to + len(line)
            if size >= _BATCH:
                yield b"".join(batch)
                batch, size = [], 0
    except DamagedError:
        yield b"".join(batch)
        raise
    yield b"".join(batch)


class _Document:
    """Walk through JSON documents to their records, holding one value at a time."""

    def __init__(self, chunks: Iterable[bytes], records: str, state: str) -> None:
        self._chunks = iter(chunks)
        self._path = records.split(".") if records else []
        self._decoder = codecs.getincrementaldecoder("utf-8")("surrogateescape")
        self._text, self._at, self._ended = "", 0, False
        self._raw = 0
        """Byte offset of the character at ``_at``."""
        self._open: list[tuple[str, bool]] = [(sign, True) for sign in state]
        """Open brackets, each with whether the key of the path was found in that object."""
        self._keys: dict[str, None] | None = None if state else {}
        """Keys met while no record has been; None once there was one."""

    def records(self) -> Iterator[tuple[int, str | None, bytes]]:
        """Yield byte offset, open brackets and line of each record; no brackets where no reader can start."""
        yield from self._value()
        while self._peek():
            if self._open:
                yield from self._after()
            else:
                yield from self._value()
        if self._open:
            raise DamagedError("the JSON document is cut off")
        if self._keys:
            there = ", ".join(list(self._keys)[:_MOST_KEYS])
            raise InputError(
                f"no records under {'.'.join(self._path)!r}: the document has the keys {there}. "
                "Name the one that holds them with --set source.format.records=…"
            )

    def _after(self) -> Iterator[tuple[int, str | None, bytes]]:
        """Go on behind a value within brackets: to the next one, or out."""
        sign, found = self._open[-1]
        after = self._peek()
        if after not in (",", "]" if sign == "[" else "}"):
            raise self._broken(f"a comma or closing bracket expected, {after!r} found", 0)
        self._take()
        if after == ",":
            yield from self._value() if sign == "[" else self._member()
            return
        self._open.pop()
        if not found:
            said = json.dumps(f"no key {'.'.join(self._path)!r} in this object")
            yield self._raw, None, said.encode() + b"\n"

    def _depth(self) -> int:
        """Return how many keys of the path lead to the current place."""
        return sum(sign == "{" for sign, _ in self._open)

    def _value(self, after_key: bool = False) -> Iterator[tuple[int, str | None, bytes]]:
        """Enter the value on the path that starts here, up to its first comma or closing bracket."""
        sign = self._peek()
        if not sign and not self._open:
            return
        if sign == "[":
            self._take()
            if len(self._open) >= MOST_OPEN:
                raise self._broken("arrays nested too deeply", 0)
            self._open.append(("[", True))
            if self._peek() != "]":
                yield from self._value()
        elif sign == "{" and self._depth() < len(self._path):
            self._take()
            self._open.append(("{", False))
            if self._peek() != "}":
                yield from self._member()
        else:
            yield from self._record(sign, after_key)

    def _record(self, sign: str, after_key: bool) -> Iterator[tuple[int, str | None, bytes]]:
        """Yield the line of the value that starts here; that of one too long comes in pieces."""
        at, where = self._raw, "".join(sign for sign, _ in self._open)
        raw = self._whole()
        if after_key and raw == b"null":  # some writers' empty list
            return
        self._keys = None if sign == "{" else self._keys
        # A line break becomes a tab, which is as good between values and as invalid within a text.
        if raw is not None:
            yield at, where, raw.replace(b"\n", b"\t") + b"\n"
            return
        for piece in self._pieces():
            yield at, None, piece.replace(b"\n", b"\t")
        yield at, None, b"\n"

    def _member(self) -> Iterator[tuple[int, str | None, bytes]]:
        """Enter a member of an object on the path: go on to its value where the key is the path's, else skip it."""
        if self._peek() != '"':
            raise self._broken("a key in quotes expected", 0)
        wanted = self._path[self._depth() - 1]
        name = self._whole()
        if name is None:
            raise self._broken("a key is too long", 0)
        key = json.loads(name.decode("utf-8", "replace"), strict=False)
        if self._peek() != ":":
            raise self._broken("':' expected behind a key", 0)
        self._take()
        if self._keys is not None and len(self._keys) < _MOST_KEYS:
            self._keys[key] = None
        if key == wanted:
            self._open[-1] = ("{", True)
            self._keys = None if self._depth() == len(self._path) else self._keys
            yield from self._value(after_key=True)
        elif self._whole() is None:
            deque(self._pieces(), maxlen=0)

    def _peek(self) -> str:
        """Return the next character that is no white space; "" at the end."""
        while True:
            space = _SPACE.match(self._text, self._at)
            assert space
            self._raw += len(space[0].encode())
            self._at = space.end()
            if self._at < len(self._text):
                return self._text[self._at]
            if not self._fill(1):
                return ""

    def _take(self) -> str:
        """Step over one character, a bracket, comma or colon."""
        self._at += 1
        self._raw += len(self._text[self._at - 1].encode("utf-8", "surrogateescape"))
        return self._text[self._at - 1]

    def _whole(self) -> bytes | None:
        """Return the bytes of the value that starts here, and step behind it; None, and no step, if it is too long."""
        sign = self._peek()
        if sign and sign in ",]}:":
            raise self._broken(f"a value expected, {sign!r} found", 0)
        while (end := self._end()) is None:
            if len(self._text) - self._at > MAX_VALUE:
                if sign not in _ENDED:
                    raise self._broken("a number is too long", 0)
                return None
            self._fill(max(1, len(self._text) - self._at))
        raw = self._text[self._at : end].encode("utf-8", "surrogateescape")
        self._raw += len(raw)
        self._at = end
        return raw

    def _end(self) -> int | None:
        """Return where the value that starts here ends; None if more must be read."""
        try:
            _, end = _DECODER.raw_decode(self._text, self._at)
        except json.JSONDecodeError as error:
            if not self._may_go_on(error):
                raise self._broken(error.msg, error.pos - self._at) from error
            return None
        except RecursionError as error:
            raise self._broken("nested too deeply", 0) from error
        # A number may go on (1 of 1.5, of 1e-5); everything else has an end of its own.
        ended = len(self._text) - end >= _EXPONENT or self._ended or self._text[end - 1] in '"}]'
        return end if ended else None

    def _may_go_on(self, error: json.JSONDecodeError) -> bool:
        """Tell whether an error may only mean that the value has not been read to its end."""
        open_text = error.msg.startswith("Unterminated string")
        cut = open_text or error.pos >= len(self._text) - (0 if self._ended else _NEAR_END)
        if cut and self._ended:
            raise _cut_off(self._raw) from error
        return cut

    def _pieces(self) -> Iterator[bytes]:
        """Yield the bytes of the value that starts here in pieces, and step behind it: only its end is looked for."""
        start, depth, within, ended = self._raw, 0, False, False
        while not ended:
            at = self._at
            while at < len(self._text) and not ended:
                if within:
                    at = _WITHIN_TEXT.match(self._text, at).end()  # type: ignore[union-attr]  # it matches ""
                    if self._text[at : at + 1] != '"':
                        break  # the text goes on, perhaps with an escape that is cut
                    at, within = at + 1, False
                else:
                    found = _SIGN.search(self._text, at)
                    at = found.end() if found else len(self._text)
                    within = bool(found) and self._text[at - 1] == '"'
                    depth += 0 if not found or within else 1 if self._text[at - 1] in "{[" else -1
                ended = not depth and not within
            raw = self._text[self._at : at].encode("utf-8", "surrogateescape")
            self._raw += len(raw)
            self._at = at
            yield raw
            if not ended and not self._fill(1):
                raise _cut_off(start)

    def _fill(self, least: int) -> bool:
        """Read at least so many characters more: a long value is not parsed once per chunk. False at the end."""
        parts, size = [self._text[self._at :]], 0
        while size < least and not self._ended:
            chunk = next(self._chunks, None)
            self._ended = chunk is None
            parts.append(self._decoder.decode(chunk or b"", final=self._ended))
            size += len(parts[-1])
        self._text, self._at = "".join(parts), 0
        return size > 0

    def _broken(self, what: str, ahead: int) -> DamagedError:
        """Return the error for invalid JSON so many characters ahead."""
        before = self._text[self._at : self._at + ahead]
        return DamagedError(
            f"invalid JSON at byte {self._raw + len(before.encode('utf-8', 'surrogateescape')):,}: {what}"
        )


def _cut_off(at: int) -> DamagedError:
    return DamagedError(f"the JSON document is cut off within the value at byte {at:,}")
