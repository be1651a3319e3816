"""What `--verbose` prints: the networks with their number of parameters, the device, the images of each split."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from txm2sem.data.slices import split_folder
from txm2sem.devices import devices_of, name_of_device
from txm2sem.networks import build_generator
from txm2sem.options import GeneratorOptions, ImagesRunOptions, Phase, TestCommand, TrainCommand, TrainedOptions


def training_details(command: TrainCommand, networks: Mapping[str, nn.Module]) -> list[str]:
    """Return lines on a training run's networks, by name, its device, and its training and validation images.

    Raises:
        UserError: device or folders are not there.
    """
    return [
        *(line for name, network in networks.items() for line in network_lines(name, network)),
        device_line(command.run),
        *(split_line(command.run, phase) for phase in (command.sampling.phase, "val")),
    ]


def test_details(command: TestCommand) -> list[str]:
    """Return lines on a test's generator, device and images.

    Raises:
        UserError: the options name no network, or device or folders are not there.
    """
    return [*generator_lines(command.model), device_line(command.run), split_line(command.run, command.test.phase)]


def generator_lines(options: GeneratorOptions) -> list[str]:
    """Return the lines of `network_lines` on the generator that options name.

    Raises:
        UserError: they name none.
    """
    with torch.device("meta"):  # the architecture alone: no memory, no time
        return network_lines("G", build_generator(options))


def network_lines(name: str, network: nn.Module) -> list[str]:
    """Return a network's layers, one per line, and its number of parameters [millions], as the original code does."""
    count = sum(parameter.numel() for parameter in network.parameters())
    return [*str(network).splitlines(), f"[Network {name}] Total number of parameters : {count / 1e6:.3f} M"]


def device_line(options: TrainedOptions) -> str:
    """Return the processors that do the work, and the number format."""
    named = ", ".join(map(name_of_device, devices_of(options.gpu_ids)))
    return f"device: {named}, {options.precision}"


def split_line(options: ImagesRunOptions, phase: Phase) -> str:
    """Return the folder of a split and how many files each of its folders has."""
    folder = split_folder(options.dataroot, phase)
    counts = [
        f"{len([file for file in path.iterdir() if file.is_file() and not file.name.startswith('.')])} {path.name}"
        for path in sorted(folder.iterdir())
        if path.is_dir()
    ]
    return f"{folder}: {', '.join(counts) or 'nothing'}"
