"""Where records are words, a subcategory is named by those that occur most."""

from __future__ import annotations

from vidatlas.naming.names import NamingSpec, name_by_members

SPEC = NamingSpec(by="members", name_terms=2, terms=3)


def test_the_most_frequent_come_first_and_equals_in_order() -> None:
    found = name_by_members({0: [(-1, "b"), (-5, "z"), (-1, "a"), (-1, "c")], 3: [(-2, "x")]}, SPEC)
    assert (found[0].text, found[0].terms, found[0].scores) == ("z · a", ("z", "a", "b"), (5, 1, 1))
    assert (found[3].text, found[3].scores, found[3].coherence) == ("x", (2,), None)


def test_a_title_of_two_records_counts_once() -> None:
    assert name_by_members({0: [(-1, "a"), (-3, "a"), (-2, "b")]}, SPEC)[0].text == "a · b"
