"""Records: assemble a video's texts, dates and counts."""

from datetime import datetime, timedelta
from random import Random

from tools.sample.channels import Channel, draw_id
from tools.sample.line import Video
from tools.sample.phrase import expand, numbers
from tools.sample.tags import write_tags
from tools.sample.titles import TitleWriter
from tools.sample.vocabulary import Noise, Subject

SHARE_NULL = {"channel_id": 0.02, "description": 0.3, "dislike_count": 0.25, "like_count": 0.03}
_YEARS = (2014, 2015, 2016, 2017, 2017, 2018, 2018, 2018, 2019, 2019, 2019, 2019)
_DAYS_BEFORE_CRAWL = 270  # So that a video of 2019 is older than the first crawl, in October 2019.
_FIRST_CRAWL = datetime(2019, 10, 20)
_DIGITS = (1, 2, 2, 3, 3, 3, 4, 4, 4, 5, 5, 6)


def write_record(rng: Random, channel: Channel, subject: Subject, titles: TitleWriter, noise: Noise) -> Video:
    """Return an acceptable record about the subject, keys in YouNiverse's order."""
    year = rng.choice(_YEARS)
    title, language = titles.write(channel, subject, year)
    views, likes, dislikes = _counts(rng)
    video = Video(
        {
            "categories": channel.category.name,
            "channel_id": channel.channel_id,
            "crawl_date": _crawl_date(rng),
            "description": _description(rng, subject, channel, title, noise),
            "dislike_count": dislikes,
            "display_id": draw_id(rng, 11),
            "duration": _duration(rng, title),
            "like_count": likes,
            "tags": write_tags(rng, channel, subject, title, noise),
            "title": title,
            "upload_date": str(datetime(year, 1, 1) + timedelta(days=rng.randrange(_DAYS_BEFORE_CRAWL))),
            "view_count": views,
        },
        subject.name,
        language,
    )
    for key, share in SHARE_NULL.items():
        if rng.random() < share:
            video.record[key] = None
    return video


def _counts(rng: Random) -> tuple[int, int, int]:
    # Whole numbers only: logarithms may differ in the last bit between machines.
    smallest = 10 ** rng.choice(_DIGITS)
    views = smallest + rng.randrange(9 * smallest)
    likes = views * rng.randrange(2, 70) // 1000
    return views, likes, likes * rng.randrange(1, 15) // 100


def _duration(rng: Random, title: str) -> int:
    if "#shorts" in title.lower():
        return rng.randrange(12, 60)
    shortest = rng.choice((60, 180, 420, 900, 2400))
    return shortest + rng.randrange(2 * shortest)


def _crawl_date(rng: Random) -> str:
    moment = _FIRST_CRAWL + timedelta(seconds=rng.randrange(30 * 86400), microseconds=rng.randrange(1, 10**6))
    return moment.strftime("%Y-%m-%d %H:%M:%S.%f")


def _description(rng: Random, subject: Subject, channel: Channel, title: str, noise: Noise) -> str:
    year = rng.choice(_YEARS)
    words = {
        "thing": subject.thing,
        "detail": subject.detail,
        "title": (title,),
        "slug": (channel.name.replace(" ", "").lower(),),
        **numbers(rng, year),
    }
    return expand(rng.choice(noise.descriptions), rng, words)
