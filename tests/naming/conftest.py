"""Invented samples, written down in a few words."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from vidatlas.naming.sample import Drawn, draw

Told = tuple[str, str] | tuple[str, str, str]
"""Title, tags parted by commas, and perhaps the author."""


@pytest.fixture(scope="session")
def sample() -> Callable[..., list[Drawn]]:
    """Return a function that tells each of some videos so many times; authors differ where none is told."""

    def tell(*videos: Told, times: int = 1) -> list[Drawn]:
        told = [video for video in videos for _ in range(times)]
        return [
            draw(str(number), video[2] if len(video) == 3 else f"author {number}", [video[0]], video[1].split(","))
            for number, video in enumerate(told)
        ]

    return tell
