"""Users without hashtags and files without rows are counted over all parts, and named."""

from __future__ import annotations

from typing import Any

from vidatlas.pipeline.plan.missing import absences
from vidatlas.pipeline.publish.wording import absence_words
from vidatlas.views.nouns import Nouns

NOUNS = Nouns(record=("hashtag", "hashtags"), group=("user", "users"))


def part(rows: int, *silent: str, heard: tuple[str, ...] = ()) -> dict[str, Any]:
    """Return what a part's facts say of this."""
    groups = {**dict.fromkeys(heard, 1), **dict.fromkeys(silent, 0)}
    return {"rows": rows, "groups": groups, "content_sha256": repr((rows, silent, heard))}


def test_where_all_gave_records_nothing_is_said() -> None:
    assert absences(["a"], [part(3, heard=("ann",))]) == {}
    assert absences(["a", "b"], [part(3, "ann"), part(1, heard=("ann",))]) == {}
    assert absence_words({}, NOUNS) == ()


def test_users_and_files_are_named_over_all_parts() -> None:
    urls = ["/x/a.csv", "s3://x/b.csv", "c.csv"]
    entry = absences(urls, [part(3, "zoe", "ann", heard=("ben",)), part(0), part(2, "ann", "ben")])
    assert absence_words(entry, NOUNS) == (
        "2 users have no hashtags to keep: ann, zoe",
        "1 of 3 files holds no rows: s3://x/b.csv",
    )
    assert absence_words(entry, NOUNS, most=1)[0] == "2 users have no hashtags to keep: ann, and 1 more"
