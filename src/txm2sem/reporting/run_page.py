"""The page about one run: a verdict, images, volumes, scores, trust, curves, and how to do it again."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from pathlib import Path
from typing import Any

from txm2sem import __version__
from txm2sem.addresses import Place, place_of
from txm2sem.commands import next_test
from txm2sem.course import condense
from txm2sem.drafts import Draft
from txm2sem.errors import UserError
from txm2sem.files import write_text
from txm2sem.measures import promise, read_measures, sentences
from txm2sem.pages import Html, curve_plots, fragment, how_condensed, page, png
from txm2sem.pages.measures import measures_table
from txm2sem.reporting.about import about_html, commands_html, origin_html
from txm2sem.reporting.images import read_figure
from txm2sem.reporting.patches import patches_html
from txm2sem.reporting.record import AGAIN, IMAGES, SCORES, TRAINING, TRUST, VOLUMES, RunRecord
from txm2sem.reporting.scorecard import scores_html
from txm2sem.reporting.verdict import judge, verdict_of
from txm2sem.reporting.volumes import cube_viewers, whole_volumes
from txm2sem.runs import RunPaths
from txm2sem.verdicts import Verdict


@dataclass(frozen=True)
class WrittenPage:
    """A page that was written.

    Attributes:
        path: where.
        earlier: where an earlier one was moved to, or None.
        problems: what it cannot show, and why.
        verdict: what it begins with.
    """

    path: Path
    earlier: Path | None
    problems: list[str]
    verdict: Verdict


@dataclass(frozen=True)
class Part:
    """A part of a page.

    Attributes:
        title: of the part.
        contents: what is in it, in this order.
        problems: why it is not whole.
    """

    title: str
    contents: list[Html]
    problems: list[str]

    @classmethod
    def of(cls, title: str, *makes: Callable[[], Html], problems: Sequence[str] = ()) -> Part:
        """Return what functions make; where one of them cannot, the part says why."""
        contents, found = [], list(problems)
        for make in makes:
            try:
                contents.append(make())
            except UserError as error:
                found.append(str(error))
        return cls(title, list(filter(None, contents)), found)


def report_run(
    paths: RunPaths,
    volumes: Sequence[Place] = (),
    output: Path | str = "",
    txm: Sequence[Place] = (),
    measures: Sequence[Path] = (),
) -> WrittenPage:
    """Write the page about a run, from what its folders hold.

    Args:
        paths: the run.
        volumes: translated volumes, OME-Zarr or TIFF, to cut along xy, xz and yz; addresses of OME-Zarr, too.
        output: the file, `results/NAME/report.html` where empty; an earlier one is moved into a dated folder beside it.
        txm: what the volumes were translated from, in the same order, as far as it is not in their folders.
        measures: folders of measured volumes.

    Raises:
        UserError: there is no such run, its saved options are damaged, a volume or a measurement cannot be shown, or
            the page cannot be written.
    """
    target = Path(output) if str(output) else paths.report
    draft = draft_of(target)
    record = RunRecord.read(paths)
    shown, sources = ([place_of(place) for place in places] for places in (volumes, txm))
    parts = run_parts(record, whole_volumes(shown, len(record.volumes), sources), list(map(_measures, measures)))
    about = [record.model, str(record.options.get("netG", "")), str(record.options.get("dataroot", ""))]
    return write_page(draft, f"{paths.name}: report", paths.name, list(filter(None, about)), parts, verdict_of(record))


def run_parts(record: RunRecord, volumes: Sequence[Html] = (), measures: Sequence[Html] = ()) -> list[Part]:
    """Return the parts of the page; `volumes` are to be shown beside the run's cubes, `measures` are of volumes."""

    def part(title: str, *makes: Callable[[], Html]) -> Part:
        return Part.of(title, *makes, problems=record.problems.get(title, ()))

    return [
        part("Verdict", partial(_verdict, record)),
        part(IMAGES, partial(_images, record)),
        part(VOLUMES, lambda: Html("\n").join(volumes), *cube_viewers(record)),
        part("Phases of volumes", lambda: Html("\n").join(measures)),
        part(SCORES, *([partial(scores_html, record.tested)] if record.tested else [])),
        part(TRUST, *([partial(_trust, record)] if record.trust else [])),
        part(TRAINING, partial(_training, record)),
        part("The run", partial(about_html, record)),
        part(AGAIN, partial(commands_html, record), partial(origin_html, record)),
    ]


def write_page(
    draft: Draft, title: str, heading: str, about: Sequence[str], parts: Sequence[Part], verdict: Verdict
) -> WrittenPage:
    """Write a page of parts with their list, where there is anything of them; then an earlier one is set aside."""
    found = [part for part in parts if part.contents or part.problems]
    now = datetime.now().astimezone()
    text = page("report.html", title=title, heading=heading, about=about, now=now, version=__version__, parts=found)
    with draft.begin({}, replaced=True):
        written = draft.folder / "page.html"
        write_text(written, text)
        earlier = draft.finish(written, aside=draft.output.with_suffix(""))
    problems = dict.fromkeys(problem for part in found for problem in part.problems)
    return WrittenPage(draft.output, earlier, list(problems), verdict)


def draft_of(target: Path) -> Draft:
    """Return the draft of a page, after a check that it can be written there.

    Raises:
        UserError: it cannot: there is a folder, or its name is not that of a page.
    """
    if target.is_dir() or target.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--output {target}: expected a file whose name ends with .html; name it such as report.html")
    draft = Draft(target, "page", resumable=False)
    draft.look({}, replaced=True)
    return draft


def _verdict(record: RunRecord) -> Html:
    test = "" if record.tested else next_test(record.paths)
    return fragment("run.html", "verdict", it=verdict_of(record), judged=judge(record)[1], test=test)


def _measures(folder: Path) -> Html:
    document = read_measures(folder)
    table = measures_table(f"{folder.name}: all numbers", document)
    return fragment(
        "run.html",
        "measures",
        name=folder.name,
        document=document,
        sentences=sentences(document),
        promise=promise(document),
        table_of_numbers=table,
    )


def _images(record: RunRecord) -> Html:
    if record.tested is None and IMAGES not in record.problems:
        return fragment("run.html", "no_images", test=next_test(record.paths))
    return patches_html(record)


def _training(record: RunRecord) -> Html:
    end = record.epochs or 1e-9
    losses = record.course.losses
    return fragment(
        "run.html",
        "training",
        scores=curve_plots(record.course.scores, end, record.course.trivial),
        losses=curve_plots(map(condense, losses), end),
        about_losses=how_condensed(losses),
    )


def _trust(record: RunRecord) -> Html:
    """Return the numbers of `trust.json`, by their parts, and the picture of the calibration."""
    groups = {
        name.replace("_", " ").capitalize(): found
        for name, values in record.trust.items()
        if isinstance(values, Mapping) and (found := dict(_flat(values)))
    }
    path = record.paths.calibration_figure
    calibration = png(read_figure(record.file(path))) if path.exists() else ""
    return fragment("run.html", "trust", groups=groups, calibration=calibration)


def _flat(values: Mapping[str, Any], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield names and values of nested mappings, without the points of curves, which the picture shows."""
    for key, value in values.items():
        name = f"{above}{key.replace('_', ' ')}"
        if isinstance(value, Mapping):
            yield from _flat(value, f"{name}: ")
        elif isinstance(value, list):
            if not any(isinstance(item, float) for item in value):
                yield name, ", ".join(map(_text, value)) or "none"
        else:
            yield name, _text(value)


def _text(value: object) -> str:
    if value is None:
        return "–"
    return f"{value:.4g}" if isinstance(value, float) else str(value)
