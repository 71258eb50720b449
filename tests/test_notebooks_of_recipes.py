"""The tours of the sibling recipes run from top to bottom on invented tables, and say what is so."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
LAST = {
    "netflix": "dict(counts=counts, ami=labels['ami'], restored=network['restored'], dec=dec, rows=len(films))",
    "tiktok": "dict(counts=counts, users=[*found['group'].unique()], words=len(words), size=int(found['size'].sum()))",
    "movielens": "dict(rmse=rmse, probe=probe, told=len(told), left=len(without.columns), all=len(counted.columns), "
    "factor=factor, ranked=ranked['value'].tolist(), rest=[classes.tolist() for classes in without_it['classes']])",
}


def executed(name: str, folder: Path) -> dict[str, Any]:
    """Execute a notebook in an empty folder; return its named results."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(f"import json\nprint(json.dumps({LAST[name]}))"))
    place = {"metadata": {"path": str(folder)}}
    NotebookClient(notebook, timeout=240, kernel_name="python3", resources=place).execute()
    text = "".join(output["text"] for output in notebook.cells[-1].outputs if output.get("name") == "stdout")
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.notebooks
def test_netflix_leaves_out_trains_and_agrees(tmp_path: Path) -> None:
    found = executed("netflix", tmp_path)
    counts = found["counts"]
    assert counts["read"] == 420 == counts["kept"] + counts["rejected"] + counts["duplicates"]
    assert set(counts["rejects"]) == {"excluded", "missing_value"}
    assert found["rows"] == counts["kept"]
    assert found["ami"] > 0.5
    assert found["restored"] > 0.1
    assert all(behind < before for before, behind in zip(found["dec"]["before"], found["dec"]["behind"], strict=False))


@pytest.mark.notebooks
def test_tiktok_counts_the_words_of_users_who_use_any(tmp_path: Path) -> None:
    found = executed("tiktok", tmp_path)
    assert sorted(found["users"]) == ["coach_ben", "cooking_ann"]
    assert found["counts"]["rejects"] == {"excluded": 80, "no_terms": 40}
    assert found["size"] == found["counts"]["kept"] == 50
    assert found["words"] == 30


@pytest.mark.notebooks
def test_movielens_tells_classes_better_than_the_most_frequent_ones(tmp_path: Path) -> None:
    found = executed("movielens", tmp_path)
    assert found["rmse"] < 1.2
    assert len(found["ranked"]) == 20
    assert found["ranked"] == sorted(found["ranked"], reverse=True)
    assert 0 < len(found["rest"]) < 120
    assert not any(found["factor"] in classes for classes in found["rest"])
    split = found["probe"]["by_group"]
    assert split["head"]["lrap"] > split["most_frequent"]["lrap"] + 0.1
    assert found["told"] == found["probe"]["rows"] == 240
    assert found["left"] == found["all"] - 1


@pytest.mark.parametrize("name", sorted(LAST))
def test_they_are_committed_with_pictures_and_without_traces_of_a_machine(name: str) -> None:
    text = (NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8")
    outputs = [output for cell in nbformat.reads(text, as_version=4).cells for output in cell.get("outputs", [])]
    assert any("image/png" in output.get("data", {}) for output in outputs)
    assert not any(output.output_type == "error" or output.get("name") == "stderr" for output in outputs)
    assert re.findall(r"(?:/tmp|/home|/root|/work|/Users)/", text) == []
    assert len(text.encode()) < 300_000
