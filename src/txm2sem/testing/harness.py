"""The story of a test, once: what is asked, opened, predicted, scored and written; each kind of test adds its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import torch
from matplotlib.figure import Figure

from txm2sem.data import AlignedSlices, check_channels, has_split, resolve_ranges, size_option
from txm2sem.data.bars import check_bars
from txm2sem.data.pixel_side import common_side
from txm2sem.figures.saving import save_figure
from txm2sem.figures.shown import rows_to_show
from txm2sem.files import json_text, write_text
from txm2sem.model.draws import with_draws
from txm2sem.model.model import Model
from txm2sem.networks import check_patch_size
from txm2sem.options import DataOptions, TestCommand, to_mapping
from txm2sem.progress import progress_bar
from txm2sem.results import NewResults
from txm2sem.runs import RunPaths, check_is_checkpoint, label_of, options_text, paths_of

Result = TypeVar("Result")

THAWED = (
    "without --eval normalisation statistics are taken from each patch and dropout is on, as in the original code; "
    "--eval freezes both"
)


@dataclass(frozen=True)
class TestReport:
    """What a test found and where it lies.

    Attributes:
        paths: the run's files.
        lines: for the console: what was tested, the scores, and notes.
        tables: all that was scored, for the console of who asks for it.
        pictures: figures to look at.
        scores: the document of the scores, as in `scores.json`, or `scores_SAVENAME.json` of a cube.
        earlier: where earlier results were moved to, or None.
    """

    paths: RunPaths
    lines: list[str]
    tables: list[str]
    pictures: list[Path]
    scores: dict[str, Any]
    earlier: Path | None


@dataclass(frozen=True)
class Subject:
    """What is tested.

    Attributes:
        command: the options.
        model: the model that they name.
        notes: what one must know to read the numbers; more are added while the data are opened.
    """

    command: TestCommand
    model: Model
    notes: list[str]

    @property
    def about(self) -> dict[str, str]:
        """What documents say of it."""
        return {"model": self.model.paths.name, "epoch": self.model.label, "split": self.command.test.phase}

    @property
    def model_kind(self) -> str:
        """What the model is called beside predictions without one."""
        return f"model {self.model.paths.name}"

    @property
    def title(self) -> str:
        """What stands above the figures of a split."""
        return f"{self.model.name} on split {self.command.test.phase}"

    def open_slices(self, data: DataOptions) -> tuple[AlignedSlices, DataOptions]:
        """Open the slices of the split; return them, and the options of the data with their grey ranges.

        Raises:
            UserError: slices are missing or damaged, or a grey range is wrong.
        """
        slices = AlignedSlices.open(self.command.run.dataroot, self.command.test.phase, data)
        resolved = resolve_ranges(data, slices)
        self.notes.extend([*self.model.notes, *check_bars(slices)])
        return slices, resolved

    def pixel_size(self, slices: AlignedSlices, data: DataOptions) -> float | None:
        """Return the side of the pixels of the tested images [nm], as the files of the slices say it; None: not known.

        Raises:
            UserError: a file is damaged.
        """
        side, note = common_side(stack.paths[0] for stack in (slices.txm, slices.sem))
        self.notes.extend([note] if note else [])
        # Patches that are scaled have larger or smaller pixels.
        scaled = 1.0 if data.preprocess in ("none", "crop") else data.patch_size / data.load_size
        return None if side is None else side * scaled

    def open_training(self, missing: str) -> AlignedSlices | None:
        """Open the slices that what needs no model is fitted on; None, and a note of what is missing, without them.

        Raises:
            UserError: slices are missing or damaged.
        """
        root = self.command.run.dataroot
        if has_split(root, "train"):
            return AlignedSlices.open(root, "train", self.command.data)
        self.notes.append(f"{root} has no training split, so {missing}")
        return None


@dataclass(frozen=True)
class Found:
    """What a kind of test has found.

    Attributes:
        line: the model's scores in one line, as the original code writes them; empty where it wrote none.
        lines: what was tested, and tables, for people; the notes follow.
        figure: to look at.
        scores: their document; empty where the truth is not known.
        more: lines behind the notes, for the console alone.
        tables: what has a file of its own, which the console shows to who asks for it.
        pictures: further figures, which are written already.
    """

    line: str
    lines: list[str]
    figure: Figure
    scores: dict[str, Any]
    more: Sequence[str] = ()
    tables: Sequence[str] = ()
    pictures: Sequence[Path] = ()


class Test(ABC, Generic[Result]):
    """What a kind of test has of its own. To make one opens the data.

    Args:
        subject: what is tested.

    Attributes:
        count: how many images are predicted, one after the other.
    """

    count: int

    bounded: ClassVar[bool] = True
    """Whether the model is to return grey values, and not logits."""

    progress: ClassVar[tuple[str, str]] = ("testing", "patch")
    """What the console says is done, and to what."""

    def __init__(self, subject: Subject) -> None:
        self.subject = subject

    @property
    def kept(self) -> Collection[int]:
        """The numbers of the images whose results `finish` gets; the others are forgotten."""
        return rows_to_show(self.count)

    @classmethod
    def save_name(cls, command: TestCommand) -> str:
        """Return the name of a test on a cube; empty for one of patches or slices."""
        return ""

    @classmethod
    def check(cls, command: TestCommand) -> list[str]:
        """Check that the options fit each other, before anything is read; return what one must know of them.

        Raises:
            UserError: they do not.
        """
        check_channels(command.model, command.data)
        size = size_option(command.data)
        check_patch_size(command.model, getattr(command.data, size), size)
        return []

    @abstractmethod
    def predict(self, new: NewResults) -> Iterator[Result]:
        """Predict, write and score image by image, yielding the result of each."""

    @abstractmethod
    def finish(self, results: list[Result], new: NewResults) -> Found:
        """Write what no other kind of test writes, and return what was found."""


def run_test(kind: type[Test[Any]], command: TestCommand) -> TestReport:
    """Test a model and fill `results_dir/NAME`.

    Earlier results there, or those of the same cube, are moved into a dated folder beside it, when the new ones are
    whole.

    Raises:
        UserError: data, options, checkpoint or device do not allow it; nothing is moved then.
    """
    paths, label, options = paths_of(command), checkpoint_label(command), command.test
    notes = [*([] if options.eval else [THAWED]), *kind.check(command)]
    check_is_checkpoint(paths.network(label, "G"))
    new = NewResults(paths, kind.save_name(command))
    with new.begin():  # from now on no training of this name takes the place of what is tested
        model = Model.load(command, label, options.backend, frozen=options.eval, bounded=kind.bounded)
        test = kind(Subject(command, with_draws(model, command.drawn.draws), notes))
        doing, unit = test.progress
        with torch.random.fork_rng():
            # What dropout draws, where it is not frozen.
            torch.manual_seed(command.run.seed)
            done = progress_bar(test.predict(new), total=test.count, desc=doing, unit=unit)
            kept = set(test.kept)
            results = [result for index, result in enumerate(done) if index in kept]
        found = test.finish(results, new)
        save_figure(found.figure, new.figure, command.figure.figures)
        lines = [*found.lines, *(f"note: {note}" for note in notes)]
        first = f"(epoch: {label}) {found.line}\n" if found.line else f"{paths.name} (epoch: {label})"
        write_text(new.text, "\n".join([first, *lines]) + "\n")
        given = to_mapping(command)
        if found.scores:
            write_text(new.scores(".json"), json_text(found.scores, options=given))
        write_text(new.options_text, options_text(given, to_mapping(TestCommand())))
        scores = {**found.scores, "options": given} if found.scores else {}
        pictures = [new.place(picture) for picture in (new.figure, *found.pictures)]
        return TestReport(paths, [*lines, *found.more], list(found.tables), pictures, scores, new.finish())


def checkpoint_label(command: TestCommand) -> str:
    """Return the label of the checkpoint that a command tests."""
    return label_of(command.test.epoch, command.test.load_iter)
