"""The data card of an atlas: what it contains, how it was made, and its known limits."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from vidatlas.storage.tables import TABLES
from vidatlas.version import __version__
from vidatlas.views.page import Report
from vidatlas.views.text import as_markdown, environment


def front_matter(title: str, videos: int, tables: Mapping[str, str]) -> str:
    """Return the YAML by which a hub shows a folder as a data set.

    ``tables`` are the files (a pattern) of each table by its name, the one that is shown first as the first.
    """
    low = max(3, min(12, len(str(videos)) - 1))  # powers of ten: 1K to 1T
    size = "n<1K" if videos < 1000 else f"{_power(low)}<n<{_power(low + 1)}"
    named = f"pretty_name: {json.dumps(title, ensure_ascii=False)}"
    lines = ["---", named, "tags: [vidatlas]", f"size_categories: [{size}]", "configs:"]
    for name, files in tables.items():
        lines += [f"- config_name: {name}", f"  data_files: {json.dumps(files)}"]
    return "\n".join([*lines, "---", ""])


def _power(digits: int) -> str:
    return f"{10 ** (digits % 3)}{' KMBT'[digits // 3]}"


def _shown(value: object) -> object:
    """Escape texts from data, so that they cannot end a table cell or start markup."""
    return as_markdown(value) if isinstance(value, str) else value


def render_card(report: Report, about: str, weights: str, normalisation: str, dim: int, assigned: Sequence[str]) -> str:
    """Return the card as Markdown.

    Args:
        report: what it shares with the report page.
        about: the recipe.
        weights: fields that make a vector, with their weights; empty where vectors were given.
        normalisation: what is scaled to unit length.
        dim: dimensions of a vector.
        assigned: the columns of ``assignments/``.
    """
    templates = environment(Path(__file__).parent / "templates", _shown)
    # HTML escaping would show as entities; `_shown` cleans every value instead.
    templates.autoescape, templates.keep_trailing_newline = False, True
    front = front_matter(report.title, report.counts["kept"], TABLES)
    return front + templates.get_template("card.md.jinja").render(
        report=report, about=about, weights=weights, normalisation=normalisation, dim=dim, assigned=assigned,
        version=__version__,
    )  # fmt: skip
