"""Fields of a record: turn a row into a record, or into a reject with a reason."""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Annotated, Any

from pydantic import BaseModel, BeforeValidator, Field, model_validator

from vidatlas.sources.cells import holds_objects, list_in, read_literal
from vidatlas.sources.images import UnreadablePictureError, grey_picture, locate
from vidatlas.sources.values.category_names import Names
from vidatlas.sources.values.columns import Column
from vidatlas.sources.values.links import check_template
from vidatlas.sources.values.missing import MISSING, Cell, unmistakable
from vidatlas.sources.values.numbers import matches, whole
from vidatlas.sources.values.texts import identifier, label, row_hash, texts_in
from vidatlas.types import UNGROUPED, Kind, Reason, Record

Columns = str | tuple[str, ...]
"""One name, or several."""


def _as_text(value: Any) -> Any:
    """Return what YAML takes for no text as text, so that ``where: {live: false}`` and ``missing: [null]`` work."""
    if isinstance(value, list | tuple):
        return [_as_text(item) for item in value]
    if value is None or isinstance(value, bool):
        return "null" if value is None else str(value).lower()
    return str(value) if isinstance(value, int | float) else value


_TRIAL = (8, 8)
"""The size at which an image is decoded to check that it is readable."""


class TextField(BaseModel, frozen=True, extra="forbid"):
    """Describe a text field: its column, its truncation, and its weight in the record's vector."""

    column: Columns
    """The texts of several columns are joined by a space."""
    weight: Annotated[float, Field(ge=0)]
    """0: kept, shown and used for names, but not part of the vector."""
    max_chars: Annotated[int, Field(ge=1)] | None = None
    """Most characters (code points) of each text to encode; None encodes all of it."""
    separator: Annotated[str, Field(min_length=1)] | None = None
    """If set, the column holds several texts: a list, also one written as text (``['a', 'b']``), or texts to split at
    this; stripped, empty ones dropped."""
    flags: bool = False
    """With a separator: the columns hold 1 or 0, true or false, and the texts are the names of those that hold 1 or
    true."""

    @model_validator(mode="after")
    def _several(self) -> TextField:
        if self.flags and self.separator is None:
            raise ValueError("flags give several texts: they need a separator")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns of the field."""
        return _tuple(self.column)


class LabelField(BaseModel, frozen=True, extra="forbid"):
    """Describe the field of known labels, which names, clusters and vectors do not see."""

    column: str
    separator: Annotated[str, Field(min_length=1)] | None = None
    """If set, a record may have several labels."""


class ImageField(BaseModel, frozen=True, extra="forbid"):
    """Describe the image field; images are read while planning, and a record with an unreadable one is rejected."""

    column: str
    """Holds the file's path, relative to ``folder``; empty if a record has no image."""
    folder: str
    """The local folder of images."""
    suffix: str = ""
    """Appended to the column's value, such as ".jpg" to an id."""


class RecordSpec(BaseModel, frozen=True, extra="forbid"):
    """Choose the columns that hold the id, the group and the text fields of a record."""

    id: Columns | None
    """The values of several columns are joined by a slash; one within a value gets a backslash in front. None: a hash
    of the whole row."""
    group: str | None = None
    author: str | None = None
    """The column that says who published a record, such as a channel id: a term used by only one author does not name a
    subcategory. It may be absent from the input; names may then include channel names."""
    title: str
    """The field (not the column) whose text is shown wherever the record is listed."""
    fields: Annotated[dict[str, TextField], Field(min_length=1)]
    where: dict[str, Annotated[Columns, BeforeValidator(_as_text)]] = {}
    """Keep only rows whose column holds one of these values, as it is written or as ``map`` names it. Numbers and
    booleans are compared by value; of a list, one item must be among them."""
    fill: dict[str, str] = {}
    """The value that replaces an empty cell of a column."""
    require: tuple[str, ...] = ()
    """Exclude rows in which one of these columns is empty (after ``fill``)."""
    labels: LabelField | None = None
    """Known labels of a record: agreement of the clusters with them is measured."""
    shown: tuple[str, ...] = ()
    """More columns to keep, and to show with a subcategory's exemplars."""
    count: bool | str = False
    """Store how many rows have a record's id: its own and its duplicates. With a column name: how many distinct values
    they have in it, so that a row that is in the input twice counts once; the column may be absent or empty."""
    image: ImageField | None = None
    missing: Annotated[tuple[str, ...], BeforeValidator(_as_text)] = MISSING
    """Cells, and items of cells, that stand for nothing. In the columns of the title and of the id only those that are
    no word and no dash: a video may be called NA."""
    map: dict[str, Names] = {}
    """Names for the values of a column, such as category ids: ``youtube``, a JSON file, or the names themselves.
    A value without a name stays as it is."""
    columns: dict[str, Column] = {}
    """Columns to keep with their type: name in the atlas -> input column, or column and type."""
    url: str | None = None
    """The address of a record, such as https://www.youtube.com/watch?v={id}; may hold the names of ``columns`` too."""

    @model_validator(mode="after")
    def _names_fit(self) -> RecordSpec:
        if self.title not in self.fields:
            raise ValueError(f"title names the field {self.title!r}, but the fields are {', '.join(self.fields)}")
        reserved = {"id", "group", "author", "image", "embedding", "labels", "count", "line", "reason", "raw"}
        taken = reserved & {*self.fields, *self.shown} | (self.fields.keys() & {*self.shown})
        taken |= self.columns.keys() & {*reserved, *_WRITTEN, *self.fields, *self.shown}
        if taken:
            raise ValueError(f"a field cannot be called {', '.join(sorted(taken))}: that is a column of the atlas")
        wrong = [name for name in self.columns if not name.isidentifier()]
        if wrong:
            raise ValueError(f"columns: {wrong[0]!r} must be letters, digits and underscores")
        if self.url is not None:
            check_template(self.url, {"id", *self.columns})
        return self

    def typed(self, kinds: Mapping[str, Kind]) -> RecordSpec:
        """Return the same with the types of the columns as they were inferred."""
        known = {
            name: column if column.type else column.model_copy(update={"type": kinds.get(name, "text")})
            for name, column in self.columns.items()
        }
        return self.model_copy(update={"columns": known})

    def model_copy(self, *, update: Mapping[str, Any] | None = None, deep: bool = False) -> RecordSpec:
        """Return a copy, which works out anew what depends on its settings."""
        copied = super().model_copy(update=update, deep=deep)
        for name in ("cells", "marks", "weighed", "sources"):
            copied.__dict__.pop(name, None)
        return copied

    @cached_property
    def cells(self) -> tuple[Cell, ...]:
        """Return what may stand in place of a value in each column of the recipe, but for the flags."""
        lists = {column: field.separator for field in self.fields.values() for column in field.columns}
        if self.labels:
            lists.setdefault(self.labels.column, self.labels.separator)
        flags = {column for field in self.fields.values() if field.flags for column in field.columns}
        own = {*_tuple(self.id or ()), *self.fields[self.title].columns}
        everywhere, careful = frozenset(self.missing), unmistakable(self.missing)
        return tuple(
            Cell(column, careful if column in own else everywhere, self.map.get(column), lists.get(column))
            for column in dict.fromkeys([*self.input_columns(), *self._optional()])
            if column not in flags
        )

    @cached_property
    def marks(self) -> dict[str, frozenset[str]]:
        """Return the placeholders that an item of each field may be."""
        everywhere, careful = frozenset(self.missing), unmistakable(self.missing)
        return {name: careful if name == self.title else everywhere for name in self.fields}

    @cached_property
    def weighed(self) -> tuple[str, ...]:
        """Return the names of the fields with a weight in the record's vector."""
        return tuple(self.embedded())

    def embedded(self) -> dict[str, TextField]:
        """Return the fields with a weight in the record's vector; none where vectors are given."""
        return {name: field for name, field in self.fields.items() if field.weight}

    def input_columns(self) -> list[str]:
        """Return the input columns that are required; the author's, the counted and the optional ones may be absent."""
        group = [self.group] if self.group else []
        labels = [self.labels.column] if self.labels else []
        texts = [column for field in self.fields.values() for column in field.columns]
        named = [*_tuple(self.id or ()), *group, *texts, *self.where, *self.fill, *self.require, *labels, *self.shown]
        named += [*self.map, *(self.sources[name] for name, field in self.columns.items() if not field.optional)]
        return list(dict.fromkeys(named))

    def _optional(self) -> list[str]:
        named = [self.author, self.image.column if self.image else None]
        return [*filter(None, named), *(self.sources[name] for name, field in self.columns.items() if field.optional)]

    @cached_property
    def sources(self) -> dict[str, str]:
        """Return the input column of each typed column: a language that names none is that of the title."""
        title = self.fields[self.title].columns[0]
        return {name: field.column or title for name, field in self.columns.items()}

    @property
    def languages(self) -> list[str]:
        """Return the typed columns that hold the language of a text."""
        return [name for name, column in self.columns.items() if column.type == "language"]

    def named(self) -> list[str]:
        """Return every input column that a key names, those that may be absent too; each may be a path."""
        counted = [self.count] if isinstance(self.count, str) else []
        return list(dict.fromkeys([*self.input_columns(), *self._optional(), *counted]))

    def stored(self) -> list[str]:
        """Return the columns of the atlas that hold a record's fields."""
        optional = {"author": self.author, "image": self.image, "labels": self.labels, "count": self.count}
        kept = [name for name, wanted in optional.items() if wanted]
        return ["id", "group", *kept, *self.shown, *self.columns, *self.fields]


_NUMBERS = (int, float, bool)
_SET = ("1", "true")
_WRITTEN = {"subcategory", "in_group", "distance", "part", "name", "title", "cosine", "url", "category", "x", "y"}
"""Columns of the index, of search results and of exports."""


def _tuple(names: Columns) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names


def parse_row(row: dict[str, Any], spec: RecordSpec) -> Record | Reason:
    """Turn the fields of a row into a record; return the reason if the row is rejected."""
    raw, row = row, _cleaned(row, spec)
    lacking = _lacks(raw, row, spec)
    if lacking:
        return lacking
    if spec.fill:
        filled = {name: text for name, text in spec.fill.items() if _is_empty(row, name)}
        raw, row = {**raw, **filled}, {**row, **filled}
    key = identifier(_id_cells(raw, row, _tuple(spec.id))) if spec.id else row_hash(raw)
    if isinstance(key, Reason):
        return key
    texts = [_field(row, field, spec.marks[name]) for name, field in spec.fields.items()]
    group = _group(row, spec)
    found = tuple(text for text in texts if text is not None)
    labels = _labels(row, spec.labels, spec.missing) if spec.labels else ()
    if len(found) < len(texts) or group is None or labels is None or _names_objects(row, spec):
        return Reason.INVALID_FIELD
    by_name = dict(zip(spec.fields, found, strict=True))
    if spec.weighed and not any([by_name[name] for name in spec.weighed]):
        return Reason.NO_TEXT
    image = _image(row.get(spec.image.column), spec.image) if spec.image else ""
    if isinstance(image, Reason):
        return image
    return Record(
        key,
        group or UNGROUPED,
        (by_name[spec.title] or ("",))[0],
        found,
        label(row.get(spec.author)) if spec.author else "",
        image,
        labels,
        tuple([label(row.get(column)) for column in spec.shown]) if spec.shown else (),
        tuple([row.get(column) for column in spec.sources.values()]) if spec.columns else (),
    )


def _id_cells(raw: dict[str, Any], row: dict[str, Any], columns: tuple[str, ...]) -> list[Any]:
    """Return the cells of an id: what the row says, to the letter, and None for a placeholder."""
    return [None if row.get(column) is None else raw[column] for column in columns]


def _names_objects(row: dict[str, Any], spec: RecordSpec) -> bool:
    """Tell whether the author or a shown column holds objects, which no name stands for."""
    named = (spec.author, *spec.shown) if spec.shown else (spec.author,)
    return any([holds_objects(row.get(column)) for column in named if column])


def group_of(row: dict[str, Any], spec: RecordSpec) -> str:
    """Return the group field of a row, "" if it has none."""
    return _group(_cleaned(row, spec), spec) or ""


def _group(row: dict[str, Any], spec: RecordSpec) -> str | None:
    """Return the group of a cleaned row, "" if it has none; None if it is an object without a name."""
    value = row.get(spec.group) if spec.group else None
    if type(value) is str and value[:1].isalpha():
        return label(value)  # as most are
    if isinstance(value, str):
        found = read_literal(value.strip()) if holds_objects(value) else list_in(value)
        value = value if found is None else found
    value = next(iter(value), None) if isinstance(value, list) else value
    value = value.get("name") or value if isinstance(value, dict) else value
    return None if isinstance(value, dict | list) else label(whole(value))


def _cleaned(row: dict[str, Any], spec: RecordSpec) -> dict[str, Any]:
    """Return a row without placeholders, its values named; the same object where nothing changes."""
    changed = {}
    for cell in spec.cells:
        value = row.get(cell.column)
        # Asked of every cell of every row: most are clean at a glance.
        if value is None:
            continue
        kind = type(value)
        if cell.names is None and (kind in _NUMBERS or (kind is str and value.strip() not in cell.missing)):
            continue
        clean = cell.clean(value)
        if clean is not value:
            changed[cell.column] = clean
    return {**row, **changed} if changed else row


def unnamed(row: dict[str, Any], spec: RecordSpec) -> list[tuple[str, str]]:
    """Return column and value of what ``record.map`` should name and does not."""
    found = [(cell, row.get(cell.column)) for cell in spec.cells if cell.names]
    return [(cell.column, text) for cell, value in found for text in cell.unnamed(value)]


def _image(value: Any, spec: ImageField) -> str | Reason:
    """Return the file of a readable image, "" if there is none."""
    if value is None or value == "":
        return ""
    name = f"{value}{spec.suffix}"
    try:
        grey_picture(locate(spec.folder, name), _TRIAL)
    except UnreadablePictureError:
        return Reason.UNREADABLE_IMAGE
    return name


def _lacks(raw: dict[str, Any], row: dict[str, Any], spec: RecordSpec) -> Reason | None:
    """Return why the recipe excludes a row, if it does; ``row`` is the cleaned one."""
    for column, values in spec.where.items():
        if not (matches(raw.get(column), values) or matches(row.get(column), values)):
            return Reason.EXCLUDED
    if spec.require and any(_is_empty(row, column) for column in spec.require if column not in spec.fill):
        return Reason.MISSING_VALUE
    return None


def _is_empty(row: dict[str, Any], column: str) -> bool:
    value = row.get(column)
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def _labels(row: dict[str, Any], spec: LabelField, missing: tuple[str, ...]) -> tuple[str, ...] | None:
    """Return a record's labels, each once and none of them a placeholder; None if the cell holds objects."""
    value = row.get(spec.column)
    found = texts_in(whole(value), spec.separator) or ()
    if not found and holds_objects(value):
        return None
    return tuple(dict.fromkeys(name for text in found if (name := text.strip()) not in missing))


def _field(row: dict[str, Any], field: TextField, missing: frozenset[str]) -> tuple[str, ...] | None:
    """Return the texts of a field, none of them a placeholder, or None if a cell holds something other than text."""
    if field.flags:
        return tuple(column for column in field.columns if str(whole(row.get(column))).lower() in _SET)
    cells = [row.get(column) for column in field.columns]
    found = [texts_in(cell, field.separator) for cell in cells]
    if None in found:
        return None
    if field.separator:
        found = [
            several if several is None or missing.isdisjoint(several) else tuple(t for t in several if t not in missing)
            for several in found
        ]
    if len(found) == 1:
        return found[0]
    texts = [text for several in found for text in several or ()]
    return tuple(texts) if field.separator else texts_in(" ".join(texts), None)
