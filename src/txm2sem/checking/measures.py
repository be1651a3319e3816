"""Everything that a check measures, in one place for judging and for showing."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from txm2sem.checking.content import SliceContent
from txm2sem.checking.leaks import SharedArea
from txm2sem.checking.pairs import PairMeasures
from txm2sem.checking.resolution import Resolution
from txm2sem.checking.sources import Place

if TYPE_CHECKING:  # what scores takes torch
    from txm2sem.checking.scores import ExpectedScores


@dataclass
class Measures:
    """What was measured on a data root.

    Attributes:
        dataroot: the folder.
        contents, pairs: by slice; pairs only of slices whose two images both show something.
        shared: areas that two slices have in common.
        compared: pairs of slices that were compared for that.
        resolution: spectra of all slices; None where nothing is whole enough.
        pixel_size: side of a pixel [nm], in figures; None: not known.
        scores: of trivial predictions; None where the splits cannot be evaluated.
    """

    dataroot: Path
    contents: dict[Place, SliceContent] = field(default_factory=dict)
    pairs: dict[Place, PairMeasures] = field(default_factory=dict)
    shared: list[SharedArea] = field(default_factory=list)
    compared: int = 0
    resolution: Resolution | None = None
    pixel_size: float | None = None
    scores: ExpectedScores | None = None
