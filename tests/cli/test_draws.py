"""Several draws of one place: `translate`, `volume` and `test` write them, and agree on what they are."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import tifffile
from data_roots import write_data_root

from cli.calls import Program
from cli.volumes import rock, voxels, write_network, write_scan
from txm2sem.data.draws import draw_channels
from txm2sem.tiling import Tiling

MODEL = (
    "--name sampled --model pix2pix --netG sampled_unet --ngf 4 --norm none --no_dropout --downsample_factor 1 "
    "--gpu_ids -1"
)
DRAWS = 3


@pytest.fixture(autouse=True)
def sampled(program: Program) -> None:
    """Write the model that `MODEL` names, where the program runs."""
    write_network("sampled", model="pix2pix", netG="sampled_unet", norm="none", no_dropout=True, downsample_factor=1)


@pytest.fixture
def txm(program: Program) -> Path:
    """Write a TXM volume of 3 slices as a folder."""
    return write_scan(rock((3, 64, 96)), "txm")


def test_a_volume_of_draws_has_their_mean_their_spread_and_each_of_them(program: Program, txm: Path) -> None:
    words = f"volume {txm} OUT {MODEL} --voxel_size 32 --dtype float32"
    for output, asked in (("many.ome.zarr", f"--draws {DRAWS}"), ("more.ome.zarr", "--draws 4"), ("one.ome.zarr", "")):
        assert program(words.replace("OUT", output), asked).status == 0
    found = voxels("many.ome.zarr")
    mean, spread, draws = found[0], found[1], found[2:]
    assert len(draws) == DRAWS
    # float32 of grey values up to 255.
    np.testing.assert_allclose(mean, draws.mean(0), atol=1e-3)
    np.testing.assert_allclose(spread, draws.std(0, ddof=1), atol=1e-3)
    assert spread.mean() > 1
    # One draw is the first of several, and more of them begin with the same.
    np.testing.assert_array_equal(voxels("one.ome.zarr"), draws[0])
    np.testing.assert_array_equal(voxels("more.ome.zarr")[2:5], draws)
    said = json.loads(Path("many.ome.zarr/zarr.json").read_text())["attributes"]["ome"]["omero"]["channels"]
    assert [channel["label"] for channel in said[1:]] == list(draw_channels(DRAWS))[1:]


def test_integers_have_the_steps_of_the_prediction(program: Program, txm: Path) -> None:
    words = f"volume {txm} OUT {MODEL} --voxel_size 32 --draws {DRAWS}"
    assert program(words.replace("OUT", "real.ome.zarr"), "--dtype float32").status == 0
    assert program(words.replace("OUT", "whole.ome.zarr"), "--dtype uint16").status == 0
    real, whole = voxels("real.ome.zarr"), voxels("whole.ome.zarr")
    # 65535 steps for 255 grey values; half a step of rounding.
    np.testing.assert_allclose(whole / 257, real, atol=0.6 / 257 + 1e-3)


def test_tiles_of_a_draw_cannot_be_seen(program: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    # So wide that the second tile, with its halo of 112 pixels, does not begin where the plane does.
    scan = write_scan(rock((2, 64, 448)), "wide")
    words = f"volume {scan} OUT {MODEL} --voxel_size 32 --dtype float32"
    assert program(words.replace("OUT", "plane.ome.zarr")).status == 0
    monkeypatch.setattr(
        "txm2sem.applying.volume.plan.choose_tiling",
        lambda shape, halo, multiple, largest_area: Tiling(shape, (1, 2), halo, multiple),
    )
    assert program(words.replace("OUT", "tiles.ome.zarr")).status == 0
    np.testing.assert_allclose(voxels("tiles.ome.zarr"), voxels("plane.ome.zarr"), atol=0.05)


def test_slices_of_the_same_txm_are_drawn_each_by_itself(program: Program) -> None:
    scan = write_scan(np.repeat(rock((3, 64, 96))[:1], 3, axis=0), "same")
    assert program(f"volume {scan} v.ome.zarr {MODEL} --voxel_size 32 --dtype float32").status == 0
    found = voxels("v.ome.zarr")
    assert np.abs(found[1:] - found[:-1]).mean() > 0.1


def test_a_part_of_a_volume_has_the_noise_of_the_whole(program: Program, txm: Path) -> None:
    words = f"volume {txm} OUT {MODEL} --voxel_size 32 --dtype float32"
    assert program(words.replace("OUT", "whole.ome.zarr")).status == 0
    assert program(words.replace("OUT", "part.ome.zarr"), "--roi 1:3,:,:").status == 0
    np.testing.assert_array_equal(voxels("part.ome.zarr"), voxels("whole.ome.zarr")[1:])


def test_images_have_the_draws_of_the_volume_that_they_are_slices_of(program: Program, txm: Path) -> None:
    assert program(f"volume {txm} v.ome.zarr {MODEL} --voxel_size 32 --dtype float32 --draws {DRAWS}").status == 0
    outcome = program(f"translate {txm} images {MODEL} --draws {DRAWS}")
    assert outcome.status == 0, outcome.err
    volume = voxels("v.ome.zarr")
    for z, path in enumerate(sorted(txm.iterdir())):
        drawn = tifffile.imread(Path("images_draws", f"{path.stem}.tif"))
        np.testing.assert_allclose(drawn, volume[1:, z], atol=1e-3)
        np.testing.assert_allclose(tifffile.imread(Path("images", f"{path.stem}.tif")), volume[0, z], atol=0.51)
    assert program(f"translate {sorted(txm.iterdir())[0]} one.tif {MODEL} --draws 2").status == 0
    np.testing.assert_allclose(tifffile.imread("one_draws.tif")[1:], volume[2:4, 0], atol=1e-3)


@pytest.mark.usefixtures("blank_pictures")
def test_a_test_scores_the_mean_a_draw_and_how_often_the_truth_is_among_them(program: Program) -> None:
    write_data_root(Path("images"), size=(64, 64))
    outcome = program(f"test {MODEL} --eval --num_test 3 --patch_size 32 --draws {DRAWS}")
    assert outcome.status == 0, outcome.err
    results = Path("results/sampled")
    scores = json.loads((results / "scores.json").read_text())
    assert {"model sampled", "one draw of sampled"} < set(scores["similarity"])
    assert scores["draws"]["draws"] == DRAWS
    assert scores["draws"]["expected"] == 0.5
    assert 0 <= scores["draws"]["pixels"]["value"] <= 1
    for folder in ("sem_fake", "sem_draw", "sem_spread"):
        assert len(list((results / folder).iterdir())) == 3


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("volume txm v.ome.zarr MODEL --voxel_size 32 --z_blend", "leave --z_blend out"),
        ("volume txm v.ome.zarr MODEL --voxel_size 32 --draws 4 --uncertainty 4", "pass one of them"),
        ("volume txm v.ome.zarr MODEL --voxel_size 32 --backend openvino", "takes noise beside the image"),
        ("volume txm v.ome.zarr MODEL --voxel_size 32 --draws 1", "expected 2 or more"),
        ("translate txm out MODEL --draws 1", "expected 2 or more"),
        ("translate txm out --draws 4", "which predicts one image; leave --draws out"),
    ],
)
@pytest.mark.usefixtures("txm")
def test_what_does_not_go_with_draws_is_an_error(program: Program, words: str, message: str) -> None:
    outcome = program(words.replace("MODEL", MODEL))
    assert outcome.status == 1
    assert message in outcome.err
    assert not Path("v.ome.zarr").exists()
    assert not Path("out").exists()
