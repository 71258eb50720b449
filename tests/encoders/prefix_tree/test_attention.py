"""GPUs get the fused kernel where it can run, everything else plain tensor operations."""

from __future__ import annotations

import pytest

from vidatlas.encoders.prefix_tree import attention as tree_attention
from vidatlas.encoders.prefix_tree.gathered import GatheredAttention


@pytest.mark.parametrize(("device", "size"), [("cpu", 64), ("cuda", 80)])
def test_plain_operations_on_cpus_and_for_odd_heads(device: str, size: int) -> None:
    assert tree_attention.choose_attention(device, size) == ("tree", GatheredAttention)


def test_plain_operations_without_triton(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tree_attention, "find_spec", lambda name: None)
    assert tree_attention.choose_attention("cuda", 64) == ("tree", GatheredAttention)


def test_the_kernel_on_gpus() -> None:
    pytest.importorskip("triton", reason="there is no Triton for this platform")
    name, attention = tree_attention.choose_attention("cuda", 64)
    assert name == "tree (fused attention)"
    assert attention.__name__ == "FusedAttention"
