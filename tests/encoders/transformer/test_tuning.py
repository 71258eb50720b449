"""Tuned layers learn what a linear head cannot, the same bytes each time, and leave the encoder as it was."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse
import torch

import vidatlas
from vidatlas.encoders.sentence import SentenceSpec
from vidatlas.encoders.transformer.tuning import Tuner
from vidatlas.errors import UsageError
from vidatlas.probe import ProbeSpec, probe
from vidatlas.types import EncodeStats
from vidatlas.views.figures import quality_figures
from vidatlas.views.nouns import Nouns

SPEC = ProbeSpec(folds=2, tune="layers")
TEXTS = [f"{('zz', 'qq')[number % 2] * (2 + number % 3)} {number}" for number in range(40)]
TRUTH = np.array([[number % 2 == 0, number % 2 == 1, number % 3 == 0] for number in range(40)])
ROWS, HEAD = np.arange(40), (np.zeros((3, 32), np.float32), np.zeros(3, np.float32))


@pytest.fixture(scope="module")
def sentence(tiny_bert: Path, tmp_path_factory: pytest.TempPathFactory) -> SentenceSpec:
    path = shutil.copytree(tiny_bert, tmp_path_factory.mktemp("sentence") / "model")
    kinds = ("Transformer", "Pooling", "Normalize")
    modules = [{"type": f"sentence_transformers.models.{kind}"} for kind in kinds]
    (path / "modules.json").write_text(json.dumps(modules), encoding="utf-8")
    (path / "1_Pooling").mkdir()
    (path / "1_Pooling" / "config.json").write_text('{"pooling_mode_mean_tokens": true}', encoding="utf-8")
    return SentenceSpec(model=str(path), dtype="float32")


def tuner(sentence: SentenceSpec) -> Tuner:
    weights = scipy.sparse.csr_array(np.eye(len(TEXTS), dtype=np.float32))
    return Tuner(sentence.last_layers(2, TEXTS), weights, True, SPEC.seed, epochs=3)


@pytest.mark.parametrize("layers", [1, 2])
def test_untuned_layers_make_the_vectors_of_the_encoder(sentence: SentenceSpec, layers: int) -> None:
    texts = ["a", "a longer text of some words", "b c"]
    last = sentence.last_layers(layers, texts)
    with torch.no_grad():
        found = last([0, 1, 2]).numpy()
    np.testing.assert_allclose(found, sentence.load(1).encode(texts, EncodeStats()), atol=1e-5)


def test_the_loss_falls_in_every_stage_and_the_encoder_is_kept(sentence: SentenceSpec) -> None:
    tuned = tuner(sentence)
    before = [weight.clone() for weight in tuned.last.stack.parameters()]
    tuned(ROWS, TRUTH, ROWS, HEAD)
    first, second = tuned.losses[:3], tuned.losses[3:]
    assert len(second) == 3
    assert first[2] < first[0]
    assert second[2] < second[0] < first[0]
    assert all(torch.equal(one, other) for one, other in zip(before, tuned.last.stack.parameters(), strict=True))


def test_a_probe_is_tuned_to_the_same_bytes_in_the_same_splits(sentence: SentenceSpec) -> None:
    vectors, groups = sentence.load(1).encode(TEXTS, EncodeStats()), ROWS // 4
    plain, found = probe(vectors, TRUTH, groups, SPEC), probe(vectors, TRUTH, groups, SPEC, tuner(sentence))
    for split in ("by_record", "by_group"):
        tuned = found.facts[split].pop("tuned")
        assert found.facts[split] == plain.facts[split]
        assert set(tuned) == {"micro_f1", "macro_f1", "lrap"}
    assert (found.told == plain.told).all()
    one, other = (tuner(sentence)(ROWS[:30], TRUTH[:30], ROWS[30:], HEAD) for _ in range(2))
    assert one.tobytes() == other.tobytes()


def test_more_layers_than_the_model_has_are_refused_in_one_line(sentence: SentenceSpec) -> None:
    with pytest.raises(UsageError, match=r"2 layers of a BertModel can be tuned, not 3\. Choose") as caught:
        sentence.last_layers(3, TEXTS)
    assert "\n" not in str(caught.value)


def test_an_atlas_says_what_tuning_reaches(sentence: SentenceSpec, tmp_path: Path) -> None:
    rows = "".join(f"r{number},{number % 2},film {number // 2 % 6},{text}\n" for number, text in enumerate(TEXTS))
    inputs = tmp_path / "reviews.csv"
    inputs.write_text(f"review_id,ml100k_item_id,title,text\n{rows}", encoding="utf-8")
    settings = {"encoder": sentence.model_dump(), "reduce.pca.components": 4, "reduce.clusters.k": 2}
    probing = {"reduce.probe": {"folds": 2, "tune": "layers"}}
    recipe = vidatlas.load_recipe("movielens-reviews", settings | probing)
    serial = vidatlas.Options(runner="serial")
    vidatlas.embed(recipe, inputs, tmp_path / "atlas", serial)
    vidatlas.reduce(tmp_path / "atlas", {}, serial)
    metrics = vidatlas.Atlas(tmp_path / "atlas").metrics
    for split in ("by_record", "by_group"):
        assert set(metrics["probe"][split]) == {"head", "most_frequent", "tuned"}
    assert (
        sum(" With the encoder's last layers tuned: 0." in one.reading for one in quality_figures(metrics, Nouns()))
        == 2
    )


@pytest.mark.parametrize("encoder", ["universal", "hashing", "tfidf"])
def test_an_encoder_without_layers_to_tune_is_refused_in_one_line(encoder: str) -> None:
    settings = {"encoder": {"kind": encoder}, "reduce.probe.tune": "layers"}
    with pytest.raises(UsageError, match=f"last layers, which encoder {encoder} has not: set encoder.kind=sentence"):
        vidatlas.load_recipe("movielens-reviews", settings)
