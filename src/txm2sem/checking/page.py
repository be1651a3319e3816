"""The report of a check, to open in a browser or to print: one file with its pictures in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from html import escape

from txm2sem.checking.content import SliceContent
from txm2sem.checking.findings import LEVELS, Finding
from txm2sem.checking.measures import Measures
from txm2sem.checking.pairs import PairMeasures
from txm2sem.checking.scores import ExpectedScores
from txm2sem.checking.sources import TITLES
from txm2sem.files import write_text
from txm2sem.metrics import Summary
from txm2sem.pages import figure, file_data, page, section, table
from txm2sem.runs import CheckPaths

MARKS = {"problem": "✕", "warning": "!", "note": "i"}
"""What stands before a finding, besides its level in words: neither colour nor sign alone tells it."""


def write_page(
    paths: CheckPaths, measures: Measures, findings: Sequence[Finding], verdict: str, figures: Mapping[str, str]
) -> None:
    """Write the page, whole or not at all.

    Args:
        paths: the report; its pictures are there already.
        measures: what was measured.
        findings: the worst first.
        verdict: one line.
        figures: name of each picture with its text.

    Raises:
        UserError: the disk is full or the folder not writable.
    """
    pictures = {name: _picture(paths, name, text) for name, text in figures.items()}
    now = datetime.now().astimezone()
    counts = ", ".join(f"{sum(finding.level == level for finding in findings)} {level}s" for level in LEVELS)
    registration = [picture for name, picture in pictures.items() if name.startswith("registration_")]
    body = [
        f"<header>\n<h1>{escape(measures.dataroot.resolve().name)}: check of the data</h1>\n<p>"
        f"{escape(str(measures.dataroot.resolve()))} · {len(measures.contents)} slices · {counts} · written "
        f'<time datetime="{now.isoformat(timespec="seconds")}">{now:%Y-%m-%d %H:%M}</time></p>\n</header>',
        "<main>",
        section("Verdict", _verdict(verdict)),
        section("Findings", _findings(findings)),
        section("Scores to beat", _scores(measures.scores)),
        section("Registration", _registration(measures, registration)),
        section("Resolution", _resolution(pictures.get("resolution"))),
        section("Slices", _slices(measures)),
        section("Areas in two slices", _shared(measures)),
        "</main>",
    ]
    title = f"{measures.dataroot.resolve().name}: check"
    write_text(paths.page, page(title, "\n".join(body), "findings.css"))


def _verdict(verdict: str) -> str:
    words, colon, command = verdict.partition(": txm2sem ")
    if not colon:
        return f'<p class="verdict">{escape(verdict[0].upper() + verdict[1:])}.</p>'
    return (
        f'<p class="verdict">{escape(words[0].upper() + words[1:])}</p>\n'
        f'<pre tabindex="0">txm2sem {escape(command)}</pre>'
    )


def _findings(findings: Sequence[Finding]) -> str:
    if not findings:
        return "<p>Nothing.</p>"
    items = []
    for finding in findings:
        where = f"<b>{escape(finding.where)}</b>: " if finding.where else ""
        items.append(
            f'<li class="is-{finding.level}"><span class="level">'
            f'<span aria-hidden="true">{MARKS[finding.level]}</span> '
            f"{finding.level}</span> {where}{escape(finding.text)}.<br>"
            f'<span class="advice">{escape(finding.advice)}</span></li>'
        )
    return '<ul class="findings">\n' + "\n".join(items) + "\n</ul>"


def _scores(scores: ExpectedScores | None) -> str:
    if scores is None:
        return "<p>Nothing could be scored; the findings say why.</p>"
    rows = []
    for name, found in scores.scores.items():
        psnr, ssim = Summary.of(found.psnr), Summary.of(found.ssim)
        rows.append(
            (name, f"{psnr.mean:.2f} ± {psnr.standard_error:.2f}", f"{ssim.mean:.3f} ± {ssim.standard_error:.3f}")
        )
    count = len(next(iter(scores.scores.values())).psnr)
    note = (
        f"Predictions without a model, fitted on train, on the {count} fixed patches of {scores.patch_size} pixels of "
        f"{scores.phase}; mean ± standard error. A model is worth its name if it does better."
    )
    return f'<p class="note">{note}</p>\n' + table("Scores", ("prediction", "PSNR [dB]", "SSIM"), rows)


def _resolution(picture: str | None) -> str:
    if picture is None:
        return "<p>Nothing is whole enough to measure it.</p>"
    note = (
        "Left: how much structure of each fineness the images have, with thin lines for single slices; right: how far "
        "TXM and SEM agree on it. Dashed: the finest structure that a TXM downsampled by 4 and by 2 still has."
    )
    return f'<p class="note">{note}</p>\n{picture}'


def _registration(measures: Measures, pictures: Sequence[str]) -> str:
    if not measures.pairs:
        return "<p>There is no pair to compare.</p>"
    note = (
        "Where edges of the TXM lie beside those of the SEM, tile by tile. Arrows go from the SEM's place to the TXM's "
        "and are enlarged; crosses are tiles in which nothing is clear. Charged and empty pixels take no part."
    )
    rows = [(str(place), *_registration_row(pair)) for place, pair in measures.pairs.items()]
    head = ("slice", "down, right [pixels]", "length", "median length of clear tiles", "clear tiles", "correlation")
    shifts = table("Displacement of the TXM and its correlation with the SEM", head, rows)
    return f'<p class="note">{note}</p>\n{shifts}\n<div class="tiles">\n' + "\n".join(pictures) + "\n</div>"


def _registration_row(pair: PairMeasures) -> tuple[str, ...]:
    length = pair.median_length()
    middle = "–" if length is None else f"{length:.2f}"
    clear = f"{len(pair.confident)} of {len(pair.tiles)}"
    whole = pair.whole
    if whole is None or not whole.confident:
        return ("not clear", "–", middle, clear, f"{pair.correlation:.2f}")
    vector = f"{whole.rows:+.2f}, {whole.columns:+.2f}"
    return (vector, f"{whole.length:.2f}", middle, clear, f"{pair.correlation:.2f}")


def _slices(measures: Measures) -> str:
    images = [
        (
            str(place),
            TITLES[name],
            f"{image.rows}\N{NO-BREAK SPACE}×\N{NO-BREAK SPACE}{image.columns}",
            image.dtype,
            f"{image.low:g} – {image.high:g}",
            f"{image.first:.4g} – {image.last:.4g}",
            f"{image.noise:.2g}",
            f"{image.at_low:.2%}",
            f"{image.at_high:.2%}",
            f"{image.empty:.1%}",
        )
        for place, content in measures.contents.items()
        for name, image in content.images.items()
    ]
    head = ("slice", "image", "pixels", "type", "grey values", "1st – 99th percentile", "noise",
            "at the smallest value", "at the largest value", "empty (0)")  # fmt: skip
    phases = [(str(place), *_phases(content)) for place, content in measures.contents.items()]
    return (
        table(
            "Grey values; percentiles, noise (standard deviation) and shares are of uncharged pixels that are not 0",
            head,
            images,
        )
        + "\n"
        + table(
            "Charging and phases; phases are shares of uncharged, imaged pixels",
            ("slice", "charged", "usable", "low density", "high density", "rest", "low and high"),
            phases,
        )
    )


def _phases(content: SliceContent) -> tuple[str, ...]:
    shares = (content.charged, content.usable, content.low, content.high, content.rest, content.both)
    return tuple("no mask" if share is None else f"{share:.1%}" for share in shares)


def _shared(measures: Measures) -> str:
    if not measures.shared:
        return f"<p>{measures.compared} pairs of slices were compared; none shows an area of the other.</p>"
    rows = [
        (
            f"{shared.one}, {shared.other}",
            " and ".join(TITLES[name] for name in shared.found),
            f"{shared.area.rows:+d}, {shared.area.columns:+d}",
            f"{shared.area.correlation:.2f}",
            f"{shared.area.share:.0%}",
        )
        for shared in measures.shared
    ]
    head = ("slices", "in", "shift down, right [pixels]", "correlation of detail", "share of the first slice")
    return table(f"Of {measures.compared} pairs of slices", head, rows)


def _picture(paths: CheckPaths, name: str, text: str) -> str:
    return figure(file_data(paths.figure(name).read_bytes()), text)
