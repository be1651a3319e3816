"""Train a model: the wiring, from options to a finished run."""

from __future__ import annotations

import logging
import math
import warnings
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from datetime import timedelta
from pathlib import Path

import psutil
import pytorch_lightning as pl
import torch
from pytorch_lightning.loggers import TensorBoardLogger
from pytorch_lightning.strategies import DDPStrategy
from torch import Tensor
from torch.utils.data import DataLoader

from txm2sem.checkpoints import NotFiniteError, load, load_network
from txm2sem.course import Course, append_trivial, cut_course
from txm2sem.data import DATASET_MODES, AlignedSlices, EpochSampler, EvaluationPatches, check_channels, size_option
from txm2sem.data.bars import check_bars
from txm2sem.data.coverage import check_coverage
from txm2sem.details import training_details
from txm2sem.devices import devices_of
from txm2sem.errors import Interrupted, UserError, interruptible
from txm2sem.files import LOCK, held, interpreting, set_aside, write_text
from txm2sem.networks import build_discriminator, build_generator, check_patch_size
from txm2sem.options import ADVERSARIAL_MODELS, ModelOptions, TrainCommand, to_mapping
from txm2sem.origin import checksums, recorded
from txm2sem.runs import RunPaths, options_text, paths_of, write_options
from txm2sem.training.callbacks import Checkpoints, DisplacementLog, Echo, LossLog, ValidationLog
from txm2sem.training.displays import displays
from txm2sem.training.forgiveness import Displacements
from txm2sem.training.loading import LoadingError, PatchLoader, end_loading, ignore_signals, loaders_of
from txm2sem.training.models import MODELS
from txm2sem.training.nodes import answering, find_place, is_main_process
from txm2sem.training.outlook import outlook
from txm2sem.training.progress import Progress, TimeLeft
from txm2sem.training.stopwatch import CLOCK, Clock
from txm2sem.training.translation import TranslationModule
from txm2sem.txm_noise import keep_txm_noise

FOR_NUMBERS = "; but lower --lr, or the losses' weights, or pass --precision fp32"
"""What else to do where losses are no numbers any more."""


def fit(command: TrainCommand, echo: Echo, clock: Clock = CLOCK) -> RunPaths:
    """Train a model and leave its checkpoints, options and logs in `checkpoints_dir/NAME`.

    Args:
        command: the resolved options.
        echo: receives each line for the console.
        clock: what a time budget is measured with.

    Returns:
        The paths of the run, which has had all its epochs.

    Raises:
        UserError: data, options, checkpoint or device do not allow it, found before anything is moved or written; or
            the training has failed.
        Interrupted: asked to stop; its notes say what is saved.
    """
    again = "goes on from what was saved before" if command.schedule.continue_train else "begins anew"
    with interruptible(f"nothing is trained yet: the same command {again}"):
        return _fit(command, echo, clock)


def _fit(command: TrainCommand, echo: Echo, clock: Clock) -> RunPaths:
    paths = paths_of(command)
    devices = devices_of(command.run.gpu_ids)
    find_place(command.run.num_nodes, len(devices))
    echo = echo if is_main_process() else _silent
    check_channels(command.model, command.data)
    size = size_option(command.data)
    check_patch_size(command.model, getattr(command.data, size), size)
    check_memory(command.model)
    training = AlignedSlices.open(command.run.dataroot, command.sampling.phase, command.data)
    validation = AlignedSlices.open(command.run.dataroot, "val", command.data)
    for note in [*check_bars(training), *check_bars(validation), *check_coverage(training, command.data)]:
        echo(f"note: {note}")
    model = MODELS[command.model.model]
    command = model.resolve(command, training)
    module = model(command, clock)
    if command.model.init_from and not command.schedule.continue_train:
        module.begin(echo)
    module.displacements = Displacements.of(training, command.sampling.forgive)
    patches = PatchData(module, training, validation)
    if command.schedule.continue_train and not (paths.state.exists() or paths.network("latest", "G").exists()):
        raise UserError(
            f"there is nothing in {paths.checkpoints} to go on with; leave out --continue_train, or check --name"
        )

    files = checksums(command.run.dataroot, [training, validation]) if is_main_process() else {}
    with held(paths.checkpoints) if is_main_process() else nullcontext():
        if command.schedule.continue_train:
            resume(module, paths, echo)
        elif is_main_process():
            move_earlier_run(paths, echo)
        if module.finished and not module.awaits_validation:
            echo(f"{paths.name} {how_finished(module)}")
            return paths
        if is_main_process():
            write_run_options(paths, command)
            if command.run.verbose:
                for line in training_details(command, module.networks):
                    echo(line)
        left = TimeLeft(module, None, len(patches.validation), len(devices) * command.run.num_nodes, clock)
        if is_main_process():
            for line in outlook(left, devices):
                echo(line)
            note_what_to_beat(module, paths, patches, echo)
            keep_txm_noise(paths, training, command.data)
        trainer = build_trainer(module, paths, echo, devices, left)
        goes_on = command.schedule.continue_train
        with recorded(paths, command.run, files, echo, goes_on=goes_on) if is_main_process() else nullcontext():
            train(trainer, module, patches)
        if is_main_process():
            with interruptible("the model is trained and saved; the next test finds what else is to be known of it"):
                module.conclude(echo)
    return paths


def train(trainer: pl.Trainer, module: TranslationModule, patches: PatchData) -> None:
    """Train to the end.

    Raises:
        UserError: the training has failed; the message says what there is to go on from.
        Interrupted: asked to stop; its notes say what is saved.
    """
    checkpoints = trainer.checkpoint_callback
    assert isinstance(checkpoints, Checkpoints)
    together = trainer.num_nodes * trainer.num_devices
    try:
        with answering(together, module.command.run.node_timeout, lambda: checkpoints.remedy):
            trainer.fit(module, patches)
    except SystemExit:  # Lightning's answer to an interrupt
        assert checkpoints.interruption is not None
        checkpoints.interruption.add_note(checkpoints.remedy)
        raise checkpoints.interruption from None
    except (NotFiniteError, LoadingError) as error:
        if checkpoints.asked:  # to stop, which is what it does now
            stop = Interrupted(checkpoints.asked)
            stop.add_note(checkpoints.remedy)
            raise stop from error
        advice = "" if isinstance(error, LoadingError) else FOR_NUMBERS
        raise UserError(f"{error}. {checkpoints.remedy}{advice}") from error
    finally:
        end_loading()
    if not module.finished:
        raise UserError(f"training has ended before its end. {checkpoints.remedy}")


def how_finished(module: TranslationModule) -> str:
    """Say what a finished run has had, and how to train it further."""
    if module.is_patient_no_more:
        patience = module.command.schedule.patience
        return f"has not become better in {patience} epochs; a larger --patience, or 0, trains it further"
    if module.has_budget:
        budget = module.command.schedule.time_budget
        return f"has used up its time budget of {budget:g} minutes; a larger --time_budget trains it further"
    return f"is trained for all its {module.epochs_in_all} epochs; a larger --niter trains it further"


def check_memory(options: ModelOptions) -> None:
    """Check that the machine has room for networks: weights, gradients, and two averages of these.

    Raises:
        UserError: it has not.
    """
    with torch.device("meta"):  # the shapes alone
        networks = [build_generator(options)]
        if options.model in ADVERSARIAL_MODELS:
            networks.append(build_discriminator(options, options.input_nc + options.output_nc))
    needed = 4 * sum(weight.nbytes for network in networks for weight in network.parameters())
    there = psutil.virtual_memory().total
    if needed > there:
        raise UserError(
            f"--ngf {options.ngf} --ndf {options.ndf}: training networks of this size takes {needed / 1e9:.0f} GB, and "
            f"this machine has {there / 1e9:.0f} GB; pass smaller numbers"
        )


def _silent(line: str) -> None:
    """Print nothing: the first process prints what all of them have to say."""


class PatchData(pl.LightningDataModule):
    """The patches of a run: random ones for training, from where the run stands, and fixed ones for validation.

    Raises:
        UserError: the validation split has no usable patches of the size asked for.
    """

    def __init__(self, module: TranslationModule, training: AlignedSlices, validation: AlignedSlices) -> None:
        super().__init__()
        self.module = module
        self.command = module.command
        mode = DATASET_MODES[self.command.data.dataset_mode]
        self.training = mode.training(training, self.command.data, self.command.run.seed, self.command.sampling)
        self.validation = mode.evaluation(validation, self.command.data, with_masks=False)

    def fixed_training(self) -> EvaluationPatches:
        """Return fixed patches of the training split, with masks."""
        mode = DATASET_MODES[self.command.data.dataset_mode]
        return mode.evaluation(self.training.slices, self.command.data)

    def train_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Return the rest of the epoch that the run stands in; called anew for every epoch."""
        trainer = self.trainer
        assert trainer is not None
        sampler = EpochSampler(
            self.module.position.epoch,
            self.command.sampling.num_train,
            start=self.module.position.patch,
            rank=trainer.global_rank,
            world_size=trainer.world_size,
        )
        return PatchLoader(
            self.training,
            batch_size=self.command.sampling.batch_size,
            sampler=sampler,
            num_workers=loaders_of(self.command.run.num_threads),
            worker_init_fn=ignore_signals,
            pin_memory=self.module.device.type == "cuda",
        )

    def val_dataloader(self) -> DataLoader[dict[str, Tensor]]:
        """Return the fixed patches of the validation split."""
        return DataLoader(
            self.validation,
            batch_size=self.command.sampling.batch_size,
            pin_memory=self.module.device.type == "cuda",
        )


def build_trainer(
    module: TranslationModule,
    paths: RunPaths,
    echo: Echo,
    devices: Sequence[torch.device],
    left: TimeLeft | None = None,
) -> pl.Trainer:
    """Return the Lightning trainer of a run.

    Args:
        module: the model, at the position that the run starts from.
        paths: where logs and checkpoints go.
        echo: receives each line for the console.
        devices: of this node, all of one type; several, and those of all nodes, train together (DDP), each in a process
            of its own.
        left: what is known of how long the run takes; None: nothing yet.
    """
    kind, run = devices[0].type, module.command.run
    processes = len(devices) * run.num_nodes
    left = left or TimeLeft(module, None, 0, processes)
    checkpoints = Checkpoints(module, paths, echo)
    logging.getLogger("pytorch_lightning").setLevel(logging.WARNING)
    # Lightning's advice about loader processes and logging intervals is addressed to programmers.
    warnings.filterwarnings("ignore", module="pytorch_lightning")
    fresh = module.position.iteration == 0
    return pl.Trainer(
        accelerator=kind,
        devices=[device.index for device in devices] if kind == "cuda" else len(devices),
        num_nodes=run.num_nodes,
        # Each of the adversarial steps leaves the parameters of the other network without gradients.
        strategy=DDPStrategy(find_unused_parameters=True, timeout=timedelta(seconds=run.node_timeout))
        if processes > 1
        else "auto",
        precision="bf16-mixed" if run.precision == "bf16" else "32-true",
        # Patches are all of one size, so cuDNN can find the fastest of its algorithms once, by trying.
        benchmark=kind == "cuda",
        max_epochs=-1 if module.has_budget else module.epochs_in_all - module.position.epoch - module.awaits_validation,
        # The whole validation before the first epoch of a fresh run gives the scores of epoch 0; a run that was
        # stopped between the last patch of an epoch and its end begins with that, too.
        num_sanity_val_steps=-1 if fresh or module.awaits_validation else 0,
        reload_dataloaders_every_n_epochs=1,
        use_distributed_sampler=False,
        callbacks=[
            left,
            LossLog(module, paths, echo),
            ValidationLog(module, paths, echo),
            DisplacementLog(module, paths, echo),
            *displays(module, paths, echo, left),
            Progress(module, left, checkpoints, echo),
            checkpoints,
        ],
        logger=TensorBoardLogger(
            paths.checkpoints,
            name="tensorboard",
            version="",
            # Of what is trained again after a resumption, the later values are shown.
            purge_step=None if fresh else module.position.iteration + 1,
        ),
        enable_progress_bar=False,
        enable_model_summary=False,
    )


def note_what_to_beat(module: TranslationModule, paths: RunPaths, patches: PatchData, echo: Echo) -> None:
    """Write and say what predictions without a model score on the validation patches, once for a run.

    Raises:
        UserError: the disk is full or the folder not writable.
    """
    found = Course.read(paths.course, 1).trivial
    if not found:
        try:
            training = patches.fixed_training()
        except UserError as error:  # there are patches to draw at random, but not so many to evaluate on
            echo(f"note: nothing is fitted without a model: {error}")
            return
        found = module.trivial_scores(training, patches.validation)
        append_trivial(paths, found)
    echo(f"to beat: {best_trivial(found)}")


def best_trivial(found: Mapping[str, Mapping[str, float]]) -> str:
    """Return the scores of the prediction without a model that has the best first score."""
    kind, scores = max(found.items(), key=lambda item: next(iter(item[1].values()), -math.inf))
    return f"{', '.join(f'{name}={mean:.4g}' for name, mean in scores.items())} by {kind}"


def move_earlier_run(paths: RunPaths, echo: Echo) -> None:
    """Move checkpoints and results of an earlier run of the same name aside, and say where.

    Raises:
        UserError: something cannot be moved, or another process tests the run, or writes into the results; nothing is
            moved then.
    """
    with held(paths.results) if paths.results.is_dir() else nullcontext():
        for growing in paths.results.glob(f"*/{LOCK}"):
            with held(growing.parent):  # nobody tests what would be moved
                pass
        earlier = move_content(paths.checkpoints)
        results = move_content(paths.results) if paths.results.is_dir() else None
    if earlier:
        echo(f"the earlier {paths.checkpoints} is kept as {earlier}: --name {earlier.name} is that run")
    if results:
        echo(f"the earlier {paths.results} is kept as {results}")


def move_content(folder: Path) -> Path | None:
    """Move what is in a folder that is held aside, and return where; the folder itself stays, as the lock is in it."""
    return set_aside([path for path in folder.iterdir() if path.name != LOCK], folder)


def resume(module: TranslationModule, paths: RunPaths, echo: Echo) -> None:
    """Bring a module, and the logs, to where the run stopped.

    Checkpoints of the original code have networks only; training then goes on from their weights at `--epoch_count`.

    Raises:
        UserError: there is nothing to go on from, or it does not fit the options.
    """
    if paths.state.exists():
        remedy = "pass the options that the run was started with, or train again under another --name"
        try:
            with interpreting(paths.state, "the state of this training", remedy):
                module.restore(load(paths.state))
        except RuntimeError as error:
            raise UserError(f"{paths.state} does not fit this run ({error}); {remedy}") from error
        if is_main_process():
            cut_course(paths, module.epoch, module.position.patch, module.validated_epoch)
        echo(f"going on with {paths.name} at epoch {module.epoch}, patch {module.position.patch}")
        return
    for name, network in module.networks.items():
        load_network(network, paths.network("latest", name), module.command.model)
    module.restart_average()
    echo(f"{paths.state} is not there: going on from the weights alone, at epoch {module.epoch}")


def write_run_options(paths: RunPaths, command: TrainCommand) -> None:
    """Save the resolved options beside the networks: as YAML for testing and resuming, as text for people."""
    # A run that was resumed ends as an uninterrupted one.
    options = {**to_mapping(command), "continue_train": False}
    write_options(paths.options, options)
    write_text(paths.train_options_text, options_text(options, to_mapping(TrainCommand())))
