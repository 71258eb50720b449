"""The plan of a run: its steps, the most telling first, how long each may take, and which of them share a process."""

from __future__ import annotations

GROUPS: tuple[dict[str, int], ...] = (
    {"card": 60, "agreement": 120},
    # A process of its own: the bytes of the one before are compared with its.
    {"repeat": 60, "headline": 120, "alone": 120, "small": 90, "feeding": 90},
    {"attention": 60, "flex": 90, "graphs": 60, "busy": 60, "peers": 60}
    | {"sentence": 60, "kmeans": 60, "denoising": 60, "pictures": 60},
)
"""Step -> seconds it may take on a GPU before its process is ended."""
ON_CPU = 20
"""Times as long may a step take on a CPU."""
NAMES = tuple(name for group in GROUPS for name in group)


def groups(only: list[str] | None) -> list[list[str]]:
    """Return the steps to run, a list for each process."""
    found = [[name for name in group if not only or name in only] for group in GROUPS]
    return [group for group in found if group]


def limit(step: str, device: str) -> float:
    """Return how many seconds a step may take."""
    seconds = next(group[step] for group in GROUPS if step in group)
    return float(seconds if device == "cuda" else seconds * ON_CPU)
