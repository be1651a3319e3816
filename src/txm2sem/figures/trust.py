"""The picture of where not to believe a prediction: beside it, its error, standard deviation and contradictions."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from txm2sem.figures.overview import BAR_INCHES, OverviewRow, add_colour_bar, draw_rows, in_colours
from txm2sem.figures.style import styled
from txm2sem.trust.guard import Guard

COLUMNS = ("TXM (input)", "prediction", "SEM (truth)", "absolute\nerror", "standard\ndeviation", "contra-\ndiction")

SHOWN_THRESHOLDS = 2
"""The colours of contradictions span so many times the threshold."""


@dataclass(frozen=True)
class TrustRow:
    """One image of the picture, (H, W) each.

    Attributes:
        index: its number.
        txm, prediction, sem: 8-bit images.
        spread: calibrated standard deviation [grey levels].
        contradiction: scores of the guard.
        usable: pixels that are uncharged and imaged.
        is_novel: whether it is unlike training.
    """

    index: int
    txm: NDArray[np.uint8]
    prediction: NDArray[np.uint8]
    sem: NDArray[np.uint8]
    spread: NDArray[np.float32]
    contradiction: NDArray[np.float32]
    usable: NDArray[np.bool_]
    is_novel: bool

    @property
    def error(self) -> NDArray[np.int16]:
        """Absolute error of the prediction [grey levels]."""
        return np.abs(self.prediction.astype(np.int16) - self.sem.astype(np.int16))


@styled
def draw_trust(rows: Sequence[TrustRow], guard: Guard, title: str, pixel_size: float | None) -> Figure:
    """Draw images, from the smallest error to the largest; their pixels have a side [nm], None: it is not known."""
    largest = np.concatenate([np.percentile(row.error[row.usable], [99]) for row in rows if row.usable.any()])
    levels = ScalarMappable(Normalize(0, max(1.0, float(largest.max(initial=1.0)))), "magma")
    reach = SHOWN_THRESHOLDS * guard.threshold
    scores = ScalarMappable(Normalize(-reach, reach), "PuOr")
    shown = []
    for row in rows:
        shares = np.abs(row.contradiction)[row.usable] >= guard.threshold
        label = (
            f"image {row.index:03d}\nerror {row.error[row.usable].mean():.1f}\ncontradicts\n{100 * shares.mean():.1f} %"
            if row.usable.any()
            else f"image {row.index:03d}"
        ) + ("\nunlike training" if row.is_novel else "")
        imaged = (row.txm != 0) | (row.sem != 0)
        maps = ((row.error, levels), (row.spread, levels), (row.contradiction, scores))
        coloured = (in_colours(values, colours, imaged) for values, colours in maps)
        pictures = (row.txm, row.prediction, row.sem, *coloured)
        shown.append(OverviewRow(label, pictures, (row.txm, row.sem)))
    figure = draw_rows(
        shown, COLUMNS, f"{title}: from the smallest mean error to the largest", pixel_size, 2 * BAR_INCHES + 0.25
    )
    add_colour_bar(figure, levels, "absolute error, standard deviation [grey levels of 255]")
    bar = add_colour_bar(
        figure,
        scores,
        "contradiction [standard deviations of what the true SEM leaves]: the TXM is darker (-) or brighter (+) than "
        f"the prediction would give; flagged beyond ±{guard.threshold:.1f}",
        "both",
    )
    bar.ax.axvline(-guard.threshold, color="black")
    bar.ax.axvline(guard.threshold, color="black")
    return figure
