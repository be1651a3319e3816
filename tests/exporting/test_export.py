"""An exported model computes what this program does: in another program, and in the hands of a colleague."""

from __future__ import annotations

import io
import json
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from cli.volumes import SEGMENTS, TRANSLATES, write_run
from numpy.typing import NDArray
from run_folders import write_test
from scipy.ndimage import gaussian_filter

import txm2sem
from txm2sem.data import GreyRange, find_empty_level
from txm2sem.data.images import open_image
from txm2sem.errors import UserError
from txm2sem.exporting.card import model_card
from txm2sem.exporting.network import ExportedNetwork
from txm2sem.exporting.sample import COVER_SIDE, ShownImage
from txm2sem.exporting.subject import Exported
from txm2sem.filling.network import fill
from txm2sem.model.model import Model
from txm2sem.options import DataOptions, ExportCommand, RepairCommand, override
from txm2sem.resolving import resolve
from txm2sem.runs import RunPaths

onnxruntime = pytest.importorskip("onnxruntime", reason="needs what the extra `export` installs")
pytest.importorskip("bioimageio.spec", reason="needs what the extra `export` installs")

SAID = {"author": "Your Name; A Colleague", "license": "cc-by-4.0"}

SRCNN: dict[str, Any] = {**TRANSLATES, "model": "srcnn", "output_nc": 2}
UNET: dict[str, Any] = {"model": "pix2pix", "netG": "unet_128", "downsample_factor": 1}
SMALL: dict[str, Any] = {"model": "feedforward", "netG": "residual_unet", "downsample_factor": 1, "norm": "none"}
FILTER: dict[str, Any] = {"model": "feedforward", "netG": "linearfilt", "downsample_factor": 1}
REPAIR: dict[str, Any] = {"model": "repair", "netG": "resnet_6blocks", "downsample_factor": 1, "input_nc": 3}

KINDS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "srgan": (TRANSLATES, {}),
    "laplace": (SRCNN, {"gamma": 0.5, "txm_range": "100,4000"}),
    "pix2pix": (UNET, {}),
    "keeps empty": ({**FILTER, "keep_empty": True}, {}),
    "keeps dark rock": ({**FILTER, "keep_empty": True, "empty_level": "-2.5"}, {"txm_range": "1500,3500"}),
    "fine": ({**SMALL, "netG": "fine_unet", "norm": "batch", "keep_empty": True}, {}),
    "context": ({**SMALL, "input_nc": 3}, {"context_slices": 1}),
    "texture": ({**SMALL, "netG": "textured_unet"}, {}),
    "phases": (SEGMENTS, {"seg_mode": "txm"}),
    "phases and context": ({**SEGMENTS, "input_nc": 3}, {"seg_mode": "txm", "context_slices": 1}),
    "phases of SEM": (SEGMENTS, {"seg_mode": "sem"}),
}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Work in an empty folder."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def image(side: int, count: int = 1, high: float = 255) -> NDArray[np.float32]:
    """Return smooth noise in whole grey values, with a corner that was not imaged, (count, side, side)."""
    noise = gaussian_filter(np.random.default_rng(1).standard_normal((count, side, side)), (0, 1.5, 1.5))
    grey = np.rint((noise - noise.min()) / np.ptp(noise) * 0.9 * high + 0.05 * high)
    grey[:, :20, :24] = 0
    return np.asarray(grey, np.float32)


def computed(path: Path, image: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return what another program makes of channels (C, H, W)."""
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    found: NDArray[np.float32] = session.run(None, {"input": image[None]})[0][0]
    return found


@pytest.mark.parametrize("kind", KINDS)
def test_another_program_computes_what_this_one_does(kind: str) -> None:
    network, data = KINDS[kind]
    write_run("mine", network, **data)
    output = txm2sem.export("mine", "model.onnx")
    with np.load("model.npz") as golden:
        np.testing.assert_allclose(computed(output, golden["input"][0]), golden["output"][0], atol=1e-3)
    segments, high = network["model"] == "segmentation", 4095 if "txm_range" in data else 255
    volume = image(128, 3, high) if "context_slices" in data else image(128, 1, high)
    model = txm2sem.load("mine", **({"seg_mode": data["seg_mode"]} if segments else {}))
    found = computed(output, volume)
    if segments:
        middle = len(volume) // 2
        expected = model.probabilities(volume)[:, middle]
        imaged = volume[middle] > 0
        np.testing.assert_allclose(found[:, imaged], expected[:, imaged], atol=1e-5)
    else:
        expected = model.predict(volume, dtype="float32", grey="as_is")[len(volume) // 2]
        np.testing.assert_allclose(found[0], expected, atol=1e-3)
        assert expected.std() > 1


def test_a_narrow_range_far_from_0_is_scaled_as_here() -> None:
    """Where black and white nearly are the same in single precision, 0 still is what it is for this program."""
    grey = GreyRange(48951.4, 48972.8)
    level = find_empty_level(DataOptions(txm_range=str(grey)))
    options = {**FILTER, "keep_empty": True, "empty_level": level}
    network = ExportedNetwork(options, seen=[(grey.low, grey.high)]).eval()
    source = torch.zeros(1, 1, 16, 32)
    source[..., 16:] = 48960
    empty = network(source)[0, 0] == -1
    assert empty[:, :16].all()
    assert not empty[:, 16:].any()


@pytest.mark.parametrize("sem_only", [False, True])
def test_another_program_repairs_as_this_one_does(sem_only: bool) -> None:
    write_run("mine", REPAIR, sem_only=sem_only, dataset_mode="image_repair", gamma=0.8)
    output = txm2sem.export("mine", "model.onnx")
    txm, sem = image(64), image(64)[:, ::-1]
    mask = np.zeros((64, 64), bool)
    mask[10:30, 20:50] = True
    command = override(resolve(RepairCommand(), {"name": "mine", "gpu_ids": "-1"}), {"patch_size": 64})
    seen = None if sem_only else GreyRange(0, 255).normalise(txm[0])
    intact = GreyRange(10, 200).normalise(sem[0])
    filled = fill(Model.load(command, "latest").predictor, seen, intact, mask, command.data)
    channels = [*([] if sem_only else [txm[0]]), sem[0], mask.astype(np.float32)]
    found = computed(output, np.stack(channels))[0]
    np.testing.assert_allclose(found[~mask], sem[0][~mask], atol=1e-3)
    np.testing.assert_allclose(found[mask], (filled[mask] + 1) / 2 * 190 + 10, atol=1e-3)


def described(path: Path) -> dict[str, Any]:
    """Return what an archive says of the model."""
    with zipfile.ZipFile(path) as archive:
        found: dict[str, Any] = yaml.safe_load(archive.read("bioimageio.yaml"))
        return found


TESTED: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "context": ({**FILTER, "input_nc": 3}, {"context_slices": 1, "gamma": 0.7}),
    "phases": (SEGMENTS, {"seg_mode": "txm"}),
}


@pytest.mark.parametrize("kind", TESTED)
def test_the_tools_of_the_format_find_it_right(kind: str) -> None:
    """With both kinds of weights they find the test output again, which is this program's."""
    core = pytest.importorskip("bioimageio.core", reason="tests the models of the format")
    network, data = TESTED[kind]
    write_run("mine", network, **data)
    output = txm2sem.export("mine", "model.zip", **SAID)
    with zipfile.ZipFile(output) as archive, archive.open("test_output.npy") as file:
        expected = np.load(io.BytesIO(file.read()))
    for weights in ("onnx", "pytorch_state_dict"):
        summary = core.test_model(output, weight_format=weights)
        assert summary.status == "passed", summary.format()
        model = core.load_model_description(output)
        sample = core.digest_spec.get_test_input_sample(model)
        with core.create_prediction_pipeline(model, weight_format=weights) as pipeline:
            (found,) = pipeline.predict_sample_without_blocking(
                sample, skip_input_padding=True, skip_output_cropping=True
            ).members.values()
        np.testing.assert_allclose(found.data.data, expected, atol=1e-3)


def test_an_archive_says_what_its_user_must_know() -> None:
    write_run("mine", TRANSLATES, gamma=0.5, dataroot="/home/me/secret/images")
    output = txm2sem.export("mine", "model.zip", **SAID, citation="A paper, doi 10.1234/abc.5.")
    said = described(output)
    subject = Exported.of(ExportCommand(), "mine")
    assert [author["name"] for author in said["authors"]] == ["Your Name", "A Colleague"]
    assert said["license"] == "CC-BY-4.0"
    assert said["cite"][-1] == {"text": "A paper, doi 10.1234/abc.5.", "doi": "10.1234/abc.5"}
    halo, step = subject.chain.receptive_field, subject.chain.multiple
    axis = said["inputs"][0]["axes"][2]
    assert axis["size"] == {"min": subject.smallest, "step": step}
    assert subject.smallest % step == 0
    assert [axis["halo"] for axis in said["outputs"][0]["axes"][2:]] == [halo, halo]
    scaled = said["inputs"][0]["preprocessing"][-1]["kwargs"]
    assert [scaled["gain"] * grey + scaled["offset"] for grey in (0, 255)] == pytest.approx([-1, 1])
    back = said["outputs"][0]["postprocessing"][0]["kwargs"]
    assert [back["gain"] * value + back["offset"] for value in (-1, 1)] == pytest.approx([10, 200])
    with zipfile.ZipFile(output) as archive:
        assert not any(b"/home/me" in archive.read(name) for name in archive.namelist())


def test_the_card_has_the_scores_of_the_test_and_the_image_is_one_of_its_patches() -> None:
    write_run("mine", FILTER)
    paths = RunPaths.of("mine", Path("checkpoints"), Path("results"))
    untested = ShownImage.of(Exported.of(ExportCommand(), "mine"))
    write_test(paths, 10.0, {"name": "mine"})
    scores = json.loads(paths.scores(".json").read_text())
    subject = Exported.of(ExportCommand(), "mine")
    sample = ShownImage.of(subject)
    assert untested.origin.startswith("a synthetic rock")
    assert sample.origin.startswith("patch ")
    patch = np.asarray(open_image(paths.image("txm", int(sample.origin.split()[1]))).read())
    times = COVER_SIDE // len(patch)  # and not what it is continued by, which the network needs
    cover = sample.cover(subject)
    assert cover.shape == (times * patch.shape[0], 2 * times * patch.shape[1], 3)
    assert np.array_equal(cover[::times, ::times, 0][:, : patch.shape[1]], patch)
    card = model_card(subject, sample, subject.trained, "model.zip", ["a note"])
    psnr = scores["similarity"]["model mine"]["all"]["psnr"]["value"]
    assert f"| model mine | {psnr:.2f}" in card
    assert "| constant |" in card
    assert "## Validation" in card
    assert f"pip install txm2sem-{txm2sem.__version__}-py3-none-any.whl" in card
    paths.scores(".json").write_text(json.dumps(scores | {"epoch": "5"}))
    assert "| constant |" not in model_card(subject, sample, subject.trained, "model.zip", [])


def test_a_colleague_needs_the_file_and_nothing_else(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run("mine", TRANSLATES, txm_range="20,220")
    kept = {"percentiles": [5, 95], "grey_values": [50.0, 190.0]}
    Path("checkpoints/mine/txm_contrast.json").write_text(json.dumps(kept))
    txm = image(64)[0]
    options: list[Mapping[str, Any]] = [{"grey": grey, "dtype": "float32"} for grey in ("as_is", "match")]
    expected = [txm2sem.load("mine").predict(txm, **asked) for asked in options]
    output = txm2sem.export("mine", place / "model.zip", **SAID)
    (place / "elsewhere").mkdir()
    monkeypatch.chdir(place / "elsewhere")
    model = txm2sem.load(output)
    assert model.name == "mine"
    for asked, prediction in zip(options, expected, strict=True):
        np.testing.assert_array_equal(model.predict(txm, **asked), prediction)
    assert not list(Path().iterdir())


def test_two_stages_travel_together(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_run("first", TRANSLATES)
    write_run("phases", SEGMENTS, seg_mode="semfake", seg_source="first")
    txm = image(64)[0]
    expected = txm2sem.load("phases").probabilities(txm)
    output = txm2sem.export("phases", place / "model.zip", **SAID)
    assert list(described(output)["weights"]) == ["onnx"]
    graph = computed(txm2sem.export("phases", place / "model.onnx"), txm[None])
    np.testing.assert_allclose(graph[:, txm > 0], expected[:, txm > 0], atol=1e-5)
    (place / "elsewhere").mkdir()
    monkeypatch.chdir(place / "elsewhere")
    np.testing.assert_array_equal(txm2sem.load(output).probabilities(txm), expected)


@pytest.mark.parametrize(
    ("network", "data", "expected"),
    [
        (TRANSLATES, {"hist_eq": 0.01}, "--hist_eq 0.01"),
        ({**TRANSLATES, "norm": "instance"}, {}, "--norm instance"),
        (TRANSLATES, {"direction": "BtoA"}, "--direction BtoA"),
        ({**SMALL, "netG": "sampled_unet"}, {}, "--netG sampled_unet.*takes noise beside the image"),
    ],
)
def test_what_other_programs_cannot_compute_alike_is_refused(
    network: dict[str, Any], data: dict[str, Any], expected: str
) -> None:
    write_run("mine", network, **data)
    with pytest.raises(UserError, match=expected):
        txm2sem.export("mine", "model.onnx")
    assert {path.name for path in Path().iterdir()} == {"checkpoints"}


@pytest.mark.parametrize(
    ("said", "expected"),
    [
        ({}, "--author is missing"),
        ({"author": " ; "}, "--author is missing"),
        ({"author": "a/b", "license": "MIT"}, "--author a/b"),
        ({"author": "A"}, "--license is missing"),
        ({"author": "A", "license": "MITT"}, "did you mean mit"),
        ({"author": "A", "license": "MIT", "citation": "a paper"}, "--citation a paper"),
        ({"author": "A", "license": "MIT", "epoch": "7"}, "7_net_G.pth"),
    ],
)
def test_what_must_be_said_is_asked_for(said: dict[str, str], expected: str) -> None:
    write_run("mine", FILTER)
    with pytest.raises(UserError, match=expected):
        txm2sem.export("mine", "model.zip", **said)
    assert {path.name for path in Path().iterdir()} == {"checkpoints"}


def test_nothing_is_overwritten_and_a_name_says_the_format() -> None:
    write_run("mine", FILTER)
    Path("model.npz").write_text("mine")
    for name in ("model.onnx", "model.pt"):
        with pytest.raises(UserError, match="model.npz exists" if name == "model.onnx" else "ends with .zip"):
            txm2sem.export("mine", name)
    assert Path("model.npz").read_text() == "mine"
    with pytest.raises(UserError, match=r"there is no checkpoints.absent.options\.yaml"):
        txm2sem.export("absent", "absent.onnx")
