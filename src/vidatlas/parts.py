"""One pass over each part: integrity, rows, rejects, checksums, and where every shard starts."""

from __future__ import annotations

import hashlib
import io
import re
import zlib
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vidatlas.fields import RecordSpec, parse_line, parse_row
from vidatlas.folder import open_input
from vidatlas.sources.compression import DamagedError
from vidatlas.sources.lines import split_lines
from vidatlas.sources.scan import Scan
from vidatlas.types import InputError, Json, Reason, Record, UsageError

EXAMPLES = 3
COLUMNS_AFTER = 1_000
"""Objects after which a column that the recipe names but none of them has stops the run."""
REPORT_EVERY = 5_000

SHARDS = pa.schema(
    [
        ("number", pa.int32()),
        ("first_row", pa.int64()),
        ("rows", pa.int32()),
        ("offset", pa.int64()),
        ("length", pa.int64()),
        ("crc32", pa.uint32()),
        ("seek_compressed", pa.int64()),
        ("seek_uncompressed", pa.int64()),
        ("seek_bits", pa.uint8()),
        ("seek_window", pa.binary()),
    ]
)
IDS = pa.schema([("row", pa.int64()), ("high", pa.uint64()), ("low", pa.uint64())])


@dataclass(frozen=True, slots=True)
class PlanSpec:
    """Say how a part is read and cut; the result depends on this and on the part's bytes alone."""

    record: RecordSpec
    shard_rows: int
    limit: int | None = None


@dataclass(slots=True)
class PartPlan:
    """Hold what one pass over a part found: facts for people, tables for readers."""

    facts: Json
    shards: pa.Table
    ids: pa.Table

    @property
    def part(self) -> str:
        """Return the part's key: its stem and eight digits of its content's hash."""
        return str(self.facts["part"])


@dataclass(slots=True)
class _Survey:
    """Count what the rows of a part hold."""

    spec: RecordSpec
    rejects: Counter[str] = field(default_factory=Counter)
    groups: Counter[str] = field(default_factory=Counter)
    columns: dict[str, None] = field(default_factory=dict)
    objects: int = 0
    present: Counter[str] = field(default_factory=Counter)
    texts: Counter[str] = field(default_factory=Counter)
    chars: Counter[str] = field(default_factory=Counter)
    examples: list[Json] = field(default_factory=list)
    rows: array[int] = field(default_factory=lambda: array("q"))
    digests: bytearray = field(default_factory=bytearray)

    def take(self, row: int, line: bytes | None) -> None:
        record = self._parse(line)
        if isinstance(record, Reason):
            self.rejects[record] += 1
            return
        self.rows.append(row)
        self.digests += hashlib.blake2b(record.id.encode(), digest_size=16).digest()
        self._count(record)

    def _parse(self, line: bytes | None) -> Record | Reason:
        found = Reason.LINE_TOO_LONG if line is None else parse_line(line)
        if isinstance(found, Reason):
            return found
        self._see_columns(found)
        return parse_row(found, self.spec)

    def _see_columns(self, row: dict[str, Any]) -> None:
        if self.objects >= COLUMNS_AFTER:
            return
        self.objects += 1
        self.columns.update(dict.fromkeys(row))
        if self.objects == COLUMNS_AFTER:
            self.require_columns()

    def require_columns(self) -> None:
        """Raise UsageError where the recipe names a column that no row has."""
        missing = [column for column in self.spec.columns() if column not in self.columns]
        if missing and self.objects:
            raise UsageError(
                f"no such column: {', '.join(missing)}. The first {self.objects:,} "
                f"rows have: {', '.join(self.columns)}. "
                "Choose another recipe, or name the columns with --set (for example --set record.id=video_id)."
            )

    def _count(self, record: Record) -> None:
        self.groups[record.group] += 1
        for name, texts in zip(self.spec.fields, record.texts, strict=True):
            if texts:
                cut = self.spec.fields[name].max_chars
                self.present[name] += 1
                self.texts[name] += len(texts)
                self.chars[name] += sum(min(len(text), cut) if cut else len(text) for text in texts)
        if len(self.examples) < EXAMPLES and all(record.texts):
            texts_by_field = dict(zip(self.spec.fields, record.texts, strict=True))
            self.examples.append({"id": record.id, "group": record.group, "texts": texts_by_field})

    def facts(self) -> Json:
        fields = {
            name: {"present": self.present[name], "texts": self.texts[name], "chars": self.chars[name]}
            for name in self.spec.fields
        }
        return {
            "rejects": dict(sorted(self.rejects.items())),
            "columns": list(self.columns),
            "fields": fields,
            "groups": dict(sorted(self.groups.items(), key=lambda item: (-item[1], item[0]))),
            "examples": self.examples,
        }

    def ids(self) -> pa.Table:
        digests = np.frombuffer(self.digests, dtype=">u8").reshape(-1, 2).astype(np.uint64)
        return pa.table(
            [pa.array(np.frombuffer(self.rows, np.int64)), pa.array(digests[:, 0]), pa.array(digests[:, 1])], schema=IDS
        )


@dataclass(slots=True)
class _Cutter:
    """Cut the rows of a part into shards as they come by."""

    shard_rows: int
    content: Any = field(default_factory=hashlib.sha256)
    row: int = 0
    offset: int = 0
    done: list[tuple[int, int, int, int, int]] = field(default_factory=list)
    first: int = 0
    start: int = 0
    checksum: int = 0

    def observe(self, piece: bytes) -> None:
        self.content.update(piece)
        self.checksum = zlib.crc32(piece, self.checksum)
        self.offset += len(piece)

    def end_row(self) -> None:
        self.row += 1
        if self.row - self.first == self.shard_rows:
            self.cut()

    def cut(self) -> None:
        if self.row > self.first:
            self.done.append((self.first, self.row - self.first, self.start, self.offset - self.start, self.checksum))
        self.first, self.start, self.checksum = self.row, self.offset, 0


def plan_part(url: str, spec: PlanSpec, progress: Callable[[int, int], None]) -> PartPlan:
    """Read a part once, to its end or to ``spec.limit`` rows.

    Args:
        url: local path or fsspec URL of a JSONL file: plain, gzip, zstd or bzip2.
        spec: how to read and cut it.
        progress: called now and then with (rows so far, compressed bytes so far).

    Raises:
        InputError: the part is absent or damaged; nothing derived from it may be used.
        UsageError: a column that the recipe names is in none of the first rows.
    """
    survey, cutter = _Survey(spec.record), _Cutter(spec.shard_rows)
    try:
        with closing(open_input(url)) as file:
            scan = Scan(file)
            complete = _read(scan, survey, cutter, spec.limit, progress)
            scan.finish(complete)
    except FileNotFoundError as error:
        raise InputError(f"no such file: {url}. Check the path; quote patterns such as 'data/*.jsonl.gz'.") from error
    except IsADirectoryError as error:
        raise InputError(f"{url} is a folder. Name the files in it, for example '{url}/*.jsonl.gz'.") from error
    except DamagedError as error:
        raise InputError(
            f"{url} is damaged after line {cutter.row:,} ({error}). "
            "Nothing was kept of it; download or copy the file again."
        ) from error
    survey.require_columns()
    content = cutter.content.hexdigest()
    facts = {
        "part": f"{_stem(url)}-{content[:8]}",
        "bytes": scan.bytes,
        "sha256": scan.sha256,
        "content_sha256": content,
        "content_bytes": cutter.offset,
        "compression": scan.compression,
        "complete": complete,
        "rows": cutter.row,
        "shards": len(cutter.done),
        "seek_points": len(scan.points),
        **survey.facts(),
    }
    return PartPlan(facts, _shard_table(cutter, scan), survey.ids())


def _read(
    scan: Scan, survey: _Survey, cutter: _Cutter, limit: int | None, progress: Callable[[int, int], None]
) -> bool:
    """Feed the rows of a part to survey and cutter; return whether its end was reached."""
    complete = True
    with closing(scan.chunks()) as chunks:
        for line in split_lines(chunks, cutter.observe):
            survey.take(cutter.row, line)
            cutter.end_row()
            if cutter.row % REPORT_EVERY == 0:
                progress(cutter.row, scan.tell())
            if cutter.row == limit:
                complete = False
                break
    cutter.cut()
    return complete


def _stem(url: str) -> str:
    """Return the file's name without its endings, safe as part of a file name."""
    name = PurePosixPath(url.rstrip("/")).name.split(".", 1)[0]
    return re.sub(r"[^A-Za-z0-9_]+", "_", name)[:60].strip("_") or "part"


def _shard_table(cutter: _Cutter, scan: Scan) -> pa.Table:
    starts = [point.uncompressed for point in scan.points]
    columns: list[list[Any]] = [[] for _ in SHARDS]
    for number, (first, rows, offset, length, checksum) in enumerate(cutter.done):
        at = bisect_right(starts, offset) - 1
        point = scan.points[at] if at >= 0 else None
        if scan.compression == "plain":
            seek: tuple[Any, ...] = (offset, offset, 0, None)
        elif point is None:
            seek = (0, 0, 0, None)
        else:
            seek = (point.compressed, point.uncompressed, point.bits, point.window)
        for column, value in zip(columns, (number, first, rows, offset, length, checksum, *seek), strict=True):
            column.append(value)
    return pa.table([pa.array(values, kind.type) for values, kind in zip(columns, SHARDS, strict=True)], schema=SHARDS)


def duplicate_rows(ids: list[pa.Table], bucket_rows: int = 1 << 24) -> list[np.ndarray[Any, np.dtype[np.int64]]]:
    """Return, per part, the rows whose id stands in an earlier row of this or an earlier part.

    Ids are compared by a 128-bit BLAKE2b digest: among 73 million ids two different ones agree with a chance of 1e-23.
    Memory: the digests are sorted one slice of the hash space at a time, about ``bucket_rows`` rows each.
    """
    total = sum(table.num_rows for table in ids)
    buckets = max(1, -(-total // bucket_rows))
    found: list[list[Any]] = [[] for _ in ids]
    for bucket in range(buckets):
        slices = [_slice(number, table, bucket, buckets) for number, table in enumerate(ids)]
        part, row, high, low = (np.concatenate([piece[axis] for piece in slices]) for axis in range(4))
        order = np.lexsort((row, part, low, high))
        part, row, high, low = part[order], row[order], high[order], low[order]
        repeated = np.flatnonzero((high[1:] == high[:-1]) & (low[1:] == low[:-1])) + 1
        for number in range(len(ids)):
            found[number].append(row[repeated[part[repeated] == number]])
    return [np.sort(np.concatenate(rows)) if rows else np.empty(0, np.int64) for rows in found]


def _slice(number: int, table: pa.Table, bucket: int, buckets: int) -> tuple[Any, ...]:
    high = table["high"].to_numpy()
    chosen = np.flatnonzero(high % np.uint64(buckets) == bucket)
    row, low = table["row"].to_numpy()[chosen], table["low"].to_numpy()[chosen]
    return np.full(len(chosen), number, np.int32), row, high[chosen], low


def to_parquet(table: pa.Table) -> bytes:
    """Return a table as the bytes of a Parquet file with page checksums."""
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd", write_page_checksum=True)
    return out.getvalue()
