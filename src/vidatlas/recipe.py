"""The recipe: everything that determines the content of an atlas, in one frozen model, from YAML, Python or --set."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from copy import deepcopy
from difflib import get_close_matches
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Any

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    model_validator,
)

from vidatlas.clustering.dec import DecSpec
from vidatlas.clustering.kinds import AxesClusterer, KMeansClusterer, NoReducer, PcaReducer
from vidatlas.clustering.kmeans import ClusterSpec
from vidatlas.clustering.quality import QualitySpec
from vidatlas.decomposition.autoencoder import AutoencoderReducer
from vidatlas.decomposition.lexical import LexicalSpec
from vidatlas.decomposition.pca import PcaSpec
from vidatlas.decomposition.tsne import LayoutSpec
from vidatlas.encoders.clip import ClipSpec
from vidatlas.encoders.factors import FactorsSpec
from vidatlas.encoders.given import GivenSpec
from vidatlas.encoders.hashing import HashingSpec
from vidatlas.encoders.images.autoencoder import DenoisingSpec
from vidatlas.encoders.images.clip import ClipPicturesSpec
from vidatlas.encoders.mix import MixSpec
from vidatlas.encoders.sentence import SentenceSpec
from vidatlas.encoders.static import StaticSpec
from vidatlas.encoders.tfidf import TfidfSpec
from vidatlas.encoders.universal import UniversalSpec
from vidatlas.encoders.word_ranks import SequencesSpec
from vidatlas.errors import InputError, UsageError
from vidatlas.naming.names import NamingSpec
from vidatlas.probe import ProbeSpec
from vidatlas.recipes.yaml_text import from_yaml
from vidatlas.search_index import IndexSpec
from vidatlas.sources.content.json_document import JsonSpec
from vidatlas.sources.csv import CsvSpec
from vidatlas.sources.fields import RecordSpec
from vidatlas.sources.jsonl import JsonLinesSpec
from vidatlas.sources.paths import compile_paths
from vidatlas.sources.rows import ExplodeSpec, RowSpec, check_path
from vidatlas.sources.values.category_names import read_names
from vidatlas.storage.manifest import Stage
from vidatlas.storage.store import MANIFEST, Store
from vidatlas.types import Json
from vidatlas.views.nouns import Nouns

_BY_NAME = ("format", "reducer", "clusterer", "pictures")
"""Sections that the name of a kind alone can stand for."""


_PLAIN = {
    "extra_forbidden": "no such key",
    "missing": "this key is missing",
    "union_tag_invalid": "{tag!r} is none of {expected_tags}",
}
"""What is wrong with a value, where pydantic says it in words of its own."""


Clusterer = KMeansClusterer | DecSpec | AxesClusterer


class _Strict(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


def _by_name(value: Any) -> Any:
    """Expand the name of a kind to that kind with its defaults."""
    return {"kind": value} if isinstance(value, str) else value


class SourceSpec(_Strict):
    """The recipe's section on reading the input: format and shards."""

    shard_rows: Annotated[int, Field(ge=1, le=1_000_000)] = 10_000
    """Rows per shard: the unit of work, of commit and of resume."""
    limit: Annotated[int, Field(ge=1)] | None = None
    """Read only this many rows from the start (over all input files)."""
    format: Annotated[JsonLinesSpec | JsonSpec | CsvSpec, Field(discriminator="kind"), BeforeValidator(_by_name)] = (
        JsonLinesSpec()
    )
    """Format of the rows; a name alone, such as ``csv``, takes the defaults."""
    explode: ExplodeSpec | None = None
    """Make each term of a column a separate record; off by default."""
    path: Annotated[str | None, AfterValidator(check_path)] = None
    """Take columns from the path of each file: ``hive`` for folders named column=value, or a pattern of the file's name
    such as ``"{country}videos.csv"``, with folders in front if the columns are theirs."""


class ReduceSpec(_Strict):
    """The recipe's section on turning vectors into subcategories."""

    reducer: Annotated[
        PcaReducer | AutoencoderReducer | NoReducer, Field(discriminator="kind"), BeforeValidator(_by_name)
    ] = PcaReducer()
    """Reducer of the vectors: pca, autoencoder or none; a name alone takes the defaults."""
    clusterer: Annotated[Clusterer, Field(discriminator="kind"), BeforeValidator(_by_name)] = KMeansClusterer()
    """Clusterer that makes subcategories: kmeans, dec or axes."""
    pca: PcaSpec = PcaSpec()
    lexical: LexicalSpec | None = None
    """Append lexical components (from words) to the components; off by default."""
    clusters: ClusterSpec = ClusterSpec()
    naming: NamingSpec = NamingSpec()
    quality: QualitySpec = QualitySpec()
    probe: ProbeSpec | None = None
    """Measure how well a linear classifier predicts labels from vectors; off by default."""

    @model_validator(mode="after")
    def _fits(self) -> ReduceSpec:
        if self.clusterer.kind != "dec":
            return self
        if self.reducer.kind != "autoencoder":
            raise ValueError("clusterer dec tunes an auto-encoder: set reduce.reducer=autoencoder")
        if self.clusters.within != "all" or self.lexical:
            raise ValueError(
                "clusterer dec tunes one encoder to one set of clusters: set reduce.clusters.within=all, and "
                "remove reduce.lexical"
            )
        return self


class PublishSpec(_Strict):
    """The recipe's section on the report, the map and the search index."""

    title: str = "Video atlas"
    url: Annotated[str, StringConstraints(pattern=r"^https?://[^\s\"<>]+/$", max_length=500)] | None = None
    """Address of the folder in which the atlas will be hosted, for the pages' social cards; it ends with a slash."""
    nouns: Nouns = Nouns()
    """Nouns for a record and a group, singular and plural, in everything people read."""
    layout: LayoutSpec = LayoutSpec()
    map_points: Annotated[int, Field(ge=1, le=20_000_000)] = 5_000_000
    """Most videos that map.html holds itself; of more, it holds a sample, and the others lie in tiles beside it."""
    index: IndexSpec = IndexSpec()
    pictures: (
        Annotated[DenoisingSpec | ClipPicturesSpec, Field(discriminator="kind"), BeforeValidator(_by_name)] | None
    ) = None
    """Encoder of images: autoencoder, which is trained on them, or clip; needs ``record.image``; a name alone takes the
    defaults."""

    def find_models(self) -> None:
        """Locate the checkpoints that this section of the recipe needs; raise if one cannot be found."""
        if isinstance(self.pictures, ClipPicturesSpec):
            self.pictures.find()


class Recipe(_Strict):
    """A recipe: the settings of every stage. Equal recipes make equal atlases of equal input."""

    name: str
    about: str = ""
    source: SourceSpec = SourceSpec()
    record: RecordSpec
    encoder: Annotated[
        ClipSpec
        | SentenceSpec
        | StaticSpec
        | UniversalSpec
        | HashingSpec
        | TfidfSpec
        | SequencesSpec
        | FactorsSpec
        | GivenSpec,
        Field(discriminator="kind"),
    ]
    mix: MixSpec = MixSpec()
    reduce: ReduceSpec = ReduceSpec()
    publish: PublishSpec = PublishSpec()

    @model_validator(mode="before")
    @classmethod
    def _weighs_nothing(cls, data: Any) -> Any:
        """Set every field's weight to 0 where vectors are given: no field is part of them."""
        encoder = data.get("encoder") if isinstance(data, dict) else None
        kind = encoder.get("kind") if isinstance(encoder, dict) else getattr(encoder, "kind", None)
        record = data.get("record") if kind == "given" else None
        record = record.model_dump() if isinstance(record, RecordSpec) else record
        if not isinstance(record, dict) or not isinstance(record.get("fields"), dict):
            return data
        fields = {
            name: {**field, "weight": 0} if isinstance(field, dict) else field
            for name, field in record["fields"].items()
        }
        return {**data, "record": {**record, "fields": fields}}

    @model_validator(mode="after")
    def _fits(self) -> Recipe:
        if self.reduce.probe and not self.record.labels:
            raise ValueError("reduce.probe predicts labels from vectors: set record.labels")
        if self.reduce.probe and self.reduce.probe.tune and self.encoder.kind != "sentence":
            raise ValueError(
                f"reduce.probe.tune trains a transformer's last layers, which encoder {self.encoder.kind} has not: "
                "set encoder.kind=sentence, or remove reduce.probe.tune"
            )
        if self.encoder.kind != "given" and not self.record.embedded():
            raise ValueError("every field of record.fields has weight 0: there is nothing to embed")
        if self.encoder.kind == "given" and self.source.explode:
            raise ValueError("source.explode makes several records of a row, which has one given vector: remove it")
        return self

    @property
    def rows(self) -> RowSpec:
        """Return how the recipe reads rows."""
        source, exploded = self.source, [self.source.explode.column] if self.source.explode else []
        vector = self.encoder.column if isinstance(self.encoder, GivenSpec) else None
        nested = compile_paths([*self.record.named(), *exploded])
        missing = frozenset(self.record.missing)
        return RowSpec(source.format, source.explode, source.path, nested, missing=missing, vector=vector)

    def settings(self, stage: Stage) -> Json:
        """Return the sections of the recipe that a stage's output depends on, as JSON."""
        whole = self.model_dump(mode="json")
        # A link is made when it is shown: another one needs no other vectors.
        whole["url"] = whole["record"].pop("url")
        # A row whose given vector is unusable, as it would be stored, is rejected when it is planned.
        keys = {
            "plan": ("source", "record", "encoder", "mix") if self.encoder.kind == "given" else ("source", "record"),
            "embed": ("encoder", "mix"),
            "reduce": ("reduce",),
            "publish": ("publish", "url"),
        }
        return {key: whole[key] for key in keys[stage]}

    def fingerprint(self, stage: Stage) -> str:
        """Return the SHA-256 of the recipe's settings for a stage."""
        return hashlib.sha256(canonical(self.settings(stage))).hexdigest()

    def to_yaml(self) -> str:
        """Return the resolved recipe as YAML that ``load_recipe`` reads back."""
        return yaml.safe_dump(self.model_dump(mode="json"), sort_keys=False, allow_unicode=True)


def recipe_of(store: Store) -> Recipe:
    """Return the recipe that an atlas was made with.

    Raises:
        InputError: its manifest has no recipe that this version supports.
    """
    try:
        return Recipe.model_validate(store.manifest().get("recipe"))
    except ValidationError as error:
        first = error.errors()[0]
        where = ".".join(["recipe", *map(str, first["loc"])])
        raise InputError(
            f"{store.url}/{MANIFEST}: {where}: {first['msg']}. Use the version that made it, or make the atlas again."
        ) from error


def canonical(data: Any) -> bytes:
    """Return JSON with sorted keys and no spaces: equal recipes give equal bytes."""
    return json.dumps(data, sort_keys=True, separators=(",", ":"), ensure_ascii=False).encode()


def builtin_recipes() -> list[str]:
    """Return the names of the recipes that come with vidatlas."""
    return sorted(
        entry.name.removesuffix(".yaml")
        for entry in files("vidatlas.recipes").iterdir()
        if entry.name.endswith(".yaml")
    )


def load_recipe(source: str | Path | Mapping[str, Any], overrides: Mapping[str, Any] | None = None) -> Recipe:
    """Return a recipe by built-in name, YAML file or mapping, with dotted overrides such as ``{"encoder.model": "…"}``.

    Raises:
        UsageError: no such recipe, or an invalid key or value; the message names the key.
    """
    label, data = _read(source)
    changes = overrides or {}
    # A section before what is set within it, and its kind before its other settings: kinds share none.
    for key in sorted(changes, key=lambda key: (key.count("."), not key.endswith(".kind"))):
        _override(data, key, changes[key])
    _read_names(data)
    try:
        return Recipe.model_validate(data)
    except ValidationError as error:
        first = error.errors()[0]
        plain, said = _PLAIN.get(first["type"]), first["msg"].removeprefix("Value error, ")
        where, what = _dotted(first["loc"], data), plain.format(**first.get("ctx", {})) if plain else said
        meant = _meant(str(first["loc"][-1])) if first["type"] == "extra_forbidden" else ""
        raise UsageError(
            f"recipe {label}: {where}: {what}. {meant}See the keys with: vidatlas recipes {_shown(data, label)}"
        ) from error


def _read_names(data: Json) -> None:
    """Put the names of categories that a recipe points to into the recipe itself: no other machine needs the file."""
    record = data.get("record")
    columns = record.get("map") if isinstance(record, dict) else None
    if not isinstance(columns, dict):
        return
    for column, names in columns.items():
        if isinstance(names, str):
            try:
                columns[column] = read_names(names)
            except UsageError as error:
                raise UsageError(f"record.map.{column}: {error}") from error


def _meant(wrong: str) -> str:
    """Return a question with the valid key nearest to an invalid one; empty if none is near."""
    schema = Recipe.model_json_schema()
    keys = {key for model in (schema, *schema["$defs"].values()) for key in model.get("properties", ())}
    found = get_close_matches(wrong, sorted(keys), 1, 0.7)
    return f"Did you mean {found[0]!r}? " if found else ""


def _dotted(location: tuple[int | str, ...], data: Any) -> str:
    """Return the key of a value as in ``--set``: without the steps that pydantic adds for unions."""
    steps = []
    for step in location:
        if isinstance(data, dict) and (step in data or step == location[-1]):
            steps.append(str(step))
            data = data.get(step)
    return ".".join(steps) or "recipe"


def _shown(data: Json, label: str) -> str:
    name = str(data.get("name", label))
    return name if name in builtin_recipes() else "topics"


def _read(source: str | Path | Mapping[str, Any]) -> tuple[str, Json]:
    if isinstance(source, Mapping):
        return str(source.get("name", "(mapping)")), json.loads(json.dumps(dict(source)))
    name = str(source)
    if name in builtin_recipes():
        at: Any = files("vidatlas.recipes").joinpath(f"{name}.yaml")
    elif Path(name).is_file():
        at = Path(name)
    else:
        raise UsageError(f"no recipe {name!r}: neither built in ({', '.join(builtin_recipes())}) nor a YAML file.")
    try:
        data = from_yaml(at.read_text(encoding="utf-8"))
    except (yaml.YAMLError, UnicodeDecodeError) as error:
        raise UsageError(f"recipe {name} is not valid YAML: {' '.join(str(error).split())}.") from error
    if not isinstance(data, dict):
        raise UsageError(f"recipe {name} has no keys. Start from: vidatlas recipes demo")
    return name, data


def _override(data: Json, key: str, value: Any) -> None:
    *path, last = key.split(".")
    at = data
    for step in path:
        if step in _BY_NAME and isinstance(at.get(step), str):
            at[step] = _by_name(at[step])
        at = at.setdefault(step, {})
        if not isinstance(at, dict):
            raise UsageError(f"--set {key}: {step} is a value, not a section.")
    if last == "kind" and at.get(last) != value:
        at.clear()
    if value is None and path[-1:] in (["fields"], ["columns"]):
        at.pop(last, None)
    else:
        at[last] = deepcopy(value)  # later settings change it


def differences(old: Json, new: Json, prefix: str = "") -> Iterator[str]:
    """Yield ``key: old → new`` for every setting that differs between two recipes."""
    for key in dict.fromkeys([*old, *new]):
        before, after = old.get(key), new.get(key)
        if isinstance(before, dict) and isinstance(after, dict):
            yield from differences(before, after, f"{prefix}{key}.")
        elif before != after:
            yield f"{prefix}{key}: {json.dumps(before, ensure_ascii=False)} → {json.dumps(after, ensure_ascii=False)}"
