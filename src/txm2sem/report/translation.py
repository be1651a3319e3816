"""Test a translation model: predictions, scores beside trivial predictions, an overview."""

from __future__ import annotations

import torch
from tqdm import tqdm

from txm2sem.config import TestCommand
from txm2sem.data import AlignedSlices, EvaluationPatches, check_channels, has_split, resolve_ranges
from txm2sem.evaluation import Evaluation, LinearFit, Scores, fit_trivial_predictions
from txm2sem.metrics import Summary
from txm2sem.networks import check_patch_size
from txm2sem.report.overview import draw_overview, rows_to_show, save_figure
from txm2sem.report.results import (
    TestReport,
    checkpoint_label,
    load_predictor,
    notes_on_statistics,
    paths_of,
    write_images,
    write_test_options,
)
from txm2sem.runs import set_aside, write_text


def test_translation(command: TestCommand) -> TestReport:
    """Predict and score the fixed patches of a split and fill `results_dir/NAME`.

    Earlier results in that folder are moved into a dated folder beside it.

    Raises:
        UserError: data, options, checkpoint or device do not allow it; found before anything is moved or written.
    """
    paths, label = paths_of(command), checkpoint_label(command)
    check_channels(command.model, command.data)
    check_patch_size(command.model, command.data.patch_size)
    predictor = load_predictor(command)
    slices = AlignedSlices.open(command.run.dataroot, command.test.phase, command.data)
    data = resolve_ranges(command.data, slices)
    patches = EvaluationPatches(slices, data)
    notes = notes_on_statistics(command)
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
            images = {"txm": result.txm, "sem": result.sem, "sem_fake": result.prediction, **result.masks}
            write_images(paths, result.index, images)
            if result.index in shown:
                rows.append(result)
    save_figure(draw_overview(rows, f"{paths.name} (epoch {label}) on split {command.test.phase}"), paths.overview)
    size = data.patch_size
    lines = [
        f"{len(patches)} patches of {size} x {size} pixels, split {command.test.phase}; mean ± standard error",
        score_table({f"model {paths.name}": evaluation.model, **evaluation.trivial}),
        *(f"note: {note}" for note in notes),
    ]
    write_text(paths.evaluation, "\n".join([f"(epoch: {label}) {evaluation.model}", "", *lines]) + "\n")
    write_test_options(command)
    return TestReport(paths, lines, [paths.overview], earlier)


def score_table(rows: dict[str, Scores]) -> str:
    """Return a table of means and standard errors, one line per kind of prediction."""
    width = max(len(name) for name in rows)
    lines = [f"{'':<{width}}  {'PSNR [dB]':>14}  {'SSIM':>16}"]
    for name, scores in rows.items():
        psnr, ssim = Summary.of(scores.psnr), Summary.of(scores.ssim)
        lines.append(
            f"{name:<{width}}  {psnr.mean:>6.2f} ± {psnr.standard_error:>5.2f}"
            f"  {ssim.mean:>7.4f} ± {ssim.standard_error:>6.4f}"
        )
    return "\n".join(lines)
