"""The content of the report page, as plain data."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from vidatlas.storage.manifest import PlanCounts
from vidatlas.views.charts import Grid, Losses
from vidatlas.views.map_data import Drawing
from vidatlas.views.nouns import Nouns

Verdict = Literal["good", "fair", "poor"]


@dataclass(frozen=True)
class Trend:
    """Hold views and dates of one subcategory; None where its videos have none."""

    median_views: int | None = None
    total_views: int | None = None
    viewed: int = 0
    """Videos whose views are known."""
    dated: int = 0
    """Videos whose date is known."""
    median_month: str | None = None
    """Such as 2021-03; as the first and the last."""
    first_month: str | None = None
    last_month: str | None = None
    growth: float | None = None
    """0.5: half as many videos again in the last ``Report.window`` months as in as many before."""
    line: str = ""
    """Videos of each month of the span as a digit in base 36, of which the highest stands for ``peak``."""
    peak: int = 0


@dataclass(frozen=True)
class Subcategory:
    """Describe one subcategory: its terms best first, its exemplars nearest to the centre first."""

    number: int
    name: str
    size: int
    terms: tuple[tuple[str, float], ...]
    exemplars: tuple[str, ...]
    """Their titles."""
    silhouette: float | None = None
    mean_distance: float | None = None
    coverage: float | None = None
    """Share of its records that have a term of the name."""
    ids: tuple[str, ...] = ()
    """Of the exemplars; empty where nobody looks them up on the map."""
    links: tuple[str, ...] = ()
    """The address of each exemplar, "" where it has none; empty where the recipe makes no links."""
    images: tuple[str, ...] = ()
    """A small image of each exemplar as data: URI, "" where it has none; empty where the atlas has no images."""
    trend: Trend | None = None
    levels: tuple[str, ...] = ()
    """Names of the nodes of its category that it is in, the broadest first."""
    peripheral: int | None = None
    """Records farther from the centre than its core; None where there are no centres."""


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
    """If k was chosen by it: the share of held-out variance left by k subcategories."""


@dataclass(frozen=True)
class Figure:
    """Hold one quality figure of the page, and how to read it."""

    name: str
    value: str
    reading: str
    verdict: Verdict | None = None
    """None where a figure is neither good nor poor."""
    advice: str = ""
    """What to do about a poor one."""


@dataclass(frozen=True)
class Report:
    """Hold the content of the page; every string is untrusted."""

    recipe_name: str
    inputs: tuple[str, ...]
    counts: PlanCounts
    categories: tuple[Category, ...]
    rejects: tuple[tuple[str, int, str], ...]
    """Reasons with their counts and what they mean."""
    explained_variance: tuple[float, ...]
    figures: tuple[Figure, ...]
    encoder: str
    stages: tuple[tuple[str, float, str], ...]
    """Names with their seconds and the rate in words, which may be empty."""
    facts: tuple[tuple[str, str], ...]
    recipe_yaml: str
    content_sha256: str
    notes: tuple[str, ...]
    drawing: Drawing | None = None
    """The map of the records."""
    title: str = "Video atlas"
    nouns: Nouns = field(default_factory=Nouns)
    absences: tuple[str, ...] = ()
    """Sentences on input that gave no records: files without rows, groups without records."""
    clustered: bool = True
    """Whether subcategories are clusters, with silhouettes and distances from a centre."""
    making: str = ""
    """How records were turned into vectors, and vectors into subcategories."""
    naming: str = ""
    """What subcategories are named after."""
    members: int | None = None
    """If they are named after their most frequent records: most records to list per subcategory, with counts."""
    alike: str = "alike"
    """What records that lie close together have in common."""
    told: Grid | None = None
    """If labels were predicted from vectors: how often each, by group."""
    losses: tuple[Losses, ...] = ()
    """Training losses of each network."""
    span: tuple[str, str] | None = None
    """First and last month of the small lines; None where no video has a date."""
    window: int = 0
    """Months that a growth compares with as many before."""
    scripts: tuple[tuple[str, float], ...] = ()
    """Share of the titles by script, the most frequent first."""
    warning: str = ""
    """What the encoder does not know."""
