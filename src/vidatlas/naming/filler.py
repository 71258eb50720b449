"""Filler: words that name no subject, such as function words of many languages and words common to all videos."""

from __future__ import annotations

import re
from functools import cache

# What a video calls itself and its place.
_VIDEO = """
amp audio canal channel clip clipe clips com ep episode episodes feat featuring ft http https music_video mv
official_music_video part prod promo records season short shorts tv video videoclip videoclipe videoklip videos vidéo
vidéos vídeo vídeos vevo visualizer vs www youtube youtuber youtubers yt
видео видеоролик канал премьера 動画 영상
"""
# Asking for attention, and praise.
_CALLS = """
best bonus comment download exclusive free_download follow hit like live new newest latest official oficial oficiel
officiel officielle offizielles online please premiere share sub subscribe subscriber subscribers top trending viral
watch neu neue neues nouveau nouvelle nova novo nueva nuevo лучшее лучшие новая новое новый подписка
"""
# Quality and form.
_QUALITY = "3d 4k 5k 8k 360 fhd full full_hd hd hdr high_quality hq qhd uhd"
# Time.
_TIME = """
year years month months week weeks day days hour hours minute minutes second seconds today tonight tomorrow yesterday
january february march april june july august september october november december
monday tuesday wednesday thursday friday saturday sunday
"""
_NUMBER = re.compile(r"\d+(?:st|nd|rd|th|p|k|fps)?|(?:s\d+)?(?:e|ep)\d+|s\d+|part\d+")
_YEAR = re.compile(r"(?:19|20)\d\d")

FILLER = frozenset(word.replace("_", "") for kind in (_VIDEO, _CALLS, _QUALITY, _TIME) for word in kind.split())


@cache
def english_function_words() -> frozenset[str]:
    """Return scikit-learn's stop words; the package's own list has over a thousand, including "free" and "home"."""
    from sklearn.feature_extraction.text import ENGLISH_STOP_WORDS

    return frozenset(ENGLISH_STOP_WORDS)


@cache
def function_words() -> frozenset[str]:
    """Return the stop words of English and of the 32 other languages of the package stop-words.

    Some are subjects in another language ("car" is French, "cat" is Romanian), so they are not decisive by themselves.
    """
    from stop_words import AVAILABLE_LANGUAGES, get_stop_words

    others = (get_stop_words(language) for language in AVAILABLE_LANGUAGES if language != "english")
    return english_function_words().union(*others)


def is_filler(key: str, text: str) -> bool:
    """Tell whether a term is filler, saying nothing about a video's subject: all its words could be on any video.

    A single function word is not decided here ("fire" is on the lists), but by how often it is used as a tag.
    """
    words = text.split()
    if key in FILLER or len(words) == 1:
        return key in FILLER or _NUMBER.fullmatch(key) is not None
    return all(is_filler_word(word) for word in words)


def is_filler_word(word: str) -> bool:
    """Tell whether a word is filler within a phrase."""
    return word in FILLER or word in function_words() or _NUMBER.fullmatch(word) is not None


def is_year(word: str) -> bool:
    """Tell whether a word is a year, 1900 to 2099."""
    return _YEAR.fullmatch(word) is not None
