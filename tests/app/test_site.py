"""What the app answers, without a browser: every page and address of the API, from its address alone."""

from __future__ import annotations

import csv
import io
import json
import re
import shutil
import signal
import socket
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable
from pathlib import Path

import pytest
from starlette.testclient import TestClient

import vidatlas
from vidatlas import Options
from vidatlas.app import library as opening
from vidatlas.app.library import Library
from vidatlas.app.serving import address_of, prepare, serve
from vidatlas.app.site import make_site
from vidatlas.cli.main import main
from vidatlas.errors import InputError, UnavailableError, UsageError
from vidatlas.pipeline.explore import search as finding
from vidatlas.pipeline.explore.listing import subcategory_rows
from vidatlas.recipe import Recipe
from vidatlas.storage.store import Store

HERE = "http://127.0.0.1"
ROWS = 180
RARE = "zyzzyva"


@pytest.fixture(scope="module")
def atlas(
    tmp_path_factory: pytest.TempPathFactory, hashing_recipe: Recipe, make_lines: Callable[..., bytes]
) -> vidatlas.Atlas:
    """Return an atlas of videos with dates, views, channels and links."""
    folder = tmp_path_factory.mktemp("site")
    rows = [json.loads(line) for line in make_lines(ROWS).splitlines()]
    for at, row in enumerate(rows):
        row |= {"view_count": at * 1000 if at % 7 else None, "upload_date": f"2020-01-{at % 28 + 1:02}"}
        row |= {"channel": f"Channel {at % 5}"}
    rows[11]["title"] = f"grammar {RARE} verb 11"
    rows[12]["title"] = "=HYPERLINK(1)"
    part = folder / "videos.jsonl"
    part.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    changes = {"record.columns.channel": "channel", "reduce.clusters.k": 6}
    recipe = vidatlas.load_recipe(hashing_recipe.model_dump(mode="json"), changes)
    return vidatlas.run(recipe, str(part), folder / "atlas", Options(runner="serial"))


@pytest.fixture(scope="module")
def site(atlas: vidatlas.Atlas) -> TestClient:
    """Return a client of the app of that atlas, everything loaded."""
    library = Library(atlas)
    library.open()
    library.warm().join()
    assert library.ready
    assert library.trouble == ""
    return TestClient(make_site(library), HERE, follow_redirects=False)


def titles(page: str) -> list[str]:
    return re.findall(r'class="title" dir="auto"><a [^>]+>([^<]+)</a>', page)


def test_a_visit_starts_somewhere_else_and_can_be_kept(site: TestClient) -> None:
    starts = {site.get("/").headers["location"] for _ in range(8)}
    assert len(starts) > 1
    assert site.get("/").headers["cache-control"] == "no-store"
    address = starts.pop()
    first, again = (titles(site.get(address).text) for _ in range(2))
    assert len(first) == 12
    assert first == again
    more = re.search(r'class="button" href="(/discover[^"#]+)', site.get(address).text)
    assert more
    longer = titles(site.get(more[1].replace("&amp;", "&")).text)
    assert len(longer) == 24
    assert longer[:12] == first


def test_every_card_leads_out_and_on(site: TestClient) -> None:
    page = site.get("/discover?seed=4").text
    out = re.findall(r'<a href="(https://www\.youtube\.com/[^"]+)" target="_blank" rel="noreferrer noopener"', page)
    on = re.findall(r'<p class="on"><a href="(/video\?id=[^"]+)"', page)
    assert len(out) == len(on) == 12
    video = site.get(on[0]).text
    assert re.search(r"<meter[^>]+>0\.\d\d</meter>", video)
    assert "shared tags:" in video or "shared words:" in video
    assert video.count('class="on"') == 12
    assert "Watch on youtube.com" in video


def test_an_exact_title_comes_first_and_a_rare_word_is_found(site: TestClient, atlas: vidatlas.Atlas) -> None:
    for title in atlas.videos()["title"][[5, 60, 100]]:
        assert titles(site.get("/search", params={"q": f"  {title.upper()} "}).text)[0] == title
    found = site.get("/api/search", params={"q": RARE}).json()["videos"][0]
    assert (found["title"], found["match"]) == (f"grammar {RARE} verb 11", "words")
    assert titles(site.get("/search", params={"q": f"guitar {RARE}"}).text)[0] == f"grammar {RARE} verb 11"


def test_search_filters_by_category_date_and_number(site: TestClient) -> None:
    asked = {"q": "guitar", "group": "Music", "views.from": "20000", "published.to": "2020-01-10", "n": "240"}
    where = {"range": ["views:20000..", "published:..2020-01-10"], "group": "music", "q": "guitar", "k": 200}
    found = site.get("/api/search", params=where).json()["videos"]
    assert found
    assert len(found) == len(titles(site.get("/search", params=asked).text))
    for video in found:
        assert video["group"] == "Music"
        assert video["columns"]["views"] >= 20_000
        assert video["columns"]["published"] <= "2020-01-10"
    assert "bounds no range" in site.get("/search", params={"q": "guitar", "views.from": "many"}).text
    assert site.get("/api/search", params={"q": "a", "range": "title:a..b"}).status_code == 400


def test_without_a_question_there_are_examples(site: TestClient) -> None:
    example = re.search(r'<a href="(/search\?q=[^"]+)"', site.get("/search").text)
    assert example
    assert titles(site.get(example[1]).text)


def test_words_are_found_while_the_encoder_is_loaded(atlas: vidatlas.Atlas, monkeypatch: pytest.MonkeyPatch) -> None:
    go = threading.Event()
    monkeypatch.setattr(opening, "function_words", go.wait)
    library = Library(vidatlas.open_atlas(atlas.url))
    library.open()
    loading = library.warm()
    site = TestClient(make_site(library), HERE)
    while not library.words_ready:
        loading.join(0.01)
    answer = site.get("/search", params={"q": RARE})
    assert "encoder is being loaded" in answer.text
    assert answer.headers["refresh"] == "3"
    assert titles(answer.text) == [f"grammar {RARE} verb 11"]
    go.set()
    loading.join()
    assert "refresh" not in site.get("/search", params={"q": RARE}).headers


def test_an_index_of_words_that_cannot_be_made_is_said_once(
    atlas: vidatlas.Atlas, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*of: object) -> None:
        raise UnavailableError("cannot write to the cache /here: disk is full. Free space.")

    monkeypatch.setattr(finding, "Words", full)
    library = Library(vidatlas.open_atlas(atlas.url))
    library.open()
    library.warm().join()
    answer = TestClient(make_site(library), HERE).get("/search", params={"q": RARE})
    assert "Nothing can be searched: cannot write to the cache /here: disk is full." in answer.text
    assert "asks again" not in answer.text
    assert "refresh" not in answer.headers


def test_browse_lists_every_video_in_each_order(site: TestClient, atlas: vidatlas.Atlas) -> None:
    assert site.get("/browse").text.count("&amp;sub=") == len(atlas.subcategories())
    homes = atlas.assignments()
    music = homes[homes["group"] == "Music"]
    first, second = (titles(site.get(f"/browse/videos?group=Music&sort=views&page={at}").text) for at in (1, 2))
    listed = list(atlas.listed("music", sort="views").rows())
    assert [row["title"] for row in listed] == first + second
    assert len(listed) == len(music) > len(first) == 48
    views = [row["views"] for row in listed if row["views"] is not None]
    assert views == sorted(views, reverse=True)
    assert listed[-1]["views"] is None


def test_where_all_categories_were_clustered_together_every_link_leads_to_videos(
    atlas: vidatlas.Atlas, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    together = Path(shutil.copytree(atlas.url, tmp_path / "together"))
    vidatlas.reduce(together, {"reduce.clusters.within": "all"}, Options(runner="serial"))
    vidatlas.publish(together, {}, Options(runner="serial"))
    site = TestClient(prepare(str(together)), HERE)
    sizes = vidatlas.open_atlas(together).subcategories().set_index("subcategory")["size"]
    links = {
        link.replace("&amp;", "&") for link in re.findall(r'href="(/browse/videos[^"]+)"', site.get("/browse").text)
    }
    assert len(links) == len(sizes) + 1
    for link in links:
        number = re.search("sub=([0-9]+)", link)
        count = sizes[int(number[1])] if number else ROWS
        assert f"<p>{count} videos" in site.get(link).text
    assert len(titles(site.get("/compare", params={"a": "3:(all)", "b": ":(all)"}).text)) == 12
    listed = site.get("/api/videos", params={"group": "(ALL)", "subcategory": 3}).json()
    assert listed["total"] == sizes[3]
    found = site.get("/api/search", params={"q": "guitar", "group": "(all)", "k": 240}).json()["videos"]
    assert len({video["group"] for video in found}) > 1
    assert main(["list", str(together), "--group", "(all)", "--subcategory", "3", "--json"]) == 0
    assert [json.loads(line)["id"] for line in capfd.readouterr().out.splitlines()] == [
        video["id"] for video in listed["videos"]
    ]
    assert "'(all)'" in site.get("/api/videos", params={"group": "nope"}).json()["error"]


def test_the_table_of_a_list_is_safe_to_open(site: TestClient, atlas: vidatlas.Atlas) -> None:
    home = atlas.videos().set_index("title").loc["=HYPERLINK(1)"]
    answer = site.get("/browse/videos.csv", params={"group": home["group"], "sort": "published"})
    assert answer.headers["content-disposition"].startswith("attachment")
    # A number in other digits than a header may hold.
    other = site.get("/browse/videos.csv", params={"group": home["group"], "sub": "\u0660"})
    assert other.headers["content-disposition"] == 'attachment; filename="videos-0.csv"'
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert len(rows) == (atlas.videos()["group"] == home["group"]).sum()
    assert "'=HYPERLINK(1)" in [row["title"] for row in rows]
    assert all(row["url"].startswith("https://www.youtube.com/") for row in rows)


def test_two_places_stand_side_by_side(site: TestClient) -> None:
    page = site.get("/compare", params={"a": "0:Music", "b": ":Gaming"}).text
    assert page.count("median views") == page.count("median published") == 2
    assert page.count("Nearest to the centre") == 2
    assert "in both" in site.get("/compare", params={"a": "0:Music", "b": "0:Music"}).text
    assert site.get("/compare", params={"a": "x:Music"}).status_code == 400
    assert site.get("/compare", params={"a": "99:Music"}).status_code == 400


def test_subcategories_stand_in_their_topics_and_peripheral_videos_are_marked(
    site: TestClient, atlas: vidatlas.Atlas
) -> None:
    tree = site.get("/browse").text
    sub = next(row for row in atlas.subcategories().to_dict("records") if len(row["levels"]) and row["peripheral"])
    place = {"group": sub["group"], "sub": sub["subcategory"]}
    page = site.get("/browse/videos", params=place).text
    assert f" · {sub['peripheral']} peripheral</p>" in page
    assert page.count(">peripheral<") + page.count(" · peripheral<") == sub["peripheral"] or sub["size"] > 48
    anchor = re.search(r'href="/browse#(topic-\d+)" dir="auto">([^<]+)<', page)
    assert anchor
    assert anchor[2] == sub["levels"][0]
    assert f'id="{anchor[1]}"><b dir="auto">{anchor[2]}</b>' in tree
    assert " › ".join(sub["levels"]) in {row["levels"] for row in subcategory_rows(atlas.finder)}
    asked = {"group": sub["group"], "subcategory": sub["subcategory"], "count": 1000}
    listed = site.get("/api/videos", params=asked).json()["videos"]
    assert [one["part"] for one in listed].count("peripheral") == sub["peripheral"]


def test_the_api_says_the_same_and_describes_itself(site: TestClient, atlas: vidatlas.Atlas) -> None:
    schema, page = site.get("/api/openapi.json").json(), site.get("/api").text
    calls = {"/api/search", "/api/similar", "/api/suggest", "/api/subcategories", "/api/videos"}
    assert schema["paths"].keys() == calls
    assert all(f"GET {path}" in page for path in calls)
    video = atlas.videos()["id"][3]
    near = site.get("/api/similar", params={"id": video, "k": 5}).json()["videos"]
    assert [one["id"] for one in near] == atlas.similar(video, 5)["id"].tolist()
    liked = site.get("/api/suggest", params={"id": video, "k": 4}).json()["videos"]
    assert [one["id"] for one in liked] == [one.id for one in atlas.suggest(video, 4)]
    assert sum(one["size"] for one in site.get("/api/subcategories").json()) == ROWS
    later = site.get("/api/videos", params={"group": "Music", "first": 5, "count": 3}).json()
    assert [one["id"] for one in later["videos"]] == [row["id"] for row in atlas.listed("Music").rows()][5:8]
    assert "Did you mean 'Music'?" in site.get("/api/videos", params={"group": "Musik"}).json()["error"]
    assert site.get("/api/search", params={"q": "a", "k": 0}).status_code == 422


def test_what_is_not_there_is_said(site: TestClient) -> None:
    assert site.get("/nope").status_code == 404
    assert "There is no such page" in site.get("/nope").text
    gone = site.get("/video", params={"id": "<script>alert(1)</script>"})
    assert gone.status_code == 400
    assert "<script" not in gone.text
    assert site.get("/browse/videos?group=Music&sort=nope").status_code == 400
    assert site.get("/discover?seed=1&n=many").status_code == 400
    assert site.get("/search", params={"q": "a" * 501}).status_code == 400
    assert site.get("/image/0.jpg").status_code == 404
    assert site.get("/browse/videos?group=Music&path=x&values=y").status_code == 200
    many = "9" * 5_000
    for address in (f"/browse/videos?group=Music&sub={many}", f"/compare?a={many}:Music"):
        answer = site.get(address)
        assert answer.status_code == 400
        assert many not in answer.text


def test_it_is_closed(site: TestClient) -> None:
    """No foreign host name, no other method, no cookie, no script but the map's own, in a sandbox."""
    page = site.get("/discover?seed=1")
    assert dict(rule.strip().split(" ", 1) for rule in page.headers["content-security-policy"].split(";")) == {
        "default-src": "'none'",
        **dict.fromkeys(("style-src", "img-src", "frame-src", "form-action"), "'self'"),
        **dict.fromkeys(("base-uri", "frame-ancestors"), "'none'"),
    }
    for answer in (
        page,
        site.get("/api/subcategories"),
        site.get("/nothing"),
        site.get("/browse/videos.csv?group=Music"),
    ):
        kept = [answer.headers[name] for name in ("x-content-type-options", "referrer-policy")]
        kept += [answer.headers[f"cross-origin-{name}-policy"] for name in ("opener", "resource")]
        assert kept == ["nosniff", "no-referrer", "same-origin", "same-origin"]
    assert "<script" not in page.text
    assert " style=" not in page.text
    assert "set-cookie" not in page.headers
    foreign = site.get("/api/subcategories", headers={"Origin": "http://evil.example"})
    assert "access-control-allow-origin" not in foreign.headers
    assert site.post("/search").status_code == 405
    assert site.get("/browse", headers={"Host": "evil.example"}).status_code == 400
    policy = site.get("/map.html").headers["content-security-policy"]
    assert "sandbox allow-scripts" in policy
    assert "allow-same-origin" not in policy
    assert "default-src 'none'" in policy


def test_while_the_atlas_is_published_again_all_but_the_map_is_there(atlas: vidatlas.Atlas, tmp_path: Path) -> None:
    again = Path(shutil.copytree(atlas.url, tmp_path / "again"))
    library = Library(vidatlas.open_atlas(again))
    library.open()
    library.warm().join()
    site = TestClient(make_site(library), HERE)
    manifest = json.loads((again / "atlas.json").read_text())
    del manifest["stages"]["publish"]
    (again / "atlas.json").write_text(json.dumps(manifest))
    video = site.get("/api/videos", params={"group": "Music"}).json()["videos"][0]["id"]
    assert len(titles(site.get("/video", params={"id": video}).text)) == 12
    for address in ("/map", "/map.html", "/map/1/0.bin"):
        answer = site.get(address)
        assert answer.status_code == 503
        assert "the atlas is being published. Try again" in answer.text


def test_it_starts_only_with_an_atlas_that_is_in_order(atlas: vidatlas.Atlas, tmp_path: Path) -> None:
    said: list[str] = []
    with pytest.raises(UsageError, match="is not an atlas"):
        serve(str(tmp_path), 0, "127.0.0.1", said.append)
    broken = Path(shutil.copytree(atlas.url, tmp_path / "broken"))
    data = bytearray((broken / "index" / "videos.parquet").read_bytes())
    data[200] ^= 1
    (broken / "index" / "videos.parquet").write_bytes(data)
    with pytest.raises(InputError, match=r"videos\.parquet was altered"):
        serve(str(broken), 0, "127.0.0.1", said.append)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        with pytest.raises(UsageError, match="cannot listen on"):
            serve(atlas.url, taken.getsockname()[1], "127.0.0.1", said.append)
    assert said == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_it_ends_without_a_word_when_told_to(atlas: vidatlas.Atlas, number: signal.Signals) -> None:
    """A server that a person or a service manager stops has not failed, and has nothing to resume."""
    command = [sys.executable, "-m", "vidatlas", "serve", atlas.url, "--port", "0"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert process.stdout
    address = process.stdout.readline().split()[0]
    with urllib.request.urlopen(address, timeout=60) as answer:  # one that answers takes signals, too
        assert answer.status == 200
    process.send_signal(number)
    assert process.communicate(timeout=120)[1] == ""
    assert process.returncode == 0


def test_it_answers_on_the_loopback_of_ipv6(site: TestClient) -> None:
    assert address_of("::1", 8501) == "http://[::1]:8501"
    assert address_of("127.0.0.1", 8501) == "http://127.0.0.1:8501"
    assert site.get("/browse", headers={"Host": "[::1]:8501"}).status_code == 200


def test_told_to_it_answers_to_any_name(atlas: vidatlas.Atlas) -> None:
    assert TestClient(prepare(atlas.url, "0.0.0.0"), "http://some.name").get("/browse").status_code == 200


def test_an_atlas_on_s3_is_served_from_verified_copies(atlas: vidatlas.Atlas, s3: str) -> None:
    there = Store(s3)
    for file in Path(atlas.url).rglob("*"):
        if file.is_file() and "logs" not in file.parts:
            there.put(str(file.relative_to(atlas.url)), file.read_bytes())
    site = TestClient(prepare(s3), HERE)
    video = site.get("/api/videos", params={"group": "Music"}).json()["videos"][0]["id"]
    assert len(titles(site.get("/video", params={"id": video}).text)) == 12
