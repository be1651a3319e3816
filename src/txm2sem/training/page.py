"""The page of a training run: its images, losses, scores and options, written from the files in the run's folder.

The page needs no network and, beside `web/images`, no other file. Nothing on it is kept in memory, so a resumed run
goes on with the page of the run before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from txm2sem.course import Course, Curve, condense
from txm2sem.files import write_text, write_whole
from txm2sem.options import DisplayOptions, TrainCommand
from txm2sem.pages import changed_options, curve_plots, how_condensed, page
from txm2sem.quantities import format_seconds
from txm2sem.runs import RunPaths, read_options

CAPTIONS = {
    "txm": "TXM (input)",
    "painted": "SEM to repair",
    "input": "input",
    "prediction": "prediction",
    "labels_fake": "predicted classes",
    "sem": "SEM (truth)",
    "labels": "true classes",
}
"""Captions of the images, in the order in which they are shown; others go by their names, after these."""

IMAGE_NAME = re.compile(r"epoch(\d+)_iter(\d+)_(\w+)\.png")

FARTHEST = 1e9
"""The end of a training is not named where it is further away [s]: thirty years."""

Entries = dict[tuple[int, int], dict[str, Path]]
"""Image files by name, by (epoch, patches of that epoch)."""


def save_images(paths: RunPaths, epoch: int, patch: int, images: Mapping[str, NDArray[np.uint8]]) -> None:
    """Save 8-bit images (H, W), by name, as the page's entry for an epoch and the patches seen of it."""
    for name, pixels in images.items():
        write_whole(paths.web_image(epoch, patch, name), partial(Image.fromarray(pixels).save, format="PNG"))


def write_page(paths: RunPaths, *, running: bool = False, left: float | None = None) -> None:
    """Write a run's page, whole or not at all, from the images, the course and the options in its folder.

    Args:
        paths: the run; options that its `options.yaml` lacks have their defaults.
        running: the page says so, and loads itself anew from time to time.
        left: how long the run goes on from now [s]; None: nobody knows.

    Raises:
        UserError: the disk is full or the folder not writable.
    """
    options = read_options(paths.options) if paths.options.exists() else {}
    course = Course.read(paths.course, int(options.get("num_train", TrainCommand().sampling.num_train)))
    write_text(paths.web_page, render(paths.name, options, course, find_images(paths), running=running, left=left))


def find_images(paths: RunPaths) -> Entries:
    """Return the images of the page, the newest first, those of one place in the order of their captions."""
    found: Entries = {}
    order = list(CAPTIONS)
    folder = paths.web_page.parent / "images"
    for path in sorted(folder.iterdir()) if folder.is_dir() else []:
        match = IMAGE_NAME.fullmatch(path.name)
        if match:
            found.setdefault((int(match[1]), int(match[2])), {})[match[3]] = path
    return {
        place: dict(sorted(found[place].items(), key=lambda item: order.index(item[0]) if item[0] in order else 99))
        for place in sorted(found, reverse=True)
    }


def caption_of(name: str) -> str:
    """Return what is written below an image."""
    return CAPTIONS.get(name, name.replace("_", " "))


def render(
    name: str,
    options: Mapping[str, Any],
    course: Course,
    entries: Entries,
    *,
    running: bool,
    left: float | None,
) -> str:
    """Return the page as HTML."""
    losses, scores, end = course.losses, course.scores, course.end or 1e-9
    now = datetime.now().astimezone()
    return page(
        "training.html",
        title=f"{name}: training",
        name=name,
        networks=[options[key] for key in ("model", "netG") if key in options],
        reached=_reached(options, end),
        now=now,
        left="" if left is None else format_seconds(left),
        until=now + timedelta(seconds=min(left or 0.0, FARTHEST)),
        ended="" if running else _ended(options, end),
        scores=curve_plots(scores, end, course.trivial),
        losses=curve_plots(map(condense, losses), end),
        about_losses=how_condensed(losses),
        epochs=_epochs(entries, scores),
        width=int(options.get("display_winsize", DisplayOptions.display_winsize)),
        options=options,
        changed=changed_options(options),
    )


def _reached(options: Mapping[str, Any], end: float) -> str:
    budget = _budget(options)
    length = f"epochs in a time budget of {budget:g} minutes" if budget else f"of {_last(options)} epochs"
    return f"{round(end, 2):g} {length}"


def _ended(options: Mapping[str, Any], end: float) -> str:
    # How much of a budget is used up is not in the logs.
    return "ended" if _budget(options) else "finished" if end >= _last(options) else "stopped"


def _budget(options: Mapping[str, Any]) -> float:
    return float(options.get("time_budget", TrainCommand().schedule.time_budget))


def _last(options: Mapping[str, Any]) -> int:
    schedule = TrainCommand().schedule
    return int(options.get("niter", schedule.niter)) + int(options.get("niter_decay", schedule.niter_decay))


def _epochs(entries: Entries, scores: Sequence[Curve]) -> list[dict[str, object]]:
    """Return the entries of each epoch, by patches seen of it, as captions and files, and the scores reached in it."""
    epochs = []
    for epoch in dict.fromkeys(place[0] for place in entries):
        places = {
            patch: [(caption_of(name), path.name) for name, path in images.items()]
            for (number, patch), images in entries.items()
            if number == epoch
        }
        reached = [f"{curve.name} {value:.4g}" for curve in scores for value in curve.values[curve.epochs == epoch]]
        epochs.append({"number": epoch, "scores": reached, "places": places})
    return epochs
