"""What a run's folders hold, read for its pages and never computed anew."""

from __future__ import annotations

import math
import shlex
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property, partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from txm2sem.commands import next_test
from txm2sem.course import Course
from txm2sem.documents import read_continuity, read_evaluation, read_scores, read_trust
from txm2sem.errors import UserError
from txm2sem.files import check_name, own_file
from txm2sem.options import TrainCommand, option_words
from txm2sem.origin import Origin
from txm2sem.results import NewResults
from txm2sem.runs import RunPaths, check_is_run, read_options

IMAGES, VOLUMES, SCORES, TRUST, TRAINING, AGAIN = "Images", "Volumes", "Scores", "Trust", "Training", "Do it again"
"""Titles of the parts of a page that are made from files."""

Found = TypeVar("Found")


@dataclass(frozen=True)
class TestRecord:
    """What the latest test of patches or whole slices has left.

    Attributes:
        evaluation: `eval_metrics.txt`.
        scores: `scores.json`; empty where it is not there.
        suffix: of the folders of images.
        count: images.
    """

    evaluation: str
    scores: dict[str, Any]
    suffix: str
    count: int

    @property
    def options(self) -> dict[str, Any]:
        """The options of the test; empty where its document does not say them."""
        return dict(self.scores.get("options", {}))

    @property
    def pixel_size(self) -> float | None:
        """Side of a pixel of the images [nm]; None: not known, or they were stretched."""
        size: float | None = self.scores.get("pixel_size_nm")
        return size if self.options.get("aspect_ratio", 1.0) == 1 else None

    @property
    def card(self) -> dict[str, Any]:
        """The scores, where they are a scorecard; empty for models that have only means over patches."""
        return self.scores if "similarity" in self.scores else {}

    @property
    def model_kind(self) -> str:
        """What the scorecard calls the model."""
        return next(iter(self.card.get("similarity", {})), "")

    @property
    def slices(self) -> list[int]:
        """The slice that each image is from, (N,); none where the document says nothing of single images."""
        return list(self._by_image["slice"])

    def values(self, kind: str, column: str) -> NDArray[np.float64]:
        """Return a measure of each image for a kind of prediction, (N,), or (0,) where it has none."""
        found = self._by_image["values"].get(kind, {}).get(column, [])
        return np.array([math.nan if value is None else value for value in found], np.float64)

    @property
    def _by_image(self) -> dict[str, Any]:
        return dict(self.scores.get("by_image", {"slice": [], "values": {}}))


@dataclass(frozen=True)
class VolumeRecord:
    """What a test on a cube has left: its name, and its continuity."""

    name: str
    continuity: dict[str, Any]

    @property
    def options(self) -> dict[str, Any]:
        """The options of the test; empty where its document does not say them."""
        return dict(self.continuity.get("options", {}))


@dataclass(frozen=True)
class RunRecord:
    """A run as its folders tell it. A file that is damaged counts as one that is not there, and is told of.

    Attributes:
        paths: the folders.
        options: of the training; empty where they are not there.
        course: losses and scores of the training.
        tested: the latest test; None: there is none.
        volumes: the tests on cubes, the latest first.
        trust: `trust.json`; empty where it is not there.
        origin: what the training was made with; None: it is not there.
        problems: what cannot be shown and why, by the title of the part of a page that lacks it.
    """

    paths: RunPaths
    options: dict[str, Any]
    course: Course
    tested: TestRecord | None = None
    volumes: list[VolumeRecord] = field(default_factory=list)
    trust: dict[str, Any] = field(default_factory=dict)
    origin: Origin | None = None
    problems: Mapping[str, list[str]] = field(default_factory=dict)

    @classmethod
    def read(cls, paths: RunPaths) -> RunRecord:
        """Read a run.

        Raises:
            UserError: there is no such run, or its saved options are damaged.
        """
        check_is_run(paths)
        options = read_options(paths.options) if paths.options.exists() else {}
        per_epoch = int(options.get("num_train", TrainCommand().sampling.num_train))
        reading = _Reading(paths)
        course = reading.of(TRAINING, Course(), lambda: read_course(paths, per_epoch))
        tested, trust = reading.test()
        origin = None
        if _is_there(paths.origin):
            origin = reading.of(AGAIN, origin, lambda: Origin.read(own_file(paths.origin, paths.checkpoints)))
        return cls(paths, options, course, tested, reading.cubes(), trust, origin, reading.problems)

    @property
    def model(self) -> str:
        """The `--model`; empty where nothing says it."""
        tested = self.tested.options if self.tested else {}
        return str(self.options.get("model", tested.get("model", "")))

    @cached_property
    def epochs(self) -> float:
        """Epochs of training that are told of."""
        return self.course.end

    @property
    def trained_at(self) -> datetime | None:
        """When the networks were saved last; None: they are not there."""
        times = [path.lstat().st_mtime for path in self.paths.checkpoints.glob("*_net_G.pth")]
        with suppress(ValueError, OverflowError):  # none, or one beyond all calendars
            return datetime.fromtimestamp(max(times)).astimezone()
        return None

    def file(self, path: Path) -> Path:
        """Return a file of the results, see `own_file`."""
        return own_file(path, self.paths.results)


class _Reading:
    """Reads the results of a run, and remembers what cannot be read."""

    def __init__(self, paths: RunPaths) -> None:
        self.paths = paths
        self.problems: dict[str, list[str]] = {}

    def of(self, title: str, otherwise: Found, read: Callable[[], Found]) -> Found:
        """Return what a function reads; `otherwise` where it cannot, for the part of the page of that title."""
        try:
            return read()
        except UserError as error:
            self.problems.setdefault(title, []).append(str(error))
            return otherwise

    def file(self, title: str, otherwise: Found, path: Path, read: Callable[[Path], Found]) -> Found:
        """Return what a function reads of a file of the results, as `of`."""
        return self.of(title, otherwise, lambda: read(own_file(path, self.paths.results)))

    def test(self) -> tuple[TestRecord | None, dict[str, Any]]:
        """Return the latest test of patches or whole slices, and what is known of where to believe it."""
        paths = self.paths
        suffix = next((suffix for suffix in ("", "_fullslice") if _image_count(paths, suffix)), None)
        whole = self.of(IMAGES, False, lambda: _check_whole(NewResults(paths), next_test(paths)))
        if not whole or not (suffix is not None or paths.evaluation.exists()):
            return None, {}
        card = paths.scores(".json")
        trust = scores = dict[str, Any]()
        if _is_there(card):
            scores = self.file(SCORES, scores, card, read_scores)
        if _is_there(paths.trust_report):
            trust = self.file(TRUST, trust, paths.trust_report, read_trust)
        evaluation = self.file(SCORES, "", paths.evaluation, read_evaluation)
        return TestRecord(evaluation, scores, suffix or "", _image_count(paths, suffix or "")), trust

    def cubes(self) -> list[VolumeRecord]:
        """Return the tests on cubes, the latest first."""
        paths = self.paths
        stack, continuity = paths.volume_stack("pred", ""), paths.continuity("", ".json")
        found = sorted(paths.results.glob(f"{stack.stem}*{stack.suffix}"), key=lambda path: -path.lstat().st_mtime)
        names = [path.stem.removeprefix(stack.stem) for path in found]
        begun = paths.results.glob(f"{continuity.stem}*{continuity.suffix}.partial")
        cut_off = [
            path.name.removeprefix(continuity.stem).removesuffix(f"{continuity.suffix}.partial") for path in begun
        ]
        cubes = []
        for name in dict.fromkeys([*names, *cut_off]):
            whole = self.of(VOLUMES, False, partial(self._check_cube, name))
            if whole and name in names:
                numbers: dict[str, Any] = self.file(VOLUMES, {}, paths.continuity(name, ".json"), read_continuity)
                cubes.append(VolumeRecord(name, numbers))
        return cubes

    def _check_cube(self, name: str) -> bool:
        words = ["--eval", *option_words("dataset_mode", "txm2sem3d"), *option_words("save_name", name)]
        again = next_test(self.paths, shlex.join(words))
        return _check_whole(NewResults(self.paths, check_name(name, "--save_name")), again)


def read_course(paths: RunPaths, per_epoch: int) -> Course:
    """Return the course of a run's training.

    Raises:
        UserError: it cannot be read, or is there for people only.
    """
    if not _is_there(paths.course) and _is_there(paths.loss_log):
        raise UserError(
            f"{paths.course} is not there, so losses and scores cannot be drawn: the run is of an earlier version or "
            f"of the original code; {paths.loss_log} and {paths.metrics_log} are for people"
        )
    return Course.read(paths.course, per_epoch)


def number_of(values: Mapping[Any, Any], key: object) -> float:
    """Return a number of a JSON file, where null stands for what is not defined, as NaN."""
    value = values.get(key)
    return float("nan") if value is None else float(value)


def _check_whole(results: NewResults, again: str) -> bool:
    """Check that a test was not cut off while its results were moved into their place.

    Raises:
        UserError: it was, or nobody can tell.
    """
    if results.draft.is_cut_off:
        raise UserError(
            f"the latest test was cut off while its results were moved into {results.draft.output.parent}; what it "
            f"replaced is in a dated folder beside that. Test again: {again}"
        )
    return True


def _is_there(path: Path) -> bool:
    return path.exists() or path.is_symlink()


def _image_count(paths: RunPaths, suffix: str) -> int:
    folders = [f"{name}{suffix}" for name in ("sem_fake", "txm_fake", "labels_fake")]
    return max(len(list(paths.image(folder, 0).parent.glob("*.png"))) for folder in folders)
