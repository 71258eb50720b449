"""Markup in a text: HTML entities are decoded, HTML tags removed, control characters replaced."""

from __future__ import annotations

import html
import re
from html.entities import html5

MAX_TEXT_CHARS = 2_000
"""Longer texts are truncated on reading; no encoder reads further."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")
_ENTITY = re.compile(r"&(?:#[0-9]{1,7}|#[xX][0-9a-fA-F]{1,6}|[a-zA-Z][a-zA-Z0-9]{1,31});")
"""With its semicolon: "R&B" and "?a=1&copy=2" are text."""
_BREAKS = ("br", "hr", "p", "div", "li", "ul", "ol", "tr", "td", "th", "table", "h1", "h2", "h3", "h4", "h5", "h6")
_INLINE = ("strong", "em", "span", "font", "mark", "small", "sub", "sup", "del", "ins", "wbr", "code", "strike")
"""Formatting alone: a title that quotes ``<img onerror=…>`` is about it."""
_PAIRED = ("a", "b", "i", "u", "s", "q")
"""Letters that also stand in formulas, as in "a<b>c": tags only where the closing tag is there too."""
_TAG = re.compile(rf"</?({'|'.join((*_BREAKS, *_INLINE, *_PAIRED))})(?:\s[^<>]*)?/?>", re.IGNORECASE)


def plain_text(text: str) -> str:
    """Return a text without markup: ``<b>Tom</b> &amp; Jerry`` is "Tom & Jerry"; "I <3 U" and "a < b > c" stay."""
    if "<" in text:
        text = _untagged(text)
    if "&" in text:
        text = _ENTITY.sub(_decoded, text)
    # Control characters become spaces: no reader of the atlas expects one.
    return text if text.isprintable() else _CONTROL.sub(" ", text)


def _decoded(found: re.Match[str]) -> str:
    # html.unescape alone takes "&notes;" for "&not" and "es;".
    entity = found[0]
    return html.unescape(entity) if entity[1] == "#" or entity[1:] in html5 else entity


def _untagged(text: str) -> str:
    if not _TAG.search(text):
        return text
    lower = text.lower()

    def replacement(found: re.Match[str]) -> str:
        name = found[1].lower()
        if name in _PAIRED and f"</{name}>" not in lower:
            return found[0]
        return " " if name in _BREAKS else ""

    return " ".join(_TAG.sub(replacement, text).split())
