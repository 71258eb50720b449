"""An encoder says which languages it knows, as far as its name tells."""

from __future__ import annotations

import pytest

from vidatlas.encoders.languages import languages_of
from vidatlas.recipe import load_recipe


@pytest.mark.parametrize(
    ("model", "known"),
    [
        ("packaged:all-MiniLM-L6-v2", "English only"),
        ("sentence-transformers/all-mpnet-base-v2", "English only"),
        ("BAAI/bge-small-en-v1.5", "English only"),
        ("intfloat/e5-base-v2", "English only"),
        ("openai/clip-vit-large-patch14", "English only"),
        ("intfloat/multilingual-e5-base", "multilingual"),
        ("sentence-transformers/paraphrase-multilingual-MiniLM-L12-v2", "multilingual"),
        ("BAAI/bge-m3", "multilingual"),
        ("sentence-transformers/LaBSE", "multilingual"),
        ("/models/mine", "unknown"),
    ],
)
def test_what_a_model_knows_by_its_name(model: str, known: str) -> None:
    assert languages_of(model) == known
    assert load_recipe("demo", {"encoder.kind": "sentence", "encoder.model": model}).encoder.languages == known


@pytest.mark.parametrize("kind", ["hashing", "tfidf"])
def test_what_compares_words_or_characters_knows_no_language_more_than_another(kind: str) -> None:
    assert load_recipe("demo", {"encoder": {"kind": kind}}).encoder.languages == "any"
