"""Columns are found by name where their content agrees; what stands below a channel or a song is not the video's."""

from __future__ import annotations

from typing import Any

import pytest

from vidatlas.sources.values.profile import columns_of
from vidatlas.sources.values.roles import Roles

NAMES = [f"A castle of {word}" for word in ("sand", "stone", "wood", "snow", "glass", "paper")]


def roles(**columns: Any) -> Roles:
    """Return the roles of a table; a value that is no list stands in every row."""
    rows = [
        {name: cells[at] if isinstance(cells, list) else cells for name, cells in columns.items()} for at in range(6)
    ]
    return Roles(columns_of(rows), {})


TITLES = [
    (roles(title=NAMES, name=NAMES[::-1]), "title"),
    (roles(channel=[{"title": name} for name in NAMES], video=[{"title": name} for name in NAMES]), "video.title"),
    (roles(description=NAMES, k=list(range(6))), "description"),
    (roles(**{"Video Title": NAMES, "x": NAMES}), "Video Title"),
    (roles(one=[{"title": name} for name in NAMES], two=[{"title": name} for name in NAMES]), None),
    (roles(title="https://x.example/1", k=list(range(6))), None),
    (roles(title=list(range(6))), "title"),
]


@pytest.mark.parametrize(("found", "wanted"), TITLES)
def test_titles(found: Roles, wanted: str | None) -> None:
    assert found.find_title() == wanted


IDS = [
    (roles(id=list("abcdef"), video_id=list("ghijkl")), "video_id"),
    (roles(id=[{"videoId": sign} for sign in "abcdef"]), "id.videoId"),
    (roles(channel=[{"id": sign} for sign in "abcdef"], title=NAMES), None),
    (roles(id=list("aabbcc")), "id"),
    (roles(review_id=list("abcdef"), title=NAMES), "review_id"),
    (roles(id=[1.5e18] * 6), None),
]


@pytest.mark.parametrize(("found", "wanted"), IDS)
def test_ids(found: Roles, wanted: str | None) -> None:
    assert found.find_id() == wanted


TAGS = [
    (roles(tags="a|b"), {"column": "tags", "separator": "|"}),
    (roles(tags="a,b,c|d", k=1), {"column": "tags", "separator": "|"}),
    (roles(tags=["a,b", "a", "", "c", "d", "a,c"]), {"column": "tags", "separator": ","}),
    (roles(tags="#one #two"), {"column": "tags", "separator": "#"}),
    (roles(tags="['a', 'b']"), {"column": "tags", "separator": ","}),
    (roles(tags=["[mv],live", "live,a", "b", "c", "a,b", "x"]), {"column": "tags", "separator": ","}),
    (roles(tags=[["a", "b"]] * 6), {"column": "tags", "separator": ","}),
    (roles(tags=[[{"label": "a"}]] * 6), {"column": "tags[].label", "separator": ","}),
    (roles(themes=[["a", "b"]] * 6), {"column": "themes", "separator": ","}),
    (roles(links=[["https://x.example/a"]] * 6), None),
]


@pytest.mark.parametrize(("found", "wanted"), TAGS)
def test_tags(found: Roles, wanted: dict[str, Any] | None) -> None:
    assert found.find_tags() == wanted


CATEGORIES = [
    (roles(category="Music"), "category"),
    (roles(category=[{"id": 1, "label": "Music"}] * 6), "category.label"),
    (roles(type="youtube#video"), None),
    (roles(type=["Movie", "Show"] * 3), "type"),
    (roles(snippet=[{"categoryId": "10"}] * 6), "snippet.categoryId"),
    (roles(genres="Drama|Comedy"), None),
]


@pytest.mark.parametrize(("found", "wanted"), CATEGORIES)
def test_categories(found: Roles, wanted: str | None) -> None:
    assert found.find_category() == wanted


def test_numbers_of_youtube_get_its_names() -> None:
    found = roles(category_id=["10", "20", "24", "10", "20", "24"])
    found.find_category()
    assert found.are_youtubes()
    other = roles(category_id=["10", "20", "999", "10", "20", "24"])
    other.find_category()
    assert not other.are_youtubes()


def test_columns_are_kept_where_their_content_fits() -> None:
    found = roles(
        views=[1, 2, 3, 4, 5, 6], likes="many", date="soon", duration="4:13", thumbnail="https://i.example/1.jpg"
    )
    assert found.find_kept() == {"views": "views", "duration": "duration", "thumbnail": "thumbnail"}
