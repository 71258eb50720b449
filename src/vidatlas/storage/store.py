"""The store of an atlas: the name of every file, the manifest, and the only code that writes files."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import is_dataclass
from functools import cache
from os import fspath
from typing import IO, Any, Literal, TypeVar, cast, overload

import orjson
import pyarrow as pa
import pyarrow.parquet as pq
from pydantic import TypeAdapter, ValidationError

from vidatlas.errors import ConflictError, InputError, UsageError
from vidatlas.storage.folder import LocalFolder, RemoteFolder, open_folder
from vidatlas.storage.manifest import (
    EmbedEntry,
    Manifest,
    PlanEntry,
    PublishEntry,
    RecipeEntry,
    ReduceEntry,
    Stage,
    StageEntry,
    Version,
)
from vidatlas.storage.parquet import open_parquet, to_parquet
from vidatlas.storage.tensors import Tensors, read_tensors
from vidatlas.types import FileFacts, Json, Place, Receipt

SCHEMA = 2
"""The version of the files of an atlas; another one is refused."""
MANIFEST = "atlas.json"
LOCK = "lock"
PROGRESS = "progress.json"
TIMINGS = "timings.json"
INPUTS = "inputs.json"
ENCODER = "encoder.json"
README = "README.md"
REPORT = "report.html"
METRICS = "metrics.json"
PREDICTIONS = "predictions.parquet"
NAMES = "names.csv"
ACCEPTED = "names.parquet"
SUBCATEGORIES = "subcategories.parquet"
LEVELS = "levels.parquet"
TRENDS = "trends.parquet"
DUPLICATES = "plan/duplicates.parquet"
OCCURRENCES = "plan/occurrences.parquet"
MAP = "map.html"
POSTER = "map.png"
POSTER_LIGHT = "map-light.png"
POSTER_SVG = "map.svg"
LABELS = "layout/labels.parquet"
PICTURE_INDEX = "index/pictures.faiss"
PICTURE_FACTS = "index/pictures.json"
INDEX = "index/search.faiss"
INDEX_FACTS = "index/search.json"
INDEX_VIDEOS = "index/videos.parquet"

# File names of what there is for each shard.
embeddings = "embeddings/{}.parquet".format
reduced = "reduced/{}.parquet".format
assignments = "assignments/{}.parquet".format
positions = "layout/{}.parquet".format
"""Places on the map."""
pictures = "pictures/{}.parquet".format
"""Vectors of images."""
rejects = "rejects/{}.jsonl.gz".format
"""Rejected rows; the file exists only if there are any."""
receipt = "receipts/{}.json".format
attempt = "attempts/{}.json".format
"""It marks a shard that is being computed."""
suggestion = "names/{}.json".format
"""What a model answered for the name of a subcategory, by its key."""

Files = dict[str, FileFacts]
T = TypeVar("T")
_REMEDIES = {
    **dict.fromkeys((MANIFEST, ENCODER), "Restore the original, or make the atlas again."),
    INPUTS: "Delete it: the next run reads the input files again, and nothing else depends on it.",
    LOCK: "Delete it if no run is going on: nothing depends on it.",
    **dict.fromkeys((PROGRESS, TIMINGS), "Delete it: the next run writes it again, and nothing depends on it."),
}
"""What to do about a damaged JSON file, where it is not what ``_REMEDY`` says."""
_REMEDY = "Delete it and rerun the command that made this atlas; it writes it again."


def plan_files(part: str) -> tuple[str, str, str]:
    """Return the file names of an input file's facts, shard table and id digests."""
    return f"plan/{part}.json", f"plan/{part}.shards.parquet", f"plan/{part}.ids.parquet"


def to_json(data: Any) -> bytes:
    """Return indented JSON as the store writes it, keys in the given order."""
    return (json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def digest_of(files: Mapping[str, FileFacts]) -> str:
    """Return one SHA-256 over the names and hashes of stored files."""
    lines = "".join(f"{name} {files[name]['sha256']}\n" for name in sorted(files))
    return hashlib.sha256(lines.encode()).hexdigest()


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _entry(name: str, data: bytes) -> Files:
    return {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}}


class Store:
    """Store the files of one atlas; nothing else in vidatlas writes files."""

    def __init__(self, url: Place) -> None:
        self.url = fspath(url)
        self.folder: LocalFolder | RemoteFolder = open_folder(self.url)

    def __reduce__(self) -> tuple[type[Store], tuple[str]]:
        """Pickle only the URL: a worker reopens the store, since clients of object stores cannot be pickled."""
        return Store, (self.url,)

    def put(self, name: str, data: bytes) -> Files:
        """Store a file atomically; return its manifest entry."""
        self.folder.put(name, data)
        return _entry(name, data)

    def put_all(self, files: Mapping[str, bytes]) -> Files:
        """Store several files, each atomically; return their manifest entries. It is much faster than one by one."""
        self.folder.put_all(files)
        return {name: facts for one, data in files.items() for name, facts in _entry(one, data).items()}

    def put_table(self, name: str, table: pa.Table) -> Files:
        """Store a table as a Parquet file; return its manifest entry."""
        return self.put(name, to_parquet(table))

    def entry(self, name: str) -> Files:
        """Return the manifest entry of a stored file."""
        return _entry(name, self.read(name))

    def read(self, name: str) -> bytes:
        """Return the bytes of a stored file.

        Raises:
            InputError: it is missing.
        """
        try:
            return self.folder.read(name)
        except FileNotFoundError as error:
            raise self._missing(name) from error

    def read_json(self, name: str, kind: type[T]) -> T:
        """Return the content of a stored JSON file: a dataclass, or a TypedDict with all keys that it has.

        Raises:
            InputError: it is missing, or not valid JSON, or a key has another type than ``kind`` says.
        """
        return self._typed(name, self._parsed(name, self.read(name)), kind)

    def read_json_if_valid(self, name: str, kind: type[T]) -> T | None:
        """Return the content of a JSON file that an atlas can do without; None if it is missing or damaged."""
        try:
            data = self.folder.read(name)
        except FileNotFoundError:
            return None
        try:
            return self._typed(name, self._parsed(name, data), kind)
        except InputError:
            return None

    def _parsed(self, name: str, data: bytes) -> Any:
        try:
            return orjson.loads(data)
        except ValueError as error:
            raise InputError(
                f"{self.url}/{name} is not valid JSON ({error}). {_REMEDIES.get(name, _REMEDY)}"
            ) from error

    def _typed(self, name: str, data: Any, kind: type[T]) -> T:
        adapter = _adapter(cast(Any, kind))
        try:
            if is_dataclass(kind):
                return cast(T, adapter.validate_json(orjson.dumps(data), strict=True))
            adapter.validate_python(data, strict=True)
        except ValidationError as error:
            first = error.errors(include_url=False)[0]
            where, what = ".".join(map(str, first["loc"])), first["msg"].removeprefix("Value error, ")
            at = f"{self.url}/{name}: {where}: " if where else f"{self.url}/{name}: "
            raise InputError(f"{at}{what}. {_REMEDIES.get(name, _REMEDY)}") from error
        # What was read, not what pydantic made of it, which lacks the unknown keys.
        return cast(T, data)

    def table(self, name: str, facts: FileFacts | None = None, columns: list[str] | None = None) -> pa.Table:
        """Return a stored table.

        Args:
            name: name of the file.
            facts: its manifest entry, to verify its hash first.
            columns: the columns to return, in this order; None for all.

        Raises:
            InputError: the file is missing or altered, not Parquet, lacks a column, or has an unsafe extension type.
        """
        data = self.read(name) if facts is None else self.check(name, facts)
        with self.readable(name):
            table = self.opened(name, io.BytesIO(data)).read(columns=columns).replace_schema_metadata(None)
        absent = [column for column in columns or () if column not in table.column_names]
        if absent:
            raise InputError(f"{self.url}/{name} has no column {absent[0]!r}. Make the atlas again.")
        return table if columns is None else table.select(columns)

    @contextmanager
    def parquet(self, name: str) -> Iterator[pq.ParquetFile]:
        """Open a stored Parquet table to read only some of it.

        Raises:
            InputError: as ``table``.
        """
        try:
            file = self.folder.open(name)
        except FileNotFoundError as error:
            raise self._missing(name) from error
        with file, self.readable(name):
            yield self.opened(name, file)

    def tensors(self, name: str) -> Tensors:
        """Return the arrays of a stored safetensors file.

        Raises:
            InputError: the file is missing, or is not valid safetensors.
        """
        return read_tensors(self.read(name), f"{self.url}/{name}")

    def opened(self, name: str, file: IO[bytes]) -> pq.ParquetFile:
        """Open Parquet of the atlas; the error names the file."""
        try:
            return open_parquet(file)
        except InputError as error:
            raise InputError(f"{self.url}/{name}: {error}") from error

    @contextmanager
    def readable(self, name: str) -> Iterator[None]:
        """Name the file in what pyarrow says of damaged Parquet."""
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            raise InputError(
                f"{self.url}/{name} is not a valid Parquet file ({' '.join(str(error).split())}). Make the atlas again."
            ) from error

    def _missing(self, name: str) -> InputError:
        return InputError(
            f"{self.url}/{name} is missing. Rerun the command that made this atlas; it recreates missing files."
        )

    def manifest(self) -> Manifest:
        """Return the stored manifest, or an empty one if the atlas does not exist yet.

        Raises:
            InputError: a key has the wrong type.
            ConflictError: another version of vidatlas wrote it.
        """
        if self.folder.size(MANIFEST) is None:
            return {"schema": SCHEMA, "stages": {}}
        data = self._parsed(MANIFEST, self.read(MANIFEST))
        schema = self._typed(MANIFEST, data, Version)["schema"]
        if schema != SCHEMA:
            raise ConflictError(
                f"{self.url} was made by another version of vidatlas (schema {schema}). "
                "Use that version or another folder."
            )
        return self._typed(MANIFEST, data, Manifest)

    @overload
    def stage(self, name: Literal["plan"]) -> PlanEntry: ...
    @overload
    def stage(self, name: Literal["embed"]) -> EmbedEntry: ...
    @overload
    def stage(self, name: Literal["reduce"]) -> ReduceEntry: ...
    @overload
    def stage(self, name: Literal["publish"]) -> PublishEntry: ...
    def stage(self, name: Stage) -> StageEntry:
        """Return the manifest entry of a committed stage.

        Raises:
            UsageError: the stage is not done.
        """
        entry = self.manifest()["stages"].get(name)
        if entry is None:
            raise UsageError(
                f"{self.url}: {name} is not done yet. Run: vidatlas "
                f"{name if name != 'embed' else 'embed RECIPE INPUT…'} {self.url}"
            )
        return entry

    def write_manifest(self, manifest: Manifest) -> None:
        """Store the manifest: from now on readers see what it lists.

        Raises:
            ConflictError: there was none, and another run wrote one at the same moment.
        """
        data = to_json(manifest)
        if self.folder.size(MANIFEST) is not None:
            self.folder.put(MANIFEST, data)
        elif not self.folder.put_new(MANIFEST, data):
            raise ConflictError(f"another run started {self.url} at the same moment. Wait for it, then try again.")

    def seal(self, stage: Stage, entry: StageEntry, recipe: Json) -> None:
        """Commit a finished stage: list it in the manifest."""
        manifest = self.manifest()
        manifest["recipe"] = cast(RecipeEntry, recipe)
        cast(dict[str, StageEntry], manifest["stages"])[stage] = entry
        self.write_manifest(manifest)

    def unseal(self, stages: Iterable[Stage]) -> None:
        """Remove stages from the manifest before their files are replaced."""
        manifest = self.manifest()
        if any([manifest["stages"].pop(stage, None) for stage in stages]):
            self.write_manifest(manifest)

    def receipts(self) -> dict[str, Receipt]:
        """Return the stored receipts of all committed shards by shard name."""
        found = [self.read_json(name, Receipt) for name in self.folder.list("receipts")]
        return {receipt.shard: receipt for receipt in found}

    def listed(self, files: Mapping[str, FileFacts], name: str) -> FileFacts:
        """Return the entry of a file among those of a stage.

        Raises:
            InputError: the manifest does not list it.
        """
        if name not in files:
            raise InputError(f"{self.url}/{MANIFEST} does not list {name}. {_REMEDIES[MANIFEST]}")
        return files[name]

    def intact(self, files: Mapping[str, FileFacts]) -> bool:
        """Tell whether stored files have the sizes in their entries (``verify`` checks every byte)."""
        return all(self.folder.size(name) == facts["bytes"] for name, facts in files.items())

    def check(self, name: str, facts: FileFacts) -> bytes:
        """Return the bytes of a stored file after verifying its hash.

        Raises:
            InputError: the file is missing or differs from what was committed.
        """
        data = self.read(name)
        if hashlib.sha256(data).hexdigest() != facts["sha256"]:
            raise self.altered(name)
        return data

    def altered(self, name: str) -> InputError:
        """Return the error of a file that is not the one that was committed."""
        return InputError(
            f"{self.url}/{name} was altered after it was written. Delete it and rerun the command that made this "
            "atlas; it recreates only that file."
        )


def content_sha256(manifest: Manifest) -> str:
    """Return one hash over everything plan, embed and reduce stored: equal hashes mean equal bytes."""
    stages = manifest["stages"]
    digests = (stages["plan"]["digest"], stages["embed"]["digest"], stages["reduce"]["digest"])
    return hashlib.sha256(" ".join(digests).encode()).hexdigest()
