"""Run a command: read its options, run the job, show the result."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from vidatlas.cli.exit import quiet_libraries
from vidatlas.errors import UsageError
from vidatlas.types import Options

console = Console()


def read_recipe(name: str, changes: list[str] | None, limit: int | None) -> Any:
    """Return the recipe with the changes of ``--set`` and ``--limit``."""
    from vidatlas.recipe import load_recipe

    overrides = read_settings(changes)
    return load_recipe(name, overrides | ({"source.limit": limit} if limit else {}))


def read_settings(changes: list[str] | None) -> dict[str, Any]:
    """Return the changes of ``--set``."""
    from vidatlas.recipe import parse_set

    return dict(parse_set(change) for change in changes or [])


def read_options(
    runner: str,
    address: str | None,
    actors: str | None,
    threads: int,
    gpus: float | None,
    max_rejects: float,
    take_over: bool,
    backend: str | None = None,
) -> Any:
    """Return the options of a run."""
    from vidatlas.clustering.backends import BACKENDS

    if runner not in ("ray", "serial"):
        raise UsageError(f"--runner {runner}: choose ray or serial.")
    if backend not in (None, *BACKENDS):
        raise UsageError(f"--backend {backend}: choose one of {', '.join(BACKENDS)}.")
    return Options(runner, address, _range(actors), threads, gpus, max_rejects, take_over, backend)  # type: ignore[arg-type]


def _range(text: str | None) -> tuple[int, int] | None:
    if text is None:
        return None
    low, dots, high = text.partition("..")
    try:
        fewest, most = int(low), int(high) if dots else int(low)
    except ValueError:
        fewest = most = 0
    if not 1 <= fewest <= most:
        raise UsageError(f"--actors {text}: write a number or a range such as 1..4.")
    return fewest, most


def run_job(recipe: Any, inputs: list[str], atlas: str, options: Any, last: str, resolved: bool = True) -> None:
    """Plan, show what is ahead, and run up to the stage ``last``."""
    from vidatlas import api as verbs
    from vidatlas.cli.progress import Reporter
    from vidatlas.cli.screens import show_notes, show_preview, where
    from vidatlas.pipeline.embed.preview import preview
    from vidatlas.pipeline.publish.wording import absence_words, value_words

    with quiet_libraries(atlas):
        if last != "plan":
            recipe.encoder.inspect()  # a model that is not there should not cost the reading of the whole input
        if last == "publish":
            recipe.publish.find_models()
        with Reporter(atlas, console) as reporter:
            planned = verbs.plan(recipe, inputs, atlas, options, reporter)
        place = where(options.address, options.actors, options.threads, options.gpus)
        show_preview(console, recipe, preview(recipe, atlas), atlas, place)
        show_notes(console, (*value_words(planned), *absence_words(planned, recipe.publish.nouns)))
        if last == "plan":
            if resolved:
                console.out(recipe.to_yaml(), highlight=False, end="")
            return
        with Reporter(atlas, console) as reporter:
            verb = verbs.run if last == "publish" else verbs.embed
            verb(recipe, inputs, atlas, options, reporter)
    if last == "publish":
        show_result(atlas)
    else:
        show_next(f"vidatlas reduce {atlas}")


def show_result(atlas: str) -> None:
    """Show a published atlas: its tree, the time it took, where it is."""
    from vidatlas.cli.progress import duration
    from vidatlas.cli.screens import show_notes, show_tree
    from vidatlas.pipeline.explore.atlas import Atlas
    from vidatlas.pipeline.explore.status import status as ask

    made, status = Atlas(atlas), ask(atlas)
    show_tree(console, made)
    show_notes(console, status["notes"])
    timings = status["timings"]
    console.print(
        "time    " + ", ".join(f"{stage} {duration(seconds)}" for stage, seconds in timings.items()), highlight=False
    )
    console.print(f"atlas   {atlas}", f"report  {made.report}", sep="\n", highlight=False, soft_wrap=True)
    show_next(f"vidatlas verify {atlas}")


def show_found(found: Any, json: bool) -> None:
    """Show videos that were found, as a table or as JSON lines."""
    from vidatlas.cli.screens import show_videos

    if json:
        from vidatlas.cli.screens import json_lines

        console.out(json_lines(found), highlight=False, end="")
    else:
        show_videos(console, found)


def show_next(command: str) -> None:
    """Show the command that comes next."""
    console.print(f"next    {command}", highlight=False, soft_wrap=True)
