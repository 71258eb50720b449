"""Social card of a page: the tags from which other sites take a link's title, text and picture (Open Graph)."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from vidatlas.views.text import shown


@dataclass(frozen=True)
class SocialCard:
    """Hold what a link to a page is shown with."""

    title: str
    about: str
    image: str
    """Address of the picture: a name is taken as beside the page, but many sites want all of the address."""
    url: str | None = None
    """Address of the folder of the page, with a slash at its end."""


def with_card(page: str, card: SocialCard, name: str) -> str:
    """Return a page, HTML in a file of this name, with the tags of its card before its title."""
    base = card.url or ""
    properties = {
        "og:type": "website",
        "og:title": shown(card.title),
        "og:description": shown(card.about),
        "og:image": base + card.image,
        "og:image:width": "2400",
        "og:image:height": "1350",
        "og:image:alt": f"Map of {shown(card.about)}, with the names of its regions",
    }
    if card.url:
        properties["og:url"] = base + name
    tags = [Markup('<meta property="{}" content="{}">\n').format(*pair) for pair in properties.items()]
    tags += [
        Markup('<meta name="{}" content="{}">\n').format(*pair)
        for pair in (("description", shown(card.about)), ("twitter:card", "summary_large_image"))
    ]
    return page.replace("<title>", f"{Markup().join(tags)}<title>", 1)
