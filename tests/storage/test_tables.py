"""Reduced vectors are sorted by group, and a group is read back without the others."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from vidatlas.storage import store as layout
from vidatlas.storage.store import Store
from vidatlas.storage.tables import group_rows, grouped_parquet, split_rows

GROUPS = ["Music", "Éducation", "Music", "Games", "Music", "(none)", "日本"]
COMPONENTS = np.arange(21, dtype=np.float32).reshape(7, 3)


def written(groups: list[str], components: np.ndarray) -> bytes:
    ids = [f"id{row}" for row in range(len(groups))]
    table = pa.table({"id": pa.array(ids, pa.string()), "group": pa.array(groups, pa.string())})
    return grouped_parquet(table, components)


def test_each_group_comes_back_with_its_own_rows_in_order(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.put(layout.reduced("s"), written(GROUPS, COMPONENTS))
    for group in GROUPS:
        mine = [row for row, name in enumerate(GROUPS) if name == group]
        np.testing.assert_array_equal(group_rows(store, "s", group), COMPONENTS[mine])
    assert group_rows(store, "s", "absent").shape[0] == 0


def test_each_group_is_one_row_group_and_rows_remember_their_place() -> None:
    file = pq.ParquetFile(io.BytesIO(written(GROUPS, COMPONENTS)))
    assert file.num_row_groups == len(set(GROUPS))
    for at in range(file.num_row_groups):
        assert len(set(file.read_row_group(at)["group"].to_pylist())) == 1
    table = file.read()
    assert table["id"].to_pylist() == [f"id{row}" for row in table["row"].to_pylist()]
    assert [GROUPS[row] for row in table["row"].to_pylist()] == table["group"].to_pylist()
    assert sorted(table["row"].to_pylist()) == list(range(len(GROUPS)))


def test_the_same_rows_give_the_same_bytes() -> None:
    assert written(GROUPS, COMPONENTS) == written(GROUPS, COMPONENTS)


def test_a_shard_without_rows_has_no_groups(tmp_path: Path) -> None:
    store = Store(str(tmp_path))
    store.put(layout.reduced("s"), written([], np.empty((0, 3), np.float32)))
    assert group_rows(store, "s", "Music").shape[0] == 0


def test_chosen_rows_are_found_in_the_tables_that_hold_them() -> None:
    found = list(split_rows([("a", 3), ("b", 0), ("c", 4), ("d", 2)], np.array([0, 2, 7, 8])))
    assert [(table, rows.tolist()) for table, rows in found] == [("a", [0, 2]), ("d", [0, 1])]
