"""The page about an alignment: what to believe of each slice, and both images one over the other."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from pathlib import Path

import numpy as np
from matplotlib.figure import Figure
from PIL import Image

from txm2sem.aligning.document import Alignment, SliceAlignment
from txm2sem.aligning.pictures import LAYERS
from txm2sem.aligning.verdict import verdict_on
from txm2sem.figures.raster import raster
from txm2sem.files import write_text
from txm2sem.pages import Card, Table, file_data, page, png

PAGE = "alignment.html"

ORDERS = {"z": "place along z", "held_out": "correlation of held-out tiles"}


def write_page(
    path: Path,
    title: str,
    alignment: Alignment,
    pictures: Mapping[str, Mapping[str, Path]],
    planes: Figure | None = None,
) -> None:
    """Write the page, whole or not at all.

    Args:
        path: of the page.
        title: name of the data root.
        alignment: what was found.
        pictures: files by slice and layer, see `pictures_of`.
        planes: where the slices lie in a volume; None: they do not.

    Raises:
        UserError: the disk is full or not writable.
    """
    groups = {"confirmed": "Confirmed", "left": "Not confirmed"}
    cards = [_card(key, found, pictures[key], alignment) for key, found in alignment.slices.items()]
    of_group = {name: [card for card in cards if card.places["z"][0] == name] for name in groups}
    text = page(
        "alignment.html",
        title=f"{title}: alignment",
        name=title,
        now=datetime.now().astimezone(),
        alignment=alignment,
        verdict=verdict_on(alignment),
        table_of_slices=_table(alignment),
        layers=LAYERS,
        groups=[(name, heading, of_group[name]) for name, heading in groups.items() if of_group[name]],
        orders=ORDERS,
        planes="" if planes is None else png(raster(planes)[..., :3]),
    )
    write_text(path, text)


def _card(key: str, found: SliceAlignment, pictures: Mapping[str, Path], alignment: Alignment) -> Card:
    with Image.open(pictures["txm"]) as picture:
        width, height = picture.size
    group = "confirmed" if found.confident else "left"
    ranked = sorted(alignment.slices, key=lambda name: alignment.slices[name].held_out.after)
    return Card(
        title=f"slice {key}",
        note=found.reason or f"held-out correlation {found.held_out.before:.2f} → {found.held_out.after:.2f}",
        pictures={layer: (LAYERS[layer], file_data(path.read_bytes(), "jpeg")) for layer, path in pictures.items()},
        height=height,
        width=width,
        places={
            "z": (group, list(alignment.slices).index(key)),
            "held_out": (group, ranked.index(key)),
        },
    )


def _table(alignment: Alignment) -> Table:
    rows = [
        (
            key,
            "yes" if found.confident else "no",
            "moved" if found.improved else "as it was",
            f"{found.held_out.before:.2f} → {found.held_out.after:.2f}",
            f"{found.fitted.before:.2f} → {found.fitted.after:.2f}",
            f"{found.turn:+.2f}",
            f"{found.scale:.4f}",
            "yes" if found.mirrored else "no",
            "yes" if found.inverted else "no",
            ", ".join(f"{value:.1f}" for value in found.middle),
            f"{found.tilt:.2f}",
            f"{float(np.median(found.landmarks)):.1f} ({max(found.landmarks):.1f})" if found.landmarks else "–",
            found.split or "not written",
        )
        for key, found in alignment.slices.items()
    ]
    head = (
        *("slice", "confirmed", "place", "held-out correlation", "fitted correlation", "turn [°]"),
        *("TXM pixels in one of the SEM", "mirrored", "inverted", "middle at z, y, x [TXM pixels]", "tilt [°]"),
        *("landmarks off by (at most) [TXM pixels]", "split"),
    )
    return Table("Slices, and where they lie", head, rows)
