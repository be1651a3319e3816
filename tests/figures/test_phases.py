"""Pictures of phases: true to scale, whatever the size of the voxels, known or not."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from txm2sem import quantities
from txm2sem.figures.phases import PhaseCut, draw_phases

RED, BLUE = (255, 0, 0), (0, 0, 255)


def cut(pixel_size: tuple[float, float]) -> PhaseCut:
    labels = np.zeros((20, 50), np.uint8)
    labels[:, 25:] = 1
    return PhaseCut(labels, np.ones(labels.shape, bool), None, pixel_size)


@pytest.mark.parametrize(
    ("pixel_size", "unit", "bar", "shape"),
    [
        ((32.0, 32.0), "nm", (200.0, "nm"), (200, 500)),
        ((1.0, 1.0), "voxel", (10.0, "voxel"), (200, 500)),
        ((64.0, 32.0), "nm", (200.0, "nm"), (400, 500)),
    ],
)
def test_bars_count_what_is_shown(
    pixel_size: tuple[float, float],
    unit: str,
    bar: tuple[float, str],
    shape: tuple[int, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[tuple[Any, ...]] = []

    def note(*length: Any) -> str:
        said.append(length)
        return "it"

    monkeypatch.setattr(quantities, "format_length", note)
    picture = draw_phases(cut(pixel_size), {0: RED, 1: BLUE}, unit)
    assert picture.shape == (*shape, 3)
    assert said == [bar]
    assert (picture[10, 10] == RED).all()
    assert (picture[10, -10] == BLUE).all()
