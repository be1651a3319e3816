"""The commands, one function each: words in, lines for people out, exit status back.

A function imports what it runs when it runs, so that the help of all of them comes at once.
"""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from txm2sem.addresses import place_of
from txm2sem.cli.looks import (
    look_at_data,
    look_at_exported,
    look_at_instruments,
    look_at_model,
    look_at_runs,
    look_at_volume,
)
from txm2sem.cli.parsing import UsageError, help_of_config, parse, read_words
from txm2sem.errors import UserError, interruptible, nearest
from txm2sem.options import (
    COMMANDS,
    AlignCommand,
    CheckCommand,
    CompareCommand,
    ExportCommand,
    LoadCommand,
    MeasureCommand,
    PhantomCommand,
    PlaceOptions,
    RepairCommand,
    ReportCommand,
    SweepCommand,
    TestCommand,
    TrainCommand,
    TranslateCommand,
    VolumeCommand,
    is_model_file,
    option_words,
)
from txm2sem.resolving import config_text
from txm2sem.runs import RunPaths, VolumePaths
from txm2sem.verdicts import MOST_NAMED, Verdict

if TYPE_CHECKING:
    from txm2sem.applying.volume import VolumeRun
    from txm2sem.reporting.run_page import WrittenPage

PROBLEMS = 3
"""Exit status of a check that finds what makes training or its scores senseless; warnings leave it 0."""


@interruptible("the same command goes on with the images that are missing")
def translate(words: Sequence[str], program: str) -> int:
    """Translate TXM images, say how and where the result is."""
    places, command = parse(TranslateCommand(), words, program)
    if len(places) > 2:
        raise UsageError(
            f"expected the input and the output, found {len(places)} names; pass the folder of the images, as in: "
            f"{program} scan predicted"
        )
    if len(places) < 2:
        raise UsageError(
            f"expected a TXM image and a file to write, as in: {program} txm.tif predicted.tif; or a folder of images "
            f"and a new folder, as in: {program} scan predicted"
        )
    look_at_model(command, command.translate.epoch, command.translate.load_iter)

    from txm2sem.applying.images import ImageRun
    from txm2sem.memory import keep_freed_memory

    keep_freed_memory()
    run = ImageRun(command, *map(Path, places))
    if command.run.verbose:
        from txm2sem.details import device_line, generator_lines

        _print(*generator_lines(command.model), device_line(command.run))
    _print(*run.lines)
    from txm2sem.applying.images.report import translate_images

    translate_images(run)
    print(f"output:  {run.paths.output}{', which was whole already' if run.stage == 'whole' else ''}")
    own = "" if run.translator.model.is_shipped else command.run.name
    verdict = _beside_its_test(run.verdict, command.run.checkpoints_dir, own)
    _print(f"picture: {run.paths.picture}", *verdict.lines(8))
    return 0


@interruptible("the same command goes on with the slices that are missing")
def align(words: Sequence[str], program: str) -> int:
    """Lay SEM slices upon those of a TXM, say which are confirmed and what comes next."""
    places, command = parse(AlignCommand(), words, program)
    if len(places) not in (2, 3):
        raise UsageError(
            f"expected the TXM, the SEM and a new folder, as in: {program} txm sem images; or a data root and a new "
            f"folder, as in: {program} images images_aligned"
        )
    if len(places) == 3:
        look_at_instruments(Path(places[0]), Path(places[1]))

    from txm2sem.aligning.run import AlignRun
    from txm2sem.memory import keep_freed_memory

    keep_freed_memory()
    run = AlignRun(command, [Path(place) for place in places[:-1]], Path(places[-1]))
    _print(*run.lines)
    with _progress() as show:
        report = run.align(show)
    _print(*report.lines, f"images:  {run.output}", f"page:    {run.page}", *report.verdict.lines(8))
    if not report.trains:
        return PROBLEMS
    print(f"next:    {run.next_command}")
    return 0


@interruptible("nothing was written, and an earlier report is untouched; the same command begins anew")
def check(words: Sequence[str], program: str) -> int:
    """Look at a data root before any training, say what was found and where the report is."""
    places, command = parse(CheckCommand(), words, program)
    if len(places) != 1:
        raise UsageError(f"expected the folder that has train, val and test, as in: {program} images")

    from txm2sem.checking import check_data_root
    from txm2sem.memory import keep_freed_memory

    keep_freed_memory()
    with _progress() as show:
        kind = command.figure.figures
        report = check_data_root(Path(places[0]), command.data, command.check.output, show, kind)
    _print(*map(str, report.findings[:MOST_NAMED]))
    if more := report.findings[MOST_NAMED:]:
        print(f"and {len(more)} more in the report")
    if report.earlier is not None:
        print(f"earlier:  {report.earlier}")
    words, command_to_train = report.verdict.words, report.verdict.command
    _print(f"report:   {report.paths.page}", f"verdict:  {words[0].upper()}{words[1:]}.")
    if command_to_train:
        print(f"next:     {command_to_train}")
    return PROBLEMS if report.problems else 0


@interruptible("nothing is trained yet; the same command starts again")
def train(words: Sequence[str], program: str) -> int:
    """Train a model, say where everything is and what comes next."""
    _, command = parse(TrainCommand(), words, program)
    look_at_data(command)

    from tqdm import tqdm

    from txm2sem.commands import next_test
    from txm2sem.memory import keep_freed_memory
    from txm2sem.training.fit import fit
    from txm2sem.training.nodes import is_main_process

    keep_freed_memory()
    paths = fit(command, tqdm.write)
    if not is_main_process():
        return 0
    from txm2sem.reporting import verdict_on_training

    _print(f"models:  {paths.checkpoints}", *verdict_on_training(paths).lines(8), f"next:    {next_test(paths)}")
    return 0


@interruptible("the same command tests anew; earlier results are kept")
def test(words: Sequence[str], program: str) -> int:
    """Predict and score a split with a trained model, print the scores and where the pictures are."""
    _, command = parse(TestCommand(), words, program)
    look_at_model(command, command.test.epoch, command.test.load_iter)

    from txm2sem.details import test_details
    from txm2sem.memory import keep_freed_memory
    from txm2sem.testing import test_model

    keep_freed_memory()
    if command.run.verbose:
        _print(*test_details(command))
    report = test_model(command)
    if report.earlier:
        print(f"the earlier results are kept as {report.earlier}")
    _print(*report.lines, *(report.tables if command.run.verbose else []), f"images:   {report.paths.results}")
    for picture in report.pictures:
        print(f"{f'{picture.stem}:':<9} {picture}")
    from txm2sem.commands import places
    from txm2sem.reporting import verdict_on, verdict_on_cube

    is_cube = command.dataset_mode == "txm2sem3d"
    if report.tables:
        saved = command.volume.save_name
        print(f"tables:   {report.paths.volume_scores(saved, '.txt') if is_cube else report.paths.scores('.txt')}")
    named = shlex.join(["txm2sem", "report", report.paths.name])
    verdict = (verdict_on_cube if is_cube else verdict_on)(report.paths)
    _print(*verdict.lines(), f"next:     {named} {places(report.paths)}".rstrip())
    return 0


@interruptible("no page was written, and an earlier one is untouched")
def report(words: Sequence[str], program: str) -> int:
    """Write a page about a run, and say where it is."""
    names, command = parse(ReportCommand(), words, program)
    if len(names) != 1:
        raise UsageError(f"expected the name of a run, as in: {program} srgan_imgreg")
    paths = RunPaths.of(names[0], command.run.checkpoints_dir, command.run.results_dir)
    look_at_runs([paths])

    from txm2sem.reporting import report_run

    asked = command.report
    figures = command.figure.figures
    return _write_page(
        "report:", lambda: report_run(paths, asked.volume, asked.output, asked.txm, asked.measures, figures)
    )


@interruptible("no page was written, and an earlier one is untouched")
def compare(words: Sequence[str], program: str) -> int:
    """Write a page about several runs, side by side, and say where it is."""
    names, command = parse(CompareCommand(), words, program)
    if len(names) < 2:
        raise UsageError(f"expected the names of two runs or more, as in: {program} srgan_no_reg srgan_imgreg")
    runs = [RunPaths.of(name, command.run.checkpoints_dir, command.run.results_dir) for name in names]
    look_at_runs(runs)

    from txm2sem.reporting import compare_runs

    return _write_page("page:", lambda: compare_runs(runs, command.compare.output, command.figure.figures))


@interruptible("the same command goes on with what is missing")
def sweep(words: Sequence[str], program: str) -> int:
    """Train and test many models by a plan, say what was found of them, and where the table is."""
    places, command = parse(SweepCommand(), words, program)
    if len(places) != 1:
        raise UsageError(
            f"expected a plan, as in: {program} plan.yaml; or the one that comes along, as in: {program} paper "
            "--dataroot images"
        )

    from tqdm import tqdm

    from txm2sem.sweeping import Sweep

    made, asked = Sweep.of(command, places[0]), command.sweep
    if asked.dry_run or asked.slurm:
        _print(*(made.describe() if asked.dry_run else made.script()))
        return 0
    report = made.tabulate() if asked.table_only else made.run(tqdm.write)
    _print(*report.lines)
    for name, problem in report.failed.items():
        print(f"failed: {name}: {problem}")
    if report.table is not None:
        _print(*report.table.verdict().lines(7))
    if report.failed:
        print("next:   the same command goes on with what is missing")
    return 1 if report.failed else 0


@interruptible("the same command goes on with what is missing")
def volume(words: Sequence[str], program: str) -> int:
    """Translate a whole TXM volume: print the plan, then what was measured and where it is."""
    places, command = parse(VolumeCommand(), words, program)
    example = f"as in: {program} scan predicted.ome.zarr --name MODEL --voxel_size 32"
    if len(places) > 2:
        raise UsageError(
            f"expected the input and the output, found {len(places)} names; put a pattern in quotes, "
            f"as in: {program} 'scan/*.tif' predicted.ome.zarr --name MODEL --voxel_size 32"
        )
    if len(places) < 2:
        raise UsageError(f"expected the TXM volume and a file to write, {example}")
    if not command.run.name:
        raise UsageError(f"--name is missing: expected the name of a trained model, {example}")
    written: VolumePaths[Any] = VolumePaths(place_of(places[1]))
    written.check()
    look_at_volume(place_of(places[0]))
    look_at_model(command, command.volume.epoch, command.volume.load_iter)

    from txm2sem.applying.volume import VolumeRun
    from txm2sem.applying.volume.report import translate_volume
    from txm2sem.memory import keep_freed_memory

    keep_freed_memory()
    run = VolumeRun.of(command, places[0], places[1])
    if command.volume.dry_run:
        run.check()
        _print_plan(run)
        return 0
    with run.begin() as stage:
        if stage == "whole":
            print(f"volume:     {run.paths.output} is whole already")
            return 0
        _print_plan(run)
        report = translate_volume(run)
    verdict = _beside_its_test(report.verdict, command.run.checkpoints_dir, command.run.name)
    _print(*report.lines, f"volume:     {report.output}", f"picture:    {report.picture}", *verdict.lines(11))
    return 0


@interruptible("the same command goes on with what is missing")
def measure(words: Sequence[str], program: str) -> int:
    """Measure the phases of a volume: print the plan, then what was found and where it is."""
    places, command = parse(MeasureCommand(), words, program)
    if len(places) != 2:
        raise UsageError(
            f"expected a volume and a new folder, as in: {program} phases.ome.zarr measured; or, with a model of "
            f"yours: {program} scan measured --name MODEL --voxel_size 32"
        )

    source, output = place_of(places[0]), Path(places[1])
    look_at_volume(source)
    model = None
    if command.measure.name:
        from txm2sem.measuring.model import volume_command

        applied = volume_command(command)
        look_at_model(applied, applied.volume.epoch, applied.volume.load_iter)

        from txm2sem.applying.volume.applied import AppliedVolume

        model = partial(AppliedVolume, applied, source)

    from txm2sem.measuring.run import MeasureRun
    from txm2sem.memory import keep_freed_memory

    keep_freed_memory()
    run = MeasureRun(command, source, output, model)
    if command.measure.dry_run:
        _print(*run.describe())
        return 0
    with run.begin() as stage:
        if stage == "whole":
            print(f"measures:   {run.paths.output} is whole already")
            return 0
        if not run.is_applied:
            _print(*run.describe())
            run.apply()
        _print(*run.describe())
        from txm2sem.measuring.report import measure_volume

        report = measure_volume(run)
    verdict = _beside_its_test(report.verdict, command.measure.checkpoints_dir, command.measure.name)
    drawn = [] if command.figure.figures == "none" else [f"figures:    {run.paths.figures}"]
    _print(*report.lines, f"numbers:    {run.paths.table}", *drawn, f"page:       {run.paths.page}", *verdict.lines(11))
    return 0


@interruptible("the same command goes on with the slices that are missing")
def repair(words: Sequence[str], program: str) -> int:
    """Fill the charged regions of SEM slices, say what was repaired and where it is."""
    places, command = parse(RepairCommand(), words, program)
    if len(places) != 2:
        raise UsageError(
            f"expected the folder of the SEM slices and a folder to write, as in: {program} images/test/sem repaired "
            "--txm images/test/txm"
        )

    from txm2sem.memory import keep_freed_memory
    from txm2sem.repairing.slices import repair_slices

    keep_freed_memory()
    folder, out = map(Path, places)
    report = repair_slices(command, folder, out)
    _print(*report.lines, f"slices:  {out}", f"picture: {report.picture}", *report.verdict.lines(8))
    return 0


@interruptible("nothing was written; the same command begins anew")
def export(words: Sequence[str], program: str) -> int:
    """Write a trained model as one file, say what is in it and what a colleague does with it."""
    places, command = parse(ExportCommand(), words, program)
    if len(places) not in (1, 2):
        raise UsageError(
            f"expected the name of a run and a file to write, as in: {program} srgan_imgreg model.zip --author NAME "
            f"--license CC-BY-4.0; or the file alone, for the model that comes along, as in: {program} model.onnx"
        )

    *names, output = places
    for name in names:
        look_at_exported(command, name)

    from txm2sem.exporting import export_model

    report = export_model(command, names[0] if names else "", Path(output))
    _print(*report.lines, f"file:    {report.output}")
    if is_model_file(output):
        print(f"next:    {shlex.join(['txm2sem', 'load', output])}, where it is to be used; or --name {output} there")
    return 0


@interruptible("nothing was written; the same command begins anew")
def load(words: Sequence[str], program: str) -> int:
    """Take a model that somebody else has exported among one's own, and say what it is called."""
    places, command = parse(LoadCommand(), words, program)
    if len(places) != 1:
        raise UsageError(f"expected a file that txm2sem export has written, as in: {program} model.zip")

    from txm2sem.archives import load_run
    from txm2sem.commands import places as where

    paths = load_run(Path(places[0]), command.run.checkpoints_dir)
    named = " ".join([shlex.join(option_words("name", paths.name)), where(paths)]).strip()
    print(f"model: {paths.checkpoints}")
    print(f"next:  txm2sem volume INPUT OUTPUT {named}")
    return 0


@interruptible("nothing was written; the same command begins anew")
def phantom(words: Sequence[str], program: str) -> int:
    """Write a synthetic shale data set, say what it is and what comes next."""
    places, command = parse(PhantomCommand(), words, program)
    if len(places) != 1:
        raise UsageError(f"expected a folder to write, as in: {program} images --size 256")

    from txm2sem.phantoms import write_phantom
    from txm2sem.phantoms.instruments import TXM_FILE

    folder = Path(places[0])
    if command.seen.sem_from is not None:
        from txm2sem.imaging import image_slices

        with _progress() as show:
            facts = image_slices(folder, command.seen.sem_from, command.phantom, show)
        found = ", ".join(f"{len(numbers)} {split}" for split, numbers in facts["slices"].items())
        print(f"{folder}: the SEM slices of {command.seen.sem_from} ({found}), and what the phantom's TXM sees of them")
        print(f"next: {shlex.join(['txm2sem', 'train', '--recipe', 'translate', *option_words('dataroot', folder)])}")
        return 0
    with _progress() as show:
        facts = write_phantom(folder, command.phantom, show)
    print(f"{folder}: {facts['shape']} pixels (z, y, x), porosity {facts['porosity']:.3f}; all facts in phantom.json")
    if command.phantom.unaligned:
        print(f"TXM: {folder / TXM_FILE}; SEM slices: {folder / 'sem'}; phantom.json says where they lie in the TXM")
        return 0
    print(f"next: {shlex.join(['txm2sem', 'train', '--recipe', 'translate', *option_words('dataroot', folder)])}")
    return 0


def config(words: Sequence[str], program: str) -> int:
    """Print a file of the options of a command, with what the words give."""
    name = words[0] if words and not words[0].startswith("-") else "train"
    if name not in COMMANDS:
        raise UsageError(f"expected one of {', '.join(COMMANDS)}, found {name}{nearest(name, list(COMMANDS))}")
    said = read_words(COMMANDS[name], words[1:] if name in words[:1] else words)
    if said.help:
        print(help_of_config(program))
        return 0
    if said.places:
        raise UsageError(f"{program} {name} takes options alone, which begin with --; found {said.places[0]}")
    _print(*config_text(COMMANDS[name], said.given).splitlines())
    return 0


def _beside_its_test(verdict: Verdict, checkpoints_dir: Path, name: str) -> Verdict:
    """Return a verdict on what a model of the user's has made, with what its test has found."""
    if not name or _is_unpacked(checkpoints_dir):
        return verdict
    from txm2sem.reporting import concerns_of_test

    found = concerns_of_test(RunPaths.of(name, checkpoints_dir, PlaceOptions().results_dir))
    if any(one.kind == "needless" for one in found):
        # What is said of good models would be believed.
        verdict = replace(
            verdict, sentence="Build nothing on it: the model's test was no better than what needs no model."
        )
    return replace(verdict, concerns=[*found, *verdict.concerns])


def _is_unpacked(checkpoints_dir: Path) -> bool:
    """Say whether a model is one of a file, which has no test here."""
    from txm2sem.archives import kept_models

    with suppress(UserError):
        return checkpoints_dir.is_relative_to(kept_models())
    return False


def _print(*lines: str) -> None:
    for line in lines:
        print(line, flush=True)


def _print_plan(run: VolumeRun) -> None:
    from txm2sem.applying.volume import describe
    from txm2sem.details import device_line, generator_lines

    if run.stage == "begun":
        print(f"going on with {run.paths.work}")
    if run.command.run.verbose:
        _print(*generator_lines(run.command.model), device_line(run.command.run))
    _print(*describe(run))


def _write_page(title: str, write: Callable[[], WrittenPage]) -> int:
    """Write a page, say where it is under a title, and return the exit status."""
    written = write()
    width = max(len(title), len("earlier:"))
    for problem in written.problems:
        print(f"{'note:':<{width}} not shown: {problem}")
    if written.earlier is not None:
        print(f"{'earlier:':<{width}} {written.earlier}")
    if written.figures is not None:
        print(f"{'figures:':<{width}} {written.figures}")
    _print(f"{title:<{width}} {written.path}", *written.verdict.lines(width))
    return 0


@contextmanager
def _progress() -> Iterator[Callable[[float, str], None]]:
    """Show a bar, which is told the share of the work that is done and what comes next."""
    from tqdm import tqdm

    with tqdm(total=1.0, bar_format="{desc:<24} {bar} {elapsed}<{remaining}", disable=None) as bar:

        def show(done: float, task: str) -> None:
            bar.set_description_str(task)
            bar.update(done - bar.n)

        yield show
