"""Fields of a record: turn a row into a record, or into a reject with a reason."""

from __future__ import annotations

import hashlib
import re
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from vidatlas.sources.cells import holds_objects, read_list, split_texts
from vidatlas.sources.images import UnreadablePictureError, grey_picture, locate
from vidatlas.types import UNGROUPED, Reason, Record

MAX_ID_CHARS = 512
MAX_TEXT_CHARS = 2_000
"""Longer texts are truncated on reading; no encoder reads further."""

Columns = str | tuple[str, ...]
"""One name, or several."""

_TRIAL = (8, 8)
"""The size at which an image is decoded to check that it is readable."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class TextField(BaseModel):
    """Describe a text field: its column, its truncation, and its weight in the record's vector."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: Columns
    """The texts of several columns are joined by a space."""
    weight: Annotated[float, Field(ge=0)]
    """0: kept, shown and used for names, but not part of the vector."""
    max_chars: Annotated[int, Field(ge=1)] | None = None
    """Most characters (code points) of each text to encode; None encodes all of it."""
    separator: Annotated[str, Field(min_length=1)] | None = None
    """If set, the column holds several texts: split at this, stripped, empty ones dropped."""
    listed: bool = False
    """With a separator: a cell with a list written as text, ``['a', 'b']``, is parsed as a list."""
    flags: bool = False
    """With a separator: the columns hold 1 or 0, and the texts are the names of those that hold 1."""

    @model_validator(mode="after")
    def _several(self) -> TextField:
        if (self.listed or self.flags) and self.separator is None:
            raise ValueError("listed and flags give several texts: they need a separator")
        return self

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns of the field."""
        return _tuple(self.column)


class LabelField(BaseModel):
    """Describe the field of known labels, which names, clusters and vectors do not see."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    separator: Annotated[str, Field(min_length=1)] | None = None
    """If set, a record may have several labels."""


class ImageField(BaseModel):
    """Describe the image field; images are read while planning, and a record with an unreadable one is rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    """Holds the file's path, relative to ``folder``; empty if a record has no image."""
    folder: str
    """The local folder of images."""
    suffix: str = ""
    """Appended to the column's value, such as ".jpg" to an id."""


class RecordSpec(BaseModel):
    """Choose the columns that hold the id, the group and the text fields of a record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: Columns | None
    """The values of several columns are joined by a slash. None: a hash of the whole row."""
    group: str | None = None
    author: str | None = None
    """The column that says who published a record, such as a channel id: a term used by only one author does not name a
    subcategory. It may be absent from the input; names may then include channel names."""
    title: str
    """The field (not the column) whose text is shown wherever the record is listed."""
    fields: Annotated[dict[str, TextField], Field(min_length=1)]
    where: dict[str, Columns] = {}
    """Keep only rows whose column holds one of these values."""
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

    @model_validator(mode="after")
    def _names_fit(self) -> RecordSpec:
        if self.title not in self.fields:
            raise ValueError(f"title names the field {self.title!r}, but the fields are {', '.join(self.fields)}")
        reserved = {"id", "group", "author", "image", "embedding", "labels", "count", "line", "reason", "raw"}
        taken = reserved & {*self.fields, *self.shown} | (self.fields.keys() & {*self.shown})
        if taken:
            raise ValueError(f"a field cannot be called {', '.join(sorted(taken))}: that is a column of the atlas")
        if not self.embedded():
            raise ValueError("every field has weight 0: there is nothing to embed")
        return self

    def embedded(self) -> dict[str, TextField]:
        """Return the fields with a weight in the record's vector."""
        return {name: field for name, field in self.fields.items() if field.weight}

    def columns(self) -> list[str]:
        """Return the input columns that the fields require; the author's and the counted one may be absent."""
        group = [self.group] if self.group else []
        labels = [self.labels.column] if self.labels else []
        texts = [column for field in self.fields.values() for column in field.columns]
        named = [*_tuple(self.id or ()), *group, *texts, *self.where, *self.fill, *self.require, *labels, *self.shown]
        return list(dict.fromkeys(named))

    def named(self) -> list[str]:
        """Return every input column that a key names, those that may be absent too; each may be a path."""
        image = [self.image.column] if self.image else []
        counted = [self.count] if isinstance(self.count, str) else []
        return list(dict.fromkeys([*self.columns(), *([self.author] if self.author else []), *image, *counted]))

    def stored(self) -> list[str]:
        """Return the columns of the atlas that hold a record's fields."""
        optional = {"author": self.author, "image": self.image, "labels": self.labels, "count": self.count}
        return ["id", "group", *(name for name, wanted in optional.items() if wanted), *self.shown, *self.fields]


def _tuple(names: Columns) -> tuple[str, ...]:
    return (names,) if isinstance(names, str) else names


def parse_row(row: dict[str, Any], spec: RecordSpec) -> Record | Reason:
    """Turn the fields of a row into a record; return the reason if the row is rejected."""
    lacking = _lacks(row, spec)
    if lacking:
        return lacking
    row = row if not spec.fill else {**row, **{name: text for name, text in spec.fill.items() if _is_empty(row, name)}}
    key = _identifier([row.get(column) for column in _tuple(spec.id)]) if spec.id else _hash(row)
    if isinstance(key, Reason):
        return key
    texts = [_field(row, field) for field in spec.fields.values()]
    found = tuple(text for text in texts if text is not None)
    labels = _labels(row, spec.labels) if spec.labels else ()
    if len(found) < len(texts) or labels is None or _names_objects(row, spec):
        return Reason.INVALID_FIELD
    by_name = dict(zip(spec.fields, found, strict=True))
    if not any(by_name[name] for name in spec.embedded()):
        return Reason.NO_TEXT
    image = _image(row.get(spec.image.column), spec.image) if spec.image else ""
    if isinstance(image, Reason):
        return image
    return Record(
        key,
        group_of(row, spec) or UNGROUPED,
        (by_name[spec.title] or ("",))[0],
        found,
        _label(row.get(spec.author)) if spec.author else "",
        image,
        labels,
        tuple(_label(row.get(column)) for column in spec.shown),
    )


def _names_objects(row: dict[str, Any], spec: RecordSpec) -> bool:
    """Tell whether the group, the author or a shown column holds objects, which no name stands for."""
    return any(holds_objects(row.get(column)) for column in (spec.group, spec.author, *spec.shown) if column)


def group_of(row: dict[str, Any], spec: RecordSpec) -> str:
    """Return the group field of a row, "" if it has none."""
    return _label(row.get(spec.group)) if spec.group else ""


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


def _lacks(row: dict[str, Any], spec: RecordSpec) -> Reason | None:
    """Return why the recipe excludes a row, if it does."""
    if any(str(row.get(column)) not in _tuple(values) for column, values in spec.where.items()):
        return Reason.EXCLUDED
    if any(_is_empty(row, column) for column in spec.require if column not in spec.fill):
        return Reason.MISSING_VALUE
    return None


def _is_empty(row: dict[str, Any], column: str) -> bool:
    value = row.get(column)
    return value is None or value == [] or (isinstance(value, str) and not value.strip())


def _labels(row: dict[str, Any], spec: LabelField) -> tuple[str, ...] | None:
    """Return a record's labels, each once; None if the cell holds objects."""
    value = row.get(spec.column)
    found = _texts(value, spec.separator) or ()
    return None if not found and holds_objects(value) else tuple(dict.fromkeys(text.strip() for text in found))


def _field(row: dict[str, Any], field: TextField) -> tuple[str, ...] | None:
    """Return the texts of a field, or None if a cell holds something other than text."""
    if field.flags:
        return tuple(column for column in field.columns if str(row.get(column)) == "1")
    cells = [row.get(column) for column in field.columns]
    if field.listed:
        cells = [_list_or_text(cell, field.separator or ",") for cell in cells]
    found = [_texts(cell, field.separator) for cell in cells]
    if len(found) == 1 or None in found:
        return None if None in found else found[0]
    texts = [text for several in found for text in several or ()]
    return tuple(texts) if field.separator else _texts(" ".join(texts), None)


def _list_or_text(cell: Any, separator: str) -> Any:
    """Return the texts of a list written as text; {} if it cannot be parsed, which is not text either."""
    if not (isinstance(cell, str) and cell.lstrip().startswith("[")):
        return cell
    found = read_list(cell, separator, "name")
    return {} if found is None else list(found)


def _by_key(items: list[Any]) -> list[Any]:
    """Return the items of a list; of objects their name, where any has one."""
    objects = [item for item in items if isinstance(item, dict)]
    if not any("name" in item for item in objects):
        return items
    return [item.get("name") if isinstance(item, dict) else item for item in items]


def _hash(row: dict[str, Any]) -> str:
    """Return a hash of a row, 32 hexadecimal digits, whatever the order of its keys."""
    return hashlib.blake2b(orjson.dumps(row, default=str, option=orjson.OPT_SORT_KEYS), digest_size=16).hexdigest()


def _identifier(values: list[Any]) -> str | Reason:
    """Return the id made from one or more columns, or why there is none."""
    if len(values) > 1:
        parts = [_identifier([value]) for value in values]
        reasons = [part for part in parts if isinstance(part, Reason)]
        return reasons[0] if reasons else _identifier(["/".join(map(str, parts))])
    (value,) = values
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None or value == "":
        return Reason.MISSING_ID
    if not isinstance(value, str) or len(value) > MAX_ID_CHARS or _CONTROL.search(value):
        return Reason.INVALID_ID
    return value


def _label(value: Any) -> str:
    """Return a group's or an author's name; empty if there is none."""
    if isinstance(value, list):
        value = value[0] if value else None
    return "" if value is None or isinstance(value, dict) else _clean(str(value)).strip()[:MAX_ID_CHARS]


def _clean(text: str) -> str:
    """Replace every control character by a space; no reader of the atlas expects one."""
    return _CONTROL.sub(" ", text) if _CONTROL.search(text) else text


def _texts(value: Any, separator: str | None) -> tuple[str, ...] | None:
    """Return the non-empty texts of a cell, or None if it holds something other than text."""
    if value is None:
        return ()
    if isinstance(value, str):
        value = _clean(value)
        if separator is None:
            return (value[:MAX_TEXT_CHARS],) if value.strip() else ()
        return tuple(text[:MAX_TEXT_CHARS] for text in split_texts(value, separator))
    if isinstance(value, list) and separator is not None:
        texts = [_texts(item, None) for item in _by_key(value)]
        return None if None in texts else tuple(text.strip() for found in texts if found for text in found)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (str(value),)
    return None
