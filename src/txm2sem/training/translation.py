"""What the Lightning modules of all models share: a step, the schedule, validation, and what resuming needs."""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Callable, Iterable, Mapping, Sequence
from copy import deepcopy
from dataclasses import asdict
from typing import Any, Self

import numpy as np
import pytorch_lightning as pl
import torch
from numpy.typing import NDArray
from pytorch_lightning.core.optimizer import LightningOptimizer
from torch import Tensor, nn
from torch.optim import Adam, Optimizer
from torch.optim.lr_scheduler import ReduceLROnPlateau

from txm2sem.checkpoints import NotFiniteError, difference
from txm2sem.data import AlignedSlices, find_empty_level, middle_channel, resolve_ranges, to_uint8
from txm2sem.devices import device_of, move_images, move_network
from txm2sem.errors import UserError
from txm2sem.kept import weights_of
from txm2sem.metrics import Summary, psnr, ssim
from txm2sem.model.network import finished, generator_input
from txm2sem.model.predictor import Predictor
from txm2sem.model.spread import open_spread
from txm2sem.networks import build_generator, initialise
from txm2sem.objectives import crps_loss, jacobian_penalty, learning_rate_factor, spectrum_loss
from txm2sem.options import TrainCommand
from txm2sem.runs import paths_of
from txm2sem.scoring.evaluation import LinearFit, Prediction, fit_trivial_predictions
from txm2sem.training.accumulation import BatchPart, split
from txm2sem.training.drawing import training_noise, validation_noise
from txm2sem.training.forgiveness import Displacements, deformed
from txm2sem.training.position import Position
from txm2sem.training.resuming import SavedOptimizer
from txm2sem.training.starting import begin_with, frozen_modules
from txm2sem.training.stopwatch import CLOCK, Clock, Stopwatch

DISPLACEMENTS = "displacements"
"""Name of the slices' displacements among what is learned."""

JACOBIAN = "G_jacobian"
"""Name of the Jacobian penalty among the losses."""

WEIGHTS = {"D_real": 0.5, "D_fake": 0.5}
"""Losses that count with another weight than 1 in what is minimised: the discriminator's two are averaged."""


class TranslationModule(pl.LightningModule):
    """What all models share: the generator, its optimiser and schedule, validation, and a resumable position.

    Every step draws from a seed of its own, made of the run's seed, the position and the process's rank. So a run
    that was interrupted anywhere goes on as if it had not been, without saving the state of a random generator.

    Args:
        command: all options of the run, as `resolve` returns them.
        clock: what a `--time_budget` is measured with.

    Attributes:
        displacements: of the training slices, which are learned with the networks and are no part of the results; None
            unless given before the training.
    """

    bounded = True
    """Whether the generator makes images in (-1, 1), not logits."""

    def __init__(self, command: TrainCommand, clock: Clock = CLOCK) -> None:
        super().__init__()
        self.automatic_optimization = False
        self.command = command
        self.position = Position()
        self.stopwatch = Stopwatch(clock)
        self.batch_patches = 0
        self.losses: dict[str, Tensor] = {}
        self.validation_scores: list[dict[str, float]] = []
        self.random = torch.Generator().manual_seed(command.run.seed)
        self.generator = build_generator(command.model, bounded=self.bounded)
        self._initialise(self.generator)
        self.average = deepcopy(self.generator).requires_grad_(False) if command.schedule.ema > 0 else None
        self.frozen = [self.generator.get_submodule(name) for name in frozen_modules(command.model)]
        for layer in self.frozen:
            for weight in layer.parameters(recurse=False):
                weight.requires_grad_(False)
        self.train()  # Lightning keeps each layer as it finds it
        self.displacements: Displacements | None = None
        self._resumed: dict[str, SavedOptimizer] = {}

    def begin(self, echo: Callable[[str], None]) -> None:
        """Begin with the weights that `--init_from` names, see `begin_with`."""
        begin_with(self.networks, self.command, echo)
        self.restart_average()

    def restart_average(self) -> None:
        """Let the running average begin at the generator, where there is one."""
        if self.average is not None:
            self.average.load_state_dict(self.generator.state_dict())

    def train(self, mode: bool = True) -> Self:
        """Set whether the networks learn; statistics of layers that keep their weights stay as they are, too."""
        super().train(mode)
        for layer in self.frozen:
            if isinstance(layer, nn.BatchNorm2d):
                layer.eval()
        return self

    @classmethod
    def resolve(cls, command: TrainCommand, training: AlignedSlices) -> TrainCommand:
        """Return the options with what is left to be measured on the training slices as numbers.

        Raises:
            UserError: something cannot be measured, or an option is not of the form it must have, or does not go with
                the network.
        """
        if command.objective.lambda_crps > 0 and not command.model.draws_noise:
            raise UserError(
                f"--lambda_crps {command.objective.lambda_crps:g} compares draws: expected a generator that draws "
                f"samples, found --netG {command.model.netG}; pass --netG sampled_unet, or leave --lambda_crps out"
            )
        data, network = resolve_ranges(command.data, training), command.model
        # A run that goes on stays as it was begun, by a version that knew no level, too.
        if network.keep_empty and not command.schedule.continue_train:
            network = dataclasses.replace(network, empty_level=find_empty_level(data, network.empty_level))
        return dataclasses.replace(command, data=data, model=network)

    @property
    def networks(self) -> dict[str, nn.Module]:
        """The networks by the name that their checkpoints carry."""
        return {"G": self.generator}

    @property
    def learners(self) -> dict[str, nn.Module]:
        """What has an optimiser: the networks, and the displacements of slices where they are to be forgiven."""
        return self.networks if self.displacements is None else {**self.networks, DISPLACEMENTS: self.displacements}

    @property
    def results(self) -> dict[str, nn.Module]:
        """The networks as they are saved, shown and validated: with `--ema` the generator is the running average."""
        return {**self.networks, "G": self.generator if self.average is None else self.average}

    @property
    def epoch(self) -> int:
        """Number of the epoch under way, as schedule and file names count it."""
        return self.command.schedule.epoch_count + self.position.epoch

    @property
    def epochs_in_all(self) -> int:
        """Epochs that the run has in all."""
        schedule = self.command.schedule
        return schedule.niter + schedule.niter_decay - schedule.epoch_count + 1

    @property
    def last_epoch(self) -> int:
        """Number of the last epoch."""
        return self.command.schedule.niter + self.command.schedule.niter_decay

    @property
    def has_budget(self) -> bool:
        """Whether time, not a number of epochs, is what the run has."""
        return self.command.schedule.time_budget > 0

    @property
    def progress(self) -> float:
        """Share of the time budget that is used up, 0 to 1."""
        return min(1.0, self.position.seconds / (60 * self.command.schedule.time_budget))

    @property
    def finished(self) -> bool:
        """Whether the run has had all its epochs, or all its time, or has waited for a better score long enough."""
        reached_end = self.progress >= 1 if self.has_budget else self.position.epoch >= self.epochs_in_all
        return reached_end or self.is_patient_no_more

    @property
    def is_patient_no_more(self) -> bool:
        """Whether as many epochs as `--patience` says have not improved the validation score."""
        return 0 < self.command.schedule.patience <= self.position.waited

    @property
    def epoch_ends(self) -> bool:
        """Whether the latest batch was the last of its epoch, which the end of a time budget cuts short."""
        return self.position.patch >= self.command.sampling.num_train or (self.has_budget and self.finished)

    @property
    def awaits_validation(self) -> bool:
        """Whether an epoch has had all its batches, and its validation and what follows it are still to come."""
        return self.position.patch > 0 and self.epoch_ends

    @property
    def validated_epoch(self) -> int:
        """Number of the epoch that the next validation is of: the one under way, or that before the first batch."""
        return self.epoch - (self.position.iteration == 0)

    def has_just_reached(self, frequency: int) -> bool:
        """Say whether the latest batch has brought the patches seen in all to, or over, a multiple of `frequency`."""
        seen = self.position.iteration
        return seen // frequency > (seen - self.batch_patches) // frequency

    def forward(self, source: Tensor) -> Tensor:
        """Translate TXM (N, C, H, W) in [-1, 1] to SEM (N, 1, H, W) of the same size and range.

        With a model of samples it is the mean of `drawing.VALIDATED_DRAWS`, the same noise for all images.
        """
        image, generator = generator_input(source, self.command.model, source.device), self.results["G"]
        if not self.command.model.draws_noise:
            return self.finish(generator(image), source)
        draws = [self.finish(generator(image, drawn), source) for drawn in validation_noise(image)]
        return torch.stack(draws).mean(dim=0)

    def conclude(self, echo: Callable[[str], None]) -> None:
        """Find what is to be known of the model when all of it is trained and saved, and keep it beside it.

        Of a model of samples that is how strong its coarse noise is to be, see `model.spread`.
        """
        if not self.command.model.draws_noise:
            return
        device, model, paths = device_of(self.command.run.gpu_ids), self.command.model, paths_of(self.command)
        for label in ("best", "latest"):
            if paths.network(label, "G").exists():
                weights = weights_of(paths.network(label, "G"))
                predictor = Predictor.load(paths, label, model, device=device)
                _, notes = open_spread(self.command, label, predictor, weights)
                for note in notes:
                    echo(f"{label} model: {note}")

    def finish(self, output: Tensor, source: Tensor) -> Tensor:
        """Return what a generator's output (N, C, H, W) stands for, the prediction first."""
        return finished(output, source, self.command.model)

    def optimisation_step(
        self, source: Tensor, target: Tensor, valid: Tensor | None = None, place: Tensor | None = None
    ) -> dict[str, Tensor]:
        """Update the networks from one batch, `--accumulate` parts one after the other, and return the losses by name.

        Args:
            source: (N, C, H, W) in [-1, 1].
            target: what the prediction should be.
            valid: pixels that count, bool (N, 1, H, W); all where absent.
            place: slice, row and column of each pixel, (N, 3, H, W), where slices have displacements.
        """
        parts = self.parts(source, target, valid, place)
        return self.update("G", ((part.share, self.generator_losses(part, *self.translate(part))) for part in parts))

    def parts(
        self, source: Tensor, target: Tensor, valid: Tensor | None, place: Tensor | None = None
    ) -> list[BatchPart]:
        """Return a batch in the parts that it is taken through the networks in."""
        return split(source, target, valid, self.command.sampling.accumulate, place)

    def translate(self, part: BatchPart) -> tuple[Tensor, Tensor]:
        """Return what the generator sees of a part, and its prediction; both (N, C, H, W).

        The prediction lies where the SEM does, if displacements are learned, and is mid-grey in the pixels that do not
        count.
        """
        image = self.generator_input(part.source)
        drawn = (training_noise(image),) if self.command.model.draws_noise else ()
        prediction = self.finish(self.generator(image, *drawn), part.source)
        if self.displacements is not None and part.place is not None:
            prediction = deformed(prediction, self.displacements(part.place))
        return image, blank(prediction, part.valid)

    def counted(self, batch: Mapping[str, Tensor]) -> Tensor | None:
        """Return the pixels of a batch that count, bool (N, 1, H, W); None: all do."""
        valid = batch.get("valid")
        if self.displacements is None:
            return valid
        known = self.displacements.known(batch["place"])
        return known if valid is None else valid & known

    @abstractmethod
    def generator_losses(self, part: BatchPart, image: Tensor, prediction: Tensor) -> dict[str, Tensor]:
        """Return the weighted losses of the generator on a part by name, means over its patches.

        Args:
            part: the patches.
            image: what the generator has seen of them, as `translate` returns it.
            prediction: what it has made of it.
        """

    def setup(self, stage: str) -> None:
        """Move the networks to their device, in the layout that it wants, before their optimisers are made."""
        move_network(self, self.trainer.strategy.root_device)

    def transfer_batch_to_device(
        self, batch: dict[str, Tensor], device: torch.device, dataloader_idx: int
    ) -> dict[str, Tensor]:
        """Move a batch to the device, in the layout that it wants."""
        return {name: move_images(item, device) for name, item in batch.items()}

    def training_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Update the networks from one batch and move the position on."""
        options, place = self.command, self.position
        entropy = [options.run.seed, place.epoch, place.patch, self.global_rank]
        torch.manual_seed(int(np.random.SeedSequence(entropy).generate_state(1, np.uint64)[0] >> 1))
        losses = self.optimisation_step(batch["source"], batch["target"], self.counted(batch), batch.get("place"))
        self.check_finite("the losses", torch.stack([loss.detach().float() for loss in losses.values()]))
        # Terms that are not in every step stay as they were last, and are shown with what they weigh in the mean.
        shares = {JACOBIAN: 1 / options.objective.jacobian_interval}
        self.losses |= {name: shares.get(name, 1) * value.detach() for name, value in losses.items()}
        self.batch_patches = batch["source"].shape[0] * self.trainer.world_size
        place.patch += self.batch_patches
        place.iteration += self.batch_patches
        place.step += 1
        self.update_average()
        self.watch_budget()

    def check_finite(self, what: str, values: Tensor) -> None:
        """Check that the training has not failed; `values` are of `what`.

        Raises:
            NotFiniteError: they are infinite, or not numbers.
        """
        if not torch.isfinite(values).all():
            raise NotFiniteError(
                f"training has failed: {what} are not finite in epoch {self.epoch}, after {self.position.patch} patches"
            )

    def update_average(self) -> None:
        """Move the running average towards the generator, where there is one.

        The share that is kept rises to `--ema` over the first steps, (1 + n) / (10 + n), so that the average soon
        forgets where it began. Normalisation statistics are averages already, and are taken over.
        """
        if self.average is None:
            return
        step = self.position.step
        kept = min(self.command.schedule.ema, (1 + step) / (10 + step))
        with torch.no_grad():
            for average, weight in zip(self.average.parameters(), self.generator.parameters(), strict=True):
                average.lerp_(weight, 1 - kept)
            for gathered, statistic in zip(self.average.buffers(), self.generator.buffers(), strict=True):
                gathered.copy_(statistic)

    def watch_budget(self) -> None:
        """Read the clock where there is a time budget, and stop the training when that is used up.

        The main process's clock counts, so that several stop at the same batch, and until then learn at the same rate.
        Lightning then ends the epoch: validation and saving follow as usual.
        """
        if self.has_budget:
            self.position.seconds = self.trainer.strategy.broadcast(self.stopwatch.read())
            self.trainer.should_stop = self.finished

    def generator_input(self, source: Tensor) -> Tensor:
        """Return what the generator sees of a source image, ready to be differentiated by the Jacobian penalty."""
        return (
            generator_input(source, self.command.model, source.device).detach().requires_grad_(self.penalises_jacobian)
        )

    @property
    def penalises_jacobian(self) -> bool:
        """Whether the step under way evaluates the Jacobian penalty: every n-th one does, where it has a weight."""
        objective = self.command.objective
        return objective.lambda_img_grad > 0 and self.position.step % objective.jacobian_interval == 0

    def continuity_losses(self, prediction: Tensor, image: Tensor) -> dict[str, Tensor]:
        """Return the weighted Jacobian penalty by its name; nothing in steps that do not evaluate it.

        With `--jacobian_interval` n it counts n times, so that its mean over steps is that of every step (lazy
        regularisation: Karras et al. 2020, arXiv 1912.04958, section 3.1).
        """
        if not self.penalises_jacobian:
            return {}
        objective = self.command.objective
        weight = objective.lambda_img_grad * objective.jacobian_interval
        return {JACOBIAN: weight * jacobian_penalty(prediction, image)}

    def grain_losses(self, prediction: Tensor, part: BatchPart) -> dict[str, Tensor]:
        """Return the weighted distance of the power spectra by its name; nothing where it has no weight."""
        weight = self.command.objective.lambda_spectrum
        return {"G_spectrum": weight * spectrum_loss(prediction, blank(part.target, part.valid))} if weight > 0 else {}

    def draw_losses(self, prediction: Tensor, part: BatchPart) -> dict[str, Tensor]:
        """Return the weighted score of the prediction and another draw by its name; nothing where it has no weight."""
        weight = self.command.objective.lambda_crps
        if weight == 0:
            return {}
        _, other = self.translate(part)
        return {"G_CRPS": weight * crps_loss(prediction, other, blank(part.target, part.valid))}

    def update(self, network: str, parts: Iterable[tuple[float, dict[str, Tensor]]]) -> dict[str, Tensor]:
        """Take one optimiser step of one network (`G`, `D`), and return the mean losses over the parts, by name.

        Args:
            network: which.
            parts: of each part of the batch, its share of the patches and its losses. They are asked for one after the
                other, so that the graph of one is gone before that of the next is made.
        """
        optimizers = self.named_optimizers()
        means: dict[str, Tensor] = {}
        for share, losses in parts:
            self.manual_backward(share * total(losses))
            for name, loss in losses.items():
                means[name] = means.get(name, 0.0) + share * loss.detach()
        # What displaces predictions is moved by the losses of what makes them.
        for name in [network, DISPLACEMENTS] if network == "G" and self.displacements is not None else [network]:
            optimizers[name].step()
            # Not before the next step: until then they would take as much memory as the weights.
            optimizers[name].zero_grad()
        return means

    # -- schedule ---------------------------------------------------------------------------------------------------

    def configure_optimizers(self) -> list[Optimizer]:
        """Return an Adam optimiser for each network, and for displacements; weight decay applies to the generator."""
        schedule = self.command.schedule
        optimizers: dict[str, Optimizer] = {
            name: Adam(
                network.parameters(),
                lr=schedule.lr,
                betas=(schedule.beta1, 0.999),
                weight_decay=schedule.weight_decay if name == "G" else 0.0,
                fused=True,
            )
            for name, network in self.learners.items()
        }
        self.plateaus = {
            name: ReduceLROnPlateau(optimizer, mode="max", factor=0.2, patience=5)
            for name, optimizer in optimizers.items()
        }
        for name, saved in self._resumed.items():
            saved.take_up(optimizers[name], self.plateaus[name])
        self._resumed = {}
        return list(optimizers.values())

    def named_optimizers(self) -> dict[str, LightningOptimizer]:
        """Return the optimiser of each that learns."""
        found = self.optimizers()
        return dict(zip(self.learners, found if isinstance(found, list) else [found], strict=True))

    def on_fit_start(self) -> None:
        """Count the time from here on, the first validation included."""
        self.stopwatch.start()

    def on_train_epoch_start(self) -> None:
        """Set the learning rate of the epoch; the plateau policy sets its own after validation."""
        if not self.has_budget and self.command.schedule.lr_policy != "plateau":
            self.set_learning_rate(self.epoch)

    def on_train_batch_start(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Set the learning rate of the batch where a time budget takes the place of the epochs.

        It is that of the epoch, with a fraction, that the same share of all epochs would have come to.
        """
        if self.has_budget:
            self.watch_budget()
            self.set_learning_rate(self.command.schedule.epoch_count + self.progress * self.epochs_in_all)

    def set_learning_rate(self, epoch: float) -> None:
        """Set the learning rate that the policy has at an epoch."""
        schedule = self.command.schedule
        factor = learning_rate_factor(
            schedule.lr_policy,
            epoch,
            niter=schedule.niter,
            niter_decay=schedule.niter_decay,
            lr_decay_iters=schedule.lr_decay_iters,
        )
        for optimizer in self.named_optimizers().values():
            for group in optimizer.optimizer.param_groups:
                group["lr"] = schedule.lr * factor

    def on_train_epoch_end(self) -> None:
        """Count the epoch; runs after its validation."""
        if self.command.schedule.lr_policy == "plateau":
            for plateau in self.plateaus.values():
                plateau.step(next(iter(self.validation_summary().values())).mean)
        self.position.epoch += 1
        self.position.patch = 0
        self.watch_budget()
        if self.is_patient_no_more:
            self.trainer.should_stop = True

    # -- validation -------------------------------------------------------------------------------------------------

    def on_validation_epoch_start(self) -> None:
        """Forget the scores of the validation before."""
        self.validation_scores = []

    def validation_step(self, batch: dict[str, Tensor], batch_idx: int) -> None:
        """Score fixed patches with frozen statistics. Every process scores all of them: cheap, nothing to gather."""
        for index, prediction in enumerate(self.predicted(batch)):
            self.validation_scores.append(self.score(prediction, {name: item[index] for name, item in batch.items()}))

    def predicted(self, batch: dict[str, Tensor]) -> Tensor:
        """Return the predictions of fixed patches, (N, C, H, W).

        Raises:
            NotFiniteError: they are infinite, or not numbers.
        """
        predictions: Tensor = self(batch["source"])
        self.check_finite("predictions of validation patches", predictions)
        return predictions

    def score(self, prediction: Tensor, patch: dict[str, Tensor]) -> dict[str, float]:
        """Return the validation scores of one prediction (C, H, W) by name, the one to judge a model by first."""
        one, other = to_uint8(prediction[0]), to_uint8(patch["target"][0])
        valid = patch["valid"][0].cpu().numpy() if "valid" in patch else None
        return {"PSNR": psnr(one, other, valid), "SSIM": ssim(one, other, valid)}

    def validation_summary(self) -> dict[str, Summary]:
        """Return the scores of the latest validation by name; the plateau policy watches the first."""
        return summaries(self.validation_scores)

    def trivial_scores(
        self, training: Iterable[dict[str, Tensor]], validation: Iterable[dict[str, Tensor]]
    ) -> dict[str, dict[str, float]]:
        """Return the mean validation scores of predictions without a model, by name of the prediction and of the score.

        Args:
            training: fixed patches of the training split, with masks, which they are fitted on.
            validation: those of the validation split, without.
        """
        seen = "TXM" if self.command.data.direction == "AtoB" else "SEM"
        predictions: dict[str, Prediction] = {f"raw {seen}": LinearFit(1.0, 0.0), **fit_trivial_predictions(training)}
        scores: dict[str, list[dict[str, float]]] = {kind: [] for kind in predictions}
        for patch in validation:
            source = middle_channel(patch["source"]).numpy()
            for kind, predict in predictions.items():
                scores[kind].append(self.score(torch.from_numpy(predict(source))[None], patch))
        return {kind: means_of(summaries(found)) for kind, found in scores.items()}

    def note_score(self) -> bool:
        """Take note of the latest validation, after an epoch; say whether it is the best so far."""
        score = next(iter(self.validation_summary().values())).mean
        better = score > self.position.best
        self.position.best = score if better else self.position.best
        self.position.waited = 0 if better else self.position.waited + 1
        return better

    def pictures(self, prediction: Tensor, patch: dict[str, Tensor]) -> dict[str, NDArray[np.uint8]]:
        """Return what to show of one prediction (C, H, W) beside its patch, by name: 8-bit images (H, W)."""
        images = {"txm": middle_channel(patch["source"]), "prediction": prediction[0], "sem": patch["target"][0]}
        return {name: to_uint8(image) for name, image in images.items()}

    # -- resuming ---------------------------------------------------------------------------------------------------

    def state(self) -> dict[str, Any]:
        """Return everything that resuming needs: tensors and plain values only."""
        return {
            "position": asdict(dataclasses.replace(self.position, seconds=self.stopwatch.read())),
            "networks": {name: network.state_dict() for name, network in self.learners.items()},
            "optimizers": {name: item.optimizer.state_dict() for name, item in self.named_optimizers().items()},
            "plateaus": {name: plateau.state_dict() for name, plateau in self.plateaus.items()},
            "average": None if self.average is None else self.average.state_dict(),
            "losses": {name: float(value) for name, value in self.losses.items()},
        }

    def restore(self, state: Mapping[str, Any]) -> None:
        """Take up a state returned by `state`, once all of it is seen to fit; the optimisers follow when they are made.

        Raises:
            ValueError, TypeError, LookupError, AttributeError, RuntimeError: it is none, or not of these networks;
                nothing has changed.
        """
        position = Position.of(state["position"])
        saved = {
            name: SavedOptimizer.of(
                state["optimizers"][name], state["plateaus"][name], list(network.parameters()), position.step
            )
            for name, network in self.learners.items()
        }
        weights = [(network, state["networks"][name]) for name, network in self.learners.items()]
        if self.average is not None:
            weights.append((self.average, state["average"]))
        for network, found in weights:
            problem = difference(network.state_dict(), found)
            if problem:
                raise ValueError(problem)
        # Terms that are not in every step are shown as they were last.
        losses = {str(name): torch.tensor(float(loss)) for name, loss in state.get("losses", {}).items()}
        for network, found in weights:
            network.load_state_dict(dict(found))
        self.position, self._resumed, self.losses = position, saved, losses
        self.stopwatch.earlier = position.seconds

    def _initialise(self, network: nn.Module) -> None:
        initialise(network, self.command.model.init_type, self.command.model.init_gain, self.random)


def total(losses: dict[str, Tensor]) -> Tensor:
    """Return the sum of scalar losses, by name, with their `WEIGHTS`."""
    return torch.stack([WEIGHTS.get(name, 1.0) * loss for name, loss in losses.items()]).sum()


def summaries(patches: Sequence[Mapping[str, float]]) -> dict[str, Summary]:
    """Return means over patches, of whose scores there are the same in each, by name."""
    return {name: Summary.of([scores[name] for scores in patches]) for name in patches[0]}


def means_of(scores: Mapping[str, Summary]) -> dict[str, float]:
    """Return the means of scores, by name."""
    return {name: summary.mean for name, summary in scores.items()}


def blank(image: Tensor, valid: Tensor | None) -> Tensor:
    """Return an image (N, C, H, W) with 0, mid-grey, in the pixels that do not count; `valid` is bool (N, 1, H, W)."""
    return image if valid is None else image * valid
