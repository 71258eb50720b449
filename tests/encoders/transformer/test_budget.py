"""How much is computed together follows the memory there is, never the memory that is free."""

from __future__ import annotations

import pytest

from vidatlas.encoders.transformer import device
from vidatlas.encoders.transformer.budget import Budget, choose_budget
from vidatlas.errors import UnavailableError

GIB = 2**30


@pytest.mark.parametrize(
    ("where", "memory", "row_bytes", "expected"),
    [
        ("cuda", 140 * GIB, 1536, 65_536),
        ("cuda", 24 * GIB, 1536, 65_536),
        ("cuda", 8 * GIB, 1536, 16_384),
        ("cpu", 24 * GIB, 1536, 2048),
        ("cpu", GIB // 2, 3072, 512),
        ("cpu", 1, 3072, 1),
    ],
)
def test_auto_is_the_largest_power_of_two_with_memory_for_it(
    where: str, memory: int, row_bytes: int, expected: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(device, "device_memory", lambda device: memory)
    assert choose_budget("auto", where, row_bytes, 2048) == expected


def test_a_recipe_overrides_it() -> None:
    assert choose_budget(300, "cuda", 1, 2048) == 300


def test_this_machine_has_memory() -> None:
    assert device.device_memory("cpu") > GIB // 4


def test_it_is_halved_once_and_then_says_what_to_do() -> None:
    budget = Budget(64)
    budget.halve(64, "NVIDIA L4", MemoryError())
    assert budget.tokens == 32
    # Another thread that met the same limit does not halve it again.
    budget.halve(64, "NVIDIA L4", MemoryError())
    assert budget.tokens == 32
    with pytest.raises(UnavailableError, match=r"NVIDIA L4 has no memory for 32 tokens at a time.*batch_tokens"):
        budget.halve(32, "NVIDIA L4", MemoryError())
