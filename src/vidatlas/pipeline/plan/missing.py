"""What is missing from an atlas: input files without rows, and groups of which no record was kept."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from vidatlas.storage.json_files import PartFacts, SilentFacts
from vidatlas.storage.manifest import Absences, Absent


def absences(urls: Sequence[str], parts: Sequence[PartFacts]) -> Absences:
    """Return what the plan's entry says of files without rows and of groups without records; empty where all have some.

    Args:
        urls: where the parts lie, in their order.
        parts: their facts.
    """
    empty = [url.rsplit("/", 1)[-1] for url, facts in zip(urls, parts, strict=False) if not facts["rows"]]
    said = [facts["silent"] for facts in parts if "silent" in facts]
    names = {name for facts in said for name in facts["names"]}
    for facts in parts:  # what one part is silent of, another may tell of
        names.difference_update(facts["groups"])
    unnamed = sum(facts["count"] - len(facts["names"]) for facts in said)
    found: Absent = {}
    if empty:
        found["files"] = {"count": len(empty), "of": len(parts), "names": empty[:MOST_NAMES]}
    if names or unnamed:
        found["groups"] = {
            "count": len(names) + unnamed,
            "exact": all(facts["complete"] for facts in said) and (not unnamed or len(parts) == 1),
            "names": sorted(names)[:MOST_NAMES],
        }
    return {"absent": found} if found else {}


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

    def facts(self, heard: Mapping[str, int]) -> SilentFacts:
        """Return how many groups have no record, the names of the first, and whether all were followed."""
        names = sorted(self.names.difference(heard))
        return {"count": len(names), "names": names[:MOST_NAMES], "complete": self.complete}
