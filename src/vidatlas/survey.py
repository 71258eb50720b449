"""What the rows of a part hold, counted as they come by."""

from __future__ import annotations

import hashlib
from array import array
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pyarrow as pa

from vidatlas.fields import RecordSpec, group_of, parse_row
from vidatlas.sources.rows import JSON_LINES, RowSpec
from vidatlas.sources.silent import Silent
from vidatlas.types import Json, Reason, Record, UsageError

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
