"""Whatever the bytes, there are three outcomes: a value, a reject with a reason, or one of our errors in one line.

The corpus holds a few small files for each parser, and what broke one; hypothesis changes their bytes. A finding
becomes a file of the corpus, or a test beside the parser.
"""

from __future__ import annotations

import io
import shutil
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

import vidatlas
from vidatlas.encoders.given import open_vectors, read_vector
from vidatlas.errors import ConflictError, DamagedError, InputError, UnavailableError, UsageError, VidatlasError
from vidatlas.pipeline.embed.rows import kept, read_shard, rejected
from vidatlas.pipeline.names.accepted import _lines
from vidatlas.pipeline.plan.part import PlanSpec, plan_part
from vidatlas.pipeline.plan.shards import descriptors
from vidatlas.search_index import SearchIndex
from vidatlas.sources.cells import holds_objects, is_cut, list_in, read_literal, split_texts
from vidatlas.sources.compression import decompress
from vidatlas.sources.fields import parse_row
from vidatlas.sources.images import UnreadablePictureError, colour_picture, grey_picture, thumbnail
from vidatlas.sources.values.columns import ARROW, typed
from vidatlas.sources.values.links import youtube_id
from vidatlas.sources.values.texts import identifier, label, texts_in
from vidatlas.storage.index_bytes import BadIndexError, check_index
from vidatlas.storage.json_files import Holder, PartFacts
from vidatlas.storage.lock import is_dead
from vidatlas.storage.store import Store
from vidatlas.storage.tensors import read_tensors
from vidatlas.types import Reason, Record, SeekPoint

CORPUS = Path(__file__).with_name("corpus")
LONGEST = 50_000
OURS = (UsageError, InputError, ConflictError, UnavailableError)
"""Not VidatlasError itself, with which a bug is reported."""
TOKENS = [
    *(b"\0", b"\n", b"\r", b'"', b"'", b",", b"[", b"{", b"\\", b"\x1f\x8b", b"PAR1", b"\xef\xbb\xbf", b"\xff\xfe"),
    *(b"\xff" * 4, b"\xff\xff\xff\x7f", b"\xff" * 8, bytes(8), b"\x80" * 4),
    *(b"NaN", b"1e999", b"-1", b"99999999999999999999", b"null", b"\\ud800", b"../", b"sep=;\n", b"[" * 3_000),
]
PLACE = st.integers(0, LONGEST)
EDITS = st.one_of(
    st.tuples(st.just("flip"), PLACE, st.integers(1, 255)),
    st.tuples(st.just("cut"), PLACE, st.just(0)),
    st.tuples(st.just("drop"), PLACE, st.integers(1, 40)),
    st.tuples(st.just("repeat"), PLACE, st.integers(1, 400)),
    st.tuples(st.just("insert"), PLACE, st.integers(0, len(TOKENS) - 1)),
    st.tuples(st.just("overwrite"), PLACE, st.integers(0, len(TOKENS) - 1)),
)


def edited(data: bytes, edits: list[tuple[str, int, int]]) -> bytes:
    """Return bytes after some changes."""
    for how, place, value in edits:
        at = place % (len(data) + 1)
        if how == "flip" and at < len(data):
            data = data[:at] + bytes([data[at] ^ value]) + data[at + 1 :]
        elif how == "cut":
            data = data[:at]
        elif how == "drop":
            data = data[:at] + data[at + value :]
        elif how == "repeat":
            data = data[: at + value] + data[at:]
        elif how in ("insert", "overwrite"):
            token = TOKENS[value]
            data = data[:at] + token + data[at + (len(token) if how == "overwrite" else 0) :]
    return data[:LONGEST]


class Rows:
    """Plan a file, and read its shards back: every row is there again, as a record or with its reason."""

    def __init__(self, form: Any = None) -> None:
        changes = {} if form is None else {"source.format": form}
        self.recipe = vidatlas.load_recipe("demo", {"encoder": {"kind": "hashing", "dim": 8}, **changes})

    def __call__(self, data: bytes, scratch: Path) -> None:
        path, record, rows = scratch / "videos", self.recipe.record, self.recipe.rows
        path.write_bytes(data)
        plan = plan_part(str(path), PlanSpec(record, 3, rows=rows), lambda read, at: None)
        shards = descriptors(plan.facts, plan.shards, str(path), np.empty(0, np.int64))
        tables = [read_shard(shard, record.typed({}), rows) for shard in shards]
        found = sum(kept(table).num_rows for table in tables)
        lost = sum(sum(rejected(table)[1].values()) for table in tables)
        assert sum(table.num_rows for table in tables) == found + lost == plan.facts["rows"]
        assert lost == sum(plan.facts["rejects"].values())


def seek(data: bytes, scratch: Path) -> None:
    """Start in the middle of a gzip file where a table of an atlas says so: its numbers may be any."""
    numbers = np.frombuffer(data[:24].ljust(24, b"\0"), "<u4").tolist()
    window = data[24:60] if numbers[3] % 2 else b""
    packed = (CORPUS / "jsonl" / "two.jsonl.gz").read_bytes()
    for scale in (1 << 32, len(packed) + 2):
        point = SeekPoint(numbers[0] % scale, numbers[1], numbers[2] % 9, window)
        with suppress(DamagedError):
            sum(map(len, decompress(io.BytesIO(packed), "gzip", point)))


def cell(data: bytes, scratch: Path) -> None:
    """Read a cell as everything that it can be."""
    text = data.decode("utf-8", "replace")
    for read in (list_in, read_literal, is_cut, holds_objects, label, youtube_id, read_vector):
        read(text)
    assert isinstance(identifier([text]), str)
    assert all(isinstance(found, str) for found in split_texts(text, ","))
    assert texts_in(text, None) is not None
    texts_in(text, ",")
    for kind in ARROW:
        typed(text, kind)
    row = dict.fromkeys(("display_id", "title", "tags", "categories", "views", "upload_date"), text)
    assert isinstance(parse_row(row, RECORD), Record | Reason)


def manifest(data: bytes, scratch: Path) -> None:
    (scratch / "atlas.json").write_bytes(data)
    store = Store(scratch)
    for stage in store.manifest()["stages"]:
        store.stage(stage)
    vidatlas.status(scratch)


def receipt(data: bytes, scratch: Path) -> None:
    (scratch / "receipts").mkdir(exist_ok=True)
    (scratch / "receipts" / "a.json").write_bytes(data)
    Store(scratch).receipts()


def facts(data: bytes, scratch: Path) -> None:
    (scratch / "part.json").write_bytes(data)
    Store(scratch).read_json("part.json", PartFacts)


def lock(data: bytes, scratch: Path) -> None:
    (scratch / "lock").write_bytes(data)
    holder = Store(scratch).read_json_if_valid("lock", Holder)
    assert holder is None or isinstance(is_dead(holder), bool)


def tensors(data: bytes, scratch: Path) -> None:
    assert all(array.nbytes <= LONGEST for array in read_tensors(data, "file").values())


def index(data: bytes, scratch: Path) -> None:
    """What passes is given to FAISS, which would end the process over most damage."""
    try:
        check_index(data, 40, 4)
    except BadIndexError:
        return
    (scratch / "index").write_bytes(data)
    with suppress(RuntimeError):
        SearchIndex.from_file(scratch / "index", 1, 40, 4)


def vectors(data: bytes, scratch: Path) -> None:
    (scratch / "file.npy").write_bytes(data)
    assert open_vectors.__wrapped__(str(scratch / "file.npy"), None).ndim == 2


def yaml(data: bytes, scratch: Path) -> None:
    (scratch / "recipe.yaml").write_bytes(data)
    vidatlas.load_recipe(str(scratch / "recipe.yaml"))


def names(data: bytes, scratch: Path) -> None:
    assert all(isinstance(name, str) for _, _, name in _lines("names.csv", data))


def image(data: bytes, scratch: Path) -> None:
    (scratch / "a.png").write_bytes(data)
    with suppress(UnreadablePictureError):
        assert grey_picture(scratch / "a.png", (8, 8)).shape == (8, 8)
    with suppress(UnreadablePictureError):
        assert colour_picture(scratch / "a.png", 8, 8).shape == (8, 8, 3)
    with suppress(UnreadablePictureError):
        thumbnail(scratch / "a.png", (8, 8))


RECORD = vidatlas.load_recipe("demo").record
TARGETS: dict[str, Callable[[bytes, Path], None]] = {
    "jsonl": Rows(),
    "csv": Rows("csv"),
    "json": Rows("json"),
    **{
        one.__name__: one for one in (cell, manifest, receipt, facts, lock, tensors, index, vectors, yaml, names, image)
    },
}


def outcome(target: str, data: bytes, scratch: Path) -> None:
    """Parse bytes; let pass what is one of our errors in one line."""
    try:
        TARGETS[target](data, scratch)
    except OURS as error:
        assert type(error) is not VidatlasError
        assert "\n" not in str(error)
        assert len(str(error)) < 5_000


def corpus(target: str) -> list[bytes]:
    return [file.read_bytes() for file in sorted((CORPUS / target).iterdir())]


@pytest.mark.parametrize("target", TARGETS)
def test_the_corpus_is_read(target: str, tmp_path: Path) -> None:
    """At least one file of each target is sound: else its parser would be tried on its first lines alone."""
    sound = 0
    for data in corpus(target):
        with suppress(*OURS):
            TARGETS[target](data, tmp_path)
            sound += 1
        outcome(target, data, tmp_path)
    assert sound


def fuzz(target: str, scratch: Path, most: int, repeatable: bool) -> None:
    files = corpus(target)

    @settings(max_examples=most, derandomize=repeatable, suppress_health_check=list(HealthCheck), database=None)
    @given(st.sampled_from(files), st.lists(EDITS, min_size=1, max_size=4))
    def run(data: bytes, edits: list[tuple[str, int, int]]) -> None:
        outcome(target, edited(data, edits), scratch)

    run()
    shutil.rmtree(scratch)


@pytest.mark.parametrize("target", TARGETS)
def test_changed_bytes_have_an_allowed_outcome(target: str, tmp_path: Path) -> None:
    fuzz(target, tmp_path, 60, repeatable=True)


@settings(max_examples=100)
@given(st.binary(min_size=20, max_size=60))
def test_any_seek_point_has_an_allowed_outcome(data: bytes) -> None:
    seek(data, CORPUS)


@pytest.mark.chaos
@pytest.mark.timeout(3_600)
@pytest.mark.parametrize("target", TARGETS)
def test_many_changed_bytes_have_an_allowed_outcome(target: str, tmp_path: Path) -> None:
    fuzz(target, tmp_path, 3_000, repeatable=False)
