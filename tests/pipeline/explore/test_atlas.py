"""Tables of an atlas are read whole, or in parts by a dataset that holds nothing in memory."""

from __future__ import annotations

from typing import Any

import pyarrow.compute as pc
import pytest

import vidatlas
from vidatlas.errors import UsageError
from vidatlas.storage.store import Store
from vidatlas.storage.tables import dataset


def test_a_dataset_reads_what_is_asked_of_it(small_atlas: Any) -> None:
    atlas = vidatlas.open_atlas(small_atlas.url)
    whole = atlas.table("assignments")
    found = atlas.dataset("assignments")
    assert found.count_rows() == len(whole)
    assert found.to_table(columns=["id"])["id"].to_pylist() == whole["id"].tolist()
    music = found.to_table(columns=["id"], filter=pc.field("group") == "Music")
    assert music["id"].to_pylist() == whole["id"][whole["group"] == "Music"].tolist()
    assert atlas.dataset("subcategories.parquet").count_rows() == len(atlas.subcategories())
    with pytest.raises(UsageError, match="has no table 'nothing'"):
        atlas.dataset("nothing")


def test_a_dataset_of_a_store_is_read_there(small_atlas: Any) -> None:
    table = vidatlas.open_atlas(small_atlas.url)._store.table("subcategories.parquet")
    there = Store("memory://a-dataset/atlas")
    there.put_table("one.parquet", table)
    assert dataset(there, ["one.parquet"]).to_table().num_rows == table.num_rows
