"""Test a translation model: predictions, scores beside trivial predictions, an overview."""

from __future__ import annotations

import dataclasses

import torch
from tqdm import tqdm

from txm2sem.data import (
    AlignedSlices,
    EvaluationPatches,
    WholeSlices,
    check_channels,
    has_split,
    resolve_ranges,
    size_option,
)
from txm2sem.data.bars import check_bars
from txm2sem.devices import device_of
from txm2sem.errors import UserError
from txm2sem.figures.overview import draw_overview, rows_to_show, save_figure
from txm2sem.files import write_text
from txm2sem.metrics import Summary
from txm2sem.networks import check_patch_size
from txm2sem.options import DataOptions, TestCommand
from txm2sem.results import NewResults
from txm2sem.runs import paths_of
from txm2sem.scores.card import Scorecard
from txm2sem.scores.evaluation import Evaluation, LinearFit, Scores, fit_trivial_predictions
from txm2sem.scores.phases import fit_phases
from txm2sem.testing.results import (
    TestReport,
    checkpoint_label,
    load_model,
    notes_on_statistics,
    write_images,
    write_test_options,
)
from txm2sem.testing.scores import perceptual_or_none, write_scores
from txm2sem.testing.trust import write_trust
from txm2sem.trust import check_trust, open_trust


def test_translation(command: TestCommand) -> TestReport:
    """Predict and score the fixed patches of a split and fill `results_dir/NAME`.

    Earlier results in that folder are moved into a dated folder beside it, when the new ones are whole.

    Raises:
        UserError: data, options, checkpoint or device do not allow it; nothing is moved then.
    """
    paths, label = paths_of(command), checkpoint_label(command)
    check_channels(command.model, command.data)
    size = size_option(command.data)
    check_patch_size(command.model, getattr(command.data, size), size)
    if command.test.full_slice and command.data.preprocess != "none":
        raise UserError(
            f"--preprocess {command.data.preprocess} is for patches, not for --full_slice; pass --preprocess none"
        )
    check_trust(command, command.test.backend, frozen=command.test.eval)
    model = load_model(command)
    predictor, trust = model.predictor, open_trust(command, model)
    slices = AlignedSlices.open(command.run.dataroot, command.test.phase, limited(command))
    data = resolve_ranges(limited(command), slices)
    notes = [*notes_on_statistics(command), *model.notes, *check_bars(slices)]
    trivial: dict[str, LinearFit] = {}
    phases = None
    if has_split(command.run.dataroot, "train"):
        training = EvaluationPatches(AlignedSlices.open(command.run.dataroot, "train", command.data), data)
        trivial, phases = fit_trivial_predictions(training), fit_phases(training)
    else:
        notes.append(
            f"{command.run.dataroot} has no training split, so constant and linear predictions have nothing to be "
            "fitted on and are left out"
        )
    if data.ignore_charged:
        notes.append("scores are over uncharged pixels that are not 0 in TXM and SEM (--ignore_charged)")

    patches = WholeSlices(slices, data) if command.test.full_slice else EvaluationPatches(slices, data)
    source, target = ("TXM", "SEM") if data.direction == "AtoB" else ("SEM", "TXM")
    evaluation = Evaluation(predictor.any_size if command.test.full_slice else predictor, trivial, source)
    card = Scorecard(phases, perceptual_or_none(device_of(command.run.gpu_ids)), command.run.seed)
    suffix = "_fullslice" if command.test.full_slice else ""

    new = NewResults(paths)
    with new.begin():
        shown = set(rows_to_show(len(patches)))
        rows = []
        # Without --eval dropout draws from torch's global generator.
        with torch.random.fork_rng():
            torch.manual_seed(command.run.seed)
            for result in tqdm(evaluation.run(patches), total=len(patches), desc="testing", unit="patch", disable=None):
                images = {
                    source.lower(): result.source,
                    target.lower(): result.target,
                    f"{target.lower()}_fake": result.prediction,
                    **result.masks,
                }
                named = {f"{name}{suffix}": image for name, image in images.items()}
                write_images(new.paths, result.index, named, command.test.aspect_ratio)
                card.add(
                    slices.numbers[patches.window(result.index)[0]],
                    {f"model {paths.name}": result.prediction, **result.trivial},
                    result.target,
                    result.usable,
                    (result.masks["lowdensity"], result.masks["highdensity"]) if slices.has_densities else None,
                )
                if result.index in shown:
                    rows.append(result)
        title = f"{paths.name} (epoch {label}) on split {command.test.phase}"
        save_figure(draw_overview(rows, title, source, target), new.paths.overview)
        height, width = rows[0].target.shape
        what = "slices" if command.test.full_slice else "patches"
        lines = [
            f"{len(patches)} {what} of {height} x {width} pixels, split {command.test.phase}; mean ± standard error",
            score_table({f"model {paths.name}": evaluation.model, **evaluation.trivial}),
            *(f"note: {note}" for note in notes),
        ]
        write_text(new.paths.evaluation, "\n".join([f"(epoch: {label}) {evaluation.model}", "", *lines]) + "\n")
        about = {"model": paths.name, "epoch": label, "split": command.test.phase}
        lines += write_scores(new.paths.scores, card, about, target, has_masks=slices.has_densities)
        said, drawn = write_trust(command, new.paths, trust, patches, about)
        write_test_options(command, new.paths.test_options_text)
        pictures = [paths.overview, paths.scores(".png"), *map(new.place, drawn)]
        return TestReport(paths, lines + said, pictures, new.finish())


def limited(command: TestCommand) -> DataOptions:
    """Return the options of the data, with no more patches, or slices, than `--ntest`."""
    name = "max_dataset_size" if command.test.full_slice else "num_test"
    number = getattr(command.data, name)
    return dataclasses.replace(command.data, **{name: min(number, command.test.ntest or number)})


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
