"""Phrases: expand the template notation of vocabulary.yaml to text."""

import re
from collections.abc import Sequence
from random import Random

_CHOICE = re.compile(r"<([^<>]*)>")
_BAR = re.compile(r"\|(?! )")  # A bar before a space belongs to the text.
_SLOT = re.compile(r"\{(\w+)\}")
# "an" before a vowel letter, except where the vowel sounds like "you" or "won".
_ARTICLE = re.compile(r"\b([Aa]) (?=[aeioAEIO](?!ne\b)|[uU](?!s|ni))")


def expand(template: str, rng: Random, words: dict[str, Sequence[str]]) -> str:
    """Return a phrase: the template with every choice made and every slot filled.

    Args:
        template: Text with <a|b|c> choices and {slot} slots.
        rng: Source of every choice.
        words: What a slot can hold; a slot used twice gets two different words where it can.
    """
    text = _CHOICE.sub(lambda found: rng.choice(_BAR.split(found.group(1))), template)
    left = {slot: rng.sample(pool, len(pool)) for slot, pool in words.items()}

    def fill(found: re.Match[str]) -> str:
        slot = found.group(1)
        return left[slot].pop() if len(left[slot]) > 1 else left[slot][0]

    return re.sub(" +", " ", _SLOT.sub(fill, text)).strip(" ")


def numbers(rng: Random, year: int) -> dict[str, Sequence[str]]:
    """Return the slots that hold a number."""
    return {"n": [str(rng.randint(2, 60))], "few": [str(rng.randint(3, 12))], "year": [str(year)]}


def polish_english(text: str) -> str:
    """Return the text with the correct "a" or "an" and a capital first letter."""
    text = _ARTICLE.sub(r"\1n ", text)
    return text if text[1:2].isupper() else text[:1].upper() + text[1:]  # "iPhone" stays as it is.
