"""The Python call: arrays in, arrays out, as the command does it."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

import txm2sem
from txm2sem.errors import UserError
from txm2sem.model import Predictor
from txm2sem.networks import build_generator, initialise
from txm2sem.options import ModelOptions, TrainCommand, to_mapping
from txm2sem.runs import RunPaths, write_options

MODEL = ModelOptions(model="srcnn", netG="sr_resnet_6blocks", ngf=4, downsample_factor=2, norm="batch", no_dropout=True)
TXM = np.random.default_rng(0).integers(100, 1100, (9, 30, 41), np.uint16)
RANGES = {"txm_range": "0,1200", "sem_range": "1000,3000"}


def write_run(folder: Path, model: ModelOptions = MODEL, **data: object) -> RunPaths:
    """Write a trained model with its options."""
    paths = RunPaths.of("run", folder, folder)
    network = build_generator(model)
    initialise(network, init_gain=0.1, generator=torch.Generator().manual_seed(0))
    paths.checkpoints.mkdir(parents=True)
    torch.save(network.state_dict(), paths.network("latest", "G"))
    write_options(paths.options, to_mapping(TrainCommand(model=model)) | RANGES | data)
    return paths


def translate(txm: NDArray[Any], folder: Path, **options: Any) -> NDArray[Any]:
    """Return what the run in a folder predicts."""
    return txm2sem.load("run", checkpoints_dir=folder).predict(txm, **options)


@pytest.mark.parametrize(
    "model",
    [MODEL, dataclasses.replace(MODEL, model="feedforward", netG="resnet_6blocks", downsample_factor=1)],
    ids=["srcnn", "feedforward"],
)
def test_slices_are_what_the_predictor_makes_of_them_in_grey_values_of_the_sem(
    tmp_path: Path, model: ModelOptions
) -> None:
    """Slices of 30 x 41 pixels are continued to what the network takes, as whole slices are in a test."""
    paths = write_run(tmp_path, model)
    predicted = translate(TXM, tmp_path, dtype="float32")
    assert predicted.shape == TXM.shape
    source = torch.from_numpy((TXM.astype(np.float32) / 1200 * 2 - 1)[:, None])
    expected = Predictor.load(paths, "latest", model).any_size(source)[:, 0].numpy() * 1000 + 2000
    np.testing.assert_allclose(predicted, expected, atol=0.2)


def test_neighbouring_slices_are_those_below_and_above(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Across the borders of blocks, here of 4 slices, too."""
    monkeypatch.setattr("txm2sem.applying.volume.plan.DEPTHS", (4,))
    model = dataclasses.replace(MODEL, input_nc=3)
    paths = write_run(tmp_path, model, context_slices=1)
    predicted = translate(TXM, tmp_path, dtype="float32")
    source = torch.from_numpy(TXM.astype(np.float32) / 1200 * 2 - 1)
    predict = Predictor.load(paths, "latest", model).any_size
    for z, seen in ((0, [0, 0, 1]), (3, [2, 3, 4]), (4, [3, 4, 5]), (8, [7, 8, 8])):
        expected = predict(source[seen][None])[0, 0].numpy() * 1000 + 2000
        np.testing.assert_allclose(predicted[z], expected, atol=0.2)


def test_z_blend_is_the_mean_over_the_three_directions(tmp_path: Path) -> None:
    write_run(tmp_path)
    alone = [np.moveaxis(translate(np.moveaxis(TXM, axis, 0), tmp_path, dtype="float32"), 0, axis) for axis in range(3)]
    fused = translate(TXM, tmp_path, dtype="float32", z_blend=True)
    # Two of the three have been half precision in between: 11 bits of a range of 2000.
    np.testing.assert_allclose(fused, np.mean(alone, axis=0), atol=1)


def test_z_blend_would_average_grain_away(tmp_path: Path) -> None:
    textured = ModelOptions(model="pix2pix", netG="textured_unet", ngf=2, norm="none", no_dropout=True)
    write_run(tmp_path, textured)
    assert translate(TXM, tmp_path).shape == TXM.shape
    with pytest.raises(UserError, match="leave --z_blend out"):
        translate(TXM, tmp_path, z_blend=True)


def test_draws_are_images_of_the_same_txm_that_differ(tmp_path: Path) -> None:
    write_run(tmp_path, ModelOptions(model="pix2pix", netG="sampled_unet", ngf=2, norm="none", no_dropout=True))
    model = txm2sem.load("run", checkpoints_dir=tmp_path)
    assert model.samples
    draws = model.draws(TXM, 3)
    assert draws.shape == (3, *TXM.shape)
    assert (draws.std(axis=0) > 0).all()
    np.testing.assert_array_equal(draws[0], model.predict(TXM, dtype="float32"))
    np.testing.assert_array_equal(model.draws(TXM[0], 2), draws[:2, 0])


def test_a_model_that_draws_nothing_says_so(tmp_path: Path) -> None:
    write_run(tmp_path)
    model = txm2sem.load("run", checkpoints_dir=tmp_path)
    assert not model.samples
    with pytest.raises(UserError, match="which predicts one image; leave --draws out"):
        model.draws(TXM, 3)


@pytest.mark.parametrize(
    ("options", "message"),
    [({"dtype": "int8"}, "--dtype int8: expected one of"), ({"z_bland": True}, "has no option --z_bland")],
)
def test_what_does_not_fit_is_an_error(tmp_path: Path, options: dict[str, Any], message: str) -> None:
    write_run(tmp_path)
    with pytest.raises(UserError, match=message):
        translate(TXM, tmp_path, **options)
