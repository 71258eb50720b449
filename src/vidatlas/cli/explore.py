"""Commands that explore a finished atlas: search, similar, serve, export."""

from __future__ import annotations

import re
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from vidatlas.cli.exit import quiet_libraries
from vidatlas.cli.run import console, show_found, show_next

_OPTION_OF_ONE = re.compile(r"-k=?[0-9]*")
_YOUTUBE_ID = re.compile(r"[\w-]{11}", re.ASCII)


class WithIds(TyperCommand):
    """Take an id that starts with a dash, as one YouTube id in 64 does, for an id."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Move such an id behind the options, and behind the "--" that ends them."""
        values = {name for option in self.params if not getattr(option, "is_flag", True) for name in option.opts}
        names = {name for option in self.get_params(ctx) for name in option.opts}
        for at, word in enumerate(args):
            if word == "--":
                break
            if args[at - 1 : at] and args[at - 1] in values:
                continue
            if word.startswith("-") and word not in names and _is_id(word):
                return super().parse_args(ctx, _behind(args, at, values))
        return super().parse_args(ctx, args)


def _is_id(word: str) -> bool:
    """Tell whether a word with a dash in front is an id, and no option written wrong."""
    if word.startswith("--"):
        return bool(_YOUTUBE_ID.fullmatch(word))
    return len(word) > 2 and not _OPTION_OF_ONE.fullmatch(word)


def _behind(args: list[str], at: int, values: set[str]) -> list[str]:
    """Return options, then "--", then the other words in their order, with the id at its place among them."""
    options: list[str] = []
    words: list[str] = []
    for number, word in enumerate(args):
        is_value = number > 0 and args[number - 1] in values and number - 1 != at
        (options if number != at and (is_value or word.startswith("-")) else words).append(word)
    return [*options, "--", *words]


Atlas_ = Annotated[str, typer.Argument(metavar="ATLAS", help="The folder (or URL) of the atlas.")]
K_ = Annotated[int, typer.Option("-k", min=1, max=1000, help="How many videos.")]
Group_ = Annotated[str | None, typer.Option(help="Only videos of this category.")]
Subcategory_ = Annotated[str | None, typer.Option(help="Only videos of this subcategory: number or name.")]
Json_ = Annotated[bool, typer.Option("--json", help="One JSON object per line instead of a table.")]


def search(
    atlas: Atlas_,
    text: Annotated[str, typer.Argument(metavar="TEXT", help="What the videos should be about.")],
    k: K_ = 10,
    group: Group_ = None,
    subcategory: Subcategory_ = None,
    json: Json_ = False,
) -> None:
    """Find the videos nearest to a text, encoded by the atlas's own encoder.

    Example: vidatlas search atlas/ "squat workout" -k 5 --group Sports
    """
    from vidatlas.pipeline.explore.atlas import open_atlas

    with quiet_libraries(atlas):
        found = open_atlas(atlas).search(text, k, group, subcategory)
    show_found(found, json)


def similar(
    atlas: Atlas_,
    video: Annotated[str, typer.Argument(metavar="ID", help="The id of a video of the atlas, or its YouTube address.")],
    k: K_ = 10,
    group: Group_ = None,
    subcategory: Subcategory_ = None,
    json: Json_ = False,
) -> None:
    """Find the videos nearest to one of the atlas.

    Example: vidatlas similar atlas/ x72dBgcVPFI -k 5
    """
    from vidatlas.pipeline.explore.atlas import open_atlas

    with quiet_libraries(atlas):
        found = open_atlas(atlas).similar(video, k, group, subcategory)
    show_found(found, json)


def serve(
    atlas: Atlas_, port: Annotated[int, typer.Option(min=1, max=65_535, help="On this machine only.")] = 8501
) -> None:
    """Explore an atlas in the browser: browse, search, suggestions. Needs the extra "app".

    Example: vidatlas serve atlas/
    """
    from vidatlas.app.serving import serve as start

    console.print(f"http://127.0.0.1:{port} (Ctrl-C stops it)", highlight=False)
    start(atlas, port)


def export(
    atlas: Atlas_,
    embedding_atlas: Annotated[
        str, typer.Option("--embedding-atlas", metavar="DIR", help="Write what Embedding Atlas reads into this folder.")
    ],
) -> None:
    """Export an atlas for another tool, and show the command that opens it.

    Example: vidatlas export atlas/ --embedding-atlas shared/
    """
    from vidatlas.pipeline.publish.export import export_embedding_atlas

    show_next(export_embedding_atlas(atlas, embedding_atlas))
