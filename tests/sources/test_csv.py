"""Tables come back as they were written, shard by shard; rows that are none get a reason and their line."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from vidatlas.errors import InputError
from vidatlas.pipeline.embed.rows import read_shard
from vidatlas.pipeline.plan.part import PartPlan, PlanSpec, plan_part
from vidatlas.pipeline.plan.shards import descriptors
from vidatlas.sources import csv as tables
from vidatlas.sources.csv import CsvSpec
from vidatlas.sources.fields import RecordSpec, TextField
from vidatlas.sources.rows import RowSpec
from vidatlas.sources.shards import shard_rows
from vidatlas.types import Reason, Shard

RECORD = RecordSpec(id="id", title="text", fields={"text": TextField(column="text", weight=1)})
CELLS = st.text(st.sampled_from(list('ab ",;\n\r\t\0é')), max_size=8)
TABLES = st.integers(1, 4).flatmap(
    lambda width: st.lists(st.lists(CELLS, min_size=width, max_size=width), min_size=1, max_size=12)
)


def shards_of(path: Path, form: CsvSpec, shard_rows: int = 2) -> tuple[PartPlan, list[Shard]]:
    spec = RecordSpec(id="0", title="t", fields={"t": TextField(column="0", weight=1)})
    plan = plan_part(str(path), PlanSpec(spec, shard_rows, rows=RowSpec(form)), lambda rows, at: None)
    return plan, descriptors(plan.facts, plan.shards, str(path), np.empty(0, np.int64))


def read_all(shards: list[Shard], form: CsvSpec) -> list[Any]:
    rows = RowSpec(form)
    return [
        found
        for shard in reversed(shards)
        for _, raw in shard_rows(shard, rows)
        for found in rows.read(raw, shard.columns)
    ]


@settings(max_examples=150, deadline=None)
@given(
    TABLES,
    st.sampled_from(["\n", "\r\n"]),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from([csv.QUOTE_MINIMAL, csv.QUOTE_ALL, csv.QUOTE_NONNUMERIC]),
    st.sampled_from(["utf-8", "latin-1"]),
    st.integers(1, 5),
    st.booleans(),
)
def test_any_table_that_csv_writes_comes_back(
    table: list[list[str]], end: str, delimiter: str, quoting: Any, encoding: Any, rows: int, packed: bool
) -> None:
    if (end, quoting) == ("\n", csv.QUOTE_MINIMAL):  # Python 3.11 leaves a lone \r bare, where no reader takes it
        table = [[cell.replace("\r", "") for cell in row] for row in table]
    names = tuple(str(number) for number in range(len(table[0])))
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter, quoting=quoting, lineterminator=end).writerows([names, *table])
    data = out.getvalue().encode(encoding)
    form = CsvSpec(delimiter=delimiter, encoding=encoding)
    with TemporaryDirectory() as folder:
        path = Path(folder) / "table.csv"
        path.write_bytes(gzip.compress(data) if packed else data)
        plan, shards = shards_of(path, form, rows)
        assert plan.facts["header"] == list(names)
        assert [shard.rows for shard in shards] == [min(rows, len(table) - at) for at in range(0, len(table), rows)]
        ordered = [shards[number] for number in range(len(shards))]
        found = [row for shard in ordered for row in read_all([shard], form)]
    assert [list(row.values()) for row in found] == table
    assert all(list(row) == list(names) for row in found)


def test_shards_of_any_compression_are_read_from_their_middle(
    tmp_path: Path, compression: str, compress: Callable[[str, bytes], bytes]
) -> None:
    text = "0,1\n" + "".join(f'{row},"line\nbreak ""{row}"""\n' for row in range(500))
    path = tmp_path / "table"
    path.write_bytes(compress(compression, text.encode()))
    form = CsvSpec()
    _, shards = shards_of(path, form, 100)
    assert len(shards) == 5
    assert [row["1"] for row in read_all([shards[3]], form)] == [f'line\nbreak "{row}"' for row in range(300, 400)]
    assert shards[3].first_line == 602


REJECTED = [
    ("a,b\n", None),
    ("a\n", Reason.WRONG_WIDTH),
    ("a,b,c\n", Reason.WRONG_WIDTH),
    ("\n", Reason.BLANK_LINE),
    ('a,"b" c\n', Reason.INVALID_CSV),
    ('a,b "5 inch"\n', None),
    ('a,5" disk\n', None),
    ("a,\ufffd\n", None),
    ("a\rb,c\n", Reason.INVALID_CSV),
    ("a," + "x" * 200_000 + "\n", Reason.INVALID_CSV),
]


@pytest.mark.parametrize(("row", "reason"), REJECTED, ids=lambda value: repr(value)[:30])
def test_a_row_gets_its_reason_and_the_rows_around_it_stay(tmp_path: Path, row: str, reason: Reason | None) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"id,text\nx,before\n{row}y,behind\n", encoding="utf-8", newline="")
    rows = RowSpec(CsvSpec())
    plan = plan_part(str(path), PlanSpec(RECORD, 100, rows=rows), lambda done, at: None)
    assert plan.facts["rejects"] == ({reason: 1} if reason else {})
    (shard,) = descriptors(plan.facts, plan.shards, str(path), np.empty(0, np.int64))
    found = read_shard(shard, RECORD, rows).to_pylist()
    assert [(row["line"], row["reason"]) for row in found] == [(2, None), (3, reason), (4, None)]
    assert [found[0]["text"], found[2]["text"]] == [["before"], ["behind"]]
    if reason:
        assert found[1]["raw"] == row.rstrip("\n")[:200]


def test_lines_are_those_of_the_file_where_rows_span_several(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text('id,text\na,"one\n\ntwo"\nb\nc,"x"\n', encoding="utf-8")
    rows = RowSpec(CsvSpec())
    plan = plan_part(str(path), PlanSpec(RECORD, 2, rows=rows), lambda done, at: None)
    found = [
        (row["line"], row["reason"])
        for shard in descriptors(plan.facts, plan.shards, str(path), np.empty(0, np.int64))
        for row in read_shard(shard, RECORD, rows).to_pylist()
    ]
    assert found == [(2, None), (5, Reason.WRONG_WIDTH), (6, None)]


def test_a_quote_left_open_is_one_reject(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text('id,text\na,b\nc,"open\nd,e\n', encoding="utf-8")
    plan = plan_part(str(path), PlanSpec(RECORD, 100, rows=RowSpec(CsvSpec())), lambda done, at: None)
    assert (plan.facts["rows"], plan.facts["rejects"]) == (2, {Reason.INVALID_CSV: 1})


def test_a_row_that_is_too_long_ends_and_those_behind_it_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MAX_LINE", 40)
    path = tmp_path / "table.csv"
    path.write_text('id,text\na,"' + "long\n" * 9 + "b,c\nd,e\n", encoding="utf-8")
    plan = plan_part(str(path), PlanSpec(RECORD, 100, rows=RowSpec(CsvSpec())), lambda done, at: None)
    assert plan.facts["rejects"] == {Reason.LINE_TOO_LONG: 1}
    assert plan.facts["rows"] == 2


@pytest.mark.parametrize("data", [b"", b"id,text\n", b"id,text"])
def test_a_table_without_rows_is_counted_not_refused(tmp_path: Path, data: bytes) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(data)
    plan = plan_part(str(path), PlanSpec(RECORD, 100, rows=RowSpec(CsvSpec())), lambda done, at: None)
    assert (plan.facts["rows"], plan.facts["shards"]) == (0, 0)


def test_a_table_without_a_header_takes_its_names_from_the_recipe(tmp_path: Path) -> None:
    path = tmp_path / "u.item"
    path.write_bytes('1|Café "X\n2|Zoo\n'.encode("latin-1"))
    form = CsvSpec(delimiter="|", quote=None, encoding="latin-1", header=False, columns=("0", "1"))
    _, shards = shards_of(path, form)
    assert read_all(shards, form) == [{"0": "1", "1": 'Café "X'}, {"0": "2", "1": "Zoo"}]


def test_a_byte_order_mark_is_no_part_of_a_name(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(b"\xef\xbb\xbf0,1\na,b\n")
    assert read_all(shards_of(path, CsvSpec())[1], CsvSpec()) == [{"0": "a", "1": "b"}]


@pytest.mark.parametrize(
    ("header", "match"), [("0,0\n", "lists the column '0' twice"), ('"0" x,1\n', "header cannot be read")]
)
def test_a_header_that_names_nothing_is_refused_in_one_line(tmp_path: Path, header: str, match: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"{header}a,b\n", encoding="utf-8")
    with pytest.raises(InputError, match=rf"^{path}: [^\n]*{match}"):
        shards_of(path, CsvSpec())


@pytest.mark.parametrize(
    "wrong",
    [
        {"delimiter": ",,"},
        {"delimiter": "\n"},
        {"delimiter": "é"},
        {"quote": ","},
        {"header": False},
        {"columns": ["a", "a"]},
        {"encoding": "hex"},
        {"encoding": "klingon"},
    ],
)
def test_a_table_that_cannot_be_cut_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        CsvSpec.model_validate(wrong)
