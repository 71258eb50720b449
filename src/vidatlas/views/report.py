"""The report of an atlas: render plain data as one self-contained HTML page."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from functools import cache
from itertools import accumulate
from pathlib import Path
from typing import NamedTuple

from jinja2 import Environment, Undefined
from markupsafe import Markup

from vidatlas.views.colours import colours_of
from vidatlas.views.findings import findings_of
from vidatlas.views.map_data import Drawing, light_script, light_style, map_scripts, packed, script_hash
from vidatlas.views.nouns import Nouns
from vidatlas.views.page import Report
from vidatlas.views.table import band, band_words, columns_of, has_levels, is_known, rows_of, table_data
from vidatlas.views.text import UNKNOWN, clean, duration, environment


class Curve(NamedTuple):
    """Hold the cumulative explained variance, from no component (0) to all of them."""

    totals: tuple[float, ...]
    half_at: int


_STYLE_HASH = Markup("STYLE-HASH")


def render(report: Report) -> str:
    """Return the report as one self-contained HTML document."""
    drawn = map_scripts() if report.drawing else ("",)
    style, scripts = _parts("css", light_style) + drawn[0], [*drawn[1:], _parts("js", light_script)]
    categories = sorted(report.categories, key=lambda category: (-category.size, category.name))
    rows, rules = rows_of(categories), _Rules()
    page = (
        _environment()
        .get_template("report.html.jinja")
        .render(
            report=report,
            nouns=report.nouns,
            categories=categories,
            colours=colours_of([category.name for category in categories]),
            rows=rows,
            levelled=has_levels(rows),
            columns=columns_of(report, rows),
            table_data=table_data(report, rows),
            bands=band_words(),
            findings=findings_of(report, rows),
            curve=_curve(report.explained_variance),
            map=report.drawing,
            style=style,
            scripts=scripts,
            script_hashes=Markup(" ".join(map(script_hash, scripts))),  # noqa: S704 - hashes
            style_hash=_STYLE_HASH,
            rule=rules.add,
        )
    )
    return _with_style(page, rules)


def _parts(kind: str, light: Callable[[str], str]) -> Markup:
    """Return the report's own style sheets or scripts, in the order of their names."""
    files = sorted((Path(__file__).parent / "report").glob(f"*.{kind}"))
    return Markup("\n").join(Markup(light(file.read_text(encoding="utf-8"))) for file in files)  # noqa: S704 - our own


def render_map(title: str, about: str, drawing: Drawing, nouns: Nouns) -> str:
    """Return a page with only the map."""
    style, *scripts = map_scripts(bool(drawing.tiled))
    page = (
        _environment()
        .get_template("map_page.html.jinja")
        .render(
            title=title,
            about=about,
            nouns=nouns,
            map=drawing,
            map_style=style,
            scripts=scripts,
            script_hashes=Markup(" ".join(map(script_hash, scripts))),  # noqa: S704 - hashes
            style_hash=_STYLE_HASH,
        )
    )
    return _with_style(page, _Rules())


@cache
def map_policy(tiled: bool = False) -> str:
    """Return the content security policy of all pages that ``render_map`` makes, with tiles or without."""
    page = render_map("", "", Drawing("", "", ("",), tiled=int(tiled)), Nouns())
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
    found = environment(Path(__file__).parent / "templates", _finalize)
    found.filters.update(
        counted=_counted, share=_share, decimal=decimal, significant=_significant, band=band, duration=duration,
        known=is_known, packed=lambda code: packed(code.encode()),
    )  # fmt: skip
    return found


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


def decimal(value: float | None, digits: int = 2) -> str:
    """Return a number with some digits behind its point; a dash where it is not known."""
    if not is_known(value):
        return UNKNOWN
    return f"{value:.{digits}f}".replace("-", "\N{MINUS SIGN}")


def _significant(value: float) -> str:
    """Return a non-negative number with three significant digits."""
    return f"{value:.3g}"


def _curve(shares: Sequence[float]) -> Curve:
    usable = (max(share, 0.0) if math.isfinite(share) else 0.0 for share in shares)
    totals = tuple(min(total, 1.0) for total in accumulate(usable, initial=0.0))
    half_at = next(index for index, total in enumerate(totals) if total >= totals[-1] / 2)
    return Curve(totals, half_at)
