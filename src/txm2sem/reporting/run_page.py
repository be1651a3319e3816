"""The page about one run: a verdict, images, volumes, scores, curves, and how to do it again."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from html import escape
from pathlib import Path

from txm2sem import __version__
from txm2sem.commands import next_test
from txm2sem.course import condense
from txm2sem.drafts import Draft
from txm2sem.errors import UserError
from txm2sem.files import write_text
from txm2sem.pages import page, section
from txm2sem.pages.curves import ABOUT_SCORES, curve_figures, how_condensed
from txm2sem.pages.frame import identity_of
from txm2sem.reporting.about import about_html, command_html, commands_html
from txm2sem.reporting.patches import patches_html
from txm2sem.reporting.record import AGAIN, IMAGES, SCORES, TRAINING, TRUST, VOLUMES, RunRecord
from txm2sem.reporting.scorecard import scorecard_html
from txm2sem.reporting.trust import trust_html
from txm2sem.reporting.verdict import verdict_html
from txm2sem.reporting.volumes import cube_viewers, whole_volumes_html
from txm2sem.runs import RunPaths

ASSETS = ("viewers.css", "wipe.js", "cuts.js", "copy.js")


@dataclass(frozen=True)
class WrittenPage:
    """A page that was written.

    Attributes:
        path: where.
        earlier: where an earlier one was moved to, or None.
        problems: what it cannot show, and why.
    """

    path: Path
    earlier: Path | None
    problems: list[str]


class Parts:
    """The parts of a page. Where one cannot be made, the page says why in its place.

    Attributes:
        html: of each, by title.
        problems: why parts, by title, cannot be made as a whole.
    """

    def __init__(self) -> None:
        self.html: dict[str, str] = {}
        self.problems: dict[str, list[str]] = {}

    def add(self, title: str, *makes: Callable[[], str], problems: Sequence[str] = ()) -> None:
        """Add a part, unless there is nothing of it.

        Args:
            title: of the part.
            makes: functions that return parts of it, as HTML.
            problems: why it is not whole.
        """
        made, found = [], list(problems)
        for make in makes:
            try:
                made.append(make())
            except UserError as error:
                found.append(str(error))
        if found:
            self.problems[title] = found
            made.insert(0, '<ul class="problems">' + "".join(f"<li>{escape(one)}</li>" for one in found) + "</ul>")
        if any(made):
            self.html[title] = "\n".join(filter(None, made))


def report_run(
    paths: RunPaths, volumes: Sequence[Path] = (), output: Path | str = "", txm: Sequence[Path] = ()
) -> WrittenPage:
    """Write the page about a run, from what its folders hold.

    Args:
        paths: the run.
        volumes: translated volumes, OME-Zarr or TIFF, to cut along xy, xz and yz.
        output: the file, `results/NAME/report.html` where empty; an earlier one is moved into a dated folder beside it.
        txm: what the volumes were translated from, in the same order, as far as it is not in their folders.

    Raises:
        UserError: there is no such run, its saved options are damaged, a volume cannot be shown, or the page cannot be
            written.
    """
    target = Path(output) if str(output) else paths.report
    draft = draft_of(target)
    record = RunRecord.read(paths)
    parts = run_parts(record, whole_volumes_html(volumes, len(record.volumes), txm))
    return write_page(draft, f"{paths.name}: report", parts, header_html(record))


def run_parts(record: RunRecord, volumes: str = "") -> Parts:
    """Return the parts of the page; `volumes` is HTML of volumes beside the run's cubes."""
    parts = Parts()

    def add(title: str, *makes: Callable[[], str]) -> None:
        parts.add(title, *makes, problems=record.problems.get(title, ()))

    untested = "" if record.tested else command_html("Test it", next_test(record.paths))
    none = f"<p>There are none: it was not tested yet.</p>\n{untested}" if untested else ""
    add("Verdict", lambda: verdict_html(record) + untested)
    add(IMAGES, lambda: patches_html(record) or ("" if IMAGES in record.problems else none))
    add(VOLUMES, lambda: volumes, *cube_viewers(record))
    if record.tested:
        add(SCORES, partial(scorecard_html, record.tested))
    add(TRUST, lambda: trust_html(record) if record.trust else "")
    add(TRAINING, lambda: training_html(record))
    add("The run", lambda: about_html(record))
    add(AGAIN, lambda: commands_html(record))
    return parts


def training_html(record: RunRecord) -> str:
    """Return the curves of validation scores and of losses."""
    end = record.epochs or 1e-9
    losses = curve_figures(map(condense, record.course.losses), end, how_condensed(record.course.losses))
    return f"<h3>Validation</h3>\n{curve_figures(record.course.scores, end, ABOUT_SCORES)}\n<h3>Losses</h3>\n{losses}"


def header_html(record: RunRecord) -> str:
    """Return what stands at the top."""
    about = [record.model, str(record.options.get("netG", "")), str(record.options.get("dataroot", ""))]
    return f"<h1>{escape(record.paths.name)}</h1>\n<p>{escape(' · '.join(part for part in about if part))}"


def write_page(draft: Draft, title: str, parts: Parts, header: str) -> WrittenPage:
    """Write a page of parts with their list; then an earlier one is set aside."""
    now = datetime.now().astimezone()
    time = f'<time datetime="{now.isoformat(timespec="seconds")}">{now:%Y-%m-%d %H:%M}</time>'
    links = "".join(f'<li><a href="#{identity_of(name)}">{escape(name)}</a></li>' for name in parts.html)
    lacking = ", ".join(f'<a href="#{identity_of(name)}">{escape(name)}</a>' for name in parts.problems)
    body = [
        f"<header>\n{header} · written {time} by txm2sem {escape(__version__)}</p>\n</header>",
        f'<p class="problems">Not everything could be shown; what is missing and why: {lacking}</p>' * bool(lacking),
        f'<nav aria-label="Contents"><ul>{links}</ul></nav>',
        "<main>",
        *(section(name, content) for name, content in parts.html.items()),
        "</main>",
    ]
    with draft.begin({}, replaced=True):
        written = draft.folder / "page.html"
        write_text(written, page(title, "\n".join(filter(None, body)), *ASSETS))
        earlier = draft.finish(written, aside=draft.output.with_suffix(""))
    problems = dict.fromkeys(problem for found in parts.problems.values() for problem in found)
    return WrittenPage(draft.output, earlier, list(problems))


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
