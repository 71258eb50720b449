"""The types shared by all of vidatlas: records, shards, receipts, events; protocols of encoder and runner."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from importlib.util import find_spec
from os import PathLike
from typing import Annotated, Any, Literal, Protocol, TypeVar, get_args, runtime_checkable

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

# Below Python 3.12, pydantic cannot check those of ``typing``.
from typing_extensions import TypedDict

from vidatlas.errors import UsageError

Floats = NDArray[np.float32]
Json = dict[str, Any]
Place = str | PathLike[str]
"""A local path or an fsspec URL."""

UNGROUPED = "(none)"
"""The group of a record whose group column is null or empty."""

BETWEEN = " · "
"""What stands between the terms of a name."""

T = TypeVar("T")
R = TypeVar("R")


class Reason(enum.StrEnum):
    """Every reason for which a row is not kept, with its meaning in one clause: a closed type."""

    meaning: str

    def __new__(cls, value: str, meaning: str = "") -> Reason:
        """Return a reason by its name."""
        reason = str.__new__(cls, value)
        reason._value_, reason.meaning = value, meaning
        return reason

    BLANK_LINE = "blank_line", "the line is empty or only white space"
    LINE_TOO_LONG = "line_too_long", "the line is longer than 16 MiB"
    INVALID_UTF8 = "invalid_utf8", "the line is not valid UTF-8, or (CSV) not in the encoding of source.format.encoding"
    INVALID_JSON = "invalid_json", "the line is not valid JSON (cut off, a lone surrogate, nested too deeply)"
    NOT_AN_OBJECT = "not_an_object", "the line is JSON but not an object"
    INVALID_CSV = "invalid_csv", "the row is not valid CSV (an open quote; with strict, text after a quote too)"
    WRONG_WIDTH = "wrong_width", "the row has more or fewer cells than columns"
    MISSING_ID = "missing_id", "the id is absent, null, blank or a placeholder"
    INVALID_ID = (
        "invalid_id",
        "the id is neither text nor an integer, is over 512 characters, or has control characters",
    )
    INVALID_FIELD = (
        "invalid_field",
        "a text field, group, author or label holds something other than text (an object, say)",
    )
    NO_TEXT = "no_text", "every text field is absent or empty: there is nothing to embed"
    UNREADABLE_IMAGE = "unreadable_image", "the image file is missing, damaged, too large, or not an image"
    INVALID_VECTOR = (
        "invalid_vector",
        "the given vector is null, all zeros (as float16), not numeric, of another length than the first (or "
        "encoder.dim), or has a number that is NaN, infinite or beyond 65,504",
    )
    EXCLUDED = "excluded", "it is null, or the recipe excludes it (record.where, or a stop word of source.explode)"
    MISSING_VALUE = "missing_value", "a column that the recipe requires (record.require) is empty"
    NO_TERMS = "no_terms", "the column whose terms become records (source.explode) has no terms"
    DUPLICATE_ID = "duplicate_id", "an earlier row has the same id; the first one is kept"

    @property
    def asked_for(self) -> bool:
        """Tell whether the recipe itself excludes such rows: ``--max-rejects`` does not count them."""
        return self in (Reason.EXCLUDED, Reason.MISSING_VALUE, Reason.NO_TERMS)


Count = Annotated[int, Field(ge=0)]
# Of an enum from Python 3.13 on, pydantic finds no signature that it knows.
Rejects = dict[Annotated[str, AfterValidator(lambda text: Reason(text))], Count]  # noqa: PLW0108
"""Rejected rows by ``Reason``."""


@dataclass(frozen=True, slots=True)
class Record:
    """Hold one usable row: its id, group, display title and the texts of each field."""

    id: str
    group: str
    title: str
    texts: tuple[tuple[str, ...], ...]
    """One tuple of texts per field, in the order of the recipe; empty where the field is absent."""
    author: str = ""
    """Who published it; empty where that is not known."""
    image: str = ""
    """Its image file, relative to the image folder; empty if it has none."""
    labels: tuple[str, ...] = ()
    """Its known labels."""
    shown: tuple[str, ...] = ()
    """One text per additional column to show."""
    columns: tuple[Any, ...] = ()
    """One cell per typed column, as the input has it."""


@dataclass(frozen=True, slots=True)
class SeekPoint:
    """Give an offset in a compressed input file at which decompression can start.

    ``bits`` and ``window`` are for gzip only: how many bits of the byte before ``compressed`` belong to
    this point, and the (zlib-compressed) up to 32 KiB of output that precede it. ``None`` as window means that a
    new gzip member starts here.
    """

    compressed: int
    uncompressed: int
    bits: int = 0
    window: bytes | None = None


@dataclass(frozen=True, slots=True)
class Mark:
    """Give a place at which the conversion of a text (its encoding, a JSON document) can start."""

    at: int
    """Byte offset in what is converted."""
    to: int
    """Byte offset in the result."""
    state: str
    """What the conversion must know of the text before; its own notation."""


@dataclass(frozen=True, slots=True)
class Shard:
    """Describe consecutive rows of one input file: the unit of work, of commit and of resume."""

    part: str
    number: int
    first_row: int
    rows: int
    offset: int
    """Uncompressed byte offset of the first row."""
    length: int
    """Uncompressed bytes of all rows."""
    crc32: int
    """CRC-32 of those bytes: it exposes an input file that changed after it was planned."""
    seek: SeekPoint | None
    url: str
    compression: str
    duplicates: tuple[int, ...] = ()
    """Positions within the shard whose id occurs in an earlier row."""
    first_line: int = 1
    """Line of the input file at which the first row starts."""
    columns: tuple[str, ...] = ()
    """The column names, if the rows do not contain them."""
    delimiter: str = ""
    """The delimiter of a CSV file that names its own."""
    occurrences: tuple[tuple[int, int], ...] = ()
    """Positions within the shard whose id occurs again in later rows, with its number of occurrences."""
    encoding: str = ""
    """What the text is converted to UTF-8 from; "" if it is split into rows as it is."""
    marks: tuple[Mark, ...] = ()
    """Where each conversion of the text starts, in their order."""

    @property
    def name(self) -> str:
        """Return the shard's name, which depends on the input alone."""
        return f"{self.part}-{self.number:05d}"


class FileFacts(TypedDict):
    """Describe a stored file, as manifest and receipts list it."""

    sha256: Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
    """Hash of its content; copies in the cache are named after it."""
    bytes: Count
    """Its size."""


@dataclass(frozen=True, slots=True)
class Receipt:
    """Describe one committed shard; a shard is done when its receipt exists."""

    shard: str
    rows: Count
    kept: Count
    rejects: Rejects
    files: Mapping[str, FileFacts]
    """By file name within the atlas."""
    texts: Count
    distinct: Count
    tokens: Count
    nodes: Count
    seconds: float
    compute_seconds: float
    flops: float
    """Floating-point operations of the nodes' matrix products with weights."""
    possible_flops: float
    """Floating-point operations at peak GEMM throughput in ``compute_seconds``, as measured on this device."""
    idle_seconds: float = 0.0
    """How long the device was idle before this shard, since the end of the previous one."""
    batch_tokens: Count = 0
    """Most rows of hidden states per batch: lower than for other shards if the device ran out of memory."""
    worker: str = ""
    """The device's name."""
    host: str = ""
    """The machine it was computed on."""
    attempt: Count = 1
    """How many times it was started: more than once if a worker died while computing it."""

    @property
    def duplicates(self) -> int:
        """Return the number of duplicates: rows whose id occurred earlier."""
        return self.rejects.get(Reason.DUPLICATE_ID, 0)


@dataclass(slots=True)
class EncodeStats:
    """Count what an encoder received and what it computed."""

    texts: int = 0
    distinct: int = 0
    tokens: int = 0
    nodes: int = 0
    """Rows of hidden states computed: the distinct prefixes of a prefix tree, or all tokens without one."""
    batch_tokens: int = field(default=0, compare=False)
    """Most rows of hidden states per batch."""
    seconds: float = field(default=0.0, compare=False)
    """Time the device computed, without tokenising."""
    idle: float = field(default=0.0, compare=False)
    """Time the device was idle before, since its previous computation ended."""


class Encoder(Protocol):
    """Turn texts into vectors; an encoder knows nothing about records, files or Ray.

    Two threads may call ``encode`` at once, so that one prepares a shard while the other's is computed: an encoder that
    is not thread-safe uses a lock.
    """

    @property
    def dim(self) -> int:
        """Number of dimensions of its vectors."""

    @property
    def identity(self) -> Json:
        """Everything that must be equal for two workers to compute the same vectors."""

    def encode(self, texts: list[str], stats: EncodeStats) -> Floats:
        """Return float32 [len(texts), dim]; equal texts give equal rows whatever else is in the batch."""


@runtime_checkable
class ModelEncoder(Protocol):
    """What an encoder with a model says besides, so that receipts tell how well it uses its device."""

    hardware: str
    """Name of the device it runs on."""
    flops_per_node: float
    """Floating-point operations per row of hidden states."""

    def limit(self) -> float:
        """Measure this device's peak GEMM throughput in FLOP/s for the model's shape."""


class Mapper(Protocol):
    """Map pure functions over many items, locally or on a cluster."""

    def map(self, function: Callable[[T], R], items: Iterable[T], gpus: bool = False) -> Iterator[R]:
        """Yield ``function(item)`` for every item, in the order of the items; with ``gpus``, on a GPU if any."""


class Runner(Mapper, Protocol):
    """Run pure functions over many items, and the shards of an atlas through encoders."""

    def embed(
        self, read: Callable[[Shard], Any], open_worker: Callable[[], Any], shards: list[Shard], gpus: bool = False
    ) -> Iterator[Json]:
        """Stream shards through ``read`` and a pool of workers; yield a receipt (JSON) per shard as it finishes.

        With ``gpus``, each worker has a GPU if there is any.
        """

    def lost(self) -> str:
        """Return why no task can finish any more, in words; an empty text as long as one can."""


@dataclass(frozen=True, slots=True)
class Event:
    """Report the progress of a stage to a listener."""

    stage: str
    done: int
    total: int
    facts: Mapping[str, Any] = field(default_factory=dict)


Listener = Callable[[Event], None]
Kind = Literal["integer", "number", "boolean", "date", "time", "duration", "text", "language"]
"""The type of a kept column."""
Backend = Literal["sklearn", "torch", "cuml"]
"""What k-means runs on."""


@dataclass(frozen=True, slots=True)
class Options:
    """Say how and where a run works; none of it changes what the atlas contains, but ``threads`` its last bits.

    Attributes:
        runner: "ray", or "serial" for a plain loop in this process; by default Ray where it is installed.
        address: a Ray cluster's address; None starts Ray on this machine.
        actors: fewest and most encoder actors; None fits them to the machine or cluster.
        threads: CPU threads per actor.
        gpus: GPUs per actor; None takes one where there are any and the encoder uses them (clip, sentence).
        max_rejects: largest share of rows that may be unusable.
        take_over: take the atlas from a run that is gone for certain.
        backend: what k-means runs on; None takes the best for the hardware. Each finds slightly different centroids.
        stalled_after: minutes without a finished shard after which embedding ends, and minutes for one task of another
            stage on Ray after it began; 0 for never. A run that waits for machines does not end.
    """

    runner: Literal["ray", "serial"] = "ray" if find_spec("ray") else "serial"
    address: str | None = None
    actors: tuple[int, int] | None = None
    threads: int = 1
    gpus: float | None = None
    max_rejects: float = 0.01
    take_over: bool = False
    backend: Backend | None = None
    stalled_after: float = 180

    def __post_init__(self) -> None:
        """Raise UsageError where a value is none that the option can have."""
        whole = isinstance(self.threads, int) and self.threads >= 1
        share = isinstance(self.max_rejects, int | float) and 0 <= self.max_rejects <= 1
        minutes = isinstance(self.stalled_after, int | float) and self.stalled_after >= 0
        actors = self.actors is None or (isinstance(self.actors, tuple) and len(self.actors) == 2)
        for name, fits, wanted in (
            ("runner", self.runner in ("ray", "serial"), "'ray' or 'serial'"),
            ("backend", self.backend in (None, *get_args(Backend)), f"one of {get_args(Backend)}, or None"),
            ("actors", actors, "a tuple (fewest, most), or None"),
            ("threads", whole, "an integer from 1"),
            ("gpus", self.gpus is None or isinstance(self.gpus, int | float), "a number, or None"),
            ("stalled_after", minutes, "a number of minutes, from 0"),
            ("max_rejects", share, "a number from 0 to 1"),
        ):
            if not fits:
                raise UsageError(f"Options({name}={getattr(self, name)!r}): it must be {wanted}.")


def ignore(*told: object) -> None:
    """Ignore an event, a plan or progress: the default listener."""
