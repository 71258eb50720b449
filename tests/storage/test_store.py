"""The manifest says what is finished; bytes that differ from it are refused."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vidatlas.errors import ConflictError, InputError, UsageError
from vidatlas.storage import store as layout
from vidatlas.storage.json_files import Timings
from vidatlas.storage.manifest import STAGES, digest_of
from vidatlas.storage.mapped import MappedFiles
from vidatlas.storage.store import MANIFEST, SCHEMA, TIMINGS, Files, Store, to_json
from vidatlas.types import Reason, Receipt

COUNTS = {"read": 1, "kept": 1, "rejected": 0, "duplicates": 0, "rejects": {}}
SUMS = dict.fromkeys(("rows", "kept", "texts", "distinct", "tokens", "nodes", "compute_seconds"), 1)
ENTRIES: dict[str, Any] = {
    "plan": {"inputs": ["/a"], "parts": ["a"], "shards": 1, "complete": True, "counts": COUNTS},
    "embed": {
        "encoder": {"model": "m", "dim": 8},
        "counts": {**SUMS, "rejects": {}, "gemm_share": None},
        "hardware": ["cpu"],
    },
    "reduce": {
        "counts": {"rows": 1, "groups": 1, "subcategories": 1, "components": 2},
        "backend": {"name": "sklearn", "version": "1", "device": "cpu"},
        "notes": [],
    },
    "publish": {},
}
ENTRIES = {stage: {**entry, "digest": stage, "files": {}} for stage, entry in ENTRIES.items()}
"""The least that a manifest must say of each stage."""


@pytest.fixture
def store(place: str) -> Store:
    return Store(place)


def test_an_atlas_that_does_not_exist_has_an_empty_manifest(store: Store) -> None:
    assert store.manifest() == {"schema": SCHEMA, "stages": {}}


def test_stages_are_sealed_and_unsealed(store: Store) -> None:
    store.seal("plan", ENTRIES["plan"], {"name": "r"})
    store.seal("embed", ENTRIES["embed"], {"name": "s"})
    expected = {"plan": ENTRIES["plan"], "embed": ENTRIES["embed"]}
    assert store.manifest() == {"schema": SCHEMA, "stages": expected, "recipe": {"name": "s"}}
    assert store.stage("embed") == ENTRIES["embed"]
    store.unseal(["embed", "reduce"])
    assert store.manifest()["stages"] == {"plan": ENTRIES["plan"]}
    with pytest.raises(UsageError, match="embed is not done yet"):
        store.stage("embed")


@pytest.mark.parametrize(("done", "first"), [(0, "run"), (1, "run"), (2, "reduce"), (3, "publish")])
def test_the_first_missing_stage_is_named(done: int, first: str, store: Store) -> None:
    store.write_manifest({"schema": SCHEMA, "stages": {}, "recipe": {"name": "failed"}})
    for stage in STAGES[:done]:
        store.seal(stage, ENTRIES[stage], {"name": "r"})
    with pytest.raises(UsageError, match=f": {STAGES[done]} is not done yet. Run: vidatlas {first}"):
        store.stage("publish")


def test_what_the_manifest_lists_is_read_only_as_it_lists_it(store: Store) -> None:
    entry = {**ENTRIES["plan"], "files": store.put("plan/a", b"first")}
    store.seal("plan", entry, {"name": "r"})
    other = Store(store.url)
    assert other.read("plan/a") == b"first"
    store.folder.put("plan/a", b"wrong")
    for reader in (store, other, Store(store.url)):
        with pytest.raises(InputError, match=r"plan/a was altered.* to make it again: vidatlas run RECIPE"):
            reader.read("plan/a")
        assert not reader.is_sound("plan/a")
    # What this run writes anew may differ from what is listed, here and in its workers.
    store.put("plan/a", b"second")
    assert store.read("plan/a") == pickle.loads(pickle.dumps(store)).read("plan/a") == b"second"
    store.seal("plan", {**entry, "files": store.entry("plan/a")}, {"name": "r"})
    assert other.read("plan/a") == b"second", "it had read the manifest before"


def test_of_two_runs_that_begin_an_atlas_at_once_one_puts_its_manifest(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write_manifest({"schema": SCHEMA, "stages": {}, "recipe": {"name": "first"}})
    monkeypatch.setattr(store.folder, "size", lambda name: None)
    with pytest.raises(ConflictError, match="at the same moment"):
        store.write_manifest({"schema": SCHEMA, "stages": {}, "recipe": {"name": "second"}})
    assert json.loads(store.read(MANIFEST))["recipe"] == {"name": "first"}


def test_unsealing_what_is_not_sealed_writes_nothing(store: Store) -> None:
    store.unseal(["reduce"])
    assert store.folder.size(MANIFEST) is None


def test_unsealing_takes_every_stage_named(store: Store) -> None:
    for stage in STAGES:
        store.seal(stage, ENTRIES[stage], {"name": "r"})
    store.unseal(["embed", "reduce", "publish"])
    assert store.manifest()["stages"] == {"plan": ENTRIES["plan"]}


def test_whoever_changes_a_manifest_changes_it_for_nobody_else(store: Store) -> None:
    store.seal("plan", ENTRIES["plan"], {"name": "r"})
    store.manifest()["stages"].clear()
    assert store.manifest()["stages"] == {"plan": ENTRIES["plan"]}


def test_a_manifest_is_checked_once_and_again_when_it_has_changed(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    checked = []
    real = Store.checked_manifest
    monkeypatch.setattr(Store, "checked_manifest", lambda self, read: (checked.append(read), real(self, read))[1])
    for number in (1, 2):
        store.seal("plan", {**ENTRIES["plan"], "digest": str(number)}, {"name": "r"})
        del checked[:]
        assert [Store(store.url).stage("plan")["digest"] for _ in range(3)] == [str(number)] * 3
        assert len(checked) == 1


def test_an_entry_names_size_and_hash(store: Store) -> None:
    facts = {"sha256": hashlib.sha256(b"data").hexdigest(), "bytes": 4}
    assert store.put("d/a", b"data") == {"d/a": facts} == store.entry("d/a")
    assert store.read("d/a", facts) == b"data"


def test_altered_and_missing_bytes_are_refused_by_name(store: Store) -> None:
    files = store.put("d/a", b"data")
    assert store.intact(files)
    store.folder.put("d/a", b"dat4")
    assert store.intact(files)
    with pytest.raises(InputError, match="d/a was altered"):
        store.read("d/a", files["d/a"])
    store.folder.put("d/a", b"dat")
    assert not store.intact(files)
    store.folder.delete("d/a")
    assert not store.intact(files)
    with pytest.raises(InputError, match="d/a is missing"):
        store.read("d/a", files["d/a"])


def test_another_schema_is_refused(store: Store) -> None:
    store.folder.put(MANIFEST, to_json({"schema": SCHEMA + 1, "stages": {}}))
    with pytest.raises(ConflictError, match=f"another version of vidatlas .schema {SCHEMA + 1}"):
        store.manifest()


def test_a_manifest_cut_short_is_refused(store: Store) -> None:
    store.seal("plan", ENTRIES["plan"], {"name": "r"})
    store.folder.put(MANIFEST, store.read(MANIFEST)[:-5])
    with pytest.raises(InputError, match="is not valid JSON"):
        store.manifest()


def test_receipts_come_back_as_they_were_written(store: Store) -> None:
    receipts = {
        name: Receipt(
            name,
            10,
            7,
            {Reason.DUPLICATE_ID: 2, Reason.NO_TEXT: 1},
            {},
            20,
            15,
            90,
            70,
            0.5,
            0.4,
            1e9,
            2e9,
            worker="cpu",
        )
        for name in ("part-00000", "part-00001")
    }
    for name, receipt in receipts.items():
        store.put(layout.receipt(name), to_json(asdict(receipt)))
    assert store.receipts() == receipts
    assert store.receipts()["part-00000"].duplicates == 2


def test_json_for_people_refuses_what_is_no_json() -> None:
    assert to_json({"b": "é", "a": [1]}) == '{\n  "b": "é",\n  "a": [\n    1\n  ]\n}\n'.encode()
    with pytest.raises(ValueError, match="not JSON compliant"):
        to_json({"silhouette": float("nan")})


def test_one_digest_stands_for_many_files_in_any_order() -> None:
    files = {"a": {"sha256": "1"}, "b": {"sha256": "2"}}
    assert digest_of(files) == digest_of(dict(reversed(files.items())))
    assert digest_of(files) == hashlib.sha256(b"a 1\nb 2\n").hexdigest()
    assert digest_of(files) != digest_of({"a": {"sha256": "2"}, "b": {"sha256": "1"}})


def test_every_kind_of_file_has_a_place_of_its_own() -> None:
    kinds = (
        layout.embeddings,
        layout.rejects,
        layout.receipt,
        layout.attempt,
        layout.reduced,
        layout.assignments,
        layout.suggestion,
    )
    names = [kind("part-00000") for kind in kinds] + list(layout.plan_files("part"))
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    ("files", "key"),
    [
        ([], "files"),
        ({"a": 1}, "files.a"),
        ({"a": {"sha256": "0" * 64, "bytes": "1"}}, "files.a.bytes"),
        ({"a": {"sha256": "0" * 64, "bytes": -1}}, "files.a.bytes"),
        ({"a": {"sha256": "../" * 21 + "x", "bytes": 1}}, "files.a.sha256"),
        ({"a": {"bytes": 1}}, "files.a.sha256"),
    ],
)
def test_a_manifest_whose_files_have_no_hash_or_size_is_refused(store: Store, files: Any, key: str) -> None:
    plan = {**ENTRIES["plan"], "files": files}
    store.folder.put(MANIFEST, to_json({"schema": SCHEMA, "stages": {"plan": plan}}))
    with pytest.raises(
        InputError, match=rf"atlas.json: stages\.plan\.{re.escape(key)}: [^\n]* make the atlas again\.$"
    ):
        store.manifest()


def test_a_table_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    store, table = Store(tmp_path), pa.table({"id": ["a", "b"], "size": pa.array([1, None], pa.int32())})
    files = store.put_table("one.parquet", table)
    assert store.table("one.parquet", files["one.parquet"]).equals(table)
    assert pq.ParquetFile(tmp_path / "one.parquet").metadata.row_group(0).column(0).compression == "ZSTD"


def test_a_stage_without_the_one_before_is_refused(store: Store) -> None:
    store.folder.put(MANIFEST, to_json({"schema": SCHEMA, "stages": {"embed": ENTRIES["embed"]}}))
    with pytest.raises(InputError, match="stages: a stage is listed without plan"):
        store.manifest()


def test_keys_of_another_minor_version_are_kept(store: Store) -> None:
    """They are allowed, and a stage that is listed later does not lose them."""
    store.seal("plan", {**ENTRIES["plan"], "of_later": [1]}, {"name": "r"})
    store.folder.put(MANIFEST, to_json({**store.manifest(), "of_later": {}}))
    store.seal("embed", ENTRIES["embed"], {"name": "r"})
    assert json.loads(store.read(MANIFEST))["of_later"] == {}
    assert json.loads(store.read(MANIFEST))["stages"]["plan"]["of_later"] == [1]


def test_a_receipt_may_say_more_and_a_reason_must_be_known(store: Store) -> None:
    receipt = Receipt("a", 2, 1, {"no_text": 1}, {}, 1, 1, 1, 1, 0.5, 0.5, 1.0, 1.0)
    store.put(layout.receipt("a"), to_json({**asdict(receipt), "of_later": 1}))
    assert store.receipts() == {"a": receipt}
    store.put(layout.receipt("a"), to_json({**asdict(receipt), "rejects": {"invented": 1}}))
    with pytest.raises(
        InputError, match=r"receipts/a\.json: rejects\.[^\n]*invented[^\n]* Delete it; to make it again: vidatlas run"
    ):
        store.receipts()


def test_a_file_that_an_atlas_can_do_without_may_be_damaged(store: Store) -> None:
    assert store.read_json_if_valid(TIMINGS, Timings) is None
    for damage in (b"{", b"[]", b'{"plan": "x"}', b'{"plan": -1}', b'{"plan": true}'):
        store.folder.put(TIMINGS, damage)
        assert store.read_json_if_valid(TIMINGS, Timings) is None
    store.folder.put(TIMINGS, b'{"plan": 1, "embed": 1.5}')
    assert store.read_json_if_valid(TIMINGS, Timings) == {"plan": 1, "embed": 1.5}


def test_a_file_is_written_in_pieces_whole_or_not_at_all(store: Store) -> None:
    files: Files = {}
    with store.writing("index/a", files) as out:
        for piece in (b"one", memoryview(b"two"), b""):
            out.write(piece)
        assert store.folder.size("index/a") is None
    assert files == store.entry("index/a")
    assert store.folder.read("index/a", 2, 4) == b"et"
    with pytest.raises(KeyboardInterrupt), store.writing("index/a", files) as out:
        out.write(b"other")
        raise KeyboardInterrupt
    assert (store.read("index/a"), files) == (b"onetwo", store.entry("index/a"))
    assert store.folder.list("index") == ["index/a"]


def test_a_file_is_mapped_where_it_is_the_one_that_was_stored(store: Store) -> None:
    files = store.put("index/a", b"right")
    assert MappedFiles(store).path("index/a", files["index/a"]).read_bytes() == b"right"
    store.put("index/b", b"wrong")
    other = store.put("index/c", b"other")["index/c"]
    with pytest.raises(InputError, match="index/b was altered"):
        MappedFiles(store).path("index/b", other)
    with pytest.raises(InputError, match="index/d is missing"):
        MappedFiles(store).path("index/d", {**other, "sha256": "0" * 64})


def test_a_file_that_the_cache_dropped_is_copied_again(memory: str) -> None:
    """An app can run for longer than the cache keeps what nobody asked it for."""
    store = Store(memory)
    files = store.put("index/a", b"right")
    mapped = MappedFiles(store)
    mapped.path("index/a", files["index/a"]).unlink()
    assert mapped.path("index/a", files["index/a"]).read_bytes() == b"right"


def test_a_remote_file_is_hashed_in_pieces(memory: str) -> None:
    data, store = bytes(range(256)) * 4_096, Store(memory)
    files = store.put("index/a", data)
    with store.folder.open("index/a") as file:
        assert hashlib.file_digest(file, "sha256").hexdigest() == files["index/a"]["sha256"]  # type: ignore[arg-type]
