"""The JSON files of an atlas other than the manifest, as types: metrics, input files, progress, models, the lock."""

from __future__ import annotations

from dataclasses import is_dataclass
from functools import cache
from typing import Annotated, Any, Literal, NotRequired, cast

import orjson
from pydantic import Field, TypeAdapter, ValidationError
from typing_extensions import TypedDict

from vidatlas.errors import DamagedError
from vidatlas.storage.manifest import IndexFacts, OddValues
from vidatlas.types import Count, FileFacts, Rejects, T


class FieldFacts(TypedDict):
    """Count the texts of one field in an input file."""

    present: Count
    """Records that have it."""
    texts: Count
    chars: Count


class Example(TypedDict):
    """Hold a record with all its texts, by field."""

    id: str
    group: str
    texts: dict[str, list[str]]


class PartVectors(TypedDict):
    """Describe the given vectors of an input file (``encoders/given.py``)."""

    dim: int | None
    """Numbers per vector; None where no row has a usable one."""
    sha256: NotRequired[str]
    """Of the .npy file."""


class PartValues(TypedDict, total=False):
    """Describe the values of typed and mapped columns in an input file (``pipeline/plan/values.py``)."""

    kinds: dict[str, dict[str, Count]]
    """Values by kind, per column."""
    misfits: dict[str, OddValues]
    unnamed: dict[str, OddValues]


class FirstReject(TypedDict):
    """Describe the first row that cannot be used, where there are many (``pipeline/plan/hints.py``)."""

    line: Annotated[int, Field(ge=1)]
    reason: str
    hint: str
    """What to set; empty where that is not known."""


class Lacking(TypedDict):
    """Describe the columns that a recipe names and a file lacks: another file of the input may have them."""

    columns: list[str]
    names: list[str]
    """Names of values that are there, those of nested ones as paths."""


class Occasional(TypedDict, total=False):
    """Hold what only some input files have: odd values, given vectors."""

    first_reject: FirstReject
    lacking: Lacking
    values: PartValues
    vectors: PartVectors


class SurveyFacts(Occasional):
    """Describe the rows of an input file (``PartSurvey``)."""

    rejects: Rejects
    columns: list[str]
    fields: dict[str, FieldFacts]
    groups: dict[str, Count]
    """Records by group, the largest first; with ``source.explode`` 0 for groups without a term."""
    examples: list[Example]


class Reading(TypedDict, total=False):
    """Hold how an input file is read where the recipe does not say it."""

    delimiter: str
    """The one that a CSV file names itself."""
    encoding: str
    """What its text is converted to UTF-8 from."""


class PartFacts(SurveyFacts, Reading):
    """Describe an input file (``plan/<part>.json``, ``pipeline/plan/part.py``)."""

    part: str
    """Its key: stem and eight hexadecimal digits of ``content_sha256``."""
    bytes: Count
    content_sha256: str
    """Hash of the decompressed rows."""
    compression: str
    complete: bool
    """False if ``source.limit`` ended the reading."""
    rows: Count
    header: list[str]
    """Column names that stand outside the rows."""
    shards: Count


class InputFile(TypedDict):
    """Describe where an input file was when it was planned."""

    part: str
    """Key of its part; empty for a file that is read with the input."""
    plan: str
    """Fingerprint of the plan's settings."""
    bytes: Count
    modified: str
    """What tells whether the file changed: its time in nanoseconds, or its ETag."""


Inputs = dict[str, InputFile]
"""``inputs.json``: input files by URL. Without it, the plan is made again."""
Timings = dict[str, Annotated[float, Field(ge=0)]]
"""``timings.json``: seconds per stage, over all runs. Nothing depends on it."""


class ProgressFacts(TypedDict):
    """Say how far the last run has come (``progress.json``, ``cli/progress.py``). Nothing depends on it."""

    state: str
    """running, finished or stopped"""
    stage: str
    done: Count
    """Of ``total`` bytes (plan), shards (embed) or steps."""
    total: Count
    rows_per_second: NotRequired[float]
    eta_seconds: NotRequired[float | None]
    updated: float
    """Seconds since 1970."""


class Holder(TypedDict):
    """Identify the run that holds the lock of an atlas (``lock``)."""

    run: str
    host: str
    machine: NotRequired[str]
    """What tells it from others of that host name (``storage/lock.py``)."""
    pid: Annotated[int, Field(gt=0, lt=2**31)]
    process: str
    """Start of the process in clock ticks; empty if unknown."""
    since: str
    beat: float
    """Last heartbeat, in seconds since 1970."""


class Attempts(TypedDict):
    """Count how often a shard was started (``attempts/<shard>.json``)."""

    shard: str
    attempts: Count
    worker: NotRequired[str]
    """The process that works on it, for people."""


class LearnedFacts(TypedDict):
    """Describe an encoder that was learned (``model/encoder.json``)."""

    plan: str
    """Digest of the plan whose records it was learned from."""
    settings: dict[str, Any]
    facts: dict[str, Any]
    """What its identity says besides."""
    names: list[str]
    """What the rows of its arrays stand for."""


class TrainedPictures(TypedDict):
    """Describe a trained image encoder (``model/pictures.json``, ``pipeline/publish/images.py``)."""

    made_of: str
    """SHA-256 over its settings and the names of its images."""
    files: dict[str, FileFacts]
    learned_from: Count
    losses: list[float]
    """Mean squared error per epoch, on a scale from 0 to 1."""


class GroupSize(TypedDict):
    """Count the centroids of a group (``model/groups.json``)."""

    group: str
    subcategories: Count
    rows: Count


class Variance(TypedDict):
    """Say how much of the variance a reduction keeps."""

    components: Count
    """Dimensions of a reduced vector; 0 if vectors were not reduced."""
    total: float
    """Share of the variance that all of them keep, from 0 to 1."""
    ratio: list[float]
    """Share of each principal component."""
    cumulative: NotRequired[list[float]]
    """Sum of the shares of the first 1, 2, … directions, at most 256."""
    dimensions: NotRequired[Count]
    """Dimensions of a vector before."""


class TuningFacts(TypedDict):
    """Say how Deep Embedded Clustering went, per update of its target."""

    before: list[float]
    """KL divergence of the soft labels from the target when it is set, in nats."""
    behind: list[float]
    """The same after the steps that followed."""
    changed: list[float]
    """Share of rows that changed cluster since the update before, from 0 to 1."""
    converged: bool
    notes: list[str]


class NetworkFacts(TypedDict):
    """Say how the training of the auto-encoder went."""

    rows: Count
    restored: float
    """Share of the variance of those rows that codes restore, from 0 to 1."""
    latent: Count
    """Dimensions of a code."""
    dimensions: Count
    """Dimensions of a vector."""
    loss: list[float]
    """Mean squared error per epoch."""
    dec: NotRequired[TuningFacts]


class Reduced(TypedDict):
    """Hold the part of the metrics that is known of the reducer."""

    explained_variance: Variance
    network: NotRequired[NetworkFacts]


class Overall(TypedDict):
    """Hold means over all groups, each weighing as many rows as it has; None where nothing was measured."""

    silhouette: float | None
    davies_bouldin: NotRequired[float | None]
    stability: float | None
    coherence: NotRequired[float | None]
    """NPMI of the terms of names, from -1 to 1."""


class GroupFigures(TypedDict):
    """Hold the figures of one group; None where undefined or not measured."""

    rows: Count
    subcategories: Count
    inertia: NotRequired[float | None]
    """Sum of squared distances to the centroids."""
    silhouette: float | None
    silhouette_rows: NotRequired[Count | None]
    davies_bouldin: NotRequired[float | None]
    stability: float | None
    coherence: NotRequired[float | None]
    curve: list[Annotated[list[float], Field(min_length=2, max_length=2)]]
    """Pairs of k and its criterion, where k was chosen by it."""
    notes: NotRequired[list[str]]


class AgreementFacts(TypedDict):
    """Say how well clusters agree with known labels (``clustering/quality.py``); 1 is best."""

    purity: float
    nmi: float
    ami: float
    rows: Count
    clusters: Count


class KFacts(TypedDict):
    """Say how k was chosen."""

    rule: Annotated[int, Field(ge=1)] | Literal["auto", "sqrt", "proportional"]
    criterion: str | None


class SilhouetteFacts(TypedDict):
    """Say of which rows, and in which space, silhouettes were measured."""

    sample: str
    space: str


class StabilityFacts(TypedDict):
    """Say how stability was measured."""

    seeds: Count
    sample: str


class F1(TypedDict):
    """Hold F1 and label-ranking average precision, from 0 to 1."""

    micro_f1: float
    macro_f1: float
    lrap: float


class ProbeSplit(TypedDict):
    """Compare a linear head with always predicting the most frequent labels."""

    head: F1
    most_frequent: F1
    tuned: NotRequired[F1]
    """Of a head that was trained together with the encoder's last layers; only with ``reduce.probe.tune``."""


class ProbeFacts(TypedDict):
    """Say how well labels are predicted from vectors (``probe.py``)."""

    rows: Count
    labels: Count
    told: Count
    """Labels that are predicted per record."""
    folds: Count
    by_record: ProbeSplit | None
    """None where there are fewer records than folds."""
    by_group: ProbeSplit | None
    """None where there are fewer groups than folds."""
    groups: Count


class Measured(Reduced):
    """Hold the metrics that every reduction has."""

    rows: Count
    k: NotRequired[KFacts]
    stability: NotRequired[StabilityFacts]
    silhouette: NotRequired[SilhouetteFacts]
    overall: NotRequired[Overall]
    agreement: NotRequired[AgreementFacts | None]
    """With the groups, where clusters were found without them."""
    labels: NotRequired[AgreementFacts | None]
    """With known labels."""
    groups: dict[str, GroupFigures]


class Metrics(Measured):
    """Hold the quality figures of an atlas (``metrics.json``, ``pipeline/reduce/metrics.py``)."""

    probe: NotRequired[ProbeFacts]
    """Only with ``reduce.probe``."""
    search: NotRequired[IndexFacts]
    """Not in the file: added by ``Atlas.metrics``."""


def parse_json(data: bytes, kind: type[T]) -> T:
    """Return JSON as what it holds: a dataclass, or a TypedDict with all keys that are there.

    Raises:
        DamagedError: it is not valid, or a key has another type than ``kind`` says; for a sentence on the file.
    """
    adapter = _adapter(cast(Any, kind))
    try:
        found = orjson.loads(data)
        if is_dataclass(kind):
            return cast(T, adapter.validate_json(data, strict=True))
        adapter.validate_python(found, strict=True)
    except orjson.JSONDecodeError as error:
        raise DamagedError(f" is not valid JSON ({error})") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        # A damaged file may hold names of any length.
        where, what = (text[:400] for text in (".".join(map(str, first["loc"])), first["msg"]))
        what = what.removeprefix("Value error, ")
        raise DamagedError(f": {where}: {what}" if where else f": {what}") from error
    # What was read, not what pydantic made of it, which lacks the unknown keys.
    return cast(T, found)


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)
