"""One pass over a part: integrity, rows, rejects, ids, checksums, and where every shard starts."""

from __future__ import annotations

import hashlib
import re
import zlib
from bisect import bisect_right
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

import pyarrow as pa

from vidatlas.encoders.given import GivenVectors
from vidatlas.errors import UsageError
from vidatlas.pipeline.plan.hints import Hints
from vidatlas.pipeline.plan.survey import PartSurvey
from vidatlas.sources.content.file_type import json_setting
from vidatlas.sources.content.text import Text
from vidatlas.sources.csv import CsvSpec
from vidatlas.sources.fields import RecordSpec
from vidatlas.sources.lines import count_lines
from vidatlas.sources.rows import JSON_LINES, RowSpec
from vidatlas.sources.scan import Scan, errors_of
from vidatlas.storage.folder import open_input
from vidatlas.storage.json_files import PartFacts, Reading, SurveyFacts
from vidatlas.types import SeekPoint

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
MARKS = pa.field("marks", pa.list_(pa.struct([("at", pa.int64()), ("to", pa.int64()), ("state", pa.string())])))
"""Where the conversions of a text start for each shard; only parts whose text is converted have this column."""


@dataclass(frozen=True, slots=True)
class PlanSpec:
    """Say how a part is read and cut; the result depends on this and on the part's bytes alone."""

    record: RecordSpec
    shard_rows: int
    limit: int | None = None
    rows: RowSpec = JSON_LINES
    given: GivenVectors | None = None
    alone: bool = True
    """Whether this part is the whole input: then each column that the recipe names must be in it."""


@dataclass(slots=True)
class PartPlan:
    """Hold what one pass over a part found: facts for people, tables for readers."""

    facts: PartFacts
    shards: pa.Table
    ids: pa.Table

    @property
    def part(self) -> str:
        """Return the part's key: its stem and eight digits of its hash."""
        return self.facts["part"]


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
        self.line += count_lines(piece)

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
        url: local path or fsspec URL of a file of rows: plain, gzip, zstd, bzip2, xz, Parquet or Arrow.
        spec: how to read and cut it.
        progress: called now and then with (rows so far, compressed bytes so far).

    Raises:
        InputError: the part is absent or damaged; nothing derived from it may be used.
        UsageError: a column that the recipe names is in none of the first rows, or the file has another format.
    """
    survey = PartSurvey(spec.record, spec.rows, spec.given, hints=Hints(url), alone=spec.alone)
    cutter = _Cutter(spec.shard_rows)
    with errors_of(url, lambda: f" after line {cutter.row:,}"):
        scan, text, source, names, complete = _scanned(url, spec, survey, cutter, progress)
    if spec.given:
        spec.given.require_rows(url, cutter.row, complete)
    content, found = cutter.content.hexdigest(), survey.facts()
    facts: PartFacts = {
        "part": f"{_stem(url)}-{_key(_identity(content, found), source)}",
        "bytes": scan.bytes,
        "content_sha256": content,
        "compression": scan.compression,
        "complete": complete,
        "rows": cutter.row,
        "header": list(names),
        **_reading(text, source, spec.rows),
        "shards": len(cutter.done),
        **found,
    }
    return PartPlan(facts, _shard_table(cutter, scan, text), survey.ids())


def _scanned(
    url: str, spec: PlanSpec, survey: PartSurvey, cutter: _Cutter, progress: Callable[[int, int], None]
) -> tuple[Scan, Text, RowSpec, tuple[str, ...], bool]:
    """Scan a part; return it, its text, how its rows are read, its columns, and whether its end was reached."""
    with closing(open_input(url)) as file:
        scan = Scan(file, spec.rows.vector)
        form = spec.rows.inside(scan.compression).format
        with closing(scan.chunks()) as content:
            text = Text(content, scan.compression, form)
            survey.hints.head = text.head
            said = json_setting(text.head) if form.kind == "jsonlines" else None
            if said:
                raise UsageError(f"{said}.")
            here = replace(spec, rows=spec.rows.inside(scan.compression, text.encoding).at(url))
            source, names, complete = _read(text, survey, cutter, here, lambda rows: progress(rows, scan.tell()))
            survey.finish(source.format)
    return scan, text, source, names, complete


def _identity(content: str, facts: SurveyFacts) -> str:
    """Return the hash that tells a part from another: of its content, and of the file that its vectors are in."""
    vectors = facts["vectors"].get("sha256") if "vectors" in facts else None
    return hashlib.sha256(f"{content} {vectors}".encode()).hexdigest() if vectors else content


def _read(
    text: Text, survey: PartSurvey, cutter: _Cutter, spec: PlanSpec, progress: Callable[[int], None]
) -> tuple[RowSpec, tuple[str, ...], bool]:
    """Feed the rows of a part to survey and cutter; return how, the columns, and whether its end was reached."""
    complete, reported = True, 0
    source, names, rows = spec.rows.start(text.chunks(), cutter.observe)
    survey.columns.update(dict.fromkeys([*names, *source.given]))
    survey.header = bool(names)
    cutter.cut()
    survey.line = cutter.line
    for raw in rows:
        whole = source.decode(raw, names)
        found = source.spread(whole)
        for number, row in enumerate(found, cutter.row):
            survey.take(number, row)
        survey.end_row(whole, raw, cutter.line)
        cutter.end_row(len(found))
        if cutter.row - reported >= REPORT_EVERY:
            reported = cutter.row
            progress(cutter.row)
        if spec.limit is not None and cutter.row >= spec.limit:
            complete = False
            break
    cutter.cut()
    return source, names, complete


def _key(content: str, source: RowSpec) -> str:
    """Return eight digits of the hash of a part: of its content and of the columns that its path gives."""
    given = repr(sorted(source.given.items())).encode()
    return hashlib.sha256(content.encode() + given).hexdigest()[:8] if source.given else content[:8]


def _reading(text: Text, source: RowSpec, before: RowSpec) -> Reading:
    found: Reading = {"encoding": text.encoding} if text.encoding else {}
    own = source.format.delimiter if isinstance(source.format, CsvSpec) else ""
    if isinstance(before.format, CsvSpec) and own not in ("", before.format.delimiter):
        found["delimiter"] = own
    return found


def _stem(url: str) -> str:
    """Return the file's name without its endings, safe as part of a file name."""
    name = PurePosixPath(url.rstrip("/")).name.split(".", 1)[0]
    return re.sub(r"[^A-Za-z0-9_]+", "_", name)[:60].strip("_") or "part"


def _shard_table(cutter: _Cutter, scan: Scan, text: Text) -> pa.Table:
    starts = [point.uncompressed for point in scan.points]
    shards, places = [], []
    for number, (first, rows, offset, length, checksum, line) in enumerate(cutter.done):
        start, marks = text.start_of(offset)
        places.append([asdict(mark) for mark in marks])
        if scan.compression == "plain":
            point = SeekPoint(start, start)
        else:
            at = bisect_right(starts, start) - 1
            point = scan.points[at] if at >= 0 else SeekPoint(0, 0)
        seek = (point.compressed, point.uncompressed, point.bits, point.window)
        shards.append((number, first, rows, offset, length, checksum, *seek, line))
    table = pa.Table.from_pylist([dict(zip(SHARDS.names, shard, strict=True)) for shard in shards], SHARDS)
    return table.append_column(MARKS, pa.array(places, MARKS.type)) if any(places) else table
