"""A linear probe: how well a linear classifier predicts labels from vectors, for seen and for held-out groups.

Alain and Bengio, "Understanding Intermediate Layers Using Linear Classifier Probes" (2017). Where records of one group
share their labels, such as reviews of one film, a split by record lets the classifier recognise the group: the
difference between the two splits measures that leakage.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel, Field

from vidatlas.threads import one_thread
from vidatlas.types import Floats, Json

Flags = NDArray[np.bool_]
Numbers = NDArray[np.int64]
Linear = tuple[Floats, Floats]
"""A linear head: float32 weights [labels, dim] and intercepts [labels]."""
Tuned = Callable[[Numbers, Flags, Numbers, Linear], Floats]
"""Records to learn from, their labels [records, labels], records to predict, the linear head -> scores."""


class ProbeSpec(BaseModel, frozen=True, extra="forbid"):
    """Choose the labels that a probe predicts from vectors."""

    classes: str | None = None
    """An atlas clustered by ``axes``: a record's label is the id of a record there, whose classes are predicted.
    None: predict the record's own labels."""
    by: Literal["id", "title"] = "id"
    """How a label identifies a record of the other atlas: by id, or by title (ignoring case)."""
    most_each: Annotated[int, Field(ge=1)] | None = None
    """Use at most this many records of each subcategory of the other atlas, those with the largest values."""
    without: tuple[int, ...] = ()
    """Ignore records of the other atlas that have one of these classes."""
    folds: Annotated[int, Field(ge=2)] = 5
    fit_rows: Annotated[int, Field(ge=2)] = 20_000
    """Use at most this many records, sampled by seed."""
    seed: int = 0
    tune: Literal["layers"] | None = None
    """``layers``: also measure a head that is trained together with the last layers of a ``sentence`` encoder."""


@dataclass(frozen=True, slots=True)
class Probed:
    """Hold the metrics and predictions of a probe; a record's group is held out if there are enough groups.

    Attributes:
        facts: per split and method, micro and macro F1 and the label-ranking average precision.
        told: int64 [n, m], the m predicted labels, most likely first; m is the mean number of labels per record.
    """

    facts: Json
    told: Numbers


def probe(vectors: Floats, truth: Flags, groups: Numbers, spec: ProbeSpec, tuned: Tuned | None = None) -> Probed:
    """Probe vectors: return how well labels are predicted by cross-validation.

    Args:
        vectors: float32 [n, dim].
        truth: [n, labels], each row with at least one label.
        groups: [n], the group number of each record.
        spec: number of folds, and their seed.
        tuned: also measure this in the same splits.
    """
    usual = max(1, round(float(truth.sum(axis=1).mean())))
    facts: Json = {"rows": len(vectors), "labels": truth.shape[1], "told": usual, "folds": spec.folds}
    scores = np.zeros(truth.shape, np.float32)
    for split, keys in (("by_record", np.arange(len(vectors))), ("by_group", groups)):
        several = len(np.unique(keys)) >= spec.folds
        facts[split] = None
        if several:
            found = _crossed(vectors, truth, keys, spec, tuned)
            scores = found["head"]
            facts[split] = {method: figures(truth, one, usual) for method, one in found.items()}
    facts["groups"] = len(np.unique(groups))
    return Probed(facts, np.argsort(-scores, axis=1, kind="stable")[:, :usual])


def _crossed(vectors: Floats, truth: Flags, keys: Numbers, spec: ProbeSpec, tuned: Tuned | None) -> dict[str, Floats]:
    """Return by method the scores [n, labels] of each record, fitted on the other folds."""
    unique, inverse = np.unique(keys, return_inverse=True)
    folds = (np.random.default_rng(spec.seed).permutation(len(unique)) % spec.folds)[inverse]
    methods = ("head", "most_frequent", *(("tuned",) if tuned else ()))
    scores = {method: np.zeros(truth.shape, np.float32) for method in methods}
    for fold in range(spec.folds):
        held = folds == fold
        scores["most_frequent"][held] = truth[~held].mean(axis=0)
        weights, intercepts = linear = _head(vectors[~held], truth[~held])
        scores["head"][held] = vectors[held] @ weights.T + intercepts
        if tuned:
            scores["tuned"][held] = tuned(np.flatnonzero(~held), truth[~held], np.flatnonzero(held), linear)
    return scores


def _head(seen: Floats, truth: Flags) -> Linear:
    """Fit the log-odds of each label by logistic regression; constant for a label that all or no records have."""
    from sklearn.linear_model import LogisticRegression

    weights = np.zeros((truth.shape[1], seen.shape[1]), np.float32)
    intercepts = np.where(truth.all(axis=0), 30.0, -30.0).astype(np.float32)
    with one_thread():
        for label in np.flatnonzero(truth.any(axis=0) & ~truth.all(axis=0)):
            model = LogisticRegression(C=10.0, max_iter=300).fit(seen, truth[:, label])
            weights[label], intercepts[label] = model.coef_[0], model.intercept_[0]
    return weights, intercepts


def figures(truth: Flags, scores: Floats, told: int) -> Json:
    """Return a probe's F1 when it predicts the ``told`` highest-scoring labels, and how high true labels rank.

    F1: micro weights all pairs of record and label equally, macro all labels that some record has.
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
