"""Hints: what an input file is that the recipe cannot read, and which setting reads it."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from shlex import quote
from typing import Any

from vidatlas.errors import UsageError
from vidatlas.sources.cells import holds_objects, read_literal
from vidatlas.sources.content.file_type import records_setting, records_under
from vidatlas.sources.content.sniff import detect_csv
from vidatlas.sources.csv import NAMELESS, CsvSpec
from vidatlas.sources.fields import RecordSpec
from vidatlas.sources.jsonl import parse_line
from vidatlas.sources.paths import EACH, NAMING_KEYS, nearest, nested_names, say_missing
from vidatlas.sources.rows import Format
from vidatlas.storage.json_files import FirstReject
from vidatlas.types import Reason

_LINES = 20
"""Lines without a readable one among them after which a file is examined."""
_SAMPLED = 20
"""Rows whose nested names are collected."""
_NO_TABLE = (b"{", b"[", b"<")
"""How JSON and markup start."""


@dataclass(slots=True)
class Hints:
    """Collect what a message needs to say which file, line and column a recipe cannot read."""

    url: str
    head: bytes = b""
    """Its first bytes, as UTF-8."""
    lines: list[bytes] = field(default_factory=list)
    line: int = 0
    """Where the first of those lines stands."""
    names: dict[str, None] = field(default_factory=dict)
    """Names of values in the first rows, those of nested ones as paths."""
    sampled: int = 0
    first: tuple[int, str] | None = None
    """Line and reason of the first row that cannot be used."""
    remedy: str = ""
    """What to set, for the first row that cannot be used."""

    def see(self, row: dict[str, Any]) -> None:
        """Take a row that was read."""
        if self.sampled < _SAMPLED:
            self.sampled += 1
            self.names.update(dict.fromkeys(nested_names(row)))

    def see_unreadable(self, raw: bytes | None, line: int, form: Format) -> None:
        """Take a row that could not be read, as long as none was; examine the file when there are enough.

        Raises:
            UsageError: the file has another format.
        """
        if len(self.lines) < _LINES and not self.sampled:
            self.line = self.line or line
            self.lines.append(raw or b"")
            if len(self.lines) == _LINES:
                self.refuse_format(form)

    def refuse_format(self, form: Format) -> None:
        """Raise UsageError if no row could be read, and the first ones have another format."""
        if self.sampled or not self.lines:
            return
        if isinstance(form, CsvSpec):
            whole = all(isinstance(parse_line(line), dict) for line in self.lines)
            kind, setting = "JSON lines", "--set source.format=jsonlines" if whole else None
        else:
            kind, setting = "CSV", csv_setting(self.head, form)
        if setting:
            raise UsageError(f"line {self.line:,} cannot be read: this looks like {kind}: add {setting}")

    def refuse_columns(
        self, missing: list[str], columns: Iterable[str], where: str, form: Format | None = None
    ) -> None:
        """Raise UsageError that names columns that are missing, the nearest ones, and those that are there."""
        found = dict.fromkeys([*self.names, *columns])
        there = [name for name in found if not NAMELESS.fullmatch(name) and not self._is_nested(name)]
        wanted, listed = say_missing(missing, there)
        remedy = "Choose another recipe, or name the columns with --set (for example --set record.id=video_id)."
        if any(f"/{name}=" in self.url for name in missing):
            remedy = "A folder of its path is named so: add --set source.path=hive"
        elif isinstance(form, CsvSpec) and (setting := csv_setting(self.head, form)):
            remedy = f"The table looks different: add {setting}"
        # Only where a column is in them: lists of objects within records are tags, say.
        under = None if isinstance(form, CsvSpec) else records_under(self.head)
        if under and any((nearest(name, there) or "").startswith(f"{under}{EACH}.") for name in missing):
            remedy += f" If the records are those under {under}, add {records_setting(under)}."
        raise UsageError(f"no such column: {wanted}. {where}: {listed}. {remedy}")

    def _is_nested(self, column: str) -> bool:
        return column not in self.names and any(name.startswith((f"{column}.", f"{column}[]")) for name in self.names)

    def see_rejected(
        self, row: dict[str, Any] | Reason, line: int, reason: Reason, spec: RecordSpec, form: Format
    ) -> None:
        """Take a row that gives no record."""
        if reason.asked_for:
            return
        self.first = self.first or (line, str(reason))
        if reason is Reason.INVALID_UTF8 and form.kind == "csv":
            self.remedy = self.remedy or "If the text is Latin-1: --set source.format.encoding=cp1252"
        if reason is Reason.WRONG_WIDTH:
            self.remedy = self.remedy or (
                "If cells hold lone carriage returns, which end a line here as in Python's csv, replace them "
                "(pandas: replace('\\r', ' ', regex=True)), or quote the cells"
            )
        if not self.remedy and not isinstance(row, Reason) and reason in (Reason.INVALID_FIELD, Reason.INVALID_ID):
            self.remedy = next(_objects(row, spec), "")

    def first_reject(self, rows: int, rejects: int) -> FirstReject | None:
        """Return what the plan keeps for the message of a run that stops: None if most rows can be used."""
        if rejects <= rows // 100 or not self.first:
            return None
        return {"line": self.first[0], "reason": self.first[1], "hint": self.remedy}


def _objects(row: dict[str, Any], spec: RecordSpec) -> Iterator[str]:
    """Yield, for each key of the recipe whose column holds objects in a row, how to name a value in them."""
    ids = (spec.id,) if isinstance(spec.id, str) else spec.id or ()
    keys = [*(("record.id", name) for name in ids), ("record.group", spec.group), ("record.author", spec.author)]
    keys += [(f"record.fields.{key}.column", name) for key, text in spec.fields.items() for name in text.columns]
    keys += [("record.labels.column", spec.labels.column if spec.labels else None)]
    keys += [("record.shown", name) for name in spec.shown]
    for key, column in keys:
        value = row.get(column) if column else None
        if not holds_objects(value):
            continue
        names = [name for name in nested_names({column: read_literal(value) if isinstance(value, str) else value})]
        best = next((name for end in NAMING_KEYS for name in names if name.endswith(f".{end}")), names[0])
        if best != column:
            setting = f"[{best}]" if key == "record.shown" else best
            yield f"{column!r} holds objects: name a value in them, for example --set {quote(f'{key}={setting}')}"


def csv_setting(head: bytes, form: Format) -> str:
    """Return the ``--set`` that probably reads a text as CSV; "" where the recipe says the same, or it is no table."""
    first, _, rest = head.lstrip().partition(b"\n")
    found = detect_csv(head, {"encoding": "utf-8"}) if rest and not first.startswith(_NO_TABLE) else None
    if not found:
        return ""
    keys = {key: value for key, value in found.items() if key not in ("kind", "encoding")}
    if isinstance(form, CsvSpec):
        own = form.model_dump(mode="json")
        changed = {key: value for key, value in {"delimiter": ",", **keys}.items() if own[key] != value}
        return " ".join(f"--set {quote(f'source.format.{key}={json.dumps(value)}')}" for key, value in changed.items())
    more = "".join(f", {key}: {json.dumps(value)}" for key, value in keys.items())
    return f"--set 'source.format={{kind: csv{more}}}'" if more else "--set source.format=csv"
