"""A model gives the same grey values for the same image, whatever asks it: a test, `translate`, `volume`, Python."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
import tifffile
from data_roots import write_data_root, write_neighbours, write_slice
from numpy.typing import NDArray
from PIL import Image

import txm2sem
from cli.calls import Program
from cli.volumes import voxels
from txm2sem.tiling import Tiling

SIDE = 64
"""Of the patches of the training, and of slices that are patches as a whole [pixels]."""

ODD = (70, 90)
"""Of slices of which no side is a multiple of anything."""

TRAIN = (
    "train --name run --gpu_ids -1 --num_threads 0 --num_train 4 --niter 1 --niter_decay 0 --init_gain 0.2 "
    f"--num_test 2 --patch_size {SIDE}"
)
TEST = "test --name run --eval --gpu_ids -1 --num_test 2"
VOLUME = "volume images/test/txm_full_stack --name run --voxel_size 32 --gpu_ids -1"
MODELS = {
    "contrast and scale": "--model feedforward --netG resnet_6blocks --ngf 4 --gamma 0.7 --hist_eq 0.02 "
    "--keep_empty --regression_loss laplace",
    "downsampled": "--model srgan --netG sr_resnet_6blocks --downsample_factor 2 --ngf 4 --ndf 4 --hist_eq 0.05",
    "halves of halves": "--recipe translate --niter 1 --ngf 4",
    "ranges": "--model feedforward --netG resnet_6blocks --ngf 4 --txm_range 30,200 --sem_range 20,220",
    "neighbours": "--model pix2pix --netG resnet_6blocks --ngf 4 --ndf 4 --context_slices 1 --hist_eq 0.02",
}
"""Their weights are spread so far that predictions have contrast."""


def slices_of(folder: str) -> NDArray[np.uint8]:
    return np.stack([np.asarray(Image.open(path)) for path in sorted(Path(folder).iterdir())])


def write_odd_slices() -> list[int]:
    """Write test slices of an odd size, in part not imaged, also as a stack, and return their places in it."""
    shutil.rmtree("images/test")
    write_data_root(Path("images"), size=ODD, splits=["test"], seed=1)
    for path in sorted(Path("images/test/txm").iterdir()):
        image = tifffile.imread(path)
        image[:20, :25] = 0
        write_slice(path, image)
        write_slice(Path("images/test/txm_full_stack", path.name), image)
    return [0, 1]


@pytest.mark.usefixtures("no_scorecard")
@pytest.mark.parametrize("kind", MODELS)
def test_every_way_gives_the_same_grey_values(program: Program, monkeypatch: pytest.MonkeyPatch, kind: str) -> None:
    write_data_root(Path("images"), size=(SIDE, SIDE))
    positions = write_neighbours(Path("images")) if kind == "neighbours" else {}
    assert program(TRAIN, MODELS[kind]).status == 0

    # A patch is a whole slice; which one is drawn.
    assert program(TEST, "--full_slice").status == 0
    whole, txm_seen = (slices_of(f"results/run/{name}_fullslice") for name in ("sem_fake", "txm"))
    assert program(TEST).status == 0
    shown = slices_of("results/run/txm")
    for patch, prediction in zip(shown, slices_of("results/run/sem_fake"), strict=True):
        (index,) = [number for number, image in enumerate(txm_seen) if np.array_equal(patch, image)]
        assert np.array_equal(prediction, whole[index])

    if positions:
        places = [positions[int(path.stem)] for path in sorted(Path("images/test/txm").iterdir())]
    else:
        places = write_odd_slices()
        assert program(TEST, "--full_slice").status == 0
        whole = slices_of("results/run/sem_fake_fullslice")
    assert whole.std() > 1
    volume = slices_of("images/test/txm_full_stack")
    assert program(VOLUME, "untiled.ome.zarr").status == 0
    assert np.array_equal(voxels("untiled.ome.zarr")[places], whole)

    model = txm2sem.load("run", device="cpu")
    assert np.array_equal(model.predict(volume)[places], whole)
    if not positions:
        assert program("translate images/test/txm predicted --name run --gpu_ids -1").status == 0
        assert np.array_equal(slices_of("predicted"), whole)
        assert np.array_equal(model.predict(volume[1]), whole[1])

    monkeypatch.setattr(
        "txm2sem.applying.volume.plan.choose_tiling",
        lambda shape, halo, multiple, largest_area: Tiling(shape, (2, 2), halo, multiple),
    )
    assert program(VOLUME, "tiled.ome.zarr").status == 0
    # Sums of another order may fall on the other side of a half.
    assert np.abs(voxels("tiled.ome.zarr")[places].astype(int) - whole).max() <= 1
