"""From grey values on disk to the networks' range [-1, 1] and back."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.data.slices import AlignedSlices, ImageName
from txm2sem.data.stacks import TiffStack
from txm2sem.errors import UserError
from txm2sem.options import DataOptions, OutputDtype, RepairDataOptions

if TYPE_CHECKING:
    from torch import Tensor

HALF_RANGE = 127.5
"""Grey levels of 255 in a unit of the networks' range [-1, 1]."""

PERCENTILES = (0.1, 99.9)
"""Of the grey values of valid pixels; they become black and white where the range is measured."""

MIN_IN_RANGE = 0.5
"""At least this share of the pixels to look at must lie in the grey range that a model was trained with."""

MIN_CONTRAST = 0.02
"""At least this share of that range must lie between their 1st and 99th percentiles."""

FAR_BELOW, FAR_ABOVE = 1, 10
"""A value that many pixels have, so many times further below or above the others than these are apart, is no grey
value: nothing is so much darker than the darkest, while bright grains and charge saturate."""

_MEASURED_SLICES = 16
_MEASURED_PIXELS = 2**18


@dataclass(frozen=True)
class GreyRange:
    """The grey values that become -1 (black) and 1 (white).

    Raises:
        UserError: they are not finite, or black is not below white.
    """

    low: float
    high: float

    def __post_init__(self) -> None:
        if not (math.isfinite(self.low) and math.isfinite(self.high) and self.low < self.high):
            raise UserError(f"grey range {self}: expected two finite numbers LOW,HIGH with LOW below HIGH")

    @classmethod
    def parse(cls, text: str, option: str = "grey range") -> GreyRange:
        """Read a range written as LOW,HIGH; `option` names it in the error.

        Raises:
            UserError: the text is not two finite numbers, the lower one first.
        """
        try:
            low, high = map(float, text.split(","))
            return cls(low, high)
        except (ValueError, UserError):
            raise UserError(
                f"{option} {text}: expected two numbers LOW,HIGH with LOW below HIGH, such as 0,65535"
            ) from None

    def __str__(self) -> str:
        """Write the range as `parse` reads it, with all digits that matter."""
        return ",".join(np.format_float_positional(value, trim="-") for value in (self.low, self.high))

    def normalise(self, grey: NDArray[Any]) -> NDArray[np.float32]:
        """Return ((grey - low) / (high - low) - 0.5) / 0.5; grey values beyond the range go beyond [-1, 1]."""
        values = np.asarray(grey, np.result_type(grey.dtype, np.float32))
        scaled = ((values - self.low) / (self.high - self.low) - 0.5) / 0.5
        return scaled.astype(np.float32, copy=False)

    def denormalise(self, image: NDArray[Any]) -> NDArray[np.float32]:
        """Return the grey values of an image in [-1, 1], as float."""
        values = np.asarray(image, np.result_type(image.dtype, np.float32))
        return ((values * 0.5 + 0.5) * (self.high - self.low) + self.low).astype(np.float32, copy=False)


@dataclass(frozen=True)
class OutputGrey:
    """The grey values in which predictions are written, the same for every voxel of a volume.

    Attributes:
        dtype: `uint8`, `uint16` or `float32`.
        model: the SEM grey values that the network's -1 and 1 stand for.
        written: the SEM grey values that become the smallest and the largest integer; those beyond are clipped. float32
            has the SEM's grey values themselves.
        name: whether it is the SEM, or the TXM that a segmentation has seen.
    """

    dtype: np.dtype[Any]
    model: GreyRange
    written: GreyRange
    name: ImageName = "sem"

    @classmethod
    def parse(cls, dtype: OutputDtype, grey_range: str, model: GreyRange) -> OutputGrey:
        """Return what `--dtype` and `--grey_range` ask for; `auto` writes the model's range.

        Raises:
            UserError: the range is not LOW,HIGH, or is given for float32, which needs none.
        """
        if grey_range == "auto":
            return cls(np.dtype(dtype), model, model)
        if dtype == "float32":
            raise UserError(
                f"--grey_range {grey_range} says which grey values become the smallest and largest integer, but "
                "--dtype float32 keeps the SEM's grey values; leave it out, or pass --dtype uint8 or uint16"
            )
        return cls(np.dtype(dtype), model, GreyRange.parse(grey_range, "--grey_range"))

    @property
    def is_uint8_of_model(self) -> bool:
        """Whether values are those of `to_uint8`."""
        return self.dtype == np.uint8 and self.written == self.model

    @property
    def window(self) -> tuple[float, float]:
        """The written values that are black and white."""
        if self.dtype.kind == "f":
            return self.model.low, self.model.high
        return 0.0, float(np.iinfo(self.dtype).max)

    @property
    def steps(self) -> float:
        """Steps of the written values in a grey value of the SEM."""
        if self.dtype.kind == "f":
            return 1.0
        return float(np.iinfo(self.dtype).max) / (self.written.high - self.written.low)

    def of(self, image: NDArray[np.float32]) -> NDArray[Any]:
        """Return an image in [-1, 1], of any shape, as it is written: integers rounded and clipped."""
        grey = self.model.denormalise(image)
        if self.dtype.kind == "f":
            return grey.astype(self.dtype, copy=False)
        largest = np.iinfo(self.dtype).max
        scaled = (self.written.normalise(grey) + 1) * np.float32(largest / 2)
        integers: NDArray[Any] = np.clip(np.rint(scaled), 0, largest).astype(self.dtype)
        return integers

    def levels(self, voxels: NDArray[Any]) -> NDArray[np.uint8]:
        """Return what `of` has made as 8 bits: 0 to 255 from black to white, to look at."""
        low, high = self.window
        return to_uint8(GreyRange(low, high).normalise(voxels))

    def __str__(self) -> str:
        """Say what the values mean, for people and for provenance."""
        if self.dtype.kind == "f":
            return f"float32, {self.name.upper()} grey values"
        return f"{self.dtype}, 0 to {np.iinfo(self.dtype).max} are the {self.name.upper()} grey values {self.written}"


def check_grey_values(values: NDArray[Any], grey: GreyRange, name: ImageName, where: object) -> None:
    """Check on the grey values of an image that they are of the kind that a model was trained on.

    Args:
        values: of pixels that show something, of any shape.
        grey: the range of the model.
        name: what they are, for the error.
        where: the file or slice that they are from, for the error.

    Raises:
        UserError: most of them lie outside the range, or in a small part of it, or one value is a mark of what was not
            imaged.
    """
    if not values.size:
        return
    low, high = np.percentile(values, (1, 99))
    inside = np.mean((values >= grey.low) & (values <= grey.high))
    if inside < MIN_IN_RANGE or high - low < MIN_CONTRAST * (grey.high - grey.low):
        raise UserError(
            f"{where} has grey values between {low:g} and {high:g} ({values.dtype}), but the model was trained with "
            f"--{name}_range {grey}; convert the slices to the grey values of its training"
        )
    mark = find_mark(values, grey)
    if mark is not None:
        raise UserError(
            f"{where} has the value {mark:g} in {np.mean(values == mark):.1%} of its pixels, far from the grey values "
            f"that the model was trained with (--{name}_range {grey}), as if it marked what was not imaged; replace it "
            "by 0"
        )


def find_mark(values: NDArray[Any], grey: GreyRange | None = None) -> float | None:
    """Return the smallest or the largest of some values where it can only be a mark of what was not imaged.

    Many have it, and it is further from the others than these can be apart, see `FAR_BELOW`.

    Args:
        values: grey values, of any shape.
        grey: where the others lie; None: where most of those between the smallest and the largest do.
    """
    if not values.size:
        return None
    lowest, highest = values.min(), values.max()
    if grey is None:
        others = values[(values != lowest) & (values != highest)]
        low, high = np.percentile(others, PERCENTILES).tolist() if others.size else (0.0, 0.0)
        if low == high:
            return None
    else:
        low, high = grey.low, grey.high
    bounds = {lowest: lowest < low - FAR_BELOW * (high - low), highest: highest > high + FAR_ABOVE * (high - low)}
    many = PERCENTILES[0] / 100
    return next((float(mark) for mark, far in bounds.items() if far and np.mean(values == mark) >= many), None)


def trained_range(text: str, name: ImageName, dtype: np.dtype[Any], where: str, model: str) -> GreyRange:
    """Return the range of the TXM or SEM that a model was trained with; those of the original code know 8 bits only.

    Args:
        text: `--txm_range` or `--sem_range`; `auto` where the model's run says nothing.
        name: what the images are.
        dtype: of the images that are to be translated.
        where: they are, for the error.
        model: its name, for the error.

    Raises:
        UserError: the model does not say it, and the images do not have 8 bits.
    """
    if text == "auto" and dtype != np.uint8:
        raise UserError(
            f"{where} has {dtype} grey values, and the model {model} does not say which it was trained with; pass "
            f"--{name}_range LOW,HIGH, those that were black and white then"
        )
    return GreyRange.parse("0,255" if text == "auto" else text, f"--{name}_range")


def to_uint8(image: Tensor | NDArray[Any]) -> NDArray[np.uint8]:
    """Return an image in [-1, 1], of any shape, as 8 bits 0 to 255: rounded, and clipped beyond the range."""
    values = image if isinstance(image, np.ndarray) else image.detach().float().cpu().numpy()
    return np.clip(np.rint((values + 1) / 2 * 255), 0, 255).astype(np.uint8)


def measure_range(slices: AlignedSlices, name: ImageName) -> GreyRange:
    """Measure which grey values of the TXM or SEM should become black and white, see `measure_stack_range`."""
    return measure_stack_range(slices.txm if name == "txm" else slices.sem, name, slices.charge)


def measure_stack_range(stack: TiffStack, name: ImageName, charge: TiffStack | None = None) -> GreyRange:
    """Measure which grey values of a stack of TXM or SEM images should become black and white.

    0 and 255 for 8 bits. Otherwise `PERCENTILES` of the pixels that are uncharged and not 0, in every n-th row of at
    most 16 slices evenly spread over the stack, so that hot pixels and empty margins do not decide.

    Args:
        stack: the images.
        name: what they are, for the error.
        charge: masks of the charged regions of the same slices; None: nothing is charged.

    Raises:
        UserError: all those pixels have the same value, or there are none, or one value is a mark of what was not
            imaged.
    """
    if stack.dtype == np.uint8:
        return GreyRange(0, 255)
    values = []
    for window in measured_windows(len(stack), stack.shape):
        grey = stack.read(*window)
        valid = grey != 0 if charge is None else (grey != 0) & (charge.read(*window) == 0)
        values.append(grey[valid])
    measured = np.concatenate(values)
    remedy = f"pass --{name}_range LOW,HIGH"
    mark = find_mark(measured)
    if mark is not None:
        first = measured_slices(len(stack))[next(place for place, grey in enumerate(values) if mark in grey)]
        raise UserError(
            f"cannot measure the grey range of {stack.folder}: {np.mean(measured == mark):.1%} of the pixels looked at "
            f"have the value {mark:g}, first in {stack.paths[first].name}, far from all others, as if it marked what "
            f"was not imaged; replace it by 0, or {remedy} if it is a grey value"
        )
    low, high = np.percentile(measured, PERCENTILES).tolist() if measured.size else (0.0, 0.0)
    if low == high:
        found = f"all are {low:g}" if measured.size else "there are no such pixels"
        raise UserError(
            f"cannot measure the grey range of {stack.folder}: expected different grey values in pixels that are "
            f"uncharged and not 0, but {found}; check the slices, or {remedy}"
        )
    return GreyRange(low, high)


def measured_windows(slices: int, shape: tuple[int, int]) -> Iterator[tuple[int, slice, slice]]:
    """Yield the parts (slice, rows, columns) of a stack that are enough to measure it: rows of slices, evenly spread.

    Args:
        slices: of the stack; at most 16 of them are used.
        shape: (rows, columns) of a slice; every n-th row is used, so that about 2 ** 18 pixels are.
    """
    for index in measured_slices(slices):
        yield index, measured_rows(shape), slice(0, shape[1])


def measured_slices(count: int, most: int = _MEASURED_SLICES) -> list[int]:
    """Return which of `count` slices are enough to measure them all: at most so many, evenly spread."""
    indices: list[int] = np.linspace(0, count - 1, min(count, most)).round().astype(int).tolist()
    return indices


def measured_rows(shape: tuple[int, int]) -> slice:
    """Return which rows of a slice (rows, columns) are enough to measure it: every n-th, about 2 ** 18 pixels."""
    rows, columns = shape
    return slice(0, rows, max(1, rows * columns // _MEASURED_PIXELS))


def resolve_ranges(options: DataOptions, slices: AlignedSlices) -> DataOptions:
    """Return the options with both grey ranges as numbers: given ones are checked, `auto` is measured on the slices.

    Raises:
        UserError: a range is not LOW,HIGH, or cannot be measured.
    """

    return dataclasses.replace(
        options,
        txm_range=str(resolve_stack_range(options, slices.txm, "txm", slices.charge)),
        sem_range=str(resolve_stack_range(options, slices.sem, "sem", slices.charge)),
    )


def find_empty_level(options: DataOptions, given: str = "auto") -> str:
    """Return what the grey value 0, not imaged, is for a network that is trained with these options.

    `auto` where the range begins at 0, as that of 8 bits does: nothing is darker. And where contrast is changed: all
    rock that is darker than the range becomes the same black then.

    Args:
        options: with grey ranges as numbers.
        given: what is asked for, `--empty_level`.

    Raises:
        UserError: that is another one.
    """
    translates_txm = options.direction == "AtoB"
    text = options.txm_range if translates_txm else options.sem_range
    found = "auto"
    if not translates_txm or (options.gamma == 1 and options.hist_eq == 0):
        (level,) = GreyRange.parse(text).normalise(np.zeros(1, np.float32)).tolist()
        found = "auto" if level == -1 else f"{level:.9g}"
    if given not in ("auto", found):
        name = "txm" if translates_txm else "sem"
        raise UserError(
            f"--empty_level {given}: expected {found}, as --{name}_range {text} and the contrast have it; leave it out"
        )
    return found


def resolve_stack_range(
    options: RepairDataOptions, stack: TiffStack, name: ImageName, charge: TiffStack | None = None
) -> GreyRange:
    """Return the grey range of a stack of TXM or SEM images: the one given, or where that is `auto`, the measured one.

    Arguments are those of `measure_stack_range`.

    Raises:
        UserError: the range is not LOW,HIGH, or cannot be measured.
    """
    text = options.txm_range if name == "txm" else options.sem_range
    return measure_stack_range(stack, name, charge) if text == "auto" else GreyRange.parse(text, f"--{name}_range")
