"""Which cube of a full stack is taken."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from data_roots import write_slice

from txm2sem.data import Cube, TiffStack, choose_cube
from txm2sem.errors import UserError
from txm2sem.options import VolumeOptions

SHAPE = (5, 7, 9)


@pytest.fixture
def stack(tmp_path: Path) -> TiffStack:
    rng = np.random.default_rng(0)
    for number, image in enumerate(rng.integers(1, 256, SHAPE, np.uint8)):
        write_slice(tmp_path / f"{number:03d}.tif", image)
    return TiffStack(tmp_path)


def test_every_place_can_be_drawn_and_no_other(stack: TiffStack) -> None:
    cubes = [choose_cube(stack, 5, VolumeOptions(), seed) for seed in range(300)]
    assert {cube.row for cube in cubes} == {0, 1, 2}
    assert {cube.column for cube in cubes} == {0, 1, 2, 3, 4}
    assert {(cube.z, cube.size) for cube in cubes} == {(0, 5)}


def test_the_last_place_can_be_named_and_the_next_cannot(stack: TiffStack) -> None:
    assert choose_cube(stack, 4, VolumeOptions(x_ind=5, y_ind=3, z_ind=1), 0) == Cube(z=1, row=3, column=5, size=4)
    for options in (VolumeOptions(x_ind=6), VolumeOptions(y_ind=4), VolumeOptions(z_ind=2)):
        with pytest.raises(UserError, match="expected a first"):
            choose_cube(stack, 4, options, 0)


def test_a_cube_as_large_as_the_slices_has_one_place(tmp_path: Path) -> None:
    for number in range(3):
        write_slice(tmp_path / f"{number:03d}.tif", np.full((3, 3), 9, np.uint8))
    assert choose_cube(TiffStack(tmp_path), 3, VolumeOptions(), 7) == Cube(0, 0, 0, 3)


def test_a_slice_of_the_cube_is_read_from_the_stack(stack: TiffStack) -> None:
    cube = Cube(z=1, row=2, column=3, size=4)
    whole = np.stack([stack.read(z, slice(None), slice(None)) for z in range(5)])
    found = np.stack([cube.slice_of(stack, index) for index in range(4)])
    np.testing.assert_array_equal(found, whole[1:5, 2:6, 3:7])
