"""Findings are computed from the subcategories; what cannot be found is not said."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from vidatlas.storage.manifest import PlanCounts
from vidatlas.views.findings import Finding, findings_of
from vidatlas.views.page import Category, Report, Subcategory, Trend
from vidatlas.views.table import rows_of


def sub(number: int, size: int, silhouette: float | None = None, **trend: Any) -> Subcategory:
    return Subcategory(number, f"name {number}", size, (), (), silhouette, trend=Trend(**trend) if trend else None)


def found(*subs: Subcategory, **changes: Any) -> dict[str, Finding]:
    categories = (Category("Music", sum(one.size for one in subs), None, subs),)
    counts = PlanCounts(read=200, kept=200, rejected=0, duplicates=0, rejects={})
    report = Report("r", (), counts, categories, (), (), (), "e", (), (), "", "", ())
    report = replace(report, **changes)
    return {finding.about: finding for finding in findings_of(report, rows_of(categories))}


def test_each_finding_names_and_links_the_row_it_is_about() -> None:
    findings = found(
        sub(0, 100, 0.1, median_views=10, growth=0.2),
        sub(1, 50, 0.6, median_views=99_000, growth=None),
        sub(2, 40, -0.2, median_views=10, growth=2.5),
        window=12,
    )
    assert {about: (one.name, one.link) for about, one in findings.items()} == {
        "Largest": ("name 0", "c1-0"),
        "Fastest growing": ("name 2", "c1-2"),
        "Most viewed": ("name 1", "c1-1"),
        "Clearest": ("name 1", "c1-1"),
        "Least clear": ("name 2", "c1-2"),
    }
    assert findings["Largest"].says == "100 videos, 50.0% of all."
    assert findings["Fastest growing"].says == "3.5 times as many videos in the last 12 months as in the 12 before."
    assert findings["Most viewed"].says == "Half of its videos have more than 99,000 views."


def test_scripts_come_first_where_many_titles_are_not_in_latin_letters() -> None:
    scripts = (("Latin", 0.6), ("Cyrillic", 0.25), ("Thai", 0.1), ("Greek", 0.04), ("Hebrew", 0.01))
    findings = found(sub(0, 20), sub(1, 10), scripts=scripts, warning="so")
    assert list(findings) == ["Scripts", "Largest"]
    says = "40.0% of the titles are not in Latin letters: Cyrillic 25.0%, Thai 10.0%, Greek 4.0%. "
    assert findings["Scripts"].says == says + "The encoder knows English only."
    assert findings["Scripts"].link == "languages"
    assert "Scripts" not in found(sub(0, 20), scripts=(("Latin", 0.96), ("Thai", 0.04)))


def test_few_videos_do_not_make_a_finding() -> None:
    assert found(sub(0, 100, 0.1), sub(1, 9, 0.9), sub(2, 30, 0.0))["Clearest"].name == "name 0"
    assert found(sub(0, 3, 0.1), sub(1, 2, 0.9))["Clearest"].name == "name 1", "unless all are small"


def test_what_was_not_measured_or_has_no_choice_is_not_said() -> None:
    assert found(sub(0, 100, 0.5)) == {}
    assert list(found(sub(0, 100), sub(1, 50))) == ["Largest"]
    assert "Fastest growing" not in found(sub(0, 100, growth=-0.3), sub(1, 50, growth=0.01))
