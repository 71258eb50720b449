"""What the report page shows, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field

from vidatlas.views.charts import Grid, Losses
from vidatlas.views.map_data import Drawing
from vidatlas.views.nouns import Nouns


@dataclass(frozen=True)
class Counts:
    """Hold what became of every record read: read = kept + rejected + duplicates."""

    read: int
    kept: int
    rejected: int
    duplicates: int


@dataclass(frozen=True)
class Reject:
    """Name one reason for leaving records out, its count, and its meaning in plain words."""

    reason: str
    count: int
    meaning: str


@dataclass(frozen=True)
class Stage:
    """Hold how long one stage of the run took; `rate_text` may be empty."""

    name: str
    seconds: float
    rate_text: str


@dataclass(frozen=True)
class Subcategory:
    """Describe one k-means group: its terms best first, its exemplars nearest to the centre first."""

    number: int
    name: str
    size: int
    terms: tuple[tuple[str, float], ...]
    exemplars: tuple[str, ...]
    silhouette: float | None = None
    mean_distance: float | None = None


@dataclass(frozen=True)
class Category:
    """Describe one category and the subcategories it was split into, in any order."""

    name: str
    size: int
    silhouette: float | None
    subcategories: tuple[Subcategory, ...]
    stability: float | None = None
    """Adjusted Rand index between the clusters of different seeds."""
    curve: tuple[tuple[int, float], ...] = ()
    """Where k was chosen by it: the share of held-out variance that k subcategories leave."""


@dataclass(frozen=True)
class Figure:
    """Hold one figure of quality, as it is shown, and one sentence on how to read it."""

    name: str
    value: str
    reading: str


@dataclass(frozen=True)
class Report:
    """Hold everything the page shows; every string may be hostile."""

    recipe_name: str
    inputs: tuple[str, ...]
    counts: Counts
    categories: tuple[Category, ...]
    rejects: tuple[Reject, ...]
    explained_variance: tuple[float, ...]
    figures: tuple[Figure, ...]
    encoder: str
    stages: tuple[Stage, ...]
    facts: tuple[tuple[str, str], ...]
    recipe_yaml: str
    content_sha256: str
    notes: tuple[str, ...]
    drawing: Drawing | None = None
    """The map of the records."""
    title: str = "Video atlas"
    nouns: Nouns = field(default_factory=Nouns)
    absences: tuple[str, ...] = ()
    """Sentences on what of the input gave no record: files without rows, groups without records."""
    clustered: bool = True
    """Whether subcategories are clusters, of which silhouettes and distances from a centre say how good they are."""
    making: str = ""
    """How records became vectors, and vectors subcategories."""
    naming: str = ""
    """After what subcategories are named."""
    members: int | None = None
    """Where they are named after their most frequent records: of so many at most each lists title and count."""
    alike: str = "alike"
    """What records have in common that lie close together."""
    told: Grid | None = None
    """Where labels were told from vectors: how often each, by group."""
    losses: tuple[Losses, ...] = ()
    """Of each network that learned."""
