"""k-means by scikit-learn, on one CPU thread: deterministic to the byte."""

from __future__ import annotations

import warnings
from importlib.metadata import version

import numpy as np

from vidatlas.threads import one_thread
from vidatlas.types import Floats

BATCH = 4096
_BATCHES = 100
"""Most mini-batches of a start."""
MOST_SPREAD = 500
"""Up to so many centroids begin spread by k-means++. More are only small clusters that Ward merges, for which
rows drawn by seed do as well, in much less time (benchmarks.reduce)."""
STEPS = 50
"""Most Lloyd steps. At 200,000 x 64, k = 179: 0.6 % more inertia than the best known after 10, 0.4 % after 20, 0.2."""


class SklearnKMeans:
    """Start k-means with scikit-learn's MiniBatchKMeans, refine with KMeans."""

    @property
    def identity(self) -> dict[str, str]:
        """Return name, version and device of scikit-learn."""
        return {"name": "sklearn", "version": version("scikit-learn"), "device": "cpu"}

    def start(self, vectors: Floats, k: int, seed: int) -> Floats:
        """Return centroids float32 [k, dim] after k-means++ (many: drawn rows) and at most 100 mini-batches."""
        from sklearn.cluster import MiniBatchKMeans

        init = "k-means++" if k <= MOST_SPREAD else "random"
        passes = min(_BATCHES, max(1, _BATCHES * BATCH // len(vectors)))
        with one_thread():
            model = MiniBatchKMeans(k, init=init, batch_size=BATCH, n_init=1, max_iter=passes, random_state=seed)
            model.fit(vectors)
        return np.asarray(model.cluster_centers_, np.float32)

    def refine(self, vectors: Floats, centroids: Floats) -> Floats:
        """Return centroids float32 [k, dim] after at most 50 Lloyd iterations; an empty centroid is moved."""
        from sklearn.cluster import KMeans
        from sklearn.exceptions import ConvergenceWarning

        with one_thread(), warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            model = KMeans(len(centroids), init=centroids, n_init=1, max_iter=STEPS).fit(vectors)
        return np.asarray(model.cluster_centers_, np.float32)
