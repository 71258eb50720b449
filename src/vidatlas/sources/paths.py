"""Paths: names of nested values of a row, such as ``snippet.title``, ``thumbnails.0.url`` and ``tags[].name``."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from difflib import get_close_matches
from functools import lru_cache
from itertools import islice
from typing import Any

from vidatlas.sources.cells import read_literal

EACH = "[]"
"""The step to every item of a list."""
NAMING_KEYS = ("name", "label", "title", "text")
"""Keys of an object that most probably name it: ``category.label`` is a category."""
MOST_NAMES = 40
"""Names that a message lists."""
_LONGEST = 60
"""Letters of a name in a message."""
_MOST_FOUND = 300
_DEEPEST = 6
_ABSENT = object()


@dataclass(frozen=True, slots=True)
class Path:
    """Hold the name of a nested value and the steps to it."""

    name: str
    steps: tuple[str, ...]


def compile_paths(names: Iterable[str]) -> tuple[Path, ...]:
    """Return a path for each name that is one; a plain column name is none."""
    paths = (Path(name, tuple(_steps(name))) for name in dict.fromkeys(names))
    return tuple(path for path in paths if len(path.steps) > 1)


def _steps(name: str) -> Iterator[str]:
    for part in name.split("."):
        bare = part
        while bare.endswith(EACH):
            bare = bare.removesuffix(EACH)
        yield bare
        yield from [EACH] * ((len(part) - len(bare)) // len(EACH))


def with_nested(row: dict[str, Any], paths: Iterable[Path]) -> dict[str, Any]:
    """Return a row with the values of paths as further columns, by the paths' names; one that is there already wins."""
    found = {path.name: _find(row, path.steps) for path in paths if path.name not in row}
    found = {name: value for name, value in found.items() if value is not _ABSENT}
    return {**row, **found} if found else row


def _find(value: Any, steps: tuple[str, ...]) -> Any:
    if not steps:
        return value
    if isinstance(value, str):
        # JSON or a Python literal in a cell of a table.
        value = read_literal(value) if value.lstrip()[:1] in ("{", "[") else None
    if steps[0] == EACH:
        return _each(value, steps[1:])
    if isinstance(value, list):
        at = int(steps[0]) if steps[0].isdecimal() and len(steps[0]) < 9 else len(value)
        return _find(value[at], steps[1:]) if at < len(value) else _ABSENT
    return _in_object(value, steps) if isinstance(value, dict) else _ABSENT


def _in_object(value: dict[str, Any], steps: tuple[str, ...]) -> Any:
    """Return what lies at the end of steps in an object; of two keys, the longer one with dots in it wins."""
    for key, rest in _keys(steps):
        if key in value:
            found = _find(value[key], rest)
            if found is not _ABSENT:
                return found
    return _ABSENT


@lru_cache(maxsize=1024)
def _keys(steps: tuple[str, ...]) -> tuple[tuple[str, tuple[str, ...]], ...]:
    """Return the keys with which steps may begin, the longest first, each with the steps behind it."""
    most = steps.index(EACH) if EACH in steps else len(steps)
    return tuple((".".join(steps[:end]), steps[end:]) for end in range(most, 0, -1))


def _each(value: Any, steps: tuple[str, ...]) -> Any:
    """Return the values in the items of a list; an object counts as a list of one."""
    items = [value] if isinstance(value, dict) else value
    if not isinstance(items, list):
        return _ABSENT
    found = [one for one in (_find(item, steps) for item in items) if one is not _ABSENT]
    if items and not found:
        return _ABSENT
    return [item for one in found for item in one] if EACH in steps else found


def nested_names(value: Any) -> list[str]:
    """Return the names of the values in a row, those of nested ones as paths; at most some hundred."""
    return list(islice(_names(value, "", _DEEPEST), _MOST_FOUND))


def _names(value: Any, name: str, depth: int) -> Iterator[str]:
    if isinstance(value, dict) and value and depth:
        for key, item in value.items():
            yield from _names(item, f"{name}.{key}" if name else str(key), depth - 1)
    elif isinstance(value, list) and value and isinstance(value[0], dict) and depth:
        yield from _names(value[0], f"{name}{EACH}", depth - 1)
    elif name:
        yield name


def say_missing(missing: Iterable[str], there: Collection[str]) -> tuple[str, str]:
    """Return, for a message, the quoted names that are missing, each with the nearest, and those that are there."""
    wanted = ", ".join(f"{_short(name)!r}{_suggested(name, there)}" for name in missing)
    more = f" and {len(there) - MOST_NAMES:,} more" if len(there) > MOST_NAMES else ""
    return wanted, ", ".join(repr(_short(name)) for name in islice(there, MOST_NAMES)) + more


def _short(name: str) -> str:
    """Return a name as a message shows it: a damaged file may have one of any length."""
    return name if len(name) <= _LONGEST else f"{name[: _LONGEST - 1]}…"


def _suggested(name: str, there: Collection[str]) -> str:
    found = nearest(name, there)
    return f" (did you mean {_short(found)!r}?)" if found else ""


def nearest(name: str, names: Collection[str]) -> str | None:
    """Return the name that was probably meant, if any: of the same last step, or written almost alike."""
    same = [other for other in names if _last(other) == _last(name)]
    lasts = {_last(other): other for other in names}
    alike = get_close_matches(name.strip(), names, 1) or [
        lasts[step] for step in get_close_matches(_last(name), lasts, 1, 0.75)
    ]
    return next(iter([*alike, *same] if len(same) != 1 else [*same, *alike]), None)


def _last(name: str) -> str:
    """Return the last step of a path, without blanks, capitals and underscores."""
    return name.replace(EACH, "").rsplit(".", 1)[-1].replace("_", "").strip().casefold()
