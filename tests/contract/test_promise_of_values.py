"""Typed columns, names of categories and links reach everything that shows videos, whatever the shard."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import vidatlas
from vidatlas import Atlas, Options
from vidatlas.cli.main import main
from vidatlas.pipeline.publish.export import export_embedding_atlas

from .world import recipe

COLUMNS = {"views": "n", "published": "upload_date", "at": "t", "channel": "channel_id", "length": "d", "score": "s"}
TYPES = {
    "views": pa.int64(),
    "published": pa.date32(),
    "at": pa.timestamp("ms", tz="UTC"),
    "channel": pa.string(),
    "length": pa.float64(),
    "score": pa.float64(),
}
LINK = "https://example.org/{channel}/watch?v={id}"
SERIAL = Options(runner="serial")


@pytest.fixture(scope="module")
def atlas(tmp_path_factory: pytest.TempPathFactory) -> Atlas:
    folder = tmp_path_factory.mktemp("values")
    rows = [
        {
            "display_id": f"-v{number}",
            "categories": [10, "20.0"][number % 2],
            "title": f"castle {number} &amp; co",
            "tags": "a,[none],b",
            "channel_id": "UC 1" if number % 3 else None,
            "n": number * 10**15 if number % 4 else "NA",
            "upload_date": "20230114",
            "t": "2023-01-14T12:30:00Z",
            "d": "PT4M13S",
            # All of the first shard are integers.
            "s": number if number < 12 else number + 0.5,
        }
        for number in range(40)
    ]
    (folder / "one.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    made = recipe(
        record__map={"categories": {"10": "Music", "20": "Gaming"}}, record__columns=COLUMNS, record__url=LINK
    )
    return vidatlas.run(made, folder / "one.jsonl", folder / "atlas", SERIAL)


def test_every_table_has_the_types(atlas: Atlas) -> None:
    files = [*Path(atlas.url, "embeddings").iterdir(), Path(atlas.url, "index", "videos.parquet")]
    assert len(files) == 5
    for file in files:
        schema = pq.read_schema(file)
        assert {name: schema.field(name).type for name in COLUMNS} == TYPES
    videos = pq.read_table(files[-1]).to_pylist()
    assert videos[5]["views"] == 5 * 10**15
    assert (videos[4]["views"], videos[3]["channel"]) == (None, None)
    assert (videos[13]["score"], videos[0]["length"]) == (13.5, 253.0)
    assert videos[0]["published"] == datetime.date(2023, 1, 14)
    assert videos[0]["at"] == datetime.datetime(2023, 1, 14, 12, 30, tzinfo=datetime.UTC)
    assert {row["group"] for row in videos} == {"Music", "Gaming"}
    assert videos[0]["title"] == "castle 0 & co"


def test_search_has_columns_and_links(atlas: Atlas) -> None:
    found = atlas.similar("-v1", 40).set_index("id")
    assert list(found.columns[-7:]) == [*COLUMNS, "url"]
    assert int(found.loc["-v39", "views"]) == 39 * 10**15
    assert found["views"].isna().sum() == 10
    assert found.loc["-v2", "url"] == "https://example.org/UC%201/watch?v=-v2"
    assert found["url"].isna()["-v3"]
    assert {suggestion.url for suggestion in atlas.suggest("-v1")} <= {"", *found["url"]}
    assert set(COLUMNS) <= set(atlas.videos().columns)


def test_json_has_them_too(atlas: Atlas, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["similar", str(atlas.url), "-v1", "--json", "-k", "39"]) == 0
    found = {row["id"]: row for row in map(json.loads, capfd.readouterr().out.splitlines())}
    assert len(found) == 39
    row = found["-v2"]
    assert (row["views"], row["published"], row["at"]) == (2 * 10**15, "2023-01-14", "2023-01-14T12:30:00Z")
    assert (row["length"], row["url"]) == (253.0, "https://example.org/UC%201/watch?v=-v2")
    assert (found["-v4"]["views"], found["-v3"]["url"]) == (None, None)


def test_an_export_has_them_too(atlas: Atlas, tmp_path: Path) -> None:
    export_embedding_atlas(atlas.url, tmp_path)
    table = pq.read_table(tmp_path / "videos.parquet")
    assert {name: table.schema.field(name).type for name in COLUMNS} == TYPES
    assert table["url"][2].as_py() == "https://example.org/UC%201/watch?v=-v2"


def test_the_report_links_its_titles(atlas: Atlas, tables: Any) -> None:
    links = [link for link in tables.titled(Path(atlas.url, "report.html").read_text())["links"] if link]
    assert links
    assert all(link.startswith("https://example.org/UC%201/watch?v=-v") for link in links)


def test_another_link_needs_no_other_vectors(atlas: Atlas, tmp_path: Path) -> None:
    before = {stage: entry["digest"] for stage, entry in atlas._store.manifest()["stages"].items()}
    vidatlas.publish(atlas.url, {"record.url": "https://example.org/{id}"}, SERIAL)
    after = {stage: entry["digest"] for stage, entry in atlas._store.manifest()["stages"].items()}
    assert {stage for stage in before if before[stage] != after[stage]} == {"publish"}
    assert vidatlas.open_atlas(atlas.url).similar("-v1", 1)["url"][0].startswith("https://example.org/-v")
