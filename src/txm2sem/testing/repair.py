"""Test a repair model: repaired patches, scores inside the painted charge and over the patch, an overview."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor

from txm2sem.data import EvaluationPatches, RepairEvaluationPatches, composite, to_uint8
from txm2sem.data.repair import SEM_CHANNEL
from txm2sem.figures.overview import BAR_INCHES, OverviewRow, add_error_bar, draw_rows, error_colours
from txm2sem.figures.style import styled
from txm2sem.filling import krige, telea
from txm2sem.filling.inpainting import TELEA_RADIUS
from txm2sem.metrics import Summary, psnr, ssim
from txm2sem.results import NewResults
from txm2sem.scoring.document import means_document
from txm2sem.scoring.means import Column, Means
from txm2sem.testing.harness import Found, Subject, Test
from txm2sem.testing.images import write_images

TELEA = f"Telea inpainting (radius {TELEA_RADIUS})"
TELEA_WITHOUT_BLACK = "the same, not from black pixels"
KRIGING = "kriging"
SCORES = {"PSNR_inside": Column("inside", "dB", 2), "PSNR": Column("PSNR", "dB", 2), "SSIM": Column("SSIM")}
COLUMNS = ("charged (input)", "repaired", KRIGING, "SEM (truth)", "|repaired\n- SEM|")


@dataclass
class RepairScores:
    """Scores of one kind of repair, patch by patch."""

    inside: list[float] = field(default_factory=list)
    psnr: list[float] = field(default_factory=list)
    ssim: list[float] = field(default_factory=list)

    def add(
        self,
        repaired: NDArray[np.uint8],
        sem: NDArray[np.uint8],
        mask: NDArray[np.bool_],
        valid: NDArray[np.bool_] | None = None,
    ) -> None:
        """Score one 8-bit patch (H, W) that equals `sem` outside `mask`; all pixels count, or those in `valid`."""
        self.inside.append(psnr(repaired, sem, mask if valid is None else mask & valid))
        self.psnr.append(psnr(repaired, sem, valid))
        self.ssim.append(ssim(repaired, sem, valid))

    def means(self) -> dict[str, Summary]:
        """Return means over the patches, by name."""
        return {"PSNR_inside": Summary.of(self.inside), "PSNR": Summary.of(self.psnr), "SSIM": Summary.of(self.ssim)}


@dataclass(frozen=True)
class RepairResult:
    """One tested patch: 8-bit images (H, W), the painted charge, a boolean mask (H, W), and PSNR inside that [dB]."""

    index: int
    charged: NDArray[np.uint8]
    repaired: NDArray[np.uint8]
    kriged: NDArray[np.uint8]
    sem: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    inside: float
    kriged_inside: float


class RepairTest(Test[RepairResult]):
    """Repairs the fixed patches of a split, each with a fixed charge painted on."""

    def __init__(self, subject: Subject) -> None:
        super().__init__(subject)
        slices, data = subject.open_slices(subject.command.data)
        self.pixel_size = subject.pixel_size(slices, data)
        self.patches = RepairEvaluationPatches(slices, data)
        self.patches.locations = self.patches.locations[: subject.command.test.ntest or None]
        if data.ignore_charged:
            subject.notes.append(
                "scores are over pixels that were uncharged and not 0 in TXM and SEM (--ignore_charged)"
            )
        training = subject.open_training("there is nothing to take a constant from; it is left out")
        self.constant = None if training is None else mean_sem(EvaluationPatches(training, data))
        self.scores: dict[str, RepairScores] = {}
        self.count = len(self.patches)

    def predict(self, new: NewResults) -> Iterator[RepairResult]:
        """Repair, write and score patches, yielding each as it is done; beside the model, what needs none."""
        name, test = self.subject.model_kind, self.subject.command.test
        for index, patch in enumerate(self.patches):
            source, mask = patch["source"], patch["painted"][0].numpy()
            txm, sem = to_uint8(patch["txm"][0]), to_uint8(patch["target"][0])
            charged = to_uint8(source[SEM_CHANNEL])
            repairs = {name: to_uint8(composite(self.subject.model.predictor(source[None])[0], source)[0])}
            if self.constant is not None:
                repairs["constant"] = np.where(mask, to_uint8(np.array(self.constant)), sem)
            repairs |= {
                TELEA: telea(charged, mask),
                TELEA_WITHOUT_BLACK: telea(charged, mask, from_black=False),
                KRIGING: kriged(charged, mask, None if self.patches.options.sem_only else txm),
            }
            valid = patch["valid"][0].numpy() if "valid" in patch else None
            for kind, image in repairs.items():
                self.scores.setdefault(kind, RepairScores()).add(image, sem, mask, valid)
            images = {"txm": txm, "sem": sem, "sem_fake": repairs[name], "charged": charged, "mask": mask}
            write_images(new.paths, index, images, test.aspect_ratio)
            inside = (self.scores[kind].inside[-1] for kind in (name, KRIGING))
            yield RepairResult(index, charged, repairs[name], repairs[KRIGING], sem, mask, *inside)

    def finish(self, results: list[RepairResult], new: NewResults) -> Found:
        """Return means over the patches."""
        subject, data = self.subject, self.patches.options
        over = "pixels that were uncharged and not 0 in TXM and SEM" if data.ignore_charged else "all pixels"
        means = repair_means(self.scores, over)
        charged = float(np.mean(self.patches.painted[: self.count]))
        lines = [
            f"{self.count} patches of {data.patch_size} x {data.patch_size} pixels, split "
            f"{subject.command.test.phase}, {charged:.1%} of them painted as charged; mean ± standard error",
            means.tables(),
        ]
        scores = means_document(
            means, subject.about, subject.notes, pixel_size_nm=self.pixel_size, painted_share=charged
        )
        return Found(means.line(), lines, draw_repairs(results, subject.title, self.pixel_size), scores)


def mean_sem(patches: Iterable[dict[str, Tensor]]) -> float:
    """Return the mean of the uncharged SEM pixels of patches, as `EvaluationPatches` gives them, in [-1, 1]."""
    values = [patch["target"][~patch["charge"]].double() for patch in patches]
    return float(torch.cat(values).mean())


def kriged(
    charged: NDArray[np.uint8],
    mask: NDArray[np.bool_],
    txm: NDArray[np.uint8] | None = None,
    texture: np.random.Generator | None = None,
) -> NDArray[np.uint8]:
    """Return a charged 8-bit SEM (H, W) with its mask filled by kriging, see `krige`."""
    filled = krige(charged, mask, txm, texture)
    return np.where(mask, np.rint(filled).clip(0, 255).astype(np.uint8), charged)


def repair_means(scores: dict[str, RepairScores], over: str) -> Means:
    """Return means of the scores of kinds of repair, over such pixels; `PSNR_inside` over the painted ones of them."""
    count = len(next(iter(scores.values())).psnr)
    return Means(over, count, (SCORES,), {kind: found.means() for kind, found in scores.items()})


@styled
def draw_repairs(patches: list[RepairResult], title: str, pixel_size: float | None) -> Figure:
    """Draw charged, repaired and kriged image, truth and absolute error of patches of pixels of a side [nm]."""
    errors = [np.abs(patch.repaired.astype(np.int16) - patch.sem.astype(np.int16)) for patch in patches]
    colours = error_colours(np.concatenate([error[patch.mask] for patch, error in zip(patches, errors, strict=True)]))
    rows = []
    for patch, error in zip(patches, errors, strict=True):
        label = f"patch {patch.index:03d}\ninside mask:\n{patch.inside:.2f} dB\nkriging {patch.kriged_inside:.2f}"
        pictures = (patch.charged, patch.repaired, patch.kriged, patch.sem, colours.to_rgba(error))
        rows.append(OverviewRow(label, pictures, (patch.charged, patch.sem)))
    figure = draw_rows(rows, COLUMNS, title, pixel_size, BAR_INCHES)
    add_error_bar(figure, colours)
    return figure
