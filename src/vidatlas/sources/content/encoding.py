"""Text encodings: detect one by its byte-order mark, and convert text to UTF-8 from its start or any mark."""

from __future__ import annotations

import codecs
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator
from typing import TYPE_CHECKING

from vidatlas.errors import UsageError
from vidatlas.types import Mark

if TYPE_CHECKING:
    from charset_normalizer import CharsetMatch

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
_MOST = 0.9
"""Share of the lines that are not ASCII which must be UTF-8."""
_GUESSED_FROM = 500
_NAMED = 8
_FEWEST_LETTERS = 5
"""Different letters beyond ASCII that tell a script."""
_WESTERN_SIGNS = frozenset("àáâãäåæçèéêëìíîïñòóôõöøùúûüœßªº‘’“”„–—…•€£«»¿¡°©®™·´§\xa0")
_WESTERN = frozenset({"cp1252", "latin_1"})
_WIDER = {
    "shift_jis": "cp932",
    "shift_jis_2004": "cp932",
    "shift_jisx0213": "cp932",
    "euc_jis_2004": "euc_jp",
    "euc_jisx0213": "euc_jp",
    "euc_kr": "cp949",
}
"""The commonest of encodings of one language, which reads what the first lines do not show."""


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
    except (LookupError, UnicodeError, AssertionError) as error:
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


def guess_encoding(content: bytes) -> str:
    """Return the encoding of a text without a byte-order mark, from its first lines that are not ASCII.

    UTF-8 and the scripts that are not Latin are recognized well. In Latin script the encodings differ in few letters:
    there it is the one of Western Europe where no other fits better.

    Raises:
        UsageError: it cannot be decided; the caller adds the file.
    """
    whole = content[: content.rfind(b"\n") + 1] or content
    lines = [line for line in whole.splitlines() if not line.isascii()]
    # A row that is damaged in a text of UTF-8 is a reject, and the others are not of another encoding.
    if sum(_is_utf8(line) for line in lines) >= _MOST * len(lines):
        return "utf-8"
    import charset_normalizer

    found = charset_normalizer.from_bytes(b"\n".join(lines[:_GUESSED_FROM]))
    best = found.best()
    letters = {sign for sign in str(best or "") if not sign.isascii() and sign.isalpha()}
    latin = sum("LATIN" in unicodedata.name(sign, "") for sign in letters) >= len(letters) / 2
    names = list(dict.fromkeys(name for match in found for name in match.could_be_from_charset))
    if best and not latin and len(letters) >= _FEWEST_LETTERS:
        wider = _WIDER.get(best.encoding, best.encoding)
        return wider if wider in names else best.encoding
    western = b"".join(lines).decode("cp1252", "replace").casefold()
    shown = [sign for sign in western if not sign.isascii()]
    fits = len(letters) < _FEWEST_LETTERS or any(best and _is_western(one, best) for one in found)
    if fits and sum(sign in _WESTERN_SIGNS for sign in shown) >= _MOST * len(shown):
        return "cp1252" if re.search(rb"[\x80-\x9f]", content) else "latin-1"
    raise UsageError(
        "which encoding is the text in? It is not UTF-8. "
        + (f"It may be {', '.join(names[:_NAMED])}. " if names else "")
        + f"Say it with --set source.format.kind=csv --set source.format.encoding={names[0] if names else '…'}"
    )


def _is_utf8(line: bytes) -> bool:
    return line.decode("utf-8", "ignore").encode() == line


def _is_western(one: CharsetMatch, best: CharsetMatch) -> bool:
    """Tell whether an encoding reads what that of Western Europe would, and about as well as the best."""
    as_well = one.chaos <= best.chaos + 0.01 and one.coherence >= best.coherence - 0.06
    return as_well and not _WESTERN.isdisjoint(one.could_be_from_charset)


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
