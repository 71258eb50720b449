"""Naming of subcategories: the few terms that set one apart from its siblings."""

from __future__ import annotations

from vidatlas.naming.names import (
    Map,
    Member,
    Name,
    NamingSpec,
    Siblings,
    choose_names,
    name_by_members,
    name_groups,
)
from vidatlas.naming.sample import Drawn, core_distance, draw, merge
from vidatlas.naming.terms import key_of, record_terms

__all__ = [
    "Drawn",
    "Map",
    "Member",
    "Name",
    "NamingSpec",
    "Siblings",
    "choose_names",
    "core_distance",
    "draw",
    "key_of",
    "merge",
    "name_by_members",
    "name_groups",
    "record_terms",
]
