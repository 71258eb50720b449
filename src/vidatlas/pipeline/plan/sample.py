"""Sample of an input: the format of its first files, and their first rows as planning reads them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass, field
from itertools import islice
from typing import Any

from vidatlas.errors import InputError, UsageError
from vidatlas.recipe import load_recipe
from vidatlas.sources.content.arrow import open_stream
from vidatlas.sources.content.file_type import records_key, records_under
from vidatlas.sources.content.sniff import detect_csv, detect_json, detect_titles
from vidatlas.sources.content.text import ROWS, Text
from vidatlas.sources.jsonl import JsonLinesSpec
from vidatlas.sources.parquet import vector_columns
from vidatlas.sources.rows import HIVE, Format, RowSpec
from vidatlas.sources.scan import Scan, errors_of
from vidatlas.sources.values.profile import columns_of
from vidatlas.sources.values.roles import Roles
from vidatlas.storage.folder import open_input
from vidatlas.storage.parquet import open_parquet
from vidatlas.types import Json, Reason

SAMPLE = 1_000
"""Rows that are read of each file, and of all files together, if the first ones have as many."""
LATER, EVERY = 50_000, 100
"""Further rows of the first file, of which every so many is taken."""
FEWEST_FILES, MOST_FILES = 5, 50
_LOOK = 1 << 20
"""Bytes from which the format is detected."""
_LONGEST = 64 << 20
"""Bytes of JSON documents in which their first records must stand; the others hold them under a key."""
_VECTOR_NAMES = ("embedding", "embeddings", "vector", "vectors", "emb", "feature", "features")
_FORMAT = "source.format"


@dataclass(slots=True)
class Look:
    """Hold what the first bytes of a file show."""

    url: str
    container: str
    format: Json
    vectors: list[str] = field(default_factory=list)
    empty: bool = False
    under: str | None = None
    """The key of the first list of objects in a JSON document."""


def format_of(settings: Mapping[str, Any]) -> Json:
    """Return the keys of ``source.format`` that the user chose."""
    chosen = settings.get(_FORMAT, {})
    found: Json = {"kind": chosen} if isinstance(chosen, str) else dict(chosen)
    return found | {
        key.removeprefix(f"{_FORMAT}."): value for key, value in settings.items() if key.startswith(f"{_FORMAT}.")
    }


def read_sample(urls: list[str], given: Json, settings: Mapping[str, Any]) -> tuple[list[Look], list[Json], Json]:
    """Read the first rows of the first files; return what the files look like, the rows, and their format."""
    if given:
        # What is wrong in it is said before it is used.
        columns = {"columns": ["column"]} if given.get("header") is False else {}
        _format({"kind": "json" if "records" in given else "csv", **columns, **given})
    looks = [_looked(url, given) for url in urls[:FEWEST_FILES]]
    form = _common(looks, given)
    path = settings.get("source.path") or hive_path(urls)
    try:
        rows = _first_rows(urls, looks, form, path)
    except InputError:
        under = next((look.under for look in looks if look.under), None)
        if form["kind"] != "json" or "records" in form or not under:
            raise
        # A document too long to be one record.
        return read_sample(urls, {**given, "kind": "json", "records": under}, settings)
    key = None if "records" in given or form["kind"] == "csv" else _records(rows)
    if key:
        return read_sample(urls, {**given, "kind": "json", "records": key}, settings)
    return looks, rows, form


def _first_rows(urls: list[str], looks: list[Look], form: Json, path: str | None) -> list[Json]:
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
        first = next((one for look in looks if not look.empty for one in _decoded(look, form, path)), None)
        why = f"the first row: {first.meaning}" if isinstance(first, Reason) else "it has no rows"
        raise InputError(f"{urls[0]}: no row can be read: {why}. Check the file, or choose a recipe: vidatlas recipes")
    return rows


def _looked(url: str, given: Json) -> Look:
    """Look at the first bytes of a file."""
    with errors_of(url), closing(open_input(url)) as file:
        scan = Scan(file)
        if scan.compression in ROWS:
            file.seek(0)
            parquet = scan.compression == "parquet"
            schema = open_parquet(file).schema_arrow if parquet else open_stream(file)[0].schema
            return Look(url, scan.compression, {"kind": "jsonlines"}, vector_columns(schema))
        with closing(scan.chunks()) as chunks:
            content = b""
            while len(content) < _LOOK and (chunk := next(chunks, None)) is not None:
                content += chunk
        text = Text(iter([content]), scan.compression, JsonLinesSpec())
    if not text.head.strip():
        return Look(url, scan.compression, {}, empty=True)
    kind = given.get("kind")
    form = ({"kind": kind} if kind in ("json", "jsonlines") else None) or (None if kind else detect_json(text.head))
    with errors_of(url):
        form = form or detect_csv(content, given) or detect_titles(content, given)
    if form is None:
        raise UsageError(
            f"{url}: neither JSON nor a table nor one title per line: no delimiter gives rows of one width. "
            "Name it with --set source.format.kind=csv --set source.format.delimiter=…"
        )
    under = records_under(text.head) if form["kind"] == "json" else None
    return Look(url, scan.compression, {**form, **given}, under=under)


def _common(looks: list[Look], given: Json) -> Json:
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


def _rows(look: Look, form: Json, path: str | None) -> Iterator[Json]:
    """Yield the rows of a file that can be read."""
    return (row for row in _decoded(look, form, path) if isinstance(row, dict))


def _decoded(look: Look, form: Json, path: str | None) -> Iterator[Json | Reason]:
    """Yield the rows of a file as planning reads them, or why they cannot be read."""
    vector = look.vectors[0] if len(look.vectors) == 1 else vector_by_name(look.vectors)
    spec = RowSpec(_format(form), path=path, vector=vector)
    with errors_of(look.url), closing(open_input(look.url)) as file:
        scan = Scan(file, vector)
        with closing(scan.chunks()) as content:
            alone = form["kind"] == "json" and "records" not in form and look.under
            start = _up_to(content, _LONGEST) if alone else content
            text = Text(start, scan.compression, spec.inside(scan.compression).format)
            here = spec.inside(scan.compression, text.encoding).at(look.url)
            source, names, rows = here.start(text.chunks(), len)
            yield from (source.decode(raw, names) for raw in rows)


def _format(form: Json) -> Format:
    """Return a format; a recipe reads it, so that it is checked as the user's own is."""
    record = {"id": None, "title": "t", "fields": {"t": {"column": "t", "weight": 1}}}
    made = {"name": "auto", "source": {"format": form}, "record": record, "encoder": {"kind": "hashing"}}
    return load_recipe(made).source.format


def _up_to(chunks: Iterator[bytes], size: int) -> Iterator[bytes]:
    """Yield chunks until they have so many bytes."""
    for chunk in chunks:
        yield chunk
        size -= len(chunk)
        if size < 0:
            return


def vector_by_name(columns: list[str]) -> str | None:
    """Return the column whose name says that it holds the vectors, if any."""
    named = [name for wanted in _VECTOR_NAMES for name in columns if name.casefold() == wanted]
    return named[0] if named else None


def is_vector_name(name: str) -> bool:
    """Tell whether a word of a column's name says that it holds vectors."""
    return not {*_VECTOR_NAMES, "vec"}.isdisjoint(re.split(r"[^a-z]+", name.casefold()))


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


def hive_path(urls: list[str]) -> str | None:
    """Return the ``source.path`` of files in folders that are all named column=value."""
    return HIVE if all(any("=" in step.lstrip("=") for step in url.split("/")[:-1]) for url in urls) else None
