"""The two-dimensional map layout: t-SNE of a sample; every other video is placed among its nearest neighbours."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from importlib.util import find_spec
from itertools import count
from typing import Annotated, Any, Literal

import numpy as np
from pydantic import BaseModel, Field

from vidatlas.search_index import Rows, exact_neighbours
from vidatlas.threads import cores, one_thread
from vidatlas.types import Floats

FEWEST = 50
"""Below this number of points t-SNE adds nothing to two principal components."""
_START_SPREAD = 1e-4
"""Standard deviation of the first axis at the start, as Kobak and Berens advise."""
_AT_ONCE = 16_384
"""Most rows per neighbour query: four of FAISS's own blocks, so that a query gives the bytes of any larger one."""
_EXAGGERATED, _ITERATIONS, _TELL_EVERY = 250, 500, 10
"""Iterations of t-SNE with early exaggeration and without, and after how many the listener is told."""
_SHARED = 20_000
"""Fewest points of which t-SNE's threads share the work: with fewer, they wait for each other longer than they compute.
Chosen, not measured."""
_COMPARED_WHOLE = 20_000
"""Largest sample with which a video that is placed is compared as a whole."""
_CELLS, _PROBES = 1_024, 16
"""Cells of a larger sample, and how many of them a video is compared with."""
Map = Callable[[Callable[[Any], Any], list[int]], Iterable[Any]]
"""Map a function over numbers, here or on a cluster."""
Tell = Callable[[int, int], object]
"""Told how many iterations are done, of how many."""


class LayoutSpec(BaseModel, frozen=True, extra="forbid"):
    """Choose the map layout."""

    method: Literal["tsne", "pca"] = "tsne"
    """t-SNE, or the first two principal components (very fast, but without neighbourhoods)."""
    sample: Annotated[int, Field(ge=100, le=1_000_000)] = 100_000
    """Lay out about this many videos by t-SNE; place the others by their nearest among them."""
    perplexity: Annotated[float, Field(gt=1, le=200)] = 30.0
    exaggeration: Annotated[float, Field(ge=1)] = 1.5
    """Final exaggeration: above 1, neighbours attract each other more, and islands lie farther apart."""
    neighbours: Annotated[int, Field(ge=1, le=100)] = 5
    """Place a video outside the sample at the mean of this many neighbours, weighted by inverse squared distance."""
    seed: int = 0


def lay_out(vectors: Floats, spec: LayoutSpec, each: Map = map, tell: Tell = lambda done, of: None) -> Floats:
    """Lay out vectors float32 [n, dim] by t-SNE: positions float32 [n, 2] within [-1, 1], similar ones close together.

    t-SNE (van der Maaten and Hinton, 2008) of the exact nearest neighbours, begun from principal components (Kobak and
    Berens, 2019), by the library ``engine``. The bytes are the same on any number of cores. All are used by the
    neighbours, in tasks of one thread each, and by openTSNE's affinities and attraction, whose sums it makes point by
    point. On one stay the principal components and the distances inside a task: BLAS sums differently on several
    threads (distances in their last bits, and with them the whole layout). The repulsion (FIt-SNE's Fourier
    transforms) has one thread in openTSNE. scikit-learn's runs on one.

    ``each`` maps the search for neighbours over pieces of the vectors; ``tell`` is told how many iterations are done,
    of how many.
    """
    with one_thread():
        start = _principal(vectors)
    alone = spec.method == "pca" or len(vectors) < FEWEST
    return _scaled(start if alone else _tsne(vectors, start, spec, each, tell))


def engine() -> str:
    """Return the library that computes t-SNE here: openTSNE, or scikit-learn where openTSNE has no wheels."""
    return "openTSNE" if find_spec("openTSNE") else "scikit-learn"


def _principal(vectors: Floats) -> Floats:
    """Return the first two principal components float32 [n, 2], signed so that each largest entry is positive."""
    centred = np.asarray(vectors, np.float64) - vectors.mean(axis=0, dtype=np.float64)
    axes = np.linalg.eigh(centred.T @ centred)[1][:, ::-1][:, :2]
    found = centred @ axes
    peaks = found[np.abs(found).argmax(axis=0), np.arange(found.shape[1])]
    found = np.pad(found * np.where(peaks < 0, -1, 1), ((0, 0), (0, 2 - found.shape[1])))
    return np.asarray(found, np.float32)


def _tsne(vectors: Floats, start: Floats, spec: LayoutSpec, each: Map, tell: Tell) -> Floats:
    perplexity = min(spec.perplexity, (len(vectors) - 2) / 3)
    # Equal vectors start at the same point, where no force could part them.
    random = np.random.default_rng(spec.seed)
    begin = start * (_START_SPREAD / (float(start[:, 0].std()) or 1.0)) + random.normal(0, 1e-6, start.shape)
    if engine() == "scikit-learn":
        from sklearn import manifold

        first = begin.astype(np.float32)
        with one_thread():  # it has no final exaggeration
            drawn = manifold.TSNE(perplexity=perplexity, init=first, n_jobs=1, random_state=spec.seed)
            return np.asarray(drawn.fit_transform(vectors), np.float32)
    from openTSNE import TSNE
    from openTSNE.affinity import PerplexityBasedNN
    from openTSNE.nearest_neighbors import PrecomputedNeighbors

    rows, distances = _others(vectors, int(3 * perplexity), each)
    known = PrecomputedNeighbors(rows, distances)
    threads = cores() if len(vectors) >= _SHARED else 1
    counted = count(0, _TELL_EVERY)

    def told(*_: object) -> None:
        tell(next(counted), _EXAGGERATED + _ITERATIONS)

    tsne = TSNE(
        perplexity=perplexity,
        exaggeration=spec.exaggeration,
        early_exaggeration_iter=_EXAGGERATED,
        n_iter=_ITERATIONS,
        callbacks=told,
        callbacks_every_iters=_TELL_EVERY,
        n_jobs=threads,
        random_state=spec.seed,
    )
    told()
    with one_thread():
        affinities = PerplexityBasedNN(knn_index=known, perplexity=perplexity, n_jobs=threads)
        return np.asarray(tsne.fit(affinities=affinities, initialization=begin), np.float32)


def _others(vectors: Floats, k: int, each: Map) -> tuple[Rows, Floats]:
    """Return each row's k nearest other rows and their distances; k + 1 are searched, to drop the row itself."""
    found = list(each(partial(_nearest, vectors, k + 1), list(range(0, len(vectors), _AT_ONCE))))
    rows, distances = (np.concatenate(column) for column in zip(*found, strict=True))
    own = rows == np.arange(len(rows))[:, None]
    own[~own.any(axis=1), -1] = True  # hidden behind more than k equal vectors
    return rows[~own].reshape(len(rows), -1), distances[~own].reshape(len(rows), -1)


def _nearest(vectors: Floats, k: int, first: int) -> tuple[Rows, Floats]:
    return exact_neighbours(vectors[first : first + _AT_ONCE], vectors, k)


def _scaled(found: Floats) -> Floats:
    """Return positions translated and scaled to the square from -1 to 1, with one scale for both axes."""
    low, high = found.min(axis=0), found.max(axis=0)
    reach = float((high - low).max()) / 2
    moved = (found - (low + high) / 2) / (reach or 1.0)
    return np.asarray(np.clip(moved, -1, 1), np.float32)


def cells_of(sample: Floats, seed: int) -> Floats:
    """Return the centroids float32 [cells, dim] by which ``Placing`` searches a large sample; none for a small one."""
    if len(sample) <= _COMPARED_WHOLE:
        return np.empty((0, sample.shape[1]), np.float32)
    import faiss

    found = faiss.Kmeans(sample.shape[1], _CELLS, niter=10, seed=seed)
    found.train(np.ascontiguousarray(sample))
    return np.asarray(found.centroids, np.float32)


class Placing:
    """Places vectors in a t-SNE layout, between their nearest rows of its sample.

    A video is compared with the rows of the sample in the 16 of 1,024 cells that are nearest to it. On 100,000 rows of
    320 dimensions that takes an eleventh of the time of comparing it with all (benchmarks.maps).
    """

    def __init__(self, sample: Floats, positions: Floats, cells: Floats, spec: LayoutSpec) -> None:
        """Remember the sample float32 [n, dim], its positions float32 [n, 2], and its ``cells_of``."""
        import faiss

        self._positions, self._neighbours = positions, min(spec.neighbours, len(sample))
        dim = sample.shape[1]
        self._nearest_cells = faiss.IndexFlatL2(dim)
        self._index: Any = self._nearest_cells
        if len(cells):
            self._nearest_cells.add(np.ascontiguousarray(cells))
            self._index = faiss.IndexIVFFlat(self._nearest_cells, dim, len(cells))
            self._index.is_trained, self._index.nprobe = True, _PROBES
        with one_thread():
            self._index.add(np.ascontiguousarray(sample))

    def of(self, vectors: Floats) -> Floats:
        """Return positions float32 [n, 2] of vectors float32 [n, dim]."""
        found = np.empty((len(vectors), 2), np.float32)
        for at in range(0, len(vectors), _AT_ONCE):
            with one_thread():
                squares, rows = self._index.search(np.ascontiguousarray(vectors[at : at + _AT_ONCE]), self._neighbours)
            weights = 1 / np.maximum(squares.astype(np.float64), 1e-9)
            weights /= weights.sum(axis=1, keepdims=True)
            found[at : at + _AT_ONCE] = np.einsum("nk,nkd->nd", weights, self._positions[rows])
        return found
