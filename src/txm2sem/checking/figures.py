"""The pictures of a check: where the TXM lies beside the SEM, and how fine both are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from numpy.typing import NDArray

from txm2sem.checking.measures import Measures
from txm2sem.checking.pairs import PairMeasures
from txm2sem.checking.resolution import FACTORS, MIN_COHERENCE, Resolution
from txm2sem.checking.sources import Place
from txm2sem.figures.saving import save_figure
from txm2sem.figures.shown import WIDTH
from txm2sem.figures.style import column_figure, styled
from txm2sem.options import FigureKind
from txm2sem.palette import MARKED, colour_of, style_of
from txm2sem.quantities import Ruler, displacement_text
from txm2sem.runs import CheckPaths

PREVIEW_SIDE = 512
"""Rows and columns of a picture at most [pixels]."""

MOST_PICTURES = 24
"""Slices whose displacements are drawn; those that lie furthest beside each other come first."""

TXM_COLOUR, SEM_COLOUR, BOTH_COLOUR = (colour_of(style_of(name)) for name in ("TXM", "SEM", "both"))


@dataclass(frozen=True)
class Preview:
    """A small version of an image: 8 bits, 0 (black) to 255 (white), (h, w), and the shape of the image itself."""

    grey: NDArray[np.uint8]
    shape: tuple[int, int]

    @classmethod
    def of(cls, image: NDArray[Any]) -> Preview:
        """Make an image (H, W) small; the 1st and 99th percentiles of what is not 0 become black and white."""
        step = max(1, -(-max(image.shape) // PREVIEW_SIDE))
        small = image[::step, ::step].astype(np.float32)
        low, high = np.percentile(small[small != 0], (1, 99)) if small.any() else (0.0, 1.0)
        scaled = np.clip((small - low) / max(high - low, 1e-9), 0, 1) * 255
        rows, columns = image.shape
        return cls(np.where(small != 0, scaled, 0).astype(np.uint8), (rows, columns))


Previews = Mapping[Place, Mapping[str, Preview]]
"""Of the images of slices."""


def write_figures(paths: CheckPaths, measures: Measures, previews: Previews, kind: FigureKind) -> dict[str, str]:
    """Draw all pictures and return the name of each with the text that says what it shows.

    Args:
        paths: the report.
        measures: what was measured.
        previews: of the slices whose displacements are drawn, see `most_displaced`.
        kind: the kind of figures that is wanted.
    """
    texts: dict[str, str] = {}
    pairs, size, resolution = measures.pairs, measures.pixel_size, measures.resolution
    for place, preview in previews.items():
        name = f"registration_{place.split}_{place.number:03d}"
        save_figure(draw_registration(preview["txm"], pairs[place], str(place), size), paths.figure(name), kind)
        texts[name] = registration_text(place, pairs[place], size)
    if resolution is not None:
        save_figure(draw_resolution(resolution, list(pairs.values()), size), paths.figure("resolution"), kind)
        texts["resolution"] = (
            f"Power spectra and correlation by frequency: TXM and SEM agree down to periods of "
            f"{displacement_text(resolution.coherent_period, size)}; the TXM meets its noise at "
            f"{displacement_text(resolution.floor_period, size)}"
        )
    return texts


def most_displaced(pairs: Mapping[Place, PairMeasures]) -> list[Place]:
    """Return at most `MOST_PICTURES` slices, in their order, those with the longest displacements."""

    def length(place: Place) -> float:
        whole = pairs[place].whole
        return whole.length if whole is not None and whole.confident else 0.0

    chosen = set(sorted(pairs, key=length, reverse=True)[:MOST_PICTURES])
    return [place for place in pairs if place in chosen]


def registration_text(place: Place, pair: PairMeasures, pixel_size: float | None) -> str:
    """Say in words what the picture of a slice's displacements shows, of pixels of a side [nm]; None: not known."""
    sure = f"{len(pair.confident)} of {len(pair.tiles)} tiles are clear"
    if pair.whole is None or not pair.whole.confident:
        return f"{place}: displacement not clear; {sure}"
    rows, columns = pair.whole.rows, pair.whole.columns
    down, right = (displacement_text(abs(length), pixel_size) for length in (rows, columns))
    return (
        f"{place}: TXM {down} {'down' if rows >= 0 else 'up'} and {right} {'right' if columns >= 0 else 'left'} of the "
        f"SEM; {sure}"
    )


@styled
def draw_registration(preview: Preview, pair: PairMeasures, title: str, pixel_size: float | None) -> Figure:
    """Draw the TXM with an arrow in each tile, from where the SEM has its edges to where the TXM has them, enlarged.

    Tiles whose displacement is not clear have a small cross. Pixels have a side [nm]; None: it is not known.
    """
    rows, columns = preview.shape
    ruler = Ruler.lengths(pixel_size, max(rows, columns))
    unit = ruler.per_pixel
    figure = column_figure(WIDTH * min(rows / columns, 2) + 0.3)
    axes = figure.add_subplot()
    axes.imshow(
        preview.grey,
        cmap="gray",
        vmin=0,
        vmax=255,
        extent=(-0.5 * unit, (columns - 0.5) * unit, (rows - 0.5) * unit, -0.5 * unit),
    )
    tiles = pair.confident
    unclear = [tile for tile in pair.tiles if not tile.shift.confident]
    axes.scatter(
        [unit * tile.column for tile in unclear],
        [unit * tile.row for tile in unclear],
        marker="x",
        s=18,
        color=MARKED,
        linewidths=1.2,
    )
    length = max([tile.shift.length for tile in tiles], default=1.0)
    # The longest arrow spans a tenth of the slice, but arrows of a fraction of a pixel must not look like faults.
    scale = 0.1 * max(columns, rows) / max(length, 2.0)
    # Black below orange is seen on bright and on dark rock.
    for colour, width in (("black", 0.011), (MARKED, 0.006)):
        axes.quiver(
            [unit * tile.column for tile in tiles],
            [unit * tile.row for tile in tiles],
            [unit * scale * tile.shift.columns for tile in tiles],
            [unit * scale * tile.shift.rows for tile in tiles],
            angles="xy",
            scale_units="xy",
            scale=1,
            color=colour,
            width=width,
            minlength=0,
        )
    found = np.array([(tile.shift.rows, tile.shift.columns) for tile in tiles])
    shown = Ruler.lengths(pixel_size, float(np.abs(found).max(initial=0)))
    median = "nothing clear"
    if tiles:
        down, right = shown(np.median(found, axis=0))
        median = f"median ({down:+.1f}, {right:+.1f}) {shown.unit}"
    axes.set_title(f"{title}: {median}\n{len(tiles)} of {len(pair.tiles)} tiles clear; arrows × {scale:.0f}")
    axes.set_xlabel(ruler.label("x"))
    axes.set_ylabel(ruler.label("y"))
    # Where only a part of the slice was imaged, the rest is left out.
    imaged = np.nonzero(preview.grey)
    if imaged[0].size:
        step = (unit * rows / preview.grey.shape[0], unit * columns / preview.grey.shape[1])
        axes.set_ylim(step[0] * (imaged[0].max() + 1) - unit / 2, step[0] * imaged[0].min() - unit / 2)
        axes.set_xlim(step[1] * imaged[1].min() - unit / 2, step[1] * (imaged[1].max() + 1) - unit / 2)
    return figure


@styled
def draw_resolution(measured: Resolution, pairs: Sequence[PairMeasures], pixel_size: float | None) -> Figure:
    """Draw the power spectra and the correlation of TXM and SEM by frequency, with what downsampling keeps.

    Thin lines are single slices. Pixels have a side [nm]; None: it is not known.
    """
    ruler, area = Ruler.frequencies(pixel_size), Ruler.areas(pixel_size)
    figure = column_figure(3.8)
    power, common = figure.subplots(2, 1, sharex=True)
    frequencies = ruler(measured.txm_power.frequencies)
    for pair in pairs:
        for single, colour in ((pair.txm_power, TXM_COLOUR), (pair.sem_power, SEM_COLOUR)):
            if single is not None:
                power.semilogy(ruler(single.frequencies), area(single.values), color=colour, linewidth=0.5, alpha=0.5)
    power.semilogy(frequencies, area(measured.txm_power.values), color=TXM_COLOUR, label="TXM")
    power.semilogy(frequencies, area(measured.sem_power.values), color=SEM_COLOUR, label="SEM")
    power.plot(
        ruler(1 / measured.floor_period),
        np.interp(ruler(1 / measured.floor_period), frequencies, area(measured.txm_power.values)),
        "o",
        color=TXM_COLOUR,
        markeredgecolor="black",
        label="TXM meets its noise",
    )
    power.set_title("power spectrum")
    power.set_ylabel(f"power [grey values² · {area.unit}]")
    common.plot(frequencies, measured.coherence.values, color=BOTH_COLOUR, label="correlation of TXM and SEM")
    common.axhline(MIN_COHERENCE, color="black", linestyle=":", label="1/7: agree no more")
    common.set_ylim(min(-0.1, float(measured.coherence.values.min())), 1)
    common.set_title("Fourier ring correlation")
    for axes in (power, common):
        _mark_factors(axes, {factor: ruler(1 / (2 * factor)) for factor in FACTORS if factor > 1})
        axes.set_xlim(0, ruler(0.5))
        axes.grid()
    common.set_xlabel(ruler.label("frequency"))
    for axes, below in ((power, -0.06), (common, -0.2)):
        axes.legend(loc="upper center", bbox_to_anchor=(0.5, below), ncols=3)
    return figure


def _mark_factors(axes: Axes, factors: Mapping[int, float]) -> None:
    for factor, kept in factors.items():
        axes.axvline(kept, color="black", linewidth=0.8, linestyle="--")
        axes.annotate(
            f"÷ {factor}",
            (kept, 1.0),
            xycoords=("data", "axes fraction"),
            xytext=(2, -3),
            textcoords="offset points",
            va="top",
        )
