"""A cell gives its texts, or nothing where it holds something else; no cell is ever code."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidatlas.sources.cells import MAX_LIST_CHARS, holds_objects, is_cut, list_in, read_literal, split_texts
from vidatlas.sources.values.markup import plain_text
from vidatlas.sources.values.texts import texts_in


def read(cell: Any) -> tuple[str, ...] | None:
    return None if is_cut(cell) else texts_in(cell, ",", "word")


@pytest.mark.parametrize(
    ("cell", "texts"),
    [
        (None, ()),
        ("", ()),
        (" , ,", ()),
        ("[]", ()),
        ("a, b ,,c", ("a", "b", "c")),
        ("['fyp', 'love']", ("fyp", "love")),
        ('["fyp", "it\'s"]', ("fyp", "it's")),
        ("['', ' x ']", ("x",)),
        ("[1, 2.5]", ("1", "2.5")),
        (["a", 3], ("a", "3")),
        ("[{'word': 'dance', 'id': 1}, {'word': 'duet'}]", ("dance", "duet")),
        ("[{'id': 1}]", None),
        ("[{'word': 'a'}, {'id': 1}, {'word': None}]", ("a",)),
        ("[None]", ()),
        ("['cat', None]", ("cat",)),
        ("['cut', 'of", None),
        ("[{'word': 'cu", None),
        ("[True]", None),
        ("[['a']]", None),
        ("[a]", None),
        ("[__import__('os').getcwd()]", None),
        ("[1 for _ in ()]", None),
        ("[" * 100_000 + "]" * 100_000, None),
        ("[" * 50 + "]" * 50, None),
        ("['" + "x" * MAX_LIST_CHARS + "']", None),
        ({"a": 1}, None),
        (True, None),
        ("[half", ("[half",)),
    ],
)
def test_a_cell_gives_its_texts(cell: Any, texts: tuple[str, ...] | None) -> None:
    assert read(cell) == texts


@pytest.mark.parametrize(
    ("cell", "value"),
    [
        (r'["cat \ud83d", "dog"]', ["cat \ufffd", "dog"]),
        (r"['\ude00 \ud83d\ude00']", ["\ufffd 😀"]),
        (r"['\U0000d83d\U0001f600']", ["\ufffd😀"]),
        (r"[{'\ud83d': ('\ud83d', None, 1)}, {'\ud83d'}]", [{"\ufffd": ("\ufffd", None, 1)}, {"\ufffd"}]),
    ],
)
def test_half_of_a_surrogate_pair_is_replaced_as_no_file_can_hold_it(cell: str, value: Any) -> None:
    assert read_literal(cell) == value
    assert list_in(cell) == value


# Brackets count as nesting within quotes too, and what is nested too deeply is not read. Halves of pairs: above.
@given(st.lists(st.text(st.characters(exclude_categories=["Cs"], exclude_characters="[{(")).filter(str.strip)))
def test_what_python_writes_is_read_back(texts: list[str]) -> None:
    assert read(repr(texts)) == tuple(clean for text in texts if (clean := plain_text(text).strip()))


@given(st.text())
def test_any_text_is_read_or_refused(text: str) -> None:
    found = read(f"[{text}]")
    assert found is None or all(isinstance(item, str) for item in found)


@pytest.mark.parametrize(
    ("cell", "texts"),
    [
        ('a|"b c"|"d"', ["a", "b c", "d"]),
        ('"a" | "b"', ["a", "b"]),
        ('"a"', ["a"]),
        ('"a|b', ['"a', "b"]),
        ('a|"b"|c', ["a", "b", "c"]),
        ('5"|a', ['5"', "a"]),
        ('""|""', []),
        ("a||b ", ["a", "b"]),
        ("", []),
    ],
)
def test_quotes_around_separated_texts_go(cell: str, texts: list[str]) -> None:
    assert split_texts(cell, "|") == texts


@pytest.mark.parametrize(
    ("cell", "objects"),
    [
        ({"id": 1}, True),
        ([{"id": 1}], True),
        (["a", {"id": 1}], True),
        ([["a"]], True),
        ("{'id': 20, 'label': 'Gaming'}", True),
        (' [{"id": 1}]', True),
        ("{Live} at home", False),
        ("[{draft", False),
        (["a", None, 1], False),
        ([], False),
        (None, False),
        (3, False),
    ],
)
def test_objects_are_told_from_texts(cell: Any, objects: bool) -> None:
    assert holds_objects(cell) == objects
