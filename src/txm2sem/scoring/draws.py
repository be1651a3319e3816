"""Whether the spread of a model's draws is honest: how often their intervals hold the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data import to_uint8
from txm2sem.metrics import DrawInterval, Interval, Resampling
from txm2sem.scoring.names import PHASES
from txm2sem.scoring.phases import Phases

Draws = NDArray[np.float32]


@dataclass
class DrawScores:
    """Collects how the draws of images lie about what is true, see `DrawInterval`.

    Args:
        count: D, draws of each image.
        phases: how phases of the rock are told by grey value; None: they are not looked at.
        seed: of the bootstrap.
    """

    count: int
    phases: Phases | None = None
    seed: int = 0
    slices: list[int] = field(default_factory=list, init=False)
    pixels: list[float] = field(default_factory=list, init=False)
    squares: list[tuple[float, float]] = field(default_factory=list, init=False)
    fractions: dict[str, list[float]] = field(default_factory=dict, init=False)
    areas: dict[str, NDArray[np.int64]] = field(default_factory=dict, init=False)
    valid: int = field(default=0, init=False)

    def add(self, number: int, draws: Draws, target: NDArray[np.float32], valid: NDArray[np.bool_]) -> None:
        """Add an image.

        Args:
            number: of the slice that it is from.
            draws: of it, (D, H, W) in [-1, 1].
            target: the truth, (H, W) in [-1, 1].
            valid: pixels that count, (H, W); one with none of them is left out.
        """
        if not valid.any():
            return
        self.slices.append(number)
        self.pixels.append(float(self._holds(draws, target)[valid].mean()))
        # The truth differs from the mean of D draws by one more of them.
        spread = draws.var(axis=0, ddof=1)[valid].mean() * (1 + 1 / self.count)
        error = ((draws.mean(axis=0) - target)[valid] ** 2).mean()
        self.squares.append((float(spread), float(error)))
        if self.phases is not None:
            classes = [self.phases(to_uint8(image), valid) for image in (target, *draws)]
            self.valid += int(valid.sum())
            for name, phase in PHASES.items():
                areas = np.array([np.count_nonzero((found == phase) & valid) for found in classes])
                self.fractions.setdefault(name, []).append(float(self._holds(areas[1:], areas[0])))
                self.areas[name] = self.areas.get(name, 0) + areas

    def document(self) -> dict[str, Any]:
        """Return what was found; empty where no image was added.

        Shares of what is held have intervals over slices. `fraction` is about the fractions of each image by itself,
        `fraction_of_all` has that of all images together, 0 to 1: the `truth`, and the mean (`value`) and interval
        (`low`, `high`) of the draws, in which what a model gets wrong everywhere does not average out.
        `spread_over_error` is the root mean square of the standard deviation of the draws, divided by that of the error
        of their mean: 1 where it is honest.
        """
        if not self.slices:
            return {}
        resampling = Resampling(self.slices, np.random.default_rng(self.seed))
        spread, error = np.array(self.squares).T
        return {
            "draws": self.count,
            "expected": DrawInterval(self.count).share,
            "pixels": resampling.mean(self.pixels),
            "fraction": {name: resampling.mean(held) for name, held in self.fractions.items()},
            "fraction_of_all": {name: self._of_all(areas / self.valid) for name, areas in self.areas.items()},
            "spread_over_error": resampling.interval(_root_of_ratio(spread, error)),
        }

    def _of_all(self, fractions: NDArray[np.float64]) -> dict[str, float]:
        """Return what there is of a phase, and what draws have of it, from its fractions in all of them (1 + D,)."""
        low, high = DrawInterval(self.count).bounds(fractions[1:])
        ends = {"low": float(low), "high": float(high)}
        return {"truth": float(fractions[0]), "value": float(fractions[1:].mean()), **ends}

    def _holds(self, draws: NDArray[Any], truth: NDArray[Any]) -> NDArray[np.bool_]:
        """Say where the interval of draws (D, ...) holds the truth (...), its bounds included."""
        low, high = DrawInterval(self.count).bounds(draws)
        held: NDArray[np.bool_] = (low <= truth) & (truth <= high)
        return held


def draw_lines(found: dict[str, Any]) -> list[str]:
    """Return what `DrawScores.document` says, for people."""
    if not found:
        return []
    expected = 100 * found["expected"]
    shares = {"pixels": found["pixels"]}
    shares |= {f"the fraction of {name.replace('_', ' ')}": share for name, share in found["fraction"].items()}
    held = ", ".join(f"{name} {_percent(interval)}" for name, interval in shares.items())
    of_all = "; ".join(
        f"{name.replace('_', ' ')} {100 * one['value']:.1f} [{100 * one['low']:.1f}, {100 * one['high']:.1f}] %, "
        f"true are {100 * one['truth']:.1f} %"
        for name, one in found["fraction_of_all"].items()
    )
    return [
        "",
        f"draws: {found['draws']}; an interval of them should hold {expected:.0f} % of what is true, and holds: {held}",
        f"       their spread is {found['spread_over_error'].value:.2f} times the error of their mean (1 is honest)",
        *([f"       of all patches together they have: {of_all}"] if of_all else []),
    ]


def _percent(share: Interval) -> str:
    bounds = f" [{100 * share.low:.0f}, {100 * share.high:.0f}]" if np.isfinite(share.low) else ""
    return f"{100 * share.value:.1f}{bounds} %"


def _root_of_ratio(
    one: NDArray[np.float64], other: NDArray[np.float64]
) -> Callable[[NDArray[np.float64]], NDArray[np.float64]]:
    def statistic(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        ratio: NDArray[np.float64] = np.sqrt((weights @ one) / (weights @ other))
        return ratio

    return statistic
