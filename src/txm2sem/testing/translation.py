"""Test a translation model: predictions, scores beside trivial predictions, an overview."""

from __future__ import annotations

import dataclasses

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
from txm2sem.networks import check_patch_size
from txm2sem.options import DataOptions, TestCommand
from txm2sem.results import NewResults
from txm2sem.runs import paths_of
from txm2sem.scoring.card import Scorecard
from txm2sem.scoring.evaluation import Evaluation, LinearFit, fit_trivial_predictions
from txm2sem.scoring.means import Column, Means
from txm2sem.scoring.phases import fit_phases
from txm2sem.testing.results import (
    TestReport,
    checkpoint_label,
    load_model,
    notes_on_statistics,
    seeded,
    write_images,
    write_test_options,
)
from txm2sem.testing.scores import perceptual_or_none, write_scores
from txm2sem.testing.trust import write_trust
from txm2sem.trust import check_trust, open_trust

COLUMNS = {"PSNR": Column("PSNR", "dB", 2), "SSIM": Column("SSIM")}


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
        with seeded(command):
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
        means = means_of(evaluation, paths.name, len(patches), data)
        height, width = rows[0].target.shape
        what = "slices" if command.test.full_slice else "patches"
        lines = [
            f"{len(patches)} {what} of {height} x {width} pixels, split {command.test.phase}; mean ± standard error",
            means.tables(),
            *(f"note: {note}" for note in notes),
        ]
        write_text(new.paths.evaluation, "\n".join([f"(epoch: {label}) {means.line()}", "", *lines]) + "\n")
        about = {"model": paths.name, "epoch": label, "split": command.test.phase}
        card_lines, scores = write_scores(
            new.paths.scores, card, about, target, has_masks=slices.has_densities, means=means
        )
        said, drawn = write_trust(command, new.paths, trust, patches, about)
        write_test_options(command, new.paths.test_options_text)
        pictures = [paths.overview, paths.scores(".png"), *map(new.place, drawn)]
        return TestReport(paths, [*lines, *card_lines, *said], pictures, scores, new.finish())


def means_of(evaluation: Evaluation, name: str, count: int, data: DataOptions) -> Means:
    """Return the mean scores of the model called `name`, and of trivial predictions, over `count` images."""
    kinds = {f"model {name}": evaluation.model, **evaluation.trivial}
    over = "pixels that are uncharged and not 0 in TXM and SEM" if data.ignore_charged else "all pixels"
    return Means(over, count, (COLUMNS,), {kind: scores.means() for kind, scores in kinds.items()})


def limited(command: TestCommand) -> DataOptions:
    """Return the options of the data, with no more patches, or slices, than `--ntest`."""
    name = "max_dataset_size" if command.test.full_slice else "num_test"
    number = getattr(command.data, name)
    return dataclasses.replace(command.data, **{name: min(number, command.test.ntest or number)})
