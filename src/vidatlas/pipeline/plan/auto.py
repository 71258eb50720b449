"""Auto: make a recipe from a look at the first rows of the input, and say what was assumed and how sure it is."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from os import PathLike, fspath
from shlex import quote
from types import MappingProxyType
from typing import Any

import numpy as np
import yaml

from vidatlas.encoders.given import read_vector
from vidatlas.errors import UsageError
from vidatlas.pipeline.plan.inputs import expand_all
from vidatlas.pipeline.plan.memory import Data, files_of
from vidatlas.pipeline.plan.sample import Look, format_of, hive_path, is_vector_name, read_sample, vector_by_name
from vidatlas.recipe import Recipe, load_recipe
from vidatlas.recipes import AUTO
from vidatlas.sources.content.sniff import NO_DELIMITER
from vidatlas.sources.content.text import ROWS
from vidatlas.sources.parquet import vector_columns
from vidatlas.sources.rows import HIVE
from vidatlas.sources.values.category_names import YOUTUBE
from vidatlas.sources.values.profile import columns_of
from vidatlas.sources.values.roles import KEYS, Assumed, Roles, Sure, is_known
from vidatlas.types import Floats, Json, Place

_LOG = logging.getLogger("vidatlas")
_SHORTEST_VECTOR = 8
_LONGEST_CURVE = 64
"""Numbers from which a list whose name says nothing is taken for a vector: shorter ones may be curves or ratings."""
_MOST_NAMED = 10


@dataclass(frozen=True, slots=True)
class Guess:
    """Hold a recipe and what was assumed to make it."""

    recipe: Recipe
    assumed: tuple[Assumed, ...]

    def to_yaml(self) -> str:
        """Return the recipe as short YAML, with a comment for each assumption above its section."""
        data = self.recipe.model_dump(mode="json", exclude_unset=True)
        names = data["record"].get("map") or {}
        names |= {column: "youtube" for column, given in names.items() if given == YOUTUBE}
        text = ""
        for section, value in data.items():
            own = [one for one in self.assumed if one.key.split(".")[0] == section]
            text += "".join(
                f"# {one.key}: {_line(one.column)} ({one.sure}) {_line(one.example)}".rstrip() + "\n" for one in own
            )
            text += yaml.safe_dump({section: value}, sort_keys=False, allow_unicode=True, width=120)
        return text


def _line(text: str) -> str:
    """Return a text as part of a comment: in one line, without signs that YAML refuses."""
    return "".join(sign for sign in " ".join(text.split()) if sign.isprintable())[:80]


def assume(inputs: Place | Iterable[Place], settings: Mapping[str, Any] = MappingProxyType({})) -> Guess:
    """Return a recipe for some input files; the same files and settings give the same one.

    Args:
        inputs: paths, URLs or patterns.
        settings: dotted keys of the recipe that the user chose; they are not decided again.

    Raises:
        UsageError: it cannot be decided what holds the titles or the vectors; the message names the setting.
        InputError: a file is absent, damaged or no table of rows.
    """
    urls = expand_all(fspath(place) for place in ([inputs] if isinstance(inputs, str | PathLike) else inputs))
    looks, rows, form = read_sample(urls, format_of(settings), settings)
    if "record.fields.title.column" not in settings and form["kind"] != "csv":
        _refuse_keyed(urls[0], rows)
    data, assumed = _recipe(urls, looks, rows, form, settings)
    data["about"] = f"Made from a look at {len(rows):,} rows of {urls[0].rsplit('/', 1)[-1]}" + (
        f" and {len(urls) - 1:,} more files." if len(urls) > 1 else "."
    )
    return Guess(load_recipe(data, settings), tuple(assumed))


def from_data(data: Data, atlas: Place) -> tuple[Recipe, list[str]]:
    """Return a recipe for files or rows in memory, and the files; log each assumption, as a warning unless it is sure.

    Rows in memory are written into the atlas, as ``as_files`` does.

    Raises:
        UsageError: as ``assume``.
        InputError: as ``assume``.
    """
    urls, written = files_of(data, atlas, lambda schema: _vector_column(vector_columns(schema), "the data"))
    settings = {"source.format": "jsonlines", "publish.title": load_recipe("topics").publish.title}
    guess = assume(urls, settings if written else {})
    for one in guess.assumed:
        level = logging.INFO if one.sure == "sure" else logging.WARNING
        _LOG.log(level, "%s: %s (%s) %s", one.key, _line(one.column), one.sure, _line(one.example))
    return guess.recipe, urls


def _recipe(
    urls: list[str], looks: list[Look], rows: list[Json], form: Json, settings: Mapping[str, Any]
) -> tuple[Json, list[Assumed]]:
    """Return the recipe as a mapping, and what was assumed."""
    columns = columns_of(rows)
    vector = _vector(looks, rows, settings)
    roles = Roles(columns, {role: settings[key] for role, key in KEYS.items() if key in settings}, vector)
    record, fields = _record(roles, urls[0], settings)
    data = load_recipe("topics").model_dump(mode="json", exclude_unset=True) | {"name": AUTO}
    source: Json = {"shard_rows": data["source"]["shard_rows"]}
    if form["kind"] != "jsonlines":
        source["format"] = form
    if hive_path(urls):
        source["path"] = HIVE
    data |= {"source": source, "record": {**record, "fields": fields}}
    data["publish"] = {**data["publish"], "title": _title(urls)}
    seen = [_said(form, looks)]
    if form.get("encoding", "utf-8") != "utf-8" and "source.format.encoding" not in settings:
        shown = next((str(cell) for row in rows for cell in row.values() if not str(cell).isascii()), "")
        # Those of Latin script differ in few letters.
        sure: Sure = "guessed" if form["encoding"] in ("latin-1", "cp1252") else "likely"
        seen.append(Assumed("source.format.encoding", form["encoding"], sure, shown))
    if form.get("skip") and "source.format.skip" not in settings:
        seen.append(Assumed("source.format.skip", str(form["skip"]), "likely", f"the header: {', '.join(rows[0])}"))
    if "path" in source:
        seen.append(Assumed("source.path", HIVE, "sure", urls[0].rsplit("/", 2)[-2]))
    if vector:
        data["encoder"] = {"kind": "given", "column": vector}
        data["mix"] = {"normalize": True}
    seen += _said_of_vectors(vector, rows, settings)
    placeholders = [f"{text!r} in {column.name!r}" for column in roles.chosen.values() for text in column.missing]
    if placeholders:
        said = ", ".join(placeholders)
        seen.append(Assumed("record.missing", "(the default)", "sure", f"{said} stands for nothing"))
    roles.say_unused()
    order = ("source", "record", "encoder")
    return data, sorted([*seen, *roles.assumed], key=lambda one: order.index(one.key.split(".")[0]))


def _title(urls: list[str]) -> str:
    """Return what a report of some files is called: as the file is, or as the folder of several."""
    *_, folder, name = ["", "", *urls[0].split("/")]
    return _line((folder if len(urls) > 1 else "") or name.split(".")[0] or name)


def _record(roles: Roles, url: str, settings: Mapping[str, Any]) -> tuple[Json, Json]:
    """Return the section ``record`` without its fields, and the fields.

    Raises:
        UsageError: it cannot be decided which column holds the title.
    """
    record: Json = {"id": roles.find_id()}
    shown = settings.get("record.title", "title")
    title = roles.find_title() if shown == "title" else None
    if title is None and shown == "title":
        raise _undecided(roles, url)
    fields = {} if title is None else {"title": {"column": title, "weight": 1, "max_chars": 200}}
    more, category = _more_fields(roles, settings)
    fields |= more
    if title is not None and more:
        fields["title"]["weight"] = 0.55
    record |= {"group": category, "author": roles.find_author(), "title": shown}
    if roles.are_youtubes():
        record["map"] = {record["group"]: "youtube"}
    kept = roles.find_kept()
    if kept:
        record["columns"] = kept
    if roles.are_youtube_videos():
        record["url"] = "https://www.youtube.com/watch?v={id}"
        roles.assumed.append(Assumed("record.url", "(the id)", "likely", record["url"]))
    return record, fields


def _more_fields(roles: Roles, settings: Mapping[str, Any]) -> tuple[Json, str | None]:
    """Return the fields beside the title, and the column of categories."""
    fields: Json = {}
    tags, category = roles.find_tags(), roles.find_category()
    same = roles.share_a_column("tags", "category") and "record.fields.tags.column" not in settings
    # Titles that repeat, such as those of reviewed films, do not tell the rows apart; nor do tags that are the group.
    text = roles.find_text() if not tags or same or roles.repeats_titles() else None
    if text and same:
        tags = None
        roles.assumed = [one for one in roles.assumed if not one.key.startswith("record.fields.tags.")]
    if tags:
        fields["tags"] = {"weight": 0.45, "max_chars": 77, **tags}
    if text:
        fields["text"] = {"column": text, "weight": 0.45, "max_chars": 1000}
    return fields, category


def _refuse_keyed(url: str, rows: list[Json]) -> None:
    """Raise UsageError where a row is a whole table: an object keyed by id, or what pandas writes by default."""
    row = rows[0]
    inside = [value for value in row.values() if isinstance(value, dict)]
    shared = inside[0].keys() & inside[-1].keys() if len(inside) > 1 else ()
    texts = len(rows) == 1 and len(row) >= _MOST_NAMED and all(isinstance(value, str) for value in row.values())
    keyed = len(inside) == len(row) and len(shared) > len(inside[0]) / 2 if inside else texts
    if row.keys() >= {"columns", "data"} or (
        keyed and ((shared and all(map(str.isdecimal, shared))) or not any(map(is_known, row)))
    ):
        raise UsageError(
            f"{url}: this is one object with all rows in it, not one object per row. Write it as records: in pandas "
            "to_json(orient='records'); an object keyed by id with jq 'to_entries | map({id: .key"
            + (", title: .value})'" if texts else "} + .value)'")
        )


def _undecided(roles: Roles, url: str) -> UsageError:
    """Return the error that asks for the column of titles."""
    there = roles.candidates()
    names = ", ".join(repr(column.name) for column in roles.columns[:_MOST_NAMED]) or "the columns"
    said = f"Candidates: {', '.join(map(repr, there))}" if there else f"None of {names} holds texts that differ"
    setting = quote(f"record.fields.title.column={there[0]}") if there else "record.fields.title.column=…"
    filled = roles.find_tags() and len(roles.chosen["tags"].values) > 0.9 * roles.chosen["tags"].rows
    instead = ", or show the tags in its place: --set record.title=tags" if filled else ""
    return UsageError(f"{url}: which column holds the title? {said}. Say it with --set {setting}{instead}")


def _said(form: Json, looks: list[Look]) -> Assumed:
    """Return what the format of the input is, for people."""
    packed = [look.container for look in looks if look.container != "plain"]
    kinds = {"csv": "a table", "json": "JSON documents", "jsonlines": "JSON lines"}
    name = packed[0] if packed and packed[0] in ROWS else kinds[form["kind"]]
    more = [f"{key}: {form[key]!r}" for key in form if key not in ("kind", "columns", "skip", "encoding")]
    if packed and packed[0] not in ROWS:
        more.append(f"in {packed[0]}")
    if form.get("delimiter") == NO_DELIMITER:
        guessed = form.get("header") is False
        return Assumed("source.format", "one title per line", "guessed" if guessed else "sure")
    return Assumed("source.format", ", ".join([name, *more]), "likely" if form.get("header") is False else "sure")


def _vector(looks: list[Look], rows: list[Json], settings: Mapping[str, Any]) -> str | None:
    """Return the column of vectors: lists of equally many numbers; None if there is none.

    Raises:
        UsageError: there are several.
    """
    if settings.get("encoder.kind", "given") != "given" or "encoder.file" in settings:
        return None
    if "encoder.column" in settings:
        return str(settings["encoder.column"])
    typed = list(dict.fromkeys(name for look in looks for name in look.vectors))
    names = [name for name in dict.fromkeys(name for row in rows[:50] for name in row) if _width(rows, name)]
    return _vector_column(list(dict.fromkeys([*names, *(typed if len(typed) > 1 else [])])), looks[0].url)


def _said_of_vectors(vector: str | None, rows: list[Json], settings: Mapping[str, Any]) -> list[Assumed]:
    """Return what was assumed of the column of vectors, or of lists of numbers that are not used."""
    if vector:
        named = is_vector_name(vector) or "encoder.column" in settings
        return [Assumed("encoder.column", vector, "sure" if named else "likely", _width(rows, vector))]
    lists = [name for name, cell in rows[0].items() if isinstance(cell, list) and _numbers(rows, name)]
    remark = "lists of equally many numbers, not used; if they are vectors: --set encoder.kind=given"
    return [Assumed("encoder.column", f"(not {name})", "guessed", remark) for name in lists]


def _vector_column(names: list[str], where: str) -> str | None:
    """Return the column of vectors out of some that hold any; None if there is none.

    Raises:
        UsageError: there are several.
    """
    if len(names) > 1 and not vector_by_name(names):
        raise UsageError(
            f"{where}: which column holds the vectors? Candidates: {', '.join(map(repr, names))}. "
            f"Say it with --set encoder.kind=given --set {quote(f'encoder.column={names[0]}')}, or use none with "
            "--set encoder.kind=universal"
        )
    return vector_by_name(names) or next(iter(names), None)


def _width(rows: list[Json], name: str) -> str:
    """Return how many numbers the vectors of a column have, in words; "" if it probably holds no vectors."""
    vectors, named = _numbers(rows, name), is_vector_name(name)
    if not vectors or not all(bool(np.isfinite(one).all() and (np.abs(one) < 1e4).all()) for one in vectors):
        return ""
    # Numbers without a fraction are counts or ids; a text of eight letters can be read as base64.
    fractions = any(bool((one != np.round(one)).any()) for one in vectors)
    signed = any(bool((one < 0).any()) for one in vectors)
    unnamed = fractions and signed and len(vectors[0]) >= _LONGEST_CURVE
    lists = isinstance(next(row[name] for row in rows if row.get(name) is not None), list)
    return f"{len(vectors[0]):,} numbers each" if unnamed or (named and (fractions or lists)) else ""


def _numbers(rows: list[Json], name: str) -> list[Floats]:
    """Return the vectors of a column whose cells are lists of equally many numbers; none if they are not."""
    cells = [cell for row in rows[:200] if (cell := row.get(name)) is not None]
    if not all(isinstance(cell, list) or (isinstance(cell, str) and len(cell) >= _SHORTEST_VECTOR) for cell in cells):
        return []
    found = [read_vector(cell) for cell in cells]
    vectors = [vector for vector in found if vector is not None and len(vector) >= _SHORTEST_VECTOR]
    return vectors if len(vectors) >= 0.9 * len(found) and len({len(vector) for vector in vectors}) == 1 else []
