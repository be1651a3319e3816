"""A trained translation model as the frozen first stage of another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from txm2sem.data import DATASET_MODES
from txm2sem.devices import dtype_of
from txm2sem.errors import UserError
from txm2sem.files import checksum
from txm2sem.model.predictor import Predictor
from txm2sem.networks import size_multiple
from txm2sem.options import MODEL_DEFAULTS, DataOptions, ModelCommand, TrainCommand, TrainedOptions, override
from txm2sem.runs import RunPaths, paths_of, read_options

INPUTS = {"sem": "SEM", "txm": "TXM", "semfake": "predicted SEM"}
"""What each `--seg_mode` segments."""


def notes_on_input(command: ModelCommand, data: DataOptions) -> list[str]:
    """Return what the user must know of the image that a command segments.

    Args:
        command: the options.
        data: those that say which image that is.

    Raises:
        UserError: `--seg_source` is passed for an image that needs none.
    """
    saved = paths_of(command).options
    trained = read_options(saved) if saved.exists() else {}
    if data.seg_mode != "semfake" and data.seg_source != trained.get("seg_source", ""):
        raise UserError(
            f"--seg_source does nothing with --seg_mode {data.seg_mode}; leave it out, or pass --seg_mode semfake"
        )
    mode = trained.get("seg_mode", data.seg_mode)
    return (
        []
        if mode == data.seg_mode
        else [f"the model was trained on {INPUTS[mode]} and segments {INPUTS[data.seg_mode]}"]
    )


def segmented_image(run: TrainedOptions, data: DataOptions) -> str:
    """Return what is segmented, for people; and what predicts it, where that is done, once `load_first_stage` has."""
    if data.seg_mode != "semfake":
        return INPUTS[data.seg_mode]
    checkpoint = source_paths(run.checkpoints_dir, data.seg_source).network("latest", "G")
    return f"SEM predicted by {data.seg_source} with SHA-256 {checksum(checkpoint)}"


def load_first_stage(run: TrainedOptions, data: DataOptions, device: torch.device | str = "cpu") -> Predictor | None:
    """Return the translation model that `--seg_source` names; None where `--seg_mode` needs none.

    Its architecture is that of its saved options, its weights are the latest; statistics are frozen, dropout is off.

    Args:
        run: where its run is, and in which format to compute.
        data: with the grey ranges and the patch size that it is to be used with.
        device: where to compute.

    Raises:
        UserError: no model is named, or it is missing, damaged, no translation model, draws samples, or is made for
            other grey values or another patch size.
    """
    if data.seg_mode != "semfake":
        return None
    saved = read_source_options(run.checkpoints_dir, data)
    for name in ("txm_range", "sem_range", "gamma", "hist_eq"):
        wanted = getattr(data, name)
        found = saved.get(name, wanted)
        if found != wanted:
            raise UserError(
                f"--seg_source {data.seg_source} was trained with --{name} {found}, but here it is {wanted}; train "
                "both models with the same grey values"
            )
    options = override(TrainCommand(), {**MODEL_DEFAULTS[saved["model"]], **saved}).model
    if options.draws_noise:
        raise UserError(
            f"--seg_source {data.seg_source} draws samples (--netG {options.netG}), each with phases of its own; "
            "expected a model that predicts one image; for phases of draws pass a volume of them to txm2sem measure"
        )
    multiple = size_multiple(options)
    if data.patch_size % multiple:
        nearest = max(round(data.patch_size / multiple), 1) * multiple
        raise UserError(
            f"--patch_size {data.patch_size}: expected a multiple of {multiple} for --seg_source {data.seg_source} "
            f"({options.netG}); pass --patch_size {nearest}"
        )
    paths = source_paths(run.checkpoints_dir, data.seg_source)
    return Predictor.load(paths, "latest", options, device=device, dtype=dtype_of(run.precision))


def read_source_options(checkpoints_dir: Path, data: DataOptions) -> dict[str, Any]:
    """Return the saved options of the run that `--seg_source` names.

    Raises:
        UserError: none is named, there is no such run, or it is not of a model that translates single TXM slices.
    """
    if not data.seg_source:
        raise UserError(
            "--seg_mode semfake segments the SEM that a trained model predicts: pass --seg_source NAME, the name of a "
            f"translation run in {checkpoints_dir}"
        )
    path = source_paths(checkpoints_dir, data.seg_source).options
    if not path.exists():
        runs = sorted(found.parent.name for found in checkpoints_dir.glob("*/options.yaml"))
        raise UserError(
            f"--seg_source {data.seg_source}: expected the options of a trained translation run in {path}, which is "
            f"not there; {checkpoints_dir} holds {', '.join(runs) or 'no runs'}"
        )
    saved = read_options(path)
    models = DATASET_MODES["txm2sem"].models
    if saved.get("model") not in models:
        raise UserError(
            f"--seg_source {data.seg_source} is a run of --model {saved.get('model')}; expected a translation model: "
            f"{', '.join(models)}"
        )
    if saved.get("direction", "AtoB") != "AtoB":
        raise UserError(
            f"--seg_source {data.seg_source} was trained with --direction {saved['direction']}: it predicts the TXM; "
            "expected a model that predicts the SEM"
        )
    if saved.get("context_slices", 0):
        raise UserError(
            f"--seg_source {data.seg_source} was trained with --context_slices {saved['context_slices']}: it sees "
            "neighbouring TXM slices, which --seg_mode semfake does not read; expected a model trained without that "
            "option"
        )
    return saved


def source_paths(checkpoints_dir: Path, name: str) -> RunPaths:
    """Return the files of the run that `--seg_source` names."""
    return RunPaths.of(name, checkpoints_dir, checkpoints_dir)
