"""Ways of computing CLIP's text features of some videos: each as batches, the rows of states they cost, a function."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.notebook_loop import TAGS_AT_ONCE
from benchmarks.videos import Ids, Videos
from vidatlas.encoders.prefix_tree.tower import TreeTower
from vidatlas.encoders.prefix_tree.tree import build, cut
from vidatlas.encoders.transformer.batches import equal_length
from vidatlas.encoders.transformer.distinct import sort_distinct
from vidatlas.encoders.transformer.feeding import Feed

BATCH_TEXTS, WIDE_TEXTS = 256, 4096
Batch = Any


@dataclass(frozen=True)
class Work:
    """Hold what a way computes: its batches, the rows of hidden states each costs, and how one is computed."""

    batches: list[Batch]
    rows: list[int]
    compute: Callable[[Batch], object]


@dataclass(frozen=True)
class Setting:
    """Say what all ways share: the checkpoint, device and precision, and vidatlas's budget there."""

    checkpoint: Path
    device: str
    dtype: str
    budget: int


def notebook(videos: Videos, setting: Setting) -> Work:
    """A title, then 15 tags at a time, padded; the result fetched each time."""
    batches = []
    for title, tags in videos.tokens():
        batches += [title] if title else []
        batches += [tags[at : at + TAGS_AT_ONCE] for at in range(0, len(tags), TAGS_AT_ONCE)]
    work = _padded(batches, setting)
    return Work(work.batches, work.rows, lambda batch: work.compute(batch).cpu())  # type: ignore[attr-defined]


def by_length(videos: Videos, setting: Setting) -> Work:
    """All texts sorted by length, 256 at a time: what a careful user writes."""
    return _padded(_sorted(videos.ids[text] for text in videos.texts()), setting)


def distinct_by_length(videos: Videos, setting: Setting) -> Work:
    """The same after each text is kept once."""
    return _padded(_sorted(videos.ids.values()), setting)


def distinct_by_length_wide(videos: Videos, setting: Setting) -> Work:
    """The same, 4,096 at a time: what a careful user writes for a large GPU."""
    return _padded(_sorted(videos.ids.values(), WIDE_TEXTS), setting)


def sentence_transformers(videos: Videos, setting: Setting) -> Work:
    """Encode distinct texts with sentence-transformers, its default batches of 32: mean of states, no projection."""
    from sentence_transformers import SentenceTransformer

    options = {"dtype": getattr(torch, setting.dtype)}
    model = SentenceTransformer(str(setting.checkpoint), device=setting.device, model_kwargs=options)
    texts = sorted(videos.ids, key=lambda text: (-len(text), text))  # as it sorts them itself
    batches = [texts[at : at + 32] for at in range(0, len(texts), 32)]
    rows = [len(batch) * max(len(videos.ids[text]) for text in batch) for batch in batches]
    return Work(batches, rows, lambda batch: model.encode(batch, batch_size=len(batch), convert_to_tensor=True))


def plain(videos: Videos, setting: Setting) -> Work:
    """Our plain engine: transformers' forward on distinct texts, batches of equal length."""
    model = _model(setting.checkpoint, setting.dtype).to(setting.device)
    sequences, _ = sort_distinct(list(videos.ids.values()))
    batches = list(equal_length(sequences, setting.budget))
    feed = Feed(setting.device)

    def compute(rows: Any) -> object:
        return model(input_ids=feed.upload(sequences.tokens[rows, : sequences.lengths[rows[0]]])).text_embeds

    return Work(batches, [int(sequences.lengths[rows].sum()) for rows in batches], compute)


def tree(videos: Videos, setting: Setting) -> Work:
    """Our tree engine: every distinct prefix of a token sequence once."""
    tower = TreeTower(_model(setting.checkpoint, "float32"), Feed(setting.device), setting.dtype)
    sequences, _ = sort_distinct(list(videos.ids.values()))
    runs = list(cut(sequences, setting.budget))
    rows = [len(build(sequences, run).tokens) for run in runs]
    return Work(runs, rows, lambda run: tower.forward(build(sequences, run)))


WAYS: dict[str, Callable[[Videos, Setting], Work]] = {
    "notebook: a title, 15 tags at a time": notebook,
    "transformers: all texts by length, 256 at a time": by_length,
    "transformers: distinct texts by length, 256": distinct_by_length,
    "sentence-transformers: distinct texts, 32 at a time": sentence_transformers,
    "vidatlas, plain engine": plain,
    "vidatlas, tree engine": tree,
}
FIRST, PEER = "notebook: a title, 15 tags at a time", "transformers: distinct texts by length, 256"


def _sorted(sequences: Any, texts: int = BATCH_TEXTS) -> list[list[Ids]]:
    ordered = sorted(sequences, key=len)
    return [ordered[at : at + texts] for at in range(0, len(ordered), texts)]


def _model(checkpoint: Path, dtype: str) -> Any:
    from transformers import CLIPTextModelWithProjection

    return CLIPTextModelWithProjection.from_pretrained(checkpoint, dtype=getattr(torch, dtype)).eval()


def _padded(batches: list[list[Ids]], setting: Setting) -> Work:
    model = _model(setting.checkpoint, setting.dtype).to(setting.device)
    end = batches[0][0][-1]

    def compute(batch: list[Ids]) -> object:
        longest = max(map(len, batch))
        ids = torch.tensor([[*text, *[end] * (longest - len(text))] for text in batch], device=setting.device)
        ragged = min(map(len, batch)) < longest
        rows = [[1] * len(text) + [0] * (longest - len(text)) for text in batch]
        mask = torch.tensor(rows, device=setting.device) if ragged else None
        return model(input_ids=ids, attention_mask=mask).text_embeds

    return Work(batches, [len(batch) * max(map(len, batch)) for batch in batches], compute)
