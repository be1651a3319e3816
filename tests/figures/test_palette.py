"""One thing has one colour, in figures and in pages."""

from __future__ import annotations

import re
from importlib.resources import files

import pytest

from txm2sem.data.classes import CLASS_COLOURS
from txm2sem.palette import COLOURS, MODEL_STYLE, THINGS, TRUTH_STYLE, colour_of, rgb, style_of


@pytest.mark.parametrize(
    ("names", "style"),
    [
        (("truth", "SEM (truth)", "true"), TRUTH_STYLE),
        (("model shale", "prediction", "calibrated", "predicted SEM"), MODEL_STYLE),
        (("TXM (input)", "raw TXM", "raw SEM"), THINGS["TXM"]),
        (("raw",), THINGS["raw"]),
        (("linear fit",), THINGS["linear fit"]),
        (("blurred linear fit (sigma 2)",), THINGS["blurred linear fit"]),
        (("one draw of shale",), THINGS["one draw"]),
        (("constantly",), MODEL_STYLE),
    ],
)
def test_names_of_a_thing_have_one_style(names: tuple[str, ...], style: int) -> None:
    assert {style_of(name) for name in names} == {style}


def test_what_stands_in_one_legend_has_different_colours() -> None:
    kinds = ("truth", "model", "raw TXM", "constant", "linear fit", "blurred linear fit", "one draw")
    assert len({colour_of(style_of(kind)) for kind in kinds}) == len(kinds)


def test_pages_have_the_colours_of_figures() -> None:
    css = files("txm2sem.pages").joinpath("static", "page.css").read_text(encoding="utf-8")
    light, _, paper = (re.findall(r"--c\d: (#[0-9a-f]{6})", block) for block in css.split(":root")[1:])
    assert tuple(light) == tuple(paper) == COLOURS


def test_low_density_is_blue_wherever_it_is() -> None:
    assert CLASS_COLOURS[1] == rgb(colour_of(style_of("low density")))
