"""Name subcategories by their most frequent records, where each record is a word and none stands in two of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from vidatlas.naming.names import Name
from vidatlas.naming.spec import NamingSpec

Member = tuple[int, str]
"""How often a record occurs, times -1, and its title: the most frequent first."""


def name_by_members(members: Mapping[int, Sequence[Member]], spec: NamingSpec) -> dict[int, Name]:
    """Return a name for each subcategory of a group: its first members; all that are kept, with their counts, as terms.

    Titles that repeat (of records with other ids) count once.
    """
    return {label: _name(sorted(inside), spec) for label, inside in members.items()}


def _name(members: Sequence[Member], spec: NamingSpec) -> Name:
    counts: dict[str, float] = {}
    for count, title in members:
        counts.setdefault(title, float(-count))
    terms = tuple(counts)[: spec.terms]
    return Name(" · ".join(terms[: spec.name_terms]), terms, tuple(counts[term] for term in terms))
