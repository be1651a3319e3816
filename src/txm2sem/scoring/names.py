"""What the scores of images are called: kinds of images, phases, regions and measures."""

from __future__ import annotations

from txm2sem.quantities import SHORT, Ruler

FORMAT = 1
"""Of documents of scores: raised when a key changes its meaning or goes."""

TRUTH = "truth"
"""The true image, measured as the predictions are."""

PHASES = {"low_density": 1, "high_density": 2}
"""Phases that are measured, by their class; the class of the rest is 0."""

SIMILARITY = ("psnr", "ssim", "ms_ssim", "pearson")

REGIONS = ("all", *PHASES, "rest")

ROCK = ("fraction", "chord_rows_px", "chord_columns_px", "perimeter_per_px", "euler_per_px2")
"""Measures of a phase, each of a prediction and of the truth."""

SIMILARITY_COLUMNS = {
    "psnr": ("PSNR [dB]", 2),
    "ssim": ("SSIM", 3),
    "ms_ssim": ("MS-SSIM", 3),
    "pearson": ("correlation", 3),
}
REGION_NAMES = {"all": "all", "low_density": "low density", "high_density": "high density", "rest": "rest"}
Column = tuple[str, float, int]
"""Heading, factor from what documents have to what people read, and digits behind the point."""

FEW_SLICES = 6
"""With fewer slices than this, intervals are said to be rough."""

LONGEST_SHIFT = 1.0
"""Slices whose SEM lies further beside its TXM, or beside what is predicted for it, are spoken of [pixels]."""

ONE_DRAW = "one draw of "
"""How what one of several draws is called begins; the name of the model follows."""


def rock_columns(pixel_size: float | None) -> dict[str, Column]:
    """Return the column of each of `ROCK`; lengths are counted in pixels where their side [nm] is not known."""
    length, per_length, area = Ruler.lengths(pixel_size, SHORT), Ruler.frequencies(pixel_size), Ruler.areas(pixel_size)
    perimeter: Column = ("1 / 1000 pixels", 1e3, 1)
    euler: Column = ("per 10^6 pixels", 1e6, 0)
    if pixel_size is not None:
        per_area = Ruler("1/µm²", 1 / area.per_pixel)
        perimeter = (per_length.unit, per_length.per_pixel, per_length.digits(4))
        euler = (per_area.unit, per_area.per_pixel, per_area.digits(5))
    return {
        "fraction": ("fraction [%]", 100, 2),
        "chord_rows_px": (length.label("mean chord in rows"), length.per_pixel, length.digits(2)),
        "chord_columns_px": (length.label("mean chord in columns"), length.per_pixel, length.digits(2)),
        "perimeter_per_px": (f"perimeter per area [{perimeter[0]}]", *perimeter[1:]),
        "euler_per_px2": (f"Euler number [{euler[0]}]", *euler[1:]),
    }


def resolution_column(pixel_size: float | None) -> Column:
    """Return the column of what is resolved, as `rock_columns`."""
    length = Ruler.lengths(pixel_size, SHORT)
    return length.label("resolved to"), length.per_pixel, length.digits(1)
