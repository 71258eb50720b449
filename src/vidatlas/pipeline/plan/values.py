"""Values of the columns that a recipe keeps or names: their kinds, and what does not fit, counted while planning."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from vidatlas.sources.fields import RecordSpec, unnamed
from vidatlas.sources.values.columns import kind_from, kind_of, typed
from vidatlas.sources.values.language import detector
from vidatlas.storage.json_files import PartFacts, PartValues
from vidatlas.storage.manifest import Odd, OddValues, Values
from vidatlas.types import Kind, Record

NAMED = 3
"""Values that a note names."""
_EXAMPLE_CHARS = 80


@dataclass(slots=True)
class ValueSurvey:
    """Count, in one input file, the kinds of values of each typed column, misfits, and values without a name."""

    kinds: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    misfits: dict[str, OddValues] = field(default_factory=dict)
    unnamed: dict[str, OddValues] = field(default_factory=dict)

    def see(self, row: dict[str, Any], record: Record, spec: RecordSpec) -> None:
        """Take a row that was read, and its record."""
        for where, text in unnamed(row, spec) if spec.map else ():
            _add(self.unnamed, where, 1, [text[:_EXAMPLE_CHARS]])
        for (name, column), cell in zip(spec.columns.items(), record.columns, strict=True):
            kind = kind_of(cell)
            self.kinds[name][kind] += 1
            # Without a declared type only a list or an object can be a misfit: asked of cells of every row.
            if not kind or column.type == "language" or (column.type is None and isinstance(cell, str | int | float)):
                continue
            if typed(cell, column.type or "text") is None:
                _add(self.misfits, name, 1, [str(cell)[:_EXAMPLE_CHARS]])

    def merge(self, later: ValueSurvey) -> None:
        """Add what was counted in the rows behind these."""
        for name, counts in later.kinds.items():
            self.kinds[name].update(counts)
        for own, odd in ((self.misfits, later.misfits), (self.unnamed, later.unnamed)):
            for name, found in odd.items():
                _add(own, name, found["count"], found["examples"])

    def facts(self) -> PartValues:
        """Return what was counted; nothing where the recipe asks for nothing."""
        found: PartValues = {}
        if self.kinds:
            found["kinds"] = {name: dict(sorted(counts.items())) for name, counts in self.kinds.items()}
        if self.misfits:
            found["misfits"] = self.misfits
        if self.unnamed:
            found["unnamed"] = self.unnamed
        return found


def value_facts(spec: RecordSpec, parts: Sequence[PartFacts]) -> Values:
    """Return what the plan's entry says of values: types of typed columns, misfits, and values without a name."""
    said = [facts["values"] for facts in parts if "values" in facts]
    entry: Values = {"columns": _types(spec, said)} if spec.columns else {}
    odd: Odd = {}
    if misfits := _merged(facts.get("misfits", {}) for facts in said):
        odd["misfits"] = misfits
    if nameless := _merged(facts.get("unnamed", {}) for facts in said):
        odd["unnamed"] = nameless
    held = {name for facts in said for name, counts in facts.get("kinds", {}).items() if set(counts) - {""}}
    if empty := {name: spec.sources[name] for name, one in spec.columns.items() if one.optional and name not in held}:
        odd["empty"] = empty
    if spec.languages and not detector():
        odd["undetected"] = spec.languages
    if odd:
        entry["values"] = odd
    return entry


def _types(spec: RecordSpec, said: Sequence[PartValues]) -> dict[str, Kind]:
    types: dict[str, Kind] = {}
    for name, column in spec.columns.items():
        seen: Counter[str] = Counter()
        for facts in said:
            seen.update(facts.get("kinds", {}).get(name, {}))
        types[name] = column.type or kind_from(seen, (name, spec.sources[name]))
    return types


def _merged(parts: Iterable[Mapping[str, OddValues]]) -> dict[str, OddValues]:
    """Return what several input files say of each column as one."""
    total: dict[str, OddValues] = {}
    for part in parts:
        for name, odd in part.items():
            _add(total, name, odd["count"], odd["examples"])
    return total


def _add(odd: dict[str, OddValues], name: str, count: int, examples: Iterable[str]) -> None:
    """Count values that do not fit a column, and keep the first few different ones."""
    known = odd.setdefault(name, {"count": 0, "examples": []})
    known["count"] += count
    if len(known["examples"]) < NAMED:
        known["examples"] = list(dict.fromkeys([*known["examples"], *examples]))[:NAMED]
