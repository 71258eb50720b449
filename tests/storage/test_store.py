"""The manifest says what is finished; bytes that differ from it are refused."""

from __future__ import annotations

import hashlib
from dataclasses import asdict
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vidatlas.errors import ConflictError, InputError, UsageError
from vidatlas.storage import store as layout
from vidatlas.storage.store import MANIFEST, SCHEMA, Store, digest_of, to_json
from vidatlas.types import Reason, Receipt


@pytest.fixture
def store(place: str) -> Store:
    return Store(place)


def test_an_atlas_that_does_not_exist_has_an_empty_manifest(store: Store) -> None:
    assert store.manifest() == {"schema": SCHEMA, "stages": {}}


def test_stages_are_sealed_and_unsealed(store: Store) -> None:
    store.seal("plan", {"rows": 1, "files": {}}, {"name": "r"})
    store.seal("embed", {"rows": 2, "files": {}}, {"name": "s"})
    expected = {"plan": {"rows": 1, "files": {}}, "embed": {"rows": 2, "files": {}}}
    assert store.manifest() == {"schema": SCHEMA, "stages": expected, "recipe": {"name": "s"}}
    assert store.stage("embed") == {"rows": 2, "files": {}}
    store.unseal(["embed", "reduce"])
    assert store.manifest()["stages"] == {"plan": {"rows": 1, "files": {}}}
    with pytest.raises(UsageError, match="embed is not done yet"):
        store.stage("embed")


def test_of_two_runs_that_begin_an_atlas_at_once_one_puts_its_manifest(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    store.write_manifest({"schema": SCHEMA, "stages": {}, "recipe": {"name": "first"}})
    monkeypatch.setattr(store.folder, "size", lambda name: None)
    with pytest.raises(ConflictError, match="at the same moment"):
        store.write_manifest({"schema": SCHEMA, "stages": {}, "recipe": {"name": "second"}})
    assert store.read_json(MANIFEST)["recipe"] == {"name": "first"}


def test_unsealing_what_is_not_sealed_writes_nothing(store: Store) -> None:
    store.unseal(["reduce"])
    assert store.folder.size(MANIFEST) is None


def test_unsealing_takes_every_stage_named(store: Store) -> None:
    for stage in ("embed", "reduce", "publish"):
        store.seal(stage, {"of": stage, "files": {}}, {})
    store.unseal(["reduce", "publish"])
    assert store.manifest()["stages"] == {"embed": {"of": "embed", "files": {}}}


def test_an_entry_names_size_and_hash(store: Store) -> None:
    facts = {"sha256": hashlib.sha256(b"data").hexdigest(), "bytes": 4}
    assert store.put("d/a", b"data") == {"d/a": facts} == store.entry("d/a")
    assert store.check("d/a", facts) == b"data"


def test_altered_and_missing_bytes_are_refused_by_name(store: Store) -> None:
    files = store.put("d/a", b"data")
    assert store.intact(files)
    store.folder.put("d/a", b"dat4")
    assert store.intact(files)
    with pytest.raises(InputError, match="d/a was altered"):
        store.check("d/a", files["d/a"])
    store.folder.put("d/a", b"dat")
    assert not store.intact(files)
    store.folder.delete("d/a")
    assert not store.intact(files)
    with pytest.raises(InputError, match="d/a is missing"):
        store.check("d/a", files["d/a"])


def test_another_schema_is_refused(store: Store) -> None:
    store.folder.put(MANIFEST, to_json({"schema": SCHEMA + 1, "stages": {}}))
    with pytest.raises(ConflictError, match=f"another version of vidatlas .schema {SCHEMA + 1}"):
        store.manifest()


def test_a_manifest_cut_short_is_refused(store: Store) -> None:
    store.seal("plan", {}, {})
    store.folder.put(MANIFEST, store.read(MANIFEST)[:-5])
    with pytest.raises(InputError, match="is not valid JSON"):
        store.manifest()


def test_receipts_come_back_as_they_were_written(store: Store) -> None:
    receipts = {
        name: Receipt(
            name, 10, 7, {Reason.DUPLICATE_ID: 2, Reason.NO_TEXT: 1}, {}, 20, 15, 90, 70, 0.5, 0.4, 1e9, 2e9, "cpu"
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
    kinds = (layout.embeddings, layout.rejects, layout.receipt, layout.attempt, layout.reduced, layout.assignments)
    names = [kind("part-00000") for kind in kinds] + list(layout.plan_files("part"))
    assert len(set(names)) == len(names)


@pytest.mark.parametrize(
    "entry", [[], {"rows": 1}, {"files": []}, {"files": {"a": 1}}, {"files": {"a": {"sha256": "0", "bytes": "1"}}}]
)
def test_a_manifest_whose_files_have_no_hash_or_size_is_refused(store: Store, entry: object) -> None:
    store.write_manifest({"schema": SCHEMA, "stages": {"plan": entry}})
    with pytest.raises(InputError, match="files without a hash or size"):
        store.manifest()


def test_a_table_comes_back_as_it_was_stored(tmp_path: Path) -> None:
    store, table = Store(tmp_path), pa.table({"id": ["a", "b"], "size": pa.array([1, None], pa.int32())})
    files = store.put_table("one.parquet", table)
    assert store.table("one.parquet", files["one.parquet"]).equals(table)
    assert pq.ParquetFile(tmp_path / "one.parquet").metadata.row_group(0).column(0).compression == "ZSTD"
