"""The reducers and clusterers that a recipe may name and that have no settings here."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict


class _Kind(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class PcaReducer(_Kind):
    """Keep principal components; ``reduce.pca`` says how many and how they are found."""

    kind: Literal["pca"] = "pca"


class NoReducer(_Kind):
    """Cluster the vectors as they are."""

    kind: Literal["none"] = "none"


class KMeansClusterer(_Kind):
    """Cluster by k-means; ``reduce.clusters`` says how."""

    kind: Literal["kmeans"] = "kmeans"
