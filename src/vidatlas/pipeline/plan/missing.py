"""What is missing from an atlas: input files without rows or with the same rows, and groups without a record."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from vidatlas.storage.json_files import PartFacts, SilentFacts
from vidatlas.storage.manifest import Absences, Absent


def absences(urls: Sequence[str], parts: Sequence[PartFacts]) -> Absences:
    """Return what the plan's entry says of files without rows and of groups without records; empty where all have some.

    Args:
        urls: where the parts lie, in their order.
        parts: their facts.
    """
    read = list(zip(_short(urls), parts, strict=False))  # a limit may leave inputs unread
    empty = [url for url, facts in read if not facts["rows"]]
    same = _repeated((url, facts["content_sha256"]) for url, facts in read if facts["rows"])
    said = [facts["silent"] for facts in parts if "silent" in facts]
    names = {name for facts in said for name in facts["names"]}
    for facts in parts:  # what one part is silent of, another may tell of
        names.difference_update(facts["groups"])
    unnamed = sum(facts["count"] - len(facts["names"]) for facts in said)
    found: Absent = {}
    if empty:
        found["files"] = {"count": len(empty), "of": len(parts), "names": empty[:MOST_NAMES]}
    if same:
        found["repeated"] = {"count": len(same), "of": len(parts), "names": same[:MOST_NAMES]}
    if names or unnamed:
        found["groups"] = {
            "count": len(names) + unnamed,
            "exact": all(facts["complete"] for facts in said) and (not unnamed or len(parts) == 1),
            "names": sorted(names)[:MOST_NAMES],
        }
    return {"absent": found} if found else {}


def _short(urls: Sequence[str]) -> list[str]:
    """Return locations without the folders that all have in common."""
    steps = [url.split("/") for url in urls]
    common = 0
    while all(len(path) > common + 1 and path[common] == steps[0][common] for path in steps):
        common += 1
    return ["/".join(path[common:]) for path in steps]


def _repeated(contents: Iterable[tuple[str, str]]) -> list[str]:
    """Return the locations of files whose content an earlier one has."""
    seen: set[str] = set()
    same = []
    for url, content in contents:
        if content in seen:
            same.append(url)
        seen.add(content)
    return same


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
