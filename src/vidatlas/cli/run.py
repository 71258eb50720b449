"""Run a command: read its options, run the job, show the result."""

from __future__ import annotations

import re
import shutil
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.console import Console

from vidatlas.cli.exit import quiet_libraries
from vidatlas.cli.options import Job
from vidatlas.recipes import AUTO
from vidatlas.types import Options
from vidatlas.views.text import duration

if TYPE_CHECKING:
    from vidatlas.recipe import Recipe
    from vidatlas.storage.manifest import PlanEntry

console = Console()


def read_recipe(name: str, changes: list[str] | None, limit: int | None, inputs: Sequence[str] = ()) -> Recipe:
    """Return the recipe with the changes of ``--set`` and ``--limit``; that of ``auto`` is made from the input."""
    from vidatlas.recipe import load_recipe

    overrides = read_settings(changes) | ({"source.limit": limit} if limit else {})
    if name != AUTO:
        return load_recipe(name, overrides)
    from vidatlas.cli.screens import show_assumed
    from vidatlas.pipeline.plan.auto import assume

    guess = assume(inputs, overrides)
    show_assumed(console, guess.assumed)
    return guess.recipe


def read_settings(changes: list[str] | None) -> dict[str, Any]:
    """Return the changes of ``--set``."""
    from vidatlas.recipes.yaml_text import parse_set

    return dict(parse_set(change) for change in changes or [])


def run_job(job: Job, options: Options, last: str) -> None:
    """Plan, show what is ahead, and go on up to the stage ``last``, except in a dry run."""
    from vidatlas import api
    from vidatlas.cli.progress import Reporter

    recipe, atlas = read_recipe(job.recipe, job.set_, job.limit, job.inputs), job.atlas
    last = "plan" if job.dry_run else last
    if last != "plan":
        # A model that is not there should not cost the reading of the whole input; a static one may have to be made.
        with quiet_libraries(), console.status("opening the encoder"):
            recipe.encoder.inspect()
    with quiet_libraries(), Reporter(atlas, console) as reporter:
        if last == "publish":
            recipe.publish.find_models()

        def planned(entry: PlanEntry) -> None:
            with reporter.paused():
                _show_plan(recipe, atlas, options, entry)

        verb = {"plan": api.plan, "embed": api.embed, "publish": api.run}[last]
        verb(recipe, job.inputs, atlas, options, reporter, planned)
    if last == "publish":
        show_result(atlas, reporter.idle)
    elif last == "embed":
        show_next(f"vidatlas reduce {atlas}")
    elif job.dry_run:
        console.out(recipe.to_yaml(), highlight=False, end="")


def _show_plan(recipe: Recipe, atlas: str, options: Options, entry: PlanEntry) -> None:
    from vidatlas.cli.screens import device_of, show_notes, show_preview
    from vidatlas.decomposition.tsne import engine
    from vidatlas.pipeline.embed.encoder import uses_gpu
    from vidatlas.pipeline.embed.preview import preview
    from vidatlas.pipeline.names.accepted import replacing_settings
    from vidatlas.pipeline.publish.wording import absence_words, value_words
    from vidatlas.storage.store import Store

    show_preview(console, recipe, preview(recipe, atlas), atlas, device_of(options, uses_gpu(recipe)))
    other = recipe.publish.layout.method == "tsne" and engine() != "openTSNE"
    slower = (f"{engine()} draws the map, slower: openTSNE is not installed (it has no wheels for this platform?).",)
    notes = (*value_words(entry), *absence_words(entry, recipe.publish.nouns), *(slower if other else ()))
    changes = "; ".join(replacing_settings(Store(atlas), recipe))
    replaced = (f"the subcategories of this atlas are replaced ({changes})",) if changes else ()
    show_notes(console, (*replaced, *notes))


def show_result(atlas: str, idle: bool = False) -> None:
    """Show a published atlas: its tree, the time it took, where it is; and what was not checked if nothing was done."""
    from vidatlas.cli.screens import show_notes, show_tree
    from vidatlas.pipeline.explore.atlas import Atlas
    from vidatlas.pipeline.explore.status import status as ask

    made, status = Atlas(atlas), ask(atlas)
    show_tree(console, made)
    show_notes(console, status["notes"])
    if idle:
        unchecked = f"nothing to do: all {status['files']:,} files have the right size; their contents were not checked"
        show_notes(console, [unchecked])
    timings = status["timings"]
    console.print(
        "time    " + ", ".join(f"{stage} {duration(seconds)}" for stage, seconds in timings.items()), highlight=False
    )
    console.print(f"atlas   {atlas}", f"report  {made.report}", sep="\n", highlight=False, soft_wrap=True)
    show_next(f"vidatlas verify {atlas}")


def show_found(found: Any, json: bool) -> None:
    """Show videos that were found, best first, as a table or as JSON lines; say where the cosine is not the order."""
    from vidatlas.cli.screens import json_rows, show_rows

    rows = found.astype(object).where(found.notna(), None).to_dict("records")
    if json:
        console.out(*json_rows(rows), sep="", highlight=False, end="")
        return
    columns = {"cosine": "cosine", "id": "id", "title": "title", "category": "group", "subcategory": "name"}
    show_rows(console, ({shown: row[name] for shown, name in columns.items()} for row in rows))
    if not found["cosine"].is_monotonic_decreasing:
        console.print("ordered by the words of the titles and the cosine together", style="dim", soft_wrap=True)


def show_next(command: str) -> None:
    """Show the command that comes next, as this one was called if the shell would not find vidatlas."""
    if Path(sys.argv[0]).name == "vidatlas" and not shutil.which("vidatlas"):
        command = re.sub("^vidatlas ", lambda _: f"{sys.argv[0]} ", command)
    console.print(f"next    {command}", highlight=False, soft_wrap=True)
