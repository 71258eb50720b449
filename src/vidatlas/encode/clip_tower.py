"""CLIP's text tower over a tree of token prefixes, with the weights of transformers' CLIPTextModelWithProjection.

A pre-norm transformer with learned positions and a causal mask (Radford et al., "Learning Transferable Visual Models
From Natural Language Supervision", 2021, §2.4). What differs from transformers' own forward is the order of the work:

* one row per node of the tree instead of one per token of every text;
* queries, keys and values in one product; the factor 1/sqrt(head) is in the query weights;
* quick GELU, x * sigmoid(1.702 x), as SiLU of 1.702 x: the factor is in the weights before it, its inverse behind;
* the final norm and the projection on the nodes where a text ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch.nn import functional

from vidatlas.encode.prefix_tree import AttentionGroup, Tree, build, cut, sort_distinct
from vidatlas.types import EncodeStats, Floats, UsageError

if TYPE_CHECKING:
    from collections.abc import Sequence

_QUICK_GELU = 1.702


@dataclass(frozen=True, slots=True)
class _Norm:
    weight: torch.Tensor
    bias: torch.Tensor
    epsilon: float

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        return functional.layer_norm(states, states.shape[-1:], self.weight, self.bias, self.epsilon)


@dataclass(frozen=True, slots=True)
class _Linear:
    weight: torch.Tensor
    bias: torch.Tensor | None

    def __call__(self, states: torch.Tensor) -> torch.Tensor:
        return functional.linear(states, self.weight, self.bias)


@dataclass(frozen=True, slots=True)
class _Layer:
    attention_norm: _Norm
    attention_in: _Linear
    attention_out: _Linear
    mlp_norm: _Norm
    mlp_in: _Linear
    mlp_out: _Linear


class TreeTower:
    """Compute text features over prefix trees on one device and in one precision.

    Args:
        model: a CLIPTextModelWithProjection in float32, on the CPU; its weights are copied.
        device: where to compute.
        dtype: of weights and states; softmax and norms accumulate in float32.
        budget: most nodes of one tree.
    """

    def __init__(self, model: Any, device: str, dtype: str, budget: int) -> None:
        self._device, self._dtype, self._budget = device, getattr(torch, dtype), budget
        text, config = model.text_model, model.config
        if config.hidden_act not in ("quick_gelu", "gelu"):
            raise UsageError(
                f"the tree engine does not know the activation {config.hidden_act}. Set encoder.engine=plain."
            )
        self._quick = config.hidden_act == "quick_gelu"
        self._heads = config.num_attention_heads
        self._tokens = self._copy(text.embeddings.token_embedding.weight)
        self._positions = self._copy(text.embeddings.position_embedding.weight)
        self._layers = [self._layer(layer) for layer in text.encoder.layers]
        self._final = self._norm(text.final_layer_norm)
        self._projection = _Linear(self._copy(model.text_projection.weight), None)

    def _copy(self, weight: torch.Tensor) -> torch.Tensor:
        return weight.detach().to(self._device, self._dtype)

    def _norm(self, norm: Any) -> _Norm:
        return _Norm(self._copy(norm.weight), self._copy(norm.bias), norm.eps)

    def _linear(self, linear: Any, weight: float = 1.0, bias: float = 1.0) -> _Linear:
        return _Linear(self._copy(linear.weight * weight), self._copy(linear.bias * bias))

    def _layer(self, layer: Any) -> _Layer:
        attention = layer.self_attn
        scale = attention.head_dim**-0.5
        factor = _QUICK_GELU if self._quick else 1.0
        parts = ((attention.q_proj, scale), (attention.k_proj, 1.0), (attention.v_proj, 1.0))
        weight = torch.cat([part.weight * factor for part, factor in parts])
        bias = torch.cat([part.bias * factor for part, factor in parts])
        return _Layer(
            attention_norm=self._norm(layer.layer_norm1),
            attention_in=_Linear(self._copy(weight), self._copy(bias)),
            attention_out=self._linear(attention.out_proj),
            mlp_norm=self._norm(layer.layer_norm2),
            mlp_in=self._linear(layer.mlp.fc1, factor, factor),
            mlp_out=self._linear(layer.mlp.fc2, 1 / factor),
        )

    def encode(self, sequences: list[list[int]], stats: EncodeStats) -> Floats:
        """Return float32 [len(sequences), projection]; what is computed depends on the set of sequences alone."""
        # A text is read up to its first end token; the tokenizer appends one, and a text may spell one out.
        end = sequences[0][-1]
        distinct, place = sort_distinct([sequence[: sequence.index(end) + 1] for sequence in sequences])
        vectors = []
        with torch.inference_mode():
            for rows in cut(distinct, self._budget):
                tree = build(distinct, rows)
                vectors.append(self.forward(tree))
                stats.nodes += len(tree.tokens)
        stats.texts += len(sequences)
        stats.distinct += len(distinct.lengths)
        stats.tokens += int(distinct.lengths.sum())
        # Only here does the processor wait for the device: until now it has been building the next tree.
        features: Floats = torch.cat(vectors).float().cpu().numpy()[place]
        return features

    def forward(self, tree: Tree) -> torch.Tensor:
        """Return the features [leaves, projection] of a tree."""
        states = self._tokens[self._to(tree.tokens)].add_(self._positions[self._to(tree.depths)])
        groups = [_Group(group, self._to) for group in tree.groups]
        for layer in self._layers:
            attended = self._attend(layer.attention_in(layer.attention_norm(states)), groups)
            states.add_(layer.attention_out(attended))
            hidden = layer.mlp_in(layer.mlp_norm(states))
            states.add_(
                layer.mlp_out(functional.silu(hidden, inplace=True) if self._quick else functional.gelu(hidden))
            )
        return self._projection(self._final(states[self._to(tree.leaves)]))

    def _to(self, index: Any) -> torch.Tensor:
        return torch.from_numpy(index).to(self._device, non_blocking=True)

    def _attend(self, mixed: torch.Tensor, groups: Sequence[_Group]) -> torch.Tensor:
        """Return what each node takes from its ancestors and itself, given query, key and value of each node."""
        width = mixed.shape[1] // 3
        size = width // self._heads
        queries, others = mixed[:, :width], mixed[:, width:]
        # A root attends to itself alone: it takes its own value.
        taken = mixed[:, 2 * width :].clone()
        for group in groups:
            nodes, deepest = group.stop - group.start, group.deepest
            gathered = others.index_select(0, group.ancestors).view(nodes, deepest, 2, self._heads, size)
            asked = queries[group.start : group.stop].view(nodes, 1, self._heads, size)
            scores = (gathered[:, :, 0] * asked).sum(dim=-1, dtype=torch.float32)
            if group.absent is not None:
                scores.masked_fill_(group.absent, float("-inf"))
            weights = scores.softmax(dim=1).to(mixed.dtype)
            mean = torch.einsum("nah,nahd->nhd", weights, gathered[:, :, 1])
            taken[group.start : group.stop] = mean.reshape(nodes, width)
        return taken


class _Group:
    """An attention group on the device."""

    def __init__(self, group: AttentionGroup, to: Any) -> None:
        self.start, self.stop = group.start, group.stop
        self.deepest = group.ancestors.shape[1]
        self.ancestors = to(group.ancestors).reshape(-1)
        self.absent = None if group.present is None else to(~group.present)[:, :, None]
