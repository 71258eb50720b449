"""Promises 6 to 8: rejects are kept and limited, damage is found before any encoder, one line says what went wrong."""

import gzip
import json
import shutil
import struct
import zlib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import vidatlas
from vidatlas.encoders.hashing import HashingSpec
from vidatlas.pipeline.embed.rows import read_shard
from vidatlas.pipeline.plan.shards import load_shards
from vidatlas.storage.lock import Lock
from vidatlas.storage.store import Store
from vidatlas.types import Reason

Main = Callable[[list[str]], int]
Capture = pytest.CaptureFixture[str]


def one_line(capfd: Capture) -> str:
    """Return what standard error says, which is exactly one line."""
    said = capfd.readouterr().err
    assert said.startswith("vidatlas: "), said
    assert said.count("\n") == 1, said
    return said


@pytest.fixture
def no_encoder(monkeypatch: pytest.MonkeyPatch) -> None:
    """Fail the test where an encoder is loaded."""

    def load(spec: HashingSpec, threads: int) -> None:
        raise AssertionError("an encoder was loaded")

    monkeypatch.setattr(HashingSpec, "load", load)


def with_rejects(folder: Path, good: int, bad: int) -> Path:
    """Write a part with so many usable and unusable lines."""
    rows = [json.dumps({"display_id": f"v{n}", "categories": "a", "title": "t", "tags": "x"}) for n in range(good)]
    path = folder / "part.jsonl"
    path.write_text("\n".join([*rows, *["{"] * (bad - 1), "[]"]) + "\n")
    return path


@pytest.mark.usefixtures("no_encoder")
def test_6_too_many_rejects_stop_the_run_with_a_table_of_reasons(
    world: Any, tmp_path: Path, main: Main, capfd: Capture
) -> None:
    part = with_rejects(tmp_path, 95, 5)
    arguments = ["run", "demo", str(part), str(tmp_path / "atlas"), "--set", "encoder={kind: hashing}"]
    assert main([*arguments, "--max-rejects", "0.04"]) == 3
    said = one_line(capfd)
    assert "5 of 100 rows" in said
    assert f"4 invalid_json ({Reason.INVALID_JSON.meaning})" in said
    assert f"1 not_an_object ({Reason.NOT_AN_OBJECT.meaning})" in said
    assert "--max-rejects" in said


def test_6_allowing_more_rejects_goes_on_without_planning_again(
    world: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    part, atlas = str(with_rejects(tmp_path, 95, 5)), str(tmp_path / "atlas")
    options = [vidatlas.Options(runner="serial", max_rejects=share) for share in (0.04, 0.05)]
    with pytest.raises(vidatlas.VidatlasError, match="5 of 100 rows"):
        vidatlas.run(world.recipe(), part, atlas, options[0])

    def plan_part(*arguments: Any) -> None:
        raise AssertionError("planned again")

    monkeypatch.setattr("vidatlas.pipeline.plan.inputs.plan_part", plan_part)
    vidatlas.run(world.recipe(), part, atlas, options[1])
    lost = [gzip.decompress(file.read_bytes()).decode() for file in sorted((tmp_path / "atlas/rejects").iterdir())]
    rejects = [json.loads(line) for line in "".join(lost).splitlines()]
    assert [reject["line"] for reject in rejects] == [96, 97, 98, 99, 100]
    assert [reject["raw"] for reject in rejects] == ["{", "{", "{", "{", "[]"]


def lines(count: int = 3000) -> bytes:
    """Return usable lines that do not compress well, so that a flipped bit hits their bytes."""
    rows = ({"display_id": f"v{n}", "categories": "a", "title": f"{n * 7919 % 10007}"} for n in range(count))
    return b"".join(json.dumps({**row, "tags": ""}).encode() + b"\n" for row in rows)


def flipped(data: bytes, at: int) -> bytes:
    return data[:at] + bytes([data[at] ^ 0x10]) + data[at + 1 :]


WHOLE = gzip.compress(lines(), mtime=0)
DAMAGED = {
    "cut in half": WHOLE[: len(WHOLE) // 2],
    "cut within its trailer": WHOLE[:-3],
    "cut at the trailer": WHOLE[:-8],
    "one bit flipped in the middle": flipped(WHOLE, len(WHOLE) // 2),
    "wrong CRC": flipped(WHOLE, len(WHOLE) - 7),
    "second member damaged": WHOLE + flipped(WHOLE, len(WHOLE) // 2),
    "second member cut": WHOLE + WHOLE[: len(WHOLE) // 2],
    "second member with a wrong CRC": WHOLE + flipped(WHOLE, len(WHOLE) - 7),
    "a gzip header and nothing": WHOLE[:10],
    "gzip magic and noise": b"\x1f\x8b\x08\x00" + bytes(range(256)),
    "stored bytes altered": gzip.compress(lines(10), 0, mtime=0).replace(b'"v5"', b'"w5"'),
}


@pytest.mark.parametrize("defect", list(DAMAGED))
@pytest.mark.usefixtures("no_encoder")
def test_7_damaged_files_are_found_before_an_encoder_is_loaded(
    defect: str, world: Any, tmp_path: Path, main: Main, capfd: Capture
) -> None:
    part, atlas = tmp_path / "part.jsonl.gz", tmp_path / "atlas"
    part.write_bytes(DAMAGED[defect])
    assert main(["run", "demo", str(part), str(atlas), "--set", "encoder={kind: hashing}", "--runner", "serial"]) == 3
    said = one_line(capfd)
    assert str(part) in said
    assert "damaged after line" in said
    assert not (atlas / "embeddings").exists()
    assert not list((atlas / "plan").glob("part*"))


ACCEPTED = {
    "two members": (WHOLE + gzip.compress(b"", mtime=0) + WHOLE, 6000),
    "an empty member": (gzip.compress(b"", mtime=0), 0),
    "an empty file": (b"", 0),
    "zeros behind gzip": (gzip.compress(lines(20), mtime=0) + bytes(10_000), 20),
    "gz that is plain text": (lines(20), 20),
    "no newline at the end": (gzip.compress(lines(20)[:-1], mtime=0), 20),
}


@pytest.mark.parametrize("case", ACCEPTED)
def test_7_what_is_not_damaged_is_read_whole(case: str, world: Any, tmp_path: Path) -> None:
    data, rows = ACCEPTED[case]
    (tmp_path / "part.jsonl.gz").write_bytes(data)
    options = vidatlas.Options(runner="serial", max_rejects=1.0)
    entry = vidatlas.plan(world.recipe(), str(tmp_path / "part.jsonl.gz"), str(tmp_path / "atlas"), options)
    assert entry["counts"]["read"] == rows


def test_6_blank_lines_between_rows_do_not_stop_a_run(world: Any, tmp_path: Path) -> None:
    (tmp_path / "part.jsonl").write_bytes(lines(20).replace(b"\n", b"\r\r\n\n"))
    options = vidatlas.Options(runner="serial")
    entry = vidatlas.plan(world.recipe(), str(tmp_path / "part.jsonl"), str(tmp_path / "atlas"), options)
    assert (entry["counts"]["kept"], entry["counts"]["rejects"]) == (20, {"blank_line": 20})


def test_7_content_that_its_checksum_proves_is_taken_whatever_the_length_beside_it_says(
    world: Any, tmp_path: Path
) -> None:
    part = tmp_path / "part.jsonl.gz"
    part.write_bytes(flipped(WHOLE, len(WHOLE) - 2))
    planned = vidatlas.plan(world.recipe(), str(part), str(tmp_path / "atlas"), vidatlas.Options(runner="serial"))
    assert planned["counts"]["read"] == gzip.decompress(WHOLE).count(b"\n")


def test_7_a_part_that_changed_after_it_was_planned_is_not_embedded(world: Any, tmp_path: Path) -> None:
    part, atlas = tmp_path / "part.jsonl", str(tmp_path / "atlas")
    part.write_bytes(lines(30))
    options = vidatlas.Options(runner="serial")
    planned = vidatlas.plan(world.recipe(), str(part), atlas, options)
    shards = load_shards(Store(atlas))
    part.write_bytes(lines(30).replace(b"v20", b"w20"))
    with pytest.raises(vidatlas.VidatlasError, match=r"changed since it was planned \(rows 13 to 24 differ\)"):
        read_shard(shards[1], world.recipe().record)
    assert read_shard(shards[0], world.recipe().record).num_rows == 12
    assert vidatlas.plan(world.recipe(), str(part), atlas, options)["parts"] != planned["parts"]


def damaged_model(folder: Path, kind: str) -> str:
    """Return a model setting whose folder is absent, pickled, or wants to run code."""
    model = folder / "model"
    if kind != "absent":
        model.mkdir()
        (model / "config.json").write_text(json.dumps({"auto_map": {"AutoModel": "evil.py"}} if kind == "code" else {}))
        (model / ("model.safetensors" if kind == "code" else "pytorch_model.bin")).write_bytes(b"not loaded")
    return f"encoder={{kind: clip, model: {model}}}"


INSTEAD = {"missing file": "gone.jsonl", "pattern without files": "gone*.jsonl", "folder as input": ""}
DAMAGE = {"truncated gzip": "cut in half", "not gzip inside": "gzip magic and noise"}
EXTRA = {
    "no such column": ["--set", "record.id=video_id"],
    "unknown key": ["--set", "encoder.dimension=3"],
    "set without value": ["--set", "encoder"],
    "bad value": ["--set", "source.shard_rows=0"],
    "bad runner": ["--runner", "dask"],
    "bad actors": ["--actors", "2..1"],
    "unknown option": ["--fast"],
}


def arrange(case: str, world: Any, tmp_path: Path) -> list[str]:
    """Set up one wrong command and return it."""
    part, atlas = tmp_path / "part.jsonl.gz", tmp_path / "atlas"
    run = world.arguments("run", atlas)
    if case in INSTEAD:
        return [str(argument).replace("one.jsonl", INSTEAD[case]) for argument in run]
    if case in DAMAGE:
        part.write_bytes(DAMAGED[DAMAGE[case]])
        return [*run[:2], str(part), *run[4:]]
    if case.startswith("model "):
        return [*run, "--set", damaged_model(tmp_path, case.removeprefix("model "))]
    if case == "atlas is a file":
        atlas.write_text("")
        return run
    if case.endswith(" of no atlas"):
        verb = case.removesuffix(" of no atlas")
        return [verb, str(atlas), *([world.inputs[0]] if verb == "assign" else [])]
    return ["run", "dmeo", *run[2:]] if case == "bad recipe" else [*run, *EXTRA[case]]


CASES = {
    "missing file": (3, ["no such file", "gone.jsonl"]),
    "pattern without files": (2, ["no file matches", "gone*.jsonl"]),
    "folder as input": (3, ["is a folder"]),
    "truncated gzip": (3, ["part.jsonl.gz", "damaged", "copy the file again"]),
    "not gzip inside": (3, ["part.jsonl.gz", "damaged"]),
    "no such column": (2, ["video_id", "'display_id', 'categories', 'title', 'tags'"]),
    "model absent": (2, ["model folder", "does not exist"]),
    "model pickled": (2, ["pytorch_model.bin", "safetensors"]),
    "model code": (2, ["auto_map"]),
    "atlas is a file": (2, ["there is a file where a folder is needed", "Name a folder"]),
    "unknown key": (2, ["encoder.dimension"]),
    "set without value": (2, ["--set encoder", "key=value"]),
    "bad value": (2, ["source.shard_rows", "greater than or equal to 1"]),
    "bad runner": (2, ["--runner dask", "ray or serial"]),
    "bad actors": (2, ["--actors 2..1"]),
    "unknown option": (2, ["--fast"]),
    "bad recipe": (2, ["dmeo", "topics, youniverse"]),
    "status of no atlas": (2, ["is not an atlas"]),
    "verify of no atlas": (2, ["nothing sealed"]),
    "reduce of no atlas": (2, ["is not an atlas"]),
    "publish of no atlas": (2, ["is not an atlas"]),
    "assign of no atlas": (2, ["is not done yet"]),
}


@pytest.mark.parametrize("case", CASES)
@pytest.mark.usefixtures("no_encoder")
def test_8_one_line_says_what_went_wrong(case: str, world: Any, tmp_path: Path, main: Main, capfd: Capture) -> None:
    code, words = CASES[case]
    assert main(arrange(case, world, tmp_path)) == code
    said = one_line(capfd)
    assert all(word in said for word in words), said


@pytest.mark.parametrize(("case", "code"), [("pattern without files", 2), ("folder that is missing", 2)])
def test_8_one_line_says_why_nothing_was_assigned(
    case: str, code: int, world: Any, whole: Path, tmp_path: Path, main: Main, capfd: Capture
) -> None:
    new = str(tmp_path / "gone*.jsonl") if case == "pattern without files" else world.inputs[0]
    out = "/proc/none/out.parquet" if case == "folder that is missing" else str(tmp_path / "out.parquet")
    assert main(["assign", str(whole), new, "--out", out]) == code
    one_line(capfd)


def test_8_one_line_says_who_holds_the_atlas(world: Any, tmp_path: Path, main: Main, capfd: Capture) -> None:
    atlas = tmp_path / "atlas"
    with Lock(Store(str(atlas))):
        before = sorted(atlas.rglob("*"))
        assert main(world.arguments("run", atlas)) == 4
        assert "is locked by another run (process " in one_line(capfd)
        assert sorted(atlas.rglob("*")) == before
    assert main(world.arguments("run", atlas)) == 0


def test_8_one_line_says_that_storage_is_unusable(whole: Path, tmp_path: Path, main: Main, capfd: Capture) -> None:
    """A folder stands where a file must be written: the system refuses, and the run says where."""
    atlas = tmp_path / "atlas"
    shutil.copytree(whole, atlas)
    for name in ("README.md", "report.html"):
        (atlas / name).unlink()
        (atlas / name).mkdir()
    assert main(["publish", str(atlas), "--runner", "serial"]) == 5
    assert f"cannot use {atlas}/report.html" in one_line(capfd)


def test_8_the_damage_used_here_is_damage() -> None:
    """The whole file passes gzip's own checks, each damaged one fails them."""
    assert gzip.decompress(WHOLE) == lines()
    for defect, data in DAMAGED.items():
        with pytest.raises((EOFError, gzip.BadGzipFile, zlib.error, struct.error)):
            assert not gzip.decompress(data), defect
