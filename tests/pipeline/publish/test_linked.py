"""Links of the report are made of the columns they name, and the vectors stay unread."""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vidatlas.pipeline.publish import linked
from vidatlas.recipe import load_recipe
from vidatlas.storage.store import Store, embeddings


def test_links_read_ids_and_their_columns_until_all_are_found(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    store, shards = Store(str(tmp_path)), ["a-0", "a-1", "a-2"]
    for number, shard in enumerate(shards):
        path = tmp_path / embeddings(shard)
        path.parent.mkdir(parents=True, exist_ok=True)
        vectors = pa.FixedSizeListArray.from_arrays(pa.array(np.zeros(8, np.float32)), 4)
        ids = [f"v{number}", f"w{number}"]
        pq.write_table(pa.table({"id": ids, "channel": ["A b", None], "embedding": vectors}), path)
    read: list[tuple[str, ...]] = []
    whole = pq.ParquetFile.read

    def reading(self: Any, columns: Any = None) -> Any:
        read.append(tuple(columns))
        return whole(self, columns=columns)

    monkeypatch.setattr(pq.ParquetFile, "read", reading)
    monkeypatch.setattr(linked, "sealed_shards", lambda entry: [(shard, {}) for shard in shards])
    monkeypatch.setattr(Store, "stage", lambda self, name: {})
    url = "https://example.org/{channel}/{id}"
    recipe = load_recipe("demo", {"record.columns": {"channel": "channel_title"}, "record.url": url})
    table = [{"exemplars": ["v1"]}, {"exemplars": ["v0", "w0"]}]
    found = linked.exemplar_links(recipe, store, cast(Any, table))
    assert found == {"v0": "https://example.org/A%20b/v0", "w0": "", "v1": "https://example.org/A%20b/v1"}
    assert read == [("id", "channel")] * 2
