"""Test a repair model: repaired patches, scores inside the painted charge and over the patch, an overview."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import numpy as np
import torch
from matplotlib.figure import Figure
from numpy.typing import NDArray
from torch import Tensor
from tqdm import tqdm

from txm2sem.data import (
    AlignedSlices,
    EvaluationPatches,
    RepairEvaluationPatches,
    check_channels,
    composite,
    has_split,
    resolve_ranges,
    to_uint8,
)
from txm2sem.data.bars import check_bars
from txm2sem.data.repair import SEM_CHANNEL
from txm2sem.figures.overview import (
    OverviewRow,
    add_error_bar,
    draw_rows,
    error_colours,
    rows_to_show,
    save_figure,
)
from txm2sem.files import json_text, write_text
from txm2sem.filling import krige, telea
from txm2sem.filling.telea import TELEA_RADIUS
from txm2sem.metrics import Summary, psnr, ssim
from txm2sem.model import Predictor
from txm2sem.networks import check_patch_size
from txm2sem.options import TestCommand
from txm2sem.results import NewResults
from txm2sem.runs import paths_of
from txm2sem.scoring.document import means_document
from txm2sem.scoring.means import Column, Means
from txm2sem.testing.results import (
    TestReport,
    checkpoint_label,
    load_model,
    notes_on_statistics,
    seeded,
    write_images,
    write_test_options,
)

TELEA = f"Telea inpainting (radius {TELEA_RADIUS})"
TELEA_WITHOUT_BLACK = "the same, not from black pixels"
KRIGING = "kriging"
SCORES = {"PSNR_inside": Column("inside", "dB", 2), "PSNR": Column("PSNR", "dB", 2), "SSIM": Column("SSIM")}
COLUMNS = ("charged (input)", "repaired", KRIGING, "SEM (truth)", "|repaired - SEM|")


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
    txm: NDArray[np.uint8]
    charged: NDArray[np.uint8]
    repaired: NDArray[np.uint8]
    kriged: NDArray[np.uint8]
    sem: NDArray[np.uint8]
    mask: NDArray[np.bool_]
    inside: float
    kriged_inside: float


def test_repair(command: TestCommand) -> TestReport:
    """Repair and score the fixed patches of a split and fill `results_dir/NAME`.

    Earlier results in that folder are moved into a dated folder beside it, when the new ones are whole.

    Raises:
        UserError: data, options, checkpoint or device do not allow it; nothing is moved then.
    """
    paths, label = paths_of(command), checkpoint_label(command)
    check_channels(command.model, command.data)
    check_patch_size(command.model, command.data.patch_size)
    predictor = load_model(command).predictor
    slices = AlignedSlices.open(command.run.dataroot, command.test.phase, command.data)
    data = resolve_ranges(command.data, slices)
    patches = RepairEvaluationPatches(slices, data)
    if command.test.ntest:
        patches.locations = patches.locations[: command.test.ntest]
    notes = [*notes_on_statistics(command), *check_bars(slices)]
    if data.ignore_charged:
        notes.append("scores are over pixels that were uncharged and not 0 in TXM and SEM (--ignore_charged)")
    constant = None
    if has_split(command.run.dataroot, "train"):
        training = AlignedSlices.open(command.run.dataroot, "train", command.data)
        constant = mean_sem(EvaluationPatches(training, data))
    else:
        notes.append(
            f"{command.run.dataroot} has no training split, so there is nothing to take a constant from; it is left out"
        )

    new = NewResults(paths)
    with new.begin():
        scores: dict[str, RepairScores] = {}
        shown = set(rows_to_show(len(patches)))
        rows = []
        with seeded(command):
            results = repair_patches(predictor, patches, f"model {paths.name}", constant, scores)
            for result in tqdm(results, total=len(patches), desc="testing", unit="patch", disable=None):
                images = {"txm": result.txm, "sem": result.sem, "sem_fake": result.repaired, "charged": result.charged}
                write_images(new.paths, result.index, images | {"mask": result.mask}, command.test.aspect_ratio)
                if result.index in shown:
                    rows.append(result)
        title = f"{paths.name} (epoch {label}) on split {command.test.phase}"
        save_figure(draw_repairs(rows, title), new.paths.overview)
        over = "pixels that were uncharged and not 0 in TXM and SEM" if data.ignore_charged else "all pixels"
        means = repair_means(scores, over)
        size, charged = data.patch_size, np.mean(patches.painted[: len(patches)])
        lines = [
            f"{len(patches)} patches of {size} x {size} pixels, split {command.test.phase}, {charged:.1%} of them "
            "painted as charged; mean ± standard error",
            means.tables(),
            *(f"note: {note}" for note in notes),
        ]
        write_text(new.paths.evaluation, "\n".join([f"(epoch: {label}) {means.line()}", "", *lines]) + "\n")
        about = {"model": paths.name, "epoch": label, "split": command.test.phase}
        document = means_document(means, about, notes, painted_share=float(charged))
        write_text(new.paths.scores(".json"), json_text(document))
        write_test_options(command, new.paths.test_options_text)
        return TestReport(paths, lines, [paths.overview], document, new.finish())


def mean_sem(patches: Iterable[dict[str, Tensor]]) -> float:
    """Return the mean of the uncharged SEM pixels of patches, as `EvaluationPatches` gives them, in [-1, 1]."""
    values = [patch["target"][~patch["charge"]].double() for patch in patches]
    return float(torch.cat(values).mean())


def repair_patches(
    predictor: Predictor,
    patches: RepairEvaluationPatches,
    name: str,
    constant: float | None,
    scores: dict[str, RepairScores],
) -> Iterator[RepairResult]:
    """Repair and score patches, yielding each as it is done.

    Args:
        predictor: the model.
        patches: the fixed patches.
        name: of the model, in the scores.
        constant: grey value to fill with for comparison, in [-1, 1], or None.
        scores: receives the scores of the model, of the constant, of Telea inpainting and of kriging, by name.
    """
    for index in range(len(patches)):
        patch = patches[index]
        source, mask, sem = patch["source"], patch["painted"][0].numpy(), to_uint8(patch["target"][0])
        repaired = to_uint8(composite(predictor(source[None])[0], source)[0])
        charged = to_uint8(source[SEM_CHANNEL])
        repairs = {name: repaired}
        if constant is not None:
            repairs["constant"] = np.where(mask, to_uint8(np.array(constant)), sem)
        repairs |= {
            TELEA: telea(charged, mask),
            TELEA_WITHOUT_BLACK: telea(charged, mask, from_black=False),
            KRIGING: kriged(charged, mask, None if patches.options.sem_only else to_uint8(patch["txm"][0])),
        }
        valid = patch["valid"][0].numpy() if "valid" in patch else None
        for kind, image in repairs.items():
            scores.setdefault(kind, RepairScores()).add(image, sem, mask, valid)
        inside = (scores[kind].inside[-1] for kind in (name, KRIGING))
        yield RepairResult(index, to_uint8(patch["txm"][0]), charged, repaired, repairs[KRIGING], sem, mask, *inside)


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


def draw_repairs(patches: list[RepairResult], title: str) -> Figure:
    """Draw charged, repaired and kriged image, truth and absolute error of patches."""
    errors = [np.abs(patch.repaired.astype(np.int16) - patch.sem.astype(np.int16)) for patch in patches]
    colours = error_colours(np.concatenate([error[patch.mask] for patch, error in zip(patches, errors, strict=True)]))
    rows = []
    for patch, error in zip(patches, errors, strict=True):
        label = f"patch {patch.index:03d}\ninside mask:\n{patch.inside:.2f} dB\nkriging {patch.kriged_inside:.2f}"
        pictures = (patch.charged, patch.repaired, patch.kriged, patch.sem, colours.to_rgba(error))
        rows.append(OverviewRow(label, pictures))
    figure = draw_rows(rows, COLUMNS, title)
    add_error_bar(figure, colours)
    return figure
