"""The search index: exact and approximate nearest neighbours by FAISS (Douze et al., 2024)."""

from __future__ import annotations

import io
import math
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from mmap import ACCESS_READ, mmap
from pathlib import Path
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from vidatlas.storage.index_bytes import check_index
from vidatlas.threads import one_thread
from vidatlas.types import Floats

Rows = NDArray[np.int64]
K = 10
"""Number of neighbours for measuring recall."""
_TRAIN_PER_LIST, _TRAIN_ITERATIONS = 64, 5
"""FAISS's default is 10 iterations. 5 take half the time for at most 0.4 points less recall with the same cells
(benchmarks.cell_training), which the choice of the number of cells makes up for."""
_MOST_LISTS = 16_384
_STEADY = 0.001
_SHARE, _LOOKED_AT = 16, 200_000
"""A query searches at most one in this many cells, or those of about so many rows. With 3 million vectors of many
equal neighbours, recall 0.97 would have taken all cells, and 0.25 s (benchmarks.search --published)."""


FLAT_ROWS = 50_000
"""Most videos for which ``auto`` builds a flat index."""
QUERIES = 200
"""Videos, sampled by seed, whose neighbours are compared with brute force to measure the recall."""


class IndexSpec(BaseModel, frozen=True, extra="forbid"):
    """Describe how the search index is built."""

    kind: Literal["auto", "flat", "ivf", "none"] = "auto"
    """flat compares a query with all videos (float16); ivf with those in the nearest cells; auto: flat if few."""
    codec: Literal["sq8", "pq"] = "sq8"
    """How ivf stores a vector: sq8, a byte per dimension, or pq, a byte per four (smaller and less exact)."""
    recall: Annotated[float, Field(gt=0, le=1)] = 0.97
    """With ivf: search as many cells as this recall@10 needs, measured on ``QUERIES``; of a large index at most a
    sixteenth."""
    seed: int = 0


def exact_neighbours(queries: Floats, vectors: Floats, k: int) -> tuple[Rows, Floats]:
    """Search exactly: return rows int64 [q, k] of the nearest vectors, nearest first, and Euclidean distances."""
    import faiss

    with one_thread():
        squares, rows = faiss.knn(np.ascontiguousarray(queries), np.ascontiguousarray(vectors), min(k, len(vectors)))
    return rows, np.sqrt(np.maximum(squares, 0))


def unit(vectors: NDArray[Any]) -> Floats:
    """Return float32 vectors of unit length, so that inner products are cosines; zero stays zero."""
    found = np.ascontiguousarray(vectors, np.float32)
    lengths = np.linalg.norm(found, axis=1, keepdims=True)
    return np.asarray(found / np.where(lengths > 0, lengths, 1), np.float32)


def is_flat(spec: IndexSpec, rows: int) -> bool:
    """Tell whether an index of this many rows is flat: a query is compared with all of them."""
    return spec.kind == "flat" or (spec.kind == "auto" and rows <= FLAT_ROWS)


def training_rows(spec: IndexSpec, rows: int) -> int:
    """Return how many rows to train the index on; 0 for a flat one."""
    return 0 if is_flat(spec, rows) else min(rows, _TRAIN_PER_LIST * _lists(rows))


def _lists(rows: int) -> int:
    return max(1, min(_MOST_LISTS, rows // 40, round(4 * math.sqrt(rows))))


@dataclass
class SearchIndex:
    """A search index of unit vectors; a position is the number of a row."""

    index: Any
    probes: int = 1
    """Cells that a query searches; unused by a flat index."""

    @classmethod
    def empty(cls, spec: IndexSpec, rows: int, dim: int, training: Floats) -> SearchIndex:
        """Return an empty index for this many unit vectors, trained on float32 [n, dim] unless it is flat."""
        import faiss

        flat = is_flat(spec, rows)
        coarse = f"IVF{_lists(rows)}"
        codec = "SQ8" if spec.codec == "sq8" else f"PQ{_divisor(dim)}x8"
        made: Any = faiss.index_factory(dim, "SQfp16" if flat else f"{coarse},{codec}", faiss.METRIC_INNER_PRODUCT)
        if not flat:
            made.cp.seed = spec.seed
            made.cp.max_points_per_centroid = _TRAIN_PER_LIST
            made.cp.niter = _TRAIN_ITERATIONS
            if spec.codec == "pq":
                made.do_polysemous_training = False  # slow, and useful only for searches that are not made here
            # On all cores: each thread computes its own centroids, and the bytes are those of one thread.
            made.train(training)
        return cls(made)

    @classmethod
    def from_file(cls, path: Path, probes: int, rows: int, dim: int) -> SearchIndex:
        """Return the index of this many rows and dimensions in a file; its cells are read where they lie.

        Raises:
            BadIndexError: it is not an index that this class writes.
        """
        import faiss

        with path.open("rb") as file:
            # Not closed: what is wrong with it may be told by someone who still holds a part.
            check_index(mmap(file.fileno(), 0, access=ACCESS_READ) if path.stat().st_size else b"", rows, dim)
        api: Any = faiss
        index: Any = faiss.read_index(str(path), api.IO_FLAG_MMAP)
        if getattr(index, "nlist", 0):
            # FAISS's threads that read ahead are not safe where several threads search.
            api.downcast_InvertedLists(index.invlists).prefetch_nthread = 0
        return cls(index, probes)

    def to_bytes(self) -> bytes:
        """Return the index, as it is in memory, in FAISS's own format."""
        import faiss

        api: Any = faiss
        out = io.BytesIO()
        api.write_index(self.index, api.PyCallbackIOWriter(out.write))
        return out.getvalue()

    @property
    def lists(self) -> int:
        """Return the number of cells (inverted lists); 0 for a flat index."""
        return int(getattr(self.index, "nlist", 0))

    @property
    def width(self) -> int:
        """Return the bytes of a row's code."""
        return int(self.index.code_size)

    def bytes_for(self, rows: int) -> int:
        """Return the bytes that so many rows take in the file."""
        return rows * (self.width + 8 * bool(self.lists))

    def encoded(self, pieces: Iterable[Floats], first: int) -> tuple[bytes, Rows]:
        """Encode unit vectors [n, dim] of consecutive rows, from ``first`` on; return what ``merged`` reads of them.

        Return also how many rows each cell has.
        """
        found = [self._encode(vectors) for vectors in pieces]
        cells, codes = np.concatenate([cells for cells, _ in found]), np.concatenate([codes for _, codes in found])
        found.clear()
        if not self.lists:
            return codes.tobytes(), np.array([len(codes)])
        order = np.argsort(cells, kind="stable")
        sizes = np.bincount(cells, minlength=self.lists)
        codes, rows = codes[order], (order + first).astype("<i8")
        edges = [0, *np.cumsum(sizes).tolist()]
        return b"".join(part[low:high].data for low, high in pairwise(edges) for part in (codes, rows)), sizes

    def _encode(self, vectors: Floats) -> tuple[Rows, NDArray[np.uint8]]:
        """Return the cells int64 [n], all 0 in a flat index, and the codes uint8 [n, width] of unit vectors."""
        with one_thread():
            found = self.index.sa_encode(vectors)
        # The cell stands before the code, in as few bytes as hold all cells.
        begin = found.shape[1] - self.width
        cells = np.zeros((len(found), 8), np.uint8)
        cells[:, :begin] = found[:, :begin]
        return cells.view("<i8")[:, 0], found[:, begin:]

    def search(self, queries: Floats, k: int, among: NDArray[np.bool_] | None = None) -> tuple[Rows, Floats]:
        """Search by unit vectors [q, dim], among all positions or those of a mask, if one is given.

        Return positions int64 [q, k] of the nearest, -1 if there are no more, and cosines float32 [q, k].
        """
        import faiss

        api: Any = faiss
        options: Any = {}
        if among is not None:
            packed = np.packbits(among, bitorder="little")
            options["sel"] = api.IDSelectorBitmap(packed)
        if self.lists:
            share = 1.0 if among is None else max(float(among.mean()), 1 / self.lists)
            # Fewer candidates per cell: search more cells.
            options["nprobe"] = min(self.lists, math.ceil(self.probes / share))
        kind = api.SearchParametersIVF if self.lists else api.SearchParameters
        cosines, rows = self.index.search(np.ascontiguousarray(queries), k, params=kind(**options))
        return rows, cosines

    def tune(self, queries: Floats, own: Rows, truth: Rows, wanted: float) -> float:
        """Search as many cells of the index as the wanted recall needs, and ``_most`` allows; return that reached.

        Args:
            queries: unit vectors [q, dim] of rows in the index.
            own: their positions [q], which do not count as found.
            truth: positions [q, 10] of their nearest by brute force, -1 if there are fewer.
            wanted: the recall to reach, if possible.
        """
        self.probes, before = 1, 0.0
        while True:
            found = self.search(queries, K + 1)[0]
            recall = recall_at(without(found, own), truth)
            # If twice as many cells change nothing, the codes are too coarse.
            if recall >= wanted or self.probes >= self._most or (0 < recall - before < _STEADY):
                return recall
            before, self.probes = recall, min(2 * self.probes, self._most)

    @property
    def _most(self) -> int:
        """Return the most cells that a query may search."""
        wide = math.ceil(_LOOKED_AT * self.lists / max(1, int(self.index.ntotal)))
        return min(self.lists, max(self.lists // _SHARE, wide))


def _divisor(dim: int) -> int:
    """Return the largest number of equal pieces of at least four dimensions."""
    return max(pieces for pieces in range(1, max(1, dim // 4) + 1) if dim % pieces == 0)


class BruteForce:
    """Search rows exactly, block by block, keeping only the best so far."""

    def __init__(self, queries: Floats, k: int, first: int = 0) -> None:
        """Begin with the row of this number."""
        self._queries, self._k, self._seen = queries, k, first
        self.rows: Rows = np.empty((len(queries), 0), np.int64)
        self.cosines: Floats = np.empty((len(queries), 0), np.float32)

    def add(self, vectors: Floats) -> None:
        """Search the next block of rows."""
        with one_thread():
            cosines = self._queries @ vectors.T
        self.take(np.broadcast_to(np.arange(len(vectors)) + self._seen, cosines.shape), cosines)
        self._seen += len(vectors)

    def take(self, rows: Rows, cosines: Floats) -> None:
        """Take what was found [q, n] among rows behind those searched so far."""
        rows, cosines = np.concatenate([self.rows, rows], 1), np.concatenate([self.cosines, cosines], 1)
        # Stable: the first of equals wins.
        best = np.argsort(-cosines, axis=1, kind="stable")[:, : self._k]
        self.rows, self.cosines = np.take_along_axis(rows, best, 1), np.take_along_axis(cosines, best, 1)


def without(found: Rows, own: Rows) -> Rows:
    """Return search results [q, k] from [q, k + 1], without each query's own position."""
    kept = [[row for row in rows if row != mine][: found.shape[1] - 1] for rows, mine in zip(found, own, strict=True)]
    return np.array(kept, np.int64).reshape(len(found), found.shape[1] - 1)


def recall_at(found: Rows, truth: Rows) -> float:
    """Return the recall: the share of true neighbours that the search found."""
    pairs: Iterable[tuple[set[int], set[int]]] = (
        (set(mine.tolist()) - {-1}, set(theirs.tolist()) - {-1}) for mine, theirs in zip(found, truth, strict=True)
    )
    hits, all_ = 0, 0
    for mine, theirs in pairs:
        hits, all_ = hits + len(mine & theirs), all_ + len(theirs)
    return hits / all_ if all_ else 1.0
