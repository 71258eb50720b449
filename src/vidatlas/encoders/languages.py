"""Languages that an encoder knows, as far as the name of its model tells."""

from __future__ import annotations

import re
from typing import Literal

Languages = Literal["English only", "multilingual", "any", "unknown"]
"""``any``: it compares characters or words, or no texts at all, and so knows no language more than another."""
_MULTILINGUAL = re.compile(r"multilingual|xlm|labse|bge-m3|distiluse|gte-multi|m-clip|mclip|siglip2", re.IGNORECASE)
_ENGLISH = re.compile(
    r"all-minilm|all-mpnet|all-distilroberta|msmarco|multi-qa|paraphrase-(minilm|mpnet|albert)|-en\b"
    r"|(^|/)e5-(small|base|large)|(^|/)gte-(small|base|large)|nomic-embed-text-v1"
    r"|openai/clip|(^|/)clip-vit|laion2b-s|datacomp",
    re.IGNORECASE,
)


def languages_of(model: str) -> Languages:
    """Return what a model knows, by its name: most names of multilingual models say so."""
    if _MULTILINGUAL.search(model):
        return "multilingual"
    return "English only" if _ENGLISH.search(model) else "unknown"
