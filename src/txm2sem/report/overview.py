"""The picture of a test: rows of TXM, prediction, SEM and absolute error."""

from __future__ import annotations

from collections.abc import Sequence
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from numpy.typing import NDArray

from txm2sem.evaluation import PatchResult
from txm2sem.metrics import psnr, ssim
from txm2sem.runs import write_whole

ROWS = 12
CELL_INCHES = 2.0


def rows_to_show(count: int) -> list[int]:
    """Return the indices of at most a dozen patches, evenly spread over `count`, the first and the last included."""
    return sorted({round(position) for position in np.linspace(0, count - 1, min(count, ROWS))})


def draw_overview(patches: Sequence[PatchResult], title: str, source: str = "TXM", target: str = "SEM") -> Figure:
    """Draw the patches in two blocks of rows, for a screen's shape.

    Grey images span 0 (black) to 255 (white); the colour bar gives the absolute error in grey levels.
    """
    errors = [np.abs(patch.prediction.astype(np.int16) - patch.target.astype(np.int16)) for patch in patches]
    worst = max(1.0, float(np.percentile(np.stack(errors), 99)))
    blocks = 2 if len(patches) > 1 else 1
    rows = -(-len(patches) // blocks)
    figure = Figure(figsize=(blocks * (4 * CELL_INCHES + 1.2), rows * CELL_INCHES + 1.3), layout="constrained")
    figure.suptitle(title, fontsize=14)
    axes = figure.subplots(rows, 4 * blocks, squeeze=False)
    for axis in axes.flat:
        axis.set_axis_off()
    columns = (f"{source} (input)", "prediction", f"{target} (truth)", f"|prediction - {target}|")
    mappable = ScalarMappable(Normalize(0, worst), "magma")
    for number, (patch, error) in enumerate(zip(patches, errors, strict=True)):
        block, row = divmod(number, rows)
        cells = axes[row, 4 * block : 4 * block + 4]
        _draw_row(cells, patch, error, mappable)
        if row == 0:
            for cell, name in zip(cells, columns, strict=True):
                cell.set_title(name, fontsize=11)
    bar = figure.colorbar(mappable, ax=axes, location="bottom", shrink=0.4, aspect=50, pad=0.01, extend="max")
    bar.set_label("absolute error [grey levels of 255]")
    return figure


def _draw_row(cells: Any, patch: PatchResult, error: NDArray[np.int16], mappable: ScalarMappable) -> None:
    for cell, image in zip(cells[:3], (patch.source, patch.prediction, patch.target), strict=True):
        cell.imshow(image, cmap="gray", vmin=0, vmax=255, interpolation="nearest")
    cells[3].imshow(error, cmap=mappable.cmap, norm=mappable.norm, interpolation="nearest")
    scores = f"{psnr(patch.prediction, patch.target):.2f} dB\nSSIM {ssim(patch.prediction, patch.target):.3f}"
    label = f"patch {patch.index:03d}\n{scores}"
    cells[0].text(-0.06, 0.5, label, transform=cells[0].transAxes, ha="right", va="center", fontsize=9)


def save_figure(figure: Figure, path: Path, dpi: int = 100) -> None:
    """Save a figure as PNG, whole or not at all."""

    def write(buffer: BytesIO) -> None:
        FigureCanvasAgg(figure).print_figure(buffer, dpi=dpi, format="png")

    write_whole(path, write)
