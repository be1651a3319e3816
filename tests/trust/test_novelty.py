"""Tiles unlike those of training: other contrast, noise and blur are flagged, usual tiles are not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.ndimage import gaussian_filter

from txm2sem.metrics import texture
from txm2sem.trust.novelty import Novelty, fit_novelty, tiles

Image = NDArray[np.float32]


def made(seed: int, side: int = 48) -> Image:
    rng = np.random.default_rng(seed)
    rock = gaussian_filter(rng.standard_normal((side, side)), 2) * 2
    return np.asarray(rock + rng.normal(0.1, 0.05, rock.shape) + rng.normal(0, 0.03), np.float32)


@pytest.fixture(scope="module")
def novelty() -> Novelty:
    training = [texture(made(seed)) for seed in range(90)]
    return fit_novelty(training, [seed % 6 for seed in range(90)], [texture(made(seed)) for seed in range(90, 150)], 48)


def test_usual_tiles_are_rarely_flagged_and_odd_ones_are(novelty: Novelty) -> None:
    def flagged(tile: Image) -> bool:
        return bool(novelty.distances(tile).max() > novelty.threshold)

    assert np.mean([flagged(made(seed)) for seed in range(200, 300)]) <= 0.06
    usual = made(300)
    rng = np.random.default_rng(0)
    odd = {
        "contrast": 2.5 * usual,
        "noise": (usual + rng.normal(0, 0.2, usual.shape)).astype(np.float32),
        "blur": gaussian_filter(usual, 2),
        "brightness": usual + np.float32(0.5),
        "nothing": np.zeros_like(usual),
    }
    assert {name: flagged(tile) for name, tile in odd.items()} == dict.fromkeys(odd, True)


def test_the_odd_tile_of_an_image_is_the_one_that_is_flagged(novelty: Novelty) -> None:
    image = np.block([[made(400), made(401)], [made(402), 3 * made(403)]])
    flagged = novelty.distances(image) > novelty.threshold
    assert flagged[48:, 48:].all()
    assert not flagged[:48].any()
    assert not flagged[:, :48].any()


def test_tiles_outside_the_field_of_view_are_not_judged(novelty: Novelty) -> None:
    imaged = np.ones((48, 96), np.bool_)
    imaged[:, 50:] = False
    image = np.where(imaged, np.hstack([made(500), made(501)]), np.float32(-1))
    found = novelty.distances(image, imaged)
    assert 0 < found[0, 0] < novelty.threshold
    assert (found[:, 48:] == 0).all()


@pytest.mark.parametrize("shape", [(48, 48), (100, 49), (30, 200)])
def test_parts_cover_an_image_once_and_lie_in_their_tiles(shape: tuple[int, int]) -> None:
    times = np.zeros(shape, int)
    for part, tile in tiles(shape, 48):
        times[part] += 1
        for inner, outer, length in zip(part, tile, shape, strict=True):
            assert 0 <= outer.start <= inner.start < inner.stop <= outer.stop <= length
            assert outer.stop - outer.start == min(48, length)
    assert (times == 1).all()
