"""The bytes of an index are believed only where they are what ``SearchIndex`` writes, to the last one."""

from __future__ import annotations

import struct
from typing import Any

import faiss
import numpy as np
import pytest

from vidatlas.search_index import IndexSpec, SearchIndex, training_rows, unit
from vidatlas.storage.index_bytes import BadIndexError, check_index, merged
from vidatlas.types import Floats

ROWS, DIM = 1_000, 16
SPECS = {
    "flat": IndexSpec(),
    "a byte a dimension": IndexSpec(kind="ivf"),
    "product quantiser": IndexSpec(kind="ivf", codec="pq"),
}


def vectors() -> Floats:
    return unit(np.random.default_rng(0).standard_normal((ROWS, DIM), np.float32))


@pytest.fixture(scope="module", params=SPECS)
def index(request: pytest.FixtureRequest) -> bytes:
    """Return an index of each kind."""
    spec, rows = SPECS[request.param], vectors()
    made = SearchIndex.empty(spec, ROWS, DIM, rows[: training_rows(spec, ROWS)])
    made.index.add(rows)
    return made.to_bytes()


def test_what_is_written_passes(index: bytes) -> None:
    check_index(index, ROWS, DIM)


@pytest.mark.parametrize("rows", [0, ROWS - 1, ROWS + 1])
def test_another_number_of_rows_does_not(index: bytes, rows: int) -> None:
    with pytest.raises(BadIndexError, match="vectors instead of"):
        check_index(index, rows, DIM)


def test_neither_more_nor_less_passes(index: bytes) -> None:
    for end in (0, 3, 4, 20, 60, 200, len(index) // 2, len(index) - 1):
        with pytest.raises(BadIndexError):
            check_index(index[:end], ROWS, DIM)
    with pytest.raises(BadIndexError, match="follows its end"):
        check_index(index + b"x", ROWS, DIM)


def test_every_number_that_sizes_memory_is_checked(index: bytes) -> None:
    """Wherever a number is made huge, it is refused, unless it is one that sizes nothing: a code, a float, a dummy."""
    refused, last = 0, min(len(index) - 8, 900)
    for at in [*range(4, last), *range(max(last, coarse_end(index)), min(len(index) - 8, coarse_end(index) + 300))]:
        huge = index[:at] + struct.pack("<Q", 1 << 40) + index[at + 8 :]
        try:
            check_index(huge, ROWS, DIM)
        except BadIndexError:
            refused += 1
            continue
        # What passes has the sizes that it should: FAISS reads it without taking memory for more.
        assert faiss.deserialize_index(np.frombuffer(huge, np.uint8)).ntotal == ROWS
    assert refused >= 40, "at least five numbers of 8 bytes size memory in every kind of index"


def coarse_end(index: bytes) -> int:
    """Return where the centroids of the cells end; 0 for a flat index, which has none."""
    if index.startswith(b"IxSQ"):
        return 0
    start = 4 + 33 + 16 + 4 + 33 + 8
    return start + 4 * DIM * int(struct.unpack_from("<Q", index, 37)[0])


def test_another_type_with_the_same_bytes_is_refused(index: bytes) -> None:
    with pytest.raises(BadIndexError, match="its type is b'IwFl'"):
        check_index(b"IwFl" + index[4:], ROWS, DIM)


def test_a_map_from_rows_to_cells_is_refused(index: bytes) -> None:
    if not (at := coarse_end(index)):
        return
    with pytest.raises(BadIndexError, match="a map from rows"):
        check_index(index[:at] + b"\1" + index[at + 1 :], ROWS, DIM)


def test_a_row_that_is_not_there_is_refused() -> None:
    rows = vectors()
    made: Any = faiss.index_factory(DIM, "IVF8,SQ8", faiss.METRIC_INNER_PRODUCT)
    made.train(rows)
    made.add_with_ids(rows, np.arange(ROWS) + 1)
    with pytest.raises(BadIndexError, match="a vector that is not there"):
        check_index(faiss.serialize_index(made).tobytes(), ROWS, DIM)


def test_lists_on_disk_are_refused(index: bytes) -> None:
    """FAISS would open and map the file that such an index names."""
    if b"ilar" not in index:
        assert index.startswith(b"IxSQ"), "a flat index has no lists"
        return
    with pytest.raises(BadIndexError, match="b'ilod'"):
        check_index(index.replace(b"ilar", b"ilod", 1), ROWS, DIM)


@pytest.mark.parametrize(
    "kind", ["Flat", "HNSW8", "IVF8,Flat", "PCA8,Flat", "SQ8", "IVF8_HNSW8,SQ8", "IVF8,SQfp16", "IVF8,PQ4x4"]
)
def test_other_kinds_are_refused(kind: str) -> None:
    made: Any = faiss.index_factory(DIM, kind, faiss.METRIC_INNER_PRODUCT)
    made.train(vectors())
    made.add(vectors())
    with pytest.raises(BadIndexError):
        check_index(faiss.serialize_index(made).tobytes(), ROWS, DIM)


def test_cells_that_hold_fewer_rows_than_the_index_says_are_refused() -> None:
    made: Any = faiss.index_factory(DIM, "IVF8,SQ8", faiss.METRIC_INNER_PRODUCT)
    made.train(vectors())
    made.add(vectors()[1:])
    data = faiss.serialize_index(made).tobytes()
    check_index(data, ROWS - 1, DIM)
    with pytest.raises(BadIndexError, match="its cells are damaged"):
        check_index(data[:8] + struct.pack("<q", ROWS) + data[16:], ROWS, DIM)


def test_vectors_of_another_width_are_refused(index: bytes) -> None:
    with pytest.raises(BadIndexError, match="16 dimensions instead of 17"):
        check_index(index, ROWS, DIM + 1)


@pytest.mark.parametrize(
    "pairs", [[(1, 1), (0, 1)], [(0, 1), (0, 1)], [(0, 1), (9, 1)]], ids=["order", "twice", "absent"]
)
def test_cells_stand_once_and_in_order(pairs: list[tuple[int, int]]) -> None:
    """FAISS reads the contents of cells by their number, whatever the order in which the sizes stand."""
    rows = vectors()[:2]
    made: Any = faiss.index_factory(DIM, "IVF8,SQ8", faiss.METRIC_INNER_PRODUCT)
    made.train(vectors())
    made.add(rows)
    data = faiss.serialize_index(made).tobytes()
    at = data.index(b"sprs") + 12
    check_index(data, 2, DIM)
    forged = b"".join(struct.pack("<QQ", *pair) for pair in pairs)
    with pytest.raises(BadIndexError):
        check_index(data[:at] + forged + data[at + len(forged) :], 2, DIM)


def test_a_block_that_ends_too_early_stops_the_merging() -> None:
    rows = vectors()
    made = SearchIndex.empty(IndexSpec(kind="ivf"), ROWS, DIM, rows)
    data, sizes = made.encoded([rows], 0)
    with pytest.raises(BadIndexError, match="a block of its rows ends too early"):
        list(merged(made.to_bytes(), made.width, [(lambda start, end: data[start : min(end, 500)], sizes)]))
