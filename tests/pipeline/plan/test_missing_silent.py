"""Groups without a record are named whatever the order of rows, in bounded memory."""

from __future__ import annotations

from collections import Counter

import pytest

from vidatlas.pipeline.plan import missing as silent
from vidatlas.pipeline.plan.missing import Silent


def follow(rows: list[tuple[str, bool]]) -> dict[str, object]:
    """Return the facts of rows of a group that give a record or none."""
    found, heard = Silent(), Counter[str]()
    for group, gives in rows:
        if gives:
            heard[group] += 1
        found.see(group, heard)
    return found.facts(heard)


def test_a_group_that_a_later_row_gives_a_record_is_not_silent() -> None:
    rows = [("ann", False), ("mute", False), ("ben", True), ("ann", True), ("mute", False), ("ben", False), ("", False)]
    assert follow(rows) == {"count": 1, "names": ["mute"], "complete": True}
    assert follow(rows[::-1]) == follow(rows)


def test_names_are_bounded_and_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silent, "MOST_NAMES", 2)
    rows = [(name, False) for name in "dcba"]
    assert follow(rows) == {"count": 4, "names": ["a", "b"], "complete": True}


def test_what_is_held_is_bounded_and_room_is_made_of_groups_with_records(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(silent, "MOST_HELD", 3)
    talking = [(name, gives) for name in "abcdefg" for gives in (False, True)]
    assert follow([*talking, ("x", False), ("y", False)]) == {"count": 2, "names": ["x", "y"], "complete": True}
    assert follow([(name, False) for name in "abcd"]) == {"count": 3, "names": ["a", "b", "c"], "complete": False}
