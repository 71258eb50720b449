"""Recipe reference: every key with type, default and meaning, from the pydantic models; and their JSON schema."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from functools import cache
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import griffe
from pydantic import BaseModel
from pydantic.fields import FieldInfo
from pydantic_core import PydanticUndefined

from vidatlas.recipe import Recipe, builtin_recipes, load_recipe

INTRODUCTION = """# Recipe keys

Every key of a recipe. In a YAML file a key `reduce.clusters.k` is `k` below `clusters` below `reduce`; on the command
line it is `--set reduce.clusters.k=12`. Keys that you leave out have their default. For editors there is a
[JSON schema](recipe.schema.json) ([how to use it](../reference.md#recipes-in-an-editor)).
"""


COMMON = {
    "about": "What the recipe is for, in a sentence.",
    "batch": "Images per batch.",
    "batch_rows": "Rows per batch.",
    "column": "The column of the input.",
    "components": "How many components are kept.",
    "dim": "Dimensions of a vector.",
    "dtype": "Precision of the computation; `auto` takes the fastest that the device multiplies.",
    "encoder": "What turns texts into vectors: one of the kinds below.",
    "epochs": "How often all training rows are seen.",
    "file": "A file or URL.",
    "folds": "Parts of a cross-validation.",
    "group": "The column of the category; records are clustered within each. null: all records are one group.",
    "height": "Height of an image in pixels, as it is trained on.",
    "kind": "Which of the kinds this section is.",
    "latent": "Numbers per image.",
    "learning_rate": "Step of the optimiser.",
    "momentum": "Momentum of the optimiser.",
    "name": "The recipe's name.",
    "perplexity": "About how many neighbours t-SNE takes into account.",
    "revision": "Commit of the model on the hub.",
    "seed": "Seed of every random choice here.",
    "thing": "The column of what is rated.",
    "title": "The atlas's title.",
    "user": "The column of who rates.",
    "value": "The column of the rating.",
    "weight_decay": "Shrinks what is learned, against overfitting.",
    "width": "Width of an image in pixels, as it is trained on.",
}
"""Meanings of keys that have the same name and the same meaning wherever no docstring says more."""


@cache
def package() -> griffe.Object | griffe.Alias:
    """Return vidatlas as its source describes it, docstrings of attributes included; nothing is imported."""
    return griffe.load("vidatlas", docstring_parser="google")


def meanings(model: type[BaseModel]) -> dict[str, str]:
    """Return the docstring of each field of a model, those of its bases included."""
    found: dict[str, str] = {}
    for base in reversed(model.__mro__):
        if base.__module__.startswith("vidatlas."):
            members = package()[f"{base.__module__.removeprefix('vidatlas.')}.{base.__name__}"].members
            found |= {name: member.docstring.value for name, member in members.items() if member.docstring}
    return found


def to_markdown(text: str) -> str:
    """Return the text of a docstring in one line of Markdown, for a cell of a table."""
    return re.sub(r"``(.+?)``", r"`\1`", " ".join(text.split())).replace("|", "\\|").replace("<", "&lt;")


def models(kind: Any) -> Iterator[type[BaseModel]]:
    """Yield the models within a type: those of a union, or of the values of a dict."""
    if isinstance(kind, type) and issubclass(kind, BaseModel):
        yield kind
    else:
        for each in get_args(kind):
            yield from models(each)


_SCALARS = {int: "integer", float: "number", str: "text", bool: "true or false", NoneType: "null", Any: "anything"}


def type_name(kind: Any) -> str:
    """Return a type in words: ``integer``, ``one of a, b``, ``list of text``."""
    if kind in _SCALARS:
        return _SCALARS[kind]
    origin, inner = get_origin(kind), get_args(kind)
    if origin is Annotated:
        return type_name(inner[0]) + bounds([each for info in inner[1:] for each in getattr(info, "metadata", [])])
    if origin is Literal:
        return ", ".join(f"`{each}`" for each in inner)
    if origin in (Union, UnionType):
        return " or ".join(dict.fromkeys(type_name(each) for each in inner))
    return _of_many(origin, inner) or ("section" if any(models(kind)) else str(getattr(kind, "__name__", kind)).lower())


def _of_many(origin: Any, inner: tuple[Any, ...]) -> str:
    if origin is dict:
        return f"mapping of {type_name(inner[1])}"
    if origin is tuple and Ellipsis not in inner:
        return f"[{', '.join(map(type_name, inner))}]"
    return f"list of {type_name(inner[0])}" if origin in (tuple, list, frozenset) else ""


def bounds(metadata: list[Any]) -> str:
    """Return the least and the greatest value of a number, out of the annotations of its type."""
    signs = {"ge": "≥", "gt": ">", "le": "≤", "lt": "<"}
    found = [(sign, getattr(each, name, None)) for each in metadata for name, sign in signs.items()]
    return ",".join(f" {sign} {value:,}" for sign, value in found if value is not None)


def default(field: FieldInfo) -> str:
    """Return the default of a key as YAML writes it; empty for a section, whose keys have their own."""
    if field.is_required():
        return "*required*"
    value = field.default if field.default is not PydanticUndefined else field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return f"`{value.kind}`" if hasattr(value, "kind") else ""
    text = json.dumps(value, ensure_ascii=False, default=list)
    return f"`{text}`" if len(text) <= 60 else f"{len(value)} values"


def summary(model: type[BaseModel]) -> str:
    """Return the first paragraph of a model's docstring."""
    return (model.__doc__ or "").strip().split("\n\n")[0]


def section(model: type[BaseModel], path: str, depth: int) -> Iterator[str]:
    """Yield the lines of a model: what it is, a table of its keys, and then the models of those."""
    said = meanings(model)
    yield from ("", to_markdown(summary(model)), "", "| key | type | default | meaning |", "|---|---|---|---|")
    below: list[tuple[str, type[BaseModel]]] = []
    for name, field in model.model_fields.items():
        key = f"{path}.{name}" if path else name
        inner = list(models(field.annotation))
        repeated = type_name(field.annotation).startswith("mapping") and bool(inner)
        below += [(f"{key}.NAME" if repeated else key, each) for each in inner]
        kind = to_markdown(type_name(field.annotation) + bounds(field.metadata))
        about = said.get(name) or (summary(inner[0]) if len(inner) == 1 else COMMON.get(name, ""))
        about = re.sub(r"\bNone\b", "null", about)
        yield f"| `{name}` | {kind} | {to_markdown(default(field))} | {to_markdown(about)} |"
    for key, each in below:
        kind = each.model_fields["kind"].default if "kind" in each.model_fields else ""
        yield from ("", f"{'#' * min(depth, 4)} {key}{f', {kind}' if kind else ''}")
        yield from section(each, key, depth + 1)


def recipe_page() -> str:
    """Return the page of every key."""
    abouts = (f"| `{name}` | {to_markdown(load_recipe(name).about)} |" for name in builtin_recipes())
    named = ("", "## Built-in recipes", "", "| recipe | about |", "|---|---|", *abouts, "")
    return "\n".join([INTRODUCTION, *section(Recipe, "", 2), *named])


def recipe_schema() -> str:
    """Return the JSON schema of a recipe, with the meaning of each key as its description."""
    schema = Recipe.model_json_schema()
    described = {model.__name__: meanings(model) for model in set(_within(Recipe))}
    for name, part in ((schema["title"], schema), *schema["$defs"].items()):
        for key, value in part.get("properties", {}).items():
            text = described.get(name, {}).get(key)
            if text:
                value.setdefault("description", " ".join(text.split()))
    return json.dumps(schema, indent=1, ensure_ascii=False) + "\n"


def _within(model: type[BaseModel]) -> Iterator[type[BaseModel]]:
    yield model
    for field in model.model_fields.values():
        for each in models(field.annotation):
            yield from _within(each)
