"""What a recipe calls its records and their groups, wherever people read about them."""

from __future__ import annotations

from typing import Annotated

from pydantic import BaseModel, ConfigDict, StringConstraints

Noun = Annotated[str, StringConstraints(min_length=1, max_length=40, pattern=r"^\w[\w' -]*$")]
"""Letters, digits, spaces, hyphens and apostrophes: it stands in pages, Markdown and labels."""


class Nouns(BaseModel):
    """Name one and many: of records, and of the groups inside which clusters are found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    record: tuple[Noun, Noun] = ("video", "videos")
    group: tuple[Noun, Noun] = ("category", "categories")

    def records(self, count: int) -> str:
        """Return how many records there are, in words."""
        return f"{count:,} {self.record[count != 1]}"

    def groups(self, count: int) -> str:
        """Return how many groups there are, in words."""
        return f"{count:,} {self.group[count != 1]}"
