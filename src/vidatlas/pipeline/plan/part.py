"""One part of a plan: integrity, rows, rejects, ids, checksums, and where every shard of an input file starts."""

from __future__ import annotations

import hashlib
import re
import zlib
from bisect import bisect_right
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from dataclasses import asdict, dataclass, field
from functools import partial
from itertools import chain
from operator import attrgetter
from pathlib import PurePosixPath
from typing import Any

import numpy as np
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
from vidatlas.sources.shards import shard_rows
from vidatlas.storage.folder import open_input
from vidatlas.storage.json_files import PartFacts, Reading, SurveyFacts
from vidatlas.types import Runner, SeekPoint, Shard, ignore

REPORT_EVERY = 5_000
SEGMENT_BYTES = 16 << 20
"""Least text that a task parses, about a second of work: more shards are put together."""

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
    """Cut the rows of a part into runs of rows, each with its checksum, as they come by."""

    row: int = 0
    offset: int = 0
    line: int = 1
    done: list[tuple[int, int, int, int, int, int]] = field(default_factory=list)
    first: int = 0
    start: int = 0
    checksum: int = 0
    first_line: int = 1

    def take(self, piece: bytes, lines: int) -> None:
        self.checksum = zlib.crc32(piece, self.checksum)
        self.offset += len(piece)
        self.line += lines

    def cut(self) -> None:
        if self.row > self.first:
            rows, length = self.row - self.first, self.offset - self.start
            self.done.append((self.first, rows, self.start, length, self.checksum, self.first_line))
        self.first, self.start, self.checksum, self.first_line = self.row, self.offset, 0, self.line


@dataclass(slots=True)
class _Pass:
    """Go through a file from its start, once: parse its rows, or only find where its lines end."""

    spec: PlanSpec
    survey: PartSurvey
    progress: Callable[..., None]
    shards: _Cutter = field(default_factory=_Cutter)
    segments: _Cutter = field(default_factory=_Cutter)
    """Shards that are parsed together, of which there are none where rows are parsed as they come by."""
    content: Any = field(default_factory=hashlib.sha256)
    complete: bool = True

    def parse(
        self, chunks: Iterable[bytes], source: RowSpec, tell: Callable[[], int]
    ) -> tuple[RowSpec, tuple[str, ...]]:
        """Feed rows to the survey; return how they were read, and their columns."""
        shards, size, limit, reported = self.shards, self.spec.shard_rows, self.spec.limit, 0

        def observe(piece: bytes) -> None:
            self.content.update(piece)
            shards.take(piece, count_lines(piece))

        source, names, rows = source.start(chunks, observe)
        self.survey.columns.update(dict.fromkeys([*names, *source.given]))
        self.survey.header = bool(names)
        shards.cut()
        line = shards.line
        for raw in rows:
            shards.row += self.survey.see(raw, shards.row, line, source, names)
            line = shards.line
            if shards.row - shards.first >= size:
                shards.cut()
            if shards.row - reported >= REPORT_EVERY:
                reported = shards.row
                self.progress(shards.row, tell())
            if limit is not None and shards.row >= limit:
                self.complete = False
                break
        return source, names

    def find(self, chunks: Iterable[bytes], tell: Callable[[], int]) -> None:
        """Find the shards of the lines that follow, and segments of several shards."""
        shards, size = self.shards, self.spec.shard_rows
        row, offset, line = shards.row, shards.offset, shards.line
        segments = self.segments = _Cutter(row, offset, line, first=row, start=offset, first_line=line)
        loose = False
        for chunk in chunks:
            for piece, lines in _pieces(chunk, size - (shards.row - shards.first), size):
                self.content.update(piece)
                for cutter in (shards, segments):
                    cutter.take(piece, lines)
                    cutter.row += lines
                if shards.row - shards.first >= size:
                    shards.cut()
                    if segments.offset - segments.start >= SEGMENT_BYTES:
                        segments.cut()
            # Zeros behind the last line are no line, as in ``split_lines``.
            last = chunk[chunk.rfind(b"\n") + 1 :]
            loose = bool(last.strip(b"\0")) or (loose and len(last) == len(chunk))
            self.progress(shards.row, tell(), True)
        shards.row += loose
        segments.row += loose
        segments.cut()


def _pieces(chunk: bytes, first: int, size: int) -> Iterator[tuple[bytes, int]]:
    """Yield a chunk in pieces with their numbers of lines: ``first`` in the first, then ``size`` in each."""
    lines, start = chunk.count(b"\n"), 0
    if lines >= first:
        ends = np.flatnonzero(np.frombuffer(chunk, np.uint8) == ord("\n"))[first - 1 :: size] + 1
        for end in ends.tolist():
            yield chunk[start:end], size if start else first
            start = end
        lines = (lines - first) % size
    yield chunk[start:], lines


def _until_settled(chunks: Iterator[bytes], survey: PartSurvey, rest: list[bytes]) -> Iterator[bytes]:
    """Yield bytes up to the end of a line behind which surveys can be merged; the rest of its chunk goes to a list."""
    for chunk in chunks:
        if survey.settled and (end := chunk.find(b"\n") + 1):
            rest.append(chunk[end:])
            yield chunk[:end]
            return
        yield chunk


def plan_part(
    url: str, spec: PlanSpec, progress: Callable[..., None] = ignore, runner: Runner | None = None
) -> PartPlan:
    """Read a part once, to its end or to ``spec.limit`` rows.

    With a runner, only the first thousand rows are parsed as they come by. Of the others, first the ends of lines are
    found; when the end of the file was reached without damage, tasks parse segments of them. The plan is the same.
    Files are parsed as they come by with a runner too where no reader can start in their middle (other compressions, a
    gzip that is padded, Parquet), where rows are no lines (CSV, JSON documents, other encodings), and where a row
    depends on those before (``limit``, ``source.explode``, given vectors).

    Args:
        url: local path or fsspec URL of a file of rows: plain, gzip, zstd, bzip2, xz, Parquet or Arrow.
        spec: how to read and cut it.
        progress: called now and then with (rows so far, compressed bytes so far); while lines are only found, with
            (lines so far, compressed bytes so far, True).
        runner: where to parse segments.

    Raises:
        InputError: the part is absent or damaged; nothing derived from it may be used.
        UsageError: a column that the recipe names is in none of the first rows, or the file has another format.
    """
    survey = PartSurvey(spec.record, spec.rows, spec.given, hints=Hints(url), alone=spec.alone)
    read = _Pass(spec, survey, progress)
    with errors_of(url, lambda: f" after line {read.shards.row:,}"):
        scan, text, source, names = _scanned(url, read, runner is not None)
    if runner and read.segments.done:
        segments = _segments(read.segments, scan, url)
        parse = partial(_survey_of, survey=survey.continued(), source=source)
        for segment, found in zip(segments, runner.map(parse, segments), strict=True):
            survey.merge(found)
            end = segment.offset + segment.length
            progress(segment.first_row + segment.rows, scan.bytes * end // read.shards.offset)
    with errors_of(url):
        survey.finish(source.format)
    if spec.given:
        spec.given.require_rows(url, read.shards.row, read.complete)
    content, found_facts = read.content.hexdigest(), survey.facts()
    facts: PartFacts = {
        "part": f"{_stem(url)}-{_key(content, found_facts, source)}",
        "bytes": scan.bytes,
        "content_sha256": content,
        "compression": scan.compression,
        "complete": read.complete,
        "rows": read.shards.row,
        "header": list(names),
        **_reading(text, source, spec.rows),
        "shards": len(read.shards.done),
        **found_facts,
    }
    return PartPlan(facts, _shard_table(read.shards, scan, text), survey.ids())


def _scanned(url: str, read: _Pass, in_tasks: bool) -> tuple[Scan, Text, RowSpec, tuple[str, ...]]:
    """Go through a part; return the scan, its text, how its rows are read, and its columns."""
    spec, left = read.spec, list[bytes]()
    with closing(open_input(url)) as file:
        scan = Scan(file, spec.rows.vector)
        form = spec.rows.inside(scan.compression).format
        in_tasks = in_tasks and _divisible(scan, spec)
        if in_tasks:
            scan.hurry()
        with closing(scan.chunks()) as content:
            text = Text(content, scan.compression, form)
            read.survey.hints.head = text.head
            said = json_setting(text.head) if form.kind == "jsonlines" else None
            if said:
                raise UsageError(f"{said}.")
            source = spec.rows.inside(scan.compression, text.encoding).at(url)
            chunks = text.chunks()
            in_tasks = in_tasks and not text.encoding
            head = _until_settled(chunks, read.survey, left) if in_tasks else chunks
            source, names = read.parse(head, source, scan.tell)
            if in_tasks:
                read.find(chain(left, chunks), scan.tell)
            read.shards.cut()
    return scan, text, source, names


def divisible(url: str, spec: PlanSpec) -> bool:
    """Tell whether tasks can parse segments of a part, as far as its first and last bytes tell."""
    with closing(open_input(url)) as file:
        return _divisible(Scan(file), spec)


def _divisible(scan: Scan, spec: PlanSpec) -> bool:
    alone = spec.limit is None and spec.given is None and spec.rows.explode is None
    return alone and scan.seekable and spec.rows.format.kind == "jsonlines"


def _segments(cutter: _Cutter, scan: Scan, url: str) -> list[Shard]:
    return [
        Shard("", number, first, rows, offset, length, checksum, _seek(scan, offset), url, scan.compression, (), line)
        for number, (first, rows, offset, length, checksum, line) in enumerate(cutter.done)
    ]


def _survey_of(segment: Shard, survey: PartSurvey, source: RowSpec) -> PartSurvey:
    """Return the survey of a segment, which goes on where another one ends."""
    found = survey.continued()
    try:
        for number, (line, raw) in enumerate(shard_rows(segment, source), segment.first_row):
            found.see(raw, number, line, source)
    except UsageError as error:
        raise UsageError(f"{segment.url}: {error}") from error
    found.pack()
    return found


def _key(content: str, facts: SurveyFacts, source: RowSpec) -> str:
    """Return eight digits of a hash: of a part's content, the file its vectors are in, and columns its path gives."""
    if vectors := facts["vectors"].get("sha256") if "vectors" in facts else None:
        content = hashlib.sha256(f"{content} {vectors}".encode()).hexdigest()
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


def _seek(scan: Scan, start: int) -> SeekPoint:
    """Return the last place before an offset at which a reader can start."""
    if scan.compression == "plain":
        return SeekPoint(start, start)
    at = bisect_right(scan.points, start, key=attrgetter("uncompressed")) - 1
    return scan.points[at] if at >= 0 else SeekPoint(0, 0)


def _shard_table(cutter: _Cutter, scan: Scan, text: Text) -> pa.Table:
    shards, places = [], []
    for number, (first, rows, offset, length, checksum, line) in enumerate(cutter.done):
        start, marks = text.start_of(offset)
        places.append([asdict(mark) for mark in marks])
        point = _seek(scan, start)
        seek = (point.compressed, point.uncompressed, point.bits, point.window)
        shards.append((number, first, rows, offset, length, checksum, *seek, line))
    table = pa.Table.from_pylist([dict(zip(SHARDS.names, shard, strict=True)) for shard in shards], SHARDS)
    return table.append_column(MARKS, pa.array(places, MARKS.type)) if any(places) else table
