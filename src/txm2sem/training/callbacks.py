"""What happens beside the optimisation: log lines, checkpoints, and stopping when asked to."""

from __future__ import annotations

import dataclasses
import signal
import threading
from collections.abc import Callable
from contextlib import suppress
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.callbacks import Callback, Checkpoint

from txm2sem.checkpoints import save, save_network
from txm2sem.course import append_losses, append_scores
from txm2sem.errors import ENDS, Interrupted
from txm2sem.files import json_text, write_text
from txm2sem.runs import RunPaths
from txm2sem.training.loading import LoadingError
from txm2sem.training.translation import TranslationModule

Echo = Callable[[str], None]


class LossLog(Callback):
    """Writes the losses to the console, to the run's folder and to TensorBoard, every `--print_freq` patches."""

    def __init__(self, module: TranslationModule, paths: RunPaths, echo: Echo) -> None:
        self.module = module
        self.paths = paths
        self.echo = echo

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Write one line such as `(epoch: 1, iters: 100) G_GAN: 0.812 G_L1: 31.204`."""
        if not trainer.is_global_zero or not self.module.has_just_reached(self.module.command.saving.print_freq):
            return
        losses = {name: float(value) for name, value in self.module.losses.items()}
        rate = self.module.named_optimizers()["G"].optimizer.param_groups[0]["lr"]
        for logger in trainer.loggers:
            logger.log_metrics({**losses, "learning_rate": rate}, step=self.module.position.iteration)
        self.echo(append_losses(self.paths, self.module.epoch, self.module.position.patch, losses))


class ValidationLog(Callback):
    """Writes the validation line of epoch 0 and of every epoch."""

    def __init__(self, module: TranslationModule, paths: RunPaths, echo: Echo) -> None:
        self.module = module
        self.paths = paths
        self.echo = echo

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write `(epoch: N) PSNR=mean±error, SSIM=mean±error`, or what else the model is scored by."""
        if not trainer.is_global_zero:
            return
        scores = self.module.validation_summary()
        epoch = self.module.validated_epoch
        for logger in trainer.loggers:
            means = {f"validation/{name}": summary.mean for name, summary in scores.items()}
            logger.log_metrics(means, step=self.module.position.iteration)
        append_scores(self.paths, epoch, scores)
        short = ", ".join(f"{name}={summary.mean:.4g}" for name, summary in scores.items())
        self.echo(f"(epoch: {epoch}) validation {short}")


class DisplacementLog(Callback):
    """Writes by how much the training slices are displaced, where that is learned, after every epoch."""

    def __init__(self, module: TranslationModule, paths: RunPaths, echo: Echo) -> None:
        self.module = module
        self.paths = paths
        self.echo = echo

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the mean displacement of each slice, and a line about the farthest."""
        displacements = self.module.displacements
        if displacements is None or not self.module.position.iteration or not trainer.is_global_zero:
            return
        slices = displacements.summary()
        write_text(self.paths.displacements, json_text({"unit": "pixel", "slices": slices}))
        name, farthest = max(slices.items(), key=lambda item: item[1]["length"])
        mean = sum(found["length"] for found in slices.values()) / len(slices)
        self.echo(
            f"(epoch: {self.module.validated_epoch}) SEM slices lie beside their TXM by {mean:.2f} pixels on average, "
            f"{name} by {farthest['length']:.2f}"
        )


class Checkpoints(Checkpoint):
    """Saves the networks in the original code's names and what resuming needs; stops when asked to.

    The state is written last: what belongs to a position is on the disk before it is said to be reached. So the end of
    the process at any moment costs what has been trained since the latest state, and nothing else.

    Ctrl-C, SIGTERM (a cluster's time limit) and SIGHUP (a terminal that closes) end training after the batch under way,
    with everything saved. A second Ctrl-C ends it at once. The other signals may come twice for one end.

    Attributes:
        interruption: what has ended the training before its time, where somebody did.
        asked: the number of the signal that has asked it to stop; 0: none.
    """

    def __init__(self, module: TranslationModule, paths: RunPaths, echo: Echo) -> None:
        self.module = module
        self.paths = paths
        self.echo = echo
        self.interruption: KeyboardInterrupt | None = None
        self._saved = dataclasses.replace(module.position) if paths.state.exists() else None
        self.asked = 0
        self._handlers: dict[int, Any] = {}

    @property
    def remedy(self) -> str:
        """What there is to go on from."""
        if self._saved is None or not self._saved.iteration:
            return "nothing is saved yet: the same command begins anew"
        epoch = self.module.command.schedule.epoch_count + self._saved.epoch
        lost = self.module.position.iteration - self._saved.iteration
        after = f"; {lost} more are lost" if lost else ""
        return f"--continue_train goes on from what is saved: epoch {epoch}, after {self._saved.patch} patches{after}"

    def on_sanity_check_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save where the run begins, and listen for requests to stop."""
        self._listen()
        if trainer.is_global_zero:
            self._save()

    def on_sanity_check_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """End the epoch whose validation a resumed run has begun with."""
        if self.module.awaits_validation:
            self.module.on_train_epoch_end()
            self.on_train_epoch_end(trainer, pl_module)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Listen for requests to stop."""
        self._listen()

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Save the latest model every `--save_latest_freq` patches, and one that is kept with `--save_by_iter`."""
        options, place = self.module.command.saving, self.module.position
        if trainer.is_global_zero and self.module.has_just_reached(options.save_latest_freq):
            self._save(*([f"iter_{place.iteration}"] if options.save_by_iter else []))
        self._stop_if_asked(trainer)

    def on_validation_batch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule, *batch: Any) -> None:
        """Stop if asked to: a resumed run begins with the validation."""
        self._stop_if_asked(trainer)

    def on_validation_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the best model after an epoch whose validation no earlier one reaches."""
        if self.module.position.iteration and self.module.note_score() and trainer.is_global_zero:
            self._save_networks("best")

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Save the latest model after every epoch, and one that is kept every `--save_epoch_freq` epochs."""
        finished = self.module.epoch - 1
        if trainer.is_global_zero:
            self._save(*([str(finished)] if finished % self.module.command.saving.save_epoch_freq == 0 else []))
        self._stop_if_asked(trainer)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Give the signals back; save, where patches could not be loaded: that is between two steps."""
        self._give_back_signals()
        if isinstance(exception, KeyboardInterrupt):
            self.interruption = exception
        if isinstance(exception, LoadingError) and trainer.is_global_zero:
            self._save()

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Give the signals back."""
        self._give_back_signals()

    def _listen(self) -> None:
        if self._handlers or threading.current_thread() is not threading.main_thread():
            return
        for number in ENDS:
            if signal.getsignal(number) != signal.SIG_IGN:  # as with nohup
                self._handlers[number] = signal.signal(number, self.ask)

    def _give_back_signals(self) -> None:
        for number, handler in self._handlers.items():
            signal.signal(number, handler)
        self._handlers.clear()

    def ask(self, number: int = signal.SIGINT, frame: Any = None) -> None:
        """Ask the run to stop after the batch under way, as a signal does; a second Ctrl-C stops it at once.

        Raises:
            Interrupted: it was asked before.
        """
        if self.asked and number == signal.SIGINT:
            raise Interrupted(number)
        if not self.asked:
            self.asked = number
            with suppress(RuntimeError):  # the console may be in the middle of a line
                self.echo("stopping after the batch under way; Ctrl-C again stops at once")

    def _stop_if_asked(self, trainer: pl.Trainer) -> None:
        # Processes that train together receive the signal at different batches and must stop at the same one.
        if not trainer.strategy.reduce_boolean_decision(bool(self.asked), all=False):
            return
        if trainer.is_global_zero:
            self._save()
        raise Interrupted(self.asked or signal.SIGTERM)

    def _save(self, *labels: str) -> None:
        """Save the latest networks, the same under other labels, and then the state."""
        if self.module.position.iteration:  # before that they have learned nothing
            for label in ("latest", *labels):
                self._save_networks(label)
        save(self.module.state(), self.paths.state)
        self._saved = dataclasses.replace(self.module.position)

    def _save_networks(self, label: str) -> None:
        for name, network in self.module.results.items():
            save_network(network, self.paths.network(label, name))
