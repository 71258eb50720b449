"""The options of a run are declared once: their defaults, names and values are those of ``Options``."""

from dataclasses import fields
from typing import Annotated, Any

import pytest
import typer
from typer.testing import CliRunner

from vidatlas.cli.main import app
from vidatlas.cli.options import DECLARED, read_options, takes
from vidatlas.errors import UsageError
from vidatlas.types import Options


def test_every_field_is_declared() -> None:
    assert {each.name for each in fields(Options)} == set(DECLARED)


def run(*words: str) -> Options:
    found: list[Options] = []
    own = typer.Typer()

    @own.command()
    @takes(*DECLARED)
    def command(atlas: Annotated[str, typer.Argument()], *, options: Options) -> None:
        found.append(options)

    result = CliRunner().invoke(own, ["atlas", *words])
    if result.exception and not isinstance(result.exception, SystemExit):
        raise result.exception
    return found[0]


def test_a_command_line_without_options_gives_the_defaults() -> None:
    assert run() == Options()


def test_each_option_arrives() -> None:
    words = "--runner serial --address h:1 --actors 1..4 --threads 3 --gpus 0.5 --max-rejects 0.2 --backend torch"
    words += " --stalled-after 5"
    expected = Options("serial", "h:1", (1, 4), 3, 0.5, 0.2, True, "torch", 5)
    assert run(*words.split(), "--take-over") == expected


@pytest.mark.parametrize(("text", "range_"), [("3", (3, 3)), ("1..4", (1, 4)), (None, None)])
def test_actors_are_a_number_or_a_range(text: str | None, range_: Any) -> None:
    assert read_options({"actors": text}).actors == range_


@pytest.mark.parametrize(
    "wrong", [{"runner": "dask"}, {"backend": "mlx"}, {"actors": "0"}, {"actors": "4..1"}, {"actors": "many"}]
)
def test_a_wrong_value_is_named_with_its_option(wrong: dict[str, str]) -> None:
    (name, value) = next(iter(wrong.items()))
    with pytest.raises(UsageError, match=f"--{name} {value}: "):
        read_options(wrong)


def test_every_command_has_the_defaults_of_the_class() -> None:
    defaults = {each.name: each.default for each in fields(Options)}
    seen = set()
    for command in typer.main.get_group(app).commands.values():  # type: ignore[attr-defined]
        for parameter in command.params:
            if parameter.name in defaults:
                assert parameter.default == defaults[parameter.name], (command.name, parameter.name)
                seen.add(parameter.name)
    assert seen == set(defaults)
