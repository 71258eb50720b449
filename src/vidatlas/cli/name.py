"""Command that names subcategories: lists them for a person to name, with a model's suggestions if one is asked."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.progress import Progress

from vidatlas.cli.run import console, show_next
from vidatlas.errors import UsageError


def name(
    atlas: Annotated[str, typer.Argument(metavar="ATLAS", help="The folder (or URL) of a reduced atlas.")],
    endpoint: Annotated[
        str | None, typer.Option(metavar="URL", help="An OpenAI-compatible server, e.g. http://127.0.0.1:8080/v1.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="The model to ask there.")] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Ask for the N largest subcategories only.")] = None,
    allow_remote: Annotated[
        bool, typer.Option("--allow-remote", help="Allow a server that is not this machine: titles are sent to it.")
    ] = False,
) -> None:
    """List the subcategories in names.csv, to name them by hand; with a server, ask a model for suggestions.

    Names in its column "accepted" replace ours when the atlas is published again. If the server needs an API key, set
    VIDATLAS_API_KEY.

    Example: vidatlas name atlas/ --endpoint http://127.0.0.1:8080/v1 --model qwen3-8b
    """
    from vidatlas.pipeline.names.chat import open_chat
    from vidatlas.pipeline.names.suggestions import name_subcategories

    if (endpoint is None) != (model is None):
        raise UsageError(f"--{'model' if model is None else 'endpoint'} is missing: to ask a model, give both.")
    if endpoint is None and (limit or allow_remote):
        raise UsageError("--limit and --allow-remote need --endpoint and --model.")
    chat = open_chat(endpoint, model, allow_remote) if endpoint is not None and model is not None else None
    with Progress(console=console, transient=True, disable=chat is None or not console.is_terminal) as progress:
        task = progress.add_task("names", total=None)
        found = name_subcategories(
            atlas, chat, limit, lambda event: progress.update(task, completed=event.done, total=event.total)
        )
    kept_out = ", ".join(f"{count:,} {reason}" for reason, count in sorted(found.refused.items()))
    counts = f"{found.subcategories:,} subcategories, {found.accepted:,} named by hand (column accepted)"
    lines = [
        f"names   {atlas.rstrip('/')}/names.csv: {counts}",
        f"model   {found.asked:,} asked now; {found.suggested:,} suggestions"
        + (f"; answers kept out: {kept_out}" if kept_out else ""),
    ]
    console.print(*lines if chat else lines[:1], sep="\n", highlight=False, soft_wrap=True, markup=False)
    show_next(f"vidatlas publish {atlas}")
