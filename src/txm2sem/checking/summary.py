"""A check as numbers, for programs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

from txm2sem import __version__
from txm2sem.checking.findings import LEVELS, Finding, Readiness
from txm2sem.checking.leaks import SharedArea
from txm2sem.checking.measures import Measures
from txm2sem.checking.pairs import PairMeasures
from txm2sem.checking.resolution import Resolution
from txm2sem.checking.scores import ExpectedScores
from txm2sem.files import json_text
from txm2sem.metrics import Displacement, Summary


def numbers_of(measures: Measures, findings: Sequence[Finding], verdict: Readiness) -> str:
    """Return the report as JSON; numbers that are not finite are null, displacements are (rows, columns) in pixels."""
    report = {
        "version": __version__,
        "dataroot": str(measures.dataroot),
        "pixel_size_nm": measures.pixel_size,
        "verdict": verdict.words,
        "command": verdict.command,
        "seconds": verdict.seconds,
        "counts": {level: sum(finding.level == level for finding in findings) for level in LEVELS},
        "findings": [asdict(finding) for finding in findings],
        "slices": {
            str(place): asdict(content) | {"pair": _pair(measures.pairs.get(place))}
            for place, content in measures.contents.items()
        },
        "compared_pairs": measures.compared,
        "shared_areas": [_shared(area) for area in measures.shared],
        "resolution": _resolution(measures.resolution),
        "scores": _scores(measures.scores),
    }
    return json_text(report)


def _pair(pair: PairMeasures | None) -> dict[str, Any] | None:
    if pair is None:
        return None
    return {
        "correlation": pair.correlation,
        "correlation_error": pair.correlation_error,
        "displacement": _displacement(pair.whole),
        "tiles": len(pair.tiles),
        "confident_tiles": len(pair.confident),
        "median_length": pair.median_length(),
        "alignment": None if pair.alignment is None else asdict(pair.alignment),
        "mean_frequency": pair.sharpness(),
        "charge_contrast": pair.charge_contrast,
        "phase_contrast": pair.phase_contrast,
    }


def _displacement(shift: Displacement | None) -> dict[str, Any] | None:
    return None if shift is None else asdict(shift) | {"length": shift.length, "confident": shift.confident}


def _shared(area: SharedArea) -> dict[str, Any]:
    found = {name: asdict(common) for name, common in area.found.items()}
    return {"one": str(area.one), "other": str(area.other), "images": found}


def _resolution(measured: Resolution | None) -> dict[str, Any] | None:
    if measured is None:
        return None
    return {
        "coherent_period": measured.coherent_period,
        "floor_period": measured.floor_period,
        "lost": {str(factor): share for factor, share in measured.lost.items()},
        "downsample_factor": measured.factor,
        "frequencies": measured.coherence.frequencies.tolist(),
        "coherence": measured.coherence.values.tolist(),
        "txm_power": measured.txm_power.values.tolist(),
        "sem_power": measured.sem_power.values.tolist(),
    }


def _scores(scores: ExpectedScores | None) -> dict[str, Any] | None:
    if scores is None:
        return None
    return {
        "split": scores.phase,
        "patch_size": scores.patch_size,
        "predictions": {
            name: {"psnr": asdict(Summary.of(found.psnr)), "ssim": asdict(Summary.of(found.ssim))}
            for name, found in scores.scores.items()
        },
    }
