"""The store of an atlas: the name of every file, the manifest, and the only code that writes files."""

from __future__ import annotations

import hashlib
import io
import json
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from functools import lru_cache
from os import fspath
from typing import IO, Any, Literal, cast, overload

import pyarrow as pa
import pyarrow.parquet as pq

from vidatlas.errors import ConflictError, DamagedError, InputError, UsageError
from vidatlas.storage.folder import Hashed, LocalFolder, open_folder
from vidatlas.storage.json_files import parse_json
from vidatlas.storage.manifest import (
    REBUILD,
    REMEDIES,
    STAGES,
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
from vidatlas.storage.parquet import checked, open_parquet, to_parquet, wrong_column
from vidatlas.storage.remote import RemoteFolder
from vidatlas.storage.tensors import Tensors, read_tensors
from vidatlas.types import FileFacts, Json, Place, Receipt, T

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
index_part = "{}.{:05d}.part".format
"""Rows of a block of shards on their way into an index of this name; it is removed when that is written."""

# File names of what there is for each shard.
embeddings = "embeddings/{}.parquet".format
reduced = "reduced/{}.parquet".format
assignments = "assignments/{}.parquet".format
positions = "layout/{}.parquet".format  # places on the map
pictures = "pictures/{}.parquet".format  # vectors of images
rejects = "rejects/{}.jsonl.gz".format  # rejected rows; the file exists only if there are any
receipt = "receipts/{}.json".format
attempt = "attempts/{}.json".format
"""It marks a shard that is being computed."""
suggestion = "names/{}.json".format
"""What a model answered for the name of a subcategory, by its key."""
Files = dict[str, FileFacts]


def plan_files(part: str) -> tuple[str, str, str]:
    """Return the file names of an input file's facts, shards and ids."""
    return f"plan/{part}.json", f"plan/{part}.shards.parquet", f"plan/{part}.ids.parquet"


def to_json(data: Any) -> bytes:
    """Return indented JSON as the store writes it, keys in the given order."""
    return (json.dumps(data, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()


def _entry(name: str, data: bytes) -> Files:
    return {name: {"sha256": hashlib.sha256(data).hexdigest(), "bytes": len(data)}}


@lru_cache(maxsize=1)
def _manifest(url: str, data: bytes) -> Manifest:
    """Return a manifest from its bytes; a process that works on many shards of an atlas checks it once."""
    return Store(url).checked_manifest(data)


def _differs(data: bytes, facts: FileFacts | None) -> bool:
    return facts is not None and hashlib.sha256(data).hexdigest() != facts["sha256"]


class Store:
    """Store the files of one atlas; nothing else in vidatlas writes files.

    A file that the manifest lists is read only if its SHA-256 is the listed one.
    """

    def __init__(self, url: Place, written: Files | None = None) -> None:
        self.url = fspath(url).rstrip("/") or fspath(url)
        self.folder: LocalFolder | RemoteFolder = open_folder(self.url)
        self._written = written or {}
        """Files written since the manifest was: it may list what they replaced."""
        self._listed: dict[str, tuple[Stage, FileFacts]] | None = None
        """What the manifest listed when it was last needed."""

    def __reduce__(self) -> tuple[type[Store], tuple[str, Files]]:
        """Pickle no client: a worker reopens the store, since clients of object stores cannot be pickled."""
        return Store, (self.url, self._written)

    def put(self, name: str, data: bytes) -> Files:
        """Store a file atomically; return its manifest entry."""
        return self.put_all({name: data})

    def put_all(self, files: Mapping[str, bytes]) -> Files:
        """Store several files, each atomically; return their manifest entries. It is much faster than one by one."""
        self.folder.put_all(files)
        found = {name: facts for one, data in files.items() for name, facts in _entry(one, data).items()}
        self._written |= found
        return found

    def put_table(self, name: str, table: pa.Table) -> Files:
        """Store a table as a Parquet file; return its manifest entry."""
        return self.put(name, to_parquet(table))

    @contextmanager
    def writing(self, name: str, files: Files) -> Iterator[IO[bytes]]:
        """Yield a file to write in pieces; at the end it is stored atomically and its entry added to ``files``."""
        with self.folder.writing(name) as file:
            hashed = Hashed(file)
            yield cast(IO[bytes], hashed)
        files[name] = self._written[name] = {"sha256": hashed.sha256.hexdigest(), "bytes": hashed.tell()}

    def entry(self, name: str) -> Files:
        """Return the manifest entry of a stored file."""
        return _entry(name, self.read(name))

    def read(self, name: str, facts: FileFacts | None = None) -> bytes:
        """Return the bytes of a stored file; ``facts`` are its manifest entry, if the caller has it.

        Raises:
            InputError: it is missing, or differs from what the manifest lists.
        """
        try:
            data = self.folder.read(name)
        except FileNotFoundError as error:
            raise self.missing(name) from error
        if _differs(data, facts or self._facts(name)):
            self._listed = None  # a run may have committed since the manifest was read
            if _differs(data, facts or self._facts(name)):
                raise self.altered(name)
        return data

    def _facts(self, name: str) -> FileFacts | None:
        """Return what a file must be: what this run wrote, or the manifest lists; None where neither knows it."""
        return self._written.get(name) or self._sealed(name)[1]

    def _sealed(self, name: str) -> tuple[Stage | None, FileFacts | None]:
        """Return the stage that committed a file, and the file's entry of the manifest."""
        if self._listed is None:
            stages = self.manifest()["stages"].items()
            self._listed = {
                file: (cast(Stage, stage), facts)
                for stage, entry in stages
                for file, facts in cast(StageEntry, entry)["files"].items()
            }
        return self._listed.get(name, (None, None))

    def is_sound(self, name: str) -> bool:
        """Tell whether a file is there, with the bytes that the manifest lists if it lists the file."""
        try:
            self.read(name)
        except InputError:
            return False
        return True

    def read_json(self, name: str, kind: type[T]) -> T:
        """Return the content of a stored JSON file: a dataclass, or a TypedDict with all keys that it has.

        Raises:
            InputError: it is missing, or not valid JSON, or a key has another type than ``kind`` says.
        """
        return self._json(name, self.read(name), kind)

    def read_json_if_valid(self, name: str, kind: type[T]) -> T | None:
        """Return the content of a JSON file that an atlas can do without; None if it is missing or damaged."""
        try:
            data = self.folder.read(name)
        except FileNotFoundError:
            return None
        try:
            return parse_json(data, kind)
        except DamagedError:
            return None

    def _json(self, name: str, data: bytes, kind: type[T]) -> T:
        try:
            return parse_json(data, kind)
        except DamagedError as error:
            raise InputError(f"{self.url}/{name}{error}. {self.remedy(name)}") from error

    def table(self, name: str, facts: FileFacts | None = None, columns: list[str] | None = None) -> pa.Table:
        """Return a stored table with these columns in this order, by default all; ``facts`` as in ``read``.

        Raises:
            InputError: the file is missing or altered, not Parquet, lacks a column, or has an unsafe extension type.
        """
        data = self.read(name, facts)
        with self.readable(name):
            table = checked(name, self.opened(name, io.BytesIO(data)).read(columns=columns))
        absent = [column for column in columns or () if column not in table.column_names]
        if absent:
            raise InputError(f"{self.url}/{name} has no column {absent[0]!r}. {self.remedy(name)}")
        return table if columns is None else table.select(columns)

    @contextmanager
    def parquet(self, name: str) -> Iterator[pq.ParquetFile]:
        """Open a stored Parquet table to read only some of it: each page that is read is checked, by its own checksum.

        Raises:
            InputError: as ``table``.
        """
        try:
            file = self.folder.open(name)
        except FileNotFoundError as error:
            raise self.missing(name) from error
        with file, self.readable(name):
            yield self.opened(name, file)

    def tensors(self, name: str) -> Tensors:
        """Return the arrays of a stored safetensors file.

        Raises:
            InputError: the file is missing, or is not valid safetensors.
        """
        return read_tensors(self.read(name), f"{self.url}/{name}")

    def opened(self, name: str, file: IO[bytes]) -> pq.ParquetFile:
        """Open Parquet of the atlas; the error names the file.

        Raises:
            InputError: it has an unsafe extension type, a column of another type, or nulls where there are none.
        """
        try:
            found = open_parquet(file)
        except InputError as error:
            raise InputError(f"{self.url}/{name}: {error}") from error
        wrong = wrong_column(name, found)
        if wrong:
            raise InputError(f"{self.url}/{name}: {wrong}. {self.remedy(name)}")
        return found

    @contextmanager
    def readable(self, name: str) -> Iterator[None]:
        """Name the file in what pyarrow says of damaged Parquet."""
        try:
            yield
        except (pa.ArrowException, OSError) as error:
            said = f"is not a valid Parquet file ({' '.join(str(error).split())})"
            raise InputError(f"{self.url}/{name} {said}. {self.remedy(name)}") from error

    def missing(self, name: str) -> InputError:
        """Return the error of a file that is not there."""
        return InputError(f"{self.url}/{name} is missing. To make it again: {self._command(name)}")

    def altered(self, name: str) -> InputError:
        """Return the error of a file that is not the one that was committed."""
        return InputError(f"{self.url}/{name} was altered after it was written. {self.remedy(name)}")

    def remedy(self, name: str) -> str:
        """Return what to do about a damaged file."""
        return REMEDIES.get(name) or f"Delete it; to make it again: {self._command(name)}"

    def _command(self, name: str) -> str:
        return REBUILD.get(self._sealed(name)[0] or "", REBUILD[""]).format(self.url)

    def manifest(self) -> Manifest:
        """Return the stored manifest, or an empty one if the atlas does not exist yet.

        Raises:
            InputError: a key has the wrong type.
            ConflictError: another version of vidatlas wrote it.
        """
        try:
            data = self.folder.read(MANIFEST)
        except FileNotFoundError:
            return {"schema": SCHEMA, "stages": {}}
        found = _manifest(self.url, data)
        # The stages are a copy: whoever adds or removes one does not change what others were given.
        return {**found, "stages": {**found["stages"]}}

    def checked_manifest(self, data: bytes) -> Manifest:
        """Return the manifest from its bytes; see ``manifest``."""
        schema = self._json(MANIFEST, data, Version)["schema"]
        if schema != SCHEMA:
            raise ConflictError(
                f"{self.url} was made by another version of vidatlas (schema {schema}). "
                "Use that version or another folder."
            )
        return self._json(MANIFEST, data, Manifest)

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
            UsageError: the stage is not done; the message names the first that is not.
        """
        stages = self.manifest()["stages"]
        entry = stages.get(name)
        if entry is None:
            first = next(stage for stage in STAGES if stage not in stages)
            command = first if first in ("reduce", "publish") else "run RECIPE INPUT…"
            raise UsageError(f"{self.url}: {first} is not done yet. Run: vidatlas {command} {self.url}")
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
        self._written, self._listed = {}, None

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
            raise InputError(f"{self.url}/{MANIFEST} does not list {name}. {REMEDIES[MANIFEST]}")
        return files[name]

    def sizes(self, names: Iterable[str]) -> dict[str, int]:
        """Return the sizes in bytes of all files that are in the folders of some, listing each folder once."""
        folders = {name.rpartition("/")[0] for name in names}
        return {name: size for folder in folders for name, size in self.folder.sizes(folder).items()}

    def intact(self, files: Mapping[str, FileFacts]) -> bool:
        """Tell whether stored files have the sizes in their entries (``verify`` checks every byte)."""
        there = self.sizes(files)
        return all(there.get(name) == facts["bytes"] for name, facts in files.items())
