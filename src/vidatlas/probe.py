"""How well a linear head tells labels from vectors: on records of groups it has seen, and of groups it has not.

Alain and Bengio, "Understanding Intermediate Layers Using Linear Classifier Probes" (2017). Where records of one group
share their labels, such as reviews of one film, a split by record lets the head recognise the group: the difference of
both splits is that leak.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, ConfigDict, Field

from vidatlas.threads import one_thread
from vidatlas.types import Floats, Json

Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]


class ProbeSpec(BaseModel):
    """Say what labels are to be told from vectors."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    classes: str | None = None
    """An atlas clustered by ``axes``: a record's label is the id of one of its records, and stands for its classes.
    None: the record's own labels."""
    by: Literal["id", "title"] = "id"
    """What of the other atlas's records a label is: the id, or the title, whatever its case."""
    most_each: Annotated[int, Field(ge=1)] | None = None
    """Of the other atlas's records only so many of each subcategory count, those with the largest number."""
    without: tuple[int, ...] = ()
    """Of the other atlas's records those do not count whose classes hold one of these."""
    folds: Annotated[int, Field(ge=2)] = 5
    fit_rows: Annotated[int, Field(ge=2)] = 20_000
    """At most so many records are looked at, drawn by seed."""
    seed: int = 0


@dataclass(frozen=True, slots=True)
class Probed:
    """Hold the figures of a probe, and what it told of each record, unseen its group where there are enough of them.

    Attributes:
        facts: per split and method micro and macro F1 and the label-ranking average precision.
        told: int64 [n, m], the m labels that are most likely, the likeliest first; m is the usual number of labels.
    """

    facts: Json
    told: Numbers


def probe(vectors: Floats, truth: Flags, groups: Numbers, spec: ProbeSpec) -> Probed:
    """Return how well labels are told, each record by a head fitted on other folds.

    Args:
        vectors: float32 [n, dim].
        truth: [n, labels], each row with at least one label.
        groups: [n], numbers of the records' groups.
        spec: how many folds, and their seed.
    """
    usual = max(1, round(float(truth.sum(axis=1).mean())))
    facts: Json = {"rows": len(vectors), "labels": truth.shape[1], "told": usual, "folds": spec.folds}
    scores = np.zeros(truth.shape, np.float32)
    for split, keys in (("by_record", np.arange(len(vectors))), ("by_group", groups)):
        several = len(np.unique(keys)) >= spec.folds
        facts[split] = None
        if several:
            scores, plain = _crossed(vectors, truth, keys, spec)
            facts[split] = {"head": figures(truth, scores, usual), "most_frequent": figures(truth, plain, usual)}
    facts["groups"] = len(np.unique(groups))
    return Probed(facts, np.argsort(-scores, axis=1, kind="stable")[:, :usual])


def _crossed(vectors: Floats, truth: Flags, keys: Numbers, spec: ProbeSpec) -> tuple[Floats, Floats]:
    """Return the scores [n, labels] of a linear head, and how frequent labels are, each by the other folds."""
    unique, inverse = np.unique(keys, return_inverse=True)
    folds = (np.random.default_rng(spec.seed).permutation(len(unique)) % spec.folds)[inverse]
    scores, plain = np.zeros(truth.shape, np.float32), np.zeros(truth.shape, np.float32)
    for fold in range(spec.folds):
        held = folds == fold
        plain[held] = truth[~held].mean(axis=0)
        scores[held] = _head(vectors[~held], truth[~held], vectors[held])
    return scores, plain


def _head(seen: Floats, truth: Flags, vectors: Floats) -> Floats:
    """Return the log-odds of each label by logistic regression; those of a label that all or none have are constant."""
    from sklearn.linear_model import LogisticRegression

    found = np.where(truth.all(axis=0), 30.0, -30.0).astype(np.float32) * np.ones((len(vectors), 1), np.float32)
    with one_thread():
        for label in np.flatnonzero(truth.any(axis=0) & ~truth.all(axis=0)):
            model = LogisticRegression(C=10.0, max_iter=300).fit(seen, truth[:, label])
            found[:, label] = model.decision_function(vectors)
    return found


def figures(truth: Flags, scores: Floats, told: int) -> Json:
    """Return F1 where the ``told`` labels with the highest scores are told, and how high true labels rank.

    F1: micro counts all pairs of record and label alike, macro each label alike, of those that some record has.
    Label-ranking average precision: Schapire and Singer, "BoosTexter" (2000).
    """
    from sklearn.metrics import f1_score, label_ranking_average_precision_score

    predicted = np.zeros(truth.shape, bool)
    np.put_along_axis(predicted, np.argsort(-scores, axis=1, kind="stable")[:, :told], True, axis=1)
    used = truth.any(axis=0)
    return {
        "micro_f1": float(f1_score(truth, predicted, average="micro", zero_division=0)),
        "macro_f1": float(f1_score(truth[:, used], predicted[:, used], average="macro", zero_division=0)),
        "lrap": float(label_ranking_average_precision_score(truth, scores)),
    }
