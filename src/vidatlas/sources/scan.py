"""Scan an input file once from start to end: its content, and seek points for later readers."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Generator, Iterator
from contextlib import contextmanager, suppress
from typing import IO, TYPE_CHECKING

import pyarrow as pa

from vidatlas.errors import DamagedError, InputError, UsageError
from vidatlas.sources.compression import CHUNK, decompress, detect
from vidatlas.sources.gzip import WINDOW, parse_index
from vidatlas.threads import cores
from vidatlas.types import SeekPoint

if TYPE_CHECKING:
    import rapidgzip


_THREADS = 2
"""Decompression threads of a scan whose rows are parsed: that is the bottleneck, so more would only wait."""
_MOST_THREADS = 4
"""Those of a scan that only finds lines: more would wait for its checksums."""
_ZEROS = bytes(5)
"""Zeros at the end of a gzip file that may fill up a block: rapidgzip refuses more than four behind the last member."""


_HEAD = 64 << 10
_MOST_RATIO = 100
"""Of a gzip file that begins with more, rapidgzip would hold gigabytes at once: it decompresses 4 MiB in one piece."""


def _swells(head: bytes) -> bool:
    total = 0
    with suppress(DamagedError):  # it is cut off here
        for out in decompress(io.BytesIO(head), "gzip"):
            total += len(out)
    return total > _MOST_RATIO * max(len(head), _HEAD // 16)


class Scan:
    """Scan an input file: stream its uncompressed bytes, then provide seek points.

    Attributes:
        compression: what ``detect`` returned.
        bytes: size of the file.
        points: seek points in ascending order; complete when the last chunk was read.
    """

    def __init__(self, file: IO[bytes], vector: str | None = None) -> None:
        """Scan a file; of a Parquet file, keep the column of vectors named."""
        self._file, self._vector, self._threads = file, vector, _THREADS
        self.bytes = file.seek(0, io.SEEK_END)
        file.seek(max(0, self.bytes - len(_ZEROS)))
        self._padded = file.read() == _ZEROS
        file.seek(0)
        self._swells = _swells(file.read(_HEAD))
        file.seek(0)
        self.compression = detect(file)
        self.points: list[SeekPoint] = []
        self._scanned = 0

    @property
    def seekable(self) -> bool:
        """Tell whether a later reader can start anywhere, or only at a few places if at all."""
        return self.compression == "plain" or (self.compression == "gzip" and not self._padded)

    def hurry(self) -> None:
        """Decompress on all cores that help: nearly nothing else is done with the bytes."""
        self._threads = max(_THREADS, min(cores(), _MOST_THREADS))

    def tell(self) -> int:
        """Return about how many compressed bytes have been scanned."""
        return self._scanned or self._file.tell()

    def chunks(self) -> Generator[bytes]:
        """Yield the uncompressed bytes; a scan to the end verifies the whole file, a shorter one verifies nothing.

        Raises:
            DamagedError: as ``decompress``.
        """
        if self.compression == "gzip" and not self._padded and not self._swells:
            yield from self._gzip()
        else:
            yield from decompress(self._file, self.compression, None, self._remember, self._vector)

    def _remember(self, compressed: int, uncompressed: int) -> None:
        self.points.append(SeekPoint(compressed, uncompressed))

    def _gzip(self) -> Generator[bytes]:
        import rapidgzip

        try:
            with rapidgzip.open(self._file, parallelization=self._threads) as reader:
                try:
                    while chunk := reader.read(CHUNK):
                        # It may read the file by its descriptor, and then the file's own place stays.
                        self._scanned = reader.tell_compressed() // 8
                        yield chunk
                except GeneratorExit:
                    self.points = _points_so_far(reader)
                    raise
                self.points = _all_points(reader)
        except (ValueError, RuntimeError) as error:
            raise DamagedError("the gzip data is corrupt or cut off, or other data follows it") from error
        # rapidgzip checks every CRC but accepts a truncated file as complete; zlib does not.
        tail = self.points[-1] if self.points else None
        for _ in decompress(self._file, "gzip", tail):
            pass


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
        why = " ".join(str(error).split())  # pyarrow's words may take several lines
        raise InputError(
            f"{url} is damaged{where()} ({why}). Nothing was kept of it; download or copy the file again."
        ) from error


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
