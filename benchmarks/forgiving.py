"""Measure what misaligned training slices cost, and how much of that `--forgive` wins back.

    python benchmarks/forgiving.py [--pixels 0 2 5 10] [--seeds 0 1] [--blur 1] [--network]

Two synthetic shales of 512 x 512 pixels. The SEM of each training slice is moved in a way of its own: rigid, by a turn
and a shift, or by a smooth field; the longest displacement in a slice is given. A smaller network than that of
`--recipe translate` is trained for less long, on them as they are and with `--forgive`, of twice the displacement that
there is and at least 10 pixels. PSNR and SSIM are those of the test slices, which are aligned, against a SEM with all
its noise. What is won back is the share of what misalignment costs, where that is more than the luck of a training,
`LUCK`.

- By default the TXM is sharper (`--blur 1`) than that of `txm2sem phantom` (2.5 pixels), in which misalignment of a few
  pixels costs less than the luck of a training.
- With --network displacements are not learned for each slice, but found in each patch by a registration network that is
  trained with the generator, as in RegGAN (Kong et al. 2021, arXiv 2110.06465).
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
from pathlib import Path
from typing import Any, NamedTuple

import cv2
import numpy as np
import tifffile
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))
from moved_pairs import wobble

import txm2sem
from txm2sem.metrics import psnr, ssim
from txm2sem.options import PhantomOptions
from txm2sem.phantoms import write_phantom
from txm2sem.training import fit
from txm2sem.training.accumulation import BatchPart
from txm2sem.training.forgiveness import Displacements, deformed
from txm2sem.training.models import MODELS
from txm2sem.training.regression import RegressionModule

SIZE, RADIUS = 512, 240

SMALL: dict[str, Any] = {
    "recipe": "translate",
    "netG": "residual_unet",
    "norm": "none",
    "lr": 0.001,
    "ngf": 16,
    "patch_size": 96,
    "batch_size": 4,
    "num_train": 400,
}
SMALL |= {"niter": 5, "num_test": 4, "num_threads": 0, "no_html": True, "device": "cpu"}

LUCK = (0.05, 0.005)
"""By how much PSNR [dB] and SSIM of two trainings differ that differ in the seed alone, about."""

Field = NDArray[np.float64]


class Score(NamedTuple):
    """PSNR [dB] and SSIM of the test slices, and by how much displacements that were learned are off [pixels]."""

    psnr: float
    ssim: float
    left: float


def main(words: list[str]) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--pixels", type=float, nargs="+", default=[0, 2, 5, 10], help="longest displacements")
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--blur", type=float, default=1.0, help="of the TXM [pixels]")
    parser.add_argument("--network", action="store_true", help="a registration network, as in RegGAN")
    given = parser.parse_args(words)
    torch.set_num_threads(1)
    if given.network:
        MODELS["feedforward"], fit.Displacements = RegisteringModule, Registration  # type: ignore[misc]
    print(
        "| pixels | seed | as they are [dB, SSIM] | forgiven | off by [pixels] | won back |\n|---|---|---|---|---|---|"
    )
    with tempfile.TemporaryDirectory() as folder:
        for seed in given.seeds:
            rock = Path(folder) / f"rock{seed}"
            write_phantom(rock, PhantomOptions(seed=10 + seed, size=SIZE, depth=88, charging=0.0, blur=given.blur))
            aligned = trained(rock, [], seed, 0.0)
            for pixels in given.pixels:
                for kind in ("rigid", "smooth") if pixels else ("aligned",):
                    rng = np.random.default_rng([seed, kind == "smooth"])
                    fields = [motion(rng, kind, pixels) for _ in range(8)] if pixels else []
                    plain = trained(rock, fields, seed, 0.0) if pixels else aligned
                    other = trained(rock, fields, seed, max(10.0, 2 * pixels))
                    costs, gains = (np.subtract(score[:2], plain[:2]) for score in (aligned, other))
                    shares = [f"{gains[i] / costs[i]:.0%}" if costs[i] > LUCK[i] else "-" for i in (0, 1)]
                    print(
                        f"| {kind} {pixels:g} | {seed} | {plain.psnr:.2f}, {plain.ssim:.4f} | {other.psnr:.2f}, "
                        f"{other.ssim:.4f} | {other.left:.2f} | {', '.join(shares)} |",
                        flush=True,
                    )


def motion(rng: np.random.Generator, kind: str, pixels: float) -> Field:
    """Return a displacement (H, W, 2) that is as long as `pixels` somewhere in the field of view."""
    if kind == "smooth":
        return wobble(rng, SIZE, pixels)
    turn, direction = rng.uniform(-1, 1), rng.uniform(0, 2 * np.pi)
    rows, columns = (np.indices((SIZE, SIZE)) - (SIZE - 1) / 2) * turn * pixels / RADIUS
    shift = (1 - abs(turn)) * pixels * np.array([np.cos(direction), np.sin(direction)])
    return np.stack([-columns, rows], axis=-1) + shift


def trained(rock: Path, fields: list[Field], seed: int, forgive: float) -> Score:
    """Train on slices whose SEM shows at x what belongs at x + field(x), and score the model on aligned ones."""
    with tempfile.TemporaryDirectory() as folder:
        images = Path(folder) / "images"
        shutil.copytree(rock, images)
        for path, field in zip(sorted((images / "train" / "sem").iterdir()), fields, strict=bool(fields)):
            sem = tifffile.imread(path).astype(np.float32)
            down, right = (np.indices(sem.shape) + field.transpose(2, 0, 1)).astype(np.float32)
            known = cv2.remap((sem > 0).astype(np.float32), right, down, cv2.INTER_LINEAR) > 0.99
            moved = cv2.remap(sem, right, down, cv2.INTER_CUBIC).round().clip(1, 255)
            tifffile.imwrite(path, np.where(known, moved, 0).astype(np.uint8))
        has_network = MODELS["feedforward"] is RegisteringModule
        run = txm2sem.train(images, "run", checkpoints_dir=f"{folder}/runs", seed=seed, forgive=forgive, **SMALL)
        model = run.load(device="cpu")
        scores = []
        for path in sorted((images / "test" / "txm").iterdir()):
            txm, sem = tifffile.imread(path), tifffile.imread(images / "test" / "sem" / path.name)
            valid, prediction = (txm > 0) & (sem > 0), model.predict(txm)
            scores.append((psnr(prediction, sem, valid), ssim(prediction, sem, valid)))
        found = (
            learned(run.checkpoints / "latest_state.pth", forgive)
            if forgive and not has_network
            else np.full((8, SIZE, SIZE, 2), np.nan)
        )
        away = np.linalg.norm(found - (np.array(fields) if fields else 0), axis=-1)[:, txm > 0]
        return Score(*np.mean(scores, axis=0), float(away.mean()))


def learned(state: Path, forgive: float) -> Field:
    """Return the displacements of all slices at every pixel, (N, H, W, 2)."""
    displacements = Displacements([""] * 8, (SIZE, SIZE), forgive)
    displacements.load_state_dict(torch.load(state)["networks"]["displacements"])
    grid = torch.from_numpy(np.indices((8, SIZE, SIZE)).swapaxes(0, 1).astype(np.float32))
    with torch.no_grad():
        return displacements(grid).movedim(1, -1).double().numpy()


class Registration(Displacements):
    """Finds the displacement in a patch of prediction and SEM, at a sixteenth of the resolution."""

    def __init__(self, *given: Any) -> None:
        super().__init__(*given)
        widths = (32, 32, 64, 64)
        layers = [
            (nn.Conv2d(before, after, 3, stride, 1), nn.SiLU())
            for before, after, stride in zip(widths, widths[1:], (1, 2, 2), strict=False)
        ]
        self.layers = nn.Sequential(*(part for layer in layers for part in layer), nn.Conv2d(64, 2, 3, padding=1))
        nn.init.zeros_(self.layers[-1].weight)

    def between(self, prediction: Tensor, target: Tensor) -> Tensor:
        places = nn.functional.pixel_unshuffle(torch.cat([prediction, target], dim=1), 4)
        coarse = self.largest * torch.tanh(self.layers(places))
        return nn.functional.interpolate(coarse, prediction.shape[-2:], mode="bilinear", align_corners=True)


class RegisteringModule(RegressionModule):
    """Deforms predictions as a registration network says, which is trained with the generator."""

    SMOOTHNESS = 0.1

    def translate(self, part: BatchPart) -> tuple[Tensor, Tensor]:
        image, prediction = super().translate(part._replace(place=None))
        if not isinstance(self.displacements, Registration):
            return image, prediction
        self.field = self.displacements.between(prediction, part.target)
        return image, deformed(prediction, self.field)

    def generator_losses(self, part: BatchPart, image: Tensor, prediction: Tensor) -> dict[str, Tensor]:
        losses = super().generator_losses(part, image, prediction)
        if isinstance(self.displacements, Registration):
            steps = (self.field.diff(dim=axis).square().mean() for axis in (2, 3))
            losses["R_smoothness"] = self.SMOOTHNESS * sum(steps, self.field.new_zeros(()))
        return losses


if __name__ == "__main__":
    main(sys.argv[1:])
