"""Options of a run on the command line: each is declared once, and a command takes those that apply to it."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from inspect import Parameter
from typing import Annotated, Any

import typer

from vidatlas.errors import UsageError
from vidatlas.types import Options

Command = Callable[..., None]

Atlas_ = Annotated[str, typer.Argument(metavar="ATLAS", help="The folder (or URL) of the atlas.")]
Set_ = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a recipe key, e.g. encoder.model=/path. Repeatable."),
]
Limit_ = Annotated[int | None, typer.Option(min=1, help="Read only the first N rows.")]


@dataclass(frozen=True)
class Job:
    """Hold what run, plan and embed are told to do, each as the command line has it."""

    recipe: Annotated[
        str,
        typer.Argument(
            metavar="RECIPE",
            help="A built-in recipe (see: vidatlas recipes), a YAML file, or auto: one made from a look at the input.",
        ),
    ]
    inputs: Annotated[
        list[str],
        typer.Argument(
            metavar="INPUT...",
            help="Input files or URLs (JSON, CSV, Parquet, Arrow; .gz, .zst, .bz2, .xz); quote patterns.",
        ),
    ]
    atlas: Atlas_
    set_: Set_ = None
    limit: Limit_ = None
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Plan, show the plan and the resolved recipe, then stop.")
    ] = False


DECLARED: dict[str, Any] = {
    "runner": Annotated[str, typer.Option(help="ray (if installed), or serial for a plain loop in this process.")],
    "address": Annotated[
        str | None,
        typer.Option(
            help="A Ray cluster: HOST:PORT, on one of its nodes; or its dashboard, http://HOST:8265, from anywhere: "
            "the command runs there as a job. Without it Ray runs on this machine."
        ),
    ],
    "actors": Annotated[
        str | None, typer.Option(metavar="N|MIN..MAX", help="Number of encoder actors; by default as many as fit.")
    ],
    "threads": Annotated[int, typer.Option(min=1, help="CPU threads per actor.")],
    "gpus": Annotated[
        float | None,
        typer.Option(min=0, help="GPUs per actor, fractions allowed; by default one if the encoder uses it."),
    ],
    "max_rejects": Annotated[float, typer.Option(min=0, max=1, help="Largest allowed share of unusable rows.")],
    "stalled_after": Annotated[
        float,
        typer.Option(
            min=0,
            metavar="MINUTES",
            help="End if no shard or task is finished for so long, unless the run waits for machines. 0: never.",
        ),
    ],
    "backend": Annotated[
        str | None,
        typer.Option(help="Backend of k-means: sklearn, torch or cuml; by default the best for the hardware."),
    ],
    "take_over": Annotated[bool, typer.Option("--take-over", help="Take the lock from a run that is certainly gone.")],
}
"""How each field of ``Options`` is written on the command line; its default is that of the field."""


def takes(*names: str) -> Callable[[Command], Command]:
    """Give a command some options of a run; its function gets all of them as one argument, ``options``.

    One that takes a ``job`` is given the fields of ``Job`` too.
    """
    defaults = Options()

    def declare(command: Command) -> Command:
        taken = inspect.signature(command, eval_str=True).parameters
        job = inspect.signature(Job, eval_str=True).parameters if "job" in taken else {}
        own = [*job.values(), *(each for name, each in taken.items() if name not in ("job", "options"))]
        added = [
            Parameter(name, Parameter.KEYWORD_ONLY, default=getattr(defaults, name), annotation=DECLARED[name])
            for name in names
        ]

        @wraps(command)
        def with_options(**values: Any) -> None:
            chosen = {name: values.pop(name) for name in names}
            if job:
                values = {"job": Job(**values)}
            command(**values, options=read_options(chosen))

        # Typer reads the parameters of a command from both.
        with_options.__signature__ = inspect.Signature([*own, *added])  # type: ignore[attr-defined]
        with_options.__annotations__ = {each.name: each.annotation for each in (*own, *added)}
        return with_options

    return declare


def read_options(chosen: dict[str, Any]) -> Options:
    """Return the options of a run from those that were given on the command line.

    Raises:
        UsageError: one has a value that it cannot have.
    """
    from vidatlas.clustering.backends import BACKENDS

    choices = {"runner": ("ray", "serial"), "backend": BACKENDS}
    for name, allowed in choices.items():
        if chosen.get(name) not in (None, *allowed):
            raise UsageError(f"--{name} {chosen[name]}: choose {', '.join(allowed[:-1])} or {allowed[-1]}.")
    if "actors" in chosen:
        chosen = {**chosen, "actors": _range(chosen["actors"])}
    return Options(**chosen)


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
