"""An outline: nodes before what is in them, the largest first at each level, every subcategory once."""

from __future__ import annotations

from vidatlas.views.outline import Line, outline
from vidatlas.views.page import Subcategory


def sub(name: str, size: int, *levels: str) -> Subcategory:
    return Subcategory(0, name, size, (), (), levels=levels)


def test_without_levels_it_is_a_list_of_the_largest_first() -> None:
    subs = [sub("b", 2), sub("c", 9), sub("a", 2)]
    assert list(outline(subs)) == [Line((), one.size, one, 0) for one in (subs[1], subs[2], subs[0])]


def test_a_node_comes_by_its_own_size_with_all_that_is_in_it() -> None:
    subs = [sub("lone", 5), sub("x", 4, "top", "low"), sub("y", 1, "top", "low"), sub("z", 2, "top")]
    lines = [(line.path, line.size, line.sub.name if line.sub else None, line.below) for line in outline(subs)]
    assert lines == [
        (("top",), 7, None, 3),
        (("top", "low"), 5, None, 2),
        (("top", "low"), 4, "x", 0),
        (("top", "low"), 1, "y", 0),
        (("top",), 2, "z", 0),
        ((), 5, "lone", 0),
    ]
