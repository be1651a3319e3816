"""Pure functions on image tensors, (C, H, W) or (N, C, H, W)."""

from __future__ import annotations

import numpy as np
import torch
import torch.nn.functional as F
from skimage.exposure import equalize_adapthist
from torch import Tensor

from txm2sem.options import DataOptions

_DARKEST = -1 + 2**-10
"""The darkest grey that is not black."""


def random_horizontal_flip(images: tuple[Tensor, ...], rng: np.random.Generator) -> tuple[Tensor, ...]:
    """Mirror all images left to right, or none of them, with equal chances; takes one draw of `rng`."""
    return tuple(image.flip(-1) for image in images) if rng.random() < 0.5 else images


def random_quarter_turns(images: tuple[Tensor, ...], rng: np.random.Generator) -> tuple[Tensor, ...]:
    """Turn all images (..., H, W) by the same number of quarter turns; takes one draw of `rng`."""
    turns = int(rng.integers(4))
    return tuple(image.rot90(turns, (-2, -1)) for image in images)


def random_contrast(source: Tensor, most: float, rng: np.random.Generator) -> Tensor:
    """Return an image with another contrast and brightness; takes two draws of `rng`.

    Args:
        source: (..., H, W), the range of grey values being [-1, 1].
        most: f; contrast is multiplied by 1 / (1 + f) to 1 + f, evenly in its logarithm, and -f / 2 to f / 2 is added.
            What is black, -1 or darker, stays as it is, and nothing else becomes so: black is what was not imaged.
        rng: what both are drawn from.
    """
    contrast, brightness = rng.uniform(-1, 1, 2).tolist()
    varied = source * (1 + most) ** contrast + most / 2 * brightness
    return torch.where(source > -1, varied.clamp(min=_DARKEST), source)


def middle_channel(source: Tensor) -> Tensor:
    """Return the slice itself, (..., H, W), of what a network sees: the middle one of (..., C, H, W).

    The other channels are its neighbours, with `--context_slices`. What shows or scores the source takes this one.
    """
    return source[..., source.shape[-3] // 2, :, :]


EMPTY_SIDE = 7
"""Side of the squares that an area without grey values is made of [pixels]: single black pixels are dark rock."""

STEPS = (1, 2, 3)
"""From a pixel to 2, 4 and then all of `EMPTY_SIDE`, each time as many or fewer further on."""


ROUNDING = 2e-6
"""By how much of it, or of 1, a grey value may differ from itself as different programs and types scale it."""


def keep_empty(output: Tensor, source: Tensor, level: float | None = None) -> Tensor:
    """Return a network's output, its prediction black, -1, where nothing is imaged over an area of the source.

    See `empty_areas`.

    Args:
        output: (N, C, H, W); its first channel is the prediction, in [-1, 1], others stay as they are.
        source: what the network saw, (N, C, H, W) at the same resolution; its middle channel counts.
        level: what the grey value 0, not imaged, is in the source; None takes everything for it that is black, -1, or
            darker: dark rock, too, where a range of grey values begins above it.
    """
    image = middle_channel(source)[:, None]
    zero = image <= -1 if level is None else (image - level).abs() <= ROUNDING * max(1.0, abs(level))
    return torch.cat([torch.where(empty_areas(zero), -1.0, output[:, :1]), output[:, 1:]], dim=1)


def empty_areas(black: Tensor) -> Tensor:
    """Return the areas of black pixels that are no single dark ones: nothing was imaged there.

    They are the union of all squares of `EMPTY_SIDE` pixels that are black throughout (a morphological opening); beyond
    the image's edges everything is taken for black.

    Args:
        black: bool (N, 1, H, W), True where a pixel has the grey value 0.

    Returns:
        bool (N, 1, H, W).
    """
    return _near(~_near(~black))


def _near(marks: Tensor) -> Tensor:
    """Return where any of the `EMPTY_SIDE` x `EMPTY_SIDE` pixels around is marked; a hundredth of a pooling's work."""
    found = F.pad(marks, (EMPTY_SIDE // 2,) * 4)
    for step in STEPS:
        found = found[..., :-step, :] | found[..., step:, :]
    for step in STEPS:
        found = found[..., :-step] | found[..., step:]
    return found


def downsample(source: Tensor, factor: int) -> Tensor:
    """Return every `factor`-th row and column, the first included: nearest-neighbour downsampling, which aliases.

    The original code does so, and its networks are trained on it. (Nearest-neighbour resizing of other libraries,
    PIL's for one, takes the pixel at the centre instead.)

    Args:
        source: (..., H, W), sides multiples of `factor`.
        factor: 1 returns the source itself.
    """
    return source[..., ::factor, ::factor].contiguous() if factor > 1 else source


def adjust_contrast(image: Tensor, gamma: float, clip_limit: float, region: int) -> Tensor:
    """Return an image with its grey values g, scaled to [0, 1], raised to a power and then equalised.

    Args:
        image: (C, H, W) in [-1, 1], each channel equalised alone; values beyond are clipped where anything is done.
        gamma: the power; below 1 brightens, 1 leaves the image.
        clip_limit: contrast-limited adaptive histogram equalisation (CLAHE; Zuiderveld 1994, Graphics Gems IV); larger
            values give more contrast, 0 leaves the image.
        region: side of the regions that are equalised [pixels].

    Returns:
        (C, H, W) in [-1, 1].
    """
    if gamma == 1 and clip_limit == 0:
        return image
    grey = ((image + 1) / 2).clamp(0, 1) ** gamma
    if clip_limit > 0:
        equalised = [equalize_adapthist(channel.numpy(), region, clip_limit) for channel in grey]
        grey = torch.from_numpy(np.stack(equalised).astype(np.float32))
    return grey * 2 - 1


def size_option(options: DataOptions) -> str:
    """Return the name of the option that is the side of preprocessed patches, which the networks must take."""
    if options.preprocess == "none":
        return "patch_size"
    return "load_size" if options.preprocess == "scale_width" else "crop_size"


def preprocess(patch: dict[str, Tensor], options: DataOptions, rng: np.random.Generator | None) -> dict[str, Tensor]:
    """Scale and crop all images of a square patch alike, as `--preprocess` says.

    `none` makes the side a multiple of 4; `resize_and_crop` and `scale_width_and_crop` scale it to `--load_size` and
    cut `--crop_size` out of it; `scale_width` only scales; `crop` only cuts. (Patches are square: scaling the width
    scales the height.) Float images are scaled bicubically, masks and labels take the nearest pixel.

    Args:
        patch: images (C, H, W) of one size.
        options: `preprocess`, `load_size` and `crop_size` count.
        rng: where the crop lies; None takes the centre.
    """
    side = next(iter(patch.values())).shape[-1]
    if options.preprocess == "none":
        scaled = _multiple_of_4(side)
    else:
        scaled = side if options.preprocess == "crop" else options.load_size
    resized = {name: _resize(image, scaled) for name, image in patch.items()}
    if "crop" not in options.preprocess:
        return resized
    room = scaled - options.crop_size
    row, column = rng.integers(0, room + 1, 2).tolist() if rng is not None else (room // 2, room // 2)
    size = options.crop_size
    return {name: image[..., row : row + size, column : column + size] for name, image in resized.items()}


def _multiple_of_4(side: int) -> int:
    """Return the nearest multiple of 4; one just between two goes to the multiple of 8, as in the original code."""
    return max(round(side / 4), 1) * 4


def _resize(image: Tensor, side: int) -> Tensor:
    if image.shape[-1] == side:
        return image
    if not image.is_floating_point():
        return F.interpolate(image[None].float(), (side, side), mode="nearest-exact")[0].to(image.dtype)
    # With antialiasing, torch uses the same cubic as PIL, with which the original code resizes.
    return F.interpolate(image[None], (side, side), mode="bicubic", align_corners=False, antialias=True)[0]
