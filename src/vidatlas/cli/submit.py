"""Submit a command as a job of a Ray cluster, where --address is the URL of its dashboard."""

from __future__ import annotations

import os
import sys
import tempfile
from functools import partial
from pathlib import Path
from typing import Any

from typer.core import TyperCommand

from vidatlas.cli.driver import in_own_process
from vidatlas.cli.run import read_recipe
from vidatlas.errors import UsageError, require
from vidatlas.recipes import AUTO
from vidatlas.storage.folder import is_relative

ALONE = "alone"
"""The context's object where the process does nothing but this command, and may end with it."""


class OnCluster(TyperCommand):
    """Run a command here, or with ``--address http://HOST:PORT`` as a job of the Ray cluster with that dashboard."""

    def invoke(self, ctx: Any) -> Any:
        """Run or submit the command; return the job's exit code."""
        address = ctx.params.get("address") or ""
        if not address.startswith(("http://", "https://")):
            here, cluster = partial(super().invoke, ctx), address or os.environ.get("RAY_ADDRESS", "")
            on_ray = ctx.params["runner"] == "ray" and (cluster or ctx.obj == ALONE)
            return in_own_process(here, cluster) if on_ray else here()
        require("--address", "ray")
        from vidatlas.runners.ray_job import submit

        there, files = for_the_cluster(ctx.params)
        return submit(address, words(ctx, there), files, _show)


def for_the_cluster(values: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Path]]:
    """Return a command's parameters as its job is to have them, and the local files to ship by the names used there.

    Raises:
        UsageError: a location means something in this folder only, or the recipe is wrong.
    """
    for place in (*(values.get("inputs") or ()), values["atlas"]):
        if is_relative(place):
            raise UsageError(
                f"{place}: the cluster does not know this folder. Give a URL such as s3://…, or an absolute path "
                "that its nodes see."
            )
    there, files = {**values, "address": None}, {}
    # That of auto is made there, where the input is.
    if values.get("recipe", AUTO) != AUTO:
        recipe = read_recipe(values["recipe"], values["set_"], values["limit"])
        # As it was read here: it, and the names that it maps to, may be in files of this machine alone.
        local = Path(tempfile.mkdtemp(prefix="vidatlas-")) / "recipe.yaml"
        local.write_text(recipe.to_yaml(), encoding="utf-8")
        there |= {"recipe": f"recipe/{local.name}", "set_": None, "limit": None}
        files[there["recipe"]] = local
    return there, files


def words(ctx: Any, values: dict[str, Any]) -> list[str]:
    """Return a command line that gives a command these parameters: its name, options, then arguments."""
    options, arguments = [], []
    for parameter in ctx.command.params:
        value = values.get(parameter.name)
        found = [str(item) for item in (value if isinstance(value, list | tuple) else [value]) if item is not None]
        if parameter.param_type_name == "argument":
            arguments += found
        elif getattr(parameter, "is_flag", False):
            options += [parameter.opts[0]] if value else []
        else:
            options += [word for item in found for word in (parameter.opts[0], item)]
    return [str(ctx.info_name), *options, "--", *arguments]


def _show(text: str) -> None:
    sys.stdout.write(text)
    sys.stdout.flush()
