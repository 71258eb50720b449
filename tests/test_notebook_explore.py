"""The notebook of map, search and recommender runs from top to bottom, and its results are plausible."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOK = Path(__file__).resolve().parents[1] / "notebooks" / "explore.ipynb"
LAST = """
print(json.dumps({
    "search": atlas.metrics["search"], "places": len(places), "same": same_category, "chance": by_chance,
    "found": found["group"].tolist(), "only": only["group"].tolist(), "reasons": [one.reasons for one in suggestions],
    "losses": losses, "shares": shares,
}))
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Execute the notebook in an empty folder; return its named results."""
    notebook = nbformat.read(NOTEBOOK, as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(LAST))
    place = {"metadata": {"path": str(tmp_path_factory.mktemp("explore"))}}
    NotebookClient(notebook, timeout=280, kernel_name="python3", resources=place).execute()
    text = "".join(output["text"] for output in notebook.cells[-1].outputs if output.get("name") == "stdout")
    found: dict[str, Any] = json.loads(text)
    return found


@pytest.mark.notebooks
def test_map_and_search_find_what_belongs_together(results: dict[str, Any]) -> None:
    assert results["places"] == results["search"]["rows"] > 700
    assert results["same"] > 4 * results["chance"]
    assert results["search"]["recall_at_10"] > 0.98
    assert results["found"].count("Music") >= 4
    assert results["only"] == ["Gaming"] * 5


@pytest.mark.notebooks
def test_recommendations_have_reasons_and_follow_their_modality(results: dict[str, Any]) -> None:
    assert len(results["reasons"]) == 5
    assert sum(map(bool, results["reasons"])) >= 3
    assert results["losses"][-1] < 0.8 * results["losses"][0]
    shares = results["shares"]
    assert max(shares["text"], key=shares["text"].get) == "Sports"
    assert max(shares["image"], key=shares["image"].get) == "Music"


def test_it_is_committed_with_pictures_and_without_traces_of_a_machine() -> None:
    text = NOTEBOOK.read_text(encoding="utf-8")
    outputs = [output for cell in nbformat.reads(text, as_version=4).cells for output in cell.get("outputs", [])]
    assert sum("image/png" in output.get("data", {}) for output in outputs) == 3
    assert not any(output.output_type == "error" or output.get("name") == "stderr" for output in outputs)
    assert re.findall(r"(?:/tmp|/home|/root|/work|/Users)/", text) == []
    assert len(text.encode()) < 400_000
