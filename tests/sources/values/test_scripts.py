"""Texts are counted by the script of most of their letters."""

from __future__ import annotations

import pytest

from vidatlas.sources.values.scripts import count_scripts


@pytest.mark.parametrize(
    ("text", "script"),
    [
        ("Hello, world!", "Latin"),
        ("Čeština ﬁ Ｆｕｌｌ", "Latin"),
        ("𝓕𝓪𝓷𝓬𝔂", "Latin"),
        ("привет мир OK", "Cyrillic"),
        ("مرحبا", "Arabic"),
        ("नमस्ते", "Devanagari"),
        ("日本語カタカナ", "Chinese or Japanese"),
        ("한국", "Korean"),
        ("สวัสดี", "Thai"),
        ("Ελλάδα", "Greek"),
        ("עברית", "Hebrew"),
        ("ქართული", "another script"),
    ],
)
def test_the_script_of_a_text(text: str, script: str) -> None:
    assert count_scripts([text]) == {script: 1}


def test_texts_are_counted_and_those_without_letters_are_not() -> None:
    assert count_scripts(["a", "b", "я", "", "123 😀 !?", "\ud800"]) == {"Latin": 2, "Cyrillic": 1}
    assert count_scripts([]) == {}
