"""What was measured is shown with a sentence; what was not is left out."""

from __future__ import annotations

from typing import Any

from vidatlas.views.figures import quality_figures
from vidatlas.views.nouns import Nouns

VARIANCE = {"total": 0.6312, "components": 64}


def test_every_figure_has_a_value_and_a_sentence() -> None:
    overall = {"silhouette": -0.021, "davies_bouldin": 2.4, "stability": 0.5, "coherence": 0.31}
    agreement = {"ami": 0.3, "nmi": 0.31, "purity": 0.5, "rows": 9, "clusters": 12}
    figures = quality_figures({"explained_variance": VARIANCE, "overall": overall, "agreement": agreement}, Nouns())
    assert [figure.value for figure in figures] == [
        "63.1%",
        "\N{MINUS SIGN}0.02",
        "2.40",
        "0.50",
        "0.31",
        "AMI 0.300, NMI 0.310, purity 50.0%",
    ]
    assert all(figure.name and figure.reading.endswith(".") for figure in figures)
    assert [figure.verdict for figure in figures] == ["good", "poor", "fair", "fair", "good", "good"]
    assert [bool(figure.advice) for figure in figures] == [figure.verdict == "poor" for figure in figures]


def test_what_was_not_measured_is_left_out() -> None:
    overall: dict[str, Any] = dict.fromkeys(("silhouette", "davies_bouldin", "stability", "coherence"))
    figures = quality_figures({"explained_variance": VARIANCE, "overall": overall, "agreement": None}, Nouns())
    assert [figure.name for figure in figures] == ["Explained variance"]


def test_variance_is_that_of_codes_for_an_auto_encoder_and_none_where_nothing_was_shortened() -> None:
    (restored,) = quality_figures({"explained_variance": VARIANCE, "network": {"loss": []}}, Nouns())
    assert (restored.name, restored.value) == ("Variance explained by the codes", "63.1%")
    assert "tuned" not in restored.reading
    (tuned,) = quality_figures({"explained_variance": VARIANCE, "network": {"dec": {}}}, Nouns())
    assert "codes of 64 dimensions, before they were tuned to the clusters" in tuned.reading
    assert quality_figures({"explained_variance": {"total": 1.0, "components": 0}}, Nouns()) == ()
