"""Dependencies of vidatlas and of its extras: packages, megabytes and licences, in an environment that has them all.

``python -m tools.dependencies`` prints how large each install is; ``--licences`` prints who has which licence.
"""

from __future__ import annotations

import sys
import tomllib
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Any

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

PROJECT: dict[str, Any] = tomllib.loads((Path(__file__).parents[1] / "pyproject.toml").read_text("utf-8"))["project"]
EXTRAS = ("", "s3", "ray", "cluster", "torch", "all")
"""Of users; the others are for developers."""


def needed(extra: str) -> dict[str, Distribution]:
    """Return what ``vidatlas[extra]`` installs here, by name, without vidatlas itself.

    Raises:
        PackageNotFoundError: the environment lacks a package.
    """
    found: dict[str, Distribution] = {}
    seen: set[tuple[str, str]] = set()
    ahead = [*PROJECT["dependencies"], *PROJECT["optional-dependencies"].get(extra, ())]
    while ahead:
        wanted = Requirement(ahead.pop())
        name = canonicalize_name(wanted.name)
        for option in ("", *wanted.extras):
            if (name, option) in seen or (wanted.marker and not wanted.marker.evaluate({"extra": ""})):
                continue
            seen.add((name, option))
            if name == PROJECT["name"]:
                ahead += PROJECT["optional-dependencies"][option] if option else ()
                continue
            found[name] = distribution(name)
            ahead += _required(found[name], option)
    return found


def _required(package: Distribution, extra: str) -> Iterator[str]:
    for line in package.requires or ():
        parsed = Requirement(line)
        if not parsed.marker or parsed.marker.evaluate({"extra": extra}):
            parsed.marker = None
            yield str(parsed)


def megabytes(packages: dict[str, Distribution]) -> int:
    """Return how much disk some packages take, in 10^6 bytes, without the bytecode that Python adds."""
    files = {Path(str(file.locate())) for package in packages.values() for file in package.files or ()}
    return round(sum(file.stat().st_size for file in files if file.suffix != ".pyc" and file.is_file()) / 1e6)


def licence(package: Distribution) -> str:
    """Return the licence that a package states: its expression, else its classifiers, else the text's first line."""
    keys = ("License-Expression", "Classifier", "License")
    expression, stated, text = (package.metadata.get_all(key) or [] for key in keys)
    classes = [line.rpartition(" :: ")[2] for line in stated if line.startswith("License :: OSI Approved :: ")]
    written = "".join(text) or package.read_text("licenses/LICENSE") or "not stated"
    return "".join(expression) or ", ".join(classes) or written.strip().partition("\n")[0]


def sizes() -> Iterator[str]:
    """Yield the lines of a Markdown table: what each install takes."""
    yield from ("| install | packages | MB |", "|---|---|---|")
    for extra in EXTRAS:
        packages = needed(extra)
        name = f"vidatlas[{extra}]" if extra else "vidatlas"
        yield f"| `{name}` | {len(packages)} | {megabytes(packages)} |"


def licences() -> Iterator[str]:
    """Yield the lines of a Markdown table: the licences, and the packages that have each."""
    found: dict[str, list[str]] = {}
    for name, package in sorted(needed("all").items()):
        found.setdefault(licence(package), []).append(name)
    yield from ("| licence | packages |", "|---|---|")
    for stated, names in sorted(found.items(), key=lambda each: (-len(each[1]), each[0])):
        yield f"| {stated} | {', '.join(names)} |"


if __name__ == "__main__":
    try:
        sys.stdout.writelines(f"{line}\n" for line in (licences if "--licences" in sys.argv else sizes)())
    except PackageNotFoundError as error:
        sys.exit(f"{error.name} is not installed here. Run this where 'vidatlas[all]' is.")
