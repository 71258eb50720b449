"""The report of an atlas: render plain data as one self-contained HTML page."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import TypeGuard

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Undefined
from markupsafe import Markup

from vidatlas.views.map_data import Drawing, map_scripts, script_hash
from vidatlas.views.nouns import Nouns
from vidatlas.views.page import Category, Report
from vidatlas.views.text import clean, shown


@dataclass(frozen=True)
class Box:
    """A rectangle of the report's treemap."""

    x: float
    y: float
    w: float
    h: float


@dataclass(frozen=True)
class Tile:
    """One category of the treemap, positions in percent; one SVG path per colour draws its subcategories."""

    rank: int
    category: Category
    box: Box
    paths: tuple[tuple[int, str], ...]


@dataclass(frozen=True)
class Map:
    """Hold the report's treemap of the categories for one screen shape."""

    shape: str
    width: int
    height: int
    tiles: tuple[Tile, ...]


@dataclass(frozen=True)
class Curve:
    """Hold the cumulative explained variance, from no component (0) to all of them."""

    totals: tuple[float, ...]
    half_at: int


SILHOUETTE_BANDS = (  # from this value on, shade of the map, plain words
    (0.5, 5, "very clear groups"),
    (0.25, 4, "clear groups"),
    (0.1, 3, "loose groups"),
    (0.0, 2, "groups overlap"),
    (-math.inf, 1, "groups are mixed"),
)
MEMBERS_OPEN = 12
"""Records of a subcategory to show at once; the others are collapsed."""
MOST_MEMBERS = 60_000
"""Most records to list in all subcategories together; above it, each may list an equal number."""
UNKNOWN = "\N{EN DASH}"
_STYLE_HASH = Markup("STYLE-HASH")
NOT_MEASURED = (0, "not measured")


def render(report: Report) -> str:
    """Return the report as one self-contained HTML document."""
    template = _environment().get_template("report.html.jinja")
    script = "".join(template.blocks["script"](template.new_context()))
    style, *scripts = map_scripts() if report.drawing else ("",)
    categories = sorted(report.categories, key=lambda category: (-category.size, category.name))
    rules = _Rules()
    page = template.render(
        report=report,
        nouns=report.nouns,
        categories=categories,
        subcategory_count=sum(len(category.subcategories) for category in categories),
        listed=sum(len(sub.terms) for category in categories for sub in category.subcategories),
        members_open=MEMBERS_OPEN,
        most_members=MOST_MEMBERS,
        maps=[_map(categories, "wide", 1600, 760), _map(categories, "tall", 800, 1000)],
        curve=_curve(report.explained_variance),
        map_style=style,
        map_scripts=scripts,
        map=report.drawing,
        script_hashes=Markup(" ".join(script_hash(code) for code in (*scripts, script))),  # noqa: S704 - hashes
        style_hash=_STYLE_HASH,
        rule=rules.add,
    )
    return _with_style(page, rules)


def render_map(title: str, about: str, drawing: Drawing, nouns: Nouns) -> str:
    """Return a page with only the map."""
    style, *scripts = map_scripts()
    page = (
        _environment()
        .get_template("map_page.html.jinja")
        .render(
            title=title,
            about=about,
            nouns=nouns,
            map=drawing,
            map_style=style,
            map_scripts=scripts,
            script_hashes=Markup(" ".join(map(script_hash, scripts))),  # noqa: S704 - hashes
            style_hash=_STYLE_HASH,
        )
    )
    return _with_style(page, _Rules())


@cache
def map_policy() -> str:
    """Return the content security policy of all pages that ``render_map`` makes."""
    page = render_map("", "", Drawing("", ("",)), Nouns())
    return page.split('http-equiv="Content-Security-Policy" content="', 1)[1].split('"', 1)[0]


class _Rules:
    """Collect the styles of single elements: the page's policy forbids style attributes."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}

    def add(self, style: str) -> Markup:
        """Return the attribute that gives an element a style, such as ``width:37.5%``."""
        return Markup('data-s="{}"').format(self._numbers.setdefault(style, len(self._numbers)))

    def __str__(self) -> str:
        return "".join(f'[data-s="{number}"]{{{style}}}\n' for style, number in self._numbers.items())


def _with_style(page: str, rules: _Rules) -> str:
    """Add rules to a page's style sheet, and put its hash in the page's policy, which comes before it."""
    before, rest = page.split("<style>", 1)
    sheet, after = rest.split("</style>", 1)
    sheet += str(rules)
    return f"{before.replace(_STYLE_HASH, script_hash(sheet), 1)}<style>{sheet}</style>{after}"


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(Path(__file__).parent / "templates", encoding="utf-8"),
        autoescape=True,
        undefined=StrictUndefined,
        finalize=_finalize,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters.update(
        count="{:,}".format, counted=_counted, share=_share, width=_width, decimal=_decimal, significant=_significant,
        band=_band, duration=_duration, known=_known, shown=shown,
    )  # fmt: skip
    return environment


def _finalize(value: object) -> object:
    """Clean every text of the page, and refuse values that were not formatted."""
    if isinstance(value, Undefined) or hasattr(value, "__html__"):
        return value
    if isinstance(value, str):
        return clean(value)
    if isinstance(value, int):
        return value
    raise TypeError(f"the report template prints an unformatted {type(value).__name__}")


def _counted(value: int, singular: str, plural: str) -> str:
    return f"{value:,} {singular if value == 1 else plural}"


def _ratio(part: float, whole: float) -> float:
    return part / whole if whole > 0 and math.isfinite(part) else 0.0


def _share(part: float, whole: float) -> str:
    """Return a percentage that never rounds a non-zero share to 0 % or an incomplete one to 100 %."""
    ratio = _ratio(part, whole)
    if 0 < ratio < 0.001:
        return "<0.1%"
    return f"{min(ratio, 0.999) if ratio < 1 else ratio:.1%}"


def _width(part: float, whole: float) -> str:
    return f"{min(max(_ratio(part, whole), 0.0), 1.0) * 100:.1f}%"


def _known(value: float | None) -> TypeGuard[float]:
    return value is not None and math.isfinite(value)


def _decimal(value: float | None, digits: int = 2) -> str:
    if not _known(value):
        return UNKNOWN
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _significant(value: float) -> str:
    """Return a non-negative number with three significant digits."""
    return f"{value:.3g}"


def _band(silhouette: float | None) -> tuple[int, str]:
    """Return the map's shade and the plain words for a silhouette."""
    if not _known(silhouette):
        return NOT_MEASURED
    return next((level, words) for floor, level, words in SILHOUETTE_BANDS if silhouette >= floor)


def _duration(seconds: float) -> str:
    """Return a duration for people to read."""
    if not math.isfinite(seconds):
        return UNKNOWN
    if seconds < 59.95:
        return f"{seconds:.1f} s"
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes:02d} min" if hours else f"{minutes} min {rest:02d} s"


def _map(categories: Sequence[Category], shape: str, width: int, height: int) -> Map:
    ranked = [(rank, category) for rank, category in enumerate(categories, 1) if category.size > 0]
    boxes = _treemap([category.size for _, category in ranked], Box(0, 0, width, height))
    tiles = []
    for (rank, category), box in zip(ranked, boxes, strict=True):
        percent = Box(box.x / width * 100, box.y / height * 100, box.w / width * 100, box.h / height * 100)
        tiles.append(Tile(rank, category, percent, _cells(category, box)))
    return Map(shape, width, height, tuple(tiles))


def _cells(category: Category, box: Box) -> tuple[tuple[int, str], ...]:
    """Return the category's subcategories as one path per clarity level, largest at the top left."""
    subs = sorted((sub for sub in category.subcategories if sub.size > 0), key=lambda sub: -sub.size)
    levels = [_band(sub.silhouette if _known(sub.silhouette) else category.silhouette)[0] for sub in subs]
    paths: dict[int, str] = {}
    cells = _treemap([sub.size for sub in subs] or [1], box)
    for level, cell in zip(levels or [_band(category.silhouette)[0]], cells, strict=True):
        paths[level] = paths.get(level, "") + _outline(cell)
    return tuple(sorted(paths.items()))


def _treemap(sizes: Sequence[int], box: Box) -> Iterator[Box]:
    """Yield one box per size, area in proportion, by halving the total along the longer side."""
    if len(sizes) <= 1:
        yield from [box] * len(sizes)
        return
    total, head, cut = sum(sizes), sizes[0], 1
    while cut < len(sizes) - 1 and head + sizes[cut] / 2 <= total / 2:
        head, cut = head + sizes[cut], cut + 1
    part = head / total
    if box.w >= box.h:
        first = Box(box.x, box.y, box.w * part, box.h)
        second = Box(box.x + first.w, box.y, box.w - first.w, box.h)
    else:
        first = Box(box.x, box.y, box.w, box.h * part)
        second = Box(box.x, box.y + first.h, box.w, box.h - first.h)
    yield from _treemap(sizes[:cut], first)
    yield from _treemap(sizes[cut:], second)


def _outline(box: Box) -> str:
    left, top, right, bottom = round(box.x), round(box.y), round(box.x + box.w), round(box.y + box.h)
    return f"M{left} {top}H{right}V{bottom}H{left}z"


def _curve(shares: Sequence[float]) -> Curve:
    usable = (max(share, 0.0) if math.isfinite(share) else 0.0 for share in shares)
    totals = tuple(min(total, 1.0) for total in accumulate(usable, initial=0.0))
    half_at = next(index for index, total in enumerate(totals) if total >= totals[-1] / 2)
    return Curve(totals, half_at)
