"""The library: one atlas as all pages of the app share it, with what is loaded in the background."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from threading import Thread
from typing import Annotated

from pydantic import Field

from vidatlas.errors import UnavailableError, UsageError, VidatlasError
from vidatlas.naming.filler import function_words
from vidatlas.pipeline.explore.atlas import Atlas
from vidatlas.pipeline.explore.search import Search
from vidatlas.views.colours import colours_of
from vidatlas.views.table import Line, outline

Home = tuple[str, int]
"""The category in which a subcategory was clustered, and its number."""


@dataclass(frozen=True)
class Subcategory:
    """Describe a subcategory as pages and API show it."""

    group: str
    number: Annotated[int, Field(serialization_alias="subcategory")]
    """Called subcategory wherever the group stands beside it: in tables and in the API."""
    name: str
    size: int
    terms: tuple[str, ...]
    silhouette: float | None
    levels: tuple[str, ...]
    """Names of the nodes that it is in, the broadest first."""
    peripheral: int | None
    """Videos that are not of its core; None where there are no centroids."""


class Library:
    """Hold an atlas for all requests: nothing in it belongs to a visitor."""

    def __init__(self, atlas: Atlas) -> None:
        self.atlas = atlas
        self.words_ready = False
        self.vectors_ready = not atlas.encodes_texts
        self.trouble = ""
        """Why no vectors can be searched, or nothing at all, where that is so."""

    @property
    def search(self) -> Search:
        """Return what finds videos."""
        return self.atlas.finder

    def open(self) -> None:
        """Read what every page needs; raise what is wrong with the atlas.

        Raises:
            VidatlasError: a file is missing, altered or damaged.
        """
        videos = self.search.videos
        videos.inside("", 0)
        videos.take([0] if len(videos) else [], ["distance", "author", "image"])
        if len(videos):
            videos.position(str(videos.take([0], ["id"])["id"][0]))
        self.search.names, self.subcategories, self.search.groups, self.atlas.methods  # noqa: B018 - they are read now

    def warm(self) -> Thread:
        """Start to load the index of words, then that of vectors and the encoder, in the background."""
        thread = Thread(target=self._load, daemon=True, name="warming")
        thread.start()
        return thread

    def _load(self) -> None:
        try:
            self.search.words  # noqa: B018 - loads it
            self.words_ready = True
            self.search.index  # noqa: B018
            function_words()
            if self.atlas.encodes_texts:
                self.search.encoder  # noqa: B018
                self.vectors_ready = True
        except VidatlasError as error:
            self.trouble = str(error)

    @property
    def ready(self) -> bool:
        """Tell whether nothing is left to load, or to hope for."""
        return bool(self.trouble) or (self.words_ready and self.vectors_ready)

    @cached_property
    def subcategories(self) -> dict[Home, Subcategory]:
        """Return all subcategories, largest first."""
        return {
            (row["group"], row["subcategory"]): Subcategory(
                row["group"], row["subcategory"], row["name"], row["size"], tuple(row["terms"]), row["silhouette"],
                tuple(row["levels"]), row["peripheral"],
            )
            for row in self.search.subcategories
        }  # fmt: skip

    @property
    def map(self) -> str:
        """Return the page of the map.

        Raises:
            UnavailableError: there is none just now.
        """
        with _published():
            return self.atlas.map

    def tile(self, name: str) -> bytes | None:
        """Return a tile of the map, or None if it has none of that name.

        Raises:
            UnavailableError: there is no map just now.
        """
        with _published():
            return self.atlas.map_file(f"map/{name}")

    @cached_property
    def tree(self) -> dict[str, list[Subcategory]]:
        """Return the subcategories of each category in which there are any, largest first."""
        found: dict[str, list[Subcategory]] = {}
        for sub in self.subcategories.values():
            found.setdefault(sub.group, []).append(sub)
        sizes = {group: sum(sub.size for sub in subs) for group, subs in found.items()}
        return dict(sorted(found.items(), key=lambda item: (-sizes[item[0]], item[0])))

    @cached_property
    def outlines(self) -> dict[str, list[Line[Subcategory]]]:
        """Return the outline of each category in which there are subcategories, largest first."""
        return {group: list(outline(subs)) for group, subs in self.tree.items()}

    @cached_property
    def topics(self) -> dict[tuple[str, tuple[str, ...]], str]:
        """Return where the browse page has each node of a category, by the names down to it."""
        nodes = ((group, line.path) for group, lines in self.outlines.items() for line in lines if not line.sub)
        return {node: f"topic-{number}" for number, node in enumerate(nodes)}

    def trail(self, sub: Subcategory) -> list[tuple[str, str]]:
        """Return the nodes that a subcategory is in, each with where the browse page has it."""
        paths = (sub.levels[: depth + 1] for depth in range(len(sub.levels)))
        return [(path[-1], f"/browse#{self.topics[sub.group, path]}") for path in paths]

    @cached_property
    def ranks(self) -> dict[str, int]:
        """Return the number by which a category's colour is known in the style sheet."""
        return {group: rank for rank, group in enumerate(self.search.groups)}

    @cached_property
    def colour_rules(self) -> str:
        """Return the style rules of the categories' colours."""
        colours = list(enumerate(colours_of(list(self.search.groups))))
        light = "".join(f".g{rank}{{--dot:{colour.light}}}" for rank, colour in colours)
        dark = "".join(f".g{rank}{{--dot:{colour.dark}}}" for rank, colour in colours)
        return f"{light}@media(prefers-color-scheme:dark){{{dark}}}\n"

    @cached_property
    def examples(self) -> list[str]:
        """Return queries to try: first terms of the largest subcategories."""
        terms = [sub.terms[0] for sub in self.subcategories.values() if sub.terms]
        return list(dict.fromkeys(terms))[:10]


@contextmanager
def _published() -> Iterator[None]:
    """Say that an atlas is being published where it no longer is: there was a map when the library was opened."""
    try:
        yield
    except UsageError as error:
        raise UnavailableError("the atlas is being published. Try again when it is done.") from error
