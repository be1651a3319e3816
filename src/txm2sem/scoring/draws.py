"""Whether the spread of a model's draws is honest: how often their intervals hold the truth."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data import to_uint8
from txm2sem.metrics import DrawInterval, Interval, Resampling, phase_fraction
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
            for name, phase in PHASES.items():
                truth, *drawn = (phase_fraction(found == phase, valid) for found in classes)
                self.fractions.setdefault(name, []).append(float(self._holds(np.array(drawn), np.array(truth))))

    def document(self) -> dict[str, Any]:
        """Return what was found; empty where no image was added.

        Shares have intervals over slices. `spread_over_error` is the root mean square of the standard deviation of the
        draws, divided by that of the error of their mean: 1 where it is honest.
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
            "spread_over_error": resampling.interval(_root_of_ratio(spread, error)),
        }

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
    return [
        "",
        f"draws: {found['draws']}; an interval of them should hold {expected:.0f} % of what is true, and holds: {held}",
        f"       their spread is {found['spread_over_error'].value:.2f} times the error of their mean (1 is honest)",
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
