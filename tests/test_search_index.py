"""The search index finds what brute force finds, as far as it says, and only what passes a filter."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from threadpoolctl import threadpool_limits

from vidatlas import search_index
from vidatlas.search_index import BruteForce, IndexSpec, K, SearchIndex, recall_at, training_rows, unit, without
from vidatlas.storage import index_bytes
from vidatlas.storage.index_bytes import BadIndexError, Block, merged
from vidatlas.threads import one_thread

IVF = IndexSpec(kind="ivf", recall=0.9)


def vectors(rows: int, dim: int = 32) -> np.ndarray:
    random = np.random.default_rng(1)
    return unit(random.normal(size=(rows, 6)) @ random.normal(size=(6, dim)) + 0.1 * random.normal(size=(rows, dim)))


def built(spec: IndexSpec, rows: np.ndarray) -> SearchIndex:
    """Return the index as FAISS itself makes it."""
    index = SearchIndex.empty(spec, len(rows), rows.shape[1], rows[: training_rows(spec, len(rows))])
    for at in range(0, len(rows), 700):
        index.index.add(rows[at : at + 700])
    return index


def in_blocks(spec: IndexSpec, rows: np.ndarray, size: int) -> bytes:
    """Return the file of an index whose rows were encoded in blocks, two pieces each."""
    index = SearchIndex.empty(spec, len(rows), rows.shape[1], rows[: training_rows(spec, len(rows))])
    blocks: list[Block] = []
    for first in range(0, len(rows), size):
        pieces = np.array_split(rows[first : first + size], 2)
        data, sizes = index.encoded(pieces, first)
        blocks.append((lambda start, end, data=data: data[start:end], sizes))
    return b"".join(merged(index.to_bytes(), index.width, blocks))


PQ = IndexSpec(kind="ivf", codec="pq", recall=0.5)


@pytest.mark.parametrize("spec", [IndexSpec(), IVF, PQ])
@pytest.mark.parametrize("size", [301, 10_000])
def test_an_index_in_blocks_is_the_one_that_faiss_writes(spec: IndexSpec, size: int) -> None:
    rows = vectors(800, 8)
    assert in_blocks(spec, rows, size) == built(spec, rows).to_bytes()


def test_blocks_are_read_a_little_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = vectors(3_000)
    whole = in_blocks(IVF, rows, 700)
    monkeypatch.setattr(index_bytes, "_AHEAD", 64)
    assert in_blocks(IVF, rows, 700) == whole


@pytest.mark.parametrize("threads", [2, 3])
def test_training_on_more_threads_gives_the_bytes_of_one(threads: int) -> None:
    rows = vectors(6_000)
    with one_thread():
        expected = SearchIndex.empty(IVF, len(rows), rows.shape[1], rows).to_bytes()
    with threadpool_limits(threads):
        assert SearchIndex.empty(IVF, len(rows), rows.shape[1], rows).to_bytes() == expected


def test_brute_force_by_blocks_in_order_is_that_of_all() -> None:
    rows = np.repeat(vectors(500), 3, axis=0)  # of equals, the first wins
    own = np.array([3, 700, 1499])
    whole, joined = BruteForce(rows[own], K + 1), BruteForce(rows[own], K + 1)
    for first in range(0, len(rows), 400):
        whole.add(rows[first : first + 400])
        block = BruteForce(rows[own], K + 1, first)
        for at in range(first, min(first + 400, len(rows)), 200):
            block.add(rows[at : at + 200])
        joined.take(block.rows, block.cosines)
    assert (joined.rows == whole.rows).all()
    assert (joined.rows == np.argsort(-(rows[own] @ rows.T), axis=1, kind="stable")[:, : K + 1]).all()


def truth_of(rows: np.ndarray, own: np.ndarray) -> np.ndarray:
    brute = BruteForce(rows[own], K + 1)
    for at in range(0, len(rows), 400):
        brute.add(rows[at : at + 400])
    return without(brute.rows, own)


def test_brute_force_in_blocks_is_brute_force() -> None:
    rows = vectors(1500)
    own = np.array([3, 700, 1499])
    expected = np.argsort(-(rows[own] @ rows.T), axis=1, kind="stable")[:, : K + 1]
    assert (truth_of(rows, own) == without(expected, own)).all()


@pytest.mark.parametrize("spec", [IndexSpec(), IVF, PQ])
def test_recall_is_as_wanted_and_survives_the_disk(spec: IndexSpec, tmp_path: Path) -> None:
    rows, own = vectors(800, 8), np.arange(0, 800, 8)
    index = built(spec, rows)
    recall = index.tune(rows[own], own, truth_of(rows, own), spec.recall)
    assert recall >= spec.recall
    file = tmp_path / "index"
    file.write_bytes(index.to_bytes())
    again = SearchIndex.from_file(file, index.probes, *rows.shape)
    found = without(again.search(rows[own], K + 1)[0], own)
    assert recall_at(found, truth_of(rows, own)) == recall
    with ThreadPoolExecutor(8) as pool:
        several = list(pool.map(lambda row: again.search(rows[row : row + 1], K)[0].tolist(), list(range(100)) * 4))
    assert several == [again.search(rows[row : row + 1], K)[0].tolist() for row in range(100)] * 4


def test_a_query_of_a_large_index_never_searches_all_cells(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where codes or many equal neighbours keep the recall below what is wanted, every cell would be searched."""
    rows, own = vectors(4_000, 8), np.arange(0, 4_000, 80)
    index = built(IVF, rows)
    index.tune(rows[own], own, np.full((len(own), K), len(rows)), 1.0)
    assert index.probes == index.lists
    monkeypatch.setattr(search_index, "_LOOKED_AT", 300)
    assert index.tune(rows[own], own, np.full((len(own), K), len(rows)), 1.0) == 0
    assert index.probes == -(-300 * index.lists // 4_000) < index.lists


@pytest.mark.parametrize("data", [b"", b"IwSq", b"IxFI" + bytes(100)])
def test_a_file_that_is_no_index_is_never_opened(data: bytes, tmp_path: Path) -> None:
    (tmp_path / "index").write_bytes(data)
    with pytest.raises(BadIndexError):
        SearchIndex.from_file(tmp_path / "index", 1, 10, 8)


@pytest.mark.parametrize("spec", [IndexSpec(), IVF])
def test_a_filter_lets_nothing_else_through_and_finds_all_of_few(spec: IndexSpec) -> None:
    rows = vectors(4000)
    among = np.zeros(4000, bool)
    among[[5, 17, 999, 3998]] = True
    found, cosines = built(spec, rows).search(rows[:1], 6, among)
    assert set(found[0].tolist()) == {5, 17, 999, 3998, -1}
    kept = cosines[0][found[0] >= 0]
    assert (np.diff(kept) <= 0).all()


def test_equal_vectors_give_equal_bytes() -> None:
    rows = vectors(3000)
    assert built(IVF, rows).to_bytes() == built(IVF, rows.copy()).to_bytes()


@pytest.mark.parametrize("rows", [1, 2, 5])
def test_an_index_of_few(rows: int) -> None:
    few, own = vectors(rows), np.arange(rows)
    for spec in (IndexSpec(), IVF):
        index = built(spec, few)
        assert index.tune(few, own, truth_of(few, own), 1.0) == 1.0


PEAK = """
import resource, sys
import numpy as np
from vidatlas.search_index import IndexSpec, SearchIndex
from vidatlas.storage import index_bytes
from vidatlas.storage.index_bytes import merged
index_bytes._AHEAD = 10 << 20
rows = np.random.default_rng(0).standard_normal((4_000, 512)).astype(np.float32)
index = SearchIndex.empty(IndexSpec(kind="ivf"), 4_000, 512, rows)
data, sizes = index.encoded([rows], 0)
peak = lambda: resource.getrusage(resource.RUSAGE_SELF).ru_maxrss << 10
size, before = 0, peak()
for piece in merged(index.to_bytes(), index.width, [(lambda start, end: data[start:end], sizes)] * 100):
    size += len(piece)
print(size, peak() - before)
"""


def test_an_index_is_merged_in_bounded_memory() -> None:
    """At 73 million videos the index is tens of gigabytes."""
    done = subprocess.run([sys.executable, "-c", PEAK], check=True, capture_output=True, text=True)
    size, more = map(int, done.stdout.split())
    assert size > 200_000_000
    assert more < 0.3 * size
