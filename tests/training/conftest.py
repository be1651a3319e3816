"""A clock of the tests' own, which training moves on."""

from __future__ import annotations

import pytest
from torch import Tensor

from txm2sem.training.translation import TranslationModule


class Work:
    """A clock that goes on while batches are trained and patches validated, and not otherwise.

    Attributes:
        batch: seconds that a batch takes.
        validation: seconds that the validation of a patch takes.
        rates: learning rate of each batch, relative to `--lr`.
    """

    def __init__(self) -> None:
        self.batch, self.validation = 6.0, 0.0
        self.now = 1000.0
        self.rates: list[float] = []

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def work(monkeypatch: pytest.MonkeyPatch) -> Work:
    """Return a clock that training moves on."""
    clock = Work()
    optimise, validate = TranslationModule.optimisation_step, TranslationModule.validation_step

    def optimisation_step(
        self: TranslationModule,
        source: Tensor,
        target: Tensor,
        valid: Tensor | None = None,
        place: Tensor | None = None,
    ) -> dict[str, Tensor]:
        clock.rates.append(self.named_optimizers()["G"].optimizer.param_groups[0]["lr"] / 2e-4)
        clock.now += clock.batch
        return optimise(self, source, target, valid)

    def validation_step(self: TranslationModule, batch: dict[str, Tensor], batch_idx: int) -> None:
        clock.now += clock.validation
        validate(self, batch, batch_idx)

    monkeypatch.setattr(TranslationModule, "optimisation_step", optimisation_step)
    monkeypatch.setattr(TranslationModule, "validation_step", validation_step)
    return clock
