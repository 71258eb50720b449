"""Static encoder: a text's vector is the mean of its tokens' vectors, so that a laptop encodes thousands a second.

Tulkens and van Dongen, Model2Vec (2024): each token's vector is what a sentence encoder makes of the token alone. A
folder in Model2Vec's format is loaded as it is; of any other checkpoint such vectors are made once and kept in the
cache.
"""

from __future__ import annotations

import hashlib
import threading
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from vidatlas.encoders.languages import Languages, languages_of
from vidatlas.encoders.transformer.checkpoint import PACKAGED, Checkpoint, open_checkpoint
from vidatlas.encoders.transformer.cost import Inspection, about_tokens
from vidatlas.errors import UsageError
from vidatlas.storage.cache import kept_open
from vidatlas.types import EncodeStats, Floats, Json

_SIF = 1e-4
"""Arora et al., "A Simple but Tough-to-Beat Baseline for Sentence Embeddings" (2017): frequent tokens weigh less."""
_DIM, _BATCH = 256, 512


class StaticSpec(BaseModel, frozen=True, extra="forbid"):
    """Choose a model in Model2Vec's format, or the checkpoint to distill one from."""

    kind: Literal["static"] = "static"
    model: str = PACKAGED
    """A local folder, a hub id, or packaged:all-MiniLM-L6-v2."""
    revision: str | None = None

    @property
    def languages(self) -> Languages:
        """Return which languages the model knows."""
        return languages_of(self.model)

    def inspect(self) -> Inspection:
        """Return the static encoder's width, distilling it where that was not done yet; its cost is negligible."""
        found = self.load(1)
        return Inspection(found.identity["model"], found.dim, None, about_tokens, found.identity["weights_sha256"])

    def load(self, threads: int) -> StaticEncoder:
        """Load the static encoder; only its distillation uses several threads.

        Raises:
            UsageError: the model is missing or unusable.
        """
        checkpoint = open_checkpoint(self.model, self.revision)
        distilled = checkpoint.config.get("model_type") != "model2vec"
        try:
            arrays = _distilled(checkpoint) if distilled else _read(checkpoint.path / "model.safetensors")
            return StaticEncoder(checkpoint, arrays, distilled)
        except (KeyError, IndexError, ValueError, OSError) as error:
            raise UsageError(
                f"model {self.model} is neither in Model2Vec's format nor can it be distilled: "
                f"{' '.join(str(error).split())}. Choose another."
            ) from error


class StaticEncoder:
    """Encode a text as the mean of its tokens' vectors, on one thread.

    Args:
        checkpoint: where the tokenizer is.
        arrays: ``embeddings`` [tokens, dim]; of a model with a quantised vocabulary also ``mapping`` and ``weights``.
        distilled: whether the arrays were distilled from the checkpoint; their vectors have unit length.
    """

    def __init__(self, checkpoint: Checkpoint, arrays: dict[str, NDArray[Any]], distilled: bool) -> None:
        from model2vec import StaticModel

        table = arrays["embeddings"]
        # The mean of float16 is computed several times more slowly.
        self._model = StaticModel(
            np.asarray(table, np.float32),
            _tokenizer(checkpoint.path),
            normalize=distilled or bool(checkpoint.config.get("normalize")),
            weights=arrays.get("weights"),
            token_mapping=arrays.get("mapping"),
        )
        # The library sets the tokenizer's limit at each call.
        self._turn = threading.Lock()
        self.dim = int(table.shape[1])
        digest = hashlib.sha256()
        for name in sorted(arrays):
            digest.update(np.ascontiguousarray(arrays[name]).tobytes())
        self.identity: Json = {
            "model": f"{checkpoint.model}, distilled" if distilled else checkpoint.model,
            "revision": checkpoint.revision,
            "weights_sha256": digest.hexdigest(),
            "dim": self.dim,
            "engine": "model2vec " + version("model2vec"),
            "tokenizers": version("tokenizers"),
            "numpy": version("numpy"),
        }

    def encode(self, texts: list[str], stats: EncodeStats) -> Floats:
        """Return float32 [len(texts), dim]; a text without any known token is zero."""
        if not texts:
            return np.empty((0, self.dim), np.float32)
        started = time.perf_counter()
        with self._turn:
            vectors = self._model.encode(texts, use_multiprocessing=False)
        tokens = about_tokens(texts)
        stats.texts += len(texts)
        stats.distinct += len(set(texts))
        stats.tokens += tokens
        stats.nodes += tokens
        stats.seconds += time.perf_counter() - started
        return np.asarray(vectors, np.float32)


def _tokenizer(folder: Path) -> Any:
    from tokenizers import Tokenizer

    path = folder / "tokenizer.json"
    if not path.is_file():
        raise UsageError(f"there is no tokenizer.json in {folder}. Choose a folder that holds a whole model.")
    found = Tokenizer.from_file(str(path))
    found.no_padding()
    return found


def _read(path: Path) -> dict[str, NDArray[Any]]:
    from safetensors import SafetensorError
    from safetensors.numpy import load_file

    try:
        return dict(load_file(path))
    except SafetensorError as error:
        raise ValueError(str(error)) from error


def _distilled(checkpoint: Checkpoint) -> dict[str, NDArray[Any]]:
    from safetensors.numpy import save_file

    def make(path: Path) -> None:
        save_file({"embeddings": distill(checkpoint)}, path)

    return kept_open(f"static-{checkpoint.weights_sha256}.safetensors", make, _read, ValueError)


def distill(checkpoint: Checkpoint) -> NDArray[np.float16]:
    """Return the vector of each token of a checkpoint's tokenizer, [tokens, at most 256].

    Model2Vec's method with its defaults: the states of the token alone, their principal components, less weight for
    frequent tokens. In float64, so that rounding gives the same bytes on any number of threads.
    """
    import torch
    from transformers import AutoModel

    from vidatlas.encoders.transformer.loading import load_model

    tokenizer = _tokenizer(checkpoint.path)
    size, ends = tokenizer.get_vocab_size(), tokenizer.encode("").ids
    model = load_model(AutoModel, checkpoint, "cpu", "float64")
    rows = torch.tensor([[*ends[:1], token, *ends[1:]] for token in range(size)])
    with torch.inference_mode():
        states = [model(input_ids=some).last_hidden_state.mean(dim=1) for some in rows.split(_BATCH)]
    table: NDArray[np.float64] = torch.cat(states).numpy()
    table -= table.mean(axis=0)
    axes = np.linalg.eigh(table.T @ table).eigenvectors[:, : -_DIM - 1 : -1]
    # An axis may come with either sign.
    axes = axes * np.sign(axes[np.abs(axes).argmax(axis=0), np.arange(axes.shape[1])])
    # Vocabularies are in the order of frequency, which falls as the rank rises (Zipf).
    share = 1 / np.arange(2, size + 2)
    weights = _SIF / (_SIF + share / share.sum())
    found: NDArray[np.float16] = (table @ axes * weights[:, None]).astype(np.float16)
    return found
