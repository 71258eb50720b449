"""Cards: what the app shows of a video, and how numbers, dates and durations are written."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any
from urllib.parse import urlencode, urlsplit

from vidatlas.app.library import Library
from vidatlas.pipeline.explore.search import Hit
from vidatlas.pipeline.explore.suggest import Suggestion
from vidatlas.pipeline.explore.words import words_of
from vidatlas.sources.values.links import link_of

_UNITS = ((1e9, "B"), (1e6, "M"), (1e3, "K"))
_WHOLE = 1e15
"""A float below this that is an integer is shown digit by digit."""


def link(path: str, /, **values: Any) -> str:
    """Return the address of a page of the app; values that are None or empty are left out."""
    given = {name: value for name, value in values.items() if value not in (None, "")}
    return f"{path}?{urlencode(given)}" if given else path


@dataclass(frozen=True)
class Card:
    """Hold what a card shows; every text is untrusted."""

    id: str
    title: str
    url: str
    """Where it is watched, "" if the recipe makes no links."""
    more: str
    """The page of what is like it."""
    image: str
    """Its thumbnail, "" if it has none."""
    group: str
    rank: int
    trail: tuple[tuple[str, str], ...]
    """Category, nodes and subcategory, each with its page."""
    facts: tuple[tuple[str, str], ...]
    """Name and value of what is known of it."""
    similarity: float | None = None
    reasons: tuple[str, ...] = ()

    @property
    def line(self) -> str:
        """Return the facts that say what they are by themselves."""
        known = dict(self.facts)
        return " · ".join(known[name] + unit for name, unit in _SHOWN.items() if name in known)

    @property
    def host(self) -> str:
        """Return the site on which it is watched."""
        return (urlsplit(self.url).hostname or "").removeprefix("www.")


_SHOWN = {"channel": "", "author": "", "views": " views", "published": "", "duration": "", "part": ""}
"""Facts on a card, each with what is written behind its value."""


def cards_at(library: Library, rows: Sequence[int]) -> list[Card]:
    """Return the cards of the videos at positions."""
    return [card_of(library, row, record) for row, record in zip(rows, library.search.records(rows), strict=True)]


def found_cards(library: Library, hits: Sequence[Hit], text: str) -> list[Card]:
    """Return the cards of search results, each with its similarity and the words by which it was found."""
    records = library.search.records([hit.row for hit in hits])
    return [
        card_of(library, hit.row, record, hit.cosine, _found_by(hit, text, record["title"]))
        for hit, record in zip(hits, records, strict=True)
    ]


def _found_by(hit: Hit, text: str, title: str) -> tuple[str, ...]:
    if hit.match == "title":
        return ("exact title",)
    has = set(words_of(title)) if hit.match == "words" else ()
    words = [word for word in words_of(text) if word in has]
    return (f"words: {', '.join(words)}",) if words else ()


def suggested_cards(library: Library, suggestions: Sequence[Suggestion], cosines: bool) -> list[Card]:
    """Return the cards of suggestions, each with its reasons; with its similarity where scores are cosines."""
    records = library.search.records([one.position for one in suggestions])
    return [
        card_of(library, one.position, record, one.score if cosines else None, one.reasons)
        for one, record in zip(suggestions, records, strict=True)
    ]


def card_of(
    library: Library,
    row: int,
    record: Mapping[str, Any],
    similarity: float | None = None,
    reasons: tuple[str, ...] = (),
) -> Card:
    """Return the card of a video from its row."""
    sub = library.subcategories[record["in_group"], record["subcategory"]]
    place = link("/browse/videos", group=sub.group, sub=sub.number)
    within = link("/browse/videos", group=record["group"])
    kinds = library.search.kinds
    facts = [(name, worded(record[name], name, kinds.get(name, ""))) for name in library.search.videos.typed]
    if record["author"] and "channel" not in kinds:
        column = str(library.search.recipe.record.author)
        # An id says nothing to people: it is no fact for a card.
        author = "channel id" if column.lower().endswith("id") else "author"
        facts = [(author, str(record["author"])), *facts]
    if library.search.part_of(record) == "peripheral":
        facts.append(("part", "peripheral"))
    return Card(
        id=record["id"],
        title=record["title"],
        url=link_of(library.search.recipe.record.url, record),
        more=link("/video", id=record["id"]),
        image=f"/image/{row}.jpg" if record["image"] else "",
        group=record["group"],
        rank=library.ranks.get(record["group"], 0),
        trail=((record["group"], within), *library.trail(sub), (sub.name, place)),
        facts=tuple((name, value) for name, value in facts if value),
        similarity=None if similarity is None else min(max(similarity, 0.0), 1.0),
        reasons=reasons,
    )


def worded(value: Any, name: str = "", kind: str = "") -> str:
    """Return a value of a typed column for people to read; "" where it is empty."""
    if value is None or (isinstance(value, float) and not math.isfinite(value)):
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, datetime | date):
        return f"{value.day} {value:%b %Y}"
    if isinstance(value, int | float):
        if kind == "duration" or name == "duration":
            return clock(value)
        return compact(value) if name in ("views", "likes") else _digits(value)
    return str(value)


def _digits(value: float) -> str:
    """Return a number with all its digits, if it is whole: a median of integers is a float."""
    whole = isinstance(value, int) or (value.is_integer() and abs(value) < _WHOLE)
    return f"{int(value):,}" if whole else f"{value:,.10g}"


def compact(value: float) -> str:
    """Return a count in short, such as 57.2M."""
    rounded = float(f"{value:.3g}")
    for unit, letter in _UNITS:
        if rounded >= unit:
            return f"{rounded / unit:,.10g}{letter}"
    return f"{value:,.0f}"


def clock(seconds: float) -> str:
    """Return a duration as 3:39 or 1:02:03."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
