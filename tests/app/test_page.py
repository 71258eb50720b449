"""What the app shows and does, without a browser."""

from __future__ import annotations

import sys
from typing import Any

import pytest
from streamlit.testing.v1 import AppTest

import vidatlas
from vidatlas.app.serving import PAGE, SETTINGS, command
from vidatlas.errors import UsageError


def texts(app: Any) -> list[str]:
    return [element.proto.body for element in app.get("html")]


@pytest.fixture
def app(small_atlas: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return the app after its first run on a small atlas."""
    monkeypatch.setattr(sys, "argv", ["page.py", small_atlas.url])
    started = AppTest.from_file(str(PAGE), default_timeout=120).run()
    assert not started.exception
    return started


def likes(app: Any) -> list[Any]:
    return [button for button in app.button if button.key.startswith("like-")]


def test_it_opens_with_a_grid_of_videos(app: Any) -> None:
    assert len(likes(app)) == 12
    assert "400 videos" in app.sidebar.caption[0].value


def test_a_click_shows_what_one_may_also_like_and_why(app: Any) -> None:
    before = len(texts(app))
    likes(app)[4].click()
    app.run()
    shown = texts(app)
    assert not app.exception
    assert len(shown) >= before + 2 * 5
    assert any("shared tags" in text or "same subcategory" in text for text in shown)
    likes(app)[4].click()
    app.run()
    assert len(texts(app)) == before


def test_others_are_others(app: Any) -> None:
    before = [button.key for button in likes(app)]
    app.button(key="others").click()
    app.run()
    assert [button.key for button in likes(app)] != before


def test_search_finds_and_filters(app: Any) -> None:
    app.sidebar.radio(key="page").set_value("Search").run()
    assert likes(app) == []
    app.text_input(key="query").set_value("guitar piano violin").run()
    assert len(likes(app)) == 12
    assert sum("Music ›" in text for text in texts(app)) >= 11
    app.selectbox(key="group").set_value("Gaming").run()
    assert sum("Gaming ›" in text for text in texts(app)) == 12


def test_browse_leads_to_a_subcategory(app: Any) -> None:
    app.sidebar.radio(key="page").set_value("Browse").run()
    app.selectbox(key="category").set_value("Education").run()
    assert not app.exception
    assert 1 <= len(likes(app)) <= 3
    assert all("Music ›" not in text for text in texts(app))


def test_the_map_is_there(app: Any) -> None:
    app.sidebar.radio(key="page").set_value("Map").run()
    assert not app.exception
    (frame,) = app.get("iframe")
    assert "map-points" in frame.proto.srcdoc


def test_it_listens_on_loopback_and_takes_no_files(small_atlas: Any) -> None:
    words = command(small_atlas.url, 8777)
    assert "--server.address=127.0.0.1" in words
    assert "--server.port=8777" in words
    assert "--browser.gatherUsageStats=false" in words
    assert SETTINGS["server.enableXsrfProtection"] == "true"
    assert SETTINGS["server.enableStaticServing"] == "false"
    assert words[-1] == small_atlas.url


def test_there_must_be_an_atlas(tmp_path: Any) -> None:
    with pytest.raises(UsageError, match="is not an atlas"):
        command(str(tmp_path), 8777)


def test_suggestions_differ_in_title_and_say_why(small_atlas: Any) -> None:
    atlas = vidatlas.open_atlas(small_atlas.url)
    video = atlas.videos()["id"][3]
    own = atlas.assignments().set_index("id").loc[video]
    nearest = atlas.suggest(video, 8)
    assert len(nearest) == 8
    assert video not in [found.id for found in nearest]
    assert len({found.title.casefold() for found in nearest}) == 8
    assert all(found.reasons for found in nearest)
    elsewhere = atlas.suggest(video, 8, "elsewhere")
    assert own["group"] not in {found.group for found in elsewhere}
    homes = atlas.assignments().set_index("id")
    inside = atlas.suggest(video, 8, "subcategory")
    assert {homes.loc[found.id]["subcategory"] for found in inside} == {own["subcategory"]}
    with pytest.raises(UsageError, match="no method"):
        atlas.suggest(video, 8, "nope")  # type: ignore[arg-type]
