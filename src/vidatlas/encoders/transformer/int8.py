"""Int8 on CPUs: a transformer whose weights and activations are quantised, computed by ONNX Runtime.

Dynamic quantisation: one scale per output channel of the weights, and one per batch of activations. The quantised model
is made once from the checkpoint and kept in the cache.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from functools import partial
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import torch

from vidatlas.encoders.transformer.checkpoint import Checkpoint
from vidatlas.encoders.transformer.loading import Placement, load_model
from vidatlas.errors import UsageError
from vidatlas.storage.cache import kept_open

_PACKAGES = ("onnxruntime", "onnx", "onnxscript")


def open_int8(checkpoint: Checkpoint, placement: Placement) -> Callable[[torch.Tensor], torch.Tensor]:
    """Return what computes the hidden states [texts, tokens, width] of token ids [texts, tokens], both int8 inside.

    Raises:
        UsageError: ONNX Runtime is not installed, or this process sees a GPU.
    """
    if placement.device != "cpu":
        raise UsageError("int8 is for CPUs. On a GPU choose --set encoder.dtype=bfloat16 or float16.")
    if any(find_spec(package) is None for package in _PACKAGES):
        raise UsageError("encoder.dtype int8 needs ONNX Runtime. Run: pip install 'vidatlas[int8]'")
    import onnxruntime
    from onnxruntime.capi.onnxruntime_pybind11_state import InvalidProtobuf

    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads, options.inter_op_num_threads = placement.threads, 1

    def opening(path: Path) -> Any:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])

    key = f"int8-{checkpoint.weights_sha256}.onnx"
    session = kept_open(key, partial(_quantize, checkpoint), opening, InvalidProtobuf)
    return lambda ids: torch.from_numpy(session.run(None, {"ids": ids.numpy()})[0])


class _States(torch.nn.Module):  # type: ignore[misc]
    """Give an exporter the states alone."""

    def __init__(self, model: Any) -> None:
        super().__init__()
        self._model = model

    def forward(self, ids: torch.Tensor) -> Any:
        return self._model(input_ids=ids).last_hidden_state


def _quantize(checkpoint: Checkpoint, path: Path) -> None:
    from onnxruntime.quantization import quantize_dynamic
    from transformers import AutoModel

    model = _States(load_model(AutoModel, checkpoint, "cpu", "float32")).eval()
    some = (torch.ones(2, 3, dtype=torch.long),)
    sizes = {0: torch.export.Dim("texts"), 1: torch.export.Dim("tokens")}
    with tempfile.TemporaryDirectory() as scratch:
        whole = f"{scratch}/model.onnx"
        torch.onnx.export(
            model, some, whole, input_names=["ids"], dynamic_shapes={"ids": sizes}, dynamo=True, verbose=False
        )
        quantize_dynamic(whole, path, per_channel=True)
