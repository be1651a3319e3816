"""The worst, the middle and the best patches of a test, to be wiped."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.figures.of_pages import Illustrated
from txm2sem.figures.overview import OverviewRow, draw_rows
from txm2sem.figures.shown import ROWS, imaged_box
from txm2sem.pages import Card, Html, Scale, fragment
from txm2sem.reporting.images import Pixels, check_same_shape, encoding_of, read_image
from txm2sem.reporting.layouts import ORDERS, Layout, Overlay, ShownScores, layout_of, overlays_of, scores_of
from txm2sem.reporting.record import RunRecord

EACH = 4
"""Patches of each group."""

DRAWN_EACH = ROWS // 3
"""Of them in a figure."""

GROUPS = {"worst": "The worst", "middle": "In the middle", "best": "The best"}


def patches_html(record: RunRecord) -> Html | Illustrated:
    """Return the images of the latest test for a page; nothing where it has left none.

    Raises:
        UserError: an image cannot be read.
    """
    tested = record.tested
    layout = layout_of(record)
    if tested is None or layout is None:
        return Html()
    suffix = tested.suffix
    folders = {layer: f"{layer}{suffix}" for layer in layout.layers}
    path_of = {
        layer: (lambda index, folder=folder: record.file(record.paths.image(folder, index)))
        for layer, folder in folders.items()
    }
    overlays = overlays_of(record, layout)
    scores = scores_of(record, layout)
    flagged = record.trust.get("novelty", {}).get("flagged", [])
    notes = {index: ["unlike the training images"] for index in flagged}
    what = "slices" if suffix else "patches"
    return gallery_html(layout, path_of, overlays, scores, notes, what, tested.pixel_size)


def gallery_html(
    layout: Layout,
    path_of: Mapping[str, Callable[[int], Path]],
    overlays: Mapping[str, Overlay],
    scores: ShownScores,
    notes: Mapping[int, Sequence[str]],
    what: str,
    pixel_size: float | None,
) -> Illustrated:
    """Return the gallery of chosen patches, and a figure of the first ones of each group.

    Args:
        layout: of the images.
        path_of: the file of each layer by patch.
        overlays: maps, by layer.
        scores: values of all patches, (N,), by order; the first one is shown first.
        notes: words about patches.
        what: patches or slices.
        pixel_size: side of a pixel [nm]; None: not known.
    """
    places = places_of(scores)
    chosen = sorted(places)
    images = {index: _images({layer: path(index) for layer, path in path_of.items()}) for index in chosen}
    encode, note = encoding_of(list(images.values()))
    maps = {
        name: {index: values for index in chosen if (values := overlay.values(index)) is not None}
        for name, overlay in overlays.items()
    }
    tops = _tops(overlays, maps)
    cards = []
    for index in chosen:
        box = imaged_box(images[index].values())
        pictures = {layer: (layout.layers[layer], encode(pixels[box])) for layer, pixels in images[index].items()}
        for name, found in maps.items():
            if index in found:
                overlay = overlays[name]
                pictures[name] = (overlay.title, overlay.colours.png(found[index][box], 0, tops[overlay.kind]))
        height, width = images[index][layout.target][box].shape[:2]
        words = [f"{order_name(order)} {_short(values[index])}" for order, values in scores.items()]
        card_note = " · ".join([*words, *notes.get(index, ())])
        cards.append(
            Card(_title(what, index).capitalize(), card_note, pictures, height, width, places[index], pixel_size)
        )
    kinds = {overlay.kind: overlay for overlay in overlays.values()}
    scales = [Scale(kind, kinds[kind].colours, "0", f"{top:.3g} {kinds[kind].unit}") for kind, top in tops.items()]
    used = {group for place in places.values() for group, _ in place.values()}
    first = next(iter(scores))
    placed = sorted((card for card in cards if first in card.places), key=lambda card: card.places[first][1])
    html = fragment(
        "gallery.html",
        "gallery",
        about=f"{len(chosen)} of {len(scores[first])} {what}, by their scores. {note}",
        sides=layout.layers,
        shown=(layout.prediction, layout.target),
        maps={name: overlays[name].title for name, found in maps.items() if found},
        scales=scales,
        key=layout.key,
        groups=[
            (group, heading, [card for card in placed if card.places[first][0] == group])
            for group, heading in GROUPS.items()
            if group in used
        ],
        rest=[card for card in cards if first not in card.places],
        orders={order: order_name(order) for order in scores},
    )
    rows = []
    for group, heading in GROUPS.items():
        for index in _first_of(group, places, first):
            layers = [images[index][layer] for layer in layout.layers]
            grey = [image for image in layers if image.ndim == 2]
            rows.append(OverviewRow(f"{heading}:\n{_title(what, index)}", layers, grey))
    draw = partial(draw_rows, rows, list(layout.layers.values()), pixel_size=pixel_size)
    return Illustrated(html, {"images": draw} if rows else {})


def _first_of(group: str, places: Mapping[int, Mapping[str, tuple[str, int]]], order: str) -> list[int]:
    """Return the first patches of a group in an order."""
    members = {index: place[order][1] for index, place in places.items() if place.get(order, ("", 0))[0] == group}
    return sorted(members, key=lambda index: members[index])[:DRAWN_EACH]


def places_of(scores: ShownScores) -> dict[int, dict[str, tuple[str, int]]]:
    """Return the patches to show, each with the group and the place that it has in each order."""
    places: dict[int, dict[str, tuple[str, int]]] = {}
    for order, values in scores.items():
        ranked = [int(index) for index in np.argsort(values, kind="stable") if not math.isnan(values[index])]
        each = min(EACH, max(1, len(ranked) // 3))
        start = max(each, (len(ranked) - each) // 2)
        best = ranked[::-1][: min(each, len(ranked) - each)]
        middle = [index for index in ranked[start : start + each] if index not in best]
        for group, members in (("worst", ranked[:each]), ("middle", middle), ("best", best)):
            for place, index in enumerate(members):
                places.setdefault(index, {})[order] = (group, place)
    return places


def _title(what: str, index: int) -> str:
    """Return what one of the patches, or slices, is called."""
    return f"{what.removesuffix('es').removesuffix('s')} {index:03d}"


def order_name(order: str) -> str:
    """Return what an order is called."""
    return ORDERS.get(order, order)


def _images(paths: Mapping[str, Path]) -> dict[str, Pixels]:
    """Return the layers of a patch, of one shape."""
    found = {path: read_image(path) for path in paths.values()}
    check_same_shape(found)
    return {layer: found[path] for layer, path in paths.items()}


def _tops(overlays: Mapping[str, Overlay], maps: Mapping[str, Mapping[int, NDArray[Any]]]) -> dict[str, float]:
    """Return the upper end of the scale of each kind of map that there is."""
    found: dict[str, list[NDArray[Any]]] = {}
    for name, overlay in overlays.items():
        found.setdefault(overlay.kind, []).extend(values.ravel() for values in maps[name].values())
    least = {overlay.kind: overlay.least for overlay in overlays.values()}
    return {
        kind: max(least[kind], float(np.nanpercentile(np.concatenate(values), 99)))
        for kind, values in found.items()
        if values
    }


def _short(value: float) -> str:
    return f"{value:.2f}" if abs(value) >= 10 else f"{value:.3f}"
