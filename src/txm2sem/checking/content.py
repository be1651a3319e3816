"""What is in each slice: grey values, saturation, empty and charged pixels, phases."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from txm2sem.checking.findings import Finding
from txm2sem.checking.sources import IMAGES, MOST_NAMED, TITLES, Place, SlicePixels
from txm2sem.data.bars import DataBar
from txm2sem.data.coverage import MATTERS, learns_black, uncovered_share
from txm2sem.data.sampling import MIN_UNCHARGED
from txm2sem.errors import listed
from txm2sem.metrics import UNEVEN_NOISE, noise_level
from txm2sem.options import DataOptions

LEAST_CONTRAST = 0.01
"""An image is blank if the 1st and 99th percentiles of its pixels differ by less than this share of the median of the
other slices."""

SATURATED, MUCH_SATURATED = 0.01, 0.1
"""Share of uncharged pixels with the smallest or largest value of an image from which detail is lost, which is noted
where it may be a few bright minerals, and warned of where it is more."""

MUCH_UNCOVERED = 0.05
"""Share of what the TXM shows from which on it is a warning that no SEM covers it; from `MATTERS` on it is noted."""

MOST_CONTRADICTION = 0.001
"""Share of a slice that may be of low and of high density at once: edges of hand-drawn masks."""


@dataclass(frozen=True)
class ImageContent:
    """The grey values of one image.

    Attributes:
        rows, columns, dtype: of the file.
        low, high: smallest and largest grey value.
        first, last: 1st and 99th percentile of the valid pixels (uncharged and not 0); both 0 where there are none.
        mean: of the valid pixels.
        at_low, at_high: share of the imaged, uncharged pixels with the smallest and with the largest value.
        empty: share of pixels that are 0.
        noise: standard deviation of the noise of the valid pixels, in grey values, see `noise_level`.
    """

    rows: int
    columns: int
    dtype: str
    low: float
    high: float
    first: float
    last: float
    mean: float
    at_low: float
    at_high: float
    empty: float
    noise: float

    @classmethod
    def of(cls, image: NDArray[Any], valid: NDArray[np.bool_]) -> ImageContent:
        """Measure an image (H, W); `valid` says which of its pixels show something uncharged."""
        grey = image[valid]
        first, last = np.percentile(grey, (1, 99)).tolist() if grey.size else (0.0, 0.0)
        rows, columns = image.shape
        return cls(
            rows=rows,
            columns=columns,
            dtype=str(image.dtype),
            low=float(image.min()),
            high=float(image.max()),
            first=first,
            last=last,
            mean=float(grey.mean()) if grey.size else 0.0,
            at_low=_share(grey == grey.min()) if grey.size else 0.0,
            at_high=_share(grey == grey.max()) if grey.size else 0.0,
            empty=_share(image == 0),
            noise=noise_level(image, valid),
        )


@dataclass(frozen=True)
class SliceContent:
    """What is in a slice.

    Attributes:
        images: by name, `txm` and `sem`, as far as they could be read.
        charged: share of the imaged pixels that are charged; None without a mask.
        usable: share of the slice that is imaged and uncharged.
        uncovered: share of what the TXM shows in which the SEM is 0 over an area; None where one of them is missing.
        low, high, rest: shares of the imaged, uncharged pixels of low, high and neither density; None without masks.
        both: share of them that is of low and of high density at once.
        bars: data bars of the images; they count as not imaged.
    """

    images: Mapping[str, ImageContent]
    charged: float | None
    usable: float
    uncovered: float | None
    low: float | None
    high: float | None
    rest: float | None
    both: float
    bars: Mapping[Literal["txm", "sem"], DataBar]


def measure_content(pixels: SlicePixels) -> SliceContent:
    """Measure one slice, of which at least one image is there."""
    valid = pixels.valid()
    low, high, charge = (pixels.masks.get(name) for name in ("lowdensity", "highdensity", "charge"))
    uncharged = ~charge if charge is not None else np.ones(valid.shape, np.bool_)
    imaged = np.logical_and.reduce([image != 0 for image in pixels.images.values()])
    phases = [mask for mask in (low, high) if mask is not None]
    return SliceContent(
        images={name: ImageContent.of(image, (image != 0) & uncharged) for name, image in pixels.images.items()},
        charged=_share(charge[imaged]) if charge is not None else None,
        usable=_share(valid),
        uncovered=_uncovered(pixels),
        low=_share(low[valid]) if low is not None else None,
        high=_share(high[valid]) if high is not None else None,
        rest=_share(~np.logical_or.reduce(phases)[valid]) if phases else None,
        both=_share((low & high)[valid]) if low is not None and high is not None else 0.0,
        bars=pixels.bars,
    )


def judge_content(contents: Mapping[Place, SliceContent]) -> list[Finding]:
    """Return what is wrong with the contents of slices."""
    findings: list[Finding] = []
    for name in IMAGES:
        findings += _judge_images(name, images_of(name, contents)) + _judge_bars(name, contents)
    for place, content in contents.items():
        findings += _judge_masks(str(place), content)
    return findings


def images_of(name: str, contents: Mapping[Place, SliceContent]) -> dict[Place, ImageContent]:
    """Return the contents of one kind of image, `txm` or `sem`."""
    return {place: content.images[name] for place, content in contents.items() if name in content.images}


def blank_images(images: Mapping[Place, ImageContent]) -> set[Place]:
    """Return the images of one kind that show nothing: one grey value, or hardly any contrast beside the others."""
    contrasts = {place: image.last - image.first for place, image in images.items()}
    usual = float(np.median([contrast for contrast in contrasts.values() if contrast > 0] or [0.0]))
    return {
        place
        for place, image in images.items()
        if image.low == image.high or contrasts[place] <= LEAST_CONTRAST * usual
    }


def uncovered_slices(contents: Mapping[Place, SliceContent]) -> dict[Place, float]:
    """Return the share that no SEM covers of what the TXM shows, of each slice both of whose images show something."""
    blank = set().union(*(blank_images(images_of(name, contents)) for name in IMAGES))
    return {
        place: content.uncovered
        for place, content in contents.items()
        if content.uncovered is not None and place not in blank
    }


def mean_uncovered(contents: Mapping[Place, SliceContent]) -> float:
    """Return the mean of `uncovered_slices`; 0 where there are none."""
    return float(np.mean(list(uncovered_slices(contents).values()) or [0.0]))


def judge_coverage(contents: Mapping[Place, SliceContent], options: DataOptions) -> list[Finding]:
    """Return that the SEM covers too little of the TXM to be learned from with these options, where it does."""
    share, slices = mean_uncovered(contents), uncovered_slices(contents)
    if share <= MATTERS or options.direction != "AtoB":
        return []
    most = max(slices, key=lambda place: slices[place])
    return [
        Finding(
            "warning" if learns_black(options) and share >= MUCH_UNCOVERED else "note",
            "uncovered",
            "",
            f"in {share:.1%} of what the TXM shows, the SEM is 0 over areas, at most in {slices[most]:.1%} ({most}); "
            + (f"expected at most {MATTERS:.0%}" if learns_black(options) else "--ignore_charged leaves them out"),
            "A model would learn to paint them black: train with --ignore_charged, which leaves them out, and what is "
            "charged; so do the command and the scores of this report.",
        )
    ]


def _judge_images(name: str, images: Mapping[Place, ImageContent]) -> list[Finding]:
    title = TITLES[name]
    findings = []
    kinds: dict[tuple[str, int, int], list[Place]] = {}
    for place, image in images.items():
        kinds.setdefault((image.dtype, image.rows, image.columns), []).append(place)
    if len(kinds) > 1:
        found = "; ".join(
            f"{dtype} of {rows} x {columns} pixels in {listed(places, MOST_NAMED)}"
            for (dtype, rows, columns), places in kinds.items()
        )
        findings.append(
            Finding(
                "problem",
                "size",
                "",
                f"{title} slices differ in dtype or size: {found}",
                "All slices of a folder must have one size and dtype: crop or convert them.",
            )
        )
    blank = blank_images(images)
    for place in sorted(blank, key=str):
        image = images[place]
        what = "black: all pixels are 0" if image.high == 0 else f"blank: grey values {image.low:g} to {image.high:g}"
        advice = "Export it again, or remove the slice from all folders."
        findings.append(Finding("problem", "blank", str(place), f"the {title} is {what}", advice))
    showing = {place: image for place, image in images.items() if place not in blank}
    for end in ("black", "white"):
        findings += _judge_saturation(name, showing, end)
    return findings + _judge_noise(name, {place: image.noise for place, image in showing.items() if image.noise > 0})


def _judge_bars(name: Literal["txm", "sem"], contents: Mapping[Place, SliceContent]) -> list[Finding]:
    found: dict[DataBar, list[Place]] = {}
    for place, content in contents.items():
        if name in content.bars:
            found.setdefault(content.bars[name], []).append(place)
    return [
        Finding(
            "problem",
            "bar",
            "",
            f"{bar} of the {TITLES[name]} are a data bar of the microscope, text and no rock, in {len(places)} of "
            f"{len(contents)} slices ({listed(places, MOST_NAMED)})",
            f"It would be learned and scored. Crop {bar} from all images and masks of these slices, or set them to 0 "
            f"in {name}/, which counts as not imaged.",
        )
        for bar, places in found.items()
    ]


def _judge_noise(name: str, levels: Mapping[Place, float]) -> list[Finding]:
    if not levels:
        return []
    least, most = min(levels, key=lambda place: levels[place]), max(levels, key=lambda place: levels[place])
    if levels[most] <= UNEVEN_NOISE * levels[least]:
        return []
    return [
        Finding(
            "warning",
            "noise",
            "",
            f"the noise of the {TITLES[name]} is {levels[least]:.2g} grey values in {least} and {levels[most]:.2g} in "
            f"{most}; expected to differ by a factor of {UNEVEN_NOISE:g} at most",
            "Some slices were smoothed, resampled or taken otherwise: export all alike, as the microscope made them. "
            + (
                "The TXM does not tell how noisy a SEM slice is, so no model can be right about its texture."
                if name == "sem"
                else "A model takes what it has learned on noisy slices to smooth ones, or the other way round."
            ),
        )
    ]


def _judge_saturation(name: str, images: Mapping[Place, ImageContent], end: str) -> list[Finding]:
    shares = {place: image.at_high if end == "white" else image.at_low for place, image in images.items()}
    saturated = {place: share for place, share in shares.items() if share > SATURATED}
    if not saturated:
        return []
    worst = max(saturated, key=lambda place: saturated[place])
    much = saturated[worst] > MUCH_SATURATED
    charge = "mark charged regions in charge/, or " if (name, end) == ("sem", "white") else ""
    return [
        Finding(
            "warning" if much else "note",
            "saturated",
            "",
            f"up to {saturated[worst]:.1%} ({worst}) of the {TITLES[name]}'s uncharged pixels are {end} in "
            f"{len(saturated)} of {len(images)} slices; expected at most {SATURATED:.0%}",
            f"Detail is lost there: {charge}export the slices with a wider grey range, in 16 bits.",
        )
    ]


def _judge_masks(place: str, content: SliceContent) -> list[Finding]:
    findings = []
    if content.both > MOST_CONTRADICTION:
        findings.append(
            Finding(
                "warning",
                "masks",
                place,
                f"{content.both:.1%} of the pixels are in lowdensity and in highdensity",
                "A pixel is of one density: correct the masks (segmentation takes such pixels for high density).",
            )
        )
    if content.charged is not None and 1 - content.charged < MIN_UNCHARGED / 2:
        findings.append(
            Finding(
                "warning",
                "charged",
                place,
                f"{content.charged:.0%} of the slice is marked as charged",
                "Hardly any patch of it can be used: check the mask (above 0 is charged; is it inverted?).",
            )
        )
    elif content.usable < 0.02:
        findings.append(
            Finding(
                "warning",
                "empty",
                place,
                f"only {content.usable:.1%} of the slice is imaged and uncharged",
                "Hardly any patch of it can be used: check that 0 means not imaged in this slice.",
            )
        )
    return findings


def _share(where: NDArray[np.bool_]) -> float:
    return float(np.count_nonzero(where) / where.size) if where.size else 0.0


def _uncovered(pixels: SlicePixels) -> float | None:
    both = len(pixels.images) == len(IMAGES)
    return uncovered_share(pixels.images["txm"], pixels.images["sem"]) if both else None
