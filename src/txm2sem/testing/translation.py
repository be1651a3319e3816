"""Test a translation model: predictions, scores beside trivial predictions, an overview."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from txm2sem.data import EvaluationPatches, WholeSlices
from txm2sem.devices import device_of
from txm2sem.errors import UserError
from txm2sem.figures.overview import draw_overview
from txm2sem.options import DataOptions, TestCommand
from txm2sem.results import NewResults
from txm2sem.scoring.card import Scorecard
from txm2sem.scoring.evaluation import Evaluation, LinearFit, PatchResult, fit_trivial_predictions
from txm2sem.scoring.means import Column, Means
from txm2sem.scoring.phases import fit_phases
from txm2sem.testing.harness import Found, Subject, Test
from txm2sem.testing.images import write_images
from txm2sem.testing.scores import perceptual_or_none, write_scores
from txm2sem.testing.trust import write_trust
from txm2sem.trust import check_trust, open_trust

COLUMNS = {"PSNR": Column("PSNR", "dB", 2), "SSIM": Column("SSIM")}


class TranslationTest(Test[PatchResult]):
    """Predicts the fixed patches of a split, or its whole slices."""

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        command, predictor = subject.command, subject.model.predictor
        self.trust = open_trust(command, subject.model)
        self.slices, self.data = subject.open_slices(limited(command))
        trivial: dict[str, LinearFit] = {}
        phases = None
        missing = "constant and linear predictions have nothing to be fitted on and are left out"
        if (slices := subject.open_training(missing)) is not None:
            training = EvaluationPatches(slices, self.data)
            trivial, phases = fit_trivial_predictions(training), fit_phases(training)
        if self.data.ignore_charged:
            subject.notes.append("scores are over uncharged pixels that are not 0 in TXM and SEM (--ignore_charged)")
        whole = command.test.full_slice
        self.patches = WholeSlices(self.slices, self.data) if whole else EvaluationPatches(self.slices, self.data)
        self.source, self.target = ("TXM", "SEM") if self.data.direction == "AtoB" else ("SEM", "TXM")
        self.evaluation = Evaluation(predictor.any_size if whole else predictor, trivial, self.source)
        self.card = Scorecard(phases, perceptual_or_none(device_of(command.run.gpu_ids)), command.run.seed)
        self.count = len(self.patches)

    @classmethod
    def check(cls, command: TestCommand) -> list[str]:
        """As `Test.check`; neither whole slices nor `--uncertainty` go with everything."""
        notes = super().check(command)
        if command.test.full_slice and command.data.preprocess != "none":
            raise UserError(
                f"--preprocess {command.data.preprocess} is for patches, not for --full_slice; pass --preprocess none"
            )
        check_trust(command, command.test.backend, frozen=command.test.eval)
        return notes

    def predict(self, new: NewResults) -> Iterator[PatchResult]:
        """Predict, write and score patches, yielding each as it is done."""
        test = self.subject.command.test
        suffix, target = "_fullslice" if test.full_slice else "", self.target.lower()
        for result in self.evaluation.run(self.patches):
            images = {
                self.source.lower(): result.source,
                target: result.target,
                f"{target}_fake": result.prediction,
                **result.masks,
            }
            named = {f"{name}{suffix}": image for name, image in images.items()}
            write_images(new.paths, result.index, named, test.aspect_ratio)
            self.card.add(
                self.slices.numbers[self.patches.window(result.index)[0]],
                {self.subject.model_kind: result.prediction, **result.trivial},
                result.target,
                result.usable,
                (result.masks["lowdensity"], result.masks["highdensity"]) if self.slices.has_densities else None,
            )
            yield result

    def finish(self, results: list[PatchResult], new: NewResults) -> Found:
        """Write the scorecard, and where not to believe the predictions."""
        subject, command = self.subject, self.subject.command
        over = "pixels that are uncharged and not 0 in TXM and SEM" if self.data.ignore_charged else "all pixels"
        scored = {subject.model_kind: self.evaluation.model, **self.evaluation.trivial}
        rows = {kind: scores.means() for kind, scores in scored.items()}
        means = Means(over, self.count, (COLUMNS,), rows)
        height, width = results[0].target.shape
        what = "slices" if command.test.full_slice else "patches"
        lines = [
            f"{self.count} {what} of {height} x {width} pixels, split {command.test.phase}; mean ± standard error",
            means.tables(),
        ]
        said, document = write_scores(
            new.scores, self.card, subject.about, self.target, has_masks=self.slices.has_densities, means=means
        )
        judged, drawn = write_trust(command, new.paths, self.trust, self.patches, subject.about)
        figure = draw_overview(results, subject.title, self.source, self.target)
        return Found(means.line(), lines, figure, document, [*said, *judged], [new.scores(".png"), *drawn])


def limited(command: TestCommand) -> DataOptions:
    """Return the options of the data, with no more patches, or slices, than `--ntest`."""
    name = "max_dataset_size" if command.test.full_slice else "num_test"
    number = getattr(command.data, name)
    return dataclasses.replace(command.data, **{name: min(number, command.test.ntest or number)})
