"""The GPU kernel, without a GPU: Triton's interpreter runs it on CPU tensors, its compiler makes it for real cards."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton", reason="there is no Triton for this platform; `make test` installs it on Linux x86-64")

EQUAL = """
import random
import torch
from vidatlas.encoders.prefix_tree.tree import build
from vidatlas.encoders.transformer.distinct import sort_distinct
from vidatlas.encoders.prefix_tree.gathered import GatheredAttention
from vidatlas.encoders.prefix_tree.kernel import FusedAttention

draw = random.Random(0)
sequences = [[7, *(draw.randrange(3) for _ in range(draw.randrange(9))), 9] for _ in range(10)]
sequences.append([7, *range(25), 9])
distinct, _ = sort_distinct(sequences)
tree = build(distinct, slice(0, len(distinct.lengths)))
for heads, size, dtype, most in ((3, 16, "float32", 1e-5), (4, 8, "bfloat16", 0.05), (1, 32, "float16", 0.01)):
    mixed = torch.randn(len(tree.tokens), 3 * heads * size, generator=torch.Generator().manual_seed(0))
    exact = GatheredAttention(tree, heads, torch.from_numpy)(mixed)
    mixed = mixed.to(getattr(torch, dtype))
    found = FusedAttention(tree, heads, torch.from_numpy)(mixed)
    assert found.dtype == mixed.dtype and found.shape == exact.shape
    difference = (found.float() - exact).abs().max().item()
    assert difference < most, (heads, size, dtype, difference)
print("equal")
"""

COMPILED = """
import triton
from triton.backends.compiler import GPUTarget
from triton.compiler import ASTSource
from vidatlas.encoders.prefix_tree.kernel import attend_to_ancestors

names = ("mixed", "paths", "rows", "depths", "taken", "longest")
constants = {"HEADS": 12, "PADDED_HEADS": 16, "SIZE": 64}
for number, card in (("bf16", 80), ("bf16", 90), ("fp16", 75), ("fp32", 80)):
    kinds = (f"*{number}", "*i32", "*i32", "*i32", f"*{number}", "i32")
    signature = dict(zip(names, kinds)) | dict.fromkeys(constants, "constexpr")
    source = ASTSource(fn=attend_to_ancestors, signature=signature, constexprs=constants)
    made = triton.compile(source, target=GPUTarget("cuda", card, 32), options={"num_warps": 4})
    assert made.asm["cubin"], (number, card)
print("compiled")
"""


def run(program: str, **environment: str) -> str:
    root = Path(__file__).parents[3] / "src"
    done = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "PYTHONPATH": str(root), **environment},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout.strip()


def test_it_attends_as_plain_tensor_operations_do() -> None:
    assert run(EQUAL, TRITON_INTERPRET="1") == "equal"


def test_it_compiles_for_the_cards_people_have(tmp_path: Path) -> None:
    assert run(COMPILED, TRITON_CACHE_DIR=str(tmp_path)) == "compiled"
