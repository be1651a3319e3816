"""Translate a whole volume, and report on it: seams, continuity, fidelity, speed, and a picture."""

from __future__ import annotations

import dataclasses
import math
import time
from dataclasses import dataclass
from typing import Any

import numpy as np

from txm2sem.addresses import Place
from txm2sem.applying.volume import VolumeMeasures, VolumeRun
from txm2sem.applying.volume.driver import translate_missing
from txm2sem.applying.volume.measures import TrustSums
from txm2sem.applying.volume.verdict import verdict_on
from txm2sem.data import to_uint8
from txm2sem.data.classes import CLASSES
from txm2sem.data.readers import VolumeReader
from txm2sem.data.writers import open_array
from txm2sem.figures.colours import colour_classes
from txm2sem.figures.cuts import Cuts, draw_cuts
from txm2sem.figures.labels import class_patches
from txm2sem.figures.saving import save_figure
from txm2sem.files import json_text, json_values, write_text
from txm2sem.metrics import Summary
from txm2sem.scoring.continuity import PREDICTION, TRUTH, TXM, continuity_table, continuity_values
from txm2sem.verdicts import Verdict

MEASURED = {"txm": TXM, "prediction": PREDICTION, "truth": TRUTH}


@dataclass(frozen=True)
class VolumeReport:
    """What a translation came to.

    Attributes:
        lines: for the console.
        verdict: what it is good for.
        output: the translated volume.
        picture: cuts through it.
    """

    lines: list[str]
    verdict: Verdict
    output: Place
    picture: Place


def translate_volume(run: VolumeRun) -> VolumeReport:
    """Translate what is missing of a volume that was begun, write the report, and move both into their places.

    `NAME_report.txt`, `.json` and `.png` have what was measured, for people, for programs and to look at.

    Raises:
        UserError: a slice cannot be read, or the disk is full or not writable. What was done stays: the same command
            goes on there.
    """
    missing, started = run.missing_voxels, time.perf_counter()
    before = run.store.measures().network_seconds
    translate_missing(run)
    seconds = time.perf_counter() - started
    measures = run.store.measures()
    share = (measures.network_seconds - before) / seconds if missing and not run.is_shared else math.nan
    continuity = {MEASURED[name]: sums.continuity() for name, sums in measures.continuity.items()}
    inside = measures.inside / run.passes[-1].voxels()
    scores = json_values(
        {
            "seams": {f"across_{axis}": sums.score for axis, sums in measures.seams.items()},
            **({"continuity": continuity_values(continuity)} if continuity else {}),
            **_class_values(run, measures),
            "share_in_field_of_view": inside,
            "network_share_of_time": share,
            **{name: Summary.of(values) for name, values in _fidelity(measures).items()},
            **_trust_values(measures.trust),
        }
    )
    lines = [
        *_class_lines(run, measures),
        *_seam_lines(measures),
        *([continuity_table(continuity, run.voxel_size)] if continuity else []),
        *_fidelity_lines(measures),
        *_trust_lines(measures.trust),
        *(
            [f"note: {1 - inside:.2%} of the voxels are 0, so outside the field of view, and take no part"]
            if inside < 1
            else []
        ),
        *_speed_lines(missing, seconds, share),
    ]
    paths = run.paths
    title = f"{run.opened.model.name} on {run.opened.reader.name}"
    keys = [] if run.opened.classes is None else class_patches("not imaged")
    figure = draw_cuts(_cuts(run), continuity, title, run.voxel_size, keys)
    save_figure(figure, paths.growing_report(".png"), paths.figures)
    write_text(paths.growing_report(".txt"), "\n".join([title, *lines]) + "\n")
    write_text(paths.growing_report(".json"), json_text(run.provenance() | {"scores": scores}))
    verdict = verdict_on(run.opened, measures)
    run.finish(scores)
    return VolumeReport(lines, verdict, paths.output, paths.report(".png"))


def _class_values(run: VolumeRun, measures: VolumeMeasures) -> dict[str, Any]:
    """Return the share of each class in what was imaged: of its voxels, and expected, the mean of its probability.

    Where that is calibrated there are `fraction_error` and `training_share`, too, see `PhaseCalibration`.
    """
    voxels = sum(measures.classes.voxels)
    if not voxels:
        return {}
    found = zip(CLASSES, measures.classes.voxels, measures.classes.expected, strict=True)
    classes = {name: {"share": count / voxels, "expected_share": sums / voxels} for name, count, sums in found}
    phases = run.opened.model.phases
    errors = [] if phases is None else phases.fraction_error
    for values, error in zip(classes.values(), errors, strict=False):
        values["fraction_error"] = error
    learned = [] if phases is None else phases.training_shares
    for values, share in zip(classes.values(), learned, strict=False):
        values["training_share"] = share
    return {"classes": classes}


def _class_lines(run: VolumeRun, measures: VolumeMeasures) -> list[str]:
    found = _class_values(run, measures).get("classes", {})
    shares = [f"{name} {one['share']:.2%} (expected {one['expected_share']:.2%})" for name, one in found.items()]
    return [f"classes:    {', '.join(shares)}; expected: the mean of the probability"] if shares else []


def _seam_lines(measures: VolumeMeasures) -> list[str]:
    scores = {axis: sums.score for axis, sums in measures.seams.items() if math.isfinite(sums.score)}
    if not scores:
        return ["seams:      none, as every plane was one tile"]
    shown = ", ".join(f"{score:.3f} in planes across {axis}" for axis, score in scores.items())
    return [f"seams:      {shown} (steps across the borders of tiles, to those with borders elsewhere; 1: invisible)"]


def _fidelity(measures: VolumeMeasures) -> dict[str, list[float]]:
    return {"psnr": measures.psnr, "ssim": measures.ssim} if measures.psnr else {}


def _fidelity_lines(measures: VolumeMeasures) -> list[str]:
    if not measures.psnr:
        return []
    psnr, ssim = Summary.of(measures.psnr), Summary.of(measures.ssim)
    return [
        f"fidelity:   PSNR {psnr.mean:.2f} ± {psnr.standard_error:.2f} dB, SSIM {ssim.mean:.4f} ± "
        f"{ssim.standard_error:.4f} to the truth (mean ± standard error over {len(measures.psnr)} slices)"
    ]


def _trust_values(trust: TrustSums) -> dict[str, Any]:
    if not trust.voxels:
        return {}
    return {
        "trust": {
            "standard_deviation": math.sqrt(trust.variance / trust.voxels),
            "contradicting_share": trust.contradicting / trust.voxels,
            "novel_share": trust.novel / trust.voxels,
        }
    }


def _trust_lines(trust: TrustSums) -> list[str]:
    if not trust.voxels:
        return []
    found = _trust_values(trust)["trust"]
    return [
        f"trust:      standard deviation {found['standard_deviation']:.1f} grey levels of 255 (root mean square); "
        f"{found['contradicting_share']:.1%} of the voxels contradict the TXM; {found['novel_share']:.1%} are in tiles "
        "unlike those of training"
    ]


def _speed_lines(voxels: int, seconds: float, share: float) -> list[str]:
    if not voxels:
        return []
    network = f", {share:.0%} of the time in the network" if math.isfinite(share) else ""
    return [f"speed:      {voxels / seconds / 1e6:.3g} million voxels/s{network}"]


def _cuts(run: VolumeRun) -> dict[str, Cuts]:
    opened, shape = run.opened, run.passes[-1].shape
    result, grey = open_array(run.paths.image, 0), opened.grey

    def txm(reader: VolumeReader, window: tuple[slice, ...]) -> Any:
        return to_uint8(opened.translator.see.grey.normalise(reader.read(*window)))

    def prediction(window: tuple[slice, ...]) -> Any:
        return np.asarray(result[slice(1), *window])[0] if opened.channel_names else np.asarray(result[window])

    volumes = {
        opened.model.source.upper(): lambda window: txm(opened.reader, window),
        PREDICTION: lambda window: grey.levels(prediction(window)),
    }
    if opened.classes is not None:
        del volumes[PREDICTION]
        if grey.name != opened.model.source:
            volumes["predicted SEM"] = lambda window: grey.levels(prediction(window))
        labels = open_array(run.paths.labels, 0)
        volumes["classes"] = lambda window: np.asarray(labels[window])
    truth = opened.truth
    if truth is not None:
        volumes[TRUTH] = lambda window: to_uint8(grey.model.normalise(truth.read(*window)))
    cuts = {name: Cuts.through(read, shape, opened.reader.offset) for name, read in volumes.items()}
    if opened.classes is not None:
        coloured = tuple(map(colour_classes, cuts["classes"].images))
        cuts["classes"] = dataclasses.replace(cuts["classes"], images=coloured)
    return cuts
