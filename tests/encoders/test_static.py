"""Static vectors: those of Model2Vec's library, from a folder in its format or distilled, the same bytes each time."""

from __future__ import annotations

import json
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch
from model2vec import StaticModel
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

import vidatlas
from vidatlas import Options
from vidatlas.encoders import static
from vidatlas.encoders.static import StaticSpec, distill
from vidatlas.encoders.transformer.checkpoint import open_checkpoint
from vidatlas.errors import UsageError
from vidatlas.pipeline.embed.encoder import same_encoder
from vidatlas.recipe import load_recipe
from vidatlas.storage.store import Store
from vidatlas.types import EncodeStats

TEXTS = ["lego city", "Lego police", "city", "", "?", "lego city"]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """Return an invented model of a few words in Model2Vec's format."""
    words = ["[UNK]", "lego", "city", "police", "piano"]
    tokenizer = Tokenizer(models.WordLevel({word: at for at, word in enumerate(words)}, unk_token="[UNK]"))
    tokenizer.normalizer, tokenizer.pre_tokenizer = normalizers.Lowercase(), pre_tokenizers.Whitespace()
    vectors = np.random.default_rng(0).normal(size=(len(words), 8)).astype(np.float16)
    config = {"model_type": "model2vec"}
    StaticModel(vectors, tokenizer, config, normalize=True).save_pretrained(tmp_path / "model")
    return tmp_path / "model"


def test_a_folder_gives_the_vectors_of_the_library(folder: Path) -> None:
    spec, stats = StaticSpec(model=str(folder)), EncodeStats()
    found = spec.load(1).encode(TEXTS, stats)
    assert (found.shape, found.dtype) == ((6, 8), np.float32)
    np.testing.assert_allclose(found, StaticModel.from_pretrained(folder).encode(TEXTS), atol=2e-3)
    assert not found[3:5].any()
    assert found[0].tobytes() == found[5].tobytes()
    assert (stats.texts, stats.distinct) == (6, 5)
    assert spec.load(1).encode([], stats).shape == (0, 8)
    inspected = spec.inspect()
    assert (inspected.dim, inspected.weights_sha256) == (8, spec.load(1).identity["weights_sha256"])


def test_a_vocabulary_of_fewer_vectors_is_read_as_the_library_reads_it(folder: Path) -> None:
    model = StaticModel.from_pretrained(folder)
    weights, mapping = np.linspace(0.5, 1, 5), np.array([0, 1, 1, 2, 0])
    StaticModel(
        model.embedding[:3], model.tokenizer, model.config, weights=weights, token_mapping=mapping
    ).save_pretrained(folder)
    found = StaticSpec(model=str(folder)).load(1).encode(TEXTS, EncodeStats())
    np.testing.assert_allclose(found, StaticModel.from_pretrained(folder).encode(TEXTS), atol=2e-3)


def test_the_order_of_texts_and_threads_change_no_byte(folder: Path) -> None:
    encoder = StaticSpec(model=str(folder)).load(1)
    texts = [f"{text} {number}" for number in range(500) for text in TEXTS]
    whole = encoder.encode(texts, EncodeStats())
    assert encoder.encode(texts[::-1], EncodeStats())[::-1].tobytes() == whole.tobytes()
    with ThreadPoolExecutor(4) as pool:
        each = pool.map(lambda _: encoder.encode(texts, EncodeStats()).tobytes(), range(8))
    assert set(each) == {whole.tobytes()}


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "vidatlas"


def test_other_checkpoints_are_distilled_once(tiny_bert: Path, cache: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    spec = StaticSpec(model=str(tiny_bert))
    first = spec.load(1)
    vectors = first.encode(["ab", "ba", "zz"], EncodeStats())
    assert vectors.shape == (3, 32)
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert len(list(cache.glob("static-*.safetensors"))) == 1
    with monkeypatch.context() as patch:
        patch.setattr(static, "distill", lambda checkpoint: pytest.fail("it is in the cache"))
        assert spec.load(1).identity == first.identity
    (made,) = cache.glob("static-*.safetensors")
    made.write_bytes(made.read_bytes()[:100])
    assert spec.load(1).identity == first.identity


def test_distilling_gives_equal_bytes_on_any_number_of_threads(tiny_bert: Path) -> None:
    checkpoint = open_checkpoint(str(tiny_bert), None)
    tables = []
    for threads in (1, 2):
        torch.set_num_threads(threads)
        tables.append(distill(checkpoint))
    torch.set_num_threads(1)
    assert tables[0].dtype == np.float16
    assert tables[0].tobytes() == tables[1].tobytes()


def test_a_token_is_what_the_model_makes_of_it_alone_and_frequent_ones_weigh_less(tiny_bert: Path) -> None:
    from transformers import BertModel, BertTokenizer

    tokenizer, model = BertTokenizer.from_pretrained(tiny_bert), BertModel.from_pretrained(tiny_bert).eval()
    rows = [[tokenizer.cls_token_id, token, tokenizer.sep_token_id] for token in range(len(tokenizer))]
    with torch.no_grad():
        alone = model(input_ids=torch.tensor(rows)).last_hidden_state.mean(dim=1).numpy()
    alone -= alone.mean(axis=0)
    table = distill(open_checkpoint(str(tiny_bert), None)).astype(np.float32)
    lengths, wanted = np.linalg.norm(table, axis=1, keepdims=True), np.linalg.norm(alone, axis=1, keepdims=True)
    np.testing.assert_allclose(
        (table / lengths) @ (table / lengths).T, (alone / wanted) @ (alone / wanted).T, atol=0.02
    )
    assert (np.diff((lengths / wanted).ravel()) > 0).mean() > 0.9


def test_unusable_models_are_refused_in_one_line(folder: Path, tiny_bert: Path, tmp_path: Path) -> None:
    (folder / "model.safetensors").write_bytes(b"no tensors")
    with pytest.raises(UsageError, match="neither in Model2Vec's format nor can it be distilled"):
        StaticSpec(model=str(folder)).load(1)
    (folder / "tokenizer.json").unlink()
    (folder / "model.safetensors").unlink()
    with pytest.raises(UsageError, match=r"no \*\.safetensors"):
        StaticSpec(model=str(folder)).inspect()
    bare = shutil.copytree(tiny_bert, tmp_path / "bare")
    (bare / "tokenizer.json").unlink()
    with pytest.raises(UsageError, match=r"there is no tokenizer\.json"):
        StaticSpec(model=str(bare)).load(1)


def test_an_atlas_is_embedded_and_its_encoder_opened_again(folder: Path, tmp_path: Path) -> None:
    rows = [{"id": f"v{at}", "kind": "toys", "title": "lego city" if at % 2 else "piano"} for at in range(40)]
    (tmp_path / "videos.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    record = {"id": "id", "group": "kind", "title": "title", "fields": {"title": {"column": "title", "weight": 1}}}
    recipe = load_recipe("fast", {"record": record, "encoder.model": str(folder)})
    where = str(tmp_path / "atlas")
    vidatlas.embed(recipe, str(tmp_path / "videos.jsonl"), where, Options(runner="serial"))
    encoder = same_encoder(Store(where), recipe)
    found = vidatlas.open_atlas(where).embeddings()[1]
    np.testing.assert_allclose(found[:2], encoder.encode(["piano", "lego city"], EncodeStats()), atol=2e-3)
