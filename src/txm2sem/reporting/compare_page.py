"""The page about several runs: what differs, which is best, the front, images side by side, curves over each other."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import numpy as np

from txm2sem.commands import next_test
from txm2sem.course import Curve, condense
from txm2sem.errors import UserError
from txm2sem.pages import Line, legend, plot, table
from txm2sem.reporting.about import command_html, commands_html
from txm2sem.reporting.comparison import Comparison
from txm2sem.reporting.evaluation import evaluation_tables
from txm2sem.reporting.front import front_html
from txm2sem.reporting.layouts import Layout, Overlay, overlays_of, scores_of
from txm2sem.reporting.patches import gallery_html
from txm2sem.reporting.record import AGAIN, IMAGES, SCORES, TRAINING, VOLUMES, RunRecord, TestRecord, number_of
from txm2sem.reporting.run_page import Parts, WrittenPage, draft_of, write_page
from txm2sem.reporting.scorecard import similarity_table
from txm2sem.reporting.verdict import findings_html, judge
from txm2sem.runs import RunPaths
from txm2sem.scoring.phases import PHASES
from txm2sem.scoring.table import REGION_NAMES, ROCK, number_text

MOST_OVERLAYS = 4
"""With more runs than this their errors are not in the page, which would grow too large."""


def compare_runs(runs: Sequence[RunPaths], output: Path | str = "") -> WrittenPage:
    """Write the page about several runs, from what their folders hold.

    Args:
        runs: two or more.
        output: the file, `compare.html` in the current folder where empty; an earlier one is moved into a dated folder
            beside it.

    Raises:
        UserError: a run is not there, its saved options are damaged, the runs were tested on different images, or the
            page cannot be written.
    """
    draft = draft_of(Path(output) if str(output) else Path("compare.html"))
    comparison = Comparison.read(runs)
    header = f"<h1>{escape(' · '.join(comparison.names))}</h1>\n<p>{len(runs)} runs compared"
    return write_page(draft, f"{', '.join(comparison.names)}: comparison", compare_parts(comparison), header)


def compare_parts(comparison: Comparison) -> Parts:
    """Return the parts of the page."""
    parts, records = Parts(), comparison.records
    scored = any(tested.card for tested in comparison.tested.values())

    def add(title: str, *makes: Callable[[], str], of: str = "") -> None:
        parts.add(title, *makes, problems=[one for record in records for one in record.problems.get(of or title, ())])

    add("Verdict", lambda: _verdict(comparison))
    add("What differs", lambda: _differences(comparison))
    add("Fidelity and continuity", lambda: front_html(comparison) if scored else "", of=VOLUMES)
    add(IMAGES, lambda: _images(comparison))
    add(SCORES, lambda: _scores(comparison) if comparison.tested else "")
    add(TRAINING, lambda: _training(comparison))
    add(AGAIN, *(partial(commands_html, record, f"{record.paths.name}: ") for record in records))
    return parts


def _verdict(comparison: Comparison) -> str:
    rows = [[record.paths.name, judge(record)[0]] for record in comparison.records]
    alone = "\n".join(f"<li><b>{escape(name)}</b> {escape(words)}</li>" for name, words in rows)
    untested = [record for record in comparison.records if record.tested is None]
    commands = "\n".join(command_html(f"Test {record.paths.name}", next_test(record.paths)) for record in untested)
    return f'{findings_html(comparison.judge())}\n<h3>Each alone</h3>\n<ul class="plain">\n{alone}\n</ul>\n{commands}'


def _differences(comparison: Comparison) -> str:
    found = comparison.differing_options()
    facts = {
        "epochs trained": [f"{record.epochs:.4g}" for record in comparison.records],
        "networks saved": [
            f"{record.trained_at:%Y-%m-%d %H:%M}" if record.trained_at else "–" for record in comparison.records
        ],
    }
    rows = [[name, *values] for name, values in {**found, **facts}.items()]
    note = "" if found else '<p class="note">Their options do not differ.</p>\n'
    return note + table("Options that differ between the runs", ["", *comparison.names], rows)


def _images(comparison: Comparison) -> str:
    layout = comparison.layout
    records = [record for record in comparison.records if record.paths.name in comparison.tested]
    if layout is None or not records:
        return ""
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
    return gallery_html(shown, {layer: path_of(layer) for layer in layers}, overlays, scores, {}, what)


def _measure(column: str) -> str:
    return {"psnr_all": "PSNR"}.get(column, column)


def _scores(comparison: Comparison) -> str:
    scored = {name: tested for name, tested in comparison.tested.items() if tested.card}
    if not scored:
        return _plain_scores(comparison.tested)
    similarity = {name: tested.card["similarity"][tested.model_kind]["all"] for name, tested in scored.items()}
    first = next(iter(scored.values()))
    trivial = {kind: found["all"] for kind, found in first.card["similarity"].items() if kind != first.model_kind}
    parts = [similarity_table(similarity | trivial, marked=len(similarity))]
    parts += [_rock(scored, phase) for phase in PHASES if any(tested.card["rock"] for tested in scored.values())]
    parts.append(_spectra(scored))
    return "\n".join(parts)


def _plain_scores(tested: Mapping[str, TestRecord]) -> str:
    parts = []
    tables = {name: evaluation_tables(found.scores) for name, found in tested.items()}
    for number, reference in enumerate(next(iter(tables.values()))):
        rows = {}
        for name, found in tables.items():
            if len(found) > number and found[number].head == reference.head:
                rows[name] = next(iter(found[number].rows.values()))
        rows |= dict(list(reference.rows.items())[1:])
        lines = [[kind, *(f"{mean:.4g} ± {error:.2g}" for mean, error in means)] for kind, means in rows.items()]
        parts.append(table("Mean ± standard error over patches", ["", *reference.head], lines, marked=len(tables)))
    return "\n".join(parts)


def _rock(scored: Mapping[str, TestRecord], phase: str) -> str:
    rows = []
    scored = {name: tested for name, tested in scored.items() if tested.card["rock"]}
    for name, (heading, factor, digits) in ROCK.items():
        found = [tested.card["rock"][tested.model_kind][phase][name] for tested in scored.values()]
        true = number_text(factor * number_of(found[0]["true"], "value"), digits)
        errors = (number_text(factor * number_of(one["error"], "value"), digits, signed=True) for one in found)
        rows.append([heading, true, *errors])
    return table(f"Rock: errors in {REGION_NAMES[phase]}", ["", "true", *scored], rows)


def _spectra(scored: Mapping[str, TestRecord]) -> str:
    rows = []
    names = {
        "spectrum_mean_db": "power off by [dB]",
        "resolution_half_px": "resolved to [pixels] (FRC 1/2)",
        "resolution_seventh_px": "resolved to [pixels] (FRC 1/7)",
    }
    for name, heading in names.items():
        found = (tested.card["spectrum"][tested.model_kind][name] for tested in scored.values())
        rows.append([heading, *(number_text(number_of(one, "value"), 1) for one in found)])
    return table("Spectra and resolution", ["", *scored], rows)


def _training(comparison: Comparison) -> str:
    keys = [Line(name, np.empty(0), np.empty(0), style=number) for number, name in enumerate(comparison.names)]
    parts = [legend(keys)]
    for heading, curves_of in (("Validation", _validation), ("Losses", _losses)):
        names = dict.fromkeys(curve.name for record in comparison.records for curve in curves_of(record))
        figures = "\n".join(filter(None, (_overlaid(comparison, name, curves_of) for name in names)))
        if figures:
            parts.append(f'<h3>{heading}</h3>\n<div class="curves">\n{figures}\n</div>')
    return "\n".join(parts) if len(parts) > 1 else "<p>The runs' folders have no logs.</p>"


def _validation(record: RunRecord) -> list[Curve]:
    return record.course.scores


def _losses(record: RunRecord) -> list[Curve]:
    return [condense(curve) for curve in record.course.losses]


def _overlaid(comparison: Comparison, name: str, curves_of: Callable[[RunRecord], list[Curve]]) -> str:
    lines = [
        Line(record.paths.name, curve.epochs, curve.values, style=number)
        for number, record in enumerate(comparison.records)
        for curve in curves_of(record)
        if curve.name == name and len(curve.values)
    ]
    if not lines:
        return ""
    end = max(float(line.x[-1]) for line in lines) or 1e-9
    label = f"{name} by epoch, latest: " + ", ".join(f"{line.name} {line.y[-1]:.4g}" for line in lines)
    svg = plot(lines, label, "epochs", x_range=(0.0, end))
    return f"<figure>\n<figcaption><b>{escape(name)}</b></figcaption>\n{svg}\n</figure>"
