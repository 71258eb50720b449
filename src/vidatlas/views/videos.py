"""Videos of a page: ids, titles, searchable words, links and typed columns of those that a map lists."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

ColumnKind = Literal["number", "duration", "date", "text"]


@dataclass(frozen=True, slots=True)
class Column:
    """Hold one typed column: a value per video, None where it is missing."""

    name: str
    kind: ColumnKind
    """A duration is in seconds, a date in days since 1970."""
    values: tuple[Any, ...]


@dataclass(frozen=True, slots=True)
class Videos:
    """Hold what pages show of single videos, column by column, all of one length or empty."""

    ids: tuple[str, ...] = ()
    titles: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()
    """Texts shown below the titles; empty if the recipe shows no more columns."""
    words: tuple[str, ...] = ()
    """Further words by which a video is found, folded: those of its tags that its title lacks."""
    columns: tuple[Column, ...] = ()
    address: tuple[str, ...] = ()
    """Texts between which the percent-encoded id makes a video's link; empty: ``links`` has them, or there are none."""
    links: tuple[str, ...] = ()
    """Links that hold more than the id; empty where a value is missing."""

    def taken(self, order: Sequence[int]) -> Videos:
        """Return some of the videos, in this order."""
        return _each(self, lambda texts: tuple(texts[at] for at in order) if texts else ())


def merge_videos(pieces: Sequence[Videos], keys: Sequence[NDArray[np.float64]]) -> Videos:
    """Return the videos of all pieces by ascending key; a piece may have more keys than videos."""
    if not pieces:
        return Videos()
    first = pieces[0]
    columns = tuple(
        replace(column, values=tuple(value for piece in pieces for value in piece.columns[at].values))
        for at, column in enumerate(first.columns)
    )
    joined = Videos(
        *(
            tuple(text for piece in pieces for text in getattr(piece, name))
            for name in ("ids", "titles", "notes", "words")
        ),
        columns,
        first.address,
        tuple(link for piece in pieces for link in piece.links),
    )
    every = np.concatenate([own[: len(piece.ids)] for piece, own in zip(pieces, keys, strict=True)])
    return joined.taken(np.argsort(every, kind="stable").tolist())


def _each(videos: Videos, change: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> Videos:
    return Videos(
        *(change(texts) for texts in (videos.ids, videos.titles, videos.notes, videos.words)),
        tuple(replace(column, values=change(column.values)) for column in videos.columns),
        videos.address,
        change(videos.links),
    )
