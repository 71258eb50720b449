"""The outline of a category: its subcategories below the nodes that they are in, the largest first at each level."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import Generic, NamedTuple, Protocol, TypeVar


class Leveled(Protocol):
    """Say of a subcategory what an outline needs."""

    @property
    def name(self) -> str:
        """Return its name."""
        ...

    @property
    def size(self) -> int:
        """Return its number of videos."""
        ...

    @property
    def levels(self) -> tuple[str, ...]:
        """Return the names of the nodes that it is in, the broadest first."""
        ...


Sub = TypeVar("Sub", bound=Leveled)


class Line(NamedTuple, Generic[Sub]):
    """Hold a line of an outline: a subcategory, or the node that the deeper lines behind it are in."""

    path: tuple[str, ...]
    """Names of the nodes around it; of a node, its own name too."""
    size: int
    sub: Sub | None
    """None for a node."""
    below: int
    """Subcategories of a node."""


def outline(subs: Sequence[Sub]) -> Iterator[Line[Sub]]:
    """Yield the lines of one category's outline."""
    sizes, counts = Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
    for sub in subs:
        for depth in range(1, len(sub.levels) + 1):
            sizes[sub.levels[:depth]] += sub.size
            counts[sub.levels[:depth]] += 1

    def place(sub: Sub) -> tuple[tuple[int, str], ...]:
        above = (sub.levels[: depth + 1] for depth in range(len(sub.levels)))
        return (*((-sizes[path], path[-1]) for path in above), (-sub.size, sub.name))

    before: tuple[str, ...] = ()
    for sub in sorted(subs, key=place):
        for depth in range(1, len(sub.levels) + 1):
            path = sub.levels[:depth]
            if before[:depth] != path:
                yield Line(path, sizes[path], None, counts[path])
        before = sub.levels
        yield Line(before, sub.size, sub, 0)
