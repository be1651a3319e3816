"""The picture of how far probabilities of classes are right: how often each class is true where it is that likely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from txm2sem.data.classes import CLASSES
from txm2sem.figures.scores import COLOURS
from txm2sem.metrics import ClassReliability

MARKERS = ("o", "s", "^")


def draw_probabilities(
    tested: Mapping[str, ClassReliability],
    validation: ClassReliability | None,
    training_shares: Sequence[float] | None,
    title: str,
) -> Figure:
    """Draw a reliability curve of each class, and the fractions that are expected beside the true ones.

    Args:
        tested: what probabilities say on the tested split, by what was done to them.
        validation: what calibrated ones say on the split that they were calibrated on; None: they are not.
        training_shares: of the classes in the training slices; None: not known.
        title: of the picture.
    """
    figure = Figure(figsize=(16, 4.9), layout="constrained")
    figure.suptitle(title, fontsize=13)
    *curves, fractions = figure.subplots(1, len(CLASSES) + 1)
    shown = {**tested, **({} if validation is None else {"validation": validation})}
    for number, (axes, name) in enumerate(zip(curves, CLASSES, strict=True)):
        axes.plot((0, 1), (0, 1), color="black", linewidth=0.8)
        for (kind, found), colour, marker in zip(shown.items(), COLOURS, MARKERS, strict=False):
            curve, label = found.curves[number], f"{kind} {found.class_calibration_errors[number]:.3f}"
            axes.plot(curve.predicted, curve.true, f"{marker}-", color=colour, markersize=4, label=label)
        axes.set_title(f"({'abc'[number]}) {name}", loc="left", fontsize=11)
        axes.set_xlabel("probability")
        axes.set_ylabel("share of the pixels that are of the class")
        axes.set_aspect("equal")
        axes.grid(alpha=0.3)
        axes.legend(title="calibration error", title_fontsize=9, fontsize=9, frameon=False, loc="lower right")
    rows = [
        (f"expected, {kind}", colour, found.expected_shares)
        for (kind, found), colour in zip(tested.items(), COLOURS, strict=False)
    ]
    if training_shares is not None:
        rows.append(("training slices", COLOURS[3], list(training_shares)))
    _draw_fractions(fractions, [*rows, ("true", "black", next(iter(tested.values())).true_shares)])
    return figure


def _draw_fractions(axes: Axes, rows: Sequence[tuple[str, str, Sequence[float]]]) -> None:
    width = 0.8 / len(rows)
    for place, (name, colour, shares) in enumerate(rows):
        lefts = [group + (place - (len(rows) - 1) / 2) * width for group in range(len(CLASSES))]
        drawn = axes.bar(lefts, [100 * share for share in shares], width * 0.9, color=colour, label=name)
        axes.bar_label(drawn, fmt="%.1f", fontsize=7)
    axes.set_xticks(range(len(CLASSES)), CLASSES)
    axes.set_title("(d) fraction [%]", loc="left", fontsize=11)
    axes.legend(fontsize=8, frameon=False)
