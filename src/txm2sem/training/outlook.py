"""What is said of a training before its first step: with what it computes, how much of it, how long that takes here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import torch

from txm2sem.data import size_option
from txm2sem.devices import name_of_device
from txm2sem.memory import machine_memory
from txm2sem.model.pace import Pace, measure_pace, recipe_seconds
from txm2sem.options import RECIPES, TRANSLATION_MODELS, TrainCommand
from txm2sem.quantities import format_bytes, format_seconds
from txm2sem.training.loading import loaders_of
from txm2sem.training.progress import TimeLeft
from txm2sem.training.translation import TranslationModule

LONG = 3600.0
"""Trainings that take longer are told of what bounds them [s]."""

MUCH_SHORTER = 4
"""A recipe is told of where it takes so many times less."""


def outlook(left: TimeLeft, devices: Sequence[torch.device]) -> Iterator[str]:
    """Yield lines about a run that is about to begin, or to go on; on the way its pace is found.

    Args:
        left: of the run, which is told the pace.
        devices: what it computes with.
    """
    command = left.module.command
    size = getattr(command.data, size_option(command.data))
    patch = f"{size} x {size} pixels"
    yield f"device:  {', '.join(map(name_of_device, devices))}"
    yield f"patches: {command.sampling.num_train:,} of {patch} an epoch; {left.scored} for each validation"
    yield f"length:  {_length(left)}"
    left.pace = pace = measure_pace(command, size, devices[0])
    if pace.memory is not None:
        yield f"memory:  {_memory(pace.memory, command, devices[0])}"
    yield f"time:    {_time(left, pace, devices[0])}"


def _memory(taken: float, command: TrainCommand, device: torch.device) -> str:
    if device.type == "cuda":
        there = torch.cuda.get_device_properties(device).total_memory
        return f"about {format_bytes(taken)} of the GPU's {format_bytes(there)}"
    loaders = loaders_of(command.run.num_threads)
    beside = f", without {_counted(loaders, 'process that loads', 'processes that load')} patches" if loaders else ""
    return f"about {format_bytes(taken)} of {format_bytes(machine_memory())}{beside}"


def _length(left: TimeLeft) -> str:
    module = left.module
    schedule, place = module.command.schedule, module.position
    if module.has_budget:
        used = f", of which {place.seconds / 60:.3g} are used" if place.seconds else ""
        return f"a time budget of {schedule.time_budget:g} minutes{used}"
    steps = f"{-(-left.patches // left.together):,} steps of {_counted(left.together, 'patch', 'patches')}"
    if place.iteration:
        return f"from epoch {module.epoch}, after {place.patch:,} patches, to epoch {module.last_epoch}: {steps}"
    return f"{_counted(module.epochs_in_all, 'epoch', 'epochs')}, {steps}"


def _time(left: TimeLeft, pace: Pace, device: torch.device) -> str:
    seconds, command = left.seconds, left.module.command
    assert seconds is not None
    if left.module.has_budget:
        steps = seconds / max(pace.step, 1e-9)
        epochs = steps * left.together / command.sampling.num_train
        return f"{format_seconds(seconds)}, room for about {steps:,.0f} steps: {epochs:.2g} epochs, less validations"
    said = f"about {format_seconds(seconds)} here"
    if seconds < LONG:
        return said
    advice = [said]
    recipe = _fitting_recipe(left.module)
    if recipe:
        shorter = recipe_seconds(recipe, left.scored, device)
        if MUCH_SHORTER * shorter <= seconds:
            advice.append(f"--recipe {recipe}, a smaller model, takes about {format_seconds(shorter)}")
    return "; ".join([*advice, "--time_budget MINUTES bounds it"])


def _fitting_recipe(module: TranslationModule) -> str:
    """Return the recipe for the task of a run that is no recipe's; empty: there is none, or the run goes on."""
    command = module.command
    if module.position.iteration or command.recipe.recipe != "none":
        return ""
    if command.model.model in TRANSLATION_MODELS:
        return "translate" if command.sampling.aligned else ""
    fits = command.model.model == RECIPES["phases"]["model"] and command.data.seg_mode != "semfake"
    return "phases" if fits else ""


def _counted(number: int, one: str, several: str) -> str:
    return f"{number:,} {one if number == 1 else several}"
