"""Test a model: the wiring, from options to pictures and scores in the results folder."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from PIL import Image
from tqdm import tqdm

from txm2sem.checkpoints import label_of
from txm2sem.config import TestCommand, run_name, to_mapping
from txm2sem.data import AlignedSlices, EvaluationPatches, check_channels, has_split, resolve_ranges
from txm2sem.devices import device_of, dtype_of
from txm2sem.evaluation import Evaluation, LinearFit, PatchResult, Scores, fit_trivial_predictions
from txm2sem.inference import Predictor
from txm2sem.metrics import Summary
from txm2sem.networks import check_patch_size
from txm2sem.report.overview import draw_overview, rows_to_show, save_figure
from txm2sem.runs import RunPaths, options_text, set_aside, write_text, write_whole


@dataclass(frozen=True)
class TestReport:
    """What a test found and where it lies."""

    paths: RunPaths
    table: str
    notes: list[str]
    earlier: Path | None


def test_model(command: TestCommand) -> TestReport:
    """Predict and score the fixed patches of a split and fill `results_dir/NAME`.

    Earlier results in that folder are moved into a dated folder beside it.

    Raises:
        UserError: data, options, checkpoint or device do not allow it; found before anything is moved or written.
    """
    paths = RunPaths.of(run_name(command), command.run.checkpoints_dir, command.run.results_dir)
    label = label_of(command.test.epoch, command.test.load_iter)
    check_channels(command.model, command.data)
    check_patch_size(command.model, command.data.patch_size)
    predictor = Predictor.load(
        paths,
        label,
        command.model,
        frozen=command.test.eval,
        device=device_of(command.run.gpu_ids),
        dtype=dtype_of(command.run.precision),
    )
    slices = AlignedSlices.open(command.run.dataroot, command.test.phase, command.data)
    data = resolve_ranges(command.data, slices)
    patches = EvaluationPatches(slices, data)
    notes = _notes(command)
    trivial: dict[str, LinearFit] = {}
    if has_split(command.run.dataroot, "train"):
        training = AlignedSlices.open(command.run.dataroot, "train", command.data)
        trivial = fit_trivial_predictions(EvaluationPatches(training, data))
    else:
        notes.append(
            f"{command.run.dataroot} has no training split, so constant and linear predictions have nothing to be "
            "fitted on and are left out"
        )

    earlier = set_aside(paths.test_outputs(), paths.results)
    evaluation = Evaluation(predictor, trivial)
    shown = set(rows_to_show(len(patches)))
    rows = []
    # Without --eval dropout draws from torch's global generator.
    with torch.random.fork_rng():
        torch.manual_seed(command.run.seed)
        for result in tqdm(evaluation.run(patches), total=len(patches), desc="testing", unit="patch", disable=None):
            _write_images(paths, result)
            if result.index in shown:
                rows.append(result)
    title = f"{paths.name} (epoch {label}) on split {command.test.phase}"
    save_figure(draw_overview(rows, title), paths.overview)
    table = _table(evaluation, f"model {paths.name}")
    described = f"{len(patches)} patches of {data.patch_size} x {data.patch_size} pixels, split {command.test.phase}"
    text = "\n".join([f"(epoch: {label}) {evaluation.model}", "", f"{described}; mean ± standard error", table, *notes])
    write_text(paths.evaluation, text + "\n")
    write_text(paths.test_options_text, options_text(to_mapping(command), to_mapping(TestCommand())))
    return TestReport(paths, f"{described}; mean ± standard error\n{table}", notes, earlier)


def _notes(command: TestCommand) -> list[str]:
    if command.test.eval:
        return []
    return [
        "without --eval normalisation statistics are taken from each patch and dropout is on, as in the original code; "
        "--eval freezes both"
    ]


def _write_images(paths: RunPaths, result: PatchResult) -> None:
    images = {"txm": result.txm, "sem": result.sem, "sem_fake": result.prediction}
    images |= {name: mask.astype("uint8") * 255 for name, mask in result.masks.items()}
    for folder, pixels in images.items():
        write_whole(paths.image(folder, result.index), _png(Image.fromarray(pixels)))


def _png(image: Image.Image) -> Callable[..., None]:
    return lambda buffer: image.save(buffer, format="PNG")


def _table(evaluation: Evaluation, model: str) -> str:
    rows: dict[str, Scores] = {model: evaluation.model, **evaluation.trivial}
    width = max(len(name) for name in rows)
    lines = [f"{'':<{width}}  {'PSNR [dB]':>14}  {'SSIM':>16}"]
    for name, scores in rows.items():
        psnr, ssim = Summary.of(scores.psnr), Summary.of(scores.ssim)
        lines.append(
            f"{name:<{width}}  {psnr.mean:>6.2f} ± {psnr.standard_error:>5.2f}"
            f"  {ssim.mean:>7.4f} ± {ssim.standard_error:>6.4f}"
        )
    return "\n".join(lines)
