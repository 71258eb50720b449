"""Texts from data in Markdown: shown as they stand, and nothing is loaded, linked or run."""

from __future__ import annotations

import pytest

from vidatlas.storage.manifest import PlanCounts
from vidatlas.views.card import render_card
from vidatlas.views.page import Report
from vidatlas.views.text import as_markdown, duration, fold

HOSTILE = "![x](http://127.0.0.1/a.png) <img src=http://127.0.0.1/b.png> [y](http://127.0.0.1) `z` $q$ | *w* &lt;\nnext"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("![x](http://h/a.png)", r"!\[x\](http://h/a.png)"),
        ("<img src=a>", r"\<img src=a\>"),
        ("a_b and _c_", r"a_b and \_c\_"),
        ("`a` $b$ *c* | &lt;", r"\`a\` \$b\$ \*c\* \| \&lt;"),
        ("one\n\n# two\x1b[31m", "one # two"),
        ("0.6 × title, cut at 77 characters", "0.6 × title, cut at 77 characters"),
    ],
)
def test_signs_of_markdown_are_escaped(text: str, shown: str) -> None:
    assert as_markdown(text) == shown


def test_the_data_card_holds_no_markup_of_the_data() -> None:
    counts: PlanCounts = {"read": 1, "kept": 1, "rejected": 1, "duplicates": 0, "rejects": {HOSTILE: 1}}
    rejects, texts, pairs = ((HOSTILE, 1, HOSTILE),), (HOSTILE,), ((HOSTILE, HOSTILE),)
    report = Report(
        HOSTILE, texts, counts, (), rejects, (), (), HOSTILE, (), pairs, HOSTILE, "ab", texts,
        title=HOSTILE, making=HOSTILE, warning=HOSTILE,
    )  # fmt: skip
    front, text = render_card(report, HOSTILE, HOSTILE, HOSTILE, 8, [HOSTILE]).split("\n---\n", 1)
    text = text.replace("![Map](map.png)", "", 1)
    assert "\nnext" not in front
    assert "![" not in text
    assert "<img" not in text.replace("\\<img", "")
    assert "](" not in text.replace("\\](", "")
    assert "\nnext" not in text


def test_a_search_knows_no_accents_and_no_capitals() -> None:
    assert fold("Crème BRÛLÉE ﬁ") == "creme brulee fi"


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0 s"),
        (0.2, "under 1 s"),
        (8.4, "8 s"),
        (59.6, "1 min"),
        (200, "3 min 20 s"),
        (3_600, "1 h"),
        (5 * 3_600 + 12 * 60 + 59, "5 h 12 min"),
        (float("nan"), "–"),
        (3 * 86_400 + 4 * 3_600, "3 d 4 h"),
    ],
)
def test_a_duration_is_for_people(seconds: float, text: str) -> None:
    assert duration(seconds) == text
