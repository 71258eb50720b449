"""How a training ended is said, and what did not go as asked is a note."""

from __future__ import annotations

from typing import Any

from vidatlas.pipeline.publish.wording import tuning_fact
from vidatlas.pipeline.reduce.network import training_notes
from vidatlas.recipe import load_recipe

NETFLIX = load_recipe("netflix")
DONE: dict[str, Any] = {"behind": [0.2] * 28, "changed": [1.0, 0.09, 0.00041], "converged": True, "notes": []}


def test_how_the_tuning_ended_is_one_fact() -> None:
    (said,) = tuning_fact(NETFLIX, {"network": {"dec": DONE}}).values()
    assert said == "28 updates of the target, last change 0.04% of labels, converged (tolerance 0.10%)"
    (cut,) = tuning_fact(NETFLIX, {"network": {"dec": DONE | {"behind": [0.2], "converged": False}}}).values()
    assert cut.startswith("1 update of the target, ")
    assert "not converged" in cut


def test_what_was_not_tuned_has_neither_fact_nor_note() -> None:
    kmeans = load_recipe("netflix", {"reduce.clusterer": "kmeans"})
    for recipe, network in ((NETFLIX, {"loss": [0.5]}), (kmeans, {"loss": [0.5]}), (load_recipe("demo"), None)):
        assert tuning_fact(recipe, {"network": network} if network else {}) == {}
        assert training_notes(recipe, network, 20, 20) == []


def test_only_what_went_wrong_is_noted() -> None:
    assert training_notes(NETFLIX, {"dec": DONE}, 20, 20) == []
    wrong = DONE | {"changed": [1.0, 0.0312], "converged": False, "notes": ["19 instead of 20 subcategories (x)"]}
    notes = training_notes(NETFLIX, {"dec": wrong}, 19, 18)
    assert notes == [
        "Deep Embedded Clustering: 19 instead of 20 subcategories (x)",
        "Deep Embedded Clustering: 18 instead of 19 subcategories (no record is left in the others)",
        "Deep Embedded Clustering has not converged in 28 updates: at the last one 3.12% of the labels changed, not "
        "less than 0.10%. Raise reduce.clusterer.max_updates.",
    ]
