"""Parquet and Arrow IPC: a type that a file names is never built, at any depth; plain data is read as before."""

from __future__ import annotations

import base64
import io
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from vidatlas.errors import InputError
from vidatlas.storage.parquet import open_arrow, open_mapped, open_parquet, read_stream, write_mapped

BUILT: list[str] = []


class Loaded(pa.ExtensionType):  # type: ignore[misc]
    """Write down that it was built."""

    def __init__(self) -> None:
        super().__init__(pa.large_binary(), "tests.loaded")

    def __arrow_ext_serialize__(self) -> bytes:
        return b""

    @classmethod
    def __arrow_ext_deserialize__(cls, storage: Any, serialized: bytes) -> Loaded:
        BUILT.append("tests.loaded")
        return cls()


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    """Let pyarrow know a type that runs code of Python when a file names it."""
    BUILT.clear()
    pa.register_extension_type(Loaded())
    yield
    pa.unregister_extension_type("tests.loaded")


def parquet(table: pa.Table) -> bytes:
    out = io.BytesIO()
    pq.write_table(table, out)
    return out.getvalue()


def stream(table: pa.Table) -> pa.Buffer:
    out = pa.BufferOutputStream()
    with pa.ipc.new_stream(out, table.schema) as writer:
        writer.write_table(table)
    return out.getvalue()


def named(name: str, kind: pa.DataType) -> pa.Field:
    """Return a field that plain pyarrow writes and any reader takes for an extension type."""
    return pa.field(name, kind, metadata={"ARROW:extension:name": "tests.loaded", "ARROW:extension:metadata": ""})


BYTES = pa.large_binary()
INSIDE = {
    "itself": (named("title", BYTES), b"x"),
    "a list's items": (pa.field("title", pa.list_(named("item", BYTES))), [b"x"]),
    "a field of a struct": (pa.field("title", pa.struct([named("text", BYTES)])), {"text": b"x"}),
    "a map's values": (pa.field("title", pa.map_(pa.string(), named("value", BYTES))), [("key", b"x")]),
}


def table_of(field: pa.Field, value: Any) -> pa.Table:
    # Built without the name, then called by it: pyarrow's own arrays would be of the registered type.
    message = pa.schema([field]).serialize().to_pybytes().replace(b"ARROW:extension", b"arrow:extension")
    bare = pa.ipc.read_schema(pa.py_buffer(message))
    return pa.table([pa.array([value], bare.field(0).type)], schema=pa.schema([field]))


READERS: dict[str, Callable[[pa.Table], Any]] = {
    "parquet": lambda table: open_parquet(io.BytesIO(parquet(table))),
    "stream": lambda table: read_stream(stream(table)),
    "file of a stream": lambda table: open_arrow(io.BytesIO(stream(table).to_pybytes())),
}


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("where", INSIDE)
def test_a_named_type_is_refused_and_never_built(where: str, reader: str) -> None:
    with pytest.raises(InputError, match=r"column 'title' has the extension type tests\.loaded"):
        READERS[reader](table_of(*INSIDE[where]))
    assert BUILT == []


NESTED: dict[str, Callable[[pa.Field], pa.DataType]] = {
    "a large list": pa.large_list,
    "a list of one length": lambda item: pa.list_(item, 1),
    "a list view": pa.list_view,
    "a list of structs of lists": lambda item: pa.list_(pa.struct([pa.field("a", pa.list_(item))])),
    "a map's keys": lambda item: pa.map_(item.with_nullable(False), pa.string()),
    "a dictionary of structs": lambda item: pa.dictionary(pa.int32(), pa.struct([item])),
    "a dictionary of lists": lambda item: pa.dictionary(pa.int32(), pa.list_(item)),
    "a dictionary": lambda item: pa.dictionary(pa.int32(), Loaded()),
    "a union": lambda item: pa.dense_union([item, pa.field("other", pa.string())]),
    "a run of lists": lambda item: pa.run_end_encoded(pa.int32(), pa.list_(item)),
}


@pytest.mark.parametrize("reader", ["parquet", "stream"])
@pytest.mark.parametrize("where", NESTED)
def test_a_named_type_is_found_at_any_depth(where: str, reader: str) -> None:
    """The second of two columns is refused for what its schema says alone: no value needs to be there."""
    schema = pa.schema([pa.field("id", pa.string()), pa.field("title", NESTED[where](named("item", BYTES)))])
    table, out, sent = pa.table({"id": ["a"], "title": [b"x"]}), io.BytesIO(), pa.BufferOutputStream()
    with pq.ParquetWriter(out, table.schema, store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"ARROW:schema": base64.b64encode(schema.serialize().to_pybytes())})
    with pa.ipc.new_stream(sent, schema):
        pass
    BUILT.clear()  # pyarrow built it to write it
    with pytest.raises(InputError, match=r"column 'title' has the extension type tests\.loaded"):
        open_parquet(out) if reader == "parquet" else open_arrow(io.BytesIO(sent.getvalue().to_pybytes()))
    assert BUILT == []


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("kind", [Loaded(), pa.fixed_shape_tensor(Loaded(), [1])], ids=["itself", "a tensor of it"])
def test_what_pyarrow_made_of_a_file_is_checked_too(
    kind: pa.DataType, reader: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A type that no name in the file's bytes told: Parquet has types of its own that pyarrow turns into extensions."""
    monkeypatch.setattr("vidatlas.storage.parquet._bare_schema", lambda message: pa.schema([]))
    storage = pa.list_(Loaded(), 1) if isinstance(kind, pa.FixedShapeTensorType) else BYTES
    items = pa.FixedSizeListArray.from_arrays(pa.ExtensionArray.from_storage(Loaded(), pa.array([], BYTES)), 1)
    table = pa.table(
        {"title": pa.ExtensionArray.from_storage(kind, items if storage != BYTES else pa.array([], BYTES))}
    )
    with pytest.raises(InputError, match=r"column 'title' has the extension type tests\.loaded"):
        READERS[reader](table)


def test_a_mapped_file_is_checked_before_its_values_are(tmp_path: Path) -> None:
    table = pa.table({"title": pa.array([], Loaded())})
    write_mapped(tmp_path / "mapped.arrow", table.schema, [table])
    with pytest.raises(InputError, match=r"column 'title' has the extension type tests\.loaded"):
        open_mapped(tmp_path / "mapped.arrow")


def test_the_canary_is_alive() -> None:
    """Opened by pyarrow alone, the same file has the type built: the tests above can fail."""
    pq.ParquetFile(io.BytesIO(parquet(table_of(*INSIDE["itself"]))))
    assert BUILT


@pytest.mark.parametrize("reader", READERS)
def test_a_type_of_a_library_is_refused_by_name(reader: str) -> None:
    periods = pa.Table.from_pandas(pd.DataFrame({"month": pd.period_range("2020", periods=2, freq="M")}))
    with pytest.raises(InputError, match=r"'month' has the extension type pandas\.period"):
        READERS[reader](periods)


def test_arrows_own_types_are_read() -> None:
    key = uuid.uuid4()
    table = pa.table(
        {
            "id": pa.array([key.bytes], pa.uuid()),
            "text": pa.array(['{"a": 1}'], pa.json_()),
            "kind": pa.array(["x"]).dictionary_encode(),
            "vector": pa.FixedShapeTensorArray.from_numpy_ndarray(np.zeros((1, 2, 2), np.float32)),
        }
    )
    assert open_parquet(io.BytesIO(parquet(table))).read()["id"].to_pylist() == [key]
    assert read_stream(stream(table)).equals(table)


def test_the_words_in_a_value_are_no_type() -> None:
    table = pa.table({"title": ["ARROW:extension:name", "ARROW.extension.name"]})
    assert open_parquet(io.BytesIO(parquet(table))).read().equals(table)


def stored(field: pa.Field) -> bytes:
    return base64.b64encode(pa.schema([field]).serialize().to_pybytes())


def test_a_harmless_schema_ahead_of_the_stored_one_hides_nothing() -> None:
    """What stands under the name that the check looks for must not be taken for the schema."""
    table, out = pa.table({"title": pa.array([b"x"], BYTES)}), io.BytesIO()
    with pq.ParquetWriter(out, table.schema, store_schema=False) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"ARROW.schema": stored(pa.field("title", BYTES))})
        writer.add_key_value_metadata({"ARROW:schema": stored(named("title", BYTES))})
    with pytest.raises(InputError, match="twice"):
        open_parquet(io.BytesIO(out.getvalue()))
    assert BUILT == []


def test_a_schema_that_is_stored_twice_is_refused() -> None:
    """So is one of which the second place could make up for bytes that the check has changed."""
    table, out = pa.table({"title": pa.array([b"x"], BYTES)}), io.BytesIO()
    with pq.ParquetWriter(out, table.schema) as writer:
        writer.write_table(table)
        writer.add_key_value_metadata({"other": "ARROW:schema"})
    with pytest.raises(InputError, match="twice"):
        open_parquet(io.BytesIO(out.getvalue()))


@pytest.mark.parametrize("reader", READERS)
def test_a_name_under_the_other_key_hides_nothing(reader: str) -> None:
    field = named("title", BYTES).with_metadata(
        {"ARROW.extension.name": "arrow.json", "ARROW:extension:name": "tests.loaded", "ARROW:extension:metadata": ""}
    )
    with pytest.raises(InputError, match="extension type"):
        READERS[reader](table_of(field, b"x"))
    assert BUILT == []


def test_the_words_where_no_type_belongs_are_refused() -> None:
    table = pa.table({"title": ["x"]}).replace_schema_metadata({"a": "ARROW:extension:name"})
    with pytest.raises(InputError, match="in an unexpected place"):
        open_parquet(io.BytesIO(parquet(table)))


def test_a_schema_that_two_readers_could_read_differently_is_refused() -> None:
    """Signs that are not of base64 may be skipped by one decoder and end another."""
    whole = parquet(table_of(*INSIDE["itself"]))
    first = base64.b64encode(pa.schema([named("title", BYTES)]).serialize().to_pybytes())[:8]
    assert whole.count(first) == 1
    with pytest.raises(pa.ArrowInvalid, match="not valid base64"):
        open_parquet(io.BytesIO(whole.replace(first, b"****" + first[4:])))
    assert BUILT == []


@pytest.mark.parametrize(
    "data",
    [b"", b"PAR1", b"x" * 100, b"PAR1" + bytes(8) + b"PAR1", b"PAR1" + b"\xff" * 40 + b"\x20\0\0\0PAR1", b"PAR1" * 3],
    ids=range(6),
)
def test_what_is_no_parquet_is_an_error_of_arrow(data: bytes) -> None:
    with pytest.raises((pa.ArrowException, OSError)):
        open_parquet(io.BytesIO(data))
