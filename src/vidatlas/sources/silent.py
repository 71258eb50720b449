"""Groups that stand in rows of which no term became a record, such as users without hashtags."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from vidatlas.types import Json

MOST_NAMES = 1_000
"""Names that are kept of one part, the first in their order; the others are counted."""
MOST_HELD = 100_000
"""Groups of one part that are held in memory while it is read, whether a later row gives them a record or not."""


@dataclass(slots=True)
class Silent:
    """Follow which groups of a part have no record so far."""

    names: set[str] = field(default_factory=set)
    complete: bool = True
    """Whether there was room for all of them."""

    def see(self, group: str, heard: Mapping[str, int]) -> None:
        """Take the group of a row, behind its records; ``heard`` counts the records of each group."""
        if not group or group in heard or group in self.names:
            return
        if len(self.names) >= MOST_HELD:
            self.names.difference_update(heard)
        if len(self.names) < MOST_HELD:
            self.names.add(group)
        else:
            self.complete = False

    def facts(self, heard: Mapping[str, int]) -> Json:
        """Return how many groups have no record, the names of the first, and whether all were followed."""
        names = sorted(self.names.difference(heard))
        return {"count": len(names), "names": names[:MOST_NAMES], "complete": self.complete}
