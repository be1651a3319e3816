"""The check of a data root, from the first file to the report.

What scores, estimates and draws is imported when it comes to that: a check begins, and refuses, without.
"""

from __future__ import annotations

import math
import os
import re
import shlex
from collections import Counter
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, fields, replace
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from txm2sem.checking.alignment import align_command, places_to_align
from txm2sem.checking.background import Cells, judge_background
from txm2sem.checking.content import (
    SliceContent,
    blank_images,
    images_of,
    judge_content,
    judge_coverage,
    mean_uncovered,
    measure_content,
)
from txm2sem.checking.findings import Finding, Readiness, sorted_findings
from txm2sem.checking.judging import MUCH_OFF, are_off, judge_pairs, unconfirmed
from txm2sem.checking.leaks import ImageName, find_shared_areas, judge_shared_areas
from txm2sem.checking.measures import Measures
from txm2sem.checking.pairs import PairMeasures, measure_pair, tile_side
from txm2sem.checking.resolution import judge_resolution, measure_resolution
from txm2sem.checking.sources import IMAGES, Place, SlicePixels, Sources, open_sources, read_slice
from txm2sem.checking.splits import judge_splits
from txm2sem.data.coverage import MATTERS, learns_black
from txm2sem.data.slices import read_shifted
from txm2sem.drafts import Draft
from txm2sem.errors import UserError
from txm2sem.files import write_text
from txm2sem.memory import return_freed_memory
from txm2sem.metrics import Landmarks, Pixels, inner, landmark_spacing
from txm2sem.options import RECIPES, DataOptions, FigureKind
from txm2sem.quantities import format_seconds
from txm2sem.runs import CheckPaths

if TYPE_CHECKING:
    from txm2sem.checking.figures import Previews

RECIPE = "translate"
"""What is advised."""

Progress = Callable[[float, str], None]
"""Is told which share of the work is done, 0 to 1, and what comes next."""

KEPT_SLICES = 12
"""Slices that stay in memory while two are compared, with what is the same in all."""

WORKING_BYTES, BYTES_PER_PIXEL = 2**30, 100
"""Memory for slices that are measured at the same time, and what a pixel of one takes."""

SMALLEST_SLICE = 16
"""Rows and columns below which slices are neither compared in tiles nor with each other [pixels]."""


@dataclass(frozen=True)
class CheckReport:
    """What a check has found and where it lies.

    Attributes:
        findings: the worst first.
        measures: what they rest on.
        verdict: whether, and with which command, to train.
        paths: the report.
        earlier: where an earlier report was moved to, or None.
    """

    findings: list[Finding]
    measures: Measures
    verdict: Readiness
    paths: CheckPaths
    earlier: Path | None

    @property
    def problems(self) -> list[Finding]:
        """The findings that make training or its scores senseless."""
        return [finding for finding in self.findings if finding.level == "problem"]


def check_data_root(
    dataroot: Path | str,
    options: DataOptions | None = None,
    output: Path | str = "",
    progress: Progress | None = None,
    figures: FigureKind = "png",
) -> CheckReport:
    """Check the slices of a data root and write a report about them.

    Args:
        dataroot: folder with train, val and test; it is only read.
        options: of the data, as training will have them.
        output: folder of the report, `NAME_check` in the current folder where empty. It appears whole; an earlier
            report there is moved into a dated folder beside it.
        progress: is told how far the work is.
        figures: the kind of figures that is wanted.

    Raises:
        UserError: there is no data root, a slice is changed meanwhile, or the report cannot be written. Whatever else
            is wrong with the data is a finding.
    """
    dataroot, options = Path(dataroot), options or DataOptions()
    tell = progress or (lambda done, task: None)
    sources = open_sources(dataroot, options)
    paths = CheckPaths(_output(dataroot, output))
    measures, findings = _measure(dataroot, sources, options, tell)
    if learns_black(options) and mean_uncovered(measures.contents) > MATTERS:
        # What is scored is what the training that is advised will be compared with.
        options = replace(options, ignore_charged=True)
    tell(0.7, "scores of no model")
    findings += _score(measures, options, [*sources.findings, *findings], lambda done: tell(0.7 + 0.2 * done, "scores"))
    findings = sorted_findings([*sources.findings, *findings])
    verdict = _verdict(dataroot, options, measures, findings)
    tell(0.9, "report")
    previews = _previews(sources, options, measures.pairs)
    earlier = _write(paths, measures, previews, findings, verdict, figures)
    tell(1, "done")
    return CheckReport(findings, measures, verdict, paths, earlier)


def _output(dataroot: Path, output: Path | str) -> Path:
    """Return the folder to write; one that is no earlier report would be the user's own, and is refused."""
    folder = Path(output) if str(output) else Path(f"{dataroot.resolve().name}_check")
    if folder.exists() and not CheckPaths(folder).numbers.is_file():
        raise UserError(
            f"expected a new folder for the report, or that of an earlier check, found {folder} with something else; "
            "pass another --output"
        )
    return folder


@dataclass(frozen=True)
class _Look:
    """What is kept of a slice.

    Attributes:
        faults: of its files.
        content: None where no image could be read.
        pair: where both images are there and show something.
        marks: landmarks of the images, where they show something.
        cells: of the images that could be read.
    """

    faults: list[Finding]
    content: SliceContent | None = None
    pair: PairMeasures | None = None
    marks: Mapping[ImageName, Landmarks] = field(default_factory=dict)
    cells: Mapping[ImageName, Cells] = field(default_factory=dict)


def _measure(dataroot: Path, sources: Sources, options: DataOptions, tell: Progress) -> tuple[Measures, list[Finding]]:
    measures = Measures(dataroot, pixel_size=sources.pixel_size())
    shapes = [next(iter(files.values())).shape for files in sources.files.values()]
    usual = Counter(shapes).most_common(1)[0][0] if shapes else (1, 1)
    side, largest = tile_side(usual), max(shapes, key=math.prod, default=(1, 1))
    spacing = landmark_spacing(sum(map(math.prod, shapes)))
    workers = min(os.cpu_count() or 1, max(1, WORKING_BYTES // (BYTES_PER_PIXEL * math.prod(largest))))

    aligned = places_to_align(list(sources.files))

    def look(place: Place) -> _Look:
        unshifted, faults = read_slice(sources, place)
        pixels = shifted(unshifted, options)
        if not pixels.images:
            return _Look(faults)
        content, valid = measure_content(pixels), pixels.valid()
        if min(valid.shape) < SMALLEST_SLICE or any(image.first == image.last for image in content.images.values()):
            return _Look(faults, content)
        counts = inner(valid)
        return _Look(
            faults,
            content,
            pair=measure_pair(pixels, side, align=place in aligned)
            if len(pixels.images) == len(IMAGES) and min(valid.shape) >= side
            else None,
            marks={name: Landmarks.of(image, counts, spacing) for name, image in pixels.images.items()},
            cells={name: Cells.of(image) for name, image in pixels.images.items()},
        )

    findings: list[Finding] = []
    marks: dict[Place, Mapping[ImageName, Landmarks]] = {}
    cells: dict[Place, Mapping[ImageName, Cells]] = {}
    with ThreadPoolExecutor(workers) as pool:
        for done, (place, found) in enumerate(zip(sources.files, pool.map(look, sources.files), strict=True)):
            tell(0.4 * done / len(sources.files), f"slice {place}")
            findings += found.faults
            if found.content is not None:
                measures.contents[place] = found.content
            if found.pair is not None:
                measures.pairs[place] = found.pair
            if found.marks:
                marks[place] = found.marks
            if found.cells:
                cells[place] = found.cells
            # What is kept of a slice lies between what was freed of it, which would otherwise grow with the slices.
            return_freed_memory()
    judged = {place: pair for place, pair in measures.pairs.items() if place not in _blank(measures.contents)}
    measures.resolution = measure_resolution(list(judged.values()))

    @lru_cache(maxsize=KEPT_SLICES)
    def load_slice(place: Place) -> dict[ImageName, Pixels]:
        unshifted, faults = read_slice(sources, place)
        new = [fault.text for fault in faults if fault not in findings]
        if new:
            raise UserError(f"slice {place} was changed while it was checked: {new[0]}; check again")
        pixels = shifted(unshifted, options)
        valid = inner(pixels.valid())
        return {name: (image, valid) for name, image in pixels.images.items()}

    background = judge_background(cells)
    if not background:  # whose rim all slices would share
        for share, shared in find_shared_areas(marks, lambda place, name: load_slice(place)[name]):
            tell(0.4 + 0.3 * share, "slices with each other")
            measures.shared += [shared] if shared else []
        measures.compared = math.comb(len(marks), 2)
    findings += [
        *background,
        *judge_shared_areas(measures.shared),
        *judge_content(measures.contents),
        *judge_coverage(measures.contents, options),
        *judge_splits(measures.contents),
        *judge_pairs(judged, align_command(dataroot), measures.pixel_size),
        *judge_resolution(measures.resolution, measures.pixel_size),
    ]
    return measures, findings


def shifted(pixels: SlicePixels, options: DataOptions) -> SlicePixels:
    """Return a slice with its TXM shifted as `--x_misalign` and `--y_misalign` say; 0 comes in at the borders."""
    if "txm" not in pixels.images:
        return pixels
    txm = pixels.images["txm"]
    rows, columns = map(slice, (0, 0), txm.shape)
    shift = options.y_misalign, options.x_misalign
    moved = read_shifted(lambda *window: txm[window], txm.shape, rows, columns, shift)
    return SlicePixels({**pixels.images, "txm": moved}, pixels.masks, pixels.bars)


def _blank(contents: dict[Place, SliceContent]) -> set[Place]:
    return blank_images(images_of("txm", contents)) | blank_images(images_of("sem", contents))


def _score(
    measures: Measures, options: DataOptions, so_far: list[Finding], tell: Callable[[float], None]
) -> list[Finding]:
    if any(finding.level == "problem" and finding.kind == "folders" for finding in so_far):
        return []
    from txm2sem.checking.scores import expected_scores

    try:
        for done, scores in expected_scores(measures.dataroot, options):
            tell(done)
            measures.scores = scores
    except UserError as error:
        known = any(finding.level == "problem" for finding in so_far)
        advice = "Training would stop with this message: follow it" + (", after the problems above." if known else ".")
        return [Finding("note" if known else "problem", "scores", "", f"nothing could be scored: {error}", advice)]
    if measures.scores is not None and measures.scores.patch_size < options.patch_size:
        return [
            Finding(
                "note",
                "patch_size",
                "",
                f"patches of {options.patch_size} pixels do not fit into the slices often enough",
                f"The command of this report has patches that fit. Pass --patch_size {measures.scores.patch_size} with "
                "recipes and models that have larger ones.",
            )
        ]
    return []


def _verdict(dataroot: Path, options: DataOptions, measures: Measures, findings: list[Finding]) -> Readiness:
    counts = {level: sum(finding.level == level for finding in findings) for level in ("problem", "warning")}
    if counts["problem"]:
        plural = "problems" if counts["problem"] > 1 else "problem"
        return Readiness(f"not ready to train: solve {counts['problem']} {plural} first")
    plural = "warnings" if counts["warning"] > 1 else "warning"
    warned = f" ({counts['warning']} {plural} to look at)" if counts["warning"] else ""
    if max(are_off(measures.pairs).values(), default=0) > MUCH_OFF:
        return Readiness(f"align the slices first{warned}", align_command(dataroot))
    name = re.sub(r"[^\w.-]+", "_", dataroot.resolve().name, flags=re.ASCII).strip("._-") or "rock"
    words = ["txm2sem", "train", "--recipe", RECIPE, "--dataroot", str(dataroot), "--name", name]
    patch_size = RECIPES[RECIPE]["patch_size"]
    if measures.scores is not None and measures.scores.patch_size < patch_size:
        patch_size = measures.scores.patch_size
        words += ["--patch_size", str(patch_size)]
    for option in fields(options):
        value = getattr(options, option.name)
        if option.name != "patch_size" and value != option.default:
            words += [f"--{option.name}"] if value is True else [f"--{option.name}", str(value)]
    from txm2sem.devices import device_of, name_of_device
    from txm2sem.model.pace import recipe_seconds

    device = device_of("auto")
    seconds = recipe_seconds(RECIPE, options.num_test, device, patch_size)
    unknown = unconfirmed(measures.pairs)
    ready = (
        f"ready to train if you know that TXM and SEM are aligned, which cannot be confirmed in {len(unknown)} of "
        f"{len(measures.pairs)} slices"
        if unknown
        else "ready to train"
    )
    takes = f"about {format_seconds(seconds)} here, as busy as it is now ({name_of_device(device)})"
    return Readiness(f"{ready}{warned}, {takes}", shlex.join(words), seconds)


def _previews(sources: Sources, options: DataOptions, pairs: Mapping[Place, PairMeasures]) -> Previews:
    """Return small versions of the slices to draw, which are read again; those that cannot be are left out."""
    from txm2sem.checking.figures import Preview, most_displaced

    slices = ((place, shifted(read_slice(sources, place)[0], options)) for place in most_displaced(pairs))
    return {
        place: {name: Preview.of(image) for name, image in pixels.images.items()}
        for place, pixels in slices
        if len(pixels.images) == len(IMAGES)
    }


def _write(
    paths: CheckPaths,
    measures: Measures,
    previews: Previews,
    findings: list[Finding],
    verdict: Readiness,
    kind: FigureKind,
) -> Path | None:
    from txm2sem.checking.figures import write_figures
    from txm2sem.checking.page import write_page
    from txm2sem.checking.summary import numbers_of

    draft = Draft(paths.output, "check", resumable=False)
    with draft.begin({}, replaced=True):
        new = CheckPaths(draft.folder / "report")
        figures = write_figures(new, measures, previews, kind)
        write_text(new.numbers, numbers_of(measures, findings, verdict))
        write_page(new, measures, findings, verdict, figures, previews)
        return draft.finish(new.output)
