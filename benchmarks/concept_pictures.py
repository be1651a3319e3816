"""Make the pictures of docs/concepts.md, each by the part of the program that it is about, on a synthetic shale.

    python benchmarks/concept_pictures.py docs/concepts

Trains nothing; less than a minute on one core.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter
from scipy.special import softmax
from torch import from_numpy

import txm2sem
from txm2sem.data.classes import CLASSES
from txm2sem.figures.colours import colour_classes
from txm2sem.figures.saving import save_figure
from txm2sem.figures.scale import add_scale_bar
from txm2sem.figures.shown import WIDTH
from txm2sem.figures.style import column_figure, style, wrapped
from txm2sem.metrics import finest_period, fourier_ring_correlation
from txm2sem.metrics.probabilities import ClassCalibration, ProbabilityCounts
from txm2sem.metrics.rock import euler_density, quads
from txm2sem.palette import COLOURS, MARKED, TRUTH_COLOUR, colour_of, style_of
from txm2sem.phantoms import Phantom
from txm2sem.phantoms.rock import VOXEL_SIZE_NM
from txm2sem.quantities import Ruler
from txm2sem.tiling import Tiling
from txm2sem.trust.guard import Pair, fit_guard

BLUE, ORANGE, GREY = COLOURS[0], COLOURS[1], "#ffffff"
SIZE, DEPTH = 256, 24
SPECKS = ((4, 8), (6, 55), (12, 3), (55, 57), (58, 6))
"""Rows and columns of wrong pixels beside a ring."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    folder = parser.parse_args().folder
    folder.mkdir(parents=True, exist_ok=True)
    rock = txm2sem.phantom(size=SIZE, depth=DEPTH, seed=0, charging=0)  # its truth is known everywhere
    pictures: dict[str, Callable[[Phantom], Figure]] = {
        "tiles": tiles,
        "kriging": kriging,
        "calibration": calibration,
        "ring_correlation": ring_correlation,
        "euler": euler,
        "contradiction": contradiction,
    }
    for name, draw in pictures.items():
        with style():
            save_figure(draw(rock), folder / f"{name}.png")


def cells(columns: int, rows: int = 1, lines: int = 2, height: float = 0.0) -> tuple[Figure, Any]:
    """Return a figure and its cells, square below lines of words unless they have another height [inches]."""
    figure = column_figure(rows * (height or WIDTH / columns + 0.08 + 0.12 * lines))
    return figure, figure.subplots(rows, columns).ravel()


def show(axes: Axes, image: NDArray[Any], title: str, scale: bool = False, **how: Any) -> None:
    axes.imshow(image, **({"cmap": "gray", "vmin": 0, "vmax": 255, "interpolation": "none"} | how))
    axes.set_title(wrapped(title, 0.85 * WIDTH / axes.get_subplotspec().get_gridspec().ncols))
    axes.set_axis_off()
    axes.set_anchor("S")  # words are above
    if scale:
        add_scale_bar(axes, image.shape, VOXEL_SIZE_NM)


def box(axes: Axes, rows: slice, columns: slice, colour: str, **how: Any) -> None:
    width, height = columns.stop - columns.start, rows.stop - rows.start
    axes.add_patch(Rectangle((columns.start - 0.5, rows.start - 0.5), width, height, fill=False, ec=colour, **how))


def tiles(rock: Phantom) -> Figure:
    """Patches to train on, and the tiles of a plane."""
    figure, (left, right) = cells(2)
    charged = txm2sem.phantom(size=SIZE, depth=DEPTH, seed=0, charging=0.05)
    show(left, charged.sem[8], "patches, drawn at random", scale=True)
    rng, side, drawn = np.random.default_rng(1), 64, {True: 0, False: 0}
    while min(drawn.values()) < 4:
        row, column = rng.integers(0, SIZE - side, 2).tolist()
        place = slice(row, row + side), slice(column, column + side)
        uncharged = ~charged.charge[8][place]
        # As training draws them: more than 95 % uncharged, and more than 75 % uncharged and imaged.
        taken = bool(uncharged.mean() > 0.95 and (uncharged & (charged.sem[8][place] > 0)).mean() > 0.75)
        if drawn[taken] < 4:
            box(left, *place, BLUE if taken else ORANGE, linewidth=1.0, linestyle="-" if taken else ":")
            drawn[taken] += 1
    show(right, rock.txm[8], "tiles, and what one of them sees")
    tiling = Tiling((SIZE, SIZE), (2, 3), halo=24, multiple=4)
    for tile in tiling.tiles:
        box(right, *tile.keep, GREY, linewidth=0.6)
    box(right, *tiling.tiles[1].keep, BLUE, linewidth=1.2)
    box(right, *tiling.tiles[1].read, ORANGE, linewidth=1.2, linestyle="--")
    return figure


def kriging(rock: Phantom) -> Figure:
    """A charged slice, the expectation of what is under the charge, one image that may be, and the truth."""
    middle = slice(SIZE // 8, 7 * SIZE // 8)
    true, txm = (np.clip(stack[8, middle, middle], 0, 255).astype(np.uint8) for stack in (rock.sem, rock.txm))
    charge = np.zeros(true.shape, np.bool_)
    for row, column, high, wide in ((60, 40, 36, 60), (110, 85, 26, 60), (85, 150, 50, 26)):
        rows, columns = np.indices(true.shape)
        charge |= ((rows - row) / high) ** 2 + ((columns - column) / wide) ** 2 < 0.25
    sem = np.where(charge, np.uint8(255), true)
    figure, axes = cells(2, 2)
    show(axes[0], sem, "charged SEM", scale=True)
    show(axes[1], txm2sem.repair(sem, charge, txm), "kriging: the expectation")
    show(axes[2], txm2sem.repair(sem, charge, txm, seed=0), "kriging with texture: one that may be")
    show(axes[3], true, "the truth")
    return figure


def calibration(rock: Phantom) -> Figure:
    """Probabilities that are too sure and lean to one class, before and after calibration."""
    del rock  # numbers, whose truth is known exactly, show it better
    rng = np.random.default_rng(0)
    logits = rng.normal((1.0, -0.5, -1.5), 1.2, (200_000, 3))
    classes = (softmax(logits, axis=1).cumsum(axis=1) < rng.random((len(logits), 1))).sum(axis=1)
    wrong = np.add(2.5 * logits, (0.0, 1.5, 1.0)).astype(np.float32)
    half = len(logits) // 2
    fitted = ClassCalibration.fit(wrong[:half], classes[:half])
    figure, (left, right) = cells(2, height=1.9)
    before, after = colour_of(style_of("raw")), colour_of(style_of("calibrated"))
    left.plot((0, 1), (0, 1), color="black", linewidth=0.6)
    shares: list[list[float]] = []
    for name, colour, scale in (("before", before, ClassCalibration.none(3)), ("after", after, fitted)):
        seen = ProbabilityCounts(3)
        values = scale(from_numpy(wrong[half:].T[None, :, None].copy()))[0, :, 0].numpy()
        seen.add(values, classes[half:])
        found = seen.reliability()
        curve = found.curves[1]
        left.plot(curve.predicted, curve.true, "o-", color=colour, markersize=2.5, label=name)
        shares.append(found.expected_shares)
        truth = found.true_shares
    left.set(xlabel="probability of low density", ylabel="share of pixels that are of it")
    left.legend()
    left.grid()
    for number, (name, colour, values) in enumerate(
        zip(("before", "after", "true"), (before, after, TRUTH_COLOUR), (*shares, truth), strict=True)
    ):
        right.bar(np.arange(3) + 0.27 * (number - 1), 100 * np.array(values), 0.25, color=colour, label=name)
    right.set_xticks(range(3), [name.replace(" ", "\n") for name in CLASSES])
    right.set_ylabel("expected fraction [%]")
    right.legend()
    return figure


def ring_correlation(rock: Phantom) -> Figure:
    """A SEM slice, two images that show it more or less finely, and how they correlate with it by frequency."""
    middle = slice(SIZE // 4, 3 * SIZE // 4)
    sem = rock.sem[8, middle, middle]
    rng, per_length = np.random.default_rng(0), Ruler.frequencies(VOXEL_SIZE_NM)
    figure, axes = cells(2, 2)
    show(axes[0], sem, "SEM", scale=True)
    for cell, blur, colour in zip(axes[1:3], (1.0, 3.0), (BLUE, ORANGE), strict=True):
        # What is as noisy everywhere shows a wave as long as the blur has left more of it than there is noise.
        image = gaussian_filter(sem, blur) + rng.normal(0, 6, sem.shape).astype(np.float32)
        found = fourier_ring_correlation(image, sem)
        period = finest_period(found.frequencies, found.values, 1 / 2)
        show(cell, image, f"blurred by {VOXEL_SIZE_NM * blur:g} nm: resolved to {VOXEL_SIZE_NM * period:.0f} nm")
        cell.set_title(cell.get_title(loc="left"), color=colour)
        axes[3].plot(per_length(found.frequencies), found.values, color=colour)
        axes[3].axvline(per_length(1 / period), color=colour, linewidth=0.6, linestyle=":")
    axes[3].axhline(1 / 2, color="black", linewidth=0.5)
    axes[3].set(xlabel=per_length.label("spatial frequency"), ylabel="correlation with the SEM", ylim=(-0.1, 1))
    axes[3].grid()
    return figure


def euler(rock: Phantom) -> Figure:
    """Shapes and their Euler numbers."""
    del rock  # plain shapes show it better
    rows, columns = np.indices((64, 64))

    def disc(row: float, column: float, radius: float) -> NDArray[np.bool_]:
        return np.hypot(rows - row, columns - column) < radius

    blobs = disc(20, 20, 11) | disc(44, 42, 13)
    shapes = {
        "two objects": blobs,
        "joined": blobs | ((np.abs(rows - columns) < 4) & (rows > 20) & (rows < 44)),
        "a ring": disc(32, 32, 24) & ~disc(32, 32, 12),
        "with two holes": disc(32, 32, 24) & ~disc(32, 22, 6) & ~disc(32, 42, 6),
        "a ring and specks": disc(32, 32, 24) & ~disc(32, 32, 12)
        | np.isin(64 * rows + columns, [64 * row + column for row, column in SPECKS]),
    }
    figure, axes = cells(5)
    for cell, (name, shape) in zip(axes, shapes.items(), strict=True):
        counts = quads(shape, np.ones_like(shape))
        number = round(euler_density(counts) * counts.sum())
        show(cell, colour_classes(shape.astype(np.int64)), f"{name}: {number}", cmap=None)
    return figure


def contradiction(rock: Phantom) -> Figure:
    """Where a painted and a missing grain contradict the TXM."""
    middle = slice(SIZE // 6, SIZE - SIZE // 6)
    txm, sem = (
        np.clip(stack[:, middle, middle], 0, 255).astype(np.float32) / 127.5 - 1 for stack in (rock.txm, rock.sem)
    )
    pairs = [Pair(*each, None) for each in zip(txm, sem, strict=True)]
    guard = fit_guard(pairs[:12], pairs[14:])
    shown = pairs[13]
    claimed = gaussian_filter(shown.sem, 1.0)
    rows, columns = np.indices(claimed.shape)
    brightest = np.unravel_index(gaussian_filter(shown.txm[:120], 4).argmax(), claimed.shape)
    missing = np.hypot(rows - brightest[0], columns - brightest[1]) < 14
    painted = np.hypot(rows - 100, columns - 45) < 7
    claimed[missing], claimed[painted] = np.median(claimed), 0.9
    scores = guard.scores(shown._replace(sem=claimed))
    figure, axes = cells(3, lines=3)
    show(axes[0], shown.txm, "TXM", scale=True, vmin=-1, vmax=1)
    show(axes[1], claimed, "one grain painted, one left out", vmin=-1, vmax=1)
    show(axes[2], scores, "contradiction [standard deviations]", cmap="RdBu_r", vmin=-10, vmax=10)
    for cell in axes[1:]:
        cell.contour(guard.contradicts(scores), levels=[0.5], colors=MARKED, linewidths=0.8)
    return figure


if __name__ == "__main__":
    main()
