"""How far a training is and how long it goes on: a bar on a terminal, lines in a log that grow rarer."""

from __future__ import annotations

from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback

from txm2sem.model.pace import Pace
from txm2sem.progress import progress_bar
from txm2sem.quantities import format_seconds
from txm2sem.training.callbacks import Checkpoints, Echo
from txm2sem.training.stopwatch import CLOCK, Clock
from txm2sem.training.translation import TranslationModule

FIRST_LINE, LONGEST_SILENCE = 15.0, 3600.0
"""When a log gets its first line about the progress, and how long it waits for one at most [s]; the gaps double."""

MEASURED = 10.0
"""Seconds of training that say more of its pace than what was tried before it."""


class TimeLeft(Callback):
    """Measures how fast a run goes, and says how long it goes on.

    Steps and validations are told apart: the first hours of a run may have no validation, or begin with a long one.
    What earlier sessions took says little, as they may have had another machine.

    Args:
        module: at the position that the run starts from.
        pace: how fast it is expected to go; None: not known.
        scored: patches of a validation.
        processes: that train together.
        clock: what it measures with.
    """

    def __init__(
        self, module: TranslationModule, pace: Pace | None, scored: int, processes: int = 1, clock: Clock = CLOCK
    ) -> None:
        self.module = module
        self.clock = clock
        self.pace = pace
        self.scored = scored
        self.together = module.command.sampling.batch_size * processes
        self._first = module.position.iteration
        self._began = self._validations = self._validating = 0.0
        self._validation: float | None = None

    @property
    def rate(self) -> float | None:
        """Patches that are trained in a second; None: not known yet."""
        trained = self.clock() - self._began - self._validations
        patches = self.module.position.iteration - self._first
        if patches and (trained >= MEASURED or self.pace is None):
            return patches / max(trained, 1e-9)
        return None if self.pace is None else self.together / max(self.pace.step, 1e-9)

    @property
    def patches(self) -> int:
        """Patches that are still to be trained, where epochs count."""
        place, each = self.module.position, self.module.command.sampling.num_train
        return max(0, self.module.epochs_in_all * each - place.epoch * each - place.patch)

    @property
    def seconds(self) -> float | None:
        """How long the run goes on [s]; None: not known yet."""
        if self.module.has_budget:
            return max(0.0, 60 * self.module.command.schedule.time_budget - self.module.position.seconds)
        rate = self.rate
        if rate is None:
            return None
        validation = self._validation
        if validation is None:
            validation = 0.0 if self.pace is None else self.scored * self.pace.score
        left = self.module.epochs_in_all - self.module.position.epoch
        return self.patches / rate + left * validation

    @property
    def words(self) -> str:
        """How long the run goes on, for people; empty: not known yet."""
        return "" if self.seconds is None else f"{format_seconds(self.seconds)} left"

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Count from here on."""
        self._first = self.module.position.iteration
        self._began, self._validations = self.clock(), 0.0

    def on_validation_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure how long a validation takes."""
        self._validating = self.clock()

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Measure how long a validation takes."""
        self._validation = self.clock() - self._validating
        self._validations += self._validation


class Progress(Callback):
    """Shows how far a run is, over all its patches or the minutes of its time budget, with losses, pace and time left.

    On a terminal that is a bar. Elsewhere, as in a log, lines say the same: after some seconds, at gaps that double up
    to an hour, and after each epoch.
    """

    def __init__(self, module: TranslationModule, left: TimeLeft, checkpoints: Checkpoints, echo: Echo) -> None:
        self.module = module
        self.left = left
        self.checkpoints = checkpoints
        self.echo = echo
        self.bar: Any = None
        self._next = self._gap = FIRST_LINE

    def on_sanity_check_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar where the run stands."""
        self._open(trainer)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Open the bar, where no validation has done that."""
        self._open(trainer)
        self._next = self.left.clock() + self._gap

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Move the bar on, or write a line now and then."""
        if self.bar is None:
            return
        self.move()
        if not self.bar.disable:
            if self.module.has_just_reached(10):
                self._describe()
        elif self.left.clock() >= self._next or self.module.epoch_ends:
            self.echo(self.line())
            self._gap = min(2 * self._gap, LONGEST_SILENCE)
            self._next = self.left.clock() + self._gap

    def on_validation_batch_end(
        self,
        trainer: pl.Trainer,
        pl_module: pl.LightningModule,
        outputs: Any,
        batch: Any,
        batch_idx: int,
        dataloader_idx: int = 0,
    ) -> None:
        """Say why the bar stands still."""
        if self.bar is not None and not self.bar.disable:
            done = min((batch_idx + 1) * self.module.command.sampling.batch_size, self.left.scored)
            self.bar.set_description_str(f"{self.where}, validating {done}/{self.left.scored}")

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Go on."""
        if self.bar is not None:
            self._describe()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Close the bar."""
        if self.bar is not None:
            self.bar.close()

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Close the bar: what ended the run is said below it."""
        if self.bar is not None:
            self.bar.close()

    def move(self) -> None:
        """Move the bar to where the run stands; who cancels it asks the run to stop, as by Ctrl-C."""
        try:
            self.bar.update(self.reached - self.bar.n)
        except KeyboardInterrupt:
            self.checkpoints.ask()

    @property
    def reached(self) -> float:
        """Where the run stands: minutes of its time budget, or patches."""
        place, options = self.module.position, self.module.command
        if self.module.has_budget:
            return self.module.progress * options.schedule.time_budget
        return place.epoch * options.sampling.num_train + place.patch

    @property
    def where(self) -> str:
        """Which epoch the run is in, such as `epoch 3/75`."""
        last = "" if self.module.has_budget else f"/{self.module.last_epoch}"
        return f"epoch {self.module.epoch}{last}"

    def line(self) -> str:
        """Return a line about where the run stands."""
        share = self.reached / self.bar.total if self.bar.total else 1.0
        return ", ".join([f"{self.where}: {100 * share:.3g} % of the run is done", *self._pace()])

    def _open(self, trainer: pl.Trainer) -> None:
        if self.bar is not None or not trainer.is_global_zero:
            return
        if self.module.has_budget:
            total, count = self.module.command.schedule.time_budget, "{n:.1f}/{total:g} minutes"
        else:
            total = self.module.epochs_in_all * self.module.command.sampling.num_train
            count = "{n_fmt}/{total_fmt} patches"
        self.bar = progress_bar(
            total=total,
            initial=self.reached,
            desc=self.where,
            bar_format="{desc} {percentage:3.0f}%|{bar:20}| " + count + "{postfix}",
            dynamic_ncols=True,
        )
        self._describe()

    def _describe(self) -> None:
        losses = [f"{name} {float(value):.3g}" for name, value in self.module.losses.items()]
        self.bar.set_description_str(self.where, refresh=False)
        self.bar.set_postfix_str(", ".join([*self._pace(), *losses]))

    def _pace(self) -> list[str]:
        rate = self.left.rate
        fast = [] if rate is None else [f"{rate:.3g} patches/s"]
        return [*fast, self.left.words] if self.left.words else fast
