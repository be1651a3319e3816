"""The noise of the TXM that a model was trained on, beside that of the TXM which it is given."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from txm2sem.data import GreyRange
from txm2sem.runs import RunPaths
from txm2sem.txm_noise import MEASURED, SIDE, TxmNoise, measured_noise, measured_parts, middle_of

WHITE = GreyRange(1000.0, 3000.0)


def noisy(sigma: float, shape: tuple[int, int] = (96, 96)) -> NDArray[np.uint16]:
    return np.rint(2000 + sigma * np.random.default_rng(0).standard_normal(shape)).astype(np.uint16)


def test_it_is_measured_in_grey_levels_of_what_is_imaged() -> None:
    images = [noisy(40.0), noisy(80.0), noisy(20.0)]
    for image in images:
        image[:, 60:] = 0
    # Of three slices the middle one: 40 of 2000 grey values are 5.1 of 255.
    assert measured_noise(images, WHITE) == pytest.approx(40 * 255 / 2000, rel=0.05)
    assert measured_noise([np.zeros((8, 8), np.uint16)], WHITE) == 0


def test_of_a_large_image_the_middle_is_measured() -> None:
    image = np.full((SIDE + 200, SIDE + 301), 2000, np.uint16)
    image[100:-100, 150:-151] = noisy(40.0, (SIDE, SIDE))
    assert measured_noise([middle_of(image)], WHITE) == pytest.approx(40 * 255 / 2000, rel=0.05)


def test_slices_are_measured_from_the_first_to_the_last() -> None:
    parts = list(measured_parts(101, (SIDE + 200, 96)))
    assert [index for index, _, _ in parts] == [0, 25, 50, 75, 100]
    assert len(parts) == MEASURED
    assert list(parts[0][1:]) == [slice(100, SIDE + 100), slice(0, (96 + SIDE) // 2)]
    assert [index for index, _, _ in measured_parts(2, (8, 8))] == [0, 1]


@pytest.mark.parametrize(("here", "kinds"), [(9.0, []), (4.0, []), (17.0, ["noise"]), (2.9, ["noise"])])
def test_twice_or_half_of_it_is_to_be_minded(here: float, kinds: list[str]) -> None:
    concerns = TxmNoise(training=6.0, here=here).concerns
    assert [one.kind for one in concerns] == kinds
    assert all(f"{here:.1f} of 255" in one.text and "6.0" in one.text for one in concerns)


def test_what_is_not_known_or_damaged_is_not_judged_and_stops_nothing(tmp_path: Path) -> None:
    paths = RunPaths.of("run", tmp_path / "checkpoints", tmp_path / "results")
    assert TxmNoise.of(paths, [noisy(40.0)], WHITE) is None
    paths.checkpoints.mkdir(parents=True)
    for content in ("{}", '{"txm_noise": "much"}', '{"txm_noise": null}', '{"txm_noise": NaN}', "[", "no JSON"):
        paths.txm_noise.write_text(content)
        assert TxmNoise.of(paths, [noisy(40.0)], WHITE) is None
    paths.txm_noise.write_text('{"txm_noise": 5.0}')
    found = TxmNoise.of(paths, [noisy(40.0)], WHITE)
    assert found is not None
    assert found.training == 5.0
    assert found.here == pytest.approx(5.1, rel=0.05)
