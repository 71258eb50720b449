"""Text from data, made safe for a page: no control characters, limited length, escaped."""

from __future__ import annotations

import math
import re
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from jinja2 import Environment

LONGEST_TEXT = 240
UNKNOWN = "\N{EN DASH}"
_NOISE = re.compile(
    r"\x1b\[[0-?]*[ -/]*[@-~]"  # ANSI colours and cursor moves
    r"|[\x00-\x08\x0e-\x1f\x7f-\x84\x86-\x9f\u202a-\u202e\u2066-\u2069\ufeff\ufffe\uffff]"
)
_BREAKS = re.compile("[\x0b-\x0d\x85\u2028\u2029]+")
_MARKS = re.compile(r"[\\`*\[\]<>|~$&]|\b_|_\b")
_SURROGATES = re.compile("[\ud800-\udfff]")


def clean(text: str) -> str:
    """Remove control characters, terminal escapes and direction overrides from a text; keep newlines and tabs."""
    return _SURROGATES.sub("\ufffd", _BREAKS.sub(" ", _NOISE.sub("", text)))


def shown(text: str, longest: int = LONGEST_TEXT) -> str:
    """Return a text for one line of a page: never blank, limited in length."""
    line = " ".join(clean(text).split())
    if len(line) > longest:
        line = line[: longest - 1] + "…"
    return line or "(untitled)"


def fold(text: str) -> str:
    """Return a text as the search of a page compares it: no accents, no capitals; ``fold`` of data.js is the same."""
    parts = unicodedata.normalize("NFKD", text)
    return "".join(sign for sign in parts if not unicodedata.category(sign).startswith("M")).lower()


def as_markdown(text: str) -> str:
    """Return a text as one line of Markdown that shows it literally: no links, images, tags or formulas."""
    line = " ".join(clean(text).split())
    return _MARKS.sub(r"\\\g<0>", line)


def duration(seconds: float) -> str:
    """Return a duration for people: 8 s, 3 min 20 s, 5 h 12 min, 3 d 4 h; a dash where it is not known."""
    if not math.isfinite(seconds):
        return UNKNOWN
    if 0 < seconds < 0.5:
        return "under 1 s"
    whole = round(seconds)
    for size, unit, below, small in ((86_400, "d", 3_600, "h"), (3_600, "h", 60, "min"), (60, "min", 1, "s")):
        if whole >= size:
            rest = whole % size // below
            return f"{whole // size} {unit}" + (f" {rest} {small}" if rest else "")
    return f"{whole} s"


def cleaned(value: object) -> object:
    """Clean a text of a page; leave markup of ours and everything else as it is."""
    return clean(value) if type(value) is str else value


def environment(folder: Path, finalize: Callable[[object], object] = cleaned) -> Environment:
    """Return the templates of a folder: what they print is finalized and escaped, and an unknown name is an error."""
    from jinja2 import Environment, FileSystemLoader, StrictUndefined

    found = Environment(
        loader=FileSystemLoader(folder, encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters.update(shown=shown, count="{:,}".format)
    return found
