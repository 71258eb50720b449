"""The notebook runs from top to bottom, and what it names is there."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "youniverse.ipynb"
LAST = """
import json
print(json.dumps({
    "counts": counts, "vectors": vectors.shape, "explained": explained[-1], "reduced": len(reduced),
    "subcategories": len(subcategories), "sizes": int(subcategories["size"].sum()), "nearest": len(nearest),
    "placed": placed_counts["placed"], "homes": placed["in_group"].tolist(), "lines": len(lines),
}))
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Execute the notebook in an empty folder; return its named results."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(LAST))
    place = {"metadata": {"path": str(tmp_path_factory.mktemp("notebook"))}}
    NotebookClient(notebook, timeout=240, kernel_name="python3", resources=place).execute()
    text = "".join(output["text"] for output in notebook.cells[-1].outputs if output.get("name") == "stdout")
    found: dict[str, Any] = json.loads(text)
    return found


def test_rows_add_up(results: dict[str, Any]) -> None:
    counts = results["counts"]
    assert counts["read"] == results["lines"] == counts["kept"] + counts["rejected"] + counts["duplicates"]
    assert results["vectors"] == [counts["kept"], 512]
    assert results["reduced"] == results["sizes"] == counts["kept"]


def test_results_are_plausible(results: dict[str, Any]) -> None:
    assert 0.3 < results["explained"] < 1
    assert results["subcategories"] > 12
    assert results["nearest"] == 8
    assert (results["placed"], results["homes"]) == (2, ["Music", "Gaming"])


def test_it_is_committed_with_pictures_and_without_traces_of_a_machine() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    notebook = nbformat.reads(text, as_version=4)
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) >= 6
    assert not any(output.output_type == "error" or output.get("name") == "stderr" for output in outputs)
    assert re.findall(r"(?:/tmp|/home|/root|/work|/Users)/", text) == []
    assert len(text.encode()) < 600_000
