"""Sheets tell nothing of the method and are drawn by seed; the tally is right; TF-IDF's clusters are read like ours."""

from __future__ import annotations

import json
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from benchmarks.verdict import LEAST, Cluster, draw, print_tables, read_clusters, share, tfidf, write_sheets


def clusters(method: str, count: int, size: int = 12) -> list[Cluster]:
    made = [[f"{method} Video {at} {number}" for number in range(size)] for at in range(count)]
    return [Cluster("Music", f"{method} Name {at}", [f"{method} Term"], titles) for at, titles in enumerate(made)]


@pytest.fixture
def methods(tmp_path: Path) -> dict[str, Path]:
    """Return files of two methods, ``secret-one`` and ``secret-two``, whose clusters say Red and Blue."""
    found = {"secret-one": tmp_path / "one.jsonl", "secret-two": tmp_path / "two.jsonl"}
    for path, word in zip(found.values(), ("Red", "Blue"), strict=True):
        path.write_text("".join(json.dumps(asdict(each)) + "\n" for each in clusters(word, 9)))
    return found


def test_a_draw_is_of_the_seed_without_repeats_and_without_small_clusters() -> None:
    every = {"b": clusters("b", 20) + clusters("small", 20, LEAST - 1), "a": clusters("a", 20)}
    drawn = draw(every, 15, seed=3)
    assert drawn == draw(dict(reversed(every.items())), 15, seed=3) != draw(every, 15, seed=4)
    names = [cluster.name for _, cluster in drawn]
    assert len(set(names)) == 30
    assert not any(name.startswith("small") for name in names)
    order = [method for method, _ in drawn]
    assert order.count("a") == 15
    assert order not in (sorted(order), sorted(order, reverse=True))
    with pytest.raises(SystemExit, match="20 clusters of 10 or more videos"):
        draw(every, 21, seed=3)


def test_every_cluster_is_drawn_as_often_as_another_whatever_its_size() -> None:
    every = {"a": clusters("a", 5) + clusters("large", 5, 200)}
    drawn = [cluster.name for seed in range(200) for _, cluster in draw(every, 2, seed)]
    assert 160 < sum(name.startswith("large") for name in drawn) < 240


def test_sheets_show_clusters_but_no_method_and_are_written_once(methods: dict[str, Path], tmp_path: Path) -> None:
    to = tmp_path / "sheets"
    write_sheets(methods, to, each=4, seed=5, parts=2)
    sheets = [path.read_text() for path in sorted(to.glob("sheet-*.md"))]
    assert [sheet.count("\n## ") for sheet in sheets] == [4, 4]
    assert not any(
        word in sheet for sheet in sheets for word in ("secret", "Name", "Red T", "Blue T", *map(str, methods.values()))
    )
    key = json.loads((to / "key.json").read_text())["clusters"]
    for number, own in key.items():
        block = next(text for sheet in sheets for text in sheet.split("\n## ") if text.startswith(f"{number}\n"))
        word, name = ("Red" if own["method"] == "secret-one" else "Blue"), own["name"].split()[-1]
        titles = [line for line in block.splitlines() if line.startswith("- ")]
        assert f"**{own['name'].lower()}**" in block
        assert titles[:5] == [f"- {word} Video {name} {at}" for at in range(5)]
        assert len(set(titles)) == 10
        assert all(title.startswith(f"- {word} Video {name} ") for title in titles)
    with pytest.raises(SystemExit, match="has a key already"):
        write_sheets(methods, to, each=4, seed=6, parts=2)
    write_sheets(methods, tmp_path / "again", each=4, seed=5, parts=2)
    assert [path.read_text() for path in sorted((tmp_path / "again").glob("sheet-*.md"))] == sheets


def test_a_share_has_wilsons_interval() -> None:
    assert share(10, 40) == "10 = 25% (14% to 40%)"
    assert share(0, 40) == "0 = 0% (0% to 9%)"
    assert share(30, 40) == "30 = 75% (60% to 86%)"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key.json"
    path.write_text(
        json.dumps(
            {
                "clusters": {
                    str(at): {"method": "ab"[at > 4], "size": 10 * at, "coverage": 0.1 * at if at < 5 else None}
                    for at in range(1, 9)
                }
            }
        )
    )
    return path


def grades(path: Path, text: str) -> Path:
    path.write_text(text)
    return path


def test_the_tally_counts_what_more_than_half_of_the_readers_call_good(
    key: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = grades(tmp_path / "1", "1 1 1\n2 1 0\n3 0 1 a heap of one language\n4 0 0\n\n# the second half\n")
    two = grades(tmp_path / "2", "5,1,1\n6,1,1\n7,1,1\n8,1,1\n")
    other = grades(tmp_path / "3", "1 1 1\n2 1 1\n3 0 0\n5 0 0\n")
    print_tables(key, [("anna", one), ("anna", two), ("ben", other)])
    lines = capsys.readouterr().out.splitlines()
    assert lines[2].startswith("| a | 4 | 2 = 50% (15% to 85%) | 1 = 25% (5% to 70%) | 1 = 25%")
    assert lines[2].endswith("| 10% |")  # its first cluster, of 10 of 100 videos
    assert lines[3:6] == [
        "|   a, coverage from 0% | 2 | | | 1 of 2 | |",
        "|   a, coverage from 25% | 2 | | | 0 of 2 | |",
        "|   a, coverage from 60% | 0 | | | 0 of 0 | |",
    ]
    assert lines[6].startswith("| b | 4 | 3 = 75% (30% to 95%) | 3 = 75% (30% to 95%) | 3 = 75%")
    assert "anna and ben agree, cluster good: 3 = 75% (30% to 95%) of 4" in lines
    assert "anna and ben agree, name good: 1 = 25% (5% to 70%) of 4" in lines


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("1 1 1\n9 1 1\n", "line 2: write the number"),
        ("1 1\n", "line 1: write the number"),
        ("1 1 2\n", "line 1: write the number"),
        ("1 1 1\n1 0 0\n", "line 2: anna has graded cluster 1 before"),
        ("1 1 1\n2 1 1\n", "6 clusters have no grade, such as 3"),
    ],
)
def test_grades_that_cannot_be_counted_are_refused(key: Path, tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(SystemExit, match=said):
        print_tables(key, [("anna", grades(tmp_path / "grades", text))])


def test_members_of_an_atlas_are_its_titles_nearest_first(tmp_path: Path) -> None:
    for name, columns in {
        "assignments/0.parquet": {"group": ["G", "G"], "subcategory": [1, 0], "distance": [0.5, 0.1]},
        "assignments/1.parquet": {"group": ["G", "H"], "subcategory": [1, 1], "distance": [0.2, 0.3]},
        "embeddings/0.parquet": {"title": ["far", "other"]},
        "embeddings/1.parquet": {"title": ["near", "elsewhere"]},
        "subcategories.parquet": {"group": ["G"], "subcategory": [1], "name": ["n"], "terms": [["t"]]},
    }.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        ids = {} if name.startswith("sub") else {"id": [name[-9] + "a", name[-9] + "b"]}
        pq.write_table(pa.table({**ids, **columns}), tmp_path / name)
    assert read_clusters(tmp_path) == [Cluster("G", "n", ["t"], ["near", "far"])]


def test_tfidf_finds_the_subjects_and_names_them_after_their_words() -> None:
    subjects = ("guitar lesson chords", "chocolate cake oven", "football goals match")
    texts = [f"{subject} number{at}" for at in range(6) for subject in subjects]
    _, labels, terms = tfidf(texts, 3)
    assert len({(at % 3, label) for at, label in enumerate(labels.tolist())}) == 3
    assert {frozenset(own[:3]) for own in terms.values()} == {frozenset(subject.split()) for subject in subjects}
