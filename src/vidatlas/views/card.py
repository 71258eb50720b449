"""The data card of an atlas: what it contains, how it was made, and its known limits."""

from __future__ import annotations

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
    return environment.get_template("card.md.jinja").render(card=card)
