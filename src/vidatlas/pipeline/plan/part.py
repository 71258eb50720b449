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
from dataclasses import dataclass, field, replace
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import pyarrow as pa

from vidatlas.encoders.given import GivenVectors
from vidatlas.errors import InputError, UsageError
from vidatlas.pipeline.plan.hints import Hints
from vidatlas.pipeline.plan.missing import Silent
from vidatlas.pipeline.plan.values import ValueSurvey
from vidatlas.sources.compression import DamagedError
from vidatlas.sources.csv import CsvSpec
from vidatlas.sources.fields import RecordSpec, group_of, parse_row
from vidatlas.sources.lines import count_lines
from vidatlas.sources.rows import JSON_LINES, Format, RowSpec
from vidatlas.sources.scan import Scan
from vidatlas.sources.values.missing import is_missing
from vidatlas.storage.folder import open_input
from vidatlas.storage.json_files import Example, FieldFacts, OwnDelimiter, PartFacts, Silence, SurveyFacts
from vidatlas.types import Reason, Record

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
        url: local path or fsspec URL of a file of rows: plain, gzip, zstd, bzip2 or Parquet.
        spec: how to read and cut it.
        progress: called now and then with (rows so far, compressed bytes so far).

    Raises:
        InputError: the part is absent or damaged; nothing derived from it may be used.
        UsageError: a column that the recipe names is in none of the first rows, or the file has another format.
    """
    survey, cutter = (
        PartSurvey(spec.record, spec.rows, spec.given, hints=Hints(url), alone=spec.alone),
        _Cutter(spec.shard_rows),
    )
    try:
        with closing(open_input(url)) as file:
            scan = Scan(file, spec.rows.vector)
            here = replace(spec, rows=spec.rows.inside(scan.compression).at(url))
            source, names, complete = _read(scan, survey, cutter, here, progress)
            scan.finish(complete)
        survey.finish(source.format)
    except FileNotFoundError as error:
        raise InputError(f"no such file: {url}. Check the path; quote patterns such as 'data/*.jsonl.gz'.") from error
    except IsADirectoryError as error:
        raise InputError(f"{url} is a folder. Name the files in it, for example '{url}/*.jsonl.gz'.") from error
    except DamagedError as error:
        raise InputError(
            f"{url} is damaged after line {cutter.row:,} ({error}). "
            "Nothing was kept of it; download or copy the file again."
        ) from error
    except (InputError, UsageError) as error:
        raise type(error)(f"{url}: {error}") from error
    if spec.given:
        spec.given.require_rows(url, cutter.row, complete)
    content, found = cutter.content.hexdigest(), survey.facts()
    facts: PartFacts = {
        "part": f"{_stem(url)}-{_key(_identity(content, found), source)}",
        "bytes": scan.bytes,
        "sha256": scan.sha256,
        "content_sha256": content,
        "content_bytes": cutter.offset,
        "compression": scan.compression,
        "complete": complete,
        "rows": cutter.row,
        "header": list(names),
        **_own_delimiter(source, spec.rows),
        "shards": len(cutter.done),
        "seek_points": len(scan.points),
        **found,
    }
    return PartPlan(facts, _shard_table(cutter, scan), survey.ids())


def _identity(content: str, facts: SurveyFacts) -> str:
    """Return the hash that tells a part from another: of its content, and of the file that its vectors are in."""
    vectors = facts["vectors"].get("sha256") if "vectors" in facts else None
    return hashlib.sha256(f"{content} {vectors}".encode()).hexdigest() if vectors else content


def _read(
    scan: Scan, survey: PartSurvey, cutter: _Cutter, spec: PlanSpec, progress: Callable[[int, int], None]
) -> tuple[RowSpec, tuple[str, ...], bool]:
    """Feed the rows of a part to survey and cutter; return how, the columns, and whether its end was reached."""
    complete, reported = True, 0
    with closing(scan.chunks()) as chunks:
        source, names, rows = spec.rows.start(chunks, cutter.observe)
        survey.columns.update(dict.fromkeys([*names, *source.given]))
        survey.header = bool(names)
        cutter.cut()
        for raw in rows:
            whole = source.decode(raw, names)
            found = source.spread(whole)
            for number, row in enumerate(found, cutter.row):
                survey.take(number, row)
            survey.end_row(whole, raw, cutter.line)
            cutter.end_row(len(found))
            if cutter.row - reported >= REPORT_EVERY:
                reported = cutter.row
                progress(cutter.row, scan.tell())
            if spec.limit is not None and cutter.row >= spec.limit:
                complete = False
                break
    cutter.cut()
    return source, names, complete


def _key(content: str, source: RowSpec) -> str:
    """Return eight digits of the hash of a part: of its content and of the columns that its path gives."""
    given = repr(sorted(source.given.items())).encode()
    return hashlib.sha256(content.encode() + given).hexdigest()[:8] if source.given else content[:8]


def _own_delimiter(source: RowSpec, before: RowSpec) -> OwnDelimiter:
    own = source.format.delimiter if isinstance(source.format, CsvSpec) else ""
    if not isinstance(before.format, CsvSpec) or own in ("", before.format.delimiter):
        return {}
    return {"delimiter": own}


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


EXAMPLES = 3
COLUMNS_AFTER = 1_000
"""Objects after which a column that the recipe names but none of them has stops the run."""
IDS = pa.schema([("row", pa.int64()), ("high", pa.uint64()), ("low", pa.uint64())])


def _rows_have(count: int) -> str:
    return f"The first {count:,} rows have" if count > 1 else "The first row has"


@dataclass(slots=True)
class PartSurvey:
    """Count what the rows of a part hold."""

    spec: RecordSpec
    source: RowSpec = JSON_LINES
    given: GivenVectors | None = None
    """Where vectors are given; the first usable one sets their dimensions."""
    rejects: Counter[str] = field(default_factory=Counter)
    groups: Counter[str] = field(default_factory=Counter)
    silent: Silent = field(default_factory=Silent)
    columns: dict[str, None] = field(default_factory=dict)
    hints: Hints = field(default_factory=lambda: Hints(""))
    line: int = 1
    """Where the row that is read begins."""
    alone: bool = True
    """Whether this file is the whole input."""
    header: bool = False
    """Whether the file itself names its columns, so that no later row can add one."""
    late: set[str] = field(default_factory=set)
    """Columns that none of the first rows had."""
    objects: int = 0
    present: Counter[str] = field(default_factory=Counter)
    texts: Counter[str] = field(default_factory=Counter)
    chars: Counter[str] = field(default_factory=Counter)
    examples: list[Example] = field(default_factory=list)
    rows: array[int] = field(default_factory=lambda: array("q"))
    digests: bytearray = field(default_factory=bytearray)
    uses: bytearray = field(default_factory=bytearray)
    """With ``record.count`` of a column: 64 bits for each record's value in it, 0 where it has none."""
    values: ValueSurvey = field(default_factory=ValueSurvey)

    def take(self, row: int, found: dict[str, Any] | Reason) -> None:
        """Take what was read of the row with a number: a row, or why there is none."""
        record = found if isinstance(found, Reason) else parse_row(found, self.spec)
        if self.given and isinstance(record, Record) and not isinstance(found, Reason):
            vector = self.given.of(row, found)
            if isinstance(vector, Reason):
                record = vector
            elif self.given.dim is None:
                self.given = replace(self.given, dim=len(vector))
        if isinstance(record, Reason):
            self.rejects[record] += 1
            self.hints.see_rejected(found, self.line, record, self.spec)
            return
        self.rows.append(row)
        self.digests += hashlib.blake2b(record.id.encode(), digest_size=16).digest()
        if isinstance(self.spec.count, str) and not isinstance(found, Reason):
            value = found.get(self.spec.count)
            known = value and not is_missing(value, frozenset(self.spec.missing))
            self.uses += hashlib.blake2b(str(value).encode(), digest_size=8).digest() if known else bytes(8)
        self._count(record)
        if not isinstance(found, Reason):
            self.values.see(found, record, self.spec)

    def end_row(self, row: dict[str, Any] | Reason, raw: bytes | None, line: int) -> None:
        """Take a row of the input, behind all that it stands for; the next one begins in a line."""
        if isinstance(row, Reason):
            self.hints.see_unreadable(raw, self.line, self.source.format)
        else:
            self._see_columns(row)
            if self.source.explode:
                self.silent.see(group_of(row, self.spec), self.groups)
        self.line = line

    def _see_columns(self, row: dict[str, Any]) -> None:
        if self.objects >= COLUMNS_AFTER:
            if self.late:
                self.columns.update(dict.fromkeys(self.late & row.keys()))
                self.late -= row.keys()
            return
        self.objects += 1
        self.hints.see(row)
        self.columns.update(dict.fromkeys(row))
        if self.objects == COLUMNS_AFTER and (self.header or not self.rows):
            self._require_columns()
        if self.objects == COLUMNS_AFTER:
            self.late = set(self.missing())

    def finish(self, form: Format) -> None:
        """Raise UsageError where the recipe names a column that no row has, or the file has another format.

        Where other files belong to the input too, and this one has usable rows, it is theirs to have the column.
        """
        self.hints.refuse_format(form)
        if self.alone or not self.rows:
            self._require_columns()

    def missing(self) -> list[str]:
        """Return the columns that the recipe names and no row has."""
        wanted = self.source.required(self.spec.input_columns())
        return [column for column in wanted if column not in self.columns]

    def _require_columns(self) -> None:
        missing = self.missing()
        if missing and self.columns and (self.objects or self.rejects):
            where = "The header names" if not self.objects else _rows_have(self.objects)
            self.hints.refuse_columns(missing, self.columns, where)

    def _count(self, record: Record) -> None:
        self.groups[record.group] += 1
        for name, texts in zip(self.spec.fields, record.texts, strict=True):
            if texts:
                cut = self.spec.fields[name].max_chars
                self.present[name] += 1
                self.texts[name] += len(texts)
                self.chars[name] += sum(min(len(text), cut) if cut else len(text) for text in texts)
        if len(self.examples) < EXAMPLES and all(record.texts):
            texts_by_field = dict(zip(self.spec.fields, map(list, record.texts), strict=True))
            self.examples.append({"id": record.id, "group": record.group, "texts": texts_by_field})

    def facts(self) -> SurveyFacts:
        """Return the counts, as a plan keeps them for people."""
        fields: dict[str, FieldFacts] = {
            name: {"present": self.present[name], "texts": self.texts[name], "chars": self.chars[name]}
            for name in self.spec.fields
        }
        silent = self.silent.facts(self.groups)
        found: Silence = {"silent": silent} if silent["count"] or not silent["complete"] else {}
        if values := self.values.facts():
            found["values"] = values
        if self.given:
            found["vectors"] = self.given.facts()
        if (missing := self.missing()) and self.columns:
            found["lacking"] = {"columns": missing, "names": list(self.hints.names)}
        unusable = sum(count for reason, count in self.rejects.items() if not Reason(reason).asked_for)
        if first := self.hints.first_reject(len(self.rows) + self.rejects.total(), unusable):
            found["first_reject"] = first
        return {
            **found,
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
