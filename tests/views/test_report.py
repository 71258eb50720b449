"""The report page shows the data, and hostile data stays text."""

from __future__ import annotations

import base64
import gzip
import hashlib
import json
import re
from dataclasses import replace
from html.parser import HTMLParser
from itertools import pairwise
from typing import Any

import pytest

from vidatlas.storage.manifest import PlanCounts
from vidatlas.views.nouns import Nouns
from vidatlas.views.page import Category, Figure, Report, Subcategory, Trend
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
        self.packed: list[str] = []
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
            self.scripts.append(data) if "{" in data else self.packed.append(data)
        elif self.cdata_elem is None:
            self.texts.append(data)


def opened(html: str) -> dict[str, Any]:
    """Return what the rows of the table open to."""
    (packed,) = Page(html).packed
    return dict(json.loads(gzip.decompress(base64.b64decode(packed))))


def subcategory(number: int = 0, text: str = "Speedruns", size: int = 5) -> Subcategory:
    return Subcategory(number, text, size, ((text, 0.5),), (text,) * 5, 0.31, 0.4)


def counts(read: int, kept: int, rejected: int, duplicates: int) -> PlanCounts:
    return {"read": read, "kept": kept, "rejected": rejected, "duplicates": duplicates, "rejects": {}}


def make_report(text: str = "Gaming") -> Report:
    return Report(
        recipe_name=text,
        inputs=(text,),
        counts=counts(3410, 3021, 260, 129),
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
        rejects=((text, 260, text),),
        explained_variance=(0.4, 0.2, 0.1),
        figures=(Figure(text, text, text),),
        encoder=text,
        stages=((text, 74.2, text),),
        facts=((text, text),),
        recipe_yaml=f"name: {text}\nsecond: line",
        content_sha256="ab" * 32,
        notes=(text,),
    )


def test_hostile_text_reaches_the_reader_only_as_text() -> None:
    plain, hostile = Page(render(make_report())), Page(render(make_report(HOSTILE)))
    assert hostile.tags == plain.tags
    # A category's colour is that of its name, so the style sheet is another, and its hash.
    assert re.sub(r"'sha256-\S+'", "", str(hostile.attributes)) == re.sub(r"'sha256-\S+'", "", str(plain.attributes))
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
    # The name of SVG is no address that a browser opens.
    html = render(make_report()).replace("http://www.w3.org/2000/svg", "")
    assert not re.search(r"url\(|@import|https?:", html)


def test_a_row_opens_to_its_titles_with_their_links() -> None:
    report, link = make_report(), "https://example.org/watch?v=%22%3E"
    (category,) = report.categories
    linked = replace(category.subcategories[0], links=(link, "", "", "", link + "2"))
    html = render(replace(report, categories=(replace(category, subcategories=(linked,)),)))
    (sub,) = opened(html)["subs"]
    assert sub["examples"] == [["Gaming", one] for one in (link, "", "", "", link + "2")]
    assert "with links" in Page(html).text
    assert "with links" not in Page(render(report)).text


def test_every_inner_link_has_its_target() -> None:
    page = Page(render(make_report()))
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids))
    links = {value[1:] for name, value in page.attributes if name == "href"}
    # The state of the table: one link per category, by rank.
    assert {link for link in links if "=" in link} == {"g=1"}
    assert {link for link in links if "=" not in link} <= set(ids)


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
    assert "7.6% rejected" in text
    assert "0.08, overlapping" in text
    assert "the 3 components explain 70.0%" in text
    assert "1 min 14 s" in text
    assert text.index("2,000") < text.index("1,021")
    assert "Largest Gaming 2,000 videos, 66.2% of all." in text


def test_records_and_groups_are_called_what_the_recipe_calls_them() -> None:
    users = tuple(Category(name, 5, 0.1, (subcategory(),)) for name in ("ann", "ben"))
    nouns = Nouns(record=("hashtag", "hashtags"), group=("user", "users"))
    said = {"title": "Tags", "making": "How.", "naming": "A name.", "alike": "near"}
    text = Page(render(replace(make_report("tags"), categories=users, nouns=nouns, **said))).text
    assert "3,021 hashtags of 2 users, sorted into 2 named subcategories." in text
    assert (
        "How. A name. Names are made automatically unless a person chose them, and nobody reviewed the hashtags" in text
    )
    assert not re.search(r"\b([Vv]ideo|[Cc]ategor)", text)


def test_what_no_clustering_made_has_no_words_on_silhouettes_and_distances() -> None:
    report = make_report()
    sub = replace(subcategory(), silhouette=None, mean_distance=None)
    groups = (Category("Gaming", 5, None, (sub,)),)
    made = replace(report, categories=groups, explained_variance=(), clustered=False)
    html = render(made)
    text = Page(html).text
    assert not re.search(r"silhouette|distance|clarity|centre|variance|overlapping", text, re.IGNORECASE)
    assert opened(html)["nearest"] == "with the largest values"
    assert not {"quality", "distance"} & opened(html)["subs"][0].keys()
    clustered = render(report)
    assert all(word in Page(clustered).text for word in ("Silhouette", "Clarity"))
    assert opened(clustered)["nearest"] == "nearest to its centre"
    assert opened(clustered)["subs"][0]["distance"] == 0.4


def test_no_article_stands_before_a_noun_of_the_recipe() -> None:
    users = tuple(Category(name, 5, 0.1, (subcategory(),)) for name in ("ann", "ben"))
    nouns = Nouns(record=("item", "items"), group=("owner", "owners"))
    text = Page(render(replace(make_report(), categories=users, nouns=nouns, figures=()))).text
    assert not re.search(r"\b[Aa] (item|owner)", text)
    assert "duplicates of items already kept" in text


def test_counts_that_do_not_add_up_are_called_out() -> None:
    text = Page(render(replace(make_report(), counts=counts(3411, 3021, 260, 129)))).text
    assert "3,411 read ≠ 3,021 kept" in text
    assert "do not add up: 1 record too few" in text


@pytest.mark.parametrize("silhouette", [None, NAN, -0.4, 0.0, 0.1, 0.25, 0.5, 1.0])
def test_every_silhouette_can_be_shown(silhouette: float | None) -> None:
    group = replace(subcategory(), silhouette=silhouette, mean_distance=silhouette)
    html = render(replace(make_report(), categories=(Category("Gaming", 5, silhouette, (group,)),)))
    assert not re.search(r"\b(None|nan|inf|undefined)\b", Page(html).text)
    unknown = silhouette is None or silhouette != silhouette
    assert ("not measured" in Page(html).text) == unknown
    assert ("quality" not in opened(html)["subs"][0]) == unknown


@pytest.mark.parametrize(
    "report",
    [
        Report("", (), counts(0, 0, 0, 0), (), (), (), (), "", (), (), "", "", ()),
        replace(make_report(), categories=(Category("Gaming", 0, None, ()), Category("", 3, None, ()))),
        replace(make_report(), categories=(Category("Gaming", 3, None, (Subcategory(0, "", 0, (), ()),)),)),
        replace(make_report(), explained_variance=()),
        replace(make_report(), explained_variance=(0.0, NAN)),
        replace(make_report(), explained_variance=(0.7, 0.7)),
        replace(make_report(), stages=(("read", NAN, ""), ("embed", 0.0, ""), ("cluster", 9000.0, ""))),
    ],
)
def test_degenerate_reports_render_cleanly(report: Report) -> None:
    page = Page(render(report))
    assert not re.search(r"\b(None|nan|inf|undefined)\b", page.text)
    assert not any("nan" in value or "inf" in value for name, value in page.attributes if name in {"d", "style"})


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
    assert html.count("<tr id=") == 5000 + 25
    assert len(html.encode()) < 2_000_000


def test_the_choice_of_k_is_drawn_and_its_stability_said() -> None:
    page = Page(render(make_report()))
    assert "0.08, overlapping0.61" in page.text
    label = "Variance left by 1 to 3 subcategories; k = 2 was chosen, at the elbow"
    assert ("aria-label", label) in page.attributes
    without = replace(make_report(), figures=(), categories=(Category("Gaming", 5, None, (subcategory(),)),))
    assert "Choice of k" not in Page(render(without)).text


def test_a_poor_figure_says_what_to_do() -> None:
    figures = (Figure("Silhouette", "0.01", "Read it so.", "poor", "Try less."), Figure("Other", "2", "So.", "good"))
    text = Page(render(replace(make_report(), figures=figures))).text
    assert "Silhouette0.01 poorRead it so.Try less." in text
    assert "Other2 goodSo." in text


def test_scripts_and_an_encoder_that_does_not_know_them_are_named() -> None:
    scripts = (("Latin", 0.7), ("Thai", 0.3))
    text = Page(render(replace(make_report(), scripts=scripts, warning="It knows no Thai."))).text
    assert "Latin 70.0%, Thai 30.0%. It knows no Thai." in text
    assert "30.0% of the titles are not in Latin letters: Thai 30.0%. The encoder knows English only." in text
    assert "Scripts" not in Page(render(replace(make_report(), scripts=(("Latin", 1.0),)))).text


def test_views_and_dates_are_shown_where_they_are() -> None:
    plain = make_report()
    assert not re.search(r"Views|Date|Growth", Page(render(plain)).text)
    trend = Trend(1_234_567, 9_000_000, 5, 4, "2021-03", "2019-01", "2022-12", -0.25, "0z", 9)
    (category,) = plain.categories
    seen = replace(category.subcategories[0], trend=trend)
    report = replace(plain, categories=(replace(category, subcategories=(seen,)),), span=("2022-11", "2022-12"))
    html = render(replace(report, window=12))
    assert all(word in Page(html).text for word in ("Views", "Date", "Growth"))
    (sub,) = opened(html)["subs"]
    expected = {"views": 1_234_567, "total": 9_000_000, "date": "2021-03", "growth": -0.25, "line": "0z", "peak": 9}
    assert expected.items() <= sub.items()
