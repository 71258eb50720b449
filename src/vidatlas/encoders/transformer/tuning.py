"""Tuning of a transformer's last layers for a probe: gradual unfreezing with a one-cycle schedule.

Howard and Ruder, "Universal Language Model Fine-tuning for Text Classification" (2018): each stage unfreezes one more
layer, from the last one down, and lower layers have lower learning rates. Smith, "A disciplined approach to neural
network hyper-parameters" (2018): within a stage the rate rises, then falls. The head starts from the linear probe's: a
random one would distort the layers (Kumar et al., "Fine-Tuning can Distort Pretrained Features", 2022).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse
import torch
from torch import nn

from vidatlas.errors import UsageError
from vidatlas.probe import Flags, Linear, Numbers
from vidatlas.threads import one_thread
from vidatlas.types import Floats

LAYERS = 2
"""Last layers that are tuned, one more per stage."""
_BATCH = 16
_HEAD_RATE, _LAYER_RATE, _DECAY = 1e-2, 3e-4, 2.6
"""Highest learning rates of the head and the last layer; that of each layer below is divided by ``_DECAY`` again."""
_NEAR = 0.05
"""States of the last layers alone differ from the model's by less than this, in the lowest precision."""

Pool = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
"""Hidden states [texts, tokens, width] and their mask [texts, tokens] -> vectors [texts, dim]."""


def _given(input_ids: Any = None, inputs_embeds: Any = None, *_: Any, **__: Any) -> Any:
    """Stand in for a transformer's embeddings: return the states that are passed in."""
    return inputs_embeds


class LastLayers:
    """The last layers of a transformer with its pooling; the layers below never change, and are run once per text.

    Args:
        model: a transformers model in float32, on its device; its other layers are removed.
        layers: the number of its last layers.
        tokens: token ids of each text.
        pool: the checkpoint's pooling.
        dtype: precision of matrix products.

    Raises:
        UsageError: the model has fewer layers, or is not a plain stack of them.
    """

    def __init__(self, model: Any, layers: int, tokens: list[list[int]], pool: Pool, dtype: str) -> None:
        owner, name = _stack(model)
        if not owner or layers > len(getattr(owner, name)):
            found = len(getattr(owner, name)) if owner else 0
            raise UsageError(
                f"reduce.probe.tune: {found} layers of a {type(model).__name__} can be tuned, not {layers}. "
                "Choose a model with more, or set reduce.probe.tune=null."
            )
        self.model, self._pool, self._dtype = model, pool, getattr(torch, dtype)
        with one_thread(), torch.no_grad():
            first = self._run(input_ids=torch.tensor(tokens[:1], device=model.device)).last_hidden_state
            self.states: list[torch.Tensor] = []
            for at in range(0, len(tokens), _BATCH):
                self.states += self._below(tokens[at : at + _BATCH], layers)
        self.stack = nn.ModuleList(list(getattr(owner, name))[-layers:])
        setattr(owner, name, self.stack)
        del model.embeddings  # torch lets no function replace a module
        model.embeddings = _given
        with one_thread(), torch.no_grad():
            again = self._hidden(self.states[:1])[0]
        if again.shape != first.shape or (again - first).abs().max() > _NEAR * first.abs().max():
            raise UsageError(
                f"reduce.probe.tune: the layers of a {type(model).__name__} cannot be run alone. "
                "Choose another model, or set reduce.probe.tune=null."
            )

    def _run(self, **inputs: Any) -> Any:
        low = self._dtype != torch.float32
        with torch.autocast(self.model.device.type, self._dtype, enabled=low):
            return self.model(**inputs)

    def _below(self, tokens: list[list[int]], layers: int) -> list[torch.Tensor]:
        """Return the states [tokens, width] in which texts enter the last layers, in the precision of products."""
        ids, mask = self._padded([torch.tensor(one) for one in tokens])
        found = self._run(input_ids=ids, attention_mask=mask, output_hidden_states=True).hidden_states[-1 - layers]
        return [states[: len(one)].to(self._dtype) for states, one in zip(found, tokens, strict=True)]

    def _padded(self, texts: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        padded = nn.utils.rnn.pad_sequence(texts, batch_first=True).to(self.model.device)
        lengths = torch.tensor([len(one) for one in texts], device=padded.device)
        return padded, (torch.arange(padded.shape[1], device=padded.device) < lengths[:, None]).long()

    def _hidden(self, states: list[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
        padded, mask = self._padded(states)
        return self._run(inputs_embeds=padded.float(), attention_mask=mask).last_hidden_state.float(), mask

    def __call__(self, texts: list[int]) -> torch.Tensor:
        """Return the vectors [texts, dim] of some texts, by number."""
        return self._pool(*self._hidden([self.states[text] for text in texts]))


def _stack(model: Any) -> tuple[Any, str]:
    """Return the part of a model that holds its layers, and by which name; (None, "") if it is built otherwise."""
    for owner in model.children() if hasattr(model, "embeddings") else ():
        for name, child in owner.named_children():
            if isinstance(child, nn.ModuleList) and len(child) == model.config.num_hidden_layers:
                return owner, name
    return None, ""


@dataclass(frozen=True, slots=True)
class Tuner:
    """Tune last layers and head together on some records, and predict the labels of others.

    Attributes:
        last: the layers; every call tunes a copy.
        weights: float32 [records, texts], the share of each text in a record's vector.
        normalize: whether a record's vector has length 1.
        seed: of the order of records.
        epochs: of each stage.
        losses: mean loss of each epoch of each call so far.
    """

    last: LastLayers
    weights: scipy.sparse.csr_array
    normalize: bool
    seed: int
    epochs: int = 1
    losses: list[float] = field(default_factory=list)

    def __call__(self, seen: Numbers, truth: Flags, held: Numbers, linear: Linear) -> Floats:
        """Return the log-odds [held, labels] after tuning on the records ``seen`` and their labels."""
        with one_thread(), torch.random.fork_rng(devices=[]):
            torch.manual_seed(self.seed)
            last, head = self._copy(), _head_of(linear)
            head.to(last.model.device)
            for layers in range(1, len(last.stack) + 1):
                self._stage(last, head, (seen, truth), layers)
            last.model.eval()
            with torch.no_grad():
                found = [head(self._vectors(last, held[at : at + _BATCH])) for at in range(0, len(held), _BATCH)]
            return np.asarray(torch.cat(found).cpu().numpy(), np.float32)

    def _copy(self) -> LastLayers:
        """Return a copy of the layers that shares the states that enter them."""
        return copy.deepcopy(self.last, {id(self.last.states): self.last.states})

    def _stage(self, last: LastLayers, head: nn.Linear, known: tuple[Numbers, Flags], layers: int) -> None:
        """Train the head and the ``layers`` last layers for one cycle."""
        seen, truth = known
        last.model.requires_grad_(False)
        groups = [{"params": list(head.parameters()), "lr": _HEAD_RATE}]
        for depth, layer in enumerate(reversed(last.stack[-layers:])):
            layer.requires_grad_(True)
            groups.append({"params": list(layer.parameters()), "lr": _LAYER_RATE / _DECAY**depth})
        last.model.train()
        optimizer = torch.optim.AdamW(groups, weight_decay=0.01)
        steps = self.epochs * -(-len(seen) // _BATCH)
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, [group["lr"] for group in groups], steps)
        for _ in range(self.epochs):
            total = 0.0
            for rows in _batches(len(seen)):
                wanted = torch.from_numpy(truth[rows]).float().to(head.weight.device)
                logits = head(self._vectors(last, seen[rows]))
                loss = nn.functional.binary_cross_entropy_with_logits(logits, wanted)
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()
                schedule.step()
                total += float(loss.detach()) * len(rows)
            self.losses.append(total / len(seen))

    def _vectors(self, last: LastLayers, rows: Numbers) -> torch.Tensor:
        """Return the vectors [rows, dim] of some records: the weighted mean of those of their texts."""
        weights = self.weights[rows]
        texts = np.unique(weights.indices)
        vectors = last(texts.tolist())
        mixed = torch.from_numpy(weights[:, texts].toarray()).to(vectors.device) @ vectors
        return nn.functional.normalize(mixed, dim=1) if self.normalize else mixed


def _batches(rows: int) -> Iterator[Numbers]:
    order = torch.randperm(rows).numpy()
    yield from (order[at : at + _BATCH] for at in range(0, rows, _BATCH))


def _head_of(linear: Linear) -> nn.Linear:
    """Return a linear probe's head as a module."""
    weight, bias = (torch.from_numpy(part) for part in linear)
    head = nn.Linear(weight.shape[1], weight.shape[0])
    head.weight.data, head.bias.data = weight.clone(), bias.clone()
    return head
