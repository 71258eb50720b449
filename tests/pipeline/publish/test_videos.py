"""Videos of a page: links keep to their host, tags are found once, and columns have the kinds that pages know."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import numpy as np
import pyarrow as pa

import vidatlas
from vidatlas.pipeline.publish.videos import MOST_WORDS, columns_of, videos_of
from vidatlas.sources.fields import RecordSpec


def record(**changes: Any) -> RecordSpec:
    recipe = vidatlas.load_recipe("demo").record
    columns = {name: column for name, column in recipe.columns.items() if column.type != "language"}
    return RecordSpec.model_validate({**recipe.model_dump(), "columns": columns, **changes})


def table(**columns: Any) -> pa.Table:
    """Return three rows of embeddings, of which some columns are as given."""
    base = {
        "id": ["-a b/c", "d", "e"],
        "title": [["Mötley Crüe live"], ["Two"], []],
        "tags": [["motley", "Rock  Music", "MUSIC", "été"], [], ["x"]],
        "author": ["UC_r5SAArdk_9mulVumr0duX", None, "A channel"],
        "published": pa.array([datetime(1970, 1, 2, 23, tzinfo=UTC), None, None], pa.timestamp("ms", tz="UTC")),
        "duration": pa.array([61.0, 2.5, float("nan")]),
        "views": pa.array([2**60, None, 0]),
        "likes": pa.nulls(3, pa.int64()),
    }
    return pa.table({**base, **columns})


EVERY = np.arange(3)


def test_what_pages_show_of_rows() -> None:
    spec = record()
    assert set(columns_of(spec)) == {"id", "title", "tags", "author", "published", "duration", "views", "likes"}
    found = videos_of(spec, table(), EVERY[::-1])
    assert found.ids == ("e", "d", "-a b/c")
    assert found.titles == ("", "Two", "Mötley Crüe live")
    assert found.words == ("x", "", "rock music ete")
    columns = {column.name: (column.kind, column.values) for column in found.columns}
    assert columns == {
        "published": ("date", (None, None, 1)),
        "duration": ("duration", (None, 2.5, 61)),
        "views": ("number", (0, None, 2**60)),
        "likes": ("number", (None, None, None)),
        "channel": ("text", ("A channel", None, None)),  # an id of YouTube says nothing
    }


def test_links_are_made_of_the_id_or_written_out() -> None:
    found = videos_of(record(), table(), EVERY)
    assert (found.address, found.links) == (("https://www.youtube.com/watch?v=", ""), ())
    braces = videos_of(record(url="https://a.example/{{x}}/{id}/{id}?b"), table(), EVERY)
    assert braces.address == ("https://a.example/{x}/", "/", "?b")
    written = videos_of(record(url="https://a.example/{channel}/{id}", columns={"channel": "c"}),
                        table(channel=["é?", "x", None]), EVERY)  # fmt: skip
    assert written.address == ()
    assert written.links == ("https://a.example/%C3%A9%3F/-a%20b%2Fc", "https://a.example/x/d", "")
    assert videos_of(record(url=None), table(), EVERY).address == ()


def test_dates_booleans_and_texts() -> None:
    spec = record(columns={"day": "d", "live": "l", "language": "g"})
    more = {
        "day": pa.array([date(2020, 1, 1), None, None]),
        "live": [True, False, None],
        "language": ["en\n", "", None],
    }
    found = {column.name: (column.kind, column.values) for column in videos_of(spec, table(**more), EVERY).columns}
    assert found["day"] == ("date", (18262, None, None))
    assert found["live"] == ("text", ("true", "false", None))
    assert found["language"] == ("text", ("en", None, None))


def test_further_words_have_a_limit_and_no_accents() -> None:
    tags = [[f"word{number}" for number in range(100)], [], []]
    words = videos_of(record(), table(tags=tags), EVERY).words[0]
    assert words.startswith("word0 word1 ")
    assert MOST_WORDS - 8 < len(words) <= MOST_WORDS
