"""The check of a data root, from the first file to the report."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from dataclasses import dataclass, fields
from functools import lru_cache
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from txm2sem.checking.content import SliceContent, blank_images, images_of, judge_content, measure_content
from txm2sem.checking.figures import Preview, write_figures
from txm2sem.checking.findings import Finding, sorted_findings
from txm2sem.checking.judging import judge_pairs
from txm2sem.checking.leaks import find_shared_areas, judge_shared_areas, sketch_factor
from txm2sem.checking.measures import Measures
from txm2sem.checking.page import write_page
from txm2sem.checking.pairs import measure_pair, tile_side
from txm2sem.checking.resolution import judge_resolution, measure_resolution
from txm2sem.checking.scores import expected_scores
from txm2sem.checking.sources import IMAGES, Place, SlicePixels, Sources, open_sources, read_slice
from txm2sem.checking.summary import numbers_of
from txm2sem.config import DataOptions
from txm2sem.data.slices import read_shifted
from txm2sem.errors import UserError
from txm2sem.files import make_folder, set_aside, write_text
from txm2sem.metrics import Sketch
from txm2sem.runs import CheckPaths

Progress = Callable[[float, str], None]
"""Is told which share of the work is done, 0 to 1, and what comes next."""

KEPT_SLICES = 24
"""Slices that stay in memory while all are compared with each other."""


@dataclass(frozen=True)
class CheckReport:
    """What a check has found and where it lies.

    Attributes:
        findings: the worst first.
        measures: what they rest on.
        verdict: one line to act on: whether, and with which command, to train.
        paths: the report.
        earlier: where an earlier report was moved to, or None.
    """

    findings: list[Finding]
    measures: Measures
    verdict: str
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
) -> CheckReport:
    """Check the slices of a data root and write a report about them.

    Args:
        dataroot: folder with train, val and test; it is only read.
        options: of the data, as training will have them.
        output: folder of the report, `NAME_check` in the current folder where empty. It appears whole; an earlier
            report there is moved into a dated folder beside it.
        progress: is told how far the work is.

    Raises:
        UserError: there is no data root, or the report cannot be written. Whatever is wrong with the data is a finding.
    """
    dataroot, options = Path(dataroot), options or DataOptions()
    tell = progress or (lambda done, task: None)
    sources = open_sources(dataroot, options)
    paths = CheckPaths(_output(dataroot, output))
    measures, findings = _measure(dataroot, sources, options, tell)
    tell(0.7, "scores of no model")
    findings += _score(measures, options, [*sources.findings, *findings], lambda done: tell(0.7 + 0.2 * done, "scores"))
    findings = sorted_findings([*sources.findings, *findings])
    verdict = _verdict(dataroot, options, measures, findings)
    tell(0.9, "report")
    earlier = _write(paths, measures, findings, verdict)
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


def _measure(dataroot: Path, sources: Sources, options: DataOptions, tell: Progress) -> tuple[Measures, list[Finding]]:
    measures = Measures(dataroot, {}, {}, {}, [])
    shapes = [next(iter(files.values())).shape for files in sources.files.values()]
    smallest = (min(rows for rows, _ in shapes), min(columns for _, columns in shapes)) if shapes else (0, 0)
    largest = (max(rows for rows, _ in shapes), max(columns for _, columns in shapes)) if shapes else (0, 0)
    factor = sketch_factor(largest)
    sketches: dict[Place, dict[Literal["txm", "sem"], Sketch]] = {}
    findings: list[Finding] = []
    for done, place in enumerate(list(sources.files)):
        tell(0.4 * done / len(sources.files), f"slice {place}")
        unshifted, faults = read_slice(sources, place)
        findings += faults
        pixels = shifted(unshifted, options)
        if not pixels.images:
            continue
        measures.contents[place] = measure_content(pixels)
        flat = any(image.first == image.last for image in measures.contents[place].images.values())
        if flat or min(smallest) < 16:
            continue
        valid = pixels.valid()
        sketches[place] = {
            name: Sketch.of(image, valid, factor, (largest[0] // factor, largest[1] // factor))
            for name, image in pixels.images.items()
        }
        if len(pixels.images) == len(IMAGES):
            measures.pairs[place] = measure_pair(pixels, tile_side(smallest))
            measures.previews[place] = Preview.of(pixels.images["txm"])
    judged = {place: pair for place, pair in measures.pairs.items() if place not in _blank(measures.contents)}
    measures.resolution = measure_resolution(list(judged.values()))

    @lru_cache(maxsize=KEPT_SLICES)
    def load_slice(place: Place) -> tuple[SlicePixels, NDArray[np.bool_]]:
        pixels = shifted(read_slice(sources, place)[0], options)
        return pixels, pixels.valid()

    def load(place: Place, name: Literal["txm", "sem"]) -> tuple[NDArray[Any], NDArray[np.bool_]]:
        pixels, valid = load_slice(place)
        return pixels.images[name], valid

    for share, shared in find_shared_areas(sketches, load):
        tell(0.4 + 0.3 * share, "slices with each other")
        measures.compared += 1
        measures.shared += [shared] if shared else []
    findings += [
        *judge_shared_areas(measures.shared),
        *judge_content(measures.contents),
        *judge_pairs(judged),
        *judge_resolution(measures.resolution),
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
    return SlicePixels({**pixels.images, "txm": moved}, pixels.masks)


def _blank(contents: dict[Place, SliceContent]) -> set[Place]:
    return blank_images(images_of("txm", contents)) | blank_images(images_of("sem", contents))


def _score(
    measures: Measures, options: DataOptions, so_far: list[Finding], tell: Callable[[float], None]
) -> list[Finding]:
    if any(finding.level == "problem" and finding.kind == "folders" for finding in so_far):
        return []
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
                f"Train with --patch_size {measures.scores.patch_size}.",
            )
        ]
    return []


def _verdict(dataroot: Path, options: DataOptions, measures: Measures, findings: list[Finding]) -> str:
    counts = {level: sum(finding.level == level for finding in findings) for level in ("problem", "warning")}
    if counts["problem"]:
        plural = "problems" if counts["problem"] > 1 else "problem"
        return f"not ready to train: solve {counts['problem']} {plural} first"
    factor = measures.resolution.factor if measures.resolution else 1
    words = ["txm2sem", "train", "--dataroot", str(dataroot), "--model", "srgan" if factor > 1 else "feedforward"]
    words += ["--patch_size", str(measures.scores.patch_size if measures.scores else options.patch_size)]
    words += ["--downsample_factor", str(factor)]
    for option in fields(options):
        value = getattr(options, option.name)
        if option.name != "patch_size" and value != option.default:
            words += [f"--{option.name}"] if value is True else [f"--{option.name}", str(value)]
    warned = f" ({counts['warning']} warnings to look at)" if counts["warning"] else ""
    return f"ready to train with{warned}: {shlex.join(words)}"


def _write(paths: CheckPaths, measures: Measures, findings: list[Finding], verdict: str) -> Path | None:
    make_folder(paths.output.parent)
    try:
        with TemporaryDirectory(prefix=f".{paths.output.name}.", dir=paths.output.parent) as beside:
            draft = CheckPaths(Path(beside) / paths.output.name)
            figures = write_figures(draft, measures.pairs, measures.previews, measures.resolution)
            write_text(draft.numbers, numbers_of(measures, findings, verdict))
            write_page(draft, measures, findings, verdict, figures)
            earlier = set_aside([paths.output], paths.output)
            draft.output.replace(paths.output)
    except OSError as error:
        raise UserError(f"cannot write {paths.output}: {error.strerror}; pass another --output") from error
    return earlier
