"""Poster of an atlas: map.svg, map.png and map-light.png, drawn of the points, the land and the regions of its map."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence

import numpy as np

from vidatlas.pipeline.publish.map import subcategory_rows
from vidatlas.pipeline.publish.regions import land_of, put_labels
from vidatlas.pipeline.publish.wording import listed
from vidatlas.recipe import Recipe
from vidatlas.storage import store as layout
from vidatlas.storage.store import Files, Store
from vidatlas.views.map_data import Points, group_sizes
from vidatlas.views.nouns import Nouns
from vidatlas.views.poster.labels import drawable
from vidatlas.views.poster.poster import DARK, LIGHT, Poster, poster_svg
from vidatlas.views.poster.raster import png_of
from vidatlas.views.regions import Region

_RARE = 0.005
"""Share of the dated videos at each end that the years of the title leave out: a wrong clock makes no epoch."""
_SCRIPTS = {"CJK": "Han"}
"""What the names of characters begin with, where people call the script otherwise."""


def make_poster(recipe: Recipe, store: Store, points: Points, regions: Sequence[Region], years: Counter[int]) -> Poster:
    """Return the poster of a laid-out atlas, of its regions and the years of its videos; it finds the land."""
    table, nouns = subcategory_rows(store), recipe.publish.nouns
    sizes = group_sizes(table)
    number = {group: at for at, group in enumerate(sizes)}
    return Poster(
        title=recipe.publish.title,
        counts=counts_of(sum(sizes.values()), years, nouns),
        groups=tuple(sizes.items()),
        group_nouns=nouns.group,
        credit=(f"Each dot is one {nouns.record[0]}; near ones are alike.", "Made with vidatlas"),
        regions=tuple(regions),
        land=land_of(points.places),
        places=points.places,
        members=np.array([number[row["group"]] for row in table], np.int64)[points.codes],
    )


def put_poster(store: Store, poster: Poster) -> Files:
    """Write the regions, map.svg, which follows its viewer's preference, map.png (dark) and map-light.png."""
    files = put_labels(store, poster.regions)
    files |= store.put(layout.POSTER_SVG, poster_svg(poster, (DARK, LIGHT)).encode())
    files |= store.put(layout.POSTER, png_of(poster_svg(poster, (DARK,)), poster.fonts))
    return files | store.put(layout.POSTER_LIGHT, png_of(poster_svg(poster, (LIGHT,)), poster.fonts))


def counts_of(records: int, years: Counter[int], nouns: Nouns) -> tuple[str, ...]:
    """Return in words how many records there are, and from which years all but a few of the dated ones are."""
    total, span, before = years.total(), [], 0
    for year in sorted(years):
        before += years[year]
        if before > _RARE * total and before - years[year] < (1 - _RARE) * total:
            span.append(year)
    if not span:
        return (nouns.records(records),)
    return (nouns.records(records), f"{span[0]}" if span[0] == span[-1] else f"{span[0]}\N{EN DASH}{span[-1]}")


def poster_fact(poster: Poster) -> str:
    """Return in words what the poster is, and which names this machine has no font for."""
    regions, fonts = poster.regions, poster.fonts
    said = f"map.png, map-light.png and map.svg, of at most 20,000 points; {len(regions):,} named regions"
    absent = sum(not drawable(region.name, fonts) for region in regions)
    short = sum(not fonts.draws(region.name) for region in regions) - absent
    if not absent + short:
        return said
    what = [f"{absent:,} left out"] * bool(absent) + [f"{short:,} shortened"] * bool(short)
    return (
        f"{said}; no font for {listed(_scripts(fonts.missing))} on the machine that published, so that of the names "
        f"{' and '.join(what)} there: install one (fonts-noto-core, fonts-noto-cjk), delete map.png and publish again"
    )


def _scripts(signs: Iterable[str]) -> list[str]:
    """Return the scripts of some characters, the most frequent first."""
    first = Counter(unicodedata.name(sign, "other").split()[0] for sign in sorted(signs))
    names = Counter[str]()
    for word, count in first.items():
        names[_SCRIPTS.get(word, word.title())] += count
    return [name for name, _ in names.most_common()]
