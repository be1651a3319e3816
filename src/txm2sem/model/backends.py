"""What computes a generator: torch, or OpenVINO in 8-bit integers, whose ranges are found once on training patches.

The ranges are kept beside the checkpoint, with what they were found for; so tests and volumes share them, and volumes
need no training images.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from txm2sem.checkpoints import load_generator
from txm2sem.data import AlignedSlices, EvaluationPatches, downsample, has_split
from txm2sem.devices import device_of, dtype_of
from txm2sem.errors import UserError
from txm2sem.files import interpreting, read_json, typed
from txm2sem.kept import keep
from txm2sem.memory import return_freed_memory
from txm2sem.model.openvino import OpenVinoNetwork, Ranges, find_ranges, import_openvino, range_names
from txm2sem.model.predictor import Predictor
from txm2sem.options import (
    BackendName,
    DataOptions,
    GeneratorOptions,
    ImagesRunOptions,
    ModelCommand,
)
from txm2sem.progress import progress_bar
from txm2sem.runs import paths_of, trained_with

EXAMPLES = 32
"""Training patches on which ranges are found."""

CHECKS = 16
"""Further ones on which the quantised network is compared with the float32 one."""

TOLERATED_LOSS = 0.1
"""Loss of PSNR from which on a user is warned [dB]."""

SHAPING = ("direction", "context_slices", "preprocess", "gamma", "hist_eq", "txm_range", "sem_range")
"""Options that change which values the network sees."""

FILTERS = ("linearfilt", "gammafilt")
"""Generators that take little time as they are."""


@dataclass(frozen=True)
class Calibration:
    """Ranges of a generator and how near they bring it to float32.

    Attributes:
        identity: what they belong to: plain values by name.
        ranges: of what convolutions see.
        agreement: PSNR of the quantised prediction to the float32 one [dB], grey values reaching from -1 to 1.
        loss: by how much its PSNR to the truth is lower than that of the float32 one [dB].
    """

    identity: dict[str, Any]
    ranges: Ranges
    agreement: float
    loss: float

    def text(self) -> str:
        """Return it as JSON."""
        return json.dumps(dataclasses.asdict(self), indent=1) + "\n"

    @classmethod
    def load(cls, path: Path) -> Calibration:
        """Read what `text` has given.

        Raises:
            UserError: the file is something else.
        """
        remedy = "remove it, and they are found anew"
        with interpreting(path, "the ranges that --backend openvino keeps beside a checkpoint", remedy):
            found: Calibration = typed(cls, read_json(path, remedy))
            if not all(low <= 0 <= high for low, high in found.ranges.values()):
                raise ValueError("ranges without 0")
            return found

    @property
    def note(self) -> str:
        """What the user must know of it."""
        advice = (
            f", by more than {TOLERATED_LOSS} dB: --backend torch avoids that" if self.loss > TOLERATED_LOSS else ""
        )
        return (
            f"on {CHECKS} other training patches the quantised prediction is within {self.agreement:.1f} dB (PSNR) of "
            f"the float32 one, and its PSNR to the truth changes by {-self.loss:+.3f} dB{advice}"
        )


def load_predictor(
    command: ModelCommand, backend: BackendName, label: str, weights: str, *, frozen: bool = True, bounded: bool = True
) -> Predictor:
    """Return the predictor of a command's model, at the label of a checkpoint.

    Args:
        command: the options.
        backend: what computes.
        label: of the checkpoint.
        weights: `weights_of` the checkpoint.
        frozen: as `Predictor`.
        bounded: as `build_generator`.

    Raises:
        UserError: device or checkpoint are absent, do not fit the options, or the backend cannot compute them.
    """
    paths = paths_of(command)
    device = device_of(command.run.gpu_ids)
    checkpoint = paths.network(label, "G")
    if backend == "torch":
        dtype = dtype_of(command.run.precision)
        loaded = Predictor.load(paths, label, command.model, frozen=frozen, bounded=bounded, device=device, dtype=dtype)
        if not command.model.draws_noise:
            return loaded
        # What it is found with takes longer to import than a network does.
        from txm2sem.model.spread import spread_honestly

        return spread_honestly(command, label, loaded, weights)
    _check_applicable(command, device, frozen)
    import_openvino()
    generator = load_generator(checkpoint, command.model, bounded=bounded)
    kept = paths.calibration(label)
    known = Calibration.load(kept) if kept.exists() else None
    trained = trained_with(command)
    options = {name: getattr(trained.data, name) for name in SHAPING}
    identity = {"checkpoint_sha256": weights, "examples": EXAMPLES, **options}
    if known is not None and known.identity == identity and set(known.ranges) == range_names(generator):
        calibration, when = known, f"as before on {EXAMPLES} training patches (kept as {kept})"
    else:
        runs = (trained.run, command.run)
        roots = [run.dataroot for run in runs if isinstance(run, ImagesRunOptions)]
        patches = _patches(roots, trained.data, known, kept)
        calibration = _calibrate(generator, command.model, patches, identity)
        outcome = keep(kept, calibration.text(), {checkpoint: weights}) or f"kept as {kept}"
        when = f"now on {EXAMPLES} training patches ({outcome})"
    network = OpenVinoNetwork(generator, command.model.input_nc, calibration.ranges)
    return_freed_memory()
    first = f"OpenVINO computes in 8-bit integers, quantised {when}"
    return Predictor(network, command.model, frozen=frozen, notes=(first, calibration.note))


def _check_applicable(command: ModelCommand, device: torch.device, frozen: bool) -> None:
    model = command.model
    if command.run.precision != "fp32":
        raise UserError(
            f"--backend openvino computes in 8-bit integers, and --precision {command.run.precision} is of torch; pass "
            "--precision fp32, which leaves that out, or --backend torch"
        )
    if device.type != "cpu":
        raise UserError(
            f"--backend openvino computes on the CPU, and --gpu_ids {command.run.gpu_ids} names a GPU; pass "
            "--gpu_ids -1, or --backend torch"
        )
    if model.netG in FILTERS:
        raise UserError(
            f"--backend openvino is not there for --netG {model.netG}, which is fast as it is; leave it out"
        )
    if model.draws_grain:
        raise UserError(
            f"--backend openvino is not there for --netG {model.netG}, whose noise is computed in whole numbers of 64 "
            "bits; leave it out"
        )
    if model.draws_noise:
        raise UserError(
            f"--backend openvino is not there for --netG {model.netG}, which takes noise beside the image; leave it out"
        )
    if not frozen and (model.norm == "batch" or not model.no_dropout):
        raise UserError(
            "--backend openvino has the normalisation statistics of training and no dropout, but without --eval both "
            "depend on the patch; pass --eval, or --backend torch"
        )


def _patches(roots: list[Path], data: DataOptions, known: Calibration | None, kept: Path) -> EvaluationPatches:
    """Return the training patches to find ranges on, of the first data root that has any."""
    root = next((root for root in roots if has_split(root, "train")), None)
    if root is None:
        found = (
            f"{kept} belongs to another checkpoint or other options" if known else f"{kept} has not been made before"
        )
        raise UserError(
            f"--backend openvino needs training patches once, to find the range of what each layer sees: {found}, and "
            f"there is no training split in {' or '.join(map(str, dict.fromkeys(roots)))}. Pass --dataroot, the folder "
            "that the model was trained on, this once; or leave --backend out"
        )
    slices = AlignedSlices.open(root, "train", data)
    return EvaluationPatches(slices, dataclasses.replace(data, num_test=EXAMPLES + CHECKS), with_masks=False)


@torch.inference_mode()
def _calibrate(
    generator: nn.Module, model: GeneratorOptions, patches: EvaluationPatches, identity: dict[str, Any]
) -> Calibration:
    bar = progress_bar(patches, total=len(patches), desc="quantising", unit="patch")
    pairs = ((downsample(patch["source"][None], model.downsample_factor), patch["target"][None]) for patch in bar)
    ranges = find_ranges(generator, [next(pairs)[0] for _ in range(EXAMPLES)])
    quantised = OpenVinoNetwork(generator, model.input_nc, ranges)
    agreement, loss = _compare(generator.eval(), quantised, pairs)
    return Calibration(identity, ranges, agreement, loss)


def _compare(exact: nn.Module, quantised: nn.Module, pairs: Iterable[tuple[Tensor, Tensor]]) -> tuple[float, float]:
    """Return the mean PSNR between two networks, and how much lower that of the second is to the truth [dB]."""
    agreements, losses = [], []
    for source, target in pairs:
        one, other = (network(source)[:, :1] for network in (exact, quantised))
        agreements.append(_psnr(other, one))
        losses.append(_psnr(one, target) - _psnr(other, target))
    return sum(agreements) / len(agreements), sum(losses) / len(losses)


def _psnr(image: Tensor, target: Tensor) -> float:
    """Return the PSNR of images in [-1, 1] [dB]; at most 120, for equal ones."""
    error = torch.mean((image.double() - target) ** 2).clamp_min(4e-12)
    return float(10 * torch.log10(4 / error))
