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
    alone: bool = True
    """Whether this file is the whole input."""
    header: bool = False
    """Whether the file itself names its columns, so that no later row can add one."""
    late: set[str] = field(default_factory=set)
    """Columns that none of the first rows had."""
    objects: int = 0
    fields: dict[str, FieldFacts] = field(default_factory=dict)
    examples: list[Example] = field(default_factory=list)
    tables: list[pa.Table] = field(default_factory=list)
    """What ``ids`` returns of the rows before those below."""
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

    @property
    def settled(self) -> bool:
        """Tell whether no later row changes what is made of the next ones: from here on, surveys can be merged."""
        return self.objects >= COLUMNS_AFTER

    @property
    def kept(self) -> int:
        """Return the number of usable rows so far."""
        return sum(len(table) for table in self.tables) + len(self.rows)

    def see(self, raw: bytes | None, number: int, line: int, source: RowSpec, names: tuple[str, ...] = ()) -> int:
        """Take a row of the input; return how many rows it stands for.

        Args:
            raw: its bytes; None if there are too many.
            number: that of the first row that it stands for.
            line: where it begins.
            source: how it is read.
            names: the columns, if the rows do not contain them.
        """
        whole = source.decode(raw, names)
        found = source.spread(whole)
        for at, row in enumerate(found, number):
            self._take(at, row, line)
        if isinstance(whole, Reason):
            self.hints.see_unreadable(raw, line, self.source.format)
        else:
            self._see_columns(whole)
            if self.source.explode and (group := group_of(whole, self.spec)):
                self.groups[group] += 0  # one without a term is named too
        return len(found)

    def _take(self, row: int, found: dict[str, Any] | Reason, line: int) -> None:
        record = found if isinstance(found, Reason) else parse_row(found, self.spec)
        if self.given and isinstance(record, Record) and not isinstance(found, Reason):
            vector = self.given.of(row, found)
            if isinstance(vector, Reason):
                record = vector
            elif self.given.dim is None:
                self.given = replace(self.given, dim=len(vector))
        if isinstance(record, Reason):
            self.rejects[record] += 1
            self.hints.see_rejected(found, line, record, self.spec, self.source.format)
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

    def continued(self) -> PartSurvey:
        """Return a survey of rows behind a settled one, for ``merge``."""
        hints = replace(self.hints, first=None, remedy="")
        return PartSurvey(self.spec, self.source, hints=hints, late=set(self.late), objects=self.objects)

    def merge(self, later: PartSurvey) -> None:
        """Add a survey that goes on where the rows so far end."""
        self.pack()
        self.tables += later.tables
        self.rejects.update(later.rejects)
        self.groups.update(later.groups)
        self.columns.update(later.columns)
        for name, facts in later.fields.items():
            own = self.fields[name]
            own["present"] += facts["present"]
            own["texts"] += facts["texts"]
            own["chars"] += facts["chars"]
        self.examples = [*self.examples, *later.examples][:EXAMPLES]
        self.hints.first = self.hints.first or later.hints.first
        self.hints.remedy = self.hints.remedy or later.hints.remedy
        self.values.merge(later.values)

    def _see_columns(self, row: dict[str, Any]) -> None:
        if self.objects >= COLUMNS_AFTER:
            if self.late:
                self.columns.update(dict.fromkeys(name for name in row if name in self.late))
                self.late -= row.keys()
            return
        self.objects += 1
        self.hints.see(row)
        self.columns.update(dict.fromkeys(row))
        if self.objects == COLUMNS_AFTER and ((self.header and self.alone) or not self.kept):
            self._require_columns()
        if self.objects == COLUMNS_AFTER:
            self.late = set(self.missing())

    def finish(self, form: Format) -> None:
        """Raise UsageError where the recipe names a column that no row has, or the file has another format.

        Where other files belong to the input too, and this one has usable rows, it is theirs to have the column.
        """
        self.hints.refuse_format(form)
        if self.alone or not self.kept:
            self._require_columns()

    def missing(self) -> list[str]:
        """Return the columns that the recipe names and no row has."""
        wanted = self.source.required(self.spec.input_columns())
        return [column for column in wanted if column not in self.columns]

    def _require_columns(self) -> None:
        missing = self.missing()
        if missing and self.columns and (self.objects or self.rejects):
            rows = f"The first {self.objects:,} rows have" if self.objects > 1 else "The first row has"
            where = rows if self.objects else "The header names"
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
        if first := self.hints.first_reject(self.kept + self.rejects.total(), unusable):
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
        self.pack()
        return pa.concat_tables(self.tables)

    def pack(self) -> None:
        """Turn what ``ids`` returns of the last rows into a table."""
        if self.tables and not self.rows:
            return
        digests = np.frombuffer(self.digests, dtype=">u8").reshape(-1, 2).astype(np.uint64)
        rows = np.frombuffer(self.rows, np.int64)
        table = pa.table([pa.array(rows), pa.array(digests[:, 0]), pa.array(digests[:, 1])], schema=IDS)
        table = table.append_column("title", pa.array(np.frombuffer(self.titles, np.uint16)))
        if isinstance(self.spec.count, str):
            table = table.append_column("use", pa.array(np.frombuffer(self.uses, dtype=">u8").astype(np.uint64)))
        self.tables.append(table)
        self.rows, self.digests, self.titles, self.uses = array("q"), bytearray(), array("H"), bytearray()
