"""Check that the report page shows the data, and that hostile data stays text."""

from __future__ import annotations

import base64
import hashlib
import math
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise

import pytest

from vidatlas.views.nouns import Nouns
from vidatlas.views.page import Category, Counts, Figure, Reject, Report, Stage, Subcategory
from vidatlas.views.report import render

MARKUP = "<script>alert(1)</script><img src=x onerror=alert(2)>\"' onmouseover=alert(3) </style></title>"
HOSTILE = f"\x1b[31mRED\x1b[0m{MARKUP}{{{{7*7}}}}{{% raw %}}\u202eexe\u2066\x00\x9b\ud800"
SHOWN = f"RED{MARKUP}{{{{7*7}}}}{{% raw %}}exe\ufffd"
NAN = float("nan")


class Page(HTMLParser):
    """Collect what a browser would make of the page."""

    def __init__(self, html: str) -> None:
        """Parse the whole page at once."""
        super().__init__(convert_charrefs=True)
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.scripts: list[str] = []
        self.texts: list[str] = []
        self.feed(html)
        self.close()
        self.text = " ".join("".join(self.texts).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember every element and attribute."""
        self.tags.append(tag)
        self.attributes += [(name, value or "") for name, value in attrs]

    def handle_data(self, data: str) -> None:
        """Sort text by whether it is script, style or for the reader."""
        if self.cdata_elem == "script":
            self.scripts.append(data)
        elif self.cdata_elem is None:
            self.texts.append(data)


def subcategory(number: int = 0, text: str = "Speedruns", size: int = 5) -> Subcategory:
    return Subcategory(number, text, size, ((text, 0.5),), (text,) * 5, 0.31, 0.4)


def make_report(text: str = "Gaming") -> Report:
    return Report(
        recipe_name=text,
        inputs=(text,),
        counts=Counts(read=3410, kept=3021, rejected=260, duplicates=129),
        categories=(
            Category(
                text,
                3021,
                0.08,
                (subcategory(0, text, 1021), subcategory(1, text, 2000)),
                stability=0.61,
                curve=((1, 1.0), (2, 0.55), (3, 0.5)),
            ),
        ),
        rejects=(Reject(text, 260, text),),
        explained_variance=(0.4, 0.2, 0.1),
        figures=(Figure(text, text, text),),
        encoder=text,
        stages=(Stage(text, 74.2, text),),
        facts=((text, text),),
        recipe_yaml=f"name: {text}\nsecond: line",
        content_sha256="ab" * 32,
        notes=(text,),
    )


def test_hostile_text_reaches_the_reader_only_as_text() -> None:
    plain, hostile = Page(render(make_report())), Page(render(make_report(HOSTILE)))
    assert hostile.tags == plain.tags
    assert hostile.attributes == plain.attributes
    assert hostile.scripts == plain.scripts
    assert hostile.text.count(SHOWN) == plain.text.count("Gaming")


def test_no_control_character_or_direction_override_survives() -> None:
    html = render(make_report(HOSTILE))
    assert not re.search(r"[\x00-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]", html)
    assert html.encode("utf-8")


def test_the_page_loads_nothing_and_links_only_inside_itself() -> None:
    page = Page(render(make_report(HOSTILE)))
    links = [value for name, value in page.attributes if name in {"src", "href", "srcset", "action", "data"}]
    assert links
    assert all(link.startswith("#") for link in links)
    assert {"link", "img", "iframe", "object", "embed"}.isdisjoint(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    assert not re.search(r"url\(|@import|https?:", render(make_report()))


def test_a_title_links_to_its_video_and_says_nothing_of_where_it_came_from() -> None:
    report, link = make_report(), "https://example.org/watch?v=%22%3E"
    (category,) = report.categories
    first = category.subcategories[0]
    linked = replace(first, links=(link, "", "", "", link + "2"))
    bare, page = (
        render(replace(report, categories=(replace(category, subcategories=(sub,)),))) for sub in (first, linked)
    )
    found = Page(page)
    assert [value for name, value in found.attributes if value.startswith("https")] == [link, link + "2"]
    assert page.count('target="_blank" rel="noopener noreferrer nofollow">Gaming</a></li>') == 2
    assert page.count("<li>Gaming</li>") == bare.count("<li>Gaming</li>") - 2


def test_every_inner_link_has_its_target() -> None:
    page = Page(render(make_report()))
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    assert {value[1:] for name, value in page.attributes if name == "href"} <= set(ids)


def test_the_policy_allows_exactly_the_one_script_and_the_one_style_sheet() -> None:
    html = render(make_report())
    page = Page(html)
    (script,) = page.scripts
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    (policy,) = [value for _, value in page.attributes if value.startswith("default-src")]
    (sheet,) = re.findall(r"<style>(.*?)</style>", html, re.DOTALL)
    styles = base64.b64encode(hashlib.sha256(sheet.encode()).digest()).decode()
    assert policy.startswith(
        f"default-src 'none'; style-src 'sha256-{styles}'; script-src 'sha256-{digest}'; img-src data:"
    )
    assert "unsafe" not in policy
    assert not [value for name, value in page.attributes if name == "style"]


def test_the_numbers_appear() -> None:
    text = Page(render(make_report())).text
    assert "3,021 videos, sorted into 2 named subcategories." in text
    assert "3,410 read = 3,021 kept + 260 rejected + 129 duplicates" in text
    assert "rejected, 7.6% of 3,410 read" in text
    assert "Silhouette 0.08: groups overlap" in text
    assert "the 3 components explain 70.0%" in text
    assert "1 min 14 s" in text
    assert text.index("2,000 66.2%") < text.index("1,021 33.8%")


def test_records_and_groups_are_called_what_the_recipe_calls_them() -> None:
    users = tuple(Category(name, 5, 0.1, (subcategory(),)) for name in ("ann", "ben"))
    nouns = Nouns(record=("hashtag", "hashtags"), group=("user", "users"))
    said = {"title": "Tags", "making": "How.", "naming": "A name.", "alike": "near"}
    text = Page(render(replace(make_report("tags"), categories=users, nouns=nouns, **said))).text
    assert "3,021 hashtags of 2 users, sorted into 2 named subcategories." in text
    assert (
        "How. A name. Names are generated automatically unless a person chose them, and nobody reviewed the hashtags"
        in text
    )
    assert not re.search(r"\b([Vv]ideo|[Cc]ategor)", text)


def test_what_no_clustering_made_has_no_words_on_silhouettes_and_distances() -> None:
    report = make_report()
    sub = replace(subcategory(), silhouette=None, mean_distance=None)
    groups = (Category("Gaming", 5, None, (sub,)),)
    made = replace(report, categories=groups, explained_variance=(), clustered=False)
    text = Page(render(made)).text
    assert not re.search(r"silhouette|distance|Shade|centre|variance", text, re.IGNORECASE)
    assert "titles with the largest values" in text
    clustered = Page(render(report)).text
    assert all(word in clustered for word in ("Silhouette", "mean distance", "Shade", "nearest to its centre"))


def test_no_article_stands_before_a_noun_of_the_recipe() -> None:
    users = tuple(Category(name, 5, 0.1, (subcategory(),)) for name in ("ann", "ben"))
    nouns = Nouns(record=("item", "items"), group=("owner", "owners"))
    text = Page(render(replace(make_report(), categories=users, nouns=nouns, figures=()))).text
    assert not re.search(r"\b[Aa] (item|owner)", text)
    assert "duplicates of items already kept" in text


def counted(size: int, terms: int, kept: int) -> str:
    """Return the text of a page with one subcategory of words that are counted."""
    words = tuple((f"word{number}", float(terms - number)) for number in range(terms))
    sub = replace(subcategory(size=size), terms=words)
    nouns = Nouns(record=("hashtag", "hashtags"), group=("user", "users"))
    report = replace(make_report(), categories=(Category("ann", size, None, (sub,)),), nouns=nouns, members=kept)
    return Page(render(report)).text


def test_every_counted_word_of_a_subcategory_is_listed_with_its_count() -> None:
    text = counted(20, 20, 500)
    assert "word0 ×20 word1 ×19" in text
    assert "word11 ×9 8 more hashtags word12 ×8" in text
    assert "word19 ×1" in text
    assert "not listed here" not in text
    assert "its hashtags with how often each occurs" in text
    assert "not listed here" not in counted(23, 20, 500), "titles that repeat are listed once, and all are there"


def test_words_beyond_those_that_are_kept_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    assert "word29 ×1 and 1,970 more that are not listed here" in counted(2_000, 30, 30)
    monkeypatch.setattr("vidatlas.views.report.MOST_MEMBERS", 15)
    text = counted(20, 20, 500)
    assert "word14 ×6 and 5 more that are not listed here" in text
    assert "word15" not in text


def test_counts_that_do_not_add_up_are_called_out() -> None:
    text = Page(render(replace(make_report(), counts=Counts(3411, 3021, 260, 129)))).text
    assert "3,411 read ≠ 3,021 kept" in text
    assert "do not add up: 1 record too few" in text


@pytest.mark.parametrize("silhouette", [None, NAN, -0.4, 0.0, 0.1, 0.25, 0.5, 1.0])
def test_every_silhouette_can_be_shown(silhouette: float | None) -> None:
    group = replace(subcategory(), silhouette=silhouette, mean_distance=silhouette)
    html = render(replace(make_report(), categories=(Category("Gaming", 5, silhouette, (group,)),)))
    assert not re.search(r"\b(None|nan|inf|undefined)\b", Page(html).text)
    unknown = silhouette is None or math.isnan(silhouette)
    assert ("Silhouette: not measured" in Page(html).text) == unknown


@pytest.mark.parametrize(
    "report",
    [
        Report("", (), Counts(0, 0, 0, 0), (), (), (), (), "", (), (), "", "", ()),
        replace(make_report(), categories=(Category("Gaming", 0, None, ()), Category("", 3, None, ()))),
        replace(make_report(), categories=(Category("Gaming", 3, None, (Subcategory(0, "", 0, (), ()),)),)),
        replace(make_report(), explained_variance=()),
        replace(make_report(), explained_variance=(0.0, NAN)),
        replace(make_report(), explained_variance=(0.7, 0.7)),
        replace(make_report(), stages=(Stage("read", NAN, ""), Stage("embed", 0.0, ""), Stage("cluster", 9000.0, ""))),
    ],
)
def test_degenerate_reports_render_cleanly(report: Report) -> None:
    page = Page(render(report))
    assert not re.search(r"\b(None|nan|inf|undefined)\b", page.text)
    assert not any("nan" in value or "inf" in value for name, value in page.attributes if name in {"d", "style"})


def test_map_area_is_in_proportion_to_size() -> None:
    sizes = (600, 250, 100, 50)
    html = render(replace(make_report(), categories=tuple(Category(f"c{size}", size, 0.2, ()) for size in sizes)))
    rules = dict(re.findall(r'\[data-s="(\d+)"\]\{(.*)\}', html))
    boxes = re.findall(r'href="#c(\d)" data-s="(\d+)"', html)
    assert len(boxes) == 2 * len(sizes)
    for rank, number in boxes:
        width, height = re.findall(r"(?:width|height):([\d.]+)%", rules[number])
        assert float(width) * float(height) == pytest.approx(sizes[int(rank) - 1] * 10, rel=0.02)


def test_headings_never_skip_a_level() -> None:
    levels = [int(tag[1]) for tag in Page(render(make_report())).tags if re.fullmatch(r"h[1-6]", tag)]
    assert levels[0] == 1
    assert levels.count(1) == 1
    assert all(after - before <= 1 for before, after in pairwise(levels))


def test_five_thousand_subcategories_stay_a_page_of_a_few_megabytes() -> None:
    groups = tuple(
        Subcategory(
            number,
            f"Group {number} of many",
            5000 - number,
            tuple((f"term {number} {place}", 0.5) for place in range(10)),
            tuple(f"A believable title of the usual length, number {number}.{place} | Channel" for place in range(5)),
            0.2,
            0.4,
        )
        for number in range(200)
    )
    categories = tuple(Category(f"Category {rank}", sum(sub.size for sub in groups), 0.2, groups) for rank in range(25))
    html = render(replace(make_report(), categories=categories))
    assert html.count('class="sub"') == 5000
    assert len(html.encode()) < 6_000_000


def test_the_choice_of_k_is_drawn_and_its_stability_said() -> None:
    page = Page(render(make_report()))
    assert "Stability 0.61" in page.text
    assert "Variance left by 1 to 3 subcategories; k = 2 was chosen, at the elbow." in page.text
    assert "Quality of the subcategories" in page.text
    without = replace(make_report(), figures=(), categories=(Category("Gaming", 5, None, (subcategory(),)),))
    assert "Quality of the subcategories" not in Page(render(without)).text
