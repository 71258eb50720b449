"""The tree engine gives the vectors of transformers' own forward, whatever the tree, the cut, the width or the seed."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from transformers import CLIPTextConfig, CLIPTextModelWithProjection

from vidatlas.encoders.clip import ClipSpec
from vidatlas.encoders.prefix_tree.tower import TreeTower
from vidatlas.encoders.prefix_tree.tree import Tree, build
from vidatlas.encoders.transformer.distinct import sort_distinct
from vidatlas.encoders.transformer.feeding import Feed
from vidatlas.errors import UsageError
from vidatlas.types import EncodeStats, Floats

START, END, VOCABULARY = 98, 99, 100


def model(seed: int, width: int, activation: str = "quick_gelu") -> CLIPTextModelWithProjection:
    config = CLIPTextConfig(
        vocab_size=VOCABULARY,
        hidden_size=width,
        intermediate_size=2 * width,
        num_hidden_layers=3,
        hidden_act=activation,
        num_attention_heads=4,
        projection_dim=24,
        bos_token_id=START,
        eos_token_id=END,
        pad_token_id=END,
    )
    torch.manual_seed(seed)
    made = CLIPTextModelWithProjection(config).eval()
    with torch.no_grad():
        for weight in made.parameters():
            weight.normal_(0, 0.2)
    return made


def sequences(seed: int, count: int, letters: int) -> list[list[int]]:
    draw = random.Random(seed)
    lengths = [draw.choice([0, 1, 2, 3, 5, 8, 13, 40, 75]) for _ in range(count)]
    return [[START, *(draw.randrange(letters) for _ in range(length)), END] for length in lengths]


def by_tree(
    made: CLIPTextModelWithProjection, given: list[list[int]], budget: int, dtype: str = "float32"
) -> tuple[Floats, EncodeStats]:
    feed, stats = Feed("cpu"), EncodeStats()
    distinct, place = sort_distinct(given)
    return feed.fetch(TreeTower(made, feed, dtype).launch(distinct, budget, stats))[place], stats


def own_forward(made: CLIPTextModelWithProjection, given: list[list[int]]) -> Floats:
    with torch.inference_mode():
        return np.concatenate([made(input_ids=torch.tensor([one])).text_embeds.numpy() for one in given])


def least_cosine(left: Floats, right: Floats) -> float:
    return float(((left * right).sum(1) / np.linalg.norm(left, axis=1) / np.linalg.norm(right, axis=1)).min())


@pytest.mark.parametrize("budget", [1, 60, 100_000])
@pytest.mark.parametrize(("seed", "width", "letters"), [(0, 32, 2), (1, 48, 3), (2, 64, 90)])
def test_random_trees(seed: int, width: int, letters: int, budget: int) -> None:
    made, given = model(seed, width), sequences(seed, 60, letters)
    expected = own_forward(made, given)
    found = by_tree(made, given, budget)[0]
    np.testing.assert_allclose(found, expected, atol=2e-4 * np.abs(expected).max())
    rounded = by_tree(made, given, budget, "bfloat16")[0]
    assert least_cosine(rounded, expected) >= 0.999


@pytest.mark.parametrize(
    "given", [[[START, END]], [[START, 5, END]], [[START, *range(75), END]], 3 * [[START, 5, END]]]
)
def test_few_sequences(given: list[list[int]]) -> None:
    made = model(0, 32)
    found = by_tree(made, given, 64)[0]
    np.testing.assert_allclose(found, own_forward(made, given), atol=1e-4)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_the_order_of_the_texts_changes_no_byte(dtype: str) -> None:
    made, given = model(0, 32), sequences(3, 80, 3)
    order = random.Random(0).sample(range(len(given)), len(given))
    straight, _ = by_tree(made, given, 50, dtype)
    shuffled, _ = by_tree(made, [given[at] for at in order], 50, dtype)
    assert shuffled.tobytes() == straight[order].tobytes()


def test_nodes_are_counted() -> None:
    _, stats = by_tree(model(0, 32), [[START, 1, 2, END], [START, 1, 3, END], [START, 1, 2, END]], 1000)
    assert stats == EncodeStats(nodes=6)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_nothing_that_meets_the_device_was_left_behind(dtype: str) -> None:
    """A device without data: an operand that was not uploaded, or a wait for a result, raises."""
    tower = TreeTower(model(0, 32), Feed("meta"), dtype)
    distinct, _ = sort_distinct(sequences(0, 40, 3))
    tree = build(distinct, slice(0, len(distinct.lengths)))
    features = tower.forward(tree)
    assert features.device.type == "meta"
    assert features.shape == (len(distinct.lengths), 24)
    assert features.dtype == getattr(torch, dtype)


class Launches(TorchDispatchMode):
    """Count the operations that would start a kernel on a GPU."""

    def __init__(self) -> None:
        super().__init__()
        self.count = 0

    def __torch_dispatch__(self, function: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(function)
        self.count += not any(view in name for view in ("slice", "view", "empty", "lift_fresh", "to.dtype_layout"))
        return function(*args, **(kwargs or {}))


@pytest.mark.parametrize("longest", [5, 75])
def test_with_one_kernel_for_attention_a_tree_takes_a_dozen_launches_a_layer_however_deep(longest: int) -> None:
    def fused(tree: Tree, heads: int, upload: Any) -> Any:
        return lambda mixed: torch.empty((len(mixed), 32), device="meta")

    tower = TreeTower(model(0, 32), Feed("meta"), "float32")
    tower._attention = fused
    distinct, _ = sort_distinct([[START, *([letter] * longest), END] for letter in range(9)])
    with torch.inference_mode(), Launches() as launches:
        tower.forward(build(distinct, slice(0, 9)))
    # Beside attention itself; what comes before and after the layers is counted in.
    assert launches.count <= 3 * 12


def test_the_other_activation_of_clip_checkpoints() -> None:
    made, given = model(0, 32, activation="gelu"), sequences(1, 30, 3)
    found = by_tree(made, given, 64)[0]
    np.testing.assert_allclose(found, own_forward(made, given), atol=1e-4)


def test_an_unknown_activation_is_refused_with_the_remedy() -> None:
    made = model(0, 32)
    made.config.hidden_act = "relu"
    with pytest.raises(UsageError, match=r"encoder\.engine=plain"):
        TreeTower(made, Feed("cpu"), "float32")


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_both_engines_of_a_recipe_agree(tiny_clip: Path, dtype: str) -> None:
    texts = [
        "",
        "a",
        "lego city",
        "lego city police",
        "lego city",
        "😀 日本語",
        "x" * 300,
        "<|endoftext|> b",
        "  two  ",
    ]
    found = {}
    for engine in ("tree", "plain"):
        spec = ClipSpec.model_validate({"model": str(tiny_clip), "dtype": dtype, "engine": engine, "batch_tokens": 40})
        found[engine] = spec.load(1).encode(texts, EncodeStats())
    assert least_cosine(found["tree"], found["plain"]) >= {"float32": 0.999999, "bfloat16": 0.999}[dtype]
