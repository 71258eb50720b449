"""Text without spaces becomes words; all other text stays as it is, and no letter is lost."""

from __future__ import annotations

from importlib.metadata import version

import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidatlas.sources.values.segmentation import joined, segmented, segmenter

HAN_KANA_THAI = st.sampled_from("日本語動画々のはアイドルー・ไทยเพลงที่ a1\n-é")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("本気ビートボックスが凄い", ["本気", "ビートボックス", "が", "凄", "い"]),
        ("神システムの超究極", ["神", "システム", "の", "超究極"]),
        ("中国电影预告", ["中国", "电影", "预告"]),
        ("เพลงเก่าเพราะ", ["เพลง", "เก่า", "เพราะ"]),
        ("roblox เล่นทุกแมพ", ["roblox", "เล่น", "ทุก", "แมพ"]),
        ("minecraft実況part 2", ["minecraft", "実況", "part", "2"]),
    ],
)
def test_words_of_scripts_without_spaces(text: str, words: list[str]) -> None:
    assert segmented(text).split() == words


@pytest.mark.parametrize("text", ["", "Star Wars", "Как построить дом", "हिन्दी गाने", "오늘의 노래", "🎬 film", "ຮັກເຈົ້າ"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert segmented(text) == text


@given(st.text(HAN_KANA_THAI, max_size=30))
def test_only_spaces_are_added(text: str) -> None:
    assert segmented(text).replace(" ", "") == text.replace(" ", "")


def test_words_are_joined_as_their_script_writes_them() -> None:
    assert joined(["star", "wars"]) == "star wars"
    assert joined(["大师", "赛"]) == "大师赛"
    assert joined(["minecraft", "実況", "part", "2"]) == "minecraft 実況 part 2"
    assert joined(["เพลง", "เก่า"]) == "เพลงเก่า"


def test_what_segments_is_named_with_its_version() -> None:
    assert segmenter() == f"budoux {version('budoux')}"
