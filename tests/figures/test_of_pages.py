"""What pages draw, as figures: the same lines, over the same axes, each in a file of its own."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from matplotlib.figure import Figure
from matplotlib.legend import Legend
from run_folders import write_run

from txm2sem.figures.of_pages import draw_plots, save_figures
from txm2sem.figures.phases import PhaseCut, draw_phase_cuts
from txm2sem.pages import Line, Mark, plot
from txm2sem.palette import TRUTH_COLOUR, colour_of
from txm2sem.reporting import compare_runs, report_run

X = np.array([1.0, 2.0, 4.0])


def legend(figure: Figure) -> list[str]:
    return [text.get_text() for found in figure.findobj(Legend) for text in found.get_texts()]


def test_a_drawing_becomes_a_panel_of_the_same_lines_and_axes() -> None:
    lines = [
        Line("truth", X, 10 * X, style=-1),
        Line("model", X, 20 * X, 19 * X, 22 * X, style=1),
        Line("one", np.array([3.0]), np.array([50.0]), style=2, labels=("λ 1",)),
    ]
    levels = [Mark(30.0, "linear fit 30"), Mark(2.5, "truth", down=True)]
    drawn = plot("power", lines, "", "frequency [1/µm]", y_range=(1.0, 100.0), log=True, marks=levels)
    plain = plot("PSNR [dB]", lines[:1], "", "epochs", x_range=(0.0, 8.0))
    figure = draw_plots([drawn, plain], "a title")
    power, psnr = figure.axes
    found = {line.get_color(): line for line in power.lines if len(np.asarray(line.get_xdata())) == 3}
    assert np.array_equal(np.asarray(found[TRUTH_COLOUR].get_ydata()), 10 * X)
    assert np.array_equal(np.asarray(found[colour_of(1)].get_xdata()), X)
    (band,) = power.collections
    assert to_rgb(np.asarray(band.get_facecolor())[0]) == to_rgb(colour_of(1))
    assert np.asarray(band.get_paths()[0].vertices)[:, 1].max() == 22 * 4
    words = [text.get_text().strip() for text in power.texts]
    assert words == ["linear fit 30", "truth", "λ 1"]
    assert (power.get_yscale(), power.get_ylim(), power.get_xlabel()) == ("log", (1.0, 100.0), "frequency [1/µm]")
    assert psnr.get_xlim() == (0.0, 8.0)
    low, high = psnr.get_ylim()
    assert low < 10
    assert high > 40
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["(a) power", "(b) PSNR [dB]"]
    assert legend(figure) == ["truth", "model", "one"]


def test_what_is_said_by_titles_needs_no_legend() -> None:
    drawn = [plot(name, [Line(name, X, X)], "", "epochs") for name in ("PSNR", "SSIM")]
    assert legend(draw_plots(drawn, "a title")) == []


def test_phases_in_cuts_have_the_shape_of_the_volume() -> None:
    labels = np.repeat(np.array([[0, 1, 2]], np.uint8), 10, axis=0).repeat(10, axis=1)
    grey = np.full(labels.shape, 100, np.uint8)
    cuts = {"xz": PhaseCut(labels, labels < 9, grey, (100.0, 50.0))}
    figure = draw_phase_cuts(
        cuts, {"neither": 0, "pores": 1, "pyrite": 2}, {0: (9, 9, 9), 1: (0, 0, 255), 2: (255, 0, 0)}, "nm", "t"
    )
    (axes,) = figure.axes
    assert axes.get_aspect() == 2.0
    assert legend(figure) == ["pores", "pyrite"]  # what has no phase is the image itself
    picture = np.asarray(axes.images[0].get_array())
    assert picture.shape == (10, 30, 3)
    assert picture[0, 15, 2] > picture[0, 15, 0] == picture[0, 15, 1]
    bars = [text.get_text() for text in figure.findobj(lambda one: hasattr(one, "get_text"))]  # type: ignore[attr-defined]
    assert "500 nm" in bars


def test_figures_are_named_after_what_they_show(tmp_path: Path) -> None:
    drawn: list[str] = []

    def draw(title: str) -> Figure:
        drawn.append(title)
        return Figure(figsize=(1, 1))

    save_figures({"structure 1 Öl (alt)": draw}, tmp_path / "none", "mine", "none")
    assert not list(tmp_path.iterdir())
    save_figures({"structure 1 Öl (alt)": draw}, tmp_path / "new" / "figures", "mine", "svg")
    assert sorted(path.name for path in (tmp_path / "new/figures").iterdir()) == [
        "structure-1-l-alt.png",
        "structure-1-l-alt.svg",
    ]
    assert drawn == ["mine: structure 1 Öl (alt)"]


def test_figures_lie_beside_their_page_and_are_set_aside_with_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    runs = [write_run(tmp_path, name) for name in ("one", "two")]
    folder = tmp_path / "compare_figures"
    folder.mkdir()
    (folder / "mine.txt").write_text("mine")
    assert compare_runs(runs).figures is None  # nothing was asked for, and no page was replaced
    assert (folder / "mine.txt").exists()
    first = compare_runs(runs, figures="png")
    assert first.figures == Path("compare_figures")
    assert first.earlier is not None
    assert (first.earlier / "compare_figures" / "mine.txt").exists()
    assert sorted(path.name for path in folder.iterdir()) == ["images.png", "losses.png", "validation.png"]
    plain = compare_runs(runs)
    assert plain.earlier is not None
    assert (plain.earlier / "compare_figures" / "images.png").exists()
    assert not folder.exists()
    report = report_run(runs[0], figures="pdf")
    assert report.figures == runs[0].report.with_name("report_figures")
    names = {"images", "losses", "scores", "validation"}
    assert {path.name for path in report.figures.iterdir()} == {
        f"{name}.{kind}" for name in names for kind in ("png", "pdf")
    }
