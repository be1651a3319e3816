"""The layers of a generator that learn, in the order in which an image passes them."""

from __future__ import annotations

import dataclasses
from functools import partial

import torch
from torch import nn

from txm2sem.networks.generators import build_generator, size_multiple, smallest_side
from txm2sem.options import GeneratorOptions


def convolutions(options: GeneratorOptions) -> list[list[str]]:
    """Return the names of the modules with weights of their own: each convolution, and what follows it before the next.

    What follows are normalisations, and scales of what it is a part of.

    Args:
        options: of the generator.
    """
    # Names do not depend on the width.
    network = build_generator(dataclasses.replace(options, ngf=1)).eval()
    found: list[list[str]] = []

    def note(name: str, module: nn.Module, *_: object) -> None:
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            found.append([name])
        else:
            found[-1].append(name)

    for name, module in network.named_modules():
        if any(True for _ in module.parameters(recurse=False)):
            module.register_forward_hook(partial(note, name))
    multiple = size_multiple(options)
    side = -(-smallest_side(options) // multiple) * multiple // options.downsample_factor
    with torch.no_grad():
        network(torch.zeros(1, options.input_nc, side, side))
    return found
