"""Figures that say how good an atlas is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field
from threadpoolctl import threadpool_limits

from vidatlas.types import Floats


class QualitySpec(BaseModel):
    """Choose how much data the figures are computed from."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    silhouette_rows: Annotated[int, Field(ge=2)] = 2_000
    """Rows of each group, drawn by seed, on which the silhouette is computed."""


@dataclass(frozen=True, slots=True)
class Silhouette:
    """Hold the mean silhouette of a group's sample and of each cluster in it; None where it is not defined."""

    mean: float | None
    by_cluster: dict[int, float]
    rows: int


def silhouette(vectors: Floats, labels: NDArray[np.int32]) -> Silhouette:
    """Return mean silhouette coefficients, from -1 (in the wrong cluster) to 1 (far from every other).

    Rousseeuw, "Silhouettes: a graphical aid to the interpretation and validation of cluster analysis" (1987).
    Needs two clusters, and more rows than clusters; otherwise the values are None and absent.
    """
    from sklearn.metrics import silhouette_samples

    present = np.unique(labels)
    if not 2 <= len(present) < len(labels):
        return Silhouette(None, {}, len(labels))
    with threadpool_limits(limits=1):
        values = silhouette_samples(vectors, labels)
    by_cluster = {int(label): float(values[labels == label].mean()) for label in present}
    return Silhouette(float(values.mean()), by_cluster, len(labels))
