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
from txm2sem.figures.of_pages import Draw, Figures, Illustrated, draw_plots, save_figures
from txm2sem.files import write_text
from txm2sem.measures import promise, read_measures, sentences
from txm2sem.options import PageFigureKind
from txm2sem.pages import Html, curve_plots, fragment, how_condensed, page, png
from txm2sem.pages.measures import measures_table
from txm2sem.reporting.about import about_html, commands_html, origin_html
from txm2sem.reporting.images import read_figure
from txm2sem.reporting.judging import judge
from txm2sem.reporting.patches import patches_html
from txm2sem.reporting.record import AGAIN, IMAGES, SCORES, TRAINING, TRUST, VOLUMES, RunRecord
from txm2sem.reporting.scorecard import scores_html
from txm2sem.reporting.verdict import verdict_of
from txm2sem.reporting.volumes import cube_viewers, whole_volumes
from txm2sem.runs import RunPaths
from txm2sem.verdicts import Verdict

IN_WORDS = "in_words"
"""What `trust.json` says for people, by what has found it."""


@dataclass(frozen=True)
class WrittenPage:
    """A page that was written.

    Attributes:
        path: where.
        earlier: where an earlier one was moved to, or None.
        problems: what it cannot show, and why.
        verdict: what it begins with.
        figures: the folder of what it draws, where that was asked for, or None.
    """

    path: Path
    earlier: Path | None
    problems: list[str]
    verdict: Verdict
    figures: Path | None = None


@dataclass(frozen=True)
class Part:
    """A part of a page.

    Attributes:
        title: of the part.
        contents: what is in it, in this order.
        problems: why it is not whole.
        figures: what can be drawn of it.
    """

    title: str
    contents: list[Html]
    problems: list[str]
    figures: Figures

    @classmethod
    def of(cls, title: str, *makes: Callable[[], Html | Illustrated], problems: Sequence[str] = ()) -> Part:
        """Return what functions make; where one of them cannot, the part says why."""
        contents, found = [], list(problems)
        figures: dict[str, Draw] = {}
        for make in makes:
            try:
                made = make()
            except UserError as error:
                found.append(str(error))
                continue
            if isinstance(made, Illustrated):
                figures |= made.figures
            contents.append(made.html if isinstance(made, Illustrated) else made)
        return cls(title, list(filter(None, contents)), found, figures)


def report_run(
    paths: RunPaths,
    volumes: Sequence[Place] = (),
    output: Path | str = "",
    txm: Sequence[Place] = (),
    measures: Sequence[Path] = (),
    figures: PageFigureKind = "none",
) -> WrittenPage:
    """Write the page about a run, from what its folders hold.

    Args:
        paths: the run.
        volumes: translated volumes, OME-Zarr or TIFF, to cut along xy, xz and yz; addresses of OME-Zarr, too.
        output: the file, `results/NAME/report.html` where empty; an earlier one is moved into a dated folder beside it.
        txm: what the volumes were translated from, in the same order, as far as it is not in their folders.
        measures: folders of measured volumes.
        figures: the kind of files that its drawings are written as, too, see `write_page`.

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
    about = list(filter(None, about))
    return write_page(draft, f"{paths.name}: report", paths.name, about, parts, verdict_of(record), figures)


def run_parts(record: RunRecord, volumes: Sequence[Html] = (), measures: Sequence[Html] = ()) -> list[Part]:
    """Return the parts of the page; `volumes` are to be shown beside the run's cubes, `measures` are of volumes."""

    def part(title: str, *makes: Callable[[], Html | Illustrated]) -> Part:
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
    draft: Draft,
    title: str,
    heading: str,
    about: Sequence[str],
    parts: Sequence[Part],
    verdict: Verdict,
    kind: PageFigureKind = "none",
) -> WrittenPage:
    """Write a page of parts with their list, where there is anything of them; then an earlier one is set aside.

    What the parts draw is written as figures, where a kind of them is asked for: into the folder `PAGE_figures` beside
    the page, an earlier one of which is set aside with the page.
    """
    found = [part for part in parts if part.contents or part.problems]
    now = datetime.now().astimezone()
    text = page("report.html", title=title, heading=heading, about=about, now=now, version=__version__, parts=found)
    with draft.begin({}, replaced=True):
        written = draft.folder / "page.html"
        write_text(written, text)
        drawn, folder = draft.folder / "figures", draft.output.with_name(f"{draft.output.stem}_figures")
        save_figures({name: draw for part in found for name, draw in part.figures.items()}, drawn, heading, kind)
        is_drawn = drawn.exists()
        replaced = [folder] if is_drawn or draft.output.exists() else []
        earlier = draft.finish(written, {drawn: folder}, earlier=replaced, aside=draft.output.with_suffix(""))
    problems = dict.fromkeys(problem for part in found for problem in part.problems)
    return WrittenPage(draft.output, earlier, list(problems), verdict, folder if is_drawn else None)


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


def _images(record: RunRecord) -> Html | Illustrated:
    if record.tested is None and IMAGES not in record.problems:
        return fragment("run.html", "no_images", test=next_test(record.paths))
    return patches_html(record)


def _training(record: RunRecord) -> Illustrated:
    end = record.epochs or 1e-9
    losses = record.course.losses
    drawn = {
        "validation": curve_plots(record.course.scores, end, record.course.trivial),
        "losses": curve_plots(map(condense, losses), end),
    }
    html = fragment(
        "run.html",
        "training",
        scores=drawn["validation"],
        losses=drawn["losses"],
        about_losses=how_condensed(losses),
    )
    return Illustrated(html, {name: partial(draw_plots, plots) for name, plots in drawn.items() if plots})


def _trust(record: RunRecord) -> Html:
    """Return the numbers of `trust.json`, by their parts, and the picture of the calibration."""
    groups = {
        name.replace("_", " ").capitalize(): found
        for name, values in record.trust.items()
        if name != IN_WORDS and isinstance(values, Mapping) and (found := dict(_flat(values)))
    }
    path = record.paths.calibration_figure
    calibration = png(read_figure(record.file(path))) if path.exists() else ""
    sentences = record.trust.get(IN_WORDS, {})
    return fragment("run.html", "trust", sentences=sentences, groups=groups, calibration=calibration)


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
