"""Tags of a video as a comma-separated string, as untidy as real ones."""

from random import Random

from tools.sample.channels import Channel
from tools.sample.phrase import expand, numbers
from tools.sample.vocabulary import Noise, Subject

SHARE_NULL = 0.01
SHARE_EMPTY = 0.12
SHARE_SPACED = 0.15
SHARE_SHOUTED = 0.06
SHARE_LONG = 0.006
SHARE_STUFFED = 0.15
SHARE_SUBJECT_FIRST = 0.5
SHARE_ALL_TITLE_WORDS = 0.06
_SHORTEST_WORD = 4


def write_tags(rng: Random, channel: Channel, subject: Subject, title: str, noise: Noise) -> str | None:
    """Return the tags of a video: a string, "" for none, sometimes None."""
    dice = rng.random()
    if dice < SHARE_NULL + SHARE_EMPTY:
        return None if dice < SHARE_NULL else ""
    own = [*rng.sample(subject.tags, rng.randint(1, 5)), *rng.sample(subject.thing, rng.randint(0, 2))]
    tags = [*channel.tags, *own, *_title_words(rng, title), *rng.sample(noise.tags, rng.randint(0, 2))]
    if rng.random() < SHARE_STUFFED:
        tags += _borrowed_tags(rng, channel)
    if rng.random() < SHARE_SUBJECT_FIRST:
        tags = [*own, *tags]
    if rng.random() < SHARE_LONG:
        words = {"thing": subject.thing, "detail": subject.detail, **numbers(rng, 2019)}
        tags.append(expand(noise.long_tag, rng, words))
    return _join(rng, [_restyle(tag, channel.tag_style) for tag in tags])


def _borrowed_tags(rng: Random, channel: Channel) -> list[str]:
    # Some channels add what is popular in their category, whatever the video is about.
    pool = [tag for subject in channel.category.subjects for tag in subject.tags]
    return rng.sample(pool, rng.randint(4, 9))


def _title_words(rng: Random, title: str) -> list[str]:
    words = [word.strip("|()[]#!?:-.\"'") for word in title.replace(",", " ").split()]
    words = [word for word in words if len(word) >= _SHORTEST_WORD and word[0].isalpha()]
    return words if rng.random() < SHARE_ALL_TITLE_WORDS else rng.sample(words, min(len(words), rng.randint(0, 2)))


def _restyle(tag: str, style: str) -> str:
    if style == "lower":
        return tag.lower()
    if style == "title":
        return " ".join(word[:1].upper() + word[1:] for word in tag.split(" "))
    return tag


def _join(rng: Random, tags: list[str]) -> str:
    distinct = list(dict.fromkeys(tag.replace(",", " ") for tag in tags))
    if rng.random() < SHARE_SHOUTED:
        distinct[-1] = distinct[-1].upper()
    if rng.random() < SHARE_SPACED:
        return rng.choice((", ".join(distinct), " " + " ,".join(distinct), ", ".join(distinct) + " "))
    return ",".join(distinct)
