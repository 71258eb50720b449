"""Findings: the few things about an atlas that a reader should know first, computed from its subcategories."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from vidatlas.views.page import Report
from vidatlas.views.table import Row, band, is_known

MOST = 5
LEAST_VIDEOS = 10
"""Smallest subcategory that a finding is about, unless all are smaller."""
_FOREIGN = 0.05
"""Share of titles in other than Latin letters that is worth saying first."""
_SCRIPTS = 3


class Finding(NamedTuple):
    """One finding.

    Attributes:
        about: what it is about, such as "Largest".
        name: the subcategory's; empty where it is about all.
        says: one sentence.
        link: id of the place on the page that it leads to.
    """

    about: str
    name: str
    says: str
    link: str


def findings_of(report: Report, rows: Sequence[Row]) -> list[Finding]:
    """Return up to five findings, most informative first."""
    return [found for found in _findings(report, rows) if found][:MOST]


def _findings(report: Report, rows: Sequence[Row]) -> Iterator[Finding | None]:
    many = report.nouns.record[1]
    # Where there is no choice, nothing is the largest.
    large = [row for row in rows if row.sub.size >= LEAST_VIDEOS] or list(rows)
    if len(rows) < 2:
        large = []
    yield _scripts(report)
    yield _best(large, "Largest", lambda row: row.sub.size, lambda row: _size(row, report))
    yield _best(large, "Fastest growing", lambda row: row.trend.growth, lambda row: _growth(row, report), least=0.05)
    yield _best(large, "Most viewed", lambda row: row.trend.median_views, lambda row: _views(row, many))
    clearest = _best(large, "Clearest", lambda row: row.sub.silhouette, lambda row: _clearness(row, many))
    yield clearest
    unclear = _best(large, "Least clear", lambda row: _minus(row.sub.silhouette), lambda row: _clearness(row, many))
    yield unclear if unclear and clearest and unclear.link != clearest.link else None


def _best(
    rows: Sequence[Row],
    about: str,
    value: Callable[[Row], float | None],
    says: Callable[[Row], str],
    least: float | None = None,
) -> Finding | None:
    measured = [(found, row) for row in rows if is_known(found := value(row))]
    if not measured:
        return None
    most, row = max(measured, key=lambda pair: pair[0])
    return None if least is not None and most < least else Finding(about, row.sub.name, says(row), f"c{row.key}")


def _minus(value: float | None) -> float | None:
    return -value if is_known(value) else None


def _size(row: Row, report: Report) -> str:
    share = row.sub.size / max(report.counts["kept"], 1)
    return f"{report.nouns.records(row.sub.size)}, {share:.1%} of all."


def _growth(row: Row, report: Report) -> str:
    growth, months, many = row.trend.growth or 0.0, report.window, report.nouns.record[1]
    if growth < 1:
        return f"{growth:.0%} more {many} in the last {months} months than in the {months} before."
    return f"{growth + 1:,.1f} times as many {many} in the last {months} months as in the {months} before."


def _views(row: Row, many: str) -> str:
    return f"Half of its {many} have more than {row.trend.median_views:,} views."


def _clearness(row: Row, many: str) -> str:
    words = {
        "very clear": f"Its {many} are much closer to each other than to any other group.",
        "clear": f"Its {many} are clearly closer to each other than to any other group.",
        "loose": f"Its {many} are somewhat closer to each other than to any other group.",
        "overlapping": f"Many of its {many} are as close to another group.",
        "unclear": f"Most of its {many} are closer to another group: read its name with care.",
    }
    return words[band(row.sub.silhouette)]


def _scripts(report: Report) -> Finding | None:
    foreign = [(name, share) for name, share in report.scripts if name != "Latin"]
    total = sum(share for _, share in foreign)
    if total < _FOREIGN:
        return None
    named = ", ".join(f"{name} {share:.1%}" for name, share in foreign[:_SCRIPTS])
    unknown = " The encoder knows English only." if report.warning else ""
    says = f"{total:.1%} of the titles are not in Latin letters: {named}.{unknown}"
    return Finding("Scripts", "", says, "languages")
