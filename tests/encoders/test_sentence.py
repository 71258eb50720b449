"""Sentence vectors are those of sentence-transformers, with the pooling that the checkpoint declares."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch

from vidatlas.encoders.sentence import SentenceSpec
from vidatlas.encoders.transformer.checkpoint import PACKAGED, open_checkpoint
from vidatlas.encoders.transformer.transformer import TransformerEncoder
from vidatlas.errors import UsageError
from vidatlas.types import EncodeStats, Floats

TEXTS = [
    "How to build a castle in Minecraft",
    "minecraft",
    "Piano concert no. 2, live in Vienna",
    "видео 🎬 日本語",
    "word " * 400,
    "",
    "minecraft",
]
Declare = Callable[..., Path]


@pytest.fixture(scope="module")
def packaged() -> TransformerEncoder:
    return SentenceSpec(model=PACKAGED, dtype="float32").load(2)


@pytest.fixture
def declare(tiny_bert: Path, tmp_path: Path) -> Declare:
    """Return a function that makes a sentence-transformers checkpoint with some pooling and layers."""

    def make(pooling: dict[str, bool], layers: tuple[str, ...] = ("Transformer", "Pooling")) -> Path:
        path = shutil.copytree(tiny_bert, tmp_path / "model")
        modules = [{"idx": at, "type": f"sentence_transformers.models.{kind}"} for at, kind in enumerate(layers)]
        (path / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
        (path / "1_Pooling").mkdir()
        (path / "1_Pooling" / "config.json").write_text(json.dumps(pooling), encoding="utf-8")
        return path

    return make


def vectors(path: Path, texts: list[str]) -> Floats:
    return SentenceSpec(model=str(path), dtype="float32").load(1).encode(texts, EncodeStats())


def hidden(path: Path, text: str) -> Floats:
    from transformers import BertModel, BertTokenizer

    inputs = BertTokenizer.from_pretrained(path)(text, truncation=True, max_length=16, return_tensors="pt")
    with torch.no_grad():
        found: Floats = BertModel.from_pretrained(path).eval()(**inputs).last_hidden_state[0].numpy()
    return found


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_packaged_model_gives_the_vectors_of_sentence_transformers(dtype: str) -> None:
    from sentence_transformers import SentenceTransformer

    theirs = SentenceTransformer(str(open_checkpoint(PACKAGED, None).path), device="cpu").encode(TEXTS)
    ours = SentenceSpec.model_validate({"model": PACKAGED, "dtype": dtype}).load(1).encode(TEXTS, EncodeStats())
    assert ours.shape == (len(TEXTS), 384)
    distance = 1 - (ours * theirs).sum(axis=1) / np.linalg.norm(ours, axis=1) / np.linalg.norm(theirs, axis=1)
    assert distance.max() <= 1e-4
    np.testing.assert_allclose(np.linalg.norm(ours, axis=1), np.linalg.norm(theirs, axis=1), atol=1e-4)


def test_equal_texts_are_computed_once(packaged: TransformerEncoder) -> None:
    stats = EncodeStats()
    found = packaged.encode(["minecraft", "piano", "minecraft"], stats)
    assert found[0].tobytes() == found[2].tobytes()
    assert (stats.texts, stats.distinct) == (3, 2)


@pytest.mark.parametrize("normalize", [False, True])
@pytest.mark.parametrize("mode", ["cls", "mean"])
def test_the_declared_pooling_is_honoured(declare: Declare, mode: str, normalize: bool) -> None:
    modes = {"pooling_mode_cls_token": mode == "cls", "pooling_mode_mean_tokens": mode == "mean"}
    path = declare(modes, ("Transformer", "Pooling", "Normalize") if normalize else ("Transformer", "Pooling"))
    texts = ["abc def", "a", "ghi", "abcdefghij " * 9]
    for text, found in zip(texts, vectors(path, texts), strict=True):
        states = hidden(path, text)
        expected = states[0] if mode == "cls" else states.mean(axis=0)
        if normalize:
            expected = expected / np.linalg.norm(expected)
        np.testing.assert_allclose(found, expected, atol=1e-5)


def test_texts_are_cut_where_the_checkpoint_says(declare: Declare) -> None:
    path = declare({"pooling_mode_mean_tokens": True})
    encoder = SentenceSpec(model=str(path), dtype="float32").load(1)
    assert [len(ids) for ids in encoder.tokenizer(["a b c", "a " * 100])] == [5, 16]


def test_an_unknown_layer_is_refused(declare: Declare) -> None:
    path = declare({"pooling_mode_mean_tokens": True}, ("Transformer", "Pooling", "Dense", "Normalize"))
    with pytest.raises(UsageError, match="has the layer Dense, which is not supported"):
        SentenceSpec(model=str(path)).load(1)


@pytest.mark.parametrize("pooling", [{}, {"pooling_mode_max_tokens": True}, {"pooling_mode_mean_tokens": False}])
def test_an_unknown_pooling_is_refused(declare: Declare, pooling: dict[str, bool]) -> None:
    with pytest.raises(UsageError, match="uses neither mean nor CLS pooling"):
        SentenceSpec(model=str(declare(pooling))).load(1)


@pytest.mark.parametrize("name", ["modules.json", "1_Pooling/config.json", "sentence_bert_config.json"])
def test_a_checkpoint_that_declares_nothing_is_refused(declare: Declare, name: str) -> None:
    path = declare({"pooling_mode_mean_tokens": True})
    (path / name).unlink()
    with pytest.raises(UsageError, match=f"not a sentence-transformers checkpoint: cannot read {Path(name).name}"):
        SentenceSpec(model=str(path)).load(1)


def test_what_is_inspected_is_what_is_loaded(packaged: TransformerEncoder) -> None:
    inspected = SentenceSpec(model=PACKAGED).inspect()
    assert inspected.dim == packaged.dim == 384
    assert inspected.count_tokens(TEXTS[:4]) == sum(map(len, packaged.tokenizer(TEXTS[:4])))
    # Six layers: four projections of 384 and the feed-forward net of 1,536.
    assert inspected.flops_per_token == 2 * 6 * (4 * 384 * 384 + 2 * 384 * 1536)
