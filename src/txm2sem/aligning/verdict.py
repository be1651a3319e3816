"""What an alignment comes to, in words."""

from __future__ import annotations

from txm2sem.aligning.document import Alignment
from txm2sem.data.readers.voxel_size import square_side
from txm2sem.data.slices import SPLIT_FOLDERS
from txm2sem.errors import listed
from txm2sem.quantities import with_pixels
from txm2sem.scoring.names import FEW_SLICES
from txm2sem.verdicts import Concern, Verdict

MOST_SLICES = 4
"""So many slices are named in a concern."""


def verdict_on(alignment: Alignment) -> Verdict:
    """Return whether slices lie upon each other, and what to mind before training on them."""
    slices = alignment.slices
    confirmed = sum(found.confident for found in slices.values())
    if not confirmed:
        written = any(found.split for found in slices.values())
        what = "they are left as they were" if written else "there is nothing to train on"
        advice = "look at them in the page, and mark landmarks, or check that both show one place"
        return Verdict(f"No slice is confirmed, so {what}: {advice}.", _concerns(alignment))
    if confirmed == len(slices):
        sentence = f"All {confirmed} slices are confirmed" if confirmed > 1 else "The slice is confirmed"
    else:
        sentence = f"{confirmed} of {len(slices)} slices are confirmed; do without the others, or look why"
    advice = "Look at them one over the other in the page: edges must not jump."
    return Verdict(f"{sentence}. {advice}", _concerns(alignment))


def _concerns(alignment: Alignment) -> list[Concern]:
    doubtful = {key: found for key, found in alignment.slices.items() if not found.confident}
    concerns = []
    for left, kept in (("left as they were", True), ("left out", False)):
        keys = [key for key, found in doubtful.items() if bool(found.split) == kept]
        if keys:
            why = f"the first, as {doubtful[keys[0]].reason}; of all of them the page says why"
            text = f"not confirmed and {left}: {listed(keys, MOST_SLICES)} ({why})"
            concerns.append(Concern("not confirmed", text))
    if alignment.outliers:
        away = alignment.outliers
        most = with_pixels(max(away.values()), square_side(alignment.txm_pixel_size or None), "voxels")
        text = (
            f"{listed(list(away), MOST_SLICES)} lie up to {most} from where the other slices of the specimen let "
            "expect them; look at these in the page first"
        )
        concerns.append(Concern("misaligned", text))
    written = [found.split for found in alignment.slices.values() if found.split]
    if not set(written) >= set(SPLIT_FOLDERS):
        text = f"{len(written)} slices were written, too few for {', '.join(SPLIT_FOLDERS)}; nothing can be trained yet"
        concerns.append(Concern("few slices", text))
    elif len(written) < FEW_SLICES:
        concerns.append(Concern("few slices", f"{len(written)} slices tell little of the rest of the rock; add more"))
    return concerns
