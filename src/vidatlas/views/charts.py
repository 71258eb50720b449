"""Charts of the report: training losses, and histograms of the labels predicted for each group."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from vidatlas.storage.json_files import Metrics, TuningFacts
from vidatlas.storage.manifest import PictureFacts

MOST_POINTS = 344
"""Most points of a curve: its width in pixels."""
_CEILINGS = (1.0, 1.2, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 10.0)


@dataclass(frozen=True)
class Losses:
    """Chart a network's loss at each step, with captions; a loss that is not finite is skipped."""

    title: str
    reading: str
    step: str
    losses: tuple[float, ...]
    behind: tuple[float, ...] = ()
    """Losses from the same targets after the steps that followed; drawn dashed."""

    @property
    def last(self) -> int:
        """Return the index of the last step, from 0."""
        return len(self.losses) - 1

    @property
    def points(self) -> tuple[tuple[int, float], ...]:
        """Return index and loss of the charted steps: the first, the last, and evenly spaced ones between."""
        return _thinned(self.losses)

    @property
    def points_behind(self) -> tuple[tuple[int, float], ...]:
        """Return the charted points of ``behind``."""
        return _thinned(self.behind)

    @property
    def ceiling(self) -> float:
        """Return the upper end of the chart's axis: a round number that no loss exceeds."""
        highest = max(loss for _, loss in (*self.points, *self.points_behind))
        if highest <= 0:
            return 1.0
        unit = 10.0 ** math.floor(math.log10(highest))
        return next((unit * factor for factor in _CEILINGS if highest <= unit * factor), 10.0 * unit)


def losses_of(metrics: Metrics, pictures: PictureFacts | None) -> tuple[Losses, ...]:
    """Return the loss charts of all networks in an atlas's metrics and image facts."""
    return tuple(found for found in _all(metrics, pictures) if any(map(math.isfinite, found.losses)))


def _all(metrics: Metrics, pictures: PictureFacts | None) -> Iterator[Losses]:
    network = metrics.get("network")
    yield Losses(
        "Auto-encoder of the vectors",
        "Mean squared error of the reconstructed vectors, per epoch.",
        "epoch",
        _floats(network["loss"] if network else ()),
    )
    if network and "dec" in network:
        yield from _tuning(network["dec"])
    yield Losses(
        "Denoising auto-encoder of the images",
        "Mean squared error of the reconstructed images, on a scale from 0 to 1, per epoch.",
        "epoch",
        _floats(pictures.get("losses", ()) if pictures else ()),
    )


def _tuning(found: TuningFacts) -> Iterator[Losses]:
    yield Losses(
        "Deep Embedded Clustering",
        "KL divergence of the soft labels from each target when it is set; dashed, from the same target after the "
        "steps that followed. Targets sharpen with the labels, so the curve may rise before it falls.",
        "target",
        _floats(found["before"]),
        _floats(found["behind"]),
    )
    yield Losses(
        "Labels that changed",
        "Percentage of the records whose most likely cluster changed since the previous update.",
        "update",
        # The first update has no previous one.
        tuple(100 * share for share in _floats(found["changed"])[1:]),
    )


def _thinned(losses: Sequence[float]) -> tuple[tuple[int, float], ...]:
    last = len(losses) - 1
    steps = range(0, len(losses), max(1, len(losses) // MOST_POINTS))
    chosen = dict.fromkeys((*steps, last) if losses else ())
    return tuple((step, max(losses[step], 0.0)) for step in chosen if math.isfinite(losses[step]))


def _floats(values: Sequence[float]) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


MOST_GROUPS = 24
"""Groups shown at once, those with the most records; the others are collapsed."""
MOST_BARS = 2_000
"""Most bars of all groups together: about 300 kB of the page."""
_SLOT, _LEFT, _NARROWEST = 12, 20, 320
_SHOWN_LABELS = 3


@dataclass(frozen=True)
class Label:
    """Hold one label of the charts, and the number of records it was predicted for.

    Attributes:
        key: the short number under its bars.
        name: the rest of the label.
        records: number of records over all groups, including those not charted.
    """

    key: str
    name: str
    records: int


@dataclass(frozen=True)
class Bars:
    """Chart one group: for each label the number of records it was predicted for, in the order of the grid's labels."""

    title: str
    records: int
    counts: tuple[int, ...]

    def highest(self, without: int | None) -> int:
        """Return the largest count, at least 1, without the label at index ``without``."""
        return max([1, *(count for _, count in self.drawn(without))])

    def drawn(self, without: int | None) -> tuple[tuple[int, int], ...]:
        """Return index and count of the labels with predictions, without the one at index ``without``."""
        return tuple((place, count) for place, count in enumerate(self.counts) if count and place != without)

    @property
    def most(self) -> tuple[tuple[int, int], ...]:
        """Return index and count of the few labels predicted most often."""
        return tuple(sorted(self.drawn(None), key=lambda bar: (-bar[1], bar[0]))[:_SHOWN_LABELS])


@dataclass(frozen=True)
class Grid:
    """Hold the charts of all groups: their labels, the label predicted most often, and each group's bars."""

    labels: tuple[Label, ...]
    dominating: int
    """Index of the label predicted most often: shown in one row of bars, omitted in the other."""
    groups: tuple[Bars, ...]
    left_out: int = 0
    """Number of groups not charted, for lack of space."""
    unseen: bool = True
    """Whether groups were held out: the classifier had seen no record of a group it predicted labels for."""

    @property
    def open(self) -> tuple[Bars, ...]:
        """Return the groups whose charts are shown at once."""
        return self.groups[:MOST_GROUPS]

    @property
    def folded(self) -> tuple[Bars, ...]:
        """Return the groups whose charts are collapsed."""
        return self.groups[MOST_GROUPS:]

    @property
    def width(self) -> int:
        """Return the width of one row of bars, in units of about one pixel."""
        return max(_NARROWEST, _LEFT + _SLOT * len(self.labels))

    def left(self, place: int) -> float:
        """Return the left edge of the bar at an index; for the number of labels, the right edge of the last."""
        return _LEFT + (self.width - _LEFT) * place / len(self.labels)


def grid_of(told: Iterable[tuple[str, Iterable[str]]], unseen: bool = True) -> Grid | None:
    """Return the grid of charts from pairs (group, labels predicted for a record); None if there are none."""
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
    """Return the first groups that fit in the most bars, with two rows per label; at least one."""
    bars = 0
    for place, group in enumerate(ranked):
        bars += 2 * len(counts[group])
        if bars > MOST_BARS:
            return ranked[: max(1, place)]
    return ranked


def _keyed(labels: Sequence[str], overall: Counter[str]) -> tuple[Label, ...]:
    """Return labels keyed by the numbers they start with; numbered from 1 if these are missing or not unique."""
    parts = [label.partition(" ") for label in labels]
    if all(first.isdecimal() for first, _, _ in parts) and len({first for first, _, _ in parts}) == len(labels):
        return tuple(Label(first, rest, overall[label]) for label, (first, _, rest) in zip(labels, parts, strict=True))
    return tuple(Label(str(place), label, overall[label]) for place, label in enumerate(labels, 1))


def _number(label: str) -> tuple[int, str]:
    """Sort labels that start with a number by it, then the others by name."""
    first = label.partition(" ")[0]
    return (int(first) if first.isdecimal() else 1 << 30, label)
