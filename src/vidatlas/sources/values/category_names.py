"""Names of categories: YouTube's own, and those of a JSON file beside the data."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import orjson
from pydantic import BeforeValidator

from vidatlas.errors import UsageError
from vidatlas.sources.values.numbers import whole
from vidatlas.storage.folder import open_input

YOUTUBE: dict[str, str] = orjson.loads(Path(__file__).with_name("youtube_categories.json").read_bytes())
"""The names of YouTube's own categories, by id."""
MOST_NAMES = 10_000
_MOST_BYTES = 10_000_000


def _texts(value: Any) -> Any:
    """Return names by value, both as text; anything else as it is, for the model to refuse."""
    if not isinstance(value, dict) or any(isinstance(name, dict | list | None) for name in value.values()):
        return value
    return {str(whole(key)).strip(): str(name) for key, name in value.items()}


Names = Annotated[dict[str, str], BeforeValidator(_texts)]
"""The names of a column's values, by value."""


def read_names(where: str) -> dict[str, str]:
    """Return names of categories by id: YouTube's own for the word ``youtube``, else those of a JSON file.

    The file is the YouTube API's list of categories (``items``), or one object with a name for each id.

    Raises:
        UsageError: the file is absent or holds anything else.
    """
    if where == "youtube":
        return dict(YOUTUBE)
    remedy = "Give the word youtube, the YouTube API's list of categories, or a JSON object with a name for each value"
    try:
        with open_input(where) as file:
            data = orjson.loads(file.read(_MOST_BYTES))
    except OSError as error:
        raise UsageError(f"{where!r} cannot be read ({error.strerror or error}). {remedy}.") from error
    except orjson.JSONDecodeError as error:
        raise UsageError(f"{where!r} is not valid JSON ({error}). {remedy}.") from error
    found = _from_api(data) if isinstance(data, dict) and isinstance(data.get("items"), list) else data
    if not isinstance(found, dict) or not found or not all(isinstance(name, str) for name in found.values()):
        raise UsageError(f"{where!r} has no names. {remedy}.")
    if len(found) > MOST_NAMES:
        raise UsageError(f"{where!r} has {len(found):,} names; at most {MOST_NAMES:,} are supported.")
    return {str(whole(key)).strip(): str(name) for key, name in found.items()}


def _from_api(data: dict[str, Any]) -> dict[str, Any]:
    """Return the names in an answer of the YouTube API's videoCategories.list."""
    items = [item for item in data["items"] if isinstance(item, dict) and isinstance(item.get("snippet"), dict)]
    return {str(item.get("id")): item["snippet"].get("title") for item in items}
