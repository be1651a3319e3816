"""A sweep: all runs of a plan trained and tested, one after the other or side by side, and what was found of them."""

from __future__ import annotations

import os
import queue
import shlex
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import nullcontext
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from pathlib import Path
from typing import TYPE_CHECKING

from txm2sem.data.slices import full_stack_folder, split_folder
from txm2sem.data.volume_stacks import volume_file
from txm2sem.data.volumes import choose_cube, open_full_stack
from txm2sem.errors import UserError, listed, nearest
from txm2sem.files import check_output, held, json_text, make_folder, write_text
from txm2sem.options import SweepCommand, TestCommand, TrainCommand, option_words
from txm2sem.quantities import format_seconds
from txm2sem.runs import RunPaths, SweepPaths
from txm2sem.sweeping.children import Children
from txm2sem.sweeping.folds import make_folds
from txm2sem.sweeping.plan import Plan
from txm2sem.sweeping.slurm import array_script
from txm2sem.sweeping.steps import SweptRun

if TYPE_CHECKING:
    from txm2sem.sweeping.table import SweepTable

Echo = Callable[[str], None]

MOST_COMPARED = 32
"""With more runs than these, the page would grow too large: it shows one seed of each training."""


@dataclass(frozen=True)
class SweepReport:
    """What a sweep has come to.

    Attributes:
        paths: of its files.
        lines: for the console: the table, and what is missing.
        failed: why, by the name of the run, or of what is made of all of them.
        table: of the runs that are done; None where none is, or where other jobs will write it.
    """

    paths: SweepPaths
    lines: list[str]
    failed: dict[str, str]
    table: SweepTable | None


@dataclass(frozen=True)
class Machine:
    """The share of the machine that a run has.

    Attributes:
        gpu_ids: its GPUs.
        cores: it computes with so many; 0: with all.
    """

    gpu_ids: str
    cores: int

    def words(self, command: TrainCommand | TestCommand) -> list[str]:
        """Return the options that say it."""
        words = [] if self.gpu_ids == "auto" else option_words("gpu_ids", self.gpu_ids)
        if isinstance(command, TrainCommand) and 0 < self.cores < command.run.num_threads:
            words += option_words("num_threads", self.cores)
        return words

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that say it."""
        return {"OMP_NUM_THREADS": str(self.cores)} if self.cores else {}


@dataclass
class Sweep:
    """A sweep. All of its plan is checked when one is made.

    Attributes:
        command: the options.
        plan: what is to be done.
        paths: of its files.
        runs: those that are asked for.
        others: the other runs of the plan.
        note: why continuity is not measured; empty where it is.
        children: the calls that are under way.
    """

    command: SweepCommand
    plan: Plan
    paths: SweepPaths
    runs: list[SweptRun]
    others: list[SweptRun]
    note: str
    children: Children = field(default_factory=Children)

    @classmethod
    def of(cls, command: SweepCommand, plan: str) -> Sweep:
        """Return the sweep that options ask for.

        Args:
            command: the options.
            plan: the name of a file, or of a plan that comes along.

        Raises:
            UserError: the plan, the images, or what is there already do not allow it.
        """
        read = Plan.read(plan, vars(command.run), command.sweep.dataroot, command.sweep.output)
        paths = read.paths
        check_output(paths.output)
        note = _lacks_cube(read)
        runs = [
            SweptRun(
                one,
                RunPaths.of(one.name, command.run.checkpoints_dir, command.run.results_dir),
                paths,
                has_cube="cube" in one.commands and not note,
            )
            for one in read.runs
        ]
        asked = [run for run in runs if fnmatchcase(run.name, command.sweep.only or "*")]
        if not asked:
            near = nearest(command.sweep.only, [run.name for run in runs])
            raise UserError(f"--only {command.sweep.only}: {read.path} has no such run{near}")
        for run in asked:
            run.check_same()
        return cls(command, read, paths, asked, [run for run in runs if run not in asked], note)

    @property
    def jobs(self) -> int:
        """Runs at a time."""
        return self.command.sweep.jobs or len(self.command.sweep.gpu_ids.split(","))

    def describe(self) -> list[str]:
        """Return the runs with what is to be done of them, as commands."""
        lines = [self.summary()]
        if self.plan.folds:
            lines.append(f"data roots of the slices that are left out are made by the sweep, in {self.paths.folds}")
        for run in self.runs:
            missing = [step.name for step in run.to_do]
            lines.append(f"{run.name}: {listed(missing) + ' to be done' if missing else 'done'}")
            lines += [f"  {step.command}" for step in run.steps]
        return lines

    def summary(self) -> str:
        """Return how many runs there are, and how long they will take, as far as that is known."""
        # Others may be done meanwhile, so what there is to do is asked once.
        to_do = [(run, steps) for run in self.runs if (steps := run.to_do)]
        left = [run for run, _ in to_do]
        done = f"{len(self.runs) - len(left)} of {len(self.runs)} runs are done"
        if not left:
            return done
        if known := self._seconds_of(left):
            return f"{done}; about {format_seconds(known)} for the others, as long as those have taken"
        budgets = [run.planned.training.schedule.time_budget for run, steps in to_do if steps[0].name == "train"]
        if budgets and all(budgets):
            training = format_seconds(60 * sum(budgets) / min(self.jobs, len(left)))
            return f"{done}; {training} of training, by the time budgets, and the tests"
        return f"{done}; how long the others take is said after the first"

    def _seconds_of(self, left: Sequence[SweptRun]) -> float:
        """Return how long runs will take [s], by those of the same model that are done, or all; 0: unknown."""
        taken: dict[str, list[float]] = {}
        for run in [*self.runs, *self.others]:
            if run not in left and not run.to_do:
                taken.setdefault(run.planned.training.model.model, []).append(run.seconds)
        if not taken:
            return 0.0
        known = [seconds for times in taken.values() for seconds in times]
        times = (taken.get(run.planned.training.model.model, known) for run in left)
        return sum(sum(one) / len(one) for one in times) / min(self.jobs, len(left))

    def script(self) -> list[str]:
        """Write what gives the runs that are not done to Slurm, and return how."""
        left = [run.name for run in self.runs if run.to_do]
        if not left:
            return [self.summary()]
        places: dict[str, object] = {"output": self.paths.output, **vars(self.command.run)}
        if self.command.sweep.dataroot is not None:
            places["dataroot"] = self.command.sweep.dataroot
        if self.command.sweep.gpu_ids != "auto":
            places["gpu_ids"] = self.command.sweep.gpu_ids
        if self.command.figure.figures != "png":
            places["figures"] = self.command.figure.figures
        words = ["sweep", str(self._keep_plan())]
        words += [word for name, place in places.items() for word in option_words(name, place)]
        make_folder(self.paths.printed)
        jobs, printed = self.command.sweep.jobs, self.paths.printed.absolute()
        write_text(self.paths.script, array_script(self.plan.name, left, words, jobs, Path.cwd(), printed))
        submit = shlex.join(["sbatch", str(self.paths.script)])
        return [self.summary(), f"script: {self.paths.script}", f"next:   {submit}"]

    def run(self, echo: Echo) -> SweepReport:
        """Train and test what is not done, and put what is found into one table.

        Args:
            echo: receives each line for the console while it works.

        Raises:
            UserError: another sweep works here, or there are no such GPUs.
            KeyboardInterrupt: asked to stop; what was running has saved itself.
        """
        from txm2sem.devices import devices_of

        devices_of(self.command.sweep.gpu_ids)
        alone = not self.command.sweep.only
        with held(self.paths.lock("sweep")) if alone else nullcontext():
            self._keep_plan()
            echo(self.summary())
            if self.note:
                echo(f"note: {self.note}")
            make_folds(self.plan.folds, self.paths.lock("folds"))
            failed = self._work(echo)
            if not alone and any(run.to_do for run in [*self.runs, *self.others]):
                return SweepReport(self.paths, [], failed, None)
            return self.tabulate(failed)

    def tabulate(self, failed: Mapping[str, str] | None = None) -> SweepReport:
        """Write what was found of all runs that are done.

        Args:
            failed: what has gone wrong before, by what.

        Raises:
            UserError: a document of a test is damaged, or something cannot be written.
        """
        from txm2sem.figures.fractions import draw_fractions
        from txm2sem.figures.front import draw_front
        from txm2sem.figures.saving import save_figure
        from txm2sem.sweeping.table import SweepTable

        paths, failed = self.paths, dict(failed or {})
        with held(paths.lock("table"), wait=True):
            every = {run.name: run for run in [*self.runs, *self.others]}
            in_order = [every[one.name] for one in self.plan.runs]
            done = [run for run in in_order if not run.to_do]
            if not done:
                return SweepReport(paths, ["no run is done, so there is no table"], failed, None)
            not_done = [run.name for run in in_order if run not in done]
            table = SweepTable.of(self.plan.name, done, not_done, self.plan.baselines)
            lines = [*table.lines(), f"table: {paths.table}"]
            write_text(paths.table, table.csv())
            if points := table.points():
                front = draw_front(points, table.truth, f"{self.plan.name}: fidelity and continuity")
                save_figure(front, paths.front, self.command.figure.figures)
                lines.append(f"front: {paths.front}")
            if fractions := {one.name: one.fractions for one in table.repeats if one.fractions}:
                picture = draw_fractions(fractions, f"{self.plan.name}: fractions in slices left out")
                save_figure(picture, paths.fractions, self.command.figure.figures)
                lines.append(f"fractions: {paths.fractions}")
            text = json_text(table.document())
            is_same = paths.page.exists() and paths.document.exists() and paths.document.read_text("utf-8") == text
            if not is_same and (problem := self._compare(table)):
                failed["the page"] = problem
            if paths.page.exists():
                lines.append(f"page:  {paths.page}")
            write_text(paths.document, text)  # last, as it says that the page is of the same runs
        return SweepReport(paths, lines, failed, table)

    def _keep_plan(self) -> Path:
        """Keep the plan as it is now, and return where."""
        kept = self.paths.plan(self.plan.name)
        if not kept.exists() or not kept.samefile(self.plan.path):
            write_text(kept, self.plan.path.read_text("utf-8"))
        return kept

    def _work(self, echo: Echo) -> dict[str, str]:
        """Do what is not done, so many runs at a time; return what has gone wrong, by run."""
        left = [run for run in self.runs if run.to_do]
        failed: dict[str, str] = {}
        machines: queue.SimpleQueue[Machine] = queue.SimpleQueue()
        for machine in self._machines(min(self.jobs, len(left))):
            machines.put(machine)

        def work(run: SweptRun) -> None:
            machine = machines.get()
            try:
                problem = self._finish(run, machine, echo)
            except (UserError, OSError) as error:
                problem = str(error)
            finally:
                machines.put(machine)
            if problem:
                failed[run.name] = problem
                echo(f"{run.name}: {problem}")
            elif not run.to_do:
                echo(f"{run.name}: done in {format_seconds(run.seconds)}; {self.summary()}")

        with ThreadPoolExecutor(max(1, machines.qsize())) as pool:
            tasks: list[Future[None]] = []
            try:
                tasks += [pool.submit(work, run) for run in left]
                wait(tasks)
            except KeyboardInterrupt:
                self._stop(tasks, echo)
                raise
        for task in tasks:
            task.result()
        return failed

    def _stop(self, tasks: Sequence[Future[None]], echo: Echo) -> None:
        """Let what is running save itself and end; a second Ctrl-C ends it at once."""
        try:
            self.children.stop()
            echo("stopping: trainings end after the batch under way; Ctrl-C again stops at once")
            wait(tasks)
        except KeyboardInterrupt:
            self.children.kill()
            raise

    def _machines(self, count: int) -> list[Machine]:
        """Return the shares of the machine of runs that are at work at a time."""
        gpus = self.command.sweep.gpu_ids.split(",")
        cores = max(1, usable_cores() // count) if count > 1 else 0
        return [Machine(gpus[number % len(gpus)], cores) for number in range(count)]

    def _finish(self, run: SweptRun, machine: Machine, echo: Echo) -> str:
        """Do what is not done of a run; return what has gone wrong."""
        with held(self.paths.run(run.name)):
            while steps := run.to_do:
                step, log = steps[0], self.paths.log(run.name, steps[0].name)
                words = [*step.words, *machine.words(run.planned.commands[step.name])]
                if step.name == "train" and run.can_go_on:
                    words.append("--continue_train")
                if not self.children.stopped:
                    echo(f"{run.name}: {step.name}; what it prints is in {log}")
                began = time.monotonic()
                status = self.children.call(words, log, machine.environment)
                if status == 0 and step.product.exists():
                    run.note(step, time.monotonic() - began)
                elif self.children.stopped:
                    return ""
                else:
                    return f"{step.name} has ended with status {status}: {_last_line(log)}"
        return ""

    def _compare(self, table: SweepTable) -> str:
        """Write the page about runs side by side, where there are several; return what has gone wrong."""
        first = table.repeats[0].measures.keys()
        alike = [one for one in table.repeats if one.measures.keys() == first]
        names = [name for one in alike for name in one.runs]
        if len(names) > MOST_COMPARED or self.plan.folds:
            names = [one.runs[0] for one in alike][:MOST_COMPARED]
        if len(names) < 2:
            return ""
        words = ["compare", *names]
        for name, place in {"output": self.paths.page, **vars(self.command.run)}.items():
            words += option_words(name, place)
        status = self.children.call(words, self.paths.compare_log, {})
        return f"compare has ended with status {status}: {_last_line(self.paths.compare_log)}" if status else ""


def usable_cores() -> int:
    """Return how many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def _lacks_cube(plan: Plan) -> str:
    """Return why the runs of a plan cannot be tested on a cube; nothing where they can, or where none is asked for.

    Raises:
        UserError: there are no images, or the cube does not fit the stack that there is.
    """
    if plan.folds:
        return ""
    for root in {run.training.run.dataroot: None for run in plan.runs}:
        split_folder(root, "train")
    cube = next((run.commands["cube"] for run in plan.runs if "cube" in run.commands), None)
    if not isinstance(cube, TestCommand):
        return ""
    folder = full_stack_folder(cube.run.dataroot, cube.test.phase, "txm", cube.data)
    if not folder.is_dir() and volume_file(folder) is None:
        return f"there is no {folder}, so continuity along z is not measured"
    stack = open_full_stack(cube.run.dataroot, cube.test.phase, cube.data)
    try:
        choose_cube(stack, cube.data.patch_size, cube.volume, cube.run.seed)
    except UserError as error:
        raise UserError(f"{plan.path}, section cube: {error}") from None
    return ""


def _last_line(log: Path) -> str:
    """Return the last line that was printed, and where all of them are."""
    lines = log.read_text("utf-8", errors="replace").split("\n")
    return f"{next((line for line in reversed(lines) if line.strip()), 'it has printed nothing')} ({log} has all of it)"
