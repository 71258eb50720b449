"""Our CLIP vectors are the notebook's: title alone, tags 15 at a time and padded, their mean, 0.6 and 0.4."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
import torch

from vidatlas.encoders.clip import ClipSpec
from vidatlas.pipeline.embed.rows import kept, schema
from vidatlas.pipeline.embed.vectors import vectors_of
from vidatlas.recipe import load_recipe
from vidatlas.sources.fields import RecordSpec
from vidatlas.types import EncodeStats, Floats

RECORDS: list[tuple[str | None, list[str]]] = [
    ("Minecraft: building a castle!", ["minecraft", "castle", "how to build", "lets play"]),
    ("title alone", []),
    (None, ["tags", "alone", "tags"]),
    ("x" * 300, ["y" * 300, "short"]),
    ("word " * 40, [f"tag number {number}" for number in range(40)]),
    ("👨‍👩‍👧‍👦 family 🎬🎬", ["🎬", "видео", "日本語の動画", "हिन्दी"]),
    ("a", ["b"]),
    ("Minecraft: building a castle!", ["minecraft", "castle", "how to build", "lets play"]),
    ("UPPER   lower\tTAB", ["UPPER", "upper"]),
    ("<|endoftext|> inside", ["<|startoftext|>"]),
]


class Notebook:
    """The original loop: one title, then 15 tags at a time, padded to the longest, in float32."""

    def __init__(self, path: Path) -> None:
        from transformers import CLIPTextModelWithProjection, CLIPTokenizer

        self._tokenizer: Any = CLIPTokenizer.from_pretrained(path)
        self._model = CLIPTextModelWithProjection.from_pretrained(path, dtype=torch.float32).eval()

    @torch.no_grad()
    def features(self, texts: list[str]) -> torch.Tensor:
        inputs = self._tokenizer(texts, padding=True, truncation=True, max_length=77, return_tensors="pt")
        return self._model(input_ids=inputs.input_ids, attention_mask=inputs.attention_mask).text_embeds

    def record(self, title: str | None, tags: list[str]) -> Floats:
        found = [(0.6, self.features([title[:77]])[0])] if title else []
        if tags:
            batches = [self.features([tag[:77] for tag in tags[at : at + 15]]) for at in range(0, len(tags), 15)]
            found.append((0.4, torch.cat(batches).mean(dim=0)))
        total = sum(weight for weight, _ in found)
        return np.asarray(sum(weight / total * vector for weight, vector in found))


@pytest.fixture(scope="module")
def table(spec: RecordSpec) -> pa.Table:
    rows = [
        {"line": row, "id": str(row), "group": "g", "title": [title] if title else [], "tags": tags}
        for row, (title, tags) in enumerate(RECORDS)
    ]
    return kept(pa.Table.from_pylist(rows, schema=schema(spec)))


@pytest.fixture(scope="module")
def expected(tiny_clip: Path) -> Floats:
    notebook = Notebook(tiny_clip)
    return np.stack([notebook.record(title, tags) for title, tags in RECORDS])


def ours(tiny_clip: Path, table: pa.Table, **settings: Any) -> tuple[Floats, EncodeStats]:
    changes = {"encoder": {"kind": "clip", "model": str(tiny_clip), **settings}}
    recipe = load_recipe("youniverse", changes)
    stats = EncodeStats()
    return vectors_of(table, recipe, recipe.encoder.load(1), stats), stats


def cosines(left: Floats, right: Floats) -> Floats:
    return (left * right).sum(axis=1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)


def test_the_tiny_model_tells_texts_apart(expected: Floats) -> None:
    unit = expected / np.linalg.norm(expected, axis=1, keepdims=True)
    alike = unit @ unit.T
    different = [(row, other) for row in range(len(RECORDS)) for other in range(row) if RECORDS[row] != RECORDS[other]]
    assert max(alike[pair] for pair in different) < 0.999


@pytest.mark.parametrize(("dtype", "least"), [("float32", 0.9999), ("bfloat16", 0.999)])
@pytest.mark.parametrize("batch_tokens", [1, 4096])
def test_every_record_equals_the_notebook(
    tiny_clip: Path, table: pa.Table, expected: Floats, dtype: str, least: float, batch_tokens: int
) -> None:
    found, _ = ours(tiny_clip, table, dtype=dtype, batch_tokens=batch_tokens)
    assert found.dtype == np.float32
    assert cosines(found, expected).min() >= least
    assert found[0].tobytes() == found[7].tobytes()
    if dtype == "float32":
        np.testing.assert_allclose(found, expected, atol=1e-4)


def test_what_was_computed_is_counted(tiny_clip: Path, table: pa.Table) -> None:
    _, stats = ours(tiny_clip, table, dtype="float32")
    texts = [text[:77] for title, tags in RECORDS for text in ([title] if title else []) + tags]
    assert stats.texts == len(texts)
    # "UPPER" and "upper" become the same tokens, so fewer sequences than texts are distinct.
    assert stats.distinct < len(set(texts))
    assert stats.tokens > 2 * stats.distinct


def test_a_long_text_is_cut_at_77_tokens_and_keeps_its_end(tiny_clip: Path) -> None:
    encoder = ClipSpec(model=str(tiny_clip), dtype="float32").load(1)
    short, just, over, far = encoder.tokenizer(["x", "x" * 75, "x" * 76, "x" * 500])
    assert [len(ids) for ids in (short, just, over, far)] == [3, 77, 77, 77]
    assert over == far != just
    assert {ids[0] for ids in (short, just, far)} == {512}
    assert {ids[-1] for ids in (short, just, far)} == {513}


def test_what_is_inspected_is_what_is_loaded(tiny_clip: Path) -> None:
    spec = ClipSpec(model=str(tiny_clip), dtype="float32")
    inspected, encoder = spec.inspect(), spec.load(1)
    assert inspected.dim == encoder.dim == encoder.identity["dim"] == 24
    texts = ["one", "two words", "x" * 500]
    assert inspected.count_tokens(texts[:2]) == sum(map(len, encoder.tokenizer(texts[:2])))
    # Two layers of four square projections and two of the feed-forward net, and the projection at the end.
    assert inspected.flops_per_token == 2 * (2 * (4 * 32 * 32 + 2 * 32 * 64) + 32 * 24)


def test_the_identity_names_weights_and_precision(tiny_clip: Path) -> None:
    identity = ClipSpec(model=str(tiny_clip), dtype="bfloat16").load(2).identity
    config = json.loads((tiny_clip / "config.json").read_text(encoding="utf-8"))
    assert (identity["dtype"], identity["threads"], identity["dim"]) == ("bfloat16", 2, config["projection_dim"])
    assert len(identity["weights_sha256"]) == 64
