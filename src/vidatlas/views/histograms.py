"""What a linear head told of the records of each group, as small bars side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

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
