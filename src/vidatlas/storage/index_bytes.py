"""The bytes of a FAISS index: validated before FAISS reads them, whose reader is native code and trusts its input.

Only what ``SearchIndex`` writes is accepted: flat in float16, or IVF with codes of one byte per dimension or of a
product quantiser, with its inverted lists in memory. Lists on disk are refused (FAISS would open a path that the file
names), and so is any size that the bytes do not match. The layouts are those of FAISS's ``index_write.cpp``.

They are also merged from blocks of rows, so that no process holds an index.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator, Sequence
from mmap import mmap
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BYTE, _HALF = 0, 4
"""FAISS's constants for scalar quantisers of one and of two bytes (``QT_8bit``, ``QT_fp16``)."""


_AHEAD = 512 << 20
"""Bytes that are read ahead of all blocks together while they are merged."""
Block = tuple[Callable[[int, int], bytes], NDArray[np.int64]]
"""A function that returns the bytes of a block from an offset up to another, and how many rows each cell has in it."""


class BadIndexError(ValueError):
    """Say why bytes are not a valid search index."""


class _Bytes:
    """Read numbers from an index one after the other."""

    def __init__(self, data: bytes | mmap) -> None:
        self._data, self.at = data, 0

    def take(self, form: str) -> tuple[Any, ...]:
        """Read numbers from the bytes, in a format of the ``struct`` module."""
        try:
            found = struct.unpack_from("<" + form, self._data, self.at)
        except struct.error as error:
            raise BadIndexError("it ends too early") from error
        self.at += struct.calcsize("<" + form)
        return found

    def sizes(self, count: int) -> np.ndarray[Any, np.dtype[np.uint64]]:
        """Read ``count`` unsigned 64-bit integers."""
        self.skip(8 * count)
        return np.frombuffer(self._data, "<u8", count, self.at - 8 * count)

    def vector(self, item: int, expected: int) -> None:
        """Skip an array of ``expected`` items; FAISS writes its length first."""
        (count,) = self.take("Q")
        _require(count == expected, f"an array holds {count:,} numbers instead of {expected:,}")
        self.skip(item * expected)

    def skip(self, count: int) -> None:
        """Skip bytes, which must be present."""
        _require(self.at + count <= len(self._data), "it ends too early")
        self.at += count

    def end(self) -> None:
        """Require that no bytes are left."""
        _require(self.at == len(self._data), "something follows its end")


def check_index(data: bytes | mmap, rows: int, dim: int) -> None:
    """Check the bytes, in FAISS's own format, of an index of unit vectors [rows, dim] according to the atlas.

    Raises:
        BadIndexError: it is not an index that ``SearchIndex`` writes.
    """
    found = _Bytes(data)
    (kind,) = found.take("4s")
    _require(kind in (b"IxSQ", b"IwSq", b"IwPQ"), f"its type is {kind!r}")
    width, total = _header(found)
    _require(width == dim, f"its vectors have {width:,} dimensions instead of {dim:,}")
    _require(total == rows, f"it holds {total:,} vectors instead of {rows:,}")
    if kind == b"IxSQ":
        found.vector(1, total * _scalar_quantiser(found, dim, _HALF))
    else:
        lists = _coarse(found, dim)
        _cells(found, lists, total, _scalar_codes(found, dim) if kind == b"IwSq" else _product_codes(found, dim))
    found.end()


def _require(is_so: bool, otherwise: str) -> None:
    if not is_so:
        raise BadIndexError(otherwise)


def _header(found: _Bytes) -> tuple[int, int]:
    """Return the number of dimensions and of vectors of an index whose metric is the inner product."""
    dim, total, _, _, is_trained, metric = found.take("iqqq?i")
    _require(dim > 0 and total >= 0 and is_trained and metric == 0, "its header is damaged")
    return dim, total


def _scalar_quantiser(found: _Bytes, dim: int, expected: int) -> int:
    """Return the bytes per vector."""
    kind, _, _, width, code = found.take("iifQQ")
    size = dim * (2 if expected == _HALF else 1)
    _require((kind, width, code) == (expected, dim, size), "its quantiser is damaged")
    found.vector(4, 0 if expected == _HALF else 2 * dim)
    return size


def _coarse(found: _Bytes, dim: int) -> int:
    """Skip the coarse quantiser (the cells' centroids); return the number of cells."""
    lists, _ = found.take("QQ")
    (kind,) = found.take("4s")
    _require(kind == b"IxFI", f"its cells are found by {kind!r}")
    _require(_header(found) == (dim, lists), "its cells are damaged")
    found.vector(4, dim * lists)
    (direct,) = found.take("b")
    _require(direct == 0, "it has a map from rows to cells")
    found.vector(8, 0)
    return int(lists)


def _scalar_codes(found: _Bytes, dim: int) -> int:
    size = _scalar_quantiser(found, dim, _BYTE)
    code, _ = found.take("Q?")
    _require(code == size, "its codes are damaged")
    return size


def _product_codes(found: _Bytes, dim: int) -> int:
    _, code, width, pieces, bits = found.take("?QQQQ")
    _require(bits == 8 and width == dim and 0 < pieces == code and dim % pieces == 0, "its quantiser is damaged")
    found.vector(4, dim << bits)
    return int(code)


def _cells(found: _Bytes, lists: int, total: int, code: int) -> None:
    """Skip the codes and row numbers of all cells."""
    (kind,) = found.take("4s")
    _require(kind == b"ilar", f"its cells are of type {kind!r}")
    _require(found.take("QQ") == (lists, code), "its cells are damaged")
    (form, count) = found.take("4sQ")
    if form == b"full":
        _require(count == lists, "its cells are damaged")
        sizes = found.sizes(lists)
    else:
        _require(form == b"sprs" and count % 2 == 0 and count <= 2 * lists, "its cells are damaged")
        pairs = found.sizes(count).reshape(-1, 2)
        # In the order in which FAISS reads their contents, each once.
        _require(
            bool((pairs[:, 0] < lists).all() and (np.diff(pairs[:, 0].astype(np.int64)) > 0).all()),
            "its cells are damaged",
        )
        sizes = pairs[:, 1]
    _require(all(size <= total for size in sizes.tolist()) and sum(sizes.tolist()) == total, "its cells are damaged")
    for size in sizes.tolist():
        found.skip(size * code)
        rows = found.sizes(size)
        _require(bool((rows < total).all()), "a cell names a vector that is not there")


def merged(trained: bytes, code: int, blocks: Sequence[Block]) -> Iterator[bytes | memoryview]:
    """Yield the bytes of an index, piece by piece: as FAISS would write it if the rows were added in their order.

    Args:
        trained: the index without rows, as FAISS writes it.
        code: bytes of a row's code.
        blocks: what ``SearchIndex.encoded`` returned of consecutive rows: cell by cell the codes and, unless the index
            is flat, the rows' numbers. Each is read once, from its start to its end.

    Raises:
        BadIndexError: a block ends too early.
    """
    sizes = np.stack([sizes for _, sizes in blocks], axis=1)
    cells, flat = sizes.sum(axis=1), trained.startswith(b"IxSQ")
    rows = int(cells.sum())
    # What has no rows ends with the length of an empty array; that of cells with a form before.
    yield trained[:8] + struct.pack("<q", rows) + trained[16 : -8 if flat else -12]
    yield struct.pack("<Q", rows * code) if flat else struct.pack("<4sQ", b"full", len(cells))
    if not flat:
        yield cells.astype("<u8").tobytes()
    readers = [_Ahead(read, _AHEAD // len(blocks)) for read, _ in blocks]
    for counts in sizes:
        numbers = []
        for at in np.flatnonzero(counts).tolist():
            end = int(counts[at]) * code
            piece = readers[at].take(end if flat else end + 8 * int(counts[at]))
            yield piece[:end]
            numbers.append(piece[end:])
        yield b"".join(numbers)


class _Ahead:
    """Read a block from its start to its end, some bytes ahead."""

    def __init__(self, read: Callable[[int, int], bytes], ahead: int) -> None:
        self._read, self._ahead = read, ahead
        self._data, self._at, self._end = memoryview(b""), 0, 0

    def take(self, count: int) -> memoryview:
        """Return the next bytes."""
        if self._at + count > len(self._data):
            rest = self._data[self._at :]
            more = self._read(self._end, self._end + max(count - len(rest), self._ahead))
            self._data, self._at, self._end = memoryview(bytes(rest) + more), 0, self._end + len(more)
            _require(count <= len(self._data), "a block of its rows ends too early")
        self._at += count
        return self._data[self._at - count : self._at]
