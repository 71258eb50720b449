"""In words, how the training of an atlas's networks went: for its report, its data card and the screen."""

from __future__ import annotations

from vidatlas.recipe import Recipe
from vidatlas.reducers.dec import DecSpec
from vidatlas.types import Json


def tuning_fact(recipe: Recipe, metrics: Json) -> dict[str, str]:
    """Return how Deep Embedded Clustering ended, under its name; nothing where there was none."""
    spec, found = recipe.reduce.clusterer, metrics.get("network", {}).get("dec")
    if not found or not isinstance(spec, DecSpec):
        return {}
    ended = "converged" if found["converged"] else "not converged"
    return {
        "Tuning to the clusters": f"{_updates(found)} of the target, last change "
        f"{found['changed'][-1]:.2%} of labels, {ended} (tolerance {spec.tolerance:.2%})"
    }


def training_notes(recipe: Recipe, network: Json | None, clusters: tuple[int, int]) -> list[str]:
    """Return what a reader must know of a network's training that did not go as the recipe says.

    Args:
        recipe: what was asked for.
        network: the facts of the training; None where there was none.
        clusters: how many centroids there are, and how many of them have any record.
    """
    spec, found = recipe.reduce.clusterer, (network or {}).get("dec")
    if not found or not isinstance(spec, DecSpec):
        return []
    notes = [f"Deep Embedded Clustering: {note}" for note in found["notes"]]
    if clusters[1] < clusters[0]:
        notes.append(
            f"Deep Embedded Clustering: {clusters[1]:,} instead of {clusters[0]:,} subcategories "
            "(no record is left in the others)"
        )
    if not found["converged"]:
        notes.append(
            f"Deep Embedded Clustering has not converged in {_updates(found)}: at the last one "
            f"{found['changed'][-1]:.2%} of the labels changed, not less than {spec.tolerance:.2%}. "
            "Raise reduce.clusterer.max_updates."
        )
    return notes


def _updates(found: Json) -> str:
    count = len(found["behind"])
    return f"{count:,} {'update' if count == 1 else 'updates'}"
