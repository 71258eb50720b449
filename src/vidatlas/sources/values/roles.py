"""Roles of columns: which column of a table holds the id, the title, the tags …, judged by its name and its content."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any, Literal

from vidatlas.sources.paths import EACH, NAMING_KEYS
from vidatlas.sources.values.category_names import YOUTUBE
from vidatlas.sources.values.columns import kind_from
from vidatlas.sources.values.numbers import EXACT, SCIENTIFIC, whole
from vidatlas.sources.values.profile import ADDRESS, NUMBERS, Column, steps_of
from vidatlas.types import Json

Sure = Literal["sure", "likely", "guessed"]
"""How sure an assumption is: by name and content; by one of both with doubts; by content alone."""
_IDS = "videoid awemeid movieid showid tconst displayid id itemid postid vid uuid oid guid"
_TITLES = (
    "title videotitle fulltitle primarytitle movietitle headline name videoname originaltitle videodescription caption"
)
_TEXTS = "description desc overview summary synopsis text content body transcript"
_TAGS = "tags videotags keywords hashtags hashtagnames tag genres listedin schlagwrter etiquetas"
_CATEGORIES = (
    "categories category categoryname categorytitle maincategory categoryid showcategories kategorie categora categoria"
)
"""Also in German and Spanish, without the letters that are not ASCII."""
_KINDS = "genre genres topic tema thema subject section gamename tname titletype type label"
_CHANNELS = (
    "channelid uploaderid authorid userid ownerid creatorid channel channelname channeltitle uploader author username "
    "user creator owner"
)
_NAMING = (*NAMING_KEYS, "tag", "id", "v")
"""Keys of an object that name it; BigQuery writes lists as objects with a ``v``."""
_FOREIGN = {*_CHANNELS.split(), *_CATEGORIES.split(), *_TAGS.split(), "music", "song", "playlist", "localized"}
"""Steps below which an id or a title is not the video's."""
KEYS = {
    "id": "record.id",
    "category": "record.group",
    "author": "record.author",
    "title": "record.fields.title.column",
    "tags": "record.fields.tags.column",
    "text": "record.fields.text.column",
}
"""The recipe's key for the column of each role but those that are kept with their type."""
_KEPT = {
    "published": "publishedat publishtime publishdate publisheddate published uploaddate uploadedat createtime "
    "createdat created createdtime createdutc publishedtimestamp pubdate releasedate dateadded date timestamp",
    "year": "releaseyear startyear year",
    "duration": "duration videolength lengthseconds runtimeminutes runtime",
    "views": "viewcount views viewscount viewstotal playcount nplays plays",
    "likes": "likecount likes likescount diggcount nlikes",
    "comments": "commentcount comments commentscount ncomments",
    "shares": "sharecount shares nshares",
    "channel": "channeltitle channelname channel uploader username",
    "thumbnail": "thumbnail thumbnaillink thumbnailurl url",
}
"""Columns that are kept with their type: name in the atlas, names in the input."""
_KNOWN = frozenset(" ".join([_IDS, _TITLES, _TEXTS, _TAGS, _CATEGORIES, _KINDS, _CHANNELS, *_KEPT.values()]).split())
_YOUTUBE_ID = re.compile(r"[A-Za-z0-9_-]{11}")
_YOUTUBE_IDS = {"displayid", "videoid", "id", "vid", "youtubeid", "ytid"}
_FEWEST_FLAGS = 5
_NUMBERED = re.compile(r"column_\d+|Unnamed: \d+")
"""Names that the table itself does not give, which are no tags."""
_CANDIDATES = 8
_LONG = 300
"""Characters of a text that is no title."""


@dataclass(frozen=True, slots=True)
class Assumed:
    """Hold one assumption: a key of the recipe, its value as people read it, how sure, an example or a remark."""

    key: str
    column: str
    sure: Sure
    example: str = ""


class Roles:
    """Choose a column for each role.

    Attributes:
        chosen: the column of each role that was found.
        assumed: what was assumed, for people.
    """

    def __init__(self, columns: list[Column], given: Mapping[str, str | None], vector: str | None = None) -> None:
        """Take the columns, those that the user chose by role, and that of vectors."""
        self.columns = [column for column in columns if column.name != vector]
        self._given = given
        self.chosen: dict[str, Column] = {}
        self.assumed: list[Assumed] = []

    def _named(self, names: str, exclude: Iterable[str] = (), parents: bool = False) -> list[Column]:
        """Return the columns that have one of the names, the first name first, of equal ones the less nested."""
        ranks = {name: rank for rank, name in enumerate(names.split())}
        found = []
        for at, column in enumerate(self.columns):
            steps = column.steps
            last, above = steps[-1], steps[-2] if len(steps) > 1 else ""
            if column.name in exclude or (not parents and EACH in column.name):
                continue
            if last in ranks and (parents or not _FOREIGN & set(steps[:-1])):
                found.append((ranks[last], len(steps), at, column))
            elif parents and above in ranks and last in _NAMING:
                found.append((ranks[above], 9 + _NAMING.index(last), at, column))
        return [column for *_, column in sorted(found, key=lambda one: one[:3])]

    @property
    def _taken(self) -> set[str]:
        return {column.name for column in self.chosen.values()}

    def _take(self, role: str, column: Column, sure: Sure, remark: str = "") -> Column:
        self.chosen[role] = column
        key = KEYS.get(role, f"record.columns.{role}")
        self.assumed.append(Assumed(key, column.name, sure, remark or str(column.example)))
        return column

    def _by_user(self, role: str) -> bool:
        """Tell whether the user chose the column of a role, or that there is none."""
        if role in self._given:
            found = [column for column in self.columns if column.name == self._given[role]]
            self.chosen |= {role: found[0]} if found else {}
        return role in self._given

    def find_id(self) -> str | None:
        """Return the column of ids; None if the rows have none."""
        if self._by_user("id"):
            return self._given["id"]
        named = [column for column in self._named(_IDS) if column.may_identify()]
        ruined = [one.name for one in self._named(_IDS) if one.rows > 1 and one.share(_is_rounded) > 0.9]
        for column in named:
            if column.name in ruined:
                continue
            if column.unique >= 0.99:
                return self._take("id", column, "sure").name
            remark = f"{column.distinct:,} distinct in {len(column.values):,} rows; of each, the first row is kept"
            return self._take("id", column, "likely", remark).name
        other = self._other_id(not ruined)
        if other:
            return other
        remark = "no column of ids"
        if ruined:
            remark = f"{ruined[0]!r} holds rounded numbers, as spreadsheets and JavaScript write them"
        self.assumed.append(Assumed("record.id", "(a hash of the row)", "sure", remark))
        return None

    def _other_id(self, first: bool) -> str | None:
        """Return a column of distinct words that is called some id, or with ``first`` the first column if it is one."""
        for at, column in enumerate(self.columns):
            distinct = column.unique == 1 and column.words == 1 and len(column.values) == column.rows
            nested = EACH in column.name or _FOREIGN & set(column.steps[:-1])
            if nested or is_title(column.name) or not distinct or not column.only({"text", "integer"}):
                continue
            own = column.steps[-1].endswith("id") and column.steps[-1] not in _CHANNELS.split()
            if own or (first and not at):
                return self._take("id", column, "likely" if own else "guessed").name
        return None

    def find_title(self) -> str | None:
        """Return the column of titles; None if that cannot be decided: then ``candidates`` names those it may be."""
        if self._by_user("title"):
            return self._given["title"]
        for names, sure in ((_TITLES, "sure"), (_TEXTS, "likely")):
            found = [column for column in self._named(names, self._taken) if column.is_text()]
            if not found:
                continue
            last, depth = found[0].steps[-1], len(found[0].steps)
            if any((one.steps[-1], len(one.steps)) == (last, depth) for one in found[1:]):
                return None
            by_name = sure == "sure" and (last != "name" or found[0].words >= 2)
            return self._take("title", found[0], "sure" if by_name else "likely").name
        found = [column for column in self._texts(self._taken) if column.words >= 2 and column.unique >= 0.9]
        if len(found) != 1 or found[0].rows < 2:
            return self._other_title(self._taken)
        remark = f"the only column of distinct texts: {found[0].example}"
        return self._take("title", found[0], "guessed", remark).name

    def _other_title(self, taken: set[str]) -> str | None:
        """Return the only column that is called title, where its titles repeat or are numbers."""
        named = [one for one in self._named("title videotitle", taken) if one.only({"text", "duration", *NUMBERS})]
        if len(named) != 1 or named[0].distinct < 2 or len(named[0].values) < 0.5 * named[0].rows:
            return None
        remark = f"{named[0].distinct:,} distinct in {len(named[0].values):,} rows: {named[0].example}"
        return self._take("title", named[0], "likely", remark).name

    def candidates(self) -> list[str]:
        """Return the columns that may hold titles, the likeliest first."""
        taken = {column.name for role, column in self.chosen.items() if role == "id"}
        named = [*self._named(_TITLES, taken), *self._named(_TEXTS, taken)]
        texts = sorted(self._texts(taken), key=lambda column: -min(column.unique, 1) * min(column.words, 5))
        return list(dict.fromkeys(column.name for column in (*named, *texts)))[:_CANDIDATES]

    def _texts(self, taken: set[str]) -> list[Column]:
        return [column for column in self.columns if column.name not in taken and EACH not in column.name
                and column.is_text() and column.share(lambda value: len(str(value)) <= _LONG) > 0.9]  # fmt: skip

    def find_tags(self) -> Json | None:
        """Return the field of tags: its column and how they are separated; None if there is none."""
        if self._by_user("tags"):
            column = self.chosen.get("tags")
            return {"column": self._given["tags"], **(column.separation() if column else {"separator": ","})}
        for column in self._named(_TAGS, self._taken, parents=True):
            if not column.only({"list", "text", *NUMBERS}) or column.holds_bare_objects():
                continue
            how = column.separation()
            several = column.kinds["list"] or column.share_with(how["separator"])
            self._take("tags", column, "sure" if several else "likely")
            self.assumed.append(
                Assumed("record.fields.tags.separator", _shown(how, column), "sure" if several else "guessed")
            )
            return {"column": column.name, **how}
        others = [one for one in self.columns if one.name not in self._taken and EACH not in one.name]
        for what, lists in (
            ("list of words", [column for column in others if column.is_list_of_words()]),
            ("column of words between |", [column for column in others if column.is_joined()]),
        ):
            if len(lists) == 1:
                remark = f"the only {what}: {lists[0].example}"
                self._take("tags", lists[0], "guessed", remark)
                return {"column": lists[0].name, **lists[0].separation()}
        return self._flags(others)

    def _flags(self, columns: list[Column]) -> Json | None:
        """Return the field of tags that are columns of 0 and 1, as genres may be; None if there are none."""
        flags = [one for one in columns if one.only({"integer"}, 1) and one.share(lambda cell: str(cell) in "01") == 1]
        names = [one.name for one in flags if not _NUMBERED.fullmatch(one.name)]
        if len(names) < _FEWEST_FLAGS:
            return None
        self._take("tags", flags[0], "guessed", f"flags, columns of 0 and 1: {', '.join(names)}")
        return {"column": names, "separator": ",", "flags": True}

    def share_a_column(self, role: str, other: str) -> bool:
        """Tell whether two roles have one column, or a column and a value out of it."""
        names = sorted(self.chosen[name].name for name in (role, other) if name in self.chosen)
        return len(names) == 2 and f"{names[1]}.".startswith((f"{names[0]}.", f"{names[0]}[]"))

    def repeats_titles(self) -> bool:
        """Tell whether many rows have the title of another."""
        return "title" in self.chosen and self.chosen["title"].unique < 0.8

    def find_text(self) -> str | None:
        """Return the column of a longer text; None if there is none."""
        found = [column for column in self._named(_TEXTS, self._taken) if column.is_text()]
        return self._take("text", found[0], "likely").name if found else None

    def find_category(self) -> str | None:
        """Return the column of categories; None if there is none."""
        if self._by_user("category"):
            return self._given["category"]
        # Objects with a name, as TMDB's genres, are categories more than tags.
        tags = {one.name for role, one in self.chosen.items() if role == "tags" and EACH in one.name}
        taken = self._taken - tags
        levels: tuple[tuple[str, Sure], ...] = ((_CATEGORIES, "sure"), (_KINDS, "likely"))
        for names, sure in levels:
            for column in self._named(names, taken, parents=True):
                listed = column.kinds["list"] > 0
                weak = sure == "likely" and (column.distinct < 2 or (column.steps[-1] == "genres" and not listed))
                many = column.distinct > max(20, 0.3 * len(column.values)) and not listed
                if weak or many or not column.only({"text", "list", *NUMBERS}) or column.holds_bare_objects():
                    continue
                distinct = f"{column.distinct:,} distinct: {column.example}"
                return self._take("category", column, sure, distinct).name
        few = [one.name for one in self.columns if one.name not in taken and one.has_few_words()]
        remark = "all rows are one group; columns of few values: " + ", ".join(few[:_CANDIDATES])
        none = Assumed("record.group", "(none)", "sure", "no column of categories: all rows are one group")
        self.assumed.append(Assumed("record.group", "(none)", "guessed", remark) if few else none)
        return None

    def are_youtubes(self) -> bool:
        """Tell whether the categories are numbers of YouTube's own."""
        column = self.chosen.get("category")
        if not column or column.share(lambda value: str(whole(value)).strip() in YOUTUBE) < 1:
            return False
        self.assumed.append(Assumed(f"record.map.{column.name}", "youtube", "likely", "names of YouTube's categories"))
        return True

    def find_author(self) -> str | None:
        """Return the column that says who published a video; None if there is none."""
        if self._by_user("author"):
            return self._given["author"]
        for column in self._named(_CHANNELS, self._taken, parents=True):
            if EACH not in column.name and column.only({"text", *NUMBERS}):
                return self._take("author", column, "sure").name
        return None

    def find_kept(self) -> dict[str, str]:
        """Return the columns to keep with their type, by their name in the atlas."""
        found = {}
        for name, names in _KEPT.items():
            for column in self._named(names, self._taken, parents=name == "channel"):
                if EACH not in column.name and _is_kept(name, column):
                    found[name] = self._take(name, column, "sure").name
                    break
        return found

    def say_unused(self) -> None:
        """Note the columns that have no role."""
        used = self._taken | {one.column for one in self.assumed}
        unused = [one.name for one in self.columns if one.name not in used]
        more = f" and {len(unused) - _CANDIDATES:,} more" if len(unused) > _CANDIDATES else ""
        if unused:
            said = ", ".join(unused[:_CANDIDATES]) + more
            self.assumed.append(Assumed("record.columns", "(not used)", "sure", said))

    def are_youtube_videos(self) -> bool:
        """Tell whether the ids are those of YouTube."""
        column = self.chosen.get("id")
        if not column or column.steps[-1] not in _YOUTUBE_IDS:
            return False
        digits = column.share(lambda value: str(value).isdecimal())
        return digits < 0.5 and column.share(lambda value: _YOUTUBE_ID.fullmatch(str(value))) == 1


def is_known(name: str) -> bool:
    """Tell whether columns of some role are called so."""
    return bool(_KNOWN.intersection(steps_of(name)[-1:]))


def is_title(name: str) -> bool:
    """Tell whether columns of titles are called so."""
    return steps_of(name)[-1] in _TITLES.split()


def _is_rounded(value: Any) -> bool:
    """Tell whether an id was probably rounded by a spreadsheet (7.10E+18), or by JavaScript to 53 bits."""
    text = str(value)
    if not text.isdecimal() or int(text) <= EXACT:
        return bool(SCIENTIFIC.fullmatch(text))
    return int(float(text)) == int(text) or text.endswith("00")


def _shown(how: Json, column: Column) -> str:
    if not column.only({"list"}, 0.2):
        return repr(how["separator"])
    return "(lists as text)" if column.share(lambda value: isinstance(value, str)) > 0 else "(lists)"


def _is_kept(name: str, column: Column) -> bool:
    kind = kind_from({kind: count for kind, count in column.kinds.items() if kind}, (name, column.steps[-1]))
    if name == "published":
        return kind in ("date", "time")
    if name == "year":
        return kind == "integer" and column.share(lambda value: 1800 <= float(value) <= 2100) == 1
    if name == "thumbnail":
        return "thumbnail" in column.name.casefold() and column.share(lambda value: ADDRESS.match(str(value))) > 0.5
    if name in ("channel", "duration"):
        return column.steps[-1] != "id" and column.only({"text", "duration", *NUMBERS})
    return kind in ("integer", "number")
