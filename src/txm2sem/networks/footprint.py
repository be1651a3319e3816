"""The memory that a generator takes to translate a tile, beside its weights."""

from __future__ import annotations

import math
import weakref
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from functools import cache
from typing import Any

import torch
from torch import Tensor
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from txm2sem.networks.generators import build_generator
from txm2sem.options import GeneratorOptions

KEPT_BYTES = 96 * 2**20
"""What Linux's C library may keep of freed memory beside `peak_bytes`, whatever the tile: glibc returns the end of its
heap once it is longer than two of the largest blocks in it, 32 MiB each, and no gaps before it. Between nothing and
78 MiB was found in some 60 processes that translated some tiles one after the other."""

CHANNEL_BLOCK = 16
"""Channels that oneDNN lays side by side; layers with fewer outputs take the memory of as many."""


@cache
def peak_bytes(options: GeneratorOptions, height: int, width: int, batch: int = 1, element_bytes: int = 4) -> int:
    """Return the most memory that tensors take at once while a batch of tiles is translated on the CPU.

    From the tiles at full resolution, as `inference.Predictor` gets them, to their float32 predictions, both included;
    weights are not, nor is what the C library keeps of freed memory, see `KEPT_BYTES`. The network runs, with frozen
    statistics, on tensors without contents, which takes neither the time nor the memory, and what is alive is added up,
    in convolutions with the copies of `_convolution_bytes`. Processes took this or up to a fifth less, and a megabyte
    for their threads. But for copies of weights, it is proportional to the pixels.

    Args:
        options: the model.
        height: of a tile [pixels of full resolution], a multiple of `size_multiple`.
        width: the same.
        batch: tiles.
        element_bytes: 4 for float32, 2 for mixed precision with bfloat16, in which some layers stay float32. (On a GPU
            those are fewer.)

    Raises:
        UserError: the downsample factor is not one of the generator's.
        ValueError: there is no such precision.
    """
    if element_bytes not in (2, 4):
        raise ValueError(f"expected elements of 2 or 4 bytes, found {element_bytes}")
    with _without_contents(element_bytes):
        return _peak(options, height, width, batch, element_bytes)


@cache
def most_bytes_per_pixel(options: GeneratorOptions, side: int, element_bytes: int = 4) -> float:
    """Return what `peak_bytes` is at most, per pixel, of tiles whose sides are this or longer.

    Tensors without contents load torch's compiler, which takes longer than the translation of most images. Here a tile
    of this side is translated, with contents and random weights: where the margins that reflections add, and the copies
    of weights, are as large beside it as in no larger tile.

    Args:
        options: the model.
        side: of the smallest tile [pixels of full resolution], a multiple of `size_multiple`; a short one is soon done.
        element_bytes: as in `peak_bytes`.
    """
    with torch.random.fork_rng(devices=[]):
        return _peak(options, side, side, 1, element_bytes) / side**2


def _peak(options: GeneratorOptions, height: int, width: int, batch: int, element_bytes: int) -> int:
    """Translate a batch of tiles, on the device at hand, and return the most memory that tensors took at once."""
    factor = options.downsample_factor
    # Not in the caller's inference mode, in which convolutions go by other names.
    with torch.inference_mode(False), torch.no_grad():
        generator = build_generator(options).eval()
        # Autocast keeps no copies of weights, as in inference mode.
        autocast = torch.autocast("cpu", torch.bfloat16, enabled=element_bytes == 2, cache_enabled=False)
        memory = _LiveBytes()
        with autocast, memory:
            source = torch.zeros(batch, options.input_nc, height, width)
            # As `data.transforms.downsample` does.
            generator(source[..., ::factor, ::factor].contiguous()).float()
    return memory.peak


def _without_contents(element_bytes: int) -> AbstractContextManager[Any]:
    """Return what makes tensors without contents.

    Those of no device do for float32. Autocast goes by the device, so mixed precision needs those that pretend to be of
    the CPU, which load torch's compiler: more than a second.
    """
    return torch.device("meta") if element_bytes == 4 else FakeTensorMode()


class _LiveBytes(TorchDispatchMode):  # type: ignore[no-untyped-call]
    """Adds up the memory of all tensors that operations inside this context have made and that are still alive.

    Attributes:
        peak: the most there was at once, with the copies of convolutions [bytes].
    """

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self.peak: int = 0
        self._alive: dict[int, int] = {}

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # Nothing is compiled here; to keep the compiler off, torch would load it.
        return False

    def __torch_dispatch__(
        self,
        func: Callable[..., Any],
        types: Sequence[type],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        result = func(*args, **(kwargs or {}))
        # A view of a weight is not memory that the operation has taken.
        given = {id(tensor.untyped_storage()) for tensor in tree_leaves((args, kwargs)) if isinstance(tensor, Tensor)}
        for tensor in tree_leaves(result):
            if isinstance(tensor, Tensor) and id(tensor.untyped_storage()) not in given:
                self._add(tensor.untyped_storage())
        copies = _convolution_bytes(result, *args) if func is torch.ops.aten.convolution.default else 0
        self.peak = max(self.peak, sum(self._alive.values()) + copies)
        return result

    def _add(self, storage: torch.UntypedStorage) -> None:
        key = id(storage)
        if key not in self._alive:
            self._alive[key] = storage.nbytes()
            weakref.finalize(storage, self._alive.pop, key)


def _convolution_bytes(
    output: Tensor,
    source: Tensor,
    weight: Tensor,
    bias: Tensor | None,
    stride: Sequence[int],
    padding: Sequence[int],
    dilation: Sequence[int],
    transposed: bool,
    *others: Any,
) -> int:
    """Return what oneDNN holds beside the tensors of a convolution: all of them once more, in blocks of channels.

    Inputs of few channels, such as images, it takes as they are, which costs a copy at most. The output of transposed
    convolutions is once more copied between. (Measured, layer by layer, with torch 2.13 on x86: within some tenths.)
    """
    blocked_source = source.nbytes if source.shape[1] < CHANNEL_BLOCK else _blocked_bytes(source)
    return blocked_source + weight.nbytes + (2 * output.nbytes if transposed else _blocked_bytes(output))


def _blocked_bytes(tensor: Tensor) -> int:
    """Return the bytes of a tensor (N, C, H, W) with C filled up to whole blocks."""
    channels = tensor.shape[1]
    return tensor.nbytes // channels * math.ceil(channels / CHANNEL_BLOCK) * CHANNEL_BLOCK
