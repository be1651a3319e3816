"""Test a translation model: predictions, scores beside trivial predictions, an overview."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

from torch import Tensor

from txm2sem.data import EvaluationPatches, GreyRange, WholeSlices, to_uint8
from txm2sem.data.grey import HALF_RANGE
from txm2sem.devices import device_of
from txm2sem.errors import UserError
from txm2sem.figures.overview import draw_overview
from txm2sem.model.predictor import Place
from txm2sem.options import DataOptions, TestCommand
from txm2sem.results import NewResults
from txm2sem.scoring.card import Scorecard
from txm2sem.scoring.document import plain
from txm2sem.scoring.draws import DrawScores, draw_lines
from txm2sem.scoring.evaluation import Evaluation, PatchResult, Prediction, fit_trivial_predictions
from txm2sem.scoring.means import Column, Means
from txm2sem.scoring.names import ONE_DRAW
from txm2sem.scoring.phases import fit_phases
from txm2sem.testing.harness import Found, Subject, Test
from txm2sem.testing.images import write_images
from txm2sem.testing.scores import perceptual_or_none, write_scores
from txm2sem.testing.trust import write_numbers, write_trust
from txm2sem.trust import check_trust, open_trust
from txm2sem.txm_noise import TxmNoise, measured_parts

COLUMNS = {"PSNR": Column("PSNR", "dB", 2), "SSIM": Column("SSIM")}


class TranslationTest(Test[PatchResult]):
    """Predicts the fixed patches of a split, or its whole slices."""

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        command = subject.command
        self.trust = open_trust(command, subject.model)
        self.slices, self.data = subject.open_slices(limited(command))
        self.pixel_size = subject.pixel_size(self.slices, self.data)
        trivial: dict[str, Prediction] = {}
        phases = None
        missing = "constant and linear predictions have nothing to be fitted on and are left out"
        if (slices := subject.open_training(missing)) is not None:
            training = EvaluationPatches(slices, self.data)
            trivial, phases = fit_trivial_predictions(training), fit_phases(training)
        if self.data.ignore_charged:
            subject.notes.append("scores are over uncharged pixels that are not 0 in TXM and SEM (--ignore_charged)")
        self.patches = (WholeSlices if command.test.full_slice else EvaluationPatches)(self.slices, self.data)
        self.source, self.target = ("TXM", "SEM") if self.data.direction == "AtoB" else ("SEM", "TXM")
        self.evaluation = Evaluation(self._predict, trivial, self.source)
        self.draws = DrawScores(command.drawn.draws, phases, command.run.seed)
        distance = perceptual_or_none(device_of(command.run.gpu_ids))
        self.card = Scorecard(phases, distance, command.run.seed, pixel_size=self.pixel_size)
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
            number = self._place(result.index)[0]
            drawn = {}
            if len(result.draws):
                self.draws.add(number, result.draws, result.truth, result.usable)
                drawn = {self.draw_kind: to_uint8(result.draws[0])}
                images |= {f"{target}_draw": drawn[self.draw_kind]}
                spread = result.draws.std(axis=0, ddof=1) * HALF_RANGE
                write_numbers(new.paths.numbers(f"{target}_spread{suffix}", result.index), spread)
            named = {f"{name}{suffix}": image for name, image in images.items()}
            write_images(new.paths, result.index, named, test.aspect_ratio)
            self.card.add(
                number,
                {self.subject.model_kind: result.prediction, **drawn, **result.trivial},
                result.target,
                result.usable,
                (result.masks["lowdensity"], result.masks["highdensity"]) if self.slices.has_densities else None,
            )
            yield result

    @property
    def draw_kind(self) -> str:
        """What one of several draws is called beside their mean, which is the prediction."""
        return f"{ONE_DRAW}{self.subject.model.paths.name}"

    def _place(self, index: int) -> Place:
        """Return the number of an image's slice, and its first row and column."""
        position, rows, columns = self.patches.window(index)
        return self.slices.numbers[position], rows.start, columns.start

    def _predict(self, source: Tensor, index: int) -> Tensor:
        predictor = self.subject.model.predictor.at(self._place(index))
        return predictor.any_size(source) if self.subject.command.test.full_slice else predictor(source)

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
            *(new.scores, self.card, subject.about, self.target),
            has_masks=self.slices.has_densities,
            means=means,
            figures=command.figure.figures,
        )
        stack = self.slices.txm
        images = (stack.read(*part) for part in measured_parts(len(stack), stack.shape))
        noise = TxmNoise.of(subject.model.paths, images, GreyRange.parse(self.data.txm_range))
        document |= {"txm_noise": None if noise is None else vars(noise)}
        judged, drawn = write_trust(command, new.paths, self.trust, self.patches, subject.about, self.pixel_size)
        sampled = self.draws.document()
        figure = draw_overview(results, subject.title, self.source, self.target, self.pixel_size)
        return Found(
            *(means.line(), lines, figure, document | ({"draws": plain(sampled)} if sampled else {})),
            more=[*draw_lines(sampled), *judged],
            tables=said,
            pictures=[new.scores(".png"), *drawn],
        )


def limited(command: TestCommand) -> DataOptions:
    """Return the options of the data, with no more patches, or slices, than `--ntest`."""
    name = "max_dataset_size" if command.test.full_slice else "num_test"
    number = getattr(command.data, name)
    return dataclasses.replace(command.data, **{name: min(number, command.test.ntest or number)})
