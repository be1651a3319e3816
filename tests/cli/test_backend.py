"""`--backend openvino`: predictions near torch's, ranges kept beside the checkpoint, and what is refused."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch
from data_roots import write_stack
from numpy.typing import NDArray
from PIL import Image

from cli.calls import SRGAN, TINY_TRAINING, Program
from cli.volumes import rock, voxels, write_identity, write_network, write_scan
from txm2sem.devices import computes_bf16
from txm2sem.model.backends import Calibration

pytestmark = pytest.mark.openvino

KEPT = Path("checkpoints/run/latest_net_G.int8.json")
TEST = "test --name run --eval --gpu_ids -1"
OPENVINO = f"{TEST} --backend openvino"


def train(program: Program, options: str = "") -> None:
    outcome = program("train --name run --no_html", SRGAN, TINY_TRAINING, options)
    assert outcome.status == 0, outcome.err


def error(program: Program, *words: str) -> str:
    outcome = program(*words)
    assert outcome.status in (1, 2), outcome.out
    return outcome.err


def predictions(folder: str = "sem_fake") -> NDArray[np.int64]:
    return np.stack([np.asarray(Image.open(path)) for path in sorted(Path(f"results/run/{folder}").iterdir())]).astype(
        int
    )


def differ(one: NDArray[np.int64], other: NDArray[np.int64]) -> bool:
    """Say whether predictions are not equal, but by a few grey levels only."""
    gap = np.abs(one - other)
    assert gap.mean() < 2
    return bool(gap.any())


def test_patches_slices_and_cubes_are_predicted_nearly_as_by_torch(trained: Program, images: Path) -> None:
    write_stack(images / "test" / "txm_full_stack", rock((40, 48, 48)))
    cube = "--dataset_mode txm2sem3d --x_ind 0 --y_ind 0"
    for options, folder in (("", "sem_fake"), ("--full_slice", "sem_fake_fullslice"), (cube, "volume_pred_test")):
        assert trained(TEST, options).status == 0
        plain = predictions(folder)
        outcome = trained(OPENVINO, options)
        assert outcome.status == 0, outcome.err
        assert differ(predictions(folder), plain)
        assert f"(kept as {KEPT})" in outcome.out
        assert "dB (PSNR) of the float32 one" in outcome.out


def test_ranges_are_found_once_for_each_checkpoint(trained: Program) -> None:
    assert "quantised now on 32 training patches" in trained(OPENVINO).out
    first = KEPT.read_bytes()
    assert "quantised as before on 32 training patches" in trained(OPENVINO).out
    assert KEPT.read_bytes() == first
    train(trained, "--seed 1")
    KEPT.write_bytes(first)
    assert "quantised now on 32 training patches" in trained(OPENVINO).out
    assert KEPT.read_bytes() != first


def test_a_volume_needs_no_training_patches_after_a_test(trained: Program, images: Path) -> None:
    write_scan(rock((5, 48, 60)))
    volume = "volume scan {}.ome.zarr --name run --voxel_size 32 --gpu_ids -1"
    assert trained(volume.format("plain")).status == 0
    shutil.move(images, "away")
    message = error(trained, volume.format("none"), "--backend openvino")
    assert "Pass --dataroot" in message
    assert "no training split in images" in message
    assert not Path("none.ome.zarr.partial").exists()
    outcome = trained(volume.format("fast"), "--backend openvino --dataroot away")
    assert outcome.status == 0, outcome.err
    assert "quantised now" in outcome.out
    again = trained(volume.format("again"), "--backend openvino --z_blend")
    assert again.status == 0, again.err
    assert "quantised as before" in again.out
    fast, plain = (voxels(f"{name}.ome.zarr").astype(int) for name in ("fast", "plain"))
    assert differ(fast, plain)
    shared = trained(volume.format("shared"), "--backend openvino --workers 2")
    assert shared.status == 0, shared.err
    assert np.array_equal(voxels("shared.ome.zarr"), fast)


def test_what_it_cannot_compute_is_refused(trained: Program) -> None:
    assert "pass --eval" in error(trained, OPENVINO.replace(" --eval", ""))
    if computes_bf16(torch.device("cpu")):  # elsewhere fp32 is used, and said
        assert "pass --precision fp32" in error(trained, OPENVINO, "--precision bf16")
    assert "does nothing with --model repair" in error(trained, "test --model repair --backend openvino")
    assert "does nothing with --model segmentation" in error(trained, "test --model segmentation --backend openvino")
    assert not KEPT.exists()
    write_scan(rock((3, 48, 48)))
    volume = "volume scan out.ome.zarr --voxel_size 32 --gpu_ids -1 --backend openvino"
    assert "--statistics volume takes those of the volume" in error(trained, volume, "--name run --statistics volume")
    write_network("own", norm="instance")
    own = "--model srgan --netG sr_resnet_6blocks --ngf 4 --downsample_factor 2 --norm instance --name own"
    assert "--norm instance takes those of the volume" in error(trained, volume, own)
    write_identity()
    filters = "--model feedforward --netG linearfilt --name identity"
    assert "fast as it is" in error(trained, volume, filters)


def test_a_damaged_file_is_named(trained: Program) -> None:
    trained(OPENVINO)
    for text in ("{", "[]", json.dumps({"ranges": {}})):
        KEPT.write_text(text)
        assert f"{KEPT} is damaged" in error(trained, OPENVINO)


def test_a_loss_of_more_than_a_tenth_of_a_decibel_is_pointed_out() -> None:
    for loss, warned in ((0.05, False), (0.15, True), (-0.2, False)):
        assert ("--backend torch avoids that" in Calibration({}, {}, 40.0, loss).note) == warned
