"""A raw JSON row becomes a record, or a reject with a reason from the closed list."""

from __future__ import annotations

import re
from typing import Annotated, Any

import orjson
from pydantic import BaseModel, ConfigDict, Field, model_validator

from vidatlas.pictures import UnreadablePictureError, grey_picture, locate
from vidatlas.types import UNGROUPED, Reason, Record

MAX_ID_CHARS = 512
MAX_TEXT_CHARS = 2_000
"""A single text is cut here before anything else sees it; no encoder reads further."""

_TRIAL = (8, 8)
"""The size in which an image is read to see whether it can be."""
_CONTROL = re.compile(r"[\x00-\x1f\x7f]")


class TextField(BaseModel):
    """Say which column a text comes from, how it is cut, and how much it weighs in the record's vector."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    weight: Annotated[float, Field(gt=0)]
    max_chars: Annotated[int, Field(ge=1)] | None = None
    """Characters (code points) of each text that are encoded; None encodes all of it."""
    separator: Annotated[str, Field(min_length=1)] | None = None
    """Where given, the column holds several texts: split here, stripped, empty ones dropped."""


class ImageField(BaseModel):
    """Say where a record's image is; it is read while planning, and a record whose image cannot be read is rejected."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    column: str
    """Holds the file's path, relative to ``folder``; a record with none there has no image."""
    folder: str
    """The local folder of images."""
    suffix: str = ""
    """Put behind what the column holds, such as ".jpg" behind an id."""


class RecordSpec(BaseModel):
    """Say which columns hold the id, the group and the texts of a record."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    id: str
    group: str | None = None
    author: str | None = None
    """The column that tells who published a record, such as a channel's id: what only one of them says is no name of a
    subcategory. It may be absent from the input; names are then less sure to be free of channels' names."""
    title: str
    """The field (not the column) whose text is shown wherever the record is listed."""
    fields: Annotated[dict[str, TextField], Field(min_length=1)]
    image: ImageField | None = None

    @model_validator(mode="after")
    def _title_is_a_field(self) -> RecordSpec:
        if self.title not in self.fields:
            raise ValueError(f"title names the field {self.title!r}, but the fields are {', '.join(self.fields)}")
        reserved = {"id", "group", "author", "image", "embedding"} & self.fields.keys()
        if reserved:
            raise ValueError(f"a field cannot be called {', '.join(sorted(reserved))}: that is a column of the atlas")
        return self

    def columns(self) -> list[str]:
        """Return the input columns that must be there; the author's may be absent."""
        group = [self.group] if self.group else []
        return list(dict.fromkeys([self.id, *group, *(field.column for field in self.fields.values())]))

    def stored(self) -> list[str]:
        """Return the columns of the atlas that hold what was read of a record."""
        return ["id", "group", *(["author"] if self.author else []), *(["image"] if self.image else []), *self.fields]


def parse_line(line: bytes) -> dict[str, Any] | Reason:
    """Decode one line of JSON; return its object, or why it is none."""
    try:
        row = orjson.loads(line)
    except orjson.JSONDecodeError:
        return _why_undecodable(line)
    return row if isinstance(row, dict) else Reason.NOT_AN_OBJECT


def _why_undecodable(line: bytes) -> Reason:
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError:
        return Reason.INVALID_UTF8
    return Reason.INVALID_JSON if text.strip() else Reason.BLANK_LINE


def parse_row(row: dict[str, Any], spec: RecordSpec) -> Record | Reason:
    """Turn a JSON object into a record; return the reason where it cannot become one."""
    key = _identifier(row.get(spec.id))
    if isinstance(key, Reason):
        return key
    texts: list[tuple[str, ...]] = []
    title = ""
    for name, field in spec.fields.items():
        found = _texts(row.get(field.column), field.separator)
        if found is None:
            return Reason.INVALID_FIELD
        if name == spec.title and found:
            title = found[0]
        texts.append(found)
    if not any(texts):
        return Reason.NO_TEXT
    group = _label(row.get(spec.group)) if spec.group else ""
    author = _label(row.get(spec.author)) if spec.author else ""
    image = _image(row.get(spec.image.column), spec.image) if spec.image else ""
    return image if isinstance(image, Reason) else Record(key, group or UNGROUPED, title, tuple(texts), author, image)


def _image(value: Any, spec: ImageField) -> str | Reason:
    """Return the file of an image that can be read, "" where there is none."""
    if value is None or value == "":
        return ""
    name = f"{value}{spec.suffix}"
    try:
        grey_picture(locate(spec.folder, name), _TRIAL)
    except UnreadablePictureError:
        return Reason.UNREADABLE_IMAGE
    return name


def _identifier(value: Any) -> str | Reason:
    if isinstance(value, int) and not isinstance(value, bool):
        value = str(value)
    if value is None or value == "":
        return Reason.MISSING_ID
    if not isinstance(value, str) or len(value) > MAX_ID_CHARS or _CONTROL.search(value):
        return Reason.INVALID_ID
    return value


def _label(value: Any) -> str:
    """Return a group's or an author's name; empty where there is none."""
    if isinstance(value, list):
        value = value[0] if value else None
    return "" if value is None else _clean(str(value)).strip()[:MAX_ID_CHARS]


def _clean(text: str) -> str:
    """Put a space in place of every control character; no reader of the atlas expects one."""
    return _CONTROL.sub(" ", text) if _CONTROL.search(text) else text


def _texts(value: Any, separator: str | None) -> tuple[str, ...] | None:
    """Return the non-empty texts of a cell, or None where it holds something that is no text."""
    if value is None:
        return ()
    if isinstance(value, str):
        value = _clean(value)
        if separator is None:
            return (value[:MAX_TEXT_CHARS],) if value.strip() else ()
        return tuple(text[:MAX_TEXT_CHARS] for part in value.split(separator) if (text := part.strip()))
    if isinstance(value, list) and separator is not None:
        texts = [_texts(item, None) for item in value]
        return None if None in texts else tuple(text.strip() for found in texts if found for text in found)
    if isinstance(value, int | float) and not isinstance(value, bool):
        return (str(value),)
    return None
