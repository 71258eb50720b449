"""The page of the Streamlit app: discover, search, browse and map, with suggestions for each video."""

from __future__ import annotations

import html
import sys
from collections.abc import Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import streamlit as st

from vidatlas.errors import VidatlasError
from vidatlas.pipeline.explore.atlas import Atlas, open_atlas
from vidatlas.pipeline.explore.suggest import Method
from vidatlas.views.report import map_policy
from vidatlas.views.text import shown

COLUMNS, CARDS, BESIDE, SUGGESTIONS = 3, 12, 4, 8
MAP_HEIGHT = 800


@dataclass(frozen=True)
class Video:
    """Hold what a card shows."""

    id: str
    title: str
    where: str
    image: bytes | None = None
    """Its thumbnail, where the atlas has images and they are still in their folder."""


def say(text: str, style: str = "") -> None:
    """Show a text from data as text: Streamlit's own elements would take it for Markdown."""
    st.html(f'<div dir="auto" style="overflow-wrap:anywhere;{style}">{html.escape(shown(text))}</div>')


@st.cache_resource(show_spinner="Opening the atlas")  # type: ignore[untyped-decorator]
def opened(url: str) -> Atlas:
    """Return the atlas; its index and encoder stay loaded."""
    return open_atlas(url)


def at(atlas: Atlas, positions: Iterable[int]) -> list[Video]:
    """Return the videos at some places of the index."""
    subs = atlas.subcategories().to_dict("records")
    names = {(row["group"], row["subcategory"]): str(row["name"]) for row in subs}
    rows = atlas.videos().iloc[list(positions)].to_dict("records")
    named = [names[row["in_group"], row["subcategory"]] for row in rows]
    return with_pictures(atlas, rows, named)


def with_pictures(atlas: Atlas, rows: Sequence[Mapping[Hashable, Any]], names: Sequence[str]) -> list[Video]:
    """Return videos of rows with id, title and group, with the names of their subcategories and their thumbnails."""
    pictures = atlas.thumbnails([row["id"] for row in rows])
    return [
        Video(row["id"], row["title"], f"{row['group']} › {name}", picture)
        for row, name, picture in zip(rows, names, pictures, strict=True)
    ]


def card(video: Video) -> None:
    """Show a video, and the button that asks for what one may also like."""
    with st.container(border=True):
        if video.image:
            st.image(video.image)
        say(video.title, "font-weight:600;min-height:3em")
        say(video.where, "opacity:.7;font-size:.85em")
        if st.button("You may also like", key=f"like-{video.id}"):
            st.session_state["liked"] = None if st.session_state.get("liked") == video.id else video.id


def suggestions(atlas: Atlas, video: Video, method: Method) -> None:
    """Show what one may also like, each with its reasons."""
    with st.container(border=True):
        say(f"You may also like, after “{shown(video.title)}”", "font-weight:600")
        found = atlas.suggest(video.id, SUGGESTIONS, method)
        if not found:
            st.caption(f"Nothing: no other {atlas.nouns.record[0]} passes.")
        pictures = atlas.thumbnails([suggestion.id for suggestion in found])
        for first in range(0, len(found), BESIDE):
            beside = zip(found[first : first + BESIDE], pictures[first : first + BESIDE], strict=True)
            for column, (suggestion, picture) in zip(st.columns(BESIDE), beside, strict=False):
                with column:
                    if picture:
                        st.image(picture)
                    say(suggestion.title)
                    say(" · ".join(suggestion.reasons), "opacity:.7;font-size:.8em")


def grid(atlas: Atlas, videos: list[Video], method: Method) -> None:
    """Show videos side by side, and below a row what is liked beside one of it."""
    for first in range(0, len(videos), COLUMNS):
        row = videos[first : first + COLUMNS]
        for column, video in zip(st.columns(COLUMNS), row, strict=False):
            with column:
                card(video)
        for video in row:
            if st.session_state.get("liked") == video.id:
                suggestions(atlas, video, method)


def discover(atlas: Atlas, method: Method) -> None:
    """Show a page of random videos."""
    if st.button("Show others", key="others"):
        st.session_state["draw"] = st.session_state.get("draw", 0) + 1
    random = np.random.default_rng(st.session_state.get("draw", 0))
    total = len(atlas.videos())
    grid(atlas, at(atlas, random.choice(total, min(CARDS, total), replace=False)), method)


def search(atlas: Atlas, method: Method) -> None:
    """Show the page of search results."""
    left, right = st.columns([3, 1])
    text = left.text_input(f"What should the {atlas.nouns.record[1]} be about?", key="query")
    groups = sorted(set(atlas.videos()["group"]))
    everywhere = f"all {atlas.nouns.group[1]}"
    group = right.selectbox("In", [everywhere, *groups], key="group") if len(groups) > 1 else everywhere
    if text.strip():
        with st.spinner("Searching"):
            found = atlas.search(text, CARDS, None if group == everywhere else group)
        rows = found.to_dict("records")
        grid(atlas, with_pictures(atlas, rows, [row["name"] for row in rows]), method)


def browse(atlas: Atlas, method: Method) -> None:
    """Show the page of a subcategory: its terms and exemplars."""
    table = atlas.subcategories()
    sizes = table.groupby("group")["size"].sum().sort_values(ascending=False, kind="stable")
    left, right = st.columns(2)
    group = left.selectbox(atlas.nouns.group[0].capitalize(), list(sizes.index), key="category")
    inside = table[table["group"] == group].reset_index(drop=True)
    names = [f"{name} ({size:,})" for name, size in zip(inside["name"], inside["size"], strict=True)]
    place = right.selectbox("Subcategory", range(len(names)), format_func=lambda number: names[number], key="sub")
    row = inside.iloc[int(place or 0)]
    say(", ".join(row["terms"]), "opacity:.7")
    ids, first = atlas.videos(), row["exemplars"][:CARDS]
    grid(atlas, at(atlas, ids.index[ids["id"].isin(list(first))]), method)


def world(atlas: Atlas) -> None:
    """Show the map page of the atlas, which is not trusted: anyone may have written it."""
    page = atlas.map
    if map_policy() not in page:
        say("This map was made by another version of vidatlas. Publish the atlas again, or open its map.html.")
        return
    st.iframe(in_frame(page), height=MAP_HEIGHT)


def in_frame(page: str) -> str:
    """Return a page that holds another one, which can run our scripts alone, load nothing, and reach nothing around it.

    A document in ``srcdoc`` inherits the policy around it, whatever its own says.
    """
    return (
        f'<!doctype html><meta http-equiv="Content-Security-Policy" content="{map_policy()}">'
        f'<iframe title="Map" sandbox="allow-scripts" width="100%" height="{MAP_HEIGHT - 30}" frameborder="0" '
        f'srcdoc="{html.escape(page)}"></iframe>'
    )


def main(url: str) -> None:
    """Show the app."""
    st.set_page_config(page_title="vidatlas", layout="wide")
    try:
        look(opened(url))
    except VidatlasError as error:
        say(str(error), "color:#b3261e")


def look(atlas: Atlas) -> None:
    """Show the page selected in the sidebar."""
    counts = atlas.counts
    with st.sidebar:
        say(atlas.title, "font-size:1.6rem;font-weight:700")
    st.sidebar.caption(f"{atlas.nouns.records(counts['kept'])} in {len(atlas.subcategories()):,} subcategories")
    pages = ["Discover", *(["Search"] if atlas.encodes_texts else []), "Browse", "Map"]
    page = st.sidebar.radio("Look", pages, key="page")
    method = st.sidebar.radio(
        "Suggest from", list(atlas.methods), format_func=lambda name: atlas.methods[name], key="method"
    )
    if page == "Map":
        world(atlas)
    else:
        {"Discover": discover, "Search": search, "Browse": browse}[page](atlas, method)


if __name__ == "__main__":
    main(sys.argv[1])
