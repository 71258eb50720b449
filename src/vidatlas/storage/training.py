"""Saved trainings: enough to resume one exactly, kept in the atlas until the trained model is stored."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import ArrayLike
from safetensors.numpy import save

from vidatlas.errors import InputError, require
from vidatlas.storage.store import Store
from vidatlas.storage.tensors import Tensors

if TYPE_CHECKING:
    import torch

Parameters = Mapping[str, "torch.Tensor"]


class SavedTraining:
    """Keep parameters, optimizer and curves of a training in one safetensors file, at most one per name.

    ``made_of`` is a hash of the training's data and settings: a state saved under another one is ignored.
    """

    def __init__(self, store: Store, name: str, made_of: str) -> None:
        require("training a network", "torch")
        self._store, self._file = store, f"training/{name}.safetensors"
        self._made_of = np.frombuffer(made_of.encode(), np.uint8)

    def save(self, parameters: Parameters, optimizer: torch.optim.Optimizer, curves: Mapping[str, ArrayLike]) -> None:
        """Save the state, replacing an earlier one."""
        tensors = dict(parameters)
        for number, memory in optimizer.state_dict()["state"].items():
            tensors |= {f"optimizer.{number}.{key}": value for key, value in memory.items()}
        found = {name: tensor.detach().cpu().numpy() for name, tensor in tensors.items()}
        arrays = {**found, **curves, "made_of": self._made_of}
        # In C order, since safetensors ignores strides.
        data = save({name: np.asarray(array, order="C") for name, array in arrays.items()})
        self._store.folder.put(self._file, bytes(data))

    def resume(self, parameters: Parameters, optimizer: torch.optim.Optimizer) -> Tensors | None:
        """Restore parameters and optimizer in place; return the saved arrays, the curves among them.

        Return None and change nothing if there is no state of this training, or a damaged one: training from the start
        gives the same model.
        """
        import torch

        saved = self._load()
        if saved is None:
            return None
        with torch.no_grad():
            for name, tensor in parameters.items():
                tensor.copy_(torch.tensor(saved[name]))
        state: dict[int, dict[str, torch.Tensor]] = {}
        for name, array in saved.items():
            if name.startswith("optimizer."):
                _, number, key = name.split(".")
                state.setdefault(int(number), {})[key] = torch.tensor(array)
        optimizer.load_state_dict({"state": state, "param_groups": optimizer.state_dict()["param_groups"]})
        return saved

    def _load(self) -> Tensors | None:
        try:
            saved = self._store.tensors(self._file)
        except InputError:
            return None
        return saved if np.array_equal(saved.get("made_of", ()), self._made_of) else None

    def delete(self) -> None:
        """Delete the state: the model is stored, and nothing is left to resume."""
        self._store.folder.delete(self._file)
