"""The plan: blocks and tiles that fit into the memory, whatever the volume's size."""

from __future__ import annotations

import dataclasses
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from txm2sem.applying.volume.plan import Demand
from txm2sem.errors import UserError
from txm2sem.networks import Chain
from txm2sem.options import ModelOptions
from txm2sem.quantities import format_bytes, format_length, format_seconds

MODEL = ModelOptions(model="srgan", netG="sr_resnet_6blocks", ngf=8, downsample_factor=2, norm="batch")
DEMAND = Demand(
    shape=(1000, 2000, 1500),
    networks=Chain((MODEL,)),
    context=0,
    halo=40,
    input_bytes=2,
    output_bytes=1,
    half_precision=False,
)
BASE = 4e8


@given(st.floats(2e9, 1e11), st.integers(1, 3000), st.integers(20, 4000), st.integers(20, 4000))
def test_what_is_planned_fits_and_covers_the_volume(memory: float, depth: int, rows: int, columns: int) -> None:
    demand = dataclasses.replace(DEMAND, shape=(depth, rows, columns))
    passes = demand.plan("yxz", memory, BASE)
    assert demand.memory(passes, BASE) <= memory
    for item in passes:
        planes = [plane for block in item.blocks for plane in range(block.start, block.stop)]
        assert planes == list(range(item.length))
        assert all(padded >= side for padded, side in zip(item.tiling.shape, item.plane_shape, strict=True))


def test_memory_does_not_depend_on_the_number_of_slices() -> None:
    few, many = (dataclasses.replace(DEMAND, shape=(depth, 2000, 1500)) for depth in (64, 4000))
    assert few.plan("z", 4e9, BASE)[0].tiling == many.plan("z", 4e9, BASE)[0].tiling
    assert few.memory(few.plan("z", 4e9, BASE), BASE) == many.memory(many.plan("z", 4e9, BASE), BASE)


def test_with_room_every_plane_is_one_tile_and_with_less_there_are_more_and_smaller_ones() -> None:
    assert DEMAND.plan("z", 1e12, BASE)[0].tiling.grid == (1, 1)
    areas = [DEMAND.plan("z", memory, BASE)[0].tiling.area for memory in (1e12, 3e9, 1.5e9, 1e9)]
    assert areas == sorted(areas)
    assert areas[-1] > areas[0]


def test_with_little_memory_tiles_become_small_before_blocks_become_thin() -> None:
    """Thin blocks have no neighbours to measure continuity with."""
    small = dataclasses.replace(DEMAND, shape=(128, 256, 256), input_bytes=1)
    (item,) = small.plan("z", BASE + 3e8, BASE)
    assert item.depth >= 16


def test_too_little_memory_is_an_error_that_says_how_much_is_needed() -> None:
    with pytest.raises(UserError, match=r"--memory 450.0 MB is too little .* expected about "):
        DEMAND.plan("z", 4.5e8, BASE)


def test_a_plan_survives_being_written_down() -> None:
    passes = DEMAND.plan("yxz", 2e9, BASE)
    assert DEMAND.reopen("yxz", json.loads(json.dumps([item.to_plain() for item in passes]))) == passes


ODD_VALUES: list[object] = [0, -1, 10**12, 1.5, float("nan"), True, None, "32", [], {}]


@given(
    st.sampled_from(["axis", "depth", "grid"]), st.sampled_from([*ODD_VALUES, *([value, 1] for value in ODD_VALUES)])
)
def test_a_plan_that_cannot_be_is_an_error(name: str, value: object) -> None:
    (item,) = DEMAND.plan("z", 2e9, BASE)
    with pytest.raises((KeyError, TypeError, ValueError)):
        DEMAND.reopen("z", [item.to_plain() | {name: value}])


@pytest.mark.parametrize("plan", [None, 3, "z", [], [{}], [None], {"axis": "z"}])
def test_what_is_no_plan_at_all_is_an_error(plan: object) -> None:
    with pytest.raises((KeyError, TypeError, ValueError)):
        DEMAND.reopen("z", plan)


def test_blocks_of_a_huge_volume_are_not_listed() -> None:
    (item,) = dataclasses.replace(DEMAND, shape=(10**12, 64, 64)).plan("z", 2e9, BASE)
    assert item.count == 10**12 / item.depth
    assert next(item.blocks) == item.block(0)
    assert item.block(item.count - 1).stop == 10**12


def test_numbers_are_written_for_people() -> None:
    lengths = [(320.4, "nm"), (1234, "nm"), (1500, "voxel"), (float("nan"), "nm")]
    assert [format_length(*one) for one in lengths] == ["320 nm", "1.23 µm", "1500 voxels", "unknown"]
    assert [format_bytes(count) for count in (2e3, 3.25e6, 4e9, 5e12)] == ["2 kB", "3.2 MB", "4.0 GB", "5.0 TB"]
    assert [format_seconds(seconds) for seconds in (5, 80, 100, 7200, 2e5)] == [
        *("5 s", "80 s", "1.7 min", "2.0 h", "2.3 days"),
    ]
