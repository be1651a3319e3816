"""A volume and the model that translates it: opened, and checked that they fit each other."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cached_property
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from txm2sem.applying.volume.classes import ClassChannels
from txm2sem.applying.volume.draws import DrawChannels
from txm2sem.applying.volume.plan import Demand
from txm2sem.data import GreyRange, OutputGrey, check_grey_values, context_indices
from txm2sem.data.readers import CACHE_BYTES, VolumeReader
from txm2sem.data.writers import Channel
from txm2sem.errors import UserError
from txm2sem.model.draws import with_draws
from txm2sem.model.model import Model
from txm2sem.model.segmenter import load_applied
from txm2sem.model.statistics import depend_on_tile
from txm2sem.options import VolumeCommand, to_mapping
from txm2sem.runs import label_of
from txm2sem.trust import check_trust, open_trust
from txm2sem.trust.channels import TrustChannels

SAMPLES = 32
"""Patches on which normalisation statistics are estimated."""

TRIES = 10
"""Places of which a patch is the one with the fewest pixels of 0."""

VOXEL_OPTIONS = (
    *("direction", "txm_range", "sem_range", "gamma", "hist_eq", "patch_size", "context_slices"),
    *("precision", "backend", "seed", "z_blend"),
)
"""Options that the result depends on, besides those that `identity` names."""


class OpenVolume:
    """A volume and the model that translates it.

    Args:
        command: the options.
        reader: the TXM.
        truth: the SEM, where it is known.
        model: that of the command, where it was loaded before; it stays as it is.

    Attributes:
        reader, truth: as given.
        grey: how the prediction is written.
        model: the model.
        translator: of planes.
        channels: where not to believe the prediction, to be written beside it; None without `--uncertainty`.
        classes: how the classes of a segmentation are written; None where the SEM is predicted.
        drawn: how several draws are written; None without `--draws`.

    Raises:
        UserError: model, volume and options do not fit each other.
    """

    def __init__(
        self,
        command: VolumeCommand,
        reader: VolumeReader,
        truth: VolumeReader | None = None,
        model: Model | None = None,
    ) -> None:
        self.command = command
        self.reader = reader
        self.truth = truth
        label = label_of(command.volume.epoch, command.volume.load_iter)
        self._check_statistics()
        check_trust(command, command.volume.backend, frozen=True)
        if command.trust.uncertainty and command.volume.z_blend:
            raise UserError(
                "--z_blend takes the mean of three predictions, and the calibration of --uncertainty is that of one; "
                "leave one of the two out"
            )
        if command.model.draws_grain and command.volume.z_blend:
            raise UserError(
                f"--z_blend takes the mean of three predictions, and with --netG {command.model.netG} each has another "
                "grain: most of the texture would be lost; leave --z_blend out"
            )
        draws = command.drawn.draws
        if command.model.draws_noise and command.volume.z_blend:
            raise UserError(
                f"--z_blend takes the mean of predictions along three axes, and --netG {command.model.netG} draws its "
                "noise in slices across z; leave --z_blend out"
            )
        if draws and command.trust.uncertainty:
            raise UserError("--draws and --uncertainty both write how sure the prediction is; pass one of them")
        self.model = with_draws(model or load_applied(command, label, command.volume.backend), draws)
        if self.estimates_statistics and model is not None:
            self.model = model.copied()
        self.translator = self.model.planes(self.model.source_range(reader.dtype, reader.name))
        self.grey = self._output_grey()
        self.classes = ClassChannels(self.grey, command.volume.probabilities) if self.model.segments else None
        self.drawn = DrawChannels(self.grey, draws) if draws else None
        trust = open_trust(command, self.model)
        self.channels = None if trust is None else TrustChannels(trust, self.grey)
        if truth is not None:
            truth.shown()
        self._check_grey_values()
        for volume in (reader, truth):
            if volume is not None:
                _check_not_black(volume)

    @property
    def halo(self) -> int:
        """Margin of the tiles [pixels], a multiple of what the network takes."""
        asked = self.command.volume.halo
        chain = self.model.predictor.chain
        return chain.receptive_field if asked < 0 else chain.whole(asked)

    @property
    def channel_names(self) -> tuple[str, ...]:
        """The channels of the result; nothing where it has no axis for them."""
        return self._further.names if self._further else ()

    @property
    def channel_texts(self) -> dict[str, str]:
        """What their values mean, by name."""
        return self._further.texts if self._further else {}

    @property
    def channel_descriptions(self) -> tuple[Channel, ...]:
        """What is said of them in the file, but of the first."""
        return self._further.descriptions if self._further else ()

    @property
    def _further(self) -> TrustChannels | ClassChannels | DrawChannels | None:
        """What says what the channels are; None where the result is one image."""
        return self.channels or self.classes or self.drawn

    @cached_property
    def estimates_statistics(self) -> bool:
        """Whether normalisation statistics are taken from this volume; once they are, the network does not tell."""
        return self.command.volume.statistics == "volume" or depend_on_tile(self.model.predictor.generator)

    @property
    def demand(self) -> Demand:
        """What the work needs of the machine."""
        return Demand(
            shape=self.reader.shape,
            networks=self.model.predictor.chain,
            context=self.command.data.context_slices,
            halo=self.halo,
            input_bytes=sum(item.dtype.itemsize for item in (self.reader, self.truth) if item is not None),
            output_bytes=self.grey.dtype.itemsize * max(len(self.channel_names), 1) + (self.classes is not None),
            predicted=self.model.predictor.predicted,
            half_precision=self.command.run.precision == "bf16",
            judged=self.channels is not None,
            compared=self.truth is not None,
            held_bytes=sum(CACHE_BYTES for item in (self.reader, self.truth) if item is not None),
        )

    @property
    def identity(self) -> dict[str, Any]:
        """What the result depends on, besides the grey values of the input: plain values by name."""
        options = to_mapping(self.command)
        return {
            "input": f"{self.reader.shape} {self.reader.dtype} from {self.reader.offset}",
            "model": f"{self.model.name} with SHA-256 {self.model.checksum}",
            "output": str(self.grey),
            "statistics": "volume" if self.estimates_statistics else "frozen",
            "halo": self.halo,
            **{name: str(options[name]) for name in VOXEL_OPTIONS},
            **({} if self.channels is None else {"uncertainty": self.channels.trust.model.identity}),
            **(self.model.segmentation | {"channels": self.channel_names} if self.classes else {}),
            **({"draws": self.drawn.draws} if self.drawn else {}),
            **self.model.sampling,
        }

    def samples(self) -> Iterator[torch.Tensor]:
        """Yield patches as the generator sees them, (1, C, H, W): evenly spread along z, drawn from the seed in-plane.

        Raises:
            UserError: a slice cannot be read.
        """
        context, depth = self.command.data.context_slices, self.reader.shape[0]
        rng = np.random.default_rng(self.command.run.seed)
        for z in np.linspace(0, depth - 1, min(SAMPLES, depth)).round().astype(int).tolist():
            indices = context_indices(z, depth, context)
            planes = self.reader.read(slice(indices[0], indices[-1] + 1), slice(None), slice(None))
            rows, columns = self._draw(planes, rng)
            patches = [self.translator.network_input(planes[index - indices[0], rows, columns]) for index in indices]
            yield self.model.predictor.generator_input(torch.from_numpy(np.stack(patches))[None])

    def _draw(self, planes: NDArray[Any], rng: np.random.Generator) -> tuple[slice, slice]:
        """Return where a patch is, of a size that the network takes, with as few pixels of 0 as a few tries find."""
        multiple = self.model.predictor.chain.multiple
        sides = [min(self.command.data.patch_size, side) // multiple * multiple for side in planes.shape[1:]]
        if not all(sides):
            raise UserError(
                f"{self.reader.name}: expected slices of at least {multiple} x {multiple} pixels to estimate "
                f"normalisation statistics on, found {planes.shape[1]} x {planes.shape[2]}; pass a larger --roi"
            )
        places = []
        for _ in range(TRIES):
            row, column = (
                int(rng.integers(0, length - side + 1)) for length, side in zip(planes.shape[1:], sides, strict=True)
            )
            places.append((slice(row, row + sides[0]), slice(column, column + sides[1])))
        return max(places, key=lambda place: int(np.count_nonzero(planes[:, *place])))

    def _check_statistics(self) -> None:
        options = self.command
        if options.volume.backend == "torch":
            return
        if options.volume.statistics == "volume" or options.model.norm == "instance":
            cause = "--statistics volume" if options.volume.statistics == "volume" else "--norm instance"
            raise UserError(
                f"--backend {options.volume.backend} has the normalisation statistics of training, and {cause} takes "
                "those of the volume; pass --backend torch"
            )

    def _output_grey(self) -> OutputGrey:
        """Return how the prediction is written, or the image that is segmented, with the grey values of its kind."""
        options = self.command.volume
        if self.model.segments and self.command.data.seg_mode != "semfake":
            seen = self.translator.see.grey
            return OutputGrey(np.dtype(options.dtype), seen, seen, self.model.source)
        # Checkpoints of the original code know no range: their SEM has 8 bits.
        sem_range = "0,255" if self.command.data.sem_range == "auto" else self.command.data.sem_range
        return OutputGrey.parse(options.dtype, options.grey_range, GreyRange.parse(sem_range, "--sem_range"))

    def _check_grey_values(self) -> None:
        z, part = self.reader.shown()
        check_grey_values(part[part != 0], self.translator.see.grey, self.model.source, self.reader.describe(z))


def _check_not_black(reader: VolumeReader) -> None:
    """Check that a volume shows something, from its middle on: seldom more than one slice is read.

    Raises:
        UserError: it is 0 all over, or a slice cannot be read.
    """
    depth = reader.shape[0]
    for z in chain(range(depth // 2, depth), range(depth // 2)):
        if reader.read(slice(z, z + 1), slice(None), slice(None)).any():
            return
    raise UserError(
        f"{reader.name} is black: all its voxels in the region are 0, where nothing was imaged; pass another --roi, or "
        "export it again"
    )
