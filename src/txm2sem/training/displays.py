"""Pictures of the training while it runs: a page in the run's folder, and windows of a visdom server.

The main process alone displays, and nothing random, no weight and no statistic changes by it: a run with displays ends
with the model of a run without.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from importlib import import_module
from typing import Any

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.callbacks import Callback
from torch import Tensor

from txm2sem.course import Course, condense
from txm2sem.errors import UserError, extra
from txm2sem.options import DisplayOptions
from txm2sem.runs import RunPaths
from txm2sem.training.page import caption_of, save_images, write_page
from txm2sem.training.progress import TimeLeft
from txm2sem.training.translation import TranslationModule

SECONDS_TO_ANSWER = 5
"""A visdom server that takes longer counts as absent."""


def displays(module: TranslationModule, paths: RunPaths, echo: Callable[[str], None], left: TimeLeft) -> list[Callback]:
    """Return the displays that a run's options ask for; `left` tells how long the run goes on."""
    options = module.command.display
    found: list[Callback] = [] if options.no_html else [TrainingPage(module, paths, left)]
    return found if options.display_id <= 0 else [*found, VisdomWindows(module, paths, echo)]


def pictures_of(module: TranslationModule, batch: Mapping[str, Tensor]) -> dict[str, NDArray[np.uint8]]:
    """Return what to show of a batch's first patch, by name: 8-bit images (H, W).

    The networks' statistics are frozen and dropout is off, so that looking at a prediction changes nothing.
    """
    patch = {name: item[0] for name, item in batch.items()}
    modes = {network: network.training for network in module.modules()}
    module.eval()
    try:
        with torch.no_grad():
            return module.pictures(module(patch["source"][None])[0], patch)
    finally:
        for network, training in modes.items():
            network.training = training


class TrainingPage(Callback):
    """Keeps the page of the run up to date: `checkpoints_dir/NAME/web/index.html`."""

    def __init__(self, module: TranslationModule, paths: RunPaths, left: TimeLeft) -> None:
        self.module = module
        self.paths = paths
        self.left = left

    def on_sanity_check_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the page as soon as there is a run to look at."""
        if trainer.is_global_zero:
            write_page(self.paths, left=self.left.seconds, running=True)

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Write the page of a run that goes on, and of another the first scores."""
        self.on_sanity_check_start(trainer, pl_module)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Add images every `--update_html_freq` patches, and at the epoch's end."""
        place, options = self.module.position, self.module.command
        reached = self.module.has_just_reached(options.display.update_html_freq)
        if not trainer.is_global_zero or not (reached or self.module.epoch_ends):
            return
        save_images(self.paths, self.module.epoch, place.patch, pictures_of(self.module, batch))
        if not self.module.epoch_ends:  # otherwise the validation follows, and then the page
            write_page(self.paths, left=self.left.seconds, running=True)

    def on_train_epoch_end(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Show the epoch's validation."""
        if trainer.is_global_zero:
            write_page(self.paths, left=self.left.seconds, running=True)

    def teardown(self, trainer: pl.Trainer, pl_module: pl.LightningModule, stage: str) -> None:
        """Say that nothing more will come."""
        if trainer.is_global_zero:
            write_page(self.paths)

    def on_exception(self, trainer: pl.Trainer, pl_module: pl.LightningModule, exception: BaseException) -> None:
        """Say that nothing more will come; what ended the training is reported elsewhere."""
        if trainer.is_global_zero:
            with suppress(UserError):
                write_page(self.paths)


class VisdomWindows(Callback):
    """Shows losses and images in windows of a visdom server, every `--display_freq` patches.

    Losses are in the window of the number `--display_id`, the images in the next; with `--display_ncols 0` in as many
    as there are images. Where visdom or its server is missing, or goes away, one line says so and training goes on.
    """

    def __init__(self, module: TranslationModule, paths: RunPaths, echo: Callable[[str], None]) -> None:
        self.module = module
        self.paths = paths
        self.echo = echo
        self.options = module.command.display
        self.client: Any = None

    def on_train_start(self, trainer: pl.Trainer, pl_module: pl.LightningModule) -> None:
        """Look for the server."""
        if not trainer.is_global_zero:
            return
        try:
            self.client = connect(self.options)
        except ImportError as error:
            self.echo(f"no windows are shown: visdom is not installed ({error}); {extra('visdom')}")
        except Exception as error:
            self._give_up(error)

    def on_train_batch_end(
        self, trainer: pl.Trainer, pl_module: pl.LightningModule, outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        """Update the windows every `--display_freq` patches."""
        if self.client is None or not self.module.has_just_reached(self.options.display_freq):
            return
        images = pictures_of(self.module, batch)
        try:
            self._show_losses()
            self._show_images(images)
        except Exception as error:
            self._give_up(error)

    def _give_up(self, error: Exception) -> None:
        """Say once that there is no server (any more): no failure of a display is worth a run."""
        self.client = None
        self.echo(
            f"no windows are shown from here on: no visdom server answers at {self.options.display_server}:"
            f"{self.options.display_port} ({error}); start one, or leave out --display_id"
        )

    def _show_losses(self) -> None:
        # The whole curves each time: a window that the user has closed comes back complete, and so does a resumed run.
        course = Course.read(self.paths.course, self.module.command.sampling.num_train)
        curves = [condense(curve, 500) for curve in course.losses]
        longest = max((len(curve.values) for curve in curves), default=0)
        if not longest:
            return
        x, y = (np.full((longest, len(curves)), np.nan) for _ in range(2))
        for column, curve in enumerate(curves):
            x[: len(curve.epochs), column], y[: len(curve.values), column] = curve.epochs, curve.values
        legend = [curve.name for curve in curves]
        opts = {"title": f"{self.paths.name}: losses", "legend": legend, "xlabel": "epochs", "ylabel": "loss"}
        self.client.line(X=x, Y=y, win=str(self.options.display_id), opts=opts)

    def _show_images(self, images: Mapping[str, NDArray[np.uint8]]) -> None:
        place = f"epoch {self.module.epoch}, {self.module.position.patch} patches"
        window, width, columns = self.options.display_id + 1, self.options.display_winsize, self.options.display_ncols
        captions = {caption_of(name): pixels for name, pixels in images.items()}
        if columns:
            panel = np.stack(list(captions.values()))[:, None]
            opts = {"title": f"{', '.join(captions)}: {place}", "width": width * min(columns, len(panel))}
            self.client.images(panel, nrow=columns, win=str(window), opts=opts)
            return
        for number, (caption, pixels) in enumerate(captions.items(), window):
            self.client.image(pixels[None], win=str(number), opts={"title": f"{caption}: {place}", "width": width})


def connect(options: DisplayOptions) -> Any:
    """Return a visdom client whose server has answered, and which raises where it does not.

    Raises:
        ImportError: visdom is not installed.
        Exception: of many kinds; there is no visdom server at that address.
    """
    visdom: Any = import_module("visdom")
    logging.getLogger("visdom").setLevel(logging.ERROR)
    # Not to be sent anything before its requests have a time limit.
    client = visdom.Visdom(
        server=options.display_server,
        port=options.display_port,
        env=options.display_env,
        send=False,
        use_incoming_socket=False,
        raise_exceptions=True,
    )
    client.session.post = partial(client.session.post, timeout=SECONDS_TO_ANSWER)
    client.session.hooks["response"].append(lambda answer, *_, **__: answer.raise_for_status())
    client.send = True
    client.get_env_list()
    return client
