"""How the loss of each network fell while it learned, as a small curve."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
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
