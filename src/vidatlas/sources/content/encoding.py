"""Text encodings: detect one by its byte-order mark, and convert text to UTF-8 from its start or any mark."""

from __future__ import annotations

import codecs
from collections.abc import Callable, Iterable, Iterator

from vidatlas.types import Mark

_MARKS = (
    ("utf-8-sig", codecs.BOM_UTF8),
    ("utf-32-le", codecs.BOM_UTF32_LE),
    ("utf-32-be", codecs.BOM_UTF32_BE),
    ("utf-16-le", codecs.BOM_UTF16_LE),
    ("utf-16-be", codecs.BOM_UTF16_BE),
)
"""Byte-order marks; that of UTF-16 is the start of that of UTF-32, so it comes later."""
BY_ROW = frozenset({"utf-8", "iso8859-1", "cp1252"})
"""Encodings whose rows can be split as they are: every ASCII byte stands for itself, and needs no conversion."""
START = "start"
"""State of a conversion at the start of a file, where its byte-order mark may stand."""
_INVALID = "vidatlas.invalid"


def _replace(error: UnicodeError) -> tuple[str | bytes, int]:
    """Convert what is invalid to a byte that UTF-8 never has: the row that holds it is rejected, and only that one."""
    if isinstance(error, UnicodeDecodeError):
        return "\udcff", error.end
    if isinstance(error, UnicodeEncodeError):
        return b"\xff", error.end
    raise error


codecs.register_error(_INVALID, _replace)


def check_encoding(name: str) -> str:
    """Return the name of a text encoding that Python can decode piece by piece; raise ValueError for others."""
    try:
        "".encode(name)
        found = codecs.lookup(name)
    except (LookupError, UnicodeError) as error:
        raise ValueError(f"Python knows no text encoding {name!r}; try utf-8, cp1252 or utf-16") from error
    if found.incrementaldecoder is None:
        raise ValueError(f"text in the encoding {name!r} cannot be read piece by piece; convert the file to UTF-8")
    return name


def detect_encoding(head: bytes, given: str = "utf-8") -> str:
    """Return the encoding that a text must be converted from; "" if its rows can be split as they are.

    Args:
        head: the first bytes of the text; a byte-order mark there outweighs the recipe, and so do the zeros of ASCII
            in UTF-16.
        given: the encoding that the recipe names.
    """
    for name, mark in _MARKS:
        if head.startswith(mark):
            return name
    if len(head) >= 4:
        zeros = [byte == 0 for byte in head[:4]]
        if zeros == [False, True, False, True]:
            return "utf-16-le"
        if zeros == [True, False, True, False]:
            return "utf-16-be"
    name = codecs.lookup(given).name
    if name in ("utf-16", "utf-32"):
        return f"{name}-le"
    return "" if name in BY_ROW or name == "utf-8-sig" else name


def to_utf8(
    chunks: Iterable[bytes], encoding: str, state: str, on_mark: Callable[[Mark], object] | None = None
) -> Iterator[bytes]:
    """Yield text as UTF-8; what is invalid in its encoding becomes invalid UTF-8.

    Args:
        chunks: the text, split anywhere.
        encoding: what ``detect_encoding`` returned.
        state: START at the start of the text, else the state of the mark at which the chunks start.
        on_mark: called with each place at which a later conversion can start.
    """
    decoder = codecs.getincrementaldecoder("utf-8" if encoding == "utf-8-sig" else encoding)(_INVALID)
    fresh, at, to, first = decoder.getstate(), 0, 0, state == START
    for chunk in chunks:
        if on_mark and at and decoder.getstate() == fresh:
            on_mark(Mark(at, to, ""))
        text = decoder.decode(chunk)
        if first and text:
            text, first = text.removeprefix("\ufeff"), False
        out = text.encode("utf-8", _INVALID)
        at, to = at + len(chunk), to + len(out)
        yield out
    yield decoder.decode(b"", final=True).encode("utf-8", _INVALID)
