"""CLIP's text tower over a tree of token prefixes, with the weights of transformers' CLIPTextModelWithProjection.

A pre-norm transformer with learned positions and a causal mask (Radford et al., "Learning Transferable Visual Models
From Natural Language Supervision", 2021, §2.4). What differs from transformers' own forward is the order of the work:

* one row per node of the tree instead of one per token of every text;
* queries, keys and values in one product; the factor 1/sqrt(head) is in the query weights;
* quick GELU, x * sigmoid(1.702 x), as SiLU of 1.702 x: the factor is in the weights before it, its inverse after;
* the final norm and the projection on the nodes where a text ends.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch.nn import functional

from vidatlas.encoders.prefix_tree.attention import choose_attention
from vidatlas.encoders.prefix_tree.tree import Tree, build, cut
from vidatlas.encoders.transformer.distinct import Sequences
from vidatlas.encoders.transformer.feeding import Feed
from vidatlas.errors import UsageError
from vidatlas.types import EncodeStats

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
    """CLIP's text tower over prefix trees, on one device and in one precision.

    Args:
        model: a CLIPTextModelWithProjection in float32, on the CPU; its weights are copied.
        feed: feed of the device to compute on.
        dtype: precision of weights and states; softmax and norms accumulate in float32.

    Raises:
        UsageError: the checkpoint has an activation that is neither GELU nor quick GELU.
    """

    def __init__(self, model: Any, feed: Feed, dtype: str) -> None:
        self._feed, self._dtype = feed, getattr(torch, dtype)
        text, config = model.text_model, model.config
        if config.hidden_act not in ("quick_gelu", "gelu"):
            raise UsageError(
                f"the tree engine does not support the activation {config.hidden_act}. Set encoder.engine=plain."
            )
        self._quick = config.hidden_act == "quick_gelu"
        self._heads = config.num_attention_heads
        self.name, self._attention = choose_attention(feed.device, config.hidden_size // self._heads)
        self._tokens = self._copy(text.embeddings.token_embedding.weight)
        self._positions = self._copy(text.embeddings.position_embedding.weight)
        self._layers = [self._layer(layer) for layer in text.encoder.layers]
        self._final = self._norm(text.final_layer_norm)
        self._projection = _Linear(self._copy(model.text_projection.weight), None)

    def _copy(self, weight: torch.Tensor) -> torch.Tensor:
        return weight.detach().to(self._feed.device, self._dtype)

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

    def launch(self, sequences: Sequences, budget: int, stats: EncodeStats) -> torch.Tensor:
        """Return features [sequences, projection] on the device, over trees of at most ``budget`` nodes."""
        features = []
        with torch.inference_mode():
            for rows in cut(sequences, budget):
                tree = build(sequences, rows)
                features.append(self.forward(tree))
                stats.nodes += len(tree.tokens)
            return torch.cat(features)

    def forward(self, tree: Tree) -> torch.Tensor:
        """Return the features [leaves, projection] of a tree."""
        upload = self._feed.upload
        states = self._tokens[upload(tree.tokens)].add_(self._positions[upload(tree.depths)])
        attend = self._attention(tree, self._heads, upload)
        for layer in self._layers:
            states.add_(layer.attention_out(attend(layer.attention_in(layer.attention_norm(states)))))
            hidden = layer.mlp_in(layer.mlp_norm(states))
            states.add_(
                layer.mlp_out(functional.silu(hidden, inplace=True) if self._quick else functional.gelu(hidden))
            )
        return self._projection(self._final(states[upload(tree.leaves)]))
