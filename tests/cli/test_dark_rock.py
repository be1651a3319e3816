"""Rock that is darker than the grey range of the training is rock; black is only what was not imaged, grey value 0."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
import yaml
from data_roots import write_slice
from numpy.typing import NDArray

import txm2sem
from cli.calls import Program
from cli.volumes import voxels, write_run, write_scan
from txm2sem.data import find_empty_level
from txm2sem.files import json_text
from txm2sem.options import DataOptions
from txm2sem.runs import RunPaths

RANGE = "22501,27000"
EMPTY, DARK = np.s_[..., :20, :24], np.s_[..., 30:50, 40:60]
SEM = 191
"""What the model makes of whatever it sees, in 8 bits."""


def scan() -> NDArray[np.uint16]:
    """Return a volume of 16 bits with a corner that was not imaged, and a pore that is darker than the range."""
    z, y, x = np.indices((3, 70, 90))
    volume: NDArray[np.uint16] = np.rint(24500 + 1500 * np.sin(x / 9 + z) * np.cos(y / 7)).astype(np.uint16)
    volume[DARK] = 22300 - 40 * x[DARK]
    volume[EMPTY] = 0
    return volume


def write_model(older: bool) -> None:
    """Write a trained run, which an older version has trained, that knew no level of 0; or this one."""
    network: dict[str, Any] = {"model": "feedforward", "netG": "linearfilt", "downsample_factor": 1}
    level = find_empty_level(DataOptions(txm_range=RANGE))
    write_run("mine", {**network, "keep_empty": True, "empty_level": level}, txm_range=RANGE, sem_range="0,255")
    paths = RunPaths.of("mine", Path("checkpoints"), Path("results"))
    weights = {"filter.weight": torch.zeros(1, 1, 15, 15), "filter.bias": torch.full((1,), SEM / 127.5 - 1)}
    torch.save(weights, paths.network("latest", "G"))
    paths.txm_contrast.write_text(json_text({"percentiles": (5, 95), "grey_values": [23000.0, 26000.0]}))
    if older:
        options = yaml.safe_load(paths.options.read_text())
        del options["empty_level"]
        paths.options.write_text(yaml.safe_dump(options))


def expected(shape: tuple[int, ...], older: bool) -> NDArray[np.int64]:
    image = np.full(shape, SEM)
    image[EMPTY] = 0
    if older:
        image[DARK] = 0
    return image


@pytest.mark.parametrize("older", [False, True])
def test_a_dark_pore_keeps_its_prediction_and_what_was_not_imaged_becomes_black(program: Program, older: bool) -> None:
    write_model(older)
    volume = scan()
    write_scan(volume)
    write_slice(Path("txm.tif"), volume[1])
    for words in (
        "volume scan volume.ome.zarr --voxel_size 32 --name mine --gpu_ids -1",
        "translate txm.tif as_is.tif --name mine --gpu_ids -1",
        "translate txm.tif match.tif --name mine --gpu_ids -1 --grey match",
    ):
        outcome = program(words)
        assert outcome.status == 0, outcome.err
    np.testing.assert_array_equal(voxels("volume.ome.zarr"), expected(volume.shape, older))
    np.testing.assert_array_equal(tifffile.imread("as_is.tif"), expected(volume[1].shape, older))
    # What is matched is clipped to the range, at its end that is next to black.
    np.testing.assert_array_equal(tifffile.imread("match.tif"), expected(volume[1].shape, older=False))
    found = txm2sem.load("mine", device="cpu").predict(volume, grey="as_is")
    np.testing.assert_array_equal(found, expected(volume.shape, older))


@pytest.mark.parametrize("older", [False, True])
def test_another_program_finds_the_same(program: Program, older: bool) -> None:
    onnxruntime = pytest.importorskip("onnxruntime", reason="needs what the extra `export` installs")
    write_model(older)
    outcome = program("export mine model.onnx")
    assert outcome.status == 0, outcome.err
    image = scan()[:1, None, :64, :80].astype(np.float32)
    session = onnxruntime.InferenceSession("model.onnx", providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"input": image})
    np.testing.assert_allclose(found, expected(image.shape, older), atol=1e-3)
