"""Commands that explore a finished atlas: search, similar, list, serve, export."""

from __future__ import annotations

import re
from collections.abc import Iterator
from itertools import islice
from typing import Annotated, Any

import typer
from typer.core import TyperCommand

from vidatlas.cli.exit import quiet_libraries
from vidatlas.cli.options import Atlas_
from vidatlas.cli.run import console, show_found, show_next
from vidatlas.errors import UsageError
from vidatlas.types import Json

_DASHED = re.compile(r"-(?!-|k[0-9]+$)[\w-]{2,}|--[\w-]{9}", re.ASCII)
"""An id that starts with a dash, as one of 64 of YouTube's does; it can be told from an option."""

_ON_TERMINAL = 1_000
"""Rows of a list that a terminal shows without a limit: more scroll away, and a table is held in memory."""


class WithIds(TyperCommand):
    """Take such an id for an id, not for options."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Give it as the address of the video."""
        return super().parse_args(
            ctx, [f"https://youtu.be/{word}" if _DASHED.fullmatch(word) else word for word in args]
        )


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
    """Find the videos that fit a text best: by the words of their titles, and by the atlas's own encoder.

    Example: vidatlas search atlas/ "squat workout" -k 5 --group Sports
    """
    from vidatlas.pipeline.explore.atlas import open_atlas

    # It takes long, but only once on this machine.
    with quiet_libraries(), console.status("searching; the first search of a large atlas makes its index of words"):
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

    with quiet_libraries():
        found = open_atlas(atlas).similar(video, k, group, subcategory)
    show_found(found, json)


def serve(
    atlas: Atlas_,
    port: Annotated[int, typer.Option(min=0, max=65_535, help="0 takes one that is free.")] = 8501,
    host: Annotated[str, typer.Option(help="Listen on another address than this machine's own.")] = "127.0.0.1",
) -> None:
    """Explore an atlas in the browser: search, browse, compare, similar videos; and a JSON API.

    Example: vidatlas serve atlas/
    """
    from vidatlas.app.serving import is_loopback
    from vidatlas.app.serving import serve as start

    def say(address: str) -> None:
        if not is_loopback(host):
            console.print(
                "warning: everyone who reaches this machine can read the atlas; there is no password.", soft_wrap=True
            )
        console.print(address, highlight=False, soft_wrap=True)

    start(atlas, port, host, say)


def listing(
    atlas: Atlas_,
    group: Annotated[str | None, typer.Option(help="The category, in any case.")] = None,
    subcategory: Annotated[str | None, typer.Option(help="The subcategory: number or name.")] = None,
    sort: Annotated[
        str, typer.Option(help="nearness (to the centre), title, or a typed column such as views or published.")
    ] = "nearness",
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="At most so many; all by default, as a table on a terminal the first 1,000."),
    ] = None,
    csv: Annotated[bool, typer.Option("--csv", help="CSV instead of a table.")] = False,
    json: Json_ = False,
) -> None:
    """List all videos of a category or subcategory, sorted.

    Without either, list the subcategories.

    Example: vidatlas list atlas/ --group Music --subcategory 3 --sort views --csv > music-3.csv
    """
    from vidatlas.cli.screens import json_rows
    from vidatlas.pipeline.explore.atlas import open_atlas
    from vidatlas.pipeline.explore.listing import csv_lines, subcategory_rows
    from vidatlas.pipeline.explore.listing import listing as listed

    if csv and json:
        raise UsageError("choose one of --csv and --json.")
    found = open_atlas(atlas)
    if group is None and subcategory is None:
        rows, total = subcategory_rows(found.finder), len(found.finder.subcategories)
    else:
        videos = listed(found.finder, group, subcategory, sort)
        rows, total = videos.rows(), len(videos)
    if csv or json:
        rows = islice(rows, limit)
        for line in csv_lines(rows) if csv else json_rows(rows):
            console.out(line, highlight=False, end="")
    else:
        # What fits a terminal; the other columns are in CSV and JSON.
        of_all = ("group", "levels", "subcategory", "name", "size", "peripheral")
        wanted = ("id", "title", "name", "part", sort) if group or subcategory else of_all
        _show(({name: row[name] for name in wanted if name in row} for row in rows), total, limit)


def _show(rows: Iterator[Json], total: int, limit: int | None) -> None:
    """Print a list as a table, on a terminal its beginning and how to get the rest."""
    from vidatlas.cli.screens import show_rows

    most = limit or (_ON_TERMINAL if console.is_terminal else total)
    show_rows(console, islice(rows, most))
    if limit is None and total > most:
        console.print(f"… {total - most:,} more; --csv or --json prints all", highlight=False)


def export(
    atlas: Atlas_,
    embedding_atlas: Annotated[
        str | None,
        typer.Option("--embedding-atlas", metavar="DIR", help="Write what Embedding Atlas reads into this folder."),
    ] = None,
    hub_folder: Annotated[
        str | None,
        typer.Option("--hub-folder", metavar="DIR", help="Write a data set for the Hugging Face hub into this folder."),
    ] = None,
) -> None:
    """Export an atlas for another tool, and show the command that opens it.

    Example: vidatlas export atlas/ --embedding-atlas for-embedding-atlas/
    """
    from vidatlas.pipeline.publish.export import export_embedding_atlas, export_hub_folder

    if embedding_atlas and not hub_folder:
        show_next(export_embedding_atlas(atlas, embedding_atlas))
    elif hub_folder and not embedding_atlas:
        show_next(export_hub_folder(atlas, hub_folder))
    else:
        raise UsageError("choose one of --embedding-atlas DIR and --hub-folder DIR.")
