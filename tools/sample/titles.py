"""Titles that read like YouTube's."""

from collections.abc import Sequence
from random import Random

from tools.sample.channels import Channel
from tools.sample.phrase import expand, numbers, polish_english
from tools.sample.vocabulary import Noise, Subject

Words = dict[str, Sequence[str]]
LONGEST = 100  # YouTube's own limit.
ODDS = {
    "generic": 0.07,
    "foreign": 0.85,
    "two in one": 0.05,
    "hook": 0.05,
    "own suffix": 0.14,
    "category suffix": 0.25,
    "noise suffix": 0.12,
    "signature": 0.6,
    "#shorts": 0.012,
    "emoji": 0.048,
    "emoji of a channel that likes them": 0.24,
    "shouted": 0.035,
    "shouted by a loud channel": 0.5,
    "small letters": 0.04,
    "capital words": 0.15,
}
_OWN_SUFFIXES = ("| {thing}", "- {detail}", "({detail})", "+ {thing}", "[{detail}]")


class TitleWriter:
    """Generate titles, each different from all previous ones."""

    def __init__(self, rng: Random, noise: Noise) -> None:
        """Keep the random generator and the words that fit any subject."""
        self._rng = rng
        self._noise = noise
        self._used: set[str] = set()

    def write(self, channel: Channel, subject: Subject, year: int) -> tuple[str, str]:
        """Return a new title and the code of its language."""
        words = {"thing": subject.thing, "detail": subject.detail, **numbers(self._rng, year)}
        abroad = channel.language in subject.foreign and self._chance("foreign")
        title = self._bare_title(subject, channel.language if abroad else "en", words)
        for before, after in self._decorations(channel, title, english=not abroad):
            first, last = expand(before, self._rng, words), expand(after, self._rng, words)
            longer = " ".join(part for part in (first, title, last) if part)
            said_already = bool(last) and last.strip("|-+#()[] ").lower() in title.lower()
            title = title if said_already or len(longer) > LONGEST else longer
        return self._restyle(title, channel), channel.language if abroad else "en"

    def _chance(self, what: str) -> bool:
        return self._rng.random() < ODDS[what]

    def _bare_title(self, subject: Subject, language: str, words: Words) -> str:
        for _ in range(10):
            if language == "en":
                title = self._english(subject, words)
            else:
                title = expand(subject.foreign[language], self._rng, words)
            if title not in self._used:
                break
        else:
            title = f"{title[:90].rstrip()} #{self._rng.randint(61, 999)}"
        self._used.add(title)
        return title

    def _english(self, subject: Subject, words: Words) -> str:
        if self._chance("generic"):
            return polish_english(expand(self._rng.choice(self._noise.generic), self._rng, words))
        first, second = (polish_english(expand(one, self._rng, words)) for one in self._rng.sample(subject.titles, 2))
        both = f"{first} | {second}"
        return both if self._chance("two in one") and len(both) <= LONGEST else first

    def _decorations(self, channel: Channel, title: str, *, english: bool) -> list[tuple[str, str]]:
        rng = self._rng
        chosen: list[tuple[str, str]] = []
        if english:
            chosen += self._english_decorations(channel, title)
        if channel.signs and self._chance("signature"):
            chosen.append(("", f"{rng.choice(('|', '-', '//'))} {channel.name}"))
        if self._chance("#shorts"):
            chosen.append(("", "#shorts"))
        if self._chance("emoji of a channel that likes them" if channel.uses_emoji else "emoji"):
            emoji = rng.choice(channel.category.emoji) * rng.choice((1, 1, 1, 2, 3))
            chosen.append(rng.choice((("", emoji), ("", emoji), ("", emoji), (emoji, ""))))
        return chosen

    def _english_decorations(self, channel: Channel, title: str) -> list[tuple[str, str]]:
        chosen: list[tuple[str, str]] = []
        if self._chance("hook"):
            chosen.append((self._rng.choice(self._noise.hooks), ""))
        if self._chance("own suffix") and not set("|(-[") & set(title):
            chosen.append(("", self._rng.choice(_OWN_SUFFIXES)))
        if self._chance("category suffix"):
            chosen.append(("", self._rng.choice(channel.category.suffixes)))
        elif self._chance("noise suffix"):
            chosen.append(("", self._rng.choice(self._noise.suffixes)))
        return chosen

    def _restyle(self, title: str, channel: Channel) -> str:
        if self._chance("shouted by a loud channel" if channel.shouts else "shouted"):
            return title.upper()
        if self._chance("small letters"):
            return title.lower()
        if self._chance("capital words"):
            return " ".join(word[:1].upper() + word[1:] for word in title.split(" "))
        return title
