"""Report and data card say of each recipe how its atlas was made, and nothing that holds of another one."""

from __future__ import annotations

from typing import Any

import pytest

from vidatlas.pipeline.publish.wording import limits_of, making_words, naming_words
from vidatlas.recipe import load_recipe

REDUCED: dict[str, Any] = {"counts": {"components": 12}}
PLANNED: dict[str, Any] = {"stages": {"plan": {"complete": True}}}


@pytest.mark.parametrize(
    ("recipe", "changes", "words"),
    [
        (
            "youniverse",
            {},
            "For every video, an encoder turned its title and tags into a list of numbers, so that videos described in "
            "similar words lie close together. Those lists were shortened to 12 numbers per video, and the videos of "
            "each category were split into groups of neighbours.",
        ),
        ("youniverse", {"reduce.clusters.within": "all"}, "and all of them were split into groups of neighbours."),
        ("netflix", {}, "turned its title, director, cast, country, rating and description into"),
        ("netflix", {}, "shortened to 12 numbers per film, and all of them were split"),
        ("tiktok-hashtags", {}, "numbers per hashtag, and the hashtags of each user were split into groups of"),
        (
            "tiktok-hashtags",
            {"reduce.reducer": "none"},
            "lie close together. Then the hashtags of each user were",
        ),
        (
            "movielens-factors",
            {},
            "For every film, numbers were found that explain how people rated it, so that films liked by the same "
            "people lie close together. Each number stands for a group, to which those belong in whose list it is the "
            "largest.",
        ),
    ],
)
def test_the_making_is_told_in_the_words_of_the_recipe(recipe: str, changes: dict[str, Any], words: str) -> None:
    assert words in making_words(load_recipe(recipe, changes), REDUCED)


def test_names_are_explained_by_what_they_are_made_of() -> None:
    films, tags = load_recipe("netflix"), load_recipe("tiktok-hashtags")
    assert naming_words(films, 1) == "A group is named after the words that set it apart from the others."
    apart = "A group is named after the words that set it apart from the rest of its category."
    assert naming_words(load_recipe("youniverse"), 15) == apart
    assert naming_words(tags, 40) == "A group is named after its most frequent hashtags."


def test_only_clusters_inside_groups_have_the_limits_of_groups() -> None:
    assert limits_of(load_recipe("netflix"), PLANNED) == ("Names are statistics of words, not judgements.",)
    limits = limits_of(load_recipe("tiktok-hashtags"), {"stages": {"plan": {"complete": False}}})
    assert limits[1] == "Every hashtag stands in the user that its record names, right or wrong."
    assert limits[-1].startswith("Only the first rows of the input were read")
