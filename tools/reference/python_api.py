"""Python reference: the public names of vidatlas with signature, parameters and errors, from their docstrings."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import griffe

import vidatlas
from tools.reference.recipe_keys import package, to_markdown

INTRODUCTION = """# Python

`import vidatlas` gives these names, and loads neither torch nor Ray. [From Python](../python.md) has examples.
Progress goes to a `listener`, which is called with events; `Place` is a path or an fsspec URL.
[Recipe keys](recipe.md) has the fields of `Recipe`.
"""


def python_page() -> str:
    """Return the page of the public names: functions first, then classes."""
    found = [_of(name) for name in vidatlas.__all__]
    ordered = sorted(found, key=lambda each: (each.is_class, each.name))
    return "\n".join([INTRODUCTION, *(line for each in ordered for line in _described(each, 2))])


def _of(name: str) -> griffe.Object:
    """Return a public name as its source describes it."""
    home = getattr(vidatlas, name).__module__
    found: griffe.Object | griffe.Alias = package()[f"{home.removeprefix('vidatlas.')}.{name}"]
    return found.final_target if isinstance(found, griffe.Alias) else found


def _described(item: griffe.Object, depth: int, owner: str = "") -> Iterator[str]:
    yield from ("", f"{'#' * depth} {owner}{item.name}", "")
    if isinstance(item, griffe.Function):
        yield from ("```text", signature(item, owner), "```", "")
    for part in item.docstring.parsed if item.docstring else ():
        yield from _part(part)
    if isinstance(item, griffe.Class) and item.name not in ("Recipe", "Options"):
        for member in item.members.values():
            if isinstance(member, griffe.Function | griffe.Attribute) and member.is_public and member.docstring:
                yield from _described(member, depth + 1, f"{item.name}.")
    if item.name == "Recipe":
        for name in ("fingerprint", "settings", "to_yaml"):
            yield from _described(item[name], depth + 1, "Recipe.")


def signature(function: griffe.Function, owner: str = "") -> str:
    """Return the call of a function: one line, or a parameter per line where that is too long."""
    own = [each for each in function.parameters if each.name not in ("self", "cls")]
    shown = [_parameter(each) for each in own]
    first = next((at for at, each in enumerate(own) if each.kind is griffe.ParameterKind.keyword_only), None)
    if first is not None:
        shown.insert(first, "*")
    returned = f" -> {function.returns}" if function.returns else ""
    line = f"{owner}{function.name}({', '.join(shown)}){returned}"
    if len(line) <= 80:
        return line
    return "\n".join([f"{owner}{function.name}(", *(f"    {each}," for each in shown), f"){returned}"])


def _parameter(each: griffe.Parameter) -> str:
    value = "Options()" if str(each.default) == "DEFAULTS" else each.default
    kind = f": {each.annotation}" if each.annotation else ""
    if value is None:
        return f"{each.name}{kind}"
    return f"{each.name}{kind} = {value}" if kind else f"{each.name}={value}"


def _part(part: Any) -> Iterator[str]:
    """Yield the lines of one section of a docstring."""
    kind = part.kind.value
    if kind == "text":
        yield from (to_paragraphs(part.value), "")
    elif kind in ("parameters", "attributes"):
        yield from (f"- `{each.name}`: {to_markdown(each.description)}" for each in part.value)
        yield ""
    elif kind == "raises":
        yield from (f"- raises `{each.annotation}`: {to_markdown(each.description)}" for each in part.value)
        yield ""


def to_paragraphs(text: str) -> str:
    """Return the paragraphs of a docstring as Markdown."""
    return "\n\n".join(to_markdown(each) for each in text.split("\n\n"))
