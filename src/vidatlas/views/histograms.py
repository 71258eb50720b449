"""What a linear head told of the records of each group, as small bars side by side."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

MOST_GROUPS = 24
"""Groups that are drawn, those with the most records."""


@dataclass(frozen=True)
class Bars:
    """Hold one group's records, and of each label how many it was told of, in the order of the grid's labels."""

    title: str
    records: int
    counts: tuple[int, ...]

    def highest(self, without: int | None) -> int:
        """Return the largest count, at least 1; the label at the place ``without`` left out."""
        return max([1, *(count for place, count in enumerate(self.counts) if place != without)])


@dataclass(frozen=True)
class Grid:
    """Hold the labels that are told of any drawn group, the one that is told most of all, and each group's bars."""

    labels: tuple[str, ...]
    dominating: int
    """Place of the label that is told of most records: drawn in one row of bars, left out in the other."""
    groups: tuple[Bars, ...]


def grid_of(told: Iterable[tuple[str, Iterable[str]]]) -> Grid | None:
    """Return the grid of pairs of a group and the labels told of one record; None where there is none."""
    records: Counter[str] = Counter()
    counts: Counter[tuple[str, str]] = Counter()
    overall: Counter[str] = Counter()
    for group, labels in told:
        records[group] += 1
        for label in labels:
            counts[group, label] += 1
            overall[label] += 1
    if not overall:
        return None
    groups = sorted(records, key=lambda group: (-records[group], group))[:MOST_GROUPS]
    labels = sorted({label for group, label in counts if group in groups}, key=_number)
    most = max(labels, key=lambda label: (overall[label], label))
    bars = (Bars(group, records[group], tuple(counts[group, label] for label in labels)) for group in groups)
    return Grid(tuple(labels), labels.index(most), tuple(bars))


def _number(label: str) -> tuple[int, str]:
    """Sort labels that begin with a number by it, others behind them by name."""
    first = label.partition(" ")[0]
    return (int(first) if first.isdecimal() else 1 << 30, label)
