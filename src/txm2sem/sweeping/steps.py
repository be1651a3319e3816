"""What is done with a run, one step after the other, and which of them are done."""

from __future__ import annotations

import shlex
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from txm2sem.commands import test_command, train_command
from txm2sem.errors import UserError
from txm2sem.files import interpreting, json_text, read_json, typed, write_text
from txm2sem.options import IDENTITY, option_words, to_mapping
from txm2sem.runs import RunPaths, SweepPaths, read_options
from txm2sem.sweeping.plan import PlannedRun

AUTO = "auto"
"""Value of options that a training measures, and saves as what it has found."""


@dataclass(frozen=True)
class Step:
    """A call of the program.

    Attributes:
        name: `train`, `test` or `cube`.
        words: behind the name of the program, without those that say which machine does it.
        identity: the command with what is not so by default: another one is another step.
        product: what is there when it is done.
    """

    name: str
    words: list[str]
    identity: str
    product: Path

    @property
    def command(self) -> str:
        """The call as a shell takes it."""
        return shlex.join(["txm2sem", *self.words])


@dataclass(frozen=True)
class Done:
    """What is known of a step that is done: which one it was, and how long it has taken [s]."""

    identity: str
    seconds: float


@dataclass(frozen=True)
class SweptRun:
    """A run of a sweep, and where things of it are.

    Attributes:
        planned: what it is.
        paths: its folders.
        sweep: those of the sweep.
        has_cube: its continuity is measured, too.
    """

    planned: PlannedRun
    paths: RunPaths
    sweep: SweepPaths
    has_cube: bool

    @property
    def name(self) -> str:
        """What it is called."""
        return self.planned.name

    @cached_property
    def steps(self) -> list[Step]:
        """What is to be done, in this order."""
        steps = []
        for name, given in self.planned.given.items():
            if name == "cube" and not self.has_cube:
                continue
            options: dict[str, Any] = {**given, "name": self.name}
            options |= {"checkpoints_dir": self.paths.checkpoints.parent, "results_dir": self.paths.results.parent}
            words = ["train" if name == "train" else "test"]
            for option, value in options.items():
                words += option_words(option, value, switch=isinstance(value, bool))
            steps.append(Step(name, words, self._identity(name), self.product(name)))
        return steps

    def _identity(self, step: str) -> str:
        trained, options = to_mapping(self.planned.training), to_mapping(self.planned.commands[step])
        return train_command(trained) if step == "train" else test_command(options, trained)

    def product(self, step: str) -> Path:
        """Return what is there when a step is done: networks, scores, or the continuity of a cube."""
        if step == "train":
            return self.paths.network("latest", "G")
        if step == "test":
            return self.paths.scores(".json")
        return self.paths.continuity(str(to_mapping(self.planned.commands[step])["save_name"]), ".json")

    @property
    def to_do(self) -> list[Step]:
        """The steps that are not done: one of which a part is missing, and all behind it."""
        known = self.record()
        steps = self.steps
        for number, step in enumerate(steps):
            done = known.get(step.name)
            if done is None or done.identity != step.identity or not step.product.exists():
                return steps[number:]
        return []

    @property
    def seconds(self) -> float:
        """How long the steps that are done have taken."""
        return sum(done.seconds for done in self.record().values())

    @property
    def can_go_on(self) -> bool:
        """Whether there is something of its training to go on with."""
        return self.paths.state.exists() or self.paths.network("latest", "G").exists()

    def record(self) -> dict[str, Done]:
        """Return what is done, by step; what cannot be read is to be done again, which a training notices at once."""
        path = self.sweep.record(self.name)
        if not path.exists():
            return {}
        try:
            with interpreting(path, "what is done of a run", ""):
                found: dict[str, Done] = typed(dict[str, Done], read_json(path, ""))
        except UserError:
            return {}
        return found

    def note(self, step: Step, seconds: float) -> None:
        """Remember that a step is done; those behind it are not any more."""
        names = [other.name for other in self.steps]
        before = names[: names.index(step.name)]
        known = {name: done for name, done in self.record().items() if name in before}
        write_text(self.sweep.record(self.name), json_text({**known, step.name: Done(step.identity, seconds)}))

    def check_same(self) -> None:
        """Check that what there is of a training of its name is of this one.

        Raises:
            UserError: it had other options, or they cannot be read.
        """
        if not self.paths.options.exists():
            return
        saved, planned = read_options(self.paths.options), to_mapping(self.planned.training)
        for name, value in planned.items():
            if name not in IDENTITY and value != AUTO and saved.get(name, value) != value:
                raise UserError(
                    f"{self.paths.checkpoints} is of another training, with --{name} {saved[name]}, and the plan has "
                    f"{value}; give the run another name in the plan, or the sweep another --checkpoints_dir, or move "
                    "that folder away"
                )
