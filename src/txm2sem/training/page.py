"""The page of a training run: its images, losses, scores and options, written from the files in the run's folder.

The page needs no network and, beside `web/images`, no other file. Nothing on it is kept in memory, so a resumed run
goes on with the page of the run before.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime
from functools import partial
from html import escape
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from txm2sem.course import Course, Curve, condense
from txm2sem.files import write_text, write_whole
from txm2sem.options import DisplayOptions, TrainCommand
from txm2sem.pages import page, section
from txm2sem.pages.curves import ABOUT_SCORES, curve_figures, how_condensed
from txm2sem.pages.options import option_tables
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
SECONDS_BETWEEN_RELOADS = 30

Entries = dict[tuple[int, int], dict[str, Path]]
"""Image files by name, by (epoch, patches of that epoch)."""


def save_images(paths: RunPaths, epoch: int, patch: int, images: Mapping[str, NDArray[np.uint8]]) -> None:
    """Save 8-bit images (H, W), by name, as the page's entry for an epoch and the patches seen of it."""
    for name, pixels in images.items():
        write_whole(paths.web_image(epoch, patch, name), partial(Image.fromarray(pixels).save, format="PNG"))


def write_page(paths: RunPaths, *, running: bool = False) -> None:
    """Write a run's page, whole or not at all, from the images, the course and the options in its folder.

    Args:
        paths: the run; options that its `options.yaml` lacks have their defaults.
        running: the page says so, and loads itself anew from time to time.

    Raises:
        UserError: the disk is full or the folder not writable.
    """
    options = read_options(paths.options) if paths.options.exists() else {}
    course = Course.read(paths.course, int(options.get("num_train", TrainCommand().sampling.num_train)))
    write_text(paths.web_page, render(paths.name, options, course, find_images(paths), running=running))


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
) -> str:
    """Return the page as HTML."""
    losses, scores, end = course.losses, course.scores, course.end or 1e-9
    width = int(options.get("display_winsize", DisplayOptions.display_winsize))
    body = [
        f"<header>\n<h1>{escape(name)}</h1>\n<p>{_state(options, end, running)}</p>\n</header>",
        "<main>",
        section("Validation", curve_figures(scores, end, ABOUT_SCORES)),
        section("Losses", curve_figures(map(condense, losses), end, how_condensed(losses))),
        section("Images", _images(entries, scores, width)),
        section("Options", option_tables(options)),
        "</main>",
        SCRIPT if running else "",
    ]
    return page(f"{name}: training", "\n".join(part for part in body if part), "images.css")


def _state(options: Mapping[str, Any], reached: float, running: bool) -> str:
    parts = [escape(str(options[key])) for key in ("model", "netG") if key in options]
    schedule = TrainCommand().schedule
    last = int(options.get("niter", schedule.niter)) + int(options.get("niter_decay", schedule.niter_decay))
    budget = float(options.get("time_budget", schedule.time_budget))
    length = f"epochs in a time budget of {budget:g} minutes" if budget else f"of {last} epochs"
    parts.append(f"{round(reached, 2):g} {length}")
    now = datetime.now().astimezone()
    parts.append(f'written <time datetime="{now.isoformat(timespec="seconds")}">{now:%Y-%m-%d %H:%M:%S}</time>')
    if running:
        note = f"reloads every {SECONDS_BETWEEN_RELOADS} s while you are at the top and have opened nothing"
        parts.append(f'training<span class="screen"> ({note})</span>')
    else:
        # How much of a budget is used up is not in the logs.
        ended = "ended" if budget else "finished" if reached >= last else "stopped"
        parts.append(f"training has {ended}")
    return " · ".join(parts)


def _images(entries: Entries, scores: list[Curve], width: int) -> str:
    if not entries:
        return "<p>None yet.</p>"
    blocks: list[str] = []
    for epoch in dict.fromkeys(place[0] for place in entries):
        places = {patch: images for (number, patch), images in entries.items() if number == epoch}
        reached = [
            f"{curve.name} {value:.4g}"
            for curve in scores
            for value in curve.values[curve.epochs == epoch]
            if np.isfinite(value)
        ]
        summary = f"Epoch {epoch}" + "".join(f" · {escape(score)}" for score in reached)
        articles = "\n".join(_entry(epoch, patch, images, width) for patch, images in places.items())
        opened = "" if blocks else " open"
        blocks.append(f"<details{opened}>\n<summary>{summary}</summary>\n{articles}\n</details>")
    note = "Training patches, the newest first; predictions with frozen statistics. Select an image to enlarge it."
    return f'<p class="note">{note}</p>\n' + "\n".join(blocks)


def _entry(epoch: int, patch: int, images: Mapping[str, Path], width: int) -> str:
    figures = []
    for name, path in images.items():
        source, caption = f"images/{path.name}", escape(caption_of(name))
        alt = f"{caption}, epoch {epoch}, {patch} patches"
        figures.append(
            f'<figure><a href="{source}"><img src="{source}" alt="{alt}" width="{width}" height="{width}" '
            f'loading="lazy"></a><figcaption>{caption}</figcaption></figure>'
        )
    columns = f"grid-template-columns: repeat({len(images)}, minmax(0, {width}px))"
    title = f"<h3>Epoch {epoch}, after {patch} patches</h3>"
    return f'<article>\n{title}\n<div class="images" style="{columns}">\n' + "\n".join(figures) + "\n</div>\n</article>"


SCRIPT = f"""<script>
let touched = false;
addEventListener("toggle", event => {{ touched ||= event.target !== firstOpen; }}, true);
const firstOpen = document.querySelector("details[open]");
setInterval(() => {{ if (!touched && scrollY < 50) location.reload(); }}, {1000 * SECONDS_BETWEEN_RELOADS});
</script>"""
