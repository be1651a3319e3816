"""Which images each kind of test leaves, how they are scored, and the maps that can be laid over them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.classes import CLASS_COLOURS, CLASSES, IGNORED, IGNORED_COLOUR
from txm2sem.data.stacks import TiffSlices
from txm2sem.metrics import confusion_matrix, dice, mean_present, psnr
from txm2sem.pages import COLOUR_MAPS, ColourMap
from txm2sem.reporting.images import check_same_shape, read_classes, read_image
from txm2sem.reporting.record import RunRecord

ORDERS = {"psnr_all": "PSNR", "ssim_all": "SSIM"}
"""Measures of single images by which patches can be ordered."""

CLASS_KEY = {**dict(zip(CLASSES, CLASS_COLOURS, strict=True)), "not counted": IGNORED_COLOUR}

ShownScores = Mapping[str, NDArray[np.float64]]


@dataclass(frozen=True)
class Layout:
    """Which images a kind of test leaves.

    Attributes:
        layers: folder and title of each, in the order in which they stand side by side.
        source, prediction, target: three of the layers.
        key: what has which colour, (red, green, blue) of 0 to 255; empty for grey images.
    """

    layers: Mapping[str, str]
    source: str
    prediction: str
    target: str
    key: Mapping[str, tuple[int, int, int]] = field(default_factory=dict)


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
        found = layout(titles, source, "labels_fake", "labels")
        return None if found is None else replace(found, key=CLASS_KEY)
    if record.model == "repair":
        titles = {"txm": "TXM", "charged": "charged", "sem_fake": "repaired", "sem": "SEM"}
        return layout(titles, "charged", "sem_fake", "sem")
    forth = layout({"txm": "TXM", "sem_fake": "prediction", "sem": "SEM"}, "txm", "sem_fake", "sem")
    return forth or layout({"sem": "SEM", "txm_fake": "prediction", "txm": "TXM"}, "sem", "txm_fake", "txm")


def scores_of(record: RunRecord, layout: Layout) -> ShownScores:
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
        one, other = _images(record, (layout.prediction, layout.target), index, read_image)
        return np.abs(one.astype(np.int16) - other.astype(np.int16))

    def trust(name: str) -> Callable[[int], NDArray[Any] | None]:
        def values(index: int) -> NDArray[Any] | None:
            path = record.paths.numbers(f"{name}{suffix}", index)
            if not path.exists():
                return None
            # A contradiction has a sign: the TXM is darker or brighter than the prediction would give.
            size: NDArray[Any] = np.abs(TiffSlices({0: record.file(path)}).read(0, slice(None), slice(None)))
            return size

        return values

    overlays = {}
    if record.model != "segmentation":
        overlays["error"] = Overlay("absolute error", "absolute error", error, COLOUR_MAPS["inferno"], "grey levels")
    overlays["uncertainty"] = Overlay(
        "uncertainty", "uncertainty", trust("uncertainty"), COLOUR_MAPS["viridis"], "grey levels"
    )
    threshold = record.trust.get("guard", {}).get("threshold") or 1.0
    overlays["contradiction"] = Overlay(
        "size of the contradiction", "contradiction", trust("contradiction"), COLOUR_MAPS["cividis"], "σ", threshold
    )
    return overlays


def _score(record: RunRecord, layout: Layout, index: int) -> float:
    layers = (layout.prediction, layout.target)
    if record.model == "segmentation":
        one, other = _images(record, layers, index, read_classes)
        return float(mean_present(dice(confusion_matrix(one, other, len(CLASSES), ignored=IGNORED))))
    if record.model == "repair":
        prediction, target, mask = _images(record, (*layers, "mask"), index, read_image)
        return psnr(prediction, target, mask > 0)
    prediction, target = _images(record, layers, index, read_image)
    return psnr(prediction, target)


def _images(
    record: RunRecord, layers: Sequence[str], index: int, read: Callable[[Path], NDArray[Any]]
) -> list[NDArray[Any]]:
    """Return images of a patch, of one shape (H, W)."""
    suffix = record.tested.suffix if record.tested else ""
    paths = [record.paths.image(f"{layer}{suffix}", index) for layer in layers]
    found = {path: read(record.file(path)) for path in paths}
    check_same_shape(found)
    return list(found.values())
