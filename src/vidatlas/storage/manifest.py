"""The manifest of an atlas (``atlas.json``) as types: what each stage's entry holds.

Like every JSON file of an atlas, it is checked against its type when it is read (``Store.read_json``). Unknown keys are
allowed: another minor version may write more. ``NotRequired`` marks what not every atlas has, or what an older version
did not write.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Annotated, Literal, NotRequired

from pydantic import AfterValidator, Field

# Below Python 3.12, pydantic cannot check those of ``typing``.
from typing_extensions import TypedDict

from vidatlas.types import Count, FileFacts, Kind, Rejects

Stage = Literal["plan", "embed", "reduce", "publish"]
STAGES: tuple[Stage, ...] = ("plan", "embed", "reduce", "publish")


class PlanCounts(TypedDict):
    """Count the rows of the input: read = kept + rejected + duplicates."""

    read: Count
    kept: Count
    rejected: Count
    duplicates: Count
    """Rows whose id occurs in an earlier row."""
    rejects: Rejects


class Missing(TypedDict):
    """Count groups of which no record was kept, or files."""

    count: Count
    names: list[str]
    """The first of them."""


class AbsentFiles(Missing):
    """List input files without rows, or without rows of their own."""

    of: Count
    """Number of all input files."""


class Absent(TypedDict, total=False):
    """List what gave no record (``pipeline/plan/missing.py``)."""

    files: AbsentFiles
    repeated: AbsentFiles
    """Files with the same content as an earlier one: all their rows are duplicates."""
    groups: Missing


class Absences(TypedDict, total=False):
    """Hold what a plan says of absences: nothing where everything has records."""

    absent: Absent


class VectorFacts(TypedDict):
    """Describe given vectors (``encoders/given.py``)."""

    dim: int
    """Numbers per vector."""
    sha256: NotRequired[str]
    """Of the .npy file."""


class Given(TypedDict, total=False):
    """Hold what a plan says of given vectors: nothing where an encoder makes them."""

    vectors: VectorFacts


class OddValues(TypedDict):
    """Count values of a column that do not fit."""

    count: Count
    examples: list[str]


class Odd(TypedDict, total=False):
    """List, per column, values that do not fit its type, and values without a name in ``record.map``."""

    misfits: dict[str, OddValues]
    unnamed: dict[str, OddValues]
    empty: dict[str, str]
    """Input column of each optional column without a value."""
    undetected: list[str]
    """Columns of languages, where nothing is installed that tells them."""


class Retitled(TypedDict):
    """Describe duplicates with another title than the row that is kept (``pipeline/plan/duplicates.py``)."""

    rows: Count
    ids: list[str]
    rounded: str
    """What may have rounded the ids; empty where they look whole."""


class Values(TypedDict, total=False):
    """Hold what a plan says of values: nothing where there is nothing to say (``pipeline/plan/values.py``)."""

    columns: dict[str, Kind]
    """Type of each typed column."""
    values: Odd
    retitled: Retitled


class PlanFacts(Absences, Given, Values):
    """Describe the plan of an atlas (``pipeline/plan/plan.py``)."""

    parts: list[str]
    """Key of each input file, in the order of ``inputs``."""
    shards: Count
    complete: bool
    """False if ``source.limit`` ended the reading."""
    counts: PlanCounts


class StageEntry(TypedDict):
    """Hold what the manifest lists of every stage (``pipeline/stage.py``)."""

    fingerprint: NotRequired[str]
    """SHA-256 of the settings of the recipe that this stage depends on."""
    upstream: NotRequired[str]
    """Digest of the stage before; not of a plan."""
    digest: str
    """SHA-256 over names and hashes of ``files``."""
    files: dict[str, FileFacts]
    """By file name within the atlas."""


class PlanEntry(PlanFacts, StageEntry):
    """Describe a committed plan."""

    inputs: list[str]
    """URLs of the input files."""


class EncoderIdentity(TypedDict):
    """Identify an encoder (``encoder.json``): workers may share an atlas if all but model and revision are equal."""

    model: str
    dim: Annotated[int, Field(ge=1)]
    revision: NotRequired[str | None]
    weights_sha256: NotRequired[str | None]
    engine: NotRequired[str]
    device: NotRequired[str]
    dtype: NotRequired[str]
    threads: NotRequired[Annotated[int, Field(ge=1)]]
    """CPU threads per worker."""
    languages: NotRequired[str | None]
    """What told the languages of texts; None where it is not installed. Only of recipes with such a column."""
    rmse: NotRequired[float]
    """Root mean squared error on held-out ratings, in units of a rating; of ``factors`` only."""


class EmbedCounts(TypedDict):
    """Sum the receipts of shards (``pipeline/embed/embed.py``)."""

    rows: Count
    kept: Count
    texts: Count
    distinct: Count
    """Texts that were encoded, each once per shard."""
    tokens: Count
    nodes: Count
    """Rows of hidden states that were computed."""
    rejects: Rejects
    redone: NotRequired[Count]
    """Shards that were started more than once."""
    worker_seconds: NotRequired[float]
    compute_seconds: float
    """Seconds for which devices computed."""
    idle_share: NotRequired[float | None]
    """Share of the time for which devices waited; None if nothing was computed."""
    batch_tokens: NotRequired[list[Count]]
    """The batch sizes that occurred, in tokens, largest first."""
    gemm_share: float | None
    """Share of the peak GEMM throughput; None without a model."""


class EmbedFacts(TypedDict):
    """Describe the embeddings of an atlas (``pipeline/embed/embed.py``)."""

    encoder: EncoderIdentity
    counts: EmbedCounts
    hardware: list[str]


class EmbedEntry(EmbedFacts, StageEntry):
    """Describe committed embeddings."""


class ReduceCounts(TypedDict):
    """Count what a reduction found."""

    rows: Count
    groups: Count
    subcategories: Count
    components: Count
    """Dimensions of a reduced vector; 0 if vectors were not reduced."""


class BackendIdentity(TypedDict):
    """Identify what k-means ran on."""

    name: str
    version: str
    device: str


class ReduceFacts(TypedDict):
    """Describe the reduction of an atlas (``pipeline/reduce/reduce.py``)."""

    counts: ReduceCounts
    backend: BackendIdentity
    notes: list[str]
    """What a reader must know, a sentence each."""


class ReduceEntry(ReduceFacts, StageEntry):
    """Describe a committed reduction."""

    classes: NotRequired[str | None]
    """Digest of the other atlas of ``reduce.probe.classes``."""
    segmenter: NotRequired[str]
    """What splits text without spaces into words, with its version."""


class LayoutFacts(TypedDict):
    """Describe the layout of the map: the settings ``publish.layout``, and how many videos were laid out."""

    method: str
    sample: Count
    perplexity: float
    exaggeration: float
    neighbours: Count
    seed: int
    sampled: Count
    engine: NotRequired[str]
    """What computed t-SNE, where it was not openTSNE."""


class IndexFacts(TypedDict):
    """Describe the search index (``index/search.json``); of kind "none", only ``kind`` is there."""

    kind: str
    metric: NotRequired[str]
    rows: NotRequired[Count]
    dim: NotRequired[Count]
    bytes: NotRequired[Count]
    lists: NotRequired[Count]
    """Cells of the index; 0 if it is flat."""
    probes: NotRequired[Annotated[int, Field(ge=1)]]
    """Cells that a query looks into."""
    recall_at_10: NotRequired[float]
    """Share of the true ten nearest that are found, from 0 to 1."""
    queries: NotRequired[Count]
    """Vectors by which recall was measured."""


class Training(TypedDict, total=False):
    """Describe the training of an image encoder; empty if it was not trained."""

    learned_from: Count
    losses: list[float]
    """Mean squared error per epoch, on a scale from 0 to 1."""


class PictureFacts(Training):
    """Describe the image vectors (``index/pictures.json``)."""

    pictures: Count
    encoder: EncoderIdentity
    probes: NotRequired[Annotated[int, Field(ge=1)]]
    """Cells that a query looks into; not in the manifest."""


class PublishFacts(TypedDict, total=False):
    """Describe what was published (``pipeline/publish/publish.py``)."""

    versions: dict[str, str]
    """Version of each library."""
    content_sha256: str
    layout: LayoutFacts
    index: IndexFacts
    pictures: PictureFacts
    """Only with ``publish.pictures``."""


class PublishEntry(PublishFacts, StageEntry):
    """Describe a committed publication."""

    format: NotRequired[Count]


class Stages(TypedDict, total=False):
    """List the committed stages; none without those before it."""

    plan: PlanEntry
    embed: EmbedEntry
    reduce: ReduceEntry
    publish: PublishEntry


def _in_order(stages: Stages) -> Stages:
    listed = [name in stages for name in STAGES]
    if listed != sorted(listed, reverse=True):
        absent = STAGES[listed.index(False)]
        raise ValueError(f"a stage is listed without {absent}, which it is made from")
    return stages


class RecipeEntry(TypedDict):
    """Hold the resolved recipe; ``recipe_of`` checks the rest of it."""

    name: str


class Manifest(TypedDict):
    """Say what an atlas contains (``atlas.json``)."""

    schema: Count
    recipe: NotRequired[RecipeEntry]
    stages: Annotated[Stages, AfterValidator(_in_order)]


class Version(TypedDict):
    """Hold the one key of a manifest that every version writes."""

    schema: Count


def entries(manifest: Manifest) -> list[StageEntry]:
    """Return the entries of all stages that a manifest lists, in their order."""
    return [manifest["stages"][stage] for stage in STAGES if stage in manifest["stages"]]


def digest_of(files: Mapping[str, FileFacts]) -> str:
    """Return one SHA-256 over the names and hashes of stored files."""
    lines = "".join(f"{name} {files[name]['sha256']}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


def content_sha256(manifest: Manifest) -> str:
    """Return one hash over everything plan, embed and reduce stored: equal hashes mean equal bytes."""
    stages = manifest["stages"]
    digests = (stages["plan"]["digest"], stages["embed"]["digest"], stages["reduce"]["digest"])
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()


REBUILD = {
    "reduce": "vidatlas reduce {0} && vidatlas publish {0}",
    "publish": "vidatlas publish {0}",
    "": "vidatlas run RECIPE INPUT… {0}",
}
"""The command that makes the files of a stage again; of the others, the one that made the atlas."""

REMEDIES = {
    "atlas.json": "Restore the original, or make the atlas again.",
    "inputs.json": "Delete it: the next run reads the input files again, and nothing else depends on it.",
    "lock": "Delete it if no run is going on: nothing depends on it.",
    **dict.fromkeys(
        ("progress.json", "timings.json"), "Delete it: the next run writes it again, and nothing depends on it."
    ),
}
"""What to do about a damaged file, where it is not to make it again by the stage that wrote it."""
