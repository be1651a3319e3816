"""Pictures of the same place, one over the other, and a slider that wipes from one to the other.

Without scripts, and on paper, they stand side by side.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from html import escape


@dataclass(frozen=True)
class Picture:
    """One picture of a card.

    Attributes:
        title: its caption.
        data: the picture as data.
    """

    title: str
    data: str


@dataclass(frozen=True)
class WipeCard:
    """Pictures of one place.

    Attributes:
        title: what is shown, e.g. the patch.
        note: scores, e.g.
        pictures: by layer; all of one shape.
        height, width: of the pictures [pixels].
        places: for each order of the gallery, the group that the card is in, and its place there; none where the order
            leaves it out.
    """

    title: str
    note: str
    pictures: Mapping[str, Picture]
    height: int
    width: int
    places: Mapping[str, tuple[str, int]] = field(default_factory=dict)


def gallery(
    cards: Sequence[WipeCard],
    sides: Mapping[str, str],
    shown: tuple[str, str],
    maps: Mapping[str, str],
    scales: str,
    groups: Mapping[str, str],
    orders: Mapping[str, str],
) -> str:
    """Return cards in their groups, with what chooses the layers, the map over them, and the order.

    Args:
        cards: in any order.
        sides: layers that can be wiped, with their names.
        shown: the layers to start with, left and right.
        maps: layers that can be laid over both, with their names; they stand side by side with the others on paper.
        scales: HTML of the maps' scales.
        groups: with their headings.
        orders: with their names; the first one is that of the page without scripts.
    """
    first = next(iter(orders))
    parts = [_controls(sides, shown, maps, orders)]
    if scales:
        parts.append(f'<p class="scales">{scales}</p>')
    for name, heading in groups.items():
        inside = sorted(
            (card for card in cards if card.places.get(first, ("", 0))[0] == name),
            key=lambda card: card.places[first][1],
        )
        shown_cards = "\n".join(map(_card, inside))
        parts.append(
            f'<div data-group="{name}">\n<h3>{escape(heading)}</h3>\n<div class="cards">\n{shown_cards}\n</div>\n</div>'
        )
    rest = "\n".join(_card(card) for card in cards if first not in card.places)
    parts.append(f'<div data-group="" hidden>\n<div class="cards">\n{rest}\n</div>\n</div>')
    body = "\n".join(parts)
    return f'<div class="gallery" data-left="{shown[0]}" data-right="{shown[1]}">\n{body}\n</div>'


def _controls(
    sides: Mapping[str, str], shown: tuple[str, str], maps: Mapping[str, str], orders: Mapping[str, str]
) -> str:
    controls = [_choice(name, f"data-side={side}", sides, layer) for name, side, layer in (
        ("Left", "left", shown[0]), ("Right", "right", shown[1])
    )]  # fmt: skip
    if maps:
        controls.append(_choice("Over both", "data-side=over", {"": "nothing", **maps}, ""))
        controls.append('<label>Strength <input type="range" data-strength min="10" max="100" value="100"></label>')
    if len(orders) > 1:
        controls.append(_choice("Order by", "data-order", orders, next(iter(orders))))
    controls.append('<label><input type="checkbox" data-together checked> Wipe all together</label>')
    return (
        '<div class="controls" role="group" aria-label="What the pictures show">\n' + "\n".join(controls) + "\n</div>"
    )


def _choice(title: str, attribute: str, choices: Mapping[str, str], chosen: str) -> str:
    options = "".join(
        f'<option value="{escape(name)}"{" selected" if name == chosen else ""}>{escape(words)}</option>'
        for name, words in choices.items()
    )
    return f"<label>{escape(title)} <select {attribute}>{options}</select></label>"


def _card(card: WipeCard) -> str:
    figures = "\n".join(
        f'<figure data-layer="{escape(layer)}"><img src="{picture.data}" width="{card.width}" height="{card.height}" '
        f'alt="{escape(picture.title)}, {escape(card.title)}"><figcaption>{escape(picture.title)}</figcaption></figure>'
        for layer, picture in card.pictures.items()
    )
    places = json.dumps(card.places)
    return (
        f'<article class="card" data-places="{escape(places)}">\n<h4>{escape(card.title)}</h4>\n'
        f'<p class="note">{escape(card.note)}</p>\n'
        f'<div class="stack" style="aspect-ratio: {card.width} / {card.height}">\n{figures}\n</div>\n'
        f'<label class="controls"><span class="unseen">Wipe {escape(card.title)}</span>'
        f'<input type="range" data-wipe min="0" max="100" value="50"></label>\n</article>'
    )
