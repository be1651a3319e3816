"""What the scores of images are called: kinds of images, phases, regions and measures."""

from __future__ import annotations

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
ROCK_COLUMNS = {
    "fraction": ("fraction [%]", 100, 2),
    "chord_rows_px": ("mean chord in rows [pixels]", 1, 2),
    "chord_columns_px": ("mean chord in columns [pixels]", 1, 2),
    "perimeter_per_px": ("perimeter per area [1 / 1000 pixels]", 1e3, 1),
    "euler_per_px2": ("Euler number [per 10^6 pixels]", 1e6, 0),
}
"""Heading, factor and digits of each measure of a phase."""

FEW_SLICES = 6
"""With fewer slices than this, intervals are said to be rough."""

LONGEST_SHIFT = 1.0
"""Slices whose SEM lies further beside its TXM, or beside what is predicted for it, are spoken of [pixels]."""

ONE_DRAW = "one draw of "
"""How what one of several draws is called begins; the name of the model follows."""
