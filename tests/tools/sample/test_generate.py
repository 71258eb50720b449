"""Check that the bundled sample is what the generator makes and what its docstring promises."""

import gzip
import json
import re
import subprocess
import sys
from collections import Counter, defaultdict
from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tools.sample.generate import generate, main, write
from tools.sample.line import Line
from vidatlas.sample import sample_path

KEYS = [
    "categories",
    "channel_id",
    "crawl_date",
    "description",
    "dislike_count",
    "display_id",
    "duration",
    "like_count",
    "tags",
    "title",
    "upload_date",
    "view_count",
]
EMOJI = re.compile("[\U0001f300-\U0001faff\u2600-\u27bf]")
REJECT_LIMIT = 0.009
PROMISED_DEFECTS = {
    "duplicate": 3,
    "repeated id": 3,
    "truncated": 2,
    "array": 1,
    "blank": 1,
    "null id": 1,
    "missing id": 1,
    "no text": 3,
    "bad utf-8": 1,
}


@pytest.fixture(scope="module")
def lines() -> list[Line]:
    return generate()


@pytest.fixture(scope="module")
def good(lines: list[Line]) -> list[Line]:
    return [line for line in lines if line.defect is None]


@pytest.fixture(scope="module")
def records(good: list[Line]) -> list[dict[str, Any]]:
    return [json.loads(line.raw) for line in good]


def share(answers: Iterable[bool]) -> float:
    counted = Counter(answers)
    return counted[True] / counted.total()


def tag_list(record: dict[str, Any]) -> list[str]:
    return record["tags"].split(",") if record["tags"] else []


def test_shipped_file_is_what_the_generator_makes(lines: list[Line]) -> None:
    assert gzip.decompress(sample_path().read_bytes()) == b"".join(line.raw + b"\n" for line in lines)


def test_same_seed_same_lines_in_a_fresh_process(lines: list[Line], tmp_path: Path) -> None:
    out = tmp_path / "again.jsonl.gz"
    command = [sys.executable, "-m", "tools.sample.generate", str(out)]
    subprocess.run(command, check=True, env={"PYTHONHASHSEED": "7", "PYTHONPATH": ":".join(sys.path)})
    assert gzip.decompress(out.read_bytes()).split(b"\n")[:-1] == [line.raw for line in lines]


def test_another_seed_gives_other_videos(good: list[Line]) -> None:
    other = {line.raw for line in generate(1)}
    assert not other & {line.raw for line in good}


def test_gzip_header_has_neither_time_nor_name(lines: list[Line], tmp_path: Path) -> None:
    first, second = tmp_path / "a.gz", tmp_path / "b.gz"
    write(lines[:50], first)
    write(lines[:50], second)
    assert first.read_bytes() == second.read_bytes()
    flags, mtime = first.read_bytes()[3], first.read_bytes()[4:8]
    assert (flags, mtime) == (0, bytes(4))


def test_command_line_seed_changes_the_file(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "seeded.jsonl.gz"
    assert main([str(out), "--seed", "1"]) == 0
    assert "lines" in capsys.readouterr().out
    assert gzip.decompress(out.read_bytes()) != gzip.decompress(sample_path().read_bytes())


def test_line_count(lines: list[Line]) -> None:
    assert 2950 <= len(lines) <= 3050


def test_schema(records: list[dict[str, Any]]) -> None:
    for record in records:
        assert list(record) == KEYS
        assert re.fullmatch(r"20\d\d-\d\d-\d\d 00:00:00", record["upload_date"])
        assert re.fullmatch(r"2019-1[012]-\d\d \d\d:\d\d:\d\d\.\d{6}", record["crawl_date"])
        assert record["upload_date"] < record["crawl_date"]
        assert record["channel_id"] is None or re.fullmatch(r"UC[\w-]{22}", record["channel_id"], re.ASCII)
        assert isinstance(record["duration"], int)
        assert isinstance(record["view_count"], int)
        assert isinstance(record["like_count"], int | None)
        assert isinstance(record["dislike_count"], int | None)
        assert isinstance(record["description"], str | None)
    assert len({str(record["display_id"]) for record in records}) == len(records)


def test_no_slot_or_choice_is_left_in_the_text(records: list[dict[str, Any]]) -> None:
    left = re.compile(r"\{\w+\}|<[^<>]*\|[^<>]*>")
    texts = [record[key] or "" for record in records for key in ("title", "tags", "description")]
    assert [text for text in texts if left.search(text)] == []


def test_text_is_not_escaped(good: list[Line]) -> None:
    assert any("ر".encode() in line.raw for line in good)
    assert not any(rb"\u0" in line.raw for line in good)


def test_categories_and_subjects(good: list[Line], records: list[dict[str, Any]]) -> None:
    subjects: defaultdict[str | None, Counter[str | None]] = defaultdict(Counter)
    for line, record in zip(good, records, strict=True):
        subjects[record["categories"]][line.subject] += 1
    assert subjects.pop(None).total() == 3
    assert len(subjects) == 12
    assert all(4 <= len(counts) <= 8 for counts in subjects.values())
    assert sum(len(counts) for counts in subjects.values()) == 66
    assert min(min(counts.values()) for counts in subjects.values()) >= 8
    sizes = sorted(counts.total() for counts in subjects.values())
    assert sizes[-1] > 5 * sizes[0]
    assert all(max(counts.values()) > 1.8 * min(counts.values()) for counts in subjects.values())


def test_tag_shares(records: list[dict[str, Any]]) -> None:
    assert share(record["tags"] == "" for record in records) == pytest.approx(0.12, abs=0.025)
    assert share(record["tags"] is None for record in records) == pytest.approx(0.01, abs=0.006)
    tagged = [tag_list(record) for record in records if record["tags"]]
    assert 8 <= sum(map(len, tagged)) / len(tagged) <= 12
    assert share(any(tag != tag.strip() for tag in tags) for tags in tagged) == pytest.approx(0.15, abs=0.03)
    assert 3 <= sum(len(tag) > 77 for tags in tagged for tag in tags) <= 30
    assert any(tag.isupper() for tags in tagged for tag in tags)


def test_channels_repeat_their_tags_and_come_in_runs(records: list[dict[str, Any]]) -> None:
    by_channel: defaultdict[str, list[set[str]]] = defaultdict(list)
    for record in records:
        if record["channel_id"] and record["tags"]:
            by_channel[record["channel_id"]].append({tag.strip().lower() for tag in tag_list(record)})
    often = [videos for videos in by_channel.values() if len(videos) >= 5]
    assert len(often) > 50
    assert share(len(set.intersection(*videos)) >= 2 for videos in often) > 0.9
    runs = share(a["channel_id"] == b["channel_id"] for a, b in pairwise(records))
    assert 0.2 < runs < 0.8


def test_title_shares(good: list[Line], records: list[dict[str, Any]]) -> None:
    titles = [record["title"] for record in records if record["title"]]
    assert share(line.language != "en" for line in good) == pytest.approx(0.08, abs=0.02)
    languages = Counter(line.language for line in good)
    assert set(languages) == {"en", "es", "pt", "de", "fr", "hi", "ja", "ko", "ar", "ru"}
    assert min(languages.values()) >= 8
    assert share(bool(EMOJI.search(title)) for title in titles) == pytest.approx(0.08, abs=0.02)
    assert share(title.isupper() for title in titles) == pytest.approx(0.07, abs=0.02)
    assert share("#shorts" in title.lower() for title in titles) == pytest.approx(0.012, abs=0.008)
    assert 0.01 < share(len(title) > 77 for title in titles) < 0.06
    assert max(map(len, titles)) <= 100
    assert len(set(titles)) > 0.99 * len(titles)
    assert any("(Official Video)" in title for title in titles)


def test_null_shares(records: list[dict[str, Any]]) -> None:
    promised = {"description": 0.3, "dislike_count": 0.25, "like_count": 0.03, "channel_id": 0.02}
    found = {key: share(record[key] is None for record in records) for key in promised}
    assert found == pytest.approx(promised, abs=0.03)
    assert all(found.values())


def test_strange_but_acceptable_records(good: list[Line], records: list[dict[str, Any]]) -> None:
    assert all(line.subject for line in good)
    assert sum(isinstance(record["display_id"], int) for record in records) == 1
    untitled = [record for record in records if record["title"] is None]
    assert [bool(record["tags"]) for record in untitled] == [True]
    titles = " ".join(record["title"] or "" for record in records)
    assert all(text in titles for text in ("<script>alert(1)</script>", "{{7*7}}", "\u202e", "onerror="))


def test_every_promised_defect_is_there(lines: list[Line]) -> None:
    broken = Counter(line.defect for line in lines if line.defect)
    assert broken == PROMISED_DEFECTS
    assert broken.total() / len(lines) < REJECT_LIMIT
    assert all(line.subject is None for line in lines if line.defect)


def rejection(raw: bytes, seen: dict[str, bytes]) -> str | None:
    """Say why a plain reader, written without looking at the generator, would reject the line."""
    if not raw.strip():
        return "blank"
    try:
        record = json.loads(raw.decode())
    except UnicodeDecodeError:
        return "bad utf-8"
    except json.JSONDecodeError:
        return "truncated"
    return rejection_of_record(record, raw, seen) if isinstance(record, dict) else "array"


def rejection_of_record(record: dict[str, Any], raw: bytes, seen: dict[str, bytes]) -> str | None:
    if "display_id" not in record:
        return "missing id"
    if record["display_id"] is None:
        return "null id"
    if not record["title"] and not record["tags"]:
        return "no text"
    before = seen.setdefault(str(record["display_id"]), raw)
    if before is raw:
        return None
    return "duplicate" if before == raw else "repeated id"


def test_a_plain_reader_finds_the_defects_where_they_are_said_to_be(lines: list[Line]) -> None:
    seen: dict[str, bytes] = {}
    shipped = gzip.decompress(sample_path().read_bytes()).split(b"\n")[:-1]
    assert [rejection(raw, seen) for raw in shipped] == [line.defect for line in lines]
