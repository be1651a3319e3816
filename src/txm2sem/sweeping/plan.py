"""A plan of runs: read, checked, and spelled out run by run before anything is done.

A plan (YAML) has sections: `options`, of the training of all runs; `runs`, by name, with options of their own; `test`
and `cube`, of the tests; `leave_one_out`, where all slices are tested in turn. An option with a list stands for a run
with each of its values.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import Any

from txm2sem.errors import UserError, listed, nearest
from txm2sem.files import check_name
from txm2sem.options import (
    TRANSLATION_MODELS,
    Command,
    Section,
    TestCommand,
    TrainCommand,
    Written,
    check_known,
    override,
    read_sections,
    to_mapping,
    understood,
)
from txm2sem.resolving import resolve
from txm2sem.runs import SweepPaths
from txm2sem.sweeping.folds import Fold, leave_one_out

PLANS = Path(__file__).parents[1] / "sweeps"
"""Plans that come along."""

OF_SWEEP = ("name", "suffix", "checkpoints_dir", "results_dir", "gpu_ids", "num_nodes", "continue_train", "config")
"""Options that a sweep gives its runs itself."""

OF_TESTS: Mapping[str, Mapping[str, Any]] = {
    "test": {"eval": True, "seed": 0},
    "cube": {"eval": True, "seed": 0, "dataset_mode": "txm2sem3d"},
}
"""Options that tests have where the plan gives no other ones. The seed says where the cube lies: it is that of all
runs, and not that of their training."""

DRAWS = 19
"""Draws that a model of samples is tested by on patches, where the plan says no other number: their mean is scored."""

REPEATED = "seed"
"""The option whose values are repeats of one training."""

LEAVE_ONE_OUT = "leave_one_out"
"""The section of a plan whose runs are tested on all slices in turn."""

LEAKING: Mapping[str, tuple[str, ...]] = {
    "options": ("phase", "init_from", "seg_source"),
    "test": ("phase", "dataroot", "seg_source"),
}
"""Options with which a run could be tested on a slice that it, or a model that it builds on, has learned from."""

WITHOUT_A_MODEL = (
    *("raw TXM", "constant", "linear fit", "blurred linear fit", "blurred curve fit"),
    *("Otsu thresholds", "blurred Otsu thresholds"),
)
"""Predictions without a model that every fold has, and that others may be set beside."""

REMEDY = "correct the plan; docs/sweeps.md says what is in one"

MOST_RUNS = 10_000

SEEN = (
    *("dataroot", "phase", "direction", "dataset_mode", "sample_name", "sem_dir", "charge_dir", "seg_mode"),
    *("patch_size", "preprocess", "load_size", "crop_size", "max_dataset_size", "num_test", "ntest", "full_slice"),
)
"""Options that say which images a test is about: with others, scores are of other images."""

Values = Mapping[str, Any]


@dataclass(frozen=True)
class PlannedRun:
    """A run that is to be trained and tested.

    Attributes:
        name: of it.
        base: its name in the plan, which has one for all values of lists.
        repeated: its name without its seed and slice: all that differ in nothing else have the same.
        varied: values of the options that have lists, by name.
        given: options that are given to each step: `train`, `test`, and `cube` where its model translates and no slice
            is left out, as continuity is nothing that a single slice has.
        commands: all options of each step.
        tested: number of the slice that was left out; None: it is tested as the data root says.
    """

    name: str
    base: str
    repeated: str
    varied: Values
    given: Mapping[str, Values]
    commands: Mapping[str, TrainCommand | TestCommand]
    tested: int | None = None

    @property
    def training(self) -> TrainCommand:
        """All options of the training."""
        command = self.commands["train"]
        assert isinstance(command, TrainCommand)
        return command

    def on(self, fold: Fold) -> PlannedRun:
        """Return the same run with the slices of a fold."""
        new = {"name": f"{self.name}_slice_{fold.tested}", "dataroot": fold.root}
        return replace(
            self,
            name=str(new["name"]),
            given={step: {**values, "dataroot": fold.root} for step, values in self.given.items()},
            commands={step: override(command, new) for step, command in self.commands.items()},
            tested=fold.tested,
        )


@dataclass(frozen=True)
class Plan:
    """Runs, and where they are written.

    Attributes:
        path: the file.
        paths: of the sweep's files.
        runs: at least one, each with a name of its own.
        folds: where slices are left out in turn: their data roots, which are not made yet.
        baselines: rows of the table that all others are set beside, slice by slice.
    """

    path: Path
    paths: SweepPaths
    runs: list[PlannedRun]
    folds: list[Fold]
    baselines: list[str]

    @property
    def name(self) -> str:
        """What it is called: the name of its file."""
        return self.path.stem

    @classmethod
    def read(cls, plan: str, places: Values, dataroot: Path | None = None, output: str = "") -> Plan:
        """Read a plan, and check all options of all runs.

        Args:
            plan: the name of a file, or of a plan that comes along.
            places: `checkpoints_dir` and `results_dir` of the runs.
            dataroot: of the images; what the plan says where absent.
            output: folder of the sweep; NAME_sweep where empty.

        Raises:
            UserError: there is no such plan, an option or value that a run or a test has not, two runs of the same
                name, runs that would be tested on different images, or slices that cannot be left out in turn.
        """
        path = path_of(plan)
        sections = read_sections(path, REMEDY, depth=3).sections("options", "runs", "test", "cube", LEAVE_ONE_OUT)
        options = {name: section.options() for name, section in sections.items() if name not in ("runs", LEAVE_ONE_OUT)}
        named = sections["runs"].sections() if "runs" in sections else {path.stem: Section(str(path), REMEDY, {})}
        if not named:
            raise UserError(f"{sections['runs'].place}: expected runs, each with a name, found none; {REMEDY}")
        tests = {step: own for step, own in OF_TESTS.items() if step != "cube" or LEAVE_ONE_OUT not in sections}
        found: dict[str, PlannedRun] = {}
        for base, section in named.items():
            own = section.options()
            written = {**own, **{name: said for name, said in options.get("options", {}).items() if name not in own}}
            if dataroot is not None:
                written["dataroot"] = Written("--dataroot", str(dataroot))
            if LEAVE_ONE_OUT in sections:
                _check_cannot_leak({**options, "options": written})
            for chosen in _combinations(written, section.place):
                run = _planned(
                    base, section.place, {**options, "options": {**written, **chosen}}, chosen, tests, places
                )
                if run.name in found:
                    raise UserError(
                        f"{section.place}: two runs have the name {run.name}; give one of them another name, or each "
                        "value once"
                    )
                found[run.name] = run
                if len(found) > MOST_RUNS:
                    raise UserError(f"{path} has more than {MOST_RUNS} runs; make several plans of it")
        runs = list(found.values())
        _check_drawn(options.get("test", {}), runs)
        _check_one_kind(path, runs)
        _check_same_images(path, runs)
        paths = SweepPaths(Path(output or f"{path.stem}_sweep"))
        if LEAVE_ONE_OUT not in sections:
            return cls(path, paths, runs, [], [])
        baselines = _baselines(sections[LEAVE_ONE_OUT], runs)
        folds = _folds(runs, paths.folds)
        return cls(path, paths, [run.on(fold) for run in runs for fold in folds], folds, baselines)


def path_of(plan: str) -> Path:
    """Return the file of a plan: one of this name, or one that comes along.

    Raises:
        UserError: there is none.
    """
    path, shipped = Path(plan), PLANS / f"{plan}.yaml"
    if path.exists() or Path(plan).name != plan or not shipped.exists():
        if not path.exists():
            known = sorted(path.stem for path in PLANS.glob("*.yaml"))
            advice = nearest(plan, known) or f"; those that come along are {listed(known)}"
            raise UserError(f"there is no plan {plan}: expected a file (YAML), or the name of a plan{advice}")
        return path
    return shipped


def _combinations(written: Mapping[str, Written], place: str) -> Iterator[dict[str, Written]]:
    """Yield the options that have lists, each with one of its values, in all combinations."""
    lists = {name: said for name, said in written.items() if isinstance(said.value, list)}
    for name, said in lists.items():
        if not said.value:
            raise UserError(f"{said.place}: --{name}: expected values in the list, found none; {REMEDY}")
    count = math.prod(len(said.value or ()) for said in lists.values())
    if count > MOST_RUNS:
        raise UserError(f"{place}: expected {MOST_RUNS} runs at most, found {count}; make several plans of it")
    for values in product(*(said.value or () for said in lists.values())):
        chosen = zip(lists.items(), values, strict=True)
        yield {name: Written(said.place, value) for (name, said), value in chosen}


def _planned(
    base: str,
    place: str,
    options: Mapping[str, Mapping[str, Written]],
    chosen: Iterable[str],
    tests: Mapping[str, Values],
    places: Values,
) -> PlannedRun:
    """Return a run.

    Args:
        base: its name in the plan.
        place: of the run in the plan.
        options: of its training and of the tests, by section; each has one value.
        chosen: options that have lists.
        tests: options that its tests have where the plan gives no other ones.
        places: as in `Plan.read`.
    """
    train = _understood(TrainCommand(), options["options"])
    tests = {step: {**own, **_understood(TestCommand(), options.get(step, {}))} for step, own in tests.items()}
    varied = {name: train[name] for name in chosen}
    parts = {name: f"_{name}_{_short(value)}" for name, value in varied.items()}
    name = check_name(base + "".join(parts.values()), f"{place}: the run")
    repeated = base + "".join(part for option, part in parts.items() if option != REPEATED)
    own = {"name": name, **places}
    step = "train"
    try:
        training = resolve(TrainCommand(), {**train, **own})
        commands: dict[str, TrainCommand | TestCommand] = {step: training}
        tests["test"] = _of_draws(tests["test"], training)
        for step in tests if training.model.model in TRANSLATION_MODELS else ["test"]:
            commands[step] = resolve(TestCommand(), {**tests[step], **own}, trained=to_mapping(training))
    except UserError as error:
        written = options.get("options" if step == "train" else step, {})
        named = [said.place for option, said in written.items() if str(error).startswith(f"--{option} ")]
        raise UserError(f"{(named or [place])[0]}: {step} of the run {name}: {error}") from None
    given = {"train": train, **tests}
    return PlannedRun(name, base, repeated, varied, {step: given[step] for step in commands}, commands)


def _of_draws(test: Values, training: TrainCommand) -> dict[str, Any]:
    """Return options of a test on patches, with a number of draws where the model draws, and there alone."""
    if training.model.draws_noise:
        return {"draws": DRAWS, **test}
    return {name: value for name, value in test.items() if name != "draws"}


def _short(value: object) -> str:
    return f"{value:.12g}" if isinstance(value, float) else str(value)


def _understood(base: Command, written: Mapping[str, Written]) -> dict[str, Any]:
    """Return values of options of a command.

    Raises:
        UserError: it has no such option or value, or a sweep gives it itself.
    """
    for name, said in written.items():
        try:
            if name in OF_SWEEP:
                raise UserError(f"--{name} is what a sweep gives its runs itself; leave it out")
            check_known(base, [name])
        except UserError as error:
            raise UserError(f"{said.place}: {error}") from None
    return understood(base, written)


def _check_cannot_leak(options: Mapping[str, Mapping[str, Written]]) -> None:
    """Check that no option undoes that the slice that is left out is tested, and not learned from.

    Args:
        options: of a run and of its tests, by section.

    Raises:
        UserError: one does, or is of a cube, of which single slices have none.
    """
    for section, names in LEAKING.items():
        for name in names:
            if name in options.get(section, {}):
                raise UserError(
                    f"{options[section][name].place}: --{name} does not go with {LEAVE_ONE_OUT}, with which each run "
                    "is tested on the one slice that it, and all that it builds on, has not seen; leave one of them out"
                )
    for said in options.get("cube", {}).values():
        raise UserError(
            f"{said.place}: with {LEAVE_ONE_OUT} no cube is tested, but single slices; leave one of them out"
        )


def _baselines(section: Section, runs: Sequence[PlannedRun]) -> list[str]:
    """Return the rows of the table that others are set beside, as a section says.

    Raises:
        UserError: there is no such row, or the section says something else.
    """
    known = [*dict.fromkeys(run.repeated for run in runs), *WITHOUT_A_MODEL]
    found: list[str] = []
    for name, said in section.options().items():
        if name != "baseline":
            near = nearest(name, ["baseline"]) or "; expected baseline"
            raise UserError(f"{said.place}: {LEAVE_ONE_OUT} has no {name[:100]}{near}; {REMEDY}")
        found = [said.value] if isinstance(said.value, str) else list(said.value or ())
        for row in found:
            if row not in known:
                near = nearest(row, known) or f"; expected {listed(known)}"
                raise UserError(f"{said.place}: no row of the table will be called {row[:100]}{near}; {REMEDY}")
    return found


def _folds(runs: Sequence[PlannedRun], folder: Path) -> list[Fold]:
    """Return the data roots in which the slices of one are left out in turn.

    Raises:
        UserError: there are too few slices, or they cannot be told apart, or have no masks to learn to segment from.
    """
    dataroot = runs[0].training.run.dataroot
    folds = leave_one_out(dataroot, [run.training.data for run in runs], folder)
    for run in runs:
        data = run.training.data
        for name in (data.lowdens_dir, data.highdens_dir) if run.training.model.model == "segmentation" else ():
            if not any(file.startswith(f"test/{name}{data.sample_name}/") for file in folds[0].files):
                raise UserError(
                    f"{dataroot}: {run.name} learns to segment, and there are no masks {name}{data.sample_name} in its "
                    "splits; add them, or take the run out of the plan"
                )
    return folds


def _check_drawn(test: Mapping[str, Written], runs: Iterable[PlannedRun]) -> None:
    """Check that a number of draws has a run that draws."""
    if "draws" in test and not any(run.training.model.draws_noise for run in runs):
        place = test["draws"].place
        raise UserError(
            f"{place}: --draws: expected a run that draws samples (recipe: sample), found none; leave it out"
        )


def _kind_of(run: PlannedRun) -> str:
    model = run.training.model.model
    return "translation" if model in TRANSLATION_MODELS else model


def _check_one_kind(path: Path, runs: Iterable[PlannedRun]) -> None:
    """Check that runs of repair, whose scores have the names of others and are over other pixels, are by themselves."""
    kinds = {_kind_of(run): run.name for run in runs}
    if "repair" in kinds and len(kinds) > 1:
        said = ", ".join(f"{name} is of {kind}" for kind, name in kinds.items())
        raise UserError(f"{path}: expected runs of repair alone, or none, found {said}; make a plan for each")


def _check_same_images(path: Path, runs: Iterable[PlannedRun]) -> None:
    """Check that runs of a kind are tested on the same images, as far as options say it, and all on one data root."""
    first: dict[tuple[str, str], tuple[str, Values]] = {}
    roots: dict[Path, str] = {}
    for run in runs:
        for step in list(run.commands)[1:]:
            values = to_mapping(run.commands[step])
            other, reference = first.setdefault((step, _kind_of(run)), (run.name, values))
            for name in SEEN:
                if values[name] != reference[name]:
                    raise UserError(
                        f"{path}: {run.name} and {other} would be tested on different images, with --{name} "
                        f"{values[name]} and {reference[name]}; give it one value in the section {step}"
                    )
            roots.setdefault(Path(values["dataroot"]), run.name)
    if len(roots) > 1:
        said = ", ".join(f"{name} on {root}" for root, name in roots.items())
        raise UserError(f"{path}: expected tests on one data root, found {said}; make a plan for each")
