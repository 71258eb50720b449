"""Scripts of texts: how many are written in Latin letters, in Cyrillic, in Arabic and so on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

LATIN, OTHER = "Latin", "another script"
_BLOCKS: dict[str, tuple[int, ...]] = {
    LATIN: (0x41, 0x5A, 0x61, 0x7A, 0xC0, 0x24F, 0x1E00, 0x1EFF, 0xFF21, 0xFF5A, 0x1D400, 0x1D7FF),
    "Greek": (0x370, 0x3FF, 0x1F00, 0x1FFF),
    "Cyrillic": (0x400, 0x52F),
    OTHER: (0x530, 0x58F, 0x700, 0x74F, 0x780, 0x89F, 0xA00, 0xB7F, 0xC80, 0xDFF, 0xE80, 0x10FF, 0x1200, 0x1CFF),
    "Hebrew": (0x590, 0x5FF),
    "Arabic": (0x600, 0x6FF, 0x750, 0x77F, 0x8A0, 0x8FF, 0xFB50, 0xFDFF, 0xFE70, 0xFEFE),
    "Devanagari": (0x900, 0x97F),
    "Bengali": (0x980, 0x9FF),
    "Tamil": (0xB80, 0xBFF),
    "Telugu": (0xC00, 0xC7F),
    "Thai": (0xE00, 0xE7F),
    "Korean": (0x1100, 0x11FF, 0x3130, 0x318F, 0xAC00, 0xD7AF),
    "Chinese or Japanese": (0x3040, 0x30FF, 0x3400, 0x9FFF, 0xF900, 0xFAFF, 0x20000, 0x3FFFF),
}
"""First and last of each block of Unicode; of Latin, also letters for formulas, which titles take for ornament."""
_NAMES = tuple(_BLOCKS)
_RANGES = sorted(
    (*pair, at) for at, ends in enumerate(_BLOCKS.values(), 1) for pair in zip(ends[::2], ends[1::2], strict=True)
)
_BOUNDS = np.array([bound for first, last, _ in _RANGES for bound in (first, last + 1)], np.uint32)
# Between two blocks there is no letter of a script, which is number 0.
_OF_RANGE = np.array([0, *(number for *_, script in _RANGES for number in (script, 0))], np.int64)


def count_scripts(texts: Sequence[str]) -> Counter[str]:
    """Return how many texts are written in each script: the one that most of a text's letters belong to.

    A text without letters is counted nowhere.
    """
    if not texts:
        return Counter()
    letters = np.frombuffer("".join(texts).encode("utf-32-le", "surrogatepass"), np.uint32)
    script = _OF_RANGE[np.searchsorted(_BOUNDS, letters, side="right")]
    text = np.repeat(np.arange(len(texts)), [len(text) for text in texts])
    kinds = len(_NAMES) + 1
    counts = np.bincount(text * kinds + script, minlength=len(texts) * kinds).reshape(-1, kinds)[:, 1:]
    most = np.bincount(counts.argmax(axis=1)[counts.any(axis=1)], minlength=len(_NAMES))
    return +Counter(dict(zip(_NAMES, most.tolist(), strict=True)))
