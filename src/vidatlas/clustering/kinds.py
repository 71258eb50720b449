"""Kinds of reducers and clusterers that a recipe can name, and clustering by axes."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

import numpy as np
from pydantic import BaseModel, ConfigDict, Field

from vidatlas.types import Floats


class _Kind(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PcaReducer(_Kind):
    """Reduce to principal components, as set in ``reduce.pca``."""

    kind: Literal["pca"] = "pca"
    space: ClassVar[str] = "the principal components, Euclidean"
    """Where clusters lie, as ``metrics.json`` says it."""
    made: ClassVar[str] = "{} principal components"
    """What a report calls so many of its numbers."""


class NoReducer(_Kind):
    """Reduce nothing: cluster the vectors as they are."""

    kind: Literal["none"] = "none"
    space: ClassVar[str] = "the vectors, Euclidean"
    made: ClassVar[str] = "none"


class KMeansClusterer(_Kind):
    """Cluster by k-means, as set in ``reduce.clusters``."""

    kind: Literal["kmeans"] = "kmeans"
    method: ClassVar[str] = "k-means"
    """What a report calls it."""
    has_centres: ClassVar[bool] = True
    """Whether records lie around centroids: distances and silhouettes say nothing where they do not."""


class AxesClusterer(_Kind):
    """Cluster by axes: each dimension is a subcategory, and a record belongs to that of its largest value."""

    kind: Literal["axes"] = "axes"
    method: ClassVar[str] = "one subcategory for each dimension of the vectors"
    has_centres: ClassVar[bool] = False
    top: Annotated[int, Field(ge=1)] = 5
    """Number of classes of a record: its largest dimensions, largest first."""


_FAR = 10
"""Distance of a centroid from zero, in lengths of the longest vector."""


def axes(vectors: Floats) -> Floats:
    """Return centroids on the axes, float32 [dim, dim], for clustering vectors [n, dim].

    With centroids c e_i, c > 0, the squared distance of x is |x|^2 + c^2 - 2 c x_i: the nearest centroid is that of the
    largest x_i. With c far outside, the rows with the largest values are nearest.
    """
    far = _FAR * float(np.linalg.norm(vectors, axis=1).max(initial=0.0)) or 1.0
    return np.eye(vectors.shape[1], dtype=np.float32) * np.float32(far)
