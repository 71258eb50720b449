"""Tables come back as they were written, shard by shard; rows that are none get a reason and their line."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable
from functools import partial
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from vidatlas.errors import InputError, UsageError
from vidatlas.pipeline.embed.rows import read_shard
from vidatlas.pipeline.plan.part import PartPlan, PlanSpec, plan_part
from vidatlas.pipeline.plan.shards import descriptors
from vidatlas.sources import csv as tables
from vidatlas.sources.content.sniff import detect_csv
from vidatlas.sources.csv import CsvSpec
from vidatlas.sources.fields import RecordSpec, TextField
from vidatlas.sources.lines import universal_lines
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


@settings(max_examples=150)
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
    # A blank line is no row, nor is one of delimiters alone.
    table = [row for row in table if any(cell.strip(f"{delimiter} \t") for cell in row) or quoting != csv.QUOTE_MINIMAL]
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


TEXTS = st.lists(
    st.sampled_from(['"', '"', ",", "::", ":", "\\", "\n", "\r", "\r\n", "\n\n", " ", "a", "bc", "é"]), max_size=40
)
DIALECTS: list[dict[str, Any]] = [
    {},
    {"delimiter": ":"},
    {"quote": None},
    {"escape": "\\"},
    {"escape": "\\", "quote": None},
    {"trim": True},
    {"strict": True},
    {"delimiter": " "},
]


def as_python_reads(text: str, form: CsvSpec) -> list[list[str]] | None:
    """Return the rows that Python's csv reads, without blank lines; None if it refuses one."""
    reader = csv.reader(
        io.StringIO(text, newline=""),
        delimiter=form.delimiter,
        quotechar=form.quote,
        escapechar=form.escape,
        skipinitialspace=form.trim,
        quoting=csv.QUOTE_MINIMAL if form.quote else csv.QUOTE_NONE,
        strict=form.strict,
    )
    try:
        rows = list(reader)
    except csv.Error:
        return None
    rows = [[cell.strip() if form.trim else cell for cell in row] for row in rows]
    return [row for row in rows if holds_text(row, form)]


def holds_text(row: list[str], form: CsvSpec) -> bool:
    """Tell a row from a blank line, which holds nothing but white space, and perhaps delimiters."""
    return any(cell.strip(f" \t{form.delimiter}") for cell in row) or (form.strict and len(row) > 1)


def rows_of(data: bytes, form: CsvSpec, cuts: list[int]) -> tuple[list[bytes], list[int]]:
    """Return the raw rows of a table that comes in pieces, and where each begins."""
    edges = [0, *sorted(cut % (len(data) + 1) for cut in cuts), len(data)]
    seen: list[int] = []
    starts, rows = [0], []
    for row in form.split([data[a:b] for a, b in pairwise(edges)], lambda piece: seen.append(len(piece))):
        assert row is not None
        rows.append(row)
        starts.append(sum(seen))
    assert sum(seen) == len(data)
    return rows, starts[: len(rows)]


@settings(max_examples=600)
@given(TEXTS.map("".join), st.sampled_from(DIALECTS), st.lists(st.integers(0, 200), max_size=6))
def test_any_text_gives_the_rows_of_pythons_csv_or_rejects(text: str, dialect: dict[str, Any], cuts: list[int]) -> None:
    form, data = CsvSpec(**dialect), text.encode()
    rows, starts = rows_of(data, form, cuts)
    cells = [form.cells(row) for row in rows]
    found = [row for row in cells if isinstance(row, list) and holds_text(row, form)]
    expected = as_python_reads(text, form)
    if expected is not None and not any(isinstance(row, Reason) for row in cells):
        assert found == expected
    for at, start in enumerate(starts):
        assert rows_of(data[start:], form, cuts)[0] == rows[at:]  # a shard may begin with any row


def holds_signs(cell: str) -> bool:
    return bool(cell.strip(" \t:"))


@settings(max_examples=300)
@given(TEXTS.map("".join), st.lists(st.integers(0, 200), max_size=6))
def test_a_delimiter_of_several_characters_is_read_as_one_of_one(text: str, cuts: list[int]) -> None:
    single, double = CsvSpec(delimiter="\x1f"), CsvSpec(delimiter="::")
    rows, starts = rows_of(text.encode(), double, cuts)
    expected, _ = rows_of(text.replace("::", "\x1f").encode(), single, cuts)
    restored = [
        [cell.replace("\x1f", "::") for cell in found] if isinstance(found := single.cells(row), list) else found
        for row in expected
    ]
    found_text = [row for row in map(double.cells, rows) if isinstance(row, Reason) or any(map(holds_signs, row))]
    assert found_text == [row for row in restored if isinstance(row, Reason) or any(map(holds_signs, row))]
    for at, start in enumerate(starts):
        assert rows_of(text.encode()[start:], double, cuts)[0] == rows[at:]


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
    ("a,b,\n", None),
    ("a,b,,\n", None),
    ("a,b, ,c\n", Reason.WRONG_WIDTH),
    ('a,"b" c\n', None),
    ('a,"b"|"c"\n', None),
    ('a,"open\n', Reason.INVALID_CSV),
    ('a,b "5 inch"\n', None),
    ('a,5" disk\n', None),
    ("a,\ufffd\n", None),
    ("a," + "x" * 200_000 + "\n", None),
    ('a,"' + "x\n" * 100_000 + '"\n', None),
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
    assert [(row["line"], row["reason"]) for row in found] == [(2, None), (3, reason), (3 + row.count("\n"), None)]
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


def test_a_quote_left_open_costs_its_own_line(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text('id,text\na,b\nc,"open\nd,e\n', encoding="utf-8")
    plan = plan_part(str(path), PlanSpec(RECORD, 100, rows=RowSpec(CsvSpec())), lambda done, at: None)
    assert (plan.facts["rows"], plan.facts["rejects"]) == (3, {Reason.INVALID_CSV: 1})
    assert plan.facts["first_reject"] == {"line": 3, "reason": "invalid_csv", "hint": ""}


def test_many_quotes_left_open_are_read_in_linear_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """Each of these lines leaves a quote open, whether one was open before it or not."""
    asked: list[bytes] = []
    is_open = CsvSpec.is_open

    def counted(form: CsvSpec, line: bytes, opened: bool) -> bool:
        asked.append(line)
        return is_open(form, line, opened)

    monkeypatch.setattr(CsvSpec, "is_open", counted)
    rows = list(CsvSpec().split([b',"a","b\n' * 2_000], len))
    assert rows == [b',"a","b'] * 2_000
    assert len(asked) <= 2 * 2_000


def test_a_row_that_is_too_long_ends_and_those_behind_it_are_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tables, "MAX_LINE", 40)
    monkeypatch.setattr(tables, "universal_lines", partial(universal_lines, limit=40))
    path = tmp_path / "table.csv"
    many, long = "1,2\n" * 12, "x" * 50
    path.write_text(f'id,text\na,"{many}b,{long}\n\nc,"x\ny"\n{many}b,{long}', encoding="utf-8")
    rows = RowSpec(CsvSpec())
    plan = plan_part(str(path), PlanSpec(RECORD, 3, rows=rows), lambda done, at: None)
    assert plan.facts["rejects"] == {Reason.INVALID_CSV: 1, Reason.LINE_TOO_LONG: 2}
    found = [
        (row["line"], row["reason"])
        for shard in reversed(descriptors(plan.facts, plan.shards, str(path), np.empty(0, np.int64)))
        for row in read_shard(shard, RECORD, rows).to_pylist()
        if row["reason"]
    ]
    assert found == [(30, "line_too_long"), (14, "line_too_long"), (2, "invalid_csv")]


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
    ("header", "match"), [("0,0\n", "lists the column '0' twice"), ('"0,1\n', "header cannot be read")]
)
def test_a_header_that_names_nothing_is_refused_in_one_line(tmp_path: Path, header: str, match: str) -> None:
    path = tmp_path / "table.csv"
    path.write_text(f"{header}a,b\n", encoding="utf-8")
    with pytest.raises(InputError, match=rf"^{path}: [^\n]*{match}"):
        shards_of(path, CsvSpec())


@pytest.mark.parametrize(
    "wrong",
    [
        {"delimiter": ',"'},
        {"delimiter": ""},
        {"quote": "::"},
        {"escape": ","},
        {"escape": '"'},
        {"delimiter": " ", "trim": True},
        {"skip": -1},
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


def table(text: str, form: CsvSpec | None = None) -> tuple[tuple[str, ...], list[Any]]:
    """Return the names and rows of a CSV file."""
    own, names, rows = (form or CsvSpec()).start([text.encode()], len)
    return names, [own.decode(row or b"", names) for row in rows]


AB = [{"a": "1", "b": "2"}, {"a": "3", "b": "4"}]


@pytest.mark.parametrize(
    ("text", "form"),
    [
        ("a,b\n1,2\n3,4", {}),
        ("a,b\r1,2\r3,4\r", {}),
        ("a,b\r\r\n1,2\r\r\n3,4\r\r\n", {}),
        ("\n\na,b\n\n1,2\n \n3,4\n\n,,\n", {}),
        ("sep=;\r\na;b\r\n1;2\r\n3;4\r\n", {}),
        ('"sep=\t"\na\tb\n1\t2\n3\t4\n', {"delimiter": ";"}),
        ("sep=::\na::b\n1::2\n3::4\n", {}),
        ("# it's \"exported\n\na,b\n1,2\n3,4\n", {"skip": 2}),
        ("note\nsep=;\na;b\n1;2\n3;4\n", {"skip": 1}),
        ('a, b \n1, 2\n3 , "4" \n', {"trim": True}),
        ("a\tb\n1\t2\n3\t4\n", {"delimiter": "\\t"}),
        ("1::2\n3::4\n", {"delimiter": "::", "header": False, "columns": ["a", "b"]}),
        ('a,b\n"1",2\n3,4\n', {"strict": True}),
        ("a b\n1 2\n3 4\n", {"delimiter": " "}),
    ],
)
def test_a_table_as_people_have_it_is_read(text: str, form: dict[str, Any]) -> None:
    assert table(text, CsvSpec(**form)) == (("a", "b"), AB)


@pytest.mark.parametrize("sign", [*map(chr, range(32, 127)), "\t", '"""', ";9", "\\\\"])
def test_any_delimiter_that_a_file_names_is_taken_or_no_delimiter(sign: str) -> None:
    """``sep=9``, as a damaged byte makes of ``sep=;``, ended a run with a traceback."""
    head = f"sep={sign}\r\na{sign}b\r\n1{sign}2\r\n3{sign}4\r\n".encode()
    found = detect_csv(head, {})
    assert found is None or CsvSpec(**found)


@pytest.mark.parametrize(
    ("row", "form", "cells"),
    [
        ('minecraft "x",y', {}, ['minecraft "x"', "y"]),
        ('"a"|"b",y', {}, ['a|"b"', "y"]),
        (r'"say \"hi\", you",y', {"escape": "\\"}, ['say "hi", you', "y"]),
        (r"a\,b,y", {"escape": "\\"}, ["a,b", "y"]),
        ("a\\\nb,y", {"escape": "\\"}, ["a\nb", "y"]),
        ('"a::b"::c:d', {"delimiter": "::"}, ["a::b", "c:d"]),
        ('a,"b" c', {"strict": True}, Reason.INVALID_CSV),
        ("a,b,", {"strict": True}, Reason.WRONG_WIDTH),
        (",", {"strict": True}, ["", ""]),
        ("a,\U000f0000", {"delimiter": "::"}, Reason.INVALID_CSV),
    ],
)
def test_a_row_as_people_have_it_is_read(row: str, form: dict[str, Any], cells: Any) -> None:
    spec = CsvSpec(header=False, columns=("0", "1"), **form)
    expected = dict(zip(("0", "1"), cells, strict=True)) if isinstance(cells, list) else cells
    assert table(f"{row}\n", spec)[1] == [expected]


def test_nameless_columns_are_called_as_pandas_does_and_may_be_missing() -> None:
    names, rows = table(",a,b,,\n0,1,2,,\n0,1,2\n0,1,2,x,\n0,1\n")
    assert names == ("Unnamed: 0", "a", "b", "Unnamed: 3", "Unnamed: 4")
    assert [row if isinstance(row, Reason) else (row["b"], row.get("Unnamed: 3")) for row in rows] == [
        ("2", ""),
        ("2", None),
        ("2", "x"),
        Reason.WRONG_WIDTH,
    ]


def test_the_top_of_a_file_and_its_own_delimiter_reach_every_shard(tmp_path: Path) -> None:
    path = tmp_path / "table.csv"
    path.write_text("note\nsep=;\nid;text\n\na;one\n\n\nb;two\nc;three\n", encoding="utf-8")
    rows = RowSpec(CsvSpec(skip=1))
    plan = plan_part(str(path), PlanSpec(RECORD, 1, rows=rows), lambda done, at: None)
    found = [
        (row["line"], row["text"])
        for shard in reversed(descriptors(plan.facts, plan.shards, str(path), np.empty(0, np.int64)))
        for row in read_shard(shard, RECORD, rows).to_pylist()
    ]
    assert found == [(9, ["three"]), (8, ["two"]), (5, ["one"])]


def test_json_lines_are_told_from_a_header() -> None:
    with pytest.raises(UsageError, match=r"looks like JSON lines: add --set source\.format=jsonlines"):
        table('{"a": 1, "b": 2}\n')
