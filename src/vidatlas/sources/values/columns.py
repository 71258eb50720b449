"""Typed columns: what kinds of values a column holds, and each value as its column's type.

The type of a column is decided once for the whole atlas, from what the plan saw in all its rows: shards agree.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from typing import Annotated, Any

import pyarrow as pa
from pydantic import BaseModel, BeforeValidator, model_validator

from vidatlas.sources.values.language import language_of
from vidatlas.sources.values.markup import MAX_TEXT_CHARS, plain_text
from vidatlas.sources.values.numbers import whole
from vidatlas.types import Kind

ARROW: dict[Kind, pa.DataType] = {
    "integer": pa.int64(),
    "number": pa.float64(),
    "boolean": pa.bool_(),
    "date": pa.date32(),
    # Parquet has no seconds.
    "time": pa.timestamp("ms", tz="UTC"),
    "duration": pa.float64(),
    "text": pa.string(),
    "language": pa.string(),
}
"""The Arrow type of each kind; a duration is a number of seconds, times are in UTC."""

_INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]{0,18})")
_NUMBER = re.compile(r"[+-]?(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]{1,3})?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DAY = re.compile(r"(?:19|20)[0-9]{6}")
_SPELLED = re.compile(r"(?:([A-Z][a-z]{2,8})\.? ([0-9]{1,2})|([0-9]{1,2}) ([A-Z][a-z]{2,8})\.?),? ([0-9]{4})")
"""September 25, 2021 or 25 Sep 2021, as Netflix's titles and many exports have it; in English."""
_MONTHS = (
    "January", "February", "March", "April", "May", "June", "July", "August", "September", "October", "November",
    "December",
)  # fmt: skip
_SPELT = {name[:3] for name in _MONTHS}
_TIME = re.compile(
    r"[0-9]{4}-[0-9]{2}-[0-9]{2}[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2}(?:\.[0-9]{1,9})?)?"
    r"(?: ?(?:Z|UTC|[+-][0-9]{2}(?::?[0-9]{2})?))?"
)
_DURATION = re.compile(
    r"P(?=.)(?:([0-9]+)W)?(?:([0-9]+)D)?(?:T(?=.)(?:([0-9]+)H)?(?:([0-9]+)M)?(?:([0-9]+(?:\.[0-9]+)?)S)?)?"
)
_CLOCK = re.compile(r"(?:([0-9]+):)?([0-9]{1,2}):([0-9]{2}(?:\.[0-9]+)?)")
_DATED = re.compile(r"date|publish|upload|creat|time(?:stamp)?$|_at$|[a-z]At$", re.IGNORECASE)
"""Names of columns in which 20230114 is a date, and 1673654400 a time."""
_EPOCH = (946_684_800, 4_102_444_800)
"""Seconds since 1970 of the years 2000 to 2100."""
_UNITS = (1, 1_000)
_DAYS = (19_000_000, 21_000_000)
"""Integers that look like a day."""
_FIRST = frozenset("+-.0123456789PTFtf")
"""How a text starts that is more than a text."""
_INT64 = 1 << 63


class ColumnSpec(BaseModel, frozen=True, extra="forbid"):
    """Describe a typed column: its input column, and its type where it is not to be inferred."""

    column: str = ""
    """May be left out for a language: it is that of the title, then."""
    type: Kind | None = None
    """integer, number, boolean, date, time, duration (in seconds), text, or language: the code of the language that the
    column's text is written in; None: inferred while planning."""
    optional: bool = False
    """Whether the input column may be absent: the column is empty then, and a note says so."""

    @model_validator(mode="after")
    def _has_column(self) -> ColumnSpec:
        if not self.column and self.type != "language":
            raise ValueError("name the input column of a typed column")
        return self


def _by_column(value: Any) -> Any:
    return {"column": value} if isinstance(value, str) else value


Column = Annotated[ColumnSpec, BeforeValidator(_by_column)]
"""A typed column; a name alone is its input column."""


def kind_of(value: Any) -> str:
    """Return what kind of value a cell holds; "" where it is empty.

    Besides the types: ``day``, an integer such as 20230114, and ``epoch``, one that may be a time since 1970. Both may
    be whole floats: pandas makes them of integers beside an empty cell.
    """
    if isinstance(value, str):
        text = value.strip()
        return (_kind_of_text(text) if text[0] in _FIRST or text[:3] in _SPELT else "text") if text else ""
    if value is None or value == []:
        return ""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, float):
        return (_kind_of_whole(whole(value)) or "number") if math.isfinite(value) else "text"
    return _kind_of_integer(value) if isinstance(value, int) else "text"


def _kind_of_integer(value: int) -> str:
    if not -_INT64 <= value < _INT64:
        return "text"
    if value < _DAYS[1]:  # as most are
        return "day" if value >= _DAYS[0] and _date(value) else "integer"
    return "epoch" if any(_EPOCH[0] <= value // unit < _EPOCH[1] for unit in _UNITS) else "integer"


def _kind_of_whole(value: Any) -> str:
    """Return whether an integer as text looks like a day or a time; "" if it does not, or is none."""
    kind = _kind_of_integer(int(value)) if isinstance(value, str) and _INTEGER.fullmatch(value) else ""
    return kind if kind in ("day", "epoch") else ""


def _kind_of_text(text: str) -> str:
    dashed = text[4:5] == "-"
    if (_DATE.fullmatch(text) and _date(text)) if dashed else (text[-4:].isdecimal() and _spelled(text)):
        return "date"
    if dashed and _TIME.fullmatch(text) and _time(text):
        return "time"
    if _INTEGER.fullmatch(text):
        return _kind_of_integer(int(text))
    if text.lower() in ("true", "false"):
        return "boolean"
    if _NUMBER.fullmatch(text):
        # Leading zeros and more digits than an integer holds: a code, which a number would spoil.
        code = _number(text) is None or re.match(r"[+-]?0[0-9]|[0-9]{19}", text)
        return "text" if code else _kind_of_whole(whole(text)) or "number"
    return "duration" if _DURATION.fullmatch(text) else "text"


def kind_from(seen: Mapping[str, int], names: tuple[str, ...]) -> Kind:
    """Return the type of a column from how often it holds which kinds of values.

    Args:
        seen: number of values by ``kind_of``.
        names: of the column, in atlas and input: only where one is that of a date do integers become dates or times.
    """
    kinds = {kind for kind, count in seen.items() if count and kind}
    dated = {"date", "day"} if any(_DATED.search(name) for name in names) else {"date"}
    if kinds and kinds <= dated:
        return "date"
    if kinds and kinds <= (dated | {"time", "epoch"} if "day" in dated else {"date", "time"}):
        return "time"
    for kind, alike in _ALIKE.items():
        if kinds and kinds <= alike:
            return kind
    return "text"


_ALIKE: dict[Kind, set[str]] = {
    "integer": {"integer", "day", "epoch"},
    "number": {"integer", "day", "epoch", "number"},
    "boolean": {"boolean"},
    "duration": {"duration"},
}


def typed(value: Any, kind: Kind) -> Any:
    """Return a cell as a value of a type; None where it is empty or does not fit."""
    value = value.strip() if isinstance(value, str) else value
    return None if value is None or value in ("", []) else _READERS[kind](value)


def _integer(value: Any) -> int | None:
    if isinstance(value, str) and _INTEGER.fullmatch(value):
        value = int(value)
    if isinstance(value, str | float):
        number = _number(value)
        value = int(number) if number is not None and number.is_integer() and abs(number) < 1 << 53 else None
    return value if isinstance(value, int) and not isinstance(value, bool) and -_INT64 <= value < _INT64 else None


def _number(value: Any) -> float | None:
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        return None
    if isinstance(value, str) and not _NUMBER.fullmatch(value):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None


def _boolean(value: Any) -> bool | None:
    return {"true": True, "false": False, "1": True, "0": False}.get(str(value).lower())


def _date(value: Any) -> date | None:
    found = _day(str(whole(value))) or _time(value)
    return found.date() if isinstance(found, datetime) else found


def _day(text: str) -> date | None:
    """Return a day given as ISO 8601, as eight digits or with the month as a word."""
    if not _DATE.fullmatch(text) and not _DAY.fullmatch(text):
        return _spelled(text)
    try:
        return date.fromisoformat(text)
    except ValueError:
        return None


def _spelled(text: str) -> date | None:
    found = _SPELLED.fullmatch(text)
    if not found:
        return None
    word, day = found[1] or found[4], int(found[2] or found[3])
    months = [at for at, name in enumerate(_MONTHS, 1) if word in (name, name[:3], name[:4])]
    try:
        return date(int(found[5]), months[0], day) if months else None
    except ValueError:
        return None


def _time(value: Any) -> datetime | None:
    text = str(whole(value))
    if day := _day(text):
        return datetime(day.year, day.month, day.day, tzinfo=UTC)
    if _INTEGER.fullmatch(text):
        return _epoch(int(text))
    if not _TIME.fullmatch(text):
        return None
    try:
        found = datetime.fromisoformat(
            text.replace("UTC", "Z").replace(" Z", "Z").replace(" +", "+").replace(" -", "-")
        )
        return (found if found.tzinfo else found.replace(tzinfo=UTC)).astimezone(UTC)
    except (ValueError, OverflowError):
        return None


def _epoch(value: int) -> datetime | None:
    """Return a time given as seconds or milliseconds since 1970, in the years 2000 to 2100."""
    for unit in _UNITS:
        if _EPOCH[0] <= value // unit < _EPOCH[1]:
            return datetime.fromtimestamp(value / unit, UTC)
    return None


def _duration(value: Any) -> float | None:
    """Return the seconds that a text says as ISO 8601 does or as a clock, or a number of them."""
    for pattern, units in ((_DURATION, (604_800, 86_400, 3_600, 60, 1)), (_CLOCK, (3_600, 60, 1))):
        if found := pattern.fullmatch(str(value)):
            return sum(float(part) * unit for part, unit in zip(found.groups(), units, strict=True) if part)
    number = _number(value)
    return number if number is not None and number >= 0 else None


def _text(value: Any) -> str | None:
    if isinstance(value, list):
        texts = [_text(item) for item in value if item is not None]
        return None if None in texts else ", ".join(filter(None, texts))[:MAX_TEXT_CHARS]
    if isinstance(value, bool):
        return str(value).lower()
    return plain_text(str(value)).strip()[:MAX_TEXT_CHARS] if isinstance(value, str | int | float) else None


def _language(value: Any) -> str | None:
    text = _text(value)
    return language_of(text) if text else None


_READERS: dict[Kind, Callable[[Any], Any]] = {
    "integer": _integer,
    "number": _number,
    "boolean": _boolean,
    "date": _date,
    "time": _time,
    "duration": _duration,
    "text": _text,
    "language": _language,
}
