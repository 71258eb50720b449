"""Scan an input file once from start to end: its content, its hash, and seek points for later readers."""

from __future__ import annotations

import hashlib
import io
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager
from typing import IO, TYPE_CHECKING

import pyarrow as pa

from vidatlas.errors import InputError, UsageError
from vidatlas.sources.compression import CHUNK, DamagedError, decompress, detect
from vidatlas.sources.gzip import WINDOW, parse_index
from vidatlas.types import SeekPoint

if TYPE_CHECKING:
    import rapidgzip


_THREADS = 2
"""Decompression threads of a scan: parsing is the bottleneck, so more would only wait."""


_ZEROS = 5
"""Zeros at the end of a gzip file that may be padding: rapidgzip refuses more than four behind the last member."""


class _Hashing(io.RawIOBase):
    """Pass reads through to a file and hash every byte once, in order, although readers jump ahead and back."""

    def __init__(self, file: IO[bytes]) -> None:
        self.end: int | None = None
        """Where the file seems to end, for readers that refuse the zeros behind."""
        self._file = file
        self._sha256 = hashlib.sha256()
        self._hashed = 0
        self._ahead: dict[int, bytes] = {}

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        if whence == io.SEEK_END and self.end is not None:
            return self._file.seek(self.end + offset)
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        return self._file.tell()

    def read(self, size: int = -1) -> bytes:
        at = self._file.tell()
        if self.end is not None:
            left = max(0, self.end - at)
            size = left if size < 0 else min(size, left)
        data = self._file.read(size)
        self._take(at, data)
        return data

    def _take(self, at: int, data: bytes) -> None:
        if at > self._hashed:
            if len(data) > len(self._ahead.get(at, b"")):
                self._ahead[at] = data
            return
        self._advance(at, data)
        while ready := [start for start in self._ahead if start <= self._hashed]:
            for start in ready:
                self._advance(start, self._ahead.pop(start))

    def _advance(self, at: int, data: bytes) -> None:
        new = data[self._hashed - at :]
        self._sha256.update(new)
        self._hashed += len(new)

    def find_end(self) -> None:
        """Hide the zeros behind the last gzip member, with which some tools fill up a block."""
        size = self._file.seek(0, io.SEEK_END)
        self._file.seek(max(0, size - _ZEROS))
        if self._file.read() == bytes(_ZEROS):
            self.end = _end_of(decompress(self._file, "gzip"))
        self._file.seek(0)

    def finish(self) -> tuple[int, str]:
        """Hash the bytes not read yet; return the file's size and SHA-256."""
        self._ahead.clear()
        self._file.seek(self._hashed)
        while data := self._file.read(CHUNK):
            self._advance(self._hashed, data)
        return self._hashed, self._sha256.hexdigest()


def _end_of(members: Generator[bytes, None, int]) -> int:
    """Return where compressed data ends, having read it all."""
    while True:
        try:
            next(members)
        except StopIteration as stop:
            return int(stop.value)


class Scan:
    """Scan an input file: stream its uncompressed bytes, then provide its size, hash and seek points.

    Attributes:
        compression: what ``detect`` returned.
        bytes: size of the file (set by ``finish``).
        sha256: hash of the file (set by ``finish`` unless the scan stopped early).
        points: seek points in ascending order (set by ``finish``).
    """

    def __init__(self, file: IO[bytes], vector: str | None = None) -> None:
        """Scan a file; of a Parquet file, keep the column of vectors named."""
        self._raw, self._file, self._vector = file, _Hashing(file), vector
        self.compression = detect(file)
        self.bytes = 0
        self.sha256: str | None = None
        self.points: list[SeekPoint] = []

    def tell(self) -> int:
        """Return about how many compressed bytes have been scanned."""
        return self._file.tell()

    def chunks(self) -> Generator[bytes]:
        """Yield the uncompressed bytes; a scan to the end verifies the whole file, a shorter one verifies nothing.

        Raises:
            DamagedError: as ``decompress``.
        """
        if self.compression == "gzip":
            yield from self._gzip()
        elif self.compression in ("parquet", "arrow"):
            # Read out of order, and in parts again: hashing while reading would buffer it.
            yield from decompress(self._raw, self.compression, None, self._remember, self._vector)
        else:
            yield from decompress(self._file, self.compression, None, self._remember)  # type: ignore[arg-type]

    def _remember(self, compressed: int, uncompressed: int) -> None:
        self.points.append(SeekPoint(compressed, uncompressed))

    def _gzip(self) -> Generator[bytes]:
        import rapidgzip

        self._file.find_end()
        try:
            with rapidgzip.open(self._file, parallelization=_THREADS) as reader:
                try:
                    yield from iter(lambda: reader.read(CHUNK), b"")
                except GeneratorExit:
                    self.points = _points_so_far(reader)
                    raise
                self.points = _all_points(reader)
        except (ValueError, RuntimeError) as error:
            raise DamagedError(_wording(error)) from error
        # rapidgzip checks every CRC but accepts a truncated file as complete; zlib does not.
        tail = self.points[-1] if self.points else None
        for _ in decompress(self._file, "gzip", tail):  # type: ignore[arg-type]
            pass

    def finish(self, whole: bool) -> None:
        """Finish the scan: set the size and, after reading to the end, the hash; call it after the last chunk."""
        if whole:
            self.bytes, self.sha256 = self._file.finish()
        else:
            self.bytes = self._raw.seek(0, io.SEEK_END)


@contextmanager
def errors_of(url: str, where: Callable[[], str] = str) -> Iterator[None]:
    """Name the input file in what is said of one that cannot be read; ``where`` says how far it was.

    Raises:
        InputError: it is absent, a folder, damaged or no table of rows.
        UsageError: as raised within.
    """
    try:
        yield
    except FileNotFoundError as error:
        raise InputError(f"no such file: {url}. Check the path; quote patterns such as 'data/*.jsonl.gz'.") from error
    except IsADirectoryError as error:
        raise InputError(f"{url} is a folder. Name the files in it, for example '{url}/*.jsonl.gz'.") from error
    except (InputError, UsageError) as error:
        raise type(error)(f"{url}: {error}") from error
    except (DamagedError, pa.ArrowException, OSError) as error:
        # pyarrow raises an OSError without a number for Parquet that it cannot open.
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise InputError(
            f"{url} is damaged{where()} ({error}). Nothing was kept of it; download or copy the file again."
        ) from error


def _wording(error: Exception) -> str:
    """Return rapidgzip's error in plain words."""
    text = str(error)
    if "CRC32" in text:
        return "the gzip data fails its checksum"
    if "header" in text or "valid file format" in text:
        return "data that is not gzip follows"
    return "the gzip data is corrupt or truncated"


def _all_points(reader: rapidgzip.RapidgzipFile) -> list[SeekPoint]:
    import rapidgzip

    out = io.BytesIO()
    reader.export_index(out, rapidgzip.IndexFormat.GZTOOL)
    return parse_index(out.getvalue())


def _points_so_far(reader: rapidgzip.RapidgzipFile) -> list[SeekPoint]:
    """Return the seek points up to the current position; exporting an index would read the rest of the file first."""
    end = reader.tell()
    points = []
    for bit, uncompressed in sorted(reader.available_block_offsets().items()):
        if uncompressed > end:
            break
        reader.seek(max(0, uncompressed - WINDOW))
        window = reader.read(min(uncompressed, WINDOW))
        points.append(SeekPoint(-(-bit // 8), uncompressed, -bit % 8, zlib.compress(window) if window else b""))
    return points
