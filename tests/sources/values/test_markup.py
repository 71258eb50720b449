"""Markup is decoded and removed; what only looks like it stays."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidatlas.sources.values.markup import plain_text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("Tom &amp; Jerry&#39;s &quot;caf&eacute;&quot;", 'Tom & Jerry\'s "café"'),
        ("&#x1F3AC; film", "🎬 film"),
        ("R&B, AT&T; ?a=1&copy=2", "R&B, AT&T; ?a=1&copy=2"),
        ("&notanentity; &amp;lt;", "&notanentity; &lt;"),
        ("<b>Castle</b> <i>build</i>", "Castle build"),
        ("one<br/>two<BR>three", "one two three"),
        ('<a href="https://x.y">link</a> <p class="x">text', "link text"),
        ("how to write &lt;b&gt;", "how to write <b>"),
        ("I <3 U", "I <3 U"),
        ("a < b > c", "a < b > c"),
        ("a<b>c", "a<b>c"),
        ("std::vector<int> in C++", "std::vector<int> in C++"),
        ('"><img src=x onerror=alert(2)>', '"><img src=x onerror=alert(2)>'),
        ("one\x00two&#10;three", "one two three"),
    ],
)
def test_markup_becomes_text(text: str, plain: str) -> None:
    assert plain_text(text) == plain


@settings(max_examples=100)
@given(st.text(alphabet=st.characters(exclude_characters="&<", exclude_categories=["Cc", "Cs"])))
def test_a_text_without_markup_stays(text: str) -> None:
    assert plain_text(text) == text


@settings(max_examples=100)
@given(st.text())
def test_no_text_has_a_control_character(text: str) -> None:
    assert not any(ord(sign) < 32 or ord(sign) == 127 for sign in plain_text(text))
