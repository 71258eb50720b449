"""The wording of report and data card: how an atlas was made, what it lacks, how its training ended."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, version

from vidatlas.clustering.dec import DecSpec
from vidatlas.pipeline.reduce.network import updates_of
from vidatlas.recipe import Recipe
from vidatlas.storage.json_files import Metrics
from vidatlas.storage.manifest import (
    Absences,
    Absent,
    Manifest,
    Missing,
    OddValues,
    ReduceEntry,
    Retitled,
    Values,
)
from vidatlas.version import __version__
from vidatlas.views.nouns import Nouns

LIBRARIES = (
    "torch", "transformers", "tokenizers", "scikit-learn", "numpy", "pyarrow", "openTSNE", "faiss-cpu", "budoux",
    "resvg-py", "ray",
)  # fmt: skip


def versions() -> dict[str, str]:
    """Return the versions of vidatlas and of the libraries that are installed, by name."""
    found = {"vidatlas": __version__}
    for name in LIBRARIES:
        with suppress(PackageNotFoundError):
            found[name] = version(name)
    return found


def encoder_words(manifest: Manifest) -> str:
    """Return which encoder made the vectors, and how wide they are."""
    encoder = manifest["stages"]["embed"]["encoder"]
    revision = f" at revision {encoder['revision']}" if encoder.get("revision") else ""
    return f"{encoder['model']}{revision}, {encoder['dim']} dimensions"


def normalisation_words(recipe: Recipe) -> str:
    """Return what is scaled to unit length."""
    fields = "each field's mean is scaled to unit length, then " if recipe.mix.normalize_fields else ""
    if recipe.mix.normalize:
        return f"{fields}every record's vector is scaled to unit length"
    if fields:
        return f"{fields}nothing after the weighted sum"
    if recipe.encoder.kind == "given":
        return "none: the vectors are as they were given"
    return "none after the mean (the notebook's rule: the encoder's raw features)"


def weights_words(recipe: Recipe) -> str:
    """Return which fields make a vector, and with what weights; empty where vectors are given."""
    parts = []
    for name, field in recipe.record.embedded().items():
        cut = f", cut at {field.max_chars} characters" if field.max_chars else ""
        many = f", split at {field.separator!r} and averaged" if field.separator else ""
        parts.append(f"{field.weight:g} × {name}{many}{cut}")
    return " + ".join(parts)


def facts_of(recipe: Recipe, manifest: Manifest) -> dict[str, str]:
    """Return what a reader may want to know of the making, each fact under its name."""
    embedded, reduced = manifest["stages"]["embed"], manifest["stages"]["reduce"]
    encoder, counts = embedded["encoder"], embedded["counts"]
    facts = {
        "Weights (sha256)": str(encoder.get("weights_sha256", "no weights")),
        "Precision": f"{encoder.get('dtype', 'float32')} on {', '.join(embedded['hardware'])}, stored as float16",
        "Field weights": weights_words(recipe),
        "Normalisation": normalisation_words(recipe),
        "Texts": f"{counts['texts']:,} in all, {counts['distinct']:,} encoded (each once per shard)",
        "Tokens": f"{counts['tokens']:,}, of which {counts['nodes']:,} were computed (a shared beginning once)",
        "Reduction": f"{_dimensions(recipe, reduced)}, {_clusters(recipe, reduced)}",
        **({"Held-out error of ratings": f"RMSE {encoder['rmse']:.3f}"} if "rmse" in encoder else {}),
        "Versions": ", ".join(f"{name} {number}" for name, number in versions().items()),
    }
    if recipe.encoder.kind == "given":
        for name in ("Weights (sha256)", "Field weights", "Texts", "Tokens"):
            del facts[name]  # nothing was encoded
        file = manifest["stages"]["plan"]["vectors"].get("sha256")
        return facts | {"Precision": "stored as float16"} | ({"Given file (sha256)": file} if file else {})
    return facts


def _dimensions(recipe: Recipe, reduced: ReduceEntry) -> str:
    lexical = recipe.reduce.lexical
    words = f" and {lexical.components} dimensions of words (weight {lexical.weight:g})" if lexical else ""
    count = reduced["counts"]["components"]
    return f"{recipe.reduce.reducer.made.format(count)}{words}"


def _clusters(recipe: Recipe, reduced: ReduceEntry) -> str:
    spec, backend = recipe.reduce.clusters, reduced["backend"]
    where = f"inside each {recipe.publish.nouns.group[0]}" if _inside_groups(recipe) else "over all together"
    clusterer = recipe.reduce.clusterer
    if not clusterer.has_centres:
        return clusterer.method
    return f"{clusterer.method} {where} (k: {spec.k}; {backend['name']} {backend['version']} on {backend['device']})"


def _inside_groups(recipe: Recipe) -> bool:
    return recipe.record.group is not None and recipe.reduce.clusters.within != "all"


def alike_words(recipe: Recipe) -> str:
    """Return what records have in common that lie close together."""
    others = {"factors": "liked by the same people", "given": "alike by their given vectors"}
    return others.get(recipe.encoder.kind, "described in similar words")


def making_words(recipe: Recipe, reduced: ReduceEntry) -> str:
    """Return in three sentences how records became vectors, and vectors subcategories."""
    one, many = recipe.publish.nouns.record
    if recipe.encoder.kind == "factors":
        first = f"For every {one}, numbers were found that explain how people rated it"
    elif recipe.encoder.kind == "given":
        first = f"For every {one}, a list of numbers came with the input"
    else:
        read = listed([column for field in recipe.record.embedded().values() for column in field.columns])
        first = f"For every {one}, an encoder turned its {read} into a list of numbers"
    close = f"{first}, so that {many} {alike_words(recipe)} lie close together."
    if not recipe.reduce.clusterer.has_centres:
        return f"{close} Each number stands for a group, to which those belong in whose list it is the largest."
    which = f"the {many} of each {recipe.publish.nouns.group[0]}" if _inside_groups(recipe) else "all of them"
    if recipe.reduce.reducer.kind == "none":
        return f"{close} Then {which} were split into groups of neighbours."
    count = reduced["counts"]["components"]
    short = f"Those lists were shortened to {count:,} numbers per {one}"
    return f"{close} {short}, and {which} were split into groups of neighbours."


def naming_words(recipe: Recipe, groups: int) -> str:
    """Return in a sentence after what subcategories are named, of an atlas with so many groups."""
    if recipe.reduce.naming.by == "members":
        return f"A group is named after its most frequent {recipe.publish.nouns.record[1]}."
    others = "the others" if groups == 1 else f"the rest of its {recipe.publish.nouns.group[0]}"
    return f"A group is named after the words that set it apart from {others}."


def names_fact(accepted: int, subcategories: int) -> dict[str, str]:
    """Return how many names a person chose, under its name; nothing where there is none."""
    return {"Names by hand": f"{accepted:,} of {subcategories:,}, from names.csv"} if accepted else {}


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence lists them."""
    return " and ".join(filter(None, [", ".join(names[:-1]), names[-1]]))


def limits_of(recipe: Recipe, manifest: Manifest) -> tuple[str, ...]:
    """Return what a reader must not take the atlas for."""
    one, group = recipe.publish.nouns.record[0], recipe.publish.nouns.group[0]
    limits = ["Names are statistics of words, not judgements."]
    if _inside_groups(recipe):
        limits.append(f"Every {one} stands in the {group} that its record names, right or wrong.")
        limits.append(f"Distances mean little from one {group} to another: each was clustered on its own.")
    if not manifest["stages"]["plan"]["complete"]:
        limits.append("Only the first rows of the input were read (source.limit); the rest was not checked for damage.")
    return (*limits, *value_words(manifest["stages"]["plan"]))


def tuning_fact(recipe: Recipe, metrics: Metrics) -> dict[str, str]:
    """Return how Deep Embedded Clustering ended, under its name; nothing where there was none."""
    spec, network = recipe.reduce.clusterer, metrics.get("network")
    if not network or "dec" not in network or not isinstance(spec, DecSpec):
        return {}
    found = network["dec"]
    ended = "converged" if found["converged"] else "not converged"
    return {
        "Tuning to the clusters": f"{updates_of(found)} of the target, last change "
        f"{found['changed'][-1]:.2%} of labels, {ended} (tolerance {spec.tolerance:.2%})"
    }


def absence_words(planned: Absences, nouns: Nouns, most: int = 10) -> tuple[str, ...]:
    """Return a sentence each on the groups and the files that gave no record, with the names of the first few."""
    found: Absent = planned.get("absent", {})
    said = []
    if "groups" in found:
        groups = found["groups"]
        verb = "has" if groups["count"] == 1 else "have"
        said.append(f"{nouns.groups(groups['count'])} {verb} no {nouns.record[1]} to keep: {_first(groups, most)}")
    same = "the same rows as an earlier one"
    for files, what in ((found.get("files"), "no rows"), (found.get("repeated"), same)):
        if files:
            verb = "holds" if files["count"] == 1 else "hold"
            said.append(f"{files['count']:,} of {files['of']:,} files {verb} {what}: {_first(files, most)}")
    return tuple(said)


def value_words(planned: Values) -> tuple[str, ...]:
    """Return a sentence each on ids that rows of different titles share, and on values that did not fit."""
    said, odd = [], planned.get("values", {})
    if "retitled" in planned:
        said.append(_retitled(planned["retitled"]))
    if empty := odd.get("empty"):
        names, inputs = (", ".join(map(repr, found)) for found in (empty, empty.values()))
        said.append(f"empty column{'s' if len(empty) > 1 else ''} {names}: the input has no values in {inputs}")
    if undetected := odd.get("undetected"):
        said.append(f"empty column {', '.join(map(repr, undetected))}: install pycld2 to tell the languages of titles")
    for column, found in odd.get("unnamed", {}).items():
        verb = "has" if found["count"] == 1 else "have"
        said.append(f"column {column!r}: {_values(found)} {verb} no name in record.map.{column}")
    for name, found in odd.get("misfits", {}).items():
        kind = planned["columns"][name]
        verb = "does" if found["count"] == 1 else "do"
        said.append(f"column {name!r}: {_values(found)} {verb} not fit its type, {kind}, and became empty")
    return tuple(said)


def _retitled(found: Retitled) -> str:
    rows = f"{found['rows']:,} row{'s' if found['rows'] > 1 else ''}"
    why = (
        f"the ids may have been rounded by {found['rounded']}"
        if found["rounded"]
        else "these may be different videos, or one whose title changed"
    )
    ids = ", ".join(map(repr, found["ids"]))
    left = "was left out" if found["rows"] == 1 else "were left out"
    return f"{rows} shared an id with an earlier row of another title, and {left}, e.g. {ids}: {why}"


def _values(found: OddValues) -> str:
    more = ", …" if found["count"] > len(found["examples"]) else ""
    examples = ", ".join(map(repr, found["examples"])) + more
    return f"{found['count']:,} value{'s' if found['count'] > 1 else ''} ({examples})"


def _first(found: Missing, most: int) -> str:
    names = found["names"][:most]
    more = found["count"] - len(names)
    return ", ".join(names) + (f", and {more:,} more" if more else "")
