"""Repair a folder of slices and show them before and after."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from txm2sem.data.images import open_image
from txm2sem.options import RepairCommand
from txm2sem.progress import progress_bar
from txm2sem.repairing import FolderRepair
from txm2sem.verdicts import Concern, Verdict

SHOWN = 6

BRIGHT_FRINGE = 0.2
"""How bright the edges of repaired regions may be, see `RepairedSlice.fringe`."""


MUCH_FILLED = 0.2
"""Share of a slice that is filled in from which on it is spoken of."""

WORTH = (
    "What is filled in looks like its surroundings, and is made up: look at it, and leave it out of trainings and "
    "measures, with the masks of charge."
)


@dataclass(frozen=True)
class RepairReport:
    """What a repair did and where it lies.

    Attributes:
        lines: for the console.
        verdict: what the slices are good for.
        picture: slices before and after.
    """

    lines: list[str]
    verdict: Verdict
    picture: Path


def repair_slices(command: RepairCommand, folder: Path, out: Path) -> RepairReport:
    """Repair the SEM slices of a folder, write them into `out`, and draw some of them in `out/before_after.png`.

    Raises:
        UserError: model, slices and masks do not fit each other, `out` is not empty, or what there is of it belongs to
            another repair; found before anything is written. Or a file cannot be read or written: what was done stays,
            and the same call goes on there.
    """
    repair = FolderRepair(command, folder, out)
    # Only now, when there is something to repair: it takes time to import.
    from txm2sem.figures.saving import save_figure
    from txm2sem.figures.shown import rows_to_show, step_of
    from txm2sem.repairing.picture import draw_before_after, thinned_slice

    picture, before = "before_after.png", repair.done
    with repair.draft.begin(repair.identity) as stage:
        if stage == "whole":
            return RepairReport([f"{len(repair)} slices, which were whole already"], Verdict(WORTH), out / picture)
        shares, fringes, shown, bars = [], [], [], []
        rows = rows_to_show(len(repair))
        wanted = set(rows[:: max(1, -(-len(rows) // SHOWN))])
        for index, repaired in enumerate(progress_bar(repair.run(), total=len(repair), desc="repairing", unit="slice")):
            shares.append(float(repaired.mask.mean()))
            fringes.append(repaired.fringe)
            bars += [repaired.bar] if repaired.bar is not None else []
            if index in wanted:
                shown.append(thinned_slice(repaired))
        title = f"{folder}, repaired by {command.run.name or 'kriging'}"
        side = open_image(repair.sem.paths[0]).pixel_size.side
        pixel_size = None if side is None else side * step_of(repair.sem.shape)
        save_figure(draw_before_after(shown, title, pixel_size), repair.result / picture, command.figure.figures)
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
    concerns = []
    if max(shares) > MUCH_FILLED:
        text = f"up to {max(shares):.0%} of a slice are filled in; where that is much, nobody knows what was there"
        concerns.append(Concern("other rock", text))
    if max(fringes) > BRIGHT_FRINGE:
        text = (
            f"next to the repaired regions the slices are up to {max(fringes):.0%} on the way from intact to charged, "
            "so that their edges are charged, too, and what is filled in is too bright; pass a larger --dilation, such "
            f"as {repair.dilation + 3}"
        )
        concerns.append(Concern("noise", text))
    return RepairReport(lines, Verdict(WORTH, concerns), out / picture)
