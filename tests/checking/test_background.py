"""What lies outside the sample is found where it is one grey value, and rock is never taken for it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from moved_pairs import rock
from numpy.typing import NDArray

from txm2sem.checking.background import Background, Cells, find_background, judge_background
from txm2sem.checking.leaks import ImageName
from txm2sem.checking.sources import Place

SIDE, COUNT = 160, 5
Y, X = np.mgrid[-1 : 1 : SIDE * 1j, -1 : 1 : SIDE * 1j]
DISC, SQUARE = X**2 + Y**2 < 0.95, (abs(X) < 0.8) & (abs(Y) < 0.85)

Image = NDArray[np.float64]


def found(images: list[Image]) -> Background | None:
    return find_background([Cells.of(image.clip(0, 65535).astype(np.uint16)) for image in images])


def stones(count: int = COUNT) -> list[Image]:
    """Return whole frames of rock with the noise of a detector, grey values around 30000."""
    rng = np.random.default_rng(3)
    return [30000 + 60 * (rock(seed, SIDE) - 100) + rng.normal(0, 800, (SIDE, SIDE)) for seed in range(count)]


def around(inside: NDArray[np.bool_], level: Callable[[int], Image | float], noise: float) -> list[Image]:
    rng = np.random.default_rng(4)
    return [
        np.where(inside, stone, level(number) + rng.normal(0, noise, stone.shape))
        for number, stone in enumerate(stones())
    ]


@pytest.mark.parametrize(
    ("inside", "level", "noise", "value"),
    [
        (DISC, lambda number: 21000.0, 200, 21000),
        (DISC, lambda number: 21000.0, 1200, 21000),
        (DISC, lambda number: 0.0, 300, None),
        (DISC, lambda number: 45000.0, 800, 45000),
        (SQUARE, lambda number: 21000.0, 0, 21000),
        (DISC, lambda number: 21000 + 150.0 * number, 200, 21300),
        (DISC, lambda number: 21000 + 300 * X, 200, None),
        (X < 0.4, lambda number: 21000.0, 200, 21000),
    ],
    ids=["disc", "noisy", "noise around 0", "bright", "constant", "drift", "slope", "one side"],
)
def test_one_grey_value_around_the_sample_is_found(
    inside: NDArray[np.bool_], level: Callable[[int], Image | float], noise: float, value: float | None
) -> None:
    background = found(around(inside, level, noise))
    assert background is not None
    assert background.slices == COUNT
    # Cells that hold something of both do not count.
    assert 0.4 * np.mean(~inside) < background.share <= np.mean(~inside) + 0.01
    if value is not None:
        assert background.value == pytest.approx(value, abs=150)


def test_a_sample_that_lies_elsewhere_in_each_slice_has_a_background() -> None:
    places = [np.hypot(X - 0.1 * number, Y + 0.1 * number) < 0.5 for number in range(COUNT)]
    background = found([np.where(inside, stone, 21000) for inside, stone in zip(places, stones(), strict=True)])
    assert background is not None
    assert background.value == 21000


@pytest.mark.parametrize(
    "change",
    [
        lambda stone: stone,
        lambda stone: np.where(DISC, stone, 0),
        lambda stone: np.where(X < 0.2, stone, 0),
        lambda stone: stone - 3000 * (X**2 + Y**2),
        lambda stone: stone + 6000 * X,
        lambda stone: np.where(stone > 33000, 45000, 30000) + (stone - 30000) / 20,
        lambda stone: np.where(stone > 35000, 45000, 30000),
        lambda stone: 5000 + stone * np.exp(-1.5 * (X**2 + Y**2)),
        lambda stone: np.full_like(stone, 30000),
        lambda stone: 30000 + np.random.default_rng(int(stone[0, 0])).normal(0, 500, stone.shape),
    ],
    ids=[
        "rock",
        "0 around a disc",
        "0 on one side",
        "vignette",
        "slope",
        "matrix and grains",
        "few grains",
        "dark corners",
        "blank",
        "noise",
    ],
)
def test_rock_is_no_background(change: Callable[[Image], Image]) -> None:
    assert found([change(stone) for stone in stones()]) is None


@pytest.mark.parametrize("slope", [0, 2000, 20000])
def test_neighbouring_slices_of_one_rock_have_no_background(slope: float) -> None:
    rng = np.random.default_rng(5)
    stone = 30000 + 60 * (rock(2 if slope == 0 else 0, SIDE, 4.0) - 100) + slope * X
    assert found([stone + rng.normal(0, 800, stone.shape) for _ in range(COUNT)]) is None


def test_a_hole_in_the_sample_is_not_outside_it() -> None:
    whole, bored = (found(around(inside, lambda number: 21000.0, 200)) for inside in (DISC, DISC & (X**2 + Y**2 > 0.1)))
    assert whole is not None
    assert bored is not None
    assert bored.share == pytest.approx(whole.share, abs=0.01)


def test_what_most_slices_have_not_in_common_is_none() -> None:
    discs = around(DISC, lambda number: 21000.0, 200)
    assert found([*discs[:3], *stones()[3:]]) is None
    assert found([*discs[:4], *stones()[4:]]) is not None
    assert found([np.where(DISC, stone, 15000 + 6000 * number) for number, stone in enumerate(stones())]) is None


def test_slices_that_are_few_or_small_or_differ_in_size_tell_nothing() -> None:
    discs = around(DISC, lambda number: 21000.0, 200)
    assert found(discs[:2]) is None
    assert found([disc[:7, :7] for disc in discs]) is None
    assert found([]) is None
    mixed = found([*discs, discs[0][:64, :64]])
    assert mixed is not None
    assert mixed.slices == COUNT


def test_both_kinds_of_images_are_one_finding_and_rock_is_none() -> None:
    discs = [Cells.of(disc) for disc in around(DISC, lambda number: 21000.0, 200)]
    frames = [Cells.of(stone) for stone in stones()]
    places = [Place("train", number) for number in range(COUNT)]

    def judged(txm: list[Cells], sem: list[Cells]) -> list[str]:
        cells: dict[Place, dict[ImageName, Cells]] = {
            place: {"txm": one, "sem": other} for place, one, other in zip(places, txm, sem, strict=True)
        }
        return [finding.text for finding in judge_background({**cells})]

    (both,), (one,) = judged(discs, discs), judged(frames, discs)
    assert ("TXM" in both, "SEM" in both) == (True, True)
    assert ("TXM" in one, "SEM" in one) == (False, True)
    assert not judged(frames, frames)
