"""Convolutions that matrix products compute sooner than the convolution routines of the CPU's library do.

Those routines are made for many pixels and many channels. They lay images and weights out anew in blocks of channels,
which takes most of the time where there are more weights than pixels (the inner levels of a U-Net), and they fill a
single output channel up to a whole block (the last layer of a generator). The modules here have the parameters, the
state dict and, up to rounding, the results of torch's, and can be differentiated twice. On other devices, and in graphs
that are exported, they are torch's.
"""

from __future__ import annotations

from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

MOST_POSITIONS = 64
"""Up to so many positions of the smaller image, over the whole batch, strided convolutions are computed as products.
Measured forward and backward on the levels of the U-Net, in float32 and bfloat16: 3 times faster at one position, as
fast at 256."""


class StridedConv2d(nn.Conv2d):
    """`nn.Conv2d` without dilation and groups, for networks that shrink images to a few positions."""

    def forward(self, source: Tensor) -> Tensor:
        """Convolve (N, C, H, W)."""
        if not products_pay(source):
            return super().forward(source)
        padding = cast(tuple[int, int], self.padding)
        sides = zip(source.shape[2:], self.kernel_size, self.stride, padding, strict=True)
        height, width = ((side + 2 * margin - kernel) // step + 1 for side, kernel, step, margin in sides)
        if len(source) * height * width > MOST_POSITIONS:
            return super().forward(source)
        patches = F.unfold(source, self.kernel_size, padding=padding, stride=self.stride)
        columns = patches.transpose(0, 1).flatten(1)
        output = torch.mm(self.weight.flatten(1), columns)
        return _with_bias(output.view(-1, len(source), height, width).transpose(0, 1), self.bias)


class StridedConvTranspose2d(nn.ConvTranspose2d):
    """`nn.ConvTranspose2d` without dilation and groups, for networks that enlarge images of a few positions."""

    def forward(self, source: Tensor, output_size: list[int] | None = None) -> Tensor:
        """Convolve (N, C, H, W)."""
        if not products_pay(source):
            return super().forward(source, output_size)
        count, positions = len(source), source.shape[2:].numel()
        if count * positions > MOST_POSITIONS:
            return super().forward(source, output_size)
        padding = cast(tuple[int, int], self.padding)
        sides = zip(source.shape[2:], self.kernel_size, self.stride, padding, self.output_padding, strict=True)
        height, width = ((side - 1) * step - 2 * margin + kernel + more for side, kernel, step, margin, more in sides)
        columns = source.flatten(2).transpose(0, 1).flatten(1)
        patches = torch.mm(self.weight.flatten(1).t(), columns).view(-1, count, positions).transpose(0, 1)
        image = F.fold(patches, (height, width), self.kernel_size, padding=padding, stride=self.stride)
        return _with_bias(image, self.bias)


class FewChannelsConv2d(nn.Conv2d):
    """`nn.Conv2d` without padding, stride, dilation and groups, from many channels to a few.

    Each element of the kernel weighs the channels of the whole image, in one matrix product; then these images are
    summed, each shifted by the place of its element. So nothing is computed for channels that are not there.
    """

    def forward(self, source: Tensor) -> Tensor:
        """Convolve (N, C, H, W)."""
        if not products_pay(source):
            return super().forward(source)
        count, channels, rows, columns = source.shape
        weight = self.weight.permute(0, 2, 3, 1).reshape(-1, channels)
        weighed = torch.bmm(weight.expand(count, *weight.shape), source.flatten(2))
        height, width = rows - self.kernel_size[0] + 1, columns - self.kernel_size[1] + 1
        output = source.new_zeros(())
        # Row by row of the kernel, because torch's sums copy what they add to float32.
        for down, images in enumerate(weighed.view(count, -1, *self.kernel_size, rows, columns).unbind(2)):
            image, channel, right, row, column = images.stride()
            shifted = images[..., down : down + height, :].as_strided(
                (count, self.out_channels, self.kernel_size[1], height, width),
                (image, channel, right + column, row, column),
            )
            output = output + shifted.sum(2, dtype=torch.promote_types(images.dtype, torch.float32))
        return _with_bias(output.to(weighed.dtype), self.bias)


def products_pay(source: Tensor) -> bool:
    """Say whether a network that sees `source` may compute convolutions as products: on the CPU, if it is not exported.

    Other programs know convolutions better than what would stand for them here. Tensors without contents (`meta`) stand
    for those of the CPU, see `footprint`.
    """
    return source.device.type in ("cpu", "meta") and not is_exported()


def is_exported() -> bool:
    """Say whether what is computed becomes the graph of another program."""
    return torch.compiler.is_compiling() or torch.jit.is_tracing()  # type: ignore[attr-defined, no-untyped-call]


def _with_bias(image: Tensor, bias: Tensor | None) -> Tensor:
    """Return an image (N, C, H, W) with the bias of each channel added, in the image's own precision."""
    return image if bias is None else image + bias.to(image.dtype)[:, None, None]
