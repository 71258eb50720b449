"""What the input names and the atlas lacks: files without rows, and groups of which no record was kept."""

from __future__ import annotations

from collections.abc import Sequence

from vidatlas.sources.silent import MOST_NAMES
from vidatlas.types import Json
from vidatlas.views.nouns import Nouns


def absences(urls: Sequence[str], parts: Sequence[Json]) -> Json:
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
    found: Json = {}
    if empty:
        found["files"] = {"count": len(empty), "of": len(parts), "names": empty[:MOST_NAMES]}
    if names or unnamed:
        found["groups"] = {
            "count": len(names) + unnamed,
            "exact": all(facts["complete"] for facts in said) and (not unnamed or len(parts) == 1),
            "names": sorted(names)[:MOST_NAMES],
        }
    return {"absent": found} if found else {}


def absence_words(planned: Json, nouns: Nouns, most: int = 10) -> tuple[str, ...]:
    """Return a sentence each on the groups and the files that gave no record, with the names of the first few."""
    found, said = planned.get("absent", {}), []
    if "groups" in found:
        groups = found["groups"]
        about, verb = "" if groups["exact"] else "about ", "has" if groups["count"] == 1 else "have"
        said.append(
            f"{about}{nouns.groups(groups['count'])} {verb} no {nouns.record[1]} to keep: {_first(groups, most)}"
        )
    if "files" in found:
        files = found["files"]
        verb = "holds" if files["count"] == 1 else "hold"
        said.append(f"{files['count']:,} of {files['of']:,} files {verb} no rows: {_first(files, most)}")
    return tuple(said)


def _first(found: Json, most: int) -> str:
    names = found["names"][:most]
    more = found["count"] - len(names)
    return ", ".join(names) + (f", and {more:,} more" if more else "")
