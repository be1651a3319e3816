"""The picture of how far probabilities of classes are right: how often each class is true where it is that likely."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from txm2sem.data.classes import CLASSES
from txm2sem.figures.style import column_figure, styled
from txm2sem.metrics import ClassReliability
from txm2sem.palette import TRUTH_COLOUR, colour_of, style_of

MARKERS = ("o", "s", "^")


@styled
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
    figure = column_figure(4.6, title)
    *curves, fractions = figure.subplots(2, 2).flat
    shown = {**tested, **({} if validation is None else {"validation": validation})}
    for number, (axes, name) in enumerate(zip(curves, CLASSES, strict=True)):
        axes.plot((0, 1), (0, 1), color="black", linewidth=0.8)
        for (kind, found), marker in zip(shown.items(), MARKERS, strict=False):
            curve, label = found.curves[number], f"{kind} {found.class_calibration_errors[number]:.3f}"
            axes.plot(curve.predicted, curve.true, f"{marker}-", color=colour_of(style_of(kind)), label=label)
        axes.set_title(f"({'abc'[number]}) {name}")
        axes.set_xlabel("probability")
        axes.set_ylabel("share that is of the class")
        axes.set_aspect("equal")
        axes.grid()
        axes.legend(title="calibration error", loc="upper center", bbox_to_anchor=(0.5, -0.2))
    rows = [(f"expected, {kind}", colour_of(style_of(kind)), found.expected_shares) for kind, found in tested.items()]
    if training_shares is not None:
        rows.append(("training slices", colour_of(style_of("training slices")), list(training_shares)))
    _draw_fractions(fractions, [*rows, ("true", TRUTH_COLOUR, next(iter(tested.values())).true_shares)])
    return figure


def _draw_fractions(axes: Axes, rows: Sequence[tuple[str, str, Sequence[float]]]) -> None:
    width = 0.8 / len(rows)
    for place, (name, colour, shares) in enumerate(rows):
        lefts = [group + (place - (len(rows) - 1) / 2) * width for group in range(len(CLASSES))]
        drawn = axes.bar(lefts, [100 * share for share in shares], width * 0.9, color=colour, label=name)
        axes.bar_label(drawn, fmt="%.1f", rotation=90, padding=2)
    axes.set_xticks(range(len(CLASSES)), [name.replace(" ", "\n") for name in CLASSES])
    axes.set_title("(d) fraction [%]")
    axes.margins(y=0.3)
    axes.legend(loc="upper center", bbox_to_anchor=(0.5, -0.2))
