"""The notebooks run from top to bottom and answer their questions; they are committed with pictures and maps."""

from __future__ import annotations

import json
import re
from functools import cache
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

NOTEBOOKS = Path(__file__).resolve().parents[1] / "notebooks"
LAST = {
    "youniverse": "dict(counts=counts, vectors=vectors.shape, explained=explained[-1], reduced=len(reduced), "
    "subcategories=len(subcategories), sizes=int(subcategories['size'].sum()), nearest=len(nearest), "
    "placed=placed_counts['placed'], homes=placed['in_group'].tolist(), lines=len(lines))",
    "explore": "dict(search=atlas.metrics['search'], places=len(places), same=same_category, chance=by_chance, "
    "found=found['group'].tolist(), only=only['group'].tolist(), reasons=[one.reasons for one in suggestions], "
    "losses=losses, shares=shares)",
    "netflix": "dict(counts=counts, ami=labels['ami'], restored=network['restored'], dec=dec, rows=len(films))",
    "tiktok": "dict(counts=counts, users=[*found['group'].unique()], words=len(words), size=int(found['size'].sum()))",
    "movielens": "dict(rmse=rmse, probe=probe, told=len(told), left=len(without.columns), all=len(counted.columns), "
    "factor=factor, ranked=ranked['value'].tolist(), rest=[classes.tolist() for classes in without_it['classes']])",
}


@cache
def executed(name: str) -> dict[str, Any]:
    """Execute a notebook where it lies, as Jupyter does; return its named results."""
    notebook = nbformat.read(NOTEBOOKS / f"{name}.ipynb", as_version=4)
    notebook.cells.append(nbformat.v4.new_code_cell(f"import json\nprint(json.dumps({LAST[name]}))"))
    place = {"metadata": {"path": str(NOTEBOOKS)}}
    NotebookClient(notebook, timeout=280, kernel_name="python3", resources=place).execute()
    text = "".join(output["text"] for output in notebook.cells[-1].outputs if output.get("name") == "stdout")
    found: dict[str, Any] = json.loads(text)
    return found


def test_youniverse_counts_every_row() -> None:
    counts = executed("youniverse")["counts"]
    assert counts["read"] == executed("youniverse")["lines"]
    assert counts["read"] == counts["kept"] + counts["rejected"] + counts["duplicates"]
    assert executed("youniverse")["vectors"] == [counts["kept"], 512]
    assert executed("youniverse")["reduced"] == executed("youniverse")["sizes"] == counts["kept"]


def test_youniverse_has_subcategories_neighbours_and_places_for_new_videos() -> None:
    found = executed("youniverse")
    assert 0.3 < found["explained"] < 1
    assert found["subcategories"] > 12
    assert found["nearest"] == 8
    assert (found["placed"], found["homes"]) == (2, ["Music", "Gaming"])


@pytest.mark.notebooks
def test_map_and_search_find_what_belongs_together() -> None:
    found = executed("explore")
    assert found["places"] == found["search"]["rows"] > 700
    assert found["same"] > 4 * found["chance"]
    assert found["search"]["recall_at_10"] > 0.98
    assert found["found"].count("Music") >= 4
    assert found["only"] == ["Gaming"] * 5


@pytest.mark.notebooks
def test_recommendations_have_reasons_and_follow_their_modality() -> None:
    found = executed("explore")
    assert len(found["reasons"]) == 5
    assert sum(map(bool, found["reasons"])) >= 3
    assert found["losses"][-1] < 0.8 * found["losses"][0]
    shares = found["shares"]
    assert max(shares["text"], key=shares["text"].get) == "Sports"
    assert max(shares["image"], key=shares["image"].get) == "Music"


@pytest.mark.notebooks
def test_netflix_leaves_out_trains_and_agrees() -> None:
    found = executed("netflix")
    counts = found["counts"]
    assert counts["read"] == 420 == counts["kept"] + counts["rejected"] + counts["duplicates"]
    assert set(counts["rejects"]) == {"excluded", "missing_value"}
    assert found["rows"] == counts["kept"]
    assert found["ami"] > 0.5
    assert found["restored"] > 0.1
    assert all(behind < before for before, behind in zip(found["dec"]["before"], found["dec"]["behind"], strict=False))


@pytest.mark.notebooks
def test_tiktok_counts_the_words_of_users_who_use_any() -> None:
    found = executed("tiktok")
    assert sorted(found["users"]) == ["coach_ben", "cooking_ann"]
    assert found["counts"]["rejects"] == {"excluded": 80, "no_terms": 40}
    assert found["size"] == found["counts"]["kept"] == 50
    assert found["words"] == 30


@pytest.mark.notebooks
def test_movielens_tells_classes_better_than_the_most_frequent_ones() -> None:
    found = executed("movielens")
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
def test_they_open_with_a_picture_hold_the_map_and_no_traces_of_a_machine(name: str) -> None:
    text = (NOTEBOOKS / f"{name}.ipynb").read_text(encoding="utf-8")
    cells = [cell for cell in nbformat.reads(text, as_version=4).cells if cell.cell_type == "code"]
    outputs = [output for cell in cells for output in cell.outputs]
    assert "image/png" in cells[0].outputs[-1]["data"]
    assert sum("<iframe sandbox=" in output.get("data", {}).get("text/html", "") for output in outputs) == 1
    assert not any(output.output_type == "error" or output.get("name") == "stderr" for output in outputs)
    assert re.findall(r"(?:/tmp|/home|/root|/work|/Users)/", text) == []
    assert len(text.encode()) < 1_200_000
