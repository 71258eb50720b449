"""Names of subcategories: the few terms that a person would set one apart from its siblings by."""

from vidatlas.naming.draw import Drawn, draw, merge
from vidatlas.naming.members import Member, name_by_members
from vidatlas.naming.names import Map, Name, name_groups
from vidatlas.naming.spec import NamingSpec
from vidatlas.naming.terms import key_of, record_terms

__all__ = [
    "Drawn",
    "Map",
    "Member",
    "Name",
    "NamingSpec",
    "draw",
    "key_of",
    "merge",
    "name_by_members",
    "name_groups",
    "record_terms",
]
