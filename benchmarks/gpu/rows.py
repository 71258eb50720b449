"""A row is what one thing measured gave, or why it gave nothing; rows become JSON and Markdown."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Literal

Status = Literal["ok", "skipped", "failed"]
Figures = dict[str, Any]


@dataclass(frozen=True)
class Row:
    """Say what was measured and what came out.

    Attributes:
        what: the thing measured, as a table's first column names it.
        figures: column -> number, text, or yes and no.
        note: on what, how often, or why it has no figures.
        status: "skipped" is what this device or installation cannot do.
        step: filled in by whoever runs the step.
    """

    what: str
    figures: Figures = field(default_factory=dict)
    note: str = ""
    status: Status = "ok"
    step: str = ""


@dataclass(frozen=True)
class Attempt:
    """Name a part of a step that may fail without its siblings: whoever runs the step makes a row of what it raises.

    Attributes:
        what: the thing measured, as its row names it.
        work: gives the row, or None where it only prepares.
    """

    what: str
    work: Callable[[], Row | None]


def skipped(what: str, why: str) -> Row:
    """Return a row that says why there is nothing to measure here."""
    return Row(what, note=why, status="skipped")


def line(row: Row) -> str:
    """Return a row as one line for the screen."""
    state = "" if row.status == "ok" else f"{row.status.upper()} "
    figures = " · ".join(f"{name} {shown(value)}" for name, value in row.figures.items())
    return f"{row.step} | {row.what}: {state}{' — '.join(filter(None, (figures, row.note)))}"


def shown(value: Any) -> str:
    """Return a figure as people read it: four digits, thousands set apart."""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        if value == 0 or 0.001 <= abs(value) < 1:
            return f"{value:.4g}" if abs(value) < 0.9999 else f"{value:.7f}"
        return f"{value:.1e}" if abs(value) < 0.001 else f"{value:,.{max(0, 3 - len(str(int(abs(value)))))}f}"
    return f"{value:,}" if isinstance(value, int) else str(value)


def write(path: Path, about: Figures, rows: Iterable[Row]) -> None:
    """Write everything so far as JSON, whole or not at all."""
    temporary = path.with_name(f".{path.name}.part")
    found = {"about": about, "rows": [asdict(row) for row in rows]}
    temporary.write_text(json.dumps(found, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    temporary.replace(path)


def read(path: Path) -> tuple[Figures, list[Row]]:
    """Return what a run wrote."""
    found = json.loads(path.read_text(encoding="utf-8"))
    return found["about"], [Row(**row) for row in found["rows"]]


def markdown(about: Figures, rows: list[Row]) -> str:
    """Return the section for RESULTS.md: a step's rows with the same columns make a table, those without a list."""
    parts = [" · ".join(str(value) for value in about.values())]
    for step in dict.fromkeys(row.step for row in rows):
        parts.append(f"### {step}")
        found: dict[tuple[str, ...], list[Row]] = {}
        for row in sorted((row for row in rows if row.step == step), key=lambda row: not row.figures):
            found.setdefault(tuple(row.figures), []).append(row)
        parts += [_table(columns, some) if columns else "\n".join(map(_item, some)) for columns, some in found.items()]
    return "\n\n".join(parts) + "\n"


def _table(columns: tuple[str, ...], rows: list[Row]) -> str:
    head = ("", *columns, "")
    lines = ["| " + " | ".join(head) + " |", "|---" * len(head) + "|"]
    for row in rows:
        note = row.note if row.status == "ok" else f"{row.status}: {row.note}"
        cells = (row.what, *(shown(value) for value in row.figures.values()), note)
        lines.append("| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |")
    return "\n".join(lines)


def _item(row: Row) -> str:
    return f"- {row.what}: {row.note if row.status == 'ok' else f'{row.status}, {row.note}'}"
