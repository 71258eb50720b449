"""The data card of an atlas: what it contains, how it was made, and its known limits."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from vidatlas.views.text import as_markdown


@dataclass(frozen=True)
class Card:
    """Hold the content of the data card."""

    title: str
    version: str
    recipe_name: str
    about: str
    counts: tuple[tuple[str, str], ...]
    facts: tuple[tuple[str, str], ...]
    weights: str
    normalisation: str
    making: str
    dim: int
    assigned: tuple[str, ...]
    """The columns of ``assignments/``."""
    limits: tuple[str, ...]
    content_sha256: str
    dated: bool = False
    """Whether videos have dates, and ``trends.parquet`` is there."""
    front: str = ""
    """What ``front_matter`` returns."""


def front_matter(title: str, videos: int, tables: Mapping[str, str]) -> str:
    """Return the YAML by which a hub shows a folder as a data set.

    Args:
        title: of the atlas.
        videos: how many it has.
        tables: the files (a pattern) of each table by its name, the one that is shown first as the first.
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


def render_card(card: Card) -> str:
    """Return the card as Markdown."""
    # Markdown, not HTML: HTML escaping would show as entities; `_shown` cleans every value instead.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(Path(__file__).parent / "templates"),
        undefined=StrictUndefined,
        finalize=_shown,
        keep_trailing_newline=True,
        trim_blocks=False,
    )
    return card.front + environment.get_template("card.md.jinja").render(card=card)
