"""What is missing from an atlas: input files without rows or with the same rows, and groups without a record."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence

from vidatlas.storage.json_files import PartFacts
from vidatlas.storage.manifest import Absences, Absent

MOST_NAMES = 1_000
"""Names that a plan keeps; the others are counted."""


def absences(urls: Sequence[str], parts: Sequence[PartFacts]) -> Absences:
    """Return what the plan's entry says of files without rows and of groups without records; empty where all have some.

    Args:
        urls: where the parts lie, in their order.
        parts: their facts.
    """
    read = list(zip(_short(urls), parts, strict=False))  # a limit may leave inputs unread
    empty = [url for url, facts in read if not facts["rows"]]
    same = _repeated((url, facts["content_sha256"]) for url, facts in read if facts["rows"])
    records = Counter[str]()
    for facts in parts:
        records.update(facts["groups"])
    names = sorted(name for name, count in records.items() if not count)
    found: Absent = {}
    if empty:
        found["files"] = {"count": len(empty), "of": len(parts), "names": empty[:MOST_NAMES]}
    if same:
        found["repeated"] = {"count": len(same), "of": len(parts), "names": same[:MOST_NAMES]}
    if names:
        found["groups"] = {"count": len(names), "names": names[:MOST_NAMES]}
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
