"""A trained translation model as the frozen first stage of another one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from txm2sem.checkpoints import load_generator
from txm2sem.data import DATASET_MODES, downsample, keep_empty
from txm2sem.errors import UserError
from txm2sem.networks import size_multiple
from txm2sem.options import MODEL_DEFAULTS, DataOptions, GeneratorOptions, TrainCommand, override
from txm2sem.runs import RunPaths, read_options


class Translator(nn.Module):
    """Predicts the SEM from the TXM, with frozen weights, frozen normalisation statistics and no dropout.

    It stays so inside a module that is trained, and no gradients go through it.

    Args:
        generator: the trained network.
        options: its options; super-resolution models see the TXM downsampled.
    """

    def __init__(self, generator: nn.Module, options: GeneratorOptions) -> None:
        super().__init__()
        self.generator = generator.requires_grad_(False)
        self.factor = options.downsample_factor
        self.keeps_empty = options.keep_empty
        self.train(False)

    def train(self, mode: bool = True) -> Translator:
        """Stay in evaluation mode, whatever the module around it does."""
        super().train(False)
        return self

    @torch.no_grad()
    def forward(self, source: Tensor) -> Tensor:
        """Translate TXM (N, 1, H, W) in [-1, 1] to SEM of the same size and range, float32."""
        output: Tensor = self.generator(downsample(source, self.factor))
        output = keep_empty(output, source) if self.keeps_empty else output
        return output[:, :1].float()


def load_translator(checkpoints_dir: Path, data: DataOptions) -> Translator | None:
    """Return the translation model that `--seg_source` names, on the CPU; None where `--seg_mode` needs none.

    Its architecture is that of its saved options, its weights are the latest.

    Args:
        checkpoints_dir: where its run is.
        data: with the grey ranges and the patch size that it is to be used with.

    Raises:
        UserError: no model is named, or it is missing, damaged, no translation model, or made for other grey values or
            another patch size.
    """
    if data.seg_mode != "semfake":
        return None
    saved = read_source_options(checkpoints_dir, data)
    for name in ("txm_range", "sem_range", "gamma", "hist_eq"):
        wanted = getattr(data, name)
        found = saved.get(name, wanted)
        if found != wanted:
            raise UserError(
                f"--seg_source {data.seg_source} was trained with --{name} {found}, but here it is {wanted}; train "
                "both models with the same grey values"
            )
    options = override(TrainCommand(), {**MODEL_DEFAULTS[saved["model"]], **saved}).model
    multiple = size_multiple(options)
    if data.patch_size % multiple:
        nearest = max(round(data.patch_size / multiple), 1) * multiple
        raise UserError(
            f"--patch_size {data.patch_size}: expected a multiple of {multiple} for --seg_source {data.seg_source} "
            f"({options.netG}); pass --patch_size {nearest}"
        )
    generator = load_generator(_paths(checkpoints_dir, data.seg_source).network("latest", "G"), options)
    return Translator(generator, options)


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
    path = _paths(checkpoints_dir, data.seg_source).options
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
            "neighbouring TXM slices, which segmentation does not read; expected a model trained without that option"
        )
    return saved


def _paths(checkpoints_dir: Path, name: str) -> RunPaths:
    return RunPaths.of(name, checkpoints_dir, checkpoints_dir)
