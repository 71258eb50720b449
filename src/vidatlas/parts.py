"""One pass over each part: integrity, rows, rejects, checksums, and where every shard starts."""

from __future__ import annotations

import hashlib
import io
import re
import zlib
from bisect import bisect_right
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from vidatlas.fields import RecordSpec
from vidatlas.folder import open_input
from vidatlas.sources.compression import DamagedError
from vidatlas.sources.rows import JSON_LINES, RowSpec
from vidatlas.sources.scan import Scan
from vidatlas.survey import PartSurvey
from vidatlas.types import InputError, Json

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
        ("first_line", pa.int64()),
    ]
)


@dataclass(frozen=True, slots=True)
class PlanSpec:
    """Say how a part is read and cut; the result depends on this and on the part's bytes alone."""

    record: RecordSpec
    shard_rows: int
    limit: int | None = None
    rows: RowSpec = JSON_LINES


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
class _Cutter:
    """Cut the rows of a part into shards as they come by."""

    shard_rows: int
    content: Any = field(default_factory=hashlib.sha256)
    row: int = 0
    offset: int = 0
    line: int = 1
    done: list[tuple[int, int, int, int, int, int]] = field(default_factory=list)
    first: int = 0
    start: int = 0
    checksum: int = 0
    first_line: int = 1

    def observe(self, piece: bytes) -> None:
        self.content.update(piece)
        self.checksum = zlib.crc32(piece, self.checksum)
        self.offset += len(piece)
        self.line += piece.count(b"\n")

    def end_row(self, rows: int) -> None:
        self.row += rows
        if self.row - self.first >= self.shard_rows:
            self.cut()

    def cut(self) -> None:
        if self.row > self.first:
            rows, length = self.row - self.first, self.offset - self.start
            self.done.append((self.first, rows, self.start, length, self.checksum, self.first_line))
        self.first, self.start, self.checksum, self.first_line = self.row, self.offset, 0, self.line


def plan_part(url: str, spec: PlanSpec, progress: Callable[[int, int], None]) -> PartPlan:
    """Read a part once, to its end or to ``spec.limit`` rows.

    Args:
        url: local path or fsspec URL of a file of rows: plain, gzip, zstd, bzip2 or Parquet.
        spec: how to read and cut it.
        progress: called now and then with (rows so far, compressed bytes so far).

    Raises:
        InputError: the part is absent or damaged; nothing derived from it may be used.
        UsageError: a column that the recipe names is in none of the first rows.
    """
    survey, cutter = PartSurvey(spec.record, spec.rows), _Cutter(spec.shard_rows)
    try:
        with closing(open_input(url)) as file:
            scan = Scan(file)
            here = replace(spec, rows=spec.rows.inside(scan.compression))
            names, complete = _read(scan, survey, cutter, here, progress)
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
    except InputError as error:
        raise InputError(f"{url}: {error}") from error
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
        "header": list(names),
        "shards": len(cutter.done),
        "seek_points": len(scan.points),
        **survey.facts(),
    }
    return PartPlan(facts, _shard_table(cutter, scan), survey.ids())


def _read(
    scan: Scan, survey: PartSurvey, cutter: _Cutter, spec: PlanSpec, progress: Callable[[int, int], None]
) -> tuple[tuple[str, ...], bool]:
    """Feed the rows of a part to survey and cutter; return the columns' names and whether its end was reached."""
    complete, reported, form = True, 0, spec.rows.format
    with closing(scan.chunks()) as chunks:
        rows = form.split(chunks, cutter.observe)
        names = form.names(next(rows, None) if form.has_header else None)
        survey.columns.update(dict.fromkeys(names))
        cutter.cut()
        for raw in rows:
            whole = spec.rows.decode(raw, names)
            found = spec.rows.spread(whole)
            for number, row in enumerate(found, cutter.row):
                survey.take(number, row)
            survey.end_row(whole)
            cutter.end_row(len(found))
            if cutter.row - reported >= REPORT_EVERY:
                reported = cutter.row
                progress(cutter.row, scan.tell())
            if spec.limit is not None and cutter.row >= spec.limit:
                complete = False
                break
    cutter.cut()
    return names, complete


def _stem(url: str) -> str:
    """Return the file's name without its endings, safe as part of a file name."""
    name = PurePosixPath(url.rstrip("/")).name.split(".", 1)[0]
    return re.sub(r"[^A-Za-z0-9_]+", "_", name)[:60].strip("_") or "part"


def _shard_table(cutter: _Cutter, scan: Scan) -> pa.Table:
    starts = [point.uncompressed for point in scan.points]
    columns: list[list[Any]] = [[] for _ in SHARDS]
    for number, (first, rows, offset, length, checksum, line) in enumerate(cutter.done):
        at = bisect_right(starts, offset) - 1
        point = scan.points[at] if at >= 0 else None
        if scan.compression == "plain":
            seek: tuple[Any, ...] = (offset, offset, 0, None)
        elif point is None:
            seek = (0, 0, 0, None)
        else:
            seek = (point.compressed, point.uncompressed, point.bits, point.window)
        for column, value in zip(columns, (number, first, rows, offset, length, checksum, *seek, line), strict=True):
            column.append(value)
    return pa.table([pa.array(values, kind.type) for values, kind in zip(columns, SHARDS, strict=True)], schema=SHARDS)


def to_parquet(table: pa.Table) -> bytes:
    """Return a table as the bytes of a Parquet file with page checksums."""
    out = io.BytesIO()
    pq.write_table(table, out, compression="zstd", write_page_checksum=True)
    return out.getvalue()
