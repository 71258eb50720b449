"""Real videos as the notebook saw them: a title and tags, cut as it cut them, and their tokens."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

from benchmarks.parity import first_lines

Ids = list[int]


@dataclass(frozen=True)
class Videos:
    """Hold consecutive videos: titles (one text or none), tags, and the token ids of every text."""

    titles: list[list[str]]
    tags: list[list[str]]
    ids: dict[str, Ids]

    def __len__(self) -> int:
        return len(self.titles)

    def texts(self) -> list[str]:
        """Return all texts, repeated as they are."""
        return [text for title, tags in zip(self.titles, self.tags, strict=True) for text in (*title, *tags)]

    def tokens(self) -> list[tuple[list[Ids], list[Ids]]]:
        """Return the token ids of title and tags of each video."""
        pairs = zip(self.titles, self.tags, strict=True)
        return [([self.ids[text] for text in title], [self.ids[text] for text in tags]) for title, tags in pairs]


def read(data: Path, count: int, checkpoint: Path) -> Videos:
    """Return the first ``count`` videos of a file in YouNiverse's layout."""
    rows = [json.loads(line) for line in first_lines(data / "youtube" / "videos.jsonl.gz", count)]
    titles = [[row["title"]] if (row["title"] or "").strip() else [] for row in rows]
    tags = [[tag.strip() for tag in (row["tags"] or "").split(",") if tag.strip()] for row in rows]
    return tokenized(titles, tags, checkpoint)


def tokenized(titles: list[list[str]], tags: list[list[str]], checkpoint: Path) -> Videos:
    """Return videos with these titles (one text or none) and tags."""
    from transformers import AutoTokenizer

    tokenizer = AutoTokenizer.from_pretrained(checkpoint).backend_tokenizer
    tokenizer.no_padding()
    tokenizer.enable_truncation(77)
    titles, tags = ([[text[:77] for text in texts] for texts in field] for field in (titles, tags))
    flat = sorted({text for texts in (*titles, *tags) for text in texts})
    ids = {text: code.ids for text, code in zip(flat, tokenizer.encode_batch_fast(flat), strict=True)}
    return Videos(titles, tags, ids)
