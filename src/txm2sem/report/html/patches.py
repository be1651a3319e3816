"""The worst, the middle and the best patches of a test, with what can be laid over them."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tifffile
from numpy.typing import NDArray
from PIL import Image

from txm2sem.data.segmentation import CLASSES, IGNORED
from txm2sem.errors import UserError
from txm2sem.metrics import confusion_matrix, dice, mean_present, psnr
from txm2sem.pages import COLOUR_MAPS, ColourMap, Picture, WipeCard, gallery, jpeg, png, scale
from txm2sem.report.html.record import RunRecord

EACH = 4
"""Patches of each group."""

GROUPS = {"worst": "The worst", "middle": "In the middle", "best": "The best"}

LOSSLESS_PIXELS = 6_000_000
"""A page with more pixels than this has JPEGs, which take a third of the room."""

MOST_PIXELS = 24_000_000
"""Images are averaged over squares until a page has no more pixels than this."""

ORDERS = {"psnr_all": "PSNR", "ssim_all": "SSIM"}
"""Columns of `scores.csv` by which patches can be ordered."""

Pixels = NDArray[np.uint8]
Scores = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Layout:
    """Which images a kind of test leaves.

    Attributes:
        layers: folder and title of each, in the order in which they stand side by side.
        source, prediction, target: three of the layers.
    """

    layers: Mapping[str, str]
    source: str
    prediction: str
    target: str


@dataclass(frozen=True)
class Overlay:
    """A map that is laid over the images. Those of one kind share their scale.

    Attributes:
        title: of the map.
        kind: what it is.
        values: returns the map of a patch, (H, W); None: it has none.
        colours: from 0 to the 99th percentile of all maps of its kind.
        unit: of the values.
        least: the upper end of the scale is this or more.
    """

    title: str
    kind: str
    values: Callable[[int], NDArray[Any] | None]
    colours: ColourMap
    unit: str
    least: float = 1.0


def patches_html(record: RunRecord) -> str:
    """Return the images of the latest test for a page; nothing where it has left none.

    Raises:
        UserError: an image cannot be read.
    """
    tested = record.tested
    layout = layout_of(record)
    if tested is None or layout is None:
        return ""
    suffix = tested.suffix
    folders = {layer: f"{layer}{suffix}" for layer in layout.layers}
    path_of = {
        layer: (lambda index, folder=folder: record.paths.image(folder, index)) for layer, folder in folders.items()
    }
    overlays = overlays_of(record, layout)
    scores = scores_of(record, layout)
    flagged = set(record.trust.get("novelty", {}).get("flagged", []) or [])
    notes = {index: ["unlike the training images"] for index in flagged}
    what = "slices" if suffix else "patches"
    return gallery_html(layout, path_of, overlays, scores, notes, what)


def gallery_html(
    layout: Layout,
    path_of: Mapping[str, Callable[[int], Path]],
    overlays: Mapping[str, Overlay],
    scores: Scores,
    notes: Mapping[int, Sequence[str]],
    what: str,
) -> str:
    """Return the gallery of chosen patches.

    Args:
        layout: of the images.
        path_of: the file of each layer by patch.
        overlays: maps, by layer.
        scores: values of all patches, (N,), by order; the first one is shown first.
        notes: words about patches.
        what: patches or slices.
    """
    places = places_of(scores)
    chosen = sorted(places)
    images = {index: {layer: read_image(path(index)) for layer, path in path_of.items()} for index in chosen}
    encode, note = encoding_of(list(images.values()))
    maps = {
        name: {index: values for index in chosen if (values := overlay.values(index)) is not None}
        for name, overlay in overlays.items()
    }
    tops = _tops(overlays, maps)
    cards = []
    for index in chosen:
        pictures = {layer: Picture(layout.layers[layer], encode(pixels)) for layer, pixels in images[index].items()}
        for name, found in maps.items():
            if index in found:
                overlay = overlays[name]
                data = overlay.colours.png(found[index], 0, tops[overlay.kind])
                pictures[name] = Picture(overlay.title, data)
        height, width = images[index][layout.target].shape[:2]
        words = [f"{order_name(order)} {_short(values[index])}" for order, values in scores.items()]
        title = f"{what.removesuffix('es').removesuffix('s')} {index:03d}".capitalize()
        card_note = " · ".join([*words, *notes.get(index, ())])
        cards.append(WipeCard(title, card_note, pictures, height, width, places[index]))
    kinds = {overlay.kind: overlay for overlay in overlays.values()}
    scales = "".join(
        scale(kinds[kind].colours, "0", f"{top:.3g} {kinds[kind].unit}", kind) for kind, top in tops.items()
    )
    used = {group for place in places.values() for group, _ in place.values()}
    body = gallery(
        cards,
        layout.layers,
        (layout.prediction, layout.target),
        {name: overlays[name].title for name, found in maps.items() if found},
        scales,
        {group: heading for group, heading in GROUPS.items() if group in used},
        {order: order_name(order) for order in scores},
    )
    count = len(next(iter(scores.values())))
    about = f"{len(chosen)} of {count} {what}, by their scores. {note}"
    hint = "Move a slider, or point into a picture, to wipe from the left to the right one."
    return f'<p class="note">{about} <span class="controls">{hint}</span></p>\n{body}'


def places_of(scores: Scores) -> dict[int, dict[str, tuple[str, int]]]:
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


def layout_of(record: RunRecord) -> Layout | None:
    """Return which images the latest test has left; None: none."""
    if record.tested is None:
        return None
    suffix = record.tested.suffix
    there = {path.parent.name for path in record.paths.results.glob(f"*{suffix}/*000.png")}

    def layout(titles: Mapping[str, str], source: str, prediction: str, target: str) -> Layout | None:
        found = {layer: title for layer, title in titles.items() if f"{layer}{suffix}" in there}
        return Layout(found, source, prediction, target) if {source, prediction, target} <= set(found) else None

    if record.model == "segmentation":
        source = next((name for name in ("sem", "txm", "sem_fake") if name in there), "sem")
        titles = {"sem": "SEM", "txm": "TXM", "sem_fake": "predicted SEM"}
        titles = {source: titles[source], "labels_fake": "predicted classes", "labels": "true classes"}
        return layout(titles, source, "labels_fake", "labels")
    if record.model == "repair":
        titles = {"txm": "TXM", "charged": "charged", "sem_fake": "repaired", "sem": "SEM"}
        return layout(titles, "charged", "sem_fake", "sem")
    forth = layout({"txm": "TXM", "sem_fake": "prediction", "sem": "SEM"}, "txm", "sem_fake", "sem")
    return forth or layout({"sem": "SEM", "txm_fake": "prediction", "txm": "TXM"}, "sem", "txm_fake", "txm")


def scores_of(record: RunRecord, layout: Layout) -> Scores:
    """Return the scores of all patches, (N,), by which they are ordered: those of the scorecard, where there is one.

    Raises:
        UserError: an image cannot be read.
    """
    tested = record.tested
    assert tested is not None
    known = {column: tested.values(tested.model_kind, column) for column in ORDERS}
    if all(len(values) == tested.count for values in known.values()):
        return known
    name = {"segmentation": "mean Dice", "repair": "PSNR inside"}.get(record.model, "PSNR")
    return {name: np.array([_score(record, layout, index) for index in range(tested.count)])}


def overlays_of(record: RunRecord, layout: Layout) -> dict[str, Overlay]:
    """Return the maps of a test: the absolute error, and those of trust where they are there."""
    suffix = record.tested.suffix if record.tested else ""

    def error(index: int) -> NDArray[Any]:
        one, other = (
            read_image(record.paths.image(f"{layer}{suffix}", index)) for layer in (layout.prediction, layout.target)
        )
        return np.abs(one.astype(np.int16) - other.astype(np.int16))

    def trust(name: str) -> Callable[[int], NDArray[Any] | None]:
        def values(index: int) -> NDArray[Any] | None:
            path = record.paths.trust_map(name, index)
            return np.asarray(tifffile.imread(path)) if path.exists() else None

        return values

    overlays = {}
    if record.model != "segmentation":
        overlays["error"] = Overlay("absolute error", "absolute error", error, COLOUR_MAPS["inferno"], "grey levels")
    overlays["uncertainty"] = Overlay(
        "uncertainty", "uncertainty", trust("uncertainty"), COLOUR_MAPS["viridis"], "grey levels"
    )
    threshold = float(record.trust.get("guard", {}).get("threshold", None) or 1.0)
    overlays["contradiction"] = Overlay(
        "contradiction", "contradiction", trust("contradiction"), COLOUR_MAPS["cividis"], "σ", threshold
    )
    return overlays


def encoding_of(patches: Sequence[Mapping[str, Pixels]]) -> tuple[Callable[[Pixels], str], str]:
    """Return how images are put into the page, small enough for all of them, and the words that say so."""
    pixels = sum(image.shape[0] * image.shape[1] for images in patches for image in images.values())
    if pixels <= LOSSLESS_PIXELS:
        return png, "Every pixel is as the test has left it."
    factor = math.ceil(math.sqrt(pixels / MOST_PIXELS))

    def encode(image: Pixels) -> str:
        small = reduced(image, factor) if image.ndim == 2 else image[::factor, ::factor]
        return jpeg(small) if image.ndim == 2 else png(np.ascontiguousarray(small))

    thinned = f", means of {factor} × {factor} pixels" if factor > 1 else ""
    return encode, f"Images are JPEGs here{thinned}; the test's own are in the results."


def reduced(image: NDArray[Any], factor: int) -> NDArray[Any]:
    """Return the means of factor × factor pixels of an image (H, W), whole squares only, in its type."""
    if factor == 1:
        return image
    height, width = (side // factor for side in image.shape)
    squares = image[: height * factor, : width * factor].reshape(height, factor, width, factor)
    means = squares.mean(axis=(1, 3))
    small: NDArray[Any] = (np.rint(means) if image.dtype.kind == "u" else means).astype(image.dtype)
    return small


def read_image(path: Path) -> Pixels:
    """Return an image of the results: grey (H, W), or classes in their colours (H, W, 3).

    Raises:
        UserError: it cannot be read.
    """
    try:
        with Image.open(path) as image:
            return np.asarray(image.convert("RGB") if image.mode == "P" else image)
    except OSError as error:
        raise UserError(f"cannot read {path} ({error}); test again") from error


def order_name(order: str) -> str:
    """Return what an order is called."""
    return ORDERS.get(order, order)


def _score(record: RunRecord, layout: Layout, index: int) -> float:
    paths = {layer: record.paths.image(layer, index) for layer in (layout.prediction, layout.target)}
    if record.model == "segmentation":
        one, other = (np.asarray(Image.open(path)).astype(np.int64) for path in paths.values())
        return float(mean_present(dice(confusion_matrix(one, other, len(CLASSES), ignored=IGNORED))))
    prediction, target = (read_image(path) for path in paths.values())
    mask = record.paths.image("mask", index)
    return psnr(prediction, target, read_image(mask) > 0 if mask.exists() else None)


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
