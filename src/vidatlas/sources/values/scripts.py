"""Scripts of texts: how many are written in Latin letters, in Cyrillic, in Arabic and so on."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

LATIN, OTHER = "Latin", "another script"
_BLOCKS: tuple[tuple[int, int, str], ...] = (  # of Unicode, in ascending order, ends included
    (0x41, 0x5A, LATIN),
    (0x61, 0x7A, LATIN),
    (0xC0, 0x24F, LATIN),
    (0x370, 0x3FF, "Greek"),
    (0x400, 0x52F, "Cyrillic"),
    (0x530, 0x58F, OTHER),  # Armenian
    (0x590, 0x5FF, "Hebrew"),
    (0x600, 0x6FF, "Arabic"),
    (0x700, 0x74F, OTHER),
    (0x750, 0x77F, "Arabic"),
    (0x780, 0x89F, OTHER),
    (0x8A0, 0x8FF, "Arabic"),
    (0x900, 0x97F, "Devanagari"),
    (0x980, 0x9FF, "Bengali"),
    (0xA00, 0xB7F, OTHER),  # Gurmukhi, Gujarati, Oriya
    (0xB80, 0xBFF, "Tamil"),
    (0xC00, 0xC7F, "Telugu"),
    (0xC80, 0xDFF, OTHER),  # Kannada, Malayalam, Sinhala
    (0xE00, 0xE7F, "Thai"),
    (0xE80, 0x10FF, OTHER),  # Lao, Tibetan, Burmese, Georgian
    (0x1100, 0x11FF, "Korean"),
    (0x1200, 0x1CFF, OTHER),  # Ethiopic, Khmer, Mongolian
    (0x1E00, 0x1EFF, LATIN),
    (0x1F00, 0x1FFF, "Greek"),
    (0x3040, 0x30FF, "Chinese or Japanese"),
    (0x3130, 0x318F, "Korean"),
    (0x3400, 0x9FFF, "Chinese or Japanese"),
    (0xAC00, 0xD7AF, "Korean"),
    (0xF900, 0xFAFF, "Chinese or Japanese"),
    (0xFB50, 0xFDFF, "Arabic"),
    (0xFE70, 0xFEFE, "Arabic"),
    (0xFF21, 0xFF5A, LATIN),
    (0x1D400, 0x1D7FF, LATIN),  # letters for formulas, which titles take for ornament
    (0x20000, 0x3FFFF, "Chinese or Japanese"),
)
_NAMES = tuple(dict.fromkeys(name for *_, name in _BLOCKS))
_BOUNDS = np.array([bound for first, last, _ in _BLOCKS for bound in (first, last + 1)], np.uint32)
# Between two blocks there is no letter of a script, which is number 0.
_OF_RANGE = np.array([0, *(number for *_, name in _BLOCKS for number in (_NAMES.index(name) + 1, 0))], np.int64)


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
