"""Fidelity beside continuity: which penalty weights pay, and which runs no other run beats in both."""

from __future__ import annotations

import math
from collections.abc import Mapping
from html import escape

import numpy as np

from txm2sem.commands import next_test
from txm2sem.pages import Line, Mark, legend, plot
from txm2sem.reporting.comparison import Comparison, front_of
from txm2sem.reporting.record import RunRecord, VolumeRecord, number_of

FIDELITY = {"psnr": "PSNR [dB]", "ssim": "SSIM"}


def front_html(comparison: Comparison) -> str:
    """Return the drawing of the runs that have both scores and a cube, and what the others lack."""
    cubes = common_cubes(comparison)
    parts, lacking = [], []
    for record in comparison.records:
        name = record.paths.name
        if name not in cubes:
            lacking.append(next_test(record.paths, "--eval --dataset_mode txm2sem3d"))
        if not (name in comparison.tested and comparison.tested[name].card):
            lacking.append(next_test(record.paths))
    for measure, title in FIDELITY.items():
        points = {
            name: (number_of(cubes[name].continuity["volumes"]["prediction"], "adjacent_difference_of_txm"), value)
            for name, value in _fidelity(comparison, measure).items()
            if name in cubes
        }
        points = {name: point for name, point in points.items() if all(map(math.isfinite, point))}
        if len(points) > 1:
            parts.append(_drawing(comparison, points, title, next(iter(cubes.values()))))
    keys = [Line(name, np.empty(0), np.empty(0), style=number) for number, name in enumerate(comparison.names)]
    if parts:
        about = (
            "Left is more continuous, up is more like the truth. Change along z: how much adjacent slices differ, as a "
            "multiple of the TXM's. The line joins the runs that no other run beats in both. Left of the truth, where "
            "it is known, a run is smoother than the SEM, whose noise counts, too."
        )
        parts = [f'<p class="note">{about}</p>', legend(keys), '<div class="figures">', *parts, "</div>"]
    if lacking:
        commands = "\n".join(escape(command) for command in lacking)
        parts.append(
            '<p class="note">It needs runs tested on images and on the same cube. What is missing:</p>\n'
            f'<pre tabindex="0">{commands}</pre>'
        )
    return "\n".join(parts)


def common_cubes(comparison: Comparison) -> dict[str, VolumeRecord]:
    """Return the cube of each run that most runs were tested on: one whose TXM changes just as much."""
    seen: dict[tuple[int, float], dict[str, VolumeRecord]] = {}
    for record in comparison.records:
        for cube in record.volumes:
            txm = cube.continuity.get("volumes", {}).get("txm")
            if txm and "prediction" in cube.continuity["volumes"]:
                key = (int(cube.continuity["size"]), round(number_of(txm, "adjacent_difference"), 6))
                seen.setdefault(key, {}).setdefault(record.paths.name, cube)
    return max(seen.values(), key=len, default={})


def label_of(record: RunRecord, comparison: Comparison) -> str:
    """Return what a run is called in the drawing: its penalty weight, where that tells the runs apart."""
    weights = [str(other.options.get("lambda_img_grad", "")) for other in comparison.records]
    own = str(record.options.get("lambda_img_grad", ""))
    return f"λ {float(own):g}" if own and weights.count(own) == 1 else record.paths.name


def _fidelity(comparison: Comparison, measure: str) -> dict[str, float]:
    return {
        name: number_of(tested.card["similarity"][tested.model_kind]["all"][measure], "value")
        for name, tested in comparison.tested.items()
        if tested.card
    }


def _drawing(comparison: Comparison, points: Mapping[str, tuple[float, float]], title: str, cube: VolumeRecord) -> str:
    front = front_of(points)
    at = np.array([points[name] for name in front])
    lines = [
        Line(name, np.array([x]), np.array([y]), style=number, labels=(label_of(record, comparison),))
        for number, (name, record) in enumerate(zip(comparison.names, comparison.records, strict=True))
        if name in points
        for x, y in [points[name]]
    ]
    lines.append(Line("not beaten", at[:, 0], at[:, 1], style=-1))
    xs, ys = np.array(list(points.values())).T
    truth = number_of(cube.continuity["volumes"].get("truth", {}), "adjacent_difference_of_txm")
    width = 0.3 * float(np.ptp(xs)) or 0.2 * float(xs[0]) or 1.0
    low, high = max(0.0, float(xs.min()) - width), float(xs.max()) + width
    marks = [Mark(truth, "truth", down=True)] if low < truth < high else []
    known = f"; the truth is at {truth:.3g}" if math.isfinite(truth) else ""
    margin = 0.25 * float(np.ptp(ys)) or 0.05 * abs(float(ys[0])) or 1.0
    label = f"{title} by change along z: " + "; ".join(f"{name} {y:.4g} at {x:.3g}" for name, (x, y) in points.items())
    svg = plot(
        lines,
        label,
        "change along z, as multiple of the TXM's",
        x_range=(low, high),
        y_range=(float(ys.min()) - margin, float(ys.max()) + margin),
        marks=marks,
    )
    caption = f"<b>{escape(title)}</b> not beaten: {escape(', '.join(front))}{known}"
    return f"<figure>\n<figcaption>{caption}</figcaption>\n{svg}\n</figure>"
