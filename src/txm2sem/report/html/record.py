"""What a run's folders hold, read for its pages and never computed anew."""

from __future__ import annotations

import csv
import json
import math
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from txm2sem.config import TrainCommand
from txm2sem.errors import UserError, listed
from txm2sem.runs import RunPaths, read_options
from txm2sem.training.curves import Curve, read_losses, read_scores

OPTION_LINE = re.compile(r" *(\w+): (.*?) *(\t\[default: .*\])?")


@dataclass(frozen=True)
class TestRecord:
    """What the latest test of patches or whole slices has left.

    Attributes:
        options: of the test, as text; empty where they are not there.
        evaluation: `eval_metrics.txt`.
        scores: `scores.json`; empty where the model has no scorecard.
        rows: `scores.csv`.
        suffix: of the folders of images.
        count: images.
    """

    options: dict[str, str]
    evaluation: str
    scores: dict[str, Any]
    rows: list[dict[str, str]]
    suffix: str
    count: int

    @property
    def model_kind(self) -> str:
        """What the scorecard calls the model."""
        return next(iter(self.scores.get("similarity", {})), "")

    @property
    def slices(self) -> list[int]:
        """The slice that each image is from, (N,)."""
        return [int(row["slice"]) for row in self.rows if row["kind"] == self.model_kind]

    def values(self, kind: str, column: str) -> NDArray[np.float64]:
        """Return a column of `scores.csv` for a kind of prediction, (N,), or (0,) where it has none."""
        found = [row[column] for row in self.rows if row["kind"] == kind and column in row]
        return np.array([float(text) if text else math.nan for text in found])


@dataclass(frozen=True)
class VolumeRecord:
    """What a test on a cube has left: its name, its options as text, and its continuity."""

    name: str
    options: dict[str, str]
    continuity: dict[str, Any]


@dataclass(frozen=True)
class RunRecord:
    """A run as its folders tell it.

    Attributes:
        paths: the folders.
        options: of the training; empty where they are not there.
        losses: by term.
        scores: of validation.
        tested: the latest test; None: there is none.
        volumes: the tests on cubes, the latest first.
        trust: `trust.json`; empty where it is not there.
    """

    paths: RunPaths
    options: dict[str, Any]
    losses: list[Curve]
    scores: list[Curve]
    tested: TestRecord | None = None
    volumes: list[VolumeRecord] = field(default_factory=list)
    trust: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def read(cls, paths: RunPaths) -> RunRecord:
        """Read a run.

        Raises:
            UserError: there is no such run, or a file of it is damaged.
        """
        if not paths.checkpoints.is_dir() and not paths.results.is_dir():
            there = sorted(path.name for path in paths.checkpoints.parent.glob("*/") if any(path.glob("*_net_G.pth")))
            raise UserError(
                f"there is no run {paths.name}: neither {paths.checkpoints} nor {paths.results} is there. "
                f"{paths.checkpoints.parent} has {listed(there) or 'no runs'}; --checkpoints_dir and --results_dir say "
                "where runs are"
            )
        options = read_options(paths.options) if paths.options.exists() else {}
        losses = read_losses(paths.loss_log, int(options.get("num_train", TrainCommand().sampling.num_train)))
        scores = [curve.finite() for curve in read_scores(paths.metrics_log)]
        trust = _read_json(paths.trust_report)
        return cls(paths, options, losses, scores, _read_test(paths), _read_volumes(paths), trust)

    @property
    def model(self) -> str:
        """The `--model`; empty where nothing says it."""
        tested = self.tested.options if self.tested else {}
        return str(self.options.get("model", tested.get("model", "")))

    @cached_property
    def epochs(self) -> float:
        """Epochs of training that the logs tell."""
        return float(max((curve.epochs[-1] for curve in [*self.losses, *self.scores] if len(curve.epochs)), default=0))

    @property
    def trained_at(self) -> datetime | None:
        """When the networks were saved last; None: they are not there."""
        networks = list(self.paths.checkpoints.glob("*_net_G.pth"))
        if not networks:
            return None
        return datetime.fromtimestamp(max(path.stat().st_mtime for path in networks)).astimezone()


def read_options_text(path: Path) -> dict[str, str]:
    """Return the options in a file that is for people; none where there is no file."""
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines() if path.exists() else []
    matches = [match for line in lines if (match := OPTION_LINE.fullmatch(line if ": " in line else f"{line} "))]
    return {match[1]: match[2] for match in matches}


def number_of(values: Mapping[Any, Any], key: object) -> float:
    """Return a number of a JSON file, where null stands for what is not defined, as NaN."""
    value = values.get(key)
    return float("nan") if value is None else float(value)


def _read_test(paths: RunPaths) -> TestRecord | None:
    suffix = next((suffix for suffix in ("", "_fullslice") if _image_count(paths, suffix)), None)
    if suffix is None and not paths.evaluation.exists():
        return None
    table = paths.scores(".csv")
    rows = []
    if table.exists():
        with table.open(encoding="utf-8", newline="") as file:
            rows = list(csv.DictReader(file))
    return TestRecord(
        options=read_options_text(paths.test_options_text),
        evaluation=paths.evaluation.read_text(encoding="utf-8") if paths.evaluation.exists() else "",
        scores=_read_json(paths.scores(".json")),
        rows=rows,
        suffix=suffix or "",
        count=_image_count(paths, suffix or ""),
    )


def _image_count(paths: RunPaths, suffix: str) -> int:
    folders = [f"{name}{suffix}" for name in ("sem_fake", "txm_fake", "labels_fake")]
    return max(len(list(paths.image(folder, 0).parent.glob("*.png"))) for folder in folders)


def _read_volumes(paths: RunPaths) -> list[VolumeRecord]:
    stacks = sorted(paths.volume_stack("pred", "*").parent.glob(paths.volume_stack("pred", "*").name))
    stacks.sort(key=lambda path: path.stat().st_mtime, reverse=True)
    names = [path.stem.removeprefix(paths.volume_stack("pred", "").stem) for path in stacks]
    return [
        VolumeRecord(
            name, read_options_text(paths.volume_options_text(name)), _read_json(paths.continuity(name, ".json"))
        )
        for name in names
    ]


def _read_json(path: Path) -> dict[str, Any]:
    if not path.exists():
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UserError(f"cannot read {path}: {error}; test again, or remove it") from error
    if not isinstance(content, dict):
        raise UserError(
            f"expected values by name in {path}, found a {type(content).__name__}; test again, or remove it"
        )
    return content
