"""Reference of errors: classes, exit codes, and the reasons for which a row is not kept."""

from __future__ import annotations

from collections.abc import Iterator

from tools.reference.recipe_keys import to_markdown
from vidatlas.errors import VidatlasError
from vidatlas.types import Reason

INTRODUCTION = """# Errors and exit codes

An error is one line: what went wrong, where, and what to do. The classes are in `vidatlas.errors`,
and each is a `VidatlasError`; its exit code is that of the command.
"""


def errors_page() -> str:
    """Return the page of errors and reasons."""
    return "\n".join([INTRODUCTION, *_codes(), *_reasons()]) + "\n"


_OTHER = "a shard that cannot be computed, or a bug, which please report"


def _codes() -> Iterator[str]:
    yield from ("| exit code | class | meaning |", "|---|---|---|", "| 0 | | success, or nothing left to do |")
    classes: list[type[VidatlasError]] = [VidatlasError, *VidatlasError.__subclasses__()]
    for each in classes:
        name = f"`{each.__name__}`" if each is not VidatlasError else "any other error"
        meaning = (each.__doc__ or "").strip() if each is not VidatlasError else _OTHER
        meaning = meaning.removeprefix("Report ").partition(":")[0].removesuffix(".")
        yield f"| {each.exit_code} | {name} | {to_markdown(meaning)} |"
    yield from (
        "| 130, 143 | | stopped by Ctrl-C or SIGTERM; rerun the command to resume |",
        "| 137 | | killed, most likely out of memory; rerun the command to resume |",
        "",
    )


def _reasons() -> Iterator[str]:
    yield from ("## Reasons for which a row is not kept", "")
    yield from (
        "Such a row is in `rejects/`, with its line, its reason and its beginning. Above `--max-rejects` (1 %) the run",
        "stops. Rows that the recipe excludes on purpose (marked *asked for*) do not count, nor do duplicates.",
        "",
        "| reason | meaning |",
        "|---|---|",
    )
    for each in Reason:
        yield f"| `{each.value}` | {to_markdown(each.meaning)}{' (*asked for*)' if each.asked_for else ''} |"
