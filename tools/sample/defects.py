"""Defects: damage a few lines as in a real dump."""

import json
from collections.abc import Callable
from random import Random

from tools.sample.line import Line, Record, Video

NULL_CATEGORIES = 3
# What a reader must reject, and how often the sample has it.
DEFECTS = {
    "duplicate": 3,
    "repeated id": 3,
    "truncated": 2,
    "array": 1,
    "blank": 1,
    "null id": 1,
    "missing id": 1,
    "no text": 3,
    "bad utf-8": 1,
}


def to_raw(record: Record) -> bytes:
    """Return the record as a line of JSON, without escaping non-ASCII text."""
    return json.dumps(record, ensure_ascii=False).encode()


def add_oddities(rng: Random, videos: list[Video], hostile: tuple[str, ...]) -> None:
    """Turn a few records into unusual ones that a reader must still accept."""
    tagged = [video for video in videos if video.record["tags"] and video.language == "en"]
    chosen = rng.sample(tagged, 2 + NULL_CATEGORIES + len(hostile))
    chosen.pop().record["title"] = None
    chosen.pop().record["display_id"] = rng.randrange(10**9, 10**10)
    for _ in range(NULL_CATEGORIES):
        chosen.pop().record["categories"] = None
    for video, title in zip(chosen, hostile, strict=True):
        video.record["title"] = title


def break_lines(rng: Random, videos: list[Video]) -> list[Line]:
    """Return the videos as lines, with the configured number of each defect."""
    plain = [n for n, video in enumerate(videos) if _is_plain(video.record)]
    chosen = rng.sample(plain, sum(DEFECTS.values()))
    lines = [Line(to_raw(video.record), video.subject, video.language) for video in videos]
    inserted: list[tuple[int, Line]] = []
    for defect, count in DEFECTS.items():
        for _ in range(count):
            place = chosen.pop()
            line = Line(_BREAKERS[defect](rng, dict(videos[place].record)), None, videos[place].language, defect)
            if defect in _IN_PLACE:
                lines[place] = line
            else:
                inserted.append((_place_to_insert(rng, defect, place, len(lines)), line))
    # From the end, so that an insertion does not move the places still to come.
    for place, line in sorted(inserted, key=lambda pair: pair[0], reverse=True):
        lines.insert(place, line)
    return lines


def _is_plain(record: Record) -> bool:
    return isinstance(record["display_id"], str) and all(record[key] for key in ("title", "tags", "categories"))


def _place_to_insert(rng: Random, defect: str, source: int, end: int) -> int:
    if defect == "blank":
        return end // 2
    # A repetition comes after what it repeats: the first one is the one to keep.
    return rng.randint(source + 1, end)


def _duplicate(_: Random, record: Record) -> bytes:
    return to_raw(record)


def _repeat_id(_: Random, record: Record) -> bytes:
    return to_raw({**record, "title": f"{record['title']} (new title)"})


def _truncate(rng: Random, record: Record) -> bytes:
    text = json.dumps(record, ensure_ascii=False)
    return text[: rng.randrange(len(text) // 3, len(text) - 10)].encode()


def _array(_: Random, record: Record) -> bytes:
    return json.dumps(list(record.values()), ensure_ascii=False).encode()


def _blank(_: Random, __: Record) -> bytes:
    return b""


def _null_id(_: Random, record: Record) -> bytes:
    return to_raw({**record, "display_id": None})


def _missing_id(_: Random, record: Record) -> bytes:
    del record["display_id"]
    return to_raw(record)


def _no_text(_: Random, record: Record) -> bytes:
    return to_raw({**record, "title": "", "tags": ""})


def _bad_utf8(_: Random, record: Record) -> bytes:
    return to_raw(record).replace(b'"title": "', b'"title": "Caf\xe9 ', 1)


_BREAKERS: dict[str, Callable[[Random, Record], bytes]] = {
    "duplicate": _duplicate,
    "repeated id": _repeat_id,
    "truncated": _truncate,
    "array": _array,
    "blank": _blank,
    "null id": _null_id,
    "missing id": _missing_id,
    "no text": _no_text,
    "bad utf-8": _bad_utf8,
}
_IN_PLACE = frozenset({"truncated", "null id", "missing id", "no text", "bad utf-8"})
