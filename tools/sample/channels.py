"""Synthetic channels, and the assignment of each category's videos to them."""

from collections.abc import Iterator
from dataclasses import dataclass
from random import Random

from tools.sample.vocabulary import Category, Subject, Vocabulary

_SIZES = (1, 1, 2, 2, 3, 4, 5, 7, 9, 12, 18, 26, 40)
_ID_LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
SHARE_WITH_SECOND_SUBJECT = 0.25
SHARE_ON_SECOND_SUBJECT = 0.3
SHARE_LONG_NAME = 0.7
SHARE_LOUD = 0.08
SHARE_SIGNING = 0.12
SHARE_EMOJI_LOVERS = 0.2
SHARE_ABROAD = 0.4
LARGEST_ABROAD = 9  # A larger channel would repeat the few foreign phrases there are.


@dataclass(frozen=True)
class Channel:
    """Hold one synthetic channel and its habits."""

    name: str
    channel_id: str
    category: Category
    subjects: tuple[Subject, ...]
    tags: tuple[str, ...]
    language: str
    tag_style: str
    shouts: bool
    signs: bool
    uses_emoji: bool


def draw_id(rng: Random, length: int) -> str:
    """Return a random identifier in YouTube's alphabet."""
    return "".join(rng.choice(_ID_LETTERS) for _ in range(length))


def plan_uploads(rng: Random, vocabulary: Vocabulary) -> list[tuple[Channel, Subject]]:
    """Return which channel uploads about which subject, shuffled over the file but with runs of one channel."""
    runs: list[list[tuple[Channel, Subject]]] = []
    for category in vocabulary.categories:
        for channel, size in _channels_of(rng, category, vocabulary):
            uploads = [(channel, _pick_subject(rng, channel)) for _ in range(size)]
            while uploads:
                length = rng.choice((1, 1, 2, 3, 5))
                runs.append(uploads[:length])
                del uploads[:length]
    rng.shuffle(runs)
    return [upload for run in runs for upload in run]


def _channels_of(rng: Random, category: Category, vocabulary: Vocabulary) -> Iterator[tuple[Channel, int]]:
    # Shares fall about as 1/rank: a few subjects are large and the last ones small, as in life.
    weights = [1 / (rank + 1.4) for rank in range(len(category.subjects))]
    for subject, weight in zip(category.subjects, weights, strict=True):
        left = round(category.videos * weight / sum(weights))
        while left > 0:
            size = min(left, rng.choice(_SIZES))
            left -= size
            abroad = size <= LARGEST_ABROAD and rng.random() < SHARE_ABROAD
            yield _draw_channel(rng, category, subject, vocabulary, abroad=abroad), size


def _draw_channel(
    rng: Random, category: Category, subject: Subject, vocabulary: Vocabulary, *, abroad: bool
) -> Channel:
    first = rng.choice(vocabulary.name_first) + rng.choice(vocabulary.name_last)
    name = f"{first} {rng.choice(category.channel_words)}" if rng.random() < SHARE_LONG_NAME else first
    others = [other for other in category.subjects if other is not subject]
    second = (rng.choice(others),) if rng.random() < SHARE_WITH_SECOND_SUBJECT else ()
    return Channel(
        name=name,
        channel_id="UC" + draw_id(rng, 22),
        category=category,
        subjects=(subject, *second),
        tags=_favourite_tags(rng, name, category, subject),
        language=rng.choice(sorted(subject.foreign)) if abroad and subject.foreign else "en",
        tag_style=rng.choice(("lower", "lower", "as written", "as written", "title", "words")),
        shouts=rng.random() < SHARE_LOUD,
        signs=rng.random() < SHARE_SIGNING,
        uses_emoji=rng.random() < SHARE_EMOJI_LOVERS,
    )


def _favourite_tags(rng: Random, name: str, category: Category, subject: Subject) -> tuple[str, ...]:
    own = [name, name.replace(" ", "").lower()] if " " in name else [name]
    own = own[: rng.randint(1, 2)]
    return (*own, *rng.sample(category.tags, rng.randint(1, 3)), *rng.sample(subject.tags, rng.randint(0, 2)))


def _pick_subject(rng: Random, channel: Channel) -> Subject:
    return channel.subjects[-1] if rng.random() < SHARE_ON_SECOND_SUBJECT else channel.subjects[0]
