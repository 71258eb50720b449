"""Loading models and tokenizers from plain data; incomplete checkpoints are refused."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from vidatlas.encoders.transformer.budget import BatchTokens, choose_budget
from vidatlas.encoders.transformer.checkpoint import Checkpoint
from vidatlas.encoders.transformer.device import Dtype, choose_device, choose_dtype
from vidatlas.errors import UsageError

Tokenizer = Callable[[list[str]], list[list[int]]]


@dataclass(frozen=True, slots=True)
class Placement:
    """Describe how a model is loaded and run: device, precision, CPU threads and token budget."""

    device: str
    dtype: str
    threads: int
    batch_tokens: int


def place(dtype: Dtype, threads: int, batch_tokens: BatchTokens, width: int, most_on_cpu: int) -> Placement:
    """Choose device, precision and budget for this process, and bind it to ``threads`` CPU threads.

    ``width`` is that of hidden states, ``most_on_cpu`` the budget at which this kind of model is fastest on a CPU.
    """
    torch.set_num_threads(threads)
    device = choose_device()
    chosen = choose_dtype(dtype, device)
    row_bytes = width * getattr(torch, chosen).itemsize
    return Placement(device, chosen, threads, choose_budget(batch_tokens, device, row_bytes, most_on_cpu))


def load_model(kind: Any, checkpoint: Checkpoint, device: str, dtype: str) -> Any:
    """Load a transformers model from safetensors, ready for inference.

    Raises:
        UsageError: weights are missing, truncated, or of another architecture.
    """
    from safetensors import SafetensorError
    from transformers.utils import logging

    logging.set_verbosity_error()
    logging.disable_progress_bar()
    source = str(checkpoint.path)
    try:
        model, info = kind.from_pretrained(
            source,
            dtype=getattr(torch, dtype),
            local_files_only=True,
            use_safetensors=True,
            trust_remote_code=False,
            attn_implementation="sdpa",  # the default, unless a config.json requests a kernel from the hub
            output_loading_info=True,
        )
    except (OSError, ValueError, RuntimeError, SafetensorError) as error:
        first = str(error).strip().splitlines()[0]
        raise UsageError(
            f"model {checkpoint.model} cannot be loaded: {first}. Download it again or choose another."
        ) from error
    missing = sorted(name for name in info["missing_keys"] if not name.endswith("position_ids"))
    if missing:
        raise UsageError(
            f"model {checkpoint.model} lacks {len(missing)} weights "
            f"({missing[0]}, …) of a {kind.__name__}. Choose another."
        )
    return model.eval().to(device)


def load_tokenizer(checkpoint: Checkpoint, max_tokens: int, to_first_end: bool = False) -> Tokenizer:
    """Load the checkpoint's tokenizer; texts are truncated to ``max_tokens`` tokens, including special ones.

    With ``to_first_end`` they also end at the first end token: a causal model that is read there ignores what follows,
    and a text may contain the token literally.
    """
    from transformers import AutoTokenizer

    try:
        loaded = AutoTokenizer.from_pretrained(str(checkpoint.path), local_files_only=True, trust_remote_code=False)
    except (OSError, ValueError) as error:
        raise UsageError(
            f"model {checkpoint.model} has no usable tokenizer ({error}). Choose a complete checkpoint."
        ) from error
    backend = loaded.backend_tokenizer
    backend.no_padding()
    backend.enable_truncation(max_tokens)

    def tokenize(texts: list[str]) -> list[list[int]]:
        return [encoding.ids for encoding in backend.encode_batch_fast(texts)]

    def tokenize_to_end(texts: list[str]) -> list[list[int]]:
        return [ids[: ids.index(end) + 1] for ids in tokenize(texts)]

    end = loaded.eos_token_id
    return tokenize_to_end if to_first_end else tokenize
