"""Scale bars that are drawn into pictures."""

from __future__ import annotations

import numpy as np
import pytest

from txm2sem.pages import with_scale_bar


@pytest.mark.parametrize("at_top", [False, True])
def test_a_bar_is_as_long_as_it_says_and_lies_in_its_corner(at_top: bool) -> None:
    grey = np.full((300, 400), 100, np.uint8)
    drawn = with_scale_bar(grey, 25.0, at_top=at_top)
    changed = np.flatnonzero((drawn != grey).any(axis=1))
    # 80 pixels of 25 nm are a fifth of the width: 2 µm is the round length that fits.
    longest = max(int((row == 255).sum()) for row in drawn)
    assert longest == pytest.approx(80, abs=2)
    assert changed.max() == 299 if not at_top else changed.min() == 0
    assert changed.max() - changed.min() < 40
    assert (drawn[:, 200:] == grey[:, 200:]).all()
