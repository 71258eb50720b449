"""Comparison of two subcategories or categories: sizes, terms, medians, nearest exemplars."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

from vidatlas.app.cards import cards_at, link, worded
from vidatlas.app.library import Library
from vidatlas.errors import UsageError
from vidatlas.pipeline.explore.videos import NEARNESS, Positions

_EXEMPLARS = 6
_TERMS = 12


def sides(library: Library, chosen: tuple[str, str]) -> list[dict[str, Any]]:
    """Return the sides that were chosen, each as ``NUMBER:CATEGORY``, or ``:CATEGORY`` for a whole category.

    Raises:
        UsageError: there is no such subcategory or category.
    """
    terms = [_terms(library, choice) for choice in chosen]
    return [
        _side(library, choice, own, set(other))
        for choice, own, other in zip(chosen, terms, reversed(terms), strict=True)
        if choice
    ]


def _parts(choice: str) -> tuple[str, int | None]:
    number, colon, group = choice.partition(":")
    if not colon or (number and not (number.isdecimal() and len(number) <= 18)):
        raise UsageError(f"{choice[:80]!r} in the address is no subcategory. Choose two from the lists.")
    return group, int(number) if number else None


def _terms(library: Library, choice: str) -> tuple[str, ...]:
    """Return the terms of a subcategory; of a category the first of each of its subcategories, the largest first."""
    if not choice:
        return ()
    group, number = _parts(choice)
    if number is not None and (group, number) in library.subcategories:
        return library.subcategories[group, number].terms[:_TERMS]
    firsts = (sub.terms[0] for sub in library.tree.get(group, []) if sub.terms)
    return tuple(dict.fromkeys(firsts))[:_TERMS]


def _side(library: Library, choice: str, terms: tuple[str, ...], others: set[str]) -> dict[str, Any]:
    """Return what a page shows of a subcategory, or of a whole category."""
    group, number = _parts(choice)
    found = library.atlas.listed(group, number, NEARNESS)
    sub = library.subcategories[found.home] if found.home else None
    return {
        "name": sub.name if sub else found.group,
        "group": found.group,
        "rank": library.ranks.get(found.group, 0),
        "whole": sub is None,
        "size": len(found),
        "share": len(found) / max(1, len(library.search.videos)),
        "terms": [(term, term in others) for term in terms],
        "medians": _medians(library, found.positions),
        "silhouette": sub.silhouette if sub else None,
        "cards": cards_at(library, found.positions[:_EXEMPLARS].tolist()),
        "page": link("/browse/videos", group=found.group, sub=sub.number if sub else None),
    }


def _medians(library: Library, positions: Positions) -> list[tuple[str, str]]:
    """Return the median of each typed column that has an order, in words."""
    found = []
    for name in library.search.videos.ranged:
        values = library.search.videos.numbers(name, positions)
        values = values[~np.isnan(values)]
        if len(values):
            median = float(np.median(values))
            if library.search.kinds.get(name) in ("date", "time"):
                unit = timedelta(days=1) if library.search.kinds[name] == "date" else timedelta(milliseconds=1)
                found.append((name, worded(datetime(1970, 1, 1, tzinfo=UTC) + median * unit)))
            else:
                found.append((name, worded(round(median, 3), name, library.search.kinds.get(name, ""))))
    return found
