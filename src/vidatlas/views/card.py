"""Render an atlas's data card: what it is, how it was made, what it does not claim."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined


@dataclass(frozen=True)
class Card:
    """Hold everything the card says."""

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
    limits: tuple[str, ...]
    content_sha256: str


def _cell(value: object) -> object:
    """Keep what comes from data from ending a table cell or starting markup."""
    if not isinstance(value, str):
        return value
    line = " ".join("".join(sign if sign.isprintable() else " " for sign in value).split())
    return line.replace("|", "\\|").replace("<", "&lt;")


def render_card(card: Card) -> str:
    """Return the card as Markdown."""
    # Markdown, not HTML: HTML escaping would show as entities; `_cell` cleans every value instead.
    environment = Environment(  # noqa: S701
        loader=FileSystemLoader(Path(__file__).parent),
        undefined=StrictUndefined,
        finalize=_cell,
        keep_trailing_newline=True,
        trim_blocks=False,
    )
    return environment.get_template("card.md.jinja").render(card=card)
