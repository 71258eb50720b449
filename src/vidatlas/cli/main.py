"""The command line's main program: its commands and their options."""

from __future__ import annotations

import sys
from dataclasses import replace
from io import TextIOWrapper
from typing import Annotated, NoReturn

import typer

from vidatlas.cli import explore as exploring
from vidatlas.cli.exit import guard, leave, quiet_libraries
from vidatlas.cli.name import name
from vidatlas.cli.options import Atlas_, Job, Limit_, Set_, takes
from vidatlas.cli.run import console, read_settings, run_job, show_next, show_result
from vidatlas.cli.submit import ALONE, OnCluster
from vidatlas.errors import UsageError
from vidatlas.types import Options
from vidatlas.version import __version__

app = typer.Typer(
    no_args_is_help=True,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Turn video metadata into named subcategories, a map, a report and a search.\n\n"
    "[bold]run[/] does everything: [bold]plan → embed → reduce → publish[/]. Each is a command too. "
    "Rerun an interrupted command to resume it.",
)

Json_ = Annotated[bool, typer.Option("--json", help="JSON instead of text.")]


def _show_version(asked: bool) -> None:
    if asked:
        console.print(f"vidatlas {__version__}", highlight=False)
        raise typer.Exit


@app.callback()
def shared(
    version: Annotated[
        bool, typer.Option("--version", is_eager=True, callback=_show_version, help="Show the version and exit.")
    ] = False,
) -> None:
    """Handle the options of the main program."""


@app.command(cls=OnCluster, rich_help_panel="The job")
@takes("runner", "address", "actors", "threads", "gpus", "max_rejects", "take_over", "stalled_after", "backend")
def run(job: Job, *, options: Options) -> None:
    """Plan, embed, reduce and publish: from a table of videos to named subcategories.

    Example: vidatlas run youniverse yt_metadata_en.jsonl.gz atlas/
    """
    run_job(job, options, "publish")


@app.command(rich_help_panel="Its steps")
@takes("max_rejects", "take_over")
def plan(job: Job, *, options: Options) -> None:
    """Read every input file once: integrity, rows, rejects, duplicates.

    Example: vidatlas plan demo videos.jsonl.gz atlas/ --limit 1000
    """
    run_job(job, replace(options, runner="serial"), "plan")


@app.command(cls=OnCluster, rich_help_panel="Its steps")
@takes("runner", "address", "actors", "threads", "gpus", "max_rejects", "take_over", "stalled_after")
def embed(job: Job, *, options: Options) -> None:
    """Plan if needed, then embed every video; commits shard by shard.

    Example: vidatlas embed youniverse yt_metadata_en.jsonl.gz atlas/ --actors 1..8
    """
    run_job(job, options, "embed")


@app.command(cls=OnCluster, rich_help_panel="Its steps")
@takes("runner", "address", "gpus", "take_over", "stalled_after", "backend")
def reduce(atlas: Atlas_, set_: Set_ = None, *, options: Options) -> None:
    """Find the subcategories of an embedded atlas: principal components, k-means in each category, names.

    Example: vidatlas reduce atlas/ --set reduce.clusters.k=12
    """
    from vidatlas import api as verbs
    from vidatlas.cli.progress import Reporter
    from vidatlas.cli.screens import show_notes

    with quiet_libraries(), Reporter(atlas, console) as reporter:
        entry = verbs.reduce(atlas, read_settings(set_), options, reporter)
    show_notes(console, entry["notes"])
    show_next(f"vidatlas publish {atlas}")


@app.command(cls=OnCluster, rich_help_panel="Its steps")
@takes("runner", "address", "take_over", "stalled_after")
def publish(atlas: Atlas_, set_: Set_ = None, *, options: Options) -> None:
    """Draw the map, build the search index, write report.html and the data card of a reduced atlas.

    Example: vidatlas publish atlas/ --set publish.layout.sample=50000
    """
    from vidatlas import api as verbs
    from vidatlas.cli.progress import Reporter

    with quiet_libraries(), Reporter(atlas, console) as reporter:
        verbs.publish(atlas, read_settings(set_), options, reporter)
    show_result(atlas, reporter.idle)


@app.command(rich_help_panel="The job")
@takes("runner")
def demo(
    atlas: Annotated[str, typer.Argument(metavar="[ATLAS]", help="The folder of the atlas.")] = "demo-atlas",
    *,
    options: Options,
) -> None:
    """Run everything on the bundled sample: 3,000 invented videos, no network, no GPU."""
    from vidatlas.sample import sample_path

    run_job(Job("demo", [str(sample_path())], atlas), options, "publish")


@app.command(rich_help_panel="Look and check")
def status(atlas: Atlas_, json: Json_ = False) -> None:
    """Show progress, speed, time left and rejects; works while a run is going on."""
    from vidatlas.cli.screens import show_json, show_notes, show_status
    from vidatlas.pipeline.explore.status import status as ask

    found = ask(atlas)
    if json:
        show_json(console, found)
        return
    show_status(console, found)
    show_notes(console, found["damaged"])


@app.command(rich_help_panel="Look and check")
def verify(atlas: Atlas_, json: Json_ = False) -> None:
    """Verify an atlas: every file's checksum, and that the row counts add up."""
    from vidatlas.cli.screens import show_json
    from vidatlas.pipeline.explore.status import verify as prove

    found = prove(atlas)
    if json:
        show_json(console, found)
        return
    console.print(
        f"{found['files']:,} files: checksums OK. {found['read']:,} rows read = {found['kept']:,} kept + "
        f"{found['rejected']:,} rejected + {found['duplicates']:,} duplicates.",
        highlight=False,
        soft_wrap=True,
    )


@app.command(rich_help_panel="Look and check")
def recipes(
    name: Annotated[str | None, typer.Argument(help="Show this recipe in full.")] = None,
    for_: Annotated[
        list[str] | None, typer.Option("--for", metavar="FILE", help="Write the recipe for this input. Repeatable.")
    ] = None,
    set_: Set_ = None,
    json: Json_ = False,
) -> None:
    """List the built-in recipes, or show one as YAML to start your own from.

    Example: vidatlas recipes --for videos.csv > mine.yaml
    """
    from vidatlas.cli.screens import show_json
    from vidatlas.recipe import load_recipe

    if for_:
        from vidatlas.pipeline.plan.auto import assume

        guess = assume(for_, read_settings(set_))
        found, text = guess.recipe, guess.to_yaml()
    elif name:
        found = load_recipe(name, read_settings(set_))
        text = found.to_yaml()
    else:
        _list_recipes(json)
        return
    if json:
        show_json(console, found.model_dump(mode="json"))
    else:
        console.out(text, highlight=False, end="")


def _list_recipes(json: bool) -> None:
    from vidatlas.cli.screens import show_json
    from vidatlas.recipe import builtin_recipes, load_recipe

    abouts = {name: load_recipe(name).about for name in builtin_recipes()}
    if json:
        show_json(console, [{"name": name, "about": about} for name, about in abouts.items()])
        return
    for each, about in abouts.items():
        console.print(f"[bold]{each}[/]  {about}", highlight=False, soft_wrap=not console.is_terminal)


@app.command(rich_help_panel="Look and check")
def assign(
    atlas: Atlas_,
    new: Annotated[str, typer.Argument(metavar="NEW", help="New videos, as the recipe reads them or as Parquet.")],
    out: Annotated[str, typer.Option(help="Where to write the assignments.")] = "assignments.parquet",
    limit: Limit_ = None,
) -> None:
    """Assign new videos to the subcategories of an existing atlas.

    Example: vidatlas assign atlas/ new.jsonl --out new.parquet
    """
    from vidatlas.pipeline.explore.assign import assign as place

    with quiet_libraries():
        counts = place(atlas, new, out, limit)
    lost = ", ".join(f"{count:,} {reason}" for reason, count in counts["rejects"].items())
    console.print(
        f"{counts['placed']:,} of {counts['read']:,} rows assigned"
        + (f" (left out: {lost})" if lost else "")
        + f": {out}",
        highlight=False,
    )


for explore in (exploring.search, exploring.similar, exploring.listing, exploring.serve, exploring.export):
    takes_id = exploring.WithIds if explore is exploring.similar else None
    name_ = "list" if explore is exploring.listing else None
    app.command(name_, cls=takes_id, rich_help_panel="Explore")(explore)

app.command(rich_help_panel="Explore")(name)


def main(arguments: list[str] | None = None, alone: bool = False) -> int:
    """Run the main program with arguments, by default this process's; return its exit code.

    ``alone`` says that this process does nothing else, and may end at once where Ray does.
    """

    def command() -> None:
        if sys.platform == "win32":
            raise UsageError("Windows is not supported. Install WSL (wsl --install) and run vidatlas in it.")
        for word in sys.argv[1:] if arguments is None else arguments:
            if any("\ud800" <= sign <= "\udfff" for sign in word):
                raise UsageError(f"the argument {word!r} is not valid UTF-8. Name the file or folder in UTF-8.")
        try:
            code = app(args=arguments, standalone_mode=False, obj=ALONE if alone else None)
        except typer.Abort as error:
            raise KeyboardInterrupt from error
        if code:
            raise SystemExit(code)

    return guard(command)


def script(arguments: list[str] | None = None) -> NoReturn:
    """Run the main program, and end the process with its exit code."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")  # not every terminal knows every letter
    leave(main(arguments, alone=True))


if __name__ == "__main__":
    script()
