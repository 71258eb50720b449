"""A link leads to the host of the recipe, whatever a record holds; an address of YouTube has an id."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidatlas.errors import UsageError
from vidatlas.recipe import load_recipe
from vidatlas.sources.values.links import check_template, link_of, youtube_id

WATCH = "https://www.youtube.com/watch?v={id}"


@pytest.mark.parametrize(
    ("template", "why"),
    [
        ("javascript:alert({id})", "http"),
        ("ftp://host/{id}", "http"),
        ("https://{id}/x", "host"),
        ("https://{id}.example.org/", "host"),
        ("https://example.org{id}", "host"),
        ("https://user@example.org/{id}", "host"),
        ("//example.org/{id}", "http"),
        ("https://example.org/{nope}", r"may hold \{id\}, \{who\}, not \{nope\}"),
        ("https://example.org/{}", "may hold"),
        ("https://example.org/{id!r}", "may hold"),
        ("https://example.org/{id:9}", "may hold"),
        ("https://example.org/{id.real}", "may hold"),
        ("https://example.org/{id", "brace"),
        ("https://example.org/all", "needs one"),
        ('https://example.org/"{id}', "quotes"),
        ("https://example.org/ {id}", "blanks"),
    ],
)
def test_a_template_that_leads_elsewhere_is_refused(template: str, why: str) -> None:
    with pytest.raises(ValueError, match=why):
        check_template(template, {"id", "who"})


def test_a_recipe_with_such_a_template_is_refused_in_a_line() -> None:
    with pytest.raises(UsageError, match=r"record: url must start with http") as caught:
        load_recipe("demo", {"record.url": "javascript:{id}"})
    assert "\n" not in str(caught.value)


def test_values_are_encoded_and_a_missing_one_makes_no_link() -> None:
    assert link_of(WATCH, {"id": "-o9J&t=1/ü"}) == "https://www.youtube.com/watch?v=-o9J%26t%3D1%2F%C3%BC"
    template = "https://www.tiktok.com/@{who}/video/{id}"
    assert link_of(template, {"id": "7", "who": "bob b"}) == "https://www.tiktok.com/@bob%20b/video/7"
    assert link_of(template, {"id": "7", "who": None}) == ""
    assert link_of(None, {"id": "7"}) == ""


@settings(max_examples=100)
@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1))
def test_no_id_leaves_the_host_of_the_recipe(key: str) -> None:
    link = link_of(WATCH, {"id": key})
    assert link.isascii()
    assert not set(link) & set(" \"'<>\\")
    assert urlsplit(link).netloc == "www.youtube.com"
    assert urlsplit(link).query.count("=") == 1


@pytest.mark.parametrize(
    "address",
    [
        "https://www.youtube.com/watch?v=-o9JdoMLPfB",
        "https://www.youtube.com/watch?app=desktop&v=-o9JdoMLPfB&list=PL1&t=43s#x",
        "http://m.youtube.com/watch?v=-o9JdoMLPfB",
        "https://music.youtube.com/watch?v=-o9JdoMLPfB",
        "https://youtu.be/-o9JdoMLPfB?si=abc",
        "youtu.be/-o9JdoMLPfB",
        "https://www.youtube.com/shorts/-o9JdoMLPfB?feature=share",
        "https://www.youtube-nocookie.com/embed/-o9JdoMLPfB",
        "https://youtube.com/live/-o9JdoMLPfB/",
        "HTTPS://WWW.YOUTUBE.COM/v/-o9JdoMLPfB",
    ],
)
def test_the_address_of_a_youtube_video_has_its_id(address: str) -> None:
    assert youtube_id(address) == "-o9JdoMLPfB"


@pytest.mark.parametrize(
    "address",
    [
        "-o9JdoMLPfB",
        "https://example.org/watch?v=a",
        "https://www.youtube.com/",
        "https://notyoutube.com/watch?v=a",
        "https://youtu.be/",
        "https://www.youtube.com/@channel/videos",
        "https://[",
        "",
        "youtube.com.evil.org/embed/a",
    ],
)
def test_other_addresses_have_none(address: str) -> None:
    assert youtube_id(address) is None
