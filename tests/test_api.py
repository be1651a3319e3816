"""The calls from Python that the README shows."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
from data_roots import write_data_root

import txm2sem
from txm2sem.errors import UserError

README = Path(__file__).resolve().parents[1] / "README.md"
TINY: dict[str, Any] = {
    "model": "feedforward",
    "netG": "resnet_6blocks",
    **{"ngf": 4, "num_train": 4, "niter": 1, "niter_decay": 0, "patch_size": 32, "num_test": 2, "num_threads": 0},
}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a data root `images`, and the run `mine` trained on it."""
    folder = tmp_path_factory.mktemp("api")
    write_data_root(folder / "images")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        run = txm2sem.train("images", "mine", device="cpu", **TINY)
    assert run == txm2sem.Run("mine", Path("checkpoints/mine"), Path("results/mine"))
    return folder


@pytest.fixture
def here(trained: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(trained)
    return trained


@pytest.mark.usefixtures("blank_pictures")
def test_the_lines_of_the_readme_run(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """They are executed as they stand there, on a phantom, with less training."""
    (lines,) = re.findall(r"```python\n(import txm2sem\n.*?)```", README.read_text(), re.DOTALL)
    write_data_root(Path("readme/images"), size=(160, 160))
    monkeypatch.chdir("readme")
    train = txm2sem.train
    less = {"num_train": 8, "niter": 1, "num_threads": 0, "num_test": 4, "time_budget": 0, "ngf": 4, "device": "cpu"}

    def train_less(dataroot: str, name: str, **options: Any) -> txm2sem.Run:
        run = train(dataroot, name, **options | less)
        shutil.copytree("checkpoints/mine", "checkpoints/other")
        return run

    monkeypatch.setattr("txm2sem.api.train", train_less)
    monkeypatch.setattr("txm2sem.trust.opening.PATCHES", 4)
    txm = tifffile.imread("images/test/txm/000.tif")
    tifffile.imwrite("scan.tif", np.stack([txm] * 3), photometric="minisblack", metadata={"axes": "ZYX"})
    names: dict[str, Any] = {}
    exec(lines, names)
    assert names["scores"]["means"]["rows"]["model mine"]["PSNR"]["mean"] > 0
    assert names["sem"].shape == names["trust"].novelty.shape == txm.shape
    assert np.array_equal(np.asarray(txm2sem.open_volume("predicted.ome.zarr"))[0], names["sem"])
    assert (names["filled"].dtype, names["filled"].shape) == (np.uint8, names["charged"].shape)
    assert names["similarity"]["prediction"]["all"]["psnr"]["value"] is None  # infinite: untouched
    assert names["report"].paths.page.is_file()
    assert names["page"].is_file()
    assert names["rock"].labels.shape == names["rock"].txm.shape == (64, 128, 128)


def test_a_model_is_read_once(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    model = txm2sem.load("mine", device="cpu")
    txm = tifffile.imread("images/test/txm/000.tif")
    first = model.predict(txm)
    monkeypatch.setattr("txm2sem.checkpoints.load", None)
    assert np.array_equal(model.predict(txm), first)
    assert np.array_equal(model.predict(np.stack([txm, txm]))[1], first)
    assert model.predict(txm, dtype="float32").dtype == np.float32


def test_statistics_of_a_volume_leave_the_model_as_it_is(here: Path) -> None:
    model = txm2sem.load("mine", device="cpu")
    txm = tifffile.imread("images/test/txm/000.tif")
    first = model.predict(txm)
    assert not np.array_equal(model.predict(txm, statistics="volume"), first)
    assert np.array_equal(model.predict(txm), first)


def test_calls_refuse_what_commands_refuse(here: Path) -> None:
    model = txm2sem.load("mine", device="cpu")
    txm = tifffile.imread("images/test/txm/000.tif")
    for options, words in (
        ({"statistics": "volum"}, "--statistics volum: expected one of frozen, volume"),
        ({"seed": -4}, "--seed -4: expected 0 or more"),
        ({"dtype": "int8"}, "--dtype int8: expected one of"),
        ({"grey": "matched"}, "--grey matched: expected one of"),
        ({"no_such": 1}, "has no option --no_such"),
    ):
        with pytest.raises(UserError, match=re.escape(words)):
            model.predict(txm, **options)
    with pytest.raises(UserError, match="--precision fp16: expected one of fp32, bf16"):
        txm2sem.load("mine", precision="fp16")
    with pytest.raises(UserError, match="device gpu: expected one of auto, cpu, cuda"):
        txm2sem.load("mine", device="gpu")
    with pytest.raises(UserError, match="none"):
        txm2sem.load("none")


def test_the_model_that_comes_along_matches_the_contrast(here: Path) -> None:
    txm = tifffile.imread("images/test/txm/000.tif")
    model = txm2sem.load(device="cpu")
    found, other = model.predict(txm), model.predict(txm.astype(np.uint16) * 200 + 1000)
    assert np.abs(found.astype(int) - other).mean() < 2
    assert np.array_equal(model.predict(txm[None])[0], found)


def test_a_slice_is_repaired_in_its_own_type() -> None:
    rng = np.random.default_rng(0)
    sem = rng.integers(900, 1100, (60, 70)).astype(np.uint16)
    charge = np.zeros(sem.shape, bool)
    charge[20:30, 20:40] = True
    charged = np.where(charge, np.uint16(60000), sem)
    filled = txm2sem.repair(charged, charge)
    assert filled.dtype == np.uint16
    assert np.array_equal(filled[~charge], sem[~charge])
    assert 950 < filled[charge].mean() < 1050
    assert filled[charge].std() < txm2sem.repair(charged, charge, seed=0)[charge].std()


def test_scores_are_of_one_range() -> None:
    rng = np.random.default_rng(0)
    truth = rng.integers(0, 255, (2, 40, 40), np.uint8)
    prediction = np.clip(truth.astype(int) + 10, 0, 255).astype(np.uint8)
    found = txm2sem.scores(prediction, truth)
    error = np.mean((prediction.astype(float) - truth) ** 2, axis=(1, 2))
    expected = np.mean(10 * np.log10(255**2 / error))
    assert found["similarity"]["prediction"]["all"]["psnr"]["value"] == pytest.approx(expected)
    assert found["images"] == 2
    assert found["units"]["psnr"] == "dB"
    half = np.zeros(truth.shape, np.uint8)
    half[:, :20] = 1
    assert txm2sem.scores(np.where(half > 0, truth, 0), truth, half)["valid_share"] == 0.5
    for bad in (truth.astype(np.uint16) * 257, truth / 255.0, truth[0]):
        with pytest.raises(UserError, match="of uint8, both of one shape"):
            txm2sem.scores(bad, truth)


def test_volumes_are_sliced_like_arrays(tmp_path: Path) -> None:
    array = np.arange(4 * 5 * 6, dtype=np.uint16).reshape(4, 5, 6) + 1
    tifffile.imwrite(tmp_path / "scan.tif", array, photometric="minisblack", metadata={"axes": "ZYX"})
    volume = txm2sem.open_volume(tmp_path / "scan.tif", voxel_size=(40, 32, 32))
    assert (volume.shape, volume.dtype, volume.voxel_size) == ((4, 5, 6), np.dtype("uint16"), (40.0, 32.0, 32.0))
    assert np.array_equal(np.asarray(volume), array)
    for key in (1, -1, np.s_[1:3], np.s_[:, 2], np.s_[..., -1], np.s_[0, 1, 2], np.s_[1:, ::2, 3:5], np.s_[2, ..., 1]):
        assert np.array_equal(volume[key], array[key])
    outside: list[Any] = [4, np.s_[:, -6], np.s_[0, 0, 0, 0]]
    for place in outside:
        with pytest.raises(IndexError):
            volume[place]
    part = txm2sem.open_volume(tmp_path / "scan.tif", roi="1:3,:,2:")
    assert np.array_equal(part, array[1:3, :, 2:])


def test_a_volume_goes_from_file_to_file(here: Path) -> None:
    txm = np.stack([tifffile.imread(path) for path in sorted(Path("images/test/txm").iterdir())])
    tifffile.imwrite("scan.tif", txm, photometric="minisblack", metadata={"axes": "ZYX"})
    model = txm2sem.load("mine", device="cpu")
    report = model.predict_volume("scan.tif", "predicted.ome.zarr", voxel_size=32)
    assert report["model"] == "mine (epoch latest)"
    assert np.array_equal(np.asarray(txm2sem.open_volume("predicted.ome.zarr")), model.predict(txm))
    assert txm2sem.open_volume("predicted.ome.zarr").voxel_size == (32.0, 32.0, 32.0)


def test_importing_takes_no_libraries_that_are_slow() -> None:
    code = "import sys, txm2sem; print(sorted({'torch', 'numpy', 'matplotlib'} & set(sys.modules)), dir(txm2sem))"
    said = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout
    assert said.startswith("[] ")
    assert "'open_volume'" in said
    with pytest.raises(AttributeError, match="no attribute 'no_such'"):
        txm2sem.no_such  # noqa: B018
