"""Survey of an input file: what its rows hold, counted while they pass, and which columns the recipe misses."""

from __future__ import annotations

import hashlib
import zlib
from array import array
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import pyarrow as pa

from vidatlas.encoders.given import GivenVectors
from vidatlas.pipeline.plan.hints import Hints
from vidatlas.pipeline.plan.values import ValueSurvey
from vidatlas.sources.fields import RecordSpec, group_of, parse_row
from vidatlas.sources.rows import JSON_LINES, Format, RowSpec
from vidatlas.sources.values.missing import is_missing
from vidatlas.storage.json_files import Example, FieldFacts, Occasional, SurveyFacts
from vidatlas.types import Reason, Record

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
    fields: dict[str, FieldFacts] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    rows: array[int] = field(default_factory=lambda: array("q"))
    digests: bytearray = field(default_factory=bytearray)
    titles: array[int] = field(default_factory=lambda: array("H"))
    """16 bits for each record's title, 0 where it has none: a duplicate with another title is noted."""
    uses: bytearray = field(default_factory=bytearray)
    """With ``record.count`` of a column: 64 bits for each record's value in it, 0 where it has none."""
    values: ValueSurvey = field(default_factory=ValueSurvey)

    def __post_init__(self) -> None:
        """Begin to count the texts of each field."""
        self.fields = {name: {"present": 0, "texts": 0, "chars": 0} for name in self.spec.fields}

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
            self.hints.see_rejected(found, self.line, record, self.spec, self.source.format)
            return
        self.rows.append(row)
        self.digests += hashlib.blake2b(record.id.encode(), digest_size=16).digest()
        self.titles.append(zlib.crc32(record.title.encode()) % 0xFFFF + 1 if record.title else 0)
        if isinstance(self.spec.count, str) and not isinstance(found, Reason):
            value = found.get(self.spec.count)
            known = value and not is_missing(value, self.source.missing)
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
            if self.source.explode and (group := group_of(row, self.spec)):
                self.groups[group] += 0  # one without a term is named too
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
        if self.objects == COLUMNS_AFTER and ((self.header and self.alone) or not self.rows):
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
            self.hints.refuse_columns(missing, self.columns, where, self.source.format)

    def _count(self, record: Record) -> None:
        self.groups[record.group] += 1
        for name, texts in zip(self.spec.fields, record.texts, strict=True):
            if texts:
                cut = self.spec.fields[name].max_chars
                facts = self.fields[name]
                facts["present"] += 1
                facts["texts"] += len(texts)
                sizes = [len(text) for text in texts]
                facts["chars"] += sum([size if size < cut else cut for size in sizes] if cut else sizes)
        if len(self.examples) < EXAMPLES and all(record.texts):
            texts_by_field = dict(zip(self.spec.fields, map(list, record.texts), strict=True))
            self.examples.append({"id": record.id, "group": record.group, "texts": texts_by_field})

    def facts(self) -> SurveyFacts:
        """Return the counts, as a plan keeps them for people."""
        found: Occasional = {}
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
            "fields": self.fields,
            "groups": dict(sorted(self.groups.items(), key=lambda item: (-item[1], item[0]))),
            "examples": self.examples,
        }

    def ids(self) -> pa.Table:
        """Return each record's row, the digest of its id, 16 bits of its title, and with ``record.count`` its use."""
        digests = np.frombuffer(self.digests, dtype=">u8").reshape(-1, 2).astype(np.uint64)
        rows = np.frombuffer(self.rows, np.int64)
        table = pa.table([pa.array(rows), pa.array(digests[:, 0]), pa.array(digests[:, 1])], schema=IDS)
        table = table.append_column("title", pa.array(np.frombuffer(self.titles, np.uint16)))
        if not isinstance(self.spec.count, str):
            return table
        return table.append_column("use", pa.array(np.frombuffer(self.uses, dtype=">u8").astype(np.uint64)))
