"""`--uncertainty`: what tests and volumes say of where not to believe them, and what they keep for that."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
import zarr
from data_roots import write_data_root
from numpy.typing import NDArray
from PIL import Image

import txm2sem
from cli.calls import SRGAN, TINY_TRAINING, Program, options_of
from cli.volumes import rock, voxels, write_scan
from txm2sem.cli.main import main
from txm2sem.errors import UserError
from txm2sem.model.first_stage import load_first_stage
from txm2sem.model.model import Model
from txm2sem.options import DataOptions, TestCommand, TrainedOptions
from txm2sem.runs import RunPaths
from txm2sem.testing.trust import order_text
from txm2sem.training.fit import move_earlier_run
from txm2sem.trust import Trust, open_trust, opening
from txm2sem.trust.fitting import fit_trust
from txm2sem.trust.model import TrustModel

KEPT = Path("checkpoints/run/latest_net_G.trust.json")
RESULTS = Path("results/run")
TEST = "test --name run --eval --gpu_ids -1"
VOLUME = "volume scan {} --name run --voxel_size 32 --gpu_ids -1"


@pytest.fixture(scope="module")
def trained_once(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with images and a run that has dropout and two checkpoints."""
    folder = tmp_path_factory.mktemp("trained")
    write_data_root(folder / "images", slices=3)
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        options = f"train --name run --no_html --save_epoch_freq 1 --init_gain 0.2 {SRGAN} {TINY_TRAINING}"
        assert main(options.split()) == 0
    return folder


@pytest.fixture
def trained(program: Program, trained_once: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    monkeypatch.setattr(opening, "PATCHES", 8)
    shutil.copytree(trained_once, ".", dirs_exist_ok=True)
    return program


def succeeds(program: Program, *words: str) -> str:
    outcome = program(*words)
    assert outcome.status == 0, outcome.err
    return outcome.out


def error(program: Program, *words: str) -> str:
    outcome = program(*words)
    assert outcome.status in (1, 2), outcome.out
    return outcome.err


def while_fitting(monkeypatch: pytest.MonkeyPatch, happens: Callable[[], object]) -> None:
    """Let something happen while what is kept of a model is found."""

    def fitted(*arguments: Any) -> TrustModel:
        happens()
        return fit_trust(*arguments)

    monkeypatch.setattr(opening, "fit_trust", fitted)


def report() -> dict[str, Any]:
    found: dict[str, Any] = json.loads((RESULTS / "trust.json").read_text())
    return found


@pytest.mark.parametrize(("use", "said"), [(-0.39, "does not tell"), (0.0, "does not tell"), (0.6, "60 % of the way")])
def test_what_an_uncertainty_does_for_the_order_of_errors_is_said(use: float, said: str) -> None:
    assert said in order_text(use)


def test_what_is_found_of_a_run_does_not_come_to_a_later_one_of_its_name(
    trained: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_scan(rock((3, 40, 40)))

    def begin_anew() -> None:
        Path("checkpoints/run").rename("checkpoints/earlier")
        shutil.copytree("checkpoints/earlier", "checkpoints/run")
        shutil.copy("checkpoints/run/1_net_G.pth", "checkpoints/run/latest_net_G.pth")

    while_fitting(monkeypatch, begin_anew)
    said = succeeds(trained, VOLUME.format("out.ome.zarr"), "--uncertainty 3")
    assert not KEPT.exists()
    assert "not kept: checkpoints/run/latest_net_G.pth" in said


def test_a_run_that_is_tested_is_not_moved_away(trained: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    refused: list[str] = []

    def train_too() -> None:
        with pytest.raises(UserError, match="another process"):
            move_earlier_run(RunPaths.of("run", Path("checkpoints"), Path("results")), refused.append)
        refused.append("refused")

    while_fitting(monkeypatch, train_too)
    succeeds(trained, TEST, "--uncertainty 3")
    assert refused == ["refused"]
    assert KEPT.exists()


@pytest.mark.draws
def test_a_test_says_where_not_to_believe_it_and_scores_as_without(trained: Program) -> None:
    fitted_on = "--phase val --num_test 8"
    out = succeeds(trained, TEST, fitted_on, "--uncertainty 3")
    shutil.copytree(RESULTS, "judged")
    succeeds(trained, TEST, fitted_on)
    # What judged the predictions before is set aside with them.
    left = {path.relative_to(RESULTS): path.read_bytes() for path in RESULTS.rglob("*.*")}
    judged = {path.relative_to("judged") for path in Path("judged").rglob("*.*")}
    assert {path.parts[0] for path in judged - set(left)} == {
        *("uncertainty", "contradiction", "trust.json", "trust.png", "calibration.png")
    }
    for path, content in left.items():
        beside = (Path("judged") / path).read_bytes()
        if path.name == "scores.json":
            one, other = json.loads(beside), json.loads(content)
            assert [one.pop("options")["uncertainty"], other.pop("options")["uncertainty"]] == [3, 0]
            assert one == other
        elif path.name != "test_opt.txt":
            assert beside == content, path
    shutil.rmtree(RESULTS)
    shutil.move("judged", RESULTS)
    assert "uncertainty from 3 dropout samples, calibrated now on 8 validation patches" in out
    assert f"(kept as {KEPT})" in out
    found = report()
    assert found["uncertainty"]["method"] == "dropout"
    assert found["uncertainty"]["samples"] == 3
    assert found["uncertainty"]["tested"]["pixels"] <= 8 * 32 * 32
    # The patches, and what is drawn in them, are those that it was calibrated on.
    tested, validation = found["uncertainty"]["tested"], found["uncertainty"]["validation"]
    assert tested["curve"]["raw"] == validation["curve"]["raw"]
    assert tested["coverage"] == validation["coverage"]
    assert found["guard"]["tested"]["contradicting_share_of_true_sem"] == pytest.approx(0.01, abs=2e-3)
    for split in ("validation", "tested"):
        assert set(found["uncertainty"][split]["coverage"]["calibrated"]) == {"68", "95"}
    assert len(found["novelty"]["distances"]) == found["images"] == 8
    beyond = [index for index, far in enumerate(found["novelty"]["distances"]) if far > found["novelty"]["threshold"]]
    assert found["novelty"]["flagged"] == beyond
    for picture in ("trust.png", "calibration.png"):
        with Image.open(RESULTS / picture) as image:
            assert image.width > 800
    assert "results/run/trust.png" in out

    spreads = np.stack([tifffile.imread(path) for path in sorted((RESULTS / "uncertainty").iterdir())])
    scores = np.stack([tifffile.imread(path) for path in sorted((RESULTS / "contradiction").iterdir())])
    assert spreads.shape == scores.shape == (8, 32, 32)
    assert spreads.dtype == scores.dtype == np.float32
    # The report's numbers are those of the saved maps.
    valid = ~np.stack([np.asarray(Image.open(path)) > 0 for path in sorted((RESULTS / "charge").iterdir())])
    expected = np.sqrt(np.mean(spreads[valid].astype(float) ** 2))
    assert found["uncertainty"]["tested"]["mean_spread"] == pytest.approx(expected, rel=0.01)
    share = np.mean(np.abs(scores[valid]) >= found["guard"]["threshold"])
    assert found["guard"]["tested"]["contradicting_share"] == pytest.approx(share, abs=1e-6)


def opened(words: str) -> Trust:
    """Return what judges, without the test around it."""
    command = options_of(TestCommand(), f"--name run --eval --gpu_ids -1 {words}".split())
    trust = open_trust(command, Model.load(command, "latest"))
    assert trust is not None
    return trust


def test_what_is_fitted_is_kept_until_checkpoint_or_samples_change(trained: Program) -> None:
    fitted = opened("--uncertainty 2")
    first = KEPT.read_bytes()
    again = opened("--uncertainty 2 --seed 4")
    assert "calibrated now" in fitted.notes[0]
    assert "calibrated as before" in again.notes[0]
    assert KEPT.read_bytes() == first
    assert fitted.model.guard == again.model.guard
    assert "calibrated now" in opened("--uncertainty 3").notes[0]
    assert KEPT.read_bytes() != first
    KEPT.write_bytes(first)
    shutil.copy("checkpoints/run/1_net_G.pth", "checkpoints/run/latest_net_G.pth")
    assert "calibrated now" in opened("--uncertainty 2").notes[0]
    for damaged in ("{", json.dumps({"identity": opened("--uncertainty 2").model.identity})):
        KEPT.write_text(damaged)
        with pytest.raises(UserError, match=f"{KEPT} is damaged"):
            opened("--uncertainty 2")


def test_whole_slices_and_checkpoints(trained: Program) -> None:
    out = succeeds(trained, TEST, "--uncertainty 2 --uncertainty_from checkpoints --full_slice --ntest 1")
    assert "uncertainty from 2 checkpoints (latest, 1)" in out
    assert tifffile.imread(RESULTS / "uncertainty_fullslice/000.tif").shape == (96, 96)
    assert report()["uncertainty"]["method"] == "checkpoints"


def test_a_model_learns_how_large_its_error_is(trained: Program) -> None:
    laplace = "train --name laplace --model feedforward --netG resnet_6blocks --regression_loss laplace"
    succeeds(trained, laplace, "--print_freq 1 --lambda_img_grad 1e-4 --ignore_charged", TINY_TRAINING)
    lines = Path("checkpoints/laplace/loss_log.txt").read_text()
    assert "G_laplace" in lines
    assert "G_jacobian" in lines
    out = succeeds(trained, "test --name laplace --eval --gpu_ids -1 --uncertainty 1")
    assert "uncertainty from the scale of the error that the model predicts" in out
    found = json.loads(Path("results/laplace/trust.json").read_text())["uncertainty"]
    assert (found["method"], found["samples"]) == ("scale", 1)
    assert found["tested"]["curve"]["raw"][0] >= 127.5 / 256 * np.sqrt(2)
    data = DataOptions(seg_mode="semfake", seg_source="laplace", patch_size=32, txm_range="0,255", sem_range="0,255")
    translator = load_first_stage(TrainedOptions(), data)
    assert translator is not None
    assert translator(torch.zeros(1, 1, 32, 32)).shape == (1, 1, 32, 32)
    for words in ("--continue_train --niter_decay 2 --regression_loss L1", "--regression_loss L2 --output_nc 2"):
        assert "expected 1, as the second channel" in error(trained, laplace, TINY_TRAINING, words)


def test_what_cannot_be_judged_is_refused(trained: Program, images: Path) -> None:
    assert "pass --eval" in error(trained, "test --name run --gpu_ids -1 --uncertainty 2")
    assert "expected 2 or more" in error(trained, TEST, "--uncertainty 1")
    assert "does nothing without --uncertainty" in error(trained, TEST, "--uncertainty_from dropout")
    assert "pass --backend torch" in error(trained, TEST, "--uncertainty 2 --backend openvino")
    assert "pass --uncertainty 2" in error(trained, TEST, "--uncertainty 3 --uncertainty_from checkpoints")
    assert "does nothing with --model repair" in error(trained, "test --model repair --uncertainty 2")
    assert "does nothing with --dataset_mode" in error(trained, TEST, "--dataset_mode txm2sem3d --uncertainty 2")
    write_scan(rock((3, 48, 48)))
    assert "leave one of the two out" in error(trained, VOLUME.format("out.tif"), "--uncertainty 2 --z_blend")
    shutil.rmtree("images/val")
    assert "txm2sem test --name run --eval --uncertainty 2" in error(trained, TEST, "--uncertainty 2")
    assert not RESULTS.exists()
    assert not KEPT.exists()


def channels_of(path: str) -> tuple[list[str], NDArray[Any]]:
    group = zarr.open_group(path, mode="r")
    attributes: Any = group.attrs["ome"]
    return [channel["label"] for channel in attributes["omero"]["channels"]], voxels(path)


def test_a_volume_has_further_channels_and_the_same_prediction(trained: Program) -> None:
    write_scan(rock((5, 64, 300)))
    succeeds(trained, VOLUME.format("plain.ome.zarr"))
    assert "uncertainty" not in json.dumps(dict(zarr.open_group("plain.ome.zarr", mode="r").attrs))
    opened("--uncertainty 2")
    shutil.rmtree("images")
    out = succeeds(trained, VOLUME.format("judged.ome.zarr"), "--uncertainty 2")
    assert "calibrated as before" in out
    assert "of the voxels contradict the TXM" in out
    names, found = channels_of("judged.ome.zarr")
    assert names == ["predicted SEM", "uncertainty", "contradiction", "novelty"]
    assert found.shape == (4, 5, 64, 300)
    assert np.array_equal(found[0], voxels("plain.ome.zarr"))
    assert found[1].any()
    # A pyramid of every channel.
    coarse = np.asarray(zarr.open_array("judged.ome.zarr/1", mode="r")[:])
    assert coarse.shape == (4, 3, 32, 150)
    assert coarse[1, :2].mean() == pytest.approx(found[1, :4].mean(), abs=1)

    stack = succeeds(trained, VOLUME.format("stack.ome.tif"), "--uncertainty 2 --dtype float32")
    assert "channels:   prediction, uncertainty, contradiction, novelty" in stack
    with tifffile.TiffFile("stack.ome.tif") as file:
        assert file.series[0].axes == "CZYX"
        assert file.ome_metadata is not None
        assert 'Name="contradiction"' in file.ome_metadata
        numbers = file.asarray()
    assert np.array_equal(np.rint(numbers[1]).clip(0, 255), found[1])
    np.testing.assert_allclose(numbers[2].clip(0, 10) * 25.5, found[2], atol=0.51)
    np.testing.assert_allclose(numbers[3].clip(0, 5) * 51, found[3], atol=0.51)
    array = txm2sem.load("run", device="cpu").predict(rock((5, 64, 300)), uncertainty=2, dtype="float32")
    assert np.array_equal(array, numbers)


def test_a_model_that_sees_neighbours_is_judged_like_any_other(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "PATCHES", 8)
    succeeds(program, "phantom images --size 64 --depth 40 --train_slices 2 --test_slices 2")
    succeeds(program, "train --name run --no_html --context_slices 1", SRGAN, TINY_TRAINING)
    assert "uncertainty" in succeeds(program, TEST, "--uncertainty 2")
    stack = "volume images/test/txm_full_stack {} --name run --voxel_size 32 --gpu_ids -1"
    succeeds(program, stack.format("plain.ome.zarr"))
    succeeds(program, stack.format("judged.ome.zarr"), "--uncertainty 2")
    found = voxels("judged.ome.zarr")
    assert found.shape == (4, 40, 64, 64)
    assert np.array_equal(found[0], voxels("plain.ome.zarr"))
    assert found[1].any()


def test_arrays_of_16_bits_are_judged_in_their_own_grey_values(
    program: Program, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(opening, "PATCHES", 8)
    write_data_root(Path("images"), slices=3, dtype="uint16")
    succeeds(program, "train --name run --no_html", SRGAN, TINY_TRAINING)
    model = txm2sem.load("run", device="cpu")
    scan = rock((2, 64, 64), "uint16")
    plain = model.predict(scan, dtype="float32")
    judged = model.predict(scan, uncertainty=2, dtype="float32")
    assert np.array_equal(judged[0], plain)
    # A standard deviation in steps of 16 bits, not of 8.
    assert np.median(judged[1]) > 255
