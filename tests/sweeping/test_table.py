"""What the table of a sweep concludes."""

from __future__ import annotations

import math

import pytest

from txm2sem.metrics import Interval
from txm2sem.sweeping.scored import MEASURES
from txm2sem.sweeping.table import SLICE, Repeats, SweepTable

KEY = "psnr"


def row(name: str, score: Interval, **differences: Interval) -> Repeats:
    less = {other: {KEY: difference} for other, difference in differences.items()}
    return Repeats(name, name, {}, [f"{name}_slice_8", f"{name}_slice_9"], 2, {KEY: score}, less)


@pytest.mark.parametrize(
    ("best", "second", "is_known"),
    [
        (row("a", Interval(20, 18, 22)), row("b", Interval(19, 17, 21)), False),
        (row("a", Interval(20, 19.5, 20.5)), row("b", Interval(19, 18.5, 19.4)), True),
        # Of slices that differ by more than models do the difference tells, whichever of the two is the baseline.
        (row("a", Interval(20, 18, 22)), row("b", Interval(19, 17, 21), a=Interval(-1, -1.2, -0.8)), True),
        (row("a", Interval(20, 18, 22), b=Interval(1, 0.8, 1.2)), row("b", Interval(19, 17, 21)), True),
        (row("a", Interval(20, 18, 22), b=Interval(1, -0.2, 2.2)), row("b", Interval(19, 17, 21)), False),
        # One slice that both have.
        (
            row("a", Interval(20, 19.5, 20.5), b=Interval(1, math.nan, math.nan)),
            row("b", Interval(19, 18.5, 19.4)),
            False,
        ),
    ],
)
def test_the_order_of_the_best_two_may_be_chance(best: Repeats, second: Repeats, is_known: bool) -> None:
    table = SweepTable("plan", SLICE, {KEY: MEASURES[KEY]}, [second, best], [], {}, math.nan, {}, [])
    verdict = table.verdict()
    assert verdict.sentence.startswith("a has the best PSNR [dB]")
    assert [concern.kind for concern in verdict.concerns] == ([] if is_known else ["few slices"])
