"""The vocabulary of the sample."""

from collections.abc import Mapping
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

import yaml


@dataclass(frozen=True)
class Subject:
    """Hold the words of one real-world subject."""

    name: str
    thing: tuple[str, ...]
    detail: tuple[str, ...]
    tags: tuple[str, ...]
    titles: tuple[str, ...]
    foreign: Mapping[str, str]


@dataclass(frozen=True)
class Category:
    """Hold one YouTube category: its size, its own words and its subjects, largest first."""

    name: str
    videos: int
    channel_words: tuple[str, ...]
    tags: tuple[str, ...]
    emoji: tuple[str, ...]
    suffixes: tuple[str, ...]
    subjects: tuple[Subject, ...]


@dataclass(frozen=True)
class Noise:
    """Hold the words that fit any subject."""

    tags: tuple[str, ...]
    suffixes: tuple[str, ...]
    hooks: tuple[str, ...]
    generic: tuple[str, ...]
    descriptions: tuple[str, ...]
    hostile: tuple[str, ...]
    long_tag: str


@dataclass(frozen=True)
class Vocabulary:
    """Hold the content of vocabulary.yaml."""

    name_first: tuple[str, ...]
    name_last: tuple[str, ...]
    noise: Noise
    categories: tuple[Category, ...]


def load_vocabulary() -> Vocabulary:
    """Return the bundled vocabulary."""
    data = yaml.safe_load((files(__package__) / "vocabulary.yaml").read_text(encoding="utf-8"))
    return Vocabulary(
        name_first=tuple(data["channels"]["first"]),
        name_last=tuple(data["channels"]["last"]),
        noise=Noise(**_tuples(data["noise"])),
        categories=tuple(_category(name, words) for name, words in data["categories"].items()),
    )


def _category(name: str, words: dict[str, Any]) -> Category:
    subjects = tuple(
        Subject(name=subject, **{"foreign": {}, **_tuples(own)}) for subject, own in words["subjects"].items()
    )
    return Category(name=name, **{**_tuples(words), "subjects": subjects})


def _tuples(words: dict[str, Any]) -> dict[str, Any]:
    return {key: tuple(value) if isinstance(value, list) else value for key, value in words.items()}
