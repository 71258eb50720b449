"""Auto: make a recipe from a look at the first rows of the input, and say what was assumed and how sure it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field, replace
from itertools import islice
from shlex import quote
from typing import IO, Any

import numpy as np
import pyarrow as pa
import yaml

from vidatlas.encoders.given import read_vector
from vidatlas.errors import InputError, UsageError
from vidatlas.pipeline.plan.inputs import expand_all
from vidatlas.recipe import Recipe, load_recipe
from vidatlas.sources.compression import DamagedError
from vidatlas.sources.content.arrow import MAGIC
from vidatlas.sources.content.file_type import records_under
from vidatlas.sources.content.sniff import detect_csv, detect_json, records_key
from vidatlas.sources.content.text import ROWS, Text
from vidatlas.sources.jsonl import JsonLinesSpec
from vidatlas.sources.parquet import vector_columns
from vidatlas.sources.rows import HIVE, RowSpec
from vidatlas.sources.scan import Scan
from vidatlas.sources.values.category_names import YOUTUBE
from vidatlas.sources.values.profile import columns_of
from vidatlas.sources.values.roles import Assumed, Roles
from vidatlas.storage.folder import open_input
from vidatlas.storage.parquet import open_arrow, open_parquet
from vidatlas.types import Json

AUTO = "auto"
"""The word in place of a recipe."""
SAMPLE = 1_000
"""Rows that are read of each file, and of all files together, if the first ones have as many."""
LATER, EVERY = 50_000, 100
"""Further rows of the first file, of which every so many is taken."""
FEWEST_FILES, MOST_FILES = 5, 50
_LOOK = 1 << 20
"""Bytes from which the format is detected."""
_SHORTEST_VECTOR = 8
_MOST_NAMED = 10
_VECTOR_NAMES = ("embedding", "embeddings", "vector", "emb", "features")
_GIVEN = {
    "record.id": "id",
    "record.group": "category",
    "record.author": "author",
    "record.fields.title.column": "title",
    "record.fields.tags.column": "tags",
}
"""Keys with which a user chooses the column of a role."""
_FORMAT = "source.format"


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


@dataclass(slots=True)
class _Look:
    """Hold what the first bytes of a file show."""

    url: str
    container: str
    format: Json
    vectors: list[str] = field(default_factory=list)
    empty: bool = False
    under: str | None = None
    """The key of the first list of objects in a JSON document."""


def assume(inputs: Iterable[str], settings: Mapping[str, Any]) -> Guess:
    """Return a recipe for some input files; the same files and settings give the same one.

    Args:
        inputs: paths, URLs or patterns.
        settings: dotted keys of the recipe that the user chose; they are not decided again.

    Raises:
        UsageError: it cannot be decided what holds the titles or the vectors; the message names the setting.
        InputError: a file is absent, damaged or no table of rows.
    """
    urls = expand_all(inputs)
    looks, rows, form = _sampled(urls, _format_of(settings), settings)
    data, assumed = _recipe(urls, looks, rows, form, settings)
    data["about"] = f"Made from a look at {len(rows):,} rows of {urls[0].rsplit('/', 1)[-1]}" + (
        f" and {len(urls) - 1:,} more files." if len(urls) > 1 else "."
    )
    return Guess(load_recipe(data, settings), tuple(assumed))


def _format_of(settings: Mapping[str, Any]) -> Json:
    """Return the keys of ``source.format`` that the user chose."""
    chosen = settings.get(_FORMAT, {})
    found: Json = {"kind": chosen} if isinstance(chosen, str) else dict(chosen)
    return found | {
        key.removeprefix(f"{_FORMAT}."): value for key, value in settings.items() if key.startswith(f"{_FORMAT}.")
    }


def _sampled(urls: list[str], given: Json, settings: Mapping[str, Any]) -> tuple[list[_Look], list[Json], Json]:
    """Read the first rows of the first files; return what the files look like, the rows, and their format."""
    looks = [_looked(url, given) for url in urls[:FEWEST_FILES]]
    form = _common(looks, given)
    path = settings.get("source.path") or _hive(urls)
    try:
        rows = _first_rows(urls, looks, form, path)
    except InputError:
        under = next((look.under for look in looks if look.under), None)
        if form["kind"] != "json" or "records" in form or not under:
            raise
        # A document too long to be one record.
        return _sampled(urls, {**given, "kind": "json", "records": under}, settings)
    key = None if "records" in given or form["kind"] == "csv" else _records(rows)
    if key:
        return _sampled(urls, {**given, "kind": "json", "records": key}, settings)
    return looks, rows, form


def _first_rows(urls: list[str], looks: list[_Look], form: Json, path: str | None) -> list[Json]:
    """Return the first rows of the first files.

    Raises:
        InputError: there are none.
    """
    rows: list[Json] = []
    for at, url in enumerate(urls[:MOST_FILES]):
        if at >= FEWEST_FILES and len(rows) >= SAMPLE:
            break
        look = looks[at] if at < len(looks) else _looked(url, form)
        if look.empty:
            continue
        found = _rows(look, form, path)
        rows += islice(found, SAMPLE)
        # Files are often in order of time, and columns that the first rows lack come later.
        rows += islice(found, 0, LATER, EVERY) if not at else ()
    if not rows:
        raise InputError(f"{urls[0]}: no row can be read. Check the file, or choose a recipe: vidatlas recipes")
    return rows


def _looked(url: str, given: Json) -> _Look:
    """Look at the first bytes of a file."""
    try:
        with closing(open_input(url)) as file:
            scan = Scan(file)
            if scan.compression in ROWS:
                return _Look(url, scan.compression, {"kind": "jsonlines"}, _vector_columns(file, scan.compression))
            with closing(scan.chunks()) as chunks:
                content = b""
                while len(content) < _LOOK and (chunk := next(chunks, None)) is not None:
                    content += chunk
            text = Text(iter([content]), scan.compression, JsonLinesSpec())
    except FileNotFoundError as error:
        raise InputError(f"no such file: {url}. Check the path; quote patterns such as 'data/*.jsonl.gz'.") from error
    except DamagedError as error:
        raise InputError(f"{url} is damaged ({error}). Download or copy it again.") from error
    except (InputError, UsageError) as error:
        raise type(error)(f"{url}: {error}") from error
    if not text.head.strip():
        return _Look(url, scan.compression, {}, empty=True)
    kind = given.get("kind")
    form = ({"kind": kind} if kind in ("json", "jsonlines") else None) or (None if kind else detect_json(text.head))
    form = form or detect_csv(content, given)
    if form is None:
        raise UsageError(
            f"{url}: neither JSON nor a table: no delimiter gives rows of one width. "
            "Name it with --set source.format.kind=csv --set source.format.delimiter=…"
        )
    under = records_under(text.head) if form["kind"] == "json" else None
    return _Look(url, scan.compression, {**form, **given}, under=under)


def _vector_columns(file: IO[bytes], container: str) -> list[str]:
    """Return the columns of a Parquet or Arrow file that hold lists of floats."""
    file.seek(0)
    if container == "parquet":
        return vector_columns(open_parquet(file).schema_arrow)
    start = len(MAGIC) if file.read(len(MAGIC)) == MAGIC else 0
    file.seek(start)
    return vector_columns(open_arrow(file).schema)


def _common(looks: list[_Look], given: Json) -> Json:
    """Return the one format of all files.

    Raises:
        UsageError: they differ.
    """
    texts = [look for look in looks if not look.empty and look.container not in ROWS]
    kinds = {look.format["kind"]: look.url for look in texts}
    if "csv" in kinds and len(kinds) > 1:
        other = next(url for kind, url in kinds.items() if kind != "csv")
        raise UsageError(f"{kinds['csv']} is a table and {other} JSON. Make an atlas of each.")
    if not texts:
        return {"kind": "jsonlines", **given}
    if "csv" in kinds:
        encoded = next((look.format for look in texts if "encoding" in look.format), None)
        return {**texts[0].format, **({"encoding": encoded["encoding"]} if encoded else {})}
    return next((look.format for look in texts if look.format["kind"] == "json"), texts[0].format)


def _rows(look: _Look, form: Json, path: str | None, vector: str | None = None) -> Iterator[Json]:
    """Yield the rows of a file as planning reads them, those that can be read."""
    # A recipe reads the format: its section is checked as the user's own is.
    record = {"id": None, "title": "t", "fields": {"t": {"column": "t", "weight": 1}}}
    recipe = load_recipe({"name": AUTO, "source": {"format": form}, "record": record, "encoder": {"kind": "hashing"}})
    vector = vector or (look.vectors[0] if len(look.vectors) == 1 else _by_name(look.vectors))
    try:
        with closing(open_input(look.url)) as file:
            scan = Scan(file, vector)
            spec = replace(RowSpec(recipe.source.format, path=path, vector=vector)).inside(scan.compression)
            with closing(scan.chunks()) as content:
                text = Text(content, scan.compression, spec.format)
                source, names, rows = (
                    spec.inside(scan.compression, text.encoding).at(look.url).start(text.chunks(), len)
                )
                yield from (row for raw in rows if isinstance(row := source.decode(raw, names), dict))
    except DamagedError as error:
        raise InputError(f"{look.url} is damaged ({error}). Download or copy it again.") from error
    except pa.ArrowException as error:
        raise InputError(f"{look.url} is damaged ({error}). Download or copy it again.") from error
    except (InputError, UsageError) as error:
        raise type(error)(f"{look.url}: {error}") from error


def _by_name(columns: list[str]) -> str | None:
    named = [name for wanted in _VECTOR_NAMES for name in columns if name.casefold() == wanted]
    return named[0] if named else None


def _records(rows: list[Json]) -> str | None:
    """Return the key that holds the records, where the rows are pages of them and no records."""
    for row in rows[:10]:
        key = records_key(row, _is_record)
        if key and (not _has_title(row) or key in ("entries", "items")):
            return key
    return None


def _has_title(row: Json) -> bool:
    return Roles(columns_of([row]), {}).find_title() is not None


def _is_record(row: Json) -> bool:
    roles = Roles(columns_of([row]), {})
    return roles.find_id() is not None and roles.find_title() is not None


def _recipe(
    urls: list[str], looks: list[_Look], rows: list[Json], form: Json, settings: Mapping[str, Any]
) -> tuple[Json, list[Assumed]]:
    """Return the recipe as a mapping, and what was assumed."""
    columns = columns_of(rows)
    vector = _vector(looks, rows, settings)
    roles = Roles(columns, {role: settings[key] for key, role in _GIVEN.items() if key in settings}, vector)
    record, fields = _record(roles, urls[0], settings)
    data = load_recipe("topics").model_dump(mode="json", exclude_unset=True) | {"name": AUTO}
    source: Json = {"shard_rows": data["source"]["shard_rows"]}
    if form["kind"] != "jsonlines":
        source["format"] = form
    if _hive(urls):
        source["path"] = HIVE
    data |= {"source": source, "record": {**record, "fields": fields}}
    seen = [_said(form, looks)]
    if "path" in source:
        seen.append(Assumed("source.path", HIVE, "sure", urls[0].rsplit("/", 2)[-2]))
    if vector:
        data["encoder"] = {"kind": "given", "column": vector}
        data["mix"] = {"normalize": True}
        seen.append(Assumed("encoder.column", vector, "sure", _width(rows, vector)))
    placeholders = [f"{text!r} in {column.name!r}" for column in roles.chosen.values() for text in column.missing]
    if placeholders:
        said = ", ".join(placeholders)
        seen.append(Assumed("record.missing", "(the default)", "sure", f"{said} stands for nothing"))
    order = ("source", "record", "encoder")
    return data, sorted([*seen, *roles.assumed], key=lambda one: order.index(one.key.split(".")[0]))


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
    fields: Json = {} if title is None else {"title": {"column": title, "weight": 1, "max_chars": 200}}
    tags = roles.find_tags()
    # Titles that repeat, such as those of reviewed films, do not tell the rows apart.
    text = roles.find_text() if not tags or roles.repeats_titles() else None
    if tags:
        fields["tags"] = {"weight": 0.6, "max_chars": 77, **tags}
    if text:
        fields["text"] = {"column": text, "weight": 0.6, "max_chars": 1000}
    if title is not None and len(fields) > 1:
        fields["title"]["weight"] = 0.4
    record |= {"group": roles.find_category(), "author": roles.find_author(), "title": shown}
    if roles.are_youtubes():
        record["map"] = {record["group"]: "youtube"}
    kept = roles.find_kept()
    if kept:
        record["columns"] = kept
    if roles.are_youtube_videos():
        record["url"] = "https://www.youtube.com/watch?v={id}"
        roles.assumed.append(Assumed("record.url", "(the id)", "likely", record["url"]))
    return record, fields


def _undecided(roles: Roles, url: str) -> UsageError:
    """Return the error that asks for the column of titles."""
    there = roles.candidates()
    names = ", ".join(repr(column.name) for column in roles.columns[:_MOST_NAMED])
    said = f"Candidates: {', '.join(map(repr, there))}" if there else f"None of {names} holds texts that differ"
    setting = quote(f"record.fields.title.column={there[0]}") if there else "record.fields.title.column=…"
    filled = roles.find_tags() and len(roles.chosen["tags"].values) > 0.9 * roles.chosen["tags"].rows
    instead = ", or show the tags in its place: --set record.title=tags" if filled else ""
    return UsageError(f"{url}: which column holds the title? {said}. Say it with --set {setting}{instead}")


def _hive(urls: list[str]) -> str | None:
    """Return the ``source.path`` of files in folders that are all named column=value."""
    return HIVE if all(any("=" in step.lstrip("=") for step in url.split("/")[:-1]) for url in urls) else None


def _said(form: Json, looks: list[_Look]) -> Assumed:
    """Return what the format of the input is, for people."""
    packed = [look.container for look in looks if look.container != "plain"]
    kinds = {"csv": "a table", "json": "JSON documents", "jsonlines": "JSON lines"}
    name = packed[0] if packed and packed[0] in ROWS else kinds[form["kind"]]
    more = [f"{key}: {form[key]!r}" for key in form if key not in ("kind", "columns")]
    if packed and packed[0] not in ROWS:
        more.append(f"in {packed[0]}")
    doubtful = form.get("encoding", "utf-8") != "utf-8" or form.get("header") is False
    return Assumed("source.format", ", ".join([name, *more]), "likely" if doubtful else "sure")


def _vector(looks: list[_Look], rows: list[Json], settings: Mapping[str, Any]) -> str | None:
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
    names = list(dict.fromkeys([*names, *(typed if len(typed) > 1 else [])]))
    if len(names) > 1 and not _by_name(names):
        raise UsageError(
            f"{looks[0].url}: which column holds the vectors? Candidates: {', '.join(map(repr, names))}. "
            f"Say it with --set encoder.kind=given --set {quote(f'encoder.column={names[0]}')}, or use none with "
            "--set encoder.kind=sentence"
        )
    return _by_name(names) or next(iter(names), None)


def _width(rows: list[Json], name: str) -> str:
    """Return how many numbers the vectors of a column have, in words; "" if it holds no vectors."""
    cells = [cell for row in rows[:200] if (cell := row.get(name)) is not None]
    if not all(isinstance(cell, list) or (isinstance(cell, str) and len(cell) >= _SHORTEST_VECTOR) for cell in cells):
        return ""
    found = [read_vector(cell) for cell in cells]
    vectors = [vector for vector in found if vector is not None and len(vector) >= _SHORTEST_VECTOR]
    if not vectors or len(vectors) < 0.9 * len(found) or len({len(vector) for vector in vectors}) > 1:
        return ""
    # Numbers without a fraction are counts or ids; a text of eight letters can be read as base64.
    real = sum(bool(np.isfinite(vector).all() and (np.abs(vector) < 1e4).all()) for vector in vectors) == len(vectors)
    fractions = any(bool((vector != np.round(vector)).any()) for vector in vectors)
    return f"{len(vectors[0]):,} numbers each" if real and fractions else ""
