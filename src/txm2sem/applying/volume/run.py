"""Translate a whole volume: from a command to a finished file."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property, partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem import __version__
from txm2sem.addresses import Place, place_of
from txm2sem.applying.volume.blocks import BlockResult, BlockTranslator
from txm2sem.applying.volume.classes import LABELS as CLASS_LABELS
from txm2sem.applying.volume.opening import OpenVolume
from txm2sem.applying.volume.passes import AXES, Block, Pass
from txm2sem.applying.volume.plan import base_memory
from txm2sem.applying.volume.store import VolumeStore
from txm2sem.data.classes import MEANING
from txm2sem.data.readers import VolumeInput, VolumeReader, open_volume, parse_voxel_size
from txm2sem.data.writers import (
    Description,
    VoxelArray,
    build_pyramid,
    channel_windows,
    open_array,
    write_metaimage,
    write_nrrd,
    write_ome_tiff,
)
from txm2sem.drafts import Stage
from txm2sem.errors import UserError
from txm2sem.files import interpreting
from txm2sem.memory import memory_limit
from txm2sem.model.model import Model
from txm2sem.model.statistics import estimate_statistics, fix_statistics
from txm2sem.options import VolumeCommand, to_mapping
from txm2sem.progress import progress_bar
from txm2sem.remote_drafts import draft_at
from txm2sem.runs import LABELS, VolumePaths, voxels_beside
from txm2sem.trust.channels import options_without_trust

MOST_ANISOTROPIC = 1.01
"""Voxels whose sides differ by no more than this factor are as long as wide."""


class VolumeRun:
    """The translation of a volume into a file, on one machine or many.

    Every process opens it anew, from the same arguments. Opening checks everything and writes nothing, but for what
    `--backend openvino` and `--uncertainty` keep beside the checkpoint.

    Args:
        command: the options.
        source: the TXM.
        output: what to write, see `VolumePaths`; OME-Zarr may be at an address in object storage.
        model: that of the command, where it was loaded before.

    Attributes:
        opened: volume and model.
        paths: where everything goes.

    Raises:
        UserError: model, volume and options do not fit each other. What there is of the output is looked at when it is
            asked for.
    """

    def __init__(self, command: VolumeCommand, source: VolumeInput, output: Place, model: Model | None = None) -> None:
        self.command = command
        # Workers of a cluster have other current folders.
        self.source = dataclasses.replace(source, path=source.place.absolute())
        self.paths: VolumePaths[Any] = VolumePaths(output.absolute(), command.figure.figures)
        self.paths.check()
        reader = open_volume(self.source)
        self.voxel_size = self._voxel_size(reader)
        self.opened = OpenVolume(command, reader, self._open_truth(reader), model)
        self._draft = draft_at(self.paths.output, "volume", [*self.paths.reports.values(), *self._beside.values()])

    @cached_property
    def stage(self) -> Stage:
        """What there is of the output: nothing (`new`), a part (`begun`), or all (`whole`).

        Raises:
            UserError: the output is there, or what there is of it belongs to another translation.
        """
        return self._draft.look(self.identity)

    @cached_property
    def store(self) -> VolumeStore:
        """What is done so far.

        Raises:
            UserError: as `stage`; or the memory does not suffice.
        """
        if self.stage != "new":
            return self._reopened()
        return VolumeStore.create(self.paths, self._draft, self._plan(), labels=self.opened.classes is not None)

    @classmethod
    def of(
        cls, command: VolumeCommand, path: Place | str, output: Place | str, model: Model | None = None
    ) -> VolumeRun:
        """Return the translation of a file or folder, which is read as the options say.

        Raises:
            UserError: as the class.
        """
        asked = command.volume
        source = VolumeInput(
            path=path,
            dataset=asked.dataset,
            axes=asked.axes,
            voxel_size=parse_voxel_size(asked.voxel_size),
            roi=asked.roi,
            missing=asked.missing,
        )
        return cls(command, source, place_of(output), model)

    @property
    def identity(self) -> dict[str, Any]:
        """What the result depends on, besides the grey values of the input: plain values by name."""
        return self.opened.identity | {"voxel size [nm]": str(self.voxel_size), "truth": self.command.volume.truth}

    @property
    def passes(self) -> list[Pass]:
        """The plan."""
        return list(self.store.passes.values())

    @cached_property
    def base_memory(self) -> float:
        """What this process takes before it translates anything [bytes]."""
        return base_memory(self.opened.translator)

    @property
    def voxels(self) -> int:
        """Voxels to be translated, over all passes."""
        return sum(item.voxels() for item in self.passes)

    @property
    def missing_voxels(self) -> int:
        """Those of them that are not done, see `check`."""
        return self.voxels - sum(self.store.passes[block.axis].voxels(block) for block in self.store.done())

    def check(self) -> None:
        """Find out what an earlier call has done.

        Raises:
            UserError: it was done from other slices.
        """
        if self.opened.estimates_statistics:
            self.store.kept_statistics()
        self.store.check(self._fingerprint)

    @contextmanager
    def begin(self) -> Iterator[Stage]:
        """Begin, or go on where an earlier call was stopped, as the only process that writes this output.

        Raises:
            UserError: another one does, what there is belongs to another translation, the disk is full or not writable,
                or a slice cannot be read.
        """
        opened = self.opened
        with self._draft.begin(self.identity, [item.to_plain() for item in self.passes]) as self.stage:
            if self.stage != "whole":
                if self.stage == "begun":
                    self.store = self._reopened()  # another process may have begun it meanwhile, with its own plan
                predicted = opened.model.predictor.predicted
                self.store.make_arrays(opened.grey.dtype, len(opened.channel_names), predicted)
                if opened.estimates_statistics and self.store.kept_statistics() is None:
                    statistics = estimate_statistics(opened.model.predictor.generator, opened.samples())
                    self.store.keep_statistics({key: value.cpu() for key, value in statistics.items()})
                self.store.check(self._fingerprint)
                self.store.clear()
            yield self.stage

    @property
    def room(self) -> dict[str, float]:
        """What a process may have in memory before it translates a plane, by the axis of the pass [bytes]."""
        limit, workers = memory_limit(self.command.volume.memory), self.command.volume.workers
        return self.opened.demand.room(self.passes, (limit - self.base_memory) / workers if workers else limit)

    def attach(self, room: Mapping[str, float]) -> BlockTranslator:
        """Return what translates blocks, once `begin` has been called here or in another process.

        Args:
            room: that of the process which has called it.

        Raises:
            UserError: the statistics have been damaged since.
        """
        opened = self.opened
        if opened.estimates_statistics:
            statistics = self.store.kept_statistics()
            if statistics is None:
                raise UserError(f"{self.paths.statistics} is damaged; run the same command again: it makes it anew")
            with interpreting(self.paths.statistics, "the statistics of this model", self._draft.remedy):
                fix_statistics(opened.model.predictor.generator, statistics)
        return BlockTranslator(
            opened.reader,
            opened.translator,
            context=self.command.data.context_slices,
            grey=opened.grey,
            passes=self.store.passes,
            arrays=self.store.arrays(),
            room=room,
            truth=opened.truth,
            channels=opened.channels,
            classes=opened.classes,
            drawn=opened.drawn,
            labels=self.store.label_array(),
            seed=self.command.run.seed,
        )

    def keep(self, work: BlockTranslator, block: Block, result: BlockResult) -> None:
        """Write a block, and then that it is done.

        Raises:
            UserError: the disk is full or not writable, or the folder has become another translation's.
        """
        self._draft.check_run(self._draft.run)
        try:
            work.write(block, result)
            self.store.record(block, work.measure(block, result), self._fingerprint(block))
        except OSError as error:
            raise UserError(
                f"{block} cannot be written: {error.strerror or error}; make room or permit writing in "
                f"{self.paths.work}, then run the same command again: it goes on with this block"
            ) from error

    def finish(self, scores: dict[str, Any]) -> None:
        """Build the pyramid, or the file, and move the result and its report into their places.

        Args:
            scores: what was found, for the file's provenance.

        Raises:
            UserError: the disk is full or not writable; the same command goes on here.
        """
        opened, last = self.opened, self.passes[-1]
        description = Description(
            name=self.paths.output.name[: -len(self.paths.suffix)],
            voxel_size=self.voxel_size,
            origin=opened.reader.origin(self.voxel_size),
            window=opened.grey.window,
            provenance=self.provenance() | {"scores": scores},
            channels=opened.channel_descriptions,
            first=f"{'' if opened.grey.name == opened.model.source else 'predicted '}{opened.grey.name.upper()}",
        )
        images = {}
        if opened.classes is not None:
            labels = dataclasses.replace(description, name=LABELS, channels=(), labels=CLASS_LABELS)
            images[self.paths.labels] = (self.paths.stack, labels)
        images[self.paths.image] = (self._stack_of_image, description)  # the last one makes a whole of all
        arrays = {image: open_array(image, 0) for image in images}
        voxels = sum(int(np.prod(array.shape)) for array in arrays.values())
        try:
            with progress_bar(total=voxels, desc="finishing", unit="voxel", unit_scale=True) as bar:
                for image, (stack, said) in images.items():
                    array = arrays[image]
                    if not self.is_file:
                        root = self.paths.root if image == self.paths.image else image / "zarr.json"
                        build_pyramid(image, last.depth, said, bar.update, root)
                    elif stack is not None:
                        self._write_file(stack, array, self.slices(image, bar.update), said)
        except OSError as error:
            raise UserError(
                f"cannot write {self.paths.result}: {error.strerror or error}; make room or permit writing there, then "
                "run the same command again: the translation itself is done"
            ) from error
        self._draft.finish(self.paths.result, self.paths.reports | self._beside)

    def _write_file(
        self, path: Path, array: VoxelArray, slices: Iterator[NDArray[Any]], description: Description
    ) -> None:
        """Write one file in the format that the name of the output says."""
        suffix, dtype = self.paths.suffix, np.dtype(array.dtype)
        if suffix == ".nrrd":
            write_nrrd(path, array.shape, dtype, slices, description)
        elif suffix in (".mha", ".mhd"):
            data = voxels_beside(self._files[path]).name if suffix == ".mhd" else ""
            write_metaimage(path, array.shape, dtype, slices, description, data)
        else:
            write_ome_tiff(path, array.shape, dtype, slices, description)

    @property
    def _stack_of_image(self) -> Any:
        """The file of the image; None where labels are written alone."""
        if self.opened.classes is None:
            return self.paths.stack
        return self.paths.channels if self.opened.classes.written else None

    @property
    def _files(self) -> dict[Path, Path]:
        """All files but the report, of an output that is one: where each grows, and where it belongs.

        A file of labels has no room for the image and its channels.
        """
        if not self.is_file:
            return {}
        files = {self.paths.stack: self.paths.output}
        if self._stack_of_image == self.paths.channels:
            files[self.paths.channels] = self.paths.probabilities
        return files

    @property
    def _beside(self) -> dict[Path, Path]:
        """What is written beside the output but for the report: where it grows, and where it belongs."""
        files = self._files
        if self.paths.suffix == ".mhd":
            files |= {voxels_beside(grown): voxels_beside(place) for grown, place in files.items()}
        return {grown: place for grown, place in files.items() if place != self.paths.output}

    @property
    def is_shared(self) -> bool:
        """Whether several processes do the work."""
        return bool(self.command.volume.workers or self.command.volume.scheduler)

    @property
    def is_file(self) -> bool:
        """Whether the output is a file, not the folder of an OME-Zarr."""
        return "zarr" not in self.paths.suffix

    def slices(self, image: Path, progress: Callable[[int], Any] = lambda voxels: None) -> Iterator[NDArray[Any]]:
        """Yield the slices (y, x) of an image of the result, in z order, channel by channel, as they are written."""
        array = open_array(image, 0)
        for channel in channel_windows(array):
            for block in self.passes[-1].blocks:
                for plane in array[*channel, *block.window()].reshape(-1, *array.shape[-2:]):
                    yield plane
                    progress(plane.size)

    def provenance(self) -> dict[str, Any]:
        """Return where the result comes from: program, model, options and input, as plain values by name."""
        opened = self.opened
        return {
            "version": __version__,
            "model": opened.model.name,
            "model_sha256": opened.model.checksum,
            "grey_values": str(opened.grey),
            "input": opened.reader.name,
            "input_sha256_of_metadata": opened.reader.fingerprint(),
            "input_shape": list(opened.reader.shape),
            "input_offset": list(opened.reader.offset),
            "input_absent_share": opened.reader.absent_share,
            "options": options_without_trust(self.command) if opened.channels is None else to_mapping(self.command),
            **({"channels": opened.channel_texts} if opened.channel_names else {}),
            **(opened.model.segmentation | {"labels": MEANING} if opened.classes else {}),
        }

    def _voxel_size(self, reader: VolumeReader) -> tuple[float, float, float]:
        size = reader.voxel_size
        if size is None:
            raise UserError(
                f"{reader.name} does not say how large its voxels are{reader.note and f' ({reader.note})'}; pass "
                "--voxel_size, one number or Z,Y,X in nm, such as --voxel_size 32"
            )
        if self.command.volume.z_blend and max(size) > MOST_ANISOTROPIC * min(size):
            raise UserError(
                f"--z_blend translates along all axes alike, so expects voxels as long as wide, found {size} nm "
                "(z, y, x); resample the volume, or leave it out"
            )
        return size

    def _open_truth(self, reader: VolumeReader) -> VolumeReader | None:
        if not self.command.volume.truth:
            return None
        source = dataclasses.replace(self.source, path=place_of(self.command.volume.truth).absolute(), dataset="")
        truth = open_volume(source)
        if truth.shape != reader.shape:
            raise UserError(
                f"--truth {truth.name} has {truth.shape} voxels (z, y, x), but {reader.name} has {reader.shape}; "
                "expected the same voxels"
            )
        return truth

    def _fingerprint(self, block: Block) -> str:
        length = self.opened.reader.shape[AXES.index(block.axis)]
        z, _, _ = block.window(self.command.data.context_slices, length)
        return self.opened.reader.fingerprint(z)

    @property
    def _axes(self) -> str:
        return "yxz" if self.command.volume.z_blend else "z"

    def _plan(self) -> list[Pass]:
        limit = memory_limit(self.command.volume.memory)
        return self.opened.demand.plan(self._axes, limit, self.base_memory, self.command.volume.workers)

    def _reopened(self) -> VolumeStore:
        opened, labels = self.opened, self.opened.classes is not None
        passes_of = partial(opened.demand.reopen, self._axes)
        return VolumeStore.reopen(self.paths, self._draft, passes_of, labels=labels)
