"""Names say what sets a subcategory apart, in any script, and differ among siblings."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from vidatlas.naming.names import NamingSpec, name_groups
from vidatlas.naming.sample import Drawn, draw

Sample = Callable[..., list[Drawn]]
SPEC = NamingSpec()


def named(*samples: Sequence[Drawn], spec: NamingSpec = SPEC, group: str = "Group") -> list[str]:
    siblings = {label: (drawn, len(drawn)) for label, drawn in enumerate(samples)}
    names = name_groups({group: siblings}, spec)[group]
    return [names[label].text for label in siblings]


def test_a_phrase_is_not_torn_and_function_words_of_any_language_stay_out(sample: Sample) -> None:
    films = sample(("the new Star Wars is out", "star wars,film"), ("Star Wars and the rest", "star wars"), times=5)
    spanish = sample(("los mejores goles de los novios", "fútbol,goles"), ("los porteros", "fútbol"), times=5)
    russian = sample(("как построить дом", "дом"), ("как варить суп", "суп"), times=5)
    assert named(films, spanish, russian) == ["star wars · film", "fútbol · goles", "дом · суп"]


def test_a_channel_is_no_name_where_there_is_a_subject(sample: Sample) -> None:
    channel = sample(("Bexlaska bakes", "bexlaska,baking", "bexlaska"), times=12)
    others = sample(("cakes", "cakes,baking"), times=8)
    assert named(channel + others, sample(("piano", "piano"), times=9)) == ["baking · cakes", "piano"]


def test_boilerplate_and_years_are_no_names(sample: Sample) -> None:
    videos = [
        ("Official Video HD 2019 | SUBSCRIBE", f"official video,hd,2019,subscribe,{tag}") for tag in ("oak", "elm")
    ]
    assert named(sample(*videos, times=9)) == ["elm · oak"]


def test_near_duplicates_collapse(sample: Sample) -> None:
    tags = ("mine craft,minecraft", "minecraft,minecraft game", "minecraft,castle")
    assert named(sample(*(("Minecraft", tag) for tag in tags), times=5)) == ["minecraft · castle"]


def test_without_tags_the_lists_of_function_words_are_enough(sample: Sample) -> None:
    french = sample(("les recettes de la semaine", ""), ("une tarte pour les enfants", ""), times=5)
    (first, second) = named(french, sample(("der Kuchen und die Torte", ""), times=9))
    assert not {"les", "de", "la", "une", "pour"} & {word for term in first.split(" · ") for word in term.split()}
    assert second in ("kuchen", "torte")


def test_siblings_with_the_same_terms_get_names_of_their_own(sample: Sample) -> None:
    trio = "piano,violin,cello"
    first, second = sample(("", trio), times=10), sample(("", f"{trio},vienna"), times=9)
    names = named(second, first, sample(("", trio), times=8), spec=NamingSpec(name_terms=1))
    assert names[1] == "cello"
    assert len(set(names)) == 3
    assert names[2].endswith(" (2)")


def test_a_subcategory_without_terms_is_mixed_and_still_distinct(sample: Sample) -> None:
    nothing = sample(("12", ""), times=3)
    assert named(nothing, nothing, sample(("castle", ""))) == ["mixed", "mixed (1)", "castle"]
    assert named() == []


def test_boilerplate_is_a_name_where_there_is_nothing_else(sample: Sample) -> None:
    assert named(sample(("Official Video", ""), times=6)) == ["official"]


def test_terms_are_kept_with_falling_scores_and_hold_the_name(sample: Sample) -> None:
    drawn = sample(("oak", "oak,tree"), ("elm", "elm,tree"), ("ash", "ash,tree"), times=4)
    name = name_groups({"g": {7: (drawn, 12)}}, NamingSpec(name_terms=2, terms=3))["g"][7]
    assert name.text == "tree · ash"
    assert name.terms == ("tree", "ash", "elm")
    assert list(name.scores) == sorted(name.scores, reverse=True)


@settings(max_examples=60)
@given(st.lists(st.lists(st.sampled_from(["ab", "cd", "ef gh", "video", "los", "2019"]), min_size=1), max_size=8))
def test_names_are_distinct_among_siblings(tags: list[list[str]]) -> None:
    samples = [[draw(str(at), "a", [], [tag]) for at, tag in enumerate(found)] for found in tags]
    names = named(*samples, spec=NamingSpec(name_terms=2))
    assert len(set(names)) == len(names)
    assert all(names)


def test_names_do_not_depend_on_the_hash_seed() -> None:
    code = (
        "from vidatlas.naming.names import NamingSpec, name_groups\n"
        "from vidatlas.naming.sample import draw\n"
        "tags = [[f'tag {n % 7}', f'word{n % 5}', f'мир {n % 3}', 'star wars'] for n in range(60)]\n"
        "drawn = [draw(str(n), str(n % 9), [' '.join(t)], t) for n, t in enumerate(tags)]\n"
        "print(name_groups({'g': {0: (drawn[:30], 30), 1: (drawn[30:], 30)}}, NamingSpec()))"
    )
    outputs = {
        subprocess.run(
            [sys.executable, "-c", code],
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": ":".join(sys.path)},
            check=True,
            capture_output=True,
        ).stdout
        for seed in ("1", "2", "3")
    }
    assert len(outputs) == 1


def test_the_coherence_of_a_name_is_measured_over_all_siblings(sample: Sample) -> None:
    often = sample(("", "lego,train"), ("", "lego"), times=2)
    apart = sample(("", "yoga"), ("", "piano"), times=2)
    names = name_groups({"Group": {0: (often, 4), 1: (apart, 4)}}, SPEC)["Group"]
    # Of eight videos four hold one, two the other, two both: log 2 / log 4.
    assert set(names[0].terms) == {"lego", "train"}
    assert names[0].coherence == pytest.approx(0.5)
    assert names[1].coherence == -1
    alone = name_groups({"Group": {0: (sample(("", "lego"), times=4), 4)}}, SPEC)["Group"]
    assert alone[0].coherence is None


def test_coverage_is_the_share_of_all_videos_that_have_a_term_of_the_name(sample: Sample) -> None:
    drawn = sample(("castle", ""), ("walls", "castle"), times=3) + sample(("fish", ""), times=2)
    found = name_groups({"g": {0: (drawn, 8), 1: (sample(("piano", ""), times=5), 5)}}, NamingSpec(name_terms=1))["g"]
    assert (found[0].text, found[0].coverage) == ("castle", 6 / 8)
    assert found[1].coverage == 1


def test_a_name_that_fits_few_videos_says_so(sample: Sample) -> None:
    drawn = sample(("castle", ""), times=2) + sample(*((f"word{number}", "") for number in range(8)))
    found = name_groups({"g": {0: (drawn, 10)}}, NamingSpec())["g"][0]
    assert (found.text, found.coverage) == ("mixed: castle", 0.2)


def test_a_name_comes_from_the_core(sample: Sample) -> None:
    near = [video._replace(distance=1.0) for video in sample(("castle", ""), times=6)]
    far = [video._replace(distance=2.0, rank=video.rank + 1) for video in sample(("fish", ""), times=2)]
    found = name_groups({"g": {0: (near + far, 8)}}, NamingSpec(terms=9))["g"][0]
    assert found.terms == ("castle",)


def test_words_of_a_recipe_and_of_the_category_are_left_out(sample: Sample) -> None:
    drawn = sample(("castle", "castle,lego,news"), times=6)
    assert (
        name_groups({"News & Politics": {0: (drawn, 6)}}, NamingSpec(filler=("Lego",)))["News & Politics"][0].text
        == "castle"
    )


def test_a_name_that_begins_like_that_of_a_mixture_is_judged_like_others(sample: Sample) -> None:
    drawn = sample(("", "mixed martial arts"), times=2) + sample(*((f"word{number}", "") for number in range(8)))
    found = name_groups({"g": {0: (drawn, 10)}}, NamingSpec(name_terms=1))["g"][0]
    assert (found.text, found.coverage) == ("mixed: mixed martial arts", 0.2)


def test_a_number_behind_a_name_does_not_change_its_coverage(sample: Sample) -> None:
    drawn = sample(("", "piano"), times=6)
    found = name_groups({"g": {0: (drawn, 6), 1: (drawn, 6)}}, NamingSpec(terms=1))["g"]
    assert [found[0].text, found[1].text] == ["piano", "piano (1)"]
    assert found[1].coverage == 1
