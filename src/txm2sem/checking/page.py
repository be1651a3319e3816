"""The report of a check, to open in a browser or to print: one file with its pictures in it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime

from txm2sem.checking.content import SliceContent
from txm2sem.checking.figures import Previews, registration_text
from txm2sem.checking.findings import LEVELS, Finding, Readiness
from txm2sem.checking.measures import Measures
from txm2sem.checking.pairs import PairMeasures
from txm2sem.checking.scores import ExpectedScores
from txm2sem.checking.sources import TITLES
from txm2sem.figures.shown import imaged_box
from txm2sem.files import write_text
from txm2sem.metrics import Summary
from txm2sem.pages import Card, Table, file_data, jpeg, page
from txm2sem.runs import CheckPaths
from txm2sem.verdicts import MOST_NAMED


def write_page(
    paths: CheckPaths,
    measures: Measures,
    findings: Sequence[Finding],
    verdict: Readiness,
    figures: Mapping[str, str],
    previews: Previews,
) -> None:
    """Write the page, whole or not at all.

    Args:
        paths: the report; its pictures are there already.
        measures: what was measured.
        findings: the worst first.
        verdict: what it comes to.
        figures: name of each picture with its text.
        previews: of the slices that are shown one image over the other.

    Raises:
        UserError: the disk is full or the folder not writable.
    """
    root = measures.dataroot.resolve()
    pictures = {name: (file_data(paths.figure(name).read_bytes()), text) for name, text in figures.items()}
    text = page(
        "check.html",
        title=f"{root.name}: check",
        root=root,
        slices=len(measures.contents),
        counts=", ".join(f"{sum(finding.level == level for finding in findings)} {level}s" for level in LEVELS),
        now=datetime.now().astimezone(),
        verdict=verdict,
        findings=findings,
        most_named=MOST_NAMED,
        scores=_scores(measures.scores),
        shifts=_shifts(measures),
        registration=[picture for name, picture in pictures.items() if name.startswith("registration_")],
        overlaid=_overlaid(measures, previews),
        resolution=[picture for name, picture in pictures.items() if name == "resolution"],
        grey_values=_grey_values(measures),
        phases=_phases(measures),
        shared=_shared(measures),
        compared=measures.compared,
    )
    write_text(paths.page, text)


def _scores(expected: ExpectedScores | None) -> Mapping[str, object] | None:
    """Return the table of scores, and of which patches they are; None where there are none."""
    if expected is None:
        return None
    rows = []
    for name, found in expected.scores.items():
        psnr, ssim = Summary.of(found.psnr), Summary.of(found.ssim)
        rows.append(
            (name, f"{psnr.mean:.2f} ± {psnr.standard_error:.2f}", f"{ssim.mean:.3f} ± {ssim.standard_error:.3f}")
        )
    return {
        "count": len(next(iter(expected.scores.values())).psnr),
        "patch_size": expected.patch_size,
        "split": expected.phase,
        "table": Table("Scores", ("prediction", "PSNR [dB]", "SSIM"), rows),
    }


def _overlaid(measures: Measures, previews: Previews) -> list[Card]:
    """Return both images of slices, to be wiped."""
    cards = []
    for index, (place, images) in enumerate(previews.items()):
        box = imaged_box(preview.grey for preview in images.values())
        height, width = images["txm"].grey[box].shape
        shown = {name: (TITLES[name], jpeg(preview.grey[box])) for name, preview in images.items()}
        step = images["txm"].shape[0] / images["txm"].grey.shape[0]
        size = None if measures.pixel_size is None else measures.pixel_size * step
        words = registration_text(place, measures.pairs[place], measures.pixel_size)
        cards.append(Card(str(place), words, shown, height, width, {"place": ("all", index)}, size))
    return cards


def _shifts(measures: Measures) -> Table | None:
    rows = [(str(place), *_registration_row(pair)) for place, pair in measures.pairs.items()]
    head = ("slice", "down, right [pixels]", "length", "median length of clear tiles", "clear tiles", "correlation")
    return Table("Displacement of the TXM and its correlation with the SEM", head, rows) if rows else None


def _registration_row(pair: PairMeasures) -> tuple[str, ...]:
    length = pair.median_length()
    middle = "–" if length is None else f"{length:.2f}"
    clear = f"{len(pair.confident)} of {len(pair.tiles)}"
    whole = pair.whole
    if whole is None or not whole.confident:
        return ("not clear", "–", middle, clear, f"{pair.correlation:.2f}")
    vector = f"{whole.rows:+.2f}, {whole.columns:+.2f}"
    return (vector, f"{whole.length:.2f}", middle, clear, f"{pair.correlation:.2f}")


def _grey_values(measures: Measures) -> Table:
    rows = [
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
    caption = "Grey values; percentiles, noise (standard deviation) and shares are of uncharged pixels that are not 0"
    return Table(caption, head, rows)


def _phases(measures: Measures) -> Table:
    head = ("slice", "no SEM", "charged", "usable", "low density", "high density", "rest", "low and high")
    rows = [(str(place), *_phase_row(content)) for place, content in measures.contents.items()]
    caption = (
        "Coverage, charging and phases; no SEM: share of what the TXM shows in which the SEM is 0 over areas; phases "
        "are shares of uncharged, imaged pixels"
    )
    return Table(caption, head, rows)


def _phase_row(content: SliceContent) -> tuple[str, ...]:
    shares = (content.charged, content.usable, content.low, content.high, content.rest, content.both)
    covered = "no image" if content.uncovered is None else f"{content.uncovered:.1%}"
    return (covered, *("no mask" if share is None else f"{share:.1%}" for share in shares))


def _shared(measures: Measures) -> Table | None:
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
    return Table(f"Of {measures.compared} pairs of slices", head, rows) if rows else None
