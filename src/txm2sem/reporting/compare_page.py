"""The page about several runs: what differs, which is best, the front, images side by side, curves over each other."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from txm2sem.commands import next_test
from txm2sem.course import Curve, condense
from txm2sem.errors import UserError
from txm2sem.figures.of_pages import Illustrated, draw_plots
from txm2sem.metrics import front_of
from txm2sem.options import PageFigureKind
from txm2sem.pages import Html, Line, Mark, Plot, Table, fragment, plot
from txm2sem.reporting.about import commands_html
from txm2sem.reporting.comparison import Comparison
from txm2sem.reporting.judging import judge
from txm2sem.reporting.layouts import Layout, Overlay, overlays_of, scores_of
from txm2sem.reporting.patches import gallery_html
from txm2sem.reporting.record import (
    AGAIN,
    IMAGES,
    SCORES,
    TRAINING,
    VOLUMES,
    RunRecord,
    TestRecord,
    VolumeRecord,
    number_of,
)
from txm2sem.reporting.run_page import Part, WrittenPage, draft_of, write_page
from txm2sem.reporting.scorecard import evaluation_tables, means_table, similarity_table
from txm2sem.runs import RunPaths
from txm2sem.scoring.names import PHASES, REGION_NAMES, resolution_column, rock_columns
from txm2sem.scoring.table import number_text

MOST_OVERLAYS = 4
"""With more runs than this their errors are not in the page, which would grow too large."""

FIDELITY = {"psnr": "PSNR [dB]", "ssim": "SSIM"}
"""Measures that stand beside continuity."""


def compare_runs(runs: Sequence[RunPaths], output: Path | str = "", figures: PageFigureKind = "none") -> WrittenPage:
    """Write the page about several runs, from what their folders hold.

    Args:
        runs: two or more.
        output: the file, `compare.html` in the current folder where empty; an earlier one is moved into a dated folder
            beside it.
        figures: the kind of files that its drawings are written as, too, see `write_page`.

    Raises:
        UserError: a run is not there, its saved options are damaged, the runs were tested on different images, or the
            page cannot be written.
    """
    draft = draft_of(Path(output) if str(output) else Path("compare.html"))
    comparison = Comparison.read(runs)
    names = comparison.names
    parts = compare_parts(comparison)
    title, about = f"{', '.join(names)}: comparison", [f"{len(runs)} runs compared"]
    return write_page(draft, title, " · ".join(names), about, parts, comparison.verdict, figures)


def compare_parts(comparison: Comparison) -> list[Part]:
    """Return the parts of the page."""
    records = comparison.records

    def part(title: str, make: Callable[[Comparison], Html | Illustrated], of: str = "") -> Part:
        problems = [one for record in records for one in record.problems.get(of or title, ())]
        return Part.of(title, partial(make, comparison), problems=problems)

    return [
        part("Verdict", _verdict),
        part("What differs", _differences),
        part("Fidelity and continuity", _front, of=VOLUMES),
        part(IMAGES, _images),
        part(SCORES, _scores),
        part(TRAINING, _training),
        part(AGAIN, _commands),
    ]


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


def _verdict(comparison: Comparison) -> Html:
    return fragment(
        "compare.html",
        "verdict",
        it=comparison.verdict,
        judged=comparison.judge(),
        alone={record.paths.name: judge(record)[0] for record in comparison.records},
        tests={
            f"Test {record.paths.name}": next_test(record.paths)
            for record in comparison.records
            if record.tested is None
        },
    )


def _differences(comparison: Comparison) -> Html:
    found = comparison.differing_options()
    facts = {
        "epochs trained": [f"{record.epochs:.4g}" for record in comparison.records],
        "networks saved": [
            f"{record.trained_at:%Y-%m-%d %H:%M}" if record.trained_at else "–" for record in comparison.records
        ],
    }
    rows = [[name, *values] for name, values in {**found, **facts}.items()]
    table = Table("Options that differ between the runs", ["", *comparison.names], rows)
    note = "" if found else "Their options do not differ."
    return fragment("compare.html", "tables", them=[table], note=note)


def _front(comparison: Comparison) -> Html | Illustrated:
    """Return the drawings of the runs that have both scores and a cube, and what the others lack."""
    if not any(tested.card for tested in comparison.tested.values()):
        return Html()
    cubes = common_cubes(comparison)
    plots, lacking = [], []
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
            plots.append(_drawing(comparison, points, title, next(iter(cubes.values()))))
    html = fragment("compare.html", "front", lines=_keys(comparison), plots=plots, lacking=lacking)
    return Illustrated(html, {"front": partial(draw_plots, plots)} if plots else {})


def _fidelity(comparison: Comparison, measure: str) -> dict[str, float]:
    return {
        name: number_of(tested.card["similarity"][tested.model_kind]["all"][measure], "value")
        for name, tested in comparison.tested.items()
        if tested.card
    }


def _drawing(comparison: Comparison, points: Mapping[str, tuple[float, float]], title: str, cube: VolumeRecord) -> Plot:
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
    return plot(
        title,
        lines,
        label,
        "change along z, as multiple of the TXM's",
        note=f"not beaten: {', '.join(front)}{known}",
        x_range=(low, high),
        y_range=(float(ys.min()) - margin, float(ys.max()) + margin),
        marks=marks,
    )


def _images(comparison: Comparison) -> Html | Illustrated:
    layout = comparison.layout
    records = [record for record in comparison.records if record.paths.name in comparison.tested]
    if layout is None or not records:
        return Html()
    counts = {name: tested.count for name, tested in comparison.tested.items()}
    if len(set(counts.values())) > 1:
        raise UserError(f"the runs have different numbers of images ({counts}); test again")
    suffix = comparison.tested[records[0].paths.name].suffix
    layers = {name: title for name, title in layout.layers.items() if name not in (layout.prediction, layout.target)}
    layers |= {f"run-{number}": record.paths.name for number, record in enumerate(records)}
    layers[layout.target] = layout.layers[layout.target]
    of_run = {f"run-{number}": record for number, record in enumerate(records)}

    def path_of(layer: str) -> Any:
        record = of_run.get(layer, records[0])
        folder = layout.prediction if layer in of_run else layer
        return lambda index: record.file(record.paths.image(f"{folder}{suffix}", index))

    overlays: dict[str, Overlay] = {}
    for number, record in enumerate(records if len(records) <= MOST_OVERLAYS else []):
        for name, overlay in overlays_of(record, layout).items():
            overlays[f"{name}-{number}"] = replace(overlay, title=f"{overlay.kind}, {record.paths.name}")
    scores = {
        f"{_measure(column)}, {record.paths.name}": values
        for record in records
        for column, values in list(scores_of(record, layout).items())[:1]
    }
    last = f"run-{len(records) - 1}"
    shown = Layout(layers, layout.source, "run-0", last if len(records) > 1 else layout.target)
    what = "slices" if suffix else "patches"
    size = comparison.tested[records[0].paths.name].pixel_size
    return gallery_html(shown, {layer: path_of(layer) for layer in layers}, overlays, scores, {}, what, size)


def _measure(column: str) -> str:
    return {"psnr_all": "PSNR"}.get(column, column)


def _scores(comparison: Comparison) -> Html:
    scored = {name: tested for name, tested in comparison.tested.items() if tested.card}
    if not scored:
        return fragment("compare.html", "tables", them=_means(comparison.tested))
    similarity = {name: tested.card["similarity"][tested.model_kind]["all"] for name, tested in scored.items()}
    first = next(iter(scored.values()))
    trivial = {kind: found["all"] for kind, found in first.card["similarity"].items() if kind != first.model_kind}
    tables = [similarity_table(similarity | trivial, marked=len(similarity))]
    tables += [_rock(scored, phase) for phase in PHASES if any(tested.card["rock"] for tested in scored.values())]
    return fragment("compare.html", "tables", them=[*tables, _spectra(scored)])


def _means(tested: Mapping[str, TestRecord]) -> list[Table]:
    found = {name: evaluation_tables(one.scores) for name, one in tested.items()}
    made = []
    for number, reference in enumerate(next(iter(found.values()), [])):
        rows = {}
        for name, tables in found.items():
            if len(tables) > number and tables[number].head == reference.head:
                rows[name] = next(iter(tables[number].rows.values()))
        rows |= dict(list(reference.rows.items())[1:])
        made.append(means_table(reference.head, rows, len(found)))
    return made


def _rock(scored: Mapping[str, TestRecord], phase: str) -> Table:
    rows = []
    scored = {name: tested for name, tested in scored.items() if tested.card["rock"]}
    for name, (heading, factor, digits) in rock_columns(_common_size(scored)).items():
        found = [tested.card["rock"][tested.model_kind][phase][name] for tested in scored.values()]
        true = number_text(factor * number_of(found[0]["true"], "value"), digits)
        errors = (number_text(factor * number_of(one["error"], "value"), digits, signed=True) for one in found)
        rows.append([heading, true, *errors])
    return Table(f"Rock: errors in {REGION_NAMES[phase]}", ["", "true", *scored], rows)


def _spectra(scored: Mapping[str, TestRecord]) -> Table:
    rows = []
    resolved, factor, digits = resolution_column(_common_size(scored))
    columns = {
        "spectrum_mean_db": ("power off by [dB]", 1.0, 1),
        "resolution_half_px": (f"{resolved} (FRC 1/2)", factor, digits),
        "resolution_seventh_px": (f"{resolved} (FRC 1/7)", factor, digits),
    }
    for name, (heading, times, behind) in columns.items():
        found = (tested.card["spectrum"][tested.model_kind][name] for tested in scored.values())
        rows.append([heading, *(number_text(times * number_of(one, "value"), behind) for one in found)])
    return Table("Spectra and resolution", ["", *scored], rows)


def _common_size(scored: Mapping[str, TestRecord]) -> float | None:
    """Return the side of the pixels of all runs [nm]; None: it is not known of one, or they differ."""
    sizes = {tested.pixel_size for tested in scored.values()}
    return sizes.pop() if len(sizes) == 1 else None


def _training(comparison: Comparison) -> Illustrated:
    validation = {record.paths.name: record.course.scores for record in comparison.records}
    losses = {record.paths.name: [condense(curve) for curve in record.course.losses] for record in comparison.records}
    drawn = {"Validation": _overlaid(validation), "Losses": _overlaid(losses)}
    shown = {heading: plots for heading, plots in drawn.items() if plots}
    html = fragment("compare.html", "training", lines=_keys(comparison), drawn=shown)
    return Illustrated(html, {heading.lower(): partial(draw_plots, plots) for heading, plots in shown.items()})


def _keys(comparison: Comparison) -> list[Line]:
    """Return what stands for each run in legends."""
    return [Line(name, np.empty(0), np.empty(0), style=number) for number, name in enumerate(comparison.names)]


def _overlaid(curves: Mapping[str, list[Curve]]) -> list[Plot]:
    """Return a drawing of each curve, by its name, of all runs that have it."""
    lines: dict[str, list[Line]] = {}
    for number, (run, own) in enumerate(curves.items()):
        for curve in own:
            if len(curve.values):
                line = Line(run, curve.epochs, curve.values, style=number)
                lines.setdefault(curve.name, []).append(line)
    plots = []
    for name, drawn in lines.items():
        end = max(float(line.x[-1]) for line in drawn) or 1e-9
        label = f"{name} by epoch, latest: " + ", ".join(f"{line.name} {line.y[-1]:.4g}" for line in drawn)
        plots.append(plot(name, drawn, label, "epochs", x_range=(0.0, end)))
    return plots


def _commands(comparison: Comparison) -> Html:
    made = (commands_html(record, f"{record.paths.name}: ") for record in comparison.records)
    return Html("\n").join(made)
