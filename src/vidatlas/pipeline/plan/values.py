"""Values of the columns that a recipe keeps or names: their kinds, and what does not fit, counted while planning."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

from vidatlas.sources.fields import RecordSpec, unnamed
from vidatlas.sources.values.columns import Kind, kind_from, kind_of, typed
from vidatlas.types import Json, Record

NAMED = 3
"""Values that a note names."""
_EXAMPLE_CHARS = 80


@dataclass(slots=True)
class Odd:
    """Count values that do not fit, and keep the first few different ones."""

    count: int = 0
    examples: list[str] = field(default_factory=list)

    def add(self, text: str) -> None:
        """Count a value."""
        self.count += 1
        if len(self.examples) < NAMED and text[:_EXAMPLE_CHARS] not in self.examples:
            self.examples.append(text[:_EXAMPLE_CHARS])


@dataclass(slots=True)
class ValueSurvey:
    """Count, in one input file, the kinds of values of each typed column, misfits, and values without a name."""

    kinds: dict[str, Counter[str]] = field(default_factory=lambda: defaultdict(Counter))
    misfits: dict[str, Odd] = field(default_factory=lambda: defaultdict(Odd))
    unnamed: dict[str, Odd] = field(default_factory=lambda: defaultdict(Odd))

    def see(self, row: dict[str, Any], record: Record, spec: RecordSpec) -> None:
        """Take a row that was read, and its record."""
        for where, text in unnamed(row, spec) if spec.map else ():
            self.unnamed[where].add(text)
        for (name, column), cell in zip(spec.columns.items(), record.columns, strict=True):
            kind = kind_of(cell)
            self.kinds[name][kind] += 1
            if kind and typed(cell, column.type or "text") is None:
                self.misfits[name].add(str(cell))

    def facts(self) -> Json:
        """Return what was counted; nothing where the recipe asks for nothing."""
        odd = {
            "misfits": {name: {"count": odd.count, "examples": odd.examples} for name, odd in self.misfits.items()},
            "unnamed": {name: {"count": odd.count, "examples": odd.examples} for name, odd in self.unnamed.items()},
        }
        kinds = {name: dict(sorted(counts.items())) for name, counts in self.kinds.items()}
        found = {name: facts for name, facts in {"kinds": kinds, **odd}.items() if facts}
        return {"values": found} if found else {}


def value_facts(spec: RecordSpec, parts: Sequence[Json]) -> Json:
    """Return what the plan's entry says of values: types of typed columns, misfits, and values without a name."""
    said = [facts.get("values", {}) for facts in parts]
    entry: Json = {"columns": _types(spec, said)} if spec.columns else {}
    odd = {what: found for what in ("misfits", "unnamed") if (found := _merged(facts.get(what, {}) for facts in said))}
    return entry | ({"values": odd} if odd else {})


def _types(spec: RecordSpec, said: Sequence[Json]) -> dict[str, Kind]:
    types: dict[str, Kind] = {}
    for name, column in spec.columns.items():
        seen: Counter[str] = Counter()
        for facts in said:
            seen.update(facts.get("kinds", {}).get(name, {}))
        types[name] = column.type or kind_from(seen, (name, column.column))
    return types


def _merged(parts: Iterable[Json]) -> Json:
    """Return what several input files say of each column as one."""
    total: Json = {}
    for part in parts:
        for name, odd in part.items():
            known = total.setdefault(name, {"count": 0, "examples": []})
            known["count"] += odd["count"]
            known["examples"] = list(dict.fromkeys([*known["examples"], *odd["examples"]]))[:NAMED]
    return total
