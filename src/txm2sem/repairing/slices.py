"""Repair a folder of slices and show them before and after."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from txm2sem.figures.overview import rows_to_show, save_figure, thinned
from txm2sem.options import RepairCommand
from txm2sem.progress import progress_bar
from txm2sem.repairing import FolderRepair, RepairedSlice

SHOWN = 6

BRIGHT_FRINGE = 0.2
"""How bright the edges of repaired regions may be, see `RepairedSlice.fringe`."""


@dataclass(frozen=True)
class RepairReport:
    """What a repair did and where it lies.

    Attributes:
        lines: for the console.
        picture: slices before and after.
    """

    lines: list[str]
    picture: Path


def repair_slices(command: RepairCommand, folder: Path, out: Path) -> RepairReport:
    """Repair the SEM slices of a folder, write them into `out`, and draw some of them in `out/before_after.png`.

    Raises:
        UserError: model, slices and masks do not fit each other, `out` is not empty, or what there is of it belongs to
            another repair; found before anything is written. Or a file cannot be read or written: what was done stays,
            and the same call goes on there.
    """
    repair = FolderRepair(command, folder, out)
    picture, before = "before_after.png", repair.done
    with repair.draft.begin(repair.identity) as stage:
        if stage == "whole":
            return RepairReport([f"{len(repair)} slices, which were whole already"], out / picture)
        shares, fringes, shown, bars = [], [], [], []
        rows = rows_to_show(len(repair))
        wanted = set(rows[:: max(1, -(-len(rows) // SHOWN))])
        for index, repaired in enumerate(progress_bar(repair.run(), total=len(repair), desc="repairing", unit="slice")):
            shares.append(float(repaired.mask.mean()))
            fringes.append(repaired.fringe)
            bars += [repaired.bar] if repaired.bar is not None else []
            if index in wanted:
                shown.append(_thinned(repaired))
        title = f"{folder}, repaired by {command.run.name or 'kriging'}"
        save_figure(draw_before_after(shown, title), repair.result / picture)
        repair.draft.finish(repair.result)
    untouched = sum(share == 0 for share in shares)
    lines = [f"{len(repair)} slices, {np.mean(shares):.2%} of their pixels repaired, at most {max(shares):.2%} of one"]
    if before:
        lines.append(f"{before} of them were repaired before")
    if untouched:
        lines.append(f"{untouched} of them have no charged region and are copied")
    if repair.saturation is not None:
        options = command.repair
        lines.append(
            f"charged: {options.min_area} or more connected pixels of at least {repair.saturation:g}, and "
            f"{repair.dilation} pixels around them; masks in {out / 'charge'}"
        )
    if bars:
        lines.append(f"note: {max(bars, key=bars.count)} of {len(bars)} slices are a data bar, and left as they are")
    if max(fringes) > BRIGHT_FRINGE:
        lines.append(
            f"note: next to the repaired regions the slices are up to {max(fringes):.0%} on the way from intact to "
            "charged, so that their edges are charged, too, and what is filled in is too bright; pass a larger "
            f"--dilation, such as {repair.dilation + 3}"
        )
    return RepairReport(lines, out / picture)


def draw_before_after(slices: list[RepairedSlice], title: str) -> Figure:
    """Draw a row for each slice: before, the repaired pixels marked, after; black to white as before."""
    rows, columns = slices[0].before.shape
    height = 4.0 * rows / columns
    figure = Figure(figsize=(12.6, len(slices) * height + 0.6), layout="constrained")
    figure.suptitle(title, fontsize=13)
    axes = figure.subplots(len(slices), 3, squeeze=False)
    for cells, item in zip(axes, slices, strict=True):
        low, high = _limits(item.before, item.mask)
        for cell, image, heading in zip(
            cells, (item.before, item.before, item.after), ("before", "repaired pixels", "after"), strict=True
        ):
            cell.imshow(image, cmap="gray", vmin=low, vmax=high, interpolation="nearest")
            named = f"{heading} ({item.name})" if heading == "before" else heading
            cell.set_title(named, fontsize=10)
            cell.set_axis_off()
        marked = np.zeros((*item.mask.shape, 4), np.float32)
        marked[item.mask] = (1, 0.25, 0.1, 0.75)
        cells[1].imshow(marked, interpolation="nearest")
    return figure


def _limits(image: NDArray[np.generic], mask: NDArray[np.bool_]) -> tuple[float, float]:
    intact = image[~mask & (image != 0)]
    low, high = np.percentile(intact, (0.5, 99.5)) if intact.size else (0, 1)
    return float(low), float(high)


def _thinned(item: RepairedSlice) -> RepairedSlice:
    return RepairedSlice(item.name, thinned(item.before), thinned(item.after), thinned(item.mask))
