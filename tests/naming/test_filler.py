"""What every video may carry is no subject."""

from __future__ import annotations

import pytest

from vidatlas.naming.filler import FILLER, function_words, is_filler, is_filler_word
from vidatlas.naming.terms import key_of

FILLERS = """
subscribe/official video/official music video/hd/full hd/1080p/60fps/4k/s01e05/ep12/2019 video/november 2017/21st
the best/how to/видео/vídeo oficial/the video of the day
"""


@pytest.mark.parametrize("text", [text for line in FILLERS.split("\n") for text in line.split("/") if text])
def test_filler(text: str) -> None:
    assert is_filler(key_of(text), text)


@pytest.mark.parametrize(
    "text", ["fire", "free fire", "video games", "star wars", "minecraft", "как построить", "music"]
)
def test_no_filler(text: str) -> None:
    assert not is_filler(key_of(text), text)


@pytest.mark.parametrize("word", ["the", "los", "как", "में", "और", "les", "und", "2019", "video"])
def test_words_that_add_nothing_to_a_phrase(word: str) -> None:
    assert is_filler_word(word)


def test_lists_are_folded_and_hold_no_subjects() -> None:
    assert {word.casefold() for word in FILLER} == FILLER
    assert not {"game", "star", "home", "free", "music", "food"} & (FILLER | function_words())
