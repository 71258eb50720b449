"""Charts of the report: curves of training losses, and histograms of what was told of each group."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MOST_POINTS = 344
"""Of a curve: as many as it is wide."""
_CEILINGS = (1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0)


@dataclass(frozen=True)
class Losses:
    """Hold what a network's loss was at each step, with words on both; a loss that is no number is left out."""

    title: str
    reading: str
    step: str
    losses: tuple[float, ...]
    behind: tuple[float, ...] = ()
    """Of the same targets after the steps that followed each; drawn dashed beside them."""

    @property
    def last(self) -> int:
        """Return the place of the last step, counted from 0."""
        return len(self.losses) - 1

    @property
    def points(self) -> tuple[tuple[int, float], ...]:
        """Return place and loss of the steps that are drawn: the first, the last, and evenly between."""
        return _thinned(self.losses)

    @property
    def points_behind(self) -> tuple[tuple[int, float], ...]:
        """Return the same of ``behind``."""
        return _thinned(self.behind)

    @property
    def ceiling(self) -> float:
        """Return the upper end of the axis: a round number that no loss exceeds."""
        highest = max(loss for _, loss in (*self.points, *self.points_behind))
        if highest <= 0:
            return 1.0
        unit = 10.0 ** math.floor(math.log10(highest))
        return next((unit * factor for factor in _CEILINGS if highest <= unit * factor), 10.0 * unit)


def losses_of(metrics: Mapping[str, Any], pictures: Mapping[str, Any]) -> tuple[Losses, ...]:
    """Return the curves of all networks that an atlas's metrics and its facts of pictures tell of."""
    return tuple(found for found in _all(metrics, pictures) if any(map(math.isfinite, found.losses)))


def _all(metrics: Mapping[str, Any], pictures: Mapping[str, Any]) -> Iterator[Losses]:
    network = metrics.get("network", {})
    yield Losses(
        "Auto-encoder of the vectors",
        "Mean squared error of the vectors that come out of it, at each pass over the sample.",
        "pass",
        _floats(network.get("loss", ())),
    )
    yield from _tuning(network.get("dec", {}))
    yield Losses(
        "Denoising auto-encoder of the images",
        "Mean squared error of the images that come out of it, of a range of 1, at each pass over the sample.",
        "pass",
        _floats(pictures.get("losses", ())),
    )


def _tuning(found: Mapping[str, Any]) -> Iterator[Losses]:
    yield Losses(
        "Deep Embedded Clustering",
        "Divergence of the soft labels from each target when it is set; dashed, from the same target after the steps "
        "that followed. Targets sharpen with the labels, so the curve may rise before it falls.",
        "target",
        _floats(found.get("before", ())),
        _floats(found.get("behind", ())),
    )
    yield Losses(
        "Labels that changed",
        "Percent of the records whose likeliest cluster is another one than at the update before.",
        "update",
        # At the first there is none before it.
        tuple(100 * share for share in _floats(found.get("changed", ()))[1:]),
    )


def _thinned(losses: Sequence[float]) -> tuple[tuple[int, float], ...]:
    last = len(losses) - 1
    steps = range(0, len(losses), max(1, len(losses) // MOST_POINTS))
    chosen = dict.fromkeys((*steps, last) if losses else ())
    return tuple((step, max(losses[step], 0.0)) for step in chosen if math.isfinite(losses[step]))


def _floats(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


MOST_GROUPS = 24
"""Groups that are open to see, those with the most records; the others are folded."""
MOST_BARS = 2_000
"""Of all groups together: about 300 kB of the page."""
_SLOT, _LEFT, _NARROWEST = 12, 20, 320
_SHOWN_LABELS = 3


@dataclass(frozen=True)
class Label:
    """Hold what one label is called, and of how many records it was told.

    Attributes:
        key: the short number that stands under its bars.
        name: the rest of it.
        records: of all groups, those that are not drawn too.
    """

    key: str
    name: str
    records: int


@dataclass(frozen=True)
class Bars:
    """Hold one group's records, and of each label how many it was told of, in the order of the grid's labels."""

    title: str
    records: int
    counts: tuple[int, ...]

    def highest(self, without: int | None) -> int:
        """Return the largest count, at least 1; the label at the place ``without`` left out."""
        return max([1, *(count for _, count in self.drawn(without))])

    def drawn(self, without: int | None) -> tuple[tuple[int, int], ...]:
        """Return place and count of the labels that were told at all; the one at the place ``without`` left out."""
        return tuple((place, count) for place, count in enumerate(self.counts) if count and place != without)

    @property
    def most(self) -> tuple[tuple[int, int], ...]:
        """Return place and count of the few labels that were told most."""
        return tuple(sorted(self.drawn(None), key=lambda bar: (-bar[1], bar[0]))[:_SHOWN_LABELS])


@dataclass(frozen=True)
class Grid:
    """Hold the labels that are told of any drawn group, the one that is told most of all, and each group's bars."""

    labels: tuple[Label, ...]
    dominating: int
    """Place of the label that is told of most records: drawn in one row of bars, left out in the other."""
    groups: tuple[Bars, ...]
    left_out: int = 0
    """Groups that are not drawn, for lack of room."""
    unseen: bool = True
    """Whether the head had seen no record of a group that it told labels of."""

    @property
    def open(self) -> tuple[Bars, ...]:
        """Return the groups to see at once."""
        return self.groups[:MOST_GROUPS]

    @property
    def folded(self) -> tuple[Bars, ...]:
        """Return the groups to see on demand."""
        return self.groups[MOST_GROUPS:]

    @property
    def width(self) -> int:
        """Return the width of one row of bars, in units of about a pixel."""
        return max(_NARROWEST, _LEFT + _SLOT * len(self.labels))

    def left(self, place: int) -> float:
        """Return where the bar of the label at a place begins, or with the number of labels the last one ends."""
        return _LEFT + (self.width - _LEFT) * place / len(self.labels)


def grid_of(told: Iterable[tuple[str, Iterable[str]]], unseen: bool = True) -> Grid | None:
    """Return the grid of pairs of a group and the labels told of one record; None where there is none."""
    records: Counter[str] = Counter()
    counts: dict[str, Counter[str]] = {}
    overall: Counter[str] = Counter()
    for group, names in told:
        records[group] += 1
        inside = counts.setdefault(group, Counter())
        for name in names:
            inside[name] += 1
            overall[name] += 1
    if not overall:
        return None
    ranked = sorted(records, key=lambda group: (-records[group], group))
    groups = _with_room(ranked, counts)
    labels = sorted({name for group in groups for name in counts[group]}, key=_number)
    most = max(labels, key=lambda name: (overall[name], name))
    bars = (Bars(group, records[group], tuple(counts[group][name] for name in labels)) for group in groups)
    keys = _keyed(labels, overall)
    return Grid(keys, labels.index(most), tuple(bars), len(ranked) - len(groups), unseen)


def _with_room(ranked: Sequence[str], counts: dict[str, Counter[str]]) -> Sequence[str]:
    """Return the first groups that are drawn with at most so many bars, each label in two rows; at least one."""
    bars = 0
    for place, group in enumerate(ranked):
        bars += 2 * len(counts[group])
        if bars > MOST_BARS:
            return ranked[: max(1, place)]
    return ranked


def _keyed(labels: Sequence[str], overall: Counter[str]) -> tuple[Label, ...]:
    """Return the labels under the numbers that they begin with; counted from 1 where not each has one of its own."""
    parts = [label.partition(" ") for label in labels]
    if all(first.isdecimal() for first, _, _ in parts) and len({first for first, _, _ in parts}) == len(labels):
        return tuple(Label(first, rest, overall[label]) for label, (first, _, rest) in zip(labels, parts, strict=True))
    return tuple(Label(str(place), label, overall[label]) for place, label in enumerate(labels, 1))


def _number(label: str) -> tuple[int, str]:
    """Sort labels that begin with a number by it, others behind them by name."""
    first = label.partition(" ")[0]
    return (int(first) if first.isdecimal() else 1 << 30, label)
