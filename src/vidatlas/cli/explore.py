"""Commands that explore a finished atlas: search, similar, serve, export."""

from __future__ import annotations

from typing import Annotated

import typer

from vidatlas.cli.exit import quiet_libraries
from vidatlas.cli.run import console, show_found, show_next

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
    video: Annotated[str, typer.Argument(metavar="ID", help="The id of a video of the atlas.")],
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
