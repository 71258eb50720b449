"""The state of a training is restored exactly, and ignored where it is damaged or another training's."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from vidatlas.storage.store import Store
from vidatlas.storage.training import SavedTraining

OPTIMIZERS: dict[str, Callable[[Any], torch.optim.Optimizer]] = {
    "no momentum": lambda tensors: torch.optim.SGD(tensors, lr=0.1, momentum=0.0),
    "adam": lambda tensors: torch.optim.Adam(tensors, lr=0.1),
    "sgd": lambda tensors: torch.optim.SGD(tensors, lr=0.1, momentum=0.9),
}


def fresh(optimizer: str) -> tuple[dict[str, torch.Tensor], torch.optim.Optimizer]:
    """Return parameters, of which the optimizer trains all but the first."""
    named = {name: torch.full((2, 3), float(at), requires_grad=True) for at, name in enumerate("abc")}
    return named, OPTIMIZERS[optimizer](list(named.values())[1:])


def step(named: dict[str, torch.Tensor], optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    sum((tensor**2).sum() for tensor in named.values()).backward()  # type: ignore[union-attr]
    optimizer.step()


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_resumed_training_takes_the_same_steps(tmp_path: Path, optimizer: str) -> None:
    state, (named, memory) = SavedTraining(Store(tmp_path), "net", "x"), fresh(optimizer)
    for _ in range(3):
        step(named, memory)
    turned = np.arange(6.0).reshape(2, 3).T
    state.save(named, memory, {"losses": [0.1, 0.2], "turned": turned})
    others, other_memory = fresh(optimizer)
    saved = SavedTraining(Store(tmp_path), "net", "x").resume(others, other_memory)
    assert saved is not None
    assert saved["losses"].tolist() == [0.1, 0.2]
    assert saved["turned"].tolist() == turned.tolist()
    for _ in range(2):
        step(named, memory)
        step(others, other_memory)
    assert all(torch.equal(named[name], others[name]) for name in named)


def cut(file: Path) -> None:
    file.write_bytes(file.read_bytes()[:-1])


@pytest.mark.parametrize(
    ("name", "made_of", "damage"),
    [
        ("net", "y", None),
        ("net", "xx", None),
        ("other", "x", None),
        ("net", "x", cut),
        ("net", "x", Path.unlink),
    ],
)
def test_another_or_damaged_state_is_ignored(tmp_path: Path, name: str, made_of: str, damage: Any) -> None:
    named, memory = fresh("adam")
    step(named, memory)
    SavedTraining(Store(tmp_path), "net", "x").save(named, memory, {})
    if damage:
        damage(tmp_path / "training" / "net.safetensors")
    others, other_memory = fresh("adam")
    assert SavedTraining(Store(tmp_path), name, made_of).resume(others, other_memory) is None
    assert all(torch.equal(others[key], tensor) for key, tensor in fresh("adam")[0].items())
    assert not other_memory.state_dict()["state"]


def test_there_is_one_state_per_name_until_it_is_deleted(tmp_path: Path) -> None:
    named, memory = fresh("sgd")
    states = [SavedTraining(Store(tmp_path), name, made_of) for name, made_of in ("ax", "ay", "bx")]
    for state in states:
        state.save(named, memory, {})
    assert sorted(file.name for file in (tmp_path / "training").iterdir()) == ["a.safetensors", "b.safetensors"]
    assert states[0].resume(named, memory) is None
    for state in states[1:]:
        state.delete()
        state.delete()
    assert not list((tmp_path / "training").iterdir())
