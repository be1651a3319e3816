"""The page about one run: a verdict, images, volumes, scores, curves, and how to do it again."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape
from pathlib import Path

from txm2sem import __version__
from txm2sem.errors import UserError
from txm2sem.files import set_aside, write_text
from txm2sem.pages import page, section
from txm2sem.pages.frame import identity_of
from txm2sem.report.html.about import about_html, command_html, commands_html
from txm2sem.report.html.commands import next_test
from txm2sem.report.html.patches import patches_html
from txm2sem.report.html.record import RunRecord
from txm2sem.report.html.scorecard import scorecard_html
from txm2sem.report.html.trust import trust_html
from txm2sem.report.html.verdict import verdict_html
from txm2sem.report.html.volumes import volumes_html
from txm2sem.runs import RunPaths
from txm2sem.training.curves import condense
from txm2sem.training.page import ABOUT_SCORES, curve_figures, how_condensed

ASSETS = ("viewers.css", "wipe.js", "cuts.js", "copy.js")


@dataclass(frozen=True)
class WrittenPage:
    """A page, and where an earlier one was moved to, or None."""

    path: Path
    earlier: Path | None


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
        UserError: there is no such run, a file of it is damaged, or the page cannot be written.
    """
    target = Path(output) if str(output) else paths.report
    check_output(target)
    record = RunRecord.read(paths)
    return write_page(target, f"{paths.name}: report", run_sections(record, volumes, txm), header_html(record))


def run_sections(record: RunRecord, volumes: Sequence[Path] = (), txm: Sequence[Path] = ()) -> dict[str, str]:
    """Return the parts of the page, by title, as HTML."""
    untested = command_html("Test it", next_test(record.paths))
    sections = {"Verdict": verdict_html(record) + ("" if record.tested else untested)}
    images = patches_html(record)
    sections["Images"] = images or f"<p>There are none: it was not tested yet.</p>\n{untested}"
    views = volumes_html(record, volumes, txm)
    if views:
        sections["Volumes"] = views
    if record.tested:
        sections["Scores"] = scorecard_html(record.tested)
    if record.trust:
        sections["Trust"] = trust_html(record)
    sections["Training"] = training_html(record)
    sections["The run"] = about_html(record)
    sections["Do it again"] = commands_html(record)
    return sections


def training_html(record: RunRecord) -> str:
    """Return the curves of validation scores and of losses."""
    end = record.epochs or 1e-9
    losses = curve_figures(map(condense, record.losses), end, how_condensed(record.losses))
    return f"<h3>Validation</h3>\n{curve_figures(record.scores, end, ABOUT_SCORES)}\n<h3>Losses</h3>\n{losses}"


def header_html(record: RunRecord) -> str:
    """Return what stands at the top."""
    about = [record.model, str(record.options.get("netG", "")), str(record.options.get("dataroot", ""))]
    return f"<h1>{escape(record.paths.name)}</h1>\n<p>{escape(' · '.join(part for part in about if part))}"


def write_page(target: Path, title: str, sections: dict[str, str], header: str) -> WrittenPage:
    """Write a page of sections with their list, whole; an earlier one is set aside."""
    now = datetime.now().astimezone()
    time = f'<time datetime="{now.isoformat(timespec="seconds")}">{now:%Y-%m-%d %H:%M}</time>'
    links = "".join(f'<li><a href="#{identity_of(name)}">{escape(name)}</a></li>' for name in sections)
    body = [
        f"<header>\n{header} · written {time} by txm2sem {escape(__version__)}</p>\n</header>",
        f'<nav aria-label="Contents"><ul>{links}</ul></nav>',
        "<main>",
        *(section(name, content) for name, content in sections.items()),
        "</main>",
    ]
    text = page(title, "\n".join(body), *ASSETS)
    earlier = set_aside([target], target.with_suffix(""))
    write_text(target, text)
    return WrittenPage(target, earlier)


def check_output(target: Path) -> None:
    """Check that a page can be written there.

    Raises:
        UserError: it is a folder, or its name is not that of a page.
    """
    if target.is_dir() or target.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"--output {target}: expected a file whose name ends with .html; name it such as report.html")
