"""A measurement as a work of many boxes: each is measured for itself, and kept in a file."""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.addresses import Place
from txm2sem.drafts import Draft
from txm2sem.errors import UserError
from txm2sem.files import write_whole
from txm2sem.measuring.boxes import Wanted, measure_box
from txm2sem.measuring.opening import OpenPhases
from txm2sem.morphology.boxes import Box, Grid, Shape
from txm2sem.options import MeasureOptions
from txm2sem.runs import MeasurePaths

KIND = "measure"
"""What makes the output, see `Draft`."""

DAMAGED = (OSError, ValueError, KeyError, EOFError, zipfile.BadZipFile)
"""What reading a damaged file of a box raises."""

RUN = "run"
"""Array in the file of a box that says which measurement it is of."""


@dataclass(frozen=True)
class MeasureJob:
    """What a process needs to measure boxes.

    Attributes:
        options: of the measurement.
        source: the volume.
        own: see `OpenPhases`.
        output: the folder that the measurement will be.
        run: names it, so that a process that outlives it does not write into the next one.
        side: of a box.
        wanted: what is measured.
        images: how many times: once, or in each draw.
    """

    options: MeasureOptions
    source: Place
    own: bool
    output: Path
    run: str
    side: Shape
    wanted: Wanted
    images: int

    @property
    def grid(self) -> Grid:
        """All boxes."""
        return Grid(self.wanted.shape, self.side)

    @property
    def parts(self) -> dict[str, tuple[int, Box]]:
        """All that is measured by its name, in order: the number of the image, and a box of it."""
        return {_name_of(image, box): (image, box) for image in range(self.images) for box in self.grid.boxes}

    def open(self, threads: int) -> Callable[[str], None]:
        """Open the volume; return what measures the part of a name, and writes it.

        Args:
            threads: to compute with; one is enough.

        Raises:
            UserError: the volume cannot be read; so does what is returned, also where the disk is full or not writable.
        """
        return self.work_on(OpenPhases(self.options, self.source, own=self.own))

    def work_on(self, opened: OpenPhases) -> Callable[[str], None]:
        """As `open`, of a volume that is open."""
        parts = self.parts
        return lambda name: self._measure(opened, name, *parts[name])

    def load(self, image: int, box: Box) -> Mapping[str, NDArray[Any]]:
        """Return what was measured of a box.

        Raises:
            UserError: it is not there, or damaged.
        """
        name = _name_of(image, box)
        content = self._loaded(name)
        if content is None:
            raise UserError(f"{self._file(name)} has gone; run the same command again: it goes on there")
        return content

    def is_done(self, name: str) -> bool:
        """Say whether a part was measured; all that was written is read."""
        content = self._loaded(name)
        if content is None:
            return False
        with suppress(*DAMAGED):
            return all(content[key] is not None for key in content)
        return False

    def _loaded(self, name: str) -> Mapping[str, NDArray[Any]] | None:
        """Return what was measured of a part; None where it is not there, damaged, or of another measurement."""
        with suppress(*DAMAGED):
            content: Mapping[str, NDArray[Any]] = np.load(self._file(name), allow_pickle=False)
            if str(content[RUN]) == self.run:
                return content
        return None

    def _measure(self, opened: OpenPhases, name: str, image: int, box: Box) -> None:
        several = opened.probabilities
        read = partial(opened.read, image=image)
        found: dict[str, Any] = measure_box(box, self.wanted, read, None if several is None else several.read)
        found[RUN] = np.array(self.run)
        Draft(self.output, KIND).check_run(self.run)
        write_whole(self._file(name), lambda buffer: np.savez(buffer, allow_pickle=False, **found))

    def _file(self, name: str) -> Path:
        return MeasurePaths(self.output).box(name)


def _name_of(image: int, box: Box) -> str:
    return "_".join(map(str, (image, *box.index)))
