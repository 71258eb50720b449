"""Given vectors: what a cell may hold, which are unusable, and .npy files."""

from __future__ import annotations

import base64
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from vidatlas.encoders.given import GivenSpec, GivenVectors, open_vectors, read_vector
from vidatlas.errors import InputError, UsageError
from vidatlas.recipe import load_recipe
from vidatlas.types import EncodeStats, Reason

COLUMN = {"kind": "given", "column": "v"}


@pytest.mark.parametrize(
    "cell",
    [
        [0.5, -2, 3e3],
        "[0.5, -2, 3e3]",
        "[ 0.5   -2.\n 3.0e+03]",
        "0.5,-2,3e3",
        "{0.5,-2,3000}",
        base64.b64encode(np.array([0.5, -2, 3e3], "<f4").tobytes()).decode(),
    ],
)
def test_a_cell_holds_a_list_a_list_as_text_or_base64(cell: Any) -> None:
    found = read_vector(cell)
    assert found is not None
    assert found.dtype == np.float32
    assert found.tolist() == [0.5, -2, 3000]


@pytest.mark.parametrize(
    "cell",
    [None, 1.5, {}, [[1, 2]], ["a"], [1, {}], [10**400], "text", "[1, two]", "[1, ..., 2]", "é", "AAAA", [1, [2]]],
)
def test_anything_else_is_no_vector(cell: Any) -> None:
    assert read_vector(cell) is None
    assert GivenVectors("v").of(0, {"v": cell}) is Reason.INVALID_VECTOR


@given(st.none() | st.text() | st.lists(st.floats() | st.integers() | st.text() | st.none()))
def test_no_cell_raises_and_what_is_read_is_finite_in_float16(cell: Any) -> None:
    found = GivenVectors("v").of(0, {"v": cell})
    assert found is Reason.INVALID_VECTOR or np.isfinite(np.asarray(found).astype(np.float16)).all()


@pytest.mark.parametrize(
    "cell", [[], "", [1, float("nan")], [1, float("inf")], [1, 65_505], [1, 1e300], [1, None], [1], [1, 2, 3]]
)
def test_a_vector_of_another_length_or_with_a_number_that_float16_lacks_is_unusable(cell: Any) -> None:
    assert GivenVectors("v", dim=2).of(0, {"v": cell}) is Reason.INVALID_VECTOR
    assert not isinstance(GivenVectors("v", dim=2).of(0, {"v": [65_504, -65_504]}), Reason)
    assert GivenVectors("v", dim=2).of(0, {}) is Reason.INVALID_VECTOR


@pytest.mark.parametrize(("size", "usable"), [(1e-6, (True, True)), (1e-8, (False, True)), (1e-30, (False, False))])
def test_a_vector_that_float16_makes_zeros_of_is_unusable(size: float, usable: tuple[bool, bool]) -> None:
    row = {"v": [size, -size]}
    found = [GivenVectors("v", scaled=scaled).of(0, row) for scaled in (False, True)]
    assert tuple(not isinstance(one, Reason) for one in found) == usable


@pytest.mark.parametrize("kind", ["<f2", "<f4", ">f4", "<f8", "i1"])
def test_rows_of_a_file_are_those_of_the_input(tmp_path: Path, kind: str) -> None:
    file = tmp_path / "vectors.npy"
    np.save(file, np.array([[1, 2], [-3, 4]], kind))
    spec = GivenSpec(file=str(file))
    assert spec.inspect().dim == 2
    found = spec.vectors().of(1, {})
    assert not isinstance(found, Reason)
    assert (found.dtype, found.tolist()) == (np.float32, [-3, 4])
    assert spec.vectors().of(2, {}) is Reason.INVALID_VECTOR


def test_a_file_that_holds_no_vectors_is_refused_in_a_line(tmp_path: Path) -> None:
    cases = {
        "objects.npy": np.array([{}], object),
        "flat.npy": np.zeros(3, np.float32),
        "counts.npy": np.zeros((3, 2), np.int64),
    }
    for name, array in cases.items():
        np.save(tmp_path / name, array, allow_pickle=True)
    np.savez(tmp_path / "archive.npz", np.zeros((2, 2)))
    (tmp_path / "text.npy").write_text("0.5 0.5")
    for name in (*cases, "archive.npz", "text.npy"):
        with pytest.raises(InputError, match=rf"{name} .*numpy\.save") as error:
            GivenSpec(file=str(tmp_path / name)).inspect()
        assert "\n" not in str(error.value)
    with pytest.raises(InputError, match=r"no such file: .*absent"):
        GivenSpec(file=str(tmp_path / "absent.npy")).inspect()


@pytest.mark.parametrize(
    "header",
    [
        "{'descr': '<f4', 'fortran_order': False, 'shape': (" + "-" * 9_000 + "1, 2), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999999, 4), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (1000000000000000, 2), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (-2, -2), }",
        "{'descr': '<f4', 'fortran_order': False, 'shape': (True, 4), }",
        "__import__('os').abort()",
        "PK",
    ],
    ids=["deep", "beyond 64 bits", "overflow", "huge", "negative", "bool", "code", "zip"],
)
@pytest.mark.filterwarnings("ignore:overflow encountered")
def test_a_hostile_header_is_refused_in_a_line(header: str, tmp_path: Path) -> None:
    file = tmp_path / "vectors.npy"
    length = struct.pack("<H", len(header) + 1)
    file.write_bytes(b"PK\3\4" if header == "PK" else b"\x93NUMPY\1\0" + length + header.encode() + b"\n" + bytes(64))
    with pytest.raises(InputError, match=r"vectors\.npy is not a \.npy file of vectors \(.+\)"):
        GivenSpec(file=str(file)).inspect()


def test_a_file_that_is_another_one_now_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "vectors.npy"
    np.save(file, np.zeros((2, 2), np.float32))
    planned = GivenSpec(file=str(file)).vectors()
    planned.require_unchanged()
    np.save(file, np.ones((3, 2), np.float32))
    with pytest.raises(InputError, match=r"vectors\.npy changed since it was planned"):
        planned.require_unchanged()
    now = GivenSpec(file=str(file)).vectors()
    assert len(open_vectors(str(file), now.state)) == 3


def test_the_stand_in_has_a_width_and_encodes_nothing() -> None:
    encoder = GivenSpec(column="v").load_planned(3)
    assert encoder.identity == {"model": "given vectors (column v)", "dim": 3}
    with pytest.raises(UsageError, match="Search by an id"):
        encoder.encode(["text"], EncodeStats())


@pytest.mark.parametrize(
    ("encoder", "words"),
    [
        ({"kind": "given"}, "set encoder.column or encoder.file"),
        ({**COLUMN, "file": "v.npy"}, "set encoder.column or encoder.file"),
        ({"kind": "given", "file": "s3://bucket/v.npy"}, "must be a local path"),
        ({**COLUMN, "dim": 0}, "encoder.dim"),
    ],
)
def test_a_place_is_named_once(encoder: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        load_recipe("demo", {"encoder": encoder})


def test_no_field_weighs_anything_where_vectors_are_given() -> None:
    recipe = load_recipe("demo", {"encoder": COLUMN})
    assert {field.weight for field in recipe.record.fields.values()} == {0}
    assert recipe.rows.vector == "v"
    assert load_recipe(recipe.model_dump(mode="json")) == recipe
    bare = {"name": "x", "record": {"id": "id", "title": "title", "fields": {"title": {"column": "title"}}}}
    assert load_recipe({**bare, "encoder": COLUMN}).record.embedded() == {}
    with pytest.raises(UsageError, match=r"record\.fields\.title\.weight"):
        load_recipe({**bare, "encoder": {"kind": "hashing"}})
    bare["record"]["fields"]["title"]["weight"] = 0  # type: ignore[index]
    with pytest.raises(UsageError, match="nothing to embed"):
        load_recipe({**bare, "encoder": {"kind": "hashing"}})


def test_a_row_is_one_record_where_vectors_are_given() -> None:
    with pytest.raises(UsageError, match=r"source\.explode"):
        load_recipe("tiktok-hashtags", {"encoder": COLUMN})


def test_only_given_vectors_change_the_plan() -> None:
    one, other = (load_recipe("demo", {"encoder": {**COLUMN, "dim": dim}}) for dim in (2, 3))
    scaled = load_recipe("demo", {"encoder": {**COLUMN, "dim": 2}, "mix.normalize": not one.mix.normalize})
    assert len({recipe.fingerprint("plan") for recipe in (one, other, scaled)}) == 3
    assert list(load_recipe("demo").settings("plan")) == ["source", "record"]
