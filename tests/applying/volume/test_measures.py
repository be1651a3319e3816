"""What blocks measure, written down and read again."""

from __future__ import annotations

import json
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from txm2sem.applying.volume.measures import TrustSums, VolumeMeasures, measure_slices
from txm2sem.metrics import SeamSums

VOLUME = np.random.default_rng(0).integers(0, 256, (3, 40, 50), np.uint8)
MEASURES = VolumeMeasures(
    6000, 5000, 1.5, {"z": SeamSums(3.0, 2.0)}, trust=TrustSums(5000, 1e6, 7, 0)
) + measure_slices({"txm": VOLUME, "prediction": VOLUME, "truth": VOLUME}, VOLUME > 9)

PLAIN: dict[str, Any] = json.loads(json.dumps(MEASURES.to_plain()))


def test_measures_survive_being_written_down() -> None:
    """Also the infinite PSNR of equal slices."""
    again = VolumeMeasures.from_plain(PLAIN)
    assert again.to_plain() == MEASURES.to_plain()
    assert again.psnr == [np.inf] * 3


def places(content: Any, above: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Return the way to everything in nested dicts, and to the first of lists."""
    inner = (
        content.items()
        if isinstance(content, dict)
        else list(enumerate(content))[:1]
        if isinstance(content, list)
        else ()
    )
    return [above, *(place for key, value in inner for place in places(value, (*above, key)))]


ODD_VALUES = ["", "much", None, [], {}, [None], {"a": 1}, float("nan"), float("-inf"), -1, 10**400]


@given(st.sampled_from(places(PLAIN)[1:]), st.sampled_from(ODD_VALUES))
def test_what_are_no_measures_is_an_error(place: tuple[Any, ...], value: object) -> None:
    """Wherever an odd value stands; -1 is none for grey values, NaN none for scores of slices, {} none for names."""
    content = json.loads(json.dumps(PLAIN))
    *way, last = place
    inner = content
    for key in way:
        inner = inner[key]
    inner[last] = value
    try:
        measures = VolumeMeasures.from_plain(content)
    except (AttributeError, ArithmeticError, KeyError, TypeError, ValueError):
        return
    # What is taken can be added up and counted.
    total = measures + measures
    assert total.voxels >= 0
    assert all(np.isfinite(sums.moments).all() for sums in total.continuity.values())


@pytest.mark.parametrize(
    ("name", "value"), [("voxels", -1), ("voxels", "6000"), ("inside", float("nan")), ("psnr", ["30"])]
)
def test_counts_and_scores_are_numbers(name: str, value: object) -> None:
    with pytest.raises(ValueError, match="expected"):
        VolumeMeasures.from_plain(PLAIN | {name: value})
