"""JSON documents, read as JSON lines: an array of records, an object that holds them under a key, or several of these.

Each record becomes one line with the same bytes, so shards, checksums and rejects work as for JSON lines. Only the end
of a record is looked for here: what is wrong within it rejects it alone. A reader can start at any record whose offset
and open brackets are known.
"""

from __future__ import annotations

import codecs
import json
import re
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from typing import Literal, cast

from vidatlas.errors import DamagedError, InputError
from vidatlas.sources.jsonl import JsonRows
from vidatlas.types import Mark

MAX_KEY = 1 << 20
"""Bytes of the name of a key."""
MOST_OPEN = 64
"""Brackets around a record."""
MARK_EVERY = 256 << 10
"""Bytes between two places at which a reader can start."""
_BATCH = 64 << 10
_SPACE = re.compile("[ \t\r\n\ufeff\0]*")
"""White space, and what tools add in front of a document or behind it."""
_TO_BRACKET = re.compile(r'(?:[^"{}\[\]]++|"[^"\\]*+(?:\\.[^"\\]*+)*+")*+([{}\[\]"]?)', re.DOTALL)
"""Up to the next bracket, or the quote of a text that does not end in what was read."""
_WITHIN_TEXT = re.compile(r'[^"\\]*+(?:\\.[^"\\]*+)*+', re.DOTALL)
_SCALAR = re.compile(r'[^\s,:"{}\[\]]*+')
_MOST_KEYS = 20


class JsonSpec(JsonRows, frozen=True, extra="forbid"):
    """Read JSON documents; without ``records``, each object at the top or in an array at the top is a record."""

    kind: Literal["json"] = "json"
    records: str = ""
    """The key that holds the records, such as ``items``; dotted for nested ones (``data.videos``)."""


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
            if on_mark and where is not None and at >= marked:
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
        self._text, self._at = "", 0
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
                "Name the one that holds them with --set source.format.records=…, or, if each line is a record, add "
                "--set source.format=jsonlines"
            )

    def _after(self) -> Iterator[tuple[int, str | None, bytes]]:
        """Go on behind a value within brackets: to the next one, or out."""
        sign, found = self._open[-1]
        after = self._peek()
        if after not in (",", "]" if sign == "[" else "}"):
            raise self._broken(f"a comma or closing bracket expected, {after!r} found")
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
        if not self._open and sign not in '{["':
            raise self._broken("an object or an array expected")
        if sign == "[":
            self._take()
            if len(self._open) >= MOST_OPEN:
                raise self._broken("arrays nested too deeply")
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
        """Yield the line of the value that starts here, in pieces."""
        at, where = self._raw, cast(str | None, "".join(sign for sign, _ in self._open))
        pieces = self._pieces()
        if after_key and sign == "n":
            raw = b"".join(pieces)
            if raw == b"null":  # some writers' empty list
                return
            pieces = iter([raw])
        self._keys = None if sign == "{" else self._keys
        for piece in pieces:
            # A line break becomes a tab, which is as good between values and as invalid within a text.
            yield at, where, piece.replace(b"\n", b"\t")
            where = None
        yield at, None, b"\n"

    def _member(self) -> Iterator[tuple[int, str | None, bytes]]:
        """Enter a member of an object on the path: go on to its value where the key is the path's, else skip it."""
        if self._peek() != '"':
            raise self._broken("a key in quotes expected")
        wanted, name = self._path[self._depth() - 1], bytearray()
        for piece in self._pieces():
            name += piece
            if len(name) > MAX_KEY:
                raise self._broken("a key is too long")
        try:
            key = json.loads(name.decode("utf-8", "replace"), strict=False)
        except json.JSONDecodeError as error:
            raise self._broken(f"the key before: {error.msg}") from error
        if self._peek() != ":":
            raise self._broken("':' expected behind a key")
        self._take()
        if self._keys is not None and len(self._keys) < _MOST_KEYS:
            self._keys[key] = None
        if key == wanted:
            self._open[-1] = ("{", True)
            self._keys = None if self._depth() == len(self._path) else self._keys
            yield from self._value(after_key=True)
        else:
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
            if not self._fill():
                return ""

    def _take(self) -> str:
        """Step over one character, a bracket, comma or colon."""
        self._at += 1
        self._raw += len(self._text[self._at - 1].encode("utf-8", "surrogateescape"))
        return self._text[self._at - 1]

    def _pieces(self) -> Iterator[bytes]:
        """Yield the bytes of the value that starts here in pieces, and step behind it: only its end is looked for."""
        sign, start = self._peek(), self._raw
        if sign in tuple(",]}:"):
            raise self._broken(f"a value expected, {sign!r} found")
        depth, within, ended = 0, sign == '"', not sign
        at = self._at + within
        while not ended:
            if sign in '{["':
                at, depth, within = _walk(self._text, at, depth, within)
                ended = not depth and not within
            else:
                at = _end_of(_SCALAR, self._text, at)
                ended = at < len(self._text)
            raw = self._text[self._at : at].encode("utf-8", "surrogateescape")
            self._raw += len(raw)
            self._at = at
            yield raw
            at = 0
            if not ended and not self._fill():
                raise DamagedError(f"the JSON document is cut off within the value at byte {start:,}")

    def _fill(self) -> bool:
        """Read on; False at the end."""
        chunk = next(self._chunks, None)
        more = self._decoder.decode(chunk or b"", final=chunk is None)
        self._text, self._at = self._text[self._at :] + more, 0
        return bool(more) or chunk is not None

    def _broken(self, what: str) -> DamagedError:
        """Return the error for invalid JSON at this place."""
        return DamagedError(f"invalid JSON at byte {self._raw:,}: {what}")


def _walk(text: str, at: int, depth: int, within: bool) -> tuple[int, int, bool]:
    """Return where the brackets and the text that are open end, or what was read does, and what is open there."""
    if within:
        at = _end_of(_WITHIN_TEXT, text, at)
        if text[at : at + 1] != '"':  # it may end with half of an escape
            return at, depth, True
        at += 1
        if not depth:
            return at, 0, False
    for found in _TO_BRACKET.finditer(text, at):
        depth += (found[1] in ("{", "[")) - (found[1] in ("}", "]"))
        if found[1] == '"' or not depth:
            return found.end(), depth, found[1] == '"'
    return len(text), depth, False


def _end_of(pattern: re.Pattern[str], text: str, at: int) -> int:
    """Return where what a pattern matches ends; it may match nothing."""
    found = pattern.match(text, at)
    return found.end() if found else at
