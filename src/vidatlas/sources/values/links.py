"""Links to videos: the address that a recipe makes of a record, and the id in the address of a YouTube video."""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from string import Formatter
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

_FIXED = re.compile(r"https?://[^/?#{}\s@\\]+[/?#]", re.IGNORECASE)
"""How a template starts: nothing of a record may choose the host."""
_YOUTUBE = re.compile(r"(?:[a-z]+\.)?youtube(?:-nocookie)?\.com")
_PATHS = ("shorts", "embed", "live", "v", "e")


def check_template(template: str, names: set[str]) -> None:
    """Refuse a template of links that leads elsewhere, or names a value that records do not have.

    Raises:
        ValueError: it does; the message says what is allowed.
    """
    if not _FIXED.match(template):
        raise ValueError("url must start with http:// or https://, a host and a slash, before the first {name}")
    if re.search(r"[\s\x00-\x1f\x7f\\\"<>]", template):
        raise ValueError("url must not contain blanks, quotes, backslashes or angle brackets")
    try:
        parts = list(Formatter().parse(template))
    except ValueError as error:
        raise ValueError(f"url has a brace that stands alone ({error})") from error
    used = [(name, form, conversion) for _, name, form, conversion in parts if name is not None]
    unknown = [name for name, form, conversion in used if name not in names or form or conversion]
    if unknown or not used:
        allowed = ", ".join(f"{{{name}}}" for name in ("id", *sorted(names - {"id"})))
        raise ValueError(f"url may hold {allowed}" + (f", not {{{unknown[0]}}}" if unknown else ", and needs one"))


@lru_cache(maxsize=8)
def names_in(template: str) -> tuple[str, ...]:
    """Return the names that a template of links holds; asked for every record."""
    return tuple(name for _, name, _, _ in Formatter().parse(template) if name)


def link_of(template: str | None, values: Mapping[str, Any]) -> str:
    """Return the link of a record, its values percent-encoded; "" where there is no template, or a value is missing."""
    if not template:
        return ""
    found = {name: values.get(name) for name in names_in(template)}
    if any(value is None or value == "" for value in found.values()):
        return ""
    return template.format_map({name: quote(str(value), safe="") for name, value in found.items()})


def youtube_id(address: str) -> str | None:
    """Return the id in the address of a YouTube video, whatever its other parameters; None if it is no such address."""
    try:
        parts = urlsplit(address if "//" in address else f"https://{address}")
        host = (parts.hostname or "").removeprefix("www.")
    except ValueError:
        return None
    steps = [step for step in parts.path.split("/") if step]
    if host == "youtu.be":
        return steps[0] if steps else None
    if not _YOUTUBE.fullmatch(host):
        return None
    if len(steps) > 1 and steps[0] in _PATHS:
        return steps[1]
    return next(iter(parse_qs(parts.query).get("v", [])), None)
