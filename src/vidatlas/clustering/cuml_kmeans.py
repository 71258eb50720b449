"""k-means by RAPIDS cuML, on a GPU. Written from its documentation (26.x); not yet run on hardware."""

from __future__ import annotations

from typing import Any

import numpy as np

from vidatlas.types import Floats

_START_STEPS, _STEPS = 20, 50


class CumlKMeans:
    """Start and refine k-means with ``cuml.cluster.KMeans``; starts: Bahmani et al., "Scalable K-Means++" (2012)."""

    @property
    def identity(self) -> dict[str, str]:
        """Return name, version and device of cuML."""
        import cuml

        return {"name": "cuml", "version": str(cuml.__version__), "device": "cuda"}

    def start(self, vectors: Floats, k: int, seed: int) -> Floats:
        """Return centroids float32 [k, dim] after a scalable k-means++ start and at most 20 steps."""
        # cuML's seeds are 32 bits wide.
        return self._fit(vectors, k, init="scalable-k-means++", max_iter=_START_STEPS, random_state=seed % 2**31)

    def refine(self, vectors: Floats, centroids: Floats) -> Floats:
        """Return centroids float32 [k, dim] after at most 50 steps from these."""
        return self._fit(vectors, len(centroids), init=centroids, max_iter=_STEPS, random_state=0)

    def _fit(self, vectors: Floats, k: int, **options: Any) -> Floats:
        from cuml.cluster import KMeans

        model = KMeans(n_clusters=k, n_init=1, tol=1e-4, output_type="numpy", **options).fit(vectors)
        return np.asarray(model.cluster_centers_, np.float32)
