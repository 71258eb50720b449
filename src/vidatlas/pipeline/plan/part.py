"""One pass over a part: integrity, rows, rejects, ids, checksums, and where every shard starts."""

from __future__ import annotations

import hashlib
import re
import zlib
from array import array
from bisect import bisect_right
from collections import Counter
from collections.abc import Callable
from contextlib import closing
from dataclasses import asdict, dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa

from vidatlas.errors import InputError, UsageError
from vidatlas.pipeline.plan.missing import Silent
from vidatlas.sources.compression import DamagedError
from vidatlas.sources.content.file_type import json_setting, records_setting, records_under
from vidatlas.sources.content.text import Text
from vidatlas.sources.fields import RecordSpec, group_of, parse_row
from vidatlas.sources.rows import JSON_LINES, RowSpec
from vidatlas.sources.scan import Scan
from vidatlas.storage.folder import open_input
from vidatlas.types import Json, Reason, Record

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
        url: local path or fsspec URL of a file of rows: plain, gzip, zstd, bzip2, xz, Parquet or Arrow.
        spec: how to read and cut it.
        progress: called now and then with (rows so far, compressed bytes so far).

    Raises:
        InputError: the part is absent or damaged; nothing derived from it may be used.
        UsageError: a column that the recipe names is in none of the first rows, or the recipe reads JSON lines and
            it is another JSON document.
    """
    survey, cutter = PartSurvey(spec.record, spec.rows), _Cutter(spec.shard_rows)
    try:
        scan, text, names, complete = _scanned(url, spec, survey, cutter, progress)
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
    content = cutter.content.hexdigest()
    facts = {
        "part": f"{_stem(url)}-{content[:8]}",
        "bytes": scan.bytes,
        "sha256": scan.sha256,
        "content_sha256": content,
        "content_bytes": cutter.offset,
        "compression": scan.compression,
        **({"encoding": text.encoding} if text.encoding else {}),
        "complete": complete,
        "rows": cutter.row,
        "header": list(names),
        "shards": len(cutter.done),
        "seek_points": len(scan.points),
        **survey.facts(),
    }
    return PartPlan(facts, _shard_table(cutter, scan, text), survey.ids())


def _scanned(
    url: str, spec: PlanSpec, survey: PartSurvey, cutter: _Cutter, progress: Callable[[int, int], None]
) -> tuple[Scan, Text, tuple[str, ...], bool]:
    """Scan a part; return it, its text, the columns' names, and whether its end was reached."""
    with closing(open_input(url)) as file:
        scan = Scan(file)
        form = spec.rows.inside(scan.compression).format
        with closing(scan.chunks()) as content:
            text = Text(content, scan.compression, form)
            said = json_setting(text.head) if form.kind == "jsonlines" else None
            if said:
                raise UsageError(f"{url}: {said}.")
            here = replace(spec, rows=spec.rows.inside(scan.compression, text.encoding))
            try:
                names, complete = _read(text, survey, cutter, here, lambda rows: progress(rows, scan.tell()))
                survey.require_columns()
            except UsageError as error:
                under = records_under(text.head) if form.kind != "csv" else None
                if not under:
                    raise
                more = f"If the records are those under {under}, add {records_setting(under)}."
                raise UsageError(f"{error} {more}") from error
        scan.finish(complete)
    return scan, text, names, complete


def _read(
    text: Text, survey: PartSurvey, cutter: _Cutter, spec: PlanSpec, progress: Callable[[int], None]
) -> tuple[tuple[str, ...], bool]:
    """Feed the rows of a part to survey and cutter; return the columns' names and whether its end was reached."""
    complete, reported, form = True, 0, spec.rows.format
    rows = form.split(text.chunks(), cutter.observe)
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
            progress(cutter.row)
        if spec.limit is not None and cutter.row >= spec.limit:
            complete = False
            break
    cutter.cut()
    return names, complete


def _stem(url: str) -> str:
    """Return the file's name without its endings, safe as part of a file name."""
    name = PurePosixPath(url.rstrip("/")).name.split(".", 1)[0]
    return re.sub(r"[^A-Za-z0-9_]+", "_", name)[:60].strip("_") or "part"


def _shard_table(cutter: _Cutter, scan: Scan, text: Text) -> pa.Table:
    starts = [point.uncompressed for point in scan.points]
    columns: list[list[Any]] = [[] for _ in SHARDS]
    places: list[list[Json]] = []
    for number, (first, rows, offset, length, checksum, line) in enumerate(cutter.done):
        start, marks = text.start_of(offset)
        places.append([asdict(mark) for mark in marks])
        at = bisect_right(starts, start) - 1
        point = scan.points[at] if at >= 0 else None
        if scan.compression == "plain":
            seek: tuple[Any, ...] = (start, start, 0, None)
        elif point is None:
            seek = (0, 0, 0, None)
        else:
            seek = (point.compressed, point.uncompressed, point.bits, point.window)
        for column, value in zip(columns, (number, first, rows, offset, length, checksum, *seek, line), strict=True):
            column.append(value)
    table = pa.table([pa.array(values, kind.type) for values, kind in zip(columns, SHARDS, strict=True)], schema=SHARDS)
    return table.append_column(MARKS, pa.array(places, MARKS.type)) if any(places) else table


EXAMPLES = 3
COLUMNS_AFTER = 1_000
"""Objects after which a column that the recipe names but none of them has stops the run."""
IDS = pa.schema([("row", pa.int64()), ("high", pa.uint64()), ("low", pa.uint64())])


@dataclass(slots=True)
class PartSurvey:
    """Count what the rows of a part hold."""

    spec: RecordSpec
    source: RowSpec = JSON_LINES
    rejects: Counter[str] = field(default_factory=Counter)
    groups: Counter[str] = field(default_factory=Counter)
    silent: Silent = field(default_factory=Silent)
    columns: dict[str, None] = field(default_factory=dict)
    objects: int = 0
    present: Counter[str] = field(default_factory=Counter)
    texts: Counter[str] = field(default_factory=Counter)
    chars: Counter[str] = field(default_factory=Counter)
    examples: list[Json] = field(default_factory=list)
    rows: array[int] = field(default_factory=lambda: array("q"))
    digests: bytearray = field(default_factory=bytearray)
    uses: bytearray = field(default_factory=bytearray)
    """With ``record.count`` of a column: 64 bits for each record's value in it, 0 where it has none."""

    def take(self, row: int, found: dict[str, Any] | Reason) -> None:
        """Take what was read of the row with a number: a row, or why there is none."""
        if not isinstance(found, Reason):
            self._see_columns(found)
        record = found if isinstance(found, Reason) else parse_row(found, self.spec)
        if isinstance(record, Reason):
            self.rejects[record] += 1
            return
        self.rows.append(row)
        self.digests += hashlib.blake2b(record.id.encode(), digest_size=16).digest()
        if isinstance(self.spec.count, str) and not isinstance(found, Reason):
            value = found.get(self.spec.count)
            self.uses += hashlib.blake2b(str(value).encode(), digest_size=8).digest() if value else bytes(8)
        self._count(record)

    def end_row(self, row: dict[str, Any] | Reason) -> None:
        """Take a row of the input, behind all that it stands for."""
        if self.source.explode and not isinstance(row, Reason):
            self.silent.see(group_of(row, self.spec), self.groups)

    def _see_columns(self, row: dict[str, Any]) -> None:
        if self.objects >= COLUMNS_AFTER:
            return
        self.objects += 1
        self.columns.update(dict.fromkeys(row))
        if self.objects == COLUMNS_AFTER:
            self.require_columns()

    def require_columns(self) -> None:
        """Raise UsageError where the recipe names a column that no row has."""
        wanted = self.source.required(self.spec.columns())
        missing = [column for column in wanted if column not in self.columns]
        if missing and self.columns and (self.objects or self.rejects):
            where = f"The first {self.objects:,} rows have" if self.objects else "The header names"
            raise UsageError(
                f"no such column: {', '.join(missing)}. {where}: {', '.join(self.columns)}. "
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
        """Return the counts, as a plan keeps them for people."""
        fields = {
            name: {"present": self.present[name], "texts": self.texts[name], "chars": self.chars[name]}
            for name in self.spec.fields
        }
        silent = self.silent.facts(self.groups)
        return {
            **({"silent": silent} if silent["count"] or not silent["complete"] else {}),
            "rejects": dict(sorted(self.rejects.items())),
            "columns": list(self.columns),
            "fields": fields,
            "groups": dict(sorted(self.groups.items(), key=lambda item: (-item[1], item[0]))),
            "examples": self.examples,
        }

    def ids(self) -> pa.Table:
        """Return row and 128-bit digest of each record's id, and its use where ``record.count`` names a column."""
        digests = np.frombuffer(self.digests, dtype=">u8").reshape(-1, 2).astype(np.uint64)
        rows = np.frombuffer(self.rows, np.int64)
        table = pa.table([pa.array(rows), pa.array(digests[:, 0]), pa.array(digests[:, 1])], schema=IDS)
        if not isinstance(self.spec.count, str):
            return table
        return table.append_column("use", pa.array(np.frombuffer(self.uses, dtype=">u8").astype(np.uint64)))
