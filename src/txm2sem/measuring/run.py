"""Measure the phases of a volume: from a command to a folder with numbers and a page."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from txm2sem.addresses import Place
from txm2sem.data.draws import count_draws
from txm2sem.data.readers import channel_names
from txm2sem.drafts import Draft, Stage
from txm2sem.errors import UserError
from txm2sem.files import interpreting, json_text, read_json, write_text
from txm2sem.measures import about_draws
from txm2sem.measuring.boxes import Wanted, measure_box, read_shape, side_for
from txm2sem.measuring.job import KIND, MeasureJob
from txm2sem.measuring.made import made_by
from txm2sem.measuring.opening import OpenPhases
from txm2sem.measuring.phases import Phase3D
from txm2sem.memory import memory_limit, resident_memory, return_freed_memory
from txm2sem.morphology.boxes import Box
from txm2sem.options import MeasureCommand, to_mapping
from txm2sem.progress import progress_bar
from txm2sem.quantities import format_bytes, format_seconds
from txm2sem.runs import MeasurePaths
from txm2sem.workers import finished_parts

OF_RESULT = (
    *("method", "thresholds", "blur", "not_imaged", "rim", "phases", "measured", "longest", "diffusion_side"),
    *("voxel_size", "roi"),
)
"""Options that the numbers depend on."""

TIMED_SIDE = 64
"""Side of the box that tells how long all of them will take [voxels]."""


BELIEVED = (
    "these are the numbers of a prediction from the TXM: believe fractions of rock like that of the training, as they "
    "lean towards its fractions elsewhere, which their intervals do not know; take sizes (thickness, chords, "
    "correlation lengths) for a tenth to two fifths off; believe neither surface, connectivity and Euler number nor "
    "diffusivity and tortuosity, which hang on necks finer than what a TXM resolves. So it was on ten synthetic shales "
    "(docs/rock.md)"
)


class AppliedModel(Protocol):
    """A model that is applied to a volume before anything is measured."""

    @property
    def identity(self) -> Mapping[str, Any]:
        """What its result depends on: plain values by name."""

    @property
    def is_guess(self) -> bool:
        """Whether its result is a guess of what the volume itself does not show."""

    def describe(self) -> list[str]:
        """Return what it will do, for people."""

    def apply(self) -> None:
        """Write its result, or what is missing of it."""


class MeasureRun:
    """The measurement of a volume, on one machine or many.

    Opening checks what can be known before long work, and writes nothing.

    Args:
        command: the options.
        source: the volume.
        output: a new folder.
        apply: opens the model that `--name` names, given where its result is to be.

    Attributes:
        command, source: as given.
        paths: where everything goes.
        stage: what there is of the output: nothing (`new`), a part (`begun`), or all (`whole`).

    Raises:
        UserError: the volume cannot be read or does not fit the options, the output is there, or what there is of it
            belongs to another measurement.
    """

    def __init__(
        self,
        command: MeasureCommand,
        source: Place,
        output: Path,
        apply: Callable[[Path], AppliedModel] | None = None,
    ) -> None:
        self.command, self.options = command, command.measure
        self.source = source.absolute()
        if apply is not None and (draws := count_draws(channel_names(self.source), self.source)):
            raise UserError(
                f"{self.source} has {draws} draws of a SEM, and a model, --name {self.options.name}, is applied to one "
                "image; leave --name out, and tell the phases by --thresholds LOW,HIGH or --method otsu"
            )
        self.paths = MeasurePaths(output.absolute())
        self.applied = None if apply is None else apply(self.paths.growing.volume)
        self._draft = Draft(self.paths.output, KIND)
        self.stage: Stage = self._draft.look(self.identity)

    @property
    def identity(self) -> dict[str, Any]:
        """What the result depends on: plain values by name."""
        options = to_mapping(self.command)
        compared = self.options.compare
        return {
            **{name: str(options[name]) for name in OF_RESULT},
            "compare": "" if compared is None else _checksum_of(MeasurePaths(compared).document),
            **(self.opened.identity if self.applied is None else self.applied.identity),
        }

    @property
    def is_applied(self) -> bool:
        """Whether all is there that is measured: no model has to be applied before, or not any more."""
        return self.applied is None or self.paths.growing.volume.exists()

    @cached_property
    def opened(self) -> OpenPhases:
        """The phases; of a model, once it has been applied.

        Raises:
            UserError: as `OpenPhases`.
        """
        own = self.applied is not None
        place: Place = self.paths.growing.volume if own else self.source
        return OpenPhases(self.options, place, own=own)

    @cached_property
    def phases(self) -> list[Phase3D]:
        """All phases; of labels, all voxels are read to find them, with a progress bar, unless that was done before.

        Raises:
            UserError: as `OpenPhases.scan` and `OpenPhases.phases`.
        """
        return self.opened.phases(self._labels)

    @cached_property
    def job(self) -> MeasureJob:
        """How the volume is measured.

        Raises:
            UserError: the memory does not suffice, or as `phases`.
        """
        opened, labels = self.opened, self._labels
        return_freed_memory()  # of the search for labels
        # Workers have the program in memory, too.
        workers = self.options.workers
        room = (memory_limit(self.options.memory) - (workers + 1) * resident_memory()) / max(workers, 1)
        wanted = Wanted(
            shape=opened.reader.shape,
            spacing=opened.reader.voxel_size or (1.0, 1.0, 1.0),
            labels=labels,
            measured=opened.measured(labels),
            longest=self.options.longest,
            room=room,
            read_bytes=opened.read_bytes,
        )
        side = self._said("side") or side_for(wanted)
        own = self.applied is not None
        return MeasureJob(
            self.options, opened.path, own, self.paths.output, self._draft.run, tuple(side), wanted, opened.images
        )

    @cached_property
    def missing(self) -> list[str]:
        """Names of the boxes that are not measured, with a progress bar: all that was written is read."""
        names = list(self.job.parts)
        if not self.paths.plan.exists():
            return names
        return [name for name in progress_bar(names, desc="checking", unit="box") if not self.job.is_done(name)]

    @property
    def unit(self) -> str:
        """Of lengths."""
        return "voxel" if self.opened.reader.voxel_size is None else "nm"

    @cached_property
    def is_guess(self) -> bool:
        """Whether phases are told from the TXM: by the model that is applied, or by one that has made the volume."""
        if self.applied is None:
            return self.opened.made.is_guess
        return self.applied.is_guess or made_by(self.source).is_guess

    @property
    def notes(self) -> list[str]:
        """What has to be known of the numbers, for people."""
        reader, draws = self.opened.reader, self.opened.draws
        notes = [BELIEVED] if self.is_guess and not draws else []
        notes += about_draws(draws) if draws else []
        notes += [reader.note] if reader.note else []
        if reader.voxel_size is None:
            notes.append(
                "the size of the voxels is not known, so lengths are in voxels; pass --voxel_size, one number or Z,Y,X "
                "in nm, to have them in nm"
            )
        flat = [axis for axis, length in zip("zyx", reader.shape, strict=True) if length == 1]
        if flat:
            notes.append(
                f"there is one voxel along {' and '.join(flat)}, so all else than fractions is that of a section"
            )
        if reader.absent_share:
            notes.append(f"{reader.absent_share:.2%} of the voxels are not stored and taken for black")
        return notes

    def describe(self) -> list[str]:
        """Return the plan for people: input, phases, boxes, memory, and time by that of a small box, measured now.

        Raises:
            UserError: as `phases` and `job`.
        """
        if self.applied is not None and not self.is_applied:
            return [*self.applied.describe(), "measures:   of what comes of that; how long they take is said then"]
        reader, job, missing = self.opened.reader, self.job, len(self.missing)
        size = "voxels of unknown size" if reader.voxel_size is None else f"voxels of {_sides(reader.voxel_size)} nm"
        left = f", {missing} of them missing" if missing < len(job.parts) else ""
        drawn = f", those of {job.images} draws" if self.opened.draws else ""
        return [
            f"input:      {self.opened.name}: {_sides(reader.shape)} {size} (z, y, x), {reader.dtype}",
            f"phases:     {', '.join(f'{one.label} {one.name}' for one in self.phases)}; by {self.opened.says}",
            *(f"note:       {note}" for note in self.notes),
            f"output:     {self.paths.output}",
            f"boxes:      {len(job.parts)} of up to {_sides(job.side)} voxels{drawn}{left}",
            self._memory_line(),
            self._time_line(missing),
        ]

    @contextmanager
    def begin(self) -> Iterator[Stage]:
        """Begin, or go on where an earlier call was stopped, as the only process that writes this output.

        Raises:
            UserError: another one does, what there is belongs to another measurement, or the disk is full or not
                writable.
        """
        with self._draft.begin(self.identity) as self.stage:
            yield self.stage

    def apply(self) -> None:
        """Apply the model, where there is one that was not applied before.

        Raises:
            UserError: as what it does.
        """
        if self.applied is not None and not self.is_applied:
            self.applied.apply()

    def measure_boxes(self) -> None:
        """Measure the missing boxes, with a progress bar.

        Raises:
            UserError: a part cannot be read, or the disk is full or not writable; what was done stays.
        """
        job, missing, options = self.job, self.missing, self.options
        assert self.phases  # what the user calls them is checked before long work
        write_text(self.paths.plan, json_text({"labels": job.wanted.labels, "side": job.side}))
        with progress_bar(
            total=len(job.parts), initial=len(job.parts) - len(missing), desc="measuring", unit="box"
        ) as bar:
            if options.workers or options.scheduler:
                for _ in finished_parts(job, iter(missing), options.workers, options.scheduler):
                    bar.update()
                return
            measure = job.work_on(self.opened)
            for name in missing:
                measure(name)
                bar.update()

    def finish(self) -> None:
        """Move what was made into its place.

        Raises:
            UserError: something could not be moved; the same call goes on here.
        """
        self._draft.finish(self.paths.growing.output)

    @cached_property
    def _labels(self) -> tuple[int, ...]:
        said = self._said("labels")
        if said is not None:
            return tuple(said)
        voxels = int(np.prod(self.opened.reader.shape))
        with progress_bar(total=voxels, desc="looking", unit="voxel", unit_scale=True) as bar:
            return self.opened.scan(bar.update)

    def _said(self, name: str) -> Any:
        """Return what the plan of an earlier call says; None where there is none."""
        if self.stage != "begun" or not self.paths.plan.exists():
            return None
        plan = read_json(self.paths.plan, self._draft.remedy)
        with interpreting(self.paths.plan, "the plan of a measurement", self._draft.remedy):
            found = plan[name]
            if not isinstance(found, list) or not all(type(one) is int and 0 <= one < 2**20 for one in found):
                raise ValueError(f"its {name} are {found}")
            return found

    def _memory_line(self) -> str:
        options, job = self.options, self.job
        needed = job.wanted.bytes_of(read_shape(job.side, job.wanted))
        total = max(options.workers, 1) * needed + (options.workers + 1) * resident_memory()
        shared = f" for {options.workers} processes and this one" if options.workers else ""
        return (
            f"memory:     about {format_bytes(total)}{shared}, of {format_bytes(memory_limit(options.memory))} in all"
        )

    def _time_line(self, missing: int) -> str:
        job, options = self.job, self.options
        shape = job.wanted.shape
        starts = [max(length - TIMED_SIDE, 0) // 2 for length in shape]
        z, y, x = (slice(start, min(start + TIMED_SIDE, length)) for start, length in zip(starts, shape, strict=True))
        box = Box((0, 0, 0), (z, y, x))
        several = self.opened.probabilities
        started = time.perf_counter()
        measure_box(box, job.wanted, self.opened.read, None if several is None else several.read)
        seconds = time.perf_counter() - started
        # What is read around a box is worked on, too, and is more of a small one.
        each = [float(np.prod(read_shape(shape, job.wanted), dtype=np.float64)) for shape in (box.shape, job.side)]
        whole = seconds * each[1] / each[0] * missing
        shared = " of work, shared by all workers" if options.workers > 1 or options.scheduler else ""
        drawn = " in each draw" if self.opened.draws else ""
        diffusion = "" if not options.diffusion_side else f", and some minutes for diffusion{drawn}"
        return f"time:       about {format_seconds(whole)}{shared}{diffusion}"


def _checksum_of(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as error:
        raise UserError(
            f"--compare: there is no {path}; expected the folder that another measurement has written"
        ) from error


def _sides(sides: tuple[float, ...]) -> str:
    return " x ".join(f"{side:g}" for side in sides)
