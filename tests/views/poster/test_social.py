"""Social cards: what a link is shown with is text, and its picture has an address that others can open."""

from __future__ import annotations

import re

from vidatlas.views.poster.social import SocialCard, with_card

PAGE = "<head>\n<title>A</title></head>"


def tags(page: str) -> dict[str, str]:
    return dict(re.findall(r'<meta (?:property|name)="([^"]*)" content="([^"]*)">', page))


def test_a_picture_is_beside_the_page_or_where_the_recipe_says() -> None:
    found = tags(with_card(PAGE, SocialCard("Title", "3 videos", "map.png"), "report.html"))
    assert found["og:image"] == "map.png"
    assert "og:url" not in found
    assert found["twitter:card"] == "summary_large_image"
    card = SocialCard("Title", "3 videos", "map.png", "https://example.org/atlas/")
    found = tags(with_card(PAGE, card, "report.html"))
    assert found["og:image"] == "https://example.org/atlas/map.png"
    assert found["og:url"] == "https://example.org/atlas/report.html"
    assert found["og:description"] == "3 videos"


def test_a_title_is_no_markup() -> None:
    hostile = '"><script>alert(1)</script>\u202e\x1b[31m'
    page = with_card(PAGE, SocialCard(hostile, hostile, "map.png"), "map.html")
    assert "<script" not in page
    assert "\u202e" not in page
    assert "\x1b" not in page
    assert page.endswith("<title>A</title></head>")
