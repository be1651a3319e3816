from __future__ import annotations

import numpy as np

from txm2sem.filling import telea


def test_a_hole_is_filled_from_around_it_and_nothing_else_changes() -> None:
    image = np.tile(np.arange(50, 90, dtype=np.uint8), (40, 1))
    mask = np.zeros(image.shape, bool)
    mask[10:20, 15:25] = True
    charged = np.where(mask, 255, image).astype(np.uint8)
    filled = telea(charged, mask)
    assert filled.dtype == np.uint8
    np.testing.assert_array_equal(filled[~mask], image[~mask])
    assert np.abs(filled[mask].astype(int) - image[mask]).max() <= 6


def test_black_does_not_spread_where_it_was_not_imaged() -> None:
    image = np.full((40, 40), 120, np.uint8)
    image[:, 20:] = 0
    mask = np.zeros(image.shape, bool)
    mask[10:30, 12:20] = True
    spread, kept = telea(image, mask), telea(image, mask, from_black=False)
    assert spread[mask].min() < 60
    assert np.abs(kept[mask].astype(int) - 120).max() <= 5
    np.testing.assert_array_equal(kept[~mask], image[~mask])
