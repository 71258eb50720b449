"""Terms of a video: its tags, and the words and short phrases of its titles and tags."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable, Mapping
from functools import lru_cache
from types import MappingProxyType
from typing import NamedTuple

from vidatlas.naming.filler import english_function_words
from vidatlas.sources.values.segmentation import joined, segmented

MAX_TERM_CHARS = 60
MAX_PHRASE_WORDS = 3
"""Most words of a phrase within a text; a whole tag may have more."""
MAX_TAG_WORDS = 8
"""Most words of a tag to search for phrases; a longer one is a sentence, and counts only as a whole."""
MACHINE_TAG = "="
"""``namespace:key=value`` is written by a program for a program."""
_EDGES = " \t\"'“”‘’«»()[]{}<>|.,;:!?#*_~+-–—/\\"


class Terms(NamedTuple):
    """Hold the terms of one video by key; ``mine craft`` and ``minecraft`` share one."""

    texts: Mapping[str, str]
    """As written, case-folded and with single spaces."""
    tags: frozenset[str]
    """Keys of those that are a separate tag of the video. An English function word of the title does not count:
    some people make a tag of every word of the title."""


class _Signs(dict[int, str]):
    """Map what separates words to a space and what separates phrases to a line feed, in any script."""

    def __missing__(self, code: int) -> str:
        sign = chr(code)
        # A letter's combining marks (Hindi, Tamil, Arabic) belong to its word.
        word = sign.isalnum() or sign in "'’" or unicodedata.category(sign)[0] == "M"
        self[code] = sign if word else " " if sign.isspace() or sign in "-&._" else "\n"
        return self[code]


_SIGNS = _Signs()


def record_terms(words: Iterable[str], tags: Iterable[str]) -> Terms:
    """Return the distinct terms of one record, from its running texts and its tags."""
    texts: dict[str, str] = {}
    for text in words:
        for phrase in _phrases(text):
            texts |= _within(phrase)
    running, alone = frozenset(texts), set()
    for tag in tags:
        whole, parts = _tag(tag)
        texts |= parts
        if whole and not (whole in running and texts[whole] in english_function_words()):
            alone.add(whole)
    return Terms(texts, frozenset(alone))


def key_of(text: str) -> str:
    """Return the key shared by all spellings of a term: case-folded, no spaces, Latin letters without accents."""
    return "".join(_bare(word) for phrase in _phrases(text) for word in phrase)


@lru_cache(maxsize=1 << 14)
def _tag(text: str) -> tuple[str | None, Mapping[str, str]]:
    """Return the key of a whole tag (None if it cannot be a term), and all the terms in it."""
    if MACHINE_TAG in text:
        return None, {}
    words = [word for phrase in _phrases(text) for word in phrase]
    parts = _within(words) if 1 < len(words) <= MAX_TAG_WORDS else {}
    whole = "".join(map(_bare, words))
    if not _is_term(whole):
        return None, MappingProxyType(parts)
    return whole, MappingProxyType({**parts, whole: " ".join(_fold(text).split()).strip(_EDGES)})


def _within(words: list[str]) -> dict[str, str]:
    """Return the words and short phrases of a run of words, by key."""
    found = {}
    keys = [_bare(word) for word in words]
    for length in range(1, MAX_PHRASE_WORDS + 1):
        for at in range(len(words) - length + 1):
            key = "".join(keys[at : at + length])
            # A Latin word of two letters is rarely a subject; if it is (pc, dj), it is among the tags.
            if _is_term(key) and (len(key) > 2 or not key.isascii()):
                found[key] = joined(words[at : at + length])
    return found


def _is_term(key: str) -> bool:
    return 2 <= len(key) <= MAX_TERM_CHARS and (key.isalpha() or any(map(str.isalpha, key)))


def _phrases(text: str) -> list[list[str]]:
    """Return the case-folded words of a text, in runs without punctuation."""
    runs = (line.split() for line in segmented(_fold(text).translate(_SIGNS)).split("\n"))
    return [words for run in runs if (words := [bare for word in run if (bare := word.strip("'’"))])]


def _fold(text: str) -> str:
    # Of the Turkish İ, case folding would leave a dot of its own.
    return text.casefold() if text.isascii() else unicodedata.normalize("NFKC", text).replace("İ", "i").casefold()


def _bare(word: str) -> str:
    """Return a word without marks on Latin letters; in other scripts a mark can make a different letter."""
    return word if word.isascii() else _without_accents(word)


@lru_cache(maxsize=1 << 14)
def _without_accents(word: str) -> str:
    bases = (unicodedata.normalize("NFD", sign)[0] for sign in word)
    return "".join(base if base.isascii() else sign for base, sign in zip(bases, word, strict=True))
