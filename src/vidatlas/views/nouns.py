"""Nouns for records and groups, as a recipe calls them in everything people read."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, StringConstraints

Noun = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^\w[\w' -]*$")]
"""Letters, digits, spaces, hyphens and apostrophes: safe in pages, Markdown and labels."""


class Nouns(BaseModel, frozen=True, extra="forbid"):
    """Choose the nouns, singular and plural, for records and for the groups that are clustered."""

    record: tuple[Noun, Noun] = ("video", "videos")
    """A record: singular and plural."""
    group: tuple[Noun, Noun] = ("category", "categories")
    """A group: singular and plural."""

    def records(self, count: int) -> str:
        """Return a number of records with its noun."""
        return f"{count:,} {self.record[count != 1]}"

    def groups(self, count: int) -> str:
        """Return a number of groups with its noun."""
        return f"{count:,} {self.group[count != 1]}"
