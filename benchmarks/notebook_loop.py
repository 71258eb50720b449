"""The loop of the notebook that vidatlas follows: a video at a time, its title, 15 tags at a time, padded, float32."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

TAGS_AT_ONCE = 15


class NotebookLoop:
    """Embed videos as the notebook did.

    Args:
        checkpoint: a folder with a CLIP text tower and its tokenizer.
        device: "cpu" or "cuda".
    """

    def __init__(self, checkpoint: Path, device: str = "cpu") -> None:
        from transformers import AutoTokenizer, CLIPTextModelWithProjection

        self._device = device
        self._model = CLIPTextModelWithProjection.from_pretrained(checkpoint).eval().to(device)
        self._tokenizer = AutoTokenizer.from_pretrained(checkpoint)

    def _embed(self, texts: list[str]) -> NDArray[np.float32]:
        import torch

        tokens = self._tokenizer(texts, padding=True, truncation=True, max_length=77, return_tensors="pt").to(
            self._device
        )
        with torch.inference_mode():
            return np.asarray(self._model(**tokens).text_embeds.cpu().numpy(), np.float32)

    def video(self, title: str, tags: str) -> NDArray[np.float32]:
        """Return float32 [dim] of one video; it has a title or tags."""
        cut = [tag.strip()[:77] for tag in tags.split(",") if tag.strip()]
        of_title: NDArray[np.float32] | None = self._embed([title[:77]])[0] if title.strip() else None
        if not cut:
            assert of_title is not None
            return of_title
        batches = [self._embed(cut[at : at + TAGS_AT_ONCE]) for at in range(0, len(cut), TAGS_AT_ONCE)]
        of_tags: NDArray[np.float32] = np.concatenate(batches).mean(axis=0)
        return of_tags if of_title is None else 0.6 * of_title + 0.4 * of_tags

    def videos(self, records: Iterable[tuple[str, str]]) -> NDArray[np.float32]:
        """Return float32 [n, dim] of (title, tags) pairs."""
        return np.stack([self.video(title, tags) for title, tags in records])
