"""Accepted names: those that a person wrote into ``names.csv``; publishing puts them in place of ours."""

from __future__ import annotations

import csv
import hashlib
import io
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, dataclass

import pyarrow as pa

from vidatlas.errors import ConflictError, InputError, UsageError
from vidatlas.recipe import Recipe, differences, recipe_of
from vidatlas.storage import store as layout
from vidatlas.storage.store import NAMES, Files, Store
from vidatlas.types import Json, T
from vidatlas.views.text import clean

KEYED = 3
"""Nearest exemplars that a key is made of."""
LONGEST = 100
"""Characters of an accepted name."""
_DELIMITERS = ",;\t"
"""What spreadsheets put between cells when they save CSV."""
_SAME_CLUSTERS = ("reduce.naming.", "reduce.quality.", "reduce.probe")
"""Settings that change what is said of clusters, not which ones there are."""
Home = tuple[str, int]
"""Group and number of a subcategory."""


@dataclass(frozen=True, slots=True)
class Accepted:
    """Hold a name that a person chose, and the subcategory that it is for."""

    key: str
    group: str
    subcategory: int
    name: str


ByHand = Mapping[Home, Accepted]
SCHEMA = pa.schema([("key", pa.string()), ("group", pa.string()), ("subcategory", pa.int32()), ("name", pa.string())])


def key_of(row: Json) -> str:
    """Return the stable key of a subcategory: a hash of its group and the ids of its three nearest exemplars.

    Equal vectors and settings give equal keys. Names, terms and numbers have no part in it, nor has the order of the
    three: rounding differs from one machine to another.
    """
    parts = [row["group"], *sorted(row["exemplars"][:KEYED])]
    # The letter keeps spreadsheets from taking a key for a number.
    return "k" + hashlib.sha256("\0".join(parts).encode()).hexdigest()[:16]


def keyed_rows(store: Store) -> list[Json]:
    """Return the rows of ``subcategories.parquet``, the largest first, each with its ``key``.

    Raises:
        UsageError: the atlas is not reduced, or lists no exemplars, which keys are made of.
    """
    facts = store.listed(store.stage("reduce")["files"], layout.SUBCATEGORIES)
    rows: list[Json] = store.table(layout.SUBCATEGORIES, facts).to_pylist()
    if not all(row["exemplars"] for row in rows):
        raise UsageError(
            f"{store.url} lists no exemplars, which lasting keys of subcategories are made of. "
            f"Run: vidatlas reduce {store.url} --set reduce.naming.exemplars=5"
        )
    rows.sort(key=lambda row: (-row["size"], row["group"], row["subcategory"]))
    return [{**row, "key": key_of(row)} for row in rows]


def read_accepted(store: Store) -> dict[Home, Accepted]:
    """Return the names that a person accepted in ``names.csv``; none where there is no such file.

    Raises:
        InputError: the file is not what ``vidatlas name`` writes, a key is unknown or there twice, or a name is too
            long; the message names the line.
    """
    if store.folder.size(NAMES) is None:
        return {}
    at, found = f"{store.url}/{NAMES}", dict[Home, Accepted]()
    known = {row["key"]: row for row in keyed_rows(store)}
    for line, key, text in _lines(at, store.read(NAMES)):
        name = " ".join(clean(text).split())
        if not name:
            continue
        if key not in known:
            raise InputError(
                f"{at}, line {line}: the atlas has no subcategory with the key {key[:40]!r}. Delete the line, or "
                "move the file elsewhere; vidatlas name then lists the keys."
            )
        if len(name) > LONGEST:
            raise InputError(f"{at}, line {line}: the name has {len(name)} characters. Use at most {LONGEST}.")
        home = (known[key]["group"], known[key]["subcategory"])
        if home in found:
            raise InputError(f"{at}, line {line}: the key {key} is there twice. Delete one of the lines.")
        found[home] = Accepted(key, *home, name)
    return found


def refuse_to_replace(store: Store, recipe: Recipe) -> None:
    """Refuse settings that would replace the subcategories for which there are names in ``names.csv``.

    Raises:
        ConflictError: they would; reducing again could not give the names back.
        InputError: as ``read_accepted``.
    """
    replacing = "; ".join(replacing_settings(store, recipe))
    if replacing and read_accepted(store):
        raise ConflictError(
            f"{store.url}/{NAMES} names subcategories that other settings would replace ({replacing}). "
            "Move that file elsewhere to reduce again, or go back to the old settings."
        )


def replacing_settings(store: Store, recipe: Recipe) -> list[str]:
    """Return the settings, ``key: old → new``, by which a recipe would replace the subcategories of an atlas."""
    if "reduce" not in store.manifest()["stages"]:
        return []
    changes = differences(recipe_of(store).settings("reduce"), recipe.settings("reduce"))
    return [change for change in changes if not change.startswith(_SAME_CLUSTERS)]


def _lines(at: str, data: bytes) -> Iterator[tuple[int, str, str]]:
    """Yield line number, key and accepted name of every row of names.csv, however a spreadsheet saved it."""
    try:
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise InputError(f"{at} is not UTF-8. Save it as CSV UTF-8.") from error
    first = text.partition("\n")[0]
    delimiter = max(_DELIMITERS, key=first.count)
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter, strict=True)
    try:
        header = next(reader, [])
        if not {"key", "accepted"} <= set(header):
            raise InputError(f"{at}, line 1: there is no column key or accepted. Write it anew with: vidatlas name")
        before = reader.line_num
        for cells in reader:
            line, before = before + 1, reader.line_num
            if len(cells) > len(header):
                raise InputError(
                    f"{at}, line {line}: {len(cells)} cells under {len(header)} columns. "
                    f"Put a name that contains {delimiter!r} in double quotes."
                )
            row = dict(zip(header, cells, strict=False))
            yield line, row.get("key", "").strip(), row.get("accepted", "")
    except csv.Error as error:
        raise InputError(f"{at}, line {reader.line_num}: {error}. Correct the line.") from error


def with_names(rows: Iterable[Json], accepted: ByHand) -> list[Json]:
    """Return rows with group, subcategory and name, the accepted names in place of ours."""
    named = {home: found.name for home, found in accepted.items()}
    return [{**row, "name": named.get((row["group"], row["subcategory"]), row["name"])} for row in rows]


def fingerprint_with(accepted: ByHand, fingerprint: str) -> str:
    """Return a fingerprint that also depends on the accepted names; without any it stays as it is."""
    if not accepted:
        return fingerprint
    named = "".join(f"{key}\0{name}\0" for key, name in sorted((one.key, one.name) for one in accepted.values()))
    return hashlib.sha256(f"{fingerprint}\0{named}".encode()).hexdigest()


def put_accepted(store: Store, accepted: ByHand) -> Files:
    """Write the accepted names as a table that is published with the atlas; nothing where there are none."""
    if not accepted:
        return {}
    rows = [asdict(accepted[home]) for home in sorted(accepted)]
    return store.put_table(layout.ACCEPTED, pa.Table.from_pylist(rows, schema=SCHEMA))


class BySubcategory(dict[Home, T]):
    """Hold a value of each subcategory; asked for another, name the files that contradict each other."""

    def __init__(self, store: Store, values: Mapping[Home, T]) -> None:
        super().__init__(values)
        self._store = store

    def __missing__(self, home: Home) -> T:
        """Refuse.

        Raises:
            InputError: always.
        """
        url, (group, number) = self._store.url, home
        raise InputError(
            f"{url}/{layout.SUBCATEGORIES} has no subcategory {number} of {group[:LONGEST]!r}, which "
            f"{url}/{layout.INDEX_VIDEOS} or the model has. {self._store.remedy(layout.SUBCATEGORIES)}"
        )


def names_of(store: Store) -> BySubcategory[str]:
    """Return the name of every subcategory: the accepted one where the atlas was published with one, else ours."""
    stages = store.manifest()["stages"]
    files = store.stage("reduce")["files"]
    tables = [(layout.SUBCATEGORIES, store.listed(files, layout.SUBCATEGORIES))]
    published = stages["publish"]["files"] if "publish" in stages else {}
    if layout.ACCEPTED in published:
        tables.append((layout.ACCEPTED, published[layout.ACCEPTED]))
    found: dict[Home, str] = {}
    for name, facts in tables:
        for row in store.table(name, facts, ["group", "subcategory", "name"]).to_pylist():
            found[row["group"], row["subcategory"]] = row["name"]
    return BySubcategory(store, found)
