"""The main job through the command line: train, resume, test, and what lies where afterwards."""

from __future__ import annotations

import re
import runpy
import signal
import sys
import time
from functools import partial
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
import yaml
from data_roots import write_bars, write_data_root
from forks import Fork
from PIL import Image

from cli.calls import SRGAN, TINY, TINY_TRAINING, Program
from txm2sem.cli.main import main
from txm2sem.reporting import verdict_on
from txm2sem.runs import RunPaths
from txm2sem.training.translation import TranslationModule

MODELS = {
    "feedforward": "--model feedforward",
    "srcnn": "--model srcnn --netG sr_resnet_6blocks --downsample_factor 4 --lambda_img_grad 1e-4",
    "pix2pix": "--model pix2pix --netG resnet_6blocks --gan_mode wgangp --lambda_gp 10 --pool_size 2",
    "srgan": f"{SRGAN} --d_condition --lambda_img_grad 1e-4 --weight_decay 1e-3",
}
NETWORKS = {"feedforward": "G", "srcnn": "G", "pix2pix": "GD", "srgan": "GD"}


def weights(folder: Path, label: str = "latest") -> dict[str, torch.Tensor]:
    """Return all weights saved under a label, by network and key."""
    return {
        f"{path.stem[-1]}.{key}": value
        for path in sorted(folder.glob(f"{label}_net_*.pth"))
        for key, value in torch.load(path, weights_only=True).items()
    }


def assert_equal_weights(one: Path, other: Path) -> None:
    first, second = weights(one), weights(other)
    assert first.keys() == second.keys()
    for key, value in first.items():
        assert torch.equal(value, second[key]), key


@pytest.mark.parametrize(
    "model", [pytest.param(model, marks=pytest.mark.draws if model == "pix2pix" else ()) for model in MODELS]
)
def test_each_model_trains_and_tests(program: Program, images: Path, model: str) -> None:
    outcome = program(f"train --name run --save_epoch_freq 1 {MODELS[model]}", TINY_TRAINING)
    assert outcome.status == 0, outcome.err
    folder = Path("checkpoints/run")
    for network in NETWORKS[model]:
        for label in ("1", "2", "latest"):
            assert (folder / f"{label}_net_{network}.pth").exists()
    assert all(torch.isfinite(value).all() for value in weights(folder).values())
    metrics = (folder / "run_metrics.txt").read_text().splitlines()
    assert [line.split(")")[0] for line in metrics] == ["(epoch: 0", "(epoch: 1", "(epoch: 2"]
    assert all(re.fullmatch(r"\(epoch: \d\) PSNR=\S+±\S+, SSIM=\S+±\S+", line) for line in metrics)

    # What the checkpoint knows need not be said again.
    outcome = program("test --name run")
    assert outcome.status == 0, outcome.err
    assert "results/run/overview.png" in outcome.out
    expected = verdict_on(RunPaths.of("run", Path("checkpoints"), Path("results"))).lines()
    ending = ["tables:   results/run/scores.txt", *expected, "next:     txm2sem report run"]
    assert outcome.out.splitlines()[-len(ending) :] == ending


@pytest.mark.draws
@pytest.mark.usefixtures("trained")
def test_results_lie_where_the_original_code_puts_them(program: Program) -> None:
    assert program("test --name run").status == 0
    results = Path("results/run")
    for folder in ("txm", "sem", "sem_fake", "charge", "lowdensity", "highdensity"):
        files = sorted((results / folder).iterdir())
        assert [file.name for file in files] == ["000.png", "001.png", "002.png"]
        pixels = np.asarray(Image.open(files[0]))
        assert pixels.shape == (32, 32)
        assert pixels.dtype == np.uint8
    with Image.open(results / "overview.png") as overview:
        assert overview.width > 800
    text = (results / "eval_metrics.txt").read_text()
    assert text.startswith("(epoch: latest) PSNR=")
    for name in ("model run", "raw TXM", "constant", "linear fit", "blurred linear fit", "blurred curve fit"):
        assert re.search(rf"^{name}.*±.*±", text, re.MULTILINE), name


@pytest.mark.usefixtures("trained")
def test_the_scores_are_those_of_the_saved_images(program: Program) -> None:
    assert program("test --name run --eval").status == 0
    results = Path("results/run")
    pairs = [
        (np.asarray(Image.open(path)).astype(float), np.asarray(Image.open(results / "sem" / path.name)).astype(float))
        for path in sorted((results / "sem_fake").iterdir())
    ]
    expected = np.mean([10 * np.log10(255**2 / np.mean((one - other) ** 2)) for one, other in pairs])
    found = re.search(r"PSNR=([\d.]+)±", (results / "eval_metrics.txt").read_text())
    assert found
    assert float(found[1]) == pytest.approx(expected)


@pytest.mark.usefixtures("trained")
def test_without_eval_a_note_says_so_and_the_prediction_depends_on_the_patch(program: Program) -> None:
    before = weights(Path("checkpoints/run"))
    plain = program("test --name run --results_dir plain")
    frozen = program("test --name run --results_dir frozen --eval")
    assert "without --eval" in plain.out
    assert "without --eval" not in frozen.out
    one, other = (np.asarray(Image.open(f"{place}/run/sem_fake/000.png")) for place in ("plain", "frozen"))
    assert not np.array_equal(one, other)
    assert all(torch.equal(value, before[key]) for key, value in weights(Path("checkpoints/run")).items())
    again = program("test --name run --results_dir again")
    assert again.out.replace("again", "plain") == plain.out


def test_the_same_seed_gives_the_same_model_and_another_seed_another(program: Program, images: Path) -> None:
    for name, options in (("one", ""), ("two", "--num_threads 2"), ("three", "--seed 1")):
        assert program(f"train --name {name}", SRGAN, TINY_TRAINING, options).status == 0
    assert_equal_weights(Path("checkpoints/one"), Path("checkpoints/two"))
    with pytest.raises(AssertionError):
        assert_equal_weights(Path("checkpoints/one"), Path("checkpoints/three"))


@pytest.mark.parametrize(
    "choice", ["--lr_policy linear --batch_size 2 --accumulate 2", "--lr_policy plateau --ema 0.9"]
)
def test_a_resumed_run_equals_the_uninterrupted_one_bit_for_bit(program: Program, images: Path, choice: str) -> None:
    options = f"{SRGAN} --pool_size 2 --lambda_img_grad 1e-4 --jacobian_interval 3 {choice}"
    assert program("train --name whole --niter 2 --niter_decay 2", options, _without_length(TINY_TRAINING)).status == 0
    assert program("train --name parts --niter 2 --niter_decay 0", options, _without_length(TINY_TRAINING)).status == 0
    outcome = program("train --name parts --continue_train --niter_decay 2")
    assert outcome.status == 0, outcome.err
    assert "going on with parts at epoch 3" in outcome.out
    assert_equal_weights(Path("checkpoints/whole"), Path("checkpoints/parts"))
    logs = [Path(f"checkpoints/{name}/{name}_metrics.txt").read_text() for name in ("whole", "parts")]
    assert logs[0] == logs[1]


def _without_length(options: str) -> str:
    return options.removesuffix("--niter 1 --niter_decay 1")


def test_ctrl_c_leaves_a_run_that_resumes_in_the_middle_of_an_epoch(tmp_path: Path, program: Program) -> None:
    write_data_root(tmp_path / "images")
    options = f"{SRGAN} {_without_length(TINY_TRAINING)} --num_train 60 --niter 1 --niter_decay 1 --print_freq 1"
    assert program("train --name whole", options).status == 0

    process = Fork(partial(main, ["train", "--name", "parts", *options.split()]), tmp_path)
    log = tmp_path / "checkpoints/parts/loss_log.txt"
    end = time.monotonic() + 120
    while not (log.exists() and len(log.read_text().splitlines()) > 10):
        assert process.alive and time.monotonic() < end
        time.sleep(0.01)
    process.send(signal.SIGINT)
    assert process.end()[0] == 130

    position = torch.load(tmp_path / "checkpoints/parts/latest_state.pth", weights_only=True)["position"]
    assert 0 < position["iteration"] < 120
    outcome = program("train --name parts --continue_train")
    assert outcome.status == 0, outcome.err
    assert_equal_weights(tmp_path / "checkpoints/whole", tmp_path / "checkpoints/parts")
    losses = [Path(f"checkpoints/{name}/loss_log.txt").read_text() for name in ("whole", "parts")]
    assert losses[0] == losses[1]


def test_ctrl_c_in_the_first_validation_leaves_a_run_that_resumes(
    tmp_path: Path, program: Program, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    options = f"{SRGAN} {TINY_TRAINING} --niter_decay 0"
    assert program("train --name whole", options).status == 0

    with monkeypatch.context() as patch:
        patch.setattr(TranslationModule, "validation_step", lambda *_: signal.raise_signal(signal.SIGINT))
        assert program("train --name parts", options).status == 130

    outcome = program("train --name parts --continue_train")
    assert outcome.status == 0, outcome.err
    assert_equal_weights(tmp_path / "checkpoints/whole", tmp_path / "checkpoints/parts")


@pytest.mark.usefixtures("trained")
def test_weights_of_the_original_code_can_be_trained_further(program: Program) -> None:
    folder = Path("checkpoints/run")
    for path in folder.iterdir():
        if path.is_file() and not path.name.startswith("latest_net_"):
            path.unlink()
    outcome = program("train --name run --continue_train --epoch_count 2", SRGAN, TINY_TRAINING)
    assert outcome.status == 0, outcome.err
    assert "from the weights alone, at epoch 2" in outcome.out


@pytest.mark.usefixtures("trained")
def test_continuing_a_finished_run_says_so(program: Program) -> None:
    outcome = program("train --name run --continue_train")
    assert outcome.status == 0
    assert "trained for all its 2 epochs" in outcome.out


@pytest.mark.usefixtures("trained")
def test_an_earlier_run_of_the_name_is_moved_aside_whole(program: Program) -> None:
    assert program("test --name run").status == 0
    before = {path.name for path in Path("checkpoints/run").iterdir()} - {".lock"}  # which holds the place, not the run
    outcome = program("train --name run", SRGAN, TINY_TRAINING)
    (kept,) = [path for path in Path("checkpoints").iterdir() if path.name != "run"]
    (kept_results,) = [path for path in Path("results").iterdir() if path.name != "run"]
    assert {path.name for path in kept.iterdir()} == before
    assert (kept_results / "overview.png").exists()
    assert str(kept) in outcome.out
    assert str(kept_results) in outcome.out


@pytest.mark.usefixtures("trained")
def test_a_second_test_keeps_the_first_and_everything_else_in_the_folder(program: Program) -> None:
    assert program("test --name run").status == 0
    Path("results/run/mine.txt").write_text("my notes")
    outcome = program("test --name run --num_test 2")
    assert outcome.status == 0
    (kept,) = [path for path in Path("results").iterdir() if path.name != "run"]
    assert str(kept) in outcome.out
    assert len(list((kept / "sem_fake").iterdir())) == 3
    assert len(list(Path("results/run/sem_fake").iterdir())) == 2
    assert Path("results/run/mine.txt").read_text() == "my notes"


def test_checkpoints_by_iteration_and_by_epoch_can_be_tested(program: Program, images: Path) -> None:
    options = "--name run --save_by_iter --save_latest_freq 3 --save_epoch_freq 2 --niter_decay 2"
    assert program("train", SRGAN, TINY_TRAINING, options).status == 0
    labels = {path.name.removesuffix("_net_G.pth") for path in Path("checkpoints/run").glob("*_net_G.pth")}
    assert labels == {"latest", "best", "2", "iter_3", "iter_6", "iter_9", "iter_12"}
    for choice, label in (("--load_iter 6", "iter_6"), ("--epoch 2", "2")):
        assert program("test --name run", choice).status == 0
        assert Path("results/run/eval_metrics.txt").read_text().startswith(f"(epoch: {label}) ")


def test_options_are_saved_resolved_and_read_by_the_test(program: Program, images: Path) -> None:
    assert program("train --name run --suffix {netG}_p{patch_size}", SRGAN, TINY_TRAINING).status == 0
    name = "run_sr_resnet_6blocks_p32"
    saved = yaml.safe_load(Path(f"checkpoints/{name}/options.yaml").read_text())
    assert saved["lambda_L1"] == 1000.0
    assert saved["norm"] == "batch"
    assert saved["txm_range"] == "0,255"
    assert "netG" in Path(f"checkpoints/{name}/train_opt.txt").read_text()
    assert program(f"test --name {name} --num_test 2").status == 0
    assert Path(f"results/{name}/test_opt.txt").exists()


def test_sixteen_bit_slices_train_with_a_measured_range(program: Program, tmp_path: Path) -> None:
    write_data_root(tmp_path / "images", dtype="uint16")
    assert program("train --name run", SRGAN, TINY_TRAINING).status == 0
    low, high = map(float, yaml.safe_load(Path("checkpoints/run/options.yaml").read_text())["txm_range"].split(","))
    path = sorted((tmp_path / "images/train/txm").iterdir())[0]
    values = tifffile.imread(path)
    assert values[values > 0].min() <= low < high <= values.max()
    assert program("test --name run").status == 0
    shown = np.asarray(Image.open("results/run/txm/000.png"))
    assert 20 < shown.mean() < 235
    assert shown.std() > 5


def test_bf16_training_stays_close_to_fp32(program: Program, images: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("txm2sem.devices.computes_bf16", lambda device: True)
    for precision in ("fp32", "bf16"):
        options = f"--name {precision} --precision {precision} --lambda_img_grad 1e-4 --print_freq 4"
        assert program("train", SRGAN, TINY_TRAINING, options).status == 0
    lines = [Path(f"checkpoints/{name}/loss_log.txt").read_text().splitlines()[0] for name in ("fp32", "bf16")]
    fp32, bf16 = (dict(re.findall(r"(\w+): ([\d.]+)(?= |$)", line)) for line in lines)
    # bf16 keeps 8 bits of the mantissa: about 0.4 % for one number; four steps of two networks leave a few percent.
    assert float(bf16["G_L1"]) == pytest.approx(float(fp32["G_L1"]), rel=0.1)
    assert lines[0] != lines[1]


def test_without_instructions_for_bf16_every_command_computes_in_fp32_and_says_so(
    program: Program, images: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    note = "--precision bf16: this processor has no instructions for it"
    assert note not in program("train --name run", SRGAN, TINY_TRAINING).out
    fp32 = program("test --name run --eval").out

    monkeypatch.setattr("txm2sem.devices.computes_bf16", lambda device: False)
    assert program("train --name other --precision bf16", SRGAN, TINY_TRAINING).out.count(note) == 1
    assert_equal_weights(Path("checkpoints/run"), Path("checkpoints/other"))
    saved = yaml.safe_load(Path("checkpoints/other/options.yaml").read_text())
    assert saved["precision"] == "fp32"
    outcome = program("test --name run --eval --precision bf16")
    assert outcome.out.count(note) == 1
    assert outcome.out.splitlines()[-len(fp32.splitlines()) :] == fp32.splitlines()

    stack = images / "test" / "txm"
    plan = program("volume", stack, "out.ome.zarr --name run --gpu_ids -1 --voxel_size 32 --dry_run --precision bf16")
    assert (plan.status, plan.out.count(note)) == (0, 1)
    assert note in program("repair", images / "test/sem", "repaired --name run --precision bf16").out


@pytest.mark.usefixtures("trained")
def test_testing_without_a_training_split_leaves_out_what_needs_it(program: Program, images: Path) -> None:
    (images / "train").rename(images / "elsewhere")
    outcome = program("test --name run")
    assert outcome.status == 0
    assert "no training split" in outcome.out
    assert "raw TXM" in outcome.out
    assert "constant  " not in outcome.out


def test_the_root_scripts_are_the_same_commands(
    images: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    for script, options in (("train.py", f"{SRGAN} {TINY_TRAINING}"), ("test.py", "")):
        monkeypatch.setattr(sys, "argv", [script, "--name", "run", *options.split()])
        with pytest.raises(SystemExit) as leave:
            runpy.run_path(str(Path(__file__).resolve().parents[2] / script), run_name="__main__")
        assert leave.value.code == 0
    assert "overview: results/run/overview.png" in capsys.readouterr().out


@pytest.mark.usefixtures("trained")
def test_testing_a_validation_split_by_phase(program: Program) -> None:
    assert "split val" in program("test --name run --phase val", TINY).out


def test_slices_with_a_data_bar_are_not_scored(trained: Program, images: Path) -> None:
    write_bars(images / "test" / "sem")
    outcome = trained("test --name run")
    assert outcome.status == 1
    assert "the last 20 rows" in outcome.err
    assert not Path("results/run").exists()
